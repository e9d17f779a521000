
/*
 * Copyright (C) nginx-gate authors
 *
 * What callers give and ask: commands, where Redis is not known to be away.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_redis_conn.h"


static ngx_uint_t ngx_http_gate_redis_accepts(ngx_http_gate_redis_t *rc);


ngx_http_gate_redis_op_t *
ngx_http_gate_redis_eval(ngx_http_gate_redis_t *rc,
    const ngx_http_gate_redis_script_t *script, ngx_uint_t nkeys,
    ngx_uint_t argc, ngx_str_t *argv, ngx_http_gate_redis_handler_pt handler,
    void *data)
{
    if (!ngx_http_gate_redis_accepts(rc)) {
        return NULL;
    }

    return ngx_http_gate_redis_give(rc, script, nkeys, argc, argv, handler,
                                    data);
}


ngx_http_gate_redis_op_t *
ngx_http_gate_redis_command(ngx_http_gate_redis_t *rc, ngx_uint_t argc,
    ngx_str_t *argv, ngx_http_gate_redis_handler_pt handler, void *data)
{
    if (!ngx_http_gate_redis_accepts(rc)) {
        return NULL;
    }

    return ngx_http_gate_redis_give(rc, NULL, 0, argc, argv, handler, data);
}


void
ngx_http_gate_redis_disbelieve(ngx_http_gate_redis_t *rc)
{
    if (rc->link != NULL) {
        ngx_http_gate_redis_reject(rc->link, "reply of another shape");
    }
}


ngx_uint_t
ngx_http_gate_redis_connected(ngx_http_gate_redis_t *rc)
{
    return rc->state == NGX_HTTP_GATE_REDIS_READY;
}


ngx_http_gate_redis_stat_t *
ngx_http_gate_redis_stat(ngx_http_gate_redis_t *rc)
{
    return &rc->stat;
}


void
ngx_http_gate_redis_on_ready(ngx_http_gate_redis_t *rc,
    void (*handler)(void *data), void *data)
{
    rc->ready_handler = handler;
    rc->ready_data = data;
}


/*
 * While Redis is known to be away, callers are told at once: waiting for the
 * next attempt would only make their clients wait for the same answer.
 */

static ngx_uint_t
ngx_http_gate_redis_accepts(ngx_http_gate_redis_t *rc)
{
    if (rc->state == NGX_HTTP_GATE_REDIS_IDLE) {
        ngx_http_gate_redis_connect(rc);
    }

    if (rc->state == NGX_HTTP_GATE_REDIS_READY
        || (rc->state == NGX_HTTP_GATE_REDIS_CONNECTING
            && rc->nwaiting < NGX_HTTP_GATE_REDIS_MAX_WAITING))
    {
        return 1;
    }

    rc->stat.refused++;

    return 0;
}
