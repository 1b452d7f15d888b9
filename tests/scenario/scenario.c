/* scenario [--seed N | --seeds N] [--covers] FILE.scn ... - plays scenarios against the router.
 *
 * Each file is one protocol promise. It is played once for each seed (default: 3, and 30 with
 * FEDROUTER_LONG=1): other byte borders, other orders of events, another number of workers. A
 * failure prints what happened and the seed, with which it happens again.
 */
#include "scenario/stage.h"

#include <stdio.h>
#include <unistd.h>

#define SEEDS      3
#define SEEDS_LONG 30

struct request {
    uint64_t first;
    uint64_t last;
    bool covers;
};

static const char *base_of(const char *path)
{
    const char *bar = strrchr(path, '/');

    return bar ? bar + 1 : path;
}

static bool play(const char *file, const struct script *script, uint64_t seed)
{
    struct stage stage;
    char name[128];
    bool ok;

    snprintf(name, sizeof(name), "scenario-%s", base_of(file));
    stage_init(&stage, scenario_adapter, script, seed, bed_dir(name));
    ok = stage_run(&stage);
    if (!ok) {
        stage_report(&stage, stderr);
        fprintf(stderr, "FAILED %s --seed %llu\n", file, (unsigned long long)seed);
        fflush(stderr);
        _exit(1); /* a router in the middle of something is not worth taking down */
    }
    stage_fini(&stage);
    return ok;
}

static bool play_all(const char *file, const struct request *r)
{
    struct script script;
    bool ok;

    script_init(&script);
    ok = script_load(&script, file);
    if (!ok)
        fprintf(stderr, "%s\n", script.why);
    if (ok && r->covers)
        printf("%s %s\n", file, script.covers);
    for (uint64_t seed = r->first; ok && !r->covers && seed <= r->last; seed++)
        ok = play(file, &script, seed);
    script_fini(&script);
    return ok;
}

static int usage(void)
{
    fprintf(stderr, "usage: scenario [--seed N | --seeds N] [--covers] FILE.scn ...\n");
    return 64;
}

/* Returns how many words were used; 0: not an option. */
static int take_option(char **argv, struct request *r)
{
    uint64_t n;

    if (strcmp(argv[0], "--covers") == 0) {
        r->covers = true;
        return 1;
    }
    if (!argv[1] || !slice_to_u64(slice_from(argv[1]), UINT64_MAX - 1, &n))
        return 0;
    if (strcmp(argv[0], "--seed") == 0)
        r->first = r->last = n;
    else if (strcmp(argv[0], "--seeds") == 0)
        r->last = n;
    else
        return 0;
    return 2;
}

int main(int argc, char **argv)
{
    struct request r = {1, getenv("FEDROUTER_LONG") ? SEEDS_LONG : SEEDS, false};
    int i = 1;
    int failed = 0;

    while (i < argc && argv[i][0] == '-') {
        int used = take_option(argv + i, &r);

        if (!used)
            return usage();
        i += used;
    }
    if (i == argc)
        return usage();
    for (; i < argc; i++)
        failed += !play_all(argv[i], &r);
    return failed ? 1 : 0;
}
