/* Streams of any bytes: how they are cut changes nothing, what comes out means what went in.
 *
 * The first byte chooses header and scope, the second seeds the cuts, the rest is the stream behind
 * the header; with the first byte's highest bit each byte from 0xc0 on is one of `words`. An expat
 * of our own, without the router's rooms, is the oracle: it reads the same stream and says what
 * each depth-1 element means (namespaces, names, attributes, text). */
#include <expat.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "wire/ns.h"
#include "wire/splice.h"
#include "wire/xml.h"
#include "wire/xmlw.h"

#define STREAM_BYTES_MAX 65536
#define ITEMS_MAX        512

#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                        \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static const struct xml_limits limits = {4096, 2048};

static const char *const headers[] = {
    "<?xml version='1.0'?><stream:stream xmlns='%s' xmlns:stream='" NS_STREAM
    "' xmlns:db='" NS_DIALBACK "' from='a' to='b' version='1.0'>",
    "<stream:stream xmlns='%s' xmlns:stream='" NS_STREAM "' xml:lang='de&apos;' xmlns:p='urn:p' "
    "xmlns:q='urn:q'>",
    "<s:stream xmlns='%s' xmlns:s='" NS_STREAM "' xmlns:a='jabber:server' "
    "xmlns:c='jabber:component:accept'>",
    "<stream xmlns='" NS_STREAM "' id='%s'>",
};

/* --- what a piece of XML means ---------------------------------------------------------------- */

struct meaning {
    XML_Parser parser;
    unsigned depth;
    unsigned outer; /* elements around those that count */
    bool banned;    /* comment, instruction or document type seen */
    struct byteq text[ITEMS_MAX];
    size_t count;
    const char *lang; /* for elements at `outer` that have none */
};

static int compare_attrs(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Namespace and name, without the prefix. */
static void put_name(struct byteq *out, const char *triplet)
{
    struct qname name = qname_split(triplet, strlen(triplet));

    xmlw_raw(out, "{");
    xmlw_value(out, name.ns);
    xmlw_raw(out, "}");
    byteq_append(out, name.local);
}

static char *attr_line(const char *name, const char *value)
{
    struct byteq q;
    char *line;

    byteq_init(&q);
    put_name(&q, name);
    xmlw_attr(&q, "", slice_from(value));
    line = mem_strndup(byteq_slice(&q));
    byteq_fini(&q);
    return line;
}

#define LANG NS_XML "\x1flang\x1fxml"

/* `lang`: inherited, or NULL. */
static void put_attrs(struct byteq *out, const XML_Char **atts, const char *lang)
{
    char *lines[256];
    size_t n = 0;

    for (; atts[2 * n] && n < COUNT(lines) - 1; n++)
        lines[n] = attr_line(atts[2 * n], atts[2 * n + 1]);
    if (lang)
        lines[n++] = attr_line(LANG, lang);
    qsort(lines, n, sizeof(lines[0]), compare_attrs);
    for (size_t i = 0; i < n; i++) {
        xmlw_raw(out, lines[i]);
        mem_free(lines[i]);
    }
}

static bool has_lang(const XML_Char **atts)
{
    for (; *atts; atts += 2)
        if (strcmp(*atts, LANG) == 0)
            return true;
    return false;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **atts)
{
    struct meaning *m = user;
    struct byteq *out = &m->text[m->count];
    bool inherits;

    m->depth++;
    if (m->depth <= m->outer || m->count == ITEMS_MAX)
        return;
    xmlw_raw(out, "<");
    put_name(out, name);
    inherits = m->depth == m->outer + 1 && !has_lang(atts);
    put_attrs(out, atts, inherits ? m->lang : NULL);
    xmlw_raw(out, ">");
}

static void on_end(void *user, const XML_Char *name)
{
    struct meaning *m = user;

    m->depth--;
    if (m->depth < m->outer || m->count == ITEMS_MAX)
        return;
    xmlw_raw(&m->text[m->count], "</>");
    if (m->depth == m->outer)
        m->count++;
}

static void on_text(void *user, const XML_Char *text, int len)
{
    struct meaning *m = user;

    if (m->depth > m->outer && m->count < ITEMS_MAX)
        xmlw_text(&m->text[m->count], slice_make(text, (size_t)len));
}

static void on_comment(void *user, const XML_Char *text)
{
    ((struct meaning *)user)->banned = true;
}

static void on_instruction(void *user, const XML_Char *target, const XML_Char *data)
{
    ((struct meaning *)user)->banned = true;
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid,
                       const XML_Char *pubid, int has_internal_subset)
{
    struct meaning *m = user;

    m->banned = true;
    XML_StopParser(m->parser, XML_FALSE);
}

static struct meaning *meaning_new(unsigned outer)
{
    struct meaning *m = MEM_NEW(struct meaning);

    m->parser = XML_ParserCreateNS("UTF-8", QNAME_SEPARATOR);
    m->outer = outer;
    XML_SetReturnNSTriplet(m->parser, 1);
    XML_SetUserData(m->parser, m);
    XML_SetElementHandler(m->parser, on_start, on_end);
    XML_SetCharacterDataHandler(m->parser, on_text);
    XML_SetCommentHandler(m->parser, on_comment);
    XML_SetProcessingInstructionHandler(m->parser, on_instruction);
    XML_SetStartDoctypeDeclHandler(m->parser, on_doctype);
    return m;
}

static void meaning_free(struct meaning *m)
{
    for (size_t i = 0; i < ITEMS_MAX; i++)
        byteq_fini(&m->text[i]);
    XML_ParserFree(m->parser);
    mem_free(m);
}

static bool meaning_read(struct meaning *m, struct slice s)
{
    return XML_Parse(m->parser, s.ptr, (int)s.len, 0) == XML_STATUS_OK;
}

/* --- what the router makes of the stream ------------------------------------------------------ */

struct run {
    enum xml_kind kinds[ITEMS_MAX];
    struct stanza *stanzas[ITEMS_MAX];
    size_t count;
    enum fault fault;
    bool ended;
};

static void run_take(struct run *r, const struct xml_item *item)
{
    if (item->kind == XML_FAULT)
        r->fault = item->fault;
    if (item->kind == XML_END)
        r->ended = true;
    if (item->kind == XML_ELEMENT)
        CHECK(item->element->name.len);
    if (item->kind != XML_STANZA && item->kind != XML_TOO_BIG && item->kind != XML_ELEMENT)
        return;
    if (r->count == ITEMS_MAX) {
        stanza_unref(item->stanza);
        return;
    }
    r->kinds[r->count] = item->kind;
    r->stanzas[r->count++] = item->stanza;
}

/* The chunk is a block of its own: a look before or behind it is seen. */
static void feed(struct xml *x, struct run *r, struct slice chunk)
{
    char *copy = mem_alloc(chunk.len);
    struct xml_item item;

    memcpy(copy, chunk.ptr, chunk.len);
    xml_feed(x, slice_make(copy, chunk.len));
    do {
        xml_next(x, &item);
        run_take(r, &item);
    } while (item.kind != XML_MORE && item.kind != XML_FAULT && item.kind != XML_END);
    mem_free(copy);
}

/* `longest` 0: in one piece. */
static void run_stream(struct run *r, enum stanza_scope scope, struct slice s, size_t longest,
                       uint64_t seed)
{
    struct xml *x = xml_new(seed | 1, scope, &limits);
    struct random chance;

    random_init_seeded(&chance, seed);
    memset(r, 0, sizeof(*r));
    while (s.len && !r->fault && !r->ended) {
        size_t n = longest ? 1 + random_below(&chance, longest) : s.len;
        struct slice chunk = slice_sub(s, 0, n);

        feed(x, r, chunk);
        if (random_below(&chance, 8) == 0)
            xml_rest(x);
        s = slice_from_offset(s, chunk.len);
    }
    xml_free(x);
}

static void run_free(struct run *r)
{
    for (size_t i = 0; i < r->count; i++)
        stanza_unref(r->stanzas[i]);
}

static bool same_stanza(const struct stanza *a, const struct stanza *b)
{
    if (!a || !b)
        return a == b;
    return a->kind == b->kind && a->type == b->type && a->flags == b->flags &&
           slice_eq(a->wire, b->wire) && slice_eq(a->to, b->to) && slice_eq(a->from, b->from) &&
           slice_eq(a->id, b->id) && slice_eq(a->lang, b->lang) &&
           slice_eq(a->type_text, b->type_text) && !a->to.ptr == !b->to.ptr;
}

/* Which fault comes first in one and the same token may depend on the cuts, and how soon; that one
 * comes, and after which item, may not. */
static void check_same(const struct run *a, const struct run *b)
{
    CHECK(a->count == b->count);
    CHECK(a->ended == b->ended);
    for (size_t i = 0; i < a->count; i++) {
        CHECK(a->kinds[i] == b->kinds[i]);
        CHECK(same_stanza(a->stanzas[i], b->stanzas[i]));
    }
}

/* --- the promises ----------------------------------------------------------------------------- */

static struct meaning *meaning_of_wire(struct slice wire, enum stanza_scope scope)
{
    struct meaning *m = meaning_new(1);
    char open[128];

    snprintf(open, sizeof(open), "<s xmlns='%s'>", splice_scope_ns(scope));
    CHECK(meaning_read(m, slice_from(open)));
    CHECK(meaning_read(m, wire)); /* self-contained, well-formed */
    CHECK(!m->banned);            /* XML-01 */
    CHECK(m->count == 1 && m->depth == 1);
    return m;
}

/* XML-12, ROUTE-14, NS-08: the same elements, attributes and text. */
static void check_meaning(const struct stanza *s, struct slice meant)
{
    struct meaning *m = meaning_of_wire(s->wire, (enum stanza_scope)s->scope);

    if (!slice_eq(byteq_slice(&m->text[0]), meant)) {
        fprintf(stderr, "wire  %.*s\nmeans %.*s\nnot   %.*s\n", SLICE_ARGS(s->wire),
                SLICE_ARGS(byteq_slice(&m->text[0])), SLICE_ARGS(meant));
        abort();
    }
    meaning_free(m);
}

/* NS-04: no prefix on the stanza or on elements of its namespace. */
static void check_no_prefix(const struct stanza *s)
{
    CHECK(slice_starts(s->wire, SLICE("<message")) || slice_starts(s->wire, SLICE("<presence")) ||
          slice_starts(s->wire, SLICE("<iq")));
    if (!(s->flags & STANZA_SCOPED))
        CHECK(s->wire.len < 4 * limits.stanza_bytes + 64 * 1024);
}

/* The splice and the rewrite mean the same. */
static void check_rewrite(const struct stanza *s, struct slice meant)
{
    enum stanza_scope scope = (enum stanza_scope)s->scope;
    enum stanza_scope other = scope == SCOPE_SERVER ? SCOPE_COMPONENT : SCOPE_SERVER;
    struct bytes *anew = splice_rescope(s->wire, scope, scope);
    struct meaning *m = meaning_of_wire(bytes_slice(anew), scope);
    struct bytes *there;

    CHECK(slice_eq(byteq_slice(&m->text[0]), meant));
    meaning_free(m);
    bytes_unref(anew);
    meaning_free(meaning_of_wire(stanza_wire_for(s, other, &there), other));
    bytes_unref(there);
}

/* Attributes are where the tag is told to have them. */
static void check_stanza(const struct stanza *s, struct slice meant)
{
    check_no_prefix(s);
    check_meaning(s, meant);
    check_rewrite(s, meant);
}

static void check_run(const struct run *r, const struct meaning *m)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->kinds[i] == XML_STANZA)
            check_stanza(r->stanzas[i], byteq_slice(&m->text[i]));
}

/* A tag that is no tag may be waited for, until it is too long to be one. */
static void check_refusal(enum stanza_scope scope, struct slice stream, size_t longest,
                          uint64_t seed)
{
    struct run *r = MEM_NEW(struct run);
    struct byteq q;

    byteq_init(&q);
    byteq_append(&q, stream);
    for (size_t i = 0; i <= XML_TAG_BYTES_MAX; i++)
        xmlw_raw(&q, "x");
    run_stream(r, scope, byteq_slice(&q), longest, seed);
    CHECK(r->fault);
    run_free(r);
    mem_free(r);
    byteq_fini(&q);
}

/* What the oracle refuses is refused; what was let through was all there. */
static void check_against_oracle(const struct run *r, enum stanza_scope scope, struct slice stream,
                                 const char *lang)
{
    struct meaning *m = meaning_new(1);
    bool read;

    m->lang = lang;
    read = meaning_read(m, stream);
    CHECK(r->count <= m->count);
    if (!r->fault && !r->ended && !read)
        check_refusal(scope, stream, 0, 1);
    if (!r->fault && !r->ended)
        CHECK(!m->banned && r->count == m->count);
    if (r->fault == FAULT_NOT_WELL_FORMED || r->fault == FAULT_ENTITY || r->fault == FAULT_ENCODING)
        CHECK(!read || m->banned);
    check_run(r, m);
    meaning_free(m);
}

static void check_stream(enum stanza_scope scope, struct slice stream, uint64_t seed,
                         const char *lang)
{
    static const size_t cuts[] = {1, 7, 64, 2000};
    struct run *whole = MEM_NEW(struct run);
    struct run *cut = MEM_NEW(struct run);

    run_stream(whole, scope, stream, 0, seed);
    for (size_t i = 0; i < COUNT(cuts); i++) {
        run_stream(cut, scope, stream, cuts[i], seed + i);
        check_same(whole, cut);
        if (whole->fault && !cut->fault)
            check_refusal(scope, stream, cuts[i], seed + i);
        if (cut->fault && !whole->fault)
            check_refusal(scope, stream, 0, seed);
        run_free(cut);
    }
    check_against_oracle(whole, scope, stream, lang);
    run_free(whole);
    mem_free(whole);
    mem_free(cut);
}

/* What streams are made of: half of all mutations would only misspell it. */
static const char *const words[] = {"<message",
                                    "<presence",
                                    "<iq",
                                    "</message>",
                                    "</presence>",
                                    "</iq>",
                                    "<body>",
                                    "</body>",
                                    "<x",
                                    "</x>",
                                    "<x/>",
                                    ">",
                                    "/>",
                                    " to='a@b'",
                                    " from=\"c\"",
                                    " id='1'",
                                    " type='get'",
                                    " type='set'",
                                    " xml:lang='en'",
                                    " a=''",
                                    " b=\"'\"",
                                    " c='&lt;'",
                                    " d='\n'",
                                    " xmlns='u'",
                                    " xmlns=''",
                                    " xmlns='jabber:server'",
                                    " xmlns='jabber:component:accept'",
                                    " xmlns='jabber:client'",
                                    " xmlns='" NS_XML "'",
                                    " xmlns:p='u'",
                                    " xmlns:a='jabber:server'",
                                    " p:a='1'",
                                    "<p:x>",
                                    "</p:x>",
                                    "<a:body>",
                                    "</a:body>",
                                    "<a:message",
                                    "</a:message>",
                                    "&amp;",
                                    "&apos;",
                                    "&#10;",
                                    "&#x41;",
                                    "&#0;",
                                    "&foo;",
                                    "text",
                                    " ",
                                    "\n",
                                    "]]",
                                    "]]>",
                                    "<![CDATA[",
                                    "<!--",
                                    "-->",
                                    "<?x ?>",
                                    "\xc3\xa9",
                                    "\xe2\x82\xac",
                                    "\xf0\x9f\x98\x80",
                                    "\xef\xbf\xbe",
                                    "\xc0\x80",
                                    "'",
                                    "\"",
                                    "=",
                                    "<xml:y>",
                                    "</xml:y>",
                                    "</stream:stream>"};

_Static_assert(COUNT(words) == 64, "one for each byte from 0xc0 on");

static void put_stream(struct byteq *out, const uint8_t *data, size_t size, bool spelt)
{
    for (size_t i = 0; i < size; i++) {
        if (spelt && data[i] >= 0xc0)
            xmlw_raw(out, words[data[i] - 0xc0]);
        else
            byteq_append(out, slice_make((const char *)&data[i], 1));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const langs[] = {NULL, "de'", NULL, NULL};
    struct byteq stream;
    enum stanza_scope scope;
    size_t style;
    char header[512];

    if (size < 2 || size > STREAM_BYTES_MAX)
        return 0;
    style = ((data[0] & 0x7f) >> 1) % COUNT(headers);
    scope = data[0] & 1 ? SCOPE_COMPONENT : SCOPE_SERVER;
    snprintf(header, sizeof(header), headers[style], splice_scope_ns(scope));
    byteq_init(&stream);
    xmlw_raw(&stream, header);
    put_stream(&stream, data + 2, size - 2, data[0] & 0x80);
    check_stream(scope, byteq_slice(&stream), data[1], langs[style]);
    byteq_fini(&stream);
    return 0;
}
