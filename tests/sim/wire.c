/* Packets between hosts: who gets them, when, or never. */
#include "sim/inside.h"

struct link *link_find(struct world *w, struct host *from, struct host *to)
{
    LIST_WALK(n, &w->links)
    {
        struct link *l = LIST_ENTRY(n, struct link, node);

        if (l->from == from && l->to == to)
            return l;
    }
    return NULL;
}

static struct link *link_get(struct world *w, struct host *from, struct host *to)
{
    struct link *l = link_find(w, from, to);

    if (l)
        return l;
    l = MEM_NEW(struct link);
    l->from = from;
    l->to = to;
    list_push(&w->links, &l->node);
    return l;
}

void world_cut(struct world *w, struct host *a, struct host *b, bool cut)
{
    struct host *known = a ? a : b;

    assert(known);
    if (a && b) {
        link_get(w, a, b)->cut = cut;
        return;
    }
    LIST_WALK(n, &w->hosts)
    {
        struct host *h = LIST_ENTRY(n, struct host, node);

        if (h != known)
            link_get(w, a ? a : h, b ? b : h)->cut = cut;
    }
}

void world_part(struct world *w, struct host *a, struct host *b, bool cut)
{
    world_cut(w, a, b, cut);
    world_cut(w, b, a, cut);
}

void world_set_latency(struct world *w, struct host *a, struct host *b, uint64_t least_us,
                       uint64_t most_us)
{
    struct link *both[] = {link_get(w, a, b), link_get(w, b, a)};

    for (size_t i = 0; i < 2; i++) {
        both[i]->slow = true;
        both[i]->least_us = least_us;
        both[i]->most_us = most_us;
    }
}

void world_set_loss(struct world *w, struct host *a, struct host *b, unsigned permille)
{
    link_get(w, a, b)->loss_permille = permille;
}

void world_set_speed(struct world *w, struct host *a, struct host *b, uint64_t bytes_per_ms)
{
    link_get(w, a, b)->bytes_per_ms = bytes_per_ms;
}

/* --- who was dialled --- */

static struct syn_count *find_syns(struct world *w, const struct addr *to)
{
    LIST_WALK(n, &w->syns)
    {
        struct syn_count *s = LIST_ENTRY(n, struct syn_count, node);

        if (addr_eq(&s->to, to))
            return s;
    }
    return NULL;
}

static void count_syn(struct world *w, const struct addr *to)
{
    struct syn_count *s = find_syns(w, to);

    if (!s) {
        s = MEM_NEW(struct syn_count);
        s->to = *to;
        list_push(&w->syns, &s->node);
    }
    s->count++;
}

unsigned world_syns_to(struct world *w, const struct addr *to)
{
    struct syn_count *s = find_syns(w, to);

    return s ? s->count : 0;
}

/* --- packets --- */

static void arrive(struct event *ev);

struct packet *packet_new(struct host *sender, const struct addr *from, const struct addr *to,
                          unsigned flags, struct slice data)
{
    struct packet *p = mem_zalloc(sizeof(*p) + data.len);

    event_init(&p->event, arrive);
    p->world = sender->world;
    p->sender = sender;
    p->from = *from;
    p->to = *to;
    p->flags = flags;
    p->len = (uint32_t)data.len;
    if (data.len)
        memcpy(p->data, data.ptr, data.len);
    list_push(&p->world->packets, &p->node);
    return p;
}

void packet_free(struct packet *p)
{
    world_cancel(p->world, &p->event);
    list_remove(&p->node);
    mem_free(p);
}

static struct host *destination(struct packet *p)
{
    if (addr_is_loopback(&p->to))
        return p->sender;
    return world_host_of(p->world, &p->to);
}

static uint64_t draw_latency(struct packet *p, struct host *to, struct link *l)
{
    uint64_t least = p->sender == to ? LOCAL_LEAST_US : LATENCY_LEAST_US;
    uint64_t most = p->sender == to ? LOCAL_MOST_US : LATENCY_MOST_US;

    if (l && l->slow) {
        least = l->least_us;
        most = l->most_us;
    }
    return least + random_below(&p->world->rnd, most - least + 1);
}

uint64_t packet_send(struct packet *p, uint64_t after_us)
{
    struct host *to = destination(p);
    struct link *l = to ? link_find(p->world, p->sender, to) : NULL;
    uint64_t at_us = p->world->now_us + draw_latency(p, to, l);

    if (p->flags == PACKET_SYN)
        count_syn(p->world, &p->to);
    if (at_us <= after_us)
        at_us = after_us + 1; /* equal times would be shuffled */
    if (l && l->bytes_per_ms)
        at_us += (uint64_t)p->len * 1000 / l->bytes_per_ms;
    world_at(p->world, &p->event, at_us);
    return at_us;
}

/* A router on the way, or the host's kernel, says that nobody is there. */
static void answer_unreachable(struct packet *p)
{
    struct packet *icmp = packet_new(p->sender, &p->to, &p->from, PACKET_UNREACHABLE, slice_none());

    icmp->about = p->flags;
    packet_send(icmp, 0);
}

static bool lost(struct packet *p, struct host *to)
{
    struct link *l = link_find(p->world, p->sender, to);

    if (p->sender->down && p->sender != to)
        return true;
    if (!host_runs(to))
        return true;
    if (!l)
        return false;
    return l->cut || random_below(&p->world->rnd, 1000) < l->loss_permille;
}

static void hand_over(struct packet *p, struct host *to)
{
    if (p->flags & PACKET_UNREACHABLE) {
        if (p->about & PACKET_UDP)
            udp_unreachable(to, p);
        else
            tcp_unreachable(to, p);
    } else if (p->flags & PACKET_UDP) {
        udp_arrived(to, p);
    } else {
        tcp_arrived(to, p);
    }
}

static void nowhere(struct packet *p)
{
    if (!world_is_blackhole(p->world, &p->to) && !(p->flags & PACKET_UNREACHABLE))
        answer_unreachable(p);
}

static void trace_packet(struct packet *p, const char *what)
{
    char from[ADDR_TEXT_MAX];
    char to[ADDR_TEXT_MAX];

    if (!p->world->trace)
        return;
    trace(p->world, "%s %s > %s %s%s%s%s%s%s seq %llu ack %llu len %u", what,
          addr_format(&p->from, from), addr_format(&p->to, to), p->flags & PACKET_SYN ? "S" : "",
          p->flags & PACKET_ACK ? "A" : "", p->flags & PACKET_FIN ? "F" : "",
          p->flags & PACKET_RST ? "R" : "", p->flags & PACKET_UDP ? "U" : "",
          p->flags & PACKET_UNREACHABLE ? "X" : "", (unsigned long long)p->seq,
          (unsigned long long)p->ack, p->len);
}

static void arrive(struct event *ev)
{
    struct packet *p = LIST_ENTRY(ev, struct packet, event);
    struct host *to = destination(p);

    world_note(p->world, (uint64_t)p->flags << 32 | p->len);
    if (!to) {
        trace_packet(p, "nowhere");
        nowhere(p);
    } else if (lost(p, to)) {
        trace_packet(p, "lost");
    } else {
        trace_packet(p, "packet");
        hand_over(p, to);
    }
    packet_free(p);
}
