/* wire/root.h - what the root element of a stream said, kept as long as the stream. Pure.
 *
 * Private to wire/xml. Spec: RFC 6120 4.7, 4.8.
 */
#ifndef WIRE_ROOT_H
#define WIRE_ROOT_H

#include "wire/assembly.h"

struct root {
    struct xml_header header;
    struct arena arena;
    struct slice name; /* as written, with its prefix */
};

void root_init(struct root *r);
void root_fini(struct root *r);
/* The start tag; its declarations are a->declarations, and become the stream's bindings in `a`. */
void root_keep(struct root *r, struct assembly *a, const struct qname *name, const char **attrs,
               size_t count);
/* A start tag that binds the same prefixes, for a parser that takes over. */
void root_write(const struct root *r, const struct assembly *a, struct byteq *out);

#endif
