
/*
 * Copyright (C) nginx-gate authors
 *
 * What a verified callback says, and where a document could be read as
 * another one.
 */


#include <string.h>

#include "gate_callback.h"
#include "gate_payout.h"


typedef struct {
    gate_str_t     text;
    gate_status_e  status;
} gate_status_t;


#define gate_is(str, text)                                                    \
    ((str).len == sizeof(text) - 1                                            \
     && memcmp((str).data, text, sizeof(text) - 1) == 0)

#define gate_member(doc, parent, text)                                        \
    gate_json_member(doc, parent, text, sizeof(text) - 1)


static uint32_t gate_callback_id(const gate_doc_t *doc, uint32_t parent);
static int gate_callback_melted(gate_str_t text, int is_key);
static gate_rc_e gate_callback_payment(const gate_doc_t *doc, uint32_t payment,
    gate_callback_t *callback, gate_err_t *err);
static gate_status_e gate_callback_status(gate_str_t text);
static gate_rc_e gate_callback_object(const gate_doc_t *doc, const char *name,
    uint32_t *node, gate_err_t *err);
static gate_rc_e gate_callback_string(const gate_doc_t *doc, uint32_t parent,
    const char *name, const char *path, gate_str_t *value, gate_err_t *err);
static gate_rc_e gate_callback_amount(const gate_doc_t *doc, uint32_t parent,
    const char *name, const char *path, int64_t *amount, gate_str_t *currency,
    gate_err_t *err);
static gate_rc_e gate_callback_operation(const gate_doc_t *doc,
    gate_callback_t *callback, gate_err_t *err);
static gate_rc_e gate_callback_operation_id(const gate_doc_t *doc,
    uint32_t operation, const char *path, gate_str_t *value, gate_err_t *err);
static gate_rc_e gate_callback_paid(const gate_doc_t *doc, uint32_t operation,
    int64_t *paid, gate_err_t *err);
static gate_rc_e gate_callback_operations(const gate_doc_t *doc,
    gate_callback_t *callback, gate_err_t *err);
static gate_rc_e gate_callback_check_project(const gate_doc_t *doc,
    gate_err_t *err);
static gate_rc_e gate_callback_invalid(gate_err_t *err, const char *path,
    const char *reason);


/* platform.md, "Payment status for payouts" */

static const gate_status_t  gate_statuses[] = {
    { gate_string("processing"), GATE_STATUS_PROCESSING },
    { gate_string("awaiting clarification"), GATE_STATUS_CLARIFICATION },
    { gate_string("awaiting retry"), GATE_STATUS_RETRY },
    { gate_string("success"), GATE_STATUS_SUCCESS },
    { gate_string("decline"), GATE_STATUS_DECLINE },
    { gate_string("error"), GATE_STATUS_ERROR },
    { gate_string("reversed"), GATE_STATUS_REVERSED },
    { gate_string("partially_paid_out"), GATE_STATUS_PARTIAL }
};


gate_rc_e
gate_callback_project(const gate_doc_t *doc, uint32_t *id, gate_err_t *err)
{
    uint32_t  general, top, nested;

    top = gate_member(doc, 0, "project_id");
    general = gate_member(doc, 0, "general");
    nested = GATE_NO_NODE;

    if (general != GATE_NO_NODE) {
        nested = gate_member(doc, general, "project_id");
    }

    *id = gate_callback_id(doc, top != GATE_NO_NODE ? top : nested);

    if (top != GATE_NO_NODE && nested != GATE_NO_NODE
        && (*id == 0 || gate_callback_id(doc, nested) != *id))
    {
        return gate_callback_invalid(err, "general.project_id",
                                     "must be equal to project_id");
    }

    return GATE_OK;
}


static uint32_t
gate_callback_id(const gate_doc_t *doc, uint32_t node)
{
    int64_t  id;

    if (node == GATE_NO_NODE
        || gate_json_int64(&doc->nodes[node], &id) != 0
        || id < 1 || id > (int64_t) GATE_MAX_PROJECT_ID)
    {
        return 0;
    }

    return (uint32_t) id;
}


gate_rc_e
gate_callback_ambiguous(const gate_doc_t *doc, gate_place_e place,
    gate_err_t *err)
{
    int                 special;
    uint32_t            i, used;
    const gate_str_t   *key;
    const gate_node_t  *node;

    special = memchr(doc->text.data, ';', doc->text.len) != NULL
              || memchr(doc->text.data, '\\', doc->text.len) != NULL;

    used = gate_member(doc, (place == GATE_AT_TOP)
                            ? 0 : gate_member(doc, 0, "general"), "signature");

    for (i = 1; i < doc->n; i++) {
        node = &doc->nodes[i];
        key = &node->key;

        if (gate_is(*key, "frame_mode")) {
            return gate_callback_invalid(err, "frame_mode",
                                         "is not covered by the signature");
        }

        if (gate_is(*key, "signature") && i != used) {
            return gate_callback_invalid(err, "signature",
                                         "stands in more than one place");
        }

        if (special
            && (gate_callback_melted(*key, 1)
                || (node->type == GATE_STRING
                    && gate_callback_melted(node->value, 0))))
        {
            return gate_callback_invalid(err, "a key or string",
                                         "holds fields of the callback");
        }
    }

    return GATE_OK;
}


/*
 * Values are signed without escapes: {"a":"x","b":{"c":"y"}} is the same to
 * the signature as {"a":"x;b:c:y"} and {"a":{"x;b":{"c":"y"}}}.  A field that
 * is relied on must not be hidden in the string or the key before it.
 */

static int
gate_callback_melted(gate_str_t text, int is_key)
{
    size_t                i, len, left;
    const unsigned char  *p, *last;

    static const gate_str_t  fields[] = {
        gate_string("payment"),
        gate_string("operation"),
        gate_string("operations"),
        gate_string("general"),
        gate_string("project_id")
    };

    last = text.data + text.len;

    for (p = text.data; p < last; p++) {

        if (*p != ';') {
            continue;
        }

        left = last - p - 1;

        for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
            len = fields[i].len;

            if (left < len || memcmp(p + 1, fields[i].data, len) != 0) {
                continue;
            }

            if (is_key ? left == len : (left > len && p[len + 1] == ':')) {
                return 1;
            }
        }
    }

    return 0;
}


gate_rc_e
gate_callback_read(const gate_doc_t *doc, gate_callback_t *callback,
    gate_err_t *err)
{
    uint32_t   payment;
    gate_rc_e  rc;

    memset(callback, 0, sizeof(gate_callback_t));

    callback->amount = GATE_NO_AMOUNT;
    callback->paid = GATE_NO_AMOUNT;
    callback->paid_total = GATE_NO_AMOUNT;

    payment = GATE_NO_NODE;

    rc = gate_callback_check_project(doc, err);

    if (rc == GATE_OK) {
        rc = gate_callback_object(doc, "payment", &payment, err);
    }

    if (rc != GATE_OK || payment == GATE_NO_NODE) {
        return rc;
    }

    rc = gate_callback_payment(doc, payment, callback, err);

    if (rc == GATE_OK) {
        rc = gate_callback_operation(doc, callback, err);
    }

    if (rc == GATE_OK) {
        rc = gate_callback_operations(doc, callback, err);
    }

    return rc;
}


static gate_rc_e
gate_callback_payment(const gate_doc_t *doc, uint32_t payment,
    gate_callback_t *callback, gate_err_t *err)
{
    gate_rc_e   rc;
    gate_str_t  type;

    rc = gate_callback_string(doc, payment, "id", "payment.id",
                              &callback->payment_id, err);

    if (rc == GATE_OK) {
        rc = gate_callback_string(doc, payment, "status", "payment.status",
                                  &callback->status_text, err);
    }

    if (rc == GATE_OK) {
        rc = gate_callback_string(doc, payment, "type", "payment.type", &type,
                                  err);
    }

    if (rc == GATE_OK) {
        rc = gate_callback_amount(doc, payment, "sum", "payment.sum.amount",
                                  &callback->amount, &callback->currency,
                                  err);
    }

    callback->status = gate_callback_status(callback->status_text);

    return rc;
}


static gate_status_e
gate_callback_status(gate_str_t text)
{
    size_t  i;

    for (i = 0; i < sizeof(gate_statuses) / sizeof(gate_statuses[0]); i++) {

        if (gate_statuses[i].text.len == text.len
            && memcmp(gate_statuses[i].text.data, text.data, text.len) == 0)
        {
            return gate_statuses[i].status;
        }
    }

    return text.len ? GATE_STATUS_OTHER : GATE_STATUS_NONE;
}


/* one that is there says whose callback it is, by an integer */

static gate_rc_e
gate_callback_check_project(const gate_doc_t *doc, gate_err_t *err)
{
    uint32_t  node;

    node = gate_member(doc, 0, "project_id");

    if (node != GATE_NO_NODE && gate_callback_id(doc, node) == 0) {
        return gate_callback_invalid(err, "project_id", "must be an integer");
    }

    node = gate_member(doc, 0, "general");

    if (node != GATE_NO_NODE) {
        node = gate_member(doc, node, "project_id");
    }

    if (node != GATE_NO_NODE && gate_callback_id(doc, node) == 0) {
        return gate_callback_invalid(err, "general.project_id",
                                     "must be an integer");
    }

    return GATE_OK;
}


static gate_rc_e
gate_callback_object(const gate_doc_t *doc, const char *name, uint32_t *node,
    gate_err_t *err)
{
    *node = gate_json_member(doc, 0, name, strlen(name));

    if (*node != GATE_NO_NODE && doc->nodes[*node].type != GATE_OBJECT) {
        return gate_callback_invalid(err, name, "must be an object");
    }

    return GATE_OK;
}


static gate_rc_e
gate_callback_string(const gate_doc_t *doc, uint32_t parent, const char *name,
    const char *path, gate_str_t *value, gate_err_t *err)
{
    uint32_t            node;
    const gate_node_t  *n;

    node = gate_json_member(doc, parent, name, strlen(name));

    if (node == GATE_NO_NODE) {
        return GATE_OK;
    }

    n = &doc->nodes[node];

    /* 255 characters of four bytes */

    if (n->type != GATE_STRING || n->value.len == 0
        || n->value.len > 4 * GATE_MAX_PAYMENT_ID)
    {
        return gate_callback_invalid(err, path, "must be a string of 1 to 255 "
                                     "characters");
    }

    *value = n->value;

    return GATE_OK;
}


static gate_rc_e
gate_callback_amount(const gate_doc_t *doc, uint32_t parent, const char *name,
    const char *path, int64_t *amount, gate_str_t *currency, gate_err_t *err)
{
    uint32_t            sum, node;
    const gate_node_t  *n;

    sum = gate_json_member(doc, parent, name, strlen(name));

    if (sum == GATE_NO_NODE) {
        return GATE_OK;
    }

    node = gate_member(doc, sum, "currency");

    if (node != GATE_NO_NODE) {
        n = &doc->nodes[node];

        if (n->type != GATE_STRING || n->value.len != 3) {
            return gate_callback_invalid(err, path, "needs a currency of "
                                         "three letters");
        }

        *currency = n->value;
    }

    node = gate_member(doc, sum, "amount");

    if (node == GATE_NO_NODE) {
        return GATE_OK;
    }

    n = &doc->nodes[node];

    if (gate_json_int64(n, amount) != 0 || *amount < 0
        || *amount > GATE_MAX_AMOUNT)
    {
        return gate_callback_invalid(err, path, "must be an integer");
    }

    return GATE_OK;
}


static gate_rc_e
gate_callback_operation(const gate_doc_t *doc, gate_callback_t *callback,
    gate_err_t *err)
{
    uint32_t   operation;
    gate_rc_e  rc;

    rc = gate_callback_object(doc, "operation", &operation, err);

    if (rc != GATE_OK || operation == GATE_NO_NODE) {
        return rc;
    }

    rc = gate_callback_operation_id(doc, operation, "operation.id",
                                    &callback->operation_id, err);

    if (rc == GATE_OK) {
        rc = gate_callback_string(doc, operation, "type", "operation.type",
                                  &callback->operation_type, err);
    }

    if (rc == GATE_OK) {
        rc = gate_callback_paid(doc, operation, &callback->paid, err);
    }

    return rc;
}


static gate_rc_e
gate_callback_operation_id(const gate_doc_t *doc, uint32_t operation,
    const char *path, gate_str_t *value, gate_err_t *err)
{
    int64_t   id;
    uint32_t  node;

    node = gate_member(doc, operation, "id");

    if (node == GATE_NO_NODE) {
        return GATE_OK;
    }

    if (gate_json_int64(&doc->nodes[node], &id) != 0 || id < 0) {
        return gate_callback_invalid(err, path, "must be an integer");
    }

    *value = doc->nodes[node].value;

    return GATE_OK;
}


/*
 * Leaves *paid alone where the operation does not tell; of several operations
 * of a payout, each has a callback of its own.
 */

static gate_rc_e
gate_callback_paid(const gate_doc_t *doc, uint32_t operation, int64_t *paid,
    gate_err_t *err)
{
    gate_rc_e   rc;
    gate_str_t  status, currency;

    memset(&status, 0, sizeof(gate_str_t));

    rc = gate_callback_string(doc, operation, "status", "operation.status",
                              &status, err);

    if (rc != GATE_OK || status.len == 0) {
        return rc;
    }

    if (!gate_is(status, "success")) {
        *paid = 0;
        return GATE_OK;
    }

    return gate_callback_amount(doc, operation, "sum_initial",
                                "operation.sum_initial.amount", paid,
                                &currency, err);
}


/*
 * Answers of /v2/payment/status, and some callbacks, list all of them.  The
 * signature sees neither an empty list nor an empty item, so that nothing is
 * made of a list with items that do not tell what they have paid.
 */

static gate_rc_e
gate_callback_operations(const gate_doc_t *doc, gate_callback_t *callback,
    gate_err_t *err)
{
    int64_t     paid, total;
    uint32_t    list, i;
    gate_rc_e   rc;
    gate_str_t  id;

    list = gate_member(doc, 0, "operations");

    if (list == GATE_NO_NODE) {
        return GATE_OK;
    }

    if (doc->nodes[list].type != GATE_ARRAY) {
        return gate_callback_invalid(err, "operations", "must be an array");
    }

    total = (doc->nodes[list].next == list + 1) ? GATE_NO_AMOUNT : 0;
    memset(&id, 0, sizeof(gate_str_t));

    for (i = list + 1; i < doc->nodes[list].next; i = doc->nodes[i].next) {

        paid = GATE_NO_AMOUNT;

        rc = gate_callback_paid(doc, i, &paid, err);

        if (rc == GATE_OK) {
            rc = gate_callback_operation_id(doc, i, "operations.id", &id, err);
        }

        if (rc != GATE_OK) {
            return rc;
        }

        if (paid == GATE_NO_AMOUNT || total == GATE_NO_AMOUNT) {
            total = GATE_NO_AMOUNT;

        } else {

            /* what was reserved has this bound, too */

            total += paid;
            total = (total > GATE_MAX_AMOUNT) ? GATE_MAX_AMOUNT : total;
        }
    }

    callback->paid_total = total;

    if (callback->operation_id.len == 0) {
        callback->operation_id = id;
    }

    return GATE_OK;
}


static gate_rc_e
gate_callback_invalid(gate_err_t *err, const char *path, const char *reason)
{
    err->path = path;
    err->reason = reason;

    return GATE_INVALID;
}
