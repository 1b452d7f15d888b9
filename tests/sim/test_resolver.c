/* Where a domain is found: SRV, addresses, cache, and those who ask. Name servers from a table,
 * a clock that can be turned. */
#include "sim/resolverbed.h"

/* ---- SRV ---- */

/* SRV-01, SRV-02: both services are one list; the entry knows its kind. */
TEST(resolver, merges_both_services_by_priority)
{
    struct scene s;
    struct dnsserver *d;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 10 5 5269 a.there.example");
    scene_add(d, "_xmpps-server._tcp.there.example SRV 5 0 443 b.there.example");
    scene_add(d, "_xmpps-server._tcp.there.example SRV 20 0 5270 a.there.example");
    scene_add(d, "a.there.example A 10.1.0.1");
    scene_add(d, "b.there.example A 10.1.0.2");
    check_resolution(&s, "There.Example", RESOLVED,
                     "10.1.0.2:443*/0 10.1.0.1:5269/1 10.1.0.1:5270*/2",
                     "_xmpps-server: 5 0 443 b.there.example, 20 0 5270 a.there.example; "
                     "_xmpp-server: 10 5 5269 a.there.example; b.there.example: 10.1.0.2; "
                     "a.there.example: 10.1.0.1; a.there.example: 10.1.0.1");
    CHECK_EQ(dnsserver_asked(d, "a.there.example", "A"), 1);
    CHECK_EQ(dnsserver_asked(d, "there.example", NULL), 0);
    scene_fini(&s);
}

/* SRV-03: drawn for each request, though nobody asks the server again. */
TEST(resolver, draws_weights_anew_from_the_cache)
{
    struct scene s;
    struct dnsserver *d;
    unsigned first = 0;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 10 1000 1 a.there.example");
    scene_add(d, "_xmpp-server._tcp.there.example SRV 10 3000 2 b.there.example");
    scene_add(d, "a.there.example A 10.1.0.1");
    scene_add(d, "b.there.example A 10.1.0.2");
    for (int i = 0; i < 400; i++) {
        struct resolution *res = resolve(&s, "there.example");

        CHECK_EQ(res->count, 2);
        first += res->endpoints[0].port == 1;
        resolution_unref(res);
    }
    CHECK_MSG(first > 70 && first < 130, "%u of 400", first);
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.there.example", "SRV"), 1);
    CHECK_EQ(dnsserver_asked(d, "a.there.example", "A"), 1);
    scene_fini(&s);
}

/* SRV-04, SRV-05 */
TEST(resolver, dot_means_no_such_service)
{
    static const struct {
        const char *direct;
        const char *starttls;
        enum resolution_kind kind;
        const char *endpoints;
    } cases[] = {
        {"SRV 0 0 0 .", "SRV 0 0 0 .", RESOLVED_REFUSED, ""},
        {NULL, "SRV 0 0 0 .", RESOLVED_REFUSED, ""},
        {"SRV 0 0 0 .", NULL, RESOLVED_REFUSED, ""}, /* XEP-0368 5: no fallback either */
        {"SRV 0 0 0 .", "SRV 1 1 5269 h.example", RESOLVED, "10.1.0.1:5269/0"},
        {"SRV 1 1 5270 h.example", "SRV 0 0 0 .", RESOLVED, "10.1.0.1:5270*/0"},
        {"SRV 1 1 0 h.example", NULL, RESOLVED_NOTHING, ""}, /* port 0: records, none of use */
    };
    char row[128];

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct resolution *res;
        struct dnsserver *d;
        struct scene s;

        d = scene_open(&s);
        scene_add(d, "there.example A 10.6.6.6");
        scene_add(d, "h.example A 10.1.0.1");
        snprintf(row, sizeof(row), "_xmpps-server._tcp.there.example %s", cases[i].direct);
        if (cases[i].direct)
            scene_add(d, row);
        snprintf(row, sizeof(row), "_xmpp-server._tcp.there.example %s", cases[i].starttls);
        if (cases[i].starttls)
            scene_add(d, row);
        res = resolve(&s, "there.example");
        CHECK_MSG(res->kind == cases[i].kind, "case %zu: %d", i, res->kind);
        check_endpoints(res, cases[i].endpoints);
        CHECK_EQ(dnsserver_asked(d, "there.example", NULL), 0);
        resolution_unref(res);
        scene_fini(&s);
    }
}

/* SRV-06: who has SRV records is not sought at its own address. */
TEST(resolver, records_without_address_are_no_reason_to_fall_back)
{
    struct scene s;
    struct dnsserver *d;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 10 5 5269 gone.example");
    scene_add(d, "there.example A 10.6.6.6");
    check_resolution(&s, "there.example", RESOLVED_NOTHING, "",
                     "_xmpps-server: none (NXDOMAIN); _xmpp-server: 10 5 5269 gone.example; "
                     "gone.example: no address (NXDOMAIN)");
    CHECK_EQ(dnsserver_asked(d, "there.example", NULL), 0);
    scene_fini(&s);
}

/* SRV-07, SRV-12: the domain's own addresses, port 5269, STARTTLS; never its parent's records. */
TEST(resolver, falls_back_to_the_domain_itself)
{
    struct scene s;
    struct dnsserver *d;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.example SRV 10 5 5269 parent.example");
    scene_add(d, "_xmpp-server._tcp.there.example A 10.6.6.6"); /* exists: an empty answer */
    scene_add(d, "there.example A 10.1.0.1");
    scene_add(d, "there.example AAAA fd00::9");
    check_resolution(&s, "there.example", RESOLVED, "[fd00::9]:5269/0 10.1.0.1:5269/0",
                     "_xmpps-server: none (NXDOMAIN); _xmpp-server: none (no record); "
                     "there.example: fd00::9 10.1.0.1");
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.example", NULL), 0);
    CHECK_EQ(dnsserver_asked(d, "example", NULL), 0);
    check_resolution(&s, "nowhere.example", RESOLVED_NOTHING, "",
                     "_xmpps-server: none (NXDOMAIN); _xmpp-server: none (NXDOMAIN); "
                     "nowhere.example: no address (NXDOMAIN)");
    scene_fini(&s);
}

/* SRV-07, DNSSEC-04: only proven absence leads to the addresses. The one exception: records of
 * _xmpp-server are used though _xmpps-server could not be asked. */
TEST(resolver, failure_is_not_absence)
{
    static const char *const troubles[] = {"SERVFAIL", "REFUSED", "SILENT", "GARBAGE"};
    static const struct {
        bool direct_fails;
        bool starttls_fails;
        const char *other; /* rows of the other kind, or NULL: absent */
        enum resolution_kind kind;
    } cases[] = {
        {true, true, NULL, RESOLVED_FAILED},
        {false, true, NULL, RESOLVED_FAILED},
        {true, false, NULL, RESOLVED_FAILED},
        {true, false, "_xmpp-server._tcp.there.example SRV 0 0 0 .", RESOLVED_FAILED},
        {false, true, "_xmpps-server._tcp.there.example SRV 1 1 5270 h.example", RESOLVED_FAILED},
        {true, false, "_xmpp-server._tcp.there.example SRV 1 1 5269 h.example", RESOLVED},
    };
    char row[128];

    for (size_t i = 0; i < COUNT(cases) * COUNT(troubles); i++) {
        const char *trouble = troubles[i % COUNT(troubles)];
        size_t c = i / COUNT(troubles);
        struct resolution *res;
        struct dnsserver *d;
        struct scene s;

        d = scene_open(&s);
        scene_add(d, "there.example A 10.6.6.6");
        scene_add(d, "h.example A 10.1.0.1");
        snprintf(row, sizeof(row), "_xmpps-server._tcp.there.example %s", trouble);
        if (cases[c].direct_fails)
            scene_add(d, row);
        snprintf(row, sizeof(row), "_xmpp-server._tcp.there.example %s", trouble);
        if (cases[c].starttls_fails)
            scene_add(d, row);
        if (cases[c].other)
            scene_add(d, cases[c].other);
        res = resolve(&s, "there.example");
        CHECK_MSG(res->kind == cases[c].kind, "case %zu %s: %s", c, trouble, res->text);
        CHECK_EQ(res->dnssec, res->kind == RESOLVED ? DNSSEC_INSECURE : DNSSEC_INDETERMINATE);
        CHECK_EQ(dnsserver_asked(d, "there.example", NULL), 0);
        CHECK(world_ms(s.w) <= s.o.timeout_ms + 100);
        resolution_unref(res);
        scene_fini(&s);
    }
}

/* ---- addresses ---- */

/* SRV-08: RFC 8305 4: families in turn, inside the target. */
TEST(resolver, families_take_turns)
{
    struct scene s;
    struct dnsserver *d;

    d = scene_open(&s);
    scene_add(d, "there.example A 10.1.0.1");
    scene_add(d, "there.example AAAA fd00::1");
    for (unsigned i = 2; i < 9; i++) {
        char row[64];

        snprintf(row, sizeof(row), "there.example A 10.1.0.%u", i);
        scene_add(d, row);
    }
    for (int v4_first = 0; v4_first < 2; v4_first++) {
        struct resolution *res;

        s.o.prefer_v4 = v4_first;
        resolver_configure(s.r, &s.o);
        res = resolve(&s, "there.example");
        CHECK_EQ(res->count, RESOLVER_ADDRS_MAX);
        for (int i = 0; i < RESOLVER_ADDRS_MAX; i++)
            CHECK_EQ(res->endpoints[i].addr.sa.sa_family, i == v4_first ? AF_INET6 : AF_INET);
        resolution_unref(res);
    }
    scene_fini(&s);
}

/* SRV-09: truncated over UDP, whole over TCP; of forty targets the sixteen best are used. */
TEST(resolver, large_answer_comes_over_tcp)
{
    struct resolution *res;
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    for (unsigned i = 0; i < 40; i++) {
        char row[128];

        snprintf(row, sizeof(row), "_xmpp-server._tcp.there.example SRV %u 0 %u h%u.example",
                 100 - i, 1000 + i, i);
        scene_add(d, row);
        snprintf(row, sizeof(row), "h%u.example A 10.2.0.%u", i, i + 1);
        scene_add(d, row);
    }
    res = resolve(&s, "there.example");
    CHECK_EQ(res->kind, RESOLVED);
    CHECK_EQ(res->count, RESOLVER_TARGETS_MAX);
    CHECK_EQ(res->endpoints[0].port, 1039);
    CHECK_EQ(res->endpoints[15].port, 1024);
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.there.example", "SRV"), 2);
    CHECK_EQ(dnsserver_asked(d, "h23.example", NULL), 0);
    resolution_unref(res);
    scene_fini(&s);
}

/* SRV-09 */
TEST(resolver, tolerates_an_alias_as_target)
{
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 1 1 5269 alias.example");
    scene_add(d, "alias.example CNAME host.example");
    scene_add(d, "host.example A 10.1.0.7");
    check_resolution(&s, "there.example", RESOLVED, "10.1.0.7:5269/0",
                     "_xmpps-server: none (NXDOMAIN); _xmpp-server: 1 1 5269 alias.example; "
                     "alias.example: 10.1.0.7");
    scene_fini(&s);
}

/* One name server of many is dead: that target is left out, the others are not kept waiting. */
TEST(resolver, does_not_wait_for_stragglers)
{
    struct resolution *res;
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 1 1 5269 dead.example");
    scene_add(d, "_xmpp-server._tcp.there.example SRV 2 1 5269 good.example");
    scene_add(d, "dead.example SILENT");
    scene_add(d, "good.example A 10.1.0.7");
    res = resolve(&s, "there.example");
    check_endpoints(res, "10.1.0.7:5269/1");
    CHECK(world_ms(s.w) < 2200);
    resolution_unref(res);
    scene_fini(&s);
}

/* ---- configured targets, addresses, localhost ---- */

/* SRV-11: host, port and mode of the operator; no SRV. */
TEST(resolver, configured_host_needs_no_srv)
{
    struct resolution *res;
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.gw.example SRV 1 1 5269 other.example");
    scene_add(d, "gw.example A 10.1.0.8");
    res = resolve_host(&s, "GW.example", 7777, true);
    CHECK_EQ(res->kind, RESOLVED);
    check_endpoints(res, "10.1.0.8:7777*/0");
    CHECK_STR(res->endpoints[0].host, "gw.example");
    CHECK_STR(res->text, "gw.example: 10.1.0.8");
    CHECK(!res->endpoints[0].secure_name);
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.gw.example", NULL), 0);
    resolution_unref(res);
    scene_fini(&s);
}

/* SRV-12 */
TEST(resolver, ip_literal_needs_no_question)
{
    static const struct {
        const char *host;
        const char *endpoint;
    } cases[] = {{"192.0.2.1", "192.0.2.1:5269/0"},
                 {"2001:db8::1", "[2001:db8::1]:5269/0"},
                 {"[2001:db8::1]", "[2001:db8::1]:5269/0"}};
    struct scene s;

    scene_init(&s, NS1);
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct resolution *res = resolve_host(&s, cases[i].host, 5269, false);

        CHECK_EQ(res->kind, RESOLVED);
        check_endpoints(res, cases[i].endpoint);
        resolution_unref(res);
    }
    CHECK_EQ(world_ms(s.w), 0);
    scene_fini(&s);
}

/* RFC 6761 6.3 */
TEST(resolver, localhost_is_this_machine)
{
    struct resolution *res;
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    res = resolve_host(&s, "localhost", 5269, false);
    check_endpoints(res, "[::1]:5269/0 127.0.0.1:5269/0");
    resolution_unref(res);
    check_resolution(&s, "a.localhost", RESOLVED, "[::1]:5269/0 127.0.0.1:5269/0",
                     "_xmpps-server: none (NXDOMAIN); _xmpp-server: none (NXDOMAIN); "
                     "a.localhost: ::1 127.0.0.1");
    CHECK_EQ(dnsserver_asked(d, "a.localhost", NULL), 0);
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.a.localhost", NULL), 0);
    scene_fini(&s);
}

TEST(resolver, refuses_names_that_dns_cannot_know)
{
    static const char *const names[] = {"", "a..b", "a b.example", ".", "x."};
    char longest[254];
    struct scene s;

    scene_init(&s, NS1);
    for (size_t i = 0; i < COUNT(names); i++)
        check_resolution(&s, names[i], RESOLVED_NOTHING, "", "no name that DNS can know");
    scene_server(&s, NS1);
    for (size_t i = 0; i < 253; i++)
        longest[i] = i % 50 == 49 ? '.' : 'a';
    longest[253] = '\0';
    CHECK_EQ(kind_of(&s, longest), RESOLVED_NOTHING); /* no room for a service: no SRV */
    scene_fini(&s);
}

/* ---- cache ---- */

/* SRV-10: as long as the TTL says, and no longer. */
TEST(resolver, keeps_answers_for_their_ttl)
{
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    dnsserver_set_ttl(d, 100);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 1 1 5269 h.example");
    dnsserver_set_ttl(d, 30);
    scene_add(d, "h.example A 10.1.0.7");
    kind_of(&s, "there.example");
    CHECK_EQ(resolver_cache_count(s.r), 4);
    world_advance(s.w, 29000);
    kind_of(&s, "there.example");
    CHECK_EQ(dnsserver_asked(d, "h.example", "A"), 1);
    CHECK_EQ(dnsserver_asked(d, "h.example", "AAAA"), 1);
    world_advance(s.w, 2000);
    kind_of(&s, "there.example");
    CHECK_EQ(dnsserver_asked(d, "h.example", "A"), 2);
    CHECK_EQ(dnsserver_asked(d, "h.example", "AAAA"), 2); /* RFC 2308 */
    CHECK_EQ(dnsserver_asked(d, "_xmpps-server._tcp.there.example", "SRV"), 2);
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.there.example", "SRV"), 1);
    world_advance(s.w, 70000);
    kind_of(&s, "there.example");
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.there.example", "SRV"), 2);
    scene_fini(&s);
}

/* SRV-10: our own bounds over what zones say. */
TEST(resolver, bounds_lifetimes)
{
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    dnsserver_set_ttl(d, 10000000);
    scene_add(d, "there.example A 10.1.0.7");
    kind_of(&s, "there.example");
    world_advance(s.w, (RESOLVER_NEGATIVE_MAX_S + 1) * 1000);
    kind_of(&s, "there.example");
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.there.example", "SRV"), 2);
    CHECK_EQ(dnsserver_asked(d, "there.example", "A"), 1);
    world_advance(s.w, RESOLVER_TTL_MAX_S * 1000ull);
    kind_of(&s, "there.example");
    CHECK_EQ(dnsserver_asked(d, "there.example", "A"), 2);
    scene_fini(&s);
}

/* SRV-10: TTL 0 is for this once. */
TEST(resolver, ttl_0_is_not_kept)
{
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    dnsserver_set_ttl(d, 0);
    scene_add(d, "there.example A 10.1.0.7");
    CHECK_EQ(kind_of(&s, "there.example"), RESOLVED);
    CHECK_EQ(resolver_cache_count(s.r), 0);
    scene_fini(&s);
}

/* RFC 2308 7: a failure is remembered for seconds, not longer. */
TEST(resolver, remembers_failures_shortly)
{
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SERVFAIL");
    for (int i = 0; i < 4; i++) {
        kind_of(&s, "there.example");
        world_advance(s.w, 1000);
    }
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.there.example", NULL), 1);
    world_advance(s.w, 2000);
    kind_of(&s, "there.example");
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.there.example", NULL), 2);
    scene_fini(&s);
}

TEST(resolver, forgets_a_domain_when_told)
{
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 1 1 5269 h.example");
    scene_add(d, "h.example A 10.1.0.7");
    scene_add(d, "other.example A 10.1.0.9");
    kind_of(&s, "there.example");
    kind_of(&s, "other.example");
    CHECK_EQ(resolver_cache_count(s.r), 8);
    resolver_forget(s.r, SLICE("There.example"));
    CHECK_EQ(resolver_cache_count(s.r), 4);
    kind_of(&s, "there.example");
    CHECK_EQ(dnsserver_asked(d, "h.example", "A"), 2);
    CHECK_EQ(dnsserver_asked(d, "_xmpps-server._tcp.there.example", "SRV"), 2);
    scene_fini(&s);
}

/* ---- asking once, bounds, ends ---- */

TEST(resolver, equal_questions_are_asked_once)
{
    static struct wish wishes[100];
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.a.example SRV 1 1 5269 h.example");
    scene_add(d, "_xmpp-server._tcp.b.example SRV 1 1 5269 h.example");
    scene_add(d, "h.example A 10.1.0.7");
    for (size_t i = 0; i < COUNT(wishes); i++) {
        wishes[i] = (struct wish){.s = &s};
        resolver_ask(s.r, i % 2 ? SLICE("a.example") : SLICE("B.example"), wish_done, &wishes[i]);
        CHECK_EQ(wishes[i].count, 0);
    }
    for (size_t i = 0; i < COUNT(wishes); i++) {
        wish_wait(&wishes[i]);
        check_endpoints(wishes[i].res, "10.1.0.7:5269/0");
        resolution_unref(wishes[i].res);
    }
    CHECK_EQ(dnsserver_asked(d, "_xmpp-server._tcp.a.example", "SRV"), 1);
    CHECK_EQ(dnsserver_asked(d, "h.example", "A"), 1);
    scene_fini(&s);
}

/* SRV-03: each draws for itself, also those who share the question. */
TEST(resolver, requests_asked_together_draw_apart)
{
    static struct wish wishes[400];
    struct dnsserver *d;
    unsigned first = 0;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "_xmpp-server._tcp.there.example SRV 10 1000 1 a.there.example");
    scene_add(d, "_xmpp-server._tcp.there.example SRV 10 3000 2 b.there.example");
    scene_add(d, "a.there.example A 10.1.0.1");
    scene_add(d, "b.there.example A 10.1.0.2");
    for (size_t i = 0; i < COUNT(wishes); i++) {
        wishes[i] = (struct wish){.s = &s};
        resolver_ask(s.r, SLICE("there.example"), wish_done, &wishes[i]);
    }
    for (size_t i = 0; i < COUNT(wishes); i++) {
        wish_wait(&wishes[i]);
        first += wishes[i].res->endpoints[0].port == 1;
        resolution_unref(wishes[i].res);
    }
    CHECK_MSG(first > 70 && first < 130, "%u of 400", first);
    scene_fini(&s);
}

/* Never inside the call, also when all is known. */
TEST(resolver, answers_are_posted)
{
    struct wish wish;
    struct scene s;

    scene_init(&s, NS1);
    scene_add(scene_server(&s, NS1), "there.example A 10.1.0.7");
    kind_of(&s, "there.example");
    wish = (struct wish){.s = &s};
    resolver_ask(s.r, SLICE("there.example"), wish_done, &wish);
    CHECK_EQ(wish.count, 0);
    resolution_unref(wish_wait(&wish));
    wish = (struct wish){.s = &s};
    resolver_ask_host(s.r, SLICE("127.0.0.1"), 1, false, wish_done, &wish);
    CHECK_EQ(wish.count, 0);
    resolution_unref(wish_wait(&wish));
    wish = (struct wish){.s = &s};
    resolver_ask(s.r, SLICE("a..b"), wish_done, &wish);
    CHECK_EQ(wish.count, 0);
    resolution_unref(wish_wait(&wish));
    scene_fini(&s);
}

TEST(resolver, cancelled_requests_hear_nothing)
{
    struct resolver_request *q[4];
    struct wish wishes[4];
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    scene_add(d, "a.example A 10.1.0.7");
    for (size_t i = 0; i < COUNT(q); i++) {
        wishes[i] = (struct wish){.s = &s};
        q[i] = resolver_ask(s.r, i < 2 ? SLICE("a.example") : SLICE("b.example"), wish_done,
                            &wishes[i]);
    }
    resolver_cancel(q[0]);
    resolver_cancel(q[2]);
    resolver_cancel(q[3]);
    resolution_unref(wish_wait(&wishes[1]));
    world_advance(s.w, 20000);
    CHECK_EQ(wishes[0].count + wishes[2].count + wishes[3].count, 0);
    q[0] = resolver_ask_host(s.r, SLICE("10.0.0.1"), 1, false, wish_done, &wishes[0]);
    resolver_cancel(q[0]); /* concluded, not told yet */
    world_advance(s.w, 1000);
    CHECK_EQ(wishes[0].count, 0);
    scene_fini(&s);
}

TEST(resolver, open_requests_fail_when_it_ends)
{
    struct wish wishes[3];
    struct scene s;

    scene_init(&s, NS1);
    dnsserver_silence(scene_server(&s, NS1), true);
    for (size_t i = 0; i < COUNT(wishes); i++)
        wishes[i] = (struct wish){.s = &s};
    resolver_ask(s.r, SLICE("a.example"), wish_done, &wishes[0]);
    resolver_ask(s.r, SLICE("a.example"), wish_done, &wishes[1]);
    world_advance(s.w, 1500);
    resolver_ask_host(s.r, SLICE("10.0.0.1"), 1, false, wish_done, &wishes[2]);
    scene_fini(&s);
    CHECK_EQ(wishes[0].res->kind, RESOLVED_FAILED);
    CHECK_EQ(wishes[1].res->kind, RESOLVED_FAILED);
    CHECK_EQ(wishes[2].res->kind, RESOLVED);
    for (size_t i = 0; i < COUNT(wishes); i++) {
        CHECK_EQ(wishes[i].count, 1);
        resolution_unref(wishes[i].res);
    }
}

/* LIMIT-09: a flood of domains opens a bounded number of sockets; what is over fails at once. */
TEST(resolver, bounds_questions_in_flight)
{
    static struct wish wishes[RESOLVER_INFLIGHT_MAX / 2 + 100];
    unsigned failed = 0;
    struct scene s;

    scene_init(&s, NS1);
    dnsserver_silence(scene_server(&s, NS1), true);
    for (size_t i = 0; i < COUNT(wishes); i++) {
        char name[32];

        snprintf(name, sizeof(name), "d%zu.example", i);
        wishes[i] = (struct wish){.s = &s};
        resolver_ask(s.r, slice_from(name), wish_done, &wishes[i]);
    }
    world_advance(s.w, 20);
    CHECK(host_descriptors(s.router) <= RESOLVER_INFLIGHT_MAX);
    for (size_t i = 0; i < COUNT(wishes); i++)
        failed += wishes[i].count;
    CHECK_EQ(failed, 100);
    scene_fini(&s);
    for (size_t i = 0; i < COUNT(wishes); i++)
        resolution_unref(wishes[i].res);
}

/* LIMIT-09: keys for domains of strangers fill their share, and not what our own components need. */
TEST(resolver, strangers_leave_room_for_others)
{
    static struct wish wishes[RESOLVER_INFLIGHT_MAX / 2 + 100];
    struct wish ours;
    unsigned failed = 0;
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    dnsserver_silence(d, true);
    for (size_t i = 0; i < COUNT(wishes); i++) {
        char name[32];

        snprintf(name, sizeof(name), "d%zu.example", i);
        wishes[i] = (struct wish){.s = &s};
        resolver_ask_for_stranger(s.r, slice_from(name), wish_done, &wishes[i]);
    }
    world_advance(s.w, 20);
    CHECK(host_descriptors(s.router) <= RESOLVER_STRANGERS_MAX);
    for (size_t i = 0; i < COUNT(wishes); i++)
        failed += wishes[i].count;
    CHECK_EQ(failed, RESOLVER_INFLIGHT_MAX / 2 + 100 - RESOLVER_STRANGERS_MAX / 2);
    dnsserver_silence(d, false);
    scene_add(d, "there.example A 10.0.0.9");
    ours = (struct wish){.s = &s};
    resolver_ask(s.r, SLICE("there.example"), wish_done, &ours);
    world_advance(s.w, 2000); /* the strangers' questions began before it */
    CHECK_EQ(ours.count, 1);
    CHECK_EQ(ours.res->kind, RESOLVED);
    resolution_unref(ours.res);
    scene_fini(&s);
    for (size_t i = 0; i < COUNT(wishes); i++)
        resolution_unref(wishes[i].res);
}

TESTS(TEST_OF(resolver, merges_both_services_by_priority),
      TEST_OF(resolver, draws_weights_anew_from_the_cache),
      TEST_OF(resolver, dot_means_no_such_service),
      TEST_OF(resolver, records_without_address_are_no_reason_to_fall_back),
      TEST_OF(resolver, falls_back_to_the_domain_itself), TEST_OF(resolver, failure_is_not_absence),
      TEST_OF(resolver, families_take_turns), TEST_OF(resolver, large_answer_comes_over_tcp),
      TEST_OF(resolver, tolerates_an_alias_as_target),
      TEST_OF(resolver, does_not_wait_for_stragglers),
      TEST_OF(resolver, configured_host_needs_no_srv),
      TEST_OF(resolver, ip_literal_needs_no_question), TEST_OF(resolver, localhost_is_this_machine),
      TEST_OF(resolver, refuses_names_that_dns_cannot_know),
      TEST_OF(resolver, keeps_answers_for_their_ttl), TEST_OF(resolver, bounds_lifetimes),
      TEST_OF(resolver, ttl_0_is_not_kept), TEST_OF(resolver, remembers_failures_shortly),
      TEST_OF(resolver, forgets_a_domain_when_told),
      TEST_OF(resolver, equal_questions_are_asked_once),
      TEST_OF(resolver, requests_asked_together_draw_apart), TEST_OF(resolver, answers_are_posted),
      TEST_OF(resolver, cancelled_requests_hear_nothing),
      TEST_OF(resolver, open_requests_fail_when_it_ends),
      TEST_OF(resolver, bounds_questions_in_flight),
      TEST_OF(resolver, strangers_leave_room_for_others))
