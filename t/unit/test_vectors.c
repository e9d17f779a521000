
/*
 * Copyright (C) nginx-gate authors
 *
 * Documents with known canonical strings and signatures: t/data/vectors.json,
 * read with the parser that it tests.
 */


#include "test.h"
#include "gate_sign.h"


static char *test_read(const char *path, size_t *len);
static void test_vector(const gate_doc_t *doc, uint32_t vector);


int
main(int argc, char **argv)
{
    char        *text;
    size_t       len;
    uint32_t     i, n, list;
    test_doc_t   file;

    text = test_read(argc > 1 ? argv[1] : "t/data/vectors.json", &len);

    if (text == NULL) {
        fprintf(stderr, "no vectors\n");
        return 1;
    }

    test_parse(&file, text, len, GATE_MAX_DEPTH);
    ok(file.rc == GATE_OK, "the file is read");

    list = gate_json_member(&file.doc, 0, "vectors", 7);
    n = 0;

    if (list != GATE_NO_NODE) {
        for (i = list + 1; i < file.doc.nodes[list].next;
             i = file.doc.nodes[i].next)
        {
            test_vector(&file.doc, i);
            n++;
        }
    }

    ok(n == 63, "%u vectors", (unsigned) n);

    test_free(&file);
    free(text);

    return test_done();
}


static char *
test_read(const char *path, size_t *len)
{
    char   *text;
    FILE   *f;

    f = fopen(path, "rb");
    if (f == NULL) {
        return NULL;
    }

    text = malloc(1024 * 1024);
    *len = fread(text, 1, 1024 * 1024, f);

    fclose(f);

    return text;
}


static gate_str_t
test_member(const gate_doc_t *doc, uint32_t vector, const char *name)
{
    uint32_t           i;
    static gate_str_t  none;

    i = gate_json_member(doc, vector, name, strlen(name));

    return (i != GATE_NO_NODE) ? doc->nodes[i].value : none;
}


/* what a document that carries this signature, another or none must get */

static gate_rc_e
test_verdict(const gate_doc_t *doc, gate_str_t signature)
{
    gate_str_t  carried;

    carried = test_member(doc, 0, "signature");

    if (gate_json_member(doc, 0, "signature", 9) == GATE_NO_NODE) {
        carried = test_member(doc, gate_json_member(doc, 0, "general", 7),
                              "signature");

        if (carried.data == NULL) {
            return GATE_UNSIGNED;
        }
    }

    return test_is(carried, (const char *) signature.data, signature.len)
           ? GATE_OK : GATE_MISMATCH;
}


static void
test_vector(const gate_doc_t *doc, uint32_t vector)
{
    gate_rc_e         rc;
    gate_str_t        name, text, secret, canonical, signature;
    gate_key_t       *key;
    test_buf_t        buf;
    test_doc_t        test;
    gate_canon_t      canon;
    gate_verified_t   result;
    unsigned char     out[GATE_SIGNATURE_LEN];

    name = test_member(doc, vector, "name");
    text = test_member(doc, vector, "document");
    secret = test_member(doc, vector, "secret");
    canonical = test_member(doc, vector, "canonical");
    signature = test_member(doc, vector, "signature");

    test_parse(&test, (const char *) text.data, text.len, GATE_MAX_DEPTH);

    buf.data = calloc(1, 1);
    buf.len = 0;

    rc = test.rc;

    if (rc == GATE_OK) {
        rc = gate_canon_build(&canon, &test.pool, &test.doc, NULL,
                              GATE_ORDER_NATURAL, &test.err);
    }

    if (rc == GATE_OK) {
        rc = gate_canon_write(&canon, test_append, &buf);
    }

    ok(rc == GATE_OK && buf.len == canonical.len
       && memcmp(buf.data, canonical.data, buf.len) == 0,
       "canonical string: %.*s", (int) name.len, name.data);

    free(buf.data);

    key = gate_key_create(secret.data, secret.len);

    ok(rc == GATE_OK && key != NULL && gate_sign(key, &canon, out) == GATE_OK
       && test_is(signature, (char *) out, GATE_SIGNATURE_LEN),
       "signature: %.*s", (int) name.len, name.data);

    rc = (rc == GATE_OK && key != NULL)
         ? gate_verify(&key, 1, &test.doc, &canon, &result) : GATE_ERROR;

    ok(rc == test_verdict(&test.doc, signature), "verified: %.*s",
       (int) name.len, name.data);

    gate_key_destroy(key);
    test_free(&test);
}
