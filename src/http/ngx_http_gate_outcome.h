
/*
 * Copyright (C) nginx-gate authors
 *
 * What became of a payout.
 */


#ifndef _NGX_HTTP_GATE_OUTCOME_H_INCLUDED_
#define _NGX_HTTP_GATE_OUTCOME_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * The status of what the server answers to the very request that was sent to
 * it, while that answer is on its way.  0 for all else: an answer from a cache,
 * a page of nginx in place of an answer, the answer to a subrequest, to a
 * post_action, or to what a redirect has made of the request; no answer.
 */
ngx_uint_t ngx_http_gate_outcome_own(ngx_http_request_t *r);

/*
 * Whether a cached answer is on its way: it says nothing of this request.
 */
ngx_uint_t ngx_http_gate_outcome_cached(ngx_http_request_t *r);

/*
 * Gate's answer to a payout in the ledger: it is asked for without
 * compression, read as it passes, and told to the ledger, at the latest with
 * the end of the request.  The body tells whether its end was seen.
 */
void ngx_http_gate_outcome_plain(ngx_http_request_t *r);
void ngx_http_gate_outcome_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
ngx_uint_t ngx_http_gate_outcome_body(ngx_http_gate_ctx_t *ctx,
    ngx_chain_t *in);
void ngx_http_gate_outcome_report(ngx_http_gate_ctx_t *ctx);


#endif /* _NGX_HTTP_GATE_OUTCOME_H_INCLUDED_ */
