
/*
 * Copyright (C) nginx-gate authors
 *
 * The commands of gatesig: what they read, compute and print.
 */


#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "gatesig.h"


static int gatesig_keys(gatesig_t *sig);
static gate_key_t *gatesig_key(const char *path);
static int gatesig_read(gatesig_t *sig);
static int gatesig_prepare(gatesig_t *sig);
static int gatesig_run_canonical(gatesig_t *sig);
static int gatesig_run_sign(gatesig_t *sig);
static int gatesig_run_verify(gatesig_t *sig);
static int gatesig_verdict(gatesig_t *sig, gate_rc_e rc,
    const gate_verified_t *result);
static int gatesig_run_inject(gatesig_t *sig);
static gate_rc_e gatesig_sink(void *data, const unsigned char *p, size_t len);
static int gatesig_refuse(const gatesig_t *sig, gate_rc_e rc);
static const char *gatesig_name(const gatesig_args_t *args);


int
gatesig_run(gatesig_t *sig)
{
    if (gatesig_keys(sig) != GATESIG_OK
        || gatesig_read(sig) != GATESIG_OK
        || gatesig_prepare(sig) != GATESIG_OK)
    {
        return GATESIG_FAILED;
    }

    switch (sig->args.command) {

    case GATESIG_CANONICAL:
        return gatesig_run_canonical(sig);

    case GATESIG_SIGN:
        return gatesig_run_sign(sig);

    case GATESIG_VERIFY:
        return gatesig_run_verify(sig);

    default: /* GATESIG_INJECT */
        return gatesig_run_inject(sig);
    }
}


static int
gatesig_keys(gatesig_t *sig)
{
    unsigned  i;

    for (i = 0; i < sig->args.nkeys; i++) {
        sig->keys[i] = gatesig_key(sig->args.key_files[i]);

        if (sig->keys[i] == NULL) {
            return GATESIG_FAILED;
        }
    }

    return GATESIG_OK;
}


static gate_key_t *
gatesig_key(const char *path)
{
    size_t            len;
    gate_key_t       *key;
    gatesig_secret_t  secret;

    if (gatesig_read_secret(path, &secret) != GATESIG_OK) {
        return NULL;
    }

    key = NULL;
    len = gatesig_secret_len(&secret);

    if (len == 0) {
        (void) gatesig_fail(path, "the key is empty");

    } else if (len > GATESIG_KEY_MAX) {
        (void) gatesig_fail(path, "the key is longer than 4096 bytes");

    } else {
        key = gate_key_create(secret.data, len);

        if (key == NULL) {
            (void) gatesig_fail(path, "the key cannot be prepared");
        }
    }

    OPENSSL_cleanse(&secret, sizeof(gatesig_secret_t));

    return key;
}


static int
gatesig_read(gatesig_t *sig)
{
    FILE        *f;
    gate_rc_e    rc;
    gate_str_t   text;

    f = stdin;

    if (sig->args.file != NULL && strcmp(sig->args.file, "-") != 0) {
        f = fopen(sig->args.file, "rb");

        if (f == NULL) {
            return gatesig_fail(sig->args.file, strerror(errno));
        }
    }

    errno = 0;
    sig->text = gatesig_read_all(f, &text.len);

    if (f != stdin) {
        fclose(f);
    }

    if (sig->text == NULL) {
        return gatesig_fail(gatesig_name(&sig->args), strerror(errno));
    }

    text.data = sig->text;

    rc = gate_json_parse_values(&sig->doc, &sig->pool, text,
                                sig->args.max_depth, sig->args.max_values,
                                &sig->err);

    return (rc == GATE_OK) ? GATESIG_OK : gatesig_refuse(sig, rc);
}


/* what the object will be with project_id */

static int
gatesig_prepare(gatesig_t *sig)
{
    gate_rc_e             rc;
    const gate_insert_t  *insert;

    rc = GATE_OK;
    insert = NULL;

    /* leaves in the order of the document tell which member is which */

    if (sig->args.explain) {
        sig->doc.simple = 0;
    }

    if (sig->args.project_id != 0) {
        rc = gate_splice_plan(&sig->splice, &sig->doc,
                              (int) sig->args.top_level, sig->args.project_id,
                              &sig->err);
        insert = gate_splice_insert(&sig->splice);
    }

    if (rc == GATE_OK) {
        rc = gate_canon_build(&sig->canon, &sig->pool, &sig->doc, insert,
                              sig->args.order, &sig->err);
    }

    return (rc == GATE_OK) ? GATESIG_OK : gatesig_refuse(sig, rc);
}


static int
gatesig_run_canonical(gatesig_t *sig)
{
    if (gate_canon_write(&sig->canon, gatesig_sink, stdout) != GATE_OK
        || (!sig->args.no_newline && putchar('\n') == EOF))
    {
        return gatesig_fail("standard output", strerror(errno));
    }

    return GATESIG_OK;
}


static int
gatesig_run_sign(gatesig_t *sig)
{
    gate_rc_e      rc;
    unsigned char  signature[GATE_SIGNATURE_LEN];

    rc = gate_sign(sig->keys[0], &sig->canon, signature);

    if (rc != GATE_OK) {
        return gatesig_refuse(sig, rc);
    }

    printf("%.*s%s", GATE_SIGNATURE_LEN, (char *) signature,
           sig->args.no_newline ? "" : "\n");

    return GATESIG_OK;
}


static int
gatesig_run_verify(gatesig_t *sig)
{
    int              code;
    gate_rc_e        rc;
    gate_verified_t  result;

    rc = gate_verify(sig->keys, sig->args.nkeys, &sig->doc, &sig->canon,
                     &result);

    if (rc != GATE_OK && rc != GATE_MISMATCH && rc != GATE_UNSIGNED) {
        return gatesig_refuse(sig, rc);
    }

    code = gatesig_verdict(sig, rc, &result);

    if (sig->args.explain
        && gatesig_explain(sig, rc, &result) != GATESIG_OK)
    {
        return GATESIG_FAILED;
    }

    return code;
}


static int
gatesig_verdict(gatesig_t *sig, gate_rc_e rc, const gate_verified_t *result)
{
    const char  *place, *order;

    if (rc == GATE_UNSIGNED) {
        printf("not valid: no signature at the top level or in general\n");
        return GATESIG_INVALID;
    }

    place = (result->place == GATE_AT_TOP) ? "at the top level" : "in general";

    if (rc == GATE_MISMATCH) {
        printf("not valid: signature %s does not match\n", place);
        return GATESIG_INVALID;
    }

    order = (result->order == GATE_ORDER_NATURAL) ? "natural" : "byte";

    if (!sig->args.any_order && result->order != sig->args.order
        && gate_canon_sort(&sig->canon, sig->args.order) != 0)
    {
        printf("not valid: %s order, signature %s\n", order, place);
        return GATESIG_INVALID;
    }

    printf("ok: %s order, signature %s", order, place);

    if (sig->args.nkeys > 1) {
        printf(", key %u", result->key + 1);
    }

    printf("\n");

    return GATESIG_OK;
}


static int
gatesig_run_inject(gatesig_t *sig)
{
    unsigned       i, n;
    gate_rc_e      rc;
    gate_str_t     pieces[GATE_SPLICE_PIECES];
    unsigned char  text[GATE_SPLICE_TEXT], signature[GATE_SIGNATURE_LEN];

    rc = gate_sign(sig->keys[0], &sig->canon, signature);

    if (rc != GATE_OK) {
        return gatesig_refuse(sig, rc);
    }

    n = gate_splice_pieces(&sig->splice, &sig->doc, signature, text, pieces);

    for (i = 0; i < n; i++) {
        if (gatesig_sink(stdout, pieces[i].data, pieces[i].len) != GATE_OK) {
            return gatesig_fail("standard output", strerror(errno));
        }
    }

    return GATESIG_OK;
}


static gate_rc_e
gatesig_sink(void *data, const unsigned char *p, size_t len)
{
    return (fwrite(p, 1, len, data) == len) ? GATE_OK : GATE_ERROR;
}


static int
gatesig_refuse(const gatesig_t *sig, gate_rc_e rc)
{
    const char        *path;
    const gate_err_t  *err;

    err = &sig->err;

    if (rc == GATE_ERROR) {
        return gatesig_fail(gatesig_name(&sig->args),
                            "out of memory, or OpenSSL failed");
    }

    path = (rc != GATE_JSON && rc != GATE_VALUES && err->path != NULL)
           ? err->path : "";

    fprintf(stderr, "gatesig: %s: %s%s%s at byte %lu\n",
            gatesig_name(&sig->args), path, (*path != '\0') ? " " : "",
            err->reason, (unsigned long) err->offset);

    return GATESIG_FAILED;
}


static const char *
gatesig_name(const gatesig_args_t *args)
{
    return (args->file != NULL && strcmp(args->file, "-") != 0)
           ? args->file : "standard input";
}
