/* route/lane.h - the way of stanzas from one ingress to one port on another worker or node.
 *
 * Pure; both ends. The ingress (tx) keeps every stanza until DONE tells its fate: it alone counts
 * and bounces. The owner (rx) reports fates in order, as runs, once a turn, together with the
 * window it grants and whether its port is open and moving. The carrier delivers in order: loop/hop
 * within a process, which never breaks (link/lanes), or a connection to another node, which does
 * (link/mesh): then the lane is suspended, and goes on over the next connection where the owner
 * says, or comes back to be routed anew.
 */
#ifndef ROUTE_LANE_H
#define ROUTE_LANE_H

#include "route/outq.h"

/* Credit at first, and at most: a window per lane grows while its port moves. A lane has no more
 * than its share of half the port's bound, so that all lanes together never overfill a queue that
 * stops, but LEAST whatever the bound. */
struct lane_window {
    size_t first_bytes;
    size_t most_bytes;
};
#define LANE_LEAST_BYTES 16384

/* To another node: what is under way is a copy there. */
extern const struct lane_window lane_copied;
/* Within a process, where it is the ingress's own. Fates come when the peer's TCP has acknowledged,
 * which may take until the next look at it (loop/conn, 20 ms): a window that holds less than passes
 * in that time would let the lane stand still. */
extern const struct lane_window lane_shared;

struct lane_run {
    uint64_t last_seq; /* this fate holds for all from the previous run's last + 1 up to here */
    enum fate fate;
    enum bounce why;
    struct bytes *detail; /* or NULL */
};

struct lane_report {
    struct lane_run *runs;
    size_t count;
    size_t window_bytes;
    bool open;
    bool moving;
};

/* --- ingress side --- */
struct lane_tx;

struct lane_tx_ops {
    /* Hand the stanza to the carrier; it takes a reference of its own. */
    void (*send)(struct lane_tx *tx, struct stanza *s);
    /* Takes the lane's reference. May put into other lanes and queues, and into this one. */
    void (*fate)(struct lane_tx *tx, struct stanza *s, enum fate fate, enum bounce why,
                 struct slice detail);
};

struct lane_tx {
    const struct lane_tx_ops *ops;
    const struct outq_limits *limits;
    const struct lane_window *window;
    struct list back;   /* given back, until nothing is under way any more */
    struct list undone; /* sent, then held, in order: custody_node */
    struct list held;   /* no credit yet */
    size_t back_count;
    size_t undone_count;
    size_t held_count;
    size_t bytes; /* cost of all three */
    size_t flight_bytes;
    size_t window_bytes;
    uint64_t next_seq;
    uint32_t generation; /* numbers begin anew with each */
    bool bound;          /* the carrier takes stanzas */
    bool whole;          /* a pair's: see lane_tx_renew */
    bool open;
    bool moving;
    struct gate gate;
    struct list active;
    uint64_t idle_since_ms;
};

void lane_tx_init(struct lane_tx *tx, const struct lane_tx_ops *ops,
                  const struct outq_limits *limits, const struct lane_window *window);
void lane_tx_fini(struct lane_tx *tx);
/* As outq_put: takes the caller's reference over unless it refuses. */
enum outq_put lane_tx_put(struct lane_tx *tx, struct stanza *s);
void lane_tx_report(struct lane_tx *tx, const struct lane_report *report, uint64_t now_ms);
/* Held ones over age are bounced; those sent are the owner's to expire. Only where no carrier
 * brings its word they end here, at twice the age: by then the owner has decided. */
void lane_tx_expire(struct lane_tx *tx, uint64_t now_ms);
void lane_tx_bounce_held(struct lane_tx *tx, enum bounce why);
static inline size_t lane_tx_count(const struct lane_tx *tx)
{
    return tx->back_count + tx->undone_count + tx->held_count;
}

/* The carrier broke, or there is none yet: everything waits. */
void lane_tx_suspend(struct lane_tx *tx);
/* There is one, and nothing of this generation was sent yet. */
void lane_tx_bind(struct lane_tx *tx);
/* There is another one, and the owner has all before `expected`: the rest is sent again. False:
 * the two ends do not agree; renew. */
bool lane_tx_resume(struct lane_tx *tx, uint64_t expected) MUST_USE;
/* The owner, or what it had, is gone: everything comes back (FATE_RETURNED), in order, and a new
 * generation begins. A pair's stanzas always come back together, also where the owner gives them
 * back one by one: a later one must not be routed before an earlier one. `in_doubt`: what was sent
 * may have been written by then, and counts as sent again. */
void lane_tx_renew(struct lane_tx *tx, bool in_doubt);
/* What waits ends; `all`: also what was sent (the process ends). */
void lane_tx_flush(struct lane_tx *tx, bool all, enum bounce why);
/* All fates up to here are known. */
uint64_t lane_tx_done(const struct lane_tx *tx);

/* --- owner side --- */
struct lane_rx {
    const struct lane_window *window;
    bool foreign;                      /* its stanzas are copies that only this process counts */
    struct outq *port;                 /* or NULL: the port is gone */
    struct list at_port;               /* in a list of the port's, for open/lost */
    void (*dirty)(struct lane_rx *rx); /* something to report: called once until taken */
    bool is_dirty;
    uint64_t next_seq; /* the fate that is due next */
    struct lane_run *runs;
    size_t run_count;
    size_t run_room;
    struct list early;   /* fates out of turn */
    size_t window_bytes; /* granted, if the share allows it */
    size_t grown_bytes;  /* sent since the window last grew */
};

void lane_rx_init(struct lane_rx *rx, const struct lane_window *window,
                  void (*dirty)(struct lane_rx *rx));
void lane_rx_fini(struct lane_rx *rx);
/* The fate of stanza `seq`, in any order. */
void lane_rx_fate(struct lane_rx *rx, uint64_t seq, size_t cost, enum fate fate, enum bounce why,
                  struct slice detail);
/* Ties the lane to its port's queue, or (NULL) unties it. */
void lane_rx_attach(struct lane_rx *rx, struct outq *port);
/* The port's link opened or was lost: all lanes that feed it are to hear of it. */
void lane_port_changed(struct outq *port);
/* The port is about to go. */
void lane_port_gone(struct outq *port);
/* What it grants now. */
size_t lane_rx_window(const struct lane_rx *rx);
/* Moves what there is to tell into *ret (runs are the caller's: lane_report_fini). */
void lane_rx_take(struct lane_rx *rx, uint64_t now_ms, struct lane_report *ret_report);
void lane_report_fini(struct lane_report *report);

#endif
