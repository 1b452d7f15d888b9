/* Nodes with a mesh between them: what each promise is about, one at a time. */
#include "link/lanes_private.h"
#include "mesh/cluster.h"
#include "session/trunk.h"
#include "unit/test.h"

static struct cluster c;

static bool all_meshed(void *arg)
{
    for (unsigned a = 0; a < c.node_count; a++)
        for (unsigned b = a + 1; b < c.node_count; b++)
            if (!cluster_meshed(&c, a, b))
                return false;
    return true;
}

static void set_up(uint64_t seed, unsigned nodes, unsigned workers, unsigned pairs)
{
    cluster_open(&c, seed, nodes, workers, pairs);
    for (unsigned p = 0; p < pairs; p++)
        cluster_own(&c, p, p % nodes);
    CHECK(world_run_until(c.w, all_meshed, NULL, 5000));
    world_advance(c.w, 500); /* those that cross have passed */
}

static void bring(unsigned node, unsigned pair, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        worker_bring(&c.nodes[node]->workers[i % c.worker_count], pair);
}

TEST(mesh, carries_to_the_owner_and_brings_fates_back)
{
    for (unsigned workers = 1; workers <= 3; workers++)
        for (uint64_t seed = 1; seed <= 5; seed++) {
            set_up(seed, 2, workers, 4);
            for (unsigned pair = 0; pair < 4; pair++) {
                bring(0, pair, 50);
                bring(1, pair, 50);
            }
            CHECK_EQ(cluster_held(&c), 400);
            CHECK(cluster_settle(&c, 5000));
            CHECK_EQ(c.arrived, 400);
            CHECK(node_out(c.nodes[0]) == 200 && node_out(c.nodes[1]) == 200);
            CHECK_EQ(node_count_of(c.nodes[0], COUNTER_OUT_MESH_MESSAGE, COUNTER_OUT_MESH_IQ), 100);
            CHECK_EQ(node_count_of(c.nodes[0], COUNTER_IN_MESH_MESSAGE, COUNTER_IN_MESH_IQ), 100);
            cluster_close(&c);
        }
}

/* CLUST-02: the ingress makes the bounce, and counts it. */
TEST(mesh, the_ingress_bounces_what_the_owner_cannot_send)
{
    set_up(1, 2, 2, 2);
    cluster_port(&c, 1, false, 0);
    bring(0, 1, 20);
    CHECK(cluster_settle(&c, 70000));
    CHECK_EQ(c.arrived, 0);
    CHECK_EQ(node_ended(c.nodes[0]), 20);
    CHECK_EQ(node_ended(c.nodes[1]), 0);
    CHECK_EQ(counter_read(&c.nodes[0]->workers[0].counters, COUNTER_BOUNCED + BOUNCE_AGE) +
                 counter_read(&c.nodes[0]->workers[1].counters, COUNTER_BOUNCED + BOUNCE_AGE),
             20);
    cluster_close(&c);
}

/* A connection that breaks, again and again: no stanza twice, none lost, no fate either. */
TEST(mesh, a_lane_goes_on_over_the_next_connection)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        set_up(seed, 2, 2, 2);
        for (unsigned round = 0; round < 10; round++) {
            unsigned side = round % 2;

            bring(0, 1, 100);
            world_advance(c.w, random_below(&c.rnd, 40));
            mesh_cut(node_mesh(c.nodes[side], c.nodes[1 - side]),
                     slice_from(c.nodes[1 - side]->name), "test");
            world_advance(c.w, random_below(&c.rnd, 400));
        }
        CHECK(cluster_settle(&c, 20000));
        CHECK_EQ(c.arrived, 1000);
        CHECK_EQ(node_out(c.nodes[0]), 1000);
        cluster_close(&c);
    }
}

/* One direction silent is as good as both: three PINGs. */
TEST(mesh, notices_a_cut_in_one_direction)
{
    set_up(3, 2, 1, 2);
    world_cut(c.w, c.nodes[0]->host, c.nodes[1]->host, true);
    bring(1, 0, 10); /* arrives; what is said of it does not */
    world_advance(c.w, 5500);
    CHECK(!cluster_meshed(&c, 0, 1));
    CHECK_EQ(c.arrived, 10);
    CHECK_EQ(cluster_held(&c), 10);
    world_cut(c.w, c.nodes[0]->host, c.nodes[1]->host, false);
    CHECK(cluster_settle(&c, 8000));
    CHECK_EQ(c.arrived, 10);
    CHECK_EQ(node_out(c.nodes[1]), 10);
    cluster_close(&c);
}

static void note_dialled(void *arg, const struct mesh_row *row)
{
    *(bool *)arg = row->dialled;
}

/* By `a`; there is one peer. */
static bool is_dialled(struct node *a, const struct node *b)
{
    bool dialled = false;

    mesh_walk(node_mesh(a, b), note_dialled, &dialled);
    return dialled;
}

/* Both dial at the same moment: one connection stays, whoever was first. */
TEST(mesh, of_two_that_cross_one_stays)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        cluster_open(&c, seed, 2, 1 + seed % 3, 2);
        world_advance(c.w, 3000);
        CHECK(cluster_meshed(&c, 0, 1));
        CHECK(is_dialled(c.nodes[0], c.nodes[1])); /* that of the smaller name */
        cluster_own(&c, 0, 0);
        cluster_own(&c, 1, 1);
        bring(0, 1, 5);
        CHECK(cluster_settle(&c, 1000));
        cluster_close(&c);
    }
}

/* A view out of date costs one way more; the hint is followed. */
TEST(mesh, a_refusal_names_the_owner)
{
    set_up(5, 3, 2, 1);
    cluster_own(&c, 0, 1);
    cluster_hand_over(&c, 0, 2); /* the first node does not know */
    bring(0, 0, 40);
    CHECK(cluster_settle(&c, 3000));
    CHECK_EQ(c.arrived, 40);
    CHECK(c.nodes[0]->refused_count >= 1 && c.nodes[0]->refused_count <= 2);
    CHECK_EQ(c.nodes[0]->beliefs[0].node, 2);
    cluster_close(&c);
}

static size_t logged(const char *event)
{
    struct slice rest = byteq_slice(&c.bed.lines);
    size_t count = 0;

    for (;; count++) {
        const char *at = rest.len ? memmem(rest.ptr, rest.len, event, strlen(event)) : NULL;

        if (!at)
            return count;
        rest = slice_from_offset(rest, (size_t)(at - rest.ptr) + 1);
    }
}

/* Tried every other second, told of once a minute. */
TEST(mesh, a_node_that_cannot_be_reached_does_not_fill_the_log)
{
    set_up(8, 2, 1, 1);
    byteq_take(&c.bed.lines, byteq_len(&c.bed.lines));
    cluster_kill(&c, 1);
    world_advance(c.w, 150000);
    CHECK(logged("mesh.failed") >= 3 && logged("mesh.failed") <= 4);
    CHECK(logged("attempts=") == logged("mesh.failed"));
    cluster_start(&c, 1);
    world_advance(c.w, 5000);
    CHECK(cluster_meshed(&c, 0, 1));
    cluster_close(&c);
}

/* Nobody knows better: it is asked again, slower and slower. */
TEST(mesh, a_refusal_without_a_hint_backs_off)
{
    set_up(6, 2, 1, 1);
    cluster_own(&c, 0, 1);
    node_believe(c.nodes[1], 0, OWNER_UNKNOWN, 0, c.next_token);
    bring(0, 0, 10);
    world_advance(c.w, 10000);
    CHECK(c.nodes[0]->refused_count >= 5 && c.nodes[0]->refused_count <= 14);
    CHECK_EQ(cluster_held(&c), 10);
    node_believe(c.nodes[1], 0, OWNER_SELF, 1, c.next_token);
    CHECK(cluster_settle(&c, 3000));
    CHECK_EQ(c.arrived, 10);
    cluster_close(&c);
}

/* What waits for a decision waits in order, and ages. */
TEST(mesh, an_undecided_pair_waits_in_its_ingress)
{
    set_up(7, 2, 2, 2);
    node_believe(c.nodes[0], 1, OWNER_UNKNOWN, 0, 0);
    bring(0, 1, 30);
    world_advance(c.w, 1000);
    CHECK_EQ(c.arrived, 0);
    node_believe(c.nodes[0], 1, OWNER_NODE, 1, c.next_token);
    CHECK(cluster_settle(&c, 2000));
    CHECK_EQ(c.arrived, 30);
    node_believe(c.nodes[0], 1, OWNER_UNKNOWN, 0, 0);
    bring(0, 1, 30);
    CHECK(cluster_settle(&c, 70000));
    CHECK_EQ(c.arrived, 30);
    CHECK_EQ(node_ended(c.nodes[0]), 30);
    cluster_close(&c);
}

/* CLUST-05: another process under its name has nothing of what the old one had. */
TEST(mesh, a_restarted_owner_gets_everything_anew)
{
    for (uint64_t seed = 1; seed <= 30; seed++) {
        set_up(seed, 2, 2, 1);
        cluster_own(&c, 0, 1);
        cluster_port(&c, 0, false, 0);
        bring(0, 0, 200);
        world_advance(c.w, 500);
        cluster_kill(&c, 1);
        world_advance(c.w, random_below(&c.rnd, 2000));
        cluster_start(&c, 1);
        cluster_own(&c, 0, 1);
        cluster_port(&c, 0, true, 10);
        CHECK(cluster_settle(&c, 10000));
        CHECK_EQ(c.arrived, 200);
        CHECK_EQ(node_out(c.nodes[0]), 200);
        cluster_close(&c);
    }
}

/* ... or a third node does, after the burial. */
TEST(mesh, a_burial_brings_back_what_the_dead_had)
{
    set_up(8, 3, 2, 1);
    cluster_own(&c, 0, 1);
    cluster_port(&c, 0, false, 0);
    bring(0, 0, 200);
    world_advance(c.w, 500);
    cluster_kill(&c, 1);
    world_advance(c.w, 3000);
    CHECK_EQ(cluster_held(&c), 200);
    cluster_own(&c, 0, 2);
    cluster_bury(&c, 1);
    cluster_port(&c, 0, true, 10);
    CHECK(cluster_settle(&c, 5000));
    CHECK_EQ(c.arrived, 200);
    cluster_close(&c);
}

/* CLUST-05: buried, it goes on as another incarnation, and may own the pair again before we hear
 * that the old one left: what it has is not sent twice. */
TEST(mesh, a_burial_of_who_lives_on_brings_nothing_back)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        set_up(seed, 2, 2, 1);
        cluster_own(&c, 0, 1);
        cluster_port(&c, 0, false, 0);
        bring(0, 0, 30);
        world_advance(c.w, 500);
        cluster_bury(&c, 1);
        world_advance(c.w, 500);
        cluster_port(&c, 0, true, 10);
        CHECK(cluster_settle(&c, 5000));
        CHECK_EQ(c.arrived, 30);
        cluster_close(&c);
    }
}

/* ... nor when it was out of reach then, and its ingress has taken everything back. */
TEST(mesh, what_its_ingress_took_back_is_not_sent)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        set_up(seed, 2, 2, 1);
        cluster_own(&c, 0, 1);
        cluster_port(&c, 0, false, 0);
        bring(0, 0, 30);
        world_advance(c.w, 500);
        world_part(c.w, c.nodes[0]->host, c.nodes[1]->host, true);
        world_advance(c.w, 6000);
        cluster_bury(&c, 1);
        world_part(c.w, c.nodes[0]->host, c.nodes[1]->host, false);
        world_advance(c.w, 6000);
        cluster_port(&c, 0, true, 10);
        CHECK(cluster_settle(&c, 5000));
        CHECK_EQ(c.arrived, 30);
        cluster_close(&c);
    }
}

/* LIMIT-10: credit bounds what a slow port's ingress may have under way; nobody else waits. */
TEST(mesh, a_slow_port_holds_up_no_other)
{
    set_up(9, 2, 1, 4);
    cluster_port(&c, 1, true, 0);
    bring(0, 1, 300);
    bring(0, 3, 300);
    world_advance(c.w, 2000);
    CHECK_EQ(c.arrived, 300);
    CHECK(mem_used(&c.nodes[1]->memory) < 64 * 1024); /* of 300 stanzas some 130 KB */
    cluster_port(&c, 1, true, 10);
    CHECK(cluster_settle(&c, 5000));
    CHECK_EQ(c.arrived, 600);
    cluster_close(&c);
}

/* Stanzas greater than any window. */
TEST(mesh, big_stanzas_travel_one_at_a_time)
{
    set_up(10, 2, 2, 2);
    c.body_most = 60000;
    bring(0, 1, 60);
    CHECK(cluster_settle(&c, 20000));
    CHECK_EQ(c.arrived, 60);
    cluster_close(&c);
}

/* --- what operators ask --- */

static struct {
    unsigned answers, last_answers, hellos, downs;
    uint64_t parts; /* as they came: the number of each, in order */
    bool ordered;
    char digests[NODES_MAX]; /* the other's, as a node heard it last */
    bool cut;                /* it, when an answer comes */
} heard;

static void note_digest(const struct worker *w, const struct frame_hello *h)
{
    heard.digests[w->node->index] = h->peers_digest.len ? h->peers_digest.ptr[0] : '-';
}

static void on_frame(void *arg, struct slice node, const struct frame *f)
{
    struct worker *w = arg;
    struct frame pong = {.type = FRAME_PONG, .pong = {.number = f->ping.number}};

    if (f->type == FRAME_PING)
        mesh_send(w->mesh, node, &pong);
    if (f->type == FRAME_HELLO) {
        heard.hellos++;
        note_digest(w, &f->hello);
    }
    if (f->type != FRAME_ANSWER)
        return;
    if (heard.cut)
        mesh_cut(w->mesh, node, "a test");
    heard.answers++;
    heard.last_answers += !f->answer.more;
    heard.ordered &= f->answer.number == heard.parts;
    heard.parts = f->answer.number + 1;
}

static void on_up(void *arg, const struct frame_hello *hello)
{
    struct worker *w = arg;

    note_digest(w, hello);
}

static void on_down(void *arg, struct slice node, const char *reason)
{
    (void)arg;
    (void)node;
    (void)reason;
    heard.downs++;
}

static const struct mesh_events ears = {on_up, on_down, on_frame};

static void set_up_ears(uint64_t seed)
{
    set_up(seed, 2, 1, 2);
    cluster_kill(&c, 0);
    cluster_kill(&c, 1);
    c.events = &ears;
    cluster_start(&c, 0);
    cluster_start(&c, 1);
    cluster_own(&c, 0, 0);
    cluster_own(&c, 1, 1);
    world_advance(c.w, 2000);
    CHECK(cluster_meshed(&c, 0, 1));
    memset(&heard, 0, sizeof(heard));
    heard.ordered = true;
}

static void answer(struct node *from, const struct node *to, uint64_t number, bool more,
                   size_t bytes)
{
    static char body[32 << 10];
    struct frame f = {.type = FRAME_ANSWER, .answer = {number, more, slice_make(body, bytes)}};

    CHECK(mesh_send(node_mesh(from, to), slice_from(to->name), &f));
}

/* Promises are PONGs: three that are late end the connection. 6 MiB take a minute on this wire. */
TEST(mesh, a_long_answer_holds_up_neither_promises_nor_stanzas)
{
    set_up_ears(11);
    world_set_buffers(c.w, 16384, 16384);
    world_set_speed(c.w, c.nodes[0]->host, c.nodes[1]->host, 100);
    for (unsigned i = 0; i < 191; i++)
        answer(c.nodes[0], c.nodes[1], i, true, 32 << 10);
    answer(c.nodes[0], c.nodes[1], 191, false, 32 << 10);
    world_advance(c.w, 5000);
    CHECK_EQ(heard.downs, 0);
    CHECK(heard.answers > 2 && heard.answers < 100);
    bring(0, 1, 100);
    CHECK(cluster_settle(&c, 10000));
    CHECK(heard.answers < 150);
    world_advance(c.w, 80000);
    CHECK_EQ(heard.answers, 192);
    CHECK_EQ(heard.last_answers, 1);
    CHECK(heard.ordered);
    CHECK_EQ(heard.downs, 0);
    cluster_close(&c);
}

TEST(mesh, who_asks_and_does_not_read_loses_answers_only)
{
    const size_t room = MESH_ANSWER_BYTES_MAX / (32 << 10);

    set_up_ears(12);
    world_set_speed(c.w, c.nodes[0]->host, c.nodes[1]->host, 1000);
    for (unsigned i = 0; i < 2 * room; i++)
        answer(c.nodes[0], c.nodes[1], i, true, 32 << 10);
    world_advance(c.w, 60000);
    CHECK(heard.answers >= room && heard.answers < room + room / 4);
    CHECK_EQ(heard.downs, 0);
    answer(c.nodes[0], c.nodes[1], 7, false, 10); /* there is room again */
    world_advance(c.w, 1000);
    CHECK_EQ(heard.last_answers, 1);
    cluster_close(&c);
}

static void change_digest(struct node *n, const struct node *to, char digest)
{
    char text[FRAME_DIGEST_LEN];
    struct frame_hello h = {.version_least = FRAME_VERSION_LEAST,
                            .version_most = FRAME_VERSION_MOST,
                            .node = slice_from(n->name),
                            .process = n->process,
                            .incarnation = n->process,
                            .peers_digest = slice_make(text, sizeof(text))};

    memset(text, digest, sizeof(text));
    mesh_set_hello(node_mesh(n, to), &h);
}

/* A reload changes digests; who is connected hears it, and so does who connects meanwhile. */
TEST(mesh, says_hello_again_with_news)
{
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct node *a, *b;

        set_up_ears(20 + seed);
        a = c.nodes[0];
        b = c.nodes[1];
        change_digest(a, b, 'b');
        world_advance(c.w, 500);
        CHECK_EQ(heard.hellos, 1);
        CHECK_EQ(heard.digests[1], 'b');
        CHECK_EQ(heard.downs, 0);
        world_set_latency(c.w, a->host, b->host, 50000, 60000);
        world_set_latency(c.w, b->host, a->host, 50000, 60000);
        mesh_cut(node_mesh(a, b), slice_from(b->name), "a test");
        world_advance(c.w, 20 * seed); /* before it dials, meanwhile, or after */
        change_digest(a, b, 'c');
        change_digest(b, a, 'd');
        world_advance(c.w, 5000);
        CHECK(cluster_meshed(&c, 0, 1));
        CHECK(heard.digests[0] == 'd' && heard.digests[1] == 'c');
        cluster_close(&c);
    }
}

/* --- what a sound peer never says --- */

static void check_cut_off(const struct frame *f)
{
    set_up_ears(30);
    CHECK(mesh_send(node_mesh(c.nodes[0], c.nodes[1]), slice_from(c.nodes[1]->name), f));
    world_advance(c.w, 500);
    CHECK_EQ(heard.downs, 2); /* at both */
    world_advance(c.w, 3000);
    CHECK(cluster_meshed(&c, 0, 1));
    CHECK_EQ(heard.downs, 2);
    cluster_close(&c);
}

/* A lane of the tenth worker; there is one. */
#define NO_LANE ((uint64_t)9 << 48 | 1)

TEST(mesh, a_word_that_makes_no_sense_ends_the_connection)
{
    const struct frame_run run = {.last_seq = 1, .fate = FRAME_SENT};
    const struct frame senseless[] = {
        {.type = FRAME_OPEN, .open = {.lane = 1, .generation = 1, .key = SLICE("rooms.example")}},
        {.type = FRAME_OPEN, .open = {.lane = 1, .generation = 1, .key = SLICE("rooms.example ")}},
        {.type = FRAME_OPEN, .open = {.lane = 1, .generation = 1, .key = SLICE(" r1.example")}},
        {.type = FRAME_DATA,
         .data = {.lane = 99, .generation = 1, .seq = 1, .wire = SLICE("<message/>")}},
        {.type = FRAME_DONE,
         .done = {.lane = NO_LANE, .generation = 1, .runs = (struct frame_run *)&run, 1}},
        {.type = FRAME_CREDIT, .credit = {.lane = NO_LANE, .generation = 1, .expected = 1}},
        {.type = FRAME_REFUSE, .refuse = {.lane = NO_LANE, .generation = 1}},
        {.type = FRAME_HELLO,
         .hello = {.version_least = FRAME_VERSION_LEAST,
                   .version_most = FRAME_VERSION_MOST,
                   .node = SLICE("edge-0"),
                   .process = 1000}},
    };

    for (size_t i = 0; i < COUNT(senseless); i++)
        check_cut_off(&senseless[i]);
}

/* Workers that have not heard yet that it is gone still write for the connection before. */
TEST(mesh, a_batch_for_a_connection_that_is_gone_goes_nowhere)
{
    struct far_batch *b;

    set_up_ears(31);
    b = far_batch_new(slice_from(c.nodes[1]->name), 1000);
    far_batch_add(b, FAR_CREDIT, NO_LANE, 1);
    mesh_take_batch(node_mesh(c.nodes[0], c.nodes[1]), b);
    world_advance(c.w, 500);
    CHECK_EQ(heard.downs, 0);
    cluster_close(&c);
}

/* What waited for room goes nowhere either: the lane says it again when it goes on. */
TEST(mesh, what_waited_for_a_connection_ends_with_it)
{
    struct mesh *m;

    set_up_ears(32);
    bring(0, 1, 1); /* so that no lane is opened by what waits */
    CHECK(cluster_settle(&c, 5000));
    m = node_mesh(c.nodes[0], c.nodes[1]);
    world_set_buffers(c.w, 16384, 16384);
    world_set_speed(c.w, c.nodes[0]->host, c.nodes[1]->host, 100);
    for (unsigned i = 0; i < 6; i++)
        answer(c.nodes[0], c.nodes[1], i, true, 32 << 10);
    bring(0, 1, 20);
    world_advance(c.w, 100);
    CHECK_EQ(node_count_of(c.nodes[0], COUNTER_OUT_MESH_MESSAGE, COUNTER_OUT_MESH_IQ), 1);
    mesh_cut(m, slice_from(c.nodes[1]->name), "a test");
    world_set_speed(c.w, c.nodes[0]->host, c.nodes[1]->host, 0);
    CHECK(cluster_settle(&c, 10000));
    CHECK_EQ(c.arrived, 21);
    CHECK_EQ(heard.downs, 2);
    cluster_close(&c);
}

/* ... of a node that dies, say: what it reports as sent is not sent by another. */
TEST(mesh, the_last_words_of_a_connection_are_heard)
{
    struct frame_run run = {.last_seq = 5, .fate = FRAME_SENT};
    struct frame f = {.type = FRAME_DONE, .done = {.lane = 1, .generation = 1, &run, 1}};
    struct node *a, *b;

    set_up_ears(34);
    a = c.nodes[0];
    b = c.nodes[1];
    cluster_port(&c, 1, true, 0);
    bring(0, 1, 10);
    world_advance(c.w, 100);
    CHECK_EQ(node_out(a), 0);
    heard.cut = true;
    CHECK(mesh_send(node_mesh(b, a), slice_from(a->name), &f));
    answer(b, a, 0, false, 10);
    world_advance(c.w, 50);
    CHECK_EQ(heard.downs, 2);
    CHECK_EQ(node_out(a), 5);
    heard.cut = false;
    cluster_port(&c, 1, true, 10);
    CHECK(cluster_settle(&c, 10000));
    CHECK_EQ(c.arrived, 10);
    cluster_close(&c);
}

/* --- a second connection of the same dialler --- */

static struct {
    struct trunk *trunk;
    bool opened;
} twin;

static void twin_opened(void *arg, const struct frame_hello *hello)
{
    twin.opened = true;
}

static void twin_frame(void *arg, const struct frame *f)
{
}

static void twin_writable(void *arg)
{
}

static void twin_closed(void *arg, const struct trunk_end *end)
{
    twin.trunk = NULL;
}

/* As `n` would dial itself. */
static void dial_twin(struct node *n, const char *to)
{
    static const struct trunk_handler h = {twin_opened, twin_frame, twin_writable, twin_closed};
    struct frame_hello hello = {.version_least = FRAME_VERSION_LEAST,
                                .version_most = FRAME_VERSION_MOST,
                                .node = slice_from(n->name),
                                .process = n->process,
                                .incarnation = n->process};
    struct trunk_options o = {.peer = slice_from(to), .hello = &hello, .open_ms = 5000};
    const char *name = n->name;
    char error[64];
    struct addr at;

    memset(&twin, 0, sizeof(twin));
    CHECK_EQ(tls_context_new(&(struct tls_context_options){.chain_files = &name,
                                                           .key_files = &name,
                                                           .certificate_count = 1},
                             error, sizeof(error), &o.tls),
             OK);
    CHECK_EQ(addr_parse(SLICE("10.0.0.1:5290"), 0, &at), OK);
    world_use_host(c.w, n->host);
    CHECK_EQ(trunk_dial(n->workers[0].loop, &at, &o, &h, NULL, &twin.trunk), OK);
    tls_context_unref(o.tls);
}

/* The dialler has noticed that the older one is of no use; the other side has not yet. That holds
 * for the greater name too, where the smaller does not dial. */
TEST(mesh, a_newer_connection_of_the_same_dialler_takes_the_place)
{
    struct node *a, *b;

    set_up_ears(35);
    a = c.nodes[0];
    b = c.nodes[1];
    mesh_forget(node_mesh(a, b), slice_from(b->name));
    world_advance(c.w, 5000);
    CHECK(cluster_meshed(&c, 0, 1) && !is_dialled(a, b));
    heard.downs = 0;
    dial_twin(b, a->name);
    world_advance(c.w, 150);
    CHECK(twin.opened);
    CHECK(heard.downs > 0);
    world_advance(c.w, 5000);
    CHECK(!twin.trunk && cluster_meshed(&c, 0, 1));
    cluster_close(&c);
}

/* The process that had the name before is not dead: it was stopped, and goes on. */
TEST(mesh, an_earlier_incarnation_is_not_let_in_again)
{
    set_up_ears(33);
    cluster_kill(&c, 1);
    world_advance(c.w, 5000);
    c.next_process = 0;
    cluster_start(&c, 1);
    world_advance(c.w, 5000);
    CHECK(!cluster_meshed(&c, 0, 1));
    c.next_process = 100;
    cluster_kill(&c, 1);
    cluster_start(&c, 1);
    world_advance(c.w, 5000);
    CHECK(cluster_meshed(&c, 0, 1));
    cluster_close(&c);
}

TESTS(TEST_OF(mesh, carries_to_the_owner_and_brings_fates_back),
      TEST_OF(mesh, the_ingress_bounces_what_the_owner_cannot_send),
      TEST_OF(mesh, a_lane_goes_on_over_the_next_connection),
      TEST_OF(mesh, notices_a_cut_in_one_direction), TEST_OF(mesh, of_two_that_cross_one_stays),
      TEST_OF(mesh, a_refusal_names_the_owner), TEST_OF(mesh, a_refusal_without_a_hint_backs_off),
      TEST_OF(mesh, a_node_that_cannot_be_reached_does_not_fill_the_log),
      TEST_OF(mesh, an_undecided_pair_waits_in_its_ingress),
      TEST_OF(mesh, a_restarted_owner_gets_everything_anew),
      TEST_OF(mesh, a_burial_brings_back_what_the_dead_had),
      TEST_OF(mesh, a_burial_of_who_lives_on_brings_nothing_back),
      TEST_OF(mesh, what_its_ingress_took_back_is_not_sent),
      TEST_OF(mesh, a_slow_port_holds_up_no_other), TEST_OF(mesh, big_stanzas_travel_one_at_a_time),
      TEST_OF(mesh, a_long_answer_holds_up_neither_promises_nor_stanzas),
      TEST_OF(mesh, who_asks_and_does_not_read_loses_answers_only),
      TEST_OF(mesh, says_hello_again_with_news),
      TEST_OF(mesh, a_word_that_makes_no_sense_ends_the_connection),
      TEST_OF(mesh, a_batch_for_a_connection_that_is_gone_goes_nowhere),
      TEST_OF(mesh, what_waited_for_a_connection_ends_with_it),
      TEST_OF(mesh, the_last_words_of_a_connection_are_heard),
      TEST_OF(mesh, a_newer_connection_of_the_same_dialler_takes_the_place),
      TEST_OF(mesh, an_earlier_incarnation_is_not_let_in_again))
