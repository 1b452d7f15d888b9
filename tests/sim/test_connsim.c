/* loop/conn over invented sockets: the part that both loops share, at places a real network
 * seldom shows - every byte border, windows shut, acknowledgements lost. */
#include "sim/bed.h"
#include "sim/certs.h"
#include "sim/peer.h"
#include "unit/test.h"

#include "base/mem.h"
#include "loop/conn.h"

struct rig {
    struct bed bed;
    struct world *w;
    struct host *node;
    struct host *far;
    struct loop *loop;
    struct peer_port *port;
    struct peer *peer;
    struct conn *conn; /* NULL after `closed` */
    struct byteq in;
    bool connected;
    bool secured;
    bool ended;
    unsigned drained_count;
    uint64_t flushed;
    uint64_t acked;
    enum err why;
};

static void on_connected(void *arg)
{
    ((struct rig *)arg)->connected = true;
}

static void on_secured(void *arg)
{
    ((struct rig *)arg)->secured = true;
}

static void on_data(void *arg, struct slice plain)
{
    byteq_append(&((struct rig *)arg)->in, plain);
}

static void on_flushed(void *arg, uint64_t plain)
{
    struct rig *r = arg;

    CHECK(plain > r->flushed && plain >= r->acked);
    r->flushed = plain;
}

static void on_acked(void *arg, uint64_t plain)
{
    struct rig *r = arg;

    CHECK(plain > r->acked && plain <= r->flushed);
    r->acked = plain;
}

static void on_drained(void *arg)
{
    ((struct rig *)arg)->drained_count++;
}

static void on_ended(void *arg)
{
    ((struct rig *)arg)->ended = true;
}

static void on_closed(void *arg, enum err why)
{
    struct rig *r = arg;

    r->conn = NULL;
    r->why = why;
}

static const struct conn_handler handler = {on_connected, on_secured, on_data,  on_flushed,
                                            on_acked,     on_drained, on_ended, on_closed};

static bool is_connected(void *arg)
{
    return ((struct rig *)arg)->connected;
}

static void rig_open(struct rig *r, uint64_t seed, size_t buffers)
{
    struct addr to;

    memset(r, 0, sizeof(*r));
    bed_init(&r->bed);
    r->w = world_new(seed);
    world_set_buffers(r->w, buffers, buffers);
    r->node = world_host(r->w, "node", "10.0.0.1");
    r->far = world_host(r->w, "far", "10.0.0.9");
    r->loop = loop_new(&r->bed.counters, &r->bed.sink);
    r->port = peer_listen(r->far, "port", "10.0.0.9:5269");
    CHECK_EQ(addr_parse(SLICE("10.0.0.9:5269"), 0, &to), OK);
    CHECK_EQ(conn_dial(r->loop, &to, NULL, &handler, r, &r->conn), OK);
    r->peer = peer_accept(r->port, "peer", 1000);
    CHECK(r->peer);
    CHECK(world_run_until(r->w, is_connected, r, 1000));
}

static void rig_close(struct rig *r)
{
    if (r->conn)
        conn_close(r->conn);
    world_advance(r->w, 100);
    CHECK(!r->conn);
    loop_free(r->loop);
    world_free(r->w);
    byteq_fini(&r->in);
    bed_fini(&r->bed);
}

TEST(conn, clear_bytes_go_both_ways)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct rig r;

        rig_open(&r, seed, 0);
        conn_write(r.conn, SLICE("<stream:stream "));
        conn_write(r.conn, SLICE("to='far.example'>"));
        CHECK(peer_expect(r.peer, "<stream:stream to='far.example'>", 1000));
        peer_say(r.peer, "<stream:features/>");
        world_advance(r.w, 1000);
        CHECK_SLICE(byteq_slice(&r.in), "<stream:features/>");
        CHECK_EQ(r.acked, 32);
        rig_close(&r);
    }
}

static void write_block(struct conn *c, size_t n)
{
    char *block = mem_zalloc(n);

    memset(block, 'x', n);
    conn_write(c, slice_make(block, n));
    mem_free(block);
}

TEST(conn, who_does_not_read_is_felt_and_drained_is_told)
{
    struct rig r;

    rig_open(&r, 3, 16384);
    peer_stop_reading(r.peer, true);
    write_block(r.conn, 200000);
    world_advance(r.w, 5000);
    CHECK(conn_pending(r.conn) > CONN_HIGH_BYTES);
    CHECK_EQ(r.drained_count, 0);
    CHECK_EQ(r.acked, 16384);
    CHECK_EQ(r.flushed, 2 * 16384);
    peer_stop_reading(r.peer, false);
    world_advance(r.w, 20000);
    CHECK_EQ(r.drained_count, 1);
    CHECK_EQ(r.acked, 200000);
    CHECK_EQ(peer_input(r.peer).len, 200000);
    rig_close(&r);
}

TEST(conn, lost_acknowledgements_leave_bytes_in_doubt)
{
    struct rig r;

    rig_open(&r, 4, 0);
    world_cut(r.w, r.far, r.node, true);
    conn_write(r.conn, SLICE("did it arrive?"));
    world_advance(r.w, 5000);
    CHECK_SLICE(peer_input(r.peer), "did it arrive?");
    CHECK_EQ(r.flushed, 14);
    CHECK_EQ(r.acked, 0);
    world_advance(r.w, 60000);
    CHECK(!r.conn);
    CHECK_EQ(r.why, ERR_TIMEOUT);
    CHECK_EQ(r.acked, 0);
    rig_close(&r);
}

static struct tls_context *context(struct rig *r, struct certs *certs)
{
    static const char *const chain[] = {"tests/out/conn/node.pem"};
    static const char *const key[] = {"tests/out/conn/node.key"};
    struct tls_context_options o = {chain, key, 1, "tests/out/conn/ca.pem", false, true, false};
    struct tls_context *c = NULL;
    char error[256];

    CHECK(certs_make(certs, "node", "dns=node.example"));
    CHECK(certs_make(certs, "far", "dns=far.example"));
    CHECK_MSG(tls_context_new(&o, error, sizeof(error), &c) == OK, "%s", error);
    return c;
}

static void secure(struct rig *r)
{
    struct certs *certs = certs_new(bed_dir("conn"));
    struct tls_context *c = context(r, certs);
    struct peertls_options o = {.server = true,
                                .chain_file = "tests/out/conn/far.pem",
                                .key_file = "tests/out/conn/far.key"};

    conn_start_tls(r->conn, tls_client(c, SLICE("far.example"), SLICE("node.example"), false));
    CHECK_EQ(peer_tls(r->peer, &o, 5000), OK);
    world_advance(r->w, 1000);
    CHECK(r->secured);
    tls_context_unref(c);
    certs_free(certs);
}

/* TLS-08: we show ours; TLS-10: SNI with STARTTLS too. */
TEST(conn, tls_over_every_border)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig r;

        rig_open(&r, seed, 0);
        secure(&r);
        CHECK_STR(peertls_fact(peer_session(r.peer), "sni"), "far.example");
        CHECK_STR(peertls_fact(peer_session(r.peer), "peer"), "dns:node.example");
        write_block(r.conn, 50000);
        peer_say(r.peer, "<proceed/>");
        world_advance(r.w, 20000);
        CHECK_EQ(peer_input(r.peer).len, 50000);
        CHECK_SLICE(byteq_slice(&r.in), "<proceed/>");
        CHECK_EQ(r.acked, 50000);
        conn_finish(r.conn);
        world_advance(r.w, 1000);
        CHECK(peer_was_notified(r.peer));
        CHECK(peer_has_ended(r.peer));
        peer_finish(r.peer);
        world_advance(r.w, 1000);
        CHECK(!r.conn); /* both ended: closed by itself */
        CHECK_EQ(r.why, OK);
        rig_close(&r);
    }
}

/* Lines of 300 bytes, a flush each, until neither kernel takes any more; then a reset. */
static void check_what_is_known(struct rig *r)
{
    peer_stop_reading(r->peer, true);
    for (int i = 0; i < 120; i++) {
        write_block(r->conn, 300);
        world_advance(r->w, 2);
    }
    world_advance(r->w, 5000);
    CHECK(r->acked >= 14000 && r->acked < r->flushed);
    conn_reset(r->conn);
    world_advance(r->w, 1000);
    peer_stop_reading(r->peer, false);
    world_advance(r->w, 1000);
    CHECK_EQ(peer_input(r->peer).len, r->acked);
}

/* What a peer that froze can still read when it wakes is what counts as arrived: in clear to the
 * byte, with TLS to the record, however many there are. */
TEST(conn, what_a_frozen_peer_has_is_known_exactly)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct rig r;

        rig_open(&r, seed, 16384);
        check_what_is_known(&r);
        rig_close(&r);
        rig_open(&r, seed, 16384);
        secure(&r);
        check_what_is_known(&r);
        rig_close(&r);
    }
}

/* The kernel counts a FIN as one byte more: it is none of ours. */
TEST(conn, a_fin_that_is_not_acknowledged_hides_nothing)
{
    struct rig r;

    rig_open(&r, 5, 0);
    world_set_latency(r.w, r.node, r.far, 50000, 50000);
    world_set_latency(r.w, r.far, r.node, 50000, 50000);
    conn_write(r.conn, SLICE("<message/>"));
    world_advance(r.w, 90);
    CHECK_EQ(r.acked, 0);
    conn_finish(r.conn);
    world_advance(r.w, 35);
    world_cut(r.w, r.far, r.node, true);
    world_advance(r.w, 100);
    CHECK_EQ(r.acked, 10);
    rig_close(&r);
}

/* RFC 6120 4.4: what came before a reset is still ours. */
TEST(conn, last_words_before_a_reset_are_delivered)
{
    for (uint64_t seed = 1; seed <= 50; seed++) {
        struct rig r;

        rig_open(&r, seed, 0);
        conn_pause(r.conn);
        peer_say(r.peer, "<message/>");
        world_advance(r.w, 1000);
        peer_reset(r.peer);
        world_advance(r.w, 1000);
        conn_resume(r.conn);
        world_advance(r.w, 1000);
        CHECK_SLICE(byteq_slice(&r.in), "<message/>");
        CHECK(!r.conn);
        CHECK_EQ(r.why, ERR_RESET);
        rig_close(&r);
    }
}

TESTS(TEST_OF(conn, clear_bytes_go_both_ways),
      TEST_OF(conn, who_does_not_read_is_felt_and_drained_is_told),
      TEST_OF(conn, lost_acknowledgements_leave_bytes_in_doubt),
      TEST_OF(conn, tls_over_every_border), TEST_OF(conn, what_a_frozen_peer_has_is_known_exactly),
      TEST_OF(conn, a_fin_that_is_not_acknowledged_hides_nothing),
      TEST_OF(conn, last_words_before_a_reset_are_delivered))
