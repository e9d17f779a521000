
/*
 * Copyright (C) nginx-gate authors
 *
 * The end of a link, whoever notices it: its owner is told once, and its
 * memory is freed where hiredis does not work with it any more.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_redis_conn.h"


static void ngx_http_gate_redis_discard(ngx_socket_t fd);


/*
 * The connection is of no more use; hiredis may be in the middle of its work,
 * so its memory is freed later.  Called more than once for a link: the first
 * reason counts.
 */

void
ngx_http_gate_redis_lost(ngx_http_gate_redis_link_t *link, const char *reason)
{
    if (link->dead) {
        return;
    }

    link->dead = 1;
    link->ended(link, reason);
}


/* nothing on this connection can be told from what it is not any more */

void
ngx_http_gate_redis_reject(ngx_http_gate_redis_link_t *link,
    const char *reason)
{
    link->mixed = 1;
    link->reset = 1;

    ngx_http_gate_redis_discard(link->ac->c.fd);
    ngx_http_gate_redis_lost(link, reason);
}


void
ngx_http_gate_redis_close(ngx_http_gate_redis_link_t *link,
    const char *reason)
{
    ngx_uint_t  busy;

    busy = link->busy;

    ngx_http_gate_redis_lost(link, reason);

    if (!busy) {
        ngx_http_gate_redis_release(link);
    }
}


/* not a failure: the worker exits; another command would connect again */

void
ngx_http_gate_redis_retire(ngx_http_gate_redis_link_t *link)
{
    ngx_http_gate_redis_lost(link, NULL);
    ngx_http_gate_redis_release(link);
}


/*
 * Frees a link outside of hiredis's calls.  Commands in flight are answered
 * with NULL by hiredis meanwhile.
 */

void
ngx_http_gate_redis_release(ngx_http_gate_redis_link_t *link)
{
    redisAsyncContext  *ac;

    ac = link->ac;

    link->busy = 1;

    if (ac) {
        if (link->reset) {
            ngx_http_gate_redis_discard(ac->c.fd);
        }

        redisAsyncFree(ac);
    }

    if (link->rc->conf->ssl) {
        ngx_http_gate_redis_ssl_clear();
    }

    ngx_free(link);
}


/*
 * What timed out must not reach Redis later than what follows it on the next
 * connection: closing with a reset drops the unsent bytes.
 */

static void
ngx_http_gate_redis_discard(ngx_socket_t fd)
{
    struct linger  linger;

    linger.l_onoff = 1;
    linger.l_linger = 0;

    (void) setsockopt(fd, SOL_SOCKET, SO_LINGER, (const void *) &linger,
                      sizeof(struct linger));
}
