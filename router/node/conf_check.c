#include "node/conf_reader.h"

/* Contradictions between values that are fine by themselves; components and peers have their own
 * file. */

/* listen has five lists and one address. */
#define LISTENERS_MAX (5 * 16 + 1)

struct listeners {
    struct conf_listener list[LISTENERS_MAX];
    size_t count;
};

static void gather(struct conf_reader *r, struct listeners *ls)
{
    size_t count;
    const struct conf_row *rows = conf_rows(&count);

    for (size_t i = 0; i < count; i++) {
        const struct conf_addrs *addrs = (const void *)((const char *)r->conf + rows[i].offset);

        if (!slice_starts(slice_from(rows[i].path), SLICE("listen.")) ||
            (rows[i].type != CONF_TYPE_ADDRS && rows[i].type != CONF_TYPE_ADDR))
            continue;
        for (size_t k = 0; k < addrs->count; k++) {
            assert(ls->count < LISTENERS_MAX);
            ls->list[ls->count++] = (struct conf_listener){&rows[i], addrs->list[k], r->lines[i]};
        }
    }
}

static bool is_any(const struct addr *a, sa_family_t family)
{
    static const struct in6_addr any = IN6ADDR_ANY_INIT;

    if (a->sa.sa_family != family)
        return false;
    if (family == AF_INET)
        return a->v4.sin_addr.s_addr == INADDR_ANY;
    return !memcmp(&a->v6.sin6_addr, &any, sizeof(any));
}

/* Whoever listens at `a` leaves nothing for `b`. [::] takes IPv4 as well. */
static bool takes(const struct addr *a, const struct addr *b)
{
    if (addr_port(a) != addr_port(b) || !addr_port(a))
        return false; /* port 0 is any free one */
    return addr_eq(a, b) || is_any(a, AF_INET6) ||
           (is_any(a, AF_INET) && b->sa.sa_family == AF_INET);
}

static const char *line_text(unsigned line, char buf[32])
{
    snprintf(buf, 32, line ? "line %u" : "default", line);
    return buf;
}

static void clash(struct conf_reader *r, const struct conf_listener *a,
                  const struct conf_listener *b)
{
    char at_a[ADDR_TEXT_MAX], at_b[ADDR_TEXT_MAX], where[32];
    const struct conf_listener *later = a->line > b->line ? a : b;
    const struct conf_listener *first = later == a ? b : a;

    conf_remark(r->report, CONF_ERROR, later->line,
                "%s: %s cannot be had besides %s of %s (%s); choose another port or leave one out",
                later->row->path, addr_format(&later->addr, at_a), addr_format(&first->addr, at_b),
                first->row->path, line_text(first->line, where));
}

static void check_clashes(struct conf_reader *r)
{
    struct listeners ls = {.count = 0};

    gather(r, &ls);
    for (size_t i = 0; i < ls.count; i++)
        for (size_t k = 0; k < i; k++)
            if (takes(&ls.list[i].addr, &ls.list[k].addr) ||
                takes(&ls.list[k].addr, &ls.list[i].addr))
                clash(r, &ls.list[k], &ls.list[i]);
}

/* XEP-0114 has no encryption: the secret is hashed, the stanzas are read by whoever is between. */
static void check_clear_components(struct conf_reader *r)
{
    const struct conf_addrs *addrs = &r->conf->listen.component;
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < addrs->count; i++)
        if (!addr_is_loopback(&addrs->list[i]))
            conf_remark(r->report, CONF_WARNING, conf_line_of(r, "listen.component"),
                        "listen.component: %s is not loopback and carries stanzas in clear; use "
                        "listen.component_tls there",
                        addr_format(&addrs->list[i], text));
}

static void check_component_doors(struct conf_reader *r)
{
    const struct conf *c = r->conf;
    bool door = c->listen.component.count || c->listen.component_tls.count;
    bool good = conf_good(r, "listen.component") && conf_good(r, "listen.component_tls");

    if (door || !good)
        return;
    if (c->component_count)
        conf_remark(r->report, CONF_ERROR, conf_line_of(r, "listen.component"),
                    "listen.component: components have nowhere to connect to; add an address, such "
                    "as [\"127.0.0.1:5347\"], or one to listen.component_tls");
}

static void check_emptiness(struct conf_reader *r)
{
    const struct conf_listen *l = &r->conf->listen;
    bool s2s = l->s2s.count || l->s2s_tls.count;
    bool any = s2s || l->component.count || l->component_tls.count;

    if (!conf_good(r, "components") || !conf_good(r, "listen.s2s") ||
        !conf_good(r, "listen.s2s_tls"))
        return;
    if (!r->conf->component_count && !any)
        conf_remark(r->report, CONF_ERROR, 0,
                    "components: nothing to do: no component and no listener; add an item to "
                    "components, and addresses to listen.s2s and listen.component");
    else if (!r->conf->component_count)
        conf_remark(r->report, CONF_WARNING, conf_line_of(r, "components"),
                    "components: none, so every stream is refused; add one, such as \"- { domain: "
                    "rooms.example.org, secret_file: rooms.secret }\"");
    else if (!s2s)
        conf_remark(r->report, CONF_WARNING, conf_line_of(r, "listen.s2s"),
                    "listen.s2s: no server can reach us, listen.s2s_tls being empty too; add an "
                    "address, such as [\"[::]:5269\"]");
}

static bool clear_allowed(const struct conf_reader *r)
{
    for (size_t i = 0; i < r->peer_count; i++)
        if (!r->peers[i].tls && r->peers[i].allow != ALLOW_NONE)
            return true;
    return false;
}

static void want_certificate(struct conf_reader *r, enum conf_severity severity, const char *key,
                             const char *text)
{
    conf_remark(r->report, severity, conf_line_of(r, "tls.certificates"),
                "tls.certificates: none, but %s %s; add one, such as \"- { chain: "
                "tls/example.org.pem, key: tls/example.org.key }\"",
                key, text);
}

static void check_certificates(struct conf_reader *r)
{
    const struct conf_listen *l = &r->conf->listen;
    const char *direct = l->s2s_tls.count ? "listen.s2s_tls" : "listen.component_tls";

    if (r->conf->tls.certificate_count || !conf_good(r, "tls.certificates"))
        return;
    if (l->s2s_tls.count || l->component_tls.count)
        want_certificate(r, CONF_ERROR, direct, "is TLS from the first byte");
    else if (l->s2s.count && !clear_allowed(r))
        want_certificate(r, CONF_ERROR, "listen.s2s", "has peers that must use TLS");
    else if (l->s2s.count)
        want_certificate(r, CONF_WARNING, "listen.s2s", "then carries all stanzas in clear");
}

static void check_dialback(struct conf_reader *r)
{
    const struct conf_dialback *d = &r->conf->dialback;
    unsigned line = conf_line_of(r, "dialback.previous_secret_file");

    if (*d->previous_secret.file && !*d->secret.file)
        conf_remark(r->report, CONF_ERROR, line,
                    "dialback.previous_secret_file: previous to nothing; name the present one in "
                    "dialback.secret_file");
    else if (d->secret.text.len && slice_eq(d->secret.text, d->previous_secret.text))
        conf_remark(r->report, CONF_WARNING, line,
                    "dialback.previous_secret_file: holds the present secret; leave it out once "
                    "the exchange is over");
}

static bool trusted(const struct resolver_options *dns, const struct addr *server)
{
    for (size_t i = 0; i < dns->trusted_count; i++)
        if (addr_net_has(&dns->trusted[i], server))
            return true;
    return addr_is_loopback(server);
}

/* An answer's AD bit is only worth the path it came by: CONFORMANCE DNSSEC-02. */
static void check_dns(struct conf_reader *r)
{
    const struct resolver_options *dns = &r->conf->dns;
    char text[ADDR_TEXT_MAX];

    if (dns->dnssec != DNSSEC_MODE_TRUST_AD || !conf_good(r, "dns.trusted_servers"))
        return;
    for (size_t i = 0; i < dns->server_count; i++)
        if (!trusted(dns, &dns->servers[i]))
            conf_remark(r->report, CONF_WARNING, conf_line_of(r, "dns.servers"),
                        "dns.servers: trust-ad does not count for %s; if the path to it is safe, "
                        "add it to dns.trusted_servers",
                        addr_format_ip(&dns->servers[i], text));
}

/* `small` is a bound that `large` can never reach. */
static void check_bounds(struct conf_reader *r, const char *small_key, uint64_t small,
                         const char *large_key, uint64_t large, const char *effect)
{
    char small_text[32], large_text[32];
    unsigned line = conf_line_of(r, small_key);

    if (!small || small >= large || !conf_good(r, small_key) || !conf_good(r, large_key))
        return;
    conf_number_format(CONF_TYPE_SIZE, small, small_text, sizeof(small_text));
    conf_number_format(CONF_TYPE_SIZE, large, large_text, sizeof(large_text));
    conf_remark(r->report, CONF_WARNING, line ? line : conf_line_of(r, large_key),
                "%s: %s is less than %s of %s, so that %s; raise it, or lower %s", small_key,
                small_text, large_text, large_key, effect, large_key);
}

static void check_limits(struct conf_reader *r)
{
    const struct conf_limits *l = &r->conf->limits;

    check_bounds(r, "limits.queue_bytes", l->queue_bytes, "limits.stanza_bytes", l->stanza_bytes,
                 "the largest stanzas always bounce");
    check_bounds(r, "limits.memory", l->memory_bytes, "limits.queue_bytes", l->queue_bytes,
                 "one queue can stop all reading");
    check_bounds(r, "limits.stanza_bytes", l->stanza_bytes, "limits.preauth_bytes",
                 l->preauth_bytes, "strangers may send more than friends");
}

void conf_check(struct conf_reader *r)
{
    check_clashes(r);
    check_clear_components(r);
    check_component_doors(r);
    check_emptiness(r);
    check_certificates(r);
    conf_check_tls(r);
    conf_check_store(r);
    check_dialback(r);
    check_dns(r);
    check_limits(r);
    conf_check_mesh(r);
    conf_check_peers(r);
}
