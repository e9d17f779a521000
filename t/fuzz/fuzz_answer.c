
/*
 * Copyright (C) nginx-gate authors
 *
 * An answer of Gate: the first line is its HTTP status, the rest is its body.
 * What becomes of the payout, what passes without a signature, and what is a
 * request.
 */


#include <string.h>

#include "fuzz.h"
#include "gate_answer.h"
#include "gate_callback.h"


static void fuzz_answer(const gate_doc_t *doc, unsigned status);
static void fuzz_nothing(const gate_doc_t *doc);
static void fuzz_asks(const gate_doc_t *doc);
static int fuzz_says(const gate_doc_t *doc, uint32_t parent, const char *name,
    const char *text);
static int fuzz_exists(const gate_doc_t *doc);
static uint32_t fuzz_member(const gate_doc_t *doc, uint32_t parent,
    const char *name);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    size_t          i;
    unsigned        status;
    gate_doc_t      doc;
    gate_err_t      err;
    gate_str_t      body, line;
    gate_pool_t     pool;
    unsigned char   buf[4096];

    body.data = data;
    body.len = size;

    line = fuzz_cut(&body, '\n');
    status = 0;

    for (i = 0; i < line.len && i < 4; i++) {
        status = status * 10 + line.data[i] % 10;
    }

    gate_pool_init(&pool, buf, sizeof(buf));

    if (gate_json_parse(&doc, &pool, body, GATE_MAX_DEPTH, &err) == GATE_OK) {
        fuzz_answer(&doc, status);
        fuzz_nothing(&doc);
        fuzz_asks(&doc);
    }

    gate_pool_reset(&pool);

    return 0;
}


static void
fuzz_answer(const gate_doc_t *doc, unsigned status)
{
    gate_str_t     code;
    gate_answer_e  answer;

    answer = gate_answer_read(doc, status, &code);

    switch (answer) {

    case GATE_ANSWER_UNKNOWN:
        break;

    case GATE_ANSWER_ACCEPTED:
        fuzz_must(status == 200 && fuzz_says(doc, 0, "status", "success")
                  && !fuzz_exists(doc), "accepted is what says so");
        break;

    case GATE_ANSWER_REFUSED:
        fuzz_must(status == 200 || status / 100 == 4,
                  "trouble of the platform refuses nothing");
        fuzz_must(code.len != 0, "who refuses says why");
        fuzz_must(!fuzz_says(doc, 0, "status", "success"),
                  "what says success is not refused");

        /* its amount is freed: not of a payout that is there already */

        fuzz_must(!fuzz_exists(doc)
                  || (code.len == 5 && memcmp(code.data, "10105", 5) == 0),
                  "a payment_id that exists is told");
        break;

    default:
        fuzz_must(0, "an answer is one");
    }
}


static void
fuzz_nothing(const gate_doc_t *doc)
{
    uint32_t  errors, general;

    if (!gate_answer_nothing(doc)) {
        return;
    }

    errors = fuzz_member(doc, 0, "errors");
    general = fuzz_member(doc, 0, "general");

    fuzz_must(fuzz_member(doc, 0, "payment") == GATE_NO_NODE
              && fuzz_member(doc, 0, "operation") == GATE_NO_NODE
              && fuzz_member(doc, 0, "operations") == GATE_NO_NODE
              && (general == GATE_NO_NODE
                  || doc->nodes[general].type < GATE_OBJECT),
              "nothing is said of a payment");
    fuzz_must(errors != GATE_NO_NODE
              || fuzz_member(doc, 0, "code") != GATE_NO_NODE,
              "but an error is");
    fuzz_must(!fuzz_says(doc, 0, "status", "success"), "and no success");
}


static void
fuzz_asks(const gate_doc_t *doc)
{
    uint32_t         general;
    gate_err_t       err;
    gate_callback_t  callback;

    if (!gate_answer_asks(doc)) {
        return;
    }

    general = fuzz_member(doc, 0, "general");

    fuzz_must(general != GATE_NO_NODE
              && fuzz_member(doc, general, "payment_id") != GATE_NO_NODE,
              "a request names its payment");

    (void) gate_callback_read(doc, &callback, &err);

    fuzz_must(callback.status == GATE_STATUS_NONE,
              "what could settle a payout is no request");
}


/* says so at the top level or in the list */

static int
fuzz_exists(const gate_doc_t *doc)
{
    uint32_t  i, list;

    list = fuzz_member(doc, 0, "errors");

    if (list != GATE_NO_NODE && doc->nodes[list].type == GATE_ARRAY) {

        for (i = list + 1; i < doc->nodes[list].next; i = doc->nodes[i].next) {
            if (fuzz_says(doc, i, "code", "10105")) {
                return 1;
            }
        }
    }

    return fuzz_says(doc, 0, "code", "10105");
}


static int
fuzz_says(const gate_doc_t *doc, uint32_t parent, const char *name,
    const char *text)
{
    uint32_t    node;
    gate_str_t  str;

    node = fuzz_member(doc, parent, name);

    str.data = (const unsigned char *) text;
    str.len = strlen(text);

    return node != GATE_NO_NODE
           && (doc->nodes[node].type == GATE_STRING
               || doc->nodes[node].type == GATE_NUMBER)
           && fuzz_equal(doc->nodes[node].value, str);
}


static uint32_t
fuzz_member(const gate_doc_t *doc, uint32_t parent, const char *name)
{
    return gate_json_member(doc, parent, name, strlen(name));
}
