
/*
 * Copyright (C) nginx-gate authors
 *
 * What a callback says of operations, as the ledger is told.
 */


#include <string.h>

#include "gate_brief.h"


static unsigned char *gate_brief_operation(const gate_callback_t *callback,
    const gate_operation_t *operation, gate_str_t id, unsigned char *p);
static unsigned char *gate_brief_text(unsigned char *p, gate_str_t text);
static unsigned char *gate_brief_amount(unsigned char *p, int64_t amount);


size_t
gate_brief(const gate_callback_t *callback, gate_str_t stand_in,
    unsigned char *buf)
{
    unsigned                 i;
    unsigned char           *p;
    const gate_operation_t  *operation;

    static const gate_operation_t  none = { .size = GATE_NO_AMOUNT };

    p = buf;

    if (!callback->payout) {
        return 0;
    }

    if (stand_in.len > GATE_BRIEF_ID) {
        stand_in.len = 0;
    }

    for (i = 0; i < callback->noperations; i++) {
        operation = &callback->operations[i];

        if (callback->alone) {
            p = gate_brief_operation(callback, operation,
                                     operation->id.len ? operation->id
                                                       : stand_in, p);

        } else if (gate_operation_clear(operation)) {
            p = gate_brief_operation(callback, operation, operation->id, p);
        }
    }

    if (p == buf) {
        p = gate_brief_operation(callback, &none, stand_in, p);
    }

    return p - buf - (p != buf);
}


static unsigned char *
gate_brief_operation(const gate_callback_t *callback,
    const gate_operation_t *operation, gate_str_t id, unsigned char *p)
{
    int64_t        paid;
    unsigned       has_paid;
    gate_str_t     word;
    gate_status_e  status;

    status = operation->status;
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
