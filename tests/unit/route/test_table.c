#include "route/table.h"
#include "unit/route/stanzas.h"
#include "unit/test.h"

static const uint64_t seed[2] = {1, 2};
static const struct outq_limits limits = {100, 1 << 20, 60000, 2000, true};

static void kick(struct outq *q)
{
    (void)q;
}

static const struct outq_ops held_ops = {kick, NULL};

static void configure(struct table *t, const char *const *patterns, size_t n)
{
    struct table_rule rules[8];

    for (size_t i = 0; i < n; i++)
        rules[i] =
            (struct table_rule){slice_from(patterns[i]), CONNECTIONS_SHARE, BALANCE_TO, 5000};
    table_configure(t, rules, n, 0);
}

/* ROUTE-04; label-wise, the longest match wins, an exact name before any wildcard. */
TEST(table, finds_the_closest_entry)
{
    static const char *const patterns[] = {"example", "*.example", "*.gw.example", "x.gw.example"};
    static const struct {
        const char *domain;
        const char *pattern;
    } cases[] = {
        {"example", "example"},           {"a.example", "*.example"},
        {"gw.example", "*.example"},      {"a.b.example", "*.example"},
        {"a.gw.example", "*.gw.example"}, {"b.a.gw.example", "*.gw.example"},
        {"x.gw.example", "x.gw.example"}, {"y.x.gw.example", "*.gw.example"},
        {"xgw.example", "*.example"},     {"other", NULL},
        {"example.other", NULL},          {"", NULL},
    };
    struct table t;

    table_init(&t, seed, &held_ops, &limits);
    configure(&t, patterns, COUNT(patterns));
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct table_entry *e = table_find(&t, slice_from(cases[i].domain));

        CHECK_MSG(!e == !cases[i].pattern, "%s", cases[i].domain);
        if (e)
            CHECK_STR(e->pattern, cases[i].pattern);
    }
    configure(&t, patterns, 1); /* a reload takes the wildcards away */
    CHECK(table_find(&t, SLICE("example")));
    CHECK(!table_find(&t, SLICE("a.example")));
    table_fini(&t);
}

static void join(struct table *t, uint64_t id)
{
    table_join(t, SLICE("s.example"), &(struct table_place){.id = id, .mark = id});
}

TEST(table, spreads_keys_and_moves_few_when_one_leaves)
{
    static const char *const patterns[] = {"s.example"};
    struct table t;
    struct table_entry *e;
    uint64_t before[1000];
    int count[5] = {0};
    int moved = 0;

    table_init(&t, seed, &held_ops, &limits);
    configure(&t, patterns, 1);
    e = table_find(&t, SLICE("s.example"));
    for (uint64_t id = 1; id <= 4; id++)
        join(&t, id);
    for (int i = 0; i < 1000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "u%d", i);
        before[i] = table_choose(e, slice_from(key))->id;
        count[before[i]]++;
    }
    for (int id = 1; id <= 4; id++)
        CHECK(count[id] > 150 && count[id] < 350);
    table_leave(&t, 4, 0);
    for (int i = 0; i < 1000; i++) {
        char key[16];

        snprintf(key, sizeof(key), "u%d", i);
        if (before[i] != 4)
            moved += table_choose(e, slice_from(key))->id != before[i];
    }
    CHECK_EQ(moved, 0);
    table_fini(&t);
}

TEST(table, holds_moving_keys_until_the_old_instance_is_settled)
{
    static const char *const patterns[] = {"s.example"};
    struct table t;
    struct table_entry *e;
    struct stanza given[4] = {0};
    int held = 0;

    table_init(&t, seed, &held_ops, &limits);
    configure(&t, patterns, 1);
    e = table_find(&t, SLICE("s.example"));
    join(&t, 1);
    for (int i = 0; i < 3; i++)
        table_give(table_instance(&t, 1), &given[i]);
    join(&t, 2);
    CHECK(!table_settled(e));
    for (int i = 0; i < 100; i++) {
        char key[16];
        struct table_instance *chosen;

        snprintf(key, sizeof(key), "u%d", i);
        chosen = table_choose(e, slice_from(key));
        held += chosen == NULL;
        CHECK(!chosen || chosen->id == 1);
    }
    CHECK(held > 20 && held < 80);
    table_give(table_instance(&t, 1), &given[3]); /* later ones count for nothing */
    for (int i = 3; i >= 0; i--) {
        CHECK(!table_settled(e));
        table_take(table_instance(&t, 1), &given[i]);
    }
    CHECK(table_settled(e));
    table_settle(e);
    held = 0;
    for (int i = 0; i < 100; i++) {
        char key[16];

        snprintf(key, sizeof(key), "u%d", i);
        held += table_choose(e, slice_from(key))->id == 2;
    }
    CHECK(held > 20 && held < 80);
    table_fini(&t);
}

TEST(table, is_absent_only_after_its_grace)
{
    static const char *const patterns[] = {"s.example"};
    struct table t;
    struct table_entry *e;

    table_init(&t, seed, &held_ops, &limits);
    configure(&t, patterns, 1);
    e = table_find(&t, SLICE("s.example"));
    CHECK(!table_absent(e, 4999)); /* it may be starting beside us */
    CHECK(table_absent(e, 5000));
    join(&t, 1);
    CHECK(!table_absent(e, 99999));
    table_leave(&t, 1, 100000);
    CHECK(!table_absent(e, 104999));
    CHECK(table_absent(e, 105000));
    table_fini(&t);
}

TESTS(TEST_OF(table, finds_the_closest_entry),
      TEST_OF(table, spreads_keys_and_moves_few_when_one_leaves),
      TEST_OF(table, holds_moving_keys_until_the_old_instance_is_settled),
      TEST_OF(table, is_absent_only_after_its_grace))
