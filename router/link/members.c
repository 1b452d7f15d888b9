#include "link/members_inner.h"

#include "link/board.h"

#include <stdio.h>

#define TICK_MS   LEASE_RENEW_MS
#define NOTICE_MS 50 /* between two renewals that notices ask for */
/* How long the table has to hear of our leaving: the others see by themselves that we are gone. */
#define LEAVE_MS 2000

uint64_t members_now(const struct members *m)
{
    return loop_boot_ms(m->o.loop);
}

struct log *members_log(const struct members *m)
{
    return loop_log(m->o.loop);
}

/* --- orders --- */

void members_order(struct members *m, unsigned worker, struct order *o)
{
    o->msg.deliver = view_hear_order;
    hop_post(m->views[worker], &o->msg);
}

static struct order *order_copy(const struct order *o)
{
    struct order *c = order_new(o->kind, slice_from(o->key), slice_from(o->node));

    c->incarnation = o->incarnation;
    c->token = o->token;
    c->provisional = o->provisional;
    c->until_boot_ms = o->until_boot_ms;
    c->frame = o->frame ? bytes_ref(o->frame) : NULL;
    return c;
}

void members_order_all(struct members *m, struct order *o)
{
    for (unsigned w = 1; w < m->o.worker_count; w++)
        members_order(m, w, order_copy(o));
    members_order(m, 0, o);
}

/* --- until when --- */

static struct until *until_new(struct members *m)
{
    struct until *u = MEM_NEW(struct until);

    atomic_init(&u->boot_ms, 0);
    list_push(&m->untils, &u->node);
    return u;
}

static void end(struct until *u)
{
    atomic_store_explicit(&u->boot_ms, 0, memory_order_release);
}

static void publish(struct members *m)
{
    atomic_store_explicit(&m->until->boot_ms, lease_until_ms(&m->lease), memory_order_release);
    atomic_store_explicit(&m->promised->boot_ms, lease_promised_until_ms(&m->lease),
                          memory_order_release);
}

/* Whatever was granted under the old numbers is never written for again. */
static void renew_untils(struct members *m)
{
    end(m->until);
    end(m->promised);
    m->until = until_new(m);
    m->promised = until_new(m);
}

/* --- after and before each event --- */

static void count_fence(struct members *m, enum counter_cell why)
{
    counter_add(loop_counters(m->o.loop), why, 1);
    m->had_right = false;
}

/* A right that ran out. One that ends with its incarnation is counted there. */
static void look_at_right(struct members *m)
{
    bool has = members_now(m) < lease_until_ms(&m->lease);

    if (m->had_right && !has && !m->lease.leaving)
        count_fence(m, COUNTER_FENCED_LAPSED);
    m->had_right = has;
}

static void begin_anew(struct members *m)
{
    if (m->fence != COUNTER_CELLS && m->lease.joined_once)
        count_fence(m, m->fence);
    m->had_right = false;
    renew_untils(m);
    owners_drop_all(&m->owners);
    members_say_hello(m);
    members_want_sweep(m);
    if (!m->lease.leaving)
        LOG(members_log(m), m->lease.joined_once ? LOG_WARN : LOG_INFO, "node.incarnation",
            LOG_TEXT("node", m->name), LOG_INT("incarnation", m->lease.incarnation));
}

static void be_refused(struct members *m)
{
    char why[160];

    if (m->refused)
        return;
    m->refused = true;
    snprintf(why, sizeof(why),
             "node.name: another process has the name %s (incarnation %llu); names must be unique",
             m->name, (unsigned long long)lease_successor(&m->lease));
    m->o.events->refused(m->o.arg, why);
}

static void do_duties(struct members *m)
{
    unsigned duties = lease_take_duties(&m->lease);

    if (duties & LEASE_DROP_PAIRS)
        begin_anew(m);
    if (duties & LEASE_ASSERT_PAIRS)
        owners_assert_all(&m->owners);
    if (duties & LEASE_EXIT)
        be_refused(m);
}

/* It waits for the table, for another of its name, or for acknowledgements: the log tells which. */
static unsigned joining_part(const struct members *m)
{
    return m->lease.on_list ? 2 : m->lease.held_incarnation ? 1 : 0;
}

static void tell_state(struct members *m)
{
    enum lease_state state = lease_state(&m->lease, members_now(m));
    unsigned joining = state == LEASE_JOINING ? joining_part(m) : 0;

    if (state == m->state && joining == m->joining)
        return;
    if (state != m->state)
        m->state_since_ms = members_now(m);
    m->state = state;
    m->joining = joining;
    if (m->board)
        board_state(m->board, lease_state_word(state));
    m->o.events->state(m->o.arg, state);
}

void members_before(struct members *m)
{
    look_at_right(m);
    if (!owners_forget_lapsed(&m->owners, members_now(m)))
        return;
    end(m->promised);
    m->promised = until_new(m);
}

void members_after(struct members *m)
{
    do_duties(m);
    owners_tick(&m->owners, members_now(m));
    do_duties(m);
    m->fence = COUNTER_CELLS;
    look_at_right(m);
    publish(m);
    members_meet(m);
    tell_state(m);
}

/* --- the table's events --- */

static void on_opened(void *arg, uint64_t connection)
{
    (void)connection;
    members_renew(arg);
}

static void on_broken(void *arg, const char *why)
{
    struct members *m = arg;

    members_lost_table(m, why);
    m->call_serial++;
    lease_contact_lost(&m->lease);
    owners_contact_lost(&m->owners, members_now(m));
    members_after(m);
}

static void ask_for_news(struct members *m)
{
    m->noticed_again = false;
    timer_start(&m->noticed, NOTICE_MS);
    members_renew(m);
}

/* The list or the epoch changed. A table that tells of changes without end is asked only so often.
 */
static void on_notice(void *arg, struct slice text)
{
    struct members *m = arg;

    (void)text;
    if (timer_running(&m->noticed))
        m->noticed_again = true;
    else if (m->views)
        ask_for_news(m);
}

static void on_noticed(struct timer *t)
{
    struct members *m = LIST_ENTRY(t, struct members, noticed);

    if (m->noticed_again)
        ask_for_news(m);
}

static const struct store_events store_events = {
    .opened = on_opened,
    .broken = on_broken,
    .notice = on_notice,
};

/* --- the workers' words --- */

static void hear(struct members *m, const struct word *w)
{
    struct slice key = slice_from(w->text);
    uint64_t now = members_now(m);

    switch (w->kind) {
    case WORD_WANT:
    case WORD_WANT_IT:
        owners_want(&m->owners, key, w->kind == WORD_WANT_IT, now);
        return;
    case WORD_RELEASE:
        owners_release(&m->owners, key);
        members_order_all(m, order_new(ORDER_RELEASED, key, slice_none()));
        return;
    case WORD_OFFER:
        members_offer(m, key);
        return;
    case WORD_UP:
    case WORD_DOWN:
    case WORD_FRAME:
        members_hear_mesh(m, w);
        return;
    }
}

void members_hear_word(struct hop_msg *msg, void *arg)
{
    struct word *w = LIST_ENTRY(msg, struct word, msg);
    struct members *m = arg;

    if (m->views) /* else it is leaving: nobody answers any more */
        hear(m, w);
    word_free(w);
}

/* --- second by second --- */

static void on_tick(struct timer *t)
{
    struct members *m = LIST_ENTRY(t, struct members, tick);

    timer_start(&m->tick, TICK_MS);
    members_tell_table(m);
    members_before(m);
    members_renew(m);
    members_ping(m);
    members_bury_silent(m);
    members_sweep(m);
    members_offers_tick(m);
    members_after(m);
}

/* --- leaving --- */

void members_drain(struct members *m, uint64_t ack_ms)
{
    lease_drain(&m->lease);
    m->hand_over_ms = ack_ms;
    members_offers_tick(m);
    members_after(m);
}

static void leave_ended(struct members *m)
{
    void (*left)(void *arg) = m->left;

    timer_stop(&m->leave_by);
    m->left = NULL;
    if (left)
        left(m->left_arg);
}

static void say_bye(struct members *m, struct frame_member *holds, size_t count)
{
    struct frame f = {.type = FRAME_BYE, .bye = {m->lease.incarnation, holds, count}};

    LIST_WALK(node, &m->fellows)
    members_send(m, slice_from(LIST_ENTRY(node, struct fellow, node)->name), &f);
}

/* Over the mesh last: it is a promise to those it names, and ours is over. */
static void bye_heard(struct members *m)
{
    struct frame_member holds[STORE_MEMBERS_MAX];
    const struct lease_peer *p;
    size_t pos = 0;
    size_t n = 0;

    while (n < STORE_MEMBERS_MAX && (p = lease_next_member(&m->lease, &pos)))
        if (lease_holds_for(&m->lease, p))
            holds[n++] = (struct frame_member){slice_from(p->name), p->incarnation};
    say_bye(m, holds, n);
    leave_ended(m);
}

static void on_bye(void *arg, const struct store_answer *a)
{
    (void)a;
    if (((struct members *)arg)->left)
        bye_heard(arg);
}

static void on_leave_by(struct timer *t)
{
    struct members *m = LIST_ENTRY(t, struct members, leave_by);

    bye_heard(m);
}

void members_leave(struct members *m, void (*done)(void *arg), void *arg)
{
    struct store_as as = members_as(m);

    m->left = done;
    m->left_arg = arg;
    timer_stop(&m->tick);
    lease_leave(&m->lease);
    members_after(m);
    timer_start(&m->leave_by, LEAVE_MS);
    if (members_store_state(m)->open)
        store_bye(m->store, as, on_bye, m);
    else
        timer_start(&m->leave_by, 0);
}

/* --- questions --- */

struct hop *members_hop(struct members *m)
{
    return m->hop;
}

struct board *members_board(struct members *m)
{
    return m->board;
}

bool members_clustered(const struct members *m)
{
    return m->address[0];
}

bool members_is_self(const struct members *m, struct slice node)
{
    return slice_is(node, m->name);
}

enum lease_state members_state(const struct members *m)
{
    return lease_state(&m->lease, members_now(m));
}

struct owners *members_owners(struct members *m)
{
    return &m->owners;
}

const struct store_state *members_store_state(const struct members *m)
{
    static const struct store_state closed = {.kind = "closed", .why = "this node has left"};

    return m->store ? store_state(m->store) : &closed;
}

/* --- life --- */

/* Digests are bytes, not text. */
static struct slice keep(struct members *m, enum digest i, struct slice digest)
{
    assert(digest.len <= FRAME_DIGEST_LEN);
    if (digest.len)
        memcpy(m->digests[i], digest.ptr, digest.len);
    return slice_make(m->digests[i], digest.len);
}

static void take_digests(struct members *m, const struct frame_hello *from)
{
    struct frame_hello *h = &m->o.hello;

    h->dialback_digest = keep(m, DIGEST_DIALBACK, from->dialback_digest);
    h->components_digest = keep(m, DIGEST_COMPONENTS, from->components_digest);
    h->peers_digest = keep(m, DIGEST_PEERS, from->peers_digest);
}

void members_configure(struct members *m, const struct frame_hello *digests)
{
    take_digests(m, digests);
    LIST_WALK(node, &m->fellows)
    members_compare(m, LIST_ENTRY(node, struct fellow, node), NULL);
    members_say_hello(m);
}

static void take_hello(struct members *m)
{
    struct frame_hello *h = &m->o.hello;

    h->version_least = FRAME_VERSION_LEAST;
    h->version_most = FRAME_VERSION_MOST;
    h->worker_count = (uint16_t)m->o.worker_count;
    h->node = slice_from(m->name);
    h->address = slice_from(m->address);
    take_digests(m, h);
}

struct members *members_open(const struct members_options *o)
{
    struct members *m = MEM_NEW(struct members);
    uint64_t seed[2];

    m->o = *o;
    m->name = mem_strndup(o->node);
    m->address = mem_strndup(o->address);
    m->state = LEASE_JOINING;
    m->state_since_ms = loop_boot_ms(o->loop);
    m->fence = COUNTER_CELLS;
    list_init(&m->untils);
    list_init(&m->calls);
    list_init(&m->fellows);
    list_init(&m->offers);
    list_init(&m->takes);
    m->until = until_new(m);
    m->promised = until_new(m);
    take_hello(m);
    random_fill(loop_random(o->loop), seed, sizeof(seed));
    lease_init(&m->lease, o->node, o->address, o->stop, loop_wall_us(o->loop));
    owners_init(&m->owners, &members_owners_ops, m, &m->lease, seed);
    m->hop = hop_open(o->loop, m);
    timer_init(&m->tick, o->loop, on_tick);
    timer_init(&m->noticed, o->loop, on_noticed);
    timer_init(&m->leave_by, o->loop, on_leave_by);
    members_want_sweep(m);
    m->store = o->open_store(o->arg, &store_events, m);
    m->board = members_clustered(m) ? board_open(o->loop, m->store) : NULL;
    return m;
}

void members_connect(struct members *m, struct hop *const *view_hops)
{
    m->views = mem_array(m->o.worker_count, sizeof(struct hop *));
    for (unsigned w = 0; w < m->o.worker_count; w++)
        m->views[w] = view_hops[w];
    members_say_hello(m);
    /* That it is not connected yet is no news. */
    snprintf(m->why, sizeof(m->why), "%s", members_store_state(m)->why);
    timer_start(&m->tick, 0);
}

void members_shut(struct members *m)
{
    timer_stop(&m->tick);
    timer_stop(&m->noticed);
    timer_stop(&m->leave_by);
    mem_free(m->views);
    m->views = NULL;
    if (m->board)
        board_shut(m->board);
    if (m->store)
        store_free(m->store);
    m->store = NULL;
}

void members_close(struct members *m)
{
    members_shut(m);
    hop_close(m->hop);
    if (m->board)
        board_close(m->board);
    members_table_fini(m);
    members_handover_fini(m);
    members_mesh_fini(m);
    owners_fini(&m->owners);
    lease_fini(&m->lease);
    while (!list_empty(&m->untils)) {
        struct until *u = LIST_FIRST(&m->untils, struct until, node);

        list_remove(&u->node);
        mem_free(u);
    }
    mem_free(m->address);
    mem_free(m->name);
    mem_free(m);
}
