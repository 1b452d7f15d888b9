/* wire/digest against published vectors. */
#include "unit/test.h"
#include "wire/digest.h"

TEST(digest, sha1_is_of_a_then_b)
{
    char out[SHA1_HEX_LEN + 1];

    digest_sha1_hex(SLICE("a"), SLICE("bc"), out); /* FIPS 180: "abc" */
    CHECK_STR(out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_sha1_hex(slice_none(), SLICE("abc"), out);
    CHECK_STR(out, "a9993e364706816aba3e25717850c26c9cd0d89d");
    digest_sha1_hex(slice_none(), slice_none(), out);
    CHECK_STR(out, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

TEST(digest, sha256_vectors)
{
    char out[SHA256_HEX_LEN + 1];

    digest_sha256_hex(SLICE("abc"), out); /* FIPS 180 */
    CHECK_STR(out, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    digest_sha256_hex(slice_none(), out);
    CHECK_STR(out, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

TEST(digest, hmac_vectors)
{
    char out[SHA256_HEX_LEN + 1];
    char key[131];

    digest_hmac_sha256_hex(SLICE("Jefe"), SLICE("what do ya want for nothing?"), out);
    CHECK_STR(out, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(key, 0xaa, sizeof(key)); /* RFC 4231 4.7: a key longer than a block */
    digest_hmac_sha256_hex(slice_make(key, sizeof(key)),
                           SLICE("Test Using Larger Than Block-Size Key - Hash Key First"), out);
    CHECK_STR(out, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
    digest_hmac_sha256_hex(slice_none(), slice_none(), out);
    CHECK_STR(out, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
}

TEST(digest, equal_sees_every_byte)
{
    char a[33] = "0123456789abcdef0123456789abcdef";
    char b[33];

    for (size_t i = 0; i < 32; i++) {
        memcpy(b, a, sizeof(b));
        CHECK(digest_equal(slice_make(a, 32), slice_make(b, 32)));
        b[i] ^= 1;
        CHECK(!digest_equal(slice_make(a, 32), slice_make(b, 32)));
    }
    CHECK(!digest_equal(slice_make(a, 32), slice_make(a, 31)));
    CHECK(digest_equal(slice_none(), slice_make(a, 0)));
}

TESTS(TEST_OF(digest, sha1_is_of_a_then_b), TEST_OF(digest, sha256_vectors),
      TEST_OF(digest, hmac_vectors), TEST_OF(digest, equal_sees_every_byte))
