/* route/outages: what is known to fail, for how long, and what of it was told. */
#include "route/outages.h"
#include "unit/test.h"

#include <stdio.h>

static const uint64_t seed[2] = {1, 2};
static struct outages o;

static struct outage outage(const char *local, const char *remote, bool of_domain, uint64_t left)
{
    return (struct outage){
        .local = slice_from(local),
        .remote = slice_from(remote),
        .of_domain = of_domain,
        .left_ms = left,
        .failures_count = 3,
        .why = of_domain ? BOUNCE_UNREACHABLE : BOUNCE_NEGOTIATION,
        .detail = SLICE("refused"),
        .node = SLICE("edge-2"),
    };
}

static bool begin(const char *local, const char *remote, bool of_domain, uint64_t left,
                  uint64_t now)
{
    struct outage w = outage(local, remote, of_domain, left);

    return outages_begin(&o, &w, now);
}

static bool known(const char *local, const char *remote, bool of_domain, uint64_t now)
{
    struct outage w;

    return outages_find(&o, slice_from(local), slice_from(remote), of_domain, now, &w);
}

static void open_outages(void)
{
    outages_init(&o, seed);
}

TEST(outages, a_pair_is_not_its_domain)
{
    struct outage w;

    open_outages();
    CHECK(begin("a", "r", false, 1000, 5000));
    CHECK(known("a", "r", false, 5999));
    CHECK(!known("b", "r", false, 5999) && !known("a", "r", true, 5999));
    CHECK(begin("a", "r", true, 3000, 5000));
    CHECK_EQ(outages_count(&o), 2);
    CHECK(outages_find(&o, SLICE("whoever"), SLICE("r"), true, 6000, &w));
    CHECK_SLICE(w.local, "a");
    CHECK_SLICE(w.remote, "r");
    CHECK_SLICE(w.detail, "refused");
    CHECK_SLICE(w.node, "edge-2");
    CHECK(w.of_domain && w.left_ms == 2000 && w.failures_count == 3 && w.why == BOUNCE_UNREACHABLE);
    outages_fini(&o);
}

TEST(outages, are_over_by_themselves)
{
    open_outages();
    begin("a", "r", true, 1000, 5000);
    begin("a", "s", true, 2000, 5000);
    CHECK(known("a", "r", true, 5999) && !known("a", "r", true, 6000));
    outages_tick(&o, 6000);
    CHECK_EQ(outages_count(&o), 1);
    begin("a", "s", true, 500, 6000); /* the last word counts */
    CHECK_EQ(outages_count(&o), 1);
    CHECK(!known("a", "s", true, 6500));
    outages_fini(&o);
}

TEST(outages, end_with_all_that_is_known_of_the_domain)
{
    open_outages();
    begin("a", "r", true, 1000, 0);
    begin("a", "r", false, 1000, 0);
    begin("b", "r", false, 1000, 0);
    begin("b", "s", false, 1000, 0);
    CHECK(outages_any(&o, SLICE("r")));
    outages_end(&o, SLICE("r"));
    CHECK(!outages_any(&o, SLICE("r")));
    outages_end(&o, SLICE("r"));
    CHECK_EQ(outages_count(&o), 1);
    CHECK(known("b", "s", false, 0));
    outages_fini(&o);
}

TEST(outages, go_with_the_node_that_said_them)
{
    struct outage w = outage("a", "s", true, 1000);

    open_outages();
    begin("a", "r", true, 1000, 0);
    begin("a", "r", false, 1000, 0);
    w.node = SLICE("edge-3");
    outages_begin(&o, &w, 0);
    outages_forget(&o, SLICE("edge-2"));
    CHECK_EQ(outages_count(&o), 1);
    CHECK(known("a", "s", true, 0));
    outages_clear(&o);
    CHECK_EQ(outages_count(&o), 0);
    outages_fini(&o);
}

static void begin_many(unsigned from, unsigned count, uint64_t left, uint64_t now)
{
    for (unsigned i = from; i < from + count; i++) {
        char name[16];

        snprintf(name, sizeof(name), "r%u", i);
        begin("a", name, true, left, now);
    }
}

TEST(outages, are_so_many_at_most)
{
    open_outages();
    begin_many(0, OUTAGES_MAX, 1000, 0);
    CHECK(known("a", "r0", true, 1));
    CHECK(!begin("a", "more", true, 1000, 1)); /* the oldest went for it */
    CHECK(!known("a", "r0", true, 1) && known("a", "r1", true, 1) && known("a", "more", true, 1));
    CHECK_EQ(outages_count(&o), OUTAGES_MAX);
    CHECK(begin("a", "r7", true, 2000, 1));       /* it has its place */
    CHECK(begin("a", "later", true, 1000, 1500)); /* what is over went */
    CHECK_EQ(outages_count(&o), 2);
    outages_fini(&o);
}

static size_t since(uint64_t *serial, uint64_t now, struct outage *rows, size_t room, size_t bytes)
{
    return outages_since(&o, serial, now, rows, room, bytes);
}

TEST(outages, are_told_in_turn_and_once)
{
    struct outage rows[8];
    uint64_t serial = 0;

    open_outages();
    CHECK(!outages_has_since(&o, serial));
    begin_many(0, 5, 1000, 0);
    CHECK(outages_has_since(&o, serial));
    CHECK_EQ(since(&serial, 1, rows, 3, 10000), 3);
    CHECK_SLICE(rows[0].remote, "r0");
    CHECK_EQ(rows[0].left_ms, 999);
    begin("a", "r0", true, 2000, 1); /* said anew */
    CHECK_EQ(since(&serial, 1, rows, 8, 10000), 3);
    CHECK_SLICE(rows[0].remote, "r3");
    CHECK_SLICE(rows[2].remote, "r0");
    CHECK(!outages_has_since(&o, serial));
    CHECK_EQ(since(&serial, 1, rows, 8, 10000), 0);
    serial = 0;
    CHECK_EQ(since(&serial, 1, rows, 8, 40), 3); /* 16 bytes of text each */
    serial = 0;
    CHECK_EQ(since(&serial, 1500, rows, 8, 10000), 1); /* the rest is over */
    CHECK(!outages_has_since(&o, serial));
    outages_fini(&o);
}

TEST(outages, an_end_is_a_word_too)
{
    struct outage rows[8];
    uint64_t serial = 0;

    open_outages();
    begin("a", "r", true, 1000, 0);
    begin("a", "r", false, 1000, 0);
    outages_tell_end(&o, SLICE("r"), 100);
    outages_tell_end(&o, SLICE("r"), 100); /* again: one word */
    CHECK_EQ(outages_count(&o), 1);
    CHECK(!outages_any(&o, SLICE("r")));
    CHECK(!known("a", "r", true, 100) && !known("a", "r", false, 100));
    CHECK_EQ(since(&serial, 100, rows, 8, 10000), 1);
    CHECK(rows[0].ended);
    CHECK_SLICE(rows[0].remote, "r");
    begin("a", "r", true, 1000, 200); /* and fails again */
    CHECK_EQ(since(&serial, 200, rows, 8, 10000), 1);
    CHECK(!rows[0].ended);
    outages_tell_end(&o, SLICE("r"), 300);
    outages_tick(&o, 300 + OUTAGES_END_MS);
    CHECK_EQ(outages_count(&o), 0);
    outages_fini(&o);
}

TESTS(TEST_OF(outages, a_pair_is_not_its_domain), TEST_OF(outages, are_over_by_themselves),
      TEST_OF(outages, end_with_all_that_is_known_of_the_domain),
      TEST_OF(outages, go_with_the_node_that_said_them), TEST_OF(outages, are_so_many_at_most),
      TEST_OF(outages, are_told_in_turn_and_once), TEST_OF(outages, an_end_is_a_word_too))
