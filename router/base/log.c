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

/* A sequence that must not reach a terminal or a reader of lines, as its code point. */
static void put_escaped(struct out *o, struct slice sequence)
{
    const unsigned char *p = (const unsigned char *)sequence.ptr;
    unsigned code = p[0];
    char buf[8];

    if (sequence.len == 2)
        code = (p[0] & 0x1Fu) << 6 | (p[1] & 0x3Fu);
    else if (sequence.len == 3)
        code = (p[0] & 0x0Fu) << 12 | (p[1] & 0x3Fu) << 6 | (p[2] & 0x3Fu);
    snprintf(buf, sizeof(buf), "\\u%04x", code);
    put_text(o, buf);
}

static void put_quoted(struct out *o, struct slice s)
{
    put_char(o, '"');
    while (s.len) {
        size_t n = slice_utf8_first(s);
        struct slice sequence = slice_sub(s, 0, n);

        if (n == 0)
            put_text(o, "\\ufffd");
        else if (slice_is_control(sequence))
            put_escaped(o, sequence);
        else {
            if (s.ptr[0] == '"' || s.ptr[0] == '\\')
                put_char(o, '\\');
            put(o, sequence.ptr, n);
        }
        s = slice_from_offset(s, n ? n : 1);
    }
    put_char(o, '"');
}

/* The end of what is shown of a long value, not inside a character. */
static size_t cut_at(struct slice text)
{
    size_t n = LOG_VALUE_BYTES_MAX;

    for (int i = 0; i < 3 && (text.ptr[n] & 0xC0) == 0x80; i++)
        n--;
    return n;
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
        size_t n = cut_at(text);

        memcpy(cut, text.ptr, n);
        memcpy(cut + n, "...", 3);
        text = slice_make(cut, n + 3);
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
    enum log_format format =
        (enum log_format)atomic_load_explicit(&log->sink->format, memory_order_relaxed);
    size_t len = log_format_line(line, sizeof(line), format, log->wall_us(log->arg), level, event,
                                 fields, n);

    log->sink->write(log->sink, level, slice_make(line, len));
}

void log_limit_init(struct log_limit *l, uint32_t burst, uint32_t per_second, uint64_t now_ms)
{
    bucket_init(&l->bucket, burst, per_second, now_ms);
    l->swallowed_count = 0;
    l->swallowed_ms = 0;
}

bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t *ret_swallowed)
{
    if (!bucket_take(&l->bucket, 1, now_ms)) {
        l->swallowed_count++;
        l->swallowed_ms = now_ms;
        return false;
    }
    *ret_swallowed = l->swallowed_count;
    l->swallowed_count = 0;
    return true;
}

bool log_limit_rest(struct log_limit *l, uint64_t now_ms, uint64_t *ret_swallowed)
{
    if (!log_limit_owes(l) || now_ms - l->swallowed_ms < LOG_LIMIT_QUIET_MS)
        return false;
    *ret_swallowed = l->swallowed_count;
    l->swallowed_count = 0;
    return true;
}
