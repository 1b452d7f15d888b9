/* tests/unit/certfiles.h - certificates as PEM files in a directory of their own, for what loads
 * them by name. Valid today; made with unit/certs.h. Static: include it in one file of a test.
 */
#ifndef TESTS_UNIT_CERTFILES_H
#define TESTS_UNIT_CERTFILES_H

#include "unit/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CERTFILE_PATH_MAX 256

static char certfile_dir[128];
static struct cert_pair certfile_ca;

/* "DIR/NAME", in one of a few static buffers. */
static inline const char *certfile(const char *name)
{
    static char paths[16][CERTFILE_PATH_MAX];
    static unsigned next;
    char *path = paths[next++ % 16];

    snprintf(path, sizeof(paths[0]), "%s/%s", certfile_dir, name);
    return path;
}

static inline FILE *certfile_open(const char *stem, const char *ending)
{
    char name[64];
    FILE *f;

    snprintf(name, sizeof(name), "%s%s", stem, ending);
    f = fopen(certfile(name), "w");
    assert(f);
    return f;
}

/* STEM.pem (followed by `issuer`, unless NULL) and STEM.key. */
static inline void certfile_write(const char *stem, const struct cert_pair *p, X509 *issuer)
{
    FILE *f = certfile_open(stem, ".pem");

    PEM_write_X509(f, p->cert);
    if (issuer)
        PEM_write_X509(f, issuer);
    fclose(f);
    f = certfile_open(stem, ".key");
    PEM_write_PrivateKey(f, p->key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
}

/* A leaf for `san` ("DNS:a.example,DNS:*.a.example") that ends in so many days from now. */
static inline void certfile_make(const char *stem, const char *san, int days)
{
    int64_t now = time(NULL);
    struct cert_pair p =
        certs_make(&certfile_ca, &(struct cert_plan){.san = san,
                                                     .basic = "critical,CA:FALSE",
                                                     .usage = "critical,digitalSignature",
                                                     .extended = "serverAuth",
                                                     .begin = now - 100 * (int64_t)CERTS_DAY,
                                                     .end = now + days * (int64_t)CERTS_DAY});

    certfile_write(stem, &p, NULL);
    certs_free(&p);
}

/* The directory, and an authority in it: ca.pem. */
static inline void certfile_begin(void)
{
    int64_t now = time(NULL);
    const char *tmp = getenv("TMPDIR");

    snprintf(certfile_dir, sizeof(certfile_dir), "%s/fedrouter-certs-XXXXXX", tmp ? tmp : "/tmp");
    if (!mkdtemp(certfile_dir))
        assert(!"a directory for certificates");
    certfile_ca = certs_make(NULL, &(struct cert_plan){.cn = "Test authority",
                                                       .basic = "critical,CA:TRUE",
                                                       .usage = "keyCertSign",
                                                       .begin = now - 200 * (int64_t)CERTS_DAY,
                                                       .end = now + 200 * (int64_t)CERTS_DAY});
    certfile_write("ca", &certfile_ca, NULL);
}

static inline void certfile_end(void)
{
    char command[192];

    snprintf(command, sizeof(command), "rm -r '%s'", certfile_dir);
    if (system(command))
        fprintf(stderr, "%s is left behind\n", certfile_dir);
    certs_free(&certfile_ca);
}

#endif
