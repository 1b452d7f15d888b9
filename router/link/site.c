#include "link/site.h"

#include "base/encode.h"
#include "link/component.h"
#include "link/lanes.h"
#include "link/pair.h"
#include "link/s2s_in.h"
#include "link/s2s_out.h"
#include "link/scribe.h"
#include "link/view.h"
#include "loop/listener.h"

/* Ages, graces and idleness are looked at this often while there is anything to look at. */
#define SITE_TICK_MS 200
/* Lines that strangers provoke: so many at once, so many a second. */
#define STRANGER_LOG_BURST      20
#define STRANGER_LOG_PER_SECOND 5

const char *link_kind_word(enum link_kind k)
{
    static const char *const words[LINK_KINDS] = {"component", "s2s_in", "s2s_out"};

    assert((unsigned)k < LINK_KINDS);
    return words[k];
}

struct log *site_log(struct site *s)
{
    return loop_log(s->loop);
}

bool site_log_stranger(struct site *s, uint64_t *ret_swallowed)
{
    if (log_limit_pass(&s->stranger_log, loop_now_ms(s->loop), ret_swallowed))
        return true;
    counter_add(loop_counters(s->loop), COUNTER_LOG_SUPPRESSED, 1);
    site_wake(s);
    return false;
}

static void log_swallowed(struct site *s)
{
    uint64_t n;

    if (log_limit_rest(&s->stranger_log, loop_now_ms(s->loop), &n))
        LOG(site_log(s), LOG_INFO, "log.suppressed", LOG_TEXT("of", "strangers"),
            LOG_INT("lines", n));
}

/* --- links --- */

void site_add(struct site *s, struct link *l, enum link_kind kind, const struct link_ops *ops)
{
    l->ops = ops;
    l->kind = kind;
    list_init(&l->noted);
    l->id = atomic_fetch_add_explicit(s->next_id, 1, memory_order_relaxed);
    list_push(&s->links, &l->node);
    s->link_count++;
    if (kind == LINK_S2S_IN)
        atomic_fetch_add_explicit(&s->inbound_count, 1, memory_order_relaxed);
    site_wake(s);
}

void site_remove(struct site *s, struct link *l)
{
    scribe_strike(s->scribe, l);
    list_remove(&l->node);
    s->link_count--;
    if (l->kind == LINK_S2S_IN)
        atomic_fetch_sub_explicit(&s->inbound_count, 1, memory_order_relaxed);
}

/* The mark: a keyed hash of the random part. Whoever shows it to us was given it by one of us. */
static uint64_t id_mark(const struct site *s, struct slice random_part)
{
    return siphash(s->id_secret, random_part);
}

void site_stream_id(struct site *s, char out[STREAM_ID_LEN + 1])
{
    unsigned char bits[16];
    uint64_t mark;

    random_fill(loop_random(s->loop), bits, sizeof(bits));
    hex_format(bits, sizeof(bits), out);
    mark = id_mark(s, slice_make(out, 32));
    hex_format(&mark, sizeof(mark), out + 32);
}

bool site_stream_id_ours(const struct site *s, struct slice id)
{
    char text[17];
    uint64_t mark;

    if (id.len != STREAM_ID_LEN)
        return false;
    mark = id_mark(s, slice_sub(id, 0, 32));
    hex_format(&mark, sizeof(mark), text);
    return slice_is(slice_from_offset(id, 32), text);
}

struct stream_options site_stream_options(const struct site *s, enum stanza_scope scope)
{
    const struct settings *set = s->settings;
    struct stream_options o = {
        .scope = scope,
        .limits = {set->stanza_bytes, set->preauth_bytes},
        .preauth_bytes = set->preauth_bytes,
        .preauth_elements = STREAM_PREAUTH_ELEMENTS_MAX,
        .negotiation_ms = set->negotiation_ms,
        .close_ms = set->close_ms,
        .keepalive_ms = set->keepalive_ms,
    };

    return o;
}

struct table_entry *site_local(const struct site *s, struct slice domain)
{
    return table_find(&s->router.table, domain);
}

const char *site_port_word(enum site_port port)
{
    static const char *const words[] = {"s2s", "s2s_tls", "component", "component_tls", "mesh"};

    assert((unsigned)port < sizeof(words) / sizeof(words[0]));
    return words[port];
}

static bool may_accept(const struct site *s, enum site_port port)
{
    if (s->draining || (port == SITE_S2S_TLS && !s->settings->tls_direct))
        return false;
    return port != SITE_COMPONENT_TLS || s->settings->tls_component;
}

void site_accept(struct site *s, int fd, const struct addr *peer, enum site_port port)
{
    if (!may_accept(s, port)) {
        counter_add(loop_counters(s->loop), COUNTER_REFUSED_DRAINING, 1);
        listener_drop(fd, true);
        seat_settle_address(s->seat, peer);
        return;
    }
    switch (port) {
    case SITE_S2S:
    case SITE_S2S_TLS:
        s2s_in_accept(s, fd, peer, port == SITE_S2S_TLS);
        return;
    case SITE_COMPONENT:
    case SITE_COMPONENT_TLS:
        component_accept(s, fd, peer, port == SITE_COMPONENT_TLS);
        return;
    case SITE_MESH:
        assert(false);
    }
}

static bool touches(const struct link *l, struct slice domain)
{
    struct link_row row = {.id = l->id};

    l->ops->describe(l, &row);
    return slice_eq(row.local, domain) || slice_eq(row.remote, domain);
}

size_t site_close(struct site *s, uint64_t id, struct slice domain)
{
    size_t n = 0;

    LIST_WALK(node, &s->links)
    {
        struct link *l = LIST_ENTRY(node, struct link, node);

        if (id ? l->id != id : !touches(l, domain))
            continue;
        l->ops->close(l, FAULT_CLOSED_BY_OPERATOR);
        n++;
    }
    return n;
}

/* --- time --- */

/* CERT-11: a link lives no longer than the certificate that proved its peer. */
static void check_link(struct site *s, struct link *l, int64_t now_s)
{
    struct link_row row = {.id = l->id};

    if (!l->open)
        return;
    l->ops->rest(l);
    if (l->expires_s && now_s >= l->expires_s) {
        l->expires_s = 0;
        l->ops->close(l, FAULT_CERT_EXPIRED);
        return;
    }
    if (l->kind != LINK_S2S_IN)
        return;
    l->ops->describe(l, &row);
    if (row.idle_ms >= s->settings->idle_ms)
        l->ops->close(l, FAULT_NONE); /* SERR-06: idleness is a plain close */
}

static void check_links(struct site *s)
{
    int64_t now_s = (int64_t)(loop_wall_us(s->loop) / 1000000);

    LIST_WALK(node, &s->links)
    check_link(s, LIST_ENTRY(node, struct link, node), now_s);
}

static void on_hang(void *arg, struct outq *q)
{
    struct pair *p = pair_of_queue(q);
    struct component *c = component_of_queue(q);

    (void)arg;
    if (p)
        pair_hangs(p);
    else if (c)
        component_hangs(c);
}

static void check_rights(struct site *s)
{
    LIST_WALK(node, &s->router.queues)
    {
        struct pair *p = pair_of_queue(LIST_ENTRY(node, struct outq, active));

        if (p)
            pair_check_right(p);
    }
}

static void on_tick(struct timer *t)
{
    struct site *s = LIST_ENTRY(t, struct site, tick);
    uint64_t now = loop_now_ms(s->loop);
    bool busy = router_tick(&s->router, on_hang);

    check_rights(s);
    if (!mem_over(s->memory))
        gate_open(&s->memory_gate);
    busy |= !list_empty(&s->memory_gate.sources);
    log_swallowed(s);
    busy |= log_limit_owes(&s->stranger_log);
    if (now - s->slow_tick_ms >= 1000) { /* a walk over all: once a second is enough */
        s->slow_tick_ms = now;
        check_links(s);
        pairs_tick(s);
        lanes_tick(s->lanes, now);
        view_tick(s->view, now);
        outages_tick(&s->heard, now);
    }
    if (busy || s->link_count || map_count(&s->pairs) || outages_count(&s->heard) ||
        !lanes_idle(s->lanes))
        timer_start(&s->tick, busy ? SITE_TICK_MS : 1000);
}

void site_wake(struct site *s)
{
    if (!timer_running(&s->tick) || s->tick.at_ms > loop_now_ms(s->loop) + SITE_TICK_MS)
        timer_start(&s->tick, SITE_TICK_MS);
}

/* --- the store's news --- */

void site_joined(struct site *s, struct slice pattern, const struct table_place *place)
{
    router_join(&s->router, pattern, place);
    site_wake(s);
}

void site_left(struct site *s, uint64_t id)
{
    router_leave(&s->router, id);
    site_wake(s);
}

void site_replaced(struct site *s, uint64_t id)
{
    component_replaced(s, id);
}

void site_peer_alive(struct site *s, struct slice remote)
{
    outages_end(&s->heard, remote);
    pair_alive(s, remote);
}

void site_configure(struct site *s, struct settings *settings)
{
    settings_unref(s->settings);
    s->settings = settings_ref(settings);
    router_configure(&s->router, &settings->queue, settings->rules, settings->component_count);
    LIST_WALK(node, &s->links)
    if (LIST_ENTRY(node, struct link, node)->kind == LINK_S2S_IN)
        s2s_in_configure(LIST_ENTRY(node, struct link, node));
    components_configure(s);
    outages_clear(&s->heard); /* under the rules of before */
    pairs_configure(s);
    if (s->mesh)
        mesh_configure(s->mesh, settings->tls_mesh, settings->mesh_name);
}

/* --- drain --- */

static void each_link(struct site *s, void (*fn)(struct link *l))
{
    LIST_WALK(node, &s->links)
    fn(LIST_ENTRY(node, struct link, node));
}

static void stop_reading(struct link *l)
{
    if (l->ops->stop_reading)
        l->ops->stop_reading(l);
}

static void read_rest(struct link *l)
{
    if (l->ops->read_rest)
        l->ops->read_rest(l);
}

static void shut_down(struct link *l)
{
    l->ops->close(l, FAULT_SHUTDOWN);
}

static void abort_link(struct link *l)
{
    l->ops->abort(l);
}

void site_stop_reading(struct site *s)
{
    s->draining = true;
    each_link(s, stop_reading);
}

uint64_t site_unsettled(const struct site *s, bool inbound)
{
    uint64_t n = atomic_load_explicit(&s->router.held_count, memory_order_relaxed) +
                 atomic_load_explicit(&s->router.made_count, memory_order_relaxed) +
                 atomic_load_explicit(&s->router.foreign_count, memory_order_relaxed);

    return inbound ? n + atomic_load_explicit(&s->inbound_count, memory_order_relaxed) : n;
}

void site_bounce_all(struct site *s, enum bounce why)
{
    s->bouncing = true;
    router_flush_held(&s->router, why);
    pairs_bounce(s, why);
    lanes_bounce(s->lanes, false, why);
    each_link(s, read_rest);
}

void site_cut(struct site *s)
{
    pairs_cut(s);
    components_cut(s);
}

void site_bounce_held(struct site *s, enum bounce why)
{
    lanes_bounce_held(s->lanes, why);
    router_flush_held(&s->router, why);
}

/* Nothing more can come or go but what links still have under way. */
static void give_up(struct site *s)
{
    s->draining = s->bouncing = true;
    site_bounce_held(s, BOUNCE_DRAIN);
    pairs_shutdown(s);
    lanes_give_up(s->lanes);
}

/* The mesh goes last: fates and the last words of the steward travel on it. */
void site_shut_mesh(struct site *s)
{
    if (s->mesh)
        mesh_shut(s->mesh);
}

void site_shutdown(struct site *s)
{
    give_up(s);
    each_link(s, shut_down);
}

void site_abort(struct site *s)
{
    lanes_bounce(s->lanes, true, BOUNCE_DRAIN);
    give_up(s);
    each_link(s, abort_link);
    site_shut_mesh(s);
}

/* --- router --- */

static struct outq *op_pair(void *arg, struct slice key)
{
    return pair_queue(arg, key);
}

static struct outq *op_instance(void *arg, uint64_t id)
{
    return component_queue(arg, id);
}

static struct lane_tx *op_lane(void *arg, unsigned worker, struct slice port_key)
{
    return lanes_to(((struct site *)arg)->lanes, worker, port_key);
}

static uint64_t op_now(void *arg)
{
    return loop_now_ms(((struct site *)arg)->loop);
}

static struct lane_tx *op_away(void *arg, struct slice port_key)
{
    return lanes_away(((struct site *)arg)->lanes, port_key);
}

static struct lane_tx *op_to_node(void *arg, struct slice node, struct slice port_key)
{
    return lanes_to_node(((struct site *)arg)->lanes, node, port_key);
}

static const struct router_ops router_ops = {op_pair, op_instance, op_lane,
                                             op_now,  op_away,     op_to_node};

/* --- lanes --- */

static struct outq *port_of(void *arg, struct slice key)
{
    uint64_t id;

    if (key.ptr[0] != '#')
        return pair_queue(arg, key);
    return router_instance_id(key, &id) ? component_queue(arg, id) : NULL;
}

static void wake(void *arg)
{
    site_wake(arg);
}

static struct lanes *open_lanes(struct site *s)
{
    struct lanes_options o = {.loop = s->loop,
                              .router = &s->router,
                              .port = port_of,
                              .wake = wake,
                              .arg = s,
                              .owners = view_owners(s->view)};

    return lanes_open(&o);
}

/* --- life --- */

void site_init(struct site *s, const struct site_options *o)
{
    uint64_t seed[2];

    memset(s, 0, sizeof(*s));
    s->loop = o->loop;
    s->worker = o->worker;
    s->settings = settings_ref(o->settings);
    s->id_secret[0] = o->id_secret[0];
    s->id_secret[1] = o->id_secret[1];
    s->next_id = o->next_id;
    s->memory = o->memory;
    list_init(&s->links);
    gate_init(&s->memory_gate);
    random_fill(loop_random(o->loop), seed, sizeof(seed));
    map_init(&s->pairs, seed);
    map_init(&s->remotes, seed);
    outages_init(&s->heard, seed);
    map_init(&s->instances, seed);
    tally_init(&s->askers, seed);
    log_limit_init(&s->stranger_log, STRANGER_LOG_BURST, STRANGER_LOG_PER_SECOND,
                   loop_now_ms(o->loop));
    timer_init(&s->tick, o->loop, on_tick);
    router_init(&s->router, &router_ops, s, o->worker, o->worker_count, o->route_seed,
                loop_counters(o->loop), o->memory, &o->settings->queue);
    router_configure(&s->router, &o->settings->queue, o->settings->rules,
                     o->settings->component_count);
    s->seat = seat_open(o->desk, o->loop, o->worker);
    s->view = view_open(s, o->members);
    s->scribe = scribe_open(o->loop, members_board(o->members));
    s->lanes = open_lanes(s);
}

void site_connect(struct site *s, struct hop *const *lane_hops)
{
    lanes_connect(s->lanes, lane_hops, s->router.worker_count);
}

void site_set_hello(struct site *s, const struct frame_hello *hello)
{
    struct mesh_options o = {
        .loop = s->loop,
        .lanes = s->lanes,
        .tls = s->settings->tls_mesh,
        .mesh_name = s->settings->mesh_name,
        .events = &view_mesh_events,
        .arg = s->view,
        .hello = *hello,
    };

    if (s->mesh)
        mesh_set_hello(s->mesh, hello);
    else if (s->settings->tls_mesh)
        s->mesh = mesh_open(&o);
}

void site_accept_mesh(struct site *s, int fd, const struct addr *peer, struct slice node)
{
    if (s->mesh)
        mesh_accept(s->mesh, fd, peer, node);
    else
        listener_drop(fd, true);
}

struct hop *site_lane_hop(struct site *s)
{
    return lanes_hop(s->lanes);
}

bool site_settled(const struct site *s)
{
    return s->link_count == 0 && map_count(&s->pairs) == 0 && lanes_idle(s->lanes) &&
           !router_holds(&s->router);
}

bool site_quiet(const struct site *s)
{
    return site_settled(s) && (!s->mesh || mesh_idle(s->mesh));
}

void site_fini(struct site *s)
{
    timer_stop(&s->tick);
    router_fini(&s->router);
    if (s->mesh)
        mesh_close(s->mesh);
    lanes_close(s->lanes);
    scribe_close(s->scribe);
    view_close(s->view);
    seat_close(s->seat);
    map_fini(&s->pairs);
    map_fini(&s->remotes);
    outages_fini(&s->heard);
    map_fini(&s->instances);
    tally_fini(&s->askers);
    settings_unref(s->settings);
}
