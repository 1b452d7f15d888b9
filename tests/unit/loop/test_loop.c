/* loop/loop, its clock and its sleeps being invented: what is said of time is exact. */
#include "unit/loop/sleeps.h"
#include "unit/test.h"

#include "loop/loop.h"
#include "loop/timer.h"

static struct counters counters;
static struct log_sink sink;
static struct loop *loop;
static char ran[64];

static void note(const char *name)
{
    assert(strlen(ran) + strlen(name) < sizeof(ran));
    strcat(ran, name);
}

static void open_loop(void)
{
    sleeps_invent();
    loop = loop_new(&counters, &sink);
    ran[0] = '\0';
}

static struct task one, two, late, later, again, stop;

static void run_stop(struct task *t)
{
    loop_stop(loop);
}

static void run_one(struct task *t)
{
    note("1");
    loop_post(loop, &two);
    loop_post(loop, &two); /* waits already */
}

static void run_two(struct task *t)
{
    note("2");
}

static void run_later(struct task *t)
{
    note("L");
}

static void run_late(struct task *t)
{
    note("d");
    loop_post(loop, &two);
    loop_defer(loop, &later); /* of the next turn */
}

TEST(loop, runs_posted_until_none_is_left_then_deferred_once)
{
    open_loop();
    task_init(&one, run_one);
    task_init(&two, run_two);
    task_init(&late, run_late);
    task_init(&later, run_later);
    task_init(&stop, run_stop);
    loop_defer(loop, &late);
    loop_post(loop, &one);
    loop_post(loop, &stop);
    loop_run(loop); /* one whole turn, and what it left */
    CHECK_STR(ran, "12d2L");
    loop_free(loop);
}

static int agains;

static void run_again(struct task *t)
{
    if (++agains < 1000)
        loop_defer(loop, t);
    else
        loop_stop(loop);
}

TEST(loop, does_not_sleep_while_a_task_waits)
{
    open_loop();
    agains = 0;
    task_init(&again, run_again);
    loop_defer(loop, &again);
    loop_run(loop);
    CHECK_EQ(agains, 1000);
    CHECK_EQ(sleeps.slept_ms, 0);
    loop_free(loop);
}

TEST(loop, cancelled_task_does_not_run)
{
    open_loop();
    task_init(&two, run_two);
    task_init(&stop, run_stop);
    loop_post(loop, &two);
    loop_post(loop, &stop);
    task_cancel(&two);
    task_cancel(&two);
    loop_run(loop);
    CHECK_STR(ran, "");
    loop_free(loop);
}

static struct timer first, second;

static void on_first(struct timer *t)
{
    note("f");
    loop_post(loop, &two);
    timer_start(&second, 20);
}

static void on_second(struct timer *t)
{
    note("s");
    loop_stop(loop);
}

static void run_start_first(struct task *t)
{
    timer_start(&first, 10);
}

static void run_next_turn(struct task *t)
{
    loop_defer(loop, &later);
}

TEST(loop, timers_fire_on_time_and_their_tasks_before_the_next_sleep)
{
    open_loop();
    task_init(&two, run_two);
    timer_init(&first, loop, on_first);
    timer_init(&second, loop, on_second);
    task_init(&later, run_start_first);
    task_init(&late, run_next_turn);
    loop_defer(loop, &late);
    timer_start(&second, 100000); /* the alarm is set for it, and must follow what comes earlier */
    loop_run(loop);
    CHECK_STR(ran, "f2s");
    CHECK_EQ(sleeps.slept_ms, 30);
    loop_free(loop);
}

static uint64_t idle_ms;

static void on_look(struct timer *t)
{
    idle_ms = loop_now_ms(loop) - loop_turned_ms(loop);
    loop_stop(loop);
}

/* /livez: a loop that only waits still turns. */
TEST(loop, tells_when_it_turned)
{
    open_loop();
    timer_init(&second, loop, on_look);
    timer_start(&second, 1500);
    CHECK_EQ(loop_turned_ms(loop), loop_now_ms(loop));
    loop_run(loop);
    CHECK(idle_ms <= 1000);
    loop_free(loop);
}

TEST(loop, clocks_agree)
{
    open_loop();
    uint64_t ms = loop_now_ms(loop);
    uint64_t us = loop_now_us(loop);

    CHECK_EQ(us / 1000, ms);
    CHECK_EQ(loop_boot_ms(loop), ms + SLEEPS_SUSPENDED_S * 1000);
    CHECK_EQ(loop_wall_us(loop), us + SLEEPS_1970_S * 1000000ULL);
    loop_free(loop);
}

TESTS(TEST_OF(loop, runs_posted_until_none_is_left_then_deferred_once),
      TEST_OF(loop, does_not_sleep_while_a_task_waits), TEST_OF(loop, cancelled_task_does_not_run),
      TEST_OF(loop, timers_fire_on_time_and_their_tasks_before_the_next_sleep),
      TEST_OF(loop, tells_when_it_turned), TEST_OF(loop, clocks_agree))
