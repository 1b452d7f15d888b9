#include "session/instances.h"

#include "base/mem.h"
#include "loop/timer.h"
#include "route/rendezvous.h"

/* Our numbers for instances of other nodes: none of ours comes so far. */
#define FAR_ID (1ULL << 63)

/* A local domain that has connections somewhere. */
struct group {
    char *pattern;
    uint64_t highest; /* draw that was heard */
    struct list all;
};

/* Another node. */
struct holder {
    char *node;
    uint64_t process;
    struct map rows; /* far_id -> instance */
    bool listing;    /* a full list is coming in ... */
    uint64_t number; /* ... as of this change */
};

struct instance {
    struct list node; /* group->all */
    struct group *group;
    struct holder *holder; /* NULL: this node */
    struct table_place place;
    uint64_t draw;
    bool shown;     /* to the router */
    bool confirmed; /* while listing: is in the list */
    struct join *join;
};

/* An answer that waits for others, then one on its way. */
struct join {
    struct list node;
    struct instance *instance; /* while it waits */
    uint64_t number;           /* of the change that told of it */
    uint64_t until_ms;
    enum instances_join outcome;
    instances_join_fn *done;
    void *arg;
};

struct instances {
    struct loop *loop;
    const struct instances_events *events;
    void *arg;
    uint64_t process;
    uint64_t number; /* of the last change of ours */
    uint64_t far_count;
    const struct instances_company *company;
    void *company_arg;
    struct map groups;  /* pattern -> group */
    struct map holders; /* node -> holder */
    struct map own;     /* id -> instance */
    struct list waiting;
    struct timer wait;
    struct list answers;
    struct task answer_task;
};

static struct slice id_key(const uint64_t *id)
{
    return slice_make((const char *)id, sizeof(*id));
}

/* --- answers --- */

static void run_answers(struct task *t)
{
    struct instances *s = LIST_ENTRY(t, struct instances, answer_task);
    struct join *j;

    while ((j = LIST_FIRST(&s->answers, struct join, node))) {
        list_remove(&j->node);
        j->done(j->arg, j->outcome);
        mem_free(j);
    }
}

static void answer(struct instances *s, struct join *j, enum instances_join outcome)
{
    if (j->instance)
        j->instance->join = NULL;
    j->instance = NULL;
    j->outcome = outcome;
    list_remove(&j->node);
    list_push(&s->answers, &j->node);
    loop_post(s->loop, &s->answer_task);
}

static struct join *join_new(instances_join_fn *done, void *arg)
{
    struct join *j = MEM_NEW(struct join);

    list_init(&j->node);
    j->done = done;
    j->arg = arg;
    return j;
}

/* --- groups and rows --- */

static struct group *group_get(struct instances *s, struct slice pattern)
{
    struct group *g = map_find(&s->groups, pattern);

    if (g)
        return g;
    g = MEM_NEW(struct group);
    g->pattern = mem_strndup(pattern);
    list_init(&g->all);
    map_add(&s->groups, slice_from(g->pattern), g);
    return g;
}

static void group_free_if_empty(struct instances *s, struct group *g)
{
    if (!list_empty(&g->all))
        return;
    map_remove(&s->groups, slice_from(g->pattern));
    mem_free(g->pattern);
    mem_free(g);
}

static struct instance *instance_new(struct instances *s, struct slice pattern, uint64_t draw)
{
    struct instance *i = MEM_NEW(struct instance);

    i->group = group_get(s, pattern);
    i->draw = draw;
    list_push(&i->group->all, &i->node);
    if (draw > i->group->highest)
        i->group->highest = draw;
    return i;
}

static void show(struct instances *s, struct instance *i)
{
    if (!i->shown)
        s->events->joined(s->arg, slice_from(i->group->pattern), &i->place);
    i->shown = true;
}

static void hide(struct instances *s, struct instance *i)
{
    if (i->shown)
        s->events->left(s->arg, i->place.id);
    i->shown = false;
}

static void instance_free(struct instances *s, struct instance *i)
{
    if (i->holder)
        map_remove(&i->holder->rows, id_key(&i->place.far_id));
    else
        map_remove(&s->own, id_key(&i->place.id));
    list_remove(&i->node);
    group_free_if_empty(s, i->group);
    mem_free(i);
}

/* --- telling --- */

static void tell(struct instances *s, const struct instance *i, bool joined)
{
    struct frame_component row = {slice_from(i->group->pattern), i->place.id, i->draw, joined};
    struct frame_components change = {.number = ++s->number, .rows = &row, .row_count = 1};

    if (s->company)
        s->company->tell(s->company_arg, &change);
}

static bool awaits(const struct instances *s, uint64_t number)
{
    return s->company && s->company->awaits(s->company_arg, number);
}

/* Of FRAME_CONTROL_MAX: what surrounds a pattern, and room for the rest. */
#define ROW_BYTES  32
#define PART_BYTES (FRAME_CONTROL_MAX / 2)

void instances_tell_all(struct instances *s,
                        void (*fn)(void *arg, const struct frame_components *part), void *arg)
{
    struct frame_component *rows = mem_array(FRAME_LIST_MAX, sizeof(*rows));
    struct frame_components part = {.number = s->number, .full = true, .rows = rows};
    size_t left = map_count(&s->own);
    size_t pos = 0;

    do {
        size_t bytes = 0;

        part.row_count = 0;
        while (part.row_count < FRAME_LIST_MAX && bytes < PART_BYTES && left) {
            const struct instance *i = map_next(&s->own, &pos);

            bytes += strlen(i->group->pattern) + ROW_BYTES;
            rows[part.row_count++] =
                (struct frame_component){slice_from(i->group->pattern), i->place.id, i->draw, true};
            left--;
        }
        part.more = left > 0;
        fn(arg, &part);
    } while (left);
    mem_free(rows);
}

/* --- the rule --- */

static bool above(const struct instance *a, const struct instance *b)
{
    return a->draw != b->draw ? a->draw > b->draw : a->place.mark > b->place.mark;
}

static struct instance *keeper(const struct group *g, enum connections rule)
{
    struct instance *best = NULL;

    LIST_WALK(node, &g->all)
    {
        struct instance *i = LIST_ENTRY(node, struct instance, node);

        if (!best || above(i, best) == (rule == CONNECTIONS_REPLACE))
            best = i;
    }
    return best;
}

/* No longer there, here and, when it is ours, for the others. */
static void retract(struct instances *s, struct instance *i)
{
    hide(s, i);
    if (!i->holder)
        tell(s, i, false);
    instance_free(s, i);
}

static void lose(struct instances *s, struct instance *i)
{
    if (i->holder) {
        hide(s, i);
        return;
    }
    if (i->join)
        answer(s, i->join, INSTANCE_CONFLICT);
    else
        s->events->replaced(s->arg, i->place.id, i->place.worker);
    retract(s, i);
}

/* One has come, or one that may have been kept has gone: another node's that had lost to it gets
 * stanzas again, unless it has heard of that, too, and ends. */
static void judge(struct instances *s, struct group *g)
{
    enum connections rule = s->events->rule(s->arg, slice_from(g->pattern));
    struct instance *keep = rule == CONNECTIONS_SHARE ? NULL : keeper(g, rule);

    LIST_WALK(node, &g->all)
    if (keep && LIST_ENTRY(node, struct instance, node) != keep)
        lose(s, LIST_ENTRY(node, struct instance, node));
    LIST_WALK(node, &g->all)
    if (!keep || LIST_ENTRY(node, struct instance, node) == keep)
        show(s, LIST_ENTRY(node, struct instance, node));
}

static void end(struct instances *s, struct instance *i)
{
    struct group *g = i->group;
    bool alone = g->all.next->next == &g->all;

    retract(s, i);
    if (!alone)
        judge(s, g);
}

/* --- ours --- */

static bool is_taken(const struct instances *s, struct slice pattern)
{
    return map_find(&s->groups, pattern) != NULL;
}

/* Above what was heard, and, for those who have heard of none, above what was before. */
static uint64_t draw(struct instances *s, struct slice pattern)
{
    const struct group *g = map_find(&s->groups, pattern);
    uint64_t now = loop_wall_us(s->loop);

    return g && g->highest >= now ? g->highest + 1 : now;
}

static void wait_for_others(struct instances *s, struct join *j)
{
    j->number = s->number;
    j->until_ms = loop_now_ms(s->loop) + INSTANCES_WAIT_MS;
    list_push(&s->waiting, &j->node);
    if (!timer_running(&s->wait))
        timer_start(&s->wait, INSTANCES_WAIT_MS);
}

void instances_join(struct instances *s, struct slice pattern, uint64_t id, unsigned worker,
                    instances_join_fn *done, void *arg)
{
    bool refuse = s->events->rule(s->arg, pattern) == CONNECTIONS_REFUSE;
    struct join *j = join_new(done, arg);
    struct instance *i;

    if (refuse && is_taken(s, pattern)) {
        answer(s, j, INSTANCE_CONFLICT);
        return;
    }
    i = instance_new(s, pattern, draw(s, pattern));
    i->place =
        (struct table_place){.id = id, .mark = rendezvous_draw(s->process, id), .worker = worker};
    map_add(&s->own, id_key(&i->place.id), i);
    tell(s, i, true);
    if (refuse && awaits(s, s->number)) {
        i->join = j;
        j->instance = i;
        wait_for_others(s, j);
    } else {
        answer(s, j, INSTANCE_JOINED);
    }
    judge(s, i->group);
}

void instances_leave(struct instances *s, uint64_t id)
{
    struct instance *i = map_find(&s->own, id_key(&id));

    if (!i)
        return;
    if (i->join)
        answer(s, i->join, INSTANCE_CONFLICT);
    end(s, i);
}

/* --- theirs --- */

static struct holder *holder_get(struct instances *s, struct slice node)
{
    struct holder *h = map_find(&s->holders, node);

    if (h)
        return h;
    h = MEM_NEW(struct holder);
    h->node = mem_strndup(node);
    map_init(&h->rows, s->groups.seed);
    map_add(&s->holders, slice_from(h->node), h);
    return h;
}

static void drop_rows(struct instances *s, struct holder *h, bool all)
{
    struct instance *i;
    size_t pos = 0;

    while ((i = map_next(&h->rows, &pos)))
        if (all || !i->confirmed)
            end(s, i);
}

static void begin_list(struct holder *h, uint64_t number)
{
    struct instance *i;
    size_t pos = 0;

    h->listing = true;
    h->number = number;
    while ((i = map_next(&h->rows, &pos)))
        i->confirmed = false;
}

static bool take_joined(struct instances *s, struct holder *h, const struct frame_component *row)
{
    struct instance *i = map_find(&h->rows, id_key(&row->id));

    if (i) {
        i->confirmed = true;
        return true;
    }
    if (map_count(&h->rows) >= INSTANCES_OF_NODE_MAX)
        return false;
    i = instance_new(s, row->pattern, row->draw);
    i->holder = h;
    i->confirmed = true;
    i->place = (struct table_place){.id = FAR_ID | ++s->far_count,
                                    .mark = rendezvous_draw(h->process, row->id),
                                    .node = slice_from(h->node),
                                    .far_id = row->id};
    map_add(&h->rows, id_key(&i->place.far_id), i);
    judge(s, i->group);
    return true;
}

static bool take_row(struct instances *s, struct holder *h, const struct frame_component *row)
{
    struct instance *i;

    if (row->joined)
        return take_joined(s, h, row);
    i = map_find(&h->rows, id_key(&row->id));
    if (i)
        end(s, i);
    return true;
}

bool instances_hear(struct instances *s, struct slice node, uint64_t process,
                    const struct frame_components *told)
{
    struct holder *h = holder_get(s, node);
    bool all_known = true;

    if (h->process != process)
        drop_rows(s, h, true);
    h->process = process;
    if (told->full && (!h->listing || h->number != told->number))
        begin_list(h, told->number);
    for (size_t i = 0; i < told->row_count; i++)
        all_known &= take_row(s, h, &told->rows[i]);
    if (told->full && !told->more) {
        h->listing = false;
        drop_rows(s, h, false);
    }
    return all_known;
}

static void holder_free(struct instances *s, struct holder *h)
{
    map_remove(&s->holders, slice_from(h->node));
    map_fini(&h->rows);
    mem_free(h->node);
    mem_free(h);
}

void instances_forget(struct instances *s, struct slice node)
{
    struct holder *h = map_find(&s->holders, node);

    if (!h)
        return;
    drop_rows(s, h, true);
    holder_free(s, h);
}

/* --- waiting --- */

void instances_heard(struct instances *s)
{
    LIST_WALK(node, &s->waiting)
    {
        struct join *j = LIST_ENTRY(node, struct join, node);

        if (j->until_ms <= loop_now_ms(s->loop) || !awaits(s, j->number))
            answer(s, j, INSTANCE_JOINED);
    }
}

static void on_wait(struct timer *t)
{
    struct instances *s = LIST_ENTRY(t, struct instances, wait);
    const struct join *first;

    instances_heard(s);
    first = LIST_FIRST(&s->waiting, struct join, node);
    if (first)
        timer_start(&s->wait, first->until_ms - loop_now_ms(s->loop));
}

/* --- life --- */

struct instances *instances_new(struct loop *l, const struct instances_events *events, void *arg)
{
    struct instances *s = MEM_NEW(struct instances);
    uint64_t seed[2];

    s->loop = l;
    s->events = events;
    s->arg = arg;
    random_fill(loop_random(l), seed, sizeof(seed));
    map_init(&s->groups, seed);
    map_init(&s->holders, seed);
    map_init(&s->own, seed);
    list_init(&s->waiting);
    list_init(&s->answers);
    timer_init(&s->wait, l, on_wait);
    task_init(&s->answer_task, run_answers);
    return s;
}

void instances_meet(struct instances *s, uint64_t process, const struct instances_company *company,
                    void *arg)
{
    s->process = process;
    s->company = company;
    s->company_arg = arg;
}

static void free_joins(struct list *joins)
{
    LIST_WALK(node, joins)
    mem_free(LIST_ENTRY(node, struct join, node));
}

/* Nobody is told any more. */
static void free_rows(struct instances *s, struct map *rows)
{
    struct instance *i;
    size_t pos = 0;

    while ((i = map_next(rows, &pos)))
        instance_free(s, i);
}

void instances_free(struct instances *s)
{
    struct holder *h;
    size_t pos = 0;

    task_cancel(&s->answer_task);
    timer_stop(&s->wait);
    free_joins(&s->answers);
    free_joins(&s->waiting);
    free_rows(s, &s->own);
    while ((h = map_next(&s->holders, &pos))) {
        free_rows(s, &h->rows);
        holder_free(s, h);
    }
    map_fini(&s->own);
    map_fini(&s->holders);
    map_fini(&s->groups);
    mem_free(s);
}
