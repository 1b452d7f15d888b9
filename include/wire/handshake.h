/* wire/handshake.h - XEP-0114's handshake: hex SHA-1 of stream id and secret. Pure. */
#ifndef WIRE_HANDSHAKE_H
#define WIRE_HANDSHAKE_H

#include "wire/xml.h"

/* Constant time; text is trimmed; hex digits in either case are accepted. */
bool handshake_fits(const struct element *e, struct slice stream_id, struct slice secret);
bool handshake_is(const struct element *e);
void handshake_key(struct slice stream_id, struct slice secret, char out[41]);

#endif
