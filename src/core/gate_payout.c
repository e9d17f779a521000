
/*
 * Copyright (C) nginx-gate authors
 *
 * What a payout must have, by endpoint, and what is read from it.
 */


/* inet_pton() */

#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE  200809L
#endif

#include <sys/socket.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "gate_fields.h"


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


typedef struct {
    const gate_doc_t  *doc;
    uint32_t           objects[GATE_OBJECTS];
    uint32_t           valid;   /* fields that were found to be so */
    gate_validate_e    validate;
    gate_err_t        *err;
} gate_check_t;


static uint32_t gate_payout_node(const gate_check_t *check, unsigned field);
static void gate_payout_read(gate_check_t *check, gate_payout_t *payout);
static const gate_node_t *gate_payout_take(gate_check_t *check,
    unsigned field);
static void gate_payout_weigh(const gate_check_t *check,
    gate_payout_t *payout);
static unsigned gate_payout_names(gate_str_t name, const char *word);
static unsigned gate_payout_misplaced(const gate_check_t *check,
    const gate_endpoint_t *endpoint);
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


static const gate_str_t  gate_objects[] = {
    gate_string(""),
    gate_string("general"),
    gate_string("payment"),
    gate_string("customer"),
    gate_string("account"),
    gate_string("card")
};


_Static_assert(sizeof(gate_objects) / sizeof(gate_objects[0]) == GATE_OBJECTS,
               "a name for each object");


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


_Static_assert(sizeof(gate_rules) / sizeof(gate_rules[0])
               == GATE_RULE_ARRAY + 1,
               "a row for each rule");


#define GATE_FIELD_ENTRY(id, object, prefix, name, rule)                      \
    { GATE_IN_##object, gate_string(name), prefix name,                       \
      &gate_rules[GATE_RULE_##rule] },


static const gate_field_t  gate_fields[] = {
    GATE_FIELDS(GATE_FIELD_ENTRY)
};


gate_rc_e
gate_payout_check(const gate_doc_t *doc, const gate_endpoint_t *endpoint,
    gate_validate_e validate, gate_payout_t *payout, gate_err_t *err)
{
    uint32_t      checked, required;
    unsigned      i;
    gate_rc_e     rc;
    gate_check_t  check;

    check.doc = doc;
    check.valid = 0;
    check.validate = validate;
    check.err = err;
    check.objects[GATE_IN_TOP] = 0;

    for (i = 1; i < GATE_OBJECTS; i++) {
        check.objects[i] = gate_json_member(doc, 0,
                                            (char *) gate_objects[i].data,
                                            gate_objects[i].len);
    }

    gate_payout_read(&check, payout);

    if (!endpoint->money && payout->carries
        && gate_payout_misplaced(&check, endpoint))
    {
        return GATE_INVALID;
    }

    if (validate == GATE_VALIDATE_OFF) {
        return GATE_OK;
    }

    required = endpoint->basic;

    if (validate == GATE_VALIDATE_STRICT) {
        required |= endpoint->strict;
    }

    checked = required | (endpoint->money ? GATE_F_PAYMENT : 0)
              | (endpoint->top_level ? 0 : GATE_F_PAYMENT_ID);

    /* a verification is a payment of nothing */

    if (endpoint->operation == GATE_OP_OTHER && !payout->carries) {
        checked &= ~GATE_F_AMOUNT;
    }

    /* the rules of these are the same however strict they are */

    checked &= ~check.valid;

    for (i = 0; checked >> i != 0; i++) {

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
gate_payout_read(gate_check_t *check, gate_payout_t *payout)
{
    const gate_node_t  *node;

    memset(payout, 0, sizeof(gate_payout_t));

    node = gate_payout_take(check, GATE_NUMBER_PAYMENT_ID);

    if (node != NULL) {
        payout->payment_id = node->value;
    }

    node = gate_payout_take(check, GATE_NUMBER_CURRENCY);

    if (node != NULL) {
        payout->currency = node->value;
    }

    node = gate_payout_take(check, GATE_NUMBER_AMOUNT);

    if (node != NULL) {
        (void) gate_json_int64(node, &payout->amount);
    }

    gate_payout_weigh(check, payout);
}


/* returns NULL where the field is not there, or not valid */

static const gate_node_t *
gate_payout_take(gate_check_t *check, unsigned field)
{
    uint32_t            i;
    const gate_node_t  *node;

    i = gate_payout_node(check, field);
    node = &check->doc->nodes[i];

    if (i == GATE_NO_NODE
        || !gate_payout_valid(node, gate_fields[field].rule,
                              GATE_VALIDATE_BASIC))
    {
        return NULL;
    }

    check->valid |= 1u << field;

    return node;
}


/*
 * What the body could move where somebody else reads another path than we do:
 * the signature does not cover the path.  Types do not matter here.
 */

static void
gate_payout_weigh(const gate_check_t *check, gate_payout_t *payout)
{
    int64_t             amount;
    uint32_t            i, id, object, next;
    unsigned            currency;
    const gate_node_t  *node;

    object = check->objects[GATE_IN_PAYMENT];

    if (object == GATE_NO_NODE
        || check->doc->nodes[object].type != GATE_OBJECT)
    {
        return;
    }

    currency = 0;
    next = check->doc->nodes[object].next;

    for (i = object + 1; i < next; i = node->next) {
        node = &check->doc->nodes[i];

        if (gate_json_empty(check->doc, i)) {
            continue;
        }

        if (gate_payout_names(node->key, "currency")) {
            currency = 1;
            continue;
        }

        if (!gate_payout_names(node->key, "amount")
            || (gate_json_int64(node, &amount) == 0 && amount == 0))
        {
            continue;
        }

        payout->carries = 1;

        if (!gate_is(node->key, "amount")
            && !gate_is(node->key, "customer_amount"))
        {
            payout->foreign = 1;
        }
    }

    if (!payout->carries || !currency) {
        return;
    }

    if (check->valid & GATE_F_PAYMENT_ID) {
        payout->moves = 1;
        return;
    }

    id = gate_payout_node(check, GATE_NUMBER_PAYMENT_ID);

    payout->moves = id != GATE_NO_NODE && !gate_json_empty(check->doc, id);
}


static unsigned
gate_payout_names(gate_str_t name, const char *word)
{
    size_t  i, len;

    len = strlen(word);

    for (i = 0; i + len <= name.len; i++) {
        if (name.data[i] == (unsigned char) *word
            && memcmp(name.data + i, word, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* no payout is without a customer */

static unsigned
gate_payout_misplaced(const gate_check_t *check,
    const gate_endpoint_t *endpoint)
{
    uint32_t  node;

    node = check->objects[GATE_IN_PAYMENT];
    check->err->path = "payment";
    check->err->reason = "must not have an amount here: nothing is paid by "
                         "this path, and it would not be counted";

    if (endpoint->quote) {
        node = check->objects[GATE_IN_CUSTOMER];

        if (node == GATE_NO_NODE) {
            return 0;
        }

        check->err->path = "customer";
        check->err->reason = "must not be here beside an amount: nothing is "
                             "paid by this path, and the body could be a "
                             "payout";
    }

    check->err->offset = check->doc->nodes[node].start;

    return 1;
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
