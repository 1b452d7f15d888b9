/* session/store.h - the table that nodes share: who owns which pair, which component instances
 * there are. Lives on the steward's loop; workers ask by message (link/desk).
 *
 * Answers come by callback, posted, in the order asked, also where they are known at once: a
 * dial waits for its claim's answer on one node as on many. This version has the embedded table
 * (session/store_memory): one member, granted at once.
 */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include "loop/loop.h"
#include "route/table.h"

struct store;

struct store_claim {
    bool granted;
    uint64_t token;       /* rising; of the row that is ours now */
    uint64_t incarnation; /* of this process */
};

typedef void store_claim_fn(void *arg, const struct store_claim *claim);

enum store_join { STORE_JOINED, STORE_CONFLICT };
typedef void store_join_fn(void *arg, enum store_join outcome);

/* What the table tells the node; called on the store's loop. */
struct store_events {
    void (*joined)(void *arg, struct slice pattern, uint64_t id, unsigned worker);
    void (*left)(void *arg, uint64_t id);
    /* Another instance took its place (`replace`): its link is to be closed with `conflict`. */
    void (*replaced)(void *arg, uint64_t id, unsigned worker);
};

struct store *store_memory_new(struct loop *l, const struct store_events *events, void *arg);
void store_free(struct store *s);

void store_claim(struct store *s, struct slice local, struct slice remote, store_claim_fn *done,
                 void *arg);
/* Only if the row still carries the token. */
void store_release(struct store *s, struct slice local, struct slice remote, uint64_t token);
size_t store_pair_count(const struct store *s);

/* An instance of a local domain wants in; `id` is unique in the process. */
void store_join(struct store *s, struct slice pattern, enum connections rule, uint64_t id,
                unsigned worker, store_join_fn *done, void *arg);
void store_leave(struct store *s, uint64_t id);

#endif
