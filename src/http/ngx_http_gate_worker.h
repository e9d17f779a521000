
/*
 * Copyright (C) nginx-gate authors
 *
 * What a process does for itself.
 */


#ifndef _NGX_HTTP_GATE_WORKER_H_INCLUDED_
#define _NGX_HTTP_GATE_WORKER_H_INCLUDED_


#include "ngx_http_gate_conf.h"


ngx_int_t ngx_http_gate_init_module(ngx_cycle_t *cycle);
ngx_int_t ngx_http_gate_init_process(ngx_cycle_t *cycle);
void ngx_http_gate_exit_process(ngx_cycle_t *cycle);

/*
 * Tells the zone, which must be there, what this worker has counted itself.
 */
void ngx_http_gate_tell(ngx_http_gate_main_conf_t *gmcf);


#endif /* _NGX_HTTP_GATE_WORKER_H_INCLUDED_ */
