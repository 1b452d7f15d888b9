/* What goes wrong, when, and for how long: drawn from the seed, or put there by a fixed scenario.
 */
#include "sim/ownership/world.h"

#include <stdio.h>

void trouble_add(struct world *w, struct trouble t)
{
    struct trouble *own = mem_alloc(sizeof(*own));

    *own = t;
    world_post(w, t.at_ms, (struct event){.kind = EVENT_TROUBLE, .slot = -1, .trouble = own});
}

static void later(struct world *w, const struct trouble *t, enum trouble_kind kind)
{
    struct trouble end = *t;

    end.at_ms = w->now_ms + t->ms;
    end.kind = kind;
    end.b = kind == UP ? (int)t->kind : t->b;
    trouble_add(w, end);
}

/* --- what each does --- */

static void cut_table(struct world *w, const struct trouble *t, bool on)
{
    if (on)
        world_say(w, "%s is cut off from the table", w->nodes[t->a].name);
    w->cut_table[t->a][0] = on && !(t->one_way && t->b);
    w->cut_table[t->a][1] = on && !(t->one_way && !t->b);
}

static void cut_mesh(struct world *w, const struct trouble *t, bool on)
{
    if (on)
        world_say(w, "%s is cut off from %s%s", w->nodes[t->a].name, w->nodes[t->b].name,
                  t->one_way ? ", one way" : "");
    w->cut[t->a][t->b] = on;
    if (!t->one_way)
        w->cut[t->b][t->a] = on;
}

static void outage(struct world *w, bool on)
{
    world_say(w, on ? "nobody reaches the table" : "the table can be reached");
    for (int i = 0; i < w->slot_count; i++)
        w->cut_table[i][0] = w->cut_table[i][1] = on;
}

static void heal(struct world *w, const struct trouble *t)
{
    if (t->ms == 0) { /* the end of all troubles */
        memset(w->cut, 0, sizeof(w->cut));
        memset(w->cut_table, 0, sizeof(w->cut_table));
        w->calm = true;
        if (!w->table_up)
            table_restart(w, false, false);
        world_say(w, "all is well again");
        return;
    }
    if (t->b == -1)
        outage(w, false);
    else if (t->b == -2)
        cut_table(w, t, false);
    else
        cut_mesh(w, t, false);
}

static void join(struct world *w, const struct trouble *t, const char *name)
{
    if (!w->nodes[t->a].up)
        node_start(w, t->a, name);
}

/* The name of a dead one comes up on another machine, under another address. */
static void move(struct world *w, const struct trouble *t)
{
    char name[8];

    if (w->nodes[t->b].up || w->nodes[t->a].up || !w->nodes[t->b].process)
        return;
    strcpy(name, w->nodes[t->b].name);
    node_start(w, t->a, name);
}

/* The operator's word must be true: it is dead, and had no table since any of the others lost it.
 */
static bool may_be_forgotten(const struct world *w, int dead)
{
    if (w->nodes[dead].up || !w->nodes[dead].process)
        return false;
    for (int i = 0; i < w->slot_count; i++)
        if (w->nodes[i].up && w->nodes[i].lease.on_list &&
            w->nodes[i].answered_ms + 2000 < w->nodes[dead].answered_ms)
            return false;
    return true;
}

static void forget(struct world *w, int dead)
{
    if (!may_be_forgotten(w, dead))
        return;
    for (int i = 0; i < w->slot_count; i++) {
        if (!w->nodes[i].up || w->now_ms < w->nodes[i].paused_ms)
            continue;
        world_say(w, "the operator says that %s is dead", w->nodes[dead].name);
        mesh_forget(w, &w->nodes[i], node_id(&w->nodes[dead]));
        return;
    }
}

static void hand_over(struct world *w, int slot)
{
    struct node *n = &w->nodes[slot];

    if (!n->up || w->now_ms < n->paused_ms)
        return;
    for (int i = 0; i < w->pair_count; i++)
        pairs_offer(w, n, i);
}

static void let_go(struct world *w, int slot)
{
    struct node *n = &w->nodes[slot];

    if (!n->up || !n->connected || w->now_ms < n->paused_ms || !n->lease.asserted)
        return;
    for (int i = 0; i < w->pair_count; i++)
        if (n->owned >> i & 1)
            pairs_release(w, n, i);
    if (lease_may_claim(&n->lease, w->now_ms))
        table_sweep(w, n);
}

void trouble_happen(struct world *w, const struct trouble *t)
{
    switch (t->kind) {
    case CUT_TABLE:
        cut_table(w, t, true);
        later(w, &(struct trouble){.a = t->a, .b = -2, .ms = t->ms}, HEAL);
        return;
    case CUT_MESH:
        cut_mesh(w, t, true);
        later(w, t, HEAL);
        return;
    case OUTAGE:
        outage(w, true);
        later(w, &(struct trouble){.b = -1, .ms = t->ms}, HEAL);
        return;
    case STALL:
        world_say(w, "the table stands still");
        if (w->now_ms + t->ms > w->stalled_ms)
            w->stalled_ms = w->now_ms + t->ms;
        return;
    case RESTART:
    case EMPTY:
    case OLDER:
        if (!w->table_up)
            return;
        table_down(w);
        later(w, t, UP);
        return;
    case UP:
        if (!w->table_up)
            table_restart(w, t->b == EMPTY, t->b == OLDER);
        return;
    case FLUSH:
        if (w->table_up)
            table_flush(w);
        return;
    case SNAP:
        if (w->table_up)
            table_snap(w);
        return;
    case PAUSE:
        node_pause(w, t->a, t->ms);
        return;
    case CRASH:
        if (w->nodes[t->a].up)
            node_kill(w, t->a);
        return;
    case AGAIN:
        if (w->nodes[t->a].up)
            node_kill(w, t->a);
        later(w, t, JOIN);
        return;
    case JOIN:
        if (w->nodes[t->a].process)
            join(w, t, w->nodes[t->a].name);
        else
            join(w, t, (char[2]){(char)('a' + t->a), 0});
        return;
    case MOVE:
        move(w, t);
        return;
    case LEAVE:
        if (w->now_ms >= w->nodes[t->a].paused_ms)
            node_leave(w, t->a);
        return;
    case HANDOVER:
        hand_over(w, t->a);
        return;
    case RELEASE:
        let_go(w, t->a);
        return;
    case FORGET:
        forget(w, t->a);
        return;
    case HEAL:
        heal(w, t);
        return;
    case TROUBLES:
        return;
    }
}

/* --- what a seed draws --- */

#define TROUBLE_MS 35000

static uint64_t span(struct world *w)
{
    switch (world_below(w, 4)) {
    case 0:
        return 100 + world_below(w, 3000);
    case 1:
        return 2000 + world_below(w, 6000);
    case 2:
        return 5000 + world_below(w, 10000);
    default:
        return 8000 + world_below(w, 20000);
    }
}

static bool loses(enum trouble_kind kind)
{
    return kind == EMPTY || kind == OLDER || kind == FLUSH;
}

/* How often each kind happens in this run: a few often, most not at all. */
static void draw_weights(struct world *w, unsigned weights[TROUBLES])
{
    for (int i = 0; i < TROUBLES; i++)
        weights[i] = world_chance(w, 30) ? 1 + (unsigned)world_below(w, 4) : 0;
    weights[HEAL] = weights[UP] = 0;
    weights[SNAP] = weights[OLDER];
    if (w->stop)
        weights[MOVE] = 0;
}

static enum trouble_kind draw_kind(struct world *w, const unsigned weights[TROUBLES])
{
    unsigned sum = 0;
    uint64_t at;

    for (int i = 0; i < TROUBLES; i++)
        sum += weights[i];
    if (!sum)
        return OUTAGE;
    at = world_below(w, sum);
    for (int i = 0; i < TROUBLES; i++) {
        if (at < weights[i])
            return (enum trouble_kind)i;
        at -= weights[i];
    }
    return OUTAGE;
}

static struct trouble draw(struct world *w, const unsigned weights[TROUBLES])
{
    struct trouble t = {.kind = draw_kind(w, weights),
                        .at_ms = w->now_ms + world_below(w, TROUBLE_MS),
                        .a = (int)world_below(w, (uint64_t)w->slot_count),
                        .one_way = world_chance(w, 30),
                        .ms = span(w)};

    t.b = (int)world_below(w, (uint64_t)w->slot_count);
    if (t.kind == CUT_TABLE)
        t.b = (int)world_below(w, 2);
    if (t.kind == RESTART || loses(t.kind))
        t.ms = world_chance(w, 60) ? 50 + world_below(w, 2500) : t.ms;
    if (t.kind == AGAIN)
        t.ms = 50 + world_below(w, 4000);
    if (t.kind == STALL)
        t.ms = 500 + world_below(w, 8000);
    return t;
}

/* A cut that outlasts what is assumed would only end the run. */
static void shorten(struct world *w, struct trouble *t, bool lossy)
{
    uint64_t most = lossy ? 4500 : 24000;

    if ((t->kind == CUT_MESH || t->kind == PAUSE) && t->ms > most && world_chance(w, 95))
        t->ms = 200 + t->ms % most;
}

static void draw_freely(struct world *w)
{
    unsigned weights[TROUBLES];
    uint64_t count = 1 + world_below(w, 8);
    bool lossy;

    draw_weights(w, weights);
    lossy = weights[EMPTY] || weights[OLDER] || weights[FLUSH] || w->stop;
    for (uint64_t i = 0; i < count; i++) {
        struct trouble t = draw(w, weights);

        shorten(w, &t, lossy);
        if (t.kind == CUT_MESH && t.a == t.b)
            continue;
        trouble_add(w, t);
        /* twice in a row */
        if ((t.kind == RESTART || loses(t.kind)) && world_chance(w, 35)) {
            t.at_ms += t.ms + 500 + world_below(w, 9000);
            t.kind = world_chance(w, 50) ? EMPTY : RESTART;
            trouble_add(w, t);
        }
        /* what follows an outage closely */
        if ((t.kind == OUTAGE || t.kind == CUT_TABLE) && world_chance(w, 40)) {
            t.at_ms += world_below(w, t.ms);
            t.kind = world_chance(w, 50) ? CRASH : world_chance(w, 50) ? LEAVE : PAUSE;
            t.ms = 500 + world_below(w, lossy ? 4000 : 9000);
            trouble_add(w, t);
        }
    }
}

/* --- stories: troubles that only together come near to the rule's edges --- */

struct story {
    struct world *w;
    uint64_t at_ms;
};

static void add(struct story *s, uint64_t from_ms, uint64_t to_ms, enum trouble_kind kind, int a,
                int b, uint64_t least_ms, uint64_t most_ms)
{
    struct world *w = s->w;

    trouble_add(w,
                (struct trouble){.at_ms = s->at_ms + from_ms + world_below(w, to_ms - from_ms + 1),
                                 .kind = kind,
                                 .a = a,
                                 .b = b,
                                 .one_way = kind == CUT_TABLE && world_chance(w, 30),
                                 .ms = least_ms + world_below(w, most_ms - least_ms + 1)});
}

static int some_node(struct world *w)
{
    int slot = (int)world_below(w, (uint64_t)w->slot_count);

    for (int i = 0; i < w->slot_count && !w->nodes[slot].up; i++)
        slot = (slot + 1) % w->slot_count;
    return slot;
}

static int some_newcomer(struct world *w)
{
    for (int i = 0; i < w->slot_count; i++)
        if (!w->nodes[i].up)
            return i;
    return some_node(w);
}

static void cut_all(struct story *s, uint64_t from_ms, uint64_t to_ms, uint64_t least_ms,
                    uint64_t most_ms)
{
    for (int i = 0; i < s->w->slot_count; i++)
        if (s->w->nodes[i].up)
            add(s, from_ms, to_ms, CUT_TABLE, i, (int)world_below(s->w, 2), least_ms, most_ms);
}

static enum trouble_kind some_loss(struct world *w)
{
    static const enum trouble_kind kinds[] = {EMPTY, FLUSH, OLDER, EMPTY};

    return kinds[world_below(w, COUNT(kinds))];
}

/* One is cut off while the table goes on, and has it again just when it fell back. */
static void falls_back(struct story *s)
{
    struct world *w = s->w;
    int a = some_node(w);
    uint64_t cut_ms = 8500 + world_below(w, 6000);

    add(s, 0, 0, SNAP, 0, 0, 0, 0);
    add(s, 1000, 1000, CUT_TABLE, a, 0, cut_ms, cut_ms);
    add(s, cut_ms - 300, cut_ms + 900, OLDER, 0, 0, 500, 1500);
    if (world_chance(w, 30))
        add(s, 9000, 16000, JOIN, some_newcomer(w), 0, 0, 0);
}

/* Nobody who is there has the table, which is as it was; a newcomer has it. */
static void old_and_new(struct story *s)
{
    cut_all(s, 0, 1000, 9000, 25000);
    add(s, 300, 5000, JOIN, some_newcomer(s->w), 0, 0, 0);
}

/* Renewals arrive, their answers are late; then nothing arrives any more. */
static void late_answers(struct story *s)
{
    struct world *w = s->w;
    int a = some_node(w);
    uint64_t late_ms = 3000 + world_below(w, 2500);

    trouble_add(
        w,
        (struct trouble){
            .kind = CUT_TABLE, .at_ms = s->at_ms, .a = a, .b = 1, .one_way = true, .ms = late_ms});
    add(s, late_ms + 100, late_ms + 700, CUT_TABLE, a, 0, 9000, 14000);
}

/* Processes sleep through their right. */
static void sleepers(struct story *s)
{
    for (int i = 0; i < 4; i++) {
        add(s, 0, 9000, PAUSE, some_node(s->w), 0, 6000, 15000);
        s->at_ms += 7000;
    }
}

/* The table is emptied while nobody has it, and a newcomer comes. */
static void newcomer_alone(struct story *s)
{
    int d = some_newcomer(s->w);

    cut_all(s, 0, 1000, 3000, 18000);
    add(s, 200, 3000, some_loss(s->w), 0, 0, 50, 500);
    add(s, 200, 4000, JOIN, d, 0, 0, 0);
    if (world_chance(s->w, 60))
        add(s, 1500, 9000, CUT_TABLE, d, 0, 4000, 12000);
    if (world_chance(s->w, 40))
        add(s, 3000, 12000, some_loss(s->w), 0, 0, 50, 500);
}

/* All lose the table, and have it again one after the other. */
static void ragged_outage(struct story *s)
{
    cut_all(s, 0, 2000, 6000, 13000);
    if (world_chance(s->w, 30))
        add(s, 6000, 12000, CRASH, some_node(s->w), 0, 0, 0);
}

/* Calls are on their way while the table stands still, and another one is cut off. */
static void standstill(struct story *s)
{
    add(s, 0, 2000, CUT_TABLE, some_node(s->w), 0, 7000, 15000);
    add(s, 3500, 7000, STALL, 0, 0, 3100, 5900);
    for (int i = 0; i < 3; i++)
        add(s, 3600, 9000, RELEASE, some_node(s->w), 0, 0, 0);
}

/* Pairs are handed over while the table is lost. */
static void offered_and_lost(struct story *s)
{
    struct world *w = s->w;

    for (int i = 0; i < 4; i++) {
        int a = some_node(w);

        for (int b = 0; b < w->slot_count; b++)
            if (b != a)
                trouble_add(w, (struct trouble){.kind = CUT_MESH,
                                                .at_ms = s->at_ms + 310 + world_below(w, 60),
                                                .a = b,
                                                .b = a,
                                                .one_way = true,
                                                .ms = 2500 + world_below(w, 2000)});
        add(s, 300, 300, HANDOVER, a, 0, 0, 0);
        add(s, 320, 500, EMPTY, 0, 0, 50, 300);
        s->at_ms += 9000;
    }
}

/* Ways to the table that fail again and again, so that much of what was sent is late. */
static void flapping(struct story *s)
{
    for (int i = 0; i < 6; i++) {
        add(s, 0, 9000, CUT_TABLE, some_node(s->w), (int)world_below(s->w, 2), 5500, 11000);
        add(s, 0, 14000, RELEASE, some_node(s->w), 0, 0, 0);
        if (world_chance(s->w, 40))
            add(s, 3000, 12000, FLUSH, 0, 0, 0, 0);
        s->at_ms += 5000;
    }
}

/* A process starts anew while the others have no table. */
static void again_in_outage(struct story *s)
{
    int a = some_node(s->w);

    cut_all(s, 0, 1500, 5000, 20000);
    add(s, 1000, 6000, AGAIN, a, 0, 100, 3000);
    add(s, 2000, 9000, some_loss(s->w), 0, 0, 50, 1000);
}

void trouble_draw(struct world *w)
{
    static void (*const stories[])(struct story * s) = {
        falls_back, newcomer_alone,  ragged_outage, standstill,   offered_and_lost,
        flapping,   again_in_outage, old_and_new,   late_answers, sleepers,
    };
    struct story s = {w, w->now_ms + world_below(w, 3000)};

    if (world_chance(w, 50))
        stories[world_below(w, COUNT(stories))](&s);
    else
        draw_freely(w);
    trouble_add(w, (struct trouble){.kind = HEAL, .at_ms = w->now_ms + TROUBLE_MS + 12000});
}
