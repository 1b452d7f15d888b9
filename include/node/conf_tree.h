/* node/conf_tree.h - a YAML text as a tree with line numbers. libyaml's door; pure.
 *
 * Bounded in bytes, nodes, depth and keys of a map, so that no text costs more than reading it.
 * Refused with their line: what is not UTF-8, aliases (the only way for a small text to become a
 * large tree), tags, several documents, maps as keys, a key twice.
 */
#ifndef NODE_CONF_TREE_H
#define NODE_CONF_TREE_H

#include "base/arena.h"
#include "node/conf_row.h"

#define CONF_KEYS_MAX 100 /* of one map; the largest section has 14 */

enum conf_tree_kind { CONF_TREE_SCALAR, CONF_TREE_LIST, CONF_TREE_MAP };

struct conf_tree {
    enum conf_tree_kind kind;
    unsigned line; /* from 1 */
    bool bare;     /* a scalar without quotes */
    struct slice text;
    struct slice key;  /* in a map */
    unsigned key_line; /* in a map */
    struct conf_tree *first;
    struct conf_tree *last;
    struct conf_tree *next; /* in the same list or map */
    size_t count;
};

/* The tree lives in the arena. NULL when nothing can be said about the content: why is in the
 * report. A text without content is an empty map. */
struct conf_tree *conf_tree_parse(struct slice text, struct arena *arena,
                                  struct conf_report *report);
/* Nothing stands there: `key:`, `key: ~` or `key: null`. */
bool conf_tree_is_null(const struct conf_tree *t);
/* "", [], {} or nothing. */
bool conf_tree_is_empty(const struct conf_tree *t);

#endif
