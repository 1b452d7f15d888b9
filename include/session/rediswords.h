/* session/rediswords.h - what the scripts are given, and what they answer, as words. Pure.
 *
 * Keys, arguments and answers of each script stand at the top of its text (session/scripts). All
 * keys carry one hash tag, so that they share one slot of a Redis Cluster.
 */
#ifndef SESSION_REDISWORDS_H
#define SESSION_REDISWORDS_H

#include "session/scripts.h"
#include "session/store_private.h"
#include "wire/resp.h"

/* What one must agree on to share a table. */
#define REDIS_TABLE_FORMAT "1"

/* Who calls: the same in each call. Borrowed. */
struct redis_table {
    const char *prefix; /* letters, digits, '-', '_': no character that means something to SCAN */
    const char *node;
    const char *addr;
    const char *outage;
};

/* A command, with room for one word less: words[0], words[1] are EVALSHA and its digest. In the
 * arena it was made with. */
struct rediswords {
    enum script_id script;
    struct slice *words;
    size_t count;
};

/* "{fr}:NAME" or "{fr}:NAME:node". */
struct slice rediswords_key(const struct redis_table *t, struct arena *a, const char *name);
struct slice rediswords_node_key(const struct redis_table *t, struct arena *a, const char *name,
                                 struct slice node);

/* `run_id`: of the Redis that is asked; `new_epoch`: its number, should one begin. */
void rediswords_renew(const struct redis_table *t, struct arena *a, uint64_t connection,
                      const char *run_id, uint64_t new_epoch, const struct store_renew *r,
                      struct rediswords *ret_call);
void rediswords_batch(const struct redis_table *t, struct arena *a, uint64_t connection,
                      enum store_batch what, struct store_as as, const struct store_pair *pairs,
                      size_t count, struct rediswords *ret_call);
void rediswords_bury(const struct redis_table *t, struct arena *a, uint64_t connection,
                     struct store_as as, struct slice node, uint64_t incarnation, uint64_t count,
                     struct rediswords *ret_call);
void rediswords_bye(const struct redis_table *t, struct arena *a, uint64_t connection,
                    struct store_as as, struct rediswords *ret_call);
/* `keys`: of pairs, as SCAN found them. */
void rediswords_sweep(const struct redis_table *t, struct arena *a, uint64_t connection,
                      struct store_as as, const struct slice *keys, size_t count,
                      struct rediswords *ret_call);

/* False: it makes no sense. What is read lives in the arena. */
bool rediswords_read_renewal(struct arena *a, const struct resp *reply,
                             struct store_renewal *ret_renewal);
/* `row_count`: rows due (claim, assert), 0: a number is due. */
bool rediswords_read_answer(const struct redis_table *t, struct arena *a, const struct resp *reply,
                            size_t row_count, uint64_t incarnation,
                            struct store_answer *ret_answer);

#endif
