#include "wire/jid.h"

/* What a byte of an address may be. */
#define CLASS_CONTROL 1u /* C0 and DEL: in no part, under PRECIS and under stringprep alike */
#define CLASS_LOCAL   2u /* RFC 7622 3.3.1, and space (8265 3.3: not in IdentifierClass) */
#define CLASS_HIGH    4u /* part of a UTF-8 sequence */

static const unsigned char classes[256] = {
    [0x00 ... 0x1F] = CLASS_CONTROL,
    [0x7F] = CLASS_CONTROL,
    [0x80 ... 0xFF] = CLASS_HIGH,
    [' '] = CLASS_LOCAL,
    ['"'] = CLASS_LOCAL,
    ['&'] = CLASS_LOCAL,
    ['\''] = CLASS_LOCAL,
    ['/'] = CLASS_LOCAL,
    [':'] = CLASS_LOCAL,
    ['<'] = CLASS_LOCAL,
    ['>'] = CLASS_LOCAL,
    ['@'] = CLASS_LOCAL,
};

static unsigned classes_in(struct slice s)
{
    unsigned seen = 0;

    for (size_t i = 0; i < s.len; i++)
        seen |= classes[(unsigned char)s.ptr[i]];
    return seen;
}

static bool fits_part(struct slice s)
{
    return s.len > 0 && s.len <= JID_PART_BYTES_MAX;
}

/* Takes what stands behind the first `mark` off *s; false: it stands there, but nothing behind. */
static bool cut_resource(struct slice *s, struct slice *ret_resource)
{
    size_t at = slice_find(*s, '/');

    *ret_resource = slice_none();
    if (at == s->len)
        return true;
    *ret_resource = slice_from_offset(*s, at + 1);
    *s = slice_sub(*s, 0, at);
    return fits_part(*ret_resource);
}

static bool cut_local(struct slice *s, struct slice *ret_local)
{
    size_t at = slice_find(*s, '@');

    *ret_local = slice_none();
    if (at == s->len)
        return true;
    *ret_local = slice_sub(*s, 0, at);
    *s = slice_from_offset(*s, at + 1);
    return fits_part(*ret_local);
}

/* RFC 7622 3.2: one final dot goes before anything else is looked at. */
static struct slice without_dot(struct slice s)
{
    if (s.len && s.ptr[s.len - 1] == '.')
        s.len--;
    return s;
}

enum err jid_parse(struct slice text, bool strict_local, struct jid *ret_jid)
{
    struct jid jid;
    struct slice rest = text;
    unsigned seen;

    if (text.len > JID_BYTES_MAX)
        return ERR_SYNTAX;
    /* 3.2: first '/', then first '@', both before any mapping (JID-01). */
    if (!cut_resource(&rest, &jid.resource) || !cut_local(&rest, &jid.local))
        return ERR_SYNTAX;
    jid.domain = without_dot(rest);
    if (!fits_part(jid.domain) || slice_ends(jid.domain, SLICE(".")))
        return ERR_SYNTAX; /* "a.." too: domain_parse would forgive the second one (JID-03) */
    seen = classes_in(text);
    if (seen & CLASS_CONTROL || (seen & CLASS_HIGH && !slice_is_utf8(text)))
        return ERR_SYNTAX;
    if (strict_local && classes_in(jid.local) & CLASS_LOCAL)
        return ERR_SYNTAX;
    *ret_jid = jid;
    return OK;
}
