
/*
 * Copyright (C) nginx-gate authors
 *
 * The page of gate_limits_status: the arguments of a request, and behind a "~"
 * what comes next, as in fuzz_redis.c: R, B, X, T, and L for a client that
 * leaves.
 */


#include "world.h"

#include <ngx_http.h>

#include "ngx_http_gate_conf.h"
#include "ngx_http_gate_limits_page.h"
#include "ngx_http_gate_project.h"


typedef struct {
    world_t                     world;
    ngx_http_request_t          request;
    ngx_connection_t            connection;
    ngx_event_t                 read;
    ngx_log_t                   log;
    ngx_http_log_ctx_t          log_ctx;
    ngx_http_gate_main_conf_t   conf;
    void                       *confs[1];
    ngx_http_gate_project_t     project;
    ngx_int_t                   rc;
    ngx_uint_t                  sent;
    ngx_uint_t                  done;
} fuzz_page_t;


static void fuzz_projects(fuzz_page_t *page);
static void fuzz_request(fuzz_page_t *page, gate_str_t args);
static ngx_http_handler_pt fuzz_handler(void);
static void fuzz_step(fuzz_page_t *page, gate_str_t step);
static void fuzz_finish(fuzz_page_t *page);


ngx_module_t  ngx_http_gate_module;
ngx_module_t  ngx_http_core_module;


static fuzz_page_t  fuzz_page;


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    ngx_int_t     rc;
    gate_str_t    steps;
    fuzz_page_t  *page;

    steps.data = data;
    steps.len = size;

    page = &fuzz_page;
    ngx_memzero(page, sizeof(fuzz_page_t));

    world_create(&page->world);
    world_greet(&page->world);

    fuzz_projects(page);
    fuzz_request(page, fuzz_cut(&steps, '~'));

    rc = fuzz_handler()(&page->request);

    fuzz_must(rc == NGX_DONE || rc == NGX_HTTP_BAD_REQUEST
              || rc == NGX_HTTP_NOT_FOUND
              || rc == NGX_HTTP_SERVICE_UNAVAILABLE,
              "a request waits or is refused");

    if (rc != NGX_DONE) {
        fuzz_finish(page);
    }

    /* Redis is asked before it says anything */

    world_turn(&page->world);

    while (steps.len != 0) {
        fuzz_step(page, fuzz_cut(&steps, '~'));
    }

    /* Redis answers in time, or it does not */

    world_pass(&page->world, 1000);

    fuzz_must(page->done, "each request ends");

    world_exit(&page->world);
    world_destroy(&page->world);

    return 0;
}


static void
fuzz_projects(fuzz_page_t *page)
{
    ngx_http_gate_project_t    *project;
    ngx_http_gate_main_conf_t  *gmcf;

    gmcf = &page->conf;
    project = &page->project;

    gmcf->ledger = page->world.ledger;

    ngx_str_set(&project->name, "kz");
    ngx_str_set(&project->id_text, "1234");
    project->id = 1234;
    project->by_name.str = project->name;
    project->by_name.node.key = ngx_crc32_short(project->name.data, 2);
    project->by_id.key = 1234;

    ngx_rbtree_init(&gmcf->names, &gmcf->sentinel,
                    ngx_str_rbtree_insert_value);
    ngx_rbtree_init(&gmcf->ids, &gmcf->sentinel, ngx_rbtree_insert_value);
    ngx_rbtree_insert(&gmcf->names, &project->by_name.node);
    ngx_rbtree_insert(&gmcf->ids, &project->by_id);
}


static void
fuzz_request(fuzz_page_t *page, gate_str_t args)
{
    ngx_http_request_t  *r;

    r = &page->request;

    page->log = *page->world.cycle.log;
    page->log.data = &page->log_ctx;

    page->read.data = &page->connection;
    page->connection.read = &page->read;
    page->connection.log = &page->log;

    page->confs[0] = &page->conf;

    r->pool = ngx_create_pool(512, &page->log);
    fuzz_must(r->pool != NULL, "there is memory");

    r->main = r;
    r->count = 1;
    r->connection = &page->connection;
    r->method = NGX_HTTP_GET;
    r->main_conf = page->confs;

    /* of its exact size: a byte read behind it is reported */

    r->args.data = ngx_pnalloc(r->pool, 1);
    r->args.len = args.len;

    if (args.len != 0) {
        r->args.data = malloc(args.len);
        fuzz_must(r->args.data != NULL, "there is memory");
        ngx_memcpy(r->args.data, args.data, args.len);
    }
}


/* as the directive sets it */

static ngx_http_handler_pt
fuzz_handler(void)
{
    void                      *confs[1];
    ngx_conf_t                 cf;
    ngx_http_conf_ctx_t        ctx;
    ngx_http_core_loc_conf_t   clcf;
    ngx_http_gate_loc_conf_t   glcf;

    ngx_memzero(&cf, sizeof(ngx_conf_t));
    ngx_memzero(&clcf, sizeof(ngx_http_core_loc_conf_t));
    ngx_memzero(&glcf, sizeof(ngx_http_gate_loc_conf_t));

    confs[0] = &clcf;
    ctx.loc_conf = confs;
    cf.ctx = &ctx;

    fuzz_must(ngx_http_gate_limits_status(&cf, NULL, &glcf) == NGX_CONF_OK,
              "the directive is taken");

    return clcf.handler;
}


static void
fuzz_step(fuzz_page_t *page, gate_str_t step)
{
    unsigned char  kind;

    if (step.len == 0) {
        return;
    }

    kind = step.data[0];

    step.data++;
    step.len--;

    switch (kind) {

    case 'R':
    case 'B':
        world_say(&page->world, step, kind == 'B');
        break;

    case 'X':
        world_close(&page->world);
        break;

    case 'T':
        world_pass(&page->world, 10);
        break;

    case 'L':
        fuzz_finish(page);
        break;

    default:
        break;
    }

    world_turn(&page->world);
}


/* a request that is over is not touched any more */

static void
fuzz_finish(fuzz_page_t *page)
{
    ngx_http_request_t  *r;

    if (page->done) {
        return;
    }

    page->done = 1;

    r = &page->request;

    if (r->args.len != 0) {
        free(r->args.data);
    }

    ngx_destroy_pool(r->pool);
    ngx_memset(r, 0xa5, sizeof(ngx_http_request_t));
}


/* what the page needs of nginx's requests */

void
ngx_http_finalize_request(ngx_http_request_t *r, ngx_int_t rc)
{
    fuzz_must(!fuzz_page.done && r == &fuzz_page.request,
              "a request ends once");
    fuzz_must(fuzz_page.sent ? rc == NGX_OK
                             : rc == NGX_HTTP_SERVICE_UNAVAILABLE,
              "a request has a page, or is told that there is none");

    fuzz_finish(&fuzz_page);
}


ngx_int_t
ngx_http_send_header(ngx_http_request_t *r)
{
    fuzz_must(r->headers_out.status == NGX_HTTP_OK, "a page is found");

    return NGX_OK;
}


ngx_int_t
ngx_http_output_filter(ngx_http_request_t *r, ngx_chain_t *chain)
{
    ngx_buf_t    *b;
    gate_doc_t    doc;
    gate_err_t    err;
    gate_str_t    text;
    gate_pool_t   pool;

    b = chain->buf;

    fuzz_must(b->last <= b->end && b->last - b->pos
                                   == r->headers_out.content_length_n,
              "a page fits");

    text.data = b->pos;
    text.len = b->last - b->pos;

    gate_pool_init(&pool, NULL, 0);

    fuzz_must(gate_json_parse(&doc, &pool, text, 4, &err) == GATE_OK,
              "a page is JSON");

    gate_pool_reset(&pool);

    fuzz_page.sent = 1;

    return NGX_OK;
}


ngx_int_t
ngx_http_discard_request_body(ngx_http_request_t *r)
{
    return NGX_OK;
}


ngx_int_t
ngx_handle_read_event(ngx_event_t *rev, ngx_uint_t flags)
{
    return NGX_OK;
}


void
ngx_http_run_posted_requests(ngx_connection_t *c)
{
    /* void */
}


void
ngx_http_test_reading(ngx_http_request_t *r)
{
    /* void */
}


void
ngx_http_block_reading(ngx_http_request_t *r)
{
    /* void */
}


/* projects are not configured here */

char *
ngx_conf_parse(ngx_conf_t *cf, ngx_str_t *filename)
{
    return NGX_CONF_ERROR;
}


void
ngx_conf_log_error(ngx_uint_t level, ngx_conf_t *cf, ngx_err_t err,
    const char *fmt, ...)
{
    /* void */
}


ngx_int_t
ngx_conf_full_name(ngx_cycle_t *cycle, ngx_str_t *name,
    ngx_uint_t conf_prefix)
{
    return NGX_ERROR;
}


ngx_int_t
ngx_http_gate_secret_load(ngx_conf_t *cf, ngx_http_gate_secret_t *secret)
{
    return NGX_ERROR;
}
