/* loop/listener.h - accepts TCP connections and gives descriptors away.
 *
 * The descriptor belongs to the callback: adopted on this loop, handed to another, or closed
 * with listener_drop. A reserve descriptor is kept: with none left, the newest connection is
 * accepted on it and closed at once, counted, so that a full process does not spin.
 */
#ifndef LOOP_LISTENER_H
#define LOOP_LISTENER_H

#include "base/addr.h"
#include "loop/loop.h"

struct listener;

typedef void listener_accept_fn(void *arg, int fd, const struct addr *peer);

/* ERR_IN_USE, ERR_DENIED ... `fd` >= 0: an already listening socket (socket activation). */
enum err listener_open(struct loop *l, const struct addr *at, int fd, listener_accept_fn *accept,
                       void *arg, struct listener **ret_listener) MUST_USE;
/* The port asked for may have been 0. */
void listener_addr(const struct listener *ln, struct addr *ret_addr);
void listener_pause(struct listener *ln, bool paused);
/* Called from within the accept callback when a descriptor reserve had to be spent. */
void listener_close(struct listener *ln);
void listener_drop(int fd, bool reset);

#endif
