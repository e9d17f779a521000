
/*
 * Copyright (C) nginx-gate authors
 *
 * What a request that is over adds to the counters.
 */


#ifndef _NGX_HTTP_GATE_COUNT_H_INCLUDED_
#define _NGX_HTTP_GATE_COUNT_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


void ngx_http_gate_count(ngx_http_gate_ctx_t *ctx);


#endif /* _NGX_HTTP_GATE_COUNT_H_INCLUDED_ */
