/* The invented kernels: connections are refused, cut, filled and broken as real ones are. */
#include "sim/talk.h"
#include "unit/test.h"

TEST(sock, nobody_listening_refuses)
{
    struct talk t;

    talk_open(&t, 1, "10.0.0.2:5269", "10.0.0.2:5270");
    world_advance(t.pair.w, 100);
    CHECK(t.a.connect_called);
    CHECK_EQ(t.a.connected, ERR_REFUSED);
    talk_close(&t);
}

TEST(sock, address_of_nobody_is_unreachable)
{
    struct talk t;

    talk_open(&t, 1, "10.0.0.2:5269", "10.9.9.9:5269");
    world_advance(t.pair.w, 100);
    CHECK_EQ(t.a.connected, ERR_UNREACHABLE);
    talk_close(&t);
}

TEST(sock, black_hole_times_out)
{
    struct talk t;
    struct addr goal = talk_addr("10.0.0.2:5269");

    talk_open(&t, 1, "10.0.0.2:5269", "10.0.0.2:5269");
    host_drop_port(t.pair.b, 5269, true);
    world_advance(t.pair.w, 29000);
    CHECK(!t.a.connect_called);
    world_advance(t.pair.w, 40000);
    CHECK_EQ(t.a.connected, ERR_TIMEOUT);
    CHECK(world_syns_to(t.pair.w, &goal) > 3);
    talk_close(&t);
}

TEST(sock, no_address_of_that_family_fails_at_once)
{
    struct bed bed;
    struct world *w = world_new(1);
    struct addr goal = talk_addr("[fd00::9]:5269");
    struct sock *s = NULL;
    struct loop *l;

    bed_init(&bed);
    world_host(w, "old", "10.0.0.1");
    l = loop_new(&bed.counters, &bed.sink);
    CHECK_EQ(sock_dial(l, &goal, NULL, &end_handler, NULL, &s), ERR_UNREACHABLE);
    CHECK(!s);
    loop_free(l);
    world_free(w);
    bed_fini(&bed);
}

TEST(listener, of_all_addresses_sees_mapped_peers)
{
    struct talk t;
    struct addr local;
    struct addr peer;

    talk_open(&t, 3, "[::]:5269", "10.0.0.2:5269");
    CHECK(world_run_until(t.pair.w, talk_is_up, &t, 1000));
    sock_addrs(t.b.sock, &local, &peer);
    CHECK_EQ(peer.sa.sa_family, AF_INET6);
    CHECK(IN6_IS_ADDR_V4MAPPED(&peer.v6.sin6_addr));
    sock_addrs(t.a.sock, &local, &peer);
    CHECK_EQ(peer.sa.sa_family, AF_INET);
    talk_close(&t);
}

TEST(listener, without_descriptors_throws_the_newest_away)
{
    struct talk t;

    talk_open(&t, 1, "10.0.0.2:5269", "10.0.0.2:5269");
    host_limit_descriptors(t.pair.b, 1); /* the listener's own */
    world_advance(t.pair.w, 100);
    CHECK(!t.b.sock);
    CHECK_EQ(t.a.connected, OK);
    CHECK_EQ(t.a.broken, ERR_RESET);
    CHECK_EQ(counter_read(&t.pair.bed.counters, COUNTER_REFUSED_DESCRIPTORS), 1);
    talk_close(&t);
}

TEST(sock, who_does_not_read_stops_the_writer)
{
    struct talk t;
    size_t left;

    talk_init(&t, 5);
    world_set_buffers(t.pair.w, 8192, 16384);
    t.b.mute = true;
    talk_dial(&t, "10.0.0.2:5269", "10.0.0.2:5269");
    world_run_until(t.pair.w, talk_is_up, &t, 1000);
    end_fill(&t.a, 100000);
    world_advance(t.pair.w, 5000);
    left = byteq_len(&t.a.out);
    CHECK(left >= 100000 - 8192 - 16384);
    CHECK(left < 100000 - 16384);
    CHECK(sock_unacked(t.a.sock) > 0);
    CHECK(sock_unacked(t.a.sock) <= 8192);
    CHECK_EQ(sock_unread(t.b.sock), 16384);
    t.b.mute = false;
    end_want(&t.b);
    world_advance(t.pair.w, 5000);
    CHECK_EQ(byteq_len(&t.b.in), 100000);
    CHECK_EQ(sock_unacked(t.a.sock), 0);
    talk_close(&t);
}

TEST(sock, window_shut_for_too_long_breaks)
{
    struct talk t;

    talk_start(&t, 6);
    t.b.mute = true;
    end_want(&t.b);
    end_fill(&t.a, 1000000);
    world_advance(t.pair.w, 35000);
    CHECK_EQ(t.a.broken, ERR_TIMEOUT);
    CHECK(sock_unacked(t.a.sock) > 0); /* what was not acknowledged stays so */
    talk_close(&t);
}

TEST(sock, cut_wire_delivers_after_it_is_healed)
{
    struct talk t;

    talk_start(&t, 7);
    world_part(t.pair.w, t.pair.a, t.pair.b, true);
    end_say(&t.a, "late");
    world_advance(t.pair.w, 10000);
    CHECK_EQ(byteq_len(&t.b.in), 0);
    CHECK_EQ(sock_unacked(t.a.sock), 4);
    world_part(t.pair.w, t.pair.a, t.pair.b, false);
    world_advance(t.pair.w, 15000);
    CHECK_SLICE(byteq_slice(&t.b.in), "late");
    CHECK_EQ(sock_unacked(t.a.sock), 0);
    talk_close(&t);
}

TEST(sock, answers_cut_off_leave_bytes_unacknowledged)
{
    struct talk t;

    talk_start(&t, 8);
    world_cut(t.pair.w, t.pair.b, t.pair.a, true);
    end_say(&t.a, "one way");
    world_advance(t.pair.w, 5000);
    CHECK_SLICE(byteq_slice(&t.b.in), "one way");
    CHECK_EQ(sock_unacked(t.a.sock), 7);
    world_advance(t.pair.w, 60000);
    CHECK_EQ(t.a.broken, ERR_TIMEOUT);
    CHECK_EQ(sock_unacked(t.a.sock), 7); /* who knows? */
    talk_close(&t);
}

TEST(sock, lossy_wire_loses_nothing)
{
    struct talk t;

    talk_start(&t, 9);
    world_set_loss(t.pair.w, t.pair.a, t.pair.b, 100);
    world_set_loss(t.pair.w, t.pair.b, t.pair.a, 100);
    end_fill(&t.a, 20000);
    for (int i = 0; i < 60 && byteq_len(&t.b.in) < 20000; i++)
        world_advance(t.pair.w, 10000);
    CHECK_EQ(byteq_len(&t.b.in), 20000);
    talk_close(&t);
}

TEST(sock, half_close_still_receives)
{
    struct talk t;

    talk_start(&t, 10);
    sock_shutdown_write(t.a.sock);
    world_advance(t.pair.w, 100);
    CHECK(t.b.ended);
    end_say(&t.b, "still here");
    world_advance(t.pair.w, 100);
    CHECK_SLICE(byteq_slice(&t.a.in), "still here");
    talk_close(&t);
}

TEST(sock, close_delivers_what_was_written)
{
    struct talk t;

    talk_start(&t, 11);
    end_say(&t.a, "last words");
    world_advance(t.pair.w, 0);
    while (byteq_len(&t.a.out))
        CHECK(world_step(t.pair.w));
    sock_close(t.a.sock, false);
    t.a.sock = NULL;
    world_advance(t.pair.w, 100);
    CHECK_SLICE(byteq_slice(&t.b.in), "last words");
    CHECK(t.b.ended);
    CHECK_EQ(t.b.broken, OK);
    talk_close(&t);
}

TEST(sock, close_with_unread_input_resets)
{
    struct talk t;

    talk_start(&t, 12);
    t.a.mute = true;
    end_want(&t.a);
    end_say(&t.b, "never read");
    world_advance(t.pair.w, 100);
    sock_close(t.a.sock, false);
    t.a.sock = NULL;
    world_advance(t.pair.w, 100);
    CHECK_EQ(t.b.broken, ERR_RESET);
    talk_close(&t);
}

TEST(sock, reset_withdraws_what_was_not_delivered)
{
    struct talk t;

    talk_start(&t, 13);
    t.b.mute = true;
    end_want(&t.b);
    end_fill(&t.a, 1000000);
    world_advance(t.pair.w, 1000);
    sock_close(t.a.sock, true);
    t.a.sock = NULL;
    t.b.mute = false;
    end_want(&t.b);
    world_advance(t.pair.w, 1000);
    CHECK(byteq_len(&t.b.in) < 1000000);
    CHECK_EQ(t.b.broken, ERR_RESET); /* after what had arrived */
    CHECK(byteq_len(&t.b.in) > 0);
    talk_close(&t);
}

TESTS(TEST_OF(sock, nobody_listening_refuses), TEST_OF(sock, address_of_nobody_is_unreachable),
      TEST_OF(sock, black_hole_times_out), TEST_OF(sock, no_address_of_that_family_fails_at_once),
      TEST_OF(listener, of_all_addresses_sees_mapped_peers),
      TEST_OF(listener, without_descriptors_throws_the_newest_away),
      TEST_OF(sock, who_does_not_read_stops_the_writer),
      TEST_OF(sock, window_shut_for_too_long_breaks),
      TEST_OF(sock, cut_wire_delivers_after_it_is_healed),
      TEST_OF(sock, answers_cut_off_leave_bytes_unacknowledged),
      TEST_OF(sock, lossy_wire_loses_nothing), TEST_OF(sock, half_close_still_receives),
      TEST_OF(sock, close_delivers_what_was_written), TEST_OF(sock, close_with_unread_input_resets),
      TEST_OF(sock, reset_withdraws_what_was_not_delivered))
