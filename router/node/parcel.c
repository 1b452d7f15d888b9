#include "node/parcel.h"

#include "json.h"

#include <stdio.h>

/* --- cutting --- */

#define BETWEEN SLICE(",\n")

/* Up to the next border, or to the end. */
static struct slice first_row(struct slice rows)
{
    struct slice row = slice_sub(rows, 0, slice_find(rows, '\n'));

    return row.len < rows.len && row.len ? slice_sub(row, 0, row.len - 1) : row;
}

static struct slice behind(struct slice rows, size_t len)
{
    return slice_from_offset(rows, len + BETWEEN.len);
}

/* What fits no frame is not sent. */
static void skip_giants(struct slice *rows, size_t *left_out_count)
{
    while (rows->len && first_row(*rows).len > PARCEL_ROW_BYTES_MAX) {
        *rows = behind(*rows, first_row(*rows).len);
        ++*left_out_count;
    }
}

struct slice parcel_cut(struct slice *rows, size_t *left_out_count)
{
    struct slice parcel, rest;

    skip_giants(rows, left_out_count);
    parcel = first_row(*rows);
    rest = behind(*rows, parcel.len);
    while (rest.len) {
        size_t more = BETWEEN.len + first_row(rest).len;

        if (parcel.len + more > PARCEL_BYTES_MAX)
            break;
        parcel.len += more;
        rest = behind(*rows, parcel.len);
    }
    *rows = rest;
    return parcel;
}

size_t parcel_count(struct slice rows)
{
    size_t n = rows.len > 0;

    for (size_t i = 0; i < rows.len; i++)
        n += rows.ptr[i] == '\n';
    return n;
}

/* --- the slip --- */

void parcel_write_slip(const struct parcel_slip *s, struct byteq *out)
{
    json_t *o = json_object();

    if (s->error[0]) {
        json_put_text(o, "error", s->error);
    } else {
        json_put_count(o, "parcels", s->parcel_count);
        json_put_count(o, "left_out", s->left_out_count);
    }
    json_write(o, out);
}

static bool take_count(const json_t *o, const char *key, uint64_t *ret_count)
{
    const json_t *v = json_object_get(o, key);

    if (!json_is_integer(v) || json_integer_value(v) < 0)
        return false;
    *ret_count = (uint64_t)json_integer_value(v);
    return true;
}

static bool take_slip(const json_t *o, struct parcel_slip *s)
{
    const json_t *error = json_object_get(o, "error");

    memset(s, 0, sizeof(*s));
    if (!error)
        return take_count(o, "parcels", &s->parcel_count) &&
               take_count(o, "left_out", &s->left_out_count);
    snprintf(s->error, sizeof(s->error), "%s",
             json_is_string(error) ? json_string_value(error) : "");
    return s->error[0];
}

enum err parcel_read_slip(struct slice text, struct parcel_slip *ret_slip)
{
    struct parcel_slip slip;
    json_t *o;
    bool good;

    if (text.len == 0 || text.len > PARCEL_SLIP_BYTES)
        return ERR_SYNTAX;
    o = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
    good = json_is_object(o) && take_slip(o, &slip);
    json_decref(o);
    if (!good)
        return ERR_SYNTAX;
    *ret_slip = slip;
    return OK;
}

/* --- checking --- */

/* Stricter than JSON: what our own writers write, and what any parser takes. */
struct scan {
    const char *at, *end;
    unsigned names; /* members "node" of the row itself */
};

static bool accept(struct scan *s, char c)
{
    if (s->at == s->end || *s->at != c)
        return false;
    s->at++;
    return true;
}

static bool accept_word(struct scan *s, struct slice word)
{
    if (!slice_starts(slice_make(s->at, (size_t)(s->end - s->at)), word))
        return false;
    s->at += word.len;
    return true;
}

/* More do not fit the numbers of other parsers. */
#define INTEGER_DIGITS_MAX  18
#define EXPONENT_DIGITS_MAX 2

static bool digits(struct scan *s, size_t most)
{
    const char *from = s->at;

    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > from && (size_t)(s->at - from) <= most;
}

static bool number(struct scan *s)
{
    accept(s, '-');
    if (!accept(s, '0') && !digits(s, INTEGER_DIGITS_MAX))
        return false;
    if (accept(s, '.') && !digits(s, INTEGER_DIGITS_MAX))
        return false;
    if (!accept(s, 'e') && !accept(s, 'E'))
        return true;
    if (!accept(s, '-'))
        accept(s, '+');
    return digits(s, EXPONENT_DIGITS_MAX);
}

static bool one_of(struct scan *s, const char *set)
{
    if (s->at == s->end || !*s->at || !strchr(set, *s->at))
        return false;
    s->at++;
    return true;
}

/* Of controls alone: all else is there as it is. None is NUL. */
static bool escaped_control(struct scan *s)
{
    const char *digits_at = s->at + 2;

    return accept_word(s, SLICE("00")) && one_of(s, "01") && one_of(s, "0123456789abcdefABCDEF") &&
           memcmp(digits_at, "00", 2) != 0;
}

static bool escape(struct scan *s)
{
    return accept(s, 'u') ? escaped_control(s) : one_of(s, "\"\\/bfnrt");
}

/* Behind its first quote. Whether it is UTF-8 has been looked at. */
static bool string(struct scan *s)
{
    while (s->at < s->end) {
        unsigned char c = (unsigned char)*s->at++;

        if (c == '"')
            return true;
        if (c < 0x20 || (c == '\\' && !escape(s)))
            return false;
    }
    return false;
}

static bool value(struct scan *s, unsigned depth);

static bool key(struct scan *s, unsigned depth)
{
    const char *from = s->at;

    while (one_of(s, "abcdefghijklmnopqrstuvwxyz0123456789_"))
        continue;
    if (depth + 1 == PARCEL_DEPTH_MAX)
        s->names += slice_is(slice_make(from, (size_t)(s->at - from)), "node");
    return s->at > from;
}

static bool member(struct scan *s, unsigned depth)
{
    return accept(s, '"') && key(s, depth) && accept(s, '"') && accept(s, ':') && value(s, depth);
}

/* Our writers leave no white space between the parts. */
static bool list(struct scan *s, char end, bool (*item)(struct scan *s, unsigned depth),
                 unsigned depth)
{
    if (depth == 0)
        return false;
    if (accept(s, end))
        return true;
    do
        if (!item(s, depth - 1))
            return false;
    while (accept(s, ','));
    return accept(s, end);
}

static bool value(struct scan *s, unsigned depth)
{
    if (accept(s, '{'))
        return list(s, '}', member, depth);
    if (accept(s, '['))
        return list(s, ']', value, depth);
    if (accept(s, '"'))
        return string(s);
    return accept_word(s, SLICE("null")) || accept_word(s, SLICE("true")) ||
           accept_word(s, SLICE("false")) || number(s);
}

/* A row names its node first: nobody tells of another. */
static bool row(struct scan *s, struct slice node)
{
    struct scan begin = *s;
    bool named = accept_word(&begin, SLICE("{\"node\":\"")) && accept_word(&begin, node) &&
                 accept(&begin, '"');

    s->names = 0;
    return named && value(s, PARCEL_DEPTH_MAX) && s->names == 1;
}

enum err parcel_check(struct slice rows, struct slice node, size_t *ret_count)
{
    struct scan s = {.at = rows.ptr, .end = rows.ptr + rows.len};
    size_t count = 0;

    if (rows.len == 0 || !slice_is_utf8(rows))
        return ERR_SYNTAX;
    do {
        if (!row(&s, node))
            return ERR_SYNTAX;
        count++;
    } while (accept_word(&s, BETWEEN));
    if (s.at != s.end)
        return ERR_SYNTAX;
    *ret_count = count;
    return OK;
}
