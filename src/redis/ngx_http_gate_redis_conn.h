
/*
 * Copyright (C) nginx-gate authors
 *
 * Shared by the files of the Redis connection only.
 */


#ifndef _NGX_HTTP_GATE_REDIS_CONN_H_INCLUDED_
#define _NGX_HTTP_GATE_REDIS_CONN_H_INCLUDED_


#include <ngx_event.h>

#include <hiredis/async.h>

#include "ngx_http_gate_redis.h"


#define NGX_HTTP_GATE_REDIS_MAX_WAITING  4096

/* of a call: the name of a worker in hexadecimal, and a counter */

#define NGX_HTTP_GATE_REDIS_WORKER       16
#define NGX_HTTP_GATE_REDIS_NAME         (NGX_HTTP_GATE_REDIS_WORKER + 1      \
                                          + NGX_INT64_LEN)


typedef enum {
    NGX_HTTP_GATE_REDIS_IDLE = 0,       /* no connection, one may be made */
    NGX_HTTP_GATE_REDIS_CONNECTING,     /* until all scripts are loaded */
    NGX_HTTP_GATE_REDIS_READY,
    NGX_HTTP_GATE_REDIS_BACKOFF,        /* no connection until the timer */
    NGX_HTTP_GATE_REDIS_EXITED
} ngx_http_gate_redis_state_e;


typedef enum {
    NGX_HTTP_GATE_REDIS_FINE = 0,
    NGX_HTTP_GATE_REDIS_BROKEN,         /* until a connection is ready */
    NGX_HTTP_GATE_REDIS_REFUSING        /* until the refused command works */
} ngx_http_gate_redis_trouble_e;


typedef struct ngx_http_gate_redis_link_s  ngx_http_gate_redis_link_t;


/*
 * A connection and its hiredis context.  On its own memory: hiredis frees the
 * context inside of its own calls, and a new connection may be under way
 * before the old one is gone.
 */

struct ngx_http_gate_redis_link_s {
    ngx_http_gate_redis_t               *rc;
    redisAsyncContext                   *ac;     /* NULL once freed */
    ngx_connection_t                    *c;      /* NULL once cleaned up */

    /* its owner's, each called once at most */
    void                               (*greeted)(
        ngx_http_gate_redis_link_t *link);
    void                               (*ended)(
        ngx_http_gate_redis_link_t *link, const char *reason);

    const ngx_http_gate_redis_script_t  *loading;
    uint64_t                             appended;
    ngx_uint_t                           pending;
    ngx_msec_t                           ready;

    redisReplyObjectFunctions            guards;
    redisReplyObjectFunctions           *objects;
    uint64_t                             asked;  /* commands */
    uint64_t                             left;   /* of asked; or may have */
    uint64_t                             begun;  /* replies */
    size_t                               items;  /* of the present reply */
    size_t                               size;

    unsigned                             connected:1;
    unsigned                             dead:1;
    unsigned                             reset:1;
    unsigned                             mixed:1;    /* whose replies? */
    unsigned                             busy:1;
    unsigned                             writing:1;
    unsigned                             loads:1;    /* scripts, or has */
};


struct ngx_http_gate_redis_s {
    ngx_http_gate_redis_conf_t          *conf;
    ngx_http_gate_redis_link_t          *link;
    ngx_log_t                           *log;

    /* event ident must be after 3 pointers as in ngx_connection_t */
    ngx_socket_t                         fd;

    ngx_http_gate_redis_state_e          state;

    u_char                               name[NGX_HTTP_GATE_REDIS_WORKER];
    uint64_t                             calls;

    ngx_queue_t                          waiting;
    ngx_queue_t                          sent;
    ngx_uint_t                           nwaiting;

    ngx_event_t                          deadline;
    ngx_event_t                          timer;    /* its meaning: state */

    ngx_resolver_ctx_t                  *resolving;
    ngx_uint_t                           attempts;
    ngx_uint_t                           address;  /* of naddrs of a name */
    ngx_uint_t                           naddrs;
    ngx_uint_t                           tried;    /* since one worked */
    ngx_uint_t                           backoff;
    ngx_msec_t                           active;

    ngx_http_gate_redis_trouble_e        trouble;
    const ngx_http_gate_redis_script_t  *refused;
    ngx_http_gate_redis_stat_t           before;
    time_t                               since;
    time_t                               complained;
    ngx_uint_t                           rejected; /* unsigned  rejected:1; */

    void                               (*ready_handler)(void *data);
    void                                *ready_data;

    ngx_http_gate_redis_stat_t           stat;
};


struct ngx_http_gate_redis_op_s {
    ngx_queue_t                          queue;
    ngx_http_gate_redis_t               *rc;
    ngx_http_gate_redis_handler_pt       handler;
    void                                *data;

    const ngx_http_gate_redis_script_t  *script;
    ngx_str_t                            name;     /* in text; of a script */
    ngx_msec_t                           deadline;
    uint64_t                             offset;   /* in what link appended */

    unsigned                             sent:1;
    unsigned                             retried:1;

    size_t                               len;
    u_char                               text[1];
};


/*
 * The files from the lowest to the highest: each calls those above its line
 * only, which util/style checks.
 */

/* ngx_http_gate_redis_ssl.c */

char *ngx_http_gate_redis_ssl_create(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_str_t *ca, ngx_str_t *cert,
    ngx_str_t *key);
ngx_int_t ngx_http_gate_redis_ssl_start(ngx_http_gate_redis_link_t *link);
const char *ngx_http_gate_redis_ssl_reason(void);
void ngx_http_gate_redis_ssl_clear(void);

/* ngx_http_gate_redis_text.c: commands as bytes */

size_t ngx_http_gate_redis_format(u_char *text, ngx_uint_t argc,
    ngx_str_t *argv);
size_t ngx_http_gate_redis_size(ngx_uint_t argc, ngx_str_t *argv);
u_char *ngx_http_gate_redis_write_args(u_char *p, ngx_uint_t argc,
    ngx_str_t *argv);
ngx_int_t ngx_http_gate_redis_append(ngx_http_gate_redis_link_t *link,
    redisCallbackFn *fn, void *data, u_char *text, size_t len);

/* ngx_http_gate_redis_log.c: what administrators see */

void ngx_http_gate_redis_down(ngx_http_gate_redis_t *rc,
    ngx_http_gate_redis_trouble_e trouble,
    const ngx_http_gate_redis_script_t *script, const char *reason);
void ngx_http_gate_redis_rejected(ngx_http_gate_redis_t *rc,
    const char *reason);
void ngx_http_gate_redis_up(ngx_http_gate_redis_t *rc);
void ngx_http_gate_redis_complain(ngx_http_gate_redis_t *rc,
    const ngx_http_gate_redis_script_t *script, redisReply *reply);
const char *ngx_http_gate_redis_reason(ngx_http_gate_redis_t *rc,
    const redisAsyncContext *ac);
ngx_uint_t ngx_http_gate_redis_is_error(redisReply *reply, const char *name);
ngx_uint_t ngx_http_gate_redis_says(redisReply *reply, const char *name);
ngx_uint_t ngx_http_gate_redis_refusing(redisReply *reply);

/* ngx_http_gate_redis_end.c: the end of a link */

void ngx_http_gate_redis_lost(ngx_http_gate_redis_link_t *link,
    const char *reason);
void ngx_http_gate_redis_reject(ngx_http_gate_redis_link_t *link,
    const char *reason);
void ngx_http_gate_redis_close(ngx_http_gate_redis_link_t *link,
    const char *reason);
void ngx_http_gate_redis_retire(ngx_http_gate_redis_link_t *link);
void ngx_http_gate_redis_release(ngx_http_gate_redis_link_t *link);

/* ngx_http_gate_redis_guard.c: what is let in */

void ngx_http_gate_redis_guard(ngx_http_gate_redis_link_t *link);
void ngx_http_gate_redis_guard_rest(ngx_http_gate_redis_link_t *link);

/* ngx_http_gate_redis_event.c: hiredis on nginx's events */

ngx_int_t ngx_http_gate_redis_attach(ngx_http_gate_redis_link_t *link);

/* ngx_http_gate_redis_hello.c: the first commands */

ngx_int_t ngx_http_gate_redis_greet(ngx_http_gate_redis_link_t *link);
ngx_int_t ngx_http_gate_redis_load(ngx_http_gate_redis_link_t *link,
    const ngx_http_gate_redis_script_t *script, redisCallbackFn *fn);
ngx_int_t ngx_http_gate_redis_loaded(ngx_http_gate_redis_link_t *link,
    const ngx_http_gate_redis_script_t *script, redisReply *reply);

/* ngx_http_gate_redis_op.c: commands */

ngx_http_gate_redis_op_t *ngx_http_gate_redis_give(ngx_http_gate_redis_t *rc,
    const ngx_http_gate_redis_script_t *script, ngx_uint_t nkeys,
    ngx_uint_t argc, ngx_str_t *argv, ngx_http_gate_redis_handler_pt handler,
    void *data);
void ngx_http_gate_redis_flush(ngx_http_gate_redis_t *rc);
void ngx_http_gate_redis_refuse_waiting(ngx_http_gate_redis_t *rc);
void ngx_http_gate_redis_deadline_handler(ngx_event_t *ev);

/* ngx_http_gate_redis_conn.c: states */

void ngx_http_gate_redis_connect(ngx_http_gate_redis_t *rc);


#endif /* _NGX_HTTP_GATE_REDIS_CONN_H_INCLUDED_ */
