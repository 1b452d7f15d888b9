/* The configuration: what is read, that it prints back, and what a reload changes. */
#include "conf_world.h"
#include "node/conf_memory.h"

#include <sys/stat.h>
#include <unistd.h>

static void check_addrs(const struct conf_addrs *addrs, const char *want)
{
    char text[256] = "", one[ADDR_TEXT_MAX];

    for (size_t i = 0; i < addrs->count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", i ? " " : "",
                 addr_format(&addrs->list[i], one));
    CHECK_STR(text, want);
}

TEST(conf, defaults)
{
    struct conf *c = parsed(MINIMAL);
    const struct conf_limits *l = &c->limits;
    const struct conf_timeouts *t = &c->timeouts;

    CHECK_STR(c->file, "test.yaml");
    CHECK_STR(c->node.name, "host-7");
    CHECK_EQ(c->node.worker_count, 0);
    CHECK_EQ(c->node.drain_ms, 30000);
    check_addrs(&c->listen.s2s, "[::]:5269");
    check_addrs(&c->listen.s2s_tls, "[::]:5270");
    check_addrs(&c->listen.component, "127.0.0.1:5347"); /* COMP-13 */
    check_addrs(&c->listen.component_tls, "");
    check_addrs(&c->listen.http, "127.0.0.1:9269");
    CHECK_STR(c->listen.control, "/run/fedrouter/control.sock");
    CHECK_EQ(c->listen.proxy_protocol_from.count, 0);
    CHECK_STR(c->tls.trust_file, "/etc/ssl/certs/ca-certificates.crt");
    CHECK_EQ(c->tls.min_version, CONF_TLS_1_2);
    CHECK_EQ(c->dialback.secret.text.len, 0);
    CHECK_EQ(c->dns.server_count, 0);
    CHECK_EQ(c->dns.dnssec, DNSSEC_MODE_AUTO);
    CHECK_EQ(c->dns.timeout_ms, 10000);
    CHECK_EQ(c->store_kind, CONF_STORE_MEMORY);
    CHECK_EQ(c->components[0].connections, CONNECTIONS_REPLACE);
    CHECK_EQ(c->components[0].balance, BALANCE_TO);
    CHECK_EQ(c->components[0].grace_ms, 5000);
    CHECK_EQ(policy_count(c->policy), 1);
    /* LIVE-04: each wait has a bound */
    CHECK_EQ(t->dns_ms, 10000);
    CHECK_EQ(t->connect_ms, 10000);
    CHECK_EQ(t->tls_ms, 10000);
    CHECK_EQ(t->dialback_ms, 30000);
    CHECK_EQ(t->close_ms, 5000);
    CHECK_EQ(t->keepalive_ms, 300000);
    CHECK_EQ(l->stanza_bytes, 512 << 10); /* QUIRK-23 */
    CHECK_EQ(l->preauth_bytes, 16 << 10); /* LIMIT-05 */
    CHECK_EQ(l->negotiation_ms, 30000);
    CHECK_EQ(l->connections_per_address_count, 64); /* LIMIT-01 */
    CHECK_EQ(l->queue_bytes, 16 << 20);             /* LIMIT-10 */
    CHECK_EQ(l->queue_stanza_count, 10000);
    CHECK_EQ(l->queue_age_ms, 60000);
    CHECK_EQ(l->source_pause_ms, 2000);
    CHECK_EQ(l->uncertain, CONF_UNCERTAIN_RESEND);
    CHECK_EQ(l->idle_ms, 900000);
    CHECK_EQ(l->memory_bytes, 0);
    CHECK_EQ(c->log.level, LOG_INFO);
    CHECK_EQ(c->log.format, LOG_LOGFMT);
    conf_unref(c);
}

static const char everything[] =
    "node: { name: edge-1, workers: 4, drain_timeout: 500ms }\n"
    "listen:\n"
    "  s2s: [\"127.0.0.2:5269\", \"[::1]:5269\"]\n"
    "  s2s_tls: [\"127.0.0.2:5270\"]\n"
    "  component: []\n"
    "  component_tls: [\"192.0.2.1:5348\"]\n"
    "  mesh: []\n"
    "  http: \"\"\n"
    "  control: run/c.sock\n"
    "  proxy_protocol_from: [10.0.0.0/8, \"2001:db8::/32\", 192.0.2.7]\n"
    "tls:\n"
    "  certificates:\n"
    "    - { chain: tls/example.org.pem, key: /conf/tls/example.org.key }\n"
    "    - chain: tls/example.org.pem\n"
    "      key: tls/example.org.key\n"
    "  trust_file: tls/example.org.pem\n"
    "  min_version: \"1.3\"\n"
    "  crl_files: []\n"
    "dialback: { secret_file: dialback.secret, previous_secret_file: previous.secret }\n"
    "dns: { servers: [127.0.0.53, \"192.0.2.53:5353\", \"[2001:db8::53]:53\", \"2001:db8::54\"],\n"
    "       dnssec: trust-ad, trusted_servers: [192.0.2.0/24, \"2001:db8::/64\"],\n"
    "       trust_anchor_file: \"\" }\n"
    "store: { kind: memory, redis: {} }\n"
    "mesh:\n"
    "components:\n"
    "  - { domain: ROOMS.example.org., secret_file: /elsewhere/rooms.secret, connections: share,\n"
    "      balance: from, grace: 1m }\n"
    "  - { domain: \"*.Wild.example\", secret_file: intern.secret, connections: refuse, grace: 0 "
    "}\n"
    "  - { domain: xn--bcher-kva.example, secret_file: intern.secret }\n"
    "peers:\n"
    "  - { match: \"*.Spam.example\", allow: none }\n"
    "  - { match: partner.example, local: ROOMS.example.org, auth: [dialback, pkix], pins: [],\n"
    "      target: [\"203.0.113.7:5269\", \"tls://xmpp.PARTNER.example:5270\", \"[::1]:1\"] }\n"
    "  - { match: \"*\", local: \"*.wild.example\", allow: in, tls: optional }\n"
    "timeouts: { dns: 1s, connect: 2s, tls: 3s, dialback: 4s, close: 5m, keepalive: 0 }\n"
    "limits: { stanza_bytes: 10000, preauth_bytes: 2KiB, negotiation: 1h, queue_bytes: 1GiB,\n"
    "          connections_per_address: 1, queue_stanzas: 5, queue_age: 1d, source_pause: 0,\n"
    "          uncertain: bounce, idle: 0, memory: 2GiB }\n"
    "log: { level: debug, format: json }\n";

TEST(conf, reads_node_listen_tls_dialback_dns)
{
    struct conf *c = parsed(everything);

    CHECK_STR(c->node.name, "edge-1");
    CHECK_EQ(c->node.worker_count, 4);
    CHECK_EQ(c->node.drain_ms, 500);
    check_addrs(&c->listen.s2s, "127.0.0.2:5269 [::1]:5269");
    check_addrs(&c->listen.s2s_tls, "127.0.0.2:5270");
    CHECK_EQ(c->listen.component.count, 0);
    check_addrs(&c->listen.component_tls, "192.0.2.1:5348");
    CHECK_EQ(c->listen.http.count, 0);
    CHECK_STR(c->listen.control, "/conf/run/c.sock");
    CHECK_EQ(c->listen.proxy_protocol_from.count, 3);
    CHECK_EQ(c->listen.proxy_protocol_from.list[0].bits, 8);
    CHECK_EQ(c->tls.certificate_count, 2);
    CHECK_STR(c->tls.certificates[0].key_file, "/conf/tls/example.org.key");
    CHECK_STR(c->tls.certificates[1].chain_file, "/conf/tls/example.org.pem");
    CHECK_EQ(c->tls.certificates[1].line, 14);
    CHECK_STR(c->tls.trust_file, "/conf/tls/example.org.pem");
    CHECK_EQ(c->tls.min_version, CONF_TLS_1_3);
    CHECK_SLICE(c->dialback.secret.text, SECRET_32); /* KEY-02; line end cut off */
    CHECK_SLICE(c->dialback.previous_secret.text, SECRET_32 "x");
    CHECK_EQ(c->dns.server_count, 4);
    CHECK_EQ(addr_port(&c->dns.servers[0]), 53);
    CHECK_EQ(addr_port(&c->dns.servers[1]), 5353);
    CHECK_EQ(addr_port(&c->dns.servers[3]), 53);
    CHECK_EQ(c->dns.trusted_count, 2);
    CHECK_EQ(c->dns.dnssec, DNSSEC_MODE_TRUST_AD);
    CHECK_EQ(c->dns.timeout_ms, 1000);
    conf_unref(c);
}

TEST(conf, reads_components_and_peers)
{
    struct conf *c = parsed(everything);
    const struct policy_rule *r = policy_rule_at(c->policy, 1);

    CHECK_EQ(c->component_count, 3);
    CHECK_STR(c->components[0].domain, "rooms.example.org"); /* normal form */
    CHECK_SLICE(c->components[0].secret.text, "elsewhere");
    CHECK_EQ(c->components[0].connections, CONNECTIONS_SHARE); /* COMP-12 */
    CHECK_EQ(c->components[0].balance, BALANCE_FROM);
    CHECK_EQ(c->components[0].grace_ms, 60000);
    CHECK_STR(c->components[1].domain, "*.wild.example");
    CHECK_EQ(c->components[1].connections, CONNECTIONS_REFUSE);
    CHECK_EQ(c->components[1].grace_ms, 0);
    CHECK_STR(c->components[2].domain, "bücher.example");
    CHECK_EQ(policy_count(c->policy), 4);
    CHECK_EQ(policy_rule_at(c->policy, 0)->allow, ALLOW_NONE);
    CHECK_STR(policy_rule_at(c->policy, 0)->match, "*.spam.example");
    CHECK_STR(policy_rule_at(c->policy, 0)->local, "*");
    CHECK_STR(r->local, "rooms.example.org");
    CHECK_EQ(r->method_count, 2);
    CHECK_EQ(r->methods[0], METHOD_DIALBACK);
    CHECK_EQ(r->methods[1], METHOD_PKIX);
    CHECK(r->tls_required);
    CHECK_EQ(r->target_count, 3); /* SRV-11 */
    CHECK_STR(r->targets[0].host, "203.0.113.7");
    CHECK_EQ(r->targets[0].port, 5269);
    CHECK(!r->targets[0].direct_tls);
    CHECK_STR(r->targets[1].host, "xmpp.partner.example");
    CHECK(r->targets[1].direct_tls);
    CHECK_STR(r->targets[2].host, "::1");
    CHECK_EQ(r->targets[2].port, 1);
    CHECK_EQ(r->line, 32);
    CHECK(!policy_rule_at(c->policy, 2)->tls_required);
    CHECK_EQ(policy_rule_at(c->policy, 2)->allow, ALLOW_IN);
    conf_unref(c);
}

TEST(conf, reads_timeouts_limits_log)
{
    struct conf *c = parsed(everything);

    CHECK_EQ(c->timeouts.connect_ms, 2000);
    CHECK_EQ(c->timeouts.tls_ms, 3000);
    CHECK_EQ(c->timeouts.dialback_ms, 4000);
    CHECK_EQ(c->timeouts.close_ms, 300000);
    CHECK_EQ(c->timeouts.keepalive_ms, 0);
    CHECK_EQ(c->limits.stanza_bytes, 10000); /* LIMIT-02: the least */
    CHECK_EQ(c->limits.preauth_bytes, 2048);
    CHECK_EQ(c->limits.negotiation_ms, 3600000);
    CHECK_EQ(c->limits.connections_per_address_count, 1);
    CHECK_EQ(c->limits.queue_bytes, 1u << 30);
    CHECK_EQ(c->limits.queue_stanza_count, 5);
    CHECK_EQ(c->limits.queue_age_ms, 86400000);
    CHECK_EQ(c->limits.source_pause_ms, 0);
    CHECK_EQ(c->limits.uncertain, CONF_UNCERTAIN_BOUNCE);
    CHECK_EQ(c->limits.idle_ms, 0);
    CHECK_EQ(conf_memory_limit(c), 2ull << 30);
    CHECK_EQ(c->log.level, LOG_DEBUG);
    CHECK_EQ(c->log.format, LOG_JSON);
    conf_unref(c);
}

TEST(conf, nothing_behind_a_key_is_as_if_left_out)
{
    struct conf *c =
        parsed(MINIMAL "node:\n  name:\n  workers: ~\npeers:\nlimits: null\nlog: {}\n");

    CHECK_STR(c->node.name, "host-7");
    CHECK_EQ(c->limits.stanza_bytes, 512 << 10);
    CHECK_EQ(policy_count(c->policy), 1);
    conf_unref(c);
}

static void count_change(void *arg, const char *key, bool reloadable)
{
    print_error("%s changed\n", key);
    (*(int *)arg)++;
}

/* What is printed reads back to the same values, in any directory, and never holds a secret. */
TEST(conf, prints_what_reads_back_the_same)
{
    static const char *const texts[] = {
        MINIMAL,
        everything,
        MINIMAL "listen: { control: \"/run/$${odd} \\\"name\\\\ \\u00e9 \\u2028 x\" }\n"
                "node: { name: \"off\" }\n",
    };

    for (size_t i = 0; i < COUNT(texts); i++) {
        struct conf *first = parsed(texts[i]), *second;
        char *text = printed(first), *again;
        int changes = 0;

        CHECK_MSG(!strstr(text, SECRET_32) && !strstr(text, ": elsewhere"), "%s", text);
        second = parsed(text);
        again = printed(second);
        CHECK_STR(text, again);
        conf_diff(first, second, count_change, &changes);
        CHECK_EQ(changes, 0);
        free(text);
        free(again);
        conf_unref(first);
        conf_unref(second);
    }
}

/* Other readers of YAML would take it for a truth value. */
TEST(conf, prints_odd_words_in_quotes)
{
    struct conf *c = parsed(MINIMAL "node: { name: off }\n");
    char *text = printed(c);

    CHECK(strstr(text, "  name: \"off\"\n"));
    free(text);
    conf_unref(c);
}

TEST(conf, environment_stands_in_values)
{
    struct conf *c =
        parsed(CERT "components: [ { domain: \"x.${DOMAIN}\", secret_file: rooms.secret } ]\n"
                    "node:\n  workers: ${WORKERS}\n  name: a${EMPTY}b\n"
                    "listen: { control: \"/$${DOMAIN}$x$$\" }\n");

    CHECK_STR(c->components[0].domain, "x.rooms.example.org");
    CHECK_EQ(c->node.worker_count, 3);
    CHECK_STR(c->node.name, "ab");
    CHECK_STR(c->listen.control, "/${DOMAIN}$x$$");
    conf_unref(c);
}

/* A variable's text is a value, whatever stands in it: never YAML, never another variable. */
static const char *odd_env(void *arg, const char *name)
{
    return "${DOMAIN}: { a: b }";
}

TEST(conf, environment_is_never_structure)
{
    struct conf_source source = world_source(MINIMAL "listen: { control: \"/${X}\" }\n");
    struct conf *c;
    size_t errors;

    source.env = odd_env;
    free(parse_said(&source, &errors, &c));
    CHECK_EQ(errors, 0);
    CHECK_STR(c->listen.control, "/${DOMAIN}: { a: b }");
    conf_unref(c);
}

static enum err no_trust(void *arg, const char *path, char *buf, size_t room,
                         struct conf_file *ret_file)
{
    if (strstr(path, "ca-certificates"))
        return ERR_NOT_FOUND;
    return world_read(arg, path, buf, room, ret_file);
}

/* A machine without the usual bundle is warned of and trusts nobody; a rule that needs it fails. */
TEST(conf, trust_file_of_the_machine_may_be_absent)
{
    struct conf_source source = world_source(MINIMAL);
    struct conf *c;
    size_t errors;
    char *said;

    source.read = no_trust;
    said = parse_said(&source, &errors, &c);
    CHECK_STR(said, "test.yaml: warning: tls.trust_file: /etc/ssl/certs/ca-certificates.crt cannot "
                    "be read: not found; create it, or give the service leave to read it\n");
    CHECK_STR(c->tls.trust_file, "");
    free(said);
    conf_unref(c);
    source.text = slice_from(MINIMAL "peers: [ { match: \"*\", auth: [pkix] } ]\n");
    free(parse_said(&source, &errors, &c));
    CHECK_EQ(errors, 1);
}

struct changes {
    char text[512];
};

static void note_change(void *arg, const char *key, bool reloadable)
{
    struct changes *c = arg;

    snprintf(c->text + strlen(c->text), sizeof(c->text) - strlen(c->text), "%s%s ", key,
             reloadable ? "" : "!");
}

TEST(conf, says_which_keys_changed_and_which_need_a_restart)
{
    static const struct {
        const char *to, *want;
    } cases[] = {
        {MINIMAL, ""},
        {MINIMAL "limits: { stanza_bytes: 524288 }\n", ""},
        {MINIMAL "limits: { idle: 1h, memory: 1GiB }\n", "limits.idle limits.memory! "},
        {MINIMAL "node: { name: a, workers: 2, drain_timeout: 1s }\n",
         "node.name! node.workers! node.drain_timeout "},
        {MINIMAL "listen: { s2s: [\"[::1]:1\"], http: \"\", control: \"\" }\n",
         "listen.s2s! listen.http! listen.control! "},
        {MINIMAL "peers: [ { match: a.example } ]\nlog: { level: warn }\n", "peers log.level "},
        {CERT "components: [ { domain: b.example, secret_file: rooms.secret } ]\n", "components "},
        {MINIMAL "dns: { servers: [127.0.0.1] }\ntimeouts: { dns: 1s }\n",
         "dns.servers timeouts.dns "},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct conf *old = parsed(MINIMAL), *new = parsed(cases[i].to);
        struct changes changes = {""};

        conf_diff(old, new, note_change, &changes);
        CHECK_STR(changes.text, cases[i].want);
        conf_unref(old);
        conf_unref(new);
    }
}

/* Whatever a row says that it needs a restart must be kept, through many reloads. */
TEST(conf, keeps_what_needs_a_restart)
{
    static const char *const text =
        MINIMAL "node: { name: b, workers: 3 }\nlimits: { memory: 1GiB, idle: 1h }\n"
                "listen: { s2s: [\"[::1]:1\"], s2s_tls: [\"[::1]:2\"], component: [\"[::1]:3\"], "
                "component_tls: [\"[::1]:4\"], http: \"\", control: \"\", "
                "proxy_protocol_from: [10.0.0.0/8] }\n";
    struct conf *running = parsed(MINIMAL);

    for (int i = 0; i < 3; i++) {
        struct conf *new = parsed(text);
        struct changes before = {""}, after = {""};

        conf_diff(running, new, note_change, &before);
        CHECK(strstr(before.text, "node.name! "));
        conf_keep_running(new, running);
        conf_diff(running, new, note_change, &after);
        CHECK_STR(after.text, i ? "" : "listen.proxy_protocol_from limits.idle ");
        conf_unref(running);
        running = new;
    }
    conf_unref(running);
}

static enum err new_secrets(void *arg, const char *path, char *buf, size_t room,
                            struct conf_file *ret_file)
{
    enum err e = world_read(arg, path, buf, room, ret_file);

    if (!e && strstr(path, ".secret"))
        buf[0] = 'X';
    return e;
}

TEST(conf, a_secret_changes_although_its_file_keeps_the_name)
{
    const char *text = MINIMAL "dialback: { secret_file: dialback.secret }";
    struct conf_source source = world_source(text);
    struct conf *old = parsed(text), *new;
    struct changes changes = {""};
    size_t errors;

    source.read = new_secrets;
    free(parse_said(&source, &errors, &new));
    conf_diff(old, new, note_change, &changes);
    CHECK_STR(changes.text, "dialback.secret_file components ");
    conf_unref(old);
    conf_unref(new);
}

/* ---- real files ---- */

static char dir[64];

static const char *in_dir(const char *name)
{
    static char path[4][256];
    static unsigned turn;
    char *p = path[turn++ % 4];

    snprintf(p, 256, "%s/%s", dir, name);
    return p;
}

static void write_file(const char *name, const char *content, unsigned mode)
{
    FILE *f = fopen(in_dir(name), "w");

    CHECK(f != NULL);
    fputs(content, f);
    fclose(f);
    chmod(in_dir(name), mode);
}

static void copy_file(const char *from, const char *name)
{
    FILE *f = fopen(from, "r");
    static char text[65536];
    size_t n;

    CHECK_MSG(f != NULL, "%s is not there", from);
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    fclose(f);
    write_file(name, text, 0644);
}

static void make_dir(void)
{
    strcpy(dir, "/tmp/test_conf.XXXXXX");
    CHECK(mkdtemp(dir) != NULL);
    mkdir(in_dir("tls"), 0755);
    write_file("tls/example.org.pem", "-----BEGIN", 0644);
    write_file("tls/example.org.key", "-----BEGIN", 0600);
    write_file("rooms.secret", "rooms\n", 0600);
    write_file("intern.secret", "intern\n", 0600);
    write_file("dialback.secret", SECRET_32 "\n", 0600);
}

static void remove_dir(void)
{
    static const char *const names[] = {"tls/example.org.pem",
                                        "tls/example.org.key",
                                        "tls",
                                        "rooms.secret",
                                        "intern.secret",
                                        "dialback.secret",
                                        "a.yaml",
                                        "fifo",
                                        ""};

    for (size_t i = 0; i < COUNT(names); i++)
        remove(in_dir(names[i]));
}

static char *load_said(const char *path, struct conf **ret_conf)
{
    struct conf_report report;
    char *said;

    *ret_conf = NULL;
    conf_report_init(&report);
    (void)!conf_load(path, &report, ret_conf);
    said = report_text(&report);
    conf_report_fini(&report);
    return said;
}

/* The files we hand out: nothing to be said about them, once the files they name are there. */
TEST(conf, minimal_and_reference_files_load)
{
    static const char *const files[] = {"conf/minimal.yaml", "conf/fedrouter.yaml"};

    make_dir();
    for (size_t i = 0; i < COUNT(files); i++) {
        struct conf *c;
        char *said;

        copy_file(files[i], "a.yaml");
        said = load_said(in_dir("a.yaml"), &c);
        if (access("/etc/ssl/certs/ca-certificates.crt", R_OK) == 0)
            CHECK_STR(said, "");
        CHECK(c != NULL);
        CHECK_STR(c->components[0].domain, "rooms.example.org");
        CHECK_SLICE(c->components[0].secret.text, "rooms");
        free(said);
        conf_unref(c);
    }
    remove_dir();
}

/* Each key of the reference stands there with its default, unless it has none: then its example. */
TEST(conf, reference_file_shows_the_defaults)
{
    struct conf *reference, *minimal;
    struct changes changes = {""};

    make_dir();
    copy_file("conf/fedrouter.yaml", "a.yaml");
    free(load_said(in_dir("a.yaml"), &reference));
    copy_file("conf/minimal.yaml", "a.yaml");
    free(load_said(in_dir("a.yaml"), &minimal));
    conf_diff(minimal, reference, note_change, &changes);
    CHECK_STR(changes.text, "node.name! dialback.secret_file components peers ");
    conf_unref(reference);
    conf_unref(minimal);
    remove_dir();
}

TEST(conf, file_itself_may_be_missing_or_odd)
{
    struct conf *c;
    char want[256], *said;

    make_dir();
    said = load_said(in_dir("a.yaml"), &c);
    snprintf(want, sizeof(want),
             "%s: cannot be read: not found; create it, or name it by --config\n",
             in_dir("a.yaml"));
    CHECK_STR(said, want);
    free(said);
    said = load_said(dir, &c);
    CHECK(strstr(said, ": cannot be read: no regular file; create it"));
    free(said);
    CHECK_EQ(mkfifo(in_dir("fifo"), 0600), 0);
    said = load_said(in_dir("fifo"), &c); /* and does not hang */
    CHECK(strstr(said, ": cannot be read: no regular file; create it"));
    free(said);
    remove_dir();
}

/* A path that began beside the file stays there when the process changes its directory. */
TEST(conf, relative_paths_begin_beside_the_file)
{
    struct conf *c;
    char here[256], want[256];

    CHECK(getcwd(here, sizeof(here)) != NULL);
    make_dir();
    copy_file("conf/minimal.yaml", "a.yaml");
    CHECK_EQ(chdir(dir), 0);
    free(load_said("a.yaml", &c));
    CHECK_EQ(chdir(here), 0);
    CHECK(c != NULL);
    snprintf(want, sizeof(want), "%s/rooms.secret", dir);
    CHECK_STR(c->components[0].secret.file, want);
    conf_unref(c);
    remove_dir();
}

TEST(conf, counted)
{
    struct conf *c = parsed(MINIMAL);

    CHECK(conf_ref(c) == c);
    conf_unref(c);
    CHECK_STR(c->node.name, "host-7");
    conf_unref(c);
    conf_unref(NULL);
}

static void make_path(const char *root, const char *path, const char *content)
{
    char text[512];
    FILE *f;

    snprintf(text, sizeof(text), "mkdir -p $(dirname %s%s)", root, path);
    CHECK_EQ(system(text), 0);
    snprintf(text, sizeof(text), "%s%s", root, path);
    f = fopen(text, "w");
    CHECK(f != NULL);
    fputs(content, f);
    fclose(f);
}

TEST(conf, memory_is_bound_by_the_least_group_above)
{
    static const struct {
        const char *group; /* /proc/self/cgroup */
        const char *path[3], *content[3];
        uint64_t want;
    } cases[] = {
        {"0::/a/b\n", {NULL}, {NULL}, 1000000},
        {"0::/a/b\n", {"/sys/fs/cgroup/a/b/memory.max"}, {"5000\n"}, 5000},
        {"0::/a/b\n",
         {"/sys/fs/cgroup/a/b/memory.max", "/sys/fs/cgroup/a/memory.max"},
         {"max\n", "4000\n"},
         4000},
        {"0::/a/b\n", {"/sys/fs/cgroup/memory.max"}, {"3000\n"}, 3000},
        {"0::/\n", {"/sys/fs/cgroup/memory.max"}, {"2000000\n"}, 1000000},
        {"9:cpu:/x\n8:pids,memory:/a\n0::/\n",
         {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes",
          "/sys/fs/cgroup/memory/memory.limit_in_bytes"},
         {"700\n", "9223372036854771712\n"},
         700},
        {"nonsense", {NULL}, {NULL}, 1000000},
    };

    for (size_t i = 0; i < COUNT(cases); i++) {
        char root[] = "/tmp/test_conf.XXXXXX", command[64];

        CHECK(mkdtemp(root) != NULL);
        make_path(root, "/proc/self/cgroup", cases[i].group);
        for (size_t k = 0; k < 3 && cases[i].path[k]; k++)
            make_path(root, cases[i].path[k], cases[i].content[k]);
        CHECK_EQ(conf_memory_bound(root, 1000000), cases[i].want);
        snprintf(command, sizeof(command), "rm -r %s", root);
        CHECK_EQ(system(command), 0);
    }
}

TESTS(TEST_OF(conf, defaults), TEST_OF(conf, reads_node_listen_tls_dialback_dns),
      TEST_OF(conf, reads_components_and_peers), TEST_OF(conf, reads_timeouts_limits_log),
      TEST_OF(conf, nothing_behind_a_key_is_as_if_left_out),
      TEST_OF(conf, prints_what_reads_back_the_same), TEST_OF(conf, prints_odd_words_in_quotes),
      TEST_OF(conf, environment_stands_in_values), TEST_OF(conf, environment_is_never_structure),
      TEST_OF(conf, trust_file_of_the_machine_may_be_absent),
      TEST_OF(conf, says_which_keys_changed_and_which_need_a_restart),
      TEST_OF(conf, keeps_what_needs_a_restart),
      TEST_OF(conf, a_secret_changes_although_its_file_keeps_the_name),
      TEST_OF(conf, minimal_and_reference_files_load),
      TEST_OF(conf, reference_file_shows_the_defaults),
      TEST_OF(conf, file_itself_may_be_missing_or_odd),
      TEST_OF(conf, relative_paths_begin_beside_the_file), TEST_OF(conf, counted),
      TEST_OF(conf, memory_is_bound_by_the_least_group_above))
