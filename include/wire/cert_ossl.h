/* wire/cert_ossl.h - the OpenSSL side of `struct cert`: made by wire/tls, read by wire/dane.
 *
 * Private to the doors of OpenSSL: nobody else includes it; everybody else sees wire/certid.h.
 *
 * wire/tls should switch libssl's own verification off (SSL_CTX_set_cert_verify_callback with a
 * function that returns 1: record and continue) and make the cert after the handshake:
 *
 *     X509 *leaf = SSL_get0_peer_certificate(ssl);
 *     struct cert *c = cert_from_chain(leaf, SSL_get_peer_cert_chain(ssl), store, time(NULL));
 *
 * so that a chain is verified once, by one policy, in either TLS role.
 */
#ifndef WIRE_CERT_OSSL_H
#define WIRE_CERT_OSSL_H

#include "wire/certid.h"

#include <openssl/x509.h>

/* A certificate of one reference. `untrusted` is what the peer sent (with or without the leaf in
 * it; NULL: nothing), `trust` the anchors (NULL: none, no chain is good), `at` seconds since 1970.
 * All are borrowed: what is kept is counted or copied. Never fails: a chain that is not good is a
 * property of the result (cert_chain), for policy to judge. */
struct cert *cert_from_chain(X509 *leaf, STACK_OF(X509) * untrusted, X509_STORE *trust, int64_t at);

/* Borrowed from the cert. The untrusted stack may be NULL, and is when it was forgotten. */
X509 *cert_leaf(const struct cert *c);
STACK_OF(X509) * cert_untrusted(const struct cert *c);
/* The verified chain, leaf first, anchor last; NULL when cert_chain failed or it was forgotten. */
STACK_OF(X509) * cert_verified(const struct cert *c);

/* Lets go of both stacks; what they said stays said. Nobody else may be looking at them. */
void cert_forget_chain(struct cert *c);

/* An immutable store of the PEM bundle's anchors, to be shared by all verifications. ERR_NOT_FOUND:
 * no such file; ERR_SYNTAX: not one certificate in it. The caller frees (X509_STORE_free). */
enum err cert_store_load(const char *pem_file, X509_STORE **ret_store) MUST_USE;

#endif
