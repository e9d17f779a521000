
/*
 * Copyright (C) nginx-gate authors
 *
 * Names of keys, and notes that must reach Redis sooner or later.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include <unistd.h>

#define NGX_HTTP_GATE_SCRIPTS_TEXT
#include "ngx_http_gate_ledger.h"


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
static void ngx_http_gate_note_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);
static void ngx_http_gate_note_refused(ngx_http_gate_note_t *note,
    redisReply *reply);
static void ngx_http_gate_note_free(ngx_http_gate_note_t *note);
static void ngx_http_gate_note_keep(ngx_http_gate_note_t *note);
static void ngx_http_gate_ledger_flush(void *data);
static void ngx_http_gate_ledger_retry(ngx_http_gate_ledger_t *ledger);
static void ngx_http_gate_ledger_retry_handler(ngx_event_t *ev);


#define NGX_HTTP_GATE_KIND_WORD(name, word)  ngx_string(word),

static ngx_str_t  ngx_http_gate_kinds[] = {
    NGX_HTTP_GATE_KIND_TABLE(NGX_HTTP_GATE_KIND_WORD)
};

#undef NGX_HTTP_GATE_KIND_WORD


void
ngx_http_gate_ledger_scripts(ngx_http_gate_redis_conf_t *rcf)
{
    rcf->scripts = ngx_http_gate_scripts;
    rcf->nscripts = NGX_HTTP_GATE_SCRIPTS;
}


const ngx_http_gate_redis_script_t *
ngx_http_gate_ledger_script(ngx_http_gate_script_e script)
{
    return &ngx_http_gate_scripts[script];
}


ngx_http_gate_ledger_t *
ngx_http_gate_ledger_create(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf, ngx_int_t offset, time_t ttl)
{
    u_char                   random[8];
    ngx_http_gate_ledger_t  *ledger;

    ledger = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gate_ledger_t));
    if (ledger == NULL) {
        return NULL;
    }

    /* a report under a name given twice would be taken for another copy's */

    if (getentropy(random, sizeof(random)) != 0) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "getentropy() failed");
        return NULL;
    }

    (void) ngx_hex_dump(ledger->name, random, sizeof(random));

    ngx_log_error(NGX_LOG_INFO, cycle->log, 0,
                  "copies of payouts of this worker have names with \"%*s\"",
                  sizeof(ledger->name), ledger->name);

    ledger->redis = rcf->redis;
    ledger->prefix = rcf->prefix;

    ledger->ttl.data = ledger->numbers[0];
    ledger->ttl.len = ngx_sprintf(ledger->ttl.data, "%T", ttl)
                      - ledger->ttl.data;
    ledger->offset.data = ledger->numbers[1];
    ledger->offset.len = ngx_sprintf(ledger->offset.data, "%i", offset)
                         - ledger->offset.data;

    ngx_queue_init(&ledger->pending);

    ledger->retry.handler = ngx_http_gate_ledger_retry_handler;
    ledger->retry.data = ledger;
    ledger->retry.log = ngx_cycle->log;

    ngx_http_gate_redis_on_ready(ledger->redis, ngx_http_gate_ledger_flush,
                                 ledger);

    return ledger;
}


void
ngx_http_gate_ledger_exit(ngx_http_gate_ledger_t *ledger)
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


u_char *
ngx_http_gate_ledger_key(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_kind_e kind, ngx_uint_t dry, ngx_str_t *project_id,
    u_char *last, size_t len, u_char *buf, ngx_str_t *key)
{
    u_char     *p;
    ngx_str_t  *name;

    name = &ngx_http_gate_kinds[kind];

    p = ngx_cpymem(buf, ledger->prefix.data, ledger->prefix.len);
    *p++ = ':';

    if (dry) {
        p = ngx_cpymem(p, "dry:", 4);
    }

    p = ngx_cpymem(p, name->data, name->len);
    *p++ = ':';
    *p++ = '{';
    p = ngx_cpymem(p, project_id->data, project_id->len);
    *p++ = '}';
    *p++ = ':';

    if (len) {
        p = ngx_cpymem(p, last, len);
    }

    key->data = buf;
    key->len = p - buf;

    return p;
}


void
ngx_http_gate_ledger_token(ngx_http_gate_ledger_t *ledger, u_char *buf,
    ngx_str_t *token)
{
    token->data = buf;
    token->len = ngx_sprintf(buf, "%*s-%uL", sizeof(ledger->name),
                             ledger->name, ++ledger->tokens)
                 - buf;
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
    if (ngx_http_gate_redis_eval(note->ledger->redis, note->script,
                                 note->nkeys, note->argc, note->argv,
                                 ngx_http_gate_note_done, note)
        == NULL)
    {
        ngx_http_gate_note_keep(note);
    }
}


static void
ngx_http_gate_note_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_note_t *note = data;

    ngx_http_gate_ledger_t  *ledger;

    ledger = note->ledger;

    if (status == NGX_HTTP_GATE_REDIS_OK) {

        if (note->handler != NULL) {
            note->handler(note, reply);
        }

        ngx_http_gate_note_free(note);

        if (ledger->npending && ngx_http_gate_redis_connected(ledger->redis)) {
            ngx_http_gate_ledger_flush(ledger);
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

    len = gate_safe(key, sizeof(key), note->argv[0].data, note->argv[0].len);
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

    ngx_http_gate_ledger_retry(ledger);
}


/* not cancelable: an exiting worker has nobody to leave its notes to */

static void
ngx_http_gate_ledger_retry(ngx_http_gate_ledger_t *ledger)
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
ngx_http_gate_ledger_flush(void *data)
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
ngx_http_gate_ledger_retry_handler(ngx_event_t *ev)
{
    ngx_http_gate_ledger_t *ledger = ev->data;

    /* an exiting worker connects for commands only */

    if (ngx_exiting || ngx_http_gate_redis_connected(ledger->redis)) {
        ngx_http_gate_ledger_flush(ledger);
    }

    ngx_http_gate_ledger_retry(ledger);
}


ngx_str_t
ngx_http_gate_redis_string(redisReply *reply, size_t n)
{
    ngx_str_t  s;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > n
        && reply->element[n]->type == REDIS_REPLY_STRING)
    {
        s.data = (u_char *) reply->element[n]->str;
        s.len = reply->element[n]->len;
        return s;
    }

    ngx_str_null(&s);

    return s;
}
