
/*
 * Copyright (C) nginx-gate authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_http_gate_batch.h"

#include "heard.h"


/* of a reply: more than that is let in by nobody */

#define HEARD_ITEMS  4096


/*
 * What a script takes and gives: keys and arguments of all, arguments of each
 * member, and items behind the verdicts, without the name.  each is 0 where
 * there are no members; then keys and items are the least of them.
 */

typedef struct {
    ngx_http_gate_script_e   script;
    ngx_uint_t               keys;
    ngx_uint_t               args;
    ngx_uint_t               each;
    ngx_uint_t               rest;
} heard_shape_t;


static void heard_command(heard_t *heard, ngx_http_gate_redis_conf_t *conf,
    redisReply *command);
static void heard_members(heard_call_t *call, ngx_uint_t nargs);
static const heard_shape_t *heard_shape(ngx_http_gate_script_e script);
static int heard_is(redisReply *item, const void *data, size_t len);
static redisReader *heard_said(heard_t *heard);
static redisReader *heard_reader(const void *data, size_t len);
#if (HIREDIS_MAJOR >= 1)
static void *heard_some(const redisReadTask *task, size_t items);
#else
static void *heard_some(const redisReadTask *task, int items);
#endif


static redisReplyObjectFunctions   heard_objects;
#if (HIREDIS_MAJOR >= 1)
static void                     *(*heard_array)(const redisReadTask *, size_t);
#else
static void                     *(*heard_array)(const redisReadTask *, int);
#endif


static const heard_shape_t  heard_shapes[] = {
    { NGX_HTTP_GATE_SCRIPT_RESERVE, 5, 4, 4, 3 },
    { NGX_HTTP_GATE_SCRIPT_OUTCOME, 3, 2, 5, 2 },
    { NGX_HTTP_GATE_SCRIPT_SETTLE, 9, 15, 0, 0 },
    { NGX_HTTP_GATE_SCRIPT_MARK, 2, 3, 0, 0 },
    { NGX_HTTP_GATE_SCRIPT_STATUS, 4, 2, 0, 0 }
};


void
heard_connection(heard_t *heard)
{
    if (heard->reader != NULL) {
        redisReaderFree(heard->reader);
    }

    heard->reader = heard_reader(NULL, 0);
    heard->first = heard->n;
    heard->told_from = heard->told_len;
}


void
heard_asked(heard_t *heard, ngx_http_gate_redis_conf_t *conf,
    const char *data, size_t len)
{
    void  *command;

    fuzz_must(heard->reader != NULL
              && redisReaderFeed(heard->reader, data, len) == REDIS_OK,
              "there is memory");

    for ( ;; ) {
        fuzz_must(redisReaderGetReply(heard->reader, &command) == REDIS_OK,
                  "what is asked can be read");

        if (command == NULL) {
            return;
        }

        heard_command(heard, conf, command);
    }
}


static void
heard_command(heard_t *heard, ngx_http_gate_redis_conf_t *conf,
    redisReply *command)
{
    ngx_uint_t     i;
    heard_call_t  *call;

    fuzz_must(command->type == REDIS_REPLY_ARRAY && command->elements != 0,
              "what is asked is a list");

    for (i = 0; i < command->elements; i++) {
        fuzz_must(command->element[i]->type == REDIS_REPLY_STRING,
                  "of strings");
    }

    if (!heard_is(command->element[0], "EVALSHA", 7)) {
        freeReplyObject(command);
        return;
    }

    heard->calls = realloc(heard->calls,
                           (heard->n + 1) * sizeof(heard_call_t));
    fuzz_must(heard->calls != NULL && command->elements > 3,
              "a call has a script and keys");

    call = &heard->calls[heard->n++];
    ngx_memzero(call, sizeof(heard_call_t));

    for (i = 0; i < conf->nscripts; i++) {
        if (heard_is(command->element[1], conf->scripts[i].sha1.data,
                     conf->scripts[i].sha1.len))
        {
            break;
        }
    }

    fuzz_must(i < conf->nscripts, "a script is ours");

    call->command = command;
    call->script = i;
    call->nkeys = atoi(command->element[2]->str);

    fuzz_must(call->nkeys != 0 && call->nkeys < command->elements - 3,
              "a call has keys and a name");

    call->keys = &command->element[3];
    call->name = call->keys[call->nkeys];
    call->args = &call->keys[call->nkeys + 1];

    heard_members(call, command->elements - 4 - call->nkeys);
}


static void
heard_members(heard_call_t *call, ngx_uint_t nargs)
{
    const heard_shape_t  *shape;

    shape = heard_shape(call->script);

    if (shape->each == 0) {
        call->members = 1;
        call->entries = call->keys;

        fuzz_must(call->nkeys >= shape->keys && nargs == shape->args,
                  "a call has the arguments of its script");
        return;
    }

    fuzz_must(call->nkeys > shape->keys, "a batch has a member");

    call->members = call->nkeys - shape->keys;
    call->entries = &call->keys[shape->keys];

    fuzz_must(call->members <= NGX_HTTP_GATE_BATCH_MAX
              && nargs == shape->args + shape->each * call->members,
              "a batch has the arguments of its members");
}


static const heard_shape_t *
heard_shape(ngx_http_gate_script_e script)
{
    ngx_uint_t  i;

    for (i = 0; i < sizeof(heard_shapes) / sizeof(heard_shapes[0]); i++) {
        if (heard_shapes[i].script == script) {
            return &heard_shapes[i];
        }
    }

    fuzz_must(0, "each script has a shape");

    return NULL;
}


void
heard_told(heard_t *heard, const unsigned char *data, size_t len)
{
    if (len == 0) {
        return;
    }

    heard->told = realloc(heard->told, heard->told_len + len);
    fuzz_must(heard->told != NULL, "there is memory");

    ngx_memcpy(heard->told + heard->told_len, data, len);
    heard->told_len += len;
}


void
heard_free(heard_t *heard)
{
    ngx_uint_t  i;

    for (i = 0; i < heard->n; i++) {
        freeReplyObject(heard->calls[i].command);
    }

    if (heard->reader != NULL) {
        redisReaderFree(heard->reader);
    }

    free(heard->calls);
    free(heard->told);
}


heard_call_t *
heard_find(heard_t *heard, ngx_http_gate_script_e script, gate_str_t id,
    ngx_uint_t *place)
{
    ngx_uint_t     i, n;
    redisReply    *key;
    heard_call_t  *call;

    for (n = heard->n; n-- != 0; /* void */ ) {
        call = &heard->calls[n];

        if (call->script != script) {
            continue;
        }

        for (i = 0; i < call->members; i++) {
            key = (script == NGX_HTTP_GATE_SCRIPT_SETTLE) ? call->keys[8]
                                                          : call->entries[i];

            if (key->len > id.len
                && ngx_memcmp(key->str + key->len - id.len, id.data, id.len)
                   == 0
                && key->str[key->len - id.len - 1] == ':')
            {
                *place = i;
                return call;
            }
        }
    }

    return NULL;
}


int
heard_word(heard_t *heard, heard_call_t *call, ngx_uint_t place,
    const u_char *word, size_t len)
{
    int                   found;
    void                 *data;
    redisReply           *reply, *item;
    redisReader          *reader;
    const heard_shape_t  *shape;

    found = 0;
    shape = heard_shape(call->script);
    reader = heard_said(heard);

    while (!found && redisReaderGetReply(reader, &data) == REDIS_OK
           && data != NULL)
    {
        reply = data;

        if (reply->type == REDIS_REPLY_ARRAY && reply->elements > place + 1
            && heard_is(reply->element[reply->elements - 1], call->name->str,
                        call->name->len)
            && (shape->each == 0
                || reply->elements == call->members + shape->rest + 1))
        {
            item = reply->element[place];

            if (item->type == REDIS_REPLY_ARRAY && item->elements != 0) {
                item = item->element[0];
            }

            found = heard_is(item, word, len);
        }

        freeReplyObject(reply);
    }

    redisReaderFree(reader);

    return found;
}


int
heard_error(heard_t *heard)
{
    int           found;
    void         *data;
    redisReader  *reader;

    found = 0;
    reader = heard_said(heard);

    while (!found && redisReaderGetReply(reader, &data) == REDIS_OK
           && data != NULL)
    {
        found = (((redisReply *) data)->type == REDIS_REPLY_ERROR);
        freeReplyObject(data);
    }

    redisReaderFree(reader);

    return found;
}


static int
heard_is(redisReply *item, const void *data, size_t len)
{
    return item->type == REDIS_REPLY_STRING && (size_t) item->len == len
           && ngx_memcmp(item->str, data, len) == 0;
}


/* in this connection */

static redisReader *
heard_said(heard_t *heard)
{
    size_t  len;

    len = heard->told_len - heard->told_from;

    return heard_reader(len ? heard->told + heard->told_from : NULL, len);
}


static redisReader *
heard_reader(const void *data, size_t len)
{
    redisReader  *reader;

    reader = redisReaderCreate();
    fuzz_must(reader != NULL, "there is memory");

    heard_objects = *reader->fn;
    heard_array = heard_objects.createArray;
    heard_objects.createArray = heard_some;
    reader->fn = &heard_objects;

    if (len != 0) {
        fuzz_must(redisReaderFeed(reader, data, len) == REDIS_OK,
                  "there is memory");
    }

    return reader;
}


/* memory is asked for by length, before items are there */

static void *
#if (HIREDIS_MAJOR >= 1)
heard_some(const redisReadTask *task, size_t items)
#else
heard_some(const redisReadTask *task, int items)
#endif
{
    return (items <= HEARD_ITEMS) ? heard_array(task, items) : NULL;
}
