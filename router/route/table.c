#include "route/table.h"

#include "route/rendezvous.h"

void table_init(struct table *t, const uint64_t seed[2], const struct outq_ops *held_ops,
                const struct outq_limits *limits)
{
    memset(t, 0, sizeof(*t));
    map_init(&t->exact, seed);
    map_init(&t->wildcard, seed);
    map_init(&t->instances, seed);
    t->held_ops = held_ops;
    t->limits = limits;
}

static struct slice id_key(const struct table_instance *i)
{
    return slice_make((const char *)&i->id, sizeof(i->id));
}

static void instance_free(struct table *t, struct table_instance *i)
{
    map_remove(&t->instances, id_key(i));
    list_remove(&i->node);
    mem_free(i->at);
    mem_free(i);
}

static void entry_free(struct table *t, struct table_entry *e)
{
    assert(e->returned_count == 0);
    LIST_WALK(node, &e->instances)
    instance_free(t, LIST_ENTRY(node, struct table_instance, node));
    outq_fini(&e->held);
    mem_free(e->pattern);
    mem_free(e);
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->count; i++)
        entry_free(t, t->entries[i]);
    mem_free(t->entries);
    map_fini(&t->exact);
    map_fini(&t->wildcard);
    map_fini(&t->instances);
}

static bool is_wildcard(struct slice pattern)
{
    return slice_starts(pattern, SLICE("*."));
}

static struct table_entry *find_pattern(const struct table *t, struct slice pattern)
{
    return is_wildcard(pattern) ? map_find(&t->wildcard, slice_from_offset(pattern, 2))
                                : map_find(&t->exact, pattern);
}

static struct table_entry *entry_new(struct table *t, struct slice pattern, uint64_t now_ms)
{
    struct table_entry *e = MEM_NEW(struct table_entry);

    e->table = t;
    e->pattern = mem_strndup(pattern);
    e->absent_since_ms = now_ms;
    list_init(&e->instances);
    list_init(&e->returned);
    outq_init(&e->held, t->held_ops, t->limits);
    t->entries = mem_realloc(t->entries, (t->count + 1) * sizeof(struct table_entry *));
    t->entries[t->count++] = e;
    pattern = slice_from(e->pattern);
    if (is_wildcard(pattern)) {
        map_add(&t->wildcard, slice_from_offset(pattern, 2), e);
        t->any_wildcard = true;
    } else {
        map_add(&t->exact, pattern, e);
    }
    return e;
}

static uint64_t outstanding(const struct table_entry *e)
{
    uint64_t sum = 0;

    LIST_WALK(node, &e->instances)
    {
        const struct table_instance *i = LIST_ENTRY(node, struct table_instance, node);

        sum += i->given - i->settled;
    }
    return sum;
}

/* From here on stanzas wait until those given so far have their fates. */
static void mark_given(struct table_entry *e)
{
    LIST_WALK(node, &e->instances)
    {
        struct table_instance *i = LIST_ENTRY(node, struct table_instance, node);

        i->marked = i->given;
        i->due = i->given - i->settled;
    }
}

static void rebalance(struct table_entry *e, enum balance balance)
{
    if (e->balance != balance && outstanding(e)) {
        mark_given(e);
        e->moving = e->strict = e->unsettled = true;
    }
    e->balance = balance;
}

void table_configure(struct table *t, const struct table_rule *rules, size_t count, uint64_t now_ms)
{
    for (size_t i = 0; i < t->count; i++)
        t->entries[i]->configured = false;
    for (size_t i = 0; i < count; i++) {
        struct table_entry *e = find_pattern(t, rules[i].pattern);

        if (!e)
            e = entry_new(t, rules[i].pattern, now_ms);
        e->configured = true;
        e->index = i;
        e->connections = rules[i].connections;
        rebalance(e, rules[i].balance);
        e->grace_ms = rules[i].grace_ms;
    }
}

struct table_entry *table_find(const struct table *t, struct slice domain)
{
    struct table_entry *e = map_find(&t->exact, domain);

    if (e && e->configured)
        return e;
    if (!t->any_wildcard)
        return NULL;
    for (size_t dot = slice_find(domain, '.'); dot < domain.len; dot = slice_find(domain, '.')) {
        domain = slice_from_offset(domain, dot + 1);
        e = map_find(&t->wildcard, domain);
        if (e && e->configured)
            return e;
    }
    return NULL;
}

struct table_instance *table_instance(const struct table *t, uint64_t id)
{
    return map_find(&t->instances, slice_make((const char *)&id, sizeof(id)));
}

void table_join(struct table *t, struct slice pattern, const struct table_place *place)
{
    struct table_entry *e = find_pattern(t, pattern);
    struct table_instance *i;

    if (!e)
        return;
    if (!table_settled(e))
        e->strict = true;
    i = MEM_NEW(struct table_instance);
    i->entry = e;
    i->id = place->id;
    i->mark = place->mark;
    i->worker = place->worker;
    i->at = place->node.len ? mem_strndup(place->node) : NULL;
    i->far_id = place->far_id;
    mark_given(e);
    i->joining = outstanding(e) > 0 || outq_count(&e->held) > 0 || e->returned_count > 0;
    e->unsettled |= i->joining;
    list_push(&e->instances, &i->node);
    e->instance_count++;
    map_add(&t->instances, id_key(i), i);
}

void table_leave(struct table *t, uint64_t id, uint64_t now_ms)
{
    struct table_instance *i = table_instance(t, id);
    struct table_entry *e;

    if (!i || i->leaving)
        return;
    e = i->entry;
    if (!table_settled(e))
        e->strict = true;
    if (--e->instance_count == 0)
        e->absent_since_ms = now_ms;
    if (i->given == i->settled)
        instance_free(t, i);
    else
        i->leaving = e->unsettled = true;
}

/* The instance that has the key by rendezvous. `after`: as things will be once settled; else as
 * they were before. */
static struct table_instance *highest(struct table_entry *e, struct slice key, bool after)
{
    struct table_instance *best = NULL;
    struct rendezvous order;

    rendezvous_begin(&order, key);
    LIST_WALK(node, &e->instances)
    {
        struct table_instance *i = LIST_ENTRY(node, struct table_instance, node);

        if (!(after ? i->leaving : i->joining) && rendezvous_leads(&order, i->mark))
            best = i;
    }
    return best;
}

struct table_instance *table_choose(struct table_entry *e, struct slice key)
{
    struct table_instance *only = LIST_FIRST(&e->instances, struct table_instance, node);
    struct table_instance *chosen;

    if (!only || e->strict)
        return NULL;
    if (only->node.next == &e->instances)
        return only->joining || only->leaving ? NULL : only;
    chosen = highest(e, key, true);
    if (!chosen || chosen->joining || chosen != highest(e, key, false))
        return NULL;
    return chosen;
}

void table_give(struct table_instance *i, struct stanza *s)
{
    s->instance = i;
    s->given = ++i->given;
}

void table_take(struct table_instance *i, const struct stanza *s)
{
    i->settled++;
    if (s->given <= i->marked)
        i->due--;
}

struct slice table_key(const struct table_entry *e, const struct stanza *s)
{
    struct slice address = e->balance == BALANCE_TO ? s->to : s->from;

    return slice_sub(address, 0, slice_find(address, '/'));
}

bool table_settled(const struct table_entry *e)
{
    bool joining = e->moving;

    if (!e->unsettled)
        return true;
    LIST_WALK(node, &e->instances)
    joining |= LIST_ENTRY(node, struct table_instance, node)->joining;
    LIST_WALK(node, &e->instances)
    {
        const struct table_instance *i = LIST_ENTRY(node, struct table_instance, node);

        if (i->leaving && i->settled < i->given)
            return false;
        if (joining && !i->joining && i->due)
            return false;
    }
    return true;
}

void table_settle(struct table_entry *e)
{
    e->strict = e->unsettled = e->moving = false;
    LIST_WALK(node, &e->instances)
    {
        struct table_instance *i = LIST_ENTRY(node, struct table_instance, node);

        i->joining = false;
        if (i->leaving)
            instance_free(e->table, i);
    }
}

bool table_absent(const struct table_entry *e, uint64_t now_ms)
{
    return e->instance_count == 0 && now_ms - e->absent_since_ms >= e->grace_ms;
}
