/* tests/sim/net.h - what a kernel does: TCP connections, listening ports, UDP, as seen by the
 * application on one host.
 *
 * Used by the loop's sockets (sock.c, listener.c, dgram.c) and by scripted peers. A `notify` says
 * "look again", at any time, and must not do more than take a note (an event, a ready list).
 *
 * TCP here: handshake, sequence numbers, window, retransmission after loss (200 ms, doubling),
 * FIN in each direction, RST, TCP_USER_TIMEOUT, close with unread input resets. Not modelled:
 * reordering (the receiver would hide it), congestion, TIME_WAIT.
 */
#ifndef SIM_NET_H
#define SIM_NET_H

#include "sim/world.h"

struct tcp;  /* one end of a connection */
struct port; /* listens */
struct udp;

/* `local` may be NULL. Never NULL: a failure shows in tcp_error. `owner`: whose process it is, or
 * NULL for a peer. */
struct tcp *tcp_dial(struct host *h, struct loop *owner, const struct addr *to,
                     const struct addr *local);
void tcp_notify(struct tcp *t, void (*notify)(void *arg), void *arg);
/* The number it is known by, and back; NULL if there is none such. */
int tcp_fd(const struct tcp *t);
struct tcp *tcp_of_fd(struct world *w, int fd);
/* An accepted connection changes hands. */
void tcp_set_owner(struct tcp *t, struct loop *owner);

bool tcp_is_up(const struct tcp *t);     /* handshake over, not broken */
enum err tcp_error(const struct tcp *t); /* OK while it lives */
bool tcp_readable(const struct tcp *t);  /* data, end or error */
bool tcp_writable(const struct tcp *t);  /* room, or error */
bool tcp_ended(const struct tcp *t);     /* the peer's FIN is all that is left to read */
/* As sock_read and sock_write. */
enum err tcp_read(struct tcp *t, char *buf, size_t room, size_t *ret_n) MUST_USE;
enum err tcp_write(struct tcp *t, struct slice bytes, size_t *ret_n) MUST_USE;
uint64_t tcp_unacked(const struct tcp *t);
uint64_t tcp_unread(const struct tcp *t);
void tcp_shutdown(struct tcp *t);
void tcp_close(struct tcp *t, bool reset);
uint64_t tcp_born_us(const struct tcp *t); /* its SYN was sent, or came */
const struct addr *tcp_local(const struct tcp *t);
const struct addr *tcp_peer(const struct tcp *t);

/* ERR_IN_USE, ERR_UNREACHABLE (no such address here). Port 0: one is chosen. */
enum err port_open(struct host *h, struct loop *owner, const struct addr *at,
                   void (*notify)(void *arg), void *arg, struct port **ret_port) MUST_USE;
/* The next connection that is waiting, or NULL. */
struct tcp *port_accept(struct port *p);
bool port_waiting(const struct port *p);
const struct addr *port_addr(const struct port *p);
void port_close(struct port *p);

/* `to`: connected, only its packets arrive; NULL: bound to `at` for all comers. */
enum err udp_open(struct host *h, struct loop *owner, const struct addr *at, const struct addr *to,
                  void (*notify)(void *arg), void *arg, struct udp **ret_udp) MUST_USE;
enum err udp_send(struct udp *u, struct slice packet, const struct addr *to) MUST_USE;
/* ERR_AGAIN: nothing there; ERR_LIMIT: longer than room (cut, as a kernel does); ERR_REFUSED:
 * somebody told us that nobody listens. */
enum err udp_recv(struct udp *u, char *buf, size_t room, size_t *ret_n,
                  struct addr *ret_from) MUST_USE;
bool udp_readable(const struct udp *u);
const struct addr *udp_local(const struct udp *u);
void udp_close(struct udp *u);

/* No more descriptors: the next connection, accepted and thrown away. False: none waited. */
bool port_refuse_next(struct port *p);
bool host_has_descriptor(const struct host *h);

#endif
