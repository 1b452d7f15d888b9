/* session/stream.c
 *
 *            dial/adopt
 *                |
 *   NEGOTIATING -+- stream_authenticated -> OPEN
 *        |                                   |
 *        +---- stream_close / peer's end ----+--> CLOSING --(both end tags)--> FLUSHING
 *        +---- stream_fail / abort --------------------------------------> FLUSHING -> gone
 *
 * CLOSING: our end tag is out, stanzas are still delivered (6120 4.4); nothing that would want an
 * answer is. FLUSHING: nothing is delivered any more; the connection ends when its output is
 * acknowledged, or at the deadline.
 */
#include "session/stream_private.h"

#include "wire/ns.h"
#include "wire/xmlw.h"

static const struct conn_handler conn_handler;

void stream_parser_new(struct stream *s)
{
    struct xml_limits preauth = {s->o.preauth_bytes, s->o.preauth_bytes};

    xml_free(s->xml);
    s->xml = xml_new(random_u64(loop_random(s->loop)), s->o.scope,
                     s->state == STREAM_NEGOTIATING ? &preauth : &s->o.limits);
}

void stream_tell_ending(struct stream *s)
{
    if (s->ending_told)
        return;
    s->ending_told = true;
    if (s->h->ending)
        s->h->ending(s->arg);
}

/* --- output --- */

static void put_header(struct byteq *out, enum stanza_scope scope, const struct stream_header *h)
{
    xmlw_raw(out, "<?xml version='1.0'?><stream:stream xmlns:stream='" NS_STREAM "'");
    if (scope == SCOPE_SERVER)
        xmlw_raw(out, " xmlns='" NS_SERVER "' xmlns:db='" NS_DIALBACK "'");
    else
        xmlw_raw(out, " xmlns='" NS_COMPONENT "'");
    xmlw_attr(out, "from", h->from);
    xmlw_attr(out, "to", h->to);
    xmlw_attr(out, "id", h->id);
    xmlw_attr(out, "xml:lang", h->lang.ptr ? h->lang : SLICE("en"));
    if (h->version)
        xmlw_attr(out, "version", slice_from(h->version));
    xmlw_raw(out, ">");
}

struct byteq *stream_out(struct stream *s)
{
    assert(!stream_ending(s));
    return conn_out(s->conn);
}

void stream_touch(struct stream *s)
{
    s->last_output_ms = loop_now_ms(s->loop);
    conn_touch(s->conn);
}

void stream_send_header(struct stream *s, const struct stream_header *h)
{
    put_header(stream_out(s), s->o.scope, h);
    s->header_sent = true;
    stream_touch(s);
}

void stream_set_error_header(struct stream *s, const struct stream_header *h)
{
    struct byteq q;

    byteq_init(&q);
    put_header(&q, s->o.scope, h);
    mem_free(s->error_header);
    s->error_header = mem_strndup(byteq_slice(&q));
    byteq_fini(&q);
}

bool stream_header_sent(const struct stream *s)
{
    return s->header_sent;
}

uint64_t stream_mark(const struct stream *s)
{
    return conn_written(s->conn);
}

size_t stream_pending(const struct stream *s)
{
    return conn_pending(s->conn);
}

bool stream_ending(const struct stream *s)
{
    return s->end_tag_sent || s->state == STREAM_FLUSHING;
}

bool stream_writable(const struct stream *s)
{
    return !stream_ending(s) && conn_pending(s->conn) < CONN_HIGH_BYTES;
}

/* --- the end --- */

static void run_ending(struct task *t)
{
    stream_tell_ending(LIST_ENTRY(t, struct stream, ending_task));
}

/* Its end can only be seen by reading: pauses are over. */
static void read_on(struct stream *s)
{
    s->paused = false;
    loop_post(s->loop, &s->resume_task);
}

void stream_enter_flushing(struct stream *s)
{
    s->state = STREAM_FLUSHING;
    loop_post(s->loop, &s->ending_task);
    read_on(s);
    timer_stop(&s->keepalive);
    timer_start(&s->deadline, s->o.close_ms);
}

void stream_put_end_tag(struct stream *s)
{
    if (s->end_tag_sent)
        return;
    xmlw_raw(conn_out(s->conn), "</stream:stream>");
    s->end_tag_sent = true;
    stream_touch(s);
}

/* RFC 6120 4.9.1.2: an error is always preceded by a header. */
void stream_put_error_header(struct stream *s)
{
    static const struct stream_header bare = {.version = "1.0"};

    if (s->header_sent)
        return;
    if (s->error_header)
        xmlw_raw(conn_out(s->conn), s->error_header);
    else
        put_header(conn_out(s->conn), s->o.scope, &bare);
    s->header_sent = true;
}

/* RFC 6120 5.4.3.2: a failed handshake ends without end tag, in bare TCP. */
static bool in_handshake(const struct stream *s)
{
    return s->tls_asked;
}

void stream_both_ended(struct stream *s)
{
    s->end.clean = true;
    stream_enter_flushing(s);
    conn_finish(s->conn);
}

/* Our end tag is out: what the peer sent before it saw that still comes. */
static void enter_closing(struct stream *s)
{
    if (s->peer_ended) {
        stream_both_ended(s);
        return;
    }
    s->state = STREAM_CLOSING;
    read_on(s);
    loop_post(s->loop, &s->ending_task);
    timer_stop(&s->keepalive);
    timer_start(&s->deadline, s->o.close_ms);
}

static void put_fault(struct stream *s, enum fault f)
{
    stream_put_error_header(s);
    fault_format(f, conn_out(s->conn));
    stream_put_end_tag(s);
}

/* Ends an open stream that did nothing wrong. */
static void dismiss(struct stream *s, enum fault f)
{
    s->end.fault = f;
    counter_add_to(loop_counters(s->loop), FAULTS, f, 1);
    put_fault(s, f);
    enter_closing(s);
}

void stream_fail(struct stream *s, enum fault f)
{
    if (s->state == STREAM_FLUSHING || (s->state == STREAM_CLOSING && fault_is_ours(f)))
        return;
    if (s->state == STREAM_OPEN && fault_is_ours(f)) {
        dismiss(s, f);
        return;
    }
    stream_deliver_all(s);
    if (s->state == STREAM_FLUSHING)
        return;
    s->end.fault = f;
    counter_add_to(loop_counters(s->loop), FAULTS, f, 1);
    if (in_handshake(s)) {
        stream_abort(s, ERR_CLOSED);
        return;
    }
    if (!s->end_tag_sent)
        put_fault(s, f);
    stream_enter_flushing(s);
    conn_finish(s->conn);
}

void stream_close(struct stream *s)
{
    if (stream_ending(s))
        return;
    if (in_handshake(s)) {
        stream_abort(s, ERR_CLOSED);
        return;
    }
    stream_put_error_header(s);
    stream_put_end_tag(s);
    enter_closing(s);
}

void stream_hang_up(struct stream *s, bool end_tag)
{
    if (s->state == STREAM_FLUSHING)
        return;
    if (end_tag)
        stream_put_end_tag(s);
    stream_enter_flushing(s);
    conn_finish(s->conn);
}

static void count_late(const struct stream *s)
{
    counter_add(loop_counters(s->loop), COUNTER_TLS_TIMEOUT, 1);
}

void stream_abort(struct stream *s, enum err why)
{
    if (in_handshake(s) && why == ERR_TIMEOUT && s->state != STREAM_FLUSHING)
        count_late(s);
    if (s->end.transport == OK)
        s->end.transport = why;
    s->state = STREAM_FLUSHING;
    timer_stop(&s->deadline);
    timer_stop(&s->keepalive);
    conn_reset(s->conn);
}

/* --- negotiation --- */

void stream_restart(struct stream *s)
{
    s->restart_asked = true;
    s->header_sent = false;
}

void stream_start_tls(struct stream *s, struct tls *tls)
{
    s->tls_asked = true;
    s->discard_input = true;
    conn_start_tls(s->conn, tls);
}

static void on_secured(void *arg)
{
    struct stream *s = arg;

    s->tls_asked = false;
    if (s->state == STREAM_FLUSHING)
        return;
    s->discard_input = false;
    s->restart_asked = false;
    s->header_sent = false;
    stream_parser_new(s);
    if (s->h->secured)
        s->h->secured(s->arg);
}

void stream_authenticated(struct stream *s)
{
    if (s->state != STREAM_NEGOTIATING)
        return;
    s->state = STREAM_OPEN;
    timer_stop(&s->deadline);
    if (stream_tls(s))
        tls_forget_peer(stream_tls(s));
    xml_set_limits(s->xml, &s->o.limits);
    xml_rest(s->xml);
    if (s->o.keepalive_ms)
        timer_start(&s->keepalive, s->o.keepalive_ms);
}

void stream_rest(struct stream *s)
{
    uint64_t last_ms = s->last_input_ms > s->last_output_ms ? s->last_input_ms : s->last_output_ms;

    if (s->state != STREAM_OPEN || s->rested_ms > last_ms ||
        loop_now_ms(s->loop) - last_ms < STREAM_REST_MS)
        return;
    s->rested_ms = loop_now_ms(s->loop);
    xml_rest(s->xml);
}

void stream_extend_deadline(struct stream *s, uint64_t ms)
{
    uint64_t now = loop_now_ms(s->loop);

    if (s->state == STREAM_NEGOTIATING && timer_running(&s->deadline))
        timer_start(&s->deadline, (s->deadline.at_ms > now ? s->deadline.at_ms - now : 0) + ms);
}

/* --- time --- */

static void handshake_late(struct stream *s)
{
    count_late(s);
    s->end.transport = ERR_TIMEOUT;
    s->state = STREAM_FLUSHING;
    conn_close(s->conn);
}

/* The peer did not end, or did not take our last words. What it has not acknowledged is
 * withdrawn: it goes out again elsewhere, and the peer must not read it here after that. */
static void close_late(struct stream *s)
{
    stream_drain_input(s);
    if (conn_acked(s->conn) == conn_written(s->conn))
        conn_close(s->conn);
    else
        conn_reset(s->conn);
}

static void negotiation_late(struct stream *s)
{
    if (s->h->late)
        s->h->late(s->arg);
    stream_fail_and_tell(s, FAULT_PREAUTH_TIME);
}

static void on_deadline(struct timer *t)
{
    struct stream *s = LIST_ENTRY(t, struct stream, deadline);

    if (s->state != STREAM_NEGOTIATING)
        close_late(s);
    else if (in_handshake(s))
        handshake_late(s);
    else
        negotiation_late(s);
}

/* LIVE-01: a space on a stream that said nothing for so long. */
static void on_keepalive(struct timer *t)
{
    struct stream *s = LIST_ENTRY(t, struct stream, keepalive);
    uint64_t past = loop_now_ms(s->loop) - s->last_output_ms;

    if (past >= s->o.keepalive_ms) {
        conn_write(s->conn, SLICE(" "));
        s->last_output_ms = loop_now_ms(s->loop);
        past = 0;
    }
    timer_start(&s->keepalive, s->o.keepalive_ms - past);
}

/* --- connection events --- */

static void on_connected(void *arg)
{
    struct stream *s = arg;

    if (s->state != STREAM_FLUSHING && s->h->connected)
        s->h->connected(s->arg);
}

static void on_flushed(void *arg, uint64_t mark)
{
    struct stream *s = arg;

    if (s->h->flushed)
        s->h->flushed(s->arg, mark);
}

static void on_acked(void *arg, uint64_t mark)
{
    struct stream *s = arg;

    if (s->h->acked)
        s->h->acked(s->arg, mark);
}

static void on_drained(void *arg)
{
    struct stream *s = arg;

    if (s->h->drained && !stream_ending(s))
        s->h->drained(s->arg);
}

/* TCP or TLS ended: without the end tag of the stream that is an unclean end (STREAM-19). It may
 * still read: what it is owed goes out, and counts if it is acknowledged. */
static void on_ended(void *arg)
{
    struct stream *s = arg;

    stream_deliver_all(s);
    if (!s->peer_ended && s->end.transport == OK)
        s->end.transport = ERR_EOF;
    if (!stream_ending(s) && s->header_sent && !in_handshake(s))
        stream_put_end_tag(s);
    if (s->state != STREAM_FLUSHING)
        stream_enter_flushing(s);
    stream_tell_ending(s);
    conn_finish(s->conn);
}

static void on_closed(void *arg, enum err why)
{
    struct stream *s = arg;

    on_flushed(s, conn_flushed(s->conn));
    on_acked(s, conn_acked(s->conn)); /* seen with the end only: nothing of it goes out again */
    stream_deliver_all(s);
    if (s->end.transport == OK && !s->end.clean)
        s->end.transport = why;
    s->end.tls_error = conn_tls_error(s->conn);
    s->state = STREAM_FLUSHING;
    stream_tell_ending(s);
    s->h->closed(s->arg, &s->end);
    /* Last: what it gave back may have let its own source go. */
    timer_stop(&s->deadline);
    timer_stop(&s->keepalive);
    task_cancel(&s->resume_task);
    task_cancel(&s->drained_task);
    task_cancel(&s->ending_task);
    xml_free(s->xml);
    mem_free(s->error_header);
    mem_free(s);
}

static const struct conn_handler conn_handler = {
    .connected = on_connected,
    .secured = on_secured,
    .data = stream_on_data,
    .flushed = on_flushed,
    .acked = on_acked,
    .drained = on_drained,
    .ended = on_ended,
    .closed = on_closed,
};

/* --- life --- */

static struct stream *stream_new(struct loop *l, const struct stream_options *o,
                                 const struct stream_handler *h, void *arg)
{
    struct stream *s = MEM_NEW(struct stream);

    s->loop = l;
    s->o = *o;
    s->h = h;
    s->arg = arg;
    s->opened_ms = s->last_input_ms = s->last_output_ms = s->last_stanza_ms = loop_now_ms(l);
    list_init(&s->backlog);
    task_init(&s->resume_task, stream_run_resume);
    task_init(&s->drained_task, stream_run_drained);
    task_init(&s->ending_task, run_ending);
    timer_init(&s->deadline, l, on_deadline);
    timer_init(&s->keepalive, l, on_keepalive);
    stream_parser_new(s);
    return s;
}

static void stream_discard(struct stream *s)
{
    xml_free(s->xml);
    mem_free(s);
}

enum err stream_dial(struct loop *l, const struct addr *to, const struct stream_options *o,
                     const struct stream_handler *h, void *arg, struct stream **ret)
{
    struct stream *s = stream_new(l, o, h, arg);
    enum err e = conn_dial(l, to, NULL, &conn_handler, s, &s->conn);

    if (e) {
        stream_discard(s);
        return e;
    }
    if (o->negotiation_ms)
        timer_start(&s->deadline, o->negotiation_ms);
    *ret = s;
    return OK;
}

enum err stream_adopt(struct loop *l, int fd, const struct addr *peer, struct tls *tls,
                      const struct stream_options *o, const struct stream_handler *h, void *arg,
                      struct stream **ret)
{
    struct stream *s = stream_new(l, o, h, arg);
    enum err e = conn_adopt(l, fd, peer, slice_none(), &conn_handler, s, &s->conn);

    if (e) {
        tls_free(tls);
        stream_discard(s);
        return e;
    }
    if (tls) {
        s->tls_asked = true;
        conn_start_tls(s->conn, tls);
    }
    if (o->negotiation_ms)
        timer_start(&s->deadline, o->negotiation_ms);
    *ret = s;
    return OK;
}

void stream_set_handler(struct stream *s, const struct stream_handler *h, void *arg)
{
    s->h = h;
    s->arg = arg;
}

struct conn *stream_conn(struct stream *s)
{
    return s->conn;
}

struct tls *stream_tls(struct stream *s)
{
    return in_handshake(s) ? NULL : conn_tls(s->conn);
}

uint64_t stream_opened_ms(const struct stream *s)
{
    return s->opened_ms;
}

uint64_t stream_last_input_ms(const struct stream *s)
{
    return s->last_input_ms;
}

uint64_t stream_last_stanza_ms(const struct stream *s)
{
    return s->last_stanza_ms;
}

void stream_note_stanza(struct stream *s)
{
    s->last_stanza_ms = loop_now_ms(s->loop);
}

uint64_t stream_bytes_in(const struct stream *s)
{
    return s->bytes_in;
}

size_t stream_parser_bytes(const struct stream *s)
{
    return xml_memory(s->xml);
}

/* --- words --- */

bool stream_version(struct slice text, unsigned *ret_major, unsigned *ret_minor)
{
    size_t dot = slice_find(text, '.');
    uint64_t major;
    uint64_t minor;

    if (!slice_to_u64(slice_sub(text, 0, dot), UINT32_MAX, &major) ||
        !slice_to_u64(slice_from_offset(text, dot + 1), UINT32_MAX, &minor))
        return false;
    *ret_major = (unsigned)major;
    *ret_minor = (unsigned)minor;
    return true;
}

enum stream_ended stream_end_class(const struct stream_end *end)
{
    if (end->fault)
        return ENDED_FAULT;
    if (end->peer_error[0])
        return ENDED_PEER_ERROR;
    if (end->tls_error[0])
        return ENDED_TLS;
    return end->clean ? ENDED_CLEAN : ENDED_TRANSPORT;
}

const char *stream_end_class_word(enum stream_ended c)
{
    static const char *const words[ENDED_MAX] = {"closed", "fault", "peer-error", "tls",
                                                 "transport"};

    assert((unsigned)c < ENDED_MAX);
    return words[c];
}

const char *stream_end_word(const struct stream_end *end)
{
    switch (stream_end_class(end)) {
    case ENDED_FAULT:
        return fault_word(end->fault);
    case ENDED_PEER_ERROR:
        return end->peer_error;
    case ENDED_TRANSPORT:
        return err_name(end->transport ? end->transport : ERR_CLOSED);
    default:
        return stream_end_class_word(stream_end_class(end));
    }
}
