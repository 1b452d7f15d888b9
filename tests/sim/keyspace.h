/* tests/sim/keyspace.h - a small Redis: keys and values in memory, and the commands on them.
 *
 * Strings (whole numbers too), hashes, sets; channel notices go to a callback. No expiry, no
 * waiting, no connections: whoever wants a server puts a protocol before `keyspace_call`. Scripts
 * run through sim/redislua.h on the same keyspace.
 */
#ifndef SIM_KEYSPACE_H
#define SIM_KEYSPACE_H

#include "base/map.h"

enum reply_kind { REPLY_NIL, REPLY_STATUS, REPLY_ERROR, REPLY_INT, REPLY_TEXT, REPLY_ARRAY };

struct reply {
    enum reply_kind kind;
    int64_t number;
    char *text; /* of a status, error or text; NUL-terminated */
    size_t len;
    struct reply *items;
    size_t count, room;
};

void reply_fini(struct reply *r);
void reply_text(struct reply *r, enum reply_kind kind, struct slice text);
/* A new item at the end of an array; borrowed until the next. */
struct reply *reply_add(struct reply *r);
/* The i-th item's text, or none. */
struct slice reply_at(const struct reply *r, size_t i);

struct keyspace {
    struct map entries;
    void (*notice)(void *arg, struct slice channel, struct slice text); /* or NULL */
    void *arg;
};

void keyspace_init(struct keyspace *ks);
void keyspace_fini(struct keyspace *ks);
void keyspace_clear(struct keyspace *ks);
/* `to` becomes what `from` is: a replica, or a state to fall back to. */
void keyspace_copy(struct keyspace *to, const struct keyspace *from);

/* One command, its name first, case does not matter. *ret_reply: the caller's (reply_fini). */
void keyspace_call(struct keyspace *ks, const struct slice *words, size_t count,
                   struct reply *ret_reply);
/* A field of a hash, or none: for tests that look into the table. Borrowed until the next call. */
struct slice keyspace_field(const struct keyspace *ks, const char *key, const char *field);
struct slice keyspace_string(const struct keyspace *ks, const char *key);

#endif
