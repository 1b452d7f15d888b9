/* wire/dialback.h - Server Dialback: keys and elements. Pure.
 *
 * Spec: XEP-0220, XEP-0185 (key = HMAC-SHA256(SHA256hex(secret), receiving originating id));
 * CONFORMANCE KEY-*, DB-*.
 */
#ifndef WIRE_DIALBACK_H
#define WIRE_DIALBACK_H

#include "base/byteq.h"
#include "wire/xml.h"

#define DIALBACK_KEY_LEN       64
#define DIALBACK_KEY_BYTES_MAX 8192 /* of a peer's key: opaque to us, but bounded */

/* Two generations; `current` signs, both verify. */
struct dialback_secrets {
    char current_hex[65];  /* SHA-256 of the secret, lower-case hex: the HMAC key */
    char previous_hex[65]; /* empty: none */
};

void dialback_secrets_set(struct dialback_secrets *s, struct slice current, struct slice previous);
/* Domains in normal form (KEY-03). */
void dialback_key(const struct dialback_secrets *s, struct slice receiving,
                  struct slice originating, struct slice stream_id, char out[DIALBACK_KEY_LEN + 1]);
/* Constant time. */
bool dialback_key_fits(const struct dialback_secrets *s, struct slice receiving,
                       struct slice originating, struct slice stream_id, struct slice key);

enum dialback_name { DIALBACK_RESULT, DIALBACK_VERIFY };
enum dialback_type { DIALBACK_REQUEST, DIALBACK_VALID, DIALBACK_INVALID, DIALBACK_ERROR };

struct dialback {
    enum dialback_name name;
    enum dialback_type type; /* REQUEST: no type attribute */
    struct slice from;       /* raw; ptr NULL when absent */
    struct slice to;
    struct slice id;         /* verify only */
    struct slice key;        /* trimmed text; empty when over DIALBACK_KEY_BYTES_MAX */
    struct slice condition;  /* of a type='error': the condition's name, or empty */
};

/* False: not a dialback element (namespace), or an unknown name in it. An unknown type counts
 * as DIALBACK_INVALID. Slices borrow from the element. */
bool dialback_parse(const struct element *e, struct dialback *ret_dialback);
/* Appends the element; for errors with `condition` and its type (table in XEP-0220 2.5). */
void dialback_format(const struct dialback *d, struct byteq *out);

#endif
