#include "session/dnstry.h"

#include "loop/conn.h"
#include "loop/dgram.h"

#include <stdio.h>

#define QUESTION_BYTES_MAX 512

/* A TCP connection outlives its try until it is closed. */
struct tcp {
    struct dns_try *owner; /* NULL: given up */
    struct conn *conn;
    struct byteq in;
};

struct dns_try {
    struct loop *loop;
    struct addr server;
    struct dns_question q;
    struct dgram *dgram; /* one of the two */
    struct tcp *tcp;
    struct arena arena;
    unsigned stray_count;
    bool mangled;
    dns_try_fn *done;
    void *arg;
};

static void report(struct dns_try *t, enum err e, const struct dns_answer *answer)
{
    t->done(t->arg, t, e, answer); /* closes `t` most likely */
}

static enum err parse(struct dns_try *t, struct slice packet, struct dns_answer *ret_answer)
{
    enum err e;

    arena_reset(&t->arena);
    e = dns_parse(packet, &t->q, &t->arena, ret_answer);
    if (e)
        counter_add(loop_counters(t->loop), COUNTER_DNS_REJECTED, 1);
    return e;
}

static enum err format(struct dns_try *t, unsigned char buf[QUESTION_BYTES_MAX], size_t *ret_len)
{
    t->q.id = (uint16_t)random_below(loop_random(t->loop), 65536);
    return dns_format(&t->q, false, buf, QUESTION_BYTES_MAX, ret_len);
}

/* ---- TCP: RFC 7766 ---- */

static void tcp_give_up(struct dns_try *t, bool reset)
{
    struct tcp *tcp = t->tcp;

    t->tcp = NULL;
    if (!tcp)
        return;
    tcp->owner = NULL;
    if (reset)
        conn_reset(tcp->conn);
    else
        conn_close(tcp->conn);
}

static void tcp_connected(void *arg)
{
    struct tcp *tcp = arg;
    unsigned char buf[2 + QUESTION_BYTES_MAX];
    size_t len = 0;

    if (!tcp->owner)
        return;
    if (format(tcp->owner, buf + 2, &len)) {
        tcp_give_up(tcp->owner, true);
        return;
    }
    buf[0] = (unsigned char)(len >> 8);
    buf[1] = (unsigned char)len;
    conn_write(tcp->conn, slice_make((const char *)buf, len + 2));
}

/* The whole message, without its length; false: more must come. */
static bool tcp_message(const struct tcp *tcp, struct slice *ret_packet)
{
    struct slice in = byteq_slice(&tcp->in);
    size_t len;

    if (in.len < 2)
        return false;
    len = (size_t)(unsigned char)in.ptr[0] << 8 | (unsigned char)in.ptr[1];
    if (in.len < 2 + len)
        return false;
    *ret_packet = slice_sub(in, 2, len);
    return true;
}

/* Over TCP nothing is truncated and nobody guesses: what does not fit is the server's error. */
static void tcp_data(void *arg, struct slice plain)
{
    struct tcp *tcp = arg;
    struct dns_try *t = tcp->owner;
    struct dns_answer answer = {0};
    struct slice packet;
    enum err e;

    if (!t)
        return;
    byteq_append(&tcp->in, plain);
    if (!tcp_message(tcp, &packet))
        return;
    e = parse(t, packet, &answer);
    if (!e && answer.truncated)
        e = ERR_SYNTAX;
    tcp_give_up(t, false);
    report(t, e ? ERR_SYNTAX : OK, &answer);
}

static void tcp_ended(void *arg)
{
    struct tcp *tcp = arg;
    struct dns_try *t = tcp->owner;

    if (!t)
        return;
    tcp_give_up(t, false);
    report(t, ERR_CLOSED, NULL);
}

static void tcp_closed(void *arg, enum err why)
{
    struct tcp *tcp = arg;
    struct dns_try *t = tcp->owner;

    byteq_fini(&tcp->in);
    mem_free(tcp);
    if (!t)
        return;
    t->tcp = NULL;
    report(t, why ? why : ERR_CLOSED, NULL);
}

static enum err tcp_start(struct dns_try *t)
{
    static const struct conn_handler handler = {
        .connected = tcp_connected, .data = tcp_data, .ended = tcp_ended, .closed = tcp_closed};
    struct tcp *tcp = MEM_NEW(struct tcp);
    enum err e;

    byteq_init(&tcp->in);
    e = conn_dial(t->loop, &t->server, NULL, &handler, tcp, &tcp->conn);
    if (e) {
        mem_free(tcp);
        return e;
    }
    tcp->owner = t;
    t->tcp = tcp;
    return OK;
}

/* ---- UDP ---- */

static void udp_stop(struct dns_try *t)
{
    if (t->dgram)
        dgram_close(t->dgram);
    t->dgram = NULL;
}

static void lower(char *name)
{
    for (; *name; name++)
        if (*name >= 'A' && *name <= 'Z')
            *name |= 0x20;
}

static void change_to_tcp(struct dns_try *t)
{
    enum err e;

    udp_stop(t);
    lower(t->q.name);
    e = tcp_start(t);
    if (e)
        report(t, e, NULL);
}

static bool has_our_id(const struct dns_try *t, struct slice packet)
{
    return packet.len >= 2 && (unsigned char)packet.ptr[0] == t->q.id >> 8 &&
           (unsigned char)packet.ptr[1] == (t->q.id & 0xff);
}

static void udp_packet(void *arg, struct slice packet, const struct addr *from)
{
    struct dns_try *t = arg;
    struct dns_answer answer;
    enum err e = parse(t, packet, &answer);

    if (!e && !answer.truncated) {
        report(t, OK, &answer);
        return;
    }
    if (e && !has_our_id(t, packet) && ++t->stray_count < DNS_TRY_STRAYS_MAX)
        return;
    t->mangled = e == ERR_DENIED && has_our_id(t, packet);
    change_to_tcp(t);
}

static void udp_failed(void *arg, enum err e)
{
    report(arg, e, NULL);
}

static enum err udp_start(struct dns_try *t)
{
    unsigned char buf[QUESTION_BYTES_MAX];
    size_t len;
    enum err e;

    dns_mix_case(t->q.name, loop_random(t->loop));
    e = format(t, buf, &len);
    if (e)
        return e;
    e = dgram_open(t->loop, &t->server, udp_packet, udp_failed, t, &t->dgram);
    if (e)
        return e;
    return dgram_send(t->dgram, slice_make((const char *)buf, len));
}

enum err dns_try_open(struct loop *l, const struct addr *server, const char *name,
                      enum dns_type type, bool tcp, dns_try_fn *done, void *arg,
                      struct dns_try **ret_try)
{
    struct dns_try *t = MEM_NEW(struct dns_try);
    enum err e;

    t->loop = l;
    t->server = *server;
    t->done = done;
    t->arg = arg;
    t->q.type = type;
    snprintf(t->q.name, sizeof(t->q.name), "%s", name);
    arena_init(&t->arena);
    e = tcp ? tcp_start(t) : udp_start(t);
    if (e) {
        dns_try_close(t);
        return e;
    }
    *ret_try = t;
    return OK;
}

bool dns_try_mangled(const struct dns_try *t)
{
    return t->mangled;
}

void dns_try_close(struct dns_try *t)
{
    udp_stop(t);
    tcp_give_up(t, true);
    arena_fini(&t->arena);
    mem_free(t);
}
