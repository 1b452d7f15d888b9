/* loop/thread.h - a thread with a loop of its own. */
#ifndef LOOP_THREAD_H
#define LOOP_THREAD_H

#include "loop/loop.h"

struct thread;

/* `init` runs on the new thread with its loop, before it turns; thread_start returns after it
 * did. `fini` runs after the loop stopped; false: what uses the loop had to be left as it is, and
 * the loop is not freed either, for the process is about to end. (In the invented world all run on
 * one real thread.) */
struct thread *thread_start(const char *name, struct counters *counters, struct log_sink *sink,
                            void (*init)(struct loop *l, void *arg),
                            bool (*fini)(struct loop *l, void *arg), void *arg);
/* Waits for the end; the thread's loop must have been told to stop (by a hop message). */
void thread_join(struct thread *t);

#endif
