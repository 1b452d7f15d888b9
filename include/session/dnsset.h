/* session/dnsset.h - what one DNS question came to, and the cache of those.
 *
 * A set is immutable and counted, of one thread (the steward). The cache is bounded in entries
 * and bytes; the least recently used goes first. Spec: RFC 2308, RFC 2181 5.4.1;
 * CONFORMANCE SRV-10.
 */
#ifndef SESSION_DNSSET_H
#define SESSION_DNSSET_H

#include "base/list.h"
#include "base/map.h"
#include "wire/dnsmsg.h"

enum dns_outcome {
    DNS_FOUND,  /* records, or records that we cannot use */
    DNS_ABSENT, /* proven: NXDOMAIN, or an empty answer without error */
    DNS_FAILED, /* nobody knows */
    DNS_BOGUS,  /* DNSSEC says forged */
};

struct dns_set {
    unsigned refs;
    enum dns_outcome outcome;
    bool secure;
    const char *why; /* "NXDOMAIN", "no answer" ...; a constant */
    uint32_t ttl_s;  /* 0: not to be kept */
    size_t unusable;
    struct dns_record *records;
    size_t count;
    size_t bytes; /* all of it */
};

/* Copies the records and what they point to. */
struct dns_set *dns_set_new(enum dns_outcome outcome, const char *why,
                            const struct dns_record *records, size_t count);
struct dns_set *dns_set_ref(struct dns_set *s);
void dns_set_unref(struct dns_set *s); /* NULL is fine */

/* A question as a map's key: type and lower-case name. */
#define DNS_KEY_MAX (DNS_NAME_TEXT_MAX + 1)
struct slice dns_key(char buf[DNS_KEY_MAX], struct slice name, enum dns_type type);

/* A domain that a stranger makes us look up costs an entry; large answers cost their bytes. */
#define DNSCACHE_BYTES_MAX (64u << 20)

struct dnscache {
    struct map entries;
    struct list by_use; /* first: least recently used */
    size_t bytes;
};

void dnscache_init(struct dnscache *c, const uint64_t seed[2]);
void dnscache_fini(struct dnscache *c);
/* Borrowed, or NULL; what has lived its time is removed. */
struct dns_set *dnscache_find(struct dnscache *c, struct slice key, uint64_t now_ms);
/* Replaces; a set of no lifetime is not kept. */
void dnscache_put(struct dnscache *c, struct slice key, struct dns_set *set, uint64_t now_ms);
void dnscache_drop(struct dnscache *c, struct slice key);
void dnscache_clear(struct dnscache *c);
size_t dnscache_count(const struct dnscache *c);

#endif
