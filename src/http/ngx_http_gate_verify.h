
/*
 * Copyright (C) nginx-gate authors
 *
 * Signatures of Gate, of its callbacks and of its answers.
 */


#ifndef _NGX_HTTP_GATE_VERIFY_H_INCLUDED_
#define _NGX_HTTP_GATE_VERIFY_H_INCLUDED_


#include "gate_canon.h"
#include "gate_sign.h"

#include "ngx_http_gate_ctx.h"


/*
 * Verifies with the keys of ctx->project.  Returns NGX_HTTP_GATE_OK with canon
 * and verified set, or why not; a document that has no canonical string is
 * NGX_HTTP_GATE_BAD_CALLBACK.
 */
ngx_http_gate_result_e ngx_http_gate_verify_signature(
    ngx_http_gate_ctx_t *ctx, gate_pool_t *pool, gate_doc_t *doc,
    gate_canon_t *canon, gate_verified_t *verified);


#endif /* _NGX_HTTP_GATE_VERIFY_H_INCLUDED_ */
