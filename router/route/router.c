#include "route/router.h"

static uint64_t now_ms(struct router *r)
{
    return r->ops->now_ms(r->arg);
}

/* --- counting --- */

static void count_in(struct router *r, const struct stanza *s, enum router_link link)
{
    unsigned first = link == ROUTER_S2S ? COUNTER_IN_S2S_MESSAGE : COUNTER_IN_COMPONENT_MESSAGE;

    counter_add(r->counters, (enum counter_cell)(first + s->kind), 1);
    atomic_fetch_add_explicit(&r->held_count, 1, memory_order_relaxed);
    mem_charge(r->memory, stanza_cost(s));
}

static void count_out(struct router *r, const struct stanza *s, enum fate fate, enum bounce why)
{
    unsigned first = s->instance ? COUNTER_OUT_COMPONENT_MESSAGE : COUNTER_OUT_S2S_MESSAGE;

    if (s->resent || (s->resend && fate == FATE_SENT)) /* the latter by another node */
        counter_add(r->counters, COUNTER_RESENT, 1);
    if (s->flags & STANZA_MADE) {
        if (fate != FATE_SENT)
            counter_add(r->counters, COUNTER_MADE_LOST, 1);
        atomic_fetch_sub_explicit(&r->made_count, 1, memory_order_relaxed);
        return;
    }
    if (fate == FATE_SENT)
        counter_add(r->counters, (enum counter_cell)(first + s->kind), 1);
    else if (fate == FATE_BOUNCED && stanza_answerable(s))
        counter_add_to(r->counters, BOUNCED, why, 1);
    else
        counter_add_to(r->counters, DROPPED, why, 1);
    atomic_fetch_sub_explicit(&r->held_count, 1, memory_order_relaxed);
    mem_discharge(r->memory, stanza_cost(s));
}

/* --- the end of a stanza --- */

static void conclude(struct router *r, struct stanza *s, enum fate fate, enum bounce why,
                     struct slice detail)
{
    struct stanza *answer = NULL;

    count_out(r, s, fate, why);
    /* Where `to` was no address the answer comes from the sender's own domain (ERR-06). */
    if (fate == FATE_BOUNCED && !(s->flags & STANZA_MADE))
        answer = bounce_make(s, why, detail, s->to_domain.len ? slice_none() : s->from_domain);
    if (answer) {
        counter_add(r->counters, COUNTER_MADE_BOUNCE, 1);
        stanza_set_domains(answer, s->to_domain.len ? s->to_domain : s->from_domain,
                           s->from_domain);
        router_send(r, answer);
    }
    stanza_unref(s);
}

/* --- the way there --- */

static void watch_lane(struct router *r, struct lane_tx *tx)
{
    if (!list_linked(&tx->active))
        list_push(&r->lanes, &tx->active);
}

void router_watch(struct router *r, struct outq *q)
{
    if (!list_linked(&q->active))
        list_push(&r->queues, &q->active);
}

/* Puts it into a queue of this worker. Takes the reference. */
static void into_queue(struct router *r, struct outq *q, struct stanza *s, struct source *source)
{
    switch (outq_put(q, s, now_ms(r))) {
    case OUTQ_FULL:
        if (source)
            gate_hold(&q->gate, source, now_ms(r));
        /* fall through */
    case OUTQ_TAKEN:
        router_watch(r, q);
        stanza_unref(s);
        return;
    case OUTQ_REFUSED:
        router_settle(r, s, FATE_BOUNCED, BOUNCE_QUEUE_FULL, slice_none());
    }
}

static void into_lane(struct router *r, struct lane_tx *tx, struct stanza *s, struct source *source)
{
    switch (lane_tx_put(tx, s)) {
    case OUTQ_FULL:
        if (source)
            gate_hold(&tx->gate, source, now_ms(r));
        /* fall through */
    case OUTQ_TAKEN:
        watch_lane(r, tx);
        return;
    case OUTQ_REFUSED:
        router_settle(r, s, FATE_BOUNCED, BOUNCE_QUEUE_FULL, slice_none());
    }
}

size_t router_pair_key(struct slice local, struct slice remote, char *buf)
{
    assert(local.len + remote.len + 1 <= PORT_KEY_BYTES_MAX);
    memcpy(buf, local.ptr, local.len);
    buf[local.len] = ' ';
    memcpy(buf + local.len + 1, remote.ptr, remote.len);
    return local.len + 1 + remote.len;
}

void router_pair_split(struct slice key, struct slice *ret_local, struct slice *ret_remote)
{
    size_t space = slice_find(key, ' ');

    *ret_local = slice_sub(key, 0, space);
    *ret_remote = slice_from_offset(key, space + 1);
}

size_t router_instance_key(uint64_t id, char *buf)
{
    buf[0] = '#';
    for (size_t i = 0; i < sizeof(id); i++)
        buf[1 + i] = (char)(id >> (56 - 8 * i));
    return 1 + sizeof(id);
}

bool router_instance_id(struct slice key, uint64_t *ret_id)
{
    *ret_id = 0;
    if (key.len != 1 + sizeof(*ret_id) || key.ptr[0] != '#')
        return false;
    for (size_t i = 1; i < key.len; i++)
        *ret_id = *ret_id << 8 | (unsigned char)key.ptr[i];
    return true;
}

unsigned router_key_worker(const struct router *r, struct slice key)
{
    return r->worker_count == 1 ? 0 : (unsigned)(siphash(r->seed, key) % r->worker_count);
}

static void to_remote(struct router *r, struct stanza *s, struct source *source)
{
    char key[PORT_KEY_BYTES_MAX];
    struct slice k = slice_make(key, router_pair_key(s->from_domain, s->to_domain, key));
    unsigned worker = router_key_worker(r, k);
    struct lane_tx *tx = r->ops->away ? r->ops->away(r->arg, k) : NULL;

    if (!tx && worker == r->worker)
        into_queue(r, r->ops->pair(r->arg, k), s, source);
    else
        into_lane(r, tx ? tx : r->ops->lane(r->arg, worker, k), s, source);
}

static bool is_here(const struct router *r, const struct table_instance *i)
{
    return !i->at && i->worker == r->worker;
}

static struct lane_tx *lane_to_instance(struct router *r, const struct table_instance *i)
{
    char buf[PORT_KEY_BYTES_MAX];
    struct slice key = slice_make(buf, router_instance_key(i->at ? i->far_id : i->id, buf));

    return i->at ? r->ops->to_node(r->arg, slice_from(i->at), key)
                 : r->ops->lane(r->arg, i->worker, key);
}

static void to_instance(struct router *r, struct table_instance *i, struct stanza *s,
                        struct source *source)
{
    struct outq *q;

    table_give(i, s);
    if (!is_here(r, i)) {
        into_lane(r, lane_to_instance(r, i), s, source);
        return;
    }
    q = r->ops->instance(r->arg, i->id);
    if (q)
        into_queue(r, q, s, source);
    else /* its stream just went and the table is about to hear of it */
        router_settle(r, s, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
}

static void to_entry(struct router *r, struct table_entry *e, struct stanza *s,
                     struct source *source)
{
    struct table_instance *i = table_choose(e, table_key(e, s));

    if (i)
        to_instance(r, i, s, source);
    else if (table_absent(e, now_ms(r)))
        conclude(r, s, FATE_BOUNCED, BOUNCE_ABSENT, slice_none());
    else
        into_queue(r, &e->held, s, source);
}

static void route(struct router *r, struct stanza *s, struct source *source)
{
    struct table_entry *e = table_find(&r->table, s->to_domain);

    s->instance = NULL;
    s->lane_seq = 0;
    s->lane = NULL;
    if (e)
        to_entry(r, e, s, source);
    else
        to_remote(r, s, source);
}

void router_accept(struct router *r, struct stanza *s, enum router_link link, struct source *source)
{
    count_in(r, s, link);
    route(r, s, source);
}

void router_refuse(struct router *r, struct stanza *s, enum router_link link, enum bounce why,
                   struct slice detail)
{
    count_in(r, s, link);
    s->instance = NULL;
    conclude(r, s, FATE_BOUNCED, why, detail);
}

/* Not fresh from an entrance: a reload may have taken its domain away since, and nothing is ever
 * relayed from one stranger to another (ROUTE-03). */
static void route_anew(struct router *r, struct stanza *s)
{
    if (table_find(&r->table, s->to_domain) || table_find(&r->table, s->from_domain))
        route(r, s, NULL);
    else
        conclude(r, s, FATE_BOUNCED, BOUNCE_ABSENT, slice_none());
}

void router_send(struct router *r, struct stanza *s)
{
    s->accepted_ms = now_ms(r);
    s->instance = NULL;
    atomic_fetch_add_explicit(&r->made_count, 1, memory_order_relaxed);
    route_anew(r, s);
}

/* --- fates --- */

/* Streams that went, of which the table is about to hear: nothing that is held may meet them, it
 * would come back behind what follows it. */
static void forget_gone(struct router *r, struct table_entry *e)
{
    LIST_WALK(node, &e->instances)
    {
        const struct table_instance *i = LIST_ENTRY(node, struct table_instance, node);

        if (is_here(r, i) && !r->ops->instance(r->arg, i->id))
            table_leave(&r->table, i->id, now_ms(r));
    }
}

static void flush_all(struct router *r, struct table_entry *e)
{
    struct list all;

    list_init(&all);
    list_append_all(&all, &e->returned);
    e->returned_count = 0;
    while (!list_empty(&all)) {
        struct stanza *s = LIST_FIRST(&all, struct stanza, queue_node);

        list_remove(&s->queue_node);
        route_anew(r, s);
    }
    outq_flush(&e->held, true, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
}

/* A stanza that finds no room is settled on the way, which asks for a flush again: no circle. */
static void flush_entry(struct router *r, struct table_entry *e)
{
    if (e->flushing)
        return;
    forget_gone(r, e);
    if (!table_settled(e))
        return;
    table_settle(e);
    if (!e->instance_count || (!e->returned_count && !outq_count(&e->held)))
        return;
    e->flushing = true;
    flush_all(r, e);
    e->flushing = false;
}

/* Given back by an instance that went: in front of what came later. */
static void returned(struct router *r, struct table_entry *e, struct stanza *s)
{
    s->instance = NULL;
    if (e->instance_count == 0 && table_absent(e, now_ms(r))) {
        conclude(r, s, FATE_BOUNCED, BOUNCE_ABSENT, slice_none());
        return;
    }
    list_push(&e->returned, &s->queue_node);
    e->returned_count++;
}

void router_settle(struct router *r, struct stanza *s, enum fate fate, enum bounce why,
                   struct slice detail)
{
    struct table_instance *i = s->instance;
    struct table_entry *e = i ? i->entry : NULL;

    if (i)
        table_take(i, s);
    /* Whatever gives stanzas back is gone, also if the store's word is still on its way. May
     * free the instance. */
    if (i && fate == FATE_RETURNED)
        table_leave(&r->table, i->id, now_ms(r));
    if (fate != FATE_RETURNED)
        conclude(r, s, fate, why, detail);
    else if (e)
        returned(r, e, s);
    else
        route_anew(r, s);
    if (e && (e->unsettled || outq_count(&e->held) || e->returned_count))
        flush_entry(r, e);
}

void router_fate(struct router *r, struct stanza *s, enum fate fate, enum bounce why,
                 struct slice detail)
{
    struct lane_rx *rx = s->lane;

    if (!rx) {
        router_settle(r, s, fate, why, detail);
        return;
    }
    if (rx->foreign) {
        if (s->resent) /* which its ingress does not know */
            counter_add(r->counters, COUNTER_RESENT, 1);
        mem_discharge(r->memory, stanza_cost(s));
        atomic_fetch_sub_explicit(&r->foreign_count, 1, memory_order_relaxed);
    }
    lane_rx_fate(rx, s->lane_seq, stanza_cost(s), fate, why, detail);
    stanza_unref(s);
}

void router_deliver(struct router *r, struct outq *port, struct stanza *s)
{
    if (outq_put(port, s, now_ms(r)) == OUTQ_REFUSED) {
        router_fate(r, s, FATE_BOUNCED, BOUNCE_QUEUE_FULL, slice_none());
        return;
    }
    router_watch(r, port);
    stanza_unref(s);
}

/* --- instances --- */

void router_join(struct router *r, struct slice pattern, const struct table_place *place)
{
    struct table_instance *i;

    table_join(&r->table, pattern, place);
    i = table_instance(&r->table, place->id);
    if (i)
        flush_entry(r, i->entry);
}

void router_leave(struct router *r, uint64_t id)
{
    struct table_instance *i = table_instance(&r->table, id);
    struct table_entry *e = i ? i->entry : NULL;

    if (!e)
        return;
    table_leave(&r->table, id, now_ms(r));
    flush_entry(r, e);
}

/* --- time --- */

static void bounce_returned(struct router *r, struct table_entry *e, enum bounce why)
{
    size_t n = e->returned_count;

    for (; n && e->returned_count; n--) { /* an answer may settle what the others wait for */
        struct stanza *s = LIST_FIRST(&e->returned, struct stanza, queue_node);

        list_remove(&s->queue_node);
        e->returned_count--;
        conclude(r, s, FATE_BOUNCED, why, slice_none());
    }
}

static bool tick_entry(struct router *r, struct table_entry *e)
{
    if (!outq_count(&e->held) && !e->returned_count)
        return false;
    if (table_absent(e, now_ms(r)) && table_settled(e)) {
        bounce_returned(r, e, BOUNCE_ABSENT);
        outq_flush(&e->held, true, FATE_BOUNCED, BOUNCE_ABSENT, slice_none());
    }
    return true;
}

bool router_tick(struct router *r, void (*hangs)(void *arg, struct outq *q))
{
    bool busy = false;

    LIST_WALK(node, &r->queues)
    {
        struct outq *q = LIST_ENTRY(node, struct outq, active);

        if (outq_expire(q, now_ms(r), slice_none()) && q->open)
            hangs(r->arg, q);
        if (outq_count(q) == 0)
            list_remove(&q->active);
        busy = true;
    }
    LIST_WALK(node, &r->lanes)
    {
        struct lane_tx *tx = LIST_ENTRY(node, struct lane_tx, active);

        lane_tx_expire(tx, now_ms(r));
        if (lane_tx_count(tx) == 0)
            list_remove(&tx->active);
        busy = true;
    }
    for (size_t i = 0; i < r->table.count; i++)
        busy |= tick_entry(r, r->table.entries[i]);
    return busy;
}

void router_flush_held(struct router *r, enum bounce why)
{
    for (size_t i = 0; i < r->table.count; i++) {
        bounce_returned(r, r->table.entries[i], why);
        outq_flush(&r->table.entries[i]->held, true, FATE_BOUNCED, why, slice_none());
    }
}

bool router_holds(const struct router *r)
{
    for (size_t i = 0; i < r->table.count; i++)
        if (r->table.entries[i]->returned_count || outq_count(&r->table.entries[i]->held))
            return true;
    return false;
}

/* --- life --- */

/* The queue of held stanzas belongs to no link: nothing to kick. */
static void held_kick(struct outq *q)
{
    (void)q;
}

static struct router *router_of(struct table *t)
{
    return LIST_ENTRY(t, struct router, table);
}

static void held_fate(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                      struct slice detail)
{
    struct table_entry *e = LIST_ENTRY(q, struct table_entry, held);
    struct router *r = router_of(e->table);

    if (fate == FATE_RETURNED)
        route_anew(r, s);
    else
        conclude(r, s, fate, why, detail);
}

static const struct outq_ops held_ops = {held_kick, held_fate};

void router_init(struct router *r, const struct router_ops *ops, void *arg, unsigned worker,
                 unsigned worker_count, const uint64_t seed[2], struct counters *counters,
                 struct mem_budget *memory, const struct outq_limits *limits)
{
    memset(r, 0, sizeof(*r));
    r->ops = ops;
    r->arg = arg;
    r->worker = worker;
    r->worker_count = worker_count;
    r->seed[0] = seed[0];
    r->seed[1] = seed[1];
    r->counters = counters;
    r->memory = memory;
    r->limits = *limits;
    list_init(&r->queues);
    list_init(&r->lanes);
    table_init(&r->table, seed, &held_ops, &r->limits);
}

void router_fini(struct router *r)
{
    table_fini(&r->table);
}

void router_configure(struct router *r, const struct outq_limits *limits,
                      const struct table_rule *rules, size_t count)
{
    r->limits = *limits;
    table_configure(&r->table, rules, count, now_ms(r));
}
