/* router/link/s2s_in_dialback.c - dialback on an inbound stream: as receiving server (db:result)
 * and as authoritative server (db:verify). XEP-0220 2.2, 2.5; XEP-0344.
 */
#include "link/s2s_in_private.h"

static void put(struct s2s_in *in, const struct dialback *d)
{
    if (!in->stream || stream_ending(in->stream))
        return;
    dialback_format(d, stream_out(in->stream));
    stream_touch(in->stream);
}

/* Anybody may bring keys that nobody can check, as many as he likes, on open streams too. */
static void log_refusal(struct s2s_in *in, const struct dialback *d)
{
    uint64_t swallowed = 0;

    if (!site_log_stranger(in->site, &swallowed))
        return;
    LOG(site_log(in->site), LOG_INFO, "s2s_in.dialback", LOG_INT("link", in->link.id),
        LOG_SLICE("local", d->from), LOG_SLICE("remote", d->to),
        LOG_TEXT("outcome", d->type == DIALBACK_ERROR ? "error" : "invalid"),
        LOG_SLICE("condition", d->condition), LOG_INT("suppressed", swallowed));
}

/* The answer swaps from and to (DB-10). */
static void answer(struct s2s_in *in, struct slice from, struct slice to, enum dialback_type type,
                   const char *condition)
{
    const struct dialback d = {
        .name = DIALBACK_RESULT,
        .type = type,
        .from = to,
        .to = from,
        .condition = slice_from(condition),
    };

    if (type != DIALBACK_VALID)
        log_refusal(in, &d);
    put(in, &d);
}

/* --- the authority's word --- */

/* The question is over for its pair; its connection takes its time to close. */
static struct in_pair *detach(struct key_check *k)
{
    struct in_pair *p = k->pair;

    if (p) {
        p->check = NULL;
        p->in->pending_count--;
    }
    k->pair = NULL;
    return p;
}

void s2s_in_drop_check(struct in_pair *p)
{
    struct key_check *k = p->check;

    detach(k);
    s2s_out_close(k->out, FAULT_NONE);
}

/* DB-18: where other pairs live, the stream does. */
static void not_genuine(struct s2s_in *in, struct slice from, struct slice to)
{
    if (in->valid_count) {
        answer(in, from, to, DIALBACK_ERROR, "forbidden");
        return;
    }
    answer(in, from, to, DIALBACK_INVALID, "");
    stream_close(in->stream);
}

static void on_verified(void *arg, enum verify_outcome outcome, const char *condition)
{
    struct in_pair *p = detach(arg);
    struct s2s_in *in;

    if (!p)
        return;
    in = p->in;
    if (outcome == VERIFY_VALID && !stream_ending(in->stream)) {
        s2s_in_pair_valid(p, METHOD_DIALBACK); /* DB-17: the mark precedes the answer */
        answer(in, p->from, p->to, DIALBACK_VALID, "");
        return;
    }
    if (outcome == VERIFY_ERROR)
        answer(in, p->from, p->to, DIALBACK_ERROR, condition);
    else if (outcome == VERIFY_INVALID)
        not_genuine(in, p->from, p->to);
    s2s_in_pair_free(p); /* it may ask anew at once */
}

static void on_verify_closed(void *arg, enum bounce why, const char *detail)
{
    struct key_check *k = arg;

    (void)why;
    (void)detail;
    assert(!k->pair); /* it was told an outcome, or let go of it */
    k->site->verify_count--;
    tally_give(&k->site->askers, &k->asker);
    mem_free(k);
}

static const struct s2s_out_handler verify_handler = {
    .verified = on_verified,
    .closed = on_verify_closed,
};

/* --- receiving server --- */

static void start_check(struct in_pair *p, struct slice key)
{
    struct s2s_in *in = p->in;
    struct key_check *k = MEM_NEW(struct key_check);

    k->site = in->site;
    k->pair = p;
    k->asker = *conn_peer(stream_conn(in->stream));
    p->check = k;
    in->pending_count++;
    in->site->verify_count++;
    k->out = s2s_out_verify(in->site, p->to, p->from, slice_from(in->stream_id), key,
                            &verify_handler, k);
}

/* LIMIT-09. True: one more is counted for the address. */
static bool may_ask(const struct s2s_in *in)
{
    struct site *site = in->site;

    return in->pending_count < S2S_IN_PENDING_MAX && site->verify_count < SITE_VERIFY_MAX &&
           tally_take(&site->askers, conn_peer(stream_conn(in->stream)), SITE_VERIFY_ADDRESS_MAX);
}

static void verify(struct s2s_in *in, struct slice from, struct slice to, struct slice key)
{
    if (!may_ask(in)) {
        answer(in, from, to, DIALBACK_ERROR, "resource-constraint");
        return;
    }
    start_check(s2s_in_pair_new(in, from, to), key);
    /* Once: a key that comes in the negotiation's own time has the question's in full, and an
     * endless row of keys buys no endless stay. */
    if (!in->extended)
        stream_extend_deadline(in->stream, in->site->settings->dialback_ms);
    in->extended = true;
}

void s2s_in_forget_pending(struct s2s_in *in)
{
    struct in_pair *p;
    size_t pos = 0;

    while ((p = map_next(&in->pairs, &pos)))
        if (p->check)
            s2s_in_pair_free(p);
}

void s2s_in_refuse_pending(struct in_pair *p, const char *condition)
{
    answer(p->in, p->from, p->to, DIALBACK_ERROR, condition);
    s2s_in_pair_free(p);
}

/* DB-20: a key that came late in the negotiation, whose authority is silent so far. */
void s2s_in_on_late(void *arg)
{
    struct s2s_in *in = arg;
    struct in_pair *p;
    size_t pos = 0;

    while ((p = map_next(&in->pairs, &pos)))
        if (p->check)
            s2s_in_refuse_pending(p, "remote-server-timeout");
}

static void take_key(struct s2s_in *in, struct slice from, struct slice to, struct slice key)
{
    const struct policy_rule *rule = s2s_in_rule(in, to, from);
    struct in_pair *p = s2s_in_pair(in, from, to);
    const struct judge_case c = {.stream = in->stream, .domain = from};
    const char *why_not;

    if (p && !p->valid)
        return; /* its key is being checked: one question at a time (DB-03) */
    if (!(rule->allow & ALLOW_IN))
        answer(in, from, to, DIALBACK_ERROR, "forbidden");
    else if (rule->tls_required && !in->secured)
        s2s_in_fail(in, FAULT_TLS_REQUIRED);
    else if (p)
        answer(in, from, to, DIALBACK_VALID, "");
    else if (map_count(&in->pairs) >= S2S_IN_PAIRS_MAX)
        answer(in, from, to, DIALBACK_ERROR, "resource-constraint");
    else if (in->secured && policy_has_method(rule, METHOD_PKIX) &&
             judge_pkix(in->site, &c, &why_not)) {
        s2s_in_pair_valid(s2s_in_pair_new(in, from, to), METHOD_PKIX); /* DB-31 */
        answer(in, from, to, DIALBACK_VALID, "");
    } else if (!policy_has_method(rule, METHOD_DIALBACK))
        answer(in, from, to, DIALBACK_ERROR, "not-authorized");
    else
        verify(in, from, to, key);
}

static void take_result(struct s2s_in *in, const struct dialback *d)
{
    struct domain from;
    struct domain to;

    /* DB-12: refused without a look-up. */
    if (!d->from.ptr || !d->to.ptr || domain_parse(d->from, &from) || domain_parse(d->to, &to) ||
        site_local(in->site, domain_slice(&from))) {
        s2s_in_fail(in, FAULT_DIALBACK_ADDRESS);
        return;
    }
    if (!site_local(in->site, domain_slice(&to))) {
        answer(in, d->from, d->to, DIALBACK_ERROR, "item-not-found"); /* DB-11 */
        return;
    }
    take_key(in, domain_slice(&from), domain_slice(&to), d->key);
}

/* --- authoritative server --- */

/* DB-22: by the element's own attributes, on any stream, authenticated or not (DB-23). */
static void take_verify(struct s2s_in *in, const struct dialback *d)
{
    struct domain from;
    struct domain to;
    struct dialback reply = {
        .name = DIALBACK_VERIFY,
        .type = DIALBACK_INVALID,
        .from = d->to,
        .to = d->from,
        .id = d->id,
    };

    if (!d->from.ptr || !d->to.ptr || !d->id.ptr || domain_parse(d->from, &from) ||
        domain_parse(d->to, &to)) {
        s2s_in_fail(in, FAULT_DIALBACK_ADDRESS);
        return;
    }
    counter_add(loop_counters(in->site->loop), COUNTER_DIALBACK_ANSWERED, 1);
    if (!site_local(in->site, domain_slice(&to))) {
        reply.type = DIALBACK_ERROR;
        reply.condition = SLICE("item-not-found");
    } else if (dialback_key_fits(&in->site->settings->dialback, domain_slice(&from),
                                 domain_slice(&to), d->id, d->key)) {
        reply.type = DIALBACK_VALID;
    }
    put(in, &reply);
}

void s2s_in_dialback(struct s2s_in *in, const struct dialback *d)
{
    if (d->type != DIALBACK_REQUEST) { /* DB-24 */
        counter_add(loop_counters(in->site->loop), COUNTER_DIALBACK_STRAY, 1);
        return;
    }
    if (d->name == DIALBACK_RESULT)
        take_result(in, d);
    else
        take_verify(in, d);
}
