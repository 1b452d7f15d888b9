/* base/mem.h - the heap: calls that do not fail, and budgets for what a stranger can make grow.
 *
 * Running out of memory stops the process with one line: a router that goes on after a failed
 * allocation would lose a stanza silently. What a peer can make grow is bounded before, by a
 * named limit and a budget.
 */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include "base/err.h"
#include "base/slice.h"

#include <stdatomic.h>
#include <stdlib.h>

void *mem_alloc(size_t n);
/* Zeroed. */
void *mem_zalloc(size_t n);
void *mem_array(size_t count, size_t size);
void *mem_realloc(void *p, size_t n);
void mem_free(void *p);
/* A NUL-terminated copy. */
char *mem_strdup(const char *text);
char *mem_strndup(struct slice s);
/* Secrets: overwritten, then freed. */
void mem_wipe(void *p, size_t n);

#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))

/* A shared account in bytes, charged by several threads. 0 as limit means no limit. */
struct mem_budget {
    _Atomic uint64_t used_bytes;
    uint64_t limit_bytes;
};

/* Charges always succeed (the bytes are there already); the reader asks `over` and stops. */
static inline void mem_charge(struct mem_budget *b, size_t n)
{
    atomic_fetch_add_explicit(&b->used_bytes, n, memory_order_relaxed);
}

static inline void mem_discharge(struct mem_budget *b, size_t n)
{
    uint64_t before = atomic_fetch_sub_explicit(&b->used_bytes, n, memory_order_relaxed);

    assert(before >= n);
}

static inline uint64_t mem_used(struct mem_budget *b)
{
    return atomic_load_explicit(&b->used_bytes, memory_order_relaxed);
}

static inline bool mem_over(struct mem_budget *b)
{
    return b->limit_bytes && mem_used(b) > b->limit_bytes;
}

#endif
