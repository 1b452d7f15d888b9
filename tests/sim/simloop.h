/* tests/sim/simloop.h - the invented loop, for its sockets, listeners and hops. */
#ifndef SIM_SIMLOOP_H
#define SIM_SIMLOOP_H

#include "loop/conn_pool.h"
#include "loop/timer.h"
#include "sim/inside.h"

/* Something that brings events to a loop. First member of its owner, which is one allocation. */
struct source {
    struct list node;       /* loop->sources */
    struct list ready_node; /* loop->ready */
    struct loop *loop;
    void (*deliver)(struct source *s);
    void (*detach)(struct source *s); /* its process died: the kernel's part is gone */
    bool closed;
};

struct loop {
    struct world *world;
    struct host *host;
    struct list node; /* host->loops */
    unsigned number;
    struct counters *counters;
    struct log log;
    struct random rnd;
    struct timer_heap timers;
    struct conn_pool conns;
    struct list posted;
    struct list deferred;
    struct list sources;
    struct list ready;
    struct list closing; /* sources closed in this turn */
    struct event turn;
    uint64_t turn_us; /* loop clock of the turn that runs */
    uint64_t turned_ms;
    bool turning;
    bool stopped;
    bool paused;
    bool dead;
    char *scratch;
};

void source_open(struct source *s, struct loop *l, void (*deliver)(struct source *s),
                 void (*detach)(struct source *s));
/* It has something: the loop will turn. From anywhere. */
void source_ready(struct source *s);
void source_close(struct source *s);
/* The loop turns soon. */
void loop_wake(struct loop *l);
void loop_turn(struct loop *l);
/* Where new things live: the host of the loop that turns, or the test's choice. */
struct host *loop_home(void);

#endif
