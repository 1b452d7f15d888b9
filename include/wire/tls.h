/* wire/tls.h - one TLS session as a filter: cipher text and plain text in memory, no sockets.
 *
 * A door to OpenSSL (the others: digest, certid). Contexts are immutable, counted and shared by
 * threads; a reload makes a new one and old sessions keep theirs. The verify callback records and
 * continues: wire/certid and route/verdict judge afterwards.
 *
 * Spec: RFC 6120 5 and 13, RFC 7590, RFC 7525, XEP-0368; CONFORMANCE TLS-*, CERT-*.
 */
#ifndef WIRE_TLS_H
#define WIRE_TLS_H

#include "base/byteq.h"
#include "base/counter.h"

struct tls_context;
struct tls;
struct cert; /* a peer's leaf certificate with its chain and what verification said */

/* A certificate and key of ours, loaded. */
struct tls_context_options {
    const char *const *chain_files; /* PEM, leaf first */
    const char *const *key_files;   /* as many; same index */
    size_t certificate_count;
    const char *trust_file; /* PEM bundle */
    bool tls13_only;
    bool ask_client_certificate; /* S2S: yes; component listener: no */
    bool alpn_xmpp_server;       /* Direct TLS listener */
};

/* On failure `error` says which file, why, and what to do, in one line. Also refused: a key that
 * does not fit its certificate. */
enum err tls_context_new(const struct tls_context_options *o, char *error, size_t error_size,
                         struct tls_context **ret_context) MUST_USE;
struct tls_context *tls_context_ref(struct tls_context *c);
void tls_context_unref(struct tls_context *c);

/* What fedrouterctl certs and metrics show of our own certificates. */
struct tls_own_cert {
    const char *file;
    int64_t not_after; /* seconds since 1970 */
    const char *names; /* "example.org *.example.org", A-label form, space separated */
    const char *issuer;
};
size_t tls_context_certs(const struct tls_context *c, const struct tls_own_cert **ret_certs);
/* Index of the certificate that would be presented for that domain (A-label form): exact name,
 * then wildcard, then the first. `ret_exact`: it does carry the name. */
size_t tls_context_choose(const struct tls_context *c, struct slice ascii_domain, bool *ret_exact);

/* `domain` (A-label): of the clear header's `to`; empty: by SNI (Direct TLS). `direct` demands
 * ALPN xmpp-server if any ALPN is offered (fatal no_application_protocol otherwise). */
struct tls *tls_server(struct tls_context *c, struct slice domain, bool direct);
/* `reference`: SNI, A-label form; empty or IP: none sent. `own`: whose certificate we present.
 * `direct`: ALPN xmpp-server. */
struct tls *tls_client(struct tls_context *c, struct slice reference, struct slice own,
                       bool direct);
void tls_free(struct tls *t);

/* Cipher text from the network; may be any amount. Borrowed until tls_keep, which copies what
 * the calls between did not use: feed, handshake or read until they say ERR_AGAIN, keep. */
void tls_feed(struct tls *t, struct slice cipher);
void tls_keep(struct tls *t);
/* OK when done, ERR_AGAIN: feed more (and send what is in the output), ERR_CRYPTO: failed. */
enum err tls_handshake(struct tls *t) MUST_USE;
/* Plain text out. OK with *ret_n > 0, ERR_AGAIN, ERR_EOF (close_notify), ERR_CRYPTO. */
enum err tls_read(struct tls *t, char *buf, size_t room, size_t *ret_n) MUST_USE;
/* Encrypts up to 16 KiB at once into the output. */
enum err tls_write(struct tls *t, struct slice plain, size_t *ret_n) MUST_USE;
void tls_close_notify(struct tls *t);
/* What is to be sent to the peer; the caller takes from its front. */
struct byteq *tls_output(struct tls *t);

/* After the handshake. */
const char *tls_version(const struct tls *t); /* "TLSv1.3" */
const char *tls_cipher(const struct tls *t);
bool tls_alpn_agreed(const struct tls *t);
/* The SNI a client sent (server side), or empty. */
struct slice tls_sni(const struct tls *t);
/* Why it failed, in words: alert, library reason. "" when it did not. */
const char *tls_error(const struct tls *t);
/* The peer's certificate, or NULL when it showed none: verified when it is asked for first, the
 * same ever after. Counted; the caller unrefs (certid.h). */
struct cert *tls_peer_cert(struct tls *t);
/* The verdict is made: the issuers that the peer sent give their memory back (some 4 KiB each).
 * What the certificate says and what verification said of it stays, if it was asked for before. */
void tls_forget_peer(struct tls *t);
size_t tls_memory(const struct tls *t); /* an estimate, for memory_bytes */

#endif
