#include "wire/tls_inner.h"

#include "base/addr.h"

#include <openssl/err.h>
#include <stdio.h>
#include <time.h>

#define ALPN "xmpp-server" /* XEP-0368 */

/* Records under one key: RFC 8446 5.5 sees 2^24.5 as the end of AES-GCM's margin, and a link may
 * live for months. TLS 1.2 has no remedy (a new handshake is refused), 1.3 takes a new key. */
#define RECORDS_PER_KEY (1u << 23)

/* Cost of a session at rest, see tests/bench/bench_conn.c. */
#define SESSION_BYTES 17408

struct tls {
    struct tls_context *context; /* a reference */
    SSL *ssl;
    struct slice fed;  /* the caller's, until tls_keep */
    struct byteq kept; /* ours, older than `fed` */
    struct byteq out;
    bool failed;
    bool by_sni; /* the certificate follows the client's SNI */
    bool direct;
    bool renegotiating; /* the peer asked for what we refuse */
    bool forgotten;     /* the peer's chain */
    struct cert *peer;  /* made when somebody asks first; NULL: nobody did, or there is none */
    uint32_t records;   /* written since the last change of key */
    int64_t shaken_at;  /* seconds since 1970; 0: not yet */
    char *error;
};

/* --- bytes ----------------------------------------------------------------------------------- */

static size_t take_kept(struct tls *t, char *buf, size_t room)
{
    struct slice s = slice_sub(byteq_slice(&t->kept), 0, room);

    memcpy(buf, s.ptr, s.len);
    byteq_take(&t->kept, s.len);
    return s.len;
}

static size_t take_fed(struct tls *t, char *buf, size_t room)
{
    struct slice s = slice_sub(t->fed, 0, room);

    memcpy(buf, s.ptr, s.len);
    t->fed = slice_from_offset(t->fed, s.len);
    return s.len;
}

static int bio_read(BIO *bio, char *buf, int size)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    if (byteq_len(&t->kept))
        return (int)take_kept(t, buf, (size_t)size);
    if (t->fed.len)
        return (int)take_fed(t, buf, (size_t)size);
    BIO_set_retry_read(bio);
    return -1;
}

static int bio_write(BIO *bio, const char *buf, int size)
{
    struct tls *t = BIO_get_data(bio);

    BIO_clear_retry_flags(bio);
    byteq_append(&t->out, slice_make(buf, (size_t)size));
    return size;
}

static long bio_ctrl(BIO *bio, int what, long n, void *p)
{
    return what == BIO_CTRL_FLUSH; /* everything else is not for us */
}

BIO_METHOD *tls_bio_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "tls filter");
    bool ok = m && BIO_meth_set_read(m, bio_read) && BIO_meth_set_write(m, bio_write) &&
              BIO_meth_set_ctrl(m, bio_ctrl);

    assert(ok);
    return m;
}

void tls_feed(struct tls *t, struct slice cipher)
{
    assert(t->fed.len == 0);
    t->fed = cipher;
}

void tls_keep(struct tls *t)
{
    byteq_append(&t->kept, t->fed);
    t->fed = slice_none();
    if (byteq_len(&t->kept) == 0)
        byteq_fini(&t->kept);
}

struct byteq *tls_output(struct tls *t)
{
    return &t->out;
}

/* --- what OpenSSL asks ----------------------------------------------------------------------- */

/* The handshake goes on whatever the certificate: policy judges afterwards. */
static int on_verify(X509_STORE_CTX *store, void *arg)
{
    return 1;
}

/* CONFORMANCE TLS-09: of direct TLS; a name we do not know gets the default. */
static int on_sni(SSL *ssl, int *alert, void *arg)
{
    struct tls *t = SSL_get_app_data(ssl);
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    if (!name || !t->by_sni)
        return SSL_TLSEXT_ERR_NOACK;
    SSL_set_SSL_CTX(ssl, tls_context_ssl(t->context, slice_from(name)));
    return SSL_TLSEXT_ERR_OK;
}

static bool offers_xmpp(struct slice list)
{
    while (list.len) {
        size_t len = (unsigned char)list.ptr[0];

        if (slice_is(slice_sub(list, 1, len), ALPN))
            return true;
        list = slice_from_offset(list, 1 + len);
    }
    return false;
}

/* CONFORMANCE TLS-11; RFC 7301 3.2. Not called when the client offers nothing. */
static int on_alpn(SSL *ssl, const unsigned char **ret_name, unsigned char *ret_len,
                   const unsigned char *offered, unsigned len, void *arg)
{
    struct tls *t = SSL_get_app_data(ssl);

    if (!t->direct || !t->context->alpn_xmpp_server)
        return SSL_TLSEXT_ERR_NOACK;
    if (!offers_xmpp(slice_make((const char *)offered, len)))
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret_name = (const unsigned char *)ALPN;
    *ret_len = sizeof(ALPN) - 1;
    return SSL_TLSEXT_ERR_OK;
}

static void set_error(struct tls *t, const char *text)
{
    if (!t->error)
        t->error = mem_strdup(text);
}

/* Our own refusal of a renegotiation is a mere warning to OpenSSL; RFC 6120 5.3.5 wants an end. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct tls *t = SSL_get_app_data(ssl);
    char text[128];

    if (!(where & SSL_CB_ALERT))
        return;
    if ((where & SSL_CB_WRITE) && (value & 0xff) == SSL_AD_NO_RENEGOTIATION)
        t->renegotiating = true;
    if (!(where & SSL_CB_READ) || value >> 8 != SSL3_AL_FATAL)
        return;
    snprintf(text, sizeof(text), "peer sent alert \"%s\"", SSL_alert_desc_string_long(value));
    set_error(t, text);
}

void tls_install_callbacks(SSL_CTX *ssl, struct tls_context *c)
{
    SSL_CTX_set_cert_verify_callback(ssl, on_verify, NULL);
    SSL_CTX_set_tlsext_servername_callback(ssl, on_sni);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    SSL_CTX_set_info_callback(ssl, on_info);
}

/* --- a session ------------------------------------------------------------------------------- */

static struct tls *make(struct tls_context *c, struct slice own, bool direct)
{
    struct tls *t = MEM_NEW(struct tls);
    BIO *bio = BIO_new(c->bio);

    t->context = tls_context_ref(c);
    t->ssl = SSL_new(tls_context_ssl(c, own));
    assert(t->ssl && bio); /* without memory only */
    t->direct = direct;
    byteq_init(&t->kept);
    byteq_init(&t->out);
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_app_data(t->ssl, t);
    return t;
}

struct tls *tls_server(struct tls_context *c, struct slice domain, bool direct)
{
    struct tls *t = make(c, domain, direct);

    t->by_sni = domain.len == 0;
    SSL_set_verify(t->ssl, c->ask_client_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    SSL_set_accept_state(t->ssl);
    return t;
}

static void set_sni(SSL *ssl, struct slice reference)
{
    char name[256];
    struct addr ip;

    if (reference.len == 0 || addr_parse_ip(reference, 0, &ip) == OK)
        return; /* RFC 6066 3: no addresses */
    if (slice_to_cstr(reference, name, sizeof(name)))
        SSL_set_tlsext_host_name(ssl, name);
}

struct tls *tls_client(struct tls_context *c, struct slice reference, struct slice own, bool direct)
{
    static const unsigned char alpn[] = "\x0b" ALPN;
    struct tls *t = make(c, own, direct);

    set_sni(t->ssl, reference);
    if (direct)
        SSL_set_alpn_protos(t->ssl, alpn, sizeof(alpn) - 1);
    SSL_set_verify(t->ssl, SSL_VERIFY_PEER, NULL);
    SSL_set_connect_state(t->ssl);
    return t;
}

void tls_free(struct tls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    byteq_fini(&t->kept);
    byteq_fini(&t->out);
    tls_context_unref(t->context);
    cert_unref(t->peer);
    mem_free(t->error);
    mem_free(t);
}

static enum err fail(struct tls *t)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    t->failed = true;
    set_error(t, reason ? reason : "broken off");
    ERR_clear_error();
    return ERR_CRYPTO;
}

/* What a call of OpenSSL that did not succeed means. */
static enum err outcome(struct tls *t, int rc)
{
    int e = SSL_get_error(t->ssl, rc);

    if (t->renegotiating) {
        set_error(t, "peer asked for renegotiation");
        return fail(t);
    }
    if (e == SSL_ERROR_WANT_READ)
        return ERR_AGAIN;
    if (e == SSL_ERROR_ZERO_RETURN)
        return ERR_EOF;
    return fail(t);
}

enum err tls_handshake(struct tls *t)
{
    int rc;

    if (t->failed)
        return ERR_CRYPTO;
    ERR_clear_error();
    rc = SSL_do_handshake(t->ssl);
    if (rc != 1)
        return outcome(t, rc);
    if (!t->shaken_at)
        t->shaken_at = time(NULL);
    return OK;
}

enum err tls_read(struct tls *t, char *buf, size_t room, size_t *ret_n)
{
    int rc;

    assert(room > 0);
    if (t->failed)
        return ERR_CRYPTO;
    ERR_clear_error();
    rc = SSL_read_ex(t->ssl, buf, room, ret_n);
    return rc == 1 ? OK : outcome(t, rc);
}

static void renew_key(struct tls *t)
{
    t->records = 0;
    if (SSL_version(t->ssl) == TLS1_3_VERSION)
        SSL_key_update(t->ssl, SSL_KEY_UPDATE_NOT_REQUESTED);
}

enum err tls_write(struct tls *t, struct slice plain, size_t *ret_n)
{
    int rc;

    if (t->failed)
        return ERR_CRYPTO;
    if (++t->records > RECORDS_PER_KEY)
        renew_key(t);
    if (plain.len > SSL3_RT_MAX_PLAIN_LENGTH)
        plain.len = SSL3_RT_MAX_PLAIN_LENGTH;
    ERR_clear_error();
    rc = SSL_write_ex(t->ssl, plain.ptr, plain.len, ret_n);
    return rc == 1 ? OK : outcome(t, rc);
}

void tls_close_notify(struct tls *t)
{
    if (t->failed || !t->shaken_at)
        return; /* OpenSSL allows no shutdown in a handshake */
    ERR_clear_error();
    if (SSL_shutdown(t->ssl) < 0)
        ERR_clear_error();
}

/* --- what it came to ------------------------------------------------------------------------- */

const char *tls_version(const struct tls *t)
{
    return SSL_get_version(t->ssl);
}

const char *tls_cipher(const struct tls *t)
{
    return SSL_get_cipher_name(t->ssl);
}

bool tls_alpn_agreed(const struct tls *t)
{
    const unsigned char *name;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &name, &len);
    return slice_is(slice_make((const char *)name, len), ALPN);
}

struct slice tls_sni(const struct tls *t)
{
    return slice_from(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name));
}

const char *tls_error(const struct tls *t)
{
    return t->error ? t->error : "";
}

struct cert *tls_peer_cert(struct tls *t)
{
    X509 *leaf = SSL_get0_peer_certificate(t->ssl);

    if (!t->peer && leaf && !t->forgotten)
        t->peer =
            cert_from_chain(leaf, SSL_get_peer_cert_chain(t->ssl), t->context->trust, t->shaken_at);
    return t->peer ? cert_ref(t->peer) : NULL;
}

/* The peer's certificate lives as long as its session; the key that was read from it, half of its
 * memory, is asked for nothing more. The certificate's own bytes stay. */
static void forget_key(X509 *leaf)
{
    EVP_PKEY *key = leaf ? X509_get0_pubkey(leaf) : NULL;

    if (key && !EVP_PKEY_set_type(key, EVP_PKEY_ED25519))
        ERR_clear_error();
}

void tls_forget_peer(struct tls *t)
{
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(t->ssl);

    t->forgotten = true;
    while (sk_X509_num(chain) > 0) /* the stack stays the session's, empty */
        X509_free(sk_X509_pop(chain));
    if (t->peer)
        cert_forget_chain(t->peer);
    forget_key(SSL_get0_peer_certificate(t->ssl));
}

size_t tls_memory(const struct tls *t)
{
    return SESSION_BYTES + t->kept.room + t->out.room;
}
