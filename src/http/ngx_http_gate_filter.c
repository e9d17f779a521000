
/*
 * Copyright (C) nginx-gate authors
 *
 * The filters: they hand answers to what decides about them, hold them back,
 * and send others in their place.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_filter.h"
#include "ngx_http_gate_finish.h"
#include "ngx_http_gate_inbound.h"
#include "ngx_http_gate_outbound.h"
#include "ngx_http_gate_outcome.h"
#include "ngx_http_gate_proof.h"


static ngx_int_t ngx_http_gate_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_int_t ngx_http_gate_held_body(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_chain_t *in);
static ngx_int_t ngx_http_gate_send_answer(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static off_t ngx_http_gate_swallow(ngx_chain_t *in);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_http_gate_filter_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_http_gate_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_http_gate_body_filter;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_header_filter(ngx_http_request_t *r)
{
    ngx_int_t                  rc;
    ngx_http_gate_ctx_t       *ctx;
    ngx_http_core_loc_conf_t  *clcf;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx != NULL && ctx->keepalive) {
        clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);
        r->keepalive = (clcf->keepalive_timeout != 0);
    }

    if (ctx != NULL && ctx->lingering) {
        r->lingering_close = 1;
    }

    if (ctx == NULL || ctx->state == NGX_HTTP_GATE_CTX_ANSWERED) {
        return ngx_http_next_header_filter(r);
    }

    ctx->reply.send = ngx_http_gate_send_answer;

    rc = ctx->inbound ? ngx_http_gate_inbound_header(r, ctx)
                      : ngx_http_gate_outbound_header(r, ctx);

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_http_gate_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_http_gate_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_next_body_filter(r, in);
    }

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx == NULL || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    /*
     * the end of an answer is told as soon as filters have returned: the client
     * may send a corrected payout right after it, and the request may linger
     * for seconds
     */

    if (ctx->out.copy != NULL && ngx_http_gate_outcome_body(ctx, in)) {
        ngx_http_gate_finish(ctx);
    }

    if (ctx->gate.held != NULL) {
        return ngx_http_gate_held_body(r, ctx, in);
    }

    if (ctx->state != NGX_HTTP_GATE_CTX_ANSWERED) {
        return ngx_http_next_body_filter(r, in);
    }

    ngx_http_gate_finish_rest(ctx, ngx_http_gate_swallow(in));

    if (ctx->reply.replaced) {
        return ngx_http_next_body_filter(r, NULL);
    }

    return ngx_http_gate_send_answer(r, ctx);
}


static ngx_int_t
ngx_http_gate_held_body(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_chain_t *in)
{
    ngx_int_t  rc;

    rc = ngx_http_gate_proof_body(r, ctx, in);

    (void) ngx_http_gate_swallow(in);

    if (rc != NGX_OK) {
        return (rc == NGX_AGAIN) ? NGX_OK : rc;
    }

    rc = ngx_http_next_header_filter(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_gate_send_answer(r, ctx);
}


static ngx_int_t
ngx_http_gate_send_answer(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_chain_t  out;

    ctx->reply.replaced = 1;

    out.buf = ctx->reply.answer;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


static off_t
ngx_http_gate_swallow(ngx_chain_t *in)
{
    off_t  size;

    for (size = 0; in; in = in->next) {

        size += ngx_buf_size(in->buf);

        in->buf->pos = in->buf->last;
        in->buf->file_pos = in->buf->file_last;
    }

    return size;
}
