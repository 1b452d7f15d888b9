/* One end of a TCP connection, as its kernel keeps it.
 *
 * Sequence numbers count payload from 0 in each direction; SYN has none, FIN has the one after
 * the last byte. Whoever loses a packet finds out by its retransmission timer and sends again
 * from the oldest byte without acknowledgement.
 */
#include "sim/tcp.h"

#define BUFFER_LEAST 4096 /* doubled up to six times: 256 KiB */

/* --- who is who --- */

/* IPv4 as IPv6 knows it. */
static void put_addr(char *to, const struct addr *a)
{
    uint16_t port = addr_port(a);

    if (a->sa.sa_family == AF_INET) {
        memset(to, 0, 10);
        memset(to + 10, 0xff, 2);
        memcpy(to + 12, &a->v4.sin_addr, 4);
    } else {
        memcpy(to, &a->v6.sin6_addr, 16);
    }
    memcpy(to + 16, &port, 2);
}

/* Each packet asks for one: no text. */
static void make_key(char key[TCP_KEY_BYTES], const struct addr *local, const struct addr *peer)
{
    key[0] = '=';
    put_addr(key + 1, local);
    put_addr(key + 1 + TCP_ADDR_BYTES, peer);
}

static struct slice key_of(const char key[TCP_KEY_BYTES])
{
    return slice_make(key, key[0] ? TCP_KEY_BYTES : 0);
}

struct tcp *tcp_find(struct host *h, const struct addr *local, const struct addr *peer)
{
    char key[TCP_KEY_BYTES];

    make_key(key, local, peer);
    return map_find(&h->tcp_by_pair, key_of(key));
}

static int take_number(struct world *w, struct tcp *t)
{
    size_t i = 3;

    while (i < w->fd_room && w->fds[i])
        i++;
    if (i >= w->fd_room) {
        size_t room = w->fd_room ? 2 * w->fd_room : 64;

        w->fds = mem_realloc(w->fds, room * sizeof(struct tcp *));
        memset(w->fds + w->fd_room, 0, (room - w->fd_room) * sizeof(struct tcp *));
        w->fd_room = room;
    }
    w->fds[i] = t;
    return (int)i;
}

static void draw_buffers(struct tcp *t)
{
    struct world *w = t->world;
    unsigned bits = (unsigned)random_below(&t->rnd, 7); /* 4 KiB, 8 KiB ... 256 KiB */

    t->send_room = w->send_bytes ? w->send_bytes : (size_t)BUFFER_LEAST << bits;
    t->receive_room = w->receive_bytes ? w->receive_bytes : (size_t)BUFFER_LEAST << (6 - bits);
    t->style = w->chop ? (enum tcp_style)random_below(&t->rnd, TCP_STYLES) : TCP_WHOLE;
}

struct tcp *tcp_new(struct host *h, const struct addr *local, const struct addr *peer,
                    enum tcp_state state)
{
    struct tcp *t = MEM_NEW(struct tcp);

    t->world = h->world;
    t->host = h;
    t->local = *local;
    t->remote = *peer;
    t->shown_local = *local;
    t->shown_remote = *peer;
    t->state = state;
    t->fd = -1;
    random_init_seeded(&t->rnd, random_u64(&h->world->rnd));
    draw_buffers(t);
    byteq_init(&t->out);
    byteq_init(&t->in);
    list_init(&t->backlog_node);
    event_init(&t->retry, tcp_retry);
    make_key(t->key, local, peer);
    map_add(&h->tcp_by_pair, key_of(t->key), t);
    list_push(&h->tcps, &t->node);
    return t;
}

static void give_number(struct tcp *t, struct loop *owner)
{
    t->fd = take_number(t->world, t);
    t->owner = owner;
    if (owner)
        t->host->fd_count++;
}

static void drop_number(struct tcp *t)
{
    if (t->fd < 0)
        return;
    t->world->fds[t->fd] = NULL;
    t->fd = -1;
    if (t->owner)
        t->host->fd_count--;
    t->owner = NULL;
    t->notify = NULL;
}

void tcp_set_owner(struct tcp *t, struct loop *owner)
{
    if (t->owner)
        t->host->fd_count--;
    t->owner = owner;
    if (owner)
        t->host->fd_count++;
}

static void unmap(struct tcp *t)
{
    if (t->key[0])
        map_remove(&t->host->tcp_by_pair, key_of(t->key));
    t->key[0] = 0;
}

void tcp_destroy(struct tcp *t)
{
    drop_number(t);
    unmap(t);
    if (t->port)
        port_forget(t->port, t);
    world_cancel(t->world, &t->retry);
    byteq_fini(&t->out);
    byteq_fini(&t->in);
    list_remove(&t->node);
    mem_free(t);
}

uint64_t tcp_written(const struct tcp *t)
{
    return t->acked + byteq_len(&t->out) - (t->fin_acked ? 1 : 0);
}

/* Everything sent, the FIN too. */
uint64_t tcp_end(const struct tcp *t)
{
    return tcp_written(t) + (t->fin_wanted ? 1 : 0);
}

void tcp_tell(struct tcp *t)
{
    if (t->notify)
        t->notify(t->arg);
}

static void tell_let_go(struct tcp *t, uint64_t sent)
{
    struct let_go g = {&t->local, &t->remote, t->acked, sent};

    if (t->owner && !t->let_go && t->world->let_go)
        t->world->let_go(t->world->let_go_arg, &g);
    t->let_go = true;
}

/* Broken: what the peer sent before can still be read, nothing can be written. */
void tcp_fail(struct tcp *t, enum err why)
{
    bool nobodys = (t->fd < 0 && !t->port) || t->state == TCP_SYN_RECEIVED;
    char text[ADDR_TEXT_MAX];

    trace(t->world, "%s broken: %s", addr_format(&t->local, text), err_text(why));
    tell_let_go(t, t->sent);
    unmap(t);
    world_cancel(t->world, &t->retry);
    t->lost = tcp_end(t) - t->acked;
    byteq_clear(&t->out);
    t->state = TCP_BROKEN;
    t->error = why;
    if (nobodys)
        tcp_destroy(t);
    else
        tcp_tell(t);
}

struct tcp *tcp_from_syn(struct host *h, struct port *port, struct packet *syn)
{
    struct tcp *t = tcp_new(h, &syn->to, &syn->from, TCP_SYN_RECEIVED);

    t->port = port;
    t->born_us = t->world->now_us;
    t->edge = syn->edge;
    tcp_send(t, PACKET_SYN | PACKET_ACK, 0, slice_none());
    world_at(t->world, &t->retry, t->world->now_us + SYN_RETRY_US);
    return t;
}

void tcp_accepted(struct tcp *t, struct loop *owner)
{
    t->port = NULL;
    give_number(t, owner);
}

void tcp_abandon(struct tcp *t) /* it waited at a port that closed */
{
    t->port = NULL;
    if (t->state != TCP_BROKEN)
        tcp_send_rst(t->host, &t->local, &t->remote);
    tcp_destroy(t);
}

/* --- the application's side --- */

static bool address_taken(struct host *h, const struct addr *at)
{
    LIST_WALK(n, &h->tcps)
    if (addr_eq(&LIST_ENTRY(n, struct tcp, node)->local, at))
        return true;
    return false;
}

/* The first address of the family that can reach it. */
static bool own_address(const struct host *h, const struct addr *to, struct addr *ret_own)
{
    bool v6 = to->sa.sa_family == AF_INET6;

    if (addr_is_loopback(to)) {
        *ret_own = *to;
        return true;
    }
    for (size_t i = 0; i < h->ip_count; i++)
        if ((h->ips[i].sa.sa_family == AF_INET6) == v6) {
            *ret_own = h->ips[i];
            return true;
        }
    return false;
}

bool tcp_source(struct host *h, const struct addr *to, const struct addr *wish,
                struct addr *ret_local)
{
    if (wish && !host_has_ip(h, wish))
        return false;
    if (wish)
        *ret_local = *wish;
    else if (!own_address(h, to, ret_local))
        return false;
    if (!wish || !addr_port(wish))
        addr_set_port(ret_local, port_draw(h, ret_local, address_taken));
    return true;
}

/* On the wire an IPv4-mapped address is IPv4. */
static struct addr plain(const struct addr *a)
{
    struct addr v4;

    if (a->sa.sa_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
        return *a;
    memset(&v4, 0, sizeof(v4));
    v4.v4.sin_family = AF_INET;
    memcpy(&v4.v4.sin_addr, (const char *)&a->v6.sin6_addr + 12, 4);
    addr_set_port(&v4, addr_port(a));
    return v4;
}

struct tcp *tcp_dial(struct host *h, struct loop *owner, const struct addr *to,
                     const struct addr *local)
{
    struct addr goal = plain(to);
    struct addr from = goal;
    bool can = tcp_source(h, &goal, local, &from);
    struct tcp *t = tcp_new(h, &from, &goal, TCP_SYN_SENT);

    give_number(t, owner);
    t->born_us = t->world->now_us;
    if (!can) {
        tcp_fail(t, ERR_UNREACHABLE);
        return t;
    }
    tcp_send(t, PACKET_SYN, 0, slice_none());
    world_at(t->world, &t->retry, t->world->now_us + SYN_RETRY_US);
    return t;
}

void tcp_notify(struct tcp *t, void (*fn)(void *arg), void *arg)
{
    t->notify = fn;
    t->arg = arg;
}

int tcp_fd(const struct tcp *t)
{
    return t->fd;
}

struct tcp *tcp_of_fd(struct world *w, int fd)
{
    return fd >= 0 && (size_t)fd < w->fd_room ? w->fds[fd] : NULL;
}

bool tcp_is_up(const struct tcp *t)
{
    return t->state == TCP_UP;
}

enum err tcp_error(const struct tcp *t)
{
    return t->error;
}

bool tcp_readable(const struct tcp *t)
{
    return byteq_len(&t->in) || t->fin_seen || t->state == TCP_BROKEN;
}

bool tcp_ended(const struct tcp *t)
{
    return !byteq_len(&t->in) && t->fin_seen;
}

bool tcp_writable(const struct tcp *t)
{
    return t->state == TCP_BROKEN ||
           (t->state == TCP_UP && byteq_len(&t->out) <= t->send_room / 3 * 2);
}

/* A window that was nearly shut is told when it opens. */
static void tell_window(struct tcp *t)
{
    uint64_t edge = t->received + tcp_room(t);

    if (t->state == TCP_UP && edge - t->edge_told >= t->receive_room / 2)
        tcp_send_ack(t);
}

enum err tcp_read(struct tcp *t, char *buf, size_t room, size_t *ret_n)
{
    size_t n = byteq_len(&t->in);

    if (!n && t->fin_seen)
        return ERR_EOF;
    if (!n)
        return t->state == TCP_BROKEN ? t->error : ERR_AGAIN;
    if (n > room)
        n = room;
    n = t->style == TCP_WHOLE ? n : tcp_draw_segment(t, n);
    memcpy(buf, byteq_slice(&t->in).ptr, n);
    byteq_take(&t->in, n);
    tell_window(t);
    *ret_n = n;
    return OK;
}

enum err tcp_write(struct tcp *t, struct slice bytes, size_t *ret_n)
{
    size_t used = byteq_len(&t->out);

    if (t->state == TCP_BROKEN)
        return t->error;
    if (t->fin_wanted)
        return ERR_CLOSED;
    if (t->state != TCP_UP || used >= t->send_room)
        return ERR_AGAIN;
    if (bytes.len > t->send_room - used)
        bytes.len = t->send_room - used;
    byteq_append(&t->out, bytes);
    *ret_n = bytes.len;
    tcp_push(t);
    return OK;
}

uint64_t tcp_unacked(const struct tcp *t)
{
    return t->state == TCP_BROKEN ? t->lost : tcp_end(t) - t->acked;
}

uint64_t tcp_unread(const struct tcp *t)
{
    return byteq_len(&t->in);
}

void tcp_shutdown(struct tcp *t)
{
    if (t->fin_wanted || t->state == TCP_BROKEN)
        return;
    t->fin_wanted = true;
    tcp_push(t);
}

void tcp_close(struct tcp *t, bool reset)
{
    bool unread = byteq_len(&t->in) > 0;

    tell_let_go(t, t->sent);
    drop_number(t);
    if (t->state == TCP_BROKEN || t->state == TCP_SYN_SENT) {
        tcp_destroy(t);
        return;
    }
    if (reset || unread) {
        tcp_send(t, PACKET_RST, t->next, slice_none());
        tcp_destroy(t);
        return;
    }
    tcp_shutdown(t);
    tcp_bury_orphan(t);
}

uint64_t tcp_born_us(const struct tcp *t)
{
    return t->born_us;
}

const struct addr *tcp_local(const struct tcp *t)
{
    return &t->shown_local;
}

const struct addr *tcp_peer(const struct tcp *t)
{
    return &t->shown_remote;
}

/* --- death of the process, of the machine --- */

void tcp_owner_dead(struct host *h)
{
    LIST_WALK(n, &h->tcps)
    {
        struct tcp *t = LIST_ENTRY(n, struct tcp, node);

        if (!t->owner)
            continue;
        tell_let_go(t, UINT64_MAX);
        tcp_close(t, false);
    }
}

void tcp_vanish(struct host *h, bool peers_too)
{
    LIST_WALK(n, &h->tcps)
    {
        struct tcp *t = LIST_ENTRY(n, struct tcp, node);

        if (peers_too || t->owner || (t->fd < 0 && !t->port))
            tcp_destroy(t);
    }
}
