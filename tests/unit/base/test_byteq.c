/* base/byteq */
#include "unit/test.h"

#include "base/byteq.h"
#include "base/random.h"

TEST(byteq, is_empty_at_first)
{
    struct byteq q;

    byteq_init(&q);
    CHECK_EQ(byteq_len(&q), 0);
    CHECK_SLICE(byteq_slice(&q), "");
    byteq_append(&q, slice_none());
    CHECK(q.data == NULL); /* nothing said, nothing spent */
    byteq_clear(&q);
    byteq_fini(&q);
}

TEST(byteq, gives_what_it_was_given)
{
    struct byteq q;

    byteq_init(&q);
    byteq_append(&q, SLICE("hello "));
    byteq_append(&q, SLICE("world"));
    CHECK_SLICE(byteq_slice(&q), "hello world");
    byteq_take(&q, 6);
    CHECK_SLICE(byteq_slice(&q), "world");
    memcpy(byteq_reserve(&q, 3), "!?.", 3);
    byteq_grow(&q, 1);
    CHECK_SLICE(byteq_slice(&q), "world!");
    byteq_take(&q, 6);
    CHECK_EQ(byteq_len(&q), 0);
    byteq_fini(&q);
    CHECK_EQ(byteq_len(&q), 0);
}

/* Against a plain model, with sizes on both sides of every border. */
TEST(byteq, keeps_order_under_any_mixture)
{
    static char model[1 << 20];
    size_t from = 0;
    size_t to = 0;
    struct random rnd;
    struct byteq q;

    random_init_seeded(&rnd, 1);
    byteq_init(&q);
    while (to < sizeof(model) - 6000) {
        size_t n = random_below(&rnd, 2) ? random_below(&rnd, 20) : random_below(&rnd, 6000);

        if (random_below(&rnd, 2)) {
            random_fill(&rnd, model + to, n);
            byteq_append(&q, slice_make(model + to, n));
            to += n;
        } else {
            n = n > to - from ? to - from : n;
            byteq_take(&q, n);
            from += n;
        }
        CHECK_EQ(byteq_len(&q), to - from);
        CHECK(slice_eq(byteq_slice(&q), slice_make(model + from, to - from)));
    }
    byteq_fini(&q);
}

TEST(byteq, gives_a_large_buffer_back_when_empty)
{
    static const char block[8192];
    struct byteq q;

    byteq_init(&q);
    byteq_append(&q, slice_make(block, 100));
    byteq_take(&q, 100);
    CHECK(q.data != NULL); /* a small one stays for the next round */
    byteq_append(&q, slice_make(block, sizeof(block)));
    byteq_take(&q, sizeof(block));
    CHECK(q.data == NULL);
    byteq_append(&q, slice_make(block, sizeof(block)));
    byteq_clear(&q);
    CHECK(q.data == NULL);
    CHECK_EQ(byteq_len(&q), 0);
    byteq_fini(&q);
}

/* A slow peer: a long queue, small writes at its end, small bites from its front. Each must not
 * move the whole. */
TEST(byteq, a_long_queue_is_seldom_moved)
{
    static char block[1 << 20];
    struct byteq q;
    unsigned moved = 0;

    byteq_init(&q);
    byteq_append(&q, slice_make(block, sizeof(block)));
    for (int i = 0; i < 20000; i++) {
        size_t from;

        byteq_take(&q, 100);
        from = q.from;
        byteq_append(&q, slice_make(block, 100));
        moved += q.from != from;
    }
    CHECK(moved < 20); /* 2 MB went through: each half as long as the queue pays for one */
    CHECK(q.room <= 4 * sizeof(block));
    byteq_fini(&q);
}

TESTS(TEST_OF(byteq, is_empty_at_first), TEST_OF(byteq, gives_what_it_was_given),
      TEST_OF(byteq, keeps_order_under_any_mixture),
      TEST_OF(byteq, gives_a_large_buffer_back_when_empty),
      TEST_OF(byteq, a_long_queue_is_seldom_moved))
