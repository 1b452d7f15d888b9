/* session/instances.h - the connections of components to this node, and the rule when there are
 * several of one local domain. On the steward's loop; workers ask by message (link/desk).
 *
 * Answers come by callback, posted, in the order asked: a join waits for its answer on one node as
 * on many.
 */
#ifndef SESSION_INSTANCES_H
#define SESSION_INSTANCES_H

#include "loop/loop.h"
#include "route/table.h"

struct instances;

enum instances_join { INSTANCE_JOINED, INSTANCE_CONFLICT };
typedef void instances_join_fn(void *arg, enum instances_join outcome);

/* News for the node; called on the same loop. */
struct instances_events {
    void (*joined)(void *arg, struct slice pattern, uint64_t id, unsigned worker);
    void (*left)(void *arg, uint64_t id);
    /* Another instance took its place (`replace`): its link is to be closed with `conflict`. */
    void (*replaced)(void *arg, uint64_t id, unsigned worker);
};

struct instances *instances_new(struct loop *l, const struct instances_events *events, void *arg);
void instances_free(struct instances *s);

/* An instance of a local domain wants in; `id` is unique in the process. */
void instances_join(struct instances *s, struct slice pattern, enum connections rule, uint64_t id,
                    unsigned worker, instances_join_fn *done, void *arg);
void instances_leave(struct instances *s, uint64_t id);

#endif
