
/*
 * Copyright (C) nginx-gate authors
 *
 * What a request that is over adds to the counters.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_count.h"
#include "ngx_http_gate_outcome.h"


static ngx_uint_t ngx_http_gate_count_answer(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_main_conf_t *gmcf, ngx_uint_t result);


void
ngx_http_gate_count(ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t                  result;
    ngx_http_gate_series_t     *series;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_gate_module);

    if (gmcf->metrics == NULL || ctx->state == NGX_HTTP_GATE_CTX_READING) {
        return;
    }

    series = (ctx->project != NULL) ? ctx->project->series : gmcf->strangers;
    result = ngx_http_gate_ctx_result(ctx);

    if (ctx->wait.redis_usec) {
        ngx_http_gate_count_time(gmcf->metrics, NGX_HTTP_GATE_TIME_REDIS,
                                 ctx->wait.redis_usec);
    }

    if (ctx->inbound) {

        /* both are told as "ok": two series must not have the same labels */

        if (result == NGX_HTTP_GATE_STREAMED) {
            result = NGX_HTTP_GATE_OK;
        }

        ngx_http_gate_count_callback(series, ctx->in.status, result);
        return;
    }

    if (ctx->out.dry_run) {
        ngx_http_gate_count_dry_run(series, result);
        result = NGX_HTTP_GATE_OK;
    }

    if (ngx_http_gate_ctx_passed(ctx)) {
        result = ngx_http_gate_count_answer(ctx, gmcf, result);
    }

    ngx_http_gate_count_payout(series, ctx->out.endpoint, result);
    ngx_http_gate_count_amount(series, &ctx->currency, ctx->amount,
                               ngx_http_gate_ctx_passed(ctx));
}


/* what became of a request that went on to Gate */

static ngx_uint_t
ngx_http_gate_count_answer(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_main_conf_t *gmcf, ngx_uint_t result)
{
    ngx_uint_t                  status;
    ngx_http_upstream_t        *u;
    ngx_http_upstream_state_t  *state;

    u = ctx->request->upstream;

    /* nobody was asked, as where Gate's name is not resolved */

    if (u == NULL || u->state == NULL) {
        return NGX_HTTP_GATE_UPSTREAM_ERROR;
    }

    state = u->state;

    if (state->header_time != (ngx_msec_t) -1) {
        ngx_http_gate_count_time(gmcf->metrics, NGX_HTTP_GATE_TIME_GATE,
                                 (uint64_t) state->header_time * 1000);
    }

    /* what stands there may be an answer from a cache, after Gate's failure */

    status = ngx_http_gate_outcome_cached(ctx->request)
             ? 0 : u->headers_in.status_n;

    if (state->status == NGX_HTTP_GATEWAY_TIME_OUT
        && status != NGX_HTTP_GATEWAY_TIME_OUT)
    {
        return NGX_HTTP_GATE_UPSTREAM_TIMEOUT;
    }

    if (status == 0) {
        return NGX_HTTP_GATE_UPSTREAM_ERROR;
    }

    return (status == NGX_HTTP_OK) ? result : NGX_HTTP_GATE_GATE_ERROR;
}
