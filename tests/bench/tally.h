/* tests/bench/tally.h - what became of each stanza: order, loss, duplicates, latency.
 *
 * Pure. A pair is one sender and one receiver; its stanzas are numbered from 0. Every number that
 * was sent ends as received or bounced; what did neither is lost. Reordered counts first arrivals
 * only: a second copy is a duplicate wherever it comes.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdint.h>
#include <stdio.h>

/* Latencies in buckets 1/32 of their own size wide: 64 powers of two cover every uint64_t. */
#define LATENCY_STEPS   32
#define LATENCY_BUCKETS (64 * LATENCY_STEPS)
/* Conditions of RFC 6120 8.3.3 are 22; a peer that invents more is summed under the last. */
#define CONDITIONS_MAX  24
#define CONDITION_BYTES 40

struct pair_tally {
    uint64_t sent;
    uint64_t highest;    /* number after the highest that arrived first */
    uint64_t capacity;   /* numbers the bitmaps below hold */
    uint64_t *seen;      /* bit: arrived at the receiver */
    uint64_t *refused;   /* bit: came back as an error */
    uint64_t heard_ns;   /* when something arrived last */
    uint64_t silence_ns; /* the longest time between two arrivals */
};

struct condition_tally {
    char name[CONDITION_BYTES];
    uint64_t count;
};

struct tally {
    struct pair_tally *pairs;
    size_t pair_count;
    uint64_t sent;
    uint64_t received; /* distinct */
    uint64_t bounced;  /* distinct */
    uint64_t duplicates;
    uint64_t bounced_twice;
    uint64_t both; /* delivered and bounced: two answers to one question */
    uint64_t reordered;
    uint64_t foreign; /* arrived without having been sent, or made unreadable */
    uint64_t latency[LATENCY_BUCKETS];
    uint64_t latency_max;
    struct condition_tally conditions[CONDITIONS_MAX];
};

void tally_init(struct tally *t, size_t pair_count);
void tally_fini(struct tally *t);
/* Next number of the pair. */
uint64_t tally_sent(struct tally *t, size_t pair);
void tally_received(struct tally *t, size_t pair, uint64_t number, uint64_t latency_ns);
void tally_bounced(struct tally *t, size_t pair, uint64_t number, const char *condition,
                   size_t len);
/* Sent and without a fate so far. */
uint64_t tally_open(const struct tally *t);
/* Nanoseconds below which `share` (0..1) of the arrivals lie. */
uint64_t tally_latency(const struct tally *t, double share);
/* Forgets latencies, not fates: what was measured before the links were up is not the links'. */
void tally_forget_latency(struct tally *t);
/* Silences are counted from here, and up to here for pairs that are silent now. What arrives later
 * still ends a silence. */
void tally_silence_begin(struct tally *t, uint64_t now_ns);
void tally_silence_end(struct tally *t, uint64_t now_ns);
void tally_heard(struct tally *t, size_t pair, uint64_t now_ns);
/* Nanoseconds: of `share` (0..1) of the pairs the longest silence was no longer. */
uint64_t tally_silence(const struct tally *t, double share);
/* {"condition": count, ...} */
void tally_print_bounces(const struct tally *t, FILE *to);

#endif
