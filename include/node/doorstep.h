/* node/doorstep.h - the steward's listeners of the mesh: who dials says its name in clear first
 * (wire/frame, preface), so that the connection can be handed to the worker that has that node's.
 * It proves nothing: certificate and HELLO must say the same there.
 */
#ifndef NODE_DOORSTEP_H
#define NODE_DOORSTEP_H

#include "base/addr.h"
#include "loop/loop.h"

struct doorstep;

/* How long a caller may take to say its name, and how many may be at it: nodes are few. */
#define DOORSTEP_MS          5000
#define DOORSTEP_WAITING_MAX 256

/* Takes fd. */
typedef void doorstep_fn(void *arg, int fd, const struct addr *peer, struct slice node);

struct doorstep *doorstep_new(struct loop *steward, doorstep_fn *hand_over, void *arg);
/* `fd` >= 0: a listening socket given by the service manager. */
enum err doorstep_listen(struct doorstep *d, const struct addr *at, int fd) MUST_USE;
void doorstep_shut(struct doorstep *d); /* no new connections */
void doorstep_free(struct doorstep *d);

#endif
