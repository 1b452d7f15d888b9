#include "session/dnsclient.h"

#include "session/dnstry.h"

#include <stdio.h>

#define TRIES_MAX (RESOLVER_SERVERS_MAX * DNSCLIENT_ROUNDS_MAX)

struct attempt {
    struct dns_try *try; /* NULL: over */
    struct dns_server *server;
    struct dns_query *query;
};

struct dns_query {
    struct dnsclient *client;
    char key_buf[DNS_KEY_MAX];
    struct slice key;
    char name[DNS_NAME_TEXT_MAX]; /* where the aliases have led */
    enum dns_type type;
    struct list waiters;
    struct list turn;   /* linked: waits to begin */
    bool for_stranger;
    struct timer timer; /* the next server's turn, or the end */
    uint64_t started_us;
    uint64_t deadline_ms;
    struct dns_server *order[RESOLVER_SERVERS_MAX];
    size_t order_count;
    size_t place; /* in the order: who is next */
    unsigned round;
    struct attempt attempts[TRIES_MAX];
    size_t attempt_count;
    bool all_answered; /* in this round, though nothing useful */
    bool only_trusted;
    unsigned alias_count;
    uint32_t ttl_s; /* least so far */
    bool secure;    /* so far */
    const char *why;
};

static void next_server(struct dns_query *q);

/* ---- the end ---- */

static void close_attempts(struct dns_query *q)
{
    for (size_t i = 0; i < q->attempt_count; i++)
        if (q->attempts[i].try)
            dns_try_close(q->attempts[i].try);
    q->attempt_count = 0;
}

static void free_query(struct dns_query *q)
{
    close_attempts(q);
    timer_stop(&q->timer);
    list_remove(&q->turn);
    q->client->strangers_count -= q->for_stranger;
    map_remove(&q->client->queries, q->key);
    mem_free(q);
}

static void tell(struct list *waiters, struct dns_set *set)
{
    while (!list_empty(waiters)) {
        struct dns_waiter *w = LIST_FIRST(waiters, struct dns_waiter, node);

        list_remove(&w->node);
        w->done(w, set);
    }
}

static void count(struct dns_query *q, const struct dns_set *set, bool timeout)
{
    struct counters *counters = loop_counters(q->client->loop);
    enum counter_cell cell = set->outcome == DNS_FOUND    ? COUNTER_DNS_OK
                             : set->outcome == DNS_ABSENT ? COUNTER_DNS_ABSENT
                             : timeout                    ? COUNTER_DNS_TIMEOUT
                                                          : COUNTER_DNS_FAILED;

    counter_add(counters, cell, 1);
    counter_observe(counters, COUNTER_DNS_TIME, loop_now_us(q->client->loop) - q->started_us);
}

/* Takes `set`. The query is gone before anybody hears: they may ask the same again. */
static void finish(struct dns_query *q, struct dns_set *set, bool timeout)
{
    struct list waiters;

    list_init(&waiters);
    list_append_all(&waiters, &q->waiters);
    dnscache_put(&q->client->cache, q->key, set, loop_now_ms(q->client->loop));
    count(q, set, timeout);
    free_query(q);
    tell(&waiters, set);
    dns_set_unref(set);
}

static void fail(struct dns_query *q, enum dns_outcome outcome, const char *why)
{
    struct dns_set *set = dns_set_new(outcome, why, NULL, 0);

    set->ttl_s = DNSCLIENT_FAILURE_S;
    finish(q, set, false);
}

static void run_out(struct dns_query *q)
{
    struct dns_set *set = dns_set_new(DNS_FAILED, q->why ? q->why : "no answer", NULL, 0);

    set->ttl_s = DNSCLIENT_FAILURE_S;
    finish(q, set, true);
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* RFC 2308: what is absent is so for as long as its zone said. */
static void succeed(struct dns_query *q, const struct dns_answer *a)
{
    bool found = a->count || a->unusable;
    const char *why = found ? "" : a->rcode == DNS_NXDOMAIN ? "NXDOMAIN" : "no record";
    uint32_t most_s = found ? RESOLVER_TTL_MAX_S : RESOLVER_NEGATIVE_MAX_S;
    struct dns_set *set = dns_set_new(found ? DNS_FOUND : DNS_ABSENT, why, a->records, a->count);

    set->unusable = a->unusable;
    set->secure = q->secure;
    set->ttl_s = least(least(a->ttl_s, q->ttl_s), most_s);
    finish(q, set, false);
}

/* ---- order of servers ---- */

static bool is_shunned(const struct dns_server *s, uint64_t now_ms)
{
    return s->shun_until_ms > now_ms;
}

/* As configured, but those that failed lately behind the others, the longest ago first. */
static void put_in_order(struct dns_query *q)
{
    struct dnsclient *c = q->client;
    uint64_t now_ms = loop_now_ms(c->loop);
    size_t n = 0;

    for (size_t i = 0; i < c->server_count; i++) {
        struct dns_server *s = &c->servers[i];
        uint64_t shun = is_shunned(s, now_ms) ? s->shun_until_ms : 0;
        size_t at = n++;

        while (at > 0 && is_shunned(q->order[at - 1], now_ms) &&
               q->order[at - 1]->shun_until_ms > shun) {
            q->order[at] = q->order[at - 1];
            at--;
        }
        q->order[at] = s;
    }
    q->order_count = n;
}

/* ---- what a try came to ---- */

static bool any_open(const struct dns_query *q)
{
    for (size_t i = 0; i < q->attempt_count; i++)
        if (q->attempts[i].try)
            return true;
    return false;
}

/* Somebody failed at once: the next one's turn comes at once too. With all of a round having
 * answered that they cannot, it is over; if some were not reached, the timer brings a new round. */
static void go_on(struct dns_query *q)
{
    if (q->place < q->order_count)
        next_server(q);
    else if (q->all_answered && !any_open(q))
        fail(q, DNS_FAILED, q->why);
}

static void shun(struct dns_query *q, struct dns_server *s)
{
    s->shun_until_ms = loop_now_ms(q->client->loop) + DNSCLIENT_SHUN_MS;
}

/* Nonsense is an answer, too, and comes at once: most likely all servers have it from the zone
 * (aliases in a circle), whose owner must not have them shunned or asked over and over. */
static void not_reached(struct dns_query *q, struct dns_server *s, enum err e)
{
    if (e != ERR_SYNTAX) {
        shun(q, s);
        q->all_answered = false;
    }
    q->why = err_text(e);
    go_on(q);
}

static const char *rcode_word(const struct dns_answer *a)
{
    static const char *const words[] = {[DNS_FORMERR] = "FORMERR",
                                        [DNS_SERVFAIL] = "SERVFAIL",
                                        [DNS_NOTIMP] = "NOTIMP",
                                        [DNS_REFUSED] = "REFUSED"};

    if (a->lame)
        return "the server does not resolve";
    return a->rcode < COUNT(words) && words[a->rcode] ? words[a->rcode] : "an unknown error";
}

/* Also those asked before, who are only slower. */
static void leave_to_trusted(struct dns_query *q)
{
    q->only_trusted = true;
    for (size_t i = 0; i < q->attempt_count; i++)
        if (q->attempts[i].try && !q->attempts[i].server->trusted) {
            dns_try_close(q->attempts[i].try);
            q->attempts[i].try = NULL;
        }
}

/* An answer that says neither yes nor no. */
static void useless(struct dns_query *q, const struct dns_server *s, const struct dns_answer *a)
{
    q->why = rcode_word(a);
    if (s->trusted && a->rcode == DNS_SERVFAIL) {
        leave_to_trusted(q);
        if (a->bogus) {
            fail(q, DNS_BOGUS, "DNSSEC validation failed");
            return;
        }
    }
    go_on(q);
}

static void begin(struct dns_query *q)
{
    q->round = 0;
    q->place = 0;
    q->all_answered = true;
    q->why = NULL;
    put_in_order(q);
    next_server(q);
}

/* RFC 1034 5.2.2: the server did not follow the alias, we do. */
static void follow_alias(struct dns_query *q, const struct dns_answer *a)
{
    if (++q->alias_count > DNS_CNAME_MAX || !slice_to_cstr(a->alias, q->name, sizeof(q->name))) {
        fail(q, DNS_FAILED, "too many aliases");
        return;
    }
    q->ttl_s = least(q->ttl_s, a->ttl_s);
    close_attempts(q);
    begin(q);
}

static bool is_useful(const struct dns_answer *a)
{
    return (a->rcode == DNS_NOERROR && !a->lame) || a->rcode == DNS_NXDOMAIN;
}

static void tried(void *arg, struct dns_try *t, enum err e, const struct dns_answer *a)
{
    struct attempt *at = arg;
    struct dns_query *q = at->query;
    struct dns_server *s = at->server;

    if (dns_try_mangled(t) && !e)
        s->mangled_count++;
    if (e || !is_useful(a)) {
        struct dns_answer copy = e ? (struct dns_answer){0} : *a; /* numbers only from here on */

        at->try = NULL;
        dns_try_close(t);
        if (e)
            not_reached(q, s, e);
        else
            useless(q, s, &copy);
        return;
    }
    s->shun_until_ms = 0;
    q->secure = q->secure && s->trusted && a->ad;
    if (a->alias.len)
        follow_alias(q, a);
    else
        succeed(q, a);
}

/* ---- the schedule ---- */

static bool may_ask(const struct dns_query *q, const struct dns_server *s)
{
    return s->trusted || !q->only_trusted;
}

static struct dns_server *pick(struct dns_query *q)
{
    while (q->place < q->order_count) {
        struct dns_server *s = q->order[q->place++];

        if (may_ask(q, s) && q->attempt_count < TRIES_MAX)
            return s;
    }
    return NULL;
}

static enum err ask(struct dns_query *q, struct dns_server *s)
{
    struct attempt *at = &q->attempts[q->attempt_count];
    enum err e;

    *at = (struct attempt){.server = s, .query = q};
    e = dns_try_open(q->client->loop, &s->addr, q->name, q->type,
                     s->mangled_count >= DNSCLIENT_MANGLED_MAX, tried, at, &at->try);
    if (!e)
        q->attempt_count++;
    return e;
}

/* What was lost in one burst is not repeated in one: some chance in each wait. */
static void arm(struct dns_query *q)
{
    uint64_t now_ms = loop_now_ms(q->client->loop);
    uint64_t wait_ms = DNSCLIENT_FIRST_WAIT_MS << q->round;
    uint64_t after_ms = wait_ms + random_below(loop_random(q->client->loop), wait_ms / 8);
    uint64_t left_ms = q->deadline_ms > now_ms ? q->deadline_ms - now_ms : 0;

    timer_start(&q->timer, after_ms < left_ms ? after_ms : left_ms);
}

/* Asks the next one that can be asked; without one, the timer goes on. */
static void next_server(struct dns_query *q)
{
    struct dns_server *s;

    arm(q);
    while ((s = pick(q)) != NULL) {
        enum err e = ask(q, s);

        if (!e)
            return;
        shun(q, s);
        q->all_answered = false;
        q->why = err_text(e);
    }
    if (q->all_answered && !any_open(q))
        fail(q, DNS_FAILED, q->why);
}

/* A server that is only slow may still answer: its try stays open. */
static void shun_last(struct dns_query *q)
{
    struct attempt *last = q->attempt_count ? &q->attempts[q->attempt_count - 1] : NULL;

    if (!last || !last->try)
        return;
    shun(q, last->server);
    q->all_answered = false;
}

static void on_timer(struct timer *t)
{
    struct dns_query *q = LIST_ENTRY(t, struct dns_query, timer);

    shun_last(q);
    if (loop_now_ms(q->client->loop) >= q->deadline_ms) {
        run_out(q);
        return;
    }
    if (q->place == q->order_count && q->round + 1 < DNSCLIENT_ROUNDS_MAX) {
        q->round++;
        q->place = 0;
        q->all_answered = true;
        put_in_order(q);
    }
    next_server(q);
}

/* ---- pace ---- */

/* Begins as many as the pace allows; the others have their turn a little later. */
static void pump(struct dnsclient *c)
{
    while (!list_empty(&c->turns) && bucket_take(&c->pace, 1, loop_now_ms(c->loop))) {
        struct dns_query *q = LIST_FIRST(&c->turns, struct dns_query, turn);

        list_remove(&q->turn);
        begin(q);
    }
    if (!list_empty(&c->turns))
        timer_start(&c->pace_timer, DNSCLIENT_PACE_MS);
}

static void on_pump(struct task *task)
{
    pump(LIST_ENTRY(task, struct dnsclient, pump));
}

static void on_pace(struct timer *t)
{
    pump(LIST_ENTRY(t, struct dnsclient, pace_timer));
}

static void take_turn(struct dns_query *q)
{
    struct dnsclient *c = q->client;

    list_remove(&q->turn);
    list_push(&c->turns, &q->turn);
    if (!timer_running(&c->pace_timer))
        loop_post(c->loop, &c->pump);
}

/* From its own name again. */
static void start(struct dns_query *q)
{
    struct slice name = slice_from_offset(q->key, 1);

    memset(q->name, 0, sizeof(q->name));
    memcpy(q->name, name.ptr, name.len);
    q->alias_count = 0;
    q->ttl_s = UINT32_MAX;
    q->secure = true;
    q->only_trusted = false;
    take_turn(q);
}

static struct dns_query *new_query(struct dnsclient *c, struct slice name, enum dns_type type,
                                   bool for_stranger)
{
    struct dns_query *q = MEM_NEW(struct dns_query);

    q->for_stranger = for_stranger;
    c->strangers_count += for_stranger;

    q->client = c;
    q->key = dns_key(q->key_buf, name, type);
    q->type = type;
    list_init(&q->waiters);
    list_init(&q->turn);
    timer_init(&q->timer, c->loop, on_timer);
    q->started_us = loop_now_us(c->loop);
    q->deadline_ms = loop_now_ms(c->loop) + c->question_ms;
    map_add(&c->queries, q->key, q);
    start(q);
    return q;
}

bool dns_is_localhost(struct slice name)
{
    return slice_is(name, "localhost") || slice_ends(name, SLICE(".localhost"));
}

static struct dns_set *local_answer(enum dns_type type)
{
    struct dns_record r = {.type = type};

    if (type != DNS_A && type != DNS_AAAA)
        return dns_set_new(DNS_ABSENT, "NXDOMAIN", NULL, 0);
    if (addr_parse_ip(type == DNS_A ? SLICE("127.0.0.1") : SLICE("::1"), 0, &r.addr))
        assert(!"an address");
    return dns_set_new(DNS_FOUND, "", &r, 1);
}

static bool has_room(const struct dnsclient *c, bool for_stranger)
{
    if (for_stranger && c->strangers_count >= RESOLVER_STRANGERS_MAX)
        return false;
    return map_count(&c->queries) < RESOLVER_INFLIGHT_MAX;
}

struct dns_set *dnsclient_ask(struct dnsclient *c, struct slice name, enum dns_type type,
                              struct dns_waiter *w)
{
    char buf[DNS_KEY_MAX];
    struct slice key = dns_key(buf, name, type);
    struct dns_query *q = map_find(&c->queries, key);
    struct dns_set *set;

    if (dns_is_localhost(name))
        return local_answer(type);
    set = dnscache_find(&c->cache, key, loop_now_ms(c->loop));
    if (set) {
        counter_add(loop_counters(c->loop), COUNTER_DNS_CACHED, 1);
        return dns_set_ref(set);
    }
    if (!q && !has_room(c, w->for_stranger))
        return dns_set_new(DNS_FAILED, "too many questions at once", NULL, 0);
    if (!q)
        q = new_query(c, name, type, w->for_stranger);
    list_push(&q->waiters, &w->node);
    return NULL;
}

void dns_waiter_init(struct dns_waiter *w, void (*done)(struct dns_waiter *w, struct dns_set *set))
{
    list_init(&w->node);
    w->done = done;
    w->for_stranger = false;
}

void dns_waiter_cancel(struct dns_waiter *w)
{
    if (list_linked(&w->node))
        list_remove(&w->node);
}

void dnsclient_forget(struct dnsclient *c, struct slice name, enum dns_type type)
{
    char buf[DNS_KEY_MAX];

    dnscache_drop(&c->cache, dns_key(buf, name, type));
}

/* ---- life ---- */

void dnsclient_init(struct dnsclient *c, struct loop *l)
{
    uint64_t seed[2];

    memset(c, 0, sizeof(*c));
    c->loop = l;
    list_init(&c->turns);
    task_init(&c->pump, on_pump);
    timer_init(&c->pace_timer, l, on_pace);
    bucket_init(&c->pace, DNSCLIENT_BURST, DNSCLIENT_PER_SECOND, loop_now_ms(l));
    random_fill(loop_random(l), seed, sizeof(seed));
    map_init(&c->queries, seed);
    dnscache_init(&c->cache, seed);
}

void dnsclient_fini(struct dnsclient *c)
{
    struct dns_query *q;

    for (size_t pos = 0; (q = map_next(&c->queries, &pos)) != NULL;) {
        assert(list_empty(&q->waiters));
        free_query(q);
    }
    task_cancel(&c->pump);
    timer_stop(&c->pace_timer);
    map_fini(&c->queries);
    dnscache_fini(&c->cache);
}

/* DNSSEC-02: AD counts from this machine and from those the operator listed. */
static bool is_trusted(const struct resolver_options *o, const struct addr *server)
{
    bool trusted = addr_is_loopback(server);

    for (size_t i = 0; i < o->trusted_count; i++)
        trusted = trusted || addr_net_has(&o->trusted[i], server);
    return trusted && o->dnssec != DNSSEC_MODE_OFF;
}

/* What servers said is as good as they were: with others, it is asked anew. */
static void set_servers(struct dnsclient *c, const struct resolver_options *o)
{
    bool same = c->server_count == o->server_count;

    for (size_t i = 0; i < o->server_count; i++) {
        struct dns_server s = {.addr = o->servers[i], .trusted = is_trusted(o, &o->servers[i])};

        same = same && addr_eq(&c->servers[i].addr, &s.addr) && c->servers[i].trusted == s.trusted;
        c->servers[i] = s;
    }
    c->server_count = o->server_count;
    if (!same)
        dnscache_clear(&c->cache);
}

void dnsclient_configure(struct dnsclient *c, const struct resolver_options *o)
{
    struct dns_query *q;

    assert(o->server_count > 0 && o->server_count <= RESOLVER_SERVERS_MAX);
    c->question_ms = o->timeout_ms / 2; /* SRV, then addresses */
    set_servers(c, o);
    for (size_t pos = 0; (q = map_next(&c->queries, &pos)) != NULL;) {
        close_attempts(q);
        timer_stop(&q->timer);
        start(q);
    }
}
