/* loop/conn_inner.h - inside a connection: for router/loop/conn.c (its life, what comes in, the
 * owner's calls) and conn_out.c (what goes out, and what of it has arrived).
 */
#ifndef LOOP_CONN_INNER_H
#define LOOP_CONN_INNER_H

#include "loop/ackmap.h"
#include "loop/conn.h"
#include "loop/conn_pool.h"
#include "loop/sock.h"

/* How bytes travel. DIALING: not at all yet. CLEAR: as they are. SHAKING: the first `clear_left`
 * of `plain` as they are, then TLS talks to itself. SECURE: through TLS. */
enum conn_transport { CONN_DIALING, CONN_CLEAR, CONN_SHAKING, CONN_SECURE };

/* ALIVE. DYING: the world broke it (`why`); what the kernel still holds from the peer is being
 * delivered. CLOSING: `closed` is posted and nothing else is told, save what the owner asked for
 * by conn_drain_input before. */
enum conn_life { CONN_ALIVE, CONN_DYING, CONN_CLOSING };

/* OPEN. FINISHING: what is queued goes out, then close_notify and FIN. FINISHED: they did. MUTE: a
 * record was thrown away, so that no later one would make sense to the peer. */
enum conn_output { OUT_OPEN, OUT_FINISHING, OUT_FINISHED };

/* Records encrypted ahead of the kernel at most, of 16 KiB: what is still plain can be kept back
 * by a deadline. */
#define CONN_RECORDS_AHEAD 4

struct conn {
    struct loop *loop;
    struct sock *sock;
    struct tls *tls; /* owned; NULL in clear */
    const struct conn_handler *handler;
    void *arg;
    enum conn_transport transport;
    enum conn_life life;
    enum conn_output output;
    bool fin_queued; /* the kernel counts it among what is not acknowledged */
    enum err why;

    bool input_ended; /* end of stream or close_notify was read */
    bool paused;
    bool draining; /* inside drain() */
    bool blocked;  /* the kernel takes no more for now */
    bool gated;    /* the deadline is past */
    bool full;     /* HIGH was passed and LOW not reached since */
    bool notify_sent;
    bool reset; /* how to close */

    struct byteq plain; /* appended; not yet given to TLS or, in clear, to the kernel */
    struct byteq held;  /* read before we were, not yet delivered */
    size_t clear_left;
    size_t drain_left; /* bytes still to be delivered for conn_drain_input */

    uint64_t taken;   /* plain bytes that left `plain` */
    uint64_t flushed; /* of these, in the kernel */
    uint64_t acked;   /* of these, in the peer's kernel */
    uint64_t told_flushed;
    uint64_t told_acked;
    uint64_t sent;                            /* bytes on the wire, TLS and all */
    struct ackmark ahead[CONN_RECORDS_AHEAD]; /* the records not quite in the kernel */
    unsigned ahead_count;
    struct ackmap marks; /* of what is in the kernel */
    uint64_t asked_ms;   /* when the kernel was asked for acknowledgements */

    struct task flush;   /* deferred: everything of a turn goes out together */
    struct task work;    /* posted: what a call of the owner left to do */
    struct list watched; /* in the pool's lists */
    struct list shaking;
    struct list plenty;
    const _Atomic uint64_t *deadline;
    struct addr peer;
    struct addr local;
};

static inline bool conn_telling(const struct conn *c)
{
    return c->life != CONN_CLOSING;
}

/* conn.c */
void conn_run_shakes(struct task *t);
void conn_run_more(struct task *t);
void conn_run_turn(struct task *t);
void conn_update_want(struct conn *c);
void conn_die(struct conn *c, enum err why);
void conn_close_if_done(struct conn *c);

/* conn_out.c */
void conn_run_flush(struct task *t);
/* Storage for a queue that is about to be filled. */
void conn_lend(struct conn *c, struct byteq *q);
/* As far as the kernel takes it, without telling anybody; FIN when that was all. */
void conn_last_words(struct conn *c);
void conn_count_acks(struct conn *c);
/* TLS begins: what of the clear text is under way. */
void conn_mark_clear(struct conn *c);
/* Calls handlers: last in whatever calls it, or `life` is looked at afterwards. */
void conn_tell_progress(struct conn *c);
/* While there is something that no event will tell. */
void conn_watch(struct conn *c);

#endif
