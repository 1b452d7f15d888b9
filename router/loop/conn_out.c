#include "loop/conn_inner.h"

#define RECORD_BYTES 16384
/* Acknowledgements make no event: ask again this often while some are missing. */
#define SWEEP_MS 20
/* Asked in one sweep, so that very many slow peers cost latency of custody, not the loop. */
#define SWEEP_COUNT 2048

/* --- what the kernels have ------------------------------------------------------------------- */

static void count_arrived(struct conn *c, uint64_t wire)
{
    if (c->tls)
        c->acked = ackmap_pass(&c->marks, wire, c->acked);
    else
        c->acked = wire;
}

void conn_count_acks(struct conn *c)
{
    uint64_t unacked;

    if (c->acked == c->flushed)
        return;
    c->asked_ms = loop_now_ms(c->loop);
    unacked = sock_unacked(c->sock);
    if (c->fin_queued && unacked > 0)
        unacked--; /* the FIN, behind all the bytes */
    if (unacked < c->sent)
        count_arrived(c, c->sent - unacked);
}

/* In clear each byte is told from the next: marks begin with TLS. */
static void count_flushed(struct conn *c, struct ackmark mark)
{
    c->flushed = mark.plain;
    if (c->tls)
        ackmap_add(&c->marks, mark);
}

void conn_mark_clear(struct conn *c)
{
    if (c->acked != c->flushed)
        ackmap_add(&c->marks, (struct ackmark){c->sent, c->flushed});
}

/* A record that is not complete is nothing to the peer: it counts with its last byte. */
static void count_cipher(struct conn *c, size_t n)
{
    unsigned done = 0;

    c->sent += n;
    while (done < c->ahead_count && c->ahead[done].wire <= c->sent)
        count_flushed(c, c->ahead[done++]);
    c->ahead_count -= done;
    memmove(c->ahead, c->ahead + done, c->ahead_count * sizeof(c->ahead[0]));
}

static void tell_drained(struct conn *c)
{
    if (!c->full || conn_pending(c) >= CONN_LOW_BYTES)
        return;
    c->full = false;
    if (c->handler->drained)
        c->handler->drained(c->arg);
}

void conn_tell_progress(struct conn *c)
{
    if (conn_telling(c) && c->told_flushed != c->flushed) {
        c->told_flushed = c->flushed;
        if (c->handler->flushed)
            c->handler->flushed(c->arg, c->flushed);
    }
    if (conn_telling(c) && c->told_acked != c->acked) {
        c->told_acked = c->acked;
        if (c->handler->acked)
            c->handler->acked(c->arg, c->acked);
    }
    if (conn_telling(c))
        tell_drained(c);
}

static bool wants_watching(const struct conn *c)
{
    if (c->life != CONN_ALIVE)
        return false;
    return c->acked != c->flushed || c->gated || (c->output == OUT_FINISHED && c->input_ended);
}

void conn_watch(struct conn *c)
{
    struct conn_pool *p = loop_conns(c->loop);

    if (!wants_watching(c) || list_linked(&c->watched))
        return;
    list_push(&p->watched, &c->watched);
    if (!timer_running(&p->sweep))
        timer_start(&p->sweep, SWEEP_MS);
}

/* The peer's process ended and is gone: its kernel answers what we still had to say by a reset, and
 * nobody reads any more, to hear of it. */
static void notice_reset(struct conn *c)
{
    enum err e = c->life == CONN_ALIVE && c->input_ended ? sock_broken(c->sock) : OK;

    if (e)
        conn_die(c, e);
}

static void look_at(struct conn *c)
{
    list_remove(&c->watched);
    conn_count_acks(c);
    notice_reset(c);
    if (c->gated)
        loop_defer(c->loop, &c->flush);
    conn_close_if_done(c);
    conn_watch(c); /* at the end of the list */
    conn_tell_progress(c);
}

static void on_sweep(struct timer *t)
{
    struct conn_pool *p = LIST_ENTRY(t, struct conn_pool, sweep);
    struct list now;

    list_init(&now);
    list_append_all(&now, &p->watched);
    timer_start(t, SWEEP_MS);
    for (int i = 0; i < SWEEP_COUNT && !list_empty(&now); i++)
        look_at(LIST_FIRST(&now, struct conn, watched));
    list_prepend_all(&p->watched, &now);
    if (list_empty(&p->watched))
        timer_stop(t);
}

void conn_pool_init(struct conn_pool *p, struct loop *l)
{
    memset(p, 0, sizeof(*p));
    list_init(&p->watched);
    list_init(&p->shaking);
    p->loop = l;
    list_init(&p->plenty);
    task_init(&p->shake, conn_run_shakes);
    task_init(&p->more, conn_run_more);
    task_init(&p->turn, conn_run_turn);
    timer_init(&p->sweep, l, on_sweep);
}

void conn_pool_fini(struct conn_pool *p)
{
    assert(list_empty(&p->watched) && list_empty(&p->shaking));
    task_cancel(&p->shake);
    task_cancel(&p->more);
    task_cancel(&p->turn);
    timer_stop(&p->sweep);
    mem_free(p->cipher);
    mem_free(p->plain);
    while (p->spare_count > 0)
        byteq_fini(&p->spare[--p->spare_count]);
}

size_t conn_pool_moved(struct conn_pool *p)
{
    size_t bytes = p->moved_bytes;

    p->moved_bytes = 0;
    return bytes;
}

void conn_lend(struct conn *c, struct byteq *q)
{
    struct conn_pool *p = loop_conns(c->loop);

    if (!q->data && p->spare_count > 0)
        *q = p->spare[--p->spare_count];
}

/* Takes from the front; the storage of a queue that ran empty goes to whoever fills next:
 * thousands of connections wait for their next stanza, and none of them keeps a buffer. */
static void take(struct conn *c, struct byteq *q, size_t n)
{
    struct conn_pool *p = loop_conns(c->loop);

    if (n < byteq_len(q)) {
        byteq_take(q, n);
    } else if (p->spare_count < CONN_SPARES && q->room <= CONN_SPARE_BYTES_MAX) {
        q->from = q->to = 0;
        p->spare[p->spare_count++] = *q;
        byteq_init(q);
    } else {
        byteq_fini(q);
    }
}

/* --- out ------------------------------------------------------------------------------------- */

/* The right to write may end between any two writes, so each of them asks. */
static bool may_write(struct conn *c)
{
    c->gated = c->deadline &&
               loop_boot_ms(c->loop) >= atomic_load_explicit(c->deadline, memory_order_acquire);
    return !c->gated;
}

static size_t clear_length(const struct conn *c)
{
    if (c->transport == CONN_CLEAR)
        return byteq_len(&c->plain);
    return c->transport == CONN_SHAKING ? c->clear_left : 0;
}

static enum err write_once(struct conn *c, struct slice bytes, size_t *ret_n)
{
    enum err e = sock_write(c->sock, bytes, ret_n);

    if (!e)
        loop_conns(c->loop)->moved_bytes += *ret_n;
    return e;
}

static enum err push_clear(struct conn *c)
{
    size_t len, n;
    enum err e;

    while ((len = clear_length(c)) > 0) {
        if (!may_write(c))
            return ERR_DENIED;
        e = write_once(c, slice_sub(byteq_slice(&c->plain), 0, len), &n);
        if (e)
            return e;
        take(c, &c->plain, n);
        c->taken += n;
        if (c->transport == CONN_SHAKING)
            c->clear_left -= n;
        c->sent += n;
        count_flushed(c, (struct ackmark){c->sent, c->taken});
    }
    return OK;
}

static enum err push_cipher(struct conn *c)
{
    struct byteq *out = c->tls ? tls_output(c->tls) : NULL;
    size_t n;
    enum err e;

    while (out && byteq_len(out) > 0) {
        if (!may_write(c))
            return ERR_DENIED;
        e = write_once(c, byteq_slice(out), &n);
        if (e)
            return e;
        take(c, out, n);
        count_cipher(c, n);
    }
    return OK;
}

static enum err encrypt(struct conn *c)
{
    struct byteq *out = tls_output(c->tls);
    size_t n;
    enum err e;

    conn_lend(c, out);
    while (byteq_len(&c->plain) > 0 && c->ahead_count < CONN_RECORDS_AHEAD) {
        if (!may_write(c))
            return ERR_DENIED;
        e = tls_write(c->tls, slice_sub(byteq_slice(&c->plain), 0, RECORD_BYTES), &n);
        if (e)
            return e;
        take(c, &c->plain, n);
        c->taken += n;
        c->ahead[c->ahead_count++] = (struct ackmark){c->sent + byteq_len(out), c->taken};
    }
    return OK;
}

/* All that may go, as far as the kernel takes it: ERR_AGAIN (blocked), ERR_DENIED (gated). */
static enum err push(struct conn *c)
{
    enum err e = push_clear(c);

    if (!e)
        e = push_cipher(c);
    while (!e && c->transport == CONN_SECURE && byteq_len(&c->plain) > 0) {
        e = encrypt(c);
        if (!e)
            e = push_cipher(c);
    }
    return e;
}

static enum err push_notify(struct conn *c)
{
    if (c->transport != CONN_SECURE)
        return OK;
    if (!c->notify_sent) {
        if (!may_write(c))
            return ERR_DENIED;
        tls_close_notify(c->tls);
        c->notify_sent = true;
    }
    return push_cipher(c);
}

static enum err push_and_finish(struct conn *c)
{
    enum err e;

    e = push(c);
    if (e || c->output != OUT_FINISHING || c->transport == CONN_SHAKING)
        return e;
    e = push_notify(c);
    if (e)
        return e;
    c->fin_queued = sock_shutdown_write(c->sock);
    c->output = OUT_FINISHED;
    return OK;
}

void conn_run_flush(struct task *t)
{
    struct conn *c = LIST_ENTRY(t, struct conn, flush);
    enum err e;

    if (c->life != CONN_ALIVE || c->transport == CONN_DIALING)
        return;
    if (c->asked_ms != loop_now_ms(c->loop))
        conn_count_acks(c); /* of what went out before */
    e = push_and_finish(c);
    c->blocked = e == ERR_AGAIN;
    if (e && e != ERR_AGAIN && e != ERR_DENIED)
        conn_die(c, e);
    conn_update_want(c);
    conn_close_if_done(c);
    conn_watch(c);
    conn_tell_progress(c);
}

void conn_last_words(struct conn *c)
{
    if (c->output == OUT_OPEN)
        c->output = OUT_FINISHING;
    (void)push_and_finish(c); /* it is over, whatever becomes of it */
}
