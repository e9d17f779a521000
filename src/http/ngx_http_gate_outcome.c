
/*
 * Copyright (C) nginx-gate authors
 *
 * What became of a payout: which servers may have got it, and what Gate has
 * answered.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_answer.h"

#include "ngx_http_gate_outcome.h"


/* Gate's answers to payouts have some 150 bytes */

#define NGX_HTTP_GATE_OUTCOME_MAX  4096


static void ngx_http_gate_outcome_copy(ngx_http_gate_ctx_t *ctx,
    ngx_buf_t *b);
static ngx_uint_t ngx_http_gate_outcome_sent(ngx_http_gate_ctx_t *ctx);
static ngx_http_gate_outcome_e ngx_http_gate_outcome_read(
    ngx_http_gate_ctx_t *ctx, gate_pool_t *pool, ngx_str_t *code);


/* a service's library asks for compression, and could not be understood here */

void
ngx_http_gate_outcome_plain(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("accept-encoding");

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {

            if (part->next == NULL) {
                return;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len == name.len
            && ngx_strncasecmp(h[i].key.data, name.data, name.len) == 0)
        {
            ngx_str_set(&h[i].value, "identity");
        }
    }
}


/*
 * nginx takes u->cleanup away as soon as it is done with a server.  A redirect
 * by a path makes a GET request, and a filter that gives up an answer leaves
 * its server connected while a page is sent.
 */

ngx_uint_t
ngx_http_gate_outcome_own(ngx_http_request_t *r)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (u == NULL || u->cleanup == NULL || ngx_http_gate_outcome_cached(r)) {
        return 0;
    }

    if (r != r->main || r->method != NGX_HTTP_POST || r->post_action
        || r->filter_finalize)
    {
        return 0;
    }

    return u->headers_in.status_n;
}


ngx_uint_t
ngx_http_gate_outcome_cached(ngx_http_request_t *r)
{
#if (NGX_HTTP_CACHE)
    return r->cached;
#else
    return 0;
#endif
}


/*
 * Only what Gate itself has answered counts, and as the client gets to see it.
 */

void
ngx_http_gate_outcome_header(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    off_t       length;
    ngx_uint_t  status;

    ctx->gate.status = 0;

    status = ngx_http_gate_outcome_own(r);

    if (status == 0 || r->err_status || status != r->headers_out.status
        || r->headers_out.content_encoding != NULL)
    {
        return;
    }

    /* a page of its own would be more than most answers need */

    length = r->headers_out.content_length_n;
    ctx->gate.size = NGX_HTTP_GATE_OUTCOME_MAX;

    if (length > 0 && length < NGX_HTTP_GATE_OUTCOME_MAX) {
        ctx->gate.size = (size_t) length;
    }

    ctx->gate.body = ngx_pnalloc(r->pool, ctx->gate.size);
    if (ctx->gate.body == NULL) {
        return;
    }

    ctx->gate.len = 0;
    ctx->gate.status = status;
}


ngx_uint_t
ngx_http_gate_outcome_body(ngx_http_gate_ctx_t *ctx, ngx_chain_t *in)
{
    for ( /* void */ ; in; in = in->next) {

        if (ctx->gate.status) {
            ngx_http_gate_outcome_copy(ctx, in->buf);
        }

        if (in->buf->last_buf) {
            ctx->gate.end = 1;
        }
    }

    return ctx->gate.end;
}


/* of bytes as they pass: the answer is not held back */

static void
ngx_http_gate_outcome_copy(ngx_http_gate_ctx_t *ctx, ngx_buf_t *b)
{
    size_t  size;

    size = ngx_buf_in_memory(b) ? (size_t) (b->last - b->pos) : 0;

    if (size > ctx->gate.size - ctx->gate.len
        || (b->in_file && !ngx_buf_in_memory(b)))
    {
        ctx->gate.status = 0;
        return;
    }

    ngx_memcpy(ctx->gate.body + ctx->gate.len, b->pos, size);
    ctx->gate.len += size;
}


void
ngx_http_gate_outcome_report(ngx_http_gate_ctx_t *ctx)
{
    ngx_str_t                   code;
    ngx_uint_t                  sent;
    gate_pool_t                 pool;
    ngx_http_gate_copy_t       *copy;
    ngx_http_gate_outcome_e     outcome;
    ngx_http_gate_main_conf_t  *gmcf;

    copy = ctx->out.copy;
    ctx->out.copy = NULL;

    sent = ngx_http_gate_ctx_passed(ctx) ? ngx_http_gate_outcome_sent(ctx) : 0;

    if (sent == 0) {
        ngx_http_gate_report(copy, NGX_HTTP_GATE_RELEASE, NULL);
        return;
    }

    ngx_str_null(&code);

    gmcf = ngx_http_get_module_main_conf(ctx->request, ngx_http_gate_module);

    gate_pool_init(&pool, gmcf->scratch, NGX_HTTP_GATE_SCRATCH);

    outcome = ngx_http_gate_outcome_read(ctx, &pool, &code);

    /* one server's refusal says nothing of what another one has got */

    if (outcome == NGX_HTTP_GATE_REFUSED && sent > 1) {
        outcome = NGX_HTTP_GATE_UNKNOWN;
    }

    ngx_http_gate_report(copy, outcome, &code);

    gate_pool_reset(&pool);
}


/* how many servers may have got a byte of the request */

static ngx_uint_t
ngx_http_gate_outcome_sent(ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t                  i, n;
    ngx_http_request_t         *r;
    ngx_http_upstream_t        *u;
    ngx_http_upstream_state_t  *state;

    r = ctx->request;
    u = r->upstream;
    n = 0;

    /* the state of a server that is still connected says nothing so far */

    if (u != NULL && u->peer.connection != NULL
        && u->peer.connection->sent > 0)
    {
        n++;
    }

#if (NGX_HTTP_CACHE)

    /* behind an answer from a cache, a request of nginx's own renews it */

    if (r->cached && r->cache != NULL && r->cache->background) {
        n++;
    }

#endif

    if (r->upstream_states != NULL) {
        state = r->upstream_states->elts;

        for (i = 0; i < r->upstream_states->nelts; i++) {
            n += (state[i].bytes_sent > 0);
        }
    }

    /* where there is an answer, a request was sent, whatever states say */

    if (n == 0 && ctx->gate.status) {
        n = 1;
    }

    return n + ctx->out.shared;
}


/*
 * Refused or accepted is only what says so itself: all else may have been
 * taken, or not.
 */

static ngx_http_gate_outcome_e
ngx_http_gate_outcome_read(ngx_http_gate_ctx_t *ctx, gate_pool_t *pool,
    ngx_str_t *code)
{
    gate_err_t     err;
    gate_doc_t     doc;
    gate_str_t     text, word;
    gate_answer_e  answer;

    text.data = ctx->gate.body;
    text.len = ctx->gate.len;

    if (!ctx->gate.end || ctx->gate.status == 0
        || gate_json_parse(&doc, pool, text, GATE_MAX_DEPTH, &err) != GATE_OK)
    {
        return NGX_HTTP_GATE_UNKNOWN;
    }

    answer = gate_answer_read(&doc, ctx->gate.status, &word);

    code->data = (u_char *) word.data;
    code->len = word.len;

    switch (answer) {

    case GATE_ANSWER_ACCEPTED:
        return NGX_HTTP_GATE_ACCEPTED;

    case GATE_ANSWER_REFUSED:
        return NGX_HTTP_GATE_REFUSED;

    default: /* GATE_ANSWER_UNKNOWN */
        return NGX_HTTP_GATE_UNKNOWN;
    }
}
