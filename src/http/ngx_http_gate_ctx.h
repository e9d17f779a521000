
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

typedef void (*ngx_http_gate_end_pt)(ngx_http_gate_ctx_t *ctx);

/*
 * A part of the work on a request: returns what the PRECONTENT handler is to
 * return, NGX_AGAIN to wait for ngx_http_gate_wake().
 */
typedef ngx_int_t (*ngx_http_gate_step_pt)(ngx_http_request_t *r,
    ngx_http_gate_ctx_t *ctx);


/*
 * What becomes of a request:
 *
 *     READING -> WAITING            Redis was asked
 *     READING, WAITING -> REFUSED   a reply of our own, and nobody else gets it
 *     READING, WAITING -> PASSED    it goes on to Gate or to the service
 *     PASSED -> ANSWERED            another answer stands for what came back:
 *                                   a verified one, or one of ours
 *     PASSED, ANSWERED -> REFUSED   callbacks only, which a redirect has taken
 *                                   where they must not go
 *
 * A payout that has passed may be at Gate, whatever happens to it then: it is
 * never refused.  The order matters.
 */

typedef enum {
    NGX_HTTP_GATE_CTX_READING = 0,
    NGX_HTTP_GATE_CTX_WAITING,
    NGX_HTTP_GATE_CTX_REFUSED,
    NGX_HTTP_GATE_CTX_PASSED,
    NGX_HTTP_GATE_CTX_ANSWERED
} ngx_http_gate_ctx_state_e;


/* result and status are final */
#define ngx_http_gate_ctx_decided(ctx)                                        \
    ((ctx)->state >= NGX_HTTP_GATE_CTX_REFUSED)

#define ngx_http_gate_ctx_passed(ctx)                                         \
    ((ctx)->state >= NGX_HTTP_GATE_CTX_PASSED)


/* by wait.c */

typedef struct {
    ngx_http_gate_step_pt      step;      /* the next one */
    ngx_event_t                resume;    /* posted when Redis has answered */
    ngx_uint_t                 uri_changes; /* of the request that waits */
    uint64_t                   asked;     /* Redis, by ngx_http_gate_usec() */
    uint64_t                   redis_usec; /* waited for Redis */
} ngx_http_gate_ctx_wait_t;


/* by outbound.c; a payout */

typedef struct {
    const gate_endpoint_t     *endpoint;
    ngx_http_gate_copy_t      *copy;      /* in the ledger, not reported yet */
    ngx_chain_t               *body;      /* signed; for what passes only */
    u_char                     signature[GATE_SIGNATURE_LEN];
    ngx_str_t                  limit;     /* that refused */
    u_char                     limit_data[NGX_INT64_LEN];

    unsigned                   enforced:1; /* limits are: a refusal counts */
    unsigned                   dry_run:1; /* result is what would have been */

    /* by what sees subrequests and a post_action */
    unsigned                   branched:1; /* a subrequest has begun */
    unsigned                   shared:1;  /* and may send the body */
} ngx_http_gate_ctx_out_t;


/* by inbound.c; a callback */

typedef struct {
    ngx_http_gate_delivery_t  *delivery;
    gate_status_e              status;
    ngx_str_t                  status_text;
    ngx_str_t                  operation_type;
    ngx_str_t                  settlement; /* a word of settle.lua, or ours */

    unsigned                   delivered:1; /* a service has it */
    unsigned                   stale:1;   /* it is not news */
    unsigned                   unread:1;  /* it settles nothing: see err */
} ngx_http_gate_ctx_in_t;


/* by outcome.c and proof.c: the answer of Gate */

typedef struct {
    ngx_uint_t                 status;    /* 0: not Gate's, or not read */
    u_char                    *body;      /* the start of it */
    size_t                     len;
    size_t                     size;
    ngx_buf_t                 *held;      /* all of it, until it is verified */

    unsigned                   end:1;     /* was seen */
    unsigned                   verify:1;  /* it has to be signed */
} ngx_http_gate_ctx_gate_t;


/* by reply.c, filter.c and finish.c: what is sent in place of an answer */

typedef struct {
    ngx_buf_t                 *answer;
    ngx_http_upstream_t       *server;    /* whose answer was replaced */
    off_t                      rest;      /* of that answer */
    ngx_event_t                finish;    /* what filters leave to be done */

    /* of filter.c: sends answer behind headers that were sent */
    ngx_int_t                (*send)(ngx_http_request_t *r,
                                     ngx_http_gate_ctx_t *ctx);

    unsigned                   replaced:1; /* it was sent */
} ngx_http_gate_ctx_reply_t;


struct ngx_http_gate_ctx_s {
    ngx_http_request_t        *request;
    ngx_http_gate_end_pt       end;       /* as the request is over */
    ngx_http_gate_project_t   *project;   /* NULL: not known, so far */
    ngx_str_t                  payment_id;
    ngx_str_t                  currency;
    int64_t                    amount;    /* minor units, 0: none */

    ngx_http_gate_result_e     result;
    gate_err_t                 err;       /* details of the result */
    time_t                     retry_after; /* 0: not told */

    /* what a PRECONTENT handler returns when it is called again */
    ngx_int_t                  status;

    ngx_http_gate_ctx_state_e  state;     /* see ngx_http_gate_ctx_move() */
    unsigned                   inbound:1; /* a callback, else a payout */

    /* by reply.c, before an error_page */
    ngx_str_t                  uri;
    ngx_str_t                  method_name;
    ngx_uint_t                 method;
    unsigned                   keepalive:1;
    unsigned                   lingering:1;

    ngx_http_gate_ctx_wait_t   wait;
    ngx_http_gate_ctx_out_t    out;
    ngx_http_gate_ctx_in_t     in;
    ngx_http_gate_ctx_gate_t   gate;
    ngx_http_gate_ctx_reply_t  reply;
};


/*
 * Returns the request's context, also after an internal redirect, which
 * clears r->ctx; or NULL.
 */
ngx_http_gate_ctx_t *ngx_http_gate_get_ctx(ngx_http_request_t *r);

/*
 * Returns a new context, NULL where there is no memory.  end is called once,
 * with the request's last cleanup.
 */
ngx_http_gate_ctx_t *ngx_http_gate_create_ctx(ngx_http_request_t *r,
    ngx_http_gate_end_pt end);

/*
 * The only writer of ctx->state.  A move that must not be is logged at ALERT,
 * and stops a debug build with "debug_points"; what has passed stays so.
 */
void ngx_http_gate_ctx_move(ngx_http_gate_ctx_t *ctx,
    ngx_http_gate_ctx_state_e state);

/*
 * The result of a request that has one: of one that waits it is that its
 * client has left, should it be over.
 */
ngx_http_gate_result_e ngx_http_gate_ctx_result(ngx_http_gate_ctx_t *ctx);

/*
 * Copies a string of the document so that it is safe in headers and logs:
 * control characters are percent-encoded.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gate_safe_text(ngx_pool_t *pool, ngx_str_t *dst,
    gate_str_t *src);


#endif /* _NGX_HTTP_GATE_CTX_H_INCLUDED_ */
