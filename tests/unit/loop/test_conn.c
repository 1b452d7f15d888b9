/* loop/conn: bytes both ways, pauses, drains, ends. */
#include "unit/loop/connbed.h"
#include "unit/loop/sleeps.h"

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

/* So many times did the loop turn; the clock of run_for makes it turn 80 times. One that spins
 * does so thousands of times. */
static uint64_t turns_in_400_ms(void)
{
    uint64_t before = sleeps.polls;

    run_for(400);
    return sleeps.polls - before;
}

/* Level-triggered readiness: an end of input, or input while paused, must not turn the loop. */
TEST(conn, neither_pause_nor_end_of_input_spins)
{
    open_pair();
    conn_pause(b.conn);
    conn_write(a.conn, SLICE("unread"));
    run_for(20);
    CHECK(turns_in_400_ms() < 300);
    conn_resume(b.conn);
    conn_finish(a.conn);
    run_until(b_ended);
    CHECK(turns_in_400_ms() < 300);
    close_stage();
}

CONN_TESTS(TEST_OF(conn, carries_bytes_both_ways_and_ends_by_itself),
           TEST_OF(conn, after_one_end_the_other_still_writes),
           TEST_OF(conn, tls_carries_bytes_and_ends_with_close_notify),
           TEST_OF(conn, much_passes_in_clear_with_pauses),
           TEST_OF(conn, much_passes_through_tls_with_pauses),
           TEST_OF(conn, nothing_is_delivered_while_paused_and_all_after),
           TEST_OF(conn, what_tls_held_at_the_pause_comes_without_another_packet),
           TEST_OF(conn, drain_delivers_though_paused_and_close_waits_for_it),
           TEST_OF(conn, closed_inside_data_delivers_no_more),
           TEST_OF(conn, neither_pause_nor_end_of_input_spins))
