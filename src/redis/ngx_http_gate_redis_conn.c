
/*
 * Copyright (C) nginx-gate authors
 *
 * The life of a connection: idle -> connecting -> ready -> backoff, and again.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <unistd.h>

#include "ngx_http_gate_redis_conn.h"


#define NGX_HTTP_GATE_REDIS_BACKOFF_MIN  100
#define NGX_HTTP_GATE_REDIS_BACKOFF_MAX  5000

/* a connection that worked this long is replaced at once when it is lost */

#define NGX_HTTP_GATE_REDIS_PROVEN       1000


_Static_assert(offsetof(ngx_http_gate_redis_t, fd)
               == offsetof(ngx_connection_t, fd),
               "debug messages of events read it as a connection's");
_Static_assert(NGX_HTTP_GATE_REDIS_WORKER % 2 == 0,
               "two digits for each byte");


static ngx_int_t ngx_http_gate_redis_resolve(ngx_http_gate_redis_t *rc);
static void ngx_http_gate_redis_resolved(ngx_resolver_ctx_t *ctx);
static void ngx_http_gate_redis_open(ngx_http_gate_redis_t *rc,
    ngx_str_t *path, struct sockaddr *sockaddr, socklen_t socklen);
static void ngx_http_gate_redis_open_next(ngx_http_gate_redis_t *rc);
static redisAsyncContext *ngx_http_gate_redis_socket(
    ngx_http_gate_redis_t *rc, ngx_str_t *path, struct sockaddr *sockaddr,
    socklen_t socklen);
static void ngx_http_gate_redis_connected_handler(const redisAsyncContext *ac,
    int status);
static void ngx_http_gate_redis_disconnected_handler(
    const redisAsyncContext *ac, int status);
static void ngx_http_gate_redis_greeted(ngx_http_gate_redis_link_t *link);
static void ngx_http_gate_redis_ended(ngx_http_gate_redis_link_t *link,
    const char *reason);
static void ngx_http_gate_redis_failed(ngx_http_gate_redis_t *rc,
    ngx_uint_t proven, const char *reason);
static ngx_uint_t ngx_http_gate_redis_another(ngx_http_gate_redis_t *rc);
static ngx_msec_t ngx_http_gate_redis_next_delay(ngx_http_gate_redis_t *rc);
static void ngx_http_gate_redis_timer_handler(ngx_event_t *ev);
static void ngx_http_gate_redis_connect_timeout(ngx_http_gate_redis_t *rc);
static void ngx_http_gate_redis_ping(ngx_http_gate_redis_t *rc);
static void ngx_http_gate_redis_set_timer(ngx_http_gate_redis_t *rc,
    ngx_msec_t delay);


ngx_int_t
ngx_http_gate_redis_init_worker(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf)
{
    u_char                  random[NGX_HTTP_GATE_REDIS_WORKER / 2];
    ngx_http_gate_redis_t  *rc;

    if (rcf == NULL
        || (ngx_process != NGX_PROCESS_WORKER
            && ngx_process != NGX_PROCESS_SINGLE))
    {
        return NGX_OK;
    }

    rc = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gate_redis_t));
    if (rc == NULL) {
        return NGX_ERROR;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     rc->link = NULL;
     *     rc->state = NGX_HTTP_GATE_REDIS_IDLE;
     *     rc->resolving = NULL;
     *     rc->address = 0;
     *     rc->tried = 0;
     *     rc->trouble = NGX_HTTP_GATE_REDIS_FINE;
     *     rc->stat = { 0 };
     */

    if (getentropy(random, sizeof(random)) != 0) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "getentropy() failed");
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(rc->name, random, sizeof(random));

    rc->conf = rcf;
    rc->log = cycle->log;
    rc->fd = (ngx_socket_t) -1;

    ngx_queue_init(&rc->waiting);
    ngx_queue_init(&rc->sent);

    /* requests wait for commands: a worker that exits must let them */

    rc->deadline.handler = ngx_http_gate_redis_deadline_handler;
    rc->deadline.data = rc;
    rc->deadline.log = cycle->log;

    rc->timer.handler = ngx_http_gate_redis_timer_handler;
    rc->timer.data = rc;
    rc->timer.log = cycle->log;
    rc->timer.cancelable = 1;

    rcf->redis = rc;

    ngx_http_gate_redis_connect(rc);

    return NGX_OK;
}


void
ngx_http_gate_redis_exit_worker(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf)
{
    ngx_http_gate_redis_t       *rc;
    ngx_http_gate_redis_link_t  *link;

    if (rcf == NULL || rcf->redis == NULL) {
        return;
    }

    rc = rcf->redis;
    link = rc->link;

    rc->state = NGX_HTTP_GATE_REDIS_EXITED;
    rc->link = NULL;

    if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    if (rc->resolving) {
        ngx_resolve_name_done(rc->resolving);
        rc->resolving = NULL;
    }

    if (link) {
        link->dead = 1;
        ngx_http_gate_redis_release(link);
    }

    ngx_http_gate_redis_refuse_waiting(rc);
}


void
ngx_http_gate_redis_connect(ngx_http_gate_redis_t *rc)
{
    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, rc->log, 0,
                   "gate redis connect: \"%V\"", &rc->conf->url);

    rc->state = NGX_HTTP_GATE_REDIS_CONNECTING;

    ngx_http_gate_redis_set_timer(rc, rc->conf->connect_timeout);

    /* the addresses known from the configuration are fresh at the start */

    if (rc->attempts != rc->tried && rc->conf->named && rc->conf->resolver
        && ngx_http_gate_redis_resolve(rc) == NGX_OK)
    {
        return;
    }

    ngx_http_gate_redis_open_next(rc);
}


static ngx_int_t
ngx_http_gate_redis_resolve(ngx_http_gate_redis_t *rc)
{
    ngx_resolver_ctx_t  *ctx;

    ctx = ngx_resolve_start(rc->conf->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        return NGX_DECLINED;
    }

    ctx->name = rc->conf->host;
    ctx->handler = ngx_http_gate_redis_resolved;
    ctx->data = rc;
    ctx->timeout = rc->conf->resolver_timeout;
    ctx->cancelable = 1;

    rc->resolving = ctx;

    /* the handler may have run inside; a failure frees ctx */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        rc->resolving = NULL;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static void
ngx_http_gate_redis_resolved(ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t              i;
    ngx_http_gate_redis_t  *rc;

    rc = ctx->data;
    rc->resolving = NULL;

    if (ctx->state != NGX_OK || ctx->naddrs == 0) {
        ngx_log_error(NGX_LOG_WARN, rc->log, 0,
                      "\"%V\" of gate_redis could not be resolved (%i: %s), "
                      "using its former addresses", &ctx->name, ctx->state,
                      ngx_resolver_strerror(ctx->state));

        ngx_resolve_name_done(ctx);
        ngx_http_gate_redis_open_next(rc);
        return;
    }

    rc->naddrs = ctx->naddrs;
    i = rc->address % rc->naddrs;

    ngx_http_gate_redis_open(rc, NULL, ctx->addrs[i].sockaddr,
                             ctx->addrs[i].socklen);

    ngx_resolve_name_done(ctx);
}


static void
ngx_http_gate_redis_open_next(ngx_http_gate_redis_t *rc)
{
    ngx_uint_t                   i;
    ngx_http_gate_redis_conf_t  *rcf;

    rcf = rc->conf;

    if (rcf->path.len) {
        rc->naddrs = 1;
        ngx_http_gate_redis_open(rc, &rcf->path, NULL, 0);
        return;
    }

    rc->naddrs = rcf->naddrs;
    i = rc->address % rc->naddrs;

    ngx_http_gate_redis_open(rc, NULL, rcf->addrs[i].sockaddr,
                             rcf->addrs[i].socklen);
}


static void
ngx_http_gate_redis_open(ngx_http_gate_redis_t *rc, ngx_str_t *path,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    const char                  *reason;
    redisAsyncContext           *ac;
    ngx_http_gate_redis_link_t  *link;

    rc->attempts++;

    link = ngx_calloc(sizeof(ngx_http_gate_redis_link_t), rc->log);
    if (link == NULL) {
        ngx_http_gate_redis_failed(rc, 0, "no memory");
        return;
    }

    link->rc = rc;
    link->greeted = ngx_http_gate_redis_greeted;
    link->ended = ngx_http_gate_redis_ended;
    rc->link = link;

    ac = ngx_http_gate_redis_socket(rc, path, sockaddr, socklen);

    link->ac = ac;

    if (ac == NULL || ac->err) {
        reason = ac ? ac->c.errstr : "no memory";
        goto failed;
    }

    if (ngx_http_gate_redis_attach(link) != NGX_OK) {
        reason = "no free connection";
        goto failed;
    }

    if (rc->conf->ssl && ngx_http_gate_redis_ssl_start(link) != NGX_OK) {
        reason = ngx_http_gate_redis_reason(rc, ac);
        goto failed;
    }

    redisAsyncSetDisconnectCallback(ac,
                                    ngx_http_gate_redis_disconnected_handler);

    if (redisAsyncSetConnectCallback(ac, ngx_http_gate_redis_connected_handler)
        != REDIS_OK)
    {
        reason = "no memory";
        goto failed;
    }

    if (link->dead) {
        ngx_http_gate_redis_release(link);
    }

    return;

failed:

    ngx_http_gate_redis_close(link, reason);
}


/* hiredis gets addresses in digits only, as it would wait for a name */

static redisAsyncContext *
ngx_http_gate_redis_socket(ngx_http_gate_redis_t *rc, ngx_str_t *path,
    struct sockaddr *sockaddr, socklen_t socklen)
{
    size_t  len;
    u_char  text[NGX_SOCKADDR_STRLEN + 1];

    if (path) {
        return redisAsyncConnectUnix((char *) path->data);
    }

    len = ngx_sock_ntop(sockaddr, socklen, text, NGX_SOCKADDR_STRLEN, 0);
    text[len] = '\0';

    return redisAsyncConnect((char *) text, rc->conf->port);
}


static void
ngx_http_gate_redis_connected_handler(const redisAsyncContext *ac, int status)
{
    ngx_http_gate_redis_link_t  *link;

    link = ac->data;

    if (status != REDIS_OK) {
        ngx_http_gate_redis_lost(link,
                                 ngx_http_gate_redis_reason(link->rc, ac));
        return;
    }

    link->connected = 1;

    if (ngx_http_gate_redis_greet(link) != NGX_OK) {
        ngx_http_gate_redis_lost(link, "no memory");
    }
}


static void
ngx_http_gate_redis_disconnected_handler(const redisAsyncContext *ac,
    int status)
{
    ngx_http_gate_redis_link_t  *link;

    link = ac->data;

    ngx_http_gate_redis_lost(link, ngx_http_gate_redis_reason(link->rc, ac));
}


static void
ngx_http_gate_redis_greeted(ngx_http_gate_redis_link_t *link)
{
    ngx_http_gate_redis_t  *rc;

    rc = link->rc;

    rc->state = NGX_HTTP_GATE_REDIS_READY;
    rc->stat.connects++;
    rc->active = ngx_current_msec;
    link->ready = ngx_current_msec;

    if (rc->conf->ping) {
        ngx_http_gate_redis_set_timer(rc, rc->conf->ping);

    } else if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    ngx_log_error(NGX_LOG_INFO, rc->log, 0, "gate_redis \"%V\" is connected",
                  &rc->conf->url);

    if (rc->trouble == NGX_HTTP_GATE_REDIS_BROKEN) {
        ngx_http_gate_redis_up(rc);
    }

    ngx_http_gate_redis_flush(rc);

    if (rc->ready_handler && rc->state == NGX_HTTP_GATE_REDIS_READY) {
        rc->ready_handler(rc->ready_data);
    }
}


/* without a reason it is no failure, and the worker exits */

static void
ngx_http_gate_redis_ended(ngx_http_gate_redis_link_t *link,
    const char *reason)
{
    ngx_uint_t              proven;
    ngx_http_gate_redis_t  *rc;

    rc = link->rc;
    rc->link = NULL;

    if (reason == NULL) {
        rc->state = NGX_HTTP_GATE_REDIS_IDLE;

        if (rc->timer.timer_set) {
            ngx_del_timer(&rc->timer);
        }

        return;
    }

    proven = rc->state == NGX_HTTP_GATE_REDIS_READY
             && !link->reset
             && rc->trouble != NGX_HTTP_GATE_REDIS_REFUSING
             && ngx_current_msec - link->ready
                >= NGX_HTTP_GATE_REDIS_PROVEN;

    ngx_http_gate_redis_failed(rc, proven, reason);
}


static void
ngx_http_gate_redis_failed(ngx_http_gate_redis_t *rc, ngx_uint_t proven,
    const char *reason)
{
    ngx_msec_t  delay;

    rc->stat.failures++;

    if (!proven && ngx_http_gate_redis_another(rc)) {
        return;
    }

    rc->tried = 0;

    if (proven) {
        rc->state = NGX_HTTP_GATE_REDIS_IDLE;
        delay = 1 + ngx_random() % 20;

    } else {
        rc->state = NGX_HTTP_GATE_REDIS_BACKOFF;
        delay = ngx_http_gate_redis_next_delay(rc);
    }

    ngx_http_gate_redis_set_timer(rc, delay);

    ngx_http_gate_redis_down(rc, NGX_HTTP_GATE_REDIS_BROKEN, NULL, reason);

    ngx_log_debug2(NGX_LOG_DEBUG_EVENT, rc->log, 0,
                   "gate redis failed: \"%s\", next in %M", reason, delay);

    ngx_http_gate_redis_refuse_waiting(rc);
}


/*
 * A name such as localhost may have an address that nobody listens on: the
 * next one is tried while commands wait.
 */

static ngx_uint_t
ngx_http_gate_redis_another(ngx_http_gate_redis_t *rc)
{
    rc->address++;
    rc->tried++;

    if (rc->tried >= rc->naddrs || ngx_exiting) {
        return 0;
    }

    rc->state = NGX_HTTP_GATE_REDIS_IDLE;

    ngx_http_gate_redis_set_timer(rc, 1);

    return 1;
}


/* doubled each time; of each delay the second half is random */

static ngx_msec_t
ngx_http_gate_redis_next_delay(ngx_http_gate_redis_t *rc)
{
    ngx_msec_t  delay;

    delay = NGX_HTTP_GATE_REDIS_BACKOFF_MIN << rc->backoff;

    if (delay < NGX_HTTP_GATE_REDIS_BACKOFF_MAX) {
        rc->backoff++;

    } else {
        delay = NGX_HTTP_GATE_REDIS_BACKOFF_MAX;
    }

    return delay / 2 + ngx_random() % (delay / 2 + 1);
}


static void
ngx_http_gate_redis_timer_handler(ngx_event_t *ev)
{
    ngx_http_gate_redis_t  *rc;

    rc = ev->data;

    switch (rc->state) {

    case NGX_HTTP_GATE_REDIS_CONNECTING:
        ngx_http_gate_redis_connect_timeout(rc);
        break;

    case NGX_HTTP_GATE_REDIS_READY:
        ngx_http_gate_redis_ping(rc);
        break;

    case NGX_HTTP_GATE_REDIS_IDLE:
    case NGX_HTTP_GATE_REDIS_BACKOFF:

        rc->state = NGX_HTTP_GATE_REDIS_IDLE;

        if (!ngx_exiting) {
            ngx_http_gate_redis_connect(rc);
        }

        break;

    default: /* NGX_HTTP_GATE_REDIS_EXITED */
        break;
    }
}


static void
ngx_http_gate_redis_connect_timeout(ngx_http_gate_redis_t *rc)
{
    if (rc->link) {
        rc->link->reset = 1;
        ngx_http_gate_redis_close(rc->link, "connect timed out");
        return;
    }

    if (rc->resolving) {
        ngx_resolve_name_done(rc->resolving);
        rc->resolving = NULL;
    }

    ngx_http_gate_redis_failed(rc, 0, "name resolution timed out");
}


static void
ngx_http_gate_redis_ping(ngx_http_gate_redis_t *rc)
{
    ngx_str_t   argv[1];
    ngx_msec_t  idle;

    if (ngx_exiting) {
        return;
    }

    idle = ngx_current_msec - rc->active;

    if (idle < rc->conf->ping) {
        ngx_http_gate_redis_set_timer(rc, rc->conf->ping - idle);
        return;
    }

    ngx_http_gate_redis_set_timer(rc, rc->conf->ping);

    ngx_str_set(&argv[0], "PING");

    (void) ngx_http_gate_redis_give(rc, NULL, 0, 1, argv, NULL, NULL);
}


/* deleted first: adding keeps the old time if the new one is close to it */

static void
ngx_http_gate_redis_set_timer(ngx_http_gate_redis_t *rc, ngx_msec_t delay)
{
    if (rc->timer.timer_set) {
        ngx_del_timer(&rc->timer);
    }

    ngx_add_timer(&rc->timer, delay);
}
