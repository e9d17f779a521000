
/*
 * Copyright (C) nginx-gate authors
 */


#include <openssl/err.h>

#include "test.h"
#include "gate_sign.h"


/* HMAC-SHA512 of "a:1;b:2" with "secret" */

#define TEST_SIGNATURE                                                        \
    "UbbdbLLpa4TEXD9k9GmSCIOcvag1oF3e+HrPVjiScFuK"                            \
    "9e9LfY+RHXc05ya23XdiC5d9kmb5iL5rFmR5UHW1gw=="


static void test_keys(void);
static void test_signature(void);
static void test_places(void);
static void test_mismatch(void);
static void test_rotation(void);
static void test_order(void);


static gate_key_t  *test_secret;


int
main(void)
{
    test_secret = gate_key_create((const unsigned char *) "secret", 6);

    if (test_secret == NULL) {
        ok(0, "a key is created");
        return test_done();
    }

    test_keys();
    test_signature();
    test_places();
    test_mismatch();
    test_rotation();
    test_order();

    gate_key_destroy(test_secret);

    ok(ERR_peek_error() == 0, "nothing is left in OpenSSL's queue");

    return test_done();
}


static void
test_keys(void)
{
    ok(gate_key_create((const unsigned char *) "", 0) == NULL,
       "no key of an empty secret");

    gate_key_destroy(NULL);
}


static gate_rc_e
test_build(test_doc_t *test, gate_canon_t *canon, const char *text)
{
    test_parse(test, text, strlen(text), GATE_MAX_DEPTH);

    if (test->rc != GATE_OK) {
        return test->rc;
    }

    return gate_canon_build(canon, &test->pool, &test->doc, NULL,
                            GATE_ORDER_NATURAL, &test->err);
}


static void
test_signature(void)
{
    int             i;
    unsigned        wrong;
    gate_key_t     *other;
    test_doc_t      test;
    gate_canon_t    canon;
    unsigned char   signature[GATE_SIGNATURE_LEN], second[GATE_SIGNATURE_LEN];

    (void) test_build(&test, &canon, "{\"b\":2,\"a\":1}");

    other = gate_key_create((const unsigned char *) "secret ", 7);
    wrong = 0;

    for (i = 0; i < 100; i++) {
        memset(signature, 0, GATE_SIGNATURE_LEN);

        if (gate_sign(test_secret, &canon, signature) != GATE_OK
            || memcmp(signature, TEST_SIGNATURE, GATE_SIGNATURE_LEN) != 0)
        {
            wrong++;
        }

        if (gate_sign(other, &canon, second) != GATE_OK
            || memcmp(second, signature, GATE_SIGNATURE_LEN) == 0)
        {
            wrong++;
        }
    }

    ok(wrong == 0, "signatures of two keys in turn are right each time");

    gate_key_destroy(other);
    test_free(&test);
}


static void
test_verdict(const char *fmt, gate_rc_e expected, gate_place_e place)
{
    char             text[512];
    gate_rc_e        rc;
    test_doc_t       test;
    gate_canon_t     canon;
    gate_verified_t  result;

    sprintf(text, fmt, TEST_SIGNATURE);

    rc = test_build(&test, &canon, text);
    memset(&result, 0xff, sizeof(gate_verified_t));

    if (rc == GATE_OK) {
        rc = gate_verify(&test_secret, 1, &test.doc, &canon, &result);
    }

    ok(rc == expected && result.place == place, "verdict on %s", fmt);

    if (rc == GATE_OK) {
        ok(result.order == GATE_ORDER_NATURAL && result.key == 0,
           "and how it came");
    }

    test_free(&test);
}


static void
test_places(void)
{
    size_t  i;

    static const struct {
        const char    *text;
        gate_rc_e      rc;
        gate_place_e   place;
    } places[] = {
        { "{\"a\":1,\"signature\":\"%s\",\"b\":2}", GATE_OK, GATE_AT_TOP },
        { "{\"\\u0073ignature\":\"%s\",\"a\":\"1\",\"b\":\"2\"}", GATE_OK,
          GATE_AT_TOP },
        { "{\"general\":{\"signature\":\"%s\"},\"a\":true,\"b\":2}", GATE_OK,
          GATE_AT_GENERAL },
        { "{\"general\":{\"signature\":\"x\"},\"a\":1,\"b\":2,"
          "\"signature\":\"%s\"}", GATE_OK, GATE_AT_TOP },
        { "{\"general\":{\"signature\":\"%s\"},\"a\":1,\"b\":2,"
          "\"signature\":\"\"}", GATE_MISMATCH, GATE_AT_TOP },
        { "{\"general\":{\"signature\":\"%s\"},\"a\":1,\"b\":2,"
          "\"signature\":null}", GATE_MISMATCH, GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"signature\":[\"%s\"]}", GATE_MISMATCH,
          GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"signature\":{\"signature\":\"%s\"}}",
          GATE_MISMATCH, GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"c\":{\"signature\":\"%s\"}}", GATE_UNSIGNED,
          GATE_AT_NONE },
        { "{\"a\":1,\"b\":2,\"general\":[{\"signature\":\"%s\"}]}",
          GATE_UNSIGNED, GATE_AT_NONE },
        { "{\"a\":1,\"b\":2,\"general\":\"%s\"}", GATE_UNSIGNED,
          GATE_AT_NONE },
        { "{\"a\":1,\"b\":2,\"Signature\":\"%s\"}", GATE_UNSIGNED,
          GATE_AT_NONE },
        { "{\"a\":1,\"b\":3,\"signature\":\"%s\"}", GATE_MISMATCH,
          GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"c\":\"\",\"signature\":\"%s\"}", GATE_MISMATCH,
          GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"signature\":\"%s \"}", GATE_MISMATCH,
          GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"signature\":\"%.87s\"}", GATE_MISMATCH,
          GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"signature\":\"%.86s\"}", GATE_MISMATCH,
          GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"signature\":\"%.1s\"}", GATE_MISMATCH,
          GATE_AT_TOP },
        { "{\"a\":1,\"b\":2,\"signature\":\"%.87s\\u003d\"}", GATE_OK,
          GATE_AT_TOP }
    };

    for (i = 0; i < test_count(places); i++) {
        test_verdict(places[i].text, places[i].rc, places[i].place);
    }
}


/* one wrong character anywhere */

static void
test_mismatch(void)
{
    char              text[256], *p;
    size_t            i;
    unsigned          wrong;
    test_doc_t        test;
    gate_canon_t      canon;
    gate_verified_t   result;

    wrong = 0;

    for (i = 0; i < GATE_SIGNATURE_LEN; i++) {
        sprintf(text, "{\"a\":1,\"b\":2,\"signature\":\"%s\"}",
                TEST_SIGNATURE);

        p = strstr(text, TEST_SIGNATURE) + i;
        *p = (*p == 'A') ? 'B' : 'A';

        if (test_build(&test, &canon, text) != GATE_OK
            || gate_verify(&test_secret, 1, &test.doc, &canon, &result)
               != GATE_MISMATCH)
        {
            wrong++;
        }

        test_free(&test);
    }

    ok(wrong == 0, "a signature with any character changed is refused");
}


static void
test_rotation(void)
{
    char              text[256];
    gate_rc_e         rc;
    gate_key_t       *keys[3];
    test_doc_t        test;
    gate_canon_t      canon;
    gate_verified_t   result;

    sprintf(text, "{\"a\":1,\"b\":2,\"signature\":\"%s\"}", TEST_SIGNATURE);

    (void) test_build(&test, &canon, text);

    keys[0] = gate_key_create((const unsigned char *) "new", 3);
    keys[1] = NULL;
    keys[2] = test_secret;

    rc = gate_verify(keys, 3, &test.doc, &canon, &result);
    ok(rc == GATE_OK && result.key == 2, "the previous key verifies");

    rc = gate_verify(keys, 2, &test.doc, &canon, &result);
    ok(rc == GATE_MISMATCH, "only while it is given");

    rc = gate_verify(keys + 1, 1, &test.doc, &canon, &result);
    ok(rc == GATE_MISMATCH, "no key, no match");

    rc = gate_verify(NULL, 0, &test.doc, &canon, &result);
    ok(rc == GATE_MISMATCH, "no keys at all");

    gate_key_destroy(keys[0]);
    test_free(&test);
}


static void
test_order(void)
{
    char              text[256];
    gate_rc_e         rc;
    test_doc_t        test;
    gate_canon_t      canon;
    gate_verified_t   result;
    unsigned char     signature[GATE_SIGNATURE_LEN];

    (void) test_build(&test, &canon, "{\"x10\":1,\"x9\":2}");
    ok(gate_canon_sort(&canon, GATE_ORDER_BYTES) == 1, "the orders differ");
    (void) gate_sign(test_secret, &canon, signature);
    test_free(&test);

    sprintf(text, "{\"x10\":1,\"x9\":2,\"signature\":\"%.88s\"}", signature);

    (void) test_build(&test, &canon, text);

    rc = gate_verify(&test_secret, 1, &test.doc, &canon, &result);

    ok(rc == GATE_OK && result.order == GATE_ORDER_BYTES,
       "the order of bytes is accepted");
    ok(gate_canon_sort(&canon, GATE_ORDER_BYTES) == 0, "and stays");

    test_free(&test);
}
