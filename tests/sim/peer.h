/* tests/sim/peer.h - a scripted end of a connection: not our code, any bytes, any TLS.
 *
 * A peer listens or dials on a world address. Calls that wait turn the world until what they wait
 * for came, or for `max_ms` of its time. All that passes is written to a transcript, for the one
 * who reads a failed test. Peers are freed with the world.
 */
#ifndef SIM_PEER_H
#define SIM_PEER_H

#include "sim/peertls.h"
#include "sim/world.h"

struct peer;
struct peer_port;

/* Where the transcripts of peers made from now on go; NULL: nowhere. Borrowed. */
void peer_write_to(struct byteq *transcript);

/* "10.0.0.1:5269", "[fd00::1]:5269". */
struct peer *peer_dial(struct host *h, const char *name, const char *to);
struct peer_port *peer_listen(struct host *h, const char *name, const char *at);
/* The next connection made to it, or NULL. */
struct peer *peer_accept(struct peer_port *p, const char *name, uint64_t max_ms);
/* Connections nobody accepted yet. */
bool peer_port_waiting(const struct peer_port *p);
void peer_port_close(struct peer_port *p);

void peer_send(struct peer *p, struct slice bytes);
void peer_say(struct peer *p, const char *text);
/* What came, in clear or decrypted, and was not taken yet. */
struct slice peer_input(const struct peer *p);
void peer_take(struct peer *p, size_t n);
/* Until a text with '*' as wild card stands in the input; takes all up to its end. */
bool peer_expect(struct peer *p, const char *glob, uint64_t max_ms);
/* Nothing at all comes in that time. */
bool peer_is_quiet(struct peer *p, uint64_t ms);

/* Until the handshake is over. What came in clear and was not taken is TLS already (Direct TLS);
 * ERR_TIMEOUT, ERR_CRYPTO, ERR_CLOSED. */
enum err peer_tls(struct peer *p, const struct peertls_options *o, uint64_t max_ms) MUST_USE;
struct peertls *peer_session(struct peer *p); /* NULL in clear */
/* How many bytes of the wire were read when so many had come into the input; with TLS to a hundred
 * or so. */
uint64_t peer_wire_bytes(const struct peer *p, uint64_t input);

bool peer_is_up(const struct peer *p);
bool peer_has_ended(const struct peer *p);    /* FIN came */
bool peer_was_notified(const struct peer *p); /* TLS close_notify came */
enum err peer_error(const struct peer *p);    /* ERR_RESET, ERR_REFUSED ..., OK */
/* Until FIN or RST came. */
bool peer_wait_end(struct peer *p, uint64_t max_ms);

void peer_stop_reading(struct peer *p, bool stop);
void peer_shutdown(struct peer *p); /* FIN; reading goes on */
void peer_finish(struct peer *p);   /* close_notify, if TLS, and FIN; gone when they end, too */
void peer_quit(struct peer *p);     /* its process is gone: FIN, and RST to what still comes */
void peer_reset(struct peer *p);    /* RST */
const char *peer_name(const struct peer *p);
/* Which connection it was: ports are used again. */
struct connection {
    struct addr local;
    struct addr remote;
    uint64_t born_us;
};
const struct connection *peer_connection(const struct peer *p);
/* Written by us and not acknowledged by the other kernel; of a closed one: when we closed. */
uint64_t peer_unacked(const struct peer *p);
/* Acknowledged by our kernel, and not read yet. */
uint64_t peer_unread(const struct peer *p);

/* For other makers of peers and for the engine: a line of the transcript. */
void peer_note(struct world *w, const char *name, const char *what, struct slice text);

/* Writes out what was heard last: before the transcript is read. */
void peer_note_all(void);

/* `text` matches `glob` as a whole ('*': any run of bytes). */
bool glob_fits(struct slice glob, struct slice text);
/* End of the first place where it occurs in `text`, or SIZE_MAX. */
size_t glob_find(struct slice glob, struct slice text);

#endif
