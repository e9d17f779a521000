
/*
 * Copyright (C) nginx-gate authors
 *
 * A callback as it comes from the network: its project, what the signature
 * leaves open, and the facts that settle a payout.
 */


#include <string.h>

#include "fuzz.h"
#include "gate_callback.h"
#include "gate_payout.h"
#include "gate_shape.h"


static void fuzz_callback(gate_doc_t *doc);
static void fuzz_shape(gate_pool_t *pool, const gate_doc_t *doc);
static void fuzz_facts(const gate_callback_t *callback);
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
        fuzz_invalid(&err);
        return;
    }

    fuzz_facts(&callback);
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
fuzz_invalid(const gate_err_t *err)
{
    fuzz_must(err->path != NULL && err->reason != NULL,
              "a refusal names a field and says why");
}
