/* link/mesh_carry.c - lanes over a connection: batches of the workers become frames and back.
 *
 * What is about fates and credit goes out at once; OPEN, DATA and CLOSE keep their order and wait
 * for room, as references: they are encoded when they can go. So do answers to questions, which
 * would hold up promises otherwise.
 */
#include "link/mesh_private.h"

static bool waits_for_room(const struct far_item *i)
{
    return i->kind == FAR_OPEN || i->kind == FAR_DATA || i->kind == FAR_CLOSE;
}

/* --- out --- */

static uint32_t age_of(const struct mesh_peer *p, const struct stanza *s)
{
    uint64_t now = loop_now_ms(p->mesh->o.loop);
    uint64_t age = now > s->accepted_ms ? now - s->accepted_ms : 0;

    return age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
}

static void write_data(struct mesh_peer *p, const struct far_item *i)
{
    const struct stanza *s = i->stanza;
    struct frame f = {
        .type = FRAME_DATA,
        .data = {.lane = i->lane,
                 .generation = i->generation,
                 .seq = i->seq,
                 .done = i->done,
                 .age_ms = age_of(p, s),
                 .kind = s->kind,
                 .type = s->type,
                 .scope = s->scope,
                 .flags = s->flags,
                 .wire = s->wire},
    };

    trunk_send(p->up->trunk, &f);
    p->stanzas_out++;
    counter_add(loop_counters(p->mesh->o.loop),
                (enum counter_cell)(COUNTER_OUT_MESH_MESSAGE + s->kind), 1);
}

static const uint8_t fate_words[] = {
    [FATE_SENT] = FRAME_SENT,
    [FATE_BOUNCED] = FRAME_BOUNCED,
    [FATE_DROPPED] = FRAME_DROPPED,
    [FATE_RETURNED] = FRAME_RETURNED,
};

static struct frame_run frame_run(const struct lane_run *r)
{
    return (struct frame_run){
        .last_seq = r->last_seq,
        .fate = fate_words[r->fate],
        .why = r->fate == FATE_SENT ? slice_none() : slice_from(bounce_word(r->why)),
        .detail = r->detail ? slice_sub(bytes_slice(r->detail), 0, FRAME_TEXT_MAX) : slice_none(),
    };
}

/* A frame has room for so many runs whatever their details. */
#define RUNS_MAX 128

static void write_done(struct mesh_peer *p, const struct far_item *i)
{
    struct frame_run runs[RUNS_MAX];
    struct frame f = {.type = FRAME_DONE,
                      .done = {.lane = i->lane, .generation = i->generation, .runs = runs}};

    for (size_t at = 0; at < i->count; at += f.done.run_count) {
        size_t n = i->count - at < RUNS_MAX ? i->count - at : RUNS_MAX;

        for (size_t k = 0; k < n; k++)
            runs[k] = frame_run(&i->runs[at + k]);
        f.done.run_count = n;
        trunk_send(p->up->trunk, &f);
    }
}

static void write_item(struct mesh_peer *p, const struct far_item *i)
{
    struct frame f = {.type = FRAME_CLOSE, .close = {i->lane, i->generation}};

    switch (i->kind) {
    case FAR_DATA:
        write_data(p, i);
        return;
    case FAR_DONE:
        write_done(p, i);
        return;
    case FAR_OPEN:
        f.type = FRAME_OPEN;
        f.open = (struct frame_open){i->lane, i->generation, i->done, bytes_slice(i->key)};
        break;
    case FAR_CREDIT:
        f.type = FRAME_CREDIT;
        f.credit = (struct frame_credit){i->lane,         i->generation, i->seq,
                                         i->window_bytes, i->open,       i->moving};
        break;
    case FAR_REFUSE:
        f.type = FRAME_REFUSE;
        f.refuse = (struct frame_refuse){i->lane,
                                         i->generation,
                                         SLICE("not-owner"),
                                         slice_from(i->hint->node),
                                         i->hint->incarnation,
                                         i->hint->token};
        break;
    case FAR_CLOSE:
        break;
    }
    trunk_send(p->up->trunk, &f);
}

/* The first item of the batch that is of that kind, from `next` on; the others before it are done
 * with. */
static void drop_first(struct far_batch *b)
{
    struct far_item *i = &b->items[b->next++];

    if (i->kind == FAR_DATA)
        stanza_unref(i->stanza);
    else if (i->kind == FAR_OPEN)
        bytes_unref(i->key);
}

/* False: none waits. */
static bool write_next_item(struct mesh_peer *p)
{
    struct far_batch *b = LIST_FIRST(&p->queue, struct far_batch, node);

    if (!b)
        return false;
    if (b->next < b->count) {
        write_item(p, &b->items[b->next]);
        drop_first(b);
        p->items_since++;
    }
    if (b->next < b->count)
        return true;
    far_batch_free(b);
    p->queue_count--;
    return true;
}

/* --- answers to questions --- */

/* An answer never stops stanzas, and they do not stop it: one part after so many of them. */
#define ITEMS_BETWEEN_ANSWERS 64

static void drop_answer(struct mesh_peer *p, struct mesh_answer *a)
{
    p->answer_bytes -= bytes_slice(a->body).len;
    list_remove(&a->node);
    bytes_unref(a->body);
    mem_free(a);
}

static void drop_answers(struct mesh_peer *p)
{
    struct mesh_answer *a;

    while ((a = LIST_FIRST(&p->answers, struct mesh_answer, node)))
        drop_answer(p, a);
}

static bool write_next_answer(struct mesh_peer *p)
{
    struct mesh_answer *a = LIST_FIRST(&p->answers, struct mesh_answer, node);
    struct frame f = {.type = FRAME_ANSWER};

    if (!a || (!list_empty(&p->queue) && p->items_since < ITEMS_BETWEEN_ANSWERS))
        return false;
    f.answer = (struct frame_answer){a->number, a->more, bytes_slice(a->body)};
    trunk_send(p->up->trunk, &f);
    p->items_since = 0;
    drop_answer(p, a);
    return true;
}

void mesh_carry_answer(struct mesh_peer *p, const struct frame_answer *f)
{
    struct mesh_answer *a;

    if (p->answer_bytes + f->body.len > MESH_ANSWER_BYTES_MAX)
        return; /* who asked notices that a part is missing */
    a = MEM_NEW(struct mesh_answer);
    a->number = f->number;
    a->more = f->more;
    a->body = bytes_copy(f->body);
    p->answer_bytes += f->body.len;
    list_push(&p->answers, &a->node);
    mesh_pump(p);
}

void mesh_pump(struct mesh_peer *p)
{
    while (p->up && trunk_writable(p->up->trunk))
        if (!write_next_answer(p) && !write_next_item(p))
            return;
}

/* Writes what does not wait, and moves the rest together. */
static void write_urgent(struct mesh_peer *p, struct far_batch *b)
{
    size_t kept = 0;

    for (size_t i = 0; i < b->count; i++) {
        struct far_item *item = &b->items[i];

        if (waits_for_room(item)) {
            b->items[kept++] = *item;
            continue;
        }
        write_item(p, item);
        if (item->kind == FAR_DONE)
            lane_report_fini(&(struct lane_report){.runs = item->runs, .count = item->count});
        else if (item->kind == FAR_REFUSE)
            mem_free(item->hint);
    }
    b->count = kept;
}

void mesh_take_batch(struct mesh *m, struct far_batch *b)
{
    struct mesh_peer *p = m ? map_find(&m->peers, slice_from(b->peer)) : NULL;

    if (!p || !p->up || p->serial != b->serial) {
        far_batch_free(b); /* of a connection that is gone */
        return;
    }
    write_urgent(p, b);
    if (b->count == 0) {
        far_batch_free(b);
        return;
    }
    list_push(&p->queue, &b->node);
    p->queue_count++;
    mesh_pump(p);
}

/* --- in --- */

static void deliver_batch(struct hop_msg *m, void *arg)
{
    lanes_take_batch(arg, LIST_ENTRY(m, struct far_batch, msg));
}

void mesh_flush_peer(struct mesh_peer *p)
{
    struct lanes *l = p->mesh->o.lanes;

    list_remove(&p->dirty);
    for (unsigned w = 0; w < l->count; w++) {
        if (p->to[w])
            lanes_post(l, w, &p->to[w]->msg, deliver_batch);
        p->to[w] = NULL;
    }
}

void mesh_run_flush(struct task *t)
{
    struct mesh *m = LIST_ENTRY(t, struct mesh, flush);

    while (!list_empty(&m->dirty))
        mesh_flush_peer(LIST_FIRST(&m->dirty, struct mesh_peer, dirty));
}

static struct far_item *add(struct mesh_peer *p, unsigned worker, enum far_kind kind, uint64_t lane,
                            uint32_t generation)
{
    struct mesh *m = p->mesh;

    if (!p->to[worker])
        p->to[worker] = far_batch_new(peer_name(p), p->serial);
    if (!list_linked(&p->dirty)) {
        list_push(&m->dirty, &p->dirty);
        loop_defer(m->o.loop, &m->flush);
    }
    return far_batch_add(p->to[worker], kind, lane, generation);
}

/* An instance that is not known (any more): any worker can say so. */
static unsigned port_worker(const struct mesh_peer *p, struct slice key)
{
    const struct router *r = p->mesh->o.lanes->o.router;
    const struct table_instance *i;
    uint64_t id;

    if (key_is_pair(key))
        return router_key_worker(r, key);
    i = router_instance_id(key, &id) ? table_instance(&r->table, id) : NULL;
    return i && !i->at ? i->worker : r->worker;
}

static bool sound_key(struct slice key)
{
    struct slice local, remote;

    if (!key_is_pair(key))
        return true;
    router_pair_split(key, &local, &remote);
    return local.len > 0 && remote.len > 0;
}

static void take_open(struct mesh_peer *p, const struct frame_open *f)
{
    struct mesh_route *route = map_find(&p->routes, id_key(&f->lane));
    struct far_item *i;

    if (!sound_key(f->key)) {
        mesh_fault(p, "a lane to no port");
        return;
    }
    if (!route) {
        route = MEM_NEW(struct mesh_route);
        route->lane = f->lane;
        map_add(&p->routes, id_key(&route->lane), route);
        route->worker = port_worker(p, f->key);
    }
    i = add(p, route->worker, FAR_OPEN, f->lane, f->generation);
    i->done = f->done;
    i->key = bytes_copy(f->key);
}

static struct stanza *stanza_of(const struct mesh_peer *p, const struct frame_data *d)
{
    uint64_t now = loop_now_ms(p->mesh->o.loop);
    char *room;
    struct stanza *s = stanza_alloc(d->wire.len, &room);

    memcpy(room, d->wire.ptr, d->wire.len);
    s->wire = slice_make(room, d->wire.len);
    s->kind = d->kind;
    s->type = d->type;
    s->scope = d->scope;
    s->flags = d->flags;
    s->accepted_ms = now > d->age_ms ? now - d->age_ms : 0;
    return s;
}

static void take_data(struct mesh_peer *p, const struct frame_data *d)
{
    struct mesh_route *route = map_find(&p->routes, id_key(&d->lane));
    struct far_item *i;

    if (!route) {
        mesh_fault(p, "a stanza of a lane that was not opened");
        return;
    }
    i = add(p, route->worker, FAR_DATA, d->lane, d->generation);
    i->seq = d->seq;
    i->done = d->done;
    i->stanza = stanza_of(p, d);
    p->stanzas_in++;
    counter_add(loop_counters(p->mesh->o.loop),
                (enum counter_cell)(COUNTER_IN_MESH_MESSAGE + d->kind), 1);
}

static void take_close(struct mesh_peer *p, const struct frame_close *f)
{
    struct mesh_route *route = map_remove(&p->routes, id_key(&f->lane));

    if (!route)
        return;
    add(p, route->worker, FAR_CLOSE, f->lane, f->generation);
    mem_free(route);
}

static const enum fate fates[FRAME_FATES] = {
    [FRAME_SENT] = FATE_SENT,
    [FRAME_BOUNCED] = FATE_BOUNCED,
    [FRAME_DROPPED] = FATE_DROPPED,
    [FRAME_RETURNED] = FATE_RETURNED,
};

static struct lane_run lane_run(const struct frame_run *r)
{
    return (struct lane_run){
        .last_seq = r->last_seq,
        .fate = fates[r->fate],
        .why = bounce_of_word(r->why), /* a word of a later version is some trouble of the peer */
        .detail = r->detail.len ? bytes_copy(r->detail) : NULL,
    };
}

/* The worker of one of our lanes is part of its number. */
static struct far_item *answer(struct mesh_peer *p, enum far_kind kind, uint64_t lane,
                               uint32_t generation)
{
    uint64_t worker = lane >> 48;

    if (worker < p->mesh->o.lanes->count)
        return add(p, (unsigned)worker, kind, lane, generation);
    mesh_fault(p, "word of a lane that is none of ours");
    return NULL;
}

static void take_done(struct mesh_peer *p, const struct frame_done *f)
{
    struct far_item *i = answer(p, FAR_DONE, f->lane, f->generation);

    if (!i)
        return;
    i->count = f->run_count;
    i->runs = mem_array(f->run_count, sizeof(*i->runs));
    for (size_t k = 0; k < f->run_count; k++)
        i->runs[k] = lane_run(&f->runs[k]);
}

static void take_refuse(struct mesh_peer *p, const struct frame_refuse *f)
{
    struct far_item *i = answer(p, FAR_REFUSE, f->lane, f->generation);

    if (!i)
        return;
    i->hint = MEM_NEW(struct far_hint);
    i->hint->incarnation = f->incarnation;
    i->hint->token = f->token;
    if (!slice_to_cstr(f->node, i->hint->node, sizeof(i->hint->node)))
        i->hint->node[0] = '\0';
}

static void take_credit(struct mesh_peer *p, const struct frame_credit *f)
{
    struct far_item *i = answer(p, FAR_CREDIT, f->lane, f->generation);

    if (!i)
        return;
    i->seq = f->expected;
    i->window_bytes = f->window_bytes;
    i->open = f->open;
    i->moving = f->moving;
}

bool mesh_carry_frame(struct mesh_peer *p, const struct frame *f)
{
    switch (f->type) {
    case FRAME_OPEN:
        take_open(p, &f->open);
        return true;
    case FRAME_DATA:
        take_data(p, &f->data);
        return true;
    case FRAME_CLOSE:
        take_close(p, &f->close);
        return true;
    case FRAME_DONE:
        take_done(p, &f->done);
        return true;
    case FRAME_REFUSE:
        take_refuse(p, &f->refuse);
        return true;
    case FRAME_CREDIT:
        take_credit(p, &f->credit);
        return true;
    default:
        return false;
    }
}

/* --- life --- */

void mesh_carry_open(struct mesh_peer *p)
{
    struct lanes *l = p->mesh->o.lanes;

    list_init(&p->queue);
    list_init(&p->answers);
    list_init(&p->dirty);
    map_init(&p->routes, l->o.router->seed);
    p->to = mem_array(l->count, sizeof(*p->to));
}

void mesh_carry_close(struct mesh_peer *p)
{
    size_t pos = 0;
    struct mesh_route *route;
    struct far_batch *b;

    while ((b = LIST_FIRST(&p->queue, struct far_batch, node)))
        far_batch_free(b);
    p->queue_count = 0;
    drop_answers(p);
    while ((route = map_next(&p->routes, &pos))) {
        map_remove(&p->routes, id_key(&route->lane));
        mem_free(route);
    }
}
