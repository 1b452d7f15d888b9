/* What one node of a cluster found out about a remote domain, the others know: whole nodes, a
 * Redis, and a server that is dead, comes back, or cannot be reached from one of them.
 * STREAM-21, CLUST-04.
 */
#include "link/members.h"
#include "node/node.h"
#include "scenario/adapter.h"
#include "scenario/trio.h"
#include "unit/test.h"

#include <jansson.h>

#define REMOTE    "10.0.0.9"
#define REMOTE_AT REMOTE ":5269"

enum { A, B, C };

static struct {
    struct host *host;
    struct addr at;
    struct peer_port *port; /* NULL: dials are refused */
    unsigned serial;        /* of stanzas */
} remote;

/* --- the land --- */

static const char *const config =
    "timeouts: { connect: 1s }\n" /* no longer than HEARSAY_LATER_MS: who failed itself is first */
    "components:\n"
    "  - { domain: \"*.a.example\", secret_file: secret, connections: share }\n"
    "  - { domain: \"*.b.example\", secret_file: secret, connections: share }\n"
    "  - { domain: \"*.c.example\", secret_file: secret, connections: share }\n"
    "peers: [ { match: \"*\", tls: optional, auth: [dialback], target: [\"" REMOTE_AT "\"] } ]\n";

static bool may_claim(const struct house *h)
{
    struct node *n = adapter_node(h->node);

    return owners_can_claim(members_owners(node_members(n)), loop_boot_ms(node_loop(n)));
}

static bool all_may_claim(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < NODES; i++)
        if (land.at[i].node && !may_claim(&land.at[i]))
            return false;
    return true;
}

/* For all names below NAME.example. */
static struct peer *join(struct house *h, const char *name)
{
    char domain[64];

    snprintf(domain, sizeof(domain), "*.%s.example", name);
    return land_join(h, domain);
}

/* Up, members of each other, with a component. */
static void start_all(unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++)
        land_start(&land.at[i]);
    CHECK(world_run_until(land.w, all_may_claim, NULL, 20000));
    world_advance(land.w, 2000);
    for (unsigned i = from; i < to; i++)
        land.at[i].component = join(&land.at[i], land.at[i].name);
    world_advance(land.w, 1000);
}

static void open_land(uint64_t seed, unsigned nodes)
{
    land_open(seed, "backoffs");
    memset(&remote, 0, sizeof(remote));
    remote.host = world_host(land.w, "remote", REMOTE);
    CHECK_EQ(addr_parse_ip(SLICE(REMOTE), 5269, &remote.at), OK);
    for (unsigned i = 0; i < NODES; i++)
        land_configure(&land.at[i], config);
    start_all(0, nodes);
}

/* --- what is seen --- */

static unsigned dials(void)
{
    return world_syns_to(land.w, &remote.at);
}

/* The pair of LOCAL.NODE.example there, or an empty object: forgotten. */
static json_t *pair_of(unsigned i, const char *local)
{
    char full[64];
    struct byteq out;
    json_t *found = NULL;
    json_t *rows;

    byteq_init(&out);
    snprintf(full, sizeof(full), "%s.%s.example", local, land.at[i].name);
    CHECK(scenario_adapter->control(land.at[i].node, "pairs local=1", &out));
    rows = json_loadb(byteq_slice(&out).ptr, byteq_len(&out), 0, NULL);
    byteq_fini(&out);
    for (size_t k = 0; k < json_array_size(rows); k++) {
        json_t *row = json_array_get(rows, k);

        if (strcmp(json_string_value(json_object_get(row, "direction")), "out") == 0 &&
            strcmp(json_string_value(json_object_get(row, "local")), full) == 0)
            found = json_incref(row);
    }
    json_decref(rows);
    return found ? found : json_object();
}

static long long pair_number(unsigned i, const char *local, const char *key)
{
    json_t *row = pair_of(i, local);
    long long n = json_integer_value(json_object_get(row, key));

    json_decref(row);
    return n;
}

static void check_pair_text(unsigned i, const char *local, const char *key, const char *wanted)
{
    json_t *row = pair_of(i, local);
    const char *value = json_string_value(json_object_get(row, key));

    CHECK_MSG(wanted ? value && strcmp(value, wanted) == 0 : !value, "%s of %s is %s", key, local,
              value ? value : "null");
    json_decref(row);
}

/* --- what is done --- */

static void say_from(struct peer *component, const char *local, const char *name)
{
    char text[256];

    snprintf(text, sizeof(text),
             "<message from='hall@%s.%s.example' to='romeo@remote.example' id='m%u'><body/>"
             "</message>",
             local, name, ++remote.serial);
    peer_say(component, text);
}

/* From LOCAL.NODE.example, at that node. */
static void say(unsigned i, const char *local)
{
    say_from(land.at[i].component, local, land.at[i].name);
}

/* ... and it comes back at once, for that reason. */
static void send_in_vain(unsigned i, const char *local, const char *why)
{
    char glob[128];

    say(i, local);
    snprintf(glob, sizeof(glob), "id='m%u'*>%s: ", remote.serial, why);
    CHECK_MSG(peer_expect(land.at[i].component, glob, 500), "%s at %s: no bounce '%s'", local,
              land.at[i].name, glob);
}

static bool waits(unsigned i, const char *local, long long least_ms)
{
    return pair_number(i, local, "retry_ms") >= least_ms;
}

/* That node tries again and again, until it is not to try for so long. */
static void fail_for_long(unsigned i, const char *local, long long least_ms)
{
    for (unsigned n = 0; !waits(i, local, least_ms); n++) {
        CHECK(n < 100000);
        say(i, local);
        world_advance(land.w, 50);
    }
    world_advance(land.w, 1500); /* the others have been told */
}

/* A link is being made now: who dials counts once. */
static void check_dials_at_once(unsigned i, const char *local)
{
    unsigned before = dials();

    say(i, local);
    world_advance(land.w, 200);
    CHECK_MSG(dials() > before, "%s does not dial", land.at[i].name);
}

#define OPENING                                                                                    \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:db='jabber:server:dialback' " \
    "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='remote.example' "
#define FEATURES "<stream:features><dialback xmlns='urn:xmpp:features:dialback'/></stream:features>"

/* A stream that a node dialled. */
static struct peer *accept_stream(const char *id)
{
    struct peer *p = peer_accept(remote.port, id, 3000);
    char text[512];

    CHECK(p && peer_expect(p, "<stream:stream *>", 1000));
    snprintf(text, sizeof(text), OPENING "id='%s'>" FEATURES, id);
    peer_say(p, text);
    return p;
}

/* The remote server is back and has a key checked at that node, for LOCAL.NODE.example. */
static void come_in(unsigned i, const char *local)
{
    char to[64], text[512], id[128];
    struct peer *in, *verify;
    struct slice seen;

    snprintf(to, sizeof(to), "%s:5269", land.at[i].ip);
    remote.port = remote.port ? remote.port : peer_listen(remote.host, "port", REMOTE_AT);
    in = peer_dial(remote.host, "in", to);
    snprintf(text, sizeof(text), OPENING "to='%s.%s.example'>", local, land.at[i].name);
    peer_say(in, text);
    CHECK(peer_expect(in, "<stream:stream* id='", 1000));
    seen = peer_input(in);
    CHECK(slice_to_cstr(slice_sub(seen, 0, slice_find(seen, '\'')), id, sizeof(id)));
    CHECK(peer_expect(in, "</stream:features>", 1000));
    snprintf(text, sizeof(text),
             "<db:result from='remote.example' to='%s.%s.example'>key</db:result>", local,
             land.at[i].name);
    peer_say(in, text);
    verify = accept_stream("v1");
    CHECK(peer_expect(verify, "<db:verify *>key</db:verify>", 1000));
    snprintf(text, sizeof(text),
             "<db:verify from='remote.example' to='%s.%s.example' id='%s' type='valid'/>", local,
             land.at[i].name, id);
    peer_say(verify, text);
    CHECK(peer_expect(in, "<db:result*type='valid'", 1000));
}

/* The remote server accepts that node's dial, and the pair of LOCAL.NODE.example is open. */
static struct peer *let_in(unsigned i, const char *local)
{
    struct peer *p;
    char text[512];

    p = accept_stream("o1");
    CHECK(peer_expect(p, "<db:result *</db:result>", 1000));
    snprintf(text, sizeof(text),
             "<db:result from='remote.example' to='%s.%s.example' type='valid'/>", local,
             land.at[i].name);
    peer_say(p, text);
    CHECK(peer_expect(p, "<message *</message>", 1000));
    return p;
}

static void open_port(void)
{
    remote.port = peer_listen(remote.host, "port", REMOTE_AT);
}

static void close_port(void)
{
    peer_port_close(remote.port);
    remote.port = NULL;
}

/* --- plays --- */

TEST(backoffs, another_node_does_not_dial_what_one_could_not)
{
    unsigned before;

    open_land(1, 2);
    fail_for_long(A, "a", 10000);
    before = dials();
    send_in_vain(A, "a", "unreachable");
    for (unsigned i = 0; i < 10; i++) { /* pairs of both workers */
        char local[8];

        snprintf(local, sizeof(local), "b%u", i);
        send_in_vain(B, local, "unreachable");
        check_pair_text(B, local, "state", "waiting");
        check_pair_text(B, local, "last_node", "a");
        CHECK(waits(B, local, 5000));
    }
    CHECK_EQ(dials(), before);
    CHECK_EQ(land_metric(&land.at[B], "dials_spared_total"), 10);
    CHECK(land_metric(&land.at[B], "backoffs_heard_total") > 0);
    CHECK_EQ(land_metric(&land.at[A], "dials_spared_total"), 0);
    CHECK_EQ(land_metric(&land.at[A], "backoffs_heard_total"), 0); /* nothing is said on */
    check_pair_text(A, "a", "last_node", NULL);
    while (waits(B, "b0", 1)) { /* to the end of it */
        CHECK_EQ(dials(), before);
        send_in_vain(B, "b0", "unreachable");
        world_advance(land.w, 100);
    }
    check_dials_at_once(B, "b0");
    check_pair_text(B, "b0", "last_node", NULL);
    CHECK(waits(B, "b0", 2000)); /* as after five failures, not as after one */
    land_close();
}

TEST(backoffs, a_server_that_comes_in_is_dialled_by_all)
{
    open_land(2, 2);
    fail_for_long(A, "a", 10000);
    send_in_vain(B, "b", "unreachable");
    CHECK(waits(B, "b", 5000));
    come_in(A, "a");
    world_advance(land.w, 1100); /* B has been told */
    CHECK(!waits(A, "a", 1) && !waits(B, "b", 1));
    check_dials_at_once(B, "b");
    check_dials_at_once(A, "a");
    land_close();
}

/* A may try before B does. */
TEST(backoffs, a_server_that_lets_one_in_is_dialled_by_all)
{
    open_land(3, 2);
    fail_for_long(A, "a", 5000);
    send_in_vain(B, "b", "unreachable");
    while (waits(A, "a", 1))
        world_advance(land.w, 10);
    CHECK(waits(B, "b", 900));
    open_port();
    say(A, "a");
    let_in(A, "a");
    world_advance(land.w, 100);
    CHECK(!waits(B, "b", 1));
    check_dials_at_once(B, "b");
    land_close();
}

TEST(backoffs, a_node_that_joins_is_told)
{
    unsigned before;

    open_land(4, 2);
    fail_for_long(A, "a", 30000);
    start_all(C, C + 1);
    before = dials();
    CHECK(waits(A, "a", 5000));
    send_in_vain(C, "c", "unreachable");
    check_pair_text(C, "c", "last_node", "a");
    CHECK_EQ(dials(), before);
    land_close();
}

/* Only A's way to it is broken. */
TEST(backoffs, an_open_link_is_left_alone)
{
    struct peer *out;
    unsigned before;

    open_land(5, 2);
    open_port();
    say(B, "b");
    out = let_in(B, "b");
    world_part(land.w, land.at[A].host, remote.host, true);
    fail_for_long(A, "a", 10000);
    check_pair_text(B, "b", "state", "open");
    for (unsigned i = 0; i < 3; i++) {
        say(B, "b");
        CHECK(peer_expect(out, "<message *</message>", 200));
    }
    check_pair_text(B, "b", "last_failure", NULL);
    before = dials();
    for (unsigned i = 0; i < 10; i++) { /* where the link is, it is known that the domain lives */
        char local[8];

        snprintf(local, sizeof(local), "b%u", i);
        say(B, local);
    }
    world_advance(land.w, 200);
    CHECK(dials() > before);
    land_close();
}

/* C, which leaves and claims nothing, gives B what is for pairs that A has open. B is to ask whose
 * they are before it says that the domain is dead. */
TEST(backoffs, what_another_node_has_open_is_not_held_back)
{
    struct peer *other, *out[8];
    char local[8];

    open_land(6, 3);
    other = join(&land.at[C], "a");
    open_port();
    for (unsigned i = 0; i < COUNT(out); i++) {
        snprintf(local, sizeof(local), "a%u", i);
        say(A, local);
        out[i] = let_in(A, local);
    }
    close_port();
    fail_for_long(A, "other", 10000);
    send_in_vain(B, "b", "unreachable");
    scenario_adapter->signal(land.at[C].node, "term");
    world_advance(land.w, 50); /* it still reads */
    for (unsigned i = 0; i < COUNT(out); i++) {
        snprintf(local, sizeof(local), "a%u", i);
        say_from(other, local, "a");
    }
    for (unsigned i = 0; i < COUNT(out); i++)
        CHECK_MSG(peer_expect(out[i], "<message *</message>", 1000), "the stanza of a%u", i);
    land_close();
}

/* What only that pair's link is refused is told, too: A leaves, and B, which takes the pair, does
 * not begin with it. */
TEST(backoffs, a_pair_that_changes_its_node_still_waits)
{
    struct peer *other;
    unsigned before;

    open_land(10, 2);
    other = join(&land.at[B], "a");
    open_port();
    while (!waits(A, "a", 15000)) {
        say(A, "a");
        world_advance(land.w, 50);
        while (peer_port_waiting(remote.port))
            peer_reset(peer_accept(remote.port, "refused", 0));
    }
    world_advance(land.w, 1500);
    scenario_adapter->signal(land.at[A].node, "term");
    world_advance(land.w, 1500);
    before = dials();
    say_from(other, "a", "a");
    world_advance(land.w, 300);
    CHECK_EQ(dials(), before);
    CHECK_EQ(land_metric(&land.at[B], "dials_spared_total"), 1);
    land_close();
}

/* A cannot reach it and is asked to all the time. B, which can, is not kept from it for long. */
TEST(backoffs, one_broken_node_does_not_silence_the_others)
{
    uint64_t ms = 0;

    open_land(7, 2);
    world_part(land.w, land.at[A].host, remote.host, true);
    fail_for_long(A, "a", 20000);
    open_port();
    for (; !peer_port_waiting(remote.port); ms += 100) {
        CHECK_MSG(ms < 63000, "B has not tried yet");
        say(A, "a");
        say(B, "b");
        world_advance(land.w, 100);
    }
    CHECK(land_metric(&land.at[B], "dials_spared_total") > 0);
    say(B, "b");
    let_in(B, "b");
    land_close();
}

/* B's failure is on its way to A when the server comes in there. */
TEST(backoffs, a_failure_that_is_heard_after_the_success)
{
    open_land(8, 2);
    fail_for_long(B, "b", 3000);
    while (waits(B, "b", 1))
        world_advance(land.w, 10);
    world_advance(land.w, 2500); /* A is free to try, too */
    world_set_latency(land.w, land.at[B].host, land.at[A].host, 900000, 900000);
    do { /* each word of B takes 900 ms */
        world_advance(land.w, 20);
        say(B, "b");
        world_advance(land.w, 20);
    } while (!waits(B, "b", 10000));
    come_in(A, "a");
    world_advance(land.w, 4500);
    CHECK(!waits(B, "b", 1));
    world_set_latency(land.w, land.at[B].host, land.at[A].host, 1000, 1000);
    check_dials_at_once(A, "a2");
    land_close();
}

/* A dead node's word is nobody's. */
TEST(backoffs, a_node_that_is_gone_says_nothing)
{
    open_land(9, 2);
    fail_for_long(A, "a", 40000);
    host_kill(land.at[A].host);
    land.at[A].node = NULL;
    world_advance(land.w, 12000); /* buried */
    check_dials_at_once(B, "b");
    land_close();
}

TESTS(TEST_OF(backoffs, another_node_does_not_dial_what_one_could_not),
      TEST_OF(backoffs, a_server_that_comes_in_is_dialled_by_all),
      TEST_OF(backoffs, a_server_that_lets_one_in_is_dialled_by_all),
      TEST_OF(backoffs, a_node_that_joins_is_told), TEST_OF(backoffs, an_open_link_is_left_alone),
      TEST_OF(backoffs, what_another_node_has_open_is_not_held_back),
      TEST_OF(backoffs, a_pair_that_changes_its_node_still_waits),
      TEST_OF(backoffs, one_broken_node_does_not_silence_the_others),
      TEST_OF(backoffs, a_failure_that_is_heard_after_the_success),
      TEST_OF(backoffs, a_node_that_is_gone_says_nothing))
