/* session/store_redis against an invented Redis: every way in which one can be wrong, slow or
 * broken; what is said of it, what is lost, and that it recovers. CLUST-02, CLUST-04. */
#include "sim/redisrig.h"
#include "unit/test.h"

/* --- who is no use is not used --------------------------------------------------------------- */

static void be_evicting(struct redishabit *h)
{
    h->policy = "allkeys-lru";
}

static void be_replica(struct redishabit *h)
{
    h->replica = true;
}

static void be_loading(struct redishabit *h)
{
    h->loading = true;
}

static void be_locked(struct redishabit *h)
{
    h->password = "other";
}

static void be_clustered(struct redishabit *h)
{
    h->cluster = true;
}

static void be_silent(struct redishabit *h)
{
    h->silent = true;
}

TEST(redis, says_why_it_will_not_use_a_server)
{
    static const struct {
        void (*be)(struct redishabit *h);
        const char *password;
        const char *one, *other;
    } cases[] = {
        {be_evicting, "", "10.0.0.9:6379", "noeviction"},
        {be_replica, "", "replica", "sentinels"},
        {be_loading, "", "loading", "wait"},
        {be_locked, "", "NOAUTH", "password_file"},
        {be_locked, "mine", "WRONGPASS", "password_file"},
        {be_clustered, "", "Redis Cluster", "wait_replicas"},
        {be_silent, "", "no answer", "10.0.0.9:6379"},
    };
    struct rig r;

    for (size_t i = 0; i < COUNT(cases); i++) {
        rig_init(&r, i + 1);
        cases[i].be(redisserver_habit(r.redis));
        r.o.password = slice_from(cases[i].password);
        rig_start(&r);
        world_advance(r.w, 15000);
        CHECK(rig_is_closed(&r));
        rig_check_why(&r, cases[i].one, cases[i].other);
        CHECK_EQ(r.opened_count + r.broken_count, 0);
        CHECK(!rig_claim(&r)); /* lost, and told so */
        *redisserver_habit(r.redis) = (struct redishabit){
            .policy = "noeviction", .password = *cases[i].password ? cases[i].password : NULL};
        CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
        rig_enter(&r);
        rig_fini(&r);
    }
}

TEST(redis, says_why_it_cannot_connect)
{
    struct rig r;

    rig_init(&r, 1);
    redisserver_stop(r.redis);
    rig_start(&r);
    world_advance(r.w, 5500);
    rig_check_why(&r, "10.0.0.9:6379", "connection refused");
    CHECK(redisserver_clients(r.redis) == 0);
    redisserver_restart(r.redis, true);
    CHECK(world_run_until(r.w, rig_is_open, &r, 1500));
    rig_fini(&r);
}

/* Dials one a second beside those that hang, eight of them, so that it finds one that is back. */
TEST(redis, a_server_that_hangs_does_not_stop_the_next_attempt)
{
    struct addr to;
    struct rig r;

    rig_init(&r, 1);
    CHECK_EQ(addr_parse(SLICE(REDIS), 0, &to), OK);
    world_part(r.w, r.node, world_host(r.w, "redis", "10.0.0.9"), true);
    rig_start(&r);
    world_advance(r.w, 30000);
    CHECK(host_descriptors(r.node) <= 2 * REDIS_ATTEMPTS_MAX);
    CHECK(host_descriptors(r.node) >= 2 * (REDIS_ATTEMPTS_MAX - 1));
    world_part(r.w, r.node, world_host(r.w, "redis", "10.0.0.9"), false);
    CHECK(world_run_until(r.w, rig_is_open, &r, 1500));
    world_advance(r.w, 1000);
    CHECK_EQ(host_descriptors(r.node), 3); /* calls, renewals, notices: the others are closed */
    rig_enter(&r);
    rig_fini(&r);
}

TEST(redis, what_is_no_redis_is_not_believed)
{
    static const char *const cases[] = {
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "+OK\r\n",
        "*2\r\n:1\r\n",
        "$3\r\nabc\r\n",
        "*1000000000\r\n",
    };
    static const char *const commands[] = {"INFO", "EXISTS", "SCRIPT"};
    struct rig r;

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t k = 0; k < COUNT(commands); k++) {
            rig_init(&r, 1);
            redisserver_say(r.redis, commands[k], cases[i], 2);
            rig_start(&r);
            if (world_run_until(r.w, rig_is_open, &r, 200))
                CHECK(k > 0); /* some answers to EXISTS and SCRIPT LOAD are as good as any */
            CHECK(world_run_until(r.w, rig_is_open, &r, 12000));
            rig_fini(&r);
        }
}

/* --- errors instead of answers --------------------------------------------------------------- */

TEST(redis, an_error_loses_its_call_and_says_what_to_do)
{
    static const struct {
        const char *bytes, *one;
        bool breaks;
    } cases[] = {
        {"-BUSY Redis is busy running a script.\r\n", "SCRIPT KILL", false},
        {"-OOM command not allowed when used memory > 'maxmemory'.\r\n", "maxmemory", false},
        {"-LOADING Redis is loading the dataset in memory\r\n", "loading", false},
        {"-MISCONF Errors writing to the AOF file\r\n", "disk", false},
        {"-NOREPLICAS Not enough good replicas to write.\r\n", "min-replicas", false},
        {"-CLUSTERDOWN The cluster is down\r\n", "Cluster", false},
        {"-NOPERM this user has no permissions\r\n", "redis.acl", false},
        {"-ERR something \x01 new\r\n", "something ? new", false},
        {"-READONLY You can't write against a read only replica.\r\n", "replica", true},
        {"-MASTERDOWN Link with MASTER is down\r\n", "master", true},
        {"-NOAUTH Authentication required.\r\n", "password", true},
        {"*1\r\n:7\r\n", "makes no sense", true},
        {"*1\r\n+nonsense\r\n", "makes no sense", true},
        {"+OK\r\n", "makes no sense", true},
        {"$5\r\nabcdefgh", "Protocol error", true},
        {"*3000000\r\n", "more in it", true},
    };
    struct rig r;

    for (size_t i = 0; i < COUNT(cases); i++) {
        rig_open(&r, i + 1);
        rig_enter(&r);
        redisserver_say(r.redis, "EVALSHA", cases[i].bytes, 1);
        CHECK(!rig_renew(&r));
        if (cases[i].breaks && i != 14) { /* 14: the rest of the answer may never come */
            CHECK(r.broken_count == 1);
            CHECK_MSG(strstr(r.why, cases[i].one), "%s", r.why);
            CHECK_EQ(r.lost_count, 1);
        } else if (i != 14) {
            CHECK(rig_is_open(&r) && r.broken_count == 0);
            rig_check_why(&r, cases[i].one, "10.0.0.9");
        }
        CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
        CHECK(rig_renew(&r));
        CHECK(store_state(r.s)->up);
        CHECK(rig_claim(&r) && r.granted);
        rig_fini(&r);
    }
}

TEST(redis, a_script_that_was_forgotten_is_sent_whole)
{
    struct rig r;
    uint64_t token;

    rig_open(&r, 1);
    rig_enter(&r);
    token = r.token;
    redisserver_forget_scripts(r.redis);
    CHECK(rig_renew(&r) && r.renewal.outcome == STORE_RENEWED);
    CHECK(rig_claim(&r) && r.granted && r.token > token);
    CHECK_EQ(redisserver_asked(r.redis, "EVAL"), 2);
    CHECK(rig_claim(&r) && rig_renew(&r));
    CHECK_EQ(redisserver_asked(r.redis, "EVAL"), 2); /* known again */
    CHECK_EQ(r.broken_count, 0);
    rig_fini(&r);
}

/* --- contact broken -------------------------------------------------------------------------- */

/* However far an answer came before the end: the call is lost, once, and what follows goes by a
 * higher number, so that the table refuses what comes late. */
TEST(redis, a_cut_in_any_answer_loses_it_once)
{
    for (size_t at = 0; at < 140; at += 3) {
        struct rig r;

        rig_open(&r, at + 1);
        rig_enter(&r);
        redisserver_cut_after(r.redis, at);
        rig_send_claim(&r);
        rig_send_renewal(&r);
        rig_send_claim(&r);
        CHECK(world_run_until(r.w, rig_all_heard, &r, 10000));
        CHECK(r.lost_count >= 1);
        world_advance(r.w, 10);
        CHECK_EQ(r.broken_count, 1);
        CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
        CHECK_EQ(store_state(r.s)->connection, 2);
        CHECK(rig_claim(&r) && r.word == STORE_WAIT); /* a renewal comes first */
        CHECK(rig_renew(&r) && rig_claim(&r) && r.granted);
        CHECK_EQ(r.sent_count, r.answered_count + r.lost_count);
        rig_fini(&r);
    }
}

#define STUBBORN_MOST 1000

static unsigned stubborn_calls;

/* Whoever loses a call and makes it again at once. */
static void call_again(void *arg, const struct store_answer *a)
{
    struct rig *r = arg;
    struct store_pair p = {.local = SLICE("a.example"), .remote = SLICE("b.example")};

    if (a || r->broken_count || ++stubborn_calls == STUBBORN_MOST)
        return;
    store_assert(r->s, store_as(r->s), &p, 1, call_again, r);
}

TEST(redis, calls_made_while_others_are_lost_do_not_keep_the_break_from_being_told)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    stubborn_calls = 0;
    call_again(&r, NULL);
    redisserver_stop(r.redis);
    world_advance(r.w, 100);
    CHECK_EQ(r.broken_count, 1);
    CHECK(stubborn_calls < 5);
    rig_fini(&r);
}

TEST(redis, silence_of_six_seconds_breaks_both)
{
    struct rig r;
    uint64_t before;

    rig_open(&r, 1);
    rig_enter(&r);
    redisserver_habit(r.redis)->silent = true;
    before = world_ms(r.w);
    rig_send_renewal(&r);
    world_advance(r.w, 3000);
    rig_send_claim(&r);
    CHECK(world_run_until(r.w, rig_all_heard, &r, 10000));
    CHECK_MSG(world_ms(r.w) >= before + 5990 && world_ms(r.w) < before + 6100, "%d ms",
              (int)(world_ms(r.w) - before));
    CHECK_EQ(r.lost_count, 2);
    CHECK(strstr(r.why, "6 s"));
    redisserver_habit(r.redis)->silent = false;
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    CHECK(rig_renew(&r));
    rig_fini(&r);
}

TEST(redis, eviction_turned_on_is_found_out)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    world_advance(r.w, 65000);
    CHECK_EQ(r.broken_count, 0);
    redisserver_habit(r.redis)->policy = "volatile-ttl";
    world_advance(r.w, 65000);
    CHECK_EQ(r.broken_count, 1);
    CHECK(rig_is_closed(&r));
    rig_check_why(&r, "volatile-ttl", "noeviction");
    rig_fini(&r);
}

/* What Redis answers after 5 s still counts: a right lasts 6. */
TEST(redis, slow_answers_are_answers)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    redisserver_habit(r.redis)->delay_ms = 5000;
    CHECK(rig_renew(&r));
    CHECK_EQ(r.renewal.sent_boot_ms / 100, (loop_boot_ms(r.loop) - 5000) / 100);
    CHECK(store_state(r.s)->latency_us >= 5000000);
    CHECK_EQ(r.broken_count, 0);
    rig_fini(&r);
}

TEST(redis, a_restart_is_found_within_a_second)
{
    for (int empty = 0; empty < 2; empty++) {
        struct rig r;
        uint64_t epoch;

        rig_open(&r, 1 + (uint64_t)empty);
        rig_enter(&r);
        epoch = r.renewal.epoch;
        redisserver_restart(r.redis, empty);
        CHECK(world_run_until(r.w, rig_is_closed, &r, 1000));
        CHECK(world_run_until(r.w, rig_is_open, &r, 1200));
        CHECK(rig_renew(&r)); /* another run id: a new epoch, whatever it still holds */
        CHECK(r.renewal.outcome == STORE_RENEWED && r.renewal.epoch != epoch);
        rig_fini(&r);
    }
}

/* A call that the network kept must not act after its sender went on: the row stays. */
TEST(redis, what_comes_late_does_not_act)
{
    struct store_pair p = {.local = SLICE("a.example"), .remote = SLICE("b.example")};
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    p.token = r.token;
    redisserver_habit(r.redis)->silent = true; /* it is in the server's buffer */
    r.sent_count++;
    store_release(r.s, store_as(r.s), &p, 1, rig_on_answer, &r);
    CHECK(world_run_until(r.w, rig_all_heard, &r, 10000));
    CHECK_EQ(r.lost_count, 1);
    redisserver_habit(r.redis)->silent = false;
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    CHECK(rig_renew(&r) && rig_claim(&r) && r.granted);
    world_advance(r.w, 5000);
    CHECK(keyspace_string(redisserver_keys(r.redis), "{fr}:pair:a.example b.example").len);
    rig_fini(&r);
}

/* --- sweeping ------------------------------------------------------------------------------- */

TEST(redis, a_sweep_walks_all_pages)
{
    struct rig r;

    rig_open(&r, 1);
    rig_enter(&r);
    for (int i = 0; i < 1000; i++) {
        char key[64];
        struct slice words[] = {SLICE("SET"), slice_none(), SLICE("z:5:1")};
        struct reply reply;

        snprintf(key, sizeof(key), "{fr}:pair:a.example n%d.example", i);
        words[1] = slice_from(key);
        keyspace_call(redisserver_keys(r.redis), words, COUNT(words), &reply);
        reply_fini(&reply);
    }
    r.sent_count += 2;
    store_sweep(r.s, store_as(r.s), rig_on_answer, &r);
    store_sweep(r.s, store_as(r.s), NULL, NULL);
    store_sweep(r.s, store_as(r.s), rig_on_answer, &r); /* one at a time: the second hears WAIT */
    CHECK(world_run_until(r.w, rig_all_heard, &r, 10000));
    CHECK_EQ(r.lost_count, 0);
    CHECK(r.word == STORE_OK);
    CHECK_EQ(r.number, 1000);
    CHECK(redisserver_asked(r.redis, "EVALSHA") >= 5);
    r.sent_count++;
    store_sweep(r.s, store_as(r.s), rig_on_answer, &r);
    redisserver_cut_after(r.redis, 20);
    CHECK(world_run_until(r.w, rig_all_heard, &r, 10000));
    CHECK_EQ(r.lost_count, 1);
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    CHECK(rig_renew(&r));
    r.sent_count++;
    store_sweep(r.s, store_as(r.s), rig_on_answer, &r); /* the lost one is not in the way */
    CHECK(world_run_until(r.w, rig_all_heard, &r, 10000));
    CHECK(r.word == STORE_OK && r.number == 0);
    rig_fini(&r);
}

/* Closed at any moment: nothing is told any more, nothing is left. */
TEST(redis, may_be_freed_at_any_time)
{
    for (unsigned ms = 0; ms < 40; ms++) {
        struct rig r;

        rig_init(&r, ms + 1);
        if (ms % 3 == 0)
            redisserver_habit(r.redis)->silent = true;
        rig_start(&r);
        world_advance(r.w, ms / 4);
        rig_send_renewal(&r);
        rig_send_claim(&r);
        for (unsigned i = 0; i < ms; i++)
            world_step(r.w);
        rig_fini(&r);
    }
}

TESTS(TEST_OF(redis, says_why_it_will_not_use_a_server), TEST_OF(redis, says_why_it_cannot_connect),
      TEST_OF(redis, a_server_that_hangs_does_not_stop_the_next_attempt),
      TEST_OF(redis, what_is_no_redis_is_not_believed),
      TEST_OF(redis, an_error_loses_its_call_and_says_what_to_do),
      TEST_OF(redis, a_script_that_was_forgotten_is_sent_whole),
      TEST_OF(redis, a_cut_in_any_answer_loses_it_once),
      TEST_OF(redis, calls_made_while_others_are_lost_do_not_keep_the_break_from_being_told),
      TEST_OF(redis, silence_of_six_seconds_breaks_both),
      TEST_OF(redis, eviction_turned_on_is_found_out), TEST_OF(redis, slow_answers_are_answers),
      TEST_OF(redis, a_restart_is_found_within_a_second),
      TEST_OF(redis, what_comes_late_does_not_act), TEST_OF(redis, a_sweep_walks_all_pages),
      TEST_OF(redis, may_be_freed_at_any_time))
