#include "unit/test.h"

#include "node/rowtext.h"

#include <jansson.h>

/* What a parser that we did not write makes of one text. */
static void check_text(struct slice text, const char *expected)
{
    struct byteq q;
    struct rowtext r;
    json_error_t error;
    json_t *o;

    byteq_init(&q);
    rowtext_begin(&r, &q);
    rowtext_slice(&r, "a", text);
    rowtext_end(&r);
    o = json_loadb(byteq_slice(&q).ptr, byteq_len(&q), 0, &error);
    CHECK_MSG(o, "%.*s: %s", SLICE_ARGS(byteq_slice(&q)), error.text);
    if (expected)
        CHECK_STR(json_string_value(json_object_get(o, "a")), expected);
    else
        CHECK(json_is_null(json_object_get(o, "a")));
    json_decref(o);
    byteq_fini(&q);
}

TEST(rowtext, every_text_reads_back)
{
    static const struct {
        const char *text, *read;
    } cases[] = {
        {"", ""},
        {"rooms.example", "rooms.example"},
        {"a\"b\\c/d", "a\"b\\c/d"},
        {"\x01\x1f\n\t\r", "\x01\x1f\n\t\r"},
        {"\"", "\""},
        {"b\xc3\xbc"
         "cher \xf0\x9f\x98\x80",
         "b\xc3\xbc"
         "cher \xf0\x9f\x98\x80"},
        {"\x7f", "\x7f"},
        {"bad \xc3", "bad ?"},
        {"\xff\"\xc3\xbc", "?\"??"}, /* then nothing of it is believed */
        {NULL, NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check_text(slice_from(cases[i].text), cases[i].read);
}

TEST(rowtext, every_byte_is_valid_json)
{
    for (unsigned c = 1; c < 256; c++) {
        char text[4] = {'x', (char)c, 'y', '\0'};
        char read[4] = {'x', c < 0x80 ? (char)c : '?', 'y', '\0'};

        check_text(slice_from(text), read);
    }
}

TEST(rowtext, nul_is_no_end)
{
    check_text(slice_make("a\0b", 3), "a?b");
    check_text(slice_make("\0", 1), "?");
}

TEST(rowtext, members_of_every_kind)
{
    struct byteq q;
    struct rowtext r;
    char date[DATE_TEXT_MAX];

    byteq_init(&q);
    rowtext_begin(&r, &q);
    rowtext_count(&r, "zero", 0);
    rowtext_count(&r, "most", UINT64_MAX);
    rowtext_number(&r, "link", 7);
    rowtext_number(&r, "none", 0);
    rowtext_flag(&r, "yes", true);
    rowtext_flag(&r, "no", false);
    rowtext_text(&r, "date", date_format(1769903999, date));
    rowtext_text(&r, "never", date_format(0, date));
    rowtext_end(&r);
    CHECK_SLICE(byteq_slice(&q),
                "{\"zero\":0,\"most\":18446744073709551615,\"link\":7,\"none\":null,\"yes\":true,"
                "\"no\":false,\"date\":\"2026-01-31T23:59:59Z\",\"never\":null}");
    byteq_fini(&q);
}

TESTS(TEST_OF(rowtext, every_text_reads_back), TEST_OF(rowtext, every_byte_is_valid_json),
      TEST_OF(rowtext, nul_is_no_end), TEST_OF(rowtext, members_of_every_kind))
