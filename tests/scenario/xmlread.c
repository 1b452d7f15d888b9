#include "scenario/xmlread_inner.h"

#include "wire/ns.h"

/* Tokens to trees: names, namespaces, well-formedness across tags. */

struct builder {
    struct arena *arena;
    const char *why;
};

struct slice xnode_attr(const struct xnode *n, const char *name)
{
    for (const struct xattr *a = n->attrs; a; a = a->next)
        if (!a->prefix.len && slice_is(a->name, name))
            return a->value;
    return slice_none();
}

bool xnode_is(const struct xnode *n, const char *name, const char *ns)
{
    return slice_is(n->name, name) && (!ns || slice_is(n->ns, ns));
}

const struct xnode *xnode_child(const struct xnode *n, const char *name, const char *ns)
{
    for (const struct xnode *c = n->children; c; c = c->next)
        if (xnode_is(c, name, ns))
            return c;
    return NULL;
}

struct slice xnode_text(const struct xnode *n, struct arena *arena)
{
    size_t len = 0;
    size_t at = 0;
    char *text;

    for (const struct xnode *c = n->children; c; c = c->next)
        len += xnode_is_text(c) ? c->text.len : 0;
    text = arena_alloc(arena, len + 1);
    for (const struct xnode *c = n->children; c; c = c->next) {
        if (!xnode_is_text(c))
            continue;
        memcpy(text + at, c->text.ptr, c->text.len);
        at += c->text.len;
    }
    return slice_make(text, len);
}

struct xattr *xattr_declare(struct arena *arena, struct xattr *scope, const char *prefix,
                            const char *ns)
{
    struct xattr *a = ARENA_NEW(arena, struct xattr);

    a->name = slice_from(prefix);
    a->value = slice_from(ns);
    a->next = scope;
    return a;
}

static bool find_ns(const struct xattr *scope, struct slice prefix, struct slice *ret_ns)
{
    if (slice_is(prefix, "xml")) {
        *ret_ns = SLICE(NS_XML);
        return true;
    }
    for (; scope; scope = scope->next) {
        if (!slice_eq(scope->name, prefix))
            continue;
        *ret_ns = scope->value;
        return prefix.len == 0 || scope->value.len > 0;
    }
    *ret_ns = slice_none();
    return prefix.len == 0;
}

static void split_name(struct slice whole, struct slice *ret_prefix, struct slice *ret_name)
{
    size_t colon = slice_find(whole, ':');

    *ret_prefix = colon < whole.len ? slice_sub(whole, 0, colon) : slice_none();
    *ret_name = colon < whole.len ? slice_from_offset(whole, colon + 1) : whole;
}

static void take_attr(struct xnode *n, struct xattr *a, struct slice whole)
{
    split_name(whole, &a->prefix, &a->name);
    if (slice_is(whole, "xmlns") || slice_is(a->prefix, "xmlns")) {
        if (slice_is(whole, "xmlns"))
            a->name = slice_none();
        a->prefix = slice_none();
        a->next = n->decls;
        n->decls = a;
        return;
    }
    a->next = n->attrs;
    n->attrs = a;
}

static bool resolve_attrs(struct builder *b, struct xnode *n, struct xattr *scope)
{
    for (struct xattr *a = n->attrs; a; a = a->next) {
        if (a->prefix.len && !find_ns(scope, a->prefix, &a->ns)) {
            b->why = "an attribute's prefix is not declared";
            return false;
        }
        for (struct xattr *o = a->next; o; o = o->next)
            if (slice_eq(o->name, a->name) && slice_eq(o->prefix, a->prefix)) {
                b->why = "an attribute stands twice";
                return false;
            }
    }
    return true;
}

/* Declarations of the node in front of the outer scope: copies, the node keeps its own list. */
static struct xattr *inner_scope(struct builder *b, const struct xnode *n, struct xattr *outer)
{
    struct xattr *scope = outer;

    for (const struct xattr *d = n->decls; d; d = d->next) {
        struct xattr *copy = ARENA_NEW(b->arena, struct xattr);

        *copy = *d;
        copy->next = scope;
        scope = copy;
    }
    return scope;
}

static struct xnode *make_node(struct builder *b, const struct token *t, struct xattr *outer,
                               struct xattr **ret_scope)
{
    struct xnode *n = ARENA_NEW(b->arena, struct xnode);
    struct slice rest = t->attrs;
    struct slice name;
    struct slice value;

    split_name(t->name, &n->prefix, &n->name);
    while (token_attr(&rest, &name, &value, b->arena, &b->why)) {
        struct xattr *a = ARENA_NEW(b->arena, struct xattr);

        a->value = value;
        take_attr(n, a, name);
    }
    if (b->why)
        return NULL;
    *ret_scope = inner_scope(b, n, outer);
    if (!find_ns(*ret_scope, n->prefix, &n->ns)) {
        b->why = "an element's prefix is not declared";
        return NULL;
    }
    return resolve_attrs(b, n, *ret_scope) ? n : NULL;
}

static struct xnode *make_text(struct builder *b, const struct token *t)
{
    struct xnode *n = ARENA_NEW(b->arena, struct xnode);

    n->text = t->kind == TOKEN_CDATA ? token_plain(t->text, b->arena)
                                     : token_text(t->text, b->arena, &b->why);
    return b->why ? NULL : n;
}

static bool fill(struct builder *b, struct xnode *n, struct slice whole_name, struct slice in,
                 size_t *at, struct xattr *scope, unsigned depth)
{
    struct xnode **last = &n->children;
    struct token t;

    if (depth > XREAD_DEPTH_MAX) {
        b->why = "nested too deeply for this reader";
        return false;
    }
    for (;;) {
        struct xattr *inner = NULL;

        token_next(in, at, &t);
        if (t.kind == TOKEN_END) {
            b->why = slice_eq(t.name, whole_name) ? NULL : "an end tag does not fit its start tag";
            return !b->why;
        }
        if (t.kind == TOKEN_START || t.kind == TOKEN_EMPTY)
            *last = make_node(b, &t, scope, &inner);
        else if (t.kind == TOKEN_TEXT || t.kind == TOKEN_CDATA)
            *last = make_text(b, &t);
        else
            b->why = t.why ? t.why : "something that is no element stands inside";
        if (b->why)
            return false;
        if (t.kind == TOKEN_START && !fill(b, *last, t.name, in, at, inner, depth + 1))
            return false;
        last = &(*last)->next;
    }
}

struct xnode *xread_build(struct slice text, struct xattr *scope, struct arena *arena,
                          const char **ret_why)
{
    struct builder b = {arena, NULL};
    struct xattr *inner = NULL;
    struct token t;
    struct xnode *n;
    size_t at = 0;

    token_next(text, &at, &t);
    if (t.kind != TOKEN_START && t.kind != TOKEN_EMPTY) {
        *ret_why = t.why ? t.why : "no element";
        return NULL;
    }
    n = make_node(&b, &t, scope, &inner);
    if (n && t.kind == TOKEN_START && !fill(&b, n, t.name, text, &at, inner, 0))
        n = NULL;
    *ret_why = b.why;
    return n;
}

struct xnode *xread_element(struct slice text, struct xattr *scope, struct arena *arena,
                            const char **ret_why)
{
    size_t at = 0;
    enum token_end end = token_whole_element(text, &at, ret_why);

    if (end == TOKEN_INCOMPLETE)
        *ret_why = "the element does not end";
    if (end != TOKEN_COMPLETE)
        return NULL;
    if (slice_trim(slice_from_offset(text, at)).len) {
        *ret_why = "something follows the element";
        return NULL;
    }
    return xread_build(text, scope, arena, ret_why);
}

struct xnode *xread_start_tag(struct slice text, struct xattr *scope, struct arena *arena,
                              const char **ret_why)
{
    struct builder b = {arena, NULL};
    struct xattr *inner;
    struct token t;
    struct xnode *n;
    size_t at = 0;

    token_next(text, &at, &t);
    if (t.kind != TOKEN_START) {
        *ret_why = t.why ? t.why : "no start tag";
        return NULL;
    }
    n = make_node(&b, &t, scope, &inner);
    *ret_why = b.why;
    return n;
}
