/* route/lease_inner.h - what the files of the lease share; for nobody else.
 *
 *   lease.c          right, renewals, epochs, incarnations
 *   lease_peers.c    what is known of the others: the list, who left it, whom to bury
 *   lease_promise.c  PING and PONG, BYE, pairs without a row
 */
#ifndef ROUTE_LEASE_INNER_H
#define ROUTE_LEASE_INNER_H

#include "route/lease.h"

/* Each clause of the rule can be left out by a test that builds these files with LEASE_MUTATIONS:
 * what goes wrong then is what the clause is for. */
#ifdef LEASE_MUTATIONS
enum lease_mutation {
    MUTATE_trust,     /* the right counts from the answer, not from the sending */
    MUTATE_nobound,   /* a promise does not forbid claims */
    MUTATE_noout,     /* ... nor burial */
    MUTATE_novoid,    /* ... nor voids claims on their way */
    MUTATE_nofence,   /* promise to whom a burial was sent for */
    MUTATE_noacross,  /* forget in a new epoch whom promises are refused */
    MUTATE_nobyex,    /* BYE holds for all */
    MUTATE_nolist,    /* promise to those who are not on the list */
    MUTATE_noack,     /* claim before all have acknowledged */
    MUTATE_noknow,    /* bury who never acknowledged us as if it had */
    MUTATE_nowatch,   /* bury at once */
    MUTATE_noreset,   /* a watch goes on through lost contact */
    MUTATE_nolapse,   /* return into a new epoch without a right */
    MUTATE_nonew,     /* return though no settled epoch was seen */
    MUTATE_norefused, /* put back only the list */
    MUTATE_nounion,   /* put back nobody */
    MUTATE_nosettle,  /* claim in an unsettled epoch */
    MUTATE_noalone,   /* settle though a stranger is heard */
    MUTATE_noassert,  /* renewals of a new epoch count at once */
    MUTATE_nosame,    /* provisional pairs whatever list the others hold */
    MUTATE_nosure,    /* ... and from an unsettled list */
    MUTATIONS
};
extern uint64_t lease_mutations; /* bit set */
#define LEFT_OUT(word) ((lease_mutations >> MUTATE_##word) & 1)
#else
#define LEFT_OUT(word) false
#endif

/* NULL when unknown. */
struct lease_peer *lease_peer_find(const struct lease *l, struct lease_id id);
/* Made when unknown. Ends pointers to others. */
struct lease_peer *lease_peer_get(struct lease *l, struct lease_id id, uint64_t now_ms);
/* A later incarnation of its name is known: whatever it was, it is on its way out. */
bool lease_peer_outdated(const struct lease *l, const struct lease_peer *p);
bool lease_peer_is_self(const struct lease *l, const struct lease_peer *p);
/* The list of an answer replaces ours. */
void lease_take_list(struct lease *l, const struct lease_answer *a, uint64_t now_ms);
/* Watches start anew: contact was lost, or the epoch is another. */
void lease_reset_watches(struct lease *l);
void lease_begin_epoch_watch(struct lease *l, uint64_t now_ms);
/* This incarnation is over: what belongs to it is forgotten. */
void lease_peers_begin_anew(struct lease *l);
/* Whether a newcomer may settle the epoch: alone, and long enough. */
bool lease_may_settle(const struct lease *l, uint64_t now_ms);
/* Void claims on their way. */
void lease_void_claims(struct lease *l);
bool lease_in_contact(const struct lease *l, uint64_t now_ms);

static inline bool lease_over(uint64_t until_ms, uint64_t now_ms)
{
    return now_ms >= until_ms;
}

#endif
