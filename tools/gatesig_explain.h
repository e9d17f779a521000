
/*
 * Copyright (C) nginx-gate authors
 *
 * What the parts of gatesig verify --explain share.
 */


#ifndef _GATESIG_EXPLAIN_H_INCLUDED_
#define _GATESIG_EXPLAIN_H_INCLUDED_


#include "gatesig.h"


#define GATESIG_PATH_SIZE  512      /* of a path that is printed */


typedef struct {
    gatesig_t          *sig;
    gate_str_t          given;      /* the signature, as it was found */
    unsigned char       wanted[GATE_SIGNATURE_LEN]; /* the same in Base64 */
    gate_canon_t        variant;    /* what is tried */
    gate_leaf_t        *leaves;     /* as in the document */
    uint32_t           *nodes;      /* of the leaves */
    uint32_t           *sorted[2];  /* leaves by gate_order_e */
    uint32_t           *order;      /* memory for another one */
    size_t              size;       /* of the canonical string */
    size_t              left;       /* of the budget */
    unsigned            failed;     /* no memory, or OpenSSL failed */
} gatesig_search_t;


/*
 * Returns the value of a leaf as somebody else writes it, the same pointer
 * where that is no other one, NULL where the leaf is left out.
 */
typedef gate_str_t (*gatesig_value_pt)(gatesig_search_t *search,
    const gate_node_t *node, gate_str_t value);


typedef struct {
    gatesig_value_pt    value;
    const char         *all;        /* the cause where all leaves are so */
    const char         *one;        /* where one is; takes its path */
} gatesig_habit_t;


/* ends with one without a function */

extern const gatesig_habit_t  gatesig_habits[];


/*
 * Returns 1 where a cause was found, and prints it.
 */
int gatesig_search(gatesig_search_t *search);

void gatesig_cause(const char *format, const char *text);

void gatesig_print(const char *name, gate_str_t text);

/*
 * Prints to the FILE "data", but nothing that a terminal would act on.
 */
gate_rc_e gatesig_safe_sink(void *data, const unsigned char *p, size_t len);

/*
 * The path of a node as in the canonical string; of a long one the end.
 */
void gatesig_path(const gate_doc_t *doc, uint32_t i, char *path,
    size_t size);

/*
 * Copies into the pool, with a NUL after the end.
 */
gate_str_t gatesig_copy(gatesig_search_t *search, const char *text,
    size_t len);


#endif /* _GATESIG_EXPLAIN_H_INCLUDED_ */
