/* Version 1 is one line of text:
 *
 *     PROXY TCP4 192.0.2.1 198.51.100.7 40000 5269 CRLF        (TCP6 likewise)
 *     PROXY UNKNOWN anything CRLF
 *
 * of at most 107 bytes. Version 2 is binary: a signature of 12 bytes, one of version (high half,
 * 2) and command (0 LOCAL: the proxy speaks for itself; 1 PROXY), one of family (high half: 0
 * none, 1 IPv4, 2 IPv6, 3 Unix) and transport (0 none, 1 stream, 2 datagram), two of length, and
 * as many bytes of addresses (source, destination, source port, destination port) and extensions.
 * Only the source is of interest; extensions are skipped.
 */
#include "wire/proxyproto.h"

#define V2_SIGNATURE  "\r\n\r\n\0\r\nQUIT\n"
#define V2_HEAD_BYTES 16

/* Is one the beginning of the other? */
static bool may_become(struct slice bytes, struct slice sign)
{
    size_t n = bytes.len < sign.len ? bytes.len : sign.len;

    return slice_eq(slice_sub(bytes, 0, n), slice_sub(sign, 0, n));
}

/* --- version 1 ------------------------------------------------------------------------- */

/* Up to the next single space, or the end; an empty word fits nothing below. */
static struct slice next_word(struct slice *line)
{
    size_t at = slice_find(*line, ' ');
    struct slice word = slice_sub(*line, 0, at);

    *line = slice_from_offset(*line, at + 1);
    return word;
}

static bool parse_port(struct slice word, uint16_t *ret_port)
{
    uint64_t port;

    if (word.len > 1 && word.ptr[0] == '0')
        return false;
    if (!slice_to_u64(word, 65535, &port))
        return false;
    *ret_port = (uint16_t)port;
    return true;
}

static bool parse_v1_ip(struct slice word, int family, struct addr *ret_addr)
{
    if (slice_find(word, '[') < word.len)
        return false;
    return addr_parse_ip(word, 0, ret_addr) == OK && ret_addr->sa.sa_family == family;
}

static enum err parse_v1_line(struct slice line, struct proxy_header *h)
{
    struct slice protocol = next_word(&line);
    int family = slice_is(protocol, "TCP4") ? AF_INET : AF_INET6;
    struct addr ours;
    uint16_t port;
    uint16_t our_port;

    if (slice_is(protocol, "UNKNOWN"))
        return OK; /* what follows means nothing */
    if (family == AF_INET6 && !slice_is(protocol, "TCP6"))
        return ERR_SYNTAX;
    if (!parse_v1_ip(next_word(&line), family, &h->peer) ||
        !parse_v1_ip(next_word(&line), family, &ours) || !parse_port(next_word(&line), &port) ||
        !parse_port(line, &our_port))
        return ERR_SYNTAX;
    addr_set_port(&h->peer, port);
    h->known = true;
    return OK;
}

static enum err parse_v1(struct slice bytes, struct proxy_header *h)
{
    struct slice head = slice_sub(bytes, 0, PROXY_V1_BYTES_MAX);
    size_t lf = slice_find(head, '\n');

    if (lf == head.len)
        return head.len < PROXY_V1_BYTES_MAX ? ERR_AGAIN : ERR_LIMIT;
    if (head.ptr[lf - 1] != '\r')
        return ERR_SYNTAX;
    h->used_bytes = lf + 1;
    return parse_v1_line(slice_sub(head, 6, lf - 1 - 6), h);
}

/* --- version 2 ------------------------------------------------------------------------- */

static uint16_t two_bytes(const char *p)
{
    return (uint16_t)((unsigned char)p[0] << 8 | (unsigned char)p[1]);
}

static enum err parse_v2_addresses(unsigned family, struct slice body, struct proxy_header *h)
{
    size_t ip_bytes = family == 1 ? 4 : 16;
    struct addr *a = &h->peer;

    if (family != 1 && family != 2)
        return OK; /* none or a Unix socket: nobody we could know by address */
    if (body.len < 2 * ip_bytes + 4)
        return ERR_SYNTAX;
    memset(a, 0, sizeof(*a));
    a->sa.sa_family = family == 1 ? AF_INET : AF_INET6;
    memcpy(family == 1 ? (void *)&a->v4.sin_addr : (void *)&a->v6.sin6_addr, body.ptr, ip_bytes);
    addr_set_port(a, two_bytes(body.ptr + 2 * ip_bytes));
    h->known = true;
    return OK;
}

static enum err parse_v2(struct slice bytes, struct proxy_header *h)
{
    const unsigned char *head = (const unsigned char *)bytes.ptr + 12;
    size_t len;

    if (bytes.len < V2_HEAD_BYTES)
        return ERR_AGAIN;
    if (head[0] >> 4 != 2 || (head[0] & 15) > 1 || head[1] >> 4 > 3 || (head[1] & 15) > 2)
        return ERR_SYNTAX;
    len = two_bytes(bytes.ptr + 14);
    if (V2_HEAD_BYTES + len > PROXY_V2_BYTES_MAX)
        return ERR_LIMIT;
    if (bytes.len < V2_HEAD_BYTES + len)
        return ERR_AGAIN;
    h->used_bytes = V2_HEAD_BYTES + len;
    /* LOCAL, and whatever is no stream: the connection speaks for itself */
    if ((head[0] & 15) == 0 || (head[1] & 15) != 1)
        return OK;
    return parse_v2_addresses(head[1] >> 4, slice_sub(bytes, V2_HEAD_BYTES, len), h);
}

enum err proxy_parse(struct slice bytes, struct proxy_header *ret_header)
{
    static const struct slice v1 = {"PROXY ", 6};
    static const struct slice v2 = {V2_SIGNATURE, 12};
    struct proxy_header h;
    bool first = may_become(bytes, v1);
    enum err e;

    if (!first && !may_become(bytes, v2))
        return ERR_SYNTAX;
    if (bytes.len < (first ? v1.len : v2.len))
        return ERR_AGAIN;
    memset(&h, 0, sizeof(h));
    e = first ? parse_v1(bytes, &h) : parse_v2(bytes, &h);
    if (e)
        return e;
    *ret_header = h;
    return OK;
}
