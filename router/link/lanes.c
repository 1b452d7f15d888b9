#include "link/lanes.h"

#include "link/component.h"
#include "link/pair.h"

/* A lane that carried nothing for so long is given back: pairs come and go. */
#define LANE_IDLE_MS 60000

/* The ingress's end; its address is the lane's name at the owner. `key` is read by the owner's
 * thread and never changes. */
struct lane_out {
    struct lane_tx tx;
    struct lanes *lanes;
    unsigned worker;
    struct slice key;
    char text[];
};

struct lane_in {
    struct lane_rx rx;
    struct lanes *lanes;
    struct list dirty;
    const struct lane_out *name;
    unsigned worker;
};

/* Stanzas for one worker, gathered in a turn: queue_node links them, s->lane names the lane. */
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

struct lanes {
    struct site *site;
    struct hop *hop;
    struct hop **hops;
    unsigned count;
    struct batch **batches; /* by worker; NULL: nothing yet this turn */
    struct map *out;        /* by worker: key -> lane_out */
    size_t out_count;       /* closing ones included */
    struct map in;          /* address of lane_out -> lane_in */
    struct list dirty;
    struct task flush;
};

static void post(struct lanes *l, unsigned worker, struct hop_msg *m,
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
    struct lane_in *in = LIST_ENTRY(rx, struct lane_in, rx);

    list_push(&in->lanes->dirty, &in->dirty);
    loop_defer(in->lanes->site->loop, &in->lanes->flush);
}

static struct lane_in *lane_in(struct lanes *l, const struct lane_out *name, unsigned worker)
{
    struct lane_in *in = map_find(&l->in, name_key(&name));

    if (in)
        return in;
    in = MEM_NEW(struct lane_in);
    lane_rx_init(&in->rx, on_dirty);
    list_init(&in->dirty);
    in->lanes = l;
    in->name = name;
    in->worker = worker;
    map_add(&l->in, name_key(&in->name), in);
    return in;
}

static struct outq *find_port(struct site *site, struct slice key)
{
    size_t space = slice_find(key, ' ');
    uint64_t id;

    if (key.ptr[0] == '#') {
        memcpy(&id, key.ptr + 1, sizeof(id));
        return component_queue(site, id);
    }
    return pair_queue(site, slice_sub(key, 0, space), slice_from_offset(key, space + 1));
}

static void deliver_stanza(struct lanes *l, struct lane_in *in, struct stanza *s)
{
    s->lane = &in->rx;
    if (!in->rx.port)
        lane_rx_attach(&in->rx, find_port(l->site, in->name->key));
    if (in->rx.port)
        router_deliver(&l->site->router, in->rx.port, s);
    else
        router_fate(&l->site->router, s, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
}

static void deliver_batch(struct hop_msg *m, void *arg)
{
    struct batch *b = LIST_ENTRY(m, struct batch, msg);
    struct lanes *l = arg;
    struct lane_in *in = NULL;
    struct stanza *s;

    while ((s = LIST_FIRST(&b->stanzas, struct stanza, queue_node))) {
        list_remove(&s->queue_node);
        if (!in || in->name != s->lane)
            in = lane_in(l, s->lane, b->worker);
        deliver_stanza(l, in, s);
    }
    mem_free(b);
    site_wake(l->site);
}

/* --- ingress: reports come back --- */

static void deliver_report(struct hop_msg *m, void *arg)
{
    struct report_msg *r = LIST_ENTRY(m, struct report_msg, msg);
    struct lanes *l = arg;

    lane_tx_report(&r->to->tx, &r->report, loop_now_ms(l->site->loop));
    lane_report_fini(&r->report);
    mem_free(r);
}

static void post_report(struct lanes *l, struct lane_in *in)
{
    struct report_msg *r = MEM_NEW(struct report_msg);

    list_remove(&in->dirty);
    lane_rx_take(&in->rx, loop_now_ms(l->site->loop), &r->report);
    r->to = (struct lane_out *)in->name;
    post(l, in->worker, &r->msg, deliver_report);
}

static void run_flush(struct task *t)
{
    struct lanes *l = LIST_ENTRY(t, struct lanes, flush);

    for (unsigned w = 0; w < l->count; w++) {
        if (l->batches[w])
            post(l, w, &l->batches[w]->msg, deliver_batch);
        l->batches[w] = NULL;
    }
    while (!list_empty(&l->dirty))
        post_report(l, LIST_FIRST(&l->dirty, struct lane_in, dirty));
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
        b->worker = l->site->worker;
        loop_defer(l->site->loop, &l->flush);
    }
    s->lane = out;
    list_push(&b->stanzas, &stanza_ref(s)->queue_node);
}

static void tx_fate(struct lane_tx *tx, struct stanza *s, enum fate fate, enum bounce why,
                    struct slice detail)
{
    struct lane_out *out = LIST_ENTRY(tx, struct lane_out, tx);

    router_settle(&out->lanes->site->router, s, fate, why, detail);
}

static const struct lane_tx_ops tx_ops = {tx_send, tx_fate};

struct lane_tx *lanes_to(struct lanes *l, unsigned worker, struct slice port_key)
{
    struct lane_out *out = map_find(&l->out[worker], port_key);

    if (out)
        return &out->tx;
    out = mem_zalloc(sizeof(*out) + port_key.len);
    lane_tx_init(&out->tx, &tx_ops, &l->site->router.limits);
    out->lanes = l;
    out->worker = worker;
    memcpy(out->text, port_key.ptr, port_key.len);
    out->key = slice_make(out->text, port_key.len);
    out->tx.idle_since_ms = loop_now_ms(l->site->loop);
    map_add(&l->out[worker], out->key, out);
    l->out_count++;
    site_wake(l->site);
    return &out->tx;
}

/* --- giving lanes back: the owner forgets first, then the ingress --- */

static void deliver_closed(struct hop_msg *m, void *arg)
{
    struct close_msg *c = LIST_ENTRY(m, struct close_msg, msg);
    struct lanes *l = arg;

    lane_tx_fini(&c->lane->tx);
    mem_free(c->lane);
    l->out_count--;
    mem_free(c);
}

static void deliver_close(struct hop_msg *m, void *arg)
{
    struct close_msg *c = LIST_ENTRY(m, struct close_msg, msg);
    struct lanes *l = arg;
    const struct lane_out *name = c->lane;
    struct lane_in *in = map_remove(&l->in, name_key(&name));

    if (in) {
        list_remove(&in->dirty);
        lane_rx_fini(&in->rx);
        mem_free(in);
    }
    post(l, c->worker, &c->msg, deliver_closed);
}

static void close_lane(struct lanes *l, struct lane_out *out)
{
    struct close_msg *c = MEM_NEW(struct close_msg);

    map_remove(&l->out[out->worker], out->key);
    c->lane = out;
    c->worker = l->site->worker;
    post(l, out->worker, &c->msg, deliver_close);
}

static void close_idle(struct lanes *l, uint64_t older_than_ms)
{
    for (unsigned w = 0; w < l->count; w++) {
        size_t pos = 0;
        struct lane_out *out;

        while ((out = map_next(&l->out[w], &pos)))
            if (lane_tx_count(&out->tx) == 0 && out->tx.idle_since_ms <= older_than_ms)
                close_lane(l, out);
    }
}

void lanes_tick(struct lanes *l, uint64_t now_ms)
{
    if (now_ms > LANE_IDLE_MS)
        close_idle(l, now_ms - LANE_IDLE_MS);
}

/* --- life --- */

struct lanes *lanes_open(struct site *site)
{
    struct lanes *l = MEM_NEW(struct lanes);

    l->site = site;
    l->hop = hop_open(site->loop, l);
    list_init(&l->dirty);
    task_init(&l->flush, run_flush);
    map_init(&l->in, site->router.seed);
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
    l->out = mem_array(count, sizeof(*l->out));
    for (unsigned w = 0; w < count; w++) {
        l->hops[w] = hops[w];
        map_init(&l->out[w], l->site->router.seed);
    }
}

bool lanes_idle(const struct lanes *l)
{
    return l->out_count == 0 && map_count(&l->in) == 0;
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
    for (unsigned w = 0; w < l->count; w++)
        map_fini(&l->out[w]);
    map_fini(&l->in);
    mem_free(l->hops);
    mem_free(l->batches);
    mem_free(l->out);
    mem_free(l);
}
