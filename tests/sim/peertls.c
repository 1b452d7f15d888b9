#include "sim/peertls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#define FACT_MAX 512

struct peertls {
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in;
    BIO *out;
    struct byteq output;
    char offered_alpn[256];
    char fact[FACT_MAX];
    char error[256];
    bool alpn_wanted;
    unsigned char alpn_wire[256];
    unsigned alpn_len;
};

static int accept_any(X509_STORE_CTX *store, void *arg)
{
    return 1; /* what the router shows is looked at, not judged */
}

static int version_of(const char *text, int otherwise)
{
    if (!text)
        return otherwise;
    if (strcmp(text, "1.3") == 0)
        return TLS1_3_VERSION;
    if (strcmp(text, "1.2") == 0)
        return TLS1_2_VERSION;
    return strcmp(text, "1.1") == 0 ? TLS1_1_VERSION : TLS1_VERSION;
}

static unsigned alpn_to_wire(const char *list, unsigned char wire[256])
{
    unsigned n = 0;

    while (*list) {
        size_t len = strcspn(list, ",");

        wire[n++] = (unsigned char)len;
        memcpy(wire + n, list, len);
        n += (unsigned)len;
        list += len + (list[len] == ',');
    }
    return n;
}

static void note_alpn(struct peertls *t, const unsigned char *in, unsigned len)
{
    size_t used = 0;

    for (unsigned i = 0; i < len; i += 1u + in[i])
        used += (size_t)snprintf(t->offered_alpn + used, sizeof(t->offered_alpn) - used, "%s%.*s",
                                 used ? "," : "", in[i], in + i + 1);
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned len, void *arg)
{
    struct peertls *t = arg;
    unsigned char *chosen;

    note_alpn(t, in, len);
    if (!t->alpn_wanted) { /* the first one */
        *out = in + 1;
        *out_len = in[0];
        return SSL_TLSEXT_ERR_OK;
    }
    if (SSL_select_next_proto(&chosen, out_len, t->alpn_wire, t->alpn_len, in, len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static bool set_files(struct peertls *t, const struct peertls_options *o)
{
    if (!o->chain_file)
        return true;
    return SSL_CTX_use_certificate_chain_file(t->ctx, o->chain_file) == 1 &&
           SSL_CTX_use_PrivateKey_file(t->ctx, o->key_file, SSL_FILETYPE_PEM) == 1;
}

static bool set_context(struct peertls *t, const struct peertls_options *o)
{
    int verify = o->server && o->no_client_cert_request ? SSL_VERIFY_NONE : SSL_VERIFY_PEER;

    SSL_CTX_set_verify(t->ctx, verify, NULL);
    SSL_CTX_set_cert_verify_callback(t->ctx, accept_any, NULL);
    SSL_CTX_set_security_level(t->ctx, 0);
    SSL_CTX_set_min_proto_version(t->ctx, version_of(o->min_version, TLS1_2_VERSION));
    SSL_CTX_set_max_proto_version(t->ctx, version_of(o->max_version, 0));
    SSL_CTX_set_options(t->ctx, SSL_OP_ALLOW_CLIENT_RENEGOTIATION);
    if (o->server)
        SSL_CTX_set_alpn_select_cb(t->ctx, choose_alpn, t);
    if (o->groups && !SSL_CTX_set1_groups_list(t->ctx, o->groups))
        return false;
    if (o->ciphers && !SSL_CTX_set_cipher_list(t->ctx, o->ciphers))
        return false;
    return set_files(t, o);
}

static void set_session(struct peertls *t, const struct peertls_options *o)
{
    t->ssl = SSL_new(t->ctx);
    t->in = BIO_new(BIO_s_mem());
    t->out = BIO_new(BIO_s_mem());
    SSL_set_bio(t->ssl, t->in, t->out);
    BIO_set_mem_eof_return(t->in, -1);
    if (o->server)
        SSL_set_accept_state(t->ssl);
    else
        SSL_set_connect_state(t->ssl);
    if (o->sni)
        SSL_set_tlsext_host_name(t->ssl, o->sni);
    if (o->alpn && !o->server)
        SSL_set_alpn_protos(t->ssl, t->alpn_wire, t->alpn_len);
}

struct peertls *peertls_new(const struct peertls_options *o)
{
    struct peertls *t = MEM_NEW(struct peertls);

    byteq_init(&t->output);
    t->ctx = SSL_CTX_new(o->server ? TLS_server_method() : TLS_client_method());
    t->alpn_wanted = o->alpn != NULL;
    if (o->alpn)
        t->alpn_len = alpn_to_wire(o->alpn, t->alpn_wire);
    if (!set_context(t, o)) {
        peertls_free(t);
        return NULL;
    }
    set_session(t, o);
    return t;
}

void peertls_free(struct peertls *t)
{
    if (!t)
        return;
    SSL_free(t->ssl);
    SSL_CTX_free(t->ctx);
    byteq_fini(&t->output);
    mem_free(t);
}

static void collect(struct peertls *t)
{
    char buf[4096];
    int n;

    while ((n = BIO_read(t->out, buf, sizeof(buf))) > 0)
        byteq_append(&t->output, slice_make(buf, (size_t)n));
}

struct byteq *peertls_output(struct peertls *t)
{
    collect(t);
    return &t->output;
}

void peertls_feed(struct peertls *t, struct slice cipher)
{
    BIO_write(t->in, cipher.ptr, (int)cipher.len);
}

static enum err judge(struct peertls *t, int result)
{
    int why = SSL_get_error(t->ssl, result);
    unsigned long code;

    collect(t);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return ERR_AGAIN;
    if (why == SSL_ERROR_ZERO_RETURN)
        return ERR_EOF;
    code = ERR_get_error();
    ERR_error_string_n(code, t->error, sizeof(t->error));
    ERR_clear_error();
    return ERR_CRYPTO;
}

enum err peertls_handshake(struct peertls *t)
{
    int result;

    ERR_clear_error();
    result = SSL_do_handshake(t->ssl);
    collect(t);
    return result == 1 ? OK : judge(t, result);
}

enum err peertls_read(struct peertls *t, char *buf, size_t room, size_t *ret_n)
{
    int n;

    ERR_clear_error();
    n = SSL_read(t->ssl, buf, (int)room);
    if (n <= 0)
        return judge(t, n);
    collect(t);
    *ret_n = (size_t)n;
    return OK;
}

void peertls_write(struct peertls *t, struct slice plain)
{
    ERR_clear_error();
    if (plain.len)
        SSL_write(t->ssl, plain.ptr, (int)plain.len); /* memory takes all */
    collect(t);
}

void peertls_close_notify(struct peertls *t)
{
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    collect(t);
}

void peertls_renegotiate(struct peertls *t)
{
    ERR_clear_error();
    SSL_renegotiate(t->ssl);
    SSL_do_handshake(t->ssl);
    collect(t);
}

/* --- facts --- */

static void add_name(char fact[FACT_MAX], const GENERAL_NAME *name)
{
    size_t used = strlen(fact);
    unsigned char *text = NULL;

    if (name->type != GEN_DNS)
        return;
    if (ASN1_STRING_to_UTF8(&text, name->d.dNSName) < 0)
        return;
    snprintf(fact + used, FACT_MAX - used, "%sdns:%s", used ? " " : "", text);
    OPENSSL_free(text);
}

static void peer_names(struct peertls *t)
{
    X509 *cert = SSL_get0_peer_certificate(t->ssl);
    GENERAL_NAMES *names;

    t->fact[0] = 0;
    if (!cert) {
        snprintf(t->fact, FACT_MAX, "none");
        return;
    }
    names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
        add_name(t->fact, sk_GENERAL_NAME_value(names, i));
    GENERAL_NAMES_free(names);
}

static const char *agreed_alpn(struct peertls *t)
{
    const unsigned char *text;
    unsigned len;

    SSL_get0_alpn_selected(t->ssl, &text, &len);
    snprintf(t->fact, FACT_MAX, "%.*s", (int)len, text ? (const char *)text : "");
    return t->fact;
}

static const char *text_or(const char *text, const char *otherwise)
{
    return text ? text : otherwise;
}

const char *peertls_fact(struct peertls *t, const char *name)
{
    if (strcmp(name, "version") == 0)
        return SSL_get_version(t->ssl);
    if (strcmp(name, "cipher") == 0)
        return text_or(SSL_get_cipher_name(t->ssl), "");
    if (strcmp(name, "group") == 0)
        return text_or(SSL_group_to_name(t->ssl, (int)SSL_get_negotiated_group(t->ssl)), "");
    if (strcmp(name, "sni") == 0)
        return text_or(SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name), "none");
    if (strcmp(name, "alpn") == 0)
        return t->offered_alpn[0] ? t->offered_alpn : "none";
    if (strcmp(name, "agreed-alpn") == 0)
        return agreed_alpn(t);
    if (strcmp(name, "resumed") == 0)
        return SSL_session_reused(t->ssl) ? "yes" : "no";
    if (strcmp(name, "error") == 0)
        return t->error;
    if (strcmp(name, "peer") != 0)
        return "unknown fact";
    peer_names(t);
    return t->fact;
}
