/* tests/unit/certs.h - certificates made on the spot: what a test needs, with every flaw it needs.
 *
 * All leaves and authorities are signed with P-256 keys made at start. Extensions are written as
 * in openssl.cnf: "DNS:example.org,otherName:1.3.6.1.5.5.7.8.5;UTF8:example.org"
 * (text behind UTF8: is Latin-1).
 */
#ifndef TESTS_UNIT_CERTS_H
#define TESTS_UNIT_CERTS_H

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdint.h>

#define CERTS_NOW   1800000000 /* 2027 */
#define CERTS_DAY   86400
#define CERTS_BEGIN (CERTS_NOW - 30 * (int64_t)CERTS_DAY)
#define CERTS_END   (CERTS_NOW + 60 * (int64_t)CERTS_DAY)

#define OID_XMPPADDR "otherName:1.3.6.1.5.5.7.8.5;UTF8:"
#define OID_SRV      "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:"

struct cert_plan {
    const char *cn;       /* NULL: an empty subject */
    const char *san;      /* NULL: none */
    const char *basic;    /* "CA:TRUE", "CA:FALSE"; NULL: no such extension */
    const char *usage;    /* "digitalSignature" ...; NULL: none */
    const char *extended; /* "serverAuth" ...; NULL: none */
    const char *names;    /* name constraints; NULL: none */
    const char *netscape; /* Netscape's certificate type, before basic constraints; NULL: none */
    int64_t begin, end;   /* 0: CERTS_BEGIN, CERTS_END */
    const EVP_MD *md;     /* NULL: SHA-256 */
};

struct cert_pair {
    X509 *cert;
    EVP_PKEY *key;
};

static inline void certs_extend(X509 *x, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    if (!value)
        return;
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert(ext);
    X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
}

static inline void certs_fill(X509 *x, X509 *issuer, const struct cert_plan *plan)
{
    static long serial;

    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), ++serial);
    ASN1_TIME_set(X509_getm_notBefore(x), plan->begin ? plan->begin : CERTS_BEGIN);
    ASN1_TIME_set(X509_getm_notAfter(x), plan->end ? plan->end : CERTS_END);
    if (plan->cn)
        X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)plan->cn, -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer));
    certs_extend(x, issuer, NID_basic_constraints, plan->basic);
    certs_extend(x, issuer, NID_key_usage, plan->usage);
    certs_extend(x, issuer, NID_ext_key_usage, plan->extended);
    certs_extend(x, issuer, NID_subject_alt_name, plan->san);
    certs_extend(x, issuer, NID_name_constraints, plan->names);
    certs_extend(x, issuer, NID_netscape_cert_type, plan->netscape);
}

/* `issuer` NULL: signed by itself. */
static inline struct cert_pair certs_make(const struct cert_pair *issuer,
                                          const struct cert_plan *plan)
{
    struct cert_pair made = {X509_new(), EVP_EC_gen("P-256")};

    assert(made.cert && made.key);
    if (!issuer)
        issuer = &made;
    X509_set_pubkey(made.cert, made.key);
    certs_fill(made.cert, issuer->cert, plan);
    X509_sign(made.cert, issuer->key, plan->md ? plan->md : EVP_sha256());
    return made;
}

static inline void certs_free(struct cert_pair *p)
{
    X509_free(p->cert);
    EVP_PKEY_free(p->key);
}

static inline struct cert_pair certs_make_ca(const struct cert_pair *issuer, const char *cn)
{
    return certs_make(
        issuer, &(struct cert_plan){.cn = cn, .basic = "critical,CA:TRUE", .usage = "keyCertSign"});
}

/* An ordinary leaf of today's public authorities: no subject, serverAuth only. */
static inline struct cert_pair certs_make_leaf(const struct cert_pair *issuer, const char *san)
{
    return certs_make(issuer, &(struct cert_plan){.san = san,
                                                  .basic = "critical,CA:FALSE",
                                                  .usage = "critical,digitalSignature",
                                                  .extended = "serverAuth"});
}

#endif
