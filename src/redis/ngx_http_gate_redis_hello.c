
/*
 * Copyright (C) nginx-gate authors
 *
 * What a new connection says before it is used: AUTH, SELECT, SCRIPT LOAD of
 * all scripts, and a PING that a Redis still loading its data refuses.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_redis_conn.h"


#define NGX_HTTP_GATE_REDIS_HELLO_REASON  256


static ngx_int_t ngx_http_gate_redis_hello(ngx_http_gate_redis_link_t *link,
    ngx_uint_t argc, ngx_str_t *argv, const char *name);
static void ngx_http_gate_redis_hello_done(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_http_gate_redis_load_done(redisAsyncContext *ac, void *reply,
    void *data);
static void ngx_http_gate_redis_step_done(ngx_http_gate_redis_link_t *link);
static ngx_int_t ngx_http_gate_redis_load_all(
    ngx_http_gate_redis_link_t *link);


/*
 * First who we are, then the scripts; the connection is ready when each command
 * has been answered as it should.
 */

ngx_int_t
ngx_http_gate_redis_greet(ngx_http_gate_redis_link_t *link)
{
    u_char                       buf[NGX_INT_T_LEN];
    ngx_str_t                    argv[3];
    ngx_uint_t                   n;
    ngx_http_gate_redis_conf_t  *rcf;

    rcf = link->rc->conf;

    if (rcf->password.len) {
        n = 0;
        ngx_str_set(&argv[n], "AUTH");
        n++;

        if (rcf->user.len) {
            argv[n++] = rcf->user;
        }

        argv[n++] = rcf->password;

        if (ngx_http_gate_redis_hello(link, n, argv, "AUTH") != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (rcf->db) {
        ngx_str_set(&argv[0], "SELECT");
        argv[1].data = buf;
        argv[1].len = ngx_sprintf(buf, "%i", rcf->db) - buf;

        if (ngx_http_gate_redis_hello(link, 2, argv, "SELECT") != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_str_set(&argv[0], "PING");

    return ngx_http_gate_redis_hello(link, 1, argv, "PING");
}


static ngx_int_t
ngx_http_gate_redis_hello(ngx_http_gate_redis_link_t *link, ngx_uint_t argc,
    ngx_str_t *argv, const char *name)
{
    size_t      size;
    u_char     *text;
    ngx_int_t   rc;

    size = ngx_http_gate_redis_format(NULL, argc, argv);

    text = ngx_alloc(size, link->rc->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    size = ngx_http_gate_redis_format(text, argc, argv);

    rc = ngx_http_gate_redis_append(link, ngx_http_gate_redis_hello_done,
                                    (void *) name, text, size);

    ngx_explicit_memzero(text, size);
    ngx_free(text);

    if (rc == NGX_OK) {
        link->pending++;
    }

    return rc;
}


ngx_int_t
ngx_http_gate_redis_load(ngx_http_gate_redis_link_t *link,
    const ngx_http_gate_redis_script_t *script, redisCallbackFn *fn)
{
    size_t      size;
    u_char     *text;
    ngx_int_t   rc;
    ngx_str_t   argv[3];

    ngx_str_set(&argv[0], "SCRIPT");
    ngx_str_set(&argv[1], "LOAD");
    argv[2] = script->text;

    text = ngx_alloc(ngx_http_gate_redis_format(NULL, 3, argv),
                     link->rc->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    size = ngx_http_gate_redis_format(text, 3, argv);

    rc = ngx_http_gate_redis_append(link, fn, (void *) script, text, size);

    ngx_free(text);

    return rc;
}


ngx_int_t
ngx_http_gate_redis_loaded(ngx_http_gate_redis_link_t *link,
    const ngx_http_gate_redis_script_t *script, redisReply *reply)
{
    return reply->type == REDIS_REPLY_STRING
           && reply->len == script->sha1.len
           && ngx_memcmp(reply->str, script->sha1.data, reply->len) == 0
           ? NGX_OK : NGX_ERROR;
}


static void
ngx_http_gate_redis_hello_done(redisAsyncContext *ac, void *reply, void *data)
{
    char *name = data;

    size_t                       len;
    u_char                       reason[NGX_HTTP_GATE_REDIS_HELLO_REASON];
    const char                  *text;
    redisReply                  *r;
    ngx_http_gate_redis_link_t  *link;

    r = reply;
    link = ac->data;

    if (r == NULL) {
        ngx_http_gate_redis_lost(link,
                                 ngx_http_gate_redis_reason(link->rc, ac));
        return;
    }

    if (r->type == REDIS_REPLY_STATUS) {
        ngx_http_gate_redis_step_done(link);
        return;
    }

    /* an answer to AUTH may repeat the password: its first word is enough */

    text = r->type == REDIS_REPLY_ERROR ? r->str : "unexpected reply";
    len = ngx_strcmp(name, "AUTH") ? ngx_strlen(text) : strcspn(text, " ");

    ngx_snprintf(reason, sizeof(reason), "%s failed: %*s%Z", name, len, text);
    reason[sizeof(reason) - 1] = '\0';

    /* PING fails also while Redis loads its data */

    if (ngx_strcmp(name, "PING")
        || ngx_http_gate_redis_is_error(r, "NOAUTH")
        || ngx_http_gate_redis_is_error(r, "NOPERM"))
    {
        ngx_http_gate_redis_rejected(link->rc, (char *) reason);
    }

    ngx_http_gate_redis_lost(link, (char *) reason);
}


static void
ngx_http_gate_redis_load_done(redisAsyncContext *ac, void *reply, void *data)
{
    const ngx_http_gate_redis_script_t *script = data;

    u_char                       reason[NGX_HTTP_GATE_REDIS_HELLO_REASON];
    redisReply                  *r;
    ngx_http_gate_redis_link_t  *link;

    r = reply;
    link = ac->data;

    if (r == NULL) {
        ngx_http_gate_redis_lost(link,
                                 ngx_http_gate_redis_reason(link->rc, ac));
        return;
    }

    if (ngx_http_gate_redis_loaded(link, script, r) == NGX_OK) {
        ngx_http_gate_redis_step_done(link);
        return;
    }

    ngx_snprintf(reason, sizeof(reason), "SCRIPT LOAD of \"%V\" failed: %s%Z",
                 &script->name,
                 r->type == REDIS_REPLY_ERROR ? r->str : "another SHA1");
    reason[sizeof(reason) - 1] = '\0';

    ngx_http_gate_redis_lost(link, (char *) reason);
}


static void
ngx_http_gate_redis_step_done(ngx_http_gate_redis_link_t *link)
{
    if (--link->pending || link->dead) {
        return;
    }

    /* a Redis that does not know us yet closes at a script of this size */

    if (!link->loads) {
        link->loads = 1;

        if (ngx_http_gate_redis_load_all(link) != NGX_OK) {
            ngx_http_gate_redis_lost(link, "no memory");
            return;
        }

        if (link->pending) {
            return;
        }
    }

    link->greeted(link);
}


static ngx_int_t
ngx_http_gate_redis_load_all(ngx_http_gate_redis_link_t *link)
{
    ngx_uint_t                   i;
    ngx_http_gate_redis_conf_t  *rcf;

    rcf = link->rc->conf;

    for (i = 0; i < rcf->nscripts; i++) {

        if (ngx_http_gate_redis_load(link, &rcf->scripts[i],
                                     ngx_http_gate_redis_load_done)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        link->pending++;
    }

    return NGX_OK;
}
