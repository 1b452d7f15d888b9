#include "route/told.h"
#include "unit/test.h"

static struct lane_run run(uint64_t last, enum fate fate, const char *detail)
{
    return (struct lane_run){last, fate, BOUNCE_AGE,
                             detail ? bytes_copy(slice_from(detail)) : NULL};
}

static void add(struct told *t, uint64_t last, enum fate fate, const char *detail)
{
    struct lane_run r = run(last, fate, detail);

    told_add(t, &r, 1);
    bytes_unref(r.detail);
}

TEST(told, keeps_what_the_ingress_has_not_heard)
{
    struct told t;

    told_init(&t);
    add(&t, 3, FATE_SENT, NULL);
    add(&t, 5, FATE_SENT, NULL); /* one run */
    add(&t, 6, FATE_BOUNCED, "refused");
    add(&t, 7, FATE_BOUNCED, "refused");
    add(&t, 8, FATE_BOUNCED, "timed out");
    add(&t, 9, FATE_BOUNCED, NULL);
    CHECK_EQ(t.count, 4);
    told_heard(&t, 4); /* in the middle of a run: it stays whole, what is known is told twice */
    CHECK_EQ(t.count, 4);
    told_heard(&t, 5);
    CHECK_EQ(t.count, 3);
    CHECK_EQ(t.runs[0].last_seq, 7);
    CHECK_SLICE(bytes_slice(t.runs[0].detail), "refused");
    told_heard(&t, 8);
    CHECK_EQ(t.count, 1);
    told_heard(&t, 100);
    CHECK_EQ(t.count, 0);
    add(&t, 101, FATE_DROPPED, "x");
    CHECK_EQ(t.count, 1);
    told_fini(&t);
}

TEST(told, a_copy_lives_by_itself)
{
    struct told t;
    struct lane_run *copy;

    told_init(&t);
    add(&t, 1, FATE_BOUNCED, "one");
    copy = told_copy(t.runs, t.count);
    told_fini(&t);
    CHECK_SLICE(bytes_slice(copy[0].detail), "one");
    bytes_unref(copy[0].detail);
    mem_free(copy);
}

TESTS(TEST_OF(told, keeps_what_the_ingress_has_not_heard), TEST_OF(told, a_copy_lives_by_itself))
