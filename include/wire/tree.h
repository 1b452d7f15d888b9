/* wire/tree.h - the small trees that wire/xml builds of elements which are consumed here. Pure.
 *
 * Private to the rooms of wire/xml. Bounded twice: by the bytes of the element, which the parser
 * counts, and by the number of elements.
 */
#ifndef WIRE_TREE_H
#define WIRE_TREE_H

#include "wire/qname.h"
#include "wire/xml.h"

/* "<a/>" is four bytes on the wire and a hundred here. */
#define TREE_ELEMENTS_MAX 1024

struct tree_node;

struct tree {
    struct arena *arena;
    struct tree_node *open; /* innermost element whose end tag has not come */
    struct element *root;
    size_t count;
};

void tree_begin(struct tree *t, struct arena *arena);
/* Names and values are copied. False: too many elements. */
bool tree_start(struct tree *t, const struct qname *name, size_t attr_count) MUST_USE;
void tree_attr(struct tree *t, const struct qname *name, struct slice value);
void tree_text(struct tree *t, struct slice text);
void tree_end(struct tree *t);

#endif
