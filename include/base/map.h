/* base/map.h - from a byte string to a pointer; keyed SipHash, so that strangers who choose
 * the keys cannot choose the collisions.
 *
 * The map borrows its keys: they live in the value and outlast the entry. Open addressing;
 * order of `walk` is arbitrary.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/mem.h"

struct map_slot {
    uint64_t hash;
    struct slice key;
    void *value; /* NULL: never used, or removed (key.ptr tells) */
};

struct map {
    struct map_slot *slots;
    size_t room; /* a power of two, or 0 */
    size_t count;
    size_t used; /* count and removed ones */
    uint64_t seed[2];
};

uint64_t siphash(const uint64_t seed[2], struct slice s);

/* `seed`: 16 secret random bytes; constant ones are fine where no stranger chooses keys. */
void map_init(struct map *m, const uint64_t seed[2]);
void map_fini(struct map *m); /* the values are their owners' business */
/* NULL when absent. */
void *map_find(const struct map *m, struct slice key);
/* The key must not be there yet; value not NULL. */
void map_add(struct map *m, struct slice key, void *value);
/* The removed value, or NULL. */
void *map_remove(struct map *m, struct slice key);
/* Visits all; `fn` may remove the entry it is given, and no other, and adds none. */
void map_walk(struct map *m, void (*fn)(void *arg, struct slice key, void *value), void *arg);
/* Iteration without a callback: start with *pos = 0; NULL at the end. Entries may be removed
 * while iterating, none added. */
void *map_next(const struct map *m, size_t *pos);

static inline size_t map_count(const struct map *m)
{
    return m->count;
}

#endif
