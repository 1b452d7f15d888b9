/* tests/unit/wire/xmlbed.h - what a parser said, kept to be compared. */
#ifndef TESTS_UNIT_WIRE_XMLBED_H
#define TESTS_UNIT_WIRE_XMLBED_H

#include "unit/test.h"

#include "base/mem.h"
#include "wire/ns.h"
#include "wire/xml.h"

#define ROOT                                                                                       \
    "<stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "' xmlns:db='" NS_DIALBACK "'"
#define HEADER "<?xml version='1.0'?>" ROOT " from='b.example' version='1.0'>"
#define WHOLE  70000 /* a step that cuts nothing */

static const struct xml_limits limits = {10000, 4000};

/* Everything that came out, one line an item. */
struct record {
    char text[131072];
    size_t len;
    unsigned flags; /* of all stanzas */
    size_t unused;  /* behind the last element */
};

static inline void note(struct record *r, const char *kind, struct slice s)
{
    int n = snprintf(r->text + r->len, sizeof(r->text) - r->len, "%s%s%.*s\n", kind,
                     s.len && *kind ? " " : "", (int)s.len, s.len ? s.ptr : "");

    assert_true(n > 0 && (size_t)n < sizeof(r->text) - r->len);
    r->len += (size_t)n;
}

static inline void note_stanza(struct record *r, const struct xml_item *item)
{
    note(r, item->kind == XML_STANZA ? "" : "big", item->stanza->wire);
    r->flags |= item->stanza->flags;
    stanza_unref(item->stanza);
}

static inline bool take(struct record *r, const struct xml *x, const struct xml_item *item)
{
    switch (item->kind) {
    case XML_HEADER:
        note(r, "header", item->header->from);
        return true;
    case XML_STANZA:
    case XML_TOO_BIG:
        note_stanza(r, item);
        return true;
    case XML_ELEMENT:
        note(r, "element", item->element->name);
        r->unused = xml_unused(x);
        return true;
    case XML_END:
        note(r, "end", slice_none());
        return false;
    case XML_FAULT:
        note(r, "fault", slice_from(fault_word(item->fault)));
        return false;
    default:
        return false;
    }
}

/* Each piece is a heap block of its own, so that a look behind it is seen. */
static inline void feed(struct xml *x, struct slice s, size_t step, struct record *r)
{
    struct xml_item item;

    for (; s.len; s = slice_from_offset(s, step)) {
        struct slice piece = slice_sub(s, 0, step);
        char *copy = mem_alloc(piece.len);

        memcpy(copy, piece.ptr, piece.len);
        xml_feed(x, slice_make(copy, piece.len));
        do
            xml_next(x, &item);
        while (take(r, x, &item));
        mem_free(copy);
    }
}

static inline void read_with(const struct xml_limits *l, const char *header, struct slice text,
                             size_t step, struct record *r)
{
    struct xml *x = xml_new(7, SCOPE_SERVER, l);

    memset(r, 0, sizeof(*r));
    feed(x, slice_from(header), step, r);
    feed(x, text, step, r);
    xml_free(x);
}

static inline void read_all(const char *header, const char *text, size_t step, struct record *r)
{
    read_with(&limits, header, slice_from(text), step, r);
}

struct example {
    const char *in;
    const char *out; /* lines behind that of the header */
};

/* Whole, and cut at every place and in every way that is cheap. */
static inline void check_example(const char *header, const struct example *e)
{
    static const size_t steps[] = {WHOLE, 1, 2, 3, 5, 7, 16, 33, 100};
    static struct record r;

    for (size_t i = 0; i < COUNT(steps); i++) {
        const char *rest;

        read_all(header, e->in, steps[i], &r);
        rest = strchr(r.text, '\n');
        CHECK_MSG(rest && strcmp(rest + 1, e->out) == 0, "%s\nin steps of %zu gives\n%s\nnot\n%s",
                  e->in, steps[i], r.text, e->out);
    }
}

static inline void check_examples(const char *header, const struct example *examples, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_example(header, &examples[i]);
}

static inline void drop_all(struct xml *x)
{
    struct xml_item item;

    for (xml_next(x, &item); item.kind != XML_MORE; xml_next(x, &item)) {
        CHECK(item.kind == XML_STANZA || item.kind == XML_HEADER);
        stanza_unref(item.stanza);
    }
}

#endif
