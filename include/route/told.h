/* route/told.h - fates told over a carrier that may lose them: kept until the ingress is known to
 * have heard. Pure.
 *
 * Bounded by the lane's credit: each stanza says how far its ingress has heard, so that what is
 * kept is of stanzas that were under way together, and neighbours of one fate are one run.
 */
#ifndef ROUTE_TOLD_H
#define ROUTE_TOLD_H

#include "route/lane.h"

struct told {
    struct lane_run *runs;
    size_t count;
    size_t room;
};

void told_init(struct told *t);
void told_fini(struct told *t);
/* Copies them, with references of its own; they follow what it has. */
void told_add(struct told *t, const struct lane_run *runs, size_t count);
/* The ingress knows all up to `done`. */
void told_heard(struct told *t, uint64_t done);

/* A copy of runs as a report has them: lane_report_fini. */
struct lane_run *told_copy(const struct lane_run *runs, size_t count);

#endif
