#include "loop/dgram.h"

#include "base/mem.h"
#include "sim/simloop.h"

struct dgram {
    struct source source;
    struct udp *udp; /* NULL: its process died */
    dgram_recv_fn *recv;
    void (*failed)(void *arg, enum err e);
    void *arg;
};

static void look(struct dgram *d)
{
    if (d->udp && !d->source.closed && udp_readable(d->udp))
        source_ready(&d->source);
}

static void kernel_says(void *arg)
{
    look(arg);
}

static void take_one(struct dgram *d)
{
    char *buf = loop_scratch(d->source.loop);
    struct addr from;
    size_t n = 0;
    enum err e = udp_recv(d->udp, buf, LOOP_SCRATCH_BYTES, &n, &from);

    if (e == OK)
        d->recv(d->arg, slice_make(buf, n), &from);
    else if (e != ERR_LIMIT && d->failed)
        d->failed(d->arg, e);
}

static void deliver(struct source *source)
{
    struct dgram *d = (struct dgram *)source;

    while (!source->closed && d->udp && udp_readable(d->udp))
        take_one(d);
}

static void detach(struct source *source)
{
    ((struct dgram *)source)->udp = NULL;
}

enum err dgram_open(struct loop *l, const struct addr *to, dgram_recv_fn *recv,
                    void (*failed)(void *arg, enum err e), void *arg, struct dgram **ret_dgram)
{
    struct dgram *d = MEM_NEW(struct dgram);
    enum err e = udp_open(l->host, l, NULL, to, kernel_says, d, &d->udp);

    if (e) {
        mem_free(d);
        return e;
    }
    d->recv = recv;
    d->failed = failed;
    d->arg = arg;
    source_open(&d->source, l, deliver, detach);
    *ret_dgram = d;
    return OK;
}

enum err dgram_send(struct dgram *d, struct slice packet)
{
    return d->udp ? udp_send(d->udp, packet, NULL) : ERR_CLOSED;
}

void dgram_close(struct dgram *d)
{
    if (d->udp)
        udp_close(d->udp);
    d->udp = NULL;
    source_close(&d->source);
}
