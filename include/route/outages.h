/* route/outages.h - what is known to fail, and for how long it is not to be dialled. Pure.
 *
 * Kept twice: by the steward, of this node's own attempts, to be told to the other nodes
 * (link/tell); by each worker, of what the other nodes said (link/pair asks before it dials). Times
 * come in and go out as what is left: no two nodes' clocks are compared.
 *
 * Bounded: what is over goes, and when there is no room the oldest word does. A word that is lost
 * costs an attempt, no more. CONFORMANCE STREAM-21.
 */
#ifndef ROUTE_OUTAGES_H
#define ROUTE_OUTAGES_H

#include "base/list.h"
#include "base/map.h"
#include "route/bounce.h"

#define OUTAGES_MAX 4096
/* The word that a domain lives again is kept so long for those who have not heard it. */
#define OUTAGES_END_MS 10000

/* An attempt that failed. Texts are borrowed. */
struct outage {
    struct slice local, remote; /* the pair that was tried */
    bool of_domain;             /* the remote domain failed, for whoever tries */
    bool ended;                 /* the remote domain lives; only `remote` says something */
    uint64_t left_ms;           /* until it may be tried again */
    uint32_t failures_count;    /* in a row */
    enum bounce why;
    struct slice detail; /* for people; may be empty */
    struct slice node;   /* who tried; empty: this node */
};

struct outages {
    struct map rows;     /* of both kinds */
    struct map domains;  /* remote -> its rows */
    struct list in_turn; /* the latest word last */
    uint64_t serial;     /* of the latest word */
};

/* `seed`: 16 secret random bytes. */
void outages_init(struct outages *o, const uint64_t seed[2]);
void outages_fini(struct outages *o);

/* Copied; it takes the place of what was known of the same pair, or domain. False: the oldest had
 * to go for it. */
bool outages_begin(struct outages *o, const struct outage *what, uint64_t now_ms);
/* The remote domain lives: nothing is known of it any more. */
void outages_end(struct outages *o, struct slice remote);
/* ... and that is a word of its own, to be told. */
void outages_tell_end(struct outages *o, struct slice remote, uint64_t now_ms);
/* Whatever that node said. */
void outages_forget(struct outages *o, struct slice node);
void outages_clear(struct outages *o);
/* What is over goes. */
void outages_tick(struct outages *o, uint64_t now_ms);
size_t outages_count(const struct outages *o);
/* Something of that domain is known to fail. */
bool outages_any(const struct outages *o, struct slice remote);

/* Of the remote domain (`of_domain`), or of the pair alone. False: it may be tried. */
bool outages_find(const struct outages *o, struct slice local, struct slice remote, bool of_domain,
                  uint64_t now_ms, struct outage *ret_outage);

/* The words after that one, in turn, so many and about so many bytes of text at most; *serial is
 * then the last of them. From 0: all there are. */
size_t outages_since(const struct outages *o, uint64_t *serial, uint64_t now_ms,
                     struct outage *ret_rows, size_t room, size_t bytes);
/* There are some. */
static inline bool outages_has_since(const struct outages *o, uint64_t serial)
{
    return o->serial > serial;
}

#endif
