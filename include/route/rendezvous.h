/* route/rendezvous.h - which of several candidates has a key: each draws a number from the key,
 * the highest has it. A candidate that comes or goes moves only its own keys.
 *
 * Pure. The draw is the same on all nodes and in all versions.
 */
#ifndef ROUTE_RENDEZVOUS_H
#define ROUTE_RENDEZVOUS_H

#include "base/slice.h"

/* A name, or any other bytes, as a number to draw with. */
uint64_t rendezvous_hash(struct slice s);
uint64_t rendezvous_draw(uint64_t key_hash, uint64_t candidate);

#endif
