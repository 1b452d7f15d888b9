#include "loop/dgram.h"
#include "loop/uv_loop.h"

#include "base/mem.h"

#include <errno.h>
#include <unistd.h>

/* Packets taken at one event: a flood of forged answers must not starve the loop. */
#define RECV_BATCH 32

struct dgram {
    uv_poll_t poll;
    struct addr to;
    dgram_recv_fn *recv;
    void (*failed)(void *arg, enum err e);
    void *arg;
    char *buf; /* the loop's: content lasts until the next event */
    int fd;    /* -1 once closed */
};

/* False: nothing more for now. */
static bool recv_one(struct dgram *d)
{
    ssize_t n = recv(d->fd, d->buf, LOOP_SCRATCH_BYTES, MSG_DONTWAIT);

    if (n >= 0)
        d->recv(d->arg, slice_make(d->buf, (size_t)n), &d->to);
    else if (errno != EAGAIN && errno != EINTR)
        d->failed(d->arg, err_from_errno(errno)); /* an ICMP error, once each */
    return d->fd >= 0 && (n >= 0 || errno == EINTR);
}

static void watch(struct dgram *d);

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct dgram *d = poll->data;

    for (int i = 0; i < RECV_BATCH && recv_one(d); i++)
        ;
    if (d->fd >= 0 && status < 0)
        watch(d); /* libuv stops at an ICMP error */
}

static void watch(struct dgram *d)
{
    uv_poll_start(&d->poll, UV_READABLE, on_poll);
}

static enum err open_socket(const struct addr *to, int *ret_fd)
{
    int fd = socket(to->sa.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return err_from_errno(errno);
    if (connect(fd, &to->sa, addr_size(to))) {
        enum err e = err_from_errno(errno);

        close(fd);
        return e;
    }
    *ret_fd = fd;
    return OK;
}

enum err dgram_open(struct loop *l, const struct addr *to, dgram_recv_fn *recv,
                    void (*failed)(void *arg, enum err e), void *arg, struct dgram **ret_dgram)
{
    struct dgram *d;
    int fd = -1, uv;
    enum err e = open_socket(to, &fd);

    if (e)
        return e;
    d = MEM_NEW(struct dgram);
    uv = uv_poll_init(loop_uv(l), &d->poll, fd);
    if (uv) {
        close(fd);
        mem_free(d);
        return err_from_errno(-uv);
    }
    d->poll.data = d;
    d->to = *to;
    d->recv = recv;
    d->failed = failed;
    d->arg = arg;
    d->buf = loop_scratch(l);
    d->fd = fd;
    watch(d);
    *ret_dgram = d;
    return OK;
}

enum err dgram_send(struct dgram *d, struct slice packet)
{
    if (send(d->fd, packet.ptr, packet.len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        return err_from_errno(errno);
    return OK;
}

static void on_closed(uv_handle_t *poll)
{
    mem_free(poll->data);
}

void dgram_close(struct dgram *d)
{
    uv_close((uv_handle_t *)&d->poll, on_closed);
    close(d->fd);
    d->fd = -1;
}
