
/*
 * Copyright (C) nginx-gate authors
 */


#include "test.h"


static void test_buffer(void);
static void test_growth(void);
static void test_limits(void);


int
main(void)
{
    test_buffer();
    test_growth();
    test_limits();

    return test_done();
}


static void
test_buffer(void)
{
    unsigned char *p, *q;
    gate_pool_t    pool;
    unsigned char  buf[257];

    /* an odd address, so that the pool has to align */

    gate_pool_init(&pool, buf + 1, 256);

    p = gate_pool_alloc(&pool, 1);
    q = gate_pool_alloc(&pool, 100);

    ok(p > buf && q + 100 <= buf + 257, "the caller's buffer comes first");
    ok((uintptr_t) p % 16 == 0 && (uintptr_t) q % 16 == 0, "aligned");
    ok(q - p >= 16, "apart");
    ok(pool.chunks == NULL, "nothing from malloc()");

    q = gate_pool_alloc(&pool, 200);
    ok(q != NULL && (q + 200 <= buf || q >= buf + 257),
       "what does not fit comes from malloc()");

    memset(q, 'q', 200);

    gate_pool_reset(&pool);
    ok(gate_pool_alloc(&pool, 1) == p, "a reset pool starts anew");

    gate_pool_init(&pool, buf + 1, 3);
    q = gate_pool_alloc(&pool, 1);
    ok(q != NULL && pool.chunks != NULL, "a buffer too small to be aligned");

    gate_pool_reset(&pool);
}


static void
test_growth(void)
{
    size_t           i;
    unsigned         bad;
    gate_pool_t      pool;
    unsigned char   *blocks[2000];

    gate_pool_init(&pool, NULL, 0);
    bad = 0;

    for (i = 0; i < test_count(blocks); i++) {
        blocks[i] = gate_pool_alloc(&pool, i);

        if (blocks[i] == NULL || (uintptr_t) blocks[i] % 16 != 0) {
            bad++;
            continue;
        }

        memset(blocks[i], (int) (i % 251), i);
    }

    for (i = 0; i < test_count(blocks); i++) {
        if (i != 0 && (blocks[i][0] != i % 251 || blocks[i][i - 1] != i % 251))
        {
            bad++;
        }
    }

    ok(bad == 0, "2000 blocks of growing size keep their contents");
    ok(gate_pool_alloc(&pool, 8 * 1024 * 1024) != NULL, "a block of 8 MiB");

    gate_pool_reset(&pool);
    ok(pool.chunks == NULL, "all is given back");
}


static void
test_limits(void)
{
    gate_pool_t  pool;

    gate_pool_init(&pool, NULL, 0);

    ok(gate_pool_alloc(&pool, SIZE_MAX) == NULL, "a size that would wrap");
    ok(gate_pool_alloc(&pool, SIZE_MAX - 15) == NULL, "and one that aligns");
    ok(gate_pool_alloc(&pool, 0) != NULL, "no bytes are not NULL");

    gate_pool_reset(&pool);
}
