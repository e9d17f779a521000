
/*
 * Copyright (C) nginx-gate authors
 *
 * Calls of a script for several members.
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_batch.h"


#define NGX_HTTP_GATE_BATCH_ARGS  (2 * NGX_HTTP_GATE_BATCH_HEAD               \
                                   + NGX_HTTP_GATE_BATCH_MAX                  \
                                     * (1 + NGX_HTTP_GATE_BATCH_EACH))


struct ngx_http_gate_batch_s {
    ngx_queue_t                        queue;   /* until it leaves */
    ngx_http_gate_ledger_t            *ledger;
    const ngx_http_gate_batch_kind_t  *kind;
    ngx_http_gate_group_t              group;
    ngx_http_gate_redis_op_t          *op;      /* NULL: it has not left */
    ngx_queue_t                        members;
    ngx_uint_t                         n;       /* of members */
    ngx_uint_t                         waiting; /* that have not gone away */
};


static ngx_http_gate_batch_t *ngx_http_gate_batch_find(
    ngx_http_gate_ledger_t *ledger, const ngx_http_gate_batch_kind_t *kind,
    ngx_http_gate_group_t *group);
static ngx_uint_t ngx_http_gate_group_same(ngx_http_gate_group_t *one,
    ngx_http_gate_group_t *two);
static ngx_http_gate_batch_t *ngx_http_gate_batch_create(
    ngx_http_gate_ledger_t *ledger, const ngx_http_gate_batch_kind_t *kind,
    ngx_http_gate_group_t *group);
static void ngx_http_gate_batch_leave_handler(ngx_event_t *ev);
static void ngx_http_gate_batch_send(ngx_http_gate_batch_t *batch);
static void ngx_http_gate_batch_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data);
static ngx_uint_t ngx_http_gate_batch_believes(ngx_http_gate_batch_t *batch,
    redisReply *reply);


void
ngx_http_gate_batch_init(ngx_http_gate_ledger_t *ledger)
{
    ngx_queue_init(&ledger->batches);

    ledger->leave.handler = ngx_http_gate_batch_leave_handler;
    ledger->leave.data = ledger;
    ledger->leave.log = ngx_cycle->log;
}


void
ngx_http_gate_batch_exit(ngx_http_gate_ledger_t *ledger)
{
    if (ledger->leave.posted) {
        ngx_delete_posted_event(&ledger->leave);
    }

    ngx_http_gate_batch_leave_handler(&ledger->leave);
}


ngx_int_t
ngx_http_gate_batch_add(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_batch_kind_t *kind, ngx_http_gate_group_t *group,
    ngx_http_gate_member_t *member)
{
    ngx_http_gate_batch_t  *batch;

    batch = ngx_http_gate_batch_find(ledger, kind, group);

    if (batch == NULL) {
        batch = ngx_http_gate_batch_create(ledger, kind, group);
        if (batch == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_queue_insert_tail(&batch->members, &member->queue);
    member->batch = batch;

    batch->n++;
    batch->waiting++;

    return NGX_OK;
}


/* a full one waits for the end of the turn, too, and no more join it */

static ngx_http_gate_batch_t *
ngx_http_gate_batch_find(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_batch_kind_t *kind, ngx_http_gate_group_t *group)
{
    ngx_queue_t            *q;
    ngx_http_gate_batch_t  *batch;

    for (q = ngx_queue_last(&ledger->batches);
         q != ngx_queue_sentinel(&ledger->batches);
         q = ngx_queue_prev(q))
    {
        batch = ngx_queue_data(q, ngx_http_gate_batch_t, queue);

        if (batch->kind == kind && batch->n < NGX_HTTP_GATE_BATCH_MAX
            && ngx_http_gate_group_same(&batch->group, group))
        {
            return batch;
        }
    }

    return NULL;
}


static ngx_uint_t
ngx_http_gate_group_same(ngx_http_gate_group_t *one,
    ngx_http_gate_group_t *two)
{
    return one->dry == two->dry && one->allow == two->allow
           && ngx_memcmp(one->currency, two->currency, 3) == 0
           && one->project_id.len == two->project_id.len
           && ngx_memcmp(one->project_id.data, two->project_id.data,
                         two->project_id.len) == 0;
}


static ngx_http_gate_batch_t *
ngx_http_gate_batch_create(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_batch_kind_t *kind, ngx_http_gate_group_t *group)
{
    ngx_http_gate_batch_t  *batch;

    batch = ngx_alloc(sizeof(ngx_http_gate_batch_t), ngx_cycle->log);
    if (batch == NULL) {
        return NULL;
    }

    batch->ledger = ledger;
    batch->kind = kind;
    batch->group = *group;
    batch->op = NULL;
    batch->n = 0;
    batch->waiting = 0;

    ngx_queue_init(&batch->members);
    ngx_queue_insert_tail(&ledger->batches, &batch->queue);

    /* behind all that this turn has for us so far */

    ngx_post_event(&ledger->leave, &ngx_posted_events);

    return batch;
}


ngx_int_t
ngx_http_gate_batch_leave(ngx_http_gate_member_t *member,
    ngx_http_gate_member_pt handler)
{
    ngx_http_gate_batch_t  *batch;

    batch = member->batch;

    if (batch->op == NULL) {
        ngx_queue_remove(&member->queue);

        if (--batch->n == 0) {
            ngx_queue_remove(&batch->queue);
            ngx_free(batch);
            return NGX_DECLINED;
        }

        batch->waiting--;

        return NGX_DECLINED;
    }

    member->handler = handler;

    if (--batch->waiting == 0
        && ngx_http_gate_redis_detach(batch->op, ngx_http_gate_batch_done,
                                      batch)
           == NGX_DECLINED)
    {
        ngx_http_gate_batch_done(NGX_HTTP_GATE_REDIS_NOT_SENT, NULL, batch);
    }

    return NGX_OK;
}


static void
ngx_http_gate_batch_leave_handler(ngx_event_t *ev)
{
    ngx_http_gate_ledger_t *ledger = ev->data;

    ngx_queue_t            *q;
    ngx_http_gate_batch_t  *batch;

    while (!ngx_queue_empty(&ledger->batches)) {
        q = ngx_queue_head(&ledger->batches);
        ngx_queue_remove(q);

        batch = ngx_queue_data(q, ngx_http_gate_batch_t, queue);

        ngx_http_gate_batch_send(batch);
    }
}


static void
ngx_http_gate_batch_send(ngx_http_gate_batch_t *batch)
{
    ngx_str_t                           *arg, *key;
    ngx_str_t                            argv[NGX_HTTP_GATE_BATCH_ARGS];
    ngx_uint_t                           nkeys, size;
    ngx_queue_t                         *q;
    ngx_http_gate_head_t                 head;
    ngx_http_gate_member_t              *member;
    const ngx_http_gate_redis_script_t  *script;

    head.nkeys = 0;
    head.nargs = 0;

    batch->kind->head(batch->ledger, &batch->group, &head);

    nkeys = head.nkeys + batch->n;
    size = batch->kind->each * sizeof(ngx_str_t);

    ngx_memcpy(argv, head.keys, head.nkeys * sizeof(ngx_str_t));
    ngx_memcpy(&argv[nkeys], head.args, head.nargs * sizeof(ngx_str_t));

    key = &argv[head.nkeys];
    arg = &argv[nkeys + head.nargs];

    for (q = ngx_queue_head(&batch->members);
         q != ngx_queue_sentinel(&batch->members);
         q = ngx_queue_next(q))
    {
        member = ngx_queue_data(q, ngx_http_gate_member_t, queue);

        *key++ = member->key;
        ngx_memcpy(arg, member->argv, size);
        arg += batch->kind->each;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_EVENT, ngx_cycle->log, 0,
                   "gate batch of %ui", batch->n);

    script = ngx_http_gate_ledger_script(batch->kind->script);

    batch->op = ngx_http_gate_redis_eval(batch->ledger->redis, script, nkeys,
                                         arg - argv, argv,
                                         ngx_http_gate_batch_done, batch);

    if (batch->op == NULL) {
        ngx_http_gate_batch_done(NGX_HTTP_GATE_REDIS_NOT_SENT, NULL, batch);
    }
}


/* handlers may add members to other calls, and free their own */

static void
ngx_http_gate_batch_done(ngx_http_gate_redis_status_e status,
    redisReply *reply, void *data)
{
    ngx_http_gate_batch_t *batch = data;

    size_t                   i;
    ngx_queue_t             *q;
    ngx_http_gate_answer_t   answer;
    ngx_http_gate_member_t  *member;

    if (status == NGX_HTTP_GATE_REDIS_OK
        && !ngx_http_gate_batch_believes(batch, reply))
    {
        ngx_http_gate_redis_disbelieve(batch->ledger->redis);
        status = NGX_HTTP_GATE_REDIS_LOST;
    }

    answer.status = status;
    answer.reply = reply;
    answer.rest = NULL;

    for (i = 0; !ngx_queue_empty(&batch->members); i++) {
        q = ngx_queue_head(&batch->members);
        ngx_queue_remove(q);

        member = ngx_queue_data(q, ngx_http_gate_member_t, queue);

        if (status == NGX_HTTP_GATE_REDIS_OK) {
            answer.reply = reply->element[i];
            answer.rest = &reply->element[batch->n];
        }

        member->handler(member, &answer);
    }

    ngx_free(batch);
}


/* a verdict for each, and what the script has to say besides */

static ngx_uint_t
ngx_http_gate_batch_believes(ngx_http_gate_batch_t *batch, redisReply *reply)
{
    size_t       i, n;
    redisReply  *item;

    n = batch->n;

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != n + ngx_strlen(batch->kind->rest))
    {
        return 0;
    }

    for (i = 0; i < reply->elements; i++) {
        item = reply->element[i];

        if (i < n && item->type == REDIS_REPLY_ARRAY && item->elements) {
            item = item->element[0];
        }

        if (item->type != (i < n || batch->kind->rest[i - n] == 's'
                               ? REDIS_REPLY_STRING : REDIS_REPLY_INTEGER))
        {
            return 0;
        }
    }

    return 1;
}


void
ngx_http_gate_head_key(ngx_http_gate_head_t *head,
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_kind_e kind,
    ngx_http_gate_group_t *group)
{
    (void) ngx_http_gate_ledger_key(ledger, kind, group->dry,
                                    &group->project_id, group->currency,
                                    sizeof(group->currency),
                                    head->text[head->nkeys],
                                    &head->keys[head->nkeys]);

    head->nkeys++;
}
