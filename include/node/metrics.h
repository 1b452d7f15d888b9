/* node/metrics.h - what /metrics says: counters summed over loops, and a sample of what there is,
 * as Prometheus text.
 *
 * A worker gives its part on its own thread (metrics_part); the steward adds the parts and its own
 * knowledge (metrics_sample); rendering is pure. Remote domains are never labels: strangers choose
 * them. Spec: Prometheus text format 0.0.4.
 */
#ifndef NODE_METRICS_H
#define NODE_METRICS_H

#include "base/byteq.h"
#include "node/node.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metrics_link { METRICS_OPENING, METRICS_OPEN, METRICS_ENDING, METRICS_LINKS };
enum metrics_direction { METRICS_IN, METRICS_OUT, METRICS_DIRECTIONS };

/* A number about one of our own domains. */
struct metrics_domain {
    char *name;
    int64_t value;
};

struct metrics_domains {
    struct metrics_domain *list;
    size_t count;
    size_t room;
};

/* One worker's share; sums of all are the same struct. */
struct metrics_part {
    uint64_t links[LINK_KINDS][METRICS_LINKS];
    uint64_t pairs[METRICS_DIRECTIONS][METHOD_MAX]; /* not proven ones under METHOD_NONE */
    uint64_t queue_stanza_count;
    uint64_t queue_bytes;
    uint64_t queue_oldest_ms;
    uint64_t tls_bytes;
    uint64_t parser_bytes;
    uint64_t undone_count;             /* in lanes to other workers, without a fate yet */
    struct metrics_domains components; /* instances; every worker knows them all, the first tells */
};

struct metrics {
    uint64_t cell[COUNTER_CELLS];
    struct metrics_part sum;
    struct metrics_domains certificates; /* seconds left */
    uint64_t held_count;
    uint64_t up_ms;
    const char *state; /* node_state_word */
    uint64_t resident_bytes;
    uint64_t held_bytes;
    uint64_t descriptor_count;
    uint64_t dns_cache_count;
    uint64_t lost_lines_count;
    bool store_up;
    struct members_numbers cluster;
};

void metrics_domains_add(struct metrics_domains *d, struct slice name, int64_t value);
void metrics_domains_fini(struct metrics_domains *d);

/* On a worker. Also a workers_part_fn: the part is the caller's (metrics_part_free). */
void *metrics_part(struct site *s, const void *arg);
void metrics_part_free(struct metrics_part *p);

/* On the steward: everything about this node, given the parts of its workers (which stay the
 * caller's). */
void metrics_sample(struct node *n, struct metrics_part *const *parts, unsigned count,
                    struct metrics *ret_metrics);
void metrics_fini(struct metrics *m);

void metrics_render(const struct metrics *m, struct byteq *out);

/* The balance of stanzas: in = out + bounced + dropped + held, at rest. */
struct metrics_balance {
    uint64_t in, out, bounced, dropped, held;
};
void metrics_balance(const struct metrics *m, struct metrics_balance *ret_balance);

/* What this process has of the machine. */
uint64_t process_resident_bytes(void);
uint64_t process_descriptor_count(void);

#endif
