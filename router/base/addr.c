#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>

enum err addr_parse_ip(struct slice text, uint16_t port, struct addr *ret_addr)
{
    char buf[ADDR_TEXT_MAX];
    struct addr a;

    memset(&a, 0, sizeof(a));
    if (text.len > 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']') {
        text = slice_sub(text, 1, text.len - 2);
        if (slice_find(text, ':') == text.len)
            return ERR_SYNTAX;
    }
    if (!slice_to_cstr(text, buf, sizeof(buf)))
        return ERR_SYNTAX;
    if (inet_pton(AF_INET, buf, &a.v4.sin_addr) == 1) {
        a.v4.sin_family = AF_INET;
        a.v4.sin_port = htons(port);
    } else if (inet_pton(AF_INET6, buf, &a.v6.sin6_addr) == 1) {
        a.v6.sin6_family = AF_INET6;
        a.v6.sin6_port = htons(port);
    } else {
        return ERR_SYNTAX;
    }
    *ret_addr = a;
    return OK;
}

enum err addr_parse(struct slice text, uint16_t default_port, struct addr *ret_addr)
{
    size_t colon = text.len;
    uint64_t port = default_port;
    struct slice host = text;

    while (colon > 0 && text.ptr[colon - 1] != ':' && text.ptr[colon - 1] != ']')
        colon--;
    if (colon > 0 && text.ptr[colon - 1] == ':') {
        host = slice_sub(text, 0, colon - 1);
        if (slice_find(host, ':') < host.len && host.ptr[0] != '[')
            host = text; /* a bare IPv6 address */
        else if (!slice_to_u64(slice_from_offset(text, colon), 65535, &port))
            return ERR_SYNTAX;
    }
    if (host.len == text.len && !default_port)
        return ERR_SYNTAX;
    return addr_parse_ip(host, (uint16_t)port, ret_addr);
}

/* "::ffff:10.0.0.0/104" is 10.0.0.0/8: mapped addresses are compared as IPv4. */
static enum err unmap(struct addr_net *net)
{
    struct in_addr ip;

    if (net->bits < 96)
        return ERR_SYNTAX; /* it would span both families */
    memcpy(&ip, net->base.v6.sin6_addr.s6_addr + 12, sizeof(ip));
    memset(&net->base, 0, sizeof(net->base));
    net->base.v4.sin_family = AF_INET;
    net->base.v4.sin_addr = ip;
    net->bits -= 96;
    return OK;
}

enum err addr_net_parse(struct slice text, struct addr_net *ret_net)
{
    size_t bar = slice_find(text, '/');
    struct addr_net net;
    uint64_t bits;
    uint64_t most;

    if (addr_parse_ip(slice_sub(text, 0, bar), 0, &net.base))
        return ERR_SYNTAX;
    most = net.base.sa.sa_family == AF_INET ? 32 : 128;
    bits = most;
    if (bar < text.len && !slice_to_u64(slice_from_offset(text, bar + 1), most, &bits))
        return ERR_SYNTAX;
    net.bits = (unsigned)bits;
    if (most == 128 && IN6_IS_ADDR_V4MAPPED(&net.base.v6.sin6_addr) && unmap(&net))
        return ERR_SYNTAX;
    *ret_net = net;
    return OK;
}

/* The address bytes; an IPv4-mapped IPv6 address gives its IPv4 part. */
static struct slice ip_bytes(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return slice_make((const char *)&a->v4.sin_addr, 4);
    if (a->sa.sa_family == AF_INET6) {
        if (IN6_IS_ADDR_V4MAPPED(&a->v6.sin6_addr))
            return slice_make((const char *)&a->v6.sin6_addr + 12, 4);
        return slice_make((const char *)&a->v6.sin6_addr, 16);
    }
    return slice_none();
}

bool addr_net_has(const struct addr_net *net, const struct addr *a)
{
    struct slice base = ip_bytes(&net->base);
    struct slice ip = ip_bytes(a);
    unsigned whole = net->bits / 8;
    unsigned rest = net->bits % 8;
    unsigned mask = 0xff00u >> rest & 0xff;

    if (base.len != ip.len || base.len == 0)
        return false;
    if (memcmp(base.ptr, ip.ptr, whole))
        return false;
    return !rest ||
           ((unsigned char)base.ptr[whole] & mask) == ((unsigned char)ip.ptr[whole] & mask);
}

bool addr_same_ip(const struct addr *a, const struct addr *b)
{
    return slice_eq(ip_bytes(a), ip_bytes(b));
}

bool addr_eq(const struct addr *a, const struct addr *b)
{
    return addr_same_ip(a, b) && addr_port(a) == addr_port(b);
}

bool addr_is_loopback(const struct addr *a)
{
    struct slice ip = ip_bytes(a);

    if (ip.len == 4)
        return ip.ptr[0] == 127;
    return a->sa.sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&a->v6.sin6_addr);
}

uint16_t addr_port(const struct addr *a)
{
    return ntohs(a->sa.sa_family == AF_INET6 ? a->v6.sin6_port : a->v4.sin_port);
}

void addr_set_port(struct addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET6)
        a->v6.sin6_port = htons(port);
    else
        a->v4.sin_port = htons(port);
}

socklen_t addr_size(const struct addr *a)
{
    return a->sa.sa_family == AF_INET6 ? sizeof(a->v6) : sizeof(a->v4);
}

const char *addr_format_ip(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
    const void *ip = a->sa.sa_family == AF_INET6 ? (const void *)&a->v6.sin6_addr
                                                 : (const void *)&a->v4.sin_addr;

    if (!inet_ntop(a->sa.sa_family, ip, buf, ADDR_TEXT_MAX))
        strcpy(buf, "?");
    return buf;
}

const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX])
{
    char ip[ADDR_TEXT_MAX];
    bool v6 = a->sa.sa_family == AF_INET6;

    addr_format_ip(a, ip);
    snprintf(buf, ADDR_TEXT_MAX, v6 ? "[%.50s]:%u" : "%.50s:%u", ip, addr_port(a));
    return buf;
}
