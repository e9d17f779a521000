
/*
 * Copyright (C) nginx-gate authors
 *
 * Calls of a script for several members: what is given to Redis in one turn of
 * the event loop, and has the same project and more in common, leaves together
 * at the end of the turn.  Nothing waits for others to come.
 */


#ifndef _NGX_HTTP_GATE_BATCH_H_INCLUDED_
#define _NGX_HTTP_GATE_BATCH_H_INCLUDED_


#include "ngx_http_gate_ledger.h"


/* members of a call, as the scripts take them */

#define NGX_HTTP_GATE_BATCH_MAX   64

/* arguments of a member; keys, or arguments, that all have in common */

#define NGX_HTTP_GATE_BATCH_EACH  5
#define NGX_HTTP_GATE_BATCH_HEAD  5


typedef struct ngx_http_gate_batch_s   ngx_http_gate_batch_t;
typedef struct ngx_http_gate_member_s  ngx_http_gate_member_t;


/* what the members of a call have in common */

typedef struct {
    ngx_str_t                      project_id;  /* of a worker's life */
    u_char                         currency[3];
    unsigned                       dry:1;
    unsigned                       allow:1;
} ngx_http_gate_group_t;


/* the first keys and arguments of a call */

typedef struct {
    ngx_uint_t                     nkeys;
    ngx_uint_t                     nargs;
    ngx_str_t                      keys[NGX_HTTP_GATE_BATCH_HEAD];
    ngx_str_t                      args[NGX_HTTP_GATE_BATCH_HEAD];
    u_char                         text[NGX_HTTP_GATE_BATCH_HEAD]
                                       [NGX_HTTP_GATE_KEY_MAX];
} ngx_http_gate_head_t;


typedef struct {
    ngx_http_gate_script_e         script;
    ngx_uint_t                     each;        /* arguments of a member */

    /* types of the items behind the verdicts: "s" a string, "i" an integer */
    const char                    *rest;

    void                         (*head)(ngx_http_gate_ledger_t *ledger,
                                         ngx_http_gate_group_t *group,
                                         ngx_http_gate_head_t *head);
} ngx_http_gate_batch_kind_t;


/* valid during the call only */

typedef struct {
    ngx_http_gate_redis_status_e   status;
    redisReply                    *reply;       /* OK: the member's verdict, a
                                                   string, or a list that
                                                   begins with one */
    redisReply                   **rest;        /* OK only */
} ngx_http_gate_answer_t;


typedef void (*ngx_http_gate_member_pt)(ngx_http_gate_member_t *member,
    ngx_http_gate_answer_t *answer);


/* key and argv are set by the caller, and stay until the handler is called */

struct ngx_http_gate_member_s {
    ngx_queue_t                    queue;
    ngx_http_gate_batch_t         *batch;
    ngx_http_gate_member_pt        handler;
    ngx_str_t                      key;         /* of its entry */
    ngx_str_t                      argv[NGX_HTTP_GATE_BATCH_EACH];
};


void ngx_http_gate_batch_init(ngx_http_gate_ledger_t *ledger);

/*
 * The worker ends, and so does its last turn: after the connection's end, and
 * before that of the notes.
 */
void ngx_http_gate_batch_exit(ngx_http_gate_ledger_t *ledger);

/*
 * NGX_OK: the handler is called once, later, unless the member leaves before.
 * NGX_ERROR: no memory.
 */
ngx_int_t ngx_http_gate_batch_add(ngx_http_gate_ledger_t *ledger,
    const ngx_http_gate_batch_kind_t *kind, ngx_http_gate_group_t *group,
    ngx_http_gate_member_t *member);

/*
 * Its caller goes away.  NGX_DECLINED: it was not sent and will not be, no
 * handler is called.  NGX_OK: the call goes on, and this handler is called in
 * place of the former one; at once, if nobody waits for the call any more and
 * it has not left.
 */
ngx_int_t ngx_http_gate_batch_leave(ngx_http_gate_member_t *member,
    ngx_http_gate_member_pt handler);

/*
 * A key that all members have in common.
 */
void ngx_http_gate_head_key(ngx_http_gate_head_t *head,
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_kind_e kind,
    ngx_http_gate_group_t *group);


#endif /* _NGX_HTTP_GATE_BATCH_H_INCLUDED_ */
