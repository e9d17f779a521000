
/*
 * Copyright (C) nginx-gate authors
 *
 * What is read of callbacks, what could be another one, and that ordinary
 * texts never are.
 */


#include "test.h"

#include "gate_callback.h"
#include "gate_error.h"
#include "gate_shape.h"


#define TEXTS  10000


typedef struct {
    const char  *text;
    const char  *path;      /* NULL: nothing is refused */
} shape_t;


static void test_shapes(void);
static void test_texts(void);
static void test_reading(void);
static void test_errors(void);
static const char *shape_of(const char *text, gate_order_e order);
static uint32_t next_number(uint32_t *state);
static void make_text(uint32_t *state, char *p, size_t size);


static const shape_t  shapes[] = {

    { "{}", NULL },
    { "{\"list\":[\"\",{\"a\":[1,null]}],\"payment\":{\"id\":\"a\"}}", NULL },

    /* values that have members, and the reverse */

    { "{\"payment\":{\"date\":{\"2026-11-21T19\":\"08:45\"}}}", "date" },
    { "{\"operation\":{\"provider\":{\"date\":{\"a\":1}}}}", "date" },
    { "{\"account\":{\"number\":[1]}}", "number" },
    { "{\"account\":{\"number\":[],\"type\":{}}}", NULL },
    { "{\"customer\":{\"id\":{\"a\":\"b\"}}}", "id" },
    { "{\"project_id\":{\"a\":\"b\"}}", "project_id" },
    { "{\"payment\":\"id:47\"}", "payment" },
    { "{\"payment\":\"id\"}", NULL },
    { "{\"payment\":[1]}", "payment" },
    { "{\"payment\":{\"sum\":\"amount:1\"}}", "sum" },
    { "{\"operations\":{\"0\":{\"id\":1}}}", "operations" },
    { "{\"operations\":[\"id:1\"]}", "operations" },
    { "{\"operations\":[[{\"id\":1}]]}", "operations" },
    { "{\"operations\":[{\"sum_initial\":{\"amount\":{\"a\":1}}}]}", "amount" },
    { "{\"errors\":[{\"code\":{\"1\":1}}]}", "code" },
    { "{\"errors\":[{\"fail\":{\"sub\":{\"test\":1}}}]}", NULL },
    { "{\"customer\":{\"identify\":{\"doc_type\":1},\"x\":{\"y\":1}}}", NULL },
    { "{\"customer\":{\"identify\":\"doc_type:1\"}}", "identify" },

    /* lines that are documented, wherever they stand */

    { "{\"zz\":\"x;payment:id:47\"}", "a key or string" },
    { "{\"zz\":\"x\\u003bpayment:status:success\"}", "a key or string" },
    { "{\"account\":{\"number\":\"7;account:type:TELE2\"}}",
      "a key or string" },
    { "{\"account\":{\"type\":\"x;customer:id:1\"}}", "a key or string" },
    { "{\"account\":{\"type\":{\"x;customer\":{\"id\":\"1\"}}}}", "type" },
    { "{\"account\":{\"zz\":{\"x;customer\":{\"id\":\"1\"}}}}",
      "a key or string" },
    { "{\"a\":{\"x;token\":\"1\"}}", "a key or string" },
    { "{\"zz\":\"x;operations:0:id:1\"}", "a key or string" },
    { "{\"zz\":\"x;project_id:1\"}", "a key or string" },
    { "{\"zz\":\"x;project_id:1;a\"}", "a key or string" },
    { "{\"zz\":\"x;general:project_id:1\"}", "a key or string" },

    /* lines that have their place there, and those that have not */

    { "{\"a\":\"x;amount:5\",\"b\":\"y\"}", "a key or string" },
    { "{\"a\":\"x;token:5\",\"b\":\"y\"}", NULL },
    { "{\"a\":\"x;token:5\"}", "a key or string" },
    { "{\"a\":\"x;currency:5\",\"b1\":\"y\",\"d\":1}", NULL },
    { "{\"a\":\"x;customer:zzz:5\",\"d\":1}", "a key or string" },
    { "{\"a\":\"x;customer:Zz:5\",\"d\":1}", NULL },
    { "{\"a\":\"x;customer:zzz\",\"d\":1}", NULL },
    { "{\"errors\":[{\"code\":\"1;errors:0:message:1\"}]}",
      "a key or string" },
    { "{\"errors\":[{\"code\":\"1;errors:0:fail:1\"}]}", "a key or string" },
    { "{\"errors\":[{\"fail\":\"1;errors:0:a:1\"}]}", NULL },
    { "{\"payment\":{\"description\":\"a;payment:card;status:paid;amount:5;"
      "name:x;project_id:x;payment:a:b\",\"id\":\"1\"}}", NULL }
};


int
main(void)
{
    test_shapes();
    test_texts();
    test_reading();
    test_errors();

    return test_done();
}


static void
test_shapes(void)
{
    size_t        i;
    unsigned      order;
    const char   *path;

    for (i = 0; i < test_count(shapes); i++) {
        for (order = 0; order < 2; order++) {
            path = shape_of(shapes[i].text, order);

            ok(shapes[i].path == NULL
               ? path == NULL
               : path != NULL && strcmp(path, shapes[i].path) == 0,
               "%s, order %u: %s", shapes[i].text, order,
               path ? path : "passes");
        }
    }
}


/* the path that is refused, or NULL */

static const char *
shape_of(const char *text, gate_order_e order)
{
    gate_rc_e     rc;
    test_doc_t    test;
    gate_canon_t  canon;

    test_parse(&test, text, strlen(text), 32);
    test.err.path = NULL;

    if (test.rc != GATE_OK
        || gate_canon_build(&canon, &test.pool, &test.doc, NULL, order,
                            &test.err)
           != GATE_OK)
    {
        test_free(&test);
        return "is no document";
    }

    rc = gate_shape_check(&test.doc, &canon, &test.err);
    test_free(&test);

    return (rc == GATE_OK) ? NULL : test.err.path;
}


static uint32_t
next_number(uint32_t *state)
{
    *state = *state * 1664525 + 1013904223;

    return *state >> 8;
}


/* texts of payouts, in Russian, Kazakh and English; words as in UTF-8 */

static void
make_text(uint32_t *state, char *p, size_t size)
{
    size_t       len;
    uint32_t     i, n;
    const char  *word;

    static const char *words[] = {
        "\320\222\321\213\320\277\320\273\320\260\321\202\320\260",
        "\320\267\320\260\320\272\320\260\320\267",
        "\320\230\320\262\320\260\320\275\320\276\320\262",
        "\322\232\320\260\320\267\320\260\322\233\321\201\321\202\320\260"
        "\320\275",
        "\321\202\323\251\320\273\320\265\320\274",
        "\320\266\320\260\320\273\320\260\322\233\321\213",
        "\323\230\320\273\320\270\321\217",
        "\322\256\321\201\320\265\320\275\322\233\321\213\320\267\321\213",
        "order",
        "payout",
        "invoice",
        "John O\342\200\231Neil",
        "id",
        "name",
        "status",
        "payment:card",
        "customer:\320\230\320\262\320\260\320\275\320\276\320\262",
        "amount",
        "currency",
        "KZT", "token", "message", "code", "project_id", "account:KZ12",
        "operation:\320\236\320\232",
        "errors:0",
        "payment",
        "customer",
        "general",
        "success",
        "1500",
        "47",
        "card",
        "title",
        "\342\204\226 5",
        "\320\242\320\236\320\236 \302\253\320\240\320\276\320\274\320"
        "\260\321\210\320\272\320\260\302\273",
        "https://shop.kz/p;id=5:a?x=1;y=2", "http://a.kz:8080/;name:x",
        "url;jsessionid:1",
        "\321\203\320\273. \320\220\320\261\320\260\321\217; \320\264. 5:"
        " \320\272\320\262. 7",
        "\321\201\321\207\321\221\321\202-\321\204\320\260\320\272\321"
        "\202\321\203\321\200\320\260",
    };
    static const char *joints[] = {
        ";", ":", "; ", ": ", " ", ", ", ";;", " ; ", " : ", "-", "/"
    };

    n = 1 + next_number(state) % 8;
    len = 0;
    p[0] = '\0';

    for (i = 0; i < 2 * n - 1; i++) {
        word = (i % 2) ? joints[next_number(state) % test_count(joints)]
                       : words[next_number(state) % test_count(words)];

        if (len + strlen(word) + 1 > size) {
            return;
        }

        strcpy(p + len, word);
        len += strlen(word);
    }
}


static void
test_texts(void)
{
    char         text[512], doc[4096];
    unsigned     i, place, refused;
    uint32_t     state;
    const char  *path;

    static const char *places[] = {
        "\"payment\":{\"date\":\"2026-11-21T19:08:45+0000\",\"description\":"
        "\"%s\",\"id\":\"47\",\"method\":\"mobile\",\"status\":\"success\","
        "\"sum\":{\"amount\":1,\"currency\":\"KZT\"},\"type\":\"payout\"}",

        "\"customer\":{\"id\":\"1\",\"first_name\":\"%s\",\"last_name\":"
        "\"x\",\"phone\":\"7\"},\"payment\":{\"id\":\"47\"}",

        "\"account\":{\"number\":\"7\",\"card_holder\":\"%s\"},\"payment\":"
        "{\"id\":\"47\"}",

        "\"operation\":{\"id\":1,\"message\":\"%s\",\"provider\":{\"id\":1},"
        "\"status\":\"success\"},\"payment\":{\"id\":\"47\"}",

        "\"acs\":{\"acs_url\":\"%s\",\"md\":\"1\",\"pa_req\":\"1\"},"
        "\"payment\":{\"id\":\"47\"}"
    };

    state = 8;
    refused = 0;

    for (i = 0; i < TEXTS; i++) {
        make_text(&state, text, sizeof(text));

        for (place = 0; place < test_count(places); place++) {
            strcpy(doc, "{\"project_id\":1234,");
            snprintf(doc + strlen(doc), sizeof(doc) - strlen(doc),
                     places[place], text);
            strcat(doc, "}");

            path = shape_of(doc, i % 2);

            if (path != NULL) {
                refused++;
                printf("# %s: %s\n", path, doc);
            }
        }
    }

    ok(refused == 0, "%u of %u ordinary texts are refused", refused, TEXTS);
}


static void
test_reading(void)
{
    size_t           i;
    test_doc_t       test;
    gate_rc_e        rc;
    gate_callback_t  callback;

    static const char *none[] = { "null", "\"\"", "[]", "{}" };
    char text[512];

    for (i = 0; i < test_count(none); i++) {
        snprintf(text, sizeof(text), "{\"payment\":{\"id\":%s,\"status\":%s,"
                 "\"sum\":{\"amount\":%s,\"currency\":%s}},\"operation\":%s,"
                 "\"operations\":%s,\"list\":[%s,[1]]}", none[i], none[i],
                 none[i], none[i], none[i], none[i], none[i]);

        test_parse(&test, text, strlen(text), 32);
        rc = gate_callback_read(&test.doc, &callback, &test.err);

        ok(rc == GATE_OK && callback.payment_id.len == 0
           && callback.status == GATE_STATUS_NONE
           && callback.amount == GATE_NO_AMOUNT
           && callback.operation_id.len == 0, "%s is no value", none[i]);

        ok(gate_callback_ambiguous(&test.doc, GATE_AT_TOP, &test.err)
           == GATE_OK, "items of a list have no names");
        test_free(&test);
    }

    strcpy(text, "{\"payment\":{\"id\":47,\"status\":\"partially paid out\","
           "\"sum\":{\"amount\":1.5,\"currency\":\"KZT\"}},"
           "\"operation\":{\"id\":\"007\",\"type\":\"payout\"}}");

    test_parse(&test, text, strlen(text), 32);
    rc = gate_callback_read(&test.doc, &callback, &test.err);

    ok(rc == GATE_INVALID
       && strcmp(test.err.path, "payment.sum.amount") == 0,
       "the first field that cannot be read is told");
    ok(is(callback.payment_id, "47")
       && is(callback.status_text, "partially_paid_out")
       && is(callback.currency, "KZT") && is(callback.operation_type, "payout")
       && callback.amount == GATE_NO_AMOUNT && callback.operation_id.len == 0,
       "all others are read");
    test_free(&test);
}


static void
test_errors(void)
{
    size_t        i;
    test_doc_t    test;
    gate_error_t  error;

    static const struct {
        const char  *text;
        gate_rc_e    rc;
        const char  *code;
        unsigned     listed;
        unsigned     nothing;
    } cases[] = {
        { "{}", GATE_OK, "", 0, 0 },
        { "{\"code\":\"1\",\"errors\":[]}", GATE_OK, "1", 0, 0 },
        { "{\"code\":3061}", GATE_OK, "3061", 0, 1 },
        { "{\"errors\":[{\"code\":\"1\"},{\"code\":\"3062\"}]}", GATE_OK, "1",
          2, 1 },
        { "{\"code\":\"1\",\"errors\":[{\"code\":10105}]}", GATE_OK, "10105",
          1, 0 },
        { "{\"errors\":[{\"code\":\"10105\"},{\"code\":\"1\"}]}", GATE_OK,
          "10105", 2, 0 },
        { "{\"errors\":[{\"code\":\"1\"},{\"code\":true}]}", GATE_INVALID, "1",
          2, 0 },
        { "{\"errors\":[null]}", GATE_INVALID, "", 1, 0 },
        { "{\"errors\":\"1\"}", GATE_INVALID, "", 0, 0 },
        { "{\"code\":{\"a\":1},\"errors\":[{\"code\":\"3061\"}]}",
          GATE_INVALID, "3061", 1, 1 }
    };

    for (i = 0; i < test_count(cases); i++) {
        test_parse(&test, cases[i].text, strlen(cases[i].text), 32);

        ok(gate_error_read(&test.doc, &error) == cases[i].rc
           && error.code.len == strlen(cases[i].code)
           && (error.code.len == 0 || is(error.code, cases[i].code))
           && error.listed == cases[i].listed
           && error.nothing == cases[i].nothing, "%s", cases[i].text);

        test_free(&test);
    }
}
