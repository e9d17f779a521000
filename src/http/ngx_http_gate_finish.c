
/*
 * Copyright (C) nginx-gate authors
 *
 * What filters leave to be done once they and their callers have returned: to
 * tell the outcome of a payout, and to be done with a server whose answer was
 * replaced.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_count.h"
#include "ngx_http_gate_finish.h"
#include "ngx_http_gate_outcome.h"


/*
 * The rest of an answer that nobody gets: a server that writes it in pieces
 * keeps its connection, one that stalls or never ends does not.
 */

#define NGX_HTTP_GATE_REST_TIME  100
#define NGX_HTTP_GATE_REST_MAX   65536


static void ngx_http_gate_finish_cancel(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_finish_handler(ngx_event_t *ev);
static ngx_uint_t ngx_http_gate_finish_alone(ngx_http_gate_ctx_t *ctx);
static void ngx_http_gate_finish_answer(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_uint_t timedout);
static void ngx_http_gate_finish_server(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_int_t rc);


void
ngx_http_gate_finish(ngx_http_gate_ctx_t *ctx)
{
    ctx->reply.finish.handler = ngx_http_gate_finish_handler;
    ctx->reply.finish.data = ctx;
    ctx->reply.finish.log = ctx->request->connection->log;

    ngx_post_event(&ctx->reply.finish, &ngx_posted_events);
}


void
ngx_http_gate_finish_rest(ngx_http_gate_ctx_t *ctx, off_t size)
{
    ctx->reply.rest += size;

    if (ctx->reply.rest > NGX_HTTP_GATE_REST_MAX) {
        ngx_http_gate_finish(ctx);
    }
}


void
ngx_http_gate_finish_end(ngx_http_gate_ctx_t *ctx)
{
    if (ctx->wait.resume.posted) {
        ngx_delete_posted_event(&ctx->wait.resume);
    }

    ngx_http_gate_finish_cancel(ctx);

    ngx_http_gate_count(ctx);

    if (ctx->out.copy != NULL) {
        ngx_http_gate_outcome_report(ctx);
    }

    if (ctx->in.delivery != NULL) {
        ngx_http_gate_delivery_end(ctx->in.delivery, ctx->in.delivered);
    }
}


static void
ngx_http_gate_finish_cancel(ngx_http_gate_ctx_t *ctx)
{
    if (ctx->reply.finish.posted) {
        ngx_delete_posted_event(&ctx->reply.finish);
    }

    if (ctx->reply.finish.timer_set) {
        ngx_del_timer(&ctx->reply.finish);
    }
}


/*
 * Each subrequest comes here as soon as it begins, and has the signed body of
 * the main request: until it is over, or with the main request, nobody knows
 * whether it sends the payout, too.
 */

ngx_int_t
ngx_http_gate_branch_handler(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t  *ctx;

    if (r == r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx != NULL && ctx->out.copy != NULL) {
        ctx->out.branched = 1;
    }

    return NGX_DECLINED;
}


static void
ngx_http_gate_finish_handler(ngx_event_t *ev)
{
    ngx_http_gate_ctx_t *ctx = ev->data;

    ngx_uint_t           timedout;
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    timedout = ev->timedout;
    ev->timedout = 0;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "gate finish: %ui", timedout);

    if (ctx->out.copy != NULL && ctx->gate.end
        && ngx_http_gate_finish_alone(ctx))
    {
        ngx_http_gate_outcome_report(ctx);
    }

    /* the server has ended by itself, or this is a post_action by now */

    if (ctx->reply.server == NULL || ctx->reply.server != r->upstream
        || ctx->reply.server->cleanup == NULL)
    {
        return;
    }

    ngx_http_gate_finish_answer(r, ctx, timedout);

    ngx_http_run_posted_requests(c);
}


/*
 * Nobody else can send the payout any more.  Subrequests have begun by now:
 * nginx starts them before it comes to posted events.
 */

static ngx_uint_t
ngx_http_gate_finish_alone(ngx_http_gate_ctx_t *ctx)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(ctx->request, ngx_http_core_module);

    return !ctx->out.branched && clcf->post_action.data == NULL;
}


/* a server may send no more than headers for a long time */

static void
ngx_http_gate_finish_answer(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_uint_t timedout)
{
    ngx_int_t  rc;

    rc = NGX_OK;

    if (!ctx->reply.replaced) {
        rc = ctx->reply.send(r, ctx);
    }

    /* a thread that writes for the server is waited for, too */

    if (rc != NGX_ERROR
        && ((!timedout && ctx->reply.rest <= NGX_HTTP_GATE_REST_MAX)
            || r->blocked))
    {
        if (!ctx->reply.finish.timer_set) {
            ngx_add_timer(&ctx->reply.finish, NGX_HTTP_GATE_REST_TIME);
        }

        return;
    }

    ngx_http_gate_finish_server(r, ctx, rc == NGX_ERROR ? rc : NGX_OK);
}


/*
 * The server's cleanup would end the request, too: not before the client has
 * got all of the answer.
 */

static void
ngx_http_gate_finish_server(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_int_t rc)
{
    ngx_http_cleanup_pt  cleanup;

    ngx_http_gate_finish_cancel(ctx);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "gate finish server, rest: %O", ctx->reply.rest);

    cleanup = *ctx->reply.server->cleanup;
    ctx->reply.server = NULL;

    r->main->count++;

    cleanup(r);

    ngx_http_finalize_request(r, rc);
}
