
/*
 * Copyright (C) nginx-gate authors
 *
 * What Redis says, from the greeting on, cut anywhere, late, or too often; and
 * what payouts and callbacks make of it.  The input is a list of steps with
 * "~" between them:
 *
 *   G            Redis answers the greeting as it should
 *   R, B text    Redis says it in one piece, or byte by byte; "@1" is the name
 *                of the first call, as the last item of a reply
 *   X            Redis closes the connection
 *   P, C, S, A   a payout, a callback, one for a stream, an answer of Gate
 *   O digits     the outcome of a payout or a delivery that was asked for,
 *                answered or not: which one, and what
 *   T digit      time passes: so many powers of ten of milliseconds
 *   Q            the worker is told to exit
 */


#include "world.h"

#include "ngx_http_gate_redis_conn.h"
#include "ngx_http_gate_reserve.h"
#include "ngx_http_gate_settle.h"


#define FUZZ_CALLS  8


typedef struct {
    world_t                    *world;
    ngx_http_gate_copy_t       *copy;
    ngx_http_gate_delivery_t   *delivery;
    ngx_uint_t                  answers;
    ngx_uint_t                  number;     /* of the call */
    size_t                      told;       /* by Redis, before it was asked */
} fuzz_call_t;


typedef struct {
    world_t                     world;
    fuzz_call_t                 calls[FUZZ_CALLS];
    ngx_uint_t                  n;
} fuzz_run_t;


static void fuzz_step(fuzz_run_t *run, gate_str_t step);
static fuzz_call_t *fuzz_call(fuzz_run_t *run);
static void fuzz_payout(fuzz_run_t *run);
static void fuzz_callback(fuzz_run_t *run, unsigned char kind);
static void fuzz_decided(ngx_http_gate_decision_t *decision, void *data);
static void fuzz_settled(ngx_http_gate_settlement_t *settlement, void *data);
static void fuzz_named(fuzz_call_t *call);
static void fuzz_text(ngx_str_t *text, world_t *world);
static void fuzz_outcome(fuzz_run_t *run, ngx_uint_t which, ngx_uint_t what);
static ngx_uint_t fuzz_digit(gate_str_t step, size_t i);


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    ngx_uint_t         i;
    gate_str_t         steps;
    static fuzz_run_t  run;

    steps.data = data;
    steps.len = size;

    ngx_memzero(&run, sizeof(fuzz_run_t));

    world_create(&run.world);

    while (steps.len != 0) {
        fuzz_step(&run, fuzz_cut(&steps, '~'));
    }

    for (i = 0; i < run.n; i++) {
        fuzz_outcome(&run, i, NGX_HTTP_GATE_RELEASE);
    }

    world_destroy(&run.world);

    return 0;
}


static void
fuzz_step(fuzz_run_t *run, gate_str_t step)
{
    ngx_uint_t      i;
    ngx_msec_t      msec;
    unsigned char   kind;

    if (step.len == 0) {
        return;
    }

    kind = step.data[0];

    step.data++;
    step.len--;

    switch (kind) {

    case 'G':
        world_greet(&run->world);
        break;

    case 'R':
    case 'B':
        world_say(&run->world, step, kind == 'B');
        break;

    case 'X':
        world_close(&run->world);
        break;

    case 'P':
        fuzz_payout(run);
        break;

    case 'C':
    case 'S':
    case 'A':
        fuzz_callback(run, kind);
        break;

    case 'O':
        fuzz_outcome(run, fuzz_digit(step, 0), fuzz_digit(step, 1));
        break;

    case 'T':
        msec = 1;

        for (i = fuzz_digit(step, 0) % 6; i != 0; i--) {
            msec *= 10;
        }

        world_pass(&run->world, msec);
        break;

    case 'Q':
        ngx_exiting = 1;
        break;

    default:
        break;
    }

    world_turn(&run->world);
}


static fuzz_call_t *
fuzz_call(fuzz_run_t *run)
{
    fuzz_call_t  *call;

    if (run->n == FUZZ_CALLS) {
        return NULL;
    }

    call = &run->calls[run->n];
    call->world = &run->world;
    call->told = run->world.told_len;

    return call;
}


static void
fuzz_payout(fuzz_run_t *run)
{
    fuzz_call_t              *call;
    ngx_http_gate_reserve_t   payout;

    call = fuzz_call(run);

    if (call == NULL) {
        return;
    }

    ngx_memzero(&payout, sizeof(ngx_http_gate_reserve_t));

    ngx_str_set(&payout.project_id, "1234");
    payout.payment_id.data = (u_char *) "p1";
    payout.payment_id.len = 2;
    payout.currency.data = (u_char *) "KZT";
    payout.currency.len = 3;
    payout.amount = 100;
    payout.endpoint = "mobile";
    ngx_memset(payout.digest, 'd', NGX_HTTP_GATE_DIGEST_HEX);

    if (ngx_http_gate_reserve(run->world.ledger, &payout, fuzz_decided, call,
                              &call->copy)
        == NGX_OK)
    {
        call->number = run->world.conf.redis->calls;
        run->n++;
    }
}


static void
fuzz_callback(fuzz_run_t *run, unsigned char kind)
{
    ngx_int_t               rc;
    fuzz_call_t            *call;
    gate_callback_t         facts;
    ngx_http_gate_settle_t  callback;

    ngx_memzero(&facts, sizeof(gate_callback_t));
    ngx_memzero(&callback, sizeof(ngx_http_gate_settle_t));

    facts.payment_id.data = (u_char *) "p\n1";
    facts.payment_id.len = 3;
    facts.status_text.data = (u_char *) "success";
    facts.status_text.len = 7;
    facts.status = GATE_STATUS_SUCCESS;
    facts.amount = 100;
    facts.paid = GATE_NO_AMOUNT;
    facts.paid_total = GATE_NO_AMOUNT;

    ngx_str_set(&callback.project_id, "1234");
    callback.callback = &facts;
    ngx_memset(callback.digest, 'c', NGX_HTTP_GATE_DIGEST_HEX);
    callback.ttl = 1000;
    callback.lock = 1000;

    if (kind == 'A') {
        ngx_http_gate_settle_answer(run->world.ledger, &callback);
        return;
    }

    if (kind == 'S') {
        ngx_str_set(&callback.stream, "gate:stream");
        callback.cap = 10;
        callback.body.data = (u_char *) "{}";
        callback.body.len = 2;
    }

    call = fuzz_call(run);

    if (call == NULL) {
        return;
    }

    rc = ngx_http_gate_settle(run->world.ledger, &callback, fuzz_settled, call,
                              &call->delivery);

    fuzz_must(rc != NGX_ERROR && call->delivery != NULL, "there is memory");

    call->number = run->world.conf.redis->calls;
    run->n++;
}


static void
fuzz_decided(ngx_http_gate_decision_t *decision, void *data)
{
    fuzz_call_t *call = data;

    call->answers++;

    fuzz_must(call->copy != NULL && call->answers == 1,
              "a payout is decided once, and while it waits");
    fuzz_must(decision->verdict <= NGX_HTTP_GATE_VERDICT_UNAVAILABLE,
              "a verdict is one");
    fuzz_must(decision->wait >= 0, "nobody waits until before");

    fuzz_text(&decision->word, call->world);
    fuzz_text(&decision->limit, call->world);
    fuzz_text(&decision->detail, call->world);

    if (decision->verdict != NGX_HTTP_GATE_VERDICT_UNAVAILABLE) {
        fuzz_named(call);
    }
}


static void
fuzz_settled(ngx_http_gate_settlement_t *settlement, void *data)
{
    fuzz_call_t *call = data;

    call->answers++;

    fuzz_must(call->delivery != NULL && call->answers == 1,
              "a callback is settled once, and while it waits");
    fuzz_must(settlement->verdict < NGX_HTTP_GATE_SETTLE_VERDICTS
              && settlement->ledger < NGX_HTTP_GATE_SETTLEMENTS,
              "a verdict is one");
    fuzz_must(settlement->wait >= 0, "nobody waits until before");

    if (settlement->verdict != NGX_HTTP_GATE_SETTLE_UNAVAILABLE) {
        fuzz_named(call);
    }

    fuzz_text(&settlement->from, call->world);
    fuzz_text(&settlement->to, call->world);
    fuzz_text(&settlement->counted, call->world);
    fuzz_text(&settlement->notes, call->world);

    /* as for a request that was there */

    ngx_str_t  id = ngx_string("p1"), project = ngx_string("1234");

    ngx_http_gate_settle_log(call->world->cycle.log, &id, &project,
                             settlement);
}


/* a verdict is of a reply to this call, said after it was asked */

static void
fuzz_named(fuzz_call_t *call)
{
    size_t    len;
    u_char    text[64];
    world_t  *world;

    world = call->world;
    len = ngx_sprintf(text, "$18\r\n" WORLD_NAME "-%ui\r\n", call->number)
          - text;

    fuzz_must(memmem(world->told + call->told, world->told_len - call->told,
                     text, len)
              != NULL, "a verdict names its call");
}


/* all of it was said by Redis */

static void
fuzz_text(ngx_str_t *text, world_t *world)
{
    fuzz_must(text->len == 0
              || memmem(world->told, world->told_len, text->data, text->len)
                 != NULL, "no text of our own");
}


static void
fuzz_outcome(fuzz_run_t *run, ngx_uint_t which, ngx_uint_t what)
{
    ngx_str_t                  code;
    fuzz_call_t               *call;
    ngx_http_gate_copy_t      *copy;
    ngx_http_gate_delivery_t  *delivery;

    if (which >= run->n) {
        return;
    }

    call = &run->calls[which];

    copy = call->copy;
    call->copy = NULL;
    delivery = call->delivery;
    call->delivery = NULL;

    /* one whose reservation is not known is only given back */

    if (copy != NULL) {
        ngx_str_set(&code, "3104");

        ngx_http_gate_report(copy, call->answers
                                   ? what % NGX_HTTP_GATE_OUTCOMES
                                   : NGX_HTTP_GATE_RELEASE,
                             &code);
    }

    if (delivery != NULL) {

        if (what & 2) {
            ngx_http_gate_settle_later(delivery);
        }

        ngx_http_gate_delivery_end(delivery, call->answers ? what & 1 : 0);
    }
}


static ngx_uint_t
fuzz_digit(gate_str_t step, size_t i)
{
    return (i < step.len && step.data[i] >= '0' && step.data[i] <= '9')
           ? (ngx_uint_t) (step.data[i] - '0') : 0;
}
