
/*
 * Copyright (C) nginx-gate authors
 *
 * The canonical string that Gate signs.
 */


#ifndef _GATE_CANON_H_INCLUDED_
#define _GATE_CANON_H_INCLUDED_


#include "gate_json.h"
#include "gate_natural.h"


typedef enum {
    GATE_ORDER_NATURAL = 0, /* PHP's natural order, as Gate itself sorts */
    GATE_ORDER_BYTES        /* as the Go, Python and Java SDKs sort */
} gate_order_e;


/*
 * A leaf that the document will have once it is spliced: it stands before the
 * first child of "container".
 */

typedef struct {
    uint32_t    container;
    gate_str_t  path;       /* the whole path, as general:project_id */
    gate_str_t  value;
} gate_insert_t;


typedef struct {
    gate_str_t    prefix;   /* of the path, with its colon, or empty */
    gate_str_t    path;     /* the rest of it */
    gate_str_t    value;
    unsigned      plain;    /* path without digits and white space */
} gate_leaf_t;


typedef struct {
    gate_leaf_t  *leaves;   /* in document order; simple: sorted */
    uint32_t     *order;    /* indexes of leaves, sorted */
    uint32_t     *scratch;
    uint32_t      n;
    gate_order_e  sorted;
    unsigned      simple;   /* both orders are the same */
} gate_canon_t;


/*
 * Takes len bytes of the canonical string; the bytes are valid during the call
 * only.  Any value but GATE_OK ends the writing.
 */
typedef gate_rc_e (*gate_sink_pt)(void *data, const unsigned char *p,
    size_t len);


/*
 * Flattens the document into leaves and sorts them.  insert is NULL or one
 * leaf to add.  Returns GATE_OK, GATE_JSON where the paths are too long
 * altogether (GATE_MAX_PATHS) or begin with a key that Gate drops, or
 * GATE_ERROR.
 */
gate_rc_e gate_canon_build(gate_canon_t *canon, gate_pool_t *pool,
    const gate_doc_t *doc, const gate_insert_t *insert, gate_order_e order,
    gate_err_t *err);

/*
 * Sorts again.  Returns 1 where that changed the order of the leaves, else 0:
 * the string is then the same.
 */
int gate_canon_sort(gate_canon_t *canon, gate_order_e order);

/*
 * Writes the string to the sink in pieces.  Returns what the sink returned.
 */
gate_rc_e gate_canon_write(const gate_canon_t *canon, gate_sink_pt sink,
    void *data);


#endif /* _GATE_CANON_H_INCLUDED_ */
