/* What the steward's desk and the other nodes tell a node goes on to its workers and its door;
 * `arg` is the node. */
#include "node_news.h"

#include "link/hearsay.h"

struct news {
    uint64_t id;
    size_t len;
    char text[DOMAIN_BYTES_MAX + 1];
};

static struct news news_of(struct slice text, uint64_t id)
{
    struct news n = {.id = id, .len = text.len};

    assert(text.len <= DOMAIN_BYTES_MAX);
    if (text.len)
        memcpy(n.text, text.ptr, text.len);
    return n;
}

struct arrival {
    struct news pattern;
    struct table_place place;
    size_t len;
    char node[FRAME_NAME_MAX + 1];
};

static void visit_joined(struct site *s, const void *arg)
{
    const struct arrival *a = arg;
    struct table_place place = a->place;

    place.node = slice_make(a->node, a->len);
    site_joined(s, slice_make(a->pattern.text, a->pattern.len), &place);
}

static void visit_left(struct site *s, const void *arg)
{
    site_left(s, ((const struct news *)arg)->id);
}

static void visit_replaced(struct site *s, const void *arg)
{
    site_replaced(s, ((const struct news *)arg)->id);
}

static void visit_alive(struct site *s, const void *arg)
{
    const struct news *n = arg;

    site_peer_alive(s, slice_make(n->text, n->len));
}

static void on_joined(void *arg, struct slice pattern, const struct table_place *place)
{
    struct arrival a = {.pattern = news_of(pattern, place->id), .place = *place};

    a.len = place->node.len;
    slice_to_cstr(place->node, a.node, sizeof(a.node));
    workers_each(node_workers(arg), visit_joined, &a, sizeof(a));
}

static void on_left(void *arg, uint64_t id)
{
    struct news news = news_of(slice_none(), id);

    workers_each(node_workers(arg), visit_left, &news, sizeof(news));
}

static void on_replaced(void *arg, uint64_t id, unsigned worker)
{
    struct news news = news_of(slice_none(), id);

    workers_one(node_workers(arg), worker, visit_replaced, &news, sizeof(news));
}

static enum connections rule_of(void *arg, struct slice pattern)
{
    const struct settings *s = node_settings(arg);

    for (size_t i = 0; i < s->component_count; i++)
        if (slice_eq(s->rules[i].pattern, pattern))
            return s->rules[i].connections;
    return CONNECTIONS_SHARE; /* not ours: it goes nowhere */
}

static void on_alive(void *arg, struct slice remote)
{
    struct news news = news_of(remote, 0);

    workers_each(node_workers(arg), visit_alive, &news, sizeof(news));
    tell_alive(node_tell(arg), remote);
}

static void on_failed(void *arg, const struct outage *what)
{
    tell_failed(node_tell(arg), what);
}

static void on_settle(void *arg, const struct addr *peer)
{
    door_settle(node_door(arg), peer);
}

const struct desk_events node_desk_events = {
    .instances = {on_joined, on_left, on_replaced, rule_of},
    .peer_alive = on_alive,
    .failed = on_failed,
    .settle_address = on_settle,
};

static size_t on_crowds(void *arg, struct tally_row *rows, size_t room)
{
    return door_crowds(node_door(arg), rows, room);
}

static void on_heard_crowds(void *arg, struct slice node, const struct tally_row *rows,
                            size_t count)
{
    door_hear(node_door(arg), node, rows, count);
}

/* To all workers goes the name, its NUL, and the frame once more; none: the node is gone. */
struct word {
    size_t len; /* of what follows */
    char text[];
};

static void hear_frame(struct site *s, struct slice node, struct slice bytes)
{
    struct arena arena;
    struct frame f;
    size_t used;
    enum err e;

    arena_init(&arena);
    e = frame_next(bytes, &arena, &f, &used);
    assert(e == OK && f.type == FRAME_BACKOFFS); /* our own writing */
    hearsay_take(s, node, &f.backoffs);
    arena_fini(&arena);
}

static void visit_backoffs(struct site *s, const void *arg)
{
    const struct word *w = arg;
    struct slice node = slice_from(w->text);
    struct slice frame = slice_from_offset(slice_make(w->text, w->len), node.len + 1);

    if (frame.len)
        hear_frame(s, node, frame);
    else
        hearsay_forget(s, node);
}

static void on_heard_backoffs(void *arg, struct slice node, const struct frame_backoffs *told)
{
    struct word head = {0};
    struct byteq q;

    byteq_init(&q);
    byteq_append(&q, slice_make((const char *)&head, sizeof(head)));
    byteq_append(&q, node);
    byteq_append(&q, slice_make("", 1));
    if (told)
        frame_write(&q, &(struct frame){.type = FRAME_BACKOFFS, .backoffs = *told});
    head.len = byteq_len(&q) - sizeof(head);
    memcpy(q.data + q.from, &head, sizeof(head));
    workers_each(node_workers(arg), visit_backoffs, q.data + q.from, byteq_len(&q));
    byteq_fini(&q);
}

const struct tell_events node_tell_events = {on_crowds, on_heard_crowds, on_heard_backoffs};
