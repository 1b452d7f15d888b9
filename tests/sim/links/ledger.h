/* tests/sim/links/ledger.h - what was sent in a run, what arrived, what came back.
 *
 * Written by the scripted parties, never by a router: the judge is another one than the judged.
 * What must hold at every moment is checked with every entry, the rest by ledger_judge.
 */
#ifndef SIM_LINKS_LEDGER_H
#define SIM_LINKS_LEDGER_H

#include "base/list.h"
#include "base/map.h"

#include <stdbool.h>

/* Times when what lies between two routers could lose acknowledgements: a stanza that the second
 * was given then it may be given again. */
#define SPELLS_MAX 64

struct spells {
    struct {
        uint64_t from_us;
        uint64_t to_us; /* UINT64_MAX: it lasts */
    } at[SPELLS_MAX];
    size_t count;
};

void spells_begin(struct spells *s, uint64_t now_us);
void spells_end(struct spells *s, uint64_t now_us);
/* A connection broke: trouble of that moment. */
void spells_note(struct spells *s, uint64_t now_us);
/* Was there trouble when an acknowledgement of then was under way? */
bool spells_cover(const struct spells *s, uint64_t then_us);

/* What a letter passes, each with its own troubles. */
#define PLACES_MAX 8

struct place {
    struct spells spells;
    /* Custody ended there without a word (a kill) last at; 0: never. */
    uint64_t forgot_us;
    /* It did not read for a while: what several connections hold then it meets in any order. */
    bool slept;
    uint64_t looked_us; /* last time it was looked at, */
    uint64_t unwell_us; /* and found away, or not reading, or its wire spoilt */
    uint64_t read_us;   /* last time it read a stanza, */
    uint64_t before_us; /* and the time before */
};

/* A connection of a party. What it wrote there is certain if the router's kernel acknowledged all
 * of it, however it ended; what a router wrote, as far as that router could know, which is said
 * when all is over: */
struct origin {
    unsigned serial;
    uint64_t since_us;
    bool clean;
    bool let_go;    /* the router's end is gone, */
    uint64_t acked; /* who knew that all before arrived, */
    uint64_t sent;  /* and had sent so much */
};

/* A stanza was read, or the answer to it. */
struct arrival {
    const struct origin *on;
    uint64_t end; /* of its bytes on the wire */
    uint64_t now_us;
    bool bounce;
    bool behind; /* one that was sent later was read before */
};

struct letter {
    unsigned id;
    struct origin *origin;
    char from[96];
    char to[96];
    struct place *places[PLACES_MAX]; /* on its way, NULL behind the last */
    struct place *common;             /* of a cluster: whoever owns its pair, or NULL */
    struct place *home;               /* of the sender: bounces pass it */
    unsigned house;                   /* which router accepts it */
    bool answerable;
    bool inside; /* to a component */
    bool abroad; /* from a remote server: its bounce may have to wait for a link */
    bool spread; /* to several instances: in order for each address only */
    /* The second router has several workers, and links to it end and begin: each keeps what it
     * took behind what went to an older connection of the addressee, not behind what another took.
     */
    bool scattered;
    uint64_t sent_us;
    struct arrival *arrivals;
    unsigned arrival_count;
    unsigned deliveries;
    unsigned bounces;
    uint64_t last_us;    /* delivered or bounced */
    uint64_t suspect_us; /* it came once more, and no trouble was known when it came before */
};

struct ledger {
    struct letter **letters; /* by id */
    size_t count;
    struct map last;  /* way of letters -> struct track: the last that came for the first time */
    struct map lines; /* the same, of one receiving connection */
    unsigned repeats; /* letters that were delivered more than once */
    /* What is wrong with the run; does not return. */
    void (*fail)(void *arg, const char *text);
    void *arg;
};

void ledger_init(struct ledger *l, void (*fail)(void *arg, const char *text), void *arg);
void ledger_fini(struct ledger *l);
/* The caller fills in the rest before the letter goes out. */
struct letter *ledger_new(struct ledger *l, struct origin *origin);
/* What a party read: from whom to whom, on which connection, up to which byte, when. */
struct reading {
    unsigned id;
    struct slice from;
    struct slice to;
    const struct origin *on;
    uint64_t end;
    uint64_t now_us;
    struct slice reason; /* of a bounce */
};
/* A stanza, by its addressee or, as a bounce, by its sender. */
void ledger_delivered(struct ledger *l, const struct reading *r);
void ledger_bounced(struct ledger *l, const struct reading *r);

struct ledger_sums {
    unsigned certain;    /* surely accepted, by that router */
    unsigned delivered;  /* at least once */
    unsigned silent;     /* accepted, and nobody heard of them again */
    unsigned unanswered; /* of those, not to be answered */
    unsigned excused;    /* may have been lost with a process */
    unsigned unheard;    /* bounced before they arrived, and nobody heard of that */
};

/* Troubles are known late, a reset comes behind a bounce on another wire: what looked wrong is
 * judged when all is over. */
void ledger_judge(struct ledger *l);
/* Accepted for certain, and nobody heard of it again. */
bool letter_is_silent(const struct letter *x);
/* The end: of the letters accepted by that router, or (UINT_MAX) by any. */
void ledger_sum(const struct ledger *l, unsigned house, struct ledger_sums *ret);

#endif
