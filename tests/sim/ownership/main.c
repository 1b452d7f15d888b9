/* ownership [--from SEED] [--seeds COUNT] [--without WORD] [--trace] | --times: can two nodes write
 * for one pair at once? Runs that many seeds and stops at the first that fails; --trace tells its
 * story.
 * --times measures how long pairs are without a writer, by trouble.
 * --without leaves out one clause of the rule: then it should fail. */
#include "sim/ownership/world.h"

#include <inttypes.h>
#include <stdio.h>

struct totals {
    uint64_t seeds, excused, ms;
};

static const char *failure(const struct outcome *o)
{
    if (o->two_writers)
        return "two nodes write for one pair";
    if (o->early_burial)
        return "a member without the table was buried by one that had it for under 6.5 s";
    if (o->unserved)
        return "a pair has no writer though all is well";
    return NULL;
}

static int run(uint64_t from, uint64_t count, bool trace)
{
    struct totals t = {0};

    for (uint64_t seed = from; seed < from + count; seed++) {
        struct outcome o = run_seed(seed, trace);
        const char *why = failure(&o);

        t.seeds++;
        t.excused += o.assumption_broken;
        t.ms += o.ms;
        if (why) {
            printf("seed %" PRIu64 ": %s\n", seed, why);
            return 1;
        }
    }
    printf("%" PRIu64 " seeds, %" PRIu64 " h of invented time; in %" PRIu64
           " the assumption was broken\n",
           t.seeds, t.ms / 3600000, t.excused);
    return 0;
}

int main(int argc, char **argv)
{
    uint64_t from = 1;
    uint64_t count = 1000;
    bool trace = false;

    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--times") == 0)
            return times_print(), 0;
        if (strcmp(argv[i], "--trace") == 0)
            trace = true;
        else if (i + 1 < argc && strcmp(argv[i], "--from") == 0)
            from = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--seeds") == 0)
            count = strtoull(argv[++i], NULL, 10);
        else if (i + 1 < argc && strcmp(argv[i], "--without") == 0)
            run_mutate(argv[++i]);
        else
            return fprintf(stderr, "ownership: unknown word %s\n", argv[i]), 64;
    }
    return run(from, count, trace);
}
