
/*
 * Copyright (C) nginx-gate authors
 *
 * A request to any path: the first line is the path, the rest is the body.
 * The endpoint, the checks of its fields, and the spliced and signed body.
 */


#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gate_payout.h"
#include "gate_splice.h"


#define FUZZ_PROJECT  1234


static const gate_endpoint_t *fuzz_endpoint(gate_str_t path);
static int fuzz_segment(gate_str_t path, const char *word);
static void fuzz_checks(const gate_doc_t *doc,
    const gate_endpoint_t *endpoint);
static void fuzz_bounds(const gate_doc_t *doc, const gate_payout_t *payout);
static void fuzz_splice(gate_pool_t *pool, const gate_doc_t *doc,
    int top_level);
static void fuzz_body(gate_str_t body, const unsigned char *signature,
    int top_level);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    gate_doc_t              doc;
    gate_err_t              err;
    gate_str_t              body, path;
    gate_pool_t             pool;
    unsigned char           buf[4096];
    const gate_endpoint_t  *endpoint;

    body.data = data;
    body.len = size;

    path = fuzz_cut(&body, '\n');
    endpoint = fuzz_endpoint(path);

    gate_pool_init(&pool, buf, sizeof(buf));

    if (gate_json_parse(&doc, &pool, body, GATE_MAX_DEPTH, &err) == GATE_OK) {
        fuzz_checks(&doc, endpoint);
        fuzz_checks(&doc, gate_endpoint_payout());
        fuzz_splice(&pool, &doc, gate_endpoint_top_level(endpoint));
    }

    gate_pool_reset(&pool);

    return 0;
}


static const gate_endpoint_t *
fuzz_endpoint(gate_str_t path)
{
    size_t                  from;
    unsigned                i;
    const gate_endpoint_t  *endpoint;

    endpoint = gate_endpoint_find(path.data, path.len);

    fuzz_must(endpoint != NULL && gate_endpoint_name(endpoint) != NULL,
              "each path has an endpoint with a name");

    i = gate_endpoint_index(endpoint);

    fuzz_must(i < gate_endpoint_count()
              && strcmp(gate_endpoint_name(gate_endpoint_at(i)),
                        gate_endpoint_name(endpoint))
                 == 0, "an endpoint has a number");

    /* what stands before a version is not Gate's */

    for (from = 0; from + 4 <= path.len; from++) {
        if (memcmp(path.data + from, "/v2/", 4) == 0) {
            path.data += from + 3;
            path.len -= from + 3;
            break;
        }
    }

    /* whatever a path looks like, a payout is not taken for less */

    if (fuzz_segment(path, "payout")) {
        fuzz_must(gate_endpoint_operation(endpoint) == GATE_OP_PAYOUT
                  || gate_endpoint_operation(endpoint) == GATE_OP_INFO,
                  "a path with \"payout\" is a payout");
    }

    if (gate_endpoint_operation(endpoint) == GATE_OP_PAYOUT) {
        fuzz_must(gate_endpoint_money(endpoint), "a payout moves money");
    }

    return endpoint;
}


static int
fuzz_segment(gate_str_t path, const char *word)
{
    gate_str_t  segment, text;

    text.data = (const unsigned char *) word;
    text.len = strlen(word);

    while (path.len != 0) {
        segment = fuzz_cut(&path, '/');

        if (fuzz_equal(segment, text)) {
            return 1;
        }
    }

    return 0;
}


static void
fuzz_checks(const gate_doc_t *doc, const gate_endpoint_t *endpoint)
{
    int            level, passed;
    gate_rc_e      rc;
    gate_err_t     err;
    gate_payout_t  payout;

    passed = 1;

    for (level = GATE_VALIDATE_OFF; level <= GATE_VALIDATE_STRICT; level++) {

        memset(&err, 0, sizeof(gate_err_t));

        rc = gate_payout_check(doc, endpoint, level, &payout, &err);

        fuzz_must(rc == GATE_OK
                  || ((rc == GATE_MISSING || rc == GATE_INVALID)
                      && err.path != NULL && err.reason != NULL),
                  "a refused field has a name");

        fuzz_must(passed || rc != GATE_OK, "strict refuses more than basic");

        passed = (rc == GATE_OK);

        fuzz_bounds(doc, &payout);

        /* of such a payout nothing is left open for the limits */

        if (passed && level != GATE_VALIDATE_OFF
            && gate_endpoint_operation(endpoint) == GATE_OP_PAYOUT)
        {
            fuzz_must(payout.amount > 0 && payout.currency.len == 3
                      && payout.payment_id.len != 0,
                      "a payout that passes can be counted");
        }
    }
}


static void
fuzz_bounds(const gate_doc_t *doc, const gate_payout_t *payout)
{
    size_t      i;
    int64_t     amount;
    uint32_t    node;

    fuzz_must(payout->amount >= 0 && payout->amount <= GATE_MAX_AMOUNT,
              "an amount is in range");
    fuzz_must(payout->payment_id.len <= 4 * GATE_MAX_PAYMENT_ID,
              "a payment_id is short");
    fuzz_must(payout->currency.len == 0 || payout->currency.len == 3,
              "a currency has three letters");

    for (i = 0; i < payout->currency.len; i++) {
        fuzz_must(payout->currency.data[i] >= 'A'
                  && payout->currency.data[i] <= 'Z', "of A to Z");
    }

    if (payout->amount != 0) {
        node = gate_json_member(doc, 0, "payment", 7);
        node = gate_json_member(doc, node, "amount", 6);

        fuzz_must(node != GATE_NO_NODE
                  && gate_json_int64(&doc->nodes[node], &amount) == 0
                  && amount == payout->amount, "the amount is the body's");
    }
}


static void
fuzz_splice(gate_pool_t *pool, const gate_doc_t *doc, int top_level)
{
    unsigned        i, n;
    gate_err_t      err;
    gate_str_t      pieces[GATE_SPLICE_PIECES], body;
    gate_canon_t    canon;
    gate_splice_t   splice;
    unsigned char  *p, buf[GATE_SPLICE_TEXT], signature[GATE_SIGNATURE_LEN];

    if (gate_splice_plan(&splice, doc, top_level, FUZZ_PROJECT, &err)
        != GATE_OK
        || gate_canon_build(&canon, pool, doc, gate_splice_insert(&splice),
                            GATE_ORDER_NATURAL, &err)
           != GATE_OK)
    {
        return;
    }

    fuzz_must(gate_sign(fuzz_key(), &canon, signature) == GATE_OK, "it signs");

    n = gate_splice_pieces(&splice, doc, signature, buf, pieces);

    fuzz_must(n >= 1 && n <= GATE_SPLICE_PIECES, "there are pieces");

    p = malloc(doc->text.len + GATE_SPLICE_TEXT);
    fuzz_must(p != NULL, "there is memory");

    body.data = p;

    for (i = 0; i < n; i++) {
        memcpy(p, pieces[i].data, pieces[i].len);
        p += pieces[i].len;
    }

    body.len = p - body.data;

    fuzz_body(body, signature, top_level);
    free(p - body.len);
}


/* the new body is a document, and verifies */

static void
fuzz_body(gate_str_t body, const unsigned char *signature, int top_level)
{
    uint32_t            i;
    gate_doc_t          doc;
    gate_err_t          err;
    gate_key_t         *key;
    gate_pool_t         pool;
    gate_canon_t        canon;
    gate_verified_t     result;
    const gate_node_t  *node;

    gate_pool_init(&pool, NULL, 0);

    /* two levels for a "general" that had none */

    if (gate_json_parse(&doc, &pool, body, GATE_MAX_DEPTH, &err) == GATE_OK
        && gate_canon_build(&canon, &pool, &doc, NULL, GATE_ORDER_NATURAL,
                            &err)
           == GATE_OK)
    {
        i = top_level ? 0 : gate_json_member(&doc, 0, "general", 7);
        i = gate_json_member(&doc, i, "signature", 9);
        fuzz_must(i != GATE_NO_NODE, "the new body is signed");

        node = &doc.nodes[i];
        fuzz_must(node->type == GATE_STRING
                  && node->value.len == GATE_SIGNATURE_LEN
                  && memcmp(node->value.data, signature, GATE_SIGNATURE_LEN)
                     == 0, "with the signature that was given");

        /* a signature at the top level comes first to gate_verify() */

        if (top_level
            || gate_json_member(&doc, 0, "signature", 9) == GATE_NO_NODE)
        {
            key = fuzz_key();
            fuzz_must(gate_verify(&key, 1, &doc, &canon, &result) == GATE_OK,
                      "the new body verifies");
        }

    } else {
        fuzz_must(err.reason != NULL
                  && (strcmp(err.reason, "too many values") == 0
                      || strcmp(err.reason, "paths are too long") == 0),
                  "the new body is a document");
    }

    gate_pool_reset(&pool);
}
