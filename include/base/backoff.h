/* base/backoff.h - how long to wait after the n-th failure: exponential, full jitter, truncated.
 *
 * Pure. Spec: RFC 6120 3.3 (reconnection), our numbers in CONFORMANCE STREAM-21: from 1 s to 60 s.
 */
#ifndef BASE_BACKOFF_H
#define BASE_BACKOFF_H

#include "base/random.h"

#include <stdbool.h>

struct backoff {
    uint32_t failures_count;
    uint64_t until_ms; /* do not try before; 0: at once */
};

/* Full jitter over [0, ceiling]; the ceiling doubles from first_ms to most_ms. A floor of a
 * tenth of the ceiling keeps a run of small draws from becoming a burst. Returns the wait. */
uint64_t backoff_fail(struct backoff *b, struct random *rnd, uint64_t now_ms, uint64_t first_ms,
                      uint64_t most_ms);
void backoff_reset(struct backoff *b);

static inline bool backoff_over(const struct backoff *b, uint64_t now_ms)
{
    return now_ms >= b->until_ms;
}

#endif
