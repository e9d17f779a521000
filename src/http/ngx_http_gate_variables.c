
/*
 * Copyright (C) nginx-gate authors
 *
 * Variables only read the request's context.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_ctx.h"
#include "ngx_http_gate_variables.h"


static ngx_http_gate_ctx_t *ngx_http_gate_variable_ctx(ngx_http_request_t *r,
    ngx_http_variable_value_t *v);
static void ngx_http_gate_variable_set(ngx_http_variable_value_t *v,
    ngx_str_t *value);
static ngx_int_t ngx_http_gate_variable_project(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_string(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_amount(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_stale(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_redis_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_operation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_http_gate_variable_result(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);


static ngx_http_variable_t  ngx_http_gate_vars[] = {

    { ngx_string("gate_project"), NULL, ngx_http_gate_variable_project,
      offsetof(ngx_http_gate_project_t, name), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_project_id"), NULL, ngx_http_gate_variable_project,
      offsetof(ngx_http_gate_project_t, id_text), NGX_HTTP_VAR_NOCACHEABLE,
      0 },

    { ngx_string("gate_payment_id"), NULL, ngx_http_gate_variable_string,
      offsetof(ngx_http_gate_ctx_t, payment_id), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_currency"), NULL, ngx_http_gate_variable_string,
      offsetof(ngx_http_gate_ctx_t, currency), NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_callback_status"), NULL, ngx_http_gate_variable_string,
      offsetof(ngx_http_gate_ctx_t, in.status_text), NGX_HTTP_VAR_NOCACHEABLE,
      0 },

    { ngx_string("gate_callback_operation"), NULL,
      ngx_http_gate_variable_string,
      offsetof(ngx_http_gate_ctx_t, in.operation_type),
      NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_settlement"), NULL, ngx_http_gate_variable_string,
      offsetof(ngx_http_gate_ctx_t, in.settlement), NGX_HTTP_VAR_NOCACHEABLE,
      0 },

    { ngx_string("gate_callback_stale"), NULL, ngx_http_gate_variable_stale,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_amount"), NULL, ngx_http_gate_variable_amount,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_redis_time"), NULL, ngx_http_gate_variable_redis_time,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_operation"), NULL, ngx_http_gate_variable_operation,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

    { ngx_string("gate_result"), NULL, ngx_http_gate_variable_result,
      0, NGX_HTTP_VAR_NOCACHEABLE, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_http_gate_add_variables(ngx_conf_t *cf)
{
    ngx_http_variable_t  *var, *v;

    for (v = ngx_http_gate_vars; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_http_gate_ctx_t *
ngx_http_gate_variable_ctx(ngx_http_request_t *r,
    ngx_http_variable_value_t *v)
{
    v->not_found = 1;

    return ngx_http_gate_get_ctx(r);
}


static void
ngx_http_gate_variable_set(ngx_http_variable_value_t *v, ngx_str_t *value)
{
    if (value->len == 0) {
        return;
    }

    v->len = value->len;
    v->data = value->data;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;
}


static ngx_int_t
ngx_http_gate_variable_project(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_variable_ctx(r, v);

    if (ctx != NULL && ctx->project != NULL) {
        ngx_http_gate_variable_set(v, (ngx_str_t *)
                                      ((char *) ctx->project + data));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_variable_string(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_variable_ctx(r, v);

    if (ctx != NULL) {
        ngx_http_gate_variable_set(v, (ngx_str_t *) ((char *) ctx + data));
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_variable_amount(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char               *p;
    ngx_str_t             value;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_variable_ctx(r, v);

    if (ctx == NULL || ctx->amount == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%L", ctx->amount) - p;

    ngx_http_gate_variable_set(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_variable_stale(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t  *ctx;

    static ngx_str_t  yes = ngx_string("1");

    ctx = ngx_http_gate_variable_ctx(r, v);

    if (ctx != NULL && ctx->in.stale) {
        ngx_http_gate_variable_set(v, &yes);
    }

    return NGX_OK;
}


/* seconds, to the microsecond */

static ngx_int_t
ngx_http_gate_variable_redis_time(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char               *p;
    ngx_str_t             value;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_variable_ctx(r, v);

    if (ctx == NULL || ctx->wait.redis_usec == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN + 8);
    if (p == NULL) {
        return NGX_ERROR;
    }

    value.data = p;
    value.len = ngx_sprintf(p, "%uL.%06uL", ctx->wait.redis_usec / 1000000,
                            ctx->wait.redis_usec % 1000000) - p;

    ngx_http_gate_variable_set(v, &value);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_variable_operation(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_http_gate_ctx_t  *ctx;

    static ngx_str_t  operations[] = {
        ngx_string("payout"),
        ngx_string("info"),
        ngx_string("status"),
        ngx_string("clarification"),
        ngx_string("other")
    };

    _Static_assert(sizeof(operations) / sizeof(operations[0])
                   == GATE_OP_OTHER + 1, "a word for each operation");

    ctx = ngx_http_gate_variable_ctx(r, v);

    if (ctx != NULL && ctx->out.endpoint != NULL) {
        ngx_http_gate_variable_set(v,
            &operations[gate_endpoint_operation(ctx->out.endpoint)]);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_variable_result(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char               *p;
    ngx_str_t             word;
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_variable_ctx(r, v);

    if (ctx == NULL || ctx->state == NGX_HTTP_GATE_CTX_READING) {
        return NGX_OK;
    }

    word = *ngx_http_gate_result_word(ngx_http_gate_ctx_result(ctx));

    if (ctx->out.dry_run) {

        p = ngx_pnalloc(r->pool, word.len + sizeof("_dry_run"));
        if (p == NULL) {
            return NGX_ERROR;
        }

        word.len = ngx_sprintf(p, "%V_dry_run", &word) - p;
        word.data = p;
    }

    ngx_http_gate_variable_set(v, &word);

    return NGX_OK;
}
