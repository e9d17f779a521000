
/*
 * Copyright (C) nginx-gate authors
 *
 * What a callback says of operations, as the ledger is told.
 */


#ifndef _GATE_BRIEF_H_INCLUDED_
#define _GATE_BRIEF_H_INCLUDED_


#include "gate_callback.h"


/* digits of an id or of an amount, a status, and what stands between them */

#define GATE_BRIEF_ID   20
#define GATE_BRIEF_ONE  (GATE_BRIEF_ID + 8 + 2 * 14 + sizeof("=// ") - 1)
#define GATE_BRIEF_MAX  (GATE_MAX_OPERATIONS * GATE_BRIEF_ONE)


/*
 * Writes operations as "id=status/paid/size", with spaces between them, and
 * returns the length; buf has room for GATE_BRIEF_MAX bytes.  status is a brief
 * word of GATE_STATUS_TABLE, paid and size are empty where they are not known.
 *
 *     4711=success/10000/10000 4712=pending/0/
 *
 * - An operation whose own status is not known, or which is no payout, has the
 *   payment's if it is all that the message is about; else it is left out.
 *   What it has paid is not known then, if it has.
 * - Of a payment that is reversed, what was paid is: a reversal is an operation
 *   of its own, and leaves the other's status as it is.
 * - Of a payment that is paid in part, what was paid is a part.
 * - A payment under way lives in an operation, though all that are told have
 *   ended unpaid: it will be tried again, and the last of them is pending.
 * - All else is as the operation says it: a payment that has ended in one may
 *   live in another.
 * - Without a usable id, the stand-in is its name, of 1 to GATE_BRIEF_ID bytes,
 *   if it is all that the message is about; else it is left out: from one
 *   message to the next it would count again.
 * - Where nothing is left, the payment's status stands under the stand-in: a
 *   callback may come without an operation.
 *
 * Empty for a payment of another type than payout, and where no status is
 * known.
 */
size_t gate_brief(const gate_callback_t *callback, gate_str_t stand_in,
    unsigned char *buf);


#endif /* _GATE_BRIEF_H_INCLUDED_ */
