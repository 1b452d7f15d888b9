#include "sim/event.h"

#include "base/mem.h"

void event_init(struct event *ev, void (*run)(struct event *ev))
{
    ev->run = run;
    ev->at_us = ev->tie = ev->order = 0;
    ev->place = SIZE_MAX;
}

void event_heap_init(struct event_heap *h)
{
    *h = (struct event_heap){NULL, 0, 0, 0};
}

void event_heap_fini(struct event_heap *h)
{
    for (size_t i = 0; i < h->count; i++)
        h->at[i]->place = SIZE_MAX;
    mem_free(h->at);
    event_heap_init(h);
}

static bool before(const struct event *a, const struct event *b)
{
    if (a->at_us != b->at_us)
        return a->at_us < b->at_us;
    return a->tie != b->tie ? a->tie < b->tie : a->order < b->order;
}

static void put(struct event_heap *h, size_t place, struct event *ev)
{
    h->at[place] = ev;
    ev->place = place;
}

static void sift_up(struct event_heap *h, struct event *ev)
{
    size_t i = ev->place;

    while (i > 0 && before(ev, h->at[(i - 1) / 2])) {
        put(h, i, h->at[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, ev);
}

static void sift_down(struct event_heap *h, struct event *ev)
{
    size_t i = ev->place;

    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->count)
            break;
        if (child + 1 < h->count && before(h->at[child + 1], h->at[child]))
            child++;
        if (!before(h->at[child], ev))
            break;
        put(h, i, h->at[child]);
        i = child;
    }
    put(h, i, ev);
}

static void grow(struct event_heap *h)
{
    if (h->count < h->room)
        return;
    h->room = h->room ? 2 * h->room : 64;
    h->at = mem_realloc(h->at, h->room * sizeof(*h->at));
}

void event_set(struct event_heap *h, struct event *ev, uint64_t at_us, struct random *rnd)
{
    event_cancel(h, ev);
    grow(h);
    ev->at_us = at_us;
    ev->tie = random_u64(rnd);
    ev->order = ++h->order;
    put(h, h->count++, ev);
    sift_up(h, ev);
}

void event_cancel(struct event_heap *h, struct event *ev)
{
    size_t hole = ev->place;
    struct event *last;

    if (!event_waits(ev))
        return;
    last = h->at[--h->count];
    ev->place = SIZE_MAX;
    if (last == ev)
        return;
    put(h, hole, last);
    sift_up(h, last);
    sift_down(h, last);
}

struct event *event_first(const struct event_heap *h)
{
    return h->count ? h->at[0] : NULL;
}
