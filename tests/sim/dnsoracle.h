/* tests/sim/dnsoracle.h - a name server that is a function: it writes each packet, right or wrong.
 *
 * UDP and TCP on port 53 of one address. What dnsserver's table cannot say: other cases, wrong
 * ids, open chains, extended errors.
 */
#ifndef SIM_DNSORACLE_H
#define SIM_DNSORACLE_H

#include "sim/dnspacket.h"
#include "sim/net.h"
#include "unit/dnspacket.h"

struct oracle;

/* Leaves `pk` empty to say nothing. `tcp`: how the question came. */
typedef void oracle_fn(struct oracle *o, const struct dnsquery *q, bool tcp, struct pk *pk);

struct oracle {
    struct world *w;
    struct udp *udp;
    struct port *port;
    struct list clients; /* over TCP */
    oracle_fn *reply;
    unsigned udp_count; /* questions so far */
    unsigned tcp_count;
    unsigned strays; /* packets of a forger before each answer: the same with another id */
    bool mute_udp;   /* the forger is the faster one: no answer of our own */
    const char *bad; /* free to use by `reply` */
};

void oracle_open(struct oracle *o, struct world *w, struct host *h, const char *ip,
                 oracle_fn *reply);
void oracle_close(struct oracle *o);

/* The header of an answer and the question as it stood. */
void oracle_echo(struct pk *pk, const struct dnsquery *q, unsigned flags);

#endif
