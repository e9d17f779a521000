
/*
 * Copyright (C) nginx-gate authors
 *
 * What callbacks and answers of Gate are made of, and documents that are made
 * of the same lines in another way.
 */


#include <string.h>

#include "gate_shape.h"


#define GATE_NAME_MAX  64


typedef struct gate_shape_s  gate_shape_t;

typedef struct {
    gate_str_t           name;
    const gate_shape_t  *shape;
    unsigned             list;      /* of objects */
} gate_part_t;


struct gate_shape_s {
    const gate_part_t   *parts;
    size_t               nparts;
    const gate_str_t    *fields;    /* values without members */
    size_t               nfields;
};


#define gate_list(table)  table, sizeof(table) / sizeof(table[0])


static gate_rc_e gate_shape_members(const gate_doc_t *doc, uint32_t object,
    const gate_shape_t *shape, gate_err_t *err);
static gate_rc_e gate_shape_member(const gate_doc_t *doc, uint32_t i,
    const gate_shape_t *shape, gate_err_t *err);
static gate_rc_e gate_shape_items(const gate_doc_t *doc, uint32_t list,
    const gate_part_t *part, gate_err_t *err);
static const gate_part_t *gate_shape_part(const gate_shape_t *shape,
    gate_str_t name);
static const gate_str_t *gate_shape_field(const gate_str_t *fields, size_t n,
    gate_str_t name);
static unsigned gate_shape_has_colon(const gate_node_t *node);
static unsigned gate_shape_known(gate_str_t name);

static unsigned gate_shape_hides_key(gate_str_t key);
static unsigned gate_shape_hides(const gate_canon_t *canon, uint32_t i);
static unsigned gate_shape_is_line(gate_str_t text);
static unsigned gate_shape_between(const gate_canon_t *canon, uint32_t i,
    gate_str_t text);
static int gate_shape_compare(const gate_canon_t *canon, uint32_t i,
    gate_str_t path);
static unsigned gate_shape_word(gate_str_t *text, gate_str_t *word);
static unsigned gate_shape_plain(gate_str_t name);
static size_t gate_shape_digits(gate_str_t text);
static gate_rc_e gate_shape_invalid(gate_err_t *err, const char *path,
    const char *reason);


static const gate_str_t  gate_sum_fields[] = {
    gate_string("amount"), gate_string("currency")
};


static const gate_str_t  gate_provider_fields[] = {
    gate_string("id"), gate_string("payment_id"), gate_string("auth_code"),
    gate_string("endpoint_id"), gate_string("result_code"),
    gate_string("result_message"), gate_string("date")
};


static const gate_str_t  gate_payment_fields[] = {
    gate_string("id"), gate_string("type"), gate_string("status"),
    gate_string("date"), gate_string("method"), gate_string("description")
};


static const gate_str_t  gate_operation_fields[] = {
    gate_string("id"), gate_string("type"), gate_string("status"),
    gate_string("date"), gate_string("created_date"),
    gate_string("request_id"), gate_string("code"), gate_string("message"),
    gate_string("eci")
};


static const gate_str_t  gate_account_fields[] = {
    gate_string("number"), gate_string("type"), gate_string("token"),
    gate_string("token_created_at"), gate_string("card_holder"),
    gate_string("id"), gate_string("expiry_month"), gate_string("expiry_year"),
    gate_string("bank_id"), gate_string("customer_name")
};


static const gate_str_t  gate_customer_fields[] = {
    gate_string("id"), gate_string("phone"), gate_string("first_name"),
    gate_string("middle_name"), gate_string("last_name"), gate_string("email"),
    gate_string("ip_address"), gate_string("country"), gate_string("city"),
    gate_string("state"), gate_string("address"), gate_string("zip"),
    gate_string("street"), gate_string("building"), gate_string("district"),
    gate_string("language"), gate_string("birthplace"),
    gate_string("day_of_birth"), gate_string("citizenship"),
    gate_string("gender"), gate_string("iin"), gate_string("ssn"),
    gate_string("identification_level"), gate_string("account_id"),
    gate_string("home_phone"), gate_string("work_phone"),
    gate_string("person_type"), gate_string("session_id"),
    gate_string("device_id"), gate_string("device_type"),
    gate_string("browser")
};


static const gate_str_t  gate_recurring_fields[] = {
    gate_string("id"), gate_string("currency"), gate_string("valid_thru"),
    gate_string("status"), gate_string("type"), gate_string("exp_year"),
    gate_string("exp_month"), gate_string("period"), gate_string("time")
};


static const gate_str_t  gate_acs_fields[] = {
    gate_string("pa_req"), gate_string("md"), gate_string("acs_url")
};


static const gate_str_t  gate_error_fields[] = {
    gate_string("code"), gate_string("message"), gate_string("field"),
    gate_string("constraint"), gate_string("description")
};


static const gate_str_t  gate_general_fields[] = {
    gate_string("project_id"), gate_string("payment_id"),
    gate_string("merchant_callback_url"),
    gate_string("merchant_success_callback_url"),
    gate_string("merchant_decline_callback_url"),
    gate_string("terminal_callback_url"), gate_string("referrer_url")
};


static const gate_str_t  gate_top_fields[] = {
    gate_string("project_id"), gate_string("payment_id"),
    gate_string("request_id"), gate_string("status"), gate_string("code"),
    gate_string("message")
};


/* of requests, and of answers of other kinds */

static const gate_str_t  gate_other_names[] = {
    gate_string("abbr"), gate_string("accounts"),
    gate_string("acs_return_url"), gate_string("addendum"),
    gate_string("additional_data"), gate_string("amount"),
    gate_string("authentication_data"), gate_string("avs_data"),
    gate_string("callback"), gate_string("card"),
    gate_string("card_operation_type"), gate_string("card_payment_system"),
    gate_string("cash_voucher_data"), gate_string("confirmation_code"),
    gate_string("cres"), gate_string("currencies"), gate_string("currency"),
    gate_string("cvv"), gate_string("destination"), gate_string("direction"),
    gate_string("directions"), gate_string("etoken"), gate_string("id"),
    gate_string("is_enable_check_by_trusted_pm_user_rules"),
    gate_string("limitCurrency"), gate_string("limits"),
    gate_string("max amount"), gate_string("md"), gate_string("merchant"),
    gate_string("merchantSession"), gate_string("min amount"),
    gate_string("mobile_operatiors"), gate_string("name"),
    gate_string("nativeName"), gate_string("object_info"),
    gate_string("pares"), gate_string("payment_data"),
    gate_string("payment_method"), gate_string("qr_code"),
    gate_string("receipt_data"), gate_string("recipient"),
    gate_string("recurring_id"), gate_string("recurring_register"),
    gate_string("return_url"), gate_string("saved_account_id"),
    gate_string("send_email"), gate_string("sender"),
    gate_string("service_provider"),
    gate_string("show_unavailable_methods_by_rules"),
    gate_string("threeds_completion_indicator"), gate_string("title"),
    gate_string("token")
};


/* what is in it is not looked at */

static const gate_shape_t  gate_any_shape = {
    NULL, 0,
    NULL, 0
};


static const gate_shape_t  gate_sum_shape = {
    NULL, 0,
    gate_list(gate_sum_fields)
};


static const gate_shape_t  gate_provider_shape = {
    NULL, 0,
    gate_list(gate_provider_fields)
};


static const gate_part_t  gate_payment_parts[] = {
    { gate_string("sum"), &gate_sum_shape, 0 }
};


static const gate_shape_t  gate_payment_shape = {
    gate_list(gate_payment_parts),
    gate_list(gate_payment_fields)
};


static const gate_part_t  gate_operation_parts[] = {
    { gate_string("sum"), &gate_sum_shape, 0 },
    { gate_string("sum_initial"), &gate_sum_shape, 0 },
    { gate_string("sum_converted"), &gate_sum_shape, 0 },
    { gate_string("provider"), &gate_provider_shape, 0 }
};


static const gate_shape_t  gate_operation_shape = {
    gate_list(gate_operation_parts),
    gate_list(gate_operation_fields)
};


static const gate_shape_t  gate_account_shape = {
    NULL, 0,
    gate_list(gate_account_fields)
};


static const gate_part_t  gate_customer_parts[] = {
    { gate_string("identify"), &gate_any_shape, 0 },
    { gate_string("billing"), &gate_any_shape, 0 },
    { gate_string("account"), &gate_any_shape, 0 },
    { gate_string("shipping"), &gate_any_shape, 0 },
    { gate_string("mpi_result"), &gate_any_shape, 0 }
};


static const gate_shape_t  gate_customer_shape = {
    gate_list(gate_customer_parts),
    gate_list(gate_customer_fields)
};


static const gate_shape_t  gate_recurring_shape = {
    NULL, 0,
    gate_list(gate_recurring_fields)
};


static const gate_shape_t  gate_acs_shape = {
    NULL, 0,
    gate_list(gate_acs_fields)
};


static const gate_shape_t  gate_error_shape = {
    NULL, 0,
    gate_list(gate_error_fields)
};


static const gate_shape_t  gate_general_shape = {
    NULL, 0,
    gate_list(gate_general_fields)
};


static const gate_part_t  gate_top_parts[] = {
    { gate_string("payment"), &gate_payment_shape, 0 },
    { gate_string("operation"), &gate_operation_shape, 0 },
    { gate_string("operations"), &gate_operation_shape, 1 },
    { gate_string("general"), &gate_general_shape, 0 },
    { gate_string("customer"), &gate_customer_shape, 0 },
    { gate_string("account"), &gate_account_shape, 0 },
    { gate_string("recurring"), &gate_recurring_shape, 0 },
    { gate_string("acs"), &gate_acs_shape, 0 },
    { gate_string("errors"), &gate_error_shape, 1 }
};


static const gate_shape_t  gate_top_shape = {
    gate_list(gate_top_parts),
    gate_list(gate_top_fields)
};


gate_rc_e
gate_shape_check(const gate_doc_t *doc, const gate_canon_t *canon,
    gate_err_t *err)
{
    uint32_t   i;
    unsigned   hides;
    gate_rc_e  rc;

    rc = gate_shape_members(doc, 0, &gate_top_shape, err);

    if (rc != GATE_OK
        || (memchr(doc->text.data, ';', doc->text.len) == NULL
            && memchr(doc->text.data, '\\', doc->text.len) == NULL))
    {
        return rc;
    }

    hides = 0;

    for (i = 1; i < doc->n; i++) {
        hides |= gate_shape_hides_key(doc->nodes[i].key);
    }

    for (i = 0; i < canon->n && !hides; i++) {
        hides = gate_shape_hides(canon, i);
    }

    if (hides) {
        return gate_shape_invalid(err, "a key or string",
                                  "holds fields of the callback");
    }

    return GATE_OK;
}


static gate_rc_e
gate_shape_members(const gate_doc_t *doc, uint32_t object,
    const gate_shape_t *shape, gate_err_t *err)
{
    uint32_t   i;
    gate_rc_e  rc;

    for (i = object + 1; i < doc->nodes[object].next; i = doc->nodes[i].next) {

        rc = gate_shape_member(doc, i, shape, err);
        if (rc != GATE_OK) {
            return rc;
        }
    }

    return GATE_OK;
}


/*
 * The line "a:b:c" is that of {"a":"b:c"} and of {"a":{"b":"c"}}.  Empty
 * objects and lists have no line; a string without a colon is none of a
 * member.
 */

static gate_rc_e
gate_shape_member(const gate_doc_t *doc, uint32_t i, const gate_shape_t *shape,
    gate_err_t *err)
{
    const gate_str_t   *field;
    const gate_node_t  *node;
    const gate_part_t  *part;

    node = &doc->nodes[i];

    if (node->type != GATE_OBJECT && node->type != GATE_ARRAY) {

        if (shape->nparts == 0 || !gate_shape_has_colon(node)) {
            return GATE_OK;
        }

        part = gate_shape_part(shape, node->key);

        return (part == NULL) ? GATE_OK
               : gate_shape_invalid(err, (const char *) part->name.data,
                                    "must not be a string");
    }

    if (node->next == i + 1) {
        return GATE_OK;
    }

    part = gate_shape_part(shape, node->key);

    if (part != NULL) {

        if (part->list) {
            return gate_shape_items(doc, i, part, err);
        }

        if (node->type != GATE_OBJECT) {
            return gate_shape_invalid(err, (const char *) part->name.data,
                                      "must be an object");
        }

        return gate_shape_members(doc, i, part->shape, err);
    }

    field = gate_shape_field(shape->fields, shape->nfields, node->key);

    return (field == NULL) ? GATE_OK
           : gate_shape_invalid(err, (const char *) field->data,
                                "must not have members");
}


static gate_rc_e
gate_shape_items(const gate_doc_t *doc, uint32_t list, const gate_part_t *part,
    gate_err_t *err)
{
    uint32_t            i;
    gate_rc_e           rc;
    const gate_node_t  *node;

    if (doc->nodes[list].type != GATE_ARRAY) {
        return gate_shape_invalid(err, (const char *) part->name.data,
                                  "must be an array");
    }

    for (i = list + 1; i < doc->nodes[list].next; i = doc->nodes[i].next) {
        node = &doc->nodes[i];

        if (gate_shape_has_colon(node)
            || (node->type == GATE_ARRAY && node->next != i + 1))
        {
            return gate_shape_invalid(err, (const char *) part->name.data,
                                      "must have objects");
        }

        if (node->type == GATE_OBJECT) {
            rc = gate_shape_members(doc, i, part->shape, err);
            if (rc != GATE_OK) {
                return rc;
            }
        }
    }

    return GATE_OK;
}


static const gate_part_t *
gate_shape_part(const gate_shape_t *shape, gate_str_t name)
{
    size_t  i;

    for (i = 0; i < shape->nparts; i++) {
        if (shape->parts[i].name.len == name.len && name.len
            && memcmp(shape->parts[i].name.data, name.data, name.len) == 0)
        {
            return &shape->parts[i];
        }
    }

    return NULL;
}


static const gate_str_t *
gate_shape_field(const gate_str_t *fields, size_t n, gate_str_t name)
{
    size_t  i;

    for (i = 0; i < n; i++) {
        if (fields[i].len == name.len && name.len
            && memcmp(fields[i].data, name.data, name.len) == 0)
        {
            return &fields[i];
        }
    }

    return NULL;
}


static unsigned
gate_shape_has_colon(const gate_node_t *node)
{
    return node->type == GATE_STRING && node->value.len
           && memchr(node->value.data, ':', node->value.len) != NULL;
}


/* a name of the top level */

static unsigned
gate_shape_known(gate_str_t name)
{
    return gate_shape_part(&gate_top_shape, name) != NULL
           || gate_shape_field(gate_list(gate_top_fields), name) != NULL
           || gate_shape_field(gate_list(gate_other_names), name) != NULL;
}


/*
 * {"a":"x","b":{"c":"y"}} has the lines of {"a":{"x;b":{"c":"y"}}}.  A colon of
 * a key is doubled, so that only one name can be hidden there; but one before
 * the semicolon hides a text that begins with a colon: {"a":":x",...} and
 * {"a:x;b":...}.
 */

static unsigned
gate_shape_hides_key(gate_str_t key)
{
    size_t      i;
    gate_str_t  name;

    for (i = key.len; i > 0 && key.data[i - 1] != ';'; i--) { /* void */ }

    if (i == 0) {
        return 0;
    }

    if (memchr(key.data, ':', i) != NULL) {
        return 1;
    }

    name.data = key.data + i;
    name.len = key.len - i;

    return gate_shape_known(name);
}


/*
 * And those of {"a":"x;b:c:y"}.  Ordinary texts have semicolons and colons,
 * too: what counts is a line of a documented member, or one with a name of the
 * top level that has its place right there, before the next line.
 */

static unsigned
gate_shape_hides(const gate_canon_t *canon, uint32_t i)
{
    gate_str_t            text;
    const unsigned char  *p;

    text = canon->leaves[canon->order[i]].value;

    while (text.len) {
        p = memchr(text.data, ';', text.len);

        if (p == NULL) {
            return 0;
        }

        p++;
        text.len -= p - text.data;
        text.data = p;

        if (gate_shape_is_line(text) || gate_shape_between(canon, i, text)) {
            return 1;
        }
    }

    return 0;
}


/* of documented members, and of the project's id */

static unsigned
gate_shape_is_line(gate_str_t text)
{
    size_t              n;
    gate_str_t          word;
    const gate_part_t  *part;

    static const gate_str_t  project = gate_string("project_id");

    if (!gate_shape_word(&text, &word)) {
        return 0;
    }

    if (gate_shape_field(&project, 1, word) != NULL) {
        n = gate_shape_digits(text);

        return n && (n == text.len || text.data[n] == ';');
    }

    part = gate_shape_part(&gate_top_shape, word);

    if (part == NULL || !gate_shape_word(&text, &word)) {
        return 0;
    }

    if (part->list
        && (gate_shape_digits(word) != word.len
            || !gate_shape_word(&text, &word)))
    {
        return 0;
    }

    return gate_shape_part(part->shape, word) != NULL
           || gate_shape_field(part->shape->fields, part->shape->nfields, word)
              != NULL;
}


static unsigned
gate_shape_between(const gate_canon_t *canon, uint32_t i, gate_str_t text)
{
    gate_str_t          path, name, member;
    const gate_part_t  *part;

    path = text;

    if (!gate_shape_word(&text, &name) || !gate_shape_known(name)) {
        return 0;
    }

    part = gate_shape_part(&gate_top_shape, name);

    if (part != NULL) {

        if (!gate_shape_word(&text, &member)
            || (part->list && !gate_shape_word(&text, &member))
            || !gate_shape_plain(member))
        {
            return 0;
        }
    }

    path.len = text.data - path.data - 1;

    return gate_shape_compare(canon, i, path) < 0
           && (i + 1 == canon->n
               || gate_shape_compare(canon, i + 1, path) > 0);
}


static int
gate_shape_compare(const gate_canon_t *canon, uint32_t i, gate_str_t path)
{
    int                 rc;
    size_t              len;
    unsigned            n;
    gate_str_t          part;
    const gate_leaf_t  *leaf;

    leaf = &canon->leaves[canon->order[i]];

    if (!canon->simple && canon->sorted == GATE_ORDER_NATURAL) {
        return gate_natural_compare(leaf->path, path);
    }

    for (n = 0; n < 2; n++) {
        part = n ? leaf->path : leaf->prefix;
        len = (part.len < path.len) ? part.len : path.len;
        rc = len ? memcmp(part.data, path.data, len) : 0;

        if (rc != 0) {
            return rc;
        }

        if (part.len > path.len) {
            return 1;
        }

        path.data += len;
        path.len -= len;
    }

    return path.len ? -1 : 0;
}


/* moves text behind the word and its colon */

static unsigned
gate_shape_word(gate_str_t *text, gate_str_t *word)
{
    size_t  i;

    for (i = 0; i < text->len && i < GATE_NAME_MAX; i++) {

        if (text->data[i] == ';') {
            return 0;
        }

        if (text->data[i] == ':') {
            word->data = text->data;
            word->len = i;

            text->data += i + 1;
            text->len -= i + 1;

            return word->len != 0;
        }
    }

    return 0;
}


/* like the names that Gate gives, and unlike most words of people */

static unsigned
gate_shape_plain(gate_str_t name)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < name.len; i++) {
        c = name.data[i];

        if ((c < 'a' || c > 'z') && !gate_is_digit(c) && c != '_') {
            return 0;
        }
    }

    return 1;
}


static size_t
gate_shape_digits(gate_str_t text)
{
    size_t  n;

    for (n = 0; n < text.len && gate_is_digit(text.data[n]); n++) { /* void */ }

    return n;
}


static gate_rc_e
gate_shape_invalid(gate_err_t *err, const char *path, const char *reason)
{
    err->path = path;
    err->reason = reason;

    return GATE_INVALID;
}
