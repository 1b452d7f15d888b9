#include "unit/test.h"

#include "loop/hop.h"
#include "loop/pace.h"
#include "loop/thread.h"
#include "loop/timer.h"

#include "base/mem.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#define SENDERS  4
#define MESSAGES 50000

static struct counters counters[2];
static struct log_sink sink;

struct numbered {
    struct hop_msg msg;
    int sender;
    int number;
};

/* The consumer's side: a thread with a loop. */
struct sum {
    struct loop *loop;
    struct hop *hop;
    int next[SENDERS]; /* the number expected from each */
    int delivered;
    char name[16];
    sigset_t blocked;
};

static void deliver(struct hop_msg *m, void *arg)
{
    struct numbered *n = LIST_ENTRY(m, struct numbered, msg);
    struct sum *s = arg;

    assert(n->number == s->next[n->sender]); /* order per sender */
    s->next[n->sender]++;
    if (++s->delivered == SENDERS * MESSAGES)
        loop_stop(s->loop);
    mem_free(n);
}

static void open_sum(struct loop *l, void *arg)
{
    struct sum *s = arg;

    s->loop = l;
    s->hop = hop_open(l, s);
    pthread_sigmask(SIG_SETMASK, NULL, &s->blocked);
}

static bool close_sum(struct loop *l, void *arg)
{
    struct sum *s = arg;

    pthread_getname_np(pthread_self(), s->name, sizeof(s->name));
    hop_close(s->hop);
    return true;
}

struct sender {
    pthread_t id;
    struct sum *to;
    int number;
};

static void *send_all(void *arg)
{
    struct sender *from = arg;

    for (int i = 0; i < MESSAGES; i++) {
        struct numbered *n = MEM_NEW(struct numbered);

        n->msg.deliver = deliver;
        n->sender = from->number;
        n->number = i;
        hop_post(from->to->hop, &n->msg);
    }
    return NULL;
}

TEST(hop, keeps_order_of_each_of_four_threads)
{
    struct sum s = {0};
    struct sender senders[SENDERS];
    struct thread *t = thread_start("worker-0", &counters[0], &sink, open_sum, close_sum, &s);

    for (int i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.to = &s, .number = i};
        CHECK_EQ(pthread_create(&senders[i].id, NULL, send_all, &senders[i]), 0);
    }
    for (int i = 0; i < SENDERS; i++)
        pthread_join(senders[i].id, NULL);
    thread_join(t);
    CHECK_EQ(s.delivered, SENDERS * MESSAGES);
    CHECK_STR(s.name, "worker-0");
    CHECK(sigismember(&s.blocked, SIGTERM)); /* the steward's */
}

struct note {
    struct hop_msg msg;
    struct hop *hop;
    int left;
};

static int notes;

/* One that posts the next: hop_close delivers it, too. */
static void deliver_note(struct hop_msg *m, void *arg)
{
    struct note *n = LIST_ENTRY(m, struct note, msg);

    notes++;
    if (n->left-- > 0)
        hop_post(n->hop, &n->msg);
}

TEST(hop, close_delivers_what_is_there_first)
{
    struct loop *l = loop_new(&counters[0], &sink);
    struct hop *h = hop_open(l, NULL);
    struct note n = {.msg.deliver = deliver_note, .hop = h, .left = 2};

    notes = 0;
    hop_post(h, &n.msg);
    CHECK_EQ(notes, 0); /* never inside the post */
    hop_close(h);
    CHECK_EQ(notes, 3);
    loop_free(l);
}

static struct loop *waiting;

static void deliver_stop(struct hop_msg *m, void *arg)
{
    notes++;
    loop_stop(waiting);
}

static void *post_later(void *arg)
{
    struct note *n = arg;

    usleep(20000); /* the loop sleeps by then */
    hop_post(n->hop, &n->msg);
    return NULL;
}

static void on_limit(struct timer *t)
{
    loop_stop(waiting);
}

TEST(hop, a_single_message_wakes_the_loop)
{
    struct timer limit;
    struct note n = {.msg.deliver = deliver_stop};
    pthread_t id;

    notes = 0;
    waiting = loop_new(&counters[0], &sink);
    n.hop = hop_open(waiting, NULL);
    timer_init(&limit, waiting, on_limit);
    timer_start(&limit, 3000);
    CHECK_EQ(pthread_create(&id, NULL, post_later, &n), 0);
    loop_run(waiting);
    pthread_join(id, NULL);
    CHECK_EQ(notes, 1);
    CHECK(timer_running(&limit));
    timer_stop(&limit);
    hop_close(n.hop);
    loop_free(waiting);
}

#define CHATTER 5000

static struct task turned;
static uint64_t turns;

static void run_turned(struct task *t)
{
    turns++;
}

static void deliver_chatter(struct hop_msg *m, void *arg)
{
    loop_post(waiting, &turned); /* once a turn */
    if (++notes == CHATTER)
        loop_stop(waiting);
}

static uint64_t now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* One message about every 20 microseconds. */
static void *chatter(void *arg)
{
    struct note *n = arg;

    for (int i = 0; i < CHATTER; i++) {
        uint64_t next_us = now_us() + 20;

        while (now_us() < next_us)
            ;
        hop_post(n[i].hop, &n[i].msg);
    }
    return NULL;
}

/* loop/pace.h at work: each of these would else be a turn of its own. */
TEST(hop, messages_close_together_share_turns)
{
    struct note *n = mem_array(CHATTER, sizeof(*n));
    uint64_t began_us;
    pthread_t id;
    struct hop *h;

    waiting = loop_new(&counters[0], &sink);
    h = hop_open(waiting, NULL);
    for (int i = 0; i < CHATTER; i++)
        n[i] = (struct note){.msg.deliver = deliver_chatter, .hop = h};
    task_init(&turned, run_turned);
    notes = 0;
    turns = 0;
    began_us = now_us();
    CHECK_EQ(pthread_create(&id, NULL, chatter, n), 0);
    loop_run(waiting);
    CHECK_EQ(notes, CHATTER);
    CHECK(turns <= (now_us() - began_us) / (PACE_GAP_US / 2) + 2);
    pthread_join(id, NULL);
    hop_close(h);
    loop_free(waiting);
    mem_free(n);
}

TESTS(TEST_OF(hop, keeps_order_of_each_of_four_threads),
      TEST_OF(hop, close_delivers_what_is_there_first),
      TEST_OF(hop, a_single_message_wakes_the_loop),
      TEST_OF(hop, messages_close_together_share_turns))
