#include "link/mesh_private.h"

static const uint64_t cause_seed[2] = {0x6d65736863617573u, 0x657368617368u};

/* --- peers --- */

static void on_redial(struct timer *t);

static struct mesh_peer *peer_of(struct mesh *m, struct slice node)
{
    struct mesh_peer *p = map_find(&m->peers, node);
    bool fits;

    if (p)
        return p;
    p = MEM_NEW(struct mesh_peer);
    fits = slice_to_cstr(node, p->name, sizeof(p->name));
    assert(fits && node.len);
    p->mesh = m;
    list_init(&p->conns);
    timer_init(&p->redial, m->o.loop, on_redial);
    mesh_carry_open(p);
    map_add(&m->peers, peer_name(p), p);
    return p;
}

/* Strangers may name themselves as they like: nothing of them stays. */
static void free_if_unused(struct mesh_peer *p)
{
    if (p->wanted || !list_empty(&p->conns))
        return;
    map_remove(&p->mesh->peers, peer_name(p));
    timer_stop(&p->redial);
    mesh_flush_peer(p);
    mesh_carry_close(p);
    map_fini(&p->routes);
    mem_free(p->to);
    mem_free(p);
}

/* --- news to all workers --- */

struct news_msg {
    struct hop_msg msg;
    struct far_news news;
};

static void deliver_news(struct hop_msg *m, void *arg)
{
    struct news_msg *n = LIST_ENTRY(m, struct news_msg, msg);

    lanes_take_news(arg, &n->news);
    mem_free(n);
}

static void tell_workers(struct mesh_peer *p)
{
    struct lanes *l = p->mesh->o.lanes;

    mesh_flush_peer(p);
    for (unsigned w = 0; w < l->count; w++) {
        struct news_msg *n = MEM_NEW(struct news_msg);

        n->news.serial = p->up ? p->serial : 0;
        n->news.process = p->process;
        n->news.incarnation = p->incarnation;
        memcpy(n->news.peer, p->name, sizeof(p->name));
        lanes_post(l, w, &n->msg, deliver_news);
    }
}

/* --- which connection --- */

static void leave(struct mesh_conn *c, const char *reason)
{
    struct mesh_peer *p = c->peer;
    struct mesh *m = p->mesh;

    c->left = true;
    trunk_close(c->trunk, reason);
    if (p->up != c)
        return;
    p->up = NULL;
    mesh_carry_close(p);
    tell_workers(p);
    LOG(loop_log(m->o.loop), LOG_WARN, "mesh.down", LOG_SLICE("node", peer_name(p)),
        LOG_TEXT("reason", reason));
    if (m->o.events && m->o.events->down)
        m->o.events->down(m->o.arg, peer_name(p), reason);
}

void mesh_fault(struct mesh_peer *p, const char *reason)
{
    if (p->up)
        leave(p->up, reason);
}

/* NULL: `c` takes its place. Otherwise why it does not. A process that comes back knows better
 * than a connection that has not noticed. */
static const char *stays(const struct mesh_peer *p, const struct mesh_conn *c,
                         const struct frame_hello *h)
{
    bool ours_smaller = strcmp(p->mesh->node, p->name) < 0;

    if (!p->up || h->process != p->process)
        return h->incarnation < p->incarnation ? "a later incarnation was here" : NULL;
    if (trunk_dialled(p->up->trunk) == trunk_dialled(c->trunk))
        return NULL;
    return trunk_dialled(c->trunk) == ours_smaller ? NULL : "the connection that crossed it stays";
}

static void say_hello(struct mesh_conn *c);

static void on_opened(void *arg, const struct frame_hello *h)
{
    struct mesh_conn *c = arg;
    struct mesh_peer *p = c->peer;
    struct mesh *m = p->mesh;
    const char *refusal = stays(p, c, h);
    char addr[ADDR_TEXT_MAX];

    if (refusal) {
        LOG(loop_log(m->o.loop), LOG_INFO, "mesh.refused", LOG_SLICE("node", peer_name(p)),
            LOG_TEXT("reason", refusal));
        leave(c, refusal);
        return;
    }
    if (p->up)
        leave(p->up, "a newer connection took its place");
    p->up = c;
    p->serial = ++m->next_serial;
    p->process = h->process;
    p->incarnation = h->incarnation;
    p->since_ms = loop_now_ms(m->o.loop);
    p->missed_count = 0;
    p->failed_hash = p->failed_count = 0;
    backoff_reset(&p->backoff);
    timer_stop(&p->redial);
    tell_workers(p);
    if (c->hello_turn != m->hello_turn)
        say_hello(c); /* the one it began with is out of date */
    LOG(loop_log(m->o.loop), LOG_INFO, "mesh.up", LOG_SLICE("node", peer_name(p)),
        LOG_TEXT("peer", addr_format(trunk_peer(c->trunk), addr)),
        LOG_TEXT("dialled", trunk_dialled(c->trunk) ? "yes" : "no"),
        LOG_INT("incarnation", p->incarnation), LOG_INT("version", trunk_version(c->trunk)));
    if (m->o.events && m->o.events->up)
        m->o.events->up(m->o.arg, h);
}

/* --- frames --- */

static void answer_ping(struct mesh_peer *p, const struct frame_ping *ping)
{
    char none[FRAME_LIST_MAX];
    struct frame f = {.type = FRAME_PONG, .pong = {.number = ping->number}};

    memset(none, '0', ping->pair_count);
    f.pong.incarnation = p->mesh->o.hello.incarnation;
    f.pong.not_mine = slice_make(none, ping->pair_count);
    trunk_send(p->up->trunk, &f);
}

/* An answer may be older than the last question. */
static void note_pong(struct mesh_peer *p, uint64_t number)
{
    if (number <= p->ping_number && p->ping_number - number < p->missed_count)
        p->missed_count = (unsigned)(p->ping_number - number);
}

/* The lanes' numbers are of one process; another one has to dial. */
static bool hear_hello(struct mesh_peer *p, const struct frame_hello *h)
{
    if (h->process != p->process) {
        mesh_fault(p, "it changes its process");
        return false;
    }
    if (h->incarnation > p->incarnation) { /* it was buried, and goes on */
        p->incarnation = h->incarnation;
        tell_workers(p);
    }
    return true;
}

static void on_frame(void *arg, const struct frame *f)
{
    struct mesh_conn *c = arg;
    struct mesh_peer *p = c->peer;
    struct mesh *m = p->mesh;

    if (mesh_carry_frame(p, f))
        return;
    if (f->type == FRAME_HELLO && !hear_hello(p, &f->hello))
        return;
    if (f->type == FRAME_PONG)
        note_pong(p, f->pong.number);
    if (m->o.events && m->o.events->frame)
        m->o.events->frame(m->o.arg, peer_name(p), f);
    else if (f->type == FRAME_PING)
        answer_ping(p, &f->ping);
}

static void on_writable(void *arg)
{
    struct mesh_conn *c = arg;

    if (!c->left)
        mesh_pump(c->peer);
}

/* --- the end of a connection, and the next one --- */

static void redial_later(struct mesh_peer *p)
{
    struct loop *l = p->mesh->o.loop;

    if (p->wanted && !p->up && !p->mesh->shut)
        timer_start(&p->redial, backoff_fail(&p->backoff, loop_random(l), loop_now_ms(l),
                                             MESH_REDIAL_MS, MESH_REDIAL_MOST_MS));
}

/* It is tried once or twice a second: the log tells of a new cause, and then once a minute. */
static void tell_failed(struct mesh_peer *p, const struct trunk_end *end)
{
    uint64_t now = loop_now_ms(p->mesh->o.loop);
    uint64_t hash = siphash(cause_seed, slice_from(end->reason)) ^
                    siphash(cause_seed, slice_from(end->tls_error)) << 1;

    p->failed_count++;
    if (hash == p->failed_hash && now - p->failed_ms < MESH_FAILED_LOG_MS)
        return;
    LOG(loop_log(p->mesh->o.loop), LOG_WARN, "mesh.failed", LOG_SLICE("node", peer_name(p)),
        LOG_TEXT("reason", end->reason), LOG_TEXT("detail", end->tls_error),
        LOG_INT("attempts", p->failed_count));
    p->failed_hash = hash;
    p->failed_ms = now;
    p->failed_count = 0;
}

static void on_closed(void *arg, const struct trunk_end *end)
{
    struct mesh_conn *c = arg;
    struct mesh_peer *p = c->peer;

    if (p->up == c)
        leave(c, end->reason);
    else if (!c->left)
        tell_failed(p, end);
    list_remove(&c->node);
    mem_free(c);
    if (list_empty(&p->conns))
        redial_later(p);
    free_if_unused(p);
}

static const struct trunk_handler trunk_handler = {on_opened, on_frame, on_writable, on_closed};

static struct mesh_conn *conn_of(struct mesh_peer *p, struct trunk_options *ret_options)
{
    struct mesh *m = p->mesh;
    struct mesh_conn *c = MEM_NEW(struct mesh_conn);

    *ret_options = (struct trunk_options){.tls = m->o.tls,
                                          .mesh_name = slice_from(m->mesh_name),
                                          .peer = peer_name(p),
                                          .hello = &m->o.hello,
                                          .open_ms = MESH_OPEN_MS};
    c->peer = p;
    c->hello_turn = m->hello_turn;
    list_push(&p->conns, &c->node);
    return c;
}

static void say_hello(struct mesh_conn *c)
{
    struct frame f = {.type = FRAME_HELLO, .hello = c->peer->mesh->o.hello};

    c->hello_turn = c->peer->mesh->hello_turn;
    trunk_send(c->trunk, &f);
}

static void undo_conn(struct mesh_conn *c)
{
    list_remove(&c->node);
    mem_free(c);
}

static void dial(struct mesh_peer *p)
{
    struct trunk_options o;
    struct mesh_conn *c = conn_of(p, &o);

    if (trunk_dial(p->mesh->o.loop, &p->at, &o, &trunk_handler, c, &c->trunk)) {
        undo_conn(c);
        redial_later(p);
    }
}

static void on_redial(struct timer *t)
{
    struct mesh_peer *p = LIST_ENTRY(t, struct mesh_peer, redial);

    if (!p->up && list_empty(&p->conns))
        dial(p);
}

void mesh_accept(struct mesh *m, int fd, const struct addr *peer, struct slice node)
{
    struct mesh_peer *p = peer_of(m, node);
    struct trunk_options o;
    struct mesh_conn *c = conn_of(p, &o);

    if (trunk_adopt(m->o.loop, fd, peer, &o, &trunk_handler, c, &c->trunk)) {
        undo_conn(c);
        free_if_unused(p);
        return;
    }
    if (m->shut || node.len == 0 || slice_is(node, m->node))
        leave(c, "not wanted");
}

void mesh_want(struct mesh *m, struct slice node, const struct addr *at)
{
    struct mesh_peer *p = peer_of(m, node);

    p->wanted = true;
    p->at = *at;
    if (!p->up && list_empty(&p->conns) && !timer_running(&p->redial))
        timer_start(&p->redial, 0);
}

void mesh_forget(struct mesh *m, struct slice node)
{
    struct mesh_peer *p = map_find(&m->peers, node);

    if (!p)
        return;
    p->wanted = false;
    timer_stop(&p->redial);
    LIST_WALK(n, &p->conns)
    leave(LIST_ENTRY(n, struct mesh_conn, node), "the node is no member any more");
    free_if_unused(p);
}

bool mesh_send(struct mesh *m, struct slice node, const struct frame *f)
{
    struct mesh_peer *p = map_find(&m->peers, node);

    if (!p || !p->up)
        return false;
    if (f->type == FRAME_ANSWER) {
        mesh_carry_answer(p, &f->answer);
        return true;
    }
    if (f->type == FRAME_PING) {
        p->ping_number = f->ping.number;
        p->missed_count++;
    }
    trunk_send(p->up->trunk, f);
    return true;
}

void mesh_cut(struct mesh *m, struct slice node, const char *reason)
{
    struct mesh_peer *p = map_find(&m->peers, node);

    if (p)
        mesh_fault(p, reason);
}

/* --- time --- */

static void ping(struct mesh_peer *p)
{
    struct frame f = {
        .type = FRAME_PING,
        .ping = {.number = p->ping_number + 1, .incarnation = p->mesh->o.hello.incarnation}};

    mesh_send(p->mesh, peer_name(p), &f);
}

static void check_peer(struct mesh_peer *p)
{
    int64_t now_s = (int64_t)(loop_wall_us(p->mesh->o.loop) / 1000000);

    if (!p->up)
        return;
    if (p->missed_count >= MESH_MISSED_MAX)
        leave(p->up, "three PINGs without an answer");
    else if (now_s >= trunk_expires_s(p->up->trunk))
        leave(p->up, "its certificate has expired");
    else if (p->mesh->o.pings)
        ping(p);
}

static void on_tick(struct timer *t)
{
    struct mesh *m = LIST_ENTRY(t, struct mesh, tick);
    size_t pos = 0;
    struct mesh_peer *p;

    while ((p = map_next(&m->peers, &pos)))
        check_peer(p);
    timer_start(t, MESH_PING_MS);
}

/* --- showing --- */

void mesh_walk(struct mesh *m, mesh_row_fn *fn, void *arg)
{
    size_t pos = 0;
    struct mesh_peer *p;

    while ((p = map_next(&m->peers, &pos))) {
        struct mesh_row row = {.node = peer_name(p),
                               .peer = p->at,
                               .process = p->process,
                               .incarnation = p->incarnation,
                               .up = p->up,
                               .stanzas_in = p->stanzas_in,
                               .stanzas_out = p->stanzas_out,
                               .queue_count = p->queue_count,
                               .missed_count = p->missed_count};

        if (p->up) {
            row.peer = *trunk_peer(p->up->trunk);
            row.dialled = trunk_dialled(p->up->trunk);
            row.version = trunk_version(p->up->trunk);
            row.since_ms = loop_now_ms(m->o.loop) - p->since_ms;
        }
        fn(arg, &row);
    }
}

/* --- life --- */

static struct slice keep_digest(struct slice digest, char room[FRAME_DIGEST_LEN])
{
    assert(digest.len <= FRAME_DIGEST_LEN);
    if (digest.len)
        memcpy(room, digest.ptr, digest.len);
    return slice_make(room, digest.len);
}

static void keep_hello(struct mesh *m, const struct frame_hello *hello)
{
    struct frame_hello *h = &m->o.hello;

    assert(slice_is(hello->node, m->node));
    *h = *hello;
    mem_free(m->address);
    m->address = mem_strndup(h->address);
    h->node = slice_from(m->node);
    h->address = slice_from(m->address);
    h->dialback_digest = keep_digest(h->dialback_digest, m->digests[0]);
    h->components_digest = keep_digest(h->components_digest, m->digests[1]);
    h->peers_digest = keep_digest(h->peers_digest, m->digests[2]);
    h->rest = slice_none();
}

void mesh_set_hello(struct mesh *m, const struct frame_hello *hello)
{
    size_t pos = 0;
    struct mesh_peer *p;

    keep_hello(m, hello);
    m->hello_turn++;
    while ((p = map_next(&m->peers, &pos)))
        if (p->up)
            say_hello(p->up);
}

struct mesh *mesh_open(const struct mesh_options *o)
{
    struct mesh *m = MEM_NEW(struct mesh);
    bool fits = slice_to_cstr(o->hello.node, m->node, sizeof(m->node));

    assert(fits);
    m->o = *o;
    tls_context_ref(o->tls);
    m->mesh_name = mem_strndup(o->mesh_name);
    keep_hello(m, &o->hello);
    map_init(&m->peers, o->lanes->o.router->seed);
    list_init(&m->dirty);
    task_init(&m->flush, mesh_run_flush);
    timer_init(&m->tick, o->loop, on_tick);
    timer_start(&m->tick, MESH_PING_MS);
    o->lanes->mesh = m;
    return m;
}

void mesh_configure(struct mesh *m, struct tls_context *tls, struct slice mesh_name)
{
    tls_context_ref(tls);
    tls_context_unref(m->o.tls);
    m->o.tls = tls;
    mem_free(m->mesh_name);
    m->mesh_name = mem_strndup(mesh_name);
}

void mesh_shut(struct mesh *m)
{
    size_t pos = 0;
    struct mesh_peer *p;

    m->shut = true;
    while ((p = map_next(&m->peers, &pos)))
        mesh_forget(m, peer_name(p));
}

bool mesh_idle(const struct mesh *m)
{
    return map_count(&m->peers) == 0;
}

void mesh_close(struct mesh *m)
{
    assert(mesh_idle(m));
    timer_stop(&m->tick);
    task_cancel(&m->flush);
    m->o.lanes->mesh = NULL;
    map_fini(&m->peers);
    tls_context_unref(m->o.tls);
    mem_free(m->address);
    mem_free(m->mesh_name);
    mem_free(m);
}
