/* router/main.c - the fedrouter program: arguments, signals, the service manager, one node.
 *
 * Exit status: 0 clean stop, 1 run-time failure, 64 usage, 78 configuration.
 */
#include "loop/signal.h"
#include "loop/timer.h"
#include "node/api.h"
#include "node/node.h"
#include "node/notify.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

enum { EXIT_RUN = 1, EXIT_USAGE = 64, EXIT_CONFIG = 78 };

#define DEFAULT_CONFIG "/etc/fedrouter/fedrouter.yaml"

struct args {
    const char *config;
    bool check;
    bool print;
};

struct program {
    struct args args;
    struct loop *loop;
    struct log_sink sink;
    struct counters counters;
    struct node *node;
    struct api *api; /* NULL: it could not listen, and the node is on its way out */
    struct sigwatch *signals[4];
    struct timer watchdog;
    uint64_t watchdog_ms;
    int status;
};

/* --- log: whole lines to standard error --- */

static void write_stderr(struct log_sink *sink, enum log_level level, struct slice line)
{
    ssize_t n;

    (void)level;
    do
        n = write(STDERR_FILENO, line.ptr, line.len);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)line.len) /* a full disk, a closed pipe: the router goes on and counts */
        atomic_fetch_add_explicit(&sink->lost_lines, 1, memory_order_relaxed);
}

/* --- the configuration --- */

static void first_error(const struct conf_report *r, char *error, size_t size)
{
    for (size_t i = 0; i < r->count; i++) {
        if (r->remarks[i].severity != CONF_ERROR)
            continue;
        snprintf(error, size, "%s:%u: %s%s", r->file, r->remarks[i].line, r->remarks[i].text,
                 r->error_count > 1 ? " (and more: see the log)" : "");
        return;
    }
}

/* Every remark goes to standard error, the first error to `error` as well. */
static struct conf *load(const char *path, char *error, size_t size)
{
    struct conf_report report;
    struct conf *conf = NULL;
    enum err e;

    conf_report_init(&report);
    e = conf_load(path, &report, &conf);
    conf_report_print(&report, stderr);
    if (e)
        first_error(&report, error, size);
    conf_report_fini(&report);
    return e ? NULL : conf;
}

/* What only shows when certificates are loaded, too. */
static int check(struct conf *conf)
{
    struct settings *settings;
    char error[512];

    if (node_settings_make(conf, SLICE("check"), error, sizeof(error), &settings)) {
        fprintf(stderr, "%s\n", error);
        return EXIT_CONFIG;
    }
    settings_unref(settings);
    printf("%s: the configuration is good\n", conf->file);
    return 0;
}

static enum err load_again(struct program *p, char *error, size_t size)
{
    struct conf *conf = load(p->args.config, error, size);
    enum err e;

    if (!conf)
        return ERR_SYNTAX;
    e = node_reload(p->node, conf, error, size);
    conf_unref(conf);
    return e;
}

static enum err reload(void *arg, char *error, size_t size)
{
    struct program *p = arg;
    enum err e;

    notify_reloading(loop_now_us(p->loop));
    e = load_again(p, error, size);
    if (e)
        LOG(loop_log(p->loop), LOG_ERROR, "config.reload_failed", LOG_TEXT("error", error),
            LOG_TEXT("effect", "the old configuration stays"));
    else
        LOG(loop_log(p->loop), LOG_INFO, "config.reloaded", LOG_TEXT("file", p->args.config));
    notify_ready();
    return e;
}

static void drain(void *arg)
{
    notify_stopping();
    node_drain(((struct program *)arg)->node);
}

/* --- signals --- */

static void on_hup(void *arg, int signo)
{
    struct program *p = arg;
    char error[512];

    (void)signo;
    if (p->api)
        (void)!api_reload(p->api, error, sizeof(error)); /* it was logged */
}

static void on_term(void *arg, int signo)
{
    struct program *p = arg;

    LOG(loop_log(p->loop), LOG_INFO, "signal", LOG_INT("number", signo));
    drain(p);
}

/* --- the node's events --- */

static void on_watchdog(struct timer *t)
{
    struct program *p = LIST_ENTRY(t, struct program, watchdog);

    if (workers_silent_ms(node_workers(p->node)) < 5000)
        notify_watchdog();
    timer_start(&p->watchdog, p->watchdog_ms);
}

static void log_listener(struct program *p, size_t i)
{
    static const char *const names[] = {"s2s", "s2s_tls", "component", "component_tls"};
    char text[ADDR_TEXT_MAX];
    struct addr at;
    enum site_port port = door_listener(node_door(p->node), i, &at);

    LOG(loop_log(p->loop), LOG_INFO, "listening", LOG_TEXT("for", names[port]),
        LOG_TEXT("at", addr_format(&at, text)));
}

static void on_ready(void *arg)
{
    struct program *p = arg;

    for (size_t i = 0; i < door_listener_count(node_door(p->node)); i++)
        log_listener(p, i);
    p->watchdog_ms = notify_watchdog_ms();
    if (p->watchdog_ms)
        timer_start(&p->watchdog, p->watchdog_ms);
    notify_ready();
}

static void on_ended(void *arg, const char *error)
{
    struct program *p = arg;

    if (error) {
        fprintf(stderr, "fedrouter: %s\n", error);
        p->status = EXIT_RUN;
    }
    loop_stop(p->loop);
}

/* --- running --- */

/* Every link is a descriptor: take what the system gives. */
static void raise_descriptors(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur < r.rlim_max) {
        r.rlim_cur = r.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &r);
    }
}

static void watch_signals(struct program *p)
{
    signal(SIGPIPE, SIG_IGN);
    p->signals[0] = sigwatch_open(p->loop, SIGHUP, on_hup, p);
    p->signals[1] = sigwatch_open(p->loop, SIGTERM, on_term, p);
    p->signals[2] = sigwatch_open(p->loop, SIGINT, on_term, p);
}

static void unwatch_signals(struct program *p)
{
    for (size_t i = 0; p->signals[i]; i++)
        sigwatch_close(p->signals[i]);
}

static bool start(struct program *p, struct conf *conf)
{
    int fds[NOTIFY_FDS_MAX];
    struct node_options o = {
        .loop = p->loop,
        .sink = &p->sink,
        .conf = conf,
        .given_fds = fds,
        .given_fd_count = notify_given_fds(fds),
        .ready = on_ready,
        .ended = on_ended,
        .arg = p,
    };
    char error[512];

    if (node_start(&o, error, sizeof(error), &p->node)) {
        fprintf(stderr, "fedrouter: %s\n", error);
        p->status = EXIT_CONFIG;
        return false;
    }
    return true;
}

/* Without them nobody could ask or steer it. */
static void serve(struct program *p)
{
    const struct api_hooks hooks = {reload, drain, p};
    char error[512];

    p->api = api_start(p->node, &hooks, error, sizeof(error));
    if (p->api)
        return;
    fprintf(stderr, "fedrouter: %s\n", error);
    p->status = EXIT_RUN;
    node_drain(p->node);
    node_drain(p->node); /* at once */
}

static int run(struct program *p, struct conf *conf)
{
    raise_descriptors();
    p->sink.write = write_stderr;
    atomic_init(&p->sink.level, conf->log.level);
    atomic_init(&p->sink.format, conf->log.format);
    p->loop = loop_new(&p->counters, &p->sink);
    timer_init(&p->watchdog, p->loop, on_watchdog);
    LOG(loop_log(p->loop), LOG_INFO, "start", LOG_TEXT("version", FEDROUTER_VERSION),
        LOG_TEXT("config", p->args.config), LOG_INT("pid", getpid()));
    if (start(p, conf)) {
        conf_unref(conf);
        serve(p);
        watch_signals(p);
        loop_run(p->loop);
        timer_stop(&p->watchdog);
        unwatch_signals(p);
        if (p->api)
            api_stop(p->api);
        node_free(p->node);
    } else {
        conf_unref(conf);
    }
    LOG(loop_log(p->loop), LOG_INFO, "end", LOG_INT("status", p->status));
    loop_free(p->loop);
    return p->status;
}

static void usage(FILE *out)
{
    fputs("usage: fedrouter [--config FILE] [--check] [--print-config] [--version] [--help]\n"
          "\n"
          "  --config FILE    read FILE instead of " DEFAULT_CONFIG "\n"
          "  --check          report every error of the configuration and exit\n"
          "  --print-config   print the configuration in effect, defaults filled in, and exit\n"
          "  --version        print the version and exit\n"
          "\n"
          "Runs in the foreground and logs to standard error. SIGHUP reloads configuration and\n"
          "certificates, SIGTERM drains and stops, a second SIGTERM stops now.\n"
          "Exit status: 0 clean stop, 1 run-time failure, 64 usage, 78 configuration.\n",
          out);
}

static bool parse(int argc, char **argv, struct args *a, int *ret_status)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"check", no_argument, NULL, 'k'},
        {"print-config", no_argument, NULL, 'p'}, {"version", no_argument, NULL, 'v'},
        {"help", no_argument, NULL, 'h'},         {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:h", options, NULL)) != -1) {
        switch (c) {
        case 'c':
            a->config = optarg;
            break;
        case 'k':
            a->check = true;
            break;
        case 'p':
            a->print = true;
            break;
        case 'v':
            printf("fedrouter %s\n", FEDROUTER_VERSION);
            *ret_status = 0;
            return false;
        case 'h':
            usage(stdout);
            *ret_status = 0;
            return false;
        default:
            usage(stderr);
            *ret_status = EXIT_USAGE;
            return false;
        }
    }
    if (optind == argc)
        return true;
    fprintf(stderr, "fedrouter: unexpected argument: %s\n", argv[optind]);
    *ret_status = EXIT_USAGE;
    return false;
}

int main(int argc, char **argv)
{
    struct program p = {.args = {.config = DEFAULT_CONFIG}};
    struct conf *conf;
    char error[512];
    int status;

    if (!parse(argc, argv, &p.args, &status))
        return status;
    conf = load(p.args.config, error, sizeof(error));
    if (!conf)
        return EXIT_CONFIG;
    if (!p.args.check && !p.args.print)
        return run(&p, conf);
    status = p.args.check ? check(conf) : 0;
    if (p.args.print)
        conf_print(conf, stdout);
    conf_unref(conf);
    return status;
}
