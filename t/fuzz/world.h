
/*
 * Copyright (C) nginx-gate authors
 *
 * A small world for the files that need nginx: its own strings, pools, timers
 * and trees, events that the target turns by hand, and a Redis whose every
 * byte comes from the input.
 */


#ifndef _WORLD_H_INCLUDED_
#define _WORLD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>

#include "ngx_http_gate_batch.h"
#include "ngx_http_gate_note.h"

#include "fuzz.h"
#include "heard.h"


#define WORLD_PREFIX  "gate"


/* the names of calls, copies and deliveries begin with it */

#define WORLD_NAME    "3031323334353637"


typedef struct {
    ngx_pool_t                  *pool;
    ngx_cycle_t                  cycle;
    ngx_http_gate_redis_conf_t   conf;
    ngx_http_gate_ledger_t      *ledger;

    int                          peer;      /* Redis' end, or -1 */
    heard_t                      heard;
} world_t;


/*
 * A worker that has begun to connect.  Nothing is left of the one before.
 */
void world_create(world_t *world);

/*
 * The worker exits.
 */
void world_exit(world_t *world);

/*
 * All that it owned must be given back.
 */
void world_destroy(world_t *world);

/*
 * Events are handled until nothing happens any more.
 */
void world_turn(world_t *world);

/*
 * Redis hears what has been sent to it so far.
 */
void world_hear(world_t *world);

/*
 * Redis says it, in one piece or byte by byte; "@" and a digit become the name
 * of that call, as the last item of a reply has it, and "`word`" a string.
 */
void world_say(world_t *world, gate_str_t text, int bytewise);

/*
 * Redis answers the greeting as it should.
 */
void world_greet(world_t *world);

/*
 * Redis closes the connection.
 */
void world_close(world_t *world);

void world_pass(world_t *world, ngx_msec_t msec);


#endif /* _WORLD_H_INCLUDED_ */
