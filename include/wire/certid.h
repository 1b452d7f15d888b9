/* wire/certid.h - a peer's certificate: is its chain good, and does it carry that name?
 *
 * A door to OpenSSL. Pure: time is an argument where it counts. Never the common name.
 * Spec: RFC 6120 13.7, RFC 6125, RFC 9525, RFC 7622 (XmppAddr); CONFORMANCE CERT-01 to CERT-14.
 */
#ifndef WIRE_CERTID_H
#define WIRE_CERTID_H

#include "base/err.h"
#include "wire/tls.h"

struct cert *cert_ref(struct cert *c);
void cert_unref(struct cert *c);

/* OK: chain to the trust store, dates, CA rules, key usage for a server in either TLS role.
 * Otherwise ERR_CRYPTO, and cert_chain_error says why ("certificate has expired", ...). Judged
 * at handshake time; cert_not_after tells when that ends. */
enum err cert_chain(const struct cert *c);
const char *cert_chain_error(const struct cert *c);
/* Earliest end of validity in the chain, seconds since 1970. */
int64_t cert_not_after(const struct cert *c);

/* Does the leaf name that domain for S2S? By SAN only: DNS-ID (whole left-most wildcard label),
 * SRV-ID for _xmpp-server (and _xmpps-server), XmppAddr, IP for address literals. `domain` is in
 * normal form (wire/jid). `ret_kind`, may be NULL: "dns", "srv", "xmppaddr", "ip". */
bool cert_names(const struct cert *c, struct slice domain, const char **ret_kind);
/* For DNSSEC-secure SRV targets (CERT-13): only as DNS-ID. */
bool cert_names_host(const struct cert *c, struct slice ascii_host);

/* For logs, `certs`, history: subject names (at most 8), issuer, SHA-256. Borrowed. */
const char *cert_names_text(const struct cert *c);
const char *cert_issuer_text(const struct cert *c);
const char *cert_sha256_hex(const struct cert *c);
/* Same leaf bytes (XEP-0344 2.6). */
bool cert_same(const struct cert *a, const struct cert *b);

/* From PEM, for tests and fuzzers: leaf first; trust may be NULL. */
enum err cert_from_pem(struct slice pem, const char *trust_file, int64_t at,
                       struct cert **ret_cert) MUST_USE;
/* From DER of a leaf alone (fuzzer). */
enum err cert_from_der(struct slice der, struct cert **ret_cert) MUST_USE;

#endif
