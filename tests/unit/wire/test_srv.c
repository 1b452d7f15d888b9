#include "unit/test.h"

#include "base/err.h"
#include "wire/srv.h"

#define DRAWS 20000

static struct srv_target target(const char *host, uint16_t priority, uint16_t weight)
{
    return (struct srv_target){
        .host = slice_from(host), .port = 5269, .priority = priority, .weight = weight};
}

/* A source whose 64-bit numbers are a script, so that a draw is known beforehand. */
static void fill_script(struct random *r, void *buf, size_t n)
{
    static const uint64_t *script;
    static size_t at;

    if (!buf) {
        script = (const uint64_t *)(uintptr_t)r->state;
        at = 0;
        return;
    }
    assert_int_equal(n, 8);
    memcpy(buf, &script[at++], n);
}

static struct random scripted(const uint64_t *numbers)
{
    struct random r = {fill_script, (uint64_t)(uintptr_t)numbers};

    fill_script(&r, NULL, 0);
    return r;
}

/* SRV-02: RFC 2782, Priority. SRV-01: both kinds are one list. */
TEST(srv, lower_priority_comes_first_whatever_weight_or_kind)
{
    struct random rnd;

    random_init_seeded(&rnd, 2);
    for (int i = 0; i < 200; i++) {
        struct srv_target t[] = {target("d", 30, 65535), target("b", 10, 0), target("a", 5, 0),
                                 target("c", 20, 9)};

        t[0].direct_tls = t[3].direct_tls = true;
        srv_rank(t, COUNT(t), &rnd);
        CHECK_SLICE(t[0].host, "a");
        CHECK_SLICE(t[1].host, "b");
        CHECK_SLICE(t[2].host, "c");
        CHECK_SLICE(t[3].host, "d");
        CHECK(t[3].direct_tls && t[2].direct_tls && !t[1].direct_tls);
    }
}

/* How often each of up to four hosts "a".."d" is at place `place`. */
static void count_at(struct srv_target *t, size_t n, size_t place, unsigned seen[4])
{
    struct random rnd;

    random_init_seeded(&rnd, 7);
    memset(seen, 0, 4 * sizeof(*seen));
    for (int i = 0; i < DRAWS; i++) {
        srv_rank(t, n, &rnd);
        seen[t[place].host.ptr[0] - 'a']++;
    }
}

static void check_share(unsigned seen, double share)
{
    double got = (double)seen / DRAWS;

    CHECK_MSG(got > share - 0.015 && got < share + 0.015, "share %.4f, not %.4f", got, share);
}

/* SRV-03. With the number drawn from 0 to the total inclusive, weights 1 and 3 in the order
 * (1, 3) give 2/5 and 3/5, in the order (3, 1) give 1/5 and 4/5; shuffled: 3/10 and 7/10. */
TEST(srv, weights_share_the_first_place)
{
    struct srv_target small[] = {target("a", 1, 1), target("b", 1, 3)};
    struct srv_target large[] = {target("a", 1, 1000), target("b", 1, 3000)};
    struct srv_target three[] = {target("a", 1, 1000), target("b", 1, 2000), target("c", 1, 7000)};
    unsigned seen[4];

    count_at(small, 2, 0, seen);
    check_share(seen[0], 0.3);
    check_share(seen[1], 0.7);
    count_at(large, 2, 0, seen);
    check_share(seen[0], 0.25);
    check_share(seen[1], 0.75);
    count_at(three, 3, 0, seen);
    check_share(seen[0], 0.1);
    check_share(seen[1], 0.2);
    check_share(seen[2], 0.7);
    count_at(three, 3, 1, seen); /* c second: behind a .1*7/9, behind b .2*7/8 */
    check_share(seen[2], 0.1 * 7 / 9 + 0.2 * 7 / 8);
}

/* SRV-03: a zero weight among positive ones is rare, not impossible. */
TEST(srv, zero_weight_is_rare_but_possible)
{
    struct srv_target t[] = {target("a", 1, 0), target("b", 1, 20), target("c", 1, 29)};
    unsigned seen[4];

    count_at(t, 3, 0, seen); /* only the number 0 of 0..49 picks it */
    CHECK_MSG(seen[0] > DRAWS / 50 / 2 && seen[0] < DRAWS / 50 * 2, "%u", seen[0]);
}

/* SRV-03: RFC 2782 leaves the order of zero weights open; equals must share the calls. */
TEST(srv, all_zero_weights_share_evenly)
{
    struct srv_target t[] = {target("a", 1, 0), target("b", 1, 0), target("c", 1, 0),
                             target("d", 1, 0)};
    unsigned seen[4];

    for (size_t place = 0; place < 4; place++) {
        count_at(t, 4, place, seen);
        for (size_t i = 0; i < 4; i++)
            check_share(seen[i], 0.25);
    }
}

/* random_below refuses the smallest numbers: a few bounds more mean the same. */
static uint64_t number(uint64_t v, uint64_t bound)
{
    return v + 8 * bound;
}

/* SRV-03, step by step. 2 of 3 and 1 of 2 leave the list as it is in the shuffle (each entry
 * changes with itself), then come the draws. */
TEST(srv, follows_the_running_sums_of_rfc_2782)
{
    static const struct {
        uint64_t first;        /* of a 0, b 10, c 20: sums 0, 10, 30, from 0..30 */
        uint64_t second;       /* of what is left */
        uint64_t second_total; /* its sum of weights */
        const char *order;
    } cases[] = {
        {0, 0, 30, "abc"},  {0, 10, 30, "abc"}, {0, 11, 30, "acb"}, {1, 0, 20, "bac"},
        {10, 1, 20, "bca"}, {11, 0, 10, "cab"}, {30, 1, 10, "cba"}, {30, 10, 10, "cba"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct srv_target t[] = {target("a", 1, 0), target("b", 1, 10), target("c", 1, 20)};
        uint64_t script[] = {number(2, 3), number(1, 2), number(cases[i].first, 31),
                             number(cases[i].second, cases[i].second_total + 1)};
        struct random rnd = scripted(script);
        char got[4] = "";

        srv_rank(t, 3, &rnd);
        for (size_t k = 0; k < 3; k++)
            got[k] = t[k].host.ptr[0];
        CHECK_STR(got, cases[i].order);
    }
}

TEST(srv, nothing_and_one_are_ranked_too)
{
    struct srv_target one = target("a", 1, 1);
    struct random rnd;

    random_init_seeded(&rnd, 1);
    srv_rank(NULL, 0, &rnd);
    srv_rank(&one, 1, &rnd);
    CHECK_SLICE(one.host, "a");
}

TESTS(TEST_OF(srv, lower_priority_comes_first_whatever_weight_or_kind),
      TEST_OF(srv, weights_share_the_first_place), TEST_OF(srv, zero_weight_is_rare_but_possible),
      TEST_OF(srv, all_zero_weights_share_evenly),
      TEST_OF(srv, follows_the_running_sums_of_rfc_2782),
      TEST_OF(srv, nothing_and_one_are_ranked_too))
