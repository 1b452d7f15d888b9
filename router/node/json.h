/* router/node/json.h - members of JSON objects, for the files of this floor that answer with JSON.
 *
 * Every text becomes valid UTF-8: bytes that are not, and NUL, come from peers and turn into '?'.
 */
#ifndef NODE_JSON_H
#define NODE_JSON_H

#include "base/byteq.h"

#include <jansson.h>

/* A text without pointer is null. */
void json_put_slice(json_t *o, const char *key, struct slice text);
void json_put_text(json_t *o, const char *key, const char *text);
void json_put_count(json_t *o, const char *key, uint64_t n);
void json_put_flag(json_t *o, const char *key, bool flag);
/* "2026-01-31T23:59:59Z"; 0: null. */
void json_put_date(json_t *o, const char *key, int64_t seconds);
/* Takes `value`. */
void json_put(json_t *o, const char *key, json_t *value);
/* Takes `o`; appends it in one line. */
void json_write(json_t *o, struct byteq *out);

#endif
