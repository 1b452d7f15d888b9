#include "unit/test.h"

#include "session/dnsset.h"
#include "session/hosts.h"
#include "session/resolver.h"

static const uint64_t seed[2] = {1, 2};

static struct slice key_of(char buf[DNS_KEY_MAX], unsigned number)
{
    char name[32];
    int n = snprintf(name, sizeof(name), "n%u.example", number);

    return dns_key(buf, slice_make(name, (size_t)n), DNS_A);
}

/* Keeps a set of `text_bytes` of text for `ttl_s`. */
static void put(struct dnscache *c, unsigned number, size_t text_bytes, uint32_t ttl_s,
                uint64_t now_ms)
{
    char *text = mem_zalloc(text_bytes + 1);
    struct dns_record r = {.type = DNS_TLSA, .rdata = slice_make(text, text_bytes)};
    struct dns_set *set = dns_set_new(DNS_FOUND, "", &r, 1);
    char buf[DNS_KEY_MAX];

    set->ttl_s = ttl_s;
    dnscache_put(c, key_of(buf, number), set, now_ms);
    dns_set_unref(set);
    mem_free(text);
}

static bool has(struct dnscache *c, unsigned number, uint64_t now_ms)
{
    char buf[DNS_KEY_MAX];

    return dnscache_find(c, key_of(buf, number), now_ms) != NULL;
}

TEST(dnsset, owns_what_records_point_to)
{
    char host[] = "host.example";
    char raw[] = "\1\2\3";
    struct dns_record r[2] = {{.type = DNS_SRV, .port = 5269, .target = slice_from(host)},
                              {.type = DNS_TLSA, .rdata = slice_make(raw, 4)}};
    struct dns_set *set = dns_set_new(DNS_FOUND, "", r, 2);

    memset(host, 'x', sizeof(host));
    memset(raw, 'x', sizeof(raw));
    CHECK_SLICE(set->records[0].target, "host.example");
    CHECK_EQ(set->records[0].port, 5269);
    CHECK(slice_eq(set->records[1].rdata, slice_make("\1\2\3", 4)));
    dns_set_unref(dns_set_ref(set));
    dns_set_unref(set);
}

/* Type and name are both part of it. */
TEST(dnsset, keys_differ_by_type_and_name)
{
    char a[DNS_KEY_MAX];
    char b[DNS_KEY_MAX];

    CHECK(slice_eq(dns_key(a, SLICE("x.y"), DNS_A), dns_key(b, SLICE("x.y"), DNS_A)));
    CHECK(!slice_eq(dns_key(a, SLICE("x.y"), DNS_A), dns_key(b, SLICE("x.y"), DNS_AAAA)));
    CHECK(!slice_eq(dns_key(a, SLICE("x.y"), DNS_A), dns_key(b, SLICE("x.z"), DNS_A)));
}

/* SRV-10 */
TEST(dnscache, a_set_lives_for_its_ttl)
{
    struct dnscache c;

    dnscache_init(&c, seed);
    put(&c, 1, 0, 10, 5000);
    put(&c, 2, 0, 0, 5000);
    CHECK_EQ(dnscache_count(&c), 1);
    CHECK(has(&c, 1, 14999));
    CHECK(!has(&c, 1, 15000));
    CHECK(!has(&c, 2, 5000));
    CHECK_EQ(dnscache_count(&c), 0);
    put(&c, 1, 0, 10, 0);
    put(&c, 1, 0, 0, 0); /* newer knowledge: not to be kept, and the old one is wrong */
    CHECK_EQ(dnscache_count(&c), 0);
    dnscache_fini(&c);
}

TEST(dnscache, the_least_used_goes_when_full)
{
    struct dnscache c;

    dnscache_init(&c, seed);
    for (unsigned i = 0; i < RESOLVER_CACHE_MAX; i++)
        put(&c, i, 0, 1000, 0);
    CHECK_EQ(dnscache_count(&c), RESOLVER_CACHE_MAX);
    CHECK(has(&c, 0, 1));
    put(&c, RESOLVER_CACHE_MAX, 0, 1000, 1);
    CHECK_EQ(dnscache_count(&c), RESOLVER_CACHE_MAX);
    CHECK(has(&c, 0, 1));
    CHECK(!has(&c, 1, 1));
    CHECK(has(&c, 2, 1));
    CHECK(has(&c, RESOLVER_CACHE_MAX, 1));
    dnscache_clear(&c);
    CHECK_EQ(dnscache_count(&c), 0);
    CHECK_EQ(c.bytes, 0);
    dnscache_fini(&c);
}

TEST(dnscache, large_sets_cost_their_bytes)
{
    struct dnscache c;

    dnscache_init(&c, seed);
    for (unsigned i = 0; i < 2000; i++) {
        put(&c, i, 60000, 1000, 0);
        CHECK(c.bytes <= DNSCACHE_BYTES_MAX);
    }
    CHECK(dnscache_count(&c) > 1000 && dnscache_count(&c) < 1119);
    CHECK(has(&c, 1999, 0));
    CHECK(!has(&c, 0, 0));
    dnscache_fini(&c);
    CHECK_EQ(c.bytes, 0);
}

TEST(resolver, reads_servers_from_resolv_conf)
{
    static const char text[] = "# nameserver 10.0.0.1\n"
                               "nameserver 10.0.0.2\r\n"
                               "  nameserver\t2001:db8::1  \n"
                               "nameserver\n"
                               "nameserver fe80::1%eth0\n"
                               "nameserverx 10.0.0.3\n"
                               "nameserver 10.0.0.4 5\n"
                               "search example.net\n"
                               "options edns0 trust-ad\n"
                               "nameserver 127.0.0.53";
    struct addr servers[3];
    char buf[ADDR_TEXT_MAX];

    CHECK_EQ(resolver_parse_resolv_conf(slice_from(text), servers, 3), 3);
    CHECK_STR(addr_format(&servers[0], buf), "10.0.0.2:53");
    CHECK_STR(addr_format(&servers[1], buf), "[2001:db8::1]:53");
    CHECK_STR(addr_format(&servers[2], buf), "127.0.0.53:53");
    CHECK_EQ(resolver_parse_resolv_conf(slice_from(text), servers, 2), 2);
    CHECK_EQ(resolver_parse_resolv_conf(SLICE(""), servers, 2), 0);
}

TEST(hosts, gives_all_addresses_of_a_name)
{
    static const char text[] = "127.0.0.1 localhost\n"
                               "# 10.0.0.1 gw\n"
                               " 10.0.0.2\tother gw.example\tGW # gw2\r\n"
                               "fd00::2 gw\n"
                               "nonsense gw\n"
                               "10.0.0.3 gw\n"
                               "10.0.0.4 gw";
    struct slice all = slice_from(text);
    char buf[ADDR_TEXT_MAX];
    struct addr a[3];

    CHECK_EQ(hosts_find(all, SLICE("gw"), AF_INET, a, 3), 3);
    CHECK_STR(addr_format_ip(&a[0], buf), "10.0.0.2");
    CHECK_STR(addr_format_ip(&a[1], buf), "10.0.0.3");
    CHECK_STR(addr_format_ip(&a[2], buf), "10.0.0.4");
    CHECK_EQ(hosts_find(all, SLICE("gw"), AF_INET, a, 2), 2);
    CHECK_EQ(hosts_find(all, SLICE("gw"), AF_INET6, a, 3), 1);
    CHECK_STR(addr_format_ip(&a[0], buf), "fd00::2");
    CHECK_EQ(hosts_find(all, SLICE("gw2"), AF_INET, a, 3), 0);
    CHECK_EQ(hosts_find(all, SLICE("10.0.0.3"), AF_INET, a, 3), 0);
    CHECK_EQ(hosts_find(all, SLICE("example"), AF_INET, a, 3), 0);
    CHECK_EQ(hosts_find(all, SLICE(""), AF_INET, a, 3), 0);
}

TESTS(TEST_OF(hosts, gives_all_addresses_of_a_name), TEST_OF(dnsset, owns_what_records_point_to),
      TEST_OF(dnsset, keys_differ_by_type_and_name), TEST_OF(dnscache, a_set_lives_for_its_ttl),
      TEST_OF(dnscache, the_least_used_goes_when_full),
      TEST_OF(dnscache, large_sets_cost_their_bytes),
      TEST_OF(resolver, reads_servers_from_resolv_conf))
