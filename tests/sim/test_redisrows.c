/* session/redisrows behind the store: what a node shows of itself for people, gathered, written in
 * bundles, and put back whatever became of it. CLUST-04. */
#include "session/store_redis_inner.h"
#include "sim/redisrig.h"
#include "unit/test.h"

#define FULL "-OOM command not allowed when used memory > 'maxmemory'.\r\n"

static struct slice field(struct rig *r, const char *key, const char *name)
{
    return keyspace_field(redisserver_keys(r->redis), key, name);
}

static void write_field(struct rig *r, const char *key, const char *name, const char *text)
{
    struct slice words[] = {SLICE("HSET"), slice_from(key), slice_from(name), slice_from(text)};
    struct reply reply;

    keyspace_call(redisserver_keys(r->redis), words, COUNT(words), &reply);
    reply_fini(&reply);
}

static void put_stream(struct rig *r, int i, struct slice text)
{
    char id[32];

    snprintf(id, sizeof(id), "s%d", i);
    store_put(r->s, STORE_SESSIONS, slice_from(id), text);
}

static bool has_stream(struct rig *r, int i)
{
    char id[32];

    snprintf(id, sizeof(id), "s%d", i);
    return field(r, "{fr}:sess:a", id).len;
}

/* Renews each second, as its owner does. */
static void live(struct rig *r, unsigned seconds)
{
    while (seconds--) {
        if (rig_is_open(r))
            rig_renew(r);
        world_advance(r->w, 1000);
    }
}

static void come_back(struct rig *r)
{
    CHECK(world_run_until(r->w, rig_is_open, r, 3000));
    live(r, 3);
}

TEST(redisrows, are_gathered_and_put_back)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    store_put(r.s, STORE_NODE, SLICE("state"), SLICE("member"));
    store_put(r.s, STORE_COMPONENTS, SLICE("rooms.example"), SLICE("1 instance"));
    for (int i = 0; i < 1000; i++) {
        put_stream(&r, i, SLICE("in x"));
        put_stream(&r, i, SLICE("in a.example b.example"));
    }
    live(&r, 2);
    CHECK_SLICE(field(&r, "{fr}:node:a", "state"), "1000 member");
    CHECK_SLICE(field(&r, "{fr}:node:a", "addr"), "10.0.0.1:5290");
    CHECK_SLICE(field(&r, "{fr}:comp:a", "rooms.example"), "1000 1 instance");
    CHECK_SLICE(field(&r, "{fr}:sess:a", "s999"), "1000 in a.example b.example");
    CHECK(redisserver_asked(r.redis, "HSET") < 20);
    put_stream(&r, 5, slice_none());
    live(&r, 2);
    CHECK(!has_stream(&r, 5) && has_stream(&r, 6));
    redisserver_restart(r.redis, true);
    CHECK(world_run_until(r.w, rig_is_closed, &r, 1000));
    CHECK(world_run_until(r.w, rig_is_open, &r, 1200));
    world_advance(r.w, 1100);
    CHECK(!field(&r, "{fr}:node:a", "state").len); /* not on the list yet */
    live(&r, 2);
    CHECK_SLICE(field(&r, "{fr}:node:a", "state"), "1000 member");
    CHECK(!has_stream(&r, 5) && has_stream(&r, 6));
    rig_fini(&r);
}

/* It broke while they were on the way, and came back as it was: nobody joins anew. */
TEST(redisrows, what_was_lost_on_the_way_is_written_again)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    live(&r, 1);
    put_stream(&r, 0, SLICE("in"));
    live(&r, 2);
    for (int i = 1; i < 500; i++)
        put_stream(&r, i, SLICE("in"));
    put_stream(&r, 0, slice_none());
    redisserver_habit(r.redis)->silent = true; /* they are in the server's buffer */
    CHECK(world_run_until(r.w, rig_is_closed, &r, 9000));
    redisserver_habit(r.redis)->silent = false;
    put_stream(&r, 499, slice_none());
    come_back(&r);
    for (int i = 0; i < 500; i++)
        CHECK_EQ(has_stream(&r, i), i > 0 && i < 499);
    rig_fini(&r);
}

TEST(redisrows, what_was_refused_is_written_again)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    live(&r, 1);
    put_stream(&r, 1, SLICE("in"));
    redisserver_say(r.redis, "HSET", FULL, 2);
    live(&r, 1);
    CHECK(!has_stream(&r, 1));
    live(&r, 4);
    CHECK(has_stream(&r, 1));
    rig_fini(&r);
}

/* Streams that come and go during an outage leave nothing, here or there. */
TEST(redisrows, an_outage_keeps_only_what_is_there_after_it)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    put_stream(&r, 0, SLICE("in"));
    live(&r, 2);
    redisserver_stop(r.redis);
    CHECK(world_run_until(r.w, rig_is_closed, &r, 1000));
    for (int i = 0; i < 10000; i++) {
        put_stream(&r, i, SLICE("in"));
        put_stream(&r, i, slice_none());
    }
    put_stream(&r, 10000, SLICE("in"));
    CHECK(map_count(&redis_of(r.s)->rows.rows) <= 2);
    redisserver_restart(r.redis, false);
    come_back(&r);
    CHECK(!has_stream(&r, 0) && has_stream(&r, 10000));
    CHECK_EQ(redisserver_asked(r.redis, "HDEL"), 0);
    rig_fini(&r);
}

/* The master died; the new one has an older state of the table, with us on the list. */
TEST(redisrows, an_older_table_shows_nothing_old)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    put_stream(&r, 1, SLICE("in"));
    store_put(r.s, STORE_COMPONENTS, SLICE("rooms.example"), SLICE("1"));
    live(&r, 2);
    write_field(&r, "{fr}:sess:a", "s0", "1000 in");
    write_field(&r, "{fr}:comp:a", "old.example", "1000 1");
    redisserver_restart(r.redis, false);
    CHECK(world_run_until(r.w, rig_is_closed, &r, 1000));
    come_back(&r);
    CHECK(!has_stream(&r, 0) && has_stream(&r, 1));
    CHECK(!field(&r, "{fr}:comp:a", "old.example").len);
    CHECK(field(&r, "{fr}:comp:a", "rooms.example").len);
    rig_fini(&r);
}

/* ... which is found out while a flush is under way. */
TEST(redisrows, another_table_may_be_met_in_the_middle_of_a_flush)
{
    for (uint64_t ms = 0; ms < 1000; ms += 50) {
        struct rig r;

        rig_open(&r, 1);
        rig_enter(&r);
        live(&r, 2);
        redisserver_habit(r.redis)->delay_ms = 200;
        put_stream(&r, 1, SLICE("in"));
        world_advance(r.w, ms);
        keyspace_clear(redisserver_keys(r.redis));
        rig_send_renewal(&r);
        CHECK(world_run_until(r.w, rig_all_heard, &r, 1000));
        redisserver_habit(r.redis)->delay_ms = 0;
        live(&r, 2);
        put_stream(&r, 2, SLICE("in"));
        live(&r, 2);
        CHECK(has_stream(&r, 1) && has_stream(&r, 2));
        rig_fini(&r);
    }
}

/* What it has not answered is not piled upon. */
TEST(redisrows, a_slow_table_has_one_flush_at_a_time)
{
    struct rig r;
    unsigned before;

    rig_open(&r, 1);
    rig_enter(&r);
    live(&r, 1);
    before = redisserver_asked(r.redis, "HSET");
    redisserver_habit(r.redis)->delay_ms = 2900;
    for (int i = 0; i < 12; i++) {
        put_stream(&r, i, SLICE("in"));
        rig_send_renewal(&r);
        world_advance(r.w, 1000);
    }
    CHECK(redisserver_asked(r.redis, "HSET") - before <= 4);
    redisserver_habit(r.redis)->delay_ms = 0;
    CHECK(world_run_until(r.w, rig_all_heard, &r, 5000));
    live(&r, 4);
    for (int i = 0; i < 12; i++)
        CHECK(has_stream(&r, i));
    rig_fini(&r);
}

/* Whoever leaves takes its rows along: what ends after it leaves no traces. */
static void leave(bool renewing)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    put_stream(&r, 1, SLICE("in"));
    live(&r, 2);
    redisserver_habit(r.redis)->delay_ms = 300;
    if (renewing)
        rig_send_renewal(&r);
    world_advance(r.w, 100);
    r.sent_count++;
    store_bye(r.s, store_as(r.s), rig_on_answer, &r);
    put_stream(&r, 2, SLICE("in"));
    world_advance(r.w, 5000);
    CHECK_EQ(r.lost_count, 0);
    CHECK(!has_stream(&r, 1) && !has_stream(&r, 2));
    rig_fini(&r);
}

TEST(redisrows, nothing_is_written_after_bye)
{
    leave(false);
}

TEST(redisrows, a_renewal_that_is_answered_after_bye_changes_nothing)
{
    leave(true);
}

/* Nobody renewed for a while, as after a sleep: it may have been buried, with its rows. */
TEST(redisrows, who_has_not_renewed_writes_nothing)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    live(&r, 2);
    world_advance(r.w, 5000);
    put_stream(&r, 1, SLICE("in"));
    world_advance(r.w, 3000);
    CHECK(!has_stream(&r, 1));
    live(&r, 2);
    CHECK(has_stream(&r, 1));
    rig_fini(&r);
}

TESTS(TEST_OF(redisrows, are_gathered_and_put_back),
      TEST_OF(redisrows, what_was_lost_on_the_way_is_written_again),
      TEST_OF(redisrows, what_was_refused_is_written_again),
      TEST_OF(redisrows, an_outage_keeps_only_what_is_there_after_it),
      TEST_OF(redisrows, an_older_table_shows_nothing_old),
      TEST_OF(redisrows, another_table_may_be_met_in_the_middle_of_a_flush),
      TEST_OF(redisrows, a_slow_table_has_one_flush_at_a_time),
      TEST_OF(redisrows, nothing_is_written_after_bye),
      TEST_OF(redisrows, a_renewal_that_is_answered_after_bye_changes_nothing),
      TEST_OF(redisrows, who_has_not_renewed_writes_nothing))
