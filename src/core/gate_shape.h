
/*
 * Copyright (C) nginx-gate authors
 *
 * Documents that share a canonical string: which of them Gate writes.
 */


#ifndef _GATE_SHAPE_H_INCLUDED_
#define _GATE_SHAPE_H_INCLUDED_


#include "gate_canon.h"


/*
 * Refuses what could be another callback, or answer, with the same signature:
 * fields that are documented as a value and have members, or the reverse, and
 * keys and strings that hide a documented field.  canon is that of the
 * document, sorted as its signature was computed.
 *
 * Returns GATE_OK, or GATE_INVALID with err->path and reason.
 */
gate_rc_e gate_shape_check(const gate_doc_t *doc, const gate_canon_t *canon,
    gate_err_t *err);


#endif /* _GATE_SHAPE_H_INCLUDED_ */
