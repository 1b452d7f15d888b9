#include "unit/test.h"

#include "loop/timer.h"

#include "base/mem.h"

/* A loop that never turns: the heap is fired by hand. */
static struct counters counters;
static struct log_sink sink;

struct probe {
    struct timer timer;
    char name;
    struct timer *restart; /* started anew with 0 by this one */
    struct timer *stop;    /* stopped by this one */
};

static char fired[64];

static void on_fire(struct timer *t)
{
    struct probe *p = LIST_ENTRY(t, struct probe, timer);
    size_t n = strlen(fired);

    assert(n + 1 < sizeof(fired));
    fired[n] = p->name;
    fired[n + 1] = '\0';
    if (p->restart)
        timer_start(p->restart, 0);
    if (p->stop)
        timer_stop(p->stop);
}

static void init(struct probe *p, struct loop *l, char name)
{
    memset(p, 0, sizeof(*p));
    p->name = name;
    timer_init(&p->timer, l, on_fire);
}

static void check_fired(struct loop *l, uint64_t now, const char *names)
{
    fired[0] = '\0';
    timer_heap_fire(loop_timers(l), now);
    CHECK_STR(fired, names);
}

TEST(timer, fires_in_order_of_time_then_of_start)
{
    static const struct {
        char name;
        uint64_t after_ms;
    } cases[] = {{'c', 30}, {'a', 10}, {'d', 30}, {'b', 20}, {'e', 31}};
    struct loop *l = loop_new(&counters, &sink);
    struct probe p[COUNT(cases)];
    uint64_t now = loop_now_ms(l);

    for (size_t i = 0; i < COUNT(cases); i++) {
        init(&p[i], l, cases[i].name);
        timer_start(&p[i].timer, cases[i].after_ms);
    }
    CHECK_EQ(timer_heap_next_ms(loop_timers(l)), now + 10);
    check_fired(l, now + 9, "");
    check_fired(l, now + 30, "abcd");
    CHECK(timer_running(&p[4].timer));
    CHECK(!timer_running(&p[0].timer));
    check_fired(l, now + 31, "e");
    CHECK_EQ(timer_heap_next_ms(loop_timers(l)), UINT64_MAX);
    loop_free(l);
}

TEST(timer, started_while_firing_waits_for_the_next_call)
{
    struct loop *l = loop_new(&counters, &sink);
    struct probe a, b;

    init(&a, l, 'a');
    init(&b, l, 'b');
    a.restart = &a.timer;
    b.restart = &a.timer; /* due in this call too, and moved by one before it */
    timer_start(&b.timer, 0);
    timer_start(&a.timer, 0);
    check_fired(l, loop_now_ms(l), "b");
    check_fired(l, loop_now_ms(l), "a");
    check_fired(l, loop_now_ms(l), "a");
    timer_stop(&a.timer);
    loop_free(l);
}

TEST(timer, stopped_by_another_that_is_due_does_not_fire)
{
    struct loop *l = loop_new(&counters, &sink);
    struct probe a, b;

    init(&a, l, 'a');
    init(&b, l, 'b');
    a.stop = &b.timer;
    timer_start(&a.timer, 0);
    timer_start(&b.timer, 0);
    check_fired(l, loop_now_ms(l), "a");
    CHECK(!timer_running(&b.timer));
    loop_free(l);
}

TEST(timer, moves_when_started_again)
{
    struct loop *l = loop_new(&counters, &sink);
    uint64_t now = loop_now_ms(l);
    struct probe a, b;

    init(&a, l, 'a');
    init(&b, l, 'b');
    timer_start(&a.timer, 10);
    timer_start(&b.timer, 20);
    timer_start(&a.timer, 30);
    check_fired(l, now + 29, "b");
    timer_start(&a.timer, UINT64_MAX); /* for ever, and no overflow */
    check_fired(l, now + 1000000, "");
    timer_stop(&a.timer);
    timer_stop(&a.timer);
    loop_free(l);
}

#define MANY 2000

static uint64_t last_ms;
static int many_fired;

static void on_many(struct timer *t)
{
    CHECK(t->at_ms >= last_ms);
    last_ms = t->at_ms;
    many_fired++;
}

/* Start, move and stop at random; whatever is left fires in order, exactly once. */
TEST(timer, keeps_order_through_random_changes)
{
    struct loop *l = loop_new(&counters, &sink);
    struct timer *timers = mem_array(MANY, sizeof(*timers));
    struct random rnd;
    int running = 0;

    random_init_seeded(&rnd, 7);
    for (int i = 0; i < MANY; i++)
        timer_init(&timers[i], l, on_many);
    for (int i = 0; i < MANY * 5; i++) {
        struct timer *t = &timers[random_below(&rnd, MANY)];

        if (random_below(&rnd, 3) == 0)
            timer_stop(t);
        else
            timer_start(t, random_below(&rnd, 500));
    }
    for (int i = 0; i < MANY; i++)
        running += timer_running(&timers[i]);
    last_ms = 0;
    many_fired = 0;
    for (int ms = 0; ms <= 500; ms += 50)
        timer_heap_fire(loop_timers(l), loop_now_ms(l) + (uint64_t)ms);
    CHECK_EQ(many_fired, running);
    mem_free(timers);
    loop_free(l);
}

TESTS(TEST_OF(timer, fires_in_order_of_time_then_of_start),
      TEST_OF(timer, started_while_firing_waits_for_the_next_call),
      TEST_OF(timer, stopped_by_another_that_is_due_does_not_fire),
      TEST_OF(timer, moves_when_started_again), TEST_OF(timer, keeps_order_through_random_changes))
