
/*
 * Copyright (C) nginx-gate authors
 *
 * What filters leave to be done once they have returned.
 */


#ifndef _NGX_HTTP_GATE_FINISH_H_INCLUDED_
#define _NGX_HTTP_GATE_FINISH_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * SERVER_REWRITE handler: takes note of subrequests.
 */
ngx_int_t ngx_http_gate_branch_handler(ngx_http_request_t *r);

/*
 * Has ngx_http_gate_finish.c look, from a posted event, after what is left to
 * be done for the request.
 */
void ngx_http_gate_finish(ngx_http_gate_ctx_t *ctx);

/*
 * As the request is over, with the context's cleanup: counts it, and tells
 * what was not told so far.
 */
void ngx_http_gate_finish_end(ngx_http_gate_ctx_t *ctx);

/*
 * So many bytes of an answer came that was replaced.
 */
void ngx_http_gate_finish_rest(ngx_http_gate_ctx_t *ctx, off_t size);


#endif /* _NGX_HTTP_GATE_FINISH_H_INCLUDED_ */
