
/*
 * Copyright (C) nginx-gate authors
 *
 * A request's body as one text, and a new one of pieces.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_body.h"


static ngx_int_t ngx_http_gate_body_copy(ngx_http_request_t *r,
    ngx_chain_t *in, u_char *p);
static ngx_int_t ngx_http_gate_body_set_length(ngx_http_request_t *r,
    off_t length);


ngx_int_t
ngx_http_gate_body_get(ngx_http_request_t *r, gate_str_t *text)
{
    off_t         size;
    u_char       *p;
    ngx_buf_t    *b;
    ngx_chain_t  *cl, *in;

    text->len = 0;
    text->data = (const unsigned char *) "";

    if (r->request_body == NULL || r->request_body->bufs == NULL) {
        return NGX_OK;
    }

    in = r->request_body->bufs;
    size = 0;

    for (cl = in; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    if (size > GATE_MAX_TEXT) {
        return NGX_DECLINED;
    }

    b = in->buf;

    if (in->next == NULL && ngx_buf_in_memory(b)) {
        text->data = b->pos;
        text->len = (size_t) size;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, (size_t) size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;
    text->len = (size_t) size;

    return ngx_http_gate_body_copy(r, in, p);
}


static ngx_int_t
ngx_http_gate_body_copy(ngx_http_request_t *r, ngx_chain_t *in, u_char *p)
{
    off_t       offset;
    size_t      size;
    ssize_t     n;
    ngx_buf_t  *b;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (ngx_buf_in_memory(b)) {
            p = ngx_cpymem(p, b->pos, b->last - b->pos);
            continue;
        }

        if (!b->in_file) {
            continue;
        }

        for (offset = b->file_pos; offset < b->file_last; offset += n) {

            size = (size_t) (b->file_last - offset);

            n = ngx_read_file(b->file, p, size, offset);

            if (n == NGX_ERROR) {
                return NGX_ERROR;
            }

            if (n == 0) {
                ngx_log_error(NGX_LOG_CRIT, r->connection->log, 0,
                              "temporary file \"%V\" has been truncated",
                              &b->file->name);
                return NGX_ERROR;
            }

            p += n;
        }
    }

    return NGX_OK;
}


ngx_chain_t *
ngx_http_gate_body_make(ngx_http_request_t *r, gate_str_t *pieces,
    ngx_uint_t n)
{
    ngx_buf_t    *b;
    ngx_uint_t    i;
    ngx_chain_t  *cl, *out, **ll;

    out = NULL;
    ll = &out;
    b = NULL;

    for (i = 0; i < n; i++) {

        cl = ngx_alloc_chain_link(r->pool);
        if (cl == NULL) {
            return NULL;
        }

        b = ngx_calloc_buf(r->pool);
        if (b == NULL) {
            return NULL;
        }

        /* an upstream retry rewinds pos to start */

        b->pos = (u_char *) pieces[i].data;
        b->last = b->pos + pieces[i].len;
        b->start = b->pos;
        b->end = b->last;
        b->memory = 1;

        cl->buf = b;
        cl->next = NULL;
        *ll = cl;
        ll = &cl->next;
    }

    if (b == NULL) {
        return NULL;
    }

    b->last_buf = 1;

    return out;
}


ngx_int_t
ngx_http_gate_body_set(ngx_http_request_t *r, ngx_chain_t *body)
{
    off_t         length;
    ngx_chain_t  *cl;

    length = 0;

    for (cl = body; cl; cl = cl->next) {
        length += ngx_buf_size(cl->buf);
    }

    if (ngx_http_gate_body_set_length(r, length) != NGX_OK) {
        return NGX_ERROR;
    }

    r->request_body->bufs = body;
    r->request_body->temp_file = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_body_set_length(ngx_http_request_t *r, off_t length)
{
    u_char           *p;
    ngx_table_elt_t  *h;

    r->headers_in.content_length_n = length;

    h = r->headers_in.content_length;

    if (h == NULL) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_OFF_T_LEN + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    h->value.data = p;
    h->value.len = ngx_sprintf(p, "%O%Z", length) - p - 1;

    return NGX_OK;
}


ngx_uint_t
ngx_http_gate_body_is_json(ngx_http_request_t *r)
{
    u_char     *p, *last;
    ngx_str_t  *type;

    static ngx_str_t  json = ngx_string("application/json");

    if (r->headers_in.content_type == NULL) {
        return 0;
    }

    type = &r->headers_in.content_type->value;

    if (type->len < json.len
        || (ngx_memcmp(type->data, json.data, json.len) != 0
            && ngx_strncasecmp(type->data, json.data, json.len) != 0))
    {
        return 0;
    }

    p = type->data + json.len;
    last = type->data + type->len;

    while (p < last && (*p == ' ' || *p == '\t')) {
        p++;
    }

    return p == last || *p == ';';
}


ngx_uint_t
ngx_http_gate_body_is_encoded(ngx_http_request_t *r)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    static ngx_str_t  name = ngx_string("content-encoding");
    static ngx_str_t  identity = ngx_string("identity");

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {

            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if (h[i].key.len != name.len
            || ngx_strncasecmp(h[i].key.data, name.data, name.len) != 0)
        {
            continue;
        }

        if (h[i].value.len != identity.len
            || ngx_strncasecmp(h[i].value.data, identity.data, identity.len)
               != 0)
        {
            return 1;
        }
    }
}
