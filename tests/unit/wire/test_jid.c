/* wire/jid: splitting and checking of addresses (RFC 7622). */
#include "unit/test.h"
#include "wire/jid.h"

static char long_text[4096];

/* `n` times 'a' between two texts. */
static struct slice stretched(const char *before, size_t n, const char *after)
{
    size_t at = strlen(before);

    memcpy(long_text, before, at);
    memset(long_text + at, 'a', n);
    memcpy(long_text + at + n, after, strlen(after));
    return slice_make(long_text, at + n + strlen(after));
}

/* JID-01: RFC 7622 3.2 and examples 1 to 15 of 3.5 */
TEST(jid, splits_at_first_slash_then_first_at)
{
    static const struct {
        const char *text, *local, *domain, *resource;
    } cases[] = {
        {"juliet@example.com", "juliet", "example.com", ""},
        {"juliet@example.com/foo", "juliet", "example.com", "foo"},
        {"juliet@example.com/foo bar", "juliet", "example.com", "foo bar"},
        {"juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"},
        {"foo\\20bar@example.com", "foo\\20bar", "example.com", ""},
        {"fussball@example.com", "fussball", "example.com", ""},
        {"fu\xC3\x9F"
         "ball@example.com",
         "fu\xC3\x9F"
         "ball",
         "example.com", ""},
        {"\xCF\x80@example.com", "\xCF\x80", "example.com", ""},
        {"\xCE\xA3@example.com/foo", "\xCE\xA3", "example.com", "foo"},
        {"king@example.com/\xE2\x99\x9A", "king", "example.com", "\xE2\x99\x9A"},
        {"example.com", "", "example.com", ""},
        {"example.com/foobar", "", "example.com", "foobar"},
        {"a.example.com/b@example.net", "", "a.example.com", "b@example.net"},
        {"d/foo/bar@baz", "", "d", "foo/bar@baz"},     /* JID-09 */
        {"a@b@c", "a", "b@c", ""},                     /* domain_parse refuses it */
        {"a@example.org./r", "a", "example.org", "r"}, /* JID-03 */
        {"a\xEF\xB9\xAB@b", "a\xEF\xB9\xAB", "b", ""}, /* U+FE6B is no separator */
        {"a\xEF\xB9\xAB"
         "b.example",
         "",
         "a\xEF\xB9\xAB"
         "b.example",
         ""},
        {"[::1]/x", "", "[::1]", "x"},
    };
    struct jid jid;

    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_MSG(jid_parse(slice_from(cases[i].text), false, &jid) == OK, "%s", cases[i].text);
        CHECK_SLICE(jid.local, cases[i].local);
        CHECK_SLICE(jid.domain, cases[i].domain);
        CHECK_SLICE(jid.resource, cases[i].resource);
    }
}

/* JID-02, JID-03: an empty part behind or before its separator, in both modes */
TEST(jid, rejects_bad_text)
{
    static const char *const cases[] = {
        "",
        ".",
        "@there.example", /* RFC 7622 3.3: a local part is never empty */
        "there.example/", /* 3.4: nor is a resource once '/' is there */
        "a@there.example/",
        "/r",
        "a@/r",
        "a@",
        "a@.",
        "a@there.example..", /* 3.2: one final dot is nothing, two are an empty label */
        "@",
        "/",
        "a@b/\x01",         /* a control in the resource */
        "a\tb@c",           /* in the local part */
        "a@b\n.c",          /* in the domain */
        "a\x7F@b",          /* DEL */
        "a\xC0\x80@b",      /* overlong */
        "a@b/\xED\xA0\x80", /* a surrogate */
        "a@b\xFF",
        "a@b/\xE2\x99", /* truncated */
    };
    struct jid jid;

    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_MSG(jid_parse(slice_from(cases[i]), false, &jid) == ERR_SYNTAX, "%s", cases[i]);
        CHECK_MSG(jid_parse(slice_from(cases[i]), true, &jid) == ERR_SYNTAX, "%s", cases[i]);
    }
    CHECK_EQ(jid_parse(SLICE("a\0b@c"), false, &jid), ERR_SYNTAX);
}

/* JID-02 */
TEST(jid, parts_end_at_1023_bytes)
{
    struct jid jid;

    CHECK_EQ(jid_parse(stretched("", 1023, "@b"), true, &jid), OK);
    CHECK_EQ(jid_parse(stretched("", 1024, "@b"), true, &jid), ERR_SYNTAX);
    CHECK_EQ(jid_parse(stretched("b/", 1023, ""), true, &jid), OK);
    CHECK_EQ(jid_parse(stretched("b/", 1024, ""), true, &jid), ERR_SYNTAX);
    CHECK_EQ(jid_parse(stretched("x@", 1023, "/r"), true, &jid), OK);
    CHECK_EQ(jid_parse(stretched("x@", 1024, "/r"), true, &jid), ERR_SYNTAX);
    CHECK_EQ(jid_parse(stretched("x@b/r", 3071 - 5, ""), true, &jid), ERR_SYNTAX);
}

/* JID-08 for our own components, JID-11 for everybody else: RFC 7622 3.3.1 */
TEST(jid, local_rules_bind_our_components_only)
{
    static const char *const cases[] = {
        "a b@c", "a\"b@c", "a&b@c", "a'b@c", "a:b@c", "a<b@c", "a>b@c", "xmpp:a@c" /* JID-12 */,
    };
    struct jid jid;

    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK_MSG(jid_parse(slice_from(cases[i]), true, &jid) == ERR_SYNTAX, "%s", cases[i]);
        CHECK_MSG(jid_parse(slice_from(cases[i]), false, &jid) == OK, "%s", cases[i]);
        CHECK_SLICE(jid.domain, "c");
    }
}

/* JID-09: resources keep case and may hold what local parts may not */
TEST(jid, resources_are_left_alone)
{
    struct jid jid;

    CHECK_EQ(jid_parse(SLICE("a@b/Foo Bar\"&'/:<>@"), true, &jid), OK);
    CHECK_SLICE(jid.resource, "Foo Bar\"&'/:<>@");
}

TEST(jid, failure_leaves_the_result_alone)
{
    struct jid jid = {.domain = SLICE("before")};

    CHECK_EQ(jid_parse(SLICE("a@"), false, &jid), ERR_SYNTAX);
    CHECK_SLICE(jid.domain, "before");
}

TESTS(TEST_OF(jid, splits_at_first_slash_then_first_at), TEST_OF(jid, rejects_bad_text),
      TEST_OF(jid, parts_end_at_1023_bytes), TEST_OF(jid, local_rules_bind_our_components_only),
      TEST_OF(jid, resources_are_left_alone), TEST_OF(jid, failure_leaves_the_result_alone))
