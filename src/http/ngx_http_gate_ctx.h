
/*
 * Copyright (C) nginx-gate authors
 *
 * What is known of a request.
 */


#ifndef _NGX_HTTP_GATE_CTX_H_INCLUDED_
#define _NGX_HTTP_GATE_CTX_H_INCLUDED_


#include "gate_callback.h"
#include "gate_payout.h"

#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_reserve.h"
#include "ngx_http_gate_result.h"
#include "ngx_http_gate_settle.h"


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
 * Whether the request was, or is, waiting for Redis without a result: once it
 * is over, its client has left.
 */
ngx_uint_t ngx_http_gate_is_left(ngx_http_gate_ctx_t *ctx);

/*
 * Counts a request that is over.
 */
void ngx_http_gate_count(ngx_http_gate_ctx_t *ctx);

/*
 * Copies a string of the document so that it is safe in headers and logs:
 * control characters are percent-encoded.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gate_copy_safe(ngx_pool_t *pool, ngx_str_t *dst,
    gate_str_t *src);


#endif /* _NGX_HTTP_GATE_CTX_H_INCLUDED_ */
