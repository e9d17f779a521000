
/*
 * Copyright (C) nginx-gate authors
 *
 * Waiting for a request's body, and for Redis.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_reply.h"
#include "ngx_http_gate_wait.h"


static void ngx_http_gate_body_handler(ngx_http_request_t *r);
static void ngx_http_gate_wait(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_flag_t ngx_http_gate_ignores_abort(ngx_http_request_t *r);
static void ngx_http_gate_resume_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_gate_read_body(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_step_pt step)
{
    ngx_int_t  rc;

    ctx->wait.step = step;

    rc = ngx_http_read_client_request_body(r, ngx_http_gate_body_handler);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    ngx_http_finalize_request(r, NGX_DONE);

    return NGX_DONE;
}


static void
ngx_http_gate_body_handler(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_get_ctx(r);

    ctx->status = ctx->wait.step(r, ctx);

    if (ctx->status == NGX_AGAIN) {
        ctx->wait.asked = ngx_http_gate_usec();
        ngx_http_gate_wait(r, ctx);
        return;
    }

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);
}


/*
 * A client that leaves is noticed: the context's cleanup ends the waiting.
 * Not where proxy_pass would not care: one that only shuts its side down still
 * waits for the answer.
 */

static void
ngx_http_gate_wait(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    ctx->wait.uri_changes = r->uri_changes;

    r->write_event_handler = ngx_http_request_empty_handler;

    if (ngx_http_gate_ignores_abort(r)) {
        r->read_event_handler = ngx_http_block_reading;
        return;
    }

    r->read_event_handler = ngx_http_test_reading;

    /* one that has left before causes no other event */

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);
        return;
    }

    if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        ctx->status = ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_INTERNAL);
        r->write_event_handler = ngx_http_core_run_phases;
        ngx_http_core_run_phases(r);
    }
}


void
ngx_http_gate_find_proxy(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf)
{
    ngx_uint_t      i;
    ngx_module_t   *m;
    ngx_command_t  *cmd;

    static ngx_str_t  name = ngx_string("proxy_ignore_client_abort");

    for (i = 0; i < cf->cycle->modules_n; i++) {
        m = cf->cycle->modules[i];

        if (m->type != NGX_HTTP_MODULE || m->commands == NULL
            || ngx_strcmp(m->name, "ngx_http_proxy_module") != 0)
        {
            continue;
        }

        for (cmd = m->commands; cmd->name.len; cmd++) {
            if (cmd->name.len == name.len
                && ngx_strncmp(cmd->name.data, name.data, name.len) == 0
                && cmd->set == ngx_conf_set_flag_slot
                && cmd->conf == NGX_HTTP_LOC_CONF_OFFSET)
            {
                gmcf->proxy = m;
                gmcf->ignore_abort = cmd;
                return;
            }
        }
    }
}


/* a location without a content handler has no proxy_pass */

static ngx_flag_t
ngx_http_gate_ignores_abort(ngx_http_request_t *r)
{
    char                       *conf;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);
    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (gmcf->proxy == NULL || clcf->handler == NULL) {
        return 0;
    }

    conf = r->loc_conf[gmcf->proxy->ctx_index];

    return *(ngx_flag_t *) (conf + gmcf->ignore_abort->offset);
}


void
ngx_http_gate_wake(ngx_http_gate_ctx_t *ctx, ngx_http_gate_step_pt step)
{
    ctx->wait.step = step;

    if (ctx->wait.asked) {
        ctx->wait.redis_usec = ngx_http_gate_usec() - ctx->wait.asked;
    }

    ctx->wait.resume.handler = ngx_http_gate_resume_handler;
    ctx->wait.resume.data = ctx;
    ctx->wait.resume.log = ctx->request->connection->log;

    ngx_post_event(&ctx->wait.resume, &ngx_posted_events);
}


static void
ngx_http_gate_resume_handler(ngx_event_t *ev)
{
    ngx_http_gate_ctx_t *ctx = ev->data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, c->log, 0,
                   "gate resume: %d", (int) ctx->result);

    /*
     * refused while it waited; or its client has left, and a post_action took
     * it elsewhere: nothing is left to be done
     */

    if (ngx_http_gate_ctx_decided(ctx)
        || r->uri_changes != ctx->wait.uri_changes)
    {
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    ctx->status = ctx->wait.step(r, ctx);

    r->write_event_handler = ngx_http_core_run_phases;
    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}
