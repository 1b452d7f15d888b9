#include "unit/test.h"

#include "wire/splice.h"
#include "wire/xmlw.h"

/* `inner` below `context`, written anew for `to`. */
static bool rewrite(const char *context, unsigned depth, const char *inner, const char *to,
                    struct splice_writer *w, struct byteq *out)
{
    byteq_init(out);
    splice_writer_init(w, out, "from", to);
    return splice_rewrite(slice_from(context), depth,
                          (struct slice[2]){slice_from(inner), slice_none()}, w);
}

TEST(splice, writes_anew_with_few_declarations)
{
    static const struct {
        const char *context;
        const char *in;
        const char *out;
        bool scoped;
    } cases[] = {
        {"<s xmlns='from'>", "<a><b/>t</a>", "<a><b/>t</a>", false},
        {"<s xmlns='from'>", "<a xmlns='u'><b/><c xmlns='u'/></a>", "<a xmlns='u'><b/><c/></a>",
         false},
        {"<s xmlns='u' xmlns:p='from'>", "<p:a><b><p:c/></b></p:a>",
         "<a><b xmlns='u'><c xmlns='to'/></b></a>", true},
        {"<s xmlns='from'>", "<a xmlns=''><b xmlns='from'/></a>", "<a xmlns=''><b xmlns='to'/></a>",
         true},
        {"<s xmlns='from' xmlns:p='u&lt;'>", "<p:a p:b='1' p:c='&#10;' d='2' xml:e='3'/>",
         "<a xmlns='u&lt;' xmlns:p='u&lt;' p:b='1' p:c='&#10;' d='2' xml:e='3'/>", false},
        {"<s xmlns='from'>", "text &lt; <![CDATA[<>]]>&#13;\n", "text &lt; &lt;&gt;&#13;\n", false},
        {"<s xmlns='from'>", "<to xmlns='to'/>", "<to/>", false},
        {"<s xmlns='from'>", "<xml:a><b/></xml:a>", "<xml:a><b/></xml:a>", false},
        {"<s xmlns='from'>", "", "", false},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct splice_writer w;
        struct byteq out;

        CHECK(rewrite(cases[i].context, 1, cases[i].in, "to", &w, &out));
        CHECK_SLICE(byteq_slice(&out), cases[i].out);
        CHECK_EQ(w.scoped, cases[i].scoped);
        splice_writer_fini(&w);
        byteq_fini(&out);
    }
}

TEST(splice, leaves_the_context_out)
{
    struct splice_writer w;
    struct byteq out;

    CHECK(rewrite("<s xmlns='from'><s xmlns:p='q'>", 2, "<a/><p:b/>", "from", &w, &out));
    CHECK_SLICE(byteq_slice(&out), "<a/><b xmlns='q'/>");
    splice_writer_fini(&w);
    byteq_fini(&out);
}

TEST(splice, refuses_what_does_not_parse_to_the_end)
{
    static const char *const cases[] = {"<a>",      "</s>",  "<p:a/>",     "a&b;",
                                        "<!--x-->", "<?x?>", "<a/></s><s>"};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct splice_writer w;
        struct byteq out;

        CHECK_MSG(!rewrite("<s xmlns='from'>", 1, cases[i], "to", &w, &out), "%s", cases[i]);
        splice_writer_fini(&w);
        byteq_fini(&out);
    }
}

TEST(splice, stops_writing_at_the_limit)
{
    static char text[20000];
    struct splice_writer w;
    struct byteq out;
    size_t len = 0;

    for (unsigned i = 0; i < 2000; i++)
        len += (size_t)sprintf(text + len, "<a>x</a>");
    byteq_init(&out);
    splice_writer_init(&w, &out, "from", "to");
    w.limit = 100;
    CHECK(!splice_rewrite(SLICE("<s xmlns='from'>"), 1,
                          (struct slice[2]){slice_none(), slice_make(text, len)}, &w));
    CHECK(w.over && byteq_len(&out) < 200);
    splice_writer_fini(&w);
    byteq_fini(&out);
}

TEST(splice, joins_two_runs_of_content)
{
    struct splice_tag tag;
    struct stanza *s;

    splice_tag_init(&tag);
    splice_tag_begin(&tag, STANZA_MESSAGE);
    splice_tag_attr(&tag, SLICE("to"), SLICE("a"));
    s = splice_finish(&tag, (struct slice[2]){SLICE("<bo"), SLICE("dy/>")});
    CHECK_SLICE(s->wire, "<message to='a'><body/></message>");
    stanza_unref(s);
    s = splice_finish(&tag, (struct slice[2]){slice_none(), SLICE("x")});
    CHECK_SLICE(s->wire, "<message to='a'>x</message>");
    stanza_unref(s);
    splice_tag_begin(&tag, STANZA_IQ); /* nothing of the last one is left */
    s = splice_finish(&tag, (struct slice[2]){slice_none(), slice_none()});
    CHECK_SLICE(s->wire, "<iq/>");
    CHECK(!s->to.ptr);
    stanza_unref(s);
    splice_tag_fini(&tag);
}

TEST(splice, keeps_escaped_values_beside_the_wire)
{
    struct splice_tag tag;
    struct stanza *s;

    splice_tag_init(&tag);
    splice_tag_begin(&tag, STANZA_MESSAGE);
    splice_tag_attr(&tag, SLICE("from"), SLICE("f"));
    splice_tag_attr(&tag, SLICE("to"), SLICE("'t'"));
    splice_tag_attr(&tag, SLICE("id"), SLICE("<>"));
    s = splice_finish(&tag, (struct slice[2]){slice_none(), slice_none()});
    CHECK_SLICE(s->wire, "<message from='f' to='&apos;t&apos;' id='&lt;&gt;'/>");
    CHECK_SLICE(s->from, "f");
    CHECK_SLICE(s->to, "'t'");
    CHECK_SLICE(s->id, "<>");
    stanza_unref(s);
    s = splice_finish_empty(&tag);
    CHECK_EQ(s->wire.len, 0);
    CHECK_SLICE(s->to, "'t'");
    stanza_unref(s);
    splice_tag_fini(&tag);
}

TESTS(TEST_OF(splice, writes_anew_with_few_declarations), TEST_OF(splice, leaves_the_context_out),
      TEST_OF(splice, refuses_what_does_not_parse_to_the_end),
      TEST_OF(splice, stops_writing_at_the_limit), TEST_OF(splice, joins_two_runs_of_content),
      TEST_OF(splice, keeps_escaped_values_beside_the_wire))
