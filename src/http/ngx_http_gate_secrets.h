
/*
 * Copyright (C) nginx-gate authors
 *
 * Secret files and the keys that they hold.
 */


#ifndef _NGX_HTTP_GATE_SECRETS_H_INCLUDED_
#define _NGX_HTTP_GATE_SECRETS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "gate_sign.h"


/* a secret is a short text: anything longer is a wrong file */

#define NGX_HTTP_GATE_SECRET_MAX  4096


typedef struct {
    ngx_str_t         path;         /* NUL-terminated, data NULL: none */
    const char       *directive;
    gate_key_t       *key;          /* NULL: no key */
    ngx_uint_t        optional;     /* unsigned  optional:1; */

    /* of a worker */
    u_char            print[GATE_SIGNATURE_LEN];
    u_char            seen[GATE_SIGNATURE_LEN];
    const char       *failing;      /* what was wrong with the file */
    const char       *failed;       /* the same, twice in turn, and logged */
    ngx_uint_t        generation;
    ngx_uint_t        told;         /* the one that gate_zone knows */
    time_t            loaded;       /* 0: no key */
} ngx_http_gate_secret_t;


/* notices changed files in a worker */

typedef struct {
    ngx_event_t       event;
    ngx_msec_t        interval;
    ngx_array_t      *secrets;      /* ngx_http_gate_secret_t * */
} ngx_http_gate_watch_t;


/*
 * Reads secret->path and prepares the key, which the pool's cleanup wipes.
 * The trailing newline of the file is not part of the secret.  An optional
 * file that does not exist leaves the key NULL.  Failures are logged at EMERG.
 * Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gate_secret_load(ngx_conf_t *cf,
    ngx_http_gate_secret_t *secret);

/*
 * Looks at the files at once, and again every interval until the worker ends.
 * A file is taken once it was read twice with the same content; one that
 * cannot be taken twice leaves the key as it was and is logged at ERR, once.
 */
ngx_int_t ngx_http_gate_secrets_watch(ngx_cycle_t *cycle,
    ngx_array_t *secrets, ngx_msec_t interval);


#endif /* _NGX_HTTP_GATE_SECRETS_H_INCLUDED_ */
