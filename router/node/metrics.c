/* router/node/metrics.c - rendering: rows of base/counter.def first, then what a sample holds. */
#include "node/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

/* --- the words of families --- */

struct words {
    unsigned count;
    const char *(*word)(unsigned i);
};

static const char *word_bounce(unsigned i)
{
    return bounce_word((enum bounce)i);
}

static const char *word_method(unsigned i)
{
    return method_word((enum method)i);
}

static const char *word_fault(unsigned i)
{
    return fault_word((enum fault)i);
}

static const char *word_ended(unsigned i)
{
    return stream_end_class_word((enum stream_ended)i);
}

/* A clean end bears the same word on every kind of link; the operator's then needs another. */
static const char *word_out_closed(unsigned i)
{
    if (i == BOUNCE_MAX)
        return stream_end_class_word(ENDED_CLEAN);
    if (i == BOUNCE_CLOSED)
        return fault_word(FAULT_CLOSED_BY_OPERATOR);
    return bounce_word((enum bounce)i);
}

#define WORDS_OF(id, n, fn)                                                                        \
    _Static_assert((n) <= COUNTER_##id##_END - COUNTER_##id + 1, "more words than room: " #id);    \
    static const struct words words_##id = {(n), (fn)}

WORDS_OF(BOUNCED, BOUNCE_MAX, word_bounce);
WORDS_OF(DROPPED, BOUNCE_MAX, word_bounce);
WORDS_OF(OPENED_S2S_IN, METHOD_MAX, word_method);
WORDS_OF(OPENED_S2S_OUT, METHOD_MAX, word_method);
WORDS_OF(CLOSED_COMPONENT, ENDED_MAX, word_ended);
WORDS_OF(CLOSED_S2S_IN, ENDED_MAX, word_ended);
WORDS_OF(CLOSED_S2S_OUT, BOUNCE_MAX + 1, word_out_closed);
WORDS_OF(FAULTS, FAULT_MAX, word_fault);

/* --- rows --- */

enum row_kind { ROW_COUNTER, ROW_FAMILY, ROW_HISTOGRAM };

struct row {
    enum row_kind kind;
    unsigned cell;
    const char *metric;
    const char *labels; /* FAMILY: the last one lacks its value */
    const char *help;   /* of the first row of a metric */
    const struct words *words;
};

static const struct row rows[] = {
#define COUNTER(id, metric, labels, help) {ROW_COUNTER, COUNTER_##id, metric, labels, help, NULL},
#define FAMILY(id, metric, label, room, help)                                                      \
    {ROW_FAMILY, COUNTER_##id, metric, label, help, &words_##id},
#define HISTOGRAM(id, metric, help) {ROW_HISTOGRAM, COUNTER_##id, metric, "", help, NULL},
#include "base/counter.def"
#undef COUNTER
#undef FAMILY
#undef HISTOGRAM
};

/* --- lines --- */

/* All but domains is short; those have a line of their own. */
#define LINE_BYTES_MAX 512

static void put(struct byteq *out, const char *format, ...) PRINTF(2, 3);

static void put(struct byteq *out, const char *format, ...)
{
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(byteq_reserve(out, LINE_BYTES_MAX), LINE_BYTES_MAX, format, args);
    va_end(args);
    assert(n >= 0 && n < LINE_BYTES_MAX);
    byteq_grow(out, (size_t)n);
}

static void put_head(struct byteq *out, const char *metric, const char *type, const char *help)
{
    put(out, "# HELP fedrouter_%s %s\n# TYPE fedrouter_%s %s\n", metric, help, metric, type);
}

static void put_gauge(struct byteq *out, const char *metric, const char *help, uint64_t value)
{
    put_head(out, metric, "gauge", help);
    put(out, "fedrouter_%s %" PRIu64 "\n", metric, value);
}

static void put_seconds(struct byteq *out, const char *metric, const char *help, uint64_t ms)
{
    put_head(out, metric, "gauge", help);
    put(out, "fedrouter_%s %" PRIu64 ".%03" PRIu64 "\n", metric, ms / 1000, ms % 1000);
}

/* A label's value: backslash, quote and line end are escaped. */
static void put_value(struct byteq *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\n')
            byteq_append(out, SLICE("\\n"));
        else if (*text == '"' || *text == '\\')
            put(out, "\\%c", *text);
        else
            byteq_append(out, slice_make(text, 1));
    }
}

static void put_domains(struct byteq *out, const char *metric, const char *help,
                        const struct metrics_domains *d)
{
    put_head(out, metric, "gauge", help);
    for (size_t i = 0; i < d->count; i++) {
        put(out, "fedrouter_%s{domain=\"", metric);
        put_value(out, d->list[i].name);
        put(out, "\"} %" PRId64 "\n", d->list[i].value);
    }
}

/* --- counters --- */

static void put_counter(struct byteq *out, const struct row *r, const uint64_t *cell)
{
    if (r->labels[0])
        put(out, "fedrouter_%s{%s} %" PRIu64 "\n", r->metric, r->labels, *cell);
    else
        put(out, "fedrouter_%s %" PRIu64 "\n", r->metric, *cell);
}

static void put_family(struct byteq *out, const struct row *r, const uint64_t *cell)
{
    for (unsigned i = 0; i < r->words->count; i++)
        put(out, "fedrouter_%s{%s=\"%s\"} %" PRIu64 "\n", r->metric, r->labels, r->words->word(i),
            cell[i]);
}

static void put_histogram(struct byteq *out, const struct row *r, const uint64_t *cell)
{
    uint64_t sum_us = cell[HISTOGRAM_BUCKETS];
    uint64_t count = 0;

    for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
        count += cell[i];
        put(out, "fedrouter_%s_bucket{le=\"%g\"} %" PRIu64 "\n", r->metric,
            (double)histogram_bounds_us[i] / 1e6, count);
    }
    count += cell[HISTOGRAM_BUCKETS - 1];
    put(out, "fedrouter_%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", r->metric, count);
    put(out, "fedrouter_%s_sum %" PRIu64 ".%06" PRIu64 "\n", r->metric, sum_us / 1000000,
        sum_us % 1000000);
    put(out, "fedrouter_%s_count %" PRIu64 "\n", r->metric, count);
}

static void put_row(struct byteq *out, const struct row *r, const uint64_t *cell)
{
    switch (r->kind) {
    case ROW_COUNTER:
        put_counter(out, r, cell);
        return;
    case ROW_FAMILY:
        put_family(out, r, cell);
        return;
    case ROW_HISTOGRAM:
        put_histogram(out, r, cell);
        return;
    }
}

/* Rows of one metric stand together, the first with its help. */
static void put_rows(struct byteq *out, const struct metrics *m)
{
    const char *metric = "";

    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct row *r = &rows[i];

        if (strcmp(metric, r->metric) != 0)
            put_head(out, r->metric, r->kind == ROW_HISTOGRAM ? "histogram" : "counter", r->help);
        metric = r->metric;
        put_row(out, r, &m->cell[r->cell]);
    }
}

/* --- the sample --- */

static void put_links(struct byteq *out, const struct metrics_part *p)
{
    static const char *const words[METRICS_LINKS] = {"opening", "open", "ending"};

    put_head(out, "links", "gauge", "Links that there are now, by kind and state.");
    for (unsigned k = 0; k < LINK_KINDS; k++)
        for (unsigned s = 0; s < METRICS_LINKS; s++)
            put(out, "fedrouter_links{link=\"%s\",state=\"%s\"} %" PRIu64 "\n",
                link_kind_word((enum link_kind)k), words[s], p->links[k][s]);
}

static void put_pairs(struct byteq *out, const struct metrics_part *p)
{
    static const char *const words[METRICS_DIRECTIONS] = {"in", "out"};

    put_head(out, "pairs", "gauge",
             "Pairs of domains, by direction and by how the peer proved itself.");
    for (unsigned d = 0; d < METRICS_DIRECTIONS; d++)
        for (unsigned m = 0; m < METHOD_MAX; m++)
            put(out, "fedrouter_pairs{direction=\"%s\",method=\"%s\"} %" PRIu64 "\n", words[d],
                method_word((enum method)m), p->pairs[d][m]);
}

static void put_state(struct byteq *out, const char *state)
{
    static const char *const words[] = {"joining",  "settling", "member",
                                        "degraded", "parked",   "draining"};

    put_head(out, "node_state", "gauge", "1 for the state this node is in.");
    for (size_t i = 0; i < COUNT(words); i++)
        put(out, "fedrouter_node_state{state=\"%s\"} %d\n", words[i], !strcmp(state, words[i]));
}

static void put_memory(struct byteq *out, const struct metrics *m)
{
    put_head(
        out, "memory_bytes", "gauge",
        "Memory, by owner: the resident process; of it stanzas held, queues, TLS sessions, XML "
        "parsers.");
    put(out, "fedrouter_memory_bytes{owner=\"process\"} %" PRIu64 "\n", m->resident_bytes);
    put(out, "fedrouter_memory_bytes{owner=\"stanzas\"} %" PRIu64 "\n", m->held_bytes);
    put(out, "fedrouter_memory_bytes{owner=\"queues\"} %" PRIu64 "\n", m->sum.queue_bytes);
    put(out, "fedrouter_memory_bytes{owner=\"tls\"} %" PRIu64 "\n", m->sum.tls_bytes);
    put(out, "fedrouter_memory_bytes{owner=\"parsers\"} %" PRIu64 "\n", m->sum.parser_bytes);
}

/* With the embedded table, or alone: it never ends. */
static void put_lease(struct byteq *out, uint64_t left_ms)
{
    static const char help[] = "Until this node's right to write ends, unless renewed.";

    if (left_ms != UINT64_MAX) {
        put_seconds(out, "lease_remaining_seconds", help, left_ms);
        return;
    }
    put_head(out, "lease_remaining_seconds", "gauge", help);
    put(out, "fedrouter_lease_remaining_seconds +Inf\n");
}

static void put_cluster(struct byteq *out, const struct metrics *m)
{
    const struct members_numbers *n = &m->cluster;

    put_gauge(out, "store_up", "1 while the table of pairs and components answers.", m->store_up);
    put_lease(out, n->right_left_ms);
    put_gauge(out, "members", "Nodes on the table's list, this one included.", n->member_count);
    put_gauge(out, "members_silent", "Nodes on the list that do not renew.", n->silent_count);
    put_gauge(out, "promises_missing",
              "Members whose promise is needed for the right to write and is missing.",
              n->promises_missing_count);
    put_gauge(out, "mesh_peers", "Nodes connected to this one.", n->peer_count);
    put_gauge(out, "config_differs", "Nodes connected whose configuration differs from ours.",
              n->differs_count);
    put_gauge(out, "lanes_undone", "Stanzas given to another worker or node, without a fate yet.",
              m->sum.undone_count);
}

static void put_queues(struct byteq *out, const struct metrics *m)
{
    put_gauge(out, "stanzas_held", "Stanzas accepted that have no fate yet.", m->held_count);
    put_gauge(out, "queue_stanzas", "Stanzas in queues of pairs and components.",
              m->sum.queue_stanza_count);
    put_gauge(out, "queue_bytes", "Bytes of the stanzas in queues.", m->sum.queue_bytes);
    put_seconds(out, "queue_oldest_seconds", "How long the oldest stanza in a queue has waited.",
                m->sum.queue_oldest_ms);
}

static void put_lost_lines(struct byteq *out, uint64_t count)
{
    put_head(out, "log_lost_total", "counter", "Log lines that could not be written.");
    put(out, "fedrouter_log_lost_total %" PRIu64 "\n", count);
}

void metrics_render(const struct metrics *m, struct byteq *out)
{
    put_head(out, "build_info", "gauge", "1, with the version of this build.");
    put(out, "fedrouter_build_info{version=\"%s\"} 1\n", FEDROUTER_VERSION);
    put_seconds(out, "up_seconds", "Since this process started.", m->up_ms);
    put_state(out, m->state);
    put_rows(out, m);
    put_queues(out, m);
    put_links(out, &m->sum);
    put_pairs(out, &m->sum);
    put_domains(out, "components", "Connections of each local domain's component.",
                &m->sum.components);
    put_domains(out, "certificate_expiry_seconds",
                "Until our certificate for the domain ends; negative when it has.",
                &m->certificates);
    put_cluster(out, m);
    put_memory(out, m);
    put_gauge(out, "descriptors", "Open file descriptors.", m->descriptor_count);
    put_gauge(out, "dns_cache_entries", "DNS answers remembered.", m->dns_cache_count);
    put_lost_lines(out, m->lost_lines_count);
}

/* --- sums --- */

static uint64_t sum(const struct metrics *m, unsigned first, unsigned last)
{
    uint64_t n = 0;

    for (unsigned i = first; i <= last; i++)
        n += m->cell[i];
    return n;
}

void metrics_balance(const struct metrics *m, struct metrics_balance *ret_balance)
{
    ret_balance->in = sum(m, COUNTER_IN_COMPONENT_MESSAGE, COUNTER_IN_S2S_IQ);
    ret_balance->out = sum(m, COUNTER_OUT_COMPONENT_MESSAGE, COUNTER_OUT_S2S_IQ);
    ret_balance->bounced = sum(m, COUNTER_BOUNCED, COUNTER_BOUNCED_END);
    ret_balance->dropped = sum(m, COUNTER_DROPPED, COUNTER_DROPPED_END);
    ret_balance->held = m->held_count;
}
