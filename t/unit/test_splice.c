
/*
 * Copyright (C) nginx-gate authors
 */


#include "test.h"
#include "gate_sign.h"
#include "gate_splice.h"


/* S stands for the signature in what is expected */

typedef struct {
    const char  *text;
    int          top_level;
    const char  *expected;
    const char  *canonical;
} test_splice_t;


typedef struct {
    const char  *text;
    int          top_level;
    gate_rc_e    rc;
    const char  *path;
} test_refused_t;


static void test_splice(const test_splice_t *s);
static char *test_body(const gate_splice_t *splice, const test_doc_t *test,
    size_t *len);
static char *test_expand(const char *text);
static void test_refused(const test_refused_t *r);
static void test_extremes(void);


static const test_splice_t  test_splices[] = {
    { "{}", 0,
      "{\"general\":{\"project_id\":1234,\"signature\":\"S\"}}",
      "general:project_id:1234" },
    { " { } ", 0,
      " {\"general\":{\"project_id\":1234,\"signature\":\"S\"} } ",
      "general:project_id:1234" },
    { "{\"a\":1}", 0,
      "{\"general\":{\"project_id\":1234,\"signature\":\"S\"},\"a\":1}",
      "a:1;general:project_id:1234" },
    { "{\"general\":{}}", 0,
      "{\"general\":{\"project_id\":1234,\"signature\":\"S\"}}",
      "general:project_id:1234" },
    { "{\"general\":{ \"payment_id\" : \"p\" },\"z\":[1.50]}\t", 0,
      "{\"general\":{\"project_id\":1234,\"signature\":\"S\","
      " \"payment_id\" : \"p\" },\"z\":[1.50]}\t",
      "general:payment_id:p;general:project_id:1234;z:0:1.5" },
    { "{\"general\":{\"project_id\":1234}}", 0,
      "{\"general\":{\"signature\":\"S\",\"project_id\":1234}}",
      "general:project_id:1234" },
    { "{\"general\":{\"signature\":\"old\"}}", 0,
      "{\"general\":{\"project_id\":1234,\"signature\":\"S\"}}",
      "general:project_id:1234" },
    { "{\"general\":{\"signature\":null,\"project_id\":1234}}", 0,
      "{\"general\":{\"signature\":\"S\",\"project_id\":1234}}",
      "general:project_id:1234" },
    { "{\"general\":{\"a\":1, \"signature\": {\"x\":[1,2]} ,\"b\":2}}", 0,
      "{\"general\":{\"project_id\":1234,\"a\":1, \"signature\": \"S\" ,"
      "\"b\":2}}",
      "general:a:1;general:b:2;general:project_id:1234" },
    { "{\"general\":{\"project_id\":1234,\"\\u0073ignature\":\"\\u0000\"}}",
      0, "{\"general\":{\"project_id\":1234,\"\\u0073ignature\":\"S\"}}",
      "general:project_id:1234" },
    { "{\"signature\":\"top\",\"general\":{\"a\":{\"signature\":1}}}", 0,
      "{\"signature\":\"top\",\"general\":{\"project_id\":1234,"
      "\"signature\":\"S\",\"a\":{\"signature\":1}}}",
      "general:project_id:1234" },
    { "{\"project_id\":5,\"\\u0067eneral\":{\"x\":\"y\"}}", 0,
      "{\"project_id\":5,\"\\u0067eneral\":{\"project_id\":1234,"
      "\"signature\":\"S\",\"x\":\"y\"}}",
      "general:project_id:1234;general:x:y;project_id:5" },

    /* in natural order the two paths are equal: they keep their places */

    { "{\" general\":{\"project_id\":5},\"general\":{\"x\":\"y\"}}", 0,
      "{\" general\":{\"project_id\":5},\"general\":{"
      "\"project_id\":1234,\"signature\":\"S\",\"x\":\"y\"}}",
      " general:project_id:5;general:project_id:1234;general:x:y" },
    { "{\"general\":{\"project_ id\":5},\"general \":"
      "{\"project_id\":6}}", 0,
      "{\"general\":{\"project_id\":1234,\"signature\":\"S\","
      "\"project_ id\":5},\"general \":{\"project_id\":6}}",
      "general:project_id:1234;general:project_ id:5;general :project_id:6" },

    { "{}", 1, "{\"project_id\":1234,\"signature\":\"S\"}",
      "project_id:1234" },
    { "{\"directions\":[\"payout\"]}", 1,
      "{\"project_id\":1234,\"signature\":\"S\",\"directions\":[\"payout\"]}",
      "directions:0:payout;project_id:1234" },
    { "{\"signature\":1,\"project_id\":1234}", 1,
      "{\"signature\":\"S\",\"project_id\":1234}", "project_id:1234" },
    { "{\"general\":{\"signature\":1,\"project_id\":9}}", 1,
      "{\"project_id\":1234,\"signature\":\"S\",\"general\":"
      "{\"signature\":1,\"project_id\":9}}",
      "general:project_id:9;project_id:1234" },
    { "{\"general\":5}", 1,
      "{\"project_id\":1234,\"signature\":\"S\",\"general\":5}",
      "general:5;project_id:1234" }
};


static const test_refused_t  test_refusals[] = {
    { "{\"general\":[]}", 0, GATE_INVALID, "general" },
    { "{\"general\":null}", 0, GATE_INVALID, "general" },
    { "{\"general\":\"x\"}", 0, GATE_INVALID, "general" },
    { "{\"general\":{\"project_id\":1235}}", 0, GATE_PROJECT,
      "general.project_id" },
    { "{\"general\":{\"project_id\":1}}", 0, GATE_PROJECT,
      "general.project_id" },
    { "{\"general\":{\"project_id\":4294967295}}", 0, GATE_PROJECT,
      "general.project_id" },
    { "{\"general\":{\"project_id\":4294968530}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"general\":{\"project_id\":\"1234\"}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"general\":{\"project_id\":1234.0}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"general\":{\"project_id\":1.234e3}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"general\":{\"project_id\":0}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"general\":{\"project_id\":-1234}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"general\":{\"project_id\":null}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"general\":{\"project_id\":[1234]}}", 0, GATE_INVALID,
      "general.project_id" },
    { "{\"project_id\":1235}", 1, GATE_PROJECT, "project_id" },
    { "{\"project_id\":true}", 1, GATE_INVALID, "project_id" }
};


int
main(void)
{
    size_t  i;

    for (i = 0; i < test_count(test_splices); i++) {
        test_splice(&test_splices[i]);
    }

    for (i = 0; i < test_count(test_refusals); i++) {
        test_refused(&test_refusals[i]);
    }

    test_extremes();

    return test_done();
}


static void
test_splice(const test_splice_t *s)
{
    char           *body, *expected, *canonical;
    size_t          len;
    gate_rc_e       rc;
    test_doc_t      test;
    gate_splice_t   splice;

    test_parse(&test, s->text, strlen(s->text), GATE_MAX_DEPTH);

    rc = gate_splice_plan(&splice, &test.doc, s->top_level, 1234, &test.err);
    ok(rc == GATE_OK, "planned: %s", s->text);

    canonical = test_canonical(&test, gate_splice_insert(&splice),
                               GATE_ORDER_NATURAL);
    ok(canonical != NULL && strcmp(canonical, s->canonical) == 0,
       "its canonical string is %s", s->canonical);
    free(canonical);

    body = test_body(&splice, &test, &len);
    expected = test_expand(s->expected);

    ok(len == strlen(expected) && memcmp(body, expected, len) == 0,
       "its body (got %.*s)", (int) len, body);

    test_free(&test);

    /* the string that was signed is that of the new body */

    test_parse(&test, body, len, GATE_MAX_DEPTH);
    canonical = test_canonical(&test, NULL, GATE_ORDER_NATURAL);

    ok(canonical != NULL && strcmp(canonical, s->canonical) == 0,
       "which has the same canonical string");

    free(canonical);
    test_free(&test);
    free(expected);
    free(body);
}


static char *
test_body(const gate_splice_t *splice, const test_doc_t *test, size_t *len)
{
    char           *body;
    unsigned        i, n, empty;
    gate_str_t      pieces[GATE_SPLICE_PIECES];
    unsigned char   buf[GATE_SPLICE_TEXT], signature[GATE_SIGNATURE_LEN];

    memset(signature, 'S', GATE_SIGNATURE_LEN);

    n = gate_splice_pieces(splice, &test->doc, signature, buf, pieces);

    body = malloc(test->doc.text.len + GATE_SPLICE_TEXT);
    *len = 0;
    empty = 0;

    for (i = 0; i < n; i++) {
        memcpy(body + *len, pieces[i].data, pieces[i].len);
        *len += pieces[i].len;
        empty += (pieces[i].len == 0);
    }

    ok(n <= GATE_SPLICE_PIECES && empty == 0, "%u pieces, none is empty", n);

    return body;
}


static char *
test_expand(const char *text)
{
    char        *out, *p;
    const char  *at;

    out = malloc(strlen(text) + GATE_SIGNATURE_LEN);
    at = strstr(text, "\"S\"");

    memcpy(out, text, at + 1 - text);
    p = out + (at + 1 - text);
    memset(p, 'S', GATE_SIGNATURE_LEN);
    strcpy(p + GATE_SIGNATURE_LEN, at + 2);

    return out;
}


static void
test_refused(const test_refused_t *r)
{
    gate_rc_e      rc;
    test_doc_t     test;
    gate_splice_t  splice;

    test_parse(&test, r->text, strlen(r->text), GATE_MAX_DEPTH);

    rc = gate_splice_plan(&splice, &test.doc, r->top_level, 1234, &test.err);

    ok(rc == r->rc && test.err.path != NULL
       && strcmp(test.err.path, r->path) == 0 && test.err.reason != NULL,
       "refused: %s", r->text);

    test_free(&test);
}


static void
test_extremes(void)
{
    char           *body;
    size_t          i, len;
    char            text[64], expected[256];
    test_doc_t      test;
    gate_splice_t   splice;

    static const uint32_t  ids[] = { 1, 9, 10, 4294967295u };

    for (i = 0; i < test_count(ids); i++) {
        test_parse(&test, "{\"a\":1}", 7, GATE_MAX_DEPTH);

        (void) gate_splice_plan(&splice, &test.doc, 0, ids[i], &test.err);
        body = test_body(&splice, &test, &len);

        sprintf(expected, "{\"general\":{\"project_id\":%lu,\"signature\":\"S",
                (unsigned long) ids[i]);

        ok(len > strlen(expected)
           && memcmp(body, expected, strlen(expected)) == 0,
           "a created \"general\" with project %lu", (unsigned long) ids[i]);

        free(body);
        test_free(&test);

        sprintf(text, "{\"general\":{\"project_id\":%lu}}",
                (unsigned long) ids[i]);
        test_parse(&test, text, strlen(text), GATE_MAX_DEPTH);

        ok(gate_splice_plan(&splice, &test.doc, 0, ids[i], &test.err)
           == GATE_OK && gate_splice_insert(&splice) == NULL,
           "project %lu is there already", (unsigned long) ids[i]);

        test_free(&test);
    }
}
