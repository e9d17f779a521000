
/*
 * Copyright (C) nginx-gate authors
 *
 * Keys, signatures and digests, by OpenSSL.
 */


#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "gate_sign.h"


#define GATE_HMAC_LEN  64


struct gate_key_s {
    EVP_MAC      *mac;
    EVP_MAC_CTX  *ctx;
};


static gate_rc_e gate_sign_update(void *data, const unsigned char *p,
    size_t len);
static gate_rc_e gate_verify_keys(gate_key_t *const *keys, unsigned nkeys,
    const gate_canon_t *canon, gate_str_t signature, unsigned *key);


gate_key_t *
gate_key_create(const unsigned char *secret, size_t len)
{
    char         name[] = "SHA512";
    gate_key_t  *key;
    OSSL_PARAM   params[2];

    if (len == 0) {
        return NULL;
    }

    key = calloc(1, sizeof(gate_key_t));
    if (key == NULL) {
        return NULL;
    }

    key->mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    if (key->mac == NULL) {
        goto failed;
    }

    key->ctx = EVP_MAC_CTX_new(key->mac);
    if (key->ctx == NULL) {
        goto failed;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name,
                                                 0);
    params[1] = OSSL_PARAM_construct_end();

    if (EVP_MAC_init(key->ctx, secret, len, params) == 1) {
        return key;
    }

failed:

    ERR_clear_error();
    gate_key_destroy(key);

    return NULL;
}


void
gate_key_destroy(gate_key_t *key)
{
    if (key == NULL) {
        return;
    }

    /* OpenSSL wipes the keyed state */

    EVP_MAC_CTX_free(key->ctx);
    EVP_MAC_free(key->mac);
    free(key);
}


gate_rc_e
gate_sign(gate_key_t *key, const gate_canon_t *canon,
    unsigned char *signature)
{
    size_t         len;
    gate_rc_e      rc;
    unsigned char  hmac[GATE_HMAC_LEN], base64[GATE_SIGNATURE_LEN + 1];

    rc = GATE_ERROR;

    /* without a key the state goes back to where the key was set */

    if (EVP_MAC_init(key->ctx, NULL, 0, NULL) == 1
        && gate_canon_write(canon, gate_sign_update, key->ctx) == GATE_OK
        && EVP_MAC_final(key->ctx, hmac, &len, GATE_HMAC_LEN) == 1
        && len == GATE_HMAC_LEN)
    {
        (void) EVP_EncodeBlock(base64, hmac, GATE_HMAC_LEN);
        memcpy(signature, base64, GATE_SIGNATURE_LEN);
        rc = GATE_OK;

    } else {
        ERR_clear_error();
    }

    OPENSSL_cleanse(hmac, GATE_HMAC_LEN);
    OPENSSL_cleanse(base64, sizeof(base64));

    return rc;
}


static gate_rc_e
gate_sign_update(void *data, const unsigned char *p, size_t len)
{
    return (EVP_MAC_update(data, p, len) == 1) ? GATE_OK : GATE_ERROR;
}


gate_rc_e
gate_verify(gate_key_t *const *keys, unsigned nkeys, const gate_doc_t *doc,
    gate_canon_t *canon, gate_verified_t *result)
{
    uint32_t            i;
    gate_rc_e           rc;
    const gate_node_t  *node;

    result->order = GATE_ORDER_NATURAL;
    result->key = 0;
    result->place = gate_signature_find(doc, &i);

    if (result->place == GATE_AT_NONE) {
        return GATE_UNSIGNED;
    }

    node = &doc->nodes[i];

    if (node->type != GATE_STRING || node->value.len != GATE_SIGNATURE_LEN) {
        return GATE_MISMATCH;
    }

    result->text = node->value;

    (void) gate_canon_sort(canon, GATE_ORDER_NATURAL);

    rc = gate_verify_keys(keys, nkeys, canon, node->value, &result->key);

    if (rc != GATE_MISMATCH || !gate_canon_sort(canon, GATE_ORDER_BYTES)) {
        return rc;
    }

    result->order = GATE_ORDER_BYTES;

    return gate_verify_keys(keys, nkeys, canon, node->value, &result->key);
}


static gate_rc_e
gate_verify_keys(gate_key_t *const *keys, unsigned nkeys,
    const gate_canon_t *canon, gate_str_t signature, unsigned *key)
{
    unsigned       i;
    gate_rc_e      rc;
    unsigned char  expected[GATE_SIGNATURE_LEN];

    rc = GATE_MISMATCH;

    for (i = 0; i < nkeys && rc == GATE_MISMATCH; i++) {

        if (keys[i] == NULL) {
            continue;
        }

        if (gate_sign(keys[i], canon, expected) != GATE_OK) {
            rc = GATE_ERROR;

        } else if (CRYPTO_memcmp(expected, signature.data, GATE_SIGNATURE_LEN)
                   == 0)
        {
            *key = i;
            rc = GATE_OK;
        }
    }

    OPENSSL_cleanse(expected, GATE_SIGNATURE_LEN);

    return rc;
}


gate_place_e
gate_signature_find(const gate_doc_t *doc, uint32_t *node)
{
    uint32_t  general;

    *node = gate_json_member(doc, 0, "signature", 9);

    if (*node != GATE_NO_NODE) {
        return GATE_AT_TOP;
    }

    general = gate_json_member(doc, 0, "general", 7);

    if (general != GATE_NO_NODE) {
        *node = gate_json_member(doc, general, "signature", 9);
    }

    return (*node != GATE_NO_NODE) ? GATE_AT_GENERAL : GATE_AT_NONE;
}
