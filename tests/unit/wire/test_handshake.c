/* wire/handshake: XEP-0114 3. */
#include "unit/test.h"
#include "wire/digest.h"
#include "wire/handshake.h"
#include "wire/ns.h"

static struct element with_text(const char *text)
{
    return (struct element){
        .ns = SLICE(NS_COMPONENT), .name = SLICE("handshake"), .text = slice_from(text)};
}

static bool fits(const char *text, const char *id, const char *secret)
{
    struct element e = with_text(text);

    return handshake_fits(&e, slice_from(id), slice_from(secret));
}

/* COMP-04: the example of XEP-0114 3; its secret is "test" */
TEST(handshake, published_key)
{
    char key[41];

    handshake_key(SLICE("3BF96D32"), SLICE("test"), key);
    CHECK_STR(key, "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e");
    CHECK(fits(key, "3BF96D32", "test"));
    CHECK(!fits(key, "3BF96D33", "test"));
    CHECK(!fits(key, "3BF96D32", "Test"));
}

/* COMP-04: the bytes of UTF-8 count */
TEST(handshake, secrets_beyond_ascii)
{
    char key[41];

    handshake_key(SLICE("id"), SLICE("gehe\xC3\xAFm"), key);
    CHECK_STR(key, "8f6764e7bfcb11e207292fa5f11ee97c71318568");
    CHECK(fits(key, "id", "gehe\xC3\xAFm"));
    CHECK(!fits(key, "id", "gehe\xEFm"));
}

TEST(handshake, text_is_trimmed_and_either_case)
{
    CHECK(fits("\n  AAEE83C26AEEAFCBABEABFCBCD50DF997E0A2A1E\t", "3BF96D32", "test"));
    CHECK(!fits("AAEE83C26AEEAFCBABEABFCBCD50 DF997E0A2A1", "3BF96D32", "test"));
    CHECK(!fits("", "3BF96D32", "test"));
    CHECK(!fits("aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e0", "3BF96D32", "test"));
    CHECK(!fits("aaee83c26aeeafcbabeabfcbcd50df997e0a2a1", "3BF96D32", "test"));
}

/* COMP-05 */
TEST(handshake, mismatch_at_any_byte)
{
    char key[41];

    for (size_t i = 0; i < 40; i++) {
        handshake_key(SLICE("id"), SLICE("secret"), key);
        key[i] = key[i] == '0' ? '1' : '0';
        CHECK(!fits(key, "id", "secret"));
    }
}

/* COMP-05: anybody could compute the key of no secret */
TEST(handshake, an_empty_secret_fits_nothing)
{
    char key[41];

    handshake_key(SLICE("id"), slice_none(), key);
    CHECK(!fits(key, "id", ""));
}

TEST(handshake, is_told_by_name_and_namespace)
{
    struct element e = with_text("");

    CHECK(handshake_is(&e));
    e.name = SLICE("handshakes");
    CHECK(!handshake_is(&e));
    e.name = SLICE("handshake");
    e.ns = SLICE("jabber:server");
    CHECK(!handshake_is(&e));
}

TESTS(TEST_OF(handshake, published_key), TEST_OF(handshake, secrets_beyond_ascii),
      TEST_OF(handshake, text_is_trimmed_and_either_case), TEST_OF(handshake, mismatch_at_any_byte),
      TEST_OF(handshake, an_empty_secret_fits_nothing),
      TEST_OF(handshake, is_told_by_name_and_namespace))
