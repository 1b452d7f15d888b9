/* wire/resp: commands formatted, replies read, limits kept. */
#include "unit/test.h"
#include "wire/resp.h"

static struct resp_reader *reader;

static void reader_begin(void)
{
    resp_reader_free(reader);
    reader = resp_reader_new();
}

/* Fed byte by byte: every beginning asks for more. The last byte's answer is given. */
static enum err read_slowly(struct slice bytes, const struct resp **ret)
{
    enum err e = ERR_AGAIN;

    reader_begin();
    for (size_t i = 0; i < bytes.len && e == ERR_AGAIN; i++) {
        CHECK_EQ(resp_feed(reader, slice_sub(bytes, i, 1)), OK);
        e = resp_next(reader, ret);
        CHECK(e != OK || i + 1 == bytes.len);
    }
    return e;
}

static const struct resp *read_one(const char *bytes)
{
    const struct resp *reply = NULL;

    CHECK_EQ(read_slowly(slice_from(bytes), &reply), OK);
    return reply;
}

TEST(resp, formats_words_of_any_bytes)
{
    static const struct slice words[] = {{"GET", 3}, {NULL, 0}, {"a\0\r\n", 4}};
    struct byteq out;

    byteq_init(&out);
    byteq_append(&out, SLICE("x"));
    resp_format(&out, words, COUNT(words));
    CHECK(slice_eq(byteq_slice(&out), SLICE("x*3\r\n$3\r\nGET\r\n$0\r\n\r\n$4\r\na\0\r\n\r\n")));
    byteq_fini(&out);
}

TEST(resp, reads_each_kind)
{
    const struct resp *r = read_one("+OK\r\n");
    uint64_t n;

    CHECK_EQ(r->kind, RESP_STATUS);
    CHECK_SLICE(r->text, "OK");
    r = read_one("-NOSCRIPT No matching script.\r\n");
    CHECK_EQ(r->kind, RESP_ERROR);
    CHECK_SLICE(resp_error_word(r), "NOSCRIPT");
    r = read_one(":42\r\n");
    CHECK_EQ(r->kind, RESP_INTEGER);
    CHECK(resp_to_u64(r, 42, &n) && n == 42);
    CHECK(!resp_to_u64(r, 41, &n));
    CHECK(!resp_to_u64(read_one(":-1\r\n"), UINT64_MAX, &n));
    r = read_one("$20\r\n18446744073709551615\r\n");
    CHECK_EQ(r->kind, RESP_STRING);
    CHECK(resp_to_u64(r, UINT64_MAX, &n) && n == UINT64_MAX);
    CHECK(!resp_to_u64(read_one("$2\r\n-1\r\n"), UINT64_MAX, &n));
    CHECK_EQ(read_one("$-1\r\n")->kind, RESP_NIL);
    CHECK_EQ(read_one("*-1\r\n")->kind, RESP_NIL);
    CHECK_EQ(read_one("*0\r\n")->count, 0);
}

TEST(resp, reads_nested_arrays)
{
    const struct resp *r = read_one("*4\r\n:1\r\n*2\r\n$1\r\na\r\n$-1\r\n+b\r\n-E x\r\n");
    struct slice text;
    uint64_t n;

    CHECK_EQ(r->count, 4);
    CHECK(resp_u64_at(r, 0, &n) && n == 1);
    CHECK(!resp_text_at(r, 0, &text));
    CHECK_EQ(r->items[1].count, 2);
    CHECK(resp_text_at(&r->items[1], 0, &text));
    CHECK_SLICE(text, "a");
    CHECK(!resp_text_at(&r->items[1], 1, &text));
    CHECK(resp_text_at(r, 2, &text));
    CHECK_SLICE(text, "b");
    CHECK(!resp_text_at(r, 3, &text)); /* an error is no answer */
    CHECK(!resp_text_at(r, 4, &text));
    CHECK(!resp_u64_at(&r->items[0], 0, &n));
}

TEST(resp, replies_of_one_read_come_one_by_one)
{
    const struct resp *r;

    reader_begin();
    CHECK_EQ(resp_feed(reader, SLICE("+a\r\n*1\r\n+b\r\n$1\r\n")), OK);
    CHECK_EQ(resp_next(reader, &r), OK);
    CHECK_SLICE(r->text, "a");
    CHECK_EQ(resp_next(reader, &r), OK);
    CHECK_SLICE(r->items[0].text, "b");
    CHECK_EQ(resp_next(reader, &r), ERR_AGAIN);
    CHECK_EQ(resp_feed(reader, SLICE("c\r\n")), OK);
    CHECK_EQ(resp_next(reader, &r), OK);
    CHECK_SLICE(r->text, "c");
}

TEST(resp, refuses_what_is_no_reply)
{
    static const char *const cases[] = {
        "HTTP/1.1 400 Bad Request\r\n", /* something else listens there */
        "\r\n",
        "*2\r\n+a\r\n?\r\n",
        "%1\r\n+a\r\n+b\r\n", /* version 3 was not asked for */
        "$-2\r\n",
        "*-2\r\n",
    };
    const struct resp *r;

    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_EQ(read_slowly(slice_from(cases[i]), &r), ERR_SYNTAX);
        CHECK(*resp_reader_error(reader));
        CHECK_EQ(resp_feed(reader, SLICE("+OK\r\n")), ERR_SYNTAX); /* for good */
        CHECK_EQ(resp_next(reader, &r), ERR_SYNTAX);
    }
}

/* What a hostile server names is not what it gets: no memory is set aside for it. */
TEST(resp, keeps_its_limits)
{
    static const char *const cases[] = {
        "*16384\r\n",
        "*1000000000\r\n",
        "*2147483647\r\n",
        "*2\r\n*9000\r\n",
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n",
    };
    const struct resp *r;
    char text[64] = "*2\r\n*8000\r\n";

    for (size_t i = 0; i < COUNT(cases); i++) {
        enum err e = read_slowly(slice_from(cases[i]), &r);

        CHECK(e == ERR_LIMIT || (i == 3 && e == ERR_AGAIN));
    }
    reader_begin(); /* the sum counts: 2 + 8000 + 8000 and the outermost one fit, no more */
    CHECK_EQ(resp_feed(reader, slice_from(text)), OK);
    for (int i = 0; i < 8000; i++)
        CHECK_EQ(resp_feed(reader, SLICE(":1\r\n")), OK);
    CHECK_EQ(resp_feed(reader, SLICE("*8382\r\n")), OK);
    CHECK_EQ(resp_next(reader, &r), ERR_LIMIT);
    CHECK_EQ(read_slowly(SLICE("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), &r), OK);
}

TEST(resp, bounds_the_bytes_of_one_reply)
{
    static char filler[65536];
    const struct resp *r;
    enum err e = OK;
    size_t fed = 0;

    memset(filler, 'x', sizeof(filler));
    reader_begin();
    CHECK_EQ(resp_feed(reader, SLICE("$1000000000\r\n")), OK);
    for (; !e && fed < 64 * sizeof(filler); fed += sizeof(filler)) {
        e = resp_feed(reader, slice_make(filler, sizeof(filler)));
        if (!e) {
            e = resp_next(reader, &r);
            CHECK(e == ERR_AGAIN || e == ERR_LIMIT);
            e = e == ERR_AGAIN ? OK : e;
        }
    }
    CHECK_EQ(e, ERR_LIMIT);
    CHECK(fed <= RESP_BYTES_MAX + 2 * sizeof(filler));
    reader_begin(); /* short replies without end are none of that */
    for (fed = 0; fed < 4 * RESP_BYTES_MAX; fed += 5) {
        CHECK_EQ(resp_feed(reader, SLICE("+OK\r\n")), OK);
        CHECK_EQ(resp_next(reader, &r), OK);
    }
}

TESTS(TEST_OF(resp, formats_words_of_any_bytes), TEST_OF(resp, reads_each_kind),
      TEST_OF(resp, reads_nested_arrays), TEST_OF(resp, replies_of_one_read_come_one_by_one),
      TEST_OF(resp, refuses_what_is_no_reply), TEST_OF(resp, keeps_its_limits),
      TEST_OF(resp, bounds_the_bytes_of_one_reply))
