#include "table.h"

#include <inttypes.h>
#include <wchar.h>
#include <wctype.h>

/* Marks that turn the direction of what follows: a name could pose as another. */
static bool turns_direction(wchar_t c)
{
    return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x202a && c <= 0x202e) ||
           (c >= 0x2066 && c <= 0x2069);
}

static bool harmless(wchar_t c)
{
    return iswprint((wint_t)c) && !turns_direction(c);
}

/* One character; *ret_len bytes of it. What is none counts as one bad byte. */
static wchar_t next_char(const char *text, size_t *ret_len)
{
    mbstate_t state = {0};
    wchar_t c = L'\0';
    size_t n = mbrtowc(&c, text, strlen(text), &state);

    *ret_len = n == (size_t)-1 || n == (size_t)-2 || n == 0 ? 1 : n;
    return n == *ret_len ? c : L'\0';
}

char *text_clean(const char *text)
{
    char *made = mem_alloc(strlen(text) + 1);
    char *to = made;
    size_t n;

    for (; *text; text += n) {
        if (harmless(next_char(text, &n))) {
            memcpy(to, text, n);
            to += n;
        } else {
            *to++ = '?';
        }
    }
    *to = '\0';
    return made;
}

static size_t text_width(const char *text)
{
    size_t width = 0;
    size_t n;

    for (; *text; text += n) {
        int w = wcwidth(next_char(text, &n));

        width += w > 0 ? (size_t)w : 0;
    }
    return width;
}

void table_init(struct table *t, const char *const *heads, size_t columns)
{
    assert(columns <= TABLE_COLUMNS_MAX);
    memset(t, 0, sizeof(*t));
    t->columns = columns;
    for (size_t i = 0; i < columns; i++) {
        t->right[i] = heads[i][0] == '>';
        table_add(t, heads[i] + t->right[i]);
    }
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        mem_free(t->cells[i]);
    mem_free(t->cells);
}

void table_add(struct table *t, const char *text)
{
    size_t column = t->count % t->columns;
    size_t width;

    if (t->count == t->room) {
        t->room = t->room ? 2 * t->room : 64;
        t->cells = mem_realloc(t->cells, t->room * sizeof(*t->cells));
    }
    t->cells[t->count] = text_clean(text && text[0] ? text : "-");
    width = text_width(t->cells[t->count++]);
    if (width > t->width[column])
        t->width[column] = width;
}

static void print_cell(const struct table *t, size_t i, FILE *out)
{
    size_t column = i % t->columns;
    const char *text = t->cells[i];
    int blank = (int)(t->width[column] - text_width(text));
    bool last = column + 1 == t->columns;

    if (t->right[column])
        fprintf(out, "%*s%s", blank, "", text);
    else
        fprintf(out, "%s%*s", text, last ? 0 : blank, "");
    fputs(last ? "\n" : "  ", out);
}

void table_print(const struct table *t, FILE *out)
{
    for (size_t i = 0; i < t->count; i++)
        print_cell(t, i, out);
}

const char *span_format(uint64_t ms, char *buf, size_t size)
{
    uint64_t s = ms / 1000;

    if (ms < 1000)
        snprintf(buf, size, "%" PRIu64 "ms", ms);
    else if (s < 60)
        snprintf(buf, size, "%" PRIu64 "s", s);
    else if (s < 3600)
        snprintf(buf, size, "%" PRIu64 "m%" PRIu64 "s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(buf, size, "%" PRIu64 "h%" PRIu64 "m", s / 3600, s % 3600 / 60);
    else
        snprintf(buf, size, "%" PRIu64 "d%" PRIu64 "h", s / 86400, s % 86400 / 3600);
    return buf;
}

const char *size_format(uint64_t bytes, char *buf, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB"};
    double n = (double)bytes;
    size_t unit = 0;

    while (n >= 1024 && unit + 1 < COUNT(units)) {
        n /= 1024;
        unit++;
    }
    snprintf(buf, size, unit && n < 10 ? "%.1f%s" : "%.0f%s", n, units[unit]);
    return buf;
}
