/* The rule of ownership under everything that a seed draws: at most one node writes for a pair at
 * any moment, nobody is buried too early, and in the end each pair has a writer.
 *
 * A seed that fails: build/tests/sim/ownership/ownership --from SEED --seeds 1 --trace
 * Millions:          build/tests/sim/ownership/ownership --seeds 1000000 */
#include "sim/ownership/world.h"
#include "unit/test.h"

#include <inttypes.h>
#include <stdlib.h>

#ifdef __SANITIZE_ADDRESS__
#define SEEDS 1000
#else
#define SEEDS 10000
#endif

TEST(ownership, one_writer_whatever_happens)
{
    uint64_t count = getenv("FEDROUTER_LONG") ? SEEDS * 10 : SEEDS;
    uint64_t excused = 0;

    for (uint64_t seed = 1; seed <= count; seed++) {
        struct outcome o = run_seed(seed, false);

        CHECK_MSG(!o.two_writers, "seed %" PRIu64 ": two nodes write for one pair", seed);
        CHECK_MSG(!o.early_burial, "seed %" PRIu64 ": buried too early", seed);
        CHECK_MSG(!o.unserved, "seed %" PRIu64 ": a pair has no writer in the end", seed);
        excused += o.assumption_broken;
    }
    CHECK_MSG(excused * 20 < count, "in %" PRIu64 " of %" PRIu64 " seeds the assumption was broken",
              excused, count);
}

/* Printed, to be compared with what is promised. */
TEST(ownership, times_without_a_writer)
{
    times_print();
}

TESTS(TEST_OF(ownership, one_writer_whatever_happens), TEST_OF(ownership, times_without_a_writer))
