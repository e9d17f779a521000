
/*
 * Copyright (C) nginx-gate authors
 *
 * What a callback says.  Verify its signature before its contents are used.
 */


#ifndef _GATE_CALLBACK_H_INCLUDED_
#define _GATE_CALLBACK_H_INCLUDED_


#include "gate_sign.h"


/*
 * payment.status: X(name, word)
 *
 * NONE: the callback is not about a payment.  OTHER: one that we do not know.
 * Both are words of ours.
 */

#define GATE_STATUS_TABLE(X)                                                  \
    X(NONE, "none")                                                           \
    X(PROCESSING, "processing")                                               \
    X(CLARIFICATION, "awaiting clarification")                                \
    X(RETRY, "awaiting retry")                                                \
    X(SUCCESS, "success")                                                     \
    X(DECLINE, "decline")                                                     \
    X(ERROR, "error")                                                         \
    X(REVERSED, "reversed")                                                   \
    X(PARTIAL, "partially_paid_out")                                          \
    X(OTHER, "other")


/* another spelling of PARTIAL */

#define GATE_STATUS_PARTIAL_SPACES  "partially paid out"


#define GATE_STATUS_NAME(name, word)  GATE_STATUS_##name,

typedef enum {
    GATE_STATUS_TABLE(GATE_STATUS_NAME)
    GATE_STATUSES
} gate_status_e;

#undef GATE_STATUS_NAME


#define GATE_NO_AMOUNT  INT64_C(-1)


/*
 * Strings are parts of the document, empty where it has none: a member that is
 * null, "", [] or {} has no value.
 */

typedef struct {
    gate_str_t     payment_id;
    gate_str_t     currency;
    gate_str_t     status_text;     /* in the spelling of payouts */
    gate_str_t     operation_id;    /* digits */
    gate_str_t     operation_type;
    gate_status_e  status;
    int64_t        amount;          /* payment.sum.amount, minor units */
    int64_t        paid;            /* sum of the operation, if successful */
    int64_t        paid_total;      /* of successful ones, if all are listed */
} gate_callback_t;


gate_str_t gate_status_word(gate_status_e status);

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


#endif /* _GATE_CALLBACK_H_INCLUDED_ */
