#include "node/conf_reader.h"

#include <errno.h>
#include <limits.h>
#include <unistd.h>

static struct conf *conf_new(const char *file)
{
    struct conf *c = MEM_NEW(struct conf);

    atomic_init(&c->refs, 1);
    arena_init(&c->arena);
    c->file = arena_format(&c->arena, "%s", file);
    return c;
}

struct conf *conf_ref(struct conf *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

static void wipe(struct conf_secret *s)
{
    mem_wipe((void *)s->text.ptr, s->text.len);
}

void conf_unref(struct conf *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) > 1)
        return;
    wipe(&c->dialback.secret);
    wipe(&c->dialback.previous_secret);
    if (!c->kept)
        wipe(&c->redis.password);
    for (size_t i = 0; i < c->component_count; i++)
        wipe(&c->components[i].secret);
    policy_unref(c->policy);
    arena_fini(&c->arena);
    conf_unref(c->kept);
    mem_free(c);
}

void conf_keep_running(struct conf *c, struct conf *running)
{
    struct conf_nets proxies = c->listen.proxy_protocol_from;

    wipe(&c->redis.password);
    c->kept = conf_ref(running->kept ? running->kept : running);
    c->node.name = running->node.name;
    c->node.worker_count = running->node.worker_count;
    c->listen = running->listen;
    c->listen.proxy_protocol_from = proxies;
    c->store_kind = running->store_kind;
    c->redis = running->redis;
    c->mesh.advertise = running->mesh.advertise;
    c->limits.memory_bytes = running->limits.memory_bytes;
}

static void read_and_check(struct conf_reader *r)
{
    struct conf_tree *root = conf_tree_parse(r->source->text, &r->scratch, r->report);
    size_t rows;

    if (!root)
        return;
    conf_rows(&rows);
    r->states = arena_zalloc(&r->scratch, rows * sizeof(*r->states));
    r->lines = arena_zalloc(&r->scratch, rows * sizeof(*r->lines));
    conf_read(r, root);
    conf_check(r);
}

enum err conf_parse(const struct conf_source *source, struct conf_report *report,
                    struct conf **ret_conf)
{
    struct conf_reader r = {.source = source, .report = report};

    if (!report->file)
        report->file = mem_strdup(source->file);
    r.conf = conf_new(source->file);
    arena_init(&r.scratch);
    read_and_check(&r);
    arena_fini(&r.scratch);
    conf_report_sort(report);
    if (report->error_count) {
        conf_unref(r.conf);
        return ERR_SYNTAX;
    }
    *ret_conf = r.conf;
    return OK;
}

static const char *env(void *arg, const char *name)
{
    return getenv(name);
}

/* The directory of a file as an absolute path: a relative one would change its meaning with the
 * working directory. */
static char *dir_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *dir = slash ? mem_strndup(slice_make(path, (size_t)(slash - path) + 1)) : mem_strdup(".");
    char *real = realpath(dir, NULL);

    if (!real)
        return dir;
    mem_free(dir);
    return real;
}

static enum err load_text(const char *path, struct slice text, conf_try_fn *try,
                          struct conf_report *report, struct conf **ret_conf)
{
    char host[HOST_NAME_MAX + 1] = "";
    char *dir = dir_of(path);
    struct conf_source source = {
        .text = text,
        .file = path,
        .dir = strcmp(dir, "/") ? dir : "",
        .host_name = host,
        .env = env,
        .read = conf_file_read,
        .try = try,
    };
    enum err e;

    if (gethostname(host, sizeof(host)))
        host[0] = '\0'; /* the remark about it says what to do */
    host[sizeof(host) - 1] = '\0';
    e = conf_parse(&source, report, ret_conf);
    free(dir);
    return e;
}

enum err conf_load(const char *path, struct conf_report *report, struct conf **ret_conf)
{
    return conf_load_trying(path, NULL, report, ret_conf);
}

enum err conf_load_trying(const char *path, conf_try_fn *try, struct conf_report *report,
                          struct conf **ret_conf)
{
    size_t room = CONF_FILE_BYTES_MAX + 1;
    char *text = mem_alloc(room);
    struct conf_file file = {0, 0};
    enum err e = conf_file_read(NULL, path, text, room, &file);

    if (!report->file)
        report->file = mem_strdup(path);
    if (e)
        conf_remark(report, CONF_ERROR, 0, "cannot be read: %s; create it, or name it by --config",
                    e == ERR_UNSUPPORTED ? "no regular file" : err_text(e));
    else
        e = load_text(path, slice_make(text, file.size_bytes), try, report, ret_conf);
    mem_free(text);
    return e ? ERR_SYNTAX : OK;
}
