#include "sim/ownership/world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

bool world_noflush;

/* --- chance and time --- */

uint64_t world_below(struct world *w, uint64_t bound)
{
    return random_below(&w->rnd, bound);
}

bool world_chance(struct world *w, unsigned percent)
{
    return world_below(w, 100) < percent;
}

static bool before(const struct event *a, const struct event *b)
{
    return a->at_ms != b->at_ms ? a->at_ms < b->at_ms : a->order < b->order;
}

static void swap(struct event *a, struct event *b)
{
    struct event c = *a;

    *a = *b;
    *b = c;
}

static void heap_up(struct world *w, size_t i)
{
    for (; i > 0 && before(&w->heap[i], &w->heap[(i - 1) / 2]); i = (i - 1) / 2)
        swap(&w->heap[i], &w->heap[(i - 1) / 2]);
}

static void heap_down(struct world *w, size_t i)
{
    for (;;) {
        size_t least = i;

        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < w->heap_count; child++)
            if (before(&w->heap[child], &w->heap[least]))
                least = child;
        if (least == i)
            return;
        swap(&w->heap[i], &w->heap[least]);
        i = least;
    }
}

void world_put_off(struct world *w, struct event e, uint64_t at_ms)
{
    if (w->heap_count == w->heap_room) {
        w->heap_room = w->heap_room ? w->heap_room * 2 : 256;
        w->heap = mem_realloc(w->heap, w->heap_room * sizeof(*w->heap));
    }
    e.at_ms = at_ms;
    e.order = w->order++;
    w->heap[w->heap_count++] = e;
    heap_up(w, w->heap_count - 1);
}

void world_post(struct world *w, uint64_t at_ms, struct event e)
{
    if (e.slot >= 0)
        e.process = w->nodes[e.slot].process;
    world_put_off(w, e, at_ms);
}

static struct event pop(struct world *w)
{
    struct event e = w->heap[0];

    w->heap[0] = w->heap[--w->heap_count];
    heap_down(w, 0);
    return e;
}

void world_say(struct world *w, const char *format, ...)
{
    va_list args;

    if (!w->trace)
        return;
    printf("%9.3f  ", (double)w->now_ms / 1000);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* --- life --- */

const char *pair_key(int pair)
{
    static const char *const keys[PAIRS_MAX] = {
        "{fr}:pair:us.example p0.example", "{fr}:pair:us.example p1.example",
        "{fr}:pair:us.example p2.example", "{fr}:pair:us.example p3.example",
        "{fr}:pair:us.example p4.example", "{fr}:pair:us.example p5.example",
    };

    return keys[pair];
}

int pair_of(struct slice key)
{
    for (int i = 0; i < PAIRS_MAX; i++)
        if (slice_is(key, pair_key(i)))
            return i;
    abort();
}

void world_fini(struct world *w)
{
    for (size_t i = 0; i < w->heap_count; i++) {
        if (w->heap[i].kind == EVENT_REQUEST || w->heap[i].kind == EVENT_REPLY)
            request_free(w->heap[i].request);
        else
            mem_free(w->heap[i].owned);
    }
    mem_free(w->heap);
    mem_free(w->troubles);
    for (int i = 0; i < w->slot_count; i++)
        if (w->nodes[i].process) {
            owners_fini(&w->nodes[i].owners);
            lease_fini(&w->nodes[i].lease);
        }
    keyspace_fini(&w->keys);
    keyspace_fini(&w->replica);
}

/* --- checks --- */

uint32_t world_writes(struct world *w, struct node *n)
{
    if (!n->up || w->now_ms < n->paused_ms)
        return 0;
    if (world_noflush)
        return n->cached & (n->owned | n->provisional);
    return (w->now_ms < lease_until_ms(&n->lease) ? n->owned : 0) |
           (w->now_ms < lease_promised_until_ms(&n->lease) ? n->provisional : 0);
}

int world_writer(struct world *w, int pair)
{
    for (int i = 0; i < w->slot_count; i++)
        if (world_writes(w, &w->nodes[i]) >> pair & 1)
            return i;
    return -1;
}

static bool demanded(const struct world *w, int pair)
{
    for (int i = 0; i < w->slot_count; i++)
        if (w->nodes[i].up && !w->nodes[i].leaving && w->nodes[i].wanted >> pair & 1)
            return true;
    return false;
}

bool world_all_served(struct world *w)
{
    for (int pair = 0; pair < w->pair_count; pair++)
        if (demanded(w, pair) && world_writer(w, pair) < 0)
            return false;
    return true;
}

/* Is `a`, without the table, and cut off from `x`, that it never saw and that has the table, for
 * longer than is assumed? */
static bool strangers_too_long(struct world *w, struct node *a, struct node *x)
{
    const struct lease_peer *p = lease_peer_find(&a->lease, node_id(x));
    uint64_t limit_ms = 30000;
    uint64_t heard_ms = w->mesh_heard_process[x->slot][a->slot] == a->process
                            ? w->mesh_heard_ms[x->slot][a->slot]
                            : x->started_ms;

    if (w->stop || w->emptied_ms > a->answered_ms)
        limit_ms = 6500;
    return !(p && p->listed) && x->lease.on_list && w->now_ms - x->answered_ms < 3000 &&
           w->now_ms - a->answered_ms >= limit_ms && w->now_ms - heard_ms >= limit_ms;
}

static void check_assumption(struct world *w)
{
    for (int i = 0; i < w->slot_count && !w->assumption_broken; i++) {
        struct node *a = &w->nodes[i];

        if (!a->up || !a->lease.on_list || w->now_ms - a->answered_ms < 6500)
            continue;
        for (int k = 0; k < w->slot_count; k++)
            if (k != i && w->nodes[k].up && strangers_too_long(w, a, &w->nodes[k])) {
                w->assumption_broken = true;
                world_say(w, "ASSUMPTION broken: %s is cut off from the table and from %s", a->name,
                          w->nodes[k].name);
            }
    }
}

static void count_gaps(struct world *w, uint32_t served)
{
    for (int pair = 0; pair < w->pair_count; pair++) {
        if (served >> pair & 1 || !demanded(w, pair)) {
            w->unserved_ms[pair] = 0;
            continue;
        }
        if (!w->unserved_ms[pair])
            w->unserved_ms[pair] = w->now_ms;
        if (w->now_ms - w->unserved_ms[pair] > w->gaps_ms[pair])
            w->gaps_ms[pair] = w->now_ms - w->unserved_ms[pair];
    }
}

static void check(struct world *w)
{
    uint32_t writing = 0;

    for (int i = 0; i < w->slot_count; i++) {
        uint32_t mine = world_writes(w, &w->nodes[i]);

        if (writing & mine && !w->two_writers) {
            w->two_writers = true;
            world_say(w, "TWO WRITERS of pairs %x: %s is the second", writing & mine,
                      w->nodes[i].name);
        }
        writing |= mine;
    }
    count_gaps(w, writing);
}

/* --- running --- */

static bool is_void(const struct world *w, const struct event *e)
{
    return e->slot >= 0 && (!w->nodes[e->slot].up || w->nodes[e->slot].process != e->process);
}

static void discard(struct event *e)
{
    if (e->kind == EVENT_REPLY || e->kind == EVENT_REQUEST)
        request_free(e->request);
    else
        mem_free(e->owned);
}

static void handle(struct world *w, struct event *e)
{
    struct node *n = e->slot >= 0 ? &w->nodes[e->slot] : NULL;

    switch (e->kind) {
    case EVENT_TICK:
        node_before(w, n);
        node_tick(w, n);
        check_assumption(w);
        return;
    case EVENT_RESUME:
        return;
    case EVENT_REQUEST:
        table_request(w, e);
        return;
    case EVENT_REPLY:
        table_reply(w, e);
        return;
    case EVENT_DIAL:
        table_accept(w, e);
        return;
    case EVENT_DIALLED:
        table_dialled(w, e);
        return;
    case EVENT_BROKEN:
        if (n->connected && n->connection->number == e->number)
            table_close(w, n);
        return;
    case EVENT_UNSENT:
        table_unsent(w, e);
        return;
    case EVENT_MESH:
        mesh_arrive(w, e);
        return;
    case EVENT_TROUBLE:
        trouble_happen(w, e->trouble);
        mem_free(e->trouble);
        return;
    }
}

/* Events that reach a node, not the table or the world. */
static bool reaches_node(const struct event *e)
{
    return e->kind != EVENT_REQUEST && e->kind != EVENT_DIAL && e->kind != EVENT_TROUBLE;
}

void world_run(struct world *w, uint64_t until_ms)
{
    while (w->heap_count && w->heap[0].at_ms <= until_ms && !w->two_writers) {
        struct event e = pop(w);

        w->now_ms = e.at_ms;
        if (reaches_node(&e) && is_void(w, &e)) {
            discard(&e);
            continue;
        }
        if (reaches_node(&e) && w->now_ms < w->nodes[e.slot].paused_ms) {
            world_put_off(w, e, w->nodes[e.slot].paused_ms);
            continue;
        }
        handle(w, &e);
        check(w);
    }
    if (!w->two_writers)
        w->now_ms = until_ms;
}
