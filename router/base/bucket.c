#include "base/bucket.h"

void bucket_init(struct bucket *b, uint32_t burst, uint32_t per_second, uint64_t now_ms)
{
    b->milli = (uint64_t)burst * 1000;
    b->last_ms = now_ms;
    b->burst = burst;
    b->per_second = per_second;
}

static void refill(struct bucket *b, uint64_t now_ms)
{
    uint64_t missing = (uint64_t)b->burst * 1000 - b->milli;
    uint64_t past_ms = now_ms - b->last_ms;

    b->last_ms = now_ms;
    if (b->per_second == 0)
        return;
    if (past_ms > missing / b->per_second) /* divided: the product could overflow */
        b->milli += missing;
    else
        b->milli += past_ms * b->per_second; /* a thousandth per ms and token per second */
}

bool bucket_take(struct bucket *b, uint32_t n, uint64_t now_ms)
{
    if (now_ms > b->last_ms)
        refill(b, now_ms);
    if (b->milli < (uint64_t)n * 1000)
        return false;
    b->milli -= (uint64_t)n * 1000;
    return true;
}
