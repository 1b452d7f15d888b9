#include "link/s2s_in_private.h"

#include "wire/ns.h"
#include "wire/sasl.h"
#include "wire/xmlw.h"

#include <stdio.h>

static const struct {
    const char *word;
    const char *text;
} states[] = {
    [S2S_IN_HEADER] = {"header", "waiting for a stream header"},
    [S2S_IN_JUDGE] = {"judge", "weighing the peer's certificate"},
    [S2S_IN_NEGOTIATE] = {"negotiate", "waiting for TLS, SASL or dialback"},
    [S2S_IN_OPEN] = {"open", "open"},
    [S2S_IN_ENDING] = {"ending", "closing"},
};

static void enter(struct s2s_in *in, enum s2s_in_state state)
{
    LOG(site_log(in->site), LOG_DEBUG, "s2s_in.state", LOG_INT("link", in->link.id),
        LOG_TEXT("from", states[in->state].word), LOG_TEXT("to", states[state].word));
    in->state = state;
}

static struct slice text_of(const char *s)
{
    return s ? slice_from(s) : slice_none();
}

void s2s_in_fail(struct s2s_in *in, enum fault f)
{
    stream_fail(in->stream, f);
}

/* A rule for pairs not known yet: as if the peer were nobody in particular. */
const struct policy_rule *s2s_in_rule(const struct s2s_in *in, struct slice to, struct slice from)
{
    return policy_find(in->site->settings->policy, to, from);
}

static const struct policy_rule *header_rule(const struct s2s_in *in)
{
    return s2s_in_rule(in, in->to ? slice_from(in->to) : SLICE("unknown.invalid"),
                       in->from ? slice_from(in->from) : SLICE("unknown.invalid"));
}

/* --- pairs --- */

struct in_pair *s2s_in_pair(struct s2s_in *in, struct slice from, struct slice to)
{
    char key[PORT_KEY_BYTES_MAX];
    struct in_pair *p = in->last;

    if (p && slice_eq(p->from, from) && slice_eq(p->to, to))
        return p;
    p = map_find(&in->pairs, slice_make(key, router_pair_key(to, from, key)));
    if (p)
        in->last = p;
    return p;
}

struct in_pair *s2s_in_pair_new(struct s2s_in *in, struct slice from, struct slice to)
{
    struct in_pair *p = MEM_NEW(struct in_pair);

    p->in = in;
    p->key = mem_alloc(to.len + from.len + 2);
    p->key[router_pair_key(to, from, p->key)] = '\0';
    p->to = slice_make(p->key, to.len);
    p->from = slice_make(p->key + to.len + 1, from.len);
    map_add(&in->pairs, slice_from(p->key), p);
    return p;
}

void s2s_in_pair_free(struct in_pair *p)
{
    if (p->in) {
        map_remove(&p->in->pairs, slice_from(p->key));
        p->in->valid_count -= p->valid;
        if (p->in->last == p)
            p->in->last = NULL;
    }
    mem_free(p->key);
    mem_free(p);
}

static void settle_address(struct s2s_in *in)
{
    if (in->settled_address)
        return;
    in->settled_address = true;
    seat_settle_address(in->site->seat, conn_peer(stream_conn(in->stream)));
}

void s2s_in_pair_valid(struct in_pair *p, enum method method)
{
    struct s2s_in *in = p->in;
    char addr[ADDR_TEXT_MAX];

    p->valid = true;
    p->method = method;
    in->valid_count++;
    stream_authenticated(in->stream);
    in->link.open = true;
    enter(in, S2S_IN_OPEN);
    settle_address(in);
    if (method == METHOD_PKIX)
        in->link.expires_s = in->verdict.cert_not_after;
    if (in->verdict.method == METHOD_NONE)
        in->verdict.method = method;
    counter_add_to(loop_counters(in->site->loop), OPENED_S2S_IN, method, 1);
    seat_peer_alive(in->site->seat, p->from);
    LOG(site_log(in->site), LOG_INFO, "s2s_in.open", LOG_INT("link", in->link.id),
        LOG_SLICE("local", p->to), LOG_SLICE("remote", p->from),
        LOG_TEXT("peer", addr_format(conn_peer(stream_conn(in->stream)), addr)),
        LOG_TEXT("method", method_word(method)),
        LOG_TEXT("tls", in->secured ? in->verdict.tls_version : "none"));
}

/* --- header and features --- */

static void send_features(struct s2s_in *in)
{
    const struct settings *set = in->site->settings;
    bool required = header_rule(in)->tls_required;
    struct features f = {
        .starttls = !in->secured && set->tls_server,
        .starttls_required = !in->secured && required,
        .external = in->offered_external && !in->authenticated,
    };

    if (in->secured || !required) { /* TLS-02: with mandatory TLS nothing else is offered */
        f.dialback = f.dialback_errors = true;
        f.max_bytes = set->stanza_bytes;
        f.idle_seconds = set->idle_ms / 1000;
    }
    features_format(&f, stream_out(in->stream));
    stream_touch(in->stream);
}

static void on_judged(void *arg, const struct verdict *verdict, const char *why_not)
{
    struct s2s_in *in = arg;

    in->judgement = NULL;
    in->verdict = *verdict;
    in->verdict.method = METHOD_NONE; /* until a pair is valid */
    in->offered_external = verdict->method == METHOD_PKIX;
    mem_free(in->why_not);
    in->why_not = why_not ? mem_strdup(why_not) : NULL;
    enter(in, S2S_IN_NEGOTIATE);
    if (!stream_ending(in->stream))
        send_features(in);
}

/* QUIRK-01: without a `from` EXTERNAL can still name the peer by its authzid; the certificate is
 * judged when it comes. */
static bool offer_without_from(const struct s2s_in *in)
{
    struct tls *t = stream_tls(in->stream);
    struct cert *cert = t ? tls_peer_cert(t) : NULL;
    bool good = cert && cert_chain(cert) == OK;

    cert_unref(cert);
    return good;
}

static void after_header(struct s2s_in *in)
{
    if (!in->version_1) {
        enter(in, in->valid_count ? S2S_IN_OPEN : S2S_IN_NEGOTIATE);
        return;
    }
    if (in->secured && !in->authenticated && in->from) {
        struct judge_case c = {in->stream, slice_from(in->from), header_rule(in), NULL};

        enter(in, S2S_IN_JUDGE);
        in->judgement = judge(in->site, &c, on_judged, in);
        return;
    }
    if (in->secured && !in->authenticated) {
        in->offered_external = offer_without_from(in);
        judge_describe(in->stream, &in->verdict);
    }
    enter(in, in->valid_count ? S2S_IN_OPEN : S2S_IN_NEGOTIATE);
    send_features(in);
}

/* Numerically lower of theirs and 1.0 (STREAM-08); NULL: no version or below 1.0's framework. */
static bool parse_version(struct slice text, bool *ret_version_1)
{
    size_t dot = slice_find(text, '.');
    uint64_t major;
    uint64_t minor;

    *ret_version_1 = false;
    if (!text.ptr)
        return true;
    if (!slice_to_u64(slice_sub(text, 0, dot), UINT32_MAX, &major) ||
        !slice_to_u64(slice_from_offset(text, dot + 1), UINT32_MAX, &minor))
        return false;
    *ret_version_1 = major >= 1;
    return true;
}

/* STREAM-04: a name of ours for headers that address nobody we know. */
static struct slice own_name(const struct s2s_in *in)
{
    const struct settings *set = in->site->settings;

    for (size_t i = 0; i < set->component_count; i++)
        if (!slice_starts(set->rules[i].pattern, SLICE("*.")))
            return set->rules[i].pattern;
    return slice_make("", 0);
}

static void prepare_header(struct s2s_in *in, const struct xml_header *h, bool version,
                           struct stream_header *ret_header)
{
    site_stream_id(in->site, in->stream_id);
    ret_header->from = in->to ? slice_from(in->to) : own_name(in);
    ret_header->to = h->from;
    ret_header->id = slice_from(in->stream_id);
    ret_header->lang = slice_none();
    ret_header->version = version ? "1.0" : NULL;
}

static enum fault check_names(struct s2s_in *in, const struct xml_header *h, struct domain *from,
                              struct domain *to)
{
    if (h->to.ptr && domain_parse(h->to, to))
        return FAULT_HEADER_ADDRESS;
    if (h->from.ptr && domain_parse(h->from, from))
        return FAULT_HEADER_ADDRESS;
    if (h->to.ptr && !site_local(in->site, domain_slice(to)))
        return FAULT_HOST_UNKNOWN;
    if (h->from.ptr && site_local(in->site, domain_slice(from)))
        return FAULT_OUR_OWN_DOMAIN;
    if (!in->authenticated)
        return FAULT_NONE;
    /* What SASL proved was said of these names (QUIRK-03). */
    if ((h->from.ptr && in->from && !slice_is(domain_slice(from), in->from)) ||
        (h->to.ptr && in->to && !slice_is(domain_slice(to), in->to)))
        return FAULT_FROM_CHANGED;
    return FAULT_NONE;
}

static enum fault check_form(const struct xml_header *h)
{
    if (!slice_is(h->ns, NS_STREAM))
        return FAULT_BAD_STREAM_NS;
    if (!slice_is(h->name, "stream"))
        return FAULT_BAD_STREAM_NAME;
    if (!h->stream_is_default && !slice_is(h->content_ns, NS_SERVER))
        return FAULT_BAD_CONTENT_NS;
    return FAULT_NONE;
}

/* RFC 6120 5.4.3.3: after TLS only the encrypted header counts. */
static void keep_names(struct s2s_in *in, const struct xml_header *h, const struct domain *from,
                       const struct domain *to)
{
    if (in->authenticated)
        return;
    mem_free(in->from);
    mem_free(in->to);
    in->from = h->from.ptr ? mem_strndup(domain_slice(from)) : NULL;
    in->to = h->to.ptr ? mem_strndup(domain_slice(to)) : NULL;
}

static void on_header(void *arg, const struct xml_header *h)
{
    struct s2s_in *in = arg;
    struct stream_header reply;
    struct domain from;
    struct domain to;
    enum fault f = check_form(h);

    if (f == FAULT_NONE && !parse_version(h->version, &in->version_1))
        f = FAULT_NO_VERSION;
    if (f == FAULT_NONE)
        f = check_names(in, h, &from, &to);
    if (f == FAULT_NONE || f == FAULT_OUR_OWN_DOMAIN)
        keep_names(in, h, &from, &to);
    prepare_header(in, h, in->version_1 || f, &reply);
    stream_send_header(in->stream, &reply);
    if (f == FAULT_NONE && in->from && in->to && !(header_rule(in)->allow & ALLOW_IN))
        f = FAULT_POLICY;
    if (f)
        s2s_in_fail(in, f);
    else
        after_header(in);
}

static void on_secured(void *arg)
{
    struct s2s_in *in = arg;

    in->secured = true;
    enter(in, S2S_IN_HEADER);
}

/* --- STARTTLS --- */

static void take_starttls(struct s2s_in *in, const struct element *e)
{
    char name[256];
    struct slice domain = slice_none();

    if (!slice_is(e->name, "starttls") || in->secured || in->valid_count ||
        !in->site->settings->tls_server) {
        xmlw_raw(stream_out(in->stream), "<failure xmlns='" NS_TLS "'/>");
        stream_hang_up(in->stream, true); /* 5.4.2.2 */
        return;
    }
    if (in->to && domain_to_ascii(slice_from(in->to), name, sizeof(name)) == OK)
        domain = slice_from(name);
    xmlw_raw(stream_out(in->stream), "<proceed xmlns='" NS_TLS "'/>");
    stream_touch(in->stream);
    stream_start_tls(in->stream, tls_server(in->site->settings->tls_server, domain, false));
}

/* --- SASL EXTERNAL --- */

static void sasl_fail(struct s2s_in *in, enum sasl_failure f)
{
    in->awaits_response = false;
    sasl_format_failure(f, stream_out(in->stream));
    stream_touch(in->stream);
    LOG(site_log(in->site), LOG_INFO, "s2s_in.external_refused", LOG_INT("link", in->link.id),
        LOG_SLICE("local", text_of(in->to)), LOG_SLICE("remote", text_of(in->from)),
        LOG_TEXT("condition", sasl_failure_name(f)), LOG_TEXT("certificate", in->why_not));
    if (++in->sasl_failures >= S2S_IN_SASL_MAX)
        s2s_in_fail(in, FAULT_SASL_ATTEMPTS);
    else if ((f == SASL_NOT_AUTHORIZED || f == SASL_INVALID_AUTHZID) &&
             !policy_has_method(header_rule(in), METHOD_DIALBACK))
        s2s_in_fail(in, FAULT_WEAK_PROOF);
}

static void sasl_success(struct s2s_in *in, struct slice authzid)
{
    struct in_pair *p;

    if (!in->from)
        in->from = mem_strndup(authzid);
    in->authenticated = true;
    sasl_format_success(stream_out(in->stream));
    stream_touch(in->stream);
    stream_restart(in->stream);
    p = s2s_in_pair(in, slice_from(in->from), slice_from(in->to));
    if (!p)
        p = s2s_in_pair_new(in, slice_from(in->from), slice_from(in->to));
    if (!p->valid)
        s2s_in_pair_valid(p, METHOD_PKIX);
    enter(in, S2S_IN_HEADER);
}

static void take_authzid(struct s2s_in *in, const struct element *e)
{
    struct domain authzid;
    enum sasl_failure failure;
    const char *why_not;

    switch (sasl_external_take(e, text_of(in->from), &authzid, &failure)) {
    case SASL_NEEDS_RESPONSE:
        in->awaits_response = true;
        sasl_format_challenge(stream_out(in->stream));
        stream_touch(in->stream);
        return;
    case SASL_REJECT:
        sasl_fail(in, failure);
        return;
    case SASL_ACCEPT:
        break;
    }
    in->awaits_response = false;
    if (!in->to)
        sasl_fail(in, SASL_NOT_AUTHORIZED);
    else if (in->from && !slice_is(domain_slice(&authzid), in->from))
        sasl_fail(in, SASL_INVALID_AUTHZID);
    else if (!in->offered_external ||
             !judge_pkix(in->stream, domain_slice(&authzid), NULL, &why_not))
        sasl_fail(in, in->from ? SASL_NOT_AUTHORIZED : SASL_INVALID_AUTHZID);
    else if (!(s2s_in_rule(in, slice_from(in->to), domain_slice(&authzid))->allow & ALLOW_IN))
        s2s_in_fail(in, FAULT_POLICY);
    else
        sasl_success(in, domain_slice(&authzid));
}

static void take_sasl(struct s2s_in *in, enum sasl_kind kind, const struct element *e)
{
    if (!in->secured) {
        sasl_fail(in, SASL_ENCRYPTION_REQUIRED);
    } else if (in->authenticated) {
        s2s_in_fail(in, FAULT_UNKNOWN_ELEMENT);
    } else if (kind == SASL_AUTH) {
        take_authzid(in, e);
    } else if (kind == SASL_RESPONSE && in->awaits_response) {
        take_authzid(in, e);
    } else if (kind == SASL_ABORT) {
        sasl_fail(in, SASL_ABORTED);
    } else {
        sasl_fail(in, SASL_MALFORMED_REQUEST);
    }
}

/* Asked for by some in the namespace of the feature, which we do not offer (QUIRK-18). */
static bool is_bidi(const struct element *e)
{
    return element_is(e, "bidi", NS_BIDI) || element_is(e, "bidi", NS_BIDI_FEATURE);
}

static void on_element(void *arg, const struct element *e)
{
    struct s2s_in *in = arg;
    enum sasl_kind kind;
    struct dialback d;

    if (slice_is(e->ns, NS_TLS))
        take_starttls(in, e);
    else if (sasl_parse_kind(e, &kind))
        take_sasl(in, kind, e);
    else if (dialback_parse(e, &d))
        s2s_in_dialback(in, &d);
    else if (is_bidi(e))
        return; /* no answer is due: both directions stay on streams of their own */
    else if (in->valid_count)
        s2s_in_fail(in, FAULT_UNKNOWN_ELEMENT); /* NS-09: never routed */
    else
        s2s_in_fail(in, slice_is(e->ns, NS_SERVER) ? FAULT_NOT_AUTHORIZED : FAULT_UNKNOWN_ELEMENT);
}

/* --- stanzas --- */

/* The stream is about to be closed for it: a walk is no matter. */
static enum fault pair_fault(struct s2s_in *in, struct slice from)
{
    const struct in_pair *p;
    size_t pos = 0;

    if (!in->valid_count)
        return FAULT_NOT_AUTHORIZED;
    while ((p = map_next(&in->pairs, &pos)))
        if (p->valid && slice_eq(from, p->from))
            return FAULT_PAIR_UNKNOWN;
    return FAULT_INVALID_FROM;
}

/* Sets the stanza's domains if this stream may bring it; else the fault. */
static enum fault admit(struct s2s_in *in, struct stanza *s)
{
    struct domain from_buf;
    struct domain to_buf;
    struct slice from_domain;
    struct slice to_domain;
    struct in_pair *p;

    if (!in->valid_count)
        return FAULT_NOT_AUTHORIZED; /* STREAM-14 */
    if (!s->from.len || !s->to.len || entrance_domain(s->from, false, &from_buf, &from_domain) ||
        entrance_domain(s->to, false, &to_buf, &to_domain))
        return FAULT_NO_ADDRESS; /* ROUTE-01 */
    p = s2s_in_pair(in, from_domain, to_domain);
    if (!p || !p->valid)
        return pair_fault(in, from_domain);
    p->stanzas_count++;
    in->stanzas_in++;
    stanza_set_domains(s, from_domain, to_domain);
    return FAULT_NONE;
}

static void take_stanza(struct s2s_in *in, struct stanza *s, bool too_big)
{
    enum fault f = admit(in, s);

    if (f) {
        stanza_unref(s);
        s2s_in_fail(in, f);
        return;
    }
    site_wake(in->site);
    if (too_big)
        router_refuse(&in->site->router, s, ROUTER_S2S, BOUNCE_TOO_BIG, slice_none());
    else if (entrance_bad_request(s))
        router_refuse(&in->site->router, s, ROUTER_S2S, BOUNCE_BAD_REQUEST, slice_none());
    else
        router_accept(&in->site->router, s, ROUTER_S2S, &in->entrance.source);
    entrance_check_memory(&in->entrance);
}

static void on_stanza(void *arg, struct stanza *s)
{
    take_stanza(arg, s, false);
}

static void on_too_big(void *arg, struct stanza *s)
{
    take_stanza(arg, s, true);
}

/* --- the end --- */

static void on_ending(void *arg)
{
    struct s2s_in *in = arg;

    in->link.open = false;
    enter(in, S2S_IN_ENDING);
}

static void let_go_pairs(struct s2s_in *in)
{
    struct in_pair *p;
    size_t pos = 0;

    while ((p = map_next(&in->pairs, &pos))) {
        if (!p->verify) {
            s2s_in_pair_free(p);
            continue;
        }
        map_remove(&in->pairs, slice_from(p->key)); /* its question ends by itself and frees it */
        in->site->verify_count--;
        p->in = NULL;
        s2s_out_close(p->verify, FAULT_NONE);
    }
    map_fini(&in->pairs);
}

static void log_end(struct s2s_in *in, const struct stream_end *end)
{
    char addr[ADDR_TEXT_MAX];
    uint64_t swallowed = 0;

    /* Whoever never authenticated is a stranger: summed up when there are many (QUIRK-24). */
    if (!in->verdict.method &&
        !log_limit_pass(&in->site->stranger_log, loop_now_ms(in->site->loop), &swallowed)) {
        counter_add(loop_counters(in->site->loop), COUNTER_LOG_SUPPRESSED, 1);
        return;
    }
    LOG(site_log(in->site), end->fault && in->verdict.method ? LOG_WARN : LOG_INFO, "s2s_in.closed",
        LOG_INT("link", in->link.id), LOG_SLICE("local", text_of(in->to)),
        LOG_SLICE("remote", text_of(in->from)),
        LOG_TEXT("peer", addr_format(conn_peer(stream_conn(in->stream)), addr)),
        LOG_TEXT("reason", stream_end_word(end)),
        LOG_TEXT("detail", end->tls_error[0] ? end->tls_error : end->peer_text),
        LOG_TEXT("certificate", in->why_not), LOG_INT("stanzas", in->stanzas_in),
        LOG_INT("ms", loop_now_ms(in->site->loop) - in->since_ms),
        LOG_INT("suppressed", swallowed));
}

static void on_closed(void *arg, const struct stream_end *end)
{
    struct s2s_in *in = arg;

    counter_add_to(loop_counters(in->site->loop), CLOSED_S2S_IN, stream_end_class(end), 1);
    log_end(in, end);
    settle_address(in);
    in->stream = NULL;
    judgement_cancel(in->judgement);
    let_go_pairs(in);
    entrance_fini(&in->entrance);
    site_remove(in->site, &in->link);
    mem_free(in->from);
    mem_free(in->to);
    mem_free(in->why_not);
    mem_free(in);
}

static const struct stream_handler stream_handler = {
    .secured = on_secured,
    .header = on_header,
    .element = on_element,
    .stanza = on_stanza,
    .too_big = on_too_big,
    .ending = on_ending,
    .closed = on_closed,
};

/* --- life --- */

static void describe(const struct link *l, struct link_row *row)
{
    const struct s2s_in *in = LIST_ENTRY(l, struct s2s_in, link);

    row->state = states[in->state].word;
    row->state_text = states[in->state].text;
    row->local = text_of(in->to);
    row->remote = text_of(in->from);
    row->peer = *conn_peer(stream_conn(in->stream));
    row->tls = in->secured;
    row->tls_bytes = stream_tls(in->stream) ? tls_memory(stream_tls(in->stream)) : 0;
    row->direct_tls = in->direct;
    row->verdict = &in->verdict;
    row->since_ms = loop_now_ms(in->site->loop) - in->since_ms;
    row->idle_ms = loop_now_ms(in->site->loop) - stream_last_stanza_ms(in->stream);
    row->pairs_count = in->valid_count;
    row->stanzas_in = in->stanzas_in;
    row->paused = source_paused(&in->entrance.source);
}

static void link_close(struct link *l, enum fault why)
{
    struct s2s_in *in = LIST_ENTRY(l, struct s2s_in, link);

    if (why == FAULT_NONE)
        stream_close(in->stream);
    else
        stream_fail(in->stream, why);
}

static void link_stop_reading(struct link *l)
{
    stream_pause(LIST_ENTRY(l, struct s2s_in, link)->stream);
}

static void walk_pairs(const struct link *l, link_pair_fn *fn, void *arg)
{
    const struct s2s_in *in = LIST_ENTRY(l, struct s2s_in, link);
    const struct in_pair *p;
    size_t pos = 0;

    while ((p = map_next(&in->pairs, &pos))) {
        struct link_pair_row row = {p->to, p->from, p->valid, p->method, p->stanzas_count};

        fn(arg, &row);
    }
}

static void link_abort(struct link *l)
{
    stream_abort(LIST_ENTRY(l, struct s2s_in, link)->stream, ERR_CANCELLED);
}

static const struct link_ops link_ops = {describe, link_close, link_stop_reading, link_abort,
                                         walk_pairs};

void s2s_in_accept(struct site *site, int fd, const struct addr *peer, bool direct)
{
    struct s2s_in *in = MEM_NEW(struct s2s_in);
    struct stream_options o = site_stream_options(site, SCOPE_SERVER);
    struct tls *tls = direct ? tls_server(site->settings->tls_direct, slice_none(), true) : NULL;

    in->site = site;
    in->direct = direct;
    in->since_ms = loop_now_ms(site->loop);
    map_init(&in->pairs, site->router.seed);
    entrance_init(&in->entrance, site);
    if (stream_adopt(site->loop, fd, peer, tls, &o, &stream_handler, in, &in->stream)) {
        seat_settle_address(site->seat, peer);
        mem_free(in);
        return;
    }
    in->entrance.stream = in->stream;
    site_add(site, &in->link, LINK_S2S_IN, &link_ops);
}
