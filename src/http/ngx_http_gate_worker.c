
/*
 * Copyright (C) nginx-gate authors
 *
 * What a process does for itself: it forbids core dumps, watches secrets, is
 * connected to Redis, and tells what it has counted.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_batch.h"
#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_note.h"
#include "ngx_http_gate_worker.h"


static ngx_int_t ngx_http_gate_forbid_core(ngx_cycle_t *cycle,
    ngx_http_gate_main_conf_t *gmcf);
static void ngx_http_gate_metrics_handler(ngx_event_t *ev);


ngx_int_t
ngx_http_gate_init_module(ngx_cycle_t *cycle)
{
    ngx_core_conf_t            *ccf;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gate_module);

    if (gmcf == NULL || gmcf->core_dump || gmcf->secrets.nelts == 0) {
        return NGX_OK;
    }

    ccf = (ngx_core_conf_t *) ngx_get_conf(cycle->conf_ctx, ngx_core_module);

    if (ccf->rlimit_core != NGX_CONF_UNSET && ccf->rlimit_core != 0) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "\"worker_rlimit_core\" does nothing "
                      "without \"gate_core_dump on\"");
    }

    /* the master has the keys, too */

    return ngx_http_gate_forbid_core(cycle, gmcf);
}


ngx_int_t
ngx_http_gate_init_process(ngx_cycle_t *cycle)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gate_module);

    if (gmcf == NULL) {
        return NGX_OK;
    }

    /* nginx allows it again in each process, a cache manager's included */

    if (ngx_http_gate_forbid_core(cycle, gmcf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_process != NGX_PROCESS_WORKER
        && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    if (gmcf->secret_check && gmcf->secrets.nelts
        && ngx_http_gate_secrets_watch(cycle, &gmcf->secrets,
                                       gmcf->secret_check)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (gmcf->redis != NULL) {

        if (ngx_http_gate_redis_init_worker(cycle, gmcf->redis) != NGX_OK) {
            return NGX_ERROR;
        }

        gmcf->ledger = ngx_http_gate_ledger_create(cycle, gmcf->redis,
                                                   gmcf->timezone,
                                                   gmcf->ledger_ttl);
        if (gmcf->ledger == NULL) {
            return NGX_ERROR;
        }

        ngx_http_gate_batch_init(gmcf->ledger);
        ngx_http_gate_note_init(gmcf->ledger);
    }

    if (gmcf->metrics != NULL) {
        gmcf->metrics->event.handler = ngx_http_gate_metrics_handler;
        gmcf->metrics->event.data = gmcf;
        gmcf->metrics->event.log = cycle->log;
        gmcf->metrics->event.cancelable = 1;

        ngx_http_gate_metrics_handler(&gmcf->metrics->event);
    }

    return NGX_OK;
}


/*
 * Keyed states of OpenSSL are in its ordinary heap, and bodies of payouts in
 * nginx's pools: a part of the memory could not be left out of a dump.
 */

static ngx_int_t
ngx_http_gate_forbid_core(ngx_cycle_t *cycle, ngx_http_gate_main_conf_t *gmcf)
{
#if (NGX_HAVE_PR_SET_DUMPABLE)

    if (!gmcf->core_dump && gmcf->secrets.nelts
        && prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1)
    {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "prctl(PR_SET_DUMPABLE) failed");
        return NGX_ERROR;
    }

#endif

    return NGX_OK;
}


static void
ngx_http_gate_metrics_handler(ngx_event_t *ev)
{
    ngx_http_gate_main_conf_t *gmcf = ev->data;

    ngx_http_gate_tell(gmcf);

    ngx_add_timer(ev, NGX_HTTP_GATE_METRICS_INTERVAL);
}


/* counters of this worker's Redis connection and keys */

void
ngx_http_gate_tell(ngx_http_gate_main_conf_t *gmcf)
{
    ngx_uint_t                 i;
    ngx_http_gate_project_t  **pp;

    if (gmcf->ledger != NULL) {
        ngx_http_gate_metrics_redis(gmcf->metrics, gmcf->redis->redis,
                                    gmcf->ledger->npending);
    }

    pp = gmcf->projects.elts;

    for (i = 0; i < gmcf->projects.nelts && !ngx_exiting; i++) {
        ngx_http_gate_metrics_secret(gmcf->metrics, pp[i]->series,
                                     NGX_HTTP_GATE_SECRET_CURRENT,
                                     &pp[i]->secret);
        ngx_http_gate_metrics_secret(gmcf->metrics, pp[i]->series,
                                     NGX_HTTP_GATE_SECRET_PREVIOUS,
                                     &pp[i]->previous);
    }
}


void
ngx_http_gate_exit_process(ngx_cycle_t *cycle)
{
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_http_gate_module);

    if (gmcf == NULL || gmcf->ledger == NULL) {
        return;
    }

    ngx_http_gate_redis_exit_worker(cycle, gmcf->redis);

    if (gmcf->metrics != NULL) {
        ngx_http_gate_tell(gmcf);
    }

    ngx_http_gate_batch_exit(gmcf->ledger);
    ngx_http_gate_note_exit(gmcf->ledger);
}
