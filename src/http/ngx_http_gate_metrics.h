
/*
 * Copyright (C) nginx-gate authors
 *
 * Counters in shared memory, over all workers and reloads.  Labels come from
 * the configuration or from fixed lists, so that requests cannot add series.
 */


#ifndef _NGX_HTTP_GATE_METRICS_H_INCLUDED_
#define _NGX_HTTP_GATE_METRICS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "gate_callback.h"
#include "gate_payout.h"

#include "ngx_http_gate_redis.h"
#include "ngx_http_gate_secrets.h"
#include "ngx_http_gate_settle.h"


#define NGX_HTTP_GATE_BUCKETS      12
#define NGX_HTTP_GATE_SLOTS        256
#define NGX_HTTP_GATE_RESULTS_MAX  64


/* X(name, metric, help, upper bounds of the buckets in microseconds) */

#define NGX_HTTP_GATE_TIME_TABLE(X)                                           \
    X(SIGN, "gate_sign_seconds", "From the body to the signature.",           \
      2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20000, UINT64_MAX)         \
    X(REDIS, "gate_redis_seconds", "Time that a request waited for Redis.",   \
      50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 200000, 1000000,     \
      UINT64_MAX)                                                             \
    X(GATE, "gate_answer_seconds", "To the header of Gate's answer.",         \
      10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000,          \
      5000000, 10000000, 30000000, UINT64_MAX)


#define NGX_HTTP_GATE_TIME_NAME(name, metric, help, ...)                      \
    NGX_HTTP_GATE_TIME_##name,

typedef enum {
    NGX_HTTP_GATE_TIME_TABLE(NGX_HTTP_GATE_TIME_NAME)
    NGX_HTTP_GATE_TIMES
} ngx_http_gate_time_e;

#undef NGX_HTTP_GATE_TIME_NAME


#define NGX_HTTP_GATE_SECRET_TABLE(X)                                         \
    X(CURRENT, "current")                                                     \
    X(PREVIOUS, "previous")


#define NGX_HTTP_GATE_SECRET_NAME(name, word)  NGX_HTTP_GATE_SECRET_##name,

typedef enum {
    NGX_HTTP_GATE_SECRET_TABLE(NGX_HTTP_GATE_SECRET_NAME)
    NGX_HTTP_GATE_SECRETS
} ngx_http_gate_secret_use_e;

#undef NGX_HTTP_GATE_SECRET_NAME


/* of one key: X(value, type, metric, help); times are seconds since 1970 */

#define NGX_HTTP_GATE_SECRET_STAT_TABLE(X)                                    \
    X(verified, counter, "gate_callbacks_verified_total",                     \
      "Signatures that the key has verified.")                                \
    X(used, gauge, "gate_key_last_used_timestamp_seconds",                    \
      "When the key last signed or verified.")                                \
    X(loaded, gauge, "gate_key_loaded_timestamp_seconds",                     \
      "When the key was read.")                                               \
    X(generation, gauge, "gate_key_generation",                               \
      "Grows when the key is another one than before.")


/* gauges of one worker: X(value, metric, help) */

#define NGX_HTTP_GATE_SLOT_TABLE(X)                                           \
    X(connected, "gate_redis_connected",                                      \
      "Whether the worker is connected to Redis.")                            \
    X(in_flight, "gate_redis_in_flight", "Commands that wait for an answer.") \
    X(pending, "gate_redis_pending",                                          \
      "Outcomes that wait for Redis to be back.")


/* 64 bits also where ngx_atomic_t has 32, which are few for amounts */

typedef uint64_t  ngx_http_gate_counter_t  __attribute__((aligned(8)));


#define ngx_http_gate_counter_add(c, n)                                       \
    ((void) __atomic_fetch_add(c, n, __ATOMIC_RELAXED))
#define ngx_http_gate_counter_set(c, n)                                       \
    __atomic_store_n(c, n, __ATOMIC_RELAXED)
#define ngx_http_gate_counter_get(c)                                          \
    __atomic_load_n(c, __ATOMIC_RELAXED)


typedef struct {
    ngx_http_gate_counter_t       sum;          /* microseconds */
    ngx_http_gate_counter_t       buckets[NGX_HTTP_GATE_BUCKETS];
} ngx_http_gate_histogram_t;


#define NGX_HTTP_GATE_SECRET_VALUE(value, type, metric, help)                 \
    ngx_http_gate_counter_t       value;

typedef struct {
    NGX_HTTP_GATE_SECRET_STAT_TABLE(NGX_HTTP_GATE_SECRET_VALUE)
    uint32_t                      print;        /* tells keys apart */
} ngx_http_gate_secret_stat_t;

#undef NGX_HTTP_GATE_SECRET_VALUE


/* of one project; id 0 is for requests of no known project */

typedef struct ngx_http_gate_series_s  ngx_http_gate_series_t;

struct ngx_http_gate_series_s {
    ngx_http_gate_series_t       *next;
    ngx_uint_t                    id;

    ngx_http_gate_secret_stat_t   secrets[NGX_HTTP_GATE_SECRETS];

    ngx_http_gate_counter_t       dry_run[NGX_HTTP_GATE_RESULTS_MAX];
    ngx_http_gate_counter_t       callbacks[GATE_STATUSES]
                                           [NGX_HTTP_GATE_RESULTS_MAX];
    ngx_http_gate_counter_t       settlements[NGX_HTTP_GATE_SETTLEMENTS];

    /* by currency: sent, refused */
    ngx_http_gate_counter_t     (*amounts)[2];

    /* by endpoint and result */
    ngx_http_gate_counter_t     (*payouts)[NGX_HTTP_GATE_RESULTS_MAX];
};


#define NGX_HTTP_GATE_VALUE(value, metric, help)                              \
    ngx_http_gate_counter_t       value;

typedef struct {
    NGX_HTTP_GATE_SLOT_TABLE(NGX_HTTP_GATE_VALUE)
} ngx_http_gate_slot_t;


typedef struct {
    ngx_http_gate_series_t       *series;
    ngx_http_gate_histogram_t     times[NGX_HTTP_GATE_TIMES];
    ngx_http_gate_counter_t       dropped;      /* projects without series */

    NGX_HTTP_GATE_REDIS_COUNTER_TABLE(NGX_HTTP_GATE_VALUE)
    ngx_http_gate_slot_t          slots[NGX_HTTP_GATE_SLOTS];
} ngx_http_gate_metrics_sh_t;

#undef NGX_HTTP_GATE_VALUE


typedef struct {
    ngx_http_gate_metrics_sh_t   *sh;
    ngx_slab_pool_t              *shpool;
    ngx_shm_zone_t               *shm_zone;

    /* of a worker: what it has added to sh */
    ngx_http_gate_redis_stat_t    told;
    ngx_event_t                   event;
} ngx_http_gate_metrics_t;


/*
 * Finds or makes the root in the zone; old is the data of the zone that this
 * one replaces, or NULL.  Returns NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_http_gate_metrics_init(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_metrics_t *old);

/*
 * Finds or makes the series of a project.  NULL where the zone is full, which
 * is counted.
 */
ngx_http_gate_series_t *ngx_http_gate_metrics_series(
    ngx_http_gate_metrics_t *metrics, ngx_uint_t id);

/*
 * All of these take NULL for "no zone".
 */
void ngx_http_gate_count_payout(ngx_http_gate_series_t *series,
    const gate_endpoint_t *endpoint, ngx_uint_t result);
void ngx_http_gate_count_dry_run(ngx_http_gate_series_t *series,
    ngx_uint_t result);
void ngx_http_gate_count_amount(ngx_http_gate_series_t *series,
    ngx_str_t *currency, int64_t amount, ngx_uint_t sent);
void ngx_http_gate_count_callback(ngx_http_gate_series_t *series,
    gate_status_e status, ngx_uint_t result);
void ngx_http_gate_count_settlement(ngx_http_gate_series_t *series,
    ngx_http_gate_settlement_e settlement);
void ngx_http_gate_count_secret(ngx_http_gate_series_t *series,
    ngx_http_gate_secret_use_e which, ngx_uint_t verified);
void ngx_http_gate_count_time(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_time_e what, uint64_t usec);

/*
 * Adds what has changed since the last call, and sets the worker's gauges.
 */
void ngx_http_gate_metrics_redis(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_redis_t *redis, ngx_uint_t pending);

/*
 * Tells the zone about a key that this worker has begun to use.  Workers that
 * begin to use the same one are counted once.
 */
void ngx_http_gate_metrics_secret(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_series_t *series, ngx_http_gate_secret_use_e which,
    ngx_http_gate_secret_t *secret);

/* upper bound of a bucket in microseconds; the last one has UINT64_MAX */
uint64_t ngx_http_gate_bound(ngx_http_gate_time_e what, ngx_uint_t i);

ngx_uint_t ngx_http_gate_currencies(void);
void ngx_http_gate_currency(ngx_uint_t i, ngx_str_t *name);

/* a clock that never goes back */
uint64_t ngx_http_gate_usec(void);


#endif /* _NGX_HTTP_GATE_METRICS_H_INCLUDED_ */
