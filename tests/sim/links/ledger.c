#include "sim/links/ledger.h"

#include <limits.h>
#include <stdio.h>

/* How long after its arrival a stanza's acknowledgement may still be on its way, or unseen. */
#define ACK_US 1000000
/* So long after it could arrive a stanza may still wait: bounces are made every 200 ms, wires take
 * 240 ms there and back, parties look every 80 ms. */
#define STUCK_US 2000000
/* A failing handshake may keep everybody waiting for seconds. */
#define LOOK_US 200000
/* TCP repeats at growing intervals: so long after a trouble its effects may show. */
#define AFTER_US 60000000

/* --- troubles --- */

void spells_begin(struct spells *s, uint64_t now_us)
{
    if (s->count && s->at[s->count - 1].to_us == UINT64_MAX)
        return;
    if (s->count == SPELLS_MAX)
        s->at[--s->count].to_us = UINT64_MAX; /* the last two as one */
    else
        s->at[s->count].from_us = now_us;
    s->at[s->count++].to_us = UINT64_MAX;
}

void spells_end(struct spells *s, uint64_t now_us)
{
    if (s->count && s->at[s->count - 1].to_us == UINT64_MAX)
        s->at[s->count - 1].to_us = now_us;
}

void spells_note(struct spells *s, uint64_t now_us)
{
    bool open = s->count && s->at[s->count - 1].to_us == UINT64_MAX;

    if (open)
        return;
    spells_begin(s, now_us);
    spells_end(s, now_us);
}

bool spells_cover(const struct spells *s, uint64_t then_us)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->at[i].from_us <= then_us + ACK_US &&
            (s->at[i].to_us == UINT64_MAX || then_us <= s->at[i].to_us + AFTER_US))
            return true;
    return false;
}

/* --- entries --- */

struct track {
    char *key;
    unsigned id;
    uint64_t read_us;
};

static const uint64_t seed[2] = {1, 2};

void ledger_init(struct ledger *l, void (*fail)(void *arg, const char *text), void *arg)
{
    memset(l, 0, sizeof(*l));
    l->fail = fail;
    l->arg = arg;
    map_init(&l->last, seed);
    map_init(&l->lines, seed);
}

static void free_tracks(struct map *m)
{
    struct track *t;
    size_t pos = 0;

    while ((t = map_next(m, &pos))) {
        map_remove(m, slice_from(t->key));
        mem_free(t->key);
        mem_free(t);
    }
    map_fini(m);
}

void ledger_fini(struct ledger *l)
{
    for (size_t i = 0; i < l->count; i++) {
        mem_free(l->letters[i]->arrivals);
        mem_free(l->letters[i]);
    }
    mem_free(l->letters);
    free_tracks(&l->last);
    free_tracks(&l->lines);
}

struct letter *ledger_new(struct ledger *l, struct origin *origin)
{
    struct letter *x = MEM_NEW(struct letter);

    if ((l->count & (l->count - 1)) == 0)
        l->letters =
            mem_realloc(l->letters, (l->count ? 2 * l->count : 1) * sizeof(struct letter *));
    x->id = (unsigned)l->count;
    x->origin = origin;
    l->letters[l->count++] = x;
    return x;
}

/* Behind the text: what was read of it. */
static void tell_arrivals(const struct letter *x, char *text, size_t size)
{
    for (unsigned i = 0; i < x->arrival_count; i++) {
        const struct arrival *a = &x->arrivals[i];
        size_t len = strlen(text);

        snprintf(text + len, size - len, "; %s on line %u at %.3f s, its end at %llu",
                 a->bounce ? "bounced" : "read", a->on->serial, (double)a->now_us / 1e6,
                 (unsigned long long)a->end);
        len = strlen(text);
        if (a->on->let_go)
            snprintf(text + len, size - len, " (%llu acknowledged, %llu sent)",
                     (unsigned long long)a->on->acked, (unsigned long long)a->on->sent);
    }
}

static void wrong(struct ledger *l, const struct letter *x, const char *what)
{
    char text[1000];

    snprintf(text, sizeof(text), "stanza %u from %s to %s: %s", x->id, x->from, x->to, what);
    tell_arrivals(x, text, sizeof(text));
    l->fail(l->arg, text);
}

static struct letter *find(struct ledger *l, unsigned id)
{
    if (id >= l->count)
        l->fail(l->arg, "a stanza came that nobody sent");
    return l->letters[id];
}

/* May it have been delivered without the sender's router knowing? */
static bool uncertain(const struct letter *x, uint64_t then_us)
{
    for (size_t i = 0; i < PLACES_MAX && x->places[i]; i++)
        if (spells_cover(&x->places[i]->spells, then_us))
            return true;
    return x->common && spells_cover(&x->common->spells, then_us);
}

static struct slice bare(const char *address)
{
    return slice_sub(slice_from(address), 0, slice_find(slice_from(address), '/'));
}

static struct slice domain(const char *address)
{
    struct slice s = bare(address);

    return slice_from_offset(s, slice_find(s, '@') + 1);
}

/* One way along which order is kept: from one connection, for one pair. */
static void way(const struct letter *x, unsigned serial, char *key, size_t size)
{
    struct slice from = x->spread ? bare(x->from) : domain(x->from);
    struct slice to = x->spread ? bare(x->to) : domain(x->to);

    snprintf(key, size, "%u %u %.*s %.*s", serial, x->origin->serial, SLICE_ARGS(from),
             SLICE_ARGS(to));
}

static struct track *track(struct map *m, const char *key)
{
    struct track *t = map_find(m, slice_from(key));

    if (t)
        return t;
    t = MEM_NEW(struct track);
    t->key = mem_strdup(key);
    map_add(m, slice_from(t->key), t);
    return t;
}

/* Only then one on the way can have got it twice, and passes both on. */
static bool passes_two(const struct letter *x)
{
    return x->places[2] || x->common;
}

static void check_line(struct ledger *l, const struct letter *x, const struct reading *r)
{
    char key[256];
    struct track *t;

    way(x, r->on->serial, key, sizeof(key));
    t = track(&l->lines, key);
    if (t->id > x->id && x->deliveries && x->places[2])
        return;
    if (t->id > x->id + 1 && x->scattered && x->sent_us < r->on->since_us)
        return;
    if (t->id == x->id + 1)
        wrong(l, x, "twice on one connection");
    if (t->id > x->id)
        wrong(l, x, "out of order on one connection");
    t->id = x->id + 1;
}

static bool slept(const struct letter *x)
{
    bool any = false;

    for (size_t i = 0; i < PLACES_MAX && x->places[i]; i++)
        any |= x->places[i]->slept;
    return any;
}

/* True: one that was sent later came before. Of what several instances read in one look nobody
 * knows which came first. */
static bool check_first(struct ledger *l, struct letter *x, uint64_t now_us)
{
    char key[256];
    struct track *t;

    way(x, 0, key, sizeof(key));
    t = track(&l->last, key);
    if (t->id > x->id)
        return !x->spread || (t->read_us != now_us && !slept(x));
    t->id = x->id + 1;
    t->read_us = now_us;
    return false;
}

static struct place *place_of(struct letter *x)
{
    size_t i = 0;

    while (i + 1 < PLACES_MAX && x->places[i + 1])
        i++;
    return x->places[i];
}

static void note_read(struct place *p, uint64_t now_us)
{
    if (p->read_us == now_us)
        return;
    p->before_us = p->read_us;
    p->read_us = now_us;
}

/* A component that is there, reads, and has nothing to read is given what waits for it. One whose
 * sender has nothing to read either hears of a bounce when it is made. */
static void check_reason(struct ledger *l, const struct letter *x, const struct reading *r,
                         const struct place *there)
{
    uint64_t busy_us = there->unwell_us > there->read_us ? there->unwell_us : there->read_us;
    uint64_t late_us =
        x->home->unwell_us > x->home->before_us ? x->home->unwell_us : x->home->before_us;

    if (passes_two(x) || !x->inside || x->abroad || r->now_us > there->looked_us + LOOK_US)
        return;
    if (!slice_starts(r->reason, SLICE("age:")) && !slice_starts(r->reason, SLICE("absent:")))
        return;
    if (busy_us + STUCK_US < r->now_us && late_us + STUCK_US < r->now_us)
        wrong(l, x, "bounced though nothing was in its way");
}

static struct arrival *arrived(struct letter *x, const struct reading *r, bool bounce)
{
    unsigned n = x->arrival_count++;

    if ((n & (n - 1)) == 0)
        x->arrivals = mem_realloc(x->arrivals, (n ? 2 * n : 1) * sizeof(*x->arrivals));
    x->arrivals[n] =
        (struct arrival){.on = r->on, .end = r->end, .now_us = r->now_us, .bounce = bounce};
    return &x->arrivals[n];
}

void ledger_delivered(struct ledger *l, const struct reading *r)
{
    struct letter *x = find(l, r->id);
    struct arrival *a = arrived(x, r, false);

    if (!slice_is(r->from, x->from) || !slice_is(r->to, x->to))
        wrong(l, x, "came with other addresses");
    note_read(place_of(x), r->now_us);
    check_line(l, x, r);
    if ((x->bounces || x->deliveries) && !x->suspect_us && !uncertain(x, x->last_us))
        x->suspect_us = x->last_us;
    x->last_us = r->now_us;
    if (!x->deliveries++)
        a->behind = check_first(l, x, r->now_us);
    else if (x->deliveries == 2)
        l->repeats++;
}

void ledger_bounced(struct ledger *l, const struct reading *r)
{
    struct letter *x = find(l, r->id);

    arrived(x, r, true);
    if (!slice_is(r->from, x->to) || !slice_is(r->to, x->from))
        wrong(l, x, "bounced with other addresses");
    if (!x->answerable)
        wrong(l, x, "bounced though it must not be answered");
    note_read(x->home, r->now_us);
    check_reason(l, x, r, place_of(x));
    if ((x->bounces || x->deliveries) && !x->suspect_us && !uncertain(x, x->last_us))
        x->suspect_us = x->last_us;
    x->bounces++;
    x->last_us = r->now_us;
}

/* --- what may be so, when all is over ---
 *
 * A router that gives up a connection, or whose connection breaks, knows what was acknowledged by
 * then. What it had sent and was not acknowledged may have been read or not: that, and nothing
 * else, may be read and be bounced, or be read there and once more elsewhere, earlier or later.
 */

/* The router may have thought that it was not. */
static bool in_doubt(const struct arrival *a)
{
    return a->on->let_go && a->end > a->on->acked;
}

static void judge_arrival(struct ledger *l, const struct letter *x, const struct arrival *a)
{
    if (a->on->let_go && a->end > a->on->sent)
        wrong(l, x, "sent when the router had let go of the connection");
    if (a->behind && !in_doubt(a) && !(x->places[2] && uncertain(x, a->now_us)))
        wrong(l, x, "behind one that was sent later");
}

/* What cannot be with one router between sender and addressee, or NULL. */
static const char *impossible(const struct letter *x)
{
    unsigned sure = 0;
    unsigned bounced_sure = 0;

    for (unsigned i = 0; i < x->arrival_count; i++) {
        const struct arrival *a = &x->arrivals[i];

        if (in_doubt(a))
            continue;
        if (a->bounce)
            bounced_sure++;
        else
            sure++;
    }
    if (sure && x->bounces)
        return "delivered and bounced";
    if (sure > 1)
        return "delivered twice without need";
    return bounced_sure > 1 ? "bounced twice" : NULL;
}

/* What passes between two of them is not seen, only that it may pass twice: the second may bounce
 * it at first, and who sent it hears of that (ledger_sum). */
static bool was_trouble(const struct letter *x)
{
    if (!passes_two(x))
        return false;
    return !x->suspect_us || uncertain(x, x->suspect_us) ||
           spells_cover(&x->home->spells, x->suspect_us);
}

void ledger_judge(struct ledger *l)
{
    for (size_t i = 0; i < l->count; i++) {
        const struct letter *x = l->letters[i];

        const char *what = impossible(x);

        for (unsigned k = 0; k < x->arrival_count; k++)
            judge_arrival(l, x, &x->arrivals[k]);
        if (what && !was_trouble(x))
            wrong(l, x, what);
    }
}

/* --- the end --- */

static bool may_be_lost(const struct letter *x)
{
    if (!x->origin->clean || x->home->forgot_us > x->sent_us)
        return true;
    for (size_t i = 0; i < PLACES_MAX && x->places[i]; i++)
        if (x->places[i]->forgot_us > x->sent_us)
            return true;
    return false;
}

bool letter_is_silent(const struct letter *x)
{
    return !x->deliveries && !x->bounces && !may_be_lost(x);
}

static bool is_behind(const struct letter *x)
{
    bool any = false;

    for (unsigned i = 0; i < x->arrival_count; i++)
        any |= x->arrivals[i].behind;
    return any;
}

static void add(const struct letter *x, struct ledger_sums *sums)
{
    sums->certain += x->origin->clean;
    sums->delivered += x->deliveries > 0;
    sums->unheard += x->places[2] && is_behind(x) && x->answerable && !x->bounces;
    if (x->deliveries || x->bounces)
        return;
    if (may_be_lost(x))
        sums->excused++;
    else if (x->answerable)
        sums->silent++;
    else
        sums->unanswered++;
}

void ledger_sum(const struct ledger *l, unsigned house, struct ledger_sums *ret)
{
    memset(ret, 0, sizeof(*ret));
    for (size_t i = 0; i < l->count; i++)
        if (house == UINT_MAX || l->letters[i]->house == house)
            add(l->letters[i], ret);
}
