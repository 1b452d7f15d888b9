#include "unit/test.h"

#include "ctl/table.h"

#include <locale.h>

static void to_text(const struct table *t, char *buf, size_t size)
{
    FILE *out = fmemopen(buf, size, "w");

    table_print(t, out);
    fclose(out);
}

TEST(ctl_table, columns_are_as_wide_as_what_stands_in_them)
{
    static const char *const heads[] = {"NAME", ">N", "LAST"};
    static const char *const cells[] = {"a",
                                        "1",
                                        "x",
                                        "b\xc3\xbc"
                                        "cher",
                                        "1000",
                                        "",
                                        "\xe4\xbe\x8b\xe3\x81\x88",
                                        "22",
                                        NULL};
    char buf[512];
    struct table t;

    table_init(&t, heads, COUNT(heads));
    for (size_t i = 0; i < COUNT(cells); i++)
        table_add(&t, cells[i]);
    to_text(&t, buf, sizeof(buf));
    table_fini(&t);
    CHECK_STR(buf, "NAME       N  LAST\n"
                   "a          1  x\n"
                   "b\xc3\xbc"
                   "cher  1000  -\n"
                   "\xe4\xbe\x8b\xe3\x81\x88      22  -\n");
}

/* Names and error texts come from strangers; an operator's terminal must not obey them. */
TEST(ctl_table, nothing_moves_the_cursor_or_turns_the_writing)
{
    static const struct {
        const char *text, *clean;
    } cases[] = {
        {"plain \xc3\xa9", "plain \xc3\xa9"},
        {"\x1b[2Jgone", "?[2Jgone"},
        {"a\nb\tc\rd\x7f", "a?b?c?d?"},
        {"\xc2\x9b"
         "31m",
         "?31m"}, /* CSI of one character */
        {"\xe2\x80\xae"
         "moc",
         "?moc"}, /* right-to-left override */
        {"\xe2\x81\xa6"
         "x",
         "?x"}, /* isolate */
        {"cut \xc3", "cut ?"},
        {"\xff\xfe", "??"},
        {"\xed\xa0\x80", "???"}, /* a surrogate */
        {"", ""},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char *clean = text_clean(cases[i].text);

        CHECK_STR(clean, cases[i].clean);
        mem_free(clean);
    }
}

TEST(ctl_table, spans_and_sizes_are_short)
{
    static const struct {
        uint64_t n;
        const char *span, *size;
    } cases[] = {
        {0, "0ms", "0B"},
        {999, "999ms", "999B"},
        {1000, "1s", "1000B"},
        {1024, "1s", "1.0KiB"},
        {59999, "59s", "59KiB"},
        {61000, "1m1s", "60KiB"},
        {3600000, "1h0m", "3.4MiB"},
        {172800000, "2d0h", "165MiB"},
        {1099511627776, "12725d19h", "1.0TiB"},
    };
    char buf[24];

    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_STR(span_format(cases[i].n, buf, sizeof(buf)), cases[i].span);
        CHECK_STR(size_format(cases[i].n, buf, sizeof(buf)), cases[i].size);
    }
}

static int begin(void **state)
{
    return setlocale(LC_CTYPE, "C.UTF-8") ? 0 : -1;
}

TESTS_WITHIN(begin, NULL, TEST_OF(ctl_table, columns_are_as_wide_as_what_stands_in_them),
             TEST_OF(ctl_table, nothing_moves_the_cursor_or_turns_the_writing),
             TEST_OF(ctl_table, spans_and_sizes_are_short))
