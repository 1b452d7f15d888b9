/* link/lanes_private.h - inside the lanes of a worker: for lanes.c (the registry, and the way over
 * loop/hop), lanes_out.c (the ingress's end of lanes to other nodes), lanes_in.c (the owner's end
 * of lanes from there) and mesh.c (the connections).
 *
 * Between the worker of a lane's end and the worker of the connection go batches of items: a frame
 * about a lane each, with the stanza itself in place of its bytes. A batch belongs to one
 * connection, known by its serial number: what was meant for an older one is thrown away, and said
 * again by whoever it matters to when the lane goes on.
 */
#ifndef LINK_LANES_PRIVATE_H
#define LINK_LANES_PRIVATE_H

#include "link/lanes.h"
#include "loop/timer.h"
#include "route/told.h"
#include "wire/frame.h"

struct far;

enum far_kind { FAR_OPEN, FAR_DATA, FAR_CLOSE, FAR_DONE, FAR_REFUSE, FAR_CREDIT };

/* Who owns a pair, as far as the refuser knows. */
struct far_hint {
    uint64_t incarnation;
    uint64_t token;
    char node[FRAME_NAME_MAX + 1]; /* "": nobody it knows of */
};

struct far_item {
    enum far_kind kind;
    uint32_t generation;
    uint64_t lane;
    uint64_t seq;  /* DATA; CREDIT: expected */
    uint64_t done; /* OPEN, DATA */
    union {
        struct stanza *stanza; /* a reference */
        struct bytes *key;     /* a reference */
        struct {
            struct lane_run *runs; /* ours */
            size_t count;
        };
        struct {
            uint32_t window_bytes;
            bool open;
            bool moving;
        };
        struct far_hint *hint; /* ours, or NULL */
    };
};

struct far_batch {
    struct hop_msg msg;
    struct list node; /* in the connection's queue */
    uint64_t serial;
    char peer[FRAME_NAME_MAX + 1];
    size_t next; /* first item not used yet */
    size_t count;
    size_t room;
    struct far_item *items;
};

struct far_batch *far_batch_new(struct slice peer, uint64_t serial);
void far_batch_free(struct far_batch *b); /* with what is in items from `next` on */
/* Borrowed until the next one is added. */
struct far_item *far_batch_add(struct far_batch *b, enum far_kind kind, uint64_t lane,
                               uint32_t generation);

/* What the worker of a connection tells all workers. */
struct far_news {
    uint64_t serial;  /* 0: it is lost; that of before: only the rest is new */
    uint64_t process; /* who is there now */
    uint64_t incarnation;
    char peer[FRAME_NAME_MAX + 1];
};

/* Another node as a worker sees it; made when first heard of, gone with the process. */
struct far {
    struct lanes *lanes;
    char name[FRAME_NAME_MAX + 1];
    unsigned carrier;        /* the worker that has the connection */
    uint64_t serial;         /* of the connection; 0: none */
    uint64_t process;        /* of the last one; 0: never met */
    uint64_t incarnation;    /* that it named last */
    uint64_t gone;           /* the latest incarnation that is known to have left */
    struct list out;         /* struct lane_out, of_far */
    struct map in;           /* lane's number -> struct lane_in */
    struct far_batch *batch; /* of this turn, or NULL */
};

enum lane_to { LANE_TO_WORKER, LANE_TO_NODE, LANE_TO_NOBODY };

/* Of a lane to a node. APART: no connection, or backing off; RESUMING: the owner is to say where.
 */
enum lane_tie { LANE_APART, LANE_RESUMING, LANE_TIED };

/* The ingress's end. In the process its address is the lane's name at the owner. `key` is read by
 * other threads and never changes. */
struct lane_out {
    struct lane_tx tx;
    struct lanes *lanes;
    enum lane_to to;
    unsigned worker; /* LANE_TO_WORKER */
    /* LANE_TO_NODE */
    struct far *far;
    struct list of_far;
    uint64_t id; /* worker << 48 | a number */
    enum lane_tie tie;
    uint64_t process; /* that has seen this generation; 0: none */
    unsigned refusals;
    uint64_t retry_ms; /* backing off until then; 0: not */
    struct bytes *key_bytes;
    struct slice key;
    char text[];
};

struct batch; /* stanzas for one worker, gathered in a turn (lanes.c) */

struct lanes {
    struct lanes_options o;
    struct hop *hop;
    struct hop **hops;
    unsigned count;
    struct batch **batches; /* by worker; NULL: nothing yet this turn */
    struct map out;         /* key -> lane_out */
    size_t closing_count;   /* the owner has not forgotten them yet */
    struct map in;          /* address of lane_out -> shared_in */
    struct list dirty;      /* shared_in */
    struct task flush;

    struct map fars;    /* name -> far */
    struct map out_ids; /* id -> lane_out, to nodes */
    uint64_t next_id;
    struct list dead;     /* lane_out of nodes, of_far: freed at the end of the turn */
    struct list dirty_in; /* lane_in */
    struct list left;     /* lane_in whose ingress has given them up, not all stanzas settled */
    struct timer retry;
    struct mesh *mesh; /* of this worker, or NULL */
};

/* lanes.c */
void lanes_post(struct lanes *l, unsigned worker, struct hop_msg *m,
                void (*deliver)(struct hop_msg *m, void *arg));
/* The port, if this is the place for it. */
struct outq *lanes_port(struct lanes *l, struct slice key);
void lanes_close_out(struct lanes *l, struct lane_out *out);
struct lane_out *lanes_new_out(struct lanes *l, const struct lane_tx_ops *ops, struct slice key,
                               enum lane_to to);
void lanes_settle(struct lane_tx *tx, struct stanza *s, enum fate fate, enum bounce why,
                  struct slice detail);
static inline bool key_is_pair(struct slice key)
{
    return key.ptr[0] != '#';
}
static inline struct slice id_key(const uint64_t *id)
{
    return slice_make((const char *)id, sizeof(*id));
}

/* lanes_out.c */
struct far *far_of(struct lanes *l, struct slice node);
struct far_item *far_add(struct far *far, enum far_kind kind, uint64_t lane, uint32_t generation);
void far_post_batch(struct far *far);
void far_take_out(struct far *far, struct far_item *i); /* DONE, REFUSE, CREDIT */
void lane_out_tie(struct lane_out *out);
void lanes_out_closed(struct lane_out *out); /* it leaves the registry */
void lanes_out_flush(struct lanes *l);
void lanes_out_init(struct lanes *l);
void lanes_out_fini(struct lanes *l);

/* lanes_in.c */
void far_take_in(struct far *far, struct far_item *i); /* OPEN, DATA, CLOSE */
void lanes_in_flush(struct lanes *l);
/* Another process is there: what the old one had under way here goes its way, and nobody is told.
 */
void far_leave_in(struct far *far);
void far_free_in(struct far *far);
void lanes_in_tick(struct lanes *l, uint64_t now_ms);
bool lanes_in_idle(const struct lanes *l);

/* For link/mesh: on every worker, by message. Takes the batch. */
void lanes_take_batch(struct lanes *l, struct far_batch *b);
void lanes_take_news(struct lanes *l, const struct far_news *n);

#endif
