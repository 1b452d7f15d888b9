/* The other nodes: to whom there is a connection, what is said on it, and what is heard. */
#include "link/members_inner.h"

#include "link/tell.h"

unsigned members_carrier(const struct members *m, struct slice node)
{
    return m->o.worker_count == 1 ? 0
                                  : (unsigned)(siphash(m->o.route_seed, node) % m->o.worker_count);
}

void members_send(struct members *m, struct slice node, const struct frame *f)
{
    struct order *o;

    if (!m->views)
        return;
    o = order_new(ORDER_SEND, slice_none(), node);
    o->frame = frame_pack(f);
    members_order(m, members_carrier(m, node), o);
}

void members_say_hello(struct members *m)
{
    struct order *o;
    struct frame f = {.type = FRAME_HELLO, .hello = m->o.hello};

    if (!m->views || !members_clustered(m))
        return;
    f.hello.incarnation = m->lease.incarnation;
    o = order_new(ORDER_HELLO, slice_none(), slice_none());
    o->frame = frame_pack(&f);
    members_order_all(m, o);
}

/* --- fellows --- */

struct fellow *members_fellow(const struct members *m, struct slice node)
{
    LIST_WALK(n, &m->fellows)
    {
        struct fellow *f = LIST_ENTRY(n, struct fellow, node);

        if (slice_is(node, f->name))
            return f;
    }
    return NULL;
}

static struct fellow *fellow_get(struct members *m, struct slice node)
{
    struct fellow *f = members_fellow(m, node);

    if (f)
        return f;
    f = MEM_NEW(struct fellow);
    slice_to_cstr(node, f->name, sizeof(f->name));
    f->turned_ms = members_now(m);
    list_push(&m->fellows, &f->node);
    return f;
}

static void fellow_free(struct fellow *f)
{
    list_remove(&f->node);
    mem_free(f->address);
    mem_free(f);
}

void members_cut_off(struct members *m, struct slice node)
{
    if (m->views)
        members_order_all(m, order_new(ORDER_NODE_CUT, slice_none(), node));
}

/* Without a connection its components cannot be reached either. */
static void part_if_silent(struct members *m, const struct fellow *f)
{
    if (!f->up)
        tell_parted(m->o.tell, slice_from(f->name), true);
}

/* Its pairs are nobody's now. If there is no connection either, its components cannot be reached;
 * else it goes on as another incarnation, and they with it. */
static void say_gone(struct members *m, struct fellow *f)
{
    struct order *o = order_new(ORDER_NODE_GONE, slice_none(), slice_from(f->name));

    LOG(members_log(m), LOG_INFO, "member.left", LOG_TEXT("member", f->name),
        LOG_INT("incarnation", f->listed));
    o->incarnation = f->listed;
    members_order_all(m, o);
    part_if_silent(m, f);
}

static void want_connection(struct members *m, struct fellow *f, const char *address)
{
    struct order *o;
    struct addr at;

    if (f->address && strcmp(f->address, address) == 0)
        return;
    if (addr_parse(slice_from(address), 0, &at)) {
        LOG(members_log(m), LOG_WARN, "member.address", LOG_TEXT("member", f->name),
            LOG_TEXT("address", address), LOG_TEXT("error", "not an address and port"));
        return;
    }
    mem_free(f->address);
    f->address = mem_strdup(address);
    o = order_new(ORDER_WANT_NODE, slice_none(), slice_from(f->name));
    o->addr = at;
    members_order(m, members_carrier(m, slice_from(f->name)), o);
}

static void meet(struct members *m, const struct lease_peer *p)
{
    struct fellow *f = fellow_get(m, slice_from(p->name));

    if (f->listed && f->listed != p->incarnation)
        say_gone(m, f);
    if (f->listed != p->incarnation)
        LOG(members_log(m), LOG_INFO, "member.joined", LOG_TEXT("member", f->name),
            LOG_INT("incarnation", p->incarnation));
    f->listed = p->incarnation;
    if (p->address)
        want_connection(m, f, p->address);
}

static bool is_listed(const struct members *m, const struct fellow *f)
{
    const struct lease_peer *p;
    size_t pos = 0;

    while ((p = lease_next_member(&m->lease, &pos)))
        if (strcmp(p->name, f->name) == 0)
            return true;
    return false;
}

/* Its connection stays while it speaks: it may have to hear that it was buried. */
static void part(struct members *m, struct fellow *f)
{
    if (f->listed)
        say_gone(m, f);
    else
        part_if_silent(m, f);
    f->listed = 0;
    if (f->up)
        return;
    members_order(m, members_carrier(m, slice_from(f->name)),
                  order_new(ORDER_FORGET_NODE, slice_none(), slice_from(f->name)));
    fellow_free(f);
}

void members_meet(struct members *m)
{
    const struct lease_peer *p;
    size_t pos = 0;

    if (!m->views || !members_clustered(m))
        return;
    while ((p = lease_next_member(&m->lease, &pos)))
        if (!members_is_self(m, slice_from(p->name)))
            meet(m, p);
    LIST_WALK(node, &m->fellows)
    if (!is_listed(m, LIST_ENTRY(node, struct fellow, node)))
        part(m, LIST_ENTRY(node, struct fellow, node));
}

/* --- asking --- */

static void forget_asked(struct asked *a)
{
    for (size_t i = 0; i < a->count; i++)
        mem_free(a->keys[i]);
    mem_free(a->keys);
    memset(a, 0, sizeof(*a));
}

static struct asked *remember_asked(struct members *m, uint64_t round, const struct slice *keys,
                                    size_t count)
{
    struct asked *a = &m->asked[round % LEASE_ASK_MAX];

    forget_asked(a);
    a->round = round;
    a->count = count;
    a->keys = mem_array(count, sizeof(char *));
    for (size_t i = 0; i < count; i++)
        a->keys[i] = mem_strndup(keys[i]);
    return a;
}

void members_ping(struct members *m)
{
    struct slice keys[OWNERS_BATCH_MAX];
    struct frame_pair pairs[OWNERS_BATCH_MAX];
    struct lease_ping ping;
    struct frame f = {.type = FRAME_PING, .ping = {.pairs = pairs}};
    struct asked *a;

    if (!members_clustered(m) || m->lease.leaving)
        return;
    lease_ask(&m->lease, members_now(m), &ping);
    a = remember_asked(m, ping.number, keys,
                       owners_ask(&m->owners, ping.number, members_now(m), keys, OWNERS_BATCH_MAX));
    for (size_t i = 0; i < a->count; i++)
        router_pair_split(slice_from(a->keys[i]), &pairs[i].local, &pairs[i].remote);
    f.ping.number = ping.number;
    f.ping.incarnation = ping.incarnation;
    f.ping.list_hash = ping.list_hash;
    f.ping.pair_count = a->count;
    LIST_WALK(node, &m->fellows)
    if (LIST_ENTRY(node, struct fellow, node)->up)
        members_send(m, slice_from(LIST_ENTRY(node, struct fellow, node)->name), &f);
}

/* --- hearing --- */

static struct lease_id id_of(const struct fellow *f)
{
    return (struct lease_id){slice_from(f->name), f->incarnation};
}

/* Whoever saw it leave the list tells it, so that it begins anew though it has no table. */
static void tell_if_buried(struct members *m, const struct fellow *f)
{
    struct frame out = {.type = FRAME_BURIED, .gone = {{slice_from(f->name), f->incarnation}}};

    if (lease_saw_leave(&m->lease, id_of(f)))
        members_send(m, slice_from(f->name), &out);
}

static void hear_ping(struct members *m, struct fellow *f, const struct frame_ping *p)
{
    struct lease_ping ping = {p->number, p->incarnation, p->list_hash};
    struct lease_pong pong;
    char not_mine[OWNERS_BATCH_MAX + 1];
    char key[PORT_KEY_BYTES_MAX];
    struct frame out = {.type = FRAME_PONG};
    size_t n = p->pair_count < OWNERS_BATCH_MAX ? p->pair_count : OWNERS_BATCH_MAX;

    f->incarnation = p->incarnation;
    lease_answer_ping(&m->lease, slice_from(f->name), &ping, members_now(m), &pong);
    for (size_t i = 0; i < n; i++) {
        size_t len = router_pair_key(p->pairs[i].local, p->pairs[i].remote, key);

        not_mine[i] = owners_has(&m->owners, slice_make(key, len)) ? '0' : '1';
    }
    out.pong = (struct frame_pong){
        .number = pong.number,
        .incarnation = pong.incarnation,
        .promise = pong.promise,
        .can_claim = owners_can_claim(&m->owners, members_now(m)),
        .draining = m->lease.draining,
        .same_list = pong.same,
        .not_mine = slice_make(not_mine, n),
    };
    members_send(m, slice_from(f->name), &out);
    tell_if_buried(m, f);
}

static size_t find_mine(const struct members *m, const struct frame_pong *p, struct slice *mine)
{
    const struct asked *a = &m->asked[p->number % LEASE_ASK_MAX];
    size_t n = 0;

    if (a->round != p->number)
        return 0;
    for (size_t i = 0; i < a->count; i++)
        if (i >= p->not_mine.len || p->not_mine.ptr[i] != '1')
            mine[n++] = slice_from(a->keys[i]);
    return n;
}

static void hear_pong(struct members *m, struct fellow *f, const struct frame_pong *p)
{
    struct lease_pong pong = {p->number, p->incarnation, p->promise, p->same_list};
    struct slice mine[OWNERS_BATCH_MAX];
    struct owners_pong said = {
        .round = p->number,
        .can_claim = p->can_claim,
        .draining = p->draining,
        .promise = p->promise && p->same_list && p->incarnation == m->lease.incarnation,
        .mine = mine,
        .mine_count = find_mine(m, p, mine),
    };

    members_before(m);
    lease_hear_pong(&m->lease, id_of(f), &pong, members_now(m));
    owners_hear_pong(&m->owners, id_of(f), &said, members_now(m));
}

static void hear_bye(struct members *m, struct fellow *f, const struct frame_bye *b)
{
    struct lease_id from = {slice_from(f->name), b->incarnation};
    bool holds = false;

    for (size_t i = 0; i < b->holds_for_count; i++)
        holds |= slice_is(b->holds_for[i].node, m->name) &&
                 b->holds_for[i].incarnation == m->lease.incarnation;
    members_before(m);
    lease_hear_bye(&m->lease, from, holds, members_now(m));
}

static void hear_buried(struct members *m, const struct frame_member *who)
{
    if (!members_is_self(m, who->node))
        return;
    m->fence = COUNTER_FENCED_BURIED;
    lease_hear_buried(&m->lease, who->incarnation);
}

static void hear_frame(struct members *m, struct fellow *f, const struct frame *in)
{
    switch (in->type) {
    case FRAME_PING:
        hear_ping(m, f, &in->ping);
        return;
    case FRAME_PONG:
        hear_pong(m, f, &in->pong);
        return;
    case FRAME_BYE:
        hear_bye(m, f, &in->bye);
        return;
    case FRAME_BURIED:
        hear_buried(m, &in->gone.who);
        return;
    case FRAME_FORGET:
        members_hear_forget(m, f, &in->gone.who);
        return;
    case FRAME_ASK:
    case FRAME_ANSWER:
        members_hear_ask(m, f, in);
        return;
    case FRAME_HELLO:
        f->incarnation = in->hello.incarnation;
        members_compare(m, f, &in->hello);
        return;
    case FRAME_HANDOFF:
        members_hear_handoff(m, slice_from(f->name), &in->handoff);
        return;
    default:
        tell_heard(m->o.tell, slice_from(f->name), in);
        return;
    }
}

static void hear_up(struct members *m, struct fellow *f, const struct frame_hello *h)
{
    f->up = true;
    f->turned_ms = members_now(m);
    f->incarnation = h->incarnation;
    lease_heard(&m->lease, id_of(f), members_now(m));
    members_compare(m, f, h);
    tell_if_buried(m, f);
    tell_met(m->o.tell, slice_from(f->name), h->process, h->version_most);
}

static void hear_down(struct members *m, struct fellow *f)
{
    members_lost(m, f);
    tell_parted(m->o.tell, slice_from(f->name), false);
}

void members_hear_mesh(struct members *m, const struct word *w)
{
    struct fellow *f = fellow_get(m, slice_from(w->text));
    struct arena arena;
    struct frame in;

    arena_init(&arena);
    if (w->frame)
        frame_unpack(w->frame, &arena, &in);
    if (w->kind == WORD_UP)
        hear_up(m, f, &in.hello);
    else if (w->kind == WORD_DOWN)
        hear_down(m, f);
    else
        hear_frame(m, f, &in);
    arena_fini(&arena);
    members_after(m);
}

void members_mesh_fini(struct members *m)
{
    LIST_WALK(node, &m->fellows)
    fellow_free(LIST_ENTRY(node, struct fellow, node));
    for (size_t i = 0; i < LEASE_ASK_MAX; i++)
        forget_asked(&m->asked[i]);
}
