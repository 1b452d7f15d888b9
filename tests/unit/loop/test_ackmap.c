#include "unit/test.h"

#include "base/random.h"
#include "loop/ackmap.h"

TEST(ackmap, answers_exactly_while_marks_last)
{
    struct ackmap m = {0};

    CHECK_EQ(ackmap_pass(&m, 1000, 7), 7);
    ackmap_add(&m, (struct ackmark){30, 10});
    ackmap_add(&m, (struct ackmark){60, 25});
    ackmap_add(&m, (struct ackmark){61, 26});
    CHECK_EQ(ackmap_pass(&m, 29, 0), 0);
    CHECK_EQ(ackmap_pass(&m, 59, 0), 10);
    CHECK_EQ(ackmap_pass(&m, 60, 10), 25);
    CHECK_EQ(ackmap_pass(&m, 60, 25), 25); /* forgotten, but known by the caller */
    CHECK_EQ(ackmap_pass(&m, 500, 25), 26);
    ackmap_fini(&m);
}

/* However many records wait for a peer that froze, each is told from the next. */
TEST(ackmap, tells_each_record_from_the_next)
{
    struct ackmap m = {0};
    uint64_t told = 0;

    for (uint64_t i = 1; i <= ACKMAP_MOST; i++)
        ackmap_add(&m, (struct ackmark){i * 100, i * 78});
    for (uint64_t i = 1; i <= ACKMAP_MOST; i++) {
        told = ackmap_pass(&m, i * 100 - 1, told);
        CHECK_EQ(told, (i - 1) * 78);
        told = ackmap_pass(&m, i * 100, told);
        CHECK_EQ(told, i * 78);
    }
    CHECK_EQ(m.room, ACKMAP_FEW);
    ackmap_fini(&m);
}

/* A sender that never pauses, with `window` bytes always under way: what is told trails what is
 * true by a small share of the window, and is never ahead of it. */
static void check_lag(uint64_t window, uint64_t record_max)
{
    struct ackmap m = {0};
    struct random rnd;
    uint64_t wire = 0, told = 0;

    random_init_seeded(&rnd, window);
    for (int i = 0; i < 20000; i++) {
        uint64_t arrived;

        wire += 1 + random_below(&rnd, record_max);
        ackmap_add(&m, (struct ackmark){wire, wire}); /* plain = wire: easy to compare */
        arrived = wire > window ? wire - window : 0;
        told = ackmap_pass(&m, arrived, told);
        CHECK(told <= arrived);
        CHECK_MSG(arrived - told <= window / 500 + 2 * record_max, "window %lu: lag %lu",
                  (unsigned long)window, (unsigned long)(arrived - told));
    }
    CHECK(m.room <= 2 * ACKMAP_MOST);
    CHECK_EQ(ackmap_pass(&m, wire, told), wire);
    ackmap_fini(&m);
}

TEST(ackmap, goes_on_while_much_is_always_under_way)
{
    static const uint64_t windows[] = {0, 1000, 100000, 4000000, 100000000};

    for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++) {
        check_lag(windows[i], 200);
        check_lag(windows[i], 16400);
    }
}

TESTS(TEST_OF(ackmap, answers_exactly_while_marks_last),
      TEST_OF(ackmap, tells_each_record_from_the_next),
      TEST_OF(ackmap, goes_on_while_much_is_always_under_way))
