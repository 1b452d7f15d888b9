/* base/bytes and base/mem */
#include "unit/test.h"

#include "base/bytes.h"

#include <pthread.h>

TEST(bytes, copies_and_ends_with_nul)
{
    struct bytes *b = bytes_copy(SLICE("a\0b"));

    CHECK_EQ(b->len, 3);
    CHECK(slice_eq(bytes_slice(b), SLICE("a\0b")));
    CHECK_EQ(b->data[3], '\0');
    bytes_unref(b);
    b = bytes_copy(slice_none());
    CHECK_EQ(b->len, 0);
    CHECK_EQ(b->data[0], '\0');
    bytes_unref(b);
    bytes_unref(NULL);
}

TEST(bytes, the_last_reference_frees)
{
    struct bytes *b = bytes_new(4); /* leaks and early frees are the sanitizer's to find */

    memcpy(b->data, "wxyz", 4);
    CHECK(bytes_ref(b) == b);
    bytes_unref(b);
    CHECK_SLICE(bytes_slice(b), "wxyz");
    bytes_unref(b);
}

static void *churn(void *arg)
{
    struct bytes *b = arg;

    for (int i = 0; i < 20000; i++)
        bytes_unref(bytes_ref(b));
    bytes_unref(b);
    return NULL;
}

TEST(bytes, threads_may_share)
{
    struct bytes *b = bytes_copy(SLICE("shared"));
    pthread_t threads[3];

    for (int i = 0; i < 3; i++)
        CHECK_EQ(pthread_create(&threads[i], NULL, churn, bytes_ref(b)), 0);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQ(atomic_load(&b->refs), 1);
    bytes_unref(b);
}

TEST(bytes, mem_copies)
{
    char *text = mem_strndup(SLICE("abc"));
    unsigned char *zero = mem_zalloc(64);
    int *array = mem_array(8, sizeof(*array));

    CHECK_STR(text, "abc");
    for (int i = 0; i < 64; i++)
        CHECK_EQ(zero[i], 0);
    for (int i = 0; i < 8; i++)
        CHECK_EQ(array[i], 0);
    text = mem_realloc(text, 100);
    CHECK_STR(text, "abc");
    mem_wipe(text, 100);
    mem_wipe(NULL, 0);
    mem_free(zero);
    mem_free(array);
    text = mem_strndup(slice_none());
    CHECK_STR(text, "");
    mem_free(text);
    mem_free(mem_alloc(0));
    mem_free(NULL);
}

TEST(bytes, budgets_tell_when_they_are_over)
{
    struct mem_budget b = {.limit_bytes = 100};

    mem_charge(&b, 100);
    CHECK(!mem_over(&b));
    mem_charge(&b, 1);
    CHECK(mem_over(&b));
    mem_discharge(&b, 101);
    CHECK_EQ(mem_used(&b), 0);
    b.limit_bytes = 0;
    mem_charge(&b, 1000);
    CHECK(!mem_over(&b)); /* no limit */
}

TESTS(TEST_OF(bytes, copies_and_ends_with_nul), TEST_OF(bytes, the_last_reference_frees),
      TEST_OF(bytes, threads_may_share), TEST_OF(bytes, mem_copies),
      TEST_OF(bytes, budgets_tell_when_they_are_over))
