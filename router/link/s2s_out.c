#include "link/s2s_out.h"

#include "link/dialer.h"
#include "link/judge.h"
#include "wire/ns.h"
#include "wire/sasl.h"
#include "wire/xmlw.h"

#include <stdio.h>

struct s2s_out {
    struct link link;
    struct site *site;
    char *local;
    char *remote;
    const struct s2s_out_handler *h;
    void *arg;
    enum s2s_out_state state;
    struct timer deadline;
    uint64_t since_ms;
    struct ask *ask;
    struct dialer *dialer;
    const struct endpoint *endpoint;
    struct stream *stream;
    struct judgement *judgement;
    struct policy *policy; /* keeps `rule` */
    const struct policy_rule *rule;
    struct verdict verdict;
    char *why_not;       /* what was wrong with the certificate */
    char *stream_id;     /* the peer's, of the latest header */
    bool secured;
    bool judged;
    bool authenticated;
    bool external_failed;
    bool external_offered;
    bool skip_external;  /* closed after EXTERNAL failed: once more, straight to dialback */
    bool last_failed_tls; /* the endpoint before this one was reached, but not secured */
    bool version_1;
    uint64_t peer_max_bytes;
    uint64_t stanzas_out;
    char *verify_id;     /* of a question; NULL: serves a pair */
    char *verify_key;
    enum bounce why;     /* of the end */
    char detail[256];
    bool reported;       /* the question is answered */
    bool ending_told;
    struct task done;
};

static const struct {
    const char *word;
    const char *text;
} states[S2S_OUT_STATES] = {
#define STATE(id, word, deadline, text) [S2S_OUT_##id] = {word, text},
#include "link/s2s_out.def"
#undef STATE
};

static struct slice local(const struct s2s_out *o)
{
    return slice_from(o->local);
}

static struct slice remote(const struct s2s_out *o)
{
    return slice_from(o->remote);
}

static uint64_t state_ms(const struct s2s_out *o, enum s2s_out_state state)
{
    const struct settings *set = o->site->settings;
    const uint64_t none_ms = 0;
    /* All addresses together; the dialer bounds each by timeouts.connect. */
    const uint64_t dial_ms = set->negotiation_ms;
    const struct {
        uint64_t none_ms, dial_ms, dns_ms, tls_ms, negotiation_ms, dialback_ms;
    } t = {none_ms, dial_ms, set->dns_ms * 2, set->tls_ms, set->negotiation_ms, set->dialback_ms};

    switch (state) {
#define STATE(id, word, deadline, text)                                                            \
    case S2S_OUT_##id:                                                                             \
        return t.deadline;
#include "link/s2s_out.def"
#undef STATE
    case S2S_OUT_STATES:
        break;
    }
    return 0;
}

/* The only place that writes `state`. */
static void enter(struct s2s_out *o, enum s2s_out_state state)
{
    uint64_t ms = state_ms(o, state);

    LOG(site_log(o->site), LOG_DEBUG, "s2s_out.state", LOG_INT("link", o->link.id),
        LOG_SLICE("local", local(o)), LOG_SLICE("remote", remote(o)),
        LOG_TEXT("from", states[o->state].word), LOG_TEXT("to", states[state].word));
    o->state = state;
    if (ms)
        timer_start(&o->deadline, ms);
    else
        timer_stop(&o->deadline);
}

static void tell_ending(struct s2s_out *o)
{
    if (o->ending_told)
        return;
    o->ending_told = true;
    o->link.open = false;
    if (o->h->ending)
        o->h->ending(o->arg);
}

/* --- failing --- */

static void note(struct s2s_out *o, enum bounce why, const char *detail)
{
    if (o->why != BOUNCE_MAX)
        return; /* the first cause is the one to tell */
    o->why = why;
    snprintf(o->detail, sizeof(o->detail), "%s", detail ? detail : "");
}

/* DB-20: what a failure to ask the authority means for whoever gave us the key. */
static const char *verify_condition(const struct s2s_out *o)
{
    switch (o->why) {
    case BOUNCE_NO_TLS:
        return "policy-violation";
    case BOUNCE_CERTIFICATE:
        return "not-authorized";
    case BOUNCE_UNREACHABLE:
    case BOUNCE_TLS_FAILED:
        return "remote-connection-failed";
    case BOUNCE_NO_SUCH_DOMAIN:
    case BOUNCE_NO_SERVICE:
    case BOUNCE_BOGUS:
    case BOUNCE_LOOP:
        return "remote-server-not-found";
    case BOUNCE_STREAM_ERROR:
        return strstr(o->detail, "host-unknown") ? "remote-server-not-found"
                                                 : "remote-server-timeout";
    default:
        return "remote-server-timeout";
    }
}

static void report(struct s2s_out *o, enum verify_outcome outcome, const char *condition)
{
    if (!o->verify_key || o->reported)
        return;
    o->reported = true;
    o->h->verified(o->arg, outcome, condition);
}

/* No stream is there, or it is no use: the end comes posted. */
static void finish(struct s2s_out *o)
{
    enter(o, S2S_OUT_ENDING);
    report(o, VERIFY_ERROR, verify_condition(o));
    tell_ending(o);
    if (!o->stream)
        loop_post(o->site->loop, &o->done);
}

static void fail(struct s2s_out *o, enum bounce why, const char *detail)
{
    note(o, why, detail);
    if (o->stream && !stream_ending(o->stream))
        stream_close(o->stream);
    finish(o);
}

static void fail_with(struct s2s_out *o, enum bounce why, const char *detail, enum fault f)
{
    note(o, why, detail);
    stream_fail(o->stream, f);
    finish(o);
}

static void run_done(struct task *t)
{
    struct s2s_out *o = LIST_ENTRY(t, struct s2s_out, done);

    LOG(site_log(o->site), o->why == BOUNCE_MAX ? LOG_INFO : LOG_WARN, "s2s_out.closed",
        LOG_INT("link", o->link.id), LOG_SLICE("local", local(o)), LOG_SLICE("remote", remote(o)),
        LOG_TEXT("reason", o->why == BOUNCE_MAX ? "closed" : bounce_word(o->why)),
        LOG_TEXT("detail", o->detail), LOG_INT("stanzas", o->stanzas_out),
        LOG_INT("ms", loop_now_ms(o->site->loop) - o->since_ms));
    counter_add_to(loop_counters(o->site->loop), CLOSED_S2S_OUT, o->why, 1);
    timer_stop(&o->deadline);
    ask_cancel(o->ask);
    judgement_cancel(o->judgement);
    dialer_free(o->dialer);
    site_remove(o->site, &o->link);
    o->h->closed(o->arg, o->why, o->detail);
    policy_unref(o->policy);
    mem_free(o->local);
    mem_free(o->remote);
    mem_free(o->why_not);
    mem_free(o->stream_id);
    mem_free(o->verify_id);
    mem_free(o->verify_key);
    mem_free(o);
}

static const char *deadline_text(enum s2s_out_state state)
{
    return states[state].text;
}

static void on_deadline(struct timer *t)
{
    struct s2s_out *o = LIST_ENTRY(t, struct s2s_out, deadline);
    enum bounce why = BOUNCE_NEGOTIATION;
    char text[160];

    snprintf(text, sizeof(text), "timed out: %s", deadline_text(o->state));
    if (o->state == S2S_OUT_RESOLVE)
        why = BOUNCE_DNS_FAILED;
    else if (o->state == S2S_OUT_DIAL)
        why = BOUNCE_UNREACHABLE;
    else if (o->state == S2S_OUT_SECURE)
        why = BOUNCE_TLS_FAILED;
    else if (o->state == S2S_OUT_DIALBACK)
        why = BOUNCE_DIALBACK_ERROR;
    if (o->state == S2S_OUT_SECURE && o->stream)
        stream_abort(o->stream, ERR_TIMEOUT);
    fail(o, why, text);
}

/* --- steps --- */

static void send_header(struct s2s_out *o)
{
    struct stream_header h = {.to = remote(o), .from = local(o), .version = "1.0"};

    stream_send_header(o->stream, &h);
    enter(o, S2S_OUT_GREET);
}

static void start_tls(struct s2s_out *o, bool direct)
{
    char sni[256];
    char own[256];
    bool named = domain_to_ascii(remote(o), sni, sizeof(sni)) == OK;
    bool ours = domain_to_ascii(local(o), own, sizeof(own)) == OK;

    enter(o, S2S_OUT_SECURE);
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
    enter(o, S2S_OUT_PROCEED);
}

static void send_auth(struct s2s_out *o)
{
    sasl_format_auth(local(o), stream_out(o->stream));
    stream_touch(o->stream);
    enter(o, S2S_OUT_AUTH);
}

static void send_key(struct s2s_out *o)
{
    char key[DIALBACK_KEY_LEN + 1];
    struct dialback d = {.name = DIALBACK_RESULT, .from = local(o), .to = remote(o)};

    if (!o->stream_id) {
        fail(o, BOUNCE_NEGOTIATION, "the peer's stream header has no id");
        return;
    }
    dialback_key(&o->site->settings->dialback, remote(o), local(o), slice_from(o->stream_id), key);
    d.key = slice_from(key);
    dialback_format(&d, stream_out(o->stream));
    stream_touch(o->stream);
    enter(o, S2S_OUT_DIALBACK);
}

static void send_verify(struct s2s_out *o)
{
    struct dialback d = {
        .name = DIALBACK_VERIFY,
        .from = local(o),
        .to = remote(o),
        .id = slice_from(o->verify_id),
        .key = slice_from(o->verify_key),
    };

    dialback_format(&d, stream_out(o->stream));
    stream_touch(o->stream);
    counter_add(loop_counters(o->site->loop), COUNTER_DIALBACK_ASKED, 1);
    enter(o, S2S_OUT_VERIFY);
}

static void open_pair(struct s2s_out *o)
{
    char addr[ADDR_TEXT_MAX];

    if (o->verdict.method == METHOD_NONE)
        o->verdict.method = METHOD_DIALBACK;
    stream_authenticated(o->stream);
    enter(o, S2S_OUT_OPEN);
    o->link.open = true;
    o->link.expires_s = o->verdict.method == METHOD_PKIX ? o->verdict.cert_not_after : 0;
    counter_add_to(loop_counters(o->site->loop), OPENED_S2S_OUT, o->verdict.method, 1);
    LOG(site_log(o->site), LOG_INFO, "s2s_out.open", LOG_INT("link", o->link.id),
        LOG_SLICE("local", local(o)), LOG_SLICE("remote", remote(o)),
        LOG_TEXT("peer", addr_format(conn_peer(stream_conn(o->stream)), addr)),
        LOG_TEXT("method", method_word(o->verdict.method)),
        LOG_TEXT("tls", o->verdict.tls ? o->verdict.tls_version : "none"),
        LOG_TEXT("proof", o->authenticated ? "external" : "dialback"),
        LOG_INT("ms", loop_now_ms(o->site->loop) - o->since_ms));
    o->h->opened(o->arg, &o->verdict);
}

static bool dialback_allowed(const struct s2s_out *o)
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
    else if (dialback_allowed(o))
        send_key(o);
    else
        fail(o, BOUNCE_AUTH_REFUSED,
             "the peer offers no SASL EXTERNAL to our certificate and policy forbids dialback");
}

static void on_judged(void *arg, const struct verdict *verdict, const char *why_not);

static void weigh(struct s2s_out *o)
{
    struct judge_case c = {o->stream, remote(o), o->rule, o->endpoint};

    enter(o, S2S_OUT_JUDGE);
    o->judgement = judge(o->site, &c, on_judged, o);
}

/* --- the peer's word --- */

static void on_header(void *arg, const struct xml_header *h)
{
    struct s2s_out *o = arg;

    if (o->state != S2S_OUT_GREET) {
        fail_with(o, BOUNCE_NEGOTIATION, "a second stream header", FAULT_BAD_STREAM_NAME);
        return;
    }
    if (!slice_is(h->ns, NS_STREAM) || !slice_is(h->name, "stream")) {
        fail_with(o, BOUNCE_NEGOTIATION, "the peer does not speak XMPP streams",
                  FAULT_BAD_STREAM_NS);
        return;
    }
    if (h->id.ptr && site_stream_id_ours(o->site, h->id)) {
        fail(o, BOUNCE_LOOP, "the connection leads back to this router");
        return;
    }
    mem_free(o->stream_id);
    o->stream_id = h->id.ptr && h->id.len ? mem_strndup(h->id) : NULL;
    o->version_1 = h->version.ptr && h->version.len && h->version.ptr[0] != '0';
    enter(o, S2S_OUT_FEATURES);
    if (o->version_1)
        return;
    /* DB-29: a peer without version sends no features. */
    if (o->rule->tls_required && !o->secured)
        fail(o, BOUNCE_NO_TLS, "the peer speaks a version without STARTTLS");
    else if (!o->judged && o->secured)
        weigh(o);
    else
        prove(o, NULL);
}

static void on_features(void *arg, const struct features *f)
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
        fail_with(o, BOUNCE_NEGOTIATION, "the peer demands a feature that is not known",
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
    o->judged = true;
    o->verdict = *verdict;
    o->verdict.dnssec = dnssec;
    if (verdict->method == METHOD_NONE && why_not) {
        mem_free(o->why_not);
        o->why_not = mem_strdup(why_not);
    }
    if (verdict->method == METHOD_NONE && !dialback_allowed(o)) {
        fail(o, BOUNCE_CERTIFICATE, why_not);
        return;
    }
    prove(o, &offered);
}

static void on_secured(void *arg)
{
    struct s2s_out *o = arg;

    o->secured = true;
    send_header(o);
}

static void take_tls(struct s2s_out *o, const struct element *e)
{
    if (o->state != S2S_OUT_PROCEED)
        return;
    if (slice_is(e->name, "proceed")) {
        start_tls(o, false);
        return;
    }
    if (o->rule->tls_required)
        fail(o, BOUNCE_NO_TLS, "the peer refused STARTTLS");
    else
        fail(o, BOUNCE_TLS_FAILED, "the peer offered STARTTLS and then refused it");
}

/* SASL-12: dialback may follow on the same stream. */
static void take_failure(struct s2s_out *o, const struct element *e)
{
    char text[160];
    struct slice condition = sasl_failure_condition(e);

    o->external_failed = true;
    snprintf(text, sizeof(text), "the peer refused SASL EXTERNAL: %.*s", SLICE_ARGS(condition));
    if (!dialback_allowed(o)) {
        fail(o, BOUNCE_AUTH_REFUSED, text);
        return;
    }
    LOG(site_log(o->site), LOG_INFO, "s2s_out.external_refused", LOG_INT("link", o->link.id),
        LOG_SLICE("remote", remote(o)), LOG_SLICE("condition", condition));
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
        send_header(o);
        return;
    case SASL_CHALLENGE:
        sasl_format_response(local(o), stream_out(o->stream));
        stream_touch(o->stream);
        return;
    case SASL_FAILURE:
        take_failure(o, e);
        return;
    default:
        fail_with(o, BOUNCE_NEGOTIATION, "an unexpected SASL element", FAULT_UNKNOWN_ELEMENT);
    }
}

static bool ours(const struct s2s_out *o, const struct dialback *d)
{
    struct domain from;
    struct domain to;

    return d->from.ptr && d->to.ptr && domain_parse(d->from, &from) == OK &&
           domain_parse(d->to, &to) == OK && slice_eq(domain_slice(&from), remote(o)) &&
           slice_eq(domain_slice(&to), local(o));
}

static void take_result(struct s2s_out *o, const struct dialback *d)
{
    char text[160];

    if (d->type == DIALBACK_VALID) {
        open_pair(o);
    } else if (d->type == DIALBACK_ERROR) {
        snprintf(text, sizeof(text), "the peer answered our dialback key with %.*s",
                 SLICE_ARGS(d->condition.len ? d->condition : SLICE("an error")));
        fail(o, BOUNCE_DIALBACK_ERROR, text);
    } else {
        fail(o, BOUNCE_DIALBACK_INVALID, "");
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
    report(o, outcome, condition);
    stream_close(o->stream);
    finish(o);
}

/* DB-09, DB-16: only the answer to our one question, on its stream, once. */
static void take_dialback(struct s2s_out *o, const struct dialback *d)
{
    if (d->name == DIALBACK_RESULT && d->type != DIALBACK_REQUEST &&
        o->state == S2S_OUT_DIALBACK && ours(o, d)) {
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

static void on_element(void *arg, const struct element *e)
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

/* STREAM-20, QUIRK-16: nothing is accepted in this direction; ignored rather than closed. */
static void on_stanza(void *arg, struct stanza *s)
{
    (void)arg;
    stanza_unref(s);
}

static void on_ending(void *arg)
{
    struct s2s_out *o = arg;

    tell_ending(o);
}

static const char *end_text(const struct stream_end *end, char *buf, size_t size)
{
    if (end->tls_error[0])
        snprintf(buf, size, "TLS: %s", end->tls_error);
    else if (end->peer_error[0])
        snprintf(buf, size, "stream error from the peer: %s%s%s", end->peer_error,
                 end->peer_text[0] ? ": " : "", end->peer_text);
    else if (end->fault)
        snprintf(buf, size, "we closed it: %s", fault_text(end->fault));
    else
        snprintf(buf, size, "%s while %s", err_text(end->transport ? end->transport : ERR_CLOSED),
                 "negotiating");
    return buf;
}

/* Is another address worth trying? The peer said nothing of itself yet, or TLS failed. */
static bool next_is_worth(const struct s2s_out *o, const struct stream_end *end)
{
    if (o->why != BOUNCE_MAX || end->fault)
        return false;
    return o->state == S2S_OUT_SECURE || (o->state == S2S_OUT_GREET && !o->stream_id);
}

/* QUIRK-13: closed after a failed EXTERNAL; once more, straight to dialback. */
static bool again_without_external(struct s2s_out *o)
{
    if (o->state == S2S_OUT_ENDING || !o->external_failed || o->skip_external ||
        !dialback_allowed(o) || o->why != BOUNCE_MAX)
        return false;
    return o->state == S2S_OUT_DIALBACK || o->state == S2S_OUT_AUTH;
}

static void reset_attempt(struct s2s_out *o)
{
    o->secured = o->judged = o->authenticated = o->external_failed = false;
    mem_free(o->stream_id);
    o->stream_id = NULL;
    o->ending_told = false;
}

static void resolve(struct s2s_out *o);

static void on_closed(void *arg, const struct stream_end *end)
{
    struct s2s_out *o = arg;
    char text[240];
    bool was_open = o->state == S2S_OUT_OPEN || o->state == S2S_OUT_ENDING;

    judgement_cancel(o->judgement);
    o->judgement = NULL;
    o->stream = NULL;
    end_text(end, text, sizeof(text));
    if (o->state != S2S_OUT_ENDING && next_is_worth(o, end)) {
        snprintf(o->detail, sizeof(o->detail), "%s", text);
        o->last_failed_tls = end->tls_error[0] != '\0';
        reset_attempt(o);
        enter(o, S2S_OUT_DIAL);
        dialer_next(o->dialer);
        return;
    }
    if (again_without_external(o)) {
        reset_attempt(o);
        o->skip_external = true;
        dialer_free(o->dialer);
        o->dialer = NULL;
        resolve(o);
        return;
    }
    if (end->peer_error[0])
        note(o, BOUNCE_STREAM_ERROR, text);
    else if (end->tls_error[0] && !was_open)
        note(o, BOUNCE_TLS_FAILED, text);
    else if (o->state == S2S_OUT_DIALBACK)
        note(o, BOUNCE_DIALBACK_ERROR, text);
    else if (!was_open)
        note(o, BOUNCE_NEGOTIATION, text);
    else if (end->transport && o->state == S2S_OUT_OPEN)
        note(o, BOUNCE_LINK_LOST, text);
    finish(o);
}

static void on_drained(void *arg)
{
    struct s2s_out *o = arg;

    if (o->state == S2S_OUT_OPEN && o->h->drained)
        o->h->drained(o->arg);
}

static void on_flushed(void *arg, uint64_t mark)
{
    struct s2s_out *o = arg;

    if (o->h->flushed)
        o->h->flushed(o->arg, mark);
}

static void on_acked(void *arg, uint64_t mark)
{
    struct s2s_out *o = arg;

    if (o->h->acked)
        o->h->acked(o->arg, mark);
}

static const struct stream_handler stream_handler = {
    .secured = on_secured,
    .header = on_header,
    .features = on_features,
    .element = on_element,
    .stanza = on_stanza,
    .too_big = on_stanza,
    .flushed = on_flushed,
    .acked = on_acked,
    .drained = on_drained,
    .ending = on_ending,
    .closed = on_closed,
};

/* --- finding and connecting --- */

static void on_connected(void *arg, struct stream *s, const struct endpoint *e)
{
    struct s2s_out *o = arg;

    o->stream = s;
    o->endpoint = e;
    stream_set_handler(s, &stream_handler, o);
    conn_set_deadline(stream_conn(s), o->site->deadline_boot_ms);
    if (e->direct_tls)
        start_tls(o, true);
    else
        send_header(o);
}

static void on_exhausted(void *arg, const char *text)
{
    struct s2s_out *o = arg;
    char last[256];
    bool tls = o->last_failed_tls;

    snprintf(last, sizeof(last), "%s", o->detail);
    fail(o, tls ? BOUNCE_TLS_FAILED : BOUNCE_UNREACHABLE, tls ? last : text);
}

static const struct dialer_handler dialer_handler = {on_connected, on_exhausted};

static enum bounce bounce_of(enum resolution_kind kind)
{
    switch (kind) {
    case RESOLVED_NOTHING:
        return BOUNCE_NO_SUCH_DOMAIN;
    case RESOLVED_REFUSED:
        return BOUNCE_NO_SERVICE;
    case RESOLVED_BOGUS:
        return BOUNCE_BOGUS;
    default:
        return BOUNCE_DNS_FAILED;
    }
}

static void on_resolved(void *arg, struct resolution *res)
{
    struct s2s_out *o = arg;
    struct stream_options so = site_stream_options(o->site, SCOPE_SERVER);

    o->ask = NULL;
    if (o->state != S2S_OUT_RESOLVE)
        return;
    if (res->kind != RESOLVED) {
        fail(o, bounce_of(res->kind), res->text);
        return;
    }
    o->verdict.dnssec = res->dnssec;
    o->dialer = dialer_new(o->site, res, &so, &dialer_handler, o);
    enter(o, S2S_OUT_DIAL);
    dialer_next(o->dialer);
}

static void resolve(struct s2s_out *o)
{
    enter(o, S2S_OUT_RESOLVE);
    o->ask = seat_resolve(o->site->seat, remote(o), o->rule, on_resolved, o);
}

/* --- what the owner asks --- */

bool s2s_out_is_open(const struct s2s_out *o)
{
    return o->state == S2S_OUT_OPEN && !stream_ending(o->stream);
}

bool s2s_out_writable(const struct s2s_out *o)
{
    return s2s_out_is_open(o) && stream_writable(o->stream);
}

enum err s2s_out_write(struct s2s_out *o, const struct stanza *s, uint64_t *ret_mark)
{
    struct bytes *owned;
    struct slice wire = stanza_wire_for(s, SCOPE_SERVER, &owned);
    bool too_big = o->peer_max_bytes && wire.len > o->peer_max_bytes;

    if (!too_big) {
        byteq_append(stream_out(o->stream), wire);
        stream_touch(o->stream);
        stream_note_stanza(o->stream);
        o->stanzas_out++;
        *ret_mark = stream_mark(o->stream);
    }
    bytes_unref(owned);
    return too_big ? ERR_LIMIT : OK;
}

void s2s_out_close(struct s2s_out *o, enum fault why)
{
    if (o->state == S2S_OUT_ENDING)
        return;
    o->ending_told = o->reported = true; /* whoever asks knows */
    o->link.open = false;
    if (why != FAULT_NONE)
        note(o, BOUNCE_CLOSED, fault_text(why));
    if (o->stream && why == FAULT_NONE)
        stream_close(o->stream);
    else if (o->stream)
        stream_fail(o->stream, why);
    finish(o);
}

uint64_t s2s_out_idle_ms(const struct s2s_out *o)
{
    return loop_now_ms(o->site->loop) -
           (o->stream ? stream_last_stanza_ms(o->stream) : o->since_ms);
}

const char *s2s_out_state_word(const struct s2s_out *o)
{
    return states[o->state].word;
}

struct link *s2s_out_link(struct s2s_out *o)
{
    return &o->link;
}

static void describe(const struct link *l, struct link_row *row)
{
    const struct s2s_out *o = LIST_ENTRY(l, struct s2s_out, link);

    row->state = states[o->state].word;
    row->state_text = states[o->state].text;
    row->local = local(o);
    row->remote = remote(o);
    row->since_ms = loop_now_ms(o->site->loop) - o->since_ms;
    row->idle_ms = s2s_out_idle_ms(o);
    row->tls = o->secured;
    row->direct_tls = o->endpoint && o->endpoint->direct_tls;
    row->verdict = &o->verdict;
    row->pairs_count = o->state == S2S_OUT_OPEN;
    row->stanzas_out = o->stanzas_out;
    if (o->stream)
        row->peer = *conn_peer(stream_conn(o->stream));
}

static void link_close(struct link *l, enum fault why)
{
    s2s_out_close(LIST_ENTRY(l, struct s2s_out, link), why);
}

static const struct link_ops link_ops = {describe, link_close, NULL};

struct s2s_out *s2s_out_open(struct site *site, struct slice from, struct slice to,
                             const struct s2s_out_handler *h, void *arg)
{
    struct s2s_out *o = MEM_NEW(struct s2s_out);

    o->site = site;
    o->local = mem_strndup(from);
    o->remote = mem_strndup(to);
    o->h = h;
    o->arg = arg;
    o->why = BOUNCE_MAX;
    o->since_ms = loop_now_ms(site->loop);
    o->policy = policy_ref(site->settings->policy);
    o->rule = policy_find(o->policy, from, to);
    timer_init(&o->deadline, site->loop, on_deadline);
    task_init(&o->done, run_done);
    site_add(site, &o->link, LINK_S2S_OUT, &link_ops);
    resolve(o);
    return o;
}

struct s2s_out *s2s_out_verify(struct site *site, struct slice from, struct slice to,
                               struct slice id, struct slice key,
                               const struct s2s_out_handler *h, void *arg)
{
    struct s2s_out *o = s2s_out_open(site, from, to, h, arg);

    o->verify_id = mem_strndup(id);
    o->verify_key = mem_strndup(key);
    return o;
}
