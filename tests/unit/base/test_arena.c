/* base/arena */
#include "unit/test.h"

#include "base/arena.h"

TEST(arena, gives_aligned_memory_that_does_not_overlap)
{
    struct arena a;
    char *at[200];

    arena_init(&a);
    for (size_t i = 0; i < COUNT(at); i++) {
        at[i] = arena_alloc(&a, i * 7);
        CHECK_EQ((uintptr_t)at[i] % 16, 0);
        memset(at[i], (int)i, i * 7);
    }
    for (size_t i = 0; i < COUNT(at); i++)
        for (size_t k = 0; k < i * 7; k++)
            CHECK_EQ((unsigned char)at[i][k], i);
    arena_fini(&a);
    CHECK_EQ(a.used_bytes, 0);
}

TEST(arena, serves_pieces_larger_than_a_block)
{
    struct arena a;
    char *big;
    char *small;

    arena_init(&a);
    small = arena_alloc(&a, 8);
    memset(small, 1, 8);
    big = arena_zalloc(&a, 100000);
    for (int i = 0; i < 100000; i++)
        CHECK_EQ(big[i], 0);
    memset(big, 2, 100000);
    CHECK_EQ(small[7], 1);
    CHECK(a.used_bytes >= 100008);
    arena_fini(&a);
}

TEST(arena, reset_keeps_one_small_block)
{
    struct arena a;
    void *first;

    arena_init(&a);
    first = arena_alloc(&a, 8);
    arena_reset(&a);
    CHECK_EQ(a.used_bytes, 0);
    CHECK(arena_alloc(&a, 8) == first);
    for (int i = 0; i < 100; i++)
        arena_alloc(&a, 1000);
    arena_alloc(&a, 50000);
    arena_reset(&a);
    CHECK(a.blocks != NULL);
    arena_alloc(&a, 2000);
    arena_reset(&a);
    arena_fini(&a);
    arena_reset(&a); /* an empty one */
    CHECK(a.blocks == NULL);
}

TEST(arena, copies_and_formats_text)
{
    struct arena a;
    struct slice s;

    arena_init(&a);
    s = arena_copy(&a, SLICE("a\0b"));
    CHECK(slice_eq(s, SLICE("a\0b")));
    CHECK_EQ(s.ptr[3], '\0');
    s = arena_copy(&a, slice_none());
    CHECK(s.ptr && s.len == 0);
    CHECK_STR(arena_format(&a, "%s-%d", "x", 7), "x-7");
    CHECK_EQ(strlen(arena_format(&a, "%5000d", 1)), 5000);
    arena_fini(&a);
}

TESTS(TEST_OF(arena, gives_aligned_memory_that_does_not_overlap),
      TEST_OF(arena, serves_pieces_larger_than_a_block),
      TEST_OF(arena, reset_keeps_one_small_block), TEST_OF(arena, copies_and_formats_text))
