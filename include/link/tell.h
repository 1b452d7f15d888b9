/* link/tell.h - what the nodes of a cluster tell each other besides who owns what: the components
 * that each has (session/instances), the addresses that many connections come from, and which
 * attempts to reach a remote domain failed or succeeded here. On the steward's loop.
 *
 * A node that is met hears all, then each change. What another node says is never said on. Where a
 * connection is lost its components are known for a while (lanes wait for it to come back), then no
 * more: their stanzas go to other instances, or wait for `grace`.
 */
#ifndef LINK_TELL_H
#define LINK_TELL_H

#include "base/tally.h"
#include "link/members.h"
#include "route/outages.h"
#include "session/instances.h"

struct tell;

struct tell_events {
    /* Addresses that many connections of strangers come from here; how many rows. */
    size_t (*crowds)(void *arg, struct tally_row *rows, size_t room);
    /* What another node said of its own; none: also when it is gone. */
    void (*heard_crowds)(void *arg, struct slice node, const struct tally_row *rows, size_t count);
    /* What failed there, and which domains live; NULL: it is gone, and so is its word. */
    void (*heard_backoffs)(void *arg, struct slice node, const struct frame_backoffs *told);
};

/* Addresses in one word. */
#define TELL_CROWDS_MAX 1024
/* So often a node says where its crowds come from. */
#define TELL_CROWDS_MS 1000
/* Back-offs go out at once, and then not again for so long; so many at a time, with about so many
 * bytes of text. */
#define TELL_BACKOFFS_MS    1000
#define TELL_BACKOFFS_MAX   1000
#define TELL_BACKOFFS_BYTES (64u << 10)
/* So long after the connection to a node was lost its components count as gone. */
#define TELL_CUT_MS 10000

/* `process`: ours, drawn at start. */
struct tell *tell_open(struct loop *l, struct instances *instances, uint64_t process,
                       const struct tell_events *events, void *arg);
/* By whom it speaks. */
void tell_connect(struct tell *t, struct members *m);
/* An attempt of ours failed. */
void tell_failed(struct tell *t, const struct outage *what);
/* A link of that domain was authenticated here, in or out. */
void tell_alive(struct tell *t, struct slice remote);
/* After the members. */
void tell_close(struct tell *t);

/* --- for link/members; texts borrowed for the call --- */
/* There is a connection to that node, which speaks that version of frames ... */
void tell_met(struct tell *t, struct slice node, uint64_t process, uint16_t version);
/* ... or none any more; `gone`: nor is it a member. */
void tell_parted(struct tell *t, struct slice node, bool gone);
/* It says something that is no matter of the members. */
void tell_heard(struct tell *t, struct slice node, const struct frame *f);

#endif
