#include "session/instances.h"

#include "base/mem.h"

struct instance {
    struct list node;
    char *pattern;
    uint64_t id;
    unsigned worker;
};

/* An answer on its way. */
struct answer {
    struct list node;
    enum instances_join outcome;
    instances_join_fn *done;
    void *arg;
};

struct instances {
    struct loop *loop;
    const struct instances_events *events;
    void *arg;
    struct list all;
    struct list answers;
    struct task answer_task;
};

static void run_answers(struct task *t)
{
    struct instances *s = LIST_ENTRY(t, struct instances, answer_task);
    struct answer *a;

    while ((a = LIST_FIRST(&s->answers, struct answer, node))) {
        list_remove(&a->node);
        a->done(a->arg, a->outcome);
        mem_free(a);
    }
}

struct instances *instances_new(struct loop *l, const struct instances_events *events, void *arg)
{
    struct instances *s = MEM_NEW(struct instances);

    s->loop = l;
    s->events = events;
    s->arg = arg;
    list_init(&s->all);
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

void instances_free(struct instances *s)
{
    task_cancel(&s->answer_task);
    LIST_WALK(node, &s->answers)
    mem_free(LIST_ENTRY(node, struct answer, node));
    LIST_WALK(node, &s->all)
    instance_free(LIST_ENTRY(node, struct instance, node));
    mem_free(s);
}

static struct instance *find_pattern(struct instances *s, struct slice pattern)
{
    LIST_WALK(node, &s->all)
    {
        struct instance *i = LIST_ENTRY(node, struct instance, node);

        if (slice_is(pattern, i->pattern))
            return i;
    }
    return NULL;
}

static void replace_all(struct instances *s, struct slice pattern)
{
    struct instance *i;

    while ((i = find_pattern(s, pattern))) {
        s->events->left(s->arg, i->id);
        s->events->replaced(s->arg, i->id, i->worker);
        instance_free(i);
    }
}

static void add_instance(struct instances *s, struct slice pattern, uint64_t id, unsigned worker)
{
    struct instance *i = MEM_NEW(struct instance);

    i->pattern = mem_strndup(pattern);
    i->id = id;
    i->worker = worker;
    list_push(&s->all, &i->node);
    s->events->joined(s->arg, pattern, id, worker);
}

static void post_answer(struct instances *s, enum instances_join outcome, instances_join_fn *done,
                        void *arg)
{
    struct answer *a = MEM_NEW(struct answer);

    a->outcome = outcome;
    a->done = done;
    a->arg = arg;
    list_push(&s->answers, &a->node);
    loop_post(s->loop, &s->answer_task);
}

void instances_join(struct instances *s, struct slice pattern, enum connections rule, uint64_t id,
                    unsigned worker, instances_join_fn *done, void *arg)
{
    if (rule == CONNECTIONS_REFUSE && find_pattern(s, pattern)) {
        post_answer(s, INSTANCE_CONFLICT, done, arg);
        return;
    }
    post_answer(s, INSTANCE_JOINED, done, arg);
    if (rule == CONNECTIONS_REPLACE)
        replace_all(s, pattern);
    add_instance(s, pattern, id, worker);
}

void instances_leave(struct instances *s, uint64_t id)
{
    LIST_WALK(node, &s->all)
    {
        struct instance *i = LIST_ENTRY(node, struct instance, node);

        if (i->id != id)
            continue;
        s->events->left(s->arg, id);
        instance_free(i);
        return;
    }
}
