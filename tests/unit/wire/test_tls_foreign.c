/* wire/tls and a foreign peer: OpenSSL by hand, with every freedom it has. */
#include "unit/wire/tlsbed.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

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

    for (size_t i = 0; i < COUNT(suites) * 2; i++) {
        bool server = i % 2;
        struct raw r = raw_open(!server, TLS1_2_VERSION, NULL);
        struct tls *t = ours(server);

        SSL_set_cipher_list(r.ssl, suites[i / 2]);
        CHECK_MSG(raw_shake(&r, t) == ERR_CRYPTO, "%s", suites[i / 2]);
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

TLS_TESTS(TEST_OF(tls, speaks_each_of_its_groups), TEST_OF(tls, refuses_old_versions),
          TEST_OF(tls, with_tls13_only_refuses_tls12),
          TEST_OF(tls, refuses_suites_without_forward_secrecy_or_aead),
          TEST_OF(tls, speaks_its_tls12_suites),
          TEST_OF(tls, asks_for_a_certificate_and_goes_on_without_one),
          TEST_OF(tls, alpn_on_direct_tls), TEST_OF(tls, alpn_we_offer),
          TEST_OF(tls, renegotiation_ends_the_session), TEST_OF(tls, never_resumes),
          TEST_OF(tls, takes_tickets_without_harm), TEST_OF(tls, answers_a_key_update))
