
/*
 * Copyright (C) nginx-gate authors
 *
 * gate_verify_response: answers of Gate that are signed are held back until
 * they are verified.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_answer.h"
#include "gate_error.h"
#include "gate_shape.h"

#include "ngx_http_gate_outcome.h"
#include "ngx_http_gate_proof.h"
#include "ngx_http_gate_reply.h"
#include "ngx_http_gate_verify.h"


/* an answer of /v2/payment/status has some 2 KB */

#define NGX_HTTP_GATE_PROOF_MAX  65536


static char *ngx_http_gate_proof_unfit(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_proof_collect(ngx_buf_t *held,
    ngx_chain_t *in, ngx_uint_t *last);
static ngx_uint_t ngx_http_gate_proof_cut(ngx_http_request_t *r,
    ngx_chain_t *in);
static char *ngx_http_gate_proof_check(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static char *ngx_http_gate_proof_verify(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, gate_pool_t *pool, gate_str_t text);
static char *ngx_http_gate_proof_misfit(ngx_http_gate_ctx_t *ctx,
    gate_doc_t *doc, gate_canon_t *canon, gate_verified_t *verified);
static char *ngx_http_gate_proof_read(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, gate_doc_t *doc);
static void ngx_http_gate_proof_unread(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, gate_err_t *err);
static char *ngx_http_gate_proof_settle(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, gate_callback_t *callback, gate_doc_t *doc);
static ngx_int_t ngx_http_gate_proof_refuse(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_result_e result, char *reason);


void
ngx_http_gate_proof_expect(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t       *ctx;
    ngx_http_gate_loc_conf_t  *glcf;

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx == NULL || !ngx_http_gate_ctx_passed(ctx) || ctx->inbound) {
        return;
    }

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    /* a post_action has the signed body, too, and may lead anywhere */

    if (r->post_action && glcf->sign == NULL && ctx->out.copy != NULL) {
        ctx->out.shared = 1;
    }

    if (glcf->verify_response) {
        ctx->gate.verify = 1;
    }

    if (ctx->gate.verify || ctx->out.copy != NULL) {
        ngx_http_gate_outcome_plain(r);
    }
}


/*
 * An HTTP error passes as what it is: nobody takes it for the state of a
 * payment.
 */

ngx_int_t
ngx_http_gate_proof_header(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    char   *reason;
    off_t   size;

    /* what Gate has said of another payout must not be taken for the answer */

    if (ngx_http_gate_outcome_cached(r)
        && gate_endpoint_money(ctx->out.endpoint))
    {
        return ngx_http_gate_proof_refuse(r, ctx, NGX_HTTP_GATE_UPSTREAM_ERROR,
                                          "it comes from a cache, and nothing "
                                          "may be cached for payouts");
    }

    if (!ctx->gate.verify || r->headers_out.status >= NGX_HTTP_BAD_REQUEST) {
        return NGX_DECLINED;
    }

    reason = ngx_http_gate_proof_unfit(r);

    if (reason != NULL) {
        return ngx_http_gate_proof_refuse(r, ctx, NGX_HTTP_GATE_BAD_ANSWER,
                                          reason);
    }

    size = r->headers_out.content_length_n;

    if (size < 0) {
        size = NGX_HTTP_GATE_PROOF_MAX;
    }

    ctx->gate.held = ngx_create_temp_buf(r->pool, (size_t) size + 1);
    if (ctx->gate.held == NULL) {
        return NGX_ERROR;
    }

    r->filter_need_in_memory = 1;

    return NGX_AGAIN;
}


static char *
ngx_http_gate_proof_unfit(ngx_http_request_t *r)
{
    ngx_uint_t  status;

    status = ngx_http_gate_outcome_own(r);

    if (status == 0 || status != r->headers_out.status) {
        return "it is not Gate's";
    }

    if (r->headers_out.status != NGX_HTTP_OK) {
        return "its status is neither 200 nor an error";
    }

    if (r->headers_out.content_encoding != NULL
        && r->headers_out.content_encoding->hash)
    {
        return "it is compressed";
    }

    if (r->headers_out.content_length_n > NGX_HTTP_GATE_PROOF_MAX) {
        return "it is too large";
    }

    return NULL;
}


/*
 * Returns NGX_AGAIN while the answer is not complete; then NGX_OK, with
 * headers and ctx->reply.answer ready to be sent; or NGX_ERROR.
 */

ngx_int_t
ngx_http_gate_proof_body(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_chain_t *in)
{
    char        *reason;
    ngx_buf_t   *held;
    ngx_uint_t   last;

    held = ctx->gate.held;

    if (ngx_http_gate_proof_cut(r, in)) {
        return ngx_http_gate_proof_refuse(r, ctx,
                                          NGX_HTTP_GATE_UPSTREAM_ERROR,
                                          "it is not complete");
    }

    if (ngx_http_gate_proof_collect(held, in, &last) != NGX_OK) {
        return ngx_http_gate_proof_refuse(r, ctx, NGX_HTTP_GATE_BAD_ANSWER,
                                          "it is too large");
    }

    if (!last) {
        return NGX_AGAIN;
    }

    reason = ngx_http_gate_proof_check(r, ctx);

    if (reason != NULL) {
        return ngx_http_gate_proof_refuse(r, ctx, NGX_HTTP_GATE_BAD_ANSWER,
                                          reason);
    }

    held->last_buf = 1;
    held->last_in_chain = 1;

    ctx->gate.held = NULL;
    ctx->reply.answer = held;
    ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_ANSWERED);

    ngx_http_clear_content_length(r);
    r->headers_out.content_length_n = held->last - held->pos;

    return NGX_OK;
}


/* nginx gives up an answer that ends too early: a flush, and no end */

static ngx_uint_t
ngx_http_gate_proof_cut(ngx_http_request_t *r, ngx_chain_t *in)
{
    if (ngx_http_gate_outcome_own(r)) {
        return 0;
    }

    for ( /* void */ ; in; in = in->next) {
        if (in->buf->last_buf) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_http_gate_proof_collect(ngx_buf_t *held, ngx_chain_t *in,
    ngx_uint_t *last)
{
    size_t      size;
    ngx_buf_t  *b;

    *last = 0;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (b->last_buf) {
            *last = 1;
        }

        if (ngx_buf_special(b)) {
            continue;
        }

        if (!ngx_buf_in_memory(b)) {
            return NGX_DECLINED;
        }

        size = b->last - b->pos;

        /* a byte more than the answer can have was allocated */

        if (size >= (size_t) (held->end - held->last)) {
            return NGX_DECLINED;
        }

        held->last = ngx_cpymem(held->last, b->pos, size);
        b->pos = b->last;
    }

    return NGX_OK;
}


/* NULL: the answer may pass */

static char *
ngx_http_gate_proof_check(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    char                       *reason;
    gate_str_t                  text;
    gate_pool_t                 pool;
    ngx_http_gate_main_conf_t  *gmcf;

    text.data = ctx->gate.held->pos;
    text.len = ctx->gate.held->last - ctx->gate.held->pos;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    gate_pool_init(&pool, gmcf->scratch, NGX_HTTP_GATE_SCRATCH);

    reason = ngx_http_gate_proof_verify(r, ctx, &pool, text);

    gate_pool_reset(&pool);

    return reason;
}


static char *
ngx_http_gate_proof_verify(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_pool_t *pool, gate_str_t text)
{
    char                      *reason;
    uint32_t                   id;
    gate_doc_t                 doc;
    gate_err_t                 err;
    gate_canon_t               canon;
    gate_verified_t            verified;
    ngx_http_gate_result_e     result;
    ngx_http_gate_loc_conf_t  *glcf;

#if (NGX_SUPPRESS_WARN)
    id = 0;
#endif

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (gate_json_parse_values(&doc, pool, text, glcf->max_depth,
                               glcf->max_values, &err)
        != GATE_OK)
    {
        return "it is not acceptable JSON";
    }

    if (gate_callback_project(&doc, &id, &err) != GATE_OK
        || (id != 0 && id != ctx->project->id))
    {
        return "it is of another project";
    }

    result = ngx_http_gate_verify_signature(ctx, pool, &doc, &canon, &verified);

    if (result == NGX_HTTP_GATE_UNSIGNED && gate_answer_nothing(&doc)) {
        return NULL;
    }

    if (result != NGX_HTTP_GATE_OK) {
        return (result == NGX_HTTP_GATE_UNSIGNED)
               ? "it is not signed" : "its signature does not match";
    }

    reason = ngx_http_gate_proof_misfit(ctx, &doc, &canon, &verified);

    if (reason != NULL) {
        return reason;
    }

    return ngx_http_gate_proof_read(r, ctx, &doc);
}


/*
 * Gate signs with the key that requests are signed with.  What has the
 * signature of the request has its canonical string, in whatever members.
 */

static char *
ngx_http_gate_proof_misfit(ngx_http_gate_ctx_t *ctx, gate_doc_t *doc,
    gate_canon_t *canon, gate_verified_t *verified)
{
    gate_err_t  err;

    if (ngx_memcmp(verified->text.data, ctx->out.signature, GATE_SIGNATURE_LEN)
        == 0)
    {
        return "it is the request itself";
    }

    if (gate_endpoint_operation(ctx->out.endpoint) == GATE_OP_STATUS
        && gate_answer_asks(doc))
    {
        return "it is a request, and no answer";
    }

    if (gate_callback_ambiguous(doc, verified->place, &err) != GATE_OK) {
        return "it has members that the signature does not cover";
    }

    if (gate_shape_check(doc, canon, &err) != GATE_OK) {
        return "it could be another answer";
    }

    return NULL;
}


/*
 * One that is signed rightly may still be the answer to another question.  Who
 * says that the payment, or its details, are not there says nothing of its
 * state, whatever stands beside it; and a code that cannot be read could be
 * theirs, for the signature does not tell 3061.0 from "3061".
 */

static char *
ngx_http_gate_proof_read(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_doc_t *doc)
{
    ngx_str_t        id;
    gate_rc_e        rc;
    gate_err_t       err;
    gate_error_t     error;
    gate_callback_t  callback;

    rc = gate_callback_read(doc, &callback, &err);

    if (callback.payment_id.len == 0) {
        return (rc == GATE_OK) ? NULL : "it could not be read";
    }

    if (ngx_http_gate_safe_text(r->pool, &id, &callback.payment_id) != NGX_OK) {
        return "no memory";
    }

    if (ctx->payment_id.len
        && (id.len != ctx->payment_id.len
            || ngx_memcmp(id.data, ctx->payment_id.data, id.len) != 0))
    {
        return "it is of another payment";
    }

    if (gate_endpoint_operation(ctx->out.endpoint) != GATE_OP_STATUS
        || ctx->payment_id.len == 0)
    {
        return NULL;
    }

    if (gate_error_read(doc, &error) != GATE_OK && rc == GATE_OK) {
        rc = GATE_INVALID;
        err.path = "code";
        err.reason = "must be a string or an integer";
    }

    if (error.nothing) {
        return NULL;
    }

    if (rc != GATE_OK) {
        ngx_http_gate_proof_unread(r, ctx, &err);
        return NULL;
    }

    return ngx_http_gate_proof_settle(r, ctx, &callback, doc);
}


static void
ngx_http_gate_proof_unread(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_err_t *err)
{
    ngx_http_gate_count_settlement(ctx->project->series,
                                   NGX_HTTP_GATE_SETTLEMENT_UNREAD);

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "answer to \"%V\" of project \"%V\" passes, but settles "
                  "nothing: it could not be read: %s %s",
                  &ctx->payment_id, &ctx->project->name,
                  err->path, err->reason);
}


static char *
ngx_http_gate_proof_settle(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_callback_t *callback, gate_doc_t *doc)
{
    u_char                      digest[GATE_DIGEST_LEN];
    ngx_http_gate_settle_t      facts;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    if (gmcf->redis == NULL || callback->status == GATE_STATUS_NONE
        || !callback->payout)
    {
        return NULL;
    }

    if (gate_digest_callback(gmcf->digest, doc, digest) != GATE_OK) {
        return "no digest";
    }

    (void) ngx_hex_dump(facts.digest, digest, NGX_HTTP_GATE_DIGEST_HEX / 2);

    facts.project_id = ctx->project->id_text;
    facts.callback = callback;
    facts.unread = 0;
    facts.complete = callback->complete
                     && gate_status_final(callback->status);
    facts.ttl = 0;
    facts.lock = 0;
    ngx_str_null(&facts.stream);
    facts.cap = 0;

    ngx_http_gate_settle_answer(gmcf->ledger, &facts);

    return NULL;
}


/* nothing of what came is left: neither headers nor body */

static ngx_int_t
ngx_http_gate_proof_refuse(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_result_e result, char *reason)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "answer to \"%V\" of project \"%V\" refused: %s",
                  &ctx->payment_id, &ctx->project->name, reason);

    ctx->gate.held = NULL;
    ctx->result = result;

    return ngx_http_gate_reply_replace(r, ctx,
                                       ngx_http_gate_result_status(result));
}
