/* Two nodes' ends of a mesh connection over invented wires, TLS and certificates being real. */
#include "node/door.h"
#include "session/trunk.h"
#include "sim/bed.h"
#include "sim/certs.h"
#include "unit/test.h"

#include <time.h>

struct end {
    const char *name;
    struct host *host;
    struct loop *loop;
    struct tls_context *tls;
    struct trunk *trunk; /* NULL: none, or it ended */
    struct frame_hello hello;
    bool opened;
    uint16_t heard_workers;
    unsigned frames;
    uint64_t data_bytes;
    uint64_t last_number;
    bool ordered;
    bool closed;
    unsigned writable_count;
    char reason[128];
    const char *mesh_name;
    const char *close_in_opened; /* for this reason */
    const char *close_in_frame;
};

static struct {
    struct world *w;
    struct bed bed;
    struct certs *certs;
    struct end a, b;
    struct door *door;
    struct addr at;
} r;

/* --- what the ends do --- */

static void on_opened(void *arg, const struct frame_hello *hello)
{
    struct end *e = arg;

    CHECK(!e->opened);
    e->opened = true;
    e->heard_workers = hello->worker_count;
    if (e->close_in_opened)
        trunk_close(e->trunk, e->close_in_opened);
}

static void on_frame(void *arg, const struct frame *f)
{
    struct end *e = arg;

    CHECK(e->opened && !e->close_in_opened);
    e->frames++;
    if (e->close_in_frame)
        trunk_close(e->trunk, e->close_in_frame);
    if (f->type == FRAME_DATA)
        e->data_bytes += f->data.wire.len;
    if (f->type == FRAME_PING) {
        e->ordered &= f->ping.number == e->last_number + 1;
        e->last_number = f->ping.number;
    }
}

static void on_writable(void *arg)
{
    ((struct end *)arg)->writable_count++;
}

static void on_closed(void *arg, const struct trunk_end *end)
{
    struct end *e = arg;

    CHECK(!e->closed);
    e->closed = true;
    e->trunk = NULL;
    snprintf(e->reason, sizeof(e->reason), "%s", end->reason);
}

static const struct trunk_handler handler = {on_opened, on_frame, on_writable, on_closed};

static struct trunk_options options(const struct end *e, const char *peer)
{
    return (struct trunk_options){.tls = e->tls,
                                  .mesh_name = slice_from(e->mesh_name),
                                  .peer = slice_from(peer),
                                  .hello = &e->hello,
                                  .open_ms = 5000};
}

static void on_guest(void *arg, int fd, const struct addr *peer, struct slice node)
{
    struct end *e = arg;
    char name[FRAME_NAME_MAX + 1];
    struct trunk_options o;

    CHECK(slice_to_cstr(node, name, sizeof(name)));
    o = options(e, name);
    CHECK_EQ(trunk_adopt(e->loop, fd, peer, &o, &handler, e, &e->trunk), OK);
}

/* --- the stage --- */

static struct tls_context *context(const char *leaf)
{
    char files[2][256];
    char trust[256];
    char error[256] = "";
    const char *chain = files[0];
    const char *key = files[1];
    struct tls_context *c;

    snprintf(files[0], sizeof(files[0]), "%s", certs_chain_file(r.certs, leaf));
    snprintf(files[1], sizeof(files[1]), "%s", certs_key_file(r.certs, leaf));
    snprintf(trust, sizeof(trust), "%s/ca.pem", certs_dir(r.certs));
    CHECK_MSG(tls_context_new(&(struct tls_context_options){.chain_files = &chain,
                                                            .key_files = &key,
                                                            .certificate_count = 1,
                                                            .trust_file = trust,
                                                            .tls13_only = true,
                                                            .ask_client_certificate = true},
                              error, sizeof(error), &c) == OK,
              "%s", error);
    return c;
}

static void make_end(struct end *e, const char *name, const char *ip, const char *leaf)
{
    e->name = name;
    e->ordered = true;
    e->host = world_host(r.w, name, ip);
    world_use_host(r.w, e->host);
    e->loop = loop_new(&r.bed.counters, &r.bed.sink);
    CHECK(certs_make(r.certs, name, leaf));
    e->tls = context(name);
    e->mesh_name = "";
    e->hello = (struct frame_hello){.version_least = FRAME_VERSION_LEAST,
                                    .version_most = FRAME_VERSION_MOST,
                                    .node = slice_from(name),
                                    .worker_count = 3};
}

static void set_up(uint64_t seed, const char *leaf_a, const char *leaf_b)
{
    struct door_options o = {.hand_over_node = on_guest, .arg = &r.b};

    memset(&r, 0, sizeof(r));
    bed_init(&r.bed);
    r.w = world_new(seed);
    world_set_wall(r.w, (uint64_t)time(NULL) * 1000000);
    r.certs = certs_new(bed_dir("trunk"));
    make_end(&r.a, "edge-a", "10.0.0.1", leaf_a);
    make_end(&r.b, "edge-b", "10.0.0.2", leaf_b);
    CHECK_EQ(addr_parse(SLICE("10.0.0.2:5290"), 0, &r.at), OK);
    o.steward = r.b.loop;
    r.door = door_new(&o);
    CHECK_EQ(door_listen(r.door, &r.at, -1, SITE_MESH), OK);
}

static void dial(const char *peer)
{
    struct trunk_options o = options(&r.a, peer);

    world_use_host(r.w, r.a.host);
    CHECK_EQ(trunk_dial(r.a.loop, &r.at, &o, &handler, &r.a, &r.a.trunk), OK);
}

static void tear_down(void)
{
    if (r.a.trunk)
        trunk_close(r.a.trunk, "over");
    if (r.b.trunk)
        trunk_close(r.b.trunk, "over");
    world_advance(r.w, 1000);
    CHECK(!r.a.trunk && !r.b.trunk);
    door_free(r.door);
    world_advance(r.w, 100);
    loop_free(r.a.loop);
    loop_free(r.b.loop);
    tls_context_unref(r.a.tls);
    tls_context_unref(r.b.tls);
    world_free(r.w);
    certs_free(r.certs);
    bed_fini(&r.bed);
}

static void ping(struct end *e, uint64_t number)
{
    struct frame f = {.type = FRAME_PING, .ping = {.number = number}};

    trunk_send(e->trunk, &f);
}

#define GOOD_A "dns=edge-a"
#define GOOD_B "dns=edge-b"

TEST(trunk, carries_frames_both_ways)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        set_up(seed, GOOD_A, GOOD_B);
        dial("edge-b");
        world_advance(r.w, 1000);
        CHECK(r.a.opened && r.b.opened);
        CHECK(r.a.heard_workers == 3 && r.b.heard_workers == 3);
        CHECK(trunk_dialled(r.a.trunk) && !trunk_dialled(r.b.trunk));
        CHECK_EQ(trunk_version(r.a.trunk), FRAME_VERSION_MOST);
        CHECK(trunk_expires_s(r.a.trunk) > (int64_t)time(NULL));
        for (unsigned i = 1; i <= 100; i++) {
            ping(&r.a, i);
            ping(&r.b, i);
        }
        world_advance(r.w, 1000);
        CHECK(r.a.frames == 100 && r.b.frames == 100 && r.a.ordered && r.b.ordered);
        tear_down();
    }
}

/* A stanza of any size passes; what is written beside it is not held up by more than the cork. */
TEST(trunk, carries_big_frames_and_says_when_it_has_room)
{
    static char wire[3 << 20];
    struct frame f = {.type = FRAME_DATA,
                      .data = {.lane = 1, .generation = 1, .seq = 1, .wire = {wire, sizeof(wire)}}};

    memset(wire, 'x', sizeof(wire));
    set_up(7, GOOD_A, GOOD_B);
    dial("edge-b");
    world_advance(r.w, 1000);
    CHECK(trunk_writable(r.a.trunk));
    trunk_send(r.a.trunk, &f);
    CHECK(!trunk_writable(r.a.trunk));
    ping(&r.a, 1);
    world_advance(r.w, 20000);
    CHECK_EQ(r.b.data_bytes, sizeof(wire));
    CHECK_EQ(r.b.last_number, 1);
    CHECK_EQ(r.a.writable_count, 1);
    CHECK(trunk_writable(r.a.trunk));
    tear_down();
}

/* Who is not let in, and what the log says of it. */
TEST(trunk, demands_the_clusters_certificate_and_the_nodes_name)
{
    static const struct {
        const char *leaf_a;
        const char *leaf_b;
        const char *mesh_name;
        const char *reason; /* where it is noticed: at a, or at b behind '>' */
    } cases[] = {
        {GOOD_A, GOOD_B, "", NULL},
        {"dns=cluster.mesh", "dns=cluster.mesh", "cluster.mesh", NULL},
        {GOOD_A, "dns=cluster.mesh", "cluster.mesh", NULL},
        {GOOD_A, "dns=edge-c", "", "its certificate names neither the node nor mesh.name"},
        {"dns=edge-c", GOOD_B, "", ">its certificate names neither the node nor mesh.name"},
        {GOOD_A, "dns=edge-b ca=other", "",
         "its certificate is not of mesh.ca_file's authority, or not valid now"},
        {"dns=edge-a ca=other", GOOD_B, "",
         ">its certificate is not of mesh.ca_file's authority, or not valid now"},
        {GOOD_A, "dns=edge-b ca=self", "",
         "its certificate is not of mesh.ca_file's authority, or not valid now"},
        {GOOD_A, "dns=edge-b until=-1d", "",
         "its certificate is not of mesh.ca_file's authority, or not valid now"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const struct end *e = cases[i].reason && cases[i].reason[0] == '>' ? &r.b : &r.a;

        set_up(i + 1, cases[i].leaf_a, cases[i].leaf_b);
        r.a.mesh_name = r.b.mesh_name = cases[i].mesh_name;
        dial("edge-b");
        world_advance(r.w, 2000);
        if (!cases[i].reason) {
            CHECK(r.a.opened && r.b.opened && !r.a.closed);
        } else {
            CHECK(!e->opened && r.a.closed && r.b.closed);
            CHECK_STR(e->reason, cases[i].reason + (e == &r.b));
        }
        tear_down();
    }
}

TEST(trunk, refuses_another_node_its_own_name_and_strange_versions)
{
    set_up(1, GOOD_A, GOOD_B);
    dial("edge-c"); /* who answers is edge-b */
    world_advance(r.w, 2000);
    CHECK(!r.a.opened);
    CHECK_STR(r.a.reason, "it is another node than was expected there");
    tear_down();

    set_up(2, GOOD_A, GOOD_B);
    r.b.hello.node = slice_from("edge-a");
    dial("edge-a");
    world_advance(r.w, 2000);
    CHECK(!r.a.opened);
    CHECK_STR(r.a.reason, "it has our own node.name");
    tear_down();

    set_up(3, GOOD_A, GOOD_B);
    r.b.hello.version_least = r.b.hello.version_most = FRAME_VERSION_MOST + 1;
    dial("edge-b");
    world_advance(r.w, 2000);
    CHECK(!r.a.opened);
    CHECK_STR(r.a.reason, "no version in common: its release and ours are no neighbours");
    tear_down();
}

TEST(trunk, says_hello_again_under_its_own_name_only)
{
    struct frame f = {.type = FRAME_HELLO};

    set_up(4, GOOD_A, GOOD_B);
    dial("edge-b");
    world_advance(r.w, 1000);
    f.hello = r.a.hello;
    f.hello.incarnation = 7;
    trunk_send(r.a.trunk, &f);
    world_advance(r.w, 100);
    CHECK(r.b.frames == 1 && !r.b.closed);
    f.hello.node = slice_from("edge-c");
    trunk_send(r.a.trunk, &f);
    world_advance(r.w, 1000);
    CHECK(r.b.frames == 1 && r.b.closed);
    CHECK_STR(r.b.reason, "it changes its name");
    tear_down();
}

/* Whoever only opens the port, or stops half-way. */
TEST(trunk, does_not_wait_for_ever)
{
    set_up(1, GOOD_A, GOOD_B);
    dial("edge-b");
    world_cut(r.w, r.b.host, r.a.host, true);
    world_advance(r.w, 5100);
    CHECK(r.a.closed && !r.a.opened);
    CHECK_STR(r.a.reason, "no hello in time");
    world_cut(r.w, r.b.host, r.a.host, false);
    tear_down();
}

/* "... before its first frame is read": whoever closes it in `opened` hears nothing more. */
TEST(trunk, reads_nothing_after_it_was_closed)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        set_up(seed, GOOD_A, GOOD_B);
        r.b.close_in_opened = "an older one stays";
        dial("edge-b");
        while (!r.a.opened)
            CHECK(world_step(r.w));
        if (r.a.trunk)
            ping(&r.a, 1);
        world_advance(r.w, 1000);
        CHECK(r.a.closed && r.b.closed && r.b.frames == 0);
        CHECK_STR(r.b.reason, "an older one stays");
        tear_down();
    }
}

/* ... nor does who closes it in `frame`, whatever came along with that one. */
TEST(trunk, reads_no_frame_behind_the_one_it_was_closed_at)
{
    set_up(1, GOOD_A, GOOD_B);
    r.b.close_in_frame = "one was enough";
    dial("edge-b");
    world_advance(r.w, 1000);
    for (unsigned i = 1; i <= 3; i++)
        ping(&r.a, i);
    world_advance(r.w, 1000);
    CHECK_EQ(r.b.frames, 1);
    CHECK_STR(r.b.reason, "one was enough");
    tear_down();
}

/* Not in clear, and not behind the end. */
TEST(trunk, sends_only_while_it_is_open)
{
    set_up(1, GOOD_A, GOOD_B);
    dial("edge-b");
    ping(&r.a, 1);
    world_advance(r.w, 1000);
    CHECK(r.a.opened && r.b.opened && r.b.frames == 0);
    trunk_close(r.a.trunk, "over");
    ping(&r.a, 1);
    world_advance(r.w, 1000);
    CHECK(r.b.closed && r.b.frames == 0);
    tear_down();
}

/* --- a peer with the right certificate, and its own idea of what comes first --- */

static struct conn *raw;

static void raw_connected(void *arg)
{
    char preface[FRAME_PREFACE_MAX];

    conn_write(raw, slice_make(preface, frame_preface_write(SLICE("edge-a"), preface)));
    conn_start_tls(raw, tls_client(r.a.tls, slice_none(), slice_none(), false));
}

static void raw_secured(void *arg)
{
    struct frame f = {.type = FRAME_PING, .ping = {.number = 1}};

    frame_write(conn_out(raw), &f);
    conn_touch(raw);
}

static void raw_data(void *arg, struct slice plain)
{
}

static void raw_ended(void *arg)
{
    conn_close(raw);
}

static void raw_closed(void *arg, enum err why)
{
    raw = NULL;
}

TEST(trunk, hears_nothing_before_hello)
{
    static const struct conn_handler h = {.connected = raw_connected,
                                          .secured = raw_secured,
                                          .data = raw_data,
                                          .ended = raw_ended,
                                          .closed = raw_closed};

    set_up(1, GOOD_A, GOOD_B);
    world_use_host(r.w, r.a.host);
    CHECK_EQ(conn_dial(r.a.loop, &r.at, NULL, &h, NULL, &raw), OK);
    world_advance(r.w, 2000);
    CHECK(!r.b.opened && r.b.closed && !raw);
    CHECK_STR(r.b.reason, "it does not begin with hello");
    tear_down();
}

TESTS(TEST_OF(trunk, carries_frames_both_ways),
      TEST_OF(trunk, carries_big_frames_and_says_when_it_has_room),
      TEST_OF(trunk, demands_the_clusters_certificate_and_the_nodes_name),
      TEST_OF(trunk, refuses_another_node_its_own_name_and_strange_versions),
      TEST_OF(trunk, says_hello_again_under_its_own_name_only),
      TEST_OF(trunk, does_not_wait_for_ever), TEST_OF(trunk, reads_nothing_after_it_was_closed),
      TEST_OF(trunk, reads_no_frame_behind_the_one_it_was_closed_at),
      TEST_OF(trunk, sends_only_while_it_is_open), TEST_OF(trunk, hears_nothing_before_hello))
