/* link/lanes.h - the lanes of one worker: to ports on other workers and nodes, and from there.
 *
 * Within the process stanzas cross in batches over loop/hop, one message a turn and worker, and are
 * shared: the ingress keeps its reference until DONE. To another node they go by the worker that
 * has the connection to it (link/mesh), as copies. Both ends are route/lane in either case.
 *
 * The order of a pair at its ingress: there is one lane for it at a time; it is given up, or goes
 * elsewhere, when nothing is in it; and what comes back comes back together.
 */
#ifndef LINK_LANES_H
#define LINK_LANES_H

#include "link/owner.h"
#include "loop/hop.h"
#include "route/router.h"

struct lanes;
struct mesh;

struct lanes_options {
    struct loop *loop;
    struct router *router; /* of the worker */
    /* The queue of a port of this worker; NULL: it is not here. */
    struct outq *(*port)(void *arg, struct slice key);
    void (*wake)(void *arg); /* there is something to age: lanes_tick is to be called */
    void *arg;
    struct owner_view owners;
};

struct lanes *lanes_open(const struct lanes_options *o);
struct hop *lanes_hop(struct lanes *l);
/* `hops`: of every worker, by index. Copied. */
void lanes_connect(struct lanes *l, struct hop *const *hops, unsigned count);
bool lanes_idle(const struct lanes *l);
void lanes_close(struct lanes *l);
/* router_ops.lane */
struct lane_tx *lanes_to(struct lanes *l, unsigned worker, struct slice port_key);
/* router_ops.away */
struct lane_tx *lanes_away(struct lanes *l, struct slice pair_key);
/* The lane to a port on another node that is no pair: an instance. */
struct lane_tx *lanes_to_node(struct lanes *l, struct slice node, struct slice port_key);
/* Gives up lanes that carried nothing for a minute. */
void lanes_tick(struct lanes *l, uint64_t now_ms);
/* What waits for credit comes back. */
void lanes_bounce_held(struct lanes *l, enum bounce why);
/* Gives up all that carry nothing (shutdown). */
void lanes_give_up(struct lanes *l);
/* What waits for a node, or for a decision, ends; `all`: what was sent there too. */
void lanes_bounce(struct lanes *l, bool all, enum bounce why);

/* --- for link/owners and link/members, on every worker --- */
/* The view changed for that pair. */
void lanes_decided(struct lanes *l, struct slice pair_key);
/* That incarnation left the list. Who can be reached says by itself what it gives back, be it as
 * the next incarnation; from who cannot, now or later, all that is of pairs comes back, to be
 * routed anew. */
void lanes_node_gone(struct lanes *l, struct slice node, uint64_t incarnation);
/* What the node has for its components comes back, to be routed anew. */
void lanes_instances_gone(struct lanes *l, struct slice node);

#endif
