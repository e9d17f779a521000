
/*
 * Copyright (C) nginx-gate authors
 *
 * What an answer of Gate says of a payout, and what passes unsigned.
 */


#include "test.h"
#include "gate_answer.h"


typedef struct {
    const char     *text;
    const char     *code;
    unsigned        status;
    gate_answer_e   answer;
} test_answer_t;


static void test_read(void);
static void test_nothing(void);
static void test_asks(void);


int
main(void)
{
    test_read();
    test_nothing();
    test_asks();

    return test_done();
}


static void
test_read(void)
{
    size_t         i;
    test_doc_t     test;
    gate_str_t     code;
    gate_answer_e  answer;

    static const test_answer_t  answers[] = {
        { "{\"status\":\"success\"}", "", 200, GATE_ANSWER_ACCEPTED },
        { "{\"status\":\"success\"}", "", 400, GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"success\"}", "", 201, GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"success\"}", "", 500, GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"Success\"}", "", 200, GATE_ANSWER_UNKNOWN },
        { "{\"status\":[\"success\"]}", "", 200, GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"success\",\"errors\":[]}", "", 200,
          GATE_ANSWER_ACCEPTED },
        { "{\"status\":\"success\",\"errors\":[{\"code\":\"1\"}]}", "1", 200,
          GATE_ANSWER_UNKNOWN },

        { "{\"status\":\"error\",\"code\":\"3104\"}", "3104", 400,
          GATE_ANSWER_REFUSED },
        { "{\"status\":\"error\",\"code\":3104}", "3104", 200,
          GATE_ANSWER_REFUSED },
        { "{\"status\":\"error\",\"code\":\"3104\"}", "", 500,
          GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"error\",\"code\":[10105]}", "", 400,
          GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"error\",\"code\":1.5}", "", 400,
          GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"error\",\"message\":\"x\"}", "", 400,
          GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"error\",\"code\":\"\"}", "", 400,
          GATE_ANSWER_UNKNOWN },

        { "{\"status\":\"error\"}", "", 400, GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"error\",\"code\":\"\"}", "", 400,
          GATE_ANSWER_UNKNOWN },
        { "{\"status\":\"error\",\"code\":null}", "", 200,
          GATE_ANSWER_UNKNOWN },

        { "{\"errors\":[{\"code\":\"10105\"}]}", "10105", 400,
          GATE_ANSWER_REFUSED },
        { "{\"errors\":[{\"code\":\"2004\"},{\"code\":\"10105\"}]}", "10105",
          400, GATE_ANSWER_REFUSED },
        { "{\"errors\":[{\"code\":\"2004\"}]}", "2004", 200,
          GATE_ANSWER_UNKNOWN },
        { "{\"errors\":[{\"message\":\"x\"}]}", "", 400,
          GATE_ANSWER_UNKNOWN },
        { "{\"errors\":{\"code\":\"2004\"}}", "", 400, GATE_ANSWER_UNKNOWN },
        { "{}", "", 400, GATE_ANSWER_UNKNOWN }
    };

    for (i = 0; i < test_count(answers); i++) {
        test_parse(&test, answers[i].text, strlen(answers[i].text), 32);

        answer = gate_answer_read(&test.doc, answers[i].status, &code);

        ok(answer == answers[i].answer, "%u %s", answers[i].status,
           answers[i].text);
        ok(is(code, answers[i].code), "its code");

        test_free(&test);
    }
}


static void
test_nothing(void)
{
    size_t      i;
    test_doc_t  test;

    static const struct {
        const char  *text;
        int          nothing;
    } answers[] = {
        { "{\"code\":\"3061\",\"status\":\"error\",\"message\":\"x\"}", 1 },
        { "{\"code\":3062}", 1 },
        { "{\"errors\":[{\"code\":\"3061\"}],\"project_id\":1}", 1 },
        { "{\"code\":\"3061\",\"status\":\"success\"}", 0 },
        { "{\"code\":\"3061\",\"status\":null}", 0 },
        { "{\"code\":\"3061\",\"payment\":null}", 0 },
        { "{\"code\":\"3061\",\"operation\":\"\"}", 0 },
        { "{\"code\":\"3061\",\"operations\":1}", 0 },
        { "{\"code\":\"3061\",\"general\":{}}", 0 },
        { "{\"code\":\"2004\"}", 0 },
        { "{}", 0 }
    };

    for (i = 0; i < test_count(answers); i++) {
        test_parse(&test, answers[i].text, strlen(answers[i].text), 32);

        ok(gate_answer_nothing(&test.doc) == answers[i].nothing, "%s",
           answers[i].text);

        test_free(&test);
    }
}


static void
test_asks(void)
{
    size_t      i;
    test_doc_t  test;

    static const struct {
        const char  *text;
        int          asks;
    } answers[] = {
        { "{\"general\":{\"payment_id\":\"a\"}}", 1 },
        { "{\"general\":{\"payment_id\":\"a\"},\"payment\":{\"id\":\"a\"}}",
          1 },
        { "{\"general\":{\"payment_id\":\"a\"},\"payment\":\"status\"}", 1 },
        { "{\"general\":{\"payment_id\":\"a\"},"
          "\"payment\":{\"status\":\"success\"}}", 0 },
        { "{\"general\":{\"payment_id\":\"a\"},\"status\":\"error\"}", 0 },
        { "{\"general\":{\"project_id\":1}}", 0 },
        { "{\"general\":\"payment_id\"}", 0 },
        { "{\"payment_id\":\"a\"}", 0 },
        { "{}", 0 }
    };

    for (i = 0; i < test_count(answers); i++) {
        test_parse(&test, answers[i].text, strlen(answers[i].text), 32);

        ok(gate_answer_asks(&test.doc) == answers[i].asks, "%s",
           answers[i].text);

        test_free(&test);
    }
}
