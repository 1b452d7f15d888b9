/* base/tally.h - how many of something are under way for each address, and not more than a bound.
 *
 * Pure. IPv6 is counted by /64: a customer has that at least, so single addresses would bound
 * nobody. An address with nothing under way costs nothing.
 */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include "base/addr.h"
#include "base/list.h"
#include "base/map.h"

struct tally {
    struct map counts;  /* address bytes -> struct count */
    struct list others; /* what others counted: struct tally_other */
};

/* An address, or the network that is counted: 4 bytes, or the first 8 of IPv6. */
struct tally_row {
    char key[8];
    size_t key_len;
    size_t n;
};

void tally_init(struct tally *t, const uint64_t seed[2]);
void tally_fini(struct tally *t);
/* One more, unless there are `most` already, here and elsewhere. */
bool tally_take(struct tally *t, const struct addr *a, size_t most);
/* One less; more than were taken do no harm. */
void tally_give(struct tally *t, const struct addr *a);
size_t tally_addresses(const struct tally *t);
/* Those with more than `over` here, at most `room`; how many. */
size_t tally_crowds(const struct tally *t, size_t over, struct tally_row *rows, size_t room);
/* The last word of `who`: it replaces the one before. Bounded by the caller. */
void tally_hear(struct tally *t, struct slice who, const struct tally_row *rows, size_t count);

#endif
