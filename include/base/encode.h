/* base/encode.h - hexadecimal and base64. Pure.
 *
 * Spec: RFC 4648 4 and 8; strictness as RFC 6120 13.9.1 demands of SASL (CONFORMANCE SASL-09).
 */
#ifndef BASE_ENCODE_H
#define BASE_ENCODE_H

#include "base/err.h"
#include "base/slice.h"

/* Lower case; `out` has room for 2 n + 1 bytes and ends with a NUL. */
void hex_format(const void *data, size_t n, char *out);

#define BASE64_LEN(n) (((n) + 2) / 3 * 4)
/* `out` has room for BASE64_LEN(n) + 1 bytes and ends with a NUL. Returns the length. */
size_t base64_format(const void *data, size_t n, char *out);
/* Strict: no other characters, padding at the end only, pad bits zero. ERR_SYNTAX, or ERR_LIMIT
 * when the result does not fit into `room` bytes. */
enum err base64_parse(struct slice text, void *out, size_t room, size_t *ret_len) MUST_USE;

#endif
