
/*
 * Copyright (C) nginx-gate authors
 *
 * Where project_id and signature go into the bytes of a body.
 */


#include <string.h>

#include "gate_payout.h"
#include "gate_sign.h"
#include "gate_splice.h"


static gate_rc_e gate_splice_project(gate_splice_t *splice,
    const gate_doc_t *doc, int top_level, uint32_t project_id,
    gate_err_t *err);
static void gate_splice_decimal(gate_splice_t *splice, uint32_t n);
static unsigned char *gate_splice_copy(unsigned char *p, const void *src,
    size_t len);
static unsigned char *gate_splice_put_project(const gate_splice_t *splice,
    unsigned char *p);
static unsigned gate_splice_piece(gate_str_t *pieces, unsigned n,
    const unsigned char *p, const unsigned char *last);


#define gate_splice_put(p, text)                                              \
    gate_splice_copy(p, text, sizeof(text) - 1)


gate_rc_e
gate_splice_plan(gate_splice_t *splice, const gate_doc_t *doc, int top_level,
    uint32_t project_id, gate_err_t *err)
{
    uint32_t                 general;
    static const gate_str_t  top = gate_string("project_id");
    static const gate_str_t  nested = gate_string("general:project_id");

    splice->container = 0;
    splice->signature = GATE_NO_NODE;
    splice->has_project = 0;
    splice->create = 0;

    gate_splice_decimal(splice, project_id);

    if (!top_level) {
        general = gate_json_member(doc, 0, "general", 7);

        if (general == GATE_NO_NODE) {
            splice->create = 1;

        } else if (doc->nodes[general].type != GATE_OBJECT) {
            err->path = "general";
            err->reason = "must be an object";
            err->offset = doc->nodes[general].start;
            return GATE_INVALID;

        } else {
            splice->container = general;
        }
    }

    splice->insert.container = splice->container;
    splice->insert.path = top_level ? top : nested;
    splice->insert.value.data = splice->project;
    splice->insert.value.len = splice->project_len;

    if (splice->create) {
        return GATE_OK;
    }

    splice->signature = gate_json_member(doc, splice->container, "signature",
                                         9);

    return gate_splice_project(splice, doc, top_level, project_id, err);
}


static gate_rc_e
gate_splice_project(gate_splice_t *splice, const gate_doc_t *doc,
    int top_level, uint32_t project_id, gate_err_t *err)
{
    int64_t   id;
    uint32_t  node;

    node = gate_json_member(doc, splice->container, "project_id", 10);

    if (node == GATE_NO_NODE) {
        return GATE_OK;
    }

    err->path = top_level ? "project_id" : "general.project_id";
    err->offset = doc->nodes[node].start;

    if (gate_json_int64(&doc->nodes[node], &id) != 0
        || id < 1 || id > (int64_t) GATE_MAX_PROJECT_ID)
    {
        err->reason = "must be an integer from 1 to 4294967295";
        return GATE_INVALID;
    }

    if (id != (int64_t) project_id) {
        err->reason = "is of another project";
        return GATE_PROJECT;
    }

    err->path = NULL;
    splice->has_project = 1;

    return GATE_OK;
}


const gate_insert_t *
gate_splice_insert(const gate_splice_t *splice)
{
    return splice->has_project ? NULL : &splice->insert;
}


unsigned
gate_splice_pieces(const gate_splice_t *splice, const gate_doc_t *doc,
    const unsigned char *signature, unsigned char *buf, gate_str_t *pieces)
{
    unsigned              n;
    unsigned char        *p, *middle;
    const gate_node_t    *container, *old;
    const unsigned char  *text, *cut, *last;

    container = &doc->nodes[splice->container];
    text = doc->text.data;
    last = text + doc->text.len;
    cut = text + container->start + 1;

    p = gate_splice_put_project(splice, buf);

    if (splice->signature != GATE_NO_NODE) {
        old = &doc->nodes[splice->signature];
        middle = p;

        p = gate_splice_put(p, "\"");
        p = gate_splice_copy(p, signature, GATE_SIGNATURE_LEN);
        p = gate_splice_put(p, "\"");

        if (middle == buf) {
            n = gate_splice_piece(pieces, 0, text, text + old->start);

        } else {
            n = gate_splice_piece(pieces, 0, text, cut);
            n = gate_splice_piece(pieces, n, buf, middle);
            n = gate_splice_piece(pieces, n, cut, text + old->start);
        }

        n = gate_splice_piece(pieces, n, middle, p);

        return gate_splice_piece(pieces, n, text + old->end, last);
    }

    p = gate_splice_put(p, "\"signature\":\"");
    p = gate_splice_copy(p, signature, GATE_SIGNATURE_LEN);
    p = gate_splice_put(p, "\"");

    if (splice->create) {
        p = gate_splice_put(p, "}");
    }

    if (container->next != splice->container + 1) {
        p = gate_splice_put(p, ",");
    }

    n = gate_splice_piece(pieces, 0, text, cut);
    n = gate_splice_piece(pieces, n, buf, p);

    return gate_splice_piece(pieces, n, cut, last);
}


static void
gate_splice_decimal(gate_splice_t *splice, uint32_t n)
{
    size_t    i;
    uint32_t  rest;

    i = 0;
    rest = n;

    do {
        i++;
        rest /= 10;
    } while (rest != 0);

    splice->project_len = i;

    while (i != 0) {
        splice->project[--i] = (unsigned char) ('0' + n % 10);
        n /= 10;
    }
}


static unsigned char *
gate_splice_copy(unsigned char *p, const void *src, size_t len)
{
    memcpy(p, src, len);

    return p + len;
}


/* a member follows in any case */

static unsigned char *
gate_splice_put_project(const gate_splice_t *splice, unsigned char *p)
{
    if (splice->create) {
        p = gate_splice_put(p, "\"general\":{");
    }

    if (splice->has_project) {
        return p;
    }

    p = gate_splice_put(p, "\"project_id\":");
    p = gate_splice_copy(p, splice->project, splice->project_len);

    return gate_splice_put(p, ",");
}


static unsigned
gate_splice_piece(gate_str_t *pieces, unsigned n, const unsigned char *p,
    const unsigned char *last)
{
    if (p == last) {
        return n;
    }

    pieces[n].data = p;
    pieces[n].len = last - p;

    return n + 1;
}
