#include "session/store_redis_inner.h"

#include <inttypes.h>
#include <stdio.h>

/* For replicas to acknowledge a renewal; the next renewal waits behind it. */
#define WAIT_MS "1000"

/* --- life ----------------------------------------------------------------------------- */

struct redis_call *redis_call_new(struct store_redis *s, store_done_fn *done, void *arg)
{
    struct redis_call *c = MEM_NEW(struct redis_call);

    c->s = s;
    c->done = done;
    c->arg = arg;
    arena_init(&c->arena);
    arena_init(&c->page);
    list_push(&s->calls, &c->node);
    return c;
}

static void forget_waits(struct redis_call *c)
{
    LIST_WALK(node, &c->s->waits)
    {
        struct redis_wait *w = LIST_ENTRY(node, struct redis_wait, node);

        if (w->call == c)
            w->call = NULL;
    }
}

void redis_call_free(struct redis_call *c)
{
    forget_waits(c);
    if (c->s->sweep == c)
        c->s->sweep = NULL;
    list_remove(&c->node);
    arena_fini(&c->arena);
    arena_fini(&c->page);
    mem_free(c);
}

/* Both forget it before they tell: the callback may call again. */
void redis_call_answer(struct redis_call *c, const struct store_answer *a)
{
    if (c->s->sweep == c)
        c->s->sweep = NULL;
    list_remove(&c->node);
    if (c->renewed)
        c->renewed(c->arg, a ? &c->renewal : NULL);
    else if (c->done)
        c->done(c->arg, a);
    redis_call_free(c);
}

void redis_call_lose(struct redis_call *c)
{
    forget_waits(c);
    list_remove(&c->node);
    list_push(&c->s->lost, &c->node);
    loop_post(c->s->store.loop, &c->s->lost_task);
}

void redis_drop_waits(struct store_redis *s)
{
    LIST_WALK(node, &s->waits)
    {
        list_remove(node);
        mem_free(LIST_ENTRY(node, struct redis_wait, node));
    }
}

/* --- errors of Redis ------------------------------------------------------------------------- */

static const struct {
    const char *word;
    const char *text; /* NULL: Redis' own words */
    bool wrong;       /* this is the wrong server: connect anew */
} errors[] = {
    {"READONLY", "it has become a replica; looking for the master", true},
    {"MOVED", "the slot of our keys has moved; following it", true},
    {"ASK", "the slot of our keys is being moved; wait", false},
    {"TRYAGAIN", "the slot of our keys is being moved; wait", false},
    {"CLUSTERDOWN", "the Redis Cluster is down; start its missing members", false},
    {"MASTERDOWN", "it has lost its master; wait for a new one", true},
    {"LOADING", "it is loading its data; wait", false},
    {"BUSY", "it is busy with somebody else's script; SCRIPT KILL ends that", false},
    {"OOM", "its memory is full; raise its maxmemory", false},
    {"MISCONF", "it cannot save to disk, and takes no writes; mend that, see its log", false},
    {"NOREPLICAS", "it has fewer replicas than its min-replicas-to-write; start them", false},
    {"NOPERM", "the user lacks rights; give it those of conf/redis.acl", false},
    {"NOAUTH", "it asks for a password now; check username and password_file", true},
};

/* The call was not carried out. */
void redis_call_refused(struct redis_call *c, const struct resp *reply)
{
    struct store_redis *s = c->s;
    struct redis_link *link = c->link;
    struct slice word = resp_error_word(reply);
    char buf[REDIS_WHY_BYTES];
    const char *text = NULL;
    bool wrong = false;

    for (size_t i = 0; i < COUNT(errors); i++)
        if (slice_is(word, errors[i].word)) {
            text = errors[i].text;
            wrong = errors[i].wrong;
        }
    if (!text)
        text = redis_error_show(reply, buf);
    if (slice_is(word, "MOVED"))
        (void)redis_dial_follow(s->dial, redis_link_place(link), reply->text); /* else the seeds */
    redis_call_lose(c);
    redis_set_down(s, text);
    if (wrong)
        redis_link_break(link, text);
}

/* --- on the way ----------------------------------------------------------------------- */

static void on_reply(void *arg, const struct resp *reply);
static void on_wait(void *arg, const struct resp *reply);

/* Right behind the renewal: the protocol counts what this connection wrote before. */
static void send_wait(struct redis_call *c)
{
    struct store_redis *s = c->s;
    struct redis_wait *w = MEM_NEW(struct redis_wait);
    char replicas[16];
    struct slice words[] = {SLICE("WAIT"), slice_none(), SLICE(WAIT_MS)};

    snprintf(replicas, sizeof(replicas), "%u", s->dial_options.wait_replicas);
    words[1] = slice_from(replicas);
    w->call = c;
    list_push(&s->waits, &w->node);
    redis_link_call(c->link, words, COUNT(words), on_wait, s);
}

static void send_call(struct redis_call *c)
{
    struct store_redis *s = c->s;

    c->words.words[0] = c->sent_whole ? SLICE("EVAL") : SLICE("EVALSHA");
    c->words.words[1] = c->sent_whole ? slice_from(scripts[c->words.script].text)
                                      : slice_from(s->pair.sha[c->words.script]);
    redis_link_call(c->link, c->words.words, c->words.count, on_reply, c);
    if (c->renewed && s->dial_options.wait_replicas)
        send_wait(c);
}

/* Its words are there. Without contact it is lost. */
void redis_call_begin(struct redis_call *c, struct redis_link *link)
{
    c->link = link;
    c->sent_us = loop_now_us(c->s->store.loop);
    c->sent_boot_ms = loop_boot_ms(c->s->store.loop);
    if (link)
        send_call(c);
    else
        redis_call_lose(c);
}

void redis_call_makes_no_sense(struct redis_call *c)
{
    redis_link_break(c->link, "an answer that makes no sense; is the table of another version?");
}

static void note_latency(struct redis_call *c)
{
    struct loop *l = c->s->store.loop;

    c->s->store.state.latency_us = loop_now_us(l) - c->sent_us;
    counter_observe(loop_counters(l), COUNTER_STORE_TIME, c->s->store.state.latency_us);
}

/* Joining removed our rows for people. An answer may come when this node has left. */
static void note_renewal(struct store_redis *s, const struct redis_call *c)
{
    const struct store_renewal *r = &c->renewal;
    struct store_as before = s->store.as;
    struct store_as as = {c->as.incarnation, r->epoch};

    s->store.as = as;
    for (size_t i = 0; i < r->member_count; i++) {
        const struct store_member *m = &r->members[i];

        if (!slice_is(m->node, s->table.node))
            continue;
        if (as.incarnation != before.incarnation || as.epoch != before.epoch ||
            m->joined != s->self.joined)
            redisrows_renew(&s->rows);
        s->listed = as.incarnation > s->left;
        s->renewed_boot_ms = r->sent_boot_ms;
        s->self = *m;
        s->self.node = s->self.addr = slice_none();
    }
}

static void conclude_renewal(struct redis_call *c)
{
    static const struct store_answer answered = {.word = STORE_OK};

    redis_set_up(c->s);
    if (c->renewal.outcome == STORE_RENEWED)
        note_renewal(c->s, c);
    redis_call_answer(c, &answered);
}

/* What a master that is cut off grants gives no right. */
static void too_few_replicas(struct redis_call *c, uint64_t replicas)
{
    struct store_redis *s = c->s;
    char text[REDIS_WHY_BYTES];

    redis_call_lose(c);
    snprintf(text, sizeof(text),
             "%" PRIu64 " replicas have our renewal, store.redis.wait_replicas asks for %u; "
             "start more, or see why they lag",
             replicas, s->dial_options.wait_replicas);
    redis_set_down(s, text);
}

/* A renewal that is not read yet was not known there: another WAIT follows its text. */
static void on_wait(void *arg, const struct resp *reply)
{
    struct store_redis *s = arg;
    struct redis_wait *w = LIST_FIRST(&s->waits, struct redis_wait, node);
    struct redis_call *c = w->call;
    uint64_t replicas;

    list_remove(&w->node);
    mem_free(w);
    if (!c || !c->read)
        return;
    if (reply->kind == RESP_ERROR)
        redis_call_refused(c, reply);
    else if (!resp_to_u64(reply, UINT32_MAX, &replicas))
        redis_call_makes_no_sense(c);
    else if (replicas < s->dial_options.wait_replicas)
        too_few_replicas(c, replicas);
    else
        conclude_renewal(c);
}

static void take_renewal(struct redis_call *c, const struct resp *reply)
{
    if (!rediswords_read_renewal(&c->arena, reply, &c->renewal)) {
        redis_call_makes_no_sense(c);
        return;
    }
    c->renewal.sent_boot_ms = c->sent_boot_ms;
    c->read = true;
    if (!c->s->dial_options.wait_replicas)
        conclude_renewal(c);
}

static void take_answer(struct redis_call *c, const struct resp *reply)
{
    struct store_answer a;

    if (!rediswords_read_answer(&c->s->table, &c->arena, reply, c->row_count, c->as.incarnation,
                                &a)) {
        redis_call_makes_no_sense(c);
        return;
    }
    if (c->s->sweep == c && a.word == STORE_OK)
        redis_sweep_on(c, a.number);
    else
        redis_call_answer(c, &a);
}

static void on_reply(void *arg, const struct resp *reply)
{
    struct redis_call *c = arg;

    note_latency(c);
    if (slice_is(resp_error_word(reply), "NOSCRIPT") && !c->sent_whole) {
        c->sent_whole = true; /* which makes it known again */
        send_call(c);
    } else if (reply->kind == RESP_ERROR) {
        redis_call_refused(c, reply);
    } else if (c->renewed) {
        take_renewal(c, reply);
    } else {
        take_answer(c, reply);
    }
}

/* --- calls of the owner ---------------------------------------------------------------------- */

/* Numbers in the scripts are doubles. */
#define EPOCH_MAX ((1ull << 53) - 1)

void redis_call_renew(struct store *store, const struct store_renew *r, store_renewed_fn *done,
                      void *arg)
{
    struct store_redis *s = redis_of(store);
    struct redis_call *c = redis_call_new(s, NULL, arg);
    uint64_t new_epoch = 1 + random_below(loop_random(store->loop), EPOCH_MAX);

    c->renewed = done;
    c->as.incarnation = r->incarnation;
    rediswords_renew(&s->table, &c->arena, store->state.connection, s->pair.run_id, new_epoch, r,
                     &c->words);
    redis_call_begin(c, s->renew);
}

void redis_call_batch(struct store *store, enum store_batch what, struct store_as as,
                      const struct store_pair *pairs, size_t count, store_done_fn *done, void *arg)
{
    struct store_redis *s = redis_of(store);
    struct redis_call *c = redis_call_new(s, done, arg);

    c->as = as;
    c->row_count = what == STORE_RELEASE ? 0 : count;
    rediswords_batch(&s->table, &c->arena, store->state.connection, what, as, pairs, count,
                     &c->words);
    redis_call_begin(c, s->work);
}

void redis_call_bury(struct store *store, struct store_as as, struct slice node,
                     uint64_t incarnation, uint64_t count, store_done_fn *done, void *arg)
{
    struct store_redis *s = redis_of(store);
    struct redis_call *c = redis_call_new(s, done, arg);

    c->as = as;
    rediswords_bury(&s->table, &c->arena, store->state.connection, as, node, incarnation, count,
                    &c->words);
    redis_call_begin(c, s->work);
}

void redis_call_bye(struct store *store, struct store_as as, store_done_fn *done, void *arg)
{
    struct store_redis *s = redis_of(store);
    struct redis_call *c = redis_call_new(s, done, arg);

    s->listed = false; /* it takes our rows along */
    s->left = as.incarnation;
    c->as = as;
    rediswords_bye(&s->table, &c->arena, store->state.connection, as, &c->words);
    redis_call_begin(c, s->work);
}
