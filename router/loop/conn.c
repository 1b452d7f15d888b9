#include "loop/conn_inner.h"

#include "base/mem.h"

/* Read and thrown away before a close: a kernel with unread bytes answers a close by RST, and the
 * peer would never see our last words. Whoever keeps on sending gets it nonetheless. */
#define DISCARD_BYTES 262144

static void run_work(struct task *t);

/* --- life ------------------------------------------------------------------------------------ */

static bool reading(const struct conn *c)
{
    if (c->life != CONN_ALIVE || c->input_ended || c->transport == CONN_DIALING)
        return false;
    if (list_linked(&c->shaking))
        return false;
    return !c->paused || c->transport == CONN_SHAKING;
}

void conn_update_want(struct conn *c)
{
    sock_want(c->sock, reading(c), c->life == CONN_ALIVE && c->blocked);
}

static struct conn *make(struct loop *l, const struct conn_handler *h, void *arg)
{
    struct conn *c = MEM_NEW(struct conn);

    assert(h->data && h->closed);
    c->loop = l;
    c->handler = h;
    c->arg = arg;
    byteq_init(&c->plain);
    byteq_init(&c->held);
    task_init(&c->flush, conn_run_flush);
    task_init(&c->work, run_work);
    list_init(&c->watched);
    list_init(&c->shaking);
    list_init(&c->plenty);
    return c;
}

static void destroy(struct conn *c)
{
    list_remove(&c->watched);
    list_remove(&c->shaking);
    list_remove(&c->plenty);
    task_cancel(&c->flush);
    task_cancel(&c->work);
    byteq_fini(&c->plain);
    byteq_fini(&c->held);
    ackmap_fini(&c->marks);
    tls_free(c->tls);
    mem_free(c);
}

/* The only ways to `closed`: at once, or after the rest of the peer's bytes. */
static void begin_close(struct conn *c, enum err why)
{
    if (c->life == CONN_CLOSING)
        return;
    c->life = CONN_CLOSING;
    c->why = why;
    conn_update_want(c);
    task_cancel(&c->work); /* it may wait as a deferred one */
    loop_post(c->loop, &c->work);
}

void conn_die(struct conn *c, enum err why)
{
    if (c->life != CONN_ALIVE)
        return;
    if (c->transport == CONN_SHAKING)
        counter_add(loop_counters(c->loop), COUNTER_TLS_FAILED, 1);
    c->life = CONN_DYING;
    c->why = why;
    conn_update_want(c);
    task_cancel(&c->work);
    loop_defer(c->loop, &c->work);
}

/* Both directions ended and the peer's kernel has everything: nothing is left to wait for. */
void conn_close_if_done(struct conn *c)
{
    if (c->life == CONN_ALIVE && c->output == OUT_FINISHED && c->input_ended &&
        !sock_unacked(c->sock))
        begin_close(c, OK);
}

/* --- in -------------------------------------------------------------------------------------- */

static struct conn_pool *pool_of(struct conn *c)
{
    struct conn_pool *p = loop_conns(c->loop);

    if (!p->cipher) {
        p->cipher = mem_alloc(CONN_READ_BYTES);
        p->plain = mem_alloc(CONN_READ_BYTES);
    }
    return p;
}

/* How much may be delivered now. */
static size_t appetite(const struct conn *c)
{
    if (c->draining)
        return c->drain_left;
    if (c->life == CONN_CLOSING || (c->life == CONN_ALIVE && c->paused))
        return 0;
    return SIZE_MAX;
}

static void deliver(struct conn *c, struct slice plain)
{
    if (c->draining)
        c->drain_left -= plain.len < c->drain_left ? plain.len : c->drain_left;
    c->handler->data(c->arg, plain);
}

static void end_input(struct conn *c)
{
    if (c->input_ended)
        return;
    c->input_ended = true;
    conn_update_want(c);
    if (conn_telling(c) && c->handler->ended)
        c->handler->ended(c->arg);
    conn_close_if_done(c);
    conn_watch(c);
}

/* OK: SECURE from now on. */
static enum err shake(struct conn *c)
{
    enum err e = tls_handshake(c->tls);

    loop_defer(c->loop, &c->flush); /* there may be something to send, an alert perhaps */
    if (e)
        return e;
    counter_add(loop_counters(c->loop), COUNTER_TLS_OK, 1);
    c->transport = CONN_SECURE;
    conn_update_want(c);
    if (conn_telling(c) && c->handler->secured)
        c->handler->secured(c->arg);
    return OK;
}

/* Decrypts into the loop's buffer until it is full or nothing is left. */
static enum err decrypt(struct conn *c, size_t room, size_t *ret_n)
{
    char *buf = pool_of(c)->plain;
    size_t n;
    enum err e = OK;

    *ret_n = 0;
    if (room > CONN_READ_BYTES)
        room = CONN_READ_BYTES;
    while (!e && *ret_n < room) {
        e = tls_read(c->tls, buf + *ret_n, room - *ret_n, &n);
        if (!e)
            *ret_n += n;
    }
    return e;
}

static enum err pump_tls(struct conn *c)
{
    enum err e = c->transport == CONN_SHAKING ? shake(c) : OK;
    size_t n;

    while (!e && appetite(c) > 0) {
        e = decrypt(c, appetite(c), &n);
        if (n > 0)
            deliver(c, slice_make(pool_of(c)->plain, n));
    }
    if (byteq_len(tls_output(c->tls)) > 0)
        loop_defer(c->loop, &c->flush); /* an answer of TLS itself */
    tls_keep(c->tls);
    return e;
}

static void pump_held(struct conn *c)
{
    struct byteq held = c->held;

    if (byteq_len(&held) == 0 || appetite(c) == 0)
        return;
    byteq_init(&c->held);
    deliver(c, byteq_slice(&held));
    byteq_fini(&held);
}

/* Delivers what was read already, as far as the owner wants it. */
static enum err pump(struct conn *c)
{
    enum err e = OK;

    if (c->transport == CONN_CLEAR)
        pump_held(c);
    else if (c->tls && c->transport != CONN_DIALING)
        e = pump_tls(c);
    return e == ERR_AGAIN ? OK : e;
}

/* Whoever filled a whole share may have more. */
static void note_plenty(struct conn *c, size_t n)
{
    struct conn_pool *p = loop_conns(c->loop);

    if (n < CONN_READ_BYTES || c->life != CONN_ALIVE || list_linked(&c->plenty))
        return;
    if (list_empty(&p->plenty) && p->more_bytes == 0)
        p->more_from_us = loop_now_us(c->loop);
    list_push(&p->plenty, &c->plenty);
    loop_post(c->loop, &p->more);
    loop_defer(c->loop, &p->turn);
}

static enum err read_once(struct conn *c, size_t most)
{
    char *buf = pool_of(c)->cipher;
    size_t n;
    enum err e = sock_read(c->sock, buf, most < CONN_READ_BYTES ? most : CONN_READ_BYTES, &n);

    if (e)
        return e;
    pool_of(c)->moved_bytes += n;
    note_plenty(c, n);
    if (c->transport == CONN_CLEAR) {
        deliver(c, slice_make(buf, n));
        return OK;
    }
    tls_feed(c->tls, slice_make(buf, n));
    return pump(c);
}

/* What became of reading, for a connection that lives. */
static void after_input(struct conn *c, enum err e)
{
    if (!e || e == ERR_AGAIN || c->life != CONN_ALIVE)
        return;
    if (e == ERR_EOF && c->transport != CONN_SHAKING)
        end_input(c);
    else
        conn_die(c, e);
}

static bool turn_is_full(const struct conn_pool *p)
{
    return p->crowded || p->more_bytes >= CONN_MORE_BYTES ||
           loop_now_us(p->loop) - p->more_from_us >= CONN_MORE_US;
}

void conn_run_more(struct task *t)
{
    struct conn_pool *p = LIST_ENTRY(t, struct conn_pool, more);
    struct conn *c;

    if (list_empty(&p->plenty) || turn_is_full(p))
        return;
    c = LIST_FIRST(&p->plenty, struct conn, plenty);
    list_remove(&c->plenty);
    p->more_bytes += CONN_READ_BYTES;
    if (reading(c) && c->transport != CONN_SHAKING)
        after_input(c, read_once(c, CONN_READ_BYTES));
    loop_post(p->loop, t); /* behind what this read brought on its way */
}

void conn_run_turn(struct task *t)
{
    struct conn_pool *p = LIST_ENTRY(t, struct conn_pool, turn);

    while (!list_empty(&p->plenty))
        list_remove(p->plenty.next); /* the kernel will tell of them again */
    p->more_bytes = 0;
    p->crowded = false;
}

/* False: too many in this turn; it waits in the line. */
static bool may_shake(struct conn *c)
{
    struct conn_pool *p = loop_conns(c->loop);

    loop_defer(c->loop, &p->shake);
    if (p->shakes++ < CONN_SHAKES_A_TURN)
        return true;
    list_push(&p->shaking, &c->shaking);
    conn_update_want(c);
    return false;
}

static void on_readable(void *arg)
{
    struct conn *c = arg;

    if (reading(c) && (c->transport != CONN_SHAKING || may_shake(c)))
        after_input(c, read_once(c, CONN_READ_BYTES));
}

void conn_run_shakes(struct task *t)
{
    struct conn_pool *p = LIST_ENTRY(t, struct conn_pool, shake);

    for (p->shakes = 0; p->shakes < CONN_SHAKES_A_TURN && !list_empty(&p->shaking); p->shakes++) {
        struct conn *c = LIST_FIRST(&p->shaking, struct conn, shaking);

        list_remove(&c->shaking);
        conn_update_want(c);
        if (reading(c))
            after_input(c, read_once(c, CONN_READ_BYTES));
    }
    if (p->shakes > 0)
        loop_defer(p->loop, t);
}

static void on_writable(void *arg)
{
    struct conn *c = arg;

    loop_defer(c->loop, &c->flush);
}

/* For conn_drain_input: the owner may have closed since, which waits. */
static void drain(struct conn *c)
{
    enum err e;

    c->draining = true;
    e = pump(c);
    while (!e && c->drain_left > 0 && !c->input_ended)
        e = read_once(c, c->drain_left);
    c->draining = false;
    c->drain_left = 0;
    after_input(c, e);
}

/* One round of a broken connection's last bytes: a share a turn, like those of the living. */
static void last_bytes(struct conn *c)
{
    enum err e;

    conn_count_acks(c);
    conn_tell_progress(c);
    if (c->life != CONN_DYING)
        return;
    e = c->input_ended ? ERR_EOF : pump(c);
    if (!e && c->life == CONN_DYING)
        e = read_once(c, CONN_READ_BYTES);
    if (c->life != CONN_DYING)
        return;
    if (e)
        begin_close(c, c->why);
    else
        loop_defer(c->loop, &c->work);
}

/* --- the end --------------------------------------------------------------------------------- */

static void discard_input(struct conn *c)
{
    char *buf = pool_of(c)->cipher;
    size_t n = 0;

    for (size_t sum = 0; sum < DISCARD_BYTES; sum += n)
        if (sock_read(c->sock, buf, CONN_READ_BYTES, &n))
            return;
}

static void bury(struct conn *c)
{
    if (!c->reset && c->transport != CONN_DIALING) {
        conn_last_words(c);
        discard_input(c);
    }
    conn_count_acks(c);
    sock_close(c->sock, c->reset);
    list_remove(&c->watched);
    c->handler->closed(c->arg, c->why);
    destroy(c);
}

static void run_work(struct task *t)
{
    struct conn *c = LIST_ENTRY(t, struct conn, work);

    if (c->drain_left > 0)
        drain(c);
    if (c->life == CONN_CLOSING)
        bury(c);
    else if (c->life == CONN_DYING)
        last_bytes(c);
    else
        after_input(c, pump(c));
}

/* --- calls of the owner ---------------------------------------------------------------------- */

static void begin_clear(struct conn *c)
{
    c->transport = c->tls ? CONN_SHAKING : CONN_CLEAR;
    sock_addrs(c->sock, &c->local, &c->peer);
    conn_update_want(c);
    loop_defer(c->loop, &c->flush);
    loop_post(c->loop, &c->work);
}

static void on_connected(void *arg, enum err e)
{
    struct conn *c = arg;

    if (c->life != CONN_ALIVE)
        return;
    if (e) {
        begin_close(c, e);
        return;
    }
    begin_clear(c);
    if (c->handler->connected)
        c->handler->connected(c->arg);
}

static const struct sock_handler sock_handler = {on_connected, on_readable, on_writable};

enum err conn_dial(struct loop *l, const struct addr *to, const struct addr *local,
                   const struct conn_handler *h, void *arg, struct conn **ret_conn)
{
    struct conn *c = make(l, h, arg);
    enum err e = sock_dial(l, to, local, &sock_handler, c, &c->sock);

    if (e) {
        destroy(c);
        return e;
    }
    c->peer = *to;
    *ret_conn = c;
    return OK;
}

enum err conn_dial_unix(struct loop *l, const char *path, const struct conn_handler *h, void *arg,
                        struct conn **ret_conn)
{
    struct conn *c = make(l, h, arg);
    enum err e = sock_dial_unix(l, path, &sock_handler, c, &c->sock);

    if (e) {
        destroy(c);
        return e;
    }
    *ret_conn = c;
    return OK;
}

enum err conn_adopt(struct loop *l, int fd, const struct addr *peer, struct slice first,
                    const struct conn_handler *h, void *arg, struct conn **ret_conn)
{
    struct conn *c = make(l, h, arg);
    enum err e = sock_adopt(l, fd, &sock_handler, c, &c->sock);

    if (e) {
        destroy(c);
        return e;
    }
    byteq_append(&c->held, first);
    begin_clear(c);
    c->peer = *peer;
    *ret_conn = c;
    return OK;
}

void conn_start_tls(struct conn *c, struct tls *tls)
{
    assert(!c->tls);
    c->tls = tls;
    c->clear_left = byteq_len(&c->plain);
    conn_mark_clear(c);
    tls_feed(tls, byteq_slice(&c->held)); /* not delivered: TLS from the first byte on */
    tls_keep(tls);
    byteq_fini(&c->held);
    if (c->transport == CONN_CLEAR)
        c->transport = CONN_SHAKING;
    if (c->life != CONN_ALIVE)
        return;
    conn_update_want(c);
    loop_post(c->loop, &c->work);
}

struct tls *conn_tls(struct conn *c)
{
    return c->tls;
}

struct byteq *conn_out(struct conn *c)
{
    conn_lend(c, &c->plain);
    return &c->plain;
}

void conn_write(struct conn *c, struct slice plain)
{
    assert(c->output == OUT_OPEN || c->life != CONN_ALIVE);
    byteq_append(conn_out(c), plain);
    conn_touch(c);
}

void conn_touch(struct conn *c)
{
    if (conn_pending(c) > CONN_HIGH_BYTES && !c->full) {
        c->full = true;
        loop_conns(c->loop)->crowded = true;
        loop_defer(c->loop, &loop_conns(c->loop)->turn);
    }
    if (!c->blocked)
        loop_defer(c->loop, &c->flush);
}

uint64_t conn_written(const struct conn *c)
{
    return c->taken + byteq_len(&c->plain);
}

uint64_t conn_flushed(const struct conn *c)
{
    return c->flushed;
}

uint64_t conn_acked(const struct conn *c)
{
    return c->acked;
}

size_t conn_pending(const struct conn *c)
{
    return (size_t)(conn_written(c) - c->flushed);
}

void conn_pause(struct conn *c)
{
    c->paused = true;
    conn_update_want(c);
}

void conn_resume(struct conn *c)
{
    if (!c->paused)
        return;
    c->paused = false;
    conn_update_want(c);
    loop_post(c->loop, &c->work); /* what was read before the pause */
}

void conn_drain_input(struct conn *c, size_t most)
{
    if (c->life != CONN_ALIVE || c->draining || c->transport == CONN_DIALING)
        return;
    c->drain_left = most;
    loop_post(c->loop, &c->work);
}

void conn_set_deadline(struct conn *c, const _Atomic uint64_t *boot_ms)
{
    c->deadline = boot_ms;
}

void conn_finish(struct conn *c)
{
    if (c->output != OUT_OPEN)
        return;
    c->output = OUT_FINISHING;
    loop_defer(c->loop, &c->flush);
}

static void close_by_owner(struct conn *c, bool reset)
{
    if (c->draining)
        c->drain_left = 0; /* closed by the one who is being told */
    if (c->life == CONN_CLOSING)
        return;
    c->reset = reset;
    begin_close(c, OK);
}

void conn_close(struct conn *c)
{
    close_by_owner(c, false);
}

void conn_reset(struct conn *c)
{
    close_by_owner(c, true);
}

struct loop *conn_loop(struct conn *c)
{
    return c->loop;
}

const struct addr *conn_peer(const struct conn *c)
{
    return &c->peer;
}

const struct addr *conn_local(const struct conn *c)
{
    return &c->local;
}

const char *conn_tls_error(const struct conn *c)
{
    return c->tls ? tls_error(c->tls) : "";
}
