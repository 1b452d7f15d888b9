/* tests/sim/cluster/fleet.h - one run: whole nodes that act as one router, a Redis, components on
 * every node, remote servers, and what befalls them.
 *
 * A land (sim/links) whose routers share a table and a mesh. Checked after every event: at most one
 * node may write for a pair. By the ledger, as it fills: order for each connection and pair, no
 * stanza twice or answered twice but for trouble. At rest: every stanza has its fate, nothing is
 * left.
 *
 *   fleet.c   who is there, one run        crew.c    the inside of nodes: who may write
 *   storm.c   what a seed lets befall them      shown.c   what the table shows of nodes
 */
#ifndef SIM_CLUSTER_FLEET_H
#define SIM_CLUSTER_FLEET_H

#include "link/site.h"
#include "sim/cluster/amend.h"
#include "sim/links/house.h"
#include "sim/links/party.h"
#include "sim/redisserver.h"

#define FLEET_WORKERS_MAX 2
#define FLEET_PAIRS_MAX   64
#define FLEET_REDIS       AMEND_REDIS

/* The inside of a node. */
struct crew {
    unsigned start; /* which of the house's; 0: none */
    struct site *sites[FLEET_WORKERS_MAX];
    unsigned count; /* 0: not known yet */
};

/* A pair and who may write for it. */
struct berth {
    char key[160];
    struct slice local, remote; /* in it */
    struct house *writer;       /* the last, or NULL */
    uint64_t token;
    unsigned changes; /* of writer */
};

enum storm {
#define STORM(id, word) STORM_##id,
#include "sim/cluster/storm.def"
#undef STORM
    STORMS
};

/* One that lasts for a while. */
#define GALES_MAX 6

struct gale {
    struct fleet *fleet;
    enum storm kind;
    struct house *house, *other;
    unsigned seed; /* which worker */
    bool one_way;
    bool back;         /* ... namely from the table */
    uint64_t until_us; /* 0: none */
};

struct fleet {
    struct land land;
    struct host *redis_host;
    struct redisserver *redis;
    struct crew crews[HOUSES_MAX];
    struct berth berths[FLEET_PAIRS_MAX];
    size_t berth_count;
    unsigned haste; /* of a hundred chances to write, so many are taken */
    unsigned kinds; /* bits: which storms there are */
    struct gale gales[GALES_MAX];
    unsigned troubles; /* under way */
    unsigned takeovers;
    unsigned drains;
};

static inline struct fleet *fleet_of(struct land *l)
{
    return LIST_ENTRY(l, struct fleet, land);
}

/* Certificates that all runs share; `dir` exists. */
void fleet_prepare(const char *dir);
/* Plays one; returns only if all is well. */
void fleet_play(uint64_t seed, const char *dir, bool loud);

/* --- its parts --- */
/* The world, a table and names; nobody yet. */
void fleet_open(struct fleet *f, uint64_t seed, const char *dir, bool loud);
void fleet_house(struct fleet *f, size_t count);
void fleet_begin(struct fleet *f); /* all parties are there; nodes are to start */
/* Rest, its checks, the end. */
void fleet_end(struct fleet *f);

/* --- crew.c --- */
void crew_open(struct fleet *f); /* all parties are there */
struct berth *crew_berth(struct fleet *f, const char *local, const char *remote);
bool crew_may_write(const struct crew *c, const struct berth *b);
/* After each event. */
void crew_look(struct land *l);
/* A node wrote: for a pair that nobody else may write for. */
void crew_wrote(void *fleet, struct host *h, const struct addr *local, const struct addr *peer);

/* --- shown.c --- */
/* NULL: the table shows what this node, which runs, is and has, and nothing else; or what is wrong,
 * until the next call. */
const char *shown_wrong(struct fleet *f, const struct house *h);
/* Fields of its `node`, `comp` or `sess`. */
size_t shown_count(struct fleet *f, const char *what, const struct house *h);
/* Rows of pairs that nobody on the list owns. */
size_t shown_ownerless(struct fleet *f);

/* --- storm.c --- */
void storm_draw(struct fleet *f);
void storm_make(struct fleet *f);
void storm_look(struct fleet *f);
void storm_end(struct fleet *f);

#endif
