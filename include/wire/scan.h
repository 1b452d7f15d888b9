/* wire/scan.h - the first byte of a run that is not plain, sixteen at a time. Pure.
 *
 * The hot path looks at every byte of a stanza once; sixteen at a time that is a small share of
 * what a stanza costs, byte by byte it would not be.
 */
#ifndef WIRE_SCAN_H
#define WIRE_SCAN_H

#include "base/slice.h"

#ifdef __SSE2__
typedef signed char scan_block __attribute__((vector_size(16)));
typedef char scan_bytes __attribute__((vector_size(16)));

static inline scan_block scan_load(const char *p)
{
    scan_block b;

    memcpy(&b, p, sizeof(b));
    return b;
}

/* One bit a byte. */
static inline unsigned scan_bits(scan_block hits)
{
    return (unsigned)__builtin_ia32_pmovmskb128((scan_bytes)hits);
}
#endif

/* Each scan is a condition on a byte, written once for a block and once for a single byte. Control
 * characters and the bytes of non-ASCII characters are one comparison: both are below ' ' as
 * signed. */
#define SCAN_LOOP(p, end, block_hits, byte_hits)                                                   \
    SCAN_BLOCKS(p, end, block_hits)                                                                \
    for (; (p) < (end); (p)++) {                                                                   \
        signed char b = (signed char)*(p);                                                         \
        if (byte_hits)                                                                             \
            break;                                                                                 \
    }                                                                                              \
    return (p);

#ifdef __SSE2__
/* The next address does not wait for the count: a block costs what its comparisons cost. */
#define SCAN_BLOCKS(p, end, block_hits)                                                            \
    for (; (end) - (p) >= 16; (p) += 16) {                                                         \
        scan_block b = scan_load(p);                                                               \
        unsigned bits = scan_bits((scan_block)(block_hits));                                       \
        if (bits)                                                                                  \
            return (p) + __builtin_ctz(bits);                                                      \
    }
#else
#define SCAN_BLOCKS(p, end, block_hits)
#endif

/* Up to what an attribute value must not hold as it is. */
#define SCAN_VALUE_HITS                                                                            \
    ((b == '&') | (b == '<') | (b == '>') | (b == '\'') | (b == '"') | (b == '\t') | (b == '\n') | \
     (b == '\r'))
static inline const char *scan_value(const char *p, const char *end)
{
    SCAN_LOOP(p, end, SCAN_VALUE_HITS, SCAN_VALUE_HITS)
}

/* The same, and up to control and non-ASCII characters. */
#define SCAN_PLAIN_VALUE_HITS                                                                      \
    ((b == '&') | (b == '<') | (b == '>') | (b == '\'') | (b == '"') | (b < ' '))
static inline const char *scan_plain_value(const char *p, const char *end)
{
    SCAN_LOOP(p, end, SCAN_PLAIN_VALUE_HITS, SCAN_PLAIN_VALUE_HITS)
}

/* Up to `quote`, '<', '&', control and non-ASCII characters. */
#define SCAN_QUOTED_HITS ((b == quote) | (b == '<') | (b == '&') | (b < ' '))
static inline const char *scan_quoted(const char *p, const char *end, signed char quote)
{
    SCAN_LOOP(p, end, SCAN_QUOTED_HITS, SCAN_QUOTED_HITS)
}

/* Text: up to '<', '&', '>', control and non-ASCII characters. */
#define SCAN_TEXT_HITS ((b == '<') | (b == '&') | (b == '>') | (b < ' '))
static inline const char *scan_text(const char *p, const char *end)
{
    SCAN_LOOP(p, end, SCAN_TEXT_HITS, SCAN_TEXT_HITS)
}

/* In a tag: up to its end or a quote. */
#define SCAN_TAG_HITS ((b == '>') | (b == '\'') | (b == '"'))
static inline const char *scan_tag(const char *p, const char *end)
{
    SCAN_LOOP(p, end, SCAN_TAG_HITS, SCAN_TAG_HITS)
}

/* Length of the white space that `s` begins with. */
static inline size_t scan_space(struct slice s)
{
    size_t n = 0;

    while (n < s.len &&
           (s.ptr[n] == ' ' || s.ptr[n] == '\n' || s.ptr[n] == '\t' || s.ptr[n] == '\r'))
        n++;
    return n;
}

#endif
