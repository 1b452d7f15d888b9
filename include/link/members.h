/* link/members.h - this node among the others: it renews, asks for promises, buries, claims, and
 * tells its workers what they may write, and for which pairs.
 *
 * On the steward's loop. What may be done when is the lease's word (route/lease), which pairs are
 * ours that of the owners (route/owners); this carries their questions to the table
 * (session/store) and the mesh, and the answers back. Workers are told by message, each through
 * its view (link/view).
 *
 * How long a worker may write stands in a number that comes with each grant and that every flush
 * reads. A right that was lost for good never comes back under the same number: an incarnation has
 * one of its own, and so has what is held by promises alone each time they end. Else a worker that
 * has not yet heard that a pair is lost could go on with the next right.
 */
#ifndef LINK_MEMBERS_H
#define LINK_MEMBERS_H

#include "loop/hop.h"
#include "route/lease.h"
#include "route/owners.h"
#include "session/store.h"
#include "wire/frame.h"

struct board;
struct members;
struct tell;

/* Posted, or in an event. */
struct members_events {
    /* The state's word changed. */
    void (*state)(void *arg, enum lease_state state);
    /* This process cannot go on: its name is another's, or the table is kept by other rules.
     * `why`: one line, with the remedy. */
    void (*refused)(void *arg, const char *why);
};

struct members_options {
    struct loop *loop;
    struct slice node;
    struct slice address; /* of its mesh; empty: one node, no mesh */
    bool stop;            /* store.redis.outage: stop */
    unsigned worker_count;
    const uint64_t *route_seed;
    /* Opens the table. */
    struct store *(*open_store)(void *arg, const struct store_events *events, void *events_arg);
    const struct members_events *events;
    void *arg;
    struct tell *tell;        /* hears who comes and goes, and what is no matter of ours */
    struct frame_hello hello; /* digests and versions; copied */
};

struct members *members_open(const struct members_options *o);
/* The workers' ends, by index, once all are there; renewals begin. Copied. */
void members_connect(struct members *m, struct hop *const *view_hops);
/* The table's connections close, which takes the loop's next turns. Nothing is asked any more. */
void members_shut(struct members *m);
/* No view speaks any more. */
void members_close(struct members *m);

struct hop *members_hop(struct members *m);
/* Of rows for people (link/board); NULL: one node. */
struct board *members_board(struct members *m);
bool members_clustered(const struct members *m);
/* To a node that there is a connection to. */
void members_send(struct members *m, struct slice node, const struct frame *f);
/* It is cut off: what it has for its components comes back, to be routed anew. */
void members_cut_off(struct members *m, struct slice node);
/* The worker that has the connection to that node. */
unsigned members_carrier(const struct members *m, struct slice node);
bool members_is_self(const struct members *m, struct slice node);
/* Leaving: pairs are handed over as long as somebody may take them, and new ones not taken.
 * `ack_ms`: how long a link may take to have everything acknowledged. */
void members_drain(struct members *m, uint64_t ack_ms);
/* Pairs that are ours, or on offer. */
size_t members_pairs_left(const struct members *m);
/* The last word to the table and the others; `done` when it was heard, or cannot be. */
void members_leave(struct members *m, void (*done)(void *arg), void *arg);

/* --- what operators ask of all nodes, and tell them --- */

/* In an event. What is borrowed is so for the call. */
struct members_ears {
    /* Another node asks; members_answer, under that number, whenever there is something to say. */
    void (*asked)(void *arg, struct slice node, const struct frame_ask *ask);
    void (*answered)(void *arg, struct slice node, const struct frame_answer *answer);
    /* The connection to it ended. */
    void (*lost)(void *arg, struct slice node);
};
/* NULL: nobody listens; questions are not answered. */
void members_listen(struct members *m, const struct members_ears *ears, void *arg);
/* False: there is no connection to it. */
bool members_ask(struct members *m, struct slice node, const struct frame_ask *ask);
void members_answer(struct members *m, struct slice node, const struct frame_answer *a);
/* It gave a sign of life a moment ago, so long ago; or it is this node. */
bool members_hears(const struct members *m, struct slice node, uint64_t *ret_silent_ms);
/* Whether that node, on the list, may be given up for dead; false: `why` says what keeps it, one
 * line. */
bool members_may_forget(const struct members *m, struct slice node, char *why, size_t size);
/* ... and it is, here and wherever the word arrives. Its incarnation; *ret_told: nodes told. */
uint64_t members_forget(struct members *m, struct slice node, size_t *ret_told);
/* Other digests, after a reload: told to all. */
void members_configure(struct members *m, const struct frame_hello *digests);

/* --- for people --- */

/* This node, or another that is on the list or on the mesh. */
struct members_row {
    struct slice node;
    uint64_t incarnation;
    struct slice address; /* of its mesh; may be empty */
    bool self;
    bool listed;
    /* of others: */
    bool up;            /* there is a connection to it ... */
    uint64_t up_ms;     /* ... or there is none, for so long */
    uint64_t silent_ms; /* since its last sign of life, at the table or on the mesh */
    bool acknowledged;  /* it holds a list with this node on it */
    bool promises;
    bool left; /* it said BYE, or was forgotten */
    bool dialback_differs, components_differ, peers_differ;
};
typedef void members_row_fn(void *arg, const struct members_row *row);
void members_walk(const struct members *m, members_row_fn *fn, void *arg);

struct members_numbers {
    uint64_t right_left_ms; /* until the right to write ends; UINT64_MAX: it does not */
    size_t member_count;    /* on the list, this node included */
    size_t silent_count;
    size_t promises_missing_count; /* that this node needs now */
    size_t peer_count;             /* connections */
    size_t differs_count;          /* of them, with another configuration */
    uint64_t state_ms;             /* since the state's word changed */
};
void members_count(const struct members *m, struct members_numbers *ret_numbers);
/* What the state means, who or what is missing since when, and what to do: one line. */
#define MEMBERS_TEXT_BYTES 512
const char *members_explain(const struct members *m, char out[MEMBERS_TEXT_BYTES]);

enum lease_state members_state(const struct members *m);
struct owners *members_owners(struct members *m);
/* Of the table, also when its connections are closed already. */
const struct store_state *members_store_state(const struct members *m);

#endif
