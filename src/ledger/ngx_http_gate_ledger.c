
/*
 * Copyright (C) nginx-gate authors
 *
 * Scripts, names of keys, and names of what asks.
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <unistd.h>

#define NGX_HTTP_GATE_SCRIPTS_TEXT
#include "ngx_http_gate_ledger.h"


static u_char *ngx_http_gate_ledger_word(uint64_t n, ngx_uint_t digits,
    u_char *p);


typedef struct {
    ngx_str_t   word;
    ngx_uint_t  dry;
    ngx_uint_t  last;
} ngx_http_gate_kind_t;


#define NGX_HTTP_GATE_KIND_ROW(name, word, dry, last)                         \
    { ngx_string(word), dry, last },

static ngx_http_gate_kind_t  ngx_http_gate_kinds[] = {
    NGX_HTTP_GATE_KIND_TABLE(NGX_HTTP_GATE_KIND_ROW)
};

#undef NGX_HTTP_GATE_KIND_ROW


void
ngx_http_gate_ledger_scripts(ngx_http_gate_redis_conf_t *rcf)
{
    rcf->scripts = ngx_http_gate_scripts;
    rcf->nscripts = NGX_HTTP_GATE_SCRIPTS;
}


const ngx_http_gate_redis_script_t *
ngx_http_gate_ledger_script(ngx_http_gate_script_e script)
{
    return &ngx_http_gate_scripts[script];
}


ngx_http_gate_ledger_t *
ngx_http_gate_ledger_create(ngx_cycle_t *cycle,
    ngx_http_gate_redis_conf_t *rcf, ngx_int_t offset, time_t ttl)
{
    uint64_t                 random;
    ngx_http_gate_ledger_t  *ledger;

    ledger = ngx_pcalloc(cycle->pool, sizeof(ngx_http_gate_ledger_t));
    if (ledger == NULL) {
        return NULL;
    }

    /* a report under a name given twice would be taken for another copy's */

    if (getentropy(&random, sizeof(random)) != 0) {
        ngx_log_error(NGX_LOG_ALERT, cycle->log, ngx_errno,
                      "getentropy() failed");
        return NULL;
    }

    (void) ngx_http_gate_ledger_word(random, NGX_HTTP_GATE_WORKER_LEN,
                                     ledger->name);

    ngx_log_error(NGX_LOG_INFO, cycle->log, 0,
                  "copies of payouts of this worker have names with \"%*s\"",
                  sizeof(ledger->name), ledger->name);

    ledger->redis = rcf->redis;
    ledger->prefix = rcf->prefix;

    ledger->ttl.data = ledger->numbers[0];
    ledger->ttl.len = ngx_sprintf(ledger->ttl.data, "%T", ttl)
                      - ledger->ttl.data;
    ledger->offset.data = ledger->numbers[1];
    ledger->offset.len = ngx_sprintf(ledger->offset.data, "%i", offset)
                         - ledger->offset.data;

    return ledger;
}


u_char *
ngx_http_gate_ledger_key(ngx_http_gate_ledger_t *ledger,
    ngx_http_gate_kind_e kind, ngx_uint_t dry, ngx_str_t *project_id,
    u_char *last, size_t len, u_char *buf, ngx_str_t *key)
{
    u_char                *p;
    ngx_http_gate_kind_t  *row;

    row = &ngx_http_gate_kinds[kind];

    p = ngx_cpymem(buf, ledger->prefix.data, ledger->prefix.len);
    *p++ = ':';

    if (dry && row->dry) {
        p = ngx_cpymem(p, "dry:", 4);
    }

    p = ngx_cpymem(p, row->word.data, row->word.len);
    *p++ = ':';
    *p++ = '{';
    p = ngx_cpymem(p, project_id->data, project_id->len);
    *p++ = '}';

    if (row->last) {
        *p++ = ':';

        if (len) {
            p = ngx_cpymem(p, last, len);
        }
    }

    key->data = buf;
    key->len = p - buf;

    return p;
}


void
ngx_http_gate_ledger_token(ngx_http_gate_ledger_t *ledger, u_char *buf,
    ngx_str_t *token)
{
    u_char  *p;

    p = ngx_cpymem(buf, ledger->name, sizeof(ledger->name));
    *p++ = '-';

    token->data = buf;
    token->len = ngx_http_gate_ledger_word(++ledger->tokens, 0, p) - buf;
}


/* the last so many digits of a number, 0 for all that it has */

static u_char *
ngx_http_gate_ledger_word(uint64_t n, ngx_uint_t digits, u_char *p)
{
    uint64_t    rest;
    ngx_uint_t  i;

    static u_char  names[] = "0123456789abcdefghijklmnopqrstuvwxyz";

    if (digits == 0) {
        rest = n;

        do {
            digits++;
            rest /= NGX_HTTP_GATE_BASE;
        } while (rest);
    }

    for (i = digits; i; i--) {
        p[i - 1] = names[n % NGX_HTTP_GATE_BASE];
        n /= NGX_HTTP_GATE_BASE;
    }

    return p + digits;
}


ngx_str_t
ngx_http_gate_redis_string(redisReply *reply, size_t n)
{
    ngx_str_t  s;

    if (reply->type == REDIS_REPLY_ARRAY && reply->elements > n
        && reply->element[n]->type == REDIS_REPLY_STRING)
    {
        s.data = (u_char *) reply->element[n]->str;
        s.len = reply->element[n]->len;
        return s;
    }

    ngx_str_null(&s);

    return s;
}
