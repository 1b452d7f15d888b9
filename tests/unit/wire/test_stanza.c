#include "unit/test.h"

#include "base/mem.h"
#include "wire/ns.h"
#include "wire/stanza.h"
#include "wire/xml.h"

static struct stanza *read_stanza(enum stanza_scope scope, const char *text)
{
    static const struct xml_limits limits = {100000, 10000};
    struct xml *x = xml_new(7, scope, &limits);
    struct xml_item item;
    char all[4096];

    snprintf(all, sizeof(all), "<s:stream xmlns:s='" NS_STREAM "' xmlns='%s'>%s",
             scope == SCOPE_SERVER ? NS_SERVER : NS_COMPONENT, text);
    xml_feed(x, slice_from(all));
    xml_next(x, &item);
    CHECK_EQ(item.kind, XML_HEADER);
    xml_next(x, &item);
    CHECK_EQ(item.kind, XML_STANZA);
    xml_free(x);
    return item.stanza;
}

TEST(stanza, is_made_from_parts)
{
    struct stanza_parts parts = {.kind = STANZA_IQ,
                                 .to = SLICE("a&b@c"),
                                 .from = SLICE("d"),
                                 .id = SLICE(""),
                                 .type = SLICE("error"),
                                 .inner = SLICE("<x xmlns='u'/>")};
    struct stanza *s = stanza_make(&parts);

    CHECK_SLICE(s->wire, "<iq to='a&amp;b@c' from='d' id='' type='error'><x xmlns='u'/></iq>");
    CHECK_SLICE(s->to, "a&b@c");
    CHECK_SLICE(s->from, "d");
    CHECK(s->id.ptr && !s->id.len && !s->lang.ptr);
    CHECK_EQ(s->type, STANZA_TYPE_ERROR);
    CHECK_EQ(s->flags, STANZA_MADE);
    CHECK(!list_linked(&s->queue_node) && !list_linked(&s->custody_node));
    stanza_unref(s);
    parts = (struct stanza_parts){.kind = STANZA_PRESENCE, .lang = SLICE("de")};
    s = stanza_make(&parts);
    CHECK_SLICE(s->wire, "<presence xml:lang='de'/>");
    CHECK_SLICE(s->lang, "de");
    CHECK_EQ(s->type, STANZA_TYPE_NONE);
    stanza_unref(s);
}

TEST(stanza, lives_until_the_last_reference_goes)
{
    struct stanza *s = stanza_make(&(struct stanza_parts){.kind = STANZA_MESSAGE});

    CHECK(stanza_ref(s) == s);
    stanza_unref(s);
    CHECK_SLICE(s->wire, "<message/>");
    stanza_unref(s);
    stanza_unref(NULL);
}

TEST(stanza, knows_what_must_not_be_answered) /* RFC 6120 8.3.1, 8.2.3 */
{
    static const struct {
        enum stanza_kind kind;
        const char *type;
        bool answerable;
    } cases[] = {{STANZA_IQ, "get", true},         {STANZA_IQ, "set", true},
                 {STANZA_IQ, "result", false},     {STANZA_IQ, "error", false},
                 {STANZA_MESSAGE, "error", false}, {STANZA_MESSAGE, "result", true},
                 {STANZA_PRESENCE, NULL, true},    {STANZA_PRESENCE, "error", false}};

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stanza *s = stanza_make(
            &(struct stanza_parts){.kind = cases[i].kind, .type = slice_from(cases[i].type)});

        CHECK_EQ(stanza_answerable(s), cases[i].answerable);
        stanza_unref(s);
    }
}

TEST(stanza, keeps_domains_in_the_addresses_where_they_are)
{
    struct stanza *s = read_stanza(SCOPE_SERVER, "<iq to='x@a.example/r' from='b.example'/>");
    size_t cost = stanza_cost(s);

    stanza_set_domains(s, slice_sub(s->from, 0, 9), SLICE("a.example"));
    CHECK_SLICE(s->from_domain, "b.example");
    CHECK_SLICE(s->to_domain, "a.example");
    CHECK(s->from_domain.ptr == s->from.ptr && s->to_domain.ptr == s->to.ptr + 2);
    CHECK_EQ(stanza_cost(s), cost);
    stanza_unref(s);
}

TEST(stanza, copies_domains_that_had_to_be_normalised)
{
    struct stanza *s = read_stanza(SCOPE_SERVER, "<iq to='x@A.example' from='b.example'/>");
    char domain[] = "a.example";
    size_t cost = stanza_cost(s);

    stanza_set_domains(s, SLICE("b.example"), slice_from(domain));
    memset(domain, 'x', sizeof(domain));
    CHECK_SLICE(s->from_domain, "b.example");
    CHECK_SLICE(s->to_domain, "a.example");
    CHECK_SLICE(s->to, "x@A.example");
    CHECK(stanza_cost(s) > cost);
    stanza_unref(s);
    s = read_stanza(SCOPE_SERVER, "<iq/>");
    stanza_set_domains(s, SLICE("b"), SLICE("c"));
    CHECK_SLICE(s->to_domain, "c");
    stanza_unref(s);
}

TEST(stanza, serves_both_scopes_with_the_same_bytes) /* NS-06, RFC 6120 4.8.3 */
{
    struct stanza *s = read_stanza(SCOPE_COMPONENT, "<message to='a'><body>x</body></message>");
    struct bytes *owned = (struct bytes *)&owned;

    CHECK_EQ(s->scope, SCOPE_COMPONENT);
    CHECK(stanza_wire_for(s, SCOPE_SERVER, &owned).ptr == s->wire.ptr);
    CHECK(!owned);
    CHECK(stanza_wire_for(s, SCOPE_COMPONENT, &owned).ptr == s->wire.ptr);
    stanza_unref(s);
}

TEST(stanza, is_rewritten_for_the_other_scope_where_it_names_its_own) /* NS-06 */
{
    static const struct {
        const char *in;
        const char *server;
        const char *component;
    } cases[] = {
        {"<message id='&quot;' a='&#10;'><f xmlns='urn:f'>t&lt;<message xmlns='jabber:server' "
         "to='b'><body>x</body></message></f><body/></message>",
         "<message id='&quot;' a='&#10;'><f xmlns='urn:f'>t&lt;<message xmlns='jabber:server' "
         "to='b'><body>x</body></message></f><body/></message>",
         "<message id='&quot;' a='&#10;'><f xmlns='urn:f'>t&lt;<message "
         "xmlns='jabber:component:accept' to='b'><body>x</body></message></f><body/></message>"},
        /* the other's name is nobody's business: attributes never move */
        {"<iq xmlns:p='jabber:server' p:a='1'><x xmlns='u'><y xmlns='jabber:component:accept'/>"
         "<p:y p:b='2'/></x></iq>",
         "<iq xmlns:p='jabber:server' p:a='1'><x xmlns='u'><y xmlns='jabber:component:accept'/>"
         "<y xmlns='jabber:server' xmlns:p='jabber:server' p:b='2'/></x></iq>",
         "<iq xmlns:p='jabber:server' p:a='1'><x xmlns='u'><y xmlns='jabber:component:accept'/>"
         "<y xmlns='jabber:component:accept' xmlns:p='jabber:server' p:b='2'/></x></iq>"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct stanza *s = read_stanza(SCOPE_SERVER, cases[i].in);
        struct bytes *owned;

        CHECK(s->flags & STANZA_SCOPED);
        CHECK_SLICE(stanza_wire_for(s, SCOPE_SERVER, &owned), cases[i].server);
        CHECK(!owned);
        CHECK_SLICE(stanza_wire_for(s, SCOPE_COMPONENT, &owned), cases[i].component);
        bytes_unref(owned);
        stanza_unref(s);
    }
}

TEST(stanza, names_kinds)
{
    CHECK_STR(stanza_kind_name(STANZA_MESSAGE), "message");
    CHECK_STR(stanza_kind_name(STANZA_PRESENCE), "presence");
    CHECK_STR(stanza_kind_name(STANZA_IQ), "iq");
}

TESTS(TEST_OF(stanza, is_made_from_parts), TEST_OF(stanza, lives_until_the_last_reference_goes),
      TEST_OF(stanza, knows_what_must_not_be_answered),
      TEST_OF(stanza, keeps_domains_in_the_addresses_where_they_are),
      TEST_OF(stanza, copies_domains_that_had_to_be_normalised),
      TEST_OF(stanza, serves_both_scopes_with_the_same_bytes),
      TEST_OF(stanza, is_rewritten_for_the_other_scope_where_it_names_its_own),
      TEST_OF(stanza, names_kinds))
