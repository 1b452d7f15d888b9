/* struct cert: made from what a peer showed, immutable from then on. Its names are read from the
 * certificate when somebody asks (once or twice in a stream's life), so that an idle link does
 * not pay for them. */
#include "base/addr.h"
#include "base/byteq.h"
#include "base/encode.h"
#include "wire/cert_ossl.h"
#include "wire/certchain.h"
#include "wire/digest.h"
#include "wire/jid.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <time.h>

/* Certificates of a peer that are kept and tried; public chains have 2 or 3. */
#define CERT_UNTRUSTED_MAX 16
/* Names of one certificate that are looked at; public CAs stop at 100 to 250. */
#define CERT_NAMES_MAX 1024
/* For people. */
#define CERT_NAMES_SHOWN      8
#define CERT_NAME_BYTES_SHOWN 128
#define CERT_ISSUER_BYTES_MAX 256

struct cert {
    atomic_uint refs;
    X509 *leaf;
    STACK_OF(X509) * untrusted;
    struct certchain chain;
    int64_t not_after;
    char *names;
    char *issuer;
    char sha256[SHA256_HEX_LEN + 1];
};

/* --- names ----------------------------------------------------------------------------- */

enum name_kind { NAME_OTHER, NAME_DNS, NAME_SRV, NAME_XMPPADDR, NAME_IP };

struct name {
    enum name_kind kind;
    struct slice text; /* as it stands in the certificate; of an IP address its bytes */
};

/* The arcs 1.3.6.1.5.5.7.8.5 and .7 in DER. */
static const char xmppaddr_oid[] = "\x2B\x06\x01\x05\x05\x07\x08\x05";
static const char srv_oid[] = "\x2B\x06\x01\x05\x05\x07\x08\x07";

static struct slice asn1_slice(const ASN1_STRING *s)
{
    return slice_make((const char *)ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* Of the type its definition demands (RFC 6120 13.7.1.4, RFC 4985 2), else no name at all. */
static struct name read_other(const OTHERNAME *other)
{
    struct slice oid =
        slice_make((const char *)OBJ_get0_data(other->type_id), OBJ_length(other->type_id));
    struct name name = {NAME_OTHER, slice_none()};

    if (!other->value)
        return name;
    if (slice_is(oid, xmppaddr_oid) && other->value->type == V_ASN1_UTF8STRING)
        name.kind = NAME_XMPPADDR;
    else if (slice_is(oid, srv_oid) && other->value->type == V_ASN1_IA5STRING)
        name.kind = NAME_SRV;
    else
        return name;
    name.text = asn1_slice(other->value->value.asn1_string);
    return name;
}

static struct name read_name(const GENERAL_NAME *g)
{
    switch (g->type) {
    case GEN_DNS:
        return (struct name){NAME_DNS, asn1_slice(g->d.dNSName)};
    case GEN_IPADD:
        return (struct name){NAME_IP, asn1_slice(g->d.iPAddress)};
    case GEN_OTHERNAME:
        return read_other(g->d.otherName);
    default:
        return (struct name){NAME_OTHER, slice_none()};
    }
}

/* Whom a certificate should name. */
struct wanted {
    struct slice domain; /* normal form; empty: only `ascii` counts, as DNS-ID */
    struct slice ascii;  /* A-labels */
    struct slice ip;     /* network order; empty: a name */
};

/* RFC 9525 6.3: labels as ASCII without case; a star only as the whole left-most label, for one
 * label. A NUL byte or a star elsewhere equals nothing, since `ascii` has none. */
static bool fits_dns(struct slice pattern, struct slice ascii)
{
    size_t dot = slice_find(ascii, '.');

    if (slice_starts(pattern, SLICE("*."))) {
        pattern = slice_from_offset(pattern, 1);
        ascii = slice_from_offset(ascii, dot);
        if (slice_find(pattern, '*') < pattern.len || pattern.len < 2)
            return false;
    }
    return ascii.len > 0 && slice_eq_nocase(pattern, ascii);
}

/* CERT-04: the service is part of the name and counts with its own domain only. */
static bool fits_srv(struct slice text, struct slice ascii)
{
    static const char *const services[] = {"_xmpp-server.", "_xmpps-server."};

    for (size_t i = 0; i < COUNT(services); i++) {
        struct slice service = slice_from(services[i]);

        if (slice_eq_nocase(slice_sub(text, 0, service.len), service))
            return fits_dns(slice_from_offset(text, service.len), ascii);
    }
    return false;
}

/* CERT-05: a bare domain, in any of its spellings; user@domain and domain/resource are none. */
static bool fits_xmppaddr(struct slice text, struct slice domain)
{
    struct domain d;

    return domain_parse(text, &d) == OK && slice_eq(domain_slice(&d), domain);
}

/* The kind of name that fits, or NULL. */
static const char *fits(struct name n, const struct wanted *w)
{
    if (w->ip.len) /* CERT-09: an address only as iPAddress */
        return n.kind == NAME_IP && slice_eq(n.text, w->ip) ? "ip" : NULL;
    if (n.kind == NAME_DNS)
        return fits_dns(n.text, w->ascii) ? "dns" : NULL;
    if (!w->domain.len)
        return NULL;
    if (n.kind == NAME_SRV)
        return fits_srv(n.text, w->ascii) ? "srv" : NULL;
    if (n.kind == NAME_XMPPADDR)
        return fits_xmppaddr(n.text, w->domain) ? "xmppaddr" : NULL;
    return NULL;
}

/* The names of the one subjectAltName extension; NULL: none, several, or malformed. */
static GENERAL_NAMES *names_of(const struct cert *c)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);

    ERR_clear_error();
    return names;
}

static int count_of(GENERAL_NAMES *names)
{
    int n = sk_GENERAL_NAME_num(names); /* -1 for NULL */

    return n > CERT_NAMES_MAX ? CERT_NAMES_MAX : n;
}

/* A CA that is held to certain DNS names could otherwise speak for any domain by an otherName,
 * which its constraints do not reach (RFC 5280 4.2.1.10 binds each form by itself). */
static bool trusted_kind(const struct cert *c, enum name_kind kind)
{
    return !c->chain.constrained || kind == NAME_DNS || kind == NAME_IP;
}

static const char *find_name(const struct cert *c, const struct wanted *w)
{
    GENERAL_NAMES *names = names_of(c);
    const char *kind = NULL;
    int n = count_of(names);

    for (int i = 0; i < n && !kind; i++) {
        struct name name = read_name(sk_GENERAL_NAME_value(names, i));

        if (trusted_kind(c, name.kind))
            kind = fits(name, w);
    }
    GENERAL_NAMES_free(names);
    return kind;
}

static struct slice address_bytes(const struct addr *a)
{
    if (a->sa.sa_family == AF_INET)
        return slice_make((const char *)&a->v4.sin_addr, 4);
    return slice_make((const char *)&a->v6.sin6_addr, 16);
}

bool cert_names(const struct cert *c, struct slice domain, const char **ret_kind)
{
    char ascii[256];
    struct addr ip;
    struct wanted w = {.domain = domain};
    const char *kind;

    if (domain.len == 0 || domain_to_ascii(domain, ascii, sizeof(ascii)))
        return false;
    w.ascii = slice_from(ascii);
    if (addr_parse_ip(domain, 0, &ip) == OK)
        w.ip = address_bytes(&ip);
    kind = find_name(c, &w);
    if (kind && ret_kind)
        *ret_kind = kind;
    return kind != NULL;
}

bool cert_names_host(const struct cert *c, struct slice ascii_host)
{
    struct wanted w = {.ascii = ascii_host};
    struct addr ip;

    if (ascii_host.len == 0 || addr_parse_ip(ascii_host, 0, &ip) == OK)
        return false;
    return find_name(c, &w) != NULL;
}

/* --- texts ----------------------------------------------------------------------------- */

/* One word of printable ASCII, whatever a stranger wrote into his certificate. */
static void put_word(struct byteq *out, struct slice s)
{
    s = slice_sub(s, 0, CERT_NAME_BYTES_SHOWN);
    for (size_t i = 0; i < s.len; i++)
        byteq_append(out, s.ptr[i] > ' ' && s.ptr[i] < 0x7f ? slice_sub(s, i, 1) : SLICE("?"));
}

static void put_xmppaddr(struct byteq *out, struct slice text)
{
    struct domain d;

    byteq_append(out, SLICE("xmppaddr:"));
    if (domain_parse(text, &d) == OK)
        byteq_append(out, domain_slice(&d));
    else
        put_word(out, text);
}

static void put_ip(struct byteq *out, struct slice bytes)
{
    char text[ADDR_TEXT_MAX] = "?";
    struct addr a = {.sa.sa_family = bytes.len == 4 ? AF_INET : AF_INET6};

    if (bytes.len == 4)
        memcpy(&a.v4.sin_addr, bytes.ptr, 4);
    else if (bytes.len == 16)
        memcpy(&a.v6.sin6_addr, bytes.ptr, 16);
    if (bytes.len == 4 || bytes.len == 16)
        addr_format_ip(&a, text);
    byteq_append(out, slice_from(text));
}

static void put_name(struct byteq *out, struct name n)
{
    if (byteq_len(out))
        byteq_append(out, SLICE(" "));
    if (n.kind == NAME_XMPPADDR)
        put_xmppaddr(out, n.text);
    else if (n.kind == NAME_IP)
        put_ip(out, n.text);
    else
        put_word(out, n.text);
}

static char *names_text(const struct cert *c)
{
    GENERAL_NAMES *names = names_of(c);
    struct byteq out;
    unsigned shown = 0;
    int n = count_of(names);
    char *text;

    byteq_init(&out);
    for (int i = 0; i < n && shown < CERT_NAMES_SHOWN; i++) {
        struct name name = read_name(sk_GENERAL_NAME_value(names, i));

        if (name.kind == NAME_OTHER)
            continue;
        put_name(&out, name);
        shown++;
    }
    GENERAL_NAMES_free(names);
    text = mem_strndup(byteq_slice(&out));
    byteq_fini(&out);
    return text;
}

/* RFC 2253 form; control and non-ASCII characters escaped. */
static char *issuer_text(const struct cert *c)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data;
    long len;
    char *text;

    if (!bio)
        return mem_strdup("");
    X509_NAME_print_ex(bio, X509_get_issuer_name(c->leaf), 0, XN_FLAG_RFC2253);
    len = BIO_get_mem_data(bio, &data);
    text = mem_strndup(
        slice_sub(slice_make(data, len > 0 ? (size_t)len : 0), 0, CERT_ISSUER_BYTES_MAX));
    BIO_free(bio);
    return text;
}

/* --- life ------------------------------------------------------------------------------ */

/* 0, long past, when the time is malformed. */
static int64_t seconds(const ASN1_TIME *t)
{
    struct tm tm;

    return ASN1_TIME_to_tm(t, &tm) ? (int64_t)timegm(&tm) : 0;
}

static int64_t earliest_end(const struct cert *c)
{
    int64_t end = seconds(X509_get0_notAfter(c->leaf));

    for (int i = 1; i < sk_X509_num(c->chain.certs); i++) {
        int64_t other = seconds(X509_get0_notAfter(sk_X509_value(c->chain.certs, i)));

        if (other < end)
            end = other;
    }
    return end;
}

static STACK_OF(X509) * copy_certs(STACK_OF(X509) * from)
{
    STACK_OF(X509) *to = NULL;

    for (int i = 0; i < sk_X509_num(from) && i < CERT_UNTRUSTED_MAX; i++) {
        if (!to)
            to = sk_X509_new_null();
        if (to && X509_add_cert(to, sk_X509_value(from, i), X509_ADD_FLAG_UP_REF) != 1)
            break;
    }
    return to;
}

static void set_sha256(struct cert *c)
{
    unsigned char md[EVP_MAX_MD_SIZE];
    unsigned n = 0;

    if (!X509_digest(c->leaf, EVP_sha256(), md, &n))
        n = 0;
    hex_format(md, n, c->sha256);
}

struct cert *cert_from_chain(X509 *leaf, STACK_OF(X509) * untrusted, X509_STORE *trust, int64_t at)
{
    struct cert *c = MEM_NEW(struct cert);

    assert(leaf);
    atomic_init(&c->refs, 1);
    X509_up_ref(leaf);
    c->leaf = leaf;
    c->untrusted = copy_certs(untrusted);
    certchain_verify(leaf, c->untrusted, trust, at, &c->chain);
    c->not_after = earliest_end(c);
    c->names = names_text(c);
    c->issuer = issuer_text(c);
    set_sha256(c);
    ERR_clear_error(); /* what is left there would be taken for a failure of TLS */
    return c;
}

struct cert *cert_ref(struct cert *c)
{
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    return c;
}

void cert_forget_chain(struct cert *c)
{
    sk_X509_pop_free(c->untrusted, X509_free);
    sk_X509_pop_free(c->chain.certs, X509_free);
    c->untrusted = c->chain.certs = NULL;
}

void cert_unref(struct cert *c)
{
    if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
        return;
    X509_free(c->leaf);
    cert_forget_chain(c);
    mem_free(c->names);
    mem_free(c->issuer);
    mem_free(c);
}

X509 *cert_leaf(const struct cert *c)
{
    return c->leaf;
}

STACK_OF(X509) * cert_untrusted(const struct cert *c)
{
    return c->untrusted;
}

STACK_OF(X509) * cert_verified(const struct cert *c)
{
    return c->chain.certs;
}

enum err cert_chain(const struct cert *c)
{
    return c->chain.error[0] ? ERR_CRYPTO : OK;
}

const char *cert_chain_error(const struct cert *c)
{
    return c->chain.error;
}

int64_t cert_not_after(const struct cert *c)
{
    return c->not_after;
}

const char *cert_names_text(const struct cert *c)
{
    return c->names;
}

const char *cert_issuer_text(const struct cert *c)
{
    return c->issuer;
}

const char *cert_sha256_hex(const struct cert *c)
{
    return c->sha256;
}

bool cert_same(const struct cert *a, const struct cert *b)
{
    return X509_cmp(a->leaf, b->leaf) == 0;
}

/* --- files and bytes ------------------------------------------------------------------- */

enum err cert_store_load(const char *pem_file, X509_STORE **ret_store)
{
    FILE *f = fopen(pem_file, "re");
    X509_STORE *store;
    bool loaded;

    if (!f)
        return ERR_NOT_FOUND;
    fclose(f);
    store = X509_STORE_new();
    loaded = store && X509_STORE_load_file(store, pem_file);
    ERR_clear_error();
    if (!loaded) {
        X509_STORE_free(store);
        return ERR_SYNTAX;
    }
    *ret_store = store;
    return OK;
}

static STACK_OF(X509) * read_pem(struct slice pem)
{
    BIO *bio = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    STACK_OF(X509) *certs = sk_X509_new_null();
    X509 *x;

    while (sk_X509_num(certs) <= CERT_UNTRUSTED_MAX &&
           (x = PEM_read_bio_X509(bio, NULL, NULL, NULL)))
        sk_X509_push(certs, x);
    BIO_free(bio);
    ERR_clear_error();
    return certs;
}

enum err cert_from_pem(struct slice pem, const char *trust_file, int64_t at, struct cert **ret_cert)
{
    STACK_OF(X509) * certs;
    X509_STORE *trust = NULL;
    enum err e = OK;

    if (pem.len == 0 || pem.len > INT32_MAX)
        return ERR_SYNTAX;
    if (trust_file)
        e = cert_store_load(trust_file, &trust);
    if (e)
        return e;
    certs = read_pem(pem);
    if (sk_X509_num(certs) > 0)
        *ret_cert = cert_from_chain(sk_X509_value(certs, 0), certs, trust, at);
    else
        e = ERR_SYNTAX;
    sk_X509_pop_free(certs, X509_free);
    X509_STORE_free(trust);
    return e;
}

enum err cert_from_der(struct slice der, struct cert **ret_cert)
{
    const unsigned char *p = (const unsigned char *)der.ptr;
    X509 *leaf = der.len <= INT32_MAX ? d2i_X509(NULL, &p, (long)der.len) : NULL;

    ERR_clear_error();
    if (!leaf)
        return ERR_SYNTAX;
    if ((const char *)p != der.ptr + der.len) {
        X509_free(leaf);
        return ERR_SYNTAX;
    }
    *ret_cert = cert_from_chain(leaf, NULL, NULL, 0);
    X509_free(leaf);
    return OK;
}
