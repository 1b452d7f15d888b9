#include "base/bytes.h"

struct bytes *bytes_new(size_t len)
{
    struct bytes *b;

    assert(len < UINT32_MAX);
    b = mem_alloc(sizeof(*b) + len + 1);
    atomic_init(&b->refs, 1);
    b->len = (uint32_t)len;
    b->data[len] = '\0';
    return b;
}

struct bytes *bytes_copy(struct slice s)
{
    struct bytes *b = bytes_new(s.len);

    if (s.len)
        memcpy(b->data, s.ptr, s.len);
    return b;
}

struct bytes *bytes_ref(struct bytes *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

void bytes_unref(struct bytes *b)
{
    if (b && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1)
        mem_free(b);
}
