/* Which rule applies to a pair: first match, label by label, both domains. */
#include "route/policy.h"
#include "unit/test.h"

#include "base/mem.h"

#include <time.h>

#define RULES_MOST 10000

struct want {
    const char *match;
    const char *local; /* NULL: "*" */
};

static struct policy *policy_of(const struct want *wants, size_t n)
{
    struct policy_rule *rules = mem_array(n, sizeof(*rules));

    for (size_t i = 0; i < n; i++) {
        rules[i].match = mem_strdup(wants[i].match);
        rules[i].local = mem_strdup(wants[i].local ? wants[i].local : "*");
        rules[i].line = (unsigned)i + 100;
    }
    return policy_new(rules, n);
}

static unsigned found(const struct policy *p, const char *local, const char *remote)
{
    return policy_find(p, slice_from(local), slice_from(remote))->index;
}

TEST(policy, first_rule_that_fits_both_domains_wins)
{
    static const struct want rules[] = {
        {"*.spam.example", NULL},       {"*", "intern.example.org"}, {"partner.example", NULL},
        {"*.example", "*.example.org"}, {"*", "*.b.example.org"},    {"mail.partner.example", NULL},
    };
    static const struct {
        const char *local, *remote;
        unsigned index;
    } cases[] = {
        {"rooms.example.org", "a.spam.example", 0},
        {"rooms.example.org", "a.b.spam.example", 0},
        {"intern.example.org", "a.spam.example", 0}, /* the earlier of two that fit */
        {"rooms.example.net", "spam.example", 6},    /* "*." wants one label more */
        {"rooms.example.org", "spam.example", 3},
        {"rooms.example.org", "xspam.example", 3}, /* whole labels, not bytes */
        {"intern.example.org", "partner.example", 1},
        {"rooms.example.org", "partner.example", 2}, /* before the wider rule 3 */
        {"rooms.example.org", "mail.partner.example", 3},
        {"rooms.example.net", "mail.partner.example", 5},
        {"x.b.example.org", "jabber.test", 4},
        {"b.example.org", "jabber.test", 6},
        {"rooms.example.org", "example", 6}, /* a name of one label */
        {"rooms.example.org", "[2001:db8::1]", 6},
    };
    struct policy *p = policy_of(rules, COUNT(rules));

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(found(p, cases[i].local, cases[i].remote) == cases[i].index, "case %zu: rule %u",
                  i, found(p, cases[i].local, cases[i].remote));
    policy_unref(p);
}

TEST(policy, last_rule_is_built_in)
{
    struct policy *p = policy_new(NULL, 0);
    const struct policy_rule *r = policy_find(p, SLICE("a.example"), SLICE("b.example"));

    CHECK_EQ(policy_count(p), 1);
    CHECK(r == policy_rule_at(p, 0));
    CHECK_EQ(r->allow, ALLOW_BOTH);
    CHECK(r->tls_required);
    CHECK_EQ(r->method_count, 2);
    CHECK_EQ(r->methods[0], METHOD_PKIX);
    CHECK(policy_has_method(r, METHOD_DIALBACK));
    CHECK(!policy_has_method(r, METHOD_DANE));
    CHECK_EQ(r->line, 0);
    policy_unref(p);
}

TEST(policy, says_which_rule_hides_which)
{
    static const struct want rules[] = {
        {"a.example", "x.test"},
        {"*.example", "*.test"},
        {"b.example", "y.test"},
        {"*.b.example", "*.test"},
        {"b.example", NULL},
        {"b.example", NULL},
        {"example", NULL},
        {"*", "y.test"},
        {"c.test", "y.test"},
        {"*.c.test", "*.y.test"},
        {"*", NULL},
        {"z.test", "q.test"},
    };
    static const int by[] = {-1, -1, 1, 1, -1, 4, -1, -1, 7, -1, -1, 10, 10};
    struct policy *p = policy_of(rules, COUNT(rules));

    for (size_t i = 0; i < COUNT(by); i++) {
        size_t hider = 1000;
        bool hidden = policy_shadowed(p, i, &hider);

        CHECK_MSG(hidden == (by[i] >= 0) && (!hidden || hider == (size_t)by[i]),
                  "rule %zu: %d by %zu", i, hidden, hider);
    }
    policy_unref(p);
}

/* The slow way that needs no index: the definition. */
static bool fits(const char *domain, const char *pattern)
{
    size_t d = strlen(domain), p = strlen(pattern);

    if (!strcmp(pattern, "*"))
        return true;
    if (pattern[0] != '*')
        return !strcmp(domain, pattern);
    return d > p - 1 && !strcmp(domain + d - (p - 1), pattern + 1);
}

static unsigned dice(unsigned sides)
{
    static uint32_t state = 12345;

    state = state * 1664525u + 1013904223u;
    return (state >> 8) % sides;
}

/* Names and patterns of few labels, so that they meet often. */
static void random_name(char buf[32], bool pattern)
{
    unsigned labels = 1 + dice(3);

    buf[0] = '\0';
    if (pattern && dice(3) == 0)
        strcat(buf, dice(4) ? "*." : "*");
    if (buf[0] && !buf[1])
        return;
    for (unsigned i = 0; i < labels; i++) {
        char label[3] = {(char)('a' + dice(3)), i + 1 < labels ? '.' : '\0', '\0'};

        strcat(buf, label);
    }
}

/* `text`: room for both domains of each. */
static void random_rules(char (*text)[32], struct want *wants, size_t count)
{
    for (size_t i = 0; i < count; i++, text += 2) {
        random_name(text[0], true);
        random_name(text[1], true);
        wants[i] = (struct want){text[0], text[1]};
    }
}

TEST(policy, agrees_with_reading_the_list)
{
    enum { RULES = 60, ROUNDS = 50, PAIRS = 400 };
    char text[2 * RULES][32];
    struct want wants[RULES];

    for (int round = 0; round < ROUNDS; round++) {
        struct policy *p;

        random_rules(text, wants, RULES);
        p = policy_of(wants, RULES);
        for (int k = 0; k < PAIRS; k++) {
            char local[32], remote[32];
            unsigned want = 0;

            random_name(local, false);
            random_name(remote, false);
            while (want < RULES &&
                   !(fits(remote, wants[want].match) && fits(local, wants[want].local)))
                want++;
            CHECK_EQ(found(p, local, remote), want);
        }
        policy_unref(p);
    }
}

/* A hidden rule is never the answer; a rule that is not hidden answers for some pair: the one that
 * puts a fresh label in place of each star. */
TEST(policy, hidden_means_no_pair_reaches_it)
{
    enum { RULES = 40, ROUNDS = 100 };
    char text[2 * RULES][32];
    struct want wants[RULES];

    for (int round = 0; round < ROUNDS; round++) {
        struct policy *p;

        random_rules(text, wants, RULES);
        p = policy_of(wants, RULES);
        for (unsigned i = 0; i < RULES; i++) {
            char local[40], remote[40];
            size_t by;

            snprintf(remote, sizeof(remote), "%s%s", wants[i].match[0] == '*' ? "fresh" : "",
                     wants[i].match + (wants[i].match[0] == '*'));
            snprintf(local, sizeof(local), "%s%s", wants[i].local[0] == '*' ? "fresh" : "",
                     wants[i].local + (wants[i].local[0] == '*'));
            CHECK_EQ(found(p, local, remote) != i, policy_shadowed(p, i, &by));
        }
        policy_unref(p);
    }
}

/* CPU time of a look-up in a list of so many rules, one side being "*". */
static double cost_of_find(size_t rules, bool many_remote)
{
    enum { FINDS = 20000 };
    static char text[RULES_MOST][40];
    static struct want wants[RULES_MOST];
    char domain[64];
    struct policy *p;
    clock_t start;

    for (size_t i = 0; i < rules; i++) {
        snprintf(text[i], sizeof(text[i]), "%sd%zu.example", i % 2 ? "*." : "", i);
        wants[i] = many_remote ? (struct want){text[i], "*"} : (struct want){"*", text[i]};
    }
    p = policy_of(wants, rules);
    start = clock();
    for (size_t i = 0; i < FINDS; i++) {
        snprintf(domain, sizeof(domain), "a.d%zu.example", i % rules);
        found(p, many_remote ? "x.test" : domain, many_remote ? domain : "x.test");
    }
    policy_unref(p);
    return (double)(clock() - start) / FINDS;
}

/* Any shape of a long list: one remote pattern with many local ones is as quick as the reverse, and
 * a hundred times as many cost about the same. Reading through them would cost a hundred times. */
TEST(policy, ten_thousand_rules_are_quick)
{
    for (int shape = 0; shape < 2; shape++) {
        double few = cost_of_find(RULES_MOST / 100, shape), many = cost_of_find(RULES_MOST, shape);

        printf("shape %d: %.2f and %.2f us a look-up\n", shape, few, many);
        CHECK(many < 20 * few);
    }
}

TEST(policy, longest_domain_of_shortest_labels)
{
    static const struct want rules[] = {{"*.example", "*.example"}, {"b", "c"}};
    struct policy *p = policy_of(rules, COUNT(rules));
    char text[DOMAIN_BYTES_MAX + 1];

    for (size_t i = 0; i < sizeof(text); i++)
        text[i] = i % 2 ? '.' : 'a';
    text[DOMAIN_BYTES_MAX] = '\0';
    CHECK_EQ(found(p, text, text), 2);
    policy_unref(p);
}

TEST(policy, counted)
{
    struct policy *p = policy_new(NULL, 0);

    CHECK(policy_ref(p) == p);
    policy_unref(p);
    CHECK_EQ(policy_count(p), 1);
    policy_unref(p);
    policy_unref(NULL);
}

TESTS(TEST_OF(policy, first_rule_that_fits_both_domains_wins),
      TEST_OF(policy, last_rule_is_built_in), TEST_OF(policy, says_which_rule_hides_which),
      TEST_OF(policy, agrees_with_reading_the_list),
      TEST_OF(policy, hidden_means_no_pair_reaches_it),
      TEST_OF(policy, ten_thousand_rules_are_quick),
      TEST_OF(policy, longest_domain_of_shortest_labels), TEST_OF(policy, counted))
