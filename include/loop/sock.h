/* loop/sock.h - a raw TCP socket in a loop: readiness up, non-blocking calls down.
 *
 * The thin part that the two loops implement each; `loop/conn` puts TLS, queues and
 * acknowledgements on top and is shared. TCP_NODELAY always; TCP_USER_TIMEOUT as told.
 */
#ifndef LOOP_SOCK_H
#define LOOP_SOCK_H

#include "base/addr.h"
#include "loop/loop.h"

struct sock;

struct sock_handler {
    void (*connected)(void *arg, enum err e); /* of sock_dial only, once */
    void (*readable)(void *arg);              /* level: again while something is there */
    void (*writable)(void *arg);              /* level: while `want_write` */
};

#define SOCK_USER_TIMEOUT_MS 30000

/* Non-blocking connect. `local` may be NULL. An immediate failure is returned. */
enum err sock_dial(struct loop *l, const struct addr *to, const struct addr *local,
                   const struct sock_handler *h, void *arg, struct sock **ret_sock) MUST_USE;
/* The same to a Unix socket; ERR_LIMIT: `path` is too long for one. (The invented world has none:
 * ERR_UNSUPPORTED.) */
enum err sock_dial_unix(struct loop *l, const char *path, const struct sock_handler *h, void *arg,
                        struct sock **ret_sock) MUST_USE;
/* Takes an accepted descriptor (listener, or handed over by another loop). */
enum err sock_adopt(struct loop *l, int fd, const struct sock_handler *h, void *arg,
                    struct sock **ret_sock) MUST_USE;
/* Neither to begin with. */
void sock_want(struct sock *s, bool read, bool write);
/* OK and *ret_n > 0; ERR_AGAIN; ERR_EOF; other: broken. */
enum err sock_read(struct sock *s, char *buf, size_t room, size_t *ret_n) MUST_USE;
enum err sock_write(struct sock *s, struct slice bytes, size_t *ret_n) MUST_USE;
/* Bytes handed to the kernel that the peer's TCP has not acknowledged (SIOCOUTQ). */
uint64_t sock_unacked(struct sock *s);
/* Bytes the kernel holds for us and we have not read (SIOCINQ). */
uint64_t sock_unread(struct sock *s);
/* Why it broke (a reset came, the peer's machine is silent), which no event tells while reading is
 * not wanted; OK: it did not. Told once. */
enum err sock_broken(struct sock *s);
/* FIN. False: the connection is broken, and none is queued. */
bool sock_shutdown_write(struct sock *s);
void sock_addrs(struct sock *s, struct addr *ret_local, struct addr *ret_peer);
/* Lets go of the descriptor without closing it: another loop adopts it. As sock_close else. */
int sock_release(struct sock *s);
/* No handler is called any more; memory goes by itself. `reset`: RST instead of FIN. */
void sock_close(struct sock *s, bool reset);

#endif
