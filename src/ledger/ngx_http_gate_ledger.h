
/*
 * Copyright (C) nginx-gate authors
 *
 * The ledger in Redis as one worker sees it: the names of its keys, and notes,
 * calls that must reach Redis sooner or later.  The scripts' contracts are in
 * lua.
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

/* the name of a worker in hexadecimal, and a counter */

#define NGX_HTTP_GATE_TOKEN_MAX   (16 + 1 + NGX_INT64_LEN)

/* keys and arguments of a script together */

#define NGX_HTTP_GATE_ARGS_MAX    24

#define NGX_HTTP_GATE_DIGEST_HEX  32


/* kinds of keys, and what their names say of them */

#define NGX_HTTP_GATE_KIND_TABLE(X)                                           \
    X(LIMITS, "limits")                                                       \
    X(ENTRY, "payout")                                                        \
    X(USED, "used")                                                           \
    X(CALLBACK, "callback")


#define NGX_HTTP_GATE_KIND_NAME(name, word)  NGX_HTTP_GATE_KIND_##name,

typedef enum {
    NGX_HTTP_GATE_KIND_TABLE(NGX_HTTP_GATE_KIND_NAME)
    NGX_HTTP_GATE_KINDS
} ngx_http_gate_kind_e;

#undef NGX_HTTP_GATE_KIND_NAME


typedef struct ngx_http_gate_note_s  ngx_http_gate_note_t;


typedef struct {
    ngx_http_gate_redis_t                *redis;
    ngx_str_t                             prefix;
    ngx_str_t                             ttl;      /* of entries, seconds */
    ngx_str_t                             offset;   /* of the calendar */
    u_char                                numbers[2][NGX_INT64_LEN];

    u_char                                name[16];
    uint64_t                              tokens;

    ngx_queue_t                           pending;
    ngx_uint_t                            npending;
    ngx_uint_t                            flushed;  /* of pending, sent */
    ngx_uint_t                            dropped;
    time_t                                complained;
    time_t                                exiting;
    ngx_event_t                           retry;
} ngx_http_gate_ledger_t;


/*
 * The first member of what holds the bytes of argv: allocated by ngx_alloc(),
 * and freed by the ledger once Redis has answered.  A note may reach Redis
 * more than once.
 */

struct ngx_http_gate_note_s {
    ngx_queue_t                           queue;
    ngx_http_gate_ledger_t               *ledger;
    const ngx_http_gate_redis_script_t   *script;
    ngx_uint_t                            nkeys;
    ngx_uint_t                            argc;
    ngx_str_t                             argv[NGX_HTTP_GATE_ARGS_MAX];

    /* NULL, or called with the reply before the note is freed */
    void                                (*handler)(ngx_http_gate_note_t *note,
                                                   redisReply *reply);

    unsigned                              kept:1;
};


/*
 * offset: of the calendar's midnight, seconds east of UTC.  ttl: seconds that
 * an entry lives after its last change.  NULL after an ALERT, or without
 * memory.
 */
ngx_http_gate_ledger_t *ngx_http_gate_ledger_create(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf, ngx_int_t offset, time_t ttl);

/*
 * Says what could not be told to Redis before the worker ends.
 */
void ngx_http_gate_ledger_exit(ngx_http_gate_ledger_t *ledger);

/*
 * Gives the scripts to the connection; before workers start.
 */
void ngx_http_gate_ledger_scripts(ngx_http_gate_redis_conf_t *rcf);

const ngx_http_gate_redis_script_t *ngx_http_gate_ledger_script(
    ngx_http_gate_script_e script);

/*
 * Writes PREFIX:[dry:]KIND:{PROJECT}:LAST to buf, which must have room for
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
 * Tells Redis now, or as soon as it is back.  The note is not the caller's
 * after it.
 */
void ngx_http_gate_note_send(ngx_http_gate_note_t *note);

/*
 * The n-th string of a list, or an empty one.
 */
ngx_str_t ngx_http_gate_redis_string(redisReply *reply, size_t n);


#endif /* _NGX_HTTP_GATE_LEDGER_H_INCLUDED_ */
