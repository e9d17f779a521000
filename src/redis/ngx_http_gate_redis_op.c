
/*
 * Copyright (C) nginx-gate authors
 *
 * Commands: each is completed exactly once, by its reply, by its deadline, or
 * by the end of its connection.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_redis_conn.h"


static ngx_http_gate_redis_op_t *ngx_http_gate_redis_create_op(
    ngx_uint_t nhead, ngx_str_t *head, ngx_uint_t nkeys, ngx_uint_t argc,
    ngx_str_t *argv, ngx_str_t *name);
static ngx_http_gate_redis_op_t *ngx_http_gate_redis_start(
    ngx_http_gate_redis_t *rc, ngx_http_gate_redis_op_t *op);
static ngx_int_t ngx_http_gate_redis_send(ngx_http_gate_redis_op_t *op);
static void ngx_http_gate_redis_reply(redisAsyncContext *ac, void *reply,
    void *data);
static ngx_uint_t ngx_http_gate_redis_named(ngx_http_gate_redis_op_t *op,
    redisReply *reply);
static void ngx_http_gate_redis_abandoned(ngx_http_gate_redis_op_t *op,
    redisAsyncContext *ac);
static void ngx_http_gate_redis_refused(ngx_http_gate_redis_op_t *op,
    redisAsyncContext *ac, redisReply *reply);
static ngx_int_t ngx_http_gate_redis_retry(ngx_http_gate_redis_op_t *op,
    ngx_http_gate_redis_link_t *link);
static void ngx_http_gate_redis_reload_done(redisAsyncContext *ac,
    void *reply, void *data);
static void ngx_http_gate_redis_complete(ngx_http_gate_redis_op_t *op,
    ngx_http_gate_redis_status_e status, redisReply *reply);
static void ngx_http_gate_redis_remove(ngx_http_gate_redis_op_t *op);
static ngx_uint_t ngx_http_gate_redis_expired(ngx_queue_t *queue);
static void ngx_http_gate_redis_set_deadline(ngx_http_gate_redis_t *rc);


/* a script gets two words more before its arguments, and a name after them */

ngx_http_gate_redis_op_t *
ngx_http_gate_redis_give(ngx_http_gate_redis_t *rc,
    const ngx_http_gate_redis_script_t *script, ngx_uint_t nkeys,
    ngx_uint_t argc, ngx_str_t *argv, ngx_http_gate_redis_handler_pt handler,
    void *data)
{
    u_char                     buf[NGX_INT_T_LEN];
    u_char                     text[NGX_HTTP_GATE_REDIS_NAME];
    ngx_str_t                  name, head[3];
    ngx_http_gate_redis_op_t  *op;

    if (script == NULL) {
        op = ngx_http_gate_redis_create_op(0, NULL, 0, argc, argv, NULL);

    } else {
        ngx_str_set(&head[0], "EVALSHA");
        head[1] = script->sha1;
        head[2].data = buf;
        head[2].len = ngx_sprintf(buf, "%ui", nkeys) - buf;

        name.data = text;
        name.len = ngx_sprintf(text, "%*s-%uL", sizeof(rc->name), rc->name,
                               ++rc->calls)
                   - text;

        op = ngx_http_gate_redis_create_op(3, head, nkeys, argc, argv, &name);
    }

    if (op == NULL) {
        rc->stat.refused++;
        return NULL;
    }

    op->rc = rc;
    op->script = script;
    op->handler = handler;
    op->data = data;

    return ngx_http_gate_redis_start(rc, op);
}


ngx_int_t
ngx_http_gate_redis_detach(ngx_http_gate_redis_op_t *op,
    ngx_http_gate_redis_handler_pt handler, void *data)
{
    if (op->sent) {
        op->handler = handler;
        op->data = data;

        return NGX_OK;
    }

    ngx_http_gate_redis_remove(op);
    ngx_free(op);

    return NGX_DECLINED;
}


static ngx_http_gate_redis_op_t *
ngx_http_gate_redis_create_op(ngx_uint_t nhead, ngx_str_t *head,
    ngx_uint_t nkeys, ngx_uint_t argc, ngx_str_t *argv, ngx_str_t *name)
{
    u_char                    *p;
    size_t                     size;
    ngx_uint_t                 nname;
    ngx_http_gate_redis_op_t  *op;

    nname = (name != NULL);

    size = sizeof("*" CRLF) - 1 + NGX_INT_T_LEN
           + ngx_http_gate_redis_size(nhead, head)
           + ngx_http_gate_redis_size(argc, argv)
           + ngx_http_gate_redis_size(nname, name);

    op = ngx_alloc(offsetof(ngx_http_gate_redis_op_t, text) + size,
                   ngx_cycle->log);
    if (op == NULL) {
        return NULL;
    }

    p = ngx_sprintf(op->text, "*%ui" CRLF, nhead + argc + nname);
    p = ngx_http_gate_redis_write_args(p, nhead, head);
    p = ngx_http_gate_redis_write_args(p, nkeys, argv);
    p = ngx_http_gate_redis_write_args(p, nname, name);

    if (name != NULL) {
        op->name.len = name->len;
        op->name.data = p - (sizeof(CRLF) - 1) - name->len;
    }

    p = ngx_http_gate_redis_write_args(p, argc - nkeys, argv + nkeys);

    /* hiredis looks for another argument; the size has room for it */

    *p = '\0';

    op->len = p - op->text;
    op->sent = 0;
    op->retried = 0;

    return op;
}


static ngx_http_gate_redis_op_t *
ngx_http_gate_redis_start(ngx_http_gate_redis_t *rc,
    ngx_http_gate_redis_op_t *op)
{
    op->deadline = ngx_current_msec + rc->conf->timeout;

    if (rc->state == NGX_HTTP_GATE_REDIS_READY) {

        if (ngx_http_gate_redis_send(op) != NGX_OK) {
            ngx_free(op);
            rc->stat.refused++;
            return NULL;
        }

        ngx_queue_insert_tail(&rc->sent, &op->queue);

    } else {
        ngx_queue_insert_tail(&rc->waiting, &op->queue);
        rc->nwaiting++;
    }

    rc->stat.commands++;
    rc->stat.in_flight++;

    if (!rc->deadline.timer_set) {
        ngx_add_timer(&rc->deadline, rc->conf->timeout);
    }

    return op;
}


static ngx_int_t
ngx_http_gate_redis_send(ngx_http_gate_redis_op_t *op)
{
    ngx_http_gate_redis_t       *rc;
    ngx_http_gate_redis_link_t  *link;

    rc = op->rc;
    link = rc->link;

    op->offset = link->appended;

    if (ngx_http_gate_redis_append(link, ngx_http_gate_redis_reply, op,
                                   op->text, op->len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    op->sent = 1;
    rc->active = ngx_current_msec;

    return NGX_OK;
}


/* the connection is ready: what waited for it goes, in order */

void
ngx_http_gate_redis_flush(ngx_http_gate_redis_t *rc)
{
    ngx_queue_t               *q;
    ngx_http_gate_redis_op_t  *op;

    while (rc->state == NGX_HTTP_GATE_REDIS_READY
           && !ngx_queue_empty(&rc->waiting))
    {
        q = ngx_queue_head(&rc->waiting);
        op = ngx_queue_data(q, ngx_http_gate_redis_op_t, queue);

        if (ngx_http_gate_redis_send(op) != NGX_OK) {
            ngx_http_gate_redis_complete(op, NGX_HTTP_GATE_REDIS_NOT_SENT,
                                         NULL);
            continue;
        }

        ngx_queue_remove(q);
        rc->nwaiting--;
        ngx_queue_insert_tail(&rc->sent, q);
    }
}


void
ngx_http_gate_redis_refuse_waiting(ngx_http_gate_redis_t *rc)
{
    ngx_queue_t               *q;
    ngx_http_gate_redis_op_t  *op;

    while (!ngx_queue_empty(&rc->waiting)) {
        q = ngx_queue_head(&rc->waiting);
        op = ngx_queue_data(q, ngx_http_gate_redis_op_t, queue);

        ngx_http_gate_redis_complete(op, NGX_HTTP_GATE_REDIS_NOT_SENT, NULL);
    }
}


static void
ngx_http_gate_redis_reply(redisAsyncContext *ac, void *reply, void *data)
{
    ngx_http_gate_redis_op_t *op = data;

    redisReply             *r;
    ngx_http_gate_redis_t  *rc;

    r = reply;
    rc = op->rc;

    if (r == NULL) {
        ngx_http_gate_redis_abandoned(op, ac);
        return;
    }

    if (r->type == REDIS_REPLY_ERROR) {
        ngx_http_gate_redis_refused(op, ac, r);
        return;
    }

    if (op->script != NULL && !ngx_http_gate_redis_named(op, r)) {
        ngx_http_gate_redis_reject(ac->data, "reply to another call");
        ngx_http_gate_redis_complete(op, NGX_HTTP_GATE_REDIS_LOST, NULL);
        return;
    }

    rc->backoff = 0;

    if (rc->trouble == NGX_HTTP_GATE_REDIS_REFUSING
        && rc->refused == op->script)
    {
        ngx_http_gate_redis_up(rc);
    }

    if (op->script == NULL) {
        ngx_http_gate_redis_complete(op, NGX_HTTP_GATE_REDIS_OK, r);
        return;
    }

    /* hiredis frees all items after this */

    r->elements--;

    ngx_http_gate_redis_complete(op, NGX_HTTP_GATE_REDIS_OK, r);

    r->elements++;
}


/* by its last item, which is not for the handler */

static ngx_uint_t
ngx_http_gate_redis_named(ngx_http_gate_redis_op_t *op, redisReply *reply)
{
    redisReply  *last;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {
        return 0;
    }

    last = reply->element[reply->elements - 1];

    return last->type == REDIS_REPLY_STRING
           && (size_t) last->len == op->name.len
           && ngx_memcmp(last->str, op->name.data, op->name.len) == 0;
}


/*
 * The connection ends without a reply.  What is still whole in hiredis's
 * buffer has not left; with TLS, parts of it may have.
 */

static void
ngx_http_gate_redis_abandoned(ngx_http_gate_redis_op_t *op,
    redisAsyncContext *ac)
{
    uint64_t                      written;
    ngx_http_gate_redis_link_t   *link;
    ngx_http_gate_redis_status_e  status;

    link = ac->data;

    ngx_http_gate_redis_lost(link, ngx_http_gate_redis_reason(op->rc, ac));

    written = link->appended;

    if (ac->c.obuf && op->rc->conf->ssl == NULL) {
        written -= sdslen(ac->c.obuf);
    }

    if (op->offset >= written) {
        status = NGX_HTTP_GATE_REDIS_NOT_SENT;

    } else if ((ngx_msec_int_t) (op->deadline - ngx_current_msec) <= 0) {
        status = NGX_HTTP_GATE_REDIS_TIMEOUT;

    } else {
        status = NGX_HTTP_GATE_REDIS_LOST;
    }

    ngx_http_gate_redis_complete(op, status, NULL);
}


static void
ngx_http_gate_redis_refused(ngx_http_gate_redis_op_t *op,
    redisAsyncContext *ac, redisReply *reply)
{
    ngx_http_gate_redis_t         *rc;
    ngx_http_gate_redis_link_t    *link;
    ngx_http_gate_redis_status_e   status;

    rc = op->rc;
    link = ac->data;

    if (ngx_http_gate_redis_is_error(reply, "NOSCRIPT")
        && ngx_http_gate_redis_retry(op, link) == NGX_OK)
    {
        return;
    }

    if (ngx_http_gate_redis_refusing(reply)) {
        status = NGX_HTTP_GATE_REDIS_UNAVAILABLE;

        ngx_http_gate_redis_down(rc, NGX_HTTP_GATE_REDIS_REFUSING, op->script,
                                 reply->str);

        /* a master that became a replica: ask for the way again */

        if (ngx_http_gate_redis_says(reply, "READONLY")) {
            ngx_http_gate_redis_lost(link, reply->str);
        }

    } else {
        status = NGX_HTTP_GATE_REDIS_ERROR;

        ngx_http_gate_redis_complain(rc, op->script, reply);
    }

    ngx_http_gate_redis_complete(op, status, reply);
}


static ngx_int_t
ngx_http_gate_redis_retry(ngx_http_gate_redis_op_t *op,
    ngx_http_gate_redis_link_t *link)
{
    if (op->script == NULL || op->retried || link->dead) {
        return NGX_DECLINED;
    }

    op->retried = 1;

    if (link->loading != op->script) {

        if (ngx_http_gate_redis_load(link, op->script,
                                     ngx_http_gate_redis_reload_done)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        link->loading = op->script;
    }

    return ngx_http_gate_redis_send(op);
}


static void
ngx_http_gate_redis_reload_done(redisAsyncContext *ac, void *reply,
    void *data)
{
    const ngx_http_gate_redis_script_t *script = data;

    ngx_http_gate_redis_link_t  *link;

    link = ac->data;

    if (link->loading == script) {
        link->loading = NULL;
    }

    /* the commands behind it tell their callers what comes of a failure */

    if (reply
        && ngx_http_gate_redis_loaded(link, script, reply) == NGX_OK)
    {
        ngx_log_error(NGX_LOG_WARN, link->rc->log, 0,
                      "script \"%V\" was loaded again by gate_redis \"%V\"",
                      &script->name, &link->rc->conf->url);
    }
}


static void
ngx_http_gate_redis_complete(ngx_http_gate_redis_op_t *op,
    ngx_http_gate_redis_status_e status, redisReply *reply)
{
    void                            *data;
    ngx_http_gate_redis_t           *rc;
    ngx_http_gate_redis_handler_pt   handler;

    rc = op->rc;
    handler = op->handler;
    data = op->data;

    if (status != NGX_HTTP_GATE_REDIS_OK) {
        rc->stat.errors++;
    }

    if (status == NGX_HTTP_GATE_REDIS_TIMEOUT) {
        rc->stat.timeouts++;
    }

    ngx_http_gate_redis_remove(op);
    ngx_free(op);

    if (handler) {
        handler(status, reply, data);
    }
}


static void
ngx_http_gate_redis_remove(ngx_http_gate_redis_op_t *op)
{
    ngx_http_gate_redis_t  *rc;

    rc = op->rc;

    ngx_queue_remove(&op->queue);

    rc->stat.in_flight--;

    if (!op->sent) {
        rc->nwaiting--;
    }

    if (ngx_queue_empty(&rc->waiting)
        && ngx_queue_empty(&rc->sent)
        && rc->deadline.timer_set)
    {
        ngx_del_timer(&rc->deadline);
    }
}


/*
 * One timer watches the oldest command.  Replies are matched by their order,
 * so nothing can be received after a reply that did not come: the connection
 * is closed, and with it all that was sent on it.
 */

void
ngx_http_gate_redis_deadline_handler(ngx_event_t *ev)
{
    ngx_queue_t               *q;
    ngx_http_gate_redis_t     *rc;
    ngx_http_gate_redis_op_t  *op;

    rc = ev->data;

    if (rc->link && ngx_http_gate_redis_expired(&rc->sent)) {
        rc->link->reset = 1;
        ngx_http_gate_redis_close(rc->link, "command timed out");
    }

    while (ngx_http_gate_redis_expired(&rc->waiting)) {
        q = ngx_queue_head(&rc->waiting);
        op = ngx_queue_data(q, ngx_http_gate_redis_op_t, queue);

        rc->stat.timeouts++;
        ngx_http_gate_redis_complete(op, NGX_HTTP_GATE_REDIS_NOT_SENT, NULL);
    }

    ngx_http_gate_redis_set_deadline(rc);
}


static ngx_uint_t
ngx_http_gate_redis_expired(ngx_queue_t *queue)
{
    ngx_queue_t               *q;
    ngx_http_gate_redis_op_t  *op;

    if (ngx_queue_empty(queue)) {
        return 0;
    }

    q = ngx_queue_head(queue);
    op = ngx_queue_data(q, ngx_http_gate_redis_op_t, queue);

    return (ngx_msec_int_t) (op->deadline - ngx_current_msec) <= 0;
}


static void
ngx_http_gate_redis_set_deadline(ngx_http_gate_redis_t *rc)
{
    ngx_uint_t                 i;
    ngx_queue_t               *q, *queues[2];
    ngx_msec_int_t             left, min;
    ngx_http_gate_redis_op_t  *op;

    queues[0] = &rc->waiting;
    queues[1] = &rc->sent;

    min = -1;

    for (i = 0; i < 2; i++) {

        if (ngx_queue_empty(queues[i])) {
            continue;
        }

        q = ngx_queue_head(queues[i]);
        op = ngx_queue_data(q, ngx_http_gate_redis_op_t, queue);

        left = (ngx_msec_int_t) (op->deadline - ngx_current_msec);
        left = ngx_max(left, 1);

        if (min == -1 || left < min) {
            min = left;
        }
    }

    if (rc->deadline.timer_set) {
        ngx_del_timer(&rc->deadline);
    }

    if (min != -1) {
        ngx_add_timer(&rc->deadline, (ngx_msec_t) min);
    }
}
