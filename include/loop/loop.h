/* loop/loop.h - one thread's event loop: time, tasks, chance. libuv's door (router/loop), or an
 * invented world (tests/sim) behind the same header.
 *
 * Everything of a loop is touched by its own thread only, except where a header says "any
 * thread". A turn: events are delivered, then posted tasks run until none is left, then deferred
 * tasks (once each), then the loop sleeps.
 */
#ifndef LOOP_LOOP_H
#define LOOP_LOOP_H

#include "base/counter.h"
#include "base/list.h"
#include "base/log.h"
#include "base/random.h"

struct loop;

/* Embedded in its owner; one queue at a time. */
struct task {
    struct list node;
    void (*run)(struct task *task);
};

/* `counters`, `sink`: borrowed, outlive the loop. */
struct loop *loop_new(struct counters *counters, struct log_sink *sink);
/* After loop_run returned. Open sockets and timers of the loop must be closed before. */
void loop_free(struct loop *l);
/* Turns until loop_stop. (The invented loop returns at once: its world turns it.) */
void loop_run(struct loop *l);
/* From its own thread; loop_run returns after this turn. */
void loop_stop(struct loop *l);

/* Milliseconds since an arbitrary start, never back; constant during one event. */
uint64_t loop_now_ms(const struct loop *l);
/* The same clock in microseconds, read anew. */
uint64_t loop_now_us(struct loop *l);
/* CLOCK_BOOTTIME in milliseconds, read anew: goes on while a machine is suspended. Leases. */
uint64_t loop_boot_ms(struct loop *l);
/* Microseconds since 1970. */
uint64_t loop_wall_us(struct loop *l);
/* Any thread: when the loop last turned, by loop_now_ms's clock (one for all loops of the
 * process). Less than two seconds ago, idle or not, unless it hangs: /livez. */
uint64_t loop_turned_ms(const struct loop *l);
struct random *loop_random(struct loop *l);
struct counters *loop_counters(struct loop *l);
struct log *loop_log(struct loop *l);

void task_init(struct task *t, void (*run)(struct task *task));
/* Runs soon, in order, still in this turn; no-op if it waits already. */
void loop_post(struct loop *l, struct task *t);
/* Runs at the end of this turn, after all posted ones; no-op if it waits already. From a deferred
 * task: in the next turn, which then comes without sleep. */
void loop_defer(struct loop *l, struct task *t);
void task_cancel(struct task *t);

/* A buffer that belongs to whoever runs now; its content lasts until the next event. */
#define LOOP_SCRATCH_BYTES 65536
char *loop_scratch(struct loop *l);

#endif
