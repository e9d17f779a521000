
/*
 * Copyright (C) nginx-gate authors
 *
 * Notes: what must reach Redis sooner or later.  One may reach it more than
 * once.
 */


#ifndef _NGX_HTTP_GATE_NOTE_H_INCLUDED_
#define _NGX_HTTP_GATE_NOTE_H_INCLUDED_


#include "ngx_http_gate_ledger.h"


/* keys and arguments of a script together */

#define NGX_HTTP_GATE_ARGS_MAX  26


typedef struct ngx_http_gate_note_s  ngx_http_gate_note_t;


/*
 * The first member of what is allocated by ngx_alloc(), and freed here once
 * Redis has answered.
 */

struct ngx_http_gate_note_s {
    ngx_queue_t                           queue;
    ngx_http_gate_ledger_t               *ledger;

    /*
     * Gives it to Redis, and has ngx_http_gate_note_done() called later;
     * NGX_ERROR where this cannot be now.
     */
    ngx_int_t                           (*send)(ngx_http_gate_note_t *note);

    /* NULL, or called with the reply before the note is freed */
    void                                (*handler)(ngx_http_gate_note_t *note,
                                                   redisReply *reply);

    /* for logs */
    const ngx_http_gate_redis_script_t   *script;
    ngx_str_t                             key;

    unsigned                              kept:1;
};


/* a note that is a call of its own; the bytes of argv are freed with it */

typedef struct {
    ngx_http_gate_note_t                  note;
    ngx_uint_t                            nkeys;
    ngx_uint_t                            argc;
    ngx_str_t                             argv[NGX_HTTP_GATE_ARGS_MAX];
} ngx_http_gate_call_t;


void ngx_http_gate_note_init(ngx_http_gate_ledger_t *ledger);

/*
 * Says what could not be told to Redis before the worker ends.
 */
void ngx_http_gate_note_exit(ngx_http_gate_ledger_t *ledger);

/*
 * Tells Redis now, or as soon as it is back.  The note is not the caller's
 * after it.
 */
void ngx_http_gate_note_send(ngx_http_gate_note_t *note);

void ngx_http_gate_note_done(ngx_http_gate_note_t *note,
    ngx_http_gate_redis_status_e status, redisReply *reply);

/*
 * Makes a note of a call; argv is left to be set.
 */
void ngx_http_gate_call_init(ngx_http_gate_call_t *call,
    ngx_http_gate_ledger_t *ledger, ngx_http_gate_script_e script,
    ngx_uint_t nkeys, ngx_uint_t argc);


#endif /* _NGX_HTTP_GATE_NOTE_H_INCLUDED_ */
