#include "base/counter.h"

const uint64_t histogram_bounds_us[HISTOGRAM_BUCKETS - 1] = {HISTOGRAM_BOUNDS};

void counter_observe(struct counters *c, enum counter_cell first, uint64_t us)
{
    unsigned i = 0;

    while (i < HISTOGRAM_BUCKETS - 1 && us > histogram_bounds_us[i])
        i++;
    counter_add(c, (enum counter_cell)((unsigned)first + i), 1);
    counter_add(c, (enum counter_cell)((unsigned)first + HISTOGRAM_BUCKETS), us);
}
