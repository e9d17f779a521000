
/*
 * Copyright (C) nginx-gate authors
 *
 * Setters of directives, and what can be checked only at the end of the
 * configuration.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_json.h"

#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_project.h"
#include "ngx_http_gate_reply.h"


static ngx_int_t ngx_http_gate_init_zone(ngx_shm_zone_t *shm_zone,
    void *data);
static ngx_int_t ngx_http_gate_cmp_verifiers(const void *one,
    const void *two);


/* as the stock one, but its message names the directive, too */

char *
ngx_http_gate_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t        *value;
    ngx_uint_t       *np;
    ngx_conf_enum_t  *e;

    np = (ngx_uint_t *) ((char *) conf + cmd->offset);

    if (*np != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (e = cmd->post; e->name.len; e++) {

        if (e->name.len == value[1].len
            && ngx_strcasecmp(e->name.data, value[1].data) == 0)
        {
            *np = e->value;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\" in \"%V\"",
                       &value[1], &value[0]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_gate_max_depth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (glcf->max_depth != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > GATE_DEPTH_LIMIT) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\" in "
                           "\"gate_max_depth\": it must be 1 to %d",
                           &value[1], GATE_DEPTH_LIMIT);
        return NGX_CONF_ERROR;
    }

    glcf->max_depth = n;

    return NGX_CONF_OK;
}


char *
ngx_http_gate_max_values(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_int_t   n;
    ngx_str_t  *value;

    if (glcf->max_values != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    n = ngx_atoi(value[1].data, value[1].len);

    if (n < 1 || n > GATE_MAX_NODES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid value \"%V\" in "
                           "\"gate_max_values\": it must be 1 to %d",
                           &value[1], GATE_MAX_NODES);
        return NGX_CONF_ERROR;
    }

    glcf->max_values = n;

    return NGX_CONF_OK;
}


char *
ngx_http_gate_check_seconds(ngx_conf_t *cf, void *post, void *data)
{
    time_t *seconds = data;

    return (*seconds == 0) ? "must not be 0" : NGX_CONF_OK;
}


char *
ngx_http_gate_check_msec(ngx_conf_t *cf, void *post, void *data)
{
    ngx_msec_t *msec = data;

    return (*msec == 0) ? "must not be 0" : NGX_CONF_OK;
}


char *
ngx_http_gate_sign(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_str_t                         *value;
    ngx_http_compile_complex_value_t   ccv;

    if (glcf->sign != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        glcf->sign = NULL;
        return NGX_CONF_OK;
    }

    glcf->sign = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (glcf->sign == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[1];
    ccv.complex_value = glcf->sign;

    if (ngx_http_compile_complex_value(&ccv) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gate_merge_sign(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_loc_conf_t *prev, ngx_http_gate_loc_conf_t *conf)
{
    if (conf->sign == NGX_CONF_UNSET_PTR) {

        conf->sign = (prev->sign == NGX_CONF_UNSET_PTR) ? NULL : prev->sign;
        conf->project = prev->project;

        return NGX_OK;
    }

    if (conf->sign == NULL) {
        return NGX_OK;
    }

    gmcf->sign = 1;

    if (conf->sign->lengths != NULL) {
        return NGX_OK;
    }

    conf->project = ngx_http_gate_find_project(gmcf, &conf->sign->value);

    if (conf->project == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown project \"%V\" in \"gate_sign\"",
                      &conf->sign->value);
        return NGX_ERROR;
    }

    return NGX_OK;
}


char *
ngx_http_gate_secret_check(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    ngx_int_t   msec;
    ngx_str_t  *value;

    if (gmcf->secret_check != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "off") == 0) {
        gmcf->secret_check = 0;
        return NGX_CONF_OK;
    }

    msec = ngx_parse_time(&value[1], 0);

    if (msec == NGX_ERROR || msec < NGX_HTTP_GATE_SECRET_CHECK_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid time \"%V\" in "
                           "\"gate_secret_check\": use off, or 100ms or more",
                           &value[1]);
        return NGX_CONF_ERROR;
    }

    gmcf->secret_check = msec;

    return NGX_CONF_OK;
}


char *
ngx_http_gate_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    ssize_t                   size;
    ngx_str_t                *value;
    ngx_http_gate_metrics_t  *metrics;

    if (gmcf->metrics != NULL) {
        return "is duplicate";
    }

    value = cf->args->elts;
    size = ngx_parse_size(&value[2]);

    if (size == NGX_ERROR || size < (ssize_t) (16 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid size \"%V\" in "
                           "\"gate_zone\": it must be %uz at least",
                           &value[2], 16 * ngx_pagesize);
        return NGX_CONF_ERROR;
    }

    metrics = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_metrics_t));
    if (metrics == NULL) {
        return NGX_CONF_ERROR;
    }

    metrics->shm_zone = ngx_shared_memory_add(cf, &value[1], size,
                                              &ngx_http_gate_module);
    if (metrics->shm_zone == NULL) {
        return NGX_CONF_ERROR;
    }

    metrics->shm_zone->init = ngx_http_gate_init_zone;
    metrics->shm_zone->data = gmcf;

    gmcf->metrics = metrics;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_init_zone(ngx_shm_zone_t *shm_zone, void *data)
{
    ngx_http_gate_main_conf_t *old = data;

    ngx_uint_t                  i;
    ngx_http_gate_project_t   **pp;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = shm_zone->data;

    if (ngx_http_gate_metrics_init(gmcf->metrics,
                                   old != NULL ? old->metrics : NULL)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    gmcf->strangers = ngx_http_gate_metrics_series(gmcf->metrics, 0);

    pp = gmcf->projects.elts;

    for (i = 0; i < gmcf->projects.nelts; i++) {
        pp[i]->series = ngx_http_gate_metrics_series(gmcf->metrics,
                                                     pp[i]->id);
    }

    return NGX_OK;
}


char *
ngx_http_gate_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    if (gmcf->redis != NULL) {
        return "is duplicate";
    }

    gmcf->redis = ngx_http_gate_redis_parse(cf);
    if (gmcf->redis == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_http_gate_ledger_scripts(gmcf->redis);

    return NGX_CONF_OK;
}


/* "utc", or an offset from it as +HH:MM or -HH:MM */

char *
ngx_http_gate_timezone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    u_char     *p;
    ngx_int_t   hours, minutes;
    ngx_str_t  *value;

    if (gmcf->timezone != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    value = cf->args->elts;
    p = value[1].data;

    if (ngx_strcasecmp(p, (u_char *) "utc") == 0) {
        gmcf->timezone = 0;
        return NGX_CONF_OK;
    }

    if (value[1].len == 6 && (p[0] == '+' || p[0] == '-') && p[3] == ':') {

        hours = ngx_atoi(p + 1, 2);
        minutes = ngx_atoi(p + 4, 2);

        if (hours >= 0 && hours <= 14 && minutes >= 0 && minutes <= 59) {
            gmcf->timezone = (hours * 60 + minutes) * 60;

            if (p[0] == '-') {
                gmcf->timezone = -gmcf->timezone;
            }

            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid offset \"%V\" in "
                       "\"gate_limits_timezone\": use utc or +HH:MM",
                       &value[1]);

    return NGX_CONF_ERROR;
}


char *
ngx_http_gate_verify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_http_gate_verifier_t  *verifier;

    if (glcf->verify != NGX_CONF_UNSET_PTR) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        glcf->verify = NULL;
        return NGX_CONF_OK;
    }

    glcf->verify = ngx_array_create(cf->pool, cf->args->nelts - 1,
                                    sizeof(ngx_http_gate_verifier_t));
    if (glcf->verify == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        verifier = ngx_array_push(glcf->verify);
        if (verifier == NULL) {
            return NGX_CONF_ERROR;
        }

        verifier->name = value[i];
        verifier->project = NULL;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_http_gate_merge_verify(ngx_conf_t *cf, ngx_http_gate_main_conf_t *gmcf,
    ngx_http_gate_loc_conf_t *prev, ngx_http_gate_loc_conf_t *conf)
{
    ngx_uint_t                 i;
    ngx_http_gate_verifier_t  *verifier;

    if (conf->verify == NGX_CONF_UNSET_PTR) {

        conf->verify = (prev->verify == NGX_CONF_UNSET_PTR) ? NULL
                                                            : prev->verify;
        return NGX_OK;
    }

    if (conf->verify == NULL) {
        return NGX_OK;
    }

    gmcf->verify = 1;

    verifier = conf->verify->elts;

    for (i = 0; i < conf->verify->nelts; i++) {

        verifier[i].project = ngx_http_gate_find_project(gmcf,
                                                         &verifier[i].name);
        if (verifier[i].project == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown project \"%V\" in \"gate_verify\"",
                          &verifier[i].name);
            return NGX_ERROR;
        }
    }

    ngx_sort(verifier, conf->verify->nelts, sizeof(ngx_http_gate_verifier_t),
             ngx_http_gate_cmp_verifiers);

    for (i = 1; i < conf->verify->nelts; i++) {
        if (verifier[i].project == verifier[i - 1].project) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "duplicate project \"%V\" in \"gate_verify\"",
                          &verifier[i].name);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_http_gate_cmp_verifiers(const void *one, const void *two)
{
    ngx_http_gate_verifier_t *first = (ngx_http_gate_verifier_t *) one;
    ngx_http_gate_verifier_t *second = (ngx_http_gate_verifier_t *) two;

    if (first->project->id == second->project->id) {
        return 0;
    }

    return (first->project->id > second->project->id) ? 1 : -1;
}


char *
ngx_http_gate_stream(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_gate_loc_conf_t *glcf = conf;

    ngx_int_t   cap;
    ngx_str_t  *value;

    if (glcf->stream.len) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (value[1].len == 0) {
        return "has an empty name";
    }

    glcf->stream = value[1];

    /* some hundred MB of callbacks */

    glcf->stream_cap = 100000;

    if (cf->args->nelts == 2) {
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(value[2].data, "maxlen=", 7) != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    cap = ngx_atoi(value[2].data + 7, value[2].len - 7);

    if (cap == NGX_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid parameter \"%V\"",
                           &value[2]);
        return NGX_CONF_ERROR;
    }

    glcf->stream_cap = cap;

    return NGX_CONF_OK;
}


/* as for proxy_pass: "if" and "limit_except" are parts of their location */

void
ngx_http_gate_merge_stream(ngx_conf_t *cf, ngx_http_gate_loc_conf_t *prev,
    ngx_http_gate_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->noname && conf->stream.len == 0) {
        conf->stream = prev->stream;
        conf->stream_cap = prev->stream_cap;
    }
}


char *
ngx_http_gate_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gate_error_handler;

    return NGX_CONF_OK;
}
