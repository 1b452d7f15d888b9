#include "link/pair_private.h"

static const struct outq_ops queue_ops;

/* The only place that writes `state`. */
static void enter(struct pair *p, enum pair_state state)
{
    LOG(site_log(p->site), LOG_DEBUG, "pair.state", LOG_SLICE("local", p->local),
        LOG_SLICE("remote", p->remote), LOG_TEXT("from", pair_state_word(p->state)),
        LOG_TEXT("to", pair_state_word(state)));
    p->state = state;
    p->since_ms = pair_now(p);
}

/* --- writing --- */

static void pump(struct pair *p)
{
    struct stanza *s;
    uint64_t mark;

    while (s2s_out_writable(p->out) && (s = outq_peek(&p->q))) {
        if (s2s_out_write(p->out, s, &mark) == OK)
            outq_wrote(&p->q, mark);
        else
            outq_drop_first(&p->q, FATE_BOUNCED, BOUNCE_PEER_LIMIT, slice_none());
    }
}

/* --- the link's events --- */

static void on_opened(void *arg, const struct verdict *verdict)
{
    struct pair *p = arg;

    p->verdict = *verdict;
    pair_alive(p->site, p->remote);
    seat_peer_alive(p->site->seat, p->remote);
    p->opened_ms = p->was_open_ms = pair_now(p);
    if (p->asked_us)
        counter_observe(loop_counters(p->site->loop), COUNTER_TIME_TO_OPEN,
                        loop_now_us(p->site->loop) - p->asked_us);
    p->asked_us = 0;
    enter(p, PAIR_OPEN);
    outq_opened(&p->q, pair_now(p));
    lane_port_changed(&p->q);
}

static void on_drained(void *arg)
{
    pump(arg);
}

static void on_flushed(void *arg, uint64_t mark)
{
    struct pair *p = arg;

    if (p->q.unflushed)
        outq_flushed(&p->q, mark, loop_now_us(p->site->loop), loop_counters(p->site->loop));
}

static void on_acked(void *arg, uint64_t mark)
{
    struct pair *p = arg;

    outq_acked(&p->q, mark, pair_now(p));
    if (p->state == PAIR_HANDING && !p->q.unacked_count)
        s2s_out_close(p->out, FAULT_NONE);
}

static bool transient(enum bounce why)
{
    switch (why) {
    case BOUNCE_DNS_FAILED:
    case BOUNCE_UNREACHABLE:
    case BOUNCE_STREAM_ERROR:
    case BOUNCE_LINK_LOST:
    case BOUNCE_NEGOTIATION:
    case BOUNCE_TLS_FAILED:
    case BOUNCE_DIALBACK_ERROR:
        return true;
    default:
        return false;
    }
}

static bool open_lately(const struct pair *p)
{
    return p->was_open_ms && pair_now(p) - p->was_open_ms <= p->site->router.limits.age_ms;
}

static struct slice text_of(const char *text)
{
    return text ? slice_from(text) : slice_none();
}

static struct slice failure_detail(const struct pair *p)
{
    return text_of(p->failure_detail);
}

/* Somebody else may try now. */
static void end_trial(struct pair *p)
{
    if (p->at->trial == p)
        p->at->trial = NULL;
}

const struct policy_rule *pair_rule(const struct pair *p)
{
    return policy_find(p->site->settings->policy, p->local, p->remote);
}

static char *copy_of(struct slice text)
{
    return text.len ? mem_strndup(text) : NULL;
}

/* `node`: who tried; empty: this one. */
static void remember(struct pair *p, enum bounce why, struct slice detail, struct slice node)
{
    p->failure = why;
    mem_free(p->failure_detail);
    mem_free(p->failure_node);
    p->failure_detail = copy_of(detail);
    p->failure_node = copy_of(node);
}

static void bounce_waiting(struct pair *p, enum bounce why, struct slice detail)
{
    outq_flush(&p->q, true, FATE_BOUNCED, why, detail);
}

/* The queue of a link that was there a moment ago outlives an attempt or two. */
static bool keeps_queue(const struct pair *p)
{
    return transient(p->failure) && open_lately(p) && !p->site->bouncing;
}

void pair_close_queue(struct pair *p)
{
    if (p->state != PAIR_OPEN)
        return;
    p->was_open_ms = pair_now(p);
    p->q.open = false;
    enter(p, PAIR_ENDING);
    lane_port_changed(&p->q);
}

/* An attempt that failed takes its time to close: who waits hears of it now. */
static void on_ending(void *arg, enum bounce why, const char *detail)
{
    struct pair *p = arg;

    pair_close_queue(p);
    if (p->state != PAIR_DIALLING || why == BOUNCE_MAX || why == BOUNCE_CLOSED)
        return;
    remember(p, why, text_of(detail), slice_none());
    if (!keeps_queue(p))
        bounce_waiting(p, why, failure_detail(p));
}

static void wait_failed(struct pair *p, uint64_t ms)
{
    enter(p, PAIR_WAITING);
    timer_start(&p->wait, ms);
    if (!keeps_queue(p))
        bounce_waiting(p, p->failure, failure_detail(p));
}

/* The other nodes are not to try it either. */
static void tell_failure(struct pair *p, bool of_domain, uint64_t ms)
{
    struct outage w = {
        .local = p->local,
        .remote = p->remote,
        .of_domain = of_domain,
        .left_ms = ms,
        .failures_count = (of_domain ? &p->at->backoff : &p->backoff)->failures_count,
        .why = p->failure,
        .detail = failure_detail(p),
    };

    seat_failed(p->site->seat, &w);
}

static void attempt_failed(struct pair *p, enum bounce why, const char *detail)
{
    bool of_domain = remote_concerns(why);
    uint64_t own = backoff_fail(&p->backoff, loop_random(p->site->loop), pair_now(p),
                                PAIR_BACKOFF_FIRST_MS, PAIR_BACKOFF_MOST_MS);

    remember(p, why, text_of(detail), slice_none());
    p->heard_ms = 0;
    if (of_domain)
        own = remote_failed(p->at, pair_rule(p)->index, why, detail);
    tell_failure(p, of_domain, own);
    wait_failed(p, own);
}

/* A link that was open and has stanzas waiting is dialled again at once, after a little jitter. */
static void redial(struct pair *p)
{
    enter(p, PAIR_WAITING);
    timer_start(&p->wait, random_below(loop_random(p->site->loop), PAIR_REDIAL_JITTER_MS));
}

/* Did it end as an attempt that failed? */
static bool failed(const struct pair *p, bool was_open, enum bounce why)
{
    if (why == BOUNCE_CLOSED)
        return false; /* by us */
    if (was_open)
        return outq_count(&p->q) && pair_now(p) - p->opened_ms < PAIR_SHORT_MS;
    return why != BOUNCE_MAX;
}

/* Not ours from here on; what waits follows it when it is known to whom. What this worker took
 * itself waits where that will go which it takes from now on: nothing may get in front. */
static void offer(struct pair *p)
{
    memset(&p->grant, 0, sizeof(p->grant));
    view_offer(p->site->view, slice_from(p->key));
    outq_give_back(&p->q, NULL);
}

static void on_closed(void *arg, enum bounce why, const char *detail)
{
    struct pair *p = arg;
    bool was_open = p->state == PAIR_ENDING || p->state == PAIR_OPEN;

    p->out = NULL;
    timer_stop(&p->wait); /* handing over: it guarded that link */
    outq_lost(&p->q);
    lane_port_changed(&p->q);
    memset(&p->verdict, 0, sizeof(p->verdict));
    end_trial(p);
    if (p->state == PAIR_HANDING)
        offer(p);
    else if (failed(p, was_open, why))
        attempt_failed(p, why == BOUNCE_MAX ? BOUNCE_LINK_LOST : why, detail);
    else if (outq_count(&p->q))
        redial(p);
    else
        enter(p, PAIR_IDLE);
}

static const struct s2s_out_handler out_handler = {
    .opened = on_opened,
    .drained = on_drained,
    .flushed = on_flushed,
    .acked = on_acked,
    .ending = on_ending,
    .closed = on_closed,
};

/* --- getting a link --- */

static void bounce_drained(struct pair *p)
{
    enter(p, PAIR_IDLE);
    bounce_waiting(p, BOUNCE_DRAIN, slice_none());
}

static void dial(struct pair *p)
{
    if (p->at->why != BOUNCE_MAX && !p->at->trial)
        p->at->trial = p;
    enter(p, PAIR_DIALLING);
    p->out = s2s_out_open(p->site, p->local, p->remote, p->grant.until_boot_ms, &out_handler, p);
}

static void claim(struct pair *p)
{
    if (!p->asked_us)
        p->asked_us = loop_now_us(p->site->loop);
    if (pair_is_granted(p)) {
        dial(p);
        return;
    }
    enter(p, PAIR_CLAIMING);
    view_want(p->site->view, slice_from(p->key));
}

static bool may_write(const struct pair *p)
{
    return loop_boot_ms(p->site->loop) <
           atomic_load_explicit(p->grant.until_boot_ms, memory_order_acquire);
}

/* Parked: a stream that may not say a word would fail. */
static void wait_for_right(struct pair *p)
{
    enter(p, PAIR_WAITING);
    timer_start(&p->wait, PAIR_PARKED_MS);
}

/* Another pair, or another node, found out what the domain is like. */
static void wait_for_remote(struct pair *p, uint64_t ms)
{
    remember(p, p->at->why, text_of(p->at->detail), text_of(p->at->node));
    wait_failed(p, ms);
}

/* Another node had the pair, and could not open it. */
static void wait_for_heard(struct pair *p, const struct outage *w)
{
    remember(p, w->why, w->detail, w->node);
    p->backoff.until_ms = pair_now(p) + w->left_ms;
    if (p->backoff.failures_count < w->failures_count)
        p->backoff.failures_count = w->failures_count;
    wait_failed(p, w->left_ms);
}

static bool is_open_there(const struct remote *r)
{
    LIST_WALK(node, &r->pairs)
    if (LIST_ENTRY(node, struct pair, at_remote)->state == PAIR_OPEN)
        return true;
    return false;
}

/* What others found out of the domain counts as found out here, unless we see that it lives. */
static void listen_to_others(struct pair *p)
{
    struct outage w;

    if (!outages_any(&p->site->heard, p->remote) || is_open_there(p->at))
        return;
    if (hearsay_find(p->site, p->local, p->remote, true, &p->at->heard_ms, &w))
        remote_heard(p->at, policy_find(p->site->settings->policy, w.local, w.remote)->index, &w);
}

/* It may dial, as far as it knows what became of attempts elsewhere. */
static bool is_held_back(struct pair *p)
{
    struct outage w;
    uint64_t wait;

    listen_to_others(p);
    wait = remote_wait_ms(p->at, p, pair_rule(p)->index);
    if (wait)
        wait_for_remote(p, wait);
    else if (hearsay_find(p->site, p->local, p->remote, false, &p->heard_ms, &w))
        wait_for_heard(p, &w);
    else
        return false;
    if (p->failure_node)
        counter_add(loop_counters(p->site->loop), COUNTER_DIALS_SPARED, 1);
    return true;
}

bool pair_may_link(const struct pair *p)
{
    return site_local(p->site, p->local) && !site_local(p->site, p->remote) &&
           pair_rule(p)->allow & ALLOW_OUT;
}

/* A domain that is ours now is served here (ROUTE-04). */
void pair_refuse_waiting(struct pair *p)
{
    bool ours = site_local(p->site, p->remote);

    outq_flush(&p->q, true, ours ? FATE_RETURNED : FATE_BOUNCED, BOUNCE_POLICY, slice_none());
}

static void refuse_idle(struct pair *p)
{
    enter(p, PAIR_IDLE);
    pair_refuse_waiting(p);
}

static void begin(struct pair *p)
{
    if (!outq_count(&p->q))
        enter(p, PAIR_IDLE);
    else if (!pair_may_link(p))
        refuse_idle(p);
    else if (p->site->bouncing)
        bounce_drained(p);
    else if (!pair_is_granted(p))
        claim(p); /* it may be another's, whose link is open */
    else if (is_held_back(p))
        return;
    else if (!may_write(p))
        wait_for_right(p);
    else
        claim(p);
}

static void on_wait(struct timer *t)
{
    struct pair *p = LIST_ENTRY(t, struct pair, wait);

    if (p->state == PAIR_HANDING)
        s2s_out_abort(p->out, FAULT_SHUTDOWN);
    else
        begin(p);
}

static void run_work(struct task *t)
{
    struct pair *p = LIST_ENTRY(t, struct pair, work);

    switch (p->state) {
    case PAIR_IDLE:
        begin(p);
        break;
    case PAIR_OPEN:
        pump(p);
        break;
    case PAIR_WAITING: /* in back-off: fail at once with what is known, or wait for the redial */
        if (p->failure != BOUNCE_MAX && !keeps_queue(p))
            bounce_waiting(p, p->failure, failure_detail(p));
        break;
    default:
        break;
    }
}

static void queue_kick(struct outq *q)
{
    struct pair *p = LIST_ENTRY(q, struct pair, q);

    loop_post(p->site->loop, &p->work);
}

/* Of another node, which lives and has it: not ours to end because we do. */
static bool outlives_us(const struct stanza *s, enum bounce why)
{
    const struct lane_rx *rx = s->lane;

    return why == BOUNCE_DRAIN && rx && rx->foreign;
}

static void queue_fate(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                       struct slice detail)
{
    struct pair *p = LIST_ENTRY(q, struct pair, q);

    if (fate == FATE_BOUNCED && outlives_us(s, why))
        fate = FATE_RETURNED;
    router_fate(&p->site->router, s, fate, why, why == BOUNCE_AGE ? failure_detail(p) : detail);
}

static const struct outq_ops queue_ops = {queue_kick, queue_fate};

/* --- whose it is --- */

static struct pair *pair_get(struct site *site, struct slice key);

void pair_granted(struct site *site, struct slice key, const struct view_grant *grant)
{
    struct pair *p = pair_get(site, key);

    p->grant = *grant;
    if (p->out)
        s2s_out_set_until(p->out, grant->until_boot_ms);
    if (p->state == PAIR_CLAIMING || (p->state == PAIR_HANDING && !p->out))
        begin(p);
}

/* What was written may have been received, and is somebody else's to send again: not a byte more
 * of it may go out from here. */
static void withdraw(struct pair *p)
{
    if (p->state == PAIR_OPEN)
        pair_close_queue(p);
    else
        enter(p, PAIR_ENDING);
    s2s_out_abort(p->out, FAULT_PARKED);
    outq_lost(&p->q);
}

void pair_give_up(struct site *site, struct slice key)
{
    struct pair *p = map_find(&site->pairs, key);

    if (!p)
        return;
    memset(&p->grant, 0, sizeof(p->grant));
    end_trial(p);
    if (p->out) {
        withdraw(p);
    } else {
        timer_stop(&p->wait);
        enter(p, PAIR_IDLE);
    }
    outq_flush(&p->q, true, FATE_RETURNED, BOUNCE_MAX, slice_none());
}

static void fall_silent(struct pair *p, uint64_t ack_ms)
{
    bool was_open = p->state == PAIR_OPEN;

    pair_close_queue(p);
    enter(p, PAIR_HANDING);
    if (was_open && p->q.unacked_count)
        timer_start(&p->wait, ack_ms);
    else
        s2s_out_close(p->out, FAULT_NONE);
}

static void hand_over(struct pair *p, uint64_t ack_ms)
{
    if (!pair_is_granted(p) || p->state == PAIR_HANDING)
        return;
    if (p->state == PAIR_ENDING) {
        enter(p, PAIR_HANDING);
    } else if (p->out) {
        fall_silent(p, ack_ms);
    } else {
        timer_stop(&p->wait);
        enter(p, PAIR_HANDING);
        offer(p);
    }
}

void pairs_hand_over(struct site *site, uint64_t ack_ms)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos)))
        hand_over(p, ack_ms);
}

/* --- life --- */

struct pair *pair_of_queue(struct outq *q)
{
    return q->ops == &queue_ops ? LIST_ENTRY(q, struct pair, q) : NULL;
}

static struct pair *pair_new(struct site *site, struct slice key)
{
    struct pair *p = MEM_NEW(struct pair);

    p->site = site;
    p->key = mem_strndup(key);
    router_pair_split(slice_from(p->key), &p->local, &p->remote);
    p->failure = BOUNCE_MAX;
    p->since_ms = loop_now_ms(site->loop);
    outq_init(&p->q, &queue_ops, &site->router.limits);
    task_init(&p->work, run_work);
    timer_init(&p->wait, site->loop, on_wait);
    map_add(&site->pairs, slice_from(p->key), p);
    p->at = remote_join(site, p->remote, &p->at_remote);
    view_owns(site->view, key, &p->grant); /* else it stays empty: not granted */
    site_wake(site);
    return p;
}

void pair_free(struct pair *p)
{
    view_release(p->site->view, slice_from(p->key));
    map_remove(&p->site->pairs, slice_from(p->key));
    end_trial(p);
    remote_leave(p->at, &p->at_remote);
    timer_stop(&p->wait);
    task_cancel(&p->work);
    lane_port_gone(&p->q);
    outq_fini(&p->q);
    mem_free(p->failure_detail);
    mem_free(p->failure_node);
    mem_free(p->key);
    mem_free(p);
}

static struct pair *pair_get(struct site *site, struct slice key)
{
    struct pair *p = map_find(&site->pairs, key);

    return p ? p : pair_new(site, key);
}

struct outq *pair_queue(struct site *site, struct slice key)
{
    return &pair_get(site, key)->q;
}

void pair_forget_failure(struct pair *p)
{
    backoff_reset(&p->backoff);
    p->heard_ms = 0;
    p->failure = BOUNCE_MAX;
    if (p->state == PAIR_WAITING)
        timer_start(&p->wait, 0);
}

void pair_alive(struct site *site, struct slice domain)
{
    struct remote *r = remote_find(site, domain);

    if (!r)
        return;
    remote_alive(r);
    LIST_WALK(node, &r->pairs)
    pair_forget_failure(LIST_ENTRY(node, struct pair, at_remote));
}

void pair_close_link(struct pair *p, enum fault why)
{
    s2s_out_close(p->out, why);
    pair_close_queue(p);
}

void pair_hangs(struct pair *p)
{
    if (p->state == PAIR_OPEN)
        pair_close_link(p, FAULT_DEAD_PEER);
}

void pair_check_right(struct pair *p)
{
    if (!p->out || !pair_is_granted(p) || may_write(p)) {
        p->parked_ms = 0;
        return;
    }
    if (!p->parked_ms)
        p->parked_ms = pair_now(p);
    if (!p->q.unacked_count || pair_now(p) - p->parked_ms < PAIR_LATE_MS)
        return;
    p->parked_ms = pair_now(p);
    pair_close_queue(p);
    s2s_out_abort(p->out, FAULT_PARKED);
}
