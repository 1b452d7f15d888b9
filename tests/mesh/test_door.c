/* node/door: the mesh's port lets in who says its name, and counts whom it does not. */
#include "loop/listener.h"
#include "node/door.h"
#include "sim/bed.h"
#include "sim/peer.h"
#include "unit/test.h"
#include "wire/frame.h"

#define AT "10.0.0.1:5290"

static struct {
    struct world *w;
    struct bed bed;
    struct host *peers;
    struct loop *steward;
    struct door *door;
    unsigned entered;
    char name[FRAME_NAME_MAX + 1]; /* of the last */
} t;

static void on_node(void *arg, int fd, const struct addr *peer, struct slice node)
{
    (void)arg;
    (void)peer;
    t.entered++;
    CHECK(slice_to_cstr(node, t.name, sizeof(t.name)));
    listener_drop(fd, false);
}

static void set_up(void)
{
    struct door_options o = {.hand_over_node = on_node};
    struct addr at;

    memset(&t, 0, sizeof(t));
    bed_init(&t.bed);
    t.w = world_new(1);
    t.peers = world_host(t.w, "peers", "10.0.0.2");
    world_use_host(t.w, world_host(t.w, "node", "10.0.0.1"));
    o.steward = t.steward = loop_new(&t.bed.counters, &t.bed.sink);
    t.door = door_new(&o);
    CHECK_EQ(addr_parse(SLICE(AT), 0, &at), OK);
    CHECK_EQ(door_listen(t.door, &at, -1, SITE_MESH), OK);
}

static void tear_down(void)
{
    door_free(t.door);
    world_advance(t.w, 10);
    loop_free(t.steward);
    world_free(t.w);
    bed_fini(&t.bed);
}

static uint64_t refused(void)
{
    return counter_read(&t.bed.counters, COUNTER_REFUSED_MESH);
}

static struct peer *caller(struct slice says)
{
    struct peer *p = peer_dial(t.peers, "caller", AT);

    peer_send(p, says);
    return p;
}

/* Who has said half of what edge-b says; *ret_rest: the other half. */
static struct peer *hesitant(struct slice *ret_rest)
{
    static char preface[FRAME_PREFACE_MAX];
    size_t len = frame_preface_write(SLICE("edge-b"), preface);

    *ret_rest = slice_make(preface + 4, len - 4);
    return caller(slice_make(preface, 4));
}

TEST(door, lets_in_who_says_its_name)
{
    struct slice rest;
    struct peer *p;

    set_up();
    p = hesitant(&rest);
    world_advance(t.w, DOOR_INTRO_MS / 2);
    CHECK_EQ(t.entered, 0);
    peer_send(p, rest);
    world_advance(t.w, 100);
    CHECK_EQ(t.entered, 1);
    CHECK_STR(t.name, "edge-b");
    CHECK_EQ(refused(), 0);
    CHECK_EQ(counter_read(&t.bed.counters, COUNTER_ACCEPTED), 1);
    tear_down();
}

TEST(door, refuses_and_counts_who_says_none)
{
    static const struct slice cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18}, /* knows where, not what */
        {"FRMESH1\n\0", 9},             /* a name of no length */
        {"FRMESH1\n\2a ", 11},          /* no name of a node */
        {"FRMESH", 6},                  /* and not a word more */
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer *p;

        set_up();
        p = caller(cases[i]);
        CHECK(peer_wait_end(p, DOOR_INTRO_MS + 100));
        CHECK_EQ(peer_error(p), ERR_RESET);
        CHECK_EQ(t.entered, 0);
        CHECK_EQ(refused(), 1);
        CHECK_EQ(counter_read(&t.bed.counters, COUNTER_ACCEPTED), 0);
        tear_down();
    }
}

TEST(door, bounds_those_who_have_not_said_it_yet)
{
    struct peer *p;

    set_up();
    for (unsigned i = 0; i < DOOR_NODES_MAX; i++) {
        caller(SLICE("FRMESH"));
        world_advance(t.w, 10);
    }
    CHECK_EQ(refused(), 0);
    p = caller(SLICE("FRMESH"));
    CHECK(peer_wait_end(p, 1000));
    CHECK_EQ(refused(), 1);
    tear_down();
}

/* A drain shuts the door and needs the mesh until its end. */
TEST(door, lets_nodes_in_though_it_is_shut)
{
    struct slice rest;
    struct peer *early, *late;

    set_up();
    early = hesitant(&rest);
    world_advance(t.w, 100);
    door_shut(t.door);
    peer_send(early, rest);
    late = hesitant(&rest);
    peer_send(late, rest);
    world_advance(t.w, 100);
    CHECK_EQ(t.entered, 2);
    tear_down();
}

/* For the log at start, and for status. */
TEST(door, tells_of_the_mesh_port)
{
    struct addr at;
    char text[ADDR_TEXT_MAX];

    set_up();
    CHECK_EQ(door_listener_count(t.door), 1);
    CHECK_STR(site_port_word(door_listener(t.door, 0, &at)), "mesh");
    CHECK_STR(addr_format(&at, text), AT);
    door_shut(t.door);
    CHECK_EQ(door_listener_count(t.door), 1);
    tear_down();
}

TESTS(TEST_OF(door, lets_in_who_says_its_name), TEST_OF(door, refuses_and_counts_who_says_none),
      TEST_OF(door, bounds_those_who_have_not_said_it_yet),
      TEST_OF(door, lets_nodes_in_though_it_is_shut), TEST_OF(door, tells_of_the_mesh_port))
