#include "wire/root.h"

#include "wire/ns.h"
#include "wire/xmlw.h"

void root_init(struct root *r)
{
    memset(r, 0, sizeof(*r));
    arena_init(&r->arena);
}

void root_fini(struct root *r)
{
    arena_fini(&r->arena);
}

static void keep_binding(struct root *r, struct assembly *a, const struct declaration *d)
{
    struct binding *b = &a->bindings[a->binding_count++];

    b->prefix = arena_copy(&r->arena, slice_from(d->prefix));
    b->uri = arena_copy(&r->arena, slice_from(d->uri));
    if (b->prefix.len && slice_is(b->uri, NS_DIALBACK))
        r->header.dialback = true;
    if (!b->prefix.len)
        r->header.content_ns = b->uri;
}

static void keep_attr(struct root *r, const char *name, const char *value)
{
    struct xml_header *h = &r->header;
    struct qname q = qname_split(name, strlen(name));
    const struct {
        const char *name;
        const char *ns;
        struct slice *to;
    } rows[] = {{"to", "", &h->to},
                {"from", "", &h->from},
                {"id", "", &h->id},
                {"version", "", &h->version},
                {"lang", NS_XML, &h->lang}};

    for (size_t i = 0; i < COUNT(rows); i++)
        if (slice_is(q.local, rows[i].name) && slice_is(q.ns, rows[i].ns))
            *rows[i].to = arena_copy(&r->arena, slice_from(value));
}

static void keep_name(struct root *r, const struct qname *name)
{
    struct byteq text;

    byteq_init(&text);
    byteq_append(&text, name->prefix);
    xmlw_raw(&text, name->prefix.len ? ":" : "");
    byteq_append(&text, name->local);
    r->name = arena_copy(&r->arena, byteq_slice(&text));
    byteq_fini(&text);
}

void root_keep(struct root *r, struct assembly *a, const struct qname *name, const char **attrs,
               size_t count)
{
    struct xml_header *h = &r->header;

    a->bindings = arena_alloc(&r->arena, a->declaration_count * sizeof(*a->bindings));
    for (size_t i = 0; i < a->declaration_count; i++)
        keep_binding(r, a, &a->declarations[i]);
    for (size_t i = 0; i < count; i++)
        keep_attr(r, attrs[2 * i], attrs[2 * i + 1]);
    keep_name(r, name);
    h->ns = arena_copy(&r->arena, name->ns);
    h->name = arena_copy(&r->arena, name->local);
    a->lang = h->lang;
    a->inherits = slice_is(h->content_ns, a->content_ns);
    h->stream_is_default = slice_is(h->content_ns, NS_STREAM);
    if (h->stream_is_default)
        h->content_ns = slice_none();
}

void root_write(const struct root *r, const struct assembly *a, struct byteq *out)
{
    xmlw_raw(out, "<");
    byteq_append(out, r->name);
    for (size_t i = 0; i < a->binding_count; i++)
        splice_declare(out, a->bindings[i].prefix, a->bindings[i].uri);
    xmlw_raw(out, ">");
}
