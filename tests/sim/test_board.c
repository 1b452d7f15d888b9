/* What a node shows of itself in the table (link/board, link/scribe), in whole clusters: exactly
 * what it is and has, whatever happens to it or to the table, and nothing once it is gone. Fixed
 * plays (sim/cluster/scene.h). CLUST-04.
 */
#include "sim/cluster/scene.h"
#include "unit/test.h"

enum { A, B, C };
enum { R0, R1, R2 };

/* A worker tells within half a second, the board's table writes within another. */
#define SHOWN_MS 2500
/* Silence, burial, and what was under way. */
#define BURIED_MS 10000
/* ... and the sweep after it. */
#define SWEPT_MS 15000

static struct scene s;

static void check_shown(size_t house)
{
    const char *wrong = shown_wrong(&s.fleet, scene_house(&s, house));

    CHECK_MSG(!wrong, "%s", wrong);
}

static size_t shown(const char *what, size_t house)
{
    return shown_count(&s.fleet, what, scene_house(&s, house));
}

static void check_nothing(size_t house)
{
    CHECK_EQ(shown("node", house), 0);
    CHECK_EQ(shown("comp", house), 0);
    CHECK_EQ(shown("sess", house), 0);
}

/* Streams that are idle end after 5 s: these are not. */
static void use_all(void)
{
    for (size_t r = R0; r <= R2; r++)
        scene_send(&s, A, r, 1);
    CHECK(scene_settle(&s, 3000));
}

/* Pairs of A to all servers, a stream of each of them, and its component. */
static void begin(uint64_t seed, size_t houses)
{
    scene_open(&s, seed, houses);
    use_all();
    scene_run(&s, SHOWN_MS);
}

TEST(board, every_stream_is_shown_and_goes)
{
    begin(1, 3);
    for (size_t i = A; i <= C; i++)
        check_shown(i);
    CHECK_EQ(shown("sess", A), 4);
    CHECK_EQ(shown("comp", A), 1);
    CHECK_EQ(shown("sess", B), 1);
    use_all();
    party_leave(s.servers[R0], 60000);
    scene_run(&s, SHOWN_MS);
    check_shown(A);
    CHECK_EQ(shown("sess", A), 3);
    scene_trouble(&s, true);
    party_leave(s.components[A], 60000);
    scene_run(&s, SHOWN_MS);
    check_shown(A);
    CHECK_EQ(shown("comp", A), 0);
    party_heal(s.components[A]);
    party_heal(s.servers[R0]);
    scene_run(&s, SHOWN_MS);
    check_shown(A);
    CHECK_EQ(shown("comp", A), 1);
    scene_trouble(&s, false);
    scene_close(&s);
}

TEST(board, what_comes_in_is_shown_too)
{
    begin(1, 2);
    use_all();
    CHECK(!party_write(s.servers[R1], s.components[A], 0)); /* it dials first */
    scene_run(&s, 1000);
    CHECK(party_write(s.servers[R1], s.components[A], 0));
    CHECK(scene_settle(&s, 3000));
    scene_run(&s, SHOWN_MS);
    check_shown(A);
    check_shown(B);
    CHECK_EQ(shown("sess", A) + shown("sess", B), 6);
    scene_close(&s);
}

/* Two instances are two streams, and one row of their domain. */
TEST(board, instances_are_counted)
{
    begin(1, 2);
    party_double(s.components[A]);
    use_all();
    scene_run(&s, SHOWN_MS);
    check_shown(A);
    CHECK_EQ(shown("sess", A), 5);
    CHECK_EQ(shown("comp", A), 1);
    scene_close(&s);
}

/* kill -9: its rows go with its burial, those of its idle pairs some time later. */
TEST(board, what_a_dead_node_showed_is_gone_after_its_burial)
{
    begin(1, 3);
    scene_trouble(&s, true);
    scene_kill(&s, A, 120000);
    scene_run(&s, 2000);
    CHECK_EQ(shown("sess", A), 4);
    scene_run(&s, BURIED_MS);
    check_nothing(A);
    CHECK_EQ(shown_ownerless(&s.fleet), 3);
    scene_run(&s, SWEPT_MS);
    CHECK_EQ(shown_ownerless(&s.fleet), 0);
    check_shown(B);
    check_shown(C);
    scene_trouble(&s, false);
    scene_close(&s);
}

/* Nobody buries it: it is its own successor. */
TEST(board, who_is_back_at_once_sweeps_behind_itself)
{
    begin(1, 2);
    scene_trouble(&s, true);
    scene_kill(&s, A, 1000);
    scene_run(&s, 6000);
    CHECK_EQ(shown_ownerless(&s.fleet), 3);
    check_shown(A);
    CHECK_EQ(shown("sess", A), 1);
    scene_run(&s, SWEPT_MS);
    CHECK_EQ(shown_ownerless(&s.fleet), 0);
    scene_trouble(&s, false);
    scene_close(&s);
}

/* Redis stands still in the middle of the sweep: it is made again. */
TEST(board, a_sweep_that_is_lost_is_made_again)
{
    unsigned pages;

    begin(1, 3);
    scene_trouble(&s, true);
    scene_kill(&s, A, 120000);
    scene_run(&s, BURIED_MS);
    pages = redisserver_asked(s.fleet.redis, "SCAN");
    redisserver_habit(s.fleet.redis)->delay_ms = 100;
    for (unsigned ms = 0; redisserver_asked(s.fleet.redis, "SCAN") == pages; ms += 20) {
        CHECK(ms < SWEPT_MS);
        scene_run(&s, 20);
    }
    redisserver_habit(s.fleet.redis)->silent = true;
    scene_run(&s, 8000);
    redisserver_habit(s.fleet.redis)->silent = false;
    redisserver_habit(s.fleet.redis)->delay_ms = 0;
    scene_run(&s, 5000);
    CHECK_EQ(shown_ownerless(&s.fleet), 3);
    scene_run(&s, 40000);
    CHECK_EQ(shown_ownerless(&s.fleet), 0);
    check_shown(B);
    scene_trouble(&s, false);
    scene_close(&s);
}

TEST(board, rows_return_to_an_empty_table)
{
    begin(1, 3);
    scene_trouble(&s, true);
    redisserver_restart(s.fleet.redis, true);
    CHECK_EQ(shown("sess", A), 0);
    scene_run(&s, 2000);
    use_all();
    scene_run(&s, SHOWN_MS);
    for (size_t i = A; i <= C; i++)
        check_shown(i);
    CHECK_EQ(shown("sess", A), 4);
    scene_trouble(&s, false);
    scene_close(&s);
}

/* What opened and what ended meanwhile. */
TEST(board, an_outage_ends_with_what_is_there)
{
    begin(1, 3);
    scene_trouble(&s, true);
    redisserver_stop(s.fleet.redis);
    scene_run(&s, 2000);
    party_leave(s.servers[R0], 200000);
    party_crash(s.components[B], 3000);
    scene_run(&s, 10000);
    redisserver_restart(s.fleet.redis, false);
    scene_run(&s, 3000 + SHOWN_MS);
    for (size_t i = A; i <= C; i++)
        check_shown(i);
    party_heal(s.servers[R0]);
    scene_trouble(&s, false);
    scene_close(&s);
}

TEST(board, who_drains_leaves_nothing)
{
    begin(1, 2);
    scene_trouble(&s, true);
    scene_drain(&s, A, 60000);
    scene_run(&s, SHOWN_MS);
    CHECK(scene_gone(&s, A) || shown("node", A) > 0);
    scene_run(&s, 15000);
    CHECK(scene_gone(&s, A));
    check_nothing(A);
    CHECK_EQ(shown_ownerless(&s.fleet), 0);
    check_shown(B);
    scene_trouble(&s, false);
    scene_close(&s);
}

TESTS(TEST_OF(board, every_stream_is_shown_and_goes), TEST_OF(board, what_comes_in_is_shown_too),
      TEST_OF(board, instances_are_counted),
      TEST_OF(board, what_a_dead_node_showed_is_gone_after_its_burial),
      TEST_OF(board, who_is_back_at_once_sweeps_behind_itself),
      TEST_OF(board, a_sweep_that_is_lost_is_made_again),
      TEST_OF(board, rows_return_to_an_empty_table),
      TEST_OF(board, an_outage_ends_with_what_is_there), TEST_OF(board, who_drains_leaves_nothing))
