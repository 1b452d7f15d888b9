#include "wire/assembly.h"

#include "wire/ns.h"
#include "wire/xmlw.h"

_Static_assert(XML_ATTRS_MAX <= 64, "bindings are counted by the bits of a word");

void assembly_init(struct assembly *a, const char *content_ns)
{
    memset(a, 0, sizeof(*a));
    a->content_ns = content_ns;
    splice_tag_init(&a->tag);
}

void assembly_rest(struct assembly *a)
{
    splice_tag_fini(&a->tag);
    byteq_fini(&a->declares);
    byteq_fini(&a->scope);
    byteq_fini(&a->carry);
    mem_free(a->declarations);
    a->declarations = NULL;
}

void assembly_fini(struct assembly *a)
{
    assembly_rest(a);
}

size_t assembly_memory(const struct assembly *a)
{
    return a->tag.text.room + a->tag.decoded.room + a->declares.room + a->scope.room +
           a->carry.room + (a->declarations ? XML_ATTRS_MAX * sizeof(*a->declarations) : 0);
}

void assembly_declare(struct assembly *a, const char *prefix, const char *uri)
{
    assert(a->declaration_count < XML_ATTRS_MAX);
    if (!a->declarations)
        a->declarations = mem_array(XML_ATTRS_MAX, sizeof(*a->declarations));
    a->declarations[a->declaration_count++] = (struct declaration){prefix, uri, false};
}

void assembly_clear(struct assembly *a)
{
    a->children = 0;
    a->rewrite = false;
    a->used = 0;
    a->shadowed = 0;
}

/* A prefix of the stream header is declared again on the stanza's start tag, or, when it stands
 * for the content namespace, written without (NS-04, NS-08). */
void assembly_use(struct assembly *a, const struct qname *name)
{
    for (size_t i = 0; i < a->binding_count; i++) {
        const struct binding *b = &a->bindings[i];

        if (!slice_eq(b->prefix, name->prefix) || !slice_eq(b->uri, name->ns))
            continue;
        a->used |= UINT64_C(1) << i;
        a->rewrite |= slice_is(b->uri, a->content_ns);
    }
}

bool assembly_kind(const struct assembly *a, const struct qname *name, enum stanza_kind *ret_kind)
{
    if (!slice_is(name->ns, a->content_ns))
        return false;
    for (unsigned kind = STANZA_MESSAGE; kind <= STANZA_IQ; kind++) {
        if (!slice_is(name->local, stanza_kind_name((enum stanza_kind)kind)))
            continue;
        *ret_kind = (enum stanza_kind)kind;
        return true;
    }
    return false;
}

static void shadow(struct assembly *a, struct slice prefix)
{
    for (size_t i = 0; i < a->binding_count; i++)
        if (slice_eq(a->bindings[i].prefix, prefix))
            a->shadowed |= UINT64_C(1) << i;
}

/* The declarations of a stanza's own start tag. That of the default namespace is left out of the
 * splice: the content namespace needs none, and with another one the stanza has a prefix. */
static void take_declarations(struct assembly *a)
{
    for (size_t i = 0; i < a->declaration_count; i++) {
        const struct declaration *d = &a->declarations[i];
        struct slice prefix = slice_from(d->prefix);

        splice_declare(&a->scope, prefix, slice_from(d->uri));
        if (!d->prefix)
            continue;
        shadow(a, prefix);
        a->rewrite |= slice_is(slice_from(d->uri), a->content_ns);
    }
}

static bool declared_here(struct assembly *a, const struct qname *name)
{
    for (size_t i = 0; i < a->declaration_count; i++) {
        struct declaration *d = &a->declarations[i];

        if (!d->prefix || !slice_is(name->prefix, d->prefix))
            continue;
        if (!d->written)
            splice_declare(&a->tag.text, name->prefix, name->ns);
        d->written = true;
        return true;
    }
    return false;
}

/* An attribute of a stanza that has a prefix: declared in front of it, once. */
static void declare_for(struct assembly *a, const struct qname *name)
{
    if (declared_here(a, name))
        return;
    for (size_t i = 0; i < a->binding_count; i++) {
        uint64_t bit = UINT64_C(1) << i;

        if (!slice_eq(a->bindings[i].prefix, name->prefix))
            continue;
        if (!(a->shadowed & bit))
            splice_declare(&a->tag.text, name->prefix, name->ns);
        a->shadowed |= bit;
    }
}

static void prefixed_attr(struct assembly *a, const struct qname *name, struct slice value)
{
    char text[2 * XML_NAME_BYTES_MAX + 1];
    char *p = text;

    if (!slice_is(name->ns, NS_XML))
        declare_for(a, name);
    p = mempcpy(p, name->prefix.ptr, name->prefix.len);
    *p++ = ':';
    p = mempcpy(p, name->local.ptr, name->local.len);
    splice_tag_attr(&a->tag, slice_make(text, (size_t)(p - text)), value);
}

static void take_attr(struct assembly *a, const char *text, const char *value)
{
    size_t len = strlen(text);
    struct qname name;

    if (!memchr(text, QNAME_SEPARATOR, len)) {
        splice_tag_attr(&a->tag, slice_make(text, len), slice_from(value));
        return;
    }
    name = qname_split(text, len);
    prefixed_attr(a, &name, slice_from(value));
}

/* RFC 6120 8.1.5, 4.7.4: what holds for the stream holds for a stanza that says nothing. */
static void inherit_lang(struct assembly *a)
{
    if (a->lang.len && !a->tag.value[SPLICE_LANG].present)
        splice_tag_attr(&a->tag, SLICE("xml:lang"), a->lang);
}

static void declare_rest(struct assembly *a)
{
    for (size_t i = 0; i < a->declaration_count; i++) {
        const struct declaration *d = &a->declarations[i];

        if (d->prefix && !d->written)
            splice_declare(&a->declares, slice_from(d->prefix), slice_from(d->uri));
    }
}

void assembly_start(struct assembly *a, enum stanza_kind kind, const char **attrs, size_t count)
{
    splice_tag_begin(&a->tag, kind);
    byteq_clear(&a->declares);
    byteq_clear(&a->scope);
    if (a->declaration_count)
        take_declarations(a);
    for (size_t i = 0; i < count; i++)
        take_attr(a, attrs[2 * i], attrs[2 * i + 1]);
    inherit_lang(a);
    if (a->declaration_count)
        declare_rest(a);
}

/* Below a stanza's start tag only three things matter: prefixes of the header (assembly_use),
 * declarations of the content namespace, and how many children there are. */
void assembly_inner(struct assembly *a, bool child)
{
    a->children += child;
    for (size_t i = 0; i < a->declaration_count; i++) {
        const char *uri = a->declarations[i].uri;

        a->rewrite |= uri && strcmp(uri, a->content_ns) == 0;
    }
}

static void declare_used(struct assembly *a)
{
    uint64_t used = a->used & ~a->shadowed;

    byteq_append(&a->tag.text, byteq_slice(&a->declares));
    for (size_t i = 0; used; i++, used >>= 1)
        if (used & 1)
            splice_declare(&a->tag.text, a->bindings[i].prefix, a->bindings[i].uri);
}

/* The start tags under which the content means what it meant where it came from. */
static void write_context(const struct assembly *a, struct byteq *out)
{
    xmlw_raw(out, "<s");
    for (size_t i = 0; i < a->binding_count; i++)
        splice_declare(out, a->bindings[i].prefix, a->bindings[i].uri);
    xmlw_raw(out, "><s");
    byteq_append(out, byteq_slice(&a->scope));
    xmlw_raw(out, ">");
}

static struct stanza *rewritten(struct assembly *a, const struct slice content[2], size_t limit)
{
    struct splice_writer w;
    struct byteq context;
    struct byteq out;
    struct stanza *s;

    byteq_init(&context);
    byteq_init(&out);
    splice_writer_init(&w, &out, a->content_ns, a->content_ns);
    w.limit = limit;
    write_context(a, &context);
    if (splice_rewrite(byteq_slice(&context), 2, content, &w))
        s = splice_finish(&a->tag, (struct slice[2]){byteq_slice(&out), slice_none()});
    else
        s = splice_finish_empty(&a->tag);
    s->flags = w.scoped ? STANZA_SCOPED : 0;
    splice_writer_fini(&w);
    byteq_fini(&context);
    byteq_fini(&out);
    return s;
}

void assembly_content(const struct assembly *a, size_t len, struct slice chunk,
                      struct slice ret_content[2])
{
    ret_content[0] = slice_sub(byteq_slice(&a->carry), 0, len);
    ret_content[1] = slice_sub(chunk, 0, len - ret_content[0].len);
}

static void judge(struct stanza *s, unsigned children)
{
    bool asks = s->type == STANZA_TYPE_GET || s->type == STANZA_TYPE_SET;

    if (s->kind == STANZA_IQ && asks && children != 1)
        s->flags |= STANZA_BAD_IQ;
}

struct stanza *assembly_finish(struct assembly *a, const struct slice content[2], size_t limit)
{
    struct stanza *s;

    if (a->rewrite) {
        s = rewritten(a, content, limit);
    } else {
        declare_used(a);
        s = splice_finish(&a->tag, content);
    }
    judge(s, a->children);
    return s;
}

struct stanza *assembly_finish_empty(struct assembly *a)
{
    struct stanza *s = splice_finish_empty(&a->tag);

    judge(s, a->children);
    return s;
}

enum plain_result assembly_plain(struct assembly *a, struct slice s, size_t limit,
                                 struct stanza **ret_stanza, size_t *ret_len)
{
    struct plain plain;
    enum plain_result result;

    if (!splice_is_plain(a->lang))
        return PLAIN_NOT;
    result = plain_read(s, slice_from(a->content_ns), a->inherits, &plain);
    if (result != PLAIN_READ)
        return result;
    if (plain.len > limit)
        return PLAIN_NOT;
    *ret_stanza = splice_plain(&plain, a->lang);
    judge(*ret_stanza, plain.children);
    *ret_len = plain.len;
    return PLAIN_READ;
}
