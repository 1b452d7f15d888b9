/* base/addr */
#include "unit/test.h"

#include "base/addr.h"

static const char *text_of(const struct addr *a)
{
    static char buf[ADDR_TEXT_MAX];

    return addr_format(a, buf);
}

TEST(addr, reads_addresses_with_port)
{
    static const struct {
        const char *text, *written; /* NULL: refused */
    } cases[] = {
        {"192.0.2.1:53", "192.0.2.1:53"},
        {"192.0.2.1", "192.0.2.1:5269"},
        {"[::1]:53", "[::1]:53"},
        {"[::1]", "[::1]:5269"},
        {"::1", "[::1]:5269"},
        {"2001:DB8::1", "[2001:db8::1]:5269"},
        {"[2001:db8::ffff:ffff:ffff:ffff]:65535", "[2001:db8::ffff:ffff:ffff:ffff]:65535"},
        {"0.0.0.0:0", "0.0.0.0:0"},
        {"[::]:65535", "[::]:65535"},
        {"192.0.2.1:65536", NULL},
        {"192.0.2.1:", NULL},
        {"192.0.2.1:x", NULL},
        {"192.0.2.1:-1", NULL},
        {"192.0.2.1:5 ", NULL},
        {":53", NULL},
        {"", NULL},
        {":", NULL},
        {"[]", NULL},
        {"[]:53", NULL},
        {"[192.0.2.1]:53", NULL},
        {"[::1", NULL},
        {"::1]", NULL},
        {"[::1]53", NULL},
        {"[::1]:", NULL},
        {"192.0.2", NULL},
        {"192.0.2.01", NULL},
        {"192.0.2.256", NULL},
        {"localhost:53", NULL},
        {"[fe80::1%lo]:53", NULL},
        {" 192.0.2.1", NULL},
    };
    struct addr a;

    for (size_t i = 0; i < COUNT(cases); i++) {
        enum err e = addr_parse(slice_from(cases[i].text), 5269, &a);

        CHECK_MSG(e == (cases[i].written ? OK : ERR_SYNTAX), "%s", cases[i].text);
        if (cases[i].written)
            CHECK_STR(text_of(&a), cases[i].written);
    }
    CHECK_EQ(addr_parse(SLICE("192.0.2.1\0:53"), 1, &a), ERR_SYNTAX);
    CHECK_EQ(addr_parse(SLICE("192.0.2.1"), 0, &a), ERR_SYNTAX); /* a port is required */
    CHECK_EQ(addr_parse(SLICE("::1"), 0, &a), ERR_SYNTAX);
    CHECK_EQ(addr_parse(SLICE("[::1]"), 0, &a), ERR_SYNTAX);
    CHECK_EQ(addr_parse(SLICE("[::1]:5"), 0, &a), OK);
}

static struct addr ip(const char *text)
{
    struct addr a;

    CHECK_MSG(addr_parse_ip(slice_from(text), 7, &a) == OK, "%s", text);
    return a;
}

TEST(addr, networks_hold_addresses)
{
    static const struct {
        const char *net, *ip;
        bool has;
    } cases[] = {
        {"10.0.0.0/8", "10.255.0.1", true},
        {"10.0.0.0/8", "11.0.0.1", false},
        {"10.1.2.3/8", "10.9.9.9", true}, /* host bits mean nothing */
        {"192.0.2.128/25", "192.0.2.128", true},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.4/31", "192.0.2.5", true},
        {"192.0.2.4/31", "192.0.2.6", false},
        {"192.0.2.4", "192.0.2.4", true},
        {"192.0.2.4", "192.0.2.5", false},
        {"0.0.0.0/0", "1.2.3.4", true},
        {"0.0.0.0/0", "::1", false},
        {"::/0", "::1", true},
        {"::/0", "1.2.3.4", false},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::1/128", "::2", false},
        {"10.0.0.0/8", "::ffff:10.1.1.1", true}, /* mapped ones are IPv4 */
        {"::ffff:10.0.0.0/104", "10.1.1.1", true},
        {"::ffff:10.0.0.0/104", "11.1.1.1", false},
        {"::ffff:0:0/96", "8.8.8.8", true},
        {"::ffff:10.0.0.1", "10.0.0.1", true},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct addr a = ip(cases[i].ip);
        struct addr_net net;

        CHECK_MSG(addr_net_parse(slice_from(cases[i].net), &net) == OK, "%s", cases[i].net);
        CHECK_MSG(addr_net_has(&net, &a) == cases[i].has, "%s %s", cases[i].net, cases[i].ip);
    }
}

TEST(addr, bad_networks)
{
    static const char *const cases[] = {
        "",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/x",
        "10.0.0.0/8/8",
        "10.0.0.0:53/8",
        "10.0/8",
        "::ffff:0:0/95",
        "::ffff:10.0.0.0/8",
    };
    struct addr_net net;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(addr_net_parse(slice_from(cases[i]), &net) == ERR_SYNTAX, "%s", cases[i]);
}

TEST(addr, compares)
{
    struct addr a = ip("192.0.2.1");
    struct addr b = ip("::ffff:192.0.2.1");
    struct addr c = ip("2001:db8::1");
    struct addr none = {.sa.sa_family = AF_UNIX};

    CHECK(addr_same_ip(&a, &b) && addr_eq(&a, &b));
    CHECK(!addr_same_ip(&a, &c));
    addr_set_port(&b, 8);
    CHECK(addr_same_ip(&a, &b) && !addr_eq(&a, &b));
    CHECK_EQ(addr_port(&a), 7);
    CHECK_EQ(addr_port(&b), 8);
    CHECK_EQ(addr_size(&a), sizeof(struct sockaddr_in));
    CHECK_EQ(addr_size(&c), sizeof(struct sockaddr_in6));
    CHECK(!addr_same_ip(&none, &a));
}

TEST(addr, knows_loopback)
{
    static const char *const yes[] = {"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1"};
    static const char *const no[] = {"128.0.0.1", "0.0.0.0", "::", "::2", "::ffff:128.0.0.1"};

    for (size_t i = 0; i < COUNT(yes); i++) {
        struct addr a = ip(yes[i]);

        CHECK_MSG(addr_is_loopback(&a), "%s", yes[i]);
    }
    for (size_t i = 0; i < COUNT(no); i++) {
        struct addr a = ip(no[i]);

        CHECK_MSG(!addr_is_loopback(&a), "%s", no[i]);
    }
}

TEST(addr, the_longest_text_fits)
{
    struct addr a = ip("::ffff:255.255.255.255");
    char buf[ADDR_TEXT_MAX];

    CHECK_STR(addr_format_ip(&a, buf), "::ffff:255.255.255.255");
    a = ip("1111:2222:3333:4444:5555:6666:7777:8888");
    addr_set_port(&a, 65535);
    CHECK_STR(addr_format(&a, buf), "[1111:2222:3333:4444:5555:6666:7777:8888]:65535");
}

TESTS(TEST_OF(addr, reads_addresses_with_port), TEST_OF(addr, networks_hold_addresses),
      TEST_OF(addr, bad_networks), TEST_OF(addr, compares), TEST_OF(addr, knows_loopback),
      TEST_OF(addr, the_longest_text_fits))
