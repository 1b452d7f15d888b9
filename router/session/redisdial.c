#include "session/redisdial.h"

#include "loop/timer.h"
#include "session/redisfacts.h"

#include <stdio.h>

/* A slot moves from A to B: one step. More is a cluster that does not know itself. */
#define HOPS_MAX 3

struct redis_dial {
    struct loop *loop;
    const struct redis_dial_options *options;
    const struct redis_dial_events *events;
    void *arg;
    struct list attempts;
    size_t attempt_count;
    struct timer next;
    uint64_t begun_ms;
    uint64_t begun_count;
    bool begun;
    bool followed; /* `hint` is where MOVED led */
    struct redis_place hint;
};

struct attempt {
    struct list node;
    struct redis_dial *dial;
    struct timer life;
    struct redis_place place;
    struct redis_inquiry *inquiry; /* at most one of the three */
    struct resolver_request *request;
    struct redis_pair pair; /* links NULL until dialled */
    char renew_run_id[REDIS_RUN_ID_BYTES];
    unsigned due_count; /* replies to come before it has passed */
    unsigned script_count;
    unsigned hop_count;
};

/* --- the end of an attempt ------------------------------------------------------------------- */

static void close_links(struct attempt *a)
{
    if (a->inquiry)
        redis_inquiry_close(a->inquiry);
    if (a->pair.work)
        redis_link_close(a->pair.work);
    if (a->pair.renew)
        redis_link_close(a->pair.renew);
    if (a->request)
        resolver_cancel(a->request);
    a->inquiry = NULL;
    a->request = NULL;
    a->pair.work = a->pair.renew = NULL;
}

static void attempt_free(struct attempt *a)
{
    close_links(a);
    timer_stop(&a->life);
    list_remove(&a->node);
    a->dial->attempt_count--;
    mem_free(a);
}

static void attempt_fail(struct attempt *a, const char *why)
{
    struct redis_dial *d = a->dial;
    char text[REDIS_WHY_BYTES];

    snprintf(text, sizeof(text), "%s", why);
    attempt_free(a);
    d->events->failed(d->arg, text);
}

/* ... of the server at its place. */
static void attempt_refuse(struct attempt *a, const char *problem)
{
    char place[REDIS_PLACE_TEXT_MAX], text[REDIS_WHY_BYTES];

    snprintf(text, sizeof(text), "%.120s: %.190s", redis_place_format(&a->place, place), problem);
    attempt_fail(a, text);
}

static void on_life(struct timer *t)
{
    struct attempt *a = LIST_ENTRY(t, struct attempt, life);

    if (a->inquiry)
        attempt_fail(a, "no answer from any sentinel within 8 s");
    else
        attempt_refuse(a, "no connection, or no answer, within 8 s");
}

static void drop_attempts(struct redis_dial *d)
{
    while (!list_empty(&d->attempts))
        attempt_free(LIST_FIRST(&d->attempts, struct attempt, node));
}

/* --- is it fit? ------------------------------------------------------------------------------ */

static void go_to(struct attempt *a, const struct redis_place *place);

static void pass(struct attempt *a)
{
    struct redis_dial *d = a->dial;
    struct redis_pair p = a->pair;

    if (strcmp(p.run_id, a->renew_run_id)) {
        attempt_refuse(a, "two servers answer there; name one of them");
        return;
    }
    a->pair.work = a->pair.renew = NULL;
    timer_stop(&d->next);
    drop_attempts(d);
    d->followed = false;
    d->events->open(d->arg, &p);
}

static void count_reply(struct attempt *a)
{
    if (--a->due_count == 0)
        pass(a);
}

/* Errors that come instead of an answer, in the words of an operator. */
static void refuse_error(struct attempt *a, const struct resp *reply)
{
    struct slice word = resp_error_word(reply);
    char words[REDIS_WHY_BYTES], text[REDIS_WHY_BYTES];
    const char *hint = "";

    redis_error_show(reply, words);
    if (slice_is(word, "NOAUTH"))
        hint = "; give it username and password_file in store.redis";
    else if (slice_is(word, "NOPERM"))
        hint = "; the user needs the rights listed in conf/redis.acl";
    else if (slice_is(word, "LOADING"))
        hint = "; wait";
    snprintf(text, sizeof(text), "%.120s%s", words, hint);
    attempt_refuse(a, text);
}

static bool is_text(struct attempt *a, const struct resp *reply)
{
    if (reply->kind == RESP_ERROR)
        refuse_error(a, reply);
    else if (reply->kind != RESP_STRING)
        attempt_refuse(a, "an answer that makes no sense; is it a Redis?");
    return reply->kind == RESP_STRING;
}

/* False: the attempt is over. */
static bool read_info(struct attempt *a, const struct resp *reply, struct redis_facts *ret_facts,
                      char run_id[REDIS_RUN_ID_BYTES])
{
    if (!is_text(a, reply))
        return false;
    if (redis_facts_parse(reply->text, ret_facts) &&
        slice_to_cstr(ret_facts->run_id, run_id, REDIS_RUN_ID_BYTES))
        return true;
    attempt_refuse(a, "INFO says nothing of a run id, a role and maxmemory-policy");
    return false;
}

static void on_work_info(void *arg, const struct resp *reply)
{
    struct attempt *a = arg;
    const struct redis_dial_options *o = a->dial->options;
    struct redis_facts facts;
    char problem[REDIS_WHY_BYTES];

    if (!read_info(a, reply, &facts, a->pair.run_id))
        return;
    redis_facts_judge(&facts, o->sentinels.count > 0, o->wait_replicas, problem, sizeof(problem));
    if (*problem)
        attempt_refuse(a, problem);
    else
        count_reply(a);
}

/* Only to see that it is the same one: this may come before the probe's answer, which may lead
 * elsewhere. */
static void on_renew_info(void *arg, const struct resp *reply)
{
    struct attempt *a = arg;
    struct redis_facts facts;

    if (read_info(a, reply, &facts, a->renew_run_id))
        count_reply(a);
}

static void on_script(void *arg, const struct resp *reply)
{
    struct attempt *a = arg;

    if (!is_text(a, reply))
        return;
    if (slice_to_cstr(reply->text, a->pair.sha[a->script_count++], REDIS_SHA_BYTES))
        count_reply(a);
    else
        attempt_refuse(a, "SCRIPT LOAD answers no digest; is it a Redis?");
}

static void follow_moved(struct attempt *a, const struct resp *reply)
{
    struct redis_dial *d = a->dial;
    struct redis_place to;

    if (++a->hop_count > HOPS_MAX || !redis_dial_follow(d, &a->place, reply->text)) {
        attempt_refuse(a, "the slot of our keys moves around in the cluster; wait");
        return;
    }
    to = d->hint;
    d->followed = false;
    close_links(a);
    go_to(a, &to);
}

static void on_probe(void *arg, const struct resp *reply)
{
    struct attempt *a = arg;

    if (slice_is(resp_error_word(reply), "MOVED"))
        follow_moved(a, reply);
    else if (reply->kind == RESP_ERROR)
        refuse_error(a, reply);
    else
        count_reply(a);
}

static void on_link_broken(void *arg, const char *why)
{
    struct attempt *a = arg;

    a->pair.work = a->pair.renew = NULL; /* the other one: see below */
    attempt_fail(a, why);
}

/* Of two links only one says that it broke. */
static void on_work_broken(void *arg, const char *why)
{
    struct attempt *a = arg;

    redis_link_close(a->pair.renew);
    on_link_broken(a, why);
}

static void on_renew_broken(void *arg, const char *why)
{
    struct attempt *a = arg;

    redis_link_close(a->pair.work);
    on_link_broken(a, why);
}

/* All questions go out together. Where our keys are comes first: another member of the cluster may
 * be fit, while this one need not be. */
static void examine(struct attempt *a)
{
    struct slice probe[] = {SLICE("EXISTS"), slice_from(a->dial->options->probe_key)};
    struct slice info[] = {SLICE("INFO")};
    struct slice load[] = {SLICE("SCRIPT"), SLICE("LOAD"), slice_none()};

    a->script_count = 0;
    a->due_count = 3 + SCRIPT_COUNT;
    redis_link_call(a->pair.work, probe, COUNT(probe), on_probe, a);
    redis_link_call(a->pair.work, info, COUNT(info), on_work_info, a);
    for (size_t i = 0; i < SCRIPT_COUNT; i++) {
        load[2] = slice_from(scripts[i].text);
        redis_link_call(a->pair.work, load, COUNT(load), on_script, a);
    }
    redis_link_call(a->pair.renew, info, COUNT(info), on_renew_info, a);
}

/* --- connecting ------------------------------------------------------------------------------ */

static void dial_both(struct attempt *a, const struct addr *addr)
{
    static const struct redis_link_handler work = {.broken = on_work_broken};
    static const struct redis_link_handler renew = {.broken = on_renew_broken};
    struct redis_dial *d = a->dial;
    const struct redis_login *login = &d->options->login;

    if (addr)
        a->pair.addr = *addr;
    a->pair.work = redis_link_open(d->loop, &a->place, addr, login, &work, a);
    a->pair.renew = redis_link_open(d->loop, &a->place, addr, login, &renew, a);
    examine(a);
}

/* The addresses of a name take turns. */
static void on_resolved(void *arg, struct resolution *res)
{
    struct attempt *a = arg;
    struct addr addr;

    a->request = NULL;
    if (res->kind != RESOLVED) {
        attempt_refuse(a, res->text && *res->text ? res->text : "its name has no address");
        return;
    }
    addr = res->endpoints[a->dial->begun_count % res->count].addr;
    dial_both(a, &addr);
}

static void go_to(struct attempt *a, const struct redis_place *place)
{
    struct resolver *r = a->dial->options->resolver;
    struct addr addr;

    a->place = *place;
    if (*place->path)
        dial_both(a, NULL);
    else if (addr_parse_ip(slice_from(place->host), place->port, &addr) == OK)
        dial_both(a, &addr);
    else if (r)
        a->request =
            resolver_ask_host(r, slice_from(place->host), place->port, false, on_resolved, a);
    else
        attempt_refuse(a, "its name cannot be looked up here; give its address");
}

/* --- attempts -------------------------------------------------------------------------------- */

static void on_master(void *arg, const struct redis_place *master, const char *why)
{
    struct attempt *a = arg;

    a->inquiry = NULL;
    if (master)
        go_to(a, master);
    else
        attempt_fail(a, why);
}

static const struct redis_place *next_place(struct redis_dial *d)
{
    const struct redis_dial_options *o = d->options;

    if (d->followed)
        return &d->hint;
    return &o->places[d->begun_count % o->place_count];
}

static void begin_attempt(struct redis_dial *d)
{
    struct attempt *a = MEM_NEW(struct attempt);

    a->dial = d;
    timer_init(&a->life, d->loop, on_life);
    timer_start(&a->life, REDIS_ATTEMPT_MS);
    list_push(&d->attempts, &a->node);
    d->attempt_count++;
    if (d->options->sentinels.count) {
        a->inquiry = redis_inquiry_open(d->loop, &d->options->sentinels, on_master, a);
    } else {
        const struct redis_place *place = next_place(d);

        d->followed = false;
        go_to(a, place);
    }
    d->begun_count++;
}

static void on_next(struct timer *t)
{
    struct redis_dial *d = LIST_ENTRY(t, struct redis_dial, next);

    d->begun = true;
    d->begun_ms = loop_now_ms(d->loop);
    timer_start(&d->next, REDIS_DIAL_EVERY_MS);
    if (d->attempt_count < REDIS_ATTEMPTS_MAX)
        begin_attempt(d);
}

/* IPv6 addresses come without brackets: the last colon counts. */
static enum err parse_moved(struct slice where, struct redis_place *ret_place)
{
    size_t colon = where.len;
    uint64_t port;

    while (colon > 0 && where.ptr[colon - 1] != ':')
        colon--;
    if (colon < 2 || !slice_to_u64(slice_from_offset(where, colon), 65535, &port) || !port)
        return ERR_SYNTAX;
    if (!slice_to_cstr(slice_sub(where, 0, colon - 1), ret_place->host, sizeof(ret_place->host)))
        return ERR_LIMIT;
    *ret_place->path = '\0';
    ret_place->port = (uint16_t)port;
    return OK;
}

/* "MOVED 3999 10.0.0.2:6379"; a server that does not know its own name leaves the host out. */
bool redis_dial_follow(struct redis_dial *d, const struct redis_place *from, struct slice moved)
{
    size_t space = moved.len;
    struct slice where;

    while (space > 0 && moved.ptr[space - 1] != ' ')
        space--;
    where = slice_from_offset(moved, space);
    d->hint = *from;
    d->followed = true;
    if (slice_starts(where, SLICE(":"))) {
        uint64_t port;

        d->followed = slice_to_u64(slice_from_offset(where, 1), 65535, &port) && port;
        d->hint.port = (uint16_t)port;
    } else if (parse_moved(where, &d->hint)) {
        d->followed = false;
    }
    d->hint.tls = from->tls;
    return d->followed;
}

struct redis_dial *redis_dial_new(struct loop *l, const struct redis_dial_options *o,
                                  const struct redis_dial_events *events, void *arg)
{
    struct redis_dial *d = MEM_NEW(struct redis_dial);

    assert(o->place_count > 0);
    d->loop = l;
    d->options = o;
    d->events = events;
    d->arg = arg;
    list_init(&d->attempts);
    timer_init(&d->next, l, on_next);
    return d;
}

void redis_dial_free(struct redis_dial *d)
{
    timer_stop(&d->next);
    drop_attempts(d);
    mem_free(d);
}

void redis_dial_start(struct redis_dial *d)
{
    uint64_t now_ms = loop_now_ms(d->loop);
    uint64_t due_ms = d->begun_ms + REDIS_DIAL_EVERY_MS;

    if (!timer_running(&d->next))
        timer_start(&d->next, d->begun && due_ms > now_ms ? due_ms - now_ms : 0);
}
