
/*
 * Copyright (C) nginx-gate authors
 *
 * The parameters of gate_redis.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_redis_conn.h"


#define NGX_HTTP_GATE_REDIS_PASSWORD_SIZE  1024


/* parameters of the directive as written, before files are read */

typedef struct {
    ngx_str_t   db;
    ngx_str_t   user;
    ngx_str_t   password_file;
    ngx_str_t   prefix;
    ngx_str_t   timeout;
    ngx_str_t   connect_timeout;
    ngx_str_t   ping;
    ngx_str_t   ssl;
    ngx_str_t   ssl_ca;
    ngx_str_t   ssl_cert;
    ngx_str_t   ssl_key;
    ngx_str_t   ssl_name;
} ngx_http_gate_redis_params_t;


typedef struct {
    ngx_str_t   name;
    size_t      offset;
} ngx_http_gate_redis_param_t;


static ngx_int_t ngx_http_gate_redis_split(ngx_conf_t *cf,
    ngx_http_gate_redis_params_t *params);
static ngx_int_t ngx_http_gate_redis_set_address(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf);
static ngx_int_t ngx_http_gate_redis_set_values(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_http_gate_redis_params_t *params);
static ngx_int_t ngx_http_gate_redis_set_prefix(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_str_t *value);
static ngx_int_t ngx_http_gate_redis_set_msec(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *value, ngx_msec_t min, ngx_msec_t *msec);
static ngx_int_t ngx_http_gate_redis_set_password(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_str_t *file);
static ssize_t ngx_http_gate_redis_read_file(ngx_conf_t *cf, ngx_str_t *name,
    u_char *buf, size_t size);
static const char *ngx_http_gate_redis_check_file(ngx_file_info_t *fi,
    size_t size);
static void ngx_http_gate_redis_wipe(void *data);
static ngx_int_t ngx_http_gate_redis_set_ssl(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_http_gate_redis_params_t *params);
static ngx_int_t ngx_http_gate_redis_invalid(ngx_conf_t *cf,
    ngx_str_t *value, const char *reason);


#define ngx_http_gate_redis_param(name)                                       \
    { ngx_string(#name), offsetof(ngx_http_gate_redis_params_t, name) }

static ngx_http_gate_redis_param_t  ngx_http_gate_redis_params[] = {
    ngx_http_gate_redis_param(db),
    ngx_http_gate_redis_param(user),
    ngx_http_gate_redis_param(password_file),
    ngx_http_gate_redis_param(prefix),
    ngx_http_gate_redis_param(timeout),
    ngx_http_gate_redis_param(connect_timeout),
    ngx_http_gate_redis_param(ping),
    ngx_http_gate_redis_param(ssl),
    ngx_http_gate_redis_param(ssl_ca),
    ngx_http_gate_redis_param(ssl_cert),
    ngx_http_gate_redis_param(ssl_key),
    ngx_http_gate_redis_param(ssl_name),
    { ngx_null_string, 0 }
};


ngx_http_gate_redis_conf_t *
ngx_http_gate_redis_parse(ngx_conf_t *cf)
{
    ngx_http_gate_redis_conf_t    *rcf;
    ngx_http_gate_redis_params_t   params;

    ngx_memzero(&params, sizeof(ngx_http_gate_redis_params_t));

    rcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_redis_conf_t));
    if (rcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     rcf->password = { 0, NULL };
     *     rcf->ssl = NULL;
     *     rcf->scripts = NULL;
     *     rcf->resolver = NULL;
     *     rcf->redis = NULL;
     */

    rcf->timeout = 100;
    rcf->connect_timeout = 1000;
    rcf->ping = 10000;
    rcf->resolver_timeout = 5000;

    ngx_str_set(&rcf->prefix, "gate");

    if (ngx_http_gate_redis_split(cf, &params) != NGX_OK
        || ngx_http_gate_redis_set_address(cf, rcf) != NGX_OK
        || ngx_http_gate_redis_set_values(cf, rcf, &params) != NGX_OK
        || ngx_http_gate_redis_set_ssl(cf, rcf, &params) != NGX_OK)
    {
        return NULL;
    }

    return rcf;
}


static ngx_int_t
ngx_http_gate_redis_split(ngx_conf_t *cf,
    ngx_http_gate_redis_params_t *params)
{
    ngx_str_t                    *value, *s;
    ngx_uint_t                    i;
    ngx_http_gate_redis_param_t  *p;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        for (p = ngx_http_gate_redis_params; p->name.len; p++) {

            if (value[i].len > p->name.len
                && value[i].data[p->name.len] == '='
                && ngx_strncmp(value[i].data, p->name.data, p->name.len) == 0)
            {
                break;
            }
        }

        if (p->name.len == 0) {
            return ngx_http_gate_redis_invalid(cf, &value[i], "unknown");
        }

        s = (ngx_str_t *) ((u_char *) params + p->offset);

        if (s->data) {
            return ngx_http_gate_redis_invalid(cf, &value[i], "duplicate");
        }

        s->data = value[i].data + p->name.len + 1;
        s->len = value[i].len - p->name.len - 1;

        if (s->len == 0) {
            return ngx_http_gate_redis_invalid(cf, &value[i], "empty");
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_set_address(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf)
{
    ngx_str_t   *value;
    ngx_url_t    u;
    ngx_addr_t   addr;

    value = cf->args->elts;

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = value[1];
    u.default_port = 6379;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK) {
        return ngx_http_gate_redis_invalid(cf, &value[1],
                                           u.err ? u.err : "no memory");
    }

    rcf->url = u.url;
    rcf->port = u.port;
    rcf->host = u.host;
    rcf->addrs = u.addrs;
    rcf->naddrs = u.naddrs;

#if (NGX_HAVE_UNIX_DOMAIN)

    if (u.family == AF_UNIX) {
        rcf->path.data = u.url.data + sizeof("unix:") - 1;
        rcf->path.len = u.url.len - (sizeof("unix:") - 1);
        return NGX_OK;
    }

#endif

    /* an IPv6 address comes in brackets */

    rcf->named = u.host.data[0] != '['
                 && ngx_parse_addr(cf->pool, &addr, u.host.data, u.host.len)
                    == NGX_DECLINED;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_set_values(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_http_gate_redis_params_t *params)
{
    ngx_str_t  *value;

    static ngx_str_t  timeout = ngx_string("timeout");
    static ngx_str_t  connect = ngx_string("connect_timeout");
    static ngx_str_t  ping = ngx_string("ping");

    value = cf->args->elts;

    if (params->db.len) {
        rcf->db = ngx_atoi(params->db.data, params->db.len);

        if (rcf->db == NGX_ERROR) {
            return ngx_http_gate_redis_invalid(cf, &params->db, "db");
        }
    }

    if (params->prefix.len
        && ngx_http_gate_redis_set_prefix(cf, rcf, &params->prefix) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_http_gate_redis_set_msec(cf, &timeout, &params->timeout, 1,
                                     &rcf->timeout)
        != NGX_OK
        || ngx_http_gate_redis_set_msec(cf, &connect, &params->connect_timeout,
                                        1, &rcf->connect_timeout)
           != NGX_OK
        || ngx_http_gate_redis_set_msec(cf, &ping, &params->ping, 0,
                                        &rcf->ping)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    rcf->user = params->user;

    if (params->password_file.len) {
        return ngx_http_gate_redis_set_password(cf, rcf,
                                                &params->password_file);
    }

    if (rcf->user.len) {
        return ngx_http_gate_redis_invalid(cf, &value[1],
                                           "user without password_file");
    }

    return NGX_OK;
}


/* braces would move the hash tag of the keys */

static ngx_int_t
ngx_http_gate_redis_set_prefix(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_str_t *value)
{
    u_char  ch;
    size_t  i;

    if (value->len > NGX_HTTP_GATE_PREFIX_MAX) {
        return ngx_http_gate_redis_invalid(cf, value,
                                           "prefix of more than 32 bytes");
    }

    for (i = 0; i < value->len; i++) {
        ch = value->data[i];

        if ((ch >= '0' && ch <= '9')
            || (ch >= 'A' && ch <= 'Z')
            || (ch >= 'a' && ch <= 'z')
            || ch == '_' || ch == '-' || ch == '.' || ch == ':')
        {
            continue;
        }

        return ngx_http_gate_redis_invalid(cf, value,
                                 "prefix of other than letters, digits, _-.:");
    }

    rcf->prefix = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_set_msec(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *value, ngx_msec_t min, ngx_msec_t *msec)
{
    ngx_int_t  n;

    if (value->len == 0) {
        return NGX_OK;
    }

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || (ngx_msec_t) n < min || n > NGX_MAX_INT32_VALUE) {
        return ngx_http_gate_redis_invalid(cf, value, (char *) name->data);
    }

    *msec = (ngx_msec_t) n;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_set_password(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_str_t *file)
{
    u_char              *p, *last;
    ssize_t              n;
    ngx_pool_cleanup_t  *cln;

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pcalloc(cf->pool, NGX_HTTP_GATE_REDIS_PASSWORD_SIZE);
    if (p == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_http_gate_redis_wipe;
    cln->data = p;

    n = ngx_http_gate_redis_read_file(cf, file, p,
                                      NGX_HTTP_GATE_REDIS_PASSWORD_SIZE);
    if (n == NGX_ERROR) {
        return NGX_ERROR;
    }

    last = p + n;

    if (last > p && last[-1] == LF) {
        last--;

        if (last > p && last[-1] == CR) {
            last--;
        }
    }

    if (last == p || ngx_strlchr(p, last, LF) || ngx_strlchr(p, last, '\0')) {
        return ngx_http_gate_redis_invalid(cf, file,
                                   "password file must hold one line of text");
    }

    rcf->password.data = p;
    rcf->password.len = last - p;

    return NGX_OK;
}


static ssize_t
ngx_http_gate_redis_read_file(ngx_conf_t *cf, ngx_str_t *name, u_char *buf,
    size_t size)
{
    ssize_t           n;
    ngx_fd_t          fd;
    const char       *reason;
    ngx_file_info_t   fi;

    /* non-blocking: a pipe must not hold the start */

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY|O_NONBLOCK, NGX_FILE_OPEN,
                       0);
    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" of gate_redis failed",
                           name);
        return NGX_ERROR;
    }

    n = NGX_ERROR;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", name);
        goto done;
    }

    reason = ngx_http_gate_redis_check_file(&fi, size);

    if (reason) {
        (void) ngx_http_gate_redis_invalid(cf, name, reason);
        goto done;
    }

    n = ngx_read_fd(fd, buf, size);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_read_fd_n " \"%V\" failed", name);
        n = NGX_ERROR;
    }

done:

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    return n;
}


static const char *
ngx_http_gate_redis_check_file(ngx_file_info_t *fi, size_t size)
{
    if (!ngx_is_file(fi)) {
        return "password file is not a regular file";
    }

    if (ngx_file_access(fi) & S_IWOTH) {
        return "password file is writable by others";
    }

    if (ngx_file_size(fi) > (off_t) size) {
        return "password file is too large";
    }

    return NULL;
}


static void
ngx_http_gate_redis_wipe(void *data)
{
    ngx_explicit_memzero(data, NGX_HTTP_GATE_REDIS_PASSWORD_SIZE);
}


static ngx_int_t
ngx_http_gate_redis_set_ssl(ngx_conf_t *cf, ngx_http_gate_redis_conf_t *rcf,
    ngx_http_gate_redis_params_t *params)
{
    char       *err;
    ngx_str_t  *value, *files[3];
    ngx_uint_t  i;

    value = cf->args->elts;

    if (params->ssl.len == 3 && ngx_strncmp(params->ssl.data, "off", 3) == 0) {
        params->ssl.len = 0;

    } else if (params->ssl.len
               && (params->ssl.len != 2
                   || ngx_strncmp(params->ssl.data, "on", 2) != 0))
    {
        return ngx_http_gate_redis_invalid(cf, &params->ssl, "ssl");
    }

    files[0] = &params->ssl_ca;
    files[1] = &params->ssl_cert;
    files[2] = &params->ssl_key;

    if (params->ssl.len == 0) {

        if (files[0]->len || files[1]->len || files[2]->len
            || params->ssl_name.len)
        {
            return ngx_http_gate_redis_invalid(cf, &value[1],
                                               "ssl_ parameters need ssl=on");
        }

        return NGX_OK;
    }

    if ((files[1]->len == 0) != (files[2]->len == 0)) {
        return ngx_http_gate_redis_invalid(cf, &value[1],
                                       "ssl_cert and ssl_key go together");
    }

    for (i = 0; i < 3; i++) {
        if (files[i]->len
            && ngx_conf_full_name(cf->cycle, files[i], 1) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    rcf->ssl_name = params->ssl_name;

    if (rcf->ssl_name.len == 0 && rcf->path.len == 0) {
        rcf->ssl_name = rcf->host;
    }

    err = ngx_http_gate_redis_ssl_create(cf, rcf, files[0], files[1],
                                         files[2]);

    return err ? ngx_http_gate_redis_invalid(cf, &value[1], err) : NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_invalid(ngx_conf_t *cf, ngx_str_t *value,
    const char *reason)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" in \"gate_redis\": %s",
                       value, reason);

    return NGX_ERROR;
}
