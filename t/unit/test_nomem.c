
/*
 * Copyright (C) nginx-gate authors
 *
 * Every allocation of the core fails once; linked with --wrap=malloc and
 * --wrap=calloc.
 */


#include "test.h"
#include "gate_digest.h"
#include "gate_sign.h"
#include "gate_splice.h"


#define TEST_DOCUMENT                                                         \
    "{\"\\u0061\":\"\\u00e9\",\"b\":[1,2.5,{\"c:d\":[[[[1e5]]]]}],"           \
    "\"k1\":1,\"k2\":1,\"k3\":1,\"k4\":1,\"k5\":1,\"k6\":1,\"k7\":1,"         \
    "\"k8\":1,\"k9\":1,\"l1\":1,\"l2\":1,\"l3\":1,\"l4\":1,\"l5\":1,"         \
    "\"l6\":1,\"l7\":1,\"l8\":1,\"l9\":1,\"z\":{\"y\":{\"x\":{}}}} "


void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);


static unsigned  test_left;     /* allocations until the one that fails */
static unsigned  test_hit;


void *
__wrap_malloc(size_t size)
{
    if (test_left != 0 && --test_left == 0) {
        test_hit = 1;
        return NULL;
    }

    return __real_malloc(size);
}


void *
__wrap_calloc(size_t n, size_t size)
{
    if (test_left != 0 && --test_left == 0) {
        test_hit = 1;
        return NULL;
    }

    return __real_calloc(n, size);
}


/* big: strings of escapes that make yajl's buffer grow */

static gate_rc_e
test_pipeline(gate_pool_t *pool, gate_str_t text)
{
    gate_rc_e       rc;
    gate_doc_t      doc;
    gate_err_t      err;
    gate_canon_t    canon;
    gate_splice_t   splice;

    rc = gate_json_parse(&doc, pool, text, GATE_MAX_DEPTH, &err);

    if (rc == GATE_OK) {
        rc = gate_splice_plan(&splice, &doc, 0, 5, &err);
    }

    if (rc == GATE_OK) {
        rc = gate_canon_build(&canon, pool, &doc, gate_splice_insert(&splice),
                              GATE_ORDER_NATURAL, &err);
    }

    return rc;
}


static void
test_all(const char *name, gate_str_t text)
{
    unsigned      n, wrong;
    gate_rc_e     rc;
    gate_pool_t   pool;

    wrong = 0;
    n = 0;

    do {
        gate_pool_init(&pool, NULL, 0);

        test_hit = 0;
        test_left = ++n;

        rc = test_pipeline(&pool, text);

        test_left = 0;

        if (rc != (test_hit ? GATE_ERROR : GATE_OK)) {
            wrong++;
        }

        gate_pool_reset(&pool);

    } while (test_hit && n < 10000);

    ok(wrong == 0 && n > 2 && n < 10000,
       "%s: each of %u allocations may fail", name, n - 1);
}


static void
test_objects(void)
{
    gate_key_t     *key;
    gate_digest_t  *digest;

    test_left = 1;
    key = gate_key_create((const unsigned char *) "secret", 6);
    test_left = 0;

    ok(key == NULL, "a key");

    test_left = 1;
    digest = gate_digest_create();
    test_left = 0;

    ok(digest == NULL, "a digest");

    gate_key_destroy(key);
    gate_digest_destroy(digest);
}


int
main(void)
{
    char        *big, *p;
    size_t       i;
    gate_str_t   text;

    text.data = (const unsigned char *) TEST_DOCUMENT;
    text.len = sizeof(TEST_DOCUMENT) - 1;

    test_all("a small document", text);

    big = malloc(300000);
    p = big + sprintf(big, "{\"a\":\"");

    for (i = 0; i < 20000; i++) {
        p += sprintf(p, "\\n");
    }

    p += sprintf(p, "\",\"b\":[1");

    for (i = 0; i < 3000; i++) {
        p += sprintf(p, ",2");
    }

    p += sprintf(p, "]}");

    text.data = (unsigned char *) big;
    text.len = p - big;

    test_all("a big document", text);

    free(big);

    test_objects();

    return test_done();
}
