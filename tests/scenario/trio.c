#include "scenario/trio.h"

#include "scenario/adapter.h"
#include "sim/cluster/amend.h"
#include "unit/test.h"
#include "wire/digest.h"

#include <time.h>

struct trio land;

void land_write(const char *name, const char *text)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof(path), "tests/out/%s/%s", land.dir, name);
    f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0);
    fclose(f);
}

void land_configure(const struct house *h, const char *rest)
{
    char name[32], text[2048];

    snprintf(name, sizeof(name), "%c.yaml", (char)('a' + (h - land.at)));
    snprintf(text, sizeof(text),
             "node: { name: %s, workers: 2, drain_timeout: 5s }\n"
             "listen: { s2s: [\"%s:5269\"], s2s_tls: [], component: [\"%s:5347\"], "
             "http: \"\", control: \"\" }\n"
             "tls: { trust_file: ca.pem }\n"
             "dialback: { secret_file: dialback }\n"
             "dns: { servers: [\"10.0.0.53\"] }\n"
             "%s",
             h->name, h->ip, h->ip, rest);
    land_write(name, text);
}

void land_start(struct house *h)
{
    char error[512] = "";
    char path[128];

    snprintf(path, sizeof(path), "tests/out/%s/%c.yaml", land.dir, (char)('a' + (h - land.at)));
    world_use_host(land.w, h->host);
    h->node = scenario_adapter->start(path, &h->bed.sink, error, sizeof(error));
    CHECK_MSG(h->node, "%s", error);
    world_advance(land.w, 50);
}

static void build(struct house *h, unsigned i)
{
    char mesh[16], words[16];

    h->name[0] = (char)('a' + i);
    snprintf(h->ip, sizeof(h->ip), "10.0.0.%u", i + 1);
    snprintf(mesh, sizeof(mesh), "mesh-%s", h->name);
    snprintf(words, sizeof(words), "dns=%s", h->name);
    CHECK(certs_make(land.certs, mesh, words));
    bed_init(&h->bed);
    h->host = world_host(land.w, h->name, h->ip);
}

void land_open(uint64_t seed, const char *dir)
{
    memset(&land, 0, sizeof(land));
    land.dir = dir;
    adapter_amend = amend_for_cluster;
    land.w = world_new(seed);
    world_set_wall(land.w, (uint64_t)time(NULL) * 1000000);
    world_set_chopping(land.w, false);
    land.certs = certs_new(bed_dir(dir));
    land_write("secret", "abc");
    land_write("dialback", "the nodes of a cluster have one secret, and it is a long one");
    land.redis = redisserver_open(world_host(land.w, "redis", AMEND_REDIS), AMEND_REDIS ":6379");
    for (unsigned i = 0; i < NODES; i++)
        build(&land.at[i], i);
}

void land_close(void)
{
    for (unsigned i = 0; i < NODES; i++)
        if (land.at[i].node)
            scenario_adapter->free(land.at[i].node);
    world_free(land.w);
    certs_free(land.certs);
    for (unsigned i = 0; i < NODES; i++)
        bed_fini(&land.at[i].bed);
}

struct peer *land_join(struct house *h, const char *domain)
{
    char text[256], digest[41];
    struct slice in;
    struct peer *p;

    snprintf(text, sizeof(text), "%s:5347", h->ip);
    p = peer_dial(h->host, "component", text);
    snprintf(text, sizeof(text),
             "<stream:stream xmlns='jabber:component:accept' "
             "xmlns:stream='http://etherx.jabber.org/streams' to='%s'>",
             domain);
    peer_say(p, text);
    CHECK(peer_expect(p, " id='", 1000));
    world_advance(land.w, 100);
    in = peer_input(p);
    digest_sha1_hex(slice_sub(in, 0, slice_find(in, '\'')), SLICE("abc"), digest);
    snprintf(text, sizeof(text), "<handshake>%s</handshake>", digest);
    peer_say(p, text);
    CHECK(peer_expect(p, "<handshake/>", 1000));
    return p;
}

double land_metric(const struct house *h, const char *name)
{
    double value = -1;
    char full[128];

    snprintf(full, sizeof(full), "fedrouter_%s", name);
    CHECK_MSG(scenario_adapter->metric(h->node, full, &value), "%s", name);
    return value;
}
