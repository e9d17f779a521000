
/*
 * Copyright (C) nginx-gate authors
 *
 * A document written so that no other one is written alike, and hashed.
 */


#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/evp.h>

#include "gate_digest.h"
#include "gate_sign.h"


#define GATE_DIGEST_BUF  1024
#define GATE_DIGEST_END  '.'


struct gate_digest_s {
    EVP_MD          *md;
    EVP_MD_CTX      *ctx;
};


typedef struct {
    EVP_MD_CTX      *ctx;
    uint32_t         signature; /* nodes that are left out */
    uint32_t         project;
    int              rc;        /* of OpenSSL: 1 is success */
    size_t           len;
    unsigned char    buf[GATE_DIGEST_BUF];
} gate_digest_writer_t;


static gate_rc_e gate_digest_run(gate_digest_t *digest, gate_str_t path,
    const gate_doc_t *doc, uint32_t signature, uint32_t project,
    unsigned char *out);
static void gate_digest_walk(gate_digest_writer_t *writer,
    const gate_doc_t *doc);
static unsigned gate_digest_omits(const gate_digest_writer_t *writer,
    uint32_t i);
static void gate_digest_node(gate_digest_writer_t *writer,
    const gate_node_t *node);
static uint32_t gate_digest_first(const gate_doc_t *doc, uint32_t i);
static uint32_t gate_digest_after(const gate_doc_t *doc, uint32_t i);
static void gate_digest_put_str(gate_digest_writer_t *writer, gate_str_t str);
static void gate_digest_put_char(gate_digest_writer_t *writer,
    unsigned char ch);
static void gate_digest_put(gate_digest_writer_t *writer,
    const unsigned char *p, size_t len);
static void gate_digest_flush(gate_digest_writer_t *writer);


/* by gate_type_e; none is GATE_DIGEST_END */

static const unsigned char  gate_digest_types[] = "nftds{[";


gate_digest_t *
gate_digest_create(void)
{
    gate_digest_t  *digest;

    digest = calloc(1, sizeof(gate_digest_t));
    if (digest == NULL) {
        return NULL;
    }

    digest->md = EVP_MD_fetch(NULL, "SHA256", NULL);
    digest->ctx = EVP_MD_CTX_new();

    if (digest->md == NULL || digest->ctx == NULL) {
        ERR_clear_error();
        gate_digest_destroy(digest);
        return NULL;
    }

    return digest;
}


void
gate_digest_destroy(gate_digest_t *digest)
{
    if (digest == NULL) {
        return;
    }

    EVP_MD_CTX_free(digest->ctx);
    EVP_MD_free(digest->md);
    free(digest);
}


gate_rc_e
gate_digest_payout(gate_digest_t *digest, gate_str_t path,
    const gate_doc_t *doc, const gate_splice_t *splice, unsigned char *out)
{
    uint32_t  project;

    project = GATE_NO_NODE;

    if (splice->has_project) {
        project = gate_json_member(doc, splice->container, "project_id", 10);
    }

    return gate_digest_run(digest, path, doc, splice->signature, project, out);
}


gate_rc_e
gate_digest_callback(gate_digest_t *digest, const gate_doc_t *doc,
    unsigned char *out)
{
    uint32_t                 signature;
    static const gate_str_t  none = gate_string("");

    (void) gate_signature_find(doc, &signature);

    return gate_digest_run(digest, none, doc, signature, GATE_NO_NODE, out);
}


static gate_rc_e
gate_digest_run(gate_digest_t *digest, gate_str_t path, const gate_doc_t *doc,
    uint32_t signature, uint32_t project, unsigned char *out)
{
    gate_digest_writer_t  writer;

    writer.ctx = digest->ctx;
    writer.signature = signature;
    writer.project = project;
    writer.len = 0;
    writer.rc = EVP_DigestInit_ex2(digest->ctx, digest->md, NULL);

    gate_digest_put_str(&writer, path);
    gate_digest_walk(&writer, doc);
    gate_digest_flush(&writer);

    if (writer.rc == 1 && EVP_DigestFinal_ex(digest->ctx, out, NULL) == 1) {
        return GATE_OK;
    }

    ERR_clear_error();

    return GATE_ERROR;
}


/*
 * Members in the order of their keys, which the parser has chained; nothing
 * is sorted here.  Each piece says its type and its length, and each container
 * where it ends, so that no two trees are written alike.
 */

static void
gate_digest_walk(gate_digest_writer_t *writer, const gate_doc_t *doc)
{
    uint32_t  i, next;

    i = 0;

    for ( ;; ) {
        next = GATE_NO_NODE;

        if (!gate_digest_omits(writer, i)) {
            gate_digest_node(writer, &doc->nodes[i]);
            next = gate_digest_first(doc, i);
        }

        while (next == GATE_NO_NODE) {

            if (doc->nodes[i].type >= GATE_OBJECT
                && !gate_digest_omits(writer, i))
            {
                gate_digest_put_char(writer, GATE_DIGEST_END);
            }

            if (i == 0) {
                return;
            }

            next = gate_digest_after(doc, i);
            i = doc->nodes[i].parent;
        }

        i = next;
    }
}


static unsigned
gate_digest_omits(const gate_digest_writer_t *writer, uint32_t i)
{
    return i != GATE_NO_NODE
           && (i == writer->signature || i == writer->project);
}


static void
gate_digest_node(gate_digest_writer_t *writer, const gate_node_t *node)
{
    gate_digest_put_char(writer, gate_digest_types[node->type]);

    if (node->key.data != NULL) {
        gate_digest_put_str(writer, node->key);
    }

    if (node->type == GATE_STRING || node->type == GATE_NUMBER) {
        gate_digest_put_str(writer, node->value);
    }
}


static uint32_t
gate_digest_first(const gate_doc_t *doc, uint32_t i)
{
    const gate_node_t  *node;

    node = &doc->nodes[i];

    if (node->type == GATE_OBJECT) {
        return node->least;
    }

    return (node->next != i + 1) ? i + 1 : GATE_NO_NODE;
}


static uint32_t
gate_digest_after(const gate_doc_t *doc, uint32_t i)
{
    const gate_node_t  *node, *parent;

    node = &doc->nodes[i];
    parent = &doc->nodes[node->parent];

    if (parent->type == GATE_OBJECT) {
        return node->after;
    }

    return (node->next != parent->next) ? node->next : GATE_NO_NODE;
}


static void
gate_digest_put_str(gate_digest_writer_t *writer, gate_str_t str)
{
    unsigned char  len[4];

    /* no text is longer than GATE_MAX_TEXT */

    len[0] = (unsigned char) str.len;
    len[1] = (unsigned char) (str.len >> 8);
    len[2] = (unsigned char) (str.len >> 16);
    len[3] = (unsigned char) (str.len >> 24);

    gate_digest_put(writer, len, 4);
    gate_digest_put(writer, str.data, str.len);
}


static void
gate_digest_put_char(gate_digest_writer_t *writer, unsigned char ch)
{
    gate_digest_put(writer, &ch, 1);
}


static void
gate_digest_put(gate_digest_writer_t *writer, const unsigned char *p,
    size_t len)
{
    if (len > GATE_DIGEST_BUF - writer->len) {

        gate_digest_flush(writer);

        if (len > GATE_DIGEST_BUF) {

            if (writer->rc == 1) {
                writer->rc = EVP_DigestUpdate(writer->ctx, p, len);
            }

            return;
        }
    }

    if (len != 0) {
        memcpy(writer->buf + writer->len, p, len);
        writer->len += len;
    }
}


static void
gate_digest_flush(gate_digest_writer_t *writer)
{
    if (writer->rc == 1) {
        writer->rc = EVP_DigestUpdate(writer->ctx, writer->buf, writer->len);
    }

    writer->len = 0;
}
