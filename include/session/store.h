/* session/store.h - the table that nodes share: who is on the list, who owns which pair.
 *
 * Two kinds behind one interface: `store_memory` (this node alone) and `store_redis` (the scripts
 * of session/scripts, in a Redis). Lives on the steward's loop; workers ask by message (link/desk).
 *
 * Each call has exactly one callback, posted, never inside the call: the answer, or NULL: lost. A
 * lost call may have been carried out, and will not be any more: the connection it went by is
 * closed, and the number of the next one is higher, so that the table refuses what comes late.
 * Answers of one connection come in the order of calls; renewals have a connection of their own.
 * What the words mean, and what a node must know before it calls, says the lease; this is only the
 * messenger. It never renews or claims by itself.
 */
#ifndef SESSION_STORE_H
#define SESSION_STORE_H

#include "loop/loop.h"

struct store;

/* Pairs of one call: a script stops all others while it runs. */
#define STORE_BATCH_MAX 200
/* Members of a list, and words about them in a call. */
#define STORE_MEMBERS_MAX 256
#define STORE_WHY_BYTES   360

/* As whom: what the last answered renewal made of us. */
struct store_as {
    uint64_t incarnation;
    uint64_t epoch;
};

/* --- renewals --- */

enum store_mode {
    STORE_NEW,    /* this incarnation has never been on a settled list */
    STORE_SETTLE, /* the same, and it may settle this epoch */
    STORE_RIGHT,  /* it has, and may write now */
    STORE_NONE    /* it has, and may not write now */
};

struct store_name {
    struct slice node;
    uint64_t incarnation;
    struct slice addr;
};

/* Borrowed for the call. Node, address and outage rule are the store's options. */
struct store_renew {
    uint64_t incarnation;
    uint64_t epoch; /* known; 0: none */
    uint64_t ack;   /* version of the list held, if it may be acknowledged; else 0 */
    uint64_t token; /* highest seen */
    enum store_mode mode;
    bool holder_still;             /* the name's holder has not moved for 30 s ... */
    uint64_t holder_count;         /* ... from this count */
    const struct store_name *held; /* of a returner: its list, and whom it refuses promises */
    size_t held_count;
};

enum store_outcome {
    STORE_RENEWED,
    STORE_FALLEN,       /* a new epoch, and we had no right: start as a new incarnation */
    STORE_BURIED,       /* gone for good; or `incarnation`, higher, has the name */
    STORE_HELD,         /* another address holds the name: `incarnation` at `count` */
    STORE_GHOST,        /* a higher connection number of ours was seen */
    STORE_OTHER_OUTAGE, /* the cluster's outage rule is `value` */
    STORE_OTHER_FORMAT  /* the table's format is `value` */
};

struct store_member {
    struct slice node;
    uint64_t incarnation;
    uint64_t count;  /* of its renewals */
    uint64_t joined; /* version of the list that has it first */
    uint64_t ack;    /* version of the list that it has acknowledged */
    struct slice addr;
};

/* Borrowed by the callback. */
struct store_renewal {
    enum store_outcome outcome;
    uint64_t epoch; /* RENEWED: this and the next four */
    uint64_t version;
    bool settled;
    const struct store_member *members;
    size_t member_count;
    uint64_t incarnation;  /* BURIED, HELD */
    uint64_t count;        /* HELD */
    struct slice value;    /* OTHER_* */
    uint64_t sent_boot_ms; /* loop_boot_ms when it went out: a right counts from there */
};

typedef void store_renewed_fn(void *arg, const struct store_renewal *r);
void store_renew(struct store *s, const struct store_renew *r, store_renewed_fn *done, void *arg);

/* --- calls --- */

enum store_word {
    STORE_OK,
    STORE_OUT,   /* we are not on the list: a renewal says why */
    STORE_STALE, /* a higher connection number of ours was seen */
    STORE_WAIT,  /* not now: not renewed yet, not settled, or not acknowledged by all */
    STORE_NO     /* of bury: it lives, or is not on the list */
};

/* One pair of a batch. Domains in normal form. */
struct store_pair {
    struct slice local;
    struct slice remote;
    uint64_t token;       /* assert: of our row, or 0; release: of our row; claim: of `witness` */
    struct slice witness; /* claim: the node that offered it; else empty */
    uint64_t witness_incarnation;
};

/* The row as it is after the call. */
struct store_claim {
    bool granted;      /* ours */
    struct slice node; /* borrowed */
    uint64_t incarnation;
    uint64_t token;
};

/* Borrowed by the callback. */
struct store_answer {
    enum store_word word;
    const struct store_claim *rows; /* claim, assert: one of each pair, when OK */
    size_t row_count;
    uint64_t number; /* release, sweep: rows removed; bury, bye: version of the list now */
};

typedef void store_done_fn(void *arg, const struct store_answer *a);
/* At most STORE_BATCH_MAX pairs. */
void store_claim(struct store *s, struct store_as as, const struct store_pair *pairs, size_t count,
                 store_done_fn *done, void *arg);
void store_assert(struct store *s, struct store_as as, const struct store_pair *pairs, size_t count,
                  store_done_fn *done, void *arg);
/* Only rows that still carry their token. */
void store_release(struct store *s, struct store_as as, const struct store_pair *pairs,
                   size_t count, store_done_fn *done, void *arg);
/* `count`: the target's, as watched. */
void store_bury(struct store *s, struct store_as as, struct slice node, uint64_t incarnation,
                uint64_t count, store_done_fn *done, void *arg);
void store_bye(struct store *s, struct store_as as, store_done_fn *done, void *arg);
/* Walks all rows and removes those whose owner is not on the list, a batch at a time; one sweep
 * at a time, a second one is answered WAIT. */
void store_sweep(struct store *s, struct store_as as, store_done_fn *done, void *arg);

/* --- rows for people --- */

/* Values begin with our incarnation. They go when it leaves the list, and are put back when it is
 * on the list again. */
enum store_table {
    STORE_NODE,       /* state, version, load of this node */
    STORE_COMPONENTS, /* local domain: its instances here */
    STORE_SESSIONS    /* stream id: direction, domains, peer, verdict, since */
};
#define STORE_TABLES 3

/* Gathered, and written once a second, while the table answers; nobody waits for it. What is kept
 * meanwhile is what this node shows now. Empty `text`: the row goes. */
void store_put(struct store *s, enum store_table table, struct slice key, struct slice text);

/* --- state --- */

/* May all be NULL. Called in an event. */
struct store_events {
    /* There is contact, under this number. Calls before the first renewal are answered WAIT. */
    void (*opened)(void *arg, uint64_t connection);
    /* Contact broken: all calls under way have been lost. */
    void (*broken)(void *arg, const char *why);
    /* The list or the epoch changed, by whomever: fast, and may be lost. `text`: the version of the
     * list. The embedded table has nobody who could change it. */
    void (*notice)(void *arg, struct slice text);
};

struct store_state {
    const char *kind; /* "memory", "redis" */
    bool open;        /* there is contact */
    bool up;          /* and the last call was carried out */
    uint64_t connection;
    uint64_t latency_us;         /* of the last answer */
    char place[STORE_WHY_BYTES]; /* where the table is */
    char why[STORE_WHY_BYTES];   /* not up: why, and what to do */
};

const struct store_state *store_state(const struct store *s);
/* Of the last answered renewal; {0, 0} before. A node alone is on its list from the start. */
struct store_as store_as(const struct store *s);
/* No callback comes any more. A connection needs the loop's next turn to close. */
void store_free(struct store *s);

/* The embedded table: one member, on the list and settled from birth. `events` may be NULL. */
struct store *store_memory_new(struct loop *l, const char *node, const struct store_events *events,
                               void *arg);

#endif
