/* Streams: headers, restarts, elements of depth 1, the end. */
#include "scenario/xmlread_inner.h"

#include "wire/ns.h"

void xread_init(struct xread *r)
{
    memset(r, 0, sizeof(*r));
    byteq_init(&r->in);
    arena_init(&r->arena);
}

void xread_fini(struct xread *r)
{
    byteq_fini(&r->in);
    arena_fini(&r->arena);
}

void xread_feed(struct xread *r, struct slice bytes)
{
    byteq_append(&r->in, bytes);
}

void xread_restart(struct xread *r)
{
    r->open = r->declared = r->begun = r->ended = false;
    r->scope = NULL;
    r->looked = 0;
}

static void take(struct xread *r, struct xitem *item, enum xkind kind, size_t n)
{
    item->kind = kind;
    item->raw = arena_copy(&r->arena, slice_sub(byteq_slice(&r->in), 0, n));
    byteq_take(&r->in, n);
    r->looked = 0;
    r->begun = true;
}

static void bad(struct xread *r, struct xitem *item, const char *why)
{
    r->bad = true;
    item->kind = X_BAD;
    item->why = why;
    item->raw = arena_copy(&r->arena, byteq_slice(&r->in));
}

static bool is_stream(const struct xnode *n)
{
    return xnode_is(n, "stream", NS_STREAM);
}

static void take_header(struct xread *r, struct xitem *item, size_t n)
{
    const char *why = NULL;
    struct xnode *node;

    take(r, item, X_HEADER, n);
    node = xread_start_tag(item->raw, NULL, &r->arena, &why);
    if (!node) {
        bad(r, item, why);
        return;
    }
    if (!is_stream(node)) {
        bad(r, item, "the root element is no stream");
        return;
    }
    item->node = node;
    item->declared = r->declared;
    r->declared = false;
    r->open = true;
    r->scope = node->decls;
}

static void take_element(struct xread *r, struct xitem *item)
{
    const char *why = NULL;
    size_t at = 0;
    enum token_end end = token_whole_element(byteq_slice(&r->in), &at, &why);

    if (end == TOKEN_INCOMPLETE) {
        r->looked = byteq_len(&r->in);
        return;
    }
    if (end == TOKEN_BROKEN) {
        bad(r, item, why);
        return;
    }
    take(r, item, X_ELEMENT, at);
    item->node = xread_build(item->raw, r->scope, &r->arena, &why);
    if (!item->node)
        bad(r, item, why);
}

static void take_text(struct xread *r, struct xitem *item, const struct token *t, size_t at)
{
    if (slice_trim(t->text).len) {
        bad(r, item, "character data between elements");
        return;
    }
    r->spaces += t->text.len;
    take(r, item, X_SPACE, at);
}

/* A restart is a new header where an element could be. */
static bool begins_stream(struct slice name)
{
    return slice_is(name, "stream:stream") || slice_is(name, "stream");
}

static void take_tag(struct xread *r, struct xitem *item, const struct token *t, size_t at)
{
    if (t->kind == TOKEN_END) {
        if (!r->open || !begins_stream(t->name)) {
            bad(r, item, "an end tag that ends nothing");
            return;
        }
        take(r, item, X_END, at);
        r->open = false;
        r->ended = true;
    } else if (begins_stream(t->name) && t->kind == TOKEN_START) {
        take_header(r, item, at);
    } else if (!r->open) {
        bad(r, item, "an element outside of a stream");
    } else {
        take_element(r, item);
    }
}

static void take_declaration(struct xread *r, struct xitem *item, size_t at)
{
    if (r->declared) {
        bad(r, item, "two XML declarations");
        return;
    }
    take(r, item, X_MORE, at);
    r->declared = true;
    xread_next(r, item);
}

/* Nothing can have become whole without a '>': long elements come in crumbs. */
static bool nothing_new(const struct xread *r)
{
    struct slice fresh = slice_from_offset(byteq_slice(&r->in), r->looked);

    return r->looked && slice_find(fresh, '>') == fresh.len;
}

void xread_next(struct xread *r, struct xitem *item)
{
    struct slice in = byteq_slice(&r->in);
    struct token t;
    size_t at = 0;

    *item = (struct xitem){.kind = X_MORE};
    if (r->bad || !in.len || nothing_new(r))
        return;
    if (slice_starts(in, SLICE("\xef\xbb\xbf")) || r->ended) {
        bad(r, item, r->ended ? "bytes behind the end tag" : "a byte order mark");
        return;
    }
    token_next(in, &at, &t);
    if (r->declared && t.kind == TOKEN_TEXT && !slice_trim(t.text).len) {
        byteq_take(&r->in, at); /* prolog */
        xread_next(r, item);
        return;
    }
    switch (t.kind) {
    case TOKEN_MORE:
        r->looked = in.len;
        return;
    case TOKEN_BAD:
        bad(r, item, t.why);
        return;
    case TOKEN_XML:
        take_declaration(r, item, at);
        return;
    case TOKEN_TEXT:
        take_text(r, item, &t, at);
        return;
    case TOKEN_CDATA:
        bad(r, item, "character data between elements");
        return;
    case TOKEN_START:
    case TOKEN_EMPTY:
    case TOKEN_END:
        take_tag(r, item, &t, at);
        return;
    }
}
