/* router/link/s2s_out.c - an outgoing stream: its states and ends, finding and connecting, and what
 * its owner asks. The diagram is in the header.
 */
#include "link/s2s_out_private.h"

#include <stdio.h>

static const struct {
    const char *word;
    const char *text;
} states[S2S_OUT_STATES] = {
#define STATE(id, word, deadline, text) [S2S_OUT_##id] = {word, text},
#include "link/s2s_out.def"
#undef STATE
};

struct slice s2s_out_local(const struct s2s_out *o)
{
    return slice_from(o->local);
}

struct slice s2s_out_remote(const struct s2s_out *o)
{
    return slice_from(o->remote);
}

static uint64_t state_ms(const struct s2s_out *o, enum s2s_out_state state)
{
    const struct settings *set = o->site->settings;
    const struct {
        uint64_t none_ms, dial_ms, dns_ms, tls_ms, negotiation_ms, dialback_ms;
    } t = {
        .none_ms = UINT64_MAX,
        .dial_ms = set->negotiation_ms, /* all addresses; each is bounded by timeouts.connect */
        .dns_ms = set->dns_ms * 2,      /* the resolver's own deadline comes first */
        .tls_ms = set->tls_ms,
        .negotiation_ms = set->negotiation_ms,
        .dialback_ms = set->dialback_ms,
    };

    switch (state) {
#define STATE(id, word, deadline, text)                                                            \
    case S2S_OUT_##id:                                                                             \
        return t.deadline;
#include "link/s2s_out.def"
#undef STATE
    case S2S_OUT_STATES:
        break;
    }
    return UINT64_MAX;
}

static bool negotiating(enum s2s_out_state state)
{
    return state == S2S_OUT_SECURE || state == S2S_OUT_GREET || state == S2S_OUT_FEATURES ||
           state == S2S_OUT_PROCEED || state == S2S_OUT_AUTH;
}

static uint64_t time_left(uint64_t now, uint64_t until)
{
    return until > now ? until - now : 0;
}

static void arm_deadline(struct s2s_out *o)
{
    uint64_t now = loop_now_ms(o->site->loop);
    uint64_t ms = state_ms(o, o->state);

    if (negotiating(o->state) && time_left(now, o->negotiate_until_ms) < ms)
        ms = time_left(now, o->negotiate_until_ms);
    if (o->give_up_ms && o->state != S2S_OUT_ENDING && time_left(now, o->give_up_ms) < ms)
        ms = time_left(now, o->give_up_ms);
    if (ms == UINT64_MAX)
        timer_stop(&o->deadline);
    else
        timer_start(&o->deadline, ms);
}

/* The only place that writes `state`. */
void s2s_out_enter(struct s2s_out *o, enum s2s_out_state state)
{
    LOG(site_log(o->site), LOG_DEBUG, "s2s_out.state", LOG_INT("link", o->link.id),
        LOG_SLICE("local", s2s_out_local(o)), LOG_SLICE("remote", s2s_out_remote(o)),
        LOG_TEXT("from", states[o->state].word), LOG_TEXT("to", states[state].word));
    o->state = state;
    arm_deadline(o);
}

static const char *detail_of(const struct s2s_out *o)
{
    return o->detail ? o->detail : "";
}

static void set_detail(struct s2s_out *o, const char *text)
{
    char *detail = text && text[0] ? mem_strdup(text) : NULL; /* it may be the one there is */

    mem_free(o->detail);
    o->detail = detail;
}

static void tell_ending(struct s2s_out *o)
{
    if (o->ending_told)
        return;
    o->ending_told = true;
    o->link.open = false;
    if (o->h->ending)
        o->h->ending(o->arg, o->why, detail_of(o));
}

/* --- failing --- */

static void note(struct s2s_out *o, enum bounce why, const char *detail)
{
    if (o->why != BOUNCE_MAX)
        return; /* the first cause is the one to tell */
    o->why = why;
    set_detail(o, detail);
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
        return strstr(detail_of(o), "host-unknown") ? "remote-server-not-found"
                                                    : "remote-server-timeout";
    default:
        return "remote-server-timeout";
    }
}

void s2s_out_report(struct s2s_out *o, enum verify_outcome outcome, const char *condition)
{
    if (!o->verify_key || o->reported)
        return;
    o->reported = true;
    o->h->verified(o->arg, outcome, condition);
}

/* No stream is there, or it is no use: the end comes posted. */
void s2s_out_finish(struct s2s_out *o)
{
    s2s_out_enter(o, S2S_OUT_ENDING);
    s2s_out_report(o, VERIFY_ERROR, verify_condition(o));
    tell_ending(o);
    if (o->stream)
        return;
    dialer_free(o->dialer); /* else it might still hand a stream to an end that is posted */
    o->dialer = NULL;
    loop_post(o->site->loop, &o->done);
}

void s2s_out_fail(struct s2s_out *o, enum bounce why, const char *detail)
{
    note(o, why, detail);
    if (o->stream && !stream_ending(o->stream))
        stream_close(o->stream);
    s2s_out_finish(o);
}

void s2s_out_fail_with(struct s2s_out *o, enum bounce why, const char *detail, enum fault f)
{
    note(o, why, detail);
    stream_fail(o->stream, f);
    s2s_out_finish(o);
}

/* Whom we asked about a key, a stranger chose. */
static void log_end(struct s2s_out *o)
{
    uint64_t swallowed = 0;

    if (o->verify_key && !site_log_stranger(o->site, &swallowed))
        return;
    LOG(site_log(o->site), o->why == BOUNCE_MAX ? LOG_INFO : LOG_WARN, "s2s_out.closed",
        LOG_INT("link", o->link.id), LOG_SLICE("local", s2s_out_local(o)),
        LOG_SLICE("remote", s2s_out_remote(o)),
        LOG_TEXT("reason", o->why == BOUNCE_MAX ? "closed" : bounce_word(o->why)),
        LOG_TEXT("detail", detail_of(o)), LOG_INT("stanzas", o->stanzas_out),
        LOG_INT("ms", loop_now_ms(o->site->loop) - o->since_ms), LOG_INT("suppressed", swallowed));
}

static void run_done(struct task *t)
{
    struct s2s_out *o = LIST_ENTRY(t, struct s2s_out, done);

    log_end(o);
    counter_add_to(loop_counters(o->site->loop), CLOSED_S2S_OUT, o->why, 1);
    timer_stop(&o->deadline);
    ask_cancel(o->ask);
    judgement_cancel(o->judgement);
    dialer_free(o->dialer);
    site_remove(o->site, &o->link);
    o->h->closed(o->arg, o->why, detail_of(o));
    policy_unref(o->policy);
    mem_free(o->local);
    mem_free(o->remote);
    mem_free(o->why_not);
    mem_free(o->stream_id);
    mem_free(o->verify_id);
    mem_free(o->verify_key);
    mem_free(o->detail);
    mem_free(o);
}

static enum bounce late_why(enum s2s_out_state state)
{
    switch (state) {
    case S2S_OUT_RESOLVE:
        return BOUNCE_DNS_FAILED;
    case S2S_OUT_DIAL:
        return BOUNCE_UNREACHABLE;
    case S2S_OUT_SECURE:
        return BOUNCE_TLS_FAILED;
    case S2S_OUT_DIALBACK:
        return BOUNCE_DIALBACK_ERROR;
    default:
        return BOUNCE_NEGOTIATION;
    }
}

/* The peer said nothing of itself yet: another of its addresses may be better. */
static bool unheard(const struct s2s_out *o)
{
    return o->state == S2S_OUT_SECURE || (o->state == S2S_OUT_GREET && !o->stream_id);
}

static void on_deadline(struct timer *t)
{
    struct s2s_out *o = LIST_ENTRY(t, struct s2s_out, deadline);
    bool given_up = o->give_up_ms && loop_now_ms(o->site->loop) >= o->give_up_ms;
    char text[160];

    if (o->state == S2S_OUT_SECURE || (unheard(o) && !given_up))
        stream_abort(o->stream, ERR_TIMEOUT);
    if (unheard(o) && !given_up)
        return; /* `closed` goes on to the next endpoint */
    snprintf(text, sizeof(text), "timed out: %s", states[o->state].text);
    s2s_out_fail(o, late_why(o->state), text);
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

static const char *end_text(const struct s2s_out *o, const struct stream_end *end, char *buf,
                            size_t size)
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
                 states[o->state].text);
    return buf;
}

/* QUIRK-13: closed after a failed EXTERNAL; once more, straight to dialback. */
static bool again_without_external(struct s2s_out *o)
{
    if (o->state == S2S_OUT_ENDING || !o->external_failed || o->skip_external ||
        !s2s_out_dialback_allowed(o) || o->why != BOUNCE_MAX)
        return false;
    return o->state == S2S_OUT_DIALBACK || o->state == S2S_OUT_AUTH;
}

static void reset_attempt(struct s2s_out *o)
{
    o->secured = o->judged = o->authenticated = o->external_failed = false;
    mem_free(o->stream_id);
    o->stream_id = NULL;
    o->peer_max_bytes = 0;
    o->ending_told = false;
}

/* What this endpoint was like is told if none is left. */
static void next_endpoint(struct s2s_out *o, const struct stream_end *end, const char *text)
{
    set_detail(o, text);
    o->last_why =
        o->state == S2S_OUT_SECURE || end->tls_error[0] ? BOUNCE_TLS_FAILED : BOUNCE_NEGOTIATION;
    reset_attempt(o);
    s2s_out_enter(o, S2S_OUT_DIAL);
    dialer_next(o->dialer);
}

static void resolve(struct s2s_out *o);

static void straight_to_dialback(struct s2s_out *o)
{
    reset_attempt(o);
    o->skip_external = true;
    dialer_free(o->dialer);
    o->dialer = NULL;
    resolve(o);
}

/* The cause, where nothing told it before. */
static void note_end(struct s2s_out *o, const struct stream_end *end, const char *text)
{
    bool was_open = o->state == S2S_OUT_OPEN || o->state == S2S_OUT_ENDING;

    if (end->peer_error[0])
        note(o, BOUNCE_STREAM_ERROR, text);
    else if (o->state == S2S_OUT_OPEN && end->transport)
        note(o, BOUNCE_LINK_LOST, text);
    else if (was_open)
        return;
    else if (end->tls_error[0])
        note(o, BOUNCE_TLS_FAILED, text);
    else if (o->state == S2S_OUT_DIALBACK)
        note(o, BOUNCE_DIALBACK_ERROR, text);
    else
        note(o, BOUNCE_NEGOTIATION, text);
}

static void on_closed(void *arg, const struct stream_end *end)
{
    struct s2s_out *o = arg;
    char text[240];

    judgement_cancel(o->judgement);
    o->judgement = NULL;
    o->stream = NULL;
    end_text(o, end, text, sizeof(text));
    if (unheard(o) && o->why == BOUNCE_MAX && !end->fault) {
        next_endpoint(o, end, text);
        return;
    }
    if (again_without_external(o)) {
        straight_to_dialback(o);
        return;
    }
    note_end(o, end, text);
    s2s_out_finish(o);
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
    .secured = s2s_out_on_secured,
    .header = s2s_out_on_header,
    .features = s2s_out_on_features,
    .element = s2s_out_on_element,
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
    o->direct_tls = e->direct_tls;
    o->negotiate_until_ms = loop_now_ms(o->site->loop) + o->site->settings->negotiation_ms;
    stream_set_handler(s, &stream_handler, o);
    conn_set_deadline(stream_conn(s), o->until_boot_ms);
    if (e->direct_tls)
        s2s_out_start_tls(o, true);
    else
        s2s_out_send_header(o);
}

static void on_exhausted(void *arg, const char *text)
{
    struct s2s_out *o = arg;

    if (o->state != S2S_OUT_DIAL)
        return;
    if (o->last_why == BOUNCE_MAX)
        s2s_out_fail(o, BOUNCE_UNREACHABLE, text);
    else
        s2s_out_fail(o, o->last_why, detail_of(o));
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
    so.negotiation_ms = 0; /* the states have deadlines of their own */
    if (res->kind != RESOLVED) {
        s2s_out_fail(o, bounce_of(res->kind), res->text);
        return;
    }
    o->verdict.dnssec = res->dnssec;
    o->dialer = dialer_new(o->site, res, &so, &dialer_handler, o);
    s2s_out_enter(o, S2S_OUT_DIAL);
    dialer_next(o->dialer);
}

static void resolve(struct s2s_out *o)
{
    s2s_out_enter(o, S2S_OUT_RESOLVE);
    if (o->verify_key)
        o->ask =
            seat_resolve_for_stranger(o->site->seat, s2s_out_remote(o), o->rule, on_resolved, o);
    else
        o->ask = seat_resolve(o->site->seat, s2s_out_remote(o), o->rule, on_resolved, o);
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

static void end(struct s2s_out *o, enum fault why)
{
    if (o->state == S2S_OUT_ENDING)
        return;
    o->link.open = false;
    if (why != FAULT_NONE)
        note(o, BOUNCE_CLOSED, fault_text(why));
    if (o->stream && why == FAULT_NONE)
        stream_close(o->stream);
    else if (o->stream)
        stream_fail(o->stream, why);
    s2s_out_finish(o);
}

static void cut(struct s2s_out *o, enum fault why)
{
    end(o, why);
    if (o->stream)
        stream_abort(o->stream, ERR_CANCELLED);
}

/* Whoever asks knows: only `closed` is told. */
static void tell_no_ending(struct s2s_out *o)
{
    o->ending_told = o->reported = true;
}

void s2s_out_close(struct s2s_out *o, enum fault why)
{
    tell_no_ending(o);
    end(o, why);
}

void s2s_out_abort(struct s2s_out *o, enum fault why)
{
    tell_no_ending(o);
    cut(o, why);
}

void s2s_out_set_until(struct s2s_out *o, const _Atomic uint64_t *until_boot_ms)
{
    o->until_boot_ms = until_boot_ms;
    if (o->stream)
        conn_set_deadline(stream_conn(o->stream), until_boot_ms);
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
    row->local = s2s_out_local(o);
    row->remote = s2s_out_remote(o);
    row->since_ms = loop_now_ms(o->site->loop) - o->since_ms;
    row->idle_ms = s2s_out_idle_ms(o);
    row->tls = o->secured;
    row->direct_tls = o->direct_tls;
    row->verdict = &o->verdict;
    row->pairs_count = o->state == S2S_OUT_OPEN;
    row->stanzas_out = o->stanzas_out;
    if (!o->stream)
        return;
    row->peer = *conn_peer(stream_conn(o->stream));
    row->tls_bytes = stream_tls(o->stream) ? tls_memory(stream_tls(o->stream)) : 0;
    row->parser_bytes = stream_parser_bytes(o->stream);
}

static void link_close(struct link *l, enum fault why)
{
    end(LIST_ENTRY(l, struct s2s_out, link), why);
}

static void link_abort(struct link *l)
{
    cut(LIST_ENTRY(l, struct s2s_out, link), FAULT_SHUTDOWN);
}

static void link_rest(struct link *l)
{
    struct s2s_out *o = LIST_ENTRY(l, struct s2s_out, link);

    if (o->stream)
        stream_rest(o->stream);
}

static const struct link_ops link_ops = {
    .describe = describe,
    .rest = link_rest,
    .close = link_close,
    .abort = link_abort,
};

static struct s2s_out *make(struct site *site, struct slice from, struct slice to,
                            const struct s2s_out_handler *h, void *arg)
{
    struct s2s_out *o = MEM_NEW(struct s2s_out);

    o->site = site;
    o->local = mem_strndup(from);
    o->remote = mem_strndup(to);
    o->h = h;
    o->arg = arg;
    o->why = o->last_why = BOUNCE_MAX;
    o->since_ms = loop_now_ms(site->loop);
    o->policy = policy_ref(site->settings->policy);
    o->rule = policy_find(o->policy, from, to);
    timer_init(&o->deadline, site->loop, on_deadline);
    task_init(&o->done, run_done);
    site_add(site, &o->link, LINK_S2S_OUT, &link_ops);
    return o;
}

struct s2s_out *s2s_out_open(struct site *site, struct slice from, struct slice to,
                             const _Atomic uint64_t *until_boot_ms, const struct s2s_out_handler *h,
                             void *arg)
{
    struct s2s_out *o = make(site, from, to, h, arg);

    o->until_boot_ms = until_boot_ms;
    resolve(o);
    return o;
}

struct s2s_out *s2s_out_verify(struct site *site, struct slice from, struct slice to,
                               struct slice id, struct slice key, const struct s2s_out_handler *h,
                               void *arg)
{
    struct s2s_out *o = make(site, from, to, h, arg);

    o->verify_id = mem_strndup(id);
    o->verify_key = mem_strndup(key);
    o->give_up_ms = o->since_ms + site->settings->dialback_ms;
    resolve(o);
    return o;
}
