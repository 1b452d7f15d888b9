/* wire/xml.h - a stream of XML, pulled: headers, stanzas ready to forward, small elements.
 *
 * expat's door. Pure: bytes in, items out; nobody is called from inside expat. One constructor
 * for every parser of the house, so that no stream can forget a guard: salt, UTF-8 only, no DTD,
 * comments, processing instructions or entities, bounded names, attributes, depth and sizes.
 * A restart makes a new parser.
 *
 * Spec: RFC 6120 4 and 11; CONFORMANCE rows XML-*, NS-*, LIMIT-02/03/05/06.
 *
 * A stanza's start tag is regenerated from its attributes; its content goes out as it came in
 * (wire/splice). It is rewritten whole where bytes would not be self-contained: an explicit content
 * namespace below the stanza, a prefix that stands for it, a prefixed stanza. Other prefixes of the
 * stream header are declared again on the stanza. Stanzas of plain shape, nearly all, never reach
 * expat (wire/plain).
 */
#ifndef WIRE_XML_H
#define WIRE_XML_H

#include "base/arena.h"
#include "wire/fault.h"
#include "wire/stanza.h"

struct xml;

struct xml_limits {
    size_t stanza_bytes;  /* first '<' to last '>' of a depth-1 element; over it: XML_TOO_BIG */
    size_t element_bytes; /* the same for depth-1 elements that are no stanzas */
};

/* Independent of size (CONFORMANCE LIMIT-06). */
#define XML_DEPTH_MAX      64
#define XML_ATTRS_MAX      64    /* attributes and namespace declarations of one element */
#define XML_NAME_BYTES_MAX 512   /* one local name, prefix or namespace */
#define XML_TAG_BYTES_MAX  16384 /* one start tag; header included */

struct xml_attr {
    struct slice ns; /* empty: none */
    struct slice name;
    struct slice value; /* decoded */
};

/* A small tree for what we consume: negotiation, dialback, errors. Lives in the item. */
struct element {
    struct slice ns;
    struct slice name;
    struct xml_attr *attrs;
    size_t attr_count;
    struct slice text; /* character data directly inside, concatenated */
    struct element *children;
    struct element *next;
};

/* ptr NULL when absent. */
struct slice element_attr(const struct element *e, const char *name);
/* First child of that name and namespace (NULL ns: any), or NULL. */
const struct element *element_child(const struct element *e, const char *name, const char *ns);
bool element_is(const struct element *e, const char *name, const char *ns);

struct xml_header {
    struct slice ns; /* of the root element */
    struct slice name;
    struct slice content_ns; /* default namespace declared on the root; empty: none, or (NS-03) the
                              * streams namespace */
    struct slice to, from, id, version, lang; /* ptr NULL: absent */
    bool dialback;                            /* a prefix is bound to jabber:server:dialback */
    bool stream_is_default; /* prefix-free style (NS-03): stanzas declare their own namespace */
};

enum xml_kind {
    XML_MORE,    /* everything fed has been delivered */
    XML_HEADER,  /* root start tag */
    XML_STANZA,  /* item->stanza: caller owns the reference */
    XML_ELEMENT, /* any other depth-1 element, whole: item->element */
    XML_TOO_BIG, /* a stanza over the limit, at its end: the content was discarded; item->stanza has
                  * kind and addresses and no content (wire empty); caller owns the reference */
    XML_END,     /* root end tag */
    XML_FAULT,   /* item->fault; nothing more comes: XML_MORE from then on, as after XML_END */
};

struct xml_item {
    enum xml_kind kind;
    enum fault fault;
    struct stanza *stanza;
    const struct xml_header *header; /* borrowed until the next xml_next */
    const struct element *element;   /* borrowed until the next xml_next */
};

/* `salt`: secret and random. `content_ns`: NS_SERVER or NS_COMPONENT, what stanzas of this stream
 * are qualified by. `limits` is copied; xml_set_limits changes it later (after authentication). */
struct xml *xml_new(uint64_t salt, enum stanza_scope content, const struct xml_limits *limits);
/* Gives back what a stream at rest does not need, a dozen KiB; it is made again, in microseconds,
 * when the next bytes need it. Not at rest nothing happens. */
void xml_rest(struct xml *x);
void xml_free(struct xml *x);
void xml_set_limits(struct xml *x, const struct xml_limits *limits);
/* Borrowed until xml_next said XML_MORE, XML_END or XML_FAULT; feed again only then. Any size. */
void xml_feed(struct xml *x, struct slice bytes);
void xml_next(struct xml *x, struct xml_item *item);
/* Bytes fed and not yet used when an item was returned: what came behind a starttls. */
size_t xml_unused(const struct xml *x);
/* Total bytes fed since xml_new. */
uint64_t xml_total(const struct xml *x);
/* Between depth-1 elements, with nothing of the next one seen: memory may be given back. */
bool xml_at_rest(const struct xml *x);
/* Bytes held. */
size_t xml_memory(const struct xml *x);

/* Parses one whole element (tests, our own stanzas): 0 or a fault. The tree lives in `arena`. */
enum fault xml_parse_element(struct slice text, struct arena *arena, struct element **ret_element);

#endif
