
/*
 * Copyright (C) nginx-gate authors
 *
 * What makes two payouts, or two callbacks, the same one.  Canonical strings
 * do not tell: values are not escaped in them, and have no types.
 *
 * Two documents are equal where they are the same JSON value: the same keys,
 * in any order, with values of the same type.  Strings are compared decoded,
 * so that escapes do not matter; numbers as they are written, so that 1, 1.0
 * and 1e0 are three values, as readers may take them for different types.  An
 * empty object, an empty array, null, "" and a member that is absent are five
 * different things.  What is not signed counts like the rest, but for
 *
 *     the signature itself, in the place where it is looked for;
 *     of a payout, project_id, which may be left out: of what project it is,
 *     the caller knows.
 *
 * Digests are not thread-safe: one call at a time.
 */


#ifndef _GATE_DIGEST_H_INCLUDED_
#define _GATE_DIGEST_H_INCLUDED_


#include "gate_splice.h"


#define GATE_DIGEST_LEN  32


typedef struct gate_digest_s  gate_digest_t;


/*
 * Returns NULL on failure.
 */
gate_digest_t *gate_digest_create(void);

/*
 * digest may be NULL.
 */
void gate_digest_destroy(gate_digest_t *digest);

/*
 * Writes GATE_DIGEST_LEN bytes, a SHA-256 that is equal for equal documents on
 * the same path only.  The plan is the one of this document, as the members
 * that it replaces are left out.  Returns GATE_OK or GATE_ERROR.
 */
gate_rc_e gate_digest_payout(gate_digest_t *digest, gate_str_t path,
    const gate_doc_t *doc, const gate_splice_t *splice, unsigned char *out);

/*
 * The same for a callback or a signed answer.
 */
gate_rc_e gate_digest_callback(gate_digest_t *digest, const gate_doc_t *doc,
    unsigned char *out);


#endif /* _GATE_DIGEST_H_INCLUDED_ */
