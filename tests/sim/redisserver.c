#include "sim/redisserver.h"

#include "session/scripts.h"
#include "sim/net.h"
#include "sim/redislua.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#define WORDS_MAX 1200

struct client {
    struct list node;
    struct redisserver *server;
    struct tcp *tcp;
    struct byteq in;
    struct byteq out;
    struct event move;
    struct event answer; /* delayed */
    bool known;          /* gave the password */
    char *channel;       /* subscribed to, or NULL */
};

struct wish {
    struct list node;
    char command[24];
    char *bytes;
    size_t len;
    unsigned times;
};

struct redisserver {
    struct owned owned;
    struct world *world;
    struct host *host;
    struct addr at;
    struct port *port; /* NULL: down */
    struct list clients;
    struct list wishes;
    struct redishabit habit;
    struct keyspace keys;
    struct redislua *lua;
    int script_number[SCRIPT_COUNT];
    bool script_known[SCRIPT_COUNT];
    unsigned runs;
    bool cutting;
    size_t cut_left;
    char master[64], master_host[64];
    unsigned master_port;
    struct map asked; /* struct tally */
};

struct tally {
    char command[24];
    unsigned count;
};

/* --- words out ------------------------------------------------------------------------------- */

static void put(struct byteq *out, const char *format, ...) PRINTF(2, 3);
static void put(struct byteq *out, const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    byteq_append(out, slice_from(text));
}

static void put_text(struct byteq *out, struct slice text)
{
    put(out, "$%zu\r\n", text.len);
    byteq_append(out, text);
    byteq_append(out, SLICE("\r\n"));
}

static void put_reply(struct byteq *out, const struct reply *r)
{
    switch (r->kind) {
    case REPLY_NIL:
        put(out, "$-1\r\n");
        return;
    case REPLY_STATUS:
        put(out, "+%s\r\n", r->text);
        return;
    case REPLY_ERROR:
        put(out, "-%s\r\n", r->text);
        return;
    case REPLY_INT:
        put(out, ":%" PRId64 "\r\n", r->number);
        return;
    case REPLY_TEXT:
        put_text(out, slice_make(r->text, r->len));
        return;
    case REPLY_ARRAY:
        put(out, "*%zu\r\n", r->count);
        for (size_t i = 0; i < r->count; i++)
            put_reply(out, &r->items[i]);
        return;
    }
}

/* --- life of a client ------------------------------------------------------------------------ */

static void free_client(struct client *c, bool reset)
{
    tcp_notify(c->tcp, NULL, NULL);
    tcp_close(c->tcp, reset);
    world_cancel(c->server->world, &c->move);
    world_cancel(c->server->world, &c->answer);
    list_remove(&c->node);
    byteq_fini(&c->in);
    byteq_fini(&c->out);
    mem_free(c->channel);
    mem_free(c);
}

static void drop_clients(struct redisserver *r)
{
    while (!list_empty(&r->clients))
        free_client(LIST_FIRST(&r->clients, struct client, node), true);
}

/* False: the cut was reached, and the client is gone. */
static bool flush(struct client *c)
{
    struct redisserver *r = c->server;
    size_t n;

    while (byteq_len(&c->out)) {
        struct slice out = byteq_slice(&c->out);

        if (r->cutting)
            out = slice_sub(out, 0, r->cut_left);
        if (!out.len) { /* what was written is still delivered */
            r->cutting = false;
            free_client(c, false);
            return false;
        }
        if (tcp_write(c->tcp, out, &n))
            return true;
        byteq_take(&c->out, n);
        if (r->cutting)
            r->cut_left -= n;
    }
    return true;
}

static void run_answer(struct event *ev)
{
    (void)flush(LIST_ENTRY(ev, struct client, answer));
}

/* --- commands -------------------------------------------------------------------------------- */

static void tally(struct redisserver *r, struct slice command)
{
    struct tally *t = map_find(&r->asked, command);

    if (!t) {
        t = MEM_NEW(struct tally);
        assert(slice_to_cstr(slice_sub(command, 0, 23), t->command, sizeof(t->command)));
        map_add(&r->asked, slice_from(t->command), t);
    }
    t->count++;
}

static bool say_wish(struct client *c, struct slice command)
{
    LIST_WALK(node, &c->server->wishes)
    {
        struct wish *w = LIST_ENTRY(node, struct wish, node);

        if (!slice_is(command, w->command) || !w->times)
            continue;
        w->times--;
        byteq_append(&c->out, slice_make(w->bytes, w->len));
        return true;
    }
    return false;
}

static void say_info(struct client *c)
{
    const struct redisserver *r = c->server;
    const struct redishabit *h = &r->habit;
    char text[512];

    snprintf(
        text, sizeof(text),
        "# Server\r\nredis_version:7.0.15\r\nrun_id:%040u\r\n# Persistence\r\nloading:%d\r\n"
        "# Memory\r\nmaxmemory_policy:%s\r\n# Replication\r\nrole:%s\r\nconnected_slaves:%u\r\n"
        "# Cluster\r\ncluster_enabled:%d\r\n",
        r->runs, h->loading, h->policy, h->replica ? "slave" : "master", h->replicas, h->cluster);
    put_text(&c->out, slice_from(text));
}

/* Digests are numbers here: nobody but the router reads them. */
static void load_script(struct client *c, struct slice text)
{
    struct redisserver *r = c->server;

    for (unsigned i = 0; i < SCRIPT_COUNT; i++) {
        if (!slice_is(text, scripts[i].text))
            continue;
        r->script_known[i] = true;
        put(&c->out, "$40\r\n%040u\r\n", i);
        return;
    }
    put(&c->out, "-ERR Error compiling script\r\n");
}

static void run_script(struct client *c, unsigned i, const struct slice *words, size_t count)
{
    struct redisserver *r = c->server;
    uint64_t keys;
    struct reply reply;

    if (!slice_to_u64(words[2], count - 3, &keys)) {
        put(&c->out, "-ERR Number of keys can't be greater than number of args\r\n");
        return;
    }
    redislua_run(r->lua, r->script_number[i], &r->keys, words + 3, keys, words + 3 + keys,
                 count - 3 - keys, &reply);
    put_reply(&c->out, &reply);
    reply_fini(&reply);
}

static void say_evalsha(struct client *c, const struct slice *words, size_t count)
{
    uint64_t i;

    if (slice_to_u64(words[1], SCRIPT_COUNT - 1, &i) && c->server->script_known[i])
        run_script(c, (unsigned)i, words, count);
    else
        put(&c->out, "-NOSCRIPT No matching script. Please use EVAL.\r\n");
}

static void say_eval(struct client *c, const struct slice *words, size_t count)
{
    for (unsigned i = 0; i < SCRIPT_COUNT; i++) {
        if (!slice_is(words[1], scripts[i].text))
            continue;
        c->server->script_known[i] = true;
        run_script(c, i, words, count);
        return;
    }
    put(&c->out, "-ERR Error compiling script\r\n");
}

static void say_login(struct client *c, struct slice password)
{
    const char *wanted = c->server->habit.password;

    c->known = wanted && slice_is(password, wanted);
    if (c->known)
        put(&c->out, "+OK\r\n");
    else if (wanted)
        put(&c->out, "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
    else
        put(&c->out, "-ERR AUTH <password> called without any password configured for the default "
                     "user. Are you sure your configuration is correct?\r\n");
}

static void say_master(struct client *c, struct slice name)
{
    const struct redisserver *r = c->server;
    char port[16];

    if (!slice_is(name, r->master)) {
        put(&c->out, "*-1\r\n");
        return;
    }
    snprintf(port, sizeof(port), "%u", r->master_port);
    put(&c->out, "*2\r\n");
    put_text(&c->out, slice_from(r->master_host));
    put_text(&c->out, slice_from(port));
}

static void say_subscribe(struct client *c, struct slice channel)
{
    mem_free(c->channel);
    c->channel = mem_strndup(channel);
    put(&c->out, "*3\r\n$9\r\nsubscribe\r\n");
    put_text(&c->out, channel);
    put(&c->out, ":1\r\n");
}

static void on_notice(void *arg, struct slice channel, struct slice text)
{
    struct redisserver *r = arg;

    LIST_WALK(node, &r->clients)
    {
        struct client *c = LIST_ENTRY(node, struct client, node);

        if (!c->channel || !slice_is(channel, c->channel))
            continue;
        put(&c->out, "*3\r\n$7\r\nmessage\r\n");
        put_text(&c->out, channel);
        put_text(&c->out, text);
        if (!event_waits(&c->answer))
            world_at(r->world, &c->answer, world_us(r->world));
    }
}

static void say_other(struct client *c, const struct slice *words, size_t count)
{
    struct reply reply;

    keyspace_call(&c->server->keys, words, count, &reply);
    put_reply(&c->out, &reply);
    reply_fini(&reply);
}

static void obey(struct client *c, const struct slice *words, size_t count)
{
    struct redisserver *r = c->server;
    struct slice command = words[0];

    tally(r, command);
    if (say_wish(c, command))
        return;
    if (slice_is(command, "AUTH"))
        say_login(c, words[count - 1]);
    else if (r->habit.password && !c->known)
        put(&c->out, "-NOAUTH Authentication required.\r\n");
    else if (slice_is(command, "INFO"))
        say_info(c);
    else if (slice_is(command, "PING"))
        put(&c->out, c->channel ? "*2\r\n$4\r\npong\r\n$0\r\n\r\n" : "+PONG\r\n");
    else if (slice_is(command, "WAIT"))
        put(&c->out, ":%u\r\n", r->habit.replicas);
    else if (slice_is(command, "SCRIPT") && count == 3)
        load_script(c, words[2]);
    else if (slice_is(command, "SUBSCRIBE") && count == 2)
        say_subscribe(c, words[1]);
    else if (slice_is(command, "SENTINEL") && count == 3)
        say_master(c, words[2]);
    else if (slice_is(command, "EVALSHA") && count > 2 && !r->habit.replica)
        say_evalsha(c, words, count);
    else if (slice_is(command, "EVAL") && count > 2 && !r->habit.replica)
        say_eval(c, words, count);
    else if (slice_starts(command, SLICE("EVAL")))
        put(&c->out, "-READONLY You can't write against a read only replica.\r\n");
    else
        say_other(c, words, count);
}

/* --- words in -------------------------------------------------------------------------------- */

/* "*3\r\n": its number, and what follows. False: not all there. */
static bool read_header(struct slice *in, char mark, uint64_t *ret_n)
{
    size_t end = slice_find(*in, '\n');

    if (end >= in->len)
        return false;
    assert(in->ptr[0] == mark && end > 1);
    assert(slice_to_u64(slice_sub(*in, 1, end - 2), 1 << 20, ret_n));
    *in = slice_from_offset(*in, end + 1);
    return true;
}

/* Carries out one command. False: not all there. */
static bool take_command(struct client *c)
{
    static struct slice words[WORDS_MAX];
    struct slice in = byteq_slice(&c->in);
    uint64_t count, len;

    if (!in.len || !read_header(&in, '*', &count))
        return false;
    assert(count > 0 && count <= WORDS_MAX);
    for (uint64_t i = 0; i < count; i++) {
        if (!in.len || !read_header(&in, '$', &len) || in.len < len + 2)
            return false;
        words[i] = slice_sub(in, 0, len);
        in = slice_from_offset(in, len + 2);
    }
    obey(c, words, count);
    byteq_take(&c->in, byteq_len(&c->in) - in.len);
    return true;
}

static void move_client(struct event *ev)
{
    struct client *c = LIST_ENTRY(ev, struct client, move);
    struct redisserver *r = c->server;
    char buf[4096];
    size_t n;
    enum err e;

    while ((e = tcp_read(c->tcp, buf, sizeof(buf), &n)) == OK)
        byteq_append(&c->in, slice_make(buf, n));
    if (e != ERR_AGAIN) {
        free_client(c, false);
        return;
    }
    while (!r->habit.silent && take_command(c))
        continue;
    if (!event_waits(&c->answer) && byteq_len(&c->out))
        world_at(r->world, &c->answer, world_us(r->world) + r->habit.delay_ms * 1000);
}

static void client_says(void *arg)
{
    struct client *c = arg;

    if (!event_waits(&c->move))
        world_at(c->server->world, &c->move, world_us(c->server->world) + 10);
}

static void port_says(void *arg)
{
    struct redisserver *r = arg;
    struct tcp *t;

    while ((t = port_accept(r->port)) != NULL) {
        struct client *c = MEM_NEW(struct client);

        c->server = r;
        c->tcp = t;
        byteq_init(&c->in);
        byteq_init(&c->out);
        event_init(&c->move, move_client);
        event_init(&c->answer, run_answer);
        list_push(&r->clients, &c->node);
        tcp_notify(t, client_says, c);
        client_says(c);
    }
}

/* --- life ------------------------------------------------------------------------------------ */

static void free_server(struct owned *o)
{
    struct redisserver *r = LIST_ENTRY(o, struct redisserver, owned);
    struct tally *t;
    size_t pos = 0;

    redisserver_stop(r);
    LIST_WALK(node, &r->wishes)
    {
        mem_free(LIST_ENTRY(node, struct wish, node)->bytes);
        mem_free(LIST_ENTRY(node, struct wish, node));
    }
    while ((t = map_next(&r->asked, &pos)))
        mem_free(t);
    map_fini(&r->asked);
    keyspace_fini(&r->keys);
    redislua_free(r->lua);
    mem_free(r);
}

static void start(struct redisserver *r)
{
    r->runs++;
    assert(port_open(r->host, NULL, &r->at, port_says, r, &r->port) == OK);
}

struct redisserver *redisserver_open(struct host *h, const char *at)
{
    static const uint64_t seed[2] = {1, 2};
    struct redisserver *r = MEM_NEW(struct redisserver);

    assert(addr_parse(slice_from(at), 6379, &r->at) == OK);
    r->world = world_current();
    r->host = h;
    r->habit.policy = "noeviction";
    list_init(&r->clients);
    list_init(&r->wishes);
    map_init(&r->asked, seed);
    keyspace_init(&r->keys);
    r->keys.notice = on_notice;
    r->keys.arg = r;
    r->lua = redislua_new();
    for (unsigned i = 0; i < SCRIPT_COUNT; i++)
        r->script_number[i] = redislua_load(r->lua, scripts[i].name, scripts[i].text);
    start(r);
    world_own(r->world, &r->owned, free_server);
    return r;
}

struct redishabit *redisserver_habit(struct redisserver *r)
{
    return &r->habit;
}

struct keyspace *redisserver_keys(struct redisserver *r)
{
    return &r->keys;
}

void redisserver_stop(struct redisserver *r)
{
    drop_clients(r);
    if (r->port)
        port_close(r->port);
    r->port = NULL;
}

void redisserver_restart(struct redisserver *r, bool empty)
{
    redisserver_stop(r);
    redisserver_forget_scripts(r);
    if (empty)
        keyspace_clear(&r->keys);
    start(r);
}

void redisserver_forget_scripts(struct redisserver *r)
{
    memset(r->script_known, 0, sizeof(r->script_known));
}

void redisserver_say(struct redisserver *r, const char *command, const char *bytes, unsigned times)
{
    redisserver_say_bytes(r, command, slice_from(bytes), times);
}

void redisserver_say_bytes(struct redisserver *r, const char *command, struct slice bytes,
                           unsigned times)
{
    struct wish *w = MEM_NEW(struct wish);

    snprintf(w->command, sizeof(w->command), "%s", command);
    w->bytes = mem_strndup(bytes);
    w->len = bytes.len;
    w->times = times;
    list_push(&r->wishes, &w->node);
}

void redisserver_cut_after(struct redisserver *r, size_t bytes)
{
    r->cutting = true;
    r->cut_left = bytes;
}

void redisserver_name_master(struct redisserver *r, const char *name, const char *host,
                             unsigned port)
{
    snprintf(r->master, sizeof(r->master), "%s", name);
    snprintf(r->master_host, sizeof(r->master_host), "%s", host);
    r->master_port = port;
}

void redisserver_publish(struct redisserver *r, struct slice channel, struct slice text)
{
    on_notice(r, channel, text);
}

unsigned redisserver_asked(const struct redisserver *r, const char *command)
{
    const struct tally *t = map_find(&r->asked, slice_from(command));

    return t ? t->count : 0;
}

unsigned redisserver_clients(const struct redisserver *r)
{
    unsigned n = 0;

    LIST_WALK(node, &r->clients)
    n++;
    return n;
}
