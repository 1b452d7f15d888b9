#include "link/pair_private.h"

static const char *const state_words[] = {
#define STATE(id, word, text) [PAIR_##id] = word,
#include "link/pair.def"
#undef STATE
};

const char *pair_state_word(enum pair_state state)
{
    return state_words[state];
}

/* --- rules --- */

/* Would the link be made today as it is? */
static bool link_fits(const struct pair *p)
{
    const struct policy_rule *rule = pair_rule(p);

    if (!pair_may_link(p))
        return false;
    if (p->state != PAIR_OPEN)
        return true;
    return policy_has_method(rule, p->verdict.method) && (p->verdict.tls || !rule->tls_required);
}

/* What failed may work under the new rules. */
static void configure(struct pair *p)
{
    remote_alive(p->at);
    pair_forget_failure(p);
    if (!p->out || link_fits(p))
        return;
    pair_close_link(p, FAULT_CONFIG_CHANGED);
    if (!pair_may_link(p) && !p->q.unacked_count) /* else in their order, when it is closed */
        pair_refuse_waiting(p);
}

void pairs_configure(struct site *site)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos)))
        configure(p);
}

/* --- time --- */

static void tick(struct pair *p)
{
    uint64_t idle_ms = p->site->settings->idle_ms;

    if (p->state == PAIR_OPEN) {
        p->was_open_ms = pair_now(p);
        if (!outq_count(&p->q) && s2s_out_idle_ms(p->out) >= idle_ms)
            pair_close_link(p, FAULT_NONE);
        return;
    }
    if (outq_count(&p->q) || p->out || p->state == PAIR_CLAIMING || p->state == PAIR_HANDING)
        return;
    if (pair_now(p) - p->since_ms >= PAIR_FORGET_MS && backoff_over(&p->backoff, pair_now(p)))
        pair_free(p);
}

void pairs_tick(struct site *site)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos)))
        tick(p);
}

/* --- the end --- */

/* What was written may still be acknowledged; the rest ends here. */
void pairs_bounce(struct site *site, enum bounce why)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos)))
        outq_flush(&p->q, !p->out, FATE_BOUNCED, why, slice_none());
}

void pairs_cut(struct site *site)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos))) {
        if (!p->out || !outq_begins_with_relayed(&p->q))
            continue;
        s2s_out_abort(p->out, FAULT_SHUTDOWN);
        pair_close_queue(p);
    }
}

void pairs_shutdown(struct site *site)
{
    size_t pos = 0;
    struct pair *p;

    pairs_bounce(site, BOUNCE_DRAIN);
    while ((p = map_next(&site->pairs, &pos)))
        if (!p->out && !outq_count(&p->q))
            pair_free(p);
}

/* --- showing --- */

static uint64_t retry_ms(const struct pair *p)
{
    uint64_t now = pair_now(p);

    if (p->state == PAIR_WAITING)
        return p->wait.at_ms > now ? p->wait.at_ms - now : 0;
    return p->state == PAIR_IDLE ? remote_wait_ms(p->at, p, pair_rule(p)->index) : 0;
}

void pair_describe(const struct pair *p, struct pair_row *row)
{
    row->local = p->local;
    row->remote = p->remote;
    row->state = pair_state_word(p->state);
    row->verdict = &p->verdict;
    row->link_id = p->out ? s2s_out_link(p->out)->id : 0;
    row->queue_count = outq_count(&p->q);
    row->queue_bytes = p->q.bytes;
    row->unacked_count = p->q.unacked_count;
    row->oldest_ms = outq_oldest_ms(&p->q, pair_now(p));
    row->since_ms = pair_now(p) - p->since_ms;
    row->retry_ms = retry_ms(p);
    row->failures_count = p->backoff.failures_count;
    row->last_failure = p->failure == BOUNCE_MAX ? NULL : bounce_word(p->failure);
    row->last_detail = p->failure_detail;
    row->last_node = p->failure_node;
    row->token = p->grant.token;
}
