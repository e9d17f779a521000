
/*
 * Copyright (C) nginx-gate authors
 *
 * What an answer of Gate says.
 */


#ifndef _GATE_ANSWER_H_INCLUDED_
#define _GATE_ANSWER_H_INCLUDED_


#include "gate_error.h"


typedef enum {
    GATE_ANSWER_UNKNOWN = 0,    /* the payout may have been taken, or not */
    GATE_ANSWER_ACCEPTED,
    GATE_ANSWER_REFUSED
} gate_answer_e;


/*
 * Reads the answer to a payout, of this HTTP status.  Accepted or refused is
 * only what says so itself.  code is a part of the document, or empty.
 */
gate_answer_e gate_answer_read(const gate_doc_t *doc, unsigned status,
    gate_str_t *code);

/*
 * 1 where nothing is said but that Gate knows nothing of the payment, as yet:
 * Gate does not sign that.
 */
int gate_answer_nothing(const gate_doc_t *doc);

/*
 * 1 where the document asks for a payment by general.payment_id, as requests
 * do, and tells no status, neither the payment's nor one of its own.
 */
int gate_answer_asks(const gate_doc_t *doc);


#endif /* _GATE_ANSWER_H_INCLUDED_ */
