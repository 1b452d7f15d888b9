#include "unit/wire/xmlbed.h"

/* --- limits ---------------------------------------------------------------------------------- */

/* `before` + n times `fill` + `after`, read behind the usual header. */
static const char *read_filled(const char *before, const char *fill, size_t n, const char *after,
                               size_t step)
{
    static struct record r;
    static char text[400000];
    size_t len = (size_t)sprintf(text, "%s", before);

    assert_true(strlen(before) + n * strlen(fill) + strlen(after) < sizeof(text));
    for (size_t i = 0; i < n; i++)
        len += (size_t)sprintf(text + len, "%s", fill);
    len += (size_t)sprintf(text + len, "%s", after);
    read_with(&limits, HEADER, slice_make(text, len), step, &r);
    return strchr(r.text, '\n') + 1;
}

TEST(xml, counts_a_stanza_from_first_to_last_byte) /* LIMIT-02 */
{
    static const size_t steps[] = {WHOLE, 4096, 777, 10};

    for (size_t i = 0; i < COUNT(steps); i++) {
        const char *got = read_filled("<message>", "x", 10000 - 19, "</message><iq/>", steps[i]);

        CHECK(strncmp(got, "<message>x", 10) == 0);
        CHECK_STR(got + 10000, "\n<iq/>\n");
        got = read_filled("<message to='t'>", "x", 10000 - 25, "</message><iq/>", steps[i]);
        CHECK_STR(got, "big\n<iq/>\n");
    }
}

TEST(xml, answers_a_big_stanza_and_ends_at_a_huge_one) /* LIMIT-03 */
{
    static const size_t steps[] = {WHOLE, 4096, 777, 10};

    for (size_t i = 0; i < COUNT(steps); i++) {
        CHECK_STR(read_filled("<iq>", "<a>t</a>", 4998, "123456</iq><iq/>", steps[i]),
                  "big\n<iq/>\n");
        CHECK_STR(read_filled("<iq>", "<a>t</a>", 4999, "</iq><iq/>", steps[i]),
                  "fault stanza-too-big\n");
    }
    CHECK_STR(read_filled("<iq>", "x", 40000, "", 4096), "fault stanza-too-big\n");
}

TEST(xml, a_big_stanza_keeps_its_addresses)
{
    static char text[12000];
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);
    struct xml_item item;
    size_t len = (size_t)sprintf(text,
                                 HEADER "<iq to='t' from='f&amp;' id='i' type='get'>%10000s"
                                        "</iq>",
                                 "x");

    xml_feed(x, slice_make(text, len));
    xml_next(x, &item);
    xml_next(x, &item);
    CHECK_EQ(item.kind, XML_TOO_BIG);
    CHECK_EQ(item.stanza->wire.len, 0);
    CHECK_EQ(item.stanza->kind, STANZA_IQ);
    CHECK_EQ(item.stanza->type, STANZA_TYPE_GET);
    CHECK_SLICE(item.stanza->to, "t");
    CHECK_SLICE(item.stanza->from, "f&");
    CHECK_SLICE(item.stanza->id, "i");
    stanza_unref(item.stanza);
    xml_free(x);
}

static void check_discarding(const char *start)
{
    static const struct xml_limits wide = {1 << 20, 4000};
    static char text[1 << 16];
    struct xml *x = xml_new(7, SCOPE_SERVER, &wide);
    struct xml_item item;

    memset(text, 'x', sizeof(text));
    xml_feed(x, SLICE(HEADER));
    drop_all(x);
    xml_feed(x, slice_from(start));
    drop_all(x);
    for (size_t i = 0; i < 60; i++) {
        xml_feed(x, slice_make(text, sizeof(text)));
        xml_next(x, &item);
        CHECK_EQ(item.kind, XML_MORE);
        CHECK(xml_memory(x) < (i < 16 ? 3 << 20 : 64 << 10));
    }
    xml_free(x);
}

TEST(xml, never_buffers_what_it_discards) /* LIMIT-02 */
{
    check_discarding("<message>");
    check_discarding("<message><![CDATA[]]>");
}

TEST(xml, bounds_other_elements) /* LIMIT-05 */
{
    static const size_t steps[] = {WHOLE, 1000, 10};

    for (size_t i = 0; i < COUNT(steps); i++) {
        CHECK_STR(read_filled("<db:result>", "x", 4000 - 23, "</db:result>", steps[i]),
                  "element result\n");
        CHECK_STR(read_filled("<db:result>", "x", 4001 - 23, "</db:result>", steps[i]),
                  "fault stanza-too-big\n");
        CHECK_STR(read_filled("<db:result>", "x", 9000, "", steps[i]), "fault stanza-too-big\n");
    }
}

TEST(xml, bounds_the_number_of_elements_in_one) /* LIMIT-05 */
{
    static const struct xml_limits wide = {10000, 1 << 20};
    static struct record r;
    static char text[20000];
    size_t len = (size_t)sprintf(text, "<x>");

    for (unsigned i = 0; i < 1024; i++)
        len += (size_t)sprintf(text + len, "<a/>");
    read_with(&wide, HEADER, slice_make(text, len), WHOLE, &r);
    CHECK_STR(r.text, "header b.example\nfault stanza-too-big\n");
    read_with(&wide, HEADER, slice_make(text, len - 4), WHOLE, &r);
    CHECK_STR(r.text, "header b.example\n");
}

TEST(xml, bounds_depth) /* LIMIT-06 */
{
    char ends[600] = "";

    for (size_t i = 1; i < XML_DEPTH_MAX; i++)
        strcat(ends, "</a>");
    strcat(ends, "</iq>");
    CHECK(strncmp(read_filled("<iq>", "<a>", XML_DEPTH_MAX - 1, ends, WHOLE), "<iq>", 4) == 0);
    CHECK_STR(read_filled("<iq>", "<a>", XML_DEPTH_MAX, "", WHOLE), "fault too-deep\n");
    CHECK_STR(read_filled("<db:x>", "<a>", XML_DEPTH_MAX, "", WHOLE), "fault too-deep\n");
    CHECK_STR(read_filled("<iq>", "<a>", 3000, "", 7), "fault too-deep\n");
}

static const char *read_attrs(size_t n, const char *format)
{
    static char tag[20000];
    size_t len = (size_t)sprintf(tag, "<iq");

    for (size_t i = 0; i < n; i++)
        len += (size_t)sprintf(tag + len, format, (unsigned)i);
    sprintf(tag + len, "/>");
    return read_filled(tag, "", 0, "", WHOLE);
}

TEST(xml, bounds_attributes_and_declarations) /* LIMIT-06 */
{
    CHECK(strncmp(read_attrs(XML_ATTRS_MAX, " a%u=''"), "<iq", 3) == 0);
    CHECK_STR(read_attrs(XML_ATTRS_MAX + 1, " a%u=''"), "fault too-many-attributes\n");
    CHECK(strncmp(read_attrs(XML_ATTRS_MAX, " xmlns:a%u='u'"), "<iq", 3) == 0);
    CHECK_STR(read_attrs(XML_ATTRS_MAX + 1, " xmlns:a%u='u'"), "fault too-many-attributes\n");
    CHECK_STR(read_attrs(XML_ATTRS_MAX / 2 + 1, " xmlns:a%1$u='u%1$u' a%1$u:b=''"),
              "fault too-many-attributes\n");
}

TEST(xml, bounds_names) /* LIMIT-06 */
{
    static const struct {
        const char *before;
        const char *after;
        bool fits; /* at the limit */
    } cases[] = {
        {"<iq><", "/></iq>", true},
        {"<iq><a ", "=''/></iq>", true},
        {"<iq><a xmlns='", "'/></iq>", true},
        {"<iq xmlns:", "='u'/>", true},
        {"<db:", "/>", true},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *got =
            read_filled(cases[i].before, "n", XML_NAME_BYTES_MAX, cases[i].after, WHOLE);

        CHECK_MSG(strncmp(got, "fault", 5) != 0, "%s", cases[i].before);
        got = read_filled(cases[i].before, "n", XML_NAME_BYTES_MAX + 1, cases[i].after, WHOLE);
        CHECK_STR(got, "fault name-too-long\n");
    }
}

TEST(xml, bounds_start_tags) /* LIMIT-06 */
{
    static const size_t steps[] = {WHOLE, 1000, 64};

    for (size_t i = 0; i < COUNT(steps); i++) {
        size_t fits = XML_TAG_BYTES_MAX - strlen("<iq a=''/>");

        CHECK_STR(read_filled("<iq a='", "x", fits, "'/>", steps[i]), "big\n");
        CHECK_STR(read_filled("<iq a='", "x", fits + 1, "'/>", steps[i]), "fault tag-too-long\n");
        CHECK_STR(read_filled("<iq><a b='", "x", 100000, "", steps[i]), "fault tag-too-long\n");
        CHECK_STR(read_filled("<!--", "x", 100000, "", steps[i]), "fault tag-too-long\n");
    }
}

TEST(xml, a_rewrite_does_not_multiply)
{
    static struct record r;
    static char header[900];
    static char text[9000];
    size_t len = (size_t)sprintf(header, ROOT " xmlns:a='jabber:server' xmlns:p='");

    memset(header + len, 'u', 500);
    strcpy(header + len + 500, "'>");
    len = (size_t)sprintf(text, "<a:message>");
    for (size_t i = 0; i < 1000; i++)
        len += (size_t)sprintf(text + len, "<p:x/>");
    sprintf(text + len, "</a:message><iq/>");
    read_all(header, text, WHOLE, &r);
    CHECK_STR(r.text, "header\nbig\n<iq/>\n");
}

/* Each stanza ends in one chunk and the next begins there: there is never a rest. */
TEST(xml, forgets_the_names_of_strangers)
{
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);
    char text[200];

    xml_feed(x, SLICE(HEADER "<iq"));
    drop_all(x);
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), " a%u=''><![CDATA[]]><b%u/></iq><iq", i, i);
        xml_feed(x, slice_from(text));
        drop_all(x);
        CHECK(xml_memory(x) < 256 * 1024);
    }
    xml_feed(x, SLICE("/>"));
    drop_all(x);
    xml_free(x);
}

TEST(xml, refuses_a_stanza_that_fills_the_parser)
{
    static const struct xml_limits wide = {1 << 20, 4000};
    static char text[1 << 20];
    static struct record r;
    size_t len = (size_t)sprintf(text, "<iq><![CDATA[]]>");

    for (unsigned i = 0; i < 60000; i++)
        len += (size_t)sprintf(text + len, "<a%u/>", i);
    read_with(&wide, HEADER, slice_make(text, len), 16384, &r);
    CHECK_STR(r.text, "header b.example\nfault memory\n");
}

/* --- memory and time ------------------------------------------------------------------------- */

static void drain(struct xml *x, const char *expected)
{
    static struct record r;
    struct xml_item item;

    memset(&r, 0, sizeof(r));
    do
        xml_next(x, &item);
    while (take(&r, x, &item));
    CHECK_STR(r.text, expected);
}

TEST(xml, rests_between_elements)
{
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);

    CHECK(!xml_at_rest(x));
    xml_feed(x, SLICE(ROOT " xmlns:p='urn:p' xml:lang='de' from='b'>"));
    CHECK(!xml_at_rest(x));
    drain(x, "header b\n");
    CHECK(xml_at_rest(x));
    xml_feed(x, SLICE("<iq/> <"));
    drain(x, "<iq xml:lang='de'/>\n");
    CHECK(!xml_at_rest(x));
    xml_feed(x, SLICE("iq>"));
    drain(x, "");
    CHECK(!xml_at_rest(x));
    xml_feed(x, SLICE("<p:a/></iq>"));
    drain(x, "<iq xml:lang='de' xmlns:p='urn:p'><p:a/></iq>\n");
    CHECK(xml_at_rest(x));
    xml_feed(x, SLICE("</stream:stream>"));
    drain(x, "end\n");
    CHECK(!xml_at_rest(x));
    xml_free(x);
}

TEST(xml, goes_on_after_rest)
{
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);

    xml_feed(x, SLICE("<?xml version='1.0'?>" ROOT " xmlns:p='urn:&lt;p' xml:lang='de' from='b'>"));
    drain(x, "header b\n");
    for (int i = 0; i < 3; i++) {
        xml_rest(x);
        CHECK(xml_memory(x) < 4096);
        xml_feed(x, SLICE("\n<iq><p:a/></iq><db:x/>"));
        drain(x, "<iq xml:lang='de' xmlns:p='urn:&lt;p'><p:a/></iq>\nelement x\n");
    }
    xml_feed(x, SLICE("<iq"));
    drain(x, "");
    xml_rest(x); /* not at rest: nothing happens */
    xml_feed(x, SLICE("/>"));
    drain(x, "<iq xml:lang='de'/>\n");
    xml_rest(x);
    xml_feed(x, SLICE("</stream:stream>"));
    drain(x, "end\n");
    xml_free(x);
}

/* Plain to its last byte or not, whole in one chunk or not: the same comes out. */
TEST(xml, a_long_stanza_may_come_in_any_pieces)
{
    static const struct xml_limits wide = {200000, 4000};
    static const size_t steps[] = {150000, 16384, 1000, 37};
    static const char *const ends[] = {"</b></iq>", "<![CDATA[x]]></b></iq>", "<!--x--></b></iq>"};
    static char text[150000];
    static struct record r;

    for (size_t i = 0; i < COUNT(steps) * COUNT(ends); i++) {
        const char *end = ends[i % COUNT(ends)];
        size_t len = (size_t)sprintf(text, "<iq><b>");

        while (len < 60000)
            len += (size_t)sprintf(text + len, "<c d='%zu'>text</c>\n", len);
        len += (size_t)sprintf(text + len, "%s<presence/>", end);
        read_with(&wide, HEADER, slice_make(text, len), steps[i / COUNT(ends)], &r);
        text[len - strlen("<presence/>")] = '\0';
        CHECK_MSG(strstr(r.text, end[2] == '-' ? "fault comment\n" : "\n<presence/>\n"), "%zu", i);
        CHECK_EQ(strstr(r.text, text) != NULL, end[2] != '-');
    }
}

TEST(xml, a_complete_stanza_does_not_wait_for_the_next_packet) /* XML-11 */
{
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);

    xml_feed(x, SLICE(HEADER));
    drain(x, "header b.example\n");
    xml_feed(x, SLICE("<message><body>some text that is longer</body></mess"));
    drain(x, "");
    xml_feed(x, SLICE("age"));
    drain(x, "");
    xml_feed(x, SLICE(">"));
    drain(x, "<message><body>some text that is longer</body></message>\n");
    xml_free(x);
}

TEST(xml, counts_all_bytes)
{
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);

    xml_feed(x, SLICE(ROOT ">"));
    CHECK_EQ(xml_total(x), strlen(ROOT ">"));
    drain(x, "header\n");
    xml_feed(x, SLICE("<iq/><iq"));
    CHECK_EQ(xml_total(x), strlen(ROOT "><iq/><iq"));
    drain(x, "<iq/>\n");
    CHECK_EQ(xml_total(x), strlen(ROOT "><iq/><iq"));
    xml_free(x);
}

TEST(xml, new_limits_hold_from_the_next_element_on)
{
    static const struct xml_limits narrow = {20, 20};
    struct xml *x = xml_new(7, SCOPE_SERVER, &narrow);

    xml_feed(x, SLICE(HEADER "<iq><a/><b/><c/><d/><e/></iq>"));
    drain(x, "header b.example\nbig\n");
    xml_set_limits(x, &limits);
    xml_feed(x, SLICE("<iq><a/><b/><c/><d/><e/></iq>"));
    drain(x, "<iq><a/><b/><c/><d/><e/></iq>\n");
    xml_free(x);
}

TESTS(TEST_OF(xml, counts_a_stanza_from_first_to_last_byte),
      TEST_OF(xml, answers_a_big_stanza_and_ends_at_a_huge_one),
      TEST_OF(xml, a_big_stanza_keeps_its_addresses), TEST_OF(xml, never_buffers_what_it_discards),
      TEST_OF(xml, bounds_other_elements), TEST_OF(xml, bounds_the_number_of_elements_in_one),
      TEST_OF(xml, bounds_depth), TEST_OF(xml, bounds_attributes_and_declarations),
      TEST_OF(xml, bounds_names), TEST_OF(xml, bounds_start_tags),
      TEST_OF(xml, a_rewrite_does_not_multiply), TEST_OF(xml, forgets_the_names_of_strangers),
      TEST_OF(xml, refuses_a_stanza_that_fills_the_parser), TEST_OF(xml, rests_between_elements),
      TEST_OF(xml, goes_on_after_rest), TEST_OF(xml, a_long_stanza_may_come_in_any_pieces),
      TEST_OF(xml, a_complete_stanza_does_not_wait_for_the_next_packet),
      TEST_OF(xml, counts_all_bytes), TEST_OF(xml, new_limits_hold_from_the_next_element_on))
