/* A pair changes owners: what each of its ways keeps, whatever dies in the middle. Fixed plays of
 * whole clusters (sim/cluster/scene.h); after every event at most one node may write for a pair and
 * none writes what is another's. CLUST-01 to CLUST-05. SCENE_LOUD=1 tells what happened.
 */
#include "sim/cluster/scene.h"
#include "unit/test.h"

#include <stdlib.h>

enum { A, B, C, D };
enum { R0, R1, R2 };

#ifdef __SANITIZE_ADDRESS__
#define PACE 3 /* the build without sanitizers looks closer */
#else
#define PACE 20
#endif

static struct scene s;

/* The pair of r0 is A's, its link is open. */
static void begin(uint64_t seed, size_t houses)
{
    scene_open(&s, seed, houses);
    scene_send(&s, A, R0, 1);
    CHECK(scene_settle(&s, 3000));
    CHECK(scene_owned(&s, R0, A, 0));
}

/* --- one pair, several nodes --- */

TEST(succession, two_nodes_claim_one_pair)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        scene_open(&s, seed, 2);
        for (unsigned i = 0; i < 20; i++) {
            scene_send(&s, A, R0, 2);
            scene_send(&s, B, R0, 2);
            scene_run(&s, 1);
        }
        CHECK(scene_settle(&s, 3000));
        CHECK_EQ(scene_delivered(&s, A) + scene_delivered(&s, B), 80);
        CHECK_EQ(s.fleet.land.ledger.repeats, 0);
        scene_close(&s);
    }
}

TEST(succession, a_claim_while_the_owner_drains)
{
    for (uint64_t at = 0; at <= 2000; at += 100) {
        begin(1 + at, 3);
        scene_drain(&s, A, 5000);
        scene_run(&s, at);
        for (unsigned i = 0; i < 10; i++) {
            scene_send(&s, B, R0, 3);
            scene_send(&s, C, R0, 3);
            scene_run(&s, 20);
        }
        CHECK(scene_settle(&s, 10000));
        CHECK_EQ(scene_delivered(&s, B) + scene_delivered(&s, C), 60);
        CHECK_EQ(s.fleet.land.ledger.repeats, 0);
        scene_close(&s);
    }
}

/* --- an owner that is away --- */

/* 12 s are longer than a right and a watch: it is buried, and its pair taken. */
TEST(succession, an_owner_that_slept_writes_no_more)
{
    for (unsigned way = 0; way < 2; way++) {
        struct host *a;

        begin(1, 3);
        a = scene_house(&s, A)->host;
        scene_trouble(&s, true);
        scene_send(&s, A, R0, 20);
        scene_send(&s, B, R0, 20);
        scene_step(&s, 60); /* some of it is on its way */
        if (way)
            host_suspend(a, true);
        else
            host_pause(a, true);
        scene_house(&s, A)->stopped = true;
        scene_send(&s, C, R0, 20);
        scene_run(&s, 12000);
        CHECK(scene_writer(&s, R0) != scene_house(&s, A));
        CHECK_EQ(scene_delivered(&s, B) + scene_delivered(&s, C), 40);
        scene_house(&s, A)->stopped = false;
        if (way)
            host_suspend(a, false);
        else
            host_pause(a, false);
        CHECK(scene_settle(&s, 10000));
        CHECK_EQ(scene_delivered(&s, A), 21);
        scene_trouble(&s, false);
        scene_close(&s);
    }
}

static void begin_far_apart(void)
{
    struct host *a;
    struct host *b;

    begin(1, 2);
    a = scene_house(&s, A)->host;
    b = scene_house(&s, B)->host;
    world_set_latency(s.w, a, b, 200000, 400000);
    world_set_latency(s.w, b, a, 200000, 400000);
    scene_send(&s, B, R0, 1);
    CHECK(scene_settle(&s, 5000));
}

/* How long until A lets go of the idle pair. */
static uint64_t released_after_ms(void)
{
    uint64_t ms = 0;

    begin_far_apart();
    for (; scene_writer(&s, R0); ms += 20) {
        CHECK(ms < 120000);
        scene_run(&s, 20);
    }
    scene_close(&s);
    return ms;
}

/* B's lane leads to A, who lets go of the pair while a stanza is on its way: the same play again,
 * and something to send. */
TEST(succession, a_frame_in_flight_to_an_owner_that_released)
{
    uint64_t ms = released_after_ms();

    for (uint64_t before = 0; before <= 800; before += 40) {
        begin_far_apart();
        scene_run(&s, ms - before);
        CHECK(scene_writer(&s, R0) == (before ? scene_house(&s, A) : NULL));
        scene_send(&s, B, R0, 3);
        CHECK(scene_settle(&s, 8000));
        CHECK_EQ(scene_delivered(&s, B), 4);
        CHECK_EQ(s.fleet.land.ledger.repeats, 0);
        scene_close(&s);
    }
}

/* Nothing of what A wrote is acknowledged when it dies. Whoever takes over sends it again; the dead
 * one's kernel delivers it, too, once the wire is well. */
TEST(succession, what_a_dead_owner_had_is_sent_again)
{
    for (unsigned late = 0; late < 2; late++) {
        struct host *a;

        begin(1, 3);
        a = scene_house(&s, A)->host;
        scene_trouble(&s, true);
        world_cut(s.w, a, s.servers[R0]->host, true);
        scene_send(&s, B, R0, 50);
        scene_send(&s, C, R0, 50);
        scene_run(&s, 300);
        scene_kill(&s, A, 60000);
        if (!late)
            world_cut(s.w, a, s.servers[R0]->host, false);
        scene_run(&s, 12000);
        CHECK_EQ(scene_delivered(&s, B) + scene_delivered(&s, C), 100);
        world_cut(s.w, a, s.servers[R0]->host, false);
        scene_run(&s, 20000);
        CHECK(s.fleet.land.ledger.repeats > 0); /* as much as A had credit for */
        scene_trouble(&s, false);
        scene_close(&s);
    }
}

/* --- hand-over --- */

/* So many events after the beginning of the drain one of the two dies. C's stanzas all arrive. */
static bool hand_over_and_kill(unsigned events, size_t killed)
{
    bool over;

    begin(events, 3);
    scene_trouble(&s, true);
    scene_send(&s, C, R0, 10);
    scene_step(&s, 20);
    scene_drain(&s, A, 60000);
    scene_step(&s, events);
    over = scene_writer(&s, R0) && scene_writer(&s, R0) != scene_house(&s, A);
    scene_send(&s, C, R0, 10);
    scene_kill(&s, killed, 30000);
    CHECK_MSG(scene_settle(&s, 40000), "killed after %u events: %u of %u arrived", events,
              scene_delivered(&s, C), scene_sent(&s, C));
    CHECK_EQ(scene_delivered(&s, C), 20);
    scene_trouble(&s, false);
    scene_close(&s);
    return over;
}

static void kill_at_each_point(size_t killed)
{
    bool over = false;

    for (unsigned events = 1; !over; events += getenv("FEDROUTER_LONG") ? 1 : 1 + events / PACE) {
        CHECK(events < 5000);
        over = hand_over_and_kill(events, killed);
    }
}

TEST(succession, the_giver_dies_at_each_point_of_a_hand_over)
{
    kill_at_each_point(A);
}

TEST(succession, the_taker_dies_at_each_point_of_a_hand_over)
{
    kill_at_each_point(B);
}

/* A waits for acknowledgements when the peer resets the link, and B, whom the pair is offered to,
 * does not answer: the wait is over while there is no link any more. */
TEST(succession, a_link_ends_before_the_wait_for_its_acknowledgements)
{
    struct host *a;
    struct host *b;

    begin(1, 2);
    a = scene_house(&s, A)->host;
    b = scene_house(&s, B)->host;
    scene_trouble(&s, true);
    world_cut(s.w, a, s.servers[R0]->host, true);
    scene_send(&s, A, R0, 5);
    scene_run(&s, 100);
    scene_drain(&s, A, 60000);
    scene_run(&s, 500);
    host_pause(b, true);
    party_crash(s.servers[R0], 100);
    world_cut(s.w, a, s.servers[R0]->host, false);
    scene_run(&s, 4000);
    host_pause(b, false);
    CHECK(scene_settle(&s, 15000));
    scene_run(&s, 5000);
    CHECK(scene_gone(&s, A));
    scene_trouble(&s, false);
    scene_close(&s);
}

static void set_apart(bool apart)
{
    struct host *a = scene_house(&s, A)->host;

    world_part(s.w, a, scene_house(&s, B)->host, apart);
    world_part(s.w, a, s.fleet.redis_host, apart);
}

/* Its steward is buried, comes back as another incarnation and has a right again: the worker, which
 * heard nothing of all that, does not take that right for the one it had. */
TEST(succession, a_worker_that_hung_writes_nothing_it_had)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        struct loop *worker;

        begin(seed, 2);
        scene_trouble(&s, true);
        worker = s.fleet.crews[A].sites[0]->loop;
        world_pause_loop(worker, true);
        scene_house(&s, A)->stopped = true;
        scene_send(&s, A, R0, 20);
        set_apart(true);
        scene_run(&s, 9000);
        scene_send(&s, B, R0, 20);
        CHECK(scene_owned(&s, R0, B, 3000));
        set_apart(false);
        scene_run(&s, 6000);
        world_pause_loop(worker, false);
        scene_house(&s, A)->stopped = false;
        CHECK(scene_settle(&s, 10000));
        CHECK_EQ(scene_delivered(&s, A) + scene_delivered(&s, B), 41);
        scene_trouble(&s, false);
        scene_close(&s);
    }
}

/* --- the table --- */

/* Its first renewal joins, which is told to all at once, itself too, long before the answer comes.
 */
TEST(succession, a_newcomer_of_a_slow_table_does_not_ask_in_a_circle)
{
    unsigned asked;

    begin(1, 3);
    scene_trouble(&s, true);
    scene_kill(&s, C, 0);
    redisserver_habit(s.fleet.redis)->delay_ms = 2000;
    asked = redisserver_asked(s.fleet.redis, "EVALSHA");
    scene_run(&s, 5000);
    asked = redisserver_asked(s.fleet.redis, "EVALSHA") - asked;
    CHECK_MSG(asked < 60, "asked %u times in 5 s", asked);
    redisserver_habit(s.fleet.redis)->delay_ms = 0;
    scene_run(&s, 5000);
    scene_send(&s, C, R0, 1);
    CHECK(scene_settle(&s, 5000));
    scene_trouble(&s, false);
    scene_close(&s);
}

/* --- all of them --- */

TEST(succession, all_are_killed_and_come_back)
{
    begin(1, 3);
    scene_trouble(&s, true);
    scene_send(&s, B, R0, 5);
    scene_run(&s, 1000);
    for (size_t i = A; i <= C; i++)
        scene_kill(&s, i, 1000);
    scene_run(&s, 4000);
    for (size_t i = A; i <= C; i++)
        scene_send(&s, i, R0, 10);
    CHECK(scene_settle(&s, 5000));
    CHECK_EQ(scene_delivered(&s, C), 10);
    scene_trouble(&s, false);
    scene_close(&s);
}

TEST(succession, two_drain_together)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(seed, 3);
        scene_send(&s, B, R1, 1);
        scene_run(&s, 500);
        scene_send(&s, A, R1, 10);
        scene_send(&s, B, R0, 10);
        scene_drain(&s, A, 60000);
        scene_drain(&s, B, 60000);
        for (unsigned i = 0; i < 30; i++) {
            scene_send(&s, C, R0, 2);
            scene_send(&s, C, R1, 2);
            scene_run(&s, 100);
        }
        CHECK(scene_settle(&s, 10000));
        CHECK_EQ(scene_delivered(&s, C), 120);
        CHECK_EQ(scene_delivered(&s, A) + scene_delivered(&s, B), 22);
        CHECK_EQ(s.fleet.land.ledger.repeats, 0);
        CHECK(scene_gone(&s, A) && scene_gone(&s, B));
        scene_close(&s);
    }
}

TEST(succession, all_drain_at_once)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        begin(seed, 3);
        for (size_t i = A; i <= C; i++)
            scene_send(&s, i, i, 20);
        scene_step(&s, 40);
        for (size_t i = A; i <= C; i++)
            scene_drain(&s, i, 60000);
        CHECK(scene_settle(&s, 10000));
        CHECK_EQ(scene_delivered(&s, A) + scene_delivered(&s, B) + scene_delivered(&s, C), 61);
        CHECK_EQ(s.fleet.land.ledger.repeats, 0);
        scene_close(&s);
    }
}

TESTS(TEST_OF(succession, two_nodes_claim_one_pair),
      TEST_OF(succession, a_claim_while_the_owner_drains),
      TEST_OF(succession, an_owner_that_slept_writes_no_more),
      TEST_OF(succession, a_frame_in_flight_to_an_owner_that_released),
      TEST_OF(succession, what_a_dead_owner_had_is_sent_again),
      TEST_OF(succession, the_giver_dies_at_each_point_of_a_hand_over),
      TEST_OF(succession, the_taker_dies_at_each_point_of_a_hand_over),
      TEST_OF(succession, a_link_ends_before_the_wait_for_its_acknowledgements),
      TEST_OF(succession, a_worker_that_hung_writes_nothing_it_had),
      TEST_OF(succession, a_newcomer_of_a_slow_table_does_not_ask_in_a_circle),
      TEST_OF(succession, all_are_killed_and_come_back), TEST_OF(succession, two_drain_together),
      TEST_OF(succession, all_drain_at_once))
