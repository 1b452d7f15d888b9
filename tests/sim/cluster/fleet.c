#include "sim/cluster/fleet.h"

#include "scenario/adapter.h"
#include "sim/cluster/amend.h"
#include "sim/links/trouble.h"

#include <stdio.h>

/* At rest a node renews, asks and answers each second; so many events in ten seconds are a storm.
 */
#define QUIET_STEPS 4000
/* Until then newcomers settle the table, and nothing befalls them. */
#define WARM_MS 12000
/* A connection of which one end does not know yet that the other is gone: until that is certain it
 * is not asked again. TCP_USER_TIMEOUT, and some. */
#define HEAL_MS 35000
/* Idle links end, pairs and lanes are forgotten: beside the age of what still waits. */
#define REST_MS 100000

/* --- what all runs share --- */

static void write_secret(const char *dir, const char *name, const char *text)
{
    char path[300];
    FILE *f;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    f = fopen(path, "w");
    assert(f && fputs(text, f) > 0);
    fclose(f);
}

void fleet_prepare(const char *dir)
{
    static const char *const made[][2] = {
        {"mesh-a", "dns=a"},
        {"mesh-b", "dns=b"},
        {"mesh-c", "dns=c"},
        {"mesh-d", "dns=d"},
    };
    struct certs *c = certs_new(dir);

    for (size_t i = 0; i < COUNT(made); i++)
        assert(certs_make(c, made[i][0], made[i][1]));
    certs_free(c);
    write_secret(dir, "secret", "abc");
    write_secret(dir, "dialback", "the nodes of a cluster have one secret, and it is a long one");
}

/* --- who is there --- */

static void draw_mood(struct land *l)
{
    l->mood = (struct mood){
        .letters = 300 + (unsigned)land_draw(l, 4000),
        .body = land_chance(l, 3) ? 20000 : 1000,
        .run_ms = 10000 + (unsigned)land_draw(l, 30000),
        .calm = 20 + (unsigned)land_draw(l, 150),
        .bursts = land_chance(l, 2) ? 30 : 4,
        .troubles = (1u << TROUBLES) - 1 - (1u << TROUBLE_KILL) - (1u << TROUBLE_DRAIN) -
                    (1u << TROUBLE_RELOAD),
    };
}

void fleet_house(struct fleet *f, size_t count)
{
    static const char *const names[HOUSES_MAX] = {"a", "b", "c", "d"};

    for (size_t i = 0; i < count; i++)
        land_house(&f->land, names[i]);
}

/* One domain that has a component on each node, and one for each that is nowhere else. */
static void build_parties(struct land *l)
{
    char name[64];
    size_t remotes = 1 + land_draw(l, 4);

    for (size_t i = 0; i < l->house_count; i++) {
        party_component(l, &l->houses[i], "c.example")->spread = true;
        snprintf(name, sizeof(name), "c.%s.example", l->houses[i].name);
        if (land_chance(l, 2))
            party_component(l, &l->houses[i], name)->spread = true;
    }
    for (size_t i = 0; i < remotes; i++) {
        snprintf(name, sizeof(name), "r%zu.example", i);
        party_server(l, name);
    }
}

void fleet_open(struct fleet *f, uint64_t seed, const char *dir, bool loud)
{
    struct land *l = &f->land;

    adapter_amend = amend_for_cluster;
    *l = (struct land){.program = "test_cluster",
                       .seed = seed,
                       .dir = dir,
                       .loud = loud,
                       .together = true,
                       .stepped = crew_look};
    land_open(l);
    world_set_chopping(l->w, false); /* that is for other tests */
    world_watch_writes(l->w, crew_wrote, f);
    f->redis_host = world_host(l->w, "redis", FLEET_REDIS);
    f->redis = redisserver_open(f->redis_host, FLEET_REDIS ":6379");
}

void fleet_begin(struct fleet *f)
{
    land_wire(&f->land);
    crew_open(f);
    trouble_heal(&f->land);
}

static void build(struct fleet *f)
{
    struct land *l = &f->land;

    draw_mood(l);
    storm_draw(f);
    f->haste = 10 + (unsigned)land_draw(l, 90);
    dnsserver_set_ttl(l->dns, (uint32_t)land_draw(l, 60));
    fleet_house(f, 2 + land_draw(l, HOUSES_MAX - 1));
    build_parties(l);
    fleet_begin(f);
    for (size_t i = 0; i < l->house_count; i++) {
        l->houses[i].workers = 1 + (unsigned)land_draw(l, FLEET_WORKERS_MAX);
        house_open(&l->houses[i]);
    }
}

/* Where nodes come and go, and nothing else is wrong, a pair finds its next owner in a third of the
 * shortest age that is not left out here. */
static void check_ages(struct fleet *f)
{
    const struct land *l = &f->land;

    if (f->kinds & ~(1u << STORM_DRAIN | 1u << STORM_KILL) || l->houses[0].set.queue_age_ms < 20000)
        return;
    if (l->aged)
        land_fail(&f->land, "%u stanzas waited too long, and nothing but nodes was away", l->aged);
}

static void check_shown(struct fleet *f)
{
    for (size_t i = 0; i < f->land.house_count; i++) {
        const struct house *h = &f->land.houses[i];
        const char *wrong = h->node ? shown_wrong(f, h) : NULL;

        if (wrong)
            land_fail(&f->land, "%s", wrong);
    }
    if (shown_ownerless(f))
        land_fail(&f->land, "%zu pairs have rows of nodes that are gone", shown_ownerless(f));
}

void fleet_end(struct fleet *f)
{
    for (unsigned i = 0; i < HEAL_MS / 200; i++)
        land_turn(&f->land, 200);
    land_rest(&f->land, REST_MS + 2 * f->land.houses[0].set.queue_age_ms, QUIET_STEPS);
    land_check(&f->land);
    check_ages(f);
    check_shown(f);
    land_say(&f->land, "%u takeovers, %u drains", f->takeovers, f->drains);
    land_close(&f->land);
}

/* --- life --- */

/* From a component to the network or to another, or from there to a component. */
static void write_some(struct land *l)
{
    struct party *from = l->parties[land_draw(l, l->party_count)];
    struct party *to = l->parties[land_draw(l, l->party_count)];
    unsigned n = 1 + (unsigned)land_draw(l, l->mood.bursts);

    if (from == to || (!from->house && !to->house) || l->ledger.count >= l->mood.letters)
        return;
    for (; n; n--)
        if (!party_write(from, to, 0))
            return;
}

static void live(struct fleet *f)
{
    struct land *l = &f->land;
    uint64_t end_us = (WARM_MS + (uint64_t)l->mood.run_ms) * 1000;

    for (unsigned i = 0; i < WARM_MS / 100; i++) {
        land_turn(l, 100);
        if (land_chance(l, 4))
            write_some(l);
    }
    while (world_us(l->w) < end_us) {
        land_turn(l, 1 + land_draw(l, 80));
        storm_look(f);
        if (land_draw(l, 100) < f->haste)
            write_some(l);
        if (land_chance(l, l->mood.calm))
            storm_make(f);
        if (land_chance(l, 40))
            house_check_queues(&l->houses[land_draw(l, l->house_count)]);
    }
}

void fleet_play(uint64_t seed, const char *dir, bool loud)
{
    struct fleet f = {.drains = 0};

    fleet_open(&f, seed, dir, loud);
    build(&f);
    live(&f);
    storm_end(&f);
    fleet_end(&f);
}
