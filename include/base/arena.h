/* base/arena.h - memory that dies together: many small allocations, one release.
 *
 * Not thread-safe. Nothing in it is freed singly.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/mem.h"

struct arena_block;

struct arena {
    struct arena_block *blocks;
    size_t used_bytes; /* asked for, all blocks */
};

void arena_init(struct arena *a);
void arena_fini(struct arena *a);
/* Forgets everything, keeps one small block for the next use. */
void arena_reset(struct arena *a);
void *arena_alloc(struct arena *a, size_t n); /* aligned to 16, not zeroed */
void *arena_zalloc(struct arena *a, size_t n);
/* NUL-terminated copy; the slice does not count the NUL. */
struct slice arena_copy(struct arena *a, struct slice s);
char *arena_format(struct arena *a, const char *format, ...) PRINTF(2, 3);
size_t arena_memory(const struct arena *a); /* bytes of the heap */

#define ARENA_NEW(arena, type) ((type *)arena_zalloc(arena, sizeof(type)))

#endif
