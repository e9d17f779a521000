
/*
 * Copyright (C) nginx-gate authors
 *
 * Requests that tell a status, openly or hidden, and those that do not.
 */


#include "test.h"

#include "gate_claim.h"


#define HIDDEN  "a key or string"


typedef struct {
    const char  *text;
    const char  *path;      /* NULL: it may be signed */
} claim_t;


static void test_claims(void);
static void test_reasons(void);
static const char *claim_of(test_doc_t *test, const char *text,
    gate_order_e order);


static const claim_t  claims[] = {

    /* requests */

    { "{}", NULL },
    { "{\"general\":{\"payment_id\":\"a\"},\"payment\":{\"amount\":1}}", NULL },
    { "{\"payment\":null}", NULL },
    { "{\"payment\":[\"status\",[\"status:x\"]]}", NULL },
    { "{\"payment\":{\"id\":\"a\",\"sum\":{\"amount\":1}}}", NULL },
    { "{\"operation\":{\"id\":1}}", NULL },
    { "{\"operations\":[{\"id\":1}]}", NULL },
    { "{\"customer\":{\"status\":\"vip\"},\"a\":{\"payment\":{\"status\":1}}}",
      NULL },
    { "{\"additional_data\":{\"status\":\"x\"},\"my_status\":1}", NULL },

    /* members */

    { "{\"status\":\"success\"}", "status" },
    { "{\"status\":1}", "status" },
    { "{\"status\":null}", "status" },
    { "{\"st\\u0061tus\":\"\"}", "status" },
    { "{\"status\":{\"a\":[1]}}", "status" },
    { "{\"status:\":1}", "status" },
    { "{\"payment\":{\"status\":\"decline\"}}", "payment.status" },
    { "{\"list\":[],\"payment\":{\"status\":\"decline\"}}",
      "payment.status" },
    { "{\"payment\":{\"status\":{\"\":\"decline\"}}}", "payment.status" },
    { "{\"payment\":\"status:decline\"}", "payment.status" },
    { "{\"payment\":{\"amount\":1,\"status\":false}}", "payment.status" },
    { "{\"operation\":{\"status\":\"success\"}}", "operation.status" },
    { "{\"operation\":\"status:\"}", "operation.status" },
    { "{\"operations\":[{},{\"status\":\"success\"}]}", "operations.status" },
    { "{\"operations\":[\"status:success\"]}", "operations.status" },
    { "{\"operations\":{\"65535\":{\"status\":\"success\"}}}",
      "operations.status" },
    { "{\"operations\":{\"7\":\"status:success\"}}", "operations.status" },
    { "{\"operations\":\"0:status:success\"}", "operations.status" },

    /* without a line of their own, or of another name */

    { "{\"status\":{},\"payment\":{\"status\":[]}}", NULL },
    { "{\"payment\":{\"signature\":{\"status\":1},\"frame_mode\":1}}", NULL },
    { "{\"Status\":1,\"status \":1,\" status\":1,\"statuses\":1}", NULL },
    { "{\"payment\":{\"Status\":1,\"status_id\":1}}", NULL },
    { "{\"payment:status\":1,\"payment\":\"status\"}", NULL },
    { "{\"operations\":{\"a\":{\"status\":1}},\"operation\":[{\"status\":1}]}",
      NULL },

    /* in strings */

    { "{\"a\":\"x;status:success\"}", HIDDEN },
    { "{\"a\":\";status:\"}", HIDDEN },
    { "{\"payment\":{\"description\":\"x;payment:status:decline\"}}", HIDDEN },
    { "{\"payment\":{\"description\":\"\\u003Bpayment\\u003astatus:x\"}}",
      HIDDEN },
    { "{\"a\":[\";;payment:;payment:status:\"]}", HIDDEN },
    { "{\"a\":\"x;operation:status:success\"}", HIDDEN },
    { "{\"a\":\"x;operations:0:status:success\"}", HIDDEN },
    { "{\"a\":\"x;operations:65535:status:success\"}", HIDDEN },

    /* in keys, and where the path ends and the value begins */

    { "{\"a;status\":\"x\"}", HIDDEN },
    { "{\";status\":null}", HIDDEN },
    { "{\"a;payment\":{\"status\":\"x\"}}", HIDDEN },
    { "{\"a;payment\":{\"status\":{\"b\":1}},\"list\":[]}", HIDDEN },
    { "{\"a;payment\":\"status:x\"}", HIDDEN },
    { "{\"a\":{\"x;operation\":{\"status\":1}}}", HIDDEN },
    { "{\"a;operations\":[{\"status\":1}]}", HIDDEN },
    { "{\"a;operations\":{\"0\":\"status:1\"}}", HIDDEN },
    { "{\"payment;status\":1}", HIDDEN },

    /* ordinary texts, and what would be another line */

    { "{\"a\":\"status:x\",\"b\":\"payment:status:x\"}", NULL },
    { "{\"a\":\"x; status: paid\",\"b\":\"x;Status:paid\",\"c\":\"x;status\"}",
      NULL },
    { "{\"a\":\"x;payment:card;status ok;operation:5;operations:all\"}", NULL },
    { "{\"a\":\"x;payment: status:ok;payment::status:x\"}", NULL },
    { "{\"a\":\"x;operations:a:status:1;my:status:1;operation:0:status:1\"}",
      NULL },
    { "{\"a\":\"x;\",\"status_\":1}", NULL },
    { "{\"a;payment:status\":1,\"a;payment\":{\":status\":1}}", NULL },
    { "{\"a\":\"x;payment:statu\",\"b\":\"s:x\"}", NULL }
};


int
main(void)
{
    test_claims();
    test_reasons();

    return test_done();
}


static void
test_claims(void)
{
    size_t       i;
    unsigned     order;
    test_doc_t   test;
    const char  *path;

    for (i = 0; i < test_count(claims); i++) {
        for (order = 0; order < 2; order++) {
            path = claim_of(&test, claims[i].text, order);

            ok(claims[i].path == NULL
               ? path == NULL
               : path != NULL && strcmp(path, claims[i].path) == 0,
               "%s, order %u: %s", claims[i].text, order,
               path ? path : "may be signed");
        }
    }
}


/* the path that is refused, or NULL */

static const char *
claim_of(test_doc_t *test, const char *text, gate_order_e order)
{
    gate_rc_e     rc;
    gate_canon_t  canon;

    static const gate_insert_t  insert = {
        0, gate_string("general:project_id"), gate_string("1234")
    };

    test_parse(test, text, strlen(text), 32);
    test->err.path = NULL;

    if (test->rc != GATE_OK
        || gate_canon_build(&canon, &test->pool, &test->doc, &insert, order,
                            &test->err)
           != GATE_OK)
    {
        test_free(test);
        return "is no document";
    }

    rc = gate_claim_check(&test->doc, &canon, &test->err);
    test_free(test);

    return (rc == GATE_OK) ? NULL : test->err.path;
}


/* who has sent it is told what to take out */

static void
test_reasons(void)
{
    size_t       i;
    test_doc_t   test;

    static const struct {
        const char  *text;
        const char  *reason;
    } reasons[] = {
        { "{\"status\":1}", "must not be in a request: leave it out" },
        { "{\"a\":\";status:1\"}", "\";status:\"" },
        { "{\"a\":\";payment:status:1\"}", "\";payment:status:\"" },
        { "{\"a\":\";operation:status:1\"}", "\";operation:status:\"" },
        { "{\"a\":\";operations:4:status:1\"}", "\";operations:0:status:\"" }
    };

    for (i = 0; i < test_count(reasons); i++) {
        (void) claim_of(&test, reasons[i].text, GATE_ORDER_NATURAL);

        ok(strstr(test.err.reason, reasons[i].reason) != NULL, "%s: %s",
           reasons[i].text, test.err.reason);
    }
}
