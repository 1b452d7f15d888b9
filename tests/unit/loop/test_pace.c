#include "unit/test.h"

#include "base/err.h"
#include "loop/pace.h"

TEST(pace, naps_only_where_events_come_close_together_and_little_was_done)
{
    static const struct {
        uint64_t past_us; /* since the last look began */
        size_t moved_bytes;
        uint64_t nap_us;
    } cases[] = {
        {0, 0, PACE_GAP_US},
        {40, 300, PACE_GAP_US - 40},
        {40, PACE_ENOUGH_BYTES - 1, PACE_GAP_US - 40},
        {40, PACE_ENOUGH_BYTES, 0}, /* flat out */
        {PACE_GAP_US / 2 - 1, 0, PACE_GAP_US - PACE_GAP_US / 2 + 1},
        {PACE_GAP_US / 2, 0, 0}, /* a nap would gather too little */
        {PACE_GAP_US, 0, 0},
        {1000000, 0, 0}, /* one event after a long sleep */
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pace p = {1000};

        CHECK_EQ(pace_nap_us(&p, 1000 + cases[i].past_us, cases[i].moved_bytes), cases[i].nap_us);
        CHECK_EQ(p.looked_us, 1000 + cases[i].past_us + cases[i].nap_us);
    }
}

/* Four thousand turns of 30 microseconds a second: each look is a whole gap after the last. */
TEST(pace, short_turns_come_once_a_gap)
{
    struct pace p = {0};
    uint64_t now_us = 0;

    for (int i = 1; i <= 4000; i++) {
        now_us += pace_nap_us(&p, now_us, 300);
        CHECK_EQ(now_us, (uint64_t)i * PACE_GAP_US);
        now_us += 30;
    }
}

TESTS(TEST_OF(pace, naps_only_where_events_come_close_together_and_little_was_done),
      TEST_OF(pace, short_turns_come_once_a_gap))
