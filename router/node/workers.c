#include "node/workers.h"

#include "link/pair.h"
#include "link/view.h"
#include "loop/hop.h"
#include "loop/thread.h"

/* How often a worker says that it lives, and how many links it has. */
#define HEARTBEAT_MS 1000
#define STOP_LOOK_MS 50
/* Links that did not close in time are reset; their last events take this long at most. */
#define STOP_ABORT_MS 3000

struct worker {
    struct workers *all;
    unsigned index;
    struct thread *thread;
    struct loop *loop;
    struct counters counters;
    struct site site;
    struct hop *hop;
    struct timer heart;
    _Atomic uint64_t beat_ms;     /* loop clock of the last beat */
    _Atomic uint64_t links_count; /* as of the last beat */
    uint64_t seen_beat_ms;        /* steward: the last beat it took notice of */
    uint64_t given_count;         /* steward: descriptors handed over since */
    struct timer stop_look;
    uint64_t stop_at_ms;
    _Atomic bool settled; /* when it looked last */
    bool said_goodbye;
};

struct workers {
    struct workers_options o;
    unsigned count;
    struct worker *list;
    struct hop *home; /* messages to the steward */
    _Atomic uint64_t next_id;
    void (*stopped)(void *arg);
    void *stopped_arg;
    unsigned running_count;
    bool all_quiet; /* so far; then nobody writes to anybody */
};

/* --- messages to workers --- */

struct visit {
    struct hop_msg msg;
    void (*fn)(struct site *s, const void *arg);
    _Alignas(16) char arg[];
};

static void deliver_visit(struct hop_msg *m, void *arg)
{
    struct visit *v = LIST_ENTRY(m, struct visit, msg);
    struct worker *w = arg;

    v->fn(&w->site, v->arg);
    mem_free(v);
}

void workers_one(struct workers *w, unsigned i, void (*fn)(struct site *s, const void *arg),
                 const void *arg, size_t arg_size)
{
    struct visit *v = mem_alloc(sizeof(*v) + arg_size);

    v->msg.deliver = deliver_visit;
    v->fn = fn;
    if (arg_size)
        memcpy(v->arg, arg, arg_size);
    hop_post(w->list[i].hop, &v->msg);
}

void workers_each(struct workers *w, void (*fn)(struct site *s, const void *arg), const void *arg,
                  size_t arg_size)
{
    for (unsigned i = 0; i < w->count; i++)
        workers_one(w, i, fn, arg, arg_size);
}

/* --- accepting --- */

struct arrival {
    int fd;
    struct addr peer;
    enum site_port port;
};

static void visit_accept(struct site *s, const void *arg)
{
    const struct arrival *a = arg;

    site_accept(s, a->fd, &a->peer, a->port);
}

/* What it was given before its last beat is in links_count by now. */
static void forget_given(struct worker *one)
{
    uint64_t beat = atomic_load_explicit(&one->beat_ms, memory_order_relaxed);

    if (beat != one->seen_beat_ms)
        one->given_count = 0;
    one->seen_beat_ms = beat;
}

static struct worker *least_loaded(struct workers *w)
{
    struct worker *best = NULL;
    uint64_t best_load = 0;

    for (unsigned i = 0; i < w->count; i++) {
        struct worker *one = &w->list[i];
        uint64_t load;

        forget_given(one);
        load = atomic_load_explicit(&one->links_count, memory_order_relaxed) + one->given_count;
        if (!best || load < best_load) {
            best = one;
            best_load = load;
        }
    }
    return best;
}

void workers_accept(struct workers *w, int fd, const struct addr *peer, enum site_port port)
{
    struct worker *one = least_loaded(w);
    struct arrival a = {fd, *peer, port};

    one->given_count++;
    workers_one(w, one->index, visit_accept, &a, sizeof(a));
}

/* --- gathering --- */

struct gather {
    struct workers *all;
    workers_part_fn *part;
    workers_parts_fn *done;
    void *done_arg;
    unsigned missing_count; /* steward's */
    void **parts;
    void *arg;
};

struct part {
    struct hop_msg msg;
    struct gather *gather;
    unsigned index;
    void *part;
};

static void deliver_part(struct hop_msg *m, void *arg)
{
    struct part *p = LIST_ENTRY(m, struct part, msg);
    struct gather *g = p->gather;

    (void)arg;
    g->parts[p->index] = p->part;
    mem_free(p);
    if (--g->missing_count)
        return;
    g->done(g->done_arg, g->parts, g->all->count);
    mem_free(g->parts);
    mem_free(g->arg);
    mem_free(g);
}

static void deliver_question(struct hop_msg *m, void *arg)
{
    struct part *p = LIST_ENTRY(m, struct part, msg);
    struct worker *w = arg;

    p->part = p->gather->part(&w->site, p->gather->arg);
    p->msg.deliver = deliver_part;
    hop_post(w->all->home, &p->msg);
}

void workers_gather(struct workers *w, workers_part_fn *part, const void *arg, size_t arg_size,
                    workers_parts_fn *done, void *done_arg)
{
    struct gather *g = MEM_NEW(struct gather);

    g->all = w;
    g->part = part;
    g->done = done;
    g->done_arg = done_arg;
    g->missing_count = w->count;
    g->parts = mem_array(w->count, sizeof(*g->parts));
    g->arg = mem_alloc(arg_size);
    if (arg_size)
        memcpy(g->arg, arg, arg_size);
    for (unsigned i = 0; i < w->count; i++) {
        struct part *p = MEM_NEW(struct part);

        p->gather = g;
        p->index = i;
        p->msg.deliver = deliver_question;
        hop_post(w->list[i].hop, &p->msg);
    }
}

/* --- life signs --- */

static void on_heart(struct timer *t)
{
    struct worker *w = LIST_ENTRY(t, struct worker, heart);

    atomic_store_explicit(&w->beat_ms, loop_now_ms(w->loop), memory_order_relaxed);
    atomic_store_explicit(&w->links_count, w->site.link_count, memory_order_relaxed);
    timer_start(&w->heart, HEARTBEAT_MS);
}

uint64_t workers_silent_ms(const struct workers *w)
{
    uint64_t now = loop_now_us(w->o.steward) / 1000;
    uint64_t worst = 0;

    for (unsigned i = 0; i < w->count; i++) {
        uint64_t beat = atomic_load_explicit(&w->list[i].beat_ms, memory_order_relaxed);

        if (now > beat && now - beat > worst)
            worst = now - beat;
    }
    return worst;
}

uint64_t workers_held_count(const struct workers *w)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < w->count; i++)
        sum += atomic_load_explicit(&w->list[i].site.router.held_count, memory_order_relaxed);
    return sum;
}

uint64_t workers_unsettled_count(const struct workers *w, bool inbound)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < w->count; i++)
        sum += site_unsettled(&w->list[i].site, inbound);
    return sum;
}

/* --- starting --- */

static void on_stop_look(struct timer *t);

static void worker_init(struct loop *l, void *arg)
{
    struct worker *w = arg;
    struct site_options o = {
        .loop = l,
        .worker = w->index,
        .worker_count = w->all->count,
        .desk = w->all->o.desk,
        .members = w->all->o.members,
        .settings = w->all->o.settings,
        .route_seed = w->all->o.route_seed,
        .id_secret = w->all->o.id_secret,
        .next_id = &w->all->next_id,
        .memory = w->all->o.memory,
    };

    w->loop = l;
    w->hop = hop_open(l, w);
    site_init(&w->site, &o);
    timer_init(&w->heart, l, on_heart);
    timer_init(&w->stop_look, l, on_stop_look);
    on_heart(&w->heart);
}

static bool worker_fini(struct loop *l, void *arg)
{
    struct worker *w = arg;

    (void)l;
    timer_stop(&w->heart);
    timer_stop(&w->stop_look);
    hop_close(w->hop);
    /* Some worker had to be left in the middle of things: it may still write to the others, so
     * nothing of theirs is freed; the process ends anyway. */
    if (!w->all->all_quiet)
        return false;
    pairs_shutdown(&w->site); /* what the others' last messages left */
    if (!site_quiet(&w->site))
        return false;
    site_fini(&w->site);
    return true;
}

static void *part_connect(struct site *s, const void *arg)
{
    struct hop *const *hops = arg;

    site_connect(s, hops);
    return NULL;
}

struct start {
    void (*ready)(void *arg);
    void *arg;
};

static void on_connected(void *done_arg, void **parts, unsigned count)
{
    struct start *s = done_arg;

    (void)parts;
    (void)count;
    s->ready(s->arg);
    mem_free(s);
}

struct workers *workers_start(const struct workers_options *o, void (*ready)(void *arg), void *arg)
{
    struct workers *w = MEM_NEW(struct workers);
    struct hop **hops = mem_array(o->count, sizeof(*hops));
    struct start *start = MEM_NEW(struct start);

    w->o = *o;
    w->count = w->running_count = o->count;
    w->list = mem_array(o->count, sizeof(*w->list));
    w->home = hop_open(o->steward, w);
    w->all_quiet = true;
    atomic_init(&w->next_id, 1);
    for (unsigned i = 0; i < o->count; i++) {
        char name[16] = "worker-";

        name[7] = (char)('0' + i / 10 % 10);
        name[8] = (char)('0' + i % 10);
        w->list[i].all = w;
        w->list[i].index = i;
        w->list[i].thread = thread_start(name, &w->list[i].counters, o->sink, worker_init,
                                         worker_fini, &w->list[i]);
        hops[i] = site_lane_hop(&w->list[i].site);
    }
    start->ready = ready;
    start->arg = arg;
    workers_gather(w, part_connect, hops, o->count * sizeof(*hops), on_connected, start);
    mem_free(hops);
    return w;
}

unsigned workers_count(const struct workers *w)
{
    return w->count;
}

struct counters *workers_counters(struct workers *w, unsigned i)
{
    return &w->list[i].counters;
}

struct hop *workers_view(struct workers *w, unsigned i)
{
    return view_hop(w->list[i].site.view);
}

/* --- stopping: all sites fall quiet together (lanes need both their ends), then all loops end ---
 */

struct goodbye {
    struct hop_msg msg;
    bool quiet;
};

static void deliver_goodbye(struct hop_msg *m, void *arg)
{
    struct goodbye *g = LIST_ENTRY(m, struct goodbye, msg);
    struct workers *w = arg;

    w->all_quiet &= g->quiet;
    mem_free(g);
    if (--w->running_count == 0)
        w->stopped(w->stopped_arg);
}

static void say_goodbye(struct worker *w, bool quiet)
{
    struct goodbye *g = MEM_NEW(struct goodbye);

    if (!quiet)
        LOG(site_log(&w->site), LOG_ERROR, "worker.left", LOG_INT("worker", w->index),
            LOG_INT("links", w->site.link_count), LOG_INT("pairs", map_count(&w->site.pairs)),
            LOG_INT("held", site_unsettled(&w->site, false)));
    w->said_goodbye = true;
    g->quiet = quiet;
    g->msg.deliver = deliver_goodbye;
    hop_post(w->all->home, &g->msg);
}

static bool all_settled(struct workers *w)
{
    for (unsigned i = 0; i < w->count; i++)
        if (!atomic_load_explicit(&w->list[i].settled, memory_order_relaxed))
            return false;
    return true;
}

/* Until the loop ends: another worker's last stanzas may still come by. */
static void on_stop_look(struct timer *t)
{
    struct worker *w = LIST_ENTRY(t, struct worker, stop_look);
    bool quiet = site_quiet(&w->site);
    uint64_t now = loop_now_ms(w->loop);

    atomic_store_explicit(&w->settled, site_settled(&w->site), memory_order_relaxed);
    if (!quiet && now < w->stop_at_ms)
        site_shutdown(&w->site);
    else if (!quiet)
        site_abort(&w->site);
    if (all_settled(w->all))
        site_shut_mesh(&w->site);
    if (!w->said_goodbye && (quiet || now >= w->stop_at_ms + STOP_ABORT_MS))
        say_goodbye(w, quiet);
    timer_start(&w->stop_look, STOP_LOOK_MS);
}

static void visit_stop(struct site *s, const void *arg)
{
    struct worker *w = LIST_ENTRY(s, struct worker, site);
    uint64_t most_ms;

    memcpy(&most_ms, arg, sizeof(most_ms));
    w->stop_at_ms = loop_now_ms(w->loop) + most_ms;
    timer_start(&w->stop_look, 0);
}

void workers_stop(struct workers *w, uint64_t most_ms, void (*done)(void *arg), void *arg)
{
    w->stopped = done;
    w->stopped_arg = arg;
    workers_each(w, visit_stop, &most_ms, sizeof(most_ms));
}

static void visit_end(struct site *s, const void *arg)
{
    (void)arg;
    loop_stop(s->loop);
}

void workers_free(struct workers *w)
{
    workers_each(w, visit_end, NULL, 0);
    for (unsigned i = 0; i < w->count; i++)
        thread_join(w->list[i].thread);
    hop_close(w->home);
    mem_free(w->list);
    mem_free(w);
}
