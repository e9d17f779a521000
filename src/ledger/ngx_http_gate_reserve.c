
/*
 * Copyright (C) nginx-gate authors
 *
 * Reserving a payout, and telling what became of it.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_reserve.h"


/* Gate's codes are short digits; another word is of no use to an operator */

#define NGX_HTTP_GATE_CODE_MAX    15

/* of what an operator typed, or of a payment_id, in a log line */

#define NGX_HTTP_GATE_WORD_MAX    48
#define NGX_HTTP_GATE_ID_MAX      (4 * GATE_MAX_PAYMENT_ID)

/* an hour and a Monday, as reserve.lua tells them and outcome.lua wants them */

#define NGX_HTTP_GATE_WINDOW_MAX  24
#define NGX_HTTP_GATE_NO_WINDOW   "0 0"

/* for a service to send a payout again whose copies are all under way */

#define NGX_HTTP_GATE_BUSY_WAIT   1


typedef enum {
    NGX_HTTP_GATE_COPY_WAITS = 0,   /* for the reply of reserve */
    NGX_HTTP_GATE_COPY_COUNTED,     /* or it may be */
    NGX_HTTP_GATE_COPY_REPORTED
} ngx_http_gate_copy_state_e;


struct ngx_http_gate_copy_s {
    ngx_http_gate_note_t          note;       /* of its outcome, in the end */
    ngx_http_gate_member_t        member;     /* of a call that is under way */
    ngx_http_gate_group_t         group;
    ngx_http_gate_reserve_pt      handler;
    void                         *data;
    ngx_http_gate_copy_state_e    state;
    ngx_str_t                     payment_id; /* in the key of its entry */
    ngx_str_t                     payout;     /* amount, currency, endpoint,
                                                 window */
    ngx_str_t                     token;
    u_char                        name[NGX_HTTP_GATE_TOKEN_MAX];
    u_char                        digest[NGX_HTTP_GATE_DIGEST_HEX];
    u_char                        code[NGX_HTTP_GATE_CODE_MAX];
};


static ngx_http_gate_copy_t *ngx_http_gate_copy_create(
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_reserve_t *payout);
static void ngx_http_gate_copy_text(ngx_http_gate_copy_t *copy,
    ngx_http_gate_reserve_t *payout, u_char *p);
static void ngx_http_gate_copy_window(ngx_http_gate_copy_t *copy,
    ngx_http_gate_answer_t *answer);
static void ngx_http_gate_reserve_head(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_group_t *group, ngx_http_gate_head_t *head);
static void ngx_http_gate_reserve_done(ngx_http_gate_member_t *member,
    ngx_http_gate_answer_t *answer);
static void ngx_http_gate_reserve_orphan(ngx_http_gate_member_t *member,
    ngx_http_gate_answer_t *answer);
static ngx_uint_t ngx_http_gate_reserve_counted(
    ngx_http_gate_redis_status_e status, ngx_http_gate_decision_t *decision);
static void ngx_http_gate_reserve_decide(ngx_http_gate_answer_t *answer,
    ngx_http_gate_decision_t *decision);
static ngx_str_t ngx_http_gate_reserve_word(redisReply *reply);
static ngx_uint_t ngx_http_gate_word_is(ngx_str_t *word, const char *text);
static ngx_uint_t ngx_http_gate_report_takes(ngx_str_t *code);
static ngx_int_t ngx_http_gate_report_send(ngx_http_gate_note_t *note);
static void ngx_http_gate_report_head(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_group_t *group, ngx_http_gate_head_t *head);
static void ngx_http_gate_report_done(ngx_http_gate_member_t *member,
    ngx_http_gate_answer_t *answer);
static void ngx_http_gate_report_told(ngx_http_gate_note_t *note,
    redisReply *reply);
static char *ngx_http_gate_reserve_advice(ngx_str_t *word);


#define NGX_HTTP_GATE_OUTCOME_WORD(name, word)  ngx_string(word),

static ngx_str_t  ngx_http_gate_outcome_words[] = {
    NGX_HTTP_GATE_OUTCOME_TABLE(NGX_HTTP_GATE_OUTCOME_WORD)
};

#undef NGX_HTTP_GATE_OUTCOME_WORD


/* verdicts, window, era, number of the call */

static const ngx_http_gate_batch_kind_t  ngx_http_gate_reserve_kind = {
    NGX_HTTP_GATE_SCRIPT_RESERVE, 4, "ssi", ngx_http_gate_reserve_head
};


/* verdicts, era, number of the call */

static const ngx_http_gate_batch_kind_t  ngx_http_gate_report_kind = {
    NGX_HTTP_GATE_SCRIPT_OUTCOME, 5, "si", ngx_http_gate_report_head
};


ngx_int_t
ngx_http_gate_reserve(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_reserve_t *payout, ngx_http_gate_reserve_pt handler,
    void *data, ngx_http_gate_copy_t **waits)
{
    ngx_str_t             *argv;
    ngx_http_gate_copy_t  *copy;

    *waits = NULL;

    copy = ngx_http_gate_copy_create(ledger, payout);
    if (copy == NULL) {
        return NGX_ERROR;
    }

    copy->handler = handler;
    copy->data = data;

    copy->member.handler = ngx_http_gate_reserve_done;

    argv = copy->member.argv;

    argv[0].data = copy->payout.data;
    argv[0].len = ngx_strlchr(copy->payout.data,
                              copy->payout.data + copy->payout.len, ' ')
                  - copy->payout.data;
    argv[1].data = (u_char *) payout->endpoint;
    argv[1].len = ngx_strlen(payout->endpoint);
    argv[2].data = copy->digest;
    argv[2].len = NGX_HTTP_GATE_DIGEST_HEX;
    argv[3] = copy->token;

    if (ngx_http_gate_batch_add(ledger, &ngx_http_gate_reserve_kind,
                                &copy->group, &copy->member)
        != NGX_OK)
    {
        ngx_free(copy);
        return NGX_ERROR;
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

    copy = ngx_alloc(sizeof(ngx_http_gate_copy_t) + NGX_HTTP_GATE_KEY_MAX
                     + payout->payment_id.len + NGX_INT64_LEN
                     + payout->currency.len + ngx_strlen(payout->endpoint)
                     + NGX_HTTP_GATE_WINDOW_MAX + sizeof("   "),
                     ngx_cycle->log);
    if (copy == NULL) {
        return NULL;
    }

    copy->state = NGX_HTTP_GATE_COPY_WAITS;
    ngx_memcpy(copy->digest, payout->digest, NGX_HTTP_GATE_DIGEST_HEX);

    copy->group.project_id = payout->project_id;
    copy->group.dry = payout->dry_run;
    copy->group.allow = payout->allow;
    ngx_memcpy(copy->group.currency, payout->currency.data,
               sizeof(copy->group.currency));

    ngx_http_gate_ledger_token(ledger, copy->name, &copy->token);

    p = (u_char *) copy + sizeof(ngx_http_gate_copy_t);

    p = ngx_http_gate_ledger_key(ledger, NGX_HTTP_GATE_KIND_ENTRY,
                                 payout->dry_run, &payout->project_id,
                                 (u_char *) payout->payment_id.data,
                                 payout->payment_id.len, p,
                                 &copy->member.key);

    copy->payment_id.data = p - payout->payment_id.len;
    copy->payment_id.len = payout->payment_id.len;

    ngx_http_gate_copy_text(copy, payout, p);

    note = &copy->note;

    note->ledger = ledger;
    note->send = ngx_http_gate_report_send;
    note->handler = ngx_http_gate_report_told;
    note->script = ngx_http_gate_ledger_script(NGX_HTTP_GATE_SCRIPT_OUTCOME);
    note->key = copy->member.key;

    return copy;
}


/* the window goes behind it */

static void
ngx_http_gate_copy_text(ngx_http_gate_copy_t *copy,
    ngx_http_gate_reserve_t *payout, u_char *p)
{
    copy->payout.data = p;

    p = ngx_sprintf(p, "%L ", payout->amount);
    p = ngx_cpymem(p, payout->currency.data, payout->currency.len);
    p = ngx_sprintf(p, " %s " NGX_HTTP_GATE_NO_WINDOW, payout->endpoint);

    copy->payout.len = p - copy->payout.data;
}


/* other words than digits are none: where all is refused, nothing is told */

static void
ngx_http_gate_copy_window(ngx_http_gate_copy_t *copy,
    ngx_http_gate_answer_t *answer)
{
    u_char      *p;
    size_t       i, len;
    redisReply  *window;

    if (answer->status != NGX_HTTP_GATE_REDIS_OK) {
        return;
    }

    window = answer->rest[0];
    len = window->len;

    if (len == 0 || len > NGX_HTTP_GATE_WINDOW_MAX) {
        return;
    }

    for (i = 0; i < len; i++) {
        if (window->str[i] != ' '
            && (window->str[i] < '0' || window->str[i] > '9'))
        {
            return;
        }
    }

    p = copy->payout.data + copy->payout.len
        - (sizeof(NGX_HTTP_GATE_NO_WINDOW) - 1);
    p = ngx_cpymem(p, window->str, len);

    copy->payout.len = p - copy->payout.data;
}


/* limits, stops and eras are those of a dry run, too */

static void
ngx_http_gate_reserve_head(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_group_t *group, ngx_http_gate_head_t *head)
{
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_USED, group);
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_LIMITS, group);
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_STOP, group);
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_ERA, group);
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_OPEN, group);

    head->args[0].data = group->currency;
    head->args[0].len = sizeof(group->currency);
    head->args[1] = ledger->offset;

    if (group->allow) {
        ngx_str_set(&head->args[2], "allow");

    } else {
        ngx_str_set(&head->args[2], "deny");
    }

    head->args[3] = ledger->ttl;
    head->nargs = 4;
}


static void
ngx_http_gate_reserve_done(ngx_http_gate_member_t *member,
    ngx_http_gate_answer_t *answer)
{
    ngx_http_gate_copy_t      *copy;
    ngx_http_gate_decision_t   decision;

    copy = ngx_queue_data(member, ngx_http_gate_copy_t, member);

    ngx_http_gate_reserve_decide(answer, &decision);
    ngx_http_gate_copy_window(copy, answer);

    if (ngx_http_gate_reserve_counted(answer->status, &decision)) {
        copy->state = NGX_HTTP_GATE_COPY_COUNTED;

    } else {
        copy->state = NGX_HTTP_GATE_COPY_REPORTED;
    }

    copy->handler(&decision, copy->data);
}


/* the request is gone: whatever was reserved for it never leaves */

static void
ngx_http_gate_reserve_orphan(ngx_http_gate_member_t *member,
    ngx_http_gate_answer_t *answer)
{
    ngx_http_gate_copy_t      *copy;
    ngx_http_gate_decision_t   decision;

    copy = ngx_queue_data(member, ngx_http_gate_copy_t, member);

    ngx_http_gate_reserve_decide(answer, &decision);
    ngx_http_gate_copy_window(copy, answer);

    if (!ngx_http_gate_reserve_counted(answer->status, &decision)) {
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
ngx_http_gate_reserve_decide(ngx_http_gate_answer_t *answer,
    ngx_http_gate_decision_t *decision)
{
    ngx_uint_t   n;
    redisReply  *reply;

    ngx_memzero(decision, sizeof(ngx_http_gate_decision_t));

    if (answer->status != NGX_HTTP_GATE_REDIS_OK) {
        decision->verdict = NGX_HTTP_GATE_VERDICT_UNAVAILABLE;
        return;
    }

    reply = answer->reply;

    decision->word = ngx_http_gate_reserve_word(reply);

    if (ngx_http_gate_word_is(&decision->word, "ok")
        || ngx_http_gate_word_is(&decision->word, "repeat"))
    {
        decision->verdict = NGX_HTTP_GATE_VERDICT_COUNTED;
        return;
    }

    decision->verdict = NGX_HTTP_GATE_VERDICT_REFUSED;

    if (ngx_http_gate_word_is(&decision->word, "busy")) {
        decision->wait = NGX_HTTP_GATE_BUSY_WAIT;
    }

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


/* a verdict is a word, or a list that begins with one */

static ngx_str_t
ngx_http_gate_reserve_word(redisReply *reply)
{
    ngx_str_t  word;

    if (reply->type != REDIS_REPLY_STRING) {
        return ngx_http_gate_redis_string(reply, 0);
    }

    word.data = (u_char *) reply->str;
    word.len = reply->len;

    return word;
}


static ngx_uint_t
ngx_http_gate_word_is(ngx_str_t *word, const char *text)
{
    size_t  len;

    len = ngx_strlen(text);

    return word->len == len && ngx_memcmp(word->data, text, len) == 0;
}


void
ngx_http_gate_report(ngx_http_gate_copy_t *copy,
    ngx_http_gate_outcome_e outcome, ngx_str_t *code)
{
    ngx_str_t  *argv;

    if (copy->state == NGX_HTTP_GATE_COPY_WAITS) {

        /* the copy may be gone after it */

        if (ngx_http_gate_batch_leave(&copy->member,
                                      ngx_http_gate_reserve_orphan)
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

    argv = copy->member.argv;

    argv[0] = copy->token;
    argv[1] = ngx_http_gate_outcome_words[outcome];
    argv[2].data = copy->code;
    argv[2].len = 0;

    if (code != NULL && ngx_http_gate_report_takes(code)) {
        argv[2].len = code->len;
        ngx_memcpy(copy->code, code->data, code->len);
    }

    argv[3] = copy->payout;
    argv[4].data = copy->digest;
    argv[4].len = NGX_HTTP_GATE_DIGEST_HEX;

    ngx_http_gate_note_send(&copy->note);
}


/* with a code that outcome.lua does not take, it would take nothing */

static ngx_uint_t
ngx_http_gate_report_takes(ngx_str_t *code)
{
    size_t  i;

    for (i = 0; i < code->len; i++) {
        if (code->data[i] <= ' ' || code->data[i] >= 0x7f) {
            return 0;
        }
    }

    return code->len <= NGX_HTTP_GATE_CODE_MAX;
}


/* copies of all currencies are told together */

static ngx_int_t
ngx_http_gate_report_send(ngx_http_gate_note_t *note)
{
    ngx_http_gate_copy_t   *copy;
    ngx_http_gate_group_t   group;

    copy = (ngx_http_gate_copy_t *) note;

    group = copy->group;
    group.allow = 0;
    ngx_memzero(group.currency, sizeof(group.currency));

    copy->member.handler = ngx_http_gate_report_done;

    return ngx_http_gate_batch_add(note->ledger, &ngx_http_gate_report_kind,
                                   &group, &copy->member);
}


static void
ngx_http_gate_report_head(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_group_t *group, ngx_http_gate_head_t *head)
{
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_USED, group);
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_ERA, group);
    ngx_http_gate_head_key(head, ledger, NGX_HTTP_GATE_KIND_OPEN, group);

    head->args[0] = ledger->offset;
    head->args[1] = ledger->ttl;
    head->nargs = 2;
}


static void
ngx_http_gate_report_done(ngx_http_gate_member_t *member,
    ngx_http_gate_answer_t *answer)
{
    ngx_http_gate_copy_t  *copy;

    copy = ngx_queue_data(member, ngx_http_gate_copy_t, member);

    ngx_http_gate_note_done(&copy->note, answer->status, answer->reply);
}


/* "counted accepted": a word and the state of the entry */

static void
ngx_http_gate_report_told(ngx_http_gate_note_t *note, redisReply *reply)
{
    size_t                 id, len;
    u_char                 text[NGX_HTTP_GATE_WORD_MAX];
    u_char                 payment_id[NGX_HTTP_GATE_ID_MAX];
    ngx_str_t              word;
    ngx_uint_t             counted;
    ngx_http_gate_copy_t  *copy;

    word = ngx_http_gate_reserve_word(reply);
    counted = (ngx_strncmp(word.data, "counted", 7) == 0);

    if (!counted && ngx_strncmp(word.data, "bad_", 4) != 0) {
        return;
    }

    copy = (ngx_http_gate_copy_t *) note;

    id = gate_safe(payment_id, sizeof(payment_id), copy->payment_id.data,
                   copy->payment_id.len);
    len = gate_safe(text, sizeof(text), word.data, word.len);

    if (counted) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "payout \"%*s\" of project %V is counted again, limits "
                      "or not: a copy may be at Gate that was not counted any "
                      "more (%V, %*s)",
                      id, payment_id, &copy->group.project_id,
                      &copy->member.argv[1], len, text);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "redis could not note that payout \"%*s\" of project %V is "
                  "\"%V\": \"%*s\"; its amount stays as it is counted until a "
                  "callback or an operator settles it",
                  id, payment_id, &copy->group.project_id,
                  &copy->member.argv[1], len, text);
}


/*
 * As the script says it: "bad_limit", field and value; "stopped", a currency or
 * "*", and why.
 */

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

    if (ngx_http_gate_word_is(&decision->word, "stopped")) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "payouts of project %V in %*s are stopped by an "
                      "operator: who and why is in \"%V:stop:{%V}\" in redis",
                      &copy->group.project_id, sizeof(copy->group.currency),
                      copy->group.currency, &ledger->prefix,
                      &copy->group.project_id);
        return;
    }

    word[0] = decision->word;
    word[1] = decision->limit;
    word[2] = decision->detail;

    for (n = 0; n < 3; n++) {
        word[n].len = gate_safe(text[n], NGX_HTTP_GATE_WORD_MAX,
                                word[n].data, word[n].len);
        word[n].data = text[n];
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "limits of project %V for %*s in redis cannot be used, its "
                  "payouts are refused: %V \"%V\" \"%V\": %s",
                  &copy->group.project_id, sizeof(copy->group.currency),
                  copy->group.currency, &word[0], &word[1], &word[2],
                  ngx_http_gate_reserve_advice(&decision->word));
}


static char *
ngx_http_gate_reserve_advice(ngx_str_t *word)
{
    ngx_uint_t  i;

    static char  *advice[][2] = {
        { "bad_limit", "a limit is a number of minor units, or \"A until "
                       "SECONDS then B\"" },
        { "bad_total", "mend that field of the hash \"used\", which sums up "
                       "what entries count" },
        { "bad_entry", "mend the entry of that payout, others are not "
                       "concerned" },
        { "bad_layout", "another version has written this ledger: give each "
                        "layout a prefix or a database of its own" },
        { "overflow", "no total may pass 2^63-1" }
    };

    for (i = 0; i < sizeof(advice) / sizeof(advice[0]); i++) {
        if (ngx_http_gate_word_is(word, advice[i][0])) {
            return advice[i][1];
        }
    }

    return "the script and this module do not fit together";
}
