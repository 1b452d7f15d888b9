#include "sim/peer.h"

static size_t find(struct slice text, size_t from, struct slice part)
{
    const char *at;

    if (!part.len)
        return from;
    if (from >= text.len)
        return SIZE_MAX;
    at = memmem(text.ptr + from, text.len - from, part.ptr, part.len);
    return at ? (size_t)(at - text.ptr) : SIZE_MAX;
}

/* The literal before the next '*'; *ret_rest is what follows the star, ptr NULL without one. */
static struct slice literal(struct slice glob, struct slice *ret_rest)
{
    size_t star = slice_find(glob, '*');

    *ret_rest = star < glob.len ? slice_from_offset(glob, star + 1) : slice_none();
    return slice_sub(glob, 0, star);
}

bool glob_fits(struct slice glob, struct slice text)
{
    struct slice rest;
    struct slice part = literal(glob, &rest);
    size_t at = part.len;

    if (!slice_starts(text, part))
        return false;
    if (!rest.ptr)
        return text.len == part.len;
    for (;;) {
        part = literal(rest, &rest);
        if (!rest.ptr)
            return text.len - at >= part.len && slice_ends(text, part);
        at = find(text, at, part);
        if (at == SIZE_MAX)
            return false;
        at += part.len;
    }
}

size_t glob_find(struct slice glob, struct slice text)
{
    struct slice rest = glob;
    size_t at = 0;

    while (rest.ptr) {
        struct slice part = literal(rest, &rest);

        at = find(text, at, part);
        if (at == SIZE_MAX)
            return SIZE_MAX;
        at += part.len;
    }
    return at;
}
