#include "loop/listener.h"
#include "loop/timer.h"
#include "loop/uv_loop.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* The kernel cuts it to net.core.somaxconn: after a restart all peers dial at once. */
#define BACKLOG 4096
/* Accepted at one event: a flood of connections must not starve those that are open. */
#define ACCEPT_BATCH 64
/* Out of descriptors, reserve and all: look again then, for the event would come without end. */
#define REST_MS 100

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    listener_accept_fn *accept;
    void *arg;
    struct timer rest;
    int fd;      /* -1 once closed */
    int reserve; /* a descriptor kept to refuse with; -1: spent */
    bool paused;
};

static void on_poll(uv_poll_t *poll, int status, int events);

static void arm(struct listener *ln)
{
    if (ln->paused || timer_running(&ln->rest))
        uv_poll_stop(&ln->poll);
    else
        uv_poll_start(&ln->poll, UV_READABLE, on_poll);
}

static void refill_reserve(struct listener *ln)
{
    if (ln->reserve < 0)
        ln->reserve = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void take_rest(struct listener *ln)
{
    timer_start(&ln->rest, REST_MS);
    arm(ln);
}

static void on_rested(struct timer *t)
{
    struct listener *ln = LIST_ENTRY(t, struct listener, rest);

    refill_reserve(ln);
    arm(ln);
}

static int accept_one(struct listener *ln, struct addr *ret_peer)
{
    socklen_t size = sizeof(*ret_peer);

    memset(ret_peer, 0, sizeof(*ret_peer));
    return accept4(ln->fd, &ret_peer->sa, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* Out of descriptors: the reserve is spent on taking the connection from the queue. */
static void refuse_one(struct listener *ln)
{
    struct addr peer;
    int fd;

    if (ln->reserve >= 0)
        close(ln->reserve);
    ln->reserve = -1;
    fd = accept_one(ln, &peer);
    if (fd >= 0) {
        listener_drop(fd, true);
        counter_add(loop_counters(ln->loop), COUNTER_REFUSED_DESCRIPTORS, 1);
    }
    refill_reserve(ln);
    if (fd < 0 || ln->reserve < 0)
        take_rest(ln); /* another thread was quicker */
}

/* False: enough for this event. */
static bool accept_next(struct listener *ln)
{
    struct addr peer;
    int fd = accept_one(ln, &peer);

    if (fd >= 0) {
        ln->accept(ln->arg, fd, &peer);
        return ln->fd >= 0 && !ln->paused;
    }
    switch (errno) {
    case EMFILE:
    case ENFILE:
        refuse_one(ln);
        return !timer_running(&ln->rest);
    case ENOMEM:
    case ENOBUFS:
        take_rest(ln);
        return false;
    case EAGAIN:
        return false;
    default: /* of the connection, not of the listener: accept(2), "Error handling" */
        return true;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct listener *ln = poll->data;

    for (int i = 0; i < ACCEPT_BATCH; i++)
        if (!accept_next(ln))
            break;
}

static enum err bind_and_listen(int fd, const struct addr *at)
{
    int on = 1;
    int off = 0;

    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (at->sa.sa_family == AF_INET6) /* [::] takes IPv4 too, whatever the machine's default */
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
    if (bind(fd, &at->sa, addr_size(at)) || listen(fd, BACKLOG))
        return err_from_errno(errno);
    return OK;
}

static enum err open_socket(const struct addr *at, int *ret_fd)
{
    int fd = socket(at->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum err e;

    if (fd < 0)
        return err_from_errno(errno);
    e = bind_and_listen(fd, at);
    if (e) {
        close(fd);
        return e;
    }
    *ret_fd = fd;
    return OK;
}

enum err listener_open(struct loop *l, const struct addr *at, int fd, listener_accept_fn *accept,
                       void *arg, struct listener **ret_listener)
{
    struct listener *ln;
    enum err e = fd < 0 ? open_socket(at, &fd) : OK;
    int uv;

    if (e)
        return e;
    ln = MEM_NEW(struct listener);
    uv = uv_poll_init(loop_uv(l), &ln->poll, fd);
    if (uv) {
        close(fd);
        mem_free(ln);
        return err_from_errno(-uv);
    }
    ln->poll.data = ln;
    ln->loop = l;
    ln->accept = accept;
    ln->arg = arg;
    ln->fd = fd;
    ln->reserve = -1;
    refill_reserve(ln);
    timer_init(&ln->rest, l, on_rested);
    arm(ln);
    *ret_listener = ln;
    return OK;
}

void listener_addr(const struct listener *ln, struct addr *ret_addr)
{
    socklen_t size = sizeof(*ret_addr);

    memset(ret_addr, 0, sizeof(*ret_addr));
    (void)getsockname(ln->fd, &ret_addr->sa, &size);
}

void listener_pause(struct listener *ln, bool paused)
{
    if (ln->paused == paused)
        return;
    ln->paused = paused;
    arm(ln);
}

static void on_closed(uv_handle_t *poll)
{
    mem_free(poll->data);
}

void listener_close(struct listener *ln)
{
    timer_stop(&ln->rest);
    uv_close((uv_handle_t *)&ln->poll, on_closed);
    close(ln->fd);
    ln->fd = -1;
    if (ln->reserve >= 0)
        close(ln->reserve);
}

void listener_drop(int fd, bool reset)
{
    struct linger at_once = {1, 0};

    if (reset)
        (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(fd);
}
