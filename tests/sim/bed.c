#include "sim/bed.h"

static void keep_line(struct log_sink *sink, enum log_level level, struct slice line)
{
    struct bed *b = sink->arg;

    byteq_append(&b->lines, line);
}

void bed_init(struct bed *b)
{
    memset(b, 0, sizeof(*b));
    byteq_init(&b->lines);
    b->sink.write = keep_line;
    b->sink.arg = b;
    atomic_store(&b->sink.level, LOG_INFO);
    atomic_store(&b->sink.format, LOG_LOGFMT);
}

void bed_fini(struct bed *b)
{
    byteq_fini(&b->lines);
}
