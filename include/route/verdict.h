/* route/verdict.h - how a peer proved that it is a domain, and what we saw of it. Pure.
 *
 * Spec: RFC 7712, RFC 6120 13.7, XEP-0220; DNSSEC, DANE, POSH and pins prove nothing in this
 * version.
 */
#ifndef ROUTE_VERDICT_H
#define ROUTE_VERDICT_H

#include "base/err.h"
#include "base/slice.h"

enum method {
#define METHOD(id, word, text) METHOD_##id,
#include "route/method.def"
#undef METHOD
    METHOD_MAX
};

const char *method_word(enum method m);
const char *method_text(enum method m);
enum err method_parse(struct slice word, enum method *ret_method) MUST_USE;

enum dnssec { DNSSEC_INDETERMINATE, DNSSEC_INSECURE, DNSSEC_SECURE, DNSSEC_BOGUS };
const char *dnssec_word(enum dnssec d);

/* Kept per pair, shown by `fedrouterctl pairs`, counted and recorded. Copied by value. */
struct verdict {
    enum method method; /* METHOD_NONE: not proven */
    enum dnssec dnssec; /* of the SRV answer; inbound: indeterminate */
    bool tls;
    char tls_version[12];
    char tls_cipher[40];
    char cert_names[128];
    char cert_sha256[65];
    int64_t cert_not_after; /* seconds since 1970; 0: no certificate */
};

#endif
