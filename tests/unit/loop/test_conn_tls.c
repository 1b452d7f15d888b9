/* loop/conn with TLS: STARTTLS, Direct TLS, what goes before and after a handshake. */
#include "unit/loop/connbed.h"

#include <unistd.h>

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

CONN_TESTS(TEST_OF(conn, starttls_sends_what_was_queued_in_clear_first),
           TEST_OF(conn, clear_bytes_after_starttls_break_the_handshake),
           TEST_OF(conn, paused_in_secured_it_keeps_what_came_with_the_handshake),
           TEST_OF(conn, close_notify_goes_before_fin),
           TEST_OF(conn, direct_tls_uses_the_bytes_it_was_adopted_with),
           TEST_OF(conn, failed_handshake_sends_its_alert))
