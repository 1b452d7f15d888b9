/* link/settings.h - what links need to know of the configuration: immutable, counted, shared by
 * threads. node makes one at start and at each reload; links keep the one they began with only
 * for as long as an event lasts.
 */
#ifndef LINK_SETTINGS_H
#define LINK_SETTINGS_H

#include "base/arena.h"
#include "route/policy.h"
#include "route/table.h"
#include "wire/dialback.h"
#include "wire/tls.h"

struct component_rule {
    struct table_rule table;
    struct slice secret;
};

struct settings {
    atomic_uint refs;
    struct arena arena; /* owns the slices below */
    struct slice node_name;

    struct tls_context *tls_server;    /* S2S listener, STARTTLS */
    struct tls_context *tls_direct;    /* S2S listener, Direct TLS */
    struct tls_context *tls_client;    /* dialling */
    struct tls_context *tls_component; /* component_tls listener */
    struct tls_context *tls_mesh;      /* both ways; NULL: no mesh */
    struct slice mesh_name;            /* may stand in certificates for the node's; empty: none */
    struct policy *policy;
    struct dialback_secrets dialback;

    struct component_rule *components;
    struct table_rule *rules; /* of the components, same order */
    size_t component_count;

    struct outq_limits queue;
    size_t stanza_bytes;
    size_t preauth_bytes;
    uint64_t negotiation_ms;
    uint64_t idle_ms;
    uint64_t dns_ms;
    uint64_t connect_ms;
    uint64_t tls_ms;
    uint64_t dialback_ms;
    uint64_t close_ms;
    uint64_t keepalive_ms;
};

struct settings *settings_new(void); /* all zero, refs 1 */
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s);

#endif
