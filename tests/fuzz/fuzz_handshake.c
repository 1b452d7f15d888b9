/* Any XML as a component's handshake: it fits if it is the key, and only then. */
#include "wire/handshake.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct element *e;
    char key[41];

    arena_init(&arena);
    if (xml_parse_element(slice_make((const char *)data, size), &arena, &e) == FAULT_NONE &&
        handshake_is(e)) {
        handshake_key(SLICE("3BF96D32"), SLICE("test"), key);
        assert(handshake_fits(e, SLICE("3BF96D32"), SLICE("test")) ==
               slice_eq_nocase(slice_trim(e->text), slice_from(key)));
        assert(!handshake_fits(e, SLICE("3BF96D32"), slice_none()));
    }
    arena_fini(&arena);
    return 0;
}
