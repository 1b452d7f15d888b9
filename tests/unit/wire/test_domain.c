/* wire/jid: domains, their normal form, their A-label form, patterns. */
#include "unit/test.h"
#include "wire/jid.h"

#define A63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz1"
#define A61 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"

/* JID-03, JID-04, JID-06, JID-07: text, normal form, A-label form */
static const struct {
    const char *text, *normal, *ascii;
} good[] = {
    {"example.org", "example.org", "example.org"},
    {"example.org.", "example.org", "example.org"},
    {"Example.ORG", "example.org", "example.org"},
    {"localhost", "localhost", "localhost"},
    {"a", "a", "a"},
    {"1a.2b", "1a.2b", "1a.2b"},
    {"1.2.3.4.example", "1.2.3.4.example", "1.2.3.4.example"},
    {"3-4", "3-4", "3-4"},
    {"a-b--c.example", "a-b--c.example", "a-b--c.example"}, /* hyphens, but not at 3 and 4 */
    {"x-n--a.example", "x-n--a.example", "x-n--a.example"},
    {A63 ".example", A63 ".example", A63 ".example"},
    /* 253 bytes */
    {A63 "." A63 "." A63 "." A61 ".", A63 "." A63 "." A63 "." A61, NULL},
    /* A-labels, in any case; U-labels, in any case and composition */
    {"xn--bcher-kva.example", "b\u00FCcher.example", "xn--bcher-kva.example"},
    {"XN--BCHER-KVA.Example", "b\u00FCcher.example", "xn--bcher-kva.example"},
    {"B\u00DCcher.example", "b\u00FCcher.example", "xn--bcher-kva.example"},
    {"bu\u0308cher.example.", "b\u00FCcher.example", "xn--bcher-kva.example"},
    {"BU\u0308CHER.example", "b\u00FCcher.example", "xn--bcher-kva.example"},
    {"stra\u00DFe.example", "stra\u00DFe.example", "xn--strae-oqa.example"}, /* IDNA2008 keeps it */
    {"STRA\u1E9EE.example", "stra\u00DFe.example", "xn--strae-oqa.example"},
    {"\u0130.example", "i\u0307.example", "xn--i-9bb.example"},
    {"\u4F8B\u3048.\u30C6\u30B9\u30C8", "\u4F8B\u3048.\u30C6\u30B9\u30C8", NULL},
    {"\uFF21\uFF42\uFF43.example", "abc.example", "abc.example"}, /* full width */
    {"\uFF76\uFF9E\u4E00.example", "\u30AC\u4E00.example", NULL}, /* half width, voiced */
    {"a\u3002b\uFF0Ec\uFF61"
     "d",
     "a.b.c.d", "a.b.c.d"}, /* RFC 5895 2(4) */
    {"\u05D0\u05D11.example", "\u05D0\u05D11.example", "xn--1-zhcd.example"},
    {"l\u00B7l.cat", "l\u00B7l.cat", "xn--ll-0ea.cat"}, /* CONTEXTO, rule holds */
    {"\u0915\u094D\u200D\u0937.example", "\u0915\u094D\u200D\u0937.example", NULL}, /* CONTEXTJ */
    {"\u0100\u0101.example", "\u0101\u0101.example", NULL},
    {"\u13A0.example", "\u13A0.example", NULL}, /* Cherokee: lower case is the disallowed one */
    /* literals */
    {"192.0.2.1", "192.0.2.1", "192.0.2.1"},
    {"192.0.2.1.", "192.0.2.1", "192.0.2.1"},
    {"[::1]", "[::1]", "::1"},
    {"[2001:DB8:0::0:1]", "[2001:db8::1]", "2001:db8::1"},
    {"[::FFFF:192.0.2.1]", "[::ffff:192.0.2.1]", "::ffff:192.0.2.1"},
};

TEST(domain, has_one_normal_form)
{
    struct domain d;
    char ascii[254];

    for (size_t i = 0; i < COUNT(good); i++) {
        CHECK_MSG(domain_parse(slice_from(good[i].text), &d) == OK, "%s", good[i].text);
        CHECK_SLICE(domain_slice(&d), good[i].normal);
        CHECK_STR(d.text, good[i].normal);
        CHECK_EQ(domain_to_ascii(domain_slice(&d), ascii, sizeof(ascii)), OK);
        if (good[i].ascii)
            CHECK_STR(ascii, good[i].ascii);
    }
}

/* JID-06: all spellings of a name are one key; the form is its own form */
TEST(domain, normal_form_of_both_forms_is_the_same)
{
    struct domain d;
    struct domain again;
    char ascii[254];

    for (size_t i = 0; i < COUNT(good); i++) {
        CHECK_EQ(domain_parse(slice_from(good[i].text), &d), OK);
        CHECK_EQ(domain_parse(domain_slice(&d), &again), OK);
        CHECK(slice_eq(domain_slice(&d), domain_slice(&again)));
        if (d.ip)
            continue;
        CHECK_EQ(domain_to_ascii(domain_slice(&d), ascii, sizeof(ascii)), OK);
        CHECK_EQ(domain_parse(slice_from(ascii), &again), OK);
        CHECK(slice_eq(domain_slice(&d), domain_slice(&again)));
    }
}

/* JID-03, JID-04, JID-05, JID-07, JID-12 */
TEST(domain, rejects_what_is_none)
{
    static const char *const cases[] = {
        "",
        ".",
        "example.org..", /* one dot goes, not two */
        ".example.org",
        "a..b",
        "example.org:5269", /* JID-05: never a port */
        "[::1]:5269",
        "192.0.2.1:5269",
        "xmpp:example.org", /* JID-12 */
        "::1",              /* JID-04: IPv6 needs brackets */
        "[192.0.2.1]",
        "[]",
        "[::1",
        "[fe80::1%lo]",
        "[fe80::1%25lo]",
        "[v1.x]",
        "1.2.3", /* the last label is never all digits but in an IPv4 address */
        "256.1.1.1",
        "1.2.3.4.5",
        "01.2.3.4",
        "127",
        "\uFF11\uFF12.\uFF11.\uFF11.\uFF11",
        "a_b.example", /* no LDH label */
        "_xmpp-server._tcp.example",
        "a b.example",
        "a@b",
        "a/b",
        "*.example",
        "-a.example",
        "a-.example",
        "ab--c.example", /* hyphens in third and fourth place */
        A63 "x.example",
        A63 "." A63 "." A63 "." A61 "y", /* 254 bytes */
        /* A-labels that are none */
        "xn--.example",
        "xn--a.example",        /* a control character */
        "xn--abc-.example",     /* plain ASCII in disguise */
        "xn--bcher-kv.example", /* broken Punycode */
        "xn--\u00FC.example",
        "xn--bucher-xyd.example", /* not composed (NFC): leads back elsewhere */
        "xn--strasse-.example",
        "xn--bcher-2pa.example", /* upper case inside */
        /* U-labels that are none */
        "\u0300a.example",    /* leading combining mark */
        "ab--\u00FC.example", /* reserved hyphens */
        "-\u00FC.example",
        "\u00FC-.example",
        "a\u00B7b.example", /* CONTEXTO: middle dot only between two l */
        "a\u200Db.example", /* CONTEXTJ */
        "a\u00ADb.example", /* soft hyphen: a second spelling of ab */
        "a\u200Bb.example", /* zero width space */
        "\u2603.example",   /* a symbol */
        "\U0001F600.example",
        "\uFB01.example", /* a ligature: compatibility is not mapped */
        "\u00B2.example", /* superscript two, the same */
        "a\uFE6B"
        "b.example", /* small commercial at */
        "a\uFF20"
        "b.example", /* full-width commercial at */
        "a\uFF0F"
        "b.example", /* full-width solidus */
        "a\uFF1A"
        "1",               /* full-width colon */
        "a\u037E.example", /* NFC of it is a semicolon */
        "\u05D0a.example", /* RFC 5893 2: mixed directions */
        "1\u05D0.example",
        "\u0661.example",            /* Arabic digits alone */
        "3com.\u05D0\u05D1.example", /* a digit first beside a right-to-left label */
        "\U000E0001.example",
        "\xC3.example", /* no UTF-8 */
        "\xED\xA0\x80.example",
        "\uFFFE.example",
        "a\nb",
        "a\x7F",
    };
    struct domain d = {.len = 7};

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(domain_parse(slice_from(cases[i]), &d) == ERR_SYNTAX, "%s", cases[i]);
    CHECK_EQ(domain_parse(SLICE("a\0b"), &d), ERR_SYNTAX);
    CHECK_EQ(d.len, 7);
}

/* RFC 1034 3.1: 63 and 253 count A-labels, whatever the U-labels' lengths (JID-07) */
TEST(domain, dns_limits_count_a_labels)
{
    char text[2048];
    size_t longest = 0;
    struct domain d;
    char ascii[254];

    for (size_t n = 1; n < 80; n++) {
        for (size_t i = 0; i < n; i++)
            memcpy(text + 2 * i, "\xC3\xBC", 2);
        if (domain_parse(slice_make(text, 2 * n), &d) == OK)
            longest = n;
    }
    CHECK(longest > 40 && longest < 60);
    CHECK_EQ(domain_parse(slice_make(text, 2 * longest), &d), OK);
    CHECK_EQ(domain_to_ascii(domain_slice(&d), ascii, sizeof(ascii)), OK);
    CHECK(strlen(ascii) <= 63);

    text[0] = '\0';
    for (int i = 0; i < 19; i++)
        strcat(text, "xn--bcher-kva."); /* 14 bytes each: 18 fit into 253, 19 do not */
    CHECK_EQ(domain_parse(slice_make(text, 18 * 14), &d), OK);
    CHECK_EQ(domain_to_ascii(domain_slice(&d), ascii, sizeof(ascii)), OK);
    CHECK_EQ(strlen(ascii), 18 * 14 - 1);
    CHECK_EQ(domain_parse(slice_make(text, 19 * 14), &d), ERR_SYNTAX);
    CHECK_EQ(domain_to_ascii(domain_slice(&d), ascii, 18 * 14 - 1), ERR_LIMIT);
}

TEST(domain, knows_addresses)
{
    struct domain d;

    CHECK_EQ(domain_parse(SLICE("192.0.2.1"), &d), OK);
    CHECK(d.ip);
    CHECK_EQ(domain_parse(SLICE("[::1]"), &d), OK);
    CHECK(d.ip);
    CHECK_EQ(domain_parse(SLICE("example.org"), &d), OK);
    CHECK(!d.ip);
    CHECK_EQ(domain_parse(SLICE("b\u00FCcher.example"), &d), OK);
    CHECK(!d.ip);
}

/* What the fast path calls normal is its own normal form; every plain name takes it. */
TEST(domain, fast_path_agrees_with_the_slow_one)
{
    static const char alphabet[] = "abz019--..A_";
    struct domain d;
    char text[9];

    for (unsigned long n = 0; n < 400000; n++) {
        unsigned long v = n * 2654435761u;
        size_t len = 1 + v % 8;

        for (size_t i = 0; i < len; i++, v /= 7)
            text[i] = alphabet[v % (sizeof(alphabet) - 1)];
        if (domain_is_normal(slice_make(text, len))) {
            CHECK_EQ(domain_parse(slice_make(text, len), &d), OK);
            CHECK(slice_eq(domain_slice(&d), slice_make(text, len)));
        } else if (domain_parse(slice_make(text, len), &d) == OK && !d.ip) {
            CHECK(!slice_eq(domain_slice(&d), slice_make(text, len)));
        }
    }
    for (size_t i = 0; i < COUNT(good); i++)
        if (domain_is_normal(slice_from(good[i].text)))
            CHECK_STR(good[i].text, good[i].normal);
    CHECK(domain_is_normal(SLICE("conference.xn.example-1.org")));
}

static size_t put_utf8(uint32_t c, char *to)
{
    size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;

    for (size_t i = n; i-- > 1; c >>= 6)
        to[i] = (char)(0x80 | (c & 0x3F));
    to[0] = (char)(n == 1 ? c : (0xF00u >> n & 0xF0) | c);
    return n;
}

/* JID-06: alone, behind and before a letter; whatever maps, maps to something that stays */
TEST(domain, every_character_has_a_stable_form)
{
    static const char *const frames[][2] = {{"", ""}, {"a", ""}, {"", "a"}};
    unsigned taken = 0;

    for (uint32_t c = 1; c < 0x110000; c += c < 0x20000 ? 1 : 97) {
        if (c >= 0xD800 && c < 0xE000)
            continue;
        for (size_t f = 0; f < COUNT(frames); f++) {
            size_t before = strlen(frames[f][0]);
            char text[16] = "a";
            char ascii[254];
            struct domain d;
            struct domain again;
            size_t n = before + put_utf8(c, text + before);

            n += (size_t)sprintf(text + n, "%s", frames[f][1]);
            if (domain_parse(slice_make(text, n), &d))
                continue;
            taken++;
            CHECK_EQ(domain_parse(domain_slice(&d), &again), OK);
            CHECK_MSG(slice_eq(domain_slice(&d), domain_slice(&again)), "U+%04X", c);
            CHECK_EQ(domain_to_ascii(domain_slice(&d), ascii, sizeof(ascii)), OK);
            CHECK_EQ(domain_parse(slice_from(ascii), &again), OK);
            CHECK_MSG(slice_eq(domain_slice(&d), domain_slice(&again)), "U+%04X", c);
        }
    }
    CHECK(taken > 150000); /* the test itself sees letters, not refusals only */
}

TEST(domain, ascii_form_needs_room)
{
    char buf[16];

    CHECK_EQ(domain_to_ascii(SLICE("abcdefgh.example"), buf, sizeof(buf)), ERR_LIMIT);
    CHECK_EQ(domain_to_ascii(SLICE("abcdefg.example"), buf, sizeof(buf)), OK);
    CHECK_STR(buf, "abcdefg.example");
    CHECK_EQ(domain_to_ascii(SLICE("\u00FC.example"), buf, sizeof(buf)), OK);
    CHECK_STR(buf, "xn--tda.example");
    CHECK_EQ(domain_to_ascii(SLICE("\u00FC.examples"), buf, sizeof(buf)), ERR_LIMIT);
}

TEST(domain, patterns_fit_whole_labels)
{
    static const struct {
        const char *domain, *pattern;
        bool fits;
    } cases[] = {
        {"a.b.example", "*.b.example", true},
        {"a.b.example", "*.example", true},
        {"b.example", "*.b.example", false}, /* one label at least */
        {"ab.example", "*.b.example", false},
        {"b.example", "b.example", true},
        {"a.b.example", "b.example", false},
        {"b.example", "*", true},
        {"[::1]", "*", true},
        {"example", "*.example", false},
        {".example", "*.example", false},
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(domain_fits(slice_from(cases[i].domain), slice_from(cases[i].pattern)) ==
                      cases[i].fits,
                  "%s %s", cases[i].domain, cases[i].pattern);
}

TEST(domain, patterns_have_a_normal_form)
{
    static const struct {
        const char *text, *normal; /* NULL: none */
    } cases[] = {
        {"*", "*"},
        {"*.Example.", "*.example"},
        {"*.xn--bcher-kva.example", "*.b\u00FCcher.example"},
        {"Example", "example"},
        {"[::0]", "[::]"},
        {"*.", NULL},
        {"*.*.example", NULL},
        {"a*.example", NULL},
        {"**", NULL},
        {"", NULL},
        {"*.192.0.2.1", NULL},
        {"a.*.example", NULL},
    };
    struct domain d;

    for (size_t i = 0; i < COUNT(cases); i++) {
        enum err e = domain_pattern_parse(slice_from(cases[i].text), &d);

        CHECK_MSG(e == (cases[i].normal ? OK : ERR_SYNTAX), "%s", cases[i].text);
        if (cases[i].normal)
            CHECK_STR(d.text, cases[i].normal);
    }
}

TESTS(TEST_OF(domain, has_one_normal_form), TEST_OF(domain, normal_form_of_both_forms_is_the_same),
      TEST_OF(domain, rejects_what_is_none), TEST_OF(domain, dns_limits_count_a_labels),
      TEST_OF(domain, knows_addresses), TEST_OF(domain, fast_path_agrees_with_the_slow_one),
      TEST_OF(domain, every_character_has_a_stable_form), TEST_OF(domain, ascii_form_needs_room),
      TEST_OF(domain, patterns_fit_whole_labels), TEST_OF(domain, patterns_have_a_normal_form))
