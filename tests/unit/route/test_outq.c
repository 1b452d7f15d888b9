#include "route/outq.h"
#include "unit/route/stanzas.h"
#include "unit/test.h"

#define FATES_MAX 256

static struct {
    struct outq q;
    struct outq_limits limits;
    int kicks;
    int count;
    int number[FATES_MAX];
    enum fate fate[FATES_MAX];
    enum bounce why[FATES_MAX];
    struct source source;
    int pauses;
    int resumes;
} t;

static void kick(struct outq *q)
{
    (void)q;
    t.kicks++;
}

static void fate(struct outq *q, struct stanza *s, enum fate f, enum bounce why,
                 struct slice detail)
{
    (void)q;
    (void)detail;
    assert_true(t.count < FATES_MAX);
    t.number[t.count] = number_of(s);
    t.fate[t.count] = f;
    t.why[t.count++] = why;
    stanza_unref(s);
}

static void on_pause(struct source *s)
{
    (void)s;
    t.pauses++;
}

static void on_resume(struct source *s)
{
    (void)s;
    t.resumes++;
}

static const struct outq_ops ops = {kick, fate};

static void set_up(size_t stanzas, bool resend)
{
    memset(&t, 0, sizeof(t));
    t.limits = (struct outq_limits){stanzas, 1 << 20, 60000, 2000, resend};
    outq_init(&t.q, &ops, &t.limits);
    source_init(&t.source, on_pause, on_resume);
}

static enum outq_put put(int number, uint64_t now_ms)
{
    struct stanza *s = message("a.example", "b.example", number);
    enum outq_put r;

    s->accepted_ms = now_ms;
    r = outq_put(&t.q, s, now_ms);
    stanza_unref(s);
    return r;
}

static void write_all(uint64_t first_mark)
{
    while (outq_peek(&t.q))
        outq_wrote(&t.q, first_mark++);
}

static void tear_down(void)
{
    outq_flush(&t.q, true, FATE_DROPPED, BOUNCE_DRAIN, slice_none());
    source_fini(&t.source);
    outq_fini(&t.q);
}

/* DB-04, ROUTE-05: in order, and sent only when the peer's TCP has it. */
TEST(outq, tells_sent_in_order_when_acknowledged)
{
    set_up(100, true);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(put(i, 0), OUTQ_TAKEN);
    outq_opened(&t.q, 0);
    write_all(10);
    CHECK_EQ(t.count, 0);
    CHECK_EQ(outq_acked(&t.q, 12, 0), 3);
    CHECK_EQ(t.count, 3);
    for (int i = 0; i < 3; i++) {
        CHECK_EQ(t.number[i], i);
        CHECK_EQ(t.fate[i], FATE_SENT);
    }
    CHECK_EQ(outq_count(&t.q), 2);
    tear_down();
}

TEST(outq, resends_what_was_not_acknowledged_before_what_waits)
{
    set_up(100, true);
    outq_opened(&t.q, 0);
    for (int i = 0; i < 4; i++)
        put(i, 0);
    outq_wrote(&t.q, 1);
    outq_wrote(&t.q, 2);
    outq_acked(&t.q, 1, 0);
    outq_lost(&t.q);
    CHECK_EQ(number_of(outq_peek(&t.q)), 1);
    CHECK(outq_peek(&t.q)->resend && !outq_peek(&t.q)->resent);
    write_all(1);
    CHECK(LIST_FIRST(&t.q.unacked, struct stanza, queue_node)->resent);
    CHECK(!LIST_ENTRY(t.q.unacked.prev, struct stanza, queue_node)->resent);
    outq_acked(&t.q, UINT64_MAX, 0);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(t.number[i], i);
    tear_down();
}

TEST(outq, bounces_the_uncertain_where_asked)
{
    set_up(100, false);
    outq_opened(&t.q, 0);
    put(0, 0);
    put(1, 0);
    outq_wrote(&t.q, 1);
    outq_lost(&t.q);
    CHECK_EQ(t.count, 1);
    CHECK_EQ(t.fate[0], FATE_BOUNCED);
    CHECK_EQ(t.why[0], BOUNCE_LINK_LOST);
    CHECK_EQ(number_of(outq_peek(&t.q)), 1);
    tear_down();
}

/* LIMIT-10: closed and full refuses; open and moving pauses. */
TEST(outq, refuses_when_full_and_not_open)
{
    set_up(10, true);
    for (int i = 0; i < 10; i++)
        CHECK_EQ(put(i, 0), OUTQ_TAKEN);
    CHECK_EQ(put(10, 0), OUTQ_REFUSED);
    CHECK_EQ(outq_count(&t.q), 10);
    tear_down();
}

TEST(outq, pauses_sources_while_it_moves_and_lets_them_go_at_three_quarters)
{
    set_up(100, true);
    outq_opened(&t.q, 0);
    for (int i = 0; i < 100; i++)
        CHECK_EQ(put(i, 0), OUTQ_TAKEN);
    CHECK_EQ(put(100, 0), OUTQ_FULL);
    gate_hold(&t.q.gate, &t.source, 0);
    CHECK_EQ(t.pauses, 1);
    write_all(1);
    outq_acked(&t.q, 25, 1);
    CHECK_EQ(t.resumes, 0); /* 76 are left */
    outq_acked(&t.q, 26, 1);
    CHECK_EQ(t.resumes, 1);
    tear_down();
}

TEST(outq, refuses_when_open_but_not_moving)
{
    set_up(100, true);
    outq_opened(&t.q, 0);
    for (int i = 0; i < 100; i++)
        put(i, 0);
    CHECK_EQ(put(100, 5000), OUTQ_REFUSED); /* nothing left it for two windows and more */
    write_all(1);
    outq_acked(&t.q, 10, 5000); /* a tenth: it moves */
    for (int i = 0; i < 10; i++)
        CHECK_EQ(put(200 + i, 5000), OUTQ_TAKEN);
    CHECK_EQ(put(300, 5500), OUTQ_FULL);
    CHECK_EQ(put(301, 9500), OUTQ_REFUSED);
    tear_down();
}

TEST(outq, never_holds_twice_its_bound)
{
    int taken = 0;

    set_up(50, true);
    outq_opened(&t.q, 0);
    for (int i = 0; i < 500; i++)
        taken += put(i, 0) != OUTQ_REFUSED;
    CHECK_EQ(taken, 100);
    tear_down();
}

/* One stanza may be bigger than the whole bound: an empty queue takes it. */
TEST(outq, takes_one_however_big)
{
    set_up(10, true);
    t.limits.bytes = 10;
    CHECK_EQ(put(0, 0), OUTQ_FULL);
    CHECK_EQ(put(1, 0), OUTQ_REFUSED);
    tear_down();
}

TEST(outq, bounces_by_age_and_tells_of_a_hanging_link)
{
    set_up(100, true);
    put(0, 0);
    put(1, 30000);
    CHECK(!outq_expire(&t.q, 60001, slice_none()));
    CHECK_EQ(t.count, 1);
    CHECK_EQ(t.number[0], 0);
    CHECK_EQ(t.why[0], BOUNCE_AGE);
    outq_opened(&t.q, 60001);
    outq_wrote(&t.q, 1);
    CHECK(!outq_expire(&t.q, 90000, slice_none()));
    CHECK(outq_expire(&t.q, 90001, slice_none()));
    CHECK_EQ(t.count, 1); /* written ones are not bounced behind the link's back */
    tear_down();
}

TEST(outq, gives_back_in_order_what_came_over_no_lane)
{
    static const int own[] = {0, 2, 3, 4, 5};
    char lane;

    set_up(100, true);
    for (int i = 0; i < 6; i++)
        put(i, 0);
    write_all(1);
    put(6, 0);
    outq_lost(&t.q); /* 0 to 5 were written; all seven wait again */
    LIST_ENTRY(t.q.waiting.next->next, struct stanza, queue_node)->lane = &lane;
    LIST_ENTRY(t.q.waiting.prev, struct stanza, queue_node)->lane = &lane;
    outq_give_back(&t.q, NULL);
    CHECK_EQ(t.count, 5);
    for (int i = 0; i < t.count; i++) {
        CHECK_EQ(t.number[i], own[i]);
        CHECK_EQ(t.fate[i], FATE_RETURNED);
    }
    CHECK_EQ(outq_count(&t.q), 2);
    CHECK_EQ(number_of(outq_peek(&t.q)), 1);
    tear_down();
}

TEST(outq, observes_the_time_of_each_written_stanza_once)
{
    static struct counters counters;
    uint64_t sum = 0;

    set_up(100, true);
    outq_opened(&t.q, 0);
    for (int i = 0; i < 3; i++)
        put(i, 0);
    LIST_WALK(node, &t.q.waiting)
        LIST_ENTRY(node, struct stanza, queue_node)->read_us = 1000;
    write_all(1);
    outq_flushed(&t.q, 2, 1500, &counters);
    outq_flushed(&t.q, 2, 1500, &counters);
    outq_acked(&t.q, 3, 0); /* the third was acknowledged before it was seen as flushed */
    outq_flushed(&t.q, 9, 1500, &counters);
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++)
        sum += counter_read(&counters, COUNTER_RELAY + i);
    CHECK_EQ(sum, 2);
    tear_down();
}

TESTS(TEST_OF(outq, tells_sent_in_order_when_acknowledged),
      TEST_OF(outq, resends_what_was_not_acknowledged_before_what_waits),
      TEST_OF(outq, bounces_the_uncertain_where_asked),
      TEST_OF(outq, refuses_when_full_and_not_open),
      TEST_OF(outq, pauses_sources_while_it_moves_and_lets_them_go_at_three_quarters),
      TEST_OF(outq, refuses_when_open_but_not_moving),
      TEST_OF(outq, never_holds_twice_its_bound), TEST_OF(outq, takes_one_however_big),
      TEST_OF(outq, bounces_by_age_and_tells_of_a_hanging_link),
      TEST_OF(outq, gives_back_in_order_what_came_over_no_lane),
      TEST_OF(outq, observes_the_time_of_each_written_stanza_once))
