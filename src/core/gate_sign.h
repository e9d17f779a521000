
/*
 * Copyright (C) nginx-gate authors
 *
 * HMAC-SHA512 signatures over canonical strings.  Keys are not thread-safe:
 * one call at a time.
 */


#ifndef _GATE_SIGN_H_INCLUDED_
#define _GATE_SIGN_H_INCLUDED_


#include "gate_canon.h"


#define GATE_SIGNATURE_LEN  88      /* Base64 of 64 bytes */


typedef struct gate_key_s  gate_key_t;


typedef enum {
    GATE_AT_NONE = 0,
    GATE_AT_TOP,            /* "signature" of the top level */
    GATE_AT_GENERAL         /* "signature" of the object "general" */
} gate_place_e;


typedef struct {
    gate_place_e  place;    /* where the signature stood */
    gate_order_e  order;    /* the order it was computed in */
    unsigned      key;      /* index of the key that verified */
    gate_str_t    text;     /* the signature, a part of the document */
} gate_verified_t;


/*
 * Prepares the keyed state, so that a signature costs no key schedule.  The
 * secret is not kept.  Returns NULL on failure or for an empty secret.
 */
gate_key_t *gate_key_create(const unsigned char *secret, size_t len);

/*
 * Wipes and frees; key may be NULL.
 */
void gate_key_destroy(gate_key_t *key);

/*
 * Writes GATE_SIGNATURE_LEN bytes of Base64, no NUL.  Returns GATE_OK or
 * GATE_ERROR.
 */
gate_rc_e gate_sign(gate_key_t *key, const gate_canon_t *canon,
    unsigned char *signature);

/*
 * Compares in constant time with the signature of a document: top level
 * first, "general" where there is none.  Keys are tried in turn in natural
 * order, then in byte order where that gives another string; a NULL key is
 * skipped.  Canon is left sorted as result->order says.
 *
 * Returns GATE_OK with result set, GATE_UNSIGNED, GATE_MISMATCH (a signature
 * that is not a string included), or GATE_ERROR.
 */
gate_rc_e gate_verify(gate_key_t *const *keys, unsigned nkeys,
    const gate_doc_t *doc, gate_canon_t *canon, gate_verified_t *result);

/*
 * Where the signature of a document stands, and its node, or GATE_NO_NODE.
 */
gate_place_e gate_signature_find(const gate_doc_t *doc, uint32_t *node);


#endif /* _GATE_SIGN_H_INCLUDED_ */
