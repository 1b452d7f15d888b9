#include "session/resolver_job.h"

#include <stdio.h>

#define XMPP_SERVER_PORT 5269 /* RFC 6120 14.7 */

/* ---- SRV ---- */

static bool is_usable(const struct dns_record *r)
{
    return r->target.len > 0 && r->port > 0;
}

static size_t usable_count(const struct dns_set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < set->count; i++)
        n += is_usable(&set->records[i]);
    return n;
}

static bool has_dot(const struct dns_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        if (set->records[i].target.len == 0)
            return true;
    return false;
}

static size_t collect(const struct dns_set *set, bool direct_tls, struct srv_target *to)
{
    size_t n = 0;

    for (size_t i = 0; i < set->count; i++) {
        const struct dns_record *r = &set->records[i];

        if (is_usable(r))
            to[n++] = (struct srv_target){.host = r->target,
                                          .port = r->port,
                                          .priority = r->priority,
                                          .weight = r->weight,
                                          .direct_tls = direct_tls};
    }
    return n;
}

/* SRV-01: one list. Of a long one, the first to be dialled. */
static void merge(struct job *job, struct random *rnd)
{
    const struct dns_set *direct = job->srv[SRV_DIRECT].set;
    const struct dns_set *starttls = job->srv[SRV_STARTTLS].set;
    struct srv_target *all = mem_array(direct->count + starttls->count + 1, sizeof(*all));
    size_t n = collect(direct, true, all);

    n += collect(starttls, false, all + n);
    srv_rank(all, n, rnd);
    job->target_count = n < RESOLVER_TARGETS_MAX ? n : RESOLVER_TARGETS_MAX;
    for (size_t i = 0; i < job->target_count; i++)
        job->targets[i].srv = all[i];
    mem_free(all);
}

/* A failure other than proven absence ends the attempt (RFC 7673 3.1, RFC 6120 3.2.1), with one
 * exception: when only _xmpps-server could not be asked and _xmpp-server, the service that
 * RFC 6120 demands, was answered with records. Those are true whatever the other would have
 * said, TLS is demanded there too, and name servers that choke on a name they do not have are
 * many. It is not so the other way round. */
static bool has_failed(const struct dns_set *direct, const struct dns_set *starttls)
{
    if (starttls->outcome == DNS_FAILED)
        return true;
    return direct->outcome == DNS_FAILED && !usable_count(starttls);
}

bool job_judge_srv(struct job *job, struct random *rnd, enum resolution_kind *ret_kind)
{
    const struct dns_set *direct = job->srv[SRV_DIRECT].set;
    const struct dns_set *starttls = job->srv[SRV_STARTTLS].set;

    if (direct->outcome == DNS_BOGUS || starttls->outcome == DNS_BOGUS) {
        *ret_kind = RESOLVED_BOGUS;
        return false;
    }
    if (has_failed(direct, starttls)) {
        *ret_kind = RESOLVED_FAILED;
        return false;
    }
    if (direct->outcome == DNS_ABSENT && starttls->outcome == DNS_ABSENT) { /* SRV-07 */
        job->targets[0].srv = (struct srv_target){.host = job->name, .port = XMPP_SERVER_PORT};
        job->target_count = 1;
        return true;
    }
    merge(job, rnd);
    if (job->target_count)
        return true;
    /* SRV-04, SRV-05: never the addresses of the domain itself. */
    *ret_kind = has_dot(direct) || has_dot(starttls) ? RESOLVED_REFUSED : RESOLVED_NOTHING;
    return false;
}

/* ---- addresses ---- */

/* DNSSEC-06: a target with a forged address is not dialled at all. */
static bool is_forged(const struct job_target *t)
{
    return (t->v6.set && t->v6.set->outcome == DNS_BOGUS) ||
           (t->v4.set && t->v4.set->outcome == DNS_BOGUS);
}

static size_t found_count(const struct ask *a)
{
    return a->set ? a->set->count : 0;
}

bool job_has_address(const struct job *job)
{
    for (size_t i = 0; i < job->target_count; i++) {
        const struct job_target *t = &job->targets[i];

        if (!is_forged(t) && (found_count(&t->v6) || found_count(&t->v4)))
            return true;
    }
    return false;
}

/* Up to RESOLVER_ADDRS_MAX addresses of one family, in an order of chance: what the server's
 * rotation did is lost in the cache. */
static size_t draw_addrs(const struct ask *a, struct random *rnd,
                         const struct addr *out[RESOLVER_ADDRS_MAX])
{
    size_t n = found_count(a);
    size_t order[DNS_RECORDS_MAX];
    size_t taken;

    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (taken = 0; taken < n && taken < RESOLVER_ADDRS_MAX; taken++) {
        size_t at = taken + random_below(rnd, n - taken);

        out[taken] = &a->set->records[order[at]].addr;
        order[at] = order[taken];
    }
    return taken;
}

/* Both families in turn, the preferred one first. RFC 8305 4. */
static size_t interleave(const struct job_target *t, bool prefer_v4, struct random *rnd,
                         const struct addr *out[RESOLVER_ADDRS_MAX])
{
    const struct addr *first[RESOLVER_ADDRS_MAX];
    const struct addr *second[RESOLVER_ADDRS_MAX];
    size_t firsts = draw_addrs(prefer_v4 ? &t->v4 : &t->v6, rnd, first);
    size_t seconds = draw_addrs(prefer_v4 ? &t->v6 : &t->v4, rnd, second);
    size_t n = 0;

    for (size_t i = 0; i < RESOLVER_ADDRS_MAX; i++) {
        if (i < firsts && n < RESOLVER_ADDRS_MAX)
            out[n++] = first[i];
        if (i < seconds && n < RESOLVER_ADDRS_MAX)
            out[n++] = second[i];
    }
    return n;
}

static bool srv_is_secure(const struct job *job, bool direct_tls)
{
    const struct dns_set *set = job->srv[direct_tls ? SRV_DIRECT : SRV_STARTTLS].set;

    return set && set->outcome == DNS_FOUND && set->secure;
}

struct making {
    const struct job *job;
    const struct resolver_request *q;
    bool prefer_v4;
    struct random *rnd;
    struct resolution *res;
};

static void add_endpoint(struct making *m, const struct srv_target *srv, uint8_t number,
                         const struct addr *addr)
{
    bool host_only = m->job->host_only;
    struct endpoint *e = &m->res->endpoints[m->res->count++];

    e->addr = *addr;
    e->port = host_only ? m->q->port : srv->port;
    addr_set_port(&e->addr, e->port);
    memcpy(e->host, srv->host.ptr, srv->host.len);
    e->target = number;
    e->direct_tls = host_only ? m->q->direct_tls : srv->direct_tls;
    e->secure_name = !host_only && srv_is_secure(m->job, srv->direct_tls);
}

const struct job_target *job_target_of(const struct job *job, const struct srv_target *srv)
{
    for (size_t i = 0; i < job->target_count; i++)
        if (job->targets[i].srv.host.ptr == srv->host.ptr)
            return &job->targets[i];
    assert(!"a target of the job");
    return NULL;
}

static void add_target(struct making *m, const struct srv_target *srv, uint8_t number)
{
    const struct job_target *t = job_target_of(m->job, srv);
    const struct addr *addrs[RESOLVER_ADDRS_MAX];
    size_t n = is_forged(t) ? 0 : interleave(t, m->prefer_v4, m->rnd, addrs);

    for (size_t i = 0; i < n; i++)
        add_endpoint(m, srv, number, addrs[i]);
}

/* SRV-03: equals are drawn anew for each request, also from the cache. */
static void add_targets(struct making *m, struct srv_target *order)
{
    size_t n = m->job->target_count;

    for (size_t i = 0; i < n; i++)
        order[i] = m->job->targets[i].srv;
    srv_rank(order, n, m->rnd);
    m->res->endpoints = mem_array(n * RESOLVER_ADDRS_MAX, sizeof(struct endpoint));
    memset(m->res->endpoints, 0, n * RESOLVER_ADDRS_MAX * sizeof(struct endpoint));
    for (size_t i = 0; i < n; i++)
        add_target(m, &order[i], (uint8_t)i);
    if (m->res->count)
        m->res->endpoints = mem_realloc(m->res->endpoints, m->res->count * sizeof(struct endpoint));
}

static bool any_address_is(const struct job *job, enum dns_outcome outcome)
{
    for (size_t i = 0; i < job->target_count; i++) {
        const struct dns_set *v6 = job->targets[i].v6.set;
        const struct dns_set *v4 = job->targets[i].v4.set;

        if ((v6 && v6->outcome == outcome) || (v4 && v4->outcome == outcome))
            return true;
    }
    return false;
}

static enum resolution_kind kind_of_addresses(const struct resolution *res, const struct job *job)
{
    if (res->count)
        return RESOLVED;
    if (any_address_is(job, DNS_FAILED))
        return RESOLVED_FAILED;
    return any_address_is(job, DNS_BOGUS) ? RESOLVED_BOGUS : RESOLVED_NOTHING;
}

/* ---- how sure it is ---- */

static bool is_secure(const struct dns_set *set)
{
    return !set || set->outcome == DNS_FAILED || set->secure;
}

/* Of the SRV answers, both of them; of a configured host, of its addresses. What failed and did
 * not matter is left out. */
static enum dnssec dnssec_of(const struct job *job, enum resolution_kind kind)
{
    const struct dns_set *a = job->host_only ? job->targets[0].v6.set : job->srv[SRV_DIRECT].set;
    const struct dns_set *b = job->host_only ? job->targets[0].v4.set : job->srv[SRV_STARTTLS].set;

    if (kind == RESOLVED_BOGUS)
        return DNSSEC_BOGUS;
    if (kind == RESOLVED_FAILED)
        return DNSSEC_INDETERMINATE;
    return is_secure(a) && is_secure(b) ? DNSSEC_SECURE : DNSSEC_INSECURE;
}

/* ---- the whole ---- */

struct resolution *resolution_of_nothing(enum resolution_kind kind, const char *text)
{
    struct resolution *res = MEM_NEW(struct resolution);

    atomic_init(&res->refs, 1);
    res->kind = kind;
    res->dnssec = DNSSEC_INDETERMINATE;
    res->text = mem_strdup(text);
    return res;
}

struct resolution *resolution_of_addr(const struct addr *a, bool direct_tls)
{
    char ip[ADDR_TEXT_MAX];
    struct resolution *res = resolution_of_nothing(RESOLVED, addr_format_ip(a, ip));
    struct endpoint *e = MEM_NEW(struct endpoint);

    e->addr = *a;
    e->port = addr_port(a);
    e->direct_tls = direct_tls;
    snprintf(e->host, sizeof(e->host), "%s", ip);
    res->dnssec = DNSSEC_INSECURE; /* nobody was asked */
    res->endpoints = e;
    res->count = 1;
    return res;
}

struct resolution *resolution_make(const struct job *job, const struct resolver_request *q,
                                   enum resolution_kind kind, bool prefer_v4, struct random *rnd)
{
    struct srv_target order[RESOLVER_TARGETS_MAX];
    struct resolution *res = MEM_NEW(struct resolution);
    struct making m = {job, q, prefer_v4, rnd, res};

    atomic_init(&res->refs, 1);
    if (kind == RESOLVED) {
        add_targets(&m, order);
        kind = kind_of_addresses(res, job);
    }
    res->kind = kind;
    res->dnssec = dnssec_of(job, kind);
    res->text = resolution_text(job, order);
    return res;
}

struct resolution *resolution_ref(struct resolution *r)
{
    atomic_fetch_add_explicit(&r->refs, 1, memory_order_relaxed);
    return r;
}

void resolution_unref(struct resolution *r)
{
    unsigned before = atomic_fetch_sub_explicit(&r->refs, 1, memory_order_acq_rel);

    assert(before > 0);
    if (before > 1)
        return;
    mem_free(r->endpoints);
    mem_free(r->text);
    mem_free(r);
}
