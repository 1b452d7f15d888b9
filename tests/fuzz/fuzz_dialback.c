/* Any XML as a dialback element: what is read and written again reads the same. */
#include "wire/dialback.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL and empty are told apart where an attribute may be absent. */
static bool same(struct slice a, struct slice b)
{
    return slice_eq(a, b) && !a.ptr == !b.ptr;
}

static void parse_back(struct slice text, struct arena *arena, struct dialback *ret_back)
{
    struct element *e;
    struct byteq whole;

    byteq_init(&whole);
    byteq_append(&whole, SLICE("<x xmlns='jabber:server' xmlns:db='jabber:server:dialback'>"));
    byteq_append(&whole, text);
    byteq_append(&whole, SLICE("</x>"));
    if (xml_parse_element(byteq_slice(&whole), arena, &e) != FAULT_NONE)
        abort();
    assert(e->children && !e->children->next);
    if (!dialback_parse(e->children, ret_back))
        abort();
    byteq_fini(&whole);
}

static void check(const struct dialback *d, struct arena *arena)
{
    struct dialback back;
    struct byteq out;

    byteq_init(&out);
    dialback_format(d, &out);
    parse_back(byteq_slice(&out), arena, &back);
    assert(back.name == d->name && back.type == d->type);
    assert(same(back.from, d->from) && same(back.to, d->to) && same(back.id, d->id));
    if (d->type == DIALBACK_REQUEST)
        assert(slice_eq(back.key, d->key));
    assert((d->type == DIALBACK_ERROR) == (back.condition.len > 0));
    byteq_fini(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct dialback_secrets secrets;
    struct arena arena;
    struct element *e;
    struct dialback d;

    arena_init(&arena);
    dialback_secrets_set(&secrets, SLICE("secret"), SLICE("before"));
    if (xml_parse_element(slice_make((const char *)data, size), &arena, &e) == FAULT_NONE &&
        dialback_parse(e, &d)) {
        check(&d, &arena);
        assert(d.key.len <= DIALBACK_KEY_BYTES_MAX);
        dialback_key_fits(&secrets, d.from, d.to, d.id, d.key);
    }
    arena_fini(&arena);
    return 0;
}
