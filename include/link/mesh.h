/* link/mesh.h - the connections to other nodes that live on one worker: that which a node's name
 * hashes to. They carry the lanes of all workers (link/lanes) and the words of the steward
 * (link/members).
 *
 * One connection a pair of nodes. Both may dial: a newer hello of the same dialler closes the older
 * connection before its first frame is read; of two that cross, that of the smaller name stays.
 * Three PINGs without a PONG close it. A connection that ends suspends lanes; nothing is lost.
 */
#ifndef LINK_MESH_H
#define LINK_MESH_H

#include "base/addr.h"
#include "link/lanes.h"
#include "wire/frame.h"
#include "wire/tls.h"

struct mesh;
struct far_batch;

/* On this worker's loop. What is borrowed is so for the call. Any may be NULL. */
struct mesh_events {
    void (*up)(void *arg, const struct frame_hello *hello);
    void (*down)(void *arg, struct slice node, const char *reason);
    /* PING (to be answered by mesh_send, with its number), PONG, HANDOFF, BYE, what is TELL, and a
     * HELLO that tells of changes. Without it PINGs are answered here, promising nothing. */
    void (*frame)(void *arg, struct slice node, const struct frame *f);
};

struct mesh_options {
    struct loop *loop;
    struct lanes *lanes; /* of this worker */
    struct tls_context *tls;
    struct slice mesh_name;
    const struct mesh_events *events;
    void *arg;
    struct frame_hello hello; /* ours; its node never changes */
    bool pings; /* send them here; else whoever listens to `frame` does, each second */
};

/* Answers to a node's questions that it has no room for: whoever asks and does not read loses them,
 * and nothing else. */
#define MESH_ANSWER_BYTES_MAX (8u << 20)

#define MESH_PING_MS        1000
#define MESH_MISSED_MAX     3
#define MESH_OPEN_MS        5000
#define MESH_REDIAL_MS      200   /* first wait after a failure, */
#define MESH_REDIAL_MOST_MS 2000  /* and the longest */
#define MESH_FAILED_LOG_MS  60000 /* the same cause is logged again */

/* After lanes_connect. Texts of the options are copied. */
struct mesh *mesh_open(const struct mesh_options *o);
/* Another incarnation's, or with other digests: all who are connected hear it. Copied. */
void mesh_set_hello(struct mesh *m, const struct frame_hello *hello);
/* A reload's. */
void mesh_configure(struct mesh *m, struct tls_context *tls, struct slice mesh_name);
/* Takes fd; `node`: who the preface says it is. */
void mesh_accept(struct mesh *m, int fd, const struct addr *peer, struct slice node);
/* There should be a connection to that node, dialled there when there is none. */
void mesh_want(struct mesh *m, struct slice node, const struct addr *at);
void mesh_forget(struct mesh *m, struct slice node);
/* False: no connection to it. An ANSWER waits for room, and for DATA: it may be late, or lost. */
bool mesh_send(struct mesh *m, struct slice node, const struct frame *f);
/* Ends it; it may come back. */
void mesh_cut(struct mesh *m, struct slice node, const char *reason);

struct mesh_row {
    struct slice node;
    struct addr peer;
    uint64_t process, incarnation;
    bool up;
    bool dialled;
    uint16_t version;
    uint64_t since_ms;
    uint64_t stanzas_in, stanzas_out;
    size_t queue_count; /* batches that wait for room */
    unsigned missed_count;
};
typedef void mesh_row_fn(void *arg, const struct mesh_row *row);
void mesh_walk(struct mesh *m, mesh_row_fn *fn, void *arg);

/* Closes all; idle when the last has. */
void mesh_shut(struct mesh *m);
bool mesh_idle(const struct mesh *m);
void mesh_close(struct mesh *m);

/* For link/lanes: on this worker, by message. Takes it. NULL mesh: thrown away. */
void mesh_take_batch(struct mesh *m, struct far_batch *b);

#endif
