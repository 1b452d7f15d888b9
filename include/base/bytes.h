/* base/bytes.h - an immutable, counted buffer that several owners and threads may hold.
 *
 * Made once, filled by its maker before the first `ref`, read-only from then on. Freed by the
 * last `unref`, on whatever thread that happens.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include "base/mem.h"

struct bytes {
    atomic_uint refs;
    uint32_t len;
    char data[]; /* followed by a NUL byte that `len` does not count */
};

/* One reference, content to be filled in by the caller. */
struct bytes *bytes_new(size_t len);
struct bytes *bytes_copy(struct slice s);
struct bytes *bytes_ref(struct bytes *b);
void bytes_unref(struct bytes *b);

static inline struct slice bytes_slice(const struct bytes *b)
{
    return slice_make(b->data, b->len);
}

#endif
