/* The lanes of one worker, told item by item what another node says. The connection is the test's:
 * it numbers them, and reads what would have gone over it. What a sound peer never says is played
 * too: whoever takes a guard away finds the harm it is there for. CLUST-02, CLUST-05.
 */
#include "link/lanes_private.h"
#include "link/mesh.h"
#include "sim/bed.h"
#include "unit/test.h"

#include <stdarg.h>

#define PAIR    SLICE("rooms.example far.example")
#define LANE    7 /* of theirs */
#define PROCESS 10

static struct {
    struct world *w;
    struct bed bed;
    struct loop *loop;
    struct counters counters;
    struct mem_budget memory;
    struct router router;
    struct lanes *lanes;
    struct outq_limits limits;
    struct outq port;
    uint64_t mark;
    unsigned sent;       /* by the port */
    bool ours;           /* the pair */
    char owner[8];       /* whose it is else */
    unsigned refused;    /* heard */
    char said[4000];     /* since it was read last: "OPEN g1 done 0; DATA g1 1; " */
    uint64_t our_lane;   /* its number, once it was said */
    uint64_t our_serial; /* of the batches */
} t;

/* --- what goes over the connection --- */

static void put(const char *form, ...)
{
    size_t len = strlen(t.said);
    va_list args;

    va_start(args, form);
    vsnprintf(t.said + len, sizeof(t.said) - len, form, args);
    va_end(args);
}

static const char *const fate_words[] = {
    [FATE_SENT] = "sent",
    [FATE_BOUNCED] = "bounced",
    [FATE_DROPPED] = "dropped",
    [FATE_RETURNED] = "returned",
};

static void put_runs(const struct far_item *i)
{
    for (size_t k = 0; k < i->count; k++)
        put(" %u %s", (unsigned)i->runs[k].last_seq, fate_words[i->runs[k].fate]);
}

static void put_item(const struct far_item *i)
{
    static const char *const kinds[] = {
        [FAR_OPEN] = "OPEN", [FAR_DATA] = "DATA",     [FAR_CLOSE] = "CLOSE",
        [FAR_DONE] = "DONE", [FAR_REFUSE] = "REFUSE", [FAR_CREDIT] = "CREDIT",
    };

    put("%s g%u", kinds[i->kind], i->generation);
    if (i->kind == FAR_OPEN)
        put(" done %u", (unsigned)i->done);
    if (i->kind == FAR_DATA || i->kind == FAR_CREDIT)
        put(" %u", (unsigned)i->seq);
    if (i->kind == FAR_DONE)
        put_runs(i);
    if (i->kind == FAR_OPEN || i->kind == FAR_DATA)
        t.our_lane = i->lane;
    put("; ");
}

/* In place of link/mesh_carry. */
void mesh_take_batch(struct mesh *m, struct far_batch *b)
{
    CHECK(!m);
    t.our_serial = b->serial;
    for (size_t i = 0; i < b->count; i++)
        put_item(&b->items[i]);
    far_batch_free(b);
}

/* What was said since. */
#define CHECK_SAID(text)                                                                           \
    do {                                                                                           \
        world_advance(t.w, 2);                                                                     \
        CHECK_STR(t.said, text);                                                                   \
        t.said[0] = '\0';                                                                          \
    } while (0)

/* --- what the other node says --- */

static void news(const char *peer, uint64_t serial, uint64_t process, uint64_t incarnation)
{
    struct far_news n = {.serial = serial, .process = process, .incarnation = incarnation};

    snprintf(n.peer, sizeof(n.peer), "%s", peer);
    lanes_take_news(t.lanes, &n);
}

static void connection(const char *peer, uint64_t serial, uint64_t process)
{
    news(peer, serial, process, process);
}

static struct far_batch *batch(uint64_t serial)
{
    return far_batch_new(SLICE("b"), serial);
}

static void hear_open(uint64_t serial, uint32_t generation, uint64_t done)
{
    struct far_batch *b = batch(serial);
    struct far_item *i = far_batch_add(b, FAR_OPEN, LANE, generation);

    i->done = done;
    i->key = bytes_copy(PAIR);
    lanes_take_batch(t.lanes, b);
}

static struct stanza *make_stanza(void)
{
    struct stanza_parts parts = {.kind = STANZA_MESSAGE,
                                 .from = SLICE("x@rooms.example"),
                                 .to = SLICE("y@far.example"),
                                 .id = SLICE("1"),
                                 .inner = SLICE("<body>b</body>")};
    struct stanza *s = stanza_make(&parts);

    s->flags &= (uint8_t)~STANZA_MADE;
    s->accepted_ms = loop_now_ms(t.loop);
    return s;
}

static void hear_data(uint64_t serial, uint32_t generation, uint64_t seq)
{
    struct far_batch *b = batch(serial);
    struct far_item *i = far_batch_add(b, FAR_DATA, LANE, generation);

    i->seq = seq;
    i->stanza = make_stanza();
    lanes_take_batch(t.lanes, b);
}

static void hear_close(uint64_t serial, uint32_t generation)
{
    struct far_batch *b = batch(serial);

    far_batch_add(b, FAR_CLOSE, LANE, generation);
    lanes_take_batch(t.lanes, b);
}

static void hear_credit(uint64_t serial, uint32_t generation, uint64_t expected)
{
    struct far_batch *b = batch(serial);
    struct far_item *i = far_batch_add(b, FAR_CREDIT, t.our_lane, generation);

    i->seq = expected;
    i->window_bytes = 16384;
    i->open = i->moving = true;
    lanes_take_batch(t.lanes, b);
}

/* All up to `seq` were sent. */
static void hear_done_by(const char *peer, uint64_t serial, uint32_t generation, uint64_t seq)
{
    struct far_batch *b = far_batch_new(slice_from(peer), serial);
    struct far_item *i = far_batch_add(b, FAR_DONE, t.our_lane, generation);
    struct lane_run run = {.last_seq = seq, .fate = FATE_SENT};

    i->runs = told_copy(&run, 1);
    i->count = 1;
    lanes_take_batch(t.lanes, b);
}

static void hear_done(uint64_t serial, uint32_t generation, uint64_t seq)
{
    hear_done_by("b", serial, generation, seq);
}

static void hear_refuse(uint64_t serial, uint32_t generation)
{
    struct far_batch *b = batch(serial);

    far_batch_add(b, FAR_REFUSE, t.our_lane, generation)->hint = MEM_NEW(struct far_hint);
    lanes_take_batch(t.lanes, b);
}

/* --- the worker --- */

static void port_kick(struct outq *q)
{
}

static void port_fate(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                      struct slice detail)
{
    t.sent += fate == FATE_SENT;
    router_fate(&t.router, s, fate, why, detail);
}

static const struct outq_ops port_ops = {port_kick, port_fate};

static struct outq *op_pair(void *arg, struct slice key)
{
    return &t.port;
}

static struct outq *op_instance(void *arg, uint64_t id)
{
    return NULL;
}

static struct lane_tx *op_lane(void *arg, unsigned worker, struct slice key)
{
    return lanes_to(t.lanes, worker, key);
}

static uint64_t op_now(void *arg)
{
    return loop_now_ms(t.loop);
}

static struct lane_tx *op_away(void *arg, struct slice key)
{
    return lanes_away(t.lanes, key);
}

static const struct router_ops router_ops = {op_pair, op_instance, op_lane, op_now, op_away, NULL};

static void find_owner(void *arg, struct slice key, struct owner *ret_owner)
{
    *ret_owner =
        (struct owner){.where = t.ours ? OWNER_SELF : OWNER_NODE, .node = slice_from(t.owner)};
}

static bool accept_pair(void *arg, struct slice key)
{
    return t.ours;
}

static void on_refused(void *arg, struct slice key, struct slice by, const struct owner *hint)
{
    t.refused++;
}

static const struct owner_ops owner_ops = {find_owner, accept_pair, on_refused};

static void wake(void *arg)
{
}

static struct outq *find_port(void *arg, struct slice key)
{
    return &t.port;
}

/* The pair is ours, and its link takes stanzas; or it is b's. */
static void begin(bool ours)
{
    static const uint64_t seed[2] = {1, 2};
    struct table_rule rule = {.pattern = SLICE("rooms.example")};
    struct lanes_options o = {.port = find_port, .wake = wake, .owners = {&owner_ops, NULL}};
    struct hop *hop;

    memset(&t, 0, sizeof(t));
    bed_init(&t.bed);
    t.w = world_new(1);
    world_use_host(t.w, world_host(t.w, "a", "10.0.0.1"));
    t.limits = (struct outq_limits){1000, 1 << 20, 60000, 2000, true};
    t.loop = loop_new(&t.counters, &t.bed.sink);
    router_init(&t.router, &router_ops, NULL, 0, 1, seed, &t.counters, &t.memory, &t.limits);
    router_configure(&t.router, &t.limits, &rule, 1);
    o.loop = t.loop;
    o.router = &t.router;
    t.lanes = lanes_open(&o);
    hop = lanes_hop(t.lanes);
    lanes_connect(t.lanes, &hop, 1);
    outq_init(&t.port, &port_ops, &t.router.limits);
    outq_opened(&t.port, 0);
    t.ours = ours;
    strcpy(t.owner, "b");
    connection("b", 1, PROCESS);
}

/* So many are written, and all that were are acknowledged. */
static void write_some(unsigned n)
{
    for (; n; n--)
        outq_wrote(&t.port, ++t.mark);
    outq_acked(&t.port, t.mark, loop_now_ms(t.loop));
}

static void end(void)
{
    t.ours = true;
    outq_flush(&t.port, true, FATE_BOUNCED, BOUNCE_CLOSED, slice_none());
    lane_port_gone(&t.port);
    world_advance(t.w, 10);
    lanes_bounce(t.lanes, true, BOUNCE_CLOSED);
    world_advance(t.w, 10);
    outq_flush(&t.port, true, FATE_BOUNCED, BOUNCE_CLOSED, slice_none()); /* came back to us */
    lanes_give_up(t.lanes);
    world_advance(t.w, 10);
    CHECK_EQ(atomic_load(&t.router.held_count), 0);
    CHECK_EQ(atomic_load(&t.router.foreign_count), 0);
    CHECK_EQ(mem_used(&t.memory), 0);
    outq_fini(&t.port);
    router_fini(&t.router);
    lanes_close(t.lanes);
    world_advance(t.w, 10);
    loop_free(t.loop);
    world_free(t.w);
    bed_fini(&t.bed);
}

/* --- the owner's end --- */

TEST(lanes, the_owner_takes_what_comes_next)
{
    begin(true);
    hear_open(1, 1, 0);
    CHECK_SAID("CREDIT g1 1; ");
    hear_data(1, 1, 1);
    hear_data(1, 1, 1);
    CHECK_EQ(outq_count(&t.port), 1);
    hear_data(1, 1, 3);
    CHECK_SAID("REFUSE g1; "); /* a gap: it begins anew */
    hear_data(1, 1, 2);        /* ... and its ingress takes back all of it */
    CHECK_EQ(outq_count(&t.port), 1);
    end();
}

TEST(lanes, the_owner_hears_nothing_of_an_older_generation)
{
    begin(true);
    hear_open(1, 2, 0);
    hear_data(1, 2, 1);
    CHECK_SAID("CREDIT g2 1; ");
    hear_data(1, 1, 2);
    hear_close(1, 1);
    hear_open(1, 1, 9); /* which knows all: of its own */
    CHECK_SAID("");
    CHECK_EQ(outq_count(&t.port), 1);
    write_some(1);
    CHECK_SAID("DONE g2 1 sent; ");
    hear_data(1, 2, 2);
    CHECK_EQ(outq_count(&t.port), 1);
    end();
}

/* A newer one: what waits of the older goes nowhere, what was written goes its way untold. */
TEST(lanes, a_newer_generation_begins_anew)
{
    begin(true);
    hear_open(1, 1, 0);
    hear_data(1, 1, 1);
    hear_data(1, 1, 2);
    outq_wrote(&t.port, ++t.mark);
    CHECK_SAID("CREDIT g1 1; ");
    hear_open(1, 2, 0);
    CHECK_SAID("CREDIT g2 1; ");
    CHECK_EQ(outq_count(&t.port), 1);
    hear_data(1, 2, 1);
    CHECK_EQ(outq_count(&t.port), 2);
    write_some(0);
    CHECK_SAID("");
    end();
}

/* What was told on a connection that broke may be lost: a later fate must not be told before it. */
TEST(lanes, nothing_is_told_on_a_connection_where_the_lane_is_not_open)
{
    begin(true);
    hear_open(1, 1, 0);
    for (uint64_t seq = 1; seq <= 4; seq++)
        hear_data(1, 1, seq);
    outq_drop_first(&t.port, FATE_BOUNCED, BOUNCE_PEER_LIMIT, slice_none());
    CHECK_SAID("CREDIT g1 1; DONE g1 1 bounced; ");
    connection("b", 2, PROCESS);
    write_some(1);
    CHECK_SAID("");
    hear_data(2, 1, 5);
    CHECK_EQ(outq_count(&t.port), 2);
    outq_lost(&t.port);
    lane_port_changed(&t.port);
    CHECK_SAID("");
    hear_open(2, 1, 0);
    CHECK_SAID("DONE g1 1 bounced 2 sent; CREDIT g1 5; ");
    connection("b", 3, PROCESS);
    t.ours = false;
    outq_flush(&t.port, true, FATE_RETURNED, BOUNCE_MAX, slice_none());
    CHECK_SAID("");
    hear_open(3, 1, 1); /* it heard of the first */
    CHECK_SAID("DONE g1 2 sent; REFUSE g1; ");
    end();
}

/* Lanes are numbered anew by each process. */
TEST(lanes, another_process_has_lanes_of_its_own)
{
    begin(true);
    hear_open(1, 1, 0);
    hear_data(1, 1, 1);
    CHECK_SAID("CREDIT g1 1; ");
    connection("b", 2, PROCESS + 1);
    hear_open(2, 1, 0);
    CHECK_SAID("CREDIT g1 1; ");
    hear_data(2, 1, 1);
    CHECK_EQ(outq_count(&t.port), 2);
    write_some(2);
    CHECK_SAID("DONE g1 1 sent; ");
    end();
}

TEST(lanes, a_batch_of_an_older_connection_is_nothing)
{
    begin(true);
    hear_open(1, 1, 0);
    CHECK_SAID("CREDIT g1 1; ");
    connection("b", 2, PROCESS);
    hear_open(1, 1, 0);
    CHECK_SAID("");
    hear_open(2, 1, 0);
    hear_data(1, 1, 1);
    CHECK_EQ(outq_count(&t.port), 0);
    CHECK_SAID("CREDIT g1 1; ");
    end();
}

TEST(lanes, credit_is_told_when_it_changes)
{
    begin(true);
    hear_open(1, 1, 0);
    hear_data(1, 1, 1);
    CHECK_SAID("CREDIT g1 1; ");
    lane_port_changed(&t.port);
    CHECK_SAID("");
    outq_lost(&t.port);
    lane_port_changed(&t.port);
    CHECK_SAID("CREDIT g1 2; ");
    end();
}

/* --- the ingress's end --- */

static void bring(unsigned n)
{
    for (; n; n--) {
        struct stanza *s = make_stanza();

        stanza_set_domains(s, SLICE("rooms.example"), SLICE("far.example"));
        router_accept(&t.router, s, ROUTER_COMPONENT, NULL);
    }
}

/* Three are at b, who said that the first is sent. */
static void begin_away(void)
{
    begin(false);
    bring(3);
    CHECK_SAID("OPEN g1 done 0; DATA g1 1; DATA g1 2; DATA g1 3; ");
    hear_credit(1, 1, 1);
    hear_done(1, 1, 1);
    CHECK_EQ(atomic_load(&t.router.held_count), 2);
    CHECK_SAID("");
}

TEST(lanes, the_ingress_goes_on_where_the_owner_says)
{
    begin_away();
    connection("b", 0, PROCESS);
    CHECK_SAID("");
    connection("b", 2, PROCESS);
    bring(1);
    CHECK_SAID("OPEN g1 done 1; ");
    CHECK_EQ(t.our_serial, 2);
    hear_credit(2, 1, 3);
    CHECK_SAID("DATA g1 3; DATA g1 4; ");
    hear_credit(2, 1, 3); /* says nothing new */
    CHECK_SAID("");
    hear_done(2, 1, 4);
    CHECK_EQ(atomic_load(&t.router.held_count), 0);
    end();
}

/* Word of the connection that it has: its incarnation, say. */
TEST(lanes, news_of_the_same_connection_change_nothing)
{
    begin_away();
    connection("b", 1, PROCESS);
    CHECK_SAID("");
    end();
}

/* ... of what it does not know to be sent, or of what was never sent. */
TEST(lanes, the_ingress_begins_anew_where_they_disagree)
{
    static const uint64_t wrong[] = {1, 5};

    for (size_t i = 0; i < COUNT(wrong); i++) {
        begin_away();
        connection("b", 2, PROCESS);
        CHECK_SAID("OPEN g1 done 1; ");
        hear_credit(2, 1, wrong[i]);
        CHECK_SAID("CLOSE g1; OPEN g2 done 0; DATA g2 1; DATA g2 2; ");
        end();
    }
}

TEST(lanes, another_process_gets_everything_anew)
{
    begin_away();
    connection("b", 2, PROCESS + 1);
    CHECK_SAID("OPEN g2 done 0; DATA g2 1; DATA g2 2; ");
    end();
}

TEST(lanes, the_ingress_hears_the_lanes_owner_and_generation_only)
{
    begin_away();
    connection("c", 1, PROCESS);
    hear_done_by("c", 1, 1, 3);
    CHECK_EQ(atomic_load(&t.router.held_count), 2);
    hear_refuse(1, 1);
    CHECK_EQ(t.refused, 1);
    world_advance(t.w, 100);
    CHECK_SAID("CLOSE g1; OPEN g3 done 0; DATA g3 1; DATA g3 2; ");
    hear_done(1, 1, 3);
    hear_refuse(1, 1);
    CHECK_EQ(atomic_load(&t.router.held_count), 2);
    CHECK_EQ(t.refused, 1);
    hear_done(1, 3, 2);
    CHECK_EQ(atomic_load(&t.router.held_count), 0);
    end();
}

/* Who left the list owns nothing; but as long as it can be reached it says by itself what it gives
 * back. */
TEST(lanes, what_a_node_had_that_left_comes_back_when_it_is_away)
{
    begin_away();
    connection("c", 1, PROCESS);
    lanes_node_gone(t.lanes, SLICE("b"), PROCESS);
    strcpy(t.owner, "c");
    CHECK_SAID("");
    connection("b", 0, PROCESS);
    CHECK_SAID("OPEN g1 done 0; DATA g1 1; DATA g1 2; ");
    end();

    begin_away();
    connection("c", 1, PROCESS);
    connection("b", 0, PROCESS);
    strcpy(t.owner, "c");
    CHECK_SAID("");
    lanes_node_gone(t.lanes, SLICE("b"), PROCESS);
    CHECK_SAID("OPEN g1 done 0; DATA g1 1; DATA g1 2; ");
    end();
}

/* ... and what it has as the incarnation after that is its own. */
TEST(lanes, a_node_that_goes_on_keeps_what_it_has)
{
    begin_away();
    connection("c", 1, PROCESS);
    news("b", 1, PROCESS, PROCESS + 1);
    lanes_node_gone(t.lanes, SLICE("b"), PROCESS);
    strcpy(t.owner, "c");
    connection("b", 0, PROCESS);
    CHECK_SAID("");
    end();
}

TESTS(TEST_OF(lanes, the_owner_takes_what_comes_next),
      TEST_OF(lanes, the_owner_hears_nothing_of_an_older_generation),
      TEST_OF(lanes, a_newer_generation_begins_anew),
      TEST_OF(lanes, nothing_is_told_on_a_connection_where_the_lane_is_not_open),
      TEST_OF(lanes, another_process_has_lanes_of_its_own),
      TEST_OF(lanes, a_batch_of_an_older_connection_is_nothing),
      TEST_OF(lanes, credit_is_told_when_it_changes),
      TEST_OF(lanes, the_ingress_goes_on_where_the_owner_says),
      TEST_OF(lanes, news_of_the_same_connection_change_nothing),
      TEST_OF(lanes, the_ingress_begins_anew_where_they_disagree),
      TEST_OF(lanes, another_process_gets_everything_anew),
      TEST_OF(lanes, the_ingress_hears_the_lanes_owner_and_generation_only),
      TEST_OF(lanes, what_a_node_had_that_left_comes_back_when_it_is_away),
      TEST_OF(lanes, a_node_that_goes_on_keeps_what_it_has))
