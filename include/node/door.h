/* node/door.h - the steward's listeners: who may come in, under which address, to which worker.
 *
 * A connection from a network of listen.proxy_protocol_from begins with a PROXY header, which is
 * read here; the address in it is the peer's from then on. Connections that are not authenticated
 * yet are counted by address (limits.connections_per_address); excess is reset, without a word of
 * XMPP (CONFORMANCE LIMIT-01).
 *
 * Who dials the mesh's port says its name in clear first (wire/frame, preface), so that the
 * connection can be handed to the worker that has that node's. It proves nothing: certificate and
 * HELLO must say the same there.
 */
#ifndef NODE_DOOR_H
#define NODE_DOOR_H

#include "base/tally.h"
#include "link/site.h"

struct door;

struct door_options {
    struct loop *steward;
    const struct addr_net *proxies;
    size_t proxy_count;
    size_t per_address_count;
    uint64_t descriptor_count; /* that the process may have; 0: no matter */
    /* Takes fd. */
    void (*hand_over)(void *arg, int fd, const struct addr *peer, enum site_port port);
    /* The same from the mesh's port; never called while there is none. */
    void (*hand_over_node)(void *arg, int fd, const struct addr *peer, struct slice node);
    void *arg;
};

/* Descriptors that strangers do not get: for those who ask how we are, and for links that we open.
 * Of a small limit, an eighth. */
#define DOOR_RESERVE_COUNT 64
/* How long a balancer may take to say whom it speaks for, a node to say its name. */
#define DOOR_INTRO_MS 5000
/* Connections that have not done so yet, at once. Nodes are few. */
#define DOOR_PROXIED_MAX 4096
#define DOOR_NODES_MAX   256

struct door *door_new(const struct door_options *o);
/* `fd` >= 0: a listening socket given by the service manager. */
enum err door_listen(struct door *d, const struct addr *at, int fd, enum site_port port) MUST_USE;
/* Reload. Networks are copied. */
void door_configure(struct door *d, const struct addr_net *proxies, size_t proxy_count,
                    size_t per_address_count);
void door_settle(struct door *d, const struct addr *peer);
/* For the other nodes: addresses that hold over an eighth of the bound here. */
size_t door_crowds(const struct door *d, struct tally_row *rows, size_t room);
/* ... and what another holds: counts as our own until its next word. */
void door_hear(struct door *d, struct slice node, const struct tally_row *rows, size_t count);
size_t door_listener_count(const struct door *d);
/* The i-th listener's address (a port 0 is known now). */
enum site_port door_listener(const struct door *d, size_t i, struct addr *ret_at);
/* No new connections but of nodes: a drain still needs the mesh. Settles still count. */
void door_shut(struct door *d);
void door_free(struct door *d);

#endif
