
/*
 * Copyright (C) nginx-gate authors
 */


/* inet_pton() */

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE  200809L
#endif

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "gate_payout.h"


#define GATE_ADDRESS_LEN  45        /* of the longest IPv6 address */


/* where a field stands */

typedef enum {
    GATE_IN_TOP = 0,
    GATE_IN_GENERAL,
    GATE_IN_PAYMENT,
    GATE_IN_CUSTOMER,
    GATE_IN_ACCOUNT,
    GATE_IN_CARD,
    GATE_OBJECTS
} gate_object_e;


typedef enum {
    GATE_KIND_TEXT = 0,     /* min to max characters */
    GATE_KIND_DIGITS,       /* min to max digits */
    GATE_KIND_ADDRESS,
    GATE_KIND_EMAIL,
    GATE_KIND_CURRENCY,
    GATE_KIND_INTEGER,      /* min to max */
    GATE_KIND_OBJECT,
    GATE_KIND_ARRAY
} gate_kind_e;


typedef enum {
    GATE_RULE_TEXT_1_255 = 0,
    GATE_RULE_TEXT_255,
    GATE_RULE_TEXT_1_100,
    GATE_RULE_TEXT_1_32,
    GATE_RULE_TEXT_1,
    GATE_RULE_DIGITS_4_24,
    GATE_RULE_ADDRESS,
    GATE_RULE_EMAIL,
    GATE_RULE_CURRENCY,
    GATE_RULE_AMOUNT,
    GATE_RULE_INTEGER_0,
    GATE_RULE_INTEGER_1,
    GATE_RULE_OBJECT,
    GATE_RULE_ARRAY
} gate_rule_e;


typedef struct {
    gate_kind_e     kind;
    int64_t         min;
    int64_t         max;
    const char     *reason;
} gate_rule_t;


typedef struct {
    gate_object_e       object;
    gate_str_t          name;
    const char         *path;
    const gate_rule_t  *rule;
} gate_field_t;


struct gate_endpoint_s {
    const char       *pattern;      /* below /v2/; a "*" is one segment, a
                                       last "**" is all that follows */
    const char       *name;
    gate_operation_e  operation;
    uint32_t          basic;        /* fields that are required */
    uint32_t          strict;       /* and those that strict adds */
    unsigned          money;
    unsigned          top_level;
};


typedef struct {
    const gate_doc_t  *doc;
    uint32_t           objects[GATE_OBJECTS];
    gate_validate_e    validate;
    gate_err_t        *err;
} gate_check_t;


static uint32_t gate_payout_node(const gate_check_t *check, unsigned field);
static void gate_payout_read(const gate_check_t *check,
    gate_payout_t *payout);
static gate_rc_e gate_payout_field(const gate_check_t *check, unsigned field,
    unsigned required);
static unsigned gate_payout_valid(const gate_node_t *node,
    const gate_rule_t *rule, gate_validate_e validate);
static const char *gate_payout_reason(const gate_node_t *node,
    const gate_rule_t *rule);
static unsigned gate_payout_text(gate_str_t str, int64_t min, int64_t max);
static unsigned gate_payout_class(gate_str_t str, int64_t min, int64_t max,
    unsigned char from, unsigned char to);
static unsigned gate_payout_address(gate_str_t str);
static unsigned gate_payout_email(gate_str_t str);

static const unsigned char *gate_endpoint_version(const unsigned char *p,
    const unsigned char *last);
static unsigned gate_endpoint_plain(const unsigned char *p,
    const unsigned char *last);
static unsigned gate_endpoint_match(const char *pattern,
    const unsigned char *p, const unsigned char *last);
static unsigned gate_endpoint_has_payout(const unsigned char *p,
    const unsigned char *last);


static const gate_str_t  gate_objects[] = {
    gate_string(""),
    gate_string("general"),
    gate_string("payment"),
    gate_string("customer"),
    gate_string("account"),
    gate_string("card")
};


/* by gate_rule_e */

static const gate_rule_t  gate_rules[] = {
    { GATE_KIND_TEXT, 1, 255, "must be a string of 1 to 255 characters" },
    { GATE_KIND_TEXT, 0, 255, "must be a string of at most 255 characters" },
    { GATE_KIND_TEXT, 1, 100, "must be a string of 1 to 100 characters" },
    { GATE_KIND_TEXT, 1, 32, "must be a string of 1 to 32 characters" },
    { GATE_KIND_TEXT, 1, INT64_MAX, "must be a string that is not empty" },
    { GATE_KIND_DIGITS, 4, 24, "must be a string of 4 to 24 digits" },
    { GATE_KIND_ADDRESS, 0, 0, "must be an IPv4 or IPv6 address" },
    { GATE_KIND_EMAIL, 3, 255,
      "must be an e-mail address of at most 255 characters" },
    { GATE_KIND_CURRENCY, 3, 3, "must be three capital letters (ISO 4217)" },
    { GATE_KIND_INTEGER, 1, GATE_MAX_AMOUNT,
      "must be an integer from 1 to 10000000000000" },
    { GATE_KIND_INTEGER, 0, INT64_MAX, "must be an integer, 0 or more" },
    { GATE_KIND_INTEGER, 1, INT64_MAX, "must be an integer, 1 or more" },
    { GATE_KIND_OBJECT, 0, 0, "must be an object" },
    { GATE_KIND_ARRAY, 0, 0, "must be an array" }
};


/* checked in this order */

#define GATE_FIELDS(field)                                                    \
    field(PAYMENT_ID, GENERAL, "general.", "payment_id", TEXT_1_255)          \
    field(AMOUNT, PAYMENT, "payment.", "amount", AMOUNT)                      \
    field(CURRENCY, PAYMENT, "payment.", "currency", CURRENCY)                \
    field(CUSTOMER, TOP, "", "customer", OBJECT)                              \
    field(ID, CUSTOMER, "customer.", "id", TEXT_1_255)                        \
    field(ANY_ID, CUSTOMER, "customer.", "id", TEXT_255)                      \
    field(IP, CUSTOMER, "customer.", "ip_address", ADDRESS)                   \
    field(FIRST, CUSTOMER, "customer.", "first_name", TEXT_255)               \
    field(MIDDLE, CUSTOMER, "customer.", "middle_name", TEXT_255)             \
    field(LAST, CUSTOMER, "customer.", "last_name", TEXT_255)                 \
    field(EMAIL, CUSTOMER, "customer.", "email", EMAIL)                       \
    field(PHONE, CUSTOMER, "customer.", "phone", DIGITS_4_24)                 \
    field(NUMBER, ACCOUNT, "account.", "number", TEXT_1_100)                  \
    field(ANY_NUMBER, ACCOUNT, "account.", "number", TEXT_1)                  \
    field(MOBILE, ACCOUNT, "account.", "number", DIGITS_4_24)                 \
    field(BANK_0, ACCOUNT, "account.", "bank_id", INTEGER_0)                  \
    field(BANK_1, ACCOUNT, "account.", "bank_id", INTEGER_1)                  \
    field(HOLDER, ACCOUNT, "account.", "customer_name", TEXT_1)               \
    field(CRYPTO, ACCOUNT, "account.", "crypto_currency", TEXT_1)             \
    field(WALLET, ACCOUNT, "account.", "wallet_address", TEXT_1)              \
    field(PAN, CARD, "card.", "pan", TEXT_1_32)                               \
    field(TOKEN, TOP, "", "token", TEXT_1_255)                                \
    field(ADDITIONAL, TOP, "", "additional_data", OBJECT)                     \
    field(DIRECTIONS, TOP, "", "directions", ARRAY)


#define GATE_FIELD_NUMBER(id, object, prefix, name, rule)  GATE_NUMBER_##id,
#define GATE_FIELD_BIT(id, object, prefix, name, rule)                        \
    GATE_F_##id = 1u << GATE_NUMBER_##id,
#define GATE_FIELD_ENTRY(id, object, prefix, name, rule)                      \
    { GATE_IN_##object, gate_string(name), prefix name,                       \
      &gate_rules[GATE_RULE_##rule] },


enum {
    GATE_FIELDS(GATE_FIELD_NUMBER)
    GATE_NFIELDS
};


enum {
    GATE_FIELDS(GATE_FIELD_BIT)

    GATE_F_PAYMENT = GATE_F_PAYMENT_ID|GATE_F_AMOUNT|GATE_F_CURRENCY,
    GATE_F_PERSON = GATE_F_ID|GATE_F_IP,
    GATE_F_NAMES = GATE_F_FIRST|GATE_F_LAST
};


static const gate_field_t  gate_fields[] = {
    GATE_FIELDS(GATE_FIELD_ENTRY)
};


/*
 * Strict adds fields to one entry only: the other method pages that are known
 * list nothing beyond what is required anyway.  In every entry it refuses
 * required strings that are empty.
 */

#define gate_payout_to(method, fields)                                        \
    { "payment/" method "/payout", method, GATE_OP_PAYOUT,                    \
      GATE_F_PAYMENT|(fields), 0, 1, 0 }


static const gate_endpoint_t  gate_endpoints[] = {

    gate_payout_to("mobile", GATE_F_PERSON|GATE_F_NAMES|GATE_F_EMAIL
                             |GATE_F_MOBILE),

    { "payment/card/payout/token", "card/payout/token", GATE_OP_PAYOUT,
      GATE_F_PAYMENT|GATE_F_PERSON|GATE_F_TOKEN,
      GATE_F_NAMES|GATE_F_MIDDLE, 1, 0 },

    { "payment/status", "status", GATE_OP_STATUS,
      GATE_F_PAYMENT_ID, 0, 0, 0 },

    { "payment/clarification", "clarification", GATE_OP_CLARIFICATION,
      GATE_F_PAYMENT_ID|GATE_F_ADDITIONAL, 0, 0, 0 },

    { "info/available_methods_for_merchant/list",
      "info/available_methods_for_merchant", GATE_OP_INFO,
      0, GATE_F_DIRECTIONS, 0, 1 },

    { "info/mobile/*/list", "info/mobile", GATE_OP_INFO, 0, 0, 0, 0 },

    { "info/**", "info", GATE_OP_INFO, 0, 0, 0, 0 },

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


/* the general rules */

static const gate_endpoint_t  gate_other = {
    NULL, "other", GATE_OP_OTHER, 0, 0, 1, 0
};


static const gate_endpoint_t  gate_other_payout = {
    NULL, "other", GATE_OP_PAYOUT, GATE_F_PAYMENT, 0, 1, 0
};


const gate_endpoint_t *
gate_endpoint_find(const unsigned char *path, size_t len)
{
    size_t                i;
    const unsigned char  *p, *last;

    last = path + len;
    p = gate_endpoint_version(path, last);

    if (p != NULL && !gate_endpoint_plain(p, last)) {
        return &gate_other_payout;
    }

    /* which of two versions the endpoint is below is a guess */

    if (p != NULL && gate_endpoint_version(p - 1, last) == NULL) {

        for (i = 0; i < sizeof(gate_endpoints) / sizeof(gate_endpoints[0]);
             i++)
        {
            if (gate_endpoint_match(gate_endpoints[i].pattern, p, last)) {
                return &gate_endpoints[i];
            }
        }
    }

    return gate_endpoint_has_payout(path, last) ? &gate_other_payout
                                                : &gate_other;
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
    return sizeof(gate_endpoints) / sizeof(gate_endpoints[0]) + 1;
}


unsigned
gate_endpoint_index(const gate_endpoint_t *endpoint)
{
    if (endpoint == NULL || endpoint->pattern == NULL) {
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

        if ((*p >= '0' && *p <= '9')
            || (*p >= 'A' && *p <= 'Z')
            || (*p >= 'a' && *p <= 'z')
            || (*p >= '-' && *p <= '/')
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


gate_rc_e
gate_payout_check(const gate_doc_t *doc, const gate_endpoint_t *endpoint,
    gate_validate_e validate, gate_payout_t *payout, gate_err_t *err)
{
    uint32_t      checked, required;
    unsigned      i;
    gate_rc_e     rc;
    gate_check_t  check;

    check.doc = doc;
    check.validate = validate;
    check.err = err;
    check.objects[GATE_IN_TOP] = 0;

    for (i = 1; i < GATE_OBJECTS; i++) {
        check.objects[i] = gate_json_member(doc, 0,
                                            (char *) gate_objects[i].data,
                                            gate_objects[i].len);
    }

    gate_payout_read(&check, payout);

    if (validate == GATE_VALIDATE_OFF) {
        return GATE_OK;
    }

    required = endpoint->basic;

    if (validate == GATE_VALIDATE_STRICT) {
        required |= endpoint->strict;
    }

    /* an amount of no currency could not be counted */

    if (endpoint->money && payout->amount != 0) {
        required |= GATE_F_CURRENCY;
    }

    checked = required | (endpoint->money ? GATE_F_PAYMENT : 0)
              | (endpoint->top_level ? 0 : GATE_F_PAYMENT_ID);

    for (i = 0; i < GATE_NFIELDS; i++) {

        if (checked & (1u << i)) {
            rc = gate_payout_field(&check, i, required & (1u << i));

            if (rc != GATE_OK) {
                return rc;
            }
        }
    }

    return GATE_OK;
}


static uint32_t
gate_payout_node(const gate_check_t *check, unsigned field)
{
    uint32_t             object;
    const gate_field_t  *f;

    f = &gate_fields[field];
    object = check->objects[f->object];

    if (f->object != GATE_IN_TOP && object == GATE_NO_NODE) {
        return GATE_NO_NODE;
    }

    return gate_json_member(check->doc, object, (char *) f->name.data,
                            f->name.len);
}


static void
gate_payout_read(const gate_check_t *check, gate_payout_t *payout)
{
    uint32_t      i;
    gate_node_t  *nodes;

    nodes = check->doc->nodes;

    memset(payout, 0, sizeof(gate_payout_t));

    i = gate_payout_node(check, GATE_NUMBER_PAYMENT_ID);

    if (i != GATE_NO_NODE
        && gate_payout_valid(&nodes[i], &gate_rules[GATE_RULE_TEXT_1_255],
                             GATE_VALIDATE_BASIC))
    {
        payout->payment_id = nodes[i].value;
    }

    i = gate_payout_node(check, GATE_NUMBER_CURRENCY);

    if (i != GATE_NO_NODE
        && gate_payout_valid(&nodes[i], &gate_rules[GATE_RULE_CURRENCY],
                             GATE_VALIDATE_BASIC))
    {
        payout->currency = nodes[i].value;
    }

    i = gate_payout_node(check, GATE_NUMBER_AMOUNT);

    if (i != GATE_NO_NODE
        && gate_payout_valid(&nodes[i], &gate_rules[GATE_RULE_AMOUNT],
                             GATE_VALIDATE_BASIC))
    {
        (void) gate_json_int64(&nodes[i], &payout->amount);
    }
}


static gate_rc_e
gate_payout_field(const gate_check_t *check, unsigned field,
    unsigned required)
{
    uint32_t             node, object;
    const gate_field_t  *f;

    f = &gate_fields[field];
    object = check->objects[f->object];

    if (f->object != GATE_IN_TOP && object != GATE_NO_NODE
        && check->doc->nodes[object].type != GATE_OBJECT)
    {
        check->err->path = (char *) gate_objects[f->object].data;
        check->err->reason = "must be an object";
        check->err->offset = check->doc->nodes[object].start;
        return GATE_INVALID;
    }

    check->err->path = f->path;

    node = gate_payout_node(check, field);

    if (node == GATE_NO_NODE) {
        check->err->reason = "is required";
        check->err->offset = 0;
        return required ? GATE_MISSING : GATE_OK;
    }

    if (!gate_payout_valid(&check->doc->nodes[node], f->rule,
                           check->validate))
    {
        check->err->reason = gate_payout_reason(&check->doc->nodes[node],
                                                f->rule);
        check->err->offset = check->doc->nodes[node].start;
        return GATE_INVALID;
    }

    return GATE_OK;
}


static unsigned
gate_payout_valid(const gate_node_t *node, const gate_rule_t *rule,
    gate_validate_e validate)
{
    int64_t  min, n;

    if (rule->kind == GATE_KIND_OBJECT) {
        return node->type == GATE_OBJECT;
    }

    if (rule->kind == GATE_KIND_ARRAY) {
        return node->type == GATE_ARRAY;
    }

    if (rule->kind == GATE_KIND_INTEGER) {
        return gate_json_int64(node, &n) == 0
               && n >= rule->min && n <= rule->max;
    }

    if (node->type != GATE_STRING) {
        return 0;
    }

    min = rule->min;

    if (min == 0 && validate == GATE_VALIDATE_STRICT) {
        min = 1;
    }

    switch (rule->kind) {

    case GATE_KIND_DIGITS:
        return gate_payout_class(node->value, min, rule->max, '0', '9');

    case GATE_KIND_CURRENCY:
        return gate_payout_class(node->value, min, rule->max, 'A', 'Z');

    case GATE_KIND_ADDRESS:
        return gate_payout_address(node->value);

    case GATE_KIND_EMAIL:
        return gate_payout_text(node->value, min, rule->max)
               && gate_payout_email(node->value);

    default: /* GATE_KIND_TEXT */
        return gate_payout_text(node->value, min, rule->max);
    }
}


/* of a string that is too short for strict only */

static const char *
gate_payout_reason(const gate_node_t *node, const gate_rule_t *rule)
{
    if (rule->kind == GATE_KIND_TEXT && rule->min == 0
        && node->type == GATE_STRING && node->value.len == 0)
    {
        return "must not be empty";
    }

    return rule->reason;
}


/* counts characters: the parser has checked the UTF-8 */

static unsigned
gate_payout_text(gate_str_t str, int64_t min, int64_t max)
{
    size_t   i;
    int64_t  n;

    /* a character has one to four bytes */

    if ((int64_t) (str.len + 3) / 4 >= min && (int64_t) str.len <= max) {
        return 1;
    }

    n = 0;

    for (i = 0; i < str.len; i++) {
        n += (str.data[i] & 0xc0) != 0x80;
    }

    return n >= min && n <= max;
}


static unsigned
gate_payout_class(gate_str_t str, int64_t min, int64_t max,
    unsigned char from, unsigned char to)
{
    size_t  i;

    if ((int64_t) str.len < min || (int64_t) str.len > max) {
        return 0;
    }

    for (i = 0; i < str.len; i++) {
        if (str.data[i] < from || str.data[i] > to) {
            return 0;
        }
    }

    return 1;
}


static unsigned
gate_payout_address(gate_str_t str)
{
    char             text[GATE_ADDRESS_LEN + 1];
    struct in_addr   in;
    struct in6_addr  in6;

    if (str.len == 0 || str.len > GATE_ADDRESS_LEN
        || memchr(str.data, '\0', str.len) != NULL)
    {
        return 0;
    }

    memcpy(text, str.data, str.len);
    text[str.len] = '\0';

    return inet_pton(AF_INET, text, &in) == 1
           || inet_pton(AF_INET6, text, &in6) == 1;
}


/* what every address has; the rest is for Gate to judge */

static unsigned
gate_payout_email(gate_str_t str)
{
    size_t                i;
    const unsigned char  *at;

    at = memchr(str.data, '@', str.len);

    if (at == NULL || at == str.data
        || str.data[str.len - 1] == '@')
    {
        return 0;
    }

    for (i = 0; i < str.len; i++) {
        if (str.data[i] <= ' ' || str.data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}
