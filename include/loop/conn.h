/* loop/conn.h - a TCP connection with TLS inside: plain bytes in and out, corked.
 *
 * Writing appends to a plain-text queue; once per turn each touched connection is encrypted in
 * records of up to 16 KiB and handed to the kernel in one write; what the kernel does not take
 * waits for writability; never two outstanding writes. Reading is pushed to `data` as it comes
 * unless paused. The owner learns which plain bytes the kernel took (`flushed`) and which the
 * peer's TCP acknowledged (`acked`): bytes written minus SIOCOUTQ, mapped back over TLS by the
 * cipher-text count at each flush.
 *
 * Owned by whoever opened it, until `closed`, which comes exactly once, is the last call, and
 * never comes inside a call of the owner. No handler is called inside conn_* calls.
 */
#ifndef LOOP_CONN_H
#define LOOP_CONN_H

#include "base/addr.h"
#include "base/byteq.h"
#include "loop/loop.h"
#include "wire/tls.h"

struct conn;

/* Any may be NULL except `data` and `closed`. */
struct conn_handler {
    void (*connected)(void *arg);                /* conn_dial: TCP is up */
    void (*secured)(void *arg);                  /* TLS handshake over, see conn_tls */
    void (*data)(void *arg, struct slice plain); /* borrowed for the call */
    void (*flushed)(void *arg, uint64_t plain);  /* the kernel has all up to here (total) */
    void (*acked)(void *arg, uint64_t plain);    /* so has the peer's kernel */
    void (*drained)(void *arg);                  /* pending fell under CONN_LOW_BYTES again */
    void (*ended)(void *arg);                    /* peer ended its direction; writing still works */
    void (*closed)(void *arg, enum err why);     /* OK: we closed it; memory goes after this, so
                                                  * conn_flushed, conn_acked may be asked a last
                                                  * time */
};

/* An owner stops adding when more than HIGH is pending and goes on at `drained`. */
#define CONN_HIGH_BYTES 65536
#define CONN_LOW_BYTES  16384

enum err conn_dial(struct loop *l, const struct addr *to, const struct addr *local,
                   const struct conn_handler *h, void *arg, struct conn **ret_conn) MUST_USE;
/* To a service of this machine; conn_peer then has no family. */
enum err conn_dial_unix(struct loop *l, const char *path, const struct conn_handler *h, void *arg,
                        struct conn **ret_conn) MUST_USE;
/* Takes `fd`, also on failure. `peer`: who it is (the PROXY header's word may differ from the
 * socket's). `first`: bytes already read from it (PROXY header's remainder), may be empty. */
enum err conn_adopt(struct loop *l, int fd, const struct addr *peer, struct slice first,
                    const struct conn_handler *h, void *arg, struct conn **ret_conn) MUST_USE;

/* Takes `tls`. From here on every byte is TLS or an end: what is injected in clear breaks the
 * handshake (RFC 6120 5.4.3.3), and `first` of conn_adopt, if not delivered yet, is its beginning
 * (XEP-0368 behind a PROXY header). What the owner was given in clear and has not parsed is his to
 * discard. What is queued in clear goes out first. Then `secured` or `closed`. */
void conn_start_tls(struct conn *c, struct tls *tls);
/* NULL before conn_start_tls. Borrowed. */
struct tls *conn_tls(struct conn *c);

void conn_write(struct conn *c, struct slice plain);
/* Append in place, then touch. */
struct byteq *conn_out(struct conn *c);
void conn_touch(struct conn *c);
/* Total of plain bytes appended since the start: a mark to compare with flushed/acked. */
uint64_t conn_written(const struct conn *c);
uint64_t conn_flushed(const struct conn *c);
uint64_t conn_acked(const struct conn *c);
/* Appended and not yet in the kernel. */
size_t conn_pending(const struct conn *c);

/* Stops and restarts reading; nests not. Nothing is delivered while paused, save by
 * conn_drain_input. */
void conn_pause(struct conn *c);
void conn_resume(struct conn *c);
/* Reads what our kernel still holds, paused or not, and delivers it (at most `most` bytes) from a
 * posted task. A conn_close or conn_reset that follows waits for that. */
void conn_drain_input(struct conn *c, size_t most);

/* Flushes compare loop_boot_ms with this before each write of plain text to TLS; past it nothing
 * is encrypted or written, until it is moved on (looked at every 20 ms). NULL (the default): no
 * deadline. Borrowed. */
void conn_set_deadline(struct conn *c, const _Atomic uint64_t *boot_ms);

/* Flushes, sends close_notify and FIN; reading goes on until the peer's end. Nothing is written
 * after this. When both directions have ended and all is acknowledged, `closed` comes by itself
 * (OK). Bounded by the owner's own timer and conn_close. */
void conn_finish(struct conn *c);
/* What is queued goes out as far as the kernel takes it at once, then close. */
void conn_close(struct conn *c);
/* RST: unacknowledged bytes are withdrawn. */
void conn_reset(struct conn *c);

struct loop *conn_loop(struct conn *c);
const struct addr *conn_peer(const struct conn *c);
const struct addr *conn_local(const struct conn *c);
/* Why TLS failed, in words for a log; "" if it did not. Valid inside `closed` too. */
const char *conn_tls_error(const struct conn *c);

#endif
