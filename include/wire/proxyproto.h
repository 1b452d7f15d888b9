/* wire/proxyproto.h - PROXY protocol header, versions 1 and 2: who really connected. Pure.
 *
 * Spec: haproxy's proxy-protocol.txt (text restated in the code). Accepted only from listed
 * networks; that is the caller's business.
 */
#ifndef WIRE_PROXYPROTO_H
#define WIRE_PROXYPROTO_H

#include "base/addr.h"

#define PROXY_V1_BYTES_MAX 107
#define PROXY_V2_BYTES_MAX 1024 /* header, addresses and TLVs we are willing to read */

struct proxy_header {
    bool known;        /* false: LOCAL or UNKNOWN: the connection speaks for itself */
    struct addr peer;  /* valid when known */
    size_t used_bytes; /* length of the header */
};

/* ERR_AGAIN: more bytes are needed; ERR_SYNTAX: no PROXY header or a malformed one;
 * ERR_LIMIT: too long. */
enum err proxy_parse(struct slice bytes, struct proxy_header *ret_header) MUST_USE;

#endif
