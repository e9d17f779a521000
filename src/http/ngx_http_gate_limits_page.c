
/*
 * Copyright (C) nginx-gate authors
 *
 * The content handler of gate_limits_status: what is left of the limits of a
 * project and currency.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_limits_page.h"
#include "ngx_http_gate_project.h"


/*
 * Items of status.lua, "s" a string and "i" an integer: verdict, time, why it
 * is stopped, era, number of the last call, number of limits; for each of these
 * name, limit, used, left, until, end.
 */

#define NGX_HTTP_GATE_QUERY_HEAD   "sisssi"
#define NGX_HTTP_GATE_QUERY_ITEMS  "sssssi"

#define NGX_HTTP_GATE_QUERY_NHEAD  (sizeof(NGX_HTTP_GATE_QUERY_HEAD) - 1)
#define NGX_HTTP_GATE_QUERY_NITEMS (sizeof(NGX_HTTP_GATE_QUERY_ITEMS) - 1)

/* of a name, and of what an operator has written */

#define NGX_HTTP_GATE_QUERY_NAME   32
#define NGX_HTTP_GATE_QUERY_TEXT   256


typedef struct {
    ngx_http_request_t        *request;
    ngx_http_gate_redis_op_t  *op;
    ngx_http_gate_project_t   *project;
    ngx_str_t                  currency;
    ngx_buf_t                 *body;    /* NULL: Redis is away */
    ngx_event_t                resume;
    ngx_uint_t                 uri_changes;
} ngx_http_gate_query_t;


static ngx_int_t ngx_http_gate_limits_status_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_query_args(ngx_http_request_t *r,
    ngx_http_gate_query_t *query);
static ngx_int_t ngx_http_gate_query_ask(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_query_t *query);
static ngx_int_t ngx_http_gate_query_wait(ngx_http_request_t *r);
static void ngx_http_gate_query_cleanup(void *data);
static void ngx_http_gate_query_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);
static ngx_uint_t ngx_http_gate_query_is_valid(redisReply *reply);
static ngx_uint_t ngx_http_gate_query_is_name(redisReply *item);
static ngx_buf_t *ngx_http_gate_query_body(ngx_http_gate_query_t *query,
    redisReply *reply);
static u_char *ngx_http_gate_query_limit(u_char *p, redisReply **item);
static u_char *ngx_http_gate_query_number(u_char *p, char *name,
    redisReply *item);
static u_char *ngx_http_gate_query_text(u_char *p, char *name,
    redisReply *item);
static void ngx_http_gate_query_resume(ngx_event_t *ev);
static ngx_int_t ngx_http_gate_query_send(ngx_http_request_t *r,
    ngx_buf_t *b);


char *
ngx_http_gate_limits_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_http_core_loc_conf_t  *clcf;

    glcf->limits_status = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gate_limits_status_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_limits_status_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_pool_cleanup_t         *cln;
    ngx_http_gate_query_t      *query;
    ngx_http_gate_main_conf_t  *gmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_http_gate_query_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    query = cln->data;
    ngx_memzero(query, sizeof(ngx_http_gate_query_t));

    cln->handler = ngx_http_gate_query_cleanup;

    query->request = r;
    query->uri_changes = r->uri_changes;

    rc = ngx_http_gate_query_args(r, query);

    if (rc != NGX_OK) {
        return rc;
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    if (ngx_http_gate_query_ask(gmcf, query) != NGX_OK) {
        return NGX_HTTP_SERVICE_UNAVAILABLE;
    }

    return ngx_http_gate_query_wait(r);
}


/* a client that leaves is noticed: the cleanup lets go of the question */

static ngx_int_t
ngx_http_gate_query_wait(ngx_http_request_t *r)
{
    ngx_event_t  *rev;

    rev = r->connection->read;

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_test_reading;

        if (rev->ready) {
            ngx_post_event(rev, &ngx_posted_events);

        } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    r->main->count++;

    return NGX_DONE;
}


static ngx_int_t
ngx_http_gate_query_args(ngx_http_request_t *r, ngx_http_gate_query_t *query)
{
    size_t     i;
    ngx_str_t  name;

    if (ngx_http_arg(r, (u_char *) "project", 7, &name) != NGX_OK
        || ngx_http_arg(r, (u_char *) "currency", 8, &query->currency)
           != NGX_OK
        || query->currency.len != 3)
    {
        return NGX_HTTP_BAD_REQUEST;
    }

    for (i = 0; i < 3; i++) {
        if (query->currency.data[i] < 'A' || query->currency.data[i] > 'Z') {
            return NGX_HTTP_BAD_REQUEST;
        }
    }

    query->project = ngx_http_gate_find_project_any(
                       ngx_http_get_module_main_conf(r, ngx_http_gate_module),
                       &name);

    return (query->project != NULL) ? NGX_OK : NGX_HTTP_NOT_FOUND;
}


static ngx_int_t
ngx_http_gate_query_ask(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_query_t *query)
{
    u_char                               buf[4][NGX_HTTP_GATE_KEY_MAX];
    ngx_str_t                            argv[6];
    ngx_uint_t                           i;
    ngx_http_gate_ledger_t              *ledger;
    const ngx_http_gate_redis_script_t  *script;

    static const ngx_http_gate_kind_e  kinds[] = {
        NGX_HTTP_GATE_KIND_USED, NGX_HTTP_GATE_KIND_LIMITS,
        NGX_HTTP_GATE_KIND_STOP, NGX_HTTP_GATE_KIND_ERA
    };

    ledger = gmcf->ledger;

    for (i = 0; i < 4; i++) {
        (void) ngx_http_gate_ledger_key(ledger, kinds[i], 0,
                                        &query->project->id_text,
                                        query->currency.data,
                                        query->currency.len, buf[i],
                                        &argv[i]);
    }

    argv[4] = query->currency;
    argv[5] = ledger->offset;

    script = ngx_http_gate_ledger_script(NGX_HTTP_GATE_SCRIPT_STATUS);

    query->op = ngx_http_gate_redis_eval(ledger->redis, script, 4, 6, argv,
                                         ngx_http_gate_query_done, query);

    return (query->op != NULL) ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_gate_query_cleanup(void *data)
{
    ngx_http_gate_query_t *query = data;

    if (query->resume.posted) {
        ngx_delete_posted_event(&query->resume);
    }

    if (query->op != NULL) {
        (void) ngx_http_gate_redis_detach(query->op, NULL, NULL);
    }
}


static void
ngx_http_gate_query_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_query_t *query = data;

    query->op = NULL;

    if (status == NGX_HTTP_GATE_REDIS_OK) {
        query->body = ngx_http_gate_query_body(query, reply);
    }

    query->resume.handler = ngx_http_gate_query_resume;
    query->resume.data = query;
    query->resume.log = query->request->connection->log;

    ngx_post_event(&query->resume, &ngx_posted_events);
}


static ngx_uint_t
ngx_http_gate_query_is_valid(redisReply *reply)
{
    size_t       i, n;
    const char  *type;

    n = NGX_HTTP_GATE_QUERY_NHEAD;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < n
        || (reply->elements - n) % NGX_HTTP_GATE_QUERY_NITEMS)
    {
        return 0;
    }

    for (i = 0; i < reply->elements; i++) {
        type = (i < n) ? &NGX_HTTP_GATE_QUERY_HEAD[i]
                       : &NGX_HTTP_GATE_QUERY_ITEMS[(i - n)
                                                % NGX_HTTP_GATE_QUERY_NITEMS];

        if (reply->element[i]->type != (*type == 's' ? REDIS_REPLY_STRING
                                                     : REDIS_REPLY_INTEGER))
        {
            return 0;
        }
    }

    for (i = n; i < reply->elements; i += NGX_HTTP_GATE_QUERY_NITEMS) {
        if (!ngx_http_gate_query_is_name(reply->element[i])) {
            return 0;
        }
    }

    return reply->element[n - 1]->integer
           == (long long) ((reply->elements - n)
                           / NGX_HTTP_GATE_QUERY_NITEMS);
}


/* of a limit: it becomes a member's name */

static ngx_uint_t
ngx_http_gate_query_is_name(redisReply *item)
{
    size_t  i;

    for (i = 0; i < (size_t) item->len; i++) {
        if ((item->str[i] < 'a' || item->str[i] > 'z')
            && item->str[i] != '_')
        {
            return 0;
        }
    }

    return i != 0 && i <= NGX_HTTP_GATE_QUERY_NAME;
}


static ngx_buf_t *
ngx_http_gate_query_body(ngx_http_gate_query_t *query, redisReply *reply)
{
    u_char       *p;
    size_t        i;
    ngx_buf_t    *b;
    redisReply  **item;

    if (!ngx_http_gate_query_is_valid(reply)) {
        return NULL;
    }

    item = reply->element;

    /* numbers have up to 20 characters */

    b = ngx_create_temp_buf(query->request->pool,
                            256 + reply->elements * 48
                            + 2 * 6 * NGX_HTTP_GATE_QUERY_TEXT
                            + query->project->name.len);
    if (b == NULL) {
        return NULL;
    }

    p = ngx_sprintf(b->last, "{\"project\":\"%V\",\"project_id\":%V,"
                    "\"currency\":\"%V\",\"limits\":%s,\"time\":%L",
                    &query->project->name, &query->project->id_text,
                    &query->currency,
                    item[0]->len == 2 ? "true" : "false",
                    (int64_t) item[1]->integer);

    p = ngx_http_gate_query_text(p, ",\"stopped\":", item[2]);
    p = ngx_http_gate_query_text(p, ",\"era\":", item[3]);
    p = ngx_http_gate_query_number(p, ",\"seq\":", item[4]);

    for (i = NGX_HTTP_GATE_QUERY_NHEAD; i < reply->elements;
         i += NGX_HTTP_GATE_QUERY_NITEMS)
    {
        p = ngx_http_gate_query_limit(p, &item[i]);
    }

    b->last = ngx_cpymem(p, "}" CRLF, 3);
    b->last_buf = (query->request == query->request->main) ? 1 : 0;
    b->last_in_chain = 1;

    return b;
}


/* of one payout, or of a window */

static u_char *
ngx_http_gate_query_limit(u_char *p, redisReply **item)
{
    if (item[5]->integer == 0) {
        p = ngx_sprintf(p, ",\"%s\":", item[0]->str);
        p = ngx_http_gate_query_number(p, "", item[1]);
        p = ngx_sprintf(p, ",\"%s_until\":", item[0]->str);

        return ngx_http_gate_query_number(p, "", item[4]);
    }

    p = ngx_sprintf(p, ",\"%s\":{", item[0]->str);
    p = ngx_http_gate_query_number(p, "\"limit\":", item[1]);
    p = ngx_http_gate_query_number(p, ",\"used\":", item[2]);
    p = ngx_http_gate_query_number(p, ",\"remaining\":", item[3]);
    p = ngx_http_gate_query_number(p, ",\"until\":", item[4]);

    return ngx_sprintf(p, ",\"reset\":%L}", (int64_t) item[5]->integer);
}


/* a number as it is, nothing as null; what else may be in Redis is told so */

static u_char *
ngx_http_gate_query_number(u_char *p, char *name, redisReply *item)
{
    size_t  i, start;

    if (item->len == 0) {
        return ngx_sprintf(p, "%snull", name);
    }

    start = (item->str[0] == '-');

    for (i = start; i < (size_t) item->len; i++) {
        if (item->str[i] < '0' || item->str[i] > '9') {
            break;
        }
    }

    /* JSON has no numbers without digits, nor zeros before them */

    if (i < (size_t) item->len || i == start || i > NGX_INT64_LEN
        || (item->str[start] == '0' && i > start + 1))
    {
        return ngx_sprintf(p, "%s\"invalid\"", name);
    }

    return ngx_sprintf(p, "%s%*s", name, i, item->str);
}


/* as an operator has written it, or null */

static u_char *
ngx_http_gate_query_text(u_char *p, char *name, redisReply *item)
{
    u_char  text[NGX_HTTP_GATE_QUERY_TEXT];
    size_t  len;

    if (item->len == 0) {
        return ngx_sprintf(p, "%snull", name);
    }

    len = gate_safe(text, sizeof(text), (u_char *) item->str, item->len);

    p = ngx_sprintf(p, "%s\"", name);
    p = (u_char *) ngx_escape_json(p, text, len);
    *p++ = '"';

    return p;
}


static void
ngx_http_gate_query_resume(ngx_event_t *ev)
{
    ngx_http_gate_query_t *query = ev->data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = query->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    /* its client has left, and a post_action took it elsewhere */

    if (r->uri_changes != query->uri_changes) {
        return;
    }

    if (!r->discard_body) {
        r->read_event_handler = ngx_http_block_reading;
    }

    ngx_http_finalize_request(r, query->body != NULL
                                 ? ngx_http_gate_query_send(r, query->body)
                                 : NGX_HTTP_SERVICE_UNAVAILABLE);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_http_gate_query_send(ngx_http_request_t *r, ngx_buf_t *b)
{
    ngx_int_t    rc;
    ngx_chain_t  out;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = b->last - b->pos;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}
