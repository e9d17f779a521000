
/*
 * Copyright (C) nginx-gate authors
 *
 * The operations of a payment: one, or a list of them.
 */


#include <string.h>

#include "gate_payout.h"
#include "gate_reader.h"


/* how an operator is told of an operation */

typedef struct {
    const char  *id;
    const char  *type;
    const char  *status;
    gate_sum_t   initial;
    gate_sum_t   sum;
} gate_operation_place_t;


#define gate_operation_place(path)                                            \
    { path ".id", path ".type", path ".status",                               \
      gate_sum(path ".sum_initial"), gate_sum(path ".sum") }


/* its members, or GATE_NO_NODE */

typedef struct {
    uint32_t  id;
    uint32_t  type;
    uint32_t  status;
    uint32_t  initial;
    uint32_t  sum;
} gate_operation_members_t;


static void gate_operation_list(gate_reader_t *reader,
    gate_callback_t *callback, uint32_t list);
static void gate_operation_read(gate_reader_t *reader, uint32_t node,
    const gate_operation_place_t *place, gate_callback_t *callback,
    gate_operation_t *operation);
static unsigned gate_operation_says(const gate_operation_t *operation);
static void gate_operation_members(const gate_doc_t *doc, uint32_t node,
    gate_operation_members_t *members);
static gate_str_t gate_operation_id(gate_reader_t *reader, uint32_t node,
    const char *path);
static void gate_operation_sums(gate_callback_t *callback,
    gate_operation_t *operation, const gate_money_t *initial,
    const gate_money_t *sum);
static unsigned gate_operation_foreign(gate_callback_t *callback,
    const gate_money_t *money);
static void gate_operation_count(const gate_callback_t *callback,
    gate_operation_t *operation);
static int64_t gate_operation_paid(const gate_operation_t *operation);
static unsigned gate_operation_add(gate_callback_t *callback,
    const gate_operation_t *operation);
static unsigned gate_operation_merge(const gate_callback_t *callback,
    gate_operation_t *known, const gate_operation_t *operation);


void
gate_reader_operations(gate_reader_t *reader, gate_callback_t *callback)
{
    uint32_t           node;
    gate_operation_t  *operation;

    static const gate_operation_place_t
        place = gate_operation_place("operation");

    callback->paid_currency = callback->currency;

    node = gate_reader_object(reader, 0, "operation");

    if (node != GATE_NO_NODE) {
        operation = &callback->operations[0];

        gate_operation_read(reader, node, &place, callback, operation);

        callback->noperations = gate_operation_says(operation);
        callback->foreign = operation->foreign;
        callback->operation_id = operation->id;
        callback->operation_type = operation->type;
        callback->paid = gate_operation_paid(operation);
    }

    node = gate_reader_value(reader->doc, 0, "operations");

    if (node != GATE_NO_NODE) {
        gate_operation_list(reader, callback, node);
    }
}


/*
 * The signature sees neither an empty list nor an empty item, so that nothing
 * is made of a list with items that do not tell what they have paid.
 */

static void
gate_operation_list(gate_reader_t *reader, gate_callback_t *callback,
    uint32_t list)
{
    int64_t            paid, total;
    uint32_t           i, n;
    unsigned           complete;
    gate_str_t         id;
    gate_operation_t   operation;
    const gate_doc_t  *doc;

    static const gate_operation_place_t
        place = gate_operation_place("operations");

    doc = reader->doc;

    if (doc->nodes[list].type != GATE_ARRAY) {
        gate_reader_unread(reader, "operations", "must be an array");
        return;
    }

    n = callback->noperations;
    total = 0;
    complete = 1;
    memset(&id, 0, sizeof(gate_str_t));

    for (i = list + 1; i < doc->nodes[list].next; i = doc->nodes[i].next) {

        if (!gate_json_empty(doc, i) && doc->nodes[i].type != GATE_OBJECT) {
            gate_reader_unread(reader, "operations", "must have objects");
            callback->alone = 0;
            return;
        }

        gate_operation_read(reader, i, &place, callback, &operation);
        operation.listed = 1;

        paid = gate_operation_paid(&operation);

        if (operation.id.len) {
            id = operation.id;
        }

        if (paid == GATE_NO_AMOUNT || total == GATE_NO_AMOUNT) {
            total = GATE_NO_AMOUNT;

        } else {

            /* what was reserved has this bound, too */

            total += paid;
            total = (total > GATE_MAX_AMOUNT) ? GATE_MAX_AMOUNT : total;
        }

        if (gate_operation_says(&operation)) {
            complete &= gate_operation_add(callback, &operation);

        } else {
            complete = 0;
        }
    }

    /* the one that the message is about is one of all */

    if (n && !callback->operations[0].listed) {
        complete = 0;
    }

    callback->complete = (complete && reader->rc == GATE_OK);
    callback->paid_total = total;

    if (callback->operation_id.len == 0) {
        callback->operation_id = id;
    }
}


static void
gate_operation_read(gate_reader_t *reader, uint32_t node,
    const gate_operation_place_t *place, gate_callback_t *callback,
    gate_operation_t *operation)
{
    gate_money_t              initial, sum;
    gate_operation_members_t  members;

    static const gate_sum_t  untold;

    memset(operation, 0, sizeof(gate_operation_t));

    gate_operation_members(reader->doc, node, &members);

    operation->id = gate_operation_id(reader, members.id, place->id);
    operation->type = gate_reader_string(reader, members.type, place->type);
    operation->payout = gate_is_payout(operation->type);

    operation->status_text = gate_reader_string(reader, members.status,
                                                place->status);
    operation->status = gate_reader_status(operation->status_text);

    /* where nothing was paid, sums settle nothing by themselves */

    if (operation->status == GATE_STATUS_SUCCESS) {
        gate_reader_sum(reader, members.initial, &place->initial, &initial);
        gate_reader_sum(reader, members.sum, &place->sum, &sum);

    } else {
        gate_reader_sum(reader, members.initial, &untold, &initial);
        gate_reader_sum(reader, members.sum, &untold, &sum);
    }

    gate_operation_sums(callback, operation, &initial, &sum);
}


/* the signature does not see that an item is there, only its members */

static unsigned
gate_operation_says(const gate_operation_t *operation)
{
    return operation->id.len != 0 || operation->status_text.len != 0;
}


/* in one pass: an operation has many members */

static void
gate_operation_members(const gate_doc_t *doc, uint32_t node,
    gate_operation_members_t *members)
{
    uint32_t    i, last;
    gate_str_t  key;

    memset(members, 0, sizeof(gate_operation_members_t));

    if (doc->nodes[node].type != GATE_OBJECT) {
        return;
    }

    last = doc->nodes[node].next;

    for (i = node + 1; i < last; i = doc->nodes[i].next) {
        key = doc->nodes[i].key;

        if (gate_is(key, "id")) {
            members->id = i;

        } else if (gate_is(key, "type")) {
            members->type = i;

        } else if (gate_is(key, "status")) {
            members->status = i;

        } else if (gate_is(key, "sum_initial")) {
            members->initial = i;

        } else if (gate_is(key, "sum")) {
            members->sum = i;
        }
    }
}


static gate_str_t
gate_operation_id(gate_reader_t *reader, uint32_t node, const char *path)
{
    int64_t  id;

    static const gate_str_t  none = gate_string("");

    if (node == GATE_NO_NODE || gate_json_empty(reader->doc, node)) {
        return none;
    }

    if (gate_reader_integer(&reader->doc->nodes[node], &id) != 0) {
        gate_reader_unread(reader, path, "must be an integer");
        return none;
    }

    return reader->doc->nodes[node].value;
}


static void
gate_operation_sums(gate_callback_t *callback, gate_operation_t *operation,
    const gate_money_t *initial, const gate_money_t *sum)
{
    operation->currency = initial->currency.len ? initial->currency
                                                : sum->currency;

    if (gate_operation_foreign(callback, initial)
        || gate_operation_foreign(callback, sum))
    {
        operation->foreign = 1;
    }

    operation->size = initial->told ? initial->amount : sum->amount;

    if (initial->told && sum->told && initial->amount != sum->amount) {
        operation->doubtful = 1;
    }

    gate_operation_count(callback, operation);
}


/* payment.sum has the amount of all parts: none of them can be more */

static void
gate_operation_count(const gate_callback_t *callback,
    gate_operation_t *operation)
{
    if (operation->foreign || !operation->payout) {
        operation->size = GATE_NO_AMOUNT;
    }

    operation->paid = operation->size;

    switch (operation->status) {

    case GATE_STATUS_SUCCESS:
    case GATE_STATUS_PARTIAL:

        if (operation->doubtful
            || (callback->amount != GATE_NO_AMOUNT
                && operation->size > callback->amount))
        {
            operation->paid = GATE_NO_AMOUNT;
        }

        break;

    case GATE_STATUS_NONE:
    case GATE_STATUS_OTHER:
        operation->paid = GATE_NO_AMOUNT;
        break;

    default:
        operation->paid = 0;
    }
}


static unsigned
gate_operation_foreign(gate_callback_t *callback, const gate_money_t *money)
{
    gate_str_t  *currency;

    currency = &callback->paid_currency;

    if (money->odd || money->currency.len == 0) {
        return money->odd;
    }

    if (currency->len == 0) {
        *currency = money->currency;
        return 0;
    }

    return memcmp(currency->data, money->currency.data, currency->len) != 0;
}


/* what it adds to the sum of all; a status that is not known adds nothing */

static int64_t
gate_operation_paid(const gate_operation_t *operation)
{
    switch (operation->status) {

    case GATE_STATUS_NONE:
        return GATE_NO_AMOUNT;

    case GATE_STATUS_SUCCESS:
        return operation->paid;

    default:
        return 0;
    }
}


/* 0: the list may not be all that there is */

static unsigned
gate_operation_add(gate_callback_t *callback,
    const gate_operation_t *operation)
{
    uint32_t           i, n;
    gate_operation_t  *known;

    n = callback->noperations;

    for (i = 0; i < n; i++) {
        known = &callback->operations[i];

        if (operation->id.len != 0
            && operation->id.len == known->id.len
            && memcmp(operation->id.data, known->id.data, known->id.len) == 0)
        {
            callback->foreign |= operation->foreign;
            return gate_operation_merge(callback, known, operation);
        }
    }

    if (n != 0) {
        callback->alone = 0;
    }

    if (n == GATE_MAX_OPERATIONS) {
        return 0;
    }

    callback->foreign |= operation->foreign;
    callback->operations[n] = *operation;
    callback->noperations = n + 1;

    return gate_operation_clear(operation);
}


/* what both say alike is known, and what only one of them says */

static unsigned
gate_operation_merge(const gate_callback_t *callback, gate_operation_t *known,
    const gate_operation_t *operation)
{
    unsigned  twice;

    twice = known->listed && operation->listed;

    known->listed |= operation->listed;
    known->payout &= operation->payout;
    known->foreign |= operation->foreign;
    known->doubtful |= operation->doubtful;

    if (known->status != operation->status) {
        known->status = GATE_STATUS_OTHER;
    }

    if (known->size == GATE_NO_AMOUNT) {
        known->size = known->doubtful ? GATE_NO_AMOUNT : operation->size;

    } else if (operation->size != GATE_NO_AMOUNT
               && operation->size != known->size)
    {
        known->size = GATE_NO_AMOUNT;
        known->doubtful = 1;
    }

    gate_operation_count(callback, known);

    return !twice && gate_operation_clear(known);
}


int
gate_operation_clear(const gate_operation_t *operation)
{
    return operation->id.len != 0 && operation->payout
           && operation->status != GATE_STATUS_NONE
           && operation->status != GATE_STATUS_OTHER;
}
