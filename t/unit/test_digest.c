
/*
 * Copyright (C) nginx-gate authors
 *
 * Equal digests for equal documents, and for no others.
 */


#include <openssl/err.h>
#include <openssl/evp.h>

#include "test.h"
#include "gate_digest.h"


#define TEST_PATH     "/v2/payment/mobile/payout"
#define TEST_PROJECT  1234
#define TEST_LARGE    (3 * 1024 * 1024)

#define TEST_HIDDEN                                                           \
    ";payment:amount:10000000000000;payment:currency:KZT;"                    \
    "payment:description:y"


typedef struct {
    const char  *one;
    const char  *other;
} test_pair_t;


static void test_known(void);
static void test_equal(void);
static void test_different(void);
static void test_look_alikes(void);
static void test_left_out(void);
static void test_paths(void);
static void test_sizes(void);
static unsigned test_size(char *text, unsigned n);
static char *test_sized(char *text, unsigned n, unsigned turned);
static void test_whole(char *text, unsigned n, unsigned char *out);
static int test_compare(const char *one, const char *other);
static int test_same_string(const char *one, const char *other);
static void test_callback(const char *text, unsigned char *out);
static void test_payout(const char *path, const char *text, int top_level,
    unsigned char *out);


static gate_digest_t  *test_digest;


/*
 * SHA-256, computed by another program, of what gate_digest_walk() says: the
 * path's length, then each value as its type, key and text, with lengths of
 * seven bits in a byte, the lowest first
 */

static const char  test_document[] =
    "{\"b\":-2.5,\"a\":[\"x\",true,null,{},[],false],\"\":\"\\u00e9;b:2\"}";

static const unsigned char  test_sha256[] = {
    0x7b, 0xf6, 0xb3, 0x8f, 0x60, 0x4c, 0x12, 0xcd,
    0xc8, 0xdd, 0x15, 0x1d, 0x20, 0xca, 0x2f, 0xa7,
    0xc2, 0x74, 0x00, 0x8c, 0x75, 0x0b, 0x8a, 0x35,
    0xd7, 0x9f, 0x89, 0xff, 0xb0, 0x65, 0x09, 0xc8
};


static const test_pair_t  test_equals[] = {
    { "{}", " { } " },
    { "{\"a\":1,\"b\":2}", "{\"b\":2,\"a\":1}" },
    { "{\"a\":{\"c\":[1,{\"x\":1,\"y\":2}],\"b\":\"\"},\"d\":null}",
      "{\"d\":null,\"a\":{\"b\":\"\",\"c\":[1,{\"y\":2,\"x\":1}]}}" },
    { "{\"a\":\"\\u0041\\/\\n\"}", "{\"\\u0061\":\"A/\\u000a\"}" },
    { "{\"a\":\"\\ud83d\\ude00\"}", "{\"a\":\"\xf0\x9f\x98\x80\"}" },
    { "{\"a10\":1,\"a9\":2,\"a 1\":3}", "{\"a 1\":3,\"a9\":2,\"a10\":1}" },
    { "{\"a\":1,\"signature\":\"x\"}", "{\"a\":1}" },
    { "{\"signature\":{\"x\":[]},\"a\":1}", "{\"a\":1,\"signature\":1}" },
    { "{\"general\":{\"id\":1,\"signature\":\"x\"}}",
      "{\"general\":{\"signature\":\"y\",\"id\":1}}" }
};


static const test_pair_t  test_differents[] = {
    { "{\"a\":\"x\"}", "{\"a\":\"y\"}" },
    { "{\"a\":1}", "{\"b\":1}" },
    { "{\"a\":1}", "{\"a\":1,\"b\":1}" },
    { "{\"a\":[1,2]}", "{\"a\":[2,1]}" },
    { "{\"a\":\"ab\",\"b\":\"\"}", "{\"a\":\"a\",\"b\":\"b\"}" },
    { "{\"a\":{\"b\":1},\"c\":1}", "{\"a\":{\"b\":1,\"c\":1}}" },
    { "{\"a\":\"\\u0000\"}", "{\"a\":\"\"}" },

    /* the same canonical string */
    { "{\"a\":\"x;b:y\"}", "{\"a\":\"x\",\"b\":\"y\"}" },
    { "{\"a\":1}", "{\"a\":\"1\"}" },
    { "{\"a\":1}", "{\"a\":true}" },
    { "{\"a\":1}", "{\"a\":1.0}" },
    { "{\"a\":1.0}", "{\"a\":1e0}" },
    { "{\"a\":1.10}", "{\"a\":1.1}" },
    { "{\"a\":0}", "{\"a\":-0}" },
    { "{\"a\":0}", "{\"a\":false}" },
    { "{\"a\":0.12345678901234567}", "{\"a\":0.12345678901234566}" },
    { "{\"a\":1e400}", "{\"a\":1e500}" },
    { "{\"a\":null}", "{\"a\":\"\"}" },
    { "{\"a\":[]}", "{\"a\":{}}" },
    { "{\"a\":[]}", "{}" },
    { "{\"a\":{}}", "{\"b\":{}}" },
    { "{\"a\":[\"x\"]}", "{\"a\":{\"0\":\"x\"}}" },
    { "{\"a\":{\":b\":1}}", "{\"a:\":{\"b\":1}}" },
    { "{\"a\":{\"b\":1,\"signature\":1}}", "{\"a\":{\"b\":1}}" },
    { "{\"a\":1,\"frame_mode\":\"x\"}", "{\"a\":1}" },
    { "{\"a\":1,\"signature\":\"x\",\"general\":{\"signature\":\"y\"}}",
      "{\"a\":1,\"signature\":\"x\",\"general\":{\"signature\":\"z\"}}" },
    { "{\"a\":[{\"signature\":1}]}", "{\"a\":[{\"signature\":2}]}" }
};


/* two bodies of one canonical string, with amounts of their own */

static const char  test_small[] =
    "{\"general\":{\"payment_id\":\"p\",\"terminal_callback_url\":\"x"
    TEST_HIDDEN "\"},\"payment\":{\"amount\":100,\"currency\":\"KZT\"}}";

static const char  test_large[] =
    "{\"general\":{\"payment_id\":\"p\",\"terminal_callback_url\":\"x\"},"
    "\"payment\":{\"amount\":10000000000000,\"currency\":\"KZT\","
    "\"description\":\"y;payment:amount:100;payment:currency:KZT\"}}";


int
main(void)
{
    gate_digest_destroy(NULL);

    test_digest = gate_digest_create();

    if (test_digest == NULL) {
        ok(0, "a digest is created");
        return test_done();
    }

    test_known();
    test_equal();
    test_different();
    test_look_alikes();
    test_left_out();
    test_paths();
    test_sizes();

    gate_digest_destroy(test_digest);

    ok(ERR_peek_error() == 0, "nothing is left in OpenSSL's queue");

    return test_done();
}


static void
test_known(void)
{
    int            i;
    unsigned       wrong;
    unsigned char  out[GATE_DIGEST_LEN];

    wrong = 0;

    for (i = 0; i < 10; i++) {
        test_callback(test_document, out);
        wrong += memcmp(out, test_sha256, GATE_DIGEST_LEN) != 0;
    }

    ok(wrong == 0, "the digest of a document, each time");
}


static void
test_equal(void)
{
    size_t  i;

    for (i = 0; i < test_count(test_equals); i++) {
        ok(test_compare(test_equals[i].one, test_equals[i].other) == 0,
           "%s is %s", test_equals[i].one, test_equals[i].other);
    }
}


static void
test_different(void)
{
    size_t  i;

    for (i = 0; i < test_count(test_differents); i++) {
        ok(test_compare(test_differents[i].one, test_differents[i].other) != 0,
           "%s is not %s", test_differents[i].one, test_differents[i].other);
    }
}


static void
test_look_alikes(void)
{
    unsigned char  one[GATE_DIGEST_LEN], other[GATE_DIGEST_LEN];

    ok(test_same_string(test_small, test_large) == 1,
       "two payouts with one canonical string");

    test_payout(TEST_PATH, test_small, 0, one);
    test_payout(TEST_PATH, test_large, 0, other);

    ok(memcmp(one, other, GATE_DIGEST_LEN) != 0, "have two digests");
}


static void
test_left_out(void)
{
    size_t         i;
    unsigned char  one[GATE_DIGEST_LEN], other[GATE_DIGEST_LEN];

    static const char  *same[] = {
        "{\"general\":{\"payment_id\":\"p\",\"project_id\":1234}}",
        "{\"general\":{\"payment_id\":\"p\",\"signature\":\"x\"}}",
        "{\"general\":{\"project_id\":1234,\"signature\":{\"a\":[1]},"
        "\"payment_id\":\"p\"}}"
    };

    static const char  *others[] = {
        "{\"general\":{\"payment_id\":\"p\"},\"project_id\":1234}",
        "{\"general\":{\"payment_id\":\"p\"},\"signature\":\"x\"}",
        "{\"general\":{\"payment_id\":\"p\",\"project\":1234}}"
    };

    test_payout(TEST_PATH, "{\"general\":{\"payment_id\":\"p\"}}", 0, one);

    for (i = 0; i < test_count(same); i++) {
        test_payout(TEST_PATH, same[i], 0, other);
        ok(memcmp(one, other, GATE_DIGEST_LEN) == 0, "%s is the same payout",
           same[i]);
    }

    for (i = 0; i < test_count(others); i++) {
        test_payout(TEST_PATH, others[i], 0, other);
        ok(memcmp(one, other, GATE_DIGEST_LEN) != 0, "%s is another payout",
           others[i]);
    }

    test_payout(TEST_PATH, "{\"a\":1}", 1, one);
    test_payout(TEST_PATH, "{\"a\":1,\"project_id\":1234}", 1, other);

    ok(memcmp(one, other, GATE_DIGEST_LEN) == 0, "project_id of the top level");

    test_payout(TEST_PATH, "{\"a\":1}", 0, one);
    test_payout(TEST_PATH, "{\"a\":1,\"project_id\":1234}", 0, other);

    ok(memcmp(one, other, GATE_DIGEST_LEN) != 0,
       "project_id of the top level where it has no place");
}


static void
test_paths(void)
{
    unsigned char  one[GATE_DIGEST_LEN], other[GATE_DIGEST_LEN];

    test_payout("/v2/payment/banks/one/payout", "{\"a\":1}", 0, one);
    test_payout("/v2/payment/banks/one/payout", "{\"a\":1}", 0, other);

    ok(memcmp(one, other, GATE_DIGEST_LEN) == 0, "the same path");

    test_payout("/v2/payment/banks/two/payout", "{\"a\":1}", 0, other);

    ok(memcmp(one, other, GATE_DIGEST_LEN) != 0, "another path");

    test_callback("{\"a\":1}", other);

    ok(memcmp(one, other, GATE_DIGEST_LEN) != 0, "no path");
}


/* around the sizes of a buffer, and of what a length is written in */

static void
test_sizes(void)
{
    char      *text;
    size_t     i;
    unsigned   n, wrong;

    static const unsigned  sizes[] = { 16383, 16384, 2097151, 2097152 };

    text = malloc(TEST_LARGE);

    if (text == NULL) {
        ok(0, "memory");
        return;
    }

    wrong = 0;

    for (n = 0; n < 5000; n++) {
        wrong += test_size(text, n);
    }

    for (i = 0; i < test_count(sizes); i++) {
        wrong += test_size(text, sizes[i]);
    }

    free(text);

    ok(wrong == 0, "texts of any length");
}


static unsigned
test_size(char *text, unsigned n)
{
    unsigned char  one[GATE_DIGEST_LEN], other[GATE_DIGEST_LEN];
    unsigned char  sha256[GATE_DIGEST_LEN];

    test_callback(test_sized(text, n, 0), one);
    test_callback(test_sized(text, n, 1), other);
    test_whole(text, n, sha256);

    return memcmp(one, other, GATE_DIGEST_LEN) != 0
           || memcmp(one, sha256, GATE_DIGEST_LEN) != 0;
}


static char *
test_sized(char *text, unsigned n, unsigned turned)
{
    char  *p;

    p = text + sprintf(text, turned ? "{\"b\":1,\"a\":\"" : "{\"a\":\"");

    memset(p, 'x', n);
    p += n;

    strcpy(p, turned ? "\"}" : "\",\"b\":1}");

    return text;
}


/* what is hashed of test_sized(), in one piece */

static void
test_whole(char *text, unsigned n, unsigned char *out)
{
    char      *p;
    unsigned   rest;

    static const char  start[] = "\0" "{" "s" "\1" "a";
    static const char  end[] = "d" "\1" "b" "\1" "1" ".";

    memcpy(text, start, sizeof(start) - 1);
    p = text + sizeof(start) - 1;

    for (rest = n; rest > 127; rest >>= 7) {
        *p++ = (char) (0x80 | (rest & 0x7f));
    }

    *p++ = (char) rest;

    memset(p, 'x', n);
    p += n;

    memcpy(p, end, sizeof(end) - 1);
    p += sizeof(end) - 1;

    if (EVP_Digest(text, p - text, out, NULL, EVP_sha256(), NULL) != 1) {
        ok(0, "SHA-256 of %u bytes", n);
    }
}


static int
test_compare(const char *one, const char *other)
{
    unsigned char  a[GATE_DIGEST_LEN], b[GATE_DIGEST_LEN];

    test_callback(one, a);
    test_callback(other, b);

    return memcmp(a, b, GATE_DIGEST_LEN);
}


static int
test_same_string(const char *one, const char *other)
{
    int         same;
    char       *a, *b;
    test_doc_t  first, second;

    test_parse(&first, one, strlen(one), GATE_MAX_DEPTH);
    test_parse(&second, other, strlen(other), GATE_MAX_DEPTH);

    a = test_canonical(&first, NULL, GATE_ORDER_NATURAL);
    b = test_canonical(&second, NULL, GATE_ORDER_NATURAL);

    same = (a != NULL && b != NULL && strcmp(a, b) == 0);

    free(a);
    free(b);
    test_free(&first);
    test_free(&second);

    return same;
}


static void
test_callback(const char *text, unsigned char *out)
{
    test_doc_t  test;

    test_parse(&test, text, strlen(text), GATE_MAX_DEPTH);

    if (test.rc != GATE_OK
        || gate_digest_callback(test_digest, &test.doc, out) != GATE_OK)
    {
        ok(0, "%s has a digest", text);
    }

    test_free(&test);
}


static void
test_payout(const char *path, const char *text, int top_level,
    unsigned char *out)
{
    gate_str_t     str;
    test_doc_t     test;
    gate_splice_t  splice;

    str.data = (const unsigned char *) path;
    str.len = strlen(path);

    test_parse(&test, text, strlen(text), GATE_MAX_DEPTH);

    if (test.rc != GATE_OK
        || gate_splice_plan(&splice, &test.doc, top_level, TEST_PROJECT,
                            &test.err)
           != GATE_OK
        || gate_digest_payout(test_digest, str, &test.doc, &splice, out)
           != GATE_OK)
    {
        ok(0, "%s has a digest", text);
    }

    test_free(&test);
}
