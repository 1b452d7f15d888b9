/* tests/unit/wire/tlsbed.h - TLS contexts from certificates of every kind, for tests of wire/tls.
 * Static: include it in one file of a test.
 */
#ifndef TESTS_UNIT_WIRE_TLSBED_H
#define TESTS_UNIT_WIRE_TLSBED_H

#include "unit/certfiles.h"
#include "unit/test.h"

#include "base/log.h"
#include "wire/certid.h"
#include "wire/tls.h"

static char message[512];
static struct tls_context *both; /* certificates a (default), b, c; trusts the authority */

static inline enum err load(const char *const *stems, size_t n, const char *trust, bool tls13_only,
                            struct tls_context **ret_context)
{
    char chain[4][CERTFILE_PATH_MAX], key[4][CERTFILE_PATH_MAX];
    const char *chains[4], *keys[4];
    struct tls_context_options o = {chains, keys, n, trust, tls13_only, true, true};

    for (size_t i = 0; i < n; i++) {
        snprintf(chain[i], sizeof(chain[i]), "%s.pem", certfile(stems[i]));
        snprintf(key[i], sizeof(key[i]), "%s.key", certfile(stems[i]));
        chains[i] = chain[i];
        keys[i] = key[i];
    }
    message[0] = '\0';
    return tls_context_new(&o, message, sizeof(message), ret_context);
}

static inline struct tls_context *loaded(const char *stem, bool tls13_only)
{
    struct tls_context *c;

    if (load(&stem, 1, certfile("ca.pem"), tls13_only, &c))
        fail_msg("%s", message);
    return c;
}

static inline void write_file(const char *name, const char *text)
{
    FILE *f = fopen(certfile(name), "w");

    fputs(text, f);
    fclose(f);
}

/* --- the stage ------------------------------------------------------------------------------- */

static inline void make_self_signed(void)
{
    int64_t now = time(NULL);
    struct cert_pair p = certs_make(NULL, &(struct cert_plan){.san = "DNS:self.example",
                                                              .basic = "critical,CA:FALSE",
                                                              .begin = now - CERTS_DAY,
                                                              .end = now + CERTS_DAY});

    certfile_write("self", &p, NULL);
    certs_free(&p);
}

static inline void make_rsa(void)
{
    int64_t now = time(NULL);
    struct cert_pair p = {X509_new(), EVP_RSA_gen(2048)};

    X509_set_pubkey(p.cert, p.key);
    certs_fill(p.cert, certfile_ca.cert,
               &(struct cert_plan){
                   .san = "DNS:rsa.example", .begin = now - CERTS_DAY, .end = now + CERTS_DAY});
    X509_sign(p.cert, certfile_ca.key, EVP_sha256());
    certfile_write("rsa", &p, NULL);
    certs_free(&p);
}

static inline void make_locked_key(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    FILE *f = fopen(certfile("locked.key"), "w");

    PEM_write_PKCS8PrivateKey(f, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
    fclose(f);
    EVP_PKEY_free(key);
}

static inline int tlsbed_begin(void **state)
{
    static const char *const stems[] = {"a", "b", "c"};

    certfile_begin();
    certfile_make("a", "DNS:a.example", 30);
    certfile_make("b", "DNS:b.example,DNS:*.b.example", 30);
    certfile_make("c",
                  "DNS:y.b.example," OID_SRV "_xmpp-server.srv.example," OID_XMPPADDR "b\xfc"
                  "cher.example", /* certs.h: Latin-1 */
                  30);
    certfile_make("old", "DNS:old.example", -1);
    make_self_signed();
    make_rsa();
    make_locked_key();
    write_file("empty", "");
    write_file("broken.pem",
               "-----BEGIN CERTIFICATE-----\nTm9uc2Vuc2U=\n-----END CERTIFICATE-----\n");
    if (load(stems, 3, certfile("ca.pem"), false, &both))
        fail_msg("%s", message);
    return 0;
}

static inline int tlsbed_end(void **state)
{
    tls_context_unref(both);
    certfile_end();
    return 0;
}

#define TLS_TESTS(...) TESTS_WITHIN(tlsbed_begin, tlsbed_end, __VA_ARGS__)

#endif
