#include "sim/talk.h"

#include "unit/test.h"

void pair_init(struct pair *p, uint64_t seed)
{
    bed_init(&p->bed);
    p->w = world_new(seed);
    p->a = world_host(p->w, "a", "10.0.0.1 fd00::1");
    p->b = world_host(p->w, "b", "10.0.0.2 fd00::2");
    world_use_host(p->w, p->a);
    p->la = loop_new(&p->bed.counters, &p->bed.sink);
    world_use_host(p->w, p->b);
    p->lb = loop_new(&p->bed.counters, &p->bed.sink);
}

void pair_fini(struct pair *p)
{
    loop_free(p->la);
    loop_free(p->lb);
    world_free(p->w);
    bed_fini(&p->bed);
}

void end_want(struct end *e)
{
    if (e->sock)
        sock_want(e->sock, !e->mute && !e->ended && !e->broken, byteq_len(&e->out) && !e->broken);
}

static void on_connected(void *arg, enum err err)
{
    struct end *e = arg;

    e->connect_called = true;
    e->connected = err;
    end_want(e);
}

static void on_readable(void *arg)
{
    struct end *e = arg;
    char buf[4096];
    size_t n;
    enum err err = sock_read(e->sock, buf, sizeof(buf), &n);

    if (!err) {
        byteq_append(&e->in, slice_make(buf, n));
        e->reads++;
    } else if (err == ERR_EOF) {
        e->ended = true;
    } else if (err != ERR_AGAIN) {
        e->broken = err;
    }
    end_want(e);
}

static void on_writable(void *arg)
{
    struct end *e = arg;
    size_t n = 0;
    enum err err = sock_write(e->sock, byteq_slice(&e->out), &n);

    if (!err)
        byteq_take(&e->out, n);
    else if (err != ERR_AGAIN)
        e->broken = err;
    end_want(e);
}

const struct sock_handler end_handler = {on_connected, on_readable, on_writable};

void end_fini(struct end *e)
{
    if (e->sock)
        sock_close(e->sock, false);
    e->sock = NULL;
    byteq_fini(&e->in);
    byteq_fini(&e->out);
}

void end_say(struct end *e, const char *text)
{
    byteq_append(&e->out, slice_from(text));
    end_want(e);
}

static void on_accept(void *arg, int fd, const struct addr *peer)
{
    struct talk *t = arg;

    CHECK(!t->b.sock);
    CHECK_EQ(sock_adopt(t->pair.lb, fd, &end_handler, &t->b, &t->b.sock), OK);
    end_want(&t->b);
}

struct addr talk_addr(const char *text)
{
    struct addr a;

    CHECK_EQ(addr_parse(slice_from(text), 0, &a), OK);
    return a;
}

void talk_init(struct talk *t, uint64_t seed)
{
    memset(t, 0, sizeof(*t));
    pair_init(&t->pair, seed);
}

void talk_dial(struct talk *t, const char *at, const char *to)
{
    struct addr where = talk_addr(at);
    struct addr goal = talk_addr(to);

    CHECK_EQ(listener_open(t->pair.lb, &where, -1, on_accept, t, &t->listener), OK);
    CHECK_EQ(sock_dial(t->pair.la, &goal, NULL, &end_handler, &t->a, &t->a.sock), OK);
}

void talk_open(struct talk *t, uint64_t seed, const char *at, const char *to)
{
    talk_init(t, seed);
    talk_dial(t, at, to);
}

void talk_close(struct talk *t)
{
    end_fini(&t->a);
    end_fini(&t->b);
    if (t->listener)
        listener_close(t->listener);
    pair_fini(&t->pair);
}

bool talk_is_up(void *arg)
{
    struct talk *t = arg;

    return t->a.connect_called && t->b.sock;
}

void talk_start(struct talk *t, uint64_t seed)
{
    talk_open(t, seed, "10.0.0.2:5269", "10.0.0.2:5269");
    CHECK(world_run_until(t->pair.w, talk_is_up, t, 1000));
    CHECK_EQ(t->a.connected, OK);
}

void end_fill(struct end *e, size_t n)
{
    char block[1000];

    memset(block, 'x', sizeof(block));
    for (size_t i = 0; i < n; i += sizeof(block))
        byteq_append(&e->out, slice_make(block, sizeof(block)));
    end_want(e);
}
