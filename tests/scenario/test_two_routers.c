/* Two whole routers in one world: they federate with each other, one is killed and comes back, the
 * wire between them is cut; every stanza has its fate. */
#include "scenario/adapter.h"
#include "sim/bed.h"
#include "sim/certs.h"
#include "sim/dnsserver.h"
#include "sim/peer.h"
#include "unit/test.h"

#include "wire/digest.h"

#include <time.h>

struct house {
    const char *name;
    const char *ip;
    struct host *host;
    struct bed bed;
    void *node;
    struct peer *component;
};

struct land {
    struct world *w;
    struct dnsserver *dns;
    struct certs *certs;
    struct house a;
    struct house b;
};

static void write_config(const struct house *h)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "tests/out/two/%s.yaml", h->name);
    f = fopen(path, "w");
    CHECK(f);
    fprintf(f,
            "node: { name: %s, workers: 2, drain_timeout: 5s }\n"
            "listen: { s2s: [\"%s:5269\"], component: [\"%s:5347\"], http: \"\", control: \"\" }\n"
            "tls: { trust_file: ca.pem, certificates: [ { chain: %s.pem, key: %s.key } ] }\n"
            "dns: { servers: [\"10.0.0.53\"] }\n"
            "components: [ { domain: rooms.%s.example, secret_file: secret } ]\n",
            h->name, h->ip, h->ip, h->name, h->name, h->name);
    fclose(f);
}

static void start(struct house *h)
{
    char error[512] = "";
    char path[128];

    snprintf(path, sizeof(path), "tests/out/two/%s.yaml", h->name);
    world_use_host(world_current(), h->host);
    h->node = scenario_adapter->start(path, &h->bed.sink, error, sizeof(error));
    CHECK_MSG(h->node, "%s", error);
    world_advance(world_current(), 100);
}

static void build(struct land *l, struct house *h, const char *name, const char *ip)
{
    char text[256];

    h->name = name;
    h->ip = ip;
    bed_init(&h->bed);
    h->host = world_host(l->w, name, ip);
    snprintf(text, sizeof(text), "dns=rooms.%s.example", name);
    CHECK(certs_make(l->certs, name, text));
    snprintf(text, sizeof(text), "_xmpp-server._tcp.rooms.%s.example SRV 1 1 5269 %s.example", name,
             name);
    CHECK_EQ(dnsserver_add(l->dns, text), OK);
    snprintf(text, sizeof(text), "%s.example A %s", name, ip);
    CHECK_EQ(dnsserver_add(l->dns, text), OK);
    write_config(h);
    start(h);
}

static void open_land(struct land *l, uint64_t seed)
{
    FILE *f;

    memset(l, 0, sizeof(*l));
    l->w = world_new(seed);
    world_set_wall(l->w, (uint64_t)time(NULL) * 1000000);
    l->dns = dnsserver_open(world_host(l->w, "dns", "10.0.0.53"), "10.0.0.53:53");
    l->certs = certs_new(bed_dir("two"));
    f = fopen("tests/out/two/secret", "w");
    CHECK(f && fputs("abc", f) > 0);
    fclose(f);
    build(l, &l->a, "a", "10.0.0.1");
    build(l, &l->b, "b", "10.0.0.2");
}

static void close_land(struct land *l)
{
    scenario_adapter->free(l->a.node);
    scenario_adapter->free(l->b.node);
    world_free(l->w);
    certs_free(l->certs);
    bed_fini(&l->a.bed);
    bed_fini(&l->b.bed);
}

/* XEP-0114 3: the digest of id and secret. */
static void join(struct house *h)
{
    struct slice in;
    char to[64];
    char text[512];
    char digest[41];
    size_t at;

    snprintf(to, sizeof(to), "%s:5347", h->ip);
    h->component = peer_dial(h->host, h->name, to);
    snprintf(text, sizeof(text),
             "<stream:stream xmlns='jabber:component:accept' "
             "xmlns:stream='http://etherx.jabber.org/streams' to='rooms.%s.example'>",
             h->name);
    peer_say(h->component, text);
    CHECK(peer_expect(h->component, " id='", 1000));
    world_advance(world_current(), 100);
    in = peer_input(h->component);
    at = slice_find(in, '\'');
    digest_sha1_hex(slice_sub(in, 0, at), SLICE("abc"), digest);
    snprintf(text, sizeof(text), "<handshake>%s</handshake>", digest);
    peer_say(h->component, text);
    CHECK(peer_expect(h->component, "<handshake/>", 1000));
}

static void tell(struct house *from, const struct house *to, unsigned id)
{
    char text[256];

    snprintf(text, sizeof(text),
             "<message from='x@rooms.%s.example' to='y@rooms.%s.example' id='%u'/>", from->name,
             to->name, id);
    peer_say(from->component, text);
}

static bool arrives(struct house *at, unsigned id, uint64_t max_ms)
{
    char text[64];

    snprintf(text, sizeof(text), "<message*id='%u'*/>", id);
    return peer_expect(at->component, text, max_ms);
}

static void check_balance(struct house *h)
{
    uint64_t n[5];

    CHECK(scenario_adapter->balance(h->node, n));
    CHECK_EQ(n[0], n[1] + n[2] + n[3] + n[4]);
}

TEST(routers, federate_with_each_other)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct land l;

        open_land(&l, seed);
        join(&l.a);
        join(&l.b);
        for (unsigned i = 0; i < 20; i++) {
            tell(&l.a, &l.b, i);
            tell(&l.b, &l.a, i);
        }
        for (unsigned i = 0; i < 20; i++) {
            CHECK(arrives(&l.b, i, 10000));
            CHECK(arrives(&l.a, i, 10000));
        }
        world_advance(l.w, 1000);
        check_balance(&l.a);
        check_balance(&l.b);
        close_land(&l);
    }
}

/* The link died with the process; its successor at the same address gets what comes later. */
TEST(routers, one_is_killed_and_comes_back)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct land l;

        open_land(&l, seed);
        join(&l.a);
        join(&l.b);
        tell(&l.a, &l.b, 1);
        CHECK(arrives(&l.b, 1, 10000));
        host_kill(l.b.host);
        world_advance(l.w, 3000);
        start(&l.b);
        join(&l.b);
        world_advance(l.w, 60000); /* back-off */
        tell(&l.a, &l.b, 2);
        CHECK(arrives(&l.b, 2, 60000));
        world_advance(l.w, 1000);
        check_balance(&l.a);
        check_balance(&l.b);
        close_land(&l);
    }
}

TEST(routers, cut_wire_heals)
{
    struct land l;

    open_land(&l, 9);
    join(&l.a);
    join(&l.b);
    tell(&l.a, &l.b, 1);
    CHECK(arrives(&l.b, 1, 10000));
    world_advance(l.w, 1000);
    world_part(l.w, l.a.host, l.b.host, true);
    tell(&l.a, &l.b, 2);
    world_advance(l.w, 10000);
    world_part(l.w, l.a.host, l.b.host, false);
    tell(&l.a, &l.b, 3);
    CHECK(arrives(&l.b, 2, 60000));
    CHECK(arrives(&l.b, 3, 1000));
    world_advance(l.w, 10000);
    check_balance(&l.a);
    close_land(&l);
}

TESTS(TEST_OF(routers, federate_with_each_other), TEST_OF(routers, one_is_killed_and_comes_back),
      TEST_OF(routers, cut_wire_heals))
