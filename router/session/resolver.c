#include "session/hosts.h"
#include "session/resolver_job.h"

#include <stdio.h>

/* A target whose name server is dead must not hold back the others for all of the time. */
#define LATE_MS 2000

#define RESOLV_CONF    "/etc/resolv.conf"
#define HOSTS          "/etc/hosts"
#define FILE_BYTES_MAX 65536 /* of either; what is longer is read so far */

struct resolver {
    struct loop *loop;
    struct resolver_options options;
    struct dnsclient client;
    struct map jobs;
    struct list ready; /* requests with their resolution, to be told */
    char *hosts;       /* text of the hosts file */
};

static void step(struct job *job);

/* ---- requests ---- */

static void free_request(struct resolver_request *q)
{
    task_cancel(&q->tell);
    list_remove(&q->node);
    if (q->res)
        resolution_unref(q->res);
    mem_free(q);
}

/* `q` leaves its list first: `done` may end the resolver's other requests, or ask again. */
static void tell(struct resolver_request *q)
{
    struct resolution *res = q->res;
    void (*done)(void *arg, struct resolution *res) = q->done;
    void *arg = q->arg;

    q->res = NULL;
    free_request(q);
    done(arg, res);
    resolution_unref(res);
}

static void on_tell(struct task *t)
{
    tell(LIST_ENTRY(t, struct resolver_request, tell));
}

/* Takes `res`. */
static void conclude_request(struct resolver_request *q, struct resolution *res)
{
    q->job = NULL;
    q->res = res;
    list_remove(&q->node);
    list_push(&q->resolver->ready, &q->node);
    loop_post(q->resolver->loop, &q->tell);
}

static struct resolver_request *
new_request(struct resolver *r, void (*done)(void *arg, struct resolution *res), void *arg)
{
    struct resolver_request *q = MEM_NEW(struct resolver_request);

    q->resolver = r;
    q->done = done;
    q->arg = arg;
    list_init(&q->node);
    task_init(&q->tell, on_tell);
    return q;
}

/* ---- jobs ---- */

static void ask_fini(struct ask *a)
{
    dns_waiter_cancel(&a->waiter);
    dns_set_unref(a->set);
    a->set = NULL;
}

static void free_job(struct job *job)
{
    for (size_t i = 0; i < SRV_KINDS; i++)
        ask_fini(&job->srv[i]);
    for (size_t i = 0; i < job->target_count; i++) {
        ask_fini(&job->targets[i].v6);
        ask_fini(&job->targets[i].v4);
    }
    timer_stop(&job->late);
    map_remove(&job->resolver->jobs, job->key);
    mem_free(job);
}

static void conclude(struct job *job, enum resolution_kind kind)
{
    struct resolver *r = job->resolver;

    LIST_WALK(n, &job->requests)
    {
        struct resolver_request *q = LIST_ENTRY(n, struct resolver_request, node);

        conclude_request(q,
                         resolution_make(job, q, kind, r->options.prefer_v4, loop_random(r->loop)));
    }
    free_job(job);
}

static void answered(struct dns_waiter *w, struct dns_set *set)
{
    struct ask *a = LIST_ENTRY(w, struct ask, waiter);

    a->set = dns_set_ref(set);
    step(a->job);
}

static void ask(struct job *job, struct ask *a, struct slice name, enum dns_type type)
{
    a->job = job;
    dns_waiter_init(&a->waiter, answered);
    a->waiter.for_stranger = job->for_stranger;
    a->set = dnsclient_ask(&job->resolver->client, name, type, &a->waiter);
}

static const char *const services[SRV_KINDS] = {"_xmpps-server._tcp.", "_xmpp-server._tcp."};

/* False: with the service's labels before it the name is too long to exist. */
static bool srv_name(struct slice domain, unsigned kind, char buf[DNS_NAME_TEXT_MAX])
{
    int n = snprintf(buf, DNS_NAME_TEXT_MAX, "%s%.*s", services[kind], SLICE_ARGS(domain));

    return n > 0 && n < DNS_NAME_TEXT_MAX;
}

/* SRV-01. A domain too long for a service's name has no such record. */
static void ask_srv(struct job *job, unsigned kind)
{
    char name[DNS_NAME_TEXT_MAX];

    dns_waiter_init(&job->srv[kind].waiter, answered);
    if (srv_name(job->name, kind, name))
        ask(job, &job->srv[kind], slice_from(name), DNS_SRV);
    else
        job->srv[kind].set = dns_set_new(DNS_ABSENT, "name too long", NULL, 0);
}

static void ask_addresses(struct job *job)
{
    job->stage = JOB_ADDRESSES;
    for (size_t i = 0; i < job->target_count; i++) {
        struct job_target *t = &job->targets[i];

        ask(job, &t->v6, t->srv.host, DNS_AAAA);
        ask(job, &t->v4, t->srv.host, DNS_A);
    }
    timer_start(&job->late, LATE_MS);
}

static bool all_addresses_known(const struct job *job)
{
    for (size_t i = 0; i < job->target_count; i++)
        if (!job->targets[i].v6.set || !job->targets[i].v4.set)
            return false;
    return true;
}

static void step_addresses(struct job *job)
{
    if (all_addresses_known(job) || (job->is_late && job_has_address(job)))
        conclude(job, RESOLVED);
}

/* Something new is known. The job may be gone afterwards. */
static void step(struct job *job)
{
    enum resolution_kind kind;

    if (job->stage == JOB_SRV) {
        if (!job->srv[SRV_DIRECT].set || !job->srv[SRV_STARTTLS].set)
            return;
        if (!job_judge_srv(job, loop_random(job->resolver->loop), &kind)) {
            conclude(job, kind);
            return;
        }
        ask_addresses(job);
    }
    step_addresses(job);
}

static void on_late(struct timer *t)
{
    struct job *job = LIST_ENTRY(t, struct job, late);

    job->is_late = true;
    step(job);
}

static struct job *new_job(struct resolver *r, struct slice key)
{
    struct job *job = MEM_NEW(struct job);

    job->resolver = r;
    memcpy(job->key_buf, key.ptr, key.len);
    job->key = slice_make(job->key_buf, key.len);
    job->name = slice_from_offset(job->key, 1);
    list_init(&job->requests);
    timer_init(&job->late, r->loop, on_late);
    map_add(&r->jobs, job->key, job);
    return job;
}

static void start_domain(struct job *job)
{
    ask_srv(job, SRV_DIRECT);
    ask_srv(job, SRV_STARTTLS);
    step(job);
}

static struct dns_set *set_of_hosts(struct slice text, struct slice name, enum dns_type type)
{
    struct dns_record records[RESOLVER_ADDRS_MAX] = {{.type = type}};
    struct addr addrs[RESOLVER_ADDRS_MAX];
    size_t n = hosts_find(text, name, type == DNS_A ? AF_INET : AF_INET6, addrs, COUNT(addrs));

    for (size_t i = 0; i < n; i++)
        records[i].addr = addrs[i];
    return dns_set_new(n ? DNS_FOUND : DNS_ABSENT, "hosts file", records, n);
}

/* As every program on this machine does, the file comes before DNS, for both families. */
static bool know_from_hosts(struct job *job)
{
    struct slice text = slice_from(job->resolver->hosts);
    struct dns_set *v6 = set_of_hosts(text, job->name, DNS_AAAA);
    struct dns_set *v4 = set_of_hosts(text, job->name, DNS_A);

    if (!v6->count && !v4->count) {
        dns_set_unref(v6);
        dns_set_unref(v4);
        return false;
    }
    dns_waiter_init(&job->targets[0].v6.waiter, answered);
    dns_waiter_init(&job->targets[0].v4.waiter, answered);
    job->targets[0].v6.set = v6;
    job->targets[0].v4.set = v4;
    job->stage = JOB_ADDRESSES;
    return true;
}

/* SRV-11: no SRV; port and TLS are those of each request. */
static void start_host(struct job *job)
{
    for (unsigned i = 0; i < SRV_KINDS; i++)
        dns_waiter_init(&job->srv[i].waiter, answered);
    job->host_only = true;
    job->targets[0].srv = (struct srv_target){.host = job->name};
    job->target_count = 1;
    if (dns_is_localhost(job->name) || !know_from_hosts(job))
        ask_addresses(job);
    step_addresses(job);
}

/* Lower case, behind `kind`: a key for `jobs`. False: it cannot be asked. */
static bool job_key(char buf[DNS_KEY_MAX], char kind, struct slice name, struct slice *ret_key)
{
    if (!dns_is_name(name))
        return false;
    buf[0] = kind;
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];

        buf[1 + i] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
    }
    *ret_key = slice_make(buf, name.len + 1);
    return true;
}

static struct resolver_request *join(struct resolver *r, char kind, struct slice name,
                                     struct resolver_request *q, void (*start)(struct job *job))
{
    char buf[DNS_KEY_MAX];
    struct slice key;
    struct job *job;

    if (!job_key(buf, kind, name, &key)) {
        conclude_request(q, resolution_of_nothing(RESOLVED_NOTHING, "no name that DNS can know"));
        return q;
    }
    job = map_find(&r->jobs, key);
    q->job = job ? job : new_job(r, key);
    q->job->for_stranger = q->for_stranger && (!job || job->for_stranger);
    list_push(&q->job->requests, &q->node);
    if (!job)
        start(q->job);
    return q;
}

struct resolver_request *resolver_ask(struct resolver *r, struct slice ascii_domain,
                                      void (*done)(void *arg, struct resolution *res), void *arg)
{
    struct resolver_request *q = new_request(r, done, arg);

    return join(r, 'd', ascii_domain, q, start_domain);
}

struct resolver_request *resolver_ask_for_stranger(struct resolver *r, struct slice ascii_domain,
                                                   void (*done)(void *arg, struct resolution *res),
                                                   void *arg)
{
    struct resolver_request *q = new_request(r, done, arg);

    q->for_stranger = true;
    return join(r, 'd', ascii_domain, q, start_domain);
}

/* SRV-12: an address needs no question. */
struct resolver_request *resolver_ask_host(struct resolver *r, struct slice host, uint16_t port,
                                           bool direct_tls,
                                           void (*done)(void *arg, struct resolution *res),
                                           void *arg)
{
    struct resolver_request *q = new_request(r, done, arg);
    struct addr addr;

    q->port = port;
    q->direct_tls = direct_tls;
    if (addr_parse_ip(host, port, &addr))
        return join(r, 'h', host, q, start_host);
    conclude_request(q, resolution_of_addr(&addr, direct_tls));
    return q;
}

void resolver_cancel(struct resolver_request *q)
{
    struct job *job = q->job;

    free_request(q);
    if (job && list_empty(&job->requests))
        free_job(job);
}

/* ---- cache ---- */

static void forget_addresses(struct resolver *r, struct slice host)
{
    dnsclient_forget(&r->client, host, DNS_A);
    dnsclient_forget(&r->client, host, DNS_AAAA);
}

static void forget_srv(struct resolver *r, struct slice name)
{
    char buf[DNS_KEY_MAX];
    struct dns_set *set =
        dnscache_find(&r->client.cache, dns_key(buf, name, DNS_SRV), loop_now_ms(r->loop));

    for (size_t i = 0; set && i < set->count; i++)
        forget_addresses(r, set->records[i].target);
    dnsclient_forget(&r->client, name, DNS_SRV);
}

void resolver_forget(struct resolver *r, struct slice ascii_domain)
{
    char key_buf[DNS_KEY_MAX];
    char name[DNS_NAME_TEXT_MAX];
    struct slice key;

    if (!job_key(key_buf, 'd', ascii_domain, &key))
        return;
    ascii_domain = slice_from_offset(key, 1);
    for (unsigned kind = 0; kind < SRV_KINDS; kind++)
        if (srv_name(ascii_domain, kind, name))
            forget_srv(r, slice_from(name));
    forget_addresses(r, ascii_domain);
}

size_t resolver_cache_count(const struct resolver *r)
{
    return dnscache_count(&r->client.cache);
}

/* ---- life ---- */

size_t resolver_parse_resolv_conf(struct slice text, struct addr *servers, size_t room)
{
    size_t n = 0;

    while (text.len && n < room) {
        size_t end = slice_find(text, '\n');
        struct slice line = slice_trim(slice_sub(text, 0, end));
        struct slice word = SLICE("nameserver");

        text = slice_from_offset(text, end + 1);
        if (!slice_starts(line, word) || line.len == word.len ||
            (line.ptr[word.len] != ' ' && line.ptr[word.len] != '\t'))
            continue;
        line = slice_trim(slice_from_offset(line, word.len));
        if (!addr_parse_ip(line, 53, &servers[n]))
            n++;
    }
    return n;
}

/* Empty when there is none. */
static char *read_file(const char *path)
{
    FILE *f = fopen(path, "re");
    char *text = mem_alloc(FILE_BYTES_MAX + 1);
    size_t len = f ? fread(text, 1, FILE_BYTES_MAX, f) : 0;

    text[len] = '\0';
    if (f)
        fclose(f);
    return text;
}

static size_t servers_of_machine(struct addr *servers, size_t room)
{
    char *text = read_file(RESOLV_CONF);
    size_t n = resolver_parse_resolv_conf(slice_from(text), servers, room);

    mem_free(text);
    return n;
}

void resolver_configure(struct resolver *r, const struct resolver_options *o)
{
    struct resolver_options *mine = &r->options;

    /* Configuration refuses it: we do not validate, and must not seem to. */
    assert(o->dnssec != DNSSEC_MODE_VALIDATE);
    *mine = *o;
    if (!mine->server_count)
        mine->server_count = servers_of_machine(mine->servers, RESOLVER_SERVERS_MAX);
    if (!mine->server_count && !addr_parse_ip(SLICE("127.0.0.1"), 53, &mine->servers[0]))
        mine->server_count = 1;
    mem_free(r->hosts);
    r->hosts = read_file(HOSTS);
    dnsclient_configure(&r->client, mine);
}

struct resolver *resolver_new(struct loop *l, const struct resolver_options *o)
{
    struct resolver *r = MEM_NEW(struct resolver);
    uint64_t seed[2];

    r->loop = l;
    random_fill(loop_random(l), seed, sizeof(seed));
    map_init(&r->jobs, seed);
    list_init(&r->ready);
    dnsclient_init(&r->client, l);
    resolver_configure(r, o);
    return r;
}

static void fail_job(struct job *job)
{
    LIST_WALK(n, &job->requests)
    conclude_request(LIST_ENTRY(n, struct resolver_request, node),
                     resolution_of_nothing(RESOLVED_FAILED, "the resolver ends"));
    free_job(job);
}

void resolver_free(struct resolver *r)
{
    struct job *job;

    for (size_t pos = 0; (job = map_next(&r->jobs, &pos)) != NULL;)
        fail_job(job);
    while (!list_empty(&r->ready))
        tell(LIST_FIRST(&r->ready, struct resolver_request, node));
    assert(map_count(&r->jobs) == 0);
    dnsclient_fini(&r->client);
    map_fini(&r->jobs);
    mem_free(r->hosts);
    mem_free(r);
}
