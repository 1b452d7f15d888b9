#include "link/pair.h"

#include "link/s2s_out.h"

struct pair {
    struct site *site;
    char *key; /* "local remote" */
    struct slice local;
    struct slice remote;
    struct outq q;
    enum pair_state state;
    struct task work;
    struct ask *ask;
    struct s2s_out *out;
    uint64_t token;
    struct verdict verdict;
    struct backoff backoff;
    struct timer wait;
    enum bounce failure; /* of the last attempt; BOUNCE_MAX: none */
    char *failure_detail;
    uint64_t since_ms;
    uint64_t opened_ms;
    uint64_t was_open_ms; /* when it was last open; 0: never */
    uint64_t asked_us;    /* first stanza without a link: time_to_open_seconds */
};

static const char *const state_words[] = {
#define STATE(id, word, text) [PAIR_##id] = word,
#include "link/pair.def"
#undef STATE
};

static const struct outq_ops queue_ops;

static uint64_t now(const struct pair *p)
{
    return loop_now_ms(p->site->loop);
}

/* The only place that writes `state`. */
static void enter(struct pair *p, enum pair_state state)
{
    LOG(site_log(p->site), LOG_DEBUG, "pair.state", LOG_SLICE("local", p->local),
        LOG_SLICE("remote", p->remote), LOG_TEXT("from", state_words[p->state]),
        LOG_TEXT("to", state_words[state]));
    p->state = state;
    p->since_ms = now(p);
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
    backoff_reset(&p->backoff);
    p->failure = BOUNCE_MAX;
    p->opened_ms = p->was_open_ms = now(p);
    if (p->asked_us)
        counter_observe(loop_counters(p->site->loop), COUNTER_TIME_TO_OPEN,
                        loop_now_us(p->site->loop) - p->asked_us);
    p->asked_us = 0;
    enter(p, PAIR_OPEN);
    outq_opened(&p->q, now(p));
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

    outq_acked(&p->q, mark, now(p));
}

/* Nothing new is written; acknowledgements still count until `closed`. */
static void on_ending(void *arg)
{
    struct pair *p = arg;

    if (p->state != PAIR_OPEN)
        return;
    p->was_open_ms = now(p);
    p->q.open = false;
    enter(p, PAIR_ENDING);
    lane_port_changed(&p->q);
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
    return p->was_open_ms && now(p) - p->was_open_ms <= p->site->router.limits.age_ms;
}

static struct slice failure_detail(const struct pair *p)
{
    return p->failure_detail ? slice_from(p->failure_detail) : slice_none();
}

static void remember(struct pair *p, enum bounce why, const char *detail)
{
    p->failure = why;
    mem_free(p->failure_detail);
    p->failure_detail = detail && detail[0] ? mem_strdup(detail) : NULL;
}

static void bounce_waiting(struct pair *p, enum bounce why, struct slice detail)
{
    outq_flush(&p->q, true, FATE_BOUNCED, why, detail);
}

static void attempt_failed(struct pair *p, enum bounce why, const char *detail)
{
    uint64_t wait;

    remember(p, why, detail);
    wait = backoff_fail(&p->backoff, loop_random(p->site->loop), now(p), PAIR_BACKOFF_FIRST_MS,
                        PAIR_BACKOFF_MOST_MS);
    enter(p, PAIR_WAITING);
    timer_start(&p->wait, wait);
    if (!transient(why) || !open_lately(p) || p->site->draining)
        bounce_waiting(p, why, failure_detail(p));
}

/* A link that was open and has stanzas waiting is dialled again at once, after a little jitter. */
static void redial(struct pair *p)
{
    enter(p, PAIR_WAITING);
    timer_start(&p->wait, random_below(loop_random(p->site->loop), PAIR_REDIAL_JITTER_MS));
}

static void release(struct pair *p)
{
    if (p->token)
        seat_release(p->site->seat, p->local, p->remote, p->token);
    p->token = 0;
}

static void on_closed(void *arg, enum bounce why, const char *detail)
{
    struct pair *p = arg;
    bool was_open = p->state == PAIR_ENDING || p->state == PAIR_OPEN;

    p->out = NULL;
    outq_lost(&p->q);
    lane_port_changed(&p->q);
    memset(&p->verdict, 0, sizeof(p->verdict));
    release(p);
    if (was_open && now(p) - p->opened_ms < PAIR_SHORT_MS && outq_count(&p->q))
        attempt_failed(p, why == BOUNCE_MAX ? BOUNCE_LINK_LOST : why, detail);
    else if (!was_open && why != BOUNCE_MAX)
        attempt_failed(p, why, detail);
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

static void on_claimed(void *arg, const struct store_claim *claim)
{
    struct pair *p = arg;

    p->ask = NULL;
    if (p->state != PAIR_CLAIMING)
        return;
    if (!claim->granted) { /* another node's: later versions route there */
        attempt_failed(p, BOUNCE_UNREACHABLE, "the pair belongs to another node");
        return;
    }
    p->token = claim->token;
    enter(p, PAIR_DIALLING);
    p->out = s2s_out_open(p->site, p->local, p->remote, &out_handler, p);
}

static bool policy_allows(const struct pair *p)
{
    return policy_find(p->site->settings->policy, p->local, p->remote)->allow & ALLOW_OUT;
}

static void begin(struct pair *p)
{
    if (!outq_count(&p->q)) {
        enter(p, PAIR_IDLE);
        return;
    }
    if (!policy_allows(p)) {
        enter(p, PAIR_IDLE);
        bounce_waiting(p, BOUNCE_POLICY, slice_none());
        return;
    }
    if (p->site->draining && p->site->reading_stopped) {
        bounce_waiting(p, BOUNCE_DRAIN, slice_none());
        return;
    }
    if (!p->asked_us)
        p->asked_us = loop_now_us(p->site->loop);
    enter(p, PAIR_CLAIMING);
    p->ask = seat_claim(p->site->seat, p->local, p->remote, on_claimed, p);
}

static void on_wait(struct timer *t)
{
    begin(LIST_ENTRY(t, struct pair, wait));
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
        if (p->failure != BOUNCE_MAX && (!transient(p->failure) || !open_lately(p)))
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

static void queue_fate(struct outq *q, struct stanza *s, enum fate fate, enum bounce why,
                       struct slice detail)
{
    struct pair *p = LIST_ENTRY(q, struct pair, q);

    router_fate(&p->site->router, s, fate, why, why == BOUNCE_AGE ? failure_detail(p) : detail);
}

static const struct outq_ops queue_ops = {queue_kick, queue_fate};

/* --- life --- */

struct pair *pair_of_queue(struct outq *q)
{
    return q->ops == &queue_ops ? LIST_ENTRY(q, struct pair, q) : NULL;
}

static struct pair *pair_new(struct site *site, struct slice key, size_t local_len)
{
    struct pair *p = MEM_NEW(struct pair);

    p->site = site;
    p->key = mem_strndup(key);
    p->local = slice_make(p->key, local_len);
    p->remote = slice_make(p->key + local_len + 1, key.len - local_len - 1);
    p->failure = BOUNCE_MAX;
    p->since_ms = loop_now_ms(site->loop);
    outq_init(&p->q, &queue_ops, &site->router.limits);
    task_init(&p->work, run_work);
    timer_init(&p->wait, site->loop, on_wait);
    map_add(&site->pairs, slice_make(p->key, key.len), p);
    site_wake(site);
    return p;
}

static void pair_free(struct pair *p)
{
    map_remove(&p->site->pairs, slice_from(p->key));
    timer_stop(&p->wait);
    task_cancel(&p->work);
    ask_cancel(p->ask);
    lane_port_gone(&p->q);
    outq_fini(&p->q);
    mem_free(p->failure_detail);
    mem_free(p->key);
    mem_free(p);
}

struct outq *pair_queue(struct site *site, struct slice local, struct slice remote)
{
    char buf[PORT_KEY_BYTES_MAX];
    struct slice key = slice_make(buf, router_pair_key(local, remote, buf));
    struct pair *p = map_find(&site->pairs, key);

    if (!p)
        p = pair_new(site, key, local.len);
    return &p->q;
}

void pair_hangs(struct pair *p)
{
    if (p->state == PAIR_OPEN)
        s2s_out_close(p->out, FAULT_DEAD_PEER);
    if (p->state == PAIR_OPEN)
        on_ending(p);
}

void pair_alive(struct site *site, struct slice remote)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos))) {
        if (!slice_eq(p->remote, remote))
            continue;
        backoff_reset(&p->backoff);
        p->failure = BOUNCE_MAX;
        if (p->state == PAIR_WAITING)
            timer_start(&p->wait, 0);
    }
}

void pairs_configure(struct site *site)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos))) {
        if (p->state == PAIR_OPEN && !policy_allows(p)) {
            s2s_out_close(p->out, FAULT_CONFIG_CHANGED);
            on_ending(p);
        }
    }
}

static void tick(struct pair *p)
{
    uint64_t idle_ms = p->site->settings->idle_ms;

    if (p->state == PAIR_OPEN) {
        p->was_open_ms = now(p);
        if (!outq_count(&p->q) && s2s_out_idle_ms(p->out) >= idle_ms) {
            s2s_out_close(p->out, FAULT_NONE);
            on_ending(p);
        }
        return;
    }
    if (outq_count(&p->q) || p->out || p->ask)
        return;
    if (now(p) - p->since_ms >= PAIR_FORGET_MS && backoff_over(&p->backoff, now(p)))
        pair_free(p);
}

void pairs_tick(struct site *site)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos)))
        tick(p);
}

void pairs_bounce(struct site *site, enum bounce why)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos)))
        outq_flush(&p->q, p->state != PAIR_OPEN && p->state != PAIR_ENDING, FATE_BOUNCED, why,
                   slice_none());
}

void pairs_shutdown(struct site *site)
{
    size_t pos = 0;
    struct pair *p;

    while ((p = map_next(&site->pairs, &pos))) {
        bounce_waiting(p, BOUNCE_DRAIN, slice_none());
        if (!p->out && !p->ask)
            pair_free(p);
    }
}

void pair_describe(const struct pair *p, struct pair_row *row)
{
    row->local = p->local;
    row->remote = p->remote;
    row->state = state_words[p->state];
    row->verdict = &p->verdict;
    row->link_id = p->out ? s2s_out_link(p->out)->id : 0;
    row->queue_count = outq_count(&p->q);
    row->queue_bytes = p->q.bytes;
    row->unacked_count = p->q.unacked_count;
    row->oldest_ms = outq_oldest_ms(&p->q, now(p));
    row->since_ms = now(p) - p->since_ms;
    row->retry_ms = p->backoff.until_ms > now(p) ? p->backoff.until_ms - now(p) : 0;
    row->failures_count = p->backoff.failures_count;
    row->last_failure = p->failure == BOUNCE_MAX ? NULL : bounce_word(p->failure);
    row->last_detail = p->failure_detail;
    row->token = p->token;
}
