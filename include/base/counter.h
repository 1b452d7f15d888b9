/* base/counter.h - what a loop counts: one block a loop, relaxed atomics, read by metrics.
 *
 * Only the owning loop adds; any thread reads. Never a global: the block is an argument.
 */
#ifndef BASE_COUNTER_H
#define BASE_COUNTER_H

#include <assert.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* Upper bounds of histogram buckets in microseconds; one more, without bound, follows. */
#define HISTOGRAM_BOUNDS                                                                           \
    100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000, 100000, 200000, 500000, 1000000,         \
        2000000, 5000000, 10000000, 30000000
#define HISTOGRAM_BUCKETS 18

/* Index of a counter's first cell in the block. */
enum counter_cell {
#define COUNTER(id, metric, labels, help) COUNTER_##id,
#define FAMILY(id, metric, label, room, help)                                                      \
    COUNTER_##id, COUNTER_##id##_END = COUNTER_##id + (room)-1,
#define HISTOGRAM(id, metric, help)                                                                \
    COUNTER_##id, COUNTER_##id##_SUM_US = COUNTER_##id + HISTOGRAM_BUCKETS,
#include "base/counter.def"
#undef COUNTER
#undef FAMILY
#undef HISTOGRAM
    COUNTER_CELLS
};

struct counters {
    _Atomic uint64_t cell[COUNTER_CELLS];
};

/* Only the owner writes: a load and a store, no locked instruction. */
static inline void counter_add(struct counters *c, enum counter_cell at, uint64_t n)
{
    uint64_t v = atomic_load_explicit(&c->cell[at], memory_order_relaxed);

    atomic_store_explicit(&c->cell[at], v + n, memory_order_relaxed);
}

static inline void counter_add_in(struct counters *c, enum counter_cell first,
                                  enum counter_cell last, unsigned index, uint64_t n)
{
    assert(index <= (unsigned)last - (unsigned)first);
    counter_add(c, (enum counter_cell)((unsigned)first + index), n);
}

/* FAMILY: counter_add_to(c, BOUNCED, reason, 1) */
#define counter_add_to(c, id, index, n)                                                            \
    counter_add_in(c, COUNTER_##id, COUNTER_##id##_END, (unsigned)(index), n)

static inline uint64_t counter_read(const struct counters *c, unsigned at)
{
    return atomic_load_explicit(&c->cell[at], memory_order_relaxed);
}

/* HISTOGRAM: `first` is COUNTER_<id>. */
void counter_observe(struct counters *c, enum counter_cell first, uint64_t us);

extern const uint64_t histogram_bounds_us[HISTOGRAM_BUCKETS - 1];

#endif
