#include "wire/srv.h"

static void swap(struct srv_target *a, struct srv_target *b)
{
    struct srv_target t = *a;

    *a = *b;
    *b = t;
}

/* The algorithm below leaves the order of zero weights open: chance decides, or the first of
 * several equal servers would get every call. */
static void shuffle(struct srv_target *targets, size_t n, struct random *rnd)
{
    for (size_t i = n; i > 1; i--)
        swap(&targets[i - 1], &targets[random_below(rnd, i)]);
}

static bool sorts_before(const struct srv_target *a, const struct srv_target *b)
{
    if (a->priority != b->priority)
        return a->priority < b->priority;
    return a->weight == 0 && b->weight != 0;
}

/* By priority, zero weights first. Insertion: `n` is bounded by the caller, and is 2 or 3. */
static void sort(struct srv_target *targets, size_t n)
{
    for (size_t i = 1; i < n; i++)
        for (size_t k = i; k > 0 && sorts_before(&targets[k], &targets[k - 1]); k--)
            swap(&targets[k], &targets[k - 1]);
}

/* The first whose running sum reaches a number drawn from 0 to the total, both included. The
 * 0 is what gives zero weights their small chance. RFC 2782, Weight. */
static size_t draw(const struct srv_target *targets, size_t n, struct random *rnd)
{
    uint64_t total = 0;
    uint64_t sum = 0;
    uint64_t mark;
    size_t i;

    for (i = 0; i < n; i++)
        total += targets[i].weight;
    mark = random_below(rnd, total + 1);
    for (i = 0; i + 1 < n; i++) {
        sum += targets[i].weight;
        if (sum >= mark)
            break;
    }
    return i;
}

/* The others keep their order, so zero weights stay first. */
static void move_to_front(struct srv_target *targets, size_t at)
{
    struct srv_target chosen = targets[at];

    memmove(targets + 1, targets, at * sizeof(*targets));
    targets[0] = chosen;
}

static void rank_equals(struct srv_target *targets, size_t n, struct random *rnd)
{
    for (; n > 1; targets++, n--)
        move_to_front(targets, draw(targets, n, rnd));
}

void srv_rank(struct srv_target *targets, size_t n, struct random *rnd)
{
    size_t end;

    shuffle(targets, n, rnd);
    sort(targets, n);
    for (size_t i = 0; i < n; i = end) {
        for (end = i + 1; end < n && targets[end].priority == targets[i].priority;)
            end++;
        rank_equals(targets + i, end - i, rnd);
    }
}
