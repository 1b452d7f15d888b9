/* Any bytes as frames from another node: what is understood is written again as the same bytes, no
 * beginning of it is refused, and what follows it changes nothing. The same of the preface. */
#include "wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every look at what was decoded, so that a sanitizer sees it. */
static void check_frame(struct slice bytes, const struct frame *f, size_t used)
{
    struct byteq out;

    byteq_init(&out);
    assert(used >= FRAME_HEADER_BYTES && used <= bytes.len);
    assert(frame_name(f->type));
    frame_write(&out, f);
    assert(slice_eq(byteq_slice(&out), slice_sub(bytes, 0, used)));
    byteq_fini(&out);
}

static void check_prefixes(struct slice bytes, size_t used)
{
    struct arena arena;
    struct frame f;
    size_t n;

    arena_init(&arena);
    for (size_t len = 0; len < used; len += 1 + len / 16)
        assert(frame_next(slice_sub(bytes, 0, len), &arena, &f, &n) == ERR_AGAIN);
    arena_fini(&arena);
}

static void check_preface(struct slice bytes)
{
    struct slice node;
    size_t used = 0;
    enum err e = frame_preface_parse(bytes, &node, &used);
    char again[FRAME_PREFACE_MAX];

    assert(e == OK || e == ERR_AGAIN || e == ERR_SYNTAX);
    if (e == ERR_AGAIN)
        assert(used > bytes.len && used <= FRAME_PREFACE_MAX);
    if (e == OK)
        assert(frame_preface_write(node, again) == used && !memcmp(again, bytes.ptr, used));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct arena arena;
    struct frame f;
    size_t used;
    enum err e;

    check_preface(bytes);
    arena_init(&arena);
    while ((e = frame_next(bytes, &arena, &f, &used)) == OK) {
        check_frame(bytes, &f, used);
        check_prefixes(bytes, used);
        bytes = slice_from_offset(bytes, used);
        arena_reset(&arena);
    }
    assert(e == ERR_AGAIN || e == ERR_LIMIT || e == ERR_SYNTAX);
    arena_fini(&arena);
    return 0;
}
