/* route/owners_inner.h - between owners.c (rows and the table) and owners_apart.c (without it). */
#ifndef ROUTE_OWNERS_INNER_H
#define ROUTE_OWNERS_INNER_H

#include "route/owners.h"

/* As in route/lease_inner.h: clauses that a test may leave out. */
#ifdef LEASE_MUTATIONS
enum owners_mutation {
    MUTATE_noask,    /* take a pair without asking whose it is */
    MUTATE_noforget, /* keep provisional pairs when the promises end */
    MUTATE_nogave,   /* assert what was offered */
    OWNERS_MUTATIONS
};
extern uint64_t owners_mutations; /* bit set */
#define OWNERS_LEFT_OUT(word) ((owners_mutations >> MUTATE_##word) & 1)
#else
#define OWNERS_LEFT_OUT(word) false
#endif

struct owner_row {
    char *key;
    struct list queue; /* in wanted or unasserted */
    enum owner_state state;
    bool wanted; /* the worker waits for an answer */
    bool routed; /* ... and all it holds came from other nodes */
    bool taking; /* the offerer waits for an answer */
    uint64_t token;
    char *offerer; /* the witness; NULL: none */
    uint64_t offerer_incarnation;
    uint64_t offerer_token;
    uint64_t asked_round; /* of PINGs that named it; 0: none */
    uint64_t asked_ms;
    uint64_t mine_round;     /* in which somebody said that it is his */
    struct owner_row **slot; /* its place in a batch under way, or NULL */
};

static const struct owner_ref owner_nobody;

static inline struct slice owner_key(const struct owner_row *r)
{
    return slice_from(r->key);
}

/* --- owners.c --- */
void owners_row_free(struct owners *o, struct owner_row *r);
void owners_refuse_taking(struct owners *o, struct owner_row *r);
/* Answers who waits, and frees the row. */
void owners_answer_elsewhere(struct owners *o, struct owner_row *r, const struct owner_ref *owner);
/* The row must be in no queue. May free it. */
void owners_grant(struct owners *o, struct owner_row *r, uint64_t token, bool provisional);
/* Sends what may be sent. */
void owners_send(struct owners *o, uint64_t now_ms);
/* As owners_can_claim, but a draining node may where all drain. */
bool owners_may_claim(const struct owners *o, uint64_t now_ms);

/* --- owners_apart.c --- */
bool owners_all_drain(const struct owners *o);
/* Where claims are not to be had: tries everything else for those who wait. */
void owners_find_other_ways(struct owners *o, uint64_t now_ms);

#endif
