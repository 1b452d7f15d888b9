/* tests/sim/dnspacket.h - DNS packets made and read by hand, for the name server of tests. */
#ifndef SIM_DNSPACKET_H
#define SIM_DNSPACKET_H

#include "base/byteq.h"

#define DNSTYPE_A     1
#define DNSTYPE_CNAME 5
#define DNSTYPE_SOA   6
#define DNSTYPE_AAAA  28
#define DNSTYPE_SRV   33
#define DNSTYPE_TLSA  52

#define DNSNAME_MAX 256

struct dnsquery {
    uint16_t id;
    bool recursion_desired;
    bool checking_disabled;
    char name[DNSNAME_MAX]; /* lower case */
    uint16_t type;
    struct slice question; /* as it stood there, to be repeated byte for byte */
    size_t udp_bytes;      /* what the asker takes: 512 without EDNS */
    bool edns;
    bool dnssec_ok;
};

/* ERR_SYNTAX: not one question. */
enum err dnsquery_parse(struct slice packet, struct dnsquery *ret_query) MUST_USE;
/* "SRV" to 33; 0: unknown. */
uint16_t dnstype_of(struct slice word);
/* Of a row "TYPE data ..." in a zone file's form. */
enum err dnsdata_parse(uint16_t type, struct slice text, struct byteq *ret_data) MUST_USE;
/* Uncompressed name in wire form. */
enum err dnsname_format(struct slice name, struct byteq *out) MUST_USE;
void dns_put16(struct byteq *out, unsigned v);
void dns_put32(struct byteq *out, uint32_t v);

#endif
