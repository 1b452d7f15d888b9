/* tests/unit/dnspacket.h - DNS packets written record by record, right or wrong. */
#ifndef TESTS_UNIT_DNSPACKET_H
#define TESTS_UNIT_DNSPACKET_H

#include "unit/test.h"

#include "base/err.h"

#include <arpa/inet.h>

enum { PK_ANSWER = 6, PK_AUTHORITY = 8, PK_ADDITIONAL = 10 }; /* offset of the section's count */
enum { PK_QR = 0x8000, PK_TC = 0x200, PK_RD = 0x100, PK_RA = 0x80, PK_AD = 0x20 };
enum { PK_NOERROR = 0, PK_SERVFAIL = 2, PK_NXDOMAIN = 3, PK_REFUSED = 5 };
enum {
    PK_A = 1,
    PK_NS = 2,
    PK_CNAME = 5,
    PK_SOA = 6,
    PK_AAAA = 28,
    PK_SRV = 33,
    PK_OPT = 41,
    PK_TLSA = 52
};

struct pk {
    unsigned char b[65535];
    size_t n;
    size_t rdata_at;
};

static inline void pk_raw(struct pk *p, const void *data, size_t n)
{
    assert(p->n + n <= sizeof(p->b));
    memcpy(p->b + p->n, data, n);
    p->n += n;
}

static inline void pk_u8(struct pk *p, unsigned v)
{
    unsigned char c = (unsigned char)v;

    pk_raw(p, &c, 1);
}

static inline void pk_u16(struct pk *p, unsigned v)
{
    pk_u8(p, v >> 8);
    pk_u8(p, v & 0xff);
}

static inline void pk_u32(struct pk *p, uint32_t v)
{
    pk_u16(p, v >> 16);
    pk_u16(p, v & 0xffff);
}

/* "@": a pointer to the question's name; "" or ".": the root. */
static inline void pk_name(struct pk *p, const char *text)
{
    struct slice rest = slice_from(text);

    if (slice_is(rest, "@")) {
        pk_u16(p, 0xc00c);
        return;
    }
    while (rest.len && !slice_is(rest, ".")) {
        size_t n = slice_find(rest, '.');

        pk_u8(p, (unsigned)n);
        pk_raw(p, rest.ptr, n);
        rest = slice_from_offset(rest, n + 1);
    }
    pk_u8(p, 0);
}

static inline void pk_begin(struct pk *p, unsigned id, unsigned flags, const char *name,
                            unsigned type)
{
    p->n = 0;
    pk_u16(p, id);
    pk_u16(p, flags);
    pk_u16(p, 1);
    pk_u32(p, 0);
    pk_u16(p, 0);
    pk_name(p, name);
    pk_u16(p, type);
    pk_u16(p, 1);
}

static inline void pk_rr(struct pk *p, unsigned section, const char *owner, unsigned type,
                         uint32_t ttl)
{
    if (!++p->b[section + 1])
        p->b[section]++;
    pk_name(p, owner);
    pk_u16(p, type);
    pk_u16(p, 1);
    pk_u32(p, ttl);
    pk_u16(p, 0);
    p->rdata_at = p->n;
}

static inline void pk_end(struct pk *p)
{
    size_t n = p->n - p->rdata_at;

    p->b[p->rdata_at - 2] = (unsigned char)(n >> 8);
    p->b[p->rdata_at - 1] = (unsigned char)n;
}

/* "192.0.2.1" or "2001:db8::1". */
static inline void pk_address(struct pk *p, unsigned section, const char *owner, uint32_t ttl,
                              const char *text)
{
    bool v6 = strchr(text, ':') != NULL;
    unsigned char ip[16];

    assert(inet_pton(v6 ? AF_INET6 : AF_INET, text, ip) == 1);
    pk_rr(p, section, owner, v6 ? PK_AAAA : PK_A, ttl);
    pk_raw(p, ip, v6 ? 16 : 4);
    pk_end(p);
}

static inline void pk_srv(struct pk *p, unsigned section, const char *owner, uint32_t ttl,
                          unsigned priority, unsigned weight, unsigned port, const char *target)
{
    pk_rr(p, section, owner, PK_SRV, ttl);
    pk_u16(p, priority);
    pk_u16(p, weight);
    pk_u16(p, port);
    pk_name(p, target);
    pk_end(p);
}

/* CNAME, NS. */
static inline void pk_named(struct pk *p, unsigned section, const char *owner, unsigned type,
                            uint32_t ttl, const char *name)
{
    pk_rr(p, section, owner, type, ttl);
    pk_name(p, name);
    pk_end(p);
}

static inline void pk_soa(struct pk *p, const char *owner, uint32_t ttl, uint32_t minimum)
{
    pk_rr(p, PK_AUTHORITY, owner, PK_SOA, ttl);
    pk_name(p, "ns.example");
    pk_name(p, "hostmaster.example");
    for (int i = 0; i < 4; i++)
        pk_u32(p, 3600);
    pk_u32(p, minimum);
    pk_end(p);
}

/* `error`: an extended error, or 0. `upper`: the upper bits of the rcode. */
static inline void pk_opt(struct pk *p, unsigned upper, unsigned error)
{
    pk_rr(p, PK_ADDITIONAL, "", PK_OPT, upper << 24 | 0x8000);
    p->b[p->rdata_at - 8] = 0x04; /* class: size 1232 */
    p->b[p->rdata_at - 7] = 0xd0;
    if (error) {
        pk_u16(p, 15);
        pk_u16(p, 2 + 4);
        pk_u16(p, error);
        pk_raw(p, "text", 4);
    }
    pk_end(p);
}

static inline struct slice pk_slice(const struct pk *p)
{
    return slice_make((const char *)p->b, p->n);
}

#endif
