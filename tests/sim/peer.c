#include "sim/peer.h"

#include "base/mem.h"
#include "sim/net.h"

#include <stdio.h>

#define MOVE_MOST_US 100 /* how long a peer takes to look at what came */
#define NOTE_MAX     4000
/* Cipher text is looked at in such pieces. */
#define PIECE_BYTES 128

struct passed {
    uint64_t input;
    uint64_t wire;
};

struct peer {
    struct owned owned;
    struct world *world;
    char *name;
    struct tcp *tcp; /* NULL: closed by us */
    struct event move;
    struct peertls *tls;
    bool shaken; /* the handshake is over */
    bool tls_failed;
    bool reading_stopped;
    bool up;
    bool ended;
    bool notified;
    bool finish;   /* FIN when all is written; close when they did, too */
    uint64_t left; /* unacknowledged when we closed */
    enum err error;
    struct byteq in;  /* plain */
    struct byteq out; /* for the wire */
    struct connection connection;
    uint64_t input;        /* bytes that came into `in` */
    uint64_t clear;        /* of these, before TLS */
    uint64_t wire;         /* bytes read */
    struct passed *passed; /* with TLS: where `input` grew */
    size_t passed_count;
};

struct peer_port {
    struct owned owned;
    struct world *world;
    struct port *port;
    char *name;
};

/* --- transcript --- */

/* Bytes come in crumbs; a run of them from one peer makes one entry. */
static struct byteq *transcript;
static struct byteq speech;
static char speaker[32];
static uint64_t speech_us;

static void put_char(unsigned char c)
{
    char hex[8];

    if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f)) {
        byteq_append(transcript, slice_make((const char *)&c, 1));
        return;
    }
    snprintf(hex, sizeof(hex), "\\x%02x", c);
    byteq_append(transcript, slice_from(hex));
}

static void put_entry(uint64_t at_us, const char *name, const char *what, struct slice text)
{
    char head[128];
    size_t most = text.len < NOTE_MAX ? text.len : NOTE_MAX;

    snprintf(head, sizeof(head), "%10.4f  %-8s %s ", (double)at_us / 1e6, name, what);
    byteq_append(transcript, slice_from(head));
    for (size_t i = 0; i < most; i++)
        put_char((unsigned char)text.ptr[i]);
    if (most < text.len)
        byteq_append(transcript, SLICE("..."));
    byteq_append(transcript, SLICE("\n"));
}

void peer_note_all(void)
{
    if (transcript && byteq_len(&speech))
        put_entry(speech_us, speaker, "<", byteq_slice(&speech));
    byteq_fini(&speech);
}

void peer_write_to(struct byteq *t)
{
    peer_note_all();
    transcript = t;
}

void peer_note(struct world *w, const char *name, const char *what, struct slice text)
{
    peer_note_all();
    if (transcript)
        put_entry(world_us(w), name, what, text);
}

static void note(struct peer *p, const char *what, const char *text)
{
    peer_note(p->world, p->name, what, slice_from(text));
}

static void note_heard(struct peer *p, struct slice plain)
{
    if (strcmp(speaker, p->name) != 0)
        peer_note_all();
    if (!byteq_len(&speech))
        speech_us = world_us(p->world);
    snprintf(speaker, sizeof(speaker), "%s", p->name);
    byteq_append(&speech, plain);
}

/* --- moving bytes --- */

static void write_out(struct peer *p)
{
    size_t n;

    if (p->tls) {
        struct byteq *out = peertls_output(p->tls);

        byteq_append(&p->out, byteq_slice(out));
        byteq_clear(out);
    }
    while (byteq_len(&p->out) && tcp_write(p->tcp, byteq_slice(&p->out), &n) == OK)
        byteq_take(&p->out, n);
}

static void note_passed(struct peer *p)
{
    size_t n = p->passed_count;

    if ((n & (n - 1)) == 0)
        p->passed = mem_realloc(p->passed, (n ? 2 * n : 1) * sizeof(*p->passed));
    p->passed[p->passed_count++] = (struct passed){p->input, p->wire};
}

static void got_plain(struct peer *p, struct slice plain)
{
    byteq_append(&p->in, plain);
    p->input += plain.len;
    if (p->tls)
        note_passed(p);
    note_heard(p, plain);
}

static void shake(struct peer *p)
{
    enum err e = peertls_handshake(p->tls);

    if (e == OK) {
        p->shaken = true;
        note(p, "=", "TLS is up");
    } else if (e != ERR_AGAIN) {
        p->tls_failed = true;
        note(p, "=", peertls_fact(p->tls, "error"));
    }
}

static void decrypt(struct peer *p)
{
    char buf[16384];
    size_t n;
    enum err e;

    if (!p->shaken && !p->tls_failed)
        shake(p);
    if (!p->shaken || p->notified || p->tls_failed)
        return;
    while ((e = peertls_read(p->tls, buf, sizeof(buf), &n)) == OK)
        got_plain(p, slice_make(buf, n));
    if (e == ERR_EOF) {
        p->notified = true;
        note(p, "=", "close_notify");
    } else if (e != ERR_AGAIN) {
        p->tls_failed = true;
        note(p, "=", peertls_fact(p->tls, "error"));
    }
}

static void got_bytes(struct peer *p, struct slice bytes)
{
    if (!p->tls) {
        p->wire += bytes.len;
        got_plain(p, bytes);
        return;
    }
    while (bytes.len) {
        struct slice piece = slice_sub(bytes, 0, PIECE_BYTES);

        p->wire += piece.len;
        peertls_feed(p->tls, piece);
        decrypt(p);
        bytes = slice_from_offset(bytes, piece.len);
    }
}

static void read_in(struct peer *p)
{
    char buf[16384];
    size_t n;
    enum err e;

    while ((e = tcp_read(p->tcp, buf, sizeof(buf), &n)) == OK)
        got_bytes(p, slice_make(buf, n));
    if (e == ERR_AGAIN || p->error || p->ended)
        return;
    if (e == ERR_EOF)
        p->ended = true;
    else
        p->error = e;
    note(p, "=", e == ERR_EOF ? "FIN" : err_text(e));
}

static void close_tcp(struct peer *p, bool reset)
{
    struct tcp *t = p->tcp;

    if (!t)
        return;
    p->tcp = NULL;
    p->left = tcp_unacked(t);
    tcp_notify(t, NULL, NULL);
    tcp_close(t, reset);
}

static void move(struct event *ev)
{
    struct peer *p = LIST_ENTRY(ev, struct peer, move);

    if (!p->tcp)
        return;
    if (!p->up && tcp_is_up(p->tcp)) {
        p->up = true;
        note(p, "=", "connected");
    }
    if (!p->reading_stopped)
        read_in(p);
    write_out(p);
    if (p->finish && !byteq_len(&p->out))
        tcp_shutdown(p->tcp);
    if (p->finish && (p->ended || p->error))
        close_tcp(p, false);
}

static void stir(void *arg)
{
    struct peer *p = arg;

    if (!event_waits(&p->move))
        world_at(p->world, &p->move,
                 world_us(p->world) + random_below(world_random(p->world), MOVE_MOST_US));
}

/* --- life --- */

static void free_peer(struct owned *o)
{
    struct peer *p = LIST_ENTRY(o, struct peer, owned);

    close_tcp(p, false);
    world_cancel(p->world, &p->move);
    peertls_free(p->tls);
    byteq_fini(&p->in);
    byteq_fini(&p->out);
    mem_free(p->passed);
    mem_free(p->name);
    mem_free(p);
}

static struct peer *make_peer(struct world *w, const char *name, struct tcp *t)
{
    struct peer *p = MEM_NEW(struct peer);

    p->world = w;
    p->name = mem_strdup(name);
    p->tcp = t;
    p->connection = (struct connection){*tcp_local(t), *tcp_peer(t), tcp_born_us(t)};
    event_init(&p->move, move);
    byteq_init(&p->in);
    byteq_init(&p->out);
    world_own(w, &p->owned, free_peer);
    tcp_notify(t, stir, p);
    stir(p);
    return p;
}

static struct addr parse(const char *text)
{
    struct addr a;

    assert(addr_parse(slice_from(text), 0, &a) == OK);
    return a;
}

struct peer *peer_dial(struct host *h, const char *name, const char *to)
{
    struct addr goal = parse(to);

    return make_peer(world_current(), name, tcp_dial(h, NULL, &goal, NULL));
}

static void free_port(struct owned *o)
{
    struct peer_port *p = LIST_ENTRY(o, struct peer_port, owned);

    if (p->port)
        port_close(p->port);
    mem_free(p->name);
    mem_free(p);
}

struct peer_port *peer_listen(struct host *h, const char *name, const char *at)
{
    struct peer_port *p = MEM_NEW(struct peer_port);
    struct addr where = parse(at);

    p->world = world_current();
    p->name = mem_strdup(name);
    if (port_open(h, NULL, &where, NULL, NULL, &p->port)) {
        mem_free(p->name);
        mem_free(p);
        return NULL;
    }
    world_own(p->world, &p->owned, free_port);
    return p;
}

bool peer_port_waiting(const struct peer_port *p)
{
    return p->port && port_waiting(p->port);
}

static bool somebody_waits(void *arg)
{
    return peer_port_waiting(arg);
}

struct peer *peer_accept(struct peer_port *p, const char *name, uint64_t max_ms)
{
    if (!world_run_until(p->world, somebody_waits, p, max_ms))
        return NULL;
    return make_peer(p->world, name, port_accept(p->port));
}

void peer_port_close(struct peer_port *p)
{
    if (p->port)
        port_close(p->port);
    p->port = NULL;
}

/* --- talking --- */

void peer_send(struct peer *p, struct slice bytes)
{
    peer_note(p->world, p->name, ">", bytes);
    if (!p->tcp)
        return;
    if (p->tls)
        peertls_write(p->tls, bytes);
    else
        byteq_append(&p->out, bytes);
    stir(p);
}

void peer_say(struct peer *p, const char *text)
{
    peer_send(p, slice_from(text));
}

struct slice peer_input(const struct peer *p)
{
    return byteq_slice(&p->in);
}

void peer_take(struct peer *p, size_t n)
{
    byteq_take(&p->in, n);
}

struct hope {
    struct peer *peer;
    struct slice glob;
    size_t end;
};

static bool hope_fulfilled(void *arg)
{
    struct hope *h = arg;

    h->end = glob_find(h->glob, peer_input(h->peer));
    return h->end != SIZE_MAX;
}

bool peer_expect(struct peer *p, const char *glob, uint64_t max_ms)
{
    struct hope h = {p, slice_from(glob), 0};

    if (!world_run_until(p->world, hope_fulfilled, &h, max_ms))
        return false;
    peer_take(p, h.end);
    return true;
}

static bool has_input(void *arg)
{
    return byteq_len(&((struct peer *)arg)->in) > 0;
}

bool peer_is_quiet(struct peer *p, uint64_t ms)
{
    return !world_run_until(p->world, has_input, p, ms);
}

static bool shaken(void *arg)
{
    struct peer *p = arg;

    return p->shaken || p->tls_failed || p->ended || p->error;
}

enum err peer_tls(struct peer *p, const struct peertls_options *o, uint64_t max_ms)
{
    assert(!p->tls);
    p->tls = peertls_new(o);
    if (!p->tls)
        return ERR_UNSUPPORTED;
    peertls_feed(p->tls, byteq_slice(&p->in));
    p->input -= byteq_len(&p->in);
    p->clear = p->input;
    byteq_clear(&p->in);
    decrypt(p);
    stir(p);
    if (!world_run_until(p->world, shaken, p, max_ms))
        return ERR_TIMEOUT;
    if (p->shaken)
        return OK;
    return p->tls_failed ? ERR_CRYPTO : ERR_CLOSED;
}

struct peertls *peer_session(struct peer *p)
{
    return p->tls;
}

uint64_t peer_wire_bytes(const struct peer *p, uint64_t input)
{
    size_t i = 0;

    if (!p->tls || input <= p->clear)
        return input;
    while (i < p->passed_count && p->passed[i].input < input)
        i++;
    return i < p->passed_count ? p->passed[i].wire : p->wire;
}

/* --- ends --- */

bool peer_is_up(const struct peer *p)
{
    return p->up;
}

bool peer_has_ended(const struct peer *p)
{
    return p->ended;
}

bool peer_was_notified(const struct peer *p)
{
    return p->notified;
}

enum err peer_error(const struct peer *p)
{
    return p->error;
}

static bool over(void *arg)
{
    struct peer *p = arg;

    return p->ended || p->error;
}

bool peer_wait_end(struct peer *p, uint64_t max_ms)
{
    return world_run_until(p->world, over, p, max_ms);
}

void peer_stop_reading(struct peer *p, bool stop)
{
    p->reading_stopped = stop;
    stir(p);
}

void peer_shutdown(struct peer *p)
{
    note(p, "=", "we send FIN");
    if (!p->tcp)
        return;
    write_out(p);
    tcp_shutdown(p->tcp);
}

void peer_finish(struct peer *p)
{
    note(p, "=", "we close");
    if (!p->tcp)
        return;
    if (p->tls && p->shaken)
        peertls_close_notify(p->tls);
    p->finish = true;
    stir(p);
}

void peer_quit(struct peer *p)
{
    note(p, "=", "our process ends");
    if (!p->tcp)
        return;
    write_out(p);
    close_tcp(p, false);
}

void peer_reset(struct peer *p)
{
    note(p, "=", "we send RST");
    close_tcp(p, true);
}

const char *peer_name(const struct peer *p)
{
    return p->name;
}

const struct connection *peer_connection(const struct peer *p)
{
    return &p->connection;
}

uint64_t peer_unacked(const struct peer *p)
{
    size_t kept = byteq_len(&p->out) + (p->tls ? byteq_len(peertls_output(p->tls)) : 0);

    return kept + (p->tcp ? tcp_unacked(p->tcp) : p->left);
}

uint64_t peer_unread(const struct peer *p)
{
    return p->tcp ? tcp_unread(p->tcp) : 0;
}
