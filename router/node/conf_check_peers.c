#include "node/conf_reader.h"

#include "base/map.h"

/* Contradictions among components and rules for peers. All look-ups go by map: a file may have
 * 100,000 of each. */

static const uint64_t seed[2] = {0x636f6e66, 0x706565727}; /* the operator chooses the keys */

/* Components by pattern, and every name above one, so that two patterns meet by look-up. */
struct served {
    struct map components; /* pattern to struct conf_component */
    struct map above;      /* "example.org" for "rooms.example.org" and "*.example.org" */
};

static void add_above(struct map *above, struct slice pattern)
{
    size_t dot = slice_find(pattern, '.');

    while (dot < pattern.len) {
        pattern = slice_from_offset(pattern, dot + 1);
        if (!map_find(above, pattern))
            map_add(above, pattern, (void *)pattern.ptr);
        dot = slice_find(pattern, '.');
    }
}

static void add_component(struct conf_reader *r, struct served *s, struct conf_component *c)
{
    struct slice domain = slice_from(c->domain);
    struct conf_component *twin = map_find(&s->components, domain);

    if (!domain.len)
        return; /* refused already */
    if (twin) {
        conf_remark(r->report, CONF_ERROR, c->line,
                    "components.domain: %s is there already on line %u; leave one out", c->domain,
                    twin->line);
        return;
    }
    map_add(&s->components, domain, c);
    add_above(&s->above, domain);
}

static void served_init(struct conf_reader *r, struct served *s)
{
    map_init(&s->components, seed);
    map_init(&s->above, seed);
    for (size_t i = 0; i < r->conf->component_count; i++)
        add_component(r, s, &r->conf->components[i]);
}

static void served_fini(struct served *s)
{
    map_fini(&s->components);
    map_fini(&s->above);
}

/* The component that serves a name, or NULL: itself, or a "*." above it. */
static const struct conf_component *serving(const struct served *s, const char *name)
{
    const struct conf_component *c = map_find(&s->components, slice_from(name));
    char pattern[DOMAIN_BYTES_MAX + 3];

    for (const char *dot = strchr(name, '.'); dot && !c; dot = strchr(dot + 1, '.')) {
        snprintf(pattern, sizeof(pattern), "*%s", dot);
        c = map_find(&s->components, slice_from(pattern));
    }
    return c;
}

/* Whether any domain of ours can fit a pattern. */
static bool meets(const struct served *s, const char *local)
{
    if (!strcmp(local, "*"))
        return true;
    if (!strncmp(local, "*.", 2) && map_find(&s->above, slice_from(local + 2)))
        return true;
    return serving(s, local);
}

static void check_domains(struct conf_reader *r, const struct served *s,
                          const struct conf_peer *peer)
{
    const struct conf_component *c = serving(s, peer->match);

    if (c)
        conf_remark(r->report, CONF_WARNING, peer->line,
                    "peers.match: %s is served here (line %u) and never a peer; leave the rule out",
                    peer->match, c->line);
    if (r->conf->component_count && *peer->local && !meets(s, peer->local))
        conf_remark(r->report, CONF_WARNING, peer->line,
                    "peers.local: %s is no domain of a component, so the rule is never used; see "
                    "to its spelling, or add the component",
                    peer->local);
}

static bool proves(const struct conf_peer *peer, enum method m)
{
    for (size_t i = 0; i < peer->auth.count; i++)
        if (peer->auth.list[i] == m)
            return true;
    return false;
}

/* Rules that say one thing with one key and its opposite with another. */
static void check_rule(struct conf_reader *r, const struct conf_peer *peer)
{
    bool out = peer->allow & ALLOW_OUT;
    bool dialback = proves(peer, METHOD_DIALBACK);

    if (peer->target.count && !out)
        conf_remark(r->report, CONF_WARNING, peer->line,
                    "peers.target: nothing is dialled with allow: %s; leave one of them out",
                    peer->allow == ALLOW_NONE ? "none" : "in");
    if (peer->allow == ALLOW_NONE || dialback || !peer->auth.count)
        return;
    if (!*r->conf->tls.trust_file && conf_good(r, "tls.trust_file"))
        conf_remark(r->report, CONF_ERROR, peer->line,
                    "peers.auth: only certificates count, but no authority is trusted; add "
                    "dialback, or name a file in tls.trust_file");
    else if (!peer->tls)
        conf_remark(r->report, CONF_WARNING, peer->line,
                    "peers.tls: optional, but without TLS nothing in auth proves a domain; add "
                    "dialback, or write tls: required");
}

static void make_policy(struct conf_reader *r)
{
    struct policy_rule *rules = mem_array(r->peer_count + 1, sizeof(*rules));

    for (size_t i = 0; i < r->peer_count; i++)
        conf_peer_to_rule(&r->peers[i], &rules[i]);
    r->conf->policy = policy_new(rules, r->peer_count);
}

static void check_hidden(struct conf_reader *r)
{
    const struct policy *p = r->conf->policy;

    for (size_t i = 0; i < r->peer_count; i++) {
        const struct policy_rule *rule = policy_rule_at(p, i), *first;
        size_t by;

        if (!*rule->match || !*rule->local || !policy_shadowed(p, i, &by))
            continue;
        first = policy_rule_at(p, by);
        conf_remark(r->report, CONF_WARNING, rule->line,
                    "peers: no pair reaches the rule for %s (local %s), since that for %s (local "
                    "%s) on line %u comes first; move it up or leave it out",
                    rule->match, rule->local, first->match, first->local, first->line);
    }
}

void conf_check_peers(struct conf_reader *r)
{
    struct served s;

    served_init(r, &s);
    for (size_t i = 0; i < r->peer_count; i++) {
        check_domains(r, &s, &r->peers[i]);
        check_rule(r, &r->peers[i]);
    }
    served_fini(&s);
    make_policy(r);
    check_hidden(r);
}
