#include "base/mem.h"

#include <stdio.h>

static void *checked(void *p, size_t n)
{
    if (p || n == 0)
        return p;
    fprintf(stderr, "fedrouter: out of memory (%zu bytes asked)\n", n);
    abort();
}

void *mem_alloc(size_t n)
{
    return checked(malloc(n ? n : 1), n);
}

void *mem_zalloc(size_t n)
{
    return checked(calloc(1, n ? n : 1), n);
}

void *mem_array(size_t count, size_t size)
{
    return checked(calloc(count ? count : 1, size), count);
}

void *mem_realloc(void *p, size_t n)
{
    return checked(realloc(p, n ? n : 1), n);
}

void mem_free(void *p)
{
    free(p);
}

char *mem_strndup(struct slice s)
{
    char *copy = mem_alloc(s.len + 1);

    if (s.len)
        memcpy(copy, s.ptr, s.len);
    copy[s.len] = '\0';
    return copy;
}

char *mem_strdup(const char *text)
{
    return mem_strndup(slice_from(text));
}

void mem_wipe(void *p, size_t n)
{
    if (!p)
        return;
    explicit_bzero(p, n);
    free(p);
}
