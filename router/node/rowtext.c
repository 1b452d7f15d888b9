#include "node/rowtext.h"

#include <time.h>

void rowtext_border(struct byteq *out)
{
    if (byteq_len(out))
        byteq_append(out, SLICE(",\n"));
}

void rowtext_begin(struct rowtext *r, struct byteq *out)
{
    r->out = out;
    r->any = false;
    byteq_append(out, SLICE("{"));
}

void rowtext_end(struct rowtext *r)
{
    byteq_append(r->out, SLICE("}"));
}

static void put_key(struct rowtext *r, const char *key)
{
    byteq_append(r->out, r->any ? SLICE(",\"") : SLICE("\""));
    byteq_append(r->out, slice_from(key));
    byteq_append(r->out, SLICE("\":"));
    r->any = true;
}

static bool plain(char c, bool utf8)
{
    unsigned char u = (unsigned char)c;

    return u >= 0x20 && u != '"' && u != '\\' && (u < 0x80 || utf8);
}

static void put_odd(struct byteq *out, char c)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char u = (unsigned char)c;
    char text[6] = {'\\', 'u', '0', '0', digits[u >> 4], digits[u & 15]};

    if (u >= 0x80 || u == 0)
        byteq_append(out, SLICE("?")); /* some parsers end at NUL */
    else if (u < 0x20)
        byteq_append(out, slice_make(text, sizeof(text)));
    else
        byteq_append(out, slice_make((char[]){'\\', c}, 2));
}

/* Runs of plain characters at once: nearly all of every text. */
static void put_string(struct byteq *out, struct slice text)
{
    bool utf8 = slice_is_utf8(text);
    size_t from = 0;

    byteq_append(out, SLICE("\""));
    for (size_t i = 0; i < text.len; i++) {
        if (plain(text.ptr[i], utf8))
            continue;
        byteq_append(out, slice_sub(text, from, i - from));
        put_odd(out, text.ptr[i]);
        from = i + 1;
    }
    byteq_append(out, slice_from_offset(text, from));
    byteq_append(out, SLICE("\""));
}

void rowtext_slice(struct rowtext *r, const char *key, struct slice text)
{
    put_key(r, key);
    if (text.ptr)
        put_string(r->out, text);
    else
        byteq_append(r->out, SLICE("null"));
}

void rowtext_text(struct rowtext *r, const char *key, const char *text)
{
    rowtext_slice(r, key, slice_from(text));
}

void rowtext_count(struct rowtext *r, const char *key, uint64_t n)
{
    char buf[20];
    char *at = buf + sizeof(buf);

    do
        *--at = (char)('0' + n % 10);
    while (n /= 10);
    put_key(r, key);
    byteq_append(r->out, slice_make(at, (size_t)(buf + sizeof(buf) - at)));
}

void rowtext_number(struct rowtext *r, const char *key, uint64_t id)
{
    if (id)
        rowtext_count(r, key, id);
    else
        rowtext_text(r, key, NULL);
}

void rowtext_flag(struct rowtext *r, const char *key, bool flag)
{
    put_key(r, key);
    byteq_append(r->out, flag ? SLICE("true") : SLICE("false"));
}

const char *date_format(int64_t seconds, char buf[DATE_TEXT_MAX])
{
    time_t t = (time_t)seconds;
    struct tm tm;

    if (!seconds || !gmtime_r(&t, &tm) || !strftime(buf, DATE_TEXT_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm))
        return NULL;
    return buf;
}
