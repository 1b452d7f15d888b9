/* route/owners.h - the pairs that this node may send for, and how it came by them: claimed,
 * asserted, taken without the table, handed over, let go.
 *
 * Pure. On the steward, beside the lease (route/lease), which says what may be done and when; the
 * caller carries batches to the table and their answers back, and tells the pair's worker.
 *
 *            want              granted                offer
 *   (none) -------> WANTED -------------> OURS --------------> OFFERED ---handed---> (none)
 *                    |  \                  ^                      \ kept by nobody: released
 *                    |   \ another's       | asserted
 *                    |    '--> (none)      |
 *                    '---------------> PROVISIONAL ---promises ended---> (none)
 *                  the choice, and all promise
 *
 * A pair is claimed before it is connected, by whoever holds a stanza for it: the claim is the
 * look-up. A row is OURS until it is released, handed over, or found to be another's; whether it
 * may be written for at this moment is the lease's word. An OFFERED row is not ours any more: it is
 * never written, never asserted, and released by its token only.
 *
 * Who cannot claim (no table, or bound by a promise) sends a pair's stanzas to the first member in
 * the pair's rendezvous order that says it can; if none can, to the choice that is the same for all
 * who hold the same list. If that is this node, it asks everybody (their PONGs say whose pair it
 * is) and takes it provisionally.
 */
#ifndef ROUTE_OWNERS_H
#define ROUTE_OWNERS_H

#include "base/list.h"
#include "base/map.h"
#include "route/lease.h"

#define OWNERS_BATCH_MAX 200 /* pairs of one call to the table */
/* What the table answers `wait`, or not at all, is tried again after so long. */
#define OWNERS_RETRY_FIRST_MS 50
#define OWNERS_RETRY_MOST_MS  1000
/* What a PONG said of its sender, and of pairs, is believed for so long. */
#define OWNERS_FRESH_MS LEASE_PROMISE_MS

enum owner_state { OWNER_WANTED, OWNER_OURS, OWNER_PROVISIONAL, OWNER_OFFERED };

/* Whose a pair is. token 0: nobody's word but a guess; no name: nothing is known. */
struct owner_ref {
    struct slice node;
    uint64_t incarnation;
    uint64_t token;
};

/* A pair in a batch. The key is "local remote", borrowed for the call. */
struct owners_item {
    struct slice key;
    uint64_t token;           /* of an assert (0: it never had a row) or a release */
    struct owner_ref witness; /* of a claim: the owner that offered it, or no name */
};

struct owners;

/* Called inside owners_* calls: post, and do not call back. */
struct owners_ops {
    /* To the table, one batch of a kind at a time; answered by owners_claimed, _asserted,
     * _released, or all at once by owners_contact_lost. */
    void (*claim)(void *arg, const struct owners_item *items, size_t count);
    void (*assert_rows)(void *arg, const struct owners_item *items, size_t count);
    void (*release)(void *arg, const struct owners_item *items, size_t count);
    /* To the pair's worker. `provisional`: by promises alone, lease_promised_until_ms bounds it;
     * told again when that is over and the row is the table's. */
    void (*granted)(void *arg, struct slice key, uint64_t token, bool provisional);
    /* The answer to a want: send it there. No name: the routed frame is to be refused. */
    void (*elsewhere)(void *arg, struct slice key, const struct owner_ref *owner);
    /* It was ours and is not any more; not a word of it may be written. No name: nobody knows. */
    void (*lost)(void *arg, struct slice key, const struct owner_ref *owner);
    /* The answer to a take: our token, or 0: refused. */
    void (*taken)(void *arg, struct slice key, uint64_t token);
};

struct owner_row;

/* A batch under way; a row that went meanwhile left NULL behind. */
struct owners_flight {
    struct owner_row *rows[OWNERS_BATCH_MAX];
    size_t count; /* 0: nothing is under way */
};

/* After a call that brought nothing. */
struct owners_wait {
    uint64_t ms;    /* how long; 0: no such call lately */
    uint64_t at_ms; /* until then */
};

/* What a member's PONGs said. */
struct owners_peer {
    char name[LEASE_NAME_MAX + 1];
    uint64_t incarnation;
    uint64_t heard_ms;
    bool can_claim;
    bool draining;
    uint64_t rounds[LEASE_ASK_MAX]; /* in which it promised, the list being the same */
};

struct owners {
    const struct owners_ops *ops;
    void *arg;
    struct lease *lease;
    struct map rows;
    size_t counts[4];       /* by enum owner_state */
    struct list wanted;     /* to be claimed, oldest first */
    struct list unasserted; /* to be asserted */
    struct list releases;
    size_t releases_sent; /* of them, the first so many are under way */
    struct owners_flight claims;
    struct owners_flight asserts;
    uint64_t claim_turn;
    uint64_t assert_turn;
    bool assert_due; /* the lease waits for lease_asserted */
    bool waiting;    /* the last claim brought no rows */
    struct owners_wait claim_wait;
    struct owners_wait row_wait; /* of asserts and releases */
    struct owners_peer *peers;
    size_t peer_count;
};

/* `lease` is borrowed. `seed`: of the map. */
void owners_init(struct owners *o, const struct owners_ops *ops, void *arg, struct lease *lease,
                 const uint64_t seed[2]);
void owners_fini(struct owners *o);

/* --- the pair's worker --- */

/* It holds a stanza for the pair. Answered once by granted, or elsewhere; asking again before
 * that does nothing. `routed`: all it holds came from other nodes and is not sent on. */
void owners_want(struct owners *o, struct slice key, bool routed, uint64_t now_ms);
/* The pair is idle and forgotten, or not wanted any more. */
void owners_release(struct owners *o, struct slice key);

/* --- hand-over --- */

/* Ours no more: the token to offer it by, or 0: it is not ours to offer (a provisional row is
 * given up with `lost`). */
uint64_t owners_offer(struct owners *o, struct slice key);
/* `owner` has taken what was offered. */
void owners_handed(struct owners *o, struct slice key, const struct owner_ref *owner);
/* Nobody took it. */
void owners_withdraw(struct owners *o, struct slice key);
/* Somebody offers us a pair; answered by `taken` (and, then, `granted`). */
void owners_take(struct owners *o, struct slice key, const struct owner_ref *witness,
                 uint64_t now_ms);

/* --- the lease --- */

/* LEASE_DROP_PAIRS: a new incarnation owns nothing. */
void owners_drop_all(struct owners *o);
/* LEASE_ASSERT_PAIRS. */
void owners_assert_all(struct owners *o);
/* Before the lease hears anything that may extend a right: what is held by promises that have ended
 * is lost, though they may begin anew. True if there was any. */
bool owners_forget_lapsed(struct owners *o, uint64_t now_ms);
/* Each second, and whenever the lease heard something: sends what may be sent, forgets what has to
 * be forgotten, finds another way for what cannot be claimed. */
void owners_tick(struct owners *o, uint64_t now_ms);

/* --- the table --- */

enum owners_answer {
    OWNERS_ROWS, /* of each pair of the batch, in its order */
    OWNERS_WAIT, /* not now, or the table did not say: nothing was done that counts */
};
/* `rows`: of the batch; one that names this incarnation is ours. */
void owners_claimed(struct owners *o, enum owners_answer answer, const struct owner_ref *rows,
                    uint64_t now_ms);
void owners_asserted(struct owners *o, enum owners_answer answer, const struct owner_ref *rows,
                     uint64_t now_ms);
void owners_released(struct owners *o, enum owners_answer answer, uint64_t now_ms);
/* What is under way has no answer. */
void owners_contact_lost(struct owners *o, uint64_t now_ms);

/* --- the others --- */

/* The pairs that the PING of this round asks about; borrowed until the next call. At most `room`.
 */
size_t owners_ask(struct owners *o, uint64_t round, uint64_t now_ms, struct slice *ret_keys,
                  size_t room);
/* `promise`: with the same list; `mine`: those of the round's pairs that are its. */
struct owners_pong {
    uint64_t round;
    bool can_claim;
    bool draining;
    bool promise;
    const struct slice *mine;
    size_t mine_count;
};
void owners_hear_pong(struct owners *o, struct lease_id from, const struct owners_pong *pong,
                      uint64_t now_ms);
/* For our own PONG. */
bool owners_has(const struct owners *o, struct slice key);
bool owners_can_claim(const struct owners *o, uint64_t now_ms);
/* That member's last PONG said that it drains. */
bool owners_drains(const struct owners *o, struct slice node);

#endif
