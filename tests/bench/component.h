/* tests/bench/component.h - the least of a component (XEP-0114) that can send and receive fast.
 *
 * Knows just enough XML for what servers write: a stanza ends where its end tag is found. No
 * stanza of ours holds another of its own name, so the first end tag is the right one.
 * The handshake waits; afterwards the descriptor never blocks.
 */
#ifndef BENCH_COMPONENT_H
#define BENCH_COMPONENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

/* One read fills this at most; the biggest stanza we make is far smaller. */
#define COMPONENT_IN_BYTES  (256 * 1024)
#define COMPONENT_OUT_BYTES (256 * 1024)

struct component {
    int fd; /* -1 once it is closed */
    char domain[256];
    char *in;
    size_t in_len;
    char *out;
    size_t out_start;
    size_t out_len; /* end of what waits; out_start..out_len is not yet written */
    bool writable_wanted;
};

struct element {
    struct slice name;
    struct slice start; /* the start tag, brackets included */
    struct slice whole;
};

typedef void component_stanza_fn(void *arg, struct component *c, const struct element *e);

/* Connects to host:port and authenticates. False with a reason on stderr. */
bool component_open(struct component *c, const char *address, const char *domain,
                    const char *secret);
void component_close(struct component *c);
/* Room for `len` bytes, or NULL until some is written. component_commit() makes them part of
 * what waits. */
char *component_reserve(struct component *c, size_t len);
void component_commit(struct component *c, size_t len);
/* Writes what waits, as far as the kernel takes it. False when the connection is gone. */
bool component_flush(struct component *c);
/* Reads once and calls `stanza` for each complete element. False when the connection is gone. */
bool component_read(struct component *c, component_stanza_fn *stanza, void *arg);

/* First complete element of `text`; false when there is none yet. */
bool element_next(struct slice text, struct element *ret_element);
/* Value of an attribute of the start tag, raw; empty if absent. `name` as in " id=". */
struct slice element_attribute(const struct element *e, const char *name);

#endif
