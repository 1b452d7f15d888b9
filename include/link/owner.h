/* link/owner.h - who owns a pair, as a worker sees it: the question that lanes and ports ask.
 * A pair is known by its key (route/router: "local remote").
 *
 * Answers come from a worker's own copy, at once. Without a view (ops NULL) every pair is ours.
 *
 * The view's duties:
 * - What changes is in the view first; then, in the same turn, lanes_decided is called for the pair
 *   on this worker, and where a port of ours gives it up, all that is in its queue ends with
 *   FATE_RETURNED: lanes and ingress do the rest.
 * - Where it says OWNER_UNKNOWN the stanzas of the pair wait in their ingress, bounded and ageing,
 *   until lanes_decided.
 * - A stanza that finds one lane of its pair in use takes that lane, whatever the view says: order.
 */
#ifndef LINK_OWNER_H
#define LINK_OWNER_H

#include "base/slice.h"

enum owner_where {
    OWNER_SELF,
    OWNER_NODE,
    OWNER_UNKNOWN, /* being found out, or handed over */
};

struct owner {
    enum owner_where where;
    struct slice node; /* borrowed for the call */
    uint64_t incarnation;
    uint64_t token;
};

struct owner_ops {
    /* Where its stanzas go. */
    void (*find)(void *arg, struct slice key, struct owner *ret_owner);
    /* Another node, or another worker, has stanzas for the pair: is it ours, or to be claimed by us
     * (one hop: nothing that came over a lane is sent on)? Asked on the pair's worker. */
    bool (*accept)(void *arg, struct slice key);
    /* `by` does not own it, and named `hint` (OWNER_NODE), or nobody (OWNER_UNKNOWN). Followed only
     * if its token is higher than any seen for the pair. What find answers then is done, after a
     * back-off if it is the same. */
    void (*refused)(void *arg, struct slice key, struct slice by, const struct owner *hint);
};

struct owner_view {
    const struct owner_ops *ops; /* or NULL */
    void *arg;
};

#endif
