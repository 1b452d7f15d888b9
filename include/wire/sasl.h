/* wire/sasl.h - SASL EXTERNAL between servers: elements in both roles. Pure.
 *
 * Spec: RFC 6120 6, XEP-0178; CONFORMANCE SASL-*.
 */
#ifndef WIRE_SASL_H
#define WIRE_SASL_H

#include "base/byteq.h"
#include "wire/jid.h"
#include "wire/xml.h"

enum sasl_failure {
    SASL_ABORTED,
    SASL_ENCRYPTION_REQUIRED,
    SASL_INCORRECT_ENCODING,
    SASL_INVALID_AUTHZID,
    SASL_INVALID_MECHANISM,
    SASL_MALFORMED_REQUEST,
    SASL_NOT_AUTHORIZED,
    SASL_TEMPORARY_FAILURE,
};

enum sasl_kind { SASL_AUTH, SASL_RESPONSE, SASL_CHALLENGE, SASL_SUCCESS, SASL_FAILURE, SASL_ABORT,
                 SASL_OTHER };

/* SASL_OTHER: in the namespace but unknown. False: another namespace. */
bool sasl_parse_kind(const struct element *e, enum sasl_kind *ret_kind);
const char *sasl_failure_name(enum sasl_failure f);

/* What the authzid of an <auth/> or <response/> amounts to for a stream from `from` (normal
 * form). */
enum sasl_verdict { SASL_ACCEPT, SASL_NEEDS_RESPONSE, SASL_REJECT };
/* `auth`: mechanism is checked, no text at all means SASL_NEEDS_RESPONSE. On SASL_ACCEPT
 * *ret_authzid is the identity (for an empty or "=" one: `from`). `from` may be empty (QUIRK-01):
 * then a non-empty authzid is required. */
enum sasl_verdict sasl_external_take(const struct element *e, struct slice from,
                                     struct domain *ret_authzid, enum sasl_failure *ret_failure);

void sasl_format_auth(struct slice authzid, struct byteq *out);     /* <auth mechanism='EXTERNAL'> */
void sasl_format_response(struct slice authzid, struct byteq *out);
void sasl_format_challenge(struct byteq *out);                      /* empty */
void sasl_format_success(struct byteq *out);
void sasl_format_failure(enum sasl_failure f, struct byteq *out);
/* Name of the condition child, "not-authorized" when unknown (SASL-12). Constant or borrowed. */
struct slice sasl_failure_condition(const struct element *e);

#endif
