/* link/hearsay.h - what other nodes said of remote domains, as a worker takes it.
 *
 * Their failure counts as one's own: the pair does not dial, stanzas bounce with that cause; a pair
 * that has a link, or is dialling, is left alone. But no node is silenced by another whose own way
 * to the world is broken: a pair heeds others for HEARSAY_MOST_MS, then it tries itself. A domain
 * that lives, by anybody's word, is free again at once. Spec: CONFORMANCE STREAM-21.
 */
#ifndef LINK_HEARSAY_H
#define LINK_HEARSAY_H

#include "link/pair.h"

#define HEARSAY_MOST_MS PAIR_BACKOFF_MOST_MS
/* Who failed itself tries first; the others so much later, and up to twice that: by then they know
 * how it went, if it went fast. */
#define HEARSAY_LATER_MS PAIR_BACKOFF_FIRST_MS

struct frame_backoffs;

/* Borrowed. What that node's frame says was bounded by its shape alone. */
void hearsay_take(struct site *s, struct slice node, const struct frame_backoffs *told);
/* It is gone, and so is its word. */
void hearsay_forget(struct site *s, struct slice node);
/* Of that pair, or (`of_domain`) of its remote domain. `since_ms`: when the asker began to heed
 * others, 0: not yet; until it has tried itself. False: nothing that it is to heed. */
bool hearsay_find(const struct site *s, struct slice local, struct slice remote, bool of_domain,
                  uint64_t *since_ms, struct outage *ret_outage);

#endif
