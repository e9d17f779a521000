
/*
 * Copyright (C) nginx-gate authors
 *
 * Settling a verified callback in the ledger, and seeing that a service gets
 * it once.  Knows no requests.
 */


#ifndef _NGX_HTTP_GATE_SETTLE_H_INCLUDED_
#define _NGX_HTTP_GATE_SETTLE_H_INCLUDED_


#include "gate_brief.h"
#include "gate_callback.h"

#include "ngx_http_gate_note.h"


/* of a word of settle.lua, in a log line */

#define NGX_HTTP_GATE_SETTLE_WORD  128


/*
 * Verdicts: X(name, word of settle.lua, result of a request)
 *
 * STREAMED: the stream has it.  DUPLICATE: a service has taken it before.
 * BUSY: another delivery is under way.  STALE: not news, not to be forwarded.
 * BAD: the ledger cannot be read, and nothing has changed.
 */

#define NGX_HTTP_GATE_SETTLE_TABLE(X)                                         \
    X(FORWARD, "forward", OK)                                                 \
    X(STREAMED, "streamed", STREAMED)                                         \
    X(DUPLICATE, "duplicate", DUPLICATE)                                      \
    X(BUSY, "busy", BUSY)                                                     \
    X(STALE, "stale", STALE)                                                  \
    X(BAD, "bad", CALLBACK_UNAVAILABLE)                                       \
    X(UNAVAILABLE, "", CALLBACK_UNAVAILABLE)


#define NGX_HTTP_GATE_SETTLE_NAME(name, word, result)                         \
    NGX_HTTP_GATE_SETTLE_##name,

typedef enum {
    NGX_HTTP_GATE_SETTLE_TABLE(NGX_HTTP_GATE_SETTLE_NAME)
    NGX_HTTP_GATE_SETTLE_VERDICTS
} ngx_http_gate_settle_e;

#undef NGX_HTTP_GATE_SETTLE_NAME


/*
 * What the ledger made of a callback: X(name, word)
 *
 * All but two are words of settle.lua.  NONE: nothing was looked at.  UNREAD:
 * what was verified could not be read.
 */

#define NGX_HTTP_GATE_SETTLEMENT_TABLE(X)                                     \
    X(NONE, "")                                                               \
    X(SETTLED, "settled")                                                     \
    X(UPDATED, "updated")                                                     \
    X(AGAIN, "again")                                                         \
    X(STALE, "stale")                                                         \
    X(UNKNOWN, "unknown")                                                     \
    X(IGNORED, "ignored")                                                     \
    X(UNREAD, "unread")


#define NGX_HTTP_GATE_SETTLEMENT_NAME(name, word)                             \
    NGX_HTTP_GATE_SETTLEMENT_##name,

typedef enum {
    NGX_HTTP_GATE_SETTLEMENT_TABLE(NGX_HTTP_GATE_SETTLEMENT_NAME)
    NGX_HTTP_GATE_SETTLEMENTS
} ngx_http_gate_settlement_e;

#undef NGX_HTTP_GATE_SETTLEMENT_NAME


/* one delivery of a callback; it outlives the request that it belongs to */
typedef struct ngx_http_gate_delivery_s  ngx_http_gate_delivery_t;


typedef struct {
    ngx_str_t               project_id;     /* in decimal, of a worker's life */
    gate_callback_t        *callback;
    ngx_uint_t              unread;         /* it is of no ledger's entry */
    ngx_uint_t              complete;       /* it has all operations, and they
                                               have ended */
    u_char                  digest[NGX_HTTP_GATE_DIGEST_HEX];

    time_t                  ttl;            /* of the mark, 0: no mark */
    ngx_msec_t              lock;           /* for the service to take it */

    ngx_str_t               stream;         /* empty: none */
    ngx_uint_t              cap;
    gate_str_t              body;           /* for the stream */
} ngx_http_gate_settle_t;


/* strings are valid during the call only */

typedef struct {
    ngx_http_gate_settle_e      verdict;
    ngx_http_gate_settlement_e  ledger;
    ngx_str_t                   from;       /* states of the payout */
    ngx_str_t                   to;
    ngx_str_t                   counted;    /* minor units */
    ngx_str_t                   notes;
    ngx_str_t                   bad;        /* what is, BAD only */
    time_t                      wait;       /* seconds, BUSY only */
} ngx_http_gate_settlement_t;


typedef void (*ngx_http_gate_settle_pt)(ngx_http_gate_settlement_t *settlement,
    void *data);


/*
 * Asks Redis.  NGX_OK: the handler is called once, later, unless the delivery
 * is ended before.  NGX_DECLINED: Redis is known to be away, and *waits is
 * there to be settled later, and ended.  NGX_ERROR: no memory, and *waits is
 * NULL.  All bytes are copied.
 */
ngx_int_t ngx_http_gate_settle(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback, ngx_http_gate_settle_pt handler,
    void *data, ngx_http_gate_delivery_t **waits);

ngx_str_t *ngx_http_gate_settlement_word(
    ngx_http_gate_settlement_e settlement);

/*
 * Settles by what an answer of Gate says; owner, mark and stream are not for
 * it.  It reaches Redis sooner or later.
 */
void ngx_http_gate_settle_answer(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_settle_t *callback);

/*
 * Tells the operator of amounts that were not expected, and of a ledger that
 * cannot be read.
 */
void ngx_http_gate_settle_log(ngx_log_t *log, ngx_str_t *payment_id,
    ngx_str_t *project, ngx_http_gate_settlement_t *settlement);

/*
 * Settles later, as soon as Redis is back, what could not be settled now.
 */
void ngx_http_gate_settle_later(ngx_http_gate_delivery_t *delivery);

/*
 * Ends the delivery, which is not the caller's after it; delivered: a service
 * has taken the callback.
 */
void ngx_http_gate_delivery_end(ngx_http_gate_delivery_t *delivery,
    ngx_uint_t delivered);


#endif /* _NGX_HTTP_GATE_SETTLE_H_INCLUDED_ */
