
/*
 * Copyright (C) nginx-gate authors
 *
 * Keys in files: read, looked at from time to time, kept out of core files.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_secrets.h"


/* a file that is being written must look the same after this time */

#define NGX_HTTP_GATE_SECRET_SETTLE  200

#define NGX_HTTP_GATE_SECRET_CHANGED  1
#define NGX_HTTP_GATE_SECRET_FAILED   2


/* what a file holds, or why it cannot be used; fmt takes directive, path */

typedef struct {
    u_char       data[NGX_HTTP_GATE_SECRET_MAX + sizeof(CRLF)];
    size_t       len;
    const char  *fmt;
    ngx_err_t    err;
    ngx_uint_t   open;      /* unsigned  open:1;  readable by everyone */
} ngx_http_gate_secret_file_t;


static ngx_int_t ngx_http_gate_secret_read(ngx_str_t *path,
    ngx_http_gate_secret_file_t *file);
static ngx_int_t ngx_http_gate_secret_failed(
    ngx_http_gate_secret_file_t *file, const char *fmt, ngx_err_t err);
static ngx_int_t ngx_http_gate_secret_stat(ngx_fd_t fd,
    ngx_http_gate_secret_file_t *file);
static ngx_int_t ngx_http_gate_secret_fill(ngx_fd_t fd,
    ngx_http_gate_secret_file_t *file);
static gate_key_t *ngx_http_gate_secret_key(ngx_http_gate_secret_file_t *file,
    u_char *print);
static void ngx_http_gate_secret_cleanup(void *data);
static void ngx_http_gate_secrets_handler(ngx_event_t *ev);
static ngx_uint_t ngx_http_gate_secrets_look(ngx_http_gate_watch_t *watch,
    ngx_log_t *log);
static ngx_uint_t ngx_http_gate_secret_look(ngx_http_gate_secret_t *secret,
    ngx_log_t *log);
static ngx_uint_t ngx_http_gate_secret_keep(ngx_http_gate_secret_t *secret,
    ngx_http_gate_secret_file_t *file, ngx_log_t *log);
static ngx_uint_t ngx_http_gate_secret_take(ngx_http_gate_secret_t *secret,
    gate_key_t *key, u_char *print, ngx_log_t *log);


ngx_int_t
ngx_http_gate_secret_load(ngx_conf_t *cf, ngx_http_gate_secret_t *secret)
{
    ngx_int_t                    rc;
    ngx_pool_cleanup_t          *cln;
    ngx_http_gate_secret_file_t  file;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_gate_secret_cleanup;
    cln->data = secret;

    secret->generation = 1;

    rc = ngx_http_gate_secret_read(&secret->path, &file);

    if (rc == NGX_DECLINED && secret->optional) {
        return NGX_OK;
    }

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, file.err, file.fmt,
                           secret->directive, &secret->path);
        return NGX_ERROR;
    }

    if (file.open) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%s\": \"%V\" is readable by everyone",
                           secret->directive, &secret->path);
    }

    secret->key = ngx_http_gate_secret_key(&file, secret->print);

    if (secret->key == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%s\": gate_key_create() failed",
                           secret->directive);
        return NGX_ERROR;
    }

    secret->loaded = ngx_time();
    ngx_memcpy(secret->seen, secret->print, GATE_SIGNATURE_LEN);

    return NGX_OK;
}


/* NGX_DECLINED where there is no file; file->data is empty but for NGX_OK */

static ngx_int_t
ngx_http_gate_secret_read(ngx_str_t *path, ngx_http_gate_secret_file_t *file)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    file->len = 0;
    file->open = 0;

    /* a FIFO in place of the file must not block us */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        (void) ngx_http_gate_secret_failed(file, "\"%s\": cannot open \"%V\"",
                                           ngx_errno);

        return (file->err == NGX_ENOENT) ? NGX_DECLINED : NGX_ERROR;
    }

    rc = ngx_http_gate_secret_stat(fd, file);

    if (rc == NGX_OK) {
        rc = ngx_http_gate_secret_fill(fd, file);
    }

    (void) ngx_close_file(fd);

    if (rc != NGX_OK) {
        ngx_explicit_memzero(file->data, sizeof(file->data));
    }

    return rc;
}


static ngx_int_t
ngx_http_gate_secret_failed(ngx_http_gate_secret_file_t *file,
    const char *fmt, ngx_err_t err)
{
    file->fmt = fmt;
    file->err = err;

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_gate_secret_stat(ngx_fd_t fd, ngx_http_gate_secret_file_t *file)
{
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        return ngx_http_gate_secret_failed(file, "\"%s\": " ngx_fd_info_n
                                           " \"%V\" failed", ngx_errno);
    }

    if (!ngx_is_file(&fi)) {
        return ngx_http_gate_secret_failed(file, "\"%s\": \"%V\" is not "
                                           "a regular file", 0);
    }

    if (fi.st_mode & S_IWOTH) {
        return ngx_http_gate_secret_failed(file, "\"%s\": \"%V\" is writable "
                                           "by everyone", 0);
    }

    file->open = ((fi.st_mode & S_IROTH) != 0);

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_secret_fill(ngx_fd_t fd, ngx_http_gate_secret_file_t *file)
{
    size_t   len;
    ssize_t  n;

    len = 0;

    while (len < sizeof(file->data)) {

        n = ngx_read_fd(fd, file->data + len, sizeof(file->data) - len);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n == -1) {
            return ngx_http_gate_secret_failed(file,
                                               "\"%s\": cannot read \"%V\"",
                                               ngx_errno);
        }

        if (n == 0) {
            break;
        }

        len += n;
    }

    if (len && file->data[len - 1] == LF) {
        len--;

        if (len && file->data[len - 1] == CR) {
            len--;
        }
    }

    if (len > NGX_HTTP_GATE_SECRET_MAX) {
        return ngx_http_gate_secret_failed(file, "\"%s\": \"%V\" has more "
                                           "than 4096 bytes", 0);
    }

    if (len == 0) {
        return ngx_http_gate_secret_failed(file, "\"%s\": \"%V\" is empty",
                                           0);
    }

    file->len = len;

    return NGX_OK;
}


/*
 * Makes the key, and a print that tells it from others: its signature of
 * nothing.  Wipes the file's content.
 */

static gate_key_t *
ngx_http_gate_secret_key(ngx_http_gate_secret_file_t *file, u_char *print)
{
    gate_key_t    *key;
    gate_canon_t   nothing;

    key = gate_key_create(file->data, file->len);

    ngx_explicit_memzero(file->data, sizeof(file->data));

    if (key == NULL) {
        return NULL;
    }

    ngx_memzero(&nothing, sizeof(gate_canon_t));

    if (gate_sign(key, &nothing, print) != GATE_OK) {
        gate_key_destroy(key);
        return NULL;
    }

    return key;
}


static void
ngx_http_gate_secret_cleanup(void *data)
{
    ngx_http_gate_secret_t *secret = data;

    gate_key_destroy(secret->key);
    secret->key = NULL;
}


ngx_int_t
ngx_http_gate_secrets_watch(ngx_cycle_t *cycle, ngx_array_t *secrets,
    ngx_msec_t interval)
{
    ngx_http_gate_watch_t  *watch;

    watch = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gate_watch_t));
    if (watch == NULL) {
        return NGX_ERROR;
    }

    watch->secrets = secrets;

    /* a change is taken within the interval, the second look included */

    watch->interval = interval - ngx_min(NGX_HTTP_GATE_SECRET_SETTLE,
                                         interval / 2);

    watch->event.handler = ngx_http_gate_secrets_handler;
    watch->event.data = watch;
    watch->event.log = cycle->log;
    watch->event.cancelable = 1;

    /*
     * a worker that replaces a dead one has the keys that the master read:
     * it must not begin with what the others have put aside
     */

    if (ngx_http_gate_secrets_look(watch, cycle->log)
        & NGX_HTTP_GATE_SECRET_CHANGED)
    {
        ngx_msleep(ngx_min(NGX_HTTP_GATE_SECRET_SETTLE, watch->interval));
        (void) ngx_http_gate_secrets_look(watch, cycle->log);
    }

    ngx_add_timer(&watch->event, watch->interval);

    return NGX_OK;
}


static void
ngx_http_gate_secrets_handler(ngx_event_t *ev)
{
    ngx_http_gate_watch_t *watch = ev->data;

    ngx_uint_t  again;

    again = ngx_http_gate_secrets_look(watch, ev->log);

    ngx_add_timer(ev, again ? ngx_min(NGX_HTTP_GATE_SECRET_SETTLE,
                                      watch->interval)
                            : watch->interval);
}


/* what has to be looked at again soon: a file may be caught half-written */

static ngx_uint_t
ngx_http_gate_secrets_look(ngx_http_gate_watch_t *watch, ngx_log_t *log)
{
    ngx_uint_t                i, again, optional;
    ngx_http_gate_secret_t  **secret;

    again = 0;
    secret = watch->secrets->elts;

    /*
     * who changes a key writes the previous one first: read last, it is never
     * taken later than the new one
     */

    for (optional = 0; optional < 2; optional++) {
        for (i = 0; i < watch->secrets->nelts; i++) {
            if (secret[i]->optional == optional) {
                again |= ngx_http_gate_secret_look(secret[i], log);
            }
        }
    }

    return again;
}


static ngx_uint_t
ngx_http_gate_secret_look(ngx_http_gate_secret_t *secret, ngx_log_t *log)
{
    u_char                        print[GATE_SIGNATURE_LEN];
    ngx_int_t                     rc;
    gate_key_t                   *key;
    ngx_http_gate_secret_file_t   file;

    rc = ngx_http_gate_secret_read(&secret->path, &file);

    if (rc == NGX_DECLINED && secret->optional) {
        ngx_memzero(print, sizeof(print));
        return ngx_http_gate_secret_take(secret, NULL, print, log);
    }

    if (rc == NGX_OK) {
        key = ngx_http_gate_secret_key(&file, print);

        if (key != NULL) {
            return ngx_http_gate_secret_take(secret, key, print, log);
        }

        (void) ngx_http_gate_secret_failed(&file, "\"%s\": no key can be made "
                                           "of \"%V\"", 0);
    }

    return ngx_http_gate_secret_keep(secret, &file, log);
}


/* every worker sees what is wrong with a file: one of them says it */

static ngx_uint_t
ngx_http_gate_secret_keep(ngx_http_gate_secret_t *secret,
    ngx_http_gate_secret_file_t *file, ngx_log_t *log)
{
    u_char      *last;
    u_char       reason[NGX_MAX_ERROR_STR];
    ngx_uint_t   level;

    if (secret->failed == file->fmt) {
        return 0;
    }

    if (secret->failing != file->fmt) {
        secret->failing = file->fmt;
        return NGX_HTTP_GATE_SECRET_FAILED;
    }

    secret->failed = file->fmt;

    level = NGX_LOG_ERR;

    if ((ngx_worker != 0 || ngx_exiting)
        && (file->err == 0 || file->err == NGX_ENOENT
            || file->err == NGX_EACCES))
    {
        level = NGX_LOG_INFO;
    }

    last = ngx_snprintf(reason, sizeof(reason), file->fmt, secret->directive,
                        &secret->path);

    ngx_log_error(level, log, file->err, "%*s: the key before stays in use",
                  (size_t) (last - reason), reason);

    return 0;
}


static ngx_uint_t
ngx_http_gate_secret_take(ngx_http_gate_secret_t *secret, gate_key_t *key,
    u_char *print, ngx_log_t *log)
{
    secret->failing = NULL;

    if (secret->failed != NULL) {
        secret->failed = NULL;
        ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%V\" can be used again",
                      &secret->path);
    }

    if ((key == NULL) == (secret->key == NULL)
        && ngx_memcmp(print, secret->print, GATE_SIGNATURE_LEN) == 0)
    {
        gate_key_destroy(key);
        ngx_memcpy(secret->seen, print, GATE_SIGNATURE_LEN);
        return 0;
    }

    if (ngx_memcmp(print, secret->seen, GATE_SIGNATURE_LEN) != 0) {
        gate_key_destroy(key);
        ngx_memcpy(secret->seen, print, GATE_SIGNATURE_LEN);
        return NGX_HTTP_GATE_SECRET_CHANGED;
    }

    gate_key_destroy(secret->key);

    secret->key = key;
    secret->loaded = (key != NULL) ? ngx_time() : 0;
    secret->generation++;
    ngx_memcpy(secret->print, print, GATE_SIGNATURE_LEN);

    ngx_log_error(NGX_LOG_NOTICE, log, 0, "\"%s\": \"%V\" %s",
                  secret->directive, &secret->path,
                  key != NULL ? "has a new key" : "is gone, and its key");

    return 0;
}
