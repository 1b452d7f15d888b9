#include "loop/timer.h"

#include "base/mem.h"

/* In `place`: the rest is an index into `due`, not into the heap. */
#define IN_DUE (SIZE_MAX / 2 + 1)

void timer_heap_init(struct timer_heap *h)
{
    memset(h, 0, sizeof(*h));
}

void timer_heap_fini(struct timer_heap *h)
{
    assert(h->count == 0 && h->due_count == 0);
    mem_free(h->at);
    mem_free(h->due);
    timer_heap_init(h);
}

uint64_t timer_heap_next_ms(const struct timer_heap *h)
{
    return h->count ? h->at[0]->at_ms : UINT64_MAX;
}

static bool earlier(const struct timer *a, const struct timer *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void put(struct timer_heap *h, size_t i, struct timer *t)
{
    h->at[i] = t;
    t->place = i;
}

static void sift_up(struct timer_heap *h, size_t i, struct timer *t)
{
    while (i > 0 && earlier(t, h->at[(i - 1) / 2])) {
        put(h, i, h->at[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(h, i, t);
}

static void sift_down(struct timer_heap *h, size_t i, struct timer *t)
{
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= h->count)
            break;
        if (child + 1 < h->count && earlier(h->at[child + 1], h->at[child]))
            child++;
        if (!earlier(h->at[child], t))
            break;
        put(h, i, h->at[child]);
        i = child;
    }
    put(h, i, t);
}

static void insert(struct timer_heap *h, struct timer *t)
{
    if (h->count == h->room) {
        h->room = h->room ? h->room * 2 : 64;
        h->at = mem_realloc(h->at, h->room * sizeof(h->at[0]));
    }
    t->order = h->order++;
    h->count++;
    sift_up(h, h->count - 1, t);
}

/* Takes out of the heap, or out of those about to fire. */
static void take_out(struct timer_heap *h, struct timer *t)
{
    size_t i = t->place;
    struct timer *last;

    t->place = SIZE_MAX;
    if (i & IN_DUE) {
        h->due[i & ~IN_DUE] = NULL;
        return;
    }
    assert(i < h->count && h->at[i] == t);
    last = h->at[--h->count];
    if (last == t)
        return;
    if (i > 0 && earlier(last, h->at[(i - 1) / 2]))
        sift_up(h, i, last);
    else
        sift_down(h, i, last);
}

static void move_due(struct timer_heap *h, uint64_t now_ms)
{
    while (h->count && h->at[0]->at_ms <= now_ms) {
        struct timer *t = h->at[0];

        if (h->due_count == h->due_room) {
            h->due_room = h->due_room ? h->due_room * 2 : 64;
            h->due = mem_realloc(h->due, h->due_room * sizeof(h->due[0]));
        }
        take_out(h, t);
        t->place = IN_DUE | h->due_count;
        h->due[h->due_count++] = t;
    }
}

void timer_heap_fire(struct timer_heap *h, uint64_t now_ms)
{
    assert(h->due_count == 0); /* does not nest */
    move_due(h, now_ms);
    for (size_t i = 0; i < h->due_count; i++) {
        struct timer *t = h->due[i];

        if (!t)
            continue;
        t->place = SIZE_MAX;
        t->fire(t); /* may stop, start or free any timer, those still due among them */
    }
    h->due_count = 0;
}

void timer_init(struct timer *t, struct loop *l, void (*fire)(struct timer *t))
{
    memset(t, 0, sizeof(*t));
    t->loop = l;
    t->fire = fire;
    t->place = SIZE_MAX;
}

static void note_change(struct timer *t, uint64_t next_before)
{
    if (timer_heap_next_ms(loop_timers(t->loop)) != next_before)
        loop_timers_changed(t->loop);
}

void timer_start(struct timer *t, uint64_t after_ms)
{
    struct timer_heap *h = loop_timers(t->loop);
    uint64_t before = timer_heap_next_ms(h);
    uint64_t now = loop_now_ms(t->loop);

    if (timer_running(t))
        take_out(h, t);
    t->at_ms = after_ms < UINT64_MAX - now ? now + after_ms : UINT64_MAX - 1;
    insert(h, t);
    note_change(t, before);
}

void timer_stop(struct timer *t)
{
    struct timer_heap *h = loop_timers(t->loop);
    uint64_t before = timer_heap_next_ms(h);

    if (!timer_running(t))
        return;
    take_out(h, t);
    note_change(t, before);
}
