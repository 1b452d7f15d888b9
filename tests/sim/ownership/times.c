/* How long pairs are without a writer: three nodes, six pairs, one trouble at a random moment. */
#include "sim/ownership/world.h"

#include <stdio.h>

#define NODES 3
#define RUNS  60

static void crash(struct world *w)
{
    node_kill(w, 0);
}

static void out_30_s(struct world *w)
{
    trouble_add(w, (struct trouble){.kind = OUTAGE, .at_ms = w->now_ms, .ms = 30000});
}

static void restart_same(struct world *w)
{
    trouble_add(w, (struct trouble){.kind = RESTART, .at_ms = w->now_ms, .ms = 1000});
}

static void restart_empty(struct world *w)
{
    trouble_add(w, (struct trouble){.kind = EMPTY, .at_ms = w->now_ms, .ms = 1000});
}

static void fallback_and_death(struct world *w)
{
    table_snap(w);
    trouble_add(w, (struct trouble){.kind = OLDER, .at_ms = w->now_ms + 500, .ms = 2000});
    node_kill(w, 0);
}

static void rolling(struct world *w)
{
    for (int i = 0; i < NODES; i++) {
        uint64_t at = w->now_ms + (uint64_t)i * 15000;

        trouble_add(w, (struct trouble){.kind = LEAVE, .at_ms = at, .a = i});
        trouble_add(w, (struct trouble){.kind = JOIN, .at_ms = at + 6000, .a = i});
    }
}

static void all_again(struct world *w)
{
    for (int i = 0; i < NODES; i++)
        trouble_add(w, (struct trouble){.kind = AGAIN, .at_ms = w->now_ms, .a = i, .ms = 300});
}

/* The names come up on other machines: nobody knows that the old processes are gone. */
static void all_new_names(struct world *w)
{
    for (int i = 0; i < NODES; i++) {
        w->nodes[NODES + i].wanted = w->nodes[i].wanted;
        node_kill(w, i);
        trouble_add(w, (struct trouble){.kind = JOIN, .at_ms = w->now_ms + 300, .a = NODES + i});
    }
}

static void outage_restart_death(struct world *w)
{
    trouble_add(w, (struct trouble){.kind = OUTAGE, .at_ms = w->now_ms, .ms = 20000});
    trouble_add(w, (struct trouble){.kind = CRASH, .at_ms = w->now_ms + 10000});
    trouble_add(w, (struct trouble){.kind = RESTART, .at_ms = w->now_ms + 19500, .ms = 400});
}

static void and_forgotten(struct world *w)
{
    outage_restart_death(w);
    trouble_add(w, (struct trouble){.kind = FORGET, .at_ms = w->now_ms + 17500});
}

static const struct {
    const char *name;
    void (*play)(struct world *w);
    uint64_t ms; /* of the trouble itself */
} troubles[] = {
    {"a node killed, Redis up", crash, 0},
    {"outage of 30 s, all alive", out_30_s, 30000},
    {"Redis restarted, as it was", restart_same, 1000},
    {"Redis restarted, empty", restart_empty, 1000},
    {"failover to an older state, a node killed", fallback_and_death, 2500},
    {"rolling restart", rolling, 45000},
    {"whole cluster, same names and addresses", all_again, 300},
    {"whole cluster, new names", all_new_names, 300},
    {"outage of 20 s, restart, a node killed", outage_restart_death, 20000},
    {"... and forgotten by the operator", and_forgotten, 20000},
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static void run_one(size_t which, uint64_t seed, uint64_t *gaps, size_t *count)
{
    struct world w;
    uint64_t limit;

    world_init(&w, seed, 2 * NODES, PAIRS_MAX);
    for (int pair = 0; pair < w.pair_count; pair++)
        for (int i = 0; i < 2; i++)
            w.nodes[(pair + i) % NODES].wanted |= 1u << pair;
    for (int i = 0; i < NODES; i++)
        node_start(&w, i, (char[2]){(char)('a' + i), 0});
    run_until_served(&w);
    world_run(&w, w.now_ms + 4000 + world_below(&w, 1000));
    memset(w.gaps_ms, 0, sizeof(w.gaps_ms));
    troubles[which].play(&w);
    world_run(&w, w.now_ms + troubles[which].ms + 500);
    for (limit = w.now_ms + 90000; w.now_ms < limit && !world_all_served(&w);)
        world_run(&w, w.now_ms + 100);
    world_run(&w, w.now_ms + 15000);
    for (int pair = 0; pair < w.pair_count; pair++)
        if (w.gaps_ms[pair])
            gaps[(*count)++] = w.gaps_ms[pair];
    world_fini(&w);
}

void times_print(void)
{
    uint64_t gaps[RUNS * PAIRS_MAX];

    puts("seconds that pairs were without a writer:     p50    p99   of pairs");
    for (size_t i = 0; i < COUNT(troubles); i++) {
        size_t count = 0;

        for (uint64_t seed = 1; seed <= RUNS; seed++)
            run_one(i, seed, gaps, &count);
        qsort(gaps, count, sizeof(gaps[0]), compare);
        if (count)
            printf("  %-42s %6.2f %6.2f   %zu of %d\n", troubles[i].name,
                   (double)gaps[count / 2] / 1000, (double)gaps[count * 99 / 100] / 1000, count,
                   RUNS * PAIRS_MAX);
        else
            printf("  %-42s   none\n", troubles[i].name);
    }
}
