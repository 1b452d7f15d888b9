/* base/tally.h - how many of something are under way for each address, and not more than a bound.
 *
 * Pure. IPv6 is counted by /64: a customer has that at least, so single addresses would bound
 * nobody. An address with nothing under way costs nothing.
 */
#ifndef BASE_TALLY_H
#define BASE_TALLY_H

#include "base/addr.h"
#include "base/map.h"

struct tally {
    struct map counts; /* address bytes -> struct count */
};

void tally_init(struct tally *t, const uint64_t seed[2]);
void tally_fini(struct tally *t);
/* One more, unless there are `most` already. */
bool tally_take(struct tally *t, const struct addr *a, size_t most);
/* One less; more than were taken do no harm. */
void tally_give(struct tally *t, const struct addr *a);
size_t tally_addresses(const struct tally *t);

#endif
