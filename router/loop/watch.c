#include "loop/watch.h"
#include "loop/uv_loop.h"

#include "base/mem.h"

struct watch {
    uv_poll_t poll;
    void (*ready)(void *arg);
    void *arg;
    int events;
    bool closed;
};

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *w = poll->data;

    w->ready(w->arg);
    if (!w->closed && status < 0) /* libuv stops at an error; its owner sees it and closes us */
        uv_poll_start(&w->poll, w->events, on_poll);
}

struct watch *watch_open(struct loop *l, int fd, bool read, bool write, void (*ready)(void *arg),
                         void *arg)
{
    struct watch *w = MEM_NEW(struct watch);
    int e = uv_poll_init(loop_uv(l), &w->poll, fd);

    assert(e == 0); /* a descriptor that epoll takes, watched once */
    w->poll.data = w;
    w->ready = ready;
    w->arg = arg;
    w->events = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
    uv_poll_start(&w->poll, w->events, on_poll);
    return w;
}

static void on_closed(uv_handle_t *poll)
{
    mem_free(poll->data);
}

void watch_close(struct watch *w)
{
    w->closed = true;
    uv_close((uv_handle_t *)&w->poll, on_closed);
}
