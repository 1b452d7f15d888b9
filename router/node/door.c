#include "node/door.h"

#include "base/tally.h"
#include "loop/listener.h"
#include "loop/sock.h"
#include "wire/frame.h"
#include "wire/proxyproto.h"

struct doorway {
    struct list node;
    struct door *door;
    struct listener *listener;
    enum site_port port;
};

enum intro { INTRO_PROXY, INTRO_NAME, INTROS };

/* A connection that has to say something before it is let in. */
struct guest {
    struct list node;
    struct door *door;
    struct sock *sock;
    struct addr peer;
    enum site_port port;
    enum intro intro;
    struct timer deadline;
    struct proxy_header proxy; /* INTRO_PROXY, when it is there */
    struct slice name;         /* INTRO_NAME: in `bytes` */
    size_t want;
    size_t have;
    char bytes[PROXY_V2_BYTES_MAX]; /* the longer of the two */
};

struct door {
    struct door_options o;
    struct addr_net *proxies;
    struct list doorways;
    struct tally visitors; /* unauthenticated connections */
    struct list guests;
    size_t guest_counts[INTROS];
    struct log_limit refused_log;
    struct timer refused_rest;
};

/* --- counting by address --- */

static bool enters(struct door *d, const struct addr *peer)
{
    return tally_take(&d->visitors, peer, d->o.per_address_count);
}

void door_settle(struct door *d, const struct addr *peer)
{
    tally_give(&d->visitors, peer);
}

size_t door_crowds(const struct door *d, struct tally_row *rows, size_t room)
{
    return tally_crowds(&d->visitors, d->o.per_address_count / 8, rows, room);
}

void door_hear(struct door *d, struct slice node, const struct tally_row *rows, size_t count)
{
    tally_hear(&d->visitors, node, rows, count);
}

/* --- refusing --- */

static void on_refused_rest(struct timer *t)
{
    struct door *d = LIST_ENTRY(t, struct door, refused_rest);
    uint64_t n;

    if (log_limit_rest(&d->refused_log, loop_now_ms(d->o.steward), &n))
        LOG(loop_log(d->o.steward), LOG_WARN, "log.suppressed",
            LOG_TEXT("of", "connection.refused"), LOG_INT("lines", n));
    else if (log_limit_owes(&d->refused_log))
        timer_start(t, LOG_LIMIT_QUIET_MS);
}

static void swallow(struct door *d)
{
    counter_add(loop_counters(d->o.steward), COUNTER_LOG_SUPPRESSED, 1);
    if (!timer_running(&d->refused_rest))
        timer_start(&d->refused_rest, LOG_LIMIT_QUIET_MS);
}

static void refuse(struct door *d, int fd, const struct addr *peer, enum counter_cell why,
                   const char *reason)
{
    char text[ADDR_TEXT_MAX];
    uint64_t swallowed;

    counter_add(loop_counters(d->o.steward), why, 1);
    if (fd >= 0)
        listener_drop(fd, true);
    if (log_limit_pass(&d->refused_log, loop_now_ms(d->o.steward), &swallowed))
        LOG(loop_log(d->o.steward), LOG_WARN, "connection.refused",
            LOG_TEXT("peer", addr_format_ip(peer, text)), LOG_TEXT("reason", reason),
            LOG_INT("suppressed", swallowed));
    else
        swallow(d);
}

/* The kernel gives the lowest free number: so many are in use at least. */
static bool is_reserved(const struct door *d, int fd)
{
    uint64_t most = d->o.descriptor_count;
    uint64_t reserve = most / 8 < DOOR_RESERVE_COUNT ? most / 8 : DOOR_RESERVE_COUNT;

    return most && (uint64_t)fd >= most - reserve;
}

static void let_in(struct door *d, int fd, const struct addr *peer, enum site_port port)
{
    if (!enters(d, peer)) {
        refuse(d, fd, peer, COUNTER_REFUSED_ADDRESS,
               "limits.connections_per_address: too many unauthenticated connections");
        return;
    }
    counter_add(loop_counters(d->o.steward), COUNTER_ACCEPTED, 1);
    d->o.hand_over(d->o.arg, fd, peer, port);
}

/* --- who has to say something first --- */

static void guest_free(struct guest *g)
{
    timer_stop(&g->deadline);
    list_remove(&g->node);
    g->door->guest_counts[g->intro]--;
    mem_free(g);
}

/* Never more than the header surely has: what follows is the next reader's. The shortest header
 * is 15 bytes; version 2 tells its length in the first 16; version 1 ends with its line. */
static size_t header_room(const struct guest *g)
{
    size_t want;

    if (g->have < 15)
        return 15 - g->have;
    if (g->bytes[0] == 'P')
        return 1;
    if (g->have < 16)
        return 16 - g->have;
    want = 16 + (((size_t)(unsigned char)g->bytes[14] << 8) | (unsigned char)g->bytes[15]);
    return want - g->have;
}

static enum err parse_proxy(struct guest *g)
{
    g->want = header_room(g);
    return proxy_parse(slice_make(g->bytes, g->have), &g->proxy);
}

static void enter_by_proxy(struct guest *g)
{
    let_in(g->door, sock_release(g->sock), g->proxy.known ? &g->proxy.peer : &g->peer, g->port);
}

static enum err parse_name(struct guest *g)
{
    size_t all = 0;
    enum err e = frame_preface_parse(slice_make(g->bytes, g->have), &g->name, &all);

    g->want = all - g->have;
    return e;
}

static void enter_by_name(struct guest *g)
{
    const struct door_options *o = &g->door->o;

    counter_add(loop_counters(o->steward), COUNTER_ACCEPTED, 1);
    o->hand_over_node(o->arg, sock_release(g->sock), &g->peer, g->name);
}

/* What is read of a connection before anybody gets it. */
static const struct {
    size_t most; /* of them at once */
    enum counter_cell counter;
    /* OK; ERR_AGAIN: g->want more; else it is wrong. */
    enum err (*parse)(struct guest *g);
    void (*enter)(struct guest *g); /* takes the socket */
    const char *too_many, *ended, *wrong, *late;
} intros[] = {
    [INTRO_PROXY] = {DOOR_PROXIED_MAX, COUNTER_REFUSED_PROXY, parse_proxy, enter_by_proxy,
                     "too many PROXY headers awaited", "ended before its PROXY header",
                     "no valid PROXY header, though listen.proxy_protocol_from has it",
                     "no PROXY header in time"},
    [INTRO_NAME] = {DOOR_NODES_MAX, COUNTER_REFUSED_MESH, parse_name, enter_by_name,
                    "too many at once that did not say yet which node they are",
                    "ended before it said which node it is", "does not speak as a node does",
                    "did not say in time which node it is"},
};

static void guest_fail(struct guest *g, const char *reason)
{
    sock_close(g->sock, true);
    refuse(g->door, -1, &g->peer, intros[g->intro].counter, reason);
    guest_free(g);
}

static void on_readable(void *arg)
{
    struct guest *g = arg;
    size_t n;
    enum err e;

    while ((e = intros[g->intro].parse(g)) == ERR_AGAIN) {
        assert(g->want && g->want <= sizeof(g->bytes) - g->have);
        e = sock_read(g->sock, g->bytes + g->have, g->want, &n);
        if (e == ERR_AGAIN)
            return;
        if (e) {
            guest_fail(g, intros[g->intro].ended);
            return;
        }
        g->have += n;
    }
    if (e) {
        guest_fail(g, intros[g->intro].wrong);
        return;
    }
    intros[g->intro].enter(g);
    guest_free(g);
}

static void on_deadline(struct timer *t)
{
    struct guest *g = LIST_ENTRY(t, struct guest, deadline);

    guest_fail(g, intros[g->intro].late);
}

static const struct sock_handler guest_handler = {.readable = on_readable};

static void hear(struct doorway *w, int fd, const struct addr *peer, enum intro intro)
{
    struct door *d = w->door;
    struct guest *g;

    if (d->guest_counts[intro] >= intros[intro].most) {
        refuse(d, fd, peer, intros[intro].counter, intros[intro].too_many);
        return;
    }
    g = MEM_NEW(struct guest);
    g->door = d;
    g->peer = *peer;
    g->port = w->port;
    g->intro = intro;
    if (sock_adopt(d->o.steward, fd, &guest_handler, g, &g->sock)) {
        mem_free(g);
        return;
    }
    timer_init(&g->deadline, d->o.steward, on_deadline);
    timer_start(&g->deadline, DOOR_INTRO_MS);
    list_push(&d->guests, &g->node);
    d->guest_counts[intro]++;
    sock_want(g->sock, true, false);
}

static bool from_proxy(const struct door *d, const struct addr *peer)
{
    for (size_t i = 0; i < d->o.proxy_count; i++)
        if (addr_net_has(&d->proxies[i], peer))
            return true;
    return false;
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    struct doorway *w = arg;

    if (w->port == SITE_MESH) {
        hear(w, fd, peer, INTRO_NAME);
        return;
    }
    if (is_reserved(w->door, fd)) {
        refuse(w->door, fd, peer, COUNTER_REFUSED_DESCRIPTORS,
               "too few descriptors are left; raise the limit of open files");
        return;
    }
    if (from_proxy(w->door, peer))
        hear(w, fd, peer, INTRO_PROXY);
    else
        let_in(w->door, fd, peer, w->port);
}

/* --- life --- */

void door_configure(struct door *d, const struct addr_net *proxies, size_t proxy_count,
                    size_t per_address_count)
{
    mem_free(d->proxies);
    d->proxies = mem_array(proxy_count, sizeof(*proxies));
    if (proxy_count)
        memcpy(d->proxies, proxies, proxy_count * sizeof(*proxies));
    d->o.proxy_count = proxy_count;
    d->o.per_address_count = per_address_count;
}

struct door *door_new(const struct door_options *o)
{
    struct door *d = MEM_NEW(struct door);
    uint64_t seed[2];

    d->o = *o;
    door_configure(d, o->proxies, o->proxy_count, o->per_address_count);
    list_init(&d->doorways);
    list_init(&d->guests);
    random_fill(loop_random(o->steward), seed, sizeof(seed));
    tally_init(&d->visitors, seed);
    log_limit_init(&d->refused_log, 10, 1, loop_now_ms(o->steward));
    timer_init(&d->refused_rest, o->steward, on_refused_rest);
    return d;
}

enum err door_listen(struct door *d, const struct addr *at, int fd, enum site_port port)
{
    struct doorway *w = MEM_NEW(struct doorway);
    enum err e = listener_open(d->o.steward, at, fd, on_accept, w, &w->listener);

    if (e) {
        mem_free(w);
        return e;
    }
    w->door = d;
    w->port = port;
    list_push(&d->doorways, &w->node);
    return OK;
}

size_t door_listener_count(const struct door *d)
{
    size_t n = 0;

    for (const struct list *l = d->doorways.next; l != &d->doorways; l = l->next)
        n++;
    return n;
}

enum site_port door_listener(const struct door *d, size_t i, struct addr *ret_at)
{
    const struct list *l = d->doorways.next;
    const struct doorway *w;

    while (i--)
        l = l->next;
    w = LIST_ENTRY(l, const struct doorway, node);
    listener_addr(w->listener, ret_at);
    return w->port;
}

static void shut(struct door *d, bool mesh)
{
    LIST_WALK(node, &d->doorways)
    {
        struct doorway *w = LIST_ENTRY(node, struct doorway, node);

        if (w->port == SITE_MESH && !mesh)
            continue;
        list_remove(node);
        listener_close(w->listener);
        mem_free(w);
    }
    LIST_WALK(node, &d->guests)
    {
        struct guest *g = LIST_ENTRY(node, struct guest, node);

        if (g->port == SITE_MESH && !mesh)
            continue;
        sock_close(g->sock, true);
        guest_free(g);
    }
}

void door_shut(struct door *d)
{
    shut(d, false);
}

void door_free(struct door *d)
{
    shut(d, true);
    timer_stop(&d->refused_rest);
    tally_fini(&d->visitors);
    mem_free(d->proxies);
    mem_free(d);
}
