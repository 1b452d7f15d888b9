/* router/link/s2s_out_negotiate.c - an outgoing stream between its first header and its proof:
 * features, STARTTLS, the peer's certificate, SASL EXTERNAL, dialback.
 */
#include "link/s2s_out_private.h"

#include "link/scribe.h"
#include "wire/ns.h"
#include "wire/sasl.h"
#include "wire/xmlw.h"

#include <stdio.h>

/* --- steps --- */

void s2s_out_send_header(struct s2s_out *o)
{
    struct stream_header h = {.to = s2s_out_remote(o), .from = s2s_out_local(o), .version = "1.0"};

    stream_send_header(o->stream, &h);
    s2s_out_enter(o, S2S_OUT_GREET);
}

void s2s_out_start_tls(struct s2s_out *o, bool direct)
{
    char sni[256];
    char own[256];
    bool named = domain_to_ascii(s2s_out_remote(o), sni, sizeof(sni)) == OK;
    bool ours = domain_to_ascii(s2s_out_local(o), own, sizeof(own)) == OK;

    s2s_out_enter(o, S2S_OUT_SECURE);
    stream_start_tls(o->stream, tls_client(o->site->settings->tls_client,
                                           named ? slice_from(sni) : slice_none(),
                                           ours ? slice_from(own) : slice_none(), direct));
}

static void put(struct s2s_out *o, const char *raw)
{
    xmlw_raw(stream_out(o->stream), raw);
    stream_touch(o->stream);
}

static void ask_starttls(struct s2s_out *o)
{
    put(o, "<starttls xmlns='" NS_TLS "'/>");
    s2s_out_enter(o, S2S_OUT_PROCEED);
}

static void send_auth(struct s2s_out *o)
{
    sasl_format_auth(s2s_out_local(o), stream_out(o->stream));
    stream_touch(o->stream);
    s2s_out_enter(o, S2S_OUT_AUTH);
}

static void send_key(struct s2s_out *o)
{
    char key[DIALBACK_KEY_LEN + 1];
    struct dialback d = {
        .name = DIALBACK_RESULT, .from = s2s_out_local(o), .to = s2s_out_remote(o)};

    if (!o->stream_id) {
        s2s_out_fail(o, BOUNCE_NEGOTIATION, "the peer's stream header has no id");
        return;
    }
    dialback_key(&o->site->settings->dialback, s2s_out_remote(o), s2s_out_local(o),
                 slice_from(o->stream_id), key);
    d.key = slice_from(key);
    dialback_format(&d, stream_out(o->stream));
    stream_touch(o->stream);
    s2s_out_enter(o, S2S_OUT_DIALBACK);
}

static void send_verify(struct s2s_out *o)
{
    struct dialback d = {
        .name = DIALBACK_VERIFY,
        .from = s2s_out_local(o),
        .to = s2s_out_remote(o),
        .id = slice_from(o->verify_id),
        .key = slice_from(o->verify_key),
    };

    dialback_format(&d, stream_out(o->stream));
    stream_touch(o->stream);
    counter_add(loop_counters(o->site->loop), COUNTER_DIALBACK_ASKED, 1);
    s2s_out_enter(o, S2S_OUT_VERIFY);
}

static void open_pair(struct s2s_out *o)
{
    char addr[ADDR_TEXT_MAX];

    if (o->verdict.method == METHOD_NONE)
        o->verdict.method = METHOD_DIALBACK;
    stream_authenticated(o->stream);
    s2s_out_enter(o, S2S_OUT_OPEN);
    o->endpoint = NULL;
    dialer_free(o->dialer); /* nothing is left to try */
    o->dialer = NULL;
    o->link.open = true;
    scribe_note(o->site->scribe, &o->link);
    o->link.expires_s = o->verdict.method == METHOD_PKIX ? o->verdict.cert_not_after : 0;
    counter_add_to(loop_counters(o->site->loop), OPENED_S2S_OUT, o->verdict.method, 1);
    LOG(site_log(o->site), LOG_INFO, "s2s_out.open", LOG_INT("link", o->link.id),
        LOG_SLICE("local", s2s_out_local(o)), LOG_SLICE("remote", s2s_out_remote(o)),
        LOG_TEXT("peer", addr_format(conn_peer(stream_conn(o->stream)), addr)),
        LOG_TEXT("method", method_word(o->verdict.method)),
        LOG_TEXT("tls", o->verdict.tls ? o->verdict.tls_version : "none"),
        LOG_TEXT("proof", o->authenticated ? "external" : "dialback"),
        LOG_INT("ms", loop_now_ms(o->site->loop) - o->since_ms));
    o->h->opened(o->arg, &o->verdict);
}

bool s2s_out_dialback_allowed(const struct s2s_out *o)
{
    return policy_has_method(o->rule, METHOD_DIALBACK);
}

/* The peer is who it should be, or as sure as policy asks: prove ourselves. */
static void prove(struct s2s_out *o, const struct features *f)
{
    if (o->verify_key)
        send_verify(o);
    else if (o->authenticated)
        open_pair(o);
    else if (o->secured && f && f->external && !o->external_failed && !o->skip_external)
        send_auth(o);
    else if (s2s_out_dialback_allowed(o))
        send_key(o);
    else
        s2s_out_fail(
            o, BOUNCE_AUTH_REFUSED,
            "the peer offers no SASL EXTERNAL to our certificate and policy forbids dialback");
}

static void on_judged(void *arg, const struct verdict *verdict, const char *why_not);

static void weigh(struct s2s_out *o)
{
    struct judge_case c = {o->stream, s2s_out_remote(o), o->rule, o->endpoint};

    s2s_out_enter(o, S2S_OUT_JUDGE);
    o->judgement = judge(o->site, &c, on_judged, o);
}

/* --- the peer's word --- */

/* FAULT_NONE: a stream of XMPP between servers. */
static enum fault check_form(const struct xml_header *h, bool *ret_version_1)
{
    unsigned major = 0;
    unsigned minor;

    if (!slice_is(h->ns, NS_STREAM) || !slice_is(h->name, "stream"))
        return FAULT_BAD_STREAM_NS;
    if (h->content_ns.len && !h->stream_is_default && !slice_is(h->content_ns, NS_SERVER))
        return FAULT_BAD_CONTENT_NS;
    if (h->version.ptr && !stream_version(h->version, &major, &minor))
        return FAULT_NO_VERSION;
    *ret_version_1 = major >= 1;
    return FAULT_NONE;
}

/* DB-29: a peer without version sends no features. */
static void go_on_without_features(struct s2s_out *o)
{
    if (o->rule->tls_required && !o->secured)
        s2s_out_fail(o, BOUNCE_NO_TLS, "the peer speaks a version without STARTTLS");
    else if (!o->judged && o->secured)
        weigh(o);
    else
        prove(o, NULL);
}

void s2s_out_on_header(void *arg, const struct xml_header *h)
{
    struct s2s_out *o = arg;
    enum fault f = check_form(h, &o->version_1);

    if (o->state != S2S_OUT_GREET)
        f = FAULT_BAD_STREAM_NAME; /* a second one */
    if (f) {
        s2s_out_fail_with(o, BOUNCE_NEGOTIATION, fault_text(f), f);
        return;
    }
    if (h->id.ptr && site_stream_id_ours(o->site, h->id)) {
        s2s_out_fail(o, BOUNCE_LOOP, "the connection leads back to this router");
        return;
    }
    mem_free(o->stream_id);
    o->stream_id = h->id.ptr && h->id.len ? mem_strndup(h->id) : NULL;
    s2s_out_enter(o, S2S_OUT_FEATURES);
    if (!o->version_1)
        go_on_without_features(o);
}

void s2s_out_on_features(void *arg, const struct features *f)
{
    struct s2s_out *o = arg;

    if (o->state != S2S_OUT_FEATURES)
        return; /* STREAM-13 is the peer's promise; a late list changes nothing */
    if (f->max_bytes)
        o->peer_max_bytes = f->max_bytes;
    if (!o->secured && (f->starttls || o->rule->tls_required)) {
        ask_starttls(o); /* TLS-16: also where the offer was stripped */
        return;
    }
    if (f->unknown_required && !f->starttls && !f->mechanisms && !f->dialback) {
        s2s_out_fail_with(o, BOUNCE_NEGOTIATION, "the peer demands a feature that is not known",
                          FAULT_UNSUPPORTED_FEATURE);
        return;
    }
    if (o->secured && !o->judged) {
        o->external_offered = f->external; /* remembered until judged */
        weigh(o);
        return;
    }
    prove(o, f);
}

static void on_judged(void *arg, const struct verdict *verdict, const char *why_not)
{
    struct s2s_out *o = arg;
    enum dnssec dnssec = o->verdict.dnssec;
    const struct features offered = {.external = o->external_offered};

    o->judgement = NULL;
    if (stream_ending(o->stream))
        return; /* the peer, or we, did not wait for it */
    o->judged = true;
    o->verdict = *verdict;
    o->verdict.dnssec = dnssec;
    if (verdict->method == METHOD_NONE && why_not) {
        mem_free(o->why_not);
        o->why_not = mem_strdup(why_not);
    }
    if (verdict->method == METHOD_NONE && !s2s_out_dialback_allowed(o)) {
        s2s_out_fail(o, BOUNCE_CERTIFICATE, why_not);
        return;
    }
    prove(o, &offered);
}

void s2s_out_on_secured(void *arg)
{
    struct s2s_out *o = arg;

    o->secured = true;
    o->peer_max_bytes = 0; /* TLS-06 */
    s2s_out_send_header(o);
}

static void take_tls(struct s2s_out *o, const struct element *e)
{
    if (o->state != S2S_OUT_PROCEED)
        return;
    if (slice_is(e->name, "proceed")) {
        s2s_out_start_tls(o, false);
        return;
    }
    if (o->rule->tls_required)
        s2s_out_fail(o, BOUNCE_NO_TLS, "the peer refused STARTTLS");
    else
        s2s_out_fail(o, BOUNCE_TLS_FAILED, "the peer offered STARTTLS and then refused it");
}

/* SASL-12: dialback may follow on the same stream. */
static void take_failure(struct s2s_out *o, const struct element *e)
{
    char text[160];
    struct slice condition = sasl_failure_condition(e);

    o->external_failed = true;
    snprintf(text, sizeof(text), "the peer refused SASL EXTERNAL: %.*s", SLICE_ARGS(condition));
    if (!s2s_out_dialback_allowed(o)) {
        s2s_out_fail(o, BOUNCE_AUTH_REFUSED, text);
        return;
    }
    LOG(site_log(o->site), LOG_INFO, "s2s_out.external_refused", LOG_INT("link", o->link.id),
        LOG_SLICE("remote", s2s_out_remote(o)), LOG_SLICE("condition", condition));
    send_key(o);
}

static void take_sasl(struct s2s_out *o, enum sasl_kind kind, const struct element *e)
{
    if (o->state != S2S_OUT_AUTH)
        return;
    switch (kind) {
    case SASL_SUCCESS:
        o->authenticated = true;
        stream_restart(o->stream);
        s2s_out_send_header(o);
        return;
    case SASL_CHALLENGE:
        sasl_format_response(s2s_out_local(o), stream_out(o->stream));
        stream_touch(o->stream);
        return;
    case SASL_FAILURE:
        take_failure(o, e);
        return;
    default:
        s2s_out_fail_with(o, BOUNCE_NEGOTIATION, "an unexpected SASL element",
                          FAULT_UNKNOWN_ELEMENT);
    }
}

static bool ours(const struct s2s_out *o, const struct dialback *d)
{
    struct domain from;
    struct domain to;

    return d->from.ptr && d->to.ptr && domain_parse(d->from, &from) == OK &&
           domain_parse(d->to, &to) == OK && slice_eq(domain_slice(&from), s2s_out_remote(o)) &&
           slice_eq(domain_slice(&to), s2s_out_local(o));
}

static void take_result(struct s2s_out *o, const struct dialback *d)
{
    char text[160];

    if (d->type == DIALBACK_VALID) {
        open_pair(o);
    } else if (d->type == DIALBACK_ERROR) {
        snprintf(text, sizeof(text), "the peer answered our dialback key with %.*s",
                 SLICE_ARGS(d->condition.len ? d->condition : SLICE("an error")));
        s2s_out_fail(o, BOUNCE_DIALBACK_ERROR, text);
    } else {
        s2s_out_fail(o, BOUNCE_DIALBACK_INVALID, "");
    }
}

/* DB-19, DB-20: what the authority's error means for whoever asked us. */
static void take_verified(struct s2s_out *o, const struct dialback *d)
{
    const char *condition = "";
    enum verify_outcome outcome = VERIFY_INVALID;

    if (d->type == DIALBACK_VALID)
        outcome = VERIFY_VALID;
    else if (d->type == DIALBACK_ERROR)
        outcome = VERIFY_ERROR, condition = "remote-server-not-found";
    s2s_out_report(o, outcome, condition);
    stream_close(o->stream);
    s2s_out_finish(o);
}

/* DB-09, DB-16: only the answer to our one question, on its stream, once. */
static void take_dialback(struct s2s_out *o, const struct dialback *d)
{
    if (d->name == DIALBACK_RESULT && d->type != DIALBACK_REQUEST && o->state == S2S_OUT_DIALBACK &&
        ours(o, d)) {
        take_result(o, d);
        return;
    }
    if (d->name == DIALBACK_VERIFY && d->type != DIALBACK_REQUEST && o->state == S2S_OUT_VERIFY &&
        ours(o, d) && d->id.ptr && slice_is(d->id, o->verify_id)) {
        take_verified(o, d);
        return;
    }
    counter_add(loop_counters(o->site->loop), COUNTER_DIALBACK_STRAY, 1);
}

void s2s_out_on_element(void *arg, const struct element *e)
{
    struct s2s_out *o = arg;
    enum sasl_kind kind;
    struct dialback d;

    if (slice_is(e->ns, NS_TLS))
        take_tls(o, e);
    else if (sasl_parse_kind(e, &kind))
        take_sasl(o, kind, e);
    else if (dialback_parse(e, &d))
        take_dialback(o, &d);
    /* anything else on the way back is ignored: no stanza may flow here (BIDI is not offered) */
}
