/* The router behind the engine's calls: a whole node, without signals, HTTP and control socket. */
#include "scenario/adapter.h"

#include "node/api.h"
#include "node/metrics.h"
#include "scenario/simhttp.h"

#include <stdio.h>

#define STOP_MS 120000 /* longer than any drain that a scenario configures */

struct plant {
    struct counters counters; /* the steward's */
    struct loop *loop;
    struct node *node;
    struct api *api;
    char *config_file;
    bool ready;
    bool ended;
    bool failed;
};

static void on_ready(void *arg)
{
    ((struct plant *)arg)->ready = true;
}

static void on_ended(void *arg, const char *error)
{
    struct plant *p = arg;

    p->ended = true;
    p->failed = error != NULL;
}

/* --- configuration --- */

void (*adapter_amend)(struct conf *conf);

static struct conf *load(const char *file, char *error, size_t error_size)
{
    struct conf_report report;
    struct conf *conf = NULL;

    conf_report_init(&report);
    if (conf_load(file, &report, &conf))
        snprintf(error, error_size, "%s:%u: %s", file, report.remarks[0].line,
                 report.remarks[0].text);
    conf_report_fini(&report);
    if (conf && adapter_amend)
        adapter_amend(conf);
    return conf;
}

/* --- life --- */

static bool begin(struct plant *p, struct log_sink *sink, struct conf *conf, char *error,
                  size_t error_size)
{
    struct node_options o = {.loop = p->loop,
                             .sink = sink,
                             .conf = conf,
                             .ready = on_ready,
                             .ended = on_ended,
                             .arg = p};

    return node_start(&o, error, error_size, &p->node) == OK;
}

static enum err reload(void *arg, char *error, size_t size)
{
    struct plant *p = arg;
    struct conf *conf = load(p->config_file, error, size);
    enum err e;

    if (!conf)
        return ERR_SYNTAX;
    e = node_reload(p->node, conf, error, size);
    conf_unref(conf);
    return e;
}

static void drain(void *arg)
{
    node_drain(((struct plant *)arg)->node);
}

static void unmake(struct plant *p)
{
    loop_free(p->loop);
    mem_free(p->config_file);
    mem_free(p);
}

static void *start(const char *config_file, struct log_sink *sink, char *error, size_t error_size)
{
    struct conf *conf = load(config_file, error, error_size);
    struct plant *p;
    bool ok;

    if (!conf)
        return NULL;
    p = MEM_NEW(struct plant);
    p->loop = loop_new(&p->counters, sink);
    p->config_file = mem_strdup(config_file);
    ok = begin(p, sink, conf, error, error_size);
    conf_unref(conf);
    if (!ok) {
        unmake(p);
        return NULL;
    }
    p->api = api_start(p->node, &(struct api_hooks){reload, drain, p}, error, error_size);
    assert(p->api); /* it listens nowhere */
    return p;
}

static void hang_up(struct plant *p)
{
    char error[512] = "";

    if (api_reload(p->api, error, sizeof(error)))
        LOG(loop_log(p->loop), LOG_ERROR, "config.reload_failed", LOG_TEXT("error", error));
    else
        LOG(loop_log(p->loop), LOG_INFO, "config.reloaded");
}

static void give_signal(void *node, const char *name)
{
    struct plant *p = node;

    if (strcmp(name, "term") == 0)
        node_drain(p->node);
    else if (strcmp(name, "hup") == 0)
        hang_up(p);
}

static int exit_code(void *node)
{
    struct plant *p = node;

    if (!p->ended)
        return -1;
    return p->failed ? 1 : 0;
}

static bool has_ended(void *arg)
{
    return ((struct plant *)arg)->ended;
}

/* As an operator would: whatever a scenario left behind must not keep it from stopping. */
static void stop(struct plant *p)
{
    bool stopped;

    if (!p->ended)
        node_drain(p->node);
    stopped = world_run_until(world_current(), has_ended, p, STOP_MS);
    assert(stopped); /* it drains for ever */
}

static void free_plant(void *node)
{
    struct plant *p = node;

    stop(p);
    api_stop(p->api);
    node_free(p->node);
    unmake(p);
}

/* --- metrics, as /metrics tells them --- */

struct sample {
    struct plant *plant;
    struct metrics metrics;
    bool there;
};

static void on_parts(void *arg, void **parts, unsigned count)
{
    struct sample *s = arg;

    metrics_sample(s->plant->node, (struct metrics_part *const *)parts, count, &s->metrics);
    for (unsigned i = 0; i < count; i++)
        metrics_part_free(parts[i]);
    s->there = true;
}

static bool is_there(void *arg)
{
    return ((struct sample *)arg)->there;
}

static void take_sample(struct plant *p, struct sample *ret_sample)
{
    bool taken;

    ret_sample->plant = p;
    ret_sample->there = false;
    workers_gather(node_workers(p->node), metrics_part, NULL, 0, on_parts, ret_sample);
    taken = world_run_until(world_current(), is_there, ret_sample, 10000);
    assert(taken); /* a worker hangs */
}

/* The value on the line "NAME VALUE"; without labels: the sum of all lines of that metric. */
static bool add_lines(struct slice text, struct slice name, double *ret_value)
{
    bool found = false;

    *ret_value = 0;
    while (text.len) {
        struct slice line = slice_sub(text, 0, slice_find(text, '\n'));
        struct slice rest = slice_from_offset(line, name.len);
        char value[64];

        text = slice_from_offset(text, line.len + 1);
        if (!slice_starts(line, name) || !rest.len || (rest.ptr[0] != ' ' && rest.ptr[0] != '{'))
            continue;
        if (slice_find(rest, '}') < rest.len)
            rest = slice_from_offset(rest, slice_find(rest, '}') + 1);
        if (!slice_to_cstr(slice_trim(rest), value, sizeof(value)))
            continue;
        *ret_value += strtod(value, NULL);
        found = true;
    }
    return found;
}

static bool metric(void *node, const char *name, double *ret_value)
{
    struct sample s;
    struct byteq text;
    bool found;

    take_sample(node, &s);
    byteq_init(&text);
    metrics_render(&s.metrics, &text);
    found = add_lines(byteq_slice(&text), slice_from(name), ret_value);
    byteq_fini(&text);
    metrics_fini(&s.metrics);
    return found;
}

static bool balance(void *node, uint64_t n[5])
{
    struct metrics_balance b;
    struct sample s;

    if (((struct plant *)node)->ended)
        return false;
    take_sample(node, &s);
    metrics_balance(&s.metrics, &b);
    metrics_fini(&s.metrics);
    n[0] = b.in;
    n[1] = b.out;
    n[2] = b.bounced;
    n[3] = b.dropped;
    n[4] = b.held;
    return true;
}

/* --- commands, as fedrouterctl sends them --- */

static bool changes_things(const char *command)
{
    static const char *const words[] = {"close", "reload", "drain", "forget", "log"};

    for (size_t i = 0; i < COUNT(words); i++)
        if (strcmp(command, words[i]) == 0)
            return true;
    return false;
}

static const char *key_of(const char *command, const char *value)
{
    if (strcmp(command, "log") == 0)
        return "level";
    if (strcmp(command, "forget") == 0)
        return "node";
    return value[strspn(value, "0123456789")] ? "domain" : "link";
}

/* "a.example" or "17", as typed; or "key=value&key=value". */
static void make_query(const char *command, const char *value, char *out, size_t size)
{
    if (!value[0] || strchr(value, '='))
        snprintf(out, size, "%s", value);
    else
        snprintf(out, size, "%s=%s", key_of(command, value), value);
}

static bool control(void *node, const char *words, struct byteq *out)
{
    struct plant *p = node;
    char command[32] = "";
    char value[256] = "";
    char path[64], query[300];
    struct simhttp_reply reply;

    sscanf(words, "%31s %255s", command, value);
    snprintf(path, sizeof(path), "/api/v1/%s", command);
    make_query(command, value, query, sizeof(query));
    simhttp_ask(p->loop, changes_things(command) ? HTTP_POST : HTTP_GET, path, query, &reply);
    byteq_append(out, byteq_slice(&reply.body));
    byteq_fini(&reply.body);
    return reply.status == 200;
}

static const struct adapter router = {start,   give_signal, exit_code, metric,
                                      control, balance,     free_plant};
const struct adapter *const scenario_adapter = &router;

struct node *adapter_node(void *node)
{
    return ((struct plant *)node)->node;
}
