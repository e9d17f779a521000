
/*
 * Copyright (C) nginx-gate authors
 *
 * The core behind a pipe, for the property tests: reads questions from stdin
 * and writes answers to stdout until stdin ends.  Numbers have four bytes,
 * the lowest first; a text is its length and its bytes.
 *
 *   question  project_id, top_level, texts of the secret, the path and the
 *             document
 *   answer    code of the parser, offset, text of the reason;  if it is 0 also
 *             canonical string and signature in natural order, the same in
 *             byte order, digest of a callback, verdict, place and order of
 *             gate_verify(), code of gate_splice_plan(), and if that is 0 the
 *             digest of a payout and the new body
 */


#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "test.h"
#include "gate_digest.h"
#include "gate_sign.h"


#define STDIN_MAX  (16 * 1024 * 1024)


static unsigned char *stdin_text(gate_str_t *str);
static int stdin_number(uint32_t *n);
static void stdout_number(size_t n);
static void stdout_text(const void *p, size_t len);
static void stdout_string(gate_key_t *key, const gate_canon_t *canon);
static void stdout_body(gate_key_t *key, const gate_splice_t *splice,
    gate_doc_t *doc, gate_canon_t *canon);
static void stdin_fail(const char *what);

static void stdout_digest(const gate_doc_t *doc, gate_str_t path,
    const gate_splice_t *splice);

static void stdin_answer(uint32_t project, int top_level, gate_str_t secret,
    gate_str_t path, gate_str_t text);
static void stdin_document(gate_pool_t *pool, gate_doc_t *doc,
    gate_canon_t *canon, gate_key_t *key, uint32_t project, int top_level,
    gate_str_t path);


int
main(void)
{
    uint32_t        project, top_level;
    gate_str_t      secret, path, text;
    unsigned char  *secret_data, *path_data, *text_data;

    while (stdin_number(&project)) {

        if (!stdin_number(&top_level)) {
            stdin_fail("a question ends early");
        }

        secret_data = stdin_text(&secret);
        path_data = stdin_text(&path);
        text_data = stdin_text(&text);

        stdin_answer(project, (int) top_level, secret, path, text);

        if (fflush(stdout) != 0) {
            stdin_fail("cannot answer");
        }

        free(text_data);
        free(path_data);
        free(secret_data);
    }

    return 0;
}


static void
stdin_answer(uint32_t project, int top_level, gate_str_t secret,
    gate_str_t path, gate_str_t text)
{
    gate_rc_e      rc;
    gate_doc_t     doc;
    gate_err_t     err;
    gate_key_t    *key;
    gate_pool_t    pool;
    gate_canon_t   canon;

    gate_pool_init(&pool, NULL, 0);

    rc = gate_json_parse(&doc, &pool, text, GATE_MAX_DEPTH, &err);

    if (rc == GATE_OK) {
        rc = gate_canon_build(&canon, &pool, &doc, NULL, GATE_ORDER_NATURAL,
                              &err);
    }

    stdout_number(rc);
    stdout_number(err.offset);
    stdout_text(err.reason, err.reason != NULL ? strlen(err.reason) : 0);

    if (rc == GATE_OK) {
        key = gate_key_create(secret.data, secret.len);

        if (key == NULL) {
            stdin_fail("gate_key_create() failed");
        }

        stdin_document(&pool, &doc, &canon, key, project, top_level, path);
        gate_key_destroy(key);
    }

    gate_pool_reset(&pool);
}


static void
stdin_document(gate_pool_t *pool, gate_doc_t *doc, gate_canon_t *canon,
    gate_key_t *key, uint32_t project, int top_level, gate_str_t path)
{
    gate_rc_e         rc;
    gate_err_t        err;
    gate_splice_t     splice;
    gate_verified_t   result;

    stdout_string(key, canon);
    (void) gate_canon_sort(canon, GATE_ORDER_BYTES);
    stdout_string(key, canon);

    stdout_digest(doc, path, NULL);

    stdout_number(gate_verify(&key, 1, doc, canon, &result));
    stdout_number(result.place);
    stdout_number(result.order);

    rc = gate_splice_plan(&splice, doc, top_level, project, &err);
    stdout_number(rc);

    if (rc != GATE_OK) {
        return;
    }

    stdout_digest(doc, path, &splice);

    if (gate_canon_build(canon, pool, doc, gate_splice_insert(&splice),
                         GATE_ORDER_NATURAL, &err)
        != GATE_OK)
    {
        stdin_fail("gate_canon_build() failed");
    }

    stdout_body(key, &splice, doc, canon);
}


static void
stdout_string(gate_key_t *key, const gate_canon_t *canon)
{
    test_buf_t     buf;
    unsigned char  signature[GATE_SIGNATURE_LEN];

    buf.data = NULL;
    buf.len = 0;

    if (gate_canon_write(canon, test_append, &buf) != GATE_OK
        || gate_sign(key, canon, signature) != GATE_OK)
    {
        stdin_fail("gate_sign() failed");
    }

    stdout_text(buf.data, buf.len);
    stdout_text(signature, GATE_SIGNATURE_LEN);

    free(buf.data);
}


/* of a callback where there is no plan */

static void
stdout_digest(const gate_doc_t *doc, gate_str_t path,
    const gate_splice_t *splice)
{
    gate_rc_e              rc;
    unsigned char          out[GATE_DIGEST_LEN];
    static gate_digest_t  *digest;

    if (digest == NULL) {
        digest = gate_digest_create();

        if (digest == NULL) {
            stdin_fail("gate_digest_create() failed");
        }
    }

    rc = (splice != NULL) ? gate_digest_payout(digest, path, doc, splice, out)
                          : gate_digest_callback(digest, doc, out);

    if (rc != GATE_OK) {
        stdin_fail("a digest failed");
    }

    stdout_text(out, GATE_DIGEST_LEN);
}


static void
stdout_body(gate_key_t *key, const gate_splice_t *splice, gate_doc_t *doc,
    gate_canon_t *canon)
{
    unsigned        i, n;
    gate_str_t      pieces[GATE_SPLICE_PIECES];
    test_buf_t      buf;
    unsigned char   text[GATE_SPLICE_TEXT], signature[GATE_SIGNATURE_LEN];

    if (gate_sign(key, canon, signature) != GATE_OK) {
        stdin_fail("gate_sign() failed");
    }

    n = gate_splice_pieces(splice, doc, signature, text, pieces);

    buf.data = NULL;
    buf.len = 0;

    for (i = 0; i < n; i++) {
        (void) test_append(&buf, pieces[i].data, pieces[i].len);
    }

    stdout_text(buf.data, buf.len);
    free(buf.data);
}


static unsigned char *
stdin_text(gate_str_t *str)
{
    uint32_t        len;
    unsigned char  *p;

    if (!stdin_number(&len) || len > STDIN_MAX) {
        stdin_fail("a text is too long");
    }

    p = malloc(len + (len == 0));

    if (p == NULL || fread(p, 1, len, stdin) != len) {
        stdin_fail("a text ends early");
    }

    str->data = p;
    str->len = len;

    return p;
}


static int
stdin_number(uint32_t *n)
{
    unsigned char  p[4];

    if (fread(p, 1, 4, stdin) != 4) {
        return 0;
    }

    *n = p[0] | (uint32_t) p[1] << 8 | (uint32_t) p[2] << 16
         | (uint32_t) p[3] << 24;

    return 1;
}


static void
stdout_number(size_t n)
{
    unsigned       i;
    unsigned char  p[4];

    for (i = 0; i < 4; i++) {
        p[i] = (unsigned char) (n >> (8 * i));
    }

    (void) fwrite(p, 1, 4, stdout);
}


static void
stdout_text(const void *p, size_t len)
{
    stdout_number(len);

    if (len != 0) {
        (void) fwrite(p, 1, len, stdout);
    }
}


static void
stdin_fail(const char *what)
{
    fprintf(stderr, "canon_stdin: %s\n", what);
    exit(1);
}
