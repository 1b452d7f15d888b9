#include "node/conf_memory.h"

#include "node/conf.h"
#include "node/conf_source.h"

#include <limits.h>
#include <unistd.h>

struct group {
    const char *root;
    const char *mount; /* of the controller's tree */
    const char *file;
    uint64_t bound;
};

static struct slice read_text(const char *path, char *buf, size_t room)
{
    struct conf_file file;

    if (conf_file_read(NULL, path, buf, room, &file))
        return slice_none();
    return slice_make(buf, file.size_bytes);
}

/* "max", no file or no number: no bound. */
static void take_bound(struct group *g, struct slice path)
{
    char file[PATH_MAX], buf[64];
    uint64_t n;

    snprintf(file, sizeof(file), "%s%s%.*s/%s", g->root, g->mount, SLICE_ARGS(path), g->file);
    if (slice_to_u64(slice_trim(read_text(file, buf, sizeof(buf))), UINT64_MAX, &n) && n < g->bound)
        g->bound = n;
}

/* A group is bound by all those above it too. */
static void walk_up(struct group *g, struct slice path)
{
    while (path.len > 1) {
        take_bound(g, path);
        while (path.len > 1 && path.ptr[path.len - 1] != '/')
            path.len--;
        path.len--;
    }
    take_bound(g, slice_none());
}

/* "0::/a/b" or "7:cpu,memory:/a/b". */
static void take_line(struct group *g, struct slice line)
{
    struct slice rest = slice_from_offset(line, slice_find(line, ':') + 1);
    struct slice kinds = slice_sub(rest, 0, slice_find(rest, ':'));
    struct slice path = slice_from_offset(rest, kinds.len + 1);
    struct slice kind;

    if (slice_is(kinds, "")) {
        g->mount = "/sys/fs/cgroup";
        g->file = "memory.max";
        walk_up(g, path);
        return;
    }
    while (kinds.len) {
        kind = slice_sub(kinds, 0, slice_find(kinds, ','));
        kinds = slice_from_offset(kinds, kind.len + 1);
        if (!slice_is(kind, "memory"))
            continue;
        g->mount = "/sys/fs/cgroup/memory";
        g->file = "memory.limit_in_bytes";
        walk_up(g, path);
    }
}

uint64_t conf_memory_bound(const char *root, uint64_t machine_bytes)
{
    struct group g = {.root = root, .bound = machine_bytes};
    char path[PATH_MAX], buf[8192];
    struct slice text;

    snprintf(path, sizeof(path), "%s/proc/self/cgroup", root);
    text = read_text(path, buf, sizeof(buf));
    while (text.len) {
        size_t end = slice_find(text, '\n');

        take_line(&g, slice_sub(text, 0, end));
        text = slice_from_offset(text, end + 1);
    }
    return g.bound;
}

uint64_t conf_memory_limit(const struct conf *c)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);

    if (c->limits.memory_bytes)
        return c->limits.memory_bytes;
    assert(pages > 0 && page_bytes > 0);
    return conf_memory_bound("", (uint64_t)pages * (uint64_t)page_bytes) / 2;
}
