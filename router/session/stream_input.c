/* router/session/stream_input.c - what the peer sends: fed to the parser, taken item by item, held
 * back while the stream is paused.
 */
#include "session/stream_private.h"

#include "wire/ns.h"

/* --- what was read --- */

static void deliver_stanza(struct stream *s, struct stanza *stanza, bool too_big)
{
    s->last_stanza_ms = loop_now_ms(s->loop);
    s->delivering = true;
    if (too_big)
        s->h->too_big(s->arg, stanza);
    else
        s->h->stanza(s->arg, stanza);
    s->delivering = false;
}

/* Behind an offence nothing is looked at (SERR-02). */
static bool offended(const struct stream *s)
{
    return s->state == STREAM_FLUSHING && s->end.fault && !fault_is_ours(s->end.fault);
}

static void deliver_backlog(struct stream *s, bool whatever)
{
    struct backlog *b;

    while ((whatever || !s->paused) && (b = LIST_FIRST(&s->backlog, struct backlog, node))) {
        list_remove(&b->node);
        if (offended(s))
            stanza_unref(b->stanza);
        else
            deliver_stanza(s, b->stanza, b->too_big);
        mem_free(b);
    }
}

/* What was read before an end or an offence is delivered, whatever pressure says: our kernel
 * acknowledged it, nobody will send it again. */
void stream_deliver_all(struct stream *s)
{
    if (!s->delivering)
        deliver_backlog(s, true);
}

/* A cut of at most `size` - 1 bytes as a C string. */
void stream_keep_text(struct slice text, char *buf, size_t size)
{
    text = slice_sub(slice_trim(text), 0, size - 1);
    if (!slice_is_utf8(text) || !slice_to_cstr(text, buf, size))
        buf[0] = '\0';
}

/* The peer's stream error: close our side too (SERR-04). The text is for people only (SERR-05). */
static void take_stream_error(struct stream *s, const struct element *e)
{
    for (const struct element *c = e->children; c; c = c->next) {
        if (!slice_is(c->ns, NS_STREAM_ERRORS))
            continue;
        if (slice_is(c->name, "text"))
            stream_keep_text(c->text, s->end.peer_text, sizeof(s->end.peer_text));
        else
            stream_keep_text(c->name, s->end.peer_error, sizeof(s->end.peer_error));
    }
    if (!s->end.peer_error[0])
        strcpy(s->end.peer_error, "undefined-condition");
    stream_deliver_all(s);
    stream_put_error_header(s);
    stream_put_end_tag(s);
    stream_enter_flushing(s);
    conn_finish(s->conn);
    stream_tell_ending(s);
}

static void take_end(struct stream *s)
{
    stream_deliver_all(s);
    if (s->state == STREAM_FLUSHING)
        return;
    s->peer_ended = true;
    s->discard_input = true;
    stream_tell_ending(s); /* an owner may add what it owes, then we answer with our end tag */
    if (s->end_tag_sent && s->state != STREAM_FLUSHING)
        stream_both_ended(s);
    else
        stream_close(s);
}

/* --- input --- */

void stream_fail_and_tell(struct stream *s, enum fault f)
{
    stream_fail(s, f);
    stream_tell_ending(s);
}

static bool over_elements(struct stream *s)
{
    if (s->state != STREAM_NEGOTIATING || ++s->elements_count <= s->o.preauth_elements)
        return false;
    stream_fail_and_tell(s, FAULT_PREAUTH_ELEMENTS);
    return true;
}

static void take_element(struct stream *s, const struct element *e)
{
    struct features f;

    if (element_is(e, "error", NS_STREAM)) {
        take_stream_error(s, e);
    } else if (s->end_tag_sent) {
        return; /* nobody could answer it any more */
    } else if (element_is(e, "features", NS_STREAM)) {
        features_parse(e, &f);
        if (s->h->features)
            s->h->features(s->arg, &f);
    } else {
        s->h->element(s->arg, e);
    }
}

static void take_stanza(struct stream *s, struct stanza *stanza, bool too_big)
{
    struct backlog *b;

    stanza->read_us = s->read_us;
    stanza->accepted_ms = loop_now_ms(s->loop);
    if (!s->paused && list_empty(&s->backlog)) {
        deliver_stanza(s, stanza, too_big);
        return;
    }
    b = MEM_NEW(struct backlog);
    b->stanza = stanza;
    b->too_big = too_big;
    list_push(&s->backlog, &b->node);
}

static void take_item(struct stream *s, const struct xml_item *item)
{
    switch (item->kind) {
    case XML_HEADER:
        if (!s->end_tag_sent && !over_elements(s))
            s->h->header(s->arg, item->header);
        break;
    case XML_STANZA:
    case XML_TOO_BIG:
        if (over_elements(s))
            stanza_unref(item->stanza);
        else
            take_stanza(s, item->stanza, item->kind == XML_TOO_BIG);
        break;
    case XML_ELEMENT:
        if (!over_elements(s))
            take_element(s, item->element);
        break;
    case XML_END:
        take_end(s);
        break;
    case XML_FAULT:
        stream_fail_and_tell(s, item->fault);
        break;
    case XML_MORE:
        break;
    }
}

/* Until all is taken, or what follows belongs to somebody else. Headers and elements are few once
 * a stream is open: the parser made for them goes at once, and most streams never need another. */
static void feed(struct stream *s, struct slice bytes)
{
    struct xml_item item;
    bool formal = false;

    xml_feed(s->xml, bytes);
    do {
        xml_next(s->xml, &item);
        take_item(s, &item);
        if (s->restart_asked || s->discard_input || s->state == STREAM_FLUSHING)
            return;
        formal |= item.kind == XML_HEADER || item.kind == XML_ELEMENT;
    } while (item.kind != XML_MORE);
    if (formal && s->state == STREAM_OPEN)
        xml_rest(s->xml);
}

/* After SASL the peer may have sent its new header in the same packet: the rest of the chunk
 * belongs to the new parser. After STARTTLS the rest is dropped unread (5.4.3.3). */
static void feed_all(struct stream *s, struct slice bytes)
{
    while (bytes.len && s->state != STREAM_FLUSHING && !s->discard_input) {
        if (s->restart_asked) {
            s->restart_asked = false;
            stream_parser_new(s);
        }
        feed(s, bytes);
        if (!s->restart_asked)
            return;
        bytes = slice_from_offset(bytes, bytes.len - xml_unused(s->xml));
    }
}

void stream_on_data(void *arg, struct slice plain)
{
    struct stream *s = arg;

    s->last_input_ms = loop_now_ms(s->loop);
    s->bytes_in += plain.len;
    s->read_us = loop_now_us(s->loop);
    if (s->state == STREAM_FLUSHING || s->discard_input)
        return; /* taken off the wire so that the peer can finish, never looked at */
    if (s->state == STREAM_NEGOTIATING && s->bytes_in > s->o.preauth_bytes) {
        stream_fail_and_tell(s, FAULT_PREAUTH_BYTES);
        return;
    }
    feed_all(s, plain);
}

/* --- pausing --- */

void stream_pause(struct stream *s)
{
    s->paused = true;
    conn_pause(s->conn);
}

void stream_run_resume(struct task *t)
{
    struct stream *s = LIST_ENTRY(t, struct stream, resume_task);

    if (s->paused)
        return;
    deliver_backlog(s, false);
    if (!s->paused)
        conn_resume(s->conn);
}

void stream_resume(struct stream *s)
{
    s->paused = false;
    loop_post(s->loop, &s->resume_task);
}

/* The peer could go on for ever: what fits into no socket buffer is another day's. */
#define DRAIN_BYTES_MAX (1u << 22)

void stream_run_drained(struct task *t)
{
    stream_deliver_all(LIST_ENTRY(t, struct stream, drained_task));
}

void stream_drain_input(struct stream *s)
{
    conn_drain_input(s->conn, DRAIN_BYTES_MAX);
    loop_post(s->loop, &s->drained_task); /* behind the reading: what a pause held back, too */
}
