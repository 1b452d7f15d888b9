/* link/mesh_private.h - inside the mesh of a worker: for mesh.c (which connection, and its life)
 * and mesh_carry.c (what goes over it).
 */
#ifndef LINK_MESH_PRIVATE_H
#define LINK_MESH_PRIVATE_H

#include "base/backoff.h"
#include "link/lanes_private.h"
#include "link/mesh.h"
#include "session/trunk.h"

/* One connection, from its first packet on. */
struct mesh_conn {
    struct list node; /* peer->conns */
    struct mesh_peer *peer;
    struct trunk *trunk;
    bool left;           /* it is being closed, and counts no more */
    uint64_t hello_turn; /* of the hello that was said on it */
};

/* A part of an answer to a question, on its way there. */
struct mesh_answer {
    struct list node;
    uint64_t number;
    bool more;
    struct bytes *body;
};

/* A lane from there: which worker has its port. */
struct mesh_route {
    uint64_t lane;
    unsigned worker;
};

struct mesh_peer {
    struct mesh *mesh;
    char name[FRAME_NAME_MAX + 1];
    struct list conns;
    struct mesh_conn *up; /* the one that carries, or NULL */
    uint64_t serial;      /* of `up` */
    uint64_t process;
    uint64_t incarnation;
    uint64_t since_ms;

    bool wanted;
    struct addr at;
    struct timer redial;
    struct backoff backoff;
    uint64_t failed_hash;  /* of the cause that the log tells of, */
    uint64_t failed_ms;    /* when it last did, */
    unsigned failed_count; /* and how often it has failed since */

    uint64_t ping_number; /* sent last, by us or by mesh_send */
    unsigned missed_count;

    struct list queue; /* batches with items that wait for room */
    size_t queue_count;
    struct list answers; /* struct mesh_answer */
    size_t answer_bytes;
    unsigned items_since;  /* an answer went out */
    struct map routes;     /* lane's number -> mesh_route */
    struct far_batch **to; /* by worker, of this turn */
    struct list dirty;     /* some of `to` are there */
    uint64_t stanzas_in;
    uint64_t stanzas_out;
};

struct mesh {
    struct mesh_options o;
    char node[FRAME_NAME_MAX + 1];
    char *address;
    char *mesh_name;
    char digests[3][FRAME_DIGEST_LEN];
    struct map peers;
    uint64_t next_serial;
    uint64_t hello_turn; /* how often it was changed */
    struct list dirty;
    struct task flush;
    struct timer tick;
    bool shut;
};

static inline struct slice peer_name(const struct mesh_peer *p)
{
    return slice_from(p->name);
}

/* mesh.c */
void mesh_fault(struct mesh_peer *p, const char *reason);

/* mesh_carry.c */
void mesh_carry_open(struct mesh_peer *p);
void mesh_carry_close(struct mesh_peer *p); /* what waits is thrown away */
void mesh_pump(struct mesh_peer *p);
void mesh_carry_answer(struct mesh_peer *p, const struct frame_answer *a);
/* A frame about a lane. False: it is none. */
bool mesh_carry_frame(struct mesh_peer *p, const struct frame *f);
void mesh_run_flush(struct task *t);
/* Before news, so that what came before it arrives before it. */
void mesh_flush_peer(struct mesh_peer *p);

#endif
