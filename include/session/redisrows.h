/* session/redisrows.h - rows for people: what this node shows of itself in the table.
 *
 * Kept here as long as they are true, written in bundles when it is time, and written again when
 * this node joined the list anew: joining removes them.
 */
#ifndef SESSION_REDISROWS_H
#define SESSION_REDISROWS_H

#include "session/redislink.h"
#include "base/map.h"
#include "session/rediswords.h"

/* Fields of one HSET or HDEL, and of one flush: a node that joins with 100,000 streams must not
 * keep the Redis, and its renewals, busy. */
#define REDISROWS_BUNDLE    100
#define REDISROWS_FLUSH_MAX 2000

struct redisrows {
    struct map rows; /* of all tables; see redisrows.c */
    struct list dirty;
};

void redisrows_init(struct redisrows *r, struct loop *l);
void redisrows_fini(struct redisrows *r);
/* Empty `text`: it goes. */
void redisrows_put(struct redisrows *r, enum store_table table, struct slice key,
                   struct slice text);
/* All are to be written again. */
void redisrows_renew(struct redisrows *r);
/* Calls what is due; `done` gets the replies. */
void redisrows_flush(struct redisrows *r, const struct redis_table *t, uint64_t incarnation,
                     struct redis_link *k, redis_reply_fn *done, void *arg);

#endif
