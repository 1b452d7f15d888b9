/* tests/scenario/xmlread_inner.h - tokens and trees, for the strict reader alone. */
#ifndef SCENARIO_XMLREAD_INNER_H
#define SCENARIO_XMLREAD_INNER_H

#include "scenario/xmlread.h"

#define XREAD_DEPTH_MAX 2000

enum token_kind {
    TOKEN_MORE,
    TOKEN_TEXT,
    TOKEN_CDATA,
    TOKEN_START,
    TOKEN_EMPTY, /* <x/> */
    TOKEN_END,
    TOKEN_XML, /* <?xml ...?> */
    TOKEN_BAD,
};

struct token {
    enum token_kind kind;
    struct slice text;  /* raw character data */
    struct slice name;  /* with prefix */
    struct slice attrs; /* raw: what stands between name and '>' */
    const char *why;
};

/* The token at *at, which moves behind it. TOKEN_MORE: it is not whole, *at stays. */
void token_next(struct slice in, size_t *at, struct token *t);
/* Takes one attribute off `rest`; false: none left, or *ret_why. */
bool token_attr(struct slice *rest, struct slice *ret_name, struct slice *ret_value,
                struct arena *arena, const char **ret_why);
/* Character data with its references resolved; NULL text and *ret_why if it may not be. */
struct slice token_text(struct slice raw, struct arena *arena, const char **ret_why);

/* Of a CDATA section: line ends only. */
struct slice token_plain(struct slice raw, struct arena *arena);

enum token_end { TOKEN_COMPLETE, TOKEN_INCOMPLETE, TOKEN_BROKEN };
/* *at: behind the element that begins at *at. */
enum token_end token_whole_element(struct slice in, size_t *at, const char **ret_why);

struct xnode *xread_build(struct slice text, struct xattr *scope, struct arena *arena,
                          const char **ret_why);

#endif
