/* router/ctl/ctl.c - the fedrouterctl program: options, commands, and which request each is.
 *
 * Exit status: 0 done, 1 the router said no or cannot be reached, 64 usage.
 */
#include "call.h"
#include "show.h"
#include "table.h"

#include "base/log.h"

#include <curl/curl.h>
#include <getopt.h>
#include <locale.h>
#include <stdio.h>

enum { EXIT_NO = 1, EXIT_USAGE = 64 };

#define DEFAULT_SOCKET "/run/fedrouter/control.sock"

enum argument { ARG_NONE, ARG_MAY, ARG_MUST };

struct command {
    const char *name;
    enum argument argument;
    const char *argument_name;
    bool post;
    const char *path;
    const char *key; /* of the query */
    bool shared;     /* all nodes answer, unless --local */
    show_fn *show;
    const char *help;
};

static const struct command commands[] = {
    {"status", ARG_NONE, "", false, "/api/v1/status", NULL, true, show_status,
     "state, version, uptime, and the numbers that matter most"},
    {"links", ARG_MAY, "[DOMAIN]", false, "/api/v1/links", "domain", true, show_links,
     "streams to servers, from servers and to components"},
    {"pairs", ARG_MAY, "[DOMAIN]", false, "/api/v1/pairs", "domain", true, show_pairs,
     "pairs of domains: how they are proven, why they failed"},
    {"components", ARG_MAY, "[DOMAIN]", false, "/api/v1/components", "domain", true,
     show_components, "domains that are served, and who is connected for them"},
    {"nodes", ARG_NONE, "", false, "/api/v1/nodes", NULL, true, show_nodes,
     "nodes of the cluster, and what this one sees of each"},
    {"queues", ARG_MAY, "[DOMAIN]", false, "/api/v1/queues", "domain", true, show_queues,
     "stanzas that wait: how many, how large, how old"},
    {"certs", ARG_NONE, "", false, "/api/v1/certs", NULL, false, show_certs,
     "our certificates, their names and when they end"},
    {"dns", ARG_MUST, "DOMAIN", false, "/api/v1/dns", "domain", false, show_dns,
     "where a domain's server listens, asked anew"},
    {"close", ARG_MUST, "LINK|DOMAIN", true, "/api/v1/close", "domain", true, show_closed,
     "close a link (NUMBER or NODE/NUMBER), or all links with a domain"},
    {"reload", ARG_NONE, "", true, "/api/v1/reload", NULL, false, show_reloaded,
     "read configuration and certificates again"},
    {"drain", ARG_NONE, "", true, "/api/v1/drain", NULL, false, show_draining, "finish and stop"},
    {"forget", ARG_MUST, "NODE", true, "/api/v1/forget", "node", false, show_forgotten,
     "go on without a node that is dead"},
    {"log", ARG_MUST, "LEVEL", true, "/api/v1/log", "level", false, show_log,
     "log error, warn, info or debug, until the next reload"},
};

/* Of the versions to come: better a clear word than "unknown". */
static const char *const later[] = {"probe", "history", "policy"};

struct args {
    const char *socket_path;
    bool json;
    bool local;
    bool yes;
    const struct command *command;
    char *argument; /* NULL: none */
};

/* --- arguments --- */

static void help(void)
{
    printf("usage: fedrouterctl [--socket PATH] [--json] [--local] [--yes] COMMAND [ARGUMENT]\n"
           "\n"
           "  --socket PATH  control socket instead of " DEFAULT_SOCKET "\n"
           "  --json         print the router's answer as it is: an array of rows\n"
           "  --local        ask this node only\n"
           "  --yes          forget without asking back\n"
           "  --version      print the version and exit\n"
           "  --help         print this and exit\n"
           "\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        printf("  %-10s %-12s %s\n", commands[i].name, commands[i].argument_name, commands[i].help);
    printf("\nExit status: 0 done, 1 the router said no or cannot be reached, 64 usage.\n");
}

static int misused(const char *what, const char *why)
{
    fprintf(stderr, "fedrouterctl: %s%s%s; see fedrouterctl --help\n", what, why[0] ? ": " : "",
            why);
    return EXIT_USAGE;
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return &commands[i];
    return NULL;
}

static bool comes_later(const char *name)
{
    for (size_t i = 0; i < COUNT(later); i++)
        if (strcmp(later[i], name) == 0)
            return true;
    return false;
}

/* 0, or the status to exit with. */
static int parse_command(int argc, char **argv, struct args *a)
{
    enum log_level level;

    if (!argc)
        return misused("which command?", "");
    a->command = find_command(argv[0]);
    if (!a->command)
        return misused(argv[0], comes_later(argv[0]) ? "not in this version" : "no such command");
    a->argument = argc > 1 ? argv[1] : NULL;
    if (argc > (a->command->argument == ARG_NONE ? 1 : 2))
        return misused(argv[argc - 1], "one argument too many");
    if (a->command->argument == ARG_MUST && !a->argument) {
        fprintf(stderr, "usage: fedrouterctl %s %s\n", argv[0], a->command->argument_name);
        return EXIT_USAGE;
    }
    if (a->argument && strcmp(a->command->name, "log") == 0 &&
        log_level_parse(slice_from(a->argument), &level))
        return misused(a->argument, "levels are error, warn, info and debug");
    return 0;
}

/* -1: go on; else the status to exit with. */
static int parse_options(int argc, char **argv, struct args *a)
{
    static const struct option options[] = {
        {"socket", required_argument, NULL, 's'},
        {"json", no_argument, NULL, 'j'},
        {"local", no_argument, NULL, 'l'},
        {"version", no_argument, NULL, 'v'},
        {"yes", no_argument, NULL, 'y'},
        {"help", no_argument, NULL, 'h'},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        switch (c) {
        case 's':
            a->socket_path = optarg;
            break;
        case 'j':
            a->json = true;
            break;
        case 'l':
            a->local = true;
            break;
        case 'y':
            a->yes = true;
            break;
        case 'v':
            printf("fedrouterctl %s\n", FEDROUTER_VERSION);
            return 0;
        case 'h':
            help();
            return 0;
        default: /* getopt has said what is wrong */
            return EXIT_USAGE;
        }
    }
    return -1;
}

/* --- the request --- */

static bool all_digits(const char *text)
{
    return text[0] && strspn(text, "0123456789") == strlen(text);
}

static void add_word(struct call *c, const char *key, const char *value)
{
    c->words[c->word_count++] = (struct call_word){key, value};
}

/* A link is NUMBER or NODE/NUMBER; no domain is a number or has a slash. */
static void add_link(struct call *c, char *argument)
{
    char *slash = strchr(argument, '/');

    if (!slash) {
        add_word(c, all_digits(argument) ? "link" : "domain", argument);
        return;
    }
    *slash = '\0';
    add_word(c, "node", argument);
    add_word(c, "link", slash + 1);
}

static struct call call_of(const struct args *a)
{
    struct call c = {
        .socket_path = a->socket_path,
        .post = a->command->post,
        .path = a->command->path,
    };

    if (a->local && a->command->shared)
        add_word(&c, "local", "1");
    if (a->argument && strcmp(a->command->name, "close") == 0)
        add_link(&c, a->argument);
    else if (a->argument)
        add_word(&c, a->command->key, a->argument);
    return c;
}

/* --- the answer --- */

/* Nodes that did not answer are no rows for a table: a line each. */
static void name_silent(json_t *rows)
{
    for (size_t i = json_array_size(rows); i-- > 0;) {
        json_t *row = json_array_get(rows, i);
        const char *error = json_string_value(json_object_get(row, "error"));
        const char *node = json_string_value(json_object_get(row, "node"));
        char *clean;

        if (!error)
            continue;
        clean = text_clean(error);
        fprintf(stderr, "fedrouterctl: %s: %s\n", node ? node : "-", clean);
        mem_free(clean);
        if (!json_object_get(row, "mesh")) /* `nodes` has a row of it all the same */
            json_array_remove(rows, i);
    }
}

static int show(const struct args *a, const struct reply *r)
{
    struct slice body = byteq_slice(&r->body);
    json_error_t error;
    json_t *rows;

    if (a->json) {
        fwrite(body.ptr, 1, body.len, stdout);
        return 0;
    }
    rows = json_loadb(body.ptr, body.len, 0, &error);
    if (!json_is_array(rows)) {
        fprintf(stderr, "fedrouterctl: the answer makes no sense: %s\n",
                rows ? "not an array" : error.text);
        json_decref(rows);
        return EXIT_NO;
    }
    name_silent(rows);
    a->command->show(rows);
    json_decref(rows);
    return 0;
}

/* --- asking back --- */

static bool is_forget(const struct args *a)
{
    return strcmp(a->command->name, "forget") == 0;
}

/* What is wrong then: the node goes on writing for pairs that others write for too. */
static bool confirmed(const struct args *a)
{
    char line[16] = "";

    fprintf(
        stderr,
        "The others will go on without %s: they wait for no promise of it, and take its pairs.\n"
        "That is right only if it is dead, and had no Redis since any of the others lost it.\n"
        "Is that so? [y/N] ",
        a->argument);
    if (!fgets(line, sizeof(line), stdin))
        fputc('\n', stderr);
    line[strcspn(line, "\n")] = '\0';
    return strcasecmp(line, "y") == 0 || strcasecmp(line, "yes") == 0;
}

static int run(const struct args *a)
{
    struct call c = call_of(a);
    struct reply r;
    int status = EXIT_NO;

    if (is_forget(a) && !a->yes && !confirmed(a)) {
        fprintf(stderr, "fedrouterctl: nothing was done\n");
        return EXIT_NO;
    }
    if (call(&c, &r))
        status = show(a, &r);
    else
        fprintf(stderr, "fedrouterctl: %s\n", r.error);
    if (r.left_out_count)
        fprintf(stderr, "fedrouterctl: %zu more were left out; name a domain\n", r.left_out_count);
    reply_fini(&r);
    if (fflush(stdout) || ferror(stdout))
        status = EXIT_NO;
    return status;
}

int main(int argc, char **argv)
{
    struct args a = {.socket_path = DEFAULT_SOCKET};
    int status;

    setlocale(LC_CTYPE, "C.UTF-8"); /* answers are UTF-8, whatever the terminal claims */
    status = parse_options(argc, argv, &a);
    if (status >= 0)
        return status;
    status = parse_command(argc - optind, argv + optind, &a);
    if (status)
        return status;
    curl_global_init(CURL_GLOBAL_DEFAULT);
    status = run(&a);
    curl_global_cleanup();
    return status;
}
