/* base/encode */
#include "unit/test.h"

#include "base/encode.h"
#include "base/random.h"

TEST(encode, hex_is_lower_case)
{
    char out[9];

    hex_format("\x00\x9f\xA0\xff", 4, out);
    CHECK_STR(out, "009fa0ff");
    hex_format(NULL, 0, out);
    CHECK_STR(out, "");
}

/* RFC 4648 10 */
static const char *const vectors[][2] = {
    {"", ""},
    {"f", "Zg=="},
    {"fo", "Zm8="},
    {"foo", "Zm9v"},
    {"foob", "Zm9vYg=="},
    {"fooba", "Zm9vYmE="},
    {"foobar", "Zm9vYmFy"},
    {"\xFB\xEF\xBE\xFF\xFF\xFF", "++++////"},
};

TEST(encode, base64_vectors)
{
    char out[32];
    size_t len;

    for (size_t i = 0; i < COUNT(vectors); i++) {
        const char *plain = vectors[i][0];

        CHECK_EQ(base64_format(plain, strlen(plain), out), strlen(vectors[i][1]));
        CHECK_STR(out, vectors[i][1]);
        CHECK_EQ(BASE64_LEN(strlen(plain)), strlen(out));
        CHECK_EQ(base64_parse(slice_from(vectors[i][1]), out, strlen(plain), &len), OK);
        CHECK(slice_eq(slice_make(out, len), slice_from(plain)));
    }
}

/* SASL-09: RFC 6120 13.9.1 */
TEST(encode, base64_is_strict)
{
    static const char *const bad[] = {
        "=AAA", "BBBB=CCC", "BBBB=CCC=", "Zg",         "Zg=",   "Z===", "A===", "====", "=",
        "==",   "Zg==Zg==", "Zm9v\n",    "Zm\n9v",     " Zm9v", "Zm9-", "Zm9_", "Zm9.", "Zh==",
        "Zm9=", "Zm9v====", "Z=g=",      "\xC3\xBCZg", "Zm9v=", "Zg=A", "=Zg=",
    };
    char out[32];
    size_t len;

    for (size_t i = 0; i < COUNT(bad); i++)
        CHECK_MSG(base64_parse(slice_from(bad[i]), out, sizeof(out), &len) == ERR_SYNTAX, "%s",
                  bad[i]);
    CHECK_EQ(base64_parse(SLICE("Zm\0v"), out, sizeof(out), &len), ERR_SYNTAX);
}

TEST(encode, base64_fits_or_says_so)
{
    char out[4] = "xxx";
    size_t len = 9;

    CHECK_EQ(base64_parse(SLICE("Zm9v"), out, 2, &len), ERR_LIMIT);
    CHECK_EQ(len, 9);
    CHECK_EQ(out[2], 'x'); /* not a byte too many */
    CHECK_EQ(base64_parse(SLICE("Zm9v"), out, 3, &len), OK);
    CHECK_EQ(base64_parse(SLICE("Zm8="), out, 1, &len), ERR_LIMIT);
    CHECK_EQ(base64_parse(SLICE("Zm9vZm9v!!!!"), out, 2, &len), ERR_SYNTAX); /* noise is noise */
}

TEST(encode, base64_there_and_back)
{
    unsigned char data[64];
    unsigned char back[64];
    char text[BASE64_LEN(64) + 1];
    struct random rnd;

    random_init_seeded(&rnd, 3);
    for (size_t n = 0; n <= sizeof(data); n++) {
        size_t len;

        random_fill(&rnd, data, n);
        base64_format(data, n, text);
        CHECK_EQ(base64_parse(slice_from(text), back, n, &len), OK);
        CHECK_EQ(len, n);
        CHECK(memcmp(data, back, n) == 0);
    }
}

TESTS(TEST_OF(encode, hex_is_lower_case), TEST_OF(encode, base64_vectors),
      TEST_OF(encode, base64_is_strict), TEST_OF(encode, base64_fits_or_says_so),
      TEST_OF(encode, base64_there_and_back))
