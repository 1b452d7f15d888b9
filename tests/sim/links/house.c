#include "sim/links/house.h"

#include "node/node.h"
#include "scenario/adapter.h"
#include "sim/links/party.h"

#include <stdio.h>

static const struct adapter *router(void)
{
    return scenario_adapter;
}

/* --- settings --- */

static unsigned pick(struct land *l, const unsigned *values, size_t count)
{
    return values[land_draw(l, count)];
}
#define PICK(l, ...)                                                                               \
    pick(l, (const unsigned[]){__VA_ARGS__},                                                       \
         sizeof((const unsigned[]){__VA_ARGS__}) / sizeof(unsigned))

/* Takeovers take their time: ages that outlast them, and drains that may hand over. */
static void draw_together(struct house *h)
{
    struct land *l = h->land;

    h->set.queue_stanzas = PICK(l, 20, 200, 10000);
    h->set.queue_bytes = PICK(l, 65536, 16777216);
    h->set.queue_age_ms = PICK(l, 5000, 20000, 20000, 60000);
    h->set.drain_ms = PICK(l, 6000, 12000, 30000);
}

static void draw_settings(struct house *h)
{
    struct land *l = h->land;

    if (l->together && h->number) { /* all nodes as the first */
        h->set = l->houses[0].set;
        h->most_stanzas = l->houses[0].most_stanzas;
        return;
    }
    h->set.queue_stanzas = PICK(l, 1, 4, 10, 50, 10000, 10000);
    h->set.queue_bytes = PICK(l, 10000, 65536, 16777216, 16777216);
    h->set.queue_age_ms = PICK(l, 1500, 5000, 15000);
    h->set.pause_ms = PICK(l, 0, 50, 500, 2000);
    h->set.idle_ms = PICK(l, 1000, 5000, 15000);
    h->set.close_ms = PICK(l, 200, 1000, 5000);
    h->set.dns_ms = PICK(l, 1000, 4000);
    h->set.connect_ms = PICK(l, 1000, 4000);
    h->set.tls_ms = PICK(l, 1000, 4000);
    h->set.dialback_ms = PICK(l, 1500, 8000);
    h->set.keepalive_ms = PICK(l, 1000, 3000, 10000);
    h->set.drain_ms = PICK(l, 0, 1000, 5000);
    h->set.grace_ms = PICK(l, 0, 500, 5000);
    h->set.stanza_bytes = PICK(l, 10000, 524288);
    h->set.bounce = land_chance(l, 3);
    if (l->together)
        draw_together(h);
    if (h->set.queue_stanzas > h->most_stanzas)
        h->most_stanzas = h->set.queue_stanzas;
}

/* 0 is a word of its own in the file. */
static const char *ms(unsigned value, char *buf, size_t size)
{
    snprintf(buf, size, value ? "%ums" : "%u", value);
    return buf;
}

static void write_limits(struct house *h, FILE *f)
{
    char pause[32];
    char keepalive[32];

    fprintf(f,
            "timeouts: { dns: %ums, connect: %ums, tls: %ums, dialback: %ums, close: %ums, "
            "keepalive: %s }\n",
            h->set.dns_ms, h->set.connect_ms, h->set.tls_ms, h->set.dialback_ms, h->set.close_ms,
            ms(h->set.keepalive_ms, keepalive, sizeof(keepalive)));
    fprintf(f,
            "limits: { stanza_bytes: %u, negotiation: 10s, queue_bytes: %u, queue_stanzas: %u, "
            "queue_age: %ums, source_pause: %s, uncertain: %s, idle: %ums }\n",
            h->set.stanza_bytes, h->set.queue_bytes, h->set.queue_stanzas, h->set.queue_age_ms,
            ms(h->set.pause_ms, pause, sizeof(pause)), h->set.bounce ? "bounce" : "resend",
            h->set.idle_ms);
}

/* Nodes of a cluster know the components of all of them; several may have the same. */
static bool knows(const struct house *h, size_t i)
{
    struct land *l = h->land;
    const struct party *p = l->parties[i];

    if (!p->house || !l->together)
        return p->house == h;
    for (size_t k = 0; k < i; k++)
        if (l->parties[k]->house && strcmp(l->parties[k]->pattern, p->pattern) == 0)
            return false;
    return true;
}

/* Nodes of a cluster agree. */
static bool balances_to(struct land *l, size_t i)
{
    return l->together ? i % 2 : land_chance(l, 2);
}

static void write_components(struct house *h, FILE *f)
{
    struct land *l = h->land;

    fprintf(f, "components:\n");
    for (size_t i = 0; i < l->party_count; i++) {
        struct party *p = l->parties[i];

        if (!knows(h, i))
            continue;
        fprintf(f,
                "  - { domain: \"%s\", secret_file: secret, connections: %s, balance: %s, "
                "grace: %ums }\n",
                p->pattern,
                p->wish_count > 1 || l->together ? "share"
                : p->refuses                     ? "refuse"
                                                 : "replace",
                balances_to(l, i) ? "to" : "from", h->set.grace_ms);
    }
}

static void write_file(struct house *h, const char *path)
{
    const struct mood *m = &h->land->mood;
    FILE *f = fopen(path, "w");

    assert(f);
    fprintf(f, "node: { name: %s, workers: %u, drain_timeout: %ums }\n", h->name, h->workers,
            h->set.drain_ms);
    fprintf(f,
            "listen: { s2s: [\"%s:5269\"], s2s_tls: [%s%s%s], component: [\"%s:5347\"], "
            "http: \"\", control: \"\" }\n",
            h->ip, m->tls ? "\"" : "", m->tls ? h->ip : "", m->tls ? ":5270\"" : "", h->ip);
    fprintf(f, "dns: { servers: [\"10.0.0.53\"] }\n");
    if (m->tls)
        fprintf(f,
                "tls: { trust_file: ca.pem, certificates: [ { chain: %s.pem, key: %s.key } ] }\n",
                h->name, h->name);
    else
        fprintf(f, "tls: { trust_file: ca.pem }\n");
    fprintf(f, "peers: [ { match: \"*\", tls: %s, auth: [%s] } ]\n",
            m->tls ? "required" : "optional", m->by_dialback ? "dialback" : "pkix, dialback");
    if (h->land->together)
        fprintf(f, "dialback: { secret_file: dialback }\n");
    write_limits(h, f);
    write_components(h, f);
    fclose(f);
}

static void path_of(const struct house *h, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.yaml", h->land->dir, h->name);
}

/* --- starts and ends --- */

void house_start(struct house *h)
{
    char error[512] = "";
    char path[300];

    path_of(h, path, sizeof(path));
    write_file(h, path);
    world_use_host(h->land->w, h->host);
    h->node = router()->start(path, &h->bed.sink, error, sizeof(error));
    if (!h->node)
        land_fail(h->land, "%s does not start: %s", h->name, error);
    h->starts++;
    land_say(h->land, "%s started", h->name);
}

void house_open(struct house *h)
{
    h->fresh = true;
    draw_settings(h);
    house_start(h);
}

static uint64_t counted(struct house *h, unsigned first, unsigned last)
{
    struct workers *w = node_workers(adapter_node(h->node));
    uint64_t sum = 0;

    for (unsigned i = 0; i < workers_count(w); i++)
        for (unsigned c = first; c <= last; c++)
            sum += counter_read(workers_counters(w, i), c);
    return sum;
}

/* Bounces nobody could take, and what must not be answered: the only silent ends. */
static void add_silent(struct house *h)
{
    h->land->lost_bounces += (unsigned)counted(h, COUNTER_MADE_LOST, COUNTER_MADE_LOST);
    h->land->dropped += (unsigned)counted(h, COUNTER_DROPPED, COUNTER_DROPPED_END);
    h->land->resent += (unsigned)counted(h, COUNTER_RESENT, COUNTER_RESENT);
    h->land->aged +=
        (unsigned)counted(h, COUNTER_BOUNCED + BOUNCE_AGE, COUNTER_BOUNCED + BOUNCE_AGE);
}

static void free_node(struct house *h)
{
    router()->free(h->node);
    h->node = NULL;
    if (host_has_loops(h->host))
        land_fail(h->land, "%s left a worker in the middle of something", h->name);
}

static void end_drain(struct house *h)
{
    int code = router()->exit_code(h->node);

    if (code < 0)
        return;
    if (code)
        land_fail(h->land, "%s ended with %d", h->name, code);
    land_say(h->land, "%s has drained", h->name);
    if (h->land->together)
        add_silent(h);
    else
        h->place.forgot_us = world_us(h->land->w);
    free_node(h);
    h->draining = false;
}

void house_look(struct house *h)
{
    if (h->draining)
        end_drain(h);
    if (!h->node && world_us(h->land->w) >= h->back_us)
        house_start(h);
}

void house_reload(struct house *h)
{
    char path[300];

    if (!h->node || h->draining || h->stopped)
        return;
    draw_settings(h);
    path_of(h, path, sizeof(path));
    write_file(h, path);
    router()->signal(h->node, "hup");
}

void house_drain(struct house *h, uint64_t down_ms)
{
    if (!h->node || h->draining || h->stopped)
        return;
    router()->signal(h->node, "term");
    h->draining = true;
    h->fresh = false;
    h->back_us = world_us(h->land->w) + down_ms * 1000;
}

void house_kill(struct house *h, uint64_t down_ms)
{
    if (!h->node || (h->draining && !h->land->together))
        return;
    host_kill(h->host);
    h->node = NULL;
    h->draining = h->stopped = false;
    h->fresh = false;
    h->place.forgot_us = world_us(h->land->w);
    h->back_us = world_us(h->land->w) + down_ms * 1000;
}

void house_close_links(struct house *h, const char *domain)
{
    char words[128];
    struct byteq out;

    if (!h->node || h->draining || h->stopped)
        return;
    snprintf(words, sizeof(words), "close domain=%s&local=1", domain);
    byteq_init(&out);
    router()->control(h->node, words, &out);
    byteq_fini(&out);
}

/* --- checks --- */

static double metric(struct house *h, const char *name)
{
    double value;

    if (!router()->metric(h->node, name, &value))
        land_fail(h->land, "%s has no metric %s", h->name, name);
    return value;
}

static size_t find_text(struct slice s, const char *text)
{
    const char *at = memmem(s.ptr, s.len, text, strlen(text));

    return at ? (size_t)(at - s.ptr) : s.len;
}

static void check_rows(struct house *h, struct slice rows)
{
    static const char mark[] = "\"stanzas\":";
    size_t at;

    while ((at = find_text(rows, mark)) < rows.len) {
        unsigned count;

        rows = slice_from_offset(rows, at + strlen(mark));
        count = (unsigned)strtoul(rows.ptr, NULL, 10);
        if (count > 2 * h->most_stanzas)
            land_fail(h->land, "%s: a queue of %u stanzas, and %u are its bound", h->name, count,
                      h->most_stanzas);
    }
}

void house_check_queues(struct house *h)
{
    struct byteq out;

    if (!h->node || h->draining || h->stopped)
        return;
    byteq_init(&out);
    if (router()->control(h->node, "queues local=1", &out))
        check_rows(h, byteq_slice(&out));
    byteq_fini(&out);
}

static size_t components(const struct house *h)
{
    size_t count = 0;

    for (size_t i = 0; i < h->land->party_count; i++)
        if (h->land->parties[i]->house == h)
            count += party_open_lines(h->land->parties[i]);
    return count;
}

static void check_nothing(struct house *h, const char *name)
{
    double value = metric(h, name);

    if (value != 0)
        land_fail(h->land, "%s: at rest %s is %g", h->name, name, value);
}

static void check_counts(struct house *h, const uint64_t n[5])
{
    struct ledger_sums sums;

    if (n[0] != n[1] + n[2] + n[3] + n[4])
        land_fail(h->land, "%s: in %u is not out %u + bounced %u + dropped %u + held %u", h->name,
                  (unsigned)n[0], (unsigned)n[1], (unsigned)n[2], (unsigned)n[3], (unsigned)n[4]);
    if (n[4])
        land_fail(h->land, "%s: at rest %u stanzas are held", h->name, (unsigned)n[4]);
    if (!h->fresh)
        return;
    ledger_sum(&h->land->ledger, h->number, &sums);
    if (n[0] < sums.certain)
        land_fail(h->land, "%s: %u stanzas were given to it, it counted %u", h->name, sums.certain,
                  (unsigned)n[0]);
    if (h->land->house_count == 1 && n[1] > sums.delivered)
        land_fail(h->land, "%s: counted %u as sent, %u arrived", h->name, (unsigned)n[1],
                  sums.delivered);
}

void house_check_rest(struct house *h)
{
    uint64_t n[5];
    double links;

    if (!router()->balance(h->node, n))
        land_fail(h->land, "%s does not count", h->name);
    check_counts(h, n);
    check_nothing(h, "fedrouter_queue_stanzas");
    check_nothing(h, "fedrouter_memory_bytes{owner=\"stanzas\"}");
    check_nothing(h, "fedrouter_pairs");
    links = metric(h, "fedrouter_links");
    if (links != (double)components(h))
        land_fail(h->land, "%s: at rest %g links, %zu components", h->name, links, components(h));
    add_silent(h);
}

void house_free(struct house *h)
{
    if (h->node)
        free_node(h);
    bed_fini(&h->bed);
}
