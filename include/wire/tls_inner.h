/* wire/tls_inner.h - the OpenSSL side of a TLS context: made by tls_context.c, used by tls.c.
 *
 * Private to the two. Each certificate of ours has an SSL_CTX, alike but for that: a session
 * begins on the one of its domain and moves to another when the SNI says so.
 */
#ifndef WIRE_TLS_INNER_H
#define WIRE_TLS_INNER_H

#include "wire/cert_ossl.h"
#include "wire/tls.h"

#include <openssl/ssl.h>
#include <stdatomic.h>

struct tls_identity {
    SSL_CTX *ssl;
    struct cert *cert; /* NULL: a context without certificates */
    char *file;
    char *names;
};

struct tls_context {
    atomic_uint refs;
    struct tls_identity *identities; /* the first is the default; at least one */
    struct tls_own_cert *certs;      /* the same, to be shown; certificate_count of them */
    size_t certificate_count;
    X509_STORE *trust; /* NULL: nobody is trusted */
    BIO_METHOD *bio;
    bool ask_client_certificate;
    bool alpn_xmpp_server;
};

/* tls.c: how a session moves bytes, and what it does when OpenSSL asks. */
BIO_METHOD *tls_bio_method(void);
void tls_install_callbacks(SSL_CTX *ssl, struct tls_context *c);
/* tls_context.c: the identity that a domain gets. */
SSL_CTX *tls_context_ssl(const struct tls_context *c, struct slice ascii_domain);

#endif
