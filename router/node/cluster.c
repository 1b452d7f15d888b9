#include "node/cluster.h"

#include "session/store_redis.h"
#include "wire/digest.h"

#include <stdio.h>
#include <stdlib.h>

/* --- the table --- */

static bool uses_tls(const struct conf *conf)
{
    return conf->store_kind == CONF_STORE_REDIS && conf->redis.urls.list[0].tls;
}

enum err cluster_redis_tls(const struct conf *conf, char *error, size_t error_size,
                           struct tls_context **ret_tls)
{
    const struct conf_redis *r = &conf->redis;
    const char *chain = r->cert_file;
    const char *key = r->key_file;
    struct tls_context_options o = {
        .chain_files = &chain,
        .key_files = &key,
        .certificate_count = r->cert_file[0] ? 1 : 0,
        .trust_file = r->ca_file[0] ? r->ca_file : conf->tls.trust_file,
    };

    *ret_tls = NULL;
    return uses_tls(conf) ? tls_context_new(&o, error, error_size, ret_tls) : OK;
}

static struct store *redis_store(struct loop *l, const struct conf *conf, struct resolver *resolver,
                                 struct tls_context *tls, const struct store_events *events,
                                 void *arg)
{
    const struct conf_redis *r = &conf->redis;
    char addr[ADDR_TEXT_MAX];
    struct store_redis_options o = {
        .node = conf->node.name,
        .addr = cluster_address(conf, addr),
        .outage = r->outage == CONF_OUTAGE_STOP ? "stop" : "degrade",
        .prefix = r->prefix,
        .places = r->urls.list,
        .place_count = r->urls.count,
        .sentinels = r->sentinels.list,
        .sentinel_count = r->sentinels.count,
        .master = r->master,
        .wait_replicas = (unsigned)r->wait_replica_count,
        .username = r->username,
        .password = r->password.text,
        .tls = tls,
        .resolver = resolver,
    };

    return store_redis_new(l, &o, events, arg);
}

struct store *cluster_store(struct loop *l, const struct conf *conf, struct resolver *resolver,
                            struct tls_context *tls, const struct store_events *events, void *arg)
{
    if (conf->store_kind == CONF_STORE_REDIS)
        return redis_store(l, conf, resolver, tls, events, arg);
    return store_memory_new(l, conf->node.name, events, arg);
}

/* --- the mesh --- */

const char *cluster_address(const struct conf *conf, char out[ADDR_TEXT_MAX])
{
    out[0] = '\0';
    if (conf->store_kind == CONF_STORE_REDIS && conf->mesh.advertise.count)
        addr_format(&conf->mesh.advertise.list[0], out);
    return out;
}

enum err cluster_mesh_tls(const struct conf *conf, char *error, size_t error_size,
                          struct tls_context **ret_tls)
{
    const char *chain = conf->mesh.cert_file;
    const char *key = conf->mesh.key_file;
    struct tls_context_options o = {
        .chain_files = &chain,
        .key_files = &key,
        .certificate_count = 1,
        .trust_file = conf->mesh.ca_file,
        .tls13_only = true,
        .ask_client_certificate = true,
    };

    *ret_tls = NULL;
    return conf->store_kind == CONF_STORE_REDIS ? tls_context_new(&o, error, error_size, ret_tls)
                                                : OK;
}

/* --- digests --- */

static void digest_of(const char *label, struct slice text, char out[FRAME_DIGEST_LEN])
{
    char *all;
    size_t len = strlen(label);

    all = mem_alloc(len + 1 + text.len);
    memcpy(all, label, len + 1);
    if (text.len)
        memcpy(all + len + 1, text.ptr, text.len);
    digest_sha256(slice_make(all, len + 1 + text.len), (unsigned char *)out);
    mem_wipe(all, len + 1 + text.len);
}

static void digest_components(const struct conf *conf, char out[FRAME_DIGEST_LEN])
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    for (size_t i = 0; i < conf->component_count; i++) {
        const struct conf_component *c = &conf->components[i];
        char secret[FRAME_DIGEST_LEN];

        digest_of("component", c->secret.text, secret);
        fprintf(f, "%s %d %d %llu ", c->domain, (int)c->connections, (int)c->balance,
                (unsigned long long)c->grace_ms);
        fwrite(secret, 1, sizeof(secret), f);
    }
    fclose(f);
    digest_of("components", slice_make(text, size), out);
    free(text);
}

/* The rules as they are printed: from `peers:` to the next key of the same depth. */
static struct slice peers_part(const char *text, size_t size)
{
    const char *from = strstr(text, "\npeers:");
    const char *to = from ? from + 1 : text + size;

    if (!from)
        return slice_none();
    do
        to = strchr(to, '\n');
    while (to && (to[1] == ' ' || to[1] == '-') && *++to);
    return slice_make(from, to ? (size_t)(to - from) : size - (size_t)(from - text));
}

static void digest_peers(const struct conf *conf, char out[FRAME_DIGEST_LEN])
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = open_memstream(&text, &size);

    conf_print(conf, f);
    fclose(f);
    digest_of("peers", peers_part(text, size), out);
    free(text);
}

static void digest_dialback(const struct conf *conf, struct slice own_secret,
                            char out[FRAME_DIGEST_LEN])
{
    struct slice secret = conf->dialback.secret.text;

    digest_of("dialback", secret.len ? secret : own_secret, out);
}

void cluster_digest(const struct conf *conf, struct slice own_secret,
                    struct cluster_digests *ret_digests)
{
    digest_dialback(conf, own_secret, ret_digests->dialback);
    digest_components(conf, ret_digests->components);
    digest_peers(conf, ret_digests->peers);
}

void cluster_id_secret(const struct conf *conf, struct slice own_secret, uint64_t ret_secret[2])
{
    bool shared = conf->store_kind == CONF_STORE_REDIS; /* which has a dialback secret */
    char digest[FRAME_DIGEST_LEN];

    digest_of("stream ids", shared ? conf->dialback.secret.text : own_secret, digest);
    memcpy(ret_secret, digest, 2 * sizeof(*ret_secret));
}
