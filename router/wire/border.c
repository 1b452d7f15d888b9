#include "wire/border.h"

#include "wire/scan.h"

void border_start(struct border *b, bool root)
{
    *b = (struct border){.state = BORDER_TEXT, .root = root};
}

static void open_tag(struct border *b, char c)
{
    b->end_tag = c == '/';
    b->last = c;
    b->square = 0;
    b->strange |= c == '!' || c == '?';
    if (c == '!')
        b->state = BORDER_SECTION;
    else if (c == '?')
        b->state = BORDER_INSTRUCTION;
    else
        b->state = BORDER_TAG;
}

/* At the '>' of a tag. */
static void close_tag(struct border *b)
{
    bool empty = b->last == '/' && !b->end_tag;

    if (b->end_tag)
        b->depth -= b->depth > 0;
    else
        b->depth += !empty;
    b->state = b->root || b->depth == 0 ? BORDER_FOUND : BORDER_TEXT;
}

static const char *step_tag(struct border *b, const char *p, const char *end)
{
    const char *start = p;

    p = scan_tag(p, end);
    if (p > start)
        b->last = p[-1];
    if (p == end)
        return p;
    if (*p == '>') {
        close_tag(b);
    } else {
        b->quote = *p;
        b->state = BORDER_QUOTED;
    }
    return p + 1;
}

static const char *step_quoted(struct border *b, const char *p, const char *end)
{
    p = memchr(p, b->quote, (size_t)(end - p));
    if (!p)
        return end;
    b->last = b->quote;
    b->state = BORDER_TAG;
    return p + 1;
}

static void step_section(struct border *b, char c)
{
    if (c == '>' && b->square >= 2)
        b->state = BORDER_TEXT;
    b->square = c == ']' ? b->square + 1 : 0;
}

static void step_instruction(struct border *b, char c)
{
    if (c == '>' && b->last == '?')
        b->state = BORDER_TEXT;
    b->last = c;
}

static const char *step(struct border *b, const char *p, const char *end)
{
    switch (b->state) {
    case BORDER_TEXT:
        p = memchr(p, '<', (size_t)(end - p));
        if (!p)
            return end;
        b->state = BORDER_OPEN;
        return p + 1;
    case BORDER_OPEN:
        if (*p != '>')
            open_tag(b, *p);
        return p + 1;
    case BORDER_TAG:
        return step_tag(b, p, end);
    case BORDER_QUOTED:
        return step_quoted(b, p, end);
    case BORDER_SECTION:
        step_section(b, *p);
        return p + 1;
    case BORDER_INSTRUCTION:
        step_instruction(b, *p);
        return p + 1;
    default:
        return end;
    }
}

size_t border_find(struct border *b, struct slice s)
{
    const char *p = s.ptr;
    const char *end = s.ptr + s.len;

    while (p < end) {
        p = step(b, p, end);
        if (b->state == BORDER_FOUND)
            return (size_t)(p - s.ptr);
    }
    return s.len;
}
