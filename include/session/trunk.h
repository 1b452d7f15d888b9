/* session/trunk.h - a mesh connection: frames between two nodes of a cluster over TLS 1.3.
 *
 * Both sides show a certificate of the cluster's own authority that names the node (or the one name
 * that all nodes share), and say HELLO first; nothing else is understood before. The dialler begins
 * in clear with the preface (wire/frame), by which the accepting process finds the thread; its name
 * must be the one in HELLO.
 *
 * Always read: what another node says frees memory, here as there. What is not DATA goes out as it
 * is written; DATA only while trunk_writable, so that at most CONN_HIGH_BYTES of it are ahead of
 * any other frame.
 *
 * Owned by whoever opened it until `closed`, which comes exactly once and is the last call. No
 * handler is called inside trunk_* calls.
 */
#ifndef SESSION_TRUNK_H
#define SESSION_TRUNK_H

#include "loop/conn.h"
#include "loop/timer.h"
#include "wire/frame.h"

struct trunk;

/* Why it ended, for the log. */
struct trunk_end {
    enum err why;
    const char *reason;    /* a constant */
    const char *tls_error; /* "" if it did not fail; for the call only */
};

struct trunk_handler {
    /* The other side proved its name and said hello. Borrowed. */
    void (*opened)(void *arg, const struct frame_hello *hello);
    void (*frame)(void *arg, const struct frame *f); /* borrowed; HELLO: it has news of itself */
    void (*writable)(void *arg);                     /* again */
    void (*closed)(void *arg, const struct trunk_end *end);
};

struct trunk_options {
    struct tls_context *tls;         /* a reference is not kept */
    struct slice mesh_name;          /* certificates may carry it instead; empty: none */
    struct slice peer;               /* who it has to be */
    const struct frame_hello *hello; /* ours, as of now */
    uint64_t open_ms;                /* until `opened` */
};

enum err trunk_dial(struct loop *l, const struct addr *to, const struct trunk_options *o,
                    const struct trunk_handler *h, void *arg, struct trunk **ret_trunk) MUST_USE;
/* Takes fd, also on failure; its preface was read. */
enum err trunk_adopt(struct loop *l, int fd, const struct addr *peer, const struct trunk_options *o,
                     const struct trunk_handler *h, void *arg, struct trunk **ret_trunk) MUST_USE;

/* Only between `opened` and the end; no-op after. */
void trunk_send(struct trunk *t, const struct frame *f);
bool trunk_writable(const struct trunk *t);
/* `reason`: a constant. Nothing that it still sends is read. */
void trunk_close(struct trunk *t, const char *reason);

bool trunk_dialled(const struct trunk *t);
uint16_t trunk_version(const struct trunk *t); /* agreed on */
const struct addr *trunk_peer(const struct trunk *t);
/* When one of the certificates that prove it ends, seconds since 1970. */
int64_t trunk_expires_s(const struct trunk *t);

#endif
