/* Several servers, slow, lying or odd ones, and whom to trust. */
#include "sim/resolverbed.h"

/* ---- several servers ---- */

TEST(resolver, asks_the_next_server_and_remembers_who_answered)
{
    struct dnsserver *dead;
    struct dnsserver *good;
    struct scene s;

    scene_init(&s, NS1 " " NS2);
    dead = scene_server(&s, NS1);
    good = scene_server(&s, NS2);
    dnsserver_silence(dead, true);
    scene_add(good, "a.example A 10.1.0.7");
    scene_add(good, "b.example A 10.1.0.8");
    CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
    CHECK(world_ms(s.w) >= 1000 && world_ms(s.w) < 1200); /* one wait: then the dead is shunned */
    CHECK_EQ(kind_of(&s, "b.example"), RESOLVED);
    CHECK(world_ms(s.w) < 1300);
    CHECK_EQ(dnsserver_asked(dead, "_xmpp-server._tcp.b.example", NULL), 0);
    dnsserver_silence(dead, false);
    world_advance(s.w, 31000);
    CHECK_EQ(kind_of(&s, "c.example"), RESOLVED_NOTHING);
    CHECK_EQ(dnsserver_asked(dead, "_xmpp-server._tcp.c.example", NULL), 1);
    scene_fini(&s);
}

/* What fails at once costs no time: nobody listens, or it cannot help. */
TEST(resolver, changes_server_at_once_when_one_refuses)
{
    static const char *const rows[] = {NULL, "REFUSED", "SERVFAIL"};

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct dnsserver *good;
        struct scene s;
        char row[64];

        scene_init(&s, NS1 " " NS2);
        if (rows[i]) {
            struct dnsserver *bad = scene_server(&s, NS1);
            static const char *const names[] = {"_xmpp-server._tcp.a.example",
                                                "_xmpps-server._tcp.a.example", "a.example"};

            for (size_t k = 0; k < COUNT(names); k++) {
                snprintf(row, sizeof(row), "%s %s", names[k], rows[i]);
                scene_add(bad, row);
            }
        } else {
            world_host(s.w, NS1, NS1);
        }
        good = scene_server(&s, NS2);
        scene_add(good, "a.example A 10.1.0.7");
        CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
        CHECK_MSG(world_ms(s.w) < 200, "%llu ms", (unsigned long long)world_ms(s.w));
        scene_fini(&s);
    }
}

/* A lost packet is asked again; a slow server's first answer still counts. */
TEST(resolver, repeats_and_still_listens)
{
    struct dnsserver *d;
    struct scene s;

    scene_init(&s, NS1);
    d = scene_server(&s, NS1);
    scene_add(d, "a.example A 10.1.0.7");
    scene_add(d, "_xmpp-server._tcp.a.example DELAY 1500");
    CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
    CHECK(world_ms(s.w) < 1600);
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.a.example", NULL), 2);
    world_set_loss(s.w, s.router, NULL, 300);
    for (int i = 0; i < 20; i++) {
        char name[32];

        snprintf(name, sizeof(name), "n%d.example", i);
        CHECK_EQ(kind_of(&s, name), RESOLVED_NOTHING);
    }
    scene_fini(&s);
}

TEST(resolver, the_whole_is_bounded_in_time)
{
    struct dnsserver *d;
    struct scene s;

    scene_init(&s, NS1 " " NS2);
    d = scene_server(&s, NS1);
    dnsserver_silence(d, true);
    world_blackhole(s.w, NS2);
    check_resolution(&s, "a.example", RESOLVED_FAILED, "",
                     "_xmpps-server: failed (no answer); _xmpp-server: failed (no answer)");
    CHECK(world_ms(s.w) <= s.o.timeout_ms);
    dnsserver_silence(d, false);
    world_advance(s.w, 6000);
    scene_add(d, "a.example SILENT");
    CHECK_EQ(kind_of(&s, "a.example"), RESOLVED_FAILED);
    scene_fini(&s);
}

TEST(resolver, reload_asks_the_new_servers)
{
    struct wish wish;
    struct dnsserver *d;
    struct scene s;

    scene_init(&s, NS1);
    dnsserver_silence(scene_server(&s, NS1), true);
    d = scene_server(&s, NS2);
    scene_add(d, "a.example A 10.1.0.7");
    wish = (struct wish){.s = &s};
    resolver_ask(s.r, SLICE("a.example"), wish_done, &wish);
    world_advance(s.w, 500);
    CHECK_EQ(addr_parse_ip(SLICE(NS2), 53, &s.o.servers[0]), OK);
    resolver_configure(s.r, &s.o);
    wish_wait(&wish);
    CHECK_EQ(wish.res->kind, RESOLVED);
    CHECK(wish.at_ms < 700);
    resolution_unref(wish.res);
    scene_fini(&s);
}

TESTS(TEST_OF(resolver, asks_the_next_server_and_remembers_who_answered),
      TEST_OF(resolver, changes_server_at_once_when_one_refuses),
      TEST_OF(resolver, repeats_and_still_listens), TEST_OF(resolver, the_whole_is_bounded_in_time),
      TEST_OF(resolver, reload_asks_the_new_servers))
