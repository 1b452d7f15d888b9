#include "wire/digest.h"

#include "base/encode.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>

/* A library without SHA cannot federate at all; it must not look like a wrong key. */
static void must(bool ok)
{
    if (ok)
        return;
    fprintf(stderr, "fedrouter: OpenSSL refuses to compute a digest; is a provider missing?\n");
    abort();
}

void digest_sha1_hex(struct slice a, struct slice b, char out[SHA1_HEX_LEN + 1])
{
    unsigned char md[20];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    must(ctx && EVP_DigestInit_ex(ctx, EVP_sha1(), NULL));
    must(EVP_DigestUpdate(ctx, a.ptr, a.len));
    must(EVP_DigestUpdate(ctx, b.ptr, b.len));
    must(EVP_DigestFinal_ex(ctx, md, NULL));
    EVP_MD_CTX_free(ctx);
    hex_format(md, sizeof(md), out);
}

void digest_sha256(struct slice data, unsigned char out[32])
{
    must(EVP_Digest(data.ptr, data.len, out, NULL, EVP_sha256(), NULL));
}

void digest_sha256_hex(struct slice data, char out[SHA256_HEX_LEN + 1])
{
    unsigned char md[32];

    digest_sha256(data, md);
    hex_format(md, sizeof(md), out);
}

void digest_hmac_sha256_hex(struct slice key, struct slice data, char out[SHA256_HEX_LEN + 1])
{
    unsigned char md[32];

    must(HMAC(EVP_sha256(), key.len ? key.ptr : "", (int)key.len, (const unsigned char *)data.ptr,
              data.len, md, NULL) != NULL);
    hex_format(md, sizeof(md), out);
}

bool digest_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.ptr, b.ptr, a.len) == 0);
}
