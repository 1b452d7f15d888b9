/* base/random.h - chance as an argument: a source of random bytes.
 *
 * The daemon passes the system's (getrandom); simulated runs pass a seeded one, so that a run
 * repeats exactly. Never use a seeded source for ids or secrets of a real daemon.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

struct random {
    void (*fill)(struct random *r, void *buf, size_t n);
    uint64_t state; /* of the seeded source */
};

/* The system's CSPRNG; never fails (a system without one stops the process). */
void random_init_system(struct random *r);
/* splitmix64: repeatable, not secret. */
void random_init_seeded(struct random *r, uint64_t seed);

static inline void random_fill(struct random *r, void *buf, size_t n)
{
    r->fill(r, buf, n);
}
uint64_t random_u64(struct random *r);
/* Uniform in [0, bound), without modulo bias; bound 0 gives 0. */
uint64_t random_below(struct random *r, uint64_t bound);

#endif
