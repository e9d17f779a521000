
/*
 * Copyright (C) nginx-gate authors
 *
 * What a callback says.  Verify its signature before its contents are used.
 */


#ifndef _GATE_CALLBACK_H_INCLUDED_
#define _GATE_CALLBACK_H_INCLUDED_


#include "gate_sign.h"


/*
 * A status of a payment, or of an operation: X(name, word, brief)
 *
 * brief: the ledger's word for it in a list of operations.  NONE: there is
 * none; of a payment: the callback is not about one.  OTHER: one that we do not
 * know, which says nothing of a payout.  Both are words of ours.
 */

#define GATE_STATUS_TABLE(X)                                                  \
    X(NONE, "none", "")                                                       \
    X(PROCESSING, "processing", "pending")                                    \
    X(CLARIFICATION, "awaiting clarification", "pending")                     \
    X(RETRY, "awaiting retry", "pending")                                     \
    X(SUCCESS, "success", "success")                                          \
    X(DECLINE, "decline", "decline")                                          \
    X(ERROR, "error", "error")                                                \
    X(REVERSED, "reversed", "reversed")                                       \
    X(PARTIAL, "partially_paid_out", "partial")                               \
    X(OTHER, "other", "")


/* another spelling of PARTIAL */

#define GATE_STATUS_PARTIAL_SPACES  "partially paid out"


#define GATE_STATUS_NAME(name, word, brief)  GATE_STATUS_##name,

typedef enum {
    GATE_STATUS_TABLE(GATE_STATUS_NAME)
    GATE_STATUSES
} gate_status_e;

#undef GATE_STATUS_NAME


#define GATE_NO_AMOUNT  INT64_C(-1)


/* of one message; what is listed beyond is not read */

#define GATE_MAX_OPERATIONS  64


/*
 * An operation of a payment: what the message says of it, and GATE_NO_AMOUNT
 * for what is not known.
 *
 * id       Gate's ids are integers, or strings of their digits: all others are
 *          none, so that an id is 19 digits at most
 * size     sum_initial, or sum where there is no amount in it: the part of the
 *          payment that it was to pay
 * paid     of success and partially_paid_out the same, but not known where
 *          sum_initial and sum differ, or where it were more than payment.sum,
 *          which has the amount of all parts; of NONE and OTHER not known; of
 *          all that has not paid 0
 *
 * An amount is an integer of minor units, no other number and no string; more
 * than GATE_MAX_AMOUNT is not Gate's.  One in another currency than the
 * payment's is not known, nor is that of an operation that is not a payout: a
 * reversal is a success, too.
 */

typedef struct {
    gate_str_t     id;
    gate_str_t     type;
    gate_str_t     status_text;
    gate_str_t     currency;
    int64_t        size;
    int64_t        paid;
    gate_status_e  status;
    unsigned       payout:1;    /* of this type, or none is told */
    unsigned       foreign:1;   /* a sum has another currency */
    unsigned       listed:1;    /* stands in "operations" */
    unsigned       doubtful:1;  /* one message says two things of it */
} gate_operation_t;


/*
 * Strings are parts of the document, empty where it has none: a member that is
 * null, "", [] or {} has no value.
 *
 * operations   "operation", then those of "operations", each of them once.  Two
 *              items with the same id are one; what they contradict each other
 *              in is not known, in a status: OTHER
 * complete     "operations" is a list of payouts, each with an id of its own
 *              and a status that is known, it has them all, and "operation" is
 *              among them.  The answer of /v2/payment/status lists all
 *              operations of the payment; a callback is not bound to
 */

typedef struct {
    gate_str_t        payment_id;
    gate_str_t        type;             /* payment.type */
    gate_str_t        currency;
    gate_str_t        status_text;      /* in the spelling of payouts */
    gate_str_t        operation_id;     /* digits */
    gate_str_t        operation_type;
    gate_status_e     status;
    int64_t           amount;           /* payment.sum.amount, minor units */
    int64_t           paid;             /* of the operation, if successful */
    int64_t           paid_total;       /* of successful ones, if all are
                                           listed */

    gate_str_t        paid_currency;    /* payment.sum's, or the first that an
                                           operation tells */
    unsigned          noperations;
    unsigned          payout:1;         /* payment.type is, or is not told */
    unsigned          complete:1;
    unsigned          foreign:1;        /* some operation is */
    unsigned          alone:1;          /* the message is about one operation
                                           at most */

    gate_operation_t  operations[GATE_MAX_OPERATIONS];
} gate_callback_t;


/*
 * Gate's word, and the ledger's, which is empty for NONE and OTHER.
 */
gate_str_t gate_status_word(gate_status_e status);
gate_str_t gate_status_brief(gate_status_e status);

/*
 * Of a payout: under way, or ended.  NONE and OTHER are neither.
 */
int gate_status_pending(gate_status_e status);
int gate_status_final(gate_status_e status);

/*
 * Reads project_id, of the top level or of "general".  Needed before the
 * signature can be verified, so nothing else may rely on it until then.
 *
 * Returns GATE_OK with *id set, 0 where there is none or it is not an integer
 * of Gate's range, or its digits; GATE_INVALID where both places have one and
 * they differ.
 */
gate_rc_e gate_callback_project(const gate_doc_t *doc, uint32_t *id,
    gate_err_t *err);

/*
 * Refuses members that the signature does not cover: "signature" but for the
 * one at place, and "frame_mode", at any depth (GATE_INVALID).  What it covers
 * and does not tell apart is gate_shape_check()'s.
 */
gate_rc_e gate_callback_ambiguous(const gate_doc_t *doc, gate_place_e place,
    gate_err_t *err);

/*
 * Reads a verified callback and checks the types of all that is relied on:
 * the signature does not tell 1 from "1".  Returns GATE_OK, or GATE_INVALID
 * with err set to the first field that cannot be read: callback then has the
 * others, and nothing may be settled by it.
 */
gate_rc_e gate_callback_read(const gate_doc_t *doc, gate_callback_t *callback,
    gate_err_t *err);


/*
 * 1 where the operation is a payout with an id and a status that is known.
 */
int gate_operation_clear(const gate_operation_t *operation);


#endif /* _GATE_CALLBACK_H_INCLUDED_ */
