
/*
 * Copyright (C) nginx-gate authors
 *
 * What a verified callback says, and members that nobody has signed.
 */


#include <string.h>

#include "gate_payout.h"
#include "gate_reader.h"


static uint32_t gate_callback_id(const gate_doc_t *doc, uint32_t node);
static void gate_callback_check_project(gate_reader_t *reader);
static void gate_callback_payment(gate_reader_t *reader, uint32_t payment,
    gate_callback_t *callback);
static gate_rc_e gate_callback_invalid(gate_err_t *err, const char *path,
    const char *reason);


gate_rc_e
gate_callback_project(const gate_doc_t *doc, uint32_t *id, gate_err_t *err)
{
    uint32_t  general, top, nested;

    top = gate_reader_value(doc, 0, "project_id");
    general = gate_reader_value(doc, 0, "general");
    nested = GATE_NO_NODE;

    if (general != GATE_NO_NODE) {
        nested = gate_reader_value(doc, general, "project_id");
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
        || gate_reader_integer(&doc->nodes[node], &id) != 0
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
    uint32_t           i, used;
    const gate_str_t  *key;

    used = gate_member(doc, (place == GATE_AT_TOP)
                            ? 0 : gate_member(doc, 0, "general"), "signature");

    for (i = 1; i < doc->n; i++) {
        key = &doc->nodes[i].key;

        if (gate_is(*key, "frame_mode")) {
            return gate_callback_invalid(err, "frame_mode",
                                         "is not covered by the signature");
        }

        if (gate_is(*key, "signature") && i != used) {
            return gate_callback_invalid(err, "signature",
                                         "stands in more than one place");
        }
    }

    return GATE_OK;
}


gate_rc_e
gate_callback_read(const gate_doc_t *doc, gate_callback_t *callback,
    gate_err_t *err)
{
    uint32_t       payment;
    gate_reader_t  reader;

    /* of the operations, only those that are there are set */

    memset(callback, 0, offsetof(gate_callback_t, operations));

    callback->amount = GATE_NO_AMOUNT;
    callback->paid = GATE_NO_AMOUNT;
    callback->paid_total = GATE_NO_AMOUNT;
    callback->alone = 1;

    reader.doc = doc;
    reader.err = err;
    reader.rc = GATE_OK;

    gate_callback_check_project(&reader);

    payment = gate_reader_object(&reader, 0, "payment");

    if (payment != GATE_NO_NODE) {
        gate_callback_payment(&reader, payment, callback);
        gate_reader_operations(&reader, callback);
    }

    return reader.rc;
}


/* one that is there says whose callback it is */

static void
gate_callback_check_project(gate_reader_t *reader)
{
    uint32_t           node;
    const gate_doc_t  *doc;

    doc = reader->doc;
    node = gate_reader_value(doc, 0, "project_id");

    if (node != GATE_NO_NODE && gate_callback_id(doc, node) == 0) {
        gate_reader_unread(reader, "project_id", "must be an integer");
    }

    node = gate_reader_value(doc, 0, "general");

    if (node != GATE_NO_NODE) {
        node = gate_reader_value(doc, node, "project_id");
    }

    if (node != GATE_NO_NODE && gate_callback_id(doc, node) == 0) {
        gate_reader_unread(reader, "general.project_id", "must be an integer");
    }
}


static void
gate_callback_payment(gate_reader_t *reader, uint32_t payment,
    gate_callback_t *callback)
{
    int64_t             n;
    uint32_t            id;
    gate_money_t        money;
    const gate_doc_t   *doc;
    const gate_node_t  *node;

    static const gate_sum_t  sum = gate_sum("payment.sum");

    doc = reader->doc;
    id = gate_member(doc, payment, "id");
    node = &doc->nodes[id];

    if (id != GATE_NO_NODE && node->type == GATE_NUMBER
        && gate_reader_integer(node, &n) == 0)
    {
        callback->payment_id = node->value;

    } else {
        callback->payment_id = gate_reader_string(reader, id, "payment.id");
    }

    callback->status_text = gate_reader_string(reader,
                                      gate_member(doc, payment, "status"),
                                      "payment.status");

    callback->status = gate_reader_status(callback->status_text);

    if (callback->status == GATE_STATUS_PARTIAL) {
        callback->status_text = gate_status_word(GATE_STATUS_PARTIAL);
    }

    callback->type = gate_reader_string(reader,
                                        gate_member(doc, payment, "type"),
                                        "payment.type");

    callback->payout = gate_is_payout(callback->type);

    gate_reader_sum(reader, gate_member(doc, payment, "sum"), &sum, &money);

    callback->amount = money.amount;
    callback->currency = money.currency;
}


static gate_rc_e
gate_callback_invalid(gate_err_t *err, const char *path, const char *reason)
{
    err->path = path;
    err->reason = reason;

    return GATE_INVALID;
}
