/* wire/certid: whom a certificate names, and whether its chain is good. */
#include "unit/certs.h"
#include "unit/test.h"

#include "wire/cert_ossl.h"

#include <openssl/err.h>
#include <unistd.h>

static struct cert_pair root;
static struct cert_pair middle;
static struct cert_pair stranger; /* an authority nobody trusts */
static X509_STORE *trust;

static int make_authorities(void **state)
{
    (void)state;
    root = certs_make_ca(NULL, "Root");
    middle = certs_make_ca(&root, "Intermediate");
    stranger = certs_make_ca(NULL, "Stranger");
    trust = X509_STORE_new();
    X509_STORE_add_cert(trust, root.cert);
    return 0;
}

static int free_authorities(void **state)
{
    (void)state;
    certs_free(&root);
    certs_free(&middle);
    certs_free(&stranger);
    X509_STORE_free(trust);
    return 0;
}

/* The leaf as a peer that sends `between` with it would show it. */
static struct cert *shown(X509 *leaf, X509 *between, int64_t at)
{
    STACK_OF(X509) *sent = sk_X509_new_null();
    struct cert *c;

    if (between)
        sk_X509_push(sent, between);
    c = cert_from_chain(leaf, sent, trust, at);
    sk_X509_free(sent);
    return c;
}

static struct cert *with_names(const char *san)
{
    struct cert_pair leaf = certs_make_leaf(&middle, san);
    struct cert *c = shown(leaf.cert, middle.cert, CERTS_NOW);

    CHECK_EQ(cert_chain(c), OK);
    certs_free(&leaf);
    return c;
}

struct name_case {
    const char *san;
    const char *domain;
    const char *kind; /* NULL: does not fit */
};

static void check_names(const struct name_case *cases, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct cert *c = with_names(cases[i].san);
        const char *kind = NULL;
        bool fits = cert_names(c, slice_from(cases[i].domain), &kind);

        CHECK_MSG(fits == (cases[i].kind != NULL), "%s %s", cases[i].san, cases[i].domain);
        if (fits)
            CHECK_STR(kind, cases[i].kind);
        cert_unref(c);
    }
}

/* CERT-03, CERT-06, CERT-07: RFC 9525 6.3 */
TEST(certid, dns_id)
{
    static const struct name_case cases[] = {
        {"DNS:example.org", "example.org", "dns"},
        {"DNS:EXAMPLE.Org", "example.org", "dns"},
        {"DNS:example.org", "a.example.org", NULL},
        {"DNS:example.org", "xexample.org", NULL},
        {"DNS:a.example.org", "example.org", NULL},
        {"DNS:example.org.", "example.org", NULL},
        {"DNS:a.example,DNS:b.example", "b.example", "dns"},
        {"DNS:*.a.example", "x.a.example", "dns"},
        {"DNS:*.A.Example", "x.a.example", "dns"},
        {"DNS:*.a.example", "a.example", NULL},
        {"DNS:*.a.example", "y.x.a.example", NULL},
        {"DNS:x*.a.example", "xy.a.example", NULL},
        {"DNS:*x.a.example", "yx.a.example", NULL},
        {"DNS:*.*.example", "x.a.example", NULL},
        {"DNS:a.*.example", "a.x.example", NULL},
        {"DNS:*", "example", NULL},
        {"DNS:*.", "example", NULL},
        {"DNS:*.localhost", "a.localhost", "dns"},
        {"DNS:xn--bcher-kva.example", "b\u00FCcher.example", "dns"},
        {"DNS:XN--BCHER-KVA.example", "b\u00FCcher.example", "dns"},
        {"DNS:b\u00FCcher.example", "b\u00FCcher.example", NULL}, /* an IA5String holds A-labels */
        {"DNS:*.example", "b\u00FCcher.example", "dns"},
        {"DNS:xn--*.example", "b\u00FCcher.example", NULL},
        {"URI:xmpp:example.org,email:a@example.org", "example.org", NULL},
    };

    check_names(cases, COUNT(cases));
}

/* CERT-04 */
TEST(certid, srv_id)
{
    static const struct name_case cases[] = {
        {OID_SRV "_xmpp-server.example.org", "example.org", "srv"},
        {OID_SRV "_XMPP-Server.EXAMPLE.org", "example.org", "srv"},
        {OID_SRV "_xmpps-server.example.org", "example.org", "srv"},
        {OID_SRV "_xmpp-client.example.org", "example.org", NULL},
        {OID_SRV "_xmpp-server.example.net", "example.org", NULL},
        {OID_SRV "_xmpp-server.example.net,DNS:a.example", "example.org", NULL}, /* crossed */
        {OID_SRV "_xmpp-client.example.org," OID_SRV "_xmpp-server.a.example", "example.org", NULL},
        {OID_SRV "example.org", "example.org", NULL},
        {OID_SRV "_xmpp-server.", "example.org", NULL},
        {OID_SRV "_xmpp-server.xn--bcher-kva.example", "b\u00FCcher.example", "srv"},
        {OID_SRV "_xmpp-server.*.example", "a.example", "srv"}, /* RFC 9525 6.3 covers it */
        {OID_SRV "*.example", "_xmpp-server.example", NULL},
        {"otherName:1.3.6.1.5.5.7.8.7;UTF8:_xmpp-server.example.org", "example.org", NULL},
        {"DNS:_xmpp-server.example.org", "example.org", NULL},
    };

    check_names(cases, COUNT(cases));
}

/* CERT-05 */
TEST(certid, xmppaddr)
{
    static const struct name_case cases[] = {
        {OID_XMPPADDR "example.org", "example.org", "xmppaddr"},
        {OID_XMPPADDR "Example.ORG", "example.org", "xmppaddr"},
        {OID_XMPPADDR "example.org.", "example.org", "xmppaddr"},
        {OID_XMPPADDR "b\xFC"
                      "cher.example",
         "b\u00FCcher.example", "xmppaddr"},
        {OID_XMPPADDR "B\xDC"
                      "CHER.example",
         "b\u00FCcher.example", "xmppaddr"},
        {OID_XMPPADDR "xn--bcher-kva.example", "b\u00FCcher.example", "xmppaddr"},
        {OID_XMPPADDR "user@example.org", "example.org", NULL},
        {OID_XMPPADDR "example.org/r", "example.org", NULL},
        {OID_XMPPADDR "*.example.org", "a.example.org", NULL},
        {OID_XMPPADDR "a.example.org", "example.org", NULL},
        {OID_XMPPADDR "192.0.2.1", "192.0.2.1", NULL},
        {"otherName:1.3.6.1.5.5.7.8.5;IA5STRING:example.org", "example.org", NULL},
        {"otherName:1.3.6.1.5.5.7.8.6;UTF8:example.org", "example.org", NULL},
        {"otherName:1.3.6.1.5.5.7.8.5;NULL", "example.org", NULL},
    };

    check_names(cases, COUNT(cases));
}

/* CERT-09: RFC 9525 6.4 */
TEST(certid, addresses_only_as_ip_address)
{
    static const struct name_case cases[] = {
        {"IP:192.0.2.1", "192.0.2.1", "ip"},
        {"IP:192.0.2.1", "192.0.2.2", NULL},
        {"DNS:192.0.2.1", "192.0.2.1", NULL},
        {"DNS:*.0.2.1", "192.0.2.1", NULL},
        {"IP:2001:db8::1", "[2001:db8::1]", "ip"},
        {"IP:2001:db8::1", "[2001:db8::2]", NULL},
        {"DNS:2001:db8::1", "[2001:db8::1]", NULL},
        {"IP:192.0.2.1", "[::ffff:192.0.2.1]", NULL}, /* octet for octet */
        {"IP:192.0.2.1", "example.org", NULL},
    };

    check_names(cases, COUNT(cases));
}

/* CERT-08 */
TEST(certid, common_name_is_never_looked_at)
{
    static const char *const sans[] = {NULL, "DNS:other.example", "email:a@other.example"};

    for (size_t i = 0; i < COUNT(sans); i++) {
        struct cert_plan plan = {.cn = "example.org", .san = sans[i], .usage = "digitalSignature"};
        struct cert_pair leaf = certs_make(&middle, &plan);
        struct cert *c = shown(leaf.cert, middle.cert, CERTS_NOW);

        CHECK_EQ(cert_chain(c), OK);
        CHECK(!cert_names(c, SLICE("example.org"), NULL));
        CHECK(!cert_names_host(c, SLICE("example.org")));
        cert_unref(c);
        certs_free(&leaf);
    }
}

static void add_san(X509 *x, int type, int asn1_type, const char *data, int len)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *s = ASN1_STRING_type_new(asn1_type);

    ASN1_STRING_set(s, data, len);
    if (type == GEN_OTHERNAME) {
        ASN1_TYPE *value = ASN1_TYPE_new();

        ASN1_TYPE_set(value, asn1_type, s);
        GENERAL_NAME_set0_othername(name, OBJ_txt2obj("1.3.6.1.5.5.7.8.5", 1), value);
    } else {
        GENERAL_NAME_set0_value(name, type, s);
    }
    sk_GENERAL_NAME_push(names, name);
    X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND);
    GENERAL_NAMES_free(names);
}

/* A CA checks what stands before the NUL, a careless reader stops there. */
TEST(certid, nul_bytes_match_nothing)
{
    static const char text[] = "example.org\0.evil.example";
    static const int types[] = {GEN_DNS, GEN_OTHERNAME};

    for (size_t i = 0; i < COUNT(types); i++) {
        X509 *x = X509_dup(stranger.cert);
        struct cert *c;

        add_san(x, types[i], types[i] == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_UTF8STRING, text,
                sizeof(text) - 1);
        c = shown(x, NULL, CERTS_NOW);
        CHECK(!cert_names(c, SLICE("example.org"), NULL));
        CHECK(!cert_names(c, SLICE("evil.example"), NULL));
        CHECK(!cert_names_host(c, SLICE("example.org")));
        cert_unref(c);
        X509_free(x);
    }
}

/* RFC 5280 4.2: an extension stands once; which of two would count is anybody's guess. */
TEST(certid, two_san_extensions_name_nobody)
{
    X509 *x = X509_dup(stranger.cert);
    struct cert *c;

    add_san(x, GEN_DNS, V_ASN1_IA5STRING, "a.example", 9);
    add_san(x, GEN_DNS, V_ASN1_IA5STRING, "b.example", 9);
    c = shown(x, NULL, CERTS_NOW);
    CHECK(!cert_names(c, SLICE("a.example"), NULL));
    CHECK(!cert_names(c, SLICE("b.example"), NULL));
    cert_unref(c);
    X509_free(x);
}

TEST(certid, looks_at_1024_names_only)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    X509 *x = X509_dup(stranger.cert);
    struct cert *c;

    for (int i = 1; i <= 1100; i++) {
        GENERAL_NAME *name = GENERAL_NAME_new();
        ASN1_STRING *s = ASN1_STRING_type_new(V_ASN1_IA5STRING);
        char text[32];

        snprintf(text, sizeof(text), "n%d.example", i);
        ASN1_STRING_set(s, text, -1);
        GENERAL_NAME_set0_value(name, GEN_DNS, s);
        sk_GENERAL_NAME_push(names, name);
    }
    X509_add1_ext_i2d(x, NID_subject_alt_name, names, 0, 0);
    c = shown(x, NULL, CERTS_NOW);
    CHECK(cert_names(c, SLICE("n1024.example"), NULL));
    CHECK(!cert_names(c, SLICE("n1025.example"), NULL));
    GENERAL_NAMES_free(names);
    cert_unref(c);
    X509_free(x);
}

/* CERT-02, CERT-10: the domain asked for, not the host it was found at nor any other */
TEST(certid, a_host_s_certificate_is_not_its_customers)
{
    struct cert *c = with_names("DNS:xmpp.hosting.example");

    CHECK(cert_names_host(c, SLICE("xmpp.hosting.example")));
    CHECK(!cert_names(c, SLICE("customer.example"), NULL));
    CHECK(!cert_names(c, SLICE("hosting.example"), NULL));
    CHECK(!cert_names(c, slice_none(), NULL));
    cert_unref(c);
}

/* CERT-13: the target of a secure SRV record, as DNS-ID only */
TEST(certid, hosts_only_by_dns_id)
{
    struct cert *c = with_names("DNS:xmpp.hosting.example,DNS:*.many.example,IP:192.0.2.1,"
                                "DNS:192.0.2.2,DNS:*.*.example," OID_SRV
                                "_xmpp-server.a.example," OID_XMPPADDR "b.example");

    CHECK(cert_names_host(c, SLICE("xmpp.hosting.example")));
    CHECK(cert_names_host(c, SLICE("XMPP.hosting.example")));
    CHECK(cert_names_host(c, SLICE("x1.many.example")));
    CHECK(!cert_names_host(c, SLICE("a.example")));
    CHECK(!cert_names_host(c, SLICE("b.example")));
    CHECK(!cert_names_host(c, SLICE("192.0.2.1")));
    CHECK(!cert_names_host(c, SLICE("192.0.2.2")));
    CHECK(!cert_names_host(c, SLICE("x.*.example"))); /* a host name of DNS may hold anything */
    CHECK(!cert_names_host(c, slice_none()));
    cert_unref(c);
}

/* RFC 5280 4.2.1.10 binds each form of name by itself: a CA held to a.example could write any
 * XmppAddr. */
TEST(certid, other_names_of_constrained_authorities_do_not_count)
{
    struct cert_plan plan = {.cn = "Held",
                             .basic = "critical,CA:TRUE",
                             .usage = "keyCertSign",
                             .names = "critical,permitted;DNS:a.example"};
    struct cert_pair held = certs_make(&root, &plan);
    struct cert_pair leaf =
        certs_make_leaf(&held, "DNS:x.a.example," OID_XMPPADDR "victim.example," OID_SRV
                               "_xmpp-server.victim.example");
    struct cert_pair bad = certs_make_leaf(&held, "DNS:victim.example");
    struct cert *c = shown(leaf.cert, held.cert, CERTS_NOW);

    CHECK_EQ(cert_chain(c), OK);
    CHECK(cert_names(c, SLICE("x.a.example"), NULL));
    CHECK(!cert_names(c, SLICE("victim.example"), NULL));
    cert_unref(c);
    c = shown(bad.cert, held.cert, CERTS_NOW);
    CHECK_EQ(cert_chain(c), ERR_CRYPTO);
    cert_unref(c);
    certs_free(&held);
    certs_free(&leaf);
    certs_free(&bad);
}

/* CERT-01, CERT-14, QUIRK-04, QUIRK-05 */
TEST(certid, chains)
{
    static const char *const days = "digitalSignature";
    const struct {
        const char *what;
        struct cert_plan plan;
        struct cert_pair *issuer;
        bool middle_sent;
        int64_t at;
        const char *error; /* NULL: good; else a part of the message */
    } cases[] = {
        {"ordinary",
         {.san = "DNS:a.example", .usage = days, .extended = "serverAuth"},
         &middle,
         true,
         CERTS_NOW,
         NULL},
        {"no EKU", {.cn = "x", .usage = days}, &middle, true, CERTS_NOW, NULL},
        {"no extensions at all", {.cn = "x"}, &middle, true, CERTS_NOW, NULL},
        {"both EKUs", {.extended = "clientAuth,serverAuth"}, &middle, true, CERTS_NOW, NULL},
        {"clientAuth only", {.extended = "clientAuth"}, &middle, true, CERTS_NOW, "purpose"},
        {"e-mail only", {.extended = "emailProtection"}, &middle, true, CERTS_NOW, "purpose"},
        {"key usage without TLS", {.usage = "cRLSign"}, &middle, true, CERTS_NOW, "purpose"},
        {"leaf asserting CA",
         {.basic = "CA:TRUE", .usage = "digitalSignature,keyCertSign"},
         &middle,
         true,
         CERTS_NOW,
         "must not be a CA"},
        {"straight from the root", {.usage = days}, &root, false, CERTS_NOW, NULL},
        {"intermediate not sent", {.usage = days}, &middle, false, CERTS_NOW, "issuer"},
        {"wrong issuer", {.usage = days}, &stranger, false, CERTS_NOW, "issuer"},
        {"self-signed", {.cn = "self", .usage = days}, NULL, false, CERTS_NOW, "self"},
        {"expired", {.usage = days, .end = CERTS_NOW - 1}, &middle, true, CERTS_NOW, "expired"},
        {"not yet valid",
         {.usage = days, .begin = CERTS_NOW + 1},
         &middle,
         true,
         CERTS_NOW,
         "not yet valid"},
        {"on its last second", {.usage = days}, &middle, true, CERTS_END - 1, NULL},
        {"SHA-1", {.usage = days, .md = EVP_sha1()}, &middle, true, CERTS_NOW, "weak"},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct cert_pair leaf = certs_make(cases[i].issuer, &cases[i].plan);
        struct cert *c = shown(leaf.cert, cases[i].middle_sent ? middle.cert : NULL, cases[i].at);
        const char *error = cert_chain_error(c);

        CHECK_MSG((cert_chain(c) == OK) == !cases[i].error, "%s: %s", cases[i].what, error);
        CHECK_MSG(!cases[i].error == !error[0], "%s", cases[i].what);
        if (cases[i].error)
            CHECK_MSG(strstr(error, cases[i].error) != NULL, "%s: %s", cases[i].what, error);
        CHECK_EQ(ERR_peek_error(), 0); /* libssl would take it for its own */
        cert_unref(c);
        certs_free(&leaf);
    }
}

/* RFC 5280 6.1.4: who issues must be a CA, by basic constraints, within its path length */
TEST(certid, intermediates_must_be_authorities)
{
    static const struct cert_plan plans[] = {
        {.cn = "leaf as issuer", .basic = "CA:FALSE", .usage = "digitalSignature"},
        {.cn = "no basic constraints", .usage = "keyCertSign"},
        {.cn = "Netscape authority", .netscape = "sslCA"},
        {.cn = "usage without signing", .basic = "CA:TRUE", .usage = "digitalSignature"},
        {.cn = "e-mail authority",
         .basic = "CA:TRUE",
         .usage = "keyCertSign",
         .extended = "emailProtection"},
        {.cn = "expired", .basic = "CA:TRUE", .usage = "keyCertSign", .end = CERTS_NOW - 1},
    };

    for (size_t i = 0; i < COUNT(plans); i++) {
        struct cert_pair between = certs_make(&root, &plans[i]);
        struct cert_pair leaf = certs_make_leaf(&between, "DNS:a.example");
        struct cert *c = shown(leaf.cert, between.cert, CERTS_NOW);

        CHECK_MSG(cert_chain(c) == ERR_CRYPTO, "%s", plans[i].cn);
        cert_unref(c);
        certs_free(&between);
        certs_free(&leaf);
    }
}

TEST(certid, without_trust_no_chain_is_good)
{
    struct cert_pair leaf = certs_make_leaf(&root, "DNS:a.example");
    struct cert *c = cert_from_chain(leaf.cert, NULL, NULL, CERTS_NOW);

    CHECK_EQ(cert_chain(c), ERR_CRYPTO);
    CHECK(cert_chain_error(c)[0]);
    CHECK(cert_verified(c) == NULL);
    CHECK(cert_names(c, SLICE("a.example"), NULL)); /* who it names is another question */
    cert_unref(c);
    certs_free(&leaf);
}

/* An anchor need not be signed by itself (RFC 5280 6.1.1 (d)). */
TEST(certid, whoever_is_in_the_trust_file_is_an_anchor)
{
    struct cert_pair leaf = certs_make_leaf(&middle, "DNS:a.example");
    X509_STORE *middle_only = X509_STORE_new();
    struct cert *c;

    X509_STORE_add_cert(middle_only, middle.cert);
    c = cert_from_chain(leaf.cert, NULL, middle_only, CERTS_NOW);
    CHECK_EQ(cert_chain(c), OK);
    cert_unref(c);
    X509_STORE_free(middle_only);
    certs_free(&leaf);
}

TEST(certid, ends_with_the_first_of_its_chain)
{
    struct cert_plan plan = {.cn = "Short",
                             .basic = "CA:TRUE",
                             .usage = "keyCertSign",
                             .end = CERTS_NOW + 5 * CERTS_DAY};
    struct cert_pair brief = certs_make(&root, &plan);
    struct cert_pair leaf = certs_make_leaf(&brief, "DNS:a.example");
    struct cert *c = shown(leaf.cert, brief.cert, CERTS_NOW);

    CHECK_EQ(cert_chain(c), OK);
    CHECK_EQ(cert_not_after(c), CERTS_NOW + 5 * CERTS_DAY);
    CHECK_EQ(sk_X509_num(cert_verified(c)), 3);
    cert_unref(c);
    c = shown(leaf.cert, NULL, CERTS_NOW); /* no chain: its own end */
    CHECK_EQ(cert_not_after(c), CERTS_END);
    cert_unref(c);
    certs_free(&brief);
    certs_free(&leaf);
}

TEST(certid, says_whom_it_shows)
{
    struct cert *c = with_names("DNS:a.example,DNS:*.a.example,IP:192.0.2.1,IP:2001:db8::1," OID_SRV
                                "_xmpp-server.a.example," OID_XMPPADDR "XN--BCHER-KVA.example,"
                                "email:x@a.example,DNS:b c\td.example,DNS:7.example,DNS:8.example");

    CHECK_STR(cert_names_text(c),
              "a.example *.a.example 192.0.2.1 2001:db8::1 _xmpp-server.a.example "
              "xmppaddr:b\u00FCcher.example b?c?d.example 7.example");
    CHECK_STR(cert_issuer_text(c), "CN=Intermediate");
    CHECK_EQ(strlen(cert_sha256_hex(c)), 64);
    cert_unref(c);
}

TEST(certid, issuers_cannot_forge_a_line)
{
    struct cert_plan plan = {.cn = "x\ny\x1b[1m", .basic = "CA:TRUE", .usage = "keyCertSign"};
    struct cert_pair odd = certs_make(&root, &plan);
    struct cert_pair leaf = certs_make_leaf(&odd, "DNS:a.example");
    struct cert *c = shown(leaf.cert, odd.cert, CERTS_NOW);

    CHECK_STR(cert_issuer_text(c), "CN=x\\0Ay\\1B[1m");
    cert_unref(c);
    certs_free(&odd);
    certs_free(&leaf);
}

/* XEP-0344 2.6 */
TEST(certid, same_means_the_same_bytes)
{
    struct cert_pair leaf = certs_make_leaf(&root, "DNS:a.example");
    struct cert *a = shown(leaf.cert, NULL, CERTS_NOW);
    struct cert *b = shown(leaf.cert, middle.cert, CERTS_NOW + 1);
    struct cert *other = with_names("DNS:a.example");

    CHECK(cert_same(a, b));
    CHECK(!cert_same(a, other));
    CHECK(cert_ref(a) == a);
    cert_unref(a);
    CHECK(cert_same(a, b));
    cert_unref(a);
    cert_unref(b);
    cert_unref(other);
    cert_unref(NULL);
    certs_free(&leaf);
}

static struct slice pem_of(BIO *bio, X509 **certs, size_t n)
{
    char *data;

    for (size_t i = 0; i < n; i++)
        PEM_write_bio_X509(bio, certs[i]);
    return slice_make(data, (size_t)BIO_get_mem_data(bio, &data));
}

TEST(certid, reads_pem_with_a_trust_file)
{
    struct cert_pair leaf = certs_make_leaf(&middle, "DNS:a.example");
    X509 *chain[] = {leaf.cert, middle.cert};
    char path[] = "/tmp/test_certid_XXXXXX";
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");
    BIO *bio = BIO_new(BIO_s_mem());
    struct cert *c;
    char *data;
    long len;

    PEM_write_X509(f, root.cert);
    fclose(f);
    pem_of(bio, chain, 2);
    len = BIO_get_mem_data(bio, &data);
    CHECK_EQ(cert_from_pem(slice_make(data, (size_t)len), path, CERTS_NOW, &c), OK);
    CHECK_EQ(cert_chain(c), OK);
    cert_unref(c);
    CHECK_EQ(cert_from_pem(slice_make(data, (size_t)len), NULL, CERTS_NOW, &c), OK);
    CHECK_EQ(cert_chain(c), ERR_CRYPTO);
    cert_unref(c);
    CHECK_EQ(cert_from_pem(slice_make(data, (size_t)len), "/nowhere", CERTS_NOW, &c),
             ERR_NOT_FOUND);
    CHECK_EQ(cert_from_pem(slice_make(data, (size_t)len), "/dev/null", CERTS_NOW, &c), ERR_SYNTAX);
    CHECK_EQ(cert_from_pem(SLICE("no certificate"), path, CERTS_NOW, &c), ERR_SYNTAX);
    CHECK_EQ(cert_from_pem(slice_none(), path, CERTS_NOW, &c), ERR_SYNTAX);
    CHECK_EQ(ERR_peek_error(), 0);
    unlink(path);
    BIO_free(bio);
    certs_free(&leaf);
}

TEST(certid, reads_der_to_its_end)
{
    unsigned char *der = NULL;
    int len = i2d_X509(root.cert, &der);
    char *text = malloc((size_t)len + 1);
    struct cert *c;

    memcpy(text, der, (size_t)len);
    text[len] = 'x';
    CHECK_EQ(cert_from_der(slice_make(text, (size_t)len), &c), OK);
    CHECK_STR(cert_issuer_text(c), "CN=Root");
    CHECK_STR(cert_names_text(c), "");
    cert_unref(c);
    CHECK_EQ(cert_from_der(slice_make(text, (size_t)len + 1), &c), ERR_SYNTAX);
    CHECK_EQ(cert_from_der(slice_make(text, (size_t)len - 1), &c), ERR_SYNTAX);
    CHECK_EQ(cert_from_der(slice_none(), &c), ERR_SYNTAX);
    free(text);
    OPENSSL_free(der);
}

TESTS_WITHIN(make_authorities, free_authorities, TEST_OF(certid, dns_id), TEST_OF(certid, srv_id),
             TEST_OF(certid, xmppaddr), TEST_OF(certid, addresses_only_as_ip_address),
             TEST_OF(certid, common_name_is_never_looked_at),
             TEST_OF(certid, nul_bytes_match_nothing),
             TEST_OF(certid, two_san_extensions_name_nobody),
             TEST_OF(certid, looks_at_1024_names_only),
             TEST_OF(certid, a_host_s_certificate_is_not_its_customers),
             TEST_OF(certid, hosts_only_by_dns_id),
             TEST_OF(certid, other_names_of_constrained_authorities_do_not_count),
             TEST_OF(certid, chains), TEST_OF(certid, intermediates_must_be_authorities),
             TEST_OF(certid, without_trust_no_chain_is_good),
             TEST_OF(certid, whoever_is_in_the_trust_file_is_an_anchor),
             TEST_OF(certid, ends_with_the_first_of_its_chain), TEST_OF(certid, says_whom_it_shows),
             TEST_OF(certid, issuers_cannot_forge_a_line),
             TEST_OF(certid, same_means_the_same_bytes),
             TEST_OF(certid, reads_pem_with_a_trust_file), TEST_OF(certid, reads_der_to_its_end))
