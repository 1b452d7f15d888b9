/* The domain of an address: its normal form and its A-label form (wire/jid.h).
 *
 * libidn2's door. Per label, registration rules (RFC 5891 4.2) are asked for, not the laxer ones
 * of look-up: they evaluate the contextual rules of CONTEXTO too, and refuse hyphens at the ends.
 * Before, RFC 5895's mapping is applied and no other: compatibility characters, soft hyphens and
 * the like stay what they are and fail as disallowed, so that a domain has few spellings.
 */
#include "wire/jid.h"

#include <arpa/inet.h>
#include <idn2.h>
#include <stdio.h>

#define LABEL_BYTES_MAX 63  /* A-label; RFC 1034 3.1 */
#define ASCII_BYTES_MAX 253 /* text of a name whose wire form has 255 bytes */
/* An A-label holds at least a byte for each character: "xn--" leaves 59, of four bytes each. */
#define ULABEL_BYTES_MAX 236

enum { OTHER, LETTER, DIGIT, HYPHEN, DOT };

/* Underscore is OTHER: no part of an LDH label (RFC 5890 2.3.1), and a name such as
 * _xmpp-server._tcp.example must not pose as a domain. */
static const unsigned char kinds[256] = {
    ['a' ... 'z'] = LETTER,
    ['0' ... '9'] = DIGIT,
    ['-'] = HYPHEN,
    ['.'] = DOT,
};

/* One pass, no call: twice per stanza. The name is plain: lower-case LDH labels none of which is
 * reserved (hyphens in third and fourth place, so no A-label either: RFC 5890 2.3.1), within the
 * limits of DNS. The last label is not all digits: that is an IPv4 address, or nothing (RFC 1123
 * 2.1; "1.2.3" must not become 1.2.0.3 in some resolver). */
bool domain_is_normal(struct slice text)
{
    size_t start = 0; /* of the label */
    unsigned before = DOT;
    bool wordy = false; /* the label has more than digits */

    if (text.len == 0 || text.len > ASCII_BYTES_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        unsigned kind = kinds[(unsigned char)text.ptr[i]];

        if (kind == LETTER) {
            wordy = true;
        } else if (kind == HYPHEN) {
            if (before == DOT || (i - start == 3 && before == HYPHEN))
                return false;
            wordy = true;
        } else if (kind == DOT) {
            if (before >= HYPHEN || i - start > LABEL_BYTES_MAX)
                return false;
            start = i + 1;
            wordy = false;
        } else if (kind == OTHER) {
            return false;
        }
        before = kind;
    }
    return before < HYPHEN && text.len - start <= LABEL_BYTES_MAX && wordy;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.len; i++)
        if ((unsigned char)s.ptr[i] >= 0x80)
            return false;
    return true;
}

static bool is_alabel(struct slice label)
{
    return slice_starts(label, SLICE("xn--"));
}

static bool all_digits(struct slice label)
{
    for (size_t i = 0; i < label.len; i++)
        if (kinds[(unsigned char)label.ptr[i]] != DIGIT)
            return false;
    return true;
}

/* A lower-case LDH label that is not reserved. */
static bool is_plain_label(struct slice label)
{
    return (label.len > 0 && label.len <= LABEL_BYTES_MAX && all_digits(label)) ||
           (slice_find(label, '.') == label.len && domain_is_normal(label));
}

/* --- mapping --------------------------------------------------------------------------- */

static const struct map_row {
    uint32_t first;
    uint32_t last;
    uint32_t step;
    int32_t delta;
} map_rows[] = {
#define MAP(first, last, step, delta) {first, last, step, delta},
#include "wire/domainmap.def"
#undef MAP
};

static uint32_t map_code(uint32_t code)
{
    size_t low = 0;
    size_t high = COUNT(map_rows);

    while (low < high) {
        size_t mid = (low + high) / 2;
        const struct map_row *row = &map_rows[mid];

        if (code < row->first)
            high = mid;
        else if (code > row->last)
            low = mid + 1;
        else
            return (code - row->first) % row->step ? code : (uint32_t)((int32_t)code + row->delta);
    }
    return code;
}

/* The code point at *pos of valid UTF-8; *pos moves behind it. */
static uint32_t next_code(struct slice s, size_t *pos)
{
    const unsigned char *p = (const unsigned char *)s.ptr + *pos;
    unsigned more = p[0] < 0x80 ? 0 : p[0] < 0xE0 ? 1 : p[0] < 0xF0 ? 2 : 3;
    uint32_t code = more ? p[0] & (0x3Fu >> more) : p[0];

    for (unsigned i = 1; i <= more; i++)
        code = code << 6 | (p[i] & 0x3Fu);
    *pos += 1 + more;
    return code;
}

struct text {
    char data[DOMAIN_BYTES_MAX + 1];
    size_t len;
};

static bool put_byte(struct text *t, uint32_t byte)
{
    if (t->len == DOMAIN_BYTES_MAX)
        return false;
    t->data[t->len++] = (char)byte;
    t->data[t->len] = '\0';
    return true;
}

static bool put_code(struct text *t, uint32_t c)
{
    if (c < 0x80)
        return put_byte(t, c);
    if (c < 0x800)
        return put_byte(t, 0xC0 | c >> 6) && put_byte(t, 0x80 | (c & 0x3F));
    if (c < 0x10000)
        return put_byte(t, 0xE0 | c >> 12) && put_byte(t, 0x80 | (c >> 6 & 0x3F)) &&
               put_byte(t, 0x80 | (c & 0x3F));
    return put_byte(t, 0xF0 | c >> 18) && put_byte(t, 0x80 | (c >> 12 & 0x3F)) &&
           put_byte(t, 0x80 | (c >> 6 & 0x3F)) && put_byte(t, 0x80 | (c & 0x3F));
}

static bool put_mapped(struct text *t, uint32_t c)
{
    if (c >= 'A' && c <= 'Z')
        c += 'a' - 'A';
    else if (c == 0x130) /* the one letter whose lower case is two code points */
        return put_code(t, 'i') && put_code(t, 0x307);
    else if (c >= 0x80)
        c = map_code(c);
    if (c < 0x80 && kinds[c] == OTHER)
        return false;
    return put_code(t, c);
}

/* RFC 5895 2, steps 1, 2 and 4; step 3 (NFC) is libidn2's. ASCII that no label may hold fails
 * here: libidn2 never sees it, nor a NUL byte. */
static bool map_text(struct slice in, struct text *out)
{
    out->len = 0;
    for (size_t pos = 0; pos < in.len;)
        if (!put_mapped(out, next_code(in, &pos)))
            return false;
    return true;
}

/* --- labels ---------------------------------------------------------------------------- */

/* A U-label's A-label; or, where NFC made it ASCII, the label itself if it is a plain one. */
static bool label_to_ascii(struct slice label, char out[LABEL_BYTES_MAX + 1])
{
    char text[ULABEL_BYTES_MAX + 1];
    uint8_t *ascii;
    struct slice made;
    bool fits;

    if (!slice_to_cstr(label, text, sizeof(text)))
        return false;
    if (idn2_register_u8((const uint8_t *)text, NULL, &ascii, IDN2_NFC_INPUT) != IDN2_OK)
        return false;
    made = slice_from((const char *)ascii);
    fits =
        (is_alabel(made) || is_plain_label(made)) && slice_to_cstr(made, out, LABEL_BYTES_MAX + 1);
    idn2_free(ascii);
    return fits;
}

/* Only a U-label that leads back to the very same A-label has one (RFC 5891 5.4, JID-07): fake
 * and unstable A-labels fail, and two names never share a key. */
static bool alabel_to_unicode(struct slice alabel, char out[ULABEL_BYTES_MAX + 1])
{
    char ascii[LABEL_BYTES_MAX + 1];
    char again[LABEL_BYTES_MAX + 1];
    char *unicode;
    bool fits;

    if (!slice_to_cstr(alabel, ascii, sizeof(ascii)))
        return false;
    if (idn2_to_unicode_8z8z(ascii, &unicode, 0) != IDN2_OK)
        return false;
    fits = slice_to_cstr(slice_from(unicode), out, ULABEL_BYTES_MAX + 1);
    idn2_free(unicode);
    return fits && label_to_ascii(slice_from(out), again) && slice_is(alabel, again);
}

/* A name under construction, and what can be said only when all labels are known. */
struct build {
    struct text text;
    size_t ascii_len;
    bool rtl;         /* some label is written from right to left */
    bool digit_first; /* some label begins with a digit */
    bool digits_last; /* the last label is all digits */
};

static bool is_rtl_code(uint32_t c)
{
    if (c >= 0x6F0 && c <= 0x6F9)
        return false; /* Extended Arabic-Indic digits count as European ones */
    return (c >= 0x590 && c < 0x900) || (c >= 0xFB1D && c < 0xFE00) ||
           (c >= 0xFE70 && c < 0xFF00) || (c >= 0x10800 && c < 0x11000) ||
           (c >= 0x1E800 && c < 0x1F000);
}

static bool is_rtl(struct slice label)
{
    for (size_t pos = 0; pos < label.len;)
        if (is_rtl_code(next_code(label, &pos)))
            return true;
    return false;
}

static bool append_label(struct build *b, struct slice unicode, size_t ascii_len)
{
    if (b->text.len && !put_byte(&b->text, '.'))
        return false;
    for (size_t i = 0; i < unicode.len; i++)
        if (!put_byte(&b->text, (unsigned char)unicode.ptr[i]))
            return false;
    b->ascii_len += ascii_len + 1;
    b->rtl = b->rtl || is_rtl(unicode);
    b->digit_first = b->digit_first || kinds[(unsigned char)unicode.ptr[0]] == DIGIT;
    b->digits_last = all_digits(unicode);
    return b->ascii_len - 1 <= ASCII_BYTES_MAX;
}

static bool build_label(struct build *b, struct slice label)
{
    char ascii[LABEL_BYTES_MAX + 1];
    char unicode[ULABEL_BYTES_MAX + 1];
    struct slice a = label;

    if (is_plain_label(label))
        return append_label(b, label, label.len);
    if (!is_ascii(label)) {
        if (!label_to_ascii(label, ascii))
            return false;
        a = slice_from(ascii);
    }
    if (!is_alabel(a))
        return is_plain_label(a) && append_label(b, a, a.len);
    return alabel_to_unicode(a, unicode) && append_label(b, slice_from(unicode), a.len);
}

/* Cuts the first label off; false at the end. "" has one label, the empty one. */
static bool next_label(struct slice *rest, struct slice *ret_label)
{
    size_t dot;

    if (!rest->ptr)
        return false;
    dot = slice_find(*rest, '.');
    *ret_label = slice_sub(*rest, 0, dot);
    *rest = dot < rest->len ? slice_from_offset(*rest, dot + 1) : slice_none();
    return true;
}

static bool build_name(struct build *b, struct slice mapped)
{
    struct slice label;

    memset(b, 0, sizeof(*b));
    while (next_label(&mapped, &label))
        if (!build_label(b, label))
            return false;
    /* RFC 5893 2, rule 1: where one label is written from right to left, none begins with a
     * digit. The other rules concern single labels, libidn2 has asked them. */
    return !b->digits_last && !(b->rtl && b->digit_first);
}

/* --- addresses ------------------------------------------------------------------------- */

static bool parse_ipv4(struct slice text)
{
    char buf[INET_ADDRSTRLEN];
    struct in_addr ip;

    return slice_to_cstr(text, buf, sizeof(buf)) && inet_pton(AF_INET, buf, &ip) == 1;
}

/* "[v6]", without zone: a zone means nothing to a peer. Written as RFC 5952 wants it. */
static bool parse_ipv6(struct slice text, struct text *out)
{
    char buf[INET6_ADDRSTRLEN];
    struct in6_addr ip;

    if (text.len < 4 || text.ptr[0] != '[' || text.ptr[text.len - 1] != ']')
        return false;
    if (!slice_to_cstr(slice_sub(text, 1, text.len - 2), buf, sizeof(buf)))
        return false;
    if (inet_pton(AF_INET6, buf, &ip) != 1 || !inet_ntop(AF_INET6, &ip, buf, sizeof(buf)))
        return false;
    out->len = (size_t)snprintf(out->data, sizeof(out->data), "[%s]", buf);
    return true;
}

/* --- the whole ------------------------------------------------------------------------- */

static void set(struct domain *d, struct slice text, bool ip)
{
    memcpy(d->text, text.ptr, text.len);
    d->text[text.len] = '\0';
    d->len = (uint16_t)text.len;
    d->ip = ip;
}

static struct slice text_slice(const struct text *t)
{
    return slice_make(t->data, t->len);
}

enum err domain_parse(struct slice text, struct domain *ret_domain)
{
    struct text mapped;
    struct build b;

    if (text.len && text.ptr[text.len - 1] == '.')
        text.len--; /* RFC 7622 3.2: one, before anything else */
    if (text.len == 0 || text.len > DOMAIN_BYTES_MAX)
        return ERR_SYNTAX;
    if (domain_is_normal(text)) {
        set(ret_domain, text, false);
        return OK;
    }
    if (parse_ipv4(text)) {
        set(ret_domain, text, true);
        return OK;
    }
    if (parse_ipv6(text, &mapped)) {
        set(ret_domain, text_slice(&mapped), true);
        return OK;
    }
    if (!slice_is_utf8(text) || !map_text(text, &mapped) || !build_name(&b, text_slice(&mapped)))
        return ERR_SYNTAX;
    set(ret_domain, text_slice(&b.text), false);
    return OK;
}

static enum err copy_ascii(struct slice s, char *buf, size_t size)
{
    return slice_to_cstr(s, buf, size) ? OK : ERR_LIMIT;
}

enum err domain_to_ascii(struct slice normal, char *buf, size_t size)
{
    struct slice label;
    size_t len = 0;

    if (normal.len > 2 && normal.ptr[0] == '[')
        return copy_ascii(slice_sub(normal, 1, normal.len - 2), buf, size);
    if (is_ascii(normal))
        return copy_ascii(normal, buf, size);
    while (next_label(&normal, &label)) {
        char ascii[LABEL_BYTES_MAX + 1];

        if (is_ascii(label) ? !slice_to_cstr(label, ascii, sizeof(ascii))
                            : !label_to_ascii(label, ascii))
            return ERR_SYNTAX;
        if (len + strlen(ascii) + 1 >= size)
            return ERR_LIMIT;
        if (len)
            buf[len++] = '.';
        strcpy(buf + len, ascii);
        len += strlen(ascii);
    }
    return OK;
}

/* --- patterns -------------------------------------------------------------------------- */

static bool is_star(struct slice pattern)
{
    return pattern.len > 2 && pattern.ptr[0] == '*' && pattern.ptr[1] == '.';
}

bool domain_fits(struct slice domain, struct slice pattern)
{
    struct slice tail;

    if (slice_is(pattern, "*"))
        return true;
    if (!is_star(pattern))
        return slice_eq(domain, pattern);
    tail = slice_from_offset(pattern, 1); /* with its dot: whole labels only */
    return domain.len > tail.len && slice_ends(domain, tail);
}

enum err domain_pattern_parse(struct slice text, struct domain *ret_pattern)
{
    struct domain name;

    if (slice_is(text, "*")) {
        set(ret_pattern, text, false);
        return OK;
    }
    if (!is_star(text))
        return domain_parse(text, ret_pattern);
    if (domain_parse(slice_from_offset(text, 2), &name))
        return ERR_SYNTAX;
    if (name.ip || name.len + 2 > DOMAIN_BYTES_MAX)
        return ERR_SYNTAX;
    memmove(name.text + 2, name.text, name.len + 1u);
    memcpy(name.text, "*.", 2);
    name.len = (uint16_t)(name.len + 2);
    *ret_pattern = name;
    return OK;
}
