#include "scenario/xmlread_inner.h"

#include <stdio.h>

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name_char(unsigned char c)
{
    return c >= 0x80 || c == ':' || c == '_' || c == '-' || c == '.' || (c >= '0' && c <= '9') ||
           (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_name_start(unsigned char c)
{
    return is_name_char(c) && c != '-' && c != '.' && !(c >= '0' && c <= '9');
}

/* XML 1.0 2.2: no control characters but TAB, LF, CR. */
static bool is_plain(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c < 0x20 && !is_space((char)c))
            return false;
    }
    return slice_is_utf8(s);
}

static void bad(struct token *t, const char *why)
{
    t->kind = TOKEN_BAD;
    t->why = why;
}

static size_t find_end(struct slice in, size_t from, const char *end)
{
    size_t len = strlen(end);
    const char *at = from < in.len ? memmem(in.ptr + from, in.len - from, end, len) : NULL;

    return at ? (size_t)(at - in.ptr) : SIZE_MAX;
}

/* The '>' that ends a tag: none inside quotes counts. */
static size_t tag_end(struct slice in, size_t from)
{
    char quote = 0;

    for (size_t i = from; i < in.len; i++) {
        char c = in.ptr[i];

        if (quote)
            quote = c == quote ? 0 : quote;
        else if (c == '"' || c == '\'')
            quote = c;
        else if (c == '>')
            return i;
    }
    return SIZE_MAX;
}

static size_t name_len(struct slice s)
{
    size_t n = 0;

    while (n < s.len && is_name_char((unsigned char)s.ptr[n]))
        n++;
    return n;
}

static void take_tag(struct slice inside, struct token *t)
{
    size_t n;

    t->kind = TOKEN_START;
    if (inside.len && inside.ptr[0] == '/') {
        t->kind = TOKEN_END;
        inside = slice_from_offset(inside, 1);
    } else if (inside.len && inside.ptr[inside.len - 1] == '/') {
        t->kind = TOKEN_EMPTY;
        inside = slice_sub(inside, 0, inside.len - 1);
    }
    n = name_len(inside);
    t->name = slice_sub(inside, 0, n);
    t->attrs = slice_from_offset(inside, n);
    if (!n || !is_name_start((unsigned char)inside.ptr[0]))
        bad(t, "a tag without a name");
    else if (t->kind == TOKEN_END && slice_trim(t->attrs).len)
        bad(t, "an end tag with attributes");
    else if (t->attrs.len && !is_space(t->attrs.ptr[0]))
        bad(t, "a tag with an odd character in its name");
}

static void take_cdata(struct slice in, size_t *at, struct token *t)
{
    size_t end = find_end(in, *at, "]]>");

    if (end == SIZE_MAX)
        return;
    t->kind = TOKEN_CDATA;
    t->text = slice_sub(in, *at + 9, end - *at - 9);
    if (!is_plain(t->text))
        bad(t, "a character that XML does not allow");
    *at = end + 3;
}

/* RFC 6120 11.1; XML-01, XML-09. */
static void take_instruction(struct slice in, size_t *at, struct token *t)
{
    size_t end = find_end(in, *at, "?>");

    if (end == SIZE_MAX)
        return;
    t->kind = TOKEN_XML;
    t->text = slice_sub(in, *at, end + 2 - *at);
    *at = end + 2;
    if (!slice_starts(t->text, SLICE("<?xml ")))
        bad(t, "a processing instruction");
    else if (find_end(t->text, 0, "standalone") != SIZE_MAX)
        bad(t, "an XML declaration with standalone");
    else if (find_end(t->text, 0, "version='1.0'") == SIZE_MAX &&
             find_end(t->text, 0, "version=\"1.0\"") == SIZE_MAX)
        bad(t, "an XML declaration that is not of version 1.0");
}

static void take_text(struct slice in, size_t *at, struct token *t)
{
    size_t end = slice_find(slice_from_offset(in, *at), '<');

    t->kind = TOKEN_TEXT;
    t->text = slice_sub(in, *at, end);
    *at += end;
    if (*at == in.len)
        return; /* it may go on, in the middle of a character even */
    if (!is_plain(t->text))
        bad(t, "a character that XML does not allow");
    else if (find_end(t->text, 0, "]]>") != SIZE_MAX)
        bad(t, "]]> in character data");
}

static bool might_be(struct slice rest, const char *text)
{
    struct slice whole = slice_from(text);

    return rest.len < whole.len && slice_starts(whole, rest);
}

static void take_markup(struct slice in, size_t *at, struct token *t)
{
    struct slice rest = slice_from_offset(in, *at);
    size_t end;

    if (might_be(rest, "<![CDATA[") || might_be(rest, "<?") || might_be(rest, "<!--"))
        return;
    if (slice_starts(rest, SLICE("<![CDATA["))) {
        take_cdata(in, at, t);
    } else if (slice_starts(rest, SLICE("<?"))) {
        take_instruction(in, at, t);
    } else if (slice_starts(rest, SLICE("<!--"))) {
        bad(t, "a comment");
    } else if (slice_starts(rest, SLICE("<!"))) {
        bad(t, "a DTD");
    } else if ((end = tag_end(in, *at)) != SIZE_MAX) {
        take_tag(slice_sub(in, *at + 1, end - *at - 1), t);
        *at = end + 1;
    }
}

void token_next(struct slice in, size_t *at, struct token *t)
{
    *t = (struct token){.kind = TOKEN_MORE};
    if (*at >= in.len)
        return;
    if (in.ptr[*at] == '<')
        take_markup(in, at, t);
    else
        take_text(in, at, t);
}

/* --- references --- */

static size_t put_utf8(char *out, unsigned long c)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        out[0] = (char)(0xc0 | c >> 6);
        out[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        out[0] = (char)(0xe0 | c >> 12);
        out[1] = (char)(0x80 | (c >> 6 & 0x3f));
        out[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | c >> 18);
    out[1] = (char)(0x80 | (c >> 12 & 0x3f));
    out[2] = (char)(0x80 | (c >> 6 & 0x3f));
    out[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static unsigned long number_of(struct slice digits)
{
    char text[16];
    bool hex = digits.len && digits.ptr[0] == 'x';

    if (!slice_to_cstr(hex ? slice_from_offset(digits, 1) : digits, text, sizeof(text)))
        return 0;
    return strtoul(text, NULL, hex ? 16 : 10);
}

/* One reference without '&' and ';'. 0: not one of the five, no legal character. */
static size_t put_reference(char *out, struct slice name)
{
    static const char *const names[] = {"lt", "gt", "amp", "apos", "quot"};
    static const char chars[] = "<>&'\"";
    unsigned long c;

    for (size_t i = 0; i < COUNT(names); i++)
        if (slice_is(name, names[i]))
            return put_utf8(out, (unsigned char)chars[i]);
    if (!name.len || name.ptr[0] != '#')
        return 0;
    c = number_of(slice_from_offset(name, 1));
    if (c == 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000) || (c < 0x20 && !is_space((char)c)))
        return 0;
    return put_utf8(out, c);
}

/* XML 1.0 2.11: CR LF and a lone CR are a line's end, LF. */
static size_t put_plain(char *out, struct slice raw, size_t *i)
{
    out[0] = raw.ptr[*i];
    if (out[0] != '\r')
        return 1;
    out[0] = '\n';
    if (*i + 1 < raw.len && raw.ptr[*i + 1] == '\n')
        ++*i;
    return 1;
}

struct slice token_plain(struct slice raw, struct arena *arena)
{
    char *out = arena_alloc(arena, raw.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < raw.len; i++)
        n += put_plain(out + n, raw, &i);
    return slice_make(out, n);
}

struct slice token_text(struct slice raw, struct arena *arena, const char **ret_why)
{
    char *out = arena_alloc(arena, raw.len + 1);
    size_t n = 0;

    for (size_t i = 0; i < raw.len; i++) {
        struct slice name;
        size_t put;

        if (raw.ptr[i] != '&') {
            n += put_plain(out + n, raw, &i);
            continue;
        }
        name = slice_sub(raw, i + 1, slice_find(slice_from_offset(raw, i + 1), ';'));
        put = put_reference(out + n, name);
        if (!put) {
            *ret_why = "an entity that is none of the five";
            return slice_none();
        }
        n += put;
        i += name.len + 1;
    }
    return slice_make(out, n);
}

/* XML 1.0 3.3.3: literal white space in an attribute is a space. */
static struct slice value_text(struct slice raw, struct arena *arena, const char **ret_why)
{
    char *flat = arena_alloc(arena, raw.len + 1);

    for (size_t i = 0; i < raw.len; i++)
        flat[i] = is_space(raw.ptr[i]) ? ' ' : raw.ptr[i];
    return token_text(slice_make(flat, raw.len), arena, ret_why);
}

bool token_attr(struct slice *rest, struct slice *ret_name, struct slice *ret_value,
                struct arena *arena, const char **ret_why)
{
    struct slice s = slice_trim(*rest);
    size_t n = name_len(s);
    size_t end;

    if (!s.len)
        return false;
    *ret_why = "an attribute that is none";
    if (!n || !is_name_start((unsigned char)s.ptr[0]) || n == rest->len)
        return false;
    *ret_name = slice_sub(s, 0, n);
    s = slice_trim(slice_from_offset(s, n));
    if (s.len < 3 || s.ptr[0] != '=')
        return false;
    s = slice_trim(slice_from_offset(s, 1));
    if (s.len < 2 || (s.ptr[0] != '\'' && s.ptr[0] != '"'))
        return false;
    end = slice_find(slice_from_offset(s, 1), s.ptr[0]);
    if (end + 1 >= s.len)
        return false;
    *ret_value = slice_sub(s, 1, end);
    *rest = slice_from_offset(s, end + 2);
    if (slice_find(*ret_value, '<') < ret_value->len || !is_plain(*ret_value))
        return false;
    if (rest->len && !is_space(rest->ptr[0]))
        return false;
    *ret_why = NULL;
    *ret_value = value_text(*ret_value, arena, ret_why);
    return !*ret_why;
}

/* --- whole elements --- */

enum token_end token_whole_element(struct slice in, size_t *at, const char **ret_why)
{
    unsigned depth = 0;
    struct token t;

    do {
        token_next(in, at, &t);
        if (t.kind == TOKEN_MORE)
            return TOKEN_INCOMPLETE;
        if (t.kind == TOKEN_BAD || t.kind == TOKEN_XML) {
            *ret_why = t.kind == TOKEN_BAD ? t.why : "an XML declaration inside an element";
            return TOKEN_BROKEN;
        }
        if (t.kind == TOKEN_TEXT && *at >= in.len)
            return TOKEN_INCOMPLETE; /* it may go on */
        depth += t.kind == TOKEN_START;
        if (t.kind == TOKEN_END && depth-- == 0) {
            *ret_why = "an end tag without a start tag";
            return TOKEN_BROKEN;
        }
    } while (depth > 0);
    return TOKEN_COMPLETE;
}
