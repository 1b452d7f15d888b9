/* tests/sim/peertls.h - TLS of a scripted peer: any version, group, name or certificate, and what
 * the other side showed. OpenSSL itself, not wire/tls: the judge is another one than the judged.
 */
#ifndef SIM_PEERTLS_H
#define SIM_PEERTLS_H

#include "base/byteq.h"

struct peertls;

struct peertls_options {
    bool server;
    const char *chain_file; /* NULL: no certificate (client only) */
    const char *key_file;
    const char *sni;         /* client: sent; NULL: none */
    const char *alpn;        /* comma separated; NULL: none offered, as server: all accepted */
    const char *min_version; /* "1.2", "1.3"; NULL: 1.2 */
    const char *max_version;
    const char *groups;          /* "P-384" */
    const char *ciphers;         /* of TLS 1.2 */
    bool no_client_cert_request; /* server does not ask */
};

/* NULL: options that OpenSSL does not like. */
struct peertls *peertls_new(const struct peertls_options *o);
void peertls_free(struct peertls *t);

void peertls_feed(struct peertls *t, struct slice cipher);
/* OK: done; ERR_AGAIN; ERR_CRYPTO. */
enum err peertls_handshake(struct peertls *t) MUST_USE;
/* OK, ERR_AGAIN, ERR_EOF (close_notify), ERR_CRYPTO. */
enum err peertls_read(struct peertls *t, char *buf, size_t room, size_t *ret_n) MUST_USE;
void peertls_write(struct peertls *t, struct slice plain);
void peertls_close_notify(struct peertls *t);
/* TLS 1.2: asks for a new handshake (TLS-15). */
void peertls_renegotiate(struct peertls *t);
/* To be sent; the caller takes it all. */
struct byteq *peertls_output(struct peertls *t);

/* What was agreed and shown, as text: "version", "cipher", "group", "sni" and "alpn" (as offered
 * by the client, when we are the server), "agreed-alpn", "peer" (names in the other's certificate
 * as "dns:a.example ...", or "none"), "resumed" (yes, no), "error". */
const char *peertls_fact(struct peertls *t, const char *name);

#endif
