/* loop/pace.h - how long a busy loop lets events gather before it looks for them again. Pure.
 *
 * A wake, a read, a TLS record and a write cost twenty times what a stanza in them does. So a loop
 * looks for events once in PACE_GAP_US at most, unless it has much to do: each look then finds a
 * few stanzas, and what they make goes out together. An event that comes alone finds the loop
 * asleep in its look and waits for nothing; of those that come close together each waits half a
 * gap on average. A turn that lasts half a gap, or moves PACE_ENOUGH_BYTES, is followed by the
 * next look at once: no throughput is lost, and no short nap is paid for, which would save
 * nothing.
 */
#ifndef LOOP_PACE_H
#define LOOP_PACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACE_GAP_US 250
/* Read and written in one turn: its fixed cost is shared by enough stanzas. */
#define PACE_ENOUGH_BYTES 16384

struct pace {
    uint64_t looked_us; /* when the last look began */
};

/* So long to wait before the next look, which begins after that. */
static inline uint64_t pace_nap_us(struct pace *p, uint64_t now_us, size_t moved_bytes)
{
    uint64_t past = now_us - p->looked_us;
    bool worth = past < PACE_GAP_US / 2 && moved_bytes < PACE_ENOUGH_BYTES;
    uint64_t nap = worth ? PACE_GAP_US - past : 0;

    p->looked_us = now_us + nap;
    return nap;
}

#endif
