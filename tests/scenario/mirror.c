#include "scenario/mirror.h"

#include "base/mem.h"
#include "loop/conn.h"
#include "loop/listener.h"

#include <stdio.h>

struct mirror {
    struct counters counters;
    struct loop *loop;
    struct listener *listener;
    struct list conns;
    uint64_t bytes;
    bool stopped;
};

struct image {
    struct list node;
    struct mirror *mirror;
    struct conn *conn;
};

static void on_data(void *arg, struct slice plain)
{
    struct image *i = arg;

    i->mirror->bytes += plain.len;
    conn_write(i->conn, plain);
}

static void on_ended(void *arg)
{
    conn_finish(((struct image *)arg)->conn);
}

static void on_closed(void *arg, enum err why)
{
    struct image *i = arg;

    list_remove(&i->node);
    mem_free(i);
}

static const struct conn_handler handler = {
    .data = on_data, .ended = on_ended, .closed = on_closed};

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    struct mirror *m = arg;
    struct image *i = MEM_NEW(struct image);

    i->mirror = m;
    list_init(&i->node);
    if (conn_adopt(m->loop, fd, peer, slice_none(), &handler, i, &i->conn)) {
        mem_free(i);
        return;
    }
    list_push(&m->conns, &i->node);
    LOG(loop_log(m->loop), LOG_INFO, "accepted", LOG_INT("fd", fd));
}

static void *start(const char *config_file, struct log_sink *sink, char *error, size_t error_size)
{
    struct mirror *m = MEM_NEW(struct mirror);
    struct addr at;

    list_init(&m->conns);
    m->loop = loop_new(&m->counters, sink);
    if (addr_parse(SLICE("10.0.0.1:5269"), 0, &at) ||
        listener_open(m->loop, &at, -1, on_accept, m, &m->listener)) {
        snprintf(error, error_size, "cannot listen");
        loop_free(m->loop);
        mem_free(m);
        return NULL;
    }
    return m;
}

static void give_signal(void *node, const char *name)
{
    struct mirror *m = node;

    m->stopped = strcmp(name, "term") == 0;
}

static int exit_code(void *node)
{
    return ((struct mirror *)node)->stopped ? 0 : -1;
}

static bool metric(void *node, const char *name, double *ret_value)
{
    if (strcmp(name, "mirror_bytes") != 0)
        return false;
    *ret_value = (double)((struct mirror *)node)->bytes;
    return true;
}

static bool control(void *node, const char *words, struct byteq *out)
{
    byteq_append(out, slice_from(words));
    return strcmp(words, "refuse") != 0;
}

static void free_mirror(void *node)
{
    struct mirror *m = node;

    LIST_WALK(n, &m->conns)
    conn_close(LIST_ENTRY(n, struct image, node)->conn);
    world_advance(world_current(), 10);
    listener_close(m->listener);
    loop_free(m->loop);
    mem_free(m);
}

const struct adapter mirror_adapter = {start,   give_signal, exit_code,  metric,
                                       control, NULL,        free_mirror};
