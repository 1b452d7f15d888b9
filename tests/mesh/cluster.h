/* tests/mesh/cluster.h - some nodes in one world, each with workers and a mesh, and a table of
 * owners that the test writes. The links to remote servers are invented: a port takes what its
 * speed allows, and remembers who sent it what.
 */
#ifndef TESTS_MESH_CLUSTER_H
#define TESTS_MESH_CLUSTER_H

#include "link/lanes.h"
#include "link/mesh.h"
#include "loop/timer.h"
#include "node/door.h"
#include "sim/bed.h"

#define NODES_MAX   3
#define WORKERS_MAX 3
#define PAIRS_MAX   6

struct cluster;
struct node;

/* What a node believes of a pair. */
struct belief {
    enum owner_where where;
    unsigned node;
    uint64_t token;
};

struct port {
    struct list node;
    struct worker *worker;
    unsigned pair;
    struct outq q;
    uint64_t mark;
};

struct worker {
    struct node *node;
    unsigned index;
    struct loop *loop;
    struct counters counters;
    struct router router;
    struct lanes *lanes;
    struct mesh *mesh;
    struct hop *hop;
    struct timer tick;
    struct timer pump;
    struct timer feed;
    struct list ports;
    unsigned next_seq[PAIRS_MAX]; /* of what came in here */
};

struct node {
    struct cluster *cluster;
    unsigned index;
    uint64_t process; /* unique in a run; that of a node which never lived is 0 */
    char name[16];
    char ip[16];
    struct host *host;
    struct loop *steward;
    struct counters counters;
    struct door *door;
    struct mem_budget memory;
    struct worker workers[WORKERS_MAX];
    struct belief beliefs[PAIRS_MAX];
    bool alive;
    unsigned refused_count;
};

/* A pair's remote server. */
struct far_end {
    bool open;
    unsigned burst; /* stanzas each few milliseconds */
};

/* What arrived, by ingress, pair and owner. */
struct arrival {
    uint64_t ingress;
    unsigned worker;
    unsigned pair;
    uint64_t owner;
    unsigned last_seq;
};

struct cluster {
    struct world *w;
    struct bed bed;
    struct random rnd;
    unsigned node_count;
    unsigned worker_count;
    unsigned pair_count;
    struct node *nodes[NODES_MAX];
    struct far_end ends[PAIRS_MAX];
    uint64_t next_process;
    uint64_t next_token;
    struct arrival *arrivals;
    size_t arrival_count;
    uint64_t arrived; /* all of them */
    uint64_t accepted;
    bool feeding;
    uint64_t feed_ms;   /* a worker brings something this often */
    unsigned feed_most; /* so many at once at most */
    size_t body_most;   /* bytes of a stanza's content */
    struct outq_limits limits;
    const struct mesh_events *events; /* of nodes that start; `arg`: struct worker */
};

void cluster_open(struct cluster *c, uint64_t seed, unsigned nodes, unsigned workers,
                  unsigned pairs);
/* Everything must be settled; killed nodes are forgotten. */
void cluster_close(struct cluster *c);

void cluster_start(struct cluster *c, unsigned node);
void cluster_kill(struct cluster *c, unsigned node);
/* All living nodes believe it, or that one alone. */
void cluster_own(struct cluster *c, unsigned pair, unsigned owner);
void node_believe(struct node *n, unsigned pair, enum owner_where where, unsigned owner,
                  uint64_t token);
/* The owner gives the pair to another; the others hear of it by being refused. */
void cluster_hand_over(struct cluster *c, unsigned pair, unsigned to);
void cluster_bury(struct cluster *c, unsigned node); /* the living are told */
void cluster_port(struct cluster *c, unsigned pair, bool open, unsigned burst);
/* One stanza. */
void worker_bring(struct worker *w, unsigned pair);
struct mesh *node_mesh(struct node *from, const struct node *to);
bool cluster_meshed(struct cluster *c, unsigned a, unsigned b);

uint64_t node_count_of(const struct node *n, unsigned first, unsigned last);
uint64_t node_in(const struct node *n);
uint64_t node_out(const struct node *n);
uint64_t node_ended(const struct node *n); /* bounced and dropped */
uint64_t node_held(const struct node *n);
uint64_t cluster_held(const struct cluster *c);
/* Until nothing is held; false: not within that time. */
bool cluster_settle(struct cluster *c, uint64_t max_ms);

#endif
