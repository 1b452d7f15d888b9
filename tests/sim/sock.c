#include "loop/sock.h"

#include "base/mem.h"
#include "sim/simloop.h"

struct sock {
    struct source source;
    struct tcp *tcp; /* NULL: its process died */
    const struct sock_handler *handler;
    void *arg;
    bool dialling;
    bool want_read;
    bool want_write;
};

static bool wants_turn(const struct sock *s)
{
    if (!s->tcp)
        return false;
    if (s->dialling)
        return tcp_is_up(s->tcp) || tcp_error(s->tcp);
    return (s->want_read && tcp_readable(s->tcp)) || (s->want_write && tcp_writable(s->tcp));
}

static void look(struct sock *s)
{
    if (!s->source.closed && wants_turn(s))
        source_ready(&s->source);
}

static void kernel_says(void *arg)
{
    look(arg);
}

static void finish_dial(struct sock *s)
{
    s->dialling = false;
    s->handler->connected(s->arg, tcp_error(s->tcp));
}

static void deliver(struct source *source)
{
    struct sock *s = (struct sock *)source;

    if (!wants_turn(s))
        return;
    if (s->dialling) {
        finish_dial(s);
        look(s);
        return;
    }
    if (s->want_read && tcp_readable(s->tcp))
        s->handler->readable(s->arg);
    if (!source->closed && s->want_write && tcp_writable(s->tcp))
        s->handler->writable(s->arg);
    look(s); /* level */
}

static void detach(struct source *source)
{
    ((struct sock *)source)->tcp = NULL;
}

static struct sock *make(struct loop *l, struct tcp *t, const struct sock_handler *h, void *arg)
{
    struct sock *s = MEM_NEW(struct sock);

    s->tcp = t;
    s->handler = h;
    s->arg = arg;
    source_open(&s->source, l, deliver, detach);
    tcp_notify(t, kernel_says, s);
    return s;
}

enum err sock_dial(struct loop *l, const struct addr *to, const struct addr *local,
                   const struct sock_handler *h, void *arg, struct sock **ret_sock)
{
    struct tcp *t;
    enum err e;

    if (!host_has_descriptor(l->host))
        return ERR_DESCRIPTORS;
    t = tcp_dial(l->host, l, to, local);
    e = tcp_error(t);
    if (e) {
        tcp_close(t, false);
        return e;
    }
    *ret_sock = make(l, t, h, arg);
    (*ret_sock)->dialling = true;
    return OK;
}

enum err sock_dial_unix(struct loop *l, const char *path, const struct sock_handler *h, void *arg,
                        struct sock **ret_sock)
{
    return ERR_UNSUPPORTED;
}

enum err sock_adopt(struct loop *l, int fd, const struct sock_handler *h, void *arg,
                    struct sock **ret_sock)
{
    struct tcp *t = tcp_of_fd(l->world, fd);

    if (!t)
        return ERR_CLOSED;
    tcp_set_owner(t, l);
    *ret_sock = make(l, t, h, arg);
    return OK;
}

void sock_want(struct sock *s, bool read, bool write)
{
    s->want_read = read;
    s->want_write = write;
    look(s);
}

enum err sock_read(struct sock *s, char *buf, size_t room, size_t *ret_n)
{
    return s->tcp ? tcp_read(s->tcp, buf, room, ret_n) : ERR_RESET;
}

enum err sock_write(struct sock *s, struct slice bytes, size_t *ret_n)
{
    struct loop *l = s->source.loop;
    enum err e = s->tcp ? tcp_write(s->tcp, bytes, ret_n) : ERR_RESET;

    if (!e && l->world->wrote)
        l->world->wrote(l->world->wrote_arg, l->host, tcp_local(s->tcp), tcp_peer(s->tcp));
    return e;
}

uint64_t sock_unacked(struct sock *s)
{
    return s->tcp ? tcp_unacked(s->tcp) : 0;
}

uint64_t sock_unread(struct sock *s)
{
    return s->tcp ? tcp_unread(s->tcp) : 0;
}

enum err sock_broken(struct sock *s)
{
    return s->tcp ? tcp_error(s->tcp) : ERR_RESET;
}

bool sock_shutdown_write(struct sock *s)
{
    if (!s->tcp || tcp_error(s->tcp))
        return false;
    tcp_shutdown(s->tcp);
    return true;
}

void sock_addrs(struct sock *s, struct addr *ret_local, struct addr *ret_peer)
{
    static const struct addr none;

    *ret_local = s->tcp ? *tcp_local(s->tcp) : none;
    *ret_peer = s->tcp ? *tcp_peer(s->tcp) : none;
}

int sock_release(struct sock *s)
{
    int fd = -1;

    if (s->tcp) {
        tcp_notify(s->tcp, NULL, NULL);
        fd = tcp_fd(s->tcp);
        s->tcp = NULL;
    }
    source_close(&s->source);
    return fd;
}

void sock_close(struct sock *s, bool reset)
{
    if (s->tcp) {
        tcp_notify(s->tcp, NULL, NULL);
        tcp_close(s->tcp, reset);
        s->tcp = NULL;
    }
    source_close(&s->source);
}
