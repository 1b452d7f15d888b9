#include "mesh/cluster.h"

#include "base/random.h"
#include "unit/test.h"

#define LOCAL   "rooms.example"
#define TICK_MS 200
#define PUMP_MS 7

/* Killed nodes stay in memory, as a dead process's do not. */
static struct node *graveyard[100000];
static size_t grave_count;

/* --- pairs --- */

static size_t pair_name(unsigned pair, char buf[64])
{
    return (size_t)snprintf(buf, 64, LOCAL " r%u.example", pair);
}

static unsigned pair_of(struct slice key)
{
    struct slice local;
    struct slice remote;
    uint64_t n = 0;

    router_pair_split(key, &local, &remote);
    CHECK(slice_is(local, LOCAL) && remote.ptr[0] == 'r');
    CHECK(slice_to_u64(slice_sub(remote, 1, slice_find(remote, '.') - 1), PAIRS_MAX, &n));
    return (unsigned)n;
}

/* --- what arrives --- */

static struct arrival *arrival(struct cluster *c, const struct arrival *like)
{
    struct arrival *a;

    for (size_t i = 0; i < c->arrival_count; i++) {
        a = &c->arrivals[i];
        if (a->ingress == like->ingress && a->worker == like->worker && a->pair == like->pair &&
            a->owner == like->owner)
            return a;
    }
    c->arrivals = mem_realloc(c->arrivals, (c->arrival_count + 1) * sizeof(*a));
    a = &c->arrivals[c->arrival_count++];
    *a = *like;
    return a;
}

/* In order of each ingress, and none twice: as long as the owner lives. */
static void note_arrival(struct port *p, const struct stanza *s)
{
    struct cluster *c = p->worker->node->cluster;
    struct arrival like = {.owner = p->worker->node->process, .pair = p->pair};
    struct arrival *a;
    char text[128];
    unsigned seq;
    unsigned long long ingress;

    snprintf(text, sizeof(text), "%.*s", (int)(s->wire.len < 120 ? s->wire.len : 120), s->wire.ptr);
    CHECK(strstr(text, " id='"));
    CHECK_EQ(sscanf(strstr(text, " id='"), " id='%llu.%u.%u'", &ingress, &like.worker, &seq), 3);
    like.ingress = ingress;
    a = arrival(c, &like);
    CHECK_MSG(seq > a->last_seq, "pair %u: %u of %llu.%u after %u", p->pair, seq, ingress,
              like.worker, a->last_seq);
    a->last_seq = seq;
    c->arrived++;
}

/* --- ports --- */

static void port_kick(struct outq *q)
{
}

static void port_fate(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                      struct slice detail)
{
    struct port *p = LIST_ENTRY(q, struct port, q);

    if (fate == FATE_SENT)
        note_arrival(p, s);
    router_fate(&p->worker->router, s, fate, why, detail);
}

static const struct outq_ops port_ops = {port_kick, port_fate};

static struct outq *port_queue(struct worker *w, unsigned pair)
{
    struct cluster *c = w->node->cluster;
    struct port *p;

    LIST_WALK(node, &w->ports)
    {
        p = LIST_ENTRY(node, struct port, node);
        if (p->pair == pair)
            return &p->q;
    }
    p = MEM_NEW(struct port);
    p->worker = w;
    p->pair = pair;
    outq_init(&p->q, &port_ops, &w->router.limits);
    if (c->ends[pair].open)
        outq_opened(&p->q, loop_now_ms(w->loop));
    list_push(&w->ports, &p->node);
    return &p->q;
}

/* What was written last time has arrived; some more is written. */
static void pump_port(struct port *p)
{
    struct cluster *c = p->worker->node->cluster;
    const struct far_end *end = &c->ends[p->pair];
    uint64_t now = loop_now_ms(p->worker->loop);

    if (p->q.open && !end->open) {
        outq_lost(&p->q);
        lane_port_changed(&p->q);
    } else if (!p->q.open && end->open) {
        outq_opened(&p->q, now);
        lane_port_changed(&p->q);
    }
    if (!p->q.open)
        return;
    outq_acked(&p->q, p->mark, now);
    for (unsigned i = 0; i < end->burst && outq_peek(&p->q); i++)
        outq_wrote(&p->q, ++p->mark);
}

static void on_pump(struct timer *t)
{
    struct worker *w = LIST_ENTRY(t, struct worker, pump);

    LIST_WALK(node, &w->ports)
    pump_port(LIST_ENTRY(node, struct port, node));
    timer_start(t, PUMP_MS);
}

static void close_port(struct port *p)
{
    list_remove(&p->node);
    lane_port_gone(&p->q);
    outq_fini(&p->q);
    mem_free(p);
}

/* --- the worker's ops --- */

static struct outq *op_pair(void *arg, struct slice key)
{
    struct worker *w = arg;
    unsigned pair = pair_of(key);

    CHECK_EQ(w->node->beliefs[pair].where, OWNER_SELF);
    return port_queue(w, pair);
}

static struct outq *op_instance(void *arg, uint64_t id)
{
    return NULL;
}

static struct lane_tx *op_lane(void *arg, unsigned worker, struct slice key)
{
    return lanes_to(((struct worker *)arg)->lanes, worker, key);
}

static struct lane_tx *op_away(void *arg, struct slice key)
{
    return lanes_away(((struct worker *)arg)->lanes, key);
}

static uint64_t op_now(void *arg)
{
    return loop_now_ms(((struct worker *)arg)->loop);
}

static const struct router_ops router_ops = {op_pair, op_instance, op_lane, op_now, op_away, NULL};

static struct outq *find_port(void *arg, struct slice key)
{
    return port_queue(arg, pair_of(key));
}

static void wake(void *arg)
{
}

static void on_hang(void *arg, struct outq *q)
{
    outq_lost(q);
    outq_opened(q, op_now(arg));
}

static void on_tick(struct timer *t)
{
    struct worker *w = LIST_ENTRY(t, struct worker, tick);

    router_tick(&w->router, on_hang);
    lanes_tick(w->lanes, loop_now_ms(w->loop));
    timer_start(t, TICK_MS);
}

/* --- owners --- */

static void find_owner(void *arg, struct slice key, struct owner *ret_owner)
{
    struct worker *w = arg;
    const struct belief *b = &w->node->beliefs[pair_of(key)];

    ret_owner->where = b->where;
    ret_owner->token = b->token;
    if (b->where == OWNER_NODE)
        ret_owner->node = slice_from(w->node->cluster->nodes[b->node]->name);
}

static bool accept_pair(void *arg, struct slice key)
{
    struct worker *w = arg;

    return w->node->beliefs[pair_of(key)].where == OWNER_SELF;
}

static unsigned node_of(const struct cluster *c, struct slice name)
{
    for (unsigned i = 0; i < c->node_count; i++)
        if (slice_is(name, c->nodes[i]->name))
            return i;
    fail();
    return 0;
}

static void on_refused(void *arg, struct slice key, struct slice by, const struct owner *hint)
{
    struct worker *w = arg;
    struct node *n = w->node;
    unsigned pair = pair_of(key);

    n->refused_count++;
    if (hint->where == OWNER_NODE && hint->token > n->beliefs[pair].token) {
        unsigned to = node_of(n->cluster, hint->node);

        n->beliefs[pair] =
            (struct belief){to == n->index ? OWNER_SELF : OWNER_NODE, to, hint->token};
    }
}

static const struct owner_ops owner_ops = {find_owner, accept_pair, on_refused};

static void decided(struct node *n, unsigned pair)
{
    char key[64];
    size_t len = pair_name(pair, key);

    for (unsigned i = 0; i < n->cluster->worker_count; i++)
        lanes_decided(n->workers[i].lanes, slice_make(key, len));
}

/* What the port has comes back to whoever gave it. */
static void give_up(struct node *n, unsigned pair)
{
    for (unsigned i = 0; i < n->cluster->worker_count; i++)
        LIST_WALK(node, &n->workers[i].ports)
        {
            struct port *p = LIST_ENTRY(node, struct port, node);

            if (p->pair != pair)
                continue;
            if (p->q.open)
                outq_acked(&p->q, p->mark, loop_now_ms(p->worker->loop));
            outq_flush(&p->q, true, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
            lane_port_gone(&p->q);
        }
}

void node_believe(struct node *n, unsigned pair, enum owner_where where, unsigned owner,
                  uint64_t token)
{
    bool ours = n->beliefs[pair].where == OWNER_SELF;

    n->beliefs[pair] = (struct belief){where, owner, token};
    if (ours && where != OWNER_SELF)
        give_up(n, pair);
    decided(n, pair);
}

void cluster_own(struct cluster *c, unsigned pair, unsigned owner)
{
    uint64_t token = ++c->next_token;

    for (unsigned i = 0; i < c->node_count; i++)
        if (c->nodes[i] && c->nodes[i]->alive)
            node_believe(c->nodes[i], pair, i == owner ? OWNER_SELF : OWNER_NODE, owner, token);
}

void cluster_hand_over(struct cluster *c, unsigned pair, unsigned to)
{
    uint64_t token = ++c->next_token;

    for (unsigned i = 0; i < c->node_count; i++)
        if (i != to && c->nodes[i]->alive && c->nodes[i]->beliefs[pair].where == OWNER_SELF)
            node_believe(c->nodes[i], pair, OWNER_NODE, to, token);
    node_believe(c->nodes[to], pair, OWNER_SELF, to, token);
}

void cluster_port(struct cluster *c, unsigned pair, bool open, unsigned burst)
{
    c->ends[pair] = (struct far_end){open, burst};
}

/* --- what comes in --- */

void worker_bring(struct worker *w, unsigned pair)
{
    struct cluster *c = w->node->cluster;
    static char body[70000];
    char id[64];
    char to[80];
    char domain[64];
    struct stanza_parts parts = {.kind = STANZA_MESSAGE, .from = SLICE("x@" LOCAL)};
    struct stanza *s;

    if (!body[0])
        memset(body, 'b', sizeof(body));
    snprintf(id, sizeof(id), "%llu.%u.%u", (unsigned long long)w->node->process, w->index,
             ++w->next_seq[pair]);
    snprintf(domain, sizeof(domain), "r%u.example", pair);
    snprintf(to, sizeof(to), "y@%s", domain);
    parts.to = slice_from(to);
    parts.id = slice_from(id);
    parts.inner = slice_make(body, random_below(&c->rnd, c->body_most) + 1);
    s = stanza_make(&parts);
    s->flags &= (uint8_t)~STANZA_MADE;
    s->accepted_ms = loop_now_ms(w->loop);
    stanza_set_domains(s, SLICE(LOCAL), slice_from(domain));
    c->accepted++;
    router_accept(&w->router, s, ROUTER_COMPONENT, NULL);
}

static void on_feed(struct timer *t)
{
    struct worker *w = LIST_ENTRY(t, struct worker, feed);
    struct cluster *c = w->node->cluster;

    if (!c->feeding)
        return;
    for (uint64_t n = 1 + random_below(&c->rnd, c->feed_most); n; n--)
        worker_bring(w, (unsigned)random_below(&c->rnd, c->pair_count));
    timer_start(t, 1 + random_below(&c->rnd, 2 * c->feed_ms));
}

/* --- nodes --- */

struct guest_msg {
    struct hop_msg msg;
    int fd;
    struct addr peer;
    char name[FRAME_NAME_MAX + 1];
};

static void deliver_guest(struct hop_msg *m, void *arg)
{
    struct guest_msg *g = LIST_ENTRY(m, struct guest_msg, msg);
    struct worker *w = arg;

    mesh_accept(w->mesh, g->fd, &g->peer, slice_from(g->name));
    mem_free(g);
}

static void on_guest(void *arg, int fd, const struct addr *peer, struct slice name)
{
    struct node *n = arg;
    struct guest_msg *g = MEM_NEW(struct guest_msg);

    g->fd = fd;
    g->peer = *peer;
    CHECK(slice_to_cstr(name, g->name, sizeof(g->name)));
    g->msg.deliver = deliver_guest;
    hop_post(n->workers[router_key_worker(&n->workers[0].router, name)].hop, &g->msg);
}

static void open_worker(struct node *n, unsigned index, const uint64_t seed[2])
{
    struct cluster *c = n->cluster;
    struct worker *w = &n->workers[index];
    struct table_rule rule = {.pattern = SLICE(LOCAL)};
    struct lanes_options o = {.port = find_port, .wake = wake, .arg = w, .owners = {&owner_ops, w}};

    w->node = n;
    w->index = index;
    w->loop = loop_new(&w->counters, &c->bed.sink);
    router_init(&w->router, &router_ops, w, index, c->worker_count, seed, &w->counters, &n->memory,
                &c->limits);
    router_configure(&w->router, &c->limits, &rule, 1);
    o.loop = w->loop;
    o.router = &w->router;
    w->lanes = lanes_open(&o);
    w->hop = hop_open(w->loop, w);
    list_init(&w->ports);
    timer_init(&w->tick, w->loop, on_tick);
    timer_start(&w->tick, TICK_MS);
    timer_init(&w->pump, w->loop, on_pump);
    timer_start(&w->pump, PUMP_MS);
    timer_init(&w->feed, w->loop, on_feed);
}

static void open_mesh(struct worker *w)
{
    struct node *n = w->node;
    struct tls_context *tls;
    const char *name = n->name;
    char error[64];
    struct mesh_options o = {
        .loop = w->loop,
        .lanes = w->lanes,
        .events = n->cluster->events,
        .arg = w,
        .pings = true,
        .hello = {.version_least = FRAME_VERSION_LEAST,
                  .version_most = FRAME_VERSION_MOST,
                  .node = slice_from(n->name),
                  .process = n->process,
                  .incarnation = n->process,
                  .worker_count = (uint16_t)n->cluster->worker_count},
    };

    CHECK_EQ(tls_context_new(&(struct tls_context_options){.chain_files = &name,
                                                           .key_files = &name,
                                                           .certificate_count = 1},
                             error, sizeof(error), &tls),
             OK);
    o.tls = tls;
    w->mesh = mesh_open(&o);
    tls_context_unref(tls);
}

static struct addr mesh_addr(const struct node *n)
{
    struct addr a;

    CHECK_EQ(addr_parse_ip(slice_from(n->ip), 5290, &a), OK);
    return a;
}

struct mesh *node_mesh(struct node *from, const struct node *to)
{
    return from->workers[router_key_worker(&from->workers[0].router, slice_from(to->name))].mesh;
}

static void want_each_other(struct node *a, struct node *b)
{
    struct addr at = mesh_addr(b);

    mesh_want(node_mesh(a, b), slice_from(b->name), &at);
    at = mesh_addr(a);
    mesh_want(node_mesh(b, a), slice_from(a->name), &at);
}

static void open_door(struct node *n)
{
    struct door_options o = {.steward = n->steward, .hand_over_node = on_guest, .arg = n};
    struct addr at = mesh_addr(n);

    n->door = door_new(&o);
    CHECK_EQ(door_listen(n->door, &at, -1, SITE_MESH), OK);
}

void cluster_start(struct cluster *c, unsigned index)
{
    struct node *n = MEM_NEW(struct node);
    struct hop *hops[WORKERS_MAX];
    uint64_t seed[2] = {random_u64(&c->rnd), random_u64(&c->rnd)};

    n->cluster = c;
    n->index = index;
    n->process = ++c->next_process;
    snprintf(n->name, sizeof(n->name), "edge-%u", index);
    snprintf(n->ip, sizeof(n->ip), "10.0.0.%u", index + 1);
    n->host = world_host(c->w, n->name, n->ip);
    n->alive = true;
    world_use_host(c->w, n->host);
    n->steward = loop_new(&n->counters, &c->bed.sink);
    for (unsigned i = 0; i < c->worker_count; i++) {
        open_worker(n, i, seed);
        hops[i] = lanes_hop(n->workers[i].lanes);
    }
    for (unsigned i = 0; i < c->worker_count; i++) {
        lanes_connect(n->workers[i].lanes, hops, c->worker_count);
        open_mesh(&n->workers[i]);
        timer_start(&n->workers[i].feed, random_below(&c->rnd, 20));
    }
    open_door(n);
    c->nodes[index] = n;
    for (unsigned i = 0; i < c->node_count; i++)
        if (i != index && c->nodes[i] && c->nodes[i]->alive)
            want_each_other(n, c->nodes[i]);
}

void cluster_kill(struct cluster *c, unsigned index)
{
    struct node *n = c->nodes[index];

    n->alive = false;
    host_kill(n->host);
    graveyard[grave_count++] = n;
}

void cluster_bury(struct cluster *c, unsigned index)
{
    for (unsigned i = 0; i < c->node_count; i++)
        for (unsigned w = 0; c->nodes[i]->alive && w < c->worker_count; w++)
            lanes_node_gone(c->nodes[i]->workers[w].lanes, slice_from(c->nodes[index]->name),
                            c->nodes[index]->process);
}

/* --- counting --- */

uint64_t node_count_of(const struct node *n, unsigned first, unsigned last)
{
    uint64_t sum = 0;

    for (unsigned w = 0; w < n->cluster->worker_count; w++)
        for (unsigned i = first; i <= last; i++)
            sum += counter_read(&n->workers[w].counters, i);
    return sum;
}

uint64_t node_in(const struct node *n)
{
    return node_count_of(n, COUNTER_IN_COMPONENT_MESSAGE, COUNTER_IN_S2S_IQ);
}

uint64_t node_out(const struct node *n)
{
    return node_count_of(n, COUNTER_OUT_COMPONENT_MESSAGE, COUNTER_OUT_S2S_IQ);
}

uint64_t node_ended(const struct node *n)
{
    return node_count_of(n, COUNTER_BOUNCED, COUNTER_BOUNCED_END) +
           node_count_of(n, COUNTER_DROPPED, COUNTER_DROPPED_END);
}

uint64_t node_held(const struct node *n)
{
    uint64_t sum = 0;

    for (unsigned w = 0; w < n->cluster->worker_count; w++)
        sum += atomic_load(&n->workers[w].router.held_count);
    return sum;
}

uint64_t cluster_held(const struct cluster *c)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < c->node_count; i++)
        if (c->nodes[i]->alive)
            sum += node_held(c->nodes[i]);
    return sum;
}

/* Ports too: what came from a node that died since is theirs alone. */
static bool is_settled(void *arg)
{
    struct cluster *c = arg;

    for (unsigned i = 0; i < c->node_count; i++)
        for (unsigned w = 0; c->nodes[i]->alive && w < c->worker_count; w++)
            LIST_WALK(node, &c->nodes[i]->workers[w].ports)
    if (outq_count(&LIST_ENTRY(node, struct port, node)->q))
        return false;
    return cluster_held(c) == 0;
}

bool cluster_settle(struct cluster *c, uint64_t max_ms)
{
    return world_run_until(c->w, is_settled, c, max_ms);
}

struct seen {
    const char *node;
    bool up;
};

static void see_row(void *arg, const struct mesh_row *row)
{
    struct seen *s = arg;

    if (slice_is(row->node, s->node))
        s->up = row->up;
}

static bool sees(struct node *a, struct node *b)
{
    struct seen s = {b->name, false};

    mesh_walk(node_mesh(a, b), see_row, &s);
    return s.up;
}

bool cluster_meshed(struct cluster *c, unsigned a, unsigned b)
{
    return sees(c->nodes[a], c->nodes[b]) && sees(c->nodes[b], c->nodes[a]);
}

/* --- life --- */

void cluster_open(struct cluster *c, uint64_t seed, unsigned nodes, unsigned workers,
                  unsigned pairs)
{
    memset(c, 0, sizeof(*c));
    bed_init(&c->bed);
    c->w = world_new(seed);
    random_init_seeded(&c->rnd, seed);
    c->node_count = nodes;
    c->worker_count = workers;
    c->pair_count = pairs;
    c->feed_ms = 20;
    c->feed_most = 4;
    c->body_most = 400;
    c->limits = (struct outq_limits){1000, 1 << 20, 60000, 2000, true};
    for (unsigned i = 0; i < pairs; i++)
        c->ends[i] = (struct far_end){true, 10};
    for (unsigned i = 0; i < nodes; i++)
        cluster_start(c, i);
}

static void check_balance(const struct node *n)
{
    CHECK_EQ(node_held(n), 0);
    CHECK_EQ(node_in(n), node_out(n) + node_ended(n));
    CHECK_EQ(mem_used((struct mem_budget *)&n->memory), 0);
}

static void close_ports(struct worker *w)
{
    LIST_WALK(node, &w->ports)
    close_port(LIST_ENTRY(node, struct port, node));
}

static bool is_idle(void *arg)
{
    struct cluster *c = arg;

    for (unsigned i = 0; i < c->node_count; i++)
        for (unsigned w = 0; c->nodes[i]->alive && w < c->worker_count; w++)
            if (!lanes_idle(c->nodes[i]->workers[w].lanes) ||
                !mesh_idle(c->nodes[i]->workers[w].mesh))
                return false;
    return true;
}

static void free_worker(struct worker *w)
{
    timer_stop(&w->tick);
    timer_stop(&w->pump);
    timer_stop(&w->feed);
    hop_close(w->hop);
    router_fini(&w->router);
    mesh_close(w->mesh);
    lanes_close(w->lanes);
}

static void free_node(struct node *n)
{
    unsigned workers = n->cluster->worker_count;

    door_free(n->door);
    for (unsigned i = 0; i < workers; i++)
        free_worker(&n->workers[i]);
    world_advance(n->cluster->w, 10);
    for (unsigned i = 0; i < workers; i++)
        loop_free(n->workers[i].loop);
    loop_free(n->steward);
    mem_free(n);
}

void cluster_close(struct cluster *c)
{
    for (unsigned i = 0; i < c->node_count; i++) {
        if (!c->nodes[i]->alive)
            continue;
        check_balance(c->nodes[i]);
        for (unsigned w = 0; w < c->worker_count; w++) {
            close_ports(&c->nodes[i]->workers[w]);
            lanes_give_up(c->nodes[i]->workers[w].lanes);
            mesh_shut(c->nodes[i]->workers[w].mesh);
        }
    }
    CHECK(world_run_until(c->w, is_idle, c, 60000));
    for (unsigned i = 0; i < c->node_count; i++)
        if (c->nodes[i]->alive)
            free_node(c->nodes[i]);
    world_free(c->w);
    mem_free(c->arrivals);
    bed_fini(&c->bed);
}
