#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

/* The first block is small, for what holds a name or two as long as a link lives; each further one
 * twice as large as the one before, up to the most. */
#define ARENA_FIRST_BYTES 512
#define ARENA_BLOCK_BYTES 2048

struct arena_block {
    struct arena_block *next;
    size_t room;
    size_t used;
    _Alignas(16) char data[];
};

void arena_init(struct arena *a)
{
    a->blocks = NULL;
    a->used_bytes = 0;
}

static void free_blocks(struct arena_block *b)
{
    while (b) {
        struct arena_block *next = b->next;

        mem_free(b);
        b = next;
    }
}

void arena_fini(struct arena *a)
{
    free_blocks(a->blocks);
    arena_init(a);
}

void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->blocks;

    while (keep && keep->room > ARENA_BLOCK_BYTES) {
        struct arena_block *next = keep->next;

        mem_free(keep);
        keep = next;
    }
    if (keep) {
        free_blocks(keep->next);
        keep->next = NULL;
        keep->used = 0;
    }
    a->blocks = keep;
    a->used_bytes = 0;
}

static struct arena_block *add_block(struct arena *a, size_t n)
{
    size_t room = a->blocks ? 2 * a->blocks->room : ARENA_FIRST_BYTES;
    struct arena_block *b;

    if (room > ARENA_BLOCK_BYTES)
        room = ARENA_BLOCK_BYTES;
    if (room < n)
        room = n;
    b = mem_alloc(sizeof(*b) + room);
    b->room = room;
    b->used = 0;
    b->next = a->blocks;
    a->blocks = b;
    return b;
}

void *arena_alloc(struct arena *a, size_t n)
{
    struct arena_block *b = a->blocks;
    void *p;

    assert(n < SIZE_MAX - 16);
    n = (n + 15) & ~(size_t)15;
    if (!b || b->room - b->used < n)
        b = add_block(a, n);
    p = b->data + b->used;
    b->used += n;
    a->used_bytes += n;
    return p;
}

void *arena_zalloc(struct arena *a, size_t n)
{
    return memset(arena_alloc(a, n), 0, n);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
    char *p = arena_alloc(a, s.len + 1);

    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return slice_make(p, s.len);
}

char *arena_format(struct arena *a, const char *format, ...)
{
    va_list args;
    va_list again;
    int n;
    char *p;

    va_start(args, format);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    p = arena_alloc(a, (size_t)n + 1);
    vsnprintf(p, (size_t)n + 1, format, again);
    va_end(again);
    return p;
}

size_t arena_memory(const struct arena *a)
{
    size_t n = 0;

    for (const struct arena_block *b = a->blocks; b; b = b->next)
        n += sizeof(*b) + b->room;
    return n;
}
