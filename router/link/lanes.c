#include "link/lanes_private.h"

/* A lane that carried nothing for so long is given back: pairs come and go. */
#define LANE_IDLE_MS 60000

/* The owner's end of a lane within the process. */
struct shared_in {
    struct lane_rx rx;
    struct lanes *lanes;
    struct list dirty;
    const struct lane_out *name;
    unsigned worker;
};

/* queue_node links the stanzas, s->lane names the lane. */
struct batch {
    struct hop_msg msg;
    struct list stanzas;
    unsigned worker; /* of the ingress */
};

struct report_msg {
    struct hop_msg msg;
    struct lane_report report;
    struct lane_out *to;
};

struct close_msg {
    struct hop_msg msg;
    struct lane_out *lane;
    unsigned worker; /* of the ingress */
};

void lanes_post(struct lanes *l, unsigned worker, struct hop_msg *m,
                void (*deliver)(struct hop_msg *m, void *arg))
{
    m->deliver = deliver;
    hop_post(l->hops[worker], m);
}

/* --- owner: data comes in --- */

static struct slice name_key(const struct lane_out *const *name)
{
    return slice_make((const char *)name, sizeof(*name));
}

static void on_dirty(struct lane_rx *rx)
{
    struct shared_in *in = LIST_ENTRY(rx, struct shared_in, rx);

    list_push(&in->lanes->dirty, &in->dirty);
    loop_defer(in->lanes->o.loop, &in->lanes->flush);
}

static struct shared_in *shared_in(struct lanes *l, const struct lane_out *name, unsigned worker)
{
    struct shared_in *in = map_find(&l->in, name_key(&name));

    if (in)
        return in;
    in = MEM_NEW(struct shared_in);
    lane_rx_init(&in->rx, &lane_shared, on_dirty);
    list_init(&in->dirty);
    in->lanes = l;
    in->name = name;
    in->worker = worker;
    map_add(&l->in, name_key(&in->name), in);
    return in;
}

static bool accepts(const struct lanes *l, struct slice key)
{
    const struct owner_view *v = &l->o.owners;

    return !v->ops || !key_is_pair(key) || v->ops->accept(v->arg, key);
}

struct outq *lanes_port(struct lanes *l, struct slice key)
{
    return accepts(l, key) ? l->o.port(l->o.arg, key) : NULL;
}

static void deliver_stanza(struct lanes *l, struct shared_in *in, struct stanza *s)
{
    s->lane = &in->rx;
    if (!in->rx.port)
        lane_rx_attach(&in->rx, lanes_port(l, in->name->key));
    if (in->rx.port)
        router_deliver(l->o.router, in->rx.port, s);
    else
        router_fate(l->o.router, s, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
}

static void deliver_batch(struct hop_msg *m, void *arg)
{
    struct batch *b = LIST_ENTRY(m, struct batch, msg);
    struct lanes *l = arg;
    struct shared_in *in = NULL;
    struct stanza *s;

    while ((s = LIST_FIRST(&b->stanzas, struct stanza, queue_node))) {
        list_remove(&s->queue_node);
        if (!in || in->name != s->lane)
            in = shared_in(l, s->lane, b->worker);
        deliver_stanza(l, in, s);
    }
    mem_free(b);
    l->o.wake(l->o.arg);
}

/* --- ingress: reports come back --- */

static void deliver_report(struct hop_msg *m, void *arg)
{
    struct report_msg *r = LIST_ENTRY(m, struct report_msg, msg);
    struct lanes *l = arg;

    lane_tx_report(&r->to->tx, &r->report, loop_now_ms(l->o.loop));
    lane_report_fini(&r->report);
    mem_free(r);
}

static void post_report(struct lanes *l, struct shared_in *in)
{
    struct report_msg *r = MEM_NEW(struct report_msg);

    list_remove(&in->dirty);
    lane_rx_take(&in->rx, loop_now_ms(l->o.loop), &r->report);
    r->to = (struct lane_out *)in->name;
    lanes_post(l, in->worker, &r->msg, deliver_report);
}

static void run_flush(struct task *t)
{
    struct lanes *l = LIST_ENTRY(t, struct lanes, flush);

    for (unsigned w = 0; w < l->count; w++) {
        if (l->batches[w])
            lanes_post(l, w, &l->batches[w]->msg, deliver_batch);
        l->batches[w] = NULL;
    }
    while (!list_empty(&l->dirty))
        post_report(l, LIST_FIRST(&l->dirty, struct shared_in, dirty));
    lanes_in_flush(l);
    lanes_out_flush(l);
}

/* --- ingress: data goes out --- */

static void tx_send(struct lane_tx *tx, struct stanza *s)
{
    struct lane_out *out = LIST_ENTRY(tx, struct lane_out, tx);
    struct lanes *l = out->lanes;
    struct batch *b = l->batches[out->worker];

    if (!b) {
        b = l->batches[out->worker] = MEM_NEW(struct batch);
        list_init(&b->stanzas);
        b->worker = l->o.router->worker;
        loop_defer(l->o.loop, &l->flush);
    }
    s->lane = out;
    list_push(&b->stanzas, &stanza_ref(s)->queue_node);
}

void lanes_settle(struct lane_tx *tx, struct stanza *s, enum fate fate, enum bounce why,
                  struct slice detail)
{
    struct lane_out *out = LIST_ENTRY(tx, struct lane_out, tx);

    router_settle(out->lanes->o.router, s, fate, why, detail);
}

static const struct lane_tx_ops tx_ops = {tx_send, lanes_settle};

struct lane_out *lanes_new_out(struct lanes *l, const struct lane_tx_ops *ops, struct slice key,
                               enum lane_to to)
{
    struct lane_out *out = mem_zalloc(sizeof(*out) + key.len);

    lane_tx_init(&out->tx, ops, &l->o.router->limits,
                 to == LANE_TO_WORKER ? &lane_shared : &lane_copied);
    out->tx.whole = key_is_pair(key);
    out->lanes = l;
    out->to = to;
    list_init(&out->of_far);
    memcpy(out->text, key.ptr, key.len);
    out->key = slice_make(out->text, key.len);
    out->tx.idle_since_ms = loop_now_ms(l->o.loop);
    map_add(&l->out, out->key, out);
    l->o.wake(l->o.arg);
    return out;
}

struct lane_tx *lanes_to(struct lanes *l, unsigned worker, struct slice port_key)
{
    struct lane_out *out = map_find(&l->out, port_key);

    if (out && out->to == LANE_TO_WORKER && out->worker == worker)
        return &out->tx;
    if (out)
        lanes_close_out(l, out); /* empty, and its port is here now */
    out = lanes_new_out(l, &tx_ops, port_key, LANE_TO_WORKER);
    out->worker = worker;
    return &out->tx;
}

/* --- giving lanes back: the owner forgets first, then the ingress --- */

static void deliver_closed(struct hop_msg *m, void *arg)
{
    struct close_msg *c = LIST_ENTRY(m, struct close_msg, msg);
    struct lanes *l = arg;

    lane_tx_fini(&c->lane->tx);
    mem_free(c->lane);
    l->closing_count--;
    mem_free(c);
}

static void deliver_close(struct hop_msg *m, void *arg)
{
    struct close_msg *c = LIST_ENTRY(m, struct close_msg, msg);
    struct lanes *l = arg;
    const struct lane_out *name = c->lane;
    struct shared_in *in = map_remove(&l->in, name_key(&name));

    if (in) {
        list_remove(&in->dirty);
        lane_rx_fini(&in->rx);
        mem_free(in);
    }
    lanes_post(l, c->worker, &c->msg, deliver_closed);
}

static void close_shared(struct lanes *l, struct lane_out *out)
{
    struct close_msg *c = MEM_NEW(struct close_msg);

    c->lane = out;
    c->worker = l->o.router->worker;
    l->closing_count++;
    lanes_post(l, out->worker, &c->msg, deliver_close);
}

void lanes_close_out(struct lanes *l, struct lane_out *out)
{
    assert(lane_tx_count(&out->tx) == 0);
    map_remove(&l->out, out->key);
    if (out->to == LANE_TO_WORKER)
        close_shared(l, out);
    else
        lanes_out_closed(out);
}

static void close_idle(struct lanes *l, uint64_t older_than_ms)
{
    size_t pos = 0;
    struct lane_out *out;

    while ((out = map_next(&l->out, &pos)))
        if (lane_tx_count(&out->tx) == 0 && out->tx.idle_since_ms <= older_than_ms)
            lanes_close_out(l, out);
}

void lanes_tick(struct lanes *l, uint64_t now_ms)
{
    if (now_ms > LANE_IDLE_MS)
        close_idle(l, now_ms - LANE_IDLE_MS);
    lanes_in_tick(l, now_ms);
}

/* --- life --- */

struct lanes *lanes_open(const struct lanes_options *o)
{
    struct lanes *l = MEM_NEW(struct lanes);

    l->o = *o;
    l->hop = hop_open(o->loop, l);
    list_init(&l->dirty);
    list_init(&l->dirty_in);
    list_init(&l->dead);
    list_init(&l->left);
    task_init(&l->flush, run_flush);
    lanes_out_init(l);
    map_init(&l->out, o->router->seed);
    map_init(&l->in, o->router->seed);
    map_init(&l->fars, o->router->seed);
    map_init(&l->out_ids, o->router->seed);
    return l;
}

struct hop *lanes_hop(struct lanes *l)
{
    return l->hop;
}

void lanes_connect(struct lanes *l, struct hop *const *hops, unsigned count)
{
    l->count = count;
    l->hops = mem_array(count, sizeof(*l->hops));
    l->batches = mem_array(count, sizeof(*l->batches));
    for (unsigned w = 0; w < count; w++)
        l->hops[w] = hops[w];
}

bool lanes_idle(const struct lanes *l)
{
    return map_count(&l->out) == 0 && l->closing_count == 0 && map_count(&l->in) == 0 &&
           list_empty(&l->dead) && lanes_in_idle(l);
}

static struct lane_out *find_holding(struct lanes *l)
{
    struct lane_out *out;

    for (size_t pos = 0; (out = map_next(&l->out, &pos));)
        if (out->tx.held_count)
            return out;
    return NULL;
}

/* What comes back may open another lane, and wait in it: looked for anew each time. It ends, since
 * errors are not answered. */
void lanes_bounce_held(struct lanes *l, enum bounce why)
{
    struct lane_out *out;

    while ((out = find_holding(l)))
        lane_tx_bounce_held(&out->tx, why);
}

void lanes_give_up(struct lanes *l)
{
    close_idle(l, UINT64_MAX);
}

void lanes_close(struct lanes *l)
{
    assert(lanes_idle(l));
    task_cancel(&l->flush);
    hop_close(l->hop);
    lanes_out_fini(l);
    map_fini(&l->out);
    map_fini(&l->in);
    mem_free(l->hops);
    mem_free(l->batches);
    mem_free(l);
}
