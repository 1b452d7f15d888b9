#include "unit/test.h"

#include "base/arena.h"
#include "wire/features.h"
#include "wire/ns.h"

#define OPEN "<f:features xmlns:f='" NS_STREAM "'>"

static struct features parse(const char *children)
{
    struct arena arena;
    struct element *e;
    struct features f;
    char text[2048];

    arena_init(&arena);
    snprintf(text, sizeof(text), OPEN "%s</f:features>", children);
    CHECK_MSG(xml_parse_element(slice_from(text), &arena, &e) == FAULT_NONE, "%s", text);
    features_parse(e, &f);
    arena_fini(&arena);
    return f;
}

#define STARTTLS_MUST "<starttls xmlns='" NS_TLS "'><required/></starttls>"
#define STARTTLS_MAY  "<starttls xmlns='" NS_TLS "'/>"
#define MECHANISMS(m) "<mechanisms xmlns='" NS_SASL "'>" m "</mechanisms>"
#define DIALBACK_OLD  "<dialback xmlns='" NS_DIALBACK_FEATURE "'/>"
#define DIALBACK      "<dialback xmlns='" NS_DIALBACK_FEATURE "'><errors/></dialback>"
#define UNKNOWN       "<x xmlns='urn:x'/>"
#define UNKNOWN_MUST  "<x xmlns='urn:x'><required/></x>"

TEST(features, reads_what_is_offered)
{
    CHECK(!parse("").anything);
    CHECK(parse(UNKNOWN).anything);
    CHECK(parse(STARTTLS_MAY).starttls && !parse(STARTTLS_MAY).starttls_required);
    CHECK(parse(STARTTLS_MUST).starttls && parse(STARTTLS_MUST).starttls_required);
    CHECK(parse(DIALBACK).dialback && parse(DIALBACK).dialback_errors); /* XEP-0220 2.4.2 */
    CHECK(parse(DIALBACK_OLD).dialback && !parse(DIALBACK_OLD).dialback_errors);
    CHECK(!parse("<starttls/><mechanisms/><dialback xmlns='" NS_DIALBACK "'/>").starttls);
}

TEST(features, finds_external_among_the_mechanisms)
{
    CHECK(!parse(MECHANISMS("")).external && parse(MECHANISMS("")).mechanisms);
    CHECK(parse(MECHANISMS("<mechanism>EXTERNAL</mechanism>")).external);
    CHECK(parse(MECHANISMS("<mechanism>PLAIN</mechanism><mechanism>\n EXTERNAL </mechanism>"))
              .external);
    CHECK(!parse(MECHANISMS("<mechanism>EXTERNALLY</mechanism>")).external);
    CHECK(!parse(MECHANISMS("<mechanism xmlns='u'>EXTERNAL</mechanism>")).external);
    CHECK(!parse("<mechanisms xmlns='u'><mechanism>EXTERNAL</mechanism></mechanisms>").mechanisms);
}

TEST(features, order_means_nothing) /* STREAM-11, RFC 6120 4.3.2 */
{
    static const char *const orders[] = {
        STARTTLS_MUST UNKNOWN MECHANISMS("<mechanism>EXTERNAL</mechanism>") DIALBACK,
        DIALBACK MECHANISMS("<mechanism>EXTERNAL</mechanism>") UNKNOWN STARTTLS_MUST,
        UNKNOWN DIALBACK STARTTLS_MUST MECHANISMS("<mechanism>EXTERNAL</mechanism>"),
    };

    for (size_t i = 0; i < COUNT(orders); i++) {
        struct features f = parse(orders[i]);

        CHECK(f.starttls && f.starttls_required && f.mechanisms && f.external && f.dialback);
        CHECK(f.dialback_errors && !f.unknown_required && f.anything);
    }
}

TEST(features, sees_what_it_does_not_know_and_must) /* STREAM-11, RFC 6120 4.9.3.23 */
{
    CHECK(parse(UNKNOWN_MUST).unknown_required);
    CHECK(parse("<x xmlns='urn:x'><required xmlns='urn:y'/></x>").unknown_required);
    CHECK(!parse(UNKNOWN STARTTLS_MUST).unknown_required);
    CHECK(parse(STARTTLS_MAY UNKNOWN_MUST).unknown_required);
    CHECK(!parse(MECHANISMS("<required/>")).unknown_required);
}

TEST(features, reads_limits) /* LIMIT-07, XEP-0478 3.1 */
{
    static const struct {
        const char *children;
        uint64_t max_bytes;
        uint64_t idle_seconds;
    } cases[] = {
        {"<max-bytes>10000</max-bytes><idle-seconds>1800</idle-seconds>", 10000, 1800},
        {"<idle-seconds> 7\n</idle-seconds>", 0, 7},
        {"<max-bytes>18446744073709551615</max-bytes>", UINT64_MAX, 0},
        {"<max-bytes>18446744073709551616</max-bytes>", 0, 0},
        {"<max-bytes>-1</max-bytes><idle-seconds>x</idle-seconds>", 0, 0},
        {"<max-bytes/>", 0, 0},
        {"", 0, 0},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[512];
        struct features f;

        snprintf(text, sizeof(text), "<limits xmlns='" NS_LIMITS "'>%s</limits>",
                 cases[i].children);
        f = parse(text);
        CHECK_EQ(f.max_bytes, cases[i].max_bytes);
        CHECK_EQ(f.idle_seconds, cases[i].idle_seconds);
    }
}

static const char *formatted(const struct features *f)
{
    static char text[2048];
    struct byteq q;

    byteq_init(&q);
    features_format(f, &q);
    CHECK(slice_to_cstr(byteq_slice(&q), text, sizeof(text)));
    byteq_fini(&q);
    return text;
}

TEST(features, writes_what_we_offer)
{
    static const struct features none;
    static const struct features all = {.starttls = true,
                                        .starttls_required = true,
                                        .external = true,
                                        .dialback = true,
                                        .dialback_errors = true,
                                        .max_bytes = 262144,
                                        .idle_seconds = 900};
    static const struct features some = {.starttls = true, .dialback = true};

    CHECK_STR(formatted(&none), "<stream:features></stream:features>");
    CHECK_STR(formatted(&all),
              "<stream:features>" STARTTLS_MUST MECHANISMS("<mechanism>EXTERNAL</mechanism>")
                  DIALBACK
              "<limits xmlns='" NS_LIMITS
              "'><max-bytes>262144</max-bytes><idle-seconds>900</idle-seconds></limits>"
              "</stream:features>");
    CHECK_STR(formatted(&some), "<stream:features>" STARTTLS_MAY DIALBACK_OLD "</stream:features>");
}

TESTS(TEST_OF(features, reads_what_is_offered),
      TEST_OF(features, finds_external_among_the_mechanisms),
      TEST_OF(features, order_means_nothing),
      TEST_OF(features, sees_what_it_does_not_know_and_must), TEST_OF(features, reads_limits),
      TEST_OF(features, writes_what_we_offer))
