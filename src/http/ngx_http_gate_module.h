
/*
 * Copyright (C) nginx-gate authors
 *
 * The module's configuration, and what its files need of each other.
 */


#ifndef _NGX_HTTP_GATE_MODULE_H_INCLUDED_
#define _NGX_HTTP_GATE_MODULE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "gate_callback.h"
#include "gate_digest.h"
#include "gate_payout.h"

#include "ngx_http_gate_reserve.h"
#include "ngx_http_gate_metrics.h"
#include "ngx_http_gate_result.h"
#include "ngx_http_gate_secrets.h"
#include "ngx_http_gate_settle.h"


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


typedef struct ngx_http_gate_ctx_s  ngx_http_gate_ctx_t;

/*
 * A part of the work on a request: returns what the PRECONTENT handler is to
 * return, NGX_AGAIN to wait for ngx_http_gate_wake().
 */
typedef ngx_int_t (*ngx_http_gate_step_pt)(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


struct ngx_http_gate_ctx_s {
    ngx_http_gate_project_t   *project;
    const gate_endpoint_t     *endpoint;
    ngx_str_t                  payment_id;
    ngx_str_t                  currency;
    int64_t                    amount;    /* minor units, 0: none */
    ngx_str_t                  callback_status;
    ngx_str_t                  callback_operation;
    ngx_str_t                  settlement; /* a word of settle.lua, or ours */
    u_char                     settlement_data[16];

    ngx_chain_t               *body;      /* signed; for what passes only */
    ngx_buf_t                 *answer;    /* replaces the body of an answer */
    ngx_buf_t                 *held;      /* an answer until it is verified */

    ngx_http_gate_result_e     result;
    gate_err_t                 err;       /* details of the result */

    /* what a PRECONTENT handler returns when it is called again */
    ngx_int_t                  status;

    ngx_http_gate_copy_t      *copy;      /* of a payout in the ledger */
    ngx_http_gate_delivery_t  *delivery;  /* of a callback */
    ngx_http_request_t        *request;
    ngx_http_gate_step_pt      step;      /* the next one */
    ngx_event_t                resume;    /* posted when Redis has answered */
    ngx_uint_t                 uri_changes; /* of the request that waits */
    ngx_event_t                finish;    /* what filters leave to be done */
    ngx_http_upstream_t       *server;    /* whose answer was replaced */
    off_t                      rest;      /* of that answer */
    ngx_str_t                  limit;     /* that refused */
    u_char                     limit_data[NGX_INT64_LEN];
    time_t                     wait;      /* for Retry-After, 0: none */

    uint64_t                   asked;     /* Redis, by ngx_http_gate_usec() */
    uint64_t                   redis_usec; /* waited for Redis */
    gate_status_e              callback_code;

    ngx_uint_t                 gate_status;
    u_char                    *gate_body; /* the start of Gate's answer */
    size_t                     gate_body_len;
    size_t                     gate_body_size;

    unsigned                   done:1;    /* result and status are final */
    unsigned                   passed:1;  /* and it went on to proxy_pass */
    unsigned                   dry_run:1; /* result is what would have been */
    unsigned                   gate_end:1; /* of Gate's answer was seen */
    unsigned                   enforced:1; /* limits are: a refusal counts */
    unsigned                   branched:1; /* a subrequest has begun */
    unsigned                   shared:1;  /* and may send the body */
    unsigned                   verify:1;  /* Gate's answer has to be signed */
    unsigned                   inbound:1; /* a callback */
    unsigned                   replace:1; /* the answer's body is ours */
    unsigned                   replaced:1;
    unsigned                   delivered:1; /* a service has the callback */
    unsigned                   stale:1;   /* and it is not news */
    unsigned                   unread:1;  /* and settles nothing: see err */
};


/*
 * Returns the request's context, also after an internal redirect, which
 * clears r->ctx; or NULL.
 */
ngx_http_gate_ctx_t *ngx_http_gate_get_ctx(ngx_http_request_t *r);

/*
 * Returns a new context, NULL where there is no memory.
 */
ngx_http_gate_ctx_t *ngx_http_gate_create_ctx(ngx_http_request_t *r);

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

/*
 * SERVER_REWRITE handler: takes note of subrequests.
 */
ngx_int_t ngx_http_gate_branch_handler(ngx_http_request_t *r);

/*
 * PRECONTENT handlers, called for main requests only.
 */
ngx_int_t ngx_http_gate_outbound_handler(ngx_http_request_t *r);
ngx_int_t ngx_http_gate_inbound_handler(ngx_http_request_t *r);

/*
 * For the header filter: NGX_OK where the answer is ready, NGX_DECLINED where
 * it passes as it is, NGX_AGAIN where it is held back, NGX_ERROR.
 */
ngx_int_t ngx_http_gate_outbound_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
ngx_int_t ngx_http_gate_inbound_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);

/*
 * Whether the gate_sign or gate_verify of r's location is of the project.
 */
ngx_uint_t ngx_http_gate_signs_for(ngx_http_request_t *r,
    ngx_http_gate_project_t *project);
ngx_uint_t ngx_http_gate_verifies_for(ngx_http_request_t *r,
    ngx_http_gate_project_t *project);

/*
 * Called by each location that a request comes through on its way to Gate: an
 * answer that one of them wants to be verified stays so, wherever nginx or an
 * answer of Gate's own sends the request afterwards.
 */
void ngx_http_gate_proof_expect(ngx_http_request_t *r);

/*
 * The status of what the server answers to the very request that was sent to
 * it, while that answer is on its way.  0 for all else: an answer from a cache,
 * a page of nginx in place of an answer, the answer to a subrequest, to a
 * post_action, or to what a redirect has made of the request; no answer.
 */
ngx_uint_t ngx_http_gate_outcome_own(ngx_http_request_t *r);

/*
 * Whether a cached answer is on its way: it says nothing of this request.
 */
ngx_uint_t ngx_http_gate_outcome_cached(ngx_http_request_t *r);

/*
 * Gate's answer to a payout in the ledger: it is asked for without
 * compression, read as it passes, and told to the ledger, at the latest with
 * the end of the request.
 */
void ngx_http_gate_outcome_plain(ngx_http_request_t *r);
void ngx_http_gate_outcome_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
void ngx_http_gate_outcome_body(ngx_http_gate_ctx_t *ctx, ngx_chain_t *in);
void ngx_http_gate_outcome_report(ngx_http_gate_ctx_t *ctx);

/*
 * gate_verify_response.  The header filter gets NGX_AGAIN where the answer is
 * held back, NGX_DECLINED where it passes, NGX_OK where it is replaced.
 */
ngx_int_t ngx_http_gate_proof_header(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);
ngx_int_t ngx_http_gate_proof_body(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx, ngx_chain_t *in);

/*
 * Has ngx_http_gate_finish.c look, from a posted event, after what is left to
 * be done for the request; and no more, as the request ends.
 */
void ngx_http_gate_finish(ngx_http_gate_ctx_t *ctx);
void ngx_http_gate_finish_cancel(ngx_http_gate_ctx_t *ctx);

/*
 * So many bytes of an answer came that was replaced.
 */
void ngx_http_gate_finish_rest(ngx_http_gate_ctx_t *ctx, off_t size);

/*
 * Sends ctx->answer behind headers that were sent.
 */
ngx_int_t ngx_http_gate_send_answer(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);

/*
 * Filters of answers, installed once some location needs them.
 */
ngx_int_t ngx_http_gate_filter_init(ngx_conf_t *cf);

/*
 * Tells the zone, which must be there, what this worker has counted itself.
 */
void ngx_http_gate_tell(ngx_http_gate_main_conf_t *gmcf);

/*
 * Whether the request was, or is, waiting for Redis without a result: once it
 * is over, its client has left.
 */
ngx_uint_t ngx_http_gate_is_left(ngx_http_gate_ctx_t *ctx);

/*
 * Counts a request that is over.
 */
void ngx_http_gate_count(ngx_http_gate_ctx_t *ctx);

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

char *ngx_http_gate_enum_slot(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_max_depth(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_max_values(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_project(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_sign(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_secret_check(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_http_gate_zone(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_http_gate_limits_status(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
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

ngx_int_t ngx_http_gate_add_variables(ngx_conf_t *cf);


extern ngx_module_t  ngx_http_gate_module;


#endif /* _NGX_HTTP_GATE_MODULE_H_INCLUDED_ */
