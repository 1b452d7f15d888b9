/* link/lanes_in.c - the owner's end of lanes from other nodes.
 *
 *   OPENED --the port gave back, or does not take--> REFUSED
 *   either --CLOSE, a newer generation, another process--> LEFT --all settled--> gone
 *
 * What was told of fates is kept until the ingress has heard (route/told), so that a connection
 * that breaks loses none: OPEN says where the ingress stands, the rest is told again.
 */
#include "link/lanes_private.h"

/* A lane that nobody goes on with, nothing of it being here: its ingress ended all at twice
 * limits.queue_age. */
#define LANE_FORSAKEN_AGES 3

enum in_state { IN_OPENED, IN_REFUSED, IN_LEFT };

struct lane_in {
    struct lane_rx rx;
    struct lanes *lanes;
    struct far *far;
    struct list dirty;
    struct list left;
    enum in_state state;
    uint64_t id;
    uint32_t generation;
    uint64_t serial;   /* of the connection it is bound to */
    uint64_t expected; /* the next sequence */
    struct bytes *key;
    struct told told;
    uint64_t used_ms;
    bool told_credit; /* what was told last: */
    bool told_open;
    bool told_moving;
    size_t told_window_bytes;
};

static bool is_bound(const struct lane_in *in)
{
    return in->far->serial && in->serial == in->far->serial;
}

static bool is_settled(const struct lane_in *in)
{
    return in->rx.next_seq == in->expected;
}

static void free_in(struct lane_in *in)
{
    list_remove(&in->dirty);
    list_remove(&in->left);
    lane_rx_fini(&in->rx);
    told_fini(&in->told);
    bytes_unref(in->key);
    mem_free(in);
}

/* Its number may be used again at once: the rest settles without being told. */
static void leave(struct lane_in *in)
{
    map_remove(&in->far->in, id_key(&in->id));
    in->state = IN_LEFT;
    if (is_settled(in))
        free_in(in);
    else
        list_push(&in->lanes->left, &in->left);
}

/* Its ingress lives and has everything back: what waits here goes nowhere. */
static void leave_to_ingress(struct lane_in *in)
{
    struct outq *port = in->rx.port;

    in->state = IN_LEFT;
    if (port)
        outq_give_back(port, &in->rx);
    leave(in);
}

/* --- telling --- */

static void tell_done(struct lane_in *in, const struct lane_run *runs, size_t count)
{
    struct far_item *i;

    if (!count || !is_bound(in))
        return;
    i = far_add(in->far, FAR_DONE, in->id, in->generation);
    i->runs = told_copy(runs, count);
    i->count = count;
}

static bool same_credit(const struct lane_in *in, const struct lane_report *r)
{
    return in->told_credit && in->told_open == r->open && in->told_moving == r->moving &&
           in->told_window_bytes == r->window_bytes;
}

static void tell_credit(struct lane_in *in, const struct lane_report *r)
{
    struct far_item *i;

    if (!is_bound(in) || same_credit(in, r))
        return;
    i = far_add(in->far, FAR_CREDIT, in->id, in->generation);
    i->seq = in->expected;
    i->window_bytes = (uint32_t)r->window_bytes;
    i->open = r->open;
    i->moving = r->moving;
    in->told_credit = true;
    in->told_open = r->open;
    in->told_moving = r->moving;
    in->told_window_bytes = r->window_bytes;
}

static struct far_hint *hint_of(const struct lane_in *in)
{
    const struct owner_view *v = &in->lanes->o.owners;
    struct owner owner = {.where = OWNER_UNKNOWN};
    struct far_hint *h = MEM_NEW(struct far_hint);

    if (!v->ops || !key_is_pair(bytes_slice(in->key)))
        return h;
    v->ops->find(v->arg, bytes_slice(in->key), &owner);
    if (owner.where != OWNER_NODE || !slice_to_cstr(owner.node, h->node, sizeof(h->node)))
        return h;
    h->incarnation = owner.incarnation;
    h->token = owner.token;
    return h;
}

static void tell_refused(struct lane_in *in)
{
    if (is_bound(in))
        far_add(in->far, FAR_REFUSE, in->id, in->generation)->hint = hint_of(in);
}

/* A pair's lane comes back as a whole: with its first stanza that does all have come back. Those of
 * an instance go back one by one, as between workers. */
static size_t find_returned(const struct lane_in *in, const struct lane_report *r)
{
    size_t n = 0;

    if (!key_is_pair(bytes_slice(in->key)))
        return r->count;
    while (n < r->count && r->runs[n].fate != FATE_RETURNED)
        n++;
    return n;
}

static void report(struct lane_in *in)
{
    struct lane_report r;
    size_t n;

    lane_rx_take(&in->rx, loop_now_ms(in->lanes->o.loop), &r);
    if (in->state == IN_OPENED) {
        n = find_returned(in, &r);
        told_add(&in->told, r.runs, n);
        tell_done(in, r.runs, n);
        if (n < r.count) {
            in->state = IN_REFUSED;
            tell_refused(in);
        } else {
            tell_credit(in, &r);
        }
    }
    lane_report_fini(&r);
    if (in->state == IN_LEFT && is_settled(in))
        free_in(in);
}

void lanes_in_flush(struct lanes *l)
{
    struct lane_in *in;

    while ((in = LIST_FIRST(&l->dirty_in, struct lane_in, dirty))) {
        list_remove(&in->dirty);
        report(in);
    }
}

static void on_dirty(struct lane_rx *rx)
{
    struct lane_in *in = LIST_ENTRY(rx, struct lane_in, rx);

    list_push(&in->lanes->dirty_in, &in->dirty);
    loop_defer(in->lanes->o.loop, &in->lanes->flush);
}

/* --- hearing --- */

static struct lane_in *make(struct far *far, const struct far_item *i)
{
    struct lane_in *in = MEM_NEW(struct lane_in);

    lane_rx_init(&in->rx, &lane_copied, on_dirty);
    in->rx.foreign = true;
    list_init(&in->dirty);
    list_init(&in->left);
    told_init(&in->told);
    in->lanes = far->lanes;
    in->far = far;
    in->id = i->lane;
    in->generation = i->generation;
    in->expected = 1;
    in->key = bytes_ref(i->key);
    map_add(&far->in, id_key(&in->id), in);
    return in;
}

/* True if there is one now. */
static bool find_port(struct lane_in *in)
{
    if (!in->rx.port)
        lane_rx_attach(&in->rx, lanes_port(in->lanes, bytes_slice(in->key)));
    return in->rx.port;
}

static void refuse(struct lane_in *in)
{
    in->state = IN_REFUSED;
    tell_refused(in);
}

/* What there is to tell now is told once more, and where we are. */
static void welcome(struct lane_in *in)
{
    struct lane_report r = {0};

    tell_done(in, in->told.runs, in->told.count);
    if (in->state == IN_REFUSED) {
        tell_refused(in);
        return;
    }
    if (!find_port(in) && key_is_pair(bytes_slice(in->key))) {
        refuse(in);
        return;
    }
    r.window_bytes = lane_rx_window(&in->rx);
    r.open = in->rx.port && in->rx.port->open;
    r.moving = in->rx.port && outq_moving(in->rx.port, loop_now_ms(in->lanes->o.loop));
    in->told_credit = false;
    tell_credit(in, &r);
}

static void take_open(struct far *far, const struct far_item *i)
{
    struct lane_in *in = map_find(&far->in, id_key(&i->lane));

    if (in && in->generation > i->generation)
        return;
    if (in && in->generation < i->generation) {
        leave_to_ingress(in);
        in = NULL;
    }
    if (!in)
        in = make(far, i);
    in->serial = far->serial;
    in->used_ms = loop_now_ms(far->lanes->o.loop);
    told_heard(&in->told, i->done);
    welcome(in);
}

static void deliver(struct lane_in *in, struct stanza *s)
{
    struct router *r = in->lanes->o.router;

    s->lane_seq = in->expected++;
    s->lane = &in->rx;
    mem_charge(r->memory, stanza_cost(s));
    atomic_fetch_add_explicit(&r->foreign_count, 1, memory_order_relaxed);
    if (find_port(in))
        router_deliver(r, in->rx.port, s);
    else
        router_fate(r, s, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
}

/* Lost and doubled ones: of a lane that goes on, the ingress sends again what it was told to; a gap
 * cannot be, and heals by beginning anew. */
static void take_data(struct far *far, struct far_item *i)
{
    struct lane_in *in = map_find(&far->in, id_key(&i->lane));
    bool fits = in && in->generation == i->generation && is_bound(in);

    if (fits) {
        in->used_ms = loop_now_ms(far->lanes->o.loop);
        told_heard(&in->told, i->done);
    }
    if (fits && in->state == IN_OPENED && i->seq > in->expected)
        refuse(in);
    if (fits && in->state == IN_OPENED && i->seq == in->expected)
        deliver(in, i->stanza);
    else
        stanza_unref(i->stanza);
}

void far_take_in(struct far *far, struct far_item *i)
{
    struct lane_in *in;

    if (i->kind == FAR_OPEN) {
        take_open(far, i);
    } else if (i->kind == FAR_DATA) {
        take_data(far, i);
    } else {
        in = map_find(&far->in, id_key(&i->lane));
        if (in && in->generation == i->generation)
            leave_to_ingress(in);
    }
}

/* --- the end --- */

static struct lane_in *first_of(struct map *m)
{
    size_t pos = 0;

    return map_next(m, &pos);
}

void far_leave_in(struct far *far)
{
    struct lane_in *in;

    while ((in = first_of(&far->in)))
        leave(in);
}

void far_free_in(struct far *far)
{
    far_leave_in(far);
    assert(list_empty(&far->lanes->left));
}

void lanes_in_tick(struct lanes *l, uint64_t now_ms)
{
    uint64_t most_ms = LANE_FORSAKEN_AGES * l->o.router->limits.age_ms;
    size_t pos = 0;
    size_t at;
    struct far *far;
    struct lane_in *in;

    while ((far = map_next(&l->fars, &pos)))
        for (at = 0; (in = map_next(&far->in, &at));)
            if (!is_bound(in) && is_settled(in) && now_ms - in->used_ms > most_ms)
                leave(in);
}

/* Lanes without stanzas here need no farewell. */
bool lanes_in_idle(const struct lanes *l)
{
    size_t pos = 0;
    size_t at;
    struct far *far;
    struct lane_in *in;

    if (!list_empty(&l->left))
        return false;
    while ((far = map_next(&l->fars, &pos)))
        for (at = 0; (in = map_next(&far->in, &at));)
            if (!is_settled(in))
                return false;
    return true;
}
