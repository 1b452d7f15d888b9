/* link/pair.h - an outbound pair (our domain, their domain) on the worker that owns it: its queue,
 * its link, its back-off. It is known by its key (route/router).
 *
 *          put            granted           opened
 *   IDLE -------> CLAIMING -----> DIALLING ------> OPEN ----ending---> ENDING --closed--> IDLE
 *    ^                               | failed                                       (queue: dial
 *    |                               v                                               again)
 *    +---- empty, forgotten ---- WAITING (back-off) ---over and something waits---> CLAIMING
 *
 * A failed attempt bounces what waits, with the cause, and while the back-off lasts new stanzas
 * bounce at once; pairs of one remote domain share what concerns it (link/remote), and what other
 * nodes found out counts, too (link/hearsay). Only a pair that was open less than limits.queue_age
 * ago keeps its queue through transient failures (a peer that restarts): it is dialled again until
 * age ends the wait. Spec: RFC 6120 10.4; CONFORMANCE ROUTE-05/07/08, STREAM-21, DB-03/04, LIMIT-10.
 */
#ifndef LINK_PAIR_H
#define LINK_PAIR_H

#include "link/site.h"
#include "link/view.h"

struct pair;

enum pair_state {
#define STATE(id, word, text) PAIR_##id,
#include "link/pair.def"
#undef STATE
    PAIR_STATES
};

/* STREAM-21: first wait and longest wait between attempts, jitter before an open link is redialled.
 */
#define PAIR_BACKOFF_FIRST_MS 1000
#define PAIR_BACKOFF_MOST_MS  60000
#define PAIR_REDIAL_JITTER_MS 500
/* A link that lived shorter than this and left stanzas behind counts as a failed attempt: a peer
 * that accepts and hangs up is not dialled in a circle. */
#define PAIR_SHORT_MS 1000
/* Without a right to write a pair looks this often whether it has one again. */
#define PAIR_PARKED_MS 200
/* So long after the right to write ended a link whose kernel still has something to send is reset:
 * it must not arrive behind what another node sends. */
#define PAIR_LATE_MS 400
/* A pair without stanzas and link is forgotten after this. */
#define PAIR_FORGET_MS 60000

/* The view's news: the pair is ours (a pair that lives here is made if need be), again when what
 * bounds it changes; or it is not, or not any more: everything is given back. */
void pair_granted(struct site *site, struct slice key, const struct view_grant *grant);
void pair_give_up(struct site *site, struct slice key);
/* This node is leaving and another may take them: every pair of ours falls silent, at a stanza's
 * border, and when the peer's TCP has acknowledged what was written (or after `ack_ms`, withdrawing
 * the rest) it is offered. */
void pairs_hand_over(struct site *site, uint64_t ack_ms);

/* router_ops.pair: created if need be. */
struct outq *pair_queue(struct site *site, struct slice key);
struct pair *pair_of_queue(struct outq *q); /* NULL: a component's queue */
/* The oldest written stanza is over age: the link hangs. */
void pair_hangs(struct pair *p);
/* Asked every now and then while it has stanzas: may it still be written for? */
void pair_check_right(struct pair *p);
/* `remote` lives: a link opened, or an inbound stream of it was authenticated. */
void pair_alive(struct site *site, struct slice remote);
/* Policy or limits changed. */
void pairs_configure(struct site *site);
/* Idle links end, forgotten pairs go. */
void pairs_tick(struct site *site);
void pairs_bounce(struct site *site, enum bounce why);
/* Resets links on which something relayed is not taken yet (drain). */
void pairs_cut(struct site *site);
/* No pair dials any more; idle ones go at once (shutdown). */
void pairs_shutdown(struct site *site);

struct pair_row {
    struct slice local, remote;
    const char *state;
    const struct verdict *verdict;
    uint64_t link_id; /* 0: none */
    size_t queue_count, queue_bytes, unacked_count;
    uint64_t oldest_ms;
    uint64_t since_ms; /* in this state */
    uint64_t retry_ms; /* until it may be dialled again; 0: now */
    uint32_t failures_count;
    const char *last_failure; /* word, or NULL */
    const char *last_detail;
    const char *last_node; /* who tried; NULL: this one */
    uint64_t token;
};
void pair_describe(const struct pair *p, struct pair_row *row);

#endif
