#include "sim/links/party.h"

#include <stdio.h>

#define RETRY_US 500000

/* --- connecting --- */

static void dial_component(struct party *p)
{
    char to[64];

    snprintf(to, sizeof(to), "%s:5347", p->house->ip);
    line_greet(line_new(p, p->house, LINE_COMPONENT, peer_dial(p->host, p->name, to)));
}

static size_t living(const struct party *p)
{
    size_t count = 0;

    LIST_WALK(node, &p->lines)
    {
        const struct line *n = LIST_ENTRY(node, struct line, node);

        count += !n->over && !n->we_ended && n->kind == LINE_COMPONENT;
    }
    return count;
}

static void attach(struct party *p)
{
    if (!p->house || living(p) >= p->wish_count || world_us(p->land->w) < p->retry_us)
        return;
    p->retry_us = world_us(p->land->w) + RETRY_US;
    dial_component(p);
}

static void take_calls(struct party *p)
{
    while (p->port && peer_port_waiting(p->port)) {
        struct peer *peer = peer_accept(p->port, p->name, 0);
        struct line *n = line_new(p, NULL, LINE_IN, peer);

        if (p->direct_tls)
            line_shake(n, true);
    }
}

static void open_port(struct party *p)
{
    char at[64];

    snprintf(at, sizeof(at), "%s:%u", p->ip, p->direct_tls ? 5270 : 5269);
    if (!p->port)
        p->port = peer_listen(p->host, p->name, at);
}

static struct line *dial_router(struct party *p, struct house *h, size_t own, const char *domain)
{
    char at[64];
    struct line *n;

    snprintf(at, sizeof(at), "%s:%u", h->ip, p->direct_tls ? 5270 : 5269);
    n = line_new(p, h, LINE_OUT, peer_dial(p->host, p->name, at));
    n->own = own;
    snprintf(n->goal, sizeof(n->goal), "%s", domain);
    if (!p->direct_tls || line_shake(n, false))
        line_greet(n);
    return n;
}

static void look_at_all(struct party *p)
{
    LIST_WALK(node, &p->lines)
    line_look(LIST_ENTRY(node, struct line, node));
}

static void come_back(struct party *p)
{
    p->away = false;
    if (!p->house)
        open_port(p);
}

static bool all_read(void *arg)
{
    struct party *p = arg;

    LIST_WALK(node, &p->lines)
    {
        const struct line *n = LIST_ENTRY(node, struct line, node);

        if (!n->over && peer_unread(n->peer))
            return false;
    }
    return true;
}

static bool died(const struct line *n)
{
    return peer_error(n->peer) || peer_has_ended(n->peer);
}

/* What connections hold that died meanwhile was sent before what the others hold. */
static void go_on(struct party *p)
{
    p->stalled = false;
    LIST_WALK(node, &p->lines)
    if (!LIST_ENTRY(node, struct line, node)->over)
        peer_stop_reading(LIST_ENTRY(node, struct line, node)->peer, false);
    world_run_until(p->land->w, all_read, p, 10);
    LIST_WALK(node, &p->lines)
    if (died(LIST_ENTRY(node, struct line, node)))
        line_look(LIST_ENTRY(node, struct line, node));
}

void party_look(struct party *p)
{
    uint64_t now = world_us(p->land->w);

    if (p->stalled && now >= p->go_us)
        go_on(p);
    if (p->stalled)
        return;
    take_calls(p);
    look_at_all(p);
    if (p->away && now >= p->back_us)
        come_back(p);
    if (!p->away)
        attach(p);
}

/* --- writing --- */

static struct line *line_for(struct party *p, const struct party *to, size_t name)
{
    struct line *found = NULL;
    size_t bit = to->house ? line_domain(p->land, to->house, slice_from(to->names[name])) : 0;
    unsigned seen = 0;

    LIST_WALK(node, &p->lines)
    {
        struct line *n = LIST_ENTRY(node, struct line, node);

        if (!n->open || n->kind == LINE_IN || (!p->house && !(n->allowed >> bit & 1)))
            continue;
        if (land_draw(p->land, ++seen) == 0)
            found = n;
    }
    return found;
}

/* Any node of a cluster takes what is for any of its components. */
static struct house *some_entrance(struct land *l, const struct party *to)
{
    return l->together ? &l->houses[land_draw(l, l->house_count)] : to->house;
}

/* A server without a way: it asks on a line it has, or dials. */
static void find_way(struct party *p, const struct party *to, size_t name)
{
    struct house *h = some_entrance(p->land, to);
    struct line *n;

    LIST_WALK(node, &p->lines)
    {
        n = LIST_ENTRY(node, struct line, node);
        if (n->over || n->we_ended || n->kind != LINE_OUT || n->house != h)
            continue;
        if (n->open)
            line_ask(n, to->names[name]);
        return; /* in time */
    }
    dial_router(p, h, land_draw(p->land, p->name_count), to->names[name]);
}

/* In a cluster any component of the domain may get it; another node passes it on, and may get it
 * twice. */
static size_t add_components(struct letter *x, size_t i, struct land *l, const struct party *to)
{
    for (size_t k = 0; k < l->party_count; k++)
        if (l->parties[k]->house && strcmp(l->parties[k]->pattern, to->pattern) == 0)
            x->places[i++] = &l->parties[k]->place;
    x->places[i++] = &l->common;
    return i;
}

static void set_places(struct letter *x, const struct line *n, struct party *to)
{
    struct land *l = n->party->land;
    size_t i = 0;

    x->house = n->house->number;
    x->home = &n->party->place;
    x->places[i++] = &n->house->place;
    x->common = l->together ? &l->common : NULL;
    if (l->together && to->house) {
        i = add_components(x, i, l, to);
    } else {
        x->scattered = to->house && to->house != n->house && to->house->workers > 1;
        if (to->house && to->house != n->house)
            x->places[i++] = &to->house->place;
        x->places[i++] = &to->place;
    }
    assert(i <= PLACES_MAX);
}

static void put_letter(struct line *n, const struct letter *x, unsigned body)
{
    static const char *const kinds[] = {"message", "presence", "message", "iq"};
    struct land *l = n->party->land;
    const char *kind = kinds[land_draw(l, 4)];
    const char *type = x->answerable ? "" : " type='error'";
    struct byteq q;
    char text[512];

    if (x->answerable && strcmp(kind, "iq") == 0)
        type = " type='get'";
    byteq_init(&q);
    snprintf(text, sizeof(text), "<%s id='%u' from='%s' to='%s'%s><b xmlns='urn:b'>", kind, x->id,
             x->from, x->to, type);
    byteq_append(&q, slice_from(text));
    for (unsigned i = 0; i < body; i++)
        byteq_append(&q, SLICE("a"));
    snprintf(text, sizeof(text), "</b></%s>", kind);
    byteq_append(&q, slice_from(text));
    peer_send(n->peer, byteq_slice(&q));
    byteq_fini(&q);
}

static void write_on(struct line *n, struct party *to, size_t name)
{
    struct land *l = n->party->land;
    struct party *p = n->party;
    struct letter *x = ledger_new(&l->ledger, n->origin);
    size_t own = n->kind == LINE_OUT ? n->own : land_draw(l, p->name_count);

    snprintf(x->from, sizeof(x->from), "u%u@%s/r", (unsigned)land_draw(l, 3), p->names[own]);
    snprintf(x->to, sizeof(x->to), "v%u@%s", (unsigned)land_draw(l, 5), to->names[name]);
    x->answerable = l->mood.answerable || !land_chance(l, 12);
    x->inside = to->house != NULL;
    x->abroad = !n->party->house;
    x->spread = to->spread;
    x->sent_us = world_us(l->w);
    set_places(x, n, to);
    put_letter(n, x, (unsigned)land_draw(l, land_chance(l, 10) ? l->mood.body : 100));
}

bool party_write(struct party *p, struct party *to, size_t name)
{
    struct line *n;

    if (p->away || p->stalled)
        return false;
    n = line_for(p, to, name);
    if (!p->house && (!n || (p->land->together && land_chance(p->land, 20))))
        find_way(p, to, name);
    if (n)
        write_on(n, to, name);
    return n != NULL;
}

/* --- troubles --- */

static void withdraw(struct party *p, uint64_t ms)
{
    p->away = true;
    p->back_us = world_us(p->land->w) + ms * 1000;
    if (p->port)
        peer_port_close(p->port);
    p->port = NULL;
}

void party_crash(struct party *p, uint64_t ms)
{
    if (p->away || p->stalled)
        return;
    world_run_until(p->land->w, all_read, p, 1000);
    take_calls(p);
    look_at_all(p);
    LIST_WALK(node, &p->lines)
    {
        struct line *n = LIST_ENTRY(node, struct line, node);

        if (n->over)
            continue;
        if (peer_unread(n->peer)) /* it never ends: what the kernel has is lost with us */
            p->place.forgot_us = world_us(p->land->w);
        peer_reset(n->peer);
        line_over(n);
    }
    withdraw(p, ms);
}

void party_leave(struct party *p, uint64_t ms)
{
    if (p->away || p->stalled)
        return;
    LIST_WALK(node, &p->lines)
    line_end(LIST_ENTRY(node, struct line, node));
    withdraw(p, ms);
}

void party_stall(struct party *p, uint64_t ms)
{
    if (p->stalled)
        return;
    p->stalled = p->place.slept = true;
    p->go_us = world_us(p->land->w) + ms * 1000;
    LIST_WALK(node, &p->lines)
    if (!LIST_ENTRY(node, struct line, node)->over)
        peer_stop_reading(LIST_ENTRY(node, struct line, node)->peer, true);
}

void party_heal(struct party *p)
{
    p->go_us = 0;
    if (!p->away || !p->house || !land_chance(p->land, 3)) /* else it is gone for good */
        p->back_us = 0;
    else
        p->back_us = UINT64_MAX;
    party_nudge(p);
}

/* A component that did not read may be open without knowing. */
void party_nudge(struct party *p)
{
    LIST_WALK(node, &p->lines)
    {
        struct line *n = LIST_ENTRY(node, struct line, node);

        if (n->open || (n->kind == LINE_COMPONENT && !n->over && !n->we_ended))
            peer_say(n->peer, " ");
    }
}

void party_double(struct party *p)
{
    if (p->house && !p->away && !p->stalled)
        dial_component(p);
}

bool party_is_well(const struct party *p)
{
    return !p->away && !p->stalled && (!p->house || party_open_lines(p) >= p->wish_count);
}

size_t party_open_lines(const struct party *p)
{
    size_t count = 0;

    LIST_WALK(node, &p->lines)
    count += LIST_ENTRY(node, struct line, node)->open;
    return count;
}

size_t party_spaces(const struct party *p)
{
    size_t count = 0;

    LIST_WALK(node, &p->lines)
    count += LIST_ENTRY(node, struct line, node)->read.spaces;
    return count;
}

/* --- life --- */

static struct party *make(struct land *l, const char *name, const char *ip)
{
    struct party *p = MEM_NEW(struct party);

    p->land = l;
    snprintf(p->name, sizeof(p->name), "%s", name);
    snprintf(p->ip, sizeof(p->ip), "%s", ip);
    p->host = world_host(l->w, name, ip);
    list_init(&p->lines);
    l->parties[l->party_count++] = p;
    return p;
}

static void name_them(struct party *p)
{
    if (p->pattern[0] != '*') {
        snprintf(p->names[p->name_count++], sizeof(p->names[0]), "%s", p->pattern);
        return;
    }
    snprintf(p->names[p->name_count++], sizeof(p->names[0]), "x%.40s", p->pattern + 1);
    snprintf(p->names[p->name_count++], sizeof(p->names[0]), "y%.40s", p->pattern + 1);
}

struct party *party_component(struct land *l, struct house *h, const char *pattern)
{
    char name[32];
    char ip[32];
    struct party *p;

    snprintf(name, sizeof(name), "%s-c%u", h->name, (unsigned)l->party_count);
    snprintf(ip, sizeof(ip), "10.0.2.%u", (unsigned)l->party_count + 1);
    p = make(l, name, ip);
    p->house = h;
    p->wish_count = 1;
    snprintf(p->pattern, sizeof(p->pattern), "%s", pattern);
    name_them(p);
    return p;
}

struct party *party_server(struct land *l, const char *domain)
{
    char name[32];
    char ip[32];
    struct party *p;

    snprintf(name, sizeof(name), "%.*s", (int)slice_find(slice_from(domain), '.'), domain);
    snprintf(ip, sizeof(ip), "10.0.1.%u", (unsigned)l->party_count + 1);
    p = make(l, name, ip);
    snprintf(p->pattern, sizeof(p->pattern), "%s", domain);
    name_them(p);
    p->tls = l->mood.tls;
    p->direct_tls = l->mood.tls && l->mood.direct_tls && land_chance(l, 2);
    open_port(p);
    return p;
}

void party_free(struct party *p)
{
    struct line *n;

    while ((n = LIST_FIRST(&p->lines, struct line, node))) {
        list_remove(&n->node);
        xread_fini(&n->read);
        byteq_fini(&n->later);
        mem_free(n->origin);
        mem_free(n);
    }
    mem_free(p);
}
