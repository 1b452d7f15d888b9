/* wire/tls: what is loaded, and two sessions of ours face to face. */
#include "unit/wire/tlsbed.h"

/* --- loading --------------------------------------------------------------------------------- */

/* One line that names the file, the problem and what to do. */
TEST(tls, says_what_is_wrong_with_a_file)
{
    static const struct {
        const char *chain, *key, *trust;
        enum err e;
        const char *file, *problem, *remedy;
    } cases[] = {
        {"none.pem", "a.key", NULL, ERR_NOT_FOUND, "none.pem", "No such file", "check the path"},
        {"a.pem", "none.key", NULL, ERR_NOT_FOUND, "none.key", "No such file", "check the path"},
        {"a.pem", "b.key", NULL, ERR_CRYPTO, "b.key", "is not the key of", "pair the files"},
        {"a.pem", "rsa.key", NULL, ERR_CRYPTO, "rsa.key", "is not the key of", "pair the files"},
        {"a.key", "a.key", NULL, ERR_SYNTAX, "a.key", "no certificate", "PEM file"},
        {"a.pem", "a.pem", NULL, ERR_SYNTAX, "a.pem", "no private key", "key's PEM file"},
        {"empty", "a.key", NULL, ERR_SYNTAX, "empty", "no certificate", "PEM file"},
        {"broken.pem", "a.key", NULL, ERR_SYNTAX, "broken.pem", "", "damaged"},
        {"a.pem", "locked.key", NULL, ERR_DENIED, "locked.key", "passphrase", "without one"},
        {"a.pem", "a.key", "none.pem", ERR_NOT_FOUND, "none.pem", "No such file", "check the path"},
        {"a.pem", "a.key", "empty", ERR_SYNTAX, "empty", "no certificate", "authorities"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *chain = certfile(cases[i].chain), *key = certfile(cases[i].key);
        const char *trust = cases[i].trust ? certfile(cases[i].trust) : certfile("ca.pem");
        struct tls_context_options o = {&chain, &key, 1, trust, false, true, true};
        struct tls_context *c = NULL;

        CHECK_EQ(tls_context_new(&o, message, sizeof(message), &c), cases[i].e);
        CHECK(c == NULL);
        CHECK_MSG(strstr(message, cases[i].file) && strstr(message, cases[i].problem) &&
                      strstr(message, cases[i].remedy) && !strchr(message, '\n'),
                  "%zu: %s", i, message);
    }
}

TEST(tls, an_expired_certificate_of_ours_is_loaded_and_shown)
{
    struct tls_context *c = loaded("old", false);
    const struct tls_own_cert *certs;

    CHECK_EQ(tls_context_certs(c, &certs), 1);
    CHECK(certs[0].not_after < time(NULL));
    CHECK(strstr(certs[0].file, "old.pem") != NULL);
    CHECK_STR(certs[0].names, "old.example");
    CHECK(strstr(certs[0].issuer, "Test authority") != NULL);
    tls_context_unref(c);
}

/* TLS-09 */
TEST(tls, chooses_exact_name_then_wildcard_then_the_first)
{
    static const struct {
        const char *domain;
        size_t index;
        bool exact;
    } cases[] = {
        {"a.example", 0, true},      {"b.example", 1, true},
        {"B.Example", 1, true},      {"x.b.example", 1, true},
        {"y.b.example", 2, true}, /* exact before the wildcard */
        {"x.y.b.example", 0, false}, {"other.example", 0, false},
        {"srv.example", 2, true},    {"xn--bcher-kva.example", 2, true}, /* XmppAddr in U-labels */
        {"example", 0, false},       {"", 0, false},
        {"*.b.example", 1, true},    {"a.example b.example", 0, false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        bool exact;

        CHECK_MSG(tls_context_choose(both, slice_from(cases[i].domain), &exact) == cases[i].index &&
                      exact == cases[i].exact,
                  "%s", cases[i].domain);
    }
}

/* --- two sessions face to face ---------------------------------------------------------------- */

struct pair {
    struct tls *client, *server;
};

static void pass(struct tls *from, struct tls *to)
{
    struct byteq *out = tls_output(from);

    if (!byteq_len(out))
        return;
    tls_feed(to, byteq_slice(out));
    tls_keep(to);
    byteq_clear(out);
}

/* The first failure, or OK. */
static enum err shake(struct pair *p)
{
    enum err c = ERR_AGAIN, s = ERR_AGAIN;

    for (int i = 0; i < 10 && (c == ERR_AGAIN || s == ERR_AGAIN); i++) {
        c = tls_handshake(p->client);
        pass(p->client, p->server);
        s = tls_handshake(p->server);
        pass(p->server, p->client);
    }
    return c ? c : s;
}

static void close_pair(struct pair *p)
{
    tls_free(p->client);
    tls_free(p->server);
}

static void check_carries(struct tls *from, struct tls *to)
{
    char buf[32];
    size_t n;

    CHECK_EQ(tls_write(from, SLICE("hello"), &n), OK);
    CHECK_EQ(n, 5);
    pass(from, to);
    CHECK_EQ(tls_read(to, buf, sizeof(buf), &n), OK);
    CHECK_SLICE(slice_make(buf, n), "hello");
    CHECK_EQ(tls_read(to, buf, sizeof(buf), &n), ERR_AGAIN);
}

TEST(tls, carries_bytes_and_shows_both_certificates)
{
    struct pair p = {tls_client(both, SLICE("b.example"), SLICE("a.example"), false),
                     tls_server(both, SLICE("b.example"), false)};
    struct cert *c;

    CHECK_EQ(shake(&p), OK);
    CHECK_STR(tls_version(p.client), "TLSv1.3");
    CHECK(tls_cipher(p.client)[0]);
    check_carries(p.client, p.server);
    check_carries(p.server, p.client);
    c = tls_peer_cert(p.client);
    CHECK(c && cert_chain(c) == OK && cert_names(c, SLICE("b.example"), NULL));
    cert_unref(c);
    c = tls_peer_cert(p.server); /* TLS-08; CERT-14: serverAuth alone, shown by a client */
    CHECK(c && cert_chain(c) == OK && cert_names(c, SLICE("a.example"), NULL));
    cert_unref(c);
    CHECK_STR(tls_error(p.client), "");
    close_pair(&p);
}

TEST(tls, forgets_the_chain_of_the_peer_but_not_the_verdict)
{
    struct pair p = {tls_client(both, SLICE("b.example"), SLICE("a.example"), false),
                     tls_server(both, SLICE("b.example"), false)};
    struct cert *c;

    CHECK_EQ(shake(&p), OK);
    c = tls_peer_cert(p.client);
    tls_forget_peer(p.client);
    tls_forget_peer(p.server);
    CHECK(tls_peer_cert(p.server) == NULL); /* nobody had asked */
    CHECK(tls_peer_cert(p.client) == c);
    cert_unref(c);
    check_carries(p.client, p.server);
    CHECK(cert_chain(c) == OK && cert_names(c, SLICE("b.example"), NULL));
    close_pair(&p);
    CHECK(cert_chain(c) == OK && cert_names(c, SLICE("b.example"), NULL));
    cert_unref(c);
}

/* STREAM-19 */
TEST(tls, close_notify_ends_one_direction)
{
    struct pair p = {tls_client(both, SLICE("b.example"), SLICE("a.example"), false),
                     tls_server(both, SLICE("b.example"), false)};
    char buf[8];
    size_t n;

    CHECK_EQ(shake(&p), OK);
    tls_close_notify(p.client);
    pass(p.client, p.server);
    CHECK_EQ(tls_read(p.server, buf, sizeof(buf), &n), ERR_EOF);
    check_carries(p.server, p.client);
    close_pair(&p);
}

/* CERT-01: a bad certificate is the policy's business, not the handshake's. */
TEST(tls, a_peer_without_a_good_certificate_is_let_in_and_told_apart)
{
    static const char *const stems[] = {"old", "self"};

    for (size_t i = 0; i < COUNT(stems); i++) {
        struct tls_context *bad = loaded(stems[i], false);
        struct pair p = {tls_client(bad, SLICE("b.example"), slice_none(), false),
                         tls_server(both, SLICE("b.example"), false)};
        struct cert *c;

        CHECK_EQ(shake(&p), OK);
        c = tls_peer_cert(p.server);
        CHECK(c && cert_chain(c) != OK && cert_chain_error(c)[0]);
        cert_unref(c);
        close_pair(&p);
        p.client = tls_client(both, SLICE("b.example"), slice_none(), false);
        p.server = tls_server(bad, SLICE("b.example"), false);
        CHECK_EQ(shake(&p), OK);
        c = tls_peer_cert(p.client);
        CHECK(c && cert_chain(c) != OK);
        cert_unref(c);
        close_pair(&p);
        tls_context_unref(bad);
    }
}

static void check_presented(struct tls *client, const char *name)
{
    struct cert *c = tls_peer_cert(client);

    CHECK_MSG(c && cert_names(c, slice_from(name), NULL), "%s", name);
    cert_unref(c);
}

/* TLS-09, TLS-10: four connects: `to` of the clear header, SNI, unknown SNI, none. */
TEST(tls, presents_the_certificate_of_the_header_or_of_the_sni)
{
    static const struct {
        const char *domain, *reference, *presented, *sni;
    } cases[] = {
        {"b.example", "a.example", "b.example", "a.example"}, /* the header counts */
        {"", "b.example", "b.example", "b.example"},
        {"", "y.b.example", "y.b.example", "y.b.example"},
        {"", "unknown.example", "a.example", "unknown.example"},
        {"", "", "a.example", ""},
        {"", "127.0.0.1", "a.example", ""}, /* RFC 6066 3: no address in the SNI */
        {"", "::1", "a.example", ""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct pair p = {tls_client(both, slice_from(cases[i].reference), slice_none(), true),
                         tls_server(both, slice_from(cases[i].domain), true)};

        CHECK_EQ(shake(&p), OK);
        check_presented(p.client, cases[i].presented);
        CHECK_SLICE(tls_sni(p.server), cases[i].sni);
        close_pair(&p);
    }
}

/* --- bytes ------------------------------------------------------------------------------------ */

/* Fed one byte at a time, and with a bit turned: the same text, or an end. */
TEST(tls, any_split_is_the_same_and_a_flipped_bit_is_an_end)
{
    for (int flip = 0; flip < 2; flip++) {
        struct pair p = {tls_client(both, SLICE("b.example"), slice_none(), false),
                         tls_server(both, SLICE("b.example"), false)};
        struct byteq *out = tls_output(p.client);
        char buf[64];
        size_t n, got = 0;
        enum err e = ERR_AGAIN;

        CHECK_EQ(shake(&p), OK);
        CHECK_EQ(tls_write(p.client, SLICE("one "), &n), OK);
        CHECK_EQ(tls_write(p.client, SLICE("two"), &n), OK);
        if (flip)
            out->data[out->from + 10] ^= 1;
        for (size_t i = 0; i < byteq_len(out) && e == ERR_AGAIN; i++) {
            tls_feed(p.server, slice_sub(byteq_slice(out), i, 1));
            while ((e = tls_read(p.server, buf + got, sizeof(buf) - got, &n)) == OK)
                got += n;
            tls_keep(p.server);
        }
        CHECK_SLICE(slice_make(buf, got), flip ? "" : "one two");
        CHECK_EQ(e, flip ? ERR_CRYPTO : ERR_AGAIN);
        byteq_clear(out);
        close_pair(&p);
    }
}

TEST(tls, bytes_not_read_yet_are_kept)
{
    struct pair p = {tls_client(both, SLICE("b.example"), slice_none(), false),
                     tls_server(both, SLICE("b.example"), false)};
    char copy[256], buf[8];
    struct byteq *out = tls_output(p.client);
    size_t n, len;

    CHECK_EQ(shake(&p), OK);
    for (int i = 0; i < 3; i++)
        CHECK_EQ(tls_write(p.client, SLICE("abc"), &n), OK);
    len = byteq_len(out);
    memcpy(copy, byteq_slice(out).ptr, len);
    tls_feed(p.server, slice_make(copy, len));
    CHECK_EQ(tls_read(p.server, buf, sizeof(buf), &n), OK);
    tls_keep(p.server);
    memset(copy, 0, sizeof(copy)); /* the caller's buffer is used anew */
    for (int i = 0; i < 2; i++) {
        CHECK_EQ(tls_read(p.server, buf, sizeof(buf), &n), OK);
        CHECK_SLICE(slice_make(buf, n), "abc");
    }
    CHECK_EQ(tls_read(p.server, buf, sizeof(buf), &n), ERR_AGAIN);
    byteq_clear(out);
    close_pair(&p);
}

TLS_TESTS(TEST_OF(tls, says_what_is_wrong_with_a_file),
          TEST_OF(tls, an_expired_certificate_of_ours_is_loaded_and_shown),
          TEST_OF(tls, chooses_exact_name_then_wildcard_then_the_first),
          TEST_OF(tls, carries_bytes_and_shows_both_certificates),
          TEST_OF(tls, forgets_the_chain_of_the_peer_but_not_the_verdict),
          TEST_OF(tls, close_notify_ends_one_direction),
          TEST_OF(tls, a_peer_without_a_good_certificate_is_let_in_and_told_apart),
          TEST_OF(tls, presents_the_certificate_of_the_header_or_of_the_sni),
          TEST_OF(tls, any_split_is_the_same_and_a_flipped_bit_is_an_end),
          TEST_OF(tls, bytes_not_read_yet_are_kept))
