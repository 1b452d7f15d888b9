/* link/members_inner.h - inside the members: members.c (life, second by second), members_table.c
 * (questions to the table), members_mesh.c (the other nodes), members_people.c (what operators see
 * and say). */
#ifndef LINK_MEMBERS_INNER_H
#define LINK_MEMBERS_INNER_H

#include "link/members_private.h"
#include "loop/timer.h"
#include "route/router.h"

/* Until when may be written; zero for good once its right is lost. */
struct until {
    struct list node;
    _Atomic uint64_t boot_ms;
};

/* What all nodes should have the same of. */
enum digest { DIGEST_DIALBACK, DIGEST_COMPONENTS, DIGEST_PEERS, DIGESTS };

/* Another node, as far as the mesh is concerned. */
struct fellow {
    struct list node;
    char name[LEASE_NAME_MAX + 1];
    char *address;        /* that a connection is wanted to, or NULL */
    uint64_t incarnation; /* the last it named on the mesh */
    uint64_t listed;      /* its incarnation on the list; 0: not on it */
    bool up;
    uint64_t turned_ms; /* when there was a connection, or none any more */
    unsigned differs;   /* bits by enum digest: its hello shows other ones */
    char digests[DIGESTS][FRAME_DIGEST_LEN];
    size_t digest_len[DIGESTS];
};

/* The pairs that a round of PINGs asked about. */
struct asked {
    uint64_t round;
    char **keys;
    size_t count;
};

/* Of the table's rows whose owner is not on the list any more. */
struct sweep {
    bool wanted;
    bool under_way;
    uint64_t at_ms; /* not before */
};

/* A pair that is on offer. */
struct offer {
    struct list node;
    char *key;
    uint64_t token;
    uint64_t incarnation; /* of ours, that the row names */
    char *to;             /* who is asked; NULL: nobody yet */
    uint64_t answer_by_ms;
    char **tried;
    size_t tried_count;
};

struct members {
    struct members_options o;
    char *name;
    char *address;
    char digests[DIGESTS][FRAME_DIGEST_LEN];
    struct lease lease;
    struct owners owners;
    struct store *store;
    struct board *board; /* NULL: one node */
    struct hop *hop;
    struct hop **views;
    struct timer tick;
    struct timer noticed; /* runs since the table told of a change and was asked */
    bool noticed_again;
    enum lease_state state; /* last told, and which part of joining */
    unsigned joining;
    uint64_t state_since_ms;
    bool refused;
    uint64_t token;            /* the highest seen */
    uint64_t epoch;            /* the last that was met; 0: none */
    uint64_t answered_ms;      /* the table answered a renewal; 0: never */
    char why[STORE_WHY_BYTES]; /* there is no table, as it was last logged; "": there is one */
    uint64_t why_next_ms;
    bool had_right;          /* when it was looked at last */
    enum counter_cell fence; /* why an incarnation ends now; COUNTER_CELLS: it does not */
    struct until *until;
    struct until *promised;
    struct list untils;   /* all there ever were */
    uint64_t call_serial; /* calls of older ones are answered into the void */
    struct list calls;
    struct list fellows;
    struct sweep sweep;
    struct asked asked[LEASE_ASK_MAX];
    uint64_t hand_over_ms; /* draining: for acknowledgements */
    struct list offers;
    struct list takes; /* struct offer: offered to us, `to`: by whom */
    void (*left)(void *arg);
    void *left_arg;
    struct timer leave_by;
    const struct members_ears *ears;
    void *ears_arg;
};

uint64_t members_now(const struct members *m);
struct log *members_log(const struct members *m);
/* After each event that the lease heard: duties, deadlines, news. */
void members_after(struct members *m);
/* Before each that may extend a right. */
void members_before(struct members *m);
void members_order(struct members *m, unsigned worker, struct order *o);
/* `o` goes to every worker; freed. */
void members_order_all(struct members *m, struct order *o);

/* members_table.c */
extern const struct owners_ops members_owners_ops;
void members_renew(struct members *m);
void members_table_fini(struct members *m);
void members_lost_table(struct members *m, const char *why);
void members_tell_table(struct members *m); /* each second: why it is not there */
void members_bury_silent(struct members *m);
/* Somebody was buried by us, or we, who were somebody before, are new: whose pairs nobody asks for
 * any more have rows that would stay for ever. */
void members_want_sweep(struct members *m);
void members_sweep(struct members *m); /* each second */
struct store_as members_as(const struct members *m);
void members_epoch(uint64_t epoch, char out[LEASE_EPOCH_MAX + 1]);

/* members_mesh.c */
void members_meet(struct members *m); /* connections to all on the list, and no others */
void members_ping(struct members *m);
void members_say_hello(struct members *m);
void members_hear_mesh(struct members *m, const struct word *w);
struct fellow *members_fellow(const struct members *m, struct slice node);
void members_mesh_fini(struct members *m);

/* members_people.c */
void members_compare(struct members *m, struct fellow *f, const struct frame_hello *h);
void members_hear_ask(struct members *m, const struct fellow *f, const struct frame *in);
void members_hear_forget(struct members *m, const struct fellow *by,
                         const struct frame_member *who);
void members_lost(struct members *m, struct fellow *f);

/* members_handover.c */
void members_offer(struct members *m, struct slice key);
void members_hear_handoff(struct members *m, struct slice node, const struct frame_handoff *h);
void members_taken(struct members *m, struct slice key, uint64_t token);
void members_offers_tick(struct members *m);
void members_handover_fini(struct members *m);

#endif
