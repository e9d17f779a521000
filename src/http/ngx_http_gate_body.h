
/*
 * Copyright (C) nginx-gate authors
 *
 * Request bodies as bytes, and bytes as request bodies.
 */


#ifndef _NGX_HTTP_GATE_BODY_H_INCLUDED_
#define _NGX_HTTP_GATE_BODY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate.h"


/*
 * Gives the whole body that ngx_http_read_client_request_body() has read.  A
 * body in one memory buffer is not copied; another one is collected in r->pool.
 * Returns NGX_OK, NGX_DECLINED for more than GATE_MAX_TEXT bytes, or
 * NGX_ERROR.
 */
ngx_int_t ngx_http_gate_body_get(ngx_http_request_t *r, gate_str_t *text);

/*
 * Makes a body of the pieces, which are not copied and must live as long as
 * the request.  Returns NULL where there is no memory.
 */
ngx_chain_t *ngx_http_gate_body_make(ngx_http_request_t *r,
    gate_str_t *pieces, ngx_uint_t n);

/*
 * Makes it the body that goes upstream.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gate_body_set(ngx_http_request_t *r, ngx_chain_t *body);

/*
 * Whether Content-Type is application/json, with any parameters.
 */
ngx_uint_t ngx_http_gate_body_is_json(ngx_http_request_t *r);

/*
 * Whether a Content-Encoding other than identity is declared.
 */
ngx_uint_t ngx_http_gate_body_is_encoded(ngx_http_request_t *r);


#endif /* _NGX_HTTP_GATE_BODY_H_INCLUDED_ */
