/* UDP: packets arrive whole, or not at all. */
#include "sim/tcp.h"

#define QUEUE_MAX 256 /* packets a socket holds; more are lost, as with a full kernel buffer */

struct waiting {
    struct list node;
    struct addr from;
    size_t len;
    char data[];
};

struct udp {
    struct host *host;
    struct list node; /* host->udps */
    struct loop *owner;
    struct addr at;
    struct addr to;
    bool connected;
    bool refused;
    struct list queue;
    size_t count;
    void (*notify)(void *arg);
    void *arg;
};

static bool fits(const struct udp *u, const struct addr *at, const struct addr *from)
{
    if (addr_port(&u->at) != addr_port(at) || !addr_same_ip(&u->at, at))
        return false;
    return !u->connected || addr_eq(&u->to, from);
}

static struct udp *udp_find(struct host *h, const struct addr *at, const struct addr *from)
{
    LIST_WALK(n, &h->udps)
    if (fits(LIST_ENTRY(n, struct udp, node), at, from))
        return LIST_ENTRY(n, struct udp, node);
    return NULL;
}

static bool udp_taken(struct host *h, const struct addr *at)
{
    LIST_WALK(n, &h->udps)
    if (addr_port(&LIST_ENTRY(n, struct udp, node)->at) == addr_port(at))
        return true;
    return false;
}

static bool source(struct host *h, const struct addr *at, const struct addr *to,
                   struct addr *ret_at)
{
    if (!to) {
        *ret_at = *at;
        return host_has_ip(h, at);
    }
    if (!tcp_source(h, to, at, ret_at))
        return false;
    addr_set_port(ret_at, port_draw(h, ret_at, udp_taken));
    return true;
}

enum err udp_open(struct host *h, struct loop *owner, const struct addr *at, const struct addr *to,
                  void (*notify)(void *arg), void *arg, struct udp **ret_udp)
{
    struct addr from;
    struct udp *u;

    if (!source(h, at, to, &from))
        return ERR_UNREACHABLE;
    if (owner && !host_has_descriptor(h))
        return ERR_DESCRIPTORS;
    u = MEM_NEW(struct udp);
    u->host = h;
    u->owner = owner;
    u->at = from;
    u->connected = to != NULL;
    if (to)
        u->to = *to;
    u->notify = notify;
    u->arg = arg;
    list_init(&u->queue);
    list_push(&h->udps, &u->node);
    if (owner)
        h->fd_count++;
    *ret_udp = u;
    return OK;
}

enum err udp_send(struct udp *u, struct slice packet, const struct addr *to)
{
    struct packet *p;

    if (u->refused) {
        u->refused = false;
        return ERR_REFUSED;
    }
    if (packet.len > 65507)
        return ERR_LIMIT;
    p = packet_new(u->host, &u->at, u->connected ? &u->to : to, PACKET_UDP, packet);
    packet_send(p, 0);
    return OK;
}

static void refuse(struct host *h, struct packet *p)
{
    struct packet *icmp = packet_new(h, &p->to, &p->from, PACKET_UNREACHABLE, slice_none());

    icmp->about = p->flags;
    packet_send(icmp, 0);
}

void udp_arrived(struct host *h, struct packet *p)
{
    struct udp *u = udp_find(h, &p->to, &p->from);
    struct waiting *w;

    if (!u) {
        refuse(h, p);
        return;
    }
    if (u->count >= QUEUE_MAX)
        return;
    w = mem_alloc(sizeof(*w) + p->len);
    w->from = p->from;
    w->len = p->len;
    memcpy(w->data, p->data, p->len);
    list_init(&w->node);
    list_push(&u->queue, &w->node);
    u->count++;
    u->notify(u->arg);
}

/* Only a connected socket hears of it. */
void udp_unreachable(struct host *h, struct packet *p)
{
    struct udp *u = udp_find(h, &p->to, &p->from);

    if (!u || !u->connected)
        return;
    u->refused = true;
    u->notify(u->arg);
}

bool udp_readable(const struct udp *u)
{
    return u->refused || u->count;
}

static enum err take_first(struct udp *u, char *buf, size_t room, size_t *ret_n,
                           struct addr *ret_from)
{
    struct waiting *w = LIST_FIRST(&u->queue, struct waiting, node);
    size_t n = w->len < room ? w->len : room;
    enum err e = w->len > room ? ERR_LIMIT : OK;

    memcpy(buf, w->data, n);
    *ret_n = n;
    *ret_from = w->from;
    list_remove(&w->node);
    mem_free(w);
    u->count--;
    return e;
}

enum err udp_recv(struct udp *u, char *buf, size_t room, size_t *ret_n, struct addr *ret_from)
{
    if (u->refused) {
        u->refused = false;
        return ERR_REFUSED;
    }
    if (!u->count)
        return ERR_AGAIN;
    return take_first(u, buf, room, ret_n, ret_from);
}

const struct addr *udp_local(const struct udp *u)
{
    return &u->at;
}

void udp_close(struct udp *u)
{
    LIST_WALK(n, &u->queue)
    mem_free(LIST_ENTRY(n, struct waiting, node));
    list_remove(&u->node);
    if (u->owner)
        u->host->fd_count--;
    mem_free(u);
}

void udp_owner_dead(struct host *h)
{
    LIST_WALK(n, &h->udps)
    {
        struct udp *u = LIST_ENTRY(n, struct udp, node);

        if (u->owner)
            udp_close(u);
    }
}

void udp_vanish(struct host *h)
{
    while (!list_empty(&h->udps))
        udp_close(LIST_FIRST(&h->udps, struct udp, node));
}
