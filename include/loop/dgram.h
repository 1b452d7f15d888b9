/* loop/dgram.h - UDP: one socket, bound to a random port, for DNS questions. */
#ifndef LOOP_DGRAM_H
#define LOOP_DGRAM_H

#include "base/addr.h"
#include "loop/loop.h"

struct dgram;

typedef void dgram_recv_fn(void *arg, struct slice packet, const struct addr *from);

/* Connected to `to`: only its packets arrive (kernel filter), ICMP refusals end as `failed`. The
 * kernel picks a random source port. */
enum err dgram_open(struct loop *l, const struct addr *to, dgram_recv_fn *recv,
                    void (*failed)(void *arg, enum err e), void *arg,
                    struct dgram **ret_dgram) MUST_USE;
enum err dgram_send(struct dgram *d, struct slice packet) MUST_USE;
/* No callback after this. */
void dgram_close(struct dgram *d);

#endif
