
/*
 * Copyright (C) nginx-gate authors
 *
 * One document through all of the core: libFuzzer's entry point, also called
 * by replay.c.  Aborts where something must hold and does not.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "gate_payout.h"
#include "gate_sign.h"
#include "gate_splice.h"


#define FUZZ_PROJECT  1234


int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static void fuzz_document(gate_pool_t *pool, gate_doc_t *doc);
static void fuzz_nodes(const gate_doc_t *doc);
static void fuzz_checks(const gate_doc_t *doc);
static void fuzz_verify(const gate_doc_t *doc, gate_canon_t *canon);
static void fuzz_splice(gate_pool_t *pool, const gate_doc_t *doc,
    int top_level);
static void fuzz_body(gate_str_t body, const unsigned char *signature,
    int top_level);
static gate_key_t *fuzz_key(void);
static void fuzz_must(int holds, const char *what);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    gate_rc_e       rc;
    gate_doc_t      doc;
    gate_err_t      err;
    gate_str_t      text;
    gate_pool_t     pool;
    unsigned char   buf[4096];

    text.data = data;
    text.len = size;

    gate_pool_init(&pool, buf, sizeof(buf));

    rc = gate_json_parse(&doc, &pool, text, GATE_MAX_DEPTH, &err);

    if (rc == GATE_OK) {
        fuzz_document(&pool, &doc);

    } else {
        fuzz_must(rc == GATE_JSON && err.reason != NULL && err.offset <= size,
                  "a refusal has a reason and a place");
    }

    gate_pool_reset(&pool);

    return 0;
}


static void
fuzz_document(gate_pool_t *pool, gate_doc_t *doc)
{
    gate_rc_e     rc;
    gate_err_t    err;
    gate_canon_t  canon;

    fuzz_nodes(doc);
    fuzz_checks(doc);

    rc = gate_canon_build(&canon, pool, doc, NULL, GATE_ORDER_NATURAL, &err);

    fuzz_must(rc == GATE_OK || rc == GATE_JSON, "flattening ends");

    if (rc == GATE_OK) {
        fuzz_must(gate_canon_sort(&canon, GATE_ORDER_NATURAL) == 0,
                  "what is sorted stays sorted");

        fuzz_verify(doc, &canon);
        fuzz_splice(pool, doc, 0);
        fuzz_splice(pool, doc, 1);
    }
}


static void
fuzz_nodes(const gate_doc_t *doc)
{
    uint32_t            i;
    const gate_node_t  *node, *parent;

    for (i = 0; i < doc->n; i++) {
        node = &doc->nodes[i];
        parent = &doc->nodes[node->parent];

        fuzz_must(node->start < node->end && node->end <= doc->text.len
                  && node->next > i && node->next <= parent->next
                  && node->start >= parent->start
                  && node->end <= parent->end, "nodes nest");

        fuzz_must(i == 0 || (node->key.data != NULL)
                            == (parent->type == GATE_OBJECT),
                  "members have keys");
    }
}


static void
fuzz_checks(const gate_doc_t *doc)
{
    int                     level;
    size_t                  i;
    gate_rc_e               rc;
    gate_err_t              err;
    gate_payout_t           payout;
    const gate_endpoint_t  *endpoint;

    static const char  *paths[] = {
        "/v2/payment/mobile/payout",
        "/v2/payment/card/payout/token",
        "/v2/payment/asian-banks/payout",
        "/v2/payment/interac/payout",
        "/v2/payment/clarification",
        "/v2/info/available_methods_for_merchant/list",
        "/other"
    };

    for (i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        endpoint = gate_endpoint_find((const unsigned char *) paths[i],
                                      strlen(paths[i]));

        for (level = GATE_VALIDATE_OFF; level <= GATE_VALIDATE_STRICT;
             level++)
        {
            err.path = NULL;
            err.reason = NULL;

            rc = gate_payout_check(doc, endpoint, level, &payout, &err);

            fuzz_must(rc == GATE_OK
                      || ((rc == GATE_MISSING || rc == GATE_INVALID)
                          && err.path != NULL && err.reason != NULL),
                      "a refused field has a name");

            fuzz_must(payout.amount >= 0 && payout.amount <= GATE_MAX_AMOUNT,
                      "an amount is in range");
        }
    }
}


static void
fuzz_verify(const gate_doc_t *doc, gate_canon_t *canon)
{
    gate_rc_e         rc;
    gate_key_t       *key;
    gate_verified_t   result;

    key = fuzz_key();

    rc = gate_verify(&key, 1, doc, canon, &result);

    fuzz_must(rc == GATE_OK || rc == GATE_UNSIGNED || rc == GATE_MISMATCH,
              "verification ends");
    fuzz_must((rc == GATE_UNSIGNED) == (result.place == GATE_AT_NONE),
              "a signature has a place");
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


static gate_key_t *
fuzz_key(void)
{
    static gate_key_t  *key;

    if (key == NULL) {
        key = gate_key_create((const unsigned char *) "secret", 6);
        fuzz_must(key != NULL, "a key is created");
    }

    return key;
}


static void
fuzz_must(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz_core: does not hold: %s\n", what);
        abort();
    }
}
