/* loop/conn: peers that die or stand still, and a right to write that ends. */
#include "unit/loop/connbed.h"

#include <unistd.h>

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

CONN_TESTS(TEST_OF(conn, refusal_is_told_after_the_call),
           TEST_OF(conn, reset_withdraws_and_tells_the_peer),
           TEST_OF(conn, bytes_of_a_dead_peer_are_delivered_before_closed),
           TEST_OF(conn, resumed_reader_of_a_dead_peer_gets_all_and_the_end),
           TEST_OF(conn, last_words_arrive_though_the_peer_still_talks),
           TEST_OF(conn, last_words_to_a_process_that_is_gone_are_its_end),
           TEST_OF(conn, bytes_the_peer_never_acknowledged_are_not_counted),
           TEST_OF(conn, nothing_is_written_past_the_deadline))
