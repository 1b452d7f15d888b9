/* Any bytes as replies, whole and in pieces of a length drawn from them: the same replies, within
 * the limits. */
#include "wire/resp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t check_reply(const struct resp *r, unsigned depth)
{
    size_t count = 1;

    assert(depth <= RESP_DEPTH_MAX);
    assert(r->kind >= RESP_NIL && r->kind <= RESP_ARRAY);
    if (r->kind == RESP_STATUS || r->kind == RESP_ERROR || r->kind == RESP_STRING)
        assert(r->text.ptr[r->text.len] == '\0');
    assert(r->kind == RESP_ARRAY || r->count == 0);
    for (size_t i = 0; i < r->count; i++)
        count += check_reply(&r->items[i], depth + 1);
    assert(count <= RESP_ELEMENTS_MAX);
    return count;
}

/* A number that depends on all that was read, and on how it ended. */
static uint64_t digest(uint64_t h, const struct resp *r)
{
    h = (h ^ (uint64_t)r->kind ^ (uint64_t)r->number) * 1099511628211u;
    for (size_t i = 0; i < r->text.len; i++)
        h = (h ^ (unsigned char)r->text.ptr[i]) * 1099511628211u;
    for (size_t i = 0; i < r->count; i++)
        h = digest(h, &r->items[i]);
    return h;
}

static uint64_t read_all(struct slice bytes, size_t step)
{
    struct resp_reader *reader = resp_reader_new();
    uint64_t h = 14695981039346656037u;
    const struct resp *r;
    enum err e = ERR_AGAIN;

    for (size_t at = 0; at < bytes.len && e == ERR_AGAIN; at += step) {
        e = resp_feed(reader, slice_sub(bytes, at, step));
        assert(!e);
        while (!(e = resp_next(reader, &r))) {
            check_reply(r, 0);
            h = digest(h, r);
        }
        assert(e == ERR_AGAIN || e == ERR_SYNTAX || e == ERR_LIMIT);
        assert((e == ERR_AGAIN) == (*resp_reader_error(reader) == '\0'));
    }
    resp_reader_free(reader);
    return h ^ (uint64_t)e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = slice_make((const char *)data, size);

    if (size < 2)
        return 0;
    assert(read_all(slice_sub(bytes, 1, size - 1), size) ==
           read_all(slice_sub(bytes, 1, size - 1), 1 + data[0]));
    return 0;
}
