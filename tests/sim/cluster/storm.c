#include "sim/cluster/fleet.h"

#include "sim/links/trouble.h"

#include <stdio.h>

static const char *const words[STORMS] = {
#define STORM(id, word) [STORM_##id] = word,
#include "sim/cluster/storm.def"
#undef STORM
};

static struct house *some_house(struct fleet *f)
{
    return &f->land.houses[land_draw(&f->land, f->land.house_count)];
}

/* Mostly short, now and then longer than a right, a watch, or a stranger's time. A cut that
 * outlasts what is assumed of a cluster would prove nothing. */
static uint64_t some_ms(struct fleet *f)
{
    static const unsigned most[] = {300, 3000, 8000, 14000, 24000};
    uint64_t ms = 1 + land_draw(&f->land, most[land_draw(&f->land, COUNT(most))]);

    return f->kinds >> STORM_EMPTY & 1 ? 1 + ms % 4500 : ms;
}

/* --- while it lasts, whoever owns a pair may change --- */

static void trouble_begins(struct fleet *f)
{
    if (f->troubles++ == 0)
        spells_begin(&f->land.common.spells, world_us(f->land.w));
}

static void trouble_ends(struct fleet *f)
{
    if (--f->troubles == 0)
        spells_end(&f->land.common.spells, world_us(f->land.w));
}

/* --- wires between nodes, and to the table --- */

static void set_mesh(struct gale *g, bool cut)
{
    struct fleet *f = g->fleet;

    world_cut(f->land.w, g->house->host, g->other->host, cut);
    if (!g->one_way)
        world_cut(f->land.w, g->other->host, g->house->host, cut);
}

static void set_redis_wire(struct gale *g, bool cut)
{
    struct fleet *f = g->fleet;

    if (!g->one_way || g->back)
        world_cut(f->land.w, f->redis_host, g->house->host, cut);
    if (!g->one_way || !g->back)
        world_cut(f->land.w, g->house->host, f->redis_host, cut);
}

/* From all others. */
static void set_alone(struct gale *g, bool cut)
{
    struct fleet *f = g->fleet;

    for (size_t i = 0; i < f->land.house_count; i++)
        if (&f->land.houses[i] != g->house)
            world_part(f->land.w, g->house->host, f->land.houses[i].host, cut);
}

/* --- nodes --- */

static void set_stopped(struct gale *g, bool stopped)
{
    g->house->stopped = stopped;
    host_pause(g->house->host, stopped);
}

static void set_asleep(struct gale *g, bool asleep)
{
    g->house->stopped = asleep;
    host_suspend(g->house->host, asleep);
}

static void set_hanging(struct gale *g, bool hangs)
{
    const struct crew *c = &g->fleet->crews[g->house->number];

    g->house->stopped = hangs; /* nobody kills or drains it meanwhile */
    if (c->count)
        world_pause_loop(c->sites[g->seed % c->count]->loop, hangs);
}

static void kill_house(struct fleet *f, struct house *h, uint64_t ms)
{
    if (h->stopped)
        return; /* who stopped it will wake it */
    trouble_begins(f);
    house_kill(h, ms);
    trouble_ends(f);
}

/* --- the table --- */

static void set_down(struct gale *g, bool down)
{
    if (down)
        redisserver_stop(g->fleet->redis);
    else
        redisserver_restart(g->fleet->redis, g->kind == STORM_EMPTY);
}

static void set_silent(struct gale *g, bool silent)
{
    redisserver_habit(g->fleet->redis)->silent = silent;
}

static void set_slow(struct gale *g, bool slow)
{
    redisserver_habit(g->fleet->redis)->delay_ms = slow ? 1 + land_draw(&g->fleet->land, 4000) : 0;
}

/* --- what lasts for a while --- */

static void (*const setters[STORMS])(struct gale *g, bool on) = {
    [STORM_PAUSE] = set_stopped, [STORM_HANG] = set_hanging, [STORM_SLEEP] = set_asleep,
    [STORM_MESH] = set_mesh,     [STORM_ALONE] = set_alone,  [STORM_CUT] = set_redis_wire,
    [STORM_OUTAGE] = set_silent, [STORM_RESTART] = set_down, [STORM_EMPTY] = set_down,
    [STORM_SLOW] = set_slow,
};

static bool touches_node(enum storm kind)
{
    return kind == STORM_PAUSE || kind == STORM_SLEEP || kind == STORM_HANG;
}

static bool touches_table(enum storm kind)
{
    return kind == STORM_OUTAGE || kind == STORM_RESTART || kind == STORM_EMPTY ||
           kind == STORM_SLOW;
}

static bool blows(const struct fleet *f, enum storm kind, const struct house *h)
{
    for (size_t i = 0; i < GALES_MAX; i++) {
        const struct gale *g = &f->gales[i];

        if (!g->until_us)
            continue;
        if (touches_table(kind) && touches_table(g->kind))
            return true;
        if (touches_node(kind) && touches_node(g->kind) && g->house == h)
            return true;
        if (!touches_table(kind) && !touches_node(kind) && g->kind == kind && g->house == h)
            return true;
    }
    return false;
}

static struct gale *calm_place(struct fleet *f)
{
    for (size_t i = 0; i < GALES_MAX; i++)
        if (!f->gales[i].until_us)
            return &f->gales[i];
    return NULL;
}

static void end(struct gale *g)
{
    struct fleet *f = g->fleet;

    setters[g->kind](g, false);
    g->until_us = 0;
    land_say(&f->land, "storm: %s of %s is over", words[g->kind], g->house->name);
    trouble_ends(f);
}

static void begin(struct fleet *f, enum storm kind, struct house *h, uint64_t ms)
{
    struct land *l = &f->land;
    struct gale *g = calm_place(f);

    if (!g || blows(f, kind, h) || (touches_node(kind) && !h->node))
        return;
    *g = (struct gale){
        .fleet = f,
        .kind = kind,
        .house = h,
        .seed = (unsigned)land_draw(l, 1000),
        .other = &l->houses[(h->number + 1 + land_draw(l, l->house_count - 1)) % l->house_count],
        .one_way = land_chance(l, 3),
        .back = land_chance(l, 2),
        .until_us = world_us(l->w) + ms * 1000};
    trouble_begins(f);
    setters[kind](g, true);
}

/* --- all of them --- */

/* One to four kinds: where everything happens nothing is seen for itself. In every fourth run nodes
 * come and go, and nothing else. */
void storm_draw(struct fleet *f)
{
    if (land_chance(&f->land, 4)) {
        f->kinds = 1u << STORM_KILL | 1u << (land_chance(&f->land, 2) ? STORM_KILL : STORM_DRAIN);
        return;
    }
    for (size_t n = 1 + land_draw(&f->land, 4); n; n--)
        f->kinds |= 1u << land_draw(&f->land, STORMS);
}

static enum storm some_kind(struct fleet *f)
{
    for (;;) {
        enum storm kind = (enum storm)land_draw(&f->land, STORMS);

        if (f->kinds >> kind & 1)
            return kind;
    }
}

void storm_make(struct fleet *f)
{
    struct land *l = &f->land;
    enum storm kind = some_kind(f);
    struct house *h = some_house(f);
    uint64_t ms = some_ms(f);

    land_say(l, "storm: %s, %s, %u ms", words[kind], h->name, (unsigned)ms);
    if (setters[kind]) {
        begin(f, kind, h, ms);
    } else if (kind == STORM_KILL) {
        kill_house(f, h, ms);
    } else if (kind == STORM_DRAIN) {
        house_drain(h, ms);
        f->drains++;
    } else {
        trouble_make(l);
    }
}

void storm_look(struct fleet *f)
{
    trouble_look(&f->land);
    for (size_t i = 0; i < GALES_MAX; i++)
        if (f->gales[i].until_us && world_us(f->land.w) >= f->gales[i].until_us)
            end(&f->gales[i]);
}

void storm_end(struct fleet *f)
{
    for (size_t i = 0; i < GALES_MAX; i++)
        if (f->gales[i].until_us)
            end(&f->gales[i]);
    trouble_heal(&f->land);
}
