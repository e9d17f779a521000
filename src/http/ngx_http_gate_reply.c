
/*
 * Copyright (C) nginx-gate authors
 *
 * Replies of our own: refusals, and 200 for callbacks that are done.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_finish.h"
#include "ngx_http_gate_reply.h"


/* the longest message: a constant text with a field's path and a number */

#define NGX_HTTP_GATE_MESSAGE_MAX  512

#define NGX_HTTP_GATE_MESSAGE_FITS(name, class, word, status, code, message)  \
    _Static_assert(sizeof(message) + NGX_INT64_LEN                            \
                   <= NGX_HTTP_GATE_MESSAGE_MAX, "longer: " #name);

NGX_HTTP_GATE_RESULT_TABLE(NGX_HTTP_GATE_MESSAGE_FITS)

#undef NGX_HTTP_GATE_MESSAGE_FITS

/* seconds to wait for what is away now */

#define NGX_HTTP_GATE_RETRY_AFTER  5

/* and at most: a month, the longest window, and the hours of an offset */

#define NGX_HTTP_GATE_RETRY_MAX    (32 * 86400)


static u_char *ngx_http_gate_reply_message(ngx_http_gate_ctx_t *ctx,
    u_char *p, u_char *last);
static ngx_uint_t ngx_http_gate_has_error_page(ngx_http_request_t *r,
    ngx_uint_t status);
static ngx_uint_t ngx_http_gate_error_status(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
static ngx_int_t ngx_http_gate_send(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_uint_t status);
static u_char *ngx_http_gate_put(u_char *p, char *text);
static ngx_int_t ngx_http_gate_add_header(ngx_http_request_t *r, char *key,
    char *value);
static ngx_int_t ngx_http_gate_add_retry_after(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_uint_t status);


ngx_int_t
ngx_http_gate_reply(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_result_e result)
{
    u_char     *last;
    u_char      message[NGX_HTTP_GATE_MESSAGE_MAX];
    ngx_str_t   project;
    ngx_uint_t  level;

    ctx->result = result;
    ctx->out.dry_run = 0;
    ctx->status = NGX_OK;

    /* a redirect's end of a payout that Gate may have refuses nothing */

    if (!ngx_http_gate_ctx_passed(ctx) || ctx->inbound) {
        ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_REFUSED);
    }

    last = ngx_http_gate_reply_message(ctx, message,
                                       message + sizeof(message));

    ngx_str_set(&project, "-");

    if (ctx->project != NULL) {
        project = ctx->project->name;
    }

    switch (ngx_http_gate_result_class(result)) {

    case NGX_HTTP_GATE_DONE:
        level = NGX_LOG_INFO;
        break;

    case NGX_HTTP_GATE_FAULT:
        level = NGX_LOG_ERR;
        break;

    default:
        level = NGX_LOG_NOTICE;
        break;
    }

    ngx_log_error(level, r->connection->log, 0,
                  "%s \"%V\" of project \"%V\" %s with \"%V\": %*s",
                  ctx->inbound ? "callback" : "payout",
                  &ctx->payment_id, &project,
                  level == NGX_LOG_INFO ? "answered" : "refused",
                  ngx_http_gate_result_word(result),
                  (size_t) (last - message), message);

    r->content_handler = ngx_http_gate_reply_handler;

    return NGX_OK;
}


static u_char *
ngx_http_gate_reply_message(ngx_http_gate_ctx_t *ctx, u_char *p,
    u_char *last)
{
    char        *message;
    gate_err_t  *err;

    message = ngx_http_gate_result_message(ctx->result);
    err = &ctx->err;

    if (message != NULL && ngx_strchr(message, '%') == NULL) {
        return ngx_cpymem(p, message,
                          ngx_min((size_t) (last - p), ngx_strlen(message)));
    }

    if (message != NULL) {
        return ngx_slprintf(p, last, message, &ctx->out.limit);
    }

    if (ctx->err.path == NULL) {
        return ngx_slprintf(p, last, "body is not acceptable JSON: "
                            "%s at byte %uz", err->reason, err->offset);
    }

    return ngx_slprintf(p, last, "%s %s", err->path, err->reason);
}


ngx_int_t
ngx_http_gate_reply_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_uint_t            status;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    status = ngx_http_gate_result_status(ctx->result);

    if (ngx_http_gate_has_error_page(r, status)) {

        /* nginx takes a 400 for a request that it could not read */

        ctx->keepalive = r->keepalive;
        ctx->lingering = r->lingering_close && !r->discard_body;

        ctx->uri = r->uri;
        ctx->method = r->method;
        ctx->method_name = r->method_name;

        return status;
    }

    return ngx_http_gate_send(r, ctx, status);
}


/* the conditions of ngx_http_special_response_handler() */

static ngx_uint_t
ngx_http_gate_has_error_page(ngx_http_request_t *r, ngx_uint_t status)
{
    ngx_uint_t                 i;
    ngx_http_err_page_t       *err_page;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (r->error_page || clcf->error_pages == NULL || r->uri_changes == 0) {
        return 0;
    }

    err_page = clcf->error_pages->elts;

    for (i = 0; i < clcf->error_pages->nelts; i++) {
        if (err_page[i].status == (ngx_int_t) status) {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_http_gate_error_handler(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_uint_t            status;
    ngx_http_gate_ctx_t  *ctx, part;

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_http_gate_get_ctx(r);

    if (r != r->main) {

        /* the error of a mirror, for one, is not that of the payout */

        ngx_memzero(&part, sizeof(ngx_http_gate_ctx_t));
        part.request = r;
        ctx = &part;

    } else if (ctx == NULL) {
        ctx = ngx_http_gate_create_ctx(r, ngx_http_gate_finish_end);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (ctx->state == NGX_HTTP_GATE_CTX_REFUSED) {

        /* logs tell what was refused, not which page says so */

        if (ctx->uri.len) {
            r->uri = ctx->uri;
            r->method = ctx->method;
            r->method_name = ctx->method_name;
        }

        status = r->err_status ? r->err_status
                               : ngx_http_gate_result_status(ctx->result);

        return ngx_http_gate_send(r, ctx, status);
    }

    status = ngx_http_gate_error_status(r, ctx);

    switch (status) {

    case NGX_HTTP_REQUEST_ENTITY_TOO_LARGE:
        ctx->result = NGX_HTTP_GATE_TOO_LARGE;
        break;

    case NGX_HTTP_BAD_GATEWAY:
        ctx->result = NGX_HTTP_GATE_UPSTREAM_ERROR;
        break;

    case NGX_HTTP_GATEWAY_TIME_OUT:
        ctx->result = NGX_HTTP_GATE_UPSTREAM_TIMEOUT;
        break;

    default:
        ctx->result = (status < NGX_HTTP_INTERNAL_SERVER_ERROR)
                          ? NGX_HTTP_GATE_BAD_REQUEST
                          : NGX_HTTP_GATE_INTERNAL;
        break;
    }

    if (!ngx_http_gate_ctx_decided(ctx)) {
        ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_REFUSED);
    }

    return ngx_http_gate_send(r, ctx, status);
}


/*
 * A payout that Gate may have got must not seem refused, as by an error of
 * Gate's own that was intercepted, or where error_page has lost the status.
 */

static ngx_uint_t
ngx_http_gate_error_status(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    ngx_uint_t  status;

    status = r->err_status ? r->err_status : NGX_HTTP_NOT_FOUND;

    if (ngx_http_gate_ctx_passed(ctx) && r->upstream_states != NULL
        && status < NGX_HTTP_INTERNAL_SERVER_ERROR)
    {
        status = NGX_HTTP_BAD_GATEWAY;
        r->err_status = status;
    }

    return status;
}


static ngx_int_t
ngx_http_gate_send(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_int_t    rc;
    ngx_buf_t   *b;
    ngx_chain_t  out;

    b = ngx_http_gate_reply_body(r, ctx);

    if (b == NULL
        || ngx_http_gate_add_header(r, "X-Gate-Source", "gateway") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (ngx_http_gate_add_retry_after(r, ctx, status) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (status == NGX_HTTP_NOT_ALLOWED
        && ngx_http_gate_add_header(r, "Allow", "POST") != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = b->last - b->pos;
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_buf_t *
ngx_http_gate_reply_body(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx)
{
    size_t      size;
    u_char     *p, *last;
    u_char      message[NGX_HTTP_GATE_MESSAGE_MAX];
    ngx_buf_t  *b;

    last = ngx_http_gate_reply_message(ctx, message,
                                       message + sizeof(message));

    size = sizeof("{\"status\":\"success\",\"code\":\"\",\"message\":\"\","
                  "\"project_id\":4294967295,\"payment_id\":\"\"}" CRLF)
           + ngx_strlen(ngx_http_gate_result_code(ctx->result))
           + (last - message)
           + ngx_escape_json(NULL, message, last - message)
           + ctx->payment_id.len
           + ngx_escape_json(NULL, ctx->payment_id.data, ctx->payment_id.len);

    b = ngx_create_temp_buf(r->pool, size);
    if (b == NULL) {
        return NULL;
    }

    p = ngx_http_gate_put(b->last, "{\"status\":\"");
    p = ngx_http_gate_put(p, ngx_http_gate_result_status(ctx->result)
                             == NGX_HTTP_OK ? "success" : "error");
    p = ngx_http_gate_put(p, "\",\"code\":\"");
    p = ngx_http_gate_put(p, ngx_http_gate_result_code(ctx->result));
    p = ngx_http_gate_put(p, "\",\"message\":\"");
    p = (u_char *) ngx_escape_json(p, message, last - message);
    *p++ = '"';

    if (ctx->project != NULL) {
        p = ngx_http_gate_put(p, ",\"project_id\":");
        p = ngx_cpymem(p, ctx->project->id_text.data,
                       ctx->project->id_text.len);
    }

    if (ctx->payment_id.len) {
        p = ngx_http_gate_put(p, ",\"payment_id\":\"");
        p = (u_char *) ngx_escape_json(p, ctx->payment_id.data,
                                       ctx->payment_id.len);
        *p++ = '"';
    }

    b->last = ngx_http_gate_put(p, "}" CRLF);

    b->last_buf = (r == r->main) ? 1 : 0;
    b->last_in_chain = 1;

    return b;
}


static u_char *
ngx_http_gate_put(u_char *p, char *text)
{
    return ngx_cpymem(p, text, ngx_strlen(text));
}


ngx_int_t
ngx_http_gate_reply_replace(ngx_http_request_t *r, ngx_http_gate_ctx_t *ctx,
    ngx_uint_t status)
{
    ctx->reply.answer = ngx_http_gate_reply_body(r, ctx);
    if (ctx->reply.answer == NULL) {
        return NGX_ERROR;
    }

    ngx_http_clean_header(r);

    r->allow_ranges = 0;
    r->err_status = 0;

    if (ngx_http_gate_add_header(r, "X-Gate-Source", "gateway") != NGX_OK) {
        return NGX_ERROR;
    }

    r->headers_out.status = status;
    r->headers_out.content_length_n = ngx_buf_size(ctx->reply.answer);
    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    ngx_http_gate_ctx_move(ctx, NGX_HTTP_GATE_CTX_ANSWERED);

    if (r->upstream != NULL) {

        /* the client is not connected to a server that switches protocols */

        r->upstream->upgrade = 0;

        ctx->reply.server = r->upstream;
        ngx_http_gate_finish(ctx);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_add_header(ngx_http_request_t *r, char *key, char *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key.len = ngx_strlen(key);
    h->key.data = (u_char *) key;
    h->value.len = ngx_strlen(value);
    h->value.data = (u_char *) value;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_add_retry_after(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_uint_t status)
{
    u_char  *p;
    time_t   wait;

    wait = ctx->retry_after;

    /* it came from Redis, whose clock may be another one */

    if (wait != 0) {
        wait = ngx_max(wait, 1);
        wait = ngx_min(wait, NGX_HTTP_GATE_RETRY_MAX);
    }

    if (wait == 0 && status == NGX_HTTP_SERVICE_UNAVAILABLE) {
        wait = NGX_HTTP_GATE_RETRY_AFTER;
    }

    if (wait == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_sprintf(p, "%T%Z", wait);

    return ngx_http_gate_add_header(r, "Retry-After", (char *) p);
}
