#include "sim/cluster/fleet.h"

#include "link/s2s_out_private.h"
#include "link/view.h"
#include "node/node.h"
#include "scenario/adapter.h"

#include <stdio.h>

/* --- the sites of a node --- */

static void *part_site(struct site *s, const void *arg)
{
    return s;
}

static void on_sites(void *arg, void **parts, unsigned count)
{
    struct crew *c = arg;

    assert(count <= FLEET_WORKERS_MAX);
    for (unsigned i = 0; i < count; i++)
        c->sites[i] = parts[i];
    c->count = count;
}

/* A node that died, or ended, has none. */
static void meet(struct crew *c, const struct house *h)
{
    unsigned start = h->node ? h->starts : 0;

    if (c->start == start)
        return;
    c->start = start;
    c->count = 0;
    if (start)
        workers_gather(node_workers(adapter_node(h->node)), part_site, NULL, 0, on_sites, c);
}

/* --- who may write --- */

static bool may_write(const struct crew *c, const struct berth *b, struct view_grant *ret_grant)
{
    const struct site *s;

    if (!c->count)
        return false;
    s = c->sites[router_key_worker(&c->sites[0]->router, slice_from(b->key))];
    return view_owns(s->view, slice_from(b->key), ret_grant) &&
           loop_boot_ms(s->loop) < atomic_load(ret_grant->until_boot_ms);
}

bool crew_may_write(const struct crew *c, const struct berth *b)
{
    struct view_grant grant;

    return may_write(c, b, &grant);
}

static void change(struct fleet *f, struct berth *b, struct house *h, uint64_t token)
{
    land_say(&f->land, "%s: %s writes, token %llu%s%s", b->key, h->name, (unsigned long long)token,
             b->writer ? ", before: " : "", b->writer ? b->writer->name : "");
    if (b->writer)
        f->takeovers++;
    b->writer = h;
    b->token = token;
    b->changes++;
}

static void look(struct fleet *f, struct berth *b)
{
    struct house *writer = NULL;
    struct view_grant grant;

    for (size_t i = 0; i < f->land.house_count; i++) {
        struct house *h = &f->land.houses[i];

        if (!may_write(&f->crews[i], b, &grant))
            continue;
        if (writer)
            land_fail(&f->land, "%s: %s and %s may both write", b->key, writer->name, h->name);
        writer = h;
        if (b->writer != h || b->token != grant.token)
            change(f, b, h, grant.token);
    }
}

void crew_look(struct land *l)
{
    struct fleet *f = fleet_of(l);

    for (size_t i = 0; i < l->house_count; i++)
        meet(&f->crews[i], &l->houses[i]);
    for (size_t i = 0; i < f->berth_count; i++)
        look(f, &f->berths[i]);
}

/* --- what leaves a node --- */

/* The pair's stream of that connection, or NULL. */
static const struct s2s_out *find_stream(const struct site *s, const struct addr *local)
{
    for (const struct list *n = s->links.next; n != &s->links; n = n->next) {
        const struct link *l = LIST_ENTRY(n, const struct link, node);
        const struct s2s_out *o = LIST_ENTRY(l, const struct s2s_out, link);

        if (l->kind == LINK_S2S_OUT && o->stream && o->until_boot_ms &&
            addr_eq(conn_local(stream_conn(o->stream)), local))
            return o;
    }
    return NULL;
}

struct berth *crew_berth(struct fleet *f, const char *local, const char *remote)
{
    for (size_t i = 0; i < f->berth_count; i++)
        if (slice_is(f->berths[i].local, local) && slice_is(f->berths[i].remote, remote))
            return &f->berths[i];
    return NULL;
}

static void check_write(struct fleet *f, const struct house *h, const struct berth *b)
{
    for (size_t i = 0; i < f->land.house_count; i++)
        if (&f->land.houses[i] != h && crew_may_write(&f->crews[i], b))
            land_fail(&f->land, "%s: %s writes, which is %s's to do", b->key, h->name,
                      f->land.houses[i].name);
}

void crew_wrote(void *fleet, struct host *host, const struct addr *local, const struct addr *peer)
{
    struct fleet *f = fleet;

    for (size_t i = 0; i < f->land.house_count; i++)
        for (unsigned k = 0; f->land.houses[i].host == host && k < f->crews[i].count; k++) {
            const struct s2s_out *o = find_stream(f->crews[i].sites[k], local);
            struct berth *b = o ? crew_berth(f, o->local, o->remote) : NULL;

            if (b)
                check_write(f, &f->land.houses[i], b);
        }
}

/* --- all pairs there can be --- */

static void add(struct fleet *f, const char *local, const char *remote)
{
    struct berth *b = &f->berths[f->berth_count];
    size_t len = strlen(local);

    if (crew_berth(f, local, remote))
        return;
    assert(f->berth_count < FLEET_PAIRS_MAX);
    f->berth_count++;
    snprintf(b->key, sizeof(b->key), "%s %s", local, remote);
    b->local = slice_make(b->key, len);
    b->remote = slice_from(b->key + len + 1);
}

void crew_open(struct fleet *f)
{
    const struct land *l = &f->land;

    for (size_t i = 0; i < l->party_count; i++)
        for (size_t k = 0; k < l->party_count; k++)
            if (l->parties[i]->house && !l->parties[k]->house)
                add(f, l->parties[i]->pattern, l->parties[k]->pattern);
}
