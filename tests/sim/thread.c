#include "loop/thread.h"

#include "base/mem.h"
#include "sim/simloop.h"

#define JOIN_STEPS_MAX 1000000 /* a thread that was told to stop and does not: a bug */

struct thread {
    struct loop *loop;
    bool (*fini)(struct loop *l, void *arg);
    void *arg;
};

/* As on a thread of its own: what init makes lives with the new loop. */
static void begin(struct loop *l, void (*init)(struct loop *l, void *arg), void *arg)
{
    struct loop *outer = l->world->running;

    l->world->running = l;
    init(l, arg);
    l->world->running = outer;
}

struct thread *thread_start(const char *name, struct counters *counters, struct log_sink *sink,
                            void (*init)(struct loop *l, void *arg),
                            bool (*fini)(struct loop *l, void *arg), void *arg)
{
    struct thread *t = MEM_NEW(struct thread);

    t->loop = loop_new(counters, sink);
    t->fini = fini;
    t->arg = arg;
    if (init)
        begin(t->loop, init, arg);
    loop_wake(t->loop);
    return t;
}

static bool finish(struct thread *t)
{
    struct loop *outer = t->loop->world->running;
    bool done;

    t->loop->world->running = t->loop;
    done = !t->fini || t->fini(t->loop, t->arg);
    t->loop->world->running = outer;
    return done;
}

/* The world goes on while the caller waits; its own loop does not, being in the middle of a turn
 * or stopped. */
static void wait_for_stop(struct loop *l)
{
    for (unsigned i = 0; !world_loop_stopped(l); i++) {
        assert(i < JOIN_STEPS_MAX);
        assert(world_step(l->world));
    }
}

void thread_join(struct thread *t)
{
    wait_for_stop(t->loop);
    if (finish(t))
        loop_free(t->loop);
    mem_free(t);
}
