#include "sim/links/land.h"

#include "sim/links/house.h"
#include "sim/links/party.h"
#include "sim/links/trouble.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/* Longer than any queue's age, back-off, idleness and forgetting together. */
#define REST_MS  240000
#define QUIET_MS 10000
/* A turn that took longer waited for somebody's handshake. */
#define TURN_MOST_MS 500
/* Each second a loop says that it lives, and looks at its links: a steward, three workers. */
#define QUIET_STEPS 80
/* A busy turn has some thousands. */
#define TURN_STEPS 200000u

uint64_t land_draw(struct land *l, uint64_t below)
{
    return random_below(&l->rnd, below);
}

bool land_chance(struct land *l, unsigned one_in)
{
    return land_draw(l, one_in) == 0;
}

/* --- telling --- */

void land_say(struct land *l, const char *format, ...)
{
    char text[512];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (l->loud)
        peer_note(l->w, "land", "=", slice_from(text));
}

static void print(const struct byteq *q)
{
    struct slice s = byteq_slice(q);

    if (s.len)
        fwrite(s.ptr, 1, s.len, stderr);
}

static void tell_all(struct land *l)
{
    peer_note_all();
    print(&l->transcript);
    for (size_t i = 0; i < l->house_count; i++) {
        fprintf(stderr, "--- log of %s\n", l->houses[i].name);
        print(&l->houses[i].bed.lines);
    }
}

void land_fail(struct land *l, const char *format, ...)
{
    va_list args;

    if (l->loud)
        tell_all(l);
    fprintf(stderr, "seed %llu at %.3f s: ", (unsigned long long)l->seed,
            (double)world_us(l->w) / 1e6);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nplay it again: %s --seed %llu\n", l->program, (unsigned long long)l->seed);
    fflush(stderr);
    _exit(1); /* a router in the middle of something is not worth taking down */
}

static void ledger_failed(void *arg, const char *text)
{
    land_fail(arg, "%s", text);
}

/* --- drawing --- */

static void draw_mood(struct land *l)
{
    struct mood *m = &l->mood;

    m->tls = land_chance(l, 8);
    m->direct_tls = land_chance(l, 2);
    m->by_dialback = land_chance(l, 3);
    m->chopped = land_chance(l, 6);
    m->grumpy = land_chance(l, 5);
    m->letters = 20 + (unsigned)land_draw(l, land_chance(l, 10) ? 800 : 200);
    m->body = land_chance(l, 3) ? 20000 : 1000;
    m->run_ms = 3000 + (unsigned)land_draw(l, 30000);
    m->calm = 3 + (unsigned)land_draw(l, 60);
    m->bursts = land_chance(l, 2) ? 60 : 4;
    m->troubles = (unsigned)land_draw(l, 1u << TROUBLES);
    if (!land_chance(l, 8))
        m->troubles &= ~(1u << TROUBLE_KILL);
    if (!land_chance(l, 4))
        m->troubles &= ~(1u << TROUBLE_DRAIN);
    if (m->chopped)
        m->body = 300;
}

struct house *land_house(struct land *l, const char *name)
{
    struct house *h = &l->houses[l->house_count];

    h->land = l;
    h->number = (unsigned)l->house_count++;
    h->name = name;
    h->workers = 1 + (unsigned)land_draw(l, 3);
    snprintf(h->ip, sizeof(h->ip), "10.0.0.%u", h->number + 1);
    h->host = world_host(l->w, name, h->ip);
    bed_init(&h->bed);
    return h;
}

static void add_component(struct land *l, struct house *h, const char *pattern)
{
    struct party *p = party_component(l, h, pattern);

    p->spread = land_chance(l, 3);
    p->wish_count = p->spread ? 1 + land_draw(l, 3) : 1;
    p->spread = p->wish_count > 1;
    p->refuses = land_chance(l, 3);
}

static void build_parties(struct land *l)
{
    char name[64];

    for (size_t i = 0; i < l->house_count; i++) {
        size_t count = 1 + land_draw(l, 2);

        for (size_t k = 0; k < count; k++) {
            snprintf(name, sizeof(name), "c%zu.%s.example", k, l->houses[i].name);
            add_component(l, &l->houses[i], name);
        }
        snprintf(name, sizeof(name), "*.w.%s.example", l->houses[i].name);
        if (land_chance(l, 3))
            add_component(l, &l->houses[i], name);
    }
    for (size_t k = l->house_count == 1 ? 0 : 2; k < 3; k++) {
        snprintf(name, sizeof(name), "r%zu.example", k);
        if (k == 2 || land_chance(l, 2))
            party_server(l, name);
    }
}

/* Long wires have more under way when they break. */
static uint64_t draw_latency(struct land *l)
{
    return land_chance(l, 2) ? 200 : land_draw(l, 60000);
}

void land_wire(struct land *l)
{
    for (size_t i = 0; i < l->party_count; i++)
        l->wires[l->wire_count++] = (struct wire){.land = l, .party = l->parties[i]};
    if (l->house_count == 2 && !l->together)
        l->wires[l->wire_count++] = (struct wire){.land = l};
    for (size_t i = 0; i < l->wire_count; i++)
        l->wires[i].usual_us = l->wires[i].party ? draw_latency(l) : 200;
}

/* --- partings --- */

static bool is_house(const struct land *l, const struct addr *a)
{
    for (size_t i = 0; i < l->house_count; i++) {
        struct addr ip;
        bool read = addr_parse_ip(slice_from(l->houses[i].ip), addr_port(a), &ip) == OK;

        if (read && addr_eq(&ip, a))
            return true;
    }
    return false;
}

/* Between two routers nobody looks: what they cannot know is told by the time alone. */
static void on_let_go(void *arg, const struct let_go *g)
{
    struct land *l = arg;
    size_t n = l->parting_count++;

    if (!l->together && g->acked < g->sent && is_house(l, g->remote))
        spells_note(&l->houses[0].place.spells, world_us(l->w));
    if ((n & (n - 1)) == 0)
        l->partings = mem_realloc(l->partings, (n ? 2 * n : 1) * sizeof(*l->partings));
    l->partings[n] = (struct parting){*g->local, *g->remote, g->acked, g->sent, world_us(l->w)};
}

static bool is_of(const struct parting *p, const struct connection *n)
{
    return addr_eq(&p->router, &n->remote) && addr_eq(&p->other, &n->local) &&
           p->now_us >= n->born_us;
}

/* The first of its ports since it began. */
static void settle_parting(const struct land *l, const struct line *n)
{
    struct origin *o = n->origin;

    for (size_t i = 0; i < l->parting_count && !o->let_go; i++) {
        const struct parting *p = &l->partings[i];

        if (!is_of(p, peer_connection(n->peer)))
            continue;
        o->let_go = true;
        o->acked = p->acked;
        o->sent = p->sent;
    }
}

void land_open(struct land *l)
{
    random_init_seeded(&l->rnd, l->seed);
    l->w = world_new(l->seed);
    byteq_init(&l->transcript);
    peer_write_to(l->loud ? &l->transcript : NULL);
    ledger_init(&l->ledger, ledger_failed, l);
    l->dns = dnsserver_open(world_host(l->w, "dns", "10.0.0.53"), "10.0.0.53:53");
    world_on_let_go(l->w, on_let_go, l);
}

static void build(struct land *l)
{
    land_open(l);
    draw_mood(l);
    world_set_chopping(l->w, l->mood.chopped);
    dnsserver_set_ttl(l->dns, (uint32_t)land_draw(l, 60));
    land_house(l, "a");
    if (land_chance(l, 2))
        land_house(l, "b");
    build_parties(l);
    land_wire(l);
    trouble_heal(l);
    for (size_t i = 0; i < l->house_count; i++)
        house_open(&l->houses[i]);
}

/* --- time --- */

static bool stepped(void *arg)
{
    struct land *l = arg;

    if (l->stepped)
        l->stepped(l);
    if (world_steps(l->w) - l->turn_steps > TURN_STEPS)
        land_fail(l, "more than %u steps in less than 200 ms", TURN_STEPS);
    return false;
}

static void note_unwell(struct land *l)
{
    uint64_t now = world_us(l->w);

    for (size_t i = 0; i < l->party_count; i++) {
        struct place *p = &l->parties[i]->place;

        if (!party_is_well(l->parties[i]) || l->wires[i].until_us || now < l->wires[i].well_us ||
            now > p->looked_us + 1000 * TURN_MOST_MS)
            p->unwell_us = now;
        p->looked_us = now;
    }
}

void land_turn(struct land *l, uint64_t ms)
{
    l->turn_steps = world_steps(l->w);
    world_run_until(l->w, stepped, l, ms);
    for (size_t i = 0; i < l->house_count; i++)
        house_look(&l->houses[i]);
    for (size_t i = 0; i < l->party_count; i++)
        party_look(l->parties[i]);
    note_unwell(l);
}

/* --- traffic --- */

void land_write(struct land *l)
{
    struct party *from = l->parties[land_draw(l, l->party_count)];
    struct party *to = l->parties[land_draw(l, l->party_count)];
    unsigned n = 1 + (unsigned)land_draw(l, l->mood.bursts);
    size_t name = land_draw(l, to->name_count);

    if (from == to || (!from->house && !to->house) || l->ledger.count >= l->mood.letters)
        return;
    for (; n; n--)
        if (!party_write(from, to, name))
            return;
}

static void live(struct land *l)
{
    uint64_t end_us = world_us(l->w) + (uint64_t)l->mood.run_ms * 1000;

    while (world_us(l->w) < end_us) {
        land_turn(l, 1 + land_draw(l, 80));
        trouble_look(l);
        land_write(l);
        if (land_chance(l, l->mood.calm))
            trouble_make(l);
        if (land_chance(l, 40))
            house_check_queues(&l->houses[land_draw(l, l->house_count)]);
    }
}

/* --- rest --- */

static void turns(struct land *l, uint64_t ms)
{
    for (; ms; ms -= 200)
        land_turn(l, 200);
}

/* What the spaces on idle streams made happen so far: each a turn, a packet, a look of the party,
 * another packet, and a turn every 20 ms that asks whether it arrived; the wire takes four times
 * its latency at most. */
static uint64_t pings(const struct land *l)
{
    uint64_t steps = 0;

    for (size_t i = 0; i < l->party_count; i++)
        steps += party_spaces(l->parties[i]) * (6 + 4 * l->wires[i].usual_us / 20000);
    return steps;
}

/* More than each loop's own and those of pings is a storm. */
static void check_quiet(struct land *l, unsigned quiet_steps)
{
    uint64_t pinged = pings(l);
    uint64_t begun = world_steps(l->w);
    unsigned steps;
    unsigned most;

    turns(l, QUIET_MS);
    steps = (unsigned)(world_steps(l->w) - begun);
    most = quiet_steps * (unsigned)l->house_count + (unsigned)(pings(l) - pinged);
    land_say(l, "%u steps in the last %u s, of %u", steps, QUIET_MS / 1000, most);
    if (steps > most)
        land_fail(l, "%u steps in %u s of rest, not %u", steps, QUIET_MS / 1000, most);
}

void land_rest(struct land *l, uint64_t rest_ms, unsigned quiet_steps)
{
    l->calm = true;
    trouble_heal(l);
    turns(l, rest_ms / 2);
    for (size_t i = 0; i < l->party_count; i++) /* what a router gave up meanwhile */
        party_nudge(l->parties[i]);
    turns(l, rest_ms / 2);
    check_quiet(l, quiet_steps);
}

static void settle_origins(struct land *l)
{
    for (size_t i = 0; i < l->party_count; i++)
        LIST_WALK(node, &l->parties[i]->lines)
        {
            struct line *n = LIST_ENTRY(node, struct line, node);

            settle_parting(l, n);
            if (!n->over)
                land_say(l, "at rest: line %u of %s%s%s%s", n->origin->serial, n->party->name,
                         n->open ? ", open" : "", n->we_ended ? ", ended by us" : "",
                         n->they_ended ? ", ended by them" : "");
            if (!n->over)
                n->origin->clean = peer_unacked(n->peer) == 0;
        }
}

static void name_silent(struct land *l)
{
    for (size_t i = 0; i < l->ledger.count; i++) {
        const struct letter *x = l->ledger.letters[i];

        if (letter_is_silent(x))
            land_say(l, "silent: %u from %s to %s at %.4f%s", x->id, x->from, x->to,
                     (double)x->sent_us / 1e6, x->answerable ? "" : ", not to be answered");
    }
}

/* The only silent ends: bounces that nobody could take, and what must not be answered. A bounce
 * that passes a second router is of the latter kind there. */
static void check_silent(struct land *l, const struct ledger_sums *sums)
{
    unsigned dropped = l->dropped - (sums->unanswered < l->dropped ? sums->unanswered : l->dropped);
    unsigned lost = l->lost_bounces + (l->house_count > 1 ? dropped : 0);

    if (sums->unanswered > l->dropped)
        land_fail(l, "%u stanzas that must not be answered did not arrive, %u were dropped",
                  sums->unanswered, l->dropped);
    if (sums->silent + sums->unheard > lost)
        land_fail(l,
                  "%u stanzas have no fate, and %u arrived late without one; %u bounces were lost",
                  sums->silent, sums->unheard, lost);
}

void land_check(struct land *l)
{
    struct ledger_sums sums;

    settle_origins(l);
    ledger_judge(&l->ledger);
    for (size_t i = 0; i < l->house_count; i++)
        house_check_rest(&l->houses[i]);
    ledger_sum(&l->ledger, UINT_MAX, &sums);
    land_say(l,
             "%zu sent, %u certain, %u delivered, %u silent, %u unanswered, %u excused, %u again",
             l->ledger.count, sums.certain, sums.delivered, sums.silent, sums.unanswered,
             sums.excused, l->ledger.repeats);
    name_silent(l);
    check_silent(l, &sums);
    for (size_t i = 0; i < l->house_count; i++)
        if (!l->houses[i].fresh)
            return;
    if (l->ledger.repeats > l->resent && !l->together)
        land_fail(l, "%u stanzas arrived again, %u were counted as resent", l->ledger.repeats,
                  l->resent);
}

void land_close(struct land *l)
{
    for (size_t i = 0; i < l->house_count; i++)
        house_free(&l->houses[i]);
    if (l->loud)
        tell_all(l);
    peer_write_to(NULL);
    for (size_t i = 0; i < l->party_count; i++)
        party_free(l->parties[i]);
    ledger_fini(&l->ledger);
    mem_free(l->partings);
    world_free(l->w);
    byteq_fini(&l->transcript);
}

struct certs *land_certs(const char *dir)
{
    static const char *const made[][2] = {
        {"a", "dns=c0.a.example,c1.a.example,*.w.a.example"},
        {"b", "dns=c0.b.example,c1.b.example,*.w.b.example"},
        {"r0", "dns=r0.example"},
        {"r1", "dns=r1.example"},
        {"r2", "dns=r2.example"},
    };
    struct certs *c = certs_new(dir);
    char path[300];
    FILE *f;

    for (size_t i = 0; i < COUNT(made); i++)
        assert(certs_make(c, made[i][0], made[i][1]));
    snprintf(path, sizeof(path), "%s/secret", dir);
    f = fopen(path, "w");
    assert(f && fputs("abc", f) > 0);
    fclose(f);
    return c;
}

void land_play(uint64_t seed, const char *dir, bool loud)
{
    struct land l = {.program = "test_links", .seed = seed, .dir = dir, .loud = loud};

    build(&l);
    live(&l);
    land_rest(&l, REST_MS, QUIET_STEPS);
    land_check(&l);
    land_close(&l);
}
