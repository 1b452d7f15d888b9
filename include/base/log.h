/* base/log.h - one line an event: `ts level event key=value ...`, or the same as JSON.
 *
 * Formatting is pure; bytes leave through the sink's `write`. A `struct log` belongs to one
 * loop; sinks are shared by threads and take whole lines. Lines that strangers can provoke go
 * through a `struct log_limit`, which sums up what it swallowed.
 * No stanza content, local part or resource in any line above level debug.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/bucket.h"
#include "base/err.h"
#include "base/slice.h"

#include <stdatomic.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_LOGFMT, LOG_JSON };

/* A line of the log, newline included, at most this long; longer values are cut with "...". */
#define LOG_LINE_BYTES_MAX  4096
#define LOG_VALUE_BYTES_MAX 512

struct log_sink {
    void (*write)(struct log_sink *sink, enum log_level level, struct slice line);
    void *arg;
    atomic_int level;            /* enum log_level; changed at run time by `fedrouterctl log` */
    atomic_int format;           /* enum log_format */
    _Atomic uint64_t lost_lines; /* counted when `write` could not (a full disk) */
};

struct log {
    struct log_sink *sink;
    uint64_t (*wall_us)(void *arg); /* microseconds since 1970 */
    void *arg;
};

struct log_field {
    const char *key;
    enum { LOG_FIELD_SLICE, LOG_FIELD_INT, LOG_FIELD_NONE } kind;
    struct slice text;
    int64_t number;
};

/* Constructors of fields; a LOG_TEXT of NULL and an empty slice print an empty value. */
#define LOG_SLICE(k, s) ((struct log_field){(k), LOG_FIELD_SLICE, (s), 0})
#define LOG_TEXT(k, t)  ((struct log_field){(k), LOG_FIELD_SLICE, slice_from(t), 0})
#define LOG_INT(k, n)   ((struct log_field){(k), LOG_FIELD_INT, {0, 0}, (int64_t)(n)})
#define LOG_ERR(k, e)   LOG_TEXT(k, err_text(e))

#define LOG(log, level, event, ...)                                                                \
    do {                                                                                           \
        if (log_wants(log, level)) {                                                               \
            const struct log_field fields_[] = {__VA_ARGS__};                                      \
            log_write(log, level, event, fields_, COUNT(fields_));                                 \
        }                                                                                          \
    } while (0)

static inline bool log_wants(const struct log *log, enum log_level level)
{
    return (int)level <= atomic_load_explicit(&log->sink->level, memory_order_relaxed);
}

void log_write(struct log *log, enum log_level level, const char *event,
               const struct log_field *fields, size_t n);

/* Formats one line into `buf`; returns its length. Control characters, quotes and invalid UTF-8
 * are escaped, so that a value can never begin a line or forge a field. */
size_t log_format_line(char *buf, size_t size, enum log_format format, uint64_t wall_us,
                       enum log_level level, const char *event, const struct log_field *fields,
                       size_t n);

/* One per kind of line; embedded in its owner. */
struct log_limit {
    struct bucket bucket;
    uint64_t swallowed_count;
    uint64_t swallowed_ms; /* when the last one was */
};

void log_limit_init(struct log_limit *l, uint32_t burst, uint32_t per_second, uint64_t now_ms);
/* True: write the line, and if *ret_swallowed is not 0, say so (key "suppressed"). */
bool log_limit_pass(struct log_limit *l, uint64_t now_ms, uint64_t *ret_swallowed);
/* The flood is over, and no line came to tell of its last: true when that is to be done now. */
#define LOG_LIMIT_QUIET_MS 1000
bool log_limit_rest(struct log_limit *l, uint64_t now_ms, uint64_t *ret_swallowed);
/* ... or later. */
static inline bool log_limit_owes(const struct log_limit *l)
{
    return l->swallowed_count > 0;
}

const char *log_level_name(enum log_level level);
enum err log_level_parse(struct slice name, enum log_level *ret_level) MUST_USE;

#endif
