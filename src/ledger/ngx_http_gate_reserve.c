
/*
 * Copyright (C) nginx-gate authors
 *
 * Reserving a payout, and telling what became of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_reserve.h"


/* Gate's codes are short digits; another word is of no use to an operator */

#define NGX_HTTP_GATE_CODE_MAX  15

/* of what an operator typed, in a log line */

#define NGX_HTTP_GATE_WORD_MAX  48


typedef enum {
    NGX_HTTP_GATE_COPY_WAITS = 0,   /* for the reply of reserve */
    NGX_HTTP_GATE_COPY_COUNTED,     /* or it may be */
    NGX_HTTP_GATE_COPY_REPORTED
} ngx_http_gate_copy_state_e;


struct ngx_http_gate_copy_s {
    ngx_http_gate_note_t          note;       /* of its outcome, in the end */
    ngx_http_gate_redis_op_t     *op;         /* of reserve */
    ngx_http_gate_reserve_pt      handler;
    void                         *data;
    ngx_http_gate_copy_state_e    state;
    ngx_str_t                     project_id;
    ngx_str_t                     currency;
    u_char                        token[NGX_HTTP_GATE_TOKEN_MAX];
    u_char                        code[NGX_HTTP_GATE_CODE_MAX];
};


static ngx_http_gate_copy_t *ngx_http_gate_copy_create(
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_reserve_t *payout);
static void ngx_http_gate_reserve_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);
static void ngx_http_gate_reserve_orphan(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);
static ngx_uint_t ngx_http_gate_reserve_counted(
    ngx_http_gate_redis_status_e status, ngx_http_gate_decision_t *decision);
static void ngx_http_gate_reserve_decide(ngx_http_gate_redis_status_e status,
    redisReply *reply, ngx_http_gate_decision_t *decision);
static ngx_uint_t ngx_http_gate_reserve_counts(ngx_str_t *word);


#define NGX_HTTP_GATE_OUTCOME_WORD(name, word)  ngx_string(word),

static ngx_str_t  ngx_http_gate_outcome_words[] = {
    NGX_HTTP_GATE_OUTCOME_TABLE(NGX_HTTP_GATE_OUTCOME_WORD)
};

#undef NGX_HTTP_GATE_OUTCOME_WORD


ngx_int_t
ngx_http_gate_reserve(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_reserve_t *payout, ngx_http_gate_reserve_pt handler,
    void *data, ngx_http_gate_copy_t **waits)
{
    u_char                               limits[NGX_HTTP_GATE_KEY_MAX];
    u_char                               amount[NGX_INT64_LEN];
    ngx_str_t                            argv[11];
    ngx_http_gate_copy_t                *copy;
    const ngx_http_gate_redis_script_t  *script;

    *waits = NULL;

    copy = ngx_http_gate_copy_create(ledger, payout);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    copy->handler = handler;
    copy->data = data;

    /* limits are those of a dry run, too */

    (void) ngx_http_gate_ledger_key(ledger, NGX_HTTP_GATE_KIND_LIMITS, 0,
                                    &payout->project_id,
                                    (u_char *) payout->currency.data,
                                    payout->currency.len, limits, &argv[0]);

    argv[1] = copy->note.argv[0];
    argv[2] = copy->note.argv[1];

    argv[3].data = amount;
    argv[3].len = ngx_sprintf(amount, "%L", payout->amount) - amount;
    argv[4].data = (u_char *) payout->currency.data;
    argv[4].len = payout->currency.len;
    argv[5].data = payout->digest;
    argv[5].len = NGX_HTTP_GATE_DIGEST_HEX;
    argv[6].data = (u_char *) payout->endpoint;
    argv[6].len = ngx_strlen(payout->endpoint);
    argv[7] = copy->note.argv[2];
    argv[8] = ledger->offset;

    if (payout->allow) {
        ngx_str_set(&argv[9], "allow");

    } else {
        ngx_str_set(&argv[9], "deny");
    }

    argv[10] = ledger->ttl;

    script = ngx_http_gate_ledger_script(NGX_HTTP_GATE_SCRIPT_RESERVE);

    copy->op = ngx_http_gate_redis_eval(ledger->redis, script, 3, 11, argv,
                                        ngx_http_gate_reserve_done, copy);

    if (copy->op == NULL) {
        ngx_free(copy);
        return NGX_DECLINED;
    }

    *waits = copy;

    return NGX_OK;
}


/* with all that its outcome will need, so that telling it cannot fail */

static ngx_http_gate_copy_t *
ngx_http_gate_copy_create(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_reserve_t *payout)
{
    u_char                *p;
    ngx_http_gate_copy_t  *copy;
    ngx_http_gate_note_t  *note;

    copy = ngx_alloc(sizeof(ngx_http_gate_copy_t) + 2 * NGX_HTTP_GATE_KEY_MAX
                     + payout->payment_id.len + payout->currency.len,
                     ngx_cycle->log);
    if (copy == NULL) {
        return NULL;
    }

    copy->op = NULL;
    copy->state = NGX_HTTP_GATE_COPY_WAITS;
    copy->project_id = payout->project_id;

    note = &copy->note;

    note->ledger = ledger;
    note->script = ngx_http_gate_ledger_script(NGX_HTTP_GATE_SCRIPT_OUTCOME);
    note->nkeys = 2;
    note->argc = 6;
    note->handler = NULL;

    p = (u_char *) copy + sizeof(ngx_http_gate_copy_t);

    p = ngx_http_gate_ledger_key(ledger, NGX_HTTP_GATE_KIND_ENTRY,
                                 payout->dry_run, &payout->project_id,
                                 (u_char *) payout->payment_id.data,
                                 payout->payment_id.len, p, &note->argv[0]);

    p = ngx_http_gate_ledger_key(ledger, NGX_HTTP_GATE_KIND_USED,
                                 payout->dry_run, &payout->project_id,
                                 NULL, 0, p, &note->argv[1]);

    copy->currency.data = p;
    copy->currency.len = payout->currency.len;
    ngx_memcpy(p, payout->currency.data, payout->currency.len);

    ngx_http_gate_ledger_token(ledger, copy->token, &note->argv[2]);

    note->argv[5] = ledger->ttl;

    return copy;
}


static void
ngx_http_gate_reserve_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_copy_t *copy = data;

    ngx_http_gate_decision_t  decision;

    copy->op = NULL;

    ngx_http_gate_reserve_decide(status, reply, &decision);

    if (ngx_http_gate_reserve_counted(status, &decision)) {
        copy->state = NGX_HTTP_GATE_COPY_COUNTED;

    } else {
        copy->state = NGX_HTTP_GATE_COPY_REPORTED;
    }

    copy->handler(&decision, copy->data);
}


/* the request is gone: whatever was reserved for it never leaves */

static void
ngx_http_gate_reserve_orphan(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_copy_t *copy = data;

    ngx_http_gate_decision_t  decision;

    ngx_http_gate_reserve_decide(status, reply, &decision);

    if (!ngx_http_gate_reserve_counted(status, &decision)) {
        ngx_free(copy);
        return;
    }

    copy->state = NGX_HTTP_GATE_COPY_COUNTED;
    ngx_http_gate_report(copy, NGX_HTTP_GATE_RELEASE, NULL);
}


/* whether the copy is in Redis, or may be */

static ngx_uint_t
ngx_http_gate_reserve_counted(ngx_http_gate_redis_status_e status,
    ngx_http_gate_decision_t *decision)
{
    switch (status) {

    case NGX_HTTP_GATE_REDIS_OK:
        return decision->verdict == NGX_HTTP_GATE_VERDICT_COUNTED;

    case NGX_HTTP_GATE_REDIS_UNAVAILABLE:
    case NGX_HTTP_GATE_REDIS_NOT_SENT:
        return 0;

    default:
        return 1;
    }
}


static void
ngx_http_gate_reserve_decide(ngx_http_gate_redis_status_e status,
    redisReply *reply, ngx_http_gate_decision_t *decision)
{
    ngx_uint_t  n;

    ngx_memzero(decision, sizeof(ngx_http_gate_decision_t));

    if (status != NGX_HTTP_GATE_REDIS_OK) {
        decision->verdict = NGX_HTTP_GATE_VERDICT_UNAVAILABLE;
        return;
    }

    decision->word = ngx_http_gate_redis_string(reply, 0);

    if (ngx_http_gate_reserve_counts(&decision->word)) {
        decision->verdict = NGX_HTTP_GATE_VERDICT_COUNTED;
        return;
    }

    decision->verdict = NGX_HTTP_GATE_VERDICT_REFUSED;

    n = 1;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > 1
        && reply->element[1]->type == REDIS_REPLY_INTEGER)
    {
        decision->wait = (time_t) reply->element[1]->integer;
        n = 2;
    }

    decision->limit = ngx_http_gate_redis_string(reply, n);
    decision->detail = ngx_http_gate_redis_string(reply, n + 1);
}


static ngx_uint_t
ngx_http_gate_reserve_counts(ngx_str_t *word)
{
    return (word->len == 2 && ngx_memcmp(word->data, "ok", 2) == 0)
           || (word->len == 6 && ngx_memcmp(word->data, "repeat", 6) == 0);
}


/* as the script says it: "bad_limit", field and value */

void
ngx_http_gate_reserve_complain(ngx_http_gate_copy_t *copy,
    ngx_http_gate_decision_t *decision)
{
    u_char                   text[3][NGX_HTTP_GATE_WORD_MAX];
    ngx_str_t                word[3];
    ngx_uint_t               n;
    ngx_http_gate_ledger_t  *ledger;

    ledger = copy->note.ledger;

    if (ledger->complained == ngx_time()) {
        return;
    }

    ledger->complained = ngx_time();

    word[0] = decision->word;
    word[1] = decision->limit;
    word[2] = decision->detail;

    for (n = 0; n < 3; n++) {
        word[n].len = gate_safe(text[n], NGX_HTTP_GATE_WORD_MAX,
                                word[n].data, word[n].len);
        word[n].data = text[n];
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "limits of project %V for %V in redis cannot be used, its "
                  "payouts are refused: %V \"%V\" \"%V\"",
                  &copy->project_id, &copy->currency,
                  &word[0], &word[1], &word[2]);
}


void
ngx_http_gate_report(ngx_http_gate_copy_t *copy,
    ngx_http_gate_outcome_e outcome, ngx_str_t *code)
{
    ngx_http_gate_redis_op_t  *op;

    if (copy->state == NGX_HTTP_GATE_COPY_WAITS) {
        op = copy->op;
        copy->op = NULL;

        if (ngx_http_gate_redis_detach(op, ngx_http_gate_reserve_orphan, copy)
            == NGX_DECLINED)
        {
            ngx_free(copy);
        }

        return;
    }

    if (copy->state == NGX_HTTP_GATE_COPY_REPORTED) {
        ngx_free(copy);
        return;
    }

    copy->state = NGX_HTTP_GATE_COPY_REPORTED;

    copy->note.argv[3] = ngx_http_gate_outcome_words[outcome];
    copy->note.argv[4].data = copy->code;
    copy->note.argv[4].len = 0;

    if (code != NULL && code->len > 0
        && code->len <= NGX_HTTP_GATE_CODE_MAX)
    {
        copy->note.argv[4].len = code->len;
        ngx_memcpy(copy->code, code->data, code->len);
    }

    ngx_http_gate_note_send(&copy->note);
}
