/* tests/sim/world.h - an invented world: time, machines, wires, and the loops that live there.
 *
 * The second implementation of the loop floor. loop_new, thread_start, listener_open and the
 * others work inside the current world; nothing sleeps and no real socket exists: the test turns
 * the world event by event, on one real thread. The same seed and the same calls give the same
 * run. OpenSSL draws its random bytes from the seed too.
 *
 * Machines are hosts, known by their addresses. Every loop, descriptor and peer belongs to one.
 * Wires between hosts have latency, may lose packets or be cut in one direction or both.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/addr.h"
#include "base/byteq.h"
#include "base/list.h"
#include "loop/loop.h"
#include "sim/event.h"

struct world;
struct host;

/* One at a time; it becomes the current world. */
struct world *world_new(uint64_t seed);
/* Loops that still live (their host was killed) are forgotten, not freed. */
void world_free(struct world *w);
struct world *world_current(void);

uint64_t world_us(const struct world *w);
uint64_t world_ms(const struct world *w);
/* Events so far. */
uint64_t world_steps(const struct world *w);
struct random *world_random(struct world *w);
/* Microseconds since 1970 at world time 0. Default: 2026-01-01. */
void world_set_wall(struct world *w, uint64_t wall_us);

/* The next event: one turn of a loop, one packet's arrival, one peer's move. False: nothing will
 * ever happen again. */
bool world_step(struct world *w);
/* Until done(arg), at most `max_ms` of world time; true if it became so. */
bool world_run_until(struct world *w, bool (*done)(void *arg), void *arg, uint64_t max_ms);
void world_advance(struct world *w, uint64_t ms);
/* A number that depends on every event so far: two runs were equal if it is. */
uint64_t world_digest(const struct world *w);

/* For the parts of the world: events in its time. */
void world_at(struct world *w, struct event *ev, uint64_t at_us);
void world_cancel(struct world *w, struct event *ev);
/* Something for the digest: what happened, beyond when. */
void world_note(struct world *w, uint64_t what);

/* Peers and the like, embedded: freed with the world at the latest, before its hosts. Who frees
 * one earlier removes the node. */
struct owned {
    struct list node;
    void (*free)(struct owned *o);
};
void world_own(struct world *w, struct owned *o, void (*free)(struct owned *o));

/* --- machines --- */

/* Found by name, or made with these addresses ("10.0.0.1 fd00::1"); each has its own loopback. */
struct host *world_host(struct world *w, const char *name, const char *ips);
/* Loops, threads and listeners made from now on (outside of a loop's turn) live there. */
void world_use_host(struct world *w, struct host *h);
struct host *world_host_of(struct world *w, const struct addr *ip); /* or NULL */
const char *host_name(const struct host *h);

/* The process dies: its kernel closes what it had open (what was written is still delivered, as
 * of a real one; unread input makes a reset). Its loops never turn again. */
void host_kill(struct host *h);
/* Power off: silence. Loops and peers of the host are gone, its state too. */
void host_power_off(struct host *h);
/* It can be used again: old connections are answered with RST. */
void host_power_on(struct host *h);
/* A loop lives there: of a process that was not killed, and did not end properly. */
bool host_has_loops(const struct host *h);
/* SIGSTOP of all its loops; the kernel goes on. */
void host_pause(struct host *h, bool paused);
/* The whole machine sleeps: packets are lost, loop_now stands still, loop_boot goes on. */
void host_suspend(struct host *h, bool suspended);
/* Moves its wall clock. */
void host_shift_wall(struct host *h, int64_t us);
/* New connections to that port are dropped without a word (a firewall), or no longer. */
void host_drop_port(struct host *h, uint16_t port, bool drop);
/* How many descriptors its process may have open; 0: no limit. */
void host_limit_descriptors(struct host *h, unsigned most);
unsigned host_descriptors(const struct host *h);

/* One loop alone is stopped: a worker that hangs. */
void world_pause_loop(struct loop *l, bool paused);
bool world_loop_stopped(const struct loop *l);

/* --- wires --- */

/* From a to b only; the other direction is another call. NULL: every host but the other one. */
void world_cut(struct world *w, struct host *a, struct host *b, bool cut);
/* Both directions. */
void world_part(struct world *w, struct host *a, struct host *b, bool cut);
void world_set_latency(struct world *w, struct host *a, struct host *b, uint64_t least_us,
                       uint64_t most_us);
/* Of a thousand packets from a to b; TCP repeats them, UDP does not. */
void world_set_loss(struct world *w, struct host *a, struct host *b, unsigned permille);
/* Bytes a millisecond, one connection; 0: as fast as can be. */
void world_set_speed(struct world *w, struct host *a, struct host *b, uint64_t bytes_per_ms);
/* Kernel buffers of connections made from now on; 0: drawn for each, 4 KiB to 256 KiB. */
void world_set_buffers(struct world *w, size_t send_bytes, size_t receive_bytes);
/* Reads and segments are cut at places drawn by the seed (default), or as large as can be. */
void world_set_chopping(struct world *w, bool chop);
/* An address that belongs to nobody: packets vanish. Others nobody has: unreachable. */
void world_blackhole(struct world *w, const char *ip);

/* A program let go of a connection, or it broke: how far the other end had acknowledged what this
 * one wrote, and how far it was sent. Whoever holds this end can know the first, and withdraw what
 * is behind the second. A killed program's kernel goes on sending: `sent` is UINT64_MAX then. */
struct let_go {
    const struct addr *local;
    const struct addr *remote;
    uint64_t acked;
    uint64_t sent;
};
void world_on_let_go(struct world *w, void (*fn)(void *arg, const struct let_go *g), void *arg);

/* Called whenever a process has given bytes of a connection to its kernel. */
typedef void world_wrote_fn(void *arg, struct host *h, const struct addr *local,
                            const struct addr *peer);
void world_watch_writes(struct world *w, world_wrote_fn *wrote, void *arg);

/* Packets sent so far to an address and port, by kind: who was dialled, who was asked. */
unsigned world_syns_to(struct world *w, const struct addr *to);

#endif
