#include "base/log.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};

const char *log_level_name(enum log_level level)
{
    assert((unsigned)level < COUNT(level_names));
    return level_names[level];
}

enum err log_level_parse(struct slice name, enum log_level *ret_level)
{
    for (size_t i = 0; i < COUNT(level_names); i++) {
        if (slice_is(name, level_names[i])) {
            *ret_level = (enum log_level)i;
            return OK;
        }
    }
    return ERR_NOT_FOUND;
}

/* A bounded writer that keeps room for the tail of the line. */
struct out {
    char *at;
    char *end;
};

static void put(struct out *o, const char *p, size_t n)
{
    if (n > (size_t)(o->end - o->at))
        n = (size_t)(o->end - o->at);
    memcpy(o->at, p, n);
    o->at += n;
}

static void put_text(struct out *o, const char *text)
{
    put(o, text, strlen(text));
}

static void put_char(struct out *o, char c)
{
    put(o, &c, 1);
}

static void put_time(struct out *o, uint64_t wall_us)
{
    time_t seconds = (time_t)(wall_us / 1000000);
    struct tm tm;
    char buf[64];
    size_t n;

    gmtime_r(&seconds, &tm);
    n = strftime(buf, sizeof(buf), "%Y-%m-%dT%H:%M:%S", &tm);
    put(o, buf, n);
    snprintf(buf, sizeof(buf), ".%03uZ", (unsigned)(wall_us % 1000000 / 1000));
    put_text(o, buf);
}

static bool is_plain(struct slice s)
{
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];

        if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return true;
}

/* Length of the UTF-8 sequence at the start of `s` if it is valid, else 0. */
static size_t utf8_at(struct slice s)
{
    for (size_t n = 1; n <= 4 && n <= s.len; n++)
        if (slice_is_utf8(slice_sub(s, 0, n)))
            return n;
    return 0;
}

static void put_quoted(struct out *o, struct slice s)
{
    put_char(o, '"');
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.ptr[i];
        size_t n = c < 0x80 ? 1 : utf8_at(slice_from_offset(s, i));
        char buf[8];

        if (o->end - o->at < 8)
            return; /* log_format_line closes the line */
        if (c == '"' || c == '\\') {
            put_char(o, '\\');
            put_char(o, (char)c);
        } else if (c < ' ' || c == 0x7f) {
            snprintf(buf, sizeof(buf), "\\u%04x", c);
            put_text(o, buf);
        } else if (n == 0) {
            put_text(o, "\\ufffd");
            n = 1;
        } else {
            put(o, s.ptr + i, n);
        }
        i += n;
    }
    put_char(o, '"');
}

static void put_value(struct out *o, const struct log_field *f, bool json)
{
    char buf[32];
    struct slice text = f->text;
    char cut[LOG_VALUE_BYTES_MAX + 4];

    if (f->kind == LOG_FIELD_INT) {
        snprintf(buf, sizeof(buf), "%" PRId64, f->number);
        put_text(o, buf);
        return;
    }
    if (text.len > LOG_VALUE_BYTES_MAX) {
        memcpy(cut, text.ptr, LOG_VALUE_BYTES_MAX);
        memcpy(cut + LOG_VALUE_BYTES_MAX, "...", 3);
        text = slice_make(cut, LOG_VALUE_BYTES_MAX + 3);
    }
    if (!json && is_plain(text))
        put(o, text.ptr, text.len);
    else
        put_quoted(o, text);
}

size_t log_format_line(char *buf, size_t size, enum log_format format, uint64_t wall_us,
                       enum log_level level, const char *event, const struct log_field *fields,
                       size_t n)
{
    bool json = format == LOG_JSON;
    struct out o = {buf, buf + size - 4};

    assert(size >= 256);
    put_text(&o, json ? "{\"ts\":\"" : "");
    put_time(&o, wall_us);
    put_text(&o, json ? "\",\"level\":\"" : " ");
    put_text(&o, log_level_name(level));
    put_text(&o, json ? "\",\"event\":\"" : " ");
    put_text(&o, event);
    put_text(&o, json ? "\"" : "");
    for (size_t i = 0; i < n; i++) {
        char *before = o.at;

        if (fields[i].kind == LOG_FIELD_NONE)
            continue;
        put_text(&o, json ? ",\"" : " ");
        put_text(&o, fields[i].key);
        put_text(&o, json ? "\":" : "=");
        put_value(&o, &fields[i], json);
        if (o.end - o.at < 8) {
            o.at = before; /* a field that does not fit is left out whole */
            break;
        }
    }
    o.end += 4;
    put_text(&o, json ? "}\n" : "\n");
    return (size_t)(o.at - buf);
}

void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t n)
{
    char line[LOG_LINE_BYTES_MAX];
    enum log_format format = (enum log_format)atomic_load_explicit(&log->sink->format,
                                                                   memory_order_relaxed);
    size_t len = log_format_line(line, sizeof(line), format, log->wall_us(log->arg), level, event,
                                 fields, n);

    log->sink->write(log->sink, level, slice_make(line, len));
}

void log_limit_init(struct log_limit *l, uint32_t burst, uint32_t per_second, uint64_t now_ms)
{
    bucket_init(&l->bucket, burst, per_second, now_ms);
    l->swallowed_count = 0;
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t *ret_swallowed)
{
    if (!bucket_take(&l->bucket, 1, now_ms)) {
        l->swallowed_count++;
        return false;
    }
    *ret_swallowed = l->swallowed_count;
    l->swallowed_count = 0;
    return true;
}
