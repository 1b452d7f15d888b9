/* dnsask [--server ADDR:PORT]... [--trusted NET]... [--off] [--timeout MS] DOMAIN... [@HOST...]
 *
 * What the resolver says of each domain or configured host, all asked at once, over real sockets:
 * one line each, in the order asked, with tabs between kind, DNSSEC, endpoints and text. */
#include "session/resolver.h"

#include <stdio.h>

struct question {
    const char *domain;
    struct resolution *res;
    unsigned *left_count;
    struct loop *loop;
};

static int usage(const char *word)
{
    fprintf(stderr, "dnsask: what is \"%s\"?\n", word);
    return 64;
}

static void on_done(void *arg, struct resolution *res)
{
    struct question *q = arg;

    q->res = resolution_ref(res);
    if (--*q->left_count == 0)
        loop_stop(q->loop);
}

static void show(const struct question *q)
{
    static const char *const kinds[] = {[RESOLVED] = "resolved",
                                        [RESOLVED_NOTHING] = "nothing",
                                        [RESOLVED_REFUSED] = "refused",
                                        [RESOLVED_FAILED] = "failed",
                                        [RESOLVED_BOGUS] = "bogus"};
    char addr[ADDR_TEXT_MAX];

    printf("%s\t%s\t", kinds[q->res->kind], dnssec_word(q->res->dnssec));
    for (size_t i = 0; i < q->res->count; i++) {
        const struct endpoint *e = &q->res->endpoints[i];

        printf("%s%s%s%s", i ? " " : "", e->direct_tls ? "tls://" : "", addr_format(&e->addr, addr),
               e->secure_name ? "=secure" : "");
    }
    printf("\t%s\n", q->res->text);
    resolution_unref(q->res);
}

static void ask(struct resolver *r, struct question *q)
{
    if (q->domain[0] == '@')
        resolver_ask_host(r, slice_from(q->domain + 1), 5269, false, on_done, q);
    else
        resolver_ask(r, slice_from(q->domain), on_done, q);
}

static void ask_all(struct loop *l, const struct resolver_options *o, struct question *questions,
                    unsigned n)
{
    struct resolver *r = resolver_new(l, o);
    unsigned left_count = n;

    for (unsigned i = 0; i < n; i++) {
        questions[i].left_count = &left_count;
        questions[i].loop = l;
        ask(r, &questions[i]);
    }
    loop_run(l);
    resolver_free(r);
}

static void swallow(struct log_sink *sink, enum log_level level, struct slice line)
{
}

/* False: not an option that takes a value, or a wrong one. */
static bool take_option(struct resolver_options *o, const char *word, struct slice value)
{
    if (strcmp(word, "--server") == 0 && o->server_count < RESOLVER_SERVERS_MAX)
        return !addr_parse(value, 53, &o->servers[o->server_count++]);
    if (strcmp(word, "--trusted") == 0 && o->trusted_count < RESOLVER_SERVERS_MAX)
        return !addr_net_parse(value, &o->trusted[o->trusted_count++]);
    if (strcmp(word, "--timeout") == 0)
        return slice_to_u64(value, 600000, &o->timeout_ms);
    return false;
}

int main(int argc, char **argv)
{
    static struct counters counters;
    static struct question questions[1000];
    struct log_sink sink = {.write = swallow};
    struct resolver_options o = {.timeout_ms = 10000};
    unsigned n = 0;
    struct loop *l;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--off") == 0)
            o.dnssec = DNSSEC_MODE_OFF;
        else if (argv[i][0] != '-' && n < COUNT(questions))
            questions[n++].domain = argv[i];
        else if (i + 1 == argc || !take_option(&o, argv[i], slice_from(argv[i + 1])))
            return usage(argv[i]);
        else
            i++;
    }
    if (!n)
        return usage("nothing to ask");
    l = loop_new(&counters, &sink);
    ask_all(l, &o, questions, n);
    for (unsigned i = 0; i < n; i++)
        show(&questions[i]);
    loop_free(l);
    return 0;
}
