#include "sim/cluster/fleet.h"

#include <inttypes.h>
#include <stdio.h>

static char wrong[400];

static const char *say(const char *what, const struct house *h, const char *key, struct slice found,
                       const char *wanted)
{
    snprintf(wrong, sizeof(wrong), "{fr}:%s:%s %s is \"%.*s\", not \"%s\"", what, h->name, key,
             SLICE_ARGS(found), wanted);
    return wrong;
}

static const char *key_of(const char *what, const struct house *h)
{
    static char key[64];

    snprintf(key, sizeof(key), "{fr}:%s:%s", what, h->name);
    return key;
}

static struct slice field(struct fleet *f, const char *what, const struct house *h,
                          const char *name)
{
    return keyspace_field(redisserver_keys(f->redis), key_of(what, h), name);
}

size_t shown_count(struct fleet *f, const char *what, const struct house *h)
{
    struct slice words[] = {SLICE("HLEN"), slice_from(key_of(what, h))};
    struct reply reply;
    size_t count;

    keyspace_call(redisserver_keys(f->redis), words, COUNT(words), &reply);
    count = (size_t)reply.number;
    reply_fini(&reply);
    return count;
}

/* As the list has it. */
static unsigned long long incarnation_of(struct fleet *f, const struct house *h)
{
    struct slice row = keyspace_field(redisserver_keys(f->redis), "{fr}:list", h->name);
    uint64_t n = 0;

    slice_to_u64(slice_sub(row, 0, slice_find(row, ':')), UINT64_MAX, &n);
    return n;
}

/* --- what a node has --- */

struct census {
    struct fleet *fleet;
    const struct house *house;
    unsigned long long incarnation;
    size_t links;
    const char *wrong; /* NULL: nothing */
};

/* Whom an inbound stream's header did not name stands there all the same. */
static void check_link(struct census *c, const struct link *l)
{
    struct link_row row = {.id = l->id};
    char key[32], wanted[200], peer[ADDR_TEXT_MAX];
    struct slice found;

    l->ops->describe(l, &row);
    snprintf(key, sizeof(key), "%" PRIu64, l->id);
    found = field(c->fleet, "sess", c->house, key);
    snprintf(wanted, sizeof(wanted), "%llu 1 %s %.*s %.*s %s %s ", c->incarnation,
             link_kind_word(l->kind), SLICE_ARGS(row.local),
             SLICE_ARGS(row.remote.len ? row.remote : SLICE("-")), addr_format(&row.peer, peer),
             row.verdict ? method_word(row.verdict->method) : "-");
    if (!slice_starts(found, slice_from(wanted)))
        c->wrong = say("sess", c->house, key, found, wanted);
}

static size_t components_of(const struct crew *crew, struct slice domain)
{
    size_t count = 0;

    for (unsigned i = 0; i < crew->count; i++)
        LIST_WALK(node, &crew->sites[i]->links)
        {
            struct link *l = LIST_ENTRY(node, struct link, node);
            struct link_row row = {.id = l->id};

            if (!l->open || l->kind != LINK_COMPONENT)
                continue;
            l->ops->describe(l, &row);
            count += slice_eq(row.local, domain);
        }
    return count;
}

static void check_component(struct census *c, const struct link *l)
{
    const struct crew *crew = &c->fleet->crews[c->house->number];
    struct link_row row = {.id = l->id};
    char domain[200], wanted[64];
    struct slice found;

    l->ops->describe(l, &row);
    slice_to_cstr(row.local, domain, sizeof(domain));
    snprintf(wanted, sizeof(wanted), "%llu 1 %zu", c->incarnation, components_of(crew, row.local));
    found = field(c->fleet, "comp", c->house, domain);
    if (!slice_is(found, wanted))
        c->wrong = say("comp", c->house, domain, found, wanted);
}

static void check_links(struct census *c, const struct site *s)
{
    LIST_WALK(node, &s->links)
    {
        const struct link *l = LIST_ENTRY(node, struct link, node);

        if (!l->open)
            continue;
        c->links++;
        check_link(c, l);
        if (l->kind == LINK_COMPONENT)
            check_component(c, l);
    }
}

static void check_node(struct census *c)
{
    char wanted[64];
    struct slice found = field(c->fleet, "node", c->house, "state");

    snprintf(wanted, sizeof(wanted), "%llu 1 member", c->incarnation);
    if (!slice_is(found, wanted))
        c->wrong = say("node", c->house, "state", found, wanted);
    found = field(c->fleet, "node", c->house, "links");
    snprintf(wanted, sizeof(wanted), "%llu 1 %zu", c->incarnation, c->links);
    if (!slice_is(found, wanted))
        c->wrong = say("node", c->house, "links", found, wanted);
}

const char *shown_wrong(struct fleet *f, const struct house *h)
{
    struct census c = {f, h, incarnation_of(f, h), 0, NULL};
    const struct crew *crew = &f->crews[h->number];
    char wanted[32];

    for (unsigned i = 0; i < crew->count; i++)
        check_links(&c, crew->sites[i]);
    snprintf(wanted, sizeof(wanted), "%zu fields", c.links);
    if (shown_count(f, "sess", h) != c.links)
        c.wrong = say("sess", h, "as a whole", slice_none(), wanted);
    check_node(&c);
    return c.wrong;
}

/* --- pairs --- */

static bool has_owner(struct fleet *f, struct slice row)
{
    const struct land *l = &f->land;

    for (size_t i = 0; i < l->house_count; i++) {
        char start[64];

        snprintf(start, sizeof(start), "%s:%llu:", l->houses[i].name,
                 incarnation_of(f, &l->houses[i]));
        if (slice_starts(row, slice_from(start)))
            return true;
    }
    return false;
}

size_t shown_ownerless(struct fleet *f)
{
    struct keyspace *ks = redisserver_keys(f->redis);
    struct slice words[] = {SLICE("SCAN"), SLICE("0"), SLICE("MATCH"), SLICE("{fr}:pair:*")};
    struct reply reply;
    size_t count = 0;

    keyspace_call(ks, words, COUNT(words), &reply);
    for (size_t i = 0; i < reply.items[1].count; i++) {
        char key[300];

        slice_to_cstr(reply_at(&reply.items[1], i), key, sizeof(key));
        count += !has_owner(f, keyspace_string(ks, key));
    }
    reply_fini(&reply);
    return count;
}
