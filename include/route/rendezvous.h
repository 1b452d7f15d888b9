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

/* One choice: the candidates are shown one after the other, in any order. */
struct rendezvous {
    uint64_t key_hash;
    uint64_t best; /* draw of the one that leads */
    bool any;
};

void rendezvous_begin(struct rendezvous *r, struct slice key);
/* Does it lead all shown before? The last that did has the key. Of equals the first. */
bool rendezvous_leads(struct rendezvous *r, uint64_t candidate);
bool rendezvous_name_leads(struct rendezvous *r, struct slice name);

#endif
