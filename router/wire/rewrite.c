#include "wire/splice.h"
#include "wire/xml_parser.h"

/* Nobody here has a secret: expat draws one itself. The result does not depend on it. */
#define REWRITE_SALT 0

struct rewrite {
    struct xml_parser parser; /* first: the handlers are given this */
    struct splice_writer *writer;
    unsigned depth;
    unsigned context; /* open elements that are not written */
};

static struct qname split(const char *text)
{
    return qname_split(text, strlen(text));
}

static void on_start(void *parser, const char *text, const char **atts)
{
    struct rewrite *r = parser;
    struct splice_attr attrs[XML_ATTRS_MAX];
    struct qname name = split(text);
    size_t n = 0;

    if (r->depth++ < r->context)
        return;
    for (; n < XML_ATTRS_MAX && atts[2 * n]; n++)
        attrs[n] = (struct splice_attr){split(atts[2 * n]), slice_from(atts[2 * n + 1])};
    splice_write_start(r->writer, &name, attrs, n);
    if (r->writer->over)
        xml_parser_fail(&r->parser, FAULT_STANZA_TOO_BIG);
}

static void on_text(void *parser, const char *text, int len)
{
    struct rewrite *r = parser;

    if (r->depth >= r->context)
        splice_write_text(r->writer, slice_make(text, (size_t)len));
}

static void on_end(void *parser, const char *text)
{
    struct rewrite *r = parser;
    struct qname name = split(text);

    if (--r->depth >= r->context)
        splice_write_end(r->writer, &name);
}

static void feed(struct xml_parser *p, struct slice s)
{
    for (; s.len && !p->fault; s = slice_from_offset(s, XML_PARSER_PIECE_BYTES))
        xml_parser_feed(p, slice_sub(s, 0, XML_PARSER_PIECE_BYTES));
}

bool splice_rewrite(struct slice context, unsigned depth, const struct slice content[2],
                    struct splice_writer *w)
{
    static const struct xml_parser_handlers handlers = {
        .start = on_start, .end = on_end, .text = on_text};
    struct rewrite r = {.writer = w, .context = depth};

    xml_parser_open(&r.parser, REWRITE_SALT, &handlers);
    feed(&r.parser, context);
    feed(&r.parser, content[0]);
    feed(&r.parser, content[1]);
    xml_parser_close(&r.parser);
    return !r.parser.fault && !w->over && r.depth == depth;
}
