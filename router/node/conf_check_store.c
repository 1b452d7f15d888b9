#include "node/conf_reader.h"

/* Contradictions of store.redis: what would be found out when the table is needed first. */

static void say(struct conf_reader *r, enum conf_severity severity, const char *key,
                const char *text)
{
    conf_remark(r->report, severity, conf_line_of(r, key), "%s: %s", key, text);
}

static size_t tls_count(const struct conf_redis *c)
{
    size_t n = 0;

    for (size_t i = 0; i < c->urls.count; i++)
        n += c->urls.list[i].tls;
    return n;
}

static void check_sentinels(struct conf_reader *r)
{
    const struct conf_redis *c = &r->conf->redis;

    if (!conf_good(r, "store.redis.sentinels") || !conf_good(r, "store.redis.master") ||
        !conf_good(r, "store.redis.wait_replicas"))
        return;
    if (c->sentinels.count && !*c->master)
        say(r, CONF_ERROR, "store.redis.sentinels",
            "they are asked by a master's name; give store.redis.master, as in their "
            "\"sentinel monitor NAME ...\"");
    if (c->sentinels.count && !c->wait_replica_count)
        say(r, CONF_ERROR, "store.redis.sentinels",
            "a master that they replaced must not count; raise store.redis.wait_replicas to 1 or "
            "more, and run one replica more than that");
    if (!c->sentinels.count && *c->master)
        say(r, CONF_WARNING, "store.redis.master",
            "nobody is asked for it; name the sentinels in store.redis.sentinels, or leave it out");
}

static void check_login(struct conf_reader *r)
{
    const struct conf_redis *c = &r->conf->redis;

    if (*c->username && !*c->password.file && conf_good(r, "store.redis.password_file"))
        say(r, CONF_ERROR, "store.redis.username",
            "a user without a password; give store.redis.password_file");
}

/* A password and all rows go that way. */
static void check_clear(struct conf_reader *r)
{
    const struct conf_redis *c = &r->conf->redis;
    char text[REDIS_PLACE_TEXT_MAX];
    struct addr addr;

    for (size_t i = 0; i < c->urls.count; i++) {
        const struct redis_place *p = &c->urls.list[i];

        if (p->tls || *p->path || !strcmp(p->host, "localhost"))
            continue;
        if (!addr_parse_ip(slice_from(p->host), p->port, &addr) && addr_is_loopback(&addr))
            continue;
        conf_remark(r->report, CONF_WARNING, conf_line_of(r, "store.redis.url"),
                    "store.redis.url: %s is reached in clear; use rediss:// unless nobody else is "
                    "on that network",
                    redis_url_format(p, text));
    }
}

static void check_tls_files(struct conf_reader *r, bool tls)
{
    const struct conf_redis *c = &r->conf->redis;

    if (!*c->cert_file != !*c->key_file && conf_good(r, "store.redis.cert_file") &&
        conf_good(r, "store.redis.key_file"))
        say(r, CONF_ERROR, *c->cert_file ? "store.redis.cert_file" : "store.redis.key_file",
            "a certificate and its key go together; give both or none");
    if (!tls && (*c->ca_file || *c->cert_file))
        say(r, CONF_WARNING, *c->ca_file ? "store.redis.ca_file" : "store.redis.cert_file",
            "not used, since store.redis.url has no rediss://");
    if (tls && !*c->ca_file && !*r->conf->tls.trust_file && conf_good(r, "store.redis.ca_file") &&
        conf_good(r, "tls.trust_file"))
        say(r, CONF_ERROR, "store.redis.url",
            "rediss needs somebody to trust; give store.redis.ca_file");
}

/* As the connection will use them. What cannot be read has been reported. */
static void try_files(struct conf_reader *r)
{
    const struct conf_redis *c = &r->conf->redis;
    char error[768];
    struct conf_tried tried;

    if (*c->cert_file && *c->key_file && conf_good(r, "store.redis.cert_file") &&
        conf_good(r, "store.redis.key_file") &&
        r->source->try(c->cert_file, c->key_file, NULL, error, sizeof(error), &tried))
        say(r, CONF_ERROR, "store.redis.cert_file", error);
    if (*c->ca_file && conf_good(r, "store.redis.ca_file") &&
        r->source->try(NULL, NULL, c->ca_file, error, sizeof(error), &tried))
        say(r, CONF_ERROR, "store.redis.ca_file", error);
}

void conf_check_store(struct conf_reader *r)
{
    const struct conf_redis *c = &r->conf->redis;
    size_t tls = tls_count(c);

    check_sentinels(r);
    check_login(r);
    if (r->source->try)
        try_files(r);
    if (!conf_good(r, "store.redis.url"))
        return;
    if (tls && tls < c->urls.count)
        say(r, CONF_ERROR, "store.redis.url",
            "some with TLS, some without; a cluster has one way; write all with rediss:// or none");
    check_clear(r);
    check_tls_files(r, tls > 0);
}
