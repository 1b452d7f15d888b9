#include "unit/test.h"

#include "unit/certfiles.h"

#include "loop/conn.h"
#include "loop/conn_pool.h"
#include "loop/listener.h"
#include "loop/timer.h"

#include "base/mem.h"

#include <fcntl.h>
#include <time.h>
#include <unistd.h>

/* Two ends of a connection over 127.0.0.1 in one loop: `a` dials, `b` is accepted. */
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

/* --- the stage ------------------------------------------------------------------------------- */

static void note(struct end *e, char what)
{
    size_t n = strlen(e->log);

    CHECK(n + 1 < sizeof(e->log));
    e->log[n] = what;
    e->log[n + 1] = '\0';
    if (e->on_event)
        e->on_event(e, what);
}

static void on_connected(void *arg)
{
    note(arg, 'c');
}

static void on_secured(void *arg)
{
    struct end *e = arg;

    e->secured = true;
    note(e, 's');
}

static void on_data(void *arg, struct slice plain)
{
    struct end *e = arg;

    CHECK(plain.len > 0);
    e->total += plain.len;
    if (!e->count_only)
        byteq_append(&e->in, plain);
    if (e->on_data)
        e->on_data(e, plain);
}

static void on_flushed(void *arg, uint64_t plain)
{
    struct end *e = arg;

    CHECK(plain > e->flushed && plain <= conn_written(e->conn));
    e->flushed = plain;
}

static void on_acked(void *arg, uint64_t plain)
{
    struct end *e = arg;

    CHECK(plain > e->acked && plain <= e->flushed);
    e->acked = plain;
}

static void on_drained(void *arg)
{
    note(arg, 'D');
}

static void on_ended(void *arg)
{
    note(arg, 'e');
}

static void on_closed(void *arg, enum err why)
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

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    CHECK(addr_is_loopback(peer));
    accepted = fd;
}

static struct timer clock_timer;
static bool (*until)(void);
static int ticks;

static void on_tick(struct timer *t)
{
    if (until() || ++ticks > 4000)
        loop_stop(loop);
    else
        timer_start(t, 5);
}

static bool never(void)
{
    return false;
}

static void run_until(bool (*condition)(void))
{
    until = condition;
    ticks = 0;
    timer_start(&clock_timer, 0);
    loop_run(loop);
    timer_stop(&clock_timer);
    CHECK(condition()); /* 20 seconds went by */
}

static void run_for(int ms)
{
    until = never;
    ticks = 4000 - ms / 5;
    timer_start(&clock_timer, 0);
    loop_run(loop);
    timer_stop(&clock_timer);
}

static bool is_accepted(void)
{
    return accepted >= 0;
}

static bool both_closed(void)
{
    return !a.conn && !b.conn;
}

static bool b_closed(void)
{
    return !b.conn;
}

static bool a_closed(void)
{
    return !a.conn;
}

static bool both_secured(void)
{
    return a.secured && b.secured;
}

static bool a_acked(void)
{
    return a.acked == conn_written(a.conn);
}

static bool b_acked(void)
{
    return b.acked == conn_written(b.conn);
}

static uint64_t b_wants;

static bool b_has(void)
{
    return b.total >= b_wants;
}

static void wait_b(uint64_t total)
{
    b_wants = total;
    run_until(b_has);
    CHECK_EQ(b.total, total);
}

static void open_stage(void)
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

static void adopt_b(struct slice first)
{
    CHECK_EQ(conn_adopt(loop, accepted, &at, first, &handler, &b, &b.conn), OK);
}

static void open_pair(void)
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

static void close_stage(void)
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
static int dial_raw(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    CHECK_EQ(connect(fd, &at.sa, addr_size(&at)), 0);
    run_until(is_accepted);
    return fd;
}

static void send_raw(int fd, const char *text)
{
    CHECK_EQ(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static struct tls_context *context_of(const char *stem, bool tls13_only)
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

static void secure(bool direct)
{
    conn_start_tls(b.conn, tls_server(tls_b, SLICE("b.example"), direct));
    conn_start_tls(a.conn, tls_client(tls_a, SLICE("b.example"), SLICE("a.example"), direct));
    run_until(both_secured);
}

static void open_secure_pair(void)
{
    open_pair();
    secure(false);
}

/* --- talking --------------------------------------------------------------------------------- */

TEST(conn, carries_bytes_both_ways_and_ends_by_itself)
{
    open_pair();
    conn_write(a.conn, SLICE("hello "));
    conn_write(a.conn, SLICE("there"));
    byteq_append(conn_out(b.conn), SLICE("hi"));
    conn_touch(b.conn);
    CHECK_EQ(conn_pending(a.conn), 11);
    CHECK_EQ(a.flushed, 0); /* corked until the turn ends */
    wait_b(11);
    CHECK_SLICE(byteq_slice(&b.in), "hello there");
    CHECK_SLICE(byteq_slice(&a.in), "hi");
    run_until(a_acked);
    CHECK_EQ(conn_flushed(a.conn), 11);
    CHECK_EQ(conn_pending(a.conn), 0);
    conn_finish(a.conn);
    conn_finish(b.conn);
    run_until(both_closed);
    CHECK_STR(a.log, "cex");
    CHECK_STR(b.log, "ex");
    CHECK(a.why == OK && b.why == OK);
    CHECK_EQ(b.last_acked, 2);
    close_stage();
}

TEST(conn, after_one_end_the_other_still_writes)
{
    static char big[300000];

    open_pair();
    conn_write(a.conn, SLICE("question"));
    conn_finish(a.conn);
    wait_b(8);
    run_for(50);
    CHECK_STR(b.log, "e");
    memset(big, 'x', sizeof(big));
    conn_write(b.conn, slice_make(big, sizeof(big)));
    conn_finish(b.conn);
    run_until(both_closed);
    CHECK_EQ(a.total, sizeof(big));
    CHECK_EQ(b.last_acked, sizeof(big));
    CHECK(a.why == OK && b.why == OK);
    close_stage();
}

/* STREAM-19: close_notify goes out and the peer's is read: `ended` before TCP ended. */
TEST(conn, tls_carries_bytes_and_ends_with_close_notify)
{
    static const char *const versions[] = {"TLSv1.2", "TLSv1.3"};

    for (size_t i = 0; i < COUNT(versions); i++) {
        open_pair();
        conn_start_tls(b.conn, tls_server(tls_b, SLICE("b.example"), false));
        conn_start_tls(a.conn, tls_client(tls_a, SLICE("b.example"), SLICE("a.example"), false));
        conn_write(a.conn, SLICE("early")); /* waits for the handshake */
        run_until(both_secured);
        CHECK_STR(tls_version(conn_tls(a.conn)), "TLSv1.3");
        wait_b(5);
        conn_write(b.conn, SLICE("answer"));
        conn_finish(a.conn);
        conn_finish(b.conn);
        run_until(both_closed);
        CHECK_SLICE(byteq_slice(&b.in), "early");
        CHECK_SLICE(byteq_slice(&a.in), "answer");
        CHECK_STR(a.log, "csex");
        CHECK_STR(b.log, "sex");
        CHECK(a.why == OK && b.why == OK);
        CHECK_EQ(a.last_acked, 5);
        CHECK_EQ(b.last_acked, 6);
        close_stage();
    }
}

/* --- STARTTLS -------------------------------------------------------------------------------- */

static void answer_starttls(struct end *e, struct slice plain)
{
    if (e->secured || conn_tls(e->conn))
        return;
    conn_write(e->conn, SLICE("<proceed/>"));
    conn_start_tls(e->conn, tls_server(tls_b, SLICE("b.example"), false));
    conn_write(e->conn, SLICE("inside"));
}

static void take_proceed(struct end *e, struct slice plain)
{
    if (!conn_tls(e->conn))
        conn_start_tls(e->conn, tls_client(tls_a, SLICE("b.example"), SLICE("a.example"), false));
}

TEST(conn, starttls_sends_what_was_queued_in_clear_first)
{
    open_pair();
    b.on_data = answer_starttls;
    a.on_data = take_proceed;
    conn_write(a.conn, SLICE("<starttls/>"));
    run_until(both_secured);
    run_for(20);
    CHECK_SLICE(byteq_slice(&a.in), "<proceed/>inside");
    close_stage();
}

/* TLS-05; RFC 6120 5.4.3.3: what a man in the middle put after <starttls/> in clear. */
TEST(conn, clear_bytes_after_starttls_break_the_handshake)
{
    int raw;

    open_stage();
    raw = dial_raw();
    adopt_b(slice_none());
    b.on_data = answer_starttls;
    send_raw(raw, "<starttls/>");
    wait_b(11);
    send_raw(raw, "<message to='b.example'/>");
    run_until(b_closed);
    CHECK_EQ(b.total, 11); /* nothing of the rest was delivered */
    CHECK_EQ(b.why, ERR_CRYPTO);
    CHECK(b.tls_error[0] != '\0');
    CHECK_STR(b.log, "x");
    close(raw);
    close_stage();
}

static void pause_now(struct end *e, char what)
{
    if (what == 's')
        conn_pause(e->conn);
}

/* The client's Finished and its first bytes share a packet; the owner pauses between them, and no
 * other packet will come. */
TEST(conn, paused_in_secured_it_keeps_what_came_with_the_handshake)
{
    open_pair();
    b.on_event = pause_now;
    conn_write(a.conn, SLICE("x")); /* clear: the handshake is the second thing */
    wait_b(1);
    conn_start_tls(b.conn, tls_server(tls_b, SLICE("b.example"), false));
    conn_start_tls(a.conn, tls_client(tls_a, SLICE("b.example"), SLICE("a.example"), false));
    conn_write(a.conn, SLICE("early"));
    run_until(both_secured);
    conn_write(b.conn, slice_make(lump, 20000)); /* through the same buffers of the loop */
    run_for(30);
    CHECK(a.total > 0);
    CHECK_EQ(b.total, 1);
    conn_resume(b.conn);
    CHECK_EQ(b.total, 1); /* nothing inside the call */
    wait_b(6);
    close_stage();
}

/* A client of TLS on a socket of the system. */
static void raw_send(int raw, struct tls *client)
{
    struct slice out = byteq_slice(tls_output(client));

    CHECK_EQ(write(raw, out.ptr, out.len), (ssize_t)out.len);
    byteq_clear(tls_output(client));
}

static void raw_finish_handshake(int raw, struct tls *client)
{
    char hello[8192];
    ssize_t n;

    run_for(30);
    n = read(raw, hello, sizeof(hello));
    CHECK(n > 0);
    tls_feed(client, slice_make(hello, (size_t)n));
    CHECK_EQ(tls_handshake(client), OK);
    tls_keep(client);
    raw_send(raw, client);
    run_for(30);
    CHECK(b.secured);
}

/* XEP-0368 behind a PROXY header: what was read with the header is TLS already. */
TEST(conn, direct_tls_uses_the_bytes_it_was_adopted_with)
{
    struct tls *client = tls_client(tls_a, SLICE("b.example"), SLICE("a.example"), true);
    int raw;

    open_stage();
    raw = dial_raw();
    CHECK_EQ(tls_handshake(client), ERR_AGAIN);
    adopt_b(byteq_slice(tls_output(client)));
    byteq_clear(tls_output(client));
    conn_start_tls(b.conn, tls_server(tls_b, slice_none(), true));
    raw_finish_handshake(raw, client);
    tls_free(client);
    close(raw);
    close_stage();
}

/* STREAM-19: however we end, the peer reads close_notify before the end of TCP. */
TEST(conn, close_notify_goes_before_fin)
{
    for (int close_at_once = 0; close_at_once < 2; close_at_once++) {
        struct tls *client = tls_client(tls_a, SLICE("b.example"), slice_none(), false);
        char last[256], plain[16];
        ssize_t n;
        size_t m;
        int raw;

        open_stage();
        raw = dial_raw();
        adopt_b(slice_none());
        conn_start_tls(b.conn, tls_server(tls_b, SLICE("b.example"), false));
        CHECK_EQ(tls_handshake(client), ERR_AGAIN);
        raw_send(raw, client);
        raw_finish_handshake(raw, client);
        conn_write(b.conn, SLICE("bye"));
        if (close_at_once)
            conn_close(b.conn);
        else
            conn_finish(b.conn);
        run_for(30);
        n = read(raw, last, sizeof(last));
        CHECK(n > 0);
        tls_feed(client, slice_make(last, (size_t)n));
        CHECK_EQ(tls_read(client, plain, sizeof(plain), &m), OK);
        CHECK_SLICE(slice_make(plain, m), "bye");
        CHECK_EQ(tls_read(client, plain, sizeof(plain), &m), ERR_EOF);
        CHECK_EQ(read(raw, last, sizeof(last)), 0);
        tls_free(client);
        close(raw);
        close_stage();
    }
}

/* --- much ------------------------------------------------------------------------------------ */

#define MUCH_BYTES (100u << 20)
#define MUCH_CHUNK 3000

static struct random rnd;
static uint64_t made;

static char byte_at(uint64_t i)
{
    return (char)(i * 2654435761u >> 13);
}

static void fill(struct end *e)
{
    while (made < MUCH_BYTES && conn_pending(e->conn) <= CONN_HIGH_BYTES) {
        char *p = byteq_reserve(conn_out(e->conn), MUCH_CHUNK);

        for (int i = 0; i < MUCH_CHUNK; i++)
            p[i] = byte_at(made + (uint64_t)i);
        byteq_grow(conn_out(e->conn), MUCH_CHUNK);
        made += MUCH_CHUNK;
        conn_touch(e->conn);
    }
    CHECK(conn_pending(e->conn) <= CONN_HIGH_BYTES + MUCH_CHUNK);
    if (made >= MUCH_BYTES)
        conn_finish(e->conn);
}

static void fill_again(struct end *e, char what)
{
    e->log[0] = '\0';
    if (what == 'D' && made < MUCH_BYTES)
        fill(e);
}

static struct timer resume_timer;

static void resume(struct timer *t)
{
    if (b.conn)
        conn_resume(b.conn);
}

static bool b_paused;

static void check_much(struct end *e, struct slice plain)
{
    uint64_t from = e->total - plain.len;

    CHECK(!b_paused || !timer_running(&resume_timer));
    for (size_t i = 0; i < plain.len; i += 61)
        CHECK_EQ(plain.ptr[i], byte_at(from + i));
    b_paused = random_below(&rnd, 50) == 0;
    if (b_paused) {
        conn_pause(e->conn);
        timer_start(&resume_timer, random_below(&rnd, 3));
    }
}

static bool b_ended(void)
{
    return strchr(b.log, 'e') != NULL;
}

static void push_much(void)
{
    random_init_seeded(&rnd, 3);
    timer_init(&resume_timer, loop, resume);
    made = 0;
    b.count_only = true;
    b.on_data = check_much;
    a.on_event = fill_again;
    fill(&a);
    run_until(b_ended);
    CHECK_EQ(b.total, made);
    run_until(a_acked);
    CHECK_EQ(a.acked, made);
    timer_stop(&resume_timer);
    b_paused = false;
    a.on_event = NULL;
    close_stage();
}

TEST(conn, much_passes_in_clear_with_pauses)
{
    open_pair();
    push_much();
}

TEST(conn, much_passes_through_tls_with_pauses)
{
    open_secure_pair();
    push_much();
}

/* --- pausing --------------------------------------------------------------------------------- */

static void pause_at_first(struct end *e, struct slice plain)
{
    conn_pause(e->conn);
    e->on_data = NULL;
}

TEST(conn, nothing_is_delivered_while_paused_and_all_after)
{
    uint64_t seen;

    open_secure_pair();
    b.on_data = pause_at_first;
    conn_write(a.conn, slice_make(lump, sizeof(lump)));
    run_for(100);
    seen = b.total;
    CHECK(seen > 0 && seen < sizeof(lump));
    run_for(50);
    CHECK_EQ(b.total, seen);
    conn_resume(b.conn);
    CHECK_EQ(b.total, seen); /* nothing inside the call */
    wait_b(sizeof(lump));
    close_stage();
}

/* TLS holds several records' worth of decrypted or fed bytes; no event will bring them. */
TEST(conn, what_tls_held_at_the_pause_comes_without_another_packet)
{
    open_secure_pair();
    conn_pause(b.conn);
    for (int i = 0; i < 20; i++) {
        conn_write(a.conn, slice_make(lump, 200));
        run_for(5); /* a record each */
    }
    b.on_data = pause_at_first;
    conn_resume(b.conn);
    run_for(30);
    conn_resume(b.conn);
    wait_b(4000);
    close_stage();
}

TEST(conn, drain_delivers_though_paused_and_close_waits_for_it)
{
    open_secure_pair();
    conn_pause(b.conn);
    conn_write(a.conn, SLICE("in the kernel"));
    run_for(50);
    CHECK_EQ(b.total, 0);
    conn_drain_input(b.conn, 2);
    run_for(20);
    CHECK_EQ(b.total, 2); /* at most what was asked for */
    conn_drain_input(b.conn, 100000);
    conn_close(b.conn);
    CHECK_EQ(b.total, 2);
    run_until(b_closed);
    CHECK_SLICE(byteq_slice(&b.in), "in the kernel");
    CHECK_EQ(b.why, OK);
    close_stage();
}

static void close_in_data(struct end *e, struct slice plain)
{
    conn_close(e->conn);
}

TEST(conn, closed_inside_data_delivers_no_more)
{
    open_secure_pair();
    conn_pause(b.conn);
    conn_write(a.conn, slice_make(lump, sizeof(lump)));
    run_for(50);
    b.on_data = close_in_data;
    conn_drain_input(b.conn, sizeof(lump));
    run_until(b_closed);
    CHECK(b.total <= 65536); /* one call */
    close_stage();
}

static double cpu_ms(void)
{
    return (double)clock() * 1000 / CLOCKS_PER_SEC;
}

/* Level-triggered readiness: an end of input, or input while paused, must not turn the loop. */
TEST(conn, neither_pause_nor_end_of_input_spins)
{
    double before;

    open_pair();
    conn_pause(b.conn);
    conn_write(a.conn, SLICE("unread"));
    run_for(20);
    before = cpu_ms();
    run_for(400);
    CHECK(cpu_ms() - before < 40);
    conn_resume(b.conn);
    conn_finish(a.conn);
    run_until(b_ended);
    before = cpu_ms();
    run_for(400);
    CHECK(cpu_ms() - before < 40);
    close_stage();
}

/* --- death ----------------------------------------------------------------------------------- */

TEST(conn, refusal_is_told_after_the_call)
{
    open_stage();
    listener_pause(listener, true);
    addr_set_port(&at, 1);
    CHECK_EQ(conn_dial(loop, &at, NULL, &handler, &a, &a.conn), OK);
    CHECK_STR(a.log, "");
    run_until(a_closed);
    CHECK_STR(a.log, "x");
    CHECK_EQ(a.why, ERR_REFUSED);
    close_stage();
}

TEST(conn, reset_withdraws_and_tells_the_peer)
{
    open_pair();
    conn_write(a.conn, SLICE("last"));
    wait_b(4);
    conn_reset(b.conn);
    CHECK_STR(b.log, "");
    run_until(both_closed);
    CHECK_EQ(b.why, OK);
    CHECK_EQ(a.why, ERR_RESET);
    CHECK_STR(a.log, "cx");
    close_stage();
}

/* "When a link dies": a paused reader whose peer reset gets what its kernel held, then `closed`. */
TEST(conn, bytes_of_a_dead_peer_are_delivered_before_closed)
{
    for (int tls = 0; tls < 2; tls++) {
        open_pair();
        if (tls)
            secure(false);
        conn_pause(a.conn);
        conn_write(b.conn, slice_make(lump, 30000)); /* fits into a's kernel */
        run_until(b_acked);
        conn_reset(b.conn);
        run_until(b_closed);
        CHECK_EQ(a.total, 0);
        conn_write(a.conn, SLICE("anybody there?"));
        run_until(a_closed);
        CHECK_EQ(a.total, 30000);
        CHECK_EQ(a.why, ERR_RESET);
        CHECK_EQ(a.last_acked, 0);
        close_stage();
    }
}

/* An unread byte in the kernel would turn the close into RST, and that would take away what our
 * kernel has not delivered yet. */
TEST(conn, last_words_arrive_though_the_peer_still_talks)
{
    static char big[8 << 20];
    uint64_t flushed;

    open_pair();
    conn_pause(a.conn);
    conn_pause(b.conn);
    conn_write(a.conn, slice_make(lump, 60000));
    conn_write(b.conn, slice_make(big, sizeof(big)));
    run_for(100); /* the kernels are full */
    flushed = b.flushed;
    CHECK(flushed > 0 && flushed < sizeof(big));
    conn_close(b.conn);
    run_until(b_closed);
    conn_resume(a.conn);
    run_for(200);
    CHECK(a.total >= flushed);
    CHECK_STR(a.log, "ce");
    close_stage();
}

/* A reset that answers what we wrote last wakes nobody: nothing is read any more. */
TEST(conn, last_words_to_a_process_that_is_gone_are_its_end)
{
    int raw;

    open_stage();
    raw = dial_raw();
    adopt_b(slice_none());
    close(raw);
    run_until(b_ended);
    conn_write(b.conn, SLICE("anybody there?"));
    conn_finish(b.conn);
    run_until(b_closed);
    CHECK_EQ(b.why, ERR_RESET);
    CHECK_EQ(b.last_acked, 0);
    close_stage();
}

/* No write will tell a reader: his own events must, after the bytes. */
TEST(conn, resumed_reader_of_a_dead_peer_gets_all_and_the_end)
{
    open_pair();
    conn_pause(a.conn);
    conn_write(b.conn, slice_make(lump, 30000));
    run_until(b_acked);
    conn_reset(b.conn);
    run_until(b_closed);
    conn_resume(a.conn);
    run_until(a_closed);
    CHECK_EQ(a.total, 30000);
    CHECK_EQ(a.why, ERR_RESET);
    close_stage();
}

static bool a_blocked(void)
{
    return conn_pending(a.conn) > 1000000 && a.flushed > 0;
}

TEST(conn, bytes_the_peer_never_acknowledged_are_not_counted)
{
    static char big[32 << 20];

    open_secure_pair();
    conn_pause(b.conn);
    conn_write(a.conn, slice_make(big, sizeof(big)));
    run_until(a_blocked);
    run_for(50);
    CHECK(a.acked < a.flushed);
    conn_reset(b.conn);
    run_until(both_closed);
    CHECK_EQ(a.why, ERR_RESET);
    CHECK(a.last_acked < a.flushed);
    close_stage();
}

/* --- the right to write ---------------------------------------------------------------------- */

TEST(conn, nothing_is_written_past_the_deadline)
{
    for (int tls = 0; tls < 2; tls++) {
        _Atomic uint64_t deadline;

        open_pair();
        if (tls)
            secure(false);
        atomic_store(&deadline, loop_boot_ms(loop));
        conn_set_deadline(a.conn, &deadline);
        conn_write(a.conn, SLICE("late"));
        conn_finish(a.conn);
        run_for(80);
        CHECK_EQ(b.total, 0);
        CHECK_EQ(a.flushed, 0);
        CHECK(!b_ended());
        atomic_store(&deadline, UINT64_MAX); /* the right is back; nobody touches the conn */
        wait_b(4);
        run_until(b_ended);
        conn_set_deadline(a.conn, NULL);
        close_stage();
    }
}

TEST(conn, discarded_output_never_reaches_the_peer)
{
    static char big[32 << 20];
    uint64_t flushed;

    open_secure_pair();
    conn_pause(b.conn);
    conn_write(a.conn, slice_make(big, sizeof(big)));
    run_until(a_blocked);
    conn_discard_output(a.conn);
    conn_touch(a.conn); /* to no avail */
    flushed = a.flushed;
    conn_resume(b.conn);
    b.count_only = true;
    conn_write(b.conn, SLICE("still read"));
    run_for(200);
    CHECK_SLICE(byteq_slice(&a.in), "still read");
    CHECK_EQ(a.flushed, flushed);
    CHECK_EQ(a.acked, flushed); /* what was written arrives and counts */
    CHECK(b.total >= flushed && b.total < flushed + 16384 + 1);
    conn_reset(a.conn);
    run_until(both_closed);
    close_stage();
}

TEST(conn, discarding_nothing_harms_nothing)
{
    open_secure_pair();
    conn_discard_output(a.conn);
    conn_write(a.conn, SLICE("goes on"));
    wait_b(7);
    close_stage();
}

/* TLS-07: a failed handshake ends in a bare close; the peer hears why by an alert. */
TEST(conn, failed_handshake_sends_its_alert)
{
    struct tls_context *old = context_of("b", true); /* wants 1.3 */
    int raw;
    char answer[64];

    open_stage();
    raw = dial_raw();
    adopt_b(slice_none());
    conn_start_tls(b.conn, tls_server(old, SLICE("b.example"), false));
    send_raw(raw, "\x16\x03\x01\x00\x02\x01\x00"); /* half a ClientHello, then nonsense */
    send_raw(raw, "nonsense");
    run_until(b_closed);
    CHECK_EQ(b.why, ERR_CRYPTO);
    CHECK(read(raw, answer, sizeof(answer)) >= 7);
    CHECK_EQ(answer[0], 0x15); /* an alert record, and then the end */
    CHECK_EQ(read(raw, answer, sizeof(answer)), 0);
    close(raw);
    tls_context_unref(old);
    close_stage();
}

/* --- many ------------------------------------------------------------------------------------ */

#define MANY 60

static struct conn *many[2 * MANY];
static size_t many_count, many_closed;
static uint64_t secured_before, secured_most;
static struct task probe;

static void many_connected(void *arg)
{
    conn_start_tls(*(struct conn **)arg,
                   tls_client(tls_a, SLICE("b.example"), slice_none(), false));
}

static void many_data(void *arg, struct slice plain)
{
}

static void on_many_closed(void *arg, enum err why)
{
    many_closed++;
}

static const struct conn_handler many_handler = {
    .connected = many_connected, .data = many_data, .closed = on_many_closed};

static void accept_many(void *arg, int fd, const struct addr *peer)
{
    struct conn **c = &many[many_count++];

    CHECK_EQ(conn_adopt(loop, fd, peer, slice_none(), &many_handler, c, c), OK);
    conn_start_tls(*c, tls_server(tls_b, slice_none(), false));
}

static uint64_t secured_so_far(void)
{
    return counter_read(&counters, COUNTER_TLS_OK);
}

static void each_turn(struct task *t)
{
    uint64_t in_turn = secured_so_far() - secured_before;

    secured_before += in_turn;
    if (in_turn > secured_most)
        secured_most = in_turn;
    loop_defer(loop, t);
}

static uint64_t secured_goal;

static bool many_secured(void)
{
    return secured_so_far() == secured_goal;
}

static bool many_gone(void)
{
    return many_closed == 2 * MANY;
}

/* A storm of handshakes leaves room in each turn for the streams that are open. */
TEST(conn, handshakes_take_turns)
{
    struct listener *ln;
    struct addr here;

    open_stage();
    here = at;
    addr_set_port(&here, 0);
    CHECK_EQ(listener_open(loop, &here, -1, accept_many, NULL, &ln), OK);
    listener_addr(ln, &here);
    many_count = many_closed = 0;
    secured_most = 0;
    secured_before = secured_so_far();
    secured_goal = secured_before + 2 * MANY;
    for (int i = 0; i < MANY; i++, many_count++)
        CHECK_EQ(conn_dial(loop, &here, NULL, &many_handler, &many[many_count], &many[many_count]),
                 OK);
    task_init(&probe, each_turn);
    loop_defer(loop, &probe);
    run_until(many_secured);
    CHECK(secured_most <= 2 * 8);
    task_cancel(&probe);
    for (size_t i = 0; i < many_count; i++)
        conn_close(many[i]);
    run_until(many_gone);
    listener_close(ln);
    close_stage();
}

/* --- reading on ------------------------------------------------------------------------------ */

static char order[512]; /* who was told of something, one letter a time, '.' after each turn */
static size_t in_turn, most_in_turn;
static bool echoing;

static void note_order(char who)
{
    size_t n = strlen(order);

    if (n + 1 < sizeof(order)) {
        order[n] = who;
        order[n + 1] = '\0';
    }
}

static void end_turn(struct task *t)
{
    if (in_turn > most_in_turn)
        most_in_turn = in_turn;
    if (in_turn > 0)
        note_order('.');
    in_turn = 0;
    loop_defer(loop, t);
}

static void busy_data(struct end *e, struct slice plain)
{
    in_turn += plain.len;
    note_order('b');
    if (echoing) { /* more than the output takes in a turn */
        conn_write(e->conn, plain);
        conn_write(e->conn, plain);
    }
}

static void small_data(struct end *e, struct slice plain)
{
    note_order('s');
}

/* What the kernels take from `fd` while the other end does not read. */
static size_t stuff(int fd)
{
    size_t total = 0;
    ssize_t n;

    while ((n = send(fd, lump, sizeof(lump), MSG_DONTWAIT | MSG_NOSIGNAL)) > 0)
        total += (size_t)n;
    return total;
}

static int open_busy(void)
{
    int bytes = 4 << 20, fd = dial_raw();

    (void)setsockopt(accepted, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes)); /* or less */
    adopt_b(slice_none());
    b.count_only = true;
    b.on_data = busy_data;
    conn_pause(b.conn);
    task_init(&probe, end_turn);
    loop_defer(loop, &probe);
    order[0] = '\0';
    most_in_turn = in_turn = 0;
    return fd;
}

static void close_busy(int fd)
{
    task_cancel(&probe);
    close(fd);
    echoing = false;
    close_stage();
}

/* Else what one source brings for many streams would go out in tiny records. */
TEST(conn, a_full_share_is_followed_by_more_in_the_same_turn_within_bounds)
{
    int fd;

    open_stage();
    fd = open_busy();
    for (int round = 0; round < 20; round++) {
        conn_pause(b.conn);
        run_for(10);
        b_wants = b.total + stuff(fd);
        conn_resume(b.conn);
        run_until(b_has);
    }
    CHECK(most_in_turn > CONN_READ_BYTES);
    CHECK(most_in_turn <= CONN_READ_BYTES + CONN_MORE_BYTES);
    close_busy(fd);
}

TEST(conn, each_has_its_share_before_anybody_has_more)
{
    int fd, other;

    open_stage();
    fd = open_busy();
    accepted = -1;
    other = dial_raw();
    CHECK_EQ(conn_adopt(loop, accepted, &at, slice_none(), &handler, &a, &a.conn), OK);
    a.on_data = small_data;
    for (int round = 0; round < 20; round++) {
        const char *small;

        conn_pause(a.conn);
        conn_pause(b.conn);
        run_for(10);
        b_wants = b.total + stuff(fd);
        send_raw(other, "x");
        order[0] = '\0';
        conn_resume(b.conn);
        conn_resume(a.conn);
        run_until(b_has);
        small = strchr(order, 's');
        CHECK(small && small - order <= 1); /* "bs" or "sb" and then "bb.bbb." */
    }
    close(other);
    close_busy(fd);
}

/* It takes no more in this turn; what would be read could only be queued. */
TEST(conn, nobody_is_read_on_when_an_output_is_full)
{
    int fd;

    open_stage();
    fd = open_busy();
    echoing = true;
    b_wants = stuff(fd);
    conn_resume(b.conn);
    run_until(b_has);
    CHECK(b_wants > 2 * CONN_READ_BYTES);
    CHECK_EQ(strncmp(order, "b.b", 3), 0);
    close_busy(fd);
}

static int begin(void **state)
{
    certfile_begin();
    certfile_make("a", "DNS:a.example", 30);
    certfile_make("b", "DNS:b.example", 30);
    tls_a = context_of("a", false);
    tls_b = context_of("b", false);
    return 0;
}

static int end(void **state)
{
    tls_context_unref(tls_a);
    tls_context_unref(tls_b);
    certfile_end();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_OF(conn, carries_bytes_both_ways_and_ends_by_itself),
        TEST_OF(conn, after_one_end_the_other_still_writes),
        TEST_OF(conn, tls_carries_bytes_and_ends_with_close_notify),
        TEST_OF(conn, starttls_sends_what_was_queued_in_clear_first),
        TEST_OF(conn, clear_bytes_after_starttls_break_the_handshake),
        TEST_OF(conn, paused_in_secured_it_keeps_what_came_with_the_handshake),
        TEST_OF(conn, close_notify_goes_before_fin),
        TEST_OF(conn, direct_tls_uses_the_bytes_it_was_adopted_with),
        TEST_OF(conn, much_passes_in_clear_with_pauses),
        TEST_OF(conn, much_passes_through_tls_with_pauses),
        TEST_OF(conn, nothing_is_delivered_while_paused_and_all_after),
        TEST_OF(conn, what_tls_held_at_the_pause_comes_without_another_packet),
        TEST_OF(conn, drain_delivers_though_paused_and_close_waits_for_it),
        TEST_OF(conn, closed_inside_data_delivers_no_more),
        TEST_OF(conn, neither_pause_nor_end_of_input_spins),
        TEST_OF(conn, refusal_is_told_after_the_call),
        TEST_OF(conn, reset_withdraws_and_tells_the_peer),
        TEST_OF(conn, bytes_of_a_dead_peer_are_delivered_before_closed),
        TEST_OF(conn, resumed_reader_of_a_dead_peer_gets_all_and_the_end),
        TEST_OF(conn, last_words_arrive_though_the_peer_still_talks),
        TEST_OF(conn, last_words_to_a_process_that_is_gone_are_its_end),
        TEST_OF(conn, bytes_the_peer_never_acknowledged_are_not_counted),
        TEST_OF(conn, nothing_is_written_past_the_deadline),
        TEST_OF(conn, discarded_output_never_reaches_the_peer),
        TEST_OF(conn, discarding_nothing_harms_nothing),
        TEST_OF(conn, failed_handshake_sends_its_alert),
        TEST_OF(conn, handshakes_take_turns),
        TEST_OF(conn, a_full_share_is_followed_by_more_in_the_same_turn_within_bounds),
        TEST_OF(conn, each_has_its_share_before_anybody_has_more),
        TEST_OF(conn, nobody_is_read_on_when_an_output_is_full),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, begin, end);
}
