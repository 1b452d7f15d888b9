#include "unit/test.h"

#include "base/arena.h"
#include "wire/xml.h"
#include "wire/xmlw.h"

/* One example an allocation: a look past the end is seen. */
static void check_value(const char *in, const char *out)
{
    size_t len = strlen(in);
    char *copy = mem_alloc(len);
    struct byteq q;

    byteq_init(&q);
    memcpy(copy, in, len);
    xmlw_value(&q, slice_make(copy, len));
    CHECK_SLICE(byteq_slice(&q), out);
    byteq_fini(&q);
    mem_free(copy);
}

TEST(xmlw, escapes_values) /* XML-12 */
{
    check_value("", "");
    check_value("plain", "plain");
    check_value("&<>'\"\t\n\r", "&amp;&lt;&gt;&apos;&quot;&#9;&#10;&#13;");
    check_value("a long value of more than sixteen bytes & so on, and on, and on\r",
                "a long value of more than sixteen bytes &amp; so on, and on, and on&#13;");
    check_value("\xc3\xa9\xff]]", "\xc3\xa9\xff]]");
}

TEST(xmlw, finds_each_special_character_at_each_place)
{
    static const char specials[] = "&<>'\"\t\n\r";

    for (size_t i = 0; i < sizeof(specials) - 1; i++) {
        for (size_t at = 0; at < 40; at++) {
            char in[41];
            struct byteq q;

            memset(in, 'x', sizeof(in) - 1);
            in[sizeof(in) - 1] = '\0';
            in[at] = specials[i];
            byteq_init(&q);
            xmlw_value(&q, slice_from(in));
            CHECK(byteq_len(&q) > sizeof(in) - 1);
            CHECK(byteq_slice(&q).ptr[at] == '&');
            byteq_fini(&q);
        }
    }
}

TEST(xmlw, escapes_text) /* XML-12 */
{
    struct byteq q;

    byteq_init(&q);
    xmlw_text(&q, SLICE("a&b<c>d'e\"f\tg\nh\r"));
    CHECK_SLICE(byteq_slice(&q), "a&amp;b&lt;c&gt;d'e\"f\tg\nh&#13;");
    byteq_clear(&q);
    xmlw_text(&q, slice_none());
    xmlw_text(&q, SLICE("]]>"));
    CHECK_SLICE(byteq_slice(&q), "]]&gt;");
    byteq_fini(&q);
}

TEST(xmlw, leaves_out_absent_attributes)
{
    struct byteq q;

    byteq_init(&q);
    xmlw_attr(&q, "to", SLICE("a'b"));
    xmlw_attr(&q, "from", slice_none());
    xmlw_attr(&q, "id", SLICE(""));
    CHECK_SLICE(byteq_slice(&q), " to='a&apos;b' id=''");
    byteq_fini(&q);
}

TEST(xmlw, what_it_writes_reads_the_same) /* XML-01, XML-12 */
{
    static const char nasty[] = "\t\n\r <!--x--><?x?>&amp;'\"]]> \xc3\xa9";
    struct byteq q;
    struct arena arena;
    struct element *e;

    byteq_init(&q);
    arena_init(&arena);
    xmlw_raw(&q, "<a");
    xmlw_attr(&q, "b", slice_from(nasty));
    xmlw_raw(&q, ">");
    xmlw_text(&q, slice_from(nasty));
    xmlw_raw(&q, "</a>");
    CHECK_EQ(xml_parse_element(byteq_slice(&q), &arena, &e), FAULT_NONE);
    CHECK_SLICE(element_attr(e, "b"), nasty);
    CHECK_SLICE(e->text, nasty);
    arena_fini(&arena);
    byteq_fini(&q);
}

TESTS(TEST_OF(xmlw, escapes_values), TEST_OF(xmlw, finds_each_special_character_at_each_place),
      TEST_OF(xmlw, escapes_text), TEST_OF(xmlw, leaves_out_absent_attributes),
      TEST_OF(xmlw, what_it_writes_reads_the_same))
