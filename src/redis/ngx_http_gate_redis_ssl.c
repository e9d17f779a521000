
/*
 * Copyright (C) nginx-gate authors
 *
 * TLS to Redis, where hiredis has it.  The SSL objects are made here and not
 * by hiredis, which checks the name in a certificate only since 1.4.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_redis_conn.h"


#if (NGX_HTTP_GATE_REDIS_SSL)

#include <hiredis/hiredis_ssl.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>


static char *ngx_http_gate_redis_ssl_files(SSL_CTX *ctx, ngx_str_t *ca,
    ngx_str_t *cert, ngx_str_t *key);
static void ngx_http_gate_redis_ssl_cleanup(void *data);
static ngx_int_t ngx_http_gate_redis_ssl_name(SSL *ssl, ngx_str_t *name);


char *
ngx_http_gate_redis_ssl_create(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_str_t *ca, ngx_str_t *cert,
    ngx_str_t *key)
{
    char                *err;
    SSL_CTX             *ctx;
    ngx_pool_cleanup_t  *cln;

    if (rcf->ssl_name.len == 0) {
        return "ssl=on over a unix socket needs ssl_name";
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return "no memory";
    }

    ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL) {
        ERR_clear_error();
        return "SSL_CTX_new() failed";
    }

    cln->handler = ngx_http_gate_redis_ssl_cleanup;
    cln->data = ctx;

    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);

    err = ngx_http_gate_redis_ssl_files(ctx, ca, cert, key);

    if (err) {
        ERR_clear_error();
        return err;
    }

    rcf->ssl = ctx;

    return NULL;
}


static char *
ngx_http_gate_redis_ssl_files(SSL_CTX *ctx, ngx_str_t *ca, ngx_str_t *cert,
    ngx_str_t *key)
{
    if (ca->len) {
        if (SSL_CTX_load_verify_locations(ctx, (char *) ca->data, NULL)
            != 1)
        {
            return "cannot load ssl_ca";
        }

    } else if (SSL_CTX_set_default_verify_paths(ctx) != 1) {
        return "cannot load the system's certificates";
    }

    if (cert->len == 0) {
        return NULL;
    }

    if (SSL_CTX_use_certificate_chain_file(ctx, (char *) cert->data) != 1) {
        return "cannot load ssl_cert";
    }

    if (SSL_CTX_use_PrivateKey_file(ctx, (char *) key->data,
                                    SSL_FILETYPE_PEM)
        != 1)
    {
        return "cannot load ssl_key, or it is not the certificate's";
    }

    return NULL;
}


static void
ngx_http_gate_redis_ssl_cleanup(void *data)
{
    SSL_CTX_free(data);
}


ngx_int_t
ngx_http_gate_redis_ssl_start(ngx_http_gate_redis_link_t *link)
{
    SSL                         *ssl;
    ngx_http_gate_redis_conf_t  *rcf;

    rcf = link->rc->conf;

    ERR_clear_error();

    ssl = SSL_new(rcf->ssl);
    if (ssl == NULL) {
        return NGX_ERROR;
    }

    /* hiredis owns the object after success only */

    if (ngx_http_gate_redis_ssl_name(ssl, &rcf->ssl_name) != NGX_OK
        || redisInitiateSSL(&link->ac->c, ssl) != REDIS_OK)
    {
        SSL_free(ssl);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_redis_ssl_name(SSL *ssl, ngx_str_t *name)
{
    char                text[256];
    size_t              len;
    u_char             *data;
    X509_VERIFY_PARAM  *param;

    data = name->data;
    len = name->len;

    if (len && data[0] == '[') {
        data++;
        len -= 2;
    }

    if (len >= sizeof(text)) {
        return NGX_ERROR;
    }

    ngx_memcpy(text, data, len);
    text[len] = '\0';

    param = SSL_get0_param(ssl);

    if (X509_VERIFY_PARAM_set1_ip_asc(param, text) == 1) {
        return NGX_OK;
    }

    /* it was no address, which OpenSSL has put into its queue */

    ERR_clear_error();

    if (SSL_set_tlsext_host_name(ssl, text) != 1
        || X509_VERIFY_PARAM_set1_host(param, text, len) != 1)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


const char *
ngx_http_gate_redis_ssl_reason(void)
{
    unsigned long  n;

    n = ERR_peek_last_error();

    return n ? ERR_reason_error_string(n) : NULL;
}


/* nginx would log what others left in the queue */

void
ngx_http_gate_redis_ssl_clear(void)
{
    ERR_clear_error();
}


#else


char *
ngx_http_gate_redis_ssl_create(ngx_conf_t *cf,
    ngx_http_gate_redis_conf_t *rcf, ngx_str_t *ca, ngx_str_t *cert,
    ngx_str_t *key)
{
    return "ssl=on needs a module built with hiredis 1.0.0 or later "
           "with its TLS library";
}


ngx_int_t
ngx_http_gate_redis_ssl_start(ngx_http_gate_redis_link_t *link)
{
    return NGX_ERROR;
}


const char *
ngx_http_gate_redis_ssl_reason(void)
{
    return NULL;
}


void
ngx_http_gate_redis_ssl_clear(void)
{
    /* void */
}


#endif
