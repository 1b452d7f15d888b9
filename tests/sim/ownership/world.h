/* tests/sim/ownership/world.h - nodes, a table and a mesh in invented time: can two nodes be
 * allowed to write for one pair at once?
 *
 * A node is the real lease and the real owners of pairs; the table is the real scripts
 * over a keyspace; messages are delayed, lost and late, processes paused, killed and started
 * again. One seed is one run, always the same. `world_check` is called after every event.
 *
 *   world.c   time, events, cuts, the checks      table.c     Redis and the way to it
 *   node.c    what a node does each second        mesh.c      what nodes say to each other
 *   pairs.c   who wants which pair, hand-over     trouble.c   what a seed draws
 *   run.c     one run; clauses left out           times.c     how long pairs had no writer
 */
#ifndef SIM_OWNERSHIP_WORLD_H
#define SIM_OWNERSHIP_WORLD_H

#include "base/random.h"
#include "route/lease_inner.h"
#include "route/owners_inner.h"
#include "session/scripts.h"
#include "sim/redislua.h"

#define SLOTS_MAX  8 /* machines: a process runs on each at most */
#define PAIRS_MAX  6
#define PIPES_MAX  8
#define WORDS_MAX  80
#define WORDS_ROOM 2048

/* noflush: a node writes what it was allowed to when it looked last. This is the writer's to keep,
 * whom the world plays. */
extern bool world_noflush;

struct words {
    char text[WORDS_ROOM];
    size_t len;
    struct slice word[WORDS_MAX];
    size_t count;
};

enum event_kind {
    EVENT_TICK,    /* a node's second */
    EVENT_RESUME,  /* a paused process goes on */
    EVENT_REQUEST, /* a call reaches the table */
    EVENT_REPLY,   /* its answer reaches the node */
    EVENT_DIAL,    /* a connection reaches the table */
    EVENT_DIALLED, /* the node has one */
    EVENT_BROKEN,  /* the node learns that its connection is gone */
    EVENT_UNSENT,  /* ... that it had none for a call; number: the script */
    EVENT_MESH,
    EVENT_TROUBLE,
};

struct request;
struct message;
struct trouble;

struct event {
    uint64_t at_ms;
    uint64_t order;
    enum event_kind kind;
    int slot;
    uint64_t process; /* of that slot; another: the event is void */
    uint64_t number;  /* connection; run of the table */
    union {
        struct request *request;
        struct message *message;
        struct trouble *trouble;
        void *owned;
    };
};

/* One direction of one connection to the table. */
struct pipe {
    uint64_t last_ms;    /* nothing overtakes */
    uint64_t blocked_ms; /* a cut holds it up until then */
    uint64_t wait_ms;    /* between two tries, longer each time */
};

struct connection {
    uint64_t number;
    uint64_t run;
    bool closed;             /* by the node; what is on its way may still arrive */
    bool lost;               /* ... but does not */
    struct pipe pipes[2][2]; /* renewals and calls; there and back */
};

struct offer {
    bool open;
    int to;
    uint64_t token, until_ms;
    uint32_t tried; /* slots */
};

struct node {
    int slot;
    char name[8];
    char address[8];
    bool up, leaving, bye_sent;
    uint64_t process;
    uint64_t paused_ms; /* stopped until then */
    uint64_t slow_ms;   /* so much later come its answers from the table */
    uint64_t started_ms;
    struct lease lease;
    struct owners owners;
    struct world *world;
    /* the table */
    bool connected;
    uint32_t unsent; /* bits: scripts of calls that there was no connection for */
    struct connection *connection;
    struct connection connections[PIPES_MAX];
    uint64_t connection_number;
    uint64_t dial_ms;
    uint64_t waiting_ms[2]; /* since when the oldest unanswered call of a channel waits, or 0 */
    uint32_t waiting_count[2];
    uint64_t answered_ms, contact_ms; /* as the world sees it, not the lease */
    uint64_t bye_ms, exit_ms;
    /* pairs, as bit sets */
    uint32_t owned;              /* with a row */
    uint32_t provisional;        /* without */
    uint32_t wanted;             /* stanzas wait here */
    uint32_t asked;              /* others sent us some */
    uint32_t cached;             /* noflush: what the last look allowed */
    uint32_t asking;             /* the owners are finding out */
    uint64_t want_ms[PAIRS_MAX]; /* not asked again before */
    uint64_t asked_ms[PAIRS_MAX];
    uint64_t token[PAIRS_MAX];
    struct offer offers[PAIRS_MAX];
    int offerers[PAIRS_MAX]; /* slots, of pairs that it takes */
    uint64_t ping_rounds[LEASE_ASK_MAX];
    uint32_t ping_pairs[LEASE_ASK_MAX]; /* that it asked about then */
    uint64_t leave_due_ms;
};

struct delays {
    uint64_t table_ms, mesh_ms;
};

struct world {
    struct random rnd;
    uint64_t now_ms;
    uint64_t order;
    struct event *heap;
    size_t heap_count, heap_room;

    struct node nodes[SLOTS_MAX];
    int slot_count;
    int pair_count;
    bool stop;        /* outage: stop */
    bool bury_beside; /* burials go with the renewals, not with the claims */
    struct delays delays;
    bool cut[SLOTS_MAX][SLOTS_MAX];
    bool cut_table[SLOTS_MAX][2]; /* there, back */

    struct redislua *lua;
    int script[SCRIPT_COUNT];
    struct keyspace keys, replica;
    bool table_up, has_replica;
    uint64_t run;        /* of the table's process */
    uint64_t emptied_ms; /* it last lost anything */
    uint64_t stalled_ms;

    struct trouble *troubles;
    size_t trouble_count;
    bool calm; /* no troubles any more */

    uint64_t mesh_heard_ms[SLOTS_MAX][SLOTS_MAX]; /* [who][whom], of this process */
    uint64_t mesh_heard_process[SLOTS_MAX][SLOTS_MAX];

    /* results */
    bool two_writers, assumption_broken, early_burial;
    uint64_t unserved_ms[PAIRS_MAX]; /* without a writer since, or 0 */
    uint64_t gaps_ms[PAIRS_MAX];     /* longest time without */
    bool trace;
    /* what happened, to show that the runs meet everything */
    struct {
        uint64_t claims, takeovers, provisionals, degraded, returns, falls, burials, handovers,
            settles, parks;
    } did;
};

/* --- world.c --- */
void world_init(struct world *w, uint64_t seed, int slots, int pairs);
void world_fini(struct world *w);
/* `process` is filled in: the one that runs on the slot now. */
void world_post(struct world *w, uint64_t at_ms, struct event e);
/* The same event once more, later. */
void world_put_off(struct world *w, struct event e, uint64_t at_ms);
/* Handles events up to that time, or until two nodes write. */
void world_run(struct world *w, uint64_t until_ms);
uint64_t world_below(struct world *w, uint64_t bound);
bool world_chance(struct world *w, unsigned percent);
/* Pairs that the node would write for now. */
uint32_t world_writes(struct world *w, struct node *n);
int world_writer(struct world *w, int pair); /* slot, or -1 */
/* Each pair that a living node has stanzas for has a writer. */
bool world_all_served(struct world *w);
void world_say(struct world *w, const char *format, ...) PRINTF(2, 3);
const char *pair_key(int pair);
int pair_of(struct slice key);

/* --- node.c --- */
void node_start(struct world *w, int slot, const char *name);
void node_kill(struct world *w, int slot);
void node_pause(struct world *w, int slot, uint64_t ms);
void node_leave(struct world *w, int slot);
void node_tick(struct world *w, struct node *n);
void node_exit(struct world *w, struct node *n);
/* After whatever was told to the lease: what it asks for, and what it now allows. */
void node_work(struct world *w, struct node *n);
void node_before(struct world *w, struct node *n); /* whatever ended since the last event */
struct lease_id node_id(const struct node *n);
struct node *node_find(struct world *w, struct slice name, uint64_t incarnation);

/* --- table.c --- */
void table_restart(struct world *w, bool empty, bool older);
void table_down(struct world *w);
void table_flush(struct world *w); /* emptied, the process goes on */
void table_snap(struct world *w);
void table_request(struct world *w, struct event *e);
void table_reply(struct world *w, struct event *e);
void table_dial(struct world *w, struct node *n);
void table_dialled(struct world *w, struct event *e);
void table_accept(struct world *w, struct event *e);
void table_unsent(struct world *w, struct event *e);
void table_close(struct world *w, struct node *n);
void table_renew(struct world *w, struct node *n);
void table_bury(struct world *w, struct node *n, const struct lease_burial *b);
void table_bye(struct world *w, struct node *n);
/* owners_ops */
void table_claim(void *node, const struct owners_item *items, size_t count);
void table_assert(void *node, const struct owners_item *items, size_t count);
void table_release(void *node, const struct owners_item *items, size_t count);
/* A release that the owners know nothing of. */
void table_release_beside(struct world *w, struct node *n, int pair, uint64_t token);
void table_sweep(struct world *w, struct node *n);
void request_free(struct request *r);

/* --- pairs.c --- */
void pairs_open(struct world *w, struct node *n);
void pairs_drop(struct world *w, struct node *n);
void pairs_work(struct world *w, struct node *n);
void pairs_release(struct world *w, struct node *n, int pair);
void pairs_offer(struct world *w, struct node *n, int pair);
void pairs_offered(struct world *w, struct node *n, const struct owner_ref *by, int from, int pair);
void pairs_answered(struct world *w, struct node *n, int from, int pair, bool taken);
void pairs_tick(struct world *w, struct node *n);

/* --- mesh.c --- */
void mesh_ping_all(struct world *w, struct node *n);
void mesh_data(struct world *w, struct node *n, int to, int pair);
void mesh_offer(struct world *w, struct node *n, int to, int pair, uint64_t token);
void mesh_answer(struct world *w, struct node *n, int to, int pair, bool taken);
void mesh_bye(struct world *w, struct node *n);
void mesh_forget(struct world *w, struct node *n, struct lease_id id);
void mesh_arrive(struct world *w, struct event *e);

/* --- trouble.c --- */
enum trouble_kind {
    CUT_TABLE, /* a node from the table; one way too */
    CUT_MESH,  /* a from b */
    OUTAGE,    /* all nodes from the table */
    STALL,     /* the table answers nothing for a while */
    RESTART,   /* down for a while, comes back as it was */
    EMPTY,     /* ... empty */
    OLDER,     /* ... as it was some time ago */
    FLUSH,     /* emptied by somebody while it runs */
    PAUSE,     /* a node sleeps */
    CRASH,     /* a node dies */
    AGAIN,     /* a node dies and is started again at once */
    JOIN,      /* a node starts */
    MOVE,      /* a dead node's name comes up on another machine */
    LEAVE,     /* a node drains and goes */
    HANDOVER,  /* a node offers its pairs */
    FORGET,    /* the operator says that a node is dead */
    RELEASE,   /* a node lets go of its pairs */
    SNAP,      /* the replica falls behind from here */
    HEAL,      /* end of a cut */
    UP,        /* end of a restart */
    TROUBLES
};
struct trouble {
    uint64_t at_ms;
    enum trouble_kind kind;
    int a, b;
    bool one_way;
    uint64_t ms; /* how long */
};
void trouble_draw(struct world *w);
void trouble_add(struct world *w, struct trouble t);
void trouble_happen(struct world *w, const struct trouble *t);

/* --- run.c --- */
struct outcome {
    bool two_writers, unserved, early_burial, assumption_broken;
    uint64_t ms;
};
/* One run, from its seed. */
struct outcome run_seed(uint64_t seed, bool trace);
/* Everybody up, all pairs owned: where a fixed scenario begins. */
void run_until_served(struct world *w);
void run_mutate(const char *word); /* NULL: none */

/* --- times.c --- */
void times_print(void);

#endif
