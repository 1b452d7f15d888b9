#include "sim/bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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

static void make_dir(const char *path)
{
    assert(mkdir(path, 0777) == 0 || errno == EEXIST);
}

const char *bed_dir(const char *name)
{
    static char path[256];
    const char *run = getenv("BED");

    snprintf(path, sizeof(path), "tests/out/%s%s%s", name, run ? "-" : "", run ? run : "");
    make_dir("tests/out");
    make_dir(path);
    return path;
}
