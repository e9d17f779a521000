
/*
 * Copyright (C) nginx-gate authors
 *
 * Which endpoint of Gate a request's path is, and what it asks for.
 */


#include <string.h>

#include "gate_fields.h"


static const unsigned char *gate_endpoint_version(const unsigned char *p,
    const unsigned char *last);
static unsigned gate_endpoint_plain(const unsigned char *p,
    const unsigned char *last);
static const gate_endpoint_t *gate_endpoint_below(const unsigned char *p,
    const unsigned char *last);
static unsigned gate_endpoint_match(const char *pattern,
    const unsigned char *p, const unsigned char *last);
static unsigned gate_endpoint_has_payout(const unsigned char *p,
    const unsigned char *last);


/*
 * Strict adds fields to one entry only: the other method pages that are known
 * list nothing beyond what is required anyway.  In every entry it refuses
 * required strings that are empty.
 */

#define gate_payout_to(method, fields)                                        \
    { gate_string("payment/" method "/payout"), method, GATE_OP_PAYOUT,       \
      GATE_F_PAYMENT|(fields), 0, 1, 0, 0 }


static const gate_endpoint_t  gate_endpoints[] = {

    gate_payout_to("mobile", GATE_F_PERSON|GATE_F_NAMES|GATE_F_EMAIL
                             |GATE_F_MOBILE),

    { gate_string("payment/card/payout/token"), "card/payout/token",
      GATE_OP_PAYOUT,
      GATE_F_PAYMENT|GATE_F_PERSON|GATE_F_TOKEN,
      GATE_F_NAMES|GATE_F_MIDDLE, 1, 0, 0 },

    { gate_string("payment/status"), "status", GATE_OP_STATUS,
      GATE_F_PAYMENT_ID, 0, 0, 0, 0 },

    { gate_string("payment/clarification"), "clarification",
      GATE_OP_CLARIFICATION,
      GATE_F_PAYMENT_ID|GATE_F_ADDITIONAL, 0, 0, 0, 0 },

    { gate_string("info/available_methods_for_merchant/list"),
      "info/available_methods_for_merchant", GATE_OP_INFO,
      0, GATE_F_DIRECTIONS, 0, 1, 0 },

    { gate_string("info/mobile/*/list"), "info/mobile",
      GATE_OP_INFO, 0, 0, 0, 0, 0 },

    { gate_string("info/banks/*/*/list"), "info/banks",
      GATE_OP_INFO, 0, 0, 0, 0, 1 },

    { gate_string("info/banks/*/*/*/list"), "info/banks/*",
      GATE_OP_INFO, 0, 0, 0, 0, 1 },

    { gate_string("info/available_p2p_method_list"),
      "info/available_p2p_method_list",
      GATE_OP_INFO, 0, 0, 0, 0, 1 },

    { gate_string("info/**"), "info", GATE_OP_INFO, 0, 0, 0, 0, 0 },

    gate_payout_to("card", GATE_F_PERSON|GATE_F_PAN),
    gate_payout_to("individual", GATE_F_PERSON|GATE_F_PAN),
    gate_payout_to("asian-banks", GATE_F_PERSON|GATE_F_NUMBER|GATE_F_BANK_1
                                  |GATE_F_HOLDER),
    gate_payout_to("p2p-banks/*", GATE_F_PERSON|GATE_F_ANY_NUMBER
                                  |GATE_F_BANK_0|GATE_F_HOLDER),
    gate_payout_to("banks/*", GATE_F_PERSON|GATE_F_NUMBER),
    gate_payout_to("unify", GATE_F_ANY_ID|GATE_F_IP|GATE_F_NUMBER),
    gate_payout_to("unify/*/*", GATE_F_IP|GATE_F_NUMBER),
    gate_payout_to("advcash", GATE_F_PERSON|GATE_F_NUMBER),
    gate_payout_to("ecopayz", GATE_F_ANY_ID|GATE_F_IP|GATE_F_NUMBER),
    gate_payout_to("qiwi", GATE_F_PERSON|GATE_F_NUMBER),
    gate_payout_to("skrill", GATE_F_ANY_ID|GATE_F_IP|GATE_F_NUMBER),
    gate_payout_to("webmoney", GATE_F_PERSON|GATE_F_NUMBER),
    gate_payout_to("india-banks-p2p", GATE_F_PERSON|GATE_F_NUMBER),
    gate_payout_to("flutterwave", GATE_F_IP|GATE_F_NUMBER),
    gate_payout_to("mpesa", GATE_F_IP|GATE_F_MOBILE),
    gate_payout_to("m10", GATE_F_ANY_ID|GATE_F_IP|GATE_F_NUMBER),
    gate_payout_to("wise", GATE_F_ANY_ID|GATE_F_IP|GATE_F_NUMBER),
    gate_payout_to("crypto", GATE_F_PERSON|GATE_F_CRYPTO|GATE_F_WALLET),
    gate_payout_to("interac", GATE_F_PERSON|GATE_F_NAMES|GATE_F_EMAIL
                              |GATE_F_PHONE),
    gate_payout_to("cash-out-kz/*", GATE_F_PERSON|GATE_F_PHONE),
    gate_payout_to("bank-transfer/*", GATE_F_PERSON),
    gate_payout_to("voucher/*", GATE_F_PERSON),
    gate_payout_to("wallet/*", GATE_F_PERSON),
    gate_payout_to("card-p2p", GATE_F_PERSON),
    gate_payout_to("pix", GATE_F_IP),
    gate_payout_to("cash/*", GATE_F_IP),
    gate_payout_to("cash-transfer", GATE_F_IP),
    gate_payout_to("cash-transfer/*", GATE_F_IP),
    gate_payout_to("sbp-p2p", GATE_F_CUSTOMER|GATE_F_NUMBER)
};


#define GATE_ENDPOINTS  (sizeof(gate_endpoints) / sizeof(gate_endpoints[0]))


/* the general rules */

static const gate_endpoint_t  gate_other = {
    { 0, NULL }, "other", GATE_OP_OTHER, 0, 0, 1, 0, 0
};


static const gate_endpoint_t  gate_other_payout = {
    { 0, NULL }, "other", GATE_OP_PAYOUT, GATE_F_PAYMENT, 0, 1, 0, 0
};


const gate_endpoint_t *
gate_endpoint_find(const unsigned char *path, size_t len)
{
    const unsigned char    *p, *last;
    const gate_endpoint_t  *endpoint;

    last = path + len;
    p = gate_endpoint_version(path, last);

    if (p != NULL && !gate_endpoint_plain(p, last)) {
        return &gate_other_payout;
    }

    /* which of two versions the endpoint is below is a guess */

    if (p != NULL && gate_endpoint_version(p - 1, last) == NULL) {
        endpoint = gate_endpoint_below(p, last);

        if (endpoint != NULL) {
            return endpoint;
        }
    }

    return gate_endpoint_has_payout(path, last) ? &gate_other_payout
                                                : &gate_other;
}


/* most are literal; no path that comes here has a "*" */

static const gate_endpoint_t *
gate_endpoint_below(const unsigned char *p, const unsigned char *last)
{
    size_t                  i, len;
    const gate_endpoint_t  *endpoint;

    len = last - p;

    for (i = 0; i < GATE_ENDPOINTS; i++) {
        endpoint = &gate_endpoints[i];

        if (endpoint->pattern.len == len
            && memcmp(endpoint->pattern.data, p, len) == 0)
        {
            return endpoint;
        }
    }

    for (i = 0; i < GATE_ENDPOINTS; i++) {
        endpoint = &gate_endpoints[i];

        if (gate_endpoint_match((const char *) endpoint->pattern.data, p,
                                last))
        {
            return endpoint;
        }
    }

    return NULL;
}


const gate_endpoint_t *
gate_endpoint_payout(void)
{
    return &gate_other_payout;
}


gate_operation_e
gate_endpoint_operation(const gate_endpoint_t *endpoint)
{
    return endpoint->operation;
}


const char *
gate_endpoint_name(const gate_endpoint_t *endpoint)
{
    return endpoint->name;
}


unsigned
gate_endpoint_count(void)
{
    return GATE_ENDPOINTS + 1;
}


unsigned
gate_endpoint_index(const gate_endpoint_t *endpoint)
{
    if (endpoint == NULL || endpoint->pattern.data == NULL) {
        return gate_endpoint_count() - 1;
    }

    return endpoint - gate_endpoints;
}


const gate_endpoint_t *
gate_endpoint_at(unsigned i)
{
    return (i < gate_endpoint_count() - 1) ? &gate_endpoints[i] : &gate_other;
}


int
gate_endpoint_top_level(const gate_endpoint_t *endpoint)
{
    return endpoint->top_level;
}


int
gate_endpoint_money(const gate_endpoint_t *endpoint)
{
    return endpoint->money;
}


/* returns what follows the first "/v2/", or NULL */

static const unsigned char *
gate_endpoint_version(const unsigned char *p, const unsigned char *last)
{
    for ( /* void */ ; last - p >= 4; p++) {
        if (memcmp(p, "/v2/", 4) == 0) {
            return p + 4;
        }
    }

    return NULL;
}


/* "..;", a backslash, and the like may be "/../" to others */

static unsigned
gate_endpoint_plain(const unsigned char *p, const unsigned char *last)
{
    for ( /* void */ ; p < last; p++) {

        if ((*p >= 'a' && *p <= 'z')
            || (*p >= '-' && *p <= '9')
            || (*p >= 'A' && *p <= 'Z')
            || *p == '_' || *p == '~')
        {
            continue;
        }

        return 0;
    }

    return 1;
}


static unsigned
gate_endpoint_match(const char *pattern, const unsigned char *p,
    const unsigned char *last)
{
    const unsigned char  *start;

    for ( /* void */ ; *pattern != '\0'; pattern++) {

        if (*pattern != '*') {

            if (p == last || *p != (unsigned char) *pattern) {
                return 0;
            }

            p++;
            continue;
        }

        if (pattern[1] == '*') {
            return 1;
        }

        start = p;

        while (p < last && *p != '/') {
            p++;
        }

        if (p == start) {
            return 0;
        }
    }

    return p == last;
}


static unsigned
gate_endpoint_has_payout(const unsigned char *p, const unsigned char *last)
{
    const unsigned char  *next;

    while (p < last) {
        next = memchr(p, '/', last - p);

        if (next == NULL) {
            next = last;
        }

        if (next - p == 6 && memcmp(p, "payout", 6) == 0) {
            return 1;
        }

        p = next + 1;
    }

    return 0;
}
