
/*
 * Copyright (C) nginx-gate authors
 *
 * Commands as bytes, and giving them to hiredis.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_redis_conn.h"


static u_char *ngx_http_gate_redis_write_size(u_char *p, size_t size);


/* text = NULL: the size only */

size_t
ngx_http_gate_redis_format(u_char *text, ngx_uint_t argc, ngx_str_t *argv)
{
    u_char  *p;

    if (text == NULL) {
        return sizeof("*" CRLF) - 1 + NGX_INT_T_LEN
               + ngx_http_gate_redis_size(argc, argv);
    }

    p = ngx_sprintf(text, "*%ui" CRLF, argc);
    p = ngx_http_gate_redis_write_args(p, argc, argv);

    *p = '\0';

    return p - text;
}


size_t
ngx_http_gate_redis_size(ngx_uint_t argc, ngx_str_t *argv)
{
    size_t      size;
    ngx_uint_t  i;

    size = 0;

    for (i = 0; i < argc; i++) {
        size += sizeof("$" CRLF CRLF) - 1 + NGX_SIZE_T_LEN + argv[i].len;
    }

    return size;
}


u_char *
ngx_http_gate_redis_write_args(u_char *p, ngx_uint_t argc, ngx_str_t *argv)
{
    ngx_uint_t  i;

    for (i = 0; i < argc; i++) {
        *p++ = '$';
        p = ngx_http_gate_redis_write_size(p, argv[i].len);
        *p++ = CR;
        *p++ = LF;
        p = ngx_cpymem(p, argv[i].data, argv[i].len);
        *p++ = CR;
        *p++ = LF;
    }

    return p;
}


/* with ngx_sprintf() the sizes took longer than all that they are of */

static u_char *
ngx_http_gate_redis_write_size(u_char *p, size_t size)
{
    u_char  *digit, digits[NGX_SIZE_T_LEN];

    digit = digits + NGX_SIZE_T_LEN;

    do {
        *--digit = (u_char) ('0' + size % 10);
        size /= 10;
    } while (size != 0);

    return ngx_cpymem(p, digit, digits + NGX_SIZE_T_LEN - digit);
}


ngx_int_t
ngx_http_gate_redis_append(ngx_http_gate_redis_link_t *link,
    redisCallbackFn *fn, void *data, u_char *text, size_t len)
{
    if (redisAsyncFormattedCommand(link->ac, fn, data, (char *) text, len)
        != REDIS_OK)
    {
        return NGX_ERROR;
    }

    link->appended += len;
    link->asked++;
    link->c->idle = 0;

    return NGX_OK;
}
