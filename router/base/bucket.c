#include "base/bucket.h"

void bucket_init(struct bucket *b, uint32_t burst, uint32_t per_second, uint64_t now_ms)
{
    b->milli = (uint64_t)burst * 1000;
    b->last_ms = now_ms;
    b->burst = burst;
    b->per_second = per_second;
}

bool bucket_take(struct bucket *b, uint32_t n, uint64_t now_ms)
{
    uint64_t full = (uint64_t)b->burst * 1000;

    if (now_ms > b->last_ms) {
        uint64_t past_ms = now_ms - b->last_ms;

        b->last_ms = now_ms;
        /* past_ms * per_second overflows only after an age; by then the bucket is full */
        if (past_ms > UINT32_MAX || b->milli + past_ms * b->per_second > full)
            b->milli = full;
        else
            b->milli += past_ms * b->per_second;
    }
    if (b->milli < (uint64_t)n * 1000)
        return false;
    b->milli -= (uint64_t)n * 1000;
    return true;
}
