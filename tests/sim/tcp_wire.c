/* How one end of a connection sends, repeats and receives. */
#include "sim/tcp.h"

#define RETRY_FIRST_US  200000
#define RETRIES_MAX     12
#define USER_TIMEOUT_US 30000000
#define ORPHAN_US       60000000 /* closed by the application, the peer's FIN missing */
#define SEGMENT_BYTES   1460

/* --- sending --- */

size_t tcp_room(const struct tcp *t)
{
    size_t used = byteq_len(&t->in);

    return used < t->receive_room ? t->receive_room - used : 0;
}

void tcp_send(struct tcp *t, unsigned flags, uint64_t seq, struct slice data)
{
    struct packet *p = packet_new(t->host, &t->local, &t->remote, flags, data);

    p->seq = seq;
    p->ack = t->received;
    t->edge_told = t->received + tcp_room(t);
    p->edge = t->edge_told;
    t->last_arrival_us = packet_send(p, t->last_arrival_us);
}

void tcp_send_ack(struct tcp *t)
{
    tcp_send(t, PACKET_ACK, t->next, slice_none());
}

size_t tcp_draw_segment(struct tcp *t, size_t most)
{
    size_t n = most;

    if (t->style == TCP_CRUMBS)
        n = 1 + random_below(&t->rnd, (uint64_t)1 << random_below(&t->rnd, 6));
    else if (t->style == TCP_SEGMENTS)
        n = 1 + random_below(&t->rnd, SEGMENT_BYTES);
    else if (n > 65536)
        n = 65536;
    return n < most ? n : most;
}

static void send_segment(struct tcp *t)
{
    uint64_t data_end = tcp_written(t);
    size_t most = (size_t)(data_end - t->next);
    size_t n;
    unsigned flags = PACKET_ACK;

    if (t->next + most > t->edge)
        most = t->edge > t->next ? (size_t)(t->edge - t->next) : 0;
    n = most ? tcp_draw_segment(t, most) : 0;
    if (t->fin_wanted && t->next + n == data_end)
        flags |= PACKET_FIN;
    tcp_send(t, flags, t->next, slice_sub(byteq_slice(&t->out), (size_t)(t->next - t->acked), n));
    t->next += n + (flags & PACKET_FIN ? 1 : 0);
    if (t->sent < t->next)
        t->sent = t->next;
}

static bool may_send(const struct tcp *t)
{
    if (t->next == tcp_end(t))
        return false;
    return t->next < t->edge || t->next == tcp_written(t); /* a FIN needs no window */
}

static void arm_retry(struct tcp *t)
{
    uint64_t now = t->world->now_us;
    uint64_t at = now + ((uint64_t)RETRY_FIRST_US << t->retries);

    if (t->acked == tcp_end(t)) {
        t->stalled_us = 0;
        world_cancel(t->world, &t->retry);
        return;
    }
    if (!t->stalled_us)
        t->stalled_us = now;
    if (at > t->stalled_us + USER_TIMEOUT_US)
        at = t->stalled_us + USER_TIMEOUT_US;
    if (!event_waits(&t->retry))
        world_at(t->world, &t->retry, at);
}

void tcp_push(struct tcp *t)
{
    if (t->state != TCP_UP)
        return;
    while (may_send(t))
        send_segment(t);
    arm_retry(t);
}

static void retry_syn(struct tcp *t)
{
    if (++t->retries > 5 || t->world->now_us - t->born_us >= USER_TIMEOUT_US) {
        tcp_fail(t, ERR_TIMEOUT);
        return;
    }
    tcp_send(t, t->state == TCP_SYN_SENT ? PACKET_SYN : PACKET_SYN | PACKET_ACK, 0, slice_none());
    world_at(t->world, &t->retry, t->world->now_us + ((uint64_t)SYN_RETRY_US << t->retries));
}

/* The window is shut: one byte past it makes the peer say where it stands. */
static void probe(struct tcp *t)
{
    size_t at = (size_t)(t->next - t->acked);

    tcp_send(t, PACKET_ACK, t->next, slice_sub(byteq_slice(&t->out), at, 1));
    if (t->sent == t->next)
        t->sent++;
}

static void retry_data(struct tcp *t)
{
    if (t->retries < RETRIES_MAX)
        t->retries++;
    t->next = t->acked;
    if (may_send(t)) /* one alone: the others may still be on a slow wire (RFC 5681 3.1) */
        send_segment(t);
    else
        probe(t);
    arm_retry(t);
}

void tcp_retry(struct event *ev)
{
    struct tcp *t = LIST_ENTRY(ev, struct tcp, retry);

    if (!host_runs(t->host)) {
        world_at(t->world, ev, t->world->now_us + RETRY_FIRST_US);
    } else if (t->state == TCP_SYN_SENT || t->state == TCP_SYN_RECEIVED) {
        retry_syn(t);
    } else if (t->state == TCP_ORPHAN) {
        tcp_destroy(t);
    } else if (t->stalled_us && t->world->now_us >= t->stalled_us + USER_TIMEOUT_US) {
        tcp_fail(t, ERR_TIMEOUT);
    } else {
        retry_data(t);
    }
}

/* --- receiving --- */

void tcp_send_rst(struct host *h, const struct addr *from, const struct addr *to)
{
    packet_send(packet_new(h, from, to, PACKET_RST, slice_none()), 0);
}

static void came_up(struct tcp *t)
{
    t->state = TCP_UP;
    t->retries = 0;
    t->stalled_us = 0;
    world_cancel(t->world, &t->retry);
    if (t->port)
        port_ready(t->port, t);
    tcp_tell(t);
}

static void take_ack(struct tcp *t, const struct packet *p)
{
    uint64_t upto = p->ack < tcp_end(t) ? p->ack : tcp_end(t);
    bool wider = p->edge > t->edge;

    if (wider)
        t->edge = p->edge;
    if (upto > t->acked) {
        uint64_t data = upto < tcp_written(t) ? upto : tcp_written(t);

        if (t->fin_wanted && upto == tcp_end(t))
            t->fin_acked = true;
        byteq_take(&t->out, (size_t)(data - t->acked));
        t->acked = upto;
        if (t->next < t->acked)
            t->next = t->acked;
    } else if (!wider) {
        return;
    }
    t->retries = 0;
    t->stalled_us = 0;
    world_cancel(t->world, &t->retry);
    tcp_push(t);
    tcp_tell(t);
}

/* Returns false when the connection is gone: data for an application that closed. */
static bool take_data(struct tcp *t, const struct packet *p)
{
    size_t skip = p->seq < t->received ? (size_t)(t->received - p->seq) : 0;
    size_t n = p->len > skip ? p->len - skip : 0;

    if (p->seq > t->received || t->fin_seen)
        return true;
    if (n && t->fd < 0 && !t->port) {
        tcp_send_rst(t->host, &t->local, &t->remote);
        tcp_destroy(t);
        return false;
    }
    if (n > tcp_room(t))
        n = tcp_room(t);
    byteq_append(&t->in, slice_make(p->data + skip, n));
    t->received += n;
    if (p->flags & PACKET_FIN && p->seq + p->len == t->received) {
        t->fin_seen = true;
        t->received++;
    }
    tcp_tell(t);
    return true;
}

/* Closed by us, closed by them, all acknowledged. */
void tcp_bury_orphan(struct tcp *t)
{
    if (t->fd >= 0 || t->port || !t->fin_acked)
        return;
    if (t->fin_seen) {
        tcp_destroy(t);
        return;
    }
    t->state = TCP_ORPHAN;
    world_at(t->world, &t->retry, t->world->now_us + ORPHAN_US);
}

static void established(struct tcp *t, const struct packet *p)
{
    if (p->flags & PACKET_SYN) { /* our answer to it was lost */
        tcp_send_ack(t);
        return;
    }
    take_ack(t, p);
    if (!take_data(t, p))
        return;
    if (p->len || p->flags & PACKET_FIN)
        tcp_send_ack(t);
    tcp_bury_orphan(t);
}

static void syn_sent(struct tcp *t, const struct packet *p)
{
    if ((p->flags & (PACKET_SYN | PACKET_ACK)) != (PACKET_SYN | PACKET_ACK))
        return;
    t->edge = p->edge;
    came_up(t);
    tcp_send_ack(t);
    tcp_push(t);
}

static void syn_received(struct tcp *t, const struct packet *p)
{
    if (p->flags & PACKET_SYN) {
        tcp_send(t, PACKET_SYN | PACKET_ACK, 0, slice_none());
        return;
    }
    t->edge = p->edge;
    came_up(t);
    established(t, p);
}

static void got_reset(struct tcp *t)
{
    tcp_fail(t, t->state == TCP_SYN_SENT ? ERR_REFUSED : ERR_RESET);
}

static void stranger(struct host *h, struct packet *p)
{
    struct port *port;

    if (p->flags & PACKET_RST)
        return;
    port = p->flags == PACKET_SYN ? port_find(h, &p->to) : NULL;
    if (port)
        port_syn(port, p);
    else
        tcp_send_rst(h, &p->to, &p->from);
}

static bool port_dropped(const struct host *h, const struct addr *at)
{
    for (size_t i = 0; i < h->dropped_count; i++)
        if (h->dropped_ports[i] == addr_port(at))
            return true;
    return false;
}

void tcp_arrived(struct host *h, struct packet *p)
{
    struct tcp *t = tcp_find(h, &p->to, &p->from);

    if (p->flags == PACKET_SYN && port_dropped(h, &p->to))
        return;
    if (!t)
        stranger(h, p);
    else if (p->flags & PACKET_RST)
        got_reset(t);
    else if (t->state == TCP_SYN_SENT)
        syn_sent(t, p);
    else if (t->state == TCP_SYN_RECEIVED)
        syn_received(t, p);
    else
        established(t, p);
}

/* A soft error for what is established (RFC 1122 4.2.3.9), the end of what is not. */
void tcp_unreachable(struct host *h, struct packet *p)
{
    struct tcp *t = tcp_find(h, &p->to, &p->from);

    if (t && t->state == TCP_SYN_SENT)
        tcp_fail(t, ERR_UNREACHABLE);
}
