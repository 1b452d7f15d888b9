/* Any text as an address, a domain and a pattern: normal forms are stable, all spellings lead to
 * the same one, and the fast path agrees with the slow one. */
#include "wire/jid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool same(const struct domain *a, const struct domain *b)
{
    return slice_eq(domain_slice(a), domain_slice(b)) && a->ip == b->ip;
}

static void check_jid(struct slice text)
{
    struct jid strict;
    struct jid lax;
    bool lax_fits = jid_parse(text, false, &lax) == OK;

    if (jid_parse(text, true, &strict) == OK)
        assert(lax_fits && slice_eq(strict.domain, lax.domain));
    if (!lax_fits)
        return;
    assert(lax.domain.len && slice_is_utf8(text));
    assert(lax.local.len + lax.domain.len + lax.resource.len <= text.len);
    assert(slice_find(lax.local, '@') == lax.local.len);
    assert(slice_find(lax.domain, '/') == lax.domain.len);
}

/* Upper case never takes the fast path. */
static void check_fast_path(struct slice text)
{
    char upper[DOMAIN_BYTES_MAX];
    struct domain d;

    assert(domain_parse(text, &d) == OK && slice_eq(domain_slice(&d), text));
    for (size_t i = 0; i < text.len; i++)
        upper[i] =
            (char)(text.ptr[i] >= 'a' && text.ptr[i] <= 'z' ? text.ptr[i] - 32 : text.ptr[i]);
    assert(domain_parse(slice_make(upper, text.len), &d) == OK);
    assert(slice_eq(domain_slice(&d), text));
}

static void check_forms(const struct domain *d)
{
    char ascii[254];
    struct domain again;

    assert(d->len && !d->text[d->len] && slice_is_utf8(domain_slice(d)));
    assert(domain_parse(domain_slice(d), &again) == OK && same(d, &again));
    assert(domain_to_ascii(domain_slice(d), ascii, sizeof(ascii)) == OK);
    if (d->ip)
        return;
    assert(slice_find(slice_from(ascii), '*') == strlen(ascii));
    assert(domain_parse(slice_from(ascii), &again) == OK && same(d, &again));
    assert(domain_fits(domain_slice(d), domain_slice(d)));
    assert(domain_fits(domain_slice(d), SLICE("*")));
}

static void check_pattern(struct slice text)
{
    struct domain p;
    struct domain again;

    if (domain_pattern_parse(text, &p))
        return;
    assert(domain_pattern_parse(domain_slice(&p), &again) == OK && same(&p, &again));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = {(const char *)data, size};
    struct domain d;

    check_jid(text);
    check_pattern(text);
    if (domain_is_normal(text))
        check_fast_path(text);
    if (domain_parse(text, &d) == OK)
        check_forms(&d);
    return 0;
}
