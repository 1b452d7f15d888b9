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
            w->nodes[i].answered_ms <= w->nodes[dead].answered_ms + 1000)
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
    for (int i = 0; i < w->pair_count; i++) {
        if (!(n->owned >> i & 1))
            continue;
        n->owned &= ~(1u << i);
        table_release(w, n, i, n->token[i]);
    }
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

void trouble_draw(struct world *w)
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
        /* twice in a row, or just after what it loses was written */
        if ((t.kind == RESTART || loses(t.kind)) && world_chance(w, 35)) {
            t.at_ms += t.ms + 500 + world_below(w, 9000);
            t.kind = world_chance(w, 50) ? EMPTY : RESTART;
            trouble_add(w, t);
        }
        if (t.kind == SNAP && world_chance(w, 70)) {
            t.at_ms += world_below(w, 12000);
            t.kind = OLDER;
            t.ms = 50 + world_below(w, 2500);
            trouble_add(w, t);
        }
        /* what follows a death, or an outage, closely */
        if ((t.kind == OUTAGE || t.kind == CUT_TABLE) && world_chance(w, 40)) {
            t.at_ms += world_below(w, t.ms);
            t.kind = world_chance(w, 50) ? CRASH : world_chance(w, 50) ? LEAVE : PAUSE;
            t.ms = 500 + world_below(w, lossy ? 4000 : 9000);
            trouble_add(w, t);
        }
    }
    trouble_add(w, (struct trouble){.kind = HEAL, .at_ms = w->now_ms + TROUBLE_MS + 12000});
}
