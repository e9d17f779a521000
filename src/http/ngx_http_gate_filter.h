
/*
 * Copyright (C) nginx-gate authors
 *
 * Filters of answers.
 */


#ifndef _NGX_HTTP_GATE_FILTER_H_INCLUDED_
#define _NGX_HTTP_GATE_FILTER_H_INCLUDED_


#include "ngx_http_gate_ctx.h"


/*
 * Filters of answers, installed once some location needs them.
 */
ngx_int_t ngx_http_gate_filter_init(ngx_conf_t *cf);


#endif /* _NGX_HTTP_GATE_FILTER_H_INCLUDED_ */
