
/*
 * Copyright (C) nginx-gate authors
 *
 * Notices changed secret files in a worker, and changes their keys.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_metrics.h"
#include "ngx_http_gate_secrets.h"


/* looked at in one event: requests must not wait for a thousand files */

#define NGX_HTTP_GATE_WATCH_BATCH  16


typedef struct {
    ngx_event_t                event;
    ngx_event_t                settle;
    ngx_msec_t                 step;    /* from one batch to the next */
    ngx_array_t               *secrets; /* ngx_http_gate_secret_t * */
    ngx_uint_t                 next;
    ngx_queue_t                queue;   /* of secrets, by "since" */
} ngx_http_gate_watch_t;


/* of a secret and its previous one */

typedef struct {
    ngx_http_gate_secret_t    *secret;
    gate_key_t                *key;     /* of secret->seen, or NULL */
} ngx_http_gate_news_t;


static void ngx_http_gate_watch_handler(ngx_event_t *ev);
static void ngx_http_gate_watch_settle_handler(ngx_event_t *ev);
static void ngx_http_gate_watch_timer(ngx_http_gate_watch_t *watch);
static void ngx_http_gate_watch_pair(ngx_http_gate_watch_t *watch,
    ngx_http_gate_secret_t *secret, ngx_uint_t init);
static ngx_uint_t ngx_http_gate_watch_file(ngx_http_gate_news_t *news);
static ngx_uint_t ngx_http_gate_watch_unchanged(
    ngx_http_gate_secret_t *secret);
static ngx_uint_t ngx_http_gate_watch_in_use(ngx_http_gate_secret_t *secret,
    ngx_http_gate_look_t *look);
static ngx_uint_t ngx_http_gate_watch_old(ngx_http_gate_secret_t *secret);
static void ngx_http_gate_watch_keep(ngx_http_gate_secret_t *secret,
    ngx_log_t *log);
static void ngx_http_gate_watch_take(ngx_http_gate_news_t *news,
    ngx_log_t *log);


ngx_int_t
ngx_http_gate_secrets_watch(ngx_cycle_t *cycle, ngx_array_t *secrets,
    ngx_msec_t interval)
{
    ngx_uint_t                i;
    ngx_http_gate_watch_t    *watch;
    ngx_http_gate_secret_t  **secret;

    watch = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gate_watch_t));
    if (watch == NULL) {
        return NGX_ERROR;
    }

    watch->secrets = secrets;
    ngx_queue_init(&watch->queue);

    watch->event.handler = ngx_http_gate_watch_handler;
    watch->event.data = watch;
    watch->event.log = cycle->log;
    watch->event.cancelable = 1;

    watch->settle.handler = ngx_http_gate_watch_settle_handler;
    watch->settle.data = watch;
    watch->settle.log = cycle->log;
    watch->settle.cancelable = 1;

    /*
     * a worker that replaces a dead one has the keys that the master read:
     * it must not begin with what the others have put aside
     */

    secret = secrets->elts;

    for (i = 0; i < secrets->nelts; i++) {
        ngx_http_gate_watch_pair(watch, secret[i], 1);
    }

    /* a change is used within the interval, the second look included */

    interval -= ngx_min(NGX_HTTP_GATE_SECRET_SETTLE, interval / 2);

    watch->step = interval;

    if (secrets->nelts > NGX_HTTP_GATE_WATCH_BATCH) {
        watch->step = ngx_max(interval * NGX_HTTP_GATE_WATCH_BATCH
                              / secrets->nelts, 1);
    }

    ngx_add_timer(&watch->event, watch->step);

    return NGX_OK;
}


static void
ngx_http_gate_watch_handler(ngx_event_t *ev)
{
    ngx_http_gate_watch_t *watch = ev->data;

    ngx_uint_t                i, n;
    ngx_http_gate_secret_t  **secret;

    secret = watch->secrets->elts;
    n = ngx_min(watch->secrets->nelts, NGX_HTTP_GATE_WATCH_BATCH);

    for (i = 0; i < n; i++) {

        if (!secret[watch->next]->waiting) {
            ngx_http_gate_watch_pair(watch, secret[watch->next], 0);
        }

        watch->next = (watch->next + 1) % watch->secrets->nelts;
    }

    ngx_add_timer(ev, watch->step);
}


static void
ngx_http_gate_watch_settle_handler(ngx_event_t *ev)
{
    ngx_http_gate_watch_t *watch = ev->data;

    uint64_t                 now;
    ngx_uint_t               i;
    ngx_queue_t             *q;
    ngx_http_gate_secret_t  *secret;

    now = ngx_http_gate_usec();

    for (i = 0; i < NGX_HTTP_GATE_WATCH_BATCH; i++) {

        if (ngx_queue_empty(&watch->queue)) {
            return;
        }

        q = ngx_queue_head(&watch->queue);
        secret = ngx_queue_data(q, ngx_http_gate_secret_t, queue);

        if (now - secret->since < NGX_HTTP_GATE_SECRET_SETTLE * 1000) {
            break;
        }

        ngx_queue_remove(q);
        secret->waiting = 0;

        ngx_http_gate_watch_pair(watch, secret, 0);
    }

    ngx_http_gate_watch_timer(watch);
}


static void
ngx_http_gate_watch_timer(ngx_http_gate_watch_t *watch)
{
    uint64_t                 past;
    ngx_queue_t             *q;
    ngx_http_gate_secret_t  *secret;

    if (ngx_queue_empty(&watch->queue) || watch->settle.timer_set) {
        return;
    }

    q = ngx_queue_head(&watch->queue);
    secret = ngx_queue_data(q, ngx_http_gate_secret_t, queue);

    past = (ngx_http_gate_usec() - secret->since) / 1000;

    ngx_add_timer(&watch->settle,
                  (past < NGX_HTTP_GATE_SECRET_SETTLE)
                  ? NGX_HTTP_GATE_SECRET_SETTLE - past : 1);
}


/*
 * Both keys of a project change together: who replaces one writes the previous
 * key first, and it must never be used later than the new one.
 */

static void
ngx_http_gate_watch_pair(ngx_http_gate_watch_t *watch,
    ngx_http_gate_secret_t *secret, ngx_uint_t init)
{
    ngx_uint_t            i, n, changed, pending, old;
    ngx_http_gate_news_t  news[2];

    news[0].secret = secret;
    news[1].secret = secret->previous;
    n = (secret->previous != NULL) ? 2 : 1;

    changed = 0;
    pending = 0;
    old = 1;

    for (i = 0; i < n; i++) {
        changed |= ngx_http_gate_watch_file(&news[i]);

        if (news[i].secret->pending) {
            pending = 1;
            old &= ngx_http_gate_watch_old(news[i].secret);
        }
    }

    if (changed) {
        secret->since = ngx_http_gate_usec();
    }

    if (pending && (changed ? (init && old)
                            : ngx_http_gate_usec() - secret->since
                              >= NGX_HTTP_GATE_SECRET_SETTLE * 1000))
    {
        for (i = 0; i < n; i++) {
            ngx_http_gate_watch_take(&news[i], watch->event.log);
        }

        pending = 0;
    }

    for (i = 0; i < n; i++) {
        gate_key_destroy(news[i].key);
    }

    if (pending) {
        secret->waiting = 1;
        ngx_queue_insert_tail(&watch->queue, &secret->queue);
        ngx_http_gate_watch_timer(watch);
    }
}


/* whether there is another file than at the last look */

static ngx_uint_t
ngx_http_gate_watch_file(ngx_http_gate_news_t *news)
{
    ngx_uint_t               changed;
    ngx_http_gate_look_t     look;
    ngx_http_gate_secret_t  *secret;

    news->key = NULL;
    secret = news->secret;

    if (ngx_http_gate_watch_unchanged(secret)) {
        return 0;
    }

    news->key = ngx_http_gate_secret_look(secret, &look);

    changed = (look.fmt != secret->seen.fmt
               || (look.fmt == NULL
                   && (ngx_http_gate_stamps_differ(&look.stamp,
                                                   &secret->seen.stamp)
                       || ngx_memcmp(look.print, secret->seen.print,
                                     GATE_SIGNATURE_LEN)
                          != 0)));

    secret->seen = look;
    secret->pending = !ngx_http_gate_watch_in_use(secret, &look);

    return changed && secret->pending;
}


static ngx_uint_t
ngx_http_gate_watch_unchanged(ngx_http_gate_secret_t *secret)
{
    ngx_http_gate_stamp_t  stamp;

    if (secret->pending || secret->seen.fmt != NULL
        || !secret->seen.known)
    {
        return 0;
    }

    ngx_http_gate_secret_stamp(secret, &stamp);

    return !ngx_http_gate_stamps_differ(&stamp, &secret->seen.stamp);
}


static ngx_uint_t
ngx_http_gate_watch_in_use(ngx_http_gate_secret_t *secret,
    ngx_http_gate_look_t *look)
{
    if (look->fmt != NULL || secret->failed != NULL) {
        return look->fmt == secret->failed;
    }

    return ngx_memcmp(look->print, secret->print, GATE_SIGNATURE_LEN) == 0;
}


/* what the workers that were there before use by now */

static ngx_uint_t
ngx_http_gate_watch_old(ngx_http_gate_secret_t *secret)
{
    return secret->seen.fmt == NULL
           && ngx_http_gate_stamp_age(&secret->seen.stamp)
              >= NGX_HTTP_GATE_SECRET_SETTLE;
}


/* every worker sees what is wrong with a file: one of them says it */

static void
ngx_http_gate_watch_keep(ngx_http_gate_secret_t *secret, ngx_log_t *log)
{
    u_char                *last;
    u_char                 reason[NGX_MAX_ERROR_STR];
    ngx_uint_t             level;
    ngx_http_gate_look_t  *look;

    look = &secret->seen;
    secret->failed = look->fmt;

    level = NGX_LOG_ERR;

    if ((ngx_worker != 0 || ngx_exiting)
        && (look->err == 0 || look->err == NGX_ENOENT
            || look->err == NGX_EACCES))
    {
        level = NGX_LOG_INFO;
    }

    last = ngx_snprintf(reason, sizeof(reason), look->fmt, secret->directive,
                        &secret->path);

    ngx_log_error(level, log, look->err, "%*s: the key before stays in use",
                  (size_t) (last - reason), reason);
}


static void
ngx_http_gate_watch_take(ngx_http_gate_news_t *news, ngx_log_t *log)
{
    ngx_http_gate_secret_t  *secret;

    secret = news->secret;

    if (!secret->pending) {
        return;
    }

    secret->pending = 0;

    if (secret->seen.fmt != NULL) {
        ngx_http_gate_watch_keep(secret, log);
        return;
    }

    if (secret->failed != NULL) {
        secret->failed = NULL;
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%V\" can be used again",
                      &secret->path);
    }

    if (ngx_memcmp(secret->seen.print, secret->print, GATE_SIGNATURE_LEN)
        == 0)
    {
        return;
    }

    gate_key_destroy(secret->key);

    secret->key = news->key;
    news->key = NULL;

    secret->loaded = (secret->key != NULL) ? ngx_time() : 0;
    secret->generation++;
    ngx_memcpy(secret->print, secret->seen.print, GATE_SIGNATURE_LEN);

    ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%s\": \"%V\" %s",
                  secret->directive, &secret->path,
                  secret->key != NULL ? "has a new key"
                                      : "is gone, and its key");
}
