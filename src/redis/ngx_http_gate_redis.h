
/*
 * Copyright (C) nginx-gate authors
 *
 * One pipelined connection per worker to one Redis endpoint, on nginx's event
 * loop.  Knows neither requests nor payouts: a caller gives a command and a
 * handler, and gets a status and a reply.
 */


#ifndef _NGX_HTTP_GATE_REDIS_H_INCLUDED_
#define _NGX_HTTP_GATE_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <hiredis/hiredis.h>


#define NGX_HTTP_GATE_PREFIX_MAX  32


/*
 * What became of a command.  NOT_SENT and UNAVAILABLE mean that it surely did
 * not run; ERROR, TIMEOUT and LOST that it may have run, or may run yet: what
 * a hung Redis has in its socket, it does when it wakes.  WRONGTYPE is among
 * UNAVAILABLE, so a script reads all its keys before it writes the first.
 */

typedef enum {
    NGX_HTTP_GATE_REDIS_OK = 0,         /* reply is not an error */
    NGX_HTTP_GATE_REDIS_ERROR,          /* an error reply, as of a script */
    NGX_HTTP_GATE_REDIS_UNAVAILABLE,    /* LOADING, OOM, READONLY, ... */
    NGX_HTTP_GATE_REDIS_TIMEOUT,        /* no reply in time, reply is NULL */
    NGX_HTTP_GATE_REDIS_LOST,           /* connection lost, reply is NULL */
    NGX_HTTP_GATE_REDIS_NOT_SENT        /* never left, reply is NULL */
} ngx_http_gate_redis_status_e;


typedef struct ngx_http_gate_redis_s     ngx_http_gate_redis_t;
typedef struct ngx_http_gate_redis_op_s  ngx_http_gate_redis_op_t;


/*
 * Called exactly once for each op that eval() or command() returned, unless
 * detach() took it back; never from inside these calls.  The reply is valid
 * during the call only, the op is gone after it.  It runs in the middle of
 * the connection's work: new commands may be given from it, but a request is
 * to be resumed from a posted event.
 */

typedef void (*ngx_http_gate_redis_handler_pt)(
    ngx_http_gate_redis_status_e status, redisReply *reply, void *data);


/* made by util/embed-lua; sha1 is in lower-case hex */

typedef struct {
    ngx_str_t                         name;
    ngx_str_t                         text;
    ngx_str_t                         sha1;
} ngx_http_gate_redis_script_t;


/* the parameters of the directive gate_redis, and what it refers to */

typedef struct {
    ngx_str_t                         url;        /* as configured, for logs */
    ngx_str_t                         path;       /* of a unix socket */
    ngx_str_t                         host;
    in_port_t                         port;
    ngx_addr_t                       *addrs;
    ngx_uint_t                        naddrs;

    ngx_int_t                         db;
    ngx_str_t                         user;
    ngx_str_t                         password;
    ngx_str_t                         prefix;     /* of keys; for the caller */

    ngx_msec_t                        timeout;
    ngx_msec_t                        connect_timeout;
    ngx_msec_t                        ping;

    void                             *ssl;        /* SSL_CTX, NULL without */
    ngx_str_t                         ssl_name;

    /* set by the caller after parsing, before workers start */
    const ngx_http_gate_redis_script_t  *scripts;
    ngx_uint_t                        nscripts;
    ngx_resolver_t                   *resolver;   /* NULL: addrs only */
    ngx_msec_t                        resolver_timeout;

    ngx_http_gate_redis_t            *redis;      /* of this worker */

    unsigned                          named:1;    /* host is not an address */
} ngx_http_gate_redis_conf_t;


/* X(counter, metric, help) */

#define NGX_HTTP_GATE_REDIS_COUNTER_TABLE(X)                                  \
    X(commands, "gate_redis_commands_total", "Commands given to Redis.")      \
    X(refused, "gate_redis_refused_total",                                    \
      "Commands that were not given, as Redis was away.")                     \
    X(errors, "gate_redis_errors_total",                                      \
      "Commands that were not answered, or with an error.")                   \
    X(timeouts, "gate_redis_timeouts_total",                                  \
      "Commands not answered in time.")                                       \
    X(connects, "gate_redis_connects_total",                                  \
      "Connections that became ready.")                                       \
    X(failures, "gate_redis_failures_total",                                  \
      "Connections that were lost or never ready.")


#define NGX_HTTP_GATE_REDIS_COUNTER(counter, metric, help)                    \
    ngx_uint_t                        counter;

/* counts of one worker since it started */

typedef struct {
    NGX_HTTP_GATE_REDIS_COUNTER_TABLE(NGX_HTTP_GATE_REDIS_COUNTER)
    ngx_uint_t                        in_flight;  /* now, waiting included */
} ngx_http_gate_redis_stat_t;

#undef NGX_HTTP_GATE_REDIS_COUNTER


/*
 * Parses cf->args of gate_redis.  NULL after an EMERG line that names the
 * directive and the parameter.
 */
ngx_http_gate_redis_conf_t *ngx_http_gate_redis_parse(ngx_conf_t *cf);

/*
 * For init_process and exit_process; rcf may be NULL, processes other than
 * workers are ignored.  init starts to connect and never fails for a Redis
 * that is away.  exit completes what is in flight.
 */
ngx_int_t ngx_http_gate_redis_init_worker(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf);
void ngx_http_gate_redis_exit_worker(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf);

/*
 * Called each time the connection becomes ready, for work kept meanwhile.
 */
void ngx_http_gate_redis_on_ready(ngx_http_gate_redis_t *rc,
    void (*handler)(void *data), void *data);

/*
 * EVALSHA of a script of rcf->scripts; argv holds nkeys keys, then arguments.
 * One argument more goes before the others, a name that no other call has: the
 * script gives it back as the last item of its list, and the handler gets the
 * list without it.  A reply with another name, or none, closes the connection:
 * all that is under way is LOST.  All bytes are copied.
 *
 * NULL: refused at once, nothing sent, the handler will not be called (Redis
 * is known to be away, too many wait, or no memory).  While a connection is
 * being made, commands wait for it, up to the timeout.
 *
 * A script that Redis lost is loaded again and the call repeated once, which
 * puts it behind commands given since: do not give a command that must come
 * after another one before that one was answered.
 */
ngx_http_gate_redis_op_t *ngx_http_gate_redis_eval(ngx_http_gate_redis_t *rc,
    const ngx_http_gate_redis_script_t *script, ngx_uint_t nkeys,
    ngx_uint_t argc, ngx_str_t *argv, ngx_http_gate_redis_handler_pt handler,
    void *data);

/* any other non-blocking command; argv[0] is its name */
ngx_http_gate_redis_op_t *ngx_http_gate_redis_command(
    ngx_http_gate_redis_t *rc, ngx_uint_t argc, ngx_str_t *argv,
    ngx_http_gate_redis_handler_pt handler, void *data);

/*
 * The caller goes away.  NGX_DECLINED: the command had not left and never
 * will, op is gone, no handler is called.  NGX_OK: it goes on, and handler
 * (NULL to drop the reply) is called with data in place of the former one;
 * data must not be of the caller's pool.
 */
ngx_int_t ngx_http_gate_redis_detach(ngx_http_gate_redis_op_t *op,
    ngx_http_gate_redis_handler_pt handler, void *data);

/*
 * For a handler that cannot believe the reply it has got: the connection is
 * closed, and all that is under way is LOST.
 */
void ngx_http_gate_redis_disbelieve(ngx_http_gate_redis_t *rc);

ngx_uint_t ngx_http_gate_redis_connected(ngx_http_gate_redis_t *rc);
ngx_http_gate_redis_stat_t *ngx_http_gate_redis_stat(
    ngx_http_gate_redis_t *rc);


#endif /* _NGX_HTTP_GATE_REDIS_H_INCLUDED_ */
