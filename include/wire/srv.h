/* wire/srv.h - decide in which order the hosts of a domain are dialled.
 *
 * Pure: no I/O, no clock, no allocation; chance comes in through `rnd`.
 * Spec: RFC 2782 (priority, weight), RFC 6120 3.2.1, XEP-0368 (Direct TLS);
 * CONFORMANCE SRV-01 to SRV-05.
 */
#ifndef WIRE_SRV_H
#define WIRE_SRV_H

#include "base/random.h"
#include "base/slice.h"

struct srv_target {
    struct slice host; /* borrowed from the DNS answer, A-label, lower case, without final dot */
    uint16_t port;     /* host byte order */
    uint16_t priority; /* lowest first */
    uint16_t weight;   /* share of calls among equals; 0 = almost never */
    bool direct_tls;   /* came from _xmpps-server: no STARTTLS to negotiate */
};

/* Sort targets[0..n) into dialling order, in place. Two calls may differ: equals are shuffled by
 * weight. Cannot fail. */
void srv_rank(struct srv_target *targets, size_t n, struct random *rnd);

#endif
