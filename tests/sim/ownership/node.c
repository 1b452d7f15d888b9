/* What a node does each second, and after each message. */
#include "sim/ownership/world.h"

#include <stdio.h>

#define WALL_US 1700000000000000ULL

struct lease_id node_id(const struct node *n)
{
    return (struct lease_id){slice_from(n->name), n->lease.incarnation};
}

struct node *node_find(struct world *w, struct slice name, uint64_t incarnation)
{
    for (int i = 0; i < w->slot_count; i++) {
        struct node *n = &w->nodes[i];

        if (n->process && n->lease.incarnation == incarnation && slice_is(name, n->name))
            return n;
    }
    return NULL;
}

/* Clocks of machines differ, and may be set back between two starts. */
static uint64_t wall_us(struct world *w)
{
    return WALL_US + w->now_ms * 1000 + world_below(w, 10000000);
}

void node_start(struct world *w, int slot, const char *given)
{
    struct node *n = &w->nodes[slot];
    char name[8];
    uint32_t wanted = n->wanted;
    uint64_t process = n->process + 1;

    snprintf(name, sizeof(name), "%s", given); /* it may be the old process's own */
    if (n->process) {
        owners_fini(&n->owners);
        lease_fini(&n->lease);
    }
    memset(n, 0, sizeof(*n));
    n->slot = slot;
    n->process = process;
    n->wanted = wanted;
    n->up = true;
    n->started_ms = n->contact_ms = w->now_ms;
    strcpy(n->name, name);
    n->address[0] = 'm';
    n->address[1] = (char)('0' + slot);
    lease_init(&n->lease, slice_from(name), slice_from(n->address), w->stop, wall_us(w));
    pairs_open(w, n);
    world_say(w, "%s starts on %s", name, n->address);
    world_post(w, w->now_ms + world_below(w, 1000),
               (struct event){.kind = EVENT_TICK, .slot = slot});
}

void node_kill(struct world *w, int slot)
{
    world_say(w, "%s is dead", w->nodes[slot].name);
    w->nodes[slot].up = false;
    w->nodes[slot].connected = false;
}

void node_pause(struct world *w, int slot, uint64_t ms)
{
    struct node *n = &w->nodes[slot];

    if (!n->up)
        return;
    world_say(w, "%s sleeps for %llu ms", n->name, (unsigned long long)ms);
    if (w->now_ms + ms > n->paused_ms)
        n->paused_ms = w->now_ms + ms;
    world_post(w, n->paused_ms, (struct event){.kind = EVENT_RESUME, .slot = slot});
}

/* --- leaving --- */

void node_leave(struct world *w, int slot)
{
    struct node *n = &w->nodes[slot];

    if (!n->up || n->leaving)
        return;
    world_say(w, "%s drains", n->name);
    n->leaving = true;
    n->leave_due_ms = w->now_ms + 3000;
    lease_drain(&n->lease);
    for (int i = 0; i < w->pair_count; i++)
        if (n->owned >> i & 1)
            pairs_offer(w, n, i);
}

void node_exit(struct world *w, struct node *n)
{
    mesh_bye(w, n);
    node_kill(w, n->slot);
}

static bool offers_open(const struct node *n)
{
    for (int i = 0; i < PAIRS_MAX; i++)
        if (n->offers[i].open)
            return true;
    return false;
}

static void say_bye(struct world *w, struct node *n)
{
    n->bye_sent = true;
    n->bye_ms = w->now_ms;
    if (n->connected)
        table_bye(w, n);
    lease_leave(&n->lease);
    node_work(w, n);
}

static void leave_on(struct world *w, struct node *n)
{
    if (!n->bye_sent) {
        if (w->now_ms >= n->leave_due_ms || (!offers_open(n) && !n->owned))
            say_bye(w, n);
        return;
    }
    if (n->exit_ms || !n->connected)
        node_exit(w, n);
}

/* --- each second --- */

static bool unanswered(const struct world *w, const struct node *n)
{
    for (int i = 0; i < 2; i++)
        if (n->waiting_count[i] && w->now_ms - n->waiting_ms[i] >= 6000)
            return true;
    return false;
}

static void tick_table(struct world *w, struct node *n)
{
    struct lease_burial b;

    if (n->connected && unanswered(w, n))
        table_close(w, n);
    if (!n->connected) {
        table_dial(w, n);
        return;
    }
    if (!n->bye_sent)
        table_renew(w, n);
    while (lease_next_burial(&n->lease, w->now_ms, &b))
        table_bury(w, n, &b);
}

void node_tick(struct world *w, struct node *n)
{
    world_post(w, w->now_ms + LEASE_RENEW_MS, (struct event){.kind = EVENT_TICK, .slot = n->slot});
    tick_table(w, n);
    if (n->leaving)
        leave_on(w, n);
    if (!n->up || n->bye_sent)
        return;
    mesh_ping_all(w, n);
    pairs_tick(w, n);
    node_work(w, n);
}

void node_before(struct world *w, struct node *n)
{
    if (owners_forget_lapsed(&n->owners, w->now_ms))
        world_say(w, "%s forgets provisional pairs", n->name);
}

static void do_duties(struct world *w, struct node *n)
{
    unsigned duties = lease_take_duties(&n->lease);

    if (duties & LEASE_DROP_PAIRS)
        pairs_drop(w, n);
    if (duties & LEASE_ASSERT_PAIRS)
        owners_assert_all(&n->owners);
    if (duties & LEASE_EXIT)
        node_kill(w, n->slot);
}

void node_work(struct world *w, struct node *n)
{
    do_duties(w, n);
    if (!n->up)
        return;
    pairs_work(w, n);
    do_duties(w, n);
    if (!n->up)
        return;
    n->cached = (w->now_ms < lease_until_ms(&n->lease) ? n->owned : 0) |
                (w->now_ms < lease_promised_until_ms(&n->lease) ? n->provisional : 0);
    if (n->cached & n->provisional)
        w->did.degraded++;
}
