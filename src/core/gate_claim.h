
/*
 * Copyright (C) nginx-gate authors
 *
 * Requests that tell what only Gate tells.
 */


#ifndef _GATE_CLAIM_H_INCLUDED_
#define _GATE_CLAIM_H_INCLUDED_


#include "gate_canon.h"


/*
 * Refuses to sign what could come back as a callback, or as an answer, that
 * tells a status: a request with such a member, or with keys and strings whose
 * canonical string has its line.  canon is that of the document, in any order.
 *
 * Returns GATE_OK, or GATE_INVALID with err->path and reason.
 */
gate_rc_e gate_claim_check(const gate_doc_t *doc, const gate_canon_t *canon,
    gate_err_t *err);


#endif /* _GATE_CLAIM_H_INCLUDED_ */
