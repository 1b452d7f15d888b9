/* session/store_memory.c - the embedded table: one member, rows in maps, answers posted. */
#include "session/store.h"

#include "route/router.h"

struct row {
    char *key; /* "local remote" */
    uint64_t token;
};

struct instance {
    struct list node;
    char *pattern;
    uint64_t id;
    unsigned worker;
};

/* An answer on its way. */
struct answer {
    struct list node;
    struct store_claim claim;
    enum store_join joined;
    store_claim_fn *claim_done;
    store_join_fn *join_done;
    void *arg;
};

struct store {
    struct loop *loop;
    const struct store_events *events;
    void *arg;
    struct map pairs;
    struct list instances;
    uint64_t incarnation;
    uint64_t last_token;
    struct list answers;
    struct task answer_task;
};

static void run_answers(struct task *t)
{
    struct store *s = LIST_ENTRY(t, struct store, answer_task);
    struct answer *a;

    while ((a = LIST_FIRST(&s->answers, struct answer, node))) {
        list_remove(&a->node);
        if (a->claim_done)
            a->claim_done(a->arg, &a->claim);
        else
            a->join_done(a->arg, a->joined);
        mem_free(a);
    }
}

struct store *store_memory_new(struct loop *l, const struct store_events *events, void *arg)
{
    struct store *s = MEM_NEW(struct store);
    uint64_t seed[2];

    random_fill(loop_random(l), seed, sizeof(seed));
    s->loop = l;
    s->events = events;
    s->arg = arg;
    s->incarnation = loop_wall_us(l);
    map_init(&s->pairs, seed);
    list_init(&s->instances);
    list_init(&s->answers);
    task_init(&s->answer_task, run_answers);
    return s;
}

static void instance_free(struct instance *i)
{
    list_remove(&i->node);
    mem_free(i->pattern);
    mem_free(i);
}

void store_free(struct store *s)
{
    size_t pos = 0;
    struct row *r;

    task_cancel(&s->answer_task);
    LIST_WALK(node, &s->answers)
    mem_free(LIST_ENTRY(node, struct answer, node));
    LIST_WALK(node, &s->instances)
    instance_free(LIST_ENTRY(node, struct instance, node));
    while ((r = map_next(&s->pairs, &pos))) {
        mem_free(r->key);
        mem_free(r);
    }
    map_fini(&s->pairs);
    mem_free(s);
}

static struct answer *answer_new(struct store *s, void *arg)
{
    struct answer *a = MEM_NEW(struct answer);

    a->arg = arg;
    list_push(&s->answers, &a->node);
    loop_post(s->loop, &s->answer_task);
    return a;
}

void store_claim(struct store *s, struct slice local, struct slice remote, store_claim_fn *done,
                 void *arg)
{
    char buf[PORT_KEY_BYTES_MAX];
    struct slice key = slice_make(buf, router_pair_key(local, remote, buf));
    struct row *r = map_find(&s->pairs, key);
    struct answer *a = answer_new(s, arg);

    if (!r) {
        r = MEM_NEW(struct row);
        r->key = mem_strndup(key);
        map_add(&s->pairs, slice_from(r->key), r);
    }
    r->token = ++s->last_token;
    a->claim_done = done;
    a->claim = (struct store_claim){true, r->token, s->incarnation};
}

void store_release(struct store *s, struct slice local, struct slice remote, uint64_t token)
{
    char buf[PORT_KEY_BYTES_MAX];
    struct slice key = slice_make(buf, router_pair_key(local, remote, buf));
    struct row *r = map_find(&s->pairs, key);

    if (!r || r->token != token)
        return;
    map_remove(&s->pairs, key);
    mem_free(r->key);
    mem_free(r);
}

size_t store_pair_count(const struct store *s)
{
    return map_count(&s->pairs);
}

static struct instance *find_pattern(struct store *s, struct slice pattern)
{
    LIST_WALK(node, &s->instances)
    {
        struct instance *i = LIST_ENTRY(node, struct instance, node);

        if (slice_is(pattern, i->pattern))
            return i;
    }
    return NULL;
}

static void replace_all(struct store *s, struct slice pattern)
{
    struct instance *i;

    while ((i = find_pattern(s, pattern))) {
        s->events->left(s->arg, i->id);
        s->events->replaced(s->arg, i->id, i->worker);
        instance_free(i);
    }
}

static void add_instance(struct store *s, struct slice pattern, uint64_t id, unsigned worker)
{
    struct instance *i = MEM_NEW(struct instance);

    i->pattern = mem_strndup(pattern);
    i->id = id;
    i->worker = worker;
    list_push(&s->instances, &i->node);
    s->events->joined(s->arg, pattern, id, worker);
}

void store_join(struct store *s, struct slice pattern, enum connections rule, uint64_t id,
                unsigned worker, store_join_fn *done, void *arg)
{
    struct answer *a = answer_new(s, arg);

    a->join_done = done;
    a->joined = STORE_JOINED;
    if (rule == CONNECTIONS_REFUSE && find_pattern(s, pattern)) {
        a->joined = STORE_CONFLICT;
        return;
    }
    if (rule == CONNECTIONS_REPLACE)
        replace_all(s, pattern);
    add_instance(s, pattern, id, worker);
}

void store_leave(struct store *s, uint64_t id)
{
    LIST_WALK(node, &s->instances)
    {
        struct instance *i = LIST_ENTRY(node, struct instance, node);

        if (i->id != id)
            continue;
        s->events->left(s->arg, id);
        instance_free(i);
        return;
    }
}
