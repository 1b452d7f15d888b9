/* The scripted peer, its TLS and its certificates, the name server: tools must be right first. */
#include "sim/bed.h"
#include "sim/certs.h"
#include "sim/dnspacket.h"
#include "sim/dnsserver.h"
#include "sim/net.h"
#include "sim/peer.h"
#include "unit/test.h"

TEST(glob, fits_and_finds)
{
    static const struct {
        const char *glob, *text;
        bool fits;
    } cases[] = {
        {"", "", true},          {"a", "a", true},
        {"a", "ab", false},      {"*", "", true},
        {"a*", "abc", true},     {"*c", "abc", true},
        {"a*c", "abc", true},    {"a*c", "ac", true},
        {"a*c", "acb", false},   {"a*b*c", "a12b34c", true},
        {"aa*aa", "aaa", false}, {"*b*", "abc", true},
        {"*d*", "abc", false},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(glob_fits(slice_from(cases[i].glob), slice_from(cases[i].text)) == cases[i].fits,
                  "%s against %s", cases[i].glob, cases[i].text);
    CHECK_EQ(glob_find(SLICE("b*d"), SLICE("abcde")), 4);
    CHECK_EQ(glob_find(SLICE("e*a"), SLICE("abcde")), SIZE_MAX);
}

struct two {
    struct world *w;
    struct host *a;
    struct host *b;
    struct peer *client;
    struct peer *server;
    struct certs *certs;
    struct byteq transcript;
};

static void two_open(struct two *t, uint64_t seed)
{
    struct peer_port *port;

    memset(t, 0, sizeof(*t));
    t->w = world_new(seed);
    t->a = world_host(t->w, "a", "10.0.0.1");
    t->b = world_host(t->w, "b", "10.0.0.2");
    t->certs = certs_new(bed_dir("peer"));
    byteq_init(&t->transcript);
    peer_write_to(&t->transcript);
    port = peer_listen(t->b, "port", "10.0.0.2:5269");
    t->client = peer_dial(t->a, "client", "10.0.0.2:5269");
    t->server = peer_accept(port, "server", 1000);
    CHECK(t->server);
}

static void two_close(struct two *t)
{
    world_free(t->w);
    peer_write_to(NULL);
    byteq_fini(&t->transcript);
    certs_free(t->certs);
}

/* The server's answers come by themselves while the client waits. */
static void secure(struct two *t, struct peertls_options *server, struct peertls_options *client,
                   enum err expected)
{
    server->server = true;
    if (!server->chain_file) {
        server->chain_file = "tests/out/peer/there.pem";
        server->key_file = "tests/out/peer/there.key";
    }
    CHECK(certs_make(t->certs, "there", "dns=there.example,*.there.example ca=self"));
    CHECK_EQ(peer_tls(t->server, server, 0), ERR_TIMEOUT);
    CHECK_EQ(peer_tls(t->client, client, 5000), expected);
    world_advance(t->w, 1000);
}

static void talk_in_clear(uint64_t seed, struct byteq *ret_transcript)
{
    struct two t;

    two_open(&t, seed);
    peer_say(t.client, "<a/>  <b/>");
    CHECK(peer_expect(t.server, "<a*b/>", 1000));
    peer_say(t.server, "answer");
    CHECK(peer_expect(t.client, "sw", 1000));
    CHECK(peer_expect(t.client, "r", 1000));
    CHECK_EQ(peer_input(t.client).len, 0);
    CHECK(!peer_expect(t.client, "never", 1000));
    peer_finish(t.client);
    CHECK(peer_wait_end(t.server, 1000));
    CHECK(peer_has_ended(t.server));
    peer_note_all();
    byteq_append(ret_transcript, byteq_slice(&t.transcript));
    two_close(&t);
}

TEST(peer, same_seed_gives_the_same_transcript)
{
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct byteq once;
        struct byteq again;

        byteq_init(&once);
        byteq_init(&again);
        talk_in_clear(seed, &once);
        talk_in_clear(seed, &again);
        CHECK(byteq_len(&once) > 50);
        CHECK(slice_eq(byteq_slice(&once), byteq_slice(&again)));
        byteq_fini(&once);
        byteq_fini(&again);
    }
}

TEST(peer, speaks_tls_and_tells_what_it_saw)
{
    struct peertls_options server = {.server = true};
    struct peertls_options client = {.sni = "there.example", .alpn = "xmpp-server"};
    struct two t;

    two_open(&t, 1);
    secure(&t, &server, &client, OK);
    peer_say(t.client, "hidden");
    CHECK(peer_expect(t.server, "hidden", 1000));
    CHECK_STR(peertls_fact(peer_session(t.server), "sni"), "there.example");
    CHECK_STR(peertls_fact(peer_session(t.server), "alpn"), "xmpp-server");
    CHECK_STR(peertls_fact(peer_session(t.server), "peer"), "none");
    CHECK_STR(peertls_fact(peer_session(t.client), "version"), "TLSv1.3");
    CHECK_STR(peertls_fact(peer_session(t.client), "peer"),
              "dns:there.example dns:*.there.example");
    peer_finish(t.client);
    CHECK(peer_wait_end(t.server, 1000));
    CHECK(peer_was_notified(t.server));
    two_close(&t);
}

TEST(peer, offers_what_it_was_told)
{
    struct peertls_options server = {.groups = "P-384", .max_version = "1.2"};
    struct peertls_options client = {.chain_file = NULL};
    struct two t;

    two_open(&t, 2);
    secure(&t, &server, &client, OK);
    CHECK_STR(peertls_fact(peer_session(t.client), "version"), "TLSv1.2");
    CHECK_STR(peertls_fact(peer_session(t.client), "group"), "secp384r1");
    two_close(&t);
}

TEST(peer, tls_that_cannot_agree_fails)
{
    struct peertls_options server = {.groups = "P-384"};
    struct peertls_options client = {.groups = "P-256"};
    struct two t;

    two_open(&t, 3);
    secure(&t, &server, &client, ERR_CRYPTO);
    two_close(&t);
}

/* Same seed: the same keys, nonces and records, to the byte and the microsecond. */
TEST(world, tls_runs_are_repeatable)
{
    uint64_t digest[2];

    for (int i = 0; i < 2; i++) {
        struct peertls_options server = {.server = true};
        struct peertls_options client = {.sni = "there.example"};
        struct two t;

        two_open(&t, 7);
        secure(&t, &server, &client, OK);
        digest[i] = world_digest(t.w);
        two_close(&t);
    }
    CHECK_EQ(digest[0], digest[1]);
}

TEST(certs, unknown_word_is_refused)
{
    struct world *w = world_new(1);
    struct certs *c = certs_new(bed_dir("peer"));

    CHECK(certs_make(c, "x",
                     "dns=a.example srv=_xmpp-server.a.example xmpp=b\xc3\xbc"
                     "cher.example "
                     "ip=192.0.2.1 cn=a ca=other from=-2d until=+5s eku=server key=p384 ca-leaf"));
    CHECK(!certs_make(c, "x", "dsn=a.example"));
    certs_free(c);
    world_free(w);
}

/* --- name server --- */

struct asker {
    struct udp *udp;
    struct byteq packet;
};

static void hear(void *arg)
{
    struct asker *a = arg;
    struct addr from;
    char buf[2048];
    size_t n;

    while (udp_recv(a->udp, buf, sizeof(buf), &n, &from) == OK) {
        byteq_clear(&a->packet);
        byteq_append(&a->packet, slice_make(buf, n));
    }
}

static void make_question(struct byteq *out, const char *name, const char *type, unsigned edns)
{
    dns_put16(out, 0x1234);
    dns_put16(out, 0x0100);
    dns_put16(out, 1);
    dns_put16(out, 0);
    dns_put16(out, 0);
    dns_put16(out, edns ? 1 : 0);
    CHECK_EQ(dnsname_format(slice_from(name), out), OK);
    dns_put16(out, dnstype_of(slice_from(type)));
    dns_put16(out, 1);
    if (!edns)
        return;
    byteq_append(out, slice_make("", 1));
    dns_put16(out, 41);
    dns_put16(out, edns);
    dns_put32(out, 0x8000);
    dns_put16(out, 0);
}

/* What a name server of these rows answers to a question, over UDP. */
static void ask(const char *const *rows, const char *name, const char *type, unsigned edns,
                struct asker *ret_asker)
{
    struct world *w = world_new(1);
    struct host *h = world_host(w, "a", "10.0.0.1");
    struct dnsserver *d = dnsserver_open(h, "10.0.0.1:53");
    struct addr to;
    struct byteq question;

    CHECK_EQ(addr_parse(SLICE("10.0.0.1:53"), 0, &to), OK);
    for (; *rows; rows++)
        CHECK_EQ(dnsserver_add(d, *rows), OK);
    byteq_init(&ret_asker->packet);
    byteq_init(&question);
    make_question(&question, name, type, edns);
    CHECK_EQ(udp_open(h, NULL, NULL, &to, hear, ret_asker, &ret_asker->udp), OK);
    CHECK_EQ(udp_send(ret_asker->udp, byteq_slice(&question), NULL), OK);
    world_advance(w, 1000);
    CHECK_EQ(dnsserver_asked(d, "q.example", type), 1);
    byteq_fini(&question);
    world_free(w);
}

static unsigned at16(struct slice s, size_t at)
{
    CHECK(at + 1 < s.len);
    return (unsigned)(unsigned char)s.ptr[at] << 8 | (unsigned char)s.ptr[at + 1];
}

TEST(dnsserver, answers_by_its_table)
{
    static const struct {
        const char *row;
        const char *type;
        unsigned flags, answers, authority;
    } cases[] = {
        {"q.example A 192.0.2.1", "A", 0x8180, 1, 0},
        {"q.example AAAA 2001:db8::1", "AAAA", 0x8180, 1, 0},
        {"q.example A 192.0.2.1", "AAAA", 0x8180, 0, 1}, /* no data: SOA (RFC 2308) */
        {"r.example A 192.0.2.1", "A", 0x8183, 0, 1},
        {"q.example SRV 1 2 3 t.example", "SRV", 0x8180, 1, 0},
        {"q.example TLSA 3 1 1 00ff", "TLSA", 0x8180, 1, 0},
        {"q.example CNAME r.example", "A", 0x8183, 1, 1}, /* an alias of nothing */
        {"q.example SERVFAIL", "A", 0x8182, 0, 0},
        {"q.example NXDOMAIN", "A", 0x8183, 0, 1},
        {"q.example REFUSED", "A", 0x8185, 0, 0},
        {"q.example TRUNCATED", "A", 0x8383, 0, 0},
        {"q.example DELAY 500", "A", 0x8183, 0, 1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *rows[] = {cases[i].row, NULL};
        struct asker a;
        struct slice p;

        ask(rows, "Q.exaMple", cases[i].type, 0, &a);
        p = byteq_slice(&a.packet);
        CHECK_EQ(at16(p, 0), 0x1234);
        CHECK_MSG(at16(p, 2) == cases[i].flags, "%s: %x", cases[i].row, at16(p, 2));
        CHECK_EQ(at16(p, 6), cases[i].answers);
        CHECK_EQ(at16(p, 8), cases[i].authority);
        CHECK(memcmp(p.ptr + 12, "\1Q\7exaMple", 10) == 0); /* case repeated (0x20) */
        byteq_fini(&a.packet);
    }
}

TEST(dnsserver, is_silent_when_told)
{
    const char *rows[] = {"q.example SILENT", NULL};
    struct asker a;

    ask(rows, "q.example", "A", 0, &a);
    CHECK_EQ(byteq_len(&a.packet), 0);
}

/* SRV-09: forty records do not fit into a datagram. */
TEST(dnsserver, long_answers_are_cut_over_udp_and_whole_over_tcp)
{
    struct world *w = world_new(1);
    struct host *h = world_host(w, "a", "10.0.0.1");
    struct dnsserver *d = dnsserver_open(h, "10.0.0.1:53");
    struct peer *p = peer_dial(h, "tcp", "10.0.0.1:53");
    struct byteq question;
    struct byteq framed;
    char row[64];

    for (int i = 0; i < 40; i++) {
        snprintf(row, sizeof(row), "q.example SRV 1 2 %d target-%d.example", i, i);
        CHECK_EQ(dnsserver_add(d, row), OK);
    }
    byteq_init(&question);
    byteq_init(&framed);
    make_question(&question, "q.example", "SRV", 1232);
    dns_put16(&framed, (unsigned)byteq_len(&question));
    byteq_append(&framed, byteq_slice(&question));
    peer_send(p, byteq_slice(&framed));
    world_advance(w, 1000);
    CHECK_EQ(at16(peer_input(p), 0), peer_input(p).len - 2);
    CHECK_EQ(at16(peer_input(p), 2 + 2) & 0x0200, 0);
    CHECK_EQ(at16(peer_input(p), 2 + 6), 40);
    byteq_fini(&question);
    byteq_fini(&framed);
    world_free(w);
}

TESTS(TEST_OF(glob, fits_and_finds), TEST_OF(peer, same_seed_gives_the_same_transcript),
      TEST_OF(peer, speaks_tls_and_tells_what_it_saw), TEST_OF(peer, offers_what_it_was_told),
      TEST_OF(peer, tls_that_cannot_agree_fails), TEST_OF(world, tls_runs_are_repeatable),
      TEST_OF(certs, unknown_word_is_refused), TEST_OF(dnsserver, answers_by_its_table),
      TEST_OF(dnsserver, is_silent_when_told),
      TEST_OF(dnsserver, long_answers_are_cut_over_udp_and_whole_over_tcp))
