#include "unit/test.h"

#include "base/mem.h"
#include "wire/ns.h"
#include "wire/plain.h"
#include "wire/xml.h"

static enum plain_result look(struct slice s, struct plain *plain)
{
    return plain_read(s, SLICE(NS_SERVER), true, plain);
}

static bool read(struct slice s, struct plain *plain)
{
    return look(s, plain) == PLAIN_READ;
}

TEST(plain, reads_what_stanzas_are_made_of)
{
    static const struct {
        const char *text;
        const char *content;
        size_t attrs;
        unsigned children;
    } cases[] = {
        {"<iq/>", "", 0, 0},
        {"<presence\n\t/>", "", 0, 0},
        {"<message></message >", "", 0, 0},
        {"<message to='a@b/c\xc3\xa9' id=\"\"><body>hi</body></message>", "<body>hi</body>", 2, 1},
        {"<message xml:lang='de' xmlns='jabber:server'>t</message>", "t", 1, 0},
        {"<iq><q xmlns='urn:q' a='&lt;&#x41;&#10;>\"\n'/><x/></iq>",
         "<q xmlns='urn:q' a='&lt;&#x41;&#10;>\"\n'/><x/>", 0, 2},
        {"<iq>&amp;&apos;&quot;&#1114111;]]&gt;]>\r\n\xf0\x9f\x98\x80\xef\xbb\xbf</iq>",
         "&amp;&apos;&quot;&#1114111;]]&gt;]>\r\n\xf0\x9f\x98\x80\xef\xbb\xbf", 0, 0},
        {"<iq><a xmlns=''><iq><b/></iq></a></iq>", "<a xmlns=''><iq><b/></iq></a>", 0, 1},
        {"<iq><a_.-9 b_.-9='' xml:lang=\"'\"/></iq>", "<a_.-9 b_.-9='' xml:lang=\"'\"/>", 0, 1},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t len = strlen(cases[i].text);
        struct plain p;

        CHECK_MSG(read(slice_make(cases[i].text, len), &p), "%s", cases[i].text);
        CHECK_SLICE(p.content, cases[i].content);
        CHECK_EQ(p.attr_count, cases[i].attrs);
        CHECK_EQ(p.children, cases[i].children);
        CHECK_EQ(p.len, len);
    }
}

/* Cut anywhere it is not all there; each block ends where the text does. */
TEST(plain, reads_no_further_than_there_is)
{
    static const char text[] = "<message to='a\xc3\xa9' xml:lang='e'><b c='&#x41;&amp;\xe2\x82\xac"
                               "'>&lt;\xf0\x9f\x98\x80 ]]</b ><d/></message\n>";
    struct plain p;

    for (size_t n = 0; n < sizeof(text) - 1; n++) {
        char *copy = mem_alloc(n);

        memcpy(copy, text, n);
        CHECK_EQ(look(slice_make(copy, n), &p), PLAIN_SHORT);
        mem_free(copy);
    }
    CHECK(read(slice_from(text), &p));
}

TEST(plain, leaves_the_rest_to_the_parser)
{
    static const char *const cases[] = {
        /* wrong */
        "<iq></message>", "<iq><a></b></iq>", "<iq a='1' a='2'/>", "<iq><x a='1' b='' a='2'/></iq>",
        "<iq a='1'b='2'/>", "<iq a=1/>", "<iq a/>", "<iq a='<'/>", "<iq><x a='<'/></iq>",
        "<iq>]]></iq>", "<iq><a>]]></a></iq>", "<iq>&foo;</iq>", "<iq>&#0;</iq>",
        "<iq>&#xD800;</iq>", "<iq>&#xFFFE;</iq>", "<iq>&#x110000;</iq>", "<iq>&#;</iq>",
        "<iq>&#x;</iq>", "<iq>& </iq>", "<iq>&#00000065;</iq>", "<iq>\x01</iq>", "<iq a='\x01'/>",
        "<iq><x a='\x1f'/></iq>", "<iq>\xc0\x80</iq>", "<iq>\xc1\xbf</iq>", "<iq>\xe0\x9f\xbf</iq>",
        "<iq>\xed\xa0\x80</iq>", "<iq>\xef\xbf\xbe</iq>", "<iq>\xef\xbf\xbf</iq>",
        "<iq>\xf0\x8f\xbf\xbf</iq>", "<iq>\xf4\x90\x80\x80</iq>", "<iq>\xf5\x80\x80\x80</iq>",
        "<iq>\xc3(</iq>", "<iq>\x80</iq>", "<iq a='\xc3('/>", "<iq / >", "< iq/>", "<iq><9/></iq>",
        "<iq></ iq>", "<iq></iqq>", "<iq><a xmlns='" NS_XML "'/></iq>",
        "<iq><a xmlns='http://www.w3.org/2000/xmlns/'/></iq>",
        /* restricted */
        "<iq><!--x--></iq>", "<iq><?x?></iq>",
        /* unusual */
        "<iq><![CDATA[x]]></iq>", "<iq><p:x/></iq>", "<iq xmlns:p='u'/>", "<iq p:a=''/>",
        "<iq xml:space=''/>", "<iq xml:lang:x=''/>", "<iq xml:langs=''/>", "<iq a = ''/>",
        "<iq to='&amp;'/>", "<iq to='\t'/>", "<iq to='\"'/>", "<iq to='>'/>", "<iq to=\"'\"/>",
        "<iq><x xmlns='a&amp;'/></iq>", "<iq><x xmlns='jabber:server'/></iq>",
        "<iq xmlns='jabber:client'/>", "<iq xmlns=''/>", "<a:iq/>", "<iqs/>", "<features/>",
        "<iq><\xc3\xa9/></iq>", "<iq \xc3\xa9=''/>"};
    struct plain p;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(look(slice_from(cases[i]), &p) == PLAIN_NOT, "%s", cases[i]);
    CHECK_EQ(plain_read(SLICE("<iq/>"), SLICE(NS_SERVER), false, &p), PLAIN_NOT); /* NS-03 */
    CHECK_EQ(plain_read(SLICE("<iq xmlns='jabber:server'/>"), SLICE(NS_SERVER), false, &p),
             PLAIN_READ);
}

TEST(plain, waits_only_for_what_may_become_plain)
{
    static const struct {
        const char *text;
        enum plain_result result;
    } cases[] = {
        {"", PLAIN_SHORT},
        {"<", PLAIN_SHORT},
        {"<i", PLAIN_SHORT},
        {"<iq a='1", PLAIN_SHORT},
        {"<iq a='1'", PLAIN_SHORT},
        {"<iq a='>", PLAIN_SHORT},
        {"<iq>", PLAIN_SHORT},
        {"<iq>x", PLAIN_SHORT},
        {"<iq>&", PLAIN_SHORT},
        {"<iq>&#", PLAIN_SHORT},
        {"<iq>&#x1F600", PLAIN_SHORT},
        {"<iq>\xf0\x9f\x98", PLAIN_SHORT},
        {"<iq><", PLAIN_SHORT},
        {"<iq></", PLAIN_SHORT},
        {"x", PLAIN_NOT},
        {"<?", PLAIN_NOT},
        {"<iq>& ", PLAIN_NOT},
        {"<iq>&amp ", PLAIN_NOT},
        {"<iq>&#x0000000000001", PLAIN_NOT},
        {"<iq>\xff", PLAIN_NOT},
        {"<iq>\xc3(", PLAIN_NOT},
        {"<iq>\xf0\x9f(", PLAIN_NOT},
        {"<iq>\x01", PLAIN_NOT},
        {"<iq>]]>", PLAIN_NOT},
        {"<iq><!", PLAIN_NOT},
        {"<iq><?", PLAIN_NOT},
        {"<iq a='1></iq>", PLAIN_NOT},
        {"<iq \xff", PLAIN_NOT},
        {"<iq a='\xff' ,", PLAIN_NOT},
        {"<iq><x a='<", PLAIN_NOT},
        {"<iq><p:x>", PLAIN_NOT},
        {"<iq></x>", PLAIN_NOT},
    };
    struct plain p;

    for (size_t i = 0; i < COUNT(cases); i++)
        CHECK_MSG(look(slice_from(cases[i].text), &p) == cases[i].result, "%s", cases[i].text);
}

/* n times `fill` between the two. */
static enum plain_result look_filled(const char *before, const char *fill, size_t n,
                                     const char *after)
{
    static char text[40000];
    struct plain p;
    size_t len = (size_t)sprintf(text, "%s", before);

    for (size_t i = 0; i < n; i++)
        len += (size_t)sprintf(text + len, "%s", fill);
    len += (size_t)sprintf(text + len, "%s", after);
    return look(slice_make(text, len), &p);
}

static bool read_filled(const char *before, const char *fill, size_t n, const char *after)
{
    return look_filled(before, fill, n, after) == PLAIN_READ;
}

TEST(plain, keeps_the_limits_of_the_parser) /* LIMIT-06 */
{
    char ends[300] = "";

    for (size_t i = 1; i < XML_DEPTH_MAX; i++)
        strcat(ends, "</a>");
    strcat(ends, "</iq>");
    CHECK(read_filled("<iq>", "<a>", XML_DEPTH_MAX - 1, ends));
    CHECK(!read_filled("<iq>", "<a>", XML_DEPTH_MAX - 1, "<a/>"));
    CHECK(read_filled("<iq><", "n", XML_NAME_BYTES_MAX, "/></iq>"));
    CHECK(!read_filled("<iq><", "n", XML_NAME_BYTES_MAX + 1, "/></iq>"));
    CHECK(read_filled("<iq><x xmlns='", "n", XML_NAME_BYTES_MAX, "'/></iq>"));
    CHECK(!read_filled("<iq><x xmlns='", "n", XML_NAME_BYTES_MAX + 1, "'/></iq>"));
    CHECK_EQ(look_filled("<iq a='", "n", XML_TAG_BYTES_MAX - 10, ""), PLAIN_SHORT);
    CHECK_EQ(look_filled("<iq a='", "n", XML_TAG_BYTES_MAX, ""), PLAIN_NOT);
    CHECK(read_filled("<iq a='", "n", XML_TAG_BYTES_MAX - 10, "'/>"));
    CHECK(!read_filled("<iq a='", "n", XML_TAG_BYTES_MAX - 9, "'/>"));
    CHECK(read_filled("<iq><x a='", "n", XML_TAG_BYTES_MAX - 9, "'/></iq>"));
    CHECK(!read_filled("<iq><x a='", "n", XML_TAG_BYTES_MAX - 8, "'/></iq>"));
}

TESTS(TEST_OF(plain, reads_what_stanzas_are_made_of),
      TEST_OF(plain, reads_no_further_than_there_is), TEST_OF(plain, leaves_the_rest_to_the_parser),
      TEST_OF(plain, waits_only_for_what_may_become_plain),
      TEST_OF(plain, keeps_the_limits_of_the_parser))
