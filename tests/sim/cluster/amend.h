/* tests/sim/cluster/amend.h - a configuration that was read becomes that of a node of a cluster:
 * what files may not say yet. Certificates are beside the file: ca.pem, and mesh-NODE.pem,
 * mesh-NODE.key.
 */
#ifndef SIM_CLUSTER_AMEND_H
#define SIM_CLUSTER_AMEND_H

#include "node/conf.h"

#define AMEND_REDIS "10.0.0.99"

/* For adapter_amend. The mesh listens where S2S does, at port 5290. */
void amend_for_cluster(struct conf *c);

#endif
