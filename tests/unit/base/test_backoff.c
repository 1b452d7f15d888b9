/* base/backoff, base/bucket, base/random: waiting, rates and chance. */
#include "unit/test.h"

#include "base/backoff.h"
#include "base/bucket.h"
#include "base/err.h"

#include <time.h>

/* STREAM-21: from 1 s to 60 s */
TEST(backoff, waits_within_a_doubling_ceiling)
{
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct backoff b = {0};
        struct random rnd;
        uint64_t ceiling = 1000;

        random_init_seeded(&rnd, seed);
        for (int i = 0; i < 20; i++) {
            uint64_t wait = backoff_fail(&b, &rnd, 5000, 1000, 60000);

            CHECK(wait <= ceiling);
            CHECK(wait >= ceiling / 10);
            CHECK_EQ(b.until_ms, 5000 + wait);
            ceiling = ceiling * 2 > 60000 ? 60000 : ceiling * 2;
        }
    }
}

TEST(backoff, is_spread_over_the_whole_range)
{
    struct random rnd;
    unsigned tenths[10] = {0};

    random_init_seeded(&rnd, 4);
    for (int i = 0; i < 10000; i++) {
        struct backoff b = {.failures_count = 10};
        uint64_t wait = backoff_fail(&b, &rnd, 0, 1000, 60000);

        tenths[wait >= 60000 ? 9 : wait / 6000]++;
    }
    CHECK_EQ(tenths[0], 0); /* the floor */
    for (int i = 1; i < 10; i++)
        CHECK(tenths[i] > 900 && tenths[i] < 1400);
}

TEST(backoff, ends_and_starts_again)
{
    struct backoff b = {0};
    struct random rnd;
    uint64_t wait;

    random_init_seeded(&rnd, 5);
    CHECK(backoff_over(&b, 0));
    wait = backoff_fail(&b, &rnd, 100, 1000, 60000);
    CHECK(!backoff_over(&b, 100));
    CHECK(!backoff_over(&b, 100 + wait - 1));
    CHECK(backoff_over(&b, 100 + wait));
    backoff_reset(&b);
    CHECK(backoff_over(&b, 0));
    CHECK_EQ(b.failures_count, 0);
    CHECK(backoff_fail(&b, &rnd, 0, 1000, 60000) <= 1000);
}

TEST(backoff, bears_extreme_numbers)
{
    struct backoff b = {.failures_count = UINT32_MAX};
    struct random rnd;
    clock_t start;

    random_init_seeded(&rnd, 6);
    start = clock();
    CHECK_EQ(backoff_fail(&b, &rnd, 0, 0, 60000), 0);
    CHECK(clock() - start < CLOCKS_PER_SEC / 4); /* at once, not after 4 billion turns */
    CHECK_EQ(b.failures_count, UINT32_MAX);
    CHECK(backoff_fail(&b, &rnd, 0, 3, UINT64_MAX) >= UINT64_MAX / 10);
    CHECK(backoff_fail(&b, &rnd, 0, 5000, 1000) <= 1000); /* most is most */
}

TEST(bucket, allows_a_burst_then_a_rate)
{
    struct bucket b;

    bucket_init(&b, 3, 2, 1000);
    CHECK(bucket_take(&b, 1, 1000));
    CHECK(bucket_take(&b, 2, 1000));
    CHECK(!bucket_take(&b, 1, 1000));
    CHECK(!bucket_take(&b, 1, 1499));
    CHECK(bucket_take(&b, 1, 1500));
    CHECK(!bucket_take(&b, 1, 1500));
    CHECK(bucket_take(&b, 3, 9999)); /* full again, and not fuller */
    CHECK(!bucket_take(&b, 1, 9999));
    CHECK(bucket_take(&b, 0, 9999));
    CHECK(!bucket_take(&b, 4, 99999)); /* more than it ever holds */
}

TEST(bucket, fractions_are_not_lost)
{
    struct bucket b;
    unsigned taken = 0;

    bucket_init(&b, 1, 3, 0);
    CHECK(bucket_take(&b, 1, 0));
    for (uint64_t now = 1; now <= 10000; now++)
        taken += bucket_take(&b, 1, now);
    CHECK(taken >= 29 && taken <= 30);
}

TEST(bucket, time_may_stand_jump_or_go_back)
{
    struct bucket b;

    bucket_init(&b, 2, 1, 5000);
    CHECK(bucket_take(&b, 2, 5000));
    CHECK(!bucket_take(&b, 1, 4000));
    CHECK(!bucket_take(&b, 1, 5999));
    CHECK(bucket_take(&b, 1, 6000));
    CHECK(bucket_take(&b, 2, UINT64_MAX));
    CHECK(!bucket_take(&b, 1, UINT64_MAX));
    bucket_init(&b, UINT32_MAX, UINT32_MAX, 0);
    CHECK(bucket_take(&b, UINT32_MAX, 0));
    CHECK(!bucket_take(&b, UINT32_MAX, 999));
    CHECK(bucket_take(&b, UINT32_MAX, 2000));
    CHECK(bucket_take(&b, UINT32_MAX, 2003 + (uint64_t)UINT32_MAX)); /* no overflow on the way */
}

TEST(bucket, without_rate_it_never_fills)
{
    struct bucket b;

    bucket_init(&b, 1, 0, 0);
    CHECK(bucket_take(&b, 1, 0));
    CHECK(!bucket_take(&b, 1, 1000000));
    CHECK(!bucket_take(&b, 1, (uint64_t)UINT32_MAX * 10));
}

TEST(random, seeded_runs_repeat)
{
    struct random a;
    struct random b;
    unsigned char x[13];
    unsigned char y[13];

    random_init_seeded(&a, 7);
    random_init_seeded(&b, 7);
    for (int i = 0; i < 10; i++) {
        random_fill(&a, x, sizeof(x));
        random_fill(&b, y, sizeof(y));
        CHECK(memcmp(x, y, sizeof(x)) == 0);
    }
    random_init_seeded(&b, 8);
    CHECK(random_u64(&a) != random_u64(&b));
    random_init_seeded(&a, 0); /* splitmix64's first number for seed 0 */
    CHECK(random_u64(&a) == 0xE220A8397B1DCDAFu);
}

TEST(random, below_is_uniform)
{
    struct random rnd;
    unsigned seen[6] = {0};

    random_init_seeded(&rnd, 9);
    CHECK_EQ(random_below(&rnd, 0), 0);
    CHECK_EQ(random_below(&rnd, 1), 0);
    for (int i = 0; i < 60000; i++)
        seen[random_below(&rnd, 6)]++;
    for (int i = 0; i < 6; i++)
        CHECK(seen[i] > 9500 && seen[i] < 10500);
}

/* With a bound of 3/4 of 2^64 a plain remainder would hit the lower third twice as often. */
TEST(random, below_has_no_modulo_bias)
{
    uint64_t bound = 3ull << 62;
    struct random rnd;
    unsigned low = 0;

    random_init_seeded(&rnd, 10);
    for (int i = 0; i < 30000; i++)
        low += random_below(&rnd, bound) < bound / 3;
    CHECK(low > 9500 && low < 10500);
}

TEST(random, system_gives_different_bytes)
{
    unsigned char a[16];
    unsigned char b[16];
    struct random rnd;

    random_init_system(&rnd);
    random_fill(&rnd, a, sizeof(a));
    random_fill(&rnd, b, sizeof(b));
    CHECK(memcmp(a, b, sizeof(a)) != 0);
}

TESTS(TEST_OF(backoff, waits_within_a_doubling_ceiling),
      TEST_OF(backoff, is_spread_over_the_whole_range), TEST_OF(backoff, ends_and_starts_again),
      TEST_OF(backoff, bears_extreme_numbers), TEST_OF(bucket, allows_a_burst_then_a_rate),
      TEST_OF(bucket, fractions_are_not_lost), TEST_OF(bucket, time_may_stand_jump_or_go_back),
      TEST_OF(bucket, without_rate_it_never_fills), TEST_OF(random, seeded_runs_repeat),
      TEST_OF(random, below_is_uniform), TEST_OF(random, below_has_no_modulo_bias),
      TEST_OF(random, system_gives_different_bytes))
