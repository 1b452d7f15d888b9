#include "sim/dnsoracle.h"

#include "base/mem.h"

void oracle_echo(struct pk *pk, const struct dnsquery *q, unsigned flags)
{
    pk->n = 0;
    pk_u16(pk, q->id);
    pk_u16(pk, PK_QR | PK_RD | PK_RA | flags);
    pk_u16(pk, 1);
    pk_u32(pk, 0);
    pk_u16(pk, 0);
    pk_raw(pk, q->question.ptr, q->question.len);
}

static struct pk *answer(struct oracle *o, struct slice packet, bool tcp)
{
    static struct pk pk;
    struct dnsquery q;

    CHECK_EQ(dnsquery_parse(packet, &q), OK);
    pk.n = 0;
    o->reply(o, &q, tcp, &pk);
    return &pk;
}

static void send_udp(struct oracle *o, struct pk *pk, const struct addr *to)
{
    for (unsigned i = 0; i < o->strays; i++) {
        pk->b[1] ^= 0x55;
        CHECK_EQ(udp_send(o->udp, pk_slice(pk), to), OK);
        pk->b[1] ^= 0x55;
    }
    if (!o->mute_udp)
        CHECK_EQ(udp_send(o->udp, pk_slice(pk), to), OK);
}

static void udp_says(void *arg)
{
    static char buf[65535];
    struct oracle *o = arg;
    struct addr from;
    struct pk *pk;
    size_t n;

    while (udp_recv(o->udp, buf, sizeof(buf), &n, &from) == OK) {
        o->udp_count++;
        pk = answer(o, slice_make(buf, n), false);
        if (pk->n)
            send_udp(o, pk, &from);
    }
}

struct client {
    struct list node;
    struct oracle *oracle;
    struct tcp *tcp;
    struct event move;
    struct byteq in;
};

static void free_client(struct client *c)
{
    tcp_notify(c->tcp, NULL, NULL);
    tcp_close(c->tcp, false);
    world_cancel(c->oracle->w, &c->move);
    list_remove(&c->node);
    byteq_fini(&c->in);
    mem_free(c);
}

static void write_tcp(struct client *c, const struct pk *pk)
{
    unsigned char head[2] = {(unsigned char)(pk->n >> 8), (unsigned char)pk->n};
    size_t n;

    CHECK_EQ(tcp_write(c->tcp, slice_make((const char *)head, 2), &n), OK);
    CHECK_EQ(n, 2);
    CHECK_EQ(tcp_write(c->tcp, pk_slice(pk), &n), OK);
    CHECK_EQ(n, pk->n);
}

static void take_tcp(struct client *c)
{
    struct slice in = byteq_slice(&c->in);
    struct pk *pk;

    if (in.len < 2 ||
        in.len < 2 + ((size_t)(unsigned char)in.ptr[0] << 8) + (unsigned char)in.ptr[1])
        return;
    c->oracle->tcp_count++;
    pk = answer(c->oracle, slice_from_offset(in, 2), true);
    if (pk->n)
        write_tcp(c, pk);
    byteq_clear(&c->in);
}

static void move(struct event *ev)
{
    struct client *c = LIST_ENTRY(ev, struct client, move);
    char buf[1024];
    size_t n;
    enum err e;

    while ((e = tcp_read(c->tcp, buf, sizeof(buf), &n)) == OK) {
        byteq_append(&c->in, slice_make(buf, n));
        take_tcp(c);
    }
    if (e != ERR_AGAIN)
        free_client(c);
}

static void client_says(void *arg)
{
    struct client *c = arg;

    if (!event_waits(&c->move))
        world_at(c->oracle->w, &c->move, world_us(c->oracle->w) + 10);
}

static void port_says(void *arg)
{
    struct oracle *o = arg;
    struct tcp *t;

    while ((t = port_accept(o->port)) != NULL) {
        struct client *c = MEM_NEW(struct client);

        c->oracle = o;
        c->tcp = t;
        byteq_init(&c->in);
        event_init(&c->move, move);
        list_push(&o->clients, &c->node);
        tcp_notify(t, client_says, c);
        client_says(c);
    }
}

void oracle_open(struct oracle *o, struct world *w, struct host *h, const char *ip,
                 oracle_fn *reply)
{
    struct addr at;

    memset(o, 0, sizeof(*o));
    o->w = w;
    o->reply = reply;
    list_init(&o->clients);
    CHECK_EQ(addr_parse_ip(slice_from(ip), 53, &at), OK);
    CHECK_EQ(udp_open(h, NULL, &at, NULL, udp_says, o, &o->udp), OK);
    CHECK_EQ(port_open(h, NULL, &at, port_says, o, &o->port), OK);
}

void oracle_close(struct oracle *o)
{
    while (!list_empty(&o->clients))
        free_client(LIST_FIRST(&o->clients, struct client, node));
    udp_close(o->udp);
    port_close(o->port);
}
