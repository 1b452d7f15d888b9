#include "link/component.h"

#include "link/entrance.h"
#include "link/scribe.h"
#include "wire/handshake.h"
#include "wire/ns.h"
#include "wire/xmlw.h"

enum component_state {
    COMPONENT_HEADER,
    COMPONENT_HANDSHAKE,
    COMPONENT_JOINING,
    COMPONENT_OPEN,
    COMPONENT_ENDING,
};

static const struct {
    const char *word;
    const char *text;
} states[] = {
    [COMPONENT_HEADER] = {"header", "waiting for a stream header"},
    [COMPONENT_HANDSHAKE] = {"handshake", "waiting for the handshake"},
    [COMPONENT_JOINING] = {"joining", "asking the table for its place"},
    [COMPONENT_OPEN] = {"open", "open"},
    [COMPONENT_ENDING] = {"ending", "closing"},
};

struct component {
    struct link link;
    struct site *site;
    struct stream *stream;
    struct entrance entrance;
    enum component_state state;
    bool tls;
    bool settled_address;
    char *pattern; /* its rule; NULL before the header */
    char stream_id[STREAM_ID_LEN + 1];
    uint64_t instance_id; /* 0: not in the table */
    struct ask *ask;
    struct outq q;
    struct task pump;
    struct domain last_from; /* most stanzas come from one domain */
    uint64_t since_ms;
    uint64_t stanzas_in;
    uint64_t stanzas_out;
};

static const struct outq_ops queue_ops;

static void enter(struct component *c, enum component_state state)
{
    LOG(site_log(c->site), LOG_DEBUG, "component.state", LOG_INT("link", c->link.id),
        LOG_TEXT("from", states[c->state].word), LOG_TEXT("to", states[state].word));
    c->state = state;
}

static struct slice pattern_of(const struct component *c)
{
    return c->pattern ? slice_from(c->pattern) : slice_none();
}

static const struct component_rule *find_rule(const struct settings *set, struct slice pattern)
{
    for (size_t i = 0; i < set->component_count; i++)
        if (slice_eq(set->components[i].table.pattern, pattern))
            return &set->components[i];
    return NULL;
}

/* --- opening --- */

static void reply_header(struct component *c, const struct xml_header *h)
{
    struct stream_header reply = {.from = h->to};

    site_stream_id(c->site, c->stream_id);
    reply.id = slice_from(c->stream_id);
    stream_send_header(c->stream, &reply);
}

static enum fault check_header(const struct component *c, const struct xml_header *h,
                               struct domain *pattern)
{
    if (!slice_is(h->ns, NS_STREAM))
        return FAULT_BAD_STREAM_NS;
    if (!slice_is(h->name, "stream"))
        return FAULT_BAD_STREAM_NAME;
    if (!slice_is(h->content_ns, NS_COMPONENT))
        return FAULT_BAD_CONTENT_NS;
    if (!h->to.len)
        return FAULT_COMPONENT_NO_TO;
    if (domain_pattern_parse(h->to, pattern) ||
        !find_rule(c->site->settings, domain_slice(pattern)))
        return FAULT_COMPONENT_UNKNOWN;
    return FAULT_NONE;
}

static void on_header(void *arg, const struct xml_header *h)
{
    struct component *c = arg;
    struct domain pattern;
    enum fault f = check_header(c, h, &pattern);

    reply_header(c, h);
    if (f) {
        stream_fail(c->stream, f);
        return;
    }
    c->pattern = mem_strndup(domain_slice(&pattern));
    enter(c, COMPONENT_HANDSHAKE);
}

static void settle_address(struct component *c)
{
    if (!c->settled_address)
        seat_settle_address(c->site->seat, conn_peer(stream_conn(c->stream)));
    c->settled_address = true;
}

static void leave(struct component *c)
{
    if (c->instance_id && c->state == COMPONENT_OPEN)
        seat_leave(c->site->seat, c->instance_id);
}

static void on_joined(void *arg, enum instances_join outcome)
{
    struct component *c = arg;
    char addr[ADDR_TEXT_MAX];

    c->ask = NULL;
    if (outcome == INSTANCE_CONFLICT) {
        stream_fail(c->stream, FAULT_COMPONENT_CONFLICT);
        return;
    }
    enter(c, COMPONENT_OPEN);
    if (stream_ending(c->stream)) { /* it went while the store answered */
        leave(c);
        enter(c, COMPONENT_ENDING);
        return;
    }
    stream_authenticated(c->stream);
    settle_address(c);
    xmlw_raw(stream_out(c->stream), "<handshake/>");
    stream_touch(c->stream);
    c->link.open = true;
    scribe_note(c->site->scribe, &c->link);
    counter_add(loop_counters(c->site->loop), COUNTER_OPENED_COMPONENT, 1);
    outq_opened(&c->q, loop_now_ms(c->site->loop));
    lane_port_changed(&c->q);
    LOG(site_log(c->site), LOG_INFO, "component.open", LOG_INT("link", c->link.id),
        LOG_SLICE("domain", pattern_of(c)),
        LOG_TEXT("peer", addr_format(conn_peer(stream_conn(c->stream)), addr)),
        LOG_TEXT("tls", c->tls ? "yes" : "no"));
}

static struct slice instance_key(const struct component *c)
{
    return slice_make((const char *)&c->instance_id, sizeof(c->instance_id));
}

static void join(struct component *c)
{
    c->instance_id = atomic_fetch_add(c->site->next_id, 1);
    map_add(&c->site->instances, instance_key(c), c);
    enter(c, COMPONENT_JOINING);
    c->ask = seat_join(c->site->seat, pattern_of(c), c->instance_id, on_joined, c);
}

static void on_element(void *arg, const struct element *e)
{
    struct component *c = arg;
    const struct component_rule *rule = find_rule(c->site->settings, pattern_of(c));

    if (c->state == COMPONENT_OPEN && !handshake_is(e)) {
        stream_fail(c->stream, FAULT_UNKNOWN_ELEMENT);
        return;
    }
    if (c->state != COMPONENT_HANDSHAKE || !handshake_is(e)) { /* COMP-06 */
        stream_fail(c->stream, FAULT_COMPONENT_ORDER);
        return;
    }
    if (!rule || !handshake_fits(e, slice_from(c->stream_id), rule->secret)) {
        stream_fail(c->stream, FAULT_COMPONENT_SECRET);
        return;
    }
    join(c);
}

/* --- stanzas in --- */

/* COMP-07: exactly its domain, or for a wildcard a name that no closer entry has. */
static bool may_speak_for(struct component *c, struct slice domain)
{
    struct table_entry *e;

    if (slice_eq(domain, domain_slice(&c->last_from)))
        return true;
    e = site_local(c->site, domain);
    if (!e || !slice_is(pattern_of(c), e->pattern))
        return false;
    memcpy(c->last_from.text, domain.ptr, domain.len);
    c->last_from.len = (uint16_t)domain.len;
    return true;
}

static enum fault check_from(struct component *c, struct stanza *s, struct domain *buf,
                             struct slice *ret_domain)
{
    if (!s->from.len || entrance_domain(s->from, true, buf, ret_domain))
        return FAULT_COMPONENT_NO_ADDR;
    return may_speak_for(c, *ret_domain) ? FAULT_NONE : FAULT_COMPONENT_FROM;
}

/* What is wrong with the rest, in the sender's own terms; BOUNCE_MAX: nothing. */
static enum bounce check_rest(struct stanza *s, bool too_big, struct domain *buf,
                              struct slice *ret_to)
{
    *ret_to = slice_none();
    if (!s->to.len)
        return BOUNCE_BAD_REQUEST;
    if (entrance_domain(s->to, false, buf, ret_to))
        return BOUNCE_BAD_ADDRESS;
    if (too_big)
        return BOUNCE_TOO_BIG;
    return entrance_bad_request(s) ? BOUNCE_BAD_REQUEST : BOUNCE_MAX;
}

static void take_stanza(struct component *c, struct stanza *s, bool too_big)
{
    struct domain from_buf;
    struct domain to_buf;
    struct slice from;
    struct slice to;
    enum fault f = c->instance_id && c->state >= COMPONENT_OPEN ? check_from(c, s, &from_buf, &from)
                                                                : FAULT_COMPONENT_ORDER;
    enum bounce why;

    if (f) {
        stanza_unref(s);
        stream_fail(c->stream, f);
        return;
    }
    why = check_rest(s, too_big, &to_buf, &to);
    stanza_set_domains(s, from, to);
    c->stanzas_in++;
    site_wake(c->site);
    if (why == BOUNCE_MAX)
        router_accept(&c->site->router, s, ROUTER_COMPONENT, &c->entrance.source);
    else
        router_refuse(&c->site->router, s, ROUTER_COMPONENT, why, slice_none());
    entrance_check_memory(&c->entrance);
}

static void on_stanza(void *arg, struct stanza *s)
{
    take_stanza(arg, s, false);
}

static void on_too_big(void *arg, struct stanza *s)
{
    take_stanza(arg, s, true);
}

/* --- stanzas out --- */

static void write_one(struct component *c, struct stanza *s)
{
    struct bytes *owned;

    byteq_append(stream_out(c->stream), stanza_wire_for(s, SCOPE_COMPONENT, &owned));
    bytes_unref(owned);
    c->stanzas_out++;
    outq_wrote(&c->q, stream_mark(c->stream));
}

static void pump(struct component *c)
{
    struct stanza *s;
    bool wrote = false;

    while (c->q.open && stream_writable(c->stream) && (s = outq_peek(&c->q))) {
        write_one(c, s);
        wrote = true;
    }
    if (wrote) {
        stream_touch(c->stream);
        stream_note_stanza(c->stream);
    }
}

static void run_pump(struct task *t)
{
    pump(LIST_ENTRY(t, struct component, pump));
}

static void queue_kick(struct outq *q)
{
    struct component *c = LIST_ENTRY(q, struct component, q);

    if (q->open)
        loop_post(c->site->loop, &c->pump);
}

static void queue_fate(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                       struct slice detail)
{
    router_fate(&LIST_ENTRY(q, struct component, q)->site->router, s, fate, why, detail);
}

static const struct outq_ops queue_ops = {queue_kick, queue_fate};

static void on_drained(void *arg)
{
    pump(arg);
}

static void on_flushed(void *arg, uint64_t mark)
{
    struct component *c = arg;

    if (c->q.unflushed)
        outq_flushed(&c->q, mark, loop_now_us(c->site->loop), loop_counters(c->site->loop));
}

static void on_acked(void *arg, uint64_t mark)
{
    struct component *c = arg;

    outq_acked(&c->q, mark, loop_now_ms(c->site->loop));
}

/* --- the end --- */

static void on_ending(void *arg)
{
    struct component *c = arg;

    c->link.open = false;
    c->q.open = false;
    leave(c);
    lane_port_changed(&c->q);
    if (c->state != COMPONENT_JOINING)
        enter(c, COMPONENT_ENDING);
}

/* What it did not take goes back to the ingresses, in order, to be routed anew. */
static void give_back(struct component *c)
{
    outq_lost(&c->q);
    if (c->instance_id)
        map_remove(&c->site->instances, instance_key(c));
    lane_port_gone(&c->q);
    outq_flush(&c->q, true, FATE_RETURNED, BOUNCE_ABSENT, slice_none());
}

static void log_end(struct component *c, const struct stream_end *end)
{
    char addr[ADDR_TEXT_MAX];
    uint64_t swallowed = 0;

    if (!c->settled_address && !site_log_stranger(c->site, &swallowed))
        return;
    LOG(site_log(c->site), end->fault || !c->settled_address ? LOG_WARN : LOG_INFO,
        "component.closed", LOG_INT("link", c->link.id), LOG_SLICE("domain", pattern_of(c)),
        LOG_TEXT("peer", addr_format(conn_peer(stream_conn(c->stream)), addr)),
        LOG_TEXT("reason", stream_end_word(end)),
        LOG_TEXT("detail", end->tls_error[0] ? end->tls_error : end->peer_text),
        LOG_INT("stanzas_in", c->stanzas_in), LOG_INT("stanzas_out", c->stanzas_out),
        LOG_INT("ms", loop_now_ms(c->site->loop) - c->since_ms), LOG_INT("suppressed", swallowed));
}

static void on_closed(void *arg, const struct stream_end *end)
{
    struct component *c = arg;

    counter_add_to(loop_counters(c->site->loop), CLOSED_COMPONENT, stream_end_class(end), 1);
    log_end(c, end);
    settle_address(c);
    if (c->ask) { /* the store may have said yes: its answer finds nobody, so leave for certain */
        ask_cancel(c->ask);
        seat_leave(c->site->seat, c->instance_id);
    }
    give_back(c);
    entrance_fini(&c->entrance);
    task_cancel(&c->pump);
    outq_fini(&c->q);
    site_remove(c->site, &c->link);
    mem_free(c->pattern);
    mem_free(c);
}

static const struct stream_handler stream_handler = {
    .header = on_header,
    .element = on_element,
    .stanza = on_stanza,
    .too_big = on_too_big,
    .flushed = on_flushed,
    .acked = on_acked,
    .drained = on_drained,
    .ending = on_ending,
    .closed = on_closed,
};

/* --- life --- */

struct outq *component_queue(struct site *site, uint64_t id)
{
    struct component *c = map_find(&site->instances, slice_make((const char *)&id, sizeof(id)));

    return c ? &c->q : NULL;
}

struct component *component_of_queue(struct outq *q)
{
    return q->ops == &queue_ops ? LIST_ENTRY(q, struct component, q) : NULL;
}

void component_hangs(struct component *c)
{
    stream_fail(c->stream, FAULT_DEAD_PEER);
    on_ending(c);
}

void component_replaced(struct site *site, uint64_t id)
{
    struct component *c = map_find(&site->instances, slice_make((const char *)&id, sizeof(id)));

    if (c)
        stream_fail(c->stream, FAULT_CONFLICT);
}

static void describe(const struct link *l, struct link_row *row)
{
    const struct component *c = LIST_ENTRY(l, struct component, link);

    row->state = states[c->state].word;
    row->state_text = states[c->state].text;
    row->local = pattern_of(c);
    row->peer = *conn_peer(stream_conn(c->stream));
    row->tls = c->tls;
    row->tls_bytes = stream_tls(c->stream) ? tls_memory(stream_tls(c->stream)) : 0;
    row->parser_bytes = stream_parser_bytes(c->stream);
    row->since_ms = loop_now_ms(c->site->loop) - c->since_ms;
    row->idle_ms = loop_now_ms(c->site->loop) - stream_last_stanza_ms(c->stream);
    row->stanzas_in = c->stanzas_in;
    row->stanzas_out = c->stanzas_out;
    row->paused = source_paused(&c->entrance.source);
    row->queue_count = outq_count(&c->q);
}

void component_describe(const struct component *c, struct component_row *row)
{
    row->pattern = pattern_of(c);
    row->instance_id = c->instance_id;
    row->link_id = c->link.id;
    row->state = states[c->state].word;
    row->peer = *conn_peer(stream_conn(c->stream));
    row->tls = c->tls;
    row->since_ms = loop_now_ms(c->site->loop) - c->since_ms;
    row->stanzas_in = c->stanzas_in;
    row->stanzas_out = c->stanzas_out;
    row->queue_count = outq_count(&c->q);
    row->queue_bytes = c->q.bytes;
    row->oldest_ms = outq_oldest_ms(&c->q, loop_now_ms(c->site->loop));
    row->paused = source_paused(&c->entrance.source);
}

static void link_close(struct link *l, enum fault why)
{
    struct component *c = LIST_ENTRY(l, struct component, link);

    if (why == FAULT_NONE)
        stream_close(c->stream);
    else
        stream_fail(c->stream, why);
}

static void link_stop_reading(struct link *l)
{
    entrance_shut(&LIST_ENTRY(l, struct component, link)->entrance);
}

static void link_read_rest(struct link *l)
{
    stream_drain_input(LIST_ENTRY(l, struct component, link)->stream);
}

static void link_abort(struct link *l)
{
    stream_abort(LIST_ENTRY(l, struct component, link)->stream, ERR_CANCELLED);
}

static void link_rest(struct link *l)
{
    stream_rest(LIST_ENTRY(l, struct component, link)->stream);
}

static const struct link_ops link_ops = {
    .describe = describe,
    .rest = link_rest,
    .close = link_close,
    .stop_reading = link_stop_reading,
    .read_rest = link_read_rest,
    .abort = link_abort,
};

/* A component whose rule went is closed; a changed secret counts from its next connection. */
void components_configure(struct site *site)
{
    size_t pos = 0;
    struct component *c;

    while ((c = map_next(&site->instances, &pos))) {
        c->last_from.len = 0; /* which names it has may have changed */
        if (!find_rule(site->settings, pattern_of(c)))
            stream_fail(c->stream, FAULT_CONFIG_CHANGED);
    }
}

void components_cut(struct site *site)
{
    size_t pos = 0;
    struct component *c;

    while ((c = map_next(&site->instances, &pos)))
        if (outq_begins_with_relayed(&c->q))
            link_abort(&c->link);
}

void component_accept(struct site *site, int fd, const struct addr *peer, bool tls)
{
    struct component *c = MEM_NEW(struct component);
    struct stream_options o = site_stream_options(site, SCOPE_COMPONENT);
    struct tls *session =
        tls ? tls_server(site->settings->tls_component, slice_none(), false) : NULL;

    c->site = site;
    c->tls = tls;
    c->since_ms = loop_now_ms(site->loop);
    entrance_init(&c->entrance, site);
    task_init(&c->pump, run_pump);
    outq_init(&c->q, &queue_ops, &site->router.limits);
    if (stream_adopt(site->loop, fd, peer, session, &o, &stream_handler, c, &c->stream)) {
        seat_settle_address(site->seat, peer);
        outq_fini(&c->q);
        mem_free(c);
        return;
    }
    c->entrance.stream = c->stream;
    site_add(site, &c->link, LINK_COMPONENT, &link_ops);
}
