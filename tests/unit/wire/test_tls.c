#include "unit/test.h"

#include "unit/certfiles.h"

#include "base/log.h"
#include "wire/certid.h"
#include "wire/tls.h"

#include <openssl/ssl.h>
#include <openssl/err.h>

static char message[512];
static struct tls_context *both; /* certificates a (default), b, c; trusts the authority */

/* --- loading --------------------------------------------------------------------------------- */

static enum err load(const char *const *stems, size_t n, const char *trust, bool tls13_only,
                     struct tls_context **ret_context)
{
    char chain[4][CERTFILE_PATH_MAX], key[4][CERTFILE_PATH_MAX];
    const char *chains[4], *keys[4];
    struct tls_context_options o = {chains, keys, n, trust, tls13_only, true, true};

    for (size_t i = 0; i < n; i++) {
        snprintf(chain[i], sizeof(chain[i]), "%s.pem", certfile(stems[i]));
        snprintf(key[i], sizeof(key[i]), "%s.key", certfile(stems[i]));
        chains[i] = chain[i];
        keys[i] = key[i];
    }
    message[0] = '\0';
    return tls_context_new(&o, message, sizeof(message), ret_context);
}

static struct tls_context *loaded(const char *stem, bool tls13_only)
{
    struct tls_context *c;

    if (load(&stem, 1, certfile("ca.pem"), tls13_only, &c))
        fail_msg("%s", message);
    return c;
}

static void write_file(const char *name, const char *text)
{
    FILE *f = fopen(certfile(name), "w");

    fputs(text, f);
    fclose(f);
}

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

/* --- a foreign peer: OpenSSL by hand ---------------------------------------------------------- */

struct raw {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
};

static struct raw raw_open_as(const char *stem, bool server, int version, const char *groups)
{
    char chain[CERTFILE_PATH_MAX], key[CERTFILE_PATH_MAX];
    struct raw r = {.ctx = SSL_CTX_new(TLS_method())};

    SSL_CTX_set_security_level(r.ctx, 0);
    SSL_CTX_set_min_proto_version(r.ctx, version);
    SSL_CTX_set_max_proto_version(r.ctx, version);
    if (groups)
        CHECK_EQ(SSL_CTX_set1_groups_list(r.ctx, groups), 1);
    snprintf(chain, sizeof(chain), "%s.pem", certfile(stem));
    snprintf(key, sizeof(key), "%s.key", certfile(stem));
    CHECK_EQ(SSL_CTX_use_certificate_file(r.ctx, chain, SSL_FILETYPE_PEM), 1);
    CHECK_EQ(SSL_CTX_use_PrivateKey_file(r.ctx, key, SSL_FILETYPE_PEM), 1);
    r.ssl = SSL_new(r.ctx);
    r.in = BIO_new(BIO_s_mem());
    r.out = BIO_new(BIO_s_mem());
    SSL_set_bio(r.ssl, r.in, r.out);
    if (server)
        SSL_set_accept_state(r.ssl);
    else
        SSL_set_connect_state(r.ssl);
    return r;
}

static struct raw raw_open(bool server, int version, const char *groups)
{
    return raw_open_as("b", server, version, groups);
}

static void raw_close(struct raw *r)
{
    SSL_free(r->ssl);
    SSL_CTX_free(r->ctx);
}

static void raw_exchange(struct raw *r, struct tls *t)
{
    char *data;
    long n = BIO_get_mem_data(r->out, &data);

    tls_feed(t, slice_make(data, (size_t)n));
    tls_keep(t);
    (void)BIO_reset(r->out);
    if (byteq_len(tls_output(t))) {
        BIO_write(r->in, byteq_slice(tls_output(t)).ptr, (int)byteq_len(tls_output(t)));
        byteq_clear(tls_output(t));
    }
}

/* What our side came to. */
static enum err raw_shake(struct raw *r, struct tls *t)
{
    enum err e = ERR_AGAIN;

    for (int i = 0; i < 10; i++) {
        SSL_do_handshake(r->ssl);
        raw_exchange(r, t);
        if (e == ERR_AGAIN)
            e = tls_handshake(t);
        raw_exchange(r, t);
    }
    return e;
}

static struct tls *ours(bool server)
{
    return server ? tls_server(both, SLICE("a.example"), false)
                  : tls_client(both, SLICE("b.example"), SLICE("a.example"), false);
}

/* QUIRK-21: a peer with one group alone, in both roles, in both versions. RSA: TLS 1.2 takes the
 * group list for that of ECDSA certificates, too. */
TEST(tls, speaks_each_of_its_groups)
{
    static const char *const groups[] = {"X25519", "P-256", "P-384"};
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_context *c = loaded("rsa", false);

    for (size_t i = 0; i < COUNT(groups) * COUNT(versions) * 2; i++) {
        bool server = i % 2;
        struct raw r = raw_open_as("rsa", !server, versions[i / 2 % 2], groups[i / 4]);
        struct tls *t = server ? tls_server(c, SLICE("rsa.example"), false)
                               : tls_client(c, SLICE("rsa.example"), slice_none(), false);

        CHECK_MSG(raw_shake(&r, t) == OK, "%s: %s", groups[i / 4], tls_error(t));
        CHECK_STR(tls_version(t), versions[i / 2 % 2] == TLS1_2_VERSION ? "TLSv1.2" : "TLSv1.3");
        raw_close(&r);
        tls_free(t);
    }
    tls_context_unref(c);
}

/* TLS-13 */
TEST(tls, refuses_old_versions)
{
    static const int versions[] = {TLS1_VERSION, TLS1_1_VERSION};

    for (size_t i = 0; i < COUNT(versions) * 2; i++) {
        bool server = i % 2;
        struct raw r = raw_open(!server, versions[i / 2], NULL);
        struct tls *t = ours(server);

        SSL_set_cipher_list(r.ssl, "ALL:@SECLEVEL=0");
        CHECK_EQ(raw_shake(&r, t), ERR_CRYPTO);
        CHECK(tls_error(t)[0]);
        raw_close(&r);
        tls_free(t);
    }
}

TEST(tls, with_tls13_only_refuses_tls12)
{
    struct tls_context *c = loaded("a", true);
    struct raw r = raw_open(false, TLS1_2_VERSION, NULL);
    struct tls *t = tls_server(c, SLICE("a.example"), false);

    CHECK_EQ(raw_shake(&r, t), ERR_CRYPTO);
    raw_close(&r);
    tls_free(t);
    tls_context_unref(c);
}

/* TLS-14 */
TEST(tls, refuses_suites_without_forward_secrecy_or_aead)
{
    static const char *const suites[] = {
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-ECDSA-AES128-SHA256",
        "ECDHE-ECDSA-AES256-CCM8",
        "ECDHE-ECDSA-NULL-SHA",
        "AECDH-AES128-SHA",
        "AES128-GCM-SHA256",
        "AES128-SHA",
        "PSK-AES128-GCM-SHA256",
    };

    for (size_t i = 0; i < COUNT(suites); i++) {
        struct raw r = raw_open(false, TLS1_2_VERSION, NULL);
        struct tls *t = ours(true);

        SSL_set_cipher_list(r.ssl, suites[i]);
        CHECK_MSG(raw_shake(&r, t) == ERR_CRYPTO, "%s", suites[i]);
        raw_close(&r);
        tls_free(t);
    }
}

TEST(tls, speaks_its_tls12_suites)
{
    static const char *const suites[] = {"ECDHE-ECDSA-AES128-GCM-SHA256",
                                         "ECDHE-ECDSA-AES256-GCM-SHA384",
                                         "ECDHE-ECDSA-CHACHA20-POLY1305"};

    for (size_t i = 0; i < COUNT(suites); i++) {
        struct raw r = raw_open(false, TLS1_2_VERSION, NULL);
        struct tls *t = ours(true);

        SSL_set_cipher_list(r.ssl, suites[i]);
        CHECK_EQ(raw_shake(&r, t), OK);
        CHECK_STR(tls_cipher(t), suites[i]);
        raw_close(&r);
        tls_free(t);
    }
}

/* TLS-08 */
TEST(tls, asks_for_a_certificate_and_goes_on_without_one)
{
    struct raw r = raw_open(false, TLS1_3_VERSION, NULL);
    struct tls *t = ours(true);

    SSL_certs_clear(r.ssl);
    CHECK_EQ(raw_shake(&r, t), OK);
    CHECK(tls_peer_cert(t) == NULL);
    CHECK(SSL_get0_peer_CA_list(r.ssl) == NULL ||
          sk_X509_NAME_num(SSL_get0_peer_CA_list(r.ssl)) <= 0);
    raw_close(&r);
    tls_free(t);
}

/* TLS-11: none, right, wrong, both; with STARTTLS none of it matters. */
TEST(tls, alpn_on_direct_tls)
{
    static const struct {
        const char *offer;
        bool direct, ok, agreed;
    } cases[] = {
        {"", true, true, false},
        {"\x0bxmpp-server", true, true, true},
        {"\x02h2", true, false, false},
        {"\x0bxmpp-client", true, false, false},
        {"\x02h2\x0bxmpp-server", true, true, true},
        {"\x02h2", false, true, false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct raw r = raw_open(false, TLS1_3_VERSION, NULL);
        struct tls *t = tls_server(both, SLICE("a.example"), cases[i].direct);
        char alert[256] = "";

        if (cases[i].offer[0])
            SSL_set_alpn_protos(r.ssl, (const unsigned char *)cases[i].offer,
                                (unsigned)strlen(cases[i].offer));
        CHECK_EQ(raw_shake(&r, t), cases[i].ok ? OK : ERR_CRYPTO);
        CHECK_EQ(cases[i].ok && tls_alpn_agreed(t), cases[i].agreed);
        if (!cases[i].ok) {
            ERR_error_string_n(ERR_peek_last_error(), alert, sizeof(alert));
            CHECK(SSL_do_handshake(r.ssl) < 0);
            CHECK(strstr(tls_error(t), "no application protocol") != NULL);
        }
        ERR_clear_error();
        raw_close(&r);
        tls_free(t);
    }
}

static unsigned char offered[64];
static unsigned offered_len;

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
                   const unsigned char *in, unsigned inlen, void *arg)
{
    assert(inlen < sizeof(offered));
    memcpy(offered, in, inlen);
    offered_len = inlen;
    return SSL_TLSEXT_ERR_NOACK;
}

/* TLS-11: exactly xmpp-server on direct TLS, nothing on STARTTLS. */
TEST(tls, alpn_we_offer)
{
    for (int direct = 0; direct < 2; direct++) {
        struct raw r = raw_open(true, TLS1_3_VERSION, NULL);
        struct tls *t = tls_client(both, SLICE("b.example"), slice_none(), direct);

        offered_len = 0;
        SSL_CTX_set_alpn_select_cb(r.ctx, on_alpn, NULL);
        CHECK_EQ(raw_shake(&r, t), OK);
        CHECK_SLICE(slice_make((char *)offered, offered_len), direct ? "\x0bxmpp-server" : "");
        CHECK(!tls_alpn_agreed(t));
        raw_close(&r);
        tls_free(t);
    }
}

/* TLS-15 */
TEST(tls, renegotiation_ends_the_session)
{
    for (int server = 0; server < 2; server++) {
        struct raw r = raw_open(!server, TLS1_2_VERSION, NULL);
        struct tls *t = ours(server);
        char buf[8];
        size_t n;

        CHECK_EQ(raw_shake(&r, t), OK);
        CHECK_EQ(SSL_renegotiate(r.ssl), 1);
        SSL_do_handshake(r.ssl);
        raw_exchange(&r, t);
        CHECK_EQ(tls_read(t, buf, sizeof(buf), &n), ERR_CRYPTO);
        CHECK_STR(tls_error(t), "peer asked for renegotiation");
        CHECK_EQ(tls_write(t, SLICE("x"), &n), ERR_CRYPTO);
        raw_close(&r);
        tls_free(t);
    }
}

/* SERR-08: nothing to resume with is given, and what a client brings is not taken. */
TEST(tls, never_resumes)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < COUNT(versions); i++) {
        struct raw first = raw_open(false, versions[i], NULL);
        struct raw again = raw_open(false, versions[i], NULL);
        struct tls *t = ours(true);
        struct tls *u = ours(true);
        SSL_SESSION *session;
        char buf[8];

        CHECK_EQ(raw_shake(&first, t), OK);
        SSL_read(first.ssl, buf, sizeof(buf)); /* takes tickets */
        session = SSL_get1_session(first.ssl);
        CHECK(!SSL_SESSION_has_ticket(session));
        SSL_set_session(again.ssl, session);
        CHECK_EQ(raw_shake(&again, u), OK);
        CHECK(!SSL_session_reused(again.ssl));
        SSL_SESSION_free(session);
        raw_close(&first);
        raw_close(&again);
        tls_free(t);
        tls_free(u);
    }
}

/* ... nor do we use the tickets of others. */
TEST(tls, takes_tickets_without_harm)
{
    struct raw r = raw_open(true, TLS1_3_VERSION, NULL);
    struct tls *t = ours(false);
    char buf[8];
    size_t n;

    SSL_set_num_tickets(r.ssl, 4);
    CHECK_EQ(raw_shake(&r, t), OK);
    CHECK_EQ(tls_read(t, buf, sizeof(buf), &n), ERR_AGAIN);
    CHECK_EQ(SSL_write(r.ssl, "hi", 2), 2);
    raw_exchange(&r, t);
    CHECK_EQ(tls_read(t, buf, sizeof(buf), &n), OK);
    CHECK_SLICE(slice_make(buf, n), "hi");
    raw_close(&r);
    tls_free(t);
}

/* RFC 8446 4.6.3: asked for a new key, we take one before we write again. */
TEST(tls, answers_a_key_update)
{
    struct raw r = raw_open(false, TLS1_3_VERSION, NULL);
    struct tls *t = ours(true);
    char buf[8];
    size_t n, plain_len;

    CHECK_EQ(raw_shake(&r, t), OK);
    CHECK_EQ(SSL_key_update(r.ssl, SSL_KEY_UPDATE_REQUESTED), 1);
    CHECK_EQ(SSL_write(r.ssl, "hi", 2), 2);
    raw_exchange(&r, t);
    CHECK_EQ(tls_read(t, buf, sizeof(buf), &n), OK);
    CHECK_EQ(tls_write(t, SLICE("there"), &n), OK);
    plain_len = byteq_len(tls_output(t));
    raw_exchange(&r, t);
    CHECK_EQ(SSL_read(r.ssl, buf, sizeof(buf)), 5);
    CHECK_EQ(tls_write(t, SLICE("there"), &n), OK);
    CHECK(plain_len > byteq_len(tls_output(t))); /* the new key went before the first */
    raw_exchange(&r, t);
    CHECK_EQ(SSL_read(r.ssl, buf, sizeof(buf)), 5);
    raw_close(&r);
    tls_free(t);
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

/* --- the stage ------------------------------------------------------------------------------- */

static void make_self_signed(void)
{
    int64_t now = time(NULL);
    struct cert_pair p = certs_make(NULL, &(struct cert_plan){.san = "DNS:self.example",
                                                              .basic = "critical,CA:FALSE",
                                                              .begin = now - CERTS_DAY,
                                                              .end = now + CERTS_DAY});

    certfile_write("self", &p, NULL);
    certs_free(&p);
}

static void make_rsa(void)
{
    int64_t now = time(NULL);
    struct cert_pair p = {X509_new(), EVP_RSA_gen(2048)};

    X509_set_pubkey(p.cert, p.key);
    certs_fill(p.cert, certfile_ca.cert,
               &(struct cert_plan){
                   .san = "DNS:rsa.example", .begin = now - CERTS_DAY, .end = now + CERTS_DAY});
    X509_sign(p.cert, certfile_ca.key, EVP_sha256());
    certfile_write("rsa", &p, NULL);
    certs_free(&p);
}

static void make_locked_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(certfile("locked.key"), "w");

    PEM_write_PKCS8PrivateKey(f, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
    fclose(f);
    EVP_PKEY_free(key);
}

static int begin(void **state)
{
    static const char *const stems[] = {"a", "b", "c"};

    certfile_begin();
    certfile_make("a", "DNS:a.example", 30);
    certfile_make("b", "DNS:b.example,DNS:*.b.example", 30);
    certfile_make("c",
                  "DNS:y.b.example," OID_SRV "_xmpp-server.srv.example," OID_XMPPADDR "b\xfc"
                  "cher.example", /* certs.h: Latin-1 */
                  30);
    certfile_make("old", "DNS:old.example", -1);
    make_self_signed();
    make_rsa();
    make_locked_key();
    write_file("empty", "");
    write_file("broken.pem",
               "-----BEGIN CERTIFICATE-----\nTm9uc2Vuc2U=\n-----END CERTIFICATE-----\n");
    if (load(stems, 3, certfile("ca.pem"), false, &both))
        fail_msg("%s", message);
    return 0;
}

static int end(void **state)
{
    tls_context_unref(both);
    certfile_end();
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        TEST_OF(tls, says_what_is_wrong_with_a_file),
        TEST_OF(tls, an_expired_certificate_of_ours_is_loaded_and_shown),
        TEST_OF(tls, chooses_exact_name_then_wildcard_then_the_first),
        TEST_OF(tls, carries_bytes_and_shows_both_certificates),
        TEST_OF(tls, forgets_the_chain_of_the_peer_but_not_the_verdict),
        TEST_OF(tls, close_notify_ends_one_direction),
        TEST_OF(tls, a_peer_without_a_good_certificate_is_let_in_and_told_apart),
        TEST_OF(tls, presents_the_certificate_of_the_header_or_of_the_sni),
        TEST_OF(tls, speaks_each_of_its_groups),
        TEST_OF(tls, refuses_old_versions),
        TEST_OF(tls, with_tls13_only_refuses_tls12),
        TEST_OF(tls, refuses_suites_without_forward_secrecy_or_aead),
        TEST_OF(tls, speaks_its_tls12_suites),
        TEST_OF(tls, asks_for_a_certificate_and_goes_on_without_one),
        TEST_OF(tls, alpn_on_direct_tls),
        TEST_OF(tls, alpn_we_offer),
        TEST_OF(tls, renegotiation_ends_the_session),
        TEST_OF(tls, never_resumes),
        TEST_OF(tls, takes_tickets_without_harm),
        TEST_OF(tls, answers_a_key_update),
        TEST_OF(tls, any_split_is_the_same_and_a_flipped_bit_is_an_end),
        TEST_OF(tls, bytes_not_read_yet_are_kept),
    };

    if (argc > 1)
        cmocka_set_test_filter(argv[1]);
    return cmocka_run_group_tests(tests, begin, end);
}
