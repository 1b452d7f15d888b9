#include "unit/dnspacket.h"

#include "wire/dnsmsg.h"

#define SRV_NAME "_xmpp-server._tcp.example.net"
#define ANSWER   (PK_QR | PK_RD | PK_RA)

static struct pk pk;
static struct arena arena;

static struct dns_question question(const char *name, enum dns_type type)
{
    struct dns_question q = {.type = type, .id = 0x1234};

    snprintf(q.name, sizeof(q.name), "%s", name);
    return q;
}

static enum err parse(const struct dns_question *q, struct dns_answer *ret)
{
    char *copy = mem_alloc(pk.n); /* exact size: a read past the end is seen by the sanitizer */
    enum err e;

    arena_fini(&arena);
    arena_init(&arena);
    memcpy(copy, pk.b, pk.n);
    e = dns_parse(slice_make(copy, pk.n), q, &arena, ret);
    mem_free(copy);
    return e;
}

static struct dns_answer parse_ok(const struct dns_question *q)
{
    struct dns_answer a;

    CHECK_EQ(parse(q, &a), OK);
    return a;
}

static void begin(const struct dns_question *q, unsigned flags)
{
    pk_begin(&pk, q->id, flags, q->name, q->type);
}

static void full_srv_answer(const struct dns_question *q)
{
    begin(q, ANSWER | PK_AD);
    pk_srv(&pk, PK_ANSWER, "@", 300, 10, 5, 5269, "XMPP.Example.net");
    pk_srv(&pk, PK_ANSWER, "@", 200, 20, 0, 5270, "b.example.net");
    pk_named(&pk, PK_AUTHORITY, "example.net", PK_NS, 60, "ns.example.net");
    pk_address(&pk, PK_ADDITIONAL, "xmpp.example.net", 100, "192.0.2.1");
    pk_opt(&pk, 0, 0);
}

/* ---- questions ---- */

/* DNSSEC-02: RFC 6840 5.7, 5.8; RFC 6891. Read back byte by byte. */
TEST(dnsmsg, question_has_rd_ad_and_do)
{
    struct dns_question q = question("_xMpP-server._tcp.Example.net", DNS_SRV);
    unsigned char buf[512];
    struct pk want;
    size_t len;

    pk_begin(&want, 0x1234, PK_RD | PK_AD, q.name, PK_SRV);
    pk_opt(&want, 0, 0);
    CHECK_EQ(dns_format(&q, false, buf, sizeof(buf), &len), OK);
    CHECK_EQ(len, want.n);
    CHECK(memcmp(buf, want.b, len) == 0);
    want.b[3] |= 0x10; /* CD */
    CHECK_EQ(dns_format(&q, true, buf, sizeof(buf), &len), OK);
    CHECK(memcmp(buf, want.b, len) == 0);
}

TEST(dnsmsg, refuses_names_that_are_none)
{
    static const struct {
        const char *name;
        enum err e;
    } cases[] = {
        {"", ERR_SYNTAX},
        {".", ERR_SYNTAX},
        {"a..b", ERR_SYNTAX},
        {"a.", ERR_SYNTAX},
        {".a", ERR_SYNTAX},
        {"a b", ERR_SYNTAX},
        {"a\\.b", ERR_SYNTAX},
        {"\xc3\xa4.b", ERR_SYNTAX},
        {"a/b", ERR_SYNTAX},
        {"a123456789b123456789c123456789d123456789e123456789f123456789g123", ERR_SYNTAX},
    };
    struct dns_question q;
    unsigned char buf[512];
    size_t len;

    for (size_t i = 0; i < COUNT(cases); i++) {
        q = question(cases[i].name, DNS_A);
        CHECK_EQ(dns_format(&q, false, buf, sizeof(buf), &len), cases[i].e);
    }
    q = question("a123456789b123456789c123456789d123456789e123456789f123456789g12.x", DNS_A);
    CHECK_EQ(dns_format(&q, false, buf, sizeof(buf), &len), OK);
    CHECK_EQ(dns_format(&q, false, buf, 20, &len), ERR_LIMIT);
    for (size_t i = 0; i < 253; i++)
        q.name[i] = i % 2 ? '.' : 'a';
    q.name[253] = '\0';
    CHECK_EQ(dns_format(&q, false, buf, sizeof(buf), &len), OK); /* 253 and 255 are the most */
}

TEST(dnsmsg, mixes_case_of_letters_only)
{
    char name[] = "_xmpp-server._tcp.a1.example.net";
    char was[sizeof(name)];
    struct random rnd;
    unsigned upper = 0;

    random_init_seeded(&rnd, 3);
    for (int i = 0; i < 100; i++) {
        memcpy(was, name, sizeof(name));
        dns_mix_case(name, &rnd);
        CHECK(slice_eq_nocase(slice_from(name), slice_from(was)));
        for (size_t k = 0; name[k]; k++)
            upper += name[k] >= 'A' && name[k] <= 'Z';
    }
    CHECK_MSG(upper > 1000 && upper < 1500, "%u of 2500", upper);
}

/* ---- answers ---- */

/* SRV-09: all records in the answer are used. */
TEST(dnsmsg, reads_srv_records)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    full_srv_answer(&q);
    a = parse_ok(&q);
    CHECK_EQ(a.rcode, DNS_NOERROR);
    CHECK(a.ad && !a.truncated && !a.lame && !a.bogus);
    CHECK_EQ(a.count, 2);
    CHECK_EQ(a.ttl_s, 200);
    CHECK_EQ(a.unusable, 0);
    CHECK_EQ(a.alias.len, 0);
    CHECK_SLICE(a.records[0].target, "xmpp.example.net");
    CHECK_EQ(a.records[0].priority, 10);
    CHECK_EQ(a.records[0].weight, 5);
    CHECK_EQ(a.records[0].port, 5269);
    CHECK_SLICE(a.records[1].target, "b.example.net");
    CHECK_EQ(a.records[1].port, 5270);
}

/* SRV-04: the target "." is seen as such. */
TEST(dnsmsg, root_target_is_the_empty_name)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    begin(&q, ANSWER);
    pk_srv(&pk, PK_ANSWER, "@", 300, 0, 0, 0, ".");
    a = parse_ok(&q);
    CHECK_EQ(a.count, 1);
    CHECK_EQ(a.records[0].target.len, 0);
    CHECK(!a.ad);
}

TEST(dnsmsg, reads_addresses_and_tlsa)
{
    struct dns_question q = question("h.example.net", DNS_A);
    char text[ADDR_TEXT_MAX];
    struct dns_answer a;

    begin(&q, ANSWER);
    pk_address(&pk, PK_ANSWER, "H.example.NET", 300, "192.0.2.7");
    pk_address(&pk, PK_ANSWER, "other.example.net", 3, "192.0.2.8");
    a = parse_ok(&q);
    CHECK_EQ(a.count, 1);
    CHECK_EQ(a.ttl_s, 300);
    CHECK_STR(addr_format_ip(&a.records[0].addr, text), "192.0.2.7");

    q = question("h.example.net", DNS_AAAA);
    begin(&q, ANSWER);
    pk_address(&pk, PK_ANSWER, "@", 0x80000001, "2001:db8::7");
    a = parse_ok(&q);
    CHECK_STR(addr_format_ip(&a.records[0].addr, text), "2001:db8::7");
    CHECK_EQ(a.ttl_s, 0); /* RFC 2181 8 */

    q = question("_5269._tcp.h.example.net", DNS_TLSA);
    begin(&q, ANSWER);
    pk_rr(&pk, PK_ANSWER, "@", PK_TLSA, 9);
    pk_raw(&pk, "\3\1\1abcd", 7);
    pk_end(&pk);
    a = parse_ok(&q);
    CHECK_SLICE(a.records[0].rdata, "\3\1\1abcd");
}

/* SRV-09: more than we take is counted, and the others are there. */
TEST(dnsmsg, takes_a_bounded_number_of_records)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    begin(&q, ANSWER);
    for (unsigned i = 0; i < DNS_RECORDS_MAX + 5; i++)
        pk_srv(&pk, PK_ANSWER, "@", 300, i, 0, 5269, "x.example.net");
    a = parse_ok(&q);
    CHECK_EQ(a.count, DNS_RECORDS_MAX);
    CHECK_EQ(a.unusable, 5);
    CHECK_EQ(a.records[255].priority, 255);
    for (unsigned i = 0; i < 800; i++)
        pk_srv(&pk, PK_ANSWER, "@", 300, i, 0, 5269, "x.example.net");
    CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
}

/* A name that could not be asked or logged must not look like absence (SRV-06, SRV-07). */
TEST(dnsmsg, counts_targets_that_are_no_host_name)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    begin(&q, ANSWER);
    pk_srv(&pk, PK_ANSWER, "@", 300, 0, 0, 5269, "sp ace.example");
    pk_srv(&pk, PK_ANSWER, "@", 300, 0, 0, 5269, "new\nline");
    a = parse_ok(&q);
    CHECK_EQ(a.count, 0);
    CHECK_EQ(a.unusable, 2);
}

/* SRV-09: an alias is tolerated. */
TEST(dnsmsg, follows_a_chain_in_any_order)
{
    struct dns_question q = question("a.example.net", DNS_A);
    struct dns_answer a;

    begin(&q, ANSWER);
    pk_address(&pk, PK_ANSWER, "c.example.org", 300, "192.0.2.9");
    pk_named(&pk, PK_ANSWER, "b.Example.net", PK_CNAME, 20, "c.example.org");
    pk_named(&pk, PK_ANSWER, "@", PK_CNAME, 30, "B.example.net");
    pk_named(&pk, PK_ANSWER, "stray.example.net", PK_CNAME, 1, "c.example.org");
    a = parse_ok(&q);
    CHECK_EQ(a.count, 1);
    CHECK_EQ(a.ttl_s, 20);
    CHECK_EQ(a.alias.len, 0);
}

TEST(dnsmsg, gives_the_open_end_of_a_chain)
{
    struct dns_question q = question("a.example.net", DNS_A);
    struct dns_answer a;

    begin(&q, ANSWER);
    pk_named(&pk, PK_ANSWER, "@", PK_CNAME, 30, "b.example.org");
    pk_named(&pk, PK_AUTHORITY, "example.org", PK_NS, 60, "ns.example.org");
    a = parse_ok(&q);
    CHECK_EQ(a.count, 0);
    CHECK_SLICE(a.alias, "b.example.org");
    CHECK_EQ(a.ttl_s, 30);
    CHECK(!a.lame);

    pk_soa(&pk, "example.org", 60, 17); /* now the end is known: it has none */
    a = parse_ok(&q);
    CHECK_EQ(a.alias.len, 0);
    CHECK_EQ(a.ttl_s, 17);
}

TEST(dnsmsg, bounds_chains)
{
    struct dns_question q = question("n0", DNS_A);
    struct dns_answer a;
    char from[16];
    char to[16];

    for (unsigned n = DNS_CNAME_MAX; n <= DNS_CNAME_MAX + 1; n++) {
        begin(&q, ANSWER);
        for (unsigned i = 0; i < n; i++) {
            snprintf(from, sizeof(from), "n%u", i);
            snprintf(to, sizeof(to), "n%u", i + 1);
            pk_named(&pk, PK_ANSWER, from, PK_CNAME, 30, to);
        }
        pk_address(&pk, PK_ANSWER, to, 300, "192.0.2.9");
        CHECK_EQ(parse(&q, &a), n > DNS_CNAME_MAX ? ERR_SYNTAX : OK);
    }
    begin(&q, ANSWER);
    pk_named(&pk, PK_ANSWER, "@", PK_CNAME, 30, "@");
    CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
}

/* SRV-10: RFC 2308 5. */
TEST(dnsmsg, negative_ttl_comes_from_the_soa)
{
    static const struct {
        const char *zone;
        uint32_t ttl_s;
        uint32_t minimum_s;
        uint32_t want_s;
    } cases[] = {
        {"example.net", 60, 3600, 60},
        {"example.net", 3600, 60, 60},
        {"NET", 100, 50, 50},
        {"", 100, 50, 50},
        {"ample.net", 100, 50, 0}, /* no ancestor: its word is nothing */
        {"x._xmpp-server._tcp.example.net", 100, 50, 0},
    };
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    for (size_t i = 0; i < 2 * COUNT(cases); i++) {
        unsigned rcode = i % 2 ? PK_NXDOMAIN : PK_NOERROR;

        begin(&q, ANSWER | rcode);
        pk_soa(&pk, cases[i / 2].zone, cases[i / 2].ttl_s, cases[i / 2].minimum_s);
        a = parse_ok(&q);
        CHECK_EQ(a.rcode, rcode);
        CHECK_EQ(a.count, 0);
        CHECK_EQ(a.ttl_s, cases[i / 2].want_s);
    }
    begin(&q, ANSWER | PK_NXDOMAIN); /* RFC 2308 5: without SOA it is not cached */
    CHECK_EQ(parse_ok(&q).ttl_s, 0);
}

/* SRV-07: a referral is no proof of absence. RFC 2308 2.2. */
TEST(dnsmsg, a_referral_is_lame)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);

    begin(&q, PK_QR | PK_RD);
    pk_named(&pk, PK_AUTHORITY, "net", PK_NS, 60, "ns.example.net");
    CHECK(parse_ok(&q).lame);
    pk_soa(&pk, "example.net", 60, 17);
    CHECK(!parse_ok(&q).lame);
    begin(&q, PK_QR | PK_RD);
    CHECK(!parse_ok(&q).lame);
}

/* DNSSEC-04: RFC 8914. */
TEST(dnsmsg, extended_errors_tell_bogus_from_broken)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);

    for (unsigned code = 1; code < 30; code++) {
        begin(&q, ANSWER | PK_SERVFAIL);
        pk_opt(&pk, 0, code);
        CHECK_EQ(parse_ok(&q).rcode, DNS_SERVFAIL);
        CHECK_EQ(parse_ok(&q).bogus, code >= 6 && code <= 12);
    }
    begin(&q, ANSWER);
    pk_opt(&pk, 1, 0);
    CHECK_EQ(parse_ok(&q).rcode, 16);
}

/* SRV-09: what a truncated packet still holds is not looked at, and may be cut anywhere. */
TEST(dnsmsg, truncated_is_seen_before_content)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    full_srv_answer(&q);
    pk.b[2] |= 0x02;
    pk.n -= 9;
    a = parse_ok(&q);
    CHECK(a.truncated);
    CHECK_EQ(a.count, 0);
}

TEST(dnsmsg, denies_what_answers_another_question)
{
    static const struct {
        size_t at;
        unsigned char flip;
    } cases[] = {
        {0, 1},           {1, 0x80},  /* id */
        {2, 0x80},                    /* no response */
        {2, 0x08},                    /* another opcode */
        {13, 'x'},        {15, 0x20}, /* name, its case */
        {12 + 31 + 1, 1},             /* type */
        {12 + 31 + 3, 1},             /* class */
    };
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    for (size_t i = 0; i < COUNT(cases); i++) {
        full_srv_answer(&q);
        CHECK_EQ(parse(&q, &a), OK);
        pk.b[cases[i].at] ^= cases[i].flip;
        CHECK_EQ(parse(&q, &a), ERR_DENIED);
    }
    q = question("_xmpp-server._tcp.example.ne", DNS_SRV);
    CHECK_EQ(parse(&q, &a), ERR_DENIED);
}

/* ---- malformed ---- */

TEST(dnsmsg, refuses_a_packet_cut_or_extended_anywhere)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;
    size_t whole;

    full_srv_answer(&q);
    whole = pk.n;
    for (pk.n = 0; pk.n < whole; pk.n++)
        CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
    CHECK_EQ(parse(&q, &a), OK);
    pk.b[pk.n++] = 0;
    CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
}

TEST(dnsmsg, refuses_counts_that_disagree)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    for (size_t at = 4; at < 12; at++)
        for (int add = -1; add <= 1; add += 2) {
            full_srv_answer(&q);
            pk.b[at] = (unsigned char)(pk.b[at] + add);
            CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
        }
}

/* RFC 1035 4.1.4: to a prior occurrence. */
TEST(dnsmsg, refuses_pointers_that_do_not_go_back)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;
    size_t at;

    full_srv_answer(&q);
    at = 12 + 31 + 4; /* the first owner */
    CHECK_EQ(pk.b[at], 0xc0);
    for (unsigned to = 0; to < 0x4000; to++) {
        bool back = to >= 12 && to < at;

        pk.b[at] = (unsigned char)(0xc0 | to >> 8);
        pk.b[at + 1] = (unsigned char)to;
        if (!back)
            CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
    }
    for (unsigned kind = 0x40; kind <= 0x80; kind += 0x40) { /* no such labels, RFC 6891 5 */
        pk.b[at] = (unsigned char)(kind | 12);
        CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
    }
}

/* Pointers to pointers, each going back, stay legal; a name over 255 bytes is not. */
TEST(dnsmsg, bounds_names_that_pointers_build)
{
    struct dns_question q = question("a.example.net", DNS_A);
    struct dns_answer a;
    size_t at[12];

    for (unsigned steps = 1; steps < COUNT(at); steps++) {
        begin(&q, ANSWER);
        at[0] = 12;
        for (unsigned i = 1; i <= steps; i++) { /* 24 more bytes each; 15 to begin with */
            pk_rr(&pk, PK_ANSWER, "@", 12, 5);  /* PTR */
            at[i] = pk.n;
            pk_raw(&pk, "\27abcdefghijklmnopqrstuvw", 24);
            pk_u16(&pk, 0xc000 | (unsigned)at[i - 1]);
            pk_end(&pk);
        }
        CHECK_EQ(parse(&q, &a), 15 + 24 * steps <= 255 ? OK : ERR_SYNTAX);
    }
}

TEST(dnsmsg, refuses_rdata_that_disagrees_with_its_length)
{
    static const struct {
        unsigned type;
        unsigned len;
    } cases[] = {
        {PK_A, 3},    {PK_A, 5},    {PK_A, 0},     {PK_AAAA, 15}, {PK_AAAA, 17},
        {PK_SRV, 6},  {PK_SRV, 8},  {PK_CNAME, 0}, {PK_CNAME, 2}, {PK_SOA, 21},
        {PK_SOA, 23}, {PK_TLSA, 3}, {PK_OPT, 3},   {PK_NS, 0},
    };
    static const char zeros[32];
    struct dns_question q = question("a.example.net", DNS_A);
    struct dns_answer a;

    for (size_t i = 0; i < COUNT(cases); i++) {
        begin(&q, ANSWER);
        pk_rr(&pk, PK_ADDITIONAL, "", cases[i].type, 5);
        pk_raw(&pk, zeros, cases[i].len);
        pk_end(&pk);
        CHECK_MSG(parse(&q, &a) == ERR_SYNTAX, "type %u length %u", cases[i].type, cases[i].len);
    }
}

/* RFC 6891 6.1.1 */
TEST(dnsmsg, refuses_a_misplaced_opt)
{
    struct dns_question q = question("a.example.net", DNS_A);
    struct dns_answer a;

    begin(&q, ANSWER);
    pk_opt(&pk, 0, 0);
    pk_opt(&pk, 0, 0);
    CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
    begin(&q, ANSWER);
    pk_rr(&pk, PK_ANSWER, "", PK_OPT, 0);
    CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
    begin(&q, ANSWER);
    pk_rr(&pk, PK_ADDITIONAL, "@", PK_OPT, 0);
    CHECK_EQ(parse(&q, &a), ERR_SYNTAX);
}

TEST(dnsmsg, survives_any_single_wrong_byte)
{
    struct dns_question q = question(SRV_NAME, DNS_SRV);
    struct dns_answer a;

    full_srv_answer(&q);
    for (size_t at = 0; at < pk.n; at++)
        for (unsigned v = 0; v < 256; v++) {
            unsigned char was = pk.b[at];

            pk.b[at] = (unsigned char)v;
            if (!parse(&q, &a))
                CHECK(a.count + a.unusable <= 2);
            pk.b[at] = was;
        }
}

TESTS(TEST_OF(dnsmsg, question_has_rd_ad_and_do), TEST_OF(dnsmsg, refuses_names_that_are_none),
      TEST_OF(dnsmsg, mixes_case_of_letters_only), TEST_OF(dnsmsg, reads_srv_records),
      TEST_OF(dnsmsg, root_target_is_the_empty_name), TEST_OF(dnsmsg, reads_addresses_and_tlsa),
      TEST_OF(dnsmsg, takes_a_bounded_number_of_records),
      TEST_OF(dnsmsg, counts_targets_that_are_no_host_name),
      TEST_OF(dnsmsg, follows_a_chain_in_any_order), TEST_OF(dnsmsg, gives_the_open_end_of_a_chain),
      TEST_OF(dnsmsg, bounds_chains), TEST_OF(dnsmsg, negative_ttl_comes_from_the_soa),
      TEST_OF(dnsmsg, a_referral_is_lame), TEST_OF(dnsmsg, extended_errors_tell_bogus_from_broken),
      TEST_OF(dnsmsg, truncated_is_seen_before_content),
      TEST_OF(dnsmsg, denies_what_answers_another_question),
      TEST_OF(dnsmsg, refuses_a_packet_cut_or_extended_anywhere),
      TEST_OF(dnsmsg, refuses_counts_that_disagree),
      TEST_OF(dnsmsg, refuses_pointers_that_do_not_go_back),
      TEST_OF(dnsmsg, bounds_names_that_pointers_build),
      TEST_OF(dnsmsg, refuses_rdata_that_disagrees_with_its_length),
      TEST_OF(dnsmsg, refuses_a_misplaced_opt), TEST_OF(dnsmsg, survives_any_single_wrong_byte))
