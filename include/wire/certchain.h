/* wire/certchain.h - is a chain good for an XMPP server, whichever TLS role it played?
 *
 * Private to the doors of OpenSSL. Pure: time is an argument.
 * Spec: RFC 6120 13.7.2, RFC 5280 6; CONFORMANCE CERT-01, CERT-14, QUIRK-04, QUIRK-05.
 */
#ifndef WIRE_CERTCHAIN_H
#define WIRE_CERTCHAIN_H

#include "base/err.h"

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

/* Leaf to anchor; longer ones are not good. Public ones have 3 or 4. */
#define CERTCHAIN_DEPTH_MAX 8

struct certchain {
    STACK_OF(X509) * certs; /* leaf first, anchor last; NULL when not good */
    const char *error;      /* a constant; "" when good */
    bool constrained;       /* some CA in it may issue for certain names only */
};

void certchain_verify(X509 *leaf, STACK_OF(X509) * untrusted, X509_STORE *trust, int64_t at,
                      struct certchain *ret_chain);

#endif
