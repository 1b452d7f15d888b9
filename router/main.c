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
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
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
    struct task reload;
    struct timer watchdog;
    uint64_t watchdog_ms;
    int status;
};

/* --- log: whole lines to standard error --- */

/* Threads write one after the other: only then does `poll` tell the truth about the room. */
static pthread_mutex_t stderr_mutex = PTHREAD_MUTEX_INITIALIZER;

/* Never waits: a reader of the log that stands still must not stop the router. A line is at most
 * PIPE_BUF long, so a pipe takes it whole or is not ready. */
static ssize_t write_now(const char *line, size_t len)
{
    struct pollfd to = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n = send(to.fd, line, len, MSG_DONTWAIT | MSG_NOSIGNAL); /* journald's is a socket */

    if (n >= 0 || errno != ENOTSOCK)
        return n;
    if (poll(&to, 1, 0) != 1)
        return -1;
    do
        n = write(to.fd, line, len);
    while (n < 0 && errno == EINTR);
    return n;
}

static void write_stderr(struct log_sink *sink, enum log_level level, struct slice line)
{
    static bool torn; /* a full disk took half a line: the next one must not look like its end */
    ssize_t n;

    (void)level;
    pthread_mutex_lock(&stderr_mutex);
    if (torn)
        torn = write_now("\n", 1) != 1;
    n = torn ? -1 : write_now(line.ptr, line.len);
    torn |= n > 0 && n != (ssize_t)line.len;
    pthread_mutex_unlock(&stderr_mutex);
    if (n != (ssize_t)line.len) /* the router goes on and counts */
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

/* While it runs, standard error is a log and nothing else. */
static void log_remarks(struct program *p, const struct conf_report *r)
{
    for (size_t i = 0; i < r->count; i++) {
        bool bad = r->remarks[i].severity == CONF_ERROR;

        LOG(loop_log(p->loop), bad ? LOG_ERROR : LOG_WARN, bad ? "config.error" : "config.warning",
            LOG_TEXT("file", r->file), LOG_INT("line", r->remarks[i].line),
            LOG_TEXT("text", r->remarks[i].text));
    }
}

static enum err load_again(struct program *p, char *error, size_t size)
{
    struct conf_report report;
    struct conf *conf;
    enum err e;

    if (node_state(p->node) > NODE_SERVING) {
        snprintf(error, size, "draining: nothing is read again; it counts from the next start");
        return ERR_CANCELLED;
    }
    conf_report_init(&report);
    e = conf_load_trying(p->args.config, node_settings_try, &report, &conf);
    log_remarks(p, &report);
    if (e)
        first_error(&report, error, size);
    conf_report_fini(&report);
    if (e)
        return e;
    e = node_reload(p->node, conf, error, size);
    conf_unref(conf);
    return e;
}

static enum err reload(void *arg, char *error, size_t size)
{
    struct program *p = arg;
    bool serving = node_state(p->node) == NODE_SERVING;
    enum err e;

    if (serving)
        notify_reloading(loop_now_us(p->loop));
    e = load_again(p, error, size);
    if (e)
        LOG(loop_log(p->loop), LOG_ERROR, "config.reload_failed", LOG_TEXT("error", error),
            LOG_TEXT("effect", "the old configuration stays"));
    else
        LOG(loop_log(p->loop), LOG_INFO, "config.reloaded", LOG_TEXT("file", p->args.config));
    if (serving)
        notify_ready(e ? error : "serving");
    return e;
}

static void drain(void *arg)
{
    notify_stopping();
    node_drain(((struct program *)arg)->node);
}

/* --- signals --- */

static void run_reload(struct task *t)
{
    struct program *p = LIST_ENTRY(t, struct program, reload);
    char error[512];

    if (p->api)
        (void)!api_reload(p->api, error, sizeof(error)); /* it was logged */
}

/* Many at once are one reload: what follows them, SIGTERM above all, does not wait for a hundred.
 */
static void on_hup(void *arg, int signo)
{
    struct program *p = arg;

    (void)signo;
    loop_post(p->loop, &p->reload);
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
    char text[ADDR_TEXT_MAX];
    struct addr at;
    enum site_port port = door_listener(node_door(p->node), i, &at);

    LOG(loop_log(p->loop), LOG_INFO, "listening", LOG_TEXT("for", site_port_word(port)),
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
    notify_ready("serving");
}

static void on_ended(void *arg, const char *error)
{
    struct program *p = arg;

    if (error)
        p->status = EXIT_RUN; /* the node has logged it */
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

static uint64_t descriptor_count(void)
{
    struct rlimit r;

    return getrlimit(RLIMIT_NOFILE, &r) || r.rlim_cur == RLIM_INFINITY ? 0 : r.rlim_cur;
}

/* One that comes while it starts waits until there is somebody to handle it. */
static void hold_signals(int how)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    pthread_sigmask(how, &set, NULL);
}

static void watch_signals(struct program *p)
{
    p->signals[0] = sigwatch_open(p->loop, SIGHUP, on_hup, p);
    p->signals[1] = sigwatch_open(p->loop, SIGTERM, on_term, p);
    p->signals[2] = sigwatch_open(p->loop, SIGINT, on_term, p);
    hold_signals(SIG_UNBLOCK);
}

static void unwatch_signals(struct program *p)
{
    for (size_t i = 0; p->signals[i]; i++)
        sigwatch_close(p->signals[i]);
}

static void log_failure(struct program *p, const char *error)
{
    LOG(loop_log(p->loop), LOG_ERROR, "node.start_failed", LOG_TEXT("error", error));
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
        .descriptor_count = descriptor_count(),
        .ready = on_ready,
        .ended = on_ended,
        .arg = p,
    };
    char error[512];

    if (node_start(&o, error, sizeof(error), &p->node)) {
        log_failure(p, error);
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
    log_failure(p, error);
    p->status = EXIT_RUN;
    node_drain(p->node);
    node_drain(p->node); /* at once */
}

static void open_log(struct program *p, const struct conf *conf)
{
    p->sink.write = write_stderr;
    atomic_init(&p->sink.level, conf->log.level);
    atomic_init(&p->sink.format, conf->log.format);
    p->loop = loop_new(&p->counters, &p->sink);
    LOG(loop_log(p->loop), LOG_INFO, "start", LOG_TEXT("version", FEDROUTER_VERSION),
        LOG_TEXT("config", p->args.config), LOG_INT("pid", getpid()));
}

static void run_node(struct program *p)
{
    serve(p);
    loop_run(p->loop);
    timer_stop(&p->watchdog);
    task_cancel(&p->reload);
    if (p->api)
        api_stop(p->api);
    node_free(p->node);
}

static int run(struct program *p, struct conf *conf, const struct conf_report *report)
{
    bool started;

    raise_descriptors();
    open_log(p, conf);
    log_remarks(p, report);
    timer_init(&p->watchdog, p->loop, on_watchdog);
    task_init(&p->reload, run_reload);
    watch_signals(p);
    started = start(p, conf);
    conf_unref(conf);
    if (started)
        run_node(p);
    unwatch_signals(p);
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

/* Or the next socket would take the number of standard error, and the log would be sent to it. */
static void open_standard_descriptors(void)
{
    int fd;

    do
        fd = open("/dev/null", O_RDWR);
    while (fd >= 0 && fd <= STDERR_FILENO);
    if (fd >= 0)
        close(fd);
}

/* False: the disk was full, or the reader had gone. */
static int printed(int status)
{
    if (!fflush(stdout) && !ferror(stdout))
        return status;
    fprintf(stderr, "fedrouter: cannot write to standard output: %s\n", strerror(errno));
    return status ? status : EXIT_RUN;
}

static int show(const struct program *p, const struct conf *conf)
{
    if (p->args.check)
        printf("%s: the configuration is good\n", conf->file);
    if (p->args.print)
        conf_print(conf, stdout);
    return printed(0);
}

static int load_and_go(struct program *p)
{
    struct conf_report report;
    struct conf *conf;
    bool runs = !p->args.check && !p->args.print;
    int status = EXIT_CONFIG;
    enum err e;

    conf_report_init(&report);
    if (runs)
        hold_signals(SIG_BLOCK);
    e = conf_load_trying(p->args.config, node_settings_try, &report, &conf);
    if (e || !runs)
        conf_report_print(&report, stderr);
    if (!e && runs) {
        status = run(p, conf, &report); /* takes conf */
    } else if (!e) {
        status = show(p, conf);
        conf_unref(conf);
    }
    conf_report_fini(&report);
    return status;
}

int main(int argc, char **argv)
{
    struct program p = {.args = {.config = DEFAULT_CONFIG}};
    int status;

    open_standard_descriptors();
    signal(SIGPIPE, SIG_IGN);
    if (!parse(argc, argv, &p.args, &status))
        return printed(status);
    return load_and_go(&p);
}
