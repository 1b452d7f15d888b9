#include "wire/xml.h"

#include "wire/assembly.h"
#include "wire/ns.h"
#include "wire/tree.h"
#include "wire/xmlw.h"

#include <expat.h>
#include <malloc.h>

/* Builds of one and the same version of expat have this call or not, so the linker is asked, not
 * the version. Where it exists it must be made: a complete stanza would wait for the next packet.
 */
extern XML_Bool XML_SetReparseDeferralEnabled(XML_Parser parser, XML_Bool enabled)
    __attribute__((weak));

/* What expat gets at once. Its buffer keeps 1 KiB of the past and doubles: 8 KiB suffice. */
#define PIECE_BYTES 7168
/* Stanzas made ahead of the caller: few suspensions of expat, little memory. */
#define READY_MAX 32
/* expat remembers each name it ever saw until it is freed. Over this it is replaced at the next
 * border of a depth-1 element ... */
#define EXPAT_KEEP_BYTES (96 * 1024)
/* ... and a single element that brings more than this is not meant well. */
#define EXPAT_BYTES_MAX (2 * 1024 * 1024)
/* LIMIT-03: a stanza over the limit is answered, one this many times over it ends the stream. */
#define BIG_FACTOR 4
/* Buffers that one large stanza left behind are not kept. */
#define CARRY_KEEP_BYTES 4096

enum place {
    PLACE_PROLOG, /* before the root element */
    PLACE_ROOT,   /* in the root element, between depth-1 elements */
    PLACE_STANZA,
    PLACE_BIG,    /* in a stanza over the limit */
    PLACE_TREE,   /* in any other depth-1 element */
    PLACE_CLOSED, /* after the root element, or after a fault */
};

struct xml {
    XML_Parser parser; /* NULL: not made yet, or given back */
    uint64_t salt;
    size_t expat_bytes;
    struct xml_limits limits;
    uint8_t scope; /* enum stanza_scope */
    enum place place;
    enum fault fault;
    unsigned depth; /* open elements, root included */
    bool whole;     /* xml_parse_element: the root is what is wanted */
    bool priming;   /* a new parser is told about the root element */
    bool stopping;  /* XML_StopParser was called in this run */
    bool suspended;
    bool renew; /* replace the parser at this border */

    struct slice chunk; /* the caller's */
    size_t chunk_fed;   /* of it, given to expat */
    uint64_t chunk_at;  /* position of its first byte in the stream */
    uint64_t shift;     /* position in the stream minus position in this parser */
    uint64_t parser_fed;
    size_t leftover; /* bytes of a token that is not complete yet */

    struct xml_header header;
    struct arena header_arena;
    struct slice root_name; /* as written */

    uint64_t start;         /* first '<' of the depth-1 element */
    uint64_t content_start; /* behind its start tag */
    struct assembly stanza; /* of a stanza: tag, content, what they need */

    struct list ready;
    unsigned ready_count;
    struct arena tree_arena;
    struct arena *tree_into; /* &tree_arena, or the caller's */
    struct tree tree;
    bool header_ready, tree_ready, end_ready, told;
    bool tree_given;   /* the caller looks at it until the next call */
    uint64_t item_end; /* behind the depth-1 element, header or end tag last seen */
    uint64_t taken;    /* the same of the item last returned */
};

/* expat's memory hooks carry no argument: set around every call of expat. */
static _Thread_local size_t *account;

static void *take_memory(size_t n)
{
    void *p;

    if (*account + n > EXPAT_BYTES_MAX)
        return NULL; /* expat reports it, the stream ends */
    p = mem_alloc(n);
    *account += malloc_usable_size(p);
    return p;
}

static void give_memory(void *p)
{
    if (p)
        *account -= malloc_usable_size(p);
    mem_free(p);
}

static void *change_memory(void *p, size_t n)
{
    size_t before = p ? malloc_usable_size(p) : 0;

    if (*account - before + n > EXPAT_BYTES_MAX)
        return NULL;
    p = mem_realloc(p, n);
    *account = *account - before + malloc_usable_size(p);
    return p;
}

static XML_Parser new_parser(uint64_t salt)
{
    static const XML_Memory_Handling_Suite hooks = {take_memory, change_memory, give_memory};
    static const XML_Char separator[] = {QNAME_SEPARATOR, '\0'};
    XML_Parser p = XML_ParserCreate_MM("UTF-8", &hooks, separator);

    assert(p);
    XML_SetReturnNSTriplet(p, 1);
    XML_SetHashSalt(p, (unsigned long)salt);
    if (XML_SetReparseDeferralEnabled)
        XML_SetReparseDeferralEnabled(p, XML_FALSE);
    return p;
}

static void free_parser(struct xml *x)
{
    if (!x->parser)
        return;
    account = &x->expat_bytes;
    XML_ParserFree(x->parser);
    x->parser = NULL;
    x->suspended = false;
}

static void fail(struct xml *x, enum fault fault)
{
    if (x->fault)
        return;
    x->fault = fault;
    if (x->parser)
        XML_StopParser(x->parser, XML_FALSE);
}

/* Lets expat return to us behind the present token. */
static void stop(struct xml *x)
{
    if (!x->stopping)
        XML_StopParser(x->parser, XML_TRUE);
    x->stopping = true;
}

/* Position in the stream of the first byte of the present token. */
static uint64_t here(struct xml *x)
{
    return (uint64_t)XML_GetCurrentByteIndex(x->parser) + x->shift;
}

static size_t token_len(struct xml *x)
{
    return (size_t)XML_GetCurrentByteCount(x->parser);
}

/* Character data of the root element and of trees; within stanzas nobody listens. */
static void on_text(void *user, const XML_Char *text, int len)
{
    struct xml *x = user;
    struct slice s = slice_make(text, (size_t)len);

    if (x->fault || x->priming)
        return;
    if (x->place == PLACE_TREE)
        tree_text(&x->tree, s);
    else if (slice_trim(s).len)
        fail(x, FAULT_TEXT_AT_ROOT);
}

/* --- start tags ------------------------------------------------------------------------------ */

static void on_declaration(void *user, const XML_Char *prefix, const XML_Char *uri)
{
    struct xml *x = user;

    if (x->fault || x->priming)
        return;
    if (x->stanza.declaration_count == XML_ATTRS_MAX)
        fail(x, FAULT_TOO_MANY_ATTRS);
    else if ((prefix && strlen(prefix) > XML_NAME_BYTES_MAX) ||
             (uri && strlen(uri) > XML_NAME_BYTES_MAX))
        fail(x, FAULT_NAME_TOO_LONG);
    else
        x->stanza.declarations[x->stanza.declaration_count++] =
            (struct declaration){prefix, uri, false};
}

static bool too_long(const struct qname *name)
{
    return name->ns.len > XML_NAME_BYTES_MAX || name->local.len > XML_NAME_BYTES_MAX ||
           name->prefix.len > XML_NAME_BYTES_MAX;
}

static void take_name(struct xml *x, const char *text)
{
    struct qname name = qname_split(text, strlen(text));

    if (too_long(&name))
        fail(x, FAULT_NAME_TOO_LONG);
    else if (name.prefix.len)
        assembly_use(&x->stanza, &name);
}

/* Limits that hold for every start tag. Attributes are counted as pairs. */
static bool take_tag(struct xml *x, const char *name, const char **atts, size_t *ret_attrs)
{
    size_t n = 0;

    take_name(x, name);
    for (; atts[2 * n]; n++)
        take_name(x, atts[2 * n]);
    if (n + x->stanza.declaration_count > XML_ATTRS_MAX)
        fail(x, FAULT_TOO_MANY_ATTRS);
    if (x->leftover + PIECE_BYTES > XML_TAG_BYTES_MAX && token_len(x) > XML_TAG_BYTES_MAX)
        fail(x, FAULT_TAG_TOO_LONG);
    if (x->depth > XML_DEPTH_MAX - (x->whole ? 1 : 0))
        fail(x, FAULT_TOO_DEEP);
    *ret_attrs = n;
    return !x->fault;
}

static struct qname split(const char *text)
{
    return qname_split(text, strlen(text));
}

/* --- the root element ------------------------------------------------------------------------ */

static void keep_binding(struct xml *x, const struct declaration *d)
{
    struct binding *b = &x->stanza.bindings[x->stanza.binding_count++];

    b->prefix = arena_copy(&x->header_arena, slice_from(d->prefix));
    b->uri = arena_copy(&x->header_arena, slice_from(d->uri));
    if (b->prefix.len && slice_is(b->uri, NS_DIALBACK))
        x->header.dialback = true;
    if (!b->prefix.len)
        x->header.content_ns = b->uri;
}

static void keep_header_attr(struct xml *x, const char *name, const char *value)
{
    struct xml_header *h = &x->header;
    struct qname q = split(name);
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
            *rows[i].to = arena_copy(&x->header_arena, slice_from(value));
}

static void keep_root_name(struct xml *x, const struct qname *name)
{
    struct byteq text;

    byteq_init(&text);
    byteq_append(&text, name->prefix);
    xmlw_raw(&text, name->prefix.len ? ":" : "");
    byteq_append(&text, name->local);
    x->root_name = arena_copy(&x->header_arena, byteq_slice(&text));
    byteq_fini(&text);
}

static void start_root(struct xml *x, const char *text, const char **atts, size_t attrs)
{
    struct xml_header *h = &x->header;
    struct qname name = split(text);

    for (size_t i = 0; i < x->stanza.declaration_count; i++)
        keep_binding(x, &x->stanza.declarations[i]);
    for (size_t i = 0; i < attrs; i++)
        keep_header_attr(x, atts[2 * i], atts[2 * i + 1]);
    keep_root_name(x, &name);
    h->ns = arena_copy(&x->header_arena, name.ns);
    h->name = arena_copy(&x->header_arena, name.local);
    x->stanza.lang = h->lang;
    h->stream_is_default = slice_is(h->content_ns, NS_STREAM);
    if (h->stream_is_default)
        h->content_ns = slice_none();
    x->place = PLACE_ROOT;
    x->header_ready = true;
    x->item_end = here(x) + token_len(x);
    stop(x);
}

/* --- stanzas --------------------------------------------------------------------------------- */

static bool size_is_over(uint64_t size, size_t limit, unsigned factor)
{
    return size && (size - 1) / factor >= limit;
}

/* The content as it was received: what earlier chunks brought, and what this one did. */
static void find_content(const struct xml *x, uint64_t end, struct slice ret_content[2])
{
    size_t len = (size_t)(end - x->content_start);
    struct slice early = slice_sub(byteq_slice(&x->stanza.carry), 0, len);

    ret_content[0] = early;
    ret_content[1] = slice_none();
    if (early.len < len)
        ret_content[1] = slice_sub(x->chunk, (size_t)(x->content_start + early.len - x->chunk_at),
                                   len - early.len);
}

static struct stanza *make_stanza(struct xml *x, uint64_t content_end)
{
    struct slice content[2];

    if (x->place == PLACE_BIG)
        return assembly_finish_empty(&x->stanza);
    find_content(x, content_end, content);
    return assembly_finish(&x->stanza, content, x->limits.stanza_bytes);
}

static void end_stanza(struct xml *x)
{
    uint64_t end_tag = here(x);
    size_t end_tag_len = token_len(x); /* 0: the start tag was an empty element */
    struct stanza *s;

    x->item_end = end_tag + end_tag_len;
    if (size_is_over(x->item_end - x->start, x->limits.stanza_bytes, BIG_FACTOR)) {
        fail(x, FAULT_STANZA_TOO_BIG);
        return;
    }
    if (size_is_over(x->item_end - x->start, x->limits.stanza_bytes, 1))
        x->place = PLACE_BIG;
    s = make_stanza(x, end_tag_len ? end_tag : x->content_start);
    s->scope = x->scope;
    s->queue_mark = x->item_end; /* ours until it is handed over */
    list_push(&x->ready, &s->queue_node);
    byteq_clear(&x->stanza.carry);
    XML_SetCharacterDataHandler(x->parser, on_text);
    x->place = PLACE_ROOT;
    x->renew = x->expat_bytes > EXPAT_KEEP_BYTES;
    if (++x->ready_count == READY_MAX || x->renew)
        stop(x);
}

/* --- other depth-1 elements ------------------------------------------------------------------ */

static void start_tree(struct xml *x, const char *text, const char **atts, size_t attrs)
{
    struct qname name = split(text);

    if (here(x) + token_len(x) - x->start > x->limits.element_bytes ||
        !tree_start(&x->tree, &name, attrs)) {
        fail(x, FAULT_STANZA_TOO_BIG);
        return;
    }
    for (size_t i = 0; i < attrs; i++) {
        name = split(atts[2 * i]);
        tree_attr(&x->tree, &name, slice_from(atts[2 * i + 1]));
    }
}

static void end_tree(struct xml *x)
{
    x->item_end = here(x) + token_len(x);
    if (x->item_end - x->start > x->limits.element_bytes) {
        fail(x, FAULT_STANZA_TOO_BIG);
        return;
    }
    x->place = x->whole ? PLACE_CLOSED : PLACE_ROOT;
    x->tree_ready = true;
    x->renew = !x->whole && x->expat_bytes > EXPAT_KEEP_BYTES;
    stop(x);
}

/* --- handlers -------------------------------------------------------------------------------- */

static void start_first(struct xml *x, const char *text, const char **atts, size_t attrs)
{
    struct qname name = split(text);
    enum stanza_kind kind;

    x->content_start = x->start + token_len(x);
    if (!x->whole && assembly_kind(&x->stanza, &name, &kind)) {
        x->place = PLACE_STANZA;
        XML_SetCharacterDataHandler(x->parser, NULL);
        assembly_start(&x->stanza, kind, atts, attrs);
        return;
    }
    x->place = PLACE_TREE;
    tree_begin(&x->tree, x->tree_into);
    start_tree(x, text, atts, attrs);
}

static void start_element(struct xml *x, const char *name, const char **atts)
{
    size_t attrs;

    if (!take_tag(x, name, atts, &attrs))
        return;
    if (x->place == PLACE_STANZA || x->place == PLACE_BIG)
        assembly_inner(&x->stanza, x->depth == 2);
    else if (x->place == PLACE_TREE)
        start_tree(x, name, atts, attrs);
    else if (x->place == PLACE_PROLOG && !x->whole)
        start_root(x, name, atts, attrs);
    else
        start_first(x, name, atts, attrs);
}

static void on_start(void *user, const XML_Char *name, const XML_Char **atts)
{
    struct xml *x = user;

    if (x->fault || x->priming)
        return;
    if (x->place == PLACE_ROOT || x->place == PLACE_PROLOG) {
        x->start = here(x);
        assembly_clear(&x->stanza);
    }
    start_element(x, name, atts);
    x->stanza.declaration_count = 0;
    x->depth++;
}

static void end_root(struct xml *x)
{
    x->item_end = here(x) + token_len(x);
    x->end_ready = true;
    x->place = PLACE_CLOSED;
    stop(x);
}

static void on_end(void *user, const XML_Char *name)
{
    struct xml *x = user;

    if (x->fault)
        return;
    x->depth--;
    if (x->place == PLACE_TREE)
        tree_end(&x->tree);
    if (x->depth == 1 && (x->place == PLACE_STANZA || x->place == PLACE_BIG))
        end_stanza(x);
    else if (x->depth == (x->whole ? 0 : 1) && x->place == PLACE_TREE)
        end_tree(x);
    else if (x->depth == 0)
        end_root(x);
}

static void on_comment(void *user, const XML_Char *text)
{
    fail(user, FAULT_COMMENT);
}

static void on_instruction(void *user, const XML_Char *target, const XML_Char *data)
{
    fail(user, FAULT_INSTRUCTION);
}

static void on_doctype(void *user, const XML_Char *name, const XML_Char *sysid,
                       const XML_Char *pubid, int has_internal_subset)
{
    fail(user, FAULT_DOCTYPE);
}

static void on_xml_declaration(void *user, const XML_Char *version, const XML_Char *encoding,
                               int standalone)
{
    if (encoding && !slice_eq_nocase(slice_from(encoding), SLICE("UTF-8")))
        fail(user, FAULT_ENCODING);
    if (standalone != -1)
        fail(user, FAULT_STANDALONE);
}

static void set_handlers(struct xml *x)
{
    XML_Parser p = x->parser;

    XML_SetUserData(p, x);
    XML_SetElementHandler(p, on_start, on_end);
    XML_SetCharacterDataHandler(p, on_text);
    XML_SetStartNamespaceDeclHandler(p, on_declaration);
    XML_SetCommentHandler(p, on_comment);
    XML_SetProcessingInstructionHandler(p, on_instruction);
    XML_SetStartDoctypeDeclHandler(p, on_doctype);
    XML_SetXmlDeclHandler(p, on_xml_declaration);
}

/* --- bytes in -------------------------------------------------------------------------------- */

/* A parser that takes over between depth-1 elements learns the root element first. */
static void prime(struct xml *x)
{
    struct byteq text;
    enum XML_Status status;

    byteq_init(&text);
    xmlw_raw(&text, "<");
    byteq_append(&text, x->root_name);
    for (size_t i = 0; i < x->stanza.binding_count; i++)
        splice_declare(&text, x->stanza.bindings[i].prefix, x->stanza.bindings[i].uri);
    xmlw_raw(&text, ">");
    x->priming = true;
    status = XML_Parse(x->parser, text.data + text.from, (int)byteq_len(&text), 0);
    assert(status == XML_STATUS_OK);
    x->priming = false;
    x->parser_fed = byteq_len(&text);
    byteq_fini(&text);
}

static void make_parser(struct xml *x)
{
    x->parser = new_parser(x->salt);
    x->parser_fed = 0;
    set_handlers(x);
    if (x->place != PLACE_PROLOG)
        prime(x);
    x->shift = x->chunk_at + x->chunk_fed - x->parser_fed;
}

/* The bytes behind the border are still the caller's chunk: they are fed again. */
static void renew_parser(struct xml *x)
{
    free_parser(x);
    x->renew = false;
    x->leftover = 0;
    x->chunk_fed = (size_t)(x->item_end - x->chunk_at);
}

static bool is_xml_utf8(const char *bytes, size_t len)
{
    size_t n = (unsigned char)bytes[0] < 0xe0 ? 2 : (unsigned char)bytes[0] < 0xf0 ? 3 : 4;

    return n <= len && slice_is_utf8(slice_make(bytes, n));
}

/* XML-07: bytes that are no UTF-8 are told apart from characters that are no XML. */
static enum fault bad_token(struct xml *x)
{
    int offset;
    int size;
    const char *buffer = XML_GetInputContext(x->parser, &offset, &size);
    const char *at = buffer ? buffer + offset : NULL;

    if (!at || offset >= size || (unsigned char)*at < 0x80)
        return FAULT_NOT_WELL_FORMED;
    return is_xml_utf8(at, (size_t)(size - offset)) ? FAULT_NOT_WELL_FORMED : FAULT_ENCODING;
}

static enum fault fault_of_parser(struct xml *x)
{
    switch (XML_GetErrorCode(x->parser)) {
    case XML_ERROR_INVALID_TOKEN:
        return bad_token(x);
    case XML_ERROR_UNKNOWN_ENCODING:
    case XML_ERROR_INCORRECT_ENCODING:
        return FAULT_ENCODING;
    case XML_ERROR_UNDEFINED_ENTITY:
        return FAULT_ENTITY;
    case XML_ERROR_NO_MEMORY:
        return FAULT_MEMORY;
    default:
        return FAULT_NOT_WELL_FORMED;
    }
}

static size_t count_leftover(const struct xml *x)
{
    XML_Index at = XML_GetCurrentByteIndex(x->parser);

    return (size_t)(x->parser_fed - (uint64_t)(at < 0 ? 0 : at));
}

static void take_status(struct xml *x, enum XML_Status status)
{
    x->stopping = false;
    x->suspended = status == XML_STATUS_SUSPENDED;
    if (status == XML_STATUS_ERROR && !x->fault)
        x->fault = fault_of_parser(x);
    if (status != XML_STATUS_OK)
        return;
    x->leftover = count_leftover(x);
    if (x->leftover > XML_TAG_BYTES_MAX)
        fail(x, FAULT_TAG_TOO_LONG);
}

/* expat looks at the first two bytes for signs of UTF-16 even where UTF-8 is forced, and skips a
 * byte order mark, which means nothing in a stream (XML-08). */
static void check_first_bytes(struct xml *x, struct slice piece)
{
    for (size_t i = 0; i < piece.len && x->chunk_at + x->chunk_fed + i < 2; i++) {
        unsigned char c = (unsigned char)piece.ptr[i];

        if (c == 0x00 || c == 0xfe || c == 0xff)
            fail(x, FAULT_ENCODING);
        else if (c == 0xef)
            fail(x, FAULT_NOT_WELL_FORMED);
    }
}

static void feed_piece(struct xml *x)
{
    struct slice piece = slice_sub(x->chunk, x->chunk_fed, PIECE_BYTES);
    void *to;

    if (!x->parser)
        make_parser(x);
    check_first_bytes(x, piece);
    to = x->fault ? NULL : XML_GetBuffer(x->parser, (int)piece.len);
    if (!to) {
        fail(x, FAULT_MEMORY);
        return;
    }
    memcpy(to, piece.ptr, piece.len);
    x->chunk_fed += piece.len;
    x->parser_fed += piece.len;
    take_status(x, XML_ParseBuffer(x->parser, (int)piece.len, 0));
}

/* The chunk goes back to the caller: what belongs to an open stanza is kept. */
static void keep_content(struct xml *x)
{
    uint64_t end = x->chunk_at + x->chunk.len;
    uint64_t from = x->content_start > x->chunk_at ? x->content_start : x->chunk_at;

    if (size_is_over(end - x->start, x->limits.stanza_bytes, BIG_FACTOR)) {
        fail(x, FAULT_STANZA_TOO_BIG);
        return;
    }
    if (size_is_over(end - x->start, x->limits.stanza_bytes, 1)) {
        x->place = PLACE_BIG;
        byteq_fini(&x->stanza.carry);
    }
    if (x->place == PLACE_STANZA)
        byteq_append(&x->stanza.carry, slice_from_offset(x->chunk, (size_t)(from - x->chunk_at)));
}

static void finish_chunk(struct xml *x)
{
    if (x->place == PLACE_STANZA || x->place == PLACE_BIG)
        keep_content(x);
    x->chunk_at += x->chunk.len;
    x->chunk = slice_none();
    x->chunk_fed = 0;
}

/* One step of the parser. False: nothing is left to do. */
static bool run(struct xml *x)
{
    if (x->fault || x->place == PLACE_CLOSED)
        return false;
    account = &x->expat_bytes;
    if (x->renew) {
        renew_parser(x);
    } else if (x->suspended) {
        take_status(x, XML_ResumeParser(x->parser));
    } else if (x->chunk_fed < x->chunk.len) {
        feed_piece(x);
    } else {
        finish_chunk(x);
        return x->fault != FAULT_NONE;
    }
    return true;
}

/* --- items out ------------------------------------------------------------------------------- */

static bool take_ready(struct xml *x, struct xml_item *item)
{
    struct stanza *s = LIST_FIRST(&x->ready, struct stanza, queue_node);

    if (!s)
        return false;
    list_remove(&s->queue_node);
    x->ready_count--;
    x->taken = s->queue_mark;
    s->queue_mark = 0;
    item->kind = s->wire.len ? XML_STANZA : XML_TOO_BIG;
    item->stanza = s;
    return true;
}

static bool announce(bool *ready, enum xml_kind kind, struct xml_item *item)
{
    if (!*ready)
        return false;
    *ready = false;
    item->kind = kind;
    return true;
}

/* Within one run a header comes before an end, and stanzas before all that stops the parser. */
static bool take_item(struct xml *x, struct xml_item *item)
{
    if (take_ready(x, item))
        return true;
    if (announce(&x->header_ready, XML_HEADER, item) ||
        announce(&x->tree_ready, XML_ELEMENT, item) || announce(&x->end_ready, XML_END, item)) {
        x->taken = x->item_end;
        return true;
    }
    if (!x->fault || x->told)
        return false;
    x->told = true;
    item->kind = XML_FAULT;
    item->fault = x->fault;
    return true;
}

void xml_next(struct xml *x, struct xml_item *item)
{
    *item = (struct xml_item){.kind = XML_MORE, .header = &x->header};
    if (x->tree_given)
        arena_reset(&x->tree_arena); /* the caller is done with it */
    x->tree_given = false;
    while (!take_item(x, item))
        if (!run(x))
            return;
    if (item->kind != XML_ELEMENT)
        return;
    item->element = x->tree.root;
    x->tree_given = true;
}

static bool closed(const struct xml *x)
{
    return x->fault || x->place == PLACE_CLOSED;
}

void xml_feed(struct xml *x, struct slice bytes)
{
    assert(!x->chunk.len || closed(x));
    x->chunk_at += x->chunk.len;
    x->chunk = bytes;
    x->chunk_fed = 0;
}

uint64_t xml_total(const struct xml *x)
{
    return x->chunk_at + x->chunk.len;
}

size_t xml_unused(const struct xml *x)
{
    return (size_t)(xml_total(x) - x->taken);
}

bool xml_at_rest(const struct xml *x)
{
    return x->place == PLACE_ROOT && !x->fault && !x->chunk.len && !x->leftover &&
           list_empty(&x->ready);
}

void xml_rest(struct xml *x)
{
    if (!xml_at_rest(x))
        return;
    free_parser(x);
    assembly_rest(&x->stanza);
    arena_fini(&x->tree_arena);
}

size_t xml_memory(const struct xml *x)
{
    return sizeof(*x) + x->expat_bytes + assembly_memory(&x->stanza) + x->header_arena.used_bytes +
           x->tree_arena.used_bytes;
}

struct xml *xml_new(uint64_t salt, enum stanza_scope content, const struct xml_limits *limits)
{
    struct xml *x = MEM_NEW(struct xml);

    x->salt = salt;
    x->scope = (uint8_t)content;
    assembly_init(&x->stanza, splice_scope_ns(content));
    x->limits = *limits;
    arena_init(&x->header_arena);
    arena_init(&x->tree_arena);
    x->tree_into = &x->tree_arena;
    list_init(&x->ready);
    return x;
}

void xml_set_limits(struct xml *x, const struct xml_limits *limits)
{
    x->limits = *limits;
}

void xml_free(struct xml *x)
{
    if (!x)
        return;
    free_parser(x);
    LIST_WALK(node, &x->ready)
    stanza_unref(LIST_ENTRY(node, struct stanza, queue_node));
    assembly_fini(&x->stanza);
    arena_fini(&x->tree_arena);
    arena_fini(&x->header_arena);
    mem_free(x);
}

/* --- one element ----------------------------------------------------------------------------- */

/* Only our own text and that of tests comes here: the salt need not be secret. */
#define WHOLE_SALT 1

enum fault xml_parse_element(struct slice text, struct arena *arena, struct element **ret_element)
{
    static const struct xml_limits limits = {SIZE_MAX, SIZE_MAX};
    struct xml *x = xml_new(WHOLE_SALT, SCOPE_SERVER, &limits);
    struct xml_item item;
    enum fault fault;

    x->whole = true;
    x->tree_into = arena;
    xml_feed(x, text);
    xml_next(x, &item);
    fault = item.kind == XML_FAULT ? item.fault : FAULT_NONE;
    if (item.kind == XML_ELEMENT && slice_trim(slice_from_offset(text, (size_t)x->taken)).len == 0)
        *ret_element = x->tree.root;
    else if (!fault)
        fault = FAULT_NOT_WELL_FORMED;
    xml_free(x);
    return fault;
}

/* --- the rewrite ----------------------------------------------------------------------------- */

struct rewrite {
    XML_Parser parser;
    struct splice_writer *writer;
    unsigned depth;
    unsigned context; /* open elements that are not written */
};

static void rewrite_start(void *user, const XML_Char *text, const XML_Char **atts)
{
    struct rewrite *r = user;
    struct splice_attr attrs[XML_ATTRS_MAX];
    struct qname name = split(text);
    size_t n = 0;

    if (r->depth++ < r->context)
        return;
    for (; atts[2 * n] && n < XML_ATTRS_MAX; n++)
        attrs[n] = (struct splice_attr){split(atts[2 * n]), slice_from(atts[2 * n + 1])};
    splice_write_start(r->writer, &name, attrs, n);
    if (r->writer->over)
        XML_StopParser(r->parser, XML_FALSE);
}

static void rewrite_text(void *user, const XML_Char *text, int len)
{
    struct rewrite *r = user;

    splice_write_text(r->writer, slice_make(text, (size_t)len));
}

static void rewrite_end(void *user, const XML_Char *text)
{
    struct rewrite *r = user;
    struct qname name = split(text);

    if (--r->depth >= r->context)
        splice_write_end(r->writer, &name);
}

static bool parse_piece(struct rewrite *r, struct slice s)
{
    for (; s.len; s = slice_from_offset(s, PIECE_BYTES)) {
        struct slice piece = slice_sub(s, 0, PIECE_BYTES);

        if (XML_Parse(r->parser, piece.ptr, (int)piece.len, 0) != XML_STATUS_OK)
            return false;
    }
    return true;
}

bool splice_rewrite(struct slice context, unsigned depth, const struct slice content[2],
                    struct splice_writer *w)
{
    size_t bytes = 0;
    size_t *outer = account;
    struct rewrite r = {NULL, w, 0, depth};
    bool done;

    account = &bytes;
    r.parser = new_parser(WHOLE_SALT);
    XML_SetUserData(r.parser, &r);
    XML_SetElementHandler(r.parser, rewrite_start, rewrite_end);
    XML_SetCharacterDataHandler(r.parser, rewrite_text);
    done = parse_piece(&r, context) && parse_piece(&r, content[0]) && parse_piece(&r, content[1]);
    XML_ParserFree(r.parser);
    account = outer;
    return done && !w->over && r.depth == depth;
}
