/* wire/border.h - where a depth-1 element ends, by its tags alone. Pure.
 *
 * A hint: the parser is fed to that place, so that it is at rest there. Bytes that are not
 * well-formed may lead it astray, which costs time and nothing else. Private to wire/xml.
 */
#ifndef WIRE_BORDER_H
#define WIRE_BORDER_H

#include "base/slice.h"

enum border_state {
    BORDER_TEXT,
    BORDER_OPEN,        /* behind '<' */
    BORDER_TAG,         /* in a start or end tag */
    BORDER_QUOTED,      /* in a value there */
    BORDER_SECTION,     /* behind "<!", to "]]>": CDATA, or a fault */
    BORDER_INSTRUCTION, /* behind "<?", to "?>" */
    BORDER_FOUND,
};

struct border {
    enum border_state state;
    unsigned depth; /* open elements, this one included */
    bool root;      /* the root's start tag is wanted, not an element's end */
    bool strange;   /* "<!" or "<?" was among it */
    bool end_tag;   /* this tag */
    char quote;
    char last;       /* byte before, where two make the difference */
    unsigned square; /* ']' in a row */
};

void border_start(struct border *b, bool root);
/* Number of bytes of `s` up to and including the border; s.len when it is not among them. */
size_t border_find(struct border *b, struct slice s);

#endif
