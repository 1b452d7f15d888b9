#include "link/tell.h"

#include "base/mem.h"
#include "loop/timer.h"

/* A node that there is a connection to, or was a moment ago. */
struct neighbour {
    struct list node;
    struct tell *tell;
    char name[FRAME_NAME_MAX + 1];
    uint64_t process;
    uint64_t heard; /* the last change of ours that it knows */
    bool up;
    bool hears_backoffs; /* its version has them */
    uint64_t told;       /* of our back-offs, up to this word */
    bool overfull;       /* it has more components than are known here: said once */
    struct timer cut;
};

struct tell {
    struct loop *loop;
    struct instances *instances;
    uint64_t process;
    const struct tell_events *events;
    void *arg;
    struct members *members;
    struct list neighbours;
    struct timer crowds;
    bool told_crowds; /* the last word named some */
    struct outages outages;
    struct timer backoffs;
    uint64_t backoffs_ms; /* when they were told last; 0: never */
};

static struct slice name_of(const struct neighbour *n)
{
    return slice_from(n->name);
}

static struct neighbour *find(const struct tell *t, struct slice node)
{
    LIST_WALK(n, &t->neighbours)
    if (slice_eq(node, name_of(LIST_ENTRY(n, struct neighbour, node))))
        return LIST_ENTRY(n, struct neighbour, node);
    return NULL;
}

static void forget(struct neighbour *n)
{
    struct tell *t = n->tell;

    timer_stop(&n->cut);
    list_remove(&n->node);
    members_cut_off(t->members, name_of(n));
    t->events->heard_crowds(t->arg, name_of(n), NULL, 0);
    t->events->heard_backoffs(t->arg, name_of(n), NULL);
    instances_forget(t->instances, name_of(n));
    mem_free(n);
}

static void on_cut(struct timer *timer)
{
    struct neighbour *n = LIST_ENTRY(timer, struct neighbour, cut);

    LOG(loop_log(n->tell->loop), LOG_WARN, "mesh.cut_off", LOG_TEXT("node", n->name),
        LOG_INT("ms", TELL_CUT_MS),
        LOG_TEXT("effect", "its components get no stanzas from here until it is back"));
    forget(n);
}

static struct neighbour *get(struct tell *t, struct slice node)
{
    struct neighbour *n = find(t, node);

    if (n)
        return n;
    n = MEM_NEW(struct neighbour);
    n->tell = t;
    slice_to_cstr(node, n->name, sizeof(n->name));
    timer_init(&n->cut, t->loop, on_cut);
    list_push(&t->neighbours, &n->node);
    return n;
}

/* --- telling --- */

static void send_part(void *arg, const struct frame_components *part)
{
    struct neighbour *n = arg;
    struct frame f = {.type = FRAME_COMPONENTS, .components = *part};

    members_send(n->tell->members, name_of(n), &f);
}

static void tell_change(void *arg, const struct frame_components *change)
{
    struct tell *t = arg;

    LIST_WALK(node, &t->neighbours)
    if (LIST_ENTRY(node, struct neighbour, node)->up)
        send_part(LIST_ENTRY(node, struct neighbour, node), change);
}

static bool awaits(void *arg, uint64_t number)
{
    struct tell *t = arg;

    LIST_WALK(node, &t->neighbours)
    {
        const struct neighbour *n = LIST_ENTRY(node, struct neighbour, node);

        if (n->up && n->heard < number)
            return true;
    }
    return false;
}

static const struct instances_company company = {tell_change, awaits};

static void send_crowds(struct tell *t, const struct tally_row *rows, size_t count)
{
    struct frame_address addresses[TELL_CROWDS_MAX];
    char ips[TELL_CROWDS_MAX][16] = {{0}};
    struct frame f = {.type = FRAME_ADDRESSES, .addresses = {addresses, count}};

    for (size_t i = 0; i < count; i++) {
        memcpy(ips[i], rows[i].key, rows[i].key_len);
        addresses[i].ip = slice_make(ips[i], rows[i].key_len == 4 ? 4 : 16);
        addresses[i].count = (uint32_t)rows[i].n;
    }
    LIST_WALK(node, &t->neighbours)
    if (LIST_ENTRY(node, struct neighbour, node)->up)
        members_send(t->members, name_of(LIST_ENTRY(node, struct neighbour, node)), &f);
}

static void on_crowds(struct timer *timer)
{
    struct tell *t = LIST_ENTRY(timer, struct tell, crowds);
    struct tally_row rows[TELL_CROWDS_MAX];
    size_t count;

    if (list_empty(&t->neighbours))
        return;
    timer_start(&t->crowds, TELL_CROWDS_MS);
    outages_tick(&t->outages, loop_now_ms(t->loop));
    count = t->events->crowds(t->arg, rows, TELL_CROWDS_MAX);
    if (count || t->told_crowds)
        send_crowds(t, rows, count);
    t->told_crowds = count > 0;
}

/* --- telling of back-offs --- */

static struct frame_backoff row_of(const struct outage *w)
{
    if (w->ended)
        return (struct frame_backoff){.remote = w->remote};
    return (struct frame_backoff){
        .local = w->local,
        .remote = w->remote,
        .of_domain = w->of_domain,
        .left_ms = w->left_ms < UINT32_MAX ? (uint32_t)w->left_ms : UINT32_MAX,
        .failures_count = w->failures_count,
        .why = slice_from(bounce_word(w->why)),
        .detail = slice_sub(w->detail, 0, FRAME_TEXT_MAX),
    };
}

static bool is_behind(const struct neighbour *n)
{
    return n->up && n->hears_backoffs && outages_has_since(&n->tell->outages, n->told);
}

static void send_backoffs(struct neighbour *n)
{
    struct tell *t = n->tell;
    struct outage *words = mem_array(TELL_BACKOFFS_MAX, sizeof(*words));
    struct frame_backoff *rows = mem_array(TELL_BACKOFFS_MAX, sizeof(*rows));
    size_t count = outages_since(&t->outages, &n->told, loop_now_ms(t->loop), words,
                                 TELL_BACKOFFS_MAX, TELL_BACKOFFS_BYTES);
    struct frame f = {.type = FRAME_BACKOFFS, .backoffs = {rows, count}};

    for (size_t i = 0; i < count; i++)
        rows[i] = row_of(&words[i]);
    if (count)
        members_send(t->members, name_of(n), &f);
    mem_free(rows);
    mem_free(words);
}

static void on_backoffs(struct timer *timer)
{
    struct tell *t = LIST_ENTRY(timer, struct tell, backoffs);
    bool behind = false;

    t->backoffs_ms = loop_now_ms(t->loop);
    LIST_WALK(node, &t->neighbours)
    {
        struct neighbour *n = LIST_ENTRY(node, struct neighbour, node);

        if (is_behind(n))
            send_backoffs(n);
        behind |= is_behind(n);
    }
    if (behind)
        timer_start(&t->backoffs, TELL_BACKOFFS_MS);
}

/* A burst is told in a second's parts; a single word at once. */
static void tell_backoffs(struct tell *t)
{
    uint64_t past = loop_now_ms(t->loop) - t->backoffs_ms;
    bool rested = !t->backoffs_ms || past >= TELL_BACKOFFS_MS;

    if (!timer_running(&t->backoffs))
        timer_start(&t->backoffs, rested ? 0 : TELL_BACKOFFS_MS - past);
}

void tell_failed(struct tell *t, const struct outage *what)
{
    if (!members_clustered(t->members))
        return;
    if (!outages_begin(&t->outages, what, loop_now_ms(t->loop)))
        counter_add(loop_counters(t->loop), COUNTER_BACKOFFS_LEFT_OUT, 1);
    tell_backoffs(t);
}

void tell_alive(struct tell *t, struct slice remote)
{
    if (!members_clustered(t->members))
        return;
    outages_tell_end(&t->outages, remote, loop_now_ms(t->loop));
    tell_backoffs(t);
}

/* --- hearing --- */

void tell_met(struct tell *t, struct slice node, uint64_t process, uint16_t version)
{
    struct neighbour *n = get(t, node);

    timer_stop(&n->cut);
    n->up = true;
    n->process = process;
    n->heard = 0;
    n->told = 0;
    n->hears_backoffs = version >= FRAME_VERSION_BACKOFFS;
    instances_tell_all(t->instances, send_part, n);
    if (!timer_running(&t->crowds))
        timer_start(&t->crowds, TELL_CROWDS_MS);
    if (is_behind(n))
        tell_backoffs(t);
}

void tell_parted(struct tell *t, struct slice node, bool gone)
{
    struct neighbour *n = find(t, node);

    if (!n)
        return;
    n->up = false;
    if (gone)
        forget(n);
    else
        timer_start(&n->cut, TELL_CUT_MS);
    instances_heard(t->instances);
}

static void hear_components(struct neighbour *n, const struct frame_components *told)
{
    struct tell *t = n->tell;
    struct frame f = {.type = FRAME_HEARD, .heard = {told->number}};

    if (!instances_hear(t->instances, name_of(n), n->process, told) && !n->overfull) {
        n->overfull = true;
        LOG(loop_log(t->loop), LOG_ERROR, "mesh.too_many_components", LOG_TEXT("node", n->name),
            LOG_INT("most", INSTANCES_OF_NODE_MAX),
            LOG_TEXT("effect", "the rest get no stanzas from here"));
    }
    if (!told->more)
        members_send(t->members, name_of(n), &f);
}

static void hear_crowds(struct neighbour *n, const struct frame_addresses *told)
{
    struct tally_row rows[TELL_CROWDS_MAX] = {{{0}, 0, 0}};
    size_t count = told->row_count < TELL_CROWDS_MAX ? told->row_count : TELL_CROWDS_MAX;

    for (size_t i = 0; i < count; i++) {
        rows[i].key_len = told->rows[i].ip.len == 4 ? 4 : sizeof(rows[i].key);
        memcpy(rows[i].key, told->rows[i].ip.ptr, rows[i].key_len);
        rows[i].n = told->rows[i].count;
    }
    n->tell->events->heard_crowds(n->tell->arg, name_of(n), rows, count);
}

/* Words cross: whoever heard the other node's success before our failure hears of its end, too. */
static void hear_backoffs(struct neighbour *n, const struct frame_backoffs *told)
{
    struct tell *t = n->tell;

    for (size_t i = 0; i < told->row_count; i++)
        if (!told->rows[i].left_ms && outages_any(&t->outages, told->rows[i].remote))
            tell_alive(t, told->rows[i].remote);
    t->events->heard_backoffs(t->arg, name_of(n), told);
}

void tell_heard(struct tell *t, struct slice node, const struct frame *f)
{
    struct neighbour *n = find(t, node);

    if (!n || !n->up)
        return;
    if (f->type == FRAME_COMPONENTS) {
        hear_components(n, &f->components);
    } else if (f->type == FRAME_ADDRESSES) {
        hear_crowds(n, &f->addresses);
    } else if (f->type == FRAME_BACKOFFS) {
        hear_backoffs(n, &f->backoffs);
    } else if (f->type == FRAME_HEARD) {
        n->heard = f->heard.number;
        instances_heard(t->instances);
    }
}

/* --- life --- */

struct tell *tell_open(struct loop *l, struct instances *instances, uint64_t process,
                       const struct tell_events *events, void *arg)
{
    struct tell *t = MEM_NEW(struct tell);
    uint64_t seed[2];

    random_fill(loop_random(l), seed, sizeof(seed));
    outages_init(&t->outages, seed);
    t->loop = l;
    t->instances = instances;
    t->process = process;
    t->events = events;
    t->arg = arg;
    timer_init(&t->crowds, l, on_crowds);
    timer_init(&t->backoffs, l, on_backoffs);
    list_init(&t->neighbours);
    instances_meet(instances, process, &company, t);
    return t;
}

void tell_connect(struct tell *t, struct members *m)
{
    t->members = m;
}

void tell_close(struct tell *t)
{
    instances_meet(t->instances, t->process, NULL, NULL);
    timer_stop(&t->crowds);
    timer_stop(&t->backoffs);
    outages_fini(&t->outages);
    LIST_WALK(node, &t->neighbours)
    {
        struct neighbour *n = LIST_ENTRY(node, struct neighbour, node);

        timer_stop(&n->cut);
        mem_free(n);
    }
    mem_free(t);
}
