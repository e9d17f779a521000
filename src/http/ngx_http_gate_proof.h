
/*
 * Copyright (C) nginx-gate authors
 *
 * gate_verify_response: answers of Gate that must be signed.
 */


#ifndef _NGX_HTTP_GATE_PROOF_H_INCLUDED_
#define _NGX_HTTP_GATE_PROOF_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * Called by each location that a request comes through on its way to Gate: an
 * answer that one of them wants to be verified stays so, wherever nginx or an
 * answer of Gate's own sends the request afterwards.
 */
void ngx_http_gate_proof_expect(ngx_http_request_t *r);

/*
 * The header filter gets NGX_AGAIN where the answer is
 * held back, NGX_DECLINED where it passes, NGX_OK where it is replaced.
 */
ngx_int_t ngx_http_gate_proof_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
ngx_int_t ngx_http_gate_proof_body(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_chain_t *in);


#endif /* _NGX_HTTP_GATE_PROOF_H_INCLUDED_ */
