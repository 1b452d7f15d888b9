/* wire/proxyproto: PROXY headers, versions 1 and 2. */
#include "unit/test.h"
#include "wire/proxyproto.h"

#define SIGN "\r\n\r\n\0\r\nQUIT\n"

/* Every true beginning of a good header asks for more; what follows it is not looked at. */
static void check_good(struct slice header, const char *peer)
{
    struct proxy_header h;
    char text[ADDR_TEXT_MAX];
    char more[PROXY_V2_BYTES_MAX + 32];

    for (size_t n = 0; n < header.len; n++)
        CHECK_EQ(proxy_parse(slice_sub(header, 0, n), &h), ERR_AGAIN);
    memcpy(more, header.ptr, header.len);
    memcpy(more + header.len, "<?xml \n", 7);
    CHECK_EQ(proxy_parse(slice_make(more, header.len + 7), &h), OK);
    CHECK_EQ(h.used_bytes, header.len);
    CHECK_EQ(h.known, peer != NULL);
    if (peer)
        CHECK_STR(addr_format(&h.peer, text), peer);
}

TEST(proxyproto, version_1)
{
    static const struct {
        const char *text, *peer;
    } cases[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.7 40000 5269\r\n", "192.0.2.1:40000"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", "255.255.255.255:65535"},
        {"PROXY TCP4 0.0.0.0 0.0.0.0 0 0\r\n", "0.0.0.0:0"},
        {"PROXY TCP6 2001:db8::1 2001:db8::2 40000 5269\r\n", "[2001:db8::1]:40000"},
        {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2\r\n", "[::ffff:192.0.2.1]:1"},
        {"PROXY UNKNOWN\r\n", NULL},
        {"PROXY UNKNOWN ffff::1 x y z\r\n", NULL},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        check_good(slice_from(cases[i].text), cases[i].peer);
    /* the longest there is */
    check_good(SLICE("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                     "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
               NULL);
}

TEST(proxyproto, malformed_version_1)
{
    static const char *const cases[] = {
        "GET / HTTP/1.1\r\n",
        "<?xml version='1.0'?>",
        "PROXX",
        "proxy TCP4 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "PROXY \n",
        "PROXY TCP4\r\n",
        "PROXY TCP5 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY UNKNOWNX\r\n",
        "PROXY UNKNOWN 1\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 12\n",   /* LF alone */
        "PROXY TCP4  1.1.1.1 1.1.1.1 1 1\r\n", /* two spaces */
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 \r\n", /* one at the end */
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 65536 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 1 65536\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 01 1\r\n",
        "PROXY TCP4 1.1.1.1 1.1.1.1 -1 1\r\n",
        "PROXY TCP4 1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP4 1.1.1.1 x 1 1\r\n",
        "PROXY TCP4 ::1 ::1 1 1\r\n",
        "PROXY TCP6 1.1.1.1 1.1.1.1 1 1\r\n",
        "PROXY TCP6 [::1] ::1 1 1\r\n",
        "PROXY TCP6 ::1 1.1.1.1 1 1\r\n",
    };
    struct proxy_header h;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(proxy_parse(slice_from(cases[i]), &h) == ERR_SYNTAX, "%s", cases[i]);
    CHECK_EQ(proxy_parse(SLICE("PROXY TCP4 1.1.1.1\0 1.1.1.1 1 1\r\n"), &h), ERR_SYNTAX);
}

TEST(proxyproto, version_1_ends_within_107_bytes)
{
    char text[200] = "PROXY UNKNOWN ";
    struct proxy_header h;

    memset(text + 14, 'x', sizeof(text) - 14);
    CHECK_EQ(proxy_parse(slice_make(text, 106), &h), ERR_AGAIN);
    CHECK_EQ(proxy_parse(slice_make(text, 107), &h), ERR_LIMIT);
    memcpy(text + 105, "\r\n", 2);
    CHECK_EQ(proxy_parse(slice_make(text, 200), &h), OK);
    memcpy(text + 105, "x\r\n", 3);
    CHECK_EQ(proxy_parse(slice_make(text, 200), &h), ERR_LIMIT);
}

#define IP4 "\xC0\x00\x02\x01\xC6\x33\x64\x07\x9C\x40\x14\x95"
#define IP6                                                                                        \
    "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02"         \
    "\x9C\x40\x14\x95"

TEST(proxyproto, version_2)
{
    check_good(SLICE(SIGN "\x21\x11\x00\x0C" IP4), "192.0.2.1:40000");
    check_good(SLICE(SIGN "\x21\x21\x00\x24" IP6), "[2001:db8::1]:40000");
    /* with extensions */
    check_good(SLICE(SIGN "\x21\x11\x00\x13" IP4 "\x01\x00\x04host"), "192.0.2.1:40000");
    check_good(SLICE(SIGN "\x21\x11\x00\x10" IP4 "\xFF\xFF\xFF\xFF"), "192.0.2.1:40000");
    /* LOCAL, whatever its family says; with and without a body */
    check_good(SLICE(SIGN "\x20\x00\x00\x00"), NULL);
    check_good(SLICE(SIGN "\x20\x11\x00\x0C" IP4), NULL);
    check_good(SLICE(SIGN "\x20\x00\x00\x03xyz"), NULL);
    /* unspecified, Unix, datagrams */
    check_good(SLICE(SIGN "\x21\x00\x00\x00"), NULL);
    check_good(SLICE(SIGN "\x21\x31\x00\x03xyz"), NULL);
    check_good(SLICE(SIGN "\x21\x12\x00\x0C" IP4), NULL);
}

TEST(proxyproto, malformed_version_2)
{
    static const struct slice cases[] = {
        SLICE(SIGN "\x11\x11\x00\x0C" IP4), /* version */
        SLICE(SIGN "\x31\x11\x00\x0C" IP4),
        SLICE(SIGN "\x22\x11\x00\x0C" IP4), /* command */
        SLICE(SIGN "\x21\x41\x00\x0C" IP4), /* family */
        SLICE(SIGN "\x21\x13\x00\x0C" IP4), /* transport */
        SLICE(SIGN "\x21\x11\x00\x0B" IP4), /* too short for its family */
        SLICE(SIGN "\x21\x21\x00\x23" IP6),
        SLICE("\r\n\r\n\0\r\nQUIT\r\x21\x11\x00\x0C" IP4),
        SLICE("\r\n\r\nx"),
    };
    struct proxy_header h;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_EQ(proxy_parse(cases[i], &h), ERR_SYNTAX);
}

TEST(proxyproto, version_2_is_bounded)
{
    char text[PROXY_V2_BYTES_MAX + 1] = SIGN "\x20\x00\x03\xF0"; /* 1008 + 16 */
    struct proxy_header h;

    CHECK_EQ(proxy_parse(slice_make(text, PROXY_V2_BYTES_MAX - 1), &h), ERR_AGAIN);
    CHECK_EQ(proxy_parse(slice_make(text, PROXY_V2_BYTES_MAX), &h), OK);
    text[15] = (char)0xF1;
    CHECK_EQ(proxy_parse(slice_make(text, 16), &h), ERR_LIMIT);
}

TESTS(TEST_OF(proxyproto, version_1), TEST_OF(proxyproto, malformed_version_1),
      TEST_OF(proxyproto, version_1_ends_within_107_bytes), TEST_OF(proxyproto, version_2),
      TEST_OF(proxyproto, malformed_version_2), TEST_OF(proxyproto, version_2_is_bounded))
