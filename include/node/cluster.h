/* node/cluster.h - what a node of a cluster opens besides: the shared table and the mesh, from the
 * configuration. With store.kind memory: a table of its own, and no mesh.
 */
#ifndef NODE_CLUSTER_H
#define NODE_CLUSTER_H

#include "link/members.h"
#include "node/conf.h"
#include "wire/frame.h"

struct resolver;
struct tls_context;

/* The table. `tls`: of rediss://, or NULL; see cluster_redis_tls. */
struct store *cluster_store(struct loop *l, const struct conf *conf, struct resolver *resolver,
                            struct tls_context *tls, const struct store_events *events, void *arg);
/* NULL where the table needs none. */
enum err cluster_redis_tls(const struct conf *conf, char *error, size_t error_size,
                           struct tls_context **ret_tls) MUST_USE;
/* The mesh's: for dialling and accepting. NULL without a mesh. */
enum err cluster_mesh_tls(const struct conf *conf, char *error, size_t error_size,
                          struct tls_context **ret_tls) MUST_USE;
/* Where the other nodes reach us; "" without a mesh. */
const char *cluster_address(const struct conf *conf, char out[ADDR_TEXT_MAX]);

/* What every node should have the same of, as keyed digests: told at hello. `own_secret`: what a
 * node without dialback.secret_file makes for itself; no other has it. */
struct cluster_digests {
    char dialback[FRAME_DIGEST_LEN];
    char components[FRAME_DIGEST_LEN];
    char peers[FRAME_DIGEST_LEN];
};
void cluster_digest(const struct conf *conf, struct slice own_secret,
                    struct cluster_digests *ret_digests);

/* What marks stream ids as ours (link/site): the same on all nodes, so that a connection of one
 * that leads to another is known. `own_secret`: of a node that is alone, since another of its
 * dialback secret is a stranger. */
void cluster_id_secret(const struct conf *conf, struct slice own_secret, uint64_t ret_secret[2]);

#endif
