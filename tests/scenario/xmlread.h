/* tests/scenario/xmlread.h - reads what the router wrote: a strict reader of streams, by hand.
 *
 * It shares nothing with the router's own parser, and forgives nothing that RFC 6120 11 forbids:
 * comments, processing instructions, DTDs, foreign entities, a byte order mark, `standalone`,
 * anything not well-formed (also as to namespaces), anything behind the end tag.
 */
#ifndef SCENARIO_XMLREAD_H
#define SCENARIO_XMLREAD_H

#include "base/arena.h"
#include "base/byteq.h"

struct xattr {
    struct slice prefix;
    struct slice name;
    struct slice ns; /* of a declaration: empty, `name` is the prefix declared */
    struct slice value;
    struct xattr *next;
};

struct xnode {
    struct slice prefix;
    struct slice name; /* empty: character data */
    struct slice ns;
    struct slice text;
    struct xattr *attrs;
    struct xattr *decls; /* xmlns, xmlns:x, as they stand on this element */
    struct xnode *children;
    struct xnode *next;
};

enum xkind {
    X_MORE,    /* nothing whole is there */
    X_HEADER,  /* <stream:stream ...>, also after a restart */
    X_ELEMENT, /* a whole element of depth 1 */
    X_SPACE,   /* white space between elements */
    X_END,     /* </stream:stream> */
    X_BAD,     /* `why` says what; nothing comes after */
};

struct xitem {
    enum xkind kind;
    struct xnode *node; /* X_HEADER, X_ELEMENT: lives as long as the reader */
    bool declared;      /* X_HEADER: <?xml ...?> stood before it */
    struct slice raw;   /* its bytes; as long as the reader */
    const char *why;
};

struct xread {
    struct byteq in;
    size_t looked; /* bytes known to hold no whole item */
    struct arena arena;
    struct xattr *scope; /* declarations of the root */
    bool open;           /* between header and end tag */
    bool declared;       /* an XML declaration waits for its header */
    bool begun;          /* anything came at all */
    bool ended;
    bool bad;
    size_t spaces; /* bytes of white space between elements, so far */
};

void xread_init(struct xread *r);
void xread_fini(struct xread *r);
void xread_feed(struct xread *r, struct slice bytes);
void xread_next(struct xread *r, struct xitem *item);
/* A new document begins with the next byte (TLS came up). */
void xread_restart(struct xread *r);

/* One element, for patterns: prefixes of `scope` are known. NULL and *ret_why on error. */
struct xnode *xread_element(struct slice text, struct xattr *scope, struct arena *arena,
                            const char **ret_why);
/* A start tag alone, as a header's pattern is. */
struct xnode *xread_start_tag(struct slice text, struct xattr *scope, struct arena *arena,
                              const char **ret_why);
struct xattr *xattr_declare(struct arena *arena, struct xattr *scope, const char *prefix,
                            const char *ns);
/* ptr NULL: absent. An attribute without namespace. */
struct slice xnode_attr(const struct xnode *n, const char *name);
/* All character data directly inside. */
struct slice xnode_text(const struct xnode *n, struct arena *arena);
bool xnode_is(const struct xnode *n, const char *name, const char *ns);
const struct xnode *xnode_child(const struct xnode *n, const char *name, const char *ns);
static inline bool xnode_is_text(const struct xnode *n)
{
    return n->name.len == 0;
}

#endif
