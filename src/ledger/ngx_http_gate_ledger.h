
/*
 * Copyright (C) nginx-gate authors
 *
 * The ledger in Redis as one worker sees it: its scripts, the names of its
 * keys, and names of what asks.  The scripts' contracts are in lua.
 */


#ifndef _NGX_HTTP_GATE_LEDGER_H_INCLUDED_
#define _NGX_HTTP_GATE_LEDGER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "gate_payout.h"
#include "gate_safe.h"

#include "ngx_http_gate_redis.h"
#include "ngx_http_gate_scripts.h"


/* a key without its last part, which is a payment_id at the longest */

#define NGX_HTTP_GATE_KEY_MAX     (NGX_HTTP_GATE_PREFIX_MAX + 64)
#define NGX_HTTP_GATE_ENTRY_MAX   (NGX_HTTP_GATE_KEY_MAX                      \
                                   + 4 * GATE_MAX_PAYMENT_ID)

/* the name of a worker, and a counter; entries hold them, so they are short */

#define NGX_HTTP_GATE_WORKER_LEN  10
#define NGX_HTTP_GATE_BASE        36
#define NGX_HTTP_GATE_TOKEN_MAX   (NGX_HTTP_GATE_WORKER_LEN + 1 + 13)

#define NGX_HTTP_GATE_DIGEST_HEX  32


/*
 * Kinds of keys: X(name, word, whether a dry run has its own, whether something
 * follows the project)
 */

#define NGX_HTTP_GATE_KIND_TABLE(X)                                           \
    X(LIMITS, "limits", 0, 1)                                                 \
    X(ENTRY, "payout", 1, 1)                                                  \
    X(USED, "used", 1, 0)                                                     \
    X(OPEN, "open", 1, 0)                                                     \
    X(ERA, "era", 0, 0)                                                       \
    X(STOP, "stop", 0, 0)                                                     \
    X(CALLBACK, "callback", 0, 1)                                             \
    X(LANE, "lane", 0, 1)


#define NGX_HTTP_GATE_KIND_NAME(name, word, dry, last)                        \
    NGX_HTTP_GATE_KIND_##name,

typedef enum {
    NGX_HTTP_GATE_KIND_TABLE(NGX_HTTP_GATE_KIND_NAME)
    NGX_HTTP_GATE_KINDS
} ngx_http_gate_kind_e;

#undef NGX_HTTP_GATE_KIND_NAME


typedef struct {
    ngx_http_gate_redis_t  *redis;
    ngx_str_t               prefix;
    ngx_str_t               ttl;            /* of entries, seconds */
    ngx_str_t               offset;         /* of the calendar */
    u_char                  numbers[2][NGX_INT64_LEN];

    u_char                  name[NGX_HTTP_GATE_WORKER_LEN];
    uint64_t                tokens;

    /* by batch.c: calls that wait for the end of the turn */
    ngx_queue_t             batches;
    ngx_event_t             leave;

    /* by note.c: what Redis could not be told so far */
    ngx_queue_t             pending;
    ngx_uint_t              npending;
    ngx_uint_t              flushed;        /* of pending, sent */
    ngx_uint_t              dropped;
    time_t                  exiting;
    ngx_event_t             retry;

    time_t                  complained;     /* by complain.c */
} ngx_http_gate_ledger_t;


/*
 * offset: of the calendar's midnight, seconds east of UTC.  ttl: seconds that
 * an entry lives after its last change.  NULL after an ALERT, or without
 * memory.
 */
ngx_http_gate_ledger_t *ngx_http_gate_ledger_create(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf, ngx_int_t offset, time_t ttl);

/*
 * Gives the scripts to the connection; before workers start.
 */
void ngx_http_gate_ledger_scripts(ngx_http_gate_redis_conf_t *rcf);

const ngx_http_gate_redis_script_t *ngx_http_gate_ledger_script(
    ngx_http_gate_script_e script);

/*
 * Writes PREFIX:[dry:]KIND:{PROJECT}[:LAST] to buf, which must have room for
 * NGX_HTTP_GATE_KEY_MAX bytes and last.  Returns the end.
 */
u_char *ngx_http_gate_ledger_key(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_kind_e kind, ngx_uint_t dry, ngx_str_t *project_id,
    u_char *last, size_t len, u_char *buf, ngx_str_t *key);

/*
 * A name that no other worker or gateway gives.  buf has
 * NGX_HTTP_GATE_TOKEN_MAX bytes.
 */
void ngx_http_gate_ledger_token(ngx_http_gate_ledger_t *ledger, u_char *buf,
    ngx_str_t *token);

/*
 * The n-th string of a list, or an empty one.
 */
ngx_str_t ngx_http_gate_redis_string(redisReply *reply, size_t n);


#endif /* _NGX_HTTP_GATE_LEDGER_H_INCLUDED_ */
