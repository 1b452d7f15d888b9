#include "sim/cluster/scene.h"

#include "node/node.h"
#include "scenario/adapter.h"
#include "unit/test.h"

#include <errno.h>
#include <stdlib.h>

/* Newcomers watch the table for 6.5 s before they settle it. */
#define BEGIN_MS 12000
#define SLICE_MS 20

static bool until(struct scene *s, bool (*done)(struct scene *s, const size_t *arg),
                  const size_t *arg, uint64_t most_ms)
{
    for (uint64_t ms = 0; ms < most_ms && !done(s, arg); ms += SLICE_MS)
        land_turn(&s->fleet.land, SLICE_MS);
    return done(s, arg);
}

static void set_limits(struct house *h)
{
    h->workers = 1 + h->number % 2;
    h->set.queue_stanzas = h->most_stanzas = 1000;
    h->set.queue_bytes = 1 << 24;
    h->set.queue_age_ms = 60000;
    h->set.pause_ms = 1000;
    h->set.idle_ms = 5000;
    h->set.close_ms = 1000;
    h->set.dns_ms = h->set.connect_ms = h->set.tls_ms = 4000;
    h->set.dialback_ms = 8000;
    h->set.keepalive_ms = 10000;
    h->set.drain_ms = 10000;
    h->set.grace_ms = 500;
    h->set.stanza_bytes = 524288;
    h->fresh = true;
}

static bool can_claim(struct house *h)
{
    struct members *m = node_members(adapter_node(h->node));

    return owners_can_claim(members_owners(m), loop_boot_ms(node_loop(adapter_node(h->node))));
}

static bool all_are_ready(struct scene *s, const size_t *arg)
{
    for (size_t i = 0; i < s->fleet.land.house_count; i++)
        if (!party_open_lines(s->components[i]) || !can_claim(&s->fleet.land.houses[i]))
            return false;
    return true;
}

static const char *prepared(void)
{
    static bool done;
    const char *dir = bed_dir(program_invocation_short_name);

    if (!done)
        fleet_prepare(dir);
    done = true;
    return dir;
}

void scene_open(struct scene *s, uint64_t seed, size_t houses)
{
    static const char *const servers[SCENE_SERVERS] = {"r0.example", "r1.example", "r2.example"};
    struct land *l = &s->fleet.land;

    memset(s, 0, sizeof(*s));
    fleet_open(&s->fleet, seed, prepared(), getenv("SCENE_LOUD") != NULL);
    s->w = l->w;
    l->mood.body = 100;
    l->mood.answerable = true;
    l->calm = true; /* parties answer at once */
    fleet_house(&s->fleet, houses);
    for (size_t i = 0; i < houses; i++)
        s->components[i] = party_component(l, &l->houses[i], "c.example");
    for (size_t i = 0; i < houses; i++)
        s->components[i]->spread = true;
    for (size_t i = 0; i < SCENE_SERVERS; i++)
        s->servers[i] = party_server(l, servers[i]);
    fleet_begin(&s->fleet);
    for (size_t i = 0; i < houses; i++) {
        set_limits(&l->houses[i]);
        house_start(&l->houses[i]);
    }
    CHECK(until(s, all_are_ready, NULL, BEGIN_MS));
}

void scene_close(struct scene *s)
{
    fleet_end(&s->fleet);
}

/* --- time --- */

void scene_run(struct scene *s, uint64_t ms)
{
    for (; ms > SLICE_MS; ms -= SLICE_MS)
        land_turn(&s->fleet.land, SLICE_MS);
    land_turn(&s->fleet.land, ms);
}

void scene_step(struct scene *s, unsigned events)
{
    for (unsigned i = 0; i < events; i++) {
        world_step(s->w);
        crew_look(&s->fleet.land);
    }
    land_turn(&s->fleet.land, 0);
}

static bool is_settled(struct scene *s, const size_t *arg)
{
    const struct ledger *l = &s->fleet.land.ledger;

    for (size_t i = 0; i < l->count; i++)
        if (!l->letters[i]->deliveries && !l->letters[i]->bounces)
            return false;
    return true;
}

bool scene_settle(struct scene *s, uint64_t most_ms)
{
    return until(s, is_settled, NULL, most_ms);
}

/* --- who owns --- */

struct house *scene_writer(struct scene *s, size_t server)
{
    struct berth *b = crew_berth(&s->fleet, "c.example", s->servers[server]->pattern);

    for (size_t i = 0; i < s->fleet.land.house_count; i++)
        if (crew_may_write(&s->fleet.crews[i], b))
            return &s->fleet.land.houses[i];
    return NULL;
}

static bool is_owner(struct scene *s, const size_t *arg)
{
    return scene_writer(s, arg[0]) == scene_house(s, arg[1]);
}

bool scene_owned(struct scene *s, size_t server, size_t house, uint64_t most_ms)
{
    return until(s, is_owner, (const size_t[]){server, house}, most_ms);
}

/* --- what is done to them --- */

struct house *scene_house(struct scene *s, size_t house)
{
    return &s->fleet.land.houses[house];
}

void scene_send(struct scene *s, size_t house, size_t server, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        CHECK(party_write(s->components[house], s->servers[server], 0));
}

void scene_trouble(struct scene *s, bool on)
{
    if (on)
        spells_begin(&s->fleet.land.common.spells, world_us(s->w));
    else
        spells_end(&s->fleet.land.common.spells, world_us(s->w));
}

void scene_kill(struct scene *s, size_t house, uint64_t down_ms)
{
    house_kill(scene_house(s, house), down_ms);
}

void scene_drain(struct scene *s, size_t house, uint64_t down_ms)
{
    house_drain(scene_house(s, house), down_ms);
}

bool scene_gone(struct scene *s, size_t house)
{
    return !scene_house(s, house)->node;
}

/* --- what came of it --- */

struct scene_counts {
    unsigned sent, delivered, bounced;
};

static struct scene_counts count(const struct scene *s, size_t house)
{
    const struct ledger *l = &s->fleet.land.ledger;
    struct scene_counts t = {0};

    for (size_t i = 0; i < l->count; i++) {
        const struct letter *x = l->letters[i];

        if (x->house != house)
            continue;
        t.sent++;
        t.delivered += x->deliveries > 0;
        t.bounced += x->bounces > 0;
    }
    return t;
}

unsigned scene_sent(const struct scene *s, size_t house)
{
    return count(s, house).sent;
}

unsigned scene_delivered(const struct scene *s, size_t house)
{
    return count(s, house).delivered;
}

unsigned scene_bounced(const struct scene *s, size_t house)
{
    return count(s, house).bounced;
}
