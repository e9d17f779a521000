
/*
 * Copyright (C) nginx-gate authors
 *
 * A request's context, from its first handler to its last cleanup.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_safe.h"

#include "ngx_http_gate_ctx.h"


_Static_assert(NGX_HTTP_GATE_CTX_READING < NGX_HTTP_GATE_CTX_REFUSED
               && NGX_HTTP_GATE_CTX_WAITING < NGX_HTTP_GATE_CTX_REFUSED,
               "what is not decided comes first");
_Static_assert(NGX_HTTP_GATE_CTX_REFUSED < NGX_HTTP_GATE_CTX_PASSED
               && NGX_HTTP_GATE_CTX_PASSED < NGX_HTTP_GATE_CTX_ANSWERED,
               "what has passed comes last");


static void ngx_http_gate_ctx_cleanup(void *data);
static ngx_uint_t ngx_http_gate_ctx_may_move(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_ctx_state_e state);


ngx_http_gate_ctx_t *
ngx_http_gate_get_ctx(ngx_http_request_t *r)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_gate_ctx_t  *ctx;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_http_gate_module);

    if (ctx != NULL || (!r->internal && !r->filter_finalize)) {
        return ctx;
    }

    /* an internal redirect has cleared r->ctx, but not the pool */

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_http_gate_ctx_cleanup) {
            ctx = cln->data;
            ngx_http_set_ctx(r, ctx, ngx_http_gate_module);
            return ctx;
        }
    }

    return NULL;
}


ngx_http_gate_ctx_t *
ngx_http_gate_create_ctx(ngx_http_request_t *r, ngx_http_gate_end_pt end)
{
    ngx_pool_cleanup_t   *cln;
    ngx_http_gate_ctx_t  *ctx;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_gate_ctx_t));
    if (cln == NULL) {
        return NULL;
    }

    cln->handler = ngx_http_gate_ctx_cleanup;

    ctx = cln->data;
    ngx_memzero(ctx, sizeof(ngx_http_gate_ctx_t));

    ctx->request = r;
    ctx->end = end;
    ctx->status = NGX_DONE;

    ngx_http_set_ctx(r, ctx, ngx_http_gate_module);

    return ctx;
}


/* also marks the context in the pool's list, see ngx_http_gate_get_ctx() */

static void
ngx_http_gate_ctx_cleanup(void *data)
{
    ngx_http_gate_ctx_t *ctx = data;

    ctx->end(ctx);
}


void
ngx_http_gate_ctx_move(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_ctx_state_e state)
{
    ngx_log_t  *log;

    log = ctx->request->connection->log;

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, log, 0,
                   "gate ctx move: %d to %d", (int) ctx->state, (int) state);

    if (!ngx_http_gate_ctx_may_move(ctx, state)) {
        ngx_log_error(NGX_LOG_ALERT, log, 0,
                      "%s \"%V\" moves from state %d to %d",
                      ctx->inbound ? "callback" : "payout", &ctx->payment_id,
                      (int) ctx->state, (int) state);

#if (NGX_DEBUG)
        ngx_debug_point();
#endif

        if (ngx_http_gate_ctx_passed(ctx)) {
            return;
        }
    }

    ctx->state = state;
}


static ngx_uint_t
ngx_http_gate_ctx_may_move(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_ctx_state_e state)
{
    switch (state) {

    case NGX_HTTP_GATE_CTX_WAITING:
        return ctx->state == NGX_HTTP_GATE_CTX_READING;

    case NGX_HTTP_GATE_CTX_REFUSED:
        return !ngx_http_gate_ctx_decided(ctx)
               || (ngx_http_gate_ctx_passed(ctx) && ctx->inbound);

    case NGX_HTTP_GATE_CTX_PASSED:
        return !ngx_http_gate_ctx_decided(ctx);

    case NGX_HTTP_GATE_CTX_ANSWERED:
        return ctx->state == NGX_HTTP_GATE_CTX_PASSED;

    default: /* NGX_HTTP_GATE_CTX_READING */
        return 0;
    }
}


ngx_http_gate_result_e
ngx_http_gate_ctx_result(ngx_http_gate_ctx_t *ctx)
{
    return ngx_http_gate_ctx_decided(ctx) ? ctx->result
                                          : NGX_HTTP_GATE_CLIENT_LEFT;
}


ngx_int_t
ngx_http_gate_safe_text(ngx_pool_t *pool, ngx_str_t *dst, gate_str_t *src)
{
    size_t  size;

    size = GATE_SAFE_MAX(src->len);

    dst->data = ngx_pnalloc(pool, size + 1);
    if (dst->data == NULL) {
        return NGX_ERROR;
    }

    dst->len = gate_safe(dst->data, size, src->data, src->len);

    return NGX_OK;
}
