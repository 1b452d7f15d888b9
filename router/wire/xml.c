#include "wire/xml.h"

#include "wire/assembly.h"
#include "wire/border.h"
#include "wire/root.h"
#include "wire/scan.h"
#include "wire/tree.h"
#include "wire/xml_parser.h"
#include "wire/xmlw.h"

/* expat remembers each name it ever saw until it is freed: over this it is replaced between two
 * depth-1 elements. */
#define PARSER_KEEP_BYTES (96 * 1024)
/* Of a plain stanza whose end has not come, so much is looked at again with each byte. */
#define LOOK_BYTES 16384
/* LIMIT-03: a stanza over the limit is answered, one this many times over it ends the stream. */
#define BIG_FACTOR 4

enum place {
    PLACE_PROLOG, /* before the root element */
    PLACE_ROOT,   /* in the root element, between depth-1 elements */
    PLACE_STANZA,
    PLACE_BIG,    /* in a stanza over the limit */
    PLACE_TREE,   /* in any other depth-1 element */
    PLACE_CLOSED, /* after the root element, or after a fault */
};

struct xml {
    struct xml_parser parser; /* first: the handlers are given this. Closed while nobody needs it */
    uint64_t salt;
    struct xml_limits limits;
    uint8_t scope; /* enum stanza_scope */
    enum place place;
    unsigned depth; /* open elements, root included */
    bool whole;     /* xml_parse_element: the root is what is wanted */
    bool priming;   /* a new parser is told about the root element */
    bool renew;     /* replace the parser at this border */

    struct slice chunk;   /* the caller's */
    size_t chunk_fed;     /* of it, given to the parser */
    uint64_t chunk_at;    /* position of its first byte in the stream */
    struct slice later;   /* what follows it: the caller's, while `chunk` is `held` */
    struct byteq held;    /* beginning of a plain stanza from earlier chunks */
    bool spilling;        /* `held` is given to the parser */
    size_t look_at;       /* length of `held` that is worth another look */
    uint64_t total;       /* bytes fed by the caller */
    uint64_t shift;       /* position in the stream minus position in the parser */
    struct border border; /* of the element that the parser reads */

    struct root root;

    uint64_t start;         /* first '<' of the depth-1 element */
    uint64_t content_start; /* behind its start tag */
    struct assembly stanza; /* of a stanza: tag, content, what they need */

    struct arena tree_arena;
    struct arena *tree_into; /* &tree_arena, or the caller's */
    struct tree tree;
    bool tree_given; /* the caller looks at it until the next call */

    bool header_ready, tree_ready, end_ready, told;
    struct stanza *stanza_ready;
    uint64_t item_end; /* behind the depth-1 element, header or end tag last seen */
};

/* Position in the stream of the first byte of the present token. */
static uint64_t here(const struct xml *x)
{
    return xml_parser_at(&x->parser) + x->shift;
}

static size_t token_len(const struct xml *x)
{
    return xml_parser_token_len(&x->parser);
}

static void fail(struct xml *x, enum fault fault)
{
    xml_parser_fail(&x->parser, fault);
}

static bool failed(const struct xml *x)
{
    return x->parser.fault != FAULT_NONE;
}

static void tree_take_text(struct xml *x, struct slice text)
{
    if (here(x) - x->start > x->limits.element_bytes)
        fail(x, FAULT_STANZA_TOO_BIG);
    else
        tree_text(&x->tree, text);
}

/* Character data of the root element and of trees; within stanzas nobody listens. */
static void on_text(void *parser, const char *text, int len)
{
    struct xml *x = parser;
    struct slice s = slice_make(text, (size_t)len);

    if (failed(x) || x->priming)
        return;
    if (x->place == PLACE_TREE)
        tree_take_text(x, s);
    else if (slice_trim(s).len)
        fail(x, FAULT_TEXT_AT_ROOT);
}

/* In the root element not even an empty one: between two elements the parser is never inside
 * anything, so that a stanza may be read past it. */
static void on_section(void *parser)
{
    struct xml *x = parser;

    if (x->place == PLACE_ROOT)
        fail(x, FAULT_TEXT_AT_ROOT);
}

/* --- start tags ------------------------------------------------------------------------------ */

static void on_declaration(void *parser, const char *prefix, const char *uri)
{
    struct xml *x = parser;

    if (failed(x) || x->priming)
        return;
    if (x->stanza.declaration_count == XML_ATTRS_MAX)
        fail(x, FAULT_TOO_MANY_ATTRS);
    else if ((prefix && strlen(prefix) > XML_NAME_BYTES_MAX) ||
             (uri && strlen(uri) > XML_NAME_BYTES_MAX))
        fail(x, FAULT_NAME_TOO_LONG);
    else
        assembly_declare(&x->stanza, prefix, uri);
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
    if (!xml_parser_tag_fits(&x->parser))
        fail(x, FAULT_TAG_TOO_LONG);
    if (x->depth > XML_DEPTH_MAX - (x->whole ? 1 : 0))
        fail(x, FAULT_TOO_DEEP);
    *ret_attrs = n;
    return !failed(x);
}

static struct qname split(const char *text)
{
    return qname_split(text, strlen(text));
}

/* --- the root element ------------------------------------------------------------------------ */

static void start_root(struct xml *x, const char *text, const char **atts, size_t attrs)
{
    struct qname name = split(text);

    root_keep(&x->root, &x->stanza, &name, atts, attrs);
    x->place = PLACE_ROOT;
    x->header_ready = true;
    x->item_end = here(x) + token_len(x);
    xml_parser_stop(&x->parser);
}

/* --- stanzas --------------------------------------------------------------------------------- */

static bool size_is_over(uint64_t size, size_t limit, unsigned factor)
{
    return size && (size - 1) / factor >= limit;
}

/* Where in the chunk the content begins, or goes on. */
static size_t content_offset(const struct xml *x)
{
    return x->content_start > x->chunk_at ? (size_t)(x->content_start - x->chunk_at) : 0;
}

static struct stanza *make_stanza(struct xml *x, uint64_t content_end)
{
    struct slice content[2];

    if (x->place == PLACE_BIG)
        return assembly_finish_empty(&x->stanza);
    assembly_content(&x->stanza, (size_t)(content_end - x->content_start),
                     slice_from_offset(x->chunk, content_offset(x)), content);
    return assembly_finish(&x->stanza, content, x->limits.stanza_bytes);
}

static void end_first(struct xml *x, enum place place)
{
    x->place = place;
    x->renew = place == PLACE_ROOT && x->parser.bytes > PARSER_KEEP_BYTES;
    xml_parser_stop(&x->parser);
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
    x->stanza_ready = s;
    byteq_clear(&x->stanza.carry);
    xml_parser_listen(&x->parser, true);
    end_first(x, PLACE_ROOT);
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
    x->tree_ready = true;
    end_first(x, x->whole ? PLACE_CLOSED : PLACE_ROOT);
}

/* --- handlers -------------------------------------------------------------------------------- */

static void start_first(struct xml *x, const char *text, const char **atts, size_t attrs)
{
    struct qname name = split(text);
    enum stanza_kind kind;

    x->content_start = x->start + token_len(x);
    if (!x->whole && assembly_kind(&x->stanza, &name, &kind)) {
        x->place = PLACE_STANZA;
        xml_parser_listen(&x->parser, false);
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

static void on_start(void *parser, const char *name, const char **atts)
{
    struct xml *x = parser;

    if (failed(x) || x->priming)
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
    xml_parser_stop(&x->parser);
}

static void on_end(void *parser, const char *name)
{
    struct xml *x = parser;

    if (failed(x))
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

/* --- bytes in -------------------------------------------------------------------------------- */

/* A parser that takes over between depth-1 elements learns the root element first. */
static void prime(struct xml *x)
{
    struct byteq text;
    struct slice rest;

    byteq_init(&text);
    root_write(&x->root, &x->stanza, &text);
    x->priming = true;
    for (rest = byteq_slice(&text); rest.len;
         rest = slice_from_offset(rest, XML_PARSER_PIECE_BYTES))
        xml_parser_feed(&x->parser, slice_sub(rest, 0, XML_PARSER_PIECE_BYTES));
    x->priming = false;
    byteq_fini(&text);
}

static void open_parser(struct xml *x)
{
    static const struct xml_parser_handlers handlers = {on_start, on_end, on_text, on_declaration,
                                                        on_section};

    xml_parser_open(&x->parser, x->salt, &handlers);
    if (x->place != PLACE_PROLOG)
        prime(x);
}

/* The bytes behind the border are still the caller's chunk: they are fed again. */
static void renew_parser(struct xml *x)
{
    xml_parser_close(&x->parser);
    x->renew = false;
    x->chunk_fed = (size_t)(x->item_end - x->chunk_at);
}

/* Between depth-1 elements, and the parser has nothing of the next one. */
static bool at_border(const struct xml *x)
{
    return x->place == PLACE_ROOT && !x->parser.leftover;
}

/* The parser gets one element at most, so that the next one can be plain again. */
static void feed_piece(struct xml *x)
{
    struct slice piece = slice_sub(x->chunk, x->chunk_fed, XML_PARSER_PIECE_BYTES);

    if (!x->parser.expat)
        open_parser(x);
    if (at_border(x))
        border_start(&x->border, false);
    piece.len = border_find(&x->border, piece);
    x->shift = x->chunk_at + x->chunk_fed - x->parser.fed;
    x->chunk_fed += piece.len;
    xml_parser_feed(&x->parser, piece);
}

/* The stanza ended in the chunk at `end`. */
static void deliver_plain(struct xml *x, size_t end)
{
    x->stanza_ready->scope = x->scope;
    x->chunk_fed = end;
    x->item_end = x->chunk_at + end;
}

/* The beginning of a stanza that is plain so far. False: it has an end, so it is not, or it is too
 * big already. */
static bool hold(struct xml *x, struct slice rest)
{
    border_start(&x->border, false);
    border_find(&x->border, rest);
    if (x->border.state == BORDER_FOUND || rest.len > x->limits.stanza_bytes)
        return false;
    byteq_append(&x->held, rest);
    x->chunk_fed = x->chunk.len;
    x->look_at = 0;
    return true;
}

/* What is read here the parser never sees. False: it is the parser's. */
static bool take_plain(struct xml *x)
{
    size_t from = x->chunk_fed + scan_space(slice_from_offset(x->chunk, x->chunk_fed));
    struct slice rest = slice_from_offset(x->chunk, from);
    enum plain_result result;
    size_t len;

    if (!at_border(x) || x->spilling)
        return false;
    result = assembly_plain(&x->stanza, rest, x->limits.stanza_bytes, &x->stanza_ready, &len);
    if (result == PLAIN_READ)
        deliver_plain(x, from + len);
    return result == PLAIN_READ || (result == PLAIN_SHORT && hold(x, rest));
}

/* What was held goes to the parser, as a chunk of its own before the rest of the caller's. */
static void spill(struct xml *x)
{
    x->later = slice_from_offset(x->chunk, x->chunk_fed);
    x->chunk_at += x->chunk_fed - byteq_len(&x->held);
    x->chunk = byteq_slice(&x->held);
    x->chunk_fed = 0;
    x->spilling = true;
}

/* From its beginning, hence the quarter: a long stanza that trickles in must not cost the square of
 * its length. */
static void look_at_held(struct xml *x)
{
    size_t held = byteq_len(&x->held);
    enum plain_result result;
    size_t len;

    result = assembly_plain(&x->stanza, byteq_slice(&x->held), x->limits.stanza_bytes,
                            &x->stanza_ready, &len);
    x->look_at = held < LOOK_BYTES ? 0 : held + held / 4;
    if (result == PLAIN_READ) {
        assert(len == held); /* of what is plain, the border is exact */
        deliver_plain(x, x->chunk_fed);
        byteq_clear(&x->held);
    } else if (result == PLAIN_NOT || x->border.state == BORDER_FOUND ||
               held > x->limits.stanza_bytes) {
        spill(x);
    }
}

/* At its end, at what cannot be plain, over the limit, and else while it is short. */
static bool is_worth_a_look(const struct xml *x)
{
    size_t held = byteq_len(&x->held);

    return x->border.state == BORDER_FOUND || x->border.strange || held >= x->look_at ||
           held > x->limits.stanza_bytes;
}

static void go_on_holding(struct xml *x)
{
    struct slice rest = slice_from_offset(x->chunk, x->chunk_fed);

    rest.len = border_find(&x->border, rest);
    byteq_append(&x->held, rest);
    x->chunk_fed += rest.len;
    if (is_worth_a_look(x))
        look_at_held(x);
}

/* The chunk goes back to the caller: what belongs to an open stanza is kept. */
static void keep_content(struct xml *x)
{
    uint64_t end = x->chunk_at + x->chunk.len;

    if (size_is_over(end - x->start, x->limits.stanza_bytes, BIG_FACTOR)) {
        fail(x, FAULT_STANZA_TOO_BIG);
        return;
    }
    if (size_is_over(end - x->start, x->limits.stanza_bytes, 1)) {
        x->place = PLACE_BIG;
        byteq_fini(&x->stanza.carry);
    }
    if (x->place == PLACE_STANZA)
        byteq_append(&x->stanza.carry, slice_from_offset(x->chunk, content_offset(x)));
}

/* False: that was all. */
static bool finish_chunk(struct xml *x)
{
    bool spilling = x->spilling;

    if (x->place == PLACE_STANZA || x->place == PLACE_BIG)
        keep_content(x);
    x->chunk_at += x->chunk.len;
    x->chunk = x->later;
    x->chunk_fed = 0;
    x->later = slice_none();
    x->spilling = false;
    if (spilling)
        byteq_clear(&x->held);
    return spilling || failed(x);
}

static void read_chunk(struct xml *x)
{
    if (byteq_len(&x->held) && !x->spilling)
        go_on_holding(x);
    else if (!take_plain(x))
        feed_piece(x);
}

/* One step of the parser. False: nothing is left to do. */
static bool run(struct xml *x)
{
    if (failed(x) || x->place == PLACE_CLOSED)
        return false;
    if (x->renew)
        renew_parser(x);
    else if (x->parser.suspended)
        xml_parser_resume(&x->parser);
    else if (x->chunk_fed < x->chunk.len)
        read_chunk(x);
    else
        return finish_chunk(x);
    return true;
}

/* --- items out ------------------------------------------------------------------------------- */

static bool announce(bool *ready, enum xml_kind kind, struct xml_item *item)
{
    if (!*ready)
        return false;
    *ready = false;
    item->kind = kind;
    return true;
}

/* One run of the parser brings several only where they are one token: a root element that is empty
 * is a header and an end. */
static bool take_item(struct xml *x, struct xml_item *item)
{
    if (x->stanza_ready) {
        item->stanza = x->stanza_ready;
        item->kind = item->stanza->wire.len ? XML_STANZA : XML_TOO_BIG;
        x->stanza_ready = NULL;
        return true;
    }
    if (announce(&x->header_ready, XML_HEADER, item) ||
        announce(&x->tree_ready, XML_ELEMENT, item) || announce(&x->end_ready, XML_END, item))
        return true;
    if (!failed(x) || x->told)
        return false;
    x->told = true;
    item->kind = XML_FAULT;
    item->fault = x->parser.fault;
    return true;
}

void xml_next(struct xml *x, struct xml_item *item)
{
    *item = (struct xml_item){.kind = XML_MORE, .header = &x->root.header};
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

void xml_feed(struct xml *x, struct slice bytes)
{
    assert(!x->chunk.len || failed(x) || x->place == PLACE_CLOSED);
    x->total += bytes.len;
    x->chunk = bytes;
    x->chunk_fed = 0;
}

uint64_t xml_total(const struct xml *x)
{
    return x->total;
}

size_t xml_unused(const struct xml *x)
{
    return (size_t)(xml_total(x) - x->item_end);
}

bool xml_at_rest(const struct xml *x)
{
    return at_border(x) && !failed(x) && !x->chunk.len && !byteq_len(&x->held);
}

void xml_rest(struct xml *x)
{
    if (!xml_at_rest(x))
        return;
    xml_parser_close(&x->parser);
    assembly_rest(&x->stanza);
    byteq_fini(&x->held);
    arena_fini(&x->tree_arena);
}

size_t xml_memory(const struct xml *x)
{
    return sizeof(*x) + x->parser.bytes + assembly_memory(&x->stanza) + x->held.room +
           arena_memory(&x->root.arena) + arena_memory(&x->tree_arena);
}

struct xml *xml_new(uint64_t salt, enum stanza_scope content, const struct xml_limits *limits)
{
    struct xml *x = MEM_NEW(struct xml);

    x->salt = salt;
    x->scope = (uint8_t)content;
    assembly_init(&x->stanza, splice_scope_ns(content));
    x->limits = *limits;
    root_init(&x->root);
    byteq_init(&x->held);
    arena_init(&x->tree_arena);
    x->tree_into = &x->tree_arena;
    border_start(&x->border, true);
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
    xml_parser_close(&x->parser);
    stanza_unref(x->stanza_ready);
    assembly_fini(&x->stanza);
    arena_fini(&x->tree_arena);
    root_fini(&x->root);
    byteq_fini(&x->held);
    mem_free(x);
}

/* --- one element ----------------------------------------------------------------------------- */

/* Nobody here has a secret: expat draws one itself. */
#define WHOLE_SALT 0

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
    if (item.kind == XML_ELEMENT &&
        slice_trim(slice_from_offset(text, (size_t)x->item_end)).len == 0)
        *ret_element = x->tree.root;
    else if (!fault)
        fault = FAULT_NOT_WELL_FORMED;
    xml_free(x);
    return fault;
}
