/* What the steward's desk and the other nodes tell a node goes on to its workers and its door;
 * `arg` is the node. */
#include "node_news.h"

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
}

static void on_settle(void *arg, const struct addr *peer)
{
    door_settle(node_door(arg), peer);
}

const struct desk_events node_desk_events = {
    .instances = {on_joined, on_left, on_replaced, rule_of},
    .peer_alive = on_alive,
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

const struct tell_events node_tell_events = {on_crowds, on_heard_crowds};
