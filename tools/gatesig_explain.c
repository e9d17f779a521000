
/*
 * Copyright (C) nginx-gate authors
 *
 * gatesig verify --explain: what was compared, and the likely cause.
 */


#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gatesig_explain.h"


static gate_str_t gatesig_given(const gatesig_t *sig, gate_rc_e reason, const
    gate_verified_t *verified);
static void gatesig_print_compared(gatesig_search_t *search);
static int gatesig_cause_unsigned(gatesig_t *sig);


int
gatesig_explain(gatesig_t *sig, gate_rc_e reason,
    const gate_verified_t *verified)
{
    int               rc;
    gatesig_search_t  search;

    memset(&search, 0, sizeof(gatesig_search_t));

    search.sig = sig;
    search.given = gatesig_given(sig, reason, verified);

    gatesig_print_compared(&search);

    if (reason == GATE_UNSIGNED) {
        return gatesig_cause_unsigned(sig);
    }

    if (reason == GATE_OK) {

        if (!sig->args.any_order && verified->order != sig->args.order) {
            gatesig_cause("it was made over the lines in %s order",
                          verified->order == GATE_ORDER_BYTES ? "byte"
                                                              : "natural");
        }

        return GATESIG_OK;
    }

    rc = gatesig_search(&search);

    OPENSSL_cleanse(search.wanted, GATE_SIGNATURE_LEN);

    if (search.failed) {
        return gatesig_fail("--explain", "out of memory, or OpenSSL failed");
    }

    if (!rc) {
        gatesig_cause("not found.  No usual mistake gives it with %s: it was "
                      "made with another key, or a value was changed, or a "
                      "member taken away", sig->args.nkeys > 1
                                           ? "these keys" : "this key");
    }

    return GATESIG_OK;
}


static gate_str_t
gatesig_given(const gatesig_t *sig, gate_rc_e reason,
    const gate_verified_t *verified)
{
    uint32_t           i;
    gate_str_t         text;
    const gate_doc_t  *doc;

    text.len = 0;
    text.data = (const unsigned char *) "";

    if (reason == GATE_UNSIGNED) {
        return text;
    }

    doc = &sig->doc;
    i = (verified->place == GATE_AT_TOP)
        ? 0 : gate_json_member(doc, 0, "general", 7);
    i = gate_json_member(doc, i, "signature", 9);

    if (doc->nodes[i].type == GATE_STRING) {
        return doc->nodes[i].value;
    }

    text.data = doc->text.data + doc->nodes[i].start;
    text.len = doc->nodes[i].end - doc->nodes[i].start;

    return text;
}


static void
gatesig_print_compared(gatesig_search_t *search)
{
    unsigned       i;
    gatesig_t     *sig;
    gate_str_t     text;
    unsigned char  signature[GATE_SIGNATURE_LEN];

    sig = search->sig;

    (void) gate_canon_sort(&sig->canon, sig->args.order);

    fputs("canonical string: ", stdout);
    (void) gate_canon_write(&sig->canon, gatesig_safe_sink, stdout);
    fputs("\n", stdout);

    if (search->given.len != 0) {
        gatesig_print("given signature", search->given);
    }

    for (i = 0; i < sig->args.nkeys; i++) {

        if (gate_sign(sig->keys[i], &sig->canon, signature) != GATE_OK) {
            search->failed = 1;
            return;
        }

        text.data = signature;
        text.len = GATE_SIGNATURE_LEN;

        printf("with %s: ", sig->args.key_files[i]);
        gatesig_print("expected signature", text);
    }
}


/* perhaps there is one where nobody looks for it */

static int
gatesig_cause_unsigned(gatesig_t *sig)
{
    char                path[GATESIG_PATH_SIZE];
    size_t              j;
    uint32_t            i;
    const gate_node_t  *node;

    for (i = 1; i < sig->doc.n; i++) {
        node = &sig->doc.nodes[i];

        if (node->key.data == NULL || node->key.len != 9) {
            continue;
        }

        for (j = 0; j < 9; j++) {
            if (tolower(node->key.data[j]) != "signature"[j]) {
                break;
            }
        }

        if (j == 9) {
            gatesig_path(&sig->doc, i, path, sizeof(path));
            gatesig_cause("there is one at \"%s\", where it does not count",
                          path);
            return GATESIG_OK;
        }
    }

    gatesig_cause("%s", "it was not signed, or the signature was taken away");

    return GATESIG_OK;
}
