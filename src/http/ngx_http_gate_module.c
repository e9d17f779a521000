
/*
 * Copyright (C) nginx-gate authors
 *
 * The directives, and the configuration: created and merged; the phases.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_canon.h"
#include "gate_payout.h"

#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_filter.h"
#include "ngx_http_gate_finish.h"
#include "ngx_http_gate_inbound.h"
#include "ngx_http_gate_limits_page.h"
#include "ngx_http_gate_metrics_page.h"
#include "ngx_http_gate_outbound.h"
#include "ngx_http_gate_project.h"
#include "ngx_http_gate_proof.h"
#include "ngx_http_gate_variables.h"
#include "ngx_http_gate_wait.h"
#include "ngx_http_gate_worker.h"


static ngx_int_t ngx_http_gate_precontent_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_subrequest(ngx_http_request_t *r,
    ngx_http_gate_loc_conf_t *glcf);
static void *ngx_http_gate_create_main_conf(ngx_conf_t *cf);
static char *ngx_http_gate_init_main_conf(ngx_conf_t *cf, void *conf);
static void *ngx_http_gate_create_loc_conf(ngx_conf_t *cf);
static char *ngx_http_gate_merge_loc_conf(ngx_conf_t *cf, void *parent,
    void *child);
static void ngx_http_gate_digest_cleanup(void *data);
static ngx_int_t ngx_http_gate_check_redis(ngx_conf_t *cf,
    ngx_http_gate_loc_conf_t *conf);
static ngx_int_t ngx_http_gate_init(ngx_conf_t *cf);


static ngx_conf_enum_t  ngx_http_gate_validates[] = {
    { ngx_string("off"), GATE_VALIDATE_OFF },
    { ngx_string("basic"), GATE_VALIDATE_BASIC },
    { ngx_string("strict"), GATE_VALIDATE_STRICT },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_gate_sorts[] = {
    { ngx_string("natural"), GATE_ORDER_NATURAL },
    { ngx_string("bytes"), GATE_ORDER_BYTES },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_gate_limits_modes[] = {
    { ngx_string("off"), NGX_HTTP_GATE_LIMITS_OFF },
    { ngx_string("on"), NGX_HTTP_GATE_LIMITS_ON },
    { ngx_string("dry_run"), NGX_HTTP_GATE_LIMITS_DRY_RUN },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_gate_defaults[] = {
    { ngx_string("deny"), NGX_HTTP_GATE_DENY },
    { ngx_string("allow"), NGX_HTTP_GATE_ALLOW },
    { ngx_null_string, 0 }
};


static ngx_conf_enum_t  ngx_http_gate_callback_errors[] = {
    { ngx_string("retry"), NGX_HTTP_GATE_DENY },
    { ngx_string("forward"), NGX_HTTP_GATE_ALLOW },
    { ngx_null_string, 0 }
};


/* Redis takes no expiry of 0 */

static ngx_conf_post_t  ngx_http_gate_some_seconds = {
    ngx_http_gate_check_seconds
};


static ngx_conf_post_t  ngx_http_gate_some_msec = {
    ngx_http_gate_check_msec
};


static ngx_command_t  ngx_http_gate_commands[] = {

    { ngx_string("gate_project"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_http_gate_project,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE2,
      ngx_http_gate_zone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gate_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_limits_status"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gate_limits_status,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_secret_check"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_secret_check,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_core_dump"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gate_main_conf_t, core_dump),
      NULL },

    { ngx_string("gate_sign"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_sign,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_validate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, validate),
      &ngx_http_gate_validates },

    { ngx_string("gate_sort"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, sort),
      &ngx_http_gate_sorts },

    { ngx_string("gate_max_depth"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_max_depth,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_max_values"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_max_values,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_redis"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,
      ngx_http_gate_redis,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_limits"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, limits),
      &ngx_http_gate_limits_modes },

    { ngx_string("gate_limits_default"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, limits_default),
      &ngx_http_gate_defaults },

    { ngx_string("gate_limits_on_error"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, limits_on_error),
      &ngx_http_gate_defaults },

    { ngx_string("gate_limits_timezone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_timezone,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_ledger_ttl"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_http_gate_main_conf_t, ledger_ttl),
      NULL },

    { ngx_string("gate_verify_response"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, verify_response),
      NULL },

    { ngx_string("gate_verify"),
      NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_http_gate_verify,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_deduplicate"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, deduplicate),
      NULL },

    { ngx_string("gate_deduplicate_ttl"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_sec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, deduplicate_ttl),
      &ngx_http_gate_some_seconds },

    { ngx_string("gate_deduplicate_lock"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_msec_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, deduplicate_lock),
      &ngx_http_gate_some_msec },

    { ngx_string("gate_callback_on_error"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_http_gate_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_http_gate_loc_conf_t, callback_on_error),
      &ngx_http_gate_callback_errors },

    { ngx_string("gate_callback_stream"),
      NGX_HTTP_LOC_CONF|NGX_CONF_TAKE12,
      ngx_http_gate_stream,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("gate_error"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_http_gate_error,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_http_gate_module_ctx = {
    ngx_http_gate_add_variables,     /* preconfiguration */
    ngx_http_gate_init,              /* postconfiguration */

    ngx_http_gate_create_main_conf,  /* create main configuration */
    ngx_http_gate_init_main_conf,    /* init main configuration */

    NULL,                            /* create server configuration */
    NULL,                            /* merge server configuration */

    ngx_http_gate_create_loc_conf,   /* create location configuration */
    ngx_http_gate_merge_loc_conf     /* merge location configuration */
};


ngx_module_t  ngx_http_gate_module = {
    NGX_MODULE_V1,
    &ngx_http_gate_module_ctx,       /* module context */
    ngx_http_gate_commands,          /* module directives */
    NGX_HTTP_MODULE,                 /* module type */
    NULL,                            /* init master */
    ngx_http_gate_init_module,       /* init module */
    ngx_http_gate_init_process,      /* init process */
    NULL,                            /* init thread */
    NULL,                            /* exit thread */
    ngx_http_gate_exit_process,      /* exit process */
    NULL,                            /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_http_gate_precontent_handler(ngx_http_request_t *r)
{
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_http_get_module_loc_conf(r, ngx_http_gate_module);

    if (r != r->main) {
        return ngx_http_gate_subrequest(r, glcf);
    }

    ngx_http_gate_proof_expect(r);

    if (glcf->sign != NULL) {
        return ngx_http_gate_outbound_handler(r);
    }

    if (glcf->verify != NULL) {
        return ngx_http_gate_inbound_handler(r);
    }

    return NGX_DECLINED;
}


/*
 * A subrequest shares the main request's body, signed or verified by now; or
 * not, or for another project, if the main request came by another location.
 */

static ngx_int_t
ngx_http_gate_subrequest(ngx_http_request_t *r,
    ngx_http_gate_loc_conf_t *glcf)
{
    ngx_http_gate_ctx_t  *ctx;

    ctx = ngx_http_gate_get_ctx(r);

    if (ctx != NULL && ctx->out.copy != NULL) {
        ctx->out.shared = 1;
    }

    if (glcf->sign == NULL && glcf->verify == NULL) {
        return NGX_DECLINED;
    }

    if (ctx != NULL && ngx_http_gate_ctx_passed(ctx)
        && ctx->inbound == (glcf->verify != NULL)
        && (ctx->inbound ? ngx_http_gate_verifies_for(r, ctx->project)
                         : ngx_http_gate_signs_for(r, ctx->project)))
    {
        return NGX_DECLINED;
    }

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "a subrequest is not %s for its location: "
                  "it does not pass \"%s\"",
                  glcf->verify != NULL ? "verified" : "signed",
                  glcf->verify != NULL ? "gate_verify" : "gate_sign");

    return NGX_HTTP_FORBIDDEN;
}


static void *
ngx_http_gate_create_main_conf(ngx_conf_t *cf)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_main_conf_t));
    if (gmcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     gmcf->scratch = NULL;
     *     gmcf->redis = NULL;
     *     gmcf->ledger = NULL;
     *     gmcf->metrics = NULL;
     *     gmcf->strangers = NULL;
     *     gmcf->status = 0;
     *     gmcf->digest = NULL;
     *     gmcf->sign = 0;
     *     gmcf->verify = 0;
     */

    if (ngx_array_init(&gmcf->projects, cf->pool, 4,
                       sizeof(ngx_http_gate_project_t *))
        != NGX_OK
        || ngx_array_init(&gmcf->secrets, cf->pool, 4,
                          sizeof(ngx_http_gate_secret_t *))
           != NGX_OK)
    {
        return NULL;
    }

    ngx_http_gate_init_projects(gmcf);

    gmcf->secret_check = NGX_CONF_UNSET_MSEC;
    gmcf->core_dump = NGX_CONF_UNSET;
    gmcf->timezone = NGX_CONF_UNSET;
    gmcf->ledger_ttl = NGX_CONF_UNSET;

    return gmcf;
}


static char *
ngx_http_gate_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_http_gate_main_conf_t *gmcf = conf;

    ngx_pool_cleanup_t  *cln;

    ngx_conf_init_msec_value(gmcf->secret_check, NGX_HTTP_GATE_SECRET_CHECK);
    ngx_conf_init_value(gmcf->core_dump, 0);
    ngx_conf_init_value(gmcf->timezone, 0);
    ngx_conf_init_value(gmcf->ledger_ttl, NGX_HTTP_GATE_LEDGER_TTL);

    if (gmcf->ledger_ttl < NGX_HTTP_GATE_LEDGER_TTL_MIN) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate_ledger_ttl\" must be at least 12 days: "
                      "callbacks come for 11");
        return NGX_CONF_ERROR;
    }

    /* the scripts take no more than 10 digits */

    if (gmcf->ledger_ttl > NGX_HTTP_GATE_LEDGER_TTL_MAX) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate_ledger_ttl\" must be at most 100 years");
        return NGX_CONF_ERROR;
    }

    if (gmcf->status && gmcf->metrics == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate_status\" without \"gate_zone\"");
        return NGX_CONF_ERROR;
    }

    gmcf->scratch = ngx_palloc(cf->pool, NGX_HTTP_GATE_SCRATCH);
    if (gmcf->scratch == NULL) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    gmcf->digest = gate_digest_create();
    if (gmcf->digest == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_http_gate_digest_cleanup;
    cln->data = gmcf->digest;

    return NGX_CONF_OK;
}


static void
ngx_http_gate_digest_cleanup(void *data)
{
    gate_digest_destroy(data);
}


static void *
ngx_http_gate_create_loc_conf(ngx_conf_t *cf)
{
    ngx_http_gate_loc_conf_t  *glcf;

    glcf = ngx_pcalloc(cf->pool, sizeof(ngx_http_gate_loc_conf_t));
    if (glcf == NULL) {
        return NULL;
    }

    /*
     * set by ngx_pcalloc():
     *
     *     glcf->project = NULL;
     *     glcf->stream = { 0, NULL };
     *     glcf->stream_cap = 0;
     *     glcf->limits_status = 0;
     */

    glcf->sign = NGX_CONF_UNSET_PTR;
    glcf->verify = NGX_CONF_UNSET_PTR;
    glcf->validate = NGX_CONF_UNSET_UINT;
    glcf->sort = NGX_CONF_UNSET_UINT;
    glcf->max_depth = NGX_CONF_UNSET_UINT;
    glcf->max_values = NGX_CONF_UNSET_UINT;
    glcf->limits = NGX_CONF_UNSET_UINT;
    glcf->limits_default = NGX_CONF_UNSET_UINT;
    glcf->limits_on_error = NGX_CONF_UNSET_UINT;
    glcf->verify_response = NGX_CONF_UNSET;
    glcf->deduplicate = NGX_CONF_UNSET;
    glcf->deduplicate_ttl = NGX_CONF_UNSET;
    glcf->deduplicate_lock = NGX_CONF_UNSET_MSEC;
    glcf->callback_on_error = NGX_CONF_UNSET_UINT;

    return glcf;
}


static char *
ngx_http_gate_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_http_gate_loc_conf_t *prev = parent;
    ngx_http_gate_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_gate_main_conf_t  *gmcf;

    ngx_conf_merge_uint_value(conf->validate, prev->validate,
                              GATE_VALIDATE_BASIC);
    ngx_conf_merge_uint_value(conf->sort, prev->sort, GATE_ORDER_NATURAL);
    ngx_conf_merge_uint_value(conf->max_depth, prev->max_depth,
                              GATE_MAX_DEPTH);
    ngx_conf_merge_uint_value(conf->max_values, prev->max_values,
                              GATE_MAX_VALUES);
    ngx_conf_merge_uint_value(conf->limits, prev->limits,
                              NGX_HTTP_GATE_LIMITS_OFF);
    ngx_conf_merge_uint_value(conf->limits_default, prev->limits_default,
                              NGX_HTTP_GATE_DENY);
    ngx_conf_merge_uint_value(conf->limits_on_error, prev->limits_on_error,
                              NGX_HTTP_GATE_DENY);

    ngx_conf_merge_value(conf->verify_response, prev->verify_response, 0);
    ngx_conf_merge_value(conf->deduplicate, prev->deduplicate, 0);
    ngx_conf_merge_sec_value(conf->deduplicate_ttl, prev->deduplicate_ttl,
                             NGX_HTTP_GATE_DEDUPLICATE_TTL);
    ngx_conf_merge_msec_value(conf->deduplicate_lock, prev->deduplicate_lock,
                              60000);
    ngx_conf_merge_uint_value(conf->callback_on_error,
                              prev->callback_on_error, NGX_HTTP_GATE_DENY);

    ngx_http_gate_merge_stream(cf, prev, conf);

    if (ngx_http_gate_check_redis(cf, conf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (ngx_http_gate_merge_sign(cf, gmcf, prev, conf) != NGX_OK
        || ngx_http_gate_merge_verify(cf, gmcf, prev, conf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (conf->sign != NULL && conf->verify != NULL) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"gate_sign\" and \"gate_verify\" in one location "
                      "\"%V\"", &clcf->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_check_redis(ngx_conf_t *cf, ngx_http_gate_loc_conf_t *conf)
{
    char                       *name;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (gmcf->redis != NULL) {
        return NGX_OK;
    }

    if (conf->limits != NGX_HTTP_GATE_LIMITS_OFF) {
        name = "gate_limits";

    } else if (conf->deduplicate) {
        name = "gate_deduplicate";

    } else if (conf->limits_status) {
        name = "gate_limits_status";

    } else if (conf->stream.len) {
        name = "gate_callback_stream";

    } else {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0, "\"%s\" without \"gate_redis\"",
                  name);

    return NGX_ERROR;
}


static ngx_int_t
ngx_http_gate_init(ngx_conf_t *cf)
{
    ngx_http_handler_pt        *h;
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_core_main_conf_t  *cmcf;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);

    if (gmcf->redis != NULL) {
        clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

        gmcf->redis->resolver = clcf->resolver;
        gmcf->redis->resolver_timeout = clcf->resolver_timeout;
    }

    if (!gmcf->sign && !gmcf->verify) {
        return NGX_OK;
    }

    ngx_http_gate_find_proxy(cf, gmcf);

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_SERVER_REWRITE_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_gate_branch_handler;

    h = ngx_array_push(&cmcf->phases[NGX_HTTP_PRECONTENT_PHASE].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = ngx_http_gate_precontent_handler;

    return ngx_http_gate_filter_init(cf);
}
