/* What operators see of a cluster and do to it: three whole nodes, a Redis, and their API.
 * CLUST-04.
 */
#include "link/members.h"
#include "node/node.h"
#include "scenario/adapter.h"
#include "scenario/simhttp.h"
#include "scenario/trio.h"
#include "unit/test.h"

#include <jansson.h>

/* Until a link is gone whose peer does not answer the end of its stream. */
#define CLOSE_MS 6000

/* `more`: rules before the one for everybody. */
static void configure(const struct house *h, const char *more)
{
    char rest[1024];

    snprintf(rest, sizeof(rest),
             "components: [ { domain: rooms.example, secret_file: secret, connections: share } ]\n"
             "peers: [ %s { match: \"*\", tls: optional, auth: [dialback] } ]\n",
             more);
    land_configure(h, rest);
}

static void open_land(uint64_t seed)
{
    land_open(seed, "operators");
    for (unsigned i = 0; i < NODES; i++)
        configure(&land.at[i], "");
}

static bool all_are_members(void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < NODES; i++)
        if (land.at[i].node && !node_ready(adapter_node(land.at[i].node)))
            return false;
    return true;
}

static void open_running(uint64_t seed)
{
    open_land(seed);
    for (unsigned i = 0; i < NODES; i++)
        land_start(&land.at[i]);
    CHECK(world_run_until(land.w, all_are_members, NULL, 20000));
    world_advance(land.w, 3000); /* all have acknowledged all, and the mesh is up */
}

/* The process dies; its memory goes with the world. */
static void kill(struct house *h)
{
    host_kill(h->host);
    h->node = NULL;
}

static void join(struct house *h)
{
    h->component = land_join(h, "rooms.example");
    world_advance(land.w, 500);
}

/* --- asking --- */

/* `words` of fedrouterctl; NULL: refused, and `said` stands in the sentence. */
static json_t *ask(const struct house *h, const char *words, const char *said)
{
    struct byteq out;
    json_t *answer;
    bool ok;

    byteq_init(&out);
    ok = scenario_adapter->control(h->node, words, &out);
    answer = json_loadb(byteq_slice(&out).ptr, byteq_len(&out), 0, NULL);
    CHECK_MSG(answer && ok == !said, "%s: %.*s", words, SLICE_ARGS(byteq_slice(&out)));
    if (said) {
        const char *error = json_string_value(json_object_get(answer, "error"));

        CHECK_MSG(error && strstr(error, said), "%s: %.*s", words, SLICE_ARGS(byteq_slice(&out)));
        json_decref(answer);
        answer = NULL;
    }
    byteq_fini(&out);
    return answer;
}

static void refuse(const struct house *h, const char *words, const char *said)
{
    CHECK(!ask(h, words, said));
}

/* The i-th row of that node; NULL: none. */
static const json_t *row_of(const json_t *rows, const char *node, size_t i)
{
    for (size_t at = 0; at < json_array_size(rows); at++) {
        const json_t *row = json_array_get(rows, at);

        CHECK(json_is_string(json_object_get(row, "node")));
        if (strcmp(json_string_value(json_object_get(row, "node")), node) == 0 && i-- == 0)
            return row;
    }
    return NULL;
}

static const char *text(const json_t *row, const char *key)
{
    const char *value = json_string_value(json_object_get(row, key));

    return value ? value : "";
}

static long long number(const json_t *row, const char *key)
{
    const json_t *value = json_object_get(row, key);

    return json_is_integer(value) ? json_integer_value(value) : -1;
}

static bool flag(const json_t *row, const char *key)
{
    CHECK(json_is_boolean(json_object_get(row, key)));
    return json_is_true(json_object_get(row, key));
}

static const char *state_text(const struct house *h)
{
    static char out[MEMBERS_TEXT_BYTES];

    return node_state_text(adapter_node(h->node), out);
}

static bool logged(const struct house *h, const char *event, const char *part)
{
    struct slice log = byteq_slice(&h->bed.lines);

    while (log.len) {
        struct slice line = slice_sub(log, 0, slice_find(log, '\n'));

        if (memmem(line.ptr, line.len, event, strlen(event)) &&
            memmem(line.ptr, line.len, part, strlen(part)))
            return true;
        log = slice_from_offset(log, line.len + 1);
    }
    return false;
}

/* --- nodes --- */

TEST(operators, nodes_tells_what_each_says_and_what_is_seen_of_it)
{
    json_t *rows;

    open_running(1);
    rows = ask(&land.at[0], "nodes", NULL);
    CHECK_EQ(json_array_size(rows), NODES);
    for (unsigned i = 0; i < NODES; i++) {
        const json_t *row = row_of(rows, land.at[i].name, 0);

        CHECK_STR(text(row, "state"), "member");
        CHECK_STR(text(row, "version"), FEDROUTER_VERSION);
        CHECK(strncmp(text(row, "address"), land.at[i].ip, strlen(land.at[i].ip)) == 0);
        CHECK(flag(row, "member") && number(row, "incarnation") > 0);
        CHECK(!json_object_get(row, "error"));
        if (i == 0) {
            CHECK(json_is_null(json_object_get(row, "mesh")));
            continue;
        }
        CHECK_STR(text(row, "mesh"), "up");
        CHECK(number(row, "mesh_ms") > 1000 && number(row, "unheard_ms") < 2000);
        CHECK(flag(row, "acknowledged") && !flag(row, "promises") && !flag(row, "left"));
        CHECK(!flag(row, "config_differs"));
    }
    json_decref(rows);
    rows = ask(&land.at[0], "nodes local=1", NULL);
    CHECK_EQ(json_array_size(rows), 1);
    json_decref(rows);
    CHECK_EQ(land_metric(&land.at[0], "members"), 3);
    CHECK_EQ(land_metric(&land.at[0], "members_silent"), 0);
    CHECK_EQ(land_metric(&land.at[0], "mesh_peers"), 2);
    CHECK_EQ(land_metric(&land.at[0], "promises_missing"), 0);
    CHECK(land_metric(&land.at[0], "lease_remaining_seconds") > 4.5);
    CHECK(land_metric(&land.at[0], "store_seconds_count") > 5);
    CHECK_EQ(land_metric(&land.at[0], "epochs_total"), 0);
    CHECK_EQ(land_metric(&land.at[0], "fenced_total"), 0);
    land_close();
}

/* --- answers of all --- */

TEST(operators, rows_come_from_all_nodes)
{
    static const char *const commands[] = {"status", "components"};
    const struct house *a = &land.at[0], *b = &land.at[1];
    json_t *rows;

    open_running(2);
    for (size_t i = 0; i < COUNT(commands); i++) {
        rows = ask(a, commands[i], NULL);
        for (unsigned k = 0; k < NODES; k++)
            CHECK_MSG(row_of(rows, land.at[k].name, 0), "%s: %s", commands[i], land.at[k].name);
        json_decref(rows);
    }
    join(&land.at[1]);
    rows = ask(a, "components", NULL); /* known on all nodes: absent nowhere */
    CHECK_EQ(json_array_size(rows), 1);
    CHECK_STR(text(row_of(rows, "b", 0), "state"), "open");
    json_decref(rows);
    rows = ask(a, "links", NULL);
    CHECK_EQ(json_array_size(rows), 1);
    CHECK_STR(text(row_of(rows, "b", 0), "kind"), "component");
    json_decref(rows);
    rows = ask(a, "links local=1", NULL);
    CHECK_EQ(json_array_size(rows), 0);
    json_decref(rows);
    rows = ask(a, "links rooms.example", NULL);
    CHECK_EQ(json_array_size(rows), 1);
    json_decref(rows);
    rows = ask(a, "links other.example", NULL);
    CHECK_EQ(json_array_size(rows), 0);
    json_decref(rows);
    rows = ask(b, "pairs", NULL);
    CHECK_EQ(json_array_size(rows), 0);
    json_decref(rows);
    rows = ask(b, "queues", NULL);
    CHECK_EQ(json_array_size(rows), 0);
    json_decref(rows);
    refuse(a, "links bad..name", "is not a domain");
    land_close();
}

TEST(operators, who_does_not_answer_is_named)
{
    const struct house *a = &land.at[0];
    const json_t *row;
    uint64_t before;
    json_t *rows;

    open_running(3);
    host_pause(land.at[2].host, true);
    before = world_ms(land.w);
    rows = ask(a, "status", NULL);
    CHECK(world_ms(land.w) - before >= 1990 && world_ms(land.w) - before < 2200);
    CHECK_EQ(json_array_size(rows), NODES);
    CHECK_STR(text(row_of(rows, "a", 0), "state"), "member");
    CHECK_STR(text(row_of(rows, "b", 0), "state"), "member");
    CHECK_STR(text(row_of(rows, "c", 0), "error"), "it did not answer within 2 s");
    json_decref(rows);
    world_advance(land.w, 3000); /* three PINGs */
    before = world_ms(land.w);
    rows = ask(a, "nodes", NULL);
    CHECK(world_ms(land.w) - before < 100);
    row = row_of(rows, "c", 0);
    CHECK_STR(text(row, "error"), "there is no mesh connection to it");
    CHECK_STR(text(row, "mesh"), "down");
    CHECK(number(row, "unheard_ms") > 4000 && flag(row, "member"));
    json_decref(rows);
    CHECK_EQ(land_metric(a, "members_silent"), 1);
    CHECK_EQ(land_metric(a, "mesh_peers"), 1);
    host_pause(land.at[2].host, false);
    land_close();
}

/* --- close --- */

TEST(operators, close_acts_on_all_nodes)
{
    const struct house *a = &land.at[0];
    char words[64];
    long long id;
    json_t *rows;

    open_running(4);
    refuse(a, "close rooms.example", "there is no such link");
    join(&land.at[1]);
    rows = ask(a, "close rooms.example", NULL);
    CHECK_EQ(number(row_of(rows, "a", 0), "closed"), 0);
    CHECK_EQ(number(row_of(rows, "b", 0), "closed"), 1);
    json_decref(rows);
    world_advance(land.w, CLOSE_MS);

    join(&land.at[1]);
    rows = ask(a, "links", NULL);
    id = number(row_of(rows, "b", 0), "id");
    json_decref(rows);
    snprintf(words, sizeof(words), "close link=%lld&local=1", id);
    refuse(a, words, "there is no such link");
    snprintf(words, sizeof(words), "close link=%lld&node=c", id);
    refuse(a, words, "there is no such link");
    snprintf(words, sizeof(words), "close link=%lld&node=d", id);
    refuse(a, words, "there is no node d");
    snprintf(words, sizeof(words), "close %lld", id);
    rows = ask(a, words, NULL);
    CHECK_EQ(json_array_size(rows), 1);
    CHECK_EQ(number(row_of(rows, "b", 0), "closed"), 1);
    json_decref(rows);
    land_close();
}

/* Numbers are each node's own: the first link of both has the same. */
TEST(operators, a_number_that_two_nodes_have_is_no_link)
{
    const struct house *a = &land.at[0];
    char words[64];
    long long id;
    json_t *rows;

    open_running(5);
    join(&land.at[0]);
    join(&land.at[1]);
    rows = ask(a, "links", NULL);
    id = number(row_of(rows, "a", 0), "id");
    CHECK_EQ(number(row_of(rows, "b", 0), "id"), id);
    json_decref(rows);
    snprintf(words, sizeof(words), "close %lld", id);
    refuse(a, words, "on a, b; say which: NODE/");
    snprintf(words, sizeof(words), "close link=%lld&node=b", id);
    rows = ask(a, words, NULL);
    CHECK_EQ(number(row_of(rows, "b", 0), "closed"), 1);
    json_decref(rows);
    world_advance(land.w, CLOSE_MS);
    rows = ask(a, "links", NULL);
    CHECK_EQ(json_array_size(rows), 1);
    CHECK(row_of(rows, "a", 0));
    json_decref(rows);
    land_close();
}

/* --- forget, and the words of states --- */

TEST(operators, forget_ends_the_wait_for_a_dead_node)
{
    const struct house *a = &land.at[0], *b = &land.at[1];
    json_t *rows;

    open_running(6);
    refuse(a, "forget a", "is this node");
    refuse(a, "forget d", "not on the list");
    refuse(a, "forget c", "c answers: it was heard");
    CHECK(land_metric(a, "node_state{state=\"member\"}") == 1);
    redisserver_stop(land.redis);
    kill(&land.at[2]);
    world_advance(land.w, 5000);
    refuse(a, "forget c", "c answers: it was heard");
    world_advance(land.w, 5000);
    CHECK_STR(node_state_word(adapter_node(a->node)), "parked");
    CHECK_MSG(strstr(state_text(a), "missing is the promise of c (not heard for "), "%s",
              state_text(a));
    CHECK(strstr(state_text(a), "the table has not answered for ") &&
          strstr(state_text(a), "fedrouterctl forget"));
    CHECK_EQ(land_metric(a, "node_state{state=\"parked\"}"), 1);
    CHECK_EQ(land_metric(a, "promises_missing"), 1);
    CHECK_EQ(land_metric(a, "lease_remaining_seconds"), 0);
    CHECK_EQ(land_metric(a, "store_up"), 0);
    CHECK_EQ(land_metric(a, "fenced_total{reason=\"lapsed\"}"), 1);
    CHECK(logged(a, "node.state", "state=parked") && logged(a, "node.state", "promise of c"));

    rows = ask(a, "forget c", NULL);
    CHECK_STR(text(row_of(rows, "a", 0), "forgotten"), "c");
    CHECK_EQ(number(row_of(rows, "a", 0), "told"), 1);
    json_decref(rows);
    world_advance(land.w, 2000);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_STR(node_state_word(adapter_node(land.at[i].node)), "degraded");
        CHECK(strstr(state_text(&land.at[i]), "on the promises of all other members"));
        CHECK_EQ(land_metric(&land.at[i], "promises_missing"), 0);
        CHECK(land_metric(&land.at[i], "lease_remaining_seconds") > 0.5);
    }
    CHECK(logged(b, "member.forgotten", "by=a"));
    rows = ask(b, "nodes", NULL);
    CHECK(flag(row_of(rows, "a", 0), "promises"));
    CHECK(flag(row_of(rows, "c", 0), "left"));
    json_decref(rows);

    redisserver_restart(land.redis, true);
    world_advance(land.w, 12000);
    CHECK_STR(node_state_word(adapter_node(a->node)), "member");
    CHECK_EQ(land_metric(a, "members"), 2);
    CHECK_EQ(land_metric(a, "epochs_total"), 1);
    CHECK_EQ(land_metric(a, "fenced_total"), 1);
    land_close();
}

/* Whoever may publish could else make every node ask the table as fast as it answers. */
TEST(operators, notices_without_end_are_answered_now_and_then)
{
    unsigned asked;

    open_running(8);
    asked = redisserver_asked(land.redis, "EVALSHA");
    for (unsigned i = 0; i < 1000; i++) {
        redisserver_publish(land.redis, SLICE("{fr}:ev"), SLICE("1"));
        world_advance(land.w, 1);
    }
    asked = redisserver_asked(land.redis, "EVALSHA") - asked;
    CHECK(asked >= NODES * 15 && asked <= NODES * 25);
    world_advance(land.w, 3000);
    CHECK(all_are_members(NULL));
    land_close();
}

/* a does not hear c any more, b does: it lives. */
TEST(operators, forget_is_refused_while_another_node_hears_it)
{
    const struct house *a = &land.at[0];

    open_running(7);
    redisserver_stop(land.redis);
    world_part(land.w, land.at[0].host, land.at[2].host, true);
    world_advance(land.w, 12000);
    CHECK_STR(node_state_word(adapter_node(a->node)), "parked");
    refuse(a, "forget c", "c answers: b hears it");
    CHECK_EQ(land_metric(a, "promises_missing"), 1);
    world_part(land.w, land.at[0].host, land.at[2].host, false);
    land_close();
}

/* It slept while the others buried it. */
TEST(operators, a_node_that_was_buried_counts_it)
{
    struct house *c = &land.at[2];

    open_running(8);
    host_pause(c->host, true);
    world_advance(land.w, 12000);
    CHECK_EQ(land_metric(&land.at[0], "buried_total") + land_metric(&land.at[1], "buried_total"),
             1);
    CHECK_EQ(land_metric(&land.at[0], "members"), 2);
    host_pause(c->host, false);
    world_advance(land.w, 6000);
    CHECK_STR(node_state_word(adapter_node(c->node)), "member");
    CHECK_EQ(land_metric(c, "fenced_total{reason=\"lapsed\"}"), 1);
    CHECK_EQ(land_metric(c, "fenced_total{reason=\"buried\"}"), 1);
    CHECK_EQ(land_metric(c, "fenced_total{reason=\"epoch\"}"), 0);
    CHECK_EQ(land_metric(&land.at[0], "fenced_total"), 0);
    land_close();
}

/* The table forgets everything while a node sleeps: it comes back without a right. */
TEST(operators, a_new_epoch_is_counted)
{
    struct house *c = &land.at[2];

    open_running(9);
    host_pause(c->host, true);
    redisserver_restart(land.redis, true);
    world_advance(land.w, 6500); /* its right is over, and it is not buried yet */
    host_pause(c->host, false);
    world_advance(land.w, 10000);
    CHECK_EQ(land_metric(&land.at[0], "epochs_total"), 1);
    CHECK_EQ(land_metric(c, "epochs_total"), 1);
    CHECK_EQ(land_metric(c, "fenced_total{reason=\"lapsed\"}"), 1);
    CHECK_EQ(land_metric(c, "fenced_total{reason=\"epoch\"}"), 1);
    CHECK_EQ(land_metric(c, "fenced_total{reason=\"buried\"}"), 0);
    CHECK_STR(node_state_word(adapter_node(c->node)), "member");
    CHECK(logged(&land.at[0], "store.epoch", "began anew"));
    land_close();
}

TEST(operators, newcomers_say_what_they_wait_for)
{
    struct house *a = &land.at[0];

    open_land(10);
    redisserver_stop(land.redis);
    land_start(a);
    world_advance(land.w, 3000);
    CHECK_STR(node_state_word(adapter_node(a->node)), "joining");
    CHECK_MSG(strstr(state_text(a), "the table has not answered yet ("), "%s", state_text(a));
    CHECK(logged(a, " store.failed ", "connection refused"));
    CHECK_EQ(land_metric(a, "node_state{state=\"joining\"}"), 1);
    CHECK_EQ(land_metric(a, "lease_remaining_seconds"), 0);
    CHECK_EQ(land_metric(a, "members"), 0);
    redisserver_restart(land.redis, true);
    world_advance(land.w, 4000);
    CHECK_STR(node_state_word(adapter_node(a->node)), "settling");
    CHECK(strstr(state_text(a), "the table is new or began anew"));
    world_advance(land.w, 8000);
    CHECK_STR(node_state_word(adapter_node(a->node)), "member");
    CHECK_STR(state_text(a), "serving");

    land_start(&land.at[1]);
    world_advance(land.w, 3000);
    CHECK_STR(node_state_word(adapter_node(land.at[1].node)), "member");
    host_pause(a->host, true); /* it cannot acknowledge a third */
    world_advance(land.w, 1000);
    land_start(&land.at[2]);
    world_advance(land.w, 3000);
    CHECK_STR(node_state_word(adapter_node(land.at[2].node)), "joining");
    CHECK_MSG(strstr(state_text(&land.at[2]), "missing: a (not heard for "), "%s",
              state_text(&land.at[2]));
    CHECK(logged(&land.at[2], " node.state ", "missing: a"));
    host_pause(a->host, false);
    world_advance(land.w, 5000);
    CHECK_STR(node_state_word(adapter_node(land.at[2].node)), "member");
    land_close();
}

TEST(operators, a_name_used_twice_is_in_the_log)
{
    struct house *c = &land.at[2];

    open_land(12);
    land_start(&land.at[0]);
    land_start(&land.at[1]);
    world_advance(land.w, 10000);
    memcpy(c->name, land.at[0].name, sizeof(c->name));
    configure(c, "");
    land_start(c);
    world_advance(land.w, 40000);
    CHECK_STR(node_state_word(adapter_node(c->node)), "joining");
    CHECK(logged(c, " node.state ", "another process has the name a at another mesh address"));
    CHECK_STR(node_state_word(adapter_node(land.at[0].node)), "member");
    land_close();
}

TEST(operators, a_draining_node_says_so)
{
    const struct house *a = &land.at[0];

    open_running(11);
    scenario_adapter->signal(a->node, "term");
    CHECK_STR(node_state_word(adapter_node(a->node)), "draining");
    CHECK(strstr(state_text(a), "shutting down"));
    CHECK_EQ(land_metric(a, "node_state{state=\"draining\"}"), 1);
    land_close();
}

/* --- configurations --- */

static void reload(struct house *h, const char *more)
{
    configure(h, more);
    scenario_adapter->signal(h->node, "hup");
    world_advance(land.w, 1000);
}

TEST(operators, a_reload_that_makes_nodes_differ_is_shown)
{
    struct house *a = &land.at[0], *b = &land.at[1];
    const json_t *differs;
    json_t *rows;

    open_running(12);
    reload(b, "{ match: \"*.spam.example\", allow: none },");
    CHECK_EQ(land_metric(a, "config_differs"), 1);
    CHECK_EQ(land_metric(b, "config_differs"), 2);
    CHECK_EQ(land_metric(&land.at[2], "config_differs"), 1);
    CHECK(logged(a, "mesh.config_differs", "in=peers"));
    rows = ask(a, "nodes", NULL);
    differs = json_object_get(row_of(rows, "b", 0), "differs");
    CHECK_EQ(json_array_size(differs), 1);
    CHECK_STR(json_string_value(json_array_get(differs, 0)), "peers");
    CHECK(flag(row_of(rows, "b", 0), "config_differs"));
    CHECK(!flag(row_of(rows, "c", 0), "config_differs"));
    json_decref(rows);
    reload(b, "");
    CHECK_EQ(land_metric(a, "config_differs"), 0);
    CHECK_EQ(land_metric(b, "config_differs"), 0);
    land_write("dialback", "another secret, and it is just as long as the first of them was");
    reload(b, "");
    CHECK_EQ(land_metric(a, "config_differs"), 1);
    CHECK(logged(a, "mesh.config_differs", "in=\"dialback secrets\""));
    reload(a, "");
    reload(&land.at[2], "");
    CHECK_EQ(land_metric(a, "config_differs"), 0);
    land_close();
}

/* --- other nodes' questions are bounded --- */

static struct {
    unsigned parcels, good, refused;
    char error[256];
} heard;

static void on_asked(void *arg, struct slice node, const struct frame_ask *f)
{
    (void)arg;
    (void)node;
    (void)f;
}

static void on_answered(void *arg, struct slice node, const struct frame_answer *f)
{
    json_t *slip;
    const char *error;

    (void)arg;
    (void)node;
    heard.parcels += f->more;
    if (f->more)
        return;
    slip = json_loadb(f->body.ptr, f->body.len, 0, NULL);
    error = json_string_value(json_object_get(slip, "error"));
    heard.good += !error;
    heard.refused += error != NULL;
    if (error)
        snprintf(heard.error, sizeof(heard.error), "%s", error);
    json_decref(slip);
}

static void on_lost(void *arg, struct slice node)
{
    (void)arg;
    (void)node;
}

static void send_ask(uint64_t serial, const char *command, const char *argument)
{
    struct members *m = node_members(adapter_node(land.at[0].node));
    struct frame_ask f = {serial, slice_from(command), slice_from(argument)};

    CHECK(members_ask(m, SLICE("b"), &f));
}

TEST(operators, questions_of_other_nodes_are_bounded)
{
    static const struct members_ears ears = {on_asked, on_answered, on_lost};
    static const char *const senseless[][2] = {
        {"drain", ""},   {"forget", "c"}, {"links", "bad..name"}, {"links", "ROOMS.example"},
        {"status", "x"}, {"close", ""},   {"close-link", "0"},    {"close-link", "-1"},
        {"link", "x"},   {"hears", ""},
    };

    open_running(13);
    memset(&heard, 0, sizeof(heard));
    members_listen(node_members(adapter_node(land.at[0].node)), &ears, NULL);
    for (uint64_t i = 1; i <= 50; i++)
        send_ask(i, "status", "");
    world_advance(land.w, 1000);
    CHECK_EQ(heard.good + heard.refused, 50);
    CHECK(heard.good >= 4 && heard.parcels == heard.good);
    CHECK(heard.refused > 0);
    CHECK_STR(heard.error, "it has too many questions to answer already");
    memset(&heard, 0, sizeof(heard));
    for (size_t i = 0; i < COUNT(senseless); i++)
        send_ask(100 + i, senseless[i][0], senseless[i][1]);
    world_advance(land.w, 1000);
    CHECK_EQ(heard.good, 0);
    CHECK_EQ(heard.refused, COUNT(senseless));
    CHECK(strstr(heard.error, "does not know that question"));
    members_listen(node_members(adapter_node(land.at[0].node)), NULL, NULL);
    land_close();
}

static bool has_ended(void *arg)
{
    return scenario_adapter->exit_code(arg) >= 0;
}

/* A node that stops while it asks, and is asked: another one never answers. */
TEST(operators, nothing_is_left_of_questions_at_the_end)
{
    unsigned unanswered = 0;

    for (uint64_t seed = 20; seed < 40; seed++) {
        struct house *b = &land.at[1];
        struct simhttp_reply reply, late;

        open_running(seed);
        host_pause(land.at[2].host, true);
        simhttp_begin(node_loop(adapter_node(b->node)), HTTP_GET, "/api/v1/status", "", &reply);
        for (uint64_t i = 1; i <= 4; i++)
            send_ask(i, "links", "");
        world_advance(land.w, seed % 10);
        scenario_adapter->signal(b->node, "term");
        scenario_adapter->signal(b->node, "term");
        CHECK(world_run_until(land.w, has_ended, b->node, 10000));
        simhttp_begin(node_loop(adapter_node(b->node)), HTTP_GET, "/api/v1/status", "", &late);
        for (uint64_t i = 20; i < seed; i++)
            world_step(land.w); /* here, or on its way from a worker, or there */
        scenario_adapter->free(b->node);
        b->node = NULL;
        unanswered += late.status == 0;
        byteq_fini(&reply.body);
        byteq_fini(&late.body);
        host_pause(land.at[2].host, false);
        land_close();
    }
    CHECK(unanswered > 0 && unanswered < 20);
}

TESTS(TEST_OF(operators, nodes_tells_what_each_says_and_what_is_seen_of_it),
      TEST_OF(operators, rows_come_from_all_nodes),
      TEST_OF(operators, who_does_not_answer_is_named), TEST_OF(operators, close_acts_on_all_nodes),
      TEST_OF(operators, a_number_that_two_nodes_have_is_no_link),
      TEST_OF(operators, forget_ends_the_wait_for_a_dead_node),
      TEST_OF(operators, forget_is_refused_while_another_node_hears_it),
      TEST_OF(operators, a_node_that_was_buried_counts_it),
      TEST_OF(operators, a_new_epoch_is_counted),
      TEST_OF(operators, newcomers_say_what_they_wait_for),
      TEST_OF(operators, a_name_used_twice_is_in_the_log),
      TEST_OF(operators, a_draining_node_says_so),
      TEST_OF(operators, a_reload_that_makes_nodes_differ_is_shown),
      TEST_OF(operators, questions_of_other_nodes_are_bounded),
      TEST_OF(operators, notices_without_end_are_answered_now_and_then),
      TEST_OF(operators, nothing_is_left_of_questions_at_the_end))
