
/*
 * Copyright (C) nginx-gate authors
 *
 * The errors in an answer of Gate.
 */


#ifndef _GATE_ERROR_H_INCLUDED_
#define _GATE_ERROR_H_INCLUDED_


#include "gate_json.h"


typedef struct {
    gate_str_t  code;           /* part of the document, or empty */
    unsigned    listed;         /* errors of the list "errors" */
    unsigned    nothing:1;      /* Gate knows nothing of the payment, as yet */
} gate_error_t;


/*
 * Reads "code" of the top level and of each item of "errors".  Of several
 * codes the first is told, but "payment_id already exists" goes before all.
 *
 * Returns GATE_OK, or GATE_INVALID where a code cannot be read, or an item has
 * none: it could be any.  error is set all the same.
 */
gate_rc_e gate_error_read(const gate_doc_t *doc, gate_error_t *error);


#endif /* _GATE_ERROR_H_INCLUDED_ */
