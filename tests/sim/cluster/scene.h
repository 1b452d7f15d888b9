/* tests/sim/cluster/scene.h - a fixed play of a fleet: who sends what when, and who dies.
 *
 * The same nodes, wires and checks as by seeds; nothing befalls them but what the test does. The
 * seed draws times within microseconds alone. Each node has one component of c.example; servers
 * are r0.example and so on.
 */
#ifndef SIM_CLUSTER_SCENE_H
#define SIM_CLUSTER_SCENE_H

#include "sim/cluster/fleet.h"

#define SCENE_SERVERS 3

struct scene {
    struct fleet fleet;
    struct world *w;
    struct party *components[HOUSES_MAX];
    struct party *servers[SCENE_SERVERS];
};

/* So many nodes are up, and have the table's consent to claim. */
void scene_open(struct scene *s, uint64_t seed, size_t houses);
/* Rest, the checks of a rest, the end. */
void scene_close(struct scene *s);

struct house *scene_house(struct scene *s, size_t house);
/* From the component there. */
void scene_send(struct scene *s, size_t house, size_t server, unsigned count);
void scene_run(struct scene *s, uint64_t ms);
/* So many events. */
void scene_step(struct scene *s, unsigned events);
/* Until each stanza that was sent so far was delivered or bounced. */
bool scene_settle(struct scene *s, uint64_t most_ms);
/* Until that node may write for the pair. */
bool scene_owned(struct scene *s, size_t server, size_t house, uint64_t most_ms);
/* The pair's writer now, or NULL. */
struct house *scene_writer(struct scene *s, size_t server);
/* Owners may change and stanzas arrive twice from now on, or not any more. */
void scene_trouble(struct scene *s, bool on);
void scene_kill(struct scene *s, size_t house, uint64_t down_ms);
void scene_drain(struct scene *s, size_t house, uint64_t down_ms);
bool scene_gone(struct scene *s, size_t house); /* it does not run */

/* Of the stanzas that came in at that node. */
unsigned scene_sent(const struct scene *s, size_t house);
unsigned scene_delivered(const struct scene *s, size_t house);
unsigned scene_bounced(const struct scene *s, size_t house);

#endif
