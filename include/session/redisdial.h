/* session/redisdial.h - finds the Redis that keeps the table, and connects to it twice.
 *
 * While nothing is open it begins one attempt each second, beside those still under way (at most
 * REDIS_ATTEMPTS_MAX): a server that hangs must not keep us from one that is back. An attempt asks
 * all sentinels, if there are some, dials two connections to one place (calls, and renewals, which
 * must not wait behind them), logs in, and looks whether this is a Redis that may keep the table:
 * master, nothing evicted, enough replicas, the keys' slot its own (MOVED is followed). The first
 * that passes stays, the others are closed.
 */
#ifndef SESSION_REDISDIAL_H
#define SESSION_REDISDIAL_H

#include "session/redissentinel.h"
#include "session/scripts.h"

#define REDIS_ATTEMPTS_MAX  8
#define REDIS_DIAL_EVERY_MS 1000
#define REDIS_ATTEMPT_MS    8000 /* so the number of attempts is never in the way of a new one */
#define REDIS_SHA_BYTES     41
#define REDIS_RUN_ID_BYTES  41

/* Borrowed, outlives the dialler. */
struct redis_dial_options {
    const struct redis_place
        *places; /* seeds, at least one; not dialled where there are sentinels */
    size_t place_count;
    struct redis_sentinels sentinels;
    const char *probe_key; /* any key of the table */
    unsigned wait_replicas;
    struct redis_login login;  /* sentinels.login points here */
    struct resolver *resolver; /* NULL: places are addresses */
};

/* What an attempt ends with. */
struct redis_pair {
    struct redis_link *work;
    struct redis_link *renew;
    struct addr addr; /* of both, unless the place is a Unix socket */
    char run_id[REDIS_RUN_ID_BYTES];
    char sha[SCRIPT_COUNT][REDIS_SHA_BYTES];
};

struct redis_dial_events {
    /* Takes both links: redis_link_give. The dialler rests. */
    void (*open)(void *arg, const struct redis_pair *p);
    /* One attempt failed; the next follows. */
    void (*failed)(void *arg, const char *why);
};

struct redis_dial;
struct redis_dial *redis_dial_new(struct loop *l, const struct redis_dial_options *o,
                                  const struct redis_dial_events *events, void *arg);
void redis_dial_free(struct redis_dial *d);
/* The first attempt begins at once, or a second after the last one began. */
void redis_dial_start(struct redis_dial *d);
/* Where the next attempt goes, from the text of a MOVED. False: it names none. */
bool redis_dial_follow(struct redis_dial *d, const struct redis_place *from, struct slice moved);

#endif
