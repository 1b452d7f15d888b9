#include "sim/inside.h"

#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>

#define WALL_2026_US 1767225600000000u

static struct world *current;

struct hole {
    struct list node;
    struct addr ip;
};

/* OpenSSL's chance, so that two runs have the same keys, nonces and record sizes. The old method
 * table is the only door that reaches every draw of the library. */
static struct random tls_rnd;

static int tls_bytes(unsigned char *buf, int n)
{
    random_fill(&tls_rnd, buf, (size_t)n);
    return 1;
}

static int tls_status(void)
{
    return 1;
}

static void seed_openssl(uint64_t seed)
{
    static const RAND_METHOD method = {
        .bytes = tls_bytes,
        .pseudorand = tls_bytes,
        .status = tls_status,
    };

    random_init_seeded(&tls_rnd, seed ^ 0x746c73);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
    RAND_set_rand_method(&method);
#pragma GCC diagnostic pop
}

struct world *world_new(uint64_t seed)
{
    struct world *w = MEM_NEW(struct world);

    assert(!current);
    w->seed = seed;
    random_init_seeded(&w->rnd, seed);
    seed_openssl(seed);
    event_heap_init(&w->heap);
    w->wall_base_us = WALL_2026_US;
    w->chop = true;
    w->trace = getenv("SIM_TRACE") != NULL;
    list_init(&w->hosts);
    list_init(&w->links);
    list_init(&w->packets);
    list_init(&w->blackholes);
    list_init(&w->syns);
    list_init(&w->owned);
    current = w;
    return w;
}

static void free_nodes(struct list *head, size_t offset)
{
    LIST_WALK(n, head)
    {
        list_remove(n);
        mem_free((char *)n - offset);
    }
}

static void free_host(struct host *h)
{
    port_vanish(h);
    tcp_vanish(h, true);
    udp_vanish(h);
    map_fini(&h->tcp_by_pair);
    mem_free(h->dropped_ports);
    mem_free(h->ips);
    mem_free(h->name);
    list_remove(&h->node);
    mem_free(h);
}

static void free_owned(struct world *w)
{
    while (!list_empty(&w->owned)) {
        struct owned *o = LIST_FIRST(&w->owned, struct owned, node);

        list_remove(&o->node);
        o->free(o);
    }
}

void world_own(struct world *w, struct owned *o, void (*free)(struct owned *o))
{
    o->free = free;
    list_push(&w->owned, &o->node);
}

void world_free(struct world *w)
{
    free_owned(w);
    loop_bury_all(w);
    LIST_WALK(n, &w->packets)
    packet_free(LIST_ENTRY(n, struct packet, node));
    LIST_WALK(n, &w->hosts)
    free_host(LIST_ENTRY(n, struct host, node));
    free_nodes(&w->links, offsetof(struct link, node));
    free_nodes(&w->blackholes, offsetof(struct hole, node));
    free_nodes(&w->syns, offsetof(struct syn_count, node));
    event_heap_fini(&w->heap);
    mem_free(w->fds);
    mem_free(w);
    current = NULL;
}

void world_on_let_go(struct world *w, void (*fn)(void *arg, const struct let_go *g), void *arg)
{
    w->let_go = fn;
    w->let_go_arg = arg;
}

struct world *world_current(void)
{
    return current;
}

uint64_t world_us(const struct world *w)
{
    return w->now_us;
}

uint64_t world_ms(const struct world *w)
{
    return w->now_us / 1000;
}

uint64_t world_steps(const struct world *w)
{
    return w->steps;
}

struct random *world_random(struct world *w)
{
    return &w->rnd;
}

void world_set_wall(struct world *w, uint64_t wall_us)
{
    w->wall_base_us = wall_us;
}

void world_set_buffers(struct world *w, size_t send_bytes, size_t receive_bytes)
{
    w->send_bytes = send_bytes;
    w->receive_bytes = receive_bytes;
}

void world_set_chopping(struct world *w, bool chop)
{
    w->chop = chop;
}

void world_watch_writes(struct world *w, world_wrote_fn *wrote, void *arg)
{
    w->wrote = wrote;
    w->wrote_arg = arg;
}

void trace(struct world *w, const char *format, ...)
{
    va_list args;

    if (!w->trace)
        return;
    fprintf(stderr, "%12.6f ", (double)w->now_us / 1e6);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
}

/* --- turning --- */

void world_at(struct world *w, struct event *ev, uint64_t at_us)
{
    event_set(&w->heap, ev, at_us < w->now_us ? w->now_us : at_us, &w->rnd);
}

void world_cancel(struct world *w, struct event *ev)
{
    event_cancel(&w->heap, ev);
}

void world_note(struct world *w, uint64_t what)
{
    w->digest = (w->digest ^ what) * 0x100000001b3u;
    w->digest ^= w->digest >> 29;
}

uint64_t world_digest(const struct world *w)
{
    return w->digest;
}

/* Not in the heap while it runs: it may set itself again. */
static void take_step(struct world *w, struct event *ev)
{
    event_cancel(&w->heap, ev);
    w->now_us = ev->at_us;
    w->steps++;
    world_note(w, ev->at_us);
    ev->run(ev);
}

bool world_step(struct world *w)
{
    struct event *ev = event_first(&w->heap);

    if (!ev)
        return false;
    take_step(w, ev);
    return true;
}

bool world_run_until(struct world *w, bool (*done)(void *arg), void *arg, uint64_t max_ms)
{
    uint64_t end_us = w->now_us + max_ms * 1000;

    while (!done(arg)) {
        struct event *ev = event_first(&w->heap);

        if (!ev || ev->at_us > end_us) {
            w->now_us = end_us;
            return done(arg);
        }
        take_step(w, ev);
    }
    return true;
}

static bool never(void *arg)
{
    return false;
}

void world_advance(struct world *w, uint64_t ms)
{
    world_run_until(w, never, NULL, ms);
}

/* --- hosts --- */

static size_t parse_ips(struct host *h, const char *ips)
{
    struct slice rest = slice_from(ips);

    while (rest.len) {
        size_t n = slice_find(rest, ' ');
        struct addr ip;

        assert(addr_parse_ip(slice_sub(rest, 0, n), 0, &ip) == OK);
        h->ips = mem_realloc(h->ips, (h->ip_count + 1) * sizeof(*h->ips));
        h->ips[h->ip_count++] = ip;
        rest = slice_trim(slice_from_offset(rest, n));
    }
    return h->ip_count;
}

static struct host *find_host(struct world *w, const char *name)
{
    LIST_WALK(n, &w->hosts)
    {
        struct host *h = LIST_ENTRY(n, struct host, node);

        if (strcmp(h->name, name) == 0)
            return h;
    }
    return NULL;
}

static struct host *make_host(struct world *w, const char *name)
{
    static const uint64_t fixed[2] = {1, 2};
    struct host *h = MEM_NEW(struct host);

    h->world = w;
    h->name = mem_strdup(name);
    h->mono_base_us = 1000000 + random_below(&w->rnd, 86400000000u);
    h->boot_base_us = h->mono_base_us + random_below(&w->rnd, 86400000000u);
    list_init(&h->loops);
    list_init(&h->tcps);
    list_init(&h->ports);
    list_init(&h->udps);
    map_init(&h->tcp_by_pair, fixed);
    list_push(&w->hosts, &h->node);
    return h;
}

struct host *world_host(struct world *w, const char *name, const char *ips)
{
    struct host *h = find_host(w, name);

    if (!h)
        h = make_host(w, name);
    if (ips && !h->ip_count)
        parse_ips(h, ips);
    if (!w->used)
        w->used = h;
    return h;
}

void world_use_host(struct world *w, struct host *h)
{
    w->used = h;
}

const char *host_name(const struct host *h)
{
    return h->name;
}

bool host_has_ip(const struct host *h, const struct addr *ip)
{
    if (addr_is_loopback(ip))
        return true;
    for (size_t i = 0; i < h->ip_count; i++)
        if (addr_same_ip(&h->ips[i], ip))
            return true;
    return false;
}

struct host *world_host_of(struct world *w, const struct addr *ip)
{
    if (addr_is_loopback(ip))
        return NULL; /* every host has that one */
    LIST_WALK(n, &w->hosts)
    {
        struct host *h = LIST_ENTRY(n, struct host, node);

        if (host_has_ip(h, ip))
            return h;
    }
    return NULL;
}

void world_blackhole(struct world *w, const char *ip)
{
    struct hole *hole = MEM_NEW(struct hole);

    assert(addr_parse_ip(slice_from(ip), 0, &hole->ip) == OK);
    list_push(&w->blackholes, &hole->node);
}

bool world_is_blackhole(struct world *w, const struct addr *ip)
{
    LIST_WALK(n, &w->blackholes)
    if (addr_same_ip(&LIST_ENTRY(n, struct hole, node)->ip, ip))
        return true;
    return false;
}

bool host_runs(const struct host *h)
{
    return !h->down && !h->suspended;
}

uint64_t host_mono_us(const struct host *h)
{
    uint64_t now = h->suspended ? h->asleep_since : h->world->now_us;

    return h->mono_base_us + now - h->asleep_us;
}

uint64_t host_boot_us(const struct host *h)
{
    return h->boot_base_us + h->world->now_us;
}

uint64_t host_wall_us(const struct host *h)
{
    return h->world->wall_base_us + h->world->now_us + (uint64_t)h->wall_shift_us;
}

void host_shift_wall(struct host *h, int64_t us)
{
    h->wall_shift_us += us;
}

void host_kill(struct host *h)
{
    trace(h->world, "%s killed", h->name);
    loop_host_dead(h);
    tcp_owner_dead(h);
    port_owner_dead(h);
    udp_owner_dead(h);
    h->paused = false;
}

void host_power_off(struct host *h)
{
    trace(h->world, "%s off", h->name);
    h->down = true;
    loop_host_dead(h);
    tcp_vanish(h, false);
    port_owner_dead(h);
    udp_owner_dead(h);
}

void host_power_on(struct host *h)
{
    h->down = false;
    h->paused = false;
}

void host_pause(struct host *h, bool paused)
{
    h->paused = paused;
    loop_host_clock(h);
}

void host_suspend(struct host *h, bool suspended)
{
    if (h->suspended == suspended)
        return;
    if (suspended)
        h->asleep_since = h->world->now_us;
    else
        h->asleep_us += h->world->now_us - h->asleep_since;
    h->suspended = suspended;
    loop_host_clock(h);
}

void host_drop_port(struct host *h, uint16_t port, bool drop)
{
    for (size_t i = 0; i < h->dropped_count; i++)
        if (h->dropped_ports[i] == port)
            h->dropped_ports[i--] = h->dropped_ports[--h->dropped_count];
    if (!drop)
        return;
    h->dropped_ports =
        mem_realloc(h->dropped_ports, (h->dropped_count + 1) * sizeof(*h->dropped_ports));
    h->dropped_ports[h->dropped_count++] = port;
}

void host_limit_descriptors(struct host *h, unsigned most)
{
    h->fd_limit = most;
}

unsigned host_descriptors(const struct host *h)
{
    return h->fd_count;
}

bool host_has_descriptor(const struct host *h)
{
    return !h->fd_limit || h->fd_count < h->fd_limit;
}
