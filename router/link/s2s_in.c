/* router/link/s2s_in.c - an inbound stream: its pairs, its stanzas, its end. The diagram is in the
 * header.
 */
#include "link/s2s_in_private.h"

#include "link/scribe.h"

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

/* The only place that writes `state`. */
void s2s_in_enter(struct s2s_in *in, enum s2s_in_state state)
{
    LOG(site_log(in->site), LOG_DEBUG, "s2s_in.state", LOG_INT("link", in->link.id),
        LOG_TEXT("from", states[in->state].word), LOG_TEXT("to", states[state].word));
    in->state = state;
}

struct slice s2s_in_text(const char *s)
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
    struct s2s_in *in = p->in;

    if (p->check)
        s2s_in_drop_check(p);
    map_remove(&in->pairs, slice_from(p->key));
    in->valid_count -= p->valid;
    if (p->valid && in->link.open)
        scribe_note(in->site->scribe, &in->link);
    if (in->last == p)
        in->last = NULL;
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
    if (!in->link.open)
        counter_add_to(loop_counters(in->site->loop), OPENED_S2S_IN, method, 1);
    in->link.open = true;
    scribe_note(in->site->scribe, &in->link);
    s2s_in_enter(in, S2S_IN_OPEN);
    settle_address(in);
    if (method == METHOD_PKIX)
        in->link.expires_s = in->verdict.cert_not_after;
    if (in->verdict.method == METHOD_NONE)
        in->verdict.method = method;
    seat_peer_alive(in->site->seat, p->from);
    LOG(site_log(in->site), LOG_INFO, "s2s_in.open", LOG_INT("link", in->link.id),
        LOG_SLICE("local", p->to), LOG_SLICE("remote", p->from),
        LOG_TEXT("peer", addr_format(conn_peer(stream_conn(in->stream)), addr)),
        LOG_TEXT("method", method_word(method)),
        LOG_TEXT("tls", in->secured ? in->verdict.tls_version : "none"));
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
    s2s_in_enter(in, S2S_IN_ENDING);
}

static void free_pairs(struct s2s_in *in)
{
    struct in_pair *p;
    size_t pos = 0;

    while ((p = map_next(&in->pairs, &pos)))
        s2s_in_pair_free(p);
    map_fini(&in->pairs);
}

static void log_end(struct s2s_in *in, const struct stream_end *end)
{
    char addr[ADDR_TEXT_MAX];
    uint64_t swallowed = 0;

    /* Whoever never authenticated is a stranger: summed up when there are many (QUIRK-24). */
    if (!in->verdict.method && !site_log_stranger(in->site, &swallowed))
        return;
    LOG(site_log(in->site), end->fault && in->verdict.method ? LOG_WARN : LOG_INFO, "s2s_in.closed",
        LOG_INT("link", in->link.id), LOG_SLICE("local", s2s_in_text(in->to)),
        LOG_SLICE("remote", s2s_in_text(in->from)),
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
    judgement_cancel(in->judgement);
    free_pairs(in);
    entrance_fini(&in->entrance);
    site_remove(in->site, &in->link);
    mem_free(in->from);
    mem_free(in->to);
    mem_free(in->why_not);
    mem_free(in);
}

static const struct stream_handler stream_handler = {
    .secured = s2s_in_on_secured,
    .header = s2s_in_on_header,
    .element = s2s_in_on_element,
    .stanza = on_stanza,
    .too_big = on_too_big,
    .late = s2s_in_on_late,
    .ending = on_ending,
    .closed = on_closed,
};

/* --- life --- */

static void describe(const struct link *l, struct link_row *row)
{
    const struct s2s_in *in = LIST_ENTRY(l, struct s2s_in, link);

    row->state = states[in->state].word;
    row->state_text = states[in->state].text;
    row->local = s2s_in_text(in->to);
    row->remote = s2s_in_text(in->from);
    row->peer = *conn_peer(stream_conn(in->stream));
    row->tls = in->secured;
    row->tls_bytes = stream_tls(in->stream) ? tls_memory(stream_tls(in->stream)) : 0;
    row->parser_bytes = stream_parser_bytes(in->stream);
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

/* --- reload --- */

static bool still_allowed(const struct in_pair *p)
{
    struct s2s_in *in = p->in;
    const struct policy_rule *rule = s2s_in_rule(in, p->to, p->from);

    if (!site_local(in->site, p->to) || site_local(in->site, p->from))
        return false; /* ROUTE-03: never relayed onward */
    if (!(rule->allow & ALLOW_IN) || (rule->tls_required && !in->secured))
        return false;
    return !p->valid || policy_has_method(rule, p->method);
}

void s2s_in_configure(struct link *l)
{
    struct s2s_in *in = LIST_ENTRY(l, struct s2s_in, link);
    size_t valid_count = in->valid_count;
    struct in_pair *p;
    size_t pos = 0;

    while ((p = map_next(&in->pairs, &pos))) {
        if (still_allowed(p))
            continue;
        if (p->valid)
            s2s_in_pair_free(p);
        else
            s2s_in_refuse_pending(p, "forbidden");
    }
    if (in->valid_count < valid_count)
        stream_fail(in->stream, FAULT_CONFIG_CHANGED);
}

static void link_stop_reading(struct link *l)
{
    link_close(l, FAULT_SHUTDOWN);
}

static void link_read_rest(struct link *l)
{
    stream_drain_input(LIST_ENTRY(l, struct s2s_in, link)->stream);
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

static void link_rest(struct link *l)
{
    stream_rest(LIST_ENTRY(l, struct s2s_in, link)->stream);
}

static const struct link_ops link_ops = {
    .describe = describe,
    .rest = link_rest,
    .close = link_close,
    .stop_reading = link_stop_reading,
    .read_rest = link_read_rest,
    .abort = link_abort,
    .walk_pairs = walk_pairs,
};

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
