#include "sim/links/trouble.h"

#include "sim/links/house.h"
#include "sim/links/party.h"

#include <stdio.h>

static struct party *some_party(struct land *l)
{
    return l->parties[land_draw(l, l->party_count)];
}

static struct house *some_house(struct land *l)
{
    return &l->houses[land_draw(l, l->house_count)];
}

static const char *some_name(struct land *l, const struct party *p)
{
    return p->names[land_draw(l, p->name_count)];
}

/* Mostly short, now and then longer than any patience. */
static uint64_t some_ms(struct land *l)
{
    static const unsigned most[] = {50, 300, 2000, 8000, 40000};

    return 1 + land_draw(l, most[land_draw(l, COUNT(most))]);
}

/* --- names --- */

static void add_row(struct land *l, const char *row)
{
    enum err e = dnsserver_add(l->dns, row);

    assert(e == OK);
}

static void add_name(struct land *l, const struct party *p, const char *name)
{
    char row[256];
    bool direct = p->house ? l->mood.direct_tls : p->direct_tls;
    const char *ip = p->house ? p->house->ip : p->ip;

    snprintf(row, sizeof(row), "_xmpp%s-server._tcp.%s SRV 1 1 %u h-%s", direct ? "s" : "", name,
             direct ? 5270 : 5269, name);
    add_row(l, row);
    snprintf(row, sizeof(row), "h-%s A %s", name, ip);
    add_row(l, row);
}

static void remove_name(struct land *l, const char *name)
{
    char text[128];

    snprintf(text, sizeof(text), "_xmpp-server._tcp.%s", name);
    dnsserver_remove(l->dns, text);
    snprintf(text, sizeof(text), "_xmpps-server._tcp.%s", name);
    dnsserver_remove(l->dns, text);
    snprintf(text, sizeof(text), "h-%s", name);
    dnsserver_remove(l->dns, text);
}

void trouble_fill_dns(struct land *l)
{
    for (size_t i = 0; i < l->party_count; i++)
        for (size_t k = 0; k < l->parties[i]->name_count; k++)
            add_name(l, l->parties[i], l->parties[i]->names[k]);
}

static void mend_names(struct land *l)
{
    dnsserver_silence(l->dns, false);
    for (size_t i = 0; i < l->party_count; i++)
        for (size_t k = 0; k < l->parties[i]->name_count; k++)
            remove_name(l, l->parties[i]->names[k]);
    trouble_fill_dns(l);
    l->names_until_us = 0;
}

static void spoil_names(struct land *l, uint64_t ms)
{
    static const char *const ways[] = {"SERVFAIL", "SILENT", "REFUSED", "DELAY 700", "DELAY 3000"};
    char row[128];
    const char *name = some_name(l, some_party(l));

    if (l->names_until_us)
        return;
    l->names_until_us = world_us(l->w) + ms * 1000;
    if (land_chance(l, 4)) {
        dnsserver_silence(l->dns, true);
        return;
    }
    remove_name(l, name);
    snprintf(row, sizeof(row), "_xmpp-server._tcp.%s %s", name, ways[land_draw(l, COUNT(ways))]);
    add_row(l, row);
}

/* --- wires --- */

static struct host *far_end(const struct wire *w, const struct house *h)
{
    return w->party ? w->party->host : w->land->houses[!h->number].host;
}

static struct spells *spells_of(struct wire *w)
{
    return w->party ? &w->party->place.spells : &w->land->houses[0].place.spells;
}

static void each_way(struct wire *w, void (*fn)(struct wire *w, struct host *a, struct host *b))
{
    struct land *l = w->land;

    for (size_t i = 0; i < l->house_count; i++) {
        struct house *h = &l->houses[i];

        if (!w->party ? i == 0 : !w->party->house || w->party->house == h)
            fn(w, h->host, far_end(w, h));
    }
}

static void set_wire(struct wire *w, struct host *a, struct host *b)
{
    world_cut(w->land->w, a, b, w->cut_out);
    world_cut(w->land->w, b, a, w->cut_in);
    world_set_loss(w->land->w, a, b, w->loss_permille);
    world_set_loss(w->land->w, b, a, w->loss_permille);
    world_set_latency(w->land->w, a, b, w->least_us, 2 * w->least_us);
    world_set_latency(w->land->w, b, a, w->least_us, 2 * w->least_us);
    world_set_speed(w->land->w, a, b, w->speed);
    world_set_speed(w->land->w, b, a, w->speed);
}

static void mend(struct wire *w)
{
    w->cut_in = w->cut_out = false;
    w->loss_permille = 0;
    w->least_us = w->usual_us;
    w->speed = 0;
    if (w->until_us)
        w->well_us = 2 * world_us(w->land->w) - w->since_us;
    w->until_us = 0;
    each_way(w, set_wire);
    spells_end(spells_of(w), world_us(w->land->w));
}

static void spoil(struct wire *w, enum trouble kind, uint64_t ms)
{
    struct land *l = w->land;

    if (w->until_us)
        return;
    if (world_us(l->w) >= w->well_us) /* else what was lost before may be lost once more */
        w->since_us = world_us(l->w);
    w->until_us = world_us(l->w) + ms * 1000;
    w->cut_out = kind == TROUBLE_CUT || (kind == TROUBLE_ONE_WAY && land_chance(l, 2));
    w->cut_in = kind == TROUBLE_CUT || (kind == TROUBLE_ONE_WAY && !w->cut_out);
    w->loss_permille = kind == TROUBLE_LOSS ? 20 + (unsigned)land_draw(l, 400) : 0;
    if (kind == TROUBLE_SLOW) {
        w->least_us = 1000 * (1 + land_draw(l, 200));
        w->speed = 1 + land_draw(l, 50);
    }
    spells_begin(spells_of(w), world_us(l->w));
    each_way(w, set_wire);
}

static struct wire *some_wire(struct land *l)
{
    return &l->wires[land_draw(l, l->wire_count)];
}

/* --- all of them --- */

static void make(struct land *l, enum trouble kind, uint64_t ms)
{
    struct party *p = some_party(l);

    switch (kind) {
    case TROUBLE_CRASH:
        party_crash(p, ms);
        break;
    case TROUBLE_LEAVE:
        party_leave(p, ms);
        break;
    case TROUBLE_STALL:
        party_stall(p, ms);
        break;
    case TROUBLE_CUT:
    case TROUBLE_ONE_WAY:
    case TROUBLE_LOSS:
    case TROUBLE_SLOW:
        spoil(some_wire(l), kind, ms);
        break;
    case TROUBLE_DNS:
        spoil_names(l, ms);
        break;
    case TROUBLE_RELOAD:
        house_reload(some_house(l));
        break;
    case TROUBLE_CLOSE:
        house_close_links(some_house(l), some_name(l, p));
        break;
    case TROUBLE_DOUBLE:
        party_double(p);
        break;
    case TROUBLE_KILL:
        house_kill(some_house(l), ms);
        break;
    case TROUBLE_DRAIN:
        house_drain(some_house(l), ms);
        break;
    case TROUBLES:
        break;
    }
}

void trouble_make(struct land *l)
{
    static const char *const words[TROUBLES] = {"crash",  "leave", "stall", "cut",    "one-way",
                                                "loss",   "slow",  "dns",   "reload", "close",
                                                "double", "kill",  "drain"};
    enum trouble kind = (enum trouble)land_draw(l, TROUBLES);
    uint64_t ms = some_ms(l);

    if (!(l->mood.troubles >> kind & 1))
        return;
    land_say(l, "trouble: %s, %u ms", words[kind], (unsigned)ms);
    make(l, kind, ms);
}

void trouble_look(struct land *l)
{
    uint64_t now = world_us(l->w);

    for (size_t i = 0; i < l->wire_count; i++)
        if (l->wires[i].until_us && now >= l->wires[i].until_us)
            mend(&l->wires[i]);
    if (l->names_until_us && now >= l->names_until_us)
        mend_names(l);
}

void trouble_heal(struct land *l)
{
    for (size_t i = 0; i < l->wire_count; i++)
        mend(&l->wires[i]);
    mend_names(l);
    for (size_t i = 0; i < l->party_count; i++)
        party_heal(l->parties[i]);
    for (size_t i = 0; i < l->house_count; i++)
        l->houses[i].back_us = 0;
}
