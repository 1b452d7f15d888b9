/* route/outq.h - the queue of one port: a pair's, a component instance's, an absent component's.
 *
 * Every outbound stanza of a port enters here, in every state of its link, and leaves with a
 * fate. Two lists in order: *unacked* (written to the link, not yet acknowledged by the peer's
 * TCP) before *waiting*. Pure: time is an argument.
 *
 * Bounded in stanzas, bytes and age. While the link is open and moving a full queue asks its
 * sources to pause; otherwise it refuses. *Moving*: a tenth of the bound or more left it in the
 * last pause_ms.
 */
#ifndef ROUTE_OUTQ_H
#define ROUTE_OUTQ_H

#include "base/counter.h"
#include "route/bounce.h"
#include "route/source.h"

enum fate {
    FATE_SENT,     /* acknowledged by the peer's TCP */
    FATE_BOUNCED,  /* the sender gets the stanza error of `why` (or, not answerable: dropped) */
    FATE_DROPPED,  /* discarded by policy, counted under `why` */
    FATE_RETURNED, /* this port will not send it: to be routed anew by its ingress */
};

struct outq_limits {
    size_t stanzas_count;
    size_t bytes;
    uint64_t age_ms;
    uint64_t pause_ms; /* limits.source_pause */
    bool resend;       /* limits.uncertain */
};

/* What a read chunk brings beyond the bound before the pause takes effect, and one stanza per
 * expired pause: never twice the bound. */
#define OUTQ_HARD_FACTOR 2

/* Is so much, of a queue or a lane, more than `factor` times the bound? */
static inline bool outq_limits_exceeded(const struct outq_limits *l, size_t count, size_t bytes,
                                        size_t factor)
{
    return count > l->stanzas_count * factor || bytes > l->bytes * factor;
}

/* The gate opens when no more than three quarters of the bound are left: sources start again in
 * time for the link not to run dry, and not for a single stanza. */
static inline bool outq_limits_room(const struct outq_limits *l, size_t count, size_t bytes)
{
    return count <= l->stanzas_count / 4 * 3 && bytes <= l->bytes / 4 * 3;
}

struct outq;

struct outq_ops {
    /* Something waits: called inside outq_put and outq_opened. Post, do not write. */
    void (*kick)(struct outq *q);
    /* A stanza's end. Takes the queue's reference. May put into other queues, not into this. */
    void (*fate)(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                 struct slice detail);
};

struct outq {
    const struct outq_ops *ops;
    const struct outq_limits *limits; /* borrowed; may be replaced at reload */
    struct list unacked;
    struct list waiting;
    size_t unacked_count;
    size_t waiting_count;
    size_t bytes; /* cost of all in both */
    bool open;    /* its link takes stanzas */
    struct gate gate;
    uint64_t window_ms; /* start of the current window for "moving" */
    size_t left_now;    /* stanzas and bytes that left in this window, and in the one before */
    size_t left_before;
    size_t left_bytes_now;
    size_t left_bytes_before;
    struct stanza *unflushed; /* first of unacked that the kernel does not have yet, or NULL */
    struct list active;       /* in the worker's list of queues with stanzas (router) */
    struct list lanes;        /* struct lane_rx, at_port: who else feeds it */
};

void outq_init(struct outq *q, const struct outq_ops *ops, const struct outq_limits *limits);
/* Must be empty. Sources at its gate are let go. */
void outq_fini(struct outq *q);

enum outq_put {
    OUTQ_TAKEN,
    OUTQ_FULL,    /* taken, but the source should pause at q->gate */
    OUTQ_REFUSED, /* not taken: bounce queue-full */
};
/* Takes a reference of its own when it takes the stanza. */
enum outq_put outq_put(struct outq *q, struct stanza *s, uint64_t now_ms);

/* Next to write, or NULL; borrowed. */
struct stanza *outq_peek(struct outq *q);
/* It was written; `mark`: position on the connection behind its last byte. */
void outq_wrote(struct outq *q, uint64_t mark);
/* The first waiting one ends without being written. */
void outq_drop_first(struct outq *q, enum fate fate, enum bounce why, struct slice detail);
/* The kernel has all up to `mark`: relay_seconds is observed. */
void outq_flushed(struct outq *q, uint64_t mark, uint64_t now_us, struct counters *counters);
/* All written up to `mark` reached the peer's TCP. Returns how many. */
size_t outq_acked(struct outq *q, uint64_t mark, uint64_t now_ms);

/* The link takes stanzas now. */
void outq_opened(struct outq *q, uint64_t now_ms);
/* It does not any more; unacked ones return to the front of waiting, marked (resend), or are
 * bounced link-lost where limits say so. */
void outq_lost(struct outq *q);
/* Ends all waiting ones; unacked too when `all`. */
void outq_flush(struct outq *q, bool all, enum fate fate, enum bounce why, struct slice detail);
/* Gives back, in order, the waiting ones that came over that lane: its ingress has them in order
 * anyway. NULL: those that came over none. */
void outq_give_back(struct outq *q, const void *lane);
/* Ends waiting ones over age. True when the oldest unacked one is over age: the link hangs. */
bool outq_expire(struct outq *q, uint64_t now_ms, struct slice detail);

bool outq_moving(const struct outq *q, uint64_t now_ms);
static inline size_t outq_count(const struct outq *q)
{
    return q->unacked_count + q->waiting_count;
}
/* The oldest is a stanza from outside, not one that we made. */
bool outq_begins_with_relayed(const struct outq *q);
/* Milliseconds the oldest has been held; 0 when empty. */
uint64_t outq_oldest_ms(const struct outq *q, uint64_t now_ms);

#endif
