/* router/node/metrics_sample.c - taking the numbers: workers on their threads, then the steward. */
#include "node/metrics.h"

#include "link/pair.h"
#include "link/s2s_in.h"
#include "wire/jid.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* --- domains with a number --- */

void metrics_domains_add(struct metrics_domains *d, struct slice name, int64_t value)
{
    if (d->count == d->room) {
        d->room = d->room ? d->room * 2 : 8;
        d->list = mem_realloc(d->list, d->room * sizeof(*d->list));
    }
    d->list[d->count].name = mem_strndup(name);
    d->list[d->count++].value = value;
}

void metrics_domains_fini(struct metrics_domains *d)
{
    for (size_t i = 0; i < d->count; i++)
        mem_free(d->list[i].name);
    mem_free(d->list);
    memset(d, 0, sizeof(*d));
}

/* --- a worker's part --- */

static enum metrics_link link_state(const struct link *l, const struct link_row *row)
{
    if (l->open)
        return METRICS_OPEN;
    return strcmp(row->state, "ending") == 0 ? METRICS_ENDING : METRICS_OPENING;
}

static void count_in_pair(void *arg, const struct link_pair_row *row)
{
    struct metrics_part *p = arg;

    p->pairs[METRICS_IN][row->valid ? row->method : METHOD_NONE]++;
}

static void count_links(struct site *s, struct metrics_part *p)
{
    LIST_WALK(node, &s->links)
    {
        const struct link *l = LIST_ENTRY(node, struct link, node);
        struct link_row row = {.id = l->id};

        l->ops->describe(l, &row);
        p->links[l->kind][link_state(l, &row)]++;
        p->tls_bytes += row.tls_bytes;
        p->parser_bytes += row.parser_bytes;
        if (l->ops->walk_pairs)
            l->ops->walk_pairs(l, count_in_pair, p);
    }
}

static void count_out_pairs(struct site *s, struct metrics_part *p)
{
    const struct pair *pair;
    size_t pos = 0;

    while ((pair = map_next(&s->pairs, &pos))) {
        struct pair_row row;

        pair_describe(pair, &row);
        p->pairs[METRICS_OUT][row.link_id ? row.verdict->method : METHOD_NONE]++;
    }
}

static void count_queues(struct site *s, struct metrics_part *p)
{
    uint64_t now = loop_now_ms(s->loop);

    LIST_WALK(node, &s->router.queues)
    {
        const struct outq *q = LIST_ENTRY(node, struct outq, active);
        uint64_t oldest = outq_oldest_ms(q, now);

        p->queue_stanza_count += outq_count(q);
        p->queue_bytes += q->bytes;
        if (oldest > p->queue_oldest_ms)
            p->queue_oldest_ms = oldest;
    }
    LIST_WALK(lane, &s->router.lanes)
    p->undone_count += lane_tx_count(LIST_ENTRY(lane, struct lane_tx, active));
}

/* On this node. */
static int64_t count_here(const struct table_entry *e)
{
    int64_t n = 0;

    LIST_WALK(node, &e->instances)
    {
        const struct table_instance *i = LIST_ENTRY(node, struct table_instance, node);

        n += !i->leaving && !i->at;
    }
    return n;
}

static void count_components(struct site *s, struct metrics_part *p)
{
    const struct table *t = &s->router.table;

    for (size_t i = 0; i < t->count; i++)
        if (t->entries[i]->configured)
            metrics_domains_add(&p->components, slice_from(t->entries[i]->pattern),
                                count_here(t->entries[i]));
}

void *metrics_part(struct site *s, const void *arg)
{
    struct metrics_part *p = MEM_NEW(struct metrics_part);

    (void)arg;
    count_links(s, p);
    count_out_pairs(s, p);
    count_queues(s, p);
    if (s->worker == 0)
        count_components(s, p);
    return p;
}

void metrics_part_free(struct metrics_part *p)
{
    metrics_domains_fini(&p->components);
    mem_free(p);
}

/* --- the steward's --- */

static void add_part(struct metrics_part *sum, const struct metrics_part *p)
{
    for (unsigned k = 0; k < LINK_KINDS; k++)
        for (unsigned s = 0; s < METRICS_LINKS; s++)
            sum->links[k][s] += p->links[k][s];
    for (unsigned d = 0; d < METRICS_DIRECTIONS; d++)
        for (unsigned m = 0; m < METHOD_MAX; m++)
            sum->pairs[d][m] += p->pairs[d][m];
    sum->queue_stanza_count += p->queue_stanza_count;
    sum->queue_bytes += p->queue_bytes;
    if (p->queue_oldest_ms > sum->queue_oldest_ms)
        sum->queue_oldest_ms = p->queue_oldest_ms;
    sum->tls_bytes += p->tls_bytes;
    sum->parser_bytes += p->parser_bytes;
    sum->undone_count += p->undone_count;
    for (size_t i = 0; i < p->components.count; i++)
        metrics_domains_add(&sum->components, slice_from(p->components.list[i].name),
                            p->components.list[i].value);
}

static void add_counters(uint64_t *cell, const struct counters *c)
{
    for (unsigned i = 0; i < COUNTER_CELLS; i++)
        cell[i] += counter_read(c, i);
}

static bool has(const struct metrics_domains *d, struct slice name, size_t *ret_at)
{
    for (size_t i = 0; i < d->count; i++) {
        *ret_at = i;
        if (slice_is(name, d->list[i].name))
            return true;
    }
    return false;
}

/* Two certificates of one name (RSA and ECDSA): the one that ends first matters. */
static void note_expiry(struct metrics_domains *d, struct slice name, int64_t left_s)
{
    size_t at;

    if (!has(d, name, &at))
        metrics_domains_add(d, name, left_s);
    else if (left_s < d->list[at].value)
        d->list[at].value = left_s;
}

static void names_of_cert(struct metrics_domains *d, const struct tls_own_cert *c, int64_t now_s)
{
    struct slice rest = slice_from(c->names);

    while (rest.len) {
        size_t space = slice_find(rest, ' ');
        struct slice name = slice_sub(rest, 0, space);

        if (name.len)
            note_expiry(d, name, c->not_after - now_s);
        rest = slice_from_offset(rest, space + 1);
    }
}

/* Domains that a wildcard covers are told by their own name, too. */
static void names_of_components(struct metrics_domains *d, const struct settings *set,
                                const struct tls_own_cert *certs, int64_t now_s)
{
    for (size_t i = 0; i < set->component_count; i++) {
        char ascii[256];
        bool exact;
        size_t at;

        if (domain_to_ascii(set->rules[i].pattern, ascii, sizeof(ascii)))
            continue; /* "*.": its certificate's names are there */
        at = tls_context_choose(set->tls_client, slice_from(ascii), &exact);
        if (exact)
            note_expiry(d, set->rules[i].pattern, certs[at].not_after - now_s);
    }
}

static void sample_certificates(const struct settings *set, int64_t now_s,
                                struct metrics_domains *d)
{
    const struct tls_own_cert *certs;
    size_t n = tls_context_certs(set->tls_client, &certs);

    for (size_t i = 0; i < n; i++)
        names_of_cert(d, &certs[i], now_s);
    if (n)
        names_of_components(d, set, certs, now_s);
    n = set->tls_mesh ? tls_context_certs(set->tls_mesh, &certs) : 0;
    for (size_t i = 0; i < n; i++)
        names_of_cert(d, &certs[i], now_s);
}

void metrics_sample(struct node *n, struct metrics_part *const *parts, unsigned count,
                    struct metrics *ret_metrics)
{
    struct loop *l = node_loop(n);

    memset(ret_metrics, 0, sizeof(*ret_metrics));
    add_counters(ret_metrics->cell, loop_counters(l));
    for (unsigned i = 0; i < count; i++) {
        add_counters(ret_metrics->cell, workers_counters(node_workers(n), i));
        add_part(&ret_metrics->sum, parts[i]);
    }
    sample_certificates(node_settings(n), (int64_t)(loop_wall_us(l) / 1000000),
                        &ret_metrics->certificates);
    ret_metrics->held_count = workers_held_count(node_workers(n));
    ret_metrics->up_ms = loop_now_ms(l) - node_started_ms(n);
    ret_metrics->state = node_state_word(n);
    ret_metrics->store_up = members_store_state(node_members(n))->up;
    members_count(node_members(n), &ret_metrics->cluster);
    ret_metrics->resident_bytes = process_resident_bytes();
    ret_metrics->held_bytes = mem_used(node_memory(n));
    ret_metrics->descriptor_count = process_descriptor_count();
    ret_metrics->dns_cache_count = resolver_cache_count(desk_resolver(node_desk(n)));
    ret_metrics->lost_lines_count =
        atomic_load_explicit(&node_sink(n)->lost_lines, memory_order_relaxed);
}

void metrics_fini(struct metrics *m)
{
    metrics_domains_fini(&m->sum.components);
    metrics_domains_fini(&m->certificates);
}

/* --- the process --- */

uint64_t process_resident_bytes(void)
{
    char text[128] = "";
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    unsigned long pages = 0;
    ssize_t n;

    if (fd < 0)
        return 0;
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n <= 0 || sscanf(text, "%*u %lu", &pages) != 1)
        return 0;
    return (uint64_t)pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t count_entries(void)
{
    DIR *dir = opendir("/proc/self/fd");
    const struct dirent *entry;
    uint64_t n = 0;

    if (!dir)
        return 0;
    while ((entry = readdir(dir)))
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n - 1; /* the directory's own */
}

/* Linux 6.2 tells it as the size of the directory; before, each descriptor is visited. */
uint64_t process_descriptor_count(void)
{
    struct stat st;

    if (stat("/proc/self/fd", &st) == 0 && st.st_size > 0)
        return (uint64_t)st.st_size;
    return count_entries();
}
