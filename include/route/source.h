/* route/source.h - who brings stanzas, and the gates that slow it. Pure: the timer is the link's.
 *
 * A source (an inbound stream, a component) that feeds a full queue is not read for a while
 * (limits.source_pause at most at a time). It waits at the queue's gate; the gate opens when the
 * queue has room again.
 */
#ifndef ROUTE_SOURCE_H
#define ROUTE_SOURCE_H

#include "base/list.h"

#include <stdint.h>

struct source {
    struct list at_gate; /* in a gate's list while paused */
    uint64_t paused_since_ms;
    void (*pause)(struct source *s);  /* stop reading */
    void (*resume)(struct source *s); /* go on */
};

struct gate {
    struct list sources;
};

void source_init(struct source *s, void (*pause)(struct source *), void (*resume)(struct source *));
static inline bool source_paused(const struct source *s)
{
    return list_linked(&s->at_gate);
}
/* Leaves the gate without being resumed (the stream closes). */
void source_fini(struct source *s);

void gate_init(struct gate *g);
/* Pauses the source at this gate; no-op if it is paused already. */
void gate_hold(struct gate *g, struct source *s, uint64_t now_ms);
/* Lets all go on. */
void gate_open(struct gate *g);
/* Lets one go on: its pause is over though the queue is still full. */
void source_release(struct source *s);

#endif
