/* tests/sim/tcp.h - the kernel's record of one connection's end; for tcp.c and port.c. */
#ifndef SIM_TCP_H
#define SIM_TCP_H

#include "sim/inside.h"

#include <stdio.h>

#define TCP_ADDR_BYTES 18 /* address and port */
#define TCP_KEY_BYTES  (1 + 2 * TCP_ADDR_BYTES)

enum tcp_state {
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED,
    TCP_UP,
    TCP_ORPHAN, /* closed and acknowledged, the peer's FIN is awaited */
    TCP_BROKEN, /* `error` says why; lives for its application only */
};

#define SYN_RETRY_US 1000000

/* How its bytes are cut: into crumbs, into segments, not at all. Drawn for each end. */
enum tcp_style { TCP_CRUMBS, TCP_SEGMENTS, TCP_WHOLE, TCP_STYLES };

struct tcp {
    struct world *world;
    struct host *host;
    struct list node;        /* host->tcps */
    char key[TCP_KEY_BYTES]; /* "=", local, peer; begins with 0: no packet finds it any more */
    struct addr local;
    struct addr remote;
    struct addr shown_local; /* what getsockname and getpeername say */
    struct addr shown_remote;
    enum tcp_state state;
    enum err error;
    enum tcp_style style;
    struct random rnd;
    uint64_t born_us;

    int fd; /* -1: no application has it */
    struct loop *owner;
    void (*notify)(void *arg);
    void *arg;
    struct port *port; /* waiting there to be accepted */
    struct list backlog_node;

    struct byteq out; /* from `acked` on */
    size_t send_room;
    uint64_t acked;
    uint64_t next; /* to be sent */
    uint64_t sent; /* the highest it was */
    bool let_go;   /* told */
    uint64_t edge; /* the peer's window ends here */
    bool fin_wanted;
    bool fin_acked;
    uint64_t lost; /* unacknowledged when it broke */
    struct event retry;
    unsigned retries;
    uint64_t stalled_us; /* no acknowledgement since; 0: nothing waits for one */
    uint64_t last_arrival_us;

    struct byteq in;
    size_t receive_room;
    uint64_t received; /* next expected */
    uint64_t edge_told;
    bool fin_seen;
};

/* tcp.c: what it is. */
struct tcp *tcp_new(struct host *h, const struct addr *local, const struct addr *peer,
                    enum tcp_state state);
struct tcp *tcp_find(struct host *h, const struct addr *local, const struct addr *peer);
void tcp_destroy(struct tcp *t);
/* Broken: what the peer sent before can still be read, nothing can be written. */
void tcp_fail(struct tcp *t, enum err why);
void tcp_tell(struct tcp *t);              /* its application: look again */
uint64_t tcp_written(const struct tcp *t); /* sequence number after the last byte */
uint64_t tcp_end(const struct tcp *t);     /* ... and after the FIN, if one is to be sent */

/* tcp_wire.c: what it does. */
void tcp_send(struct tcp *t, unsigned flags, uint64_t seq, struct slice data);
void tcp_send_ack(struct tcp *t);
void tcp_send_rst(struct host *h, const struct addr *from, const struct addr *to);
void tcp_push(struct tcp *t); /* all that the window allows */
void tcp_bury_orphan(struct tcp *t);
void tcp_retry(struct event *ev);
size_t tcp_room(const struct tcp *t);
size_t tcp_draw_segment(struct tcp *t, size_t most);

void tcp_accepted(struct tcp *t, struct loop *owner);
void tcp_abandon(struct tcp *t);
/* The local address of a new connection; false: that machine has none that fits. */
bool tcp_source(struct host *h, const struct addr *to, const struct addr *wish,
                struct addr *ret_local);

#endif
