#include "base/byteq.h"

/* An empty queue keeps at most this much, so that thousands of idle streams cost nothing. */
#define BYTEQ_KEEP_BYTES 4096
#define BYTEQ_MIN_BYTES  1024

void byteq_init(struct byteq *q)
{
    memset(q, 0, sizeof(*q));
}

void byteq_fini(struct byteq *q)
{
    mem_free(q->data);
    byteq_init(q);
}

/* Moves what is there into a buffer that fits `n` more. It leaves half as much room again as it
 * moves, so that a long queue whose front and end move by little is not moved each time. */
static void resize(struct byteq *q, size_t n)
{
    size_t len = byteq_len(q);
    size_t spare = n > len / 2 ? n : len / 2;
    size_t room = q->room ? q->room : BYTEQ_MIN_BYTES;
    char *data;

    assert(n < SIZE_MAX / 4);
    while (room - len < spare)
        room *= 2;
    data = mem_alloc(room);
    if (len)
        memcpy(data, q->data + q->from, len);
    mem_free(q->data);
    q->data = data;
    q->room = room;
}

char *byteq_reserve(struct byteq *q, size_t n)
{
    size_t len = byteq_len(q);

    if (q->data && q->room - q->to >= n)
        return q->data + q->to;
    if (q->from >= len && q->room - len >= n && q->data)
        memcpy(q->data, q->data + q->from, len); /* from >= len: the two do not overlap */
    else
        resize(q, n);
    q->from = 0;
    q->to = len;
    return q->data + q->to;
}

void byteq_grow(struct byteq *q, size_t n)
{
    assert(q->room - q->to >= n);
    q->to += n;
}

void byteq_append(struct byteq *q, struct slice s)
{
    if (s.len == 0)
        return;
    memcpy(byteq_reserve(q, s.len), s.ptr, s.len);
    byteq_grow(q, s.len);
}

void byteq_take(struct byteq *q, size_t n)
{
    assert(n <= byteq_len(q));
    q->from += n;
    if (q->from == q->to)
        byteq_clear(q);
}

void byteq_clear(struct byteq *q)
{
    if (q->room > BYTEQ_KEEP_BYTES)
        byteq_fini(q);
    q->from = q->to = 0;
}
