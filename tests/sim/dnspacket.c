#include "sim/dnspacket.h"

#include "base/addr.h"

#include <ctype.h>

static unsigned get16(struct slice s, size_t at)
{
    return (unsigned)(unsigned char)s.ptr[at] << 8 | (unsigned char)s.ptr[at + 1];
}

void dns_put16(struct byteq *out, unsigned v)
{
    char bytes[2] = {(char)(v >> 8), (char)v};

    byteq_append(out, slice_make(bytes, 2));
}

void dns_put32(struct byteq *out, uint32_t v)
{
    dns_put16(out, v >> 16);
    dns_put16(out, v & 0xffff);
}

/* Returns the offset behind the name, or 0. No pointers: a question has none. */
static size_t read_name(struct slice s, size_t at, char name[DNSNAME_MAX])
{
    size_t used = 0;

    while (at < s.len && s.ptr[at]) {
        size_t len = (unsigned char)s.ptr[at];

        if (len > 63 || at + 1 + len >= s.len || used + len + 2 > DNSNAME_MAX)
            return 0;
        if (used)
            name[used++] = '.';
        for (size_t i = 0; i < len; i++)
            name[used++] = (char)tolower((unsigned char)s.ptr[at + 1 + i]);
        at += 1 + len;
    }
    name[used] = 0;
    return at < s.len ? at + 1 : 0;
}

static void read_opt(struct slice s, size_t at, struct dnsquery *q)
{
    if (at + 11 > s.len || s.ptr[at] || get16(s, at + 1) != 41)
        return;
    q->edns = true;
    q->udp_bytes = get16(s, at + 3) < 512 ? 512 : get16(s, at + 3);
    q->dnssec_ok = get16(s, at + 7) & 0x8000;
}

enum err dnsquery_parse(struct slice packet, struct dnsquery *ret_query)
{
    struct dnsquery q = {.udp_bytes = 512};
    unsigned flags;
    size_t at;

    if (packet.len < 17 || get16(packet, 4) != 1)
        return ERR_SYNTAX;
    q.id = (uint16_t)get16(packet, 0);
    flags = get16(packet, 2);
    if (flags & 0xf800) /* a response, or no plain query */
        return ERR_SYNTAX;
    q.recursion_desired = flags & 0x0100;
    q.checking_disabled = flags & 0x0010;
    at = read_name(packet, 12, q.name);
    if (!at || at + 4 > packet.len)
        return ERR_SYNTAX;
    q.type = (uint16_t)get16(packet, at);
    q.question = slice_sub(packet, 12, at + 4 - 12);
    if (get16(packet, 10))
        read_opt(packet, at + 4, &q);
    *ret_query = q;
    return OK;
}

uint16_t dnstype_of(struct slice word)
{
    static const struct {
        const char *word;
        uint16_t type;
    } types[] = {{"A", DNSTYPE_A},       {"CNAME", DNSTYPE_CNAME}, {"SOA", DNSTYPE_SOA},
                 {"AAAA", DNSTYPE_AAAA}, {"SRV", DNSTYPE_SRV},     {"TLSA", DNSTYPE_TLSA}};

    for (size_t i = 0; i < COUNT(types); i++)
        if (slice_is(word, types[i].word))
            return types[i].type;
    return 0;
}

enum err dnsname_format(struct slice name, struct byteq *out)
{
    if (slice_is(name, "."))
        name = slice_none();
    while (name.len) {
        size_t len = slice_find(name, '.');
        char n = (char)len;

        if (len == 0 || len > 63)
            return ERR_SYNTAX;
        byteq_append(out, slice_make(&n, 1));
        byteq_append(out, slice_sub(name, 0, len));
        name = slice_from_offset(name, len + 1);
    }
    byteq_append(out, slice_make("", 1));
    return OK;
}

static struct slice next_word(struct slice *text)
{
    struct slice all = slice_trim(*text);
    size_t n = slice_find(all, ' ');

    *text = slice_from_offset(all, n);
    return slice_sub(all, 0, n);
}

static enum err put_number(struct slice *text, uint64_t most, unsigned bytes, struct byteq *out)
{
    uint64_t v;
    char low;

    if (!slice_to_u64(next_word(text), most, &v))
        return ERR_SYNTAX;
    low = (char)v;
    if (bytes == 2)
        dns_put16(out, (unsigned)v);
    else
        byteq_append(out, slice_make(&low, 1));
    return OK;
}

static enum err put_address(struct slice text, int family, struct byteq *out)
{
    struct addr a;

    if (addr_parse_ip(slice_trim(text), 0, &a) || a.sa.sa_family != family)
        return ERR_SYNTAX;
    if (family == AF_INET)
        byteq_append(out, slice_make((char *)&a.v4.sin_addr, 4));
    else
        byteq_append(out, slice_make((char *)&a.v6.sin6_addr, 16));
    return OK;
}

static enum err put_srv(struct slice text, struct byteq *out)
{
    for (int i = 0; i < 3; i++)
        if (put_number(&text, 65535, 2, out))
            return ERR_SYNTAX;
    return dnsname_format(next_word(&text), out);
}

static enum err put_hex(struct slice hex, struct byteq *out)
{
    for (size_t i = 0; i + 1 < hex.len; i += 2) {
        char pair[3] = {hex.ptr[i], hex.ptr[i + 1], 0};
        char byte = (char)strtoul(pair, NULL, 16);

        byteq_append(out, slice_make(&byte, 1));
    }
    return hex.len % 2 ? ERR_SYNTAX : OK;
}

static enum err put_tlsa(struct slice text, struct byteq *out)
{
    for (int i = 0; i < 3; i++)
        if (put_number(&text, 255, 1, out))
            return ERR_SYNTAX;
    return put_hex(next_word(&text), out);
}

enum err dnsdata_parse(uint16_t type, struct slice text, struct byteq *ret_data)
{
    switch (type) {
    case DNSTYPE_A:
        return put_address(text, AF_INET, ret_data);
    case DNSTYPE_AAAA:
        return put_address(text, AF_INET6, ret_data);
    case DNSTYPE_CNAME:
        return dnsname_format(next_word(&text), ret_data);
    case DNSTYPE_SRV:
        return put_srv(text, ret_data);
    case DNSTYPE_TLSA:
        return put_tlsa(text, ret_data);
    default:
        return ERR_SYNTAX;
    }
}
