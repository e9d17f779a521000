
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


#define GATE_DIGEST_BUF     2048
#define GATE_DIGEST_END     '.'

/* no text is longer than GATE_MAX_TEXT, which has so many bytes */

#define GATE_DIGEST_LENGTH  4

/* beside key and value: the type, and two lengths */

#define GATE_DIGEST_NODE    (1 + 2 * GATE_DIGEST_LENGTH)


struct gate_digest_s {
    EVP_MD          *md;
    EVP_MD_CTX      *ctx;
};


typedef struct {
    EVP_MD_CTX      *ctx;
    uint32_t         signature; /* nodes that are left out */
    uint32_t         project;
    int              rc;        /* of OpenSSL: 1 is success */
    unsigned char   *pos;
    unsigned char    buf[GATE_DIGEST_BUF];
} gate_digest_writer_t;


static gate_rc_e gate_digest_run(gate_digest_t *digest, gate_str_t path,
    const gate_doc_t *doc, uint32_t signature, uint32_t project,
    unsigned char *out);
static void gate_digest_walk(gate_digest_writer_t *writer,
    const gate_doc_t *doc);
static void gate_digest_node(gate_digest_writer_t *writer,
    const gate_node_t *node);
static void gate_digest_end(gate_digest_writer_t *writer);
static unsigned char *gate_digest_copy(unsigned char *p, gate_str_t str);
static unsigned char *gate_digest_length(unsigned char *p, size_t len);
static void gate_digest_put_str(gate_digest_writer_t *writer, gate_str_t str);
static void gate_digest_put(gate_digest_writer_t *writer,
    const unsigned char *p, size_t len);
static void gate_digest_flush(gate_digest_writer_t *writer);


#define gate_digest_room(writer)                                              \
    ((size_t) ((writer)->buf + GATE_DIGEST_BUF - (writer)->pos))


/* by gate_type_e; none is GATE_DIGEST_END */

static const unsigned char  gate_digest_types[] = "nftds{[";


_Static_assert(sizeof(gate_digest_types) - 1 == GATE_ARRAY + 1
               && GATE_FALSE == GATE_NULL + 1 && GATE_TRUE == GATE_FALSE + 1
               && GATE_NUMBER == GATE_TRUE + 1
               && GATE_STRING == GATE_NUMBER + 1
               && GATE_OBJECT == GATE_STRING + 1
               && GATE_ARRAY == GATE_OBJECT + 1,
               "a letter for each type, in their order");


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

    /* no node has the number doc->n */

    writer.ctx = digest->ctx;
    writer.signature = (signature != GATE_NO_NODE) ? signature : doc->n;
    writer.project = (project != GATE_NO_NODE) ? project : doc->n;
    writer.pos = writer.buf;
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
 * Members in the order of their keys, as the parser has chained them; nothing
 * is sorted here.  Each piece says its type and its length, and each container
 * where it ends, so that no two trees are written alike.
 */

static void
gate_digest_walk(gate_digest_writer_t *writer, const gate_doc_t *doc)
{
    uint32_t            i, next;
    const gate_node_t  *nodes;

    nodes = doc->nodes;
    i = 0;

    for ( ;; ) {
        next = GATE_NO_NODE;

        if (i != writer->signature && i != writer->project) {
            gate_digest_node(writer, &nodes[i]);

            if (nodes[i].type >= GATE_OBJECT) {
                next = nodes[i].least;

                if (next == GATE_NO_NODE) {
                    gate_digest_end(writer);
                }
            }
        }

        while (next == GATE_NO_NODE) {

            if (i == 0) {
                return;
            }

            next = nodes[i].after;

            if (next == GATE_NO_NODE) {
                i = nodes[i].parent;
                gate_digest_end(writer);
            }
        }

        i = next;
    }
}


static void
gate_digest_node(gate_digest_writer_t *writer, const gate_node_t *node)
{
    unsigned        valued;
    unsigned char  *p;

    valued = (node->type == GATE_STRING || node->type == GATE_NUMBER);

    if (node->key.len + node->value.len + GATE_DIGEST_NODE
        <= gate_digest_room(writer))
    {
        p = writer->pos;
        *p++ = gate_digest_types[node->type];

        if (node->key.data != NULL) {
            p = gate_digest_copy(p, node->key);
        }

        if (valued) {
            p = gate_digest_copy(p, node->value);
        }

        writer->pos = p;

        return;
    }

    gate_digest_put(writer, &gate_digest_types[node->type], 1);

    if (node->key.data != NULL) {
        gate_digest_put_str(writer, node->key);
    }

    if (valued) {
        gate_digest_put_str(writer, node->value);
    }
}


static void
gate_digest_end(gate_digest_writer_t *writer)
{
    if (gate_digest_room(writer) == 0) {
        gate_digest_flush(writer);
    }

    *writer->pos++ = GATE_DIGEST_END;
}


/* there is room for it */

static unsigned char *
gate_digest_copy(unsigned char *p, gate_str_t str)
{
    p = gate_digest_length(p, str.len);

    memcpy(p, str.data, str.len);

    return p + str.len;
}


/* seven bits in a byte, the lowest first, and all bytes but the last marked */

static unsigned char *
gate_digest_length(unsigned char *p, size_t len)
{
    while (len > 0x7f) {
        *p++ = (unsigned char) (0x80 | (len & 0x7f));
        len >>= 7;
    }

    *p++ = (unsigned char) len;

    return p;
}


static void
gate_digest_put_str(gate_digest_writer_t *writer, gate_str_t str)
{
    unsigned char  len[GATE_DIGEST_LENGTH];

    gate_digest_put(writer, len, gate_digest_length(len, str.len) - len);
    gate_digest_put(writer, str.data, str.len);
}


static void
gate_digest_put(gate_digest_writer_t *writer, const unsigned char *p,
    size_t len)
{
    size_t  n;

    while (len != 0) {

        if (gate_digest_room(writer) == 0) {
            gate_digest_flush(writer);
        }

        n = gate_digest_room(writer);
        n = (len < n) ? len : n;

        memcpy(writer->pos, p, n);
        writer->pos += n;

        p += n;
        len -= n;
    }
}


static void
gate_digest_flush(gate_digest_writer_t *writer)
{
    if (writer->rc == 1) {
        writer->rc = EVP_DigestUpdate(writer->ctx, writer->buf,
                                      writer->pos - writer->buf);
    }

    writer->pos = writer->buf;
}
