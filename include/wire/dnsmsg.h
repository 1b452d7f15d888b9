/* wire/dnsmsg.h - DNS packets: questions built, answers read. ldns's door. Pure.
 *
 * Every packet passes our own strict walk of the wire form (bounds, compression pointers that
 * only go back, counts) before ldns sees it. Spec: RFC 1035, RFC 6891, RFC 2308, RFC 6840;
 * CONFORMANCE SRV-09/10, DNSSEC-02.
 */
#ifndef WIRE_DNSMSG_H
#define WIRE_DNSMSG_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/random.h"

enum dns_type { DNS_A = 1, DNS_CNAME = 5, DNS_SOA = 6, DNS_AAAA = 28, DNS_SRV = 33, DNS_TLSA = 52 };

#define DNS_NAME_TEXT_MAX    254 /* presentation form without final dot, and NUL */
#define DNS_EDNS_BYTES       1232
#define DNS_PACKET_BYTES_MAX 65535
#define DNS_RECORDS_MAX      256 /* of one answer; more are left out */
#define DNS_CNAME_MAX        8

struct dns_question {
    char name[DNS_NAME_TEXT_MAX]; /* A-label form, any case (0x20), without final dot */
    enum dns_type type;
    uint16_t id;
};

/* A name that can be asked: labels of letters, digits, '-' and '_', 253 bytes at most. */
bool dns_is_name(struct slice text);
/* Mixes the case of letters by chance: an answer must repeat it (0x20). */
void dns_mix_case(char *name, struct random *rnd);
/* RD, AD and EDNS0 with DO. Bytes written, or ERR_LIMIT/ERR_SYNTAX for a name that is none. */
enum err dns_format(const struct dns_question *q, bool checking_disabled, unsigned char *buf,
                    size_t room, size_t *ret_len) MUST_USE;

enum dns_rcode {
    DNS_NOERROR = 0,
    DNS_FORMERR = 1,
    DNS_SERVFAIL = 2,
    DNS_NXDOMAIN = 3,
    DNS_NOTIMP = 4,
    DNS_REFUSED = 5
};

struct dns_record {
    enum dns_type type;
    uint32_t ttl_s;
    struct addr addr;  /* A, AAAA */
    uint16_t priority; /* SRV */
    uint16_t weight;
    uint16_t port;
    struct slice target; /* SRV: lower case, no final dot; "" is the root: service absent */
    struct slice rdata;  /* TLSA: raw */
};

struct dns_answer {
    unsigned rcode;
    bool truncated;
    bool ad;                    /* the resolver's word that all was validated */
    struct dns_record *records; /* of the asked type, at the end of the CNAME chain */
    size_t count;
    size_t unusable;    /* records left out: target is no host name, or over the maximum */
    struct slice alias; /* the chain ends in this name and the packet says nothing about
                         * it: ask there. "" otherwise */
    bool lame;          /* a referral: this server does not resolve for us */
    bool bogus;         /* extended error 6 to 12 (RFC 8914): validation failed */
    uint32_t ttl_s;     /* least TTL of records and chain; for negatives by SOA (2308),
                         * 0 without one: not to be cached */
};

/* ERR_SYNTAX: malformed, or an endless chain. ERR_DENIED: it answers another question (id, name
 * with case, type, class) or is no response. Records live in `arena`. Of a truncated answer
 * nothing but `rcode` and `truncated` is read. */
enum err dns_parse(struct slice packet, const struct dns_question *q, struct arena *arena,
                   struct dns_answer *ret_answer) MUST_USE;

#endif
