
/*
 * Copyright (C) nginx-gate authors
 *
 * What a callback says of operations, as the ledger is told.
 */


#include <string.h>

#include "gate_brief.h"


static const gate_operation_t *gate_brief_alive(
    const gate_callback_t *callback);
static unsigned char *gate_brief_operation(const gate_callback_t *callback,
    const gate_operation_t *operation, gate_status_e status, gate_str_t id,
    unsigned char *p);
static unsigned char *gate_brief_text(unsigned char *p, gate_str_t text);
static unsigned char *gate_brief_amount(unsigned char *p, int64_t amount);


size_t
gate_brief(const gate_callback_t *callback, gate_str_t stand_in,
    unsigned char *buf)
{
    unsigned                 i;
    gate_str_t               id;
    gate_status_e            status;
    unsigned char           *p;
    const gate_operation_t  *operation, *alive;

    static const gate_operation_t  none = { .size = GATE_NO_AMOUNT };

    p = buf;
    alive = gate_brief_alive(callback);

    if (!callback->payout) {
        return 0;
    }

    if (stand_in.len > GATE_BRIEF_ID) {
        stand_in.len = 0;
    }

    for (i = 0; i < callback->noperations; i++) {
        operation = &callback->operations[i];

        id = operation->id;

        if (callback->alone) {
            id = id.len ? id : stand_in;

        } else if (!gate_operation_clear(operation)) {
            continue;
        }

        status = (operation == alive) ? callback->status : operation->status;

        p = gate_brief_operation(callback, operation, status, id, p);
    }

    if (p == buf) {
        p = gate_brief_operation(callback, &none, none.status, stand_in, p);
    }

    return p - buf - (p != buf);
}


/* the one that a payment under way lives in, though it has ended unpaid */

static const gate_operation_t *
gate_brief_alive(const gate_callback_t *callback)
{
    unsigned                 i;
    const gate_operation_t  *operation, *last;

    last = NULL;

    if (!gate_status_pending(callback->status)) {
        return NULL;
    }

    for (i = 0; i < callback->noperations; i++) {
        operation = &callback->operations[i];

        if (gate_status_pending(operation->status)) {
            return NULL;
        }

        if (operation->status == GATE_STATUS_DECLINE
            || operation->status == GATE_STATUS_ERROR)
        {
            last = operation;
        }
    }

    return last;
}


static unsigned char *
gate_brief_operation(const gate_callback_t *callback,
    const gate_operation_t *operation, gate_status_e status, gate_str_t id,
    unsigned char *p)
{
    int64_t     paid;
    unsigned    has_paid;
    gate_str_t  word;

    paid = operation->paid;

    if (!operation->payout || status == GATE_STATUS_NONE
        || status == GATE_STATUS_OTHER)
    {
        status = callback->status;
        paid = GATE_NO_AMOUNT;
    }

    has_paid = (status == GATE_STATUS_SUCCESS || status == GATE_STATUS_PARTIAL);

    if (has_paid && callback->status == GATE_STATUS_REVERSED) {
        status = GATE_STATUS_REVERSED;
        has_paid = 0;
    }

    if (has_paid && callback->status == GATE_STATUS_PARTIAL) {
        status = GATE_STATUS_PARTIAL;
    }

    word = gate_status_brief(status);

    if (id.len == 0 || word.len == 0) {
        return p;
    }

    p = gate_brief_text(p, id);
    *p++ = '=';
    p = gate_brief_text(p, word);
    *p++ = '/';
    p = gate_brief_amount(p, has_paid ? paid : 0);
    *p++ = '/';
    p = gate_brief_amount(p, operation->size);
    *p++ = ' ';

    return p;
}


static unsigned char *
gate_brief_text(unsigned char *p, gate_str_t text)
{
    memcpy(p, text.data, text.len);

    return p + text.len;
}


static unsigned char *
gate_brief_amount(unsigned char *p, int64_t amount)
{
    unsigned char  digits[20], *d;

    if (amount == GATE_NO_AMOUNT) {
        return p;
    }

    d = digits + sizeof(digits);

    do {
        *--d = '0' + amount % 10;
        amount /= 10;
    } while (amount != 0);

    memcpy(p, d, digits + sizeof(digits) - d);

    return p + (digits + sizeof(digits) - d);
}
