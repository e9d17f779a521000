
/*
 * Copyright (C) nginx-gate authors
 */


#include <ngx_config.h>
#include <ngx_core.h>

#include <stdarg.h>

#include "world.h"


#define WORLD_CONNECTIONS  8

/* turns that a quiet world never needs */

#define WORLD_TURNS        100000


int __wrap_getentropy(void *buf, size_t len);

static void world_scripts(ngx_http_gate_redis_conf_t *conf);
static void world_listen(void);
static void world_unlink(void);
static void world_connections(ngx_cycle_t *cycle);
static ngx_int_t world_add(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t flags);
static ngx_int_t world_del(ngx_event_t *ev, ngx_int_t event,
    ngx_uint_t flags);
static void world_accept(world_t *world);
static gate_str_t world_names(gate_str_t text);
static ngx_uint_t world_events(ngx_cycle_t *cycle);
static ngx_uint_t world_readable(ngx_socket_t fd);


/* what nginx's files share that are not in this world */

volatile ngx_cycle_t       *ngx_cycle;
ngx_uint_t                  ngx_process = NGX_PROCESS_SINGLE;
ngx_uint_t                  ngx_exiting;
ngx_pid_t                   ngx_pid = 1;
ngx_event_actions_t         ngx_event_actions;
ngx_uint_t                  ngx_event_flags;
ngx_atomic_t               *ngx_connection_counter;
volatile ngx_time_t        *ngx_cached_time;
volatile ngx_msec_t         ngx_current_msec;


static ngx_log_t            world_log;
static ngx_time_t           world_time;
static ngx_atomic_t         world_counter;
static int                  world_listener = -1;
static char                 world_folder[] = P_tmpdir "/gate-fuzz.XXXXXX";
static char                 world_path[sizeof(world_folder) + 8];

static ngx_connection_t     world_conns[WORLD_CONNECTIONS];
static ngx_event_t          world_reads[WORLD_CONNECTIONS];
static ngx_event_t          world_writes[WORLD_CONNECTIONS];


void
world_create(world_t *world)
{
    ngx_memzero(world, sizeof(world_t));

    world_listen();

    world_log.log_level = NGX_LOG_INFO;
    world_time.sec = 1700000000;

    ngx_cached_time = &world_time;
    ngx_current_msec = 1000000;
    ngx_exiting = 0;
    ngx_pagesize = 4096;
    ngx_connection_counter = &world_counter;

    ngx_event_actions.add = world_add;
    ngx_event_actions.del = world_del;

    ngx_queue_init(&ngx_posted_events);
    (void) ngx_event_timer_init(&world_log);

    srandom(1);

    world->peer = -1;
    world->pool = ngx_create_pool(1024, &world_log);
    fuzz_must(world->pool != NULL, "there is memory");

    world->cycle.pool = world->pool;
    world->cycle.log = &world_log;
    world_connections(&world->cycle);

    ngx_cycle = &world->cycle;

    ngx_str_set(&world->conf.url, "unix:redis");
    ngx_str_set(&world->conf.prefix, WORLD_PREFIX);
    world->conf.path.data = (u_char *) world_path;
    world->conf.path.len = ngx_strlen(world_path);
    world->conf.timeout = 100;
    world->conf.connect_timeout = 100;
    world->conf.ping = 5000;
    ngx_str_set(&world->conf.password, "s3cret");
    world->conf.db = 2;

    world_scripts(&world->conf);

    fuzz_must(ngx_http_gate_redis_init_worker(&world->cycle, &world->conf)
              == NGX_OK, "a worker starts");

    world->ledger = ngx_http_gate_ledger_create(&world->cycle, &world->conf,
                                                0, 86400);
    fuzz_must(world->ledger != NULL, "a ledger is created");

    ngx_http_gate_batch_init(world->ledger);
    ngx_http_gate_note_init(world->ledger);

    world_turn(world);
}


void
world_exit(world_t *world)
{
    ngx_exiting = 1;

    ngx_http_gate_redis_exit_worker(&world->cycle, &world->conf);
    ngx_http_gate_batch_exit(world->ledger);
    ngx_http_gate_note_exit(world->ledger);

    fuzz_must(ngx_queue_empty(&world->ledger->batches),
              "each note is told or counted as one that was not");

    world_turn(world);
}


void
world_destroy(world_t *world)
{
    ngx_uint_t  i;

    /* what was not told is lost with the process: its memory is not freed */

    fuzz_must(world->ledger->flushed == 0, "no member is left behind");

    while (!ngx_queue_empty(&world->ledger->pending)) {
        ngx_queue_t  *q;

        q = ngx_queue_head(&world->ledger->pending);
        ngx_queue_remove(q);
        ngx_free(ngx_queue_data(q, ngx_http_gate_note_t, queue));
    }

    fuzz_must(ngx_http_gate_redis_stat(world->conf.redis)->in_flight == 0,
              "each command has ended");

    for (i = 0; i < WORLD_CONNECTIONS; i++) {
        fuzz_must(!world_reads[i].active && !world_writes[i].active,
                  "no event is left behind");
    }

    fuzz_must(world->cycle.free_connection_n == WORLD_CONNECTIONS,
              "no connection is left behind");

    world_close(world);
    ngx_destroy_pool(world->pool);
    heard_free(&world->heard);
}


/* their texts are long, and say nothing to a Redis that is none */

static void
world_scripts(ngx_http_gate_redis_conf_t *conf)
{
    ngx_uint_t                           i;
    static ngx_http_gate_redis_script_t  scripts[8];

    ngx_http_gate_ledger_scripts(conf);

    fuzz_must(conf->nscripts <= 8, "there are a few scripts");

    for (i = 0; i < conf->nscripts; i++) {
        scripts[i] = conf->scripts[i];
        scripts[i].text.len = 1;
    }

    conf->scripts = scripts;
}


static void
world_listen(void)
{
    struct sockaddr_un  addr;

    if (world_listener != -1) {
        return;
    }

    fuzz_must(mkdtemp(world_folder) != NULL, "there is a folder");
    (void) snprintf(world_path, sizeof(world_path), "%s/redis", world_folder);
    (void) atexit(world_unlink);

    ngx_memzero(&addr, sizeof(struct sockaddr_un));
    addr.sun_family = AF_UNIX;
    ngx_memcpy(addr.sun_path, world_path, ngx_strlen(world_path));

    world_listener = socket(AF_UNIX, SOCK_STREAM|SOCK_NONBLOCK, 0);

    fuzz_must(world_listener != -1
              && bind(world_listener, (struct sockaddr *) &addr, sizeof(addr))
                 == 0
              && listen(world_listener, 16) == 0, "there is a socket");
}


static void
world_unlink(void)
{
    (void) unlink(world_path);
    (void) rmdir(world_folder);
}


static void
world_connections(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    ngx_memzero(world_conns, sizeof(world_conns));
    ngx_memzero(world_reads, sizeof(world_reads));
    ngx_memzero(world_writes, sizeof(world_writes));

    cycle->connections = world_conns;
    cycle->connection_n = WORLD_CONNECTIONS;
    cycle->free_connection_n = WORLD_CONNECTIONS;

    for (i = WORLD_CONNECTIONS; i-- != 0; /* void */ ) {
        world_conns[i].data = cycle->free_connections;
        world_conns[i].read = &world_reads[i];
        world_conns[i].write = &world_writes[i];
        world_conns[i].fd = (ngx_socket_t) -1;
        cycle->free_connections = &world_conns[i];
    }
}


ngx_connection_t *
ngx_get_connection(ngx_socket_t s, ngx_log_t *log)
{
    ngx_cycle_t       *cycle;
    ngx_event_t       *rev, *wev;
    ngx_connection_t  *c;

    cycle = (ngx_cycle_t *) ngx_cycle;
    c = cycle->free_connections;

    if (c == NULL) {
        return NULL;
    }

    cycle->free_connections = c->data;
    cycle->free_connection_n--;

    rev = c->read;
    wev = c->write;

    ngx_memzero(c, sizeof(ngx_connection_t));
    ngx_memzero(rev, sizeof(ngx_event_t));
    ngx_memzero(wev, sizeof(ngx_event_t));

    c->read = rev;
    c->write = wev;
    c->fd = s;
    c->log = log;
    rev->data = c;
    wev->data = c;
    wev->write = 1;

    return c;
}


void
ngx_free_connection(ngx_connection_t *c)
{
    ngx_cycle_t  *cycle;

    fuzz_must(!c->read->active && !c->write->active && !c->read->posted
              && !c->write->posted, "a freed connection has no events");

    cycle = (ngx_cycle_t *) ngx_cycle;

    c->data = cycle->free_connections;
    cycle->free_connections = c;
    cycle->free_connection_n++;
}


static ngx_int_t
world_add(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    fuzz_must(flags == NGX_LEVEL_EVENT, "events are level-triggered");

    ev->active = 1;

    return NGX_OK;
}


static ngx_int_t
world_del(ngx_event_t *ev, ngx_int_t event, ngx_uint_t flags)
{
    ev->active = 0;

    return NGX_OK;
}


void
world_turn(world_t *world)
{
    ngx_uint_t  n, happened;

    for (n = 0; n < WORLD_TURNS; n++) {

        world_accept(world);

        happened = world_events(&world->cycle);

        if (!ngx_queue_empty(&ngx_posted_events)) {
            ngx_event_process_posted(&world->cycle, &ngx_posted_events);
            happened = 1;
        }

        if (!happened) {
            world_hear(world);
            return;
        }
    }

    fuzz_must(0, "the world comes to rest");
}


/* one connection at a time: a former one was closed, or will be */

static void
world_accept(world_t *world)
{
    int  fd;

    fd = accept4(world_listener, NULL, NULL, SOCK_NONBLOCK);

    if (fd == -1) {
        return;
    }

    world_close(world);
    world->peer = fd;
    heard_connection(&world->heard);
}


void
world_hear(world_t *world)
{
    ssize_t  n;
    char     buf[16384];

    while (world->peer != -1) {
        n = recv(world->peer, buf, sizeof(buf), 0);

        if (n <= 0) {
            return;
        }

        heard_asked(&world->heard, &world->conf, buf, n);
    }
}


static ngx_uint_t
world_events(ngx_cycle_t *cycle)
{
    ngx_uint_t         i, happened;
    ngx_connection_t  *c;

    happened = 0;

    for (i = 0; i < WORLD_CONNECTIONS; i++) {
        c = &world_conns[i];

        /* a handler frees the connection, and the next one may take it */

        if (c->write->active) {
            c->write->ready = 1;
            c->write->handler(c->write);
            happened = 1;
            continue;
        }

        if (c->read->active && world_readable(c->fd)) {
            c->read->ready = 1;
            c->read->handler(c->read);
            happened = 1;
        }
    }

    return happened;
}


static ngx_uint_t
world_readable(ngx_socket_t fd)
{
    char  ch;

    return recv(fd, &ch, 1, MSG_PEEK|MSG_DONTWAIT) != -1;
}


void
world_say(world_t *world, gate_str_t text, int bytewise)
{
    size_t  i, n;

    text = world_names(text);

    for (i = 0; i < text.len && world->peer != -1; i += n) {
        n = bytewise ? 1 : text.len;

        if (send(world->peer, text.data + i, n, MSG_NOSIGNAL) <= 0) {
            break;
        }

        heard_told(&world->heard, text.data + i, n);
        world_turn(world);
    }

    free((void *) text.data);
}


static gate_str_t
world_names(gate_str_t text)
{
    size_t      i;
    u_char     *p, *start, *end, *last;
    gate_str_t  named;

    p = malloc(32 * text.len + 1);
    fuzz_must(p != NULL, "there is memory");

    named.data = p;

    for (i = 0; i < text.len; i++) {

        if (text.data[i] == '@' && i + 1 < text.len
            && text.data[i + 1] >= '1' && text.data[i + 1] <= '9')
        {
            i++;
            p = ngx_sprintf(p, "$18\r\n" WORLD_NAME "-%c\r\n", text.data[i]);
            continue;
        }

        if (text.data[i] == '`') {
            start = (u_char *) text.data + i + 1;
            last = (u_char *) text.data + text.len;
            end = ngx_strlchr(start, last, '`');

            if (end != NULL) {
                p = ngx_sprintf(p, "$%uz\r\n%*s\r\n", end - start,
                                (size_t) (end - start), start);
                i += end - start + 1;
                continue;
            }
        }

        *p++ = text.data[i];
    }

    named.len = p - named.data;

    return named;
}


void
world_greet(world_t *world)
{
    u_char      *p;
    u_char       text[1024];
    ngx_uint_t   i;
    gate_str_t   str;

    /* scripts are loaded behind the greeting */

    str.data = (u_char *) "+OK\r\n+OK\r\n+PONG\r\n";
    str.len = 17;
    world_say(world, str, 0);

    p = text;

    for (i = 0; i < world->conf.nscripts; i++) {
        p = ngx_sprintf(p, "$40\r\n%V\r\n", &world->conf.scripts[i].sha1);
    }

    str.data = text;
    str.len = p - text;

    world_say(world, str, 0);
}


void
world_close(world_t *world)
{
    if (world->peer != -1) {
        world_hear(world);
        (void) close(world->peer);
        world->peer = -1;
    }
}


void
world_pass(world_t *world, ngx_msec_t msec)
{
    ngx_current_msec += msec;
    world_time.sec += msec / 1000 + 1;

    ngx_event_expire_timers();
    world_turn(world);
}


/* names of copies and deliveries are the same each time */

int
__wrap_getentropy(void *buf, size_t len)
{
    fuzz_must(len == 8, "a name has eight bytes");
    ngx_memcpy(buf, "01234567", 8);

    return 0;
}


/* whatever was received, a line of the log is one, and shows as text */

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    u_char   *p, *last, line[NGX_MAX_ERROR_STR];
    va_list   args;

    va_start(args, fmt);
    last = ngx_vslprintf(line, line + sizeof(line), fmt, args);
    va_end(args);

    for (p = line; p < last; p++) {
        fuzz_must(*p >= 0x20 && *p != 0x7f, "a log line has no controls");
        fuzz_must(*p != 0xc2 || p + 1 == last || p[1] < 0x80 || p[1] > 0x9f,
                  "nor those of C1");
    }
}


/* an address needs no names */

ngx_resolver_ctx_t *
ngx_resolve_start(ngx_resolver_t *r, ngx_resolver_ctx_t *temp)
{
    return NULL;
}


ngx_int_t
ngx_resolve_name(ngx_resolver_ctx_t *ctx)
{
    return NGX_ERROR;
}


void
ngx_resolve_name_done(ngx_resolver_ctx_t *ctx)
{
    fuzz_must(0, "no name is resolved");
}


char *
ngx_resolver_strerror(ngx_int_t err)
{
    return "";
}


size_t
ngx_sock_ntop(struct sockaddr *sa, socklen_t socklen, u_char *text,
    size_t len, ngx_uint_t port)
{
    return 0;
}
