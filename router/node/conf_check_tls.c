#include "node/conf_reader.h"

#include <time.h>

/* Certificates, keys and trust file, tried as links will use them. */

#define DAY_S 86400
/* Whoever renews by machine does it weeks before: this near to the end it has not happened. */
#define EXPIRY_NEAR_DAYS 7

/* What cannot be read has been reported where it stands. */
static bool readable(const struct conf_reader *r, const char *path)
{
    struct conf_file file = {0, 0};
    char byte;

    return path && *path && !r->source->read(r->source->arg, path, &byte, sizeof(byte), &file) &&
           file.size_bytes;
}

void conf_warn_of_expiry(struct conf_reader *r, unsigned line, const char *key, const char *file,
                         const char *who, const struct conf_tried *tried)
{
    time_t end = (time_t)tried->not_after_s;
    char date[32] = "?";
    struct tm tm;

    if (gmtime_r(&end, &tm))
        strftime(date, sizeof(date), "%Y-%m-%d", &tm);
    if (tried->left_s <= 0)
        conf_remark(
            r->report, CONF_WARNING, line,
            "%s: %s has expired (for %s, on %s, %lld days ago), %s will refuse it; renew it", key,
            file, tried->names, date, (long long)(-tried->left_s / DAY_S), who);
    else if (tried->left_s < EXPIRY_NEAR_DAYS * DAY_S)
        conf_remark(r->report, CONF_WARNING, line,
                    "%s: %s expires soon (for %s, on %s, in %lld days); renew it", key, file,
                    tried->names, date, (long long)(tried->left_s / DAY_S));
}

static void try_certificate(struct conf_reader *r, const struct conf_certificate *c)
{
    struct conf_tried tried;
    char error[768];

    if (!readable(r, c->chain_file) || !readable(r, c->key_file))
        return;
    if (r->source->try(c->chain_file, c->key_file, NULL, error, sizeof(error), &tried))
        conf_remark(r->report, CONF_ERROR, c->line, "tls.certificates: %s", error);
    else
        /* Not an error: the others go on, and dialback needs no valid certificate. */
        conf_warn_of_expiry(r, c->line, "tls.certificates", c->chain_file, "most servers", &tried);
}

static void try_trust(struct conf_reader *r)
{
    const char *file = r->conf->tls.trust_file;
    struct conf_tried tried;
    char error[768];

    if (readable(r, file) && r->source->try(NULL, NULL, file, error, sizeof(error), &tried))
        conf_remark(r->report, CONF_ERROR, conf_line_of(r, "tls.trust_file"), "tls.trust_file: %s",
                    error);
}

void conf_check_tls(struct conf_reader *r)
{
    if (!r->source->try)
        return;
    for (size_t i = 0; i < r->conf->tls.certificate_count; i++)
        try_certificate(r, &r->conf->tls.certificates[i]);
    try_trust(r);
}
