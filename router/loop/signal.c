#include "loop/signal.h"
#include "loop/uv_loop.h"

#include "base/mem.h"

struct sigwatch {
    uv_signal_t signal;
    void (*got)(void *arg, int signo);
    void *arg;
};

static void on_signal(uv_signal_t *signal, int signo)
{
    struct sigwatch *s = signal->data;

    s->got(s->arg, signo);
}

struct sigwatch *sigwatch_open(struct loop *l, int signo, void (*got)(void *arg, int signo),
                               void *arg)
{
    struct sigwatch *s = MEM_NEW(struct sigwatch);
    int e = uv_signal_init(loop_uv(l), &s->signal);

    s->signal.data = s;
    s->got = got;
    s->arg = arg;
    e |= uv_signal_start(&s->signal, on_signal, signo);
    assert(e == 0); /* at start; a signal that can be caught */
    return s;
}

static void on_closed(uv_handle_t *signal)
{
    mem_free(signal->data);
}

void sigwatch_close(struct sigwatch *s)
{
    uv_close((uv_handle_t *)&s->signal, on_closed);
}
