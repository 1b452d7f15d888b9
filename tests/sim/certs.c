#include "sim/certs.h"

#include "base/byteq.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <time.h>

#define DEFAULT_FROM  1577836800 /* 2020-01-01 */
#define DEFAULT_UNTIL 4070908800 /* 2099-01-01 */
#define WORDS_MAX     1024

struct authority {
    X509 *cert;
    EVP_PKEY *key;
};

struct certs {
    char *dir;
    char path[512];
    struct authority main;
    struct authority other;
    long serial;
};

struct wish {
    char sans[WORDS_MAX]; /* in the form that OpenSSL's configuration has */
    char cn[256];
    char eku[64];
    char ca[16];
    char key[16];
    time_t from;
    time_t until;
    bool ca_leaf;
};

/* --- files --- */

static const char *path_of(struct certs *c, const char *name, const char *suffix)
{
    snprintf(c->path, sizeof(c->path), "%s/%s.%s", c->dir, name, suffix);
    return c->path;
}

const char *certs_chain_file(struct certs *c, const char *name)
{
    return path_of(c, name, "pem");
}

const char *certs_key_file(struct certs *c, const char *name)
{
    return path_of(c, name, "key");
}

const char *certs_dir(const struct certs *c)
{
    return c->dir;
}

static void write_cert(const char *path, X509 *cert)
{
    FILE *f = fopen(path, "w");

    assert(f && PEM_write_X509(f, cert));
    fclose(f);
}

static void write_key(const char *path, EVP_PKEY *key)
{
    FILE *f = fopen(path, "w");

    assert(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL));
    fclose(f);
}

/* --- making --- */

static EVP_PKEY *make_key(const char *kind)
{
    EVP_PKEY *key;

    if (strcmp(kind, "rsa") == 0)
        key = EVP_RSA_gen(2048);
    else
        key = EVP_EC_gen(strcmp(kind, "p384") == 0 ? "P-384" : "P-256");
    assert(key);
    return key;
}

static void add_ext(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509V3_set_ctx_nodb(&ctx);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    assert(ext);
    X509_add_ext(cert, ext, -1);
    X509_EXTENSION_free(ext);
}

static X509 *make_bare(struct certs *c, EVP_PKEY *key, const char *cn, time_t from, time_t until)
{
    X509 *cert = X509_new();

    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), ++c->serial);
    ASN1_TIME_set(X509_getm_notBefore(cert), from);
    ASN1_TIME_set(X509_getm_notAfter(cert), until);
    X509_set_pubkey(cert, key);
    if (cn[0])
        X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_UTF8,
                                   (const unsigned char *)cn, -1, -1, 0);
    return cert;
}

static void sign(X509 *cert, X509 *issuer, EVP_PKEY *key)
{
    X509_set_issuer_name(cert, X509_get_subject_name(issuer));
    assert(X509_sign(cert, key, EVP_sha256()));
}

static void make_authority(struct certs *c, struct authority *a, const char *cn, const char *file)
{
    a->key = make_key("p256");
    a->cert = make_bare(c, a->key, cn, DEFAULT_FROM, DEFAULT_UNTIL);
    add_ext(a->cert, a->cert, NID_basic_constraints, "critical,CA:TRUE");
    add_ext(a->cert, a->cert, NID_key_usage, "critical,keyCertSign,cRLSign");
    add_ext(a->cert, a->cert, NID_subject_key_identifier, "hash");
    sign(a->cert, a->cert, a->key);
    write_cert(path_of(c, file, "pem"), a->cert);
}

struct certs *certs_new(const char *dir)
{
    struct certs *c = MEM_NEW(struct certs);

    c->dir = mem_strdup(dir);
    make_authority(c, &c->main, "Test Authority", "ca");
    make_authority(c, &c->other, "Other Authority", "other");
    return c;
}

static void free_authority(struct authority *a)
{
    X509_free(a->cert);
    EVP_PKEY_free(a->key);
}

void certs_free(struct certs *c)
{
    free_authority(&c->main);
    free_authority(&c->other);
    mem_free(c->dir);
    mem_free(c);
}

/* --- words --- */

static void add_san(struct wish *w, const char *form, const char *name)
{
    size_t used = strlen(w->sans);

    snprintf(w->sans + used, sizeof(w->sans) - used, "%s%s%s", used ? "\n" : "", form, name);
}

static void add_sans(struct wish *w, const char *form, const char *list)
{
    char copy[WORDS_MAX];
    char *rest = NULL;

    snprintf(copy, sizeof(copy), "%s", list);
    for (char *name = strtok_r(copy, ",", &rest); name; name = strtok_r(NULL, ",", &rest))
        add_san(w, form, name);
}

/* "-1d", "+5s", "10m", "2h" from now. */
static time_t moment(const char *text)
{
    char *unit;
    long n = strtol(text, &unit, 10);
    long factor = *unit == 'd' ? 86400 : *unit == 'h' ? 3600 : *unit == 'm' ? 60 : 1;

    return time(NULL) + n * factor;
}

static void set_eku(struct wish *w, const char *list)
{
    bool server = strstr(list, "server") != NULL;
    bool client = strstr(list, "client") != NULL;

    snprintf(w->eku, sizeof(w->eku), "%s%s%s", server ? "serverAuth" : "",
             server && client ? "," : "", client ? "clientAuth" : "");
}

static bool take_san(struct wish *w, const char *key, const char *value)
{
    if (strcmp(key, "dns") == 0)
        add_sans(w, "DNS:", value);
    else if (strcmp(key, "ip") == 0)
        add_sans(w, "IP:", value);
    else if (strcmp(key, "srv") == 0)
        add_sans(w, "otherName:1.3.6.1.5.5.7.8.7;IA5STRING:", value);
    else if (strcmp(key, "xmpp") == 0)
        add_sans(w, "otherName:1.3.6.1.5.5.7.8.5;FORMAT:UTF8,UTF8:", value);
    else
        return false;
    return true;
}

static bool take_word(struct wish *w, const char *key, const char *value)
{
    if (take_san(w, key, value))
        return true;
    if (strcmp(key, "cn") == 0)
        snprintf(w->cn, sizeof(w->cn), "%s", value);
    else if (strcmp(key, "ca") == 0)
        snprintf(w->ca, sizeof(w->ca), "%s", value);
    else if (strcmp(key, "key") == 0)
        snprintf(w->key, sizeof(w->key), "%s", value);
    else if (strcmp(key, "eku") == 0)
        set_eku(w, value);
    else if (strcmp(key, "from") == 0)
        w->from = moment(value);
    else if (strcmp(key, "until") == 0)
        w->until = moment(value);
    else if (strcmp(key, "ca-leaf") == 0)
        w->ca_leaf = true;
    else
        return false;
    return true;
}

static bool read_words(struct wish *w, const char *words)
{
    char copy[WORDS_MAX];
    char *rest = NULL;

    snprintf(copy, sizeof(copy), "%s", words);
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        char *equals = strchr(word, '=');

        if (equals)
            *equals = 0;
        if (!take_word(w, word, equals ? equals + 1 : ""))
            return false;
    }
    return true;
}

/* An otherName's value holds a comma, which separates names in the short form: each name gets an
 * extension line of its own in a section. */
static void add_sans_ext(X509 *cert, const char *sans)
{
    GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
    char copy[WORDS_MAX];
    char *rest = NULL;

    snprintf(copy, sizeof(copy), "%s", sans);
    for (char *one = strtok_r(copy, "\n", &rest); one; one = strtok_r(NULL, "\n", &rest)) {
        char *colon = strchr(one, ':');
        CONF_VALUE value = {NULL, one, colon + 1};
        GENERAL_NAME *name;

        *colon = 0;
        name = v2i_GENERAL_NAME(NULL, NULL, &value);
        assert(name);
        sk_GENERAL_NAME_push(names, name);
    }
    X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0);
    GENERAL_NAMES_free(names);
}

static const struct authority *signer(struct certs *c, const struct wish *w,
                                      const struct authority *self)
{
    if (strcmp(w->ca, "self") == 0)
        return self;
    return strcmp(w->ca, "other") == 0 ? &c->other : &c->main;
}

static X509 *make_leaf(struct certs *c, const struct wish *w, EVP_PKEY *key)
{
    struct authority self = {make_bare(c, key, w->cn, w->from, w->until), key};
    const struct authority *ca = signer(c, w, &self);
    X509 *leaf = self.cert;

    add_ext(leaf, ca->cert, NID_basic_constraints, w->ca_leaf ? "CA:TRUE" : "CA:FALSE");
    if (w->eku[0])
        add_ext(leaf, ca->cert, NID_ext_key_usage, w->eku);
    if (w->sans[0])
        add_sans_ext(leaf, w->sans);
    sign(leaf, ca->cert, ca->key);
    return leaf;
}

bool certs_make(struct certs *c, const char *name, const char *words)
{
    struct wish w = {.from = DEFAULT_FROM, .until = DEFAULT_UNTIL};
    EVP_PKEY *key;
    X509 *leaf;

    set_eku(&w, "server,client");
    if (!read_words(&w, words))
        return false;
    key = make_key(w.key);
    leaf = make_leaf(c, &w, key);
    write_cert(certs_chain_file(c, name), leaf);
    write_key(certs_key_file(c, name), key);
    X509_free(leaf);
    EVP_PKEY_free(key);
    return true;
}
