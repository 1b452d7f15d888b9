/* What a configuration costs to read: in proportion to its size, however it is made. */
#include "conf_world.h"

#include <time.h>

static char *many_rules(int n)
{
    char *text;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    fputs(CERT "components:\n", out);
    for (int i = 0; i < n; i++)
        fprintf(out, "  - { domain: c%d.example.org, secret_file: rooms.secret }\n", i);
    fputs("peers:\n", out);
    for (int i = 0; i < n; i++)
        fprintf(out, "  - { match: \"%sp%d.example\", local: c%d.example.org, auth: [pkix] }\n",
                i % 2 ? "*." : "", i, i);
    fclose(out);
    return text;
}

/* CPU seconds that it takes to read so many rules and components, print them, and read that. */
static double cost_of_rules(int n)
{
    char *text = many_rules(n), *again;
    clock_t start = clock();
    struct conf *c = parsed(text), *d;

    CHECK_EQ(policy_count(c->policy), (size_t)n + 1);
    again = printed(c);
    d = parsed(again);
    CHECK_EQ(policy_count(d->policy), (size_t)n + 1);
    CHECK_EQ(d->component_count, (size_t)n);
    free(text);
    free(again);
    conf_unref(c);
    conf_unref(d);
    return (double)(clock() - start) / CLOCKS_PER_SEC;
}

/* Ten times as many cost about ten times as much, not a hundred times. */
TEST(conf, ten_thousand_rules_and_components_are_quick)
{
    double few = cost_of_rules(1000), many = cost_of_rules(10000);

    printf("1000: %.0f ms, 10000: %.0f ms\n", few * 1000, many * 1000);
    CHECK(many < 40 * few);
}

static char *repeated(const char *head, const char *piece, size_t times)
{
    size_t at = strlen(head), step = strlen(piece);
    char *text = malloc(at + step * times + 1);

    strcpy(text, head);
    for (size_t i = 0; i < times; i++, at += step)
        memcpy(text + at, piece, step + 1);
    return text;
}

/* CPU seconds. */
static double cost_of_text(const char *head, const char *piece, size_t times, const char *expected)
{
    char *text = repeated(head, piece, times), *said;
    struct conf_source source = world_source(text);
    clock_t start = clock();
    double cost;
    struct conf *c;
    size_t errors;

    said = parse_said(&source, &errors, &c);
    cost = (double)(clock() - start) / CLOCKS_PER_SEC;
    CHECK_MSG(!expected || strstr(said, expected), "%.500s", said);
    CHECK(strlen(said) < 1000000);
    free(said);
    free(text);
    conf_unref(c);
    return cost;
}

TEST(conf, costs_no_more_than_reading)
{
    static const struct {
        const char *head, *piece;
        size_t times;
        const char *said;
    } cases[] = {
        {"a: ", "[", 100000, "nested too deeply"},
        {"a: [", "x, ", 1100000, "too many values"},
        {"", "a: b\n", 100000, " more\n"},
        {"log: { ", "? ", 200000, "not YAML"},
        {"peers: [ ", "{ x: y }, ", 50000, "not YAML"},
        {"peers:\n", "- { match: y }\n", 50000, " more\n"}, /* each hides the next */
        {"a: \"", "x", 15000000, "not YAML"},
        {"", "#\n", 9000000, "too large: at most 16MiB; shorten it"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        double part = cost_of_text(cases[i].head, cases[i].piece, cases[i].times / 4, NULL);
        double whole = cost_of_text(cases[i].head, cases[i].piece, cases[i].times, cases[i].said);

        printf("case %zu: %.0f ms, %.0f ms\n", i, part * 1000, whole * 1000);
        CHECK(whole < 12 * part + 0.2); /* four times as much text: not sixteen times the cost */
    }
}

TESTS(TEST_OF(conf, ten_thousand_rules_and_components_are_quick),
      TEST_OF(conf, costs_no_more_than_reading))
