
/*
 * Copyright (C) nginx-gate authors
 *
 * What a worker has asked of Redis, as Redis reads it, and what Redis has said
 * to it: all that a target believes of replies, it reads here by itself.
 */


#ifndef _HEARD_H_INCLUDED_
#define _HEARD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_ledger.h"

#include "fuzz.h"


/* a call of a script */

typedef struct {
    redisReply                  *command;
    ngx_http_gate_script_e       script;
    ngx_uint_t                   nkeys;
    redisReply                 **keys;
    redisReply                  *name;
    redisReply                 **args;      /* behind the name */
    ngx_uint_t                   members;   /* 1, where it has no batch */
    redisReply                 **entries;   /* keys of the members */

    unsigned                     answered:1;
    unsigned                     believed:1;
    unsigned                     failed:1;
} heard_call_t;


typedef struct {
    redisReader                 *reader;    /* of this connection */
    heard_call_t                *calls;
    ngx_uint_t                   n;
    ngx_uint_t                   first;     /* of this connection */

    unsigned char               *told;      /* by Redis, all of it */
    size_t                       told_len;
    size_t                       told_from; /* in this connection */
} heard_t;


void heard_connection(heard_t *heard);
void heard_asked(heard_t *heard, ngx_http_gate_redis_conf_t *conf,
    const char *data, size_t len);
void heard_told(heard_t *heard, const unsigned char *data, size_t len);
void heard_free(heard_t *heard);

/*
 * The last call of the script with an entry of that payment, and the place of
 * it, or NULL.
 */
heard_call_t *heard_find(heard_t *heard, ngx_http_gate_script_e script,
    gate_str_t id, ngx_uint_t *place);

/*
 * Whether Redis has said a reply to the call, of its shape, with that word in
 * that place.
 */
int heard_word(heard_t *heard, heard_call_t *call, ngx_uint_t place,
    const u_char *word, size_t len);

/*
 * Whether Redis has said an error in this connection.
 */
int heard_error(heard_t *heard);


#endif /* _HEARD_H_INCLUDED_ */
