/* session/redislink.h - one connection to a Redis: TLS, login, calls answered in their order.
 *
 * Over loop/conn, so that the invented loop runs it. The protocol has no request numbers: replies
 * come in the order of calls, and a reply that cannot be read, or one that is missing for
 * REDIS_ANSWER_MS, ends the connection. What was called and not answered then is not answered any
 * more: its owner knows what he called, and that it broke.
 */
#ifndef SESSION_REDISLINK_H
#define SESSION_REDISLINK_H

#include "loop/conn.h"
#include "session/redisurl.h"
#include "wire/resp.h"

/* Past this a node's right to write may have ended: nothing that is answered later may count. */
#define REDIS_ANSWER_MS 6000
/* A server's own words in ours. */
#define REDIS_WHY_BYTES 320

struct redis_link;

/* Borrowed, outlives the link. */
struct redis_login {
    const char *username;    /* "": the default user */
    struct slice password;   /* empty: no login */
    struct tls_context *tls; /* for places with TLS */
};

/* None is called once the owner has closed. */
struct redis_link_handler {
    /* Published on a channel that was subscribed to. May be NULL. */
    void (*message)(void *arg, struct slice channel, struct slice text);
    /* The last call: it is gone. `why`: one line for an operator, begins with the place. */
    void (*broken)(void *arg, const char *why);
};

typedef void redis_reply_fn(void *arg, const struct resp *reply); /* borrowed */

/* `addr`: of place->host, not used for a Unix socket. An immediate failure is told by `broken`, in
 * an event, too. Copies `place`. */
struct redis_link *redis_link_open(struct loop *l, const struct redis_place *place,
                                   const struct addr *addr, const struct redis_login *login,
                                   const struct redis_link_handler *h, void *arg);
/* Another owner. */
void redis_link_give(struct redis_link *k, const struct redis_link_handler *h, void *arg);
/* Goes out as soon as we are in, behind earlier calls. `done` comes once, or `broken`. */
void redis_link_call(struct redis_link *k, const struct slice *words, size_t count,
                     redis_reply_fn *done, void *arg);
/* The owner hears nothing more; it may be inside one of the handlers. */
void redis_link_close(struct redis_link *k);
/* Breaks it as if the server had: for replies that make no sense, or a server that is no use any
 * more. `broken` comes later, in an event. */
void redis_link_break(struct redis_link *k, const char *problem);
const struct redis_place *redis_link_place(const struct redis_link *k);
/* The server's error as words that can be shown: bounded, no control characters. */
const char *redis_error_show(const struct resp *reply, char buf[REDIS_WHY_BYTES]);

#endif
