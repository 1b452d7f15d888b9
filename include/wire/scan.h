/* wire/scan.h - the first byte of a run that is not plain, sixteen at a time. Pure.
 *
 * The hot path looks at every byte of a stanza once; with SSE2 that is a small share of what the
 * parser itself costs, byte by byte it would not be.
 */
#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include "base/slice.h"

#ifdef __SSE2__
#include <emmintrin.h>
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
        __m128i v = _mm_loadu_si128((const __m128i *)(const void *)(s.ptr + i));
        __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(v, _mm_set1_epi8('&')),
                                   _mm_cmpeq_epi8(v, _mm_set1_epi8('<')));
        unsigned mask;

        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('>')));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\'')));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('"')));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\t')));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\n')));
        hit = _mm_or_si128(hit, _mm_cmpeq_epi8(v, _mm_set1_epi8('\r')));
        mask = (unsigned)_mm_movemask_epi8(hit);
        if (mask)
            return i + (size_t)__builtin_ctz(mask);
    }
#endif
    while (i < s.len && !scan_value_special(s.ptr[i]))
        i++;
    return i;
}

#endif
