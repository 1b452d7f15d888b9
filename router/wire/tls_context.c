#include "wire/tls_inner.h"

#include "wire/certid.h"
#include "wire/jid.h"

#include "base/byteq.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <time.h>

/* Forward secret and AEAD, nothing else (RFC 7525 4.2; CONFORMANCE TLS-14). AES-128 first: it is
 * the fastest and as good as the certificates around it. */
#define SUITES_13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define SUITES_12                                                                                  \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"                                   \
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
/* Servers with P-384 alone exist. QUIRK-21 */
#define GROUPS "X25519:P-256:P-384"
/* 112 bits at least, whatever the system's configuration says. */
#define SECURITY_LEVEL 2
/* Intermediate certificates in one of our chain files. */
#define CHAIN_MAX 16

/* What went wrong, for the line a person reads. */
struct trouble {
    char *text;
    size_t size;
};

/* "FILE: PROBLEM; REMEDY". Takes what OpenSSL has queued away. */
static enum err say(struct trouble *t, const char *file, const char *problem, const char *remedy,
                    enum err e)
{
    snprintf(t->text, t->size, "%s: %s; %s", file, problem, remedy);
    ERR_clear_error();
    return e;
}

static enum err say_unreadable(struct trouble *t, const char *file, int err_no)
{
    const char *remedy =
        err_no == ENOENT ? "check the path in the configuration" : "let the router's user read it";

    return say(t, file, strerror(err_no), remedy, err_from_errno(err_no));
}

static const char *library_reason(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());

    return reason ? reason : "refused by OpenSSL";
}

static enum err open_file(const char *file, struct trouble *t, BIO **ret_bio)
{
    errno = 0;
    *ret_bio = BIO_new_file(file, "r");
    if (*ret_bio)
        return OK;
    return say_unreadable(t, file, errno ? errno : EIO);
}

/* A passphrase would be asked on a terminal that a daemon has not. */
static int no_passphrase(char *buf, int size, int writing, void *asked)
{
    *(bool *)asked = true;
    return -1;
}

/* --- one certificate and its key ------------------------------------------------------------- */

static enum err read_chain(BIO *bio, STACK_OF(X509) * ret_chain)
{
    bool asked = false;
    X509 *x;

    while (sk_X509_num(ret_chain) <= CHAIN_MAX &&
           (x = PEM_read_bio_X509(bio, NULL, no_passphrase, &asked)) != NULL)
        sk_X509_push(ret_chain, x);
    if (sk_X509_num(ret_chain) > CHAIN_MAX)
        return ERR_LIMIT;
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return ERR_SYNTAX; /* not the end of the file but a broken block */
    ERR_clear_error();
    return sk_X509_num(ret_chain) ? OK : ERR_NOT_FOUND;
}

static enum err load_chain(const char *file, struct trouble *t, STACK_OF(X509) * ret_chain)
{
    BIO *bio;
    enum err e = open_file(file, t, &bio);

    if (e)
        return e;
    e = read_chain(bio, ret_chain);
    BIO_free(bio);
    if (e == ERR_NOT_FOUND)
        return say(t, file, "no certificate in it",
                   "give a PEM file, the server's certificate first, then its issuers", ERR_SYNTAX);
    if (e == ERR_LIMIT)
        return say(t, file, "too many certificates", "give the server's chain only", ERR_LIMIT);
    if (e)
        return say(t, file, library_reason(), "a certificate in it is damaged; copy it anew", e);
    return OK;
}

static enum err load_key(const char *file, struct trouble *t, EVP_PKEY **ret_key)
{
    bool asked = false;
    BIO *bio;
    enum err e = open_file(file, t, &bio);

    if (e)
        return e;
    *ret_key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, &asked);
    BIO_free(bio);
    if (*ret_key)
        return OK;
    if (asked)
        return say(t, file, "the key needs a passphrase",
                   "store it without one: openssl pkey -in OLD -out NEW", ERR_DENIED);
    return say(t, file, "no private key in it", "give the key's PEM file", ERR_SYNTAX);
}

static enum err use_chain(SSL_CTX *ssl, STACK_OF(X509) * chain, const char *file, struct trouble *t)
{
    if (SSL_CTX_use_certificate(ssl, sk_X509_value(chain, 0)) != 1)
        return say(t, file, library_reason(), "ask for a certificate with a stronger key",
                   ERR_CRYPTO);
    for (int i = 1; i < sk_X509_num(chain); i++)
        if (SSL_CTX_add1_chain_cert(ssl, sk_X509_value(chain, i)) != 1)
            return say(t, file, library_reason(), "an issuer in it is too weak or damaged",
                       ERR_CRYPTO);
    return OK;
}

static enum err use_key(SSL_CTX *ssl, const char *key_file, const char *chain_file,
                        struct trouble *t)
{
    char problem[512];
    EVP_PKEY *key;
    enum err e = load_key(key_file, t, &key);

    if (e)
        return e;
    if (SSL_CTX_use_PrivateKey(ssl, key) != 1 || SSL_CTX_check_private_key(ssl) != 1) {
        snprintf(problem, sizeof(problem), "is not the key of the certificate in %s", chain_file);
        e = say(t, key_file, problem, "pair the files that were made for each other", ERR_CRYPTO);
    }
    EVP_PKEY_free(key);
    return e;
}

/* --- the names it carries -------------------------------------------------------------------- */

static struct slice asn1_slice(const ASN1_STRING *s)
{
    return slice_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static void add_name(struct byteq *names, struct slice ascii)
{
    for (size_t i = 0; i < ascii.len; i++)
        if (ascii.ptr[i] <= ' ' || ascii.ptr[i] >= 0x7f)
            return; /* no A-label, and it would break the list */
    if (byteq_len(names))
        byteq_append(names, SLICE(" "));
    byteq_append(names, ascii);
}

/* SRV-ID without the service (RFC 4985), XmppAddr in A-labels (RFC 6120 13.7.1.4). */
static void add_other_name(struct byteq *names, const OTHERNAME *other)
{
    int nid = OBJ_obj2nid(other->type_id);
    struct slice text;
    char ascii[256];

    if (!other->value)
        return;
    if (nid == NID_SRVName && other->value->type == V_ASN1_IA5STRING) {
        text = asn1_slice(other->value->value.ia5string);
        if (slice_starts(text, SLICE("_xmpp-server.")))
            add_name(names, slice_from_offset(text, strlen("_xmpp-server.")));
    }
    if (nid == NID_XmppAddr && other->value->type == V_ASN1_UTF8STRING) {
        text = asn1_slice(other->value->value.utf8string);
        if (domain_to_ascii(text, ascii, sizeof(ascii)) == OK)
            add_name(names, slice_from(ascii));
    }
}

static char *names_of(X509 *leaf)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    struct byteq names;
    char *text;

    byteq_init(&names);
    for (int i = 0; i < sk_GENERAL_NAME_num(all); i++) { /* -1 of NULL */
        const GENERAL_NAME *g = sk_GENERAL_NAME_value(all, i);

        if (g->type == GEN_DNS)
            add_name(&names, asn1_slice(g->d.dNSName));
        else if (g->type == GEN_OTHERNAME)
            add_other_name(&names, g->d.otherName);
    }
    GENERAL_NAMES_free(all);
    text = mem_strndup(byteq_slice(&names));
    byteq_fini(&names);
    return text;
}

/* Calls it a match when one word of `names` is `name`. */
static bool has_name(const char *names, struct slice name)
{
    struct slice rest = slice_from(names);

    while (rest.len) {
        size_t end = slice_find(rest, ' ');

        if (slice_eq_nocase(slice_sub(rest, 0, end), name))
            return true;
        rest = slice_from_offset(rest, end + 1);
    }
    return false;
}

static bool find_identity(const struct tls_context *c, struct slice name, size_t *ret_index)
{
    for (size_t i = 0; i < c->certificate_count; i++) {
        if (has_name(c->identities[i].names, name)) {
            *ret_index = i;
            return true;
        }
    }
    return false;
}

size_t tls_context_choose(const struct tls_context *c, struct slice ascii_domain, bool *ret_exact)
{
    struct slice parent = slice_from_offset(ascii_domain, slice_find(ascii_domain, '.'));
    char wildcard[256];
    size_t index = 0;

    *ret_exact = ascii_domain.len && find_identity(c, ascii_domain, &index);
    if (*ret_exact || parent.len == 0 || parent.len + 2 > sizeof(wildcard))
        return index;
    snprintf(wildcard, sizeof(wildcard), "*%.*s", SLICE_ARGS(parent));
    *ret_exact = find_identity(c, slice_from(wildcard), &index);
    return index;
}

SSL_CTX *tls_context_ssl(const struct tls_context *c, struct slice ascii_domain)
{
    bool exact;

    return c->identities[tls_context_choose(c, ascii_domain, &exact)].ssl;
}

/* --- the whole ------------------------------------------------------------------------------- */

/* Full handshakes always: no tickets, no cache, so that a peer's certificate is shown and judged
 * anew on each connection (RFC 6120 13.7.2.3; SERR-08). */
static void forbid_resumption(SSL_CTX *ssl)
{
    SSL_CTX_set_options(ssl, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(ssl, 0);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
}

static SSL_CTX *make_ssl(const struct tls_context_options *o)
{
    SSL_CTX *ssl = SSL_CTX_new(TLS_method());
    bool ok;

    assert(ssl); /* without memory only */
    SSL_CTX_set_security_level(ssl, SECURITY_LEVEL);
    ok = SSL_CTX_set_min_proto_version(ssl, o->tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION) &&
         SSL_CTX_set_max_proto_version(ssl, 0) && SSL_CTX_set_ciphersuites(ssl, SUITES_13) &&
         SSL_CTX_set_cipher_list(ssl, SUITES_12) && SSL_CTX_set1_groups_list(ssl, GROUPS);
    assert(ok); /* constants */
    (void)ok;
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                 SSL_OP_CIPHER_SERVER_PREFERENCE);
    forbid_resumption(ssl);
    /* An idle session keeps no buffers; our chain is sent as it stands in the file, not built
     * from the trust store at each handshake. */
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_NO_AUTO_CHAIN);
    return ssl;
}

static enum err load_identity(struct tls_context *c, const struct tls_context_options *o, size_t i,
                              struct trouble *t)
{
    struct tls_identity *id = &c->identities[i];
    STACK_OF(X509) *chain = sk_X509_new_null();
    enum err e = load_chain(o->chain_files[i], t, chain);

    if (!e)
        e = use_chain(id->ssl, chain, o->chain_files[i], t);
    if (!e)
        e = use_key(id->ssl, o->key_files[i], o->chain_files[i], t);
    if (!e) {
        X509 *leaf = sk_X509_value(chain, 0);

        id->cert = cert_from_chain(leaf, chain, c->trust, time(NULL));
        id->names = names_of(leaf);
        id->file = mem_strdup(o->chain_files[i]);
        c->certs[i] = (struct tls_own_cert){id->file, cert_not_after(id->cert), id->names,
                                            cert_issuer_text(id->cert)};
    }
    sk_X509_pop_free(chain, X509_free);
    return e;
}

static enum err load_trust(struct tls_context *c, const char *file, struct trouble *t)
{
    BIO *bio;
    enum err e = open_file(file, t, &bio); /* for the exact reason */

    if (e)
        return e;
    BIO_free(bio);
    if (cert_store_load(file, &c->trust))
        return say(t, file, "no certificate in it",
                   "give a PEM bundle of authorities, such as that of ca-certificates", ERR_SYNTAX);
    return OK;
}

static struct tls_context *make_context(const struct tls_context_options *o)
{
    struct tls_context *c = MEM_NEW(struct tls_context);
    size_t n = o->certificate_count ? o->certificate_count : 1;

    atomic_init(&c->refs, 1);
    c->identities = mem_array(n, sizeof(c->identities[0]));
    c->certs = mem_array(n, sizeof(c->certs[0]));
    c->certificate_count = o->certificate_count;
    c->bio = tls_bio_method();
    c->ask_client_certificate = o->ask_client_certificate;
    c->alpn_xmpp_server = o->alpn_xmpp_server;
    for (size_t i = 0; i < n; i++) {
        c->identities[i].ssl = make_ssl(o);
        tls_install_callbacks(c->identities[i].ssl, c);
    }
    return c;
}

enum err tls_context_new(const struct tls_context_options *o, char *error, size_t error_size,
                         struct tls_context **ret_context)
{
    struct tls_context *c = make_context(o);
    struct trouble t = {error, error_size};
    enum err e = o->trust_file ? load_trust(c, o->trust_file, &t) : OK;

    for (size_t i = 0; i < o->certificate_count && !e; i++)
        e = load_identity(c, o, i, &t);
    if (e) {
        tls_context_unref(c);
        return e;
    }
    *ret_context = c;
    return OK;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void free_identity(struct tls_identity *id)
{
    SSL_CTX_free(id->ssl);
    if (id->cert)
        cert_unref(id->cert);
    mem_free(id->file);
    mem_free(id->names);
}

void tls_context_unref(struct tls_context *c)
{
    size_t n;

    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    n = c->certificate_count ? c->certificate_count : 1;
    for (size_t i = 0; i < n; i++)
        free_identity(&c->identities[i]);
    X509_STORE_free(c->trust);
    BIO_meth_free(c->bio);
    mem_free(c->identities);
    mem_free(c->certs);
    mem_free(c);
}

size_t tls_context_certs(const struct tls_context *c, const struct tls_own_cert **ret_certs)
{
    *ret_certs = c->certs;
    return c->certificate_count;
}
