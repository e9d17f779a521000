
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


/* nobody has written to a file that is used for so many milliseconds */

#define NGX_HTTP_GATE_SECRET_SETTLE  200


/* tells a file from others, and from itself once it has changed */

typedef struct {
    dev_t                     dev;
    ngx_file_uniq_t           uniq;
    off_t                     size;
    struct timespec           mtime;
    struct timespec           ctime;
    ngx_err_t                 err;      /* stat() failed with it */
} ngx_http_gate_stamp_t;


/* what was found in a file, or why it cannot be used */

typedef struct {
    ngx_http_gate_stamp_t     stamp;
    u_char                    print[GATE_SIGNATURE_LEN];
    const char               *fmt;      /* takes directive, path; NULL: good */
    ngx_err_t                 err;

    unsigned                  open:1;   /* to everyone */
    unsigned                  known:1;  /* by the stamp, without reading */
} ngx_http_gate_look_t;


typedef struct ngx_http_gate_secret_s  ngx_http_gate_secret_t;

struct ngx_http_gate_secret_s {
    ngx_str_t                 path;     /* NUL-terminated, data NULL: none */
    const char               *directive;
    gate_key_t               *key;      /* NULL: no key */
    u_char                    print[GATE_SIGNATURE_LEN];    /* of the key */
    ngx_http_gate_secret_t   *previous; /* of the same project, NULL: none */
    ngx_http_gate_look_t      seen;     /* the last look at the file */

    /* of a worker */
    const char               *failed;   /* what was wrong, and logged */
    ngx_queue_t               queue;    /* of files that have to settle */
    uint64_t                  since;    /* unchanged, in microseconds */
    ngx_uint_t                generation;
    ngx_uint_t                told;     /* the one that gate_zone knows */
    time_t                    loaded;   /* 0: no key */

    unsigned                  optional:1;
    unsigned                  pending:1; /* seen is news, not used yet */
    unsigned                  waiting:1; /* in the queue */
};


/*
 * Reads secret->path and prepares the key, which the pool's cleanup wipes.
 * The trailing newline of the file is not part of the secret.  An optional
 * file that does not exist leaves the key NULL.  A file that was written a
 * moment ago is waited for, so this is for configurations only.  Failures are
 * logged at EMERG.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gate_secret_load(ngx_conf_t *cf,
    ngx_http_gate_secret_t *secret);

/*
 * Reads the file and returns its key, which is the caller's.  NULL means that
 * look->fmt says why, or without that, that there is no file and none needed.
 */
gate_key_t *ngx_http_gate_secret_look(ngx_http_gate_secret_t *secret,
    ngx_http_gate_look_t *look);

void ngx_http_gate_secret_stamp(ngx_http_gate_secret_t *secret,
    ngx_http_gate_stamp_t *stamp);
ngx_uint_t ngx_http_gate_stamps_differ(ngx_http_gate_stamp_t *one,
    ngx_http_gate_stamp_t *two);

/*
 * Milliseconds since the last change, by the clocks of this system and the
 * file's: below 0 where they disagree.  A file that is gone is old.
 */
int64_t ngx_http_gate_stamp_age(ngx_http_gate_stamp_t *stamp);

/*
 * Looks at the files of the secrets, and at those of their "previous", at
 * once and then during each interval until the worker ends.  A file is used
 * once it was read twice, NGX_HTTP_GATE_SECRET_SETTLE apart, and had not
 * changed; one that cannot be used twice leaves the key as it was and is
 * logged at ERR, once.
 */
ngx_int_t ngx_http_gate_secrets_watch(ngx_cycle_t *cycle,
    ngx_array_t *secrets, ngx_msec_t interval);


#endif /* _NGX_HTTP_GATE_SECRETS_H_INCLUDED_ */
