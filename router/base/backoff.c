#include "base/backoff.h"

uint64_t backoff_fail(struct backoff *b, struct random *rnd, uint64_t now_ms, uint64_t first_ms,
                      uint64_t most_ms)
{
    uint64_t ceiling = first_ms;
    uint64_t floor;
    uint64_t wait;

    /* 63 doublings pass any number but 0 */
    for (uint32_t i = 0; i < b->failures_count && i < 63 && ceiling < most_ms; i++)
        ceiling = ceiling > most_ms / 2 ? most_ms : ceiling * 2;
    if (ceiling > most_ms)
        ceiling = most_ms;
    if (b->failures_count < UINT32_MAX)
        b->failures_count++;
    floor = ceiling / 10;
    wait = floor + random_below(rnd, ceiling - floor + 1);
    b->until_ms = now_ms + wait;
    return wait;
}

void backoff_reset(struct backoff *b)
{
    b->failures_count = 0;
    b->until_ms = 0;
}
