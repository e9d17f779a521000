
/*
 * Copyright (C) nginx-gate authors
 *
 * The content handler of gate_status: all counters, as Prometheus text or as
 * JSON.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>

#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_metrics_page.h"
#include "ngx_http_gate_project.h"
#include "ngx_http_gate_result.h"
#include "ngx_http_gate_worker.h"


#define NGX_HTTP_GATE_PAGE_BUF   16384
#define NGX_HTTP_GATE_PAGE_LINE  512


typedef struct {
    ngx_pool_t                   *pool;
    ngx_http_gate_metrics_sh_t   *sh;
    ngx_http_gate_main_conf_t    *gmcf;
    ngx_chain_t                  *out;
    ngx_chain_t                 **last;
    ngx_buf_t                    *buf;
    off_t                         size;
    char                         *name;     /* of the family */

    /* results that have one word are one series: the first has them all */
    ngx_uint_t                    first[NGX_HTTP_GATE_RESULTS];

    unsigned                      json:1;
    unsigned                      some:1;   /* of JSON's list is written */
    unsigned                      failed:1;
} ngx_http_gate_page_t;


static ngx_int_t ngx_http_gate_page_handler(ngx_http_request_t *r);
static ngx_int_t ngx_http_gate_page_send(ngx_http_request_t *r,
    ngx_http_gate_page_t *page);
static void ngx_http_gate_page_words(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_write(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_results(ngx_http_gate_page_t *page,
    ngx_str_t *labels, ngx_uint_t n, ngx_http_gate_counter_t *counters);
static void ngx_http_gate_page_totals(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_payouts(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_amounts(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_callbacks(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_settlements(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_keys(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_times(ngx_http_gate_page_t *page);
static void ngx_http_gate_page_time(ngx_http_gate_page_t *page,
    char *name, char *help, ngx_http_gate_time_e what);
static void ngx_http_gate_page_workers(ngx_http_gate_page_t *page);
static ngx_str_t *ngx_http_gate_page_project(ngx_http_gate_page_t *page,
    ngx_http_gate_series_t *series);
static void ngx_http_gate_page_family(ngx_http_gate_page_t *page,
    char *name, char *type, char *help);
static void ngx_http_gate_page_value(ngx_http_gate_page_t *page,
    char *suffix, ngx_str_t *labels, ngx_uint_t n, char *fmt, ...);
static void ngx_http_gate_page_text(ngx_http_gate_page_t *page, u_char *p,
    size_t len);


#define NGX_HTTP_GATE_SECRET_WORD(name, word)  ngx_string(word),

static ngx_str_t  ngx_http_gate_secret_words[] = {
    NGX_HTTP_GATE_SECRET_TABLE(NGX_HTTP_GATE_SECRET_WORD)
};

#undef NGX_HTTP_GATE_SECRET_WORD


char *
ngx_http_gate_status(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_http_core_loc_conf_t   *clcf;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_gate_module);
    gmcf->status = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);
    clcf->handler = ngx_http_gate_page_handler;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_http_gate_page_handler(ngx_http_request_t *r)
{
    ngx_int_t                   rc;
    ngx_str_t                   format;
    ngx_http_gate_page_t        page;
    ngx_http_gate_main_conf_t  *gmcf;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    rc = ngx_http_discard_request_body(r);

    if (rc != NGX_OK) {
        return rc;
    }

    gmcf = ngx_http_get_module_main_conf(r, ngx_http_gate_module);

    ngx_http_gate_tell(gmcf);

    ngx_memzero(&page, sizeof(ngx_http_gate_page_t));

    page.pool = r->pool;
    page.gmcf = gmcf;
    page.sh = gmcf->metrics->sh;
    page.last = &page.out;

    page.json = (ngx_http_arg(r, (u_char *) "format", 6, &format) == NGX_OK
                 && format.len == 4
                 && ngx_memcmp(format.data, "json", 4) == 0);

    ngx_http_gate_page_words(&page);
    ngx_http_gate_page_write(&page);

    if (page.failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_http_gate_page_send(r, &page);
}


static ngx_int_t
ngx_http_gate_page_send(ngx_http_request_t *r, ngx_http_gate_page_t *page)
{
    ngx_int_t  rc;

    if (page->json) {
        ngx_str_set(&r->headers_out.content_type, "application/json");

    } else {
        ngx_str_set(&r->headers_out.content_type,
                    "text/plain; version=0.0.4; charset=utf-8");
    }

    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_length_n = page->size;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    page->buf->last_buf = (r == r->main) ? 1 : 0;
    page->buf->last_in_chain = 1;

    return ngx_http_output_filter(r, page->out);
}


static void
ngx_http_gate_page_words(ngx_http_gate_page_t *page)
{
    ngx_str_t   *word, *other;
    ngx_uint_t   i, j;

    for (i = 0; i < NGX_HTTP_GATE_RESULTS; i++) {
        word = ngx_http_gate_result_word(i);

        for (j = 0; j < i; j++) {
            other = ngx_http_gate_result_word(j);

            if (other->len == word->len
                && ngx_memcmp(other->data, word->data, word->len) == 0)
            {
                break;
            }
        }

        page->first[i] = j;
    }
}


static void
ngx_http_gate_page_write(ngx_http_gate_page_t *page)
{
    if (page->json) {
        ngx_http_gate_page_text(page, (u_char *) "[", 1);
    }

    ngx_http_gate_page_payouts(page);
    ngx_http_gate_page_amounts(page);
    ngx_http_gate_page_callbacks(page);

    if (page->gmcf->redis != NULL) {
        ngx_http_gate_page_settlements(page);
    }

    ngx_http_gate_page_keys(page);
    ngx_http_gate_page_times(page);
    ngx_http_gate_page_totals(page);
    ngx_http_gate_page_workers(page);

    if (page->json) {
        ngx_http_gate_page_text(page, (u_char *) "]" CRLF, 3);
    }
}


static void
ngx_http_gate_page_totals(ngx_http_gate_page_t *page)
{
    ngx_uint_t  i, n;

#define NGX_HTTP_GATE_TOTAL(counter, metric, help)                            \
        { metric, help, &page->sh->counter },

    struct {
        char                     *name;
        char                     *help;
        ngx_http_gate_counter_t  *value;
    } totals[] = {
        { "gate_zone_dropped_projects_total",
          "Projects without counters, as gate_zone was full.",
          &page->sh->dropped },
        NGX_HTTP_GATE_REDIS_COUNTER_TABLE(NGX_HTTP_GATE_TOTAL)
    };

#undef NGX_HTTP_GATE_TOTAL

    /* without Redis there is only the first of them */

    n = (page->gmcf->redis != NULL) ? sizeof(totals) / sizeof(totals[0]) : 1;

    for (i = 0; i < n; i++) {
        ngx_http_gate_page_family(page, totals[i].name, "counter",
                                  totals[i].help);
        ngx_http_gate_page_value(page, "", NULL, 0, "%uL",
                                 ngx_http_gate_counter_get(
                                       totals[i].value));
    }
}


static void
ngx_http_gate_page_payouts(ngx_http_gate_page_t *page)
{
    ngx_str_t                labels[6];
    ngx_uint_t               e;
    ngx_http_gate_series_t  *s;

    ngx_str_set(&labels[0], "project");
    ngx_str_set(&labels[2], "endpoint");
    ngx_str_set(&labels[4], "result");

    ngx_http_gate_page_family(page, "gate_payouts_total", "counter",
                              "Requests to Gate by result.");

    for (s = page->sh->series; s; s = s->next) {
        labels[1] = *ngx_http_gate_page_project(page, s);

        for (e = 0; e < gate_endpoint_count(); e++) {
            labels[3].data = (u_char *) gate_endpoint_name(gate_endpoint_at(e));
            labels[3].len = ngx_strlen(labels[3].data);

            ngx_http_gate_page_results(page, labels, 6, s->payouts[e]);
        }
    }

    ngx_http_gate_page_family(page, "gate_limits_dry_run_total", "counter",
                              "Payouts that gate_limits dry_run let pass.");

    for (s = page->sh->series; s; s = s->next) {
        labels[1] = *ngx_http_gate_page_project(page, s);
        ngx_str_set(&labels[2], "result");

        ngx_http_gate_page_results(page, labels, 4, s->dry_run);
    }
}


/* the last label is the result; those that never were are left out */

static void
ngx_http_gate_page_results(ngx_http_gate_page_t *page, ngx_str_t *labels,
    ngx_uint_t n, ngx_http_gate_counter_t *counters)
{
    uint64_t    sums[NGX_HTTP_GATE_RESULTS];
    ngx_uint_t  i;

    ngx_memzero(sums, sizeof(sums));

    for (i = 0; i < NGX_HTTP_GATE_RESULTS; i++) {
        sums[page->first[i]] += ngx_http_gate_counter_get(&counters[i]);
    }

    for (i = 0; i < NGX_HTTP_GATE_RESULTS; i++) {
        if (sums[i]) {
            labels[n - 1] = *ngx_http_gate_result_word(i);
            ngx_http_gate_page_value(page, "", labels, n, "%uL", sums[i]);
        }
    }
}


static void
ngx_http_gate_page_amounts(ngx_http_gate_page_t *page)
{
    uint64_t                 sum;
    ngx_str_t                labels[6];
    ngx_uint_t               c, i;
    ngx_http_gate_series_t  *s;

    static ngx_str_t  results[] = {
        ngx_string("sent"),
        ngx_string("refused")
    };

    ngx_str_set(&labels[0], "project");
    ngx_str_set(&labels[2], "currency");
    ngx_str_set(&labels[4], "result");

    ngx_http_gate_page_family(page, "gate_payout_amount_minor_total",
                              "counter", "Amounts in minor units.");

    for (s = page->sh->series; s; s = s->next) {
        labels[1] = *ngx_http_gate_page_project(page, s);

        for (c = 0; c < ngx_http_gate_currencies(); c++) {
            ngx_http_gate_currency(c, &labels[3]);

            for (i = 0; i < 2; i++) {
                sum = ngx_http_gate_counter_get(&s->amounts[c][i]);

                if (sum) {
                    labels[5] = results[i];
                    ngx_http_gate_page_value(page, "", labels, 6, "%uL",
                                             sum);
                }
            }
        }
    }
}


static void
ngx_http_gate_page_callbacks(ngx_http_gate_page_t *page)
{
    ngx_str_t                labels[6];
    gate_str_t               status;
    ngx_uint_t               c;
    ngx_http_gate_series_t  *s;

    ngx_str_set(&labels[0], "project");
    ngx_str_set(&labels[2], "status");
    ngx_str_set(&labels[4], "result");

    ngx_http_gate_page_family(page, "gate_callbacks_total", "counter",
                              "Callbacks by payment status and result.");

    for (s = page->sh->series; s; s = s->next) {
        labels[1] = *ngx_http_gate_page_project(page, s);

        for (c = 0; c < GATE_STATUSES; c++) {
            status = gate_status_word(c);

            labels[3].len = status.len;
            labels[3].data = (u_char *) status.data;

            ngx_http_gate_page_results(page, labels, 6, s->callbacks[c]);
        }
    }
}


static void
ngx_http_gate_page_settlements(ngx_http_gate_page_t *page)
{
    uint64_t                 n;
    ngx_str_t                labels[4];
    ngx_uint_t               i;
    ngx_http_gate_series_t  *s;

    ngx_str_set(&labels[0], "project");
    ngx_str_set(&labels[2], "settlement");

    ngx_http_gate_page_family(page, "gate_settlements_total", "counter",
                              "Verified callbacks by what the ledger made "
                              "of them.");

    for (s = page->sh->series; s; s = s->next) {
        labels[1] = *ngx_http_gate_page_project(page, s);

        for (i = 0; i < NGX_HTTP_GATE_SETTLEMENTS; i++) {
            n = ngx_http_gate_counter_get(&s->settlements[i]);

            if (n) {
                labels[3] = *ngx_http_gate_settlement_word(i);
                ngx_http_gate_page_value(page, "", labels, 4, "%uL", n);
            }
        }
    }
}


static void
ngx_http_gate_page_keys(ngx_http_gate_page_t *page)
{
    ngx_str_t                 labels[4];
    ngx_uint_t                f, k;
    ngx_http_gate_series_t   *s;
    ngx_http_gate_counter_t  *value;

#define NGX_HTTP_GATE_SECRET_FAMILY(value, type, metric, help)                \
        { metric, #type, help, offsetof(ngx_http_gate_secret_stat_t, value) },

    static struct {
        char    *name;
        char    *type;
        char    *help;
        size_t   offset;
    } families[] = {
        NGX_HTTP_GATE_SECRET_STAT_TABLE(NGX_HTTP_GATE_SECRET_FAMILY)
    };

#undef NGX_HTTP_GATE_SECRET_FAMILY

    ngx_str_set(&labels[0], "project");
    ngx_str_set(&labels[2], "key");

    for (f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        ngx_http_gate_page_family(page, families[f].name, families[f].type,
                                  families[f].help);

        for (s = page->sh->series; s; s = s->next) {

            if (s->id == 0) {
                continue;
            }

            labels[1] = *ngx_http_gate_page_project(page, s);

            for (k = 0; k < NGX_HTTP_GATE_SECRETS; k++) {
                value = (ngx_http_gate_counter_t *) ((char *) &s->secrets[k]
                                                     + families[f].offset);

                labels[3] = ngx_http_gate_secret_words[k];
                ngx_http_gate_page_value(page, "", labels, 4, "%uL",
                                         ngx_http_gate_counter_get(value));
            }
        }
    }
}


static void
ngx_http_gate_page_times(ngx_http_gate_page_t *page)
{
#define NGX_HTTP_GATE_PAGE_TIME(name, metric, help, ...)                      \
    ngx_http_gate_page_time(page, metric, help, NGX_HTTP_GATE_TIME_##name);

    NGX_HTTP_GATE_TIME_TABLE(NGX_HTTP_GATE_PAGE_TIME)

#undef NGX_HTTP_GATE_PAGE_TIME
}


static void
ngx_http_gate_page_time(ngx_http_gate_page_t *page, char *name, char *help,
    ngx_http_gate_time_e what)
{
    u_char                      bound[NGX_INT64_LEN + 8];
    uint64_t                    usec, total;
    ngx_str_t                   labels[2];
    ngx_uint_t                  i;
    ngx_http_gate_histogram_t  *h;

    h = &page->sh->times[what];
    total = 0;

    ngx_http_gate_page_family(page, name, "histogram", help);

    ngx_str_set(&labels[0], "le");

    for (i = 0; i < NGX_HTTP_GATE_BUCKETS; i++) {
        total += ngx_http_gate_counter_get(&h->buckets[i]);
        usec = ngx_http_gate_bound(what, i);

        if (usec == UINT64_MAX) {
            ngx_str_set(&labels[1], "+Inf");

        } else {
            labels[1].data = bound;
            labels[1].len = ngx_sprintf(bound, "%uL.%06uL", usec / 1000000,
                                        usec % 1000000)
                            - bound;
        }

        ngx_http_gate_page_value(page, "_bucket", labels, 2, "%uL", total);
    }

    usec = ngx_http_gate_counter_get(&h->sum);

    ngx_http_gate_page_value(page, "_sum", NULL, 0, "%uL.%06uL",
                             usec / 1000000, usec % 1000000);

    /* as the buckets were read: a scrape must not contradict itself */

    ngx_http_gate_page_value(page, "_count", NULL, 0, "%uL", total);
}


static void
ngx_http_gate_page_workers(ngx_http_gate_page_t *page)
{
    u_char                    number[NGX_INT_T_LEN];
    ngx_str_t                 labels[2];
    ngx_uint_t                f, i, n;
    ngx_core_conf_t          *ccf;
    ngx_http_gate_counter_t  *value;

#define NGX_HTTP_GATE_SLOT_FAMILY(value, metric, help)                        \
        { metric, help, offsetof(ngx_http_gate_slot_t, value) },

    static struct {
        char    *name;
        char    *help;
        size_t   offset;
    } families[] = {
        NGX_HTTP_GATE_SLOT_TABLE(NGX_HTTP_GATE_SLOT_FAMILY)
    };

#undef NGX_HTTP_GATE_SLOT_FAMILY

    if (page->gmcf->redis == NULL) {
        return;
    }

    /* fewer than before a reload, perhaps */

    ccf = (ngx_core_conf_t *) ngx_get_conf(ngx_cycle->conf_ctx,
                                           ngx_core_module);

    n = ngx_min((ngx_uint_t) ccf->worker_processes, NGX_HTTP_GATE_SLOTS);

    ngx_str_set(&labels[0], "worker");

    for (f = 0; f < sizeof(families) / sizeof(families[0]); f++) {
        ngx_http_gate_page_family(page, families[f].name, "gauge",
                                  families[f].help);

        for (i = 0; i < n; i++) {
            value = (ngx_http_gate_counter_t *) ((char *) &page->sh->slots[i]
                                                 + families[f].offset);

            labels[1].data = number;
            labels[1].len = ngx_sprintf(number, "%ui", i) - number;

            ngx_http_gate_page_value(page, "", labels, 2, "%uL",
                                     ngx_http_gate_counter_get(value));
        }
    }
}


/* a project that a reload has taken away keeps its id for a name */

static ngx_str_t *
ngx_http_gate_page_project(ngx_http_gate_page_t *page,
    ngx_http_gate_series_t *series)
{
    ngx_str_t                *name;
    ngx_http_gate_project_t  *project;

    static ngx_str_t  unknown = ngx_string("unknown");

    if (series->id == 0) {
        return &unknown;
    }

    project = ngx_http_gate_find_project_id(page->gmcf, series->id);

    if (project != NULL) {
        return &project->name;
    }

    name = ngx_palloc(page->pool, sizeof(ngx_str_t) + NGX_INT_T_LEN);
    if (name == NULL) {
        page->failed = 1;
        return &unknown;
    }

    name->data = (u_char *) name + sizeof(ngx_str_t);
    name->len = ngx_sprintf(name->data, "%ui", series->id) - name->data;

    return name;
}


static void
ngx_http_gate_page_family(ngx_http_gate_page_t *page, char *name,
    char *type, char *help)
{
    u_char  *p, line[NGX_HTTP_GATE_PAGE_LINE];

    page->name = name;

    if (page->json) {
        return;
    }

    p = ngx_snprintf(line, sizeof(line), "# HELP %s %s\n# TYPE %s %s\n",
                     name, help, name, type);

    ngx_http_gate_page_text(page, line, p - line);
}


/*
 * One value of the family; labels are pairs of name and value.  Values are
 * names from the configuration and fixed words, and need no escaping.
 */

static void
ngx_http_gate_page_value(ngx_http_gate_page_t *page, char *suffix,
    ngx_str_t *labels, ngx_uint_t n, char *fmt, ...)
{
    u_char      *p, *last, line[NGX_HTTP_GATE_PAGE_LINE];
    va_list      args;
    ngx_uint_t   i;

    p = line;
    last = line + sizeof(line);

    if (page->json) {
        p = ngx_slprintf(p, last, "%s" CRLF "{\"name\":\"%s%s\",\"labels\":{",
                         page->some ? "," : "", page->name, suffix);

        for (i = 0; i < n; i += 2) {
            p = ngx_slprintf(p, last, "%s\"%V\":\"%V\"", i ? "," : "",
                             &labels[i], &labels[i + 1]);
        }

        p = ngx_slprintf(p, last, "},\"value\":");
        page->some = 1;

    } else {
        p = ngx_slprintf(p, last, "%s%s%s", page->name, suffix,
                         n ? "{" : "");

        for (i = 0; i < n; i += 2) {
            p = ngx_slprintf(p, last, "%s%V=\"%V\"", i ? "," : "",
                             &labels[i], &labels[i + 1]);
        }

        p = ngx_slprintf(p, last, "%s ", n ? "}" : "");
    }

    va_start(args, fmt);
    p = ngx_vslprintf(p, last, fmt, args);
    va_end(args);

    p = ngx_slprintf(p, last, "%s", page->json ? "}" : "\n");

    ngx_http_gate_page_text(page, line, p - line);
}


static void
ngx_http_gate_page_text(ngx_http_gate_page_t *page, u_char *p, size_t len)
{
    ngx_chain_t  *cl;

    if (page->failed) {
        return;
    }

    if (page->buf == NULL
        || (size_t) (page->buf->end - page->buf->last) < len)
    {
        cl = ngx_alloc_chain_link(page->pool);
        if (cl == NULL) {
            page->failed = 1;
            return;
        }

        cl->buf = ngx_create_temp_buf(page->pool, NGX_HTTP_GATE_PAGE_BUF);
        if (cl->buf == NULL) {
            page->failed = 1;
            return;
        }

        cl->next = NULL;
        *page->last = cl;
        page->last = &cl->next;
        page->buf = cl->buf;
    }

    page->buf->last = ngx_cpymem(page->buf->last, p, len);
    page->size += len;
}
