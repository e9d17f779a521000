
/*
 * Copyright (C) nginx-gate authors
 *
 * Any bytes as a document: the tree, the canonical string in both orders, and
 * the search for a signature.
 */


#include <string.h>

#include "fuzz.h"


#define FUZZ_VALUES  16


static void fuzz_values(gate_str_t text, gate_rc_e whole, uint32_t n);
static void fuzz_document(gate_pool_t *pool, gate_doc_t *doc);
static void fuzz_nodes(const gate_doc_t *doc);
static void fuzz_order(const gate_doc_t *doc);
static void fuzz_verify(const gate_doc_t *doc, gate_canon_t *canon);
static gate_rc_e fuzz_count(void *data, const unsigned char *p, size_t len);


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

    fuzz_values(text, rc, (rc == GATE_OK) ? doc.n : 0);

    if (rc == GATE_OK) {
        fuzz_document(&pool, &doc);

    } else {
        fuzz_must(rc == GATE_JSON && err.reason != NULL && err.offset <= size,
                  "a refusal has a reason and a place");
    }

    gate_pool_reset(&pool);

    return 0;
}


/* a limit of values refuses what has more, and changes nothing else */

static void
fuzz_values(gate_str_t text, gate_rc_e whole, uint32_t n)
{
    gate_rc_e    rc;
    gate_doc_t   doc;
    gate_err_t   err;
    gate_pool_t  pool;

    gate_pool_init(&pool, NULL, 0);

    rc = gate_json_parse_values(&doc, &pool, text, GATE_MAX_DEPTH,
                                FUZZ_VALUES, &err);

    if (whole == GATE_OK) {
        fuzz_must(rc == (n > FUZZ_VALUES ? GATE_VALUES : GATE_OK),
                  "values are counted");
        fuzz_must(rc != GATE_OK || doc.n == n, "a limit changes nothing");

    } else {
        fuzz_must(rc == GATE_JSON || rc == GATE_VALUES,
                  "what is no document is refused");
    }

    fuzz_must(rc == GATE_OK || err.reason != NULL, "with a reason");

    gate_pool_reset(&pool);
}


static void
fuzz_document(gate_pool_t *pool, gate_doc_t *doc)
{
    size_t        natural, bytes;
    gate_rc_e     rc;
    gate_err_t    err;
    gate_canon_t  canon;

    fuzz_nodes(doc);
    fuzz_order(doc);

    rc = gate_canon_build(&canon, pool, doc, NULL, GATE_ORDER_NATURAL, &err);

    fuzz_must(rc == GATE_OK || rc == GATE_JSON, "flattening ends");

    if (rc != GATE_OK) {
        return;
    }

    fuzz_must(gate_canon_sort(&canon, GATE_ORDER_NATURAL) == 0,
              "what is sorted stays sorted");

    natural = 0;
    bytes = 0;

    fuzz_must(gate_canon_write(&canon, fuzz_count, &natural) == GATE_OK,
              "the string is written");

    (void) gate_canon_sort(&canon, GATE_ORDER_BYTES);

    fuzz_must(gate_canon_write(&canon, fuzz_count, &bytes) == GATE_OK
              && bytes == natural, "the order changes no length");

    (void) gate_canon_sort(&canon, GATE_ORDER_NATURAL);

    fuzz_verify(doc, &canon);
}


static gate_rc_e
fuzz_count(void *data, const unsigned char *p, size_t len)
{
    size_t *count = data;

    fuzz_must(len == 0 || p != NULL, "a piece has bytes");

    *count += len;

    return GATE_OK;
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

        if (i != 0 && parent->type == GATE_OBJECT) {
            fuzz_must(gate_json_member(doc, node->parent,
                                       (const char *) node->key.data,
                                       node->key.len)
                      == i, "a member is found by its key");
        }
    }
}


/* the chain of members holds all of them once, in the order of their keys */

static void
fuzz_order(const gate_doc_t *doc)
{
    int         rc;
    size_t      len;
    uint32_t    i, j, n, chained;
    gate_str_t  a, b;

    for (i = 0; i < doc->n; i++) {

        if (doc->nodes[i].type < GATE_OBJECT) {
            continue;
        }

        n = 0;
        chained = 0;

        for (j = i + 1; j < doc->nodes[i].next; j = doc->nodes[j].next) {
            n++;
        }

        for (j = doc->nodes[i].least; j != GATE_NO_NODE && chained <= n;
             j = doc->nodes[j].after)
        {
            chained++;
            fuzz_must(doc->nodes[j].parent == i,
                      "a chain is of one object or array");

            if (doc->nodes[j].after == GATE_NO_NODE) {
                continue;
            }

            if (doc->nodes[i].type == GATE_ARRAY) {
                fuzz_must(doc->nodes[j].after == doc->nodes[j].next,
                          "items are chained as they stand");
                continue;
            }

            a = doc->nodes[j].key;
            b = doc->nodes[doc->nodes[j].after].key;
            len = (a.len < b.len) ? a.len : b.len;
            rc = len ? memcmp(a.data, b.data, len) : 0;

            fuzz_must(rc < 0 || (rc == 0 && a.len < b.len),
                      "a chain is sorted");
        }

        fuzz_must(chained == n, "a chain holds all members and items");
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
