
/*
 * Copyright (C) nginx-gate authors
 *
 * Memory for one document: freed as a whole, on a caller's buffer first.
 */


#include <stdlib.h>

#include "gate.h"


#define GATE_CHUNK_MIN   4096
#define GATE_CHUNK_MAX   (1024 * 1024)


struct gate_chunk_s {
    gate_chunk_t  *next;
    size_t         size;
};


#define GATE_CHUNK_HEADER  gate_align(sizeof(gate_chunk_t))


void
gate_pool_init(gate_pool_t *pool, void *buf, size_t size)
{
    size_t  pad;

    pool->buf = buf;
    pool->size = size;
    pool->chunks = NULL;

    pad = 0;

    if (buf != NULL) {
        pad = gate_align((uintptr_t) buf) - (uintptr_t) buf;
    }

    if (buf == NULL || pad >= size) {
        pool->pos = NULL;
        pool->last = NULL;
        return;
    }

    pool->pos = pool->buf + pad;
    pool->last = pool->buf + size;
}


void
gate_pool_reset(gate_pool_t *pool)
{
    gate_chunk_t  *chunk, *next;

    for (chunk = pool->chunks; chunk != NULL; chunk = next) {
        next = chunk->next;
        free(chunk);
    }

    gate_pool_init(pool, pool->buf, pool->size);
}


/* chunks grow, so that a big document needs few of them */

void *
gate_pool_chunk(gate_pool_t *pool, size_t size)
{
    size_t          room;
    gate_chunk_t   *chunk;
    unsigned char  *p;

#if (GATE_POOL_DEBUG)

    /* sanitizers see the end of each allocation */

    room = size;

#else

    room = (pool->chunks == NULL) ? GATE_CHUNK_MIN : pool->chunks->size * 2;

    if (room > GATE_CHUNK_MAX) {
        room = GATE_CHUNK_MAX;
    }

    if (room < size) {
        room = size;
    }

#endif

    chunk = malloc(GATE_CHUNK_HEADER + room);
    if (chunk == NULL) {
        return NULL;
    }

    chunk->next = pool->chunks;
    chunk->size = room;
    pool->chunks = chunk;

    p = (unsigned char *) chunk + GATE_CHUNK_HEADER;

    /* keep bumping in the area that has more room left */

    if (room - size > (size_t) (pool->last - pool->pos)) {
        pool->pos = p + size;
        pool->last = p + room;
    }

    return p;
}
