/* route/lease.h - may this node write, and until when: its right, its list, its promises.
 *
 * Pure: told of what happened and of the time (CLOCK_BOOTTIME in ms: it goes on while a guest is
 * suspended), answers questions. No I/O, no clock, no chance. One object a process, on the
 * steward; each flush of a worker compares the time with `lease_until_ms`.
 *
 * The rule, in six clauses:
 *  1. Right. Until 6 s after this node sent its last answered renewal; or while every other member
 *     of its list promises: said so in answer to a PING sent under 3 s ago.
 *  2. Promise. "For 3.5 s I claim nothing and do not bury you." Given when no renewal sent in the
 *     last 3 s was answered, or the epoch is unsettled; by a node on its own list, to members of
 *     that list; never to one it sent a burial for or saw leave the list, unless it saw it renew
 *     later. A claim unanswered when a promise is given is void.
 *  3. Claim. Only when every other member has acknowledged, in this epoch, a list with the claimer.
 *  4. Burial. Of a member whose count stood still for 6.5 s of unbroken contact, who acknowledged
 *     the burier, and has no running promise from it. Who never did: also 30 s without a sign of
 *     life. The buried goes on as a new incarnation, without pairs.
 *  5. Epoch. A table that lost its memory starts one, unsettled. Who returns with a right puts back
 *     its list, which settles it, asserts its rows, and only then acknowledges and counts
 *     renewals. Who returns without starts as new. Newcomers alone settle it after 6.5 s in which
 *     they heard nobody who is not on the list.
 *  6. A new pair without the table goes to the rendezvous choice of a settled list, if all promise,
 *     hold the same list, and do not own the pair. It ends with the right by promises.
 *
 * What the caller does, each second: `lease_renew` and send it; `lease_ask` and send that PING to
 * every member; then `lease_next_burial` until it gives none. After each call: `lease_take_duties`.
 */
#ifndef ROUTE_LEASE_H
#define ROUTE_LEASE_H

#include "base/mem.h"

#define LEASE_RIGHT_MS    6000  /* clause 1, from the sending of a renewal that was answered */
#define LEASE_QUIET_MS    3000  /* no answer for so long: promises begin, a watch ends */
#define LEASE_PROMISE_MS  3000  /* a promise is believed so long after the PING was sent */
#define LEASE_BOUND_MS    3500  /* and kept so long after it was given */
#define LEASE_WATCH_MS    6500  /* a right has ended for sure, clocks 8 % apart */
#define LEASE_STRANGER_MS 30000 /* for who never acknowledged us: it may need no promise of ours   \
                                 */
#define LEASE_RENEW_MS 1000

#define LEASE_NAME_MAX   64
#define LEASE_EPOCH_MAX  32
#define LEASE_FLIGHT_MAX 16 /* renewals on their way: a connection lives 6 s without an answer */
#define LEASE_ASK_MAX    4  /* PING rounds whose answers still count */

/* A member is an incarnation of a node. */
struct lease_id {
    struct slice name;
    uint64_t incarnation;
};

/* What this node knows about another incarnation; `listed`: it is on this node's list. */
struct lease_peer {
    char name[LEASE_NAME_MAX + 1];
    uint64_t incarnation;
    char *address; /* of its mesh, or NULL */
    bool listed;
    /* of the last answer, while listed */
    uint64_t count, joined, ack;
    bool counted;           /* `count` is of this epoch */
    uint64_t same_since_ms; /* contact was unbroken and the count the same since this answer */
    bool knew_us;           /* once acknowledged a list with this incarnation of ours */
    /* what outlasts our incarnations and epochs */
    uint64_t alive_ms;  /* last sign of life, or when it was first heard of */
    bool heard;         /* ... and that was on the mesh */
    bool renewed;       /* its count was seen to rise: it had the table then */
    uint64_t bound_ms;  /* until then our promise to it runs */
    bool refused;       /* no promise: burial sent, or seen leaving the list */
    bool over;          /* ... and no right of it can run any more */
    uint64_t missed_ms; /* since when it is not on the list; while refused */
    bool buried;        /* seen leaving, in one epoch: it should know */
    bool left;          /* it said BYE, or an operator said that it is dead */
    bool bury_sent;
    /* what belongs to this incarnation of ours */
    uint64_t promised_ms; /* until then its promise runs */
    bool same;            /* that promise said: the same list, the same leavers */
    bool holds;           /* its BYE is a promise to us, without end */
};

struct lease_flight {
    uint64_t number;
    uint64_t sent_ms;
    uint64_t epoch_turn; /* epochs met when it was sent */
};

struct lease {
    char name[LEASE_NAME_MAX + 1];
    char *address;
    bool stop; /* outage: stop */
    uint64_t incarnation;
    uint64_t successor; /* who has our name now, if `superseded` */

    struct lease_peer *peers; /* borrowed pointers into it end with the next call that is told */
    size_t peer_count, peer_room;

    char epoch[LEASE_EPOCH_MAX + 1]; /* "": none met */
    uint64_t epoch_turn;
    uint64_t version, joined;
    bool settled;      /* what the last answer said of the epoch */
    bool seen_settled; /* this incarnation was on a settled list */
    bool on_list, asserted, acknowledged;
    bool joined_once; /* this process was on a list, in whatever incarnation */
    bool draining, leaving, superseded;

    struct lease_flight flights[LEASE_FLIGHT_MAX];
    uint64_t flight_number;
    uint64_t answered_ms;      /* when the last answer came; 0: contact broken */
    uint64_t answered_sent_ms; /* when what it answered was sent */
    uint64_t contact_ms;       /* since when contact is unbroken, in this epoch */
    uint64_t right_ms;         /* by renewal: until then */

    uint64_t bound_ms; /* until then a promise of ours to anyone runs */
    uint64_t claim_turn;
    uint64_t assert_turn;
    struct {
        uint64_t number, sent_ms;
    } asks[LEASE_ASK_MAX];
    uint64_t ask_number;

    uint64_t held_incarnation, held_count, held_since_ms;
    unsigned duties;
};

/* --- life --- */

/* `incarnation`: the clock in µs. `stop`: no promises, whatever an outage costs. */
void lease_init(struct lease *l, struct slice name, struct slice address, bool stop,
                uint64_t incarnation);
void lease_fini(struct lease *l);

/* What the caller has to do now; each is told once. */
enum lease_duty {
    LEASE_DROP_PAIRS = 1,   /* no pair is ours any more: a new incarnation has begun */
    LEASE_ASSERT_PAIRS = 2, /* assert all, provisional ones too, then `lease_asserted` */
    LEASE_EXIT = 4,         /* `lease_successor` has our name: end the process, and say so */
};
unsigned lease_take_duties(struct lease *l);

/* --- the table --- */

enum lease_mode { LEASE_NEW, LEASE_SETTLE, LEASE_RIGHT, LEASE_NONE };
const char *lease_mode_word(enum lease_mode mode); /* as the script wants it */

/* What a renewal carries; valid until the next call. */
struct lease_renewal {
    uint64_t number; /* comes back with the answer */
    uint64_t incarnation;
    struct slice epoch;
    uint64_t ack;
    enum lease_mode mode;
    bool takes_over; /* `count`: of the silent holder of our name */
    uint64_t count;
};
/* A renewal is sent now. */
void lease_renew(struct lease *l, uint64_t now_ms, struct lease_renewal *ret_renewal);
/* Those that it brings along: the list, and those who are refused promises. */
void lease_walk_brought(const struct lease *l, void (*fn)(void *arg, const struct lease_peer *peer),
                        void *arg);

struct lease_row {
    struct lease_id id;
    uint64_t count, joined, ack;
    struct slice address;
};
struct lease_answer {
    struct slice epoch;
    uint64_t version;
    bool settled;
    const struct lease_row *rows; /* all members, this node too */
    size_t row_count;
};
/* Answers to renewals. Those to void ones (contact lost since, another incarnation) do nothing. */
void lease_renewed(struct lease *l, uint64_t number, const struct lease_answer *a, uint64_t now_ms);
void lease_fallen(struct lease *l, uint64_t number);
void lease_buried(struct lease *l, uint64_t number, uint64_t incarnation);
void lease_held(struct lease *l, uint64_t number, uint64_t incarnation, uint64_t count,
                uint64_t now_ms);
/* The connections to the table are closed: nothing on its way counts any more. */
void lease_contact_lost(struct lease *l);

/* All own rows have been asserted; `turn`: as it was when the asserts were sent. A connection that
 * broke meanwhile does not matter, a new epoch does: asserted anew. */
uint64_t lease_assert_turn(const struct lease *l);
void lease_asserted(struct lease *l, uint64_t turn);

bool lease_may_claim(const struct lease *l, uint64_t now_ms);
/* Taken when a claim is sent, asked when it is answered: one that is void counts for nothing,
 * whatever the answer. */
uint64_t lease_claim_turn(const struct lease *l);
bool lease_claim_holds(const struct lease *l, uint64_t turn);

struct lease_burial {
    struct lease_id id; /* borrowed until the next call */
    uint64_t count;
};
/* Whom to bury now; from here on it is refused promises. False: nobody. */
bool lease_next_burial(struct lease *l, uint64_t now_ms, struct lease_burial *ret_burial);
/* `done`: it is off the list; else it lives, or nobody knows. */
void lease_burial_answered(struct lease *l, struct lease_id id, bool done, uint64_t now_ms);

/* --- the others, over the mesh --- */

/* Any frame that names the incarnation. */
void lease_heard(struct lease *l, struct lease_id id, uint64_t now_ms);

struct lease_ping {
    uint64_t number;
    uint64_t incarnation; /* who asks */
    uint64_t list_hash;   /* epoch, members and leavers of its list */
};
/* A round of PINGs is sent now, the same to all. */
void lease_ask(struct lease *l, uint64_t now_ms, struct lease_ping *ret_ping);
struct lease_pong {
    uint64_t number, incarnation; /* the PING's */
    bool promise;
    bool same; /* list and leavers are those of the asker */
};
/* A PING came; what to answer. A promise binds from here on. */
void lease_answer_ping(struct lease *l, struct slice name, const struct lease_ping *ping,
                       uint64_t now_ms, struct lease_pong *ret_pong);
void lease_hear_pong(struct lease *l, struct lease_id from, const struct lease_pong *pong,
                     uint64_t now_ms);
/* A BYE; `holds`: it names this incarnation. */
void lease_hear_bye(struct lease *l, struct lease_id from, bool holds, uint64_t now_ms);
/* A member saw this incarnation leave the list. Void if it is not ours any more. */
void lease_hear_buried(struct lease *l, uint64_t incarnation);
/* Whether this node saw that incarnation leave the list: it should be told. */
bool lease_saw_leave(const struct lease *l, struct lease_id id);
/* Any incarnation of that name gave a sign of life a moment ago; *ret_silent_ms: since the last. */
bool lease_lives(const struct lease *l, struct slice name, uint64_t now_ms,
                 uint64_t *ret_silent_ms);
/* The operator's word that it is dead. False while it answers, on the mesh or at the table. */
bool lease_forget(struct lease *l, struct lease_id id, uint64_t now_ms);

/* --- leaving --- */

void lease_drain(struct lease *l);
/* `bye` is sent, or BYE without a table: no right, no claim, no promise from here on. */
void lease_leave(struct lease *l);
/* Whether our BYE is a promise to that member: it names exactly those. */
bool lease_holds_for(const struct lease *l, const struct lease_peer *p);

/* --- questions --- */

/* This node may write while now < this; 0: never, UINT64_MAX: it needs nobody. */
uint64_t lease_until_ms(const struct lease *l);
/* The same for pairs that were never asserted: by promises alone. Over: forget them. */
uint64_t lease_promised_until_ms(const struct lease *l);

/* The choice of clause 6 for a key; names a member, or this node (its own name); none without a
 * list. Borrowed until the next call. */
struct slice lease_choice(const struct lease *l, struct slice key);
/* May this node take that pair without a row, provided that all said in answer to the same round
 * that they do not own it? */
bool lease_may_provisional(const struct lease *l, struct slice key, uint64_t now_ms);

/* Those whose promise counts: listed, and no BYE of theirs holds. NULL at the end; start with 0. */
const struct lease_peer *lease_next_needed(const struct lease *l, size_t *pos);
const struct lease_peer *lease_next_member(const struct lease *l, size_t *pos);

enum lease_state {
    LEASE_JOINING,  /* not yet acknowledged by all */
    LEASE_SETTLING, /* the epoch is unsettled */
    LEASE_MEMBER,   /* right by renewal */
    LEASE_DEGRADED, /* right by promises alone */
    LEASE_PARKED,   /* no right */
    LEASE_DRAINING,
};
enum lease_state lease_state(const struct lease *l, uint64_t now_ms);
const char *lease_state_word(enum lease_state state);
/* Members whose promise is needed and missing; members that have not renewed for 3 s. */
size_t lease_promises_missing(const struct lease *l, uint64_t now_ms);
size_t lease_silent_count(const struct lease *l, uint64_t now_ms);
static inline uint64_t lease_successor(const struct lease *l)
{
    return l->successor;
}

#endif
