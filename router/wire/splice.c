#include "wire/splice.h"

#include "wire/ns.h"
#include "wire/scan.h"
#include "wire/xmlw.h"

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

/* SPLICE_KNOWN: none of them. */
static enum splice_known known(struct slice name)
{
    switch (name.len) {
    case 2:
        if (memcmp(name.ptr, "to", 2) == 0)
            return SPLICE_TO;
        return memcmp(name.ptr, "id", 2) == 0 ? SPLICE_ID : SPLICE_KNOWN;
    case 4:
        if (memcmp(name.ptr, "from", 4) == 0)
            return SPLICE_FROM;
        return memcmp(name.ptr, "type", 4) == 0 ? SPLICE_TYPE : SPLICE_KNOWN;
    case 8:
        return memcmp(name.ptr, "xml:lang", 8) == 0 ? SPLICE_LANG : SPLICE_KNOWN;
    default:
        return SPLICE_KNOWN;
    }
}

static char *put(char *to, struct slice s)
{
    memcpy(to, s.ptr, s.len);
    return to + s.len;
}

bool splice_is_plain(struct slice value)
{
    const char *end = value.len ? value.ptr + value.len : NULL;

    return !end || scan_value(value.ptr, end) == end;
}

static void note_value(struct splice_tag *tag, enum splice_known which, struct slice value,
                       bool plain)
{
    struct byteq *holder = plain ? &tag->text : &tag->decoded;

    tag->value[which] =
        (struct splice_value){(uint32_t)byteq_len(holder), (uint32_t)value.len, true, !plain};
    if (!plain)
        byteq_append(&tag->decoded, value);
}

void splice_tag_attr(struct splice_tag *tag, struct slice name, struct slice value)
{
    enum splice_known which = known(name);

    byteq_append(&tag->text, SLICE(" "));
    byteq_append(&tag->text, name);
    byteq_append(&tag->text, SLICE("='"));
    if (which != SPLICE_KNOWN)
        note_value(tag, which, value, splice_is_plain(value));
    xmlw_value(&tag->text, value);
    byteq_append(&tag->text, SLICE("'"));
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

static void point_to(struct stanza *s, const struct slice values[SPLICE_KNOWN])
{
    s->to = values[SPLICE_TO];
    s->from = values[SPLICE_FROM];
    s->id = values[SPLICE_ID];
    s->type_text = values[SPLICE_TYPE];
    s->lang = values[SPLICE_LANG];
    s->type = (uint8_t)type_of(s->type_text);
}

static void point_to_values(struct stanza *s, const struct splice_tag *tag, const char *text,
                            const char *decoded)
{
    struct slice values[SPLICE_KNOWN] = {{NULL, 0}};

    for (size_t i = 0; i < SPLICE_KNOWN; i++) {
        const struct splice_value *v = &tag->value[i];

        if (v->present)
            values[i] = slice_make((v->apart ? decoded : text) + v->at, v->len);
    }
    s->kind = (uint8_t)tag->kind;
    point_to(s, values);
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

/* --- plain stanzas: the same, in one go ------------------------------------------------------- */

static const struct slice start_tags[] = {[STANZA_MESSAGE] = {"<message", 8},
                                          [STANZA_PRESENCE] = {"<presence", 9},
                                          [STANZA_IQ] = {"<iq", 3}};

static size_t plain_room(const struct plain *p, struct slice lang)
{
    size_t n = start_tags[p->kind].len + p->content.len + 1 + end_tag(p->kind, NULL);

    for (size_t i = 0; i < p->attr_count; i++)
        n += p->attrs[i].name.len + p->attrs[i].value.len + 4;
    return n + (lang.len ? lang.len + sizeof(" xml:lang=''") - 1 : 0);
}

static char *put_plain_attr(char *to, const struct plain_attr *attr,
                            struct slice values[SPLICE_KNOWN])
{
    enum splice_known which = known(attr->name);

    *to++ = ' ';
    to = put(to, attr->name);
    *to++ = '=';
    *to++ = '\'';
    if (which != SPLICE_KNOWN)
        values[which] = slice_make(to, attr->value.len);
    to = put(to, attr->value);
    *to++ = '\'';
    return to;
}

struct stanza *splice_plain(const struct plain *p, struct slice lang)
{
    struct slice values[SPLICE_KNOWN] = {{NULL, 0}};
    char *room;
    struct stanza *s = stanza_alloc(plain_room(p, lang), &room);
    char *at = put(room, start_tags[p->kind]);

    for (size_t i = 0; i < p->attr_count; i++)
        at = put_plain_attr(at, &p->attrs[i], values);
    if (lang.len && !values[SPLICE_LANG].ptr)
        at = put_plain_attr(at, &(struct plain_attr){SLICE("xml:lang"), lang}, values);
    at = put_rest(at, p->kind, (struct slice[2]){p->content, slice_none()});
    s->wire = slice_make(room, (size_t)(at - room));
    s->kind = (uint8_t)p->kind;
    point_to(s, values);
    return s;
}

/* --- the rewrite ----------------------------------------------------------------------------- */

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

/* The one namespace that must not be declared as default: Namespaces in XML 3. */
static bool is_xml(const struct qname *name)
{
    return slice_eq(name->ns, SLICE(NS_XML));
}

static void write_name(struct splice_writer *w, const struct qname *name)
{
    if (is_xml(name))
        xmlw_raw(w->out, "xml:");
    byteq_append(w->out, name->local);
}

static void write_default(struct splice_writer *w, const struct qname *name)
{
    struct slice ns = slice_eq(name->ns, w->from_ns) ? w->to_ns : name->ns;
    struct slice outer = w->defaults[w->depth];

    assert(w->depth < XML_DEPTH_MAX);
    w->depth++;
    if (is_xml(name) || slice_eq(ns, outer)) {
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
    write_name(w, name);
    write_default(w, name);
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
    write_name(w, name);
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
