#include "wire/handshake.h"

#include "wire/digest.h"
#include "wire/ns.h"

bool handshake_is(const struct element *e)
{
    return element_is(e, "handshake", NS_COMPONENT);
}

void handshake_key(struct slice stream_id, struct slice secret, char out[41])
{
    digest_sha1_hex(stream_id, secret, out);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'F' ? (char)(c + 'a' - 'A') : c;
}

bool handshake_fits(const struct element *e, struct slice stream_id, struct slice secret)
{
    char expected[SHA1_HEX_LEN + 1];
    char given[SHA1_HEX_LEN];
    struct slice text = slice_trim(e->text);

    if (!secret.len || text.len != SHA1_HEX_LEN)
        return false; /* whoever knows the id knows the key of an empty secret */
    for (size_t i = 0; i < SHA1_HEX_LEN; i++)
        given[i] = lower(text.ptr[i]);
    handshake_key(stream_id, secret, expected);
    return digest_equal(slice_make(given, SHA1_HEX_LEN), slice_make(expected, SHA1_HEX_LEN));
}
