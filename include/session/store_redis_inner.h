/* session/store_redis_inner.h - inside the shared table: for router/session/store_redis.c (contact,
 * rows for people, life), store_redis_call.c (a call from its words to its callback) and
 * store_redis_sweep.c.
 */
#ifndef SESSION_STORE_REDIS_INNER_H
#define SESSION_STORE_REDIS_INNER_H

#include "loop/timer.h"
#include "session/redisrows.h"
#include "session/store_redis.h"

struct store_redis {
    struct store store;
    struct redis_table table;
    struct redis_dial_options dial_options;
    struct redis_dial *dial;
    struct redis_link *work; /* both or none */
    struct redis_link *renew;
    struct redis_pair pair; /* of the open connections: digests, run id, address */
    struct redis_link *ear; /* NULL: none */
    struct timer ear_timer;
    struct list calls; /* under way, in order */
    struct list lost;  /* to be answered so */
    struct list waits; /* for replicas, in order */
    struct task lost_task;
    bool broke;               /* `broken` is to be told after them */
    struct redis_call *sweep; /* NULL: none runs */
    struct redisrows rows;
    struct timer rows_timer;
    struct timer facts_timer;
    bool listed;              /* by a renewal over these connections */
    uint64_t renewed_boot_ms; /* when the last of them was sent */
    uint64_t left;            /* our last incarnation that said bye */
    struct store_member self; /* as the list has us; names are not kept */
    struct slice channel;     /* of notices */
    char *password;
    struct arena texts;
};

/* One call of the owner, until its callback. */
struct redis_call {
    struct list node;
    struct store_redis *s;
    struct arena arena;
    struct rediswords words;
    struct redis_link *link;   /* it went by */
    store_renewed_fn *renewed; /* one of the two; `done` may be NULL */
    store_done_fn *done;
    void *arg;
    struct store_as as;
    size_t row_count; /* due */
    uint64_t sent_us;
    uint64_t sent_boot_ms;
    bool sent_whole; /* the script was not known there */
    bool read;       /* `renewal` is there */
    struct store_renewal renewal;
    bool busy;          /* a second sweep: to be answered WAIT */
    const char *cursor; /* of SCAN, in `page`, as are the keys */
    struct arena page;
    struct slice *keys;
    size_t key_count;
    size_t key_next;
    uint64_t removed;
};

/* A WAIT under way, which may outlive its call. */
struct redis_wait {
    struct list node;
    struct redis_call *call; /* or NULL */
};

static inline struct store_redis *redis_of(struct store *s)
{
    return LIST_ENTRY(s, struct store_redis, store);
}

/* --- store_redis_call.c --- */

struct redis_call *redis_call_new(struct store_redis *s, store_done_fn *done, void *arg);
void redis_call_free(struct redis_call *c);
/* Its words are there: it goes by `link`; without one it is lost. */
void redis_call_begin(struct redis_call *c, struct redis_link *link);
/* The callback, at once, then its end. NULL: lost. */
void redis_call_answer(struct redis_call *c, const struct store_answer *a);
/* The callback comes by the lost task. */
void redis_call_lose(struct redis_call *c);
/* Redis answered an error instead: it was not carried out. */
void redis_call_refused(struct redis_call *c, const struct resp *reply);
void redis_call_makes_no_sense(struct redis_call *c);
void redis_drop_waits(struct store_redis *s);
void redis_call_renew(struct store *store, const struct store_renew *r, store_renewed_fn *done,
                      void *arg);
void redis_call_batch(struct store *store, enum store_batch what, struct store_as as,
                      const struct store_pair *pairs, size_t count, store_done_fn *done, void *arg);
void redis_call_bury(struct store *store, struct store_as as, struct slice node,
                     uint64_t incarnation, uint64_t count, store_done_fn *done, void *arg);
void redis_call_bye(struct store *store, struct store_as as, store_done_fn *done, void *arg);

/* --- store_redis_sweep.c --- */

void redis_sweep(struct store *store, struct store_as as, store_done_fn *done, void *arg);
/* One batch of it was carried out. */
void redis_sweep_on(struct redis_call *c, uint64_t removed);

/* --- store_redis.c --- */

void redis_set_up(struct store_redis *s);
/* `problem` is one of the place. */
void redis_set_down(struct store_redis *s, const char *problem);

#endif
