/* tests/sim/links/land.h - one run: routers, parties, and what befalls them.
 *
 * Everything is drawn from the seed; the same seed gives the same run.
 */
#ifndef SIM_LINKS_LAND_H
#define SIM_LINKS_LAND_H

#include "sim/bed.h"
#include "sim/certs.h"
#include "sim/dnsserver.h"
#include "sim/links/ledger.h"

#include "sim/peer.h"

#define HOUSES_MAX  4
#define PARTIES_MAX 16

/* A router and its configuration. */
struct house {
    struct land *land;
    unsigned number;
    const char *name;
    char ip[32];
    struct host *host;
    struct bed bed;
    void *node;      /* NULL: it does not run */
    unsigned starts; /* so far */
    bool draining;
    bool stopped; /* its process does not run for a while */
    bool fresh;   /* never killed, drained: its counters know the whole run */
    uint64_t back_us;
    struct place place; /* and its wires to the other house */
    unsigned workers;
    unsigned most_stanzas; /* longest bound that a queue had so far */
    /* drawn anew at each reload */
    struct {
        unsigned queue_stanzas, queue_bytes, queue_age_ms, pause_ms, idle_ms, close_ms, dns_ms;
        unsigned connect_ms, tls_ms, dialback_ms, keepalive_ms, drain_ms, grace_ms, stanza_bytes;
        bool bounce;
    } set;
};

/* What kind of run it is. */
struct mood {
    bool tls;         /* real TLS everywhere */
    bool direct_tls;  /* ... from the first byte */
    bool by_dialback; /* certificates prove nothing */
    bool chopped;     /* bytes in crumbs */
    bool grumpy;      /* servers refuse now and then */
    unsigned letters; /* at most */
    unsigned body;    /* bytes, at most */
    unsigned run_ms;
    unsigned calm;     /* steps between two troubles, about */
    unsigned troubles; /* bits: which kinds */
    unsigned bursts;   /* letters at a time, at most */
    bool answerable;   /* all letters are */
};

/* From one party, or (NULL) between the two routers. */
struct wire {
    struct land *land;
    struct party *party;
    uint64_t since_us;
    uint64_t until_us; /* 0: it is well */
    uint64_t well_us;  /* what was lost is sent again by then: after as long again at the latest */
    bool cut_out;      /* from the router */
    bool cut_in;
    unsigned loss_permille;
    uint64_t usual_us; /* latency when all is well */
    uint64_t least_us;
    uint64_t speed;
};

/* A connection that a router let go of. */
struct parting {
    struct addr router;
    struct addr other;
    uint64_t acked;
    uint64_t sent;
    uint64_t now_us;
};

struct land {
    const char *program; /* that plays it */
    uint64_t seed;
    struct random rnd;
    struct world *w;
    bool loud;
    struct byteq transcript;
    const char *dir; /* of configuration and certificates */
    struct dnsserver *dns;
    uint64_t names_until_us; /* names are spoilt; 0: they are well */
    struct mood mood;
    struct house houses[HOUSES_MAX];
    size_t house_count;
    struct party *parties[PARTIES_MAX];
    size_t party_count;
    struct ledger ledger;
    struct wire wires[PARTIES_MAX + 1];
    size_t wire_count;
    struct parting *partings;
    size_t parting_count;
    unsigned serial;       /* of connections */
    unsigned lost_bounces; /* as the routers counted */
    unsigned dropped;
    unsigned resent;
    unsigned aged; /* bounces because of their age */
    bool calm;     /* the end: nothing befalls any more, nobody writes */
    /* The routers are nodes of one cluster: what they have in common. */
    bool together;
    struct place common;
    void (*stepped)(struct land *l); /* after each event, or NULL */
    uint64_t turn_steps;             /* of the world when the turn began */
};

/* Certificates that all runs share; `dir` exists. */
struct certs *land_certs(const char *dir);
/* Plays one; returns only if all is well. `loud`: what happens goes to standard error. */
void land_play(uint64_t seed, const char *dir, bool loud);

/* --- its parts, for other kinds of land --- */
void land_open(struct land *l); /* seed, dir, loud are set: the world, names, nobody in it */
struct house *land_house(struct land *l, const char *name);
/* A wire for each party: once all are there. */
void land_wire(struct land *l);
/* So long, then whoever has something to do. */
void land_turn(struct land *l, uint64_t ms);
/* Somebody writes to somebody. */
void land_write(struct land *l);
/* So long that everything has ended; `quiet_steps`: events that a router may still have in the
 * last ten seconds, besides those of spaces on idle streams. */
void land_rest(struct land *l, uint64_t rest_ms, unsigned quiet_steps);
/* At rest. */
void land_check(struct land *l);
void land_close(struct land *l);

uint64_t land_draw(struct land *l, uint64_t below);
bool land_chance(struct land *l, unsigned one_in);
void land_say(struct land *l, const char *format, ...) __attribute__((format(printf, 2, 3)));
void land_fail(struct land *l, const char *format, ...)
    __attribute__((format(printf, 2, 3), noreturn));

#endif
