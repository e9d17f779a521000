
/*
 * Copyright (C) nginx-gate authors
 *
 * Counters in shared memory: their layout, and who adds to them.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <time.h>

#include "ngx_http_gate_metrics.h"
#include "ngx_http_gate_result.h"


_Static_assert(NGX_HTTP_GATE_RESULTS <= NGX_HTTP_GATE_RESULTS_MAX,
               "counters for each result");
_Static_assert(sizeof(ngx_http_gate_counter_t) == 8,
               "amounts are longer than 32 bits");


static ngx_http_gate_series_t *ngx_http_gate_series_create(
    ngx_http_gate_metrics_t *metrics, ngx_uint_t id);
static ngx_uint_t ngx_http_gate_currency_index(ngx_str_t *currency);
static void ngx_http_gate_add_delta(ngx_http_gate_counter_t *total,
    ngx_uint_t now, ngx_uint_t *told);


/* ISO 4217, sorted; another code counts as "other" */

static const char  ngx_http_gate_currency_codes[] =
    "AEDAFNALLAMDANGAOAARSAUDAWGAZNBAMBBDBDTBGNBHDBIFBMDBNDBOBBRLBSDBTNBWPBYN"
    "BZDCADCDFCHFCLPCNYCOPCRCCUPCVECZKDJFDKKDOPDZDEGPERNETBEURFJDFKPGBPGELGHS"
    "GIPGMDGNFGTQGYDHKDHNLHTGHUFIDRILSINRIQDIRRISKJMDJODJPYKESKGSKHRKMFKPWKRW"
    "KWDKYDKZTLAKLBPLKRLRDLSLLYDMADMDLMGAMKDMMKMNTMOPMRUMURMVRMWKMXNMYRMZNNAD"
    "NGNNIONOKNPRNZDOMRPABPENPGKPHPPKRPLNPYGQARRONRSDRUBRWFSARSBDSCRSDGSEKSGD"
    "SHPSLESOSSRDSSPSTNSVCSYPSZLTHBTJSTMTTNDTOPTRYTTDTWDTZSUAHUGXUSDUYUUZSVES"
    "VNDVUVWSTXAFXCDXOFXPFYERZARZMWZWG";


_Static_assert((sizeof(ngx_http_gate_currency_codes) - 1) % 3 == 0,
               "a code has three letters");


/* a row that is short would end in bounds of 0 */

#define NGX_HTTP_GATE_TIME_FULL(name, metric, help, ...)                      \
    _Static_assert(sizeof((uint64_t[]) { __VA_ARGS__ })                       \
                   == NGX_HTTP_GATE_BUCKETS * sizeof(uint64_t),               \
                   "bounds of " metric);

NGX_HTTP_GATE_TIME_TABLE(NGX_HTTP_GATE_TIME_FULL)

#undef NGX_HTTP_GATE_TIME_FULL


#define NGX_HTTP_GATE_TIME_BOUNDS(name, metric, help, ...)  { __VA_ARGS__ },

static const uint64_t  ngx_http_gate_bounds[][NGX_HTTP_GATE_BUCKETS] = {
    NGX_HTTP_GATE_TIME_TABLE(NGX_HTTP_GATE_TIME_BOUNDS)
};

#undef NGX_HTTP_GATE_TIME_BOUNDS


ngx_int_t
ngx_http_gate_metrics_init(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_metrics_t *old)
{
    size_t            len;
    ngx_slab_pool_t  *shpool;

    if (old != NULL) {
        metrics->sh = old->sh;
        metrics->shpool = old->shpool;
        return NGX_OK;
    }

    shpool = (ngx_slab_pool_t *) metrics->shm_zone->shm.addr;
    metrics->shpool = shpool;

    if (metrics->shm_zone->shm.exists) {
        metrics->sh = shpool->data;
        return NGX_OK;
    }

    /* a full zone is counted, not logged for every project */

    shpool->log_nomem = 0;

    metrics->sh = ngx_slab_calloc(shpool, sizeof(ngx_http_gate_metrics_sh_t));
    if (metrics->sh == NULL) {
        return NGX_ERROR;
    }

    shpool->data = metrics->sh;

    len = sizeof(" in gate_zone \"\"") + metrics->shm_zone->shm.name.len;

    shpool->log_ctx = ngx_slab_alloc(shpool, len);
    if (shpool->log_ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(shpool->log_ctx, " in gate_zone \"%V\"%Z",
                &metrics->shm_zone->shm.name);

    return NGX_OK;
}


ngx_http_gate_series_t *
ngx_http_gate_metrics_series(ngx_http_gate_metrics_t *metrics, ngx_uint_t id)
{
    ngx_http_gate_series_t  *series;

    for (series = metrics->sh->series; series; series = series->next) {
        if (series->id == id) {
            return series;
        }
    }

    series = ngx_http_gate_series_create(metrics, id);

    if (series == NULL) {
        ngx_http_gate_counter_add(&metrics->sh->dropped, 1);
        return NULL;
    }

    /* workers of the configuration before walk the list without a lock */

    series->next = metrics->sh->series;
    ngx_memory_barrier();
    metrics->sh->series = series;

    return series;
}


static ngx_http_gate_series_t *
ngx_http_gate_series_create(ngx_http_gate_metrics_t *metrics, ngx_uint_t id)
{
    ngx_http_gate_series_t  *series;

    series = ngx_slab_calloc(metrics->shpool, sizeof(ngx_http_gate_series_t));
    if (series == NULL) {
        return NULL;
    }

    series->id = id;

    series->amounts = ngx_slab_calloc(metrics->shpool,
                                      ngx_http_gate_currencies()
                                      * sizeof(*series->amounts));
    if (series->amounts == NULL) {
        ngx_slab_free(metrics->shpool, series);
        return NULL;
    }

    series->payouts = ngx_slab_calloc(metrics->shpool,
                                      gate_endpoint_count()
                                      * sizeof(*series->payouts));
    if (series->payouts == NULL) {
        ngx_slab_free(metrics->shpool, (void *) series->amounts);
        ngx_slab_free(metrics->shpool, series);
        return NULL;
    }

    return series;
}


void
ngx_http_gate_count_payout(ngx_http_gate_series_t *series,
    const gate_endpoint_t *endpoint, ngx_uint_t result)
{
    if (series != NULL) {
        ngx_http_gate_counter_add(
            &series->payouts[gate_endpoint_index(endpoint)][result], 1);
    }
}


void
ngx_http_gate_count_dry_run(ngx_http_gate_series_t *series, ngx_uint_t result)
{
    if (series != NULL) {
        ngx_http_gate_counter_add(&series->dry_run[result], 1);
    }
}


void
ngx_http_gate_count_settlement(ngx_http_gate_series_t *series,
    ngx_http_gate_settlement_e settlement)
{
    if (series != NULL && settlement != NGX_HTTP_GATE_SETTLEMENT_NONE) {
        ngx_http_gate_counter_add(&series->settlements[settlement], 1);
    }
}


void
ngx_http_gate_count_amount(ngx_http_gate_series_t *series,
    ngx_str_t *currency, int64_t amount, ngx_uint_t sent)
{
    ngx_uint_t  i;

    if (series == NULL || amount == 0) {
        return;
    }

    i = ngx_http_gate_currency_index(currency);

    ngx_http_gate_counter_add(&series->amounts[i][sent ? 0 : 1], amount);
}


void
ngx_http_gate_count_callback(ngx_http_gate_series_t *series,
    gate_status_e status, ngx_uint_t result)
{
    if (series != NULL) {
        ngx_http_gate_counter_add(&series->callbacks[status][result], 1);
    }
}


void
ngx_http_gate_count_secret(ngx_http_gate_series_t *series,
    ngx_http_gate_secret_use_e which, ngx_uint_t verified)
{
    uint64_t                      now;
    ngx_http_gate_secret_stat_t  *stat;

    if (series == NULL) {
        return;
    }

    stat = &series->secrets[which];
    now = ngx_time();

    if (verified) {
        ngx_http_gate_counter_add(&stat->verified, 1);
    }

    /* one that is busy shares its line of the cache for reading only */

    if (ngx_http_gate_counter_get(&stat->used) != now) {
        ngx_http_gate_counter_set(&stat->used, now);
    }
}


void
ngx_http_gate_count_time(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_time_e what, uint64_t usec)
{
    ngx_uint_t                  i;
    ngx_http_gate_histogram_t  *h;

    if (metrics == NULL) {
        return;
    }

    h = &metrics->sh->times[what];

    for (i = 0; usec > ngx_http_gate_bounds[what][i]; i++) { /* void */ }

    ngx_http_gate_counter_add(&h->buckets[i], 1);
    ngx_http_gate_counter_add(&h->sum, usec);
}


void
ngx_http_gate_metrics_redis(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_redis_t *redis, ngx_uint_t pending)
{
    ngx_http_gate_slot_t        *slot;
    ngx_http_gate_metrics_sh_t  *sh;
    ngx_http_gate_redis_stat_t  *now, *told;

    sh = metrics->sh;
    told = &metrics->told;
    now = ngx_http_gate_redis_stat(redis);

#define NGX_HTTP_GATE_ADD_DELTA(counter, metric, help)                        \
    ngx_http_gate_add_delta(&sh->counter, now->counter, &told->counter);

    NGX_HTTP_GATE_REDIS_COUNTER_TABLE(NGX_HTTP_GATE_ADD_DELTA)

#undef NGX_HTTP_GATE_ADD_DELTA

    /* the slot of an old worker is a new worker's by now */

    if (ngx_exiting || ngx_worker >= NGX_HTTP_GATE_SLOTS) {
        return;
    }

    slot = &sh->slots[ngx_worker];

    ngx_http_gate_counter_set(&slot->connected,
                              ngx_http_gate_redis_connected(redis));
    ngx_http_gate_counter_set(&slot->in_flight, now->in_flight);
    ngx_http_gate_counter_set(&slot->pending, pending);
}


void
ngx_http_gate_metrics_secret(ngx_http_gate_metrics_t *metrics,
    ngx_http_gate_series_t *series, ngx_http_gate_secret_use_e which,
    ngx_http_gate_secret_t *secret)
{
    uint32_t                      print;
    ngx_http_gate_secret_stat_t  *stat;

    if (series == NULL || secret->told == secret->generation) {
        return;
    }

    secret->told = secret->generation;

    print = 0;

    if (secret->key != NULL) {
        print = ngx_crc32_short(secret->print, GATE_SIGNATURE_LEN) | 1;
    }

    stat = &series->secrets[which];

    ngx_shmtx_lock(&metrics->shpool->mutex);

    if (stat->print != print) {
        stat->print = print;
        ngx_http_gate_counter_set(&stat->loaded, secret->loaded);
        ngx_http_gate_counter_add(&stat->generation, 1);
    }

    ngx_shmtx_unlock(&metrics->shpool->mutex);
}


static void
ngx_http_gate_add_delta(ngx_http_gate_counter_t *total, ngx_uint_t now,
    ngx_uint_t *told)
{
    if (now != *told) {
        ngx_http_gate_counter_add(total, now - *told);
        *told = now;
    }
}


uint64_t
ngx_http_gate_bound(ngx_http_gate_time_e what, ngx_uint_t i)
{
    return ngx_http_gate_bounds[what][i];
}


ngx_uint_t
ngx_http_gate_currencies(void)
{
    return sizeof(ngx_http_gate_currency_codes) / 3 + 1;
}


void
ngx_http_gate_currency(ngx_uint_t i, ngx_str_t *name)
{
    if (i == ngx_http_gate_currencies() - 1) {
        ngx_str_set(name, "other");
        return;
    }

    name->data = (u_char *) &ngx_http_gate_currency_codes[3 * i];
    name->len = 3;
}


static ngx_uint_t
ngx_http_gate_currency_index(ngx_str_t *currency)
{
    ngx_int_t   order;
    ngx_uint_t  low, high, i;

    low = 0;
    high = ngx_http_gate_currencies() - 1;

    while (currency->len == 3 && low < high) {
        i = low + (high - low) / 2;

        order = ngx_memcmp(currency->data,
                           &ngx_http_gate_currency_codes[3 * i], 3);
        if (order == 0) {
            return i;
        }

        if (order < 0) {
            high = i;

        } else {
            low = i + 1;
        }
    }

    return ngx_http_gate_currencies() - 1;
}


uint64_t
ngx_http_gate_usec(void)
{
    struct timespec  ts;

    (void) clock_gettime(CLOCK_MONOTONIC, &ts);

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
