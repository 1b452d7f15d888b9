/* tests/sim/talk.h - two machines that talk over bare sockets: for tests of the world itself. */
#ifndef SIM_TALK_H
#define SIM_TALK_H

#include "loop/listener.h"
#include "loop/sock.h"
#include "sim/bed.h"

/* Two machines, a loop on each. */
struct pair {
    struct bed bed;
    struct world *w;
    struct host *a;
    struct host *b;
    struct loop *la;
    struct loop *lb;
};

void pair_init(struct pair *p, uint64_t seed);
void pair_fini(struct pair *p);

/* An end that writes `out` as fast as it may and gathers what comes. */
struct end {
    struct sock *sock;
    struct byteq in;
    struct byteq out;
    enum err connected;
    bool connect_called;
    bool ended;
    bool mute; /* does not read */
    enum err broken;
    size_t reads;
};

extern const struct sock_handler end_handler;

void end_want(struct end *e); /* after a change of `mute` or `out` */
void end_say(struct end *e, const char *text);
void end_fill(struct end *e, size_t n);
void end_fini(struct end *e);

/* A dials, B listens and has adopted. */
struct talk {
    struct pair pair;
    struct listener *listener;
    struct end a;
    struct end b;
};

void talk_init(struct talk *t, uint64_t seed);
void talk_dial(struct talk *t, const char *at, const char *to);
void talk_open(struct talk *t, uint64_t seed, const char *at, const char *to); /* both */
bool talk_is_up(void *talk);
/* ... and both ends are up. */
void talk_start(struct talk *t, uint64_t seed);
void talk_close(struct talk *t);
struct addr talk_addr(const char *text);

#endif
