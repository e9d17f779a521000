
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


#define NGX_HTTP_GATE_BUCKETS      12
#define NGX_HTTP_GATE_SLOTS        256
#define NGX_HTTP_GATE_STATUSES     (GATE_STATUS_OTHER + 1)
#define NGX_HTTP_GATE_RESULTS_MAX  64
#define NGX_HTTP_GATE_SETTLEMENTS  7


typedef enum {
    NGX_HTTP_GATE_TIME_SIGN = 0,    /* from the body to the signature */
    NGX_HTTP_GATE_TIME_REDIS,       /* a payout's or callback's round trip */
    NGX_HTTP_GATE_TIME_GATE,        /* to the header of Gate's answer */
    NGX_HTTP_GATE_TIMES
} ngx_http_gate_time_e;


typedef enum {
    NGX_HTTP_GATE_KEY_CURRENT = 0,
    NGX_HTTP_GATE_KEY_PREVIOUS,
    NGX_HTTP_GATE_KEYS
} ngx_http_gate_key_use_e;


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


typedef struct {
    ngx_http_gate_counter_t       verified;
    ngx_http_gate_counter_t       used;         /* seconds since 1970 */
    ngx_http_gate_counter_t       loaded;
    ngx_http_gate_counter_t       generation;
    uint32_t                      print;        /* tells keys apart */
} ngx_http_gate_key_stat_t;


/* of one project; id 0 is for requests of no known project */

typedef struct ngx_http_gate_series_s  ngx_http_gate_series_t;

struct ngx_http_gate_series_s {
    ngx_http_gate_series_t       *next;
    ngx_uint_t                    id;

    ngx_http_gate_key_stat_t      keys[NGX_HTTP_GATE_KEYS];

    ngx_http_gate_counter_t       dry_run[NGX_HTTP_GATE_RESULTS_MAX];
    ngx_http_gate_counter_t       callbacks[NGX_HTTP_GATE_STATUSES]
                                           [NGX_HTTP_GATE_RESULTS_MAX];
    ngx_http_gate_counter_t       settlements[NGX_HTTP_GATE_SETTLEMENTS];

    /* by currency: sent, refused */
    ngx_http_gate_counter_t     (*amounts)[2];

    /* by endpoint and result */
    ngx_http_gate_counter_t     (*payouts)[NGX_HTTP_GATE_RESULTS_MAX];
};


/* gauges of one worker */

typedef struct {
    ngx_http_gate_counter_t       connected;
    ngx_http_gate_counter_t       in_flight;
    ngx_http_gate_counter_t       pending;
} ngx_http_gate_slot_t;


typedef struct {
    ngx_http_gate_series_t       *series;
    ngx_http_gate_histogram_t     times[NGX_HTTP_GATE_TIMES];
    ngx_http_gate_counter_t       dropped;      /* projects without series */

    ngx_http_gate_counter_t       commands;
    ngx_http_gate_counter_t       refused;
    ngx_http_gate_counter_t       errors;
    ngx_http_gate_counter_t       timeouts;
    ngx_http_gate_counter_t       connects;
    ngx_http_gate_counter_t       failures;
    ngx_http_gate_slot_t          slots[NGX_HTTP_GATE_SLOTS];
} ngx_http_gate_metrics_sh_t;


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
    ngx_str_t *word);
void ngx_http_gate_count_key(ngx_http_gate_series_t *series,
    ngx_http_gate_key_use_e key, ngx_uint_t verified);
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
void ngx_http_gate_metrics_key(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_series_t *series, ngx_http_gate_key_use_e key,
    ngx_http_gate_secret_t *secret);

/* upper bound of a bucket in microseconds; the last one has UINT64_MAX */
uint64_t ngx_http_gate_bound(ngx_http_gate_time_e what, ngx_uint_t i);

ngx_uint_t ngx_http_gate_currencies(void);
void ngx_http_gate_currency(ngx_uint_t i, ngx_str_t *name);

/* the words of settle.lua and ours, in the order of their counters */
extern ngx_str_t  ngx_http_gate_settlement_words[NGX_HTTP_GATE_SETTLEMENTS];

/* a clock that never goes back */
uint64_t ngx_http_gate_usec(void);


#endif /* _NGX_HTTP_GATE_METRICS_H_INCLUDED_ */
