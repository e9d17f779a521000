
/*
 * Copyright (C) nginx-gate authors
 *
 * The keys of an object: what they sort by, for the parser to inline, and
 * their order.
 */


#ifndef _GATE_KEYS_H_INCLUDED_
#define _GATE_KEYS_H_INCLUDED_


#include <string.h>

#include "gate_json.h"


#define GATE_KEY_HEAD  8


/*
 * Chains the members of an object that has been read to its end, and counts
 * them in "next", in the order of their keys.  second becomes the first one
 * whose key was there before, or GATE_NO_NODE.  Returns GATE_OK or GATE_ERROR.
 */
gate_rc_e gate_keys_chain(const gate_doc_t *doc, gate_pool_t *pool,
    uint32_t object, uint32_t *second);


/* the first eight bytes, zero-padded, as a number that sorts like them */

static inline uint64_t
gate_key_head(gate_str_t key, size_t readable)
{
    size_t                i, shift;
    uint64_t              head;
    const unsigned char  *p;

    p = key.data;

    if (key.len == 0) {
        return 0;
    }

    shift = (key.len < GATE_KEY_HEAD) ? 8 * (GATE_KEY_HEAD - key.len) : 0;

    /* without a loop where more than a short key can be read */

    if (readable >= GATE_KEY_HEAD) {
        head = (uint64_t) p[0] << 56 | (uint64_t) p[1] << 48
               | (uint64_t) p[2] << 40 | (uint64_t) p[3] << 32
               | (uint64_t) p[4] << 24 | (uint64_t) p[5] << 16
               | (uint64_t) p[6] << 8 | p[7];

        return head >> shift << shift;
    }

    head = 0;

    for (i = 0; i < key.len; i++) {
        head = head << 8 | p[i];
    }

    return head << shift;
}


/* says whether one of the bytes is not above ':' */

static inline unsigned
gate_key_low(uint64_t word)
{
    return ((word - UINT64_C(0x3b3b3b3b3b3b3b3b)) & ~word
            & UINT64_C(0x8080808080808080)) != 0;
}


/*
 * Says whether paths through the key sort like the key does, in either order:
 * a byte that sorts before the colon, a digit, or white space can change that.
 */

static inline unsigned
gate_key_simple(gate_str_t key, uint64_t head)
{
    size_t    i;
    uint64_t  word;
    unsigned  low;

    if (key.len < GATE_KEY_HEAD) {
        return key.len != 0 && !gate_key_low(head | UINT64_MAX >> 8 * key.len);
    }

    low = gate_key_low(head);

    for (i = GATE_KEY_HEAD; i < key.len; i += GATE_KEY_HEAD) {

        if (i > key.len - GATE_KEY_HEAD) {
            i = key.len - GATE_KEY_HEAD;
        }

        memcpy(&word, key.data + i, GATE_KEY_HEAD);
        low |= gate_key_low(word);
    }

    return !low;
}


static inline int
gate_key_compare(const void *data, uint32_t a, uint32_t b)
{
    const gate_node_t *nodes = data;

    int                 rc;
    size_t              len;
    const gate_node_t  *x, *y;

    x = &nodes[a];
    y = &nodes[b];

    if (x->head != y->head) {
        return (x->head < y->head) ? -1 : 1;
    }

    len = (x->key.len < y->key.len) ? x->key.len : y->key.len;

    if (len > GATE_KEY_HEAD) {
        rc = memcmp(x->key.data + GATE_KEY_HEAD, y->key.data + GATE_KEY_HEAD,
                    len - GATE_KEY_HEAD);

        if (rc != 0) {
            return rc;
        }
    }

    return (x->key.len > y->key.len) - (x->key.len < y->key.len);
}


#endif /* _GATE_KEYS_H_INCLUDED_ */
