#include "unit/wire/xmlbed.h"

/* --- headers --------------------------------------------------------------------------------- */

static struct xml *read_header(const char *text, struct xml_item *item)
{
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);

    xml_feed(x, slice_from(text));
    xml_next(x, item);
    CHECK_EQ(item->kind, XML_HEADER);
    return x;
}

TEST(xml, gives_the_header_of_each_style) /* NS-02, NS-03, RFC 6120 4.8.2 */
{
    static const struct {
        const char *text;
        const char *content_ns;
        bool dialback;
        bool stream_is_default;
    } cases[] = {
        {HEADER, "jabber:server", true, false},
        {"<s:stream xmlns:s='" NS_STREAM "' xmlns='jabber:server'>", "jabber:server", false, false},
        {"<stream xmlns='" NS_STREAM "'>", "", false, true},
        {"<stream:stream xmlns:stream='" NS_STREAM "' xmlns:d='" NS_DIALBACK "'>", "", true, false},
        {"<stream:stream xmlns:stream='" NS_STREAM "' xmlns='jabber:client'>", "jabber:client",
         false, false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct xml_item item;
        struct xml *x = read_header(cases[i].text, &item);

        CHECK_SLICE(item.header->ns, NS_STREAM);
        CHECK_SLICE(item.header->name, "stream");
        CHECK_SLICE(item.header->content_ns, cases[i].content_ns);
        CHECK_EQ(item.header->dialback, cases[i].dialback);
        CHECK_EQ(item.header->stream_is_default, cases[i].stream_is_default);
        xml_free(x);
    }
}

TEST(xml, gives_the_attributes_of_the_header)
{
    struct xml_item item;
    struct xml *x = read_header("<x:stream xmlns:x='u' to='a' from='b&amp;' id='' version='1.0' "
                                "xml:lang='de' x:to='no'>",
                                &item);

    CHECK_SLICE(item.header->ns, "u"); /* NS-01: the link answers it */
    CHECK_SLICE(item.header->to, "a");
    CHECK_SLICE(item.header->from, "b&");
    CHECK(item.header->id.ptr && item.header->id.len == 0);
    CHECK_SLICE(item.header->version, "1.0");
    CHECK_SLICE(item.header->lang, "de");
    xml_free(x);
    x = read_header("<stream>", &item);
    CHECK(!item.header->to.ptr && !item.header->id.ptr && !item.header->lang.ptr);
    xml_free(x);
}

/* --- stanzas that are spliced ---------------------------------------------------------------- */

TEST(xml, splices_stanzas)
{
    static const struct example examples[] = {
        {"<presence/>", "<presence/>\n"},
        {"<presence></presence>", "<presence/>\n"},
        {"<message to='x@a.example/r' from=\"y@b.example\" id='1' type='chat'><body>hi</body>"
         "</message>",
         "<message to='x@a.example/r' from='y@b.example' id='1' type='chat'><body>hi</body>"
         "</message>\n"},
        /* XML-10: white space between depth-1 elements */
        {" \n\t\r\n<iq/> \n <iq/>  ", "<iq/>\n<iq/>\n"},
        {"<presence \n a = 'b'\t/><message\n>x</message\n>",
         "<presence a='b'/>\n<message>x</message>\n"},
        /* XML-12: values round-trip, content is not touched */
        {"<message id='&lt;&gt;&amp;&apos;&quot;&#9;&#10;&#13;&#x41;>\"'>&#x41;&lt;<![CDATA[<&]]>"
         "<x a=\"'\"/>]</message>",
         "<message id='&lt;&gt;&amp;&apos;&quot;&#9;&#10;&#13;A&gt;&quot;'>&#x41;&lt;<![CDATA[<&]]>"
         "<x a=\"'\"/>]</message>\n"},
        /* XML-04: numeric references are legal; XML-08: U+FEFF is a character like others */
        {"<message>\xef\xbb\xbf&#x1F600;\xf0\x9f\x98\x80\xc3\xa9</message>",
         "<message>\xef\xbb\xbf&#x1F600;\xf0\x9f\x98\x80\xc3\xa9</message>\n"},
        /* the content namespace said once more */
        {"<message xmlns='jabber:server'><body>x</body></message>",
         "<message><body>x</body></message>\n"},
        /* declarations of the stanza itself stay */
        {"<message xmlns:p='urn:p' p:a='1' xml:lang='en' to='t'><p:x q='2'/></message>",
         "<message xmlns:p='urn:p' p:a='1' xml:lang='en' to='t'><p:x q='2'/></message>\n"},
        {"<message to='t' xmlns:p='urn:&lt;p'><p:x/></message>",
         "<message to='t' xmlns:p='urn:&lt;p'><p:x/></message>\n"},
        /* others' namespaces, jabber:client and the other scope's too, stay (NS-06) */
        {"<message><f xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body/></message>"
         "<y xmlns='jabber:component:accept'/></f></message>",
         "<message><f xmlns='urn:xmpp:forward:0'><message xmlns='jabber:client'><body/></message>"
         "<y xmlns='jabber:component:accept'/></f></message>\n"},
        {"<message><x xmlns=''><message/></x></message>",
         "<message><x xmlns=''><message/></x></message>\n"},
        {"<message><message><iq/></message></message>",
         "<message><message><iq/></message></message>\n"},
    };

    check_examples(HEADER, examples, COUNT(examples));
}

TEST(xml, declares_prefixes_of_the_header_where_they_are_used) /* NS-08, QUIRK-17 */
{
    static const char header[] = ROOT " xmlns:p='urn:p' xmlns:q='urn:q' xmlns:r='urn:r'>";
    static const struct example examples[] = {
        {"<message><p:x/></message>", "<message xmlns:p='urn:p'><p:x/></message>\n"},
        {"<message><x q:a='1'/></message>", "<message xmlns:q='urn:q'><x q:a='1'/></message>\n"},
        {"<message p:a='1' p:b='2'><p:x><q:y/></p:x></message>",
         "<message xmlns:p='urn:p' p:a='1' p:b='2' xmlns:q='urn:q'><p:x><q:y/></p:x></message>\n"},
        {"<message><db:x/></message>",
         "<message xmlns:db='jabber:server:dialback'><db:x/></message>\n"},
        /* used by the one, not by the next */
        {"<iq><r:x/></iq><iq><x/></iq>", "<iq xmlns:r='urn:r'><r:x/></iq>\n<iq><x/></iq>\n"},
        /* declared again by the stanza or below */
        {"<message xmlns:p='urn:o'><p:x/></message>",
         "<message xmlns:p='urn:o'><p:x/></message>\n"},
        {"<message xmlns:p='urn:o'><y xmlns:p='urn:p'><p:x/></y></message>",
         "<message xmlns:p='urn:o'><y xmlns:p='urn:p'><p:x/></y></message>\n"},
        {"<message xmlns:p='urn:o' p:a='1'><y xmlns:p='urn:p'><p:x/></y></message>",
         "<message xmlns:p='urn:o' p:a='1'><y xmlns:p='urn:p'><p:x/></y></message>\n"},
        {"<message><y xmlns:p='urn:o'><p:x/></y></message>",
         "<message><y xmlns:p='urn:o'><p:x/></y></message>\n"},
    };

    check_examples(header, examples, COUNT(examples));
}

TEST(xml, adds_the_language_of_the_stream) /* ROUTE-14, RFC 6120 8.1.5 */
{
    static const struct example examples[] = {
        {"<message/>", "<message xml:lang='de'/>\n"},
        {"<message xml:lang='en'/>", "<message xml:lang='en'/>\n"},
        {"<message xml:lang=''/>", "<message xml:lang=''/>\n"},
        {"<message><body xml:lang='en'/></message>",
         "<message xml:lang='de'><body xml:lang='en'/></message>\n"},
    };

    check_examples(ROOT " xml:lang='de'>", examples, COUNT(examples));
}

/* --- stanzas that are written anew ----------------------------------------------------------- */

TEST(xml, rewrites_what_leans_on_a_prefix) /* NS-04, NS-05, QUIRK-16 */
{
    static const struct example examples[] = {
        {"<a:message xmlns:a='jabber:server' to='t'><a:body>x</a:body></a:message>",
         "<message to='t'><body>x</body></message>\n"},
        {"<a:iq xmlns:a='jabber:server' xmlns='urn:o'><x><a:body/></x></a:iq>",
         "<iq><x xmlns='urn:o'><body xmlns='jabber:server'/></x></iq>\n"},
        {"<message xmlns:a='jabber:server'><a:body>&lt;&#13;\"</a:body></message>",
         "<message><body>&lt;&#13;\"</body></message>\n"},
        {"<message><body xmlns='jabber:server'>t<![CDATA[<]]></body></message>",
         "<message><body>t&lt;</body></message>\n"},
        {"<a:presence xmlns:a='jabber:server' a:q='1'/>",
         "<presence xmlns:a='jabber:server' a:q='1'/>\n"},
        {"<a:message xmlns:a='jabber:server' xmlns:p='u' p:q='1'><p:x p:y='&quot;&#10;' p:z=''/>"
         "</a:message>",
         "<message xmlns:p='u' p:q='1'><x xmlns='u' xmlns:p='u' p:y='&quot;&#10;' p:z=''/>"
         "</message>\n"},
        {"<a:message xmlns:a='jabber:server'><x xml:lang='fr'>a<y/>b</x></a:message>",
         "<message><x xml:lang='fr'>a<y/>b</x></message>\n"},
        {"<a:message xmlns:a='jabber:server' xmlns=''><x/></a:message>",
         "<message><x xmlns=''/></message>\n"},
    };

    check_examples(HEADER, examples, COUNT(examples));
}

TEST(xml, rewrites_what_leans_on_a_prefix_of_the_header) /* NS-05, QUIRK-16 */
{
    static const struct example examples[] = {
        {"<a:message><a:body p:q='1'/></a:message>",
         "<message><body xmlns:p='urn:p' p:q='1'/></message>\n"},
        {"<a:message p:q='1' to='t'><p:x/><p:y>1</p:y></a:message>",
         "<message xmlns:p='urn:p' p:q='1' to='t'><x xmlns='urn:p'/><y xmlns='urn:p'>1</y>"
         "</message>\n"},
        {"<message><a:body/></message>", "<message><body/></message>\n"},
        {"<message><p:x><a:body/></p:x></message>",
         "<message><x xmlns='urn:p'><body xmlns='jabber:server'/></x></message>\n"},
    };

    check_examples(ROOT " xmlns:a='jabber:server' xmlns:p='urn:p'>", examples, COUNT(examples));
}

TEST(xml, reads_the_style_without_prefix) /* NS-03 */
{
    static const struct example examples[] = {
        {"<message xmlns='jabber:server' to='t'><body>x</body></message>",
         "<message to='t'><body>x</body></message>\n"},
        {"<message to='t'/>", "element message\n"},
        {"<features/>", "element features\n"},
    };

    check_examples("<stream xmlns='" NS_STREAM "'>", examples, COUNT(examples));
}

static unsigned flags_of(const char *text)
{
    static struct record r;

    read_all(HEADER, text, WHOLE, &r);
    return r.flags;
}

TEST(xml, marks_stanzas_that_name_the_content_namespace) /* NS-06 */
{
    CHECK_EQ(flags_of("<message><body xmlns='jabber:server'/></message>"), 0);
    CHECK_EQ(flags_of("<message xmlns='jabber:server'><x xmlns='u'/></message>"), 0);
    CHECK_EQ(flags_of("<message><x xmlns='u'><y xmlns='jabber:server'/></x></message>"),
             STANZA_SCOPED);
    CHECK_EQ(flags_of("<message><x xmlns='u'><y xmlns='jabber:client'/></x></message>"), 0);
}

TEST(xml, marks_requests_without_exactly_one_child) /* ROUTE-10, RFC 6120 8.2.3 */
{
    CHECK_EQ(flags_of("<iq type='get'><a/></iq>"), 0);
    CHECK_EQ(flags_of("<iq type='set'><a><b/><b/></a></iq>"), 0);
    CHECK_EQ(flags_of("<iq type='get'/>"), STANZA_BAD_IQ);
    CHECK_EQ(flags_of("<iq type='get'>text</iq>"), STANZA_BAD_IQ);
    CHECK_EQ(flags_of("<iq type='set'><a/><b/></iq>"), STANZA_BAD_IQ);
    CHECK_EQ(flags_of("<iq type='result'/>"), 0);
    CHECK_EQ(flags_of("<iq type='error'><a/><b/></iq>"), 0);
    CHECK_EQ(flags_of("<message type='get'/>"), 0);
}

TEST(xml, gives_addresses_decoded)
{
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);
    struct xml_item item;

    xml_feed(x, SLICE(HEADER "<iq type='set' id='&#9;' to='a&amp;b@c' from='d@e/f'><q/></iq>"));
    xml_next(x, &item);
    xml_next(x, &item);
    CHECK_EQ(item.kind, XML_STANZA);
    CHECK_EQ(item.stanza->kind, STANZA_IQ);
    CHECK_EQ(item.stanza->type, STANZA_TYPE_SET);
    CHECK_EQ(item.stanza->scope, SCOPE_SERVER);
    CHECK_SLICE(item.stanza->to, "a&b@c");
    CHECK_SLICE(item.stanza->from, "d@e/f");
    CHECK_SLICE(item.stanza->id, "\t");
    CHECK_SLICE(item.stanza->type_text, "set");
    CHECK(!item.stanza->lang.ptr);
    CHECK_EQ(atomic_load(&item.stanza->refs), 1);
    stanza_unref(item.stanza);
    xml_free(x);
}

/* --- elements -------------------------------------------------------------------------------- */

TEST(xml, gives_all_else_as_elements) /* NS-07, NS-09 */
{
    static const struct example examples[] = {
        {"<stream:features/>", "element features\n"},
        {"<message xmlns='jabber:client'>x</message>", "element message\n"},
        {"<message xmlns='jabber:component:accept'/>", "element message\n"},
        {"<message xmlns=''/>", "element message\n"},
        {"<pubsub/>", "element pubsub\n"},
        {"<db:message/>", "element message\n"},
        {"<db:result from='a' to='b'>key</db:result><iq/>", "element result\n<iq/>\n"},
    };

    check_examples(HEADER, examples, COUNT(examples));
}

TEST(xml, builds_trees)
{
    struct arena arena;
    struct element *e;
    const struct element *c;

    arena_init(&arena);
    CHECK_EQ(xml_parse_element(SLICE("<a xmlns='u' xmlns:p='v' b='1&lt;' p:b='2'>te<c>in</c>xt&amp;"
                                     "\n<p:c d=''/><c>2</c></a> "),
                               &arena, &e),
             FAULT_NONE);
    CHECK(element_is(e, "a", "u") && element_is(e, "a", NULL) && !element_is(e, "a", "v"));
    CHECK_SLICE(e->text, "text&\n");
    CHECK_SLICE(element_attr(e, "b"), "1<");
    CHECK(!element_attr(e, "c").ptr);
    CHECK_EQ(e->attr_count, 2);
    c = element_child(e, "c", NULL);
    CHECK_SLICE(c->text, "in");
    c = element_child(e, "c", "v");
    CHECK(element_attr(c, "d").ptr && element_attr(c, "d").len == 0);
    CHECK_SLICE(c->next->text, "2");
    CHECK(!c->next->next && !element_child(e, "d", NULL));
    arena_fini(&arena);
}

TEST(xml, parses_exactly_one_element)
{
    static const struct {
        const char *text;
        enum fault fault;
    } cases[] = {
        {"<a/>", FAULT_NONE},
        {" <a><b/></a>\n", FAULT_NONE},
        {"<message to='x'><body>t</body></message>", FAULT_NONE},
        {"", FAULT_NOT_WELL_FORMED},
        {"<a>", FAULT_NOT_WELL_FORMED},
        {"<a/><b/>", FAULT_NOT_WELL_FORMED},
        {"<a/>x", FAULT_NOT_WELL_FORMED},
        {"x", FAULT_NOT_WELL_FORMED},
        {"<a><!--x--></a>", FAULT_COMMENT},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena;
        struct element *e = NULL;

        arena_init(&arena);
        CHECK_MSG(xml_parse_element(slice_from(cases[i].text), &arena, &e) == cases[i].fault, "%s",
                  cases[i].text);
        CHECK_EQ(e != NULL, cases[i].fault == FAULT_NONE);
        arena_fini(&arena);
    }
}

TEST(xml, text_of_an_element_in_many_pieces_is_whole)
{
    static char text[4000];
    struct arena arena;
    struct element *e;
    size_t n = 0;

    arena_init(&arena);
    n += (size_t)sprintf(text, "<a>");
    for (unsigned i = 0; i < 300; i++)
        n += (size_t)sprintf(text + n, "&amp;\n");
    n += (size_t)sprintf(text + n, "</a>");
    CHECK_EQ(xml_parse_element(slice_make(text, n), &arena, &e), FAULT_NONE);
    CHECK_EQ(e->text.len, 600);
    for (size_t i = 0; i < 600; i += 2)
        CHECK(memcmp(e->text.ptr + i, "&\n", 2) == 0);
    arena_fini(&arena);
}

TEST(xml, stops_behind_each_element) /* RFC 6120 5.4.3.3: what follows is discarded unread */
{
    static struct record r;

    read_all(HEADER, "<starttls xmlns='" NS_TLS "'/>\x16\x03\x01 junk", WHOLE, &r);
    CHECK_EQ(r.unused, 8);
    CHECK(strstr(r.text, "element starttls\nfault"));
}

TEST(xml, knows_what_is_unused_wherever_the_cut_was)
{
    static const char text[] = HEADER "<iq/> <starttls xmlns='" NS_TLS "'/>rest";

    for (size_t cut = 1; cut < sizeof(text) - 5; cut++) {
        struct xml *x = xml_new(7, SCOPE_SERVER, &limits);
        static struct record r;

        r.unused = 0;
        feed(x, slice_make(text, cut), WHOLE, &r);
        feed(x, slice_from(text + cut), WHOLE, &r);
        CHECK_EQ(r.unused, 4);
        xml_free(x);
    }
}

/* --- faults ---------------------------------------------------------------------------------- */

TEST(xml, names_the_fault)
{
    static const struct example examples[] = {
        /* XML-02 */
        {"<!--x-->", "fault comment\n"},
        {"<message><body>a<!--x--></body></message>", "fault comment\n"},
        {"<db:result><!----></db:result>", "fault comment\n"},
        {"<iq/><?x y?>", "<iq/>\nfault instruction\n"},
        {"<message><?x?></message>", "fault instruction\n"},
        /* XML-04 */
        {"<message>&foo;</message>", "fault entity\n"},
        {"<message a='&foo;'/>", "fault entity\n"},
        {"<message>&#0;</message>", "fault not-well-formed\n"},
        {"<message>&#xFFFF;</message>", "fault not-well-formed\n"},
        /* XML-05 */
        {"<iq/><message><a></b></message><iq/>", "<iq/>\nfault not-well-formed\n"},
        {"<message a='1' a='2'/>", "fault not-well-formed\n"},
        {"<message>]]></message>", "fault not-well-formed\n"},
        {"<message a='<'/>", "fault not-well-formed\n"},
        {"<message>\x01</message>", "fault not-well-formed\n"},
        {"<message>\xef\xbf\xbe</message>", "fault not-well-formed\n"},
        {"<message><!DOCTYPE a></message>", "fault not-well-formed\n"},
        {"<message><?xml version='1.0'?></message>", "fault not-well-formed\n"},
        /* XML-06 */
        {"<message><x:y/></message>", "fault not-well-formed\n"},
        {"<message x:y=''/>", "fault not-well-formed\n"},
        {"<message xmlns:p=''/>", "fault not-well-formed\n"},
        {"<message xmlns:xml='u'/>", "fault not-well-formed\n"},
        {"<message><a xmlns='" NS_XML "'/></message>", "fault not-well-formed\n"},
        {"<message xmlns:p='u' xmlns:q='u'><a p:b='' q:b=''/></message>",
         "fault not-well-formed\n"},
        /* XML-07 */
        {"<message>\xc0\x80</message>", "fault encoding\n"},
        {"<message>\xed\xa0\x80</message>", "fault encoding\n"},
        {"<message>\xf8\x88\x80\x80\x80</message>", "fault encoding\n"},
        {"<message>\xc3(</message>", "fault encoding\n"},
        {"<message a='\xff'/>", "fault encoding\n"},
        /* XML-13 */
        {"<iq/>hello", "<iq/>\nfault text-at-root\n"},
        {" &#x41;", "fault text-at-root\n"},
        {"<![CDATA[x]]>", "fault text-at-root\n"},
        {"<iq/><![CDATA[<iq/>]]>", "<iq/>\nfault text-at-root\n"},
        {"<![CDATA[]]>", "fault text-at-root\n"},
        {"\xef\xbb\xbf<iq/>", "fault text-at-root\n"},
    };

    check_examples(HEADER, examples, COUNT(examples));
}

TEST(xml, names_the_fault_of_a_header)
{
    static const struct {
        const char *text;
        enum fault fault;
    } cases[] = {
        {"<!DOCTYPE x [<!ENTITY a 'b'>]><x>", FAULT_DOCTYPE}, /* XML-03 */
        {"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><x>", FAULT_DOCTYPE},
        {"<?xml version='1.0' encoding='UTF-16'?><x>", FAULT_ENCODING}, /* XML-07 */
        {"<?xml version='1.0' encoding='ISO-8859-1'?><x>", FAULT_ENCODING},
        {"<?xml version='1.0' standalone='no'?><x>", FAULT_STANDALONE}, /* XML-09 */
        {"<?xml version='1.0' standalone='yes'?><x>", FAULT_STANDALONE},
        {"<!--x--><x>", FAULT_COMMENT},
        {"<?x?><x>", FAULT_INSTRUCTION},
        {"hello ", FAULT_NOT_WELL_FORMED},
        {"GET / HTTP/1.1\r\n", FAULT_NOT_WELL_FORMED},
        {"\xef\xbb\xbf<x>", FAULT_NOT_WELL_FORMED}, /* XML-08 */
        {"\xfe\xff", FAULT_ENCODING},
        {"\xff\xfe<", FAULT_ENCODING},
        {"<x a='\xc0\x80'>", FAULT_ENCODING},
        {"<x:y>", FAULT_NOT_WELL_FORMED},
    };
    static struct record r;

    for (size_t i = 0; i < COUNT(cases); i++) {
        char expected[64];

        snprintf(expected, sizeof(expected), "fault %s\n", fault_word(cases[i].fault));
        for (size_t step = 1; step < WHOLE; step += WHOLE - 2) {
            read_all(cases[i].text, "", step, &r);
            CHECK_MSG(strcmp(r.text, expected) == 0, "%s gives %s", cases[i].text, r.text);
        }
    }
}

TEST(xml, sees_through_a_disguise_as_utf16) /* XML-07 */
{
    static const char little[] = {'<', 0, 'x', 0, '/', 0, '>', 0};
    static const char big[] = {0, '<', 0, 'x', 0, '/', 0, '>'};
    static struct record r;

    read_with(&limits, "", slice_make(little, sizeof(little)), WHOLE, &r);
    CHECK_STR(r.text, "fault encoding\n");
    read_with(&limits, "", slice_make(little, sizeof(little)), 1, &r);
    CHECK_STR(r.text, "fault encoding\n");
    read_with(&limits, "", slice_make(big, sizeof(big)), WHOLE, &r);
    CHECK_STR(r.text, "fault encoding\n");
}

TEST(xml, accepts_what_the_declaration_may_say) /* XML-09 */
{
    static const char *const headers[] = {"<?xml version='1.0' encoding='utf-8'?><x>",
                                          "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n <x>",
                                          "<x>"};
    static struct record r;

    for (size_t i = 0; i < COUNT(headers); i++) {
        read_all(headers[i], "", 1, &r);
        CHECK_STR(r.text, "header\n");
    }
}

TEST(xml, ends)
{
    static const struct example examples[] = {
        {"<iq/></stream:stream>", "<iq/>\nend\n"},
        {" </stream:stream > ", "end\n"},
        {"</stream>", "fault not-well-formed\n"},
    };
    static struct record r;

    check_examples(HEADER, examples, COUNT(examples));
    read_all("<x/>", "", WHOLE, &r);
    CHECK_STR(r.text, "header\nend\n");
}

TEST(xml, says_nothing_after_the_end_or_a_fault)
{
    static struct record r;
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);

    memset(&r, 0, sizeof(r));
    feed(x, SLICE(HEADER "</stream:stream><iq/>"), WHOLE, &r);
    feed(x, SLICE("<iq/><!--"), WHOLE, &r);
    CHECK_STR(r.text, "header b.example\nend\n");
    xml_free(x);
    x = xml_new(7, SCOPE_SERVER, &limits);
    memset(&r, 0, sizeof(r));
    feed(x, SLICE(HEADER "<!--x--><iq/>"), WHOLE, &r);
    feed(x, SLICE("<iq/>"), WHOLE, &r);
    CHECK_STR(r.text, "header b.example\nfault comment\n");
    xml_free(x);
}

TESTS(TEST_OF(xml, gives_the_header_of_each_style),
      TEST_OF(xml, gives_the_attributes_of_the_header), TEST_OF(xml, splices_stanzas),
      TEST_OF(xml, declares_prefixes_of_the_header_where_they_are_used),
      TEST_OF(xml, adds_the_language_of_the_stream), TEST_OF(xml, rewrites_what_leans_on_a_prefix),
      TEST_OF(xml, rewrites_what_leans_on_a_prefix_of_the_header),
      TEST_OF(xml, reads_the_style_without_prefix),
      TEST_OF(xml, marks_stanzas_that_name_the_content_namespace),
      TEST_OF(xml, marks_requests_without_exactly_one_child), TEST_OF(xml, gives_addresses_decoded),
      TEST_OF(xml, gives_all_else_as_elements), TEST_OF(xml, builds_trees),
      TEST_OF(xml, parses_exactly_one_element),
      TEST_OF(xml, text_of_an_element_in_many_pieces_is_whole),
      TEST_OF(xml, stops_behind_each_element),
      TEST_OF(xml, knows_what_is_unused_wherever_the_cut_was), TEST_OF(xml, names_the_fault),
      TEST_OF(xml, names_the_fault_of_a_header), TEST_OF(xml, sees_through_a_disguise_as_utf16),
      TEST_OF(xml, accepts_what_the_declaration_may_say), TEST_OF(xml, ends),
      TEST_OF(xml, says_nothing_after_the_end_or_a_fault))
