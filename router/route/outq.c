#include "route/outq.h"

static bool has_room(const struct outq *q)
{
    return outq_limits_room(q->limits, outq_count(q), q->bytes);
}

static bool over(const struct outq *q, size_t more, size_t factor)
{
    return outq_limits_exceeded(q->limits, outq_count(q) + 1, q->bytes + more, factor);
}

void outq_init(struct outq *q, const struct outq_ops *ops, const struct outq_limits *limits)
{
    memset(q, 0, sizeof(*q));
    q->ops = ops;
    q->limits = limits;
    list_init(&q->unacked);
    list_init(&q->waiting);
    list_init(&q->active);
    list_init(&q->lanes);
    gate_init(&q->gate);
}

void outq_fini(struct outq *q)
{
    assert(outq_count(q) == 0);
    gate_open(&q->gate);
    list_remove(&q->active);
    assert(list_empty(&q->lanes));
}

/* Two windows of pause_ms each: together they never forget what left in the last pause_ms. */
static void turn_window(struct outq *q, uint64_t now_ms)
{
    uint64_t past = now_ms - q->window_ms;

    if (past < q->limits->pause_ms)
        return;
    q->left_before = past < 2 * q->limits->pause_ms ? q->left_now : 0;
    q->left_bytes_before = past < 2 * q->limits->pause_ms ? q->left_bytes_now : 0;
    q->left_now = q->left_bytes_now = 0;
    q->window_ms = now_ms;
}

bool outq_moving(const struct outq *q, uint64_t now_ms)
{
    uint64_t past = now_ms - q->window_ms;
    size_t left = q->left_now;
    size_t bytes = q->left_bytes_now;

    if (past < q->limits->pause_ms) {
        left += q->left_before;
        bytes += q->left_bytes_before;
    } else if (past >= 2 * q->limits->pause_ms) {
        left = bytes = 0;
    }
    return left >= q->limits->stanzas_count / 10 || bytes >= q->limits->bytes / 10;
}

enum outq_put outq_put(struct outq *q, struct stanza *s, uint64_t now_ms)
{
    size_t cost = stanza_cost(s);
    bool full = over(q, cost, 1);

    if (full && outq_count(q) && (!q->open || over(q, cost, OUTQ_HARD_FACTOR)))
        return OUTQ_REFUSED;
    if (full && outq_count(q) && !outq_moving(q, now_ms))
        return OUTQ_REFUSED;
    stanza_ref(s);
    list_push(&q->waiting, &s->queue_node);
    q->waiting_count++;
    q->bytes += cost;
    q->ops->kick(q);
    return full ? OUTQ_FULL : OUTQ_TAKEN;
}

struct stanza *outq_peek(struct outq *q)
{
    return LIST_FIRST(&q->waiting, struct stanza, queue_node);
}

void outq_wrote(struct outq *q, uint64_t mark)
{
    struct stanza *s = outq_peek(q);

    assert(s);
    s->queue_mark = mark;
    s->resent |= s->resend;
    list_remove(&s->queue_node);
    list_push(&q->unacked, &s->queue_node);
    q->waiting_count--;
    q->unacked_count++;
    if (!q->unflushed)
        q->unflushed = s;
}

static struct stanza *next_unacked(const struct outq *q, const struct stanza *s)
{
    return s->queue_node.next == &q->unacked
               ? NULL
               : LIST_ENTRY(s->queue_node.next, struct stanza, queue_node);
}

void outq_flushed(struct outq *q, uint64_t mark, uint64_t now_us, struct counters *counters)
{
    while (q->unflushed && q->unflushed->queue_mark <= mark) {
        if (q->unflushed->read_us && q->unflushed->read_us <= now_us)
            counter_observe(counters, COUNTER_RELAY, now_us - q->unflushed->read_us);
        q->unflushed = next_unacked(q, q->unflushed);
    }
}

static void finish(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                   struct slice detail)
{
    if (q->unflushed == s)
        q->unflushed = next_unacked(q, s);
    list_remove(&s->queue_node);
    q->bytes -= stanza_cost(s);
    q->ops->fate(q, s, fate, why, detail);
}

void outq_drop_first(struct outq *q, enum fate fate, enum bounce why, struct slice detail)
{
    struct stanza *s = outq_peek(q);

    assert(s);
    q->waiting_count--;
    finish(q, s, fate, why, detail);
}

static void note_left(struct outq *q, size_t count, size_t bytes, uint64_t now_ms)
{
    turn_window(q, now_ms);
    q->left_now += count;
    q->left_bytes_now += bytes;
    if (!list_empty(&q->gate.sources) && has_room(q))
        gate_open(&q->gate);
}

size_t outq_acked(struct outq *q, uint64_t mark, uint64_t now_ms)
{
    size_t n = 0;
    size_t before = q->bytes;
    struct stanza *s;

    while ((s = LIST_FIRST(&q->unacked, struct stanza, queue_node)) && s->queue_mark <= mark) {
        q->unacked_count--;
        n++;
        finish(q, s, FATE_SENT, BOUNCE_UNDECLARED, slice_none());
    }
    if (n)
        note_left(q, n, before > q->bytes ? before - q->bytes : 0, now_ms);
    return n;
}

void outq_opened(struct outq *q, uint64_t now_ms)
{
    q->open = true;
    /* A link just opened has had no time to move: it gets the credit of one window. */
    q->window_ms = now_ms;
    q->left_now = q->limits->stanzas_count;
    q->left_bytes_now = 0;
    q->left_before = q->left_bytes_before = 0;
    if (q->waiting_count)
        q->ops->kick(q);
}

void outq_lost(struct outq *q)
{
    q->open = false;
    if (!q->limits->resend) {
        struct stanza *s;

        while ((s = LIST_FIRST(&q->unacked, struct stanza, queue_node))) {
            q->unacked_count--;
            finish(q, s, FATE_BOUNCED, BOUNCE_LINK_LOST, slice_none());
        }
    }
    LIST_WALK(node, &q->unacked)
    LIST_ENTRY(node, struct stanza, queue_node)->resend = true;
    q->unflushed = NULL;
    list_prepend_all(&q->waiting, &q->unacked);
    q->waiting_count += q->unacked_count;
    q->unacked_count = 0;
    gate_open(&q->gate); /* a queue that is not open refuses, it does not hold its sources */
}

void outq_flush(struct outq *q, bool all, enum fate fate, enum bounce why, struct slice detail)
{
    /* Only those here now: a fate may bring a new stanza for this port. */
    size_t unacked = all ? q->unacked_count : 0;
    size_t waiting = q->waiting_count;

    for (; unacked; unacked--) {
        q->unacked_count--;
        finish(q, LIST_FIRST(&q->unacked, struct stanza, queue_node), fate, why, detail);
    }
    for (; waiting; waiting--)
        outq_drop_first(q, fate, why, detail);
    if (has_room(q))
        gate_open(&q->gate);
}

void outq_give_back(struct outq *q, const void *lane)
{
    struct list back;
    struct stanza *s;

    list_init(&back);
    LIST_WALK(node, &q->waiting)
    {
        if (LIST_ENTRY(node, struct stanza, queue_node)->lane != lane)
            continue;
        list_remove(node);
        list_push(&back, node);
        q->waiting_count--;
    }
    while ((s = LIST_FIRST(&back, struct stanza, queue_node)))
        finish(q, s, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
    if (has_room(q))
        gate_open(&q->gate);
}

bool outq_expire(struct outq *q, uint64_t now_ms, struct slice detail)
{
    struct stanza *s;

    while ((s = outq_peek(q)) && now_ms - s->accepted_ms > q->limits->age_ms)
        outq_drop_first(q, FATE_BOUNCED, BOUNCE_AGE, detail);
    if (!list_empty(&q->gate.sources) && has_room(q))
        gate_open(&q->gate);
    s = LIST_FIRST(&q->unacked, struct stanza, queue_node);
    return s && now_ms - s->accepted_ms > q->limits->age_ms;
}

static const struct stanza *oldest(const struct outq *q)
{
    return LIST_FIRST(!list_empty(&q->unacked) ? &q->unacked : &q->waiting, struct stanza,
                      queue_node);
}

bool outq_begins_with_relayed(const struct outq *q)
{
    const struct stanza *s = oldest(q);

    return s && !(s->flags & STANZA_MADE);
}

uint64_t outq_oldest_ms(const struct outq *q, uint64_t now_ms)
{
    const struct stanza *s = oldest(q);

    return s && now_ms > s->accepted_ms ? now_ms - s->accepted_ms : 0;
}
