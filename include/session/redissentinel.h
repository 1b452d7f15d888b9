/* session/redissentinel.h - asks all sentinels at once which Redis is the master now.
 *
 * The answer is the one most of them give: a sentinel that is cut off from the others goes on
 * naming an old master. Once one has answered the others have REDIS_SENTINEL_WAIT_MS.
 */
#ifndef SESSION_REDISSENTINEL_H
#define SESSION_REDISSENTINEL_H

#include "session/redislink.h"
#include "session/resolver.h"

#define REDIS_SENTINEL_WAIT_MS 500

/* Borrowed while the question is open. */
struct redis_sentinels {
    const struct redis_place *places;
    size_t count; /* 0: there are none */
    const char *master;
    bool tls; /* as the Redis itself */
    const struct redis_login *login;
    struct resolver *resolver; /* NULL: places are addresses */
};

struct redis_inquiry;
/* `done` comes once, in an event: the place, or NULL and why. The inquiry is over then. */
typedef void redis_master_fn(void *arg, const struct redis_place *master, const char *why);
struct redis_inquiry *redis_inquiry_open(struct loop *l, const struct redis_sentinels *s,
                                         redis_master_fn *done, void *arg);
/* `done` does not come. */
void redis_inquiry_close(struct redis_inquiry *q);

#endif
