
/*
 * Copyright (C) nginx-gate authors
 *
 * hiredis's five hooks on nginx's events.  hiredis reads at most 16 KiB a time
 * and wants to be called again, so events are level-triggered; it closes the
 * socket itself, so a connection is freed here and never closed.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_redis_conn.h"


static void ngx_http_gate_redis_add_read(void *data);
static void ngx_http_gate_redis_del_read(void *data);
static void ngx_http_gate_redis_add_write(void *data);
static void ngx_http_gate_redis_del_write(void *data);
static void ngx_http_gate_redis_cleanup(void *data);
static void ngx_http_gate_redis_read_handler(ngx_event_t *rev);
static void ngx_http_gate_redis_write_handler(ngx_event_t *wev);
static void ngx_http_gate_redis_settle(ngx_http_gate_redis_link_t *link);


ngx_int_t
ngx_http_gate_redis_attach(ngx_http_gate_redis_link_t *link)
{
    ngx_log_t          *log;
    ngx_connection_t   *c;
    redisAsyncContext  *ac;

    ac = link->ac;
    log = link->rc->log;

    c = ngx_get_connection(ac->c.fd, log);
    if (c == NULL) {
        return NGX_ERROR;
    }

    c->data = link;
    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->log_error = NGX_ERROR_ERR;

    c->read->log = log;
    c->read->handler = ngx_http_gate_redis_read_handler;
    c->write->log = log;
    c->write->handler = ngx_http_gate_redis_write_handler;

    link->c = c;

    ac->data = link;
    ac->ev.data = link;
    ac->ev.addRead = ngx_http_gate_redis_add_read;
    ac->ev.delRead = ngx_http_gate_redis_del_read;
    ac->ev.addWrite = ngx_http_gate_redis_add_write;
    ac->ev.delWrite = ngx_http_gate_redis_del_write;
    ac->ev.cleanup = ngx_http_gate_redis_cleanup;

    ngx_http_gate_redis_guard(link);

    return NGX_OK;
}


static void
ngx_http_gate_redis_add_read(void *data)
{
    ngx_http_gate_redis_link_t *link = data;

    ngx_connection_t  *c;

    c = link->c;

    if (c == NULL || c->read->active) {
        return;
    }

    if (ngx_add_event(c->read, NGX_READ_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_http_gate_redis_lost(link, "cannot add a read event");
    }
}


static void
ngx_http_gate_redis_del_read(void *data)
{
    ngx_http_gate_redis_link_t *link = data;

    ngx_connection_t  *c;

    c = link->c;

    if (c && c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }
}


/*
 * A new command posts the write event, so that all commands of one turn of
 * the event loop leave in one write.  The socket is asked only while it
 * connects and after a write that it did not take whole.
 */

static void
ngx_http_gate_redis_add_write(void *data)
{
    ngx_http_gate_redis_link_t *link = data;

    ngx_connection_t  *c;

    c = link->c;

    if (c == NULL || c->write->active) {
        return;
    }

    if (link->connected && !link->writing) {
        ngx_post_event(c->write, &ngx_posted_events);
        return;
    }

    if (ngx_add_event(c->write, NGX_WRITE_EVENT, NGX_LEVEL_EVENT) != NGX_OK) {
        ngx_http_gate_redis_lost(link, "cannot add a write event");
    }
}


static void
ngx_http_gate_redis_del_write(void *data)
{
    ngx_http_gate_redis_link_t *link = data;

    ngx_connection_t  *c;

    c = link->c;

    if (c && c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }
}


static void
ngx_http_gate_redis_cleanup(void *data)
{
    ngx_http_gate_redis_link_t *link = data;

    ngx_connection_t  *c;

    c = link->c;

    link->ac = NULL;
    link->c = NULL;

    if (c == NULL) {
        return;
    }

    /* the socket is still open: events must really be taken from it */

    if (c->read->active) {
        (void) ngx_del_event(c->read, NGX_READ_EVENT, 0);
    }

    if (c->write->active) {
        (void) ngx_del_event(c->write, NGX_WRITE_EVENT, 0);
    }

    if (c->read->posted) {
        ngx_delete_posted_event(c->read);
    }

    if (c->write->posted) {
        ngx_delete_posted_event(c->write);
    }

    c->read->closed = 1;
    c->write->closed = 1;

    ngx_free_connection(c);

    c->fd = (ngx_socket_t) -1;
}


static void
ngx_http_gate_redis_read_handler(ngx_event_t *rev)
{
    ngx_connection_t            *c;
    ngx_http_gate_redis_link_t  *link;

    c = rev->data;
    link = c->data;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, rev->log, 0,
                   "gate redis read handler");

    if (c->close) {
        ngx_http_gate_redis_retire(link);
        return;
    }

    link->busy = 1;

    /* what waits for TLS leaves while it is read */

    if (link->rc->conf->ssl) {
        link->left = link->asked;
    }

    redisAsyncHandleRead(link->ac);

    if (link->ac && !link->dead) {
        ngx_http_gate_redis_guard_rest(link);
    }

    ngx_http_gate_redis_settle(link);
}


static void
ngx_http_gate_redis_write_handler(ngx_event_t *wev)
{
    ngx_connection_t            *c;
    ngx_http_gate_redis_link_t  *link;

    c = wev->data;
    link = c->data;

    ngx_log_debug0(NGX_LOG_DEBUG_EVENT, wev->log, 0,
                   "gate redis write handler");

    link->busy = 1;
    link->writing = 1;

    redisAsyncHandleWrite(link->ac);

    link->writing = 0;
    link->left = link->asked;

    ngx_http_gate_redis_settle(link);
}


/* hiredis has returned: what was put off while it worked */

static void
ngx_http_gate_redis_settle(ngx_http_gate_redis_link_t *link)
{
    ngx_http_gate_redis_t  *rc;

    rc = link->rc;

    link->busy = 0;

    if (link->dead || link->ac == NULL) {
        ngx_http_gate_redis_lost(link, "connection closed");
        ngx_http_gate_redis_release(link);
        return;
    }

    if (rc->conf->ssl) {
        ngx_http_gate_redis_ssl_clear();
    }

    if (rc->state != NGX_HTTP_GATE_REDIS_READY || !ngx_queue_empty(&rc->sent)) {
        return;
    }

    if (ngx_exiting) {
        ngx_http_gate_redis_retire(link);
        return;
    }

    link->c->idle = 1;
}
