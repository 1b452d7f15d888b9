/* router/link/s2s_in_negotiate.c - an inbound stream between its first header and its proof:
 * header, features, STARTTLS, SASL EXTERNAL.
 */
#include "link/s2s_in_private.h"

#include "wire/ns.h"
#include "wire/sasl.h"
#include "wire/xmlw.h"

#include <stdio.h>

static const struct policy_rule *header_rule(const struct s2s_in *in)
{
    return s2s_in_rule(in, in->to ? slice_from(in->to) : SLICE("unknown.invalid"),
                       in->from ? slice_from(in->from) : SLICE("unknown.invalid"));
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
    /* A key may have been checked meanwhile (DB-30). */
    enum method method = in->valid_count ? in->verdict.method : METHOD_NONE;

    in->judgement = NULL;
    if (stream_ending(in->stream))
        return;
    in->verdict = *verdict;
    in->verdict.method = method; /* not before a pair is valid */
    in->offered_external = verdict->method == METHOD_PKIX;
    mem_free(in->why_not);
    in->why_not = why_not ? mem_strdup(why_not) : NULL;
    s2s_in_enter(in, in->valid_count ? S2S_IN_OPEN : S2S_IN_NEGOTIATE);
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
        s2s_in_enter(in, in->valid_count ? S2S_IN_OPEN : S2S_IN_NEGOTIATE);
        return;
    }
    if (in->secured && !in->authenticated && in->from) {
        struct judge_case c = {in->stream, slice_from(in->from), header_rule(in), NULL};

        s2s_in_enter(in, S2S_IN_JUDGE);
        in->judgement = judge(in->site, &c, on_judged, in);
        return;
    }
    if (in->secured && !in->authenticated)
        in->offered_external = offer_without_from(in);
    s2s_in_enter(in, in->valid_count ? S2S_IN_OPEN : S2S_IN_NEGOTIATE);
    send_features(in);
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

#define VERSION_TEXT_MAX 24

/* The numerically lower of theirs and 1.0 (STREAM-08); without one, none. */
static enum fault take_version(struct s2s_in *in, struct slice text, char answer[VERSION_TEXT_MAX])
{
    unsigned major = 0;
    unsigned minor = 0;

    snprintf(answer, VERSION_TEXT_MAX, "1.0");
    in->version_1 = false;
    if (text.ptr && !stream_version(text, &major, &minor))
        return FAULT_NO_VERSION;
    in->version_1 = major >= 1;
    if (!text.ptr)
        answer[0] = '\0';
    else if (!in->version_1)
        snprintf(answer, VERSION_TEXT_MAX, "0.%u", minor);
    return FAULT_NONE;
}

static void send_header(struct s2s_in *in, const struct xml_header *h, const char *version)
{
    struct stream_header reply = {
        .from = in->to ? slice_from(in->to) : own_name(in),
        .to = h->from,
        .version = version[0] ? version : NULL,
    };

    site_stream_id(in->site, in->stream_id);
    reply.id = slice_from(in->stream_id);
    stream_send_header(in->stream, &reply);
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

void s2s_in_on_header(void *arg, const struct xml_header *h)
{
    struct s2s_in *in = arg;
    char version[VERSION_TEXT_MAX];
    struct domain from;
    struct domain to;
    enum fault bad_version = take_version(in, h->version, version);
    enum fault f = check_form(h);

    if (f == FAULT_NONE)
        f = bad_version;
    if (f == FAULT_NONE)
        f = check_names(in, h, &from, &to);
    if (f == FAULT_NONE || f == FAULT_OUR_OWN_DOMAIN)
        keep_names(in, h, &from, &to);
    send_header(in, h, f ? "1.0" : version);
    if (f == FAULT_NONE && in->from && in->to && !(header_rule(in)->allow & ALLOW_IN))
        f = FAULT_POLICY;
    if (f)
        s2s_in_fail(in, f);
    else
        after_header(in);
}

void s2s_in_on_secured(void *arg)
{
    struct s2s_in *in = arg;

    in->secured = true;
    judge_describe(in->stream, &in->verdict); /* a key may come before it is judged, or without */
    s2s_in_enter(in, S2S_IN_HEADER);
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
    s2s_in_forget_pending(in); /* KEY-04 */
    xmlw_raw(stream_out(in->stream), "<proceed xmlns='" NS_TLS "'/>");
    stream_touch(in->stream);
    stream_start_tls(in->stream, tls_server(in->site->settings->tls_server, domain, false));
}

/* --- SASL EXTERNAL --- */

static void log_sasl(struct s2s_in *in, enum sasl_failure f)
{
    uint64_t swallowed = 0;

    if (!site_log_stranger(in->site, &swallowed))
        return;
    LOG(site_log(in->site), LOG_INFO, "s2s_in.external_refused", LOG_INT("link", in->link.id),
        LOG_SLICE("local", s2s_in_text(in->to)), LOG_SLICE("remote", s2s_in_text(in->from)),
        LOG_TEXT("condition", sasl_failure_name(f)), LOG_TEXT("certificate", in->why_not),
        LOG_INT("suppressed", swallowed));
}

static void sasl_fail(struct s2s_in *in, enum sasl_failure f)
{
    in->awaits_response = false;
    sasl_format_failure(f, stream_out(in->stream));
    stream_touch(in->stream);
    log_sasl(in, f);
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
    s2s_in_forget_pending(in); /* KEY-04 */
    sasl_format_success(stream_out(in->stream));
    stream_touch(in->stream);
    stream_restart(in->stream);
    p = s2s_in_pair(in, slice_from(in->from), slice_from(in->to));
    if (!p)
        p = s2s_in_pair_new(in, slice_from(in->from), slice_from(in->to));
    if (!p->valid)
        s2s_in_pair_valid(p, METHOD_PKIX);
    s2s_in_enter(in, S2S_IN_HEADER);
}

/* What the certificate proves, and policy takes for proof. */
static bool proves(const struct s2s_in *in, struct slice authzid)
{
    const struct judge_case c = {.stream = in->stream, .domain = authzid};
    const char *why_not;

    return in->offered_external && judge_pkix(in->site, &c, &why_not) &&
           policy_has_method(s2s_in_rule(in, slice_from(in->to), authzid), METHOD_PKIX);
}

/* Whom the header named; where it named nobody (QUIRK-01) anybody but ourselves (STREAM-17). */
static bool may_be(const struct s2s_in *in, struct slice authzid)
{
    return in->from ? slice_is(authzid, in->from) : !site_local(in->site, authzid);
}

static void take_authzid(struct s2s_in *in, const struct element *e)
{
    struct domain authzid;
    enum sasl_failure failure;

    switch (sasl_external_take(e, s2s_in_text(in->from), &authzid, &failure)) {
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
    else if (!may_be(in, domain_slice(&authzid)))
        sasl_fail(in, SASL_INVALID_AUTHZID);
    else if (!proves(in, domain_slice(&authzid)))
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

void s2s_in_on_element(void *arg, const struct element *e)
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
