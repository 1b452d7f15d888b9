/* session/instances across nodes: whatever they hear, in whatever order, and however often they are
 * cut off from each other, they agree in the end on which connections of a component stay. COMP-12.
 */
#include "session/instances.h"

#include "base/random.h"
#include "sim/bed.h"
#include "sim/world.h"
#include "unit/test.h"

#define NODES   3
#define DOMAIN  SLICE("rooms.example")
#define OWN_MAX 64

/* What one node says to another, in order. */
struct wire_to {
    struct byteq bytes;
    bool up;
};

struct conn {
    uint64_t id;
    bool answered;
    bool ended; /* maybe before the answer is here */
    bool open;
};

struct node {
    struct cluster *c;
    unsigned index;
    char name[8];
    struct loop *loop;
    struct instances *s;
    uint64_t process;
    struct conn conns[OWN_MAX];
    size_t conn_count;
    uint64_t heard[NODES];                           /* by whom, up to which change of ours */
    struct table_place shown[INSTANCES_OF_NODE_MAX]; /* to the router */
    size_t shown_count;
    uint64_t shown_mark; /* of all together */
};

struct cluster {
    struct bed bed;
    struct world *w;
    struct random random;
    enum connections rule;
    struct node nodes[NODES];
    struct wire_to wires[NODES][NODES]; /* from, to */
    uint64_t next_id;
};

static struct conn *conn_of(struct node *n, uint64_t id)
{
    for (size_t i = 0; i < n->conn_count; i++)
        if (n->conns[i].id == id)
            return &n->conns[i];
    return NULL;
}

/* --- events --- */

static void on_joined(void *arg, struct slice pattern, const struct table_place *place)
{
    struct node *n = arg;

    CHECK(slice_eq(pattern, DOMAIN));
    CHECK_EQ(place->node.len != 0, conn_of(n, place->id) == NULL);
    CHECK(!slice_is(place->node, n->name));
    assert(n->shown_count < COUNT(n->shown));
    n->shown[n->shown_count++] = *place;
    n->shown_mark ^= place->mark;
}

static void on_left(void *arg, uint64_t id)
{
    struct node *n = arg;

    for (size_t i = 0; i < n->shown_count; i++) {
        if (n->shown[i].id != id)
            continue;
        n->shown_mark ^= n->shown[i].mark;
        n->shown[i] = n->shown[--n->shown_count];
        return;
    }
    CHECK(false);
}

static void on_replaced(void *arg, uint64_t id, unsigned worker)
{
    struct conn *c = conn_of(arg, id);

    CHECK(c && !c->ended);
    CHECK_EQ(worker, 1);
    c->ended = true;
    c->open = false;
}

static enum connections rule_of(void *arg, struct slice pattern)
{
    return ((struct node *)arg)->c->rule;
}

static const struct instances_events events = {on_joined, on_left, on_replaced, rule_of};

static void on_answer(void *arg, enum instances_join outcome)
{
    struct conn *c = arg;

    CHECK(!c->answered);
    c->answered = true;
    c->open = outcome == INSTANCE_JOINED && !c->ended;
}

/* --- the wires --- */

static void say(struct node *from, unsigned to, const struct frame *f)
{
    struct wire_to *wire = &from->c->wires[from->index][to];

    if (wire->up)
        frame_write(&wire->bytes, f);
}

static void tell(void *arg, const struct frame_components *change)
{
    struct frame f = {.type = FRAME_COMPONENTS, .components = *change};

    for (unsigned to = 0; to < NODES; to++)
        say(arg, to, &f);
}

static bool awaits(void *arg, uint64_t number)
{
    struct node *n = arg;

    for (unsigned to = 0; to < NODES; to++)
        if (n->c->wires[n->index][to].up && n->heard[to] < number)
            return true;
    return false;
}

static const struct instances_company company = {tell, awaits};

struct told_to {
    struct node *from;
    unsigned to;
};

static void tell_part(void *arg, const struct frame_components *part)
{
    struct told_to *t = arg;
    struct frame f = {.type = FRAME_COMPONENTS, .components = *part};

    say(t->from, t->to, &f);
}

static void meet(struct cluster *c, unsigned a, unsigned b)
{
    struct told_to both[2] = {{&c->nodes[a], b}, {&c->nodes[b], a}};

    if (c->wires[a][b].up)
        return;
    c->wires[a][b].up = c->wires[b][a].up = true;
    for (int i = 0; i < 2; i++) {
        both[i].from->heard[both[i].to] = 0;
        instances_tell_all(both[i].from->s, tell_part, &both[i]);
    }
}

/* `gone`: known to be so, or for so long that what it has counts as gone. */
static void part(struct cluster *c, unsigned a, unsigned b, bool gone)
{
    const unsigned both[2] = {a, b};

    for (int i = 0; i < 2; i++) {
        struct wire_to *wire = &c->wires[both[i]][both[!i]];

        wire->up = false;
        byteq_fini(&wire->bytes);
        byteq_init(&wire->bytes);
        if (gone)
            instances_forget(c->nodes[both[i]].s, slice_from(c->nodes[both[!i]].name));
        instances_heard(c->nodes[both[i]].s);
    }
}

/* One frame arrives. False: there is none. */
static bool deliver(struct cluster *c, unsigned from, unsigned to)
{
    struct wire_to *wire = &c->wires[from][to];
    struct node *n = &c->nodes[to];
    struct frame reply = {.type = FRAME_HEARD};
    struct arena arena;
    struct frame f;
    size_t used;

    arena_init(&arena);
    if (!wire->up || frame_next(byteq_slice(&wire->bytes), &arena, &f, &used)) {
        arena_fini(&arena);
        return false;
    }
    if (f.type == FRAME_HEARD) {
        n->heard[from] = f.heard.number;
        instances_heard(n->s);
    } else {
        CHECK(instances_hear(n->s, slice_from(c->nodes[from].name), c->nodes[from].process,
                             &f.components));
        reply.heard.number = f.components.number;
        if (!f.components.more)
            say(n, from, &reply);
    }
    byteq_take(&wire->bytes, used);
    arena_fini(&arena);
    return true;
}

static bool deliver_any(struct cluster *c)
{
    unsigned first = (unsigned)random_below(&c->random, NODES * NODES);

    for (unsigned i = 0; i < NODES * NODES; i++) {
        unsigned at = (first + i) % (NODES * NODES);

        if (deliver(c, at / NODES, at % NODES))
            return true;
    }
    return false;
}

/* --- components --- */

static struct conn *attach(struct node *n)
{
    struct conn *c = &n->conns[n->conn_count++];

    assert(n->conn_count <= OWN_MAX);
    memset(c, 0, sizeof(*c));
    c->id = ++n->c->next_id;
    instances_join(n->s, DOMAIN, c->id, 1, on_answer, c);
    return c;
}

static void detach(struct node *n, struct conn *c)
{
    c->ended = true;
    c->open = false;
    instances_leave(n->s, c->id);
}

static size_t open_count(struct cluster *c)
{
    size_t count = 0;

    for (unsigned i = 0; i < NODES; i++)
        for (size_t k = 0; k < c->nodes[i].conn_count; k++)
            count += c->nodes[i].conns[k].open;
    return count;
}

/* --- a cluster --- */

static void set_up(struct cluster *c, uint64_t seed, enum connections rule)
{
    memset(c, 0, sizeof(*c));
    bed_init(&c->bed);
    c->w = world_new(seed);
    world_use_host(c->w, world_host(c->w, "all", "10.0.0.1"));
    c->rule = rule;
    random_init_seeded(&c->random, seed);
    for (unsigned i = 0; i < NODES; i++) {
        struct node *n = &c->nodes[i];

        n->c = c;
        n->index = i;
        snprintf(n->name, sizeof(n->name), "n%u", i);
        n->process = 100 + i;
        n->loop = loop_new(&c->bed.counters, &c->bed.sink);
        n->s = instances_new(n->loop, &events, n);
        instances_meet(n->s, n->process, &company, n);
        for (unsigned k = 0; k < NODES; k++)
            byteq_init(&c->wires[i][k].bytes);
    }
}

static void meet_all(struct cluster *c)
{
    for (unsigned a = 0; a < NODES; a++)
        for (unsigned b = a + 1; b < NODES; b++)
            meet(c, a, b);
}

static void settle(struct cluster *c)
{
    do
        world_advance(c->w, 10);
    while (deliver_any(c));
    world_advance(c->w, INSTANCES_WAIT_MS);
    while (deliver_any(c))
        world_advance(c->w, 1);
}

static void tear_down(struct cluster *c)
{
    for (unsigned i = 0; i < NODES; i++) {
        instances_free(c->nodes[i].s);
        loop_free(c->nodes[i].loop);
        for (unsigned k = 0; k < NODES; k++)
            byteq_fini(&c->wires[i][k].bytes);
    }
    world_free(c->w);
    bed_fini(&c->bed);
}

/* --- what is promised --- */

static void check_agreed(struct cluster *c)
{
    for (unsigned i = 1; i < NODES; i++)
        CHECK_EQ(c->nodes[i].shown_mark, c->nodes[0].shown_mark);
    for (unsigned i = 0; i < NODES; i++)
        CHECK_EQ(c->nodes[i].shown_count, open_count(c));
}

TEST(instances, share_keeps_all_wherever_they_are)
{
    struct cluster c;

    set_up(&c, 1, CONNECTIONS_SHARE);
    attach(&c.nodes[0]); /* before they meet, */
    meet_all(&c);
    attach(&c.nodes[1]); /* and after */
    attach(&c.nodes[2]);
    attach(&c.nodes[2]);
    settle(&c);
    CHECK_EQ(open_count(&c), 4);
    check_agreed(&c);
    detach(&c.nodes[2], &c.nodes[2].conns[0]);
    settle(&c);
    CHECK_EQ(open_count(&c), 3);
    check_agreed(&c);
    tear_down(&c);
}

TEST(instances, replace_keeps_the_newest_of_all_nodes)
{
    struct cluster c;

    set_up(&c, 1, CONNECTIONS_REPLACE);
    meet_all(&c);
    attach(&c.nodes[0]);
    settle(&c);
    attach(&c.nodes[1]);
    settle(&c);
    CHECK(!c.nodes[0].conns[0].open);
    CHECK(c.nodes[1].conns[0].open);
    check_agreed(&c);
    tear_down(&c);
}

TEST(instances, refuse_keeps_the_first_of_all_nodes)
{
    struct cluster c;

    set_up(&c, 1, CONNECTIONS_REFUSE);
    meet_all(&c);
    attach(&c.nodes[0]);
    settle(&c);
    CHECK(c.nodes[0].conns[0].open);
    attach(&c.nodes[1]);
    settle(&c);
    CHECK(c.nodes[0].conns[0].open);
    CHECK(!c.nodes[1].conns[0].open && c.nodes[1].conns[0].answered);
    check_agreed(&c);
    tear_down(&c);
}

/* Both ask at once: neither is let in before it knows of the other. */
TEST(instances, refuse_lets_in_one_of_two_that_come_together)
{
    struct cluster c;
    struct conn *a;
    struct conn *b;

    set_up(&c, 1, CONNECTIONS_REFUSE);
    meet_all(&c);
    settle(&c);
    a = attach(&c.nodes[0]);
    b = attach(&c.nodes[1]);
    world_advance(c.w, 1);
    CHECK(!a->answered && !b->answered);
    while (deliver_any(&c)) {
        world_advance(c.w, 1);
        CHECK(!a->open || !b->open);
    }
    CHECK(a->answered && b->answered);
    CHECK_EQ(a->open + b->open, 1);
    settle(&c);
    check_agreed(&c);
    tear_down(&c);
}

TEST(instances, refuse_does_not_wait_for_the_silent)
{
    struct cluster c;
    struct conn *a;

    set_up(&c, 1, CONNECTIONS_REFUSE);
    meet_all(&c);
    a = attach(&c.nodes[0]); /* nothing is delivered */
    world_advance(c.w, INSTANCES_WAIT_MS - 1);
    CHECK(!a->answered);
    world_advance(c.w, 2);
    CHECK(a->open);
    tear_down(&c);
}

TEST(instances, a_node_that_is_gone_has_none)
{
    struct cluster c;

    set_up(&c, 1, CONNECTIONS_SHARE);
    meet_all(&c);
    attach(&c.nodes[0]);
    attach(&c.nodes[1]);
    settle(&c);
    part(&c, 0, 1, false);
    CHECK_EQ(c.nodes[1].shown_count, 2); /* it may be back in a moment */
    part(&c, 0, 1, true);
    CHECK_EQ(c.nodes[1].shown_count, 1);
    CHECK_EQ(c.nodes[2].shown_count, 2);
    tear_down(&c);
}

/* Another process under the old name: its list is all there is. */
TEST(instances, a_new_process_begins_with_none)
{
    struct cluster c;

    set_up(&c, 1, CONNECTIONS_SHARE);
    meet_all(&c);
    attach(&c.nodes[0]);
    settle(&c);
    part(&c, 0, 1, false);
    instances_free(c.nodes[0].s);
    c.nodes[0].s = instances_new(c.nodes[0].loop, &events, &c.nodes[0]);
    c.nodes[0].process = 777;
    c.nodes[0].conn_count = 0;
    instances_meet(c.nodes[0].s, 777, &company, &c.nodes[0]);
    meet(&c, 0, 1);
    settle(&c);
    CHECK_EQ(c.nodes[1].shown_count, 0);
    attach(&c.nodes[0]);
    settle(&c);
    CHECK_EQ(c.nodes[1].shown_count, 1);
    tear_down(&c);
}

TEST(instances, no_more_of_a_node_than_the_limit)
{
    struct cluster c;
    struct frame_component row = {DOMAIN, 0, 1, true};
    struct frame_components told = {.number = 1, .rows = &row, .row_count = 1};
    bool all = true;

    set_up(&c, 1, CONNECTIONS_SHARE);
    for (row.id = 1; row.id <= INSTANCES_OF_NODE_MAX; row.id++)
        all &= instances_hear(c.nodes[0].s, SLICE("n1"), 5, &told);
    CHECK(all);
    CHECK(!instances_hear(c.nodes[0].s, SLICE("n1"), 5, &told));
    tear_down(&c);
}

static void ignore_joined(void *arg, struct slice pattern, const struct table_place *place)
{
}

static void ignore_left(void *arg, uint64_t id)
{
}

static void ignore_answer(void *arg, enum instances_join outcome)
{
}

static void write_part(void *arg, const struct frame_components *part)
{
    struct frame f = {.type = FRAME_COMPONENTS, .components = *part};
    struct byteq out;

    byteq_init(&out);
    frame_write(&out, &f); /* asserts its bounds */
    byteq_fini(&out);
    *(size_t *)arg += part->row_count;
}

TEST(instances, a_list_of_long_names_fits_its_frames)
{
    static const struct instances_events deaf = {ignore_joined, ignore_left, on_replaced, rule_of};
    struct cluster c;
    struct instances *s;
    char name[FRAME_DOMAIN_MAX + 1];
    size_t count = 0;

    set_up(&c, 1, CONNECTIONS_SHARE);
    s = instances_new(c.nodes[0].loop, &deaf, &c.nodes[0]);
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "%0*u", FRAME_DOMAIN_MAX, i);
        instances_join(s, slice_from(name), i + 1, 0, ignore_answer, NULL);
    }
    instances_tell_all(s, write_part, &count);
    CHECK_EQ(count, 1000);
    instances_free(s);
    tear_down(&c);
}

static void random_move(struct cluster *c)
{
    struct node *n = &c->nodes[random_below(&c->random, NODES)];
    unsigned a = (unsigned)random_below(&c->random, NODES);
    unsigned b = (a + 1 + (unsigned)random_below(&c->random, NODES - 1)) % NODES;
    uint64_t kind = random_below(&c->random, 20);

    if (kind < 3 && n->conn_count < OWN_MAX)
        attach(n);
    else if (kind < 5 && n->conn_count)
        detach(n, &n->conns[random_below(&c->random, n->conn_count)]);
    else if (kind == 5)
        part(c, a, b, random_below(&c->random, 2));
    else if (kind == 6)
        meet(c, a, b);
    else if (kind < 15)
        deliver_any(c);
    else
        world_advance(c->w, random_below(&c->random, 300));
}

static void play(uint64_t seed)
{
    struct cluster c;

    set_up(&c, seed, (enum connections)(seed % 3));
    meet_all(&c);
    for (int i = 0; i < 400; i++)
        random_move(&c);
    meet_all(&c);
    settle(&c);
    check_agreed(&c);
    if (c.rule != CONNECTIONS_SHARE)
        CHECK(open_count(&c) <= 1);
    tear_down(&c);
}

TEST(instances, agree_in_the_end_whatever_they_hear)
{
    for (uint64_t seed = 1; seed <= 300; seed++)
        play(seed);
}

TESTS(TEST_OF(instances, share_keeps_all_wherever_they_are),
      TEST_OF(instances, replace_keeps_the_newest_of_all_nodes),
      TEST_OF(instances, refuse_keeps_the_first_of_all_nodes),
      TEST_OF(instances, refuse_lets_in_one_of_two_that_come_together),
      TEST_OF(instances, refuse_does_not_wait_for_the_silent),
      TEST_OF(instances, a_node_that_is_gone_has_none),
      TEST_OF(instances, a_new_process_begins_with_none),
      TEST_OF(instances, no_more_of_a_node_than_the_limit),
      TEST_OF(instances, a_list_of_long_names_fits_its_frames),
      TEST_OF(instances, agree_in_the_end_whatever_they_hear))
