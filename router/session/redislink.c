#include "session/redislink.h"

#include "loop/timer.h"
#include "wire/certid.h"

#include <stdio.h>

/* DIALING: bytes cannot go yet. OPEN: they can. DOOMED: `broken` waits for its event. CLOSED: the
 * owner has gone, or has been told; memory goes when the connection does. */
enum link_state { LINK_DIALING, LINK_OPEN, LINK_DOOMED, LINK_CLOSED };

/* Sent, or waiting in `early`, and not answered. */
struct call {
    struct list node;
    redis_reply_fn *done;
    void *arg;
    uint64_t since_ms;
};

struct redis_link {
    struct loop *loop;
    struct redis_place place;
    const struct redis_login *login;
    const struct redis_link_handler *handler;
    void *arg;
    enum link_state state;
    struct conn *conn; /* NULL: it could not even begin, or is closed */
    struct resp_reader *reader;
    struct byteq early; /* calls made before we were in */
    struct list calls;
    struct timer patience;
    struct task end;
    char why[REDIS_WHY_BYTES];
};

/* --- the end --------------------------------------------------------------------------------- */

static void drop_calls(struct redis_link *k)
{
    struct call *c;

    while ((c = LIST_FIRST(&k->calls, struct call, node))) {
        list_remove(&c->node);
        mem_free(c);
    }
}

static void destroy(struct redis_link *k)
{
    task_cancel(&k->end);
    timer_stop(&k->patience);
    drop_calls(k);
    resp_reader_free(k->reader);
    byteq_fini(&k->early);
    mem_free(k);
}

/* Told once the connection is gone, or, without one, by the task. */
static void tell_broken(struct redis_link *k)
{
    bool tell = k->state == LINK_DOOMED;

    k->state = LINK_CLOSED;
    if (tell)
        k->handler->broken(k->arg, k->why);
}

static void run_end(struct task *t)
{
    struct redis_link *k = LIST_ENTRY(t, struct redis_link, end);

    tell_broken(k);
    destroy(k);
}

void redis_link_break(struct redis_link *k, const char *problem)
{
    char place[REDIS_PLACE_TEXT_MAX];

    if (k->state >= LINK_DOOMED)
        return;
    snprintf(k->why, sizeof(k->why), "%.120s: %.190s", redis_place_format(&k->place, place),
             problem);
    k->state = LINK_DOOMED;
    timer_stop(&k->patience);
    drop_calls(k);
    if (k->conn)
        conn_reset(k->conn);
    else
        loop_post(k->loop, &k->end);
}

void redis_link_close(struct redis_link *k)
{
    if (k->state == LINK_CLOSED)
        return; /* from within `broken` */
    if (k->state < LINK_DOOMED && k->conn)
        conn_reset(k->conn);
    k->state = LINK_CLOSED;
    timer_stop(&k->patience);
    drop_calls(k);
    if (!k->conn)
        loop_post(k->loop, &k->end);
}

/* --- replies --------------------------------------------------------------------------------- */

const char *redis_error_show(const struct resp *reply, char buf[REDIS_WHY_BYTES])
{
    size_t n = reply->text.len < 160 ? reply->text.len : 160;

    for (size_t i = 0; i < n; i++)
        buf[i] = reply->text.ptr[i] < ' ' || reply->text.ptr[i] > '~' ? '?' : reply->text.ptr[i];
    buf[n] = '\0';
    return buf;
}

/* The oldest call decides: all were promised an answer in time. */
static void arm_patience(struct redis_link *k)
{
    struct call *c = LIST_FIRST(&k->calls, struct call, node);
    uint64_t now_ms = loop_now_ms(k->loop);

    timer_stop(&k->patience);
    if (c && k->state == LINK_OPEN)
        timer_start(&k->patience, c->since_ms + REDIS_ANSWER_MS > now_ms
                                      ? c->since_ms + REDIS_ANSWER_MS - now_ms
                                      : 0);
}

static void on_patience(struct timer *t)
{
    redis_link_break(LIST_ENTRY(t, struct redis_link, patience), "no answer for 6 s");
}

/* On a subscribed connection messages come between the replies. */
static bool is_message(const struct redis_link *k, const struct resp *reply)
{
    struct slice word;

    return k->handler->message && reply->kind == RESP_ARRAY && reply->count == 3 &&
           resp_text_at(reply, 0, &word) && slice_is(word, "message");
}

static void take_message(struct redis_link *k, const struct resp *reply)
{
    struct slice channel, text;

    if (resp_text_at(reply, 1, &channel) && resp_text_at(reply, 2, &text))
        k->handler->message(k->arg, channel, text);
}

static void take_reply(struct redis_link *k, const struct resp *reply)
{
    struct call *c = LIST_FIRST(&k->calls, struct call, node);
    struct call answered;

    if (!c) {
        redis_link_break(k, "an answer to nothing; is it a Redis?");
        return;
    }
    answered = *c;
    list_remove(&c->node);
    mem_free(c);
    answered.done(answered.arg, reply);
}

static void on_data(void *arg, struct slice plain)
{
    struct redis_link *k = arg;
    const struct resp *reply;
    enum err e;

    if (k->state != LINK_OPEN)
        return;
    e = resp_feed(k->reader, plain);
    while (!e && k->state == LINK_OPEN) {
        e = resp_next(k->reader, &reply);
        if (e)
            break;
        if (is_message(k, reply))
            take_message(k, reply);
        else
            take_reply(k, reply);
    }
    if (k->state == LINK_OPEN && e && e != ERR_AGAIN)
        redis_link_break(k, resp_reader_error(k->reader));
    else if (k->state == LINK_OPEN)
        arm_patience(k);
}

/* --- in -------------------------------------------------------------------------------------- */

static void take_login(void *arg, const struct resp *reply)
{
    struct redis_link *k = arg;
    char words[REDIS_WHY_BYTES], text[REDIS_WHY_BYTES];

    if (reply->kind != RESP_ERROR)
        return;
    snprintf(text, sizeof(text),
             "login refused (%.110s); check username and password_file of store.redis",
             redis_error_show(reply, words));
    redis_link_break(k, text);
}

/* The time of calls made before counts from now: until here the dialler was patient. */
static void enter(struct redis_link *k)
{
    struct byteq early = k->early;
    const struct redis_login *login = k->login;
    struct slice words[3] = {SLICE("AUTH"), slice_from(login->username), login->password};
    struct call *c;

    k->state = LINK_OPEN;
    byteq_init(&k->early);
    LIST_WALK(node, &k->calls)
    LIST_ENTRY(node, struct call, node)->since_ms = loop_now_ms(k->loop);
    if (login->password.len) {
        if (!words[1].len)
            words[1] = words[2];
        redis_link_call(k, words, *login->username ? 3 : 2, take_login, k);
        c = LIST_LAST(&k->calls, struct call, node);
        list_remove(&c->node);
        list_push_front(&k->calls, &c->node);
    }
    conn_write(k->conn, byteq_slice(&early));
    byteq_fini(&early);
    arm_patience(k);
}

static void on_connected(void *arg)
{
    struct redis_link *k = arg;

    if (k->state != LINK_DIALING)
        return;
    if (!k->place.tls) {
        enter(k);
        return;
    }
    conn_start_tls(k->conn,
                   tls_client(k->login->tls, slice_from(k->place.host), slice_none(), false));
}

/* As a browser would: chain to the authority, and the name that we were told to dial. */
static void on_secured(void *arg)
{
    struct redis_link *k = arg;
    struct cert *cert;
    char text[REDIS_WHY_BYTES];
    struct addr ip;
    bool named;

    if (k->state != LINK_DIALING)
        return;
    cert = tls_peer_cert(conn_tls(k->conn));
    if (!cert) {
        redis_link_break(k, "TLS: it shows no certificate");
        return;
    }
    named = addr_parse_ip(slice_from(k->place.host), 0, &ip)
                ? cert_names_host(cert, slice_from(k->place.host))
                : cert_names(cert, slice_from(k->place.host), NULL);
    if (cert_chain(cert)) {
        snprintf(text, sizeof(text), "TLS: %.100s; check store.redis.ca_file",
                 cert_chain_error(cert));
        redis_link_break(k, text);
    } else if (!named) {
        snprintf(text, sizeof(text), "TLS: its certificate is for %.100s, not for %.60s",
                 cert_names_text(cert), k->place.host);
        redis_link_break(k, text);
    } else {
        enter(k);
    }
    cert_unref(cert);
}

static void on_ended(void *arg)
{
    redis_link_break(arg, "it ended the connection");
}

static void on_closed(void *arg, enum err why)
{
    struct redis_link *k = arg;
    const char *tls = conn_tls_error(k->conn);
    char text[REDIS_WHY_BYTES];

    if (*tls)
        snprintf(text, sizeof(text), "TLS: %.150s", tls);
    else
        snprintf(text, sizeof(text), "%s", err_text(why ? why : ERR_CLOSED));
    k->conn = NULL;
    redis_link_break(k, text);
    task_cancel(&k->end);
    tell_broken(k);
    destroy(k);
}

/* --- calls of the owner ---------------------------------------------------------------------- */

static const struct conn_handler conn_handler = {.connected = on_connected,
                                                 .secured = on_secured,
                                                 .data = on_data,
                                                 .ended = on_ended,
                                                 .closed = on_closed};

struct redis_link *redis_link_open(struct loop *l, const struct redis_place *place,
                                   const struct addr *addr, const struct redis_login *login,
                                   const struct redis_link_handler *h, void *arg)
{
    struct redis_link *k = MEM_NEW(struct redis_link);
    enum err e;

    k->loop = l;
    k->place = *place;
    k->login = login;
    k->handler = h;
    k->arg = arg;
    k->reader = resp_reader_new();
    byteq_init(&k->early);
    list_init(&k->calls);
    timer_init(&k->patience, l, on_patience);
    task_init(&k->end, run_end);
    e = *place->path ? conn_dial_unix(l, place->path, &conn_handler, k, &k->conn)
                     : conn_dial(l, addr, NULL, &conn_handler, k, &k->conn);
    if (e) {
        k->conn = NULL;
        redis_link_break(k, err_text(e));
    }
    return k;
}

void redis_link_give(struct redis_link *k, const struct redis_link_handler *h, void *arg)
{
    k->handler = h;
    k->arg = arg;
}

void redis_link_call(struct redis_link *k, const struct slice *words, size_t count,
                     redis_reply_fn *done, void *arg)
{
    struct call *c;

    if (k->state >= LINK_DOOMED)
        return; /* `broken` is on its way */
    c = MEM_NEW(struct call);
    c->done = done;
    c->arg = arg;
    c->since_ms = loop_now_ms(k->loop);
    list_push(&k->calls, &c->node);
    resp_format(k->state == LINK_OPEN ? conn_out(k->conn) : &k->early, words, count);
    if (k->state == LINK_OPEN)
        conn_touch(k->conn);
    if (!timer_running(&k->patience))
        arm_patience(k);
}

const struct redis_place *redis_link_place(const struct redis_link *k)
{
    return &k->place;
}
