/* loop/timer.h - call me at a time. Embedded, one shot; a binary heap per loop, shared by both
 * loops (router/loop/timer.c is pure).
 */
#ifndef LOOP_TIMER_H
#define LOOP_TIMER_H

#include "loop/loop.h"

struct timer {
    struct loop *loop;
    void (*fire)(struct timer *t);
    uint64_t at_ms;
    uint64_t order; /* equal times fire in the order they were started */
    size_t place;   /* in the heap, or SIZE_MAX when stopped */
};

void timer_init(struct timer *t, struct loop *l, void (*fire)(struct timer *t));
/* From now; a running timer is moved. 0: next turn. */
void timer_start(struct timer *t, uint64_t after_ms);
void timer_stop(struct timer *t);
static inline bool timer_running(const struct timer *t)
{
    return t->place != SIZE_MAX;
}

/* For the two loops only. */
struct timer_heap {
    struct timer **at;
    size_t count;
    size_t room;
    uint64_t order;     /* timers started so far */
    struct timer **due; /* taken out by timer_heap_fire and not fired yet; NULL: stopped since */
    size_t due_count;
    size_t due_room;
};
struct timer_heap *loop_timers(struct loop *l);
void timer_heap_init(struct timer_heap *h);
void timer_heap_fini(struct timer_heap *h);
/* When the first one is due, or UINT64_MAX. */
uint64_t timer_heap_next_ms(const struct timer_heap *h);
/* Fires all due at `now_ms`; a timer started by one of them waits for the next call. */
void timer_heap_fire(struct timer_heap *h, uint64_t now_ms);
/* Called by timer_start/stop when the earliest time changed, so that the loop re-arms. */
void loop_timers_changed(struct loop *l);

#endif
