#include "wire/xmlw.h"

#include "wire/scan.h"

void xmlw_raw(struct byteq *out, const char *text)
{
    byteq_append(out, slice_from(text));
}

static const char *reference(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '\'':
        return "&apos;";
    case '"':
        return "&quot;";
    case '\t':
        return "&#9;";
    case '\n':
        return "&#10;";
    default:
        assert(c == '\r');
        return "&#13;";
    }
}

/* A bare CR would come out of the next parser as LF: XML 1.0 2.11. */
void xmlw_text(struct byteq *out, struct slice s)
{
    for (size_t i = 0, from = 0; i <= s.len; i++) {
        bool special = i < s.len &&
                       (s.ptr[i] == '&' || s.ptr[i] == '<' || s.ptr[i] == '>' || s.ptr[i] == '\r');

        if (!special && i < s.len)
            continue;
        byteq_append(out, slice_sub(s, from, i - from));
        if (special)
            xmlw_raw(out, reference(s.ptr[i]));
        from = i + 1;
    }
}

void xmlw_value(struct byteq *out, struct slice s)
{
    const char *end;

    if (s.len == 0)
        return;
    end = s.ptr + s.len;
    for (const char *p = s.ptr; p < end; p++) {
        const char *plain = scan_value(p, end);

        byteq_append(out, slice_make(p, (size_t)(plain - p)));
        if (plain == end)
            return;
        xmlw_raw(out, reference(*plain));
        p = plain;
    }
}

void xmlw_attr(struct byteq *out, const char *name, struct slice value)
{
    if (!value.ptr)
        return;
    xmlw_raw(out, " ");
    xmlw_raw(out, name);
    xmlw_raw(out, "='");
    xmlw_value(out, value);
    xmlw_raw(out, "'");
}
