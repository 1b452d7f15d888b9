#include "scenario/pattern.h"

#include "sim/peer.h"
#include "wire/ns.h"

#include <stdio.h>

struct match {
    struct words *words;
    struct arena *arena;
    bool exact;
    char *why;
    size_t why_size;
};

static bool is_header(struct slice text)
{
    return slice_starts(text, SLICE("<stream:stream ")) ||
           slice_starts(text, SLICE("<stream:stream>"));
}

const char *pattern_init(struct pattern *p, struct slice text, const char *content_ns)
{
    const char *why = NULL;

    memset(p, 0, sizeof(*p));
    arena_init(&p->arena);
    p->scope = xattr_declare(&p->arena, NULL, "", content_ns);
    p->scope = xattr_declare(&p->arena, p->scope, "stream", NS_STREAM);
    p->scope = xattr_declare(&p->arena, p->scope, "db", NS_DIALBACK);
    p->scope = xattr_declare(&p->arena, p->scope, "t", PATTERN_NS);
    text = arena_copy(&p->arena, slice_trim(text));
    p->header = is_header(text);
    if (p->header)
        p->node = xread_start_tag(text, p->scope, &p->arena, &why);
    else
        p->node = xread_element(text, p->scope, &p->arena, &why);
    return why;
}

void pattern_fini(struct pattern *p)
{
    arena_fini(&p->arena);
}

static bool differs(struct match *m, const char *what, struct slice wanted, struct slice is)
{
    snprintf(m->why, m->why_size, "%s: \"%.*s\" wanted, \"%.*s\" found", what,
             (int)(wanted.len < 300 ? wanted.len : 300), wanted.ptr,
             (int)(is.len < 300 ? is.len : 300), is.ptr);
    return false;
}

/* --- values --- */

static bool value_fits(struct match *m, const char *what, struct slice pattern, struct slice value)
{
    struct slice name = words_single(pattern);
    struct byteq text;
    bool ok;

    if (name.len && !words_get(m->words, name).ptr) {
        words_set(m->words, name, value);
        return true;
    }
    byteq_init(&text);
    ok = words_expand(m->words, pattern, &text, m->why, m->why_size);
    if (ok && !glob_fits(byteq_slice(&text), value))
        ok = differs(m, what, byteq_slice(&text), value);
    byteq_fini(&text);
    return ok;
}

bool pattern_value_fits(struct slice pattern, struct slice value, struct words *words, char *why,
                        size_t why_size)
{
    struct match m = {.words = words, .why = why, .why_size = why_size};

    return value_fits(&m, "value", pattern, value);
}

/* --- attributes --- */

static const struct xattr *find_attr(const struct xattr *list, const struct xattr *like)
{
    for (; list; list = list->next)
        if (slice_eq(list->name, like->name) && slice_eq(list->ns, like->ns))
            return list;
    return NULL;
}

static bool attr_fits(struct match *m, const struct xattr *p, const struct xattr *found)
{
    char name[128];

    slice_to_cstr(p->name, name, sizeof(name));
    if (slice_is(p->value, "$NONE"))
        return !found || differs(m, name, SLICE("no such attribute"), found->value);
    if (!found)
        return differs(m, name, p->value, SLICE("no such attribute"));
    return value_fits(m, name, p->value, found->value);
}

static bool attrs_fit(struct match *m, const struct xnode *p, const struct xnode *n)
{
    for (const struct xattr *a = p->attrs; a; a = a->next)
        if (!attr_fits(m, a, find_attr(n->attrs, a)))
            return false;
    for (const struct xattr *a = n->attrs; a && m->exact; a = a->next)
        if (!find_attr(p->attrs, a))
            return differs(m, "attribute", SLICE("none such"), a->name);
    return true;
}

/* Of headers: what is declared there matters (DB-01, NS-02). */
static bool decls_fit(struct match *m, const struct xnode *p, const struct xnode *n)
{
    for (const struct xattr *d = p->decls; d; d = d->next)
        if (!attr_fits(m, d, find_attr(n->decls, d)))
            return false;
    return true;
}

/* --- children --- */

static bool node_fits(struct match *m, const struct xnode *p, const struct xnode *n);

static bool is_test(const struct xnode *n, const char *name)
{
    return xnode_is(n, name, PATTERN_NS);
}

static bool is_directive(const struct xnode *n)
{
    return slice_is(n->ns, PATTERN_NS) && !slice_is(n->name, "any");
}

static size_t count_elements(const struct xnode *n, bool with_directives)
{
    size_t count = 0;

    for (const struct xnode *c = n->children; c; c = c->next)
        count += !xnode_is_text(c) && (with_directives || !is_directive(c));
    return count;
}

/* A try that fails must leave no words behind and no reason. */
static bool could_fit(struct match *m, const struct xnode *p, const struct xnode *n)
{
    char why[512] = "";
    struct match attempt = {m->words, m->arena, m->exact, why, sizeof(why)};
    size_t count = words_count(m->words);
    bool ok = node_fits(&attempt, p, n);

    if (!ok)
        words_rewind(m->words, count);
    return ok;
}

static bool find_child(struct match *m, const struct xnode *p, const struct xnode *n,
                       const struct xnode **taken, size_t *taken_count)
{
    for (const struct xnode *c = n->children; c; c = c->next) {
        bool used = false;

        for (size_t i = 0; i < *taken_count; i++)
            used |= taken[i] == c;
        if (used || xnode_is_text(c) || !could_fit(m, p, c))
            continue;
        taken[(*taken_count)++] = c;
        return true;
    }
    return differs(m, "child element", p->name, SLICE("none that fits"));
}

static bool has_none(struct match *m, const struct xnode *no, const struct xnode *n)
{
    for (const struct xnode *p = no->children; p; p = p->next)
        for (const struct xnode *c = n->children; c; c = c->next)
            if (!xnode_is_text(p) && !xnode_is_text(c) && could_fit(m, p, c))
                return differs(m, "child element", SLICE("none such"), c->name);
    return true;
}

static bool directive_fits(struct match *m, const struct xnode *d, const struct xnode *p,
                           const struct xnode *n)
{
    if (is_test(d, "no"))
        return has_none(m, d, n);
    if (is_test(d, "only"))
        return count_elements(n, true) == count_elements(p, false) ||
               differs(m, "child elements", SLICE("only those of the pattern"), SLICE("more"));
    if (is_test(d, "empty"))
        return !n->children || differs(m, "content", SLICE("none"), n->children->name);
    return differs(m, "pattern", SLICE("t:no, t:only, t:empty"), d->name);
}

static bool children_fit(struct match *m, const struct xnode *p, const struct xnode *n)
{
    const struct xnode *taken[64];
    size_t count = 0;

    for (const struct xnode *c = p->children; c; c = c->next) {
        if (xnode_is_text(c))
            continue;
        assert(count < COUNT(taken));
        if (is_directive(c) ? !directive_fits(m, c, p, n) : !find_child(m, c, n, taken, &count))
            return false;
    }
    return true;
}

static bool text_fits(struct match *m, const struct xnode *p, const struct xnode *n)
{
    struct slice wanted = xnode_text(p, m->arena);

    if (!slice_trim(wanted).len)
        return true;
    return value_fits(m, "text", wanted, xnode_text(n, m->arena));
}

/* --- exact --- */

/* Character data of neighbours is one text (a CDATA section, a reference). */
static struct slice run_of_text(struct match *m, const struct xnode **at)
{
    const struct xnode *first = *at;
    size_t len = 0;
    char *text;

    for (; *at && xnode_is_text(*at); *at = (*at)->next)
        len += (*at)->text.len;
    text = arena_alloc(m->arena, len + 1);
    len = 0;
    for (; first != *at; first = first->next) {
        memcpy(text + len, first->text.ptr, first->text.len);
        len += first->text.len;
    }
    return slice_make(text, len);
}

static bool same_content(struct match *m, const struct xnode *p, const struct xnode *n)
{
    const struct xnode *a = p->children;
    const struct xnode *b = n->children;

    while (a || b) {
        struct slice ta = run_of_text(m, &a);
        struct slice tb = run_of_text(m, &b);

        if (!value_fits(m, "text", ta, tb))
            return false;
        if (!a && !b)
            return true;
        if (!a || !b)
            return differs(m, "child element", a ? a->name : SLICE("none"),
                           b ? b->name : SLICE("none"));
        if (!node_fits(m, a, b))
            return false;
        a = a->next;
        b = b->next;
    }
    return true;
}

static bool node_fits(struct match *m, const struct xnode *p, const struct xnode *n)
{
    if (is_test(p, "any"))
        return true;
    if (!slice_eq(p->name, n->name))
        return differs(m, "element", p->name, n->name);
    if (!slice_eq(p->ns, n->ns))
        return differs(m, "namespace", p->ns, n->ns);
    if (!attrs_fit(m, p, n))
        return false;
    if (m->exact)
        return same_content(m, p, n);
    return children_fit(m, p, n) && text_fits(m, p, n);
}

bool pattern_fits(const struct pattern *p, const struct xnode *n, bool exact, struct words *words,
                  char *why, size_t why_size)
{
    struct arena arena;
    struct match m = {words, &arena, exact, why, why_size};
    size_t count = words_count(words);
    bool ok;

    arena_init(&arena);
    ok = node_fits(&m, p->node, n) && (!p->header || decls_fit(&m, p->node, n));
    arena_fini(&arena);
    if (!ok)
        words_rewind(words, count);
    return ok;
}
