/* What wire/xml costs a stanza, beside expat alone with namespaces and empty handlers.
 *
 * bench_xml [rounds [body]]: bodies of 0 to 20000 bytes, or of this size, in chunks of 16 KiB;
 * nanoseconds a stanza, the best of the rounds. */
#include <expat.h>
#include <stdio.h>
#include <time.h>

#include "base/byteq.h"
#include "wire/ns.h"
#include "wire/xml.h"
#include "wire/xmlw.h"

#define CHUNK_BYTES 16384

static const char header[] = "<?xml version='1.0'?><stream:stream xmlns='jabber:server' "
                             "xmlns:stream='" NS_STREAM "' xmlns:db='" NS_DIALBACK
                             "' to='a.example' from='b.example' version='1.0'>";

static void put_stanza(struct byteq *q, unsigned i, size_t body_bytes, bool references)
{
    static const char words[] = "Lorem ipsum dolor sit amet, consetetur sadipscing elitr, sed ";
    char tag[512];

    snprintf(tag, sizeof(tag),
             "<message from='juliet-%u@capulet.example/balcony' to='romeo@montague.example' "
             "id='b4vs9km4-%u' type='chat'><body>",
             i % 1000, i);
    xmlw_raw(q, tag);
    for (size_t n = 0; n < body_bytes; n++)
        byteq_append(q, slice_make(&words[n % (sizeof(words) - 1)], 1));
    if (references)
        xmlw_raw(q, "&apos;");
    xmlw_raw(q, "</body></message>");
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void on_start(void *user, const XML_Char *name, const XML_Char **atts)
{
}

static void on_end(void *user, const XML_Char *name)
{
}

static void on_text(void *user, const XML_Char *text, int len)
{
}

static double expat_alone(struct slice text, bool listen)
{
    XML_Parser p = XML_ParserCreateNS("UTF-8", '\x1f');
    double start;

    XML_SetReturnNSTriplet(p, 1);
    XML_SetElementHandler(p, on_start, on_end);
    if (listen)
        XML_SetCharacterDataHandler(p, on_text);
    start = now_ns();
    for (; text.len; text = slice_from_offset(text, CHUNK_BYTES)) {
        struct slice chunk = slice_sub(text, 0, CHUNK_BYTES);

        if (XML_Parse(p, chunk.ptr, (int)chunk.len, 0) != XML_STATUS_OK)
            abort();
    }
    start = now_ns() - start;
    XML_ParserFree(p);
    return start;
}

static double ours(struct slice text, size_t *ret_stanzas)
{
    static const struct xml_limits limits = {262144, 16384};
    struct xml *x = xml_new(7, SCOPE_SERVER, &limits);
    struct xml_item item;
    double start = now_ns();

    for (; text.len; text = slice_from_offset(text, CHUNK_BYTES)) {
        xml_feed(x, slice_sub(text, 0, CHUNK_BYTES));
        for (xml_next(x, &item); item.kind != XML_MORE; xml_next(x, &item)) {
            if (item.kind == XML_FAULT)
                abort();
            stanza_unref(item.stanza);
            *ret_stanzas += item.kind == XML_STANZA;
        }
    }
    start = now_ns() - start;
    xml_free(x);
    return start;
}

static double least(double a, double b)
{
    return a < b ? a : b;
}

static void measure(size_t body_bytes, unsigned rounds)
{
    struct byteq q;
    unsigned n = (unsigned)(8000000 / (body_bytes + 150));
    double alone = 1e18;
    double silent = 1e18;
    double all = 1e18;

    byteq_init(&q);
    xmlw_raw(&q, header);
    for (unsigned i = 0; i < n; i++)
        put_stanza(&q, i, body_bytes, false);
    for (unsigned i = 0; i < rounds; i++) {
        size_t stanzas = 0;

        alone = least(alone, expat_alone(byteq_slice(&q), true));
        silent = least(silent, expat_alone(byteq_slice(&q), false));
        all = least(all, ours(byteq_slice(&q), &stanzas));
        if (stanzas != n)
            abort();
    }
    printf("body %5zu bytes: expat %7.1f ns  expat without text handler %7.1f ns  ours %7.1f ns  "
           "ratio %.2f\n",
           body_bytes, alone / n, silent / n, all / n, all / alone);
    byteq_fini(&q);
}

int main(int argc, char **argv)
{
    static const size_t sizes[] = {0, 200, 2000, 20000};
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 10;

    if (argc > 2)
        measure((size_t)atoi(argv[2]), rounds);
    for (size_t i = 0; argc <= 2 && i < COUNT(sizes); i++)
        measure(sizes[i], rounds);
    return 0;
}
