#include "unit/test.h"

#include "base/tally.h"

static const uint64_t seed[2] = {1, 2};

static struct addr at(const char *text)
{
    struct addr a;

    CHECK_EQ(addr_parse_ip(slice_from(text), 5269, &a), OK);
    return a;
}

static bool take(struct tally *t, const char *text, size_t most)
{
    struct addr a = at(text);

    return tally_take(t, &a, most);
}

static void give(struct tally *t, const char *text)
{
    struct addr a = at(text);

    tally_give(t, &a);
}

/* What others hold counts as our own, as they last said it. */
TEST(tally, counts_what_others_hold)
{
    struct tally_row rows[3];
    struct tally there;
    struct tally t;
    size_t n;

    tally_init(&t, seed);
    tally_init(&there, seed);
    for (int i = 0; i < 3; i++)
        CHECK(take(&there, "192.0.2.1", 9));
    CHECK(take(&there, "2001:db8::1", 9));
    CHECK(take(&there, "2001:db8::2", 9));
    CHECK(take(&there, "192.0.2.9", 9));
    n = tally_crowds(&there, 1, rows, COUNT(rows));
    CHECK_EQ(n, 2); /* one is no crowd */
    CHECK_EQ(tally_crowds(&there, 1, rows, 1), 1);
    n = tally_crowds(&there, 1, rows, COUNT(rows));
    tally_hear(&t, SLICE("there"), rows, n);
    CHECK(take(&t, "192.0.2.1", 4));
    CHECK(!take(&t, "192.0.2.1", 4));
    CHECK(!take(&t, "2001:db8::77", 2)); /* the same customer */
    CHECK(take(&t, "192.0.2.9", 1));
    tally_hear(&t, SLICE("there"), rows, n); /* again: no more than before */
    CHECK(take(&t, "192.0.2.1", 5));
    tally_hear(&t, SLICE("there"), NULL, 0);
    CHECK(take(&t, "192.0.2.1", 3));
    tally_fini(&there);
    tally_fini(&t);
}

TEST(tally, bounds_each_address_by_itself)
{
    struct tally t;

    tally_init(&t, seed);
    CHECK(take(&t, "192.0.2.1", 2));
    CHECK(take(&t, "192.0.2.1", 2));
    CHECK(!take(&t, "192.0.2.1", 2));
    CHECK(take(&t, "192.0.2.2", 2));
    give(&t, "192.0.2.1");
    CHECK(take(&t, "192.0.2.1", 2));
    CHECK(!take(&t, "192.0.2.1", 2));
    CHECK(!take(&t, "192.0.2.3", 0));
    CHECK_EQ(tally_addresses(&t), 2);
    tally_fini(&t);
}

/* LIMIT-01: whoever has a /64 has all of it; a mapped address is the IPv4 address. */
TEST(tally, counts_networks_of_ipv6_and_knows_mapped_addresses)
{
    struct tally t;

    tally_init(&t, seed);
    CHECK(take(&t, "2001:db8::1", 2));
    CHECK(take(&t, "2001:db8:0:0:ffff::2", 2));
    CHECK(!take(&t, "2001:db8::3", 2));
    CHECK(take(&t, "2001:db8:0:1::1", 2));
    CHECK(take(&t, "192.0.2.1", 1));
    CHECK(!take(&t, "::ffff:192.0.2.1", 1));
    tally_fini(&t);
}

TEST(tally, nothing_is_kept_of_addresses_without_any)
{
    struct tally t;

    tally_init(&t, seed);
    CHECK(take(&t, "192.0.2.1", 9));
    CHECK(take(&t, "192.0.2.1", 9));
    give(&t, "192.0.2.1");
    CHECK_EQ(tally_addresses(&t), 1);
    give(&t, "192.0.2.1");
    give(&t, "192.0.2.1");
    CHECK_EQ(tally_addresses(&t), 0);
    tally_fini(&t);
}

TESTS(TEST_OF(tally, counts_what_others_hold), TEST_OF(tally, bounds_each_address_by_itself),
      TEST_OF(tally, counts_networks_of_ipv6_and_knows_mapped_addresses),
      TEST_OF(tally, nothing_is_kept_of_addresses_without_any))
