/* node/conf.h - the configuration: read once, checked as a whole, never changed.
 *
 * libyaml's door (router/node/conf_tree.c). The keys are the rows of node/conf.def: parser, checks,
 * --print-config, the reference file and the manual read the same rows. Everything wrong with a
 * file is reported, not only the first thing, each with line, key, value, allowed range and remedy.
 *
 * A `struct conf` is immutable after loading, counted and shared by threads; a reload makes a new
 * one. Values are in the unit that ends their name. Lists are arrays with a count, never NULL
 * strings inside; a path is absolute. An option that is off is an empty string or a count of 0.
 */
#ifndef NODE_CONF_H
#define NODE_CONF_H

#include "base/addr.h"
#include "base/arena.h"
#include "base/log.h"
#include "route/policy.h"
#include "route/table.h"
#include "session/redisurl.h"
#include "session/resolver.h"

#include <stdio.h>

/* 10,000 rules of a hundred bytes are one; more is a mistake of whoever generates the file. */
#define CONF_FILE_BYTES_MAX   (16u << 20)
#define CONF_NODES_MAX        1000000 /* scalars, lists and maps of one file */
#define CONF_DEPTH_MAX        16      /* root, `peers`, a rule, `auth`, a word: 5 are in use */
#define CONF_VALUE_BYTES_MAX  4096    /* of one scalar, environment variables put in */
#define CONF_SECRET_BYTES_MAX 4096
#define CONF_DIALBACK_SECRET_BYTES_MIN                                                             \
    32                             /* CONFORMANCE KEY-02; XEP-0185 2 wants 128 bits at least */
#define CONF_REPORT_LINES_MAX 1000 /* of errors, and of warnings */

enum conf_tls_version { CONF_TLS_1_2, CONF_TLS_1_3 };
enum conf_store { CONF_STORE_MEMORY, CONF_STORE_REDIS };
enum conf_outage { CONF_OUTAGE_DEGRADE, CONF_OUTAGE_STOP };
enum conf_uncertain { CONF_UNCERTAIN_RESEND, CONF_UNCERTAIN_BOUNCE };

struct conf_addrs {
    struct addr *list;
    size_t count;
};

struct conf_places {
    struct redis_place *list;
    size_t count;
};

struct conf_nets {
    struct addr_net *list;
    size_t count;
};

struct conf_secret {
    char *file;        /* "": none configured */
    struct slice text; /* without the final line end; wiped with the conf */
};

struct conf_certificate {
    char *chain_file;
    char *key_file;
    unsigned line;
};

struct conf_component {
    char *domain; /* normal form */
    struct conf_secret secret;
    enum connections connections;
    enum balance balance;
    uint64_t grace_ms;
    unsigned line;
};

struct conf {
    atomic_uint refs;
    struct arena arena; /* owns everything below but secrets, the policy, and what is kept */
    struct conf *kept;  /* whose values the keys have that need a restart; NULL: their own */
    char *file;         /* as it was named */

    struct conf_node {
        char *name;            /* the host name when not given */
        uint64_t worker_count; /* 0: one a core */
        uint64_t drain_ms;
    } node;

    struct conf_listen {
        struct conf_addrs s2s;
        struct conf_addrs s2s_tls;
        struct conf_addrs component;
        struct conf_addrs component_tls;
        struct conf_addrs mesh;
        struct conf_addrs http; /* one or none */
        char *control;          /* path of the socket; "": none */
        struct conf_nets proxy_protocol_from;
    } listen;

    struct conf_tls {
        struct conf_certificate *certificates;
        size_t certificate_count;
        char *trust_file; /* "": no authority is trusted */
        enum conf_tls_version min_version;
    } tls;

    /* Empty `secret.text`: this node makes its own at start. */
    struct conf_dialback {
        struct conf_secret secret;
        struct conf_secret previous_secret;
    } dialback;

    /* Complete but for prefer_v4, which is a question to the machine. timeout_ms is timeouts.dns.
     */
    struct resolver_options dns;

    enum conf_store store_kind;

    struct conf_redis {
        struct conf_places urls; /* at least one; all with TLS or none */
        char *username;
        struct conf_secret password;
        char *ca_file; /* "": tls.trust_file */
        char *cert_file;
        char *key_file;
        struct conf_places sentinels;
        char *master;
        char *prefix;
        enum conf_outage outage;
        uint64_t wait_replica_count;
    } redis;

    struct conf_mesh {
        char *ca_file; /* all empty: no mesh */
        char *cert_file;
        char *key_file;
        struct conf_addrs advertise; /* one, where listen.mesh is not empty */
        char *name;                  /* "": certificates name the node */
    } mesh;

    struct conf_component *components; /* domains are distinct */
    size_t component_count;
    struct policy *policy;

    struct conf_timeouts {
        uint64_t dns_ms;
        uint64_t connect_ms;
        uint64_t tls_ms;
        uint64_t dialback_ms;
        uint64_t close_ms;
        uint64_t keepalive_ms; /* 0: none sent */
    } timeouts;

    struct conf_limits {
        uint64_t stanza_bytes;
        uint64_t preauth_bytes;
        uint64_t negotiation_ms;
        uint64_t connections_per_address_count;
        uint64_t queue_bytes;
        uint64_t queue_stanza_count;
        uint64_t queue_age_ms;
        uint64_t source_pause_ms;
        enum conf_uncertain uncertain;
        uint64_t idle_ms;      /* 0: an idle link stays */
        uint64_t memory_bytes; /* 0: conf_memory_limit() decides */
    } limits;

    struct conf_log {
        enum log_level level;
        enum log_format format;
    } log;
};

enum conf_severity { CONF_WARNING, CONF_ERROR };

struct conf_remark {
    enum conf_severity severity;
    unsigned line; /* 0: concerns the file as a whole */
    size_t order;  /* of finding */
    char *text;    /* "limits.stanza_bytes: 9999 is too small: ..." */
};

/* What is to be said about a file; owns its texts. */
struct conf_report {
    char *file;
    struct conf_remark *remarks; /* sorted by line once a load is over */
    size_t count;
    size_t error_count;   /* also those past CONF_REPORT_LINES_MAX, which are not kept */
    size_t warning_count; /* as well */
};

void conf_report_init(struct conf_report *r);
void conf_report_fini(struct conf_report *r);
/* Adds one remark; a line of 0 concerns the whole file. */
void conf_remark(struct conf_report *r, enum conf_severity severity, unsigned line,
                 const char *format, ...) PRINTF(4, 5);
void conf_report_sort(struct conf_report *r);
/* "FILE:LINE: [warning: ]TEXT", one line each. */
void conf_report_print(const struct conf_report *r, FILE *out);

/* What a certificate of ours says. */
struct conf_tried {
    int64_t not_after_s; /* since 1970 */
    int64_t left_s;      /* until then; negative when past */
    char names[256];     /* "example.org *.example.org", cut */
};

/* Loads a certificate of ours with its key, or (`chain` NULL) the trust file, as links will. On
 * failure `error` says which file, why, and what to do. */
typedef enum err conf_try_fn(const char *chain, const char *key, const char *trust, char *error,
                             size_t size, struct conf_tried *ret_tried);

/* Reads and checks `path` and the files it names (secrets are read, certificates and trust file
 * looked at). ERR_SYNTAX: errors are in the report; otherwise warnings may be. */
enum err conf_load(const char *path, struct conf_report *report, struct conf **ret_conf) MUST_USE;
/* The same, and what `try` says of certificates and trust file. */
enum err conf_load_trying(const char *path, conf_try_fn *try, struct conf_report *report,
                          struct conf **ret_conf) MUST_USE;
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf *c);

/* The effective configuration as YAML, defaults filled in, secrets not shown (their files are);
 * loads again to the same values. */
void conf_print(const struct conf *c, FILE *out);

/* A reload: keys that need a restart get the values they have in `running` back. For the one that
 * has loaded `c` and shown it to nobody. */
void conf_keep_running(struct conf *c, struct conf *running);

/* Calls `fn` for each key whose value differs. `reloadable`: takes effect by SIGHUP; the others
 * (listen, node.name, node.workers, store, limits.memory) need a restart. */
void conf_diff(const struct conf *old, const struct conf *new,
               void (*fn)(void *arg, const char *key, bool reloadable), void *arg);

/* limits.memory, or half of what the cgroup or else the machine has. */
uint64_t conf_memory_limit(const struct conf *c);

#endif
