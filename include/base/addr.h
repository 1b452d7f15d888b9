/* base/addr.h - IP addresses with port, and networks. Pure; resolves no names. */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include "base/err.h"
#include "base/slice.h"

#include <netinet/in.h>
#include <sys/socket.h>

struct addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    };
};

struct addr_net {
    struct addr base;
    unsigned bits;
};

#define ADDR_TEXT_MAX 64 /* "[v6]:port" and NUL */

/* "192.0.2.1", "2001:db8::1" or "[2001:db8::1]": an address without port. */
enum err addr_parse_ip(struct slice text, uint16_t port, struct addr *ret_addr) MUST_USE;
/* "192.0.2.1:53", "[::1]:53"; without a port `default_port` counts (0: a port is required). */
enum err addr_parse(struct slice text, uint16_t default_port, struct addr *ret_addr) MUST_USE;
/* "10.0.0.0/8", "::1/128", or a plain address. */
enum err addr_net_parse(struct slice text, struct addr_net *ret_net) MUST_USE;
bool addr_net_has(const struct addr_net *net, const struct addr *a);
/* IPv4-mapped IPv6 addresses count as IPv4 in all comparisons. */
bool addr_eq(const struct addr *a, const struct addr *b); /* with port */
bool addr_same_ip(const struct addr *a, const struct addr *b);
bool addr_is_loopback(const struct addr *a);
uint16_t addr_port(const struct addr *a); /* host byte order */
void addr_set_port(struct addr *a, uint16_t port);
socklen_t addr_size(const struct addr *a);
/* "192.0.2.1:53", "[::1]:53"; returns `buf`. */
const char *addr_format(const struct addr *a, char buf[ADDR_TEXT_MAX]);
const char *addr_format_ip(const struct addr *a, char buf[ADDR_TEXT_MAX]);

#endif
