/* base/byteq.h - bytes waiting to go out: appended at the end, taken from the front.
 *
 * One contiguous buffer that grows by doubling and gives itself back when it runs empty after
 * having been large. Small appends are copied (records of 16 KiB want contiguous input).
 */
#ifndef BASE_BYTEQ_H
#define BASE_BYTEQ_H

#include "base/mem.h"

struct byteq {
    char *data;
    size_t from; /* first byte not yet taken */
    size_t to;   /* end of what is there */
    size_t room; /* allocated */
};

void byteq_init(struct byteq *q); /* no allocation until the first append */
void byteq_fini(struct byteq *q);
void byteq_append(struct byteq *q, struct slice s);
/* At least `n` writable bytes at the end; `byteq_grow` makes them part of the queue. */
char *byteq_reserve(struct byteq *q, size_t n);
void byteq_grow(struct byteq *q, size_t n);
void byteq_take(struct byteq *q, size_t n);
void byteq_clear(struct byteq *q);

static inline size_t byteq_len(const struct byteq *q)
{
    return q->to - q->from;
}

/* Borrowed until the next change. */
static inline struct slice byteq_slice(const struct byteq *q)
{
    return q->data ? slice_make(q->data + q->from, q->to - q->from) : slice_make(NULL, 0);
}

#endif
