/* tests/unit/loop/connbed.h - two ends of a connection over 127.0.0.1 in one loop: `a` dials, `b`
 * is accepted. What happens to each is noted. Static: include it in one file of a test.
 */
#ifndef TESTS_UNIT_LOOP_CONNBED_H
#define TESTS_UNIT_LOOP_CONNBED_H

#include "unit/certfiles.h"
#include "unit/test.h"

#include "loop/conn.h"
#include "loop/listener.h"
#include "loop/timer.h"

#include "base/mem.h"

struct end {
    struct conn *conn; /* NULL once closed */
    struct byteq in;   /* kept, unless `count_only` */
    uint64_t total;
    uint64_t flushed;
    uint64_t acked;
    char log[32]; /* c onnected, s ecured, D rained, e nded, x closed */
    enum err why;
    char tls_error[160];
    uint64_t last_acked; /* in `closed` */
    bool count_only;
    bool secured;
    void (*on_data)(struct end *e, struct slice plain);
    void (*on_event)(struct end *e, char what);
};

static struct counters counters;
static struct log_sink sink;
static struct loop *loop;
static struct listener *listener;
static struct addr at;
static struct end a, b;
static int accepted = -1;
static struct tls_context *tls_a, *tls_b;
static char lump[200000]; /* something to send */

static inline void note(struct end *e, char what)
{
    size_t n = strlen(e->log);

    CHECK(n + 1 < sizeof(e->log));
    e->log[n] = what;
    e->log[n + 1] = '\0';
    if (e->on_event)
        e->on_event(e, what);
}

static inline void on_connected(void *arg)
{
    note(arg, 'c');
}

static inline void on_secured(void *arg)
{
    struct end *e = arg;

    e->secured = true;
    note(e, 's');
}

static inline void on_data(void *arg, struct slice plain)
{
    struct end *e = arg;

    CHECK(plain.len > 0);
    e->total += plain.len;
    if (!e->count_only)
        byteq_append(&e->in, plain);
    if (e->on_data)
        e->on_data(e, plain);
}

static inline void on_flushed(void *arg, uint64_t plain)
{
    struct end *e = arg;

    CHECK(plain > e->flushed && plain <= conn_written(e->conn));
    e->flushed = plain;
}

static inline void on_acked(void *arg, uint64_t plain)
{
    struct end *e = arg;

    CHECK(plain > e->acked && plain <= e->flushed);
    e->acked = plain;
}

static inline void on_drained(void *arg)
{
    note(arg, 'D');
}

static inline void on_ended(void *arg)
{
    note(arg, 'e');
}

static inline void on_closed(void *arg, enum err why)
{
    struct end *e = arg;

    CHECK(strchr(e->log, 'x') == NULL);
    e->why = why;
    e->last_acked = conn_acked(e->conn);
    snprintf(e->tls_error, sizeof(e->tls_error), "%s", conn_tls_error(e->conn));
    note(e, 'x');
    e->conn = NULL;
}

static const struct conn_handler handler = {on_connected, on_secured, on_data,  on_flushed,
                                            on_acked,     on_drained, on_ended, on_closed};

static inline void on_accept(void *arg, int fd, const struct addr *peer)
{
    CHECK(addr_is_loopback(peer));
    accepted = fd;
}

static struct timer clock_timer;
static bool (*until)(void);
static int ticks;

static inline void on_tick(struct timer *t)
{
    if (until() || ++ticks > 4000)
        loop_stop(loop);
    else
        timer_start(t, 5);
}

static inline bool never(void)
{
    return false;
}

static inline void run_until(bool (*condition)(void))
{
    until = condition;
    ticks = 0;
    timer_start(&clock_timer, 0);
    loop_run(loop);
    timer_stop(&clock_timer);
    CHECK(condition()); /* 20 seconds went by */
}

static inline void run_for(int ms)
{
    until = never;
    ticks = 4000 - ms / 5;
    timer_start(&clock_timer, 0);
    loop_run(loop);
    timer_stop(&clock_timer);
}

static inline bool is_accepted(void)
{
    return accepted >= 0;
}

static inline bool both_closed(void)
{
    return !a.conn && !b.conn;
}

static inline bool b_closed(void)
{
    return !b.conn;
}

static inline bool a_closed(void)
{
    return !a.conn;
}

static inline bool both_secured(void)
{
    return a.secured && b.secured;
}

static inline bool b_ended(void)
{
    return strchr(b.log, 'e') != NULL;
}

static inline bool a_acked(void)
{
    return a.acked == conn_written(a.conn);
}

static inline bool b_acked(void)
{
    return b.acked == conn_written(b.conn);
}

static uint64_t b_wants;

static inline bool b_has(void)
{
    return b.total >= b_wants;
}

static inline void wait_b(uint64_t total)
{
    b_wants = total;
    run_until(b_has);
    CHECK_EQ(b.total, total);
}

static inline void open_stage(void)
{
    struct addr any;

    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    accepted = -1;
    loop = loop_new(&counters, &sink);
    timer_init(&clock_timer, loop, on_tick);
    CHECK_EQ(addr_parse(SLICE("127.0.0.1:0"), 1, &any), OK);
    addr_set_port(&any, 0);
    CHECK_EQ(listener_open(loop, &any, -1, on_accept, NULL, &listener), OK);
    listener_addr(listener, &at);
}

static inline void adopt_b(struct slice first)
{
    CHECK_EQ(conn_adopt(loop, accepted, &at, first, &handler, &b, &b.conn), OK);
}

static inline void open_pair(void)
{
    open_stage();
    CHECK_EQ(conn_dial(loop, &at, NULL, &handler, &a, &a.conn), OK);
    CHECK_STR(a.log, ""); /* nothing inside the call */
    run_until(is_accepted);
    CHECK_STR(a.log, "c");
    adopt_b(slice_none());
    CHECK(addr_eq(conn_peer(a.conn), &at));
    CHECK(addr_eq(conn_local(b.conn), &at));
}

static inline void close_stage(void)
{
    if (a.conn)
        conn_close(a.conn);
    if (b.conn)
        conn_close(b.conn);
    run_until(both_closed);
    listener_close(listener);
    loop_free(loop);
    byteq_fini(&a.in);
    byteq_fini(&b.in);
}

/* A socket of the system instead of `a`, small buffers. */
static inline int dial_raw(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(connect(fd, &at.sa, addr_size(&at)), 0);
    run_until(is_accepted);
    return fd;
}

static inline void send_raw(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static inline struct tls_context *context_of(const char *stem, bool tls13_only)
{
    char chain[CERTFILE_PATH_MAX], key[CERTFILE_PATH_MAX], error[256];
    const char *chains[] = {chain}, *keys[] = {key};
    struct tls_context_options o = {chains, keys, 1, certfile("ca.pem"), tls13_only, true, true};
    struct tls_context *c;

    snprintf(chain, sizeof(chain), "%s.pem", certfile(stem));
    snprintf(key, sizeof(key), "%s.key", certfile(stem));
    if (tls_context_new(&o, error, sizeof(error), &c))
        fail_msg("%s", error);
    return c;
}

static inline void secure(bool direct)
{
    conn_start_tls(b.conn, tls_server(tls_b, SLICE("b.example"), direct));
    conn_start_tls(a.conn, tls_client(tls_a, SLICE("b.example"), SLICE("a.example"), direct));
    run_until(both_secured);
}

static inline void open_secure_pair(void)
{
    open_pair();
    secure(false);
}

static inline int connbed_begin(void **state)
{
    certfile_begin();
    certfile_make("a", "DNS:a.example", 30);
    certfile_make("b", "DNS:b.example", 30);
    tls_a = context_of("a", false);
    tls_b = context_of("b", false);
    return 0;
}

static inline int connbed_end(void **state)
{
    tls_context_unref(tls_a);
    tls_context_unref(tls_b);
    certfile_end();
    return 0;
}

#define CONN_TESTS(...) TESTS_WITHIN(connbed_begin, connbed_end, __VA_ARGS__)

#endif
