
/*
 * Copyright (C) nginx-gate authors
 *
 * Results of requests: one table has all that is said of each.
 */


#ifndef _NGX_HTTP_GATE_RESULT_H_INCLUDED_
#define _NGX_HTTP_GATE_RESULT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "gate.h"


/*
 * PASS: goes on to Gate or to the service.  DONE: a callback that is answered
 * 200 here.  LIMITS: a payout that reserve.lua refuses with this word;
 * UNCHECKED: one whose limits cannot be checked; dry_run lets both pass.
 * FAULT: the gateway's own.  REFUSE: all others.
 */

typedef enum {
    NGX_HTTP_GATE_PASS = 0,
    NGX_HTTP_GATE_DONE,
    NGX_HTTP_GATE_REFUSE,
    NGX_HTTP_GATE_LIMITS,
    NGX_HTTP_GATE_UNCHECKED,
    NGX_HTTP_GATE_FAULT
} ngx_http_gate_class_e;


/* who takes a new payment_id for what may be paid pays twice */

#define NGX_HTTP_GATE_MAY_BE_PAID                                             \
    "a payout may be paid, ask /v2/payment/status or send the same request "  \
    "again; a new payment_id would be a second payout"


/*
 * X(name, class, word of $gate_result, HTTP status, code, message)
 *
 * The order is that of the metrics.  A message of NULL is made of what the
 * core has found; %V is the limit.  GATE_ERROR and CLIENT_LEFT are only
 * counted: nobody gets them as an answer.
 */

#define NGX_HTTP_GATE_RESULT_TABLE(X)                                         \
    X(OK, PASS, "ok", 200, "0", "accepted")                                   \
    X(BAD_REQUEST, REFUSE, "bad_request", 400, "gw_request",                  \
      "the gateway does not take this request: see the status")               \
    X(BAD_METHOD, REFUSE, "bad_method", 405, "gw_method",                     \
      "method is not allowed: use POST")                                      \
    X(BAD_CONTENT_TYPE, REFUSE, "bad_content_type", 415, "gw_content_type",   \
      "Content-Type must be application/json")                                \
    X(BAD_ENCODING, REFUSE, "bad_encoding", 415, "gw_content_type",           \
      "Content-Encoding is not supported: send the body without "             \
      "compression")                                                          \
    X(TOO_LARGE, REFUSE, "too_large", 413, "gw_too_large",                    \
      "request body is too large")                                            \
    X(TOO_MANY_VALUES, REFUSE, "too_many_values", 413, "gw_too_large",        \
      "request body has too many values")                                     \
    X(BAD_JSON, REFUSE, "bad_json", 422, "gw_json", NULL)                     \
    X(MISSING_FIELD, REFUSE, "missing_field", 400, "2004", NULL)              \
    X(INVALID_FIELD, REFUSE, "invalid_field", 400, "2004", NULL)              \
    X(UNKNOWN_PROJECT, REFUSE, "unknown_project", 403, "gw_project",          \
      "no project is configured for this request")                            \
    X(OTHER_PROJECT, REFUSE, "other_project", 403, "gw_project",              \
      "project_id is another project's: leave it out")                        \
    X(BAD_CALLBACK, REFUSE, "bad_json", 400, "gw_json", NULL)                 \
    X(AMBIGUOUS, REFUSE, "ambiguous", 400, "gw_ambiguous", NULL)              \
    X(UNSIGNED, REFUSE, "unsigned", 403, "gw_signature",                      \
      "the callback has no signature")                                        \
    X(BAD_SIGNATURE, REFUSE, "bad_signature", 403, "gw_signature",            \
      "the signature does not match")                                         \
    X(SERVICE_ERROR, REFUSE, "service_error", 502, "gw_service",              \
      "the service did not take the callback: send it again")                 \
    X(STREAMED, DONE, "ok", 200, "0", "accepted")                             \
    X(DUPLICATE, DONE, "duplicate", 200, "0", "accepted before")              \
    X(STALE, DONE, "stale", 200, "0", "later news are known")                 \
    X(BUSY, REFUSE, "busy", 503, "gw_busy",                                   \
      "the same callback is being delivered: send it again later")            \
    X(CALLBACK_UNAVAILABLE, REFUSE, "redis_unavailable", 503,                 \
      "gw_unavailable",                                                       \
      "callbacks cannot be taken now: send it again later")                   \
    X(REPEAT, PASS, "repeat", 200, "0", "accepted")                           \
    X(REUSED, LIMITS, "duplicate", 409, "gw_payment_id_reused",               \
      "another body was sent with this payment_id, and may be paid: ask "     \
      "/v2/payment/status; a new payment_id would be a second payout")        \
    X(WORN, LIMITS, "worn", 409, "gw_payment_id_worn",                        \
      "too many attempts were made with this payment_id, and all of them "    \
      "have ended: use a new one")                                            \
    X(COPIES, LIMITS, "busy", 503, "gw_busy",                                 \
      "32 copies of this payout are under way: send the same request again "  \
      "later, with the same payment_id")                                      \
    X(STOPPED, LIMITS, "stopped", 503, "gw_stopped",                          \
      "payouts are stopped by payment operations: send the same request "     \
      "again later, with the same payment_id")                                \
    X(NO_LIMITS, LIMITS, "no_limits", 400, "1004",                            \
      "payouts in this currency are not enabled: it has no limits")           \
    X(LIMIT_MIN, LIMITS, "limit_min", 400, "3104",                            \
      "payment.amount is under the limit of %V for one payout")               \
    X(LIMIT_MAX, LIMITS, "limit_max", 400, "3104",                            \
      "payment.amount is over the limit of %V for one payout")                \
    X(LIMIT_HOUR, LIMITS, "limit_hour", 429, "gw_limit_hour",                 \
      "the limit of %V for this hour would be passed")                        \
    X(LIMIT_DAY, LIMITS, "limit_day", 429, "gw_limit_day",                    \
      "the limit of %V for this day would be passed")                         \
    X(LIMIT_WEEK, LIMITS, "limit_week", 429, "gw_limit_week",                 \
      "the limit of %V for this week would be passed")                        \
    X(LIMIT_MONTH, LIMITS, "limit_month", 429, "gw_limit_month",              \
      "the limit of %V for this month would be passed")                       \
    X(LIMIT_HOUR_COUNT, LIMITS, "limit_hour_count", 429,                      \
      "gw_limit_hour_count",                                                  \
      "the limit of %V payouts this hour is reached")                         \
    X(LIMIT_DAY_COUNT, LIMITS, "limit_day_count", 429, "gw_limit_day_count",  \
      "the limit of %V payouts this day is reached")                          \
    X(LIMIT_WEEK_COUNT, LIMITS, "limit_week_count", 429,                      \
      "gw_limit_week_count",                                                  \
      "the limit of %V payouts this week is reached")                         \
    X(LIMIT_MONTH_COUNT, LIMITS, "limit_month_count", 429,                    \
      "gw_limit_month_count",                                                 \
      "the limit of %V payouts this month is reached")                        \
    X(BAD_LIMIT, UNCHECKED, "bad_limit", 503, "gw_limits_unavailable",        \
      "the limits of this currency are not set up rightly: ask payment "      \
      "operations")                                                           \
    X(LIMITS_UNAVAILABLE, UNCHECKED, "redis_unavailable", 503,                \
      "gw_limits_unavailable",                                                \
      "limits cannot be checked now: send the same request again later, "     \
      "with the same payment_id")                                             \
    X(GATE_ERROR, REFUSE, "gate_error", 200, "0", "")                         \
    X(UPSTREAM_ERROR, REFUSE, "upstream_error", 502, "gw_upstream",           \
      "no valid answer from Gate: " NGX_HTTP_GATE_MAY_BE_PAID)                \
    X(BAD_ANSWER, REFUSE, "bad_answer", 502, "gw_bad_answer",                 \
      "Gate's answer could not be verified: " NGX_HTTP_GATE_MAY_BE_PAID)      \
    X(UPSTREAM_TIMEOUT, REFUSE, "upstream_timeout", 504, "gw_upstream",       \
      "no answer from Gate in time: " NGX_HTTP_GATE_MAY_BE_PAID)              \
    X(CLIENT_LEFT, REFUSE, "client_left", 499, "0", "")                       \
    X(INTERNAL, FAULT, "internal_error", 500, "gw_internal",                  \
      "the gateway could not process the request: "                           \
      NGX_HTTP_GATE_MAY_BE_PAID)


#define NGX_HTTP_GATE_RESULT_NAME(name, class, word, status, code, message)   \
    NGX_HTTP_GATE_##name,

typedef enum {
    NGX_HTTP_GATE_RESULT_TABLE(NGX_HTTP_GATE_RESULT_NAME)
    NGX_HTTP_GATE_RESULTS
} ngx_http_gate_result_e;

#undef NGX_HTTP_GATE_RESULT_NAME


ngx_str_t *ngx_http_gate_result_word(ngx_http_gate_result_e result);
ngx_http_gate_class_e ngx_http_gate_result_class(
    ngx_http_gate_result_e result);
ngx_uint_t ngx_http_gate_result_status(ngx_http_gate_result_e result);
char *ngx_http_gate_result_code(ngx_http_gate_result_e result);
char *ngx_http_gate_result_message(ngx_http_gate_result_e result);

/*
 * The result of the class that has the word, or NGX_HTTP_GATE_RESULTS.
 */
ngx_http_gate_result_e ngx_http_gate_result_find(ngx_str_t *word,
    ngx_http_gate_class_e class);

/*
 * The result that tells about a refusal of the core.
 */
ngx_http_gate_result_e ngx_http_gate_result_of(gate_rc_e rc);


#endif /* _NGX_HTTP_GATE_RESULT_H_INCLUDED_ */
