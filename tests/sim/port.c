/* Listening ports, and how the machine picks port numbers. */
#include "sim/tcp.h"

#define BACKLOG_MAX    128
#define EPHEMERAL      32768
#define EPHEMERAL_SPAN 28232

struct port {
    struct host *host;
    struct list node; /* host->ports */
    struct loop *owner;
    struct addr at;
    bool any;             /* of all addresses */
    bool any_v6;          /* ... by an IPv6 socket: IPv4 peers appear mapped */
    struct list backlog;  /* handshake over */
    struct list greeting; /* SYN received */
    size_t count;
    void (*notify)(void *arg);
    void *arg;
};

uint16_t port_draw(struct host *h, const struct addr *ip,
                   bool (*taken)(struct host *h, const struct addr *at))
{
    struct addr at = *ip;

    do
        addr_set_port(&at, (uint16_t)(EPHEMERAL + random_below(&h->world->rnd, EPHEMERAL_SPAN)));
    while (taken(h, &at));
    return addr_port(&at);
}

static bool is_any(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&a->v6.sin6_addr);
    return a->v4.sin_addr.s_addr == 0;
}

static bool covers(const struct port *p, const struct addr *at)
{
    if (addr_port(&p->at) != addr_port(at))
        return false;
    if (!p->any)
        return addr_same_ip(&p->at, at);
    return p->any_v6 || at->sa.sa_family == AF_INET;
}

struct port *port_find(struct host *h, const struct addr *at)
{
    LIST_WALK(n, &h->ports)
    if (covers(LIST_ENTRY(n, struct port, node), at))
        return LIST_ENTRY(n, struct port, node);
    return NULL;
}

static bool port_taken(struct host *h, const struct addr *at)
{
    return port_find(h, at) != NULL;
}

enum err port_open(struct host *h, struct loop *owner, const struct addr *at,
                   void (*notify)(void *arg), void *arg, struct port **ret_port)
{
    struct port *p;

    if (!is_any(at) && !host_has_ip(h, at))
        return ERR_UNREACHABLE;
    if (addr_port(at) && port_taken(h, at))
        return ERR_IN_USE;
    if (owner && !host_has_descriptor(h))
        return ERR_DESCRIPTORS;
    p = MEM_NEW(struct port);
    p->host = h;
    p->owner = owner;
    p->at = *at;
    p->any = is_any(at);
    p->any_v6 = p->any && at->sa.sa_family == AF_INET6;
    p->notify = notify;
    p->arg = arg;
    list_init(&p->backlog);
    list_init(&p->greeting);
    if (!addr_port(at))
        addr_set_port(&p->at, port_draw(h, at, port_taken));
    list_push(&h->ports, &p->node);
    if (owner)
        h->fd_count++;
    *ret_port = p;
    return OK;
}

void port_syn(struct port *p, struct packet *syn)
{
    struct tcp *t;

    if (p->count >= BACKLOG_MAX)
        return; /* the peer will try again */
    p->count++;
    t = tcp_from_syn(p->host, p, syn);
    list_push(&p->greeting, &t->backlog_node);
}

void port_ready(struct port *p, struct tcp *t)
{
    list_remove(&t->backlog_node);
    list_push(&p->backlog, &t->backlog_node);
    if (p->notify)
        p->notify(p->arg);
}

void port_forget(struct port *p, struct tcp *t)
{
    list_remove(&t->backlog_node);
    p->count--;
}

/* What a socket bound to [::] tells of an IPv4 peer. */
static void map_v4(struct addr *a)
{
    struct in_addr v4 = a->v4.sin_addr;
    uint16_t port = addr_port(a);

    if (a->sa.sa_family != AF_INET)
        return;
    memset(a, 0, sizeof(*a));
    a->v6.sin6_family = AF_INET6;
    memset((char *)&a->v6.sin6_addr + 10, 0xff, 2);
    memcpy((char *)&a->v6.sin6_addr + 12, &v4, 4);
    addr_set_port(a, port);
}

static struct tcp *take_next(struct port *p)
{
    struct tcp *t = LIST_FIRST(&p->backlog, struct tcp, backlog_node);

    if (!t)
        return NULL;
    port_forget(p, t);
    if (p->any_v6) {
        map_v4(&t->shown_local);
        map_v4(&t->shown_remote);
    }
    return t;
}

struct tcp *port_accept(struct port *p)
{
    struct tcp *t = take_next(p);

    if (t)
        tcp_accepted(t, p->owner);
    return t;
}

bool port_waiting(const struct port *p)
{
    return !list_empty(&p->backlog);
}

bool port_refuse_next(struct port *p)
{
    struct tcp *t = take_next(p);

    if (t)
        tcp_abandon(t);
    return t != NULL;
}

const struct addr *port_addr(const struct port *p)
{
    return &p->at;
}

static void abandon_all(struct port *p, struct list *waiting)
{
    while (!list_empty(waiting)) {
        struct tcp *t = LIST_FIRST(waiting, struct tcp, backlog_node);

        port_forget(p, t);
        tcp_abandon(t);
    }
}

void port_close(struct port *p)
{
    abandon_all(p, &p->backlog);
    abandon_all(p, &p->greeting);
    list_remove(&p->node);
    if (p->owner)
        p->host->fd_count--;
    mem_free(p);
}

void port_owner_dead(struct host *h)
{
    LIST_WALK(n, &h->ports)
    {
        struct port *p = LIST_ENTRY(n, struct port, node);

        if (p->owner)
            port_close(p);
    }
}

void port_vanish(struct host *h)
{
    while (!list_empty(&h->ports))
        port_close(LIST_FIRST(&h->ports, struct port, node));
}
