#include "loop/conn_pool.h"
#include "loop/loop.h"
#include "loop/pace.h"
#include "loop/timer.h"
#include "loop/uv_loop.h"

#include "base/mem.h"

#include <sys/prctl.h>
#include <time.h>

/* An idle loop still turns this often, so that one that hangs can be told from one that waits. */
#define HEART_MS 1000

/* One turn of libuv is: timers, `turn` (our tasks, a nap), sleep, events. Tasks thus run
 * after the events of the sleep before and the timers due since, and nothing sleeps while a task
 * waits. */
struct loop {
    uv_loop_t uv;
    uv_prepare_t turn;
    uv_idle_t awake;  /* active while tasks wait for the next turn */
    uv_timer_t alarm; /* the first of `timers` */
    uv_timer_t heart;
    uint64_t alarm_ms; /* when `alarm` is set for; UINT64_MAX: it is not */
    struct pace pace;
    struct list posted;
    struct list deferred;
    struct timer_heap timers;
    struct conn_pool conns;
    struct random random;
    struct counters *counters;
    struct log log;
    char *scratch;
    _Atomic uint64_t turned_ms;
};

uv_loop_t *loop_uv(struct loop *l)
{
    return &l->uv;
}

struct timer_heap *loop_timers(struct loop *l)
{
    return &l->timers;
}

struct conn_pool *loop_conns(struct loop *l)
{
    return &l->conns;
}

struct random *loop_random(struct loop *l)
{
    return &l->random;
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

static uint64_t clock_us(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

uint64_t loop_now_ms(const struct loop *l)
{
    return uv_now(&l->uv);
}

uint64_t loop_now_us(struct loop *l)
{
    return uv_hrtime() / 1000;
}

uint64_t loop_boot_ms(struct loop *l)
{
    return clock_us(CLOCK_BOOTTIME) / 1000;
}

uint64_t loop_wall_us(struct loop *l)
{
    return clock_us(CLOCK_REALTIME);
}

static uint64_t log_wall_us(void *arg)
{
    return clock_us(CLOCK_REALTIME);
}

uint64_t loop_turned_ms(const struct loop *l)
{
    return atomic_load_explicit(&l->turned_ms, memory_order_relaxed);
}

void task_init(struct task *t, void (*run)(struct task *task))
{
    list_init(&t->node);
    t->run = run;
}

void task_cancel(struct task *t)
{
    list_remove(&t->node);
}

void loop_post(struct loop *l, struct task *t)
{
    if (!list_linked(&t->node))
        list_push(&l->posted, &t->node);
}

void loop_defer(struct loop *l, struct task *t)
{
    if (!list_linked(&t->node))
        list_push(&l->deferred, &t->node);
}

static void run_all(struct list *tasks)
{
    while (!list_empty(tasks)) {
        struct task *t = LIST_FIRST(tasks, struct task, node);

        list_remove(&t->node);
        t->run(t);
    }
}

static void run_tasks(struct loop *l)
{
    struct list once;

    run_all(&l->posted);
    list_init(&once);
    list_append_all(&once, &l->deferred);
    run_all(&once);
    run_all(&l->posted); /* by the deferred ones */
}

static void on_alarm(uv_timer_t *alarm)
{
    struct loop *l = alarm->data;

    l->alarm_ms = UINT64_MAX;
    timer_heap_fire(&l->timers, uv_now(&l->uv));
}

void loop_timers_changed(struct loop *l)
{
    /* set_alarm compares before each sleep */
}

static void set_alarm(struct loop *l)
{
    uint64_t next = timer_heap_next_ms(&l->timers);
    uint64_t now = uv_now(&l->uv);

    if (next == l->alarm_ms)
        return;
    l->alarm_ms = next;
    if (next == UINT64_MAX)
        uv_timer_stop(&l->alarm);
    else
        uv_timer_start(&l->alarm, on_alarm, next > now ? next - now : 0, 0);
}

static void on_awake(uv_idle_t *idle)
{
    /* libuv does not sleep while an idle handle is active */
}

static void on_heart(uv_timer_t *heart)
{
    /* it made the loop turn */
}

/* See loop/pace.h. What waits for us gathers in the kernel and in hops meanwhile. */
static void nap(struct loop *l)
{
    uint64_t us = pace_nap_us(&l->pace, loop_now_us(l), conn_pool_moved(&l->conns));
    struct timespec time = {0, (long)us * 1000};

    if (us == 0)
        return;
    nanosleep(&time, NULL); /* a signal may shorten it */
    uv_update_time(&l->uv);
}

static void on_turn(uv_prepare_t *turn)
{
    struct loop *l = turn->data;

    run_tasks(l);
    if (!list_empty(&l->posted) || !list_empty(&l->deferred)) {
        uv_idle_start(&l->awake, on_awake);
    } else {
        uv_idle_stop(&l->awake);
        nap(l);
    }
    set_alarm(l);
    atomic_store_explicit(&l->turned_ms, uv_now(&l->uv), memory_order_relaxed);
}

static void start_handles(struct loop *l)
{
    int e = uv_loop_init(&l->uv);

    e |= uv_prepare_init(&l->uv, &l->turn);
    e |= uv_idle_init(&l->uv, &l->awake);
    e |= uv_timer_init(&l->uv, &l->alarm);
    e |= uv_timer_init(&l->uv, &l->heart);
    assert(e == 0); /* at start, with descriptors and memory left */
    l->turn.data = l->alarm.data = l;
    uv_prepare_start(&l->turn, on_turn);
    uv_timer_start(&l->heart, on_heart, HEART_MS, HEART_MS);
}

struct loop *loop_new(struct counters *counters, struct log_sink *sink)
{
    struct loop *l = MEM_NEW(struct loop);

    start_handles(l);
    list_init(&l->posted);
    list_init(&l->deferred);
    timer_heap_init(&l->timers);
    conn_pool_init(&l->conns, l);
    random_init_system(&l->random);
    l->alarm_ms = UINT64_MAX;
    l->counters = counters;
    l->log = (struct log){sink, log_wall_us, NULL};
    l->scratch = mem_alloc(LOOP_SCRATCH_BYTES);
    atomic_store(&l->turned_ms, uv_now(&l->uv));
    return l;
}

void loop_free(struct loop *l)
{
    conn_pool_fini(&l->conns);
    timer_heap_fini(&l->timers);
    uv_close((uv_handle_t *)&l->turn, NULL);
    uv_close((uv_handle_t *)&l->awake, NULL);
    uv_close((uv_handle_t *)&l->alarm, NULL);
    uv_close((uv_handle_t *)&l->heart, NULL);
    uv_run(&l->uv, UV_RUN_NOWAIT); /* what was closed gives its memory back */
    if (uv_loop_close(&l->uv))
        assert(!"a handle of the loop was left open");
    mem_free(l->scratch);
    mem_free(l);
}

void loop_run(struct loop *l)
{
    (void)prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0); /* else a nap lasts 50 microseconds longer */
    uv_update_time(&l->uv);
    uv_run(&l->uv, UV_RUN_DEFAULT);
    run_tasks(l); /* of the events of the last turn */
}

void loop_stop(struct loop *l)
{
    uv_stop(&l->uv);
}
