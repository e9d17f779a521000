
/*
 * Copyright (C) nginx-gate authors
 *
 * Reads secret files, and makes keys of what they hold.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_secrets.h"


/* what is written to longer than this fails the configuration */

#define NGX_HTTP_GATE_SECRET_TRIES  10

/*
 * In milliseconds, more than the ticks of file systems: what changes twice in
 * a tick has the same times.
 */

#define NGX_HTTP_GATE_SECRET_TICK   3000


typedef struct {
    u_char                 data[NGX_HTTP_GATE_SECRET_MAX + sizeof(CRLF)];
    size_t                 len;
    ngx_http_gate_look_t  *look;
} ngx_http_gate_secret_file_t;


static gate_key_t *ngx_http_gate_secret_look_settled(
    ngx_http_gate_secret_t *secret);
static void ngx_http_gate_secret_cleanup(void *data);
static ngx_int_t ngx_http_gate_secret_read(ngx_fd_t fd,
    ngx_http_gate_secret_file_t *file);
static ngx_int_t ngx_http_gate_secret_failed(ngx_http_gate_look_t *look,
    const char *fmt, ngx_err_t err);
static ngx_int_t ngx_http_gate_secret_stat(ngx_fd_t fd,
    ngx_http_gate_look_t *look);
static ngx_int_t ngx_http_gate_secret_fill(ngx_fd_t fd,
    ngx_http_gate_secret_file_t *file);
static ngx_int_t ngx_http_gate_secret_still(ngx_fd_t fd,
    ngx_http_gate_look_t *look);
static gate_key_t *ngx_http_gate_secret_key(ngx_http_gate_secret_file_t *file);
static void ngx_http_gate_stamp_set(ngx_http_gate_stamp_t *stamp,
    ngx_file_info_t *fi);


ngx_int_t
ngx_http_gate_secret_load(ngx_conf_t *cf, ngx_http_gate_secret_t *secret)
{
    ngx_pool_cleanup_t    *cln;
    ngx_http_gate_look_t  *look;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_gate_secret_cleanup;
    cln->data = secret;

    secret->generation = 1;
    secret->key = ngx_http_gate_secret_look_settled(secret);

    look = &secret->seen;

    if (look->fmt != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, look->err, look->fmt,
                           secret->directive, &secret->path);
        return NGX_ERROR;
    }

    if (look->open) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "\"%s\": \"%V\" is readable by everyone",
                           secret->directive, &secret->path);
    }

    ngx_memcpy(secret->print, look->print, GATE_SIGNATURE_LEN);

    if (secret->key != NULL) {
        secret->loaded = ngx_time();
    }

    return NGX_OK;
}


/*
 * Who reloads right after the change of a key may come in the middle of it.
 * It is not much that many files wait: the next ones are older by then.
 */

static gate_key_t *
ngx_http_gate_secret_look_settled(ngx_http_gate_secret_t *secret)
{
    int64_t      age;
    ngx_uint_t   i;
    gate_key_t  *key;

    for (i = 0; /* void */ ; i++) {

        key = ngx_http_gate_secret_look(secret, &secret->seen);

        age = ngx_http_gate_stamp_age(&secret->seen.stamp);

        if (age < 0 || age >= NGX_HTTP_GATE_SECRET_SETTLE) {
            return key;
        }

        gate_key_destroy(key);

        if (i == NGX_HTTP_GATE_SECRET_TRIES) {
            (void) ngx_http_gate_secret_failed(&secret->seen, "\"%s\": \"%V\" "
                                               "is written to all the time",
                                               0);
            return NULL;
        }

        ngx_msleep((ngx_msec_t) (NGX_HTTP_GATE_SECRET_SETTLE - age));
    }
}


static void
ngx_http_gate_secret_cleanup(void *data)
{
    ngx_http_gate_secret_t *secret = data;

    gate_key_destroy(secret->key);
    secret->key = NULL;
}


gate_key_t *
ngx_http_gate_secret_look(ngx_http_gate_secret_t *secret,
    ngx_http_gate_look_t *look)
{
    ngx_fd_t                      fd;
    ngx_err_t                     err;
    gate_key_t                   *key;
    ngx_http_gate_secret_file_t   file;

    ngx_memzero(look, sizeof(ngx_http_gate_look_t));

    file.look = look;

    /* a FIFO in place of the file must not block us */

    fd = ngx_open_file(secret->path.data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        err = ngx_errno;
        look->stamp.err = err;
        look->known = 1;

        if (err != NGX_ENOENT || !secret->optional) {
            (void) ngx_http_gate_secret_failed(look,
                                               "\"%s\": cannot open \"%V\"",
                                               err);
        }

        return NULL;
    }

    key = NULL;

    if (ngx_http_gate_secret_read(fd, &file) == NGX_OK) {
        key = ngx_http_gate_secret_key(&file);
    }

    ngx_explicit_memzero(file.data, sizeof(file.data));

    (void) ngx_close_file(fd);

    return key;
}


static ngx_int_t
ngx_http_gate_secret_read(ngx_fd_t fd, ngx_http_gate_secret_file_t *file)
{
    if (ngx_http_gate_secret_stat(fd, file->look) != NGX_OK
        || ngx_http_gate_secret_fill(fd, file) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_http_gate_secret_still(fd, file->look);
}


static ngx_int_t
ngx_http_gate_secret_failed(ngx_http_gate_look_t *look, const char *fmt,
    ngx_err_t err)
{
    look->fmt = fmt;
    look->err = err;

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_gate_secret_stat(ngx_fd_t fd, ngx_http_gate_look_t *look)
{
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        look->stamp.err = ngx_errno;
        return ngx_http_gate_secret_failed(look, "\"%s\": " ngx_fd_info_n
                                           " \"%V\" failed", ngx_errno);
    }

    ngx_http_gate_stamp_set(&look->stamp, &fi);

    if (!ngx_is_file(&fi)) {
        return ngx_http_gate_secret_failed(look, "\"%s\": \"%V\" is not "
                                           "a regular file", 0);
    }

    if (fi.st_mode & S_IWOTH) {
        return ngx_http_gate_secret_failed(look, "\"%s\": \"%V\" is writable "
                                           "by everyone", 0);
    }

    look->open = ((fi.st_mode & S_IROTH) != 0);

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
            return ngx_http_gate_secret_failed(file->look,
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
        return ngx_http_gate_secret_failed(file->look, "\"%s\": \"%V\" has "
                                           "more than 4096 bytes", 0);
    }

    if (len == 0) {
        return ngx_http_gate_secret_failed(file->look,
                                           "\"%s\": \"%V\" is empty", 0);
    }

    file->len = len;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_secret_still(ngx_fd_t fd, ngx_http_gate_look_t *look)
{
    ngx_file_info_t        fi;
    ngx_http_gate_stamp_t  after;

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR) {

        ngx_http_gate_stamp_set(&after, &fi);

        if (!ngx_http_gate_stamps_differ(&look->stamp, &after)) {
            look->known = (ngx_http_gate_stamp_age(&after)
                           >= NGX_HTTP_GATE_SECRET_TICK);
            return NGX_OK;
        }
    }

    return ngx_http_gate_secret_failed(look, "\"%s\": \"%V\" is being "
                                       "written", 0);
}


/* makes a print, too, that tells the key from others: what it signs nothing */

static gate_key_t *
ngx_http_gate_secret_key(ngx_http_gate_secret_file_t *file)
{
    gate_key_t    *key;
    gate_canon_t   nothing;

    key = gate_key_create(file->data, file->len);

    if (key != NULL) {
        ngx_memzero(&nothing, sizeof(gate_canon_t));

        if (gate_sign(key, &nothing, file->look->print) == GATE_OK) {
            return key;
        }

        gate_key_destroy(key);
    }

    (void) ngx_http_gate_secret_failed(file->look, "\"%s\": no key can be "
                                       "made of \"%V\"", 0);

    return NULL;
}


void
ngx_http_gate_secret_stamp(ngx_http_gate_secret_t *secret,
    ngx_http_gate_stamp_t *stamp)
{
    ngx_file_info_t  fi;

    if (ngx_file_info(secret->path.data, &fi) == NGX_FILE_ERROR) {
        ngx_memzero(stamp, sizeof(ngx_http_gate_stamp_t));
        stamp->err = ngx_errno;
        return;
    }

    ngx_http_gate_stamp_set(stamp, &fi);
}


static void
ngx_http_gate_stamp_set(ngx_http_gate_stamp_t *stamp, ngx_file_info_t *fi)
{
    stamp->dev = fi->st_dev;
    stamp->uniq = ngx_file_uniq(fi);
    stamp->size = ngx_file_size(fi);
    stamp->mtime = fi->st_mtim;
    stamp->ctime = fi->st_ctim;
    stamp->err = 0;
}


ngx_uint_t
ngx_http_gate_stamps_differ(ngx_http_gate_stamp_t *one,
    ngx_http_gate_stamp_t *two)
{
    return one->err != two->err
           || one->dev != two->dev
           || one->uniq != two->uniq
           || one->size != two->size
           || one->mtime.tv_sec != two->mtime.tv_sec
           || one->mtime.tv_nsec != two->mtime.tv_nsec
           || one->ctime.tv_sec != two->ctime.tv_sec
           || one->ctime.tv_nsec != two->ctime.tv_nsec;
}


/* nobody can set ctime, not even by copying times with a file */

int64_t
ngx_http_gate_stamp_age(ngx_http_gate_stamp_t *stamp)
{
    struct timeval  tv;

    if (stamp->err) {
        return INT64_MAX;
    }

    ngx_gettimeofday(&tv);

    return ((int64_t) tv.tv_sec - stamp->ctime.tv_sec) * 1000
           + tv.tv_usec / 1000 - stamp->ctime.tv_nsec / 1000000;
}
