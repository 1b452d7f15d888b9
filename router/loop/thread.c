#include "loop/thread.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>

struct thread {
    pthread_t id;
    struct counters *counters;
    struct log_sink *sink;
    void (*init)(struct loop *l, void *arg);
    bool (*fini)(struct loop *l, void *arg);
    void *arg;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool running; /* `init` returned; under `lock` */
};

static void say_running(struct thread *t)
{
    pthread_mutex_lock(&t->lock);
    t->running = true;
    pthread_cond_signal(&t->changed);
    pthread_mutex_unlock(&t->lock);
}

static void *body(void *arg)
{
    struct thread *t = arg;
    struct loop *l = loop_new(t->counters, t->sink); /* here: its memory is this thread's */

    t->init(l, t->arg);
    say_running(t);
    loop_run(l);
    if (t->fini(l, t->arg))
        loop_free(l);
    return NULL;
}

/* Signals belong to the steward: the new thread is born with all of them blocked. */
static void create(struct thread *t)
{
    sigset_t all, before;
    int e;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    e = pthread_create(&t->id, NULL, body, t);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(e == 0); /* at start */
}

struct thread *thread_start(const char *name, struct counters *counters, struct log_sink *sink,
                            void (*init)(struct loop *l, void *arg),
                            bool (*fini)(struct loop *l, void *arg), void *arg)
{
    struct thread *t = MEM_NEW(struct thread);
    char short_name[16]; /* of the kernel: 15 characters */

    t->counters = counters;
    t->sink = sink;
    t->init = init;
    t->fini = fini;
    t->arg = arg;
    pthread_mutex_init(&t->lock, NULL);
    pthread_cond_init(&t->changed, NULL);
    create(t);
    snprintf(short_name, sizeof(short_name), "%s", name);
    pthread_setname_np(t->id, short_name);

    pthread_mutex_lock(&t->lock);
    while (!t->running)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    return t;
}

void thread_join(struct thread *t)
{
    pthread_join(t->id, NULL);
    pthread_cond_destroy(&t->changed);
    pthread_mutex_destroy(&t->lock);
    mem_free(t);
}
