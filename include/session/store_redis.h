/* session/store_redis.h - the shared table: the scripts of session/scripts, in a Redis.
 *
 * Two connections, found and judged by session/redisdial: one for calls, one for renewals, which
 * must not wait behind them; a third listens to notices, and may break without harm. If one of the
 * first two breaks, or leaves a call unanswered for REDIS_ANSWER_MS, both are closed, every call
 * under way is lost, and the next two go by a higher number.
 *
 * An error that Redis answers instead of carrying out a call (busy, out of memory, too few
 * replicas, ...) loses that call alone; one that says that this is the wrong server (READONLY,
 * MOVED) breaks the connections. With `wait_replicas` a renewal counts as answered only when so
 * many replicas have it. state.why says in words what an operator can do.
 */
#ifndef SESSION_STORE_REDIS_H
#define SESSION_STORE_REDIS_H

#include "session/redisdial.h"
#include "session/store.h"

/* Texts and places are copied; the context is counted; the resolver is borrowed. */
struct store_redis_options {
    const char *node;
    const char *addr;                 /* of the mesh */
    const char *outage;               /* "degrade", "stop" */
    const char *prefix;               /* letters, digits, '-', '_' */
    const struct redis_place *places; /* seeds; at least one, also with sentinels (TLS or not) */
    size_t place_count;
    const struct redis_place *sentinels;
    size_t sentinel_count;
    const char *master;
    unsigned wait_replicas;
    const char *username;
    struct slice password;
    struct tls_context *tls;   /* for rediss:// */
    struct resolver *resolver; /* NULL: places are addresses */
};

struct store *store_redis_new(struct loop *l, const struct store_redis_options *o,
                              const struct store_events *events, void *arg);

#endif
