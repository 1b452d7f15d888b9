/* link/lanes.h - lanes between the workers of one process, over loop/hop.
 *
 * Stanzas cross in batches, one message a turn and worker; reports come back the same way. The
 * stanza itself is shared: the ingress keeps its reference until DONE.
 */
#ifndef LINK_LANES_H
#define LINK_LANES_H

#include "link/site.h"

struct lanes *lanes_open(struct site *site);
struct hop *lanes_hop(struct lanes *l);
/* `hops`: of every worker, by index. Copied. */
void lanes_connect(struct lanes *l, struct hop *const *hops, unsigned count);
bool lanes_idle(const struct lanes *l);
void lanes_close(struct lanes *l);
/* router_ops.lane */
struct lane_tx *lanes_to(struct lanes *l, unsigned worker, struct slice port_key);
/* Gives up lanes that carried nothing for a minute. */
void lanes_tick(struct lanes *l, uint64_t now_ms);
/* Gives up all that carry nothing (shutdown). */
void lanes_give_up(struct lanes *l);

#endif
