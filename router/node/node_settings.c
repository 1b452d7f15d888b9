/* router/node/node_settings.c - from the configuration to what links know of it. */
#include "node/cluster.h"
#include "node/node.h"

#include <time.h>

/* Never: an idle limit of 0 means that idle links stay. */
#define FOREVER_MS (UINT64_MAX / 4)

static enum err make_context(const struct conf *conf, struct tls_context_options o, char *error,
                             size_t error_size, struct tls_context **ret)
{
    const char **chains = mem_array(conf->tls.certificate_count, sizeof(*chains));
    const char **keys = mem_array(conf->tls.certificate_count, sizeof(*keys));
    enum err e;

    for (size_t i = 0; i < conf->tls.certificate_count; i++) {
        chains[i] = conf->tls.certificates[i].chain_file;
        keys[i] = conf->tls.certificates[i].key_file;
    }
    o.chain_files = chains;
    o.key_files = keys;
    o.certificate_count = conf->tls.certificate_count;
    o.trust_file = conf->tls.trust_file[0] ? conf->tls.trust_file : NULL;
    o.tls13_only = conf->tls.min_version == CONF_TLS_1_3;
    e = tls_context_new(&o, error, error_size, ret);
    mem_free(chains);
    mem_free(keys);
    return e;
}

static enum err make_contexts(const struct conf *conf, char *error, size_t error_size,
                              struct settings *s)
{
    const struct tls_context_options client = {.ask_client_certificate = false};
    const struct tls_context_options server = {.ask_client_certificate = true};
    const struct tls_context_options direct = {.ask_client_certificate = true,
                                               .alpn_xmpp_server = true};
    enum err e = make_context(conf, client, error, error_size, &s->tls_client);

    if (e || !conf->tls.certificate_count)
        return e;
    e = make_context(conf, server, error, error_size, &s->tls_server);
    if (!e)
        e = make_context(conf, direct, error, error_size, &s->tls_direct);
    if (!e)
        e = make_context(conf, client, error, error_size, &s->tls_component);
    return e;
}

static void copy_components(const struct conf *conf, struct settings *s)
{
    size_t n = conf->component_count;

    s->components = arena_zalloc(&s->arena, (n + 1) * sizeof(*s->components));
    s->rules = arena_zalloc(&s->arena, (n + 1) * sizeof(*s->rules));
    s->component_count = n;
    for (size_t i = 0; i < n; i++) {
        const struct conf_component *c = &conf->components[i];

        s->rules[i].pattern = arena_copy(&s->arena, slice_from(c->domain));
        s->rules[i].connections = c->connections;
        s->rules[i].balance = c->balance;
        s->rules[i].grace_ms = c->grace_ms;
        s->components[i].table = s->rules[i];
        s->components[i].secret = arena_copy(&s->arena, c->secret.text);
    }
}

static void copy_numbers(const struct conf *conf, struct settings *s)
{
    const struct conf_limits *l = &conf->limits;
    const struct conf_timeouts *t = &conf->timeouts;

    s->queue.stanzas_count = l->queue_stanza_count;
    s->queue.bytes = l->queue_bytes;
    s->queue.age_ms = l->queue_age_ms;
    s->queue.pause_ms = l->source_pause_ms;
    s->queue.resend = l->uncertain == CONF_UNCERTAIN_RESEND;
    s->stanza_bytes = l->stanza_bytes;
    s->preauth_bytes = l->preauth_bytes;
    s->negotiation_ms = l->negotiation_ms;
    s->idle_ms = l->idle_ms ? l->idle_ms : FOREVER_MS;
    s->dns_ms = t->dns_ms;
    s->connect_ms = t->connect_ms;
    s->tls_ms = t->tls_ms;
    s->dialback_ms = t->dialback_ms;
    s->close_ms = t->close_ms;
    s->keepalive_ms = t->keepalive_ms;
}

enum err node_settings_make(const struct conf *conf, struct slice own_secret, char *error,
                            size_t error_size, struct settings **ret_settings)
{
    struct settings *s = settings_new();
    enum err e;

    s->node_name = arena_copy(&s->arena, slice_from(conf->node.name));
    s->policy = policy_ref(conf->policy);
    dialback_secrets_set(&s->dialback,
                         conf->dialback.secret.text.len ? conf->dialback.secret.text : own_secret,
                         conf->dialback.previous_secret.text);
    copy_components(conf, s);
    copy_numbers(conf, s);
    s->mesh_name = arena_copy(&s->arena, slice_from(conf->mesh.name));
    e = make_contexts(conf, error, error_size, s);
    if (!e)
        e = cluster_mesh_tls(conf, error, error_size, &s->tls_mesh);
    if (e) {
        settings_unref(s);
        return e;
    }
    *ret_settings = s;
    return OK;
}

static bool same_certificate(const struct tls_own_cert *a, const struct tls_own_cert *b)
{
    return a->not_after == b->not_after && strcmp(a->names, b->names) == 0 &&
           strcmp(a->issuer, b->issuer) == 0;
}

bool node_certificates_differ(const struct settings *a, const struct settings *b)
{
    const struct tls_own_cert *x, *y;
    size_t n = tls_context_certs(a->tls_client, &x);

    if (n != tls_context_certs(b->tls_client, &y))
        return true;
    while (n--)
        if (!same_certificate(&x[n], &y[n]))
            return true;
    return false;
}

enum err node_settings_try(const char *chain, const char *key, const char *trust, char *error,
                           size_t size, struct conf_tried *ret_tried)
{
    const struct tls_context_options o = {.chain_files = &chain,
                                          .key_files = &key,
                                          .certificate_count = chain ? 1 : 0,
                                          .trust_file = trust};
    const struct tls_own_cert *certs;
    struct tls_context *context;
    enum err e = tls_context_new(&o, error, size, &context);

    if (e)
        return e;
    memset(ret_tried, 0, sizeof(*ret_tried));
    if (tls_context_certs(context, &certs)) {
        ret_tried->not_after_s = certs[0].not_after;
        ret_tried->left_s = certs[0].not_after - time(NULL);
        snprintf(ret_tried->names, sizeof(ret_tried->names), "%s", certs[0].names);
    }
    tls_context_unref(context);
    return OK;
}
