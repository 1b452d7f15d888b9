#include "node/doorstep.h"

#include "base/list.h"
#include "loop/listener.h"
#include "loop/sock.h"
#include "loop/timer.h"
#include "wire/frame.h"

struct step {
    struct list node;
    struct listener *listener;
    struct doorstep *door;
};

/* A connection whose preface is being read. */
struct caller {
    struct list node;
    struct doorstep *door;
    struct sock *sock;
    struct addr peer;
    struct timer deadline;
    size_t have;
    char bytes[FRAME_PREFACE_MAX];
};

struct doorstep {
    struct loop *loop;
    doorstep_fn *hand_over;
    void *arg;
    struct list steps;
    struct list callers;
    size_t caller_count;
    struct log_limit log;
};

static void leave(struct caller *c)
{
    timer_stop(&c->deadline);
    list_remove(&c->node);
    c->door->caller_count--;
    mem_free(c);
}

static void refuse(struct caller *c, const char *reason)
{
    struct doorstep *d = c->door;
    char text[ADDR_TEXT_MAX];
    uint64_t swallowed;

    if (log_limit_pass(&d->log, loop_now_ms(d->loop), &swallowed))
        LOG(loop_log(d->loop), LOG_WARN, "mesh.refused",
            LOG_TEXT("peer", addr_format_ip(&c->peer, text)), LOG_TEXT("reason", reason),
            LOG_INT("suppressed", swallowed));
    else
        counter_add(loop_counters(d->loop), COUNTER_LOG_SUPPRESSED, 1);
    sock_close(c->sock, true);
    leave(c);
}

static void enter(struct caller *c, struct slice name)
{
    struct doorstep *d = c->door;

    d->hand_over(d->arg, sock_release(c->sock), &c->peer, name);
    leave(c);
}

/* Never a byte more than the preface surely has: what follows is TLS. */
static void on_readable(void *arg)
{
    struct caller *c = arg;
    struct slice name;
    size_t want, n;
    enum err e;

    while ((e = frame_preface_parse(slice_make(c->bytes, c->have), &name, &want)) == ERR_AGAIN) {
        e = sock_read(c->sock, c->bytes + c->have, want - c->have, &n);
        if (e == ERR_AGAIN)
            return;
        if (e) {
            refuse(c, "ended before it said which node it is");
            return;
        }
        c->have += n;
    }
    if (e)
        refuse(c, "does not speak as a node does");
    else
        enter(c, name);
}

static void on_deadline(struct timer *t)
{
    refuse(LIST_ENTRY(t, struct caller, deadline), "did not say in time which node it is");
}

static const struct sock_handler handler = {.readable = on_readable};

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    struct doorstep *d = ((struct step *)arg)->door;
    struct caller *c;

    if (d->caller_count >= DOORSTEP_WAITING_MAX) {
        listener_drop(fd, true);
        return;
    }
    c = MEM_NEW(struct caller);
    c->door = d;
    c->peer = *peer;
    if (sock_adopt(d->loop, fd, &handler, c, &c->sock)) {
        mem_free(c);
        return;
    }
    timer_init(&c->deadline, d->loop, on_deadline);
    timer_start(&c->deadline, DOORSTEP_MS);
    list_push(&d->callers, &c->node);
    d->caller_count++;
    sock_want(c->sock, true, false);
}

/* --- life --- */

struct doorstep *doorstep_new(struct loop *steward, doorstep_fn *hand_over, void *arg)
{
    struct doorstep *d = MEM_NEW(struct doorstep);

    d->loop = steward;
    d->hand_over = hand_over;
    d->arg = arg;
    list_init(&d->steps);
    list_init(&d->callers);
    log_limit_init(&d->log, 10, 1, loop_now_ms(steward));
    return d;
}

enum err doorstep_listen(struct doorstep *d, const struct addr *at, int fd)
{
    struct step *s = MEM_NEW(struct step);
    enum err e = listener_open(d->loop, at, fd, on_accept, s, &s->listener);

    if (e) {
        mem_free(s);
        return e;
    }
    s->door = d;
    list_push(&d->steps, &s->node);
    return OK;
}

void doorstep_shut(struct doorstep *d)
{
    LIST_WALK(node, &d->steps)
    {
        struct step *s = LIST_ENTRY(node, struct step, node);

        list_remove(&s->node);
        listener_close(s->listener);
        mem_free(s);
    }
    LIST_WALK(caller, &d->callers)
    {
        struct caller *c = LIST_ENTRY(caller, struct caller, node);

        sock_close(c->sock, true);
        leave(c);
    }
}

void doorstep_free(struct doorstep *d)
{
    doorstep_shut(d);
    mem_free(d);
}
