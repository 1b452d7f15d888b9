/* Who wants which pair, and who offers it: what the worker and the hand-over of a node do around
 * the real owners (route/owners). */
#include "sim/ownership/world.h"

#include <stdio.h>

static uint32_t bit_of(struct slice key)
{
    return 1u << pair_of(key);
}

/* --- the owners' orders --- */

static void on_granted(void *arg, struct slice key, uint64_t token, bool provisional)
{
    struct node *n = arg;
    int pair = pair_of(key);
    uint32_t bit = bit_of(key);

    n->asking &= ~bit;
    if (provisional) {
        n->world->did.provisionals += !(n->provisional & bit);
        n->provisional |= bit;
        world_say(n->world, "%s takes %d without the table", n->name, pair);
        return;
    }
    world_say(n->world, "%s owns %d", n->name, pair);
    n->world->did.claims += !(n->owned & bit);
    n->provisional &= ~bit;
    n->owned |= bit;
    n->token[pair] = token;
}

static int slot_of(const struct world *w, const struct owner_ref *owner)
{
    for (int i = 0; i < w->slot_count; i++) {
        const struct node *n = &w->nodes[i];

        if (n->up && slice_is(owner->node, n->name) &&
            (!owner->incarnation || owner->incarnation == n->lease.incarnation))
            return i;
    }
    return -1;
}

/* One hop: only what came in here goes on. */
static void on_elsewhere(void *arg, struct slice key, const struct owner_ref *owner)
{
    struct node *n = arg;
    struct world *w = n->world;
    uint32_t bit = bit_of(key);
    int to = owner->node.len ? slot_of(w, owner) : -1;

    n->asking &= ~bit;
    n->asked &= ~bit;
    if (to >= 0 && to != n->slot && n->wanted & bit)
        mesh_data(w, n, to, pair_of(key));
}

static void on_lost(void *arg, struct slice key, const struct owner_ref *owner)
{
    struct node *n = arg;
    uint32_t bit = bit_of(key);

    if ((n->owned | n->provisional) & bit)
        world_say(n->world, "%s has lost %d", n->name, pair_of(key));
    n->owned &= ~bit;
    n->provisional &= ~bit;
}

static void on_taken(void *arg, struct slice key, uint64_t token)
{
    struct node *n = arg;
    int pair = pair_of(key);

    mesh_answer(n->world, n, n->offerers[pair], pair, token);
}

static const struct owners_ops ops = {
    .claim = table_claim,
    .assert_rows = table_assert,
    .release = table_release,
    .granted = on_granted,
    .elsewhere = on_elsewhere,
    .lost = on_lost,
    .taken = on_taken,
};

void pairs_open(struct world *w, struct node *n)
{
    static const uint64_t seed[2] = {1, 2};

    n->world = w;
    owners_init(&n->owners, &ops, n, &n->lease, seed);
}

void pairs_drop(struct world *w, struct node *n)
{
    owners_drop_all(&n->owners);
    memset(n->offers, 0, sizeof(n->offers));
}

void pairs_release(struct world *w, struct node *n, int pair)
{
    world_say(w, "%s lets go of %d", n->name, pair);
    n->owned &= ~(1u << pair);
    owners_release(&n->owners, slice_from(pair_key(pair)));
}

/* --- what waits here --- */

static bool is_missing(const struct node *n, int pair)
{
    uint32_t held = n->owned | n->provisional | n->asking;

    return ((n->wanted | n->asked) & ~held) >> pair & 1 && !n->offers[pair].open;
}

static void want(struct world *w, struct node *n)
{
    for (int i = 0; i < w->pair_count; i++) {
        uint32_t bit = 1u << i;

        if (!is_missing(n, i) || w->now_ms < n->want_ms[i])
            continue;
        n->want_ms[i] = w->now_ms + 300 + world_below(w, 300);
        n->asking |= bit;
        owners_want(&n->owners, slice_from(pair_key(i)), !(n->wanted & bit), w->now_ms);
    }
}

/* What others sent here was bounced, or went another way. */
static void forget_asked(struct world *w, struct node *n, int pair)
{
    uint32_t bit = 1u << pair;

    if (!(n->asked & bit) || w->now_ms - n->asked_ms[pair] < 5000)
        return;
    n->asked &= ~bit;
    if (!(n->wanted & bit) && n->asking & bit) {
        n->asking &= ~bit;
        owners_release(&n->owners, slice_from(pair_key(pair)));
    }
}

/* --- hand-over --- */

static void offer_next(struct world *w, struct node *n, int pair)
{
    struct offer *o = &n->offers[pair];
    const struct lease_peer *p;
    size_t pos = 0;

    while ((p = lease_next_member(&n->lease, &pos))) {
        struct node *to = node_find(w, slice_from(p->name), p->incarnation);

        if (!to || !to->up || o->tried >> to->slot & 1)
            continue;
        o->to = to->slot;
        o->tried |= 1u << to->slot;
        o->until_ms = w->now_ms + 2000;
        mesh_offer(w, n, to->slot, pair, o->token);
        return;
    }
    o->open = false;
    owners_withdraw(&n->owners, slice_from(pair_key(pair)));
}

void pairs_offer(struct world *w, struct node *n, int pair)
{
    uint64_t token = owners_offer(&n->owners, slice_from(pair_key(pair)));

    if (!token)
        return;
    world_say(w, "%s offers %d", n->name, pair);
    w->did.handovers++;
    n->owned &= ~(1u << pair);
    n->offers[pair] = (struct offer){.open = true, .to = -1, .token = token};
    offer_next(w, n, pair);
}

void pairs_offered(struct world *w, struct node *n, const struct owner_ref *by, int from, int pair)
{
    n->offerers[pair] = from;
    owners_take(&n->owners, slice_from(pair_key(pair)), by, w->now_ms);
}

void pairs_answered(struct world *w, struct node *n, int from, int pair, bool taken)
{
    struct offer *o = &n->offers[pair];
    struct owner_ref by = {slice_from(w->nodes[from].name), w->nodes[from].lease.incarnation,
                           o->token + 1};

    if (!o->open || o->to != from)
        return;
    if (!taken) {
        offer_next(w, n, pair);
        return;
    }
    o->open = false;
    owners_handed(&n->owners, slice_from(pair_key(pair)), &by);
}

/* --- time --- */

void pairs_tick(struct world *w, struct node *n)
{
    for (int i = 0; i < w->pair_count; i++) {
        if (n->offers[i].open && w->now_ms >= n->offers[i].until_ms)
            offer_next(w, n, i);
        forget_asked(w, n, i);
    }
}

void pairs_work(struct world *w, struct node *n)
{
    if (n->bye_sent)
        return;
    want(w, n);
    owners_tick(&n->owners, w->now_ms);
}
