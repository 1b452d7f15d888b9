/* wire/qname.h - the names of elements and attributes as wire/xml hands them on inside its rooms.
 *
 * Pure. The parser joins namespace, local name and prefix by a byte that XML cannot contain, so
 * the parts of a hostile name cannot run into each other.
 */
#ifndef WIRE_QNAME_H
#define WIRE_QNAME_H

#include "base/slice.h"

#define QNAME_SEPARATOR '\x1f'

struct qname {
    struct slice ns;     /* empty: none */
    struct slice local;  /* never empty */
    struct slice prefix; /* empty: none */
};

/* "local", "ns SEP local" or "ns SEP local SEP prefix"; the parts point into `text`. */
static inline struct qname qname_split(const char *text, size_t len)
{
    const char *end = text + len;
    const char *first = memchr(text, QNAME_SEPARATOR, len);
    const char *second;

    if (!first)
        return (struct qname){slice_none(), slice_make(text, len), slice_none()};
    second = memchr(first + 1, QNAME_SEPARATOR, (size_t)(end - first - 1));
    if (!second)
        second = end;
    return (struct qname){
        slice_make(text, (size_t)(first - text)),
        slice_make(first + 1, (size_t)(second - first - 1)),
        second == end ? slice_none() : slice_make(second + 1, (size_t)(end - second - 1)),
    };
}

#endif
