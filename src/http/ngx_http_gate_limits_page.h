
/*
 * Copyright (C) nginx-gate authors
 *
 * The page of gate_limits_status.
 */


#ifndef _NGX_HTTP_GATE_LIMITS_PAGE_H_INCLUDED_
#define _NGX_HTTP_GATE_LIMITS_PAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


char *ngx_http_gate_limits_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#endif /* _NGX_HTTP_GATE_LIMITS_PAGE_H_INCLUDED_ */
