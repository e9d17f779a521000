
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
 *   Y letters    Redis answers the calls that it has heard, by a letter for
 *                each verdict: fuzz_verdicts
 *   P digits     payouts: a kind (dry 1, another currency 2, allow 4, another
 *                project 8), a power of two of them, and what their handlers do
 *                at once (report, or ask for one more: 9)
 *   C, S, A      a callback, one for a stream, an answer of Gate; a digit for
 *                what it is (unread 1, complete 2, without a mark 4, with an
 *                operation 8)
 *   O digits     the outcome of a payout or a delivery that was asked for,
 *                answered or not: which one (two digits), what, with which code
 *   T digit      time passes: so many powers of ten of milliseconds
 *   Q            the worker is told to exit
 *
 * After each, the turn of the event loop ends, but for p, c, s, a and o, which
 * are P, C, S, A and O in one turn with what follows: a batch.
 */


#include "world.h"

#include "ngx_http_gate_redis_conn.h"
#include "ngx_http_gate_reserve.h"
#include "ngx_http_gate_settle.h"


/* more than a batch has */

#define FUZZ_CALLS  80
#define FUZZ_ID     8


typedef struct {
    void                       *run;
    world_t                    *world;
    ngx_http_gate_copy_t       *copy;
    ngx_http_gate_delivery_t   *delivery;
    u_char                      text[FUZZ_ID];
    gate_str_t                  id;         /* of the payment */
    ngx_uint_t                  eager;
    ngx_uint_t                  turn;       /* when it was asked for */

    unsigned                    payout:1;
    unsigned                    answered:1;
    unsigned                    counted:1;
    unsigned                    refused:1;
    unsigned                    reported:1;
    unsigned                    gone:1;     /* before it could leave */
    unsigned                    orphan:1;   /* it left, and nobody waits */
    unsigned                    owed:1;     /* Redis must be told of it */
} fuzz_call_t;


typedef struct {
    world_t                     world;
    fuzz_call_t                 calls[FUZZ_CALLS];
    ngx_uint_t                  n;
    ngx_uint_t                  turns;
} fuzz_run_t;


/* what Redis may say of a member, by a letter; items: 0 for all of a reply */

typedef struct {
    ngx_http_gate_script_e      script;
    char                        letter;
    ngx_uint_t                  items;
    const char                 *text;
} fuzz_verdict_t;


static void fuzz_step(fuzz_run_t *run, gate_str_t step);
static void fuzz_turn(fuzz_run_t *run);
static void fuzz_asked(fuzz_run_t *run, unsigned char kind, gate_str_t step);
static void fuzz_answer(fuzz_run_t *run, gate_str_t letters);
static ngx_uint_t fuzz_verdict(ngx_http_gate_script_e script, char letter,
    u_char **p);
static size_t fuzz_error(char letter, u_char *text);
static fuzz_call_t *fuzz_call(fuzz_run_t *run);
static void fuzz_payouts(fuzz_run_t *run, gate_str_t step);
static void fuzz_payout(fuzz_run_t *run, ngx_uint_t kind, ngx_uint_t eager);
static void fuzz_callback(fuzz_run_t *run, unsigned char kind,
    ngx_uint_t what);
static void fuzz_decided(ngx_http_gate_decision_t *decision, void *data);
static void fuzz_settled(ngx_http_gate_settlement_t *settlement, void *data);
static void fuzz_believed(fuzz_call_t *call, ngx_http_gate_script_e script,
    const u_char *word, size_t len);
static void fuzz_failed(fuzz_call_t *call, ngx_http_gate_script_e script);
static int fuzz_is(ngx_str_t *word, const char *text);
static void fuzz_text(ngx_str_t *text, world_t *world);
static void fuzz_outcome(fuzz_run_t *run, ngx_uint_t which, ngx_uint_t what,
    ngx_uint_t code);
static void fuzz_orphans(fuzz_run_t *run);
static void fuzz_owed(fuzz_run_t *run);
static ngx_uint_t fuzz_digit(gate_str_t step, size_t i);


static const fuzz_verdict_t  fuzz_verdicts[] = {
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'o', 1, "`ok`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'r', 1, "`repeat`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'd', 1, "*2\r\n`duplicate``accepted`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'b', 1, "`busy`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'w', 1, "`worn`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'v', 1, "`void`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 's', 1, "*3\r\n`stopped``*``by ann`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'n', 1, "`no_limits`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'm', 1, "*2\r\n`limit_min``1000`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'h', 1,
      "*4\r\n`limit_hour`:60\r\n`1000``900`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'f', 1, "*2\r\n`overflow``week`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'l', 1, "*3\r\n`bad_limit``day``1\n`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 't', 1, "*2\r\n`bad_total``KZT`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'e', 1, "`bad_entry`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'y', 1, "`bad_layout`" },
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 'a', 1, "*2\r\n`bad_argument``copy`" },

    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 'o', 1, "`noted accepted`" },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 'k', 1, "`kept unknown`" },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 'r', 1, "`released refused`" },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 'c', 1, "`counted accepted`" },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 'g', 1, "`gone`" },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 't', 1, "`bad_total`" },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 'a', 1, "`bad_argument code\x7f`" },

    { NGX_HTTP_GATE_SCRIPT_SETTLE, 'o', 9,
      "`forward``settled``accepted``success``100`````e1`:7\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 'r', 9,
      "`forward``settled``refused``success``100``recounted adjusted````e1`"
      ":7\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 'c', 9,
      "`forward``updated``accepted``partial``50``currency````e1`:7\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 'u', 9,
      "`forward``unknown``````0`````e1`:0\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 's', 9,
      "`streamed``again``success``success``100````1-1``e1`:7\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 'd', 9,
      "`duplicate`````````````e1`:0\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 'b', 9,
      "`busy```````````:1500\r\n`e1`:0\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 't', 9,
      "`stale``stale``success``success``100`````e1`:0\r\n" },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 'e', 9,
      "`bad```````````bad_entry``e1`:0\r\n" },

    { NGX_HTTP_GATE_SCRIPT_MARK, 'o', 1, "`ok`" },
    { NGX_HTTP_GATE_SCRIPT_MARK, 'l', 1, "`lost`" },

    { NGX_HTTP_GATE_SCRIPTS, '0', 0, "" },
    { NGX_HTTP_GATE_SCRIPTS, '+', 2, "`ok``ok`" },
    { NGX_HTTP_GATE_SCRIPTS, '(', 1, "*1\r\n*1\r\n`ok`" },
    { NGX_HTTP_GATE_SCRIPTS, ')', 1, "*0\r\n" },
    { NGX_HTTP_GATE_SCRIPTS, 'i', 1, ":1\r\n" },
    { NGX_HTTP_GATE_SCRIPTS, '$', 1, "$-1\r\n" },
    { NGX_HTTP_GATE_SCRIPTS, 'x', 1, "`okay`" }
};


/* what stands behind the verdicts, by script */

static const struct {
    ngx_http_gate_script_e      script;
    ngx_uint_t                  items;
    const char                 *text;
}  fuzz_rests[] = {
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 3, "`480000 19675``e1`:7\r\n" },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 2, "`e1`:8\r\n" }
};


/* in place of a whole reply */

static const struct {
    char                        letter;
    const char                 *text;
}  fuzz_errors[] = {
    { 'E', "-ERR Error running script\r\n" },
    { 'L', "-LOADING Redis is loading\r\n" },
    { 'N', "-NOSCRIPT No matching script\r\n" },
    { 'W', "-WRONGTYPE Operation against a key\r\n" },
    { 'Z', "*0\r\n" },
    { 'S', "+ok\r\n" }
};


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

    fuzz_turn(&run);

    for (i = 0; i < run.n; i++) {
        fuzz_outcome(&run, i, NGX_HTTP_GATE_RELEASE, 0);
    }

    world_turn(&run.world);
    world_exit(&run.world);
    fuzz_owed(&run);
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

    case 'Y':
        fuzz_answer(run, step);
        break;

    case 'X':
        world_close(&run->world);
        break;

    case 'p':
    case 'c':
    case 's':
    case 'a':
    case 'o':
        fuzz_asked(run, kind - 'a' + 'A', step);
        return;

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
        fuzz_asked(run, kind, step);
        break;
    }

    fuzz_turn(run);
}


/* what its handlers ask for has left at its end, too */

static void
fuzz_turn(fuzz_run_t *run)
{
    run->turns++;
    world_turn(&run->world);
    run->turns++;

    fuzz_orphans(run);
}


static void
fuzz_asked(fuzz_run_t *run, unsigned char kind, gate_str_t step)
{
    switch (kind) {

    case 'P':
        fuzz_payouts(run, step);
        break;

    case 'C':
    case 'S':
    case 'A':
        fuzz_callback(run, kind, fuzz_digit(step, 0));
        break;

    case 'O':
        fuzz_outcome(run, 10 * fuzz_digit(step, 0) + fuzz_digit(step, 1),
                     fuzz_digit(step, 2), fuzz_digit(step, 3));
        break;

    default:
        break;
    }
}


/* the last letter is that of all that follow */

static void
fuzz_answer(fuzz_run_t *run, gate_str_t letters)
{
    u_char        *p, *start, *verdicts;
    size_t         at;
    ngx_uint_t     i, k, n, items;
    gate_str_t     text;
    heard_t       *heard;
    heard_call_t  *call;

    heard = &run->world.heard;

    start = malloc(64 * 1024);
    verdicts = malloc(32 * 1024);
    fuzz_must(start != NULL && verdicts != NULL, "there is memory");

    at = 0;
    n = heard->n;

    for (i = heard->first; i < n; i++) {
        call = &heard->calls[i];

        if (call->answered) {
            continue;
        }

        call->answered = 1;
        text.data = start;
        text.len = fuzz_error(at < letters.len ? letters.data[at] : 'o',
                              start);

        if (text.len != 0) {
            at += (at + 1 < letters.len);
            world_say(&run->world, text, 0);
            continue;
        }

        p = verdicts;
        items = 0;

        for (k = 0; k < call->members; k++) {
            items += fuzz_verdict(call->script,
                                  at < letters.len ? letters.data[at] : 'o',
                                  &p);
            at += (at + 1 < letters.len);
        }

        for (k = 0; k < sizeof(fuzz_rests) / sizeof(fuzz_rests[0]); k++) {
            if (fuzz_rests[k].script == call->script) {
                items += fuzz_rests[k].items;
                p = ngx_sprintf(p, "%s", fuzz_rests[k].text);
            }
        }

        p = ngx_sprintf(start, "*%ui\r\n%*s`%*s`", items + 1,
                        (size_t) (p - verdicts), verdicts,
                        (size_t) call->name->len, call->name->str);
        text.len = p - start;

        world_say(&run->world, text, 0);
        world_hear(&run->world);
    }

    free(start);
    free(verdicts);
}


static ngx_uint_t
fuzz_verdict(ngx_http_gate_script_e script, char letter, u_char **p)
{
    ngx_uint_t             i;
    const fuzz_verdict_t  *verdict, *usual;

    usual = NULL;

    for (i = 0; i < sizeof(fuzz_verdicts) / sizeof(fuzz_verdicts[0]); i++) {
        verdict = &fuzz_verdicts[i];

        if (verdict->script != script
            && verdict->script != NGX_HTTP_GATE_SCRIPTS)
        {
            continue;
        }

        if (usual == NULL) {
            usual = verdict;
        }

        if (verdict->letter == letter) {
            usual = verdict;
            break;
        }
    }

    *p = ngx_sprintf(*p, "%s", usual->text);

    return usual->items;
}


static size_t
fuzz_error(char letter, u_char *text)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(fuzz_errors) / sizeof(fuzz_errors[0]); i++) {
        if (fuzz_errors[i].letter == letter) {
            return ngx_sprintf(text, "%s", fuzz_errors[i].text) - text;
        }
    }

    return 0;
}


static fuzz_call_t *
fuzz_call(fuzz_run_t *run)
{
    fuzz_call_t  *call;

    if (run->n == FUZZ_CALLS) {
        return NULL;
    }

    call = &run->calls[run->n];

    call->run = run;
    call->world = &run->world;
    call->turn = run->turns;
    call->id.data = call->text;
    call->id.len = ngx_sprintf(call->text, "p\n%ui", run->n) - call->text;

    return call;
}


static void
fuzz_payouts(fuzz_run_t *run, gate_str_t step)
{
    ngx_uint_t  n;

    for (n = 1 << (fuzz_digit(step, 1) % 8); n != 0; n--) {
        fuzz_payout(run, fuzz_digit(step, 0), fuzz_digit(step, 2));
    }
}


static void
fuzz_payout(fuzz_run_t *run, ngx_uint_t kind, ngx_uint_t eager)
{
    fuzz_call_t              *call;
    ngx_http_gate_reserve_t   payout;

    call = fuzz_call(run);

    if (call == NULL) {
        return;
    }

    call->payout = 1;
    call->eager = eager;

    ngx_memzero(&payout, sizeof(ngx_http_gate_reserve_t));

    ngx_str_set(&payout.project_id, "1234");
    payout.payment_id = call->id;
    payout.currency.data = (u_char *) (kind & 2 ? "EUR" : "KZT");
    payout.currency.len = 3;
    payout.amount = 100;
    payout.endpoint = "mobile";
    payout.dry_run = kind & 1;
    payout.allow = (kind & 4) != 0;
    ngx_memset(payout.digest, 'd', NGX_HTTP_GATE_DIGEST_HEX);

    if (kind & 8) {
        ngx_str_set(&payout.project_id, "77");
    }

    run->n++;

    fuzz_must(ngx_http_gate_reserve(run->world.ledger, &payout, fuzz_decided,
                                    call, &call->copy)
              == NGX_OK, "there is memory");
}


static void
fuzz_callback(fuzz_run_t *run, unsigned char kind, ngx_uint_t what)
{
    ngx_int_t               rc;
    fuzz_call_t            *call;
    gate_callback_t         facts;
    ngx_http_gate_settle_t  callback;

    ngx_memzero(&facts, sizeof(gate_callback_t));
    ngx_memzero(&callback, sizeof(ngx_http_gate_settle_t));

    facts.payment_id.data = (u_char *) "p\n";
    facts.payment_id.len = 2;
    facts.status_text.data = (u_char *) "success";
    facts.status_text.len = 7;
    facts.status = GATE_STATUS_SUCCESS;
    facts.amount = 100;
    facts.paid = GATE_NO_AMOUNT;
    facts.paid_total = GATE_NO_AMOUNT;
    facts.payout = 1;

    if (what & 8) {
        facts.noperations = 1;
        facts.operations[0].status = GATE_STATUS_SUCCESS;
        facts.operations[0].size = 100;
        facts.operations[0].paid = 100;
        facts.operations[0].payout = 1;
    }

    ngx_str_set(&callback.project_id, "1234");
    callback.callback = &facts;
    ngx_memset(callback.digest, 'c', NGX_HTTP_GATE_DIGEST_HEX);
    callback.ttl = (what & 4) ? 0 : 1000;
    callback.unread = what & 1;
    callback.complete = what & 2;
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

    facts.payment_id = call->id;
    run->n++;

    rc = ngx_http_gate_settle(run->world.ledger, &callback, fuzz_settled, call,
                              &call->delivery);

    fuzz_must(rc != NGX_ERROR && call->delivery != NULL, "there is memory");
}


static void
fuzz_decided(ngx_http_gate_decision_t *decision, void *data)
{
    fuzz_call_t *call = data;

    fuzz_must(call->copy != NULL && !call->answered,
              "a payout is decided once, and while it waits");
    fuzz_must(decision->verdict <= NGX_HTTP_GATE_VERDICT_UNAVAILABLE,
              "a verdict is one");

    call->answered = 1;

    fuzz_text(&decision->word, call->world);
    fuzz_text(&decision->limit, call->world);
    fuzz_text(&decision->detail, call->world);

    switch (decision->verdict) {

    case NGX_HTTP_GATE_VERDICT_COUNTED:
        fuzz_must(fuzz_is(&decision->word, "ok")
                  || fuzz_is(&decision->word, "repeat"),
                  "a payout is let through by a word");
        call->counted = 1;
        break;

    case NGX_HTTP_GATE_VERDICT_REFUSED:
        fuzz_must(!fuzz_is(&decision->word, "ok")
                  && !fuzz_is(&decision->word, "repeat"),
                  "a payout that is counted is not refused");
        call->refused = 1;
        ngx_http_gate_reserve_complain(call->copy, decision);
        break;

    default:
        fuzz_must(decision->word.len == 0 && decision->wait == 0,
                  "no reply, no word");
        fuzz_failed(call, NGX_HTTP_GATE_SCRIPT_RESERVE);
        break;
    }

    if (decision->verdict != NGX_HTTP_GATE_VERDICT_UNAVAILABLE) {
        fuzz_believed(call, NGX_HTTP_GATE_SCRIPT_RESERVE,
                      decision->word.data, decision->word.len);
    }

    if (call->eager == 9) {
        fuzz_payout(call->run, 0, 0);

    } else if (call->eager != 0) {
        fuzz_outcome(call->run, call - ((fuzz_run_t *) call->run)->calls,
                     call->eager - 1, 0);
    }
}


static void
fuzz_settled(ngx_http_gate_settlement_t *settlement, void *data)
{
    fuzz_call_t *call = data;

    ngx_str_t  id = ngx_string("p1"), project = ngx_string("1234");

    static ngx_str_t  words[] = {
#define FUZZ_WORD(name, word, result)  ngx_string(word),
        NGX_HTTP_GATE_SETTLE_TABLE(FUZZ_WORD)
#undef FUZZ_WORD
    };

    fuzz_must(call->delivery != NULL && !call->answered,
              "a callback is settled once, and while it waits");
    fuzz_must(settlement->verdict < NGX_HTTP_GATE_SETTLE_VERDICTS
              && settlement->ledger < NGX_HTTP_GATE_SETTLEMENTS,
              "a verdict is one");
    fuzz_must(settlement->wait >= 0, "nobody waits until before");

    call->answered = 1;

    if (settlement->verdict != NGX_HTTP_GATE_SETTLE_UNAVAILABLE) {
        fuzz_believed(call, NGX_HTTP_GATE_SCRIPT_SETTLE,
                      words[settlement->verdict].data,
                      words[settlement->verdict].len);
    }

    fuzz_text(&settlement->from, call->world);
    fuzz_text(&settlement->to, call->world);
    fuzz_text(&settlement->counted, call->world);
    fuzz_text(&settlement->notes, call->world);
    fuzz_text(&settlement->bad, call->world);

    /* as for a request that was there */

    ngx_http_gate_settle_log(call->world->cycle.log, &id, &project,
                             settlement);
}


/* Redis has said it in a reply to this call, at the place of this member */

static void
fuzz_believed(fuzz_call_t *call, ngx_http_gate_script_e script,
    const u_char *word, size_t len)
{
    ngx_uint_t     place;
    heard_call_t  *heard;

    world_hear(call->world);

    place = 0;
    heard = heard_find(&call->world->heard, script, call->id, &place);

    fuzz_must(heard != NULL, "a verdict is of a call that has left");
    fuzz_must(heard_word(&call->world->heard, heard, place, word, len),
              "a verdict is Redis' own, for this member");
    fuzz_must(!heard->failed, "all members fail, or none");

    heard->believed = 1;
}


static void
fuzz_failed(fuzz_call_t *call, ngx_http_gate_script_e script)
{
    ngx_uint_t     place;
    heard_call_t  *heard;

    world_hear(call->world);

    heard = heard_find(&call->world->heard, script, call->id, &place);

    if (heard != NULL) {
        fuzz_must(!heard->believed, "all members fail, or none");
        heard->failed = 1;
    }
}


static int
fuzz_is(ngx_str_t *word, const char *text)
{
    return word->len == ngx_strlen(text)
           && ngx_memcmp(word->data, text, word->len) == 0;
}


/* all of it was said by Redis */

static void
fuzz_text(ngx_str_t *text, world_t *world)
{
    fuzz_must(text->len == 0
              || memmem(world->heard.told, world->heard.told_len, text->data,
                        text->len)
                 != NULL, "no text of our own");
}


static void
fuzz_outcome(fuzz_run_t *run, ngx_uint_t which, ngx_uint_t what,
    ngx_uint_t code)
{
    fuzz_call_t               *call;
    ngx_http_gate_copy_t      *copy;
    ngx_http_gate_delivery_t  *delivery;

    static ngx_str_t  codes[] = {
        ngx_string("3104"),
        ngx_string(""),
        ngx_string("31 04"),
        ngx_string("3104310431043104")
    };

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
        call->reported = 1;
        call->owed = call->counted;
        call->orphan = !call->answered;
        call->gone = call->orphan && call->turn == run->turns;

        ngx_http_gate_report(copy, call->counted
                                   ? what % NGX_HTTP_GATE_OUTCOMES
                                   : NGX_HTTP_GATE_RELEASE,
                             &codes[code % 4]);
    }

    if (delivery != NULL) {

        if (what & 2) {
            ngx_http_gate_settle_later(delivery);
        }

        ngx_http_gate_delivery_end(delivery, call->answered ? what & 1 : 0);
    }
}


/*
 * Of a payout whose request is gone, Redis must be told if it has counted it;
 * an error may have stood for that, or for another.
 */

static void
fuzz_orphans(fuzz_run_t *run)
{
    ngx_uint_t     i, place;
    fuzz_call_t   *call;
    heard_call_t  *heard;

    if (heard_error(&run->world.heard)) {
        return;
    }

    for (i = 0; i < run->n; i++) {
        call = &run->calls[i];

        if (!call->orphan || call->owed) {
            continue;
        }

        heard = heard_find(&run->world.heard, NGX_HTTP_GATE_SCRIPT_RESERVE,
                           call->id, &place);

        call->owed = heard != NULL
                     && heard_word(&run->world.heard, heard, place,
                                   (u_char *) "ok", 2);
    }
}


/* told, or kept to be told; and nothing is told of what was never counted */

static void
fuzz_owed(fuzz_run_t *run)
{
    ngx_uint_t             i, place, told;
    ngx_queue_t           *q, *pending;
    fuzz_call_t           *call;
    ngx_http_gate_note_t  *note;

    pending = &run->world.ledger->pending;

    for (i = 0; i < run->n; i++) {
        call = &run->calls[i];

        if (!call->payout) {
            continue;
        }

        told = heard_find(&run->world.heard, NGX_HTTP_GATE_SCRIPT_OUTCOME,
                          call->id, &place)
               != NULL;

        for (q = ngx_queue_head(pending); q != ngx_queue_sentinel(pending);
             q = ngx_queue_next(q))
        {
            note = ngx_queue_data(q, ngx_http_gate_note_t, queue);

            told |= note->key.len > call->id.len
                    && ngx_memcmp(note->key.data + note->key.len
                                  - call->id.len, call->id.data, call->id.len)
                       == 0;
        }

        fuzz_must(!call->owed || told, "what was counted is told of");
        fuzz_must(!call->refused || !told, "what was refused is not");

        if (call->gone) {
            fuzz_must(!told
                      && heard_find(&run->world.heard,
                                    NGX_HTTP_GATE_SCRIPT_RESERVE, call->id,
                                    &place)
                         == NULL, "what left in time was never asked");
        }
    }
}


static ngx_uint_t
fuzz_digit(gate_str_t step, size_t i)
{
    return (i < step.len && step.data[i] >= '0' && step.data[i] <= '9')
           ? (ngx_uint_t) (step.data[i] - '0') : 0;
}
