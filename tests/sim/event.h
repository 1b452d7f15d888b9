/* tests/sim/event.h - what will happen and when: a heap of events in invented time.
 *
 * Ordered by time; equal times by a number drawn from the seed when the event was set, so that
 * no run relies on who came first in the code. An event is embedded in its owner, one shot.
 */
#ifndef SIM_EVENT_H
#define SIM_EVENT_H

#include "base/random.h"

#include <stdbool.h>

struct event {
    void (*run)(struct event *ev);
    uint64_t at_us;
    uint64_t tie;
    uint64_t order; /* the last resort, should two ties be equal */
    size_t place;   /* index in the heap, or SIZE_MAX */
};

struct event_heap {
    struct event **at;
    size_t count;
    size_t room;
    uint64_t order;
};

void event_init(struct event *ev, void (*run)(struct event *ev));
static inline bool event_waits(const struct event *ev)
{
    return ev->place != SIZE_MAX;
}

void event_heap_init(struct event_heap *h);
void event_heap_fini(struct event_heap *h);
/* A waiting event is moved. */
void event_set(struct event_heap *h, struct event *ev, uint64_t at_us, struct random *rnd);
void event_cancel(struct event_heap *h, struct event *ev);
/* The earliest, or NULL; it stays. */
struct event *event_first(const struct event_heap *h);

#endif
