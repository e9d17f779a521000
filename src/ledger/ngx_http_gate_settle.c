
/*
 * Copyright (C) nginx-gate authors
 *
 * Settling a callback, and its delivery to a service.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_settle.h"


/* without the stream, which is the last key */

#define NGX_HTTP_GATE_SETTLE_KEYS  9
#define NGX_HTTP_GATE_SETTLE_ARGS  15

/* arguments that differ, or that logs tell */

#define NGX_HTTP_GATE_SETTLE_OWNER    7
#define NGX_HTTP_GATE_SETTLE_PROJECT  11
#define NGX_HTTP_GATE_SETTLE_ID       12
#define NGX_HTTP_GATE_SETTLE_BODY     14

#define NGX_HTTP_GATE_MARK_MAX     (NGX_HTTP_GATE_ENTRY_MAX + 1               \
                                    + NGX_HTTP_GATE_DIGEST_HEX)

/* of the digest, as the name of an operation that has none */

#define NGX_HTTP_GATE_STAND_IN     16


typedef enum {
    NGX_HTTP_GATE_DELIVERY_WAITS = 0,   /* for the reply of settle */
    NGX_HTTP_GATE_DELIVERY_CLAIMED,     /* the mark is ours, or may be */
    NGX_HTTP_GATE_DELIVERY_FREE         /* there is no mark of ours */
} ngx_http_gate_delivery_state_e;


struct ngx_http_gate_delivery_s {
    ngx_http_gate_call_t             mark;      /* sets it, or takes it away */
    ngx_http_gate_call_t            *later;     /* settles without a mark */
    ngx_http_gate_redis_op_t        *op;
    ngx_http_gate_settle_pt          handler;
    void                            *data;
    ngx_http_gate_delivery_state_e   state;
    ngx_uint_t                       marks;     /* unsigned  marks:1; */
    ngx_str_t                        token;
    u_char                           owner[NGX_HTTP_GATE_TOKEN_MAX];
    u_char                           ttl[NGX_TIME_T_LEN];
};


static ngx_http_gate_delivery_t *ngx_http_gate_delivery_create(
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_settle_t *callback);
static u_char *ngx_http_gate_settle_mark(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback, u_char *p, ngx_str_t *keys);
static ngx_http_gate_call_t *ngx_http_gate_settle_call(
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_settle_t *callback);
static u_char *ngx_http_gate_settle_keys(ngx_http_gate_call_t *call,
    ngx_http_gate_settle_t *callback, u_char *p);
static size_t ngx_http_gate_settle_operations(
    ngx_http_gate_settle_t *callback, u_char *buf);
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
    ngx_str_t                  argv[NGX_HTTP_GATE_ARGS_MAX], *arg;
    ngx_uint_t                 nkeys;
    ngx_http_gate_call_t      *later;
    ngx_http_gate_delivery_t  *delivery;

    delivery = ngx_http_gate_delivery_create(ledger, callback);

    *waits = delivery;

    if (delivery == NULL) {
        return NGX_ERROR;
    }

    delivery->handler = handler;
    delivery->data = data;

    /* the same arguments, but for the owner and the stream */

    later = delivery->later;
    nkeys = NGX_HTTP_GATE_SETTLE_KEYS;

    ngx_memcpy(argv, later->argv, nkeys * sizeof(ngx_str_t));

    if (callback->stream.len) {
        argv[nkeys++] = callback->stream;
    }

    arg = &argv[nkeys];

    ngx_memcpy(arg, &later->argv[NGX_HTTP_GATE_SETTLE_KEYS],
               NGX_HTTP_GATE_SETTLE_ARGS * sizeof(ngx_str_t));

    if (delivery->marks) {
        arg[NGX_HTTP_GATE_SETTLE_OWNER] = delivery->token;
    }

    if (callback->stream.len) {
        arg[NGX_HTTP_GATE_SETTLE_BODY].data = (u_char *) callback->body.data;
        arg[NGX_HTTP_GATE_SETTLE_BODY].len = callback->body.len;
    }

    delivery->op = ngx_http_gate_redis_eval(ledger->redis, later->note.script,
                                            nkeys,
                                            nkeys + NGX_HTTP_GATE_SETTLE_ARGS,
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
    u_char                    *p;
    ngx_str_t                 *argv;
    ngx_http_gate_delivery_t  *delivery;

    delivery = ngx_alloc(sizeof(ngx_http_gate_delivery_t)
                         + NGX_HTTP_GATE_MARK_MAX + NGX_HTTP_GATE_ENTRY_MAX,
                         ngx_cycle->log);
    if (delivery == NULL) {
        return NULL;
    }

    delivery->op = NULL;
    delivery->state = NGX_HTTP_GATE_DELIVERY_WAITS;
    delivery->marks = (callback->ttl != 0);

    ngx_http_gate_ledger_token(ledger, delivery->owner, &delivery->token);

    ngx_http_gate_call_init(&delivery->mark, ledger,
                            NGX_HTTP_GATE_SCRIPT_MARK, 2, 5);

    argv = delivery->mark.argv;

    p = (u_char *) delivery + sizeof(ngx_http_gate_delivery_t);
    (void) ngx_http_gate_settle_mark(ledger, callback, p, argv);

    argv[2] = delivery->token;
    ngx_str_set(&argv[3], "failed");
    argv[4].data = delivery->ttl;
    argv[4].len = ngx_sprintf(delivery->ttl, "%T", callback->ttl)
                  - delivery->ttl;

    delivery->mark.note.key = argv[0];

    delivery->later = ngx_http_gate_settle_call(ledger, callback);

    if (delivery->later == NULL) {
        ngx_free(delivery);
        return NULL;
    }

    return delivery;
}


/*
 * The mark and the lane.  The digest is the callback's identity; in the mark,
 * the payment is there to be read.
 */

static u_char *
ngx_http_gate_settle_mark(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback, u_char *p, ngx_str_t *keys)
{
    gate_str_t  *id;

    id = &callback->callback->payment_id;

    p = ngx_http_gate_ledger_key(ledger, NGX_HTTP_GATE_KIND_CALLBACK, 0,
                                 &callback->project_id, (u_char *) id->data,
                                 id->len, p, &keys[0]);
    *p++ = ':';
    p = ngx_cpymem(p, callback->digest, NGX_HTTP_GATE_DIGEST_HEX);

    keys[0].len += 1 + NGX_HTTP_GATE_DIGEST_HEX;

    return ngx_http_gate_ledger_key(ledger, NGX_HTTP_GATE_KIND_LANE, 0,
                                    &callback->project_id,
                                    (u_char *) id->data, id->len, p,
                                    &keys[1]);
}


/* settle.lua without owner and stream: it may be repeated at any time */

static ngx_http_gate_call_t *
ngx_http_gate_settle_call(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback)
{
    size_t                 size, len;
    u_char                *p;
    u_char                 operations[GATE_BRIEF_MAX];
    ngx_str_t             *arg;
    gate_callback_t       *cb;
    ngx_http_gate_call_t  *call;

    cb = callback->callback;
    len = ngx_http_gate_settle_operations(callback, operations);

    size = sizeof(ngx_http_gate_call_t)
           + NGX_HTTP_GATE_SETTLE_KEYS * NGX_HTTP_GATE_KEY_MAX
           + 5 * cb->payment_id.len + 1 + NGX_HTTP_GATE_DIGEST_HEX
           + cb->status_text.len + len + cb->paid_currency.len
           + 4 * NGX_INT64_LEN;

    call = ngx_alloc(size, ngx_cycle->log);
    if (call == NULL) {
        return NULL;
    }

    ngx_http_gate_call_init(call, ledger, NGX_HTTP_GATE_SCRIPT_SETTLE,
                            NGX_HTTP_GATE_SETTLE_KEYS,
                            NGX_HTTP_GATE_SETTLE_KEYS
                            + NGX_HTTP_GATE_SETTLE_ARGS);

    p = (u_char *) call + sizeof(ngx_http_gate_call_t);
    p = ngx_http_gate_settle_keys(call, callback, p);

    call->note.handler = ngx_http_gate_settle_told;
    call->note.key = call->argv[3];

    arg = &call->argv[NGX_HTTP_GATE_SETTLE_KEYS];

    arg[0] = ledger->offset;
    arg[1] = ledger->ttl;
    p = ngx_http_gate_settle_put(p, &arg[13], cb->status_text.data,
                                 cb->status_text.len);
    arg[2] = arg[13];

    if (!cb->payout) {
        arg[2].len = 0;
    }

    p = ngx_http_gate_settle_put(p, &arg[3], operations, len);
    p = ngx_http_gate_settle_number(p, &arg[4], cb->amount);
    p = ngx_http_gate_settle_put(p, &arg[5], cb->paid_currency.data,
                                 cb->paid_currency.len);
    ngx_str_set(&arg[6], "0");

    if (callback->complete) {
        ngx_str_set(&arg[6], "1");
    }

    ngx_str_null(&arg[NGX_HTTP_GATE_SETTLE_OWNER]);
    p = ngx_http_gate_settle_number(p, &arg[8], callback->lock);
    p = ngx_http_gate_settle_number(p, &arg[9], callback->ttl);
    p = ngx_http_gate_settle_number(p, &arg[10], callback->cap);
    arg[NGX_HTTP_GATE_SETTLE_PROJECT] = callback->project_id;
    (void) ngx_http_gate_settle_put(p, &arg[NGX_HTTP_GATE_SETTLE_ID],
                                    cb->payment_id.data, cb->payment_id.len);
    ngx_str_null(&arg[NGX_HTTP_GATE_SETTLE_BODY]);

    return call;
}


static u_char *
ngx_http_gate_settle_keys(ngx_http_gate_call_t *call,
    ngx_http_gate_settle_t *callback, u_char *p)
{
    ngx_str_t   *key;
    gate_str_t   id;
    ngx_uint_t   i;

    static const struct {
        ngx_http_gate_kind_e  kind;
        ngx_uint_t            dry;
    }  keys[] = {
        { NGX_HTTP_GATE_KIND_USED, 0 },
        { NGX_HTTP_GATE_KIND_ERA, 0 },
        { NGX_HTTP_GATE_KIND_OPEN, 0 },
        { NGX_HTTP_GATE_KIND_ENTRY, 0 },
        { NGX_HTTP_GATE_KIND_USED, 1 },
        { NGX_HTTP_GATE_KIND_OPEN, 1 },
        { NGX_HTTP_GATE_KIND_ENTRY, 1 }
    };

    id = callback->callback->payment_id;
    key = call->argv;

    /* no payment has an id without a byte */

    if (callback->unread) {
        id.len = 0;
    }

    for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        p = ngx_http_gate_ledger_key(call->note.ledger, keys[i].kind,
                                     keys[i].dry, &callback->project_id,
                                     (u_char *) id.data, id.len, p, key++);
    }

    return ngx_http_gate_settle_mark(call->note.ledger, callback, p, key);
}


static u_char *
ngx_http_gate_settle_put(u_char *p, ngx_str_t *arg, const u_char *data,
    size_t len)
{
    arg->data = p;
    arg->len = len;

    return len ? ngx_cpymem(p, data, len) : p;
}


/*
 * A name made of the digest stands for an operation that has none, once it has
 * ended: each callback under way would be another one.
 */

static size_t
ngx_http_gate_settle_operations(ngx_http_gate_settle_t *callback, u_char *buf)
{
    gate_str_t  stand_in;

    if (callback->unread) {
        return 0;
    }

    stand_in.data = callback->digest;
    stand_in.len = gate_status_final(callback->callback->status)
                   ? NGX_HTTP_GATE_STAND_IN : 0;

    return gate_brief(callback->callback, stand_in, buf);
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
    ngx_http_gate_call_t  *call;

    call = ngx_http_gate_settle_call(ledger, callback);

    if (call != NULL) {
        ngx_http_gate_note_send(&call->note);
    }
}


/* the request is gone, so that nobody else tells it; the note goes, too */

static void
ngx_http_gate_settle_told(ngx_http_gate_note_t *note, redisReply *reply)
{
    u_char                      text[4 * GATE_MAX_PAYMENT_ID];
    ngx_str_t                   id, *arg;
    ngx_http_gate_call_t       *call;
    ngx_http_gate_settlement_t  settlement;

    ngx_memzero(&settlement, sizeof(ngx_http_gate_settlement_t));
    ngx_http_gate_settle_read(reply, &settlement);

    call = (ngx_http_gate_call_t *) note;
    arg = &call->argv[call->nkeys];

    id = arg[NGX_HTTP_GATE_SETTLE_ID];
    id.len = gate_safe(text, sizeof(text), id.data, id.len);
    id.data = text;

    ngx_http_gate_settle_log(ngx_cycle->log, &id,
                             &arg[NGX_HTTP_GATE_SETTLE_PROJECT], &settlement);
}


void
ngx_http_gate_settle_log(ngx_log_t *log, ngx_str_t *payment_id,
    ngx_str_t *project, ngx_http_gate_settlement_t *settlement)
{
    u_char      text[4][NGX_HTTP_GATE_SETTLE_WORD];
    ngx_str_t   word[4];
    ngx_uint_t  i, level;

    if (settlement->bad.len) {
        word[0].data = text[0];
        word[0].len = gate_safe(text[0], NGX_HTTP_GATE_SETTLE_WORD,
                                settlement->bad.data, settlement->bad.len);

        ngx_log_error(NGX_LOG_ERR, log, 0,
                      "news of payout \"%V\" of project \"%V\" settles "
                      "nothing: \"%V\" of the ledger in redis cannot be used; "
                      "what is counted stays until that is mended, and the "
                      "callback or the status comes again",
                      payment_id, project, &word[0]);
        return;
    }

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

    ngx_http_gate_settle_read(reply, settlement);

    if (settlement->verdict == NGX_HTTP_GATE_SETTLE_FORWARD) {
        delivery->state = NGX_HTTP_GATE_DELIVERY_CLAIMED;
    }
}


static void
ngx_http_gate_settle_read(redisReply *reply,
    ngx_http_gate_settlement_t *settlement)
{
    ngx_str_t  word;

    word = ngx_http_gate_redis_string(reply, 0);

    settlement->verdict = ngx_http_gate_settle_find(
                                            ngx_http_gate_settle_words,
                                            NGX_HTTP_GATE_SETTLE_VERDICTS,
                                            &word,
                                            NGX_HTTP_GATE_SETTLE_UNAVAILABLE);

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

    if (settlement->verdict == NGX_HTTP_GATE_SETTLE_BAD) {
        settlement->bad = ngx_http_gate_redis_string(reply, 6);
    }

    if (settlement->verdict == NGX_HTTP_GATE_SETTLE_BUSY
        && reply->elements > 6
        && reply->element[6]->type == REDIS_REPLY_INTEGER
        && reply->element[6]->integer > 0)
    {
        settlement->wait = (time_t) (reply->element[6]->integer / 1000 + 1);
    }
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
    ngx_http_gate_call_t  *later;

    later = delivery->later;
    delivery->later = NULL;

    if (later != NULL) {
        ngx_http_gate_note_send(&later->note);
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
        ngx_str_set(&delivery->mark.argv[3], "delivered");
    }

    ngx_http_gate_note_send(&delivery->mark.note);
}
