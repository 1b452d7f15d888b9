/* tests/sim/links/party.h - the ends of a run that are not ours: components and remote servers.
 *
 * A party answers what the protocols ask of it, whenever it is looked at (party_look); what it
 * receives goes into the ledger. Its *lines* are its connections.
 */
#ifndef SIM_LINKS_PARTY_H
#define SIM_LINKS_PARTY_H

#include "scenario/xmlread.h"
#include "sim/links/land.h"
#include "sim/peer.h"

enum line_kind {
    LINE_COMPONENT, /* it dialled a component port */
    LINE_OUT,       /* a server that dialled a router */
    LINE_IN,        /* a router that dialled a server */
};

struct line {
    struct list node;
    struct party *party;
    struct house *house;
    enum line_kind kind;
    struct peer *peer;
    struct xread read;
    uint64_t taken; /* bytes it was fed */
    struct origin *origin;
    bool secured;
    bool authenticated; /* by certificate */
    bool no_external;
    bool open; /* stanzas may pass */
    bool we_ended;
    bool they_ended;
    bool over;
    char goal[80];      /* LINE_OUT: the domain it was made for */
    size_t own;         /* server: which of its names it speaks for */
    uint64_t asked;     /* bits: which domains of `house` were asked for */
    uint64_t allowed;   /* ... and may be written to */
    struct byteq later; /* an answer that takes its time */
    uint64_t later_us;
};

/* One of ours and theirs that stanzas come from and go to. */
struct party {
    struct land *land;
    struct house *house; /* component: where it is attached; server: NULL */
    struct host *host;
    char name[32];
    char ip[32];
    char pattern[64]; /* component: its rule; server: its domain */
    char names[2][64];
    size_t name_count;
    size_t wish_count; /* component: so many instances at a time */
    bool spread;       /* component: instances share its stanzas */
    bool refuses;      /* component: its rule is `refuse` */
    bool direct_tls;
    bool tls;
    bool away;    /* does not connect or listen */
    bool stalled; /* does not read */
    uint64_t back_us;
    uint64_t go_us;
    uint64_t retry_us;
    struct peer_port *port;
    struct list lines;
    struct place place;
};

/* --- line.c --- */
struct line *line_new(struct party *p, struct house *h, enum line_kind kind, struct peer *peer);
/* Reads and answers. */
void line_look(struct line *n);
/* The stream header, as initiator. */
void line_greet(struct line *n);
/* TLS; false: it failed, the line is over. */
bool line_shake(struct line *n, bool server);
/* A dialback key for one more domain of that router. */
void line_ask(struct line *n, const char *name);
/* Our end tag. */
void line_end(struct line *n);
/* The connection is gone: how it ended is written down. */
void line_over(struct line *n);
/* The number of that name among those of the router; SIZE_MAX: it is none. */
size_t line_domain(const struct land *l, const struct house *h, struct slice name);

/* --- party.c --- */
struct party *party_component(struct land *l, struct house *h, const char *pattern);
struct party *party_server(struct land *l, const char *domain);
void party_free(struct party *p);
/* Accepts, reads, answers, connects again. */
void party_look(struct party *p);
/* Something to the domain `name` of `to`; false: no line is open for it. */
bool party_write(struct party *p, struct party *to, size_t name);
/* RST on all lines, nothing unread; gone for so long. */
void party_crash(struct party *p, uint64_t ms);
/* End tags on all lines. */
void party_leave(struct party *p, uint64_t ms);
void party_stall(struct party *p, uint64_t ms);
void party_heal(struct party *p);
/* A space on each line: whose other end is gone, perhaps without a word, hears of it. */
void party_nudge(struct party *p);
/* One more instance than it should have. */
void party_double(struct party *p);
size_t party_open_lines(const struct party *p);
/* It is there, on all its lines, and reads. */
bool party_is_well(const struct party *p);
/* That came between stanzas, so far. */
size_t party_spaces(const struct party *p);

#endif
