#include "link/view.h"

#include "link/lanes.h"
#include "link/members_private.h"
#include "link/pair.h"

struct whose {
    char *key;
    enum owner_where where;
    char *node; /* OWNER_NODE */
    uint64_t incarnation;
    uint64_t token;
    uint64_t seen_token;     /* the highest heard of */
    struct view_grant grant; /* OWNER_SELF */
    bool asked;              /* OWNER_UNKNOWN: the steward is finding out */
    uint64_t used_ms;
};

struct view {
    struct site *site;
    struct members *members;
    struct hop *hop;
    struct map pairs; /* key -> whose */
};

/* --- to the steward --- */

static void say(struct view *v, enum word_kind kind, struct slice text, struct bytes *frame)
{
    struct word *w = word_new(kind, text);

    w->worker = v->site->worker;
    w->frame = frame;
    w->msg.deliver = members_hear_word;
    hop_post(members_hop(v->members), &w->msg);
}

/* --- what is known --- */

static struct whose *find(const struct view *v, struct slice key)
{
    return map_find(&v->pairs, key);
}

static struct whose *get(struct view *v, struct slice key)
{
    struct whose *w = find(v, key);

    if (!w) {
        w = MEM_NEW(struct whose);
        w->key = mem_strndup(key);
        w->where = OWNER_UNKNOWN;
        map_add(&v->pairs, slice_from(w->key), w);
        site_wake(v->site);
    }
    w->used_ms = loop_now_ms(v->site->loop);
    return w;
}

static void forget(struct view *v, struct whose *w)
{
    map_remove(&v->pairs, slice_from(w->key));
    mem_free(w->node);
    mem_free(w->key);
    mem_free(w);
}

static void put(struct whose *w, enum owner_where where, struct slice node, uint64_t incarnation,
                uint64_t token)
{
    mem_free(w->node);
    w->node = where == OWNER_NODE ? mem_strndup(node) : NULL;
    w->where = where;
    w->incarnation = incarnation;
    w->token = token;
    w->asked = false;
    if (token > w->seen_token)
        w->seen_token = token;
}

static void ask(struct view *v, struct whose *w, enum word_kind kind)
{
    if (w->asked)
        return;
    w->asked = true;
    say(v, kind, slice_from(w->key), NULL);
}

/* --- questions of lanes --- */

static void op_find(void *arg, struct slice key, struct owner *ret_owner)
{
    struct view *v = arg;
    struct whose *w = get(v, key);

    if (w->where == OWNER_UNKNOWN)
        ask(v, w, WORD_WANT);
    *ret_owner =
        (struct owner){.where = w->where, .incarnation = w->incarnation, .token = w->token};
    if (w->node)
        ret_owner->node = slice_from(w->node);
}

/* What nobody is known to own is to be claimed: the pair asks. */
static bool op_accept(void *arg, struct slice key)
{
    const struct whose *w = find(arg, key);

    return !w || w->where != OWNER_NODE || w->token == 0;
}

static void op_refused(void *arg, struct slice key, struct slice by, const struct owner *hint)
{
    struct view *v = arg;
    struct whose *w = get(v, key);

    (void)by;
    if (w->where == OWNER_SELF) /* another lane of it has heard better */
        return;
    if (hint->where == OWNER_NODE && hint->token > w->seen_token &&
        !members_is_self(v->members, hint->node)) {
        put(w, OWNER_NODE, hint->node, hint->incarnation, hint->token);
        return;
    }
    if (w->where != OWNER_UNKNOWN)
        put(w, OWNER_UNKNOWN, slice_none(), 0, 0);
    ask(v, w, WORD_WANT);
}

static const struct owner_ops owner_ops = {op_find, op_accept, op_refused};

struct owner_view view_owners(struct view *v)
{
    return (struct owner_view){members_clustered(v->members) ? &owner_ops : NULL, v};
}

/* --- pairs --- */

bool view_owns(const struct view *v, struct slice key, struct view_grant *ret_grant)
{
    const struct whose *w = find(v, key);

    if (!w || w->where != OWNER_SELF)
        return false;
    *ret_grant = w->grant;
    return true;
}

void view_want(struct view *v, struct slice key)
{
    struct whose *w = get(v, key);

    if (w->where == OWNER_NODE)
        put(w, OWNER_UNKNOWN, slice_none(), 0, 0);
    ask(v, w, members_clustered(v->members) ? WORD_WANT_IT : WORD_WANT);
}

void view_release(struct view *v, struct slice key)
{
    struct whose *w = find(v, key);

    if (!w)
        return;
    if (w->where == OWNER_SELF)
        say(v, WORD_RELEASE, slice_from(w->key), NULL);
    forget(v, w);
}

void view_offer(struct view *v, struct slice key)
{
    struct whose *w = find(v, key);

    if (!w || w->where != OWNER_SELF)
        return;
    put(w, OWNER_UNKNOWN, slice_none(), 0, w->token);
    w->asked = true; /* told when it is decided */
    say(v, WORD_OFFER, slice_from(w->key), NULL);
}

/* --- the steward's orders --- */

static bool is_home(const struct view *v, struct slice key)
{
    return router_key_worker(&v->site->router, key) == v->site->worker;
}

/* The entry, if this worker has to know; its pair's own worker always does. */
static struct whose *entry_of(struct view *v, struct slice key)
{
    return is_home(v, key) ? get(v, key) : find(v, key);
}

static void hear_granted(struct view *v, const struct order *o)
{
    struct slice key = slice_from(o->key);
    struct whose *w = entry_of(v, key);

    if (!w)
        return;
    put(w, OWNER_SELF, slice_none(), 0, o->token);
    w->grant = (struct view_grant){o->token, o->provisional, o->until_boot_ms};
    if (is_home(v, key))
        pair_granted(v->site, key, &w->grant);
    lanes_decided(v->site->lanes, key);
}

/* Another's, or nobody's: the pair gives everything back, and lanes go where the view says. */
static void hear_gone(struct view *v, const struct order *o)
{
    struct slice key = slice_from(o->key);
    struct whose *w = entry_of(v, key);

    if (!w)
        return;
    put(w, o->node[0] ? OWNER_NODE : OWNER_UNKNOWN, slice_from(o->node), o->incarnation, o->token);
    if (is_home(v, key))
        pair_give_up(v->site, key);
    lanes_decided(v->site->lanes, key);
}

static void hear_released(struct view *v, const struct order *o)
{
    struct whose *w = find(v, slice_from(o->key));

    if (w && w->where == OWNER_SELF && !is_home(v, slice_from(o->key)))
        forget(v, w);
}

/* Nothing of that incarnation, or an older one, is its own any more: who has stanzas asks anew. */
static void hear_node_gone(struct view *v, const struct order *o)
{
    struct slice node = slice_from(o->node);
    size_t pos = 0;
    struct whose *w;

    while ((w = map_next(&v->pairs, &pos)))
        if (w->where == OWNER_NODE && w->incarnation <= o->incarnation && slice_is(node, w->node))
            put(w, OWNER_UNKNOWN, slice_none(), 0, 0);
    lanes_node_gone(v->site->lanes, node, o->incarnation);
}

/* ORDER_HELLO, ORDER_SEND */
static void use_frame(struct view *v, const struct order *o)
{
    struct arena arena;
    struct frame f;

    arena_init(&arena);
    frame_unpack(o->frame, &arena, &f);
    if (o->kind == ORDER_HELLO)
        site_set_hello(v->site, &f.hello);
    else
        mesh_send(v->site->mesh, slice_from(o->node), &f);
    arena_fini(&arena);
}

static void obey_mesh(struct view *v, struct order *o)
{
    struct slice node = slice_from(o->node);

    if (!v->site->mesh)
        return;
    switch (o->kind) {
    case ORDER_WANT_NODE:
        mesh_want(v->site->mesh, node, &o->addr);
        return;
    case ORDER_FORGET_NODE:
        mesh_forget(v->site->mesh, node);
        return;
    default:
        use_frame(v, o);
        return;
    }
}

void view_hear_order(struct hop_msg *m, void *arg)
{
    struct order *o = LIST_ENTRY(m, struct order, msg);
    struct view *v = arg;

    switch (o->kind) {
    case ORDER_GRANTED:
        hear_granted(v, o);
        break;
    case ORDER_ELSEWHERE:
    case ORDER_LOST:
        hear_gone(v, o);
        break;
    case ORDER_RELEASED:
        hear_released(v, o);
        break;
    case ORDER_HELLO:
        use_frame(v, o);
        break;
    case ORDER_NODE_GONE:
        hear_node_gone(v, o);
        break;
    case ORDER_NODE_CUT:
        lanes_instances_gone(v->site->lanes, slice_from(o->node));
        break;
    case ORDER_HAND_OVER:
        pairs_hand_over(v->site, o->token);
        break;
    case ORDER_WANT_NODE:
    case ORDER_FORGET_NODE:
    case ORDER_SEND:
        obey_mesh(v, o);
        break;
    }
    order_free(o);
}

/* --- the mesh's events --- */

static void on_up(void *arg, const struct frame_hello *hello)
{
    struct frame f = {.type = FRAME_HELLO, .hello = *hello};

    say(arg, WORD_UP, hello->node, frame_pack(&f));
}

static void on_down(void *arg, struct slice node, const char *reason)
{
    (void)reason; /* the mesh has logged it */
    say(arg, WORD_DOWN, node, NULL);
}

static void on_frame(void *arg, struct slice node, const struct frame *f)
{
    say(arg, WORD_FRAME, node, frame_pack(f));
}

const struct mesh_events view_mesh_events = {
    .up = on_up,
    .down = on_down,
    .frame = on_frame,
};

/* --- life --- */

void view_tick(struct view *v, uint64_t now_ms)
{
    size_t pos = 0;
    struct whose *w;

    while ((w = map_next(&v->pairs, &pos)))
        if (w->where == OWNER_NODE && now_ms - w->used_ms >= VIEW_FORGET_MS)
            forget(v, w);
}

struct view *view_open(struct site *site, struct members *m)
{
    struct view *v = MEM_NEW(struct view);
    uint64_t seed[2];

    v->site = site;
    v->members = m;
    v->hop = hop_open(site->loop, v);
    random_fill(loop_random(site->loop), seed, sizeof(seed));
    map_init(&v->pairs, seed);
    return v;
}

struct hop *view_hop(struct view *v)
{
    return v->hop;
}

void view_close(struct view *v)
{
    size_t pos = 0;
    struct whose *w;

    hop_close(v->hop);
    while ((w = map_next(&v->pairs, &pos)))
        forget(v, w);
    map_fini(&v->pairs);
    mem_free(v);
}
