#include "base/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

static void fill_system(struct random *r, void *buf, size_t n)
{
    char *p = buf;

    (void)r;
    while (n) {
        ssize_t got = getrandom(p, n, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            fprintf(stderr, "fedrouter: the system gives no random bytes: %s\n", strerror(errno));
            abort();
        }
        p += got;
        n -= (size_t)got;
    }
}

static uint64_t splitmix(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static void fill_seeded(struct random *r, void *buf, size_t n)
{
    char *p = buf;

    while (n) {
        uint64_t v = splitmix(&r->state);
        size_t part = n < sizeof(v) ? n : sizeof(v);

        memcpy(p, &v, part);
        p += part;
        n -= part;
    }
}

void random_init_system(struct random *r)
{
    r->fill = fill_system;
    r->state = 0;
}

void random_init_seeded(struct random *r, uint64_t seed)
{
    r->fill = fill_seeded;
    r->state = seed;
}

uint64_t random_u64(struct random *r)
{
    uint64_t v;

    random_fill(r, &v, sizeof(v));
    return v;
}

uint64_t random_below(struct random *r, uint64_t bound)
{
    uint64_t reject;
    uint64_t v;

    if (bound < 2)
        return 0;
    reject = (0 - bound) % bound; /* 2^64 mod bound: values under it would be drawn too often */
    do
        v = random_u64(r);
    while (v < reject);
    return v % bound;
}
