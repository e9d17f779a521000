
/*
 * Copyright (C) nginx-gate authors
 *
 * What is let in of the bytes that a Redis sends: a reply to each command that
 * has left, of a size that our commands can have, and no more.  hiredis hands
 * over replies by their order only, aborts the process on one that it expects
 * no more, and allocates what a length says before the items are there.
 *
 * It asks functions of its reader for each object that it is about to make;
 * one that gets none takes the reply for broken and closes the connection.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_redis_conn.h"


/* of one reply; the longest that a script gives has 390 items and some 20 KB */

#define NGX_HTTP_GATE_REDIS_REPLY_ITEMS  1024
#define NGX_HTTP_GATE_REDIS_REPLY_SIZE   (1024 * 1024)


static void *ngx_http_gate_redis_guard_string(const redisReadTask *task,
    char *str, size_t len);
#if (HIREDIS_MAJOR >= 1)
static void *ngx_http_gate_redis_guard_array(const redisReadTask *task,
    size_t elements);
static void *ngx_http_gate_redis_guard_double(const redisReadTask *task,
    double value, char *str, size_t len);
static void *ngx_http_gate_redis_guard_bool(const redisReadTask *task,
    int value);
#else
static void *ngx_http_gate_redis_guard_array(const redisReadTask *task,
    int elements);
#endif
static void *ngx_http_gate_redis_guard_integer(const redisReadTask *task,
    long long value);
static void *ngx_http_gate_redis_guard_nil(const redisReadTask *task);
static ngx_int_t ngx_http_gate_redis_admit(const redisReadTask *task,
    size_t items, size_t size);
static ngx_uint_t ngx_http_gate_redis_asked(ngx_http_gate_redis_link_t *link,
    const redisReadTask *task);


void
ngx_http_gate_redis_guard(ngx_http_gate_redis_link_t *link)
{
    redisReader  *reader;

    reader = link->ac->c.reader;

    link->objects = reader->fn;
    link->guards = *reader->fn;

    link->guards.createString = ngx_http_gate_redis_guard_string;
    link->guards.createArray = ngx_http_gate_redis_guard_array;
    link->guards.createInteger = ngx_http_gate_redis_guard_integer;
    link->guards.createNil = ngx_http_gate_redis_guard_nil;
#if (HIREDIS_MAJOR >= 1)
    link->guards.createDouble = ngx_http_gate_redis_guard_double;
    link->guards.createBool = ngx_http_gate_redis_guard_bool;
#endif

    reader->fn = &link->guards;
    reader->privdata = link;
}


void
ngx_http_gate_redis_guard_rest(ngx_http_gate_redis_link_t *link)
{
    redisReader  *reader;

    reader = link->ac->c.reader;

    if (reader->len - reader->pos > NGX_HTTP_GATE_REDIS_REPLY_SIZE) {
        ngx_http_gate_redis_reject(link, "reply is too large");
    }
}


static void *
ngx_http_gate_redis_guard_string(const redisReadTask *task, char *str,
    size_t len)
{
    ngx_http_gate_redis_link_t  *link;

    if (ngx_http_gate_redis_admit(task, 0, len) != NGX_OK) {
        return NULL;
    }

    link = task->privdata;

    /* hiredis has both bytes, and skips them unseen after a counted string */

    if (str[len] != CR || str[len + 1] != LF) {
        ngx_http_gate_redis_reject(link, "string of another length");
        return NULL;
    }

    return link->objects->createString(task, str, len);
}


#if (HIREDIS_MAJOR >= 1)

static void *
ngx_http_gate_redis_guard_array(const redisReadTask *task, size_t elements)
{
    ngx_http_gate_redis_link_t  *link;

    if (ngx_http_gate_redis_admit(task, elements, 0) != NGX_OK) {
        return NULL;
    }

    link = task->privdata;

    return link->objects->createArray(task, elements);
}


/* of RESP3, which nobody has asked for */

static void *
ngx_http_gate_redis_guard_double(const redisReadTask *task, double value,
    char *str, size_t len)
{
    ngx_http_gate_redis_reject(task->privdata, "unexpected data");

    return NULL;
}


static void *
ngx_http_gate_redis_guard_bool(const redisReadTask *task, int value)
{
    ngx_http_gate_redis_reject(task->privdata, "unexpected data");

    return NULL;
}

#else

static void *
ngx_http_gate_redis_guard_array(const redisReadTask *task, int elements)
{
    ngx_http_gate_redis_link_t  *link;

    if (ngx_http_gate_redis_admit(task, elements, 0) != NGX_OK) {
        return NULL;
    }

    link = task->privdata;

    return link->objects->createArray(task, elements);
}

#endif


static void *
ngx_http_gate_redis_guard_integer(const redisReadTask *task, long long value)
{
    ngx_http_gate_redis_link_t  *link;

    if (ngx_http_gate_redis_admit(task, 0, 0) != NGX_OK) {
        return NULL;
    }

    link = task->privdata;

    return link->objects->createInteger(task, value);
}


static void *
ngx_http_gate_redis_guard_nil(const redisReadTask *task)
{
    ngx_http_gate_redis_link_t  *link;

    if (ngx_http_gate_redis_admit(task, 0, 0) != NGX_OK) {
        return NULL;
    }

    link = task->privdata;

    return link->objects->createNil(task);
}


static ngx_int_t
ngx_http_gate_redis_admit(const redisReadTask *task, size_t items,
    size_t size)
{
    ngx_http_gate_redis_link_t  *link;

    link = task->privdata;

    if (link->mixed) {
        return NGX_DECLINED;
    }

    if (task->parent == NULL) {

        if (!ngx_http_gate_redis_asked(link, task)) {
            ngx_http_gate_redis_reject(link, "unexpected data");
            return NGX_DECLINED;
        }

        link->begun++;
        link->items = 0;
        link->size = 0;
    }

    if (task->type > REDIS_REPLY_ERROR) {
        ngx_http_gate_redis_reject(link, "unexpected data");
        return NGX_DECLINED;
    }

    if (items > NGX_HTTP_GATE_REDIS_REPLY_ITEMS - link->items
        || size > NGX_HTTP_GATE_REDIS_REPLY_SIZE - link->size)
    {
        ngx_http_gate_redis_reject(link, "reply is too large");
        return NGX_DECLINED;
    }

    link->items += items;
    link->size += size;

    return NGX_OK;
}


/*
 * A command that is given while replies are read has not left yet, and has no
 * reply among them.  By an error that nobody has asked for, Redis says why it
 * hangs up, and hiredis tells it.
 */

static ngx_uint_t
ngx_http_gate_redis_asked(ngx_http_gate_redis_link_t *link,
    const redisReadTask *task)
{
    if (link->begun < link->left) {
        return 1;
    }

    return task->type == REDIS_REPLY_ERROR
           && (link->ac->replies.head == NULL || link->ready == 0);
}
