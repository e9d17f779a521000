
/*
 * Copyright (C) nginx-gate authors
 *
 * Answers on their way back: what Gate says about a payout, and what Gate is
 * told about its callback.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_module.h"
#include "ngx_http_gate_reply.h"


static ngx_int_t ngx_http_gate_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static void ngx_http_gate_callback_refused(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_cached_answer(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_callback_answer(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_held_body(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_chain_t *in);
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
    ngx_int_t             rc;
    ngx_http_gate_ctx_t  *ctx;

    if (r != r->main) {
        return ngx_http_next_header_filter(r);
    }

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx == NULL || ctx->replace) {
        return ngx_http_next_header_filter(r);
    }

    if (ctx->inbound) {

        if (!ctx->passed) {
            ngx_http_gate_callback_refused(r, ctx);

        } else if (ngx_http_gate_callback_answer(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_http_next_header_filter(r);
    }

    if (!ctx->passed) {
        return ngx_http_next_header_filter(r);
    }

    /*
     * ranges would be cut from a body that is held back before its headers
     * say so, and from one that is read for the ledger
     */

    ngx_http_clear_accept_ranges(r);

    if (ctx->copy != NULL) {
        ngx_http_gate_outcome_header(r, ctx);
    }

    if (ngx_http_gate_outcome_cached(r) && gate_endpoint_money(ctx->endpoint)) {
        rc = ngx_http_gate_cached_answer(r, ctx);

    } else {
        rc = ngx_http_gate_proof_header(r, ctx);
    }

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/* what Gate has said of another payout must not be taken for the answer */

static ngx_int_t
ngx_http_gate_cached_answer(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "answer to \"%V\" of project \"%V\" refused: it comes from "
                  "a cache, and nothing may be cached for payouts",
                  &ctx->payment_id, &ctx->project->name);

    ctx->result = NGX_HTTP_GATE_UPSTREAM_ERROR;

    return ngx_http_gate_reply_replace(r, ctx,
                               ngx_http_gate_result_status(ctx->result));
}


/* whatever an error_page makes of a refusal: Gate must not take it for 200 */

static void
ngx_http_gate_callback_refused(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  status;

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST) {
        return;
    }

    status = ctx->done ? ngx_http_gate_result_status(ctx->result)
                       : NGX_HTTP_BAD_GATEWAY;

    if (status != r->headers_out.status) {
        r->headers_out.status = status;
        r->headers_out.status_line.len = 0;
    }
}


/*
 * Gate takes 200 and nothing else for "delivered".  What the service says
 * besides is not meant for the outside.
 */

static ngx_int_t
ngx_http_gate_callback_answer(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  own, status;

    own = ngx_http_gate_outcome_own(r);
    status = r->headers_out.status;

    if (own >= NGX_HTTP_OK && own < NGX_HTTP_SPECIAL_RESPONSE) {
        status = NGX_HTTP_OK;
        ctx->delivered = 1;

    } else {
        ctx->result = NGX_HTTP_GATE_SERVICE_ERROR;

        ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                      "callback \"%V\" of project \"%V\" not delivered: "
                      "the service answered %ui, Gate will send it again",
                      &ctx->payment_id, &ctx->project->name, status);

        if (status != NGX_HTTP_SERVICE_UNAVAILABLE) {
            status = NGX_HTTP_BAD_GATEWAY;
        }
    }

    /* not later: Gate may come again at once, and the request may linger */

    if (ctx->delivery != NULL) {
        ngx_http_gate_delivery_end(ctx->delivery, ctx->delivered);
        ctx->delivery = NULL;
    }

    return ngx_http_gate_reply_replace(r, ctx, status);
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

    if (ctx->copy != NULL) {
        ngx_http_gate_outcome_body(ctx, in);
    }

    if (ctx->held != NULL) {
        return ngx_http_gate_held_body(r, ctx, in);
    }

    if (!ctx->replace) {
        return ngx_http_next_body_filter(r, in);
    }

    ngx_http_gate_finish_rest(ctx, ngx_http_gate_swallow(in));

    if (ctx->replaced) {
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


ngx_int_t
ngx_http_gate_send_answer(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_chain_t  out;

    ctx->replaced = 1;

    out.buf = ctx->answer;
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
