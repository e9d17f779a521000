
/*
 * Copyright (C) nginx-gate authors
 *
 * Settling a callback, and its delivery to a service.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_settle.h"


#define NGX_HTTP_GATE_SETTLE_KEYS  6
#define NGX_HTTP_GATE_SETTLE_ARGS  14

#define NGX_HTTP_GATE_MARK_MAX     (NGX_HTTP_GATE_ENTRY_MAX + 1               \
                                    + NGX_HTTP_GATE_DIGEST_HEX)

/* a note's arguments that its handler looks at */

#define NGX_HTTP_GATE_SETTLE_ID    (NGX_HTTP_GATE_SETTLE_KEYS - 1 + 11)
#define NGX_HTTP_GATE_SETTLE_PROJECT                                          \
    (NGX_HTTP_GATE_SETTLE_KEYS - 1 + 10)


typedef enum {
    NGX_HTTP_GATE_DELIVERY_WAITS = 0,   /* for the reply of settle */
    NGX_HTTP_GATE_DELIVERY_CLAIMED,     /* the mark is ours, or may be */
    NGX_HTTP_GATE_DELIVERY_FREE         /* there is no mark of ours */
} ngx_http_gate_delivery_state_e;


struct ngx_http_gate_delivery_s {
    ngx_http_gate_note_t             note;      /* sets or takes the mark */
    ngx_http_gate_note_t            *later;     /* settles without a mark */
    ngx_http_gate_redis_op_t        *op;
    ngx_http_gate_settle_pt          handler;
    void                            *data;
    ngx_http_gate_delivery_state_e   state;
    ngx_uint_t                       marks;     /* unsigned  marks:1; */
    u_char                           owner[NGX_HTTP_GATE_TOKEN_MAX];
    u_char                           ttl[NGX_TIME_T_LEN];
};


static ngx_http_gate_delivery_t *ngx_http_gate_delivery_create(
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_settle_t *callback);
static void ngx_http_gate_settle_mark(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback, u_char *p, ngx_str_t *mark);
static ngx_http_gate_note_t *ngx_http_gate_settle_note(
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_settle_t *callback,
    ngx_str_t *mark);
static u_char *ngx_http_gate_settle_keys(ngx_http_gate_note_t *note,
    ngx_http_gate_settle_t *callback, u_char *p);
static u_char *ngx_http_gate_settle_put(u_char *p, ngx_str_t *arg,
    const u_char *data, size_t len);
static u_char *ngx_http_gate_settle_number(u_char *p, ngx_str_t *arg,
    int64_t n);
static void ngx_http_gate_settle_told(ngx_http_gate_note_t *note,
    redisReply *reply);
static void ngx_http_gate_settle_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);
static void ngx_http_gate_settle_orphan(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);
static void ngx_http_gate_settle_decide(ngx_http_gate_delivery_t *delivery,
    ngx_http_gate_redis_status_e status, redisReply *reply,
    ngx_http_gate_settlement_t *settlement);
static void ngx_http_gate_settle_read(redisReply *reply,
    ngx_http_gate_settlement_t *settlement);
static ngx_uint_t ngx_http_gate_settle_find(ngx_str_t *words, ngx_uint_t n,
    ngx_str_t *word, ngx_uint_t other);


#define NGX_HTTP_GATE_SETTLE_ROW(name, word, result)  ngx_string(word),

static ngx_str_t  ngx_http_gate_settle_words[] = {
    NGX_HTTP_GATE_SETTLE_TABLE(NGX_HTTP_GATE_SETTLE_ROW)
};

#undef NGX_HTTP_GATE_SETTLE_ROW


#define NGX_HTTP_GATE_SETTLEMENT_ROW(name, word)  ngx_string(word),

static ngx_str_t  ngx_http_gate_settlement_words[] = {
    NGX_HTTP_GATE_SETTLEMENT_TABLE(NGX_HTTP_GATE_SETTLEMENT_ROW)
};

#undef NGX_HTTP_GATE_SETTLEMENT_ROW


ngx_int_t
ngx_http_gate_settle(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback, ngx_http_gate_settle_pt handler,
    void *data, ngx_http_gate_delivery_t **waits)
{
    ngx_str_t                  argv[NGX_HTTP_GATE_ARGS_MAX];
    ngx_uint_t                 n, nkeys;
    ngx_http_gate_note_t      *later;
    ngx_http_gate_delivery_t  *delivery;

    delivery = ngx_http_gate_delivery_create(ledger, callback);

    *waits = delivery;

    if (delivery == NULL) {
        return NGX_ERROR;
    }

    delivery->handler = handler;
    delivery->data = data;

    /* the same arguments, but for the mark and the stream */

    later = delivery->later;
    nkeys = NGX_HTTP_GATE_SETTLE_KEYS - 1;

    ngx_memcpy(argv, later->argv, nkeys * sizeof(ngx_str_t));

    if (callback->stream.len) {
        argv[nkeys++] = callback->stream;
    }

    n = nkeys;

    ngx_memcpy(&argv[n], &later->argv[NGX_HTTP_GATE_SETTLE_KEYS - 1],
               NGX_HTTP_GATE_SETTLE_ARGS * sizeof(ngx_str_t));

    if (delivery->marks) {
        argv[n + 6] = delivery->note.argv[1];
    }

    if (callback->stream.len) {
        argv[n + 12].data = (u_char *) callback->body.data;
        argv[n + 12].len = callback->body.len;
    }

    delivery->op = ngx_http_gate_redis_eval(ledger->redis, later->script,
                                            nkeys,
                                            n + NGX_HTTP_GATE_SETTLE_ARGS,
                                            argv, ngx_http_gate_settle_done,
                                            delivery);

    if (delivery->op == NULL) {
        delivery->state = NGX_HTTP_GATE_DELIVERY_FREE;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_http_gate_delivery_t *
ngx_http_gate_delivery_create(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback)
{
    ngx_str_t                  mark;
    ngx_http_gate_note_t      *note;
    ngx_http_gate_delivery_t  *delivery;

    delivery = ngx_alloc(sizeof(ngx_http_gate_delivery_t)
                         + NGX_HTTP_GATE_MARK_MAX, ngx_cycle->log);
    if (delivery == NULL) {
        return NULL;
    }

    delivery->op = NULL;
    delivery->state = NGX_HTTP_GATE_DELIVERY_WAITS;
    delivery->marks = (callback->ttl != 0);

    note = &delivery->note;

    note->ledger = ledger;
    note->script = ngx_http_gate_ledger_script(NGX_HTTP_GATE_SCRIPT_MARK);
    note->nkeys = 1;
    note->argc = 4;
    note->handler = NULL;

    ngx_http_gate_settle_mark(ledger, callback,
                              (u_char *) delivery
                              + sizeof(ngx_http_gate_delivery_t), &mark);

    note->argv[0] = mark;
    ngx_http_gate_ledger_token(ledger, delivery->owner, &note->argv[1]);
    ngx_str_set(&note->argv[2], "failed");
    note->argv[3].data = delivery->ttl;
    note->argv[3].len = ngx_sprintf(delivery->ttl, "%T", callback->ttl)
                        - delivery->ttl;

    delivery->later = ngx_http_gate_settle_note(ledger, callback, &mark);

    if (delivery->later == NULL) {
        ngx_free(delivery);
        return NULL;
    }

    return delivery;
}


/* the digest is the callback's identity; the payment is there to be read */

static void
ngx_http_gate_settle_mark(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback, u_char *p, ngx_str_t *mark)
{
    gate_str_t  *id;

    id = &callback->callback->payment_id;

    p = ngx_http_gate_ledger_key(ledger, NGX_HTTP_GATE_KIND_CALLBACK, 0,
                                 &callback->project_id, (u_char *) id->data,
                                 id->len, p, mark);
    *p++ = ':';
    ngx_memcpy(p, callback->digest, NGX_HTTP_GATE_DIGEST_HEX);

    mark->len += 1 + NGX_HTTP_GATE_DIGEST_HEX;
}


/* settle.lua without owner and stream: it may be repeated at any time */

static ngx_http_gate_note_t *
ngx_http_gate_settle_note(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback, ngx_str_t *mark)
{
    size_t                 size;
    u_char                *p;
    ngx_str_t             *arg;
    gate_callback_t       *cb;
    ngx_http_gate_note_t  *note;

    cb = callback->callback;

    size = sizeof(ngx_http_gate_note_t)
           + 4 * NGX_HTTP_GATE_KEY_MAX + 2 * cb->payment_id.len + mark->len
           + cb->status_text.len + cb->operation_id.len + cb->currency.len
           + NGX_HTTP_GATE_DIGEST_HEX + 6 * NGX_INT64_LEN
           + cb->payment_id.len;

    note = ngx_alloc(size, ngx_cycle->log);
    if (note == NULL) {
        return NULL;
    }

    note->ledger = ledger;
    note->script = ngx_http_gate_ledger_script(NGX_HTTP_GATE_SCRIPT_SETTLE);
    note->nkeys = NGX_HTTP_GATE_SETTLE_KEYS - 1;
    note->argc = note->nkeys + NGX_HTTP_GATE_SETTLE_ARGS;
    note->handler = ngx_http_gate_settle_told;

    p = (u_char *) note + sizeof(ngx_http_gate_note_t);
    p = ngx_http_gate_settle_keys(note, callback, p);
    p = ngx_http_gate_settle_put(p, &note->argv[4], mark->data, mark->len);

    arg = &note->argv[note->nkeys];

    p = ngx_http_gate_settle_put(p, &arg[0], cb->status_text.data,
                                 cb->status_text.len);
    p = ngx_http_gate_settle_put(p, &arg[1], cb->operation_id.data,
                                 cb->operation_id.len);
    p = ngx_http_gate_settle_put(p, &arg[2], callback->digest,
                                 NGX_HTTP_GATE_DIGEST_HEX);
    p = ngx_http_gate_settle_number(p, &arg[3],
                                    cb->status == GATE_STATUS_PARTIAL
                                        ? cb->paid_total : cb->amount);
    p = ngx_http_gate_settle_put(p, &arg[4], cb->currency.data,
                                 cb->currency.len);
    arg[5] = ledger->ttl;
    ngx_str_null(&arg[6]);
    p = ngx_http_gate_settle_number(p, &arg[7], callback->lock);
    p = ngx_http_gate_settle_number(p, &arg[8], callback->ttl);
    p = ngx_http_gate_settle_number(p, &arg[9], callback->cap);
    arg[10] = callback->project_id;
    p = ngx_http_gate_settle_put(p, &arg[11], cb->payment_id.data,
                                 cb->payment_id.len);
    ngx_str_null(&arg[12]);
    (void) ngx_http_gate_settle_number(p, &arg[13], cb->paid);

    return note;
}


static u_char *
ngx_http_gate_settle_keys(ngx_http_gate_note_t *note,
    ngx_http_gate_settle_t *callback, u_char *p)
{
    ngx_uint_t  dry;
    gate_str_t  id;

    id = callback->callback->payment_id;

    /* no payment has an id without a byte */

    if (callback->unread) {
        id.len = 0;
    }

    for (dry = 0; dry < 2; dry++) {

        p = ngx_http_gate_ledger_key(note->ledger, NGX_HTTP_GATE_KIND_ENTRY,
                                     dry, &callback->project_id,
                                     (u_char *) id.data, id.len, p,
                                     &note->argv[2 * dry]);

        p = ngx_http_gate_ledger_key(note->ledger, NGX_HTTP_GATE_KIND_USED,
                                     dry, &callback->project_id, NULL, 0, p,
                                     &note->argv[2 * dry + 1]);
    }

    return p;
}


static u_char *
ngx_http_gate_settle_put(u_char *p, ngx_str_t *arg, const u_char *data,
    size_t len)
{
    arg->data = p;
    arg->len = len;

    return len ? ngx_cpymem(p, data, len) : p;
}


/* empty for a number that is not known */

static u_char *
ngx_http_gate_settle_number(u_char *p, ngx_str_t *arg, int64_t n)
{
    arg->data = p;
    arg->len = 0;

    if (n != GATE_NO_AMOUNT) {
        arg->len = ngx_sprintf(p, "%L", n) - p;
    }

    return p + arg->len;
}


void
ngx_http_gate_settle_answer(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback)
{
    u_char                 buf[NGX_HTTP_GATE_MARK_MAX];
    ngx_str_t              mark;
    ngx_http_gate_note_t  *note;

    ngx_http_gate_settle_mark(ledger, callback, buf, &mark);

    note = ngx_http_gate_settle_note(ledger, callback, &mark);

    if (note != NULL) {
        ngx_http_gate_note_send(note);
    }
}


/* the request is gone, so that nobody else tells it; the note goes, too */

static void
ngx_http_gate_settle_told(ngx_http_gate_note_t *note, redisReply *reply)
{
    u_char                      text[4 * GATE_MAX_PAYMENT_ID];
    ngx_str_t                   id;
    ngx_http_gate_settlement_t  settlement;

    ngx_http_gate_settle_read(reply, &settlement);

    id = note->argv[NGX_HTTP_GATE_SETTLE_ID];
    id.len = gate_safe(text, sizeof(text), id.data, id.len);
    id.data = text;

    ngx_http_gate_settle_log(ngx_cycle->log, &id,
                             &note->argv[NGX_HTTP_GATE_SETTLE_PROJECT],
                             &settlement);
}


void
ngx_http_gate_settle_log(ngx_log_t *log, ngx_str_t *payment_id,
    ngx_str_t *project, ngx_http_gate_settlement_t *settlement)
{
    u_char      text[4][NGX_HTTP_GATE_SETTLE_WORD];
    ngx_str_t   word[4];
    ngx_uint_t  i, level;

    if (settlement->notes.len == 0) {
        return;
    }

    word[0] = settlement->from;
    word[1] = settlement->to;
    word[2] = settlement->notes;
    word[3] = settlement->counted;

    for (i = 0; i < 4; i++) {
        word[i].len = gate_safe(text[i], NGX_HTTP_GATE_SETTLE_WORD,
                                word[i].data, word[i].len);
        word[i].data = text[i];
    }

    /* money has moved that was not counted any more */

    level = ngx_strnstr(settlement->notes.data, "recounted",
                        settlement->notes.len) != NULL
            ? NGX_LOG_ERR : NGX_LOG_WARN;

    ngx_log_error(level, log, 0,
                  "payout \"%V\" of project \"%V\" goes from \"%V\" to "
                  "\"%V\": %V, %V is counted now",
                  payment_id, project, &word[0], &word[1], &word[2],
                  &word[3]);
}


static void
ngx_http_gate_settle_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_delivery_t *delivery = data;

    ngx_http_gate_settlement_t  settlement;

    delivery->op = NULL;

    ngx_http_gate_settle_decide(delivery, status, reply, &settlement);

    delivery->handler(&settlement, delivery->data);
}


/* the request is gone: the next delivery may try */

static void
ngx_http_gate_settle_orphan(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_delivery_t *delivery = data;

    ngx_http_gate_settlement_t  settlement;

    ngx_http_gate_settle_decide(delivery, status, reply, &settlement);

    ngx_http_gate_delivery_end(delivery, 0);
}


static void
ngx_http_gate_settle_decide(ngx_http_gate_delivery_t *delivery,
    ngx_http_gate_redis_status_e status, redisReply *reply,
    ngx_http_gate_settlement_t *settlement)
{
    ngx_str_t  word;

    ngx_memzero(settlement, sizeof(ngx_http_gate_settlement_t));

    settlement->verdict = NGX_HTTP_GATE_SETTLE_UNAVAILABLE;
    delivery->state = NGX_HTTP_GATE_DELIVERY_FREE;

    if (status != NGX_HTTP_GATE_REDIS_OK) {

        if (status != NGX_HTTP_GATE_REDIS_UNAVAILABLE
            && status != NGX_HTTP_GATE_REDIS_NOT_SENT)
        {
            delivery->state = NGX_HTTP_GATE_DELIVERY_CLAIMED;
        }

        return;
    }

    word = ngx_http_gate_redis_string(reply, 0);

    settlement->verdict = ngx_http_gate_settle_find(
                                            ngx_http_gate_settle_words,
                                            NGX_HTTP_GATE_SETTLE_VERDICTS,
                                            &word,
                                            NGX_HTTP_GATE_SETTLE_UNAVAILABLE);

    if (settlement->verdict == NGX_HTTP_GATE_SETTLE_FORWARD) {
        delivery->state = NGX_HTTP_GATE_DELIVERY_CLAIMED;
    }

    ngx_http_gate_settle_read(reply, settlement);

    if (settlement->verdict == NGX_HTTP_GATE_SETTLE_BUSY
        && reply->elements > 6
        && reply->element[6]->type == REDIS_REPLY_INTEGER
        && reply->element[6]->integer > 0)
    {
        settlement->wait = (time_t) (reply->element[6]->integer / 1000 + 1);
    }
}


static void
ngx_http_gate_settle_read(redisReply *reply,
    ngx_http_gate_settlement_t *settlement)
{
    ngx_str_t  word;

    word = ngx_http_gate_redis_string(reply, 1);

    settlement->ledger = ngx_http_gate_settle_find(
                                              ngx_http_gate_settlement_words,
                                              NGX_HTTP_GATE_SETTLEMENTS,
                                              &word,
                                              NGX_HTTP_GATE_SETTLEMENT_NONE);
    settlement->from = ngx_http_gate_redis_string(reply, 2);
    settlement->to = ngx_http_gate_redis_string(reply, 3);
    settlement->counted = ngx_http_gate_redis_string(reply, 4);
    settlement->notes = ngx_http_gate_redis_string(reply, 5);
}


static ngx_uint_t
ngx_http_gate_settle_find(ngx_str_t *words, ngx_uint_t n, ngx_str_t *word,
    ngx_uint_t other)
{
    ngx_uint_t  i;

    for (i = 0; i < n && word->len != 0; i++) {

        if (words[i].len == word->len
            && ngx_memcmp(words[i].data, word->data, word->len) == 0)
        {
            return i;
        }
    }

    return other;
}


ngx_str_t *
ngx_http_gate_settlement_word(ngx_http_gate_settlement_e settlement)
{
    return &ngx_http_gate_settlement_words[settlement];
}


void
ngx_http_gate_settle_later(ngx_http_gate_delivery_t *delivery)
{
    ngx_http_gate_note_t  *note;

    note = delivery->later;
    delivery->later = NULL;

    if (note != NULL) {
        ngx_http_gate_note_send(note);
    }
}


void
ngx_http_gate_delivery_end(ngx_http_gate_delivery_t *delivery,
    ngx_uint_t delivered)
{
    ngx_http_gate_redis_op_t  *op;

    if (delivery->state == NGX_HTTP_GATE_DELIVERY_WAITS) {
        op = delivery->op;
        delivery->op = NULL;

        if (ngx_http_gate_redis_detach(op, ngx_http_gate_settle_orphan,
                                       delivery)
            == NGX_OK)
        {
            return;
        }

        delivery->state = NGX_HTTP_GATE_DELIVERY_FREE;
    }

    if (delivery->later != NULL) {
        ngx_free(delivery->later);
        delivery->later = NULL;
    }

    /* what was forwarded with Redis away is marked, too, if it comes back */

    if (!delivery->marks
        || (delivery->state == NGX_HTTP_GATE_DELIVERY_FREE && !delivered))
    {
        ngx_free(delivery);
        return;
    }

    if (delivered) {
        ngx_str_set(&delivery->note.argv[2], "delivered");
    }

    ngx_http_gate_note_send(&delivery->note);
}
