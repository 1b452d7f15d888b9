#include "wire/splice.h"

#include "wire/ns.h"
#include "wire/scan.h"
#include "wire/xmlw.h"

/* Longest reference a character of a value turns into: "&quot;". */
#define ESCAPED_BYTES_MAX 6

const char *splice_scope_ns(enum stanza_scope scope)
{
    return scope == SCOPE_SERVER ? NS_SERVER : NS_COMPONENT;
}

void splice_tag_init(struct splice_tag *tag)
{
    memset(tag, 0, sizeof(*tag));
    byteq_init(&tag->text);
    byteq_init(&tag->decoded);
}

void splice_tag_fini(struct splice_tag *tag)
{
    byteq_fini(&tag->text);
    byteq_fini(&tag->decoded);
}

void splice_tag_begin(struct splice_tag *tag, enum stanza_kind kind)
{
    byteq_clear(&tag->text);
    byteq_clear(&tag->decoded);
    memset(tag->value, 0, sizeof(tag->value));
    tag->kind = kind;
    xmlw_raw(&tag->text, "<");
    xmlw_raw(&tag->text, stanza_kind_name(kind));
}

static struct splice_value *known(struct splice_tag *tag, struct slice name)
{
    switch (name.len) {
    case 2:
        if (memcmp(name.ptr, "to", 2) == 0)
            return &tag->value[SPLICE_TO];
        return memcmp(name.ptr, "id", 2) == 0 ? &tag->value[SPLICE_ID] : NULL;
    case 4:
        if (memcmp(name.ptr, "from", 4) == 0)
            return &tag->value[SPLICE_FROM];
        return memcmp(name.ptr, "type", 4) == 0 ? &tag->value[SPLICE_TYPE] : NULL;
    case 8:
        return memcmp(name.ptr, "xml:lang", 8) == 0 ? &tag->value[SPLICE_LANG] : NULL;
    default:
        return NULL;
    }
}

static char *put(char *to, struct slice s)
{
    memcpy(to, s.ptr, s.len);
    return to + s.len;
}

/* " name='": one reservation for the whole attribute, this is the hot path. */
static void open_attr(struct byteq *out, struct slice name, struct slice value)
{
    char *start = byteq_reserve(out, name.len + value.len + 4);
    char *p = start;

    *p++ = ' ';
    p = put(p, name);
    *p++ = '=';
    *p++ = '\'';
    byteq_grow(out, (size_t)(p - start));
}

static void close_value(struct byteq *out, struct slice value, bool plain)
{
    if (plain)
        byteq_append(out, value);
    else
        xmlw_value(out, value);
    byteq_append(out, SLICE("'"));
}

void splice_tag_attr(struct splice_tag *tag, struct slice name, struct slice value)
{
    struct splice_value *v = known(tag, name);
    bool plain = scan_value(value) == value.len;

    open_attr(&tag->text, name, value);
    if (v) {
        struct byteq *holder = plain ? &tag->text : &tag->decoded;

        *v = (struct splice_value){(uint32_t)byteq_len(holder), (uint32_t)value.len, true, !plain};
        if (!plain)
            byteq_append(&tag->decoded, value);
    }
    close_value(&tag->text, value, plain);
}

void splice_declare(struct byteq *out, struct slice prefix, struct slice uri)
{
    xmlw_raw(out, prefix.len ? " xmlns:" : " xmlns");
    byteq_append(out, prefix);
    xmlw_raw(out, "='");
    xmlw_value(out, uri);
    xmlw_raw(out, "'");
}

static enum stanza_type type_of(struct slice text)
{
    if (!text.ptr)
        return STANZA_TYPE_NONE;
    if (slice_eq(text, SLICE("error")))
        return STANZA_TYPE_ERROR;
    if (slice_eq(text, SLICE("get")))
        return STANZA_TYPE_GET;
    if (slice_eq(text, SLICE("set")))
        return STANZA_TYPE_SET;
    if (slice_eq(text, SLICE("result")))
        return STANZA_TYPE_RESULT;
    return STANZA_TYPE_OTHER;
}

static struct slice value_at(const struct splice_value *v, const char *text, const char *decoded)
{
    if (!v->present)
        return slice_none();
    return slice_make((v->apart ? decoded : text) + v->at, v->len);
}

static void point_to_values(struct stanza *s, const struct splice_tag *tag, const char *text,
                            const char *decoded)
{
    const struct splice_value *v = tag->value;

    s->kind = (uint8_t)tag->kind;
    s->to = value_at(&v[SPLICE_TO], text, decoded);
    s->from = value_at(&v[SPLICE_FROM], text, decoded);
    s->id = value_at(&v[SPLICE_ID], text, decoded);
    s->type_text = value_at(&v[SPLICE_TYPE], text, decoded);
    s->lang = value_at(&v[SPLICE_LANG], text, decoded);
    s->type = (uint8_t)type_of(s->type_text);
}

/* "</message>" into `to`, which may be NULL to learn the length. */
static size_t end_tag(enum stanza_kind kind, char *to)
{
    static const struct slice tags[] = {[STANZA_MESSAGE] = {"</message>", 10},
                                        [STANZA_PRESENCE] = {"</presence>", 11},
                                        [STANZA_IQ] = {"</iq>", 5}};

    if (to)
        memcpy(to, tags[kind].ptr, tags[kind].len);
    return tags[kind].len;
}

static char *put_rest(char *p, enum stanza_kind kind, const struct slice content[2])
{
    if (content[0].len + content[1].len == 0)
        return put(p, SLICE("/>"));
    *p++ = '>';
    for (int i = 0; i < 2; i++)
        if (content[i].len)
            p = put(p, content[i]);
    return p + end_tag(kind, p);
}

struct stanza *splice_finish(const struct splice_tag *tag, const struct slice content[2])
{
    struct slice text = byteq_slice(&tag->text);
    struct slice decoded = byteq_slice(&tag->decoded);
    size_t inner = content[0].len + content[1].len;
    size_t len = text.len + (inner ? 1 + inner + end_tag(tag->kind, NULL) : 2);
    char *room;
    struct stanza *s = stanza_alloc(len + decoded.len, &room);
    char *end = put_rest(put(room, text), tag->kind, content);

    assert(end == room + len);
    if (decoded.len)
        put(end, decoded);
    s->wire = slice_make(room, len);
    point_to_values(s, tag, room, end);
    return s;
}

struct stanza *splice_finish_empty(const struct splice_tag *tag)
{
    struct stanza *s = splice_finish(tag, (struct slice[2]){slice_none(), slice_none()});

    s->wire.len = 0;
    return s;
}

void splice_writer_init(struct splice_writer *w, struct byteq *out, const char *from_ns,
                        const char *to_ns)
{
    w->out = out;
    w->from_ns = slice_from(from_ns);
    w->to_ns = slice_from(to_ns);
    w->defaults[0] = w->to_ns;
    w->depth = 0;
    w->tag_open = false;
    w->scoped = false;
    w->limit = SIZE_MAX;
    w->over = false;
    arena_init(&w->names);
}

void splice_writer_fini(struct splice_writer *w)
{
    arena_fini(&w->names);
}

static void close_tag(struct splice_writer *w)
{
    if (w->tag_open)
        xmlw_raw(w->out, ">");
    w->tag_open = false;
}

/* Attributes are not moved between namespaces: two of them could become one. */
static void write_attr(struct splice_writer *w, const struct splice_attr *attrs, size_t i)
{
    const struct qname *name = &attrs[i].name;
    bool declared = !name->prefix.len || slice_is(name->ns, NS_XML);

    for (size_t k = 0; k < i && !declared; k++)
        declared = slice_eq(attrs[k].name.prefix, name->prefix);
    if (!declared)
        splice_declare(w->out, name->prefix, name->ns);
    xmlw_raw(w->out, " ");
    byteq_append(w->out, name->prefix);
    xmlw_raw(w->out, name->prefix.len ? ":" : "");
    byteq_append(w->out, name->local);
    xmlw_raw(w->out, "='");
    xmlw_value(w->out, attrs[i].value);
    xmlw_raw(w->out, "'");
}

static bool over(struct splice_writer *w)
{
    w->over |= byteq_len(w->out) > w->limit;
    return w->over;
}

static void write_default(struct splice_writer *w, struct slice ns)
{
    struct slice outer = w->defaults[w->depth];

    assert(w->depth < XML_DEPTH_MAX);
    w->depth++;
    if (slice_eq(ns, outer)) {
        w->defaults[w->depth] = outer;
        return;
    }
    w->defaults[w->depth] = arena_copy(&w->names, ns);
    w->scoped |= slice_eq(ns, w->to_ns);
    splice_declare(w->out, slice_none(), ns);
}

void splice_write_start(struct splice_writer *w, const struct qname *name,
                        const struct splice_attr *attrs, size_t count)
{
    if (over(w))
        return;
    close_tag(w);
    xmlw_raw(w->out, "<");
    byteq_append(w->out, name->local);
    write_default(w, slice_eq(name->ns, w->from_ns) ? w->to_ns : name->ns);
    for (size_t i = 0; i < count; i++)
        write_attr(w, attrs, i);
    w->tag_open = true;
}

void splice_write_text(struct splice_writer *w, struct slice text)
{
    if (over(w))
        return;
    close_tag(w);
    xmlw_text(w->out, text);
}

void splice_write_end(struct splice_writer *w, const struct qname *name)
{
    if (w->over)
        return;
    assert(w->depth > 0);
    w->depth--;
    if (w->tag_open) {
        xmlw_raw(w->out, "/>");
        w->tag_open = false;
        return;
    }
    xmlw_raw(w->out, "</");
    byteq_append(w->out, name->local);
    xmlw_raw(w->out, ">");
}

struct bytes *splice_rescope(struct slice wire, enum stanza_scope from, enum stanza_scope to)
{
    struct splice_writer w;
    struct byteq context;
    struct byteq out;
    struct bytes *b;
    bool parsed;

    byteq_init(&context);
    byteq_init(&out);
    splice_writer_init(&w, &out, splice_scope_ns(from), splice_scope_ns(to));
    xmlw_raw(&context, "<s");
    splice_declare(&context, slice_none(), w.from_ns);
    xmlw_raw(&context, ">");
    parsed = splice_rewrite(byteq_slice(&context), 1, (struct slice[2]){wire, slice_none()}, &w);
    assert(parsed); /* these bytes are our own */
    b = bytes_copy(byteq_slice(&out));
    splice_writer_fini(&w);
    byteq_fini(&context);
    byteq_fini(&out);
    return b;
}
