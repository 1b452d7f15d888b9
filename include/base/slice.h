/* base/slice.h - a borrowed run of bytes: pointer and length, never owned, never terminated.
 *
 * Pure. A slice is valid as long as what it points into; whoever stores one says of what.
 */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const char *ptr;
    size_t len;
};

/* For printf("%.*s"). */
#define SLICE_ARGS(s) (int)(s).len, (s).ptr
/* A constant string as a slice: SLICE("abc"). */
#define SLICE(literal) ((struct slice){"" literal, sizeof(literal) - 1})

static inline struct slice slice_make(const char *ptr, size_t len)
{
    return (struct slice){ptr, len};
}

static inline struct slice slice_from(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

static inline struct slice slice_none(void)
{
    return (struct slice){NULL, 0};
}

static inline bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

static inline bool slice_is(struct slice a, const char *text)
{
    return slice_eq(a, slice_from(text));
}

/* The part from `from` on, of at most `len` bytes. */
static inline struct slice slice_sub(struct slice s, size_t from, size_t len)
{
    if (from > s.len)
        from = s.len;
    if (len > s.len - from)
        len = s.len - from;
    return (struct slice){from ? s.ptr + from : s.ptr, len}; /* NULL + 0 is not C */
}

static inline struct slice slice_from_offset(struct slice s, size_t from)
{
    return slice_sub(s, from, s.len);
}

/* ASCII case folded. */
bool slice_eq_nocase(struct slice a, struct slice b);
bool slice_starts(struct slice s, struct slice prefix);
bool slice_ends(struct slice s, struct slice suffix);
/* Less than, equal to or greater than 0, by bytes, shorter first. */
int slice_compare(struct slice a, struct slice b);
/* Index of the byte, or s.len. */
size_t slice_find(struct slice s, char byte);
/* Without XML/ASCII white space (space, tab, CR, LF) at both ends. */
struct slice slice_trim(struct slice s);
/* Decimal digits only, no sign, no overflow past `max`. False otherwise. */
bool slice_to_u64(struct slice s, uint64_t max, uint64_t *ret_value);
/* Copies into a C string of `size` bytes; false (and an empty string) when it does not fit
 * or holds a NUL byte. */
bool slice_to_cstr(struct slice s, char *buf, size_t size);
/* Length of the valid UTF-8 sequence at the start of `s`, or 0. */
size_t slice_utf8_first(struct slice s);
/* One sequence that would move, hide or turn around what stands beside it on a screen: controls
 * (C0, DEL, C1), line and paragraph separators, bidirectional embeddings. */
bool slice_is_control(struct slice sequence);
/* Valid UTF-8: no overlong form, no surrogate, nothing above U+10FFFF. */
bool slice_is_utf8(struct slice s);

#endif
