/* router/node/node.c
 *
 *   STARTING --workers connected, listeners up--> SERVING --node_drain--> DRAINING --> STOPPED
 *
 * Draining, in shares of node.drain_timeout: a tenth: accept and read on (balancers notice);
 * then inbound streams are ended and read to their end, components are not read any more, and what
 * is held goes out; at three quarters, or when nothing is held, what is left is bounced, with what
 * components wrote meanwhile; at nine tenths links that took nothing since are cut, so that what
 * they were sent comes back while its senders are still there; then all links close with
 * system-shutdown.
 */
#include "node/node.h"

#include "node_news.h"

#include "node/cluster.h"

#include "link/tell.h"

#include <stdio.h>
#include <unistd.h>

#define DRAIN_LOOK_MS 50
/* Closing links, and bringing back what hung in them before, may take this long each when the
 * drain time is used up. */
#define STOP_LEAST_MS 1000
/* The table's connections close meanwhile. */
#define STOP_END_MS 10
#define WORKERS_MAX 64

enum drain_phase { DRAIN_ACCEPT, DRAIN_FLUSH, DRAIN_BOUNCE, DRAIN_CUT, DRAIN_CLOSE };

struct node {
    struct node_options o;
    int *given_fds; /* ours to close; -1: taken */
    enum node_state state;
    struct conf *conf;
    struct settings *settings;
    struct desk *desk;
    struct members *members;
    struct tell *tell;
    struct tls_context *redis_tls; /* or NULL */
    uint64_t route_seed[2];
    uint64_t id_secret[2];
    struct workers *workers;
    struct door *door;
    struct mem_budget memory;
    unsigned char own_secret[32];
    uint64_t started_ms;
    enum drain_phase phase;
    bool phase_begun; /* by every worker */
    uint64_t close_ms;
    uint64_t drain_since_ms;
    uint64_t phase_since_ms;
    struct timer drain_timer;
    struct timer end_timer;
    char error[512];
};

static unsigned worker_count(const struct conf *conf)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n = conf->node.worker_count ? conf->node.worker_count
                 : cores > 0             ? (uint64_t)cores
                                         : 1;

    return n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static struct log *node_log(struct node *n)
{
    return loop_log(n->o.loop);
}

const char *node_state_word(const struct node *n)
{
    static const char *const words[] = {"joining", NULL, "draining", "stopped"};

    return n->state == NODE_SERVING ? lease_state_word(members_state(n->members)) : words[n->state];
}

const char *node_state_text(const struct node *n, char out[MEMBERS_TEXT_BYTES])
{
    static const char *const texts[] = {
        [NODE_STARTING] = "starting; the listeners are not up yet",
        [NODE_DRAINING] = "shutting down; what is held is sent, then links are closed",
        [NODE_STOPPED] = "stopped",
    };

    return n->state == NODE_SERVING ? members_explain(n->members, out) : texts[n->state];
}

bool node_ready(const struct node *n)
{
    enum lease_state s = members_state(n->members);

    return n->state == NODE_SERVING && (s == LEASE_MEMBER || s == LEASE_DEGRADED);
}

static bool is_trouble(const struct node *n)
{
    enum lease_state s = members_state(n->members);

    return n->state == NODE_SERVING && (s == LEASE_DEGRADED || s == LEASE_PARKED);
}

static void log_state(struct node *n)
{
    char text[MEMBERS_TEXT_BYTES];

    LOG(node_log(n), is_trouble(n) ? LOG_WARN : LOG_INFO, "node.state",
        LOG_TEXT("node", n->conf->node.name), LOG_TEXT("state", node_state_word(n)),
        LOG_TEXT("text", node_state_text(n, text)));
}

static void enter(struct node *n, enum node_state state)
{
    n->state = state;
    if (state != NODE_SERVING || members_clustered(n->members) || node_ready(n))
        log_state(n); /* a node that is alone is a member at once */
}

/* --- membership --- */

static void on_member_state(void *arg, enum lease_state state)
{
    struct node *n = arg;

    (void)state;
    if (n->state == NODE_SERVING)
        log_state(n);
}

static void on_member_refused(void *arg, const char *why)
{
    struct node *n = arg;

    snprintf(n->error, sizeof(n->error), "%s", why);
    LOG(node_log(n), LOG_ERROR, "node.refused", LOG_TEXT("error", n->error));
    node_drain(n);
}

static const struct members_events members_events = {on_member_state, on_member_refused};

static struct store *open_store(void *arg, const struct store_events *events, void *events_arg)
{
    struct node *n = arg;

    return cluster_store(n->o.loop, n->conf, desk_resolver(n->desk), n->redis_tls, events,
                         events_arg);
}

static struct slice own_secret(const struct node *n)
{
    return slice_make((const char *)n->own_secret, sizeof(n->own_secret));
}

/* `d` lives longer than what points to it. */
static void show_digests(const struct node *n, struct cluster_digests *d, struct frame_hello *hello)
{
    cluster_digest(n->conf, own_secret(n), d);
    hello->dialback_digest = slice_make(d->dialback, sizeof(d->dialback));
    hello->components_digest = slice_make(d->components, sizeof(d->components));
    hello->peers_digest = slice_make(d->peers, sizeof(d->peers));
}

static void open_members(struct node *n)
{
    char address[ADDR_TEXT_MAX];
    struct cluster_digests d;
    struct members_options o = {
        .loop = n->o.loop,
        .node = slice_from(n->conf->node.name),
        .address = slice_from(cluster_address(n->conf, address)),
        .stop = n->conf->redis.outage == CONF_OUTAGE_STOP,
        .worker_count = worker_count(n->conf),
        .route_seed = n->route_seed,
        .open_store = open_store,
        .events = &members_events,
        .arg = n,
    };

    show_digests(n, &d, &o.hello);
    random_fill(loop_random(n->o.loop), &o.hello.process, sizeof(o.hello.process));
    n->tell = tell_open(n->o.loop, desk_instances(n->desk), o.hello.process, &node_tell_events, n);
    o.tell = n->tell;
    n->members = members_open(&o);
    tell_connect(n->tell, n->members);
}

static void connect_members(struct node *n)
{
    struct hop *views[WORKERS_MAX];

    for (unsigned i = 0; i < workers_count(n->workers); i++)
        views[i] = workers_view(n->workers, i);
    members_connect(n->members, views);
}

/* --- listening --- */

static void hand_over(void *arg, int fd, const struct addr *peer, enum site_port port)
{
    workers_accept(((struct node *)arg)->workers, fd, peer, port);
}

struct mesh_arrival {
    int fd;
    struct addr peer;
    char node[FRAME_NAME_MAX + 1];
};

static void visit_accept_mesh(struct site *s, const void *arg)
{
    const struct mesh_arrival *a = arg;

    site_accept_mesh(s, a->fd, &a->peer, slice_from(a->node));
}

static void hand_over_node(void *arg, int fd, const struct addr *peer, struct slice node)
{
    struct node *n = arg;
    struct mesh_arrival a = {.fd = fd, .peer = *peer};

    slice_to_cstr(node, a.node, sizeof(a.node));
    workers_one(n->workers, members_carrier(n->members, node), visit_accept_mesh, &a, sizeof(a));
}

static bool given_at(const struct node *n, size_t i, struct addr *ret_at)
{
    socklen_t size = sizeof(*ret_at);

    memset(ret_at, 0, sizeof(*ret_at));
    return n->given_fds[i] >= 0 && getsockname(n->given_fds[i], &ret_at->sa, &size) == 0 &&
           (ret_at->sa.sa_family == AF_INET || ret_at->sa.sa_family == AF_INET6);
}

int node_take_given(struct node *n, const struct addr *at)
{
    for (size_t i = 0; i < n->o.given_fd_count; i++) {
        struct addr a;
        int fd = n->given_fds[i];

        if (!given_at(n, i, &a) || !addr_eq(&a, at))
            continue;
        n->given_fds[i] = -1;
        return fd;
    }
    return -1;
}

/* Whoever calls there would wait for ever: nobody accepts. */
static void close_given(struct node *n)
{
    char text[ADDR_TEXT_MAX];
    struct addr at;

    for (size_t i = 0; i < n->o.given_fd_count; i++) {
        if (n->given_fds[i] < 0)
            continue;
        LOG(node_log(n), LOG_WARN, "listen.unused",
            LOG_TEXT("at", given_at(n, i, &at) ? addr_format(&at, text) : "no address"),
            LOG_TEXT("text",
                     "given by the service manager, but no key of listen has this address"));
        close(n->given_fds[i]);
        n->given_fds[i] = -1;
    }
}

static const char *remedy(enum err e)
{
    switch (e) {
    case ERR_IN_USE:
        return "another process listens there; stop it or choose another address";
    case ERR_DENIED:
        return "ports below 1024 need CAP_NET_BIND_SERVICE";
    case ERR_UNREACHABLE:
        return "this machine has no such address";
    default:
        return "see `listen` in the configuration";
    }
}

static bool listen_at(struct node *n, const struct conf_addrs *at, enum site_port port)
{
    char text[ADDR_TEXT_MAX];
    enum err e = OK;

    for (size_t i = 0; i < at->count && !e; i++) {
        e = door_listen(n->door, &at->list[i], node_take_given(n, &at->list[i]), port);
        if (e)
            snprintf(n->error, sizeof(n->error), "listen.%s: cannot listen on %s: %s; %s",
                     site_port_word(port), addr_format(&at->list[i], text), err_text(e), remedy(e));
    }
    return !e;
}

/* The mesh's port: holding it proves that a process of the same name before us is gone. */
static bool listen_all(struct node *n)
{
    const struct conf_listen *l = &n->conf->listen;

    return listen_at(n, &l->s2s, SITE_S2S) && listen_at(n, &l->s2s_tls, SITE_S2S_TLS) &&
           listen_at(n, &l->component, SITE_COMPONENT) &&
           listen_at(n, &l->component_tls, SITE_COMPONENT_TLS) &&
           (!members_clustered(n->members) || listen_at(n, &l->mesh, SITE_MESH));
}

static void on_ended(struct timer *t)
{
    struct node *n = LIST_ENTRY(t, struct node, end_timer);

    n->o.ended(n->o.arg, n->error[0] ? n->error : NULL);
}

static void on_stopped(void *arg)
{
    struct node *n = arg;

    enter(n, NODE_STOPPED);
    members_shut(n->members);
    timer_start(&n->end_timer, STOP_END_MS);
}

static void on_workers_ready(void *arg)
{
    struct node *n = arg;

    if (n->state != NODE_STARTING)
        return;
    if (!listen_all(n)) {
        LOG(node_log(n), LOG_ERROR, "node.start_failed", LOG_TEXT("error", n->error));
        door_shut(n->door);
        workers_stop(n->workers, STOP_LEAST_MS, on_stopped, n);
        return;
    }
    close_given(n);
    connect_members(n);
    enter(n, NODE_SERVING);
    n->o.ready(n->o.arg);
}

/* --- draining --- */

static void *part_stop_reading(struct site *s, const void *arg)
{
    (void)arg;
    site_stop_reading(s);
    return NULL;
}

static void *part_bounce(struct site *s, const void *arg)
{
    (void)arg;
    site_bounce_all(s, BOUNCE_DRAIN);
    return NULL;
}

static void *part_cut(struct site *s, const void *arg)
{
    (void)arg;
    site_cut(s);
    return NULL;
}

static void *part_bounce_held(struct site *s, const void *arg)
{
    (void)arg;
    site_bounce_held(s, BOUNCE_DRAIN);
    return NULL;
}

static void on_phase_begun(void *arg, void **parts, unsigned count)
{
    (void)parts;
    (void)count;
    ((struct node *)arg)->phase_begun = true;
}

static void tell_workers(struct node *n, workers_part_fn *part)
{
    n->phase_begun = false;
    workers_gather(n->workers, part, NULL, 0, on_phase_begun, n);
}

static void begin_phase(struct node *n, enum drain_phase phase, workers_part_fn *part)
{
    n->phase = phase;
    n->phase_since_ms = loop_now_ms(n->o.loop);
    tell_workers(n, part);
}

static void on_bye(void *arg)
{
    struct node *n = arg;

    workers_stop(n->workers, n->close_ms, on_stopped, n);
}

/* The table and the other nodes hear of it first: from then on nothing is ours. */
static void begin_close(struct node *n, uint64_t most_ms)
{
    n->phase = DRAIN_CLOSE;
    n->close_ms = most_ms;
    timer_stop(&n->drain_timer);
    door_shut(n->door);
    if (members_clustered(n->members))
        members_leave(n->members, on_bye, n);
    else
        on_bye(n);
}

/* Nothing waits for anything any more. */
static bool is_empty(const struct node *n)
{
    return n->phase_begun && !workers_unsettled_count(n->workers, n->phase == DRAIN_FLUSH);
}

static void end_drain(struct node *n, uint64_t past_ms, uint64_t all_ms)
{
    begin_close(n, past_ms + STOP_LEAST_MS < all_ms ? all_ms - past_ms : STOP_LEAST_MS);
}

static uint64_t cut_ms(uint64_t all_ms)
{
    return all_ms / 10 > STOP_LEAST_MS ? all_ms / 10 : STOP_LEAST_MS;
}

static void drain_step(struct node *n, uint64_t past_ms, uint64_t all_ms)
{
    switch (n->phase) {
    case DRAIN_ACCEPT:
        if (past_ms * 10 < all_ms)
            return;
        door_shut(n->door);
        begin_phase(n, DRAIN_FLUSH, part_stop_reading);
        return;
    case DRAIN_FLUSH:
        if (past_ms * 4 >= all_ms * 3 || is_empty(n))
            begin_phase(n, DRAIN_BOUNCE, part_bounce);
        return;
    case DRAIN_BOUNCE:
        if (is_empty(n))
            end_drain(n, past_ms, all_ms);
        else if (past_ms * 10 >= all_ms * 9)
            begin_phase(n, DRAIN_CUT, part_cut);
        return;
    case DRAIN_CUT:
        if (is_empty(n) || loop_now_ms(n->o.loop) - n->phase_since_ms >= cut_ms(all_ms))
            end_drain(n, past_ms, all_ms);
        else if (n->phase_begun)
            tell_workers(n, part_bounce_held); /* what the cut links gave back */
        return;
    case DRAIN_CLOSE:
        return;
    }
}

static void on_drain(struct timer *t)
{
    struct node *n = LIST_ENTRY(t, struct node, drain_timer);

    drain_step(n, loop_now_ms(n->o.loop) - n->drain_since_ms, n->conf->node.drain_ms);
    if (n->phase != DRAIN_CLOSE)
        timer_start(&n->drain_timer, DRAIN_LOOK_MS);
}

void node_drain(struct node *n)
{
    if (n->state == NODE_DRAINING) {
        if (n->phase != DRAIN_CLOSE)
            begin_close(n, 0);
        return;
    }
    if (n->state == NODE_STOPPED)
        return;
    enter(n, NODE_DRAINING);
    members_drain(n->members, n->conf->node.drain_ms / 4);
    n->phase = DRAIN_ACCEPT;
    n->drain_since_ms = loop_now_ms(n->o.loop);
    timer_start(&n->drain_timer, 0);
}

/* --- configuration --- */

static void tell_digests(struct node *n)
{
    struct cluster_digests d;
    struct frame_hello hello = {.node = slice_none()};

    show_digests(n, &d, &hello);
    members_configure(n->members, &hello);
}

static void visit_configure(struct site *s, const void *arg)
{
    struct settings *settings = *(struct settings *const *)arg;

    site_configure(s, settings);
    settings_unref(settings); /* each worker's message carried a reference */
}

static void log_change(void *arg, const char *key, bool reloadable)
{
    struct node *n = arg;

    LOG(node_log(n), reloadable ? LOG_INFO : LOG_WARN, "config.changed", LOG_TEXT("key", key),
        LOG_TEXT("effect", reloadable ? "now" : "after a restart"));
}

static void apply_level(struct node *n)
{
    atomic_store_explicit(&n->o.sink->level, n->conf->log.level, memory_order_relaxed);
    atomic_store_explicit(&n->o.sink->format, n->conf->log.format, memory_order_relaxed);
}

enum err node_reload(struct node *n, struct conf *conf, char *error, size_t error_size)
{
    struct settings *fresh;
    enum err e = node_settings_make(conf, own_secret(n), error, error_size, &fresh);

    if (e)
        return e;
    fresh->node_name = arena_copy(&fresh->arena, n->settings->node_name);
    conf_diff(n->conf, conf, log_change, n);
    conf_keep_running(conf, n->conf);
    if (node_certificates_differ(n->settings, fresh))
        log_change(n, "tls.certificates", true); /* maybe in files of the same names */
    for (unsigned i = 0; i < workers_count(n->workers); i++)
        settings_ref(fresh);
    workers_each(n->workers, visit_configure, &fresh, sizeof(struct settings *));
    resolver_configure(desk_resolver(n->desk), &conf->dns);
    door_configure(n->door, conf->listen.proxy_protocol_from.list,
                   conf->listen.proxy_protocol_from.count,
                   conf->limits.connections_per_address_count);
    settings_unref(n->settings);
    n->settings = fresh;
    conf_unref(n->conf);
    n->conf = conf_ref(conf);
    apply_level(n);
    tell_digests(n);
    return OK;
}

/* --- life --- */

static void start_workers(struct node *n)
{
    struct workers_options w = {
        .steward = n->o.loop,
        .count = worker_count(n->conf),
        .desk = n->desk,
        .members = n->members,
        .route_seed = n->route_seed,
        .id_secret = n->id_secret,
        .settings = n->settings,
        .sink = n->o.sink,
        .memory = &n->memory,
    };

    n->workers = workers_start(&w, on_workers_ready, n);
}

enum err node_start(const struct node_options *o, char *error, size_t error_size,
                    struct node **ret_node)
{
    struct node *n = MEM_NEW(struct node);
    struct door_options d = {
        .steward = o->loop,
        .proxies = o->conf->listen.proxy_protocol_from.list,
        .proxy_count = o->conf->listen.proxy_protocol_from.count,
        .per_address_count = o->conf->limits.connections_per_address_count,
        .descriptor_count = o->descriptor_count,
        .hand_over = hand_over,
        .hand_over_node = hand_over_node,
        .arg = n,
    };
    enum err e;

    n->o = *o;
    n->given_fds = mem_array(o->given_fd_count, sizeof(*n->given_fds));
    if (o->given_fd_count)
        memcpy(n->given_fds, o->given_fds, o->given_fd_count * sizeof(*n->given_fds));
    random_fill(loop_random(o->loop), n->own_secret, sizeof(n->own_secret));
    e = node_settings_make(o->conf, own_secret(n), error, error_size, &n->settings);
    if (!e)
        e = cluster_redis_tls(o->conf, error, error_size, &n->redis_tls);
    if (e) {
        mem_free(n->given_fds);
        settings_unref(n->settings);
        mem_free(n);
        return e;
    }
    n->conf = conf_ref(o->conf);
    n->started_ms = loop_now_ms(o->loop);
    n->memory.limit_bytes = conf_memory_limit(o->conf);
    timer_init(&n->drain_timer, o->loop, on_drain);
    timer_init(&n->end_timer, o->loop, on_ended);
    apply_level(n);
    n->desk = desk_open(o->loop, &o->conf->dns, &node_desk_events, n);
    n->door = door_new(&d);
    random_fill(loop_random(o->loop), n->route_seed, sizeof(n->route_seed));
    cluster_id_secret(o->conf, own_secret(n), n->id_secret);
    open_members(n);
    start_workers(n);
    *ret_node = n;
    return OK;
}

void node_free(struct node *n)
{
    timer_stop(&n->drain_timer);
    timer_stop(&n->end_timer);
    workers_free(n->workers);
    members_close(n->members);
    tell_close(n->tell);
    tls_context_unref(n->redis_tls);
    door_free(n->door);
    desk_close(n->desk);
    settings_unref(n->settings);
    conf_unref(n->conf);
    mem_free(n->given_fds);
    explicit_bzero(n->own_secret, sizeof(n->own_secret));
    mem_free(n);
}

enum node_state node_state(const struct node *n)
{
    return n->state;
}

struct loop *node_loop(struct node *n)
{
    return n->o.loop;
}

struct log_sink *node_sink(struct node *n)
{
    return n->o.sink;
}

struct conf *node_conf(struct node *n)
{
    return n->conf;
}

struct workers *node_workers(struct node *n)
{
    return n->workers;
}

struct desk *node_desk(struct node *n)
{
    return n->desk;
}

struct members *node_members(struct node *n)
{
    return n->members;
}

struct tell *node_tell(struct node *n)
{
    return n->tell;
}

struct door *node_door(struct node *n)
{
    return n->door;
}

struct settings *node_settings(struct node *n)
{
    return n->settings;
}

struct mem_budget *node_memory(struct node *n)
{
    return &n->memory;
}

uint64_t node_started_ms(const struct node *n)
{
    return n->started_ms;
}
