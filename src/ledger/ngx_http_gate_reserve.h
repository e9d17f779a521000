
/*
 * Copyright (C) nginx-gate authors
 *
 * Reserving a payout in the ledger, and telling what became of it.  Knows no
 * requests.
 */


#ifndef _NGX_HTTP_GATE_RESERVE_H_INCLUDED_
#define _NGX_HTTP_GATE_RESERVE_H_INCLUDED_


#include "ngx_http_gate_batch.h"
#include "ngx_http_gate_note.h"


typedef enum {
    NGX_HTTP_GATE_VERDICT_COUNTED = 0,  /* now or before: may be sent */
    NGX_HTTP_GATE_VERDICT_REFUSED,
    NGX_HTTP_GATE_VERDICT_UNAVAILABLE
} ngx_http_gate_verdict_e;


/* what becomes of a copy, and how outcome.lua is told */

#define NGX_HTTP_GATE_OUTCOME_TABLE(X)                                        \
    X(ACCEPTED, "accepted")                                                   \
    X(REFUSED, "refused")                                                     \
    X(UNKNOWN, "unknown")                                                     \
    X(RELEASE, "release")


#define NGX_HTTP_GATE_OUTCOME_NAME(name, word)  NGX_HTTP_GATE_##name,

typedef enum {
    NGX_HTTP_GATE_OUTCOME_TABLE(NGX_HTTP_GATE_OUTCOME_NAME)
    NGX_HTTP_GATE_OUTCOMES
} ngx_http_gate_outcome_e;

#undef NGX_HTTP_GATE_OUTCOME_NAME


/* one sending of a payout; it outlives the request that it belongs to */
typedef struct ngx_http_gate_copy_s    ngx_http_gate_copy_t;


typedef struct {
    ngx_str_t        project_id;    /* in decimal; lives as long as a worker */
    gate_str_t       payment_id;
    gate_str_t       currency;
    int64_t          amount;        /* minor units, > 0 */
    const char      *endpoint;
    u_char           digest[NGX_HTTP_GATE_DIGEST_HEX];
    unsigned         allow:1;       /* a currency without limits */
    unsigned         dry_run:1;     /* counts in totals of its own */
} ngx_http_gate_reserve_t;


/* strings are valid during the call only, empty where there are none */

typedef struct {
    ngx_http_gate_verdict_e  verdict;
    ngx_str_t                word;      /* of reserve.lua */
    ngx_str_t                limit;     /* of a refusal, or what is odd */
    ngx_str_t                detail;
    time_t                   wait;      /* seconds to come again in, or 0 */
} ngx_http_gate_decision_t;


typedef void (*ngx_http_gate_reserve_pt)(ngx_http_gate_decision_t *decision,
    void *data);


/*
 * Asks Redis, together with what else is asked in this turn of the event loop.
 * NGX_OK: the handler is called once, later, unless the copy is reported
 * before.  NGX_ERROR: no memory, nothing was or will be reserved, and *waits is
 * NULL.  All bytes are copied.
 */
ngx_int_t ngx_http_gate_reserve(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_reserve_t *payout, ngx_http_gate_reserve_pt handler,
    void *data, ngx_http_gate_copy_t **waits);

/*
 * Tells the operator, once a second, of a refusal that is not the payout's
 * fault, and what can be done.
 */
void ngx_http_gate_reserve_complain(ngx_http_gate_copy_t *copy,
    ngx_http_gate_decision_t *decision);

/*
 * Says what became of the copy, which is not the caller's after it: it is told
 * to Redis now, or as soon as Redis is back.  RELEASE may come at any time,
 * also while the copy waits for its reservation.  code: Gate's, or empty.
 */
void ngx_http_gate_report(ngx_http_gate_copy_t *copy,
    ngx_http_gate_outcome_e outcome, ngx_str_t *code);


#endif /* _NGX_HTTP_GATE_RESERVE_H_INCLUDED_ */
