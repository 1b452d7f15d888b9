/* link/site.h - one worker as its links see it: loop, router, settings, and each other.
 *
 * Everything here is touched by the worker's own thread only. node/workers makes sites, hands
 * them descriptors, settings and the news of the store.
 */
#ifndef LINK_SITE_H
#define LINK_SITE_H

#include "link/desk.h"
#include "link/settings.h"
#include "loop/timer.h"
#include "base/backoff.h"
#include "base/tally.h"
#include "route/outages.h"
#include "route/router.h"
#include "session/stream.h"

enum link_kind { LINK_COMPONENT, LINK_S2S_IN, LINK_S2S_OUT, LINK_KINDS };
const char *link_kind_word(enum link_kind k);

struct link;
struct link_row;

/* A pair of an inbound stream. */
struct link_pair_row {
    struct slice local, remote;
    bool valid; /* else its key is being checked */
    enum method method;
    uint64_t stanzas_count;
};
typedef void link_pair_fn(void *arg, const struct link_pair_row *row);

struct link_ops {
    void (*describe)(const struct link *l, struct link_row *row);
    /* A polite end with that fault (FAULT_NONE: a plain close). */
    void (*close)(struct link *l, enum fault why);
    /* Drain: nothing new is to come. NULL: it brings no stanzas. */
    void (*stop_reading)(struct link *l);
    /* What our kernel has from it is read now. NULL: as above. */
    void (*read_rest)(struct link *l);
    /* The end of all patience: its connection is reset. */
    void (*abort)(struct link *l);
    /* Asked each second: what it does not need while it is idle goes. */
    void (*rest)(struct link *l);
    /* The pairs of an inbound stream; NULL: it has none of its own. */
    void (*walk_pairs)(const struct link *l, link_pair_fn *fn, void *arg);
};

/* Embedded in each link; in site->links from opening to closing. */
struct link {
    struct list node;
    struct list noted; /* what it shows goes to the table's rows soon (link/scribe); or alone */
    bool shown;        /* ... and is there */
    const struct link_ops *ops;
    enum link_kind kind;
    uint64_t id;       /* unique in the process, shown and logged */
    bool open;         /* counted in links{state="open"} */
    int64_t expires_s; /* a certificate in use ends (seconds since 1970); 0: none */
};

/* What `fedrouterctl links` shows; texts borrowed for the call, or in `arena`. */
struct link_row {
    struct arena *arena;
    uint64_t id;
    enum link_kind kind;
    const char *state;          /* word */
    const char *state_text;     /* for people */
    struct slice local, remote; /* ours, theirs; may be empty */
    struct addr peer;
    bool tls;
    bool direct_tls;
    size_t tls_bytes;              /* memory of its session, an estimate */
    size_t parser_bytes;           /* memory of its parser */
    const struct verdict *verdict; /* or NULL */
    uint64_t since_ms;
    uint64_t idle_ms;
    size_t pairs_count;
    uint64_t stanzas_in;
    uint64_t stanzas_out;
    bool paused;
    size_t queue_count;
};

struct pair;
struct scribe;
struct frame_hello;
struct lanes;
struct members;
struct mesh;
struct view;

struct site {
    struct loop *loop;
    unsigned worker;
    struct settings *settings; /* current; replaced by site_configure */
    struct router router;
    struct seat *seat;
    struct lanes *lanes;
    struct view *view;
    struct scribe *scribe;
    struct mesh *mesh; /* the connections to other nodes that live here; NULL: one node */
    struct list links;
    size_t link_count;
    _Atomic uint64_t inbound_count; /* of them, inbound streams */
    struct map pairs;               /* "local remote" -> struct pair */
    struct map remotes;             /* domain -> struct remote */
    struct outages heard;           /* from other nodes: link/hearsay */
    struct map instances;           /* id bytes -> struct component */
    size_t verify_count;            /* dialback questions under way */
    struct tally askers;            /* of them, for keys from each address */
    uint64_t id_secret[2]; /* of stream ids: the same on all workers (loops back are noticed) */
    _Atomic uint64_t *next_id;
    struct timer tick;
    uint64_t slow_tick_ms;
    bool draining; /* no new link, no new stanza */
    bool bouncing; /* ... and what cannot go at once comes back: nothing is dialled any more */
    struct log_limit stranger_log; /* lines that strangers provoke */
    struct mem_budget *memory;     /* of the process: what is held in queues */
    struct gate memory_gate;       /* sources that wait for it to shrink */
};

struct site_options {
    struct loop *loop;
    unsigned worker;
    unsigned worker_count;
    struct desk *desk;
    struct settings *settings;  /* a reference is taken */
    const uint64_t *route_seed; /* two words, the same on all workers */
    const uint64_t *id_secret;
    _Atomic uint64_t *next_id;
    struct mem_budget *memory;
    struct members *members; /* the steward's; of all workers */
};

void site_init(struct site *s, const struct site_options *o);
/* Hops of all workers' lanes, own index included, once all are made. */
void site_connect(struct site *s, struct hop *const *lane_hops);
/* What to say of us to other nodes from now on; with the first the mesh opens. */
void site_set_hello(struct site *s, const struct frame_hello *hello);
/* Takes fd; `node`: who the preface says it is. */
void site_accept_mesh(struct site *s, int fd, const struct addr *peer, struct slice node);
struct hop *site_lane_hop(struct site *s);
/* Nothing is under way any more: no links, no pairs, no lanes. What was
 * asked of the desk may be open: nobody waits for it. */
bool site_settled(const struct site *s);
bool site_quiet(const struct site *s); /* ... and no connections of the mesh */
void site_fini(struct site *s);

void site_configure(struct site *s, struct settings *settings); /* takes a reference */

enum site_port { SITE_S2S, SITE_S2S_TLS, SITE_COMPONENT, SITE_COMPONENT_TLS, SITE_MESH };
/* As in the configuration (listen), in logs and status. */
const char *site_port_word(enum site_port port);
/* Takes fd; refused while draining, and on a TLS port whose certificates a reload took away. Not
 * for SITE_MESH: site_accept_mesh. */
void site_accept(struct site *s, int fd, const struct addr *peer, enum site_port port);

/* The store's news. */
void site_joined(struct site *s, struct slice pattern, const struct table_place *place);
void site_left(struct site *s, uint64_t id);
void site_replaced(struct site *s, uint64_t id);
void site_peer_alive(struct site *s, struct slice remote);

/* Closes links whose id is `id`, or (id 0) that touch `domain`. Returns how many. */
size_t site_close(struct site *s, uint64_t id, struct slice domain);

/* Drain, step by step. Inbound streams are told to end and read until they do: what they sent
 * still goes its way. Components, which are to get it, are not read any more. */
void site_stop_reading(struct site *s);
/* What is held, was made here, or came from another node, and has no fate yet; and (`inbound`) the
 * inbound streams that have not ended. Any thread. */
uint64_t site_unsettled(const struct site *s, bool inbound);
/* What waits comes back, and what components wrote before they were not read any more. */
void site_bounce_all(struct site *s, enum bounce why);
/* Resets the links that have not even begun with the bounces: what they hold comes back, too. */
void site_cut(struct site *s);
void site_bounce_held(struct site *s, enum bounce why);
void site_shutdown(struct site *s); /* closes every link with system-shutdown; again and again */
/* When the sites of all workers have settled: the lanes of each may go over the mesh of another. */
void site_shut_mesh(struct site *s);
void site_abort(struct site *s); /* resets what did not close in time */

/* --- for links --- */
void site_add(struct site *s, struct link *l, enum link_kind kind, const struct link_ops *ops);
void site_remove(struct site *s, struct link *l);
/* 48 hex digits: 128 random bits and a mark that only our own nodes can make. */
#define STREAM_ID_LEN 48
void site_stream_id(struct site *s, char out[STREAM_ID_LEN + 1]);
bool site_stream_id_ours(const struct site *s, struct slice id);
/* Options of a stream under the current settings. */
struct stream_options site_stream_options(const struct site *s, enum stanza_scope scope);
/* A domain of ours? NULL: no. */
struct table_entry *site_local(const struct site *s, struct slice domain);
/* Runs the tick (ages) while there is anything to age. */
void site_wake(struct site *s);
struct log *site_log(struct site *s);
/* A line that a stranger provoked: may it be written, and how many before it were not? */
bool site_log_stranger(struct site *s, uint64_t *ret_swallowed);

#endif
