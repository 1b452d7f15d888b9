/* wire/scan.h - the first byte of a run that is not plain, sixteen at a time. Pure.
 *
 * The hot path looks at every byte of a stanza once; sixteen at a time that is a small share of
 * what a stanza costs, byte by byte it would not be.
 */
#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include "base/slice.h"

#ifdef __SSE2__
typedef char scan_block __attribute__((vector_size(16)));

static inline scan_block scan_load(const char *p)
{
    scan_block b;

    memcpy(&b, p, sizeof(b));
    return b;
}

/* One bit a byte. */
static inline unsigned scan_bits(scan_block hits)
{
    return (unsigned)__builtin_ia32_pmovmskb128(hits);
}
#endif

static inline bool scan_value_special(char c)
{
    return c == '&' || c == '<' || c == '>' || c == '\'' || c == '"' || c == '\t' || c == '\n' ||
           c == '\r';
}

/* Index of the first byte that an attribute value must not hold as it is, or s.len. */
static inline size_t scan_value(struct slice s)
{
    size_t i = 0;

#ifdef __SSE2__
    for (; i + 16 <= s.len; i += 16) {
        scan_block b = scan_load(s.ptr + i);
        unsigned bits =
            scan_bits((scan_block)((b == '&') | (b == '<') | (b == '>') | (b == '\'') | (b == '"') |
                                   (b == '\t') | (b == '\n') | (b == '\r')));

        if (bits)
            return i + (size_t)__builtin_ctz(bits);
    }
#endif
    while (i < s.len && !scan_value_special(s.ptr[i]))
        i++;
    return i;
}

#endif
