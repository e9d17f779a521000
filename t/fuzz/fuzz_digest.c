
/*
 * Copyright (C) nginx-gate authors
 *
 * Two requests, each a path and a body, with the byte 0x1e between all four:
 * their digests are equal where they are equal, and nowhere else.  So are
 * those of the first body and the same in other words.
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "gate_digest.h"


#define FUZZ_PROJECT  1234


typedef struct {
    gate_str_t     path;
    gate_pool_t    pool;
    gate_doc_t     doc;
    gate_splice_t  splice;
    int            planned;
    uint32_t       signature;   /* what no digest covers */
    uint32_t       project;
    unsigned char  callback[GATE_DIGEST_LEN];
    unsigned char  payout[GATE_DIGEST_LEN];
} fuzz_side_t;


static int fuzz_side(fuzz_side_t *side, gate_str_t path, gate_str_t text);
static void fuzz_compare(fuzz_side_t *a, fuzz_side_t *b);
static int fuzz_same(fuzz_side_t *a, uint32_t i, fuzz_side_t *b, uint32_t j);
static int fuzz_same_children(fuzz_side_t *a, uint32_t i, fuzz_side_t *b,
    uint32_t j);
static uint32_t fuzz_child(fuzz_side_t *side, uint32_t parent, uint32_t i);
static int fuzz_omitted(fuzz_side_t *side, uint32_t i);
static void fuzz_rewrite(fuzz_side_t *side);
static unsigned char *fuzz_write(fuzz_side_t *side, uint32_t i,
    unsigned char *p);
static unsigned char *fuzz_members(fuzz_side_t *side, uint32_t i,
    unsigned char *p);
static unsigned char *fuzz_string(gate_str_t str, unsigned char *p);
static gate_digest_t *fuzz_digest(void);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    int          two;
    gate_str_t   input, path, text;
    fuzz_side_t  a, b;

    input.data = data;
    input.len = size;

    path = fuzz_cut(&input, 0x1e);
    text = fuzz_cut(&input, 0x1e);

    if (fuzz_side(&a, path, text)) {
        fuzz_rewrite(&a);

        path = fuzz_cut(&input, 0x1e);
        two = fuzz_side(&b, path, input);

        if (two) {
            fuzz_compare(&a, &b);
        }

        gate_pool_reset(&b.pool);
    }

    gate_pool_reset(&a.pool);

    return 0;
}


static int
fuzz_side(fuzz_side_t *side, gate_str_t path, gate_str_t text)
{
    gate_err_t  err;

    side->path = path;

    gate_pool_init(&side->pool, NULL, 0);

    if (gate_json_parse(&side->doc, &side->pool, text, GATE_MAX_DEPTH, &err)
        != GATE_OK)
    {
        return 0;
    }

    fuzz_must(gate_digest_callback(fuzz_digest(), &side->doc, side->callback)
              == GATE_OK, "a callback has a digest");

    side->planned = gate_splice_plan(&side->splice, &side->doc, 0,
                                     FUZZ_PROJECT, &err)
                    == GATE_OK;

    if (side->planned) {
        fuzz_must(gate_digest_payout(fuzz_digest(), path, &side->doc,
                                     &side->splice, side->payout)
                  == GATE_OK, "a payout has a digest");
    }

    return 1;
}


static void
fuzz_compare(fuzz_side_t *a, fuzz_side_t *b)
{
    int  same, alike;

    (void) gate_signature_find(&a->doc, &a->signature);
    (void) gate_signature_find(&b->doc, &b->signature);
    a->project = GATE_NO_NODE;
    b->project = GATE_NO_NODE;

    same = fuzz_same(a, 0, b, 0);
    alike = memcmp(a->callback, b->callback, GATE_DIGEST_LEN) == 0;

    fuzz_must(same == alike, "digests of callbacks tell them apart");

    if (!a->planned || !b->planned) {
        return;
    }

    a->signature = a->splice.signature;
    b->signature = b->splice.signature;
    a->project = gate_json_member(&a->doc, a->splice.container, "project_id",
                                  10);
    b->project = gate_json_member(&b->doc, b->splice.container, "project_id",
                                  10);

    if (a->splice.create) {
        a->project = GATE_NO_NODE;
    }

    if (b->splice.create) {
        b->project = GATE_NO_NODE;
    }

    same = fuzz_same(a, 0, b, 0) && fuzz_equal(a->path, b->path);
    alike = memcmp(a->payout, b->payout, GATE_DIGEST_LEN) == 0;

    fuzz_must(same == alike, "digests of payouts tell them apart");
}


/* by the trees alone */

static int
fuzz_same(fuzz_side_t *a, uint32_t i, fuzz_side_t *b, uint32_t j)
{
    const gate_node_t  *x, *y;

    x = &a->doc.nodes[i];
    y = &b->doc.nodes[j];

    if (x->type != y->type) {
        return 0;
    }

    if (x->type == GATE_STRING || x->type == GATE_NUMBER) {
        return fuzz_equal(x->value, y->value);
    }

    return x->type < GATE_OBJECT || fuzz_same_children(a, i, b, j);
}


static int
fuzz_same_children(fuzz_side_t *a, uint32_t i, fuzz_side_t *b, uint32_t j)
{
    size_t      n;
    uint32_t    k, l, count;
    gate_str_t  key;

    n = 0;

    for (k = fuzz_child(a, i, i + 1); k != GATE_NO_NODE;
         k = fuzz_child(a, i, a->doc.nodes[k].next))
    {
        key = a->doc.nodes[k].key;
        count = 0;

        for (l = fuzz_child(b, j, j + 1); l != GATE_NO_NODE;
             l = fuzz_child(b, j, b->doc.nodes[l].next))
        {
            if (a->doc.nodes[i].type == GATE_ARRAY
                ? count++ == n : fuzz_equal(b->doc.nodes[l].key, key))
            {
                break;
            }
        }

        if (l == GATE_NO_NODE || !fuzz_same(a, k, b, l)) {
            return 0;
        }

        n++;
    }

    for (l = fuzz_child(b, j, j + 1); l != GATE_NO_NODE;
         l = fuzz_child(b, j, b->doc.nodes[l].next))
    {
        if (n-- == 0) {
            return 0;
        }
    }

    return n == 0;
}


/* from i on, the first child of parent that counts */

static uint32_t
fuzz_child(fuzz_side_t *side, uint32_t parent, uint32_t i)
{
    while (i < side->doc.nodes[parent].next) {

        if (!fuzz_omitted(side, i)) {
            return i;
        }

        i = side->doc.nodes[i].next;
    }

    return GATE_NO_NODE;
}


static int
fuzz_omitted(fuzz_side_t *side, uint32_t i)
{
    return i == side->signature || i == side->project;
}


/* members from the last to the first, each character as an escape or bytes */

static void
fuzz_rewrite(fuzz_side_t *side)
{
    gate_str_t      text;
    fuzz_side_t     other;
    unsigned char  *p;

    p = malloc(8 * side->doc.text.len + 16);
    fuzz_must(p != NULL, "there is memory");

    text.data = p;
    text.len = fuzz_write(side, 0, p) - p;

    fuzz_must(fuzz_side(&other, side->path, text),
              "other words are a document");
    fuzz_must(memcmp(other.callback, side->callback, GATE_DIGEST_LEN) == 0,
              "a callback in other words is the same");
    fuzz_must(other.planned == side->planned
              && (!side->planned
                  || memcmp(other.payout, side->payout, GATE_DIGEST_LEN) == 0),
              "a payout in other words is the same");

    gate_pool_reset(&other.pool);
    free(p);
}


static unsigned char *
fuzz_write(fuzz_side_t *side, uint32_t i, unsigned char *p)
{
    uint32_t            j;
    const gate_node_t  *node;

    node = &side->doc.nodes[i];

    switch (node->type) {

    case GATE_OBJECT:
        *p++ = '{';
        p = fuzz_members(side, i, p);
        *p++ = '}';
        return p;

    case GATE_ARRAY:
        *p++ = '[';

        for (j = i + 1; j < node->next; j = side->doc.nodes[j].next) {

            if (j != i + 1) {
                *p++ = ',';
            }

            p = fuzz_write(side, j, p);
        }

        *p++ = ']';
        return p;

    case GATE_STRING:
        return fuzz_string(node->value, p);

    default:
        memcpy(p, side->doc.text.data + node->start, node->end - node->start);
        return p + (node->end - node->start);
    }
}


static unsigned char *
fuzz_members(fuzz_side_t *side, uint32_t i, unsigned char *p)
{
    uint32_t            j, last;
    const gate_node_t  *nodes;

    nodes = side->doc.nodes;

    for (last = nodes[i].next; last != i + 1; last = j) {

        for (j = i + 1; nodes[j].next != last; j = nodes[j].next) {
            /* void */
        }

        if (last != nodes[i].next) {
            *p++ = ',';
        }

        p = fuzz_string(nodes[j].key, p);
        *p++ = ':';
        p = fuzz_write(side, j, p);
    }

    return p;
}


static unsigned char *
fuzz_string(gate_str_t str, unsigned char *p)
{
    size_t  i;

    *p++ = '"';

    for (i = 0; i < str.len; i++) {

        if (str.data[i] >= 0x80) {
            *p++ = str.data[i];

        } else {
            p += sprintf((char *) p, "\\u%04x", str.data[i]);
        }
    }

    *p++ = '"';

    return p;
}


static gate_digest_t *
fuzz_digest(void)
{
    static gate_digest_t  *digest;

    if (digest == NULL) {
        digest = gate_digest_create();
        fuzz_must(digest != NULL, "there is memory");
    }

    return digest;
}
