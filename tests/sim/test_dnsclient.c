/* Several servers, slow, lying or odd ones, and whom to trust. */
#include "sim/dnsoracle.h"
#include "sim/resolverbed.h"

#include "base/counter.h"

#include <ctype.h>

/* ---- several servers ---- */

TEST(dnsclient, asks_the_next_server_and_remembers_who_answered)
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
TEST(dnsclient, changes_server_at_once_when_one_refuses)
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
TEST(dnsclient, repeats_and_still_listens)
{
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
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

/* A burst of questions is spread: what a name server's socket cannot hold would cost a second. */
TEST(dnsclient, begins_questions_at_a_bounded_pace)
{
    static struct wish wishes[1000];
    struct dnsserver *d;
    struct scene s;

    d = scene_open(&s);
    world_set_latency(s.w, s.router, scene_host(&s, NS1), 10000, 10000);
    for (size_t i = 0; i < COUNT(wishes); i++) {
        char name[32];

        snprintf(name, sizeof(name), "d%zu.example", i);
        wishes[i] = (struct wish){.s = &s};
        resolver_ask(s.r, slice_from(name), wish_done, &wishes[i]);
    }
    world_advance(s.w, 5);
    CHECK_EQ(host_descriptors(s.router), 200);
    for (unsigned ms = 5; ms < 900; ms++) {
        world_advance(s.w, 1);
        CHECK(host_descriptors(s.router) <= 300);
    }
    for (size_t i = 0; i < COUNT(wishes); i++) {
        CHECK_EQ(wish_wait(&wishes[i])->kind, RESOLVED_NOTHING);
        resolution_unref(wishes[i].res);
    }
    CHECK(world_ms(s.w) > 900 && world_ms(s.w) < 1500);
    CHECK_EQ(dnsserver_asked(d, "d999.example", "A"), 1);
    scene_fini(&s);
}

TEST(dnsclient, the_whole_is_bounded_in_time)
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

TEST(dnsclient, reload_asks_the_new_servers)
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

/* ---- forgers and odd servers ---- */

static void open_at(struct oracle *o, struct scene *s, const char *ip, oracle_fn *reply)
{
    oracle_open(o, s->w, scene_host(s, ip), ip, reply);
}

static bool is_domain(const struct dnsquery *q)
{
    return strcmp(q->name, "a.example") == 0;
}

/* What all of them say when they are honest: a.example has one address, no SRV. */
static void honest(const struct dnsquery *q, struct pk *pk)
{
    bool found = is_domain(q) && q->type == PK_A;

    oracle_echo(pk, q, is_domain(q) ? PK_NOERROR : PK_NXDOMAIN);
    if (found)
        pk_address(pk, PK_ANSWER, "@", 300, "10.1.0.7");
    else
        pk_soa(pk, "", 300, 300);
}

static void reply_honest(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    honest(q, pk);
}

static void reply_other_case(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    honest(q, pk);
    if (!tcp)
        for (size_t i = 13; i < 13 + strlen(q->name); i++)
            pk->b[i] ^= isalpha(pk->b[i]) ? 0x20 : 0;
}

/* 0x20: a server that does not keep the case is believed over TCP only, and asked so at once when
 * it did that some times. */
TEST(dnsclient, another_case_is_asked_again_over_tcp)
{
    struct oracle o;
    struct scene s;

    scene_init(&s, NS1);
    open_at(&o, &s, NS1, reply_other_case);
    CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
    CHECK(world_ms(s.w) < 1000);
    CHECK_EQ(o.udp_count, 4);
    CHECK_EQ(o.tcp_count, 4);
    CHECK_EQ(counter_read(&s.bed.counters, COUNTER_DNS_REJECTED), 4);
    CHECK_EQ(kind_of(&s, "b.example"), RESOLVED_NOTHING);
    CHECK_EQ(o.udp_count, 4);
    CHECK_EQ(o.tcp_count, 8);
    oracle_close(&o);
    scene_fini(&s);
}

/* A few wrong ids are ignored; with a flood of them TCP is asked, which nobody can guess. */
TEST(dnsclient, guessed_ids_lead_to_tcp)
{
    static const unsigned strays[] = {3, 7, 8, 40};

    for (size_t i = 0; i < COUNT(strays); i++) {
        struct oracle o;
        struct scene s;

        scene_init(&s, NS1);
        open_at(&o, &s, NS1, reply_honest);
        o.strays = strays[i];
        o.mute_udp = strays[i] >= 8;
        CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
        CHECK_EQ(o.udp_count, 4);
        CHECK_EQ(o.tcp_count, strays[i] < 8 ? 0 : 4);
        oracle_close(&o);
        scene_fini(&s);
    }
}

/* Garbage with our id, over UDP and TCP: the server is worth nothing, the next one is asked. */
static void reply_garbage(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    honest(q, pk);
    pk_u8(pk, 0);
}

TEST(dnsclient, malformed_answers_lead_to_the_next_server)
{
    struct oracle bad;
    struct oracle good;
    struct scene s;

    scene_init(&s, NS1 " " NS2);
    open_at(&bad, &s, NS1, reply_garbage);
    open_at(&good, &s, NS2, reply_honest);
    CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
    CHECK(bad.udp_count >= 1 && bad.tcp_count >= 1);
    CHECK_EQ(good.udp_count, 4);
    CHECK(world_ms(s.w) < 500);
    oracle_close(&bad);
    oracle_close(&good);
    scene_fini(&s);
}

/* No resolver behind that address: it refers us to others. SRV-07: that is no absence. */
static void reply_referral(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    oracle_echo(pk, q, 0);
    pk_named(pk, PK_AUTHORITY, "example", PK_NS, 300, "ns.example");
}

TEST(dnsclient, a_referral_is_a_failure)
{
    struct oracle o;
    struct scene s;

    scene_init(&s, NS1);
    open_at(&o, &s, NS1, reply_referral);
    check_resolution(&s, "a.example", RESOLVED_FAILED, "",
                     "_xmpps-server: failed (the server does not resolve); "
                     "_xmpp-server: failed (the server does not resolve)");
    oracle_close(&o);
    scene_fini(&s);
}

/* Each name is an alias of the next one, and the server does not follow: n0 -> n1 -> ... */
static void reply_open_chain(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    unsigned n = 0;
    char next[16];

    if (sscanf(q->name, "n%u.x", &n) != 1) {
        honest(q, pk);
        return;
    }
    oracle_echo(pk, q, 0);
    snprintf(next, sizeof(next), "n%u.x", n + 1);
    if (n < 20)
        pk_named(pk, PK_ANSWER, "@", PK_CNAME, 50, next);
    else if (q->type == PK_A)
        pk_address(pk, PK_ANSWER, "@", 300, "10.1.0.20");
    else
        pk_soa(pk, "x", 300, 300);
}

/* SRV-09: an alias that the server leaves open is followed by us, eight times at most. */
TEST(dnsclient, follows_open_aliases_itself)
{
    struct oracle o;
    struct scene s;

    scene_init(&s, NS1);
    open_at(&o, &s, NS1, reply_open_chain);
    check_resolution(&s, "n12.x", RESOLVED, "10.1.0.20:5269/0",
                     "_xmpps-server: none (NXDOMAIN); _xmpp-server: none (NXDOMAIN); "
                     "n12.x: 10.1.0.20");
    world_advance(s.w, 51000); /* SRV-10: the least TTL of the chain */
    o.udp_count = 0;
    kind_of(&s, "n12.x");
    CHECK_EQ(o.udp_count, 2 * 9);
    check_resolution(&s, "n11.x", RESOLVED_FAILED, "",
                     "_xmpps-server: none (NXDOMAIN); _xmpp-server: none (NXDOMAIN); "
                     "n11.x: AAAA failed (too many aliases) A failed (too many aliases)");
    oracle_close(&o);
    scene_fini(&s);
}

/* c.example and d.example name each other: no answer, and no fault of the server's. */
static void reply_circle(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    if (strcmp(q->name, "c.example") != 0) {
        honest(q, pk);
        return;
    }
    oracle_echo(pk, q, 0);
    pk_named(pk, PK_ANSWER, "@", PK_CNAME, 50, "d.example");
    pk_named(pk, PK_ANSWER, "d.example", PK_CNAME, 50, "@");
}

/* Whoever owns a zone could have us shun our name servers, or ask them for as long as we can. */
TEST(dnsclient, a_circle_of_aliases_is_the_fault_of_its_zone)
{
    struct oracle first;
    struct oracle second;
    unsigned second_count;
    struct scene s;

    scene_init(&s, NS1 " " NS2);
    open_at(&first, &s, NS1, reply_circle);
    open_at(&second, &s, NS2, reply_circle);
    CHECK_EQ(kind_of(&s, "c.example"), RESOLVED_FAILED);
    CHECK(world_ms(s.w) < 500);
    second_count = second.udp_count;
    CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
    CHECK_EQ(second.udp_count, second_count); /* the first is as good as ever */
    oracle_close(&first);
    oracle_close(&second);
    scene_fini(&s);
}

/* ---- whom to trust ---- */

static void reply_secure(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    if (strcmp(q->name, "_xmpp-server._tcp.a.example") == 0 && q->type == PK_SRV) {
        oracle_echo(pk, q, PK_AD);
        pk_srv(pk, PK_ANSWER, "@", 300, 1, 1, 5269, "h.example");
    } else if (strcmp(q->name, "_xmpps-server._tcp.a.example") == 0 && o->bad) {
        oracle_echo(pk, q, 0);
        pk_srv(pk, PK_ANSWER, "@", 300, 2, 1, 5270, "h.example");
    } else if (strcmp(q->name, "h.example") == 0 && q->type == PK_A) {
        oracle_echo(pk, q, 0);
        pk_address(pk, PK_ANSWER, "@", 300, "10.1.0.7");
    } else {
        oracle_echo(pk, q, PK_AD | PK_NXDOMAIN);
        pk_soa(pk, "example", 300, 300);
    }
}

/* DNSSEC-02, DNSSEC-07: AD counts from loopback and listed servers, unless `dnssec: off`. */
TEST(dnsclient, believes_ad_from_trusted_servers_only)
{
    static const struct {
        const char *server;
        const char *listed;
        enum dnssec_mode mode;
        bool secure;
    } cases[] = {
        {LOCAL, NULL, DNSSEC_MODE_AUTO, true},    {LOCAL, NULL, DNSSEC_MODE_TRUST_AD, true},
        {LOCAL, NULL, DNSSEC_MODE_OFF, false},    {NS1, NULL, DNSSEC_MODE_AUTO, false},
        {NS1, NULL, DNSSEC_MODE_TRUST_AD, false}, {NS1, "10.0.0.0/24", DNSSEC_MODE_AUTO, true},
        {NS1, NS1, DNSSEC_MODE_TRUST_AD, true},   {NS1, NS2, DNSSEC_MODE_TRUST_AD, false},
        {NS1, NS1, DNSSEC_MODE_OFF, false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct resolution *res;
        struct oracle o;
        struct scene s;

        scene_init(&s, cases[i].server);
        open_at(&o, &s, cases[i].server, reply_secure);
        s.o.dnssec = cases[i].mode;
        if (cases[i].listed)
            CHECK_EQ(addr_net_parse(slice_from(cases[i].listed), &s.o.trusted[s.o.trusted_count++]),
                     OK);
        resolver_configure(s.r, &s.o);
        res = resolve(&s, "a.example");
        CHECK_EQ(res->kind, RESOLVED);
        CHECK_EQ(res->dnssec, cases[i].secure ? DNSSEC_SECURE : DNSSEC_INSECURE);
        CHECK_EQ(res->endpoints[0].secure_name, cases[i].secure);
        CHECK_STR(res->endpoints[0].host, "h.example");
        resolution_unref(res);
        oracle_close(&o);
        scene_fini(&s);
    }
}

/* CERT-13: the name of an insecure record gains nothing from a secure one beside it. */
TEST(dnsclient, each_service_answer_is_as_secure_as_itself)
{
    struct resolution *res;
    struct oracle o;
    struct scene s;

    scene_init(&s, LOCAL);
    open_at(&o, &s, LOCAL, reply_secure);
    o.bad = "an insecure _xmpps-server";
    res = resolve(&s, "a.example");
    check_endpoints(res, "10.1.0.7:5269/0 10.1.0.7:5270*/1");
    CHECK(res->endpoints[0].secure_name);
    CHECK(!res->endpoints[1].secure_name);
    CHECK_EQ(res->dnssec, DNSSEC_INSECURE);
    resolution_unref(res);
    oracle_close(&o);
    scene_fini(&s);
}

/* What was learnt from a server that is trusted no more is asked again. */
TEST(dnsclient, trust_withdrawn_is_not_cached)
{
    struct resolution *res;
    struct oracle o;
    struct scene s;

    scene_init(&s, LOCAL);
    open_at(&o, &s, LOCAL, reply_secure);
    CHECK_EQ(kind_of(&s, "a.example"), RESOLVED);
    s.o.dnssec = DNSSEC_MODE_OFF;
    resolver_configure(s.r, &s.o);
    res = resolve(&s, "a.example");
    CHECK_EQ(res->dnssec, DNSSEC_INSECURE);
    resolution_unref(res);
    oracle_close(&o);
    scene_fini(&s);
}

/* The name in `bad` is forged: SERVFAIL with an extended error, as unbound and knot send it. */
static void reply_bogus(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    if (strcmp(q->name, o->bad) != 0) {
        reply_secure(o, q, tcp, pk);
        return;
    }
    oracle_echo(pk, q, PK_SERVFAIL);
    pk_opt(pk, 0, 6);
}

/* DNSSEC-04, DNSSEC-06: RFC 7673 3.1, 3.2. */
TEST(dnsclient, bogus_ends_the_attempt)
{
    static const struct {
        const char *server;
        const char *bad;
        enum resolution_kind kind;
        enum dnssec dnssec;
    } cases[] = {
        {LOCAL, "_xmpp-server._tcp.a.example", RESOLVED_BOGUS, DNSSEC_BOGUS},
        {LOCAL, "_xmpps-server._tcp.a.example", RESOLVED_BOGUS, DNSSEC_BOGUS},
        {LOCAL, "h.example", RESOLVED_BOGUS, DNSSEC_BOGUS},
        {NS1, "_xmpp-server._tcp.a.example", RESOLVED_FAILED, DNSSEC_INDETERMINATE},
        {NS1, "h.example", RESOLVED_FAILED, DNSSEC_INDETERMINATE},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct resolution *res;
        struct oracle o;
        struct scene s;

        scene_init(&s, cases[i].server);
        open_at(&o, &s, cases[i].server, reply_bogus);
        o.bad = cases[i].bad;
        res = resolve(&s, "a.example");
        CHECK_MSG(res->kind == cases[i].kind, "%zu: %s", i, res->text);
        CHECK_EQ(res->dnssec, cases[i].dnssec);
        CHECK_EQ(res->count, 0);
        resolution_unref(res);
        oracle_close(&o);
        scene_fini(&s);
    }
}

/* One family is forged: the target is left out although the other is not. */
static void reply_forged_aaaa(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    bool first = strcmp(q->name, "one.example") == 0;

    oracle_echo(pk, q, first && q->type == PK_AAAA ? PK_SERVFAIL : 0);
    if (strcmp(q->name, "_xmpp-server._tcp.a.example") == 0) {
        pk_srv(pk, PK_ANSWER, "@", 300, 1, 1, 5269, "one.example");
        pk_srv(pk, PK_ANSWER, "@", 300, 2, 1, 5269, "two.example");
    } else if (q->type == PK_A) {
        pk_address(pk, PK_ANSWER, "@", 300, first ? "10.1.0.1" : "10.1.0.2");
    } else if (first) {
        pk_opt(pk, 0, 7);
    }
}

TEST(dnsclient, a_forged_address_excludes_its_target)
{
    struct resolution *res;
    struct oracle o;
    struct scene s;

    scene_init(&s, LOCAL);
    open_at(&o, &s, LOCAL, reply_forged_aaaa);
    res = resolve(&s, "a.example");
    check_endpoints(res, "10.1.0.2:5269/1"); /* DNSSEC-06 */
    resolution_unref(res);
    oracle_close(&o);
    scene_fini(&s);
    scene_init(&s, NS1); /* not trusted: only a failure of one family */
    open_at(&o, &s, NS1, reply_forged_aaaa);
    res = resolve(&s, "a.example");
    check_endpoints(res, "10.1.0.1:5269/0 10.1.0.2:5269/1");
    resolution_unref(res);
    oracle_close(&o);
    scene_fini(&s);
}

static void reply_servfail(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk)
{
    oracle_echo(pk, q, PK_SERVFAIL);
}

/* DNSSEC-04: a validating server says SERVFAIL to what is forged; one that does not validate
 * would hand it over. */
TEST(dnsclient, servfail_of_a_trusted_server_is_not_cured_elsewhere)
{
    for (int trusted_first = 0; trusted_first < 2; trusted_first++) {
        struct oracle validating;
        struct oracle other;
        struct scene s;

        scene_init(&s, trusted_first ? LOCAL " " NS1 : NS1 " " LOCAL);
        open_at(&validating, &s, LOCAL, reply_servfail);
        open_at(&other, &s, NS1, trusted_first ? reply_honest : reply_servfail);
        CHECK_EQ(kind_of(&s, "a.example"), RESOLVED_FAILED);
        CHECK_EQ(other.udp_count, trusted_first ? 0 : 2);
        CHECK_EQ(validating.udp_count, 2);
        oracle_close(&validating);
        oracle_close(&other);
        scene_fini(&s);
    }
}

TESTS(TEST_OF(dnsclient, asks_the_next_server_and_remembers_who_answered),
      TEST_OF(dnsclient, changes_server_at_once_when_one_refuses),
      TEST_OF(dnsclient, repeats_and_still_listens),
      TEST_OF(dnsclient, begins_questions_at_a_bounded_pace),
      TEST_OF(dnsclient, the_whole_is_bounded_in_time),
      TEST_OF(dnsclient, reload_asks_the_new_servers),
      TEST_OF(dnsclient, another_case_is_asked_again_over_tcp),
      TEST_OF(dnsclient, guessed_ids_lead_to_tcp),
      TEST_OF(dnsclient, malformed_answers_lead_to_the_next_server),
      TEST_OF(dnsclient, a_referral_is_a_failure), TEST_OF(dnsclient, follows_open_aliases_itself),
      TEST_OF(dnsclient, a_circle_of_aliases_is_the_fault_of_its_zone),
      TEST_OF(dnsclient, believes_ad_from_trusted_servers_only),
      TEST_OF(dnsclient, each_service_answer_is_as_secure_as_itself),
      TEST_OF(dnsclient, trust_withdrawn_is_not_cached), TEST_OF(dnsclient, bogus_ends_the_attempt),
      TEST_OF(dnsclient, a_forged_address_excludes_its_target),
      TEST_OF(dnsclient, servfail_of_a_trusted_server_is_not_cured_elsewhere))
