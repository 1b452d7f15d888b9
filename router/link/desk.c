#include "link/desk.h"

#include "wire/jid.h"

struct desk {
    struct loop *loop;
    struct hop *hop;
    struct resolver *resolver;
    struct instances *instances;
    const struct desk_events *events;
    void *arg;
    struct list asks; /* an answer is due */
    bool closing;     /* the seats are gone: nobody waits for one any more */
};

struct seat {
    struct desk *desk;
    struct loop *loop;
    struct hop *hop;
    unsigned index;
};

enum ask_kind { ASK_RESOLVE, ASK_JOIN, ASK_LEAVE, ASK_ALIVE, ASK_FAILED, ASK_SETTLE };

/* Travels to the desk and, where an answer is due, back. */
struct ask {
    struct hop_msg msg;
    struct list at_desk;
    enum ask_kind kind;
    struct seat *seat;
    struct desk *desk;
    bool cancelled; /* the asker's side only */
    void *arg;
    union {
        seat_resolved_fn *resolved;
        seat_joined_fn *joined;
    };
    char *name;  /* domain, local domain, or pattern */
    char *other; /* remote domain */
    bool for_stranger;
    struct policy_target targets[POLICY_TARGETS_MAX];
    size_t target_count;
    size_t target_next;
    struct resolution *found; /* of configured targets, gathered */
    struct resolution *answer;
    enum instances_join outcome;
    uint64_t number; /* token or instance id */
    struct addr addr;
    struct outage outage; /* its texts: other, name, detail */
    char *detail;
};

static void ask_free(struct ask *a)
{
    list_remove(&a->at_desk);
    if (a->answer)
        resolution_unref(a->answer);
    mem_free(a->name);
    mem_free(a->other);
    mem_free(a->detail);
    mem_free(a);
}

/* --- answers: from the desk to the worker --- */

static void deliver_answer(struct hop_msg *m, void *arg)
{
    struct ask *a = LIST_ENTRY(m, struct ask, msg);

    if (!a->cancelled) {
        a->cancelled = true; /* the asker lets go of it before it hears */
        if (a->kind == ASK_RESOLVE)
            a->resolved(a->arg, a->answer);
        else
            a->joined(a->arg, a->outcome);
    }
    ask_free(a);
}

static void send_back(struct ask *a)
{
    if (a->desk->closing) {
        ask_free(a);
        return;
    }
    list_remove(&a->at_desk);
    a->msg.deliver = deliver_answer;
    hop_post(a->seat->hop, &a->msg);
}

/* --- the desk at work --- */

static struct resolution *resolution_empty(enum resolution_kind kind, const char *text)
{
    struct resolution *r = MEM_NEW(struct resolution);

    atomic_init(&r->refs, 1);
    r->kind = kind;
    r->dnssec = DNSSEC_INSECURE;
    r->text = mem_strdup(text);
    return r;
}

static void add_endpoints(struct resolution *to, const struct endpoint *from, size_t count,
                          uint8_t target)
{
    to->endpoints = mem_realloc(to->endpoints, (to->count + count) * sizeof(*from));
    for (size_t i = 0; i < count; i++) {
        to->endpoints[to->count] = from[i];
        to->endpoints[to->count++].target = target;
    }
    if (count)
        to->kind = RESOLVED;
}

static void add_literal(struct resolution *to, const struct addr *addr, const char *host,
                        bool direct_tls, uint8_t target)
{
    struct endpoint e = {.addr = *addr, .port = addr_port(addr), .direct_tls = direct_tls};

    slice_to_cstr(slice_sub(slice_from(host), 0, sizeof(e.host) - 1), e.host, sizeof(e.host));
    add_endpoints(to, &e, 1, target);
}

static void next_target(struct ask *a);

static void on_target(void *arg, struct resolution *res)
{
    struct ask *a = arg;

    if (res->kind == RESOLVED)
        add_endpoints(a->found, res->endpoints, res->count, (uint8_t)a->target_next);
    a->target_next++;
    next_target(a);
}

/* Configured targets in their order; names among them are looked up one after the other. */
static void next_target(struct ask *a)
{
    while (a->target_next < a->target_count && !a->desk->closing) {
        const struct policy_target *t = &a->targets[a->target_next];
        struct addr addr;

        if (addr_parse_ip(slice_from(t->host), t->port, &addr)) {
            resolver_ask_host(a->desk->resolver, slice_from(t->host), t->port, t->direct_tls,
                              on_target, a);
            return;
        }
        add_literal(a->found, &addr, t->host, t->direct_tls, (uint8_t)a->target_next);
        a->target_next++;
    }
    a->answer = a->found;
    send_back(a);
}

static void on_resolved(void *arg, struct resolution *res)
{
    struct ask *a = arg;

    a->answer = resolution_ref(res);
    send_back(a);
}

static void do_resolve(struct desk *d, struct ask *a)
{
    char ascii[256];
    struct addr addr;

    if (a->target_count) {
        a->found = resolution_empty(RESOLVED_FAILED, "target of the configuration");
        next_target(a);
        return;
    }
    if (addr_parse_ip(slice_from(a->name), 5269, &addr) == OK) {
        a->answer = resolution_empty(RESOLVED_FAILED, "address literal");
        add_literal(a->answer, &addr, a->name, false, 0);
        send_back(a);
        return;
    }
    if (domain_to_ascii(slice_from(a->name), ascii, sizeof(ascii))) {
        a->answer = resolution_empty(RESOLVED_NOTHING, "not a name for DNS");
        send_back(a);
        return;
    }
    if (a->for_stranger)
        resolver_ask_for_stranger(d->resolver, slice_from(ascii), on_resolved, a);
    else
        resolver_ask(d->resolver, slice_from(ascii), on_resolved, a);
}

static void on_joined(void *arg, enum instances_join outcome)
{
    struct ask *a = arg;

    a->outcome = outcome;
    send_back(a);
}

static void deliver_ask(struct hop_msg *m, void *arg)
{
    struct ask *a = LIST_ENTRY(m, struct ask, msg);
    struct desk *d = arg;

    if (d->closing) {
        ask_free(a);
        return;
    }
    if (a->kind <= ASK_JOIN)
        list_push(&d->asks, &a->at_desk);
    switch (a->kind) {
    case ASK_RESOLVE:
        do_resolve(d, a);
        return;
    case ASK_JOIN:
        instances_join(d->instances, slice_from(a->name), a->number, a->seat->index, on_joined, a);
        return;
    case ASK_LEAVE:
        instances_leave(d->instances, a->number);
        break;
    case ASK_ALIVE:
        d->events->peer_alive(d->arg, slice_from(a->name));
        break;
    case ASK_FAILED:
        d->events->failed(d->arg, &a->outage);
        break;
    case ASK_SETTLE:
        d->events->settle_address(d->arg, &a->addr);
        break;
    }
    ask_free(a);
}

/* --- questions: from the worker to the desk --- */

static struct ask *ask_new(struct seat *s, enum ask_kind kind, struct slice name)
{
    struct ask *a = MEM_NEW(struct ask);

    list_init(&a->at_desk);
    a->kind = kind;
    a->seat = s;
    a->desk = s->desk;
    a->name = mem_strndup(name);
    a->msg.deliver = deliver_ask;
    return a;
}

static struct ask *ask_post(struct ask *a)
{
    hop_post(a->desk->hop, &a->msg);
    return a;
}

static struct ask *resolve_new(struct seat *s, struct slice domain, const struct policy_rule *rule,
                               seat_resolved_fn *done, void *arg)
{
    struct ask *a = ask_new(s, ASK_RESOLVE, domain);

    a->resolved = done;
    a->arg = arg;
    a->target_count = rule->target_count;
    for (size_t i = 0; i < rule->target_count; i++)
        a->targets[i] = rule->targets[i];
    return a;
}

struct ask *seat_resolve(struct seat *s, struct slice domain, const struct policy_rule *rule,
                         seat_resolved_fn *done, void *arg)
{
    return ask_post(resolve_new(s, domain, rule, done, arg));
}

struct ask *seat_resolve_for_stranger(struct seat *s, struct slice domain,
                                      const struct policy_rule *rule, seat_resolved_fn *done,
                                      void *arg)
{
    struct ask *a = resolve_new(s, domain, rule, done, arg);

    a->for_stranger = true;
    return ask_post(a);
}

struct ask *seat_join(struct seat *s, struct slice pattern, uint64_t id, seat_joined_fn *done,
                      void *arg)
{
    struct ask *a = ask_new(s, ASK_JOIN, pattern);

    a->number = id;
    a->joined = done;
    a->arg = arg;
    return ask_post(a);
}

void seat_leave(struct seat *s, uint64_t id)
{
    struct ask *a = ask_new(s, ASK_LEAVE, slice_none());

    a->number = id;
    ask_post(a);
}

void seat_peer_alive(struct seat *s, struct slice remote)
{
    ask_post(ask_new(s, ASK_ALIVE, remote));
}

void seat_failed(struct seat *s, const struct outage *what)
{
    struct ask *a = ask_new(s, ASK_FAILED, what->remote);

    a->other = mem_strndup(what->local);
    a->detail = mem_strndup(what->detail);
    a->outage = *what;
    a->outage.local = slice_from(a->other);
    a->outage.remote = slice_from(a->name);
    a->outage.detail = slice_from(a->detail);
    ask_post(a);
}

void seat_settle_address(struct seat *s, const struct addr *peer)
{
    struct ask *a = ask_new(s, ASK_SETTLE, slice_none());

    a->addr = *peer;
    ask_post(a);
}

void ask_cancel(struct ask *a)
{
    if (a)
        a->cancelled = true;
}

/* --- life --- */

struct desk *desk_open(struct loop *steward, const struct resolver_options *o,
                       const struct desk_events *events, void *arg)
{
    struct desk *d = MEM_NEW(struct desk);

    d->loop = steward;
    list_init(&d->asks);
    d->events = events;
    d->arg = arg;
    d->hop = hop_open(steward, d);
    d->resolver = resolver_new(steward, o);
    d->instances = instances_new(steward, &events->instances, arg);
    return d;
}

void desk_close(struct desk *d)
{
    d->closing = true;
    hop_close(d->hop);
    resolver_free(d->resolver);
    instances_free(d->instances);
    LIST_WALK(node, &d->asks)
    ask_free(LIST_ENTRY(node, struct ask, at_desk)); /* those that the instances forgot */
    mem_free(d);
}

struct resolver *desk_resolver(struct desk *d)
{
    return d->resolver;
}

struct instances *desk_instances(struct desk *d)
{
    return d->instances;
}

struct seat *seat_open(struct desk *d, struct loop *worker, unsigned index)
{
    struct seat *s = MEM_NEW(struct seat);

    s->desk = d;
    s->loop = worker;
    s->index = index;
    s->hop = hop_open(worker, s);
    return s;
}

void seat_close(struct seat *s)
{
    hop_close(s->hop);
    mem_free(s);
}
