/* tests/mesh/doorstep.h - a listener of the mesh, as the steward has it: reads the preface and
 * gives the descriptor away with the name in it. */
#ifndef TESTS_MESH_DOORSTEP_H
#define TESTS_MESH_DOORSTEP_H

#include "base/addr.h"
#include "loop/loop.h"

struct doorstep;

/* Takes fd. */
typedef void doorstep_fn(void *arg, int fd, const struct addr *peer, struct slice node);

struct doorstep *doorstep_open(struct loop *l, const struct addr *at, doorstep_fn *fn, void *arg);
void doorstep_close(struct doorstep *d);

#endif
