#include "loop/listener.h"

#include "base/mem.h"
#include "sim/simloop.h"

struct listener {
    struct source source;
    struct port *port; /* NULL: its process died */
    struct addr at;
    listener_accept_fn *accept;
    void *arg;
    bool paused;
};

static void look(struct listener *ln)
{
    if (ln->port && !ln->paused && !ln->source.closed && port_waiting(ln->port))
        source_ready(&ln->source);
}

static void kernel_says(void *arg)
{
    look(arg);
}

static void accept_one(struct listener *ln)
{
    struct tcp *t;
    struct addr peer;

    if (!host_has_descriptor(ln->source.loop->host)) {
        port_refuse_next(ln->port);
        counter_add(ln->source.loop->counters, COUNTER_REFUSED_DESCRIPTORS, 1);
        return;
    }
    t = port_accept(ln->port);
    peer = *tcp_peer(t);
    ln->accept(ln->arg, tcp_fd(t), &peer);
}

/* A kernel gives one or many a turn. */
static void deliver(struct source *source)
{
    struct listener *ln = (struct listener *)source;
    uint64_t most = 1 + random_below(&source->loop->world->rnd, 8);

    while (most-- && !source->closed && ln->port && !ln->paused && port_waiting(ln->port))
        accept_one(ln);
    look(ln);
}

static void detach(struct source *source)
{
    ((struct listener *)source)->port = NULL;
}

enum err listener_open(struct loop *l, const struct addr *at, int fd, listener_accept_fn *accept,
                       void *arg, struct listener **ret_listener)
{
    struct listener *ln;
    enum err e;

    if (fd >= 0)
        return ERR_UNSUPPORTED; /* nobody hands listening sockets over in this world */
    ln = MEM_NEW(struct listener);
    e = port_open(l->host, l, at, kernel_says, ln, &ln->port);
    if (e) {
        mem_free(ln);
        return e;
    }
    ln->at = *port_addr(ln->port);
    ln->accept = accept;
    ln->arg = arg;
    source_open(&ln->source, l, deliver, detach);
    *ret_listener = ln;
    return OK;
}

void listener_addr(const struct listener *ln, struct addr *ret_addr)
{
    *ret_addr = ln->at;
}

void listener_pause(struct listener *ln, bool paused)
{
    ln->paused = paused;
    look(ln);
}

void listener_close(struct listener *ln)
{
    if (ln->port)
        port_close(ln->port);
    ln->port = NULL;
    source_close(&ln->source);
}

void listener_drop(int fd, bool reset)
{
    struct tcp *t = tcp_of_fd(world_current(), fd);

    if (t)
        tcp_close(t, reset);
}
