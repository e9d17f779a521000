
/*
 * Copyright (C) nginx-gate authors
 */


#include "test.h"


#define TEST_SAMPLE                                                           \
    " {\"a\" : [1,-2.5e3, \"x\\u00e9\\\"\", true,false , null,[],{ }],\r\n\t" \
    "\"\\u0062\":{\"c\":\"\xd0\xb6\"} } \n"


typedef struct {
    const char  *text;
    size_t       len;
    const char  *reason;
    size_t       offset;
} test_bad_t;


#define bad(text, reason, offset)  { text, sizeof(text) - 1, reason, offset }


static void test_nodes(void);
static void test_strings(void);
static void test_accepted(void);
static void test_refused(void);
static void test_truncated(void);
static void test_duplicates(void);
static void test_depth(void);
static void test_limits(void);
static void test_numbers(void);
static void test_members(void);


static const char  *test_good[] = {
    "{}",
    " \t\r\n{ \t\r\n} \t\r\n",
    "{\"\":\"\"}",
    "{\"a\":0}",
    "{\"a\":-0,\"b\":0.0,\"c\":1e5,\"d\":1E+5,\"e\":-1.25e-300}",
    "{\"a\":123456789012345678901234567890}",
    "{\"a\":\"/\\/\\b\\f\\n\\r\\t\\\\\\\"\"}",
    "{\"a\":\"\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xed\x9f\xbf\xee\x80\x80\"}",
    "{\"a\":\"\xef\xbb\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf\"}",
    "{\"a\":\"\\ud800\\udc00\\udbff\\udfff\\uD83D\\uDE00\"}",
    "{\"a\":\"\\\\ud800\"}",
    "{\"a\":{},\"A\":{},\"a \":{},\"\\u0000\":1,\"\\u0000\\u0000\":2}"
};


static const test_bad_t  test_bad[] = {
    bad("", "unexpected end of text", 0),
    bad(" \n", "unexpected end of text", 2),
    bad("{", "unexpected end of text", 1),
    bad("{\"a\":1", "unexpected end of text", 6),
    bad("{\"a\":12345", "unexpected end of text", 10),
    bad("{\"a\":\"b", "unexpected end of text", 7),
    bad("{\"a\":\"\\", "unexpected end of text", 7),
    bad("{\"a\":tru", "unexpected end of text", 8),
    bad("{\"a\":[[1]", "unexpected end of text", 9),

    bad("[]", "top level is not an object", 0),
    bad(" 12", "top level is not an object", 1),
    bad("\"{}\"", "top level is not an object", 0),
    bad("null", "top level is not an object", 0),
    bad("x", "top level is not an object", 0),
    bad("\0{}", "top level is not an object", 0),

    bad("\xef\xbb\xbf{}", "byte order mark", 0),

    bad("{} x", "trailing bytes", 3),
    bad("{}{}", "trailing bytes", 2),
    bad("{} 12", "trailing bytes", 3),
    bad("{},", "trailing bytes", 2),
    bad("{}\0", "trailing bytes", 2),
    bad("{} \"", "trailing bytes", 3),
    bad("{} \"abc", "trailing bytes", 3),
    bad("{} tru", "trailing bytes", 3),
    bad("{} -", "trailing bytes", 3),
    bad("{} }", "trailing bytes", 3),

    bad("{\"a\":\"\x01\"}", "control character", 6),
    bad("{\"a\":\"b\n\"}", "control character", 7),
    bad("{\"a\":\"\0\"}", "control character", 6),
    bad("{\"a\":\"\x1f\"}", "control character", 6),
    bad("{\"a\":\"\\\"\t\"}", "control character", 8),
    bad("{\"a\v\":1}", "control character", 3),
    bad("{\"a\":\v1}", "control character", 5),
    bad("{\f}", "control character", 1),
    bad("{} \f", "control character", 3),
    bad("{\0}", "control character", 1),

    bad("{\"a\":\"\\x\"}", "invalid escape", 7),
    bad("{\"a\":\"\\u12g4\"}", "invalid escape", 10),
    bad("{\"a\":\"\\u\"}", "invalid escape", 8),
    bad("{\"a\":\"b\\'\"}", "invalid escape", 8),

    bad("{\"a\"}", "unexpected token", 4),
    bad("{\"a\" \"b\"}", "unexpected token", 5),
    bad("{\"a\":}", "unexpected token", 5),
    bad("{\"a\"::1}", "unexpected token", 5),
    bad("{\"a\":1,}", "unexpected token", 7),
    bad("{,}", "unexpected token", 1),
    bad("{\"a\":1,,\"b\":2}", "unexpected token", 7),
    bad("{\"a\":1 \"b\":2}", "unexpected token", 7),
    bad("{\"a\":1 true}", "unexpected token", 7),
    bad("{\"a\":1 [", "unexpected token", 7),
    bad("{\"a\":1 \"b", "unexpected end of text", 9),
    bad("{\"a\" \"\\q\"}", "invalid escape", 7),
    bad("{\"a\":[1 2]}", "unexpected token", 8),
    bad("{\"a\":[1,]}", "unexpected token", 8),
    bad("{\"a\":[}", "unexpected token", 6),
    bad("{\"a\":1]", "unexpected token", 6),
    bad("{a:1}", "unexpected token", 1),
    bad("{1:1}", "unexpected token", 1),
    bad("{'a':1}", "unexpected token", 1),
    bad("{\"a\":01}", "unexpected token", 6),
    bad("{\"a\":+1}", "unexpected token", 5),
    bad("{\"a\":.5}", "unexpected token", 5),
    bad("{\"a\":1.}", "unexpected token", 5),
    bad("{\"a\":1.e5}", "unexpected token", 5),
    bad("{\"a\":1e}", "unexpected token", 5),
    bad("{\"a\":-}", "unexpected token", 5),
    bad("{\"a\":0x10}", "unexpected token", 6),
    bad("{\"a\":NaN}", "unexpected token", 5),
    bad("{\"a\":True}", "unexpected token", 5),
    bad("{\"a\":truex}", "unexpected token", 9),
    bad("{\"a\":nul}", "unexpected token", 5),
    bad("{\"a\":1}/**/", "trailing bytes", 7),
    bad("{\"a\":/**/1}", "unexpected token", 5),
    bad("{//\n\"a\":1}", "unexpected token", 1),

    bad("{\"a\":\"\x80\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xc0\xaf\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xc1\xbf\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xc2\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xe0\x9f\xbf\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xed\xa0\x80\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xe2\x82\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xf0\x8f\xbf\xbf\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xf4\x90\x80\x80\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xf5\x80\x80\x80\"}", "invalid UTF-8", 6),
    bad("{\"a\":\"\xff\"}", "invalid UTF-8", 6),
    bad("{\"abcdefghijklmnop\":\"q\xc3\"", "invalid UTF-8", 22),
    bad("{} \xc3", "invalid UTF-8", 3),

    bad("{\"a\":\"\\ud800\"}", "lone surrogate", 6),
    bad("{\"a\":\"b\\udc00\"}", "lone surrogate", 7),
    bad("{\"a\":\"\\ud800\\u0041\"}", "lone surrogate", 6),
    bad("{\"a\":\"\\ud800\\ud800\\udc00\"}", "lone surrogate", 6),
    bad("{\"a\":\"\\uDBFFx\"}", "lone surrogate", 6),
    bad("{\"a\":\"\\ud83d\\\\ude00\"}", "lone surrogate", 6),
    bad("{\"a\":\"\\ud83d\\ude00\\ude00\"}", "lone surrogate", 18),
    bad("{\"\\udc00\":1}", "lone surrogate", 2),
    bad("{\"a\":\"\\udc00\\udc00\"}", "lone surrogate", 6),
    bad("{\"a\":\"\\udc00\\ud800\"}", "lone surrogate", 6),

    bad("{\"a\":1,\"a\":1}", "duplicate key", 7),
    bad("{\"a\":1 , \"\\u0061\":2}", "duplicate key", 9),
    bad("{\"b\":{\"\":1,\"x\":[1,{}],\"\":1}}", "duplicate key", 22),
    bad("{\"a\":1,\"b\":1,\"b\":1,\"a\":1}", "duplicate key", 13),
    bad("{\"b\":1,\"a\":1,\"a\":1,\"b\":1}", "duplicate key", 13),
    bad("{\"a\":1,\"a\":1,\"b\":1,\"b\":1}", "duplicate key", 7),
    bad("{\"b\":1,\"b\":1,\"a\":1,\"a\":1}", "duplicate key", 7),
    bad("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":1}", "duplicate key", 18)
};


int
main(void)
{
    test_nodes();
    test_strings();
    test_accepted();
    test_refused();
    test_truncated();
    test_duplicates();
    test_depth();
    test_limits();
    test_numbers();
    test_members();

    return test_done();
}


static void
test_nodes(void)
{
    uint32_t            i;
    gate_str_t          text;
    test_doc_t          test;
    const gate_node_t  *node;

    static const struct {
        int          type;
        const char  *text;
        uint32_t     parent;
        uint32_t     next;
        uint32_t     index;
    } nodes[] = {
        { GATE_OBJECT, NULL, 0, 12, 0 },
        { GATE_ARRAY,
          "[1,-2.5e3, \"x\\u00e9\\\"\", true,false , null,[],{ }]", 0, 10, 0 },
        { GATE_NUMBER, "1", 1, 3, 0 },
        { GATE_NUMBER, "-2.5e3", 1, 4, 1 },
        { GATE_STRING, "\"x\\u00e9\\\"\"", 1, 5, 2 },
        { GATE_TRUE, "true", 1, 6, 3 },
        { GATE_FALSE, "false", 1, 7, 4 },
        { GATE_NULL, "null", 1, 8, 5 },
        { GATE_ARRAY, "[]", 1, 9, 6 },
        { GATE_OBJECT, "{ }", 1, 10, 7 },
        { GATE_OBJECT, "{\"c\":\"\xd0\xb6\"}", 0, 12, 1 },
        { GATE_STRING, "\"\xd0\xb6\"", 10, 12, 0 }
    };

    test_parse(&test, TEST_SAMPLE, sizeof(TEST_SAMPLE) - 1, 3);

    ok(test.rc == GATE_OK, "the sample is read");
    ok(test.doc.n == test_count(nodes), "%u nodes", (unsigned) test.doc.n);

    for (i = 0; i < test.doc.n && i < test_count(nodes); i++) {
        node = &test.doc.nodes[i];
        text.data = test.text + node->start;
        text.len = node->end - node->start;

        ok(node->type == nodes[i].type && node->parent == nodes[i].parent
           && node->next == nodes[i].next && node->index == nodes[i].index,
           "node %u is in place", (unsigned) i);

        ok(nodes[i].text == NULL || is(text, nodes[i].text),
           "node %u has its text", (unsigned) i);
    }

    ok(test.doc.nodes[0].start == 1 && test.text[test.doc.nodes[0].end - 1]
       == '}', "the top level has its text");

    test_free(&test);
}


static void
test_strings(void)
{
    test_doc_t     test;
    gate_node_t   *nodes;

    static const char  text[] =
        "{\"plain\":\"as it is\",\"\\u006bey\":\"\\u0000\\ud83d\\ude00"
        "\\/\\n\\u20AC\",\"\":\"\",\"e\\\\\":\"\\u0000\"}";

    test_parse(&test, text, sizeof(text) - 1, 1);
    ok(test.rc == GATE_OK, "strings are read");

    nodes = test.doc.nodes;

    ok(is(nodes[1].key, "plain") && is(nodes[1].value, "as it is")
       && nodes[1].value.data == test.text + 10,
       "a plain string is not copied");

    ok(is(nodes[2].key, "key"), "an escaped key");
    ok(test_is(nodes[2].value, "\0\xf0\x9f\x98\x80/\n\xe2\x82\xac", 10),
       "an escaped string");

    ok(nodes[3].key.data != NULL && nodes[3].key.len == 0
       && nodes[3].value.len == 0, "an empty key and value");

    ok(is(nodes[4].key, "e\\") && test_is(nodes[4].value, "\0", 1),
       "a NUL byte");

    test_free(&test);
}


static void
test_accepted(void)
{
    size_t      i;
    test_doc_t  test;

    for (i = 0; i < test_count(test_good); i++) {
        test_parse(&test, test_good[i], strlen(test_good[i]), GATE_MAX_DEPTH);
        ok(test.rc == GATE_OK, "accepted: document %u", (unsigned) i);
        test_free(&test);
    }
}


static void
test_refused(void)
{
    size_t             i;
    test_doc_t         test;
    const test_bad_t  *b;

    for (i = 0; i < test_count(test_bad); i++) {
        b = &test_bad[i];

        test_parse(&test, b->text, b->len, GATE_MAX_DEPTH);

        ok(test.rc == GATE_JSON && test.err.reason != NULL
           && strcmp(test.err.reason, b->reason) == 0
           && test.err.offset == b->offset,
           "refused: document %u, %s at %u (got %s at %u)", (unsigned) i,
           b->reason, (unsigned) b->offset,
           test.rc == GATE_JSON ? test.err.reason : "nothing",
           (unsigned) test.err.offset);

        test_free(&test);
    }
}


static void
test_truncated(void)
{
    size_t      len, last;
    unsigned    wrong;
    test_doc_t  test;

    wrong = 0;
    last = strrchr(TEST_SAMPLE, '}') - TEST_SAMPLE;

    for (len = 0; len <= last; len++) {
        test_parse(&test, TEST_SAMPLE, len, GATE_MAX_DEPTH);

        /* half a character is the other error */

        if (test.rc != GATE_JSON
            || (strcmp(test.err.reason, "unexpected end of text") != 0
                && strcmp(test.err.reason, "invalid UTF-8") != 0)
            || test.err.offset > len)
        {
            wrong++;
        }

        test_free(&test);
    }

    ok(wrong == 0, "every beginning of the sample is refused");
}


/* n members, the last one with the key of the member "same" */

static void
test_duplicate(unsigned n, unsigned same, const char *fmt)
{
    char        *text, *p;
    size_t       second;
    unsigned     i;
    test_doc_t   test;

    text = malloc(n * 40 + 3);
    p = text;
    second = 0;

    *p++ = '{';

    for (i = 0; i < n; i++) {

        if (i != 0) {
            *p++ = ',';
        }

        second = p - text;

        if (i == n - 1 && same < n) {
            p += sprintf(p, fmt, same);
            p += sprintf(p, ":[0]");

        } else {
            p += sprintf(p, "\"key %u\":[0]", i);
        }
    }

    p += sprintf(p, "}");

    test_parse(&test, text, p - text, GATE_MAX_DEPTH);

    if (same < n) {
        ok(test.rc == GATE_JSON && strcmp(test.err.reason, "duplicate key")
           == 0 && test.err.offset == second,
           "the last of %u keys is also number %u", n, same);

    } else {
        ok(test.rc == GATE_OK, "%u keys that differ", n);
    }

    test_free(&test);
    free(text);
}


static void
test_duplicates(void)
{
    size_t  i;

    static const unsigned  counts[] = { 2, 15, 16, 17, 18, 100, 30000 };

    for (i = 0; i < test_count(counts); i++) {
        test_duplicate(counts[i], counts[i], "");
        test_duplicate(counts[i], 0, "\"key %u\"");
        test_duplicate(counts[i], counts[i] / 2 - 1, "\"k\\u0065y\\u0020%u\"");
        test_duplicate(counts[i], counts[i] - 2, "\"key %u\"");
    }
}


static void
test_nested(unsigned levels, uint32_t depth, int passes)
{
    char        *text;
    unsigned     i;
    test_doc_t   test;

    /* {"a":[[[...]]]} */

    text = malloc(2 * levels + 4);
    memcpy(text, "{\"a\":", 5);

    for (i = 0; i < levels - 1; i++) {
        text[5 + i] = '[';
        text[5 + levels - 1 + i] = ']';
    }

    text[5 + 2 * (levels - 1)] = '}';

    test_parse(&test, text, 6 + 2 * (levels - 1), depth);

    if (passes) {
        ok(test.rc == GATE_OK, "%u levels of %u", levels, (unsigned) depth);

    } else {
        ok(test.rc == GATE_JSON && strcmp(test.err.reason,
                                          "nesting is too deep") == 0,
           "%u levels are too deep for %u", levels, (unsigned) depth);
    }

    test_free(&test);
    free(text);
}


static void
test_depth(void)
{
    test_nested(32, 32, 1);
    test_nested(33, 32, 0);
    test_nested(2, 1, 0);
    test_nested(3, 3, 1);
    test_nested(512, 512, 1);
    test_nested(513, 512, 0);
    test_nested(513, 100000, 0);
    test_nested(200000, 512, 0);
}


static void
test_values(unsigned n, int passes)
{
    char        *text, *p;
    unsigned     i;
    test_doc_t   test;

    text = malloc(2 * n + 16);
    p = text + sprintf(text, "{\"a\":[");

    for (i = 0; i < n - 2; i++) {
        *p++ = '1';
        *p++ = ',';
    }

    p[-1] = ']';
    *p++ = '}';

    test_parse(&test, text, p - text, GATE_MAX_DEPTH);

    if (passes) {
        ok(test.rc == GATE_OK && test.doc.n == n, "%u values", n);

    } else {
        ok(test.rc == GATE_JSON && strcmp(test.err.reason, "too many values")
           == 0, "%u values are too many", n);
    }

    test_free(&test);
    free(text);
}


static void
test_limits(void)
{
    gate_rc_e    rc;
    gate_doc_t   doc;
    gate_err_t   err;
    gate_str_t   text;
    gate_pool_t  pool;

    test_values(GATE_MAX_NODES, 1);
    test_values(GATE_MAX_NODES + 1, 0);

    text.data = (const unsigned char *) "{}";
    text.len = (size_t) GATE_MAX_TEXT + 1;

    gate_pool_init(&pool, NULL, 0);

    rc = gate_json_parse(&doc, &pool, text, GATE_MAX_DEPTH, &err);

    ok(rc == GATE_JSON && strcmp(err.reason, "text is too long") == 0,
       "a text over the limit is not looked at");

    gate_pool_reset(&pool);
}


static void
test_numbers(void)
{
    size_t       i;
    int64_t      n;
    gate_node_t  node;

    static const struct {
        const char  *text;
        int          rc;
        int64_t      value;
    } numbers[] = {
        { "0", 0, 0 },
        { "-0", 0, 0 },
        { "7", 0, 7 },
        { "-1", 0, -1 },
        { "100000", 0, 100000 },
        { "9223372036854775807", 0, INT64_MAX },
        { "9223372036854775808", -1, 0 },
        { "9223372036854775810", -1, 0 },
        { "-9223372036854775808", 0, INT64_MIN },
        { "-9223372036854775809", -1, 0 },
        { "18446744073709551617", -1, 0 },
        { "100000000000000000000000000000000", -1, 0 },
        { "1.0", -1, 0 },
        { "1e3", -1, 0 },
        { "1E3", -1, 0 }
    };

    memset(&node, 0, sizeof(gate_node_t));

    for (i = 0; i < test_count(numbers); i++) {
        node.type = GATE_NUMBER;
        node.value.data = (const unsigned char *) numbers[i].text;
        node.value.len = strlen(numbers[i].text);
        n = 0;

        ok(gate_json_int64(&node, &n) == numbers[i].rc
           && n == numbers[i].value, "integer of %s", numbers[i].text);
    }

    node.type = GATE_STRING;
    node.value.len = 1;
    ok(gate_json_int64(&node, &n) == -1, "a string is not an integer");
}


static void
test_members(void)
{
    uint32_t    a;
    test_doc_t  test;

    static const char  text[] =
        "{\"x\":{\"n\":1},\"a\":[{\"x\":5}],\"\\u0062\":{\"y\":{}},\"y\":2}";

    test_parse(&test, text, sizeof(text) - 1, GATE_MAX_DEPTH);

    a = gate_json_member(&test.doc, 0, "a", 1);

    ok(a == 3, "a member behind an object");
    ok(gate_json_member(&test.doc, 0, "b", 1) == 6, "by its decoded key");
    ok(gate_json_member(&test.doc, 0, "y", 1) == 8, "not one further inside");
    ok(gate_json_member(&test.doc, 0, "n", 1) == GATE_NO_NODE, "none");
    ok(gate_json_member(&test.doc, 0, "", 0) == GATE_NO_NODE, "no empty key");
    ok(gate_json_member(&test.doc, a, "x", 1) == GATE_NO_NODE, "of an array");
    ok(gate_json_member(&test.doc, 2, "x", 1) == GATE_NO_NODE, "of a number");
    ok(gate_json_member(&test.doc, 7, "x", 1) == GATE_NO_NODE,
       "of an empty object");

    test_free(&test);
}
