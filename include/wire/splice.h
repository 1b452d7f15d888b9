/* wire/splice.h - from a parsed stanza to bytes that can stand in any stream. Pure.
 *
 * Two ways out. The *splice*: a start tag regenerated from its attributes, then the content as it
 * came, then the end tag. The *rewrite*: the content written anew, element by element, without
 * prefixes and with the fewest namespace declarations; for content that leans on a prefix of the
 * content namespace or names that namespace itself.
 *
 * Spec: RFC 6120 4.8.3, 4.8.5; CONFORMANCE NS-04 to NS-08, ROUTE-14, XML-12. Private to the rooms
 * of wire/xml.
 */
#ifndef WIRE_SPLICE_H
#define WIRE_SPLICE_H

#include "base/arena.h"
#include "base/byteq.h"
#include "wire/plain.h"
#include "wire/qname.h"
#include "wire/xml.h"

enum splice_known { SPLICE_TO, SPLICE_FROM, SPLICE_ID, SPLICE_TYPE, SPLICE_LANG, SPLICE_KNOWN };

/* Where the decoded value of a known attribute lies. */
struct splice_value {
    uint32_t at;
    uint32_t len;
    bool present;
    bool apart; /* in `decoded`: as written it is escaped */
};

/* A stanza's start tag while it is being made; kept and used again for the next stanza. */
struct splice_tag {
    enum stanza_kind kind;
    struct byteq text; /* "<message to='...'", without the '>' */
    struct byteq decoded;
    struct splice_value value[SPLICE_KNOWN];
};

void splice_tag_init(struct splice_tag *tag);
void splice_tag_fini(struct splice_tag *tag);
void splice_tag_begin(struct splice_tag *tag, enum stanza_kind kind);
/* `name` as it is to be written; each name once. */
void splice_tag_attr(struct splice_tag *tag, struct slice name, struct slice value);
/* " xmlns:p='uri'", or " xmlns='uri'" for an empty prefix. */
void splice_declare(struct byteq *out, struct slice prefix, struct slice uri);
/* The stanza whose content is the two runs in `content`; refs 1, flags and scope 0. */
struct stanza *splice_finish(const struct splice_tag *tag, const struct slice content[2]);
/* The same without any bytes to send: kind and addresses of a stanza that was discarded. */
struct stanza *splice_finish_empty(const struct splice_tag *tag);

/* Nothing in an attribute's value has to be escaped. */
bool splice_is_plain(struct slice value);
/* A plain stanza: the same bytes as by way of a tag. `lang`: inherited, itself plain. */
struct stanza *splice_plain(const struct plain *p, struct slice lang);

struct splice_attr {
    struct qname name;
    struct slice value;
};

/* Writes elements anew. Elements in `from_ns` come out in `to_ns`, where the output starts. */
struct splice_writer {
    struct byteq *out;
    struct slice from_ns;
    struct slice to_ns;
    struct slice defaults[XML_DEPTH_MAX + 1]; /* default namespace inside each open element */
    unsigned depth;
    bool tag_open; /* '>' not written yet */
    bool scoped;   /* `to_ns` had to be named */
    size_t limit;  /* a prefix of five bytes may stand for a namespace of hundreds: no more than */
    bool over;     /* this many bytes are written */
    struct arena names;
};

void splice_writer_init(struct splice_writer *w, struct byteq *out, const char *from_ns,
                        const char *to_ns);
void splice_writer_fini(struct splice_writer *w);
void splice_write_start(struct splice_writer *w, const struct qname *name,
                        const struct splice_attr *attrs, size_t count);
void splice_write_text(struct splice_writer *w, struct slice text);
void splice_write_end(struct splice_writer *w, const struct qname *name);

/* Parses `content` below the start tags in `context` (there are `depth` of them) and writes it.
 * In wire/xml.c, where the parser is. False: it does not parse, or w->over. */
bool splice_rewrite(struct slice context, unsigned depth, const struct slice content[2],
                    struct splice_writer *w) MUST_USE;
/* A stanza's bytes for the other kind of stream. One reference. */
struct bytes *splice_rescope(struct slice wire, enum stanza_scope from, enum stanza_scope to);
const char *splice_scope_ns(enum stanza_scope scope);

#endif
