
/*
 * Copyright (C) nginx-gate authors
 *
 * Preloaded into whatever exchanges messages with a measured worker: it polls
 * instead of sleeping.  To wake a sleeping process costs the worker much, and
 * the faster the worker is, the less they sleep; awake, they cost the same in
 * every round.
 */


#define _GNU_SOURCE

#include <sched.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <time.h>


static long long busy_now(void);


int
epoll_wait(int fd, struct epoll_event *events, int n, int timeout)
{
    int        ready;
    long long  start;

    start = busy_now();

    for ( ;; ) {
        ready = epoll_pwait(fd, events, n, 0, NULL);

        if (ready != 0
            || (timeout >= 0 && busy_now() - start >= timeout))
        {
            return ready;
        }

        (void) sched_yield();
    }
}


static long long
busy_now(void)
{
    struct timespec  now;

    (void) clock_gettime(CLOCK_MONOTONIC, &now);

    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}
