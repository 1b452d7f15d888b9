#include "loop/hop.h"

#include "base/mem.h"
#include "sim/simloop.h"

struct hop {
    struct source source;
    struct hop_msg *first;
    struct hop_msg *tail; /* valid while `first` is not NULL */
    void *arg;
};

static void deliver_first(struct hop *h)
{
    struct hop_msg *m = h->first;

    h->first = atomic_load_explicit(&m->next, memory_order_relaxed);
    m->deliver(m, h->arg);
}

/* What the consumer finds when it looks: all of it, or what was there a moment ago. */
static void deliver(struct source *source)
{
    struct hop *h = (struct hop *)source;
    uint64_t most = 1 + random_below(&source->loop->world->rnd, 64);

    while (most-- && h->first && !source->closed)
        deliver_first(h);
    if (!source->closed && h->first)
        source_ready(source);
}

static void detach(struct source *source)
{
}

struct hop *hop_open(struct loop *consumer, void *arg)
{
    struct hop *h = MEM_NEW(struct hop);

    h->arg = arg;
    source_open(&h->source, consumer, deliver, detach);
    return h;
}

void hop_post(struct hop *h, struct hop_msg *m)
{
    atomic_store_explicit(&m->next, NULL, memory_order_relaxed);
    if (h->first)
        atomic_store_explicit(&h->tail->next, m, memory_order_relaxed);
    else
        h->first = m;
    h->tail = m;
    source_ready(&h->source);
}

void hop_close(struct hop *h)
{
    while (h->first)
        deliver_first(h);
    source_close(&h->source);
}
