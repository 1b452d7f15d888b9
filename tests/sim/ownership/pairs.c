/* Who owns which pair: the part of the rule that is the owners', as small as it can be. */
#include "sim/ownership/world.h"

#include "route/rendezvous.h"

#include <inttypes.h>
#include <stdio.h>

void pairs_drop(struct world *w, struct node *n)
{
    if (n->owned | n->provisional)
        world_say(w, "%s drops its pairs", n->name);
    n->owned = n->provisional = 0;
    memset(n->offers, 0, sizeof(n->offers));
    n->assert_sent = n->late_assert_sent = false;
}

static uint32_t offered(const struct node *n)
{
    uint32_t pairs = 0;

    for (int i = 0; i < PAIRS_MAX; i++)
        pairs |= (uint32_t)n->offers[i].open << i;
    return pairs;
}

static uint32_t missing(const struct node *n)
{
    return (n->wanted | n->asked) & ~n->owned & ~n->provisional & ~offered(n);
}

/* --- asserts --- */

static bool in_touch(const struct world *w, const struct node *n)
{
    return n->connected && w->now_ms < n->lease.right_ms && n->lease.on_list;
}

static void assert_rows(struct world *w, struct node *n)
{
    uint32_t pairs = n->owned | n->provisional | (SIM_LEFT_OUT(nogave) ? offered(n) : 0);

    if (!n->lease.on_list || n->lease.leaving)
        return;
    if (!n->lease.asserted && !pairs)
        lease_asserted(&n->lease, lease_assert_turn(&n->lease));
    if (!n->connected || w->now_ms < n->assert_due_ms)
        return;
    if (!n->lease.asserted && !n->assert_sent) {
        n->assert_sent = true;
        table_assert(w, n, pairs, false);
    } else if (n->lease.asserted && n->provisional && in_touch(w, n) && !n->late_assert_sent) {
        n->late_assert_sent = true;
        table_assert(w, n, n->provisional, true);
    }
}

/* "node:incarnation:token" */
static bool row_is_ours(const struct node *n, struct slice row, uint64_t *ret_token)
{
    char mine[64];

    snprintf(mine, sizeof(mine), "%s:%" PRIu64 ":", n->name, n->lease.incarnation);
    if (!slice_starts(row, slice_from(mine)))
        return false;
    return slice_to_u64(slice_from_offset(row, strlen(mine)), UINT64_MAX, ret_token);
}

static void row_asserted(struct world *w, struct node *n, int pair, struct slice row)
{
    uint32_t bit = 1u << pair;
    uint64_t token;

    if (!row_is_ours(n, row, &token)) {
        if ((n->owned | n->provisional) & bit)
            world_say(w, "%s has lost %d to %.*s", n->name, pair, SLICE_ARGS(row));
        n->owned &= ~bit;
        n->provisional &= ~bit;
        return;
    }
    if (n->offers[pair].open)
        n->offers[pair].token = token;
    else if ((n->owned | n->provisional) & bit) {
        n->token[pair] = token;
        n->owned |= bit;
        n->provisional &= ~bit;
    }
}

void pairs_asserted(struct world *w, struct node *n, const struct memo *m,
                    const struct reply *reply)
{
    size_t at = 1;

    if (m->late)
        n->late_assert_sent = false;
    else
        n->assert_sent = false;
    if (!slice_is(reply_at(reply, 0), "ok") || m->turn != lease_assert_turn(&n->lease)) {
        n->assert_due_ms = w->now_ms + 200;
        return;
    }
    for (int i = 0; i < PAIRS_MAX; i++)
        if (m->pairs >> i & 1)
            row_asserted(w, n, i, reply_at(reply, at++));
    if (!m->late)
        lease_asserted(&n->lease, m->turn);
}

/* --- claims --- */

static void claim(struct world *w, struct node *n)
{
    uint32_t pairs = missing(n);

    if (!pairs || n->claim_sent || n->leaving || !n->connected || w->now_ms < n->claim_due_ms ||
        !lease_may_claim(&n->lease, w->now_ms))
        return;
    n->claim_sent = true;
    n->claim_due_ms = w->now_ms + 300 + world_below(w, 300);
    table_claim(w, n, pairs, "", -1);
}

/* The row names another: our stanzas go there. */
static void follow(struct world *w, struct node *n, int pair, struct slice row)
{
    for (int i = 0; i < w->slot_count; i++) {
        struct node *to = &w->nodes[i];
        char prefix[64];

        snprintf(prefix, sizeof(prefix), "%s:%" PRIu64 ":", to->name, to->lease.incarnation);
        if (to->up && to != n && slice_starts(row, slice_from(prefix)))
            mesh_data(w, n, i, pair);
    }
}

static bool row_claimed(struct world *w, struct node *n, int pair, struct slice row, uint64_t turn)
{
    uint64_t token;

    if (!row_is_ours(n, row, &token)) {
        follow(w, n, pair, row);
        return false;
    }
    if (!lease_claim_holds(&n->lease, turn)) {
        w->did.voids++;
        return false;
    }
    if (n->offers[pair].open)
        return false; /* it came back to us while we offered it: it stays offered */
    world_say(w, "%s owns %d", n->name, pair);
    w->did.claims++;
    n->owned |= 1u << pair;
    n->provisional &= ~(1u << pair);
    n->token[pair] = token;
    return true;
}

void pairs_claimed(struct world *w, struct node *n, const struct memo *m, const struct reply *reply)
{
    bool ok = slice_is(reply_at(reply, 0), "ok");
    size_t at = 1;

    for (int i = 0; i < PAIRS_MAX; i++) {
        bool taken;

        if (!(m->pairs >> i & 1))
            continue;
        taken = ok && row_claimed(w, n, i, reply_at(reply, at++), m->turn);
        if (m->from >= 0)
            mesh_answer(w, n, m->from, i, taken);
    }
}

/* --- pairs without a row --- */

static bool said_not_mine(const struct world *w, const struct node *n, const struct lease_peer *p,
                          int pair)
{
    for (int i = 0; i < w->slot_count; i++)
        if (n->heard[i].incarnation == p->incarnation && strcmp(w->nodes[i].name, p->name) == 0)
            return n->heard[i].not_mine >> pair & 1;
    return false;
}

static bool all_said_not_mine(const struct world *w, const struct node *n, int pair)
{
    const struct lease_peer *p;
    size_t pos = 0;

    while ((p = lease_next_needed(&n->lease, &pos)))
        if (!said_not_mine(w, n, p, pair) && !SIM_LEFT_OUT(noask))
            return false;
    return true;
}

static void take_provisional(struct world *w, struct node *n)
{
    uint32_t pairs = missing(n);

    for (int i = 0; i < w->pair_count; i++) {
        if (!(pairs >> i & 1) || n->leaving ||
            !lease_may_provisional(&n->lease, slice_from(pair_key(i)), w->now_ms) ||
            !all_said_not_mine(w, n, i))
            continue;
        world_say(w, "%s takes %d without the table", n->name, i);
        w->did.provisionals++;
        n->provisional |= 1u << i;
    }
}

/* The first in the pair's order that says it can claim; else the choice. */
static int whom_to_send(struct world *w, struct node *n, int pair)
{
    struct slice key = slice_from(pair_key(pair));
    struct slice choice = lease_choice(&n->lease, key);
    struct rendezvous order;
    int best = -1;

    rendezvous_begin(&order, key);
    for (int i = 0; i < w->slot_count; i++)
        if (n->heard[i].can_claim && w->now_ms - n->heard[i].at_ms < 2000 &&
            rendezvous_name_leads(&order, slice_from(w->nodes[i].name)))
            best = i;
    for (int i = 0; i < w->slot_count && best < 0; i++)
        if (w->nodes[i].up && i != n->slot && slice_is(choice, w->nodes[i].name))
            best = i;
    return best;
}

static void send_on(struct world *w, struct node *n)
{
    uint32_t pairs = n->wanted & ~n->owned & ~n->provisional;

    for (int i = 0; i < w->pair_count && !lease_may_claim(&n->lease, w->now_ms); i++) {
        int to = pairs >> i & 1 ? whom_to_send(w, n, i) : -1;

        if (to >= 0)
            mesh_data(w, n, to, i);
    }
}

/* --- hand-over --- */

static void offer_next(struct world *w, struct node *n, int pair)
{
    struct offer *o = &n->offers[pair];
    const struct lease_peer *p;
    char witness[64];
    size_t pos = 0;

    snprintf(witness, sizeof(witness), "%s:%" PRIu64 ":%" PRIu64, n->name, n->lease.incarnation,
             o->token);
    while ((p = lease_next_member(&n->lease, &pos))) {
        struct node *to = node_find(w, slice_from(p->name), p->incarnation);

        if (!to || !to->up || o->tried >> to->slot & 1)
            continue;
        o->to = to->slot;
        o->tried |= 1u << to->slot;
        o->until_ms = w->now_ms + 2000;
        mesh_offer(w, n, to->slot, pair, witness);
        return;
    }
    o->open = false;
    if (n->connected)
        table_release(w, n, pair, o->token);
}

void pairs_offer(struct world *w, struct node *n, int pair)
{
    if (!(n->owned >> pair & 1))
        return;
    world_say(w, "%s offers %d", n->name, pair);
    w->did.handovers++;
    n->owned &= ~(1u << pair);
    n->offers[pair] = (struct offer){.open = true, .to = -1, .token = n->token[pair]};
    offer_next(w, n, pair);
}

void pairs_offered(struct world *w, struct node *n, int from, int pair, const char *witness)
{
    if (n->leaving || !n->connected || n->offers[pair].open ||
        !lease_may_claim(&n->lease, w->now_ms))
        mesh_answer(w, n, from, pair, false);
    else
        table_claim(w, n, 1u << pair, witness, from);
}

void pairs_answered(struct world *w, struct node *n, int from, int pair, bool taken)
{
    struct offer *o = &n->offers[pair];

    if (!o->open || o->to != from)
        return;
    if (taken)
        o->open = false;
    else
        offer_next(w, n, pair);
}

/* --- time --- */

void pairs_tick(struct world *w, struct node *n)
{
    for (int i = 0; i < w->pair_count; i++) {
        if (n->offers[i].open && w->now_ms >= n->offers[i].until_ms)
            offer_next(w, n, i);
        if (n->asked >> i & 1 && w->now_ms - n->asked_ms[i] >= 5000)
            n->asked &= ~(1u << i);
    }
    send_on(w, n);
}

void pairs_work(struct world *w, struct node *n)
{
    if (n->bye_sent)
        return;
    assert_rows(w, n);
    claim(w, n);
    take_provisional(w, n);
}
