/* The invented world keeps its own promises: the same seed is the same run; machines die, sleep
 * and wake; loops, timers and hops do what their headers say. */
#include "sim/net.h"
#include "sim/talk.h"
#include "unit/test.h"

#include "base/mem.h"
#include "loop/dgram.h"
#include "loop/hop.h"
#include "loop/thread.h"
#include "loop/timer.h"

static uint64_t run_of_seed(uint64_t seed, size_t *ret_reads)
{
    struct talk t;
    uint64_t digest;

    talk_start(&t, seed);
    end_say(&t.a, "<stream:stream to='there.example'>");
    world_advance(t.pair.w, 1000);
    end_say(&t.b, "<stream:features/>");
    world_advance(t.pair.w, 1000);
    CHECK_SLICE(byteq_slice(&t.b.in), "<stream:stream to='there.example'>");
    CHECK_SLICE(byteq_slice(&t.a.in), "<stream:features/>");
    *ret_reads = t.a.reads + t.b.reads;
    digest = world_digest(t.pair.w);
    talk_close(&t);
    return digest;
}

TEST(world, same_seed_is_the_same_run)
{
    size_t reads[2];

    for (uint64_t seed = 1; seed <= 50; seed++) {
        CHECK_EQ(run_of_seed(seed, &reads[0]), run_of_seed(seed, &reads[1]));
        CHECK_EQ(reads[0], reads[1]);
    }
    CHECK(run_of_seed(1, &reads[0]) != run_of_seed(2, &reads[1]));
}

TEST(world, seeds_cut_the_bytes_differently)
{
    size_t least = SIZE_MAX;
    size_t most = 0;

    for (uint64_t seed = 1; seed <= 50; seed++) {
        size_t reads;

        run_of_seed(seed, &reads);
        least = reads < least ? reads : least;
        most = reads > most ? reads : most;
    }
    CHECK_EQ(least, 2);
    CHECK(most > 8);
}

/* What a killed process's kernel still sends. */
TEST(host, killed_process_is_closed_by_its_kernel)
{
    struct talk t;

    talk_start(&t, 14);
    end_say(&t.b, "sent before");
    while (byteq_len(&t.b.out))
        CHECK(world_step(t.pair.w));
    host_kill(t.pair.b);
    world_advance(t.pair.w, 1000);
    CHECK_SLICE(byteq_slice(&t.a.in), "sent before");
    CHECK(t.a.ended);
    CHECK(world_loop_stopped(t.pair.lb));
    talk_close(&t);
}

TEST(host, power_off_is_silence)
{
    struct talk t;

    talk_start(&t, 15);
    host_power_off(t.pair.b);
    world_advance(t.pair.w, 10000);
    CHECK(!t.a.ended && !t.a.broken);
    host_power_on(t.pair.b);
    end_say(&t.a, "anybody there?");
    world_advance(t.pair.w, 1000);
    CHECK_EQ(t.a.broken, ERR_RESET);
    talk_close(&t);
}

TEST(host, paused_process_goes_on_later)
{
    struct talk t;

    talk_start(&t, 16);
    host_pause(t.pair.b, true);
    end_say(&t.a, "wake up");
    world_advance(t.pair.w, 60000);
    CHECK_EQ(byteq_len(&t.b.in), 0);
    CHECK_EQ(sock_unacked(t.a.sock), 0); /* its kernel took it */
    host_pause(t.pair.b, false);
    world_advance(t.pair.w, 100);
    CHECK_SLICE(byteq_slice(&t.b.in), "wake up");
    talk_close(&t);
}

TEST(host, suspended_machine_loses_time_but_not_boot_time)
{
    struct pair p;
    uint64_t now;
    uint64_t boot;

    pair_init(&p, 17);
    now = loop_now_ms(p.lb);
    boot = loop_boot_ms(p.lb);
    host_suspend(p.b, true);
    world_advance(p.w, 5000);
    host_suspend(p.b, false);
    CHECK_EQ(loop_now_ms(p.lb) - now, 0);
    CHECK_EQ(loop_boot_ms(p.lb) - boot, 5000);
    world_advance(p.w, 1000);
    CHECK_EQ(loop_now_ms(p.lb) - now, 1000);
    pair_fini(&p);
}

/* --- timers, tasks, hops --- */

struct alarm {
    struct timer timer;
    uint64_t fired_ms;
    unsigned count;
};

static void on_alarm(struct timer *t)
{
    struct alarm *a = LIST_ENTRY(t, struct alarm, timer);

    a->fired_ms = loop_now_ms(t->loop);
    a->count++;
}

TEST(timer, fires_when_due_and_not_before)
{
    struct pair p;
    struct alarm a = {.count = 0};
    uint64_t start;

    pair_init(&p, 18);
    timer_init(&a.timer, p.la, on_alarm);
    start = loop_now_ms(p.la);
    timer_start(&a.timer, 60000);
    world_advance(p.w, 59990);
    CHECK_EQ(a.count, 0);
    world_advance(p.w, 20);
    CHECK_EQ(a.count, 1);
    CHECK(a.fired_ms >= start + 60000 && a.fired_ms <= start + 60001);
    timer_start(&a.timer, 100);
    timer_stop(&a.timer);
    world_advance(p.w, 1000);
    CHECK_EQ(a.count, 1);
    pair_fini(&p);
}

struct order {
    struct loop *loop;
    struct task posted;
    struct task posted_by_posted;
    struct task deferred;
    struct task posted_by_deferred;
    char log[16];
    size_t n;
};

static struct order *the_order; /* the tasks are not nested in each other */

static void note(char c)
{
    the_order->log[the_order->n++] = c;
}

static void run_posted(struct task *t)
{
    note('p');
    loop_defer(the_order->loop, &the_order->deferred);
    loop_post(the_order->loop, &the_order->posted_by_posted);
}

static void run_posted_by_posted(struct task *t)
{
    note('q');
}

static void run_deferred(struct task *t)
{
    note('d');
    loop_post(the_order->loop, &the_order->posted_by_deferred);
    if (the_order->n < 6)
        loop_defer(the_order->loop, &the_order->deferred);
}

static void run_posted_by_deferred(struct task *t)
{
    note('r');
}

TEST(loop, runs_posted_then_deferred_then_what_those_posted)
{
    struct pair p;
    struct order o = {.n = 0};

    pair_init(&p, 19);
    the_order = &o;
    o.loop = p.la;
    task_init(&o.posted, run_posted);
    task_init(&o.posted_by_posted, run_posted_by_posted);
    task_init(&o.deferred, run_deferred);
    task_init(&o.posted_by_deferred, run_posted_by_deferred);
    loop_post(p.la, &o.posted);
    world_advance(p.w, 100);
    CHECK_STR(o.log, "pqdrdrdr");
    pair_fini(&p);
}

struct mail {
    struct hop_msg msg;
    unsigned number;
};

struct box {
    unsigned next;
    bool wrong;
};

static void open_mail(struct hop_msg *m, void *arg)
{
    struct box *box = arg;
    struct mail *mail = (struct mail *)m;

    box->wrong |= mail->number != box->next;
    box->next++;
    mem_free(mail);
}

static void post_mail(struct hop *h, unsigned number)
{
    struct mail *mail = MEM_NEW(struct mail);

    mail->msg.deliver = open_mail;
    mail->number = number;
    hop_post(h, &mail->msg);
}

TEST(hop, keeps_the_order_of_a_sender)
{
    struct pair p;
    struct box box = {0, false};
    struct hop *h;

    pair_init(&p, 20);
    h = hop_open(p.lb, &box);
    for (unsigned i = 0; i < 500; i++)
        post_mail(h, i);
    CHECK_EQ(box.next, 0); /* never inside the sender's call */
    world_advance(p.w, 1000);
    CHECK_EQ(box.next, 500);
    for (unsigned i = 500; i < 510; i++)
        post_mail(h, i);
    hop_close(h);
    CHECK_EQ(box.next, 510);
    CHECK(!box.wrong);
    pair_fini(&p);
}

struct worker {
    struct loop *loop;
    struct hop *hop;
    bool fini_called;
};

static void worker_init(struct loop *l, void *arg)
{
    struct worker *w = arg;

    w->loop = l;
    w->hop = hop_open(l, w);
}

static bool worker_fini(struct loop *l, void *arg)
{
    struct worker *w = arg;

    hop_close(w->hop);
    w->fini_called = true;
    return true;
}

static void stop_worker(struct hop_msg *m, void *arg)
{
    struct worker *w = arg;

    loop_stop(w->loop);
    mem_free(m);
}

TEST(thread, join_waits_for_the_stop_message)
{
    struct pair p;
    struct worker w = {.fini_called = false};
    struct hop_msg *m = MEM_NEW(struct hop_msg);
    struct thread *t;

    pair_init(&p, 21);
    t = thread_start("worker", &p.bed.counters, &p.bed.sink, worker_init, worker_fini, &w);
    CHECK(w.loop && w.hop);
    m->deliver = stop_worker;
    hop_post(w.hop, m);
    thread_join(t);
    CHECK(w.fini_called);
    pair_fini(&p);
}

/* --- UDP --- */

struct asker {
    struct dgram *d;
    char text[64];
    unsigned count;
    enum err failed;
};

static void on_packet(void *arg, struct slice packet, const struct addr *from)
{
    struct asker *a = arg;

    a->count++;
    slice_to_cstr(packet, a->text, sizeof(a->text));
}

static void on_failed(void *arg, enum err e)
{
    ((struct asker *)arg)->failed = e;
}

static void echo_packet(void *arg)
{
    struct udp **u = arg;
    struct addr from;
    char buf[64];
    size_t n;

    while (udp_recv(*u, buf, sizeof(buf), &n, &from) == OK)
        CHECK_EQ(udp_send(*u, slice_make(buf, n), &from), OK);
}

TEST(dgram, asks_and_hears)
{
    struct pair p;
    struct addr at = talk_addr("10.0.0.2:53");
    struct asker a = {.count = 0};
    struct udp *u;

    pair_init(&p, 22);
    CHECK_EQ(udp_open(p.b, NULL, &at, NULL, echo_packet, &u, &u), OK);
    CHECK_EQ(dgram_open(p.la, &at, on_packet, on_failed, &a, &a.d), OK);
    CHECK_EQ(dgram_send(a.d, SLICE("who?")), OK);
    world_advance(p.w, 100);
    CHECK_EQ(a.count, 1);
    CHECK_STR(a.text, "who?");
    world_set_loss(p.w, p.a, p.b, 1000);
    CHECK_EQ(dgram_send(a.d, SLICE("lost")), OK);
    world_advance(p.w, 60000);
    CHECK_EQ(a.count, 1); /* UDP does not repeat */
    dgram_close(a.d);
    pair_fini(&p);
}

TEST(dgram, hears_that_nobody_listens)
{
    struct pair p;
    struct addr at = talk_addr("10.0.0.2:53");
    struct asker a = {.count = 0};

    pair_init(&p, 23);
    CHECK_EQ(dgram_open(p.la, &at, on_packet, on_failed, &a, &a.d), OK);
    CHECK_EQ(dgram_send(a.d, SLICE("who?")), OK);
    world_advance(p.w, 100);
    CHECK_EQ(a.failed, ERR_REFUSED);
    dgram_close(a.d);
    pair_fini(&p);
}

TESTS(TEST_OF(world, same_seed_is_the_same_run), TEST_OF(world, seeds_cut_the_bytes_differently),
      TEST_OF(host, killed_process_is_closed_by_its_kernel), TEST_OF(host, power_off_is_silence),
      TEST_OF(host, paused_process_goes_on_later),
      TEST_OF(host, suspended_machine_loses_time_but_not_boot_time),
      TEST_OF(timer, fires_when_due_and_not_before),
      TEST_OF(loop, runs_posted_then_deferred_then_what_those_posted),
      TEST_OF(hop, keeps_the_order_of_a_sender), TEST_OF(thread, join_waits_for_the_stop_message),
      TEST_OF(dgram, asks_and_hears), TEST_OF(dgram, hears_that_nobody_listens))
