#include "base/random.h"
#include "route/lane.h"
#include "unit/route/stanzas.h"
#include "unit/test.h"

/* Both ends, joined by hand: what tx sends goes to a list, what rx reports to `told`. */
static struct {
    struct lane_tx tx;
    struct lane_rx rx;
    struct outq_limits limits;
    struct list wire; /* queue_node */
    int sent;
    int dirty;
    int fates;
    int number[4096];
    enum fate fate[4096];
    bool again[4096];
} t;

static void tx_send(struct lane_tx *tx, struct stanza *s)
{
    (void)tx;
    list_push(&t.wire, &stanza_ref(s)->queue_node);
    t.sent++;
}

static void tx_fate(struct lane_tx *tx, struct stanza *s, enum fate f, enum bounce why,
                    struct slice detail)
{
    (void)tx;
    (void)why;
    (void)detail;
    t.number[t.fates] = number_of(s);
    t.again[t.fates] = s->resend;
    t.fate[t.fates++] = f;
    stanza_unref(s);
}

static void rx_dirty(struct lane_rx *rx)
{
    (void)rx;
    t.dirty++;
}

static const struct lane_tx_ops ops = {tx_send, tx_fate};

static void set_up(size_t stanzas)
{
    memset(&t, 0, sizeof(t));
    t.limits = (struct outq_limits){stanzas, 1 << 24, 60000, 2000, true};
    list_init(&t.wire);
    lane_tx_init(&t.tx, &ops, &t.limits, &lane_copied);
    lane_rx_init(&t.rx, &lane_copied, rx_dirty);
}

static enum outq_put put(int number)
{
    struct stanza *s = message("a.example", "b.example", number);
    enum outq_put r = lane_tx_put(&t.tx, s);

    if (r == OUTQ_REFUSED)
        stanza_unref(s);
    return r;
}

/* The owner settles the next stanza on the wire. */
static void settle_next(enum fate f)
{
    struct stanza *s = LIST_FIRST(&t.wire, struct stanza, queue_node);

    list_remove(&s->queue_node);
    lane_rx_fate(&t.rx, s->lane_seq, stanza_cost(s), f, BOUNCE_AGE, slice_none());
    stanza_unref(s);
}

static void report(void)
{
    struct lane_report r;

    lane_rx_take(&t.rx, 0, &r);
    lane_tx_report(&t.tx, &r, 0);
    lane_report_fini(&r);
}

static void tear_down(void)
{
    while (!list_empty(&t.wire) || t.tx.held_count) {
        while (!list_empty(&t.wire))
            settle_next(FATE_SENT);
        report();
    }
    report();
    lane_tx_fini(&t.tx);
    lane_rx_fini(&t.rx);
}

TEST(lane, sends_what_its_credit_allows_and_the_rest_after_reports)
{
    int n = 0;

    set_up(10000);
    while (t.tx.held_count == 0)
        CHECK_EQ(put(n++), OUTQ_TAKEN);
    CHECK(t.sent == n - 1 && t.sent > 10);
    CHECK(t.tx.flight_bytes <= lane_copied.first_bytes);
    settle_next(FATE_SENT);
    CHECK_EQ(t.dirty, 1);
    report();
    CHECK_EQ(t.sent, n);
    CHECK_EQ(t.fates, 1);
    tear_down();
    CHECK_EQ(t.fates, n);
    for (int i = 0; i < n; i++)
        CHECK_EQ(t.number[i], i);
}

TEST(lane, tells_fates_in_order_though_they_come_in_any)
{
    set_up(1000);
    for (int i = 0; i < 4; i++)
        put(i);
    /* the newest is refused by the port at once, the others are sent later */
    lane_rx_fate(&t.rx, 4, 1, FATE_BOUNCED, BOUNCE_QUEUE_FULL, SLICE("full"));
    report();
    CHECK_EQ(t.fates, 0);
    lane_rx_fate(&t.rx, 2, 1, FATE_SENT, BOUNCE_AGE, slice_none());
    lane_rx_fate(&t.rx, 1, 1, FATE_SENT, BOUNCE_AGE, slice_none());
    report();
    CHECK_EQ(t.fates, 2);
    lane_rx_fate(&t.rx, 3, 1, FATE_SENT, BOUNCE_AGE, slice_none());
    report();
    CHECK_EQ(t.fates, 4);
    CHECK_EQ(t.fate[3], FATE_BOUNCED);
    for (int i = 0; i < 4; i++)
        CHECK_EQ(t.number[i], i);
    LIST_WALK(node, &t.wire)
    stanza_unref(LIST_ENTRY(node, struct stanza, queue_node));
    list_init(&t.wire);
    lane_tx_fini(&t.tx);
    lane_rx_fini(&t.rx);
}

TEST(lane, widens_its_window_while_the_port_moves)
{
    int n = 0;

    set_up(100000);
    for (int round = 0; round < 12; round++) {
        while (t.tx.held_count == 0)
            put(n++ % 1000);
        while (!list_empty(&t.wire))
            settle_next(FATE_SENT);
        t.fates = 0;
        report();
    }
    CHECK_EQ(t.tx.window_bytes, lane_copied.most_bytes);
    t.fates = 0;
    tear_down();
}

static void no_kick(struct outq *q)
{
    (void)q;
}

static void no_fate(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                    struct slice detail)
{
    (void)q;
    (void)s;
    (void)fate;
    (void)why;
    (void)detail;
}

/* An acknowledgement may be seen 20 ms late: at the rates of a busy link what is sent in that time
 * must find credit, at once in the order of 15 000 stanzas a second, and soon of 400 000. */
TEST(lane, a_shared_lane_has_credit_until_fates_are_known)
{
    struct stanza *s = message("a.example", "b.example", 1);
    size_t cost = stanza_cost(s) + 200;

    CHECK(lane_shared.first_bytes >= 300 * cost);
    CHECK(lane_shared.most_bytes >= 8000 * cost);
    stanza_unref(s);
}

/* A port that stops must not be overfilled by what its lanes were allowed. */
TEST(lane, lanes_to_one_port_share_half_its_bound)
{
    static const struct outq_ops port_ops = {no_kick, no_fate};
    static const struct {
        size_t bytes; /* the port's bound */
        size_t alone;
        size_t of_four;
    } cases[] = {
        {1 << 28, 1 << 23, 1 << 23}, /* the most of a shared lane */
        {1 << 24, 1 << 23, 1 << 21},
        {1 << 20, 1 << 19, 1 << 17},
        {1 << 10, LANE_LEAST_BYTES, LANE_LEAST_BYTES},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct outq_limits limits = {1000, cases[i].bytes, 60000, 2000, true};
        struct lane_rx rx[4];
        struct outq port;

        outq_init(&port, &port_ops, &limits);
        for (size_t k = 0; k < COUNT(rx); k++) {
            lane_rx_init(&rx[k], &lane_shared, rx_dirty);
            lane_rx_attach(&rx[k], &port);
            rx[k].window_bytes = lane_shared.most_bytes;
            if (k == 0)
                CHECK_EQ(lane_rx_window(&rx[0]), cases[i].alone);
        }
        CHECK_EQ(lane_rx_window(&rx[0]), cases[i].of_four);
        lane_port_gone(&port);
        for (size_t k = 0; k < COUNT(rx); k++)
            lane_rx_fini(&rx[k]);
        outq_fini(&port);
    }
}

TEST(lane, refuses_beyond_its_bound_unless_open_and_moving)
{
    set_up(5);
    for (int i = 0; i < 5; i++)
        CHECK_EQ(put(i), OUTQ_TAKEN);
    CHECK_EQ(put(5), OUTQ_REFUSED);
    t.tx.open = t.tx.moving = true;
    CHECK_EQ(put(5), OUTQ_FULL);
    tear_down();
}

TEST(lane, one_stanza_travels_whatever_the_window)
{
    set_up(5);
    t.tx.window_bytes = 1;
    put(0);
    CHECK_EQ(t.sent, 1);
    put(1);
    CHECK_EQ(t.sent, 1);
    tear_down();
    CHECK_EQ(t.fates, 2);
}

/* Any mixture of fates and reports: each stanza has one fate, in order, nothing stays behind. */
TEST(lane, loses_and_doubles_nothing_in_any_order_of_events)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct random r;
        int n = 0;

        random_init_seeded(&r, seed);
        set_up(1000);
        for (int step = 0; step < 400; step++) {
            uint64_t draw = random_below(&r, 10);

            if (draw < 5)
                put(n++);
            else if (draw < 8 && !list_empty(&t.wire))
                settle_next(draw == 7 ? FATE_BOUNCED : FATE_SENT);
            else
                report();
        }
        tear_down();
        CHECK_EQ(t.fates, n);
        for (int i = 0; i < n; i++)
            CHECK_EQ(t.number[i], i);
    }
}

static void settle_all(void)
{
    while (!list_empty(&t.wire))
        settle_next(FATE_SENT);
}

/* The carrier breaks: what was on it is gone. */
static void lose_wire(void)
{
    struct stanza *s;

    while ((s = LIST_FIRST(&t.wire, struct stanza, queue_node))) {
        list_remove(&s->queue_node);
        stanza_unref(s);
    }
}

TEST(lane, a_suspended_one_goes_on_where_the_owner_says)
{
    set_up(100);
    for (int i = 0; i < 6; i++)
        put(i);
    settle_next(FATE_SENT); /* 1 */
    report();
    settle_next(FATE_SENT); /* 2: arrived, its report does not */
    lose_wire();            /* 3 to 6 */
    lane_tx_suspend(&t.tx);
    CHECK(!t.tx.open && !t.tx.moving);
    put(6);
    CHECK_EQ(t.sent, 6);
    CHECK_EQ(lane_tx_done(&t.tx), 1);
    CHECK(!lane_tx_resume(&t.tx, 1)); /* the owner forgot what it had settled */
    CHECK(!lane_tx_resume(&t.tx, 8)); /* it has what was never sent */
    CHECK(lane_tx_resume(&t.tx, 3));
    CHECK_EQ(t.sent, 6 + 4 + 1);
    settle_all();
    report();
    CHECK_EQ(t.fates, 7);
    for (int i = 0; i < 7; i++)
        CHECK_EQ(t.number[i], i);
    tear_down();
}

TEST(lane, begins_anew_with_everything_in_order)
{
    int sent;

    set_up(100);
    t.tx.window_bytes = 1500;
    for (int i = 0; i < 8; i++)
        put(i);
    CHECK(t.tx.undone_count > 1 && t.tx.held_count > 1);
    lose_wire();
    lane_tx_suspend(&t.tx);
    sent = t.sent;
    lane_tx_renew(&t.tx, true);
    CHECK_EQ(t.fates, 8);
    for (int i = 0; i < 8; i++) {
        CHECK(t.number[i] == i && t.fate[i] == FATE_RETURNED);
        CHECK_EQ(t.again[i], i < sent); /* who knows what of it was written */
    }
    CHECK(t.tx.generation == 2 && t.tx.next_seq == 1 && t.tx.bytes == 0);
    put(8);
    CHECK_EQ(lane_tx_done(&t.tx), 0);
    lane_rx_fini(&t.rx);
    lane_rx_init(&t.rx, &lane_copied, rx_dirty);
    lane_tx_bind(&t.tx);
    tear_down();
    CHECK_EQ(t.fates, 9);
}

/* None is routed anew before all are back: a later one would overtake. */
TEST(lane, a_pairs_stanzas_come_back_together)
{
    set_up(100);
    t.tx.whole = true;
    for (int i = 0; i < 4; i++)
        put(i);
    settle_next(FATE_SENT);
    settle_next(FATE_RETURNED);
    report();
    CHECK_EQ(t.fates, 1);
    put(4);
    CHECK_EQ(t.sent, 4);
    settle_next(FATE_RETURNED);
    settle_next(FATE_RETURNED);
    report();
    CHECK_EQ(t.fates, 5);
    for (int i = 0; i < 5; i++)
        CHECK(t.number[i] == i && t.fate[i] == (i ? FATE_RETURNED : FATE_SENT));
    CHECK_EQ(lane_tx_count(&t.tx), 0);
    CHECK_EQ(t.tx.bytes, 0);
    put(5); /* the same numbers go on: both ends are alive */
    CHECK_EQ(t.sent, 5);
    tear_down();
    CHECK_EQ(t.fates, 6);
}

/* LIVE-04: without a carrier the ingress ends them itself, when the owner has decided long ago. */
TEST(lane, what_was_sent_ends_at_twice_its_age_if_nobody_can_tell)
{
    set_up(100);
    for (int i = 0; i < 3; i++)
        put(i);
    lose_wire();
    lane_tx_expire(&t.tx, 1000000);
    CHECK_EQ(t.fates, 0);
    lane_tx_suspend(&t.tx);
    lane_tx_expire(&t.tx, 2 * t.limits.age_ms);
    CHECK_EQ(t.fates, 0);
    lane_tx_expire(&t.tx, 2 * t.limits.age_ms + 1);
    CHECK_EQ(t.fates, 3);
    CHECK_EQ(t.fate[0], FATE_BOUNCED);
    CHECK_EQ(lane_tx_done(&t.tx), 3);
    lane_tx_fini(&t.tx);
    lane_rx_fini(&t.rx);
}

TESTS(TEST_OF(lane, sends_what_its_credit_allows_and_the_rest_after_reports),
      TEST_OF(lane, tells_fates_in_order_though_they_come_in_any),
      TEST_OF(lane, widens_its_window_while_the_port_moves),
      TEST_OF(lane, a_shared_lane_has_credit_until_fates_are_known),
      TEST_OF(lane, lanes_to_one_port_share_half_its_bound),
      TEST_OF(lane, refuses_beyond_its_bound_unless_open_and_moving),
      TEST_OF(lane, one_stanza_travels_whatever_the_window),
      TEST_OF(lane, loses_and_doubles_nothing_in_any_order_of_events),
      TEST_OF(lane, a_suspended_one_goes_on_where_the_owner_says),
      TEST_OF(lane, begins_anew_with_everything_in_order),
      TEST_OF(lane, a_pairs_stanzas_come_back_together),
      TEST_OF(lane, what_was_sent_ends_at_twice_its_age_if_nobody_can_tell))
