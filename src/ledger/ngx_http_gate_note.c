
/*
 * Copyright (C) nginx-gate authors
 *
 * Notes: what must reach Redis sooner or later.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_note.h"


/* notes kept for a Redis that is away; some 100 MB at worst */

#define NGX_HTTP_GATE_PENDING_MAX  65536

#define NGX_HTTP_GATE_RETRY        1000

/* of a key, in a log line */

#define NGX_HTTP_GATE_KEY_LOG      320

/* seconds that an exiting worker waits for Redis with what it has to tell */

#define NGX_HTTP_GATE_PATIENCE     30

/* kept notes under way at a time: payouts must not wait behind all of them */

#define NGX_HTTP_GATE_FLUSH        64


static void ngx_http_gate_note_try(ngx_http_gate_note_t *note);
static void ngx_http_gate_note_refused(ngx_http_gate_note_t *note,
    redisReply *reply);
static void ngx_http_gate_note_free(ngx_http_gate_note_t *note);
static void ngx_http_gate_note_keep(ngx_http_gate_note_t *note);
static void ngx_http_gate_note_retry(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_note_flush(void *data);
static void ngx_http_gate_note_retry_handler(ngx_event_t *ev);
static ngx_int_t ngx_http_gate_call_send(ngx_http_gate_note_t *note);
static void ngx_http_gate_call_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);


void
ngx_http_gate_note_init(ngx_http_gate_ledger_t *ledger)
{
    ngx_queue_init(&ledger->pending);

    ledger->retry.handler = ngx_http_gate_note_retry_handler;
    ledger->retry.data = ledger;
    ledger->retry.log = ngx_cycle->log;

    ngx_http_gate_redis_on_ready(ledger->redis, ngx_http_gate_note_flush,
                                 ledger);
}


void
ngx_http_gate_note_exit(ngx_http_gate_ledger_t *ledger)
{
    if (ledger->retry.timer_set) {
        ngx_del_timer(&ledger->retry);
    }

    if (ledger->npending) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "%ui notes could not be told to redis: amounts of "
                      "refused payouts may stay counted until callbacks or "
                      "an operator settle them", ledger->npending);
    }
}


void
ngx_http_gate_note_send(ngx_http_gate_note_t *note)
{
    note->kept = 0;

    ngx_http_gate_note_try(note);
}


static void
ngx_http_gate_note_try(ngx_http_gate_note_t *note)
{
    if (note->send(note) != NGX_OK) {
        ngx_http_gate_note_keep(note);
    }
}


void
ngx_http_gate_note_done(ngx_http_gate_note_t *note,
    ngx_http_gate_redis_status_e status, redisReply *reply)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = note->ledger;

    if (status == NGX_HTTP_GATE_REDIS_OK) {

        if (note->handler != NULL) {
            note->handler(note, reply);
        }

        ngx_http_gate_note_free(note);

        if (ledger->npending && ngx_http_gate_redis_connected(ledger->redis)) {
            ngx_http_gate_note_flush(ledger);
        }

        return;
    }

    if (status == NGX_HTTP_GATE_REDIS_ERROR) {
        ngx_http_gate_note_refused(note, reply);
        ngx_http_gate_note_free(note);
        return;
    }

    ngx_http_gate_note_keep(note);
}


/* the key has a payment_id, which may hold line ends */

static void
ngx_http_gate_note_refused(ngx_http_gate_note_t *note, redisReply *reply)
{
    size_t  len, n;
    u_char  key[NGX_HTTP_GATE_KEY_LOG], text[NGX_HTTP_GATE_KEY_LOG];

    len = gate_safe(key, sizeof(key), note->key.data, note->key.len);
    n = gate_safe(text, sizeof(text), (u_char *) reply->str, reply->len);

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "redis refused \"%V\" of \"%*s\": %*s",
                  &note->script->name, len, key, n, text);
}


static void
ngx_http_gate_note_free(ngx_http_gate_note_t *note)
{
    if (note->kept) {
        note->ledger->flushed--;
    }

    ngx_free(note);
}


static void
ngx_http_gate_note_keep(ngx_http_gate_note_t *note)
{
    ngx_http_gate_ledger_t  *ledger;

    ledger = note->ledger;

    if (note->kept) {
        note->kept = 0;
        ledger->flushed--;
    }

    /* a note that is lost leaves an amount counted: safe, but unkind */

    if (ledger->npending == NGX_HTTP_GATE_PENDING_MAX) {

        if (ledger->dropped++ == 0) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "too many notes wait for redis, more are lost: "
                          "amounts may stay counted until callbacks or an "
                          "operator settle them");
        }

        ngx_free(note);
        return;
    }

    ngx_queue_insert_tail(&ledger->pending, &note->queue);
    ledger->npending++;

    ngx_http_gate_note_retry(ledger);
}


/* not cancelable: an exiting worker has nobody to leave its notes to */

static void
ngx_http_gate_note_retry(ngx_http_gate_ledger_t *ledger)
{
    if (ledger->npending == 0 || ledger->retry.timer_set) {
        return;
    }

    if (ngx_exiting) {

        if (ledger->exiting == 0) {
            ledger->exiting = ngx_time();
        }

        if (ngx_time() - ledger->exiting >= NGX_HTTP_GATE_PATIENCE) {
            return;
        }
    }

    ngx_add_timer(&ledger->retry, NGX_HTTP_GATE_RETRY);
}


static void
ngx_http_gate_note_flush(void *data)
{
    ngx_http_gate_ledger_t *ledger = data;

    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_http_gate_note_t  *note;

    ledger->dropped = 0;

    /* those that cannot be sent now queue up again behind */

    for (n = ledger->npending; n; n--) {

        if (ledger->flushed == NGX_HTTP_GATE_FLUSH) {
            return;
        }

        q = ngx_queue_head(&ledger->pending);
        ngx_queue_remove(q);
        ledger->npending--;

        note = ngx_queue_data(q, ngx_http_gate_note_t, queue);

        note->kept = 1;
        ledger->flushed++;

        ngx_http_gate_note_try(note);
    }

    /* nor does an exiting worker wait any longer */

    if (ledger->npending == 0 && ledger->retry.timer_set) {
        ngx_del_timer(&ledger->retry);
    }
}


static void
ngx_http_gate_note_retry_handler(ngx_event_t *ev)
{
    ngx_http_gate_ledger_t *ledger = ev->data;

    /* an exiting worker connects for commands only */

    if (ngx_exiting || ngx_http_gate_redis_connected(ledger->redis)) {
        ngx_http_gate_note_flush(ledger);
    }

    ngx_http_gate_note_retry(ledger);
}


void
ngx_http_gate_call_init(ngx_http_gate_call_t *call,
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_script_e script,
    ngx_uint_t nkeys, ngx_uint_t argc)
{
    call->note.ledger = ledger;
    call->note.send = ngx_http_gate_call_send;
    call->note.handler = NULL;
    call->note.script = ngx_http_gate_ledger_script(script);

    call->nkeys = nkeys;
    call->argc = argc;
}


static ngx_int_t
ngx_http_gate_call_send(ngx_http_gate_note_t *note)
{
    ngx_http_gate_call_t  *call;

    call = (ngx_http_gate_call_t *) note;

    return (ngx_http_gate_redis_eval(note->ledger->redis, note->script,
                                     call->nkeys, call->argc, call->argv,
                                     ngx_http_gate_call_done, note)
            != NULL)
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_gate_call_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_note_done(data, status, reply);
}
