#include "session/hosts.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static struct slice take_word(struct slice *line)
{
    size_t from = 0;
    size_t to;
    struct slice word;

    while (from < line->len && is_blank(line->ptr[from]))
        from++;
    for (to = from; to < line->len && !is_blank(line->ptr[to]);)
        to++;
    word = slice_sub(*line, from, to - from);
    *line = slice_from_offset(*line, to);
    return word;
}

static struct slice take_line(struct slice *text)
{
    size_t end = slice_find(*text, '\n');
    struct slice line = slice_sub(*text, 0, end);

    *text = slice_from_offset(*text, end + 1);
    return slice_sub(line, 0, slice_find(line, '#'));
}

static bool names(struct slice line, struct slice name)
{
    struct slice word;

    while ((word = take_word(&line)).len)
        if (slice_eq_nocase(word, name))
            return true;
    return false;
}

size_t hosts_find(struct slice text, struct slice name, int family, struct addr *addrs, size_t room)
{
    size_t n = 0;

    while (text.len && n < room) {
        struct slice line = take_line(&text);
        struct slice first = take_word(&line);
        struct addr a;

        if (!names(line, name) || addr_parse_ip(first, 0, &a) || a.sa.sa_family != family)
            continue;
        addrs[n++] = a;
    }
    return n;
}
