#include "unit/test.h"

#include "node/metrics.h"

#include <stdlib.h>

/* Each cell has a number of its own, so that a mixed-up row shows. */
static void fill(struct metrics *m)
{
    memset(m, 0, sizeof(*m));
    for (unsigned i = 0; i < COUNTER_CELLS; i++)
        m->cell[i] = 1000 + i;
    m->state = "member";
    m->held_count = 7;
    m->up_ms = 61005;
    m->sum.queue_oldest_ms = 250;
    m->sum.links[LINK_S2S_OUT][METRICS_OPEN] = 3;
    m->sum.pairs[METRICS_OUT][METHOD_PKIX] = 2;
    m->cluster.right_left_ms = UINT64_MAX;
}

static char *render(const struct metrics *m)
{
    struct byteq q;
    char *text;

    byteq_init(&q);
    metrics_render(m, &q);
    text = mem_strndup(byteq_slice(&q));
    byteq_fini(&q);
    return text;
}

static bool has_line(const char *text, const char *line)
{
    size_t len = strlen(line);
    const char *at = text;

    while ((at = strstr(at, line))) {
        if ((at == text || at[-1] == '\n') && at[len] == '\n')
            return true;
        at += len;
    }
    return false;
}

static void check_lines(const struct metrics *m, const char *const *lines, size_t n)
{
    char *text = render(m);

    for (size_t i = 0; i < n; i++)
        CHECK_MSG(has_line(text, lines[i]), "no line: %s", lines[i]);
    mem_free(text);
}

TEST(metrics, tells_every_kind_of_row)
{
    char counter[128], family[128], last_word[128], method[128];
    const char *const lines[] = {
        "fedrouter_build_info{version=\"" FEDROUTER_VERSION "\"} 1",
        "fedrouter_up_seconds 61.005",
        "fedrouter_stanzas_held 7",
        "fedrouter_queue_oldest_seconds 0.250",
        "fedrouter_links{link=\"s2s_out\",state=\"open\"} 3",
        "fedrouter_links{link=\"s2s_in\",state=\"opening\"} 0",
        "fedrouter_pairs{direction=\"out\",method=\"pkix\"} 2",
        "fedrouter_lease_remaining_seconds +Inf",
        "# TYPE fedrouter_stanzas_in_total counter",
        "# TYPE fedrouter_relay_seconds histogram",
        counter,
        family,
        last_word,
        method,
    };
    struct metrics m;

    fill(&m);
    snprintf(counter, sizeof(counter), "fedrouter_stanzas_in_total{link=\"s2s\",kind=\"iq\"} %d",
             1000 + COUNTER_IN_S2S_IQ);
    snprintf(family, sizeof(family), "fedrouter_stanzas_bounced_total{reason=\"age\"} %d",
             1000 + COUNTER_BOUNCED + BOUNCE_AGE);
    snprintf(last_word, sizeof(last_word), "fedrouter_faults_total{fault=\"internal\"} %d",
             1000 + COUNTER_FAULTS + FAULT_INTERNAL);
    snprintf(method, sizeof(method),
             "fedrouter_links_opened_total{link=\"s2s_in\",method=\"dialback\"} %d",
             1000 + COUNTER_OPENED_S2S_IN + METHOD_DIALBACK);
    check_lines(&m, lines, COUNT(lines));
}

TEST(metrics, histograms_are_cumulative_and_in_seconds)
{
    static struct counters c;
    static const uint64_t observed_us[] = {100, 101, 1500000, 60000000};
    const char *const lines[] = {
        "fedrouter_dns_seconds_bucket{le=\"0.0001\"} 1",
        "fedrouter_dns_seconds_bucket{le=\"0.0002\"} 2",
        "fedrouter_dns_seconds_bucket{le=\"1\"} 2",
        "fedrouter_dns_seconds_bucket{le=\"2\"} 3",
        "fedrouter_dns_seconds_bucket{le=\"30\"} 3",
        "fedrouter_dns_seconds_bucket{le=\"+Inf\"} 4",
        "fedrouter_dns_seconds_sum 61.500201",
        "fedrouter_dns_seconds_count 4",
    };
    struct metrics m;

    for (size_t i = 0; i < COUNT(observed_us); i++)
        counter_observe(&c, COUNTER_DNS_TIME, observed_us[i]);
    memset(&m, 0, sizeof(m));
    m.state = "member";
    for (unsigned i = 0; i < COUNTER_CELLS; i++)
        m.cell[i] = counter_read(&c, i);
    check_lines(&m, lines, COUNT(lines));
}

TEST(metrics, one_state_is_one)
{
    const char *const lines[] = {
        "fedrouter_node_state{state=\"joining\"} 0",
        "fedrouter_node_state{state=\"member\"} 0",
        "fedrouter_node_state{state=\"draining\"} 1",
    };
    struct metrics m;

    fill(&m);
    m.state = "draining";
    check_lines(&m, lines, COUNT(lines));
}

TEST(metrics, tells_how_the_cluster_is)
{
    const char *const lines[] = {
        "fedrouter_store_up 1",
        "fedrouter_lease_remaining_seconds 5.250",
        "fedrouter_members 3",
        "fedrouter_members_silent 1",
        "fedrouter_promises_missing 2",
        "fedrouter_mesh_peers 4",
        "fedrouter_config_differs 5",
        "fedrouter_node_state{state=\"parked\"} 1",
    };
    struct metrics m;

    fill(&m);
    m.state = "parked";
    m.store_up = true;
    m.cluster = (struct members_numbers){.right_left_ms = 5250,
                                         .member_count = 3,
                                         .silent_count = 1,
                                         .promises_missing_count = 2,
                                         .peer_count = 4,
                                         .differs_count = 5};
    check_lines(&m, lines, COUNT(lines));
}

TEST(metrics, domains_are_escaped)
{
    const char *const lines[] = {
        "fedrouter_components{domain=\"a\\\"b\\\\c\\nd\"} 2",
        "fedrouter_components{domain=\"b\xc3\xbc.example\"} 0",
        "fedrouter_certificate_expiry_seconds{domain=\"old.example\"} -5",
    };
    struct metrics m;

    fill(&m);
    metrics_domains_add(&m.sum.components, SLICE("a\"b\\c\nd"), 2);
    metrics_domains_add(&m.sum.components, SLICE("b\xc3\xbc.example"), 0);
    metrics_domains_add(&m.certificates, SLICE("old.example"), -5);
    check_lines(&m, lines, COUNT(lines));
    metrics_fini(&m);
}

TEST(metrics, a_domain_may_be_longer_than_a_line)
{
    char name[DOMAIN_BYTES_MAX + 1];
    struct metrics m;
    char *text;

    fill(&m);
    memset(name, '"', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    metrics_domains_add(&m.sum.components, slice_from(name), 1);
    text = render(&m);
    CHECK(strstr(text, "\\\"\\\"\"} 1\n") != NULL);
    mem_free(text);
    metrics_fini(&m);
}

/* --- the format: every series once, those of a metric together, below its HELP and TYPE --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool belongs(const char *name, const char *metric, bool histogram)
{
    static const char *const suffixes[] = {"_bucket{le=\"", "_sum ", "_count "};
    size_t len = strlen(metric);

    if (strncmp(name, metric, len) != 0)
        return false;
    for (size_t i = 0; histogram && i < COUNT(suffixes); i++)
        if (strncmp(name + len, suffixes[i], strlen(suffixes[i])) == 0)
            return true;
    return !histogram && (name[len] == '{' || name[len] == ' ');
}

struct reader {
    char metric[128];
    bool histogram;
    char *seen[4096]; /* series, and metrics as "# NAME" */
    size_t seen_count;
};

static void read_line(struct reader *r, char *line)
{
    char type[16];

    if (sscanf(line, "# HELP %127s", r->metric) == 1) {
        CHECK_MSG(strlen(line) > strlen("# HELP ") + strlen(r->metric) + 1, "no help: %s", line);
        line[strlen("# HELP ") + strlen(r->metric)] = '\0';
        r->seen[r->seen_count++] = mem_strdup(line);
        return;
    }
    if (sscanf(line, "# TYPE %*s %15s", type) == 1) {
        r->histogram = strcmp(type, "histogram") == 0;
        CHECK(strncmp(line + 7, r->metric, strlen(r->metric)) == 0);
        return;
    }
    CHECK_MSG(belongs(line, r->metric, r->histogram), "%s is not of %s", line, r->metric);
    *strrchr(line, ' ') = '\0';
    r->seen[r->seen_count++] = mem_strdup(line);
}

TEST(metrics, every_series_stands_once_below_its_head)
{
    static struct reader r;
    struct metrics m;
    char *text, *line, *save = NULL;

    fill(&m);
    metrics_domains_add(&m.sum.components, SLICE("a.example"), 2);
    text = render(&m);
    for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        CHECK(r.seen_count < COUNT(r.seen));
        read_line(&r, line);
    }
    qsort(r.seen, r.seen_count, sizeof(r.seen[0]), by_text);
    for (size_t i = 1; i < r.seen_count; i++)
        CHECK_MSG(strcmp(r.seen[i - 1], r.seen[i]) != 0, "twice: %s", r.seen[i]);
    CHECK(r.seen_count > 200);
    for (size_t i = 0; i < r.seen_count; i++)
        mem_free(r.seen[i]);
    mem_free(text);
    metrics_fini(&m);
}

TEST(metrics, hops_between_workers_are_outside_the_balance)
{
    struct metrics_balance b;
    struct metrics m;

    memset(&m, 0, sizeof(m));
    m.cell[COUNTER_IN_COMPONENT_MESSAGE] = 10;
    m.cell[COUNTER_IN_S2S_IQ] = 5;
    m.cell[COUNTER_IN_MESH_IQ] = 100;
    m.cell[COUNTER_OUT_COMPONENT_MESSAGE] = 4;
    m.cell[COUNTER_OUT_S2S_IQ] = 3;
    m.cell[COUNTER_OUT_MESH_MESSAGE] = 100;
    m.cell[COUNTER_BOUNCED] = 1;
    m.cell[COUNTER_BOUNCED_END] = 1;
    m.cell[COUNTER_DROPPED] = 2;
    m.held_count = 4;
    metrics_balance(&m, &b);
    CHECK_EQ(b.in, 15);
    CHECK_EQ(b.out, 7);
    CHECK_EQ(b.bounced, 2);
    CHECK_EQ(b.dropped, 2);
    CHECK_EQ(b.held, 4);
}

TEST(metrics, the_process_is_looked_at)
{
    uint64_t before = process_descriptor_count();
    FILE *one_more = fopen("/dev/null", "r");

    CHECK(process_resident_bytes() > 100000);
    CHECK_EQ(process_descriptor_count(), before + 1);
    fclose(one_more);
}

TESTS(TEST_OF(metrics, tells_every_kind_of_row),
      TEST_OF(metrics, histograms_are_cumulative_and_in_seconds),
      TEST_OF(metrics, one_state_is_one), TEST_OF(metrics, tells_how_the_cluster_is),
      TEST_OF(metrics, domains_are_escaped),
      TEST_OF(metrics, a_domain_may_be_longer_than_a_line),
      TEST_OF(metrics, every_series_stands_once_below_its_head),
      TEST_OF(metrics, hops_between_workers_are_outside_the_balance),
      TEST_OF(metrics, the_process_is_looked_at))
