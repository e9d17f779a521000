
/*
 * Copyright (C) nginx-gate authors
 *
 * What a verified callback says, and members that nobody has signed.
 */


#include <string.h>

#include "gate_callback.h"
#include "gate_payout.h"


/* 255 characters of four bytes */

#define GATE_MAX_STRING  (4 * GATE_MAX_PAYMENT_ID)


/* a document, and the first of its fields that cannot be read */

typedef struct {
    const gate_doc_t  *doc;
    gate_err_t        *err;
    gate_rc_e          rc;
} gate_reader_t;


/* where a sum of money stands, and how an operator is told of it */

typedef struct {
    const char  *name;
    const char  *path;
    const char  *amount;
    const char  *currency;
} gate_sum_t;


#define gate_sum(parent, name)                                                \
    { name, parent "." name, parent "." name ".amount",                       \
      parent "." name ".currency" }


static uint32_t gate_callback_id(const gate_doc_t *doc, uint32_t node);
static int gate_callback_integer(const gate_node_t *node, int64_t *n);
static uint32_t gate_callback_value(const gate_doc_t *doc, uint32_t parent,
    const char *name);
static void gate_callback_unread(gate_reader_t *reader, const char *path,
    const char *reason);
static void gate_callback_check_project(gate_reader_t *reader);
static void gate_callback_payment(gate_reader_t *reader, uint32_t payment,
    gate_callback_t *callback);
static gate_status_e gate_callback_status(gate_str_t text);
static uint32_t gate_callback_object(gate_reader_t *reader, uint32_t parent,
    const char *name, const char *path);
static gate_str_t gate_callback_string(gate_reader_t *reader, uint32_t parent,
    const char *name, const char *path);
static void gate_callback_sum(gate_reader_t *reader, uint32_t parent,
    const gate_sum_t *place, int64_t *amount, gate_str_t *currency);
static int gate_callback_currency(const gate_node_t *node);
static void gate_callback_operation(gate_reader_t *reader,
    gate_callback_t *callback);
static gate_str_t gate_callback_operation_id(gate_reader_t *reader,
    uint32_t operation, const char *path);
static int64_t gate_callback_paid(gate_reader_t *reader, uint32_t operation,
    const char *path, const gate_sum_t *place);
static void gate_callback_operations(gate_reader_t *reader,
    gate_callback_t *callback);
static gate_rc_e gate_callback_invalid(gate_err_t *err, const char *path,
    const char *reason);


/* what Gate says of payouts */

#define GATE_STATUS_WORD(name, word)  gate_string(word),

static const gate_str_t  gate_status_words[] = {
    GATE_STATUS_TABLE(GATE_STATUS_WORD)
};

#undef GATE_STATUS_WORD


gate_rc_e
gate_callback_project(const gate_doc_t *doc, uint32_t *id, gate_err_t *err)
{
    uint32_t  general, top, nested;

    top = gate_callback_value(doc, 0, "project_id");
    general = gate_callback_value(doc, 0, "general");
    nested = GATE_NO_NODE;

    if (general != GATE_NO_NODE) {
        nested = gate_callback_value(doc, general, "project_id");
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
        || gate_callback_integer(&doc->nodes[node], &id) != 0
        || id < 1 || id > (int64_t) GATE_MAX_PROJECT_ID)
    {
        return 0;
    }

    return (uint32_t) id;
}


/*
 * An integer of 0 or more, or the string of its digits: the signature does not
 * tell them apart, and some integrations write ids so.  Other spellings of the
 * number are none of it.
 */

static int
gate_callback_integer(const gate_node_t *node, int64_t *n)
{
    gate_node_t  number;

    if (node->value.len == 0
        || node->value.data[0] < '0' || node->value.data[0] > '9'
        || (node->value.data[0] == '0' && node->value.len != 1))
    {
        return -1;
    }

    number = *node;

    if (number.type == GATE_STRING) {
        number.type = GATE_NUMBER;
    }

    return gate_json_int64(&number, n);
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

    memset(callback, 0, sizeof(gate_callback_t));

    callback->amount = GATE_NO_AMOUNT;
    callback->paid = GATE_NO_AMOUNT;
    callback->paid_total = GATE_NO_AMOUNT;

    reader.doc = doc;
    reader.err = err;
    reader.rc = GATE_OK;

    gate_callback_check_project(&reader);

    payment = gate_callback_object(&reader, 0, "payment", "payment");

    if (payment != GATE_NO_NODE) {
        gate_callback_payment(&reader, payment, callback);
        gate_callback_operation(&reader, callback);
        gate_callback_operations(&reader, callback);
    }

    return reader.rc;
}


static uint32_t
gate_callback_value(const gate_doc_t *doc, uint32_t parent, const char *name)
{
    uint32_t  node;

    node = gate_json_member(doc, parent, name, strlen(name));

    if (node == GATE_NO_NODE || gate_json_empty(doc, node)) {
        return GATE_NO_NODE;
    }

    return node;
}


static void
gate_callback_unread(gate_reader_t *reader, const char *path,
    const char *reason)
{
    if (reader->rc == GATE_OK) {
        reader->rc = gate_callback_invalid(reader->err, path, reason);
    }
}


/* one that is there says whose callback it is */

static void
gate_callback_check_project(gate_reader_t *reader)
{
    uint32_t           node;
    const gate_doc_t  *doc;

    doc = reader->doc;
    node = gate_callback_value(doc, 0, "project_id");

    if (node != GATE_NO_NODE && gate_callback_id(doc, node) == 0) {
        gate_callback_unread(reader, "project_id", "must be an integer");
    }

    node = gate_callback_value(doc, 0, "general");

    if (node != GATE_NO_NODE) {
        node = gate_callback_value(doc, node, "project_id");
    }

    if (node != GATE_NO_NODE && gate_callback_id(doc, node) == 0) {
        gate_callback_unread(reader, "general.project_id",
                             "must be an integer");
    }
}


static void
gate_callback_payment(gate_reader_t *reader, uint32_t payment,
    gate_callback_t *callback)
{
    int64_t             n;
    uint32_t            id;
    const gate_node_t  *node;

    static const gate_sum_t  sum = gate_sum("payment", "sum");

    id = gate_callback_value(reader->doc, payment, "id");
    node = &reader->doc->nodes[id];

    if (id != GATE_NO_NODE && node->type == GATE_NUMBER
        && gate_callback_integer(node, &n) == 0)
    {
        callback->payment_id = node->value;

    } else {
        callback->payment_id = gate_callback_string(reader, payment, "id",
                                                    "payment.id");
    }

    callback->status_text = gate_callback_string(reader, payment, "status",
                                                 "payment.status");

    callback->status = gate_callback_status(callback->status_text);

    if (callback->status == GATE_STATUS_PARTIAL) {
        callback->status_text = gate_status_word(GATE_STATUS_PARTIAL);
    }

    (void) gate_callback_string(reader, payment, "type", "payment.type");

    gate_callback_sum(reader, payment, &sum, &callback->amount,
                      &callback->currency);
}


static gate_status_e
gate_callback_status(gate_str_t text)
{
    unsigned  i;

    if (text.len == 0) {
        return GATE_STATUS_NONE;
    }

    for (i = GATE_STATUS_NONE + 1; i < GATE_STATUS_OTHER; i++) {

        if (gate_status_words[i].len == text.len
            && memcmp(gate_status_words[i].data, text.data, text.len) == 0)
        {
            return i;
        }
    }

    return gate_is(text, GATE_STATUS_PARTIAL_SPACES) ? GATE_STATUS_PARTIAL
                                                     : GATE_STATUS_OTHER;
}


gate_str_t
gate_status_word(gate_status_e status)
{
    return gate_status_words[status];
}


static uint32_t
gate_callback_object(gate_reader_t *reader, uint32_t parent, const char *name,
    const char *path)
{
    uint32_t  node;

    node = gate_callback_value(reader->doc, parent, name);

    if (node != GATE_NO_NODE && reader->doc->nodes[node].type != GATE_OBJECT) {
        gate_callback_unread(reader, path, "must be an object");
        return GATE_NO_NODE;
    }

    return node;
}


static gate_str_t
gate_callback_string(gate_reader_t *reader, uint32_t parent, const char *name,
    const char *path)
{
    uint32_t            node;
    const gate_node_t  *n;

    static const gate_str_t  none = gate_string("");

    node = gate_callback_value(reader->doc, parent, name);

    if (node == GATE_NO_NODE) {
        return none;
    }

    n = &reader->doc->nodes[node];

    if (n->type != GATE_STRING || n->value.len > GATE_MAX_STRING) {
        gate_callback_unread(reader, path, "must be a string of 1 to 255 "
                             "characters");
        return none;
    }

    return n->value;
}


static void
gate_callback_sum(gate_reader_t *reader, uint32_t parent,
    const gate_sum_t *place, int64_t *amount, gate_str_t *currency)
{
    int64_t             n;
    uint32_t            sum, node;
    const gate_node_t  *nodes;

    sum = gate_callback_object(reader, parent, place->name, place->path);

    if (sum == GATE_NO_NODE) {
        return;
    }

    nodes = reader->doc->nodes;
    node = gate_callback_value(reader->doc, sum, "currency");

    if (node != GATE_NO_NODE) {

        if (gate_callback_currency(&nodes[node])) {
            *currency = nodes[node].value;

        } else {
            gate_callback_unread(reader, place->currency,
                                 "must be three capital letters");
        }
    }

    node = gate_callback_value(reader->doc, sum, "amount");

    if (node == GATE_NO_NODE) {
        return;
    }

    if (gate_json_int64(&nodes[node], &n) != 0
        || n < 0 || n > GATE_MAX_AMOUNT)
    {
        gate_callback_unread(reader, place->amount, "must be an integer");
        return;
    }

    *amount = n;
}


static int
gate_callback_currency(const gate_node_t *node)
{
    size_t  i;

    if (node->type != GATE_STRING || node->value.len != 3) {
        return 0;
    }

    for (i = 0; i < 3; i++) {
        if (node->value.data[i] < 'A' || node->value.data[i] > 'Z') {
            return 0;
        }
    }

    return 1;
}


static void
gate_callback_operation(gate_reader_t *reader, gate_callback_t *callback)
{
    uint32_t  operation;

    static const gate_sum_t  sum = gate_sum("operation", "sum_initial");

    operation = gate_callback_object(reader, 0, "operation", "operation");

    if (operation == GATE_NO_NODE) {
        return;
    }

    callback->operation_id = gate_callback_operation_id(reader, operation,
                                                        "operation.id");
    callback->operation_type = gate_callback_string(reader, operation, "type",
                                                    "operation.type");
    callback->paid = gate_callback_paid(reader, operation, "operation.status",
                                        &sum);
}


static gate_str_t
gate_callback_operation_id(gate_reader_t *reader, uint32_t operation,
    const char *path)
{
    int64_t   id;
    uint32_t  node;

    static const gate_str_t  none = gate_string("");

    node = gate_callback_value(reader->doc, operation, "id");

    if (node == GATE_NO_NODE) {
        return none;
    }

    if (gate_callback_integer(&reader->doc->nodes[node], &id) != 0) {
        gate_callback_unread(reader, path, "must be an integer");
        return none;
    }

    return reader->doc->nodes[node].value;
}


/*
 * GATE_NO_AMOUNT where the operation does not tell; of several operations of a
 * payout, each has a callback of its own.
 */

static int64_t
gate_callback_paid(gate_reader_t *reader, uint32_t operation, const char *path,
    const gate_sum_t *place)
{
    int64_t     paid;
    gate_str_t  status, currency;

    paid = GATE_NO_AMOUNT;
    status = gate_callback_string(reader, operation, "status", path);

    if (gate_is(status, "success")) {
        gate_callback_sum(reader, operation, place, &paid, &currency);

    } else if (status.len) {
        paid = 0;
    }

    return paid;
}


/*
 * Answers of /v2/payment/status, and some callbacks, list all of them.  The
 * signature sees neither an empty list nor an empty item, so that nothing is
 * made of a list with items that do not tell what they have paid.
 */

static void
gate_callback_operations(gate_reader_t *reader, gate_callback_t *callback)
{
    int64_t            paid, total;
    uint32_t           list, i;
    gate_str_t         id, last;
    const gate_doc_t  *doc;

    static const gate_sum_t  sum = gate_sum("operations", "sum_initial");

    doc = reader->doc;
    list = gate_callback_value(doc, 0, "operations");

    if (list == GATE_NO_NODE) {
        return;
    }

    if (doc->nodes[list].type != GATE_ARRAY) {
        gate_callback_unread(reader, "operations", "must be an array");
        return;
    }

    total = 0;
    memset(&id, 0, sizeof(gate_str_t));

    for (i = list + 1; i < doc->nodes[list].next; i = doc->nodes[i].next) {

        if (!gate_json_empty(doc, i)
            && doc->nodes[i].type != GATE_OBJECT)
        {
            gate_callback_unread(reader, "operations", "must have objects");
            return;
        }

        paid = gate_callback_paid(reader, i, "operations.status", &sum);
        last = gate_callback_operation_id(reader, i, "operations.id");

        if (last.len) {
            id = last;
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
}


static gate_rc_e
gate_callback_invalid(gate_err_t *err, const char *path, const char *reason)
{
    err->path = path;
    err->reason = reason;

    return GATE_INVALID;
}
