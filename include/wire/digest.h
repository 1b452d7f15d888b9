/* wire/digest.h - hashes and keyed hashes. A door to OpenSSL. Pure. */
#ifndef WIRE_DIGEST_H
#define WIRE_DIGEST_H

#include "base/slice.h"

#define SHA1_HEX_LEN   40
#define SHA256_HEX_LEN 64

/* Lower-case hex with a final NUL. */
void digest_sha1_hex(struct slice a, struct slice b, char out[SHA1_HEX_LEN + 1]); /* of a then b */
void digest_sha256(struct slice data, unsigned char out[32]);
void digest_sha256_hex(struct slice data, char out[SHA256_HEX_LEN + 1]);
void digest_hmac_sha256_hex(struct slice key, struct slice data, char out[SHA256_HEX_LEN + 1]);
/* Constant time in the contents; lengths are no secret. */
bool digest_equal(struct slice a, struct slice b);

#endif
