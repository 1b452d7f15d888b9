/* wire/assembly.h - a stanza between its start tag and its end tag. Pure.
 *
 * Knows what the stream header bound and what the stanza's own tags declare, decides between
 * splice and rewrite (wire/splice), and makes the stanza. Private to the rooms of wire/xml.
 *
 * Spec: RFC 6120 4.8.5, 8.1.5; CONFORMANCE NS-04, NS-05, NS-08, QUIRK-16, QUIRK-17.
 */
#ifndef WIRE_ASSEMBLY_H
#define WIRE_ASSEMBLY_H

#include "wire/splice.h"

struct declaration {
    const char *prefix; /* the parser's, until the start tag is dealt with; NULL: default */
    const char *uri;    /* NULL: none */
    bool written;       /* on the regenerated tag already */
};

struct binding {
    struct slice prefix; /* empty: default */
    struct slice uri;
};

struct assembly {
    const char *content_ns;
    struct slice lang;        /* of the stream header */
    bool inherits;            /* its default namespace is the content namespace */
    struct binding *bindings; /* of the stream header, its owner's */
    size_t binding_count;

    struct declaration *declarations; /* of the start tag being read; room for XML_ATTRS_MAX, NULL
                                         until there is one */
    size_t declaration_count;

    unsigned children;
    bool rewrite;      /* the content cannot go out as it came */
    uint64_t used;     /* bindings the stanza uses, by bit */
    uint64_t shadowed; /* bindings its start tag replaces or has written */
    struct splice_tag tag;
    struct byteq declares; /* declarations of its start tag, for the splice */
    struct byteq scope;    /* the same for the rewrite, as they stand in the source */
    struct byteq carry;    /* its content so far, from chunks that are gone */
};

void assembly_init(struct assembly *a, const char *content_ns);
void assembly_fini(struct assembly *a);
/* Gives the buffers back. */
void assembly_rest(struct assembly *a);
size_t assembly_memory(const struct assembly *a);

/* A declaration of the start tag whose `attrs` follow; there are fewer than XML_ATTRS_MAX. */
void assembly_declare(struct assembly *a, const char *prefix, const char *uri);
/* A depth-1 element begins, before any of its names is looked at. */
void assembly_clear(struct assembly *a);
/* A name with a prefix, of an element or an attribute, anywhere in the stanza. */
void assembly_use(struct assembly *a, const struct qname *name);
/* The stanza's start tag; `attrs`: names and values in turn, `count` pairs. */
void assembly_start(struct assembly *a, enum stanza_kind kind, const char **attrs, size_t count);
/* A start tag below it. */
void assembly_inner(struct assembly *a, bool child);
/* The first `len` bytes of the content: what was carried, then what `chunk` begins with. */
void assembly_content(const struct assembly *a, size_t len, struct slice chunk,
                      struct slice ret_content[2]);
/* `content`: two runs. Over `limit` bytes when rewritten: no bytes (splice_finish_empty). */
struct stanza *assembly_finish(struct assembly *a, const struct slice content[2], size_t limit);
/* The same for a stanza whose content was discarded. */
struct stanza *assembly_finish_empty(struct assembly *a);

/* All of it in one go, when it is plain, whole at the start of `s` and not over `limit` bytes. The
 * stanza took *ret_len bytes. */
enum plain_result assembly_plain(struct assembly *a, struct slice s, size_t limit,
                                 struct stanza **ret_stanza, size_t *ret_len);

/* False: not a stanza of this content namespace. */
bool assembly_kind(const struct assembly *a, const struct qname *name, enum stanza_kind *ret_kind);

#endif
