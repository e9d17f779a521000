
/*
 * Copyright (C) nginx-gate authors
 *
 * Payouts: the PRECONTENT handler of gate_sign, and the answer of Gate.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_claim.h"
#include "gate_safe.h"
#include "gate_splice.h"

#include "ngx_http_gate_body.h"
#include "ngx_http_gate_finish.h"
#include "ngx_http_gate_outbound.h"
#include "ngx_http_gate_outcome.h"
#include "ngx_http_gate_project.h"
#include "ngx_http_gate_proof.h"
#include "ngx_http_gate_reply.h"
#include "ngx_http_gate_wait.h"


static ngx_int_t ngx_http_gate_outbound_again(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_http_gate_result_e ngx_http_gate_outbound_redirected(
    ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx);
static ngx_uint_t ngx_http_gate_outbound_evades(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_outbound_process(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_http_gate_result_e ngx_http_gate_outbound_check(
    ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_outbound_project(ngx_http_request_t *r,
    ngx_http_gate_project_t **project);
static const gate_endpoint_t *ngx_http_gate_outbound_endpoint(
    ngx_http_request_t *r);
static ngx_http_gate_result_e ngx_http_gate_outbound_sign(
    ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx, gate_pool_t *pool,
    gate_str_t *text);
static ngx_http_gate_result_e ngx_http_gate_outbound_read(
    ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx, gate_doc_t *doc,
    gate_payout_t *payout);
static ngx_int_t ngx_http_gate_outbound_body(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, gate_splice_t *splice, gate_doc_t *doc);
static ngx_http_gate_result_e ngx_http_gate_outbound_reserve(
    ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx, gate_payout_t *payout,
    gate_doc_t *doc, gate_splice_t *splice);
static void ngx_http_gate_outbound_decided(
    ngx_http_gate_decision_t *decision, void *data);
static ngx_http_gate_result_e ngx_http_gate_outbound_verdict(
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_decision_t *decision);
static ngx_int_t ngx_http_gate_outbound_resume(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_outbound_continue(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_result_e result);


ngx_int_t
ngx_http_gate_outbound_handler(ngx_http_request_t *r)
{
    ngx_http_gate_ctx_t  *ctx;

    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, r->connection->log, 0,
                   "gate outbound handler");

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx != NULL) {
        return ngx_http_gate_outbound_again(r, ctx);
    }

    ctx = ngx_http_gate_create_ctx(r, ngx_http_gate_finish_end);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_read_body(r, ctx, ngx_http_gate_outbound_process);
}


static ngx_int_t
ngx_http_gate_outbound_again(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_result_e  result;

    if (ctx->inbound) {
        return NGX_HTTP_FORBIDDEN;
    }

    if (!r->internal) {
        return ctx->status;
    }

    if (!ngx_http_gate_ctx_decided(ctx)) {

        /* an error_page after the body could not be read led here */

        result = (r->err_status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE)
                     ? NGX_HTTP_GATE_TOO_LARGE
                     : NGX_HTTP_GATE_INTERNAL;

        return ngx_http_gate_reply(r, ctx, result);
    }

    if (ctx->state == NGX_HTTP_GATE_CTX_REFUSED) {
        r->content_handler = ngx_http_gate_reply_handler;
        return ctx->status;
    }

    if (r->post_action) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a post_action would send the payout again");

        return NGX_HTTP_FORBIDDEN;
    }

    result = ngx_http_gate_outbound_redirected(r, ctx);

    if (result != NGX_HTTP_GATE_OK) {
        return ngx_http_gate_reply(r, ctx, result);
    }

    return ctx->status;
}


static ngx_http_gate_result_e
ngx_http_gate_outbound_redirected(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_result_e    result;
    ngx_http_gate_project_t  *project;

    if (ngx_http_gate_outbound_project(r, &project) != NGX_OK) {
        return NGX_HTTP_GATE_INTERNAL;
    }

    if (r->method != NGX_HTTP_POST) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a redirect makes a \"%V\" request of the payout",
                      &r->method_name);

        result = NGX_HTTP_GATE_BAD_METHOD;

    } else if (project != ctx->project) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "a redirect leads to a location of another project "
                      "than \"%V\"", &ctx->project->name);

        result = NGX_HTTP_GATE_OTHER_PROJECT;

    } else if (ngx_http_gate_outbound_evades(r, ctx)) {
        result = NGX_HTTP_GATE_INTERNAL;

    } else {
        return NGX_HTTP_GATE_OK;
    }

    /* Gate may have got it before: nobody must believe that it was refused */

    return (r->upstream_states != NULL) ? NGX_HTTP_GATE_UPSTREAM_ERROR
                                        : result;
}


/* limits are checked once, by the first location: it must not be a laxer one */

static ngx_uint_t
ngx_http_gate_outbound_evades(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (ctx->out.enforced || glcf->limits != NGX_HTTP_GATE_LIMITS_ON
        || !gate_endpoint_money(ngx_http_gate_outbound_endpoint(r)))
    {
        return 0;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "a payout came by a redirect to a location with "
                  "\"gate_limits on\" from one without");

    return 1;
}


static ngx_int_t
ngx_http_gate_outbound_process(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx)
{
    uint64_t                    start;
    ngx_int_t                   rc;
    gate_str_t                  text;
    gate_pool_t                 pool;
    ngx_http_gate_result_e      result;
    ngx_http_gate_main_conf_t  *gmcf;

    ctx->out.endpoint = ngx_http_gate_outbound_endpoint(r);

    if (ngx_http_gate_outbound_project(r, &ctx->project) != NGX_OK) {
        return ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_INTERNAL);
    }

    result = ngx_http_gate_outbound_check(r);

    if (result != NGX_HTTP_GATE_OK) {
        return ngx_http_gate_reply(r, ctx, result);
    }

    if (ctx->project == NULL) {
        return ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_UNKNOWN_PROJECT);
    }

    rc = ngx_http_gate_body_get(r, &text);

    if (rc != NGX_OK) {
        return ngx_http_gate_reply(r, ctx,
                                   rc == NGX_DECLINED
                                        ? NGX_HTTP_GATE_TOO_LARGE
                                        : NGX_HTTP_GATE_INTERNAL);
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);
    start = (gmcf->metrics != NULL) ? ngx_http_gate_usec() : 0;

    gate_pool_init(&pool, gmcf->scratch, NGX_HTTP_GATE_SCRATCH);

    result = ngx_http_gate_outbound_sign(r, ctx, &pool, &text);

    gate_pool_reset(&pool);

    if (gmcf->metrics != NULL) {
        ngx_http_gate_count_time(gmcf->metrics, NGX_HTTP_GATE_TIME_SIGN,
                                 ngx_http_gate_usec() - start);
    }

    if (ctx->state == NGX_HTTP_GATE_CTX_WAITING) {
        return NGX_AGAIN;
    }

    return ngx_http_gate_outbound_continue(r, ctx, result);
}


static ngx_int_t
ngx_http_gate_outbound_continue(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_result_e result)
{
    ngx_uint_t                 pass;
    ngx_http_gate_class_e      class;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    class = ngx_http_gate_result_class(result);
    pass = (class == NGX_HTTP_GATE_PASS);

    if (class == NGX_HTTP_GATE_LIMITS || class == NGX_HTTP_GATE_UNCHECKED) {
        ctx->out.dry_run = (glcf->limits == NGX_HTTP_GATE_LIMITS_DRY_RUN);

        pass = ctx->out.dry_run
               || (result == NGX_HTTP_GATE_LIMITS_UNAVAILABLE
                   && glcf->limits_on_error == NGX_HTTP_GATE_ALLOW);
    }

    if (!pass) {
        return ngx_http_gate_reply(r, ctx, result);
    }

    /* not before: what is refused must not be signed, wherever nginx goes */

    if (ngx_http_gate_body_set(r, ctx->out.body) != NGX_OK) {
        return ngx_http_gate_reply(r, ctx, NGX_HTTP_GATE_INTERNAL);
    }

    ctx->result = result;
    ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_PASSED);
    ctx->retry_after = 0;

    ngx_http_gate_proof_expect(r);

    if (class != NGX_HTTP_GATE_PASS) {
        ngx_log_error(NGX_LOG_NOTICE, r->connection->log, 0,
                      "payout \"%V\" of project \"%V\" passes in spite "
                      "of \"%V\"", &ctx->payment_id, &ctx->project->name,
                      ngx_http_gate_result_word(result));
    }

    return NGX_DECLINED;
}


static ngx_http_gate_result_e
ngx_http_gate_outbound_check(ngx_http_request_t *r)
{
    if (r->method != NGX_HTTP_POST) {
        return NGX_HTTP_GATE_BAD_METHOD;
    }

    if (!ngx_http_gate_body_is_json(r)) {
        return NGX_HTTP_GATE_BAD_CONTENT_TYPE;
    }

    if (ngx_http_gate_body_is_encoded(r)) {
        return NGX_HTTP_GATE_BAD_ENCODING;
    }

    return NGX_HTTP_GATE_OK;
}


static ngx_int_t
ngx_http_gate_outbound_project(ngx_http_request_t *r,
    ngx_http_gate_project_t **project)
{
    ngx_str_t                   value;
    ngx_http_gate_loc_conf_t   *glcf;
    ngx_http_gate_main_conf_t  *gmcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (glcf->project != NULL) {
        *project = glcf->project;
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, glcf->sign, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    *project = ngx_http_gate_find_project_any(gmcf, &value);

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_signs_for(ngx_http_request_t *r,
    ngx_http_gate_project_t *project)
{
    ngx_http_gate_project_t  *own;

    return ngx_http_gate_outbound_project(r, &own) == NGX_OK
           && own == project;
}


/*
 * The path is forwarded as the client wrote it: where it is not literally the
 * path that nginx understood, Gate might read another endpoint from it.
 */

static const gate_endpoint_t *
ngx_http_gate_outbound_endpoint(ngx_http_request_t *r)
{
    if (r->valid_unparsed_uri
        && (r->unparsed_uri.len < r->uri.len
            || ngx_strncmp(r->unparsed_uri.data, r->uri.data, r->uri.len) != 0
            || (r->unparsed_uri.len > r->uri.len
                && r->unparsed_uri.data[r->uri.len] != '?')))
    {
        return gate_endpoint_payout();
    }

    return gate_endpoint_find(r->uri.data, r->uri.len);
}


static ngx_http_gate_result_e
ngx_http_gate_outbound_sign(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_pool_t *pool, gate_str_t *text)
{
    gate_rc_e                  rc;
    gate_doc_t                 doc;
    gate_canon_t               canon;
    gate_payout_t              payout;
    gate_splice_t              splice;
    ngx_http_gate_result_e     result;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    rc = gate_json_parse_values(&doc, pool, *text, glcf->max_depth,
                                glcf->max_values, &ctx->err);

    if (rc != GATE_OK) {
        return ngx_http_gate_result_of(rc);
    }

    result = ngx_http_gate_outbound_read(r, ctx, &doc, &payout);

    if (result != NGX_HTTP_GATE_OK) {
        return result;
    }

    rc = gate_splice_plan(&splice, &doc,
                          gate_endpoint_top_level(ctx->out.endpoint),
                          ctx->project->id, &ctx->err);

    if (rc == GATE_OK) {
        rc = gate_canon_build(&canon, pool, &doc, gate_splice_insert(&splice),
                              glcf->sort, &ctx->err);
    }

    if (rc == GATE_OK) {
        rc = gate_claim_check(&doc, &canon, &ctx->err);
    }

    if (rc == GATE_OK) {
        rc = gate_sign(ctx->project->secret.key, &canon,
                       ctx->out.signature);
    }

    if (rc != GATE_OK) {
        return ngx_http_gate_result_of(rc);
    }

    ngx_http_gate_count_secret(ctx->project->series,
                               NGX_HTTP_GATE_SECRET_CURRENT, 0);

    if (ngx_http_gate_outbound_body(r, ctx, &splice, &doc) != NGX_OK) {
        return NGX_HTTP_GATE_INTERNAL;
    }

    return ngx_http_gate_outbound_reserve(r, ctx, &payout, &doc, &splice);
}


static ngx_http_gate_result_e
ngx_http_gate_outbound_read(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_doc_t *doc, gate_payout_t *payout)
{
    gate_rc_e                  rc;
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    rc = gate_payout_check(doc, ctx->out.endpoint, glcf->validate, payout,
                           &ctx->err);

    /* what could be read is told, also with a refusal */

    if (ngx_http_gate_safe_text(r->pool, &ctx->payment_id, &payout->payment_id)
        != NGX_OK
        || ngx_http_gate_safe_text(r->pool, &ctx->currency,
                                   &payout->currency)
           != NGX_OK)
    {
        return NGX_HTTP_GATE_INTERNAL;
    }

    ctx->amount = payout->amount;

    return ngx_http_gate_result_of(rc);
}


static ngx_int_t
ngx_http_gate_outbound_body(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    gate_splice_t *splice, gate_doc_t *doc)
{
    u_char      *buf;
    ngx_uint_t   n;
    gate_str_t   pieces[GATE_SPLICE_PIECES];

    buf = ngx_pnalloc(r->pool, GATE_SPLICE_TEXT);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    n = gate_splice_pieces(splice, doc, ctx->out.signature, buf, pieces);

    ctx->out.body = ngx_http_gate_body_make(r, pieces, n);

    return (ctx->out.body != NULL) ? NGX_OK : NGX_ERROR;
}


/* the request waits, where Redis was asked */

static ngx_http_gate_result_e
ngx_http_gate_outbound_reserve(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, gate_payout_t *payout, gate_doc_t *doc,
    gate_splice_t *splice)
{
    u_char                      digest[GATE_DIGEST_LEN];
    gate_str_t                  path;
    ngx_http_gate_reserve_t     facts;
    ngx_http_gate_loc_conf_t   *glcf;
    ngx_http_gate_main_conf_t  *gmcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (glcf->limits == NGX_HTTP_GATE_LIMITS_OFF
        || !gate_endpoint_money(ctx->out.endpoint))
    {
        return NGX_HTTP_GATE_OK;
    }

    ctx->out.enforced = (glcf->limits == NGX_HTTP_GATE_LIMITS_ON);

    if (payout->foreign) {
        ctx->err.path = "payment";
        ctx->err.reason = "has an amount that limits do not know: only "
                          "payment.amount is counted";
        return NGX_HTTP_GATE_INVALID_FIELD;
    }

    /* as a refund of a part, or a verification */

    if (!payout->moves
        && gate_endpoint_operation(ctx->out.endpoint) == GATE_OP_OTHER)
    {
        return NGX_HTTP_GATE_OK;
    }

    if (payout->amount == 0 || payout->currency.len == 0
        || payout->payment_id.len == 0)
    {
        /* with gate_validate off nobody has looked at these so far */

        ctx->err.path = "payment";
        ctx->err.reason = "must have amount and currency, and general "
                          "payment_id, for limits to be checked";
        return NGX_HTTP_GATE_INVALID_FIELD;
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    path.len = r->uri.len;
    path.data = r->uri.data;

    if (gate_digest_payout(gmcf->digest, path, doc, splice, digest)
        != GATE_OK)
    {
        return NGX_HTTP_GATE_INTERNAL;
    }

    (void) ngx_hex_dump(facts.digest, digest, NGX_HTTP_GATE_DIGEST_HEX / 2);

    facts.project_id = ctx->project->id_text;
    facts.payment_id = payout->payment_id;
    facts.currency = payout->currency;
    facts.amount = payout->amount;
    facts.endpoint = gate_endpoint_name(ctx->out.endpoint);
    facts.allow = (glcf->limits_default == NGX_HTTP_GATE_ALLOW);
    facts.dry_run = (glcf->limits == NGX_HTTP_GATE_LIMITS_DRY_RUN);

    if (ngx_http_gate_reserve(gmcf->ledger, &facts,
                              ngx_http_gate_outbound_decided, ctx,
                              &ctx->out.copy)
        != NGX_OK)
    {
        return NGX_HTTP_GATE_LIMITS_UNAVAILABLE;
    }

    ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_WAITING);

    return NGX_HTTP_GATE_OK;
}


static void
ngx_http_gate_outbound_decided(ngx_http_gate_decision_t *decision, void *data)
{
    ngx_http_gate_ctx_t *ctx = data;

    ctx->result = ngx_http_gate_outbound_verdict(ctx, decision);
    ctx->retry_after = decision->wait;

    ctx->out.limit.data = ctx->out.limit_data;
    ctx->out.limit.len = gate_safe(ctx->out.limit_data, NGX_INT64_LEN,
                                   decision->limit.data, decision->limit.len);

    ngx_http_gate_wake(ctx, ngx_http_gate_outbound_resume);
}


/*
 * A word that no result has says that the limits themselves, or the ledger, are
 * odd.
 */

static ngx_http_gate_result_e
ngx_http_gate_outbound_verdict(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_decision_t *decision)
{
    ngx_http_gate_result_e  result;

    if (decision->verdict == NGX_HTTP_GATE_VERDICT_UNAVAILABLE) {
        return NGX_HTTP_GATE_LIMITS_UNAVAILABLE;
    }

    result = ngx_http_gate_result_find(&decision->word,
                        decision->verdict == NGX_HTTP_GATE_VERDICT_COUNTED
                            ? NGX_HTTP_GATE_PASS : NGX_HTTP_GATE_LIMITS);

    if (result == NGX_HTTP_GATE_RESULTS) {
        result = NGX_HTTP_GATE_BAD_LIMIT;
    }

    if (result == NGX_HTTP_GATE_BAD_LIMIT || result == NGX_HTTP_GATE_STOPPED) {
        ngx_http_gate_reserve_complain(ctx->out.copy, decision);
    }

    return result;
}


static ngx_int_t
ngx_http_gate_outbound_resume(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    return ngx_http_gate_outbound_continue(r, ctx, ctx->result);
}


/*
 * Ranges would be cut from a body that is held back before its headers say so,
 * and from one that is read for the ledger.
 */

ngx_int_t
ngx_http_gate_outbound_header(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    if (!ngx_http_gate_ctx_passed(ctx)) {
        return NGX_DECLINED;
    }

    ngx_http_clear_accept_ranges(r);

    if (ctx->out.copy != NULL) {
        ngx_http_gate_outcome_header(r, ctx);
    }

    return ngx_http_gate_proof_header(r, ctx);
}
