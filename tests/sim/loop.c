#include "sim/simloop.h"

#include "base/mem.h"

/* How long a woken thread waits for its processor: mostly nothing, sometimes a while. */
#define WAKE_MOST_US     40
#define WAKE_LATE_US     3000
#define WAKE_LATE_ONE_IN 64

/* What killed processes leave behind stays reachable, so that leak checks see other leaks only. */
static struct list graveyard = {&graveyard, &graveyard};

static void run_turn(struct event *ev);

struct host *loop_home(void)
{
    struct world *w = world_current();

    assert(w && (w->running || w->used));
    return w->running ? w->running->host : w->used;
}

static uint64_t log_wall(void *arg)
{
    return loop_wall_us(arg);
}

struct loop *loop_new(struct counters *counters, struct log_sink *sink)
{
    struct loop *l = MEM_NEW(struct loop);

    l->host = loop_home();
    l->world = l->host->world;
    l->number = ++l->world->loop_count;
    l->counters = counters;
    l->log = (struct log){sink, log_wall, l};
    random_init_seeded(&l->rnd, random_u64(&l->world->rnd));
    timer_heap_init(&l->timers);
    conn_pool_init(&l->conns, l);
    list_init(&l->posted);
    list_init(&l->deferred);
    list_init(&l->sources);
    list_init(&l->ready);
    list_init(&l->closing);
    event_init(&l->turn, run_turn);
    l->scratch = mem_alloc(LOOP_SCRATCH_BYTES);
    list_push(&l->host->loops, &l->node);
    return l;
}

static void free_closed(struct loop *l)
{
    LIST_WALK(n, &l->closing)
    {
        list_remove(n);
        mem_free(LIST_ENTRY(n, struct source, node));
    }
}

void loop_free(struct loop *l)
{
    assert(!l->turning);
    assert(list_empty(&l->sources));
    conn_pool_fini(&l->conns);
    free_closed(l);
    world_cancel(l->world, &l->turn);
    list_remove(&l->node);
    timer_heap_fini(&l->timers);
    mem_free(l->scratch);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    loop_wake(l); /* the world turns it */
}

void loop_stop(struct loop *l)
{
    l->stopped = true;
}

bool world_loop_stopped(const struct loop *l)
{
    return l->stopped || l->dead;
}

/* --- clocks --- */

uint64_t loop_now_ms(const struct loop *l)
{
    return (l->turning ? l->turn_us : host_mono_us(l->host)) / 1000;
}

uint64_t loop_now_us(struct loop *l)
{
    return host_mono_us(l->host);
}

uint64_t loop_boot_ms(struct loop *l)
{
    return host_boot_us(l->host) / 1000;
}

uint64_t loop_wall_us(struct loop *l)
{
    return host_wall_us(l->host);
}

struct random *loop_random(struct loop *l)
{
    return &l->rnd;
}

struct counters *loop_counters(struct loop *l)
{
    return l->counters;
}

struct log *loop_log(struct loop *l)
{
    return &l->log;
}

char *loop_scratch(struct loop *l)
{
    return l->scratch;
}

struct conn_pool *loop_conns(struct loop *l)
{
    return &l->conns;
}

struct timer_heap *loop_timers(struct loop *l)
{
    return &l->timers;
}

/* --- when it turns --- */

static bool may_turn(const struct loop *l)
{
    return !l->stopped && !l->dead && !l->paused && !l->host->paused && host_runs(l->host);
}

/* A real loop turns now and then although nothing happens; this one could at any time. */
uint64_t loop_turned_ms(const struct loop *l)
{
    return may_turn(l) ? host_mono_us(l->host) / 1000 : l->turned_ms;
}

static void turn_at(struct loop *l, uint64_t at_us)
{
    if (!may_turn(l) || l->turning)
        return;
    if (event_waits(&l->turn) && l->turn.at_us <= at_us)
        return;
    world_at(l->world, &l->turn, at_us);
}

void loop_wake(struct loop *l)
{
    struct random *rnd = &l->world->rnd;
    uint64_t wait = 1 + random_below(rnd, WAKE_MOST_US);

    if (random_below(rnd, WAKE_LATE_ONE_IN) == 0)
        wait += random_below(rnd, WAKE_LATE_US);
    turn_at(l, l->world->now_us + wait);
}

/* World time of a loop clock's millisecond. */
static uint64_t world_time(const struct loop *l, uint64_t at_ms)
{
    uint64_t now = host_mono_us(l->host);
    uint64_t at = at_ms * 1000;

    return l->world->now_us + (at > now ? at - now : 0);
}

static bool has_work(const struct loop *l)
{
    return !list_empty(&l->ready) || !list_empty(&l->posted) || !list_empty(&l->deferred);
}

static void plan(struct loop *l)
{
    uint64_t next_ms = timer_heap_next_ms(&l->timers);

    if (has_work(l))
        loop_wake(l);
    if (next_ms != UINT64_MAX)
        turn_at(l, world_time(l, next_ms) + random_below(&l->world->rnd, WAKE_MOST_US));
}

void loop_timers_changed(struct loop *l)
{
    if (!l->turning)
        plan(l);
}

static void look_again(struct loop *l)
{
    world_cancel(l->world, &l->turn);
    plan(l);
}

void world_pause_loop(struct loop *l, bool paused)
{
    l->paused = paused;
    look_again(l);
}

void loop_host_clock(struct host *h)
{
    LIST_WALK(n, &h->loops)
    look_again(LIST_ENTRY(n, struct loop, node));
}

/* --- one turn --- */

static size_t count_ready(const struct loop *l)
{
    size_t n = 0;

    for (const struct list *at = l->ready.next; at != &l->ready; at = at->next)
        n++;
    return n;
}

/* Any order is possible; sometimes the kernel reports a part only. */
static size_t draw_ready(struct loop *l, struct source **drawn, size_t n)
{
    struct random *rnd = &l->world->rnd;
    size_t i = 0;

    LIST_WALK(at, &l->ready)
    {
        size_t j = random_below(rnd, ++i);

        drawn[i - 1] = drawn[j];
        drawn[j] = LIST_ENTRY(at, struct source, ready_node);
    }
    return random_below(rnd, 4) ? n : 1 + random_below(rnd, n);
}

static void deliver(struct loop *l)
{
    size_t n = count_ready(l);
    struct source **drawn;

    if (!n)
        return;
    drawn = mem_array(n, sizeof(struct source *));
    n = draw_ready(l, drawn, n);
    for (size_t i = 0; i < n; i++)
        list_remove(&drawn[i]->ready_node);
    for (size_t i = 0; i < n; i++)
        if (!drawn[i]->closed)
            drawn[i]->deliver(drawn[i]);
    mem_free(drawn);
}

static void run_first(struct list *tasks)
{
    struct task *t = LIST_FIRST(tasks, struct task, node);

    list_remove(&t->node);
    t->run(t);
}

static void run_posted(struct loop *l)
{
    while (!list_empty(&l->posted))
        run_first(&l->posted);
}

/* Once each: what is deferred meanwhile waits for the next turn. */
static void run_deferred(struct loop *l)
{
    struct list now;

    list_init(&now);
    list_append_all(&now, &l->deferred);
    while (!list_empty(&now))
        run_first(&now);
}

static void events(struct loop *l)
{
    bool timers_first = random_below(&l->world->rnd, 2);

    if (timers_first)
        timer_heap_fire(&l->timers, loop_now_ms(l));
    deliver(l);
    if (!timers_first)
        timer_heap_fire(&l->timers, loop_now_ms(l));
}

void loop_turn(struct loop *l)
{
    struct loop *outer = l->world->running;

    l->world->running = l;
    l->turning = true;
    l->turn_us = host_mono_us(l->host);
    l->turned_ms = l->turn_us / 1000;
    events(l);
    run_posted(l);
    run_deferred(l);
    run_posted(l);
    l->turning = false;
    l->world->running = outer;
    free_closed(l);
    plan(l);
}

static void run_turn(struct event *ev)
{
    struct loop *l = LIST_ENTRY(ev, struct loop, turn);

    world_note(l->world, l->number);
    if (may_turn(l))
        loop_turn(l);
}

/* --- tasks --- */

void task_init(struct task *t, void (*run)(struct task *task))
{
    list_init(&t->node);
    t->run = run;
}

static void add_task(struct loop *l, struct list *queue, struct task *t)
{
    if (list_linked(&t->node))
        return;
    list_push(queue, &t->node);
    if (!l->turning)
        loop_wake(l);
}

void loop_post(struct loop *l, struct task *t)
{
    add_task(l, &l->posted, t);
}

void loop_defer(struct loop *l, struct task *t)
{
    add_task(l, &l->deferred, t);
}

void task_cancel(struct task *t)
{
    list_remove(&t->node);
}

/* --- sources --- */

void source_open(struct source *s, struct loop *l, void (*deliver_fn)(struct source *s),
                 void (*detach)(struct source *s))
{
    s->loop = l;
    s->deliver = deliver_fn;
    s->detach = detach;
    s->closed = false;
    list_init(&s->ready_node);
    list_push(&l->sources, &s->node);
}

void source_ready(struct source *s)
{
    if (s->closed || s->loop->dead)
        return;
    if (!list_linked(&s->ready_node))
        list_push(&s->loop->ready, &s->ready_node);
    if (!s->loop->turning)
        loop_wake(s->loop);
}

void source_close(struct source *s)
{
    s->closed = true;
    list_remove(&s->node);
    list_remove(&s->ready_node);
    if (s->loop->turning)
        list_push(&s->loop->closing, &s->node);
    else
        mem_free(s);
}

/* --- death --- */

static void die(struct loop *l)
{
    l->dead = true;
    world_cancel(l->world, &l->turn);
    for (struct list *n = l->sources.next; n != &l->sources; n = n->next)
        LIST_ENTRY(n, struct source, node)->detach(LIST_ENTRY(n, struct source, node));
}

void loop_host_dead(struct host *h)
{
    LIST_WALK(n, &h->loops)
    {
        struct loop *l = LIST_ENTRY(n, struct loop, node);

        if (!l->dead)
            die(l);
    }
}

bool host_has_loops(const struct host *h)
{
    for (const struct list *n = h->loops.next; n != &h->loops; n = n->next)
        if (!LIST_ENTRY(n, const struct loop, node)->dead)
            return true;
    return false;
}

/* A host may not be killed by one of its own loops' calls: there would be no way back. */
void loop_bury_all(struct world *w)
{
    LIST_WALK(at, &w->hosts)
    LIST_WALK(n, &LIST_ENTRY(at, struct host, node)->loops)
    {
        struct loop *l = LIST_ENTRY(n, struct loop, node);

        assert(l->dead); /* who was not killed is freed by the test */
        list_remove(n);
        list_push(&graveyard, n);
    }
}
