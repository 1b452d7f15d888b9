#include "loop/hop.h"
#include "loop/uv_loop.h"

#include "base/mem.h"

/* A stack that senders push and the consumer takes whole: whoever pushes on the empty one wakes,
 * so that a batch costs one wake; the consumer turns it round, so that order is kept. */
struct hop {
    uv_async_t wake;
    void *arg;
    _Atomic(struct hop_msg *) newest;
};

static struct hop_msg *turned_round(struct hop_msg *newest)
{
    struct hop_msg *oldest = NULL;

    while (newest) {
        struct hop_msg *m = newest;

        newest = atomic_load_explicit(&m->next, memory_order_relaxed);
        atomic_store_explicit(&m->next, oldest, memory_order_relaxed);
        oldest = m;
    }
    return oldest;
}

static void deliver(struct hop *h)
{
    struct hop_msg *m =
        turned_round(atomic_exchange_explicit(&h->newest, NULL, memory_order_acquire));

    while (m) {
        struct hop_msg *next = atomic_load_explicit(&m->next, memory_order_relaxed);

        m->deliver(m, h->arg); /* owns `m` */
        m = next;
    }
}

static void on_wake(uv_async_t *wake)
{
    deliver(wake->data);
}

struct hop *hop_open(struct loop *consumer, void *arg)
{
    struct hop *h = MEM_NEW(struct hop);
    int e = uv_async_init(loop_uv(consumer), &h->wake, on_wake);

    assert(e == 0); /* at start, with descriptors left */
    h->wake.data = h;
    h->arg = arg;
    return h;
}

void hop_post(struct hop *h, struct hop_msg *m)
{
    struct hop_msg *newest = atomic_load_explicit(&h->newest, memory_order_relaxed);

    do
        atomic_store_explicit(&m->next, newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(&h->newest, &newest, m, memory_order_release,
                                                  memory_order_relaxed));
    if (!newest)
        uv_async_send(&h->wake);
}

static void on_closed(uv_handle_t *wake)
{
    mem_free(wake->data);
}

void hop_close(struct hop *h)
{
    while (atomic_load_explicit(&h->newest, memory_order_relaxed))
        deliver(h); /* one message may post the next */
    uv_close((uv_handle_t *)&h->wake, on_closed);
}
