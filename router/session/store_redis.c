#include "session/store_redis_inner.h"

#include "session/redisfacts.h"

#include <stdio.h>

#define ROWS_EVERY_MS 1000
/* Without a renewal for so long, as after a sleep, this node may have been buried, with its rows.
 */
#define ROWS_FRESH_MS 3000
/* Whoever turns eviction on while nodes are connected is found out. */
#define FACTS_EVERY_MS 60000
/* Notices are a convenience: their connection may take its time. */
#define EAR_AGAIN_MS 2000
#define EAR_PING_MS  5000

/* --- state ----------------------------------------------------------------------------------- */

static void set_down(struct store_redis *s, const char *why)
{
    s->store.state.up = false;
    snprintf(s->store.state.why, sizeof(s->store.state.why), "%s", why);
}

void redis_set_down(struct store_redis *s, const char *problem)
{
    char text[STORE_WHY_BYTES];

    snprintf(text, sizeof(text), "%.120s: %.220s", s->store.state.place, problem);
    set_down(s, text);
}

void redis_set_up(struct store_redis *s)
{
    s->store.state.up = true;
    s->store.state.why[0] = '\0';
}

static void run_lost(struct task *t)
{
    static const struct store_answer busy = {.word = STORE_WAIT};
    struct store_redis *s = LIST_ENTRY(t, struct store_redis, lost_task);
    struct redis_call *c;
    struct list now;
    bool broke = s->broke;

    s->broke = false;
    list_init(&now); /* what is called meanwhile is lost by itself, behind the news */
    list_append_all(&now, &s->lost);
    while ((c = LIST_FIRST(&now, struct redis_call, node)))
        redis_call_answer(c, c->busy ? &busy : NULL);
    if (broke && s->store.events->broken)
        s->store.events->broken(s->store.arg, s->store.state.why);
}

/* --- contact broken -------------------------------------------------------------------------- */

static void close_links(struct store_redis *s)
{
    redis_drop_waits(s);
    if (s->work)
        redis_link_close(s->work);
    if (s->renew)
        redis_link_close(s->renew);
    if (s->ear)
        redis_link_close(s->ear);
    s->work = s->renew = s->ear = NULL;
    timer_stop(&s->ear_timer);
}

/* Whatever was called is lost, by both connections; nothing of it will act under a new number. */
static void break_contact(struct store_redis *s, const char *why)
{
    close_links(s);
    redisrows_lost(&s->rows);
    s->store.state.open = false;
    set_down(s, why);
    s->broke = true;
    while (!list_empty(&s->calls))
        redis_call_lose(LIST_FIRST(&s->calls, struct redis_call, node));
    loop_post(s->store.loop, &s->lost_task);
    redis_dial_start(s->dial);
}

static void on_work_broken(void *arg, const char *why)
{
    struct store_redis *s = arg;

    s->work = NULL;
    break_contact(s, why);
}

static void on_renew_broken(void *arg, const char *why)
{
    struct store_redis *s = arg;

    s->renew = NULL;
    break_contact(s, why);
}

/* --- rows for people, and notices ------------------------------------------------------------ */

static void put(struct store *store, enum store_table table, struct slice key, struct slice text)
{
    redisrows_put(&redis_of(store)->rows, table, key, text);
}

/* A refusal is told by renewals, too. */
static void ignore(void *arg, const struct resp *reply)
{
}

static void on_rows(struct timer *t)
{
    struct store_redis *s = LIST_ENTRY(t, struct store_redis, rows_timer);

    timer_start(t, ROWS_EVERY_MS);
    if (s->work && s->listed && loop_boot_ms(s->store.loop) - s->renewed_boot_ms < ROWS_FRESH_MS)
        redisrows_flush(&s->rows, &s->table, s->self.incarnation, s->work);
}

static void on_facts(void *arg, const struct resp *reply)
{
    struct store_redis *s = arg;
    struct redis_facts facts;
    char problem[REDIS_WHY_BYTES];

    if (reply->kind != RESP_STRING || !redis_facts_parse(reply->text, &facts))
        return; /* other calls say why */
    redis_facts_judge_eviction(&facts, problem, sizeof(problem));
    if (*problem)
        redis_link_break(s->work, problem);
}

static void on_facts_time(struct timer *t)
{
    struct store_redis *s = LIST_ENTRY(t, struct store_redis, facts_timer);
    struct slice words[] = {SLICE("INFO")};

    timer_start(t, FACTS_EVERY_MS);
    if (s->work)
        redis_link_call(s->work, words, COUNT(words), on_facts, s);
}

static void on_notice(void *arg, struct slice channel, struct slice text)
{
    struct store_redis *s = arg;

    if (s->store.events->notice)
        s->store.events->notice(s->store.arg, text);
}

static void on_ear_broken(void *arg, const char *why)
{
    struct store_redis *s = arg;

    s->ear = NULL;
    timer_start(&s->ear_timer, EAR_AGAIN_MS);
}

/* Opens it, or asks whether it still hears. */
static void on_ear_time(struct timer *t)
{
    static const struct redis_link_handler handler = {on_notice, on_ear_broken};
    struct store_redis *s = LIST_ENTRY(t, struct store_redis, ear_timer);
    struct slice subscribe[] = {SLICE("SUBSCRIBE"), s->channel};
    struct slice ping[] = {SLICE("PING")};

    timer_start(t, EAR_PING_MS);
    if (s->ear) {
        redis_link_call(s->ear, ping, COUNT(ping), ignore, s);
        return;
    }
    s->ear = redis_link_open(s->store.loop, redis_link_place(s->work), &s->pair.addr,
                             &s->dial_options.login, &handler, s);
    redis_link_call(s->ear, subscribe, COUNT(subscribe), ignore, s);
}

/* --- contact --------------------------------------------------------------------------------- */

static void on_open(void *arg, const struct redis_pair *p)
{
    static const struct redis_link_handler work = {.broken = on_work_broken};
    static const struct redis_link_handler renewals = {.broken = on_renew_broken};
    struct store_redis *s = arg;
    char place[REDIS_PLACE_TEXT_MAX];

    s->pair = *p;
    s->work = p->work;
    s->renew = p->renew;
    redis_link_give(s->work, &work, s);
    redis_link_give(s->renew, &renewals, s);
    s->store.state.connection++;
    s->store.state.open = true;
    s->listed = false;
    snprintf(s->store.state.place, sizeof(s->store.state.place), "%s",
             redis_place_format(redis_link_place(s->work), place));
    redis_set_up(s);
    timer_start(&s->ear_timer, 0);
    if (s->store.events->opened)
        s->store.events->opened(s->store.arg, s->store.state.connection);
}

static void on_failed(void *arg, const char *why)
{
    set_down(arg, why);
}

/* --- life ------------------------------------------------------------------------------------ */

static struct redis_place *copy_places(const struct redis_place *places, size_t count)
{
    struct redis_place *copy = mem_array(count + 1, sizeof(*copy));

    if (count)
        memcpy(copy, places, count * sizeof(*copy));
    return copy;
}

static void copy_options(struct store_redis *s, const struct store_redis_options *o)
{
    struct redis_dial_options *d = &s->dial_options;
    struct arena *a = &s->texts;

    s->table = (struct redis_table){
        arena_copy(a, slice_from(o->prefix)).ptr, arena_copy(a, slice_from(o->node)).ptr,
        arena_copy(a, slice_from(o->addr)).ptr, arena_copy(a, slice_from(o->outage)).ptr};
    s->password = mem_strndup(o->password);
    s->channel = rediswords_key(&s->table, a, "ev");
    d->login.username = arena_copy(a, slice_from(o->username)).ptr;
    d->login.password = slice_make(s->password, o->password.len);
    d->login.tls = o->tls ? tls_context_ref(o->tls) : NULL;
    d->places = copy_places(o->places, o->place_count);
    d->place_count = o->place_count;
    d->sentinels = (struct redis_sentinels){
        .places = copy_places(o->sentinels, o->sentinel_count),
        .count = o->sentinel_count,
        .master = arena_copy(a, slice_from(o->master)).ptr,
        .tls = o->places[0].tls,
        .login = &d->login,
        .resolver = o->resolver,
    };
    d->probe_key = rediswords_key(&s->table, a, "meta").ptr;
    d->wait_replicas = o->wait_replicas;
    d->resolver = o->resolver;
}

static void drop_calls(struct list *calls)
{
    while (!list_empty(calls))
        redis_call_free(LIST_FIRST(calls, struct redis_call, node));
}

static void redis_free(struct store *store)
{
    struct store_redis *s = redis_of(store);

    close_links(s);
    redis_dial_free(s->dial);
    task_cancel(&s->lost_task);
    timer_stop(&s->rows_timer);
    timer_stop(&s->facts_timer);
    drop_calls(&s->calls);
    drop_calls(&s->lost);
    redisrows_fini(&s->rows);
    tls_context_unref(s->dial_options.login.tls);
    mem_free((void *)s->dial_options.places);
    mem_free((void *)s->dial_options.sentinels.places);
    mem_wipe(s->password, s->dial_options.login.password.len);
    arena_fini(&s->texts);
    mem_free(s);
}

static const struct store_kind kind = {redis_call_renew, redis_call_batch, redis_call_bury,
                                       redis_call_bye,   redis_sweep,      put,
                                       redis_free};

struct store *store_redis_new(struct loop *l, const struct store_redis_options *o,
                              const struct store_events *events, void *arg)
{
    static const struct redis_dial_events dial_events = {on_open, on_failed};
    struct store_redis *s = MEM_NEW(struct store_redis);

    store_init(&s->store, &kind, l, events, arg);
    arena_init(&s->texts);
    copy_options(s, o);
    list_init(&s->calls);
    list_init(&s->lost);
    list_init(&s->waits);
    task_init(&s->lost_task, run_lost);
    timer_init(&s->ear_timer, l, on_ear_time);
    timer_init(&s->rows_timer, l, on_rows);
    timer_init(&s->facts_timer, l, on_facts_time);
    redisrows_init(&s->rows, l);
    s->store.state.kind = "redis";
    set_down(s, "not connected yet");
    s->dial = redis_dial_new(l, &s->dial_options, &dial_events, s);
    redis_dial_start(s->dial);
    timer_start(&s->rows_timer, ROWS_EVERY_MS);
    timer_start(&s->facts_timer, FACTS_EVERY_MS);
    return &s->store;
}
