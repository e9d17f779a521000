
/*
 * Copyright (C) nginx-gate authors
 *
 * What Redis answers when it refuses, and what administrators see of it: one
 * line when it goes, one when it lets nobody in, one when it is back.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate_safe.h"

#include "ngx_http_gate_redis_conn.h"


#define NGX_HTTP_GATE_REDIS_REASON  160


static size_t ngx_http_gate_redis_safe(u_char *dst, const char *src,
    size_t size);


/* errors by which Redis says that it did not run the command, and may later */

static const char  *ngx_http_gate_redis_refusals[] = {
    "BUSY",
    "CLUSTERDOWN",
    "DENIED",
    "LOADING",
    "MASTERDOWN",
    "MISCONF",
    "NOAUTH",
    "NOPERM",
    "NOREPLICAS",
    "NOSCRIPT",
    "OOM",
    "READONLY",
    "TRYAGAIN",
    "WRONGTYPE",
    NULL
};


ngx_uint_t
ngx_http_gate_redis_is_error(redisReply *reply, const char *name)
{
    size_t  len;

    len = ngx_strlen(name);

    return reply->type == REDIS_REPLY_ERROR
           && reply->len >= len
           && ngx_strncmp(reply->str, name, len) == 0
           && (reply->len == len || reply->str[len] == ' ');
}


ngx_uint_t
ngx_http_gate_redis_refusing(redisReply *reply)
{
    ngx_uint_t  i;

    for (i = 0; ngx_http_gate_redis_refusals[i]; i++) {
        if (ngx_http_gate_redis_says(reply, ngx_http_gate_redis_refusals[i])) {
            return 1;
        }
    }

    return 0;
}


/* before Redis 7, an error inside of a script comes wrapped */

ngx_uint_t
ngx_http_gate_redis_says(redisReply *reply, const char *name)
{
    size_t       len;
    const char  *p;

    if (ngx_http_gate_redis_is_error(reply, name)) {
        return 1;
    }

    if (ngx_strncmp(reply->str, "ERR Error running script", 24) != 0) {
        return 0;
    }

    len = ngx_strlen(name);

    for (p = strstr(reply->str, name); p; p = strstr(p + len, name)) {
        if ((p[-1] == ' ' || p[-1] == '-') && p[len] == ' ') {
            return 1;
        }
    }

    return 0;
}


const char *
ngx_http_gate_redis_reason(ngx_http_gate_redis_t *rc,
    const redisAsyncContext *ac)
{
    const char  *reason;

    if (rc->conf->ssl) {
        reason = ngx_http_gate_redis_ssl_reason();

        if (reason) {
            return reason;
        }
    }

    return ac->c.err ? ac->c.errstr : "connection closed";
}


void
ngx_http_gate_redis_down(ngx_http_gate_redis_t *rc,
    ngx_http_gate_redis_trouble_e trouble,
    const ngx_http_gate_redis_script_t *script, const char *reason)
{
    size_t  len;
    u_char  text[NGX_HTTP_GATE_REDIS_REASON];

    if (rc->trouble != NGX_HTTP_GATE_REDIS_FINE) {
        return;
    }

    rc->trouble = trouble;
    rc->refused = script;
    rc->since = ngx_time();
    rc->before = rc->stat;

    len = ngx_http_gate_redis_safe(text, reason, sizeof(text));

    ngx_log_error(NGX_LOG_ERR, rc->log, 0,
                  "gate_redis \"%V\" is unavailable: %*s",
                  &rc->conf->url, len, text);
}


/*
 * Time alone does not mend this: it is said also where the line of the outage
 * has another reason, such as the restart that came before.
 */

void
ngx_http_gate_redis_rejected(ngx_http_gate_redis_t *rc, const char *reason)
{
    size_t  len;
    u_char  text[NGX_HTTP_GATE_REDIS_REASON];

    if (rc->trouble != NGX_HTTP_GATE_REDIS_FINE && !rc->rejected) {
        len = ngx_http_gate_redis_safe(text, reason, sizeof(text));

        ngx_log_error(NGX_LOG_ERR, rc->log, 0,
                      "gate_redis \"%V\" is there, but does not let us in: "
                      "%*s", &rc->conf->url, len, text);
    }

    rc->rejected = 1;
}


void
ngx_http_gate_redis_up(ngx_http_gate_redis_t *rc)
{
    rc->rejected = 0;

    if (rc->trouble == NGX_HTTP_GATE_REDIS_FINE) {
        return;
    }

    rc->trouble = NGX_HTTP_GATE_REDIS_FINE;

    ngx_log_error(NGX_LOG_WARN, rc->log, 0,
                  "gate_redis \"%V\" is available again after %T s, "
                  "%ui connections and %ui commands failed meanwhile",
                  &rc->conf->url, ngx_time() - rc->since,
                  rc->stat.failures - rc->before.failures,
                  rc->stat.errors - rc->before.errors
                  + rc->stat.refused - rc->before.refused);
}


/* a fault of a command, not of Redis: at most one line a second */

void
ngx_http_gate_redis_complain(ngx_http_gate_redis_t *rc,
    const ngx_http_gate_redis_script_t *script, redisReply *reply)
{
    size_t      len;
    u_char      text[NGX_HTTP_GATE_REDIS_REASON];
    ngx_str_t  *name;

    static ngx_str_t  none = ngx_string("none");

    if (rc->complained == ngx_time()) {
        return;
    }

    rc->complained = ngx_time();

    name = script ? (ngx_str_t *) &script->name : &none;
    len = ngx_http_gate_redis_safe(text, reply->str, sizeof(text));

    ngx_log_error(NGX_LOG_ERR, rc->log, 0,
                  "gate_redis \"%V\" failed a command, script \"%V\": %*s",
                  &rc->conf->url, name, len, text);
}


/* an unknown command is answered with its arguments, passwords included */

static size_t
ngx_http_gate_redis_safe(u_char *dst, const char *src, size_t size)
{
    size_t       len;
    const char  *args;

    len = ngx_strlen(src);
    args = strstr(src, ", with args");

    if (args) {
        len = args - src;
    }

    return gate_safe(dst, size, (u_char *) src, len);
}
