/* base/bucket.h - token bucket: so much at once, so much a second. Pure: time is an argument. */
#ifndef BASE_BUCKET_H
#define BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
    uint64_t milli;   /* tokens left, in thousandths */
    uint64_t last_ms; /* when `milli` was right */
    uint32_t burst;   /* tokens at most */
    uint32_t per_second;
};

void bucket_init(struct bucket *b, uint32_t burst, uint32_t per_second, uint64_t now_ms);
/* Takes `n` tokens if they are there. */
bool bucket_take(struct bucket *b, uint32_t n, uint64_t now_ms);

#endif
