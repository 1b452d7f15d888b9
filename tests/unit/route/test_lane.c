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
    lane_tx_init(&t.tx, &ops, &t.limits);
    lane_rx_init(&t.rx, rx_dirty);
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
    CHECK(t.tx.flight_bytes <= LANE_FIRST_BYTES);
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
    CHECK_EQ(t.tx.window_bytes, LANE_MOST_BYTES);
    t.fates = 0;
    tear_down();
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

TESTS(TEST_OF(lane, sends_what_its_credit_allows_and_the_rest_after_reports),
      TEST_OF(lane, tells_fates_in_order_though_they_come_in_any),
      TEST_OF(lane, widens_its_window_while_the_port_moves),
      TEST_OF(lane, refuses_beyond_its_bound_unless_open_and_moving),
      TEST_OF(lane, one_stanza_travels_whatever_the_window),
      TEST_OF(lane, loses_and_doubles_nothing_in_any_order_of_events))
