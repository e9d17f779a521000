
/*
 * Copyright (C) nginx-gate authors
 *
 * Requests that tell what only Gate tells.
 *
 * Gate signs callbacks and answers with the key of requests, and a signature
 * covers lines of text: whatever document has the same lines has the same
 * signature.  A status is read from a few members only, and each of them is a
 * line that begins with its path.  What has none of these lines, neither as a
 * member nor within a key or string, is no callback that settles anything.
 */


#include <string.h>

#include "gate_claim.h"


/* "operations:65535:status:" is shorter */

#define GATE_CLAIM_HEAD  32

/* of ";status", and no other name is shorter */

#define GATE_CLAIM_NAME  7


typedef struct {
    gate_str_t   object;    /* with its colon */
    unsigned     list;      /* of objects */
    const char  *path;
    const char  *hidden;
} gate_claim_t;


static unsigned gate_claim_possible(const gate_doc_t *doc);
static unsigned gate_claim_named(gate_str_t key, const char *name, size_t len);
static const gate_claim_t *gate_claim_hidden(const gate_leaf_t *leaf);
static const gate_claim_t *gate_claim_line(const gate_leaf_t *leaf, size_t at);
static size_t gate_claim_head(const gate_leaf_t *leaf, size_t at,
    unsigned char *head);
static unsigned gate_claim_skip(gate_str_t *text, gate_str_t word);


#define gate_claim(object, list, path, line)                                  \
    { gate_string(object), list, path,                                        \
      "must not put \";" line "\" into what is signed: only Gate tells "     \
      "the status of a payment" }


/* where gate_callback_read() finds a status, and what answers have */

static const gate_claim_t  gate_claims[] = {
    gate_claim("", 0, "status", "status:"),
    gate_claim("payment:", 0, "payment.status", "payment:status:"),
    gate_claim("operation:", 0, "operation.status", "operation:status:"),
    gate_claim("operations:", 1, "operations.status", "operations:0:status:")
};


gate_rc_e
gate_claim_check(const gate_doc_t *doc, const gate_canon_t *canon,
    gate_err_t *err)
{
    uint32_t             i;
    unsigned             told, hides;
    const gate_claim_t  *claim;

    told = gate_claim_possible(doc);

    /* without a semicolon no line hides in another one */

    hides = memchr(doc->text.data, ';', doc->text.len) != NULL
            || memchr(doc->text.data, '\\', doc->text.len) != NULL;

    for (i = 0; i < canon->n && (told || hides); i++) {
        claim = told ? gate_claim_line(&canon->leaves[i], 0) : NULL;

        if (claim != NULL) {
            err->path = claim->path;
            err->reason = "must not be in a request: leave it out, only Gate "
                          "tells the status of a payment";
            return GATE_INVALID;
        }

        claim = hides ? gate_claim_hidden(&canon->leaves[i]) : NULL;

        if (claim != NULL) {
            err->path = "a key or string";
            err->reason = claim->hidden;
            return GATE_INVALID;
        }
    }

    return GATE_OK;
}


/*
 * 0 where no member's own line can be one of these, as of nearly all requests.
 * A string of "payment" goes on where the path ends.
 */

static unsigned
gate_claim_possible(const gate_doc_t *doc)
{
    uint32_t            i, payment;
    const gate_node_t  *nodes;

    nodes = doc->nodes;
    payment = GATE_NO_NODE;

    for (i = 1; i < doc->n; i = nodes[i].next) {

        if (gate_claim_named(nodes[i].key, "status", 6)
            || gate_claim_named(nodes[i].key, "operation", 9))
        {
            return 1;
        }

        if (gate_is(nodes[i].key, "payment")) {
            payment = i;
        }
    }

    if (payment == GATE_NO_NODE) {
        return 0;
    }

    if (nodes[payment].type != GATE_OBJECT) {
        return 1;
    }

    for (i = payment + 1; i < nodes[payment].next; i = nodes[i].next) {
        if (gate_claim_named(nodes[i].key, "status", 6)) {
            return 1;
        }
    }

    return 0;
}


/* by its beginning: a colon of the key may follow */

static unsigned
gate_claim_named(gate_str_t key, const char *name, size_t len)
{
    return key.len >= len && memcmp(key.data, name, len) == 0;
}


static const gate_claim_t *
gate_claim_hidden(const gate_leaf_t *leaf)
{
    size_t                at;
    unsigned              n;
    gate_str_t            part[3];
    const gate_claim_t   *claim;
    const unsigned char  *p, *last;

    /* the name of a line stands whole in one of these */

    part[0] = leaf->prefix;
    part[1] = leaf->path;
    part[2] = leaf->value;

    at = 0;

    for (n = 0; n < 3; n++) {

        p = part[n].data;
        last = p + part[n].len;

        while (last - p >= GATE_CLAIM_NAME
               && (p = memchr(p, ';', last - p)) != NULL)
        {
            p++;

            claim = gate_claim_line(leaf, at + (p - part[n].data));
            if (claim != NULL) {
                return claim;
            }
        }

        /* a colon stands before the value */

        at += part[n].len + (n == 1);
    }

    return NULL;
}


static const gate_claim_t *
gate_claim_line(const gate_leaf_t *leaf, size_t at)
{
    unsigned             i;
    gate_str_t           line, text;
    unsigned char        head[GATE_CLAIM_HEAD];
    const gate_claim_t  *claim;

    static const gate_str_t  colon = gate_string(":");
    static const gate_str_t  status = gate_string("status:");

    line.len = gate_claim_head(leaf, at, head);
    line.data = head;

    for (i = 0; i < sizeof(gate_claims) / sizeof(gate_claims[0]); i++) {
        claim = &gate_claims[i];
        text = line;

        if (!gate_claim_skip(&text, claim->object)) {
            continue;
        }

        if (claim->list) {

            while (text.len && gate_is_digit(*text.data)) {
                text.data++;
                text.len--;
            }

            if (!gate_claim_skip(&text, colon)) {
                continue;
            }
        }

        if (gate_claim_skip(&text, status)) {
            return claim;
        }
    }

    return NULL;
}


/* the first bytes of what the leaf's line has from there on */

static size_t
gate_claim_head(const gate_leaf_t *leaf, size_t at, unsigned char *head)
{
    size_t      len, size;
    unsigned    n;
    gate_str_t  part[4];

    static const gate_str_t  colon = gate_string(":");

    part[0] = leaf->prefix;
    part[1] = leaf->path;
    part[2] = colon;
    part[3] = leaf->value;

    len = 0;

    for (n = 0; n < 4 && len < GATE_CLAIM_HEAD; n++) {

        if (at >= part[n].len) {
            at -= part[n].len;
            continue;
        }

        size = part[n].len - at;

        if (size > GATE_CLAIM_HEAD - len) {
            size = GATE_CLAIM_HEAD - len;
        }

        memcpy(head + len, part[n].data + at, size);

        len += size;
        at = 0;
    }

    return len;
}


static unsigned
gate_claim_skip(gate_str_t *text, gate_str_t word)
{
    if (text->len < word.len || memcmp(text->data, word.data, word.len) != 0) {
        return 0;
    }

    text->data += word.len;
    text->len -= word.len;

    return 1;
}
