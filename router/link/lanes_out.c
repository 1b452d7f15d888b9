/* link/lanes_out.c - the ingress's end of lanes to other nodes.
 *
 *   APART --connection, nothing sent yet: OPEN--------------------> TIED --refused--> APART
 *     |---connection, something sent: OPEN--> RESUMING --CREDIT--> TIED   (back-off)
 *     TIED, RESUMING --connection lost--> APART
 *
 * All of it is the lane's way, never its content: while APART and RESUMING stanzas wait in order.
 */
#include "link/lanes_private.h"

#include "link/mesh.h"

/* After a refusal that changed nothing: the first wait, doubled five times at most. */
#define REFUSED_FIRST_MS 50

/* --- batches --- */

struct far_batch *far_batch_new(struct slice peer, uint64_t serial)
{
    struct far_batch *b = MEM_NEW(struct far_batch);
    bool fits = slice_to_cstr(peer, b->peer, sizeof(b->peer));

    assert(fits);
    list_init(&b->node);
    b->serial = serial;
    return b;
}

static void free_item(struct far_item *i)
{
    switch (i->kind) {
    case FAR_OPEN:
        bytes_unref(i->key);
        return;
    case FAR_DATA:
        stanza_unref(i->stanza);
        return;
    case FAR_DONE:
        lane_report_fini(&(struct lane_report){.runs = i->runs, .count = i->count});
        return;
    case FAR_REFUSE:
        mem_free(i->hint);
        return;
    case FAR_CLOSE:
    case FAR_CREDIT:
        return;
    }
}

void far_batch_free(struct far_batch *b)
{
    for (size_t i = b->next; i < b->count; i++)
        free_item(&b->items[i]);
    list_remove(&b->node);
    mem_free(b->items);
    mem_free(b);
}

struct far_item *far_batch_add(struct far_batch *b, enum far_kind kind, uint64_t lane,
                               uint32_t generation)
{
    struct far_item *i;

    if (b->count == b->room) {
        b->room = b->room ? b->room * 2 : 8;
        b->items = mem_realloc(b->items, b->room * sizeof(*b->items));
    }
    i = &b->items[b->count++];
    memset(i, 0, sizeof(*i));
    i->kind = kind;
    i->lane = lane;
    i->generation = generation;
    return i;
}

/* --- nodes --- */

struct far *far_of(struct lanes *l, struct slice node)
{
    struct far *far = map_find(&l->fars, node);
    bool fits;

    if (far)
        return far;
    far = MEM_NEW(struct far);
    fits = slice_to_cstr(node, far->name, sizeof(far->name));
    assert(fits);
    far->lanes = l;
    far->carrier = router_key_worker(l->o.router, node);
    list_init(&far->out);
    map_init(&far->in, l->o.router->seed);
    map_add(&l->fars, slice_from(far->name), far);
    return far;
}

struct far_item *far_add(struct far *far, enum far_kind kind, uint64_t lane, uint32_t generation)
{
    assert(far->serial);
    if (!far->batch) {
        far->batch = far_batch_new(slice_from(far->name), far->serial);
        loop_defer(far->lanes->o.loop, &far->lanes->flush);
    }
    return far_batch_add(far->batch, kind, lane, generation);
}

static void deliver_to_mesh(struct hop_msg *m, void *arg)
{
    struct lanes *l = arg;

    mesh_take_batch(l->mesh, LIST_ENTRY(m, struct far_batch, msg));
}

void far_post_batch(struct far *far)
{
    if (far->batch)
        lanes_post(far->lanes, far->carrier, &far->batch->msg, deliver_to_mesh);
    far->batch = NULL;
}

/* --- the way --- */

static void tx_send(struct lane_tx *tx, struct stanza *s)
{
    struct lane_out *out = LIST_ENTRY(tx, struct lane_out, tx);
    struct far_item *i = far_add(out->far, FAR_DATA, out->id, tx->generation);

    i->seq = s->lane_seq;
    i->done = lane_tx_done(tx);
    i->stanza = stanza_ref(s);
}

static const struct lane_tx_ops tx_ops = {tx_send, lanes_settle};

/* The first stanza of a generation does not wait for an answer to OPEN. */
void lane_out_tie(struct lane_out *out)
{
    struct far_item *i = far_add(out->far, FAR_OPEN, out->id, out->tx.generation);

    i->done = lane_tx_done(&out->tx);
    i->key = bytes_ref(out->key_bytes);
    out->process = out->far->process;
    if (out->tx.next_seq == 1) {
        out->tie = LANE_TIED;
        lane_tx_bind(&out->tx);
    } else {
        out->tie = LANE_RESUMING;
    }
}

static void tie_if_can(struct lane_out *out)
{
    if (out->far->serial && out->tie == LANE_APART && !out->retry_ms)
        lane_out_tie(out);
}

static void untie(struct lane_out *out)
{
    out->tie = LANE_APART;
    lane_tx_suspend(&out->tx);
}

static void say_closed(struct lane_out *out)
{
    if (out->far->serial && out->tie != LANE_APART)
        far_add(out->far, FAR_CLOSE, out->id, out->tx.generation);
}

/* Everything comes back. `in_doubt`: nobody says what of it was written. May free the lane at the
 * end of the turn. */
static void renew(struct lane_out *out, bool in_doubt)
{
    if (out->to == LANE_TO_NODE) {
        say_closed(out);
        untie(out);
        out->process = 0;
    }
    lane_tx_renew(&out->tx, in_doubt);
}

/* --- which lane --- */

static struct lane_out *new_out(struct lanes *l, struct slice key, enum lane_to to)
{
    struct lane_out *out = lanes_new_out(l, &tx_ops, key, to);

    out->id = (uint64_t)l->o.router->worker << 48 | ++l->next_id;
    out->tx.bound = false;
    map_add(&l->out_ids, id_key(&out->id), out);
    return out;
}

static struct lane_tx *to_node(struct lanes *l, struct lane_out *out, struct slice key,
                               struct slice node, struct slice port_key)
{
    struct far *far = far_of(l, node);

    if (out && (out->to != LANE_TO_NODE || out->far != far)) {
        lanes_close_out(l, out);
        out = NULL;
    }
    if (!out) {
        out = new_out(l, key, LANE_TO_NODE);
        out->far = far;
        out->key_bytes = bytes_copy(port_key);
        list_push(&far->out, &out->of_far);
    }
    tie_if_can(out);
    return &out->tx;
}

static struct lane_tx *to_nobody(struct lanes *l, struct lane_out *out, struct slice key)
{
    if (out && out->to != LANE_TO_NOBODY) {
        lanes_close_out(l, out);
        out = NULL;
    }
    return out ? &out->tx : &new_out(l, key, LANE_TO_NOBODY)->tx;
}

struct lane_tx *lanes_away(struct lanes *l, struct slice pair_key)
{
    const struct owner_view *v = &l->o.owners;
    struct lane_out *out;
    struct owner owner = {.where = OWNER_SELF};

    if (!v->ops)
        return NULL;
    out = map_find(&l->out, pair_key);
    if (out && lane_tx_count(&out->tx))
        return &out->tx; /* nothing overtakes what is in it */
    v->ops->find(v->arg, pair_key, &owner);
    if (owner.where == OWNER_SELF)
        return NULL;
    if (owner.where == OWNER_NODE)
        return to_node(l, out, pair_key, owner.node, pair_key);
    return to_nobody(l, out, pair_key);
}

/* Numbers of instances are unique in their process only: the node is part of our name for it. */
struct lane_tx *lanes_to_node(struct lanes *l, struct slice node, struct slice port_key)
{
    char buf[PORT_KEY_BYTES_MAX];
    struct slice key = slice_make(buf, port_key.len + node.len);

    assert(!key_is_pair(port_key) && key.len <= sizeof(buf));
    memcpy(buf, port_key.ptr, port_key.len);
    memcpy(buf + port_key.len, node.ptr, node.len);
    return to_node(l, map_find(&l->out, key), key, node, port_key);
}

void lanes_out_closed(struct lane_out *out)
{
    struct lanes *l = out->lanes;

    if (out->to == LANE_TO_NODE)
        say_closed(out);
    map_remove(&l->out_ids, id_key(&out->id));
    list_remove(&out->of_far);
    list_push(&l->dead, &out->of_far);
    loop_defer(l->o.loop, &l->flush);
}

/* --- what the owner says --- */

static void take_done(struct lane_out *out, struct far_item *i)
{
    struct lane_report r = {.runs = i->runs,
                            .count = i->count,
                            .window_bytes = out->tx.window_bytes,
                            .open = out->tx.open,
                            .moving = out->tx.moving};

    lane_tx_report(&out->tx, &r, loop_now_ms(out->lanes->o.loop));
}

static void take_credit(struct lane_out *out, const struct far_item *i)
{
    struct lane_report r = {.window_bytes = i->window_bytes, .open = i->open, .moving = i->moving};

    out->refusals = 0;
    lane_tx_report(&out->tx, &r, loop_now_ms(out->lanes->o.loop));
    if (out->tie != LANE_RESUMING)
        return;
    if (lane_tx_resume(&out->tx, i->seq))
        out->tie = LANE_TIED;
    else
        renew(out, true);
}

static void tell_refused(struct lane_out *out, const struct far_hint *h)
{
    const struct owner_view *v = &out->lanes->o.owners;
    struct owner hint = {.where = OWNER_UNKNOWN};

    if (!v->ops || !key_is_pair(out->key))
        return;
    if (h && h->node[0])
        hint = (struct owner){OWNER_NODE, slice_from(h->node), h->incarnation, h->token};
    v->ops->refused(v->arg, out->key, slice_from(out->far->name), &hint);
}

static void on_retry(struct timer *t);

/* Should the view still say the same node, its stanzas wait in this lane for a while. */
static void take_refuse(struct lane_out *out, const struct far_item *i)
{
    struct lanes *l = out->lanes;
    uint64_t wait_ms = REFUSED_FIRST_MS << (out->refusals < 5 ? out->refusals : 5);

    out->refusals++;
    out->retry_ms = loop_now_ms(l->o.loop) + wait_ms;
    if (!timer_running(&l->retry) || l->retry.at_ms > out->retry_ms)
        timer_start(&l->retry, wait_ms);
    tell_refused(out, i->hint);
    renew(out, false);
}

void far_take_out(struct far *far, struct far_item *i)
{
    struct lane_out *out = map_find(&far->lanes->out_ids, id_key(&i->lane));

    if (!out || out->to != LANE_TO_NODE || out->far != far || i->generation != out->tx.generation)
        return;
    if (i->kind == FAR_DONE)
        take_done(out, i);
    else if (i->kind == FAR_CREDIT)
        take_credit(out, i);
    else
        take_refuse(out, i);
}

/* --- what changes --- */

/* Calls fn for each lane to that node; it may close them, any of them. */
static void each_out(struct far *far, void (*fn)(struct lane_out *out, uint64_t arg), uint64_t arg)
{
    struct list all;
    struct lane_out *out;

    list_init(&all);
    list_append_all(&all, &far->out);
    while ((out = LIST_FIRST(&all, struct lane_out, of_far))) {
        list_remove(&out->of_far);
        list_push(&far->out, &out->of_far);
        fn(out, arg);
    }
}

static void part(struct lane_out *out, uint64_t arg)
{
    untie(out);
}

/* What another process had is gone. */
static void renew_if_other(struct lane_out *out, uint64_t process)
{
    if (out->process && out->process != process)
        renew(out, true);
}

static void tie_if_wanted(struct lane_out *out, uint64_t arg)
{
    if (lane_tx_count(&out->tx))
        tie_if_can(out);
}

static void renew_pair(struct lane_out *out, uint64_t arg)
{
    if (key_is_pair(out->key))
        renew(out, true);
}

/* Whom we cannot reach, and who left the list, owns nothing. Its components are link/tell's matter.
 */
static void renew_if_gone(struct far *far)
{
    if (!far->serial && far->incarnation <= far->gone)
        each_out(far, renew_pair, 0);
}

static void far_lost(struct far *far)
{
    far->serial = 0;
    if (far->batch)
        far_batch_free(far->batch);
    far->batch = NULL;
    each_out(far, part, 0);
}

/* `serial` comes last: what is routed anew meanwhile waits until all lanes are tied in turn. */
static void far_found(struct far *far, const struct far_news *n)
{
    if (far->process != n->process)
        far_leave_in(far);
    far->process = n->process;
    each_out(far, renew_if_other, n->process);
    far->serial = n->serial;
    each_out(far, tie_if_wanted, 0);
}

void lanes_take_news(struct lanes *l, const struct far_news *n)
{
    struct far *far = far_of(l, slice_from(n->peer));
    bool same = far->serial && far->serial == n->serial;

    if (far->serial && !same)
        far_lost(far);
    if (n->serial && n->incarnation > far->incarnation)
        far->incarnation = n->incarnation;
    if (n->serial && !same)
        far_found(far, n);
    renew_if_gone(far);
    l->o.wake(l->o.arg);
}

void lanes_take_batch(struct lanes *l, struct far_batch *b)
{
    struct far *far = far_of(l, slice_from(b->peer));

    for (; b->next < b->count && far->serial == b->serial; b->next++) {
        struct far_item *i = &b->items[b->next];

        if (i->kind == FAR_OPEN || i->kind == FAR_DATA || i->kind == FAR_CLOSE)
            far_take_in(far, i);
        else
            far_take_out(far, i);
        if (i->kind != FAR_DATA) /* whose stanza is the port's now */
            free_item(i);
    }
    far_batch_free(b);
    l->o.wake(l->o.arg);
}

void lanes_node_gone(struct lanes *l, struct slice node, uint64_t incarnation)
{
    struct far *far = far_of(l, node);

    if (incarnation > far->gone)
        far->gone = incarnation;
    renew_if_gone(far);
}

static void renew_instance(struct lane_out *out, uint64_t arg)
{
    if (!key_is_pair(out->key))
        renew(out, true);
}

void lanes_instances_gone(struct lanes *l, struct slice node)
{
    struct far *far = map_find(&l->fars, node);

    if (far)
        each_out(far, renew_instance, 0);
}

/* What is under way to a node stays under way: it comes back if that node refuses it. */
void lanes_decided(struct lanes *l, struct slice pair_key)
{
    struct lane_out *out = map_find(&l->out, pair_key);

    if (!out || out->to == LANE_TO_WORKER || out->tx.undone_count || !lane_tx_count(&out->tx))
        return;
    out->retry_ms = 0;
    renew(out, false);
}

void lanes_bounce(struct lanes *l, bool all, enum bounce why)
{
    size_t pos = 0;
    struct lane_out *out;

    /* A bounce's way may add lanes, so that the map must not be walked on: but a lane that is
     * emptied is not met again. */
    while ((out = map_next(&l->out_ids, &pos))) {
        if (out->tie == LANE_TIED && !all)
            continue;
        if (!out->tx.held_count && !(all && out->tx.undone_count))
            continue;
        lane_tx_flush(&out->tx, all, why);
        pos = 0;
    }
}

/* --- time --- */

static void on_retry(struct timer *t)
{
    struct lanes *l = LIST_ENTRY(t, struct lanes, retry);
    uint64_t now = loop_now_ms(l->o.loop);
    uint64_t next = UINT64_MAX;
    size_t pos = 0;
    struct lane_out *out;

    while ((out = map_next(&l->out_ids, &pos))) {
        if (!out->retry_ms)
            continue;
        if (out->retry_ms > now) {
            next = out->retry_ms < next ? out->retry_ms : next;
            continue;
        }
        out->retry_ms = 0;
        if (lane_tx_count(&out->tx)) {
            renew(out, false); /* the view may have changed its mind */
            pos = 0;
        }
    }
    if (next != UINT64_MAX)
        timer_start(&l->retry, next - now);
}

static void free_dead(struct lanes *l)
{
    struct lane_out *out;

    while ((out = LIST_FIRST(&l->dead, struct lane_out, of_far))) {
        list_remove(&out->of_far);
        lane_tx_fini(&out->tx);
        bytes_unref(out->key_bytes);
        mem_free(out);
    }
}

void lanes_out_flush(struct lanes *l)
{
    size_t pos = 0;
    struct far *far;

    free_dead(l);
    while ((far = map_next(&l->fars, &pos)))
        far_post_batch(far);
}

void lanes_out_init(struct lanes *l)
{
    timer_init(&l->retry, l->o.loop, on_retry);
}

void lanes_out_fini(struct lanes *l)
{
    size_t pos = 0;
    struct far *far;

    timer_stop(&l->retry);
    while ((far = map_next(&l->fars, &pos))) {
        if (far->batch)
            far_batch_free(far->batch);
        far_free_in(far);
        map_fini(&far->in);
        mem_free(far);
    }
    map_fini(&l->fars);
    map_fini(&l->out_ids);
}
