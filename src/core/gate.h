
/*
 * Copyright (C) nginx-gate authors
 *
 * Types and bounds shared by the files of the core library.  The core knows
 * no nginx: it reads the caller's bytes, allocates from a gate_pool_t and
 * returns codes; it does no I/O, reads no clock and keeps no globals.
 */


#ifndef _GATE_H_INCLUDED_
#define _GATE_H_INCLUDED_


#include <stddef.h>
#include <stdint.h>


#define GATE_VERSION        "1.0.0"


/* a document of more bytes, values or path bytes is refused, not truncated */

#define GATE_MAX_TEXT       (64 * 1024 * 1024)
#define GATE_MAX_NODES      65536
#define GATE_MAX_PATHS(len, n)                                                \
    (32 * 1024 + 4 * (size_t) (len) + 64 * (size_t) (n))

#define GATE_MAX_VALUES     4096    /* default limit of values */

#define GATE_MAX_DEPTH      32      /* default nesting limit */
#define GATE_DEPTH_LIMIT    512     /* highest nesting limit, as in PHP */


/* bytes that the caller owns; not NUL-terminated */

typedef struct {
    size_t                len;
    const unsigned char  *data;
} gate_str_t;


#define gate_string(text)  { sizeof(text) - 1, (const unsigned char *) text }


typedef enum {
    GATE_OK = 0,
    GATE_ERROR,             /* no memory, or OpenSSL failed */
    GATE_JSON,              /* not JSON, or ambiguous: err.offset, reason */
    GATE_MISSING,           /* required field is absent: err.path */
    GATE_INVALID,           /* wrong type, pattern or range: err.path, reason */
    GATE_PROJECT,           /* project_id is another project's */
    GATE_UNSIGNED,          /* the document has no signature */
    GATE_MISMATCH,          /* the signature is not ours */
    GATE_VALUES             /* more values than allowed: err as GATE_JSON */
} gate_rc_e;


/* why a call failed; texts are constants, never parts of the document */

typedef struct {
    const char  *reason;
    const char  *path;      /* field as "payment.amount", or NULL */
    size_t       offset;    /* byte offset in the text, GATE_JSON only */
} gate_err_t;


/* that of malloc(), and a power of two, on every platform nginx runs on */

#define GATE_ALIGNMENT      16

#define gate_align(n)                                                         \
    (((n) + (GATE_ALIGNMENT - 1)) & ~((size_t) GATE_ALIGNMENT - 1))


/*
 * A bump allocator.  Memory comes from the caller's buffer first, then from
 * malloc(); all of it is given back at once.
 */

typedef struct gate_chunk_s  gate_chunk_t;

typedef struct {
    unsigned char  *buf;
    unsigned char  *pos;
    unsigned char  *last;
    size_t          size;
    gate_chunk_t   *chunks;
} gate_pool_t;


/*
 * buf may be NULL with size 0: every allocation then comes from malloc().
 */
void gate_pool_init(gate_pool_t *pool, void *buf, size_t size);

/*
 * The way of gate_pool_alloc() where the pool has no room left; size is
 * aligned.
 */
void *gate_pool_chunk(gate_pool_t *pool, size_t size);

/*
 * Frees all that was allocated; the pool can be used again.
 */
void gate_pool_reset(gate_pool_t *pool);

/*
 * Returns size bytes aligned for any type, not zeroed, or NULL.
 */
static inline void *
gate_pool_alloc(gate_pool_t *pool, size_t size)
{
    unsigned char  *p;

    if (size > SIZE_MAX / 2) {
        return NULL;
    }

    size = gate_align(size + (size == 0));

    if ((size_t) (pool->last - pool->pos) < size) {
        return gate_pool_chunk(pool, size);
    }

    p = pool->pos;
    pool->pos += size;

    return p;
}


#endif /* _GATE_H_INCLUDED_ */
