#include "session/store_private.h"

void store_init(struct store *s, const struct store_kind *kind, struct loop *l,
                const struct store_events *events, void *arg)
{
    static const struct store_events none = {.opened = NULL};

    s->kind = kind;
    s->loop = l;
    s->events = events ? events : &none;
    s->arg = arg;
}

void store_renew(struct store *s, const struct store_renew *r, store_renewed_fn *done, void *arg)
{
    assert(r->held_count <= STORE_MEMBERS_MAX);
    s->kind->renew(s, r, done, arg);
}

void store_claim(struct store *s, struct store_as as, const struct store_pair *pairs, size_t count,
                 store_done_fn *done, void *arg)
{
    assert(count > 0 && count <= STORE_BATCH_MAX);
    s->kind->batch(s, STORE_CLAIM, as, pairs, count, done, arg);
}

void store_assert(struct store *s, struct store_as as, const struct store_pair *pairs, size_t count,
                  store_done_fn *done, void *arg)
{
    assert(count > 0 && count <= STORE_BATCH_MAX);
    s->kind->batch(s, STORE_ASSERT, as, pairs, count, done, arg);
}

void store_release(struct store *s, struct store_as as, const struct store_pair *pairs,
                   size_t count, store_done_fn *done, void *arg)
{
    assert(count > 0 && count <= STORE_BATCH_MAX);
    s->kind->batch(s, STORE_RELEASE, as, pairs, count, done, arg);
}

void store_bury(struct store *s, struct store_as as, struct slice node, uint64_t incarnation,
                uint64_t count, store_done_fn *done, void *arg)
{
    s->kind->bury(s, as, node, incarnation, count, done, arg);
}

void store_bye(struct store *s, struct store_as as, store_done_fn *done, void *arg)
{
    s->kind->bye(s, as, done, arg);
}

void store_sweep(struct store *s, struct store_as as, store_done_fn *done, void *arg)
{
    s->kind->sweep(s, as, done, arg);
}

void store_put(struct store *s, enum store_table table, struct slice key, struct slice text)
{
    s->kind->put(s, table, key, text);
}

const struct store_state *store_state(const struct store *s)
{
    return &s->state;
}

struct store_as store_as(const struct store *s)
{
    return s->as;
}

void store_free(struct store *s)
{
    s->kind->free(s);
}
