/* tests/scenario/pattern.h - does an element look as the script says?
 *
 * A pattern is XML. Its names and namespaces must be those of the element; each attribute it has
 * must be there with a value that fits; each child element it has must be found among the
 * element's children, in any order; its text must fit the element's text. What the pattern does
 * not mention is free. A value is a text with '*' for any run of characters and $NAME, ${...}
 * (words.h); a value that is one unbound $NAME alone binds it. Besides:
 *   attribute='$NONE'      it must be absent
 *   <t:no>...</t:no>       none of the elements inside may be a child
 *   <t:only/>              no child elements but those mentioned
 *   <t:empty/>             no children and no text
 *   <t:any/>               any element
 * `exact`: same attributes, same children, same text, in order: equal as infosets, save for
 * wild cards.
 */
#ifndef SCENARIO_PATTERN_H
#define SCENARIO_PATTERN_H

#include "scenario/words.h"
#include "scenario/xmlread.h"

#define PATTERN_NS "test"

struct pattern {
    struct arena arena;
    struct xnode *node;
    struct xattr *scope; /* what is declared beforehand */
    bool header;
};

/* `content_ns`: what an unprefixed name is in. Prefixes known: stream, db, t. NULL: fine. */
const char *pattern_init(struct pattern *p, struct slice text, const char *content_ns);
void pattern_fini(struct pattern *p);
/* Binds names in `words` when it fits. `why`: the first thing that did not. */
bool pattern_fits(const struct pattern *p, const struct xnode *n, bool exact, struct words *words,
                  char *why, size_t why_size);
/* One value; as in attributes. */
bool pattern_value_fits(struct slice pattern, struct slice value, struct words *words, char *why,
                        size_t why_size);

#endif
