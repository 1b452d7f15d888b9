#include "json.h"

#include "node/rowtext.h"

static json_t *string_of(struct slice text)
{
    char *clean;
    json_t *made;

    if (!text.ptr)
        return json_null();
    if (slice_is_utf8(text) && slice_find(text, '\0') == text.len)
        return json_stringn_nocheck(text.ptr, text.len);
    clean = mem_strndup(text);
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)clean[i] >= 0x80 || !clean[i])
            clean[i] = '?';
    made = json_stringn_nocheck(clean, text.len);
    mem_free(clean);
    return made;
}

void json_put(json_t *o, const char *key, json_t *value)
{
    int e = json_object_set_new_nocheck(o, key, value);

    assert(e == 0);
}

void json_put_slice(json_t *o, const char *key, struct slice text)
{
    json_put(o, key, string_of(text));
}

void json_put_text(json_t *o, const char *key, const char *text)
{
    json_put(o, key, string_of(slice_from(text)));
}

void json_put_count(json_t *o, const char *key, uint64_t n)
{
    json_put(o, key, json_integer((json_int_t)n));
}

void json_put_flag(json_t *o, const char *key, bool flag)
{
    json_put(o, key, json_boolean(flag));
}

void json_put_date(json_t *o, const char *key, int64_t seconds)
{
    char text[DATE_TEXT_MAX];

    json_put_text(o, key, date_format(seconds, text));
}

static int append(const char *bytes, size_t n, void *out)
{
    byteq_append(out, slice_make(bytes, n));
    return 0;
}

void json_write(json_t *o, struct byteq *out)
{
    int e = json_dump_callback(o, append, out, JSON_COMPACT | JSON_ENCODE_ANY);

    assert(e == 0);
    json_decref(o);
}
