/* session/store_private.h - what the two kinds of the table have in common. */
#ifndef SESSION_STORE_PRIVATE_H
#define SESSION_STORE_PRIVATE_H

#include "session/store.h"

enum store_batch { STORE_CLAIM, STORE_ASSERT, STORE_RELEASE };

struct store_kind {
    void (*renew)(struct store *s, const struct store_renew *r, store_renewed_fn *done, void *arg);
    void (*batch)(struct store *s, enum store_batch what, struct store_as as,
                  const struct store_pair *pairs, size_t count, store_done_fn *done, void *arg);
    void (*bury)(struct store *s, struct store_as as, struct slice node, uint64_t incarnation,
                 uint64_t count, store_done_fn *done, void *arg);
    void (*bye)(struct store *s, struct store_as as, store_done_fn *done, void *arg);
    void (*sweep)(struct store *s, struct store_as as, store_done_fn *done, void *arg);
    void (*put)(struct store *s, enum store_table table, struct slice key, struct slice text);
    void (*free)(struct store *s);
};

/* First member of either. */
struct store {
    const struct store_kind *kind;
    struct loop *loop;
    const struct store_events *events; /* never NULL */
    void *arg;
    struct store_state state;
    struct store_as as;
};

/* `events` may be NULL. */
void store_init(struct store *s, const struct store_kind *kind, struct loop *l,
                const struct store_events *events, void *arg);

#endif
