/* session/instances.h - the connections of components to this node and to the others, and the rule
 * when there are several of one local domain. On the steward's loop; workers ask by message
 * (link/desk), other nodes tell (link/tell).
 *
 * Each connection draws a number above the highest heard for its domain, and carries a mark that
 * is the same on all nodes. `replace` keeps the highest of both, `refuse` the lowest, `share` all.
 * Every node judges by what it has heard; the node that holds a connection ends it. Nodes that were
 * cut off from each other agree when they meet again.
 *
 * What is shown to the router (joined, left) is what may get stanzas. Answers come by callback,
 * posted.
 */
#ifndef SESSION_INSTANCES_H
#define SESSION_INSTANCES_H

#include "loop/loop.h"
#include "route/table.h"
#include "wire/frame.h"

struct instances;

/* How long `refuse` waits for the others' word before a new connection is let in. */
#define INSTANCES_WAIT_MS 1000
/* Connections of one other node that are known here; more are not. */
#define INSTANCES_OF_NODE_MAX 16384

enum instances_join { INSTANCE_JOINED, INSTANCE_CONFLICT };
typedef void instances_join_fn(void *arg, enum instances_join outcome);

/* News for the node; called on the same loop. */
struct instances_events {
    void (*joined)(void *arg, struct slice pattern, const struct table_place *place);
    void (*left)(void *arg, uint64_t id);
    /* One of this node lost its place: its link is to be closed with `conflict`. */
    void (*replaced)(void *arg, uint64_t id, unsigned worker);
    /* The rule of a domain. */
    enum connections (*rule)(void *arg, struct slice pattern);
};

struct instances *instances_new(struct loop *l, const struct instances_events *events, void *arg);
void instances_free(struct instances *s);

/* An instance of a local domain wants in; `id` is unique in the process. */
void instances_join(struct instances *s, struct slice pattern, uint64_t id, unsigned worker,
                    instances_join_fn *done, void *arg);
void instances_leave(struct instances *s, uint64_t id);

/* --- other nodes: for link/tell --- */

struct instances_company {
    /* A change of ours (never `full`), to be told to whoever is there. */
    void (*tell)(void *arg, const struct frame_components *change);
    /* Anybody who has not heard all up to `number`? */
    bool (*awaits)(void *arg, uint64_t number);
};

/* `process`: ours, drawn at start. Before the first join. */
void instances_meet(struct instances *s, uint64_t process, const struct instances_company *company,
                    void *arg);
/* All of ours, in as many parts as fit into frames: for a node that was just met. */
void instances_tell_all(struct instances *s,
                        void (*fn)(void *arg, const struct frame_components *part), void *arg);
/* What another node told of its own. False: more than INSTANCES_OF_NODE_MAX; the rest is not known
 * here. */
bool instances_hear(struct instances *s, struct slice node, uint64_t process,
                    const struct frame_components *told);
/* It is gone, or cut off for too long: so are its instances. */
void instances_forget(struct instances *s, struct slice node);
/* Somebody heard, came or went: joins that wait look again. */
void instances_heard(struct instances *s);

#endif
