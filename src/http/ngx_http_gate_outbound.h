
/*
 * Copyright (C) nginx-gate authors
 *
 * Payouts, on their way to Gate and back.
 */


#ifndef _NGX_HTTP_GATE_OUTBOUND_H_INCLUDED_
#define _NGX_HTTP_GATE_OUTBOUND_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * PRECONTENT handler, called for main requests only.
 */
ngx_int_t ngx_http_gate_outbound_handler(ngx_http_request_t *r);

/*
 * For the header filter: NGX_OK or NGX_DECLINED where the answer may go,
 * NGX_AGAIN where it is held back, NGX_ERROR.
 */
ngx_int_t ngx_http_gate_outbound_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);

/*
 * Whether the gate_sign of r's location is of the project.
 */
ngx_uint_t ngx_http_gate_signs_for(ngx_http_request_t *r,
    ngx_http_gate_project_t *project);


#endif /* _NGX_HTTP_GATE_OUTBOUND_H_INCLUDED_ */
