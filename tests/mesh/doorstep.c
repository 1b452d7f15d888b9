#include "mesh/doorstep.h"

#include "base/mem.h"
#include "loop/listener.h"
#include "loop/sock.h"
#include "wire/frame.h"

struct doorstep {
    struct loop *loop;
    struct listener *listener;
    struct list guests;
    doorstep_fn *fn;
    void *arg;
};

struct guest {
    struct list node;
    struct doorstep *door;
    struct sock *sock;
    struct addr peer;
    size_t have;
    char bytes[FRAME_PREFACE_MAX];
};

static void leave(struct guest *g)
{
    list_remove(&g->node);
    mem_free(g);
}

static void enter(struct guest *g, struct slice name)
{
    g->door->fn(g->door->arg, sock_release(g->sock), &g->peer, name);
    leave(g);
}

/* Never a byte more than the preface surely has. */
static void on_readable(void *arg)
{
    struct guest *g = arg;
    struct slice name;
    size_t want;
    size_t n;
    enum err e;

    while ((e = frame_preface_parse(slice_make(g->bytes, g->have), &name, &want)) == ERR_AGAIN) {
        e = sock_read(g->sock, g->bytes + g->have, want - g->have, &n);
        if (e == ERR_AGAIN)
            return;
        if (e)
            break;
        g->have += n;
    }
    if (e) {
        sock_close(g->sock, true);
        leave(g);
    } else {
        enter(g, name);
    }
}

static const struct sock_handler handler = {.readable = on_readable};

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    struct guest *g = MEM_NEW(struct guest);

    g->door = arg;
    g->peer = *peer;
    if (sock_adopt(g->door->loop, fd, &handler, g, &g->sock)) {
        mem_free(g);
        return;
    }
    list_push(&g->door->guests, &g->node);
    sock_want(g->sock, true, false);
}

struct doorstep *doorstep_open(struct loop *l, const struct addr *at, doorstep_fn *fn, void *arg)
{
    struct doorstep *d = MEM_NEW(struct doorstep);
    enum err e = listener_open(l, at, -1, on_accept, d, &d->listener);

    assert(e == OK);
    d->loop = l;
    d->fn = fn;
    d->arg = arg;
    list_init(&d->guests);
    return d;
}

void doorstep_close(struct doorstep *d)
{
    LIST_WALK(node, &d->guests)
    {
        struct guest *g = LIST_ENTRY(node, struct guest, node);

        sock_close(g->sock, true);
        leave(g);
    }
    listener_close(d->listener);
    mem_free(d);
}
