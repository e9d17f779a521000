
/*
 * Copyright (C) nginx-gate authors
 *
 * The block gate_project {}, and finding a project.
 */


#ifndef _NGX_HTTP_GATE_PROJECT_H_INCLUDED_
#define _NGX_HTTP_GATE_PROJECT_H_INCLUDED_


#include "ngx_http_gate_conf.h"


char *ngx_http_gate_project(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

void ngx_http_gate_init_projects(ngx_http_gate_main_conf_t *gmcf);

ngx_http_gate_project_t *ngx_http_gate_find_project(
    ngx_http_gate_main_conf_t *gmcf, ngx_str_t *name);
ngx_http_gate_project_t *ngx_http_gate_find_project_id(
    ngx_http_gate_main_conf_t *gmcf, uint32_t id);

/*
 * By name, or by an id in decimal.
 */
ngx_http_gate_project_t *ngx_http_gate_find_project_any(
    ngx_http_gate_main_conf_t *gmcf, ngx_str_t *value);


#endif /* _NGX_HTTP_GATE_PROJECT_H_INCLUDED_ */
