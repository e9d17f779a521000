
/*
 * Copyright (C) nginx-gate authors
 *
 * Callbacks: the PRECONTENT handler of gate_verify, and what Gate is told.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_safe.h"
#include "gate_shape.h"

#include "ngx_http_gate_body.h"
#include "ngx_http_gate_finish.h"
#include "ngx_http_gate_inbound.h"
#include "ngx_http_gate_outcome.h"
#include "ngx_http_gate_reply.h"
#include "ngx_http_gate_verify.h"
#include "ngx_http_gate_wait.h"


static ngx_int_t ngx_http_gate_inbound_again(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_inbound_process(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_http_gate_result_e ngx_http_gate_inbound_verify(
    ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx, gate_pool_t *pool,
    gate_str_t *text);
static ngx_http_gate_project_t *ngx_http_gate_inbound_project(
    ngx_http_request_t *r, uint32_t id);
static ngx_int_t ngx_http_gate_inbound_copy(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, gate_callback_t *callback);
static ngx_http_gate_result_e ngx_http_gate_inbound_settle(
    ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_callback_t *callback, gate_doc_t *doc, gate_str_t *text);
static void ngx_http_gate_inbound_settled(
    ngx_http_gate_settlement_t *settlement, void *data);
static void ngx_http_gate_inbound_tell(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_settlement_t *settlement);
static void ngx_http_gate_inbound_tell_unread(ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_inbound_resume(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_inbound_continue(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_result_e result);
static void ngx_http_gate_inbound_refused(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_inbound_answered(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


ngx_int_t
ngx_http_gate_inbound_handler(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "gate inbound handler");

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx != NULL) {
        return ngx_http_gate_inbound_again(r, ctx);
    }

    ctx = ngx_http_gate_create_ctx(r, ngx_http_gate_finish_end);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->inbound = 1;

    return ngx_http_gate_read_body(r, ctx, ngx_http_gate_inbound_process);
}


static ngx_int_t
ngx_http_gate_inbound_again(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (!ctx->inbound) {
        return NGX_HTTP_FORBIDDEN;
    }

    if (!ngx_http_gate_ctx_decided(ctx) && r->internal) {
        return ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_INTERNAL);
    }

    if (ctx->state == NGX_HTTP_GATE_CTX_REFUSED) {
        r->content_handler = ngx_http_gate_reply_handler;
        return ctx->status;
    }

    /* a redirect must not lead to the service of another project */

    if (r->internal && !ngx_http_gate_verifies_for(r, ctx->project)) {
        return ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_UNKNOWN_PROJECT);
    }

    return ctx->status;
}


static ngx_int_t
ngx_http_gate_inbound_process(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_int_t                   rc;
    gate_str_t                  text;
    gate_pool_t                 pool;
    ngx_http_gate_result_e      result;
    ngx_http_gate_main_conf_t  *gmcf;

    if (r->method != NGX_HTTP_POST) {
        return ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_BAD_METHOD);
    }

    if (ngx_http_gate_body_is_encoded(r)) {
        return ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_BAD_ENCODING);
    }

    rc = ngx_http_gate_body_get(r, &text);

    if (rc != NGX_OK) {
        return ngx_http_gate_reply(r, ctx,
                                   rc == NGX_DECLINED
                                        ? NGX_HTTP_GATE_TOO_LARGE
                                        : NGX_HTTP_GATE_INTERNAL);
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    gate_pool_init(&pool, gmcf->scratch, NGX_HTTP_GATE_SCRATCH);

    result = ngx_http_gate_inbound_verify(r, ctx, &pool, &text);

    gate_pool_reset(&pool);

    if (ctx->state == NGX_HTTP_GATE_CTX_WAITING) {
        return NGX_AGAIN;
    }

    return ngx_http_gate_inbound_continue(r, ctx, result);
}


static ngx_int_t
ngx_http_gate_inbound_continue(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_result_e result)
{
    ngx_http_gate_loc_conf_t  *glcf;

    if (result == NGX_HTTP_GATE_CALLBACK_UNAVAILABLE) {

        glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

        if (glcf->callback_on_error == NGX_HTTP_GATE_ALLOW
            && glcf->stream.len == 0 && ctx->in.delivery != NULL)
        {
            result = NGX_HTTP_GATE_OK;

            if (ctx->in.unread) {
                ngx_http_gate_inbound_tell_unread(ctx);

            } else {
                ngx_http_gate_settle_later(ctx->in.delivery);
            }
        }
    }

    if (result != NGX_HTTP_GATE_OK) {
        return ngx_http_gate_reply(r, ctx, result);
    }

    ctx->result = NGX_HTTP_GATE_OK;
    ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_PASSED);

    return NGX_DECLINED;
}


static ngx_http_gate_result_e
ngx_http_gate_inbound_verify(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_pool_t *pool, gate_str_t *text)
{
    uint32_t                   id;
    gate_rc_e                  rc;
    gate_doc_t                 doc;
    gate_canon_t               canon;
    gate_callback_t            callback;
    gate_verified_t            verified;
    ngx_http_gate_result_e     result;
    ngx_http_gate_loc_conf_t  *glcf;

#if (NGX_SUPPRESS_WARN)
    id = 0;
#endif

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    rc = gate_json_parse_values(&doc, pool, *text, glcf->max_depth,
                                glcf->max_values, &ctx->err);

    if (rc == GATE_VALUES) {
        return NGX_HTTP_GATE_TOO_MANY_VALUES;
    }

    if (rc == GATE_OK) {
        rc = gate_callback_project(&doc, &id, &ctx->err);
    }

    if (rc != GATE_OK) {
        return (rc == GATE_ERROR) ? NGX_HTTP_GATE_INTERNAL
                                  : NGX_HTTP_GATE_BAD_CALLBACK;
    }

    ctx->project = ngx_http_gate_inbound_project(r, id);

    if (ctx->project == NULL) {
        return NGX_HTTP_GATE_UNKNOWN_PROJECT;
    }

    result = ngx_http_gate_verify_signature(ctx, pool, &doc, &canon, &verified);

    if (result != NGX_HTTP_GATE_OK) {
        return result;
    }

    if (gate_callback_ambiguous(&doc, verified.place, &ctx->err) != GATE_OK
        || gate_shape_check(&doc, &canon, &ctx->err) != GATE_OK)
    {
        return NGX_HTTP_GATE_AMBIGUOUS;
    }

    rc = gate_callback_read(&doc, &callback, &ctx->err);

    ctx->in.unread = (rc != GATE_OK);

    if (ngx_http_gate_inbound_copy(r, ctx, &callback) != NGX_OK) {
        return NGX_HTTP_GATE_INTERNAL;
    }

    return ngx_http_gate_inbound_settle(r, ctx, &callback, &doc, text);
}


/*
 * A callback may come without project_id where only one project is accepted:
 * its key still has to verify it.
 */

static ngx_http_gate_project_t *
ngx_http_gate_inbound_project(ngx_http_request_t *r, uint32_t id)
{
    ngx_uint_t                 low, high, i;
    ngx_http_gate_loc_conf_t  *glcf;
    ngx_http_gate_verifier_t  *verifier;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);
    verifier = glcf->verify->elts;

    if (id == 0 && glcf->verify->nelts == 1) {
        return verifier[0].project;
    }

    low = 0;
    high = glcf->verify->nelts;

    while (low < high) {
        i = (low + high) / 2;

        if (verifier[i].project->id == id) {
            return verifier[i].project;
        }

        if (verifier[i].project->id < id) {
            low = i + 1;

        } else {
            high = i;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_http_gate_verifies_for(ngx_http_request_t *r,
    ngx_http_gate_project_t *project)
{
    return ngx_http_gate_inbound_project(r, project->id) == project;
}


static ngx_int_t
ngx_http_gate_inbound_copy(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_callback_t *callback)
{
    ctx->in.status = callback->status;

    if (callback->amount != GATE_NO_AMOUNT) {
        ctx->amount = callback->amount;
    }

    if (ngx_http_gate_safe_text(r->pool, &ctx->payment_id,
                                &callback->payment_id)
        != NGX_OK
        || ngx_http_gate_safe_text(r->pool, &ctx->currency,
                                   &callback->currency)
           != NGX_OK
        || ngx_http_gate_safe_text(r->pool, &ctx->in.status_text,
                                   &callback->status_text)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_gate_safe_text(r->pool, &ctx->in.operation_type,
                                   &callback->operation_type);
}


/* the request waits, where Redis was asked */

static ngx_http_gate_result_e
ngx_http_gate_inbound_settle(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_callback_t *callback, gate_doc_t *doc, gate_str_t *text)
{
    u_char                      digest[GATE_DIGEST_LEN];
    ngx_int_t                   rc;
    ngx_http_gate_settle_t      facts;
    ngx_http_gate_loc_conf_t   *glcf;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    if (gmcf->redis == NULL) {

        if (ctx->in.unread) {
            ngx_http_gate_inbound_tell_unread(ctx);
        }

        return NGX_HTTP_GATE_OK;
    }

    if (gate_digest_callback(gmcf->digest, doc, digest) != GATE_OK) {
        return NGX_HTTP_GATE_INTERNAL;
    }

    (void) ngx_hex_dump(facts.digest, digest, NGX_HTTP_GATE_DIGEST_HEX / 2);

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    facts.project_id = ctx->project->id_text;
    facts.callback = callback;
    facts.unread = ctx->in.unread;
    facts.complete = 0;
    facts.ttl = glcf->deduplicate ? glcf->deduplicate_ttl : 0;
    facts.lock = glcf->deduplicate_lock;
    facts.stream = glcf->stream;
    facts.cap = glcf->stream_cap;
    facts.body = *text;

    rc = ngx_http_gate_settle(gmcf->ledger, &facts,
                              ngx_http_gate_inbound_settled, ctx,
                              &ctx->in.delivery);
    if (rc == NGX_ERROR) {
        return NGX_HTTP_GATE_INTERNAL;
    }

    if (rc == NGX_DECLINED) {
        return NGX_HTTP_GATE_CALLBACK_UNAVAILABLE;
    }

    ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_WAITING);

    return NGX_HTTP_GATE_OK;
}


static void
ngx_http_gate_inbound_settled(ngx_http_gate_settlement_t *settlement,
    void *data)
{
    ngx_http_gate_ctx_t *ctx = data;

#define NGX_HTTP_GATE_SETTLE_RESULT(name, word, result)                       \
        NGX_HTTP_GATE_##result,

    static const ngx_http_gate_result_e  results[] = {
        NGX_HTTP_GATE_SETTLE_TABLE(NGX_HTTP_GATE_SETTLE_RESULT)
    };

#undef NGX_HTTP_GATE_SETTLE_RESULT

    ctx->result = results[settlement->verdict];
    ctx->retry_after = settlement->wait;

    ngx_http_gate_inbound_tell(ctx, settlement);

    ngx_http_gate_wake(ctx, ngx_http_gate_inbound_resume);
}


/* the ledger's news, to the context and to the operator */

static void
ngx_http_gate_inbound_tell(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_settlement_t *settlement)
{
    u_char      from[NGX_HTTP_GATE_SETTLE_WORD];
    size_t      len;
    ngx_log_t  *log;

    log = ctx->request->connection->log;

    ngx_http_gate_settle_log(log, &ctx->payment_id, &ctx->project->name,
                             settlement);

    if (ctx->in.unread) {

        if (settlement->ledger != NGX_HTTP_GATE_SETTLEMENT_NONE) {
            ngx_http_gate_inbound_tell_unread(ctx);
        }

        return;
    }

    ctx->in.settlement = *ngx_http_gate_settlement_word(settlement->ledger);

    ngx_http_gate_count_settlement(ctx->project->series, settlement->ledger);

    ctx->in.stale = (settlement->ledger == NGX_HTTP_GATE_SETTLEMENT_STALE);

    if (ctx->in.stale && settlement->notes.len == 0) {
        len = gate_safe(from, sizeof(from), settlement->from.data,
                        settlement->from.len);

        ngx_log_error(NGX_LOG_NOTICE, log, 0,
                      "callback \"%V\" of project \"%V\" says \"%V\" after "
                      "\"%*s\": it changes nothing",
                      &ctx->payment_id, &ctx->project->name,
                      &ctx->in.status_text, len, from);
    }
}


/* of one that goes on, not of each of its copies */

static void
ngx_http_gate_inbound_tell_unread(ngx_http_gate_ctx_t *ctx)
{
    ctx->in.settlement = *ngx_http_gate_settlement_word(
                                              NGX_HTTP_GATE_SETTLEMENT_UNREAD);

    ngx_http_gate_count_settlement(ctx->project->series,
                                   NGX_HTTP_GATE_SETTLEMENT_UNREAD);

    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "callback \"%V\" of project \"%V\" is passed on, but "
                  "settles nothing: it could not be read: %s %s",
                  &ctx->payment_id, &ctx->project->name,
                  ctx->err.path, ctx->err.reason);
}


static ngx_int_t
ngx_http_gate_inbound_resume(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    return ngx_http_gate_inbound_continue(r, ctx, ctx->result);
}


ngx_int_t
ngx_http_gate_inbound_header(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (ngx_http_gate_ctx_passed(ctx)) {
        return ngx_http_gate_inbound_answered(r, ctx);
    }

    ngx_http_gate_inbound_refused(r, ctx);

    return NGX_OK;
}


/* whatever an error_page makes of a refusal: Gate must not take it for 200 */

static void
ngx_http_gate_inbound_refused(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  status;

    if (r->headers_out.status >= NGX_HTTP_BAD_REQUEST) {
        return;
    }

    status = ngx_http_gate_ctx_decided(ctx)
                 ? ngx_http_gate_result_status(ctx->result)
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
ngx_http_gate_inbound_answered(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  own, status;

    own = ngx_http_gate_outcome_own(r);
    status = r->headers_out.status;

    if (own >= NGX_HTTP_OK && own < NGX_HTTP_SPECIAL_RESPONSE) {
        status = NGX_HTTP_OK;
        ctx->in.delivered = 1;

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

    if (ctx->in.delivery != NULL) {
        ngx_http_gate_delivery_end(ctx->in.delivery, ctx->in.delivered);
        ctx->in.delivery = NULL;
    }

    return ngx_http_gate_reply_replace(r, ctx, status);
}
