#include "node/conf_row.h"
#include "node/conf_source.h"

#include <stdio.h>

#define NAME_BYTES_MAX 128 /* of an environment variable */

static bool name_good(struct slice name)
{
    if (!name.len || name.len > NAME_BYTES_MAX || (name.ptr[0] >= '0' && name.ptr[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_'))
            return false;
    }
    return true;
}

/* Appends the variable that `text` (behind "${") begins with. Returns bytes used, 0: wrong. */
static size_t put_variable(const struct conf_source *source, struct slice text, struct byteq *out,
                           char *error, size_t size)
{
    struct slice name = slice_sub(text, 0, slice_find(text, '}'));
    char buf[NAME_BYTES_MAX + 1];
    const char *value;

    if (name.len == text.len || !name_good(name)) {
        snprintf(error, size, "has \"${\" without \"NAME}\"; write \"$${\" for the bare text");
        return 0;
    }
    slice_to_cstr(name, buf, sizeof(buf));
    value = source->env(source->arg, buf);
    if (!value) {
        snprintf(error, size,
                 "needs environment variable %s, which is not set; set it or write the "
                 "value",
                 buf);
        return 0;
    }
    if (strlen(value) > CONF_VALUE_BYTES_MAX || !slice_is_utf8(slice_from(value))) {
        snprintf(error, size, "needs environment variable %s, which is %s; change it", buf,
                 strlen(value) > CONF_VALUE_BYTES_MAX ? "too long" : "not UTF-8");
        return 0;
    }
    byteq_append(out, slice_from(value));
    return name.len + 1;
}

static bool expand(const struct conf_source *source, struct slice text, struct byteq *out,
                   char *error, size_t size)
{
    for (size_t i = 0; i < text.len;) {
        struct slice rest = slice_from_offset(text, i);
        size_t used;

        if (byteq_len(out) > CONF_VALUE_BYTES_MAX) {
            snprintf(error, size, "is too long: at most 4096 bytes; shorten it");
            return false;
        }
        if (slice_starts(rest, SLICE("$${"))) {
            byteq_append(out, SLICE("${"));
            i += 3;
        } else if (slice_starts(rest, SLICE("${"))) {
            used = put_variable(source, slice_from_offset(rest, 2), out, error, size);
            if (!used)
                return false;
            i += 2 + used;
        } else {
            byteq_append(out, slice_sub(rest, 0, 1));
            i++;
        }
    }
    return true;
}

static bool has_control(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.ptr[i] < 0x20 || text.ptr[i] == 0x7f)
            return true;
    return false;
}

bool conf_expand(const struct conf_source *source, struct slice text, struct arena *arena,
                 char *error, size_t size, struct slice *ret_text)
{
    struct byteq out;
    bool good;

    byteq_init(&out);
    good = expand(source, text, &out, error, size);
    if (good && has_control(byteq_slice(&out))) {
        snprintf(error, size, "has a control character or line end; remove it");
        good = false;
    } else if (good && byteq_len(&out) > CONF_VALUE_BYTES_MAX) {
        snprintf(error, size, "is too long: at most 4096 bytes; shorten it");
        good = false;
    }
    if (good)
        *ret_text = arena_copy(arena, byteq_slice(&out));
    byteq_fini(&out);
    return good;
}
