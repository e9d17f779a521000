
/*
 * Copyright (C) nginx-gate authors
 *
 * Puts project_id and signature into a request without touching another byte.
 */


#ifndef _GATE_SPLICE_H_INCLUDED_
#define _GATE_SPLICE_H_INCLUDED_


#include "gate_canon.h"


#define GATE_SPLICE_PIECES  5

/* the longest inserted text: "general":{"project_id":N,"signature":"S"}, */

#define GATE_SPLICE_TEXT    160


/*
 * What is added stands at the start of the container; a client's signature
 * is replaced in place.
 */

typedef struct {
    uint32_t       container;   /* "general", or the top level */
    uint32_t       signature;   /* the client's own, or GATE_NO_NODE */
    unsigned       has_project; /* the client's project_id, equal to ours */
    unsigned       create;      /* "general" is missing */
    gate_insert_t  insert;      /* leaf for gate_canon_build() */
    unsigned char  project[10]; /* project_id in decimal, as insert.value */
    size_t         project_len;
} gate_splice_t;


/*
 * Finds the places.  top_level: gate_endpoint_top_level().
 *
 * Returns GATE_OK, GATE_INVALID where "general" is not an object or
 * project_id is not an integer of Gate's range, or GATE_PROJECT where it is
 * another one.
 * splice refers to itself: it must not be copied.
 */
gate_rc_e gate_splice_plan(gate_splice_t *splice, const gate_doc_t *doc,
    int top_level, uint32_t project_id, gate_err_t *err);

/*
 * The leaf to give to gate_canon_build(), or NULL where none is added.
 */
const gate_insert_t *gate_splice_insert(const gate_splice_t *splice);

/*
 * Cuts the new body: up to GATE_SPLICE_PIECES pieces, each a part of the
 * document's text or of buf (GATE_SPLICE_TEXT bytes, which must live as long
 * as the pieces).  signature has GATE_SIGNATURE_LEN bytes.  Returns the
 * number of pieces; none is empty.
 */
unsigned gate_splice_pieces(const gate_splice_t *splice,
    const gate_doc_t *doc, const unsigned char *signature,
    unsigned char *buf, gate_str_t *pieces);


#endif /* _GATE_SPLICE_H_INCLUDED_ */
