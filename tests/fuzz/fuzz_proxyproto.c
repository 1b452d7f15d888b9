/* Any bytes as a PROXY header, whole and in pieces: no beginning of a good header is refused, and
 * what follows one changes nothing. */
#include "wire/proxyproto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct proxy_header *a, const struct proxy_header *b)
{
    return a->known == b->known && a->used_bytes == b->used_bytes &&
           (!a->known || addr_eq(&a->peer, &b->peer));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct proxy_header h;
    struct proxy_header part;
    enum err e = proxy_parse(bytes, &h);

    assert(e == OK || e == ERR_AGAIN || e == ERR_SYNTAX || e == ERR_LIMIT);
    assert(e != ERR_AGAIN || size < PROXY_V2_BYTES_MAX);
    for (size_t n = 0; n < size && n <= PROXY_V2_BYTES_MAX; n++) {
        enum err earlier = proxy_parse(slice_sub(bytes, 0, n), &part);

        if (earlier == OK)
            assert(e == OK && n >= h.used_bytes && same(&h, &part));
        else if (earlier != ERR_AGAIN)
            assert(e == earlier); /* once refused, always refused */
        else
            assert(e != OK || n < h.used_bytes);
    }
    return 0;
}
