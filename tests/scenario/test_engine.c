/* The scenario engine judges the router, so it is judged first: each kind of step passes when it
 * should and fails when it should, against a server that only says what it hears. */
#include "scenario/mirror.h"
#include "scenario/stage.h"
#include "unit/test.h"

#include "wire/ns.h"

/* --- the strict reader --- */

static enum xkind read_all(const char *text, size_t step, const char **ret_why)
{
    enum xkind last = X_MORE;
    struct xread r;
    struct xitem item;

    xread_init(&r);
    for (size_t i = 0, len = strlen(text); i < len; i += step) {
        size_t left = len - i;

        xread_feed(&r, slice_make(text + i, left < step ? left : step));
        for (xread_next(&r, &item); item.kind != X_MORE; xread_next(&r, &item)) {
            last = item.kind;
            *ret_why = item.why; /* a constant */
            if (last == X_BAD)
                break;
        }
    }
    xread_fini(&r);
    return last;
}

#define HEAD                                                                                       \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='" NS_STREAM "'>"

TEST(xmlread, takes_good_streams_at_any_border)
{
    static const char *const cases[] = {
        HEAD "<a/>",
        HEAD "<message to='a' from=\"b>\"><body>x&lt;&#x41;\xc3\xbc<![CDATA[<]]></body></message>",
        HEAD " \n<a>\n</a>",
        HEAD "<x:a xmlns:x='y' x:b='' b='&#10;'/>",
        HEAD "<success/>" HEAD "<stream:features/>",
        "<?xml version=\"1.0\" encoding='UTF-8'?>\n<stream:stream xmlns:stream='" NS_STREAM
        "'><stream:error/>",
    };

    for (size_t i = 0; i < COUNT(cases); i++)
        for (size_t step = 1; step < 60; step++) {
            const char *why = "";

            CHECK_MSG(read_all(cases[i], step, &why) == X_ELEMENT, "%s: %s", cases[i], why);
        }
}

/* RFC 6120 11; XML-01, XML-08, XML-09 */
TEST(xmlread, refuses_what_a_stream_must_not_have)
{
    static const char *const cases[] = {
        HEAD "<!-- x -->",
        HEAD "<a><!-- x --></a>",
        HEAD "<?php ?>",
        HEAD "<a><?x y?></a>",
        "<!DOCTYPE x>" HEAD,
        HEAD "<a>&foo;</a>",
        HEAD "<a>&#1;</a>",
        HEAD "<a>\x01</a>",
        HEAD "<a>\xc0\x80</a>",
        HEAD "<a b='<'/>",
        HEAD "<a b='1' b='2'/>",
        HEAD "<a b=1/>",
        HEAD "<a b='1'c='2'/>",
        HEAD "<a></b>",
        HEAD "</a>",
        HEAD "<x:a/>",
        HEAD "<a x:b=''/>",
        HEAD "<a xmlns:x=''><x:b/></a>",
        HEAD "text",
        HEAD "<![CDATA[x]]>",
        HEAD "</stream:stream><a/>",
        "\xef\xbb\xbf" HEAD,
        "<?xml version='1.0' standalone='yes'?>",
        "<?xml version='1.1'?>",
        "<message/>",
        HEAD "<a>]]></a>",
        HEAD "<1/>",
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *why = "";

        CHECK_MSG(read_all(cases[i], 1000, &why) == X_BAD, "%s", cases[i]);
        CHECK_MSG(read_all(cases[i], 1, &why) == X_BAD, "%s", cases[i]);
    }
}

/* --- patterns --- */

static bool fit(const char *pattern, const char *text, bool exact, struct words *w)
{
    struct pattern p;
    struct pattern t;
    char why[512];
    bool ok;

    CHECK_MSG(!pattern_init(&p, slice_from(pattern), NS_SERVER), "%s", pattern);
    CHECK_MSG(!pattern_init(&t, slice_from(text), NS_SERVER), "%s", text);
    ok = pattern_fits(&p, t.node, exact, w, why, sizeof(why));
    pattern_fini(&p);
    pattern_fini(&t);
    return ok;
}

TEST(pattern, fits_or_not)
{
    static const struct {
        const char *pattern, *text;
        bool fits, exact;
    } cases[] = {
        {"<a/>", "<a/>", true, true},
        {"<a/>", "<b/>", false, false},
        {"<a/>", "<a xmlns='x'/>", false, false},
        {"<a/>", "<a b='1'/>", true, false},
        {"<a/>", "<a><b/></a>", true, false},
        {"<a b='1'/>", "<a c='2' b='1'/>", true, false},
        {"<a b='1'/>", "<a b='2'/>", false, false},
        {"<a b='1'/>", "<a/>", false, false},
        {"<a b='*'/>", "<a b=''/>", true, true},
        {"<a b='x*z'/>", "<a b='xyz'/>", true, true},
        {"<a b='$NONE'/>", "<a/>", true, true},
        {"<a b='$NONE'/>", "<a b=''/>", false, false},
        {"<a>x</a>", "<a>x</a>", true, true},
        {"<a>x</a>", "<a>y</a>", false, false},
        {"<a>&lt;</a>", "<a><![CDATA[<]]></a>", true, true},
        {"<a><b/><c/></a>", "<a><c/><b/></a>", true, false},
        {"<a><b/><b/></a>", "<a><b/></a>", false, false},
        {"<a><b x='1'/></a>", "<a><b x='2'/><b x='1'/></a>", true, false},
        {"<a><t:no><b/></t:no></a>", "<a><c/></a>", true, false},
        {"<a><t:no><b/></t:no></a>", "<a><b/></a>", false, false},
        {"<a><b/><t:only/></a>", "<a><b/></a>", true, false},
        {"<a><b/><t:only/></a>", "<a><b/><c/></a>", false, false},
        {"<a><t:empty/></a>", "<a/>", true, false},
        {"<a><t:empty/></a>", "<a> </a>", false, false},
        {"<a><t:any/></a>", "<a><x xmlns='y'/></a>", true, true},
        {"<db:result/>", "<x:result xmlns:x='jabber:server:dialback'/>", true, true},
        {"<a b='$B' c='$B'/>", "<a b='1' c='1'/>", true, true},
        {"<a b='$B' c='$B'/>", "<a b='1' c='2'/>", false, false},
        {"<a b='${b64:x}'/>", "<a b='eA=='/>", true, true},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct words w;

        words_init(&w);
        CHECK_MSG(fit(cases[i].pattern, cases[i].text, false, &w) == cases[i].fits, "%s against %s",
                  cases[i].pattern, cases[i].text);
        words_fini(&w);
        words_init(&w);
        CHECK_MSG(fit(cases[i].pattern, cases[i].text, true, &w) == cases[i].exact,
                  "%s exactly against %s", cases[i].pattern, cases[i].text);
        words_fini(&w);
    }
}

TEST(pattern, binds_only_when_all_fits)
{
    struct words w;

    words_init(&w);
    CHECK(!fit("<a b='$B' c='2'/>", "<a b='1' c='3'/>", false, &w));
    CHECK(!words_get(&w, SLICE("B")).ptr);
    CHECK(fit("<a><b x='$X' y='2'/></a>", "<a><b x='1' y='1'/><b x='2' y='2'/></a>", false, &w));
    CHECK_SLICE(words_get(&w, SLICE("X")), "2");
    words_fini(&w);
}

/* --- words; the vectors of the conformance list, section 0: KEY-01, COMP-04 --- */

TEST(words, are_expanded)
{
    static const struct {
        const char *text, *result;
    } cases[] = {
        {"plain", "plain"},
        {"a$", "a$"},
        {"${dollar}${sp}${dollar}", "$ $"},
        {"$X", "one"},
        {"${X}two", "onetwo"},
        {"${b64:${X}}", "b25l"},
        {"${hex:6f6E}", "on"},
        {"${repeat:3:ab}", "ababab"},
        {"${length:${repeat:10:ab}}", "20"},
        {"${upper:a:b}", "A:B"},
        {"${sha1:3BF96D32test}", "aaee83c26aeeafcbabeabfcbcd50df997e0a2a1e"},
        {"${sha256:s3cr3tf0rd14lb4ck}",
         "a7136eb1f46c9ef18c5e78c36ca257067c69b3d518285f0b18a96c33beae9acc"},
        {"${dialback:s3cr3tf0rd14lb4ck:xmpp.example.com:example.org:D60000229F}",
         "37c69b1cf07a3f67c04a5ef5902fa5114f2c76fe4a2686482ba5b89323075643"},
        {"${dialback:d14lb4ck43v3r:capulet.example:montague.example:417GAF25}",
         "225cc5aa6a071133249d25fef42ae516fc7a86c523aa1c6980a7f73e784c972d"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct words w;
        struct byteq out;
        char why[128];

        words_init(&w);
        byteq_init(&out);
        words_set(&w, SLICE("X"), SLICE("one"));
        CHECK_MSG(words_expand(&w, slice_from(cases[i].text), &out, why, sizeof(why)), "%s", why);
        CHECK_SLICE(byteq_slice(&out), cases[i].result);
        byteq_fini(&out);
        words_fini(&w);
    }
}

/* --- whole scripts --- */

static bool run(const char *text, char *why, size_t size)
{
    struct script script;
    struct stage stage;
    bool ok;

    script_init(&script);
    if (!script_add(&script, "test", slice_from(text))) {
        snprintf(why, size, "%s", script.why);
        script_fini(&script);
        return false;
    }
    stage_init(&stage, &mirror_adapter, &script, 1, bed_dir("engine"));
    ok = stage_run(&stage);
    if (getenv("TRANSCRIPT"))
        stage_report(&stage, stdout);
    snprintf(why, size, "%s", stage.why);
    stage_fini(&stage);
    script_fini(&script);
    return ok;
}

#define OPEN "router\npeer p to s2s\np > " HEAD "\np < <stream:stream xmlns='jabber:server'>\n"

TEST(engine, steps_that_pass)
{
    static const char *const cases[] = {
        OPEN "p > <a b='$SECRET'/>\np < <a b='a dialback*'/>",
        OPEN "p > <a/><b/>\np <* <b/>",
        OPEN "p > <db:result xmlns:db='jabber:server:dialback' from='a' to='b'>k</db:result>\n"
             "p <= <db:result from='$F' to='b'>k</db:result>\ncheck $F == a",
        OPEN "p quiet 5s\np open\np nospace\np > ${sp}\np space",
        OPEN "p > </stream:stream>\np < </stream:stream>\np close\np closed fin",
        OPEN "p shutdown\np closed fin",
        OPEN "metric mirror_bytes >=10\nlog accepted*fd=\nnolog refused",
        OPEN "control status\ncheck $OUT ~ sta*s\ncheck $OUT != other\nsignal term\nexits 0",
        "router\nport q at 10.0.0.9:5269\npeer p to 10.0.0.9:5269 from=comp\naccept r on q\n"
        "p > hello\nr raw h*o\nlonely q 1s\ndials 10.0.0.9:5269 1",
        "router\npeer p to 10.0.0.9:5269\np refused",
        "router\npeer p to s2s\np connected",
        "macro say who what\n  %who% > %what%\nend\n" OPEN
        "say p \"<a b='c d'/>\"\np < <a b='c d'/>",
        OPEN "repeat 3\np > <a n='$I'/>\np < <a n='$I'/>\nend",
        OPEN "p > <a \\\n   b='1'/>\np < <a b='1'/>",
        OPEN "cut node remote\np > <a/>\np quiet 5s\nheal node remote\np within 15s < <a/>",
        "cert x dns=x.example\nrouter\nport q at 10.0.0.9:5269\npeer p to 10.0.0.9:5269 from=comp\n"
        "accept r on q\np > go\nr raw go\npause comp\nresume comp",
        "dns q.example A 10.0.0.9\nasked q.example A 0",
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[2048];

        CHECK_MSG(run(cases[i], why, sizeof(why)), "case %zu: %s", i, why);
    }
}

TEST(engine, steps_that_fail)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {OPEN "p > <a/>\np < <b/>", "element: \"b\" wanted, \"a\" found"},
        {OPEN "p > <a/>\np < <a", "the pattern is no XML"},
        {OPEN "p < <a/>", "nothing came"},
        {OPEN "p > <a/>\np < </stream:stream>", "end tag wanted"},
        {OPEN "p > </stream:stream>\np < <a/>", "the stream ended"},
        {OPEN "p > <a/>\np quiet 1s", "not quiet"},
        {OPEN "p closed", "still open"},
        {OPEN "p > <a/>\np close\np closed", "closed, but before: <a/>"},
        {OPEN "p close\np closed\np open", "is closed"},
        {OPEN "p > ${sp}\np > <a/>\np < <a/>\np nospace", "white space came"},
        {OPEN "p > <!-- x -->\np < <a/>", "a comment"},
        {OPEN "p > <message><body/></message>", "without from or to"},
        {OPEN "p > <stream:error/>", "SERR-01"},
        {OPEN "p > <stream:error><undefined-condition xmlns='" NS_STREAM_ERRORS
              "'/></stream:error>",
         "SERR-01: undefined-condition without"},
        {OPEN "p > <message from='a' to='b' type='error'/>", "ERR-01"},
        {OPEN "p > <message from='a' to='b'><error/></message>", "ERR-04"},
        {OPEN
         "p > <message from='a' to='b' type='error'><error type='x'><gone xmlns='" NS_STANZA_ERRORS
         "'/></error></message>",
         "ERR-02"},
        {OPEN "p > <message xmlns='jabber:client' from='a' to='b'/>", "NS-07"},
        {OPEN "p > <x:iq xmlns:x='jabber:server' from='a' to='b'/>", "NS-04"},
        {OPEN "p > <x:result xmlns:x='jabber:server:dialback' from='a' to='b'/>", "DB-01"},
        {OPEN "p > <r:result xmlns:r='jabber:server:dialback'/>", "DB-01"},
        {"router\npeer p to s2s\np > <stream:stream xmlns:stream='" NS_STREAM "'>\np <* <x/>",
         "XML-09"},
        {OPEN "metric mirror_bytes 0", "mirror_bytes is"},
        {OPEN "metric unknown 0", "no metric"},
        {OPEN "log never", "no such line"},
        {OPEN "nolog accepted", "has such a line"},
        {OPEN "check a == b", "not so"},
        {OPEN "exits 0 within 1s", "still runs"},
        {OPEN "control refuse", "refused"},
        {OPEN "p > $UNBOUND", "nothing is bound"},
        {OPEN "p dance", "cannot"},
        {OPEN "dance", "neither a step nor a peer"},
        {"port q at 10.0.0.9:5269\naccept r on q within 1s", "nobody connected"},
        {"port q at 10.0.0.9:5269\npeer p to 10.0.0.9:5269 from=comp\nlonely q 1s",
         "somebody connected"},
        {"dials 10.0.0.9:5269 1", "is 0, not 1"},
        {"repeat 2\n", "no end"},
        {"router\n  nonsense", "wanted: nonsense"},
        {"cert x nonsense=1", "not the words"},
        {"dns x.example WHAT 1", "not a row"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char why[2048] = "";

        CHECK_MSG(!run(cases[i].text, why, sizeof(why)), "case %zu passed: %s", i, cases[i].text);
        CHECK_MSG(strstr(why, cases[i].why), "case %zu: \"%s\" has no \"%s\"", i, why,
                  cases[i].why);
    }
}

TEST(engine, same_seed_writes_the_same_transcript)
{
    static const char text[] = OPEN "p > <a/>\np < <a/>\np > <b/>\np < <b/>";
    char *transcripts[2];

    for (int i = 0; i < 2; i++) {
        struct script script;
        struct stage stage;

        script_init(&script);
        CHECK(script_add(&script, "test", slice_from(text)));
        stage_init(&stage, &mirror_adapter, &script, 5, bed_dir("engine"));
        CHECK(stage_run(&stage));
        peer_note_all();
        transcripts[i] = mem_strndup(byteq_slice(&stage.transcript));
        stage_fini(&stage);
        script_fini(&script);
    }
    CHECK_STR(transcripts[0], transcripts[1]);
    mem_free(transcripts[0]);
    mem_free(transcripts[1]);
}

/* What is written for the router is what conf reads: checked where conf is. */
TEST(engine, writes_a_configuration)
{
    static const char text[] =
        "cert own dns=home.example\nrouter\n  component rooms.home.example secret=abc grace=5s\n"
        "  peers * auth=pkix,dialback tls=optional\n  certificate own\n  set limits.queue_age 5s";
    static const char *const lines[] = {
        "limits:\n  queue_age: 5s\n",
        "components:\n  - { domain: \"rooms.home.example\", secret_file: "
        "\"rooms.home.example.secret\", grace: \"5s\" }\n",
        "peers:\n  - { match: \"*\", auth: [\"pkix\", \"dialback\"], tls: \"optional\" }\n",
        "certificates: [ { chain: \"own.pem\", key: \"own.key\" } ]\n",
    };
    char why[2048];
    char file[8192] = "";
    FILE *f;

    CHECK_MSG(run(text, why, sizeof(why)), "%s", why);
    f = fopen("tests/out/engine/fedrouter.yaml", "r");
    CHECK(f && fread(file, 1, sizeof(file) - 1, f) > 0);
    fclose(f);
    for (size_t i = 0; i < COUNT(lines); i++)
        CHECK_MSG(strstr(file, lines[i]), "%s has no %s", file, lines[i]);
}

TESTS(TEST_OF(xmlread, takes_good_streams_at_any_border),
      TEST_OF(xmlread, refuses_what_a_stream_must_not_have), TEST_OF(pattern, fits_or_not),
      TEST_OF(pattern, binds_only_when_all_fits), TEST_OF(words, are_expanded),
      TEST_OF(engine, steps_that_pass), TEST_OF(engine, steps_that_fail),
      TEST_OF(engine, same_seed_writes_the_same_transcript),
      TEST_OF(engine, writes_a_configuration))
