
/*
 * Copyright (C) nginx-gate authors
 *
 * What a result means to a caller: its word, HTTP status, code and message.
 */


#ifndef _NGX_HTTP_GATE_REPLY_H_INCLUDED_
#define _NGX_HTTP_GATE_REPLY_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * Ends a PRECONTENT handler: logs the refusal once, makes the content handler
 * send it, and returns what the handler must return.  An error_page for the
 * status replaces the answer.
 */
ngx_int_t ngx_http_gate_reply(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_result_e result);

/*
 * Content handler: sends the refusal of ctx.
 */
ngx_int_t ngx_http_gate_reply_handler(ngx_http_request_t *r);

/*
 * Content handler of gate_error: nginx's own errors in the same shape.
 */
ngx_int_t ngx_http_gate_error_handler(ngx_http_request_t *r);

/*
 * The JSON body of ctx->result, all of an answer; or NULL.
 */
ngx_buf_t *ngx_http_gate_reply_body(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);

/*
 * Makes the body above the answer in place of what a server has answered,
 * with the status and nothing of that server's headers: sets ctx->reply.answer,
 * sends nothing.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gate_reply_replace(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_uint_t status);


#endif /* _NGX_HTTP_GATE_REPLY_H_INCLUDED_ */
