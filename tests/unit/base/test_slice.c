/* base/slice */
#include "unit/test.h"

TEST(slice, compares_by_bytes)
{
    CHECK(slice_eq(SLICE("a\0b"), SLICE("a\0b")));
    CHECK(!slice_eq(SLICE("a\0b"), SLICE("a\0c")));
    CHECK(!slice_eq(SLICE("a"), SLICE("ab")));
    CHECK(slice_eq(slice_none(), SLICE("")));
    CHECK(slice_is(slice_none(), ""));
    CHECK(slice_from(NULL).len == 0);
    CHECK(slice_compare(SLICE("a"), SLICE("b")) < 0);
    CHECK(slice_compare(SLICE("b"), SLICE("a")) > 0);
    CHECK(slice_compare(SLICE("a"), SLICE("ab")) < 0);
    CHECK(slice_compare(SLICE("ab"), SLICE("a")) > 0);
    CHECK(slice_compare(SLICE("ab"), SLICE("ab")) == 0);
    CHECK(slice_compare(SLICE("\x80"), SLICE("a")) > 0); /* unsigned */
    CHECK(slice_compare(slice_none(), slice_none()) == 0);
}

TEST(slice, folds_only_ascii_case)
{
    CHECK(slice_eq_nocase(SLICE("aZ-9"), SLICE("Az-9")));
    CHECK(!slice_eq_nocase(SLICE("@"), SLICE("`"))); /* next to A and a */
    CHECK(!slice_eq_nocase(SLICE("["), SLICE("{")));
    CHECK(!slice_eq_nocase(SLICE("\xC3\x9C"), SLICE("\xC3\xBC")));
    CHECK(!slice_eq_nocase(SLICE("a"), SLICE("ab")));
}

TEST(slice, starts_and_ends)
{
    CHECK(slice_starts(SLICE("abc"), SLICE("ab")));
    CHECK(slice_starts(SLICE("abc"), SLICE("")));
    CHECK(!slice_starts(SLICE("ab"), SLICE("abc")));
    CHECK(!slice_starts(SLICE("abc"), SLICE("bc")));
    CHECK(slice_ends(SLICE("abc"), SLICE("bc")));
    CHECK(slice_ends(slice_none(), slice_none()));
    CHECK(!slice_ends(SLICE("bc"), SLICE("abc")));
    CHECK(!slice_ends(SLICE("abc"), SLICE("ab")));
}

TEST(slice, parts_stay_inside)
{
    struct slice s = SLICE("abcdef");

    CHECK_SLICE(slice_sub(s, 1, 2), "bc");
    CHECK_SLICE(slice_sub(s, 4, 9), "ef");
    CHECK_SLICE(slice_sub(s, 4, SIZE_MAX), "ef");
    CHECK_SLICE(slice_sub(s, 9, 1), "");
    CHECK(slice_sub(s, 9, 1).ptr == s.ptr + 6);
    CHECK_SLICE(slice_from_offset(s, 5), "f");
    CHECK_SLICE(slice_from_offset(s, 7), "");
    CHECK(slice_sub(slice_none(), 0, 5).ptr == NULL);
}

TEST(slice, finds_bytes)
{
    CHECK_EQ(slice_find(SLICE("abcb"), 'b'), 1);
    CHECK_EQ(slice_find(SLICE("abc"), 'x'), 3);
    CHECK_EQ(slice_find(SLICE("a\0b"), '\0'), 1);
    CHECK_EQ(slice_find(slice_none(), 'x'), 0);
}

TEST(slice, trims_xml_white_space)
{
    CHECK_SLICE(slice_trim(SLICE(" \t\r\na b\n ")), "a b");
    CHECK_SLICE(slice_trim(SLICE(" \n")), "");
    CHECK_SLICE(slice_trim(SLICE("\va\f")), "\va\f"); /* no white space of XML */
    CHECK_SLICE(slice_trim(slice_none()), "");
}

TEST(slice, reads_plain_decimals)
{
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "0x1",
                                      "1a",
                                      "\xB2",
                                      "18446744073709551616",
                                      "99999999999999999999"};
    uint64_t v = 7;

    CHECK(slice_to_u64(SLICE("0"), UINT64_MAX, &v) && v == 0);
    CHECK(slice_to_u64(SLICE("007"), UINT64_MAX, &v) && v == 7);
    CHECK(slice_to_u64(SLICE("18446744073709551615"), UINT64_MAX, &v) && v == UINT64_MAX);
    CHECK(slice_to_u64(SLICE("65535"), 65535, &v) && v == 65535);
    CHECK(!slice_to_u64(SLICE("65536"), 65535, &v) && v == 65535);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_MSG(!slice_to_u64(slice_from(bad[i]), UINT64_MAX, &v), "%s", bad[i]);
}

TEST(slice, becomes_a_c_string_whole_or_not_at_all)
{
    char buf[4] = "xyz";

    CHECK(slice_to_cstr(SLICE("abc"), buf, sizeof(buf)));
    CHECK_STR(buf, "abc");
    CHECK(!slice_to_cstr(SLICE("abcd"), buf, sizeof(buf)));
    CHECK_STR(buf, "");
    CHECK(!slice_to_cstr(SLICE("a\0b"), buf, sizeof(buf)));
    CHECK_STR(buf, "");
    CHECK(slice_to_cstr(slice_none(), buf, sizeof(buf)));
    CHECK(!slice_to_cstr(slice_none(), buf, 0));
}

/* XML-07: Unicode 15 table 3-7, its borders one by one */
TEST(slice, knows_utf8)
{
    static const char *const good[] = {
        "",
        "\x7F",
        "\xC2\x80",
        "\xDF\xBF",
        "\xE0\xA0\x80",
        "\xEC\xBF\xBF",
        "\xED\x80\x80",
        "\xED\x9F\xBF",
        "\xEE\x80\x80",
        "\xEF\xBF\xBF",
        "\xF0\x90\x80\x80",
        "\xF3\xBF\xBF\xBF",
        "\xF4\x8F\xBF\xBF",
        "a\xC3\xBC\xE2\x98\x83\xF0\x9F\x98\x80z",
    };
    static const char *const bad[] = {
        "\x80",
        "\xBF",
        "\xC0\x80",
        "\xC1\xBF",
        "\xC2",
        "\xC2\x7F",
        "\xC2\xC0",
        "\xE0\x9F\xBF",
        "\xE0\xA0",
        "\xE1\x80\x7F",
        "\xE1\x80\xC0",
        "\xED\xA0\x80",
        "\xED\xBF\xBF",
        "\xF0\x8F\xBF\xBF",
        "\xF0\x90\x80",
        "\xF0\x90\x80\x7F",
        "\xF4\x90\x80\x80",
        "\xF5\x80\x80\x80",
        "\xF8\x88\x80\x80\x80",
        "\xFE",
        "\xFF",
        "ab\x80",
        "\xE2\x98\x83\x83",
    };

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        CHECK_MSG(slice_is_utf8(slice_from(good[i])), "good %zu", i);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        CHECK_MSG(!slice_is_utf8(slice_from(bad[i])), "bad %zu", i);
    CHECK_EQ(slice_utf8_first(SLICE("\xC3\xBC\x80")), 2);
    CHECK_EQ(slice_utf8_first(SLICE("\xF0\x9F\x98\x80")), 4);
    CHECK_EQ(slice_utf8_first(slice_none()), 0);
}

TEST(slice, knows_what_moves_a_cursor)
{
    static const char *const controls[] = {
        "\x01",     "\n",     "\x1B",   "\x1F",   "\x7F",   "\xC2\x80", "\xC2\x9B",
        "\xC2\x9F", "\u2028", "\u2029", "\u202A", "\u202E", "\u2066",   "\u2069",
    };
    static const char *const others[] = {
        " ",      "a",      "~",      "\u00A0", "\u00FC", "\u0180",
        "\u2027", "\u202F", "\u2065", "\u206A", "\u20A8", "\U0001F600",
    };

    for (size_t i = 0; i < sizeof(controls) / sizeof(controls[0]); i++)
        CHECK_MSG(slice_is_control(slice_from(controls[i])), "control %zu", i);
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        CHECK_MSG(!slice_is_control(slice_from(others[i])), "other %zu", i);
    CHECK(slice_is_control(SLICE("\0")));
    CHECK(!slice_is_control(slice_none()));
}

TESTS(TEST_OF(slice, compares_by_bytes), TEST_OF(slice, folds_only_ascii_case),
      TEST_OF(slice, starts_and_ends), TEST_OF(slice, parts_stay_inside),
      TEST_OF(slice, finds_bytes), TEST_OF(slice, trims_xml_white_space),
      TEST_OF(slice, reads_plain_decimals), TEST_OF(slice, becomes_a_c_string_whole_or_not_at_all),
      TEST_OF(slice, knows_utf8), TEST_OF(slice, knows_what_moves_a_cursor))
