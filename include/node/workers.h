/* node/workers.h - the worker threads of a node: a loop, a site and a heartbeat each.
 *
 * Steward side. Everything reaches a worker as a message; a visit runs on the worker's own thread
 * with its site.
 */
#ifndef NODE_WORKERS_H
#define NODE_WORKERS_H

#include "link/site.h"

struct workers;

struct workers_options {
    struct loop *steward;
    unsigned count;
    struct desk *desk;
    struct members *members;
    const uint64_t *route_seed; /* two words */
    const uint64_t *id_secret;  /* two words, of stream ids */
    struct settings *settings;
    struct log_sink *sink;
    struct mem_budget *memory;
};

/* Threads run and know each other when `ready` comes (posted to the steward). */
struct workers *workers_start(const struct workers_options *o, void (*ready)(void *arg), void *arg);
unsigned workers_count(const struct workers *w);
struct counters *workers_counters(struct workers *w, unsigned i);
/* Of the view on worker i, once `ready` has come. */
struct hop *workers_view(struct workers *w, unsigned i);

/* Takes fd; the worker with the fewest links gets it. */
void workers_accept(struct workers *w, int fd, const struct addr *peer, enum site_port port);
/* Runs on every worker, in order with other messages. `arg` is shared: treat it as read-only. */
void workers_each(struct workers *w, void (*visit)(struct site *s, const void *arg),
                  const void *arg, size_t arg_size);
void workers_one(struct workers *w, unsigned i, void (*visit)(struct site *s, const void *arg),
                 const void *arg, size_t arg_size);
/* Asks every worker for a part, then tells all parts to `done` on the steward. `arg` is copied. */
typedef void *workers_part_fn(struct site *s, const void *arg);
typedef void workers_parts_fn(void *done_arg, void **parts, unsigned count);
void workers_gather(struct workers *w, workers_part_fn *part, const void *arg, size_t arg_size,
                    workers_parts_fn *done, void *done_arg);

/* Milliseconds since the slowest worker last turned its loop (for /livez). */
uint64_t workers_silent_ms(const struct workers *w);
/* Sum of what all have accepted and not settled. */
uint64_t workers_held_count(const struct workers *w);

/* ... also of stanzas of our own, of those from other nodes, and of inbound streams if asked
 * (drain). */
uint64_t workers_unsettled_count(const struct workers *w, bool inbound);

/* Closes all links with system-shutdown; `done` when all sites are quiet, or after `most_ms`. */
void workers_stop(struct workers *w, uint64_t most_ms, void (*done)(void *arg), void *arg);
/* After `done`: joins the threads. */
void workers_free(struct workers *w);

#endif
