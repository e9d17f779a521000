
/*
 * Copyright (C) nginx-gate authors
 *
 * Sends commands of its clients to Redis and answers with the replies:
 *     GET /?script=add&nkeys=1&arg=key&arg=5
 *     GET /?arg=PING
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_redis.h"
#define NGX_HTTP_GATE_SCRIPTS_TEXT
#include "ngx_http_gate_scripts.h"


#define NGX_HTTP_GATE_REDIS_TEST_ARGS  16


typedef struct {
    ngx_http_gate_redis_conf_t  *redis;
    ngx_uint_t                   ready;
} ngx_http_gate_redis_test_conf_t;


typedef struct {
    ngx_http_request_t          *request;
    ngx_http_gate_redis_op_t    *op;
    ngx_event_t                  resume;
    ngx_str_t                    answer;
} ngx_http_gate_redis_test_ctx_t;


/* of a client that left; not of its pool */

typedef struct {
    ngx_log_t                   *log;
    ngx_uint_t                   number;
} ngx_http_gate_redis_test_left_t;


static char *ngx_http_gate_redis_test_redis(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);
static char *ngx_http_gate_redis_test(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
static void *ngx_http_gate_redis_test_create_main_conf(ngx_conf_t *cf);
static ngx_int_t ngx_http_gate_redis_test_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_http_gate_redis_test_init_process(ngx_cycle_t *cycle);
static void ngx_http_gate_redis_test_exit_process(ngx_cycle_t *cycle);
static void ngx_http_gate_redis_test_ready(void *data);
static ngx_int_t ngx_http_gate_redis_test_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_redis_test_status(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_redis_test_send(ngx_http_request_t *r,
    ngx_uint_t code, ngx_str_t *text);
static ngx_http_gate_redis_op_t *ngx_http_gate_redis_test_start(
    ngx_http_request_t *r, ngx_http_gate_redis_test_ctx_t *ctx);
static ngx_uint_t ngx_http_gate_redis_test_args(ngx_http_request_t *r,
    ngx_str_t *argv);
static const ngx_http_gate_redis_script_t *ngx_http_gate_redis_test_script(
    ngx_str_t *name);
static void ngx_http_gate_redis_test_cleanup(void *data);
static void ngx_http_gate_redis_test_left(
    ngx_http_gate_redis_status_e status, redisReply *reply, void *data);
static void ngx_http_gate_redis_test_done(
    ngx_http_gate_redis_status_e status, redisReply *reply, void *data);
static u_char *ngx_http_gate_redis_test_print(u_char *p, u_char *last,
    redisReply *reply);
static void ngx_http_gate_redis_test_resume(ngx_event_t *ev);


static char  *ngx_http_gate_redis_test_statuses[] = {
    "ok", "error", "unavailable", "timeout", "lost", "not_sent"
};


static ngx_command_t  ngx_http_gate_redis_test_commands[] = {

    { ngx_string("gate_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_gate_redis_test_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_redis_test"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gate_redis_test,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_gate_redis_test_handler },

    { ngx_string("gate_redis_test_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gate_redis_test,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      ngx_http_gate_redis_test_status },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gate_redis_test_module_ctx = {
    NULL,                                        /* preconfiguration */
    ngx_http_gate_redis_test_postconfiguration,  /* postconfiguration */

    ngx_http_gate_redis_test_create_main_conf,   /* create main conf */
    NULL,                                        /* init main conf */

    NULL,                                        /* create server conf */
    NULL,                                        /* merge server conf */

    NULL,                                        /* create location conf */
    NULL                                         /* merge location conf */
};


ngx_module_t  ngx_http_gate_redis_test_module = {
    NGX_MODULE_V1,
    &ngx_http_gate_redis_test_module_ctx,        /* module context */
    ngx_http_gate_redis_test_commands,           /* module directives */
    NGX_HTTP_MODULE,                             /* module type */
    NULL,                                        /* init master */
    NULL,                                        /* init module */
    ngx_http_gate_redis_test_init_process,       /* init process */
    NULL,                                        /* init thread */
    NULL,                                        /* exit thread */
    ngx_http_gate_redis_test_exit_process,       /* exit process */
    NULL,                                        /* exit master */
    NGX_MODULE_V1_PADDING
};


static void *
ngx_http_gate_redis_test_create_main_conf(ngx_conf_t *cf)
{
    return ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_redis_test_conf_t));
}


static char *
ngx_http_gate_redis_test_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_redis_test_conf_t *tmcf = conf;

    if (tmcf->redis) {
        return "is duplicate";
    }

    tmcf->redis = ngx_http_gate_redis_parse(cf);

    if (tmcf->redis == NULL) {
        return NGX_CONF_ERROR;
    }

    tmcf->redis->scripts = ngx_http_gate_scripts;
    tmcf->redis->nscripts = NGX_HTTP_GATE_SCRIPTS;

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_redis_test(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = (ngx_http_handler_pt) cmd->post;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_redis_test_postconfiguration(ngx_conf_t *cf)
{
    ngx_http_core_loc_conf_t         *clcf;
    ngx_http_gate_redis_test_conf_t  *tmcf;

    tmcf = ngx_http_conf_get_module_main_conf(cf,
                                              ngx_http_gate_redis_test_module);
    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (tmcf->redis && clcf->resolver) {
        tmcf->redis->resolver = clcf->resolver;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_test_init_process(ngx_cycle_t *cycle)
{
    ngx_http_gate_redis_test_conf_t  *tmcf;

    tmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_gate_redis_test_module);
    if (tmcf == NULL || tmcf->redis == NULL) {
        return NGX_OK;
    }

    if (ngx_http_gate_redis_init_worker(cycle, tmcf->redis) != NGX_OK) {
        return NGX_ERROR;
    }

    if (tmcf->redis->redis) {
        ngx_http_gate_redis_on_ready(tmcf->redis->redis,
                                     ngx_http_gate_redis_test_ready, tmcf);
    }

    return NGX_OK;
}


static void
ngx_http_gate_redis_test_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_gate_redis_test_conf_t  *tmcf;

    tmcf = ngx_http_cycle_get_module_main_conf(cycle,
                                              ngx_http_gate_redis_test_module);
    if (tmcf) {
        ngx_http_gate_redis_exit_worker(cycle, tmcf->redis);
    }
}


static void
ngx_http_gate_redis_test_ready(void *data)
{
    ngx_http_gate_redis_test_conf_t *tmcf = data;

    tmcf->ready++;
}


static ngx_int_t
ngx_http_gate_redis_test_handler(ngx_http_request_t *r)
{
    ngx_int_t                        rc;
    ngx_http_cleanup_t              *cln;
    ngx_http_gate_redis_test_ctx_t  *ctx;

    static ngx_str_t  refused = ngx_string("refused\n");

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx = ngx_pcalloc(r->pool, sizeof(ngx_http_gate_redis_test_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (ctx == NULL || cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->request = r;
    ctx->resume.handler = ngx_http_gate_redis_test_resume;
    ctx->resume.data = ctx;
    ctx->resume.log = ngx_cycle->log;

    ctx->op = ngx_http_gate_redis_test_start(r, ctx);

    if (ctx->op == NULL) {
        return ngx_http_gate_redis_test_send(r, NGX_HTTP_SERVICE_UNAVAILABLE,
                                             &refused);
    }

    cln->handler = ngx_http_gate_redis_test_cleanup;
    cln->data = ctx;

    r->main->count++;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (ngx_handle_read_event(r->connection->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return NGX_DONE;
}


static ngx_http_gate_redis_op_t *
ngx_http_gate_redis_test_start(ngx_http_request_t *r,
    ngx_http_gate_redis_test_ctx_t *ctx)
{
    ngx_int_t                            nkeys;
    ngx_str_t                            argv[NGX_HTTP_GATE_REDIS_TEST_ARGS];
    ngx_str_t                            name, value;
    ngx_uint_t                           argc;
    ngx_http_gate_redis_t               *redis;
    ngx_http_gate_redis_test_conf_t     *tmcf;
    const ngx_http_gate_redis_script_t  *script;

    tmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_redis_test_module);
    redis = tmcf->redis->redis;

    argc = ngx_http_gate_redis_test_args(r, argv);

    if (ngx_http_arg(r, (u_char *) "script", 6, &name) != NGX_OK) {
        return ngx_http_gate_redis_command(redis, argc, argv,
                                           ngx_http_gate_redis_test_done, ctx);
    }

    script = ngx_http_gate_redis_test_script(&name);

    nkeys = 0;

    if (ngx_http_arg(r, (u_char *) "nkeys", 5, &value) == NGX_OK) {
        nkeys = ngx_atoi(value.data, value.len);
    }

    return ngx_http_gate_redis_eval(redis, script, (ngx_uint_t) nkeys, argc,
                                    argv, ngx_http_gate_redis_test_done, ctx);
}


/* the values of all "arg" in the query string, as they are */

static ngx_uint_t
ngx_http_gate_redis_test_args(ngx_http_request_t *r, ngx_str_t *argv)
{
    u_char      *p, *last, *end;
    ngx_uint_t   n;

    n = 0;
    p = r->args.data;
    last = p + r->args.len;

    while (p < last && n < NGX_HTTP_GATE_REDIS_TEST_ARGS) {

        end = ngx_strlchr(p, last, '&');
        if (end == NULL) {
            end = last;
        }

        if (end - p >= 4 && ngx_strncmp(p, "arg=", 4) == 0) {
            argv[n].data = p + 4;
            argv[n].len = end - p - 4;
            n++;
        }

        p = end + 1;
    }

    return n;
}


static const ngx_http_gate_redis_script_t *
ngx_http_gate_redis_test_script(ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_HTTP_GATE_SCRIPTS; i++) {
        if (ngx_http_gate_scripts[i].name.len == name->len
            && ngx_strncmp(ngx_http_gate_scripts[i].name.data, name->data,
                           name->len)
               == 0)
        {
            return &ngx_http_gate_scripts[i];
        }
    }

    return &ngx_http_gate_scripts[0];
}


static void
ngx_http_gate_redis_test_cleanup(void *data)
{
    ngx_http_gate_redis_test_ctx_t *ctx = data;

    ngx_http_gate_redis_test_left_t  *left;

    if (ctx->resume.posted) {
        ngx_delete_posted_event(&ctx->resume);
    }

    if (ctx->op == NULL) {
        return;
    }

    left = ngx_alloc(sizeof(ngx_http_gate_redis_test_left_t), ngx_cycle->log);
    if (left == NULL) {
        (void) ngx_http_gate_redis_detach(ctx->op, NULL, NULL);
        return;
    }

    left->log = ngx_cycle->log;
    left->number = ctx->request->connection->number;

    if (ngx_http_gate_redis_detach(ctx->op, ngx_http_gate_redis_test_left,
                                   left)
        != NGX_OK)
    {
        ngx_log_error(NGX_LOG_NOTICE, left->log, 0,
                      "client %ui left, command taken back", left->number);
        ngx_free(left);
    }

    ctx->op = NULL;
}


static void
ngx_http_gate_redis_test_left(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_redis_test_left_t *left = data;

    ngx_log_error(NGX_LOG_NOTICE, left->log, 0,
                  "client %ui had left, status %s", left->number,
                  ngx_http_gate_redis_test_statuses[status]);

    ngx_free(left);
}


static void
ngx_http_gate_redis_test_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_redis_test_ctx_t *ctx = data;

    u_char  *p, *last;

    ctx->op = NULL;

    p = ngx_pnalloc(ctx->request->pool, 1024);

    if (p) {
        ctx->answer.data = p;
        last = p + 1024;

        p = ngx_slprintf(p, last, "%s",
                         ngx_http_gate_redis_test_statuses[status]);

        if (reply) {
            p = ngx_http_gate_redis_test_print(p, last, reply);
        }

        p = ngx_slprintf(p, last, "\n");

        ctx->answer.len = p - ctx->answer.data;
    }

    ngx_post_event(&ctx->resume, &ngx_posted_events);
}


static u_char *
ngx_http_gate_redis_test_print(u_char *p, u_char *last, redisReply *reply)
{
    size_t  i;

    switch (reply->type) {

    case REDIS_REPLY_INTEGER:
        return ngx_slprintf(p, last, " %L", (int64_t) reply->integer);

    case REDIS_REPLY_NIL:
        return ngx_slprintf(p, last, " nil");

    case REDIS_REPLY_ARRAY:
        for (i = 0; i < reply->elements; i++) {
            p = ngx_http_gate_redis_test_print(p, last, reply->element[i]);
        }

        return p;

    default:
        return ngx_slprintf(p, last, " %*s", (size_t) reply->len, reply->str);
    }
}


static void
ngx_http_gate_redis_test_resume(ngx_event_t *ev)
{
    ngx_connection_t                *c;
    ngx_http_request_t              *r;
    ngx_http_gate_redis_test_ctx_t  *ctx;

    ctx = ev->data;
    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    r->read_event_handler = ngx_http_block_reading;

    ngx_http_finalize_request(r,
        ngx_http_gate_redis_test_send(r, NGX_HTTP_OK, &ctx->answer));

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_gate_redis_test_status(ngx_http_request_t *r)
{
    u_char                           *p;
    ngx_str_t                         text;
    ngx_http_gate_redis_stat_t       *stat;
    ngx_http_gate_redis_test_conf_t  *tmcf;

    tmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_redis_test_module);
    stat = ngx_http_gate_redis_stat(tmcf->redis->redis);

    p = ngx_pnalloc(r->pool, 1024);
    if (p == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    text.data = p;
    text.len = ngx_snprintf(p, 1024,
                   "connected %ui\ncommands %ui\nrefused %ui\nerrors %ui\n"
                   "timeouts %ui\nconnects %ui\nfailures %ui\nin_flight %ui\n"
                   "ready %ui\npid %P\n",
                   ngx_http_gate_redis_connected(tmcf->redis->redis),
                   stat->commands, stat->refused, stat->errors,
                   stat->timeouts, stat->connects, stat->failures,
                   stat->in_flight, tmcf->ready, ngx_pid)
               - p;

    return ngx_http_gate_redis_test_send(r, NGX_HTTP_OK, &text);
}


static ngx_int_t
ngx_http_gate_redis_test_send(ngx_http_request_t *r, ngx_uint_t code,
    ngx_str_t *text)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    if (text->len == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = code;
    r->headers_out.content_length_n = text->len;
    ngx_str_set(&r->headers_out.content_type, "text/plain");
    r->headers_out.content_type_len = r->headers_out.content_type.len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = text->data;
    b->last = text->data + text->len;
    b->memory = 1;
    b->last_buf = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
