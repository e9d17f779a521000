
/*
 * Copyright (C) nginx-gate authors
 *
 * Waiting for a request's body, and for Redis.
 */


#ifndef _NGX_HTTP_GATE_WAIT_H_INCLUDED_
#define _NGX_HTTP_GATE_WAIT_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * Reads the body, takes the step, and runs the phases again once it does not
 * return NGX_AGAIN.  Returns what the PRECONTENT handler must return.
 */
ngx_int_t ngx_http_gate_read_body(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_http_gate_step_pt step);

/*
 * Finds the proxy module's setting of whether a client that leaves matters.
 */
void ngx_http_gate_find_proxy(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf);

/*
 * Takes the step from a posted event, outside of the caller's stack.
 */
void ngx_http_gate_wake(ngx_http_gate_ctx_t *ctx, ngx_http_gate_step_pt step);


#endif /* _NGX_HTTP_GATE_WAIT_H_INCLUDED_ */
