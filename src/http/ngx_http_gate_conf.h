
/*
 * Copyright (C) nginx-gate authors
 *
 * The configuration, and the setters of its directives.
 */


#ifndef _NGX_HTTP_GATE_CONF_H_INCLUDED_
#define _NGX_HTTP_GATE_CONF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_digest.h"

#include "ngx_http_gate_ledger.h"
#include "ngx_http_gate_metrics.h"
#include "ngx_http_gate_redis.h"
#include "ngx_http_gate_secrets.h"


/* parsing and sorting of usual bodies need no more memory than this */

#define NGX_HTTP_GATE_SCRATCH         32768

#define NGX_HTTP_GATE_SECRET_CHECK      5000
#define NGX_HTTP_GATE_SECRET_CHECK_MIN  100

#define NGX_HTTP_GATE_METRICS_INTERVAL  1000

/* Gate sends a callback again for 11 days at most */

#define NGX_HTTP_GATE_DEDUPLICATE_TTL (12 * 24 * 60 * 60)

/* the month's window and the 11 days of callbacks are over by then */

#define NGX_HTTP_GATE_LEDGER_TTL      (40 * 24 * 60 * 60)
#define NGX_HTTP_GATE_LEDGER_TTL_MIN  (12 * 24 * 60 * 60)
#define NGX_HTTP_GATE_LEDGER_TTL_MAX  INT64_C(3153600000)    /* 100 years */


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  id_text;
    uint32_t                   id;
    ngx_http_gate_secret_t     secret;
    ngx_http_gate_secret_t     previous;
    ngx_http_gate_series_t    *series;    /* NULL: no gate_zone, or full */
    ngx_str_node_t             by_name;
    ngx_rbtree_node_t          by_id;
} ngx_http_gate_project_t;


typedef struct {
    ngx_str_t                  name;
    ngx_http_gate_project_t   *project;
} ngx_http_gate_verifier_t;


typedef struct {
    ngx_array_t                secrets;   /* ngx_http_gate_secret_t * of
                                             secret_file */
    ngx_msec_t                 secret_check; /* 0: off */
    ngx_flag_t                 core_dump;
    ngx_array_t                projects;  /* ngx_http_gate_project_t * */
    ngx_rbtree_t               names;     /* of projects */
    ngx_rbtree_t               ids;
    ngx_rbtree_node_t          sentinel;

    /* per-worker memory of one synchronous parse-and-sign at a time */
    u_char                    *scratch;

    ngx_http_gate_redis_conf_t  *redis;   /* NULL: no gate_redis */
    ngx_http_gate_ledger_t    *ledger;    /* of this worker */
    gate_digest_t             *digest;
    ngx_http_gate_metrics_t   *metrics;   /* NULL: no gate_zone */
    ngx_http_gate_series_t    *strangers; /* requests of no known project */
    ngx_int_t                  timezone;  /* seconds east of UTC */
    time_t                     ledger_ttl;

    /* of nginx's proxy module; NULL: nginx has none */
    ngx_module_t              *proxy;
    ngx_command_t             *ignore_abort;

    unsigned                   sign:1;    /* some location has gate_sign */
    unsigned                   verify:1;  /* some location has gate_verify */
    unsigned                   status:1;  /* some location has gate_status */
} ngx_http_gate_main_conf_t;


typedef enum {
    NGX_HTTP_GATE_LIMITS_OFF = 0,
    NGX_HTTP_GATE_LIMITS_ON,
    NGX_HTTP_GATE_LIMITS_DRY_RUN
} ngx_http_gate_limits_e;


typedef enum {
    NGX_HTTP_GATE_DENY = 0,
    NGX_HTTP_GATE_ALLOW
} ngx_http_gate_default_e;


typedef struct {
    ngx_http_complex_value_t  *sign;      /* NULL: off */
    ngx_http_gate_project_t   *project;   /* NULL: known at run time only */
    ngx_array_t               *verify;    /* ngx_http_gate_verifier_t, by id */
    ngx_uint_t                 validate;  /* gate_validate_e */
    ngx_uint_t                 sort;      /* gate_order_e */
    ngx_uint_t                 max_depth;
    ngx_uint_t                 max_values;
    ngx_uint_t                 limits;    /* ngx_http_gate_limits_e */
    ngx_uint_t                 limits_default;
    ngx_uint_t                 limits_on_error;

    ngx_uint_t                 limits_status; /* unsigned  limits_status:1; */

    ngx_flag_t                 verify_response;

    ngx_flag_t                 deduplicate;
    time_t                     deduplicate_ttl;
    ngx_msec_t                 deduplicate_lock;
    ngx_uint_t                 callback_on_error;
    ngx_str_t                  stream;
    ngx_uint_t                 stream_cap;
} ngx_http_gate_loc_conf_t;


char *ngx_http_gate_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_max_depth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_max_values(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_sign(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_secret_check(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_redis(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_timezone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_verify(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_stream(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_error(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

char *ngx_http_gate_check_seconds(ngx_conf_t *cf, void *post, void *data);
char *ngx_http_gate_check_msec(ngx_conf_t *cf, void *post, void *data);

void ngx_http_gate_merge_stream(ngx_conf_t *cf,
    ngx_http_gate_loc_conf_t *prev, ngx_http_gate_loc_conf_t *conf);

ngx_int_t ngx_http_gate_merge_sign(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf, ngx_http_gate_loc_conf_t *prev,
    ngx_http_gate_loc_conf_t *conf);

ngx_int_t ngx_http_gate_merge_verify(ngx_conf_t *cf,
    ngx_http_gate_main_conf_t *gmcf, ngx_http_gate_loc_conf_t *prev,
    ngx_http_gate_loc_conf_t *conf);


extern ngx_module_t  ngx_http_gate_module;


#endif /* _NGX_HTTP_GATE_CONF_H_INCLUDED_ */
