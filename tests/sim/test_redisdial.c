/* session/redisdial and redissentinel: which of several servers keeps the table, and whether enough
 * replicas have what is written. CLUST-04. */
#include "sim/dnsserver.h"
#include "sim/redisrig.h"
#include "unit/test.h"

TEST(redisdial, a_renewal_counts_when_replicas_have_it)
{
    struct rig r;

    rig_init(&r, 1);
    r.o.wait_replicas = 2;
    redisserver_habit(r.redis)->replicas = 1;
    rig_start(&r);
    world_advance(r.w, 2500);
    CHECK(rig_is_closed(&r));
    rig_check_why(&r, "1 replicas", "wait_replicas asks for 2");
    redisserver_habit(r.redis)->replicas = 2;
    CHECK(world_run_until(r.w, rig_is_open, &r, 1500));
    rig_enter(&r);
    redisserver_habit(r.redis)->replicas = 1;
    CHECK(!rig_renew(&r));
    CHECK(rig_is_open(&r));
    rig_check_why(&r, "wait_replicas", "start more");
    redisserver_forget_scripts(r.redis);
    CHECK(!rig_renew(&r));
    redisserver_habit(r.redis)->replicas = 2;
    redisserver_forget_scripts(r.redis);
    CHECK(rig_renew(&r)); /* its first WAIT counted nothing */
    CHECK(store_state(r.s)->up);
    CHECK_EQ(r.broken_count, 0);
    rig_fini(&r);
}

/* A renewal that brought an error is gone when the answer of its WAIT comes. */
TEST(redisdial, an_error_does_not_wait_for_replicas)
{
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct rig r;

        rig_init(&r, seed);
        r.o.wait_replicas = 1;
        redisserver_habit(r.redis)->replicas = 1;
        rig_start(&r);
        CHECK(world_run_until(r.w, rig_is_open, &r, 1500));
        rig_enter(&r);
        redisserver_say(r.redis, "EVALSHA", "-OOM command not allowed\r\n", 1);
        CHECK(!rig_renew(&r));
        CHECK(rig_renew(&r));
        CHECK_EQ(r.broken_count, 0);
        rig_fini(&r);
    }
}

static struct redisserver *add_sentinel(struct rig *r, const char *name, const char *master)
{
    struct redisserver *s;
    char at[64];
    const char *problem;

    snprintf(at, sizeof(at), "%s:26379", name);
    s = redisserver_open(world_host(r->w, name, name), at);
    CHECK_EQ(redis_host_parse(slice_from(at), 0, &r->sentinels[r->o.sentinel_count++], &problem),
             OK);
    redisserver_name_master(s, "table", master, 6379);
    return s;
}

TEST(redisdial, the_master_is_whom_most_sentinels_name)
{
    struct redisserver *s[3], *other;
    struct rig r;

    rig_init(&r, 1);
    r.o.wait_replicas = 1;
    other = redisserver_open(world_host(r.w, "other", "10.0.0.8"), "10.0.0.8:6379");
    redisserver_habit(r.redis)->replicas = redisserver_habit(other)->replicas = 1;
    s[0] = add_sentinel(&r, "10.0.1.1", "10.0.0.8"); /* cut off, it names the old one */
    s[1] = add_sentinel(&r, "10.0.1.2", "10.0.0.9");
    s[2] = add_sentinel(&r, "10.0.1.3", "10.0.0.9");
    rig_start(&r);
    CHECK(world_run_until(r.w, rig_is_open, &r, 1500));
    CHECK_STR(store_state(r.s)->place, REDIS);
    rig_enter(&r);
    redisserver_stop(r.redis); /* failover; one sentinel died with it */
    redisserver_stop(s[1]);
    redisserver_name_master(s[2], "table", "10.0.0.8", 6379);
    CHECK(world_run_until(r.w, rig_is_closed, &r, 1000));
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    CHECK_STR(store_state(r.s)->place, "10.0.0.8:6379");
    CHECK(rig_renew(&r));
    redisserver_habit(other)->replica = true; /* demoted: every call says READONLY */
    redisserver_restart(r.redis, false);
    redisserver_name_master(s[0], "table", "10.0.0.9", 6379);
    redisserver_name_master(s[2], "table", "10.0.0.9", 6379);
    CHECK(!rig_renew(&r));
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    CHECK_STR(store_state(r.s)->place, REDIS);
    rig_fini(&r);
}

TEST(redisdial, says_what_is_wrong_with_sentinels)
{
    struct redisserver *s;
    struct rig r;

    rig_init(&r, 1);
    s = add_sentinel(&r, "10.0.1.1", "10.0.0.9");
    redisserver_stop(s);
    rig_start(&r);
    world_advance(r.w, 1500);
    rig_check_why(&r, "sentinel 10.0.1.1:26379", "refused");
    redisserver_restart(s, false);
    redisserver_name_master(s, "other", "10.0.0.9", 6379);
    world_advance(r.w, 1500);
    rig_check_why(&r, "sentinel 10.0.1.1:26379", "store.redis.master");
    redisserver_name_master(s, "table", "10.0.0.9", 6379);
    world_advance(r.w, 1500);
    rig_check_why(&r, "sentinels may replace it", "wait_replicas");
    CHECK(rig_is_closed(&r));
    rig_fini(&r);
}

TEST(redisdial, follows_the_slot_of_its_keys)
{
    struct redisserver *other;
    struct rig r;

    rig_init(&r, 1);
    r.o.wait_replicas = 1;
    other = redisserver_open(world_host(r.w, "other", "10.0.0.8"), "10.0.0.8:7000");
    *redisserver_habit(r.redis) =
        (struct redishabit){.policy = "noeviction", .cluster = true, .replicas = 1};
    *redisserver_habit(other) = *redisserver_habit(r.redis);
    redisserver_say(r.redis, "EXISTS", "-MOVED 9203 10.0.0.8:7000\r\n", 1);
    rig_start(&r);
    CHECK(world_run_until(r.w, rig_is_open, &r, 1500));
    CHECK_STR(store_state(r.s)->place, "10.0.0.8:7000");
    rig_enter(&r);
    redisserver_say(other, "EVALSHA", "-MOVED 9203 10.0.0.9:6379\r\n", 1);
    CHECK(!rig_claim(&r));
    CHECK_EQ(r.broken_count, 1);
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    CHECK_STR(store_state(r.s)->place, REDIS);
    CHECK(rig_renew(&r));
    redisserver_say(r.redis, "EVALSHA", "-MOVED nowhere\r\n", 1); /* nonsense: the seeds again */
    CHECK(!rig_claim(&r));
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    CHECK_STR(store_state(r.s)->place, REDIS);
    rig_fini(&r);
}

/* Members that point at each other are no place to dwell. */
TEST(redisdial, does_not_run_in_circles)
{
    struct redisserver *other;
    struct rig r;

    rig_init(&r, 1);
    other = redisserver_open(world_host(r.w, "other", "10.0.0.8"), "10.0.0.8:7000");
    redisserver_say(r.redis, "EXISTS", "-MOVED 9203 10.0.0.8:7000\r\n", 1000);
    redisserver_say(other, "EXISTS", "-MOVED 9203 10.0.0.9:6379\r\n", 1000);
    rig_start(&r);
    world_advance(r.w, 10500);
    rig_check_why(&r, "moves around", "wait");
    CHECK(redisserver_asked(other, "EXISTS") + redisserver_asked(r.redis, "EXISTS") < 60);
    rig_fini(&r);
}

TEST(redisdial, seeds_take_turns)
{
    const char *problem;
    struct rig r;

    rig_init(&r, 1);
    CHECK_EQ(redis_url_parse(SLICE("redis://10.0.0.7:1"), &r.places[0], &problem), OK);
    CHECK_EQ(redis_url_parse(SLICE("redis://no.address:1"), &r.places[1], &problem), OK);
    CHECK_EQ(redis_url_parse(SLICE("redis://" REDIS), &r.places[2], &problem), OK);
    world_host(r.w, "7", "10.0.0.7");
    r.o.place_count = 3;
    rig_start(&r);
    CHECK(world_run_until(r.w, rig_is_open, &r, 2500));
    rig_enter(&r);
    rig_fini(&r);
}

/* Names are looked up at each attempt, and their addresses take turns: one may be dead. */
TEST(redisdial, looks_names_up)
{
    struct resolver_options o = {.server_count = 1, .timeout_ms = 5000};
    const char *problem;
    struct dnsserver *d;
    struct rig r;

    rig_init(&r, 1);
    d = dnsserver_open(world_host(r.w, "ns", "10.0.0.53"), "10.0.0.53:53");
    world_host(r.w, "7", "10.0.0.7");
    CHECK_EQ(addr_parse(SLICE("10.0.0.53"), 53, &o.servers[0]), OK);
    CHECK_EQ(redis_url_parse(SLICE("redis://redis.example"), &r.places[0], &problem), OK);
    r.o.resolver = resolver_new(r.loop, &o);
    rig_start(&r);
    world_advance(r.w, 500);
    rig_check_why(&r, "redis.example:6379", "redis.example");
    CHECK_EQ(dnsserver_add(d, "redis.example A 10.0.0.7"), OK);
    CHECK_EQ(dnsserver_add(d, "redis.example A 10.0.0.9"), OK);
    CHECK(world_run_until(r.w, rig_is_open, &r, 330000)); /* what was absent is so for a while */
    rig_enter(&r);
    redisserver_restart(r.redis, false);
    CHECK(world_run_until(r.w, rig_is_closed, &r, 1000));
    CHECK(world_run_until(r.w, rig_is_open, &r, 3500));
    store_free(r.s);
    world_advance(r.w, 100);
    resolver_free(r.o.resolver);
    r.o.resolver = NULL;
    rig_start(&r); /* without a resolver it says so */
    world_advance(r.w, 500);
    rig_check_why(&r, "redis.example:6379", "give its address");
    rig_fini(&r);
}

TESTS(TEST_OF(redisdial, a_renewal_counts_when_replicas_have_it),
      TEST_OF(redisdial, an_error_does_not_wait_for_replicas),
      TEST_OF(redisdial, the_master_is_whom_most_sentinels_name),
      TEST_OF(redisdial, says_what_is_wrong_with_sentinels),
      TEST_OF(redisdial, follows_the_slot_of_its_keys), TEST_OF(redisdial, does_not_run_in_circles),
      TEST_OF(redisdial, seeds_take_turns), TEST_OF(redisdial, looks_names_up))
