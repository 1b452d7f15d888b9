/* Any XML as an element of SASL: an identity is taken only if it is the stream's. */
#include "wire/sasl.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(const struct element *e, struct slice from)
{
    enum sasl_failure failure = (enum sasl_failure)99;
    struct domain d;

    switch (sasl_external_take(e, from, &d, &failure)) {
    case SASL_ACCEPT:
        assert(d.len && (!from.len || slice_eq(domain_slice(&d), from)));
        break;
    case SASL_NEEDS_RESPONSE:
        assert(slice_is(e->name, "auth") && !e->text.len);
        break;
    case SASL_REJECT:
        assert(sasl_failure_name(failure)[0]);
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct element *e;
    enum sasl_kind kind;

    arena_init(&arena);
    if (xml_parse_element(slice_make((const char *)data, size), &arena, &e) == FAULT_NONE &&
        sasl_parse_kind(e, &kind)) {
        if (kind == SASL_AUTH || kind == SASL_RESPONSE) {
            take(e, SLICE("a.example"));
            take(e, SLICE("b\xC3\xBC"
                          "cher.example"));
            take(e, slice_none());
        }
        assert(sasl_failure_condition(e).len);
    }
    arena_fini(&arena);
    return 0;
}
