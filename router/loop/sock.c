#include "loop/sock.h"
#include "loop/uv_loop.h"

#include "base/mem.h"

#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/un.h>
#include <unistd.h>

struct sock {
    uv_poll_t poll;
    struct loop *loop;
    const struct sock_handler *handler;
    void *arg;
    int fd;    /* -1 once closed; `poll` takes one turn more */
    int want;  /* of UV_READABLE, UV_WRITABLE */
    int armed; /* what libuv watches for now */
    bool dialing;
};

static void on_poll(uv_poll_t *poll, int status, int events);

/* Nothing wanted is nothing watched: a hang-up is reported always, and would spin. */
static void arm(struct sock *s)
{
    int events = s->dialing ? UV_WRITABLE : s->want;

    if (events == s->armed)
        return;
    s->armed = events;
    if (events)
        uv_poll_start(&s->poll, events, on_poll);
    else
        uv_poll_stop(&s->poll);
}

enum err sock_broken(struct sock *s)
{
    int err_no = 0;
    socklen_t size = sizeof(err_no);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &err_no, &size))
        err_no = errno;
    return err_from_errno(err_no);
}

static void end_dial(struct sock *s)
{
    s->dialing = false;
    arm(s);
    s->handler->connected(s->arg, sock_broken(s));
}

static void tell(struct sock *s, int events)
{
    if (s->dialing) {
        end_dial(s);
        return;
    }
    if (events & s->want & UV_READABLE)
        s->handler->readable(s->arg);
    if (s->fd >= 0 && (events & s->want & UV_WRITABLE))
        s->handler->writable(s->arg);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct sock *s = poll->data;

    if (s->fd < 0)
        return;
    if (status < 0) {
        /* The socket is broken and libuv has stopped watching; reading and writing say how, after
         * what had arrived before. */
        s->armed = 0;
        events = UV_READABLE | UV_WRITABLE;
    }
    tell(s, events);
    if (s->fd >= 0)
        arm(s);
}

static void set_options(int fd)
{
    int on = 1;
    unsigned ms = SOCK_USER_TIMEOUT_MS;

    /* A refusal harms nothing but speed; a socket that is not TCP has neither. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

enum err sock_adopt(struct loop *l, int fd, const struct sock_handler *h, void *arg,
                    struct sock **ret_sock)
{
    struct sock *s = MEM_NEW(struct sock);
    int e = uv_poll_init(loop_uv(l), &s->poll, fd); /* makes it non-blocking, too */

    if (e) {
        close(fd);
        mem_free(s);
        return err_from_errno(-e);
    }
    set_options(fd);
    s->poll.data = s;
    s->loop = l;
    s->handler = h;
    s->arg = arg;
    s->fd = fd;
    *ret_sock = s;
    return OK;
}

static enum err start_connect(int fd, const struct addr *to, const struct addr *local)
{
    int on = 1;

    if (local) {
        /* The port is chosen at connect: one local port may then serve many destinations. */
        (void)setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
        if (bind(fd, &local->sa, addr_size(local)))
            return err_from_errno(errno);
    }
    if (connect(fd, &to->sa, addr_size(to)) && errno != EINPROGRESS)
        return err_from_errno(errno);
    return OK;
}

/* Takes `fd`. */
static enum err await_connect(struct loop *l, int fd, const struct sock_handler *h, void *arg,
                              struct sock **ret_sock)
{
    struct sock *s;
    enum err e = sock_adopt(l, fd, h, arg, &s);

    if (e)
        return e;
    s->dialing = true;
    arm(s);
    *ret_sock = s;
    return OK;
}

enum err sock_dial(struct loop *l, const struct addr *to, const struct addr *local,
                   const struct sock_handler *h, void *arg, struct sock **ret_sock)
{
    int fd = socket(to->sa.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    enum err e;

    if (fd < 0)
        return err_from_errno(errno);
    e = start_connect(fd, to, local);
    if (e) {
        close(fd);
        return e;
    }
    return await_connect(l, fd, h, arg, ret_sock);
}

/* A Unix socket connects at once or not at all: EAGAIN says that its queue is full. */
enum err sock_dial_unix(struct loop *l, const char *path, const struct sock_handler *h, void *arg,
                        struct sock **ret_sock)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    int fd;

    if (!slice_to_cstr(slice_from(path), to.sun_path, sizeof(to.sun_path)))
        return ERR_LIMIT;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return err_from_errno(errno);
    if (connect(fd, (const struct sockaddr *)&to, sizeof(to))) {
        enum err e = errno == EAGAIN ? ERR_REFUSED : err_from_errno(errno);

        close(fd);
        return e;
    }
    return await_connect(l, fd, h, arg, ret_sock);
}

void sock_want(struct sock *s, bool read, bool write)
{
    s->want = (read ? UV_READABLE : 0) | (write ? UV_WRITABLE : 0);
    arm(s);
}

enum err sock_read(struct sock *s, char *buf, size_t room, size_t *ret_n)
{
    ssize_t n;

    do
        n = recv(s->fd, buf, room, MSG_DONTWAIT);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_from_errno(errno);
    if (n == 0)
        return ERR_EOF;
    *ret_n = (size_t)n;
    return OK;
}

enum err sock_write(struct sock *s, struct slice bytes, size_t *ret_n)
{
    ssize_t n;

    assert(bytes.len > 0);
    do
        n = send(s->fd, bytes.ptr, bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_from_errno(errno);
    *ret_n = (size_t)n;
    return OK;
}

static uint64_t ask_kernel(struct sock *s, unsigned long what)
{
    int n = 0;

    if (ioctl(s->fd, what, &n) || n < 0)
        return 0;
    return (uint64_t)n;
}

uint64_t sock_unacked(struct sock *s)
{
    return ask_kernel(s, SIOCOUTQ);
}

uint64_t sock_unread(struct sock *s)
{
    return ask_kernel(s, SIOCINQ);
}

bool sock_shutdown_write(struct sock *s)
{
    return shutdown(s->fd, SHUT_WR) == 0;
}

void sock_addrs(struct sock *s, struct addr *ret_local, struct addr *ret_peer)
{
    socklen_t size = sizeof(*ret_local);

    memset(ret_local, 0, sizeof(*ret_local));
    memset(ret_peer, 0, sizeof(*ret_peer));
    (void)getsockname(s->fd, &ret_local->sa, &size); /* zeroes: family unspecified */
    size = sizeof(*ret_peer);
    (void)getpeername(s->fd, &ret_peer->sa, &size);
    if (ret_peer->sa.sa_family == AF_UNIX) { /* paths are no addresses */
        memset(ret_local, 0, sizeof(*ret_local));
        memset(ret_peer, 0, sizeof(*ret_peer));
    }
}

static void on_closed(uv_handle_t *poll)
{
    mem_free(poll->data);
}

int sock_release(struct sock *s)
{
    int fd = s->fd;

    assert(fd >= 0);
    uv_close((uv_handle_t *)&s->poll, on_closed);
    s->fd = -1;
    return fd;
}

void sock_close(struct sock *s, bool reset)
{
    struct linger at_once = {1, 0};

    assert(s->fd >= 0);
    uv_close((uv_handle_t *)&s->poll, on_closed); /* first: it forgets the descriptor */
    if (reset)
        (void)setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    close(s->fd);
    s->fd = -1;
}
