
/*
 * Copyright (C) nginx-gate authors
 *
 * A callback as it comes from the network: its project, what the signature
 * leaves open, the facts that settle a payout, and what the ledger is told.
 */


#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gate_brief.h"
#include "gate_payout.h"
#include "gate_shape.h"


static void fuzz_callback(gate_doc_t *doc);
static void fuzz_shape(gate_pool_t *pool, const gate_doc_t *doc);
static void fuzz_facts(const gate_callback_t *callback);
static void fuzz_operations(const gate_callback_t *callback);
static void fuzz_operation(const gate_operation_t *operation);
static void fuzz_brief(const gate_callback_t *callback);
static const unsigned char *fuzz_brief_word(const unsigned char *p,
    const unsigned char *last);
static const unsigned char *fuzz_brief_digits(const unsigned char *p,
    const unsigned char *last, size_t most);
static void fuzz_invalid(const gate_err_t *err);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    gate_doc_t      doc;
    gate_err_t      err;
    gate_str_t      text;
    gate_pool_t     pool;
    unsigned char   buf[4096];

    text.data = data;
    text.len = size;

    gate_pool_init(&pool, buf, sizeof(buf));

    if (gate_json_parse(&doc, &pool, text, GATE_MAX_DEPTH, &err) == GATE_OK) {
        fuzz_callback(&doc);
        fuzz_shape(&pool, &doc);
    }

    gate_pool_reset(&pool);

    return 0;
}


static void
fuzz_callback(gate_doc_t *doc)
{
    uint32_t         id;
    gate_rc_e        rc;
    gate_err_t       err;
    gate_place_e     place;
    gate_callback_t  callback;

    memset(&err, 0, sizeof(gate_err_t));

    rc = gate_callback_project(doc, &id, &err);

    if (rc != GATE_OK) {
        fuzz_must(rc == GATE_INVALID, "a project is read or refused");
        fuzz_invalid(&err);
        return;
    }

    place = (gate_json_member(doc, 0, "signature", 9) != GATE_NO_NODE)
            ? GATE_AT_TOP : GATE_AT_GENERAL;

    memset(&err, 0, sizeof(gate_err_t));

    rc = gate_callback_ambiguous(doc, place, &err);

    if (rc != GATE_OK) {
        fuzz_must(rc == GATE_INVALID, "it is ambiguous or is not");
        fuzz_invalid(&err);
    }

    memset(&err, 0, sizeof(gate_err_t));

    rc = gate_callback_read(doc, &callback, &err);

    if (rc != GATE_OK) {
        fuzz_must(rc == GATE_INVALID, "a callback is read or refused");
        fuzz_must(!callback.complete, "what is not read is not complete");
        fuzz_invalid(&err);
    }

    fuzz_facts(&callback);
    fuzz_operations(&callback);
    fuzz_brief(&callback);
}


static void
fuzz_shape(gate_pool_t *pool, const gate_doc_t *doc)
{
    gate_rc_e     rc;
    gate_err_t    err;
    gate_order_e  order;
    gate_canon_t  canon;

    if (gate_canon_build(&canon, pool, doc, NULL, GATE_ORDER_NATURAL, &err)
        != GATE_OK)
    {
        return;
    }

    for (order = GATE_ORDER_NATURAL; order <= GATE_ORDER_BYTES; order++) {
        (void) gate_canon_sort(&canon, order);

        memset(&err, 0, sizeof(gate_err_t));

        rc = gate_shape_check(doc, &canon, &err);

        if (rc != GATE_OK) {
            fuzz_must(rc == GATE_INVALID, "a shape is Gate's or is not");
            fuzz_invalid(&err);
        }
    }
}


static void
fuzz_facts(const gate_callback_t *callback)
{
    size_t  i;

    fuzz_must(callback->status <= GATE_STATUS_OTHER, "a status is one");
    fuzz_must((callback->status == GATE_STATUS_NONE)
              == (callback->status_text.len == 0), "a status has a text");

    fuzz_must(callback->amount >= GATE_NO_AMOUNT
              && callback->amount <= GATE_MAX_AMOUNT
              && callback->paid >= GATE_NO_AMOUNT
              && callback->paid <= GATE_MAX_AMOUNT
              && callback->paid_total >= GATE_NO_AMOUNT
              && callback->paid_total <= GATE_MAX_AMOUNT,
              "amounts are in range");

    fuzz_must(callback->payment_id.len <= 4 * GATE_MAX_PAYMENT_ID
              && callback->status_text.len <= 4 * GATE_MAX_PAYMENT_ID
              && callback->operation_type.len <= 4 * GATE_MAX_PAYMENT_ID
              && callback->currency.len <= 16, "texts are short");

    fuzz_must(callback->operation_id.len <= 20, "an id has few digits");

    for (i = 0; i < callback->operation_id.len; i++) {
        fuzz_must(callback->operation_id.data[i] >= '0'
                  && callback->operation_id.data[i] <= '9',
                  "an id is digits");
    }
}


static void
fuzz_operations(const gate_callback_t *callback)
{
    unsigned                 i, k;
    const gate_operation_t  *a, *b;

    fuzz_must(callback->noperations <= GATE_MAX_OPERATIONS, "there is room");
    fuzz_must(!callback->alone || callback->noperations < 2, "one is alone");
    fuzz_must(!callback->complete || callback->noperations != 0,
              "a list has operations");

    for (i = 0; i < callback->noperations; i++) {
        a = &callback->operations[i];

        fuzz_operation(a);
        fuzz_must(!callback->complete
                  || (a->listed && gate_operation_clear(a)),
                  "a complete list has what can be told");
        fuzz_must(!a->foreign || callback->foreign, "it is told");
        fuzz_must(callback->amount == GATE_NO_AMOUNT
                  || a->paid <= callback->amount, "a part is not more");

        for (k = 0; k < i; k++) {
            b = &callback->operations[k];

            fuzz_must(a->id.len == 0 || a->id.len != b->id.len
                      || memcmp(a->id.data, b->id.data, a->id.len) != 0,
                      "an id stands there once");
        }
    }
}


static void
fuzz_operation(const gate_operation_t *operation)
{
    fuzz_must(operation->status <= GATE_STATUS_OTHER, "a status is one");
    fuzz_must(operation->id.len <= 19 && operation->currency.len <= 3
              && operation->type.len <= 4 * GATE_MAX_PAYMENT_ID
              && operation->status_text.len <= 4 * GATE_MAX_PAYMENT_ID,
              "texts are short");

    fuzz_must(operation->size >= GATE_NO_AMOUNT
              && operation->size <= GATE_MAX_AMOUNT
              && operation->paid >= GATE_NO_AMOUNT
              && operation->paid <= GATE_MAX_AMOUNT, "amounts are in range");

    fuzz_must(operation->paid <= 0
              || ((operation->status == GATE_STATUS_SUCCESS
                   || operation->status == GATE_STATUS_PARTIAL)
                  && operation->paid == operation->size
                  && operation->payout && !operation->foreign
                  && !operation->doubtful), "only what is known was paid");
}


/* the grammar that the ledger reads */

static void
fuzz_brief(const gate_callback_t *callback)
{
    size_t                len;
    unsigned char        *buf;
    gate_str_t            stand_in;
    const unsigned char  *p, *last;

    stand_in.data = (const unsigned char *) "0011223344556677";
    stand_in.len = 16;

    buf = malloc(GATE_BRIEF_MAX);
    fuzz_must(buf != NULL, "there is memory");

    len = gate_brief(callback, stand_in, buf);

    fuzz_must(len <= GATE_BRIEF_MAX, "it has room");
    fuzz_must(len == 0 || callback->payout, "only payouts are told");

    last = buf + len;

    for (p = buf; p != last; /* void */ ) {

        if (p != buf) {
            fuzz_must(*p++ == ' ', "a space stands between them");
        }

        p = fuzz_brief_digits(p, last, 19);
        fuzz_must(p != last && *p++ == '=', "a status follows");
        p = fuzz_brief_word(p, last);
        fuzz_must(p != last && *p++ == '/', "what was paid follows");
        p = fuzz_brief_digits(p, last, 14);
        fuzz_must(p != last && *p++ == '/', "what was to be paid follows");
        p = fuzz_brief_digits(p, last, 14);
    }

    free(buf);
}


static const unsigned char *
fuzz_brief_word(const unsigned char *p, const unsigned char *last)
{
    unsigned    i;
    gate_str_t  word;

    for (i = 0; i < GATE_STATUSES; i++) {
        word = gate_status_brief(i);

        if (word.len != 0 && word.len < (size_t) (last - p)
            && memcmp(p, word.data, word.len) == 0 && p[word.len] == '/')
        {
            return p + word.len;
        }
    }

    fuzz_must(0, "a status is one of the ledger's");

    return p;
}


static const unsigned char *
fuzz_brief_digits(const unsigned char *p, const unsigned char *last,
    size_t most)
{
    const unsigned char  *first;

    for (first = p; p != last && *p >= '0' && *p <= '9'; p++) {
        /* void */
    }

    fuzz_must((size_t) (p - first) <= most, "a number has few digits");

    return p;
}


static void
fuzz_invalid(const gate_err_t *err)
{
    fuzz_must(err->path != NULL && err->reason != NULL,
              "a refusal names a field and says why");
}
