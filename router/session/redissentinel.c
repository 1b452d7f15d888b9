#include "session/redissentinel.h"

#include "loop/timer.h"

#include <stdio.h>

/* One sentinel: looked up, asked, over. */
struct witness {
    struct redis_inquiry *inquiry;
    const struct redis_place *place;
    struct resolver_request *request; /* at most one of the two */
    struct redis_link *link;
    bool answered;
    struct redis_place master;
};

struct redis_inquiry {
    struct loop *loop;
    const struct redis_sentinels *sentinels;
    redis_master_fn *done;
    void *arg;
    struct redis_login login; /* none: that of the Redis is tried, and may be refused */
    struct witness witnesses[REDIS_PLACES_MAX];
    struct timer wait;
    struct task begin;
    char why[REDIS_WHY_BYTES]; /* of the last one that failed */
};

void redis_inquiry_close(struct redis_inquiry *q)
{
    for (size_t i = 0; i < q->sentinels->count; i++) {
        if (q->witnesses[i].link)
            redis_link_close(q->witnesses[i].link);
        if (q->witnesses[i].request)
            resolver_cancel(q->witnesses[i].request);
    }
    timer_stop(&q->wait);
    task_cancel(&q->begin);
    mem_free(q);
}

static bool same_place(const struct redis_place *a, const struct redis_place *b)
{
    return a->port == b->port && !strcmp(a->host, b->host);
}

static size_t votes_for(const struct redis_inquiry *q, const struct redis_place *master)
{
    size_t votes = 0;

    for (size_t i = 0; i < q->sentinels->count; i++)
        votes += q->witnesses[i].answered && same_place(&q->witnesses[i].master, master);
    return votes;
}

/* NULL: nobody has answered. */
static const struct redis_place *elect(const struct redis_inquiry *q)
{
    const struct redis_place *best = NULL;
    size_t most = 0;

    for (size_t i = 0; i < q->sentinels->count; i++) {
        const struct witness *w = &q->witnesses[i];
        size_t votes = w->answered ? votes_for(q, &w->master) : 0;

        if (votes > most) {
            most = votes;
            best = &w->master;
        }
    }
    return best;
}

static void conclude(struct redis_inquiry *q)
{
    const struct redis_place *best = elect(q);
    struct redis_place master;
    redis_master_fn *done = q->done;
    void *arg = q->arg;
    char why[REDIS_WHY_BYTES];

    if (best)
        master = *best;
    snprintf(why, sizeof(why), "%s", q->why);
    redis_inquiry_close(q);
    done(arg, best ? &master : NULL, why);
}

static void on_wait(struct timer *t)
{
    conclude(LIST_ENTRY(t, struct redis_inquiry, wait));
}

/* One has answered or failed. */
static void look(struct redis_inquiry *q)
{
    bool open = false;

    for (size_t i = 0; i < q->sentinels->count; i++)
        open |= q->witnesses[i].link || q->witnesses[i].request;
    if (!open)
        conclude(q);
    else if (elect(q) && !timer_running(&q->wait))
        timer_start(&q->wait, REDIS_SENTINEL_WAIT_MS);
}

/* `problem` NULL: it has answered. */
static void end_witness(struct witness *w, const char *problem)
{
    char place[REDIS_PLACE_TEXT_MAX];

    if (problem)
        snprintf(w->inquiry->why, sizeof(w->inquiry->why), "sentinel %.120s: %.180s",
                 redis_place_format(w->place, place), problem);
    if (w->link)
        redis_link_close(w->link);
    w->link = NULL;
    look(w->inquiry);
}

static void on_broken(void *arg, const char *why)
{
    struct witness *w = arg;

    snprintf(w->inquiry->why, sizeof(w->inquiry->why), "sentinel %.300s", why);
    w->link = NULL;
    look(w->inquiry);
}

static bool read_master(struct witness *w, const struct resp *reply)
{
    struct slice host;
    uint64_t port;

    if (!resp_text_at(reply, 0, &host) || !host.len || !resp_u64_at(reply, 1, &port) ||
        port > 65535 || !slice_to_cstr(host, w->master.host, sizeof(w->master.host)))
        return false;
    w->master.port = (uint16_t)port;
    w->master.tls = w->inquiry->sentinels->tls;
    w->answered = true;
    return true;
}

static void on_master(void *arg, const struct resp *reply)
{
    struct witness *w = arg;
    char text[REDIS_WHY_BYTES];

    if (reply->kind == RESP_ERROR) {
        end_witness(w, redis_error_show(reply, text));
    } else if (reply->kind == RESP_NIL) {
        snprintf(text, sizeof(text), "knows no master named %.60s; check store.redis.master",
                 w->inquiry->sentinels->master);
        end_witness(w, text);
    } else {
        end_witness(w, read_master(w, reply) ? NULL : "an answer that makes no sense");
    }
}

/* A sentinel without passwords says so, which does no harm. */
static void on_login(void *arg, const struct resp *reply)
{
}

static void ask(struct witness *w, const struct addr *addr)
{
    static const struct redis_link_handler handler = {.broken = on_broken};
    const struct redis_sentinels *s = w->inquiry->sentinels;
    const struct redis_login *login = s->login;
    struct redis_place place = *w->place;
    struct slice auth[3] = {SLICE("AUTH"), slice_from(login->username), login->password};
    struct slice question[] = {SLICE("SENTINEL"), SLICE("get-master-addr-by-name"),
                               slice_from(s->master)};

    place.tls = s->tls;
    w->link = redis_link_open(w->inquiry->loop, &place, addr, &w->inquiry->login, &handler, w);
    if (!auth[1].len)
        auth[1] = auth[2];
    if (login->password.len)
        redis_link_call(w->link, auth, *login->username ? 3 : 2, on_login, w);
    redis_link_call(w->link, question, COUNT(question), on_master, w);
}

static void on_resolved(void *arg, struct resolution *res)
{
    struct witness *w = arg;

    w->request = NULL;
    if (res->kind == RESOLVED)
        ask(w, &res->endpoints[0].addr);
    else
        end_witness(w, res->text);
}

static void begin_witness(struct witness *w)
{
    const struct redis_place *p = w->place;
    struct resolver *r = w->inquiry->sentinels->resolver;
    struct addr addr;

    if (addr_parse_ip(slice_from(p->host), p->port, &addr) == OK)
        ask(w, &addr);
    else if (r)
        w->request = resolver_ask_host(r, slice_from(p->host), p->port, false, on_resolved, w);
    else
        snprintf(w->inquiry->why, sizeof(w->inquiry->why),
                 "sentinel %.120s: names cannot be looked up here; give its address", p->host);
}

static void run_begin(struct task *t)
{
    struct redis_inquiry *q = LIST_ENTRY(t, struct redis_inquiry, begin);

    for (size_t i = 0; i < q->sentinels->count; i++)
        begin_witness(&q->witnesses[i]);
    look(q);
}

struct redis_inquiry *redis_inquiry_open(struct loop *l, const struct redis_sentinels *s,
                                         redis_master_fn *done, void *arg)
{
    struct redis_inquiry *q = MEM_NEW(struct redis_inquiry);

    assert(s->count <= REDIS_PLACES_MAX);
    q->loop = l;
    q->sentinels = s;
    q->done = done;
    q->arg = arg;
    q->login = (struct redis_login){.username = "", .tls = s->login->tls};
    timer_init(&q->wait, l, on_wait);
    task_init(&q->begin, run_begin);
    for (size_t i = 0; i < s->count; i++) {
        q->witnesses[i].inquiry = q;
        q->witnesses[i].place = &s->places[i];
    }
    loop_post(l, &q->begin);
    return q;
}
