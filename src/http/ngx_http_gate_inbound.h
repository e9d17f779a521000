
/*
 * Copyright (C) nginx-gate authors
 *
 * Callbacks, on their way to a service, and what Gate is told of them.
 */


#ifndef _NGX_HTTP_GATE_INBOUND_H_INCLUDED_
#define _NGX_HTTP_GATE_INBOUND_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * PRECONTENT handler, called for main requests only.
 */
ngx_int_t ngx_http_gate_inbound_handler(ngx_http_request_t *r);

/*
 * For the header filter: makes the answer that Gate gets.  Returns NGX_OK or
 * NGX_ERROR.
 */
ngx_int_t ngx_http_gate_inbound_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);

/*
 * Whether the gate_verify of r's location is of the project.
 */
ngx_uint_t ngx_http_gate_verifies_for(ngx_http_request_t *r,
    ngx_http_gate_project_t *project);


#endif /* _NGX_HTTP_GATE_INBOUND_H_INCLUDED_ */
