/* wire/xml_parser.h - expat behind the guards that every stream has.
 *
 * Pure. Private to the rooms of wire/xml. UTF-8 only; comments, processing instructions, document
 * types and all but the five entities are faults; tokens and memory are bounded. Names come as in
 * wire/qname.h. Handlers may call stop, fail, at, token_len and listen, nothing else.
 *
 * Spec: RFC 6120 11; CONFORMANCE XML-02 to XML-08, LIMIT-06.
 */
#ifndef WIRE_XML_PARSER_H
#define WIRE_XML_PARSER_H

#include "wire/fault.h"
#include "wire/xml.h"

/* At most this much is fed at once. expat's buffer keeps 1 KiB of the past and doubles: 8 KiB
 * suffice then. Also what an incomplete token may cost to look at again. */
#define XML_PARSER_PIECE_BYTES 7168

/* Their first argument is the struct xml_parser; whoever embeds one finds itself around it. */
struct xml_parser_handlers {
    void (*start)(void *parser, const char *name, const char **attrs);
    void (*end)(void *parser, const char *name);
    void (*text)(void *parser, const char *text, int len);
    /* Before `start` of the same tag, whose end the two strings live to; may be NULL. `prefix`
     * NULL: default; `uri` NULL: none. */
    void (*declare)(void *parser, const char *prefix, const char *uri);
    /* A CDATA section begins; may be NULL. */
    void (*section)(void *parser);
};

struct xml_parser {
    struct XML_ParserStruct *expat; /* NULL: closed */
    const struct xml_parser_handlers *handlers;
    size_t bytes;     /* of the heap, held by expat */
    uint64_t fed;     /* since it was opened */
    size_t leftover;  /* of it, in a token that is not complete */
    enum fault fault; /* the first one, ours or the parser's */
    bool stopping;
    bool suspended; /* must be resumed before it is fed */
};

/* Zeroed is closed. `salt`: secret and random. */
void xml_parser_open(struct xml_parser *p, uint64_t salt,
                     const struct xml_parser_handlers *handlers);
void xml_parser_close(struct xml_parser *p);
void xml_parser_feed(struct xml_parser *p, struct slice piece);
void xml_parser_resume(struct xml_parser *p);

/* Feed or resume returns behind the present token. */
void xml_parser_stop(struct xml_parser *p);
void xml_parser_fail(struct xml_parser *p, enum fault fault);
/* Position of the present token's first byte among those fed, and its length; the end of an empty
 * element is a token of length 0 behind it. */
uint64_t xml_parser_at(const struct xml_parser *p);
size_t xml_parser_token_len(const struct xml_parser *p);
bool xml_parser_tag_fits(const struct xml_parser *p);
/* Whether `text` is called. */
void xml_parser_listen(struct xml_parser *p, bool listen);

#endif
