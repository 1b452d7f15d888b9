#include "session/resolver_job.h"

#include <stdarg.h>
#include <stdio.h>

/* The line is for people: of a long list the first few say enough. */
#define TEXT_BYTES_MAX 1024
#define TEXT_ITEMS_MAX 4

static const char *const service_words[SRV_KINDS] = {"_xmpps-server", "_xmpp-server"};

struct text {
    char buf[TEXT_BYTES_MAX];
    size_t len;
};

PRINTF(2, 3) static void add(struct text *t, const char *format, ...)
{
    size_t room = sizeof(t->buf) - t->len;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(t->buf + t->len, room, format, args);
    va_end(args);
    if (n > 0)
        t->len += (size_t)n < room ? (size_t)n : room - 1;
}

/* True if it has no records to be listed. */
static bool add_outcome(struct text *t, const struct dns_set *set)
{
    if (!set)
        add(t, "no answer yet");
    else if (set->outcome == DNS_ABSENT)
        add(t, "none (%s)", set->why);
    else if (set->outcome == DNS_FAILED)
        add(t, "failed (%s)", set->why);
    else if (set->outcome == DNS_BOGUS)
        add(t, "bogus (%s)", set->why);
    else if (!set->count)
        add(t, "no usable record");
    else
        return false;
    return true;
}

static void add_srv_record(struct text *t, const struct dns_record *r)
{
    if (!r->target.len)
        add(t, "\".\" (no such service)");
    else
        add(t, "%u %u %u %.*s", r->priority, r->weight, r->port, SLICE_ARGS(r->target));
}

static void add_srv(struct text *t, const struct dns_set *set)
{
    if (add_outcome(t, set))
        return;
    for (size_t i = 0; i < set->count && i < TEXT_ITEMS_MAX; i++) {
        add(t, i ? ", " : "");
        add_srv_record(t, &set->records[i]);
    }
    if (set->count > TEXT_ITEMS_MAX)
        add(t, " and %zu more", set->count - TEXT_ITEMS_MAX);
    if (set->secure)
        add(t, " (secure)");
}

static void add_family(struct text *t, const char *word, const struct dns_set *set)
{
    char ip[ADDR_TEXT_MAX];

    if (!set || !set->count) {
        add(t, " %s ", word);
        add_outcome(t, set);
        return;
    }
    for (size_t i = 0; i < set->count && i < TEXT_ITEMS_MAX; i++)
        add(t, " %s", addr_format_ip(&set->records[i].addr, ip));
    if (set->count > TEXT_ITEMS_MAX)
        add(t, " and %zu more", set->count - TEXT_ITEMS_MAX);
}

/* The usual case is short: who has addresses of one family need not have the other. */
static void add_host(struct text *t, const struct job_target *target)
{
    const struct dns_set *v6 = target->v6.set;
    const struct dns_set *v4 = target->v4.set;
    bool v6_absent = v6 && v6->outcome == DNS_ABSENT;
    bool v4_absent = v4 && v4->outcome == DNS_ABSENT;

    add(t, "%s%.*s:", t->len ? "; " : "", SLICE_ARGS(target->srv.host));
    if (v6_absent && v4_absent) {
        add(t, " no address (%s)", v4->why);
        return;
    }
    if (!v6_absent)
        add_family(t, "AAAA", v6);
    if (!v4_absent)
        add_family(t, "A", v4);
}

static void add_hosts(struct text *t, const struct job *job, const struct srv_target *order)
{
    for (size_t i = 0; i < job->target_count && i < TEXT_ITEMS_MAX; i++)
        add_host(t, job_target_of(job, &order[i]));
    if (job->target_count > TEXT_ITEMS_MAX)
        add(t, "; and %zu more hosts", job->target_count - TEXT_ITEMS_MAX);
}

char *resolution_text(const struct job *job, const struct srv_target *order)
{
    struct text t = {.len = 0};

    for (size_t i = 0; i < SRV_KINDS && !job->host_only; i++) {
        add(&t, "%s%s: ", i ? "; " : "", service_words[i]);
        add_srv(&t, job->srv[i].set);
    }
    if (job->stage == JOB_ADDRESSES)
        add_hosts(&t, job, order);
    return mem_strdup(t.buf);
}
