/* wire/sasl: EXTERNAL between servers (RFC 6120 6, XEP-0178). */
#include "unit/test.h"

#include "base/encode.h"
#include "wire/sasl.h"

#define NS "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'"

static struct element *element(struct arena *arena, const char *text)
{
    struct element *e;

    CHECK_MSG(xml_parse_element(slice_from(text), arena, &e) == FAULT_NONE, "%s", text);
    return e;
}

/* <auth mechanism='EXTERNAL'> or <response> with base64 of `authzid` */
static enum sasl_verdict take(const char *name, const char *authzid, const char *from,
                              struct domain *d, enum sasl_failure *f)
{
    char text[4096];
    char inner[2048];
    struct arena arena;
    enum sasl_verdict v;

    base64_format(authzid, strlen(authzid), inner);
    snprintf(text, sizeof(text), "<%s " NS " mechanism='EXTERNAL'>%s</%s>", name, inner, name);
    arena_init(&arena);
    v = sasl_external_take(element(&arena, text), slice_from(from), d, f);
    arena_fini(&arena);
    return v;
}

static enum sasl_verdict take_raw(const char *text, const char *from, struct domain *d,
                                  enum sasl_failure *f)
{
    struct arena arena;
    enum sasl_verdict v;

    arena_init(&arena);
    v = sasl_external_take(element(&arena, text), slice_from(from), d, f);
    arena_fini(&arena);
    return v;
}

/* SASL-05, SASL-08: in every spelling */
TEST(sasl, accepts_the_domain_of_the_stream)
{
    static const char *const same[] = {
        "b\u00FCcher.example",
        "B\u00DCCHER.Example",
        "xn--bcher-kva.example",
        "b\u00FCcher.example.",
    };
    static const char *const names[] = {"auth", "response"};
    enum sasl_failure f;
    struct domain d;

    for (size_t i = 0; i < COUNT(same); i++) {
        for (size_t k = 0; k < COUNT(names); k++) {
            CHECK_EQ(take(names[k], same[i], "b\u00FCcher.example", &d, &f), SASL_ACCEPT);
            CHECK_STR(d.text, "b\u00FCcher.example");
        }
    }
}

/* SASL-05, SASL-06, QUIRK-06 */
TEST(sasl, an_empty_identity_is_the_stream_s)
{
    static const char *const texts[] = {
        "<auth " NS " mechanism='EXTERNAL'>=</auth>",
        "<response " NS ">=</response>",
        "<response " NS "/>",
        "<response " NS "></response>",
    };
    enum sasl_failure f;
    struct domain d;

    for (size_t i = 0; i < COUNT(texts); i++) {
        CHECK_EQ(take_raw(texts[i], "a.example", &d, &f), SASL_ACCEPT);
        CHECK_STR(d.text, "a.example");
        /* QUIRK-01: a stream without from has none to stand in */
        CHECK_EQ(take_raw(texts[i], "", &d, &f), SASL_REJECT);
        CHECK_EQ(f, SASL_INVALID_AUTHZID);
    }
    CHECK_EQ(take("auth", "a.example", "", &d, &f), SASL_ACCEPT);
    CHECK_STR(d.text, "a.example");
}

/* SASL-06 */
TEST(sasl, an_auth_without_text_wants_a_response)
{
    enum sasl_failure f;
    struct domain d;

    CHECK_EQ(take_raw("<auth " NS " mechanism='EXTERNAL'/>", "a", &d, &f), SASL_NEEDS_RESPONSE);
    CHECK_EQ(take_raw("<auth " NS " mechanism='EXTERNAL'></auth>", "", &d, &f),
             SASL_NEEDS_RESPONSE);
}

/* SASL-08: RFC 6120 6.3.8, 6.5.6 */
TEST(sasl, refuses_other_identities)
{
    static const char *const others[] = {
        "user@a.example", "a.example/r", "b.example", "x.a.example", "example",
        "a.example:5269", "a.example\n", /* as printed, by mistake, in XEP-0178's examples */
        " a.example",     "*",
    };
    enum sasl_failure f;
    struct domain d = {.len = 9};
    char long_id[1500];

    for (size_t i = 0; i < COUNT(others); i++) {
        CHECK_MSG(take("auth", others[i], "a.example", &d, &f) == SASL_REJECT, "%s", others[i]);
        CHECK_EQ(f, SASL_INVALID_AUTHZID);
    }
    memset(long_id, 'a', sizeof(long_id) - 1);
    long_id[sizeof(long_id) - 1] = '\0';
    CHECK_EQ(take("auth", long_id, "a.example", &d, &f), SASL_REJECT);
    CHECK_EQ(f, SASL_INVALID_AUTHZID);
    CHECK_EQ(
        take_raw("<auth " NS " mechanism='EXTERNAL'>YS5leGFtcGxlAA==</auth>", "a.example", &d, &f),
        SASL_REJECT); /* a NUL at the end */
    CHECK_EQ(f, SASL_INVALID_AUTHZID);
    CHECK_EQ(d.len, 9);
}

/* SASL-09: RFC 6120 13.9.1 */
TEST(sasl, base64_is_strict)
{
    static const char *const texts[] = {
        "=AAA",
        "BBBB=CCC",
        "YS5l\neGFtcGxl",
        "YS5leGFtcGxl ",
        " ",
        "====",
        "==",
        "YS5leGFtcGx",
        "YS5leGFtcGxlMR==", /* pad bits */
        "YS5leGFtcGxl!!!!",
        "\u00FC",
    };
    enum sasl_failure f;
    struct domain d;
    char text[12000];

    for (size_t i = 0; i < COUNT(texts); i++) {
        snprintf(text, sizeof(text), "<auth " NS " mechanism='EXTERNAL'>%s</auth>", texts[i]);
        CHECK_MSG(take_raw(text, "a.example", &d, &f) == SASL_REJECT, "%s", texts[i]);
        CHECK_EQ(f, SASL_INCORRECT_ENCODING);
    }
    snprintf(text, sizeof(text), "<response " NS ">%010000d!!!!</response>", 0); /* noise */
    CHECK_EQ(take_raw(text, "a.example", &d, &f), SASL_REJECT);
    CHECK_EQ(f, SASL_INCORRECT_ENCODING);
}

/* SASL-10 */
TEST(sasl, other_mechanisms_are_invalid)
{
    static const char *const texts[] = {
        "<auth " NS ">YS5leGFtcGxl</auth>",
        "<auth " NS " mechanism=''>YS5leGFtcGxl</auth>",
        "<auth " NS " mechanism='PLAIN'>YS5leGFtcGxl</auth>",
        "<auth " NS " mechanism='external'/>",
    };
    enum sasl_failure f;
    struct domain d;

    for (size_t i = 0; i < COUNT(texts); i++) {
        CHECK_EQ(take_raw(texts[i], "a.example", &d, &f), SASL_REJECT);
        CHECK_EQ(f, SASL_INVALID_MECHANISM);
    }
}

TEST(sasl, kinds)
{
    static const struct {
        const char *name;
        enum sasl_kind kind;
    } cases[] = {
        {"auth", SASL_AUTH},        {"response", SASL_RESPONSE}, {"challenge", SASL_CHALLENGE},
        {"success", SASL_SUCCESS},  {"failure", SASL_FAILURE},   {"abort", SASL_ABORT},
        {"mechanisms", SASL_OTHER}, {"Auth", SASL_OTHER},
    };
    enum sasl_kind kind;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct element e = {.ns = SLICE("urn:ietf:params:xml:ns:xmpp-sasl"),
                            .name = slice_from(cases[i].name)};

        CHECK(sasl_parse_kind(&e, &kind));
        CHECK_EQ(kind, cases[i].kind);
        e.ns = SLICE("jabber:server");
        CHECK(!sasl_parse_kind(&e, &kind));
    }
}

/* SASL-12: unknown conditions count as not-authorized */
TEST(sasl, reads_failures)
{
    static const struct {
        const char *inner, *condition;
    } cases[] = {
        {"<invalid-authzid/>", "invalid-authzid"},
        {"<temporary-auth-failure/><text>x</text>", "temporary-auth-failure"},
        {"<text>x</text><account-disabled/>", "account-disabled"},
        {"<text>x</text>", "not-authorized"},
        {"<gone-fishing/>", "not-authorized"},
        {"<aborted xmlns='other'/>", "not-authorized"},
        {"", "not-authorized"},
    };
    struct arena arena;
    char text[512];

    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof(text), "<failure " NS ">%s</failure>", cases[i].inner);
        CHECK_SLICE(sasl_failure_condition(element(&arena, text)), cases[i].condition);
    }
    arena_fini(&arena);
}

/* SASL-04, SASL-07: base64 of the domain, never an empty element; QUIRK-06 says why */
TEST(sasl, writes_elements)
{
    struct byteq out;

    byteq_init(&out);
    sasl_format_auth(SLICE("conference.example.org"), &out);
    CHECK_SLICE(byteq_slice(&out), "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                                   "mechanism='EXTERNAL'>Y29uZmVyZW5jZS5leGFtcGxlLm9yZw==</auth>");
    byteq_clear(&out);
    sasl_format_response(SLICE("a.example"), &out);
    CHECK_SLICE(byteq_slice(&out), "<response " NS ">YS5leGFtcGxl</response>");
    byteq_clear(&out);
    sasl_format_response(slice_none(), &out);
    CHECK_SLICE(byteq_slice(&out), "<response " NS ">=</response>");
    byteq_clear(&out);
    sasl_format_challenge(&out);
    sasl_format_success(&out);
    CHECK_SLICE(byteq_slice(&out), "<challenge " NS "/><success " NS "/>");
    byteq_clear(&out);
    sasl_format_failure(SASL_TEMPORARY_FAILURE, &out);
    CHECK_SLICE(byteq_slice(&out), "<failure " NS "><temporary-auth-failure/></failure>");
    byteq_fini(&out);
}

TESTS(TEST_OF(sasl, accepts_the_domain_of_the_stream),
      TEST_OF(sasl, an_empty_identity_is_the_stream_s),
      TEST_OF(sasl, an_auth_without_text_wants_a_response), TEST_OF(sasl, refuses_other_identities),
      TEST_OF(sasl, base64_is_strict), TEST_OF(sasl, other_mechanisms_are_invalid),
      TEST_OF(sasl, kinds), TEST_OF(sasl, reads_failures), TEST_OF(sasl, writes_elements))
