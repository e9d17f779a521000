
/*
 * Copyright (C) nginx-gate authors
 *
 * The block gate_project {}, and finding a project.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_project.h"


typedef char *(*ngx_http_gate_project_set_pt)(ngx_conf_t *cf,
    ngx_http_gate_project_t *project, ngx_str_t *value);


#define NGX_HTTP_GATE_PROJECT_NAME_MAX  64


typedef struct {
    ngx_str_t                     name;
    ngx_http_gate_project_set_pt  set;
} ngx_http_gate_project_param_t;


static ngx_uint_t ngx_http_gate_project_name(ngx_str_t *name);
static char *ngx_http_gate_project_param(ngx_conf_t *cf, ngx_command_t *dummy,
    void *conf);
static char *ngx_http_gate_project_set_id(ngx_conf_t *cf,
    ngx_http_gate_project_t *project, ngx_str_t *value);
static char *ngx_http_gate_project_set_secret(ngx_conf_t *cf,
    ngx_http_gate_project_t *project, ngx_str_t *value);
static char *ngx_http_gate_project_set_previous(ngx_conf_t *cf,
    ngx_http_gate_project_t *project, ngx_str_t *value);
static char *ngx_http_gate_project_set_file(ngx_conf_t *cf,
    ngx_http_gate_secret_t *secret, ngx_str_t *value);
static char *ngx_http_gate_project_check(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf, ngx_http_gate_project_t *project);
static char *ngx_http_gate_project_add(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_project_t *project);


static ngx_http_gate_project_param_t  ngx_http_gate_project_params[] = {
    { ngx_string("id"), ngx_http_gate_project_set_id },
    { ngx_string("secret_file"), ngx_http_gate_project_set_secret },
    { ngx_string("previous_secret_file"), ngx_http_gate_project_set_previous },
    { ngx_null_string, NULL }
};


char *
ngx_http_gate_project(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    char                     *rv;
    ngx_str_t                *value;
    ngx_conf_t                save;
    ngx_http_gate_project_t  *project;

    value = cf->args->elts;

    if (!ngx_http_gate_project_name(&value[1])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid project name \"%V\" in \"gate_project\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    if (ngx_http_gate_find_project(gmcf, &value[1]) != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate project \"%V\" in \"gate_project\"",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    /* keys are wiped by pool cleanups that know their addresses */

    project = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_project_t));
    if (project == NULL) {
        return NGX_CONF_ERROR;
    }

    project->name = value[1];

    save = *cf;
    cf->handler = ngx_http_gate_project_param;
    cf->handler_conf = (void *) project;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_http_gate_project_check(cf, gmcf, project);
}


/*
 * Names are in logs, headers and labels; digits alone would be an id, and
 * metrics have a project "unknown".
 */

static ngx_uint_t
ngx_http_gate_project_name(ngx_str_t *name)
{
    size_t      i;
    u_char      ch;
    ngx_uint_t  digits;

    if (name->len == 0 || name->len > NGX_HTTP_GATE_PROJECT_NAME_MAX
        || ngx_strcmp(name->data, "off") == 0
        || ngx_strcmp(name->data, "unknown") == 0)
    {
        return 0;
    }

    digits = 0;

    for (i = 0; i < name->len; i++) {
        ch = name->data[i];

        if (ch >= '0' && ch <= '9') {
            digits++;
            continue;
        }

        if ((ch >= 'A' && ch <= 'Z')
            || (ch >= 'a' && ch <= 'z')
            || ch == '_' || ch == '-' || ch == '.')
        {
            continue;
        }

        return 0;
    }

    return digits != name->len;
}


static char *
ngx_http_gate_project_param(ngx_conf_t *cf, ngx_command_t *dummy, void *conf)
{
    ngx_http_gate_project_t *project = cf->handler_conf;

    char                           *rv;
    ngx_str_t                      *value;
    ngx_http_gate_project_param_t  *param;

    value = cf->args->elts;

    for (param = ngx_http_gate_project_params; param->name.len; param++) {

        if (param->name.len != value[0].len
            || ngx_strcmp(param->name.data, value[0].data) != 0)
        {
            continue;
        }

        if (cf->args->nelts != 2) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid number of arguments in \"%V\" "
                               "of \"gate_project\"", &value[0]);
            return NGX_CONF_ERROR;
        }

        rv = param->set(cf, project, &value[1]);

        if (rv != NGX_CONF_OK && rv != NGX_CONF_ERROR) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" %s in "
                               "\"gate_project\"", &value[0], rv);
            return NGX_CONF_ERROR;
        }

        return rv;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown directive \"%V\" in \"gate_project\"",
                       &value[0]);

    return NGX_CONF_ERROR;
}


static char *
ngx_http_gate_project_set_id(ngx_conf_t *cf, ngx_http_gate_project_t *project,
    ngx_str_t *value)
{
    off_t  id;

    if (project->id != 0) {
        return "is duplicate";
    }

    id = ngx_atoof(value->data, value->len);

    if (id == NGX_ERROR || id < 1 || id > (off_t) GATE_MAX_PROJECT_ID
        || value->data[0] == '0')
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid project id \"%V\" in \"gate_project\"",
                           value);
        return NGX_CONF_ERROR;
    }

    project->id = (uint32_t) id;
    project->id_text = *value;

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_project_set_secret(ngx_conf_t *cf,
    ngx_http_gate_project_t *project, ngx_str_t *value)
{
    project->secret.directive = "secret_file";

    return ngx_http_gate_project_set_file(cf, &project->secret, value);
}


static char *
ngx_http_gate_project_set_previous(ngx_conf_t *cf,
    ngx_http_gate_project_t *project, ngx_str_t *value)
{
    project->previous.directive = "previous_secret_file";
    project->previous.optional = 1;

    return ngx_http_gate_project_set_file(cf, &project->previous, value);
}


static char *
ngx_http_gate_project_set_file(ngx_conf_t *cf, ngx_http_gate_secret_t *secret,
    ngx_str_t *value)
{
    if (secret->path.data != NULL) {
        return "is duplicate";
    }

    if (value->len == 0) {
        return "is empty";
    }

    secret->path = *value;

    if (ngx_conf_full_name(cf->cycle, &secret->path, 1) != NGX_OK
        || ngx_http_gate_secret_load(cf, secret) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_http_gate_project_check(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_project_t *project)
{
    ngx_http_gate_project_t  *other;

    if (project->id == 0 || project->secret.path.data == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"%s\" in \"gate_project\" \"%V\"",
                           project->id == 0 ? "id" : "secret_file",
                           &project->name);
        return NGX_CONF_ERROR;
    }

    other = ngx_http_gate_find_project_id(gmcf, project->id);

    if (other != NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate project id \"%V\" in \"gate_project\": "
                           "\"%V\" and \"%V\" have it", &project->id_text,
                           &other->name, &project->name);
        return NGX_CONF_ERROR;
    }

    return ngx_http_gate_project_add(gmcf, project);
}


static char *
ngx_http_gate_project_add(ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_project_t *project)
{
    ngx_http_gate_secret_t   **sp;
    ngx_http_gate_project_t  **pp;

    pp = ngx_array_push(&gmcf->projects);
    if (pp == NULL) {
        return NGX_CONF_ERROR;
    }

    *pp = project;

    sp = ngx_array_push(&gmcf->secrets);
    if (sp == NULL) {
        return NGX_CONF_ERROR;
    }

    *sp = &project->secret;

    if (project->previous.path.data != NULL) {
        project->secret.previous = &project->previous;
    }

    project->by_name.str = project->name;
    project->by_name.node.key = ngx_crc32_short(project->name.data,
                                                project->name.len);
    ngx_rbtree_insert(&gmcf->names, &project->by_name.node);

    project->by_id.key = project->id;
    ngx_rbtree_insert(&gmcf->ids, &project->by_id);

    return NGX_CONF_OK;
}


void
ngx_http_gate_init_projects(ngx_http_gate_main_conf_t *gmcf)
{
    ngx_rbtree_init(&gmcf->names, &gmcf->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&gmcf->ids, &gmcf->sentinel, ngx_rbtree_insert_value);
}


ngx_http_gate_project_t *
ngx_http_gate_find_project(ngx_http_gate_main_conf_t *gmcf, ngx_str_t *name)
{
    ngx_str_node_t  *sn;

    sn = ngx_str_rbtree_lookup(&gmcf->names, name,
                               ngx_crc32_short(name->data, name->len));
    if (sn == NULL) {
        return NULL;
    }

    return (ngx_http_gate_project_t *)
               ((u_char *) sn - offsetof(ngx_http_gate_project_t, by_name));
}


ngx_http_gate_project_t *
ngx_http_gate_find_project_id(ngx_http_gate_main_conf_t *gmcf, uint32_t id)
{
    ngx_rbtree_node_t  *node;

    node = gmcf->ids.root;

    while (node != &gmcf->sentinel) {

        if (node->key == id) {
            return ngx_rbtree_data(node, ngx_http_gate_project_t, by_id);
        }

        node = (id < node->key) ? node->left : node->right;
    }

    return NULL;
}


/* no name is digits alone */

ngx_http_gate_project_t *
ngx_http_gate_find_project_any(ngx_http_gate_main_conf_t *gmcf,
    ngx_str_t *value)
{
    off_t  id;

    if (value->len == 0 || value->data[0] < '1' || value->data[0] > '9') {
        return ngx_http_gate_find_project(gmcf, value);
    }

    id = ngx_atoof(value->data, value->len);

    if (id == NGX_ERROR) {
        return ngx_http_gate_find_project(gmcf, value);
    }

    if (id > (off_t) GATE_MAX_PROJECT_ID) {
        return NULL;
    }

    return ngx_http_gate_find_project_id(gmcf, (uint32_t) id);
}
