#include "link/entrance.h"

enum err entrance_domain(struct slice address, bool strict_local, struct domain *buf,
                         struct slice *ret_domain)
{
    struct jid jid;
    enum err e = jid_parse(address, strict_local, &jid);

    if (e)
        return e;
    if (domain_is_normal(jid.domain)) {
        *ret_domain = jid.domain;
        return OK;
    }
    e = domain_parse(jid.domain, buf);
    if (!e)
        *ret_domain = domain_slice(buf);
    return e;
}

bool entrance_bad_request(const struct stanza *s)
{
    if (s->kind != STANZA_IQ)
        return false;
    return s->type == STANZA_TYPE_NONE || s->type == STANZA_TYPE_OTHER || !s->id.len ||
           s->flags & STANZA_BAD_IQ;
}

static void pause(struct source *src)
{
    struct entrance *e = LIST_ENTRY(src, struct entrance, source);

    counter_add(loop_counters(e->site->loop), COUNTER_PAUSES, 1);
    stream_pause(e->stream);
    timer_start(&e->pause_over, e->site->router.limits.pause_ms);
}

static void resume(struct source *src)
{
    struct entrance *e = LIST_ENTRY(src, struct entrance, source);

    counter_add(loop_counters(e->site->loop), COUNTER_PAUSED_MS,
                loop_now_ms(e->site->loop) - src->paused_since_ms);
    timer_stop(&e->pause_over);
    if (!e->shut)
        stream_resume(e->stream);
}

/* The pause is over though nothing made room: the queue decides anew with the next stanza. What
 * the whole process holds is not decided by one stanza: then it waits on. */
static void on_pause_over(struct timer *t)
{
    struct entrance *e = LIST_ENTRY(t, struct entrance, pause_over);

    source_release(&e->source);
    entrance_check_memory(e);
}

void entrance_init(struct entrance *e, struct site *site)
{
    e->site = site;
    source_init(&e->source, pause, resume);
    timer_init(&e->pause_over, site->loop, on_pause_over);
}

void entrance_fini(struct entrance *e)
{
    source_fini(&e->source);
    timer_stop(&e->pause_over);
}

void entrance_shut(struct entrance *e)
{
    e->shut = true;
    stream_pause(e->stream);
}

void entrance_check_memory(struct entrance *e)
{
    if (mem_over(e->site->memory))
        gate_hold(&e->site->memory_gate, &e->source, loop_now_ms(e->site->loop));
}
