/* tests/bench/load.c - sends numbered messages from components at one server to components at
 * another, and tells what became of each. `load --help` lists the options.
 *
 * One thread, one epoll. A pair is (sender, receiver); numbers, times and pair travel in the id
 * attribute, which servers leave alone: "sender-receiver-number-nanoseconds", fixed width, so
 * that a prepared message is copied and patched.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "bench/component.h"
#include "bench/tally.h"

#define SECOND       1000000000ull
#define ID_FORMAT    "%04zx-%04zx-%010llx-%016llx"
#define ID_BYTES     37
#define ID_NUMBER_AT 10 /* where the number begins in the id; the time follows it */
#define ID_NUMBER    10
#define ID_TIME      16
#define EVENTS_MAX   256
#define DOMAIN_BYTES 256
/* Stanzas made before the sockets are looked at again: keeps batches large and reading timely. */
#define BURST_MAX 256

struct options {
    const char *send_address;
    const char *receive_address;
    const char *from; /* domain patterns: %d is replaced by the number */
    const char *to;
    const char *secret;
    size_t senders;
    size_t receivers;
    size_t bytes;    /* of the body */
    double rate;     /* stanzas a second; 0: as many as the window lets out */
    uint64_t window; /* stanzas without a fate */
    double seconds;
    double drain; /* seconds without any progress before the rest counts as lost */
    bool wild;    /* one component receives for all below its domain */
    bool progress;
    bool stages;
};

struct load {
    struct options o;
    struct component *components; /* senders, then receivers */
    size_t component_count;
    struct tally tally;
    int epoll;
    char **messages; /* one a pair, made once */
    size_t *message_lens;
    size_t *id_offsets;
    size_t next_pair;
    uint64_t last_progress; /* when a fate was last counted */
    uint64_t now;
    bool broken; /* a component's connection ended */
};

static volatile sig_atomic_t stopped;

static void on_signal(int number)
{
    (void)number;
    stopped = 1;
}

static uint64_t clock_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static size_t pair_count(const struct load *l)
{
    return l->o.senders * l->o.receivers;
}

/* Pairs run over the senders first, so that neighbours in time load different connections. */
static size_t sender_of(const struct load *l, size_t pair)
{
    return pair % l->o.senders;
}

static size_t receiver_of(const struct load *l, size_t pair)
{
    return pair / l->o.senders;
}

/* Where stanzas to this receiver must arrive. */
static struct component *receiving(const struct load *l, size_t receiver)
{
    return &l->components[l->o.senders + (l->o.wild ? 0 : receiver)];
}

/* ---- what arrives ---- */

static bool hex_value(const char *text, size_t len, uint64_t *ret_value)
{
    uint64_t value = 0;

    for (size_t i = 0; i < len; i++) {
        char c = text[i];

        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *ret_value = value;
    return true;
}

struct ident {
    uint64_t sender;
    uint64_t receiver;
    uint64_t number;
    uint64_t time;
};

static bool ident_parse(struct slice id, struct ident *ret_ident)
{
    return id.len == ID_BYTES && hex_value(id.ptr, 4, &ret_ident->sender) &&
           hex_value(id.ptr + 5, 4, &ret_ident->receiver) &&
           hex_value(id.ptr + ID_NUMBER_AT, ID_NUMBER, &ret_ident->number) &&
           hex_value(id.ptr + ID_NUMBER_AT + ID_NUMBER + 1, ID_TIME, &ret_ident->time);
}

/* Name of the first element inside <error>: the defined condition (RFC 6120 8.3.2). */
static struct slice condition_of(const struct element *e)
{
    const char *limit = e->whole.ptr + e->whole.len;
    const char *at = memmem(e->whole.ptr, e->whole.len, "<error", 6);
    size_t len = 0;

    at = at ? memchr(at, '>', (size_t)(limit - at)) : NULL;
    at = at ? memchr(at, '<', (size_t)(limit - at)) : NULL;
    if (!at)
        return SLICE("none");
    at++;
    while (at + len < limit && (at[len] == '-' || (at[len] >= 'a' && at[len] <= 'z')))
        len++;
    return slice_make(at, len);
}

static void take_stanza(void *arg, struct component *c, const struct element *e)
{
    struct load *l = arg;
    struct ident id;
    struct slice condition;
    size_t pair;

    if (!slice_is(e->name, "message")) {
        if (slice_is(e->name, "stream:error"))
            fprintf(stderr, "load: %s: %.*s\n", c->domain, SLICE_ARGS(e->whole));
        return; /* pings of the server and the like */
    }
    if (!ident_parse(element_attribute(e, " id="), &id) || id.sender >= l->o.senders ||
        id.receiver >= l->o.receivers) {
        l->tally.foreign++;
        return;
    }
    l->last_progress = l->now;
    pair = id.receiver * l->o.senders + id.sender;
    if (slice_is(element_attribute(e, " type="), "error")) {
        condition = condition_of(e);
        tally_bounced(&l->tally, pair, id.number, condition.ptr, condition.len);
    } else if (c != receiving(l, id.receiver)) {
        l->tally.foreign++; /* delivered to somebody else */
    } else {
        tally_heard(&l->tally, pair, l->now);
        tally_received(&l->tally, pair, id.number, l->now - id.time);
    }
}

/* ---- what leaves ---- */

static void domain_format(char *text, size_t size, const char *pattern, size_t number)
{
    const char *percent = strstr(pattern, "%d");

    if (percent)
        snprintf(text, size, "%.*s%zu%s", (int)(percent - pattern), pattern, number, percent + 2);
    else
        snprintf(text, size, "%s", pattern);
}

/* Of the component with this number, senders first. */
static void component_domain(const struct load *l, size_t i, char *text, size_t size)
{
    const char *dot = strchr(l->o.to, '.');

    if (i < l->o.senders)
        domain_format(text, size, l->o.from, i);
    else if (l->o.wild)
        snprintf(text, size, "*%s", dot ? dot : "");
    else
        domain_format(text, size, l->o.to, i - l->o.senders);
}

static void prepare_message(struct load *l, size_t pair)
{
    size_t sender = sender_of(l, pair), receiver = receiver_of(l, pair);
    const char *from = l->components[sender].domain;
    char to[DOMAIN_BYTES];
    char *body = malloc(l->o.bytes + 1), *message;
    int len;

    if (!body)
        abort();
    domain_format(to, sizeof(to), l->o.to, receiver);
    memset(body, 'x', l->o.bytes);
    body[l->o.bytes] = 0;
    len = asprintf(&message,
                   "<message from='%s' to='%s' id='" ID_FORMAT "'><body>%s</body></message>", from,
                   to, sender, receiver, 0ull, 0ull, body);
    if (len < 0)
        abort();
    free(body);
    l->messages[pair] = message;
    l->message_lens[pair] = (size_t)len;
    l->id_offsets[pair] = (size_t)(strstr(message, " id='") + 5 - message);
}

static void patch_hex(char *at, size_t digits, uint64_t value)
{
    for (size_t i = digits; i-- > 0; value >>= 4)
        at[i] = "0123456789abcdef"[value & 15];
}

/* False when the sender has no room for it now. */
static bool send_message(struct load *l, size_t pair)
{
    struct component *c = &l->components[sender_of(l, pair)];
    char *at = component_reserve(c, l->message_lens[pair]);
    char *id;

    if (!at)
        return false;
    id = at + l->id_offsets[pair] + ID_NUMBER_AT;
    memcpy(at, l->messages[pair], l->message_lens[pair]);
    patch_hex(id, ID_NUMBER, tally_sent(&l->tally, pair));
    patch_hex(id + ID_NUMBER + 1, ID_TIME, clock_now());
    component_commit(c, l->message_lens[pair]);
    return true;
}

/* Up to `count` stanzas, pairs in turn; a sender whose server does not read is passed over. When
 * nobody has room, those passed over come first the next time. */
static void send_some(struct load *l, uint64_t count)
{
    size_t passed_over = 0;

    while (count > 0 && passed_over < l->o.senders) {
        bool sent = send_message(l, l->next_pair);

        l->next_pair = (l->next_pair + 1) % pair_count(l);
        passed_over = sent ? 0 : passed_over + 1;
        count -= sent;
    }
    l->next_pair = (l->next_pair + pair_count(l) - passed_over) % pair_count(l);
}

/* The same, but no pair is passed over: each is to have one. */
static void send_each(struct load *l, uint64_t count)
{
    for (; count > 0 && send_message(l, l->next_pair); count--)
        l->next_pair = (l->next_pair + 1) % pair_count(l);
}

/* ---- the loop ---- */

/* Writing is asked for only while something waits: else epoll would never rest. */
static void watch(struct load *l, struct component *c)
{
    bool wanted = c->fd >= 0 && c->out_start != c->out_len;
    struct epoll_event event = {.events = EPOLLIN | (wanted ? EPOLLOUT : 0u), .data.ptr = c};

    if (c->fd < 0 || wanted == c->writable_wanted)
        return;
    c->writable_wanted = wanted;
    epoll_ctl(l->epoll, EPOLL_CTL_MOD, c->fd, &event);
}

static void flush_senders(struct load *l)
{
    for (size_t i = 0; i < l->o.senders; i++) {
        if (!component_flush(&l->components[i]))
            l->broken = true;
        watch(l, &l->components[i]);
    }
}

static void turn(struct load *l, int wait_ms)
{
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_wait(l->epoll, events, EVENTS_MAX, wait_ms);

    for (int i = 0; i < n; i++) {
        struct component *c = events[i].data.ptr;

        l->now = clock_now();
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
            l->broken |= !component_read(c, take_stanza, l);
        if (events[i].events & EPOLLOUT)
            l->broken |= !component_flush(c);
        watch(l, c);
    }
    l->now = clock_now();
}

/* How many the rate and the window let out now. */
static uint64_t allowance(const struct load *l, uint64_t started, uint64_t already)
{
    uint64_t open = tally_open(&l->tally);
    uint64_t room = open < l->o.window ? l->o.window - open : 0;
    uint64_t due = BURST_MAX;

    if (l->o.rate > 0) {
        uint64_t wanted = (uint64_t)((double)(l->now - started) / (double)SECOND * l->o.rate);

        due = wanted > already ? wanted - already : 0;
    }
    if (due > BURST_MAX)
        due = BURST_MAX;
    return due < room ? due : room;
}

static void print_progress(const struct load *l, uint64_t *next)
{
    if (!l->o.progress || l->now < *next)
        return;
    *next = l->now + SECOND;
    fprintf(stderr,
            "{\"sent\": %llu, \"received\": %llu, \"bounced\": %llu, \"dup\": %llu, \"reordered\": "
            "%llu}\n",
            (unsigned long long)l->tally.sent, (unsigned long long)l->tally.received,
            (unsigned long long)l->tally.bounced, (unsigned long long)l->tally.duplicates,
            (unsigned long long)l->tally.reordered);
}

static void send_for(struct load *l, double seconds)
{
    uint64_t started = clock_now(), before = l->tally.sent, next_progress = started;

    l->now = started;
    while (!stopped && !l->broken && l->now - started < (uint64_t)(seconds * (double)SECOND)) {
        uint64_t count = allowance(l, started, l->tally.sent - before);

        send_some(l, count);
        flush_senders(l);
        turn(l, count == BURST_MAX ? 0 : 1);
        print_progress(l, &next_progress);
    }
}

static void wait_for_fates(struct load *l)
{
    uint64_t limit = (uint64_t)(l->o.drain * (double)SECOND), next_progress = 0;

    l->last_progress = l->now = clock_now();
    while (tally_open(&l->tally) && !l->broken && l->now - l->last_progress < limit) {
        flush_senders(l);
        turn(l, 10);
        print_progress(l, &next_progress);
    }
}

/* One stanza over each pair, as the window lets them out: when all have a fate, all links that
 * will open are open. Gives the time until nineteen of twenty were: the rest may be waiting for
 * a resend of a lost question or the like, which says nothing about the speed of opening. */
static uint64_t open_pairs(struct load *l)
{
    uint64_t started = clock_now(), most = pair_count(l) - pair_count(l) / 20, reached = 0;
    uint64_t limit = (uint64_t)(l->o.drain * (double)SECOND);

    l->last_progress = l->now = started;
    while (tally_open(&l->tally) + (pair_count(l) - l->tally.sent) && !l->broken && !stopped &&
           l->now - l->last_progress < limit) {
        uint64_t room = l->o.window - tally_open(&l->tally), left = pair_count(l) - l->tally.sent;

        send_each(l, room < left ? room : left);
        flush_senders(l);
        turn(l, 10);
        if (!reached && l->tally.received >= most)
            reached = l->now - started;
    }
    return reached ? reached : l->now - started;
}

static bool open_components(struct load *l)
{
    size_t count = l->o.senders + (l->o.wild ? 1 : l->o.receivers);
    char domain[DOMAIN_BYTES];

    l->components = calloc(count, sizeof(*l->components));
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!l->components || l->epoll < 0)
        abort();
    l->component_count = count;
    for (size_t i = 0; i < count; i++) {
        struct component *c = &l->components[i];
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};

        component_domain(l, i, domain, sizeof(domain));
        if (!component_open(c, i < l->o.senders ? l->o.send_address : l->o.receive_address, domain,
                            l->o.secret))
            return false;
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, c->fd, &event);
    }
    return true;
}

static void prepare(struct load *l)
{
    size_t pairs = pair_count(l);

    tally_init(&l->tally, pairs);
    l->messages = calloc(pairs, sizeof(*l->messages));
    l->message_lens = calloc(pairs, sizeof(*l->message_lens));
    l->id_offsets = calloc(pairs, sizeof(*l->id_offsets));
    if (!l->messages || !l->message_lens || !l->id_offsets)
        abort();
    for (size_t pair = 0; pair < pairs; pair++)
        prepare_message(l, pair);
}

static double cpu_seconds(void)
{
    struct rusage u;

    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

static double milliseconds(uint64_t ns)
{
    return (double)ns / 1e6;
}

struct phases {
    uint64_t open_ns;     /* until 95 of 100 pairs had delivered */
    uint64_t opened;      /* pairs that delivered */
    uint64_t arrived;     /* while the measured phase ran */
    uint64_t measured_ns; /* of that phase, without the wait for the rest */
};

static void print_report(const struct load *l, const struct phases *p)
{
    const struct tally *t = &l->tally;
    double open_s = (double)p->open_ns / (double)SECOND,
           run_s = (double)p->measured_ns / (double)SECOND;

    printf("{\"sent\": %llu, \"received\": %llu, \"bounced\": %llu, \"lost\": %llu, \"dup\": %llu, "
           "\"reordered\": %llu, \"both\": %llu, \"bounced_twice\": %llu, \"foreign\": %llu,\n",
           (unsigned long long)t->sent, (unsigned long long)t->received,
           (unsigned long long)t->bounced, (unsigned long long)tally_open(t),
           (unsigned long long)t->duplicates, (unsigned long long)t->reordered,
           (unsigned long long)t->both, (unsigned long long)t->bounced_twice,
           (unsigned long long)t->foreign);
    printf(" \"bounces\": ");
    tally_print_bounces(t, stdout);
    printf(",\n \"rate\": %.0f, \"seconds\": %.3f, \"latency_ms\": {\"p50\": %.3f, \"p99\": %.3f, "
           "\"max\": %.3f},\n",
           run_s > 0 ? (double)p->arrived / run_s : 0, run_s, milliseconds(tally_latency(t, 0.5)),
           milliseconds(tally_latency(t, 0.99)), milliseconds(t->latency_max));
    printf(" \"silence_ms\": {\"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f},\n",
           milliseconds(tally_silence(t, 0.5)), milliseconds(tally_silence(t, 0.99)),
           milliseconds(tally_silence(t, 1)));
    printf(" \"open\": {\"pairs\": %llu, \"seconds\": %.3f, \"per_second\": %.1f}, "
           "\"cpu_seconds\": %.3f, "
           "\"broken\": %s}\n",
           (unsigned long long)p->opened, open_s,
           open_s > 0 ? 0.95 * (double)p->opened / open_s : 0, cpu_seconds(),
           l->broken ? "true" : "false");
}

/* Between stages the caller may read clocks and memory of the servers: with --stages nothing
 * goes on until it answers with a line. */
static void tell_stage(const struct load *l, const char *name)
{
    char line[16];

    fprintf(stderr, "stage %s\n", name);
    if (l->o.stages && !fgets(line, sizeof(line), stdin))
        stopped = 1;
}

static void run(struct load *l, struct phases *ret_phases)
{
    struct phases p = {0};
    uint64_t before, started;

    tell_stage(l, "connected");
    p.open_ns = open_pairs(l);
    p.opened = l->tally.received;
    tally_forget_latency(&l->tally);
    tell_stage(l, "open");
    before = l->tally.received;
    started = clock_now();
    tally_silence_begin(&l->tally, started);
    send_for(l, l->o.seconds);
    tally_silence_end(&l->tally, clock_now());
    p.arrived = l->tally.received - before;
    p.measured_ns = clock_now() - started;
    wait_for_fates(l);
    tell_stage(l, "done");
    *ret_phases = p;
}

static const char usage[] =
    "load --send HOST:PORT --receive HOST:PORT --secret TEXT [options]\n"
    "  --from PATTERN     domains of the senders, %d is their number (send%d.a.example)\n"
    "  --to PATTERN       domains of the receivers (recv%d.b.example)\n"
    "  --senders N  --receivers N\n"
    "  --wild             one component, *.b.example, receives for all receivers\n"
    "  --bytes N          size of the body (200)\n"
    "  --rate N           stanzas a second in all; 0: as many as the window lets out (0)\n"
    "  --window N         stanzas on their way at most (4000)\n"
    "  --seconds N        how long to send after one stanza over each pair (5); 0: only those\n"
    "  --drain N          give up after so many seconds without any fate (10)\n"
    "  --progress         a line of JSON a second on stderr\n"
    "  --stages           wait for a line on stdin after each stage\n"
    "Says \"stage connected\", \"stage open\" (the pairs) and \"stage done\" on stderr, then "
    "prints "
    "JSON\n"
    "(dup: second copies, reordered: first copies out of order, both: delivered and bounced,\n"
    "silence: of each pair, the longest time without an arrival after it was open,\n"
    "foreign: not ours or at the wrong receiver). Exit 0; 1 when a connection could not be made or "
    "ended.\n";

static bool options_parse(struct options *o, int argc, char **argv)
{
    static const struct option names[] = {
        {"send", 1, 0, 's'},      {"receive", 1, 0, 'r'},
        {"secret", 1, 0, 'k'},    {"from", 1, 0, 'f'},
        {"to", 1, 0, 't'},        {"senders", 1, 0, 'n'},
        {"receivers", 1, 0, 'm'}, {"bytes", 1, 0, 'b'},
        {"rate", 1, 0, 'q'},      {"window", 1, 0, 'w'},
        {"seconds", 1, 0, 'd'},   {"drain", 1, 0, 'g'},
        {"progress", 0, 0, 'p'},  {"stages", 0, 0, 'S'},
        {"wild", 0, 0, 'W'},      {0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        switch (c) {
        case 's':
            o->send_address = optarg;
            break;
        case 'r':
            o->receive_address = optarg;
            break;
        case 'k':
            o->secret = optarg;
            break;
        case 'f':
            o->from = optarg;
            break;
        case 't':
            o->to = optarg;
            break;
        case 'n':
            o->senders = strtoull(optarg, NULL, 10);
            break;
        case 'm':
            o->receivers = strtoull(optarg, NULL, 10);
            break;
        case 'b':
            o->bytes = strtoull(optarg, NULL, 10);
            break;
        case 'q':
            o->rate = strtod(optarg, NULL);
            break;
        case 'w':
            o->window = strtoull(optarg, NULL, 10);
            break;
        case 'd':
            o->seconds = strtod(optarg, NULL);
            break;
        case 'g':
            o->drain = strtod(optarg, NULL);
            break;
        case 'S':
            o->stages = true;
            break;
        case 'W':
            o->wild = true;
            break;
        case 'p':
            o->progress = true;
            break;
        default:
            return false;
        }
    }
    /* sender and receiver have four digits in the id; a message must fit into one buffer */
    return o->send_address && o->receive_address && o->secret && o->senders >= 1 &&
           o->receivers >= 1 && o->senders <= 65536 && o->receivers <= 65536 &&
           o->bytes <= COMPONENT_OUT_BYTES / 2;
}

int main(int argc, char **argv)
{
    struct load l = {.o = {.from = "send%d.a.example",
                           .to = "recv%d.b.example",
                           .senders = 1,
                           .receivers = 1,
                           .bytes = 200,
                           .window = 4000,
                           .seconds = 5,
                           .drain = 10}};
    struct phases phases;

    if (!options_parse(&l.o, argc, argv)) {
        fputs(usage, stderr);
        return 64;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_signal);
    signal(SIGINT, on_signal);
    if (!open_components(&l))
        return 1;
    prepare(&l);
    run(&l, &phases);
    print_report(&l, &phases);
    for (size_t i = 0; i < l.component_count; i++)
        component_close(&l.components[i]);
    tally_fini(&l.tally);
    return l.broken;
}
