/* route/router.h - one worker's router: where does a stanza go, and who answers for it.
 *
 * Pure. The router of the worker that accepted a stanza (its ingress) has custody of it until its
 * fate and alone counts and bounces; the router of the worker that owns the port reports fates.
 * Nothing here asks whether a sender may send: that was settled at the entrance (link/s2s_in,
 * link/component).
 *
 * in = out + bounced + dropped + held, exactly, at rest; stanzas of our own are outside of it.
 */
#ifndef ROUTE_ROUTER_H
#define ROUTE_ROUTER_H

#include "base/counter.h"
#include "route/lane.h"
#include "route/table.h"

/* A port's name among workers and nodes: "local remote", or '#' and the number of an instance (8
 * bytes, network order). */
#define PORT_KEY_BYTES_MAX (2 * 1024)

enum router_link { ROUTER_COMPONENT, ROUTER_S2S };

struct router;

struct router_ops {
    /* The queue of a pair owned here; created if need be, never NULL. */
    struct outq *(*pair)(void *arg, struct slice key);
    /* The queue of a component instance connected here, or NULL. */
    struct outq *(*instance)(void *arg, uint64_t id);
    /* The lane to a port on another worker, created if need be. */
    struct lane_tx *(*lane)(void *arg, unsigned worker, struct slice port_key);
    uint64_t (*now_ms)(void *arg);
    /* The lane of a pair that is another node's, or nobody's yet; NULL: it is ours. The op itself
     * may be NULL: one node. */
    struct lane_tx *(*away)(void *arg, struct slice port_key);
    /* The lane to an instance on another node. NULL: one node. */
    struct lane_tx *(*to_node)(void *arg, struct slice node, struct slice port_key);
};

struct router {
    const struct router_ops *ops;
    void *arg;
    unsigned worker;
    unsigned worker_count;
    uint64_t seed[2]; /* the same on all workers */
    struct counters *counters;
    struct mem_budget *memory; /* of the process: charged from acceptance to fate */
    struct table table;
    struct outq_limits limits;
    struct list queues;             /* outqs with stanzas: struct outq, active */
    struct list lanes;              /* lanes with stanzas: struct lane_tx, active */
    _Atomic uint64_t held_count;    /* accepted here and without a fate yet */
    _Atomic uint64_t made_count;    /* the same of stanzas of our own */
    _Atomic uint64_t foreign_count; /* and of those that other nodes have sent here */
};

void router_init(struct router *r, const struct router_ops *ops, void *arg, unsigned worker,
                 unsigned worker_count, const uint64_t seed[2], struct counters *counters,
                 struct mem_budget *memory, const struct outq_limits *limits);
void router_fini(struct router *r);

/* Takes the caller's reference. `source` is paused when the port is full. */
void router_accept(struct router *r, struct stanza *s, enum router_link link,
                   struct source *source);
/* Counts as accepted and answers at once: too big, malformed, by policy. Takes the reference. */
void router_refuse(struct router *r, struct stanza *s, enum router_link link, enum bounce why,
                   struct slice detail);
/* A stanza of our own. Takes the reference. */
void router_send(struct router *r, struct stanza *s);

/* --- for the owners of ports --- */
/* outq_ops.fate of every port: at home it settles, otherwise it reports over the lane. */
void router_fate(struct router *r, struct stanza *s, enum fate fate, enum bounce why,
                 struct slice detail);
/* A stanza that came over a lane (s->lane set): into its port's queue. Takes the reference. */
void router_deliver(struct router *r, struct outq *port, struct stanza *s);
/* Remember to look after it: age. Called when something was put. */
void router_watch(struct router *r, struct outq *q);
/* lane_tx_ops.fate of every lane. */
void router_settle(struct router *r, struct stanza *s, enum fate fate, enum bounce why,
                   struct slice detail);

/* --- instances, told by the store --- */
void router_join(struct router *r, struct slice pattern, const struct table_place *place);
void router_leave(struct router *r, uint64_t id);

/* Which worker a pair, or another node, lives on. */
unsigned router_key_worker(const struct router *r, struct slice key);
size_t router_pair_key(struct slice local, struct slice remote, char *buf);
/* Takes apart what router_pair_key made; the parts are of the key. */
void router_pair_split(struct slice key, struct slice *ret_local, struct slice *ret_remote);
size_t router_instance_key(uint64_t id, char *buf);
/* False: it is none. */
bool router_instance_id(struct slice key, uint64_t *ret_id);

/* Ages: queues, lanes, held stanzas. `hangs`: an open queue whose oldest written stanza is over
 * age: its link is to be given up. Every 200 ms or so. True while there is anything to age. */
bool router_tick(struct router *r, void (*hangs)(void *arg, struct outq *q));
/* All that is still held for absent components ends so (drain). */
void router_flush_held(struct router *r, enum bounce why);
bool router_holds(const struct router *r); /* ... is there any? */
void router_configure(struct router *r, const struct outq_limits *limits,
                      const struct table_rule *rules, size_t count);

#endif
