#include "route/told.h"

void told_init(struct told *t)
{
    memset(t, 0, sizeof(*t));
}

void told_fini(struct told *t)
{
    for (size_t i = 0; i < t->count; i++)
        bytes_unref(t->runs[i].detail);
    mem_free(t->runs);
    told_init(t);
}

static struct lane_run ref_run(const struct lane_run *run)
{
    struct lane_run copy = *run;

    if (copy.detail)
        bytes_ref(copy.detail);
    return copy;
}

static bool same_fate(const struct lane_run *a, const struct lane_run *b)
{
    if (a->fate != b->fate || a->why != b->why || !a->detail != !b->detail)
        return false;
    return !a->detail || slice_eq(bytes_slice(a->detail), bytes_slice(b->detail));
}

static void add(struct told *t, const struct lane_run *run)
{
    struct lane_run *last = t->count ? &t->runs[t->count - 1] : NULL;

    if (last && same_fate(last, run)) {
        last->last_seq = run->last_seq;
        return;
    }
    if (t->count == t->room) {
        t->room = t->room ? t->room * 2 : 4;
        t->runs = mem_realloc(t->runs, t->room * sizeof(*t->runs));
    }
    t->runs[t->count++] = ref_run(run);
}

void told_add(struct told *t, const struct lane_run *runs, size_t count)
{
    for (size_t i = 0; i < count; i++)
        add(t, &runs[i]);
}

void told_heard(struct told *t, uint64_t done)
{
    size_t n = 0;

    for (; n < t->count && t->runs[n].last_seq <= done; n++)
        bytes_unref(t->runs[n].detail);
    if (n == 0)
        return;
    t->count -= n;
    memmove(t->runs, t->runs + n, t->count * sizeof(*t->runs));
}

struct lane_run *told_copy(const struct lane_run *runs, size_t count)
{
    struct lane_run *copy = mem_array(count, sizeof(*copy));

    for (size_t i = 0; i < count; i++)
        copy[i] = ref_run(&runs[i]);
    return copy;
}
