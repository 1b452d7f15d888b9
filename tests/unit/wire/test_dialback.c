/* wire/dialback: keys of XEP-0185, elements of XEP-0220. */
#include "unit/test.h"
#include "wire/dialback.h"
#include "wire/jid.h"

/* KEY-01 and section 0: the published keys */
static const struct {
    const char *secret, *receiving, *originating, *id, *key;
} vectors[] = {
    {"s3cr3tf0rd14lb4ck", "xmpp.example.com", "example.org", "D60000229F",
     "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"}, /* XEP-0185 3 */
    {"s3cr3tf0rd14lb4ck", "montague.example", "capulet.example", "D60000229F",
     "b4835385f37fe2895af6c196b59097b16862406db80559900d96bf6fa7d23df3"}, /* XEP-0220 2.1.1 */
    {"d14lb4ck43v3r", "capulet.example", "montague.example", "417GAF25",
     "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"}, /* XEP-0220 2.2.2 */
};

TEST(dialback, published_keys)
{
    for (size_t i = 0; i < COUNT(vectors); i++) {
        struct dialback_secrets s;
        char key[DIALBACK_KEY_LEN + 1];

        dialback_secrets_set(&s, slice_from(vectors[i].secret), slice_none());
        dialback_key(&s, slice_from(vectors[i].receiving), slice_from(vectors[i].originating),
                     slice_from(vectors[i].id), key);
        CHECK_STR(key, vectors[i].key);
        CHECK(dialback_key_fits(&s, slice_from(vectors[i].receiving),
                                slice_from(vectors[i].originating), slice_from(vectors[i].id),
                                slice_from(key)));
    }
}

/* KEY-01: the HMAC key is the digest's hex text, not its bytes */
TEST(dialback, secrets_are_hex_digests)
{
    struct dialback_secrets s;

    dialback_secrets_set(&s, SLICE("s3cr3tf0rd14lb4ck"), SLICE("d14lb4ck43v3r"));
    CHECK_STR(s.current_hex, "a7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc");
    CHECK_STR(s.previous_hex, "d66b79a6167d8b027a32169eb73edf390f10921f41b9905536d821d9cbf104de");
    CHECK(!dialback_key_fits(
        &s, SLICE("xmpp.example.com"), SLICE("example.org"), SLICE("D60000229F"),
        SLICE("4530485cd3f519a56e49b11b294b990ee9697dddaa9e95949e4cb0e64e9f017f")));
}

/* KEY-02 */
TEST(dialback, two_generations_verify_and_one_signs)
{
    struct dialback_secrets old;
    struct dialback_secrets both;
    struct dialback_secrets new;
    char key[DIALBACK_KEY_LEN + 1];

    dialback_secrets_set(&old, SLICE("old"), slice_none());
    dialback_secrets_set(&both, SLICE("new"), SLICE("old"));
    dialback_secrets_set(&new, SLICE("new"), slice_none());
    dialback_key(&old, SLICE("r"), SLICE("o"), SLICE("1"), key);
    CHECK(dialback_key_fits(&both, SLICE("r"), SLICE("o"), SLICE("1"), slice_from(key)));
    CHECK(!dialback_key_fits(&new, SLICE("r"), SLICE("o"), SLICE("1"), slice_from(key)));
    dialback_key(&both, SLICE("r"), SLICE("o"), SLICE("1"), key);
    CHECK(dialback_key_fits(&both, SLICE("r"), SLICE("o"), SLICE("1"), slice_from(key)));
    CHECK(dialback_key_fits(&new, SLICE("r"), SLICE("o"), SLICE("1"), slice_from(key)));
    CHECK(!dialback_key_fits(&old, SLICE("r"), SLICE("o"), SLICE("1"), slice_from(key)));
}

/* KEY-04: bound to pair, direction and stream id */
TEST(dialback, keys_belong_to_one_pair_and_stream)
{
    struct dialback_secrets s;
    char key[DIALBACK_KEY_LEN + 1];

    dialback_secrets_set(&s, SLICE("secret"), slice_none());
    dialback_key(&s, SLICE("r"), SLICE("o"), SLICE("1"), key);
    CHECK(!dialback_key_fits(&s, SLICE("o"), SLICE("r"), SLICE("1"), slice_from(key)));
    CHECK(!dialback_key_fits(&s, SLICE("r"), SLICE("o"), SLICE("2"), slice_from(key)));
    CHECK(!dialback_key_fits(&s, SLICE("r"), SLICE("x"), SLICE("1"), slice_from(key)));
    CHECK(!dialback_key_fits(&s, SLICE("x"), SLICE("o"), SLICE("1"), slice_from(key)));
    CHECK(!dialback_key_fits(&s, SLICE("r"), SLICE("o"), SLICE("1"), slice_none()));
}

/* KEY-03: any spelling of the attributes verifies a key made with another */
TEST(dialback, domains_enter_in_normal_form)
{
    static const char *const spellings[] = {
        "b\u00FCcher.example",
        "B\u00DCCHER.Example.",
        "xn--bcher-kva.example",
    };
    struct dialback_secrets s;
    struct domain d;
    char key[DIALBACK_KEY_LEN + 1];

    dialback_secrets_set(&s, SLICE("secret"), slice_none());
    dialback_key(&s, SLICE("b\u00FCcher.example"), SLICE("o"), SLICE("1"), key);
    for (size_t i = 0; i < COUNT(spellings); i++) {
        CHECK_EQ(domain_parse(slice_from(spellings[i]), &d), OK);
        CHECK(dialback_key_fits(&s, domain_slice(&d), SLICE("o"), SLICE("1"), slice_from(key)));
    }
}

TEST(dialback, mismatch_at_any_byte)
{
    struct dialback_secrets s;
    char key[DIALBACK_KEY_LEN + 1];

    dialback_secrets_set(&s, SLICE("secret"), SLICE("before"));
    for (size_t i = 0; i < DIALBACK_KEY_LEN; i++) {
        dialback_key(&s, SLICE("r"), SLICE("o"), SLICE("1"), key);
        key[i] = key[i] == '0' ? '1' : '0';
        CHECK(!dialback_key_fits(&s, SLICE("r"), SLICE("o"), SLICE("1"), slice_from(key)));
    }
}

/* --- elements -------------------------------------------------------------------------- */

#define NS "'jabber:server:dialback'"

static bool parse(struct arena *arena, const char *text, struct dialback *d)
{
    struct element *e;

    CHECK_MSG(xml_parse_element(slice_from(text), arena, &e) == FAULT_NONE, "%s", text);
    return dialback_parse(e, d);
}

/* DB-01: told by namespace, whatever the prefix */
TEST(dialback, elements_are_told_by_namespace)
{
    static const char *const texts[] = {
        "<db:result xmlns:db=" NS " from='a' to='b'>k</db:result>",
        "<x:result xmlns:x=" NS " to='b' from='a'>k</x:result>",
        "<result xmlns=" NS " from='a' to='b'>k</result>",
    };
    static const char *const others[] = {
        "<result xmlns='jabber:server' from='a' to='b'>k</result>",
        "<db:results xmlns:db=" NS "/>",
        "<db:Verify xmlns:db=" NS "/>",
    };
    struct arena arena;
    struct dialback d;

    arena_init(&arena);
    for (size_t i = 0; i < COUNT(texts); i++) {
        CHECK(parse(&arena, texts[i], &d));
        CHECK_EQ(d.name, DIALBACK_RESULT);
        CHECK_EQ(d.type, DIALBACK_REQUEST);
        CHECK_SLICE(d.from, "a");
        CHECK_SLICE(d.to, "b");
        CHECK_SLICE(d.key, "k");
    }
    for (size_t i = 0; i < COUNT(others); i++)
        CHECK(!parse(&arena, others[i], &d));
    arena_fini(&arena);
}

TEST(dialback, types)
{
    static const struct {
        const char *text;
        enum dialback_name name;
        enum dialback_type type;
    } cases[] = {
        {"<verify xmlns=" NS "/>", DIALBACK_VERIFY, DIALBACK_REQUEST},
        {"<verify xmlns=" NS " type='valid'/>", DIALBACK_VERIFY, DIALBACK_VALID},
        {"<verify xmlns=" NS " type='invalid'/>", DIALBACK_VERIFY, DIALBACK_INVALID},
        {"<verify xmlns=" NS " type='error'/>", DIALBACK_VERIFY, DIALBACK_ERROR},
        {"<result xmlns=" NS " type='VALID'/>", DIALBACK_RESULT, DIALBACK_INVALID}, /* QUIRK-10 */
        {"<result xmlns=" NS " type=''/>", DIALBACK_RESULT, DIALBACK_INVALID},
    };
    struct arena arena;
    struct dialback d;

    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        CHECK(parse(&arena, cases[i].text, &d));
        CHECK_EQ(d.name, cases[i].name);
        CHECK_EQ(d.type, cases[i].type);
        CHECK(d.from.ptr == NULL && d.to.ptr == NULL && d.id.ptr == NULL);
    }
    arena_fini(&arena);
}

/* QUIRK-11: white space around keys, a key and an id repeated in answers */
TEST(dialback, tolerates_what_peers_add)
{
    struct arena arena;
    struct dialback d;

    arena_init(&arena);
    CHECK(parse(&arena, "<verify xmlns=" NS " from='a' to='b' id=' 1'>\n  a b\t\r\n</verify>", &d));
    CHECK_SLICE(d.key, "a b");
    CHECK_SLICE(d.id, " 1"); /* an id is opaque: nothing is cut off it */
    CHECK(parse(&arena, "<result xmlns=" NS " from='a' to='b' id='x' type='valid'>k</result>", &d));
    CHECK_EQ(d.type, DIALBACK_VALID);
    CHECK(d.id.ptr == NULL);
    arena_fini(&arena);
}

TEST(dialback, keys_are_bounded)
{
    char text[DIALBACK_KEY_BYTES_MAX + 2];
    struct element e = {.ns = SLICE("jabber:server:dialback"), .name = SLICE("result")};
    struct dialback d;

    memset(text, 'k', sizeof(text));
    e.text = slice_make(text, DIALBACK_KEY_BYTES_MAX);
    CHECK(dialback_parse(&e, &d));
    CHECK_EQ(d.key.len, DIALBACK_KEY_BYTES_MAX);
    e.text = slice_make(text, DIALBACK_KEY_BYTES_MAX + 1);
    CHECK(dialback_parse(&e, &d));
    CHECK_EQ(d.key.len, 0);
}

/* DB-21 */
TEST(dialback, reads_the_condition_of_an_error)
{
#define STANZAS "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'"
    static const struct {
        const char *inner, *condition;
    } cases[] = {
        {"<error type='cancel'><item-not-found " STANZAS "/></error>", "item-not-found"},
        {"<error><text " STANZAS ">x</text><forbidden " STANZAS "/></error>", "forbidden"},
        {"<error><a xmlns='b'/><remote-connection-failed " STANZAS "/></error>",
         "remote-connection-failed"},
        {"<error><item-not-found/></error>", ""},
        {"<error/>", ""},
        {"", ""},
    };
    struct arena arena;
    struct dialback d;
    char text[512];

    arena_init(&arena);
    for (size_t i = 0; i < COUNT(cases); i++) {
        snprintf(text, sizeof(text),
                 "<db:result xmlns='jabber:server' xmlns:db=" NS " type='error'>%s</db:result>",
                 cases[i].inner);
        CHECK(parse(&arena, text, &d));
        CHECK_EQ(d.type, DIALBACK_ERROR);
        CHECK_SLICE(d.condition, cases[i].condition);
    }
    arena_fini(&arena);
}

static void check_format(struct dialback d, const char *text)
{
    struct byteq out;

    byteq_init(&out);
    dialback_format(&d, &out);
    CHECK_SLICE(byteq_slice(&out), text);
    byteq_fini(&out);
}

/* DB-01, DB-21, XEP-0220 2.1 to 2.5 */
TEST(dialback, writes_elements)
{
    struct dialback d = {.from = SLICE("a"), .to = SLICE("b'<"), .key = SLICE("k&y")};

    check_format(d, "<db:result from='a' to='b&apos;&lt;'>k&amp;y</db:result>");
    d.to = SLICE("b");
    d.type = DIALBACK_VALID; /* a key is not repeated */
    check_format(d, "<db:result from='a' to='b' type='valid'/>");
    d.type = DIALBACK_INVALID;
    check_format(d, "<db:result from='a' to='b' type='invalid'/>");
    d.type = DIALBACK_ERROR;
    d.condition = SLICE("item-not-found");
    check_format(d, "<db:result from='a' to='b' type='error'><error type='cancel'><item-not-found "
                    "xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></db:result>");
    d.condition = SLICE("x/><evil");
    check_format(d, "<db:result from='a' to='b' type='error'><error type='cancel'>"
                    "<undefined-condition xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error>"
                    "</db:result>");
    d.name = DIALBACK_VERIFY;
    d.id = SLICE("1\n");
    d.type = DIALBACK_REQUEST;
    check_format(d, "<db:verify from='a' to='b' id='1&#10;'>k&amp;y</db:verify>");
    d.type = DIALBACK_VALID;
    check_format(d, "<db:verify from='a' to='b' id='1&#10;' type='valid'/>");
}

/* DB-20: every condition of the table in XEP-0220 2.5 goes out as itself */
TEST(dialback, writes_each_condition_of_the_table)
{
    static const char *const names[] = {
        "item-not-found",
        "remote-connection-failed",
        "remote-server-not-found",
        "remote-server-timeout",
        "policy-violation",
        "not-authorized",
        "forbidden",
        "not-acceptable",
        "resource-constraint",
    };
    struct arena arena;

    arena_init(&arena);
    for (size_t i = 0; i < COUNT(names); i++) {
        struct dialback d = {.from = SLICE("a"), .to = SLICE("b"), .type = DIALBACK_ERROR};
        struct dialback back;
        struct byteq out;
        char text[512];

        d.condition = slice_from(names[i]);
        byteq_init(&out);
        dialback_format(&d, &out);
        snprintf(text, sizeof(text), "<db:result xmlns:db=" NS "%.*s", (int)byteq_len(&out) - 10,
                 byteq_slice(&out).ptr + 10);
        CHECK(parse(&arena, text, &back));
        CHECK_SLICE(back.condition, names[i]);
        byteq_fini(&out);
    }
    arena_fini(&arena);
}

TESTS(TEST_OF(dialback, published_keys), TEST_OF(dialback, secrets_are_hex_digests),
      TEST_OF(dialback, two_generations_verify_and_one_signs),
      TEST_OF(dialback, keys_belong_to_one_pair_and_stream),
      TEST_OF(dialback, domains_enter_in_normal_form), TEST_OF(dialback, mismatch_at_any_byte),
      TEST_OF(dialback, elements_are_told_by_namespace), TEST_OF(dialback, types),
      TEST_OF(dialback, tolerates_what_peers_add), TEST_OF(dialback, keys_are_bounded),
      TEST_OF(dialback, reads_the_condition_of_an_error), TEST_OF(dialback, writes_elements),
      TEST_OF(dialback, writes_each_condition_of_the_table))
