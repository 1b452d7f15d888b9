/* A certificate in DER; or, where the bytes are none, the value of a subjectAltName extension. A
 * name is found only where its letters stand. */
#include "wire/cert_ossl.h"

#include <openssl/x509v3.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct cert *with_names(struct slice der)
{
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509 *x = X509_new();
    X509_EXTENSION *ext;
    struct cert *c;

    ASN1_OCTET_STRING_set(value, (const unsigned char *)der.ptr, (int)der.len);
    ext = X509_EXTENSION_create_by_NID(NULL, NID_subject_alt_name, 0, value);
    X509_add_ext(x, ext, -1);
    c = cert_from_chain(x, NULL, NULL, 0);
    X509_EXTENSION_free(ext);
    ASN1_OCTET_STRING_free(value);
    X509_free(x);
    return c;
}

static bool holds(struct slice bytes, const char *text)
{
    size_t n = strlen(text);

    for (size_t i = 0; i + n <= bytes.len; i++)
        if (slice_eq_nocase(slice_sub(bytes, i, n), slice_from(text)))
            return true;
    return false;
}

static void check_host(const struct cert *c, struct slice bytes)
{
    if (cert_names_host(c, SLICE("xmpp.victim.example")))
        assert(holds(bytes, "xmpp.victim.example") || holds(bytes, "*.victim.example"));
    assert(!cert_names_host(c, SLICE("192.0.2.1")));
}

/* XmppAddr alone may be spelt differently: it is mapped. */
static void check_names(const struct cert *c, struct slice bytes)
{
    const char *kind = "";

    if (cert_names(c, SLICE("victim.example"), &kind) && strcmp(kind, "xmppaddr"))
        assert(holds(bytes, "victim.example") || holds(bytes, "*.example"));
    if (cert_names(c,
                   SLICE("b\xC3\xBC"
                         "cher.example"),
                   &kind) &&
        strcmp(kind, "xmppaddr"))
        assert(holds(bytes, "xn--bcher-kva.example") || holds(bytes, "*.example"));
    if (cert_names(c, SLICE("192.0.2.1"), &kind))
        assert(!strcmp(kind, "ip"));
    cert_names(c, SLICE("[2001:db8::1]"), &kind);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice der = {(const char *)data, size};
    struct cert *c;
    bool whole;

    if (size > 100000)
        return 0;
    whole = cert_from_der(der, &c) == OK;
    if (!whole)
        c = with_names(der);
    check_names(c, der);
    check_host(c, der);
    for (const char *p = cert_issuer_text(c); *p; p++)
        assert(*p >= ' ' && *p < 0x7f);
    assert(slice_is_utf8(slice_from(cert_names_text(c))));
    assert(cert_chain(c) == ERR_CRYPTO && cert_same(c, c));
    assert(!whole || strlen(cert_sha256_hex(c)) == 64);
    cert_not_after(c);
    cert_unref(c);
    return 0;
}
