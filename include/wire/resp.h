/* wire/resp.h - the Redis protocol as text: commands formatted, replies read. hiredis's door. Pure.
 *
 * hiredis is codec only, and only its reader and formatter. It lets a server name any length it
 * likes; every reply here has named limits, and one that breaks them, or the grammar, ends the
 * reader: nothing after it can be trusted to begin where we think.
 * Spec: the Redis serialization protocol, version 2.
 */
#ifndef WIRE_RESP_H
#define WIRE_RESP_H

#include "base/arena.h"
#include "base/byteq.h"

/* One reply, nested ones included. The longest we ask for are a batch of 200 pairs, the list of
 * members, a page of keys, and INFO. */
#define RESP_DEPTH_MAX    6
#define RESP_ELEMENTS_MAX 16384
#define RESP_BYTES_MAX    (1024 * 1024)
/* Words of one command: a batch of 200 pairs with two words each, and what goes before. */
#define RESP_WORDS_MAX 1024

enum resp_kind { RESP_NIL, RESP_STATUS, RESP_ERROR, RESP_STRING, RESP_INTEGER, RESP_ARRAY };

struct resp {
    enum resp_kind kind;
    struct slice text;  /* STATUS, ERROR, STRING; ended by a NUL that it does not count */
    int64_t number;     /* INTEGER */
    struct resp *items; /* ARRAY */
    size_t count;
};

/* Appends the command. */
void resp_format(struct byteq *out, const struct slice *words, size_t count);

struct resp_reader;
struct resp_reader *resp_reader_new(void);
void resp_reader_free(struct resp_reader *r);
/* ERR_LIMIT: one reply is longer than RESP_BYTES_MAX. */
enum err resp_feed(struct resp_reader *r, struct slice bytes) MUST_USE;
/* OK: the next reply, borrowed until the next call. ERR_AGAIN: feed more. ERR_SYNTAX, ERR_LIMIT:
 * broken for good; resp_reader_error says how. */
enum err resp_next(struct resp_reader *r, const struct resp **ret_reply) MUST_USE;
const char *resp_reader_error(const struct resp_reader *r);

/* The first word of an ERROR ("NOSCRIPT", "ERR"): it is what clients tell errors apart by. */
struct slice resp_error_word(const struct resp *reply);
/* An INTEGER, or a STRING of digits, from 0 to `max`. False: something else. */
bool resp_to_u64(const struct resp *reply, uint64_t max, uint64_t *ret_value);
/* items[i] is there and is a STRING or STATUS; or is a number. False otherwise. */
bool resp_text_at(const struct resp *array, size_t i, struct slice *ret_text);
bool resp_u64_at(const struct resp *array, size_t i, uint64_t *ret_value);

#endif
