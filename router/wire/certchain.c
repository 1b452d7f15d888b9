#include "wire/certchain.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

/* 112 bits: RSA from 2048 bits on, no SHA-1 in signatures (RFC 7525 4.1 and 4.3). */
#define CERTCHAIN_AUTH_LEVEL 2

/* Judged as a server's certificate in both TLS roles: serverAuth or no extended key usage at all,
 * and a key usage fit for TLS. Public CAs issue nothing else any more (CERT-14, QUIRK-04). The
 * strict flags are not set: an empty subject or missing OCSP address is no fault (QUIRK-05). A
 * certificate of the trust file is an anchor also when somebody else signed it. */
static void set_policy(X509_VERIFY_PARAM *param, int64_t at)
{
    X509_VERIFY_PARAM_set_time(param, (time_t)at);
    X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_SSL_SERVER);
    X509_VERIFY_PARAM_set_trust(param, X509_TRUST_SSL_SERVER);
    X509_VERIFY_PARAM_set_depth(param, CERTCHAIN_DEPTH_MAX);
    X509_VERIFY_PARAM_set_auth_level(param, CERTCHAIN_AUTH_LEVEL);
    X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN | X509_V_FLAG_TRUSTED_FIRST);
}

static bool is_constrained(STACK_OF(X509) * certs)
{
    for (int i = 1; i < sk_X509_num(certs); i++)
        if (X509_get_ext_by_NID(sk_X509_value(certs, i), NID_name_constraints, -1) >= 0)
            return true;
    return false;
}

/* NULL when good. That authorities are some, in their path lengths and for this purpose, OpenSSL
 * checks; that a leaf is none, it does not (CERT-01). */
static const char *verify(X509_STORE_CTX *ctx, struct certchain *chain)
{
    STACK_OF(X509) * certs;

    if (X509_verify_cert(ctx) != 1)
        return X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx));
    certs = X509_STORE_CTX_get0_chain(ctx);
    if (X509_get_extension_flags(sk_X509_value(certs, 0)) & EXFLAG_CA)
        return "an end-entity certificate must not be a CA";
    chain->certs = X509_chain_up_ref(certs);
    chain->constrained = is_constrained(certs);
    return NULL;
}

void certchain_verify(X509 *leaf, STACK_OF(X509) * untrusted, X509_STORE *trust, int64_t at,
                      struct certchain *ret_chain)
{
    X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    struct certchain chain = {NULL, "", false};
    const char *error;

    if (!trust) {
        error = "there are no trusted authorities to verify it with";
    } else if (!ctx || !X509_STORE_CTX_init(ctx, trust, leaf, untrusted)) {
        error = "out of memory";
    } else {
        set_policy(X509_STORE_CTX_get0_param(ctx), at);
        error = verify(ctx, &chain);
    }
    X509_STORE_CTX_free(ctx);
    if (error)
        chain.error = error;
    *ret_chain = chain;
}
