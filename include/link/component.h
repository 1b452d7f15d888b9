/* link/component.h - a local service attached by XEP-0114: handshake, its stanzas, its queue.
 *
 *   HEADER -> HANDSHAKE -> JOINING (the store decides replace, refuse, share) -> OPEN -> ENDING
 *
 * Spec: XEP-0114 3; CONFORMANCE COMP-01 to COMP-13.
 */
#ifndef LINK_COMPONENT_H
#define LINK_COMPONENT_H

#include "link/site.h"

struct component;

/* Takes fd. `tls`: the component_tls listener. */
void component_accept(struct site *site, int fd, const struct addr *peer, bool tls);
/* router_ops.instance: NULL when it is not here. */
struct outq *component_queue(struct site *site, uint64_t id);
struct component *component_of_queue(struct outq *q); /* NULL: a pair's */
void component_hangs(struct component *c);
/* Another instance took its place. */
void component_replaced(struct site *site, uint64_t id);
/* Rules are gone or their secret changed: such components are closed. */
void components_configure(struct site *site);
/* As pairs_cut. */
void components_cut(struct site *site);

struct component_row {
    struct slice pattern;
    uint64_t instance_id;
    uint64_t link_id;
    const char *state;
    struct addr peer;
    bool tls;
    uint64_t since_ms;
    uint64_t stanzas_in, stanzas_out;
    size_t queue_count, queue_bytes;
    uint64_t oldest_ms;
    bool paused;
};
void component_describe(const struct component *c, struct component_row *row);

#endif
