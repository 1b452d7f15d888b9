/* session/redisrows.h - rows for people: what this node shows of itself in the table.
 *
 * Kept here as long as they are true, written in bundles when it is time, and all written again
 * when it is not known what the table has of them: a connection was lost, a write was refused, the
 * list was joined anew (which removes them), the table is another. What is there of components and
 * streams is removed before. So of what ended nothing need be remembered but what the table has.
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
    bool unknown;   /* what the table has: it goes first */
    bool refused;   /* something of this flush was not carried out */
    size_t pending; /* commands without an answer */
};

void redisrows_init(struct redisrows *r, struct loop *l);
void redisrows_fini(struct redisrows *r);
/* Empty `text`: it goes. */
void redisrows_put(struct redisrows *r, enum store_table table, struct slice key,
                   struct slice text);
/* What the table has of them is not known any more. */
void redisrows_renew(struct redisrows *r);
/* The same; and the commands under way will not be answered. */
void redisrows_lost(struct redisrows *r);
/* Calls what is due, unless the last flush is still unanswered: a slow table is not piled upon. */
void redisrows_flush(struct redisrows *r, const struct redis_table *t, uint64_t incarnation,
                     struct redis_link *k);

#endif
