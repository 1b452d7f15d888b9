#include "route/lane.h"

const struct lane_window lane_copied = {16384, 1048576};
const struct lane_window lane_shared = {262144, 8388608};

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* The most that one of `count` lanes to a port with such limits may have under way. */
static size_t share(const struct outq_limits *limits, size_t count)
{
    size_t bytes = limits->bytes / 2 / count;

    return bytes > LANE_LEAST_BYTES ? bytes : LANE_LEAST_BYTES;
}

/* --- ingress side --- */

static size_t first_window(const struct lane_tx *tx)
{
    return least(tx->window->first_bytes, share(tx->limits, 1));
}

void lane_tx_init(struct lane_tx *tx, const struct lane_tx_ops *ops,
                  const struct outq_limits *limits, const struct lane_window *window)
{
    memset(tx, 0, sizeof(*tx));
    tx->ops = ops;
    tx->limits = limits;
    tx->window = window;
    tx->window_bytes = first_window(tx);
    tx->next_seq = 1;
    tx->generation = 1;
    tx->bound = true;
    list_init(&tx->back);
    list_init(&tx->undone);
    list_init(&tx->held);
    list_init(&tx->active);
    gate_init(&tx->gate);
}

void lane_tx_fini(struct lane_tx *tx)
{
    assert(lane_tx_count(tx) == 0);
    gate_open(&tx->gate);
    list_remove(&tx->active);
}

static bool over(const struct lane_tx *tx, size_t more, size_t factor)
{
    return outq_limits_exceeded(tx->limits, lane_tx_count(tx) + 1, tx->bytes + more, factor);
}

static bool has_room(const struct lane_tx *tx)
{
    return outq_limits_room(tx->limits, lane_tx_count(tx), tx->bytes);
}

/* Whatever the window, one stanza may always travel: a big one must not wait for ever. */
static bool has_credit(const struct lane_tx *tx, size_t cost)
{
    if (!tx->bound || tx->back_count)
        return false;
    return tx->undone_count == 0 || tx->flight_bytes + cost <= tx->window_bytes;
}

static void send(struct lane_tx *tx, struct stanza *s, size_t cost)
{
    s->lane_seq = tx->next_seq++;
    list_push(&tx->undone, &s->custody_node);
    tx->undone_count++;
    tx->flight_bytes += cost;
    tx->ops->send(tx, s);
}

enum outq_put lane_tx_put(struct lane_tx *tx, struct stanza *s)
{
    size_t cost = stanza_cost(s);
    bool full = over(tx, cost, 1);

    if (full && lane_tx_count(tx) && (!tx->open || !tx->moving || over(tx, cost, OUTQ_HARD_FACTOR)))
        return OUTQ_REFUSED;
    tx->bytes += cost;
    if (tx->held_count == 0 && has_credit(tx, cost)) {
        send(tx, s, cost);
    } else {
        list_push(&tx->held, &s->custody_node);
        tx->held_count++;
    }
    return full ? OUTQ_FULL : OUTQ_TAKEN;
}

static void send_held(struct lane_tx *tx)
{
    struct stanza *s;

    while ((s = LIST_FIRST(&tx->held, struct stanza, custody_node))) {
        size_t cost = stanza_cost(s);

        if (!has_credit(tx, cost))
            return;
        list_remove(&s->custody_node);
        tx->held_count--;
        send(tx, s, cost);
    }
}

/* A pair's: none is routed anew before all are back. */
static void keep_back(struct lane_tx *tx, struct stanza *s, size_t cost)
{
    list_push(&tx->back, &s->custody_node);
    tx->back_count++;
    tx->bytes += cost;
}

static void finish_run(struct lane_tx *tx, const struct lane_run *run)
{
    struct slice detail = run->detail ? bytes_slice(run->detail) : slice_none();
    struct stanza *s;

    while ((s = LIST_FIRST(&tx->undone, struct stanza, custody_node)) &&
           s->lane_seq <= run->last_seq) {
        size_t cost = stanza_cost(s);

        list_remove(&s->custody_node);
        tx->undone_count--;
        tx->flight_bytes -= cost;
        tx->bytes -= cost;
        if (tx->whole && run->fate == FATE_RETURNED)
            keep_back(tx, s, cost);
        else
            tx->ops->fate(tx, s, run->fate, run->why, detail);
    }
}

/* They may come into this lane again. */
static void give_back(struct lane_tx *tx)
{
    struct list all;
    struct stanza *s;

    list_init(&all);
    list_append_all(&all, &tx->back);
    list_append_all(&all, &tx->undone);
    list_append_all(&all, &tx->held);
    tx->back_count = tx->undone_count = tx->held_count = 0;
    tx->bytes = tx->flight_bytes = 0;
    tx->open = tx->moving = false;
    gate_open(&tx->gate);
    while ((s = LIST_FIRST(&all, struct stanza, custody_node))) {
        list_remove(&s->custody_node);
        tx->ops->fate(tx, s, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
    }
}

void lane_tx_report(struct lane_tx *tx, const struct lane_report *report, uint64_t now_ms)
{
    tx->window_bytes = report->window_bytes;
    tx->open = report->open;
    tx->moving = report->moving;
    for (size_t i = 0; i < report->count; i++)
        finish_run(tx, &report->runs[i]);
    if (tx->back_count && !tx->undone_count)
        give_back(tx);
    send_held(tx);
    if (has_room(tx) || !tx->open)
        gate_open(&tx->gate);
    tx->idle_since_ms = now_ms;
}

static void drop_first_undone(struct lane_tx *tx, enum bounce why)
{
    struct stanza *s = LIST_FIRST(&tx->undone, struct stanza, custody_node);
    size_t cost = stanza_cost(s);

    list_remove(&s->custody_node);
    tx->undone_count--;
    tx->flight_bytes -= cost;
    tx->bytes -= cost;
    tx->ops->fate(tx, s, FATE_BOUNCED, why, slice_none());
}

static void bounce_first_held(struct lane_tx *tx, enum bounce why)
{
    struct stanza *s = LIST_FIRST(&tx->held, struct stanza, custody_node);

    list_remove(&s->custody_node);
    tx->held_count--;
    tx->bytes -= stanza_cost(s);
    tx->ops->fate(tx, s, FATE_BOUNCED, why, slice_none());
}

void lane_tx_bounce_held(struct lane_tx *tx, enum bounce why)
{
    size_t n = tx->held_count; /* only those here now: a fate may bring a new stanza */

    for (; n && tx->held_count; n--)
        bounce_first_held(tx, why);
    if (has_room(tx))
        gate_open(&tx->gate);
}

void lane_tx_expire(struct lane_tx *tx, uint64_t now_ms)
{
    struct stanza *s;

    if (now_ms - tx->idle_since_ms >= tx->limits->pause_ms)
        tx->moving = false; /* a port that moves would have reported fates since */
    while ((s = LIST_FIRST(&tx->held, struct stanza, custody_node)) &&
           now_ms - s->accepted_ms > tx->limits->age_ms)
        bounce_first_held(tx, BOUNCE_AGE);
    while (!tx->bound && (s = LIST_FIRST(&tx->undone, struct stanza, custody_node)) &&
           now_ms - s->accepted_ms > 2 * tx->limits->age_ms)
        drop_first_undone(tx, BOUNCE_AGE);
    if (has_room(tx))
        gate_open(&tx->gate);
}

uint64_t lane_tx_done(const struct lane_tx *tx)
{
    const struct stanza *s = LIST_FIRST(&tx->undone, const struct stanza, custody_node);

    return (s ? s->lane_seq : tx->next_seq) - 1;
}

void lane_tx_suspend(struct lane_tx *tx)
{
    tx->bound = tx->open = tx->moving = false;
    gate_open(&tx->gate); /* a lane that is not open refuses, it does not hold its sources */
}

void lane_tx_bind(struct lane_tx *tx)
{
    assert(tx->undone_count == 0);
    tx->bound = true;
    send_held(tx);
}

bool lane_tx_resume(struct lane_tx *tx, uint64_t expected)
{
    if (expected <= lane_tx_done(tx) || expected > tx->next_seq)
        return false;
    tx->bound = true;
    LIST_WALK(node, &tx->undone)
    {
        struct stanza *s = LIST_ENTRY(node, struct stanza, custody_node);

        if (s->lane_seq >= expected)
            tx->ops->send(tx, s);
    }
    send_held(tx);
    return true;
}

void lane_tx_renew(struct lane_tx *tx, bool in_doubt)
{
    LIST_WALK(node, &tx->undone)
    if (in_doubt)
        LIST_ENTRY(node, struct stanza, custody_node)->resend = true;
    tx->generation++;
    tx->next_seq = 1;
    tx->window_bytes = first_window(tx);
    give_back(tx);
}

void lane_tx_flush(struct lane_tx *tx, bool all, enum bounce why)
{
    while (all && tx->undone_count)
        drop_first_undone(tx, why);
    lane_tx_bounce_held(tx, why);
}

/* --- owner side --- */

struct early {
    struct list node;
    uint64_t seq;
    size_t cost;
    enum fate fate;
    enum bounce why;
    struct bytes *detail;
};

void lane_rx_init(struct lane_rx *rx, const struct lane_window *window,
                  void (*dirty)(struct lane_rx *rx))
{
    memset(rx, 0, sizeof(*rx));
    rx->window = window;
    rx->dirty = dirty;
    rx->next_seq = 1;
    rx->window_bytes = rx->window->first_bytes;
    list_init(&rx->early);
    list_init(&rx->at_port);
}

void lane_rx_fini(struct lane_rx *rx)
{
    struct early *e;

    while ((e = LIST_FIRST(&rx->early, struct early, node))) {
        list_remove(&e->node);
        bytes_unref(e->detail);
        mem_free(e);
    }
    for (size_t i = 0; i < rx->run_count; i++)
        bytes_unref(rx->runs[i].detail);
    mem_free(rx->runs);
    list_remove(&rx->at_port);
}

static void mark_dirty(struct lane_rx *rx)
{
    if (rx->is_dirty)
        return;
    rx->is_dirty = true;
    rx->dirty(rx);
}

static bool same_detail(const struct bytes *a, const struct bytes *b)
{
    if (!a || !b)
        return a == b;
    return slice_eq(bytes_slice(a), bytes_slice(b));
}

/* Takes `detail`. Sent ones widen the window: the port moves. */
static void append(struct lane_rx *rx, size_t cost, enum fate fate, enum bounce why,
                   struct bytes *detail)
{
    struct lane_run *last = rx->run_count ? &rx->runs[rx->run_count - 1] : NULL;

    if (fate == FATE_SENT) {
        rx->grown_bytes += cost;
        if (rx->grown_bytes >= rx->window_bytes && rx->window_bytes < rx->window->most_bytes) {
            rx->window_bytes *= 2;
            rx->grown_bytes = 0;
        }
    }
    if (last && last->fate == fate && last->why == why && same_detail(last->detail, detail)) {
        last->last_seq = rx->next_seq++;
        bytes_unref(detail);
        return;
    }
    if (rx->run_count == rx->run_room) {
        rx->run_room = rx->run_room ? rx->run_room * 2 : 4;
        rx->runs = mem_realloc(rx->runs, rx->run_room * sizeof(*rx->runs));
    }
    rx->runs[rx->run_count++] = (struct lane_run){rx->next_seq++, fate, why, detail};
}

static void keep_early(struct lane_rx *rx, uint64_t seq, size_t cost, enum fate fate,
                       enum bounce why, struct bytes *detail)
{
    struct early *e = MEM_NEW(struct early);
    struct list *at = &rx->early;

    *e = (struct early){.seq = seq, .cost = cost, .fate = fate, .why = why, .detail = detail};
    while (at->prev != &rx->early && LIST_ENTRY(at->prev, struct early, node)->seq > seq)
        at = at->prev;
    list_insert_before(at, &e->node);
}

static void append_early(struct lane_rx *rx)
{
    struct early *e;

    while ((e = LIST_FIRST(&rx->early, struct early, node)) && e->seq == rx->next_seq) {
        list_remove(&e->node);
        append(rx, e->cost, e->fate, e->why, e->detail);
        mem_free(e);
    }
}

void lane_rx_fate(struct lane_rx *rx, uint64_t seq, size_t cost, enum fate fate, enum bounce why,
                  struct slice detail)
{
    struct bytes *text = detail.len ? bytes_copy(detail) : NULL;

    assert(seq >= rx->next_seq);
    if (seq != rx->next_seq) {
        keep_early(rx, seq, cost, fate, why, text);
        return;
    }
    append(rx, cost, fate, why, text);
    append_early(rx);
    mark_dirty(rx);
}

void lane_rx_attach(struct lane_rx *rx, struct outq *port)
{
    list_remove(&rx->at_port);
    rx->port = port;
    if (port)
        list_push(&port->lanes, &rx->at_port);
}

void lane_port_changed(struct outq *port)
{
    LIST_WALK(node, &port->lanes)
    {
        struct lane_rx *rx = LIST_ENTRY(node, struct lane_rx, at_port);

        if (!port->open) {
            rx->window_bytes = rx->window->first_bytes;
            rx->grown_bytes = 0;
        }
        mark_dirty(rx);
    }
}

void lane_port_gone(struct outq *port)
{
    LIST_WALK(node, &port->lanes)
    {
        struct lane_rx *rx = LIST_ENTRY(node, struct lane_rx, at_port);

        rx->window_bytes = rx->window->first_bytes;
        lane_rx_attach(rx, NULL);
        mark_dirty(rx);
    }
}

size_t lane_rx_window(const struct lane_rx *rx)
{
    size_t count = 0;

    if (!rx->port)
        return rx->window_bytes;
    LIST_WALK(node, &rx->port->lanes)
    count++;
    return least(rx->window_bytes, share(rx->port->limits, count));
}

void lane_rx_take(struct lane_rx *rx, uint64_t now_ms, struct lane_report *ret_report)
{
    rx->is_dirty = false;
    ret_report->runs = rx->runs;
    ret_report->count = rx->run_count;
    ret_report->window_bytes = lane_rx_window(rx);
    ret_report->open = rx->port && rx->port->open;
    ret_report->moving = rx->port && outq_moving(rx->port, now_ms);
    rx->runs = NULL;
    rx->run_count = rx->run_room = 0;
}

void lane_report_fini(struct lane_report *report)
{
    for (size_t i = 0; i < report->count; i++)
        bytes_unref(report->runs[i].detail);
    mem_free(report->runs);
}
