
/*
 * Copyright (C) nginx-gate authors
 *
 * Documents as nodes in one array: strict reading by yajl.
 */


#ifndef _GATE_JSON_H_INCLUDED_
#define _GATE_JSON_H_INCLUDED_


#include <string.h>

#include "gate.h"


typedef enum {
    GATE_NULL = 0,
    GATE_FALSE,
    GATE_TRUE,
    GATE_NUMBER,
    GATE_STRING,
    GATE_OBJECT,
    GATE_ARRAY
} gate_type_e;


/*
 * Nodes stand in document order, node 0 is the top-level object.  The first
 * child of node i is i + 1, its sibling is nodes[i + 1].next, and so on up to
 * nodes[i].next.  The members of an object are also chained in the bytewise
 * order of their keys, and the items of an array as they stand there.
 */

typedef struct {
    gate_str_t  key;        /* decoded; data is NULL outside of objects */
    gate_str_t  value;      /* decoded string; text of a number or literal */
    uint32_t    start;      /* offset of the first byte of the value */
    uint32_t    end;        /* offset after its last byte */
    uint32_t    parent;
    uint32_t    next;
    uint32_t    index;      /* position among the siblings, from 0 */
    uint32_t    least;      /* the first member or item of the chain */
    uint32_t    after;      /* the one that follows in the chain */
    uint64_t    head;       /* first bytes of the key */
    uint8_t     type;       /* gate_type_e */
} gate_node_t;


typedef struct {
    gate_str_t    text;
    gate_node_t  *nodes;
    uint32_t      n;
    unsigned      simple;   /* no arrays, and paths sort like their keys */
} gate_doc_t;


/* "no such node": node 0 is never a child */

#define GATE_NO_NODE  0


/*
 * Reads one JSON object (RFC 8259), strictly: no duplicate keys, invalid or
 * overlong UTF-8, lone surrogates, trailing bytes, or nesting over max_depth
 * (the top-level object is level 1).
 *
 * The document refers to text and to memory of the pool; both must outlive
 * it.  Returns GATE_OK, GATE_JSON with err set, or GATE_ERROR.
 */
#define gate_json_parse(doc, pool, text, max_depth, err)                      \
    gate_json_parse_values(doc, pool, text, max_depth, GATE_MAX_NODES, err)

/*
 * The same, and GATE_VALUES with err set for a document of more values, objects
 * and arrays among them, than max_values: what a body may cost is known before
 * it is read.
 */
gate_rc_e gate_json_parse_values(gate_doc_t *doc, gate_pool_t *pool,
    gate_str_t text, uint32_t max_depth, uint32_t max_values,
    gate_err_t *err);

/*
 * Returns the member of the object "parent" with this decoded key, or
 * GATE_NO_NODE, also where parent is not an object.
 */
uint32_t gate_json_member(const gate_doc_t *doc, uint32_t parent,
    const char *key, size_t len);

/*
 * Reads a number token as an integer.  Returns 0, or -1 where the node is not
 * a number without fraction and exponent that int64_t holds.
 */
int gate_json_int64(const gate_node_t *node, int64_t *value);


/* text is a literal */

#define gate_is(str, text)                                                    \
    ((str).len == sizeof(text) - 1                                            \
     && memcmp((str).data, text, sizeof(text) - 1) == 0)

#define gate_says(node, text)                                                 \
    ((node)->type == GATE_STRING && gate_is((node)->value, text))

#define gate_member(doc, parent, text)                                        \
    gate_json_member(doc, parent, text, sizeof(text) - 1)


/* null, "", [] and {}: all the ways in which "no value" is written */

static inline int
gate_json_empty(const gate_doc_t *doc, uint32_t i)
{
    const gate_node_t  *n;

    n = &doc->nodes[i];

    switch (n->type) {

    case GATE_NULL:
        return 1;

    case GATE_STRING:
        return n->value.len == 0;

    case GATE_OBJECT:
    case GATE_ARRAY:
        return n->next == i + 1;

    default:
        return 0;
    }
}


#endif /* _GATE_JSON_H_INCLUDED_ */
