#include "wire/plain.h"

#include "wire/ns.h"
#include "wire/scan.h"
#include "wire/xml.h"

/* "&#x10FFFF;" and a leading zero or two. */
#define REFERENCE_BYTES_MAX 12
#define NS_XMLNS            "http://www.w3.org/2000/xmlns/"

/* All readers take the rest of the input and give what is behind the thing they read, or NULL:
 * then it is not plain, or ends too early. Which of the two is asked once, at the end, of the
 * place where the last whole token ended (may_go_on). */

enum { NAME_START = 1, NAME_MORE = 2, SPACE = 4 };

static const unsigned char classes[256] = {
    ['A' ... 'Z'] = NAME_START | NAME_MORE,
    ['a' ... 'z'] = NAME_START | NAME_MORE,
    ['_'] = NAME_START | NAME_MORE,
    ['0' ... '9'] = NAME_MORE,
    ['-'] = NAME_MORE,
    ['.'] = NAME_MORE,
    [' '] = SPACE,
    ['\t'] = SPACE,
    ['\n'] = SPACE,
    ['\r'] = SPACE,
};

static inline bool is(char c, unsigned char class)
{
    return classes[(unsigned char)c] & class;
}

static inline const char *read_space(const char *p, const char *end)
{
    while (p < end && is(*p, SPACE))
        p++;
    return p;
}

static inline const char *read_name(const char *p, const char *end, struct slice *ret_name)
{
    const char *start = p;

    if (p == end || !is(*p, NAME_START))
        return NULL;
    while (++p < end && is(*p, NAME_MORE))
        continue;
    if (p == end || p - start > XML_NAME_BYTES_MAX)
        return NULL;
    *ret_name = slice_make(start, (size_t)(p - start));
    return p;
}

/* --- characters ------------------------------------------------------------------------------ */

static inline bool is_tail(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static const char *read_three(const unsigned char *u)
{
    unsigned code = (u[0] & 0xfu) << 12 | (u[1] & 0x3fu) << 6 | (u[2] & 0x3fu);

    if (code < 0x800 || (code >= 0xd800 && code <= 0xdfff) || code >= 0xfffe)
        return NULL;
    return (const char *)u + 3;
}

static const char *read_four(const unsigned char *u)
{
    unsigned code = (u[0] & 7u) << 18 | (u[1] & 0x3fu) << 12 | (u[2] & 0x3fu) << 6 | (u[3] & 0x3fu);

    return code < 0x10000 || code > 0x10ffff ? NULL : (const char *)u + 4;
}

/* One character outside of ASCII that XML allows: XML 1.0 2.2. */
static const char *read_wide(const char *p, const char *end)
{
    const unsigned char *u = (const unsigned char *)p;
    ptrdiff_t left = end - p;

    if (u[0] < 0xc2 || u[0] > 0xf4 || left < 2 || !is_tail(p[1]))
        return NULL;
    if (u[0] < 0xe0)
        return p + 2;
    if (left < 3 || !is_tail(p[2]))
        return NULL;
    if (u[0] < 0xf0)
        return read_three(u);
    if (left < 4 || !is_tail(p[3]))
        return NULL;
    return read_four(u);
}

static int digit(char c, unsigned base)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (base == 16 && (c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

static bool is_character(unsigned code)
{
    if (code < ' ')
        return code == '\t' || code == '\n' || code == '\r';
    return code < 0xd800 || (code > 0xdfff && code < 0xfffe) || (code > 0xffff && code < 0x110000);
}

/* Behind "&#". */
static const char *read_number(const char *p, const char *end)
{
    unsigned base = p < end && *p == 'x' ? 16 : 10;
    const char *start = p += base == 16;
    unsigned code = 0;

    for (; p < end && digit(*p, base) >= 0 && p - start < 7; p++)
        code = code * base + (unsigned)digit(*p, base);
    if (p == start || p == end || *p != ';' || !is_character(code))
        return NULL;
    return p + 1;
}

/* XML-04: the five, or a number. */
static const char *read_reference(const char *p, const char *end)
{
    static const struct slice known[] = {
        {"&amp;", 5}, {"&lt;", 4}, {"&gt;", 4}, {"&apos;", 6}, {"&quot;", 6}};
    size_t left = (size_t)(end - p);

    if (left > 2 && p[1] == '#')
        return read_number(p + 2, end);
    for (size_t i = 0; i < COUNT(known); i++)
        if (left >= known[i].len && memcmp(p, known[i].ptr, known[i].len) == 0)
            return p + known[i].len;
    return NULL;
}

/* --- start tags ------------------------------------------------------------------------------ */

/* A value of the stanza's own tag: regenerated, so nothing that means more than it is. */
static const char *read_outer_value(const char *p, const char *end, char quote)
{
    for (;;) {
        p = scan_plain_value(p, end);
        if (p == end)
            return NULL;
        if (*p == quote)
            return p;
        if ((signed char)*p >= 0)
            return NULL;
        p = read_wide(p, end);
        if (!p)
            return NULL;
    }
}

/* A value below: goes out as it is. */
static const char *read_inner_value(const char *p, const char *end, char quote)
{
    for (;;) {
        p = scan_quoted(p, end, (signed char)quote);
        if (p == end)
            return NULL;
        if (*p == quote)
            return p;
        if (*p == '&')
            p = read_reference(p, end);
        else if (is(*p, SPACE))
            p++;
        else
            p = (signed char)*p < 0 ? read_wide(p, end) : NULL;
        if (!p)
            return NULL;
    }
}

/* The one prefix that needs no declaration, in the one attribute that has it. */
static const char *read_attr_name(const char *p, const char *end, struct slice *ret_name)
{
    const char *start = p;

    p = read_name(p, end, ret_name);
    if (!p || *p != ':')
        return p;
    if (end - start < 9 || memcmp(start, "xml:lang", 8) != 0 || is(start[8], NAME_MORE))
        return NULL;
    *ret_name = slice_make(start, 8);
    return start + 8;
}

static const char *read_attr(const char *p, const char *end, bool outer, struct plain_attr *attr)
{
    char quote;
    const char *start;

    p = read_attr_name(p, end, &attr->name);
    if (!p || end - p < 2 || p[0] != '=' || (p[1] != '\'' && p[1] != '"'))
        return NULL;
    quote = p[1];
    start = p += 2;
    p = outer ? read_outer_value(p, end, quote) : read_inner_value(p, end, quote);
    if (!p)
        return NULL;
    attr->value = slice_make(start, (size_t)(p - start));
    return p + 1;
}

static bool is_new(const struct plain_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(attrs[i].name, attrs[n].name))
            return false;
    return true;
}

/* Behind the name: attributes to the '>'. The attributes are pairwise different. */
static const char *read_attrs(const char *p, const char *end, bool outer, struct plain_attr *attrs,
                              size_t *ret_count, bool *ret_empty)
{
    for (size_t n = 0;; n++) {
        const char *behind = p;

        p = read_space(p, end);
        if (p == end)
            return NULL;
        if (*p == '>' || *p == '/') {
            *ret_empty = *p == '/';
            *ret_count = n;
            p += *ret_empty;
            return p < end && *p == '>' ? p + 1 : NULL;
        }
        if (p == behind || n == PLAIN_ATTRS_MAX)
            return NULL;
        p = read_attr(p, end, outer, &attrs[n]);
        if (!p || !is_new(attrs, n))
            return NULL;
    }
}

/* --- elements -------------------------------------------------------------------------------- */

struct reader {
    struct slice content_ns;
    struct slice open[XML_DEPTH_MAX]; /* names of the elements that are open */
    unsigned depth;
    const char *at; /* behind the last whole token */
};

/* A default namespace that changes nothing but names: not the content namespace, which would have
 * to be rewritten, and none of those that must not be declared. */
static bool is_plain_ns(const struct reader *r, struct slice ns)
{
    return ns.len <= XML_NAME_BYTES_MAX && !memchr(ns.ptr, '&', ns.len) &&
           !slice_eq(ns, r->content_ns) && !slice_eq(ns, SLICE(NS_XML)) &&
           !slice_eq(ns, SLICE(NS_XMLNS));
}

static bool are_plain(const struct reader *r, const struct plain_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (slice_eq(attrs[i].name, SLICE("xmlns")) && !is_plain_ns(r, attrs[i].value))
            return false;
    return true;
}

static const char *read_start(struct reader *r, const char *p, const char *end)
{
    struct plain_attr attrs[PLAIN_ATTRS_MAX];
    const char *start = p;
    struct slice name;
    size_t n;
    bool empty;

    p = read_name(p + 1, end, &name);
    if (!p || r->depth == XML_DEPTH_MAX)
        return NULL;
    p = read_attrs(p, end, false, attrs, &n, &empty);
    if (!p || p - start > XML_TAG_BYTES_MAX || !are_plain(r, attrs, n))
        return NULL;
    r->open[r->depth] = name;
    r->depth += !empty;
    return p;
}

static const char *read_end(struct reader *r, const char *p, const char *end)
{
    struct slice name = r->open[r->depth - 1];

    p += 2;
    if ((size_t)(end - p) <= name.len || memcmp(p, name.ptr, name.len) != 0)
        return NULL;
    p = read_space(p + name.len, end);
    if (p == end || *p != '>')
        return NULL;
    r->depth--;
    return p + 1;
}

/* To the next '<'. */
static const char *read_text(struct reader *r, const char *p, const char *end)
{
    for (;;) {
        p = scan_text(p, end);
        r->at = p;
        if (p == end)
            return NULL;
        if (*p == '<')
            return p;
        if (*p == '&')
            p = read_reference(p, end);
        else if (is(*p, SPACE) || (*p == '>' && !(p[-1] == ']' && p[-2] == ']')))
            p++;
        else
            p = (signed char)*p < 0 ? read_wide(p, end) : NULL;
        if (!p)
            return NULL;
    }
}

/* Behind the stanza's start tag: to its end tag. */
static const char *read_content(struct reader *r, const char *p, const char *end,
                                struct plain *plain)
{
    const char *start = p;

    for (;;) {
        p = read_text(r, p, end);
        if (!p || end - p < 2)
            return NULL;
        plain->content = slice_make(start, (size_t)(p - start));
        plain->children += p[1] != '/' && r->depth == 1;
        p = p[1] == '/' ? read_end(r, p, end) : read_start(r, p, end);
        if (!p || r->depth == 0)
            return p;
    }
}

static bool find_kind(struct slice name, enum stanza_kind *ret_kind)
{
    for (unsigned kind = STANZA_MESSAGE; kind <= STANZA_IQ; kind++) {
        if (!slice_is(name, stanza_kind_name((enum stanza_kind)kind)))
            continue;
        *ret_kind = (enum stanza_kind)kind;
        return true;
    }
    return false;
}

/* Takes xmlns out of the attributes. False: the stanza is in another namespace. */
static bool take_ns(struct plain *plain, struct slice content_ns, bool inherits)
{
    size_t n = 0;

    for (size_t i = 0; i < plain->attr_count; i++) {
        if (!slice_eq(plain->attrs[i].name, SLICE("xmlns"))) {
            plain->attrs[n++] = plain->attrs[i];
            continue;
        }
        if (!slice_eq(plain->attrs[i].value, content_ns))
            return false;
        inherits = true;
    }
    plain->attr_count = n;
    return inherits;
}

/* Behind '<': neither the end of the tag, nor what can be in none. */
static bool tag_is_open(const char *p, const char *end)
{
    if (end - p >= XML_TAG_BYTES_MAX || memchr(p, '<', (size_t)(end - p)))
        return false;
    for (; p < end; p++) {
        if (*p == '\'' || *p == '"')
            p = memchr(p + 1, *p, (size_t)(end - p - 1));
        else if (!is(*p, NAME_MORE | SPACE) && *p != '=' && *p != '/' && *p != ':')
            return false;
        if (!p)
            return true;
    }
    return true;
}

/* Behind '&'. */
static bool reference_is_open(const char *p, const char *end)
{
    bool fits = end - p < REFERENCE_BYTES_MAX;

    p += p < end && *p == '#';
    while (p < end && is(*p, NAME_MORE))
        p++;
    return fits && p == end;
}

static bool character_is_open(const char *p, const char *end)
{
    unsigned char lead = (unsigned char)*p;
    ptrdiff_t whole = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;

    if (lead < 0xc2 || lead > 0xf4 || end - p >= whole)
        return false;
    while (++p < end)
        if (!is_tail(*p))
            return false;
    return true;
}

/* More bytes may make a plain token of what begins here. What cannot become one is seen at once,
 * where the parser sees it at once. */
static bool may_go_on(const char *at, const char *end)
{
    if (at == end)
        return true;
    if (*at == '<')
        return tag_is_open(at + 1, end);
    if (*at == '&')
        return reference_is_open(at + 1, end);
    return (signed char)*at < 0 && character_is_open(at, end);
}

static const char *read_stanza(struct reader *r, const char *p, const char *end, bool inherits,
                               struct plain *plain)
{
    const char *start = p;
    bool empty;

    p = read_name(p + 1, end, &r->open[0]);
    if (!p || !find_kind(r->open[0], &plain->kind))
        return NULL;
    p = read_attrs(p, end, true, plain->attrs, &plain->attr_count, &empty);
    if (!p || p - start > XML_TAG_BYTES_MAX || !take_ns(plain, r->content_ns, inherits))
        return NULL;
    plain->children = 0;
    plain->content = slice_none();
    return empty ? p : read_content(r, p, end, plain);
}

enum plain_result plain_read(struct slice s, struct slice content_ns, bool inherits,
                             struct plain *ret_plain)
{
    struct reader r;
    const char *end;
    const char *p;

    if (!s.len)
        return PLAIN_SHORT;
    if (*s.ptr != '<')
        return PLAIN_NOT;
    end = s.ptr + s.len;
    r.content_ns = content_ns;
    r.depth = 1;
    r.at = s.ptr;
    p = read_stanza(&r, s.ptr, end, inherits, ret_plain);
    if (!p)
        return may_go_on(r.at, end) ? PLAIN_SHORT : PLAIN_NOT;
    ret_plain->len = (size_t)(p - s.ptr);
    return PLAIN_READ;
}
