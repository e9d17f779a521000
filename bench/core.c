
/*
 * Copyright (C) nginx-gate authors
 *
 * Nanoseconds per stage of signing one payout, without nginx.
 */


#ifndef _POSIX_C_SOURCE
#define _POSIX_C_SOURCE  199309L
#endif

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gate_digest.h"
#include "gate_payout.h"
#include "gate_sign.h"
#include "gate_splice.h"


#define BENCH_ROUNDS   9
#define BENCH_REPEATS  20000
#define BENCH_SCRATCH  32768


typedef struct {
    gate_str_t              text;
    const gate_endpoint_t  *endpoint;
    gate_key_t             *key;
    gate_digest_t          *digest;
    gate_pool_t             pool;
    gate_doc_t              doc;
    gate_canon_t            canon;
    gate_payout_t           payout;
    gate_splice_t           splice;
    gate_err_t              err;
    unsigned char           signature[GATE_SIGNATURE_LEN];
} bench_t;


typedef struct {
    const char             *name;
    void                  (*run)(bench_t *bench);
} bench_stage_t;


static void bench_stage(bench_t *bench, const bench_stage_t *stage);
static double bench_now(void);
static int bench_compare(const void *a, const void *b);
static void bench_need(gate_rc_e rc);

static void bench_parse(bench_t *bench);
static void bench_find(bench_t *bench);
static void bench_check(bench_t *bench);
static void bench_plan(bench_t *bench);
static void bench_build(bench_t *bench);
static void bench_write(bench_t *bench);
static void bench_sign(bench_t *bench);
static void bench_digest(bench_t *bench);
static void bench_pieces(bench_t *bench);
static void bench_all(bench_t *bench);


static const char  bench_path[] = "/v2/payment/mobile/payout";

static const char  bench_payout[] =
    "{\n"
    "    \"general\": {\n"
    "        \"payment_id\": \"payment_47\"\n"
    "    },\n"
    "    \"customer\": {\n"
    "        \"id\": \"customer_123\",\n"
    "        \"ip_address\": \"198.51.100.47\",\n"
    "        \"first_name\": \"John\",\n"
    "        \"last_name\": \"Doe\",\n"
    "        \"email\": \"johndoe@example.com\"\n"
    "    },\n"
    "    \"account\": {\n"
    "        \"number\": \"71234567890\"\n"
    "    },\n"
    "    \"payment\": {\n"
    "        \"currency\": \"KZT\",\n"
    "        \"amount\": 100000,\n"
    "        \"description\": \"Monthly reward, order 20260807-000047\"\n"
    "    }\n"
    "}\n";


static const bench_stage_t  bench_stages[] = {
    { "parse", bench_parse },
    { "find endpoint", bench_find },
    { "check fields", bench_check },
    { "plan splice", bench_plan },
    { "flatten and sort", bench_build },
    { "write canonical string", bench_write },
    { "write and HMAC-SHA512", bench_sign },
    { "SHA-256 of the payout", bench_digest },
    { "cut pieces", bench_pieces },
    { "all of a signed payout", bench_all }
};


int
main(void)
{
    size_t                i;
    bench_t               bench;
    static unsigned char  scratch[BENCH_SCRATCH];

    memset(&bench, 0, sizeof(bench_t));

    bench.text.data = (const unsigned char *) bench_payout;
    bench.text.len = sizeof(bench_payout) - 1;
    bench.key = gate_key_create((const unsigned char *) "secret", 6);
    bench.digest = gate_digest_create();

    gate_pool_init(&bench.pool, scratch, BENCH_SCRATCH);

    if (bench.key == NULL || bench.digest == NULL) {
        bench_need(GATE_ERROR);
    }

    printf("a payout of %lu bytes, nanoseconds, median and best of %d\n",
           (unsigned long) bench.text.len, BENCH_ROUNDS);

    bench_all(&bench);

    for (i = 0; i < sizeof(bench_stages) / sizeof(bench_stages[0]); i++) {
        bench_stage(&bench, &bench_stages[i]);
    }

    gate_digest_destroy(bench.digest);
    gate_key_destroy(bench.key);
    gate_pool_reset(&bench.pool);

    return 0;
}


/* what a stage allocates goes after it, what came before stays */

static void
bench_stage(bench_t *bench, const bench_stage_t *stage)
{
    int             i, n;
    double          start, times[BENCH_ROUNDS];
    unsigned char  *pos;

    if (stage->run == bench_parse || stage->run == bench_all) {
        gate_pool_reset(&bench->pool);
    }

    pos = bench->pool.pos;

    for (n = 0; n < BENCH_ROUNDS; n++) {
        start = bench_now();

        for (i = 0; i < BENCH_REPEATS; i++) {
            bench->pool.pos = pos;
            stage->run(bench);
        }

        times[n] = (bench_now() - start) / BENCH_REPEATS;
    }

    qsort(times, BENCH_ROUNDS, sizeof(double), bench_compare);

    printf("%-24s %6.0f %6.0f\n", stage->name, times[BENCH_ROUNDS / 2],
           times[0]);
}


static double
bench_now(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return now.tv_sec * 1e9 + now.tv_nsec;
}


static int
bench_compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}


static void
bench_need(gate_rc_e rc)
{
    if (rc != GATE_OK) {
        fprintf(stderr, "bench: a stage failed with code %d\n", (int) rc);
        exit(1);
    }
}


static void
bench_parse(bench_t *bench)
{
    bench_need(gate_json_parse(&bench->doc, &bench->pool, bench->text,
                               GATE_MAX_DEPTH, &bench->err));
}


static void
bench_find(bench_t *bench)
{
    bench->endpoint = gate_endpoint_find((const unsigned char *) bench_path,
                                         sizeof(bench_path) - 1);
}


static void
bench_check(bench_t *bench)
{
    bench_need(gate_payout_check(&bench->doc, bench->endpoint,
                                 GATE_VALIDATE_BASIC, &bench->payout,
                                 &bench->err));
}


static void
bench_plan(bench_t *bench)
{
    bench_need(gate_splice_plan(&bench->splice, &bench->doc, 0, 1234,
                                &bench->err));
}


static void
bench_build(bench_t *bench)
{
    bench_need(gate_canon_build(&bench->canon, &bench->pool, &bench->doc,
                                gate_splice_insert(&bench->splice),
                                GATE_ORDER_NATURAL, &bench->err));
}


static gate_rc_e
bench_sink(void *data, const unsigned char *p, size_t len)
{
    bench_t *bench = data;

    bench->signature[0] = p[len - 1];

    return GATE_OK;
}


static void
bench_write(bench_t *bench)
{
    bench_need(gate_canon_write(&bench->canon, bench_sink, bench));
}


static void
bench_sign(bench_t *bench)
{
    bench_need(gate_sign(bench->key, &bench->canon, bench->signature));
}


static void
bench_digest(bench_t *bench)
{
    gate_str_t     path;
    unsigned char  digest[GATE_DIGEST_LEN];

    path.data = (const unsigned char *) bench_path;
    path.len = sizeof(bench_path) - 1;

    bench_need(gate_digest_payout(bench->digest, path, &bench->doc,
                                  &bench->splice, digest));
}


static void
bench_pieces(bench_t *bench)
{
    gate_str_t     pieces[GATE_SPLICE_PIECES];
    unsigned char  text[GATE_SPLICE_TEXT];

    (void) gate_splice_pieces(&bench->splice, &bench->doc, bench->signature,
                              text, pieces);
}


static void
bench_all(bench_t *bench)
{
    bench_parse(bench);
    bench_find(bench);
    bench_check(bench);
    bench_plan(bench);
    bench_build(bench);
    bench_sign(bench);
    bench_pieces(bench);
}
